/*
 * deferrer: holds operations and completes them from worker threads, as products do that ask somebody first.
 *
 *   reads               a cancel-safe queue; a generic work item for each takes the next one out
 *   writes, creates     a deferred work item completes the preoperation callback
 *   directory queries   a deferred work item completes the postoperation callback
 *
 * Paging I/O, fast I/O and what comes while the thread has a top-level IRP pass. InstanceTeardownStart closes the queue,
 * completes what is in it and waits for the rest. Counters for a debugger: DeferrerCounters.
 */
#include <fltKernel.h>

#define CONTEXT_TAG 'cfeD'

typedef struct _COUNTERS {
    LONG64 Reads;
    LONG64 Writes;
    LONG64 Creates;
    LONG64 Queries;
    LONG64 Cancelled;
    LONG64 NotQueued;
} COUNTERS;

/* One for each instance. */
typedef struct _DEFERRER_CONTEXT {
    FLT_CALLBACK_DATA_QUEUE Queue;
    KSPIN_LOCK Lock;
    LIST_ENTRY List;
    /* Held by each operation that is held. */
    EX_RUNDOWN_REF Rundown;
} DEFERRER_CONTEXT, *PDEFERRER_CONTEXT;

COUNTERS DeferrerCounters;
static PFLT_FILTER Filter;

DRIVER_INITIALIZE DriverEntry;

static NTSTATUS FLTAPI InsertIo(PFLT_CALLBACK_DATA_QUEUE Cbdq, PFLT_CALLBACK_DATA Data, PVOID Context)
{
    InsertTailList(&CONTAINING_RECORD(Cbdq, DEFERRER_CONTEXT, Queue)->List, &Data->QueueLinks);
    return STATUS_SUCCESS;
}

static VOID FLTAPI RemoveIo(PFLT_CALLBACK_DATA_QUEUE Cbdq, PFLT_CALLBACK_DATA Data)
{
    RemoveEntryList(&Data->QueueLinks);
}

static PFLT_CALLBACK_DATA FLTAPI PeekNextIo(PFLT_CALLBACK_DATA_QUEUE Cbdq, PFLT_CALLBACK_DATA Data, PVOID Context)
{
    PLIST_ENTRY list = &CONTAINING_RECORD(Cbdq, DEFERRER_CONTEXT, Queue)->List;
    PLIST_ENTRY next = Data == NULL ? list->Flink : Data->QueueLinks.Flink;

    return next == list ? NULL : CONTAINING_RECORD(next, FLT_CALLBACK_DATA, QueueLinks);
}

static VOID FLTAPI Acquire(PFLT_CALLBACK_DATA_QUEUE Cbdq, PKIRQL Irql)
{
    KeAcquireSpinLock(&CONTAINING_RECORD(Cbdq, DEFERRER_CONTEXT, Queue)->Lock, Irql);
}

static VOID FLTAPI Release(PFLT_CALLBACK_DATA_QUEUE Cbdq, KIRQL Irql)
{
    KeReleaseSpinLock(&CONTAINING_RECORD(Cbdq, DEFERRER_CONTEXT, Queue)->Lock, Irql);
}

static VOID FLTAPI CompleteCanceledIo(PFLT_CALLBACK_DATA_QUEUE Cbdq, PFLT_CALLBACK_DATA Data)
{
    PDEFERRER_CONTEXT context = CONTAINING_RECORD(Cbdq, DEFERRER_CONTEXT, Queue);

    InterlockedIncrement64(&DeferrerCounters.Cancelled);
    Data->IoStatus.Status = STATUS_CANCELLED;
    Data->IoStatus.Information = 0;
    FltCompletePendedPreOperation(Data, FLT_PREOP_COMPLETE, NULL);
    ExReleaseRundownProtection(&context->Rundown);
}

/* Lets one queued operation go on. */
static BOOLEAN ReleaseNext(PDEFERRER_CONTEXT Context)
{
    PFLT_CALLBACK_DATA data = FltCbdqRemoveNextIo(&Context->Queue, NULL);

    if (data == NULL) {
        return FALSE;
    }
    FltCompletePendedPreOperation(data, FLT_PREOP_SUCCESS_WITH_CALLBACK, NULL);
    ExReleaseRundownProtection(&Context->Rundown);
    return TRUE;
}

static VOID FLTAPI QueueWorker(PFLT_GENERIC_WORKITEM Item, PVOID FltObject, PVOID Context)
{
    (VOID)ReleaseNext(Context);
    FltReleaseContext(Context);
    FltFreeGenericWorkItem(Item);
}

static BOOLEAN HoldRead(PDEFERRER_CONTEXT Context, PFLT_CALLBACK_DATA Data, PFLT_INSTANCE Instance)
{
    PFLT_GENERIC_WORKITEM item = FltAllocateGenericWorkItem();

    if (item == NULL) {
        return FALSE;
    }
    if (!NT_SUCCESS(FltCbdqInsertIo(&Context->Queue, Data, NULL, NULL))) {
        FltFreeGenericWorkItem(item);
        return FALSE;
    }
    FltReferenceContext(Context);
    if (!NT_SUCCESS(FltQueueGenericWorkItem(item, Instance, QueueWorker, DelayedWorkQueue, Context))) {
        /* The instance goes: its teardown empties the queue. */
        FltReleaseContext(Context);
        FltFreeGenericWorkItem(item);
    }
    return TRUE;
}

static VOID FLTAPI PreWorker(PFLT_DEFERRED_IO_WORKITEM Item, PFLT_CALLBACK_DATA Data, PVOID Context)
{
    PDEFERRER_CONTEXT context = Context;

    FltFreeDeferredIoWorkItem(Item);
    FltCompletePendedPreOperation(Data, FLT_PREOP_SUCCESS_WITH_CALLBACK, NULL);
    ExReleaseRundownProtection(&context->Rundown);
}

static VOID FLTAPI PostWorker(PFLT_DEFERRED_IO_WORKITEM Item, PFLT_CALLBACK_DATA Data, PVOID Context)
{
    PDEFERRER_CONTEXT context = Context;

    FltFreeDeferredIoWorkItem(Item);
    FltCompletePendedPostOperation(Data);
    ExReleaseRundownProtection(&context->Rundown);
}

static BOOLEAN Defer(PDEFERRER_CONTEXT Context, PFLT_CALLBACK_DATA Data, PFLT_DEFERRED_IO_WORKITEM_ROUTINE Routine)
{
    PFLT_DEFERRED_IO_WORKITEM item = FltAllocateDeferredIoWorkItem();

    if (item == NULL) {
        return FALSE;
    }
    if (!NT_SUCCESS(FltQueueDeferredIoWorkItem(item, Data, Routine, DelayedWorkQueue, Context))) {
        FltFreeDeferredIoWorkItem(item);
        return FALSE;
    }
    return TRUE;
}

/* The instance's context with its rundown protection, or NULL. The reference is the caller's. */
static PDEFERRER_CONTEXT Enter(PCFLT_RELATED_OBJECTS FltObjects)
{
    PDEFERRER_CONTEXT context;

    if (!NT_SUCCESS(FltGetInstanceContext(FltObjects->Instance, (PFLT_CONTEXT *)&context))) {
        return NULL;
    }
    if (!ExAcquireRundownProtection(&context->Rundown)) {
        FltReleaseContext(context);
        return NULL;
    }
    return context;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreOperation(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                     PVOID *CompletionContext)
{
    UCHAR major = Data->Iopb->MajorFunction;
    PDEFERRER_CONTEXT context;
    BOOLEAN held;

    if (!FLT_IS_IRP_OPERATION(Data) || IoGetTopLevelIrp() != NULL ||
        ((major == IRP_MJ_READ || major == IRP_MJ_WRITE) && FlagOn(Data->Iopb->IrpFlags, IRP_PAGING_IO))) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    context = Enter(FltObjects);
    if (context == NULL) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    held = major == IRP_MJ_READ ? HoldRead(context, Data, FltObjects->Instance) : Defer(context, Data, PreWorker);
    if (held) {
        InterlockedIncrement64(major == IRP_MJ_READ    ? &DeferrerCounters.Reads
                               : major == IRP_MJ_WRITE ? &DeferrerCounters.Writes
                                                       : &DeferrerCounters.Creates);
    } else {
        InterlockedIncrement64(&DeferrerCounters.NotQueued);
        ExReleaseRundownProtection(&context->Rundown);
    }
    FltReleaseContext(context);
    return held ? FLT_PREOP_PENDING : FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI PostOperation(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                       PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreQuery(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                 PVOID *CompletionContext)
{
    return Data->Iopb->MinorFunction == IRP_MN_QUERY_DIRECTORY ? FLT_PREOP_SUCCESS_WITH_CALLBACK
                                                               : FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI PostQuery(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                   PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    PDEFERRER_CONTEXT context;
    BOOLEAN held;

    if (FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING) || KeGetCurrentIrql() > APC_LEVEL) {
        return FLT_POSTOP_FINISHED_PROCESSING;
    }
    context = Enter(FltObjects);
    if (context == NULL) {
        return FLT_POSTOP_FINISHED_PROCESSING;
    }
    held = Defer(context, Data, PostWorker);
    if (held) {
        InterlockedIncrement64(&DeferrerCounters.Queries);
    } else {
        InterlockedIncrement64(&DeferrerCounters.NotQueued);
        ExReleaseRundownProtection(&context->Rundown);
    }
    FltReleaseContext(context);
    return held ? FLT_POSTOP_MORE_PROCESSING_REQUIRED : FLT_POSTOP_FINISHED_PROCESSING;
}

static NTSTATUS FLTAPI InstanceSetup(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_SETUP_FLAGS Flags,
                                     DEVICE_TYPE VolumeDeviceType, FLT_FILESYSTEM_TYPE VolumeFilesystemType)
{
    PDEFERRER_CONTEXT context;
    NTSTATUS status = FltAllocateContext(Filter, FLT_INSTANCE_CONTEXT, sizeof(*context), NonPagedPool,
                                         (PFLT_CONTEXT *)&context);

    if (!NT_SUCCESS(status)) {
        return STATUS_FLT_DO_NOT_ATTACH;
    }
    KeInitializeSpinLock(&context->Lock);
    InitializeListHead(&context->List);
    ExInitializeRundownProtection(&context->Rundown);
    status = FltCbdqInitialize(FltObjects->Instance, &context->Queue, InsertIo, RemoveIo, PeekNextIo, Acquire,
                               Release, CompleteCanceledIo);
    if (NT_SUCCESS(status)) {
        status = FltSetInstanceContext(FltObjects->Instance, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL);
    }
    FltReleaseContext(context);
    return NT_SUCCESS(status) ? STATUS_SUCCESS : STATUS_FLT_DO_NOT_ATTACH;
}

static NTSTATUS FLTAPI InstanceQueryTeardown(PCFLT_RELATED_OBJECTS FltObjects,
                                             FLT_INSTANCE_QUERY_TEARDOWN_FLAGS Flags)
{
    return STATUS_SUCCESS;
}

static VOID FLTAPI InstanceTeardownStart(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_TEARDOWN_FLAGS Reason)
{
    PDEFERRER_CONTEXT context;

    if (!NT_SUCCESS(FltGetInstanceContext(FltObjects->Instance, (PFLT_CONTEXT *)&context))) {
        return;
    }
    FltCbdqDisable(&context->Queue);
    while (ReleaseNext(context)) {
    }
    ExWaitForRundownProtectionRelease(&context->Rundown);
    FltReleaseContext(context);
}

static NTSTATUS FLTAPI Unload(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    FltUnregisterFilter(Filter);
    return STATUS_SUCCESS;
}

static const FLT_OPERATION_REGISTRATION Operations[] = {
    {IRP_MJ_CREATE, 0, PreOperation, PostOperation, NULL},
    {IRP_MJ_READ, 0, PreOperation, PostOperation, NULL},
    {IRP_MJ_WRITE, 0, PreOperation, PostOperation, NULL},
    {IRP_MJ_DIRECTORY_CONTROL, 0, PreQuery, PostQuery, NULL},
    {IRP_MJ_OPERATION_END, 0, NULL, NULL, NULL},
};

static const FLT_CONTEXT_REGISTRATION Contexts[] = {
    {FLT_INSTANCE_CONTEXT, 0, NULL, sizeof(DEFERRER_CONTEXT), CONTEXT_TAG, NULL, NULL, NULL},
    {FLT_CONTEXT_END, 0, NULL, 0, 0, NULL, NULL, NULL},
};

static const FLT_REGISTRATION Registration = {
    .Size = sizeof(FLT_REGISTRATION),
    .Version = FLT_REGISTRATION_VERSION,
    .ContextRegistration = Contexts,
    .OperationRegistration = Operations,
    .FilterUnloadCallback = Unload,
    .InstanceSetupCallback = InstanceSetup,
    .InstanceQueryTeardownCallback = InstanceQueryTeardown,
    .InstanceTeardownStartCallback = InstanceTeardownStart,
};

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status = FltRegisterFilter(DriverObject, &Registration, &Filter);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    status = FltStartFiltering(Filter);
    if (!NT_SUCCESS(status)) {
        FltUnregisterFilter(Filter);
    }
    return status;
}
