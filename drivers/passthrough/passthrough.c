/*
 * passthrough: registers callbacks for every operation that may be registered, counts them, changes nothing.
 *
 * The counters stand in one array that a debugger or a test finds by the symbol PassThroughCounters.
 */
#include "../parameters/parameters.h"

typedef struct _OPERATION_COUNTERS {
    LONG64 Pre;
    LONG64 Post;
    LONG64 Drained;
} OPERATION_COUNTERS;

/* Indexed by the major function code, one byte. */
OPERATION_COUNTERS PassThroughCounters[256];
LONG PassThroughInstances;
ULONG PassThroughDebugFlags;
PFLT_FILTER PassThroughFilter;

DRIVER_INITIALIZE DriverEntry;

#define INIT_CODE __declspec(code_seg("INIT"))
#define PAGED __declspec(code_seg("PAGE"))

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreOperation(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                     PVOID *CompletionContext)
{
    UCHAR major = Data->Iopb->MajorFunction;

    InterlockedIncrement64(&PassThroughCounters[major].Pre);
    *CompletionContext = NULL;
    return major == IRP_MJ_SHUTDOWN ? FLT_PREOP_SUCCESS_NO_CALLBACK : FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI PostOperation(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                       PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    UCHAR major = Data->Iopb->MajorFunction;

    if (FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING)) {
        InterlockedIncrement64(&PassThroughCounters[major].Drained);
    } else {
        InterlockedIncrement64(&PassThroughCounters[major].Post);
    }
    return FLT_POSTOP_FINISHED_PROCESSING;
}

PAGED static NTSTATUS FLTAPI InstanceSetup(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_SETUP_FLAGS Flags,
                                           DEVICE_TYPE VolumeDeviceType, FLT_FILESYSTEM_TYPE VolumeFilesystemType)
{
    PAGED_CODE();
    InterlockedIncrement(&PassThroughInstances);
    if (PassThroughDebugFlags != 0) {
        DbgPrint("passthrough: attaches to volume %p, device type %u, file system %d, flags %x\n",
                 FltObjects->Volume, VolumeDeviceType, VolumeFilesystemType, Flags);
    }
    return STATUS_SUCCESS;
}

PAGED static NTSTATUS FLTAPI InstanceQueryTeardown(PCFLT_RELATED_OBJECTS FltObjects,
                                                   FLT_INSTANCE_QUERY_TEARDOWN_FLAGS Flags)
{
    PAGED_CODE();
    return STATUS_SUCCESS;
}

PAGED static VOID FLTAPI InstanceTeardownStart(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_TEARDOWN_FLAGS Reason)
{
    PAGED_CODE();
    if (PassThroughDebugFlags != 0) {
        DbgPrint("passthrough: instance %p is torn down, reason %x\n", FltObjects->Instance, Reason);
    }
}

PAGED static VOID FLTAPI InstanceTeardownComplete(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_TEARDOWN_FLAGS Reason)
{
    PAGED_CODE();
    InterlockedDecrement(&PassThroughInstances);
}

PAGED static NTSTATUS FLTAPI Unload(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    PAGED_CODE();
    FltUnregisterFilter(PassThroughFilter);
    DbgPrint("passthrough: unloaded, %lld creates seen\n", PassThroughCounters[IRP_MJ_CREATE].Pre);
    return STATUS_SUCCESS;
}

#define BOTH(Major) {Major, 0, PreOperation, PostOperation, NULL}

static const FLT_OPERATION_REGISTRATION Operations[] = {
    BOTH(IRP_MJ_CREATE),
    BOTH(IRP_MJ_CREATE_NAMED_PIPE),
    BOTH(IRP_MJ_CLOSE),
    BOTH(IRP_MJ_READ),
    BOTH(IRP_MJ_WRITE),
    BOTH(IRP_MJ_QUERY_INFORMATION),
    BOTH(IRP_MJ_SET_INFORMATION),
    BOTH(IRP_MJ_QUERY_EA),
    BOTH(IRP_MJ_SET_EA),
    BOTH(IRP_MJ_FLUSH_BUFFERS),
    BOTH(IRP_MJ_QUERY_VOLUME_INFORMATION),
    BOTH(IRP_MJ_SET_VOLUME_INFORMATION),
    BOTH(IRP_MJ_DIRECTORY_CONTROL),
    BOTH(IRP_MJ_FILE_SYSTEM_CONTROL),
    BOTH(IRP_MJ_DEVICE_CONTROL),
    BOTH(IRP_MJ_INTERNAL_DEVICE_CONTROL),
    /* A postoperation callback may not be registered for this one. */
    {IRP_MJ_SHUTDOWN, 0, PreOperation, NULL, NULL},
    BOTH(IRP_MJ_LOCK_CONTROL),
    BOTH(IRP_MJ_CLEANUP),
    BOTH(IRP_MJ_CREATE_MAILSLOT),
    BOTH(IRP_MJ_QUERY_SECURITY),
    BOTH(IRP_MJ_SET_SECURITY),
    BOTH(IRP_MJ_SYSTEM_CONTROL),
    BOTH(IRP_MJ_QUERY_QUOTA),
    BOTH(IRP_MJ_SET_QUOTA),
    BOTH(IRP_MJ_PNP),
    BOTH(IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION),
    BOTH(IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION),
    BOTH(IRP_MJ_ACQUIRE_FOR_MOD_WRITE),
    BOTH(IRP_MJ_RELEASE_FOR_MOD_WRITE),
    BOTH(IRP_MJ_ACQUIRE_FOR_CC_FLUSH),
    BOTH(IRP_MJ_RELEASE_FOR_CC_FLUSH),
    BOTH(IRP_MJ_QUERY_OPEN),
    BOTH(IRP_MJ_FAST_IO_CHECK_IF_POSSIBLE),
    BOTH(IRP_MJ_NETWORK_QUERY_OPEN),
    BOTH(IRP_MJ_MDL_READ),
    BOTH(IRP_MJ_MDL_READ_COMPLETE),
    BOTH(IRP_MJ_PREPARE_MDL_WRITE),
    BOTH(IRP_MJ_MDL_WRITE_COMPLETE),
    BOTH(IRP_MJ_VOLUME_MOUNT),
    BOTH(IRP_MJ_VOLUME_DISMOUNT),
    {IRP_MJ_OPERATION_END, 0, NULL, NULL, NULL},
};

static const FLT_REGISTRATION Registration = {
    .Size = sizeof(FLT_REGISTRATION),
    .Version = FLT_REGISTRATION_VERSION,
    .Flags = FLTFL_REGISTRATION_SUPPORT_NPFS_MSFS,
    .OperationRegistration = Operations,
    .FilterUnloadCallback = Unload,
    .InstanceSetupCallback = InstanceSetup,
    .InstanceQueryTeardownCallback = InstanceQueryTeardown,
    .InstanceTeardownStartCallback = InstanceTeardownStart,
    .InstanceTeardownCompleteCallback = InstanceTeardownComplete,
};

INIT_CODE NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PARAMETER_KEYS keys;
    NTSTATUS status = OpenParameters(DriverObject, RegistryPath, KEY_READ, &keys);

    if (NT_SUCCESS(status)) {
        (VOID)ReadUlongParameter(&keys, L"DebugFlags", &PassThroughDebugFlags);
        CloseParameters(&keys);
    }
    status = FltRegisterFilter(DriverObject, &Registration, &PassThroughFilter);
    if (!NT_SUCCESS(status)) {
        DbgPrint("passthrough: FltRegisterFilter failed with %08x\n", status);
        return status;
    }
    status = FltStartFiltering(PassThroughFilter);
    if (!NT_SUCCESS(status)) {
        FltUnregisterFilter(PassThroughFilter);
        return status;
    }
    DbgPrint("passthrough: %wZ filters\n", RegistryPath);
    return STATUS_SUCCESS;
}
