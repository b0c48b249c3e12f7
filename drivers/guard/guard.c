/*
 * guard: refuses to open, create or rename to files whose final name component matches a pattern.
 *
 * The pattern is the REG_SZ value Pattern (Parameters or the service key), `*.blocked` without one; wildcards
 * as in FsRtlIsNameInExpression, case ignored.
 */
#include "../parameters/parameters.h"

#define GUARD_TAG 'draG'

PFLT_FILTER GuardFilter;
UNICODE_STRING GuardPattern;
LONG64 GuardDenied;

DRIVER_INITIALIZE DriverEntry;

#define INIT_CODE __declspec(code_seg("INIT"))
#define PAGED __declspec(code_seg("PAGE"))

/* Whether the parsed name matches. An exception of the name routine (no memory) means no. */
static BOOLEAN IsGuarded(PUNICODE_STRING FinalComponent)
{
    BOOLEAN matches = FALSE;

    if (FinalComponent->Length == 0) {
        return FALSE;
    }
    __try {
        matches = FsRtlIsNameInExpression(&GuardPattern, FinalComponent, TRUE, NULL);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        DbgPrint("guard: exception %08x while matching %wZ\n", GetExceptionCode(), FinalComponent);
    }
    return matches;
}

static FLT_PREOP_CALLBACK_STATUS Deny(PFLT_CALLBACK_DATA Data, PUNICODE_STRING Name)
{
    InterlockedIncrement64(&GuardDenied);
    DbgPrint("guard: denied %wZ\n", Name);
    Data->IoStatus.Status = STATUS_ACCESS_DENIED;
    Data->IoStatus.Information = 0;
    return FLT_PREOP_COMPLETE;
}

PAGED static FLT_PREOP_CALLBACK_STATUS FLTAPI PreCreate(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                        PVOID *CompletionContext)
{
    PFLT_FILE_NAME_INFORMATION name;
    FLT_PREOP_CALLBACK_STATUS answer = FLT_PREOP_SUCCESS_NO_CALLBACK;
    NTSTATUS status;

    PAGED_CODE();
    if (FlagOn(Data->Iopb->OperationFlags, SL_OPEN_PAGING_FILE)
        || FlagOn(FltObjects->FileObject->Flags, FO_VOLUME_OPEN)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    status = FltGetFileNameInformation(Data, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &name);
    if (!NT_SUCCESS(status)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    status = FltParseFileNameInformation(name);
    if (NT_SUCCESS(status) && IsGuarded(&name->FinalComponent)) {
        answer = Deny(Data, &name->Name);
    }
    FltReleaseFileNameInformation(name);
    return answer;
}

static BOOLEAN IsRename(FILE_INFORMATION_CLASS Class)
{
    return Class == FileRenameInformation || Class == FileRenameInformationEx || Class == FileLinkInformation;
}

PAGED static FLT_PREOP_CALLBACK_STATUS FLTAPI PreSetInformation(PFLT_CALLBACK_DATA Data,
                                                                PCFLT_RELATED_OBJECTS FltObjects,
                                                                PVOID *CompletionContext)
{
    PFILE_RENAME_INFORMATION rename;
    PFLT_FILE_NAME_INFORMATION name;
    FLT_PREOP_CALLBACK_STATUS answer = FLT_PREOP_SUCCESS_NO_CALLBACK;
    NTSTATUS status;

    PAGED_CODE();
    if (!IsRename(Data->Iopb->Parameters.SetFileInformation.FileInformationClass)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    /* Link information has the same layout. */
    rename = Data->Iopb->Parameters.SetFileInformation.InfoBuffer;
    status = FltGetDestinationFileNameInformation(FltObjects->Instance, FltObjects->FileObject,
                                                  rename->RootDirectory, rename->FileName,
                                                  rename->FileNameLength,
                                                  FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &name);
    if (!NT_SUCCESS(status)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    status = FltParseFileNameInformation(name);
    if (NT_SUCCESS(status) && IsGuarded(&name->FinalComponent)) {
        answer = Deny(Data, &name->Name);
    }
    FltReleaseFileNameInformation(name);
    return answer;
}

PAGED static NTSTATUS FLTAPI InstanceSetup(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_SETUP_FLAGS Flags,
                                           DEVICE_TYPE VolumeDeviceType, FLT_FILESYSTEM_TYPE VolumeFilesystemType)
{
    PAGED_CODE();
    return VolumeDeviceType == FILE_DEVICE_DISK_FILE_SYSTEM ? STATUS_SUCCESS : STATUS_FLT_DO_NOT_ATTACH;
}

PAGED static NTSTATUS FLTAPI InstanceQueryTeardown(PCFLT_RELATED_OBJECTS FltObjects,
                                                   FLT_INSTANCE_QUERY_TEARDOWN_FLAGS Flags)
{
    PAGED_CODE();
    return STATUS_SUCCESS;
}

PAGED static NTSTATUS FLTAPI Unload(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    PAGED_CODE();
    FltUnregisterFilter(GuardFilter);
    ExFreePoolWithTag(GuardPattern.Buffer, GUARD_TAG);
    return STATUS_SUCCESS;
}

static const FLT_OPERATION_REGISTRATION Operations[] = {
    {IRP_MJ_CREATE, 0, PreCreate, NULL, NULL},
    {IRP_MJ_SET_INFORMATION, 0, PreSetInformation, NULL, NULL},
    {IRP_MJ_OPERATION_END, 0, NULL, NULL, NULL},
};

static const FLT_REGISTRATION Registration = {
    .Size = sizeof(FLT_REGISTRATION),
    .Version = FLT_REGISTRATION_VERSION,
    .OperationRegistration = Operations,
    .FilterUnloadCallback = Unload,
    .InstanceSetupCallback = InstanceSetup,
    .InstanceQueryTeardownCallback = InstanceQueryTeardown,
};

/* FsRtlIsNameInExpression wants its expression in upper case when it ignores case. */
INIT_CODE static NTSTATUS SetPattern(PUNICODE_STRING Pattern)
{
    GuardPattern.Buffer = ExAllocatePoolZero(NonPagedPoolNx, Pattern->Length + sizeof(WCHAR), GUARD_TAG);
    if (GuardPattern.Buffer == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    GuardPattern.MaximumLength = (USHORT)(Pattern->Length + sizeof(WCHAR));
    return RtlUpcaseUnicodeString(&GuardPattern, Pattern, FALSE);
}

INIT_CODE static NTSTATUS LoadPattern(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PARAMETER_KEYS keys;
    UNICODE_STRING pattern;
    NTSTATUS status = OpenParameters(DriverObject, RegistryPath, KEY_READ, &keys);

    if (NT_SUCCESS(status)) {
        status = ReadStringParameter(&keys, L"Pattern", &pattern);
        CloseParameters(&keys);
    }
    if (NT_SUCCESS(status)) {
        status = SetPattern(&pattern);
        ExFreePool(pattern.Buffer);
        return status;
    }
    RtlInitUnicodeString(&pattern, L"*.blocked");
    return SetPattern(&pattern);
}

INIT_CODE NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status = LoadPattern(DriverObject, RegistryPath);

    if (NT_SUCCESS(status)) {
        status = FltRegisterFilter(DriverObject, &Registration, &GuardFilter);
    }
    if (NT_SUCCESS(status)) {
        status = FltStartFiltering(GuardFilter);
        if (!NT_SUCCESS(status)) {
            FltUnregisterFilter(GuardFilter);
        }
    }
    if (!NT_SUCCESS(status)) {
        if (GuardPattern.Buffer != NULL) {
            ExFreePoolWithTag(GuardPattern.Buffer, GUARD_TAG);
        }
        return status;
    }
    DbgPrint("guard: denies %wZ\n", &GuardPattern);
    return STATUS_SUCCESS;
}
