/*
 * Behaviours about the IRQL that callbacks run at, and about what is not a filter's to change or to keep.
 */
#include "iopbtest.h"

#define POOL_TAG 'vlPI'

static BOOLEAN Concerns(PFLT_CALLBACK_DATA Data)
{
    return FLT_IS_IRP_OPERATION(Data) && Settings.Major == Data->Iopb->MajorFunction &&
           !FlagOn(Data->Iopb->IrpFlags, IRP_PAGING_IO) && NameContains(Data->Iopb->TargetFileObject, L"change");
}

static FLT_PREOP_CALLBACK_STATUS Pass(PFLT_CALLBACK_DATA Data)
{
    return FLT_IS_FASTIO_OPERATION(Data) ? FLT_PREOP_DISALLOW_FASTIO : FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS PostAny(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                          PVOID CompletionContext)
{
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* A list that both sides of an operation change, under its spin lock. */
static KSPIN_LOCK Lock;
static LIST_ENTRY List = {&List, &List};

typedef struct _NOTE {
    LIST_ENTRY Link;
    PETHREAD Thread;
} NOTE;

static FLT_PREOP_CALLBACK_STATUS PreNote(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                         PVOID *CompletionContext)
{
    NOTE *note;
    KIRQL irql;

    if (FLT_IS_FS_FILTER_OPERATION(Data)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    note = ExAllocatePoolZero(NonPagedPoolNx, sizeof(*note), POOL_TAG);
    CHECK(note != NULL);
    note->Thread = PsGetCurrentThread();
    KeAcquireSpinLock(&Lock, &irql);
    InsertTailList(&List, &note->Link);
    KeReleaseSpinLock(&Lock, irql);
    *CompletionContext = note;
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

/* What is allowed at any level. Counts those at DISPATCH_LEVEL. */
static FLT_POSTOP_CALLBACK_STATUS PostNote(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                           PVOID CompletionContext)
{
    NOTE *note = CompletionContext;
    UCHAR major = Data->Iopb->MajorFunction;
    BOOLEAN high = KeGetCurrentIrql() == DISPATCH_LEVEL;
    KIRQL irql;

    KeAcquireSpinLock(&Lock, &irql);
    RemoveEntryList(&note->Link);
    KeReleaseSpinLock(&Lock, irql);
    CHECK((irql == DISPATCH_LEVEL) == high);
    if (!FLT_IS_IRP_OPERATION(Data) || major == IRP_MJ_CREATE || major == IRP_MJ_CLEANUP || major == IRP_MJ_CLOSE) {
        CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
        CHECK(note->Thread == PsGetCurrentThread());
    } else if (high) {
        CHECK(note->Thread != PsGetCurrentThread());
        InterlockedIncrement64((LONG64 volatile *)&Results.Reserved[0]);
    } else {
        InterlockedIncrement64((LONG64 volatile *)&Results.Reserved[1]);
    }
    ExFreePoolWithTag(note, POOL_TAG);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* Wrong at DISPATCH_LEVEL; Return chooses. */
static FLT_POSTOP_CALLBACK_STATUS PostLow(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                          PVOID CompletionContext)
{
    static FAST_MUTEX mutex;
    static ERESOURCE resource;
    static BOOLEAN ready;
    PFLT_FILE_NAME_INFORMATION name;
    PFLT_CONTEXT context;
    volatile UCHAR *paged = (volatile UCHAR *)Results.Reserved[2];

    if (KeGetCurrentIrql() < DISPATCH_LEVEL) {
        return FLT_POSTOP_FINISHED_PROCESSING;
    }
    Results.Reserved[0]++;
    switch (Settings.Return) {
    case 0:
        (VOID)FltLockUserBuffer(Data);
        break;
    case 1:
        (VOID)FltGetStreamContext(FltObjects->Instance, FltObjects->FileObject, &context);
        break;
    case 2:
        (VOID)FltGetFileNameInformation(Data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, &name);
        break;
    case 3:
        ExInitializeFastMutex(&mutex);
        ExAcquireFastMutex(&mutex);
        break;
    case 4:
        if (!ready) {
            ready = TRUE;
            ExInitializeResourceLite(&resource);
        }
        (VOID)ExAcquireResourceExclusiveLite(&resource, TRUE);
        break;
    case 5:
        *paged = 1;
        break;
    }
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_PREOP_CALLBACK_STATUS PreLow(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                        PVOID *CompletionContext)
{
    if (!Concerns(Data)) {
        return Pass(Data);
    }
    if (Results.Reserved[2] == 0) {
        Results.Reserved[2] = (ULONG64)ExAllocatePoolZero(PagedPool, 64, POOL_TAG);
    }
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

/* Wrong: changes what is the manager's; Return chooses. */
static FLT_PREOP_CALLBACK_STATUS PreChangeData(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                               PVOID *CompletionContext)
{
    static FLT_IO_PARAMETER_BLOCK other;

    if (!Concerns(Data)) {
        return Pass(Data);
    }
    switch (Settings.Return) {
    case 0:
        Data->Flags |= FLTFL_CALLBACK_DATA_GENERATED_IO;
        break;
    case 1:
        *(PETHREAD *)&Data->Thread = NULL;
        break;
    case 2:
        *(KPROCESSOR_MODE *)&Data->RequestorMode = KernelMode;
        break;
    case 3:
        other = *Data->Iopb;
        *(PFLT_IO_PARAMETER_BLOCK *)&Data->Iopb = &other;
        break;
    case 4:
        Data->IoStatus.Status = STATUS_ACCESS_DENIED;
        Data->IoStatus.Information = 5;
        break;
    }
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

/* Wrong: holds a resource until the postoperation callback. */
static ERESOURCE Across;
static BOOLEAN AcrossReady;

static FLT_PREOP_CALLBACK_STATUS PreHoldLock(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                             PVOID *CompletionContext)
{
    if (!Concerns(Data)) {
        return Pass(Data);
    }
    if (!AcrossReady) {
        AcrossReady = TRUE;
        CHECK(NT_SUCCESS(ExInitializeResourceLite(&Across)));
    }
    KeEnterCriticalRegion();
    CHECK(ExAcquireResourceExclusiveLite(&Across, TRUE));
    return FLT_PREOP_SYNCHRONIZE;
}

static FLT_POSTOP_CALLBACK_STATUS PostHoldLock(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                               PVOID CompletionContext)
{
    ExReleaseResourceLite(&Across);
    KeLeaveCriticalRegion();
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* Wrong: uses the callback data when the operation is over, in InstanceTeardownStart. */
static PFLT_CALLBACK_DATA Stale;

static FLT_PREOP_CALLBACK_STATUS PreKeep(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                         PVOID *CompletionContext)
{
    if (Concerns(Data)) {
        Stale = Data;
    }
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

VOID UseStale(VOID)
{
    if (Stale != NULL) {
        (VOID)FltLockUserBuffer(Stale);
    }
}

const BEHAVIOUR LevelModes[] = {
    {L"note", PreNote, PostNote},
    {L"low", PreLow, PostLow},
    {L"change-data", PreChangeData, PostAny},
    {L"hold-lock", PreHoldLock, PostHoldLock},
    {L"keep", PreKeep, PostAny},
};
const ULONG LevelModeCount = ARRAYSIZE(LevelModes);
