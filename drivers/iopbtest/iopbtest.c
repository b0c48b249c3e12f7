/*
 * iopbtest: records what a minifilter is shown and does to operations what the registry value Mode says.
 *
 * results.h describes the record and how a test finds it; modes.c, pending.c, queueing.c, generated.c and levels.c hold the
 * behaviours. An unknown mode makes DriverEntry fail with STATUS_INVALID_PARAMETER. One binary can be loaded under
 * several service names at several altitudes, each with its own mode.
 */
#include "iopbtest.h"

RESULTS Results;
SETTINGS Settings = {(ULONG)STATUS_ACCESS_DENIED, 0x100, 0, 0, 0, 0};

static const BEHAVIOUR *Mode;
static PFLT_FILTER Filter;
PFLT_INSTANCE Instances[2];

DRIVER_INITIALIZE DriverEntry;

VOID Fail(ULONG Line)
{
    ULONG i;

    InterlockedIncrement64(&Results.FailedCount);
    for (i = 0; i < RESULTS_FAILURES; i++) {
        LONG found = InterlockedCompareExchange((LONG volatile *)&Results.Failed[i].Line, (LONG)Line, 0);
        if (found == 0 || found == (LONG)Line) {
            InterlockedIncrement((LONG volatile *)&Results.Failed[i].Count);
            return;
        }
    }
}

BOOLEAN NameContains(PFILE_OBJECT FileObject, PCWSTR Word)
{
    ULONG characters, i, k;

    if (FileObject == NULL || FileObject->FileName.Buffer == NULL) {
        return FALSE;
    }
    characters = FileObject->FileName.Length / sizeof(WCHAR);
    for (i = 0; i < characters; i++) {
        for (k = 0; Word[k] != L'\0' && i + k < characters && FileObject->FileName.Buffer[i + k] == Word[k];
             k++) {
        }
        if (Word[k] == L'\0') {
            return TRUE;
        }
    }
    return FALSE;
}

static UCHAR Equalities(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    UCHAR equal = 0;

    equal |= FltObjects->FileObject == Data->Iopb->TargetFileObject ? EQUAL_FILE_OBJECT : 0;
    equal |= FltObjects->Instance == Data->Iopb->TargetInstance ? EQUAL_INSTANCE : 0;
    equal |= FltObjects->Filter == Filter ? EQUAL_FILTER : 0;
    equal |= Data->Thread == PsGetCurrentThread() ? EQUAL_THREAD : 0;
    equal |= FltObjects->Size == sizeof(FLT_RELATED_OBJECTS) ? EQUAL_SIZE : 0;
    return equal;
}

/* Writes the next entry; the caller adds what only it knows. */
static PLOG_ENTRY Record(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects, UCHAR Phase)
{
    LONG64 sequence = InterlockedIncrement64(&Results.Sequence);
    PLOG_ENTRY entry = &Results.Log[(ULONG64)(sequence - 1) % RESULTS_LOG_ENTRIES];

    entry->Sequence = (ULONG64)sequence;
    entry->Major = Data->Iopb->MajorFunction;
    entry->Minor = Data->Iopb->MinorFunction;
    entry->Phase = Phase;
    entry->OperationFlags = Data->Iopb->OperationFlags;
    entry->IrpFlags = Data->Iopb->IrpFlags;
    entry->DataFlags = Data->Flags;
    entry->PostFlags = 0;
    entry->Irql = KeGetCurrentIrql();
    entry->RequestorMode = (UCHAR)Data->RequestorMode;
    entry->Reserved = Data->Iopb->Reserved;
    entry->Equal = Equalities(Data, FltObjects);
    entry->Status = (ULONG)Data->IoStatus.Status;
    entry->Information = Data->IoStatus.Information;
    RtlCopyMemory(entry->Parameters, &Data->Iopb->Parameters, sizeof(entry->Parameters));
    entry->FileObject = (ULONG64)Data->Iopb->TargetFileObject;
    entry->Instance = (ULONG64)Data->Iopb->TargetInstance;
    entry->Volume = (ULONG64)FltObjects->Volume;
    entry->Thread = (ULONG64)PsGetCurrentThread();
    entry->Context = 0;
    entry->Data = (ULONG64)Data;
    entry->Answer = 0;
    entry->Named = NameContains(Data->Iopb->TargetFileObject, L"change");
    return entry;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreOperation(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                     PVOID *CompletionContext)
{
    PLOG_ENTRY entry = Record(Data, FltObjects, PHASE_PRE);

    InterlockedIncrement64(&Results.PreCalls);
    CHECK(KeGetCurrentIrql() <= APC_LEVEL);
    CHECK(!FlagOn(Data->Flags, FLTFL_CALLBACK_DATA_POST_OPERATION));
    CHECK(Data->TagData == NULL);
    entry->Answer = (ULONG)Mode->Pre(Data, FltObjects, CompletionContext);
    return (FLT_PREOP_CALLBACK_STATUS)entry->Answer;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI PostOperation(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                       PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    PLOG_ENTRY entry = Record(Data, FltObjects, PHASE_POST);

    InterlockedIncrement64(&Results.PostCalls);
    entry->PostFlags = Flags;
    entry->Context = (ULONG64)CompletionContext;
    CHECK(KeGetCurrentIrql() <= DISPATCH_LEVEL);
    CHECK(FlagOn(Data->Flags, FLTFL_CALLBACK_DATA_POST_OPERATION));
    CHECK(Data->Iopb->MajorFunction == IRP_MJ_CREATE || Data->TagData == NULL);
    if (FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING)) {
        InterlockedIncrement64(&Results.Drained);
    }
    entry->Answer = (ULONG)Mode->Post(Data, FltObjects, CompletionContext);
    return (FLT_POSTOP_CALLBACK_STATUS)entry->Answer;
}

static NTSTATUS FLTAPI InstanceSetup(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_SETUP_FLAGS Flags,
                                     DEVICE_TYPE VolumeDeviceType, FLT_FILESYSTEM_TYPE VolumeFilesystemType)
{
    LONG64 number = InterlockedIncrement64(&Results.SetupCalls) - 1;

    if (number < (LONG64)ARRAYSIZE(Instances)) {
        Instances[number] = FltObjects->Instance;
    }
    if (number == 0) {
        InitializeQueue(FltObjects->Instance);
    }
    CHECK(FltObjects->FileObject == NULL);
    CHECK(FltObjects->Filter == Filter);
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
    return STATUS_SUCCESS;
}

/* Manual detach is welcome. */
static NTSTATUS FLTAPI InstanceQueryTeardown(PCFLT_RELATED_OBJECTS FltObjects,
                                             FLT_INSTANCE_QUERY_TEARDOWN_FLAGS Flags)
{
    return STATUS_SUCCESS;
}

static VOID FLTAPI InstanceTeardownStart(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_TEARDOWN_FLAGS Reason)
{
    LeaveHeld();
    UseStale();
}

static VOID FLTAPI InstanceTeardownComplete(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_TEARDOWN_FLAGS Reason)
{
    JoinLate();
    InterlockedIncrement64(&Results.TeardownCalls);
}

static NTSTATUS FLTAPI Unload(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    FltUnregisterFilter(Filter);
    return STATUS_SUCCESS;
}

/* Filled in by DriverEntry: the same callbacks for each operation. */
static FLT_OPERATION_REGISTRATION Operations[48];

static const UCHAR Majors[] = {
    IRP_MJ_CREATE, IRP_MJ_CLOSE, IRP_MJ_READ, IRP_MJ_WRITE, IRP_MJ_QUERY_INFORMATION, IRP_MJ_SET_INFORMATION,
    IRP_MJ_QUERY_EA, IRP_MJ_SET_EA, IRP_MJ_FLUSH_BUFFERS, IRP_MJ_QUERY_VOLUME_INFORMATION,
    IRP_MJ_SET_VOLUME_INFORMATION, IRP_MJ_DIRECTORY_CONTROL, IRP_MJ_FILE_SYSTEM_CONTROL, IRP_MJ_DEVICE_CONTROL,
    IRP_MJ_LOCK_CONTROL, IRP_MJ_CLEANUP, IRP_MJ_QUERY_SECURITY, IRP_MJ_SET_SECURITY, IRP_MJ_QUERY_QUOTA,
    IRP_MJ_SET_QUOTA, IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION, IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION,
    IRP_MJ_ACQUIRE_FOR_MOD_WRITE, IRP_MJ_RELEASE_FOR_MOD_WRITE, IRP_MJ_ACQUIRE_FOR_CC_FLUSH,
    IRP_MJ_RELEASE_FOR_CC_FLUSH, IRP_MJ_FAST_IO_CHECK_IF_POSSIBLE, IRP_MJ_NETWORK_QUERY_OPEN, IRP_MJ_MDL_READ,
    IRP_MJ_MDL_READ_COMPLETE, IRP_MJ_PREPARE_MDL_WRITE, IRP_MJ_MDL_WRITE_COMPLETE,
};

static const FLT_REGISTRATION Registration = {
    .Size = sizeof(FLT_REGISTRATION),
    .Version = FLT_REGISTRATION_VERSION,
    .OperationRegistration = Operations,
    .FilterUnloadCallback = Unload,
    .InstanceSetupCallback = InstanceSetup,
    .InstanceQueryTeardownCallback = InstanceQueryTeardown,
    .InstanceTeardownStartCallback = InstanceTeardownStart,
    .InstanceTeardownCompleteCallback = InstanceTeardownComplete,
};

static VOID FillOperations(VOID)
{
    ULONG i;

    for (i = 0; i < ARRAYSIZE(Majors); i++) {
        Operations[i].MajorFunction = Majors[i];
        Operations[i].Flags = Settings.OperationFlags;
        Operations[i].PreOperation = Mode->Pre != NULL ? PreOperation : NULL;
        Operations[i].PostOperation = Mode->Post != NULL ? PostOperation : NULL;
    }
    Operations[i].MajorFunction = IRP_MJ_OPERATION_END;
}

static NTSTATUS ChooseMode(PPARAMETER_KEYS Keys)
{
    static const struct {
        const BEHAVIOUR *Modes;
        const ULONG *Count;
    } lists[] = {
        {Modes, &ModeCount},
        {PendingModes, &PendingModeCount},
        {QueueModes, &QueueModeCount},
        {GeneratedModes, &GeneratedModeCount},
        {LevelModes, &LevelModeCount},
    };
    UNICODE_STRING chosen;
    UNICODE_STRING name;
    ULONG i, k;

    if (!NT_SUCCESS(ReadStringParameter(Keys, L"Mode", &chosen))) {
        Mode = &Modes[0];
        return STATUS_SUCCESS;
    }
    for (i = 0; i < ARRAYSIZE(lists) && Mode == NULL; i++) {
        for (k = 0; k < *lists[i].Count && Mode == NULL; k++) {
            RtlInitUnicodeString(&name, lists[i].Modes[k].Name);
            if (RtlEqualUnicodeString(&name, &chosen, TRUE)) {
                Mode = &lists[i].Modes[k];
            }
        }
    }
    if (Mode == NULL) {
        DbgPrint("iopbtest: there is no mode %wZ\n", &chosen);
    }
    ExFreePool(chosen.Buffer);
    return Mode != NULL ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

static NTSTATUS PublishResults(PPARAMETER_KEYS Keys)
{
    UNICODE_STRING name;
    ULONG64 address = (ULONG64)&Results;

    Results.Magic = RESULTS_MAGIC;
    Results.Version = RESULTS_VERSION;
    Results.EntrySize = sizeof(LOG_ENTRY);
    Results.EntryCount = RESULTS_LOG_ENTRIES;
    RtlInitUnicodeString(&name, L"Results");
    return ZwSetValueKey(Keys->Parameters != NULL ? Keys->Parameters : Keys->Service, &name, 0, REG_QWORD,
                         &address, sizeof(address));
}

static NTSTATUS Configure(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PARAMETER_KEYS keys;
    NTSTATUS status = OpenParameters(DriverObject, RegistryPath, KEY_READ | KEY_WRITE, &keys);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    status = ChooseMode(&keys);
    if (NT_SUCCESS(status)) {
        (VOID)ReadUlongParameter(&keys, L"Status", &Settings.Status);
        (VOID)ReadUlongParameter(&keys, L"Major", &Settings.Major);
        (VOID)ReadUlongParameter(&keys, L"Return", &Settings.Return);
        (VOID)ReadUlongParameter(&keys, L"Offset", &Settings.Offset);
        (VOID)ReadUlongParameter(&keys, L"Length", &Settings.Length);
        (VOID)ReadUlongParameter(&keys, L"OperationFlags", &Settings.OperationFlags);
        status = PublishResults(&keys);
    }
    CloseParameters(&keys);
    return status;
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status = Configure(DriverObject, RegistryPath);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    FillOperations();
    status = FltRegisterFilter(DriverObject, &Registration, &Filter);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    Results.Filter = (ULONG64)Filter;
    status = FltStartFiltering(Filter);
    if (!NT_SUCCESS(status)) {
        FltUnregisterFilter(Filter);
    }
    return status;
}
