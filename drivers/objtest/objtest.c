/*
 * objtest: checks the objects that minifilters meet beside operations: volumes, references, push locks, parameter blocks.
 *
 * A create whose name contains a word of one of the tables (the ends of the other files) runs the checks of that word in its
 * callbacks; the RESULTS structure of iopbtest says which failed, by file number * 10000 + line. Words that begin with
 * "wrong" break a rule, which the machine has to report.
 */
#include "objtest.h"
#define FILE_NUMBER 1

RESULTS Results;
PFLT_FILTER Filter;

static const GROUP *const Tables[] = {VolumeGroups, LockGroups, BlockGroups, CreateGroups, ReparseGroups, SecurityGroups,
                                       TransactionGroups, RenameGroups, StatusGroups};

DRIVER_INITIALIZE DriverEntry;

VOID Fail(ULONG Place)
{
    LONG64 count = InterlockedIncrement64(&Results.FailedCount);

    if (count <= RESULTS_FAILURES) {
        Results.Failed[count - 1].Line = Place;
        Results.Failed[count - 1].Count = 1;
    }
}

UNICODE_STRING Text(PCWSTR Literal)
{
    UNICODE_STRING string;

    RtlInitUnicodeString(&string, Literal);
    return string;
}

BOOLEAN IsText(PCUNICODE_STRING String, PCWSTR Expected)
{
    UNICODE_STRING expected = Text(Expected);

    return RtlEqualUnicodeString(String, &expected, FALSE);
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

VOID Pause(VOID)
{
    LARGE_INTEGER millisecond = {.QuadPart = -10000};

    KeDelayExecutionThread(KernelMode, FALSE, &millisecond);
}

PVOID StartThread(PKSTART_ROUTINE Routine, PVOID Context)
{
    OBJECT_ATTRIBUTES attributes;
    HANDLE handle;
    PVOID thread = NULL;

    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    if (!NT_SUCCESS(PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, &attributes, NULL, NULL, Routine, Context))) {
        return NULL;
    }
    (VOID)ObReferenceObjectByHandle(handle, SYNCHRONIZE, *PsThreadType, KernelMode, &thread, NULL);
    ZwClose(handle);
    return thread;
}

VOID JoinThread(PVOID Thread)
{
    if (Thread != NULL) {
        KeWaitForSingleObject(Thread, Executive, KernelMode, FALSE, NULL);
        ObDereferenceObject(Thread);
    }
}

NTSTATUS OpenFile(PFLT_INSTANCE Instance, PCWSTR Name, ACCESS_MASK Access, ULONG Disposition, ULONG Options,
                  PHANDLE Handle, PFILE_OBJECT *FileObject)
{
    UNICODE_STRING name = Text(Name);
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK io;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    return FltCreateFileEx(Filter, Instance, Handle, FileObject, Access | SYNCHRONIZE, &attributes, &io, NULL,
                           FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, Disposition,
                           Options | FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0, 0);
}

static const GROUP *GroupOf(PFILE_OBJECT FileObject)
{
    ULONG i;
    const GROUP *group;

    for (i = 0; i < ARRAYSIZE(Tables); i++) {
        for (group = Tables[i]; group->Word != NULL; group++) {
            if (NameContains(FileObject, group->Word)) {
                return group;
            }
        }
    }
    return NULL;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreCreate(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                  PVOID *CompletionContext)
{
    const GROUP *group = GroupOf(FltObjects->FileObject);

    if (group == NULL) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    if (group->Pre != NULL) {
        group->Pre(Data, FltObjects);
    }
    *CompletionContext = (PVOID)group;
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI PostCreate(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                    PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    const GROUP *group = CompletionContext;

    if (group->Post != NULL && !FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING)) {
        group->Post(Data, FltObjects);
    }
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreCleanup(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                   PVOID *CompletionContext)
{
    CreatesCleanup(Data);
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreFlush(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                 PVOID *CompletionContext)
{
    BlocksFlush(Data->Iopb->MajorFunction == IRP_MJ_ACQUIRE_FOR_CC_FLUSH);
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreMount(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                 PVOID *CompletionContext)
{
    /* spec: PARM-31 */
    CHECK(Data->Iopb->Parameters.MountVolume.DeviceType == FILE_DEVICE_DISK_FILE_SYSTEM);
    CHECK(FltObjects->Instance == NULL && FltObjects->Volume != NULL);
    VolumesMount(FltObjects);
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static NTSTATUS FLTAPI InstanceSetup(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_SETUP_FLAGS Flags,
                                     DEVICE_TYPE VolumeDeviceType, FLT_FILESYSTEM_TYPE VolumeFilesystemType)
{
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
    VolumesTeardown(FltObjects);
    TransactionsTeardown(FltObjects);
}

static NTSTATUS FLTAPI Unload(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    FltUnregisterFilter(Filter);
    return STATUS_SUCCESS;
}

static const FLT_OPERATION_REGISTRATION Operations[] = {
    {IRP_MJ_CREATE, 0, PreCreate, PostCreate, NULL},
    {IRP_MJ_CLEANUP, 0, PreCleanup, NULL, NULL},
    {IRP_MJ_ACQUIRE_FOR_CC_FLUSH, 0, PreFlush, NULL, NULL},
    {IRP_MJ_RELEASE_FOR_CC_FLUSH, 0, PreFlush, NULL, NULL},
    {IRP_MJ_VOLUME_MOUNT, 0, PreMount, NULL, NULL},
    {IRP_MJ_OPERATION_END, 0, NULL, NULL, NULL},
};

static const FLT_CONTEXT_REGISTRATION Contexts[] = {
    {FLT_TRANSACTION_CONTEXT, 0, NULL, FLT_VARIABLE_SIZED_CONTEXTS, TAG, NULL, NULL, NULL},
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
    .TransactionNotificationCallback = TransactionNotify,
};

static NTSTATUS PublishResults(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PARAMETER_KEYS keys;
    UNICODE_STRING name = Text(L"Results");
    ULONG64 address = (ULONG64)&Results;
    NTSTATUS status = OpenParameters(DriverObject, RegistryPath, KEY_READ | KEY_WRITE, &keys);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    Results.Magic = RESULTS_MAGIC;
    Results.Version = RESULTS_VERSION;
    Results.EntrySize = sizeof(LOG_ENTRY);
    Results.EntryCount = RESULTS_LOG_ENTRIES;
    status = ZwSetValueKey(keys.Parameters != NULL ? keys.Parameters : keys.Service, &name, 0, REG_QWORD, &address,
                           sizeof(address));
    CloseParameters(&keys);
    return status;
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status = PublishResults(DriverObject, RegistryPath);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    status = FltRegisterFilter(DriverObject, &Registration, &Filter);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    status = FltStartFiltering(Filter);
    if (!NT_SUCCESS(status)) {
        FltUnregisterFilter(Filter);
    }
    return status;
}
