/*
 * The checks of names: what each query method promises.
 */
#include "names.h"
#define FIRST_LINE 10000

static NTSTATUS Ask(PFLT_CALLBACK_DATA Data, FLT_FILE_NAME_OPTIONS Options, PFLT_FILE_NAME_INFORMATION *Name)
{
    *Name = NULL;
    return FltGetFileNameInformation(Data, Options, Name);
}

/* The status of a query whose result nobody needs. */
static NTSTATUS StatusOf(PFLT_CALLBACK_DATA Data, FLT_FILE_NAME_OPTIONS Options)
{
    PFLT_FILE_NAME_INFORMATION name;
    NTSTATUS status = Ask(Data, Options, &name);

    if (NT_SUCCESS(status)) {
        FltReleaseFileNameInformation(name);
    }
    return status;
}

static NTSTATUS UnsafeStatusOf(PFILE_OBJECT FileObject, PFLT_INSTANCE Instance, FLT_FILE_NAME_OPTIONS Options)
{
    PFLT_FILE_NAME_INFORMATION name = NULL;
    NTSTATUS status = FltGetFileNameInformationUnsafe(FileObject, Instance, Options, &name);

    if (NT_SUCCESS(status)) {
        FltReleaseFileNameInformation(name);
    }
    return status;
}

VOID CheckBeforeCreate(PFLT_CALLBACK_DATA Data)
{
    // spec: NAME-01, NAME-03, NAME-04, NAME-08
    PFLT_FILE_NAME_INFORMATION name = NULL;

    CHECK(FltGetFileNameInformation(NULL, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &name)
          == STATUS_INVALID_PARAMETER);
    CHECK(FltGetFileNameInformation(Data, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, NULL)
          == STATUS_INVALID_PARAMETER);
    CHECK(StatusOf(Data, FLT_FILE_NAME_QUERY_DEFAULT) == STATUS_INVALID_PARAMETER);
    CHECK(StatusOf(Data, FLT_FILE_NAME_OPENED) == STATUS_INVALID_PARAMETER);
    CHECK(StatusOf(Data, 0x04 | FLT_FILE_NAME_QUERY_DEFAULT) == STATUS_INVALID_PARAMETER);
    CHECK(StatusOf(Data, FLT_FILE_NAME_OPENED | 0x0500) == STATUS_INVALID_PARAMETER);
    CHECK(StatusOf(Data, FLT_FILE_NAME_SHORT | FLT_FILE_NAME_QUERY_DEFAULT) == STATUS_FLT_INVALID_NAME_REQUEST);
    CHECK(StatusOf(Data, FLT_FILE_NAME_SHORT | FLT_FILE_NAME_QUERY_CACHE_ONLY) == STATUS_FLT_INVALID_NAME_REQUEST);
    CHECK(UnsafeStatusOf(Data->Iopb->TargetFileObject, Data->Iopb->TargetInstance,
                         FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT)
          == STATUS_FLT_INVALID_NAME_REQUEST);
}

VOID CheckColdCache(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    // spec: NAME-09, NAME-10, NAME-11, NAME-12, NAME-13, NAME-35
    const FLT_FILE_NAME_OPTIONS n = FLT_FILE_NAME_NORMALIZED;

    CHECK(StatusOf(Data, n | FLT_FILE_NAME_QUERY_CACHE_ONLY) == STATUS_FLT_NAME_CACHE_MISS);
    CHECK(UnsafeStatusOf(FltObjects->FileObject, FltObjects->Instance, n | FLT_FILE_NAME_QUERY_CACHE_ONLY)
          == STATUS_FLT_NAME_CACHE_MISS);
    CHECK(StatusOf(Data, n | FLT_FILE_NAME_QUERY_DEFAULT | FLT_FILE_NAME_DO_NOT_CACHE) == STATUS_SUCCESS);
    CHECK(StatusOf(Data, n | FLT_FILE_NAME_QUERY_CACHE_ONLY) == STATUS_FLT_NAME_CACHE_MISS);
    CHECK(StatusOf(Data, n | FLT_FILE_NAME_QUERY_FILESYSTEM_ONLY) == STATUS_SUCCESS);
    CHECK(StatusOf(Data, n | FLT_FILE_NAME_QUERY_CACHE_ONLY) == STATUS_FLT_NAME_CACHE_MISS);
    IoSetTopLevelIrp((PIRP)(ULONG_PTR)FSRTL_FSP_TOP_LEVEL_IRP);
    CHECK(StatusOf(Data, n | FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP) == STATUS_FLT_NAME_CACHE_MISS);
    CHECK(StatusOf(Data, n | FLT_FILE_NAME_QUERY_DEFAULT) == STATUS_FLT_INVALID_NAME_REQUEST);
    IoSetTopLevelIrp(NULL);
    CHECK(StatusOf(Data, n | FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP) == STATUS_SUCCESS);
    CHECK(StatusOf(Data, n | FLT_FILE_NAME_QUERY_CACHE_ONLY) == STATUS_SUCCESS);
}

VOID CheckWarmCache(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    // spec: NAME-05, NAME-09, NAME-11, NAME-35, NAME-36, NAME-44, NAME-45
    const FLT_FILE_NAME_OPTIONS n = FLT_FILE_NAME_NORMALIZED;
    PFLT_FILE_NAME_INFORMATION first;
    PFLT_FILE_NAME_INFORMATION second;

    if (!NT_SUCCESS(Ask(Data, n | FLT_FILE_NAME_QUERY_DEFAULT, &first))) {
        CHECK(FALSE);
        return;
    }
    CHECK(first->Format == n && first->Size == sizeof(*first));
    IoSetTopLevelIrp((PIRP)(ULONG_PTR)FSRTL_FSP_TOP_LEVEL_IRP);
    CHECK(StatusOf(Data, n | FLT_FILE_NAME_QUERY_DEFAULT) == STATUS_FLT_INVALID_NAME_REQUEST);
    CHECK(StatusOf(Data, n | FLT_FILE_NAME_QUERY_FILESYSTEM_ONLY) == STATUS_FLT_INVALID_NAME_REQUEST);
    CHECK(StatusOf(Data, n | FLT_FILE_NAME_QUERY_CACHE_ONLY) == STATUS_SUCCESS);
    CHECK(Ask(Data, n | FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP, &second) == STATUS_SUCCESS);
    IoSetTopLevelIrp(NULL);
    if (second != NULL) {
        CHECK(RtlEqualUnicodeString(&first->Name, &second->Name, FALSE));
        FltReferenceFileNameInformation(second);
        FltReleaseFileNameInformation(second);
        FltReleaseFileNameInformation(second);
    }
    CHECK(FltGetFileNameInformationUnsafe(FltObjects->FileObject, FltObjects->Instance,
                                          n | FLT_FILE_NAME_QUERY_CACHE_ONLY, &second)
          == STATUS_SUCCESS);
    CHECK(RtlEqualUnicodeString(&first->Name, &second->Name, FALSE));
    FltReleaseFileNameInformation(second);
    CHECK(UnsafeStatusOf(FltObjects->FileObject, FltObjects->Instance, n | FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP)
          == STATUS_INVALID_PARAMETER);
    CHECK(FltGetFileNameInformationUnsafe(FltObjects->FileObject, FltObjects->Instance,
                                          n | FLT_FILE_NAME_QUERY_DEFAULT, NULL)
          == STATUS_INVALID_PARAMETER);
    /* This instance provides no names: there is nothing of it to forget. */
    CHECK(FltPurgeFileNameInformationCache(FltObjects->Instance, NULL) == STATUS_SUCCESS);
    CHECK(FltPurgeFileNameInformationCache(FltObjects->Instance, FltObjects->FileObject) == STATUS_SUCCESS);
    CHECK(first->Name.Length > first->Volume.Length);
    CheckParts(first);
    FltReleaseFileNameInformation(first);
}

VOID CheckShortName(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    // spec: NAME-27
    const FLT_FILE_NAME_OPTIONS s = FLT_FILE_NAME_SHORT;

    /* A name that is a short one already has none beside it, whoever asks and however. */
    CHECK(!NT_SUCCESS(StatusOf(Data, s | FLT_FILE_NAME_QUERY_DEFAULT)));
    CHECK(!NT_SUCCESS(StatusOf(Data, s | FLT_FILE_NAME_QUERY_FILESYSTEM_ONLY)));
    CHECK(StatusOf(Data, s | FLT_FILE_NAME_QUERY_CACHE_ONLY) == STATUS_FLT_NAME_CACHE_MISS);
    CHECK(!NT_SUCCESS(UnsafeStatusOf(FltObjects->FileObject, FltObjects->Instance, s | FLT_FILE_NAME_QUERY_DEFAULT)));
}

VOID AskShortName(PFLT_CALLBACK_DATA Data)
{
    // spec: NAME-27
    PFLT_FILE_NAME_INFORMATION name;
    NTSTATUS status = Ask(Data, FLT_FILE_NAME_SHORT | FLT_FILE_NAME_QUERY_DEFAULT, &name);

    Record(Data, PHASE_POST, KIND_SHORT, status, NT_SUCCESS(status) ? &name->Name : NULL);
    if (NT_SUCCESS(status)) {
        CHECK(name->Format == FLT_FILE_NAME_SHORT && name->Volume.Length == 0);
        CHECK(FltParseFileNameInformation(name) == STATUS_SUCCESS);
        CHECK(name->Volume.Length == 0 && name->Share.Length == 0 && name->Stream.Length == 0);
        CHECK(name->ParentDir.Length == 0);
        CHECK(RtlEqualUnicodeString(&name->FinalComponent, &name->Name, FALSE));
        FltReleaseFileNameInformation(name);
    }
}

VOID CheckOpenedNameIsNotTunneled(PFLT_CALLBACK_DATA Data)
{
    // spec: NAME-48
    PFLT_FILE_NAME_INFORMATION name;
    PFLT_FILE_NAME_INFORMATION tunneled;

    if (NT_SUCCESS(Ask(Data, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &name))) {
        tunneled = name;
        CHECK(FltGetTunneledName(Data, name, &tunneled) == STATUS_SUCCESS && tunneled == NULL);
        FltReleaseFileNameInformation(name);
    }
}

VOID AskWhereItCanDeadlock(PCFLT_RELATED_OBJECTS FltObjects)
{
    // spec: NAME-37, NAME-38
    CHECK(UnsafeStatusOf(FltObjects->FileObject, NULL, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT)
          == STATUS_SUCCESS);
    IoSetTopLevelIrp((PIRP)(ULONG_PTR)FSRTL_FSP_TOP_LEVEL_IRP);
    CHECK(UnsafeStatusOf(FltObjects->FileObject, FltObjects->Instance,
                         FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_FILESYSTEM_ONLY)
          == STATUS_SUCCESS);
    IoSetTopLevelIrp(NULL);
}

VOID CheckWithoutInstance(VOID)
{
    // spec: NAME-38
    UNICODE_STRING path = RTL_CONSTANT_STRING(L"\\??\\C:\\");
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK io;
    HANDLE handle;
    PFILE_OBJECT file;
    PFLT_FILE_NAME_INFORMATION name;

    InitializeObjectAttributes(&attributes, &path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    if (!NT_SUCCESS(ZwCreateFile(&handle, FILE_READ_ATTRIBUTES | SYNCHRONIZE, &attributes, &io, NULL, 0,
                                 FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, FILE_OPEN,
                                 FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0))) {
        CHECK(FALSE);
        return;
    }
    if (NT_SUCCESS(ObReferenceObjectByHandle(handle, 0, *IoFileObjectType, KernelMode, (PVOID *)&file, NULL))) {
        CHECK(FltGetFileNameInformationUnsafe(file, NULL, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &name)
              == STATUS_SUCCESS);
        CHECK(name->Name.Length == name->Volume.Length + sizeof(WCHAR));
        FltReleaseFileNameInformation(name);
        ObDereferenceObject(file);
    }
    ZwClose(handle);
}

VOID CheckAfterReparse(PFLT_CALLBACK_DATA Data)
{
    // spec: NAME-15, NAME-16
    const FLT_FILE_NAME_OPTIONS o = FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT;
    PFLT_FILE_NAME_INFORMATION name;
    NTSTATUS status;

    CHECK(StatusOf(Data, o) == STATUS_FLT_INVALID_NAME_REQUEST);
    CHECK(StatusOf(Data, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_CACHE_ONLY) == STATUS_FLT_INVALID_NAME_REQUEST);
    if (Data->IoStatus.Information != IO_REMOUNT && Data->IoStatus.Information != IO_REPARSE
        && !NameContains(Data->Iopb->TargetFileObject, L"mounted")) {
        /* Where a link leads is another name. */
        return;
    }
    status = Ask(Data, o | FLT_FILE_NAME_ALLOW_QUERY_ON_REPARSE, &name);
    Record(Data, PHASE_POST, KIND_OPENED, status, NT_SUCCESS(status) ? &name->Name : NULL);
    if (NT_SUCCESS(status)) {
        FltReleaseFileNameInformation(name);
    }
}

VOID WriteToName(PFLT_CALLBACK_DATA Data)
{
    // spec: NAME-22
    PFLT_FILE_NAME_INFORMATION name;

    if (NT_SUCCESS(Ask(Data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, &name))) {
        name->Name.Buffer[name->Name.Length / sizeof(WCHAR) - 1] = L'X';
        FltReleaseFileNameInformation(name);
    }
}

VOID CheckMountedDestination(PCFLT_RELATED_OBJECTS FltObjects)
{
    // spec: NAME-40
    UNICODE_STRING there = RTL_CONSTANT_STRING(L"\\??\\C:\\mounted\\x");
    UNICODE_STRING here = RTL_CONSTANT_STRING(L"\\??\\C:\\x");
    const FLT_FILE_NAME_OPTIONS n = FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT;
    PFLT_FILE_NAME_INFORMATION name;

    CHECK(FltGetDestinationFileNameInformation(FltObjects->Instance, FltObjects->FileObject, NULL, there.Buffer,
                                               there.Length, n, &name)
          == STATUS_MOUNT_POINT_NOT_RESOLVED);
    CHECK(FltGetDestinationFileNameInformation(FltObjects->Instance, FltObjects->FileObject, NULL, here.Buffer, here.Length,
                                               n, &name)
          == STATUS_SUCCESS);
    FltReleaseFileNameInformation(name);
}

/* Whether a create goes on on the second volume. */
static BOOLEAN GoesElsewhere(PFLT_CALLBACK_DATA Data)
{
    static const WCHAR elsewhere[] = L"\\Device\\HarddiskVolume2\\";
    PFILE_OBJECT file = Data->Iopb->TargetFileObject;

    if (Below != BELOW_MOUNT || Data->Iopb->MajorFunction != IRP_MJ_CREATE || !NameContains(file, L"\\mounted")) {
        return FALSE;
    }
    CHECK(IoReplaceFileObjectName(file, (PWSTR)elsewhere, sizeof(elsewhere) - sizeof(WCHAR)) == STATUS_SUCCESS);
    Data->IoStatus.Status = STATUS_REPARSE;
    Data->IoStatus.Information = IO_REPARSE;
    return TRUE;
}

BOOLEAN StartsAgain(PFLT_CALLBACK_DATA Data)
{
    static LONG seen;
    PFILE_OBJECT file = Data->Iopb->TargetFileObject;

    if (GoesElsewhere(Data)) {
        return TRUE;
    }
    if (Below != BELOW_REPARSE || Data->Iopb->MajorFunction != IRP_MJ_CREATE
        || (!NameContains(file, L"again") && !NameContains(file, L"mounted"))
        || InterlockedExchange(&seen, 1) != 0) {
        return FALSE;
    }
    Data->IoStatus.Status = STATUS_REPARSE;
    Data->IoStatus.Information = NameContains(file, L"again") ? IO_REMOUNT : IO_REPARSE_TAG_MOUNT_POINT;
    return TRUE;
}

FLT_PREOP_CALLBACK_STATUS FLTAPI BeforeQuery(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                             PVOID *CompletionContext)
{
    FILE_INFORMATION_CLASS class = Data->Iopb->Parameters.QueryFileInformation.FileInformationClass;

    if (Below == BELOW_NO_NORMALIZED && class == FileNormalizedNameInformation) {
        Data->IoStatus.Status = STATUS_INVALID_PARAMETER;
        Data->IoStatus.Information = 0;
        return FLT_PREOP_COMPLETE;
    }
    if (Below == BELOW_PARTIAL && (class == FileNormalizedNameInformation || class == FileNameInformation)) {
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
    }
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

FLT_POSTOP_CALLBACK_STATUS FLTAPI AfterQuery(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                             PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    PFILE_NAME_INFORMATION name = Data->Iopb->Parameters.QueryFileInformation.InfoBuffer;
    ULONG units, first;

    if (!FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING) && NT_SUCCESS(Data->IoStatus.Status)) {
        units = name->FileNameLength / sizeof(WCHAR);
        for (first = units; first != 0 && name->FileName[first - 1] != L'\\'; first--) {
        }
        if (units - first == 6 && RtlCompareMemory(&name->FileName[first], L"hidden", 12) == 12) {
            RtlMoveMemory(name->FileName, &name->FileName[first], 12);
            name->FileNameLength = 12;
            Data->IoStatus.Information = FIELD_OFFSET(FILE_NAME_INFORMATION, FileName) + 12;
        }
    }
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static BOOLEAN Inside(PCUNICODE_STRING Part, PCUNICODE_STRING Whole)
{
    return Part->Length == 0
           || ((PUCHAR)Part->Buffer >= (PUCHAR)Whole->Buffer
               && (PUCHAR)Part->Buffer + Part->Length <= (PUCHAR)Whole->Buffer + Whole->Length);
}

VOID CheckParts(PFLT_FILE_NAME_INFORMATION Name)
{
    // spec: NAME-23, NAME-24, NAME-31, NAME-32, NAME-33, NAME-34
    FLT_FILE_NAME_INFORMATION before;
    UNICODE_STRING extension, stream, last;

    CHECK(FltParseFileNameInformation(Name) == STATUS_SUCCESS);
    CHECK(Name->NamesParsed
          == (FLTFL_FILE_NAME_PARSED_FINAL_COMPONENT | FLTFL_FILE_NAME_PARSED_EXTENSION | FLTFL_FILE_NAME_PARSED_STREAM
              | FLTFL_FILE_NAME_PARSED_PARENT_DIR));
    before = *Name;
    CHECK(FltParseFileNameInformation(Name) == STATUS_SUCCESS);
    CHECK(RtlCompareMemory(&before, Name, sizeof(before)) == sizeof(before));
    CHECK(Inside(&Name->Volume, &Name->Name) && Inside(&Name->ParentDir, &Name->Name));
    CHECK(Inside(&Name->FinalComponent, &Name->Name) && Inside(&Name->Extension, &Name->FinalComponent));
    CHECK(Inside(&Name->Stream, &Name->FinalComponent));
    CHECK(Name->Name.Length
          == Name->Volume.Length + Name->Share.Length + Name->ParentDir.Length + Name->FinalComponent.Length);
    CHECK(FltParseFileName(&Name->Name, &extension, &stream, &last) == STATUS_SUCCESS);
    CHECK(extension.Length == Name->Extension.Length && stream.Length == Name->Stream.Length);
    CHECK(last.Length == Name->FinalComponent.Length && last.Buffer == Name->FinalComponent.Buffer);
}

static LONG64 Time(PFLT_CALLBACK_DATA Data, FLT_FILE_NAME_OPTIONS Options)
{
    LONG64 start = KeQueryPerformanceCounter(NULL).QuadPart;
    PFLT_FILE_NAME_INFORMATION name;
    ULONG i;

    for (i = 0; i < Loop; i++) {
        if (NT_SUCCESS(FltGetFileNameInformation(Data, Options, &name))) {
            FltReleaseFileNameInformation(name);
        }
    }
    return KeQueryPerformanceCounter(NULL).QuadPart - start;
}

VOID MeasureQueries(PFLT_CALLBACK_DATA Data)
{
    LARGE_INTEGER frequency;

    KeQueryPerformanceCounter(&frequency);
    Results.Loop = Loop;
    Results.Frequency = frequency.QuadPart;
    Results.CachedTicks = Time(Data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT);
    Results.UncachedTicks = Time(Data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_FILESYSTEM_ONLY);
}
