/*
 * The behaviours that the registry value Mode chooses between. Each is a function or two.
 *
 * Modes that change something do so only for files whose name contains "change", so that one test can
 * compare changed with unchanged operations.
 */
#include "iopbtest.h"

static BOOLEAN Concerns(PFLT_CALLBACK_DATA Data)
{
    return Settings.Major == 0x100 || Settings.Major == Data->Iopb->MajorFunction;
}

/* A program's read or write, not the cache manager's. */
static BOOLEAN IsTransfer(PFLT_CALLBACK_DATA Data)
{
    UCHAR major = Data->Iopb->MajorFunction;

    return (major == IRP_MJ_READ || major == IRP_MJ_WRITE) && !FlagOn(Data->Iopb->IrpFlags, IRP_PAGING_IO);
}

static BOOLEAN IsChanged(PFLT_CALLBACK_DATA Data)
{
    return IsTransfer(Data) && NameContains(Data->Iopb->TargetFileObject, L"change");
}

/* Read and Write have the same layout. */
static VOID ChangeTransfer(PFLT_CALLBACK_DATA Data)
{
    Data->Iopb->Parameters.Read.ByteOffset.QuadPart += Settings.Offset;
    if (Settings.Length != 0) {
        Data->Iopb->Parameters.Read.Length = Settings.Length;
    }
}

static FLT_PREOP_CALLBACK_STATUS PreObserve(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                            PVOID *CompletionContext)
{
    return Data->Iopb->MajorFunction == IRP_MJ_SHUTDOWN ? FLT_PREOP_SUCCESS_NO_CALLBACK
                                                        : FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS PostObserve(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                              PVOID CompletionContext)
{
    CHECK(CompletionContext == NULL);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_PREOP_CALLBACK_STATUS PreChangeDirty(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                PVOID *CompletionContext)
{
    if (IsChanged(Data)) {
        ChangeTransfer(Data);
        FltSetCallbackDataDirty(Data);
        CHECK(FltIsCallbackDataDirty(Data));
    }
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_PREOP_CALLBACK_STATUS PreChangeNoDirty(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                  PVOID *CompletionContext)
{
    if (IsChanged(Data)) {
        ChangeTransfer(Data);
        CHECK(!FltIsCallbackDataDirty(Data));
    }
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_PREOP_CALLBACK_STATUS PreChangeThenClear(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                    PVOID *CompletionContext)
{
    if (IsChanged(Data)) {
        ChangeTransfer(Data);
        FltSetCallbackDataDirty(Data);
        FltClearCallbackDataDirty(Data);
        CHECK(!FltIsCallbackDataDirty(Data));
    }
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

/* Reserved and the major function belong to the manager. */
static FLT_PREOP_CALLBACK_STATUS PreChangeMajor(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                PVOID *CompletionContext)
{
    if (IsChanged(Data)) {
        Data->Iopb->MajorFunction =
            Data->Iopb->MajorFunction == IRP_MJ_READ ? IRP_MJ_FLUSH_BUFFERS : IRP_MJ_READ;
        FltSetCallbackDataDirty(Data);
    }
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_PREOP_CALLBACK_STATUS PreChangeReserved(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                   PVOID *CompletionContext)
{
    if (IsChanged(Data)) {
        Data->Iopb->Reserved = 0x5A;
        FltSetCallbackDataDirty(Data);
    }
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

/* A member that only the system uses. */
static FLT_PREOP_CALLBACK_STATUS PreChangeDeleteHandle(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                       PVOID *CompletionContext)
{
    if (Data->Iopb->MajorFunction == IRP_MJ_SET_INFORMATION) {
        Data->Iopb->Parameters.SetFileInformation.DeleteHandle = (HANDLE)(ULONG_PTR)0x5A;
        FltSetCallbackDataDirty(Data);
    }
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS PostChangeDirty(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                  PVOID CompletionContext)
{
    if (IsChanged(Data)) {
        ChangeTransfer(Data);
        FltSetCallbackDataDirty(Data);
    }
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_PREOP_CALLBACK_STATUS PreComplete(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                             PVOID *CompletionContext)
{
    if (!Concerns(Data)) {
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
    }
    Data->IoStatus.Status = (NTSTATUS)Settings.Status;
    Data->IoStatus.Information = 0;
    return FLT_PREOP_COMPLETE;
}

static FLT_PREOP_CALLBACK_STATUS PreNoCallback(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                               PVOID *CompletionContext)
{
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* For modes in which no postoperation callback may arrive. */
static FLT_POSTOP_CALLBACK_STATUS PostNever(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                            PVOID CompletionContext)
{
    CHECK(FALSE);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_PREOP_CALLBACK_STATUS PreDisallowFastIo(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                   PVOID *CompletionContext)
{
    return FLT_IS_FASTIO_OPERATION(Data) ? FLT_PREOP_DISALLOW_FASTIO : FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* The context says which thread ran the preoperation callback. */
static FLT_PREOP_CALLBACK_STATUS PreSynchronize(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                PVOID *CompletionContext)
{
    if (Data->Iopb->MajorFunction == IRP_MJ_CREATE || Data->Iopb->MajorFunction == IRP_MJ_SHUTDOWN) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    *CompletionContext = PsGetCurrentThread();
    return FLT_PREOP_SYNCHRONIZE;
}

static FLT_POSTOP_CALLBACK_STATUS PostSynchronize(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                  PVOID CompletionContext)
{
    CHECK(CompletionContext == (PVOID)PsGetCurrentThread());
    CHECK(KeGetCurrentIrql() <= APC_LEVEL);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* What the preoperation callback saw travels to the postoperation callback in its completion context. */
typedef struct _SEEN {
    FLT_IO_PARAMETER_BLOCK Iopb;
    PFLT_CALLBACK_DATA Data;
} SEEN;
#define SEEN_TAG 'neeS'

static FLT_PREOP_CALLBACK_STATUS PreContext(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                            PVOID *CompletionContext)
{
    SEEN *seen;

    CHECK(*CompletionContext == NULL);
    if (Data->Iopb->MajorFunction == IRP_MJ_SHUTDOWN) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    seen = ExAllocatePoolZero(NonPagedPoolNx, sizeof(*seen), SEEN_TAG);
    if (seen == NULL) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    seen->Iopb = *Data->Iopb;
    seen->Data = Data;
    *CompletionContext = seen;
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS PostContext(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                              PVOID CompletionContext)
{
    SEEN *seen = CompletionContext;

    CHECK(seen != NULL);
    if (seen != NULL) {
        CHECK(seen->Iopb.MajorFunction == Data->Iopb->MajorFunction);
        CHECK(seen->Iopb.MinorFunction == Data->Iopb->MinorFunction);
        CHECK(seen->Iopb.TargetFileObject == Data->Iopb->TargetFileObject);
        CHECK(seen->Iopb.TargetInstance == Data->Iopb->TargetInstance);
        CHECK(RtlEqualMemory(&seen->Iopb.Parameters.Others, &Data->Iopb->Parameters.Others,
                             sizeof(seen->Iopb.Parameters.Others)));
        ExFreePoolWithTag(seen, SEEN_TAG);
    }
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_PREOP_CALLBACK_STATUS PreBadReturn(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                              PVOID *CompletionContext)
{
    return Concerns(Data) ? (FLT_PREOP_CALLBACK_STATUS)Settings.Return : FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS PostBadReturn(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                PVOID CompletionContext)
{
    return Concerns(Data) ? (FLT_POSTOP_CALLBACK_STATUS)Settings.Return : FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_PREOP_CALLBACK_STATUS PreContextWithoutCallback(PFLT_CALLBACK_DATA Data,
                                                           PCFLT_RELATED_OBJECTS FltObjects,
                                                           PVOID *CompletionContext)
{
    *CompletionContext = &Results;
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* Turns success into the chosen failure; what happened below stays. */
static FLT_POSTOP_CALLBACK_STATUS PostFail(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                           PVOID CompletionContext)
{
    if (Concerns(Data) && NT_SUCCESS(Data->IoStatus.Status)) {
        if (Data->Iopb->MajorFunction == IRP_MJ_CREATE) {
            FltCancelFileOpen(FltObjects->Instance, FltObjects->FileObject);
        }
        Data->IoStatus.Status = (NTSTATUS)Settings.Status;
        Data->IoStatus.Information = 0;
    }
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* Where a redirected read went, for its postoperation callback. */
typedef struct _REDIRECTED {
    HANDLE Handle;
    PFILE_OBJECT Target;
    PFILE_OBJECT Original;
} REDIRECTED;
#define REDIRECTED_TAG 'ideR'

/* Opens a file below an instance of ours. */
static REDIRECTED *OpenTarget(PCFLT_RELATED_OBJECTS FltObjects, PFLT_INSTANCE Instance, PCWSTR Name)
{
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK iosb;
    NTSTATUS status;
    REDIRECTED *redirected = ExAllocatePoolZero(NonPagedPoolNx, sizeof(*redirected), REDIRECTED_TAG);

    if (redirected == NULL) {
        return NULL;
    }
    RtlInitUnicodeString(&name, Name);
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    status = FltCreateFileEx(FltObjects->Filter, Instance, &redirected->Handle, &redirected->Target,
                             GENERIC_READ | SYNCHRONIZE, &attributes, &iosb, NULL, FILE_ATTRIBUTE_NORMAL,
                             FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, FILE_OPEN,
                             FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0, 0);
    CHECK(NT_SUCCESS(status));
    if (!NT_SUCCESS(status)) {
        ExFreePoolWithTag(redirected, REDIRECTED_TAG);
        return NULL;
    }
    return redirected;
}

/* Sends reads to another file of the same volume. */
static FLT_PREOP_CALLBACK_STATUS PreRedirect(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                             PVOID *CompletionContext)
{
    REDIRECTED *redirected;

    if (Data->Iopb->MajorFunction != IRP_MJ_READ || !IsChanged(Data)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    redirected = OpenTarget(FltObjects, FltObjects->Instance, L"\\Device\\HarddiskVolume1\\target");
    if (redirected == NULL) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    redirected->Original = Data->Iopb->TargetFileObject;
    Data->Iopb->TargetFileObject = redirected->Target;
    FltSetCallbackDataDirty(Data);
    *CompletionContext = redirected;
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS PostRedirect(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                               PVOID CompletionContext)
{
    REDIRECTED *redirected = CompletionContext;

    CHECK(Data->Iopb->TargetFileObject == redirected->Original);
    CHECK(FltObjects->FileObject == redirected->Original);
    ObDereferenceObject(redirected->Target);
    CHECK(NT_SUCCESS(FltClose(redirected->Handle)));
    ExFreePoolWithTag(redirected, REDIRECTED_TAG);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* The stack size of an instance's volume, asked for as documented. Every reference is given back. */
static CCHAR StackSize(PFLT_INSTANCE Instance)
{
    PFLT_VOLUME volume;
    PDEVICE_OBJECT device;
    CCHAR size = 0;

    CHECK(NT_SUCCESS(FltGetVolumeFromInstance(Instance, &volume)));
    if (NT_SUCCESS(FltGetDeviceObject(volume, &device))) {
        size = device->StackSize;
        ObDereferenceObject(device);
    }
    FltObjectDereference(volume);
    CHECK(size > 0);
    return size;
}

/* Sends reads to a file of the second volume. */
static FLT_PREOP_CALLBACK_STATUS PreRedirectVolume(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                   PVOID *CompletionContext)
{
    REDIRECTED *redirected;

    if (Data->Iopb->MajorFunction != IRP_MJ_READ || !IsChanged(Data) || FltObjects->Instance != Instances[0]
        || Instances[1] == NULL
        || (Settings.Return == 0 && StackSize(Instances[1]) < StackSize(Instances[0]))) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    redirected = OpenTarget(FltObjects, Instances[1], L"\\Device\\HarddiskVolume2\\target");
    if (redirected == NULL) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    redirected->Original = Data->Iopb->TargetFileObject;
    Data->Iopb->TargetFileObject = redirected->Target;
    Data->Iopb->TargetInstance = Instances[1];
    FltSetCallbackDataDirty(Data);
    *CompletionContext = redirected;
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS PostRedirectVolume(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                     PVOID CompletionContext)
{
    CHECK(Data->Iopb->TargetInstance == Instances[0]);
    CHECK(FltObjects->Instance == Instances[0]);
    return PostRedirect(Data, FltObjects, CompletionContext);
}

/* Wrong: to a file of the second volume, but not to its instance. */
static FLT_PREOP_CALLBACK_STATUS PreRedirectFile(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                 PVOID *CompletionContext)
{
    FLT_PREOP_CALLBACK_STATUS answer = PreRedirectVolume(Data, FltObjects, CompletionContext);

    if (answer == FLT_PREOP_SUCCESS_WITH_CALLBACK) {
        Data->Iopb->TargetInstance = FltObjects->Instance;
    }
    return answer;
}

/* Wrong: to what is no instance of ours on another volume. */
static FLT_PREOP_CALLBACK_STATUS PreRedirectBadly(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                  PVOID *CompletionContext)
{
    if (IsChanged(Data)) {
        Data->Iopb->TargetInstance = (PFLT_INSTANCE)FltObjects->Filter;
        FltSetCallbackDataDirty(Data);
    }
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const BEHAVIOUR Modes[] = {
    {L"observe", PreObserve, PostObserve},
    {L"pre-only", PreNoCallback, NULL},
    {L"pre-only-with-callback", PreObserve, NULL},
    {L"post-only", NULL, PostObserve},
    {L"no-callback", PreNoCallback, PostNever},
    {L"nonnull-context-on-no-callback", PreContextWithoutCallback, PostNever},
    {L"disallow-fastio", PreDisallowFastIo, PostNever},
    {L"synchronize", PreSynchronize, PostSynchronize},
    {L"context", PreContext, PostContext},
    {L"complete-pre", PreComplete, PostObserve},
    {L"fail-post", PreObserve, PostFail},
    {L"change-dirty", PreChangeDirty, PostObserve},
    {L"change-nodirty", PreChangeNoDirty, PostObserve},
    {L"change-then-clear", PreChangeThenClear, PostObserve},
    {L"change-major", PreChangeMajor, PostObserve},
    {L"change-reserved", PreChangeReserved, PostObserve},
    {L"change-delete-handle", PreChangeDeleteHandle, PostObserve},
    {L"post-change-dirty", PreObserve, PostChangeDirty},
    {L"redirect", PreRedirect, PostRedirect},
    {L"redirect-volume", PreRedirectVolume, PostRedirectVolume},
    {L"redirect-badly", PreRedirectBadly, PostNever},
    {L"redirect-file", PreRedirectFile, PostRedirect},
    {L"bad-return", PreBadReturn, PostObserve},
    {L"bad-post-return", PreObserve, PostBadReturn},
};
const ULONG ModeCount = ARRAYSIZE(Modes);
