/*
 * Behaviours that keep operations in a cancel-safe queue, and that have held operations cancelled.
 *
 * As in pending.c they act on IRPs of the registry value Major. A query of information lets the first operation out.
 */
#include "iopbtest.h"

#define PEEK_ANY ((PVOID)(ULONG_PTR)0x77)
#define PEEK_NONE ((PVOID)(ULONG_PTR)0x78)
#define INSERT ((PVOID)(ULONG_PTR)0x99)

static FLT_CALLBACK_DATA_QUEUE Queue;
static KSPIN_LOCK Lock;
static LIST_ENTRY List;
static BOOLEAN Refuse;
static PKIRQL AcquiredWith;
static FLT_CALLBACK_DATA_QUEUE_IO_CONTEXT RemoveContext;
static LONG Acquired, Released, Inserted, Removed, Canceled;

static NTSTATUS FLTAPI InsertIo(PFLT_CALLBACK_DATA_QUEUE Cbdq, PFLT_CALLBACK_DATA Data, PVOID Context)
{
    CHECK(Cbdq == &Queue);
    CHECK(KeGetCurrentIrql() == DISPATCH_LEVEL);
    CHECK(Context == INSERT);
    if (Refuse) {
        return STATUS_DEVICE_BUSY;
    }
    Inserted++;
    InsertTailList(&List, &Data->QueueLinks);
    return STATUS_SUCCESS;
}

static VOID FLTAPI RemoveIo(PFLT_CALLBACK_DATA_QUEUE Cbdq, PFLT_CALLBACK_DATA Data)
{
    CHECK(KeGetCurrentIrql() == DISPATCH_LEVEL);
    Removed++;
    RemoveEntryList(&Data->QueueLinks);
}

static PFLT_CALLBACK_DATA FLTAPI PeekNextIo(PFLT_CALLBACK_DATA_QUEUE Cbdq, PFLT_CALLBACK_DATA Data, PVOID Context)
{
    PLIST_ENTRY next = Data == NULL ? List.Flink : Data->QueueLinks.Flink;

    CHECK(KeGetCurrentIrql() == DISPATCH_LEVEL);
    if (Context == PEEK_NONE || next == &List) {
        return NULL;
    }
    return CONTAINING_RECORD(next, FLT_CALLBACK_DATA, QueueLinks);
}

static VOID FLTAPI Acquire(PFLT_CALLBACK_DATA_QUEUE Cbdq, PKIRQL Irql)
{
    KIRQL irql;

    KeAcquireSpinLock(&Lock, &irql);
    *Irql = irql;
    AcquiredWith = Irql;
    Acquired++;
}

static VOID FLTAPI Release(PFLT_CALLBACK_DATA_QUEUE Cbdq, KIRQL Irql)
{
    CHECK(Irql == *AcquiredWith);
    Released++;
    KeReleaseSpinLock(&Lock, Irql);
}

static VOID FLTAPI CompleteCanceledIo(PFLT_CALLBACK_DATA_QUEUE Cbdq, PFLT_CALLBACK_DATA Data)
{
    Canceled++;
    Data->IoStatus.Status = STATUS_CANCELLED;
    Data->IoStatus.Information = 0;
    FltCompletePendedPreOperation(Data, FLT_PREOP_COMPLETE, NULL);
}

VOID InitializeQueue(PFLT_INSTANCE Instance)
{
    KeInitializeSpinLock(&Lock);
    InitializeListHead(&List);
    CHECK(FltCbdqInitialize(Instance, &Queue, InsertIo, RemoveIo, PeekNextIo, Acquire, Release,
                            CompleteCanceledIo) == STATUS_SUCCESS);
}

static BOOLEAN Concerns(PFLT_CALLBACK_DATA Data)
{
    return FLT_IS_IRP_OPERATION(Data) && Settings.Major == Data->Iopb->MajorFunction &&
           !FlagOn(Data->Iopb->IrpFlags, IRP_PAGING_IO);
}

static FLT_PREOP_CALLBACK_STATUS Pass(PFLT_CALLBACK_DATA Data)
{
    return FLT_IS_FASTIO_OPERATION(Data) ? FLT_PREOP_DISALLOW_FASTIO : FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* Says in the results what happened so far. */
static VOID Publish(VOID)
{
    Results.Reserved[0] = (ULONG64)Inserted;
    Results.Reserved[1] = (ULONG64)Removed;
    Results.Reserved[2] = (ULONG64)Canceled;
}

static FLT_PREOP_CALLBACK_STATUS PreQueue(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                          PVOID *CompletionContext)
{
    PFLT_CALLBACK_DATA next;
    NTSTATUS status;

    if (Data->Iopb->MajorFunction == IRP_MJ_QUERY_INFORMATION && FLT_IS_IRP_OPERATION(Data)) {
        next = FltCbdqRemoveNextIo(&Queue, PEEK_ANY);
        if (next != NULL) {
            FltCompletePendedPreOperation(next, FLT_PREOP_SUCCESS_NO_CALLBACK, NULL);
        }
        Publish();
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    if (!Concerns(Data)) {
        return Pass(Data);
    }
    if (Settings.Return != 0) {
        /* Cancelled before it is queued. Wrong as well: the filter did not issue it. */
        CHECK(FltCancelIo(Data) == FALSE);
        CHECK(FltCancelIo(Data) == FALSE);
    }
    status = FltCbdqInsertIo(&Queue, Data, NULL, INSERT);
    CHECK(NT_SUCCESS(status));
    Publish();
    return NT_SUCCESS(status) ? FLT_PREOP_PENDING : FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* Waits in the callback for what never happens, until the operation is cancelled. */
static FLT_PREOP_CALLBACK_STATUS PreWait(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                         PVOID *CompletionContext)
{
    LARGE_INTEGER soon = {.QuadPart = -10000};
    KEVENT never, set;
    PVOID objects[2] = {&never, &set};
    NTSTATUS status;

    if (!Concerns(Data)) {
        return Pass(Data);
    }
    KeInitializeEvent(&never, NotificationEvent, FALSE);
    KeInitializeEvent(&set, NotificationEvent, TRUE);
    CHECK(FltCancellableWaitForSingleObject(&set, NULL, Data) == STATUS_SUCCESS);
    CHECK(FltCancellableWaitForSingleObject(&never, &soon, Data) == STATUS_TIMEOUT);
    CHECK(FltCancellableWaitForSingleObject(&never, &soon, NULL) == STATUS_TIMEOUT);
    CHECK(FltCancellableWaitForMultipleObjects(2, objects, WaitAny, NULL, NULL, Data) == STATUS_WAIT_0 + 1);
    Results.Reserved[0]++;
    KeClearEvent(&set);
    status = Settings.Return == 0 ? FltCancellableWaitForSingleObject(&never, NULL, Data)
                                  : FltCancellableWaitForMultipleObjects(2, objects, WaitAny, NULL, NULL, Data);
    CHECK(status == STATUS_CANCELLED);
    CHECK(FltCancellableWaitForSingleObject(&never, NULL, Data) == STATUS_CANCELLED);
    Data->IoStatus.Status = STATUS_CANCELLED;
    Data->IoStatus.Information = 0;
    return FLT_PREOP_COMPLETE;
}

static FLT_PREOP_CALLBACK_STATUS PreRules(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                          PVOID *CompletionContext)
{
    LONG inserted = Inserted;

    if (!Concerns(Data)) {
        return Pass(Data);
    }
    FltCbdqDisable(&Queue);
    CHECK(FltCbdqInsertIo(&Queue, Data, &RemoveContext, INSERT) == STATUS_FLT_CBDQ_DISABLED);
    CHECK(Inserted == inserted);
    FltCbdqEnable(&Queue);
    Refuse = TRUE;
    CHECK(FltCbdqInsertIo(&Queue, Data, &RemoveContext, INSERT) == STATUS_DEVICE_BUSY);
    Refuse = FALSE;
    CHECK(IsListEmpty(&List));
    CHECK(FltCbdqRemoveNextIo(&Queue, PEEK_ANY) == NULL);

    CHECK(NT_SUCCESS(FltCbdqInsertIo(&Queue, Data, &RemoveContext, INSERT)));
    CHECK(Inserted == inserted + 1);
    CHECK(FltCbdqRemoveNextIo(&Queue, PEEK_NONE) == NULL);
    CHECK(FltCbdqRemoveIo(&Queue, &RemoveContext) == Data);
    CHECK(FltCbdqRemoveIo(&Queue, &RemoveContext) == NULL);
    CHECK(IsListEmpty(&List));

    CHECK(NT_SUCCESS(FltCbdqInsertIo(&Queue, Data, &RemoveContext, INSERT)));
    FltCbdqDisable(&Queue);
    CHECK(FltCbdqRemoveNextIo(&Queue, PEEK_ANY) == Data);
    FltCbdqEnable(&Queue);
    CHECK(FltCbdqRemoveIo(&Queue, &RemoveContext) == NULL);
    CHECK(Acquired == Released);
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static VOID FLTAPI OnCancel(PFLT_CALLBACK_DATA Data)
{
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
    Canceled++;
    Publish();
    Data->IoStatus.Status = STATUS_CANCELLED;
    Data->IoStatus.Information = 0;
    FltCompletePendedPreOperation(Data, FLT_PREOP_COMPLETE, NULL);
}

static FLT_PREOP_CALLBACK_STATUS PreCancel(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                           PVOID *CompletionContext)
{
    if (!Concerns(Data)) {
        return Pass(Data);
    }
    CHECK(FltClearCancelCompletion(Data) == STATUS_CANCELLED);
    CHECK(FltSetCancelCompletion(Data, OnCancel) == STATUS_SUCCESS);
    CHECK(FltClearCancelCompletion(Data) == STATUS_SUCCESS);
    CHECK(FltClearCancelCompletion(Data) == STATUS_CANCELLED);
    CHECK(FltSetCancelCompletion(Data, OnCancel) == STATUS_SUCCESS);
    if (Settings.Return == 1) {
        /* Wrong: both. */
        CHECK(NT_SUCCESS(FltCbdqInsertIo(&Queue, Data, &RemoveContext, INSERT)));
        CHECK(FltCbdqRemoveIo(&Queue, &RemoveContext) == Data);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    if (Settings.Return == 2) {
        /* Cancels it itself: the callback completes it before this one has returned. */
        CHECK(FltCancelIo(Data) == TRUE);
        CHECK(Canceled == 1);
        CHECK(FltClearCancelCompletion(Data) == STATUS_CANCELLED);
    }
    return FLT_PREOP_PENDING;
}

/* Wrong: what cannot be cancelled or queued. */
static FLT_PREOP_CALLBACK_STATUS PreCancelWrongly(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                  PVOID *CompletionContext)
{
    if (Settings.Major == Data->Iopb->MajorFunction && FLT_IS_FASTIO_OPERATION(Data)) {
        CHECK(FltCancelIo(Data) == FALSE);
        CHECK(!NT_SUCCESS(FltSetCancelCompletion(Data, OnCancel)));
        CHECK(!NT_SUCCESS(FltCbdqInsertIo(&Queue, Data, NULL, INSERT)));
    }
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS PostAny(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                          PVOID CompletionContext)
{
    return FLT_POSTOP_FINISHED_PROCESSING;
}

const BEHAVIOUR QueueModes[] = {
    {L"wait", PreWait, PostAny},
    {L"queue", PreQueue, PostAny},
    {L"cbdq-rules", PreRules, PostAny},
    {L"cancel", PreCancel, PostAny},
    {L"cancel-wrongly", PreCancelWrongly, PostAny},
};
const ULONG QueueModeCount = ARRAYSIZE(QueueModes);
