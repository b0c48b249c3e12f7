/*
 * swaptest: checks from a driver's side what is promised to filters that swap and lock buffers and that use contexts.
 *
 * The registry value Mode names the behaviour; contexts.c, buffers.c and locks.c have one table of them each. Checks
 * are counted in Results, which results.h describes. An unknown mode makes DriverEntry fail.
 */
#include "swaptest.h"
#define FILE_NUMBER 1

RESULTS Results;
PFLT_FILTER Filter;
ULONG Expect;

static const BEHAVIOUR *Mode;

DRIVER_INITIALIZE DriverEntry;

VOID Fail(ULONG File, ULONG Line)
{
    LONG64 index = InterlockedIncrement64(&Results.FailedCount) - 1;

    if (index < RESULTS_FAILURES) {
        Results.Failed[index].Line = Line;
        Results.Failed[index].File = File;
    }
    DbgPrint("swaptest: check in file %u line %u failed\n", File, Line);
}

static BOOLEAN NameContains(PFILE_OBJECT FileObject, PCWSTR Word)
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

BOOLEAN Concerns(PFLT_CALLBACK_DATA Data, PLACES *Places)
{
    UCHAR major = Data->Iopb->MajorFunction;
    NTSTATUS status;

    if (major != IRP_MJ_READ && major != IRP_MJ_WRITE
        && (major != IRP_MJ_DIRECTORY_CONTROL || Data->Iopb->MinorFunction != IRP_MN_QUERY_DIRECTORY)) {
        return FALSE;
    }
    if (!NameContains(Data->Iopb->TargetFileObject, L"swap")) {
        return FALSE;
    }
    status = FltDecodeParameters(Data, &Places->Mdl, &Places->Buffer, &Places->Length, &Places->Access);
    CHECK(status == STATUS_SUCCESS);
    return NT_SUCCESS(status) && *Places->Length != 0;
}

/* Paging I/O comes whenever the lazy writer likes: its values are not kept. */
PULONG64 ValuesOf(PFLT_CALLBACK_DATA Data)
{
    static ULONG64 unused[8];

    if (FLT_IS_IRP_OPERATION(Data) && FlagOn(Data->Iopb->IrpFlags, IRP_PAGING_IO)) {
        return unused;
    }
    return &Results.Values[8 * Data->Iopb->MajorFunction];
}

PVOID MapMdl(PMDL Mdl)
{
    PVOID address = MmGetSystemAddressForMdlSafe(Mdl, NormalPagePriority | MdlMappingNoExecute);

    CHECK(address != NULL);
    return address;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreOperation(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                     PVOID *CompletionContext)
{
    return Mode->Pre != NULL ? Mode->Pre(Data, FltObjects, CompletionContext) : FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI PostOperation(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                       PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    return Mode->Post != NULL ? Mode->Post(Data, FltObjects, CompletionContext, Flags)
                              : FLT_POSTOP_FINISHED_PROCESSING;
}

static NTSTATUS FLTAPI InstanceSetup(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_SETUP_FLAGS Flags,
                                     DEVICE_TYPE VolumeDeviceType, FLT_FILESYSTEM_TYPE VolumeFilesystemType)
{
    if (Mode->Setup != NULL) {
        Mode->Setup(FltObjects);
    }
    return STATUS_SUCCESS;
}

static NTSTATUS FLTAPI InstanceQueryTeardown(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_QUERY_TEARDOWN_FLAGS Flags)
{
    return STATUS_SUCCESS;
}

static VOID FLTAPI InstanceTeardownStart(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_TEARDOWN_FLAGS Reason)
{
    Results.Values[VALUE_TEARDOWN] = 1;
    if (Mode->Teardown != NULL) {
        Mode->Teardown(FltObjects);
    }
}

static VOID FLTAPI InstanceTeardownComplete(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_TEARDOWN_FLAGS Reason)
{
    if (Mode->Gone != NULL) {
        Mode->Gone(FltObjects);
    }
}

static PARAMETER_KEYS Keys;

static VOID Publish(PCWSTR Name, ULONG Type, PVOID Value, ULONG Bytes)
{
    UNICODE_STRING name;

    RtlInitUnicodeString(&name, Name);
    (VOID)ZwSetValueKey(Keys.Parameters != NULL ? Keys.Parameters : Keys.Service, &name, 0, Type, Value, Bytes);
}

/* What happened until the image goes: the counters once more, as values of the registry. */
static NTSTATUS FLTAPI Unload(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    ULONG64 failed;

    if (Mode->Unload != NULL) {
        Mode->Unload();
    }
    FltUnregisterFilter(Filter);
    if (Mode->Unload != NULL) {
        Mode->Unload();
    }
    failed = (ULONG64)Results.FailedCount;
    Publish(L"Failed", REG_QWORD, &failed, sizeof(failed));
    CloseParameters(&Keys);
    return STATUS_SUCCESS;
}

static FLT_OPERATION_REGISTRATION Operations[16];

static const UCHAR Majors[] = {IRP_MJ_CREATE,
                               IRP_MJ_READ,
                               IRP_MJ_WRITE,
                               IRP_MJ_QUERY_INFORMATION,
                               IRP_MJ_SET_INFORMATION,
                               IRP_MJ_FLUSH_BUFFERS,
                               IRP_MJ_QUERY_VOLUME_INFORMATION,
                               IRP_MJ_DIRECTORY_CONTROL,
                               IRP_MJ_FILE_SYSTEM_CONTROL,
                               IRP_MJ_CLEANUP,
                               IRP_MJ_CLOSE};

static const FLT_REGISTRATION Registration = {
    .Size = sizeof(FLT_REGISTRATION),
    .Version = FLT_REGISTRATION_VERSION,
    .ContextRegistration = Contexts,
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
        Operations[i].PreOperation = PreOperation;
        Operations[i].PostOperation = PostOperation;
    }
    Operations[i].MajorFunction = IRP_MJ_OPERATION_END;
}

static const BEHAVIOUR *FindMode(PCUNICODE_STRING Wanted)
{
    const BEHAVIOUR *tables[] = {ContextModes, BufferModes, LockModes};
    UNICODE_STRING name;
    ULONG i;
    const BEHAVIOUR *mode;

    for (i = 0; i < ARRAYSIZE(tables); i++) {
        for (mode = tables[i]; mode->Name != NULL; mode++) {
            RtlInitUnicodeString(&name, mode->Name);
            if (RtlEqualUnicodeString(&name, Wanted, TRUE)) {
                return mode;
            }
        }
    }
    DbgPrint("swaptest: there is no mode %wZ\n", Wanted);
    return NULL;
}

static NTSTATUS Configure(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING chosen;
    ULONG64 address = (ULONG64)&Results;
    NTSTATUS status = OpenParameters(DriverObject, RegistryPath, KEY_READ | KEY_WRITE, &Keys);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    status = ReadStringParameter(&Keys, L"Mode", &chosen);
    if (NT_SUCCESS(status)) {
        Mode = FindMode(&chosen);
        ExFreePool(chosen.Buffer);
        status = Mode != NULL ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
    }
    if (!NT_SUCCESS(status)) {
        CloseParameters(&Keys);
        return status;
    }
    (VOID)ReadUlongParameter(&Keys, L"Expect", &Expect);
    Results.Magic = RESULTS_MAGIC;
    Publish(L"Results", REG_QWORD, &address, sizeof(address));
    return STATUS_SUCCESS;
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status = Configure(DriverObject, RegistryPath);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    FillOperations();
    status = FltRegisterFilter(DriverObject, &Registration, &Filter);
    if (NT_SUCCESS(status)) {
        status = FltStartFiltering(Filter);
        if (!NT_SUCCESS(status)) {
            FltUnregisterFilter(Filter);
        }
    }
    if (!NT_SUCCESS(status)) {
        CloseParameters(&Keys);
    }
    return status;
}
