/*
 * names: asks for the name of every file in every callback, checks it and writes it into a log.
 *
 * results.h says where a test finds the log and the checks that failed; checks.c holds those of the query methods. What a
 * file's name contains chooses more: "cold" checks a stream that nobody has asked the name of, "warm" one that somebody
 * has, "plain" one that has no short name, "long" one that may have one; a tilde keeps the name from before the create and
 * asks whether a tunnel changed it; "again" and "mounted" check what a create that starts again may ask; "misuse" asks where
 * that is wrong, "meddle" writes to a name; "timed" times `Loop` (REG_DWORD) queries. `Below` (REG_DWORD, names.h) does something
 * to the filters above; with `Early` (REG_DWORD) DriverEntry asks for a name without an instance.
 */
#include "names.h"
#define FIRST_LINE 0

RESULTS Results;
ULONG Loop;
ULONG Below;
static ULONG Early;
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
    DbgPrint("names: the check in line %u failed\n", Line);
}

VOID Record(PFLT_CALLBACK_DATA Data, UCHAR Phase, UCHAR Kind, NTSTATUS Status, PCUNICODE_STRING Name)
{
    LONG64 sequence = InterlockedIncrement64(&Results.Sequence);
    PLOG_ENTRY entry = &Results.Log[(ULONG64)(sequence - 1) % RESULTS_LOG_ENTRIES];

    RtlZeroMemory(entry, sizeof(*entry));
    entry->Major = Data->Iopb->MajorFunction;
    entry->Phase = Phase;
    entry->Kind = Kind;
    entry->Status = (ULONG)Status;
    if (Name != NULL) {
        entry->Length = Name->Length;
        RtlCopyMemory(entry->Name, Name->Buffer, min(Name->Length, sizeof(entry->Name)));
    }
    entry->Sequence = (ULONG64)sequence;
}

BOOLEAN NameContains(PFILE_OBJECT FileObject, PCWSTR Word)
{
    ULONG characters = FileObject->FileName.Length / sizeof(WCHAR);
    ULONG i, k;

    for (i = 0; i < characters; i++) {
        for (k = 0; Word[k] != L'\0' && i + k < characters && FileObject->FileName.Buffer[i + k] == Word[k]; k++) {
        }
        if (Word[k] == L'\0') {
            return TRUE;
        }
    }
    return FALSE;
}

/* The two long formats, into the log. */
static VOID AskBoth(PFLT_CALLBACK_DATA Data, UCHAR Phase)
{
    PFLT_FILE_NAME_INFORMATION name = NULL;
    NTSTATUS status = FltGetFileNameInformation(Data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, &name);

    Record(Data, Phase, KIND_NORMALIZED, status, NT_SUCCESS(status) ? &name->Name : NULL);
    if (NT_SUCCESS(status)) {
        CheckParts(name);
        FltReleaseFileNameInformation(name);
    }
    status = FltGetFileNameInformation(Data, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &name);
    Record(Data, Phase, KIND_OPENED, status, NT_SUCCESS(status) ? &name->Name : NULL);
    if (NT_SUCCESS(status)) {
        CHECK(name->Format == FLT_FILE_NAME_OPENED);
        FltReleaseFileNameInformation(name);
    }
}

static BOOLEAN IsRename(PFLT_CALLBACK_DATA Data)
{
    FILE_INFORMATION_CLASS class = Data->Iopb->Parameters.SetFileInformation.FileInformationClass;

    return Data->Iopb->MajorFunction == IRP_MJ_SET_INFORMATION
           && (class == FileRenameInformation || class == FileLinkInformation);
}

/* The name that a rename or link will give. */
static VOID AskDestination(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects, PFLT_FILE_NAME_INFORMATION *Kept)
{
    // spec: NAME-39
    PFILE_RENAME_INFORMATION rename = Data->Iopb->Parameters.SetFileInformation.InfoBuffer;
    PFLT_FILE_NAME_INFORMATION name = NULL;
    NTSTATUS status;

    CHECK(FltGetDestinationFileNameInformation(FltObjects->Instance, FltObjects->FileObject, rename->RootDirectory,
                                               rename->FileName, rename->FileNameLength,
                                               FLT_FILE_NAME_SHORT | FLT_FILE_NAME_QUERY_DEFAULT, &name)
          == STATUS_FLT_INVALID_NAME_REQUEST);
    CHECK(FltGetDestinationFileNameInformation(FltObjects->Instance, FltObjects->FileObject, rename->RootDirectory,
                                               rename->FileName, rename->FileNameLength, FLT_FILE_NAME_QUERY_DEFAULT,
                                               &name)
          == STATUS_INVALID_PARAMETER);
    IoSetTopLevelIrp((PIRP)(ULONG_PTR)FSRTL_FSP_TOP_LEVEL_IRP);
    CHECK(FltGetDestinationFileNameInformation(FltObjects->Instance, FltObjects->FileObject, rename->RootDirectory,
                                               rename->FileName, rename->FileNameLength,
                                               FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &name)
          == STATUS_FLT_INVALID_NAME_REQUEST);
    IoSetTopLevelIrp(NULL);
    status = FltGetDestinationFileNameInformation(FltObjects->Instance, FltObjects->FileObject, rename->RootDirectory,
                                                  rename->FileName, rename->FileNameLength,
                                                  FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, Kept);
    Record(Data, PHASE_PRE, KIND_DESTINATION, status, NT_SUCCESS(status) ? &(*Kept)->Name : NULL);
    if (!NT_SUCCESS(status)) {
        *Kept = NULL;
    }
}

/* The same for the wrong file object. */
static VOID AskWithTargetDirectory(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    // spec: NAME-41
    PFILE_RENAME_INFORMATION rename = Data->Iopb->Parameters.SetFileInformation.InfoBuffer;
    PFILE_OBJECT parent = Data->Iopb->Parameters.SetFileInformation.ParentOfTarget;
    PFLT_FILE_NAME_INFORMATION name;

    if (parent != NULL
        && NT_SUCCESS(FltGetDestinationFileNameInformation(FltObjects->Instance, parent, rename->RootDirectory,
                                                           rename->FileName, rename->FileNameLength,
                                                           FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &name))) {
        FltReleaseFileNameInformation(name);
    }
}

static VOID AskTunneled(PFLT_CALLBACK_DATA Data, PFLT_FILE_NAME_INFORMATION Name)
{
    PFLT_FILE_NAME_INFORMATION tunneled = NULL;
    NTSTATUS status = FltGetTunneledName(Data, Name, &tunneled);

    Record(Data, PHASE_POST, KIND_TUNNELED, status, tunneled != NULL ? &tunneled->Name : NULL);
    if (NT_SUCCESS(status) && tunneled != NULL) {
        FltReleaseFileNameInformation(tunneled);
    }
}

/* Whether the data are of paging I/O, where no file system is asked. */
static BOOLEAN IsPaging(PFLT_CALLBACK_DATA Data)
{
    return (Data->Iopb->MajorFunction == IRP_MJ_READ || Data->Iopb->MajorFunction == IRP_MJ_WRITE)
           && FlagOn(Data->Iopb->IrpFlags, IRP_PAGING_IO);
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI Pre(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                            PVOID *CompletionContext)
{
    PFLT_FILE_NAME_INFORMATION name = NULL;

    if (FltObjects->FileObject == NULL || KeGetCurrentIrql() != PASSIVE_LEVEL) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    if (Below != 0) {
        /* What this one learns those above would know. */
        return StartsAgain(Data) ? FLT_PREOP_COMPLETE : FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    if (IsPaging(Data)) {
        // spec: NAME-06
        CHECK(FltGetFileNameInformation(Data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, &name)
              == STATUS_FLT_INVALID_NAME_REQUEST);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    if (Data->Iopb->MajorFunction == IRP_MJ_CREATE) {
        CheckBeforeCreate(Data);
    }
    AskBoth(Data, PHASE_PRE);
    if (Data->Iopb->MajorFunction == IRP_MJ_WRITE && NameContains(FltObjects->FileObject, L"misuse")
        && NT_SUCCESS(FltGetFileNameInformation(Data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, &name))) {
        // spec: NAME-47
        AskTunneled(Data, name);
        FltReleaseFileNameInformation(name);
        name = NULL;
    }
    if (IsRename(Data)) {
        if (NameContains(FltObjects->FileObject, L"misuse")) {
            AskWithTargetDirectory(Data, FltObjects);
        }
        if (NameContains(FltObjects->FileObject, L"crossing")) {
            CheckMountedDestination(FltObjects);
        }
        AskDestination(Data, FltObjects, &name);
    } else if (Data->Iopb->MajorFunction == IRP_MJ_CREATE && NameContains(FltObjects->FileObject, L"~")) {
        // spec: NAME-48
        if (!NT_SUCCESS(FltGetFileNameInformation(Data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, &name))) {
            name = NULL;
        }
    }
    *CompletionContext = name;
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI Post(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                              PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    PFLT_FILE_NAME_INFORMATION name;

    if (!FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING) && KeGetCurrentIrql() == PASSIVE_LEVEL) {
        if (Data->Iopb->MajorFunction == IRP_MJ_CLOSE) {
            // spec: NAME-07
            CHECK(FltGetFileNameInformation(Data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, &name)
                  == STATUS_FLT_INVALID_NAME_REQUEST);
            CHECK(FltGetFileNameInformation(Data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_CACHE_ONLY, &name)
                  == STATUS_FLT_INVALID_NAME_REQUEST);
        } else if (Data->Iopb->MajorFunction == IRP_MJ_CREATE && Data->IoStatus.Status == STATUS_SUCCESS) {
            if (NameContains(FltObjects->FileObject, L"cold")) {
                CheckColdCache(Data, FltObjects);
            }
            if (NameContains(FltObjects->FileObject, L"warm")) {
                CheckWarmCache(Data, FltObjects);
            }
            if (NameContains(FltObjects->FileObject, L"plain")) {
                CheckShortName(Data, FltObjects);
            }
            if (NameContains(FltObjects->FileObject, L"long") || NameContains(FltObjects->FileObject, L"~")) {
                AskShortName(Data);
            }
            if (NameContains(FltObjects->FileObject, L"meddle")) {
                WriteToName(Data);
            }
            if (NameContains(FltObjects->FileObject, L"misuse")) {
                AskWhereItCanDeadlock(FltObjects);
            }
            if (Loop != 0 && NameContains(FltObjects->FileObject, L"timed")) {
                MeasureQueries(Data);
            }
            AskBoth(Data, PHASE_POST);
        } else if (Data->Iopb->MajorFunction == IRP_MJ_CREATE && Data->IoStatus.Status == STATUS_REPARSE) {
            CheckAfterReparse(Data);
        } else {
            AskBoth(Data, PHASE_POST);
        }
        if (CompletionContext != NULL && NT_SUCCESS(Data->IoStatus.Status)) {
            AskTunneled(Data, CompletionContext);
            CheckOpenedNameIsNotTunneled(Data);
        }
    }
    if (CompletionContext != NULL) {
        FltReleaseFileNameInformation(CompletionContext);
    }
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static PARAMETER_KEYS Keys;

/* A number that outlives the driver. */
static VOID WriteValue(PCWSTR Name, LONG64 Value)
{
    UNICODE_STRING name;

    RtlInitUnicodeString(&name, Name);
    ZwSetValueKey(Keys.Parameters != NULL ? Keys.Parameters : Keys.Service, &name, 0, REG_QWORD, &Value, sizeof(Value));
}

/* It may be detached at any time. */
static NTSTATUS FLTAPI QueryTeardown(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_QUERY_TEARDOWN_FLAGS Flags)
{
    return STATUS_SUCCESS;
}

static NTSTATUS FLTAPI Unload(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    FltUnregisterFilter(Filter);
    WriteValue(L"Failed", Results.FailedCount);
    WriteValue(L"LastFailed", Results.Failed[0].Line);
    CloseParameters(&Keys);
    return STATUS_SUCCESS;
}

#define BOTH(Major)                                                                                                  \
    {                                                                                                                \
        .MajorFunction = (Major), .PreOperation = Pre, .PostOperation = Post                                         \
    }

static const FLT_OPERATION_REGISTRATION Operations[] = {
    BOTH(IRP_MJ_CREATE),          BOTH(IRP_MJ_CLEANUP),
    BOTH(IRP_MJ_CLOSE),           BOTH(IRP_MJ_READ),
    BOTH(IRP_MJ_WRITE),           BOTH(IRP_MJ_SET_INFORMATION),
    BOTH(IRP_MJ_DIRECTORY_CONTROL),
    {.MajorFunction = IRP_MJ_QUERY_INFORMATION, .PreOperation = BeforeQuery, .PostOperation = AfterQuery},
    {.MajorFunction = IRP_MJ_OPERATION_END},
};

static const FLT_REGISTRATION Registration = {
    .Size = sizeof(FLT_REGISTRATION),
    .Version = FLT_REGISTRATION_VERSION,
    .OperationRegistration = Operations,
    .FilterUnloadCallback = Unload,
    .InstanceQueryTeardownCallback = QueryTeardown,
};

static NTSTATUS ReadParameters(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status = OpenParameters(DriverObject, RegistryPath, KEY_READ | KEY_WRITE, &Keys);

    if (NT_SUCCESS(status)) {
        Results.Magic = RESULTS_MAGIC;
        WriteValue(L"Results", (LONG64)&Results);
        ReadUlongParameter(&Keys, L"Loop", &Loop);
        ReadUlongParameter(&Keys, L"Below", &Below);
        ReadUlongParameter(&Keys, L"Early", &Early);
    }
    return status;
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status = ReadParameters(DriverObject, RegistryPath);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    status = FltRegisterFilter(DriverObject, &Registration, &Filter);
    if (!NT_SUCCESS(status)) {
        CloseParameters(&Keys);
        return status;
    }
    if (Early != 0) {
        CheckWithoutInstance();
    }
    status = FltStartFiltering(Filter);
    if (!NT_SUCCESS(status)) {
        FltUnregisterFilter(Filter);
        CloseParameters(&Keys);
    }
    return status;
}
