/*
 * provider: a name provider that shows the directory \real as \shown.
 *
 * Names that filters above it ask for begin with \shown where the file lies below \real; a create of \shown\... is sent on as
 * one of \real\.... REG_DWORD values: `Components` other than 0: normalized names are made of components only, and the
 * component "short~1" is "a longer name"; `NoCache`: names are not to be kept; `Replace`: breaks a rule, as the name's
 * buffer is replaced. A set-information operation forgets the names of the file. results.h says what a test can read.
 */
#include "../parameters/parameters.h"
#include "results.h"

#define PROVIDER_TAG 'vorP'

static RESULTS Results;
static PFLT_FILTER Filter;
static ULONG Components;
static ULONG NoCache;
static ULONG Replace;
static const UNICODE_STRING Real = RTL_CONSTANT_STRING(L"\\real");
static const UNICODE_STRING Shown = RTL_CONSTANT_STRING(L"\\shown");

DRIVER_INITIALIZE DriverEntry;

#define CHECK(Condition)                                                                                             \
    do {                                                                                                             \
        InterlockedIncrement64(&Results.Checks);                                                                     \
        if (!(Condition)) {                                                                                          \
            InterlockedIncrement64(&Results.FailedCount);                                                            \
            Results.LastFailed = __LINE__;                                                                           \
            DbgPrint("provider: the check in line %u failed\n", __LINE__);                                           \
        }                                                                                                            \
    } while (0)

/* How often this thread was asked for a name; NULL for threads that there is no room for. */
static LONG64 *CallsOfThread(VOID)
{
    static struct {
        PVOID volatile Thread;
        LONG64 Calls;
    } threads[64];
    PVOID self = PsGetCurrentThread();
    PVOID found;
    ULONG i;

    for (i = 0; i < ARRAYSIZE(threads); i++) {
        found = InterlockedCompareExchangePointer(&threads[i].Thread, self, NULL);
        if (found == NULL || found == self) {
            return &threads[i].Calls;
        }
    }
    return NULL;
}

/* Whether Path is Directory or lies below it. */
static BOOLEAN IsBelow(PCUNICODE_STRING Path, PCUNICODE_STRING Directory)
{
    return RtlPrefixUnicodeString(Directory, Path, TRUE)
           && (Path->Length == Directory->Length || Path->Buffer[Directory->Length / sizeof(WCHAR)] == L'\\');
}

/* A copy of Name in which the directory From, Volume bytes behind its start, is To. */
static NTSTATUS Exchange(PCUNICODE_STRING Name, USHORT Volume, PCUNICODE_STRING From, PCUNICODE_STRING To,
                         PFLT_NAME_CONTROL Out)
{
    UNICODE_STRING path;
    PCUNICODE_STRING first = NULL;
    USHORT skipped = 0;
    USHORT length;
    NTSTATUS status;
    PUCHAR at;

    path.Buffer = (PWCHAR)((PUCHAR)Name->Buffer + Volume);
    path.Length = path.MaximumLength = (USHORT)(Name->Length - Volume);
    if (IsBelow(&path, From)) {
        first = To;
        skipped = From->Length;
    }
    length = (USHORT)(Name->Length - skipped + (first != NULL ? first->Length : 0));
    if (length > Out->Name.MaximumLength) {
        InterlockedIncrement64(&Results.Grown);
    }
    // spec: NAME-56
    at = (PUCHAR)Out->Name.Buffer;
    CHECK(FltCheckAndGrowNameControl(Out, 16) == STATUS_SUCCESS && (PUCHAR)Out->Name.Buffer == at);
    status = FltCheckAndGrowNameControl(Out, length);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    CHECK(Out->Name.MaximumLength >= length);
    at = (PUCHAR)Out->Name.Buffer;
    RtlCopyMemory(at, Name->Buffer, Volume);
    at += Volume;
    if (first != NULL) {
        RtlCopyMemory(at, first->Buffer, first->Length);
        at += first->Length;
    }
    RtlCopyMemory(at, (PUCHAR)path.Buffer + skipped, (SIZE_T)(path.Length - skipped));
    Out->Name.Length = length;
    return STATUS_SUCCESS;
}

static NTSTATUS FLTAPI GenerateFileName(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, PFLT_CALLBACK_DATA Data,
                                        FLT_FILE_NAME_OPTIONS NameOptions, PBOOLEAN CacheFileNameInformation,
                                        PFLT_NAME_CONTROL FileName)
{
    // spec: NAME-50, NAME-51
    PFLT_FILE_NAME_INFORMATION name;
    FLT_FILE_NAME_OPTIONS format = NameOptions & FLT_VALID_FILE_NAME_FORMATS;
    LONG64 *calls = CallsOfThread();
    LONG64 before = calls != NULL ? ++*calls : 0;
    NTSTATUS status;

    InterlockedIncrement64(&Results.Generated);
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
    if (Data != NULL) {
        InterlockedIncrement64(&Results.WithData);
        CHECK(Data->Iopb->TargetInstance == Instance);
    }
    if (Components != 0 && format == FLT_FILE_NAME_NORMALIZED) {
        return STATUS_NOT_SUPPORTED;
    }
    if (Replace != 0) {
        FileName->Name.Buffer = NULL;
        FileName->Name.Length = 0;
        return STATUS_SUCCESS;
    }
    if (Data != NULL) {
        status = FltGetFileNameInformation(Data, format | FLT_FILE_NAME_QUERY_DEFAULT, &name);
    } else {
        status = FltGetFileNameInformationUnsafe(FileObject, Instance, format | FLT_FILE_NAME_QUERY_DEFAULT, &name);
    }
    // spec: NAME-52
    CHECK(calls == NULL || *calls == before);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    status = Exchange(&name->Name, name->Volume.Length, &Real, &Shown, FileName);
    FltReleaseFileNameInformation(name);
    *CacheFileNameInformation = NoCache == 0;
    return status;
}

static NTSTATUS FLTAPI NormalizeNameComponentEx(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject,
                                                PCUNICODE_STRING ParentDirectory, USHORT VolumeNameLength,
                                                PCUNICODE_STRING Component, PFILE_NAMES_INFORMATION Expanded,
                                                ULONG ExpandedLength, FLT_NORMALIZE_NAME_FLAGS Flags,
                                                PVOID *NormalizationContext)
{
    // spec: NAME-53, NAME-54, NAME-55
    static const UNICODE_STRING shortName = RTL_CONSTANT_STRING(L"short~1");
    static const UNICODE_STRING longName = RTL_CONSTANT_STRING(L"a longer name");
    static const UNICODE_STRING missing = RTL_CONSTANT_STRING(L"missing");
    PCUNICODE_STRING name = Component;

    InterlockedIncrement64(&Results.Components);
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL && Instance != NULL && FileObject != NULL);
    CHECK(ParentDirectory->Length > VolumeNameLength);
    CHECK(ParentDirectory->Buffer[ParentDirectory->Length / sizeof(WCHAR) - 1] == L'\\');
    if (FlagOn(Flags, FLTFL_NORMALIZE_NAME_DESTINATION_FILE_NAME)) {
        InterlockedIncrement64(&Results.Targets);
    }
    /* The first component of a path finds no context, the others what the first one left. */
    CHECK((*NormalizationContext == NULL) == (ParentDirectory->Length == VolumeNameLength + sizeof(WCHAR)));
    if (*NormalizationContext == NULL) {
        *NormalizationContext = ExAllocatePoolWithTag(PagedPool, 16, PROVIDER_TAG);
        InterlockedIncrement64(&Results.Contexts);
    }
    if (RtlEqualUnicodeString(Component, &missing, TRUE)) {
        return STATUS_NO_SUCH_FILE;
    }
    if (RtlEqualUnicodeString(Component, &shortName, TRUE)) {
        name = &longName;
    }
    if (ExpandedLength < (ULONG)FIELD_OFFSET(FILE_NAMES_INFORMATION, FileName) + name->Length) {
        return STATUS_BUFFER_OVERFLOW;
    }
    Expanded->FileNameLength = name->Length;
    RtlCopyMemory(Expanded->FileName, name->Buffer, name->Length);
    return STATUS_SUCCESS;
}

static VOID FLTAPI NormalizeContextCleanup(PVOID *NormalizationContext)
{
    InterlockedIncrement64(&Results.Cleanups);
    CHECK(*NormalizationContext != NULL);
    ExFreePoolWithTag(*NormalizationContext, PROVIDER_TAG);
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreCreate(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                  PVOID *CompletionContext)
{
    PFILE_OBJECT file = FltObjects->FileObject;
    WCHAR buffer[128];
    UNICODE_STRING to;

    if (file->RelatedFileObject == NULL && IsBelow(&file->FileName, &Shown)
        && file->FileName.Length < sizeof(buffer)) {
        to.Buffer = buffer;
        to.Length = 0;
        to.MaximumLength = sizeof(buffer);
        RtlCopyUnicodeString(&to, &Real);
        RtlCopyMemory((PUCHAR)buffer + Real.Length, (PUCHAR)file->FileName.Buffer + Shown.Length,
                      (SIZE_T)(file->FileName.Length - Shown.Length));
        to.Length = (USHORT)(Real.Length + file->FileName.Length - Shown.Length);
        CHECK(IoReplaceFileObjectName(file, to.Buffer, to.Length) == STATUS_SUCCESS);
    }
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI PostCreate(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                    PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    // spec: NAME-02, NAME-14, NAME-52
    const FLT_FILE_NAME_OPTIONS own = FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_FILESYSTEM_ONLY;
    PFLT_FILE_NAME_INFORMATION name;
    LONG64 *calls = CallsOfThread();
    LONG64 before = calls != NULL ? *calls : 0;

    if (FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING) || Data->IoStatus.Status != STATUS_SUCCESS || Replace != 0) {
        return FLT_POSTOP_FINISHED_PROCESSING;
    }
    if (NT_SUCCESS(FltGetFileNameInformation(Data, own, &name))) {
        CHECK(calls == NULL || *calls == before);
        FltReleaseFileNameInformation(name);
    }
    if (NT_SUCCESS(FltGetFileNameInformation(Data, own | FLT_FILE_NAME_REQUEST_FROM_CURRENT_PROVIDER, &name))) {
        /* An instance that is being torn down is not asked any more. */
        CHECK(calls == NULL || *calls <= before + 1);
        if (calls != NULL && *calls == before + 1) {
            InterlockedIncrement64(&Results.Own);
        }
        FltReleaseFileNameInformation(name);
    }
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreSetInformation(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                          PVOID *CompletionContext)
{
    // spec: NAME-45
    CHECK(FltPurgeFileNameInformationCache(FltObjects->Instance, FltObjects->FileObject) == STATUS_SUCCESS);
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
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
    WriteValue(L"LastFailed", Results.LastFailed);
    CloseParameters(&Keys);
    return STATUS_SUCCESS;
}

static const FLT_OPERATION_REGISTRATION Operations[] = {
    {.MajorFunction = IRP_MJ_CREATE, .PreOperation = PreCreate, .PostOperation = PostCreate},
    {.MajorFunction = IRP_MJ_SET_INFORMATION, .PreOperation = PreSetInformation},
    {.MajorFunction = IRP_MJ_OPERATION_END},
};

static const FLT_REGISTRATION Registration = {
    .Size = sizeof(FLT_REGISTRATION),
    .Version = FLT_REGISTRATION_VERSION,
    .OperationRegistration = Operations,
    .FilterUnloadCallback = Unload,
    .InstanceQueryTeardownCallback = QueryTeardown,
    .GenerateFileNameCallback = GenerateFileName,
    .NormalizeContextCleanupCallback = NormalizeContextCleanup,
    .NormalizeNameComponentExCallback = NormalizeNameComponentEx,
};

static NTSTATUS ReadParameters(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status = OpenParameters(DriverObject, RegistryPath, KEY_READ | KEY_WRITE, &Keys);

    if (NT_SUCCESS(status)) {
        Results.Magic = RESULTS_MAGIC;
        WriteValue(L"Results", (LONG64)&Results);
        ReadUlongParameter(&Keys, L"Components", &Components);
        ReadUlongParameter(&Keys, L"NoCache", &NoCache);
        ReadUlongParameter(&Keys, L"Replace", &Replace);
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
    status = FltStartFiltering(Filter);
    if (!NT_SUCCESS(status)) {
        FltUnregisterFilter(Filter);
        CloseParameters(&Keys);
    }
    return status;
}
