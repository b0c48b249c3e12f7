/*
 * modwatch: watches how the system takes a file's locks, and checks what its callbacks are promised.
 *
 * It registers for every file system filter operation and for writes; watch.c holds the checks, results.h says where a
 * test finds what came of them. A check that fails is printed with its line, too. A file whose name contains "exclusive"
 * is locked and unlocked through FsRtlAcquireFileExclusive, and asked for by its name, when it is opened.
 */
#include "modwatch.h"
#define FIRST_LINE 0

RESULTS Results;
ULONG Spin;
static PFLT_FILTER Filter;

DRIVER_INITIALIZE DriverEntry;

VOID Fail(ULONG Line)
{
    ULONG i;

    InterlockedIncrement64(&Results.FailedCount);
    for (i = 0; i < RESULTS_FAILURES; i++) {
        LONG found = InterlockedCompareExchange((LONG volatile *)&Results.Failed[i].Line, (LONG)Line, 0);
        if (found == 0 || found == (LONG)Line) {
            InterlockedIncrement((LONG volatile *)&Results.Failed[i].Count);
            break;
        }
    }
    DbgPrint("modwatch: the check in line %u failed\n", Line);
}

PLOG_ENTRY Record(PFLT_CALLBACK_DATA Data, UCHAR Phase)
{
    LONG64 sequence = InterlockedIncrement64(&Results.Sequence);
    PLOG_ENTRY entry = &Results.Log[(ULONG64)(sequence - 1) % RESULTS_LOG_ENTRIES];
    ULONG_PTR marker = (ULONG_PTR)IoGetTopLevelIrp();

    entry->Sequence = (ULONG64)sequence;
    entry->Major = Data->Iopb->MajorFunction;
    entry->Phase = Phase;
    entry->Irql = KeGetCurrentIrql();
    entry->TopLevel = marker <= 0xfe ? (UCHAR)marker : 0xff;
    entry->Status = (ULONG)Data->IoStatus.Status;
    entry->File = (ULONG64)Data->Iopb->TargetFileObject;
    entry->Thread = (ULONG64)PsGetCurrentThread();
    entry->Resource = 0;
    entry->Offset = 0;
    return entry;
}

static BOOLEAN NameContains(PFILE_OBJECT FileObject, PCWSTR Word)
{
    ULONG characters = FileObject->FileName.Length / sizeof(WCHAR);
    ULONG i, k;

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

static FLT_POSTOP_CALLBACK_STATUS FLTAPI PostCreate(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                    PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    PFILE_OBJECT file = Data->Iopb->TargetFileObject;

    if (!FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING) && Data->IoStatus.Status == STATUS_SUCCESS
        && NameContains(file, L"exclusive")) {
        LockExclusively(file);
        AskByName(Data, FltObjects);
    }
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static NTSTATUS FLTAPI Unload(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    FltUnregisterFilter(Filter);
    return STATUS_SUCCESS;
}

#define BOTH(Major)                                                                                                  \
    {                                                                                                                \
        .MajorFunction = (Major), .PreOperation = PreFsFilter, .PostOperation = PostFsFilter                         \
    }

static const FLT_OPERATION_REGISTRATION Operations[] = {
    BOTH(IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION),
    BOTH(IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION),
    BOTH(IRP_MJ_ACQUIRE_FOR_MOD_WRITE),
    BOTH(IRP_MJ_RELEASE_FOR_MOD_WRITE),
    BOTH(IRP_MJ_ACQUIRE_FOR_CC_FLUSH),
    BOTH(IRP_MJ_RELEASE_FOR_CC_FLUSH),
    BOTH(IRP_MJ_QUERY_OPEN),
    {.MajorFunction = IRP_MJ_CREATE, .PostOperation = PostCreate},
    {.MajorFunction = IRP_MJ_WRITE,
     .Flags = FLTFL_OPERATION_REGISTRATION_SKIP_CACHED_IO,
     .PreOperation = PreWrite},
    {.MajorFunction = IRP_MJ_OPERATION_END},
};

static const FLT_REGISTRATION Registration = {
    .Size = sizeof(FLT_REGISTRATION),
    .Version = FLT_REGISTRATION_VERSION,
    .OperationRegistration = Operations,
    .FilterUnloadCallback = Unload,
};

/* A minifilter needs no callbacks of its own driver object: without a device they are never called. */
static VOID CheckRegistration(PDRIVER_OBJECT DriverObject)
{
    // spec: FSF-01, FSF-03
    FS_FILTER_CALLBACKS callbacks;

    RtlZeroMemory(&callbacks, sizeof(callbacks));
    CHECK(FsRtlRegisterFileSystemFilterCallbacks(DriverObject, NULL) == STATUS_INVALID_PARAMETER);
    CHECK(FsRtlRegisterFileSystemFilterCallbacks(DriverObject, &callbacks) == STATUS_INVALID_PARAMETER);
    callbacks.SizeOfFsFilterCallbacks = sizeof(callbacks);
    CHECK(FsRtlRegisterFileSystemFilterCallbacks(DriverObject, &callbacks) == STATUS_SUCCESS);
}

static NTSTATUS PublishResults(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PARAMETER_KEYS keys;
    UNICODE_STRING name;
    ULONG64 address = (ULONG64)&Results;
    NTSTATUS status = OpenParameters(DriverObject, RegistryPath, KEY_READ | KEY_WRITE, &keys);

    if (NT_SUCCESS(status)) {
        (VOID)ReadUlongParameter(&keys, L"Spin", &Spin);
        Results.Magic = RESULTS_MAGIC;
        RtlInitUnicodeString(&name, L"Results");
        status = ZwSetValueKey(keys.Parameters != NULL ? keys.Parameters : keys.Service, &name, 0, REG_QWORD, &address,
                               sizeof(address));
        CloseParameters(&keys);
    }
    return status;
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status = PublishResults(DriverObject, RegistryPath);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    InitializeWatch();
    CheckRegistration(DriverObject);
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
