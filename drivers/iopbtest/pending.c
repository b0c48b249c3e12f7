/*
 * Behaviours that hold operations: in a worker, before the callback has returned, and on the way up.
 *
 * They act on IRPs of the registry value Major; fast I/O is disallowed, so that it comes as an IRP. Paging I/O passes.
 */
#include "iopbtest.h"

#define POOL_TAG 'dnPI'
#define CONTEXT ((PVOID)(ULONG_PTR)0x5151)

static BOOLEAN Concerns(PFLT_CALLBACK_DATA Data)
{
    return FLT_IS_IRP_OPERATION(Data) && Settings.Major == Data->Iopb->MajorFunction &&
           !FlagOn(Data->Iopb->IrpFlags, IRP_PAGING_IO);
}

static FLT_PREOP_CALLBACK_STATUS Pass(PFLT_CALLBACK_DATA Data)
{
    return FLT_IS_FASTIO_OPERATION(Data) ? FLT_PREOP_DISALLOW_FASTIO : FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* Answers for a held operation what the value Return says. */
static VOID CompletePre(PFLT_CALLBACK_DATA Data)
{
    if (Settings.Return == FLT_PREOP_COMPLETE) {
        Data->IoStatus.Status = (NTSTATUS)Settings.Status;
        Data->IoStatus.Information = 0;
    }
    FltCompletePendedPreOperation(Data, (FLT_PREOP_CALLBACK_STATUS)Settings.Return,
                                  Settings.Return == FLT_PREOP_SUCCESS_WITH_CALLBACK ? CONTEXT : NULL);
}

static VOID FLTAPI PreWorker(PFLT_DEFERRED_IO_WORKITEM Item, PFLT_CALLBACK_DATA Data, PVOID Context)
{
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
    CHECK(Context == CONTEXT);
    CHECK(PsIsSystemThread(PsGetCurrentThread()));
    CHECK(PsGetCurrentThread() != Data->Thread);
    CHECK(Data->FilterContext[0] == Data->Thread && Data->FilterContext[3] == Item);
    CHECK((PVOID)&Data->QueueLinks == (PVOID)&Data->FilterContext[0]);
    CHECK((PVOID)&Data->QueueContext[1] == (PVOID)&Data->FilterContext[3]);
    CHECK(!FlagOn(Data->Flags, FLTFL_CALLBACK_DATA_POST_OPERATION));
    FltFreeDeferredIoWorkItem(Item);
    CompletePre(Data);
}

static FLT_PREOP_CALLBACK_STATUS PrePend(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                         PVOID *CompletionContext)
{
    PFLT_DEFERRED_IO_WORKITEM item;

    if (!Concerns(Data)) {
        return Pass(Data);
    }
    item = FltAllocateDeferredIoWorkItem();
    CHECK(item != NULL);
    /* The words are the filter's while it holds the operation. */
    Data->FilterContext[0] = Data->Thread;
    Data->FilterContext[3] = item;
    if (!NT_SUCCESS(FltQueueDeferredIoWorkItem(item, Data, PreWorker, DelayedWorkQueue, CONTEXT))) {
        CHECK(FALSE);
        FltFreeDeferredIoWorkItem(item);
        return Pass(Data);
    }
    return FLT_PREOP_PENDING;
}

static FLT_POSTOP_CALLBACK_STATUS PostPended(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                             PVOID CompletionContext)
{
    CHECK(CompletionContext == CONTEXT);
    CHECK(Settings.Return == FLT_PREOP_SUCCESS_WITH_CALLBACK || Settings.Return == FLT_PREOP_SYNCHRONIZE);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* At DISPATCH_LEVEL. */
static VOID FLTAPI PreWorkerHigh(PFLT_DEFERRED_IO_WORKITEM Item, PFLT_CALLBACK_DATA Data, PVOID Context)
{
    KIRQL irql;

    FltFreeDeferredIoWorkItem(Item);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    CompletePre(Data);
    KeLowerIrql(irql);
}

static FLT_PREOP_CALLBACK_STATUS PrePendHigh(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                             PVOID *CompletionContext)
{
    if (!Concerns(Data)) {
        return Pass(Data);
    }
    CHECK(NT_SUCCESS(FltQueueDeferredIoWorkItem(FltAllocateDeferredIoWorkItem(), Data, PreWorkerHigh,
                                                DelayedWorkQueue, CONTEXT)));
    return FLT_PREOP_PENDING;
}

/* Completed before the callback has returned. */
static FLT_PREOP_CALLBACK_STATUS PrePendEarly(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                              PVOID *CompletionContext)
{
    if (!Concerns(Data)) {
        return Pass(Data);
    }
    CompletePre(Data);
    return FLT_PREOP_PENDING;
}

/* Wrong: fast I/O cannot be held. */
static FLT_PREOP_CALLBACK_STATUS PrePendFast(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                             PVOID *CompletionContext)
{
    return FLT_IS_FASTIO_OPERATION(Data) && Data->Iopb->MajorFunction == Settings.Major
               ? FLT_PREOP_PENDING
               : FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* Wrong: twice. */
static FLT_PREOP_CALLBACK_STATUS PrePendTwice(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                              PVOID *CompletionContext)
{
    if (!Concerns(Data)) {
        return Pass(Data);
    }
    CompletePre(Data);
    CompletePre(Data);
    return FLT_PREOP_PENDING;
}

/* Wrong: completed, but not held. */
static FLT_PREOP_CALLBACK_STATUS PreCompleteOnly(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                 PVOID *CompletionContext)
{
    if (!Concerns(Data)) {
        return Pass(Data);
    }
    CompletePre(Data);
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* Wrong: a context that nobody receives. */
static FLT_PREOP_CALLBACK_STATUS PrePendContext(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                PVOID *CompletionContext)
{
    if (!Concerns(Data)) {
        return Pass(Data);
    }
    FltCompletePendedPreOperation(Data, FLT_PREOP_SUCCESS_NO_CALLBACK, CONTEXT);
    return FLT_PREOP_PENDING;
}

/* With the result from below when the value Status is STATUS_PENDING. */
static VOID CompletePost(PFLT_CALLBACK_DATA Data)
{
    if (Settings.Status != (ULONG)STATUS_PENDING) {
        Data->IoStatus.Status = (NTSTATUS)Settings.Status;
    }
    FltCompletePendedPostOperation(Data);
}

static VOID FLTAPI PostWorker(PFLT_DEFERRED_IO_WORKITEM Item, PFLT_CALLBACK_DATA Data, PVOID Context)
{
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
    CHECK(FlagOn(Data->Flags, FLTFL_CALLBACK_DATA_POST_OPERATION));
    FltFreeDeferredIoWorkItem(Item);
    CompletePost(Data);
}

static FLT_PREOP_CALLBACK_STATUS PreForPost(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                            PVOID *CompletionContext)
{
    return Concerns(Data) ? FLT_PREOP_SUCCESS_WITH_CALLBACK : Pass(Data);
}

static FLT_POSTOP_CALLBACK_STATUS PostPend(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                           PVOID CompletionContext)
{
    PFLT_DEFERRED_IO_WORKITEM item = FltAllocateDeferredIoWorkItem();

    if (!NT_SUCCESS(FltQueueDeferredIoWorkItem(item, Data, PostWorker, CriticalWorkQueue, NULL))) {
        CHECK(FALSE);
        FltFreeDeferredIoWorkItem(item);
        return FLT_POSTOP_FINISHED_PROCESSING;
    }
    return FLT_POSTOP_MORE_PROCESSING_REQUIRED;
}

static FLT_POSTOP_CALLBACK_STATUS PostPendEarly(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                PVOID CompletionContext)
{
    CompletePost(Data);
    return FLT_POSTOP_MORE_PROCESSING_REQUIRED;
}

static VOID FLTAPI Never(PFLT_DEFERRED_IO_WORKITEM Item, PFLT_CALLBACK_DATA Data, PVOID Context)
{
    CHECK(FALSE);
}

/* What cannot be queued. */
static FLT_PREOP_CALLBACK_STATUS PreQueueRules(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                               PVOID *CompletionContext)
{
    PFLT_DEFERRED_IO_WORKITEM item;

    if (FLT_IS_FASTIO_OPERATION(Data)) {
        return FLT_PREOP_DISALLOW_FASTIO;
    }
    if (Settings.Major != Data->Iopb->MajorFunction) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    item = FltAllocateDeferredIoWorkItem();
    CHECK(item != NULL);
    if (FlagOn(Data->Iopb->IrpFlags, IRP_PAGING_IO)) {
        CHECK(FltQueueDeferredIoWorkItem(item, Data, Never, DelayedWorkQueue, NULL) ==
              STATUS_FLT_NOT_SAFE_TO_POST_OPERATION);
        InterlockedIncrement64((LONG64 volatile *)&Results.Reserved[0]);
    } else {
        PIRP top = IoGetTopLevelIrp();
        IoSetTopLevelIrp((PIRP)FSRTL_FSP_TOP_LEVEL_IRP);
        CHECK(FltQueueDeferredIoWorkItem(item, Data, Never, DelayedWorkQueue, NULL) ==
              STATUS_FLT_NOT_SAFE_TO_POST_OPERATION);
        IoSetTopLevelIrp(top);
        if (Settings.Return == FLT_PREOP_PENDING) {
            /* Wrong: holds it although it was not queued. */
            FltFreeDeferredIoWorkItem(item);
            FltCompletePendedPreOperation(Data, FLT_PREOP_SUCCESS_NO_CALLBACK, NULL);
            return FLT_PREOP_PENDING;
        }
    }
    FltFreeDeferredIoWorkItem(item);
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* A work item of an operation that has no IRP, and one of the reserved queue. */
static FLT_PREOP_CALLBACK_STATUS PreQueueWrongly(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                 PVOID *CompletionContext)
{
    PFLT_DEFERRED_IO_WORKITEM item;

    if (Data->Iopb->MajorFunction != Settings.Major || FlagOn(Data->Iopb->IrpFlags, IRP_PAGING_IO)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    item = FltAllocateDeferredIoWorkItem();
    if (FLT_IS_FASTIO_OPERATION(Data)) {
        CHECK(!NT_SUCCESS(FltQueueDeferredIoWorkItem(item, Data, Never, DelayedWorkQueue, NULL)));
        FltFreeDeferredIoWorkItem(item);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    Data->FilterContext[0] = Data->Thread;
    Data->FilterContext[3] = item;
    CHECK(NT_SUCCESS(FltQueueDeferredIoWorkItem(item, Data, PreWorker, HyperCriticalWorkQueue, CONTEXT)));
    return FLT_PREOP_PENDING;
}

/* Work that has to do with no operation. */
typedef struct _WORK {
    KEVENT Done;
    PVOID Object;
    ULONG Runs;
    BOOLEAN Again;
} WORK;

static VOID FLTAPI GenericWorker(PFLT_GENERIC_WORKITEM Item, PVOID FltObject, PVOID Context)
{
    WORK *work = Context;

    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
    CHECK(PsIsSystemThread(PsGetCurrentThread()));
    CHECK(FltObject == work->Object);
    work->Runs++;
    if (work->Again) {
        work->Again = FALSE;
        CHECK(NT_SUCCESS(FltQueueGenericWorkItem(Item, FltObject, GenericWorker, DelayedWorkQueue, Context)));
        return;
    }
    FltFreeGenericWorkItem(Item);
    KeSetEvent(&work->Done, IO_NO_INCREMENT, FALSE);
}

static VOID RunWork(PVOID Object, ULONG Queue, BOOLEAN Again)
{
    PFLT_GENERIC_WORKITEM item = FltAllocateGenericWorkItem();
    WORK work = {.Object = Object, .Again = Again};
    KIRQL irql;

    CHECK(item != NULL);
    KeInitializeEvent(&work.Done, NotificationEvent, FALSE);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    CHECK(NT_SUCCESS(FltQueueGenericWorkItem(item, Object, GenericWorker, (WORK_QUEUE_TYPE)Queue, &work)));
    KeLowerIrql(irql);
    CHECK(KeWaitForSingleObject(&work.Done, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    CHECK(work.Runs == (Again ? 2u : 1u));
}

static FLT_PREOP_CALLBACK_STATUS PreWork(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                         PVOID *CompletionContext)
{
    if (Data->Iopb->MajorFunction == IRP_MJ_CREATE) {
        RunWork(FltObjects->Filter, DelayedWorkQueue, FALSE);
        RunWork(FltObjects->Instance, CriticalWorkQueue, TRUE);
        if (Settings.Return != 0) {
            /* Wrong: reserved. */
            RunWork(FltObjects->Filter, HyperCriticalWorkQueue, FALSE);
        }
    }
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* Wrong: queued twice, freed while it is queued. */
static FLT_PREOP_CALLBACK_STATUS PreWorkWrongly(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                PVOID *CompletionContext)
{
    PFLT_GENERIC_WORKITEM item;
    static WORK work;

    if (Data->Iopb->MajorFunction != IRP_MJ_CREATE || work.Object != NULL) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    work.Object = FltObjects->Filter;
    KeInitializeEvent(&work.Done, NotificationEvent, FALSE);
    item = FltAllocateGenericWorkItem();
    /* Nobody runs work meanwhile. */
    CHECK(NT_SUCCESS(FltQueueGenericWorkItem(item, FltObjects->Filter, GenericWorker, DelayedWorkQueue, &work)));
    if (Settings.Return == 0) {
        CHECK(!NT_SUCCESS(FltQueueGenericWorkItem(item, FltObjects->Filter, GenericWorker, DelayedWorkQueue, &work)));
    } else {
        FltFreeGenericWorkItem(item);
    }
    (VOID)KeWaitForSingleObject(&work.Done, Executive, KernelMode, FALSE, NULL);
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* Held until the instance goes; with a Return other than 0, somewhat longer. */
static PFLT_CALLBACK_DATA Held;

static FLT_PREOP_CALLBACK_STATUS PreHold(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                         PVOID *CompletionContext)
{
    if (!Concerns(Data) || Held != NULL) {
        return Pass(Data);
    }
    Held = Data;
    return FLT_PREOP_PENDING;
}

static FLT_POSTOP_CALLBACK_STATUS PostHold(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                           PVOID CompletionContext)
{
    if (Held != NULL) {
        return FLT_POSTOP_FINISHED_PROCESSING;
    }
    Held = Data;
    return FLT_POSTOP_MORE_PROCESSING_REQUIRED;
}

VOID CompleteHeld(VOID)
{
    PFLT_CALLBACK_DATA held = Held;

    if (held == NULL) {
        return;
    }
    Held = NULL;
    if (FlagOn(held->Flags, FLTFL_CALLBACK_DATA_POST_OPERATION)) {
        FltCompletePendedPostOperation(held);
    } else {
        held->IoStatus.Status = (NTSTATUS)Settings.Status;
        FltCompletePendedPreOperation(held, FLT_PREOP_COMPLETE, NULL);
    }
}

static VOID NTAPI CompleteLate(PVOID Context)
{
    LARGE_INTEGER delay = {.QuadPart = -20 * 10000};

    UNREFERENCED_PARAMETER(Context);
    (VOID)KeDelayExecutionThread(KernelMode, FALSE, &delay);
    CompleteHeld();
    (VOID)PsTerminateSystemThread(STATUS_SUCCESS);
}

/* The thread that completes late. */
static PVOID Late;

VOID LeaveHeld(VOID)
{
    HANDLE thread;

    if (Held == NULL || Settings.Return == 0 || Late != NULL) {
        CompleteHeld();
        return;
    }
    if (NT_SUCCESS(PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, CompleteLate, NULL))) {
        (VOID)ObReferenceObjectByHandle(thread, SYNCHRONIZE, *PsThreadType, KernelMode, &Late, NULL);
        (VOID)ZwClose(thread);
    }
}

VOID JoinLate(VOID)
{
    if (Late != NULL) {
        (VOID)KeWaitForSingleObject(Late, Executive, KernelMode, FALSE, NULL);
        ObDereferenceObject(Late);
        Late = NULL;
    }
}

static FLT_POSTOP_CALLBACK_STATUS PostAny(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                          PVOID CompletionContext)
{
    return FLT_POSTOP_FINISHED_PROCESSING;
}

const BEHAVIOUR PendingModes[] = {
    {L"pend", PrePend, PostPended},
    {L"pend-high", PrePendHigh, PostPended},
    {L"pend-early", PrePendEarly, PostPended},
    {L"pend-fast", PrePendFast, PostAny},
    {L"pend-twice", PrePendTwice, PostPended},
    {L"pend-context", PrePendContext, PostAny},
    {L"complete-only", PreCompleteOnly, PostAny},
    {L"post-pend", PreForPost, PostPend},
    {L"post-pend-early", PreForPost, PostPendEarly},
    {L"queue-rules", PreQueueRules, PostAny},
    {L"queue-wrongly", PreQueueWrongly, PostPended},
    {L"work", PreWork, PostAny},
    {L"work-wrongly", PreWorkWrongly, PostAny},
    {L"hold", PreHold, PostAny},
    {L"post-hold", PreForPost, PostHold},
};
const ULONG PendingModeCount = ARRAYSIZE(PendingModes);
