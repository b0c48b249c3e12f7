/*
 * deadlock: makes one of the classic mistakes with locks, so that `altimeter explore` can find it.
 *
 * The registry value Mistake chooses: its number from 1 (REG_DWORD; none, or 0: the first) or its name (REG_SZ), as in the
 * table at the end of mistakes.c. Each has its locks to itself, and each would pass a test of one thread.
 */
#include "deadlock.h"
#include "../parameters/parameters.h"

#define LOG_NAME L"\\deadlock.log"

PFLT_FILTER Filter;
PFILE_OBJECT LogFile;
PFLT_INSTANCE LogInstance;
static HANDLE LogHandle;
static LONG LogOpening;
static const MISTAKE *Chosen = &Mistakes[0];

DRIVER_INITIALIZE DriverEntry;

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreWrite(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                 PVOID *CompletionContext)
{
    return Chosen->Write != NULL ? Chosen->Write(Data, FltObjects) : FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreReleaseForModWrite(PFLT_CALLBACK_DATA Data,
                                                              PCFLT_RELATED_OBJECTS FltObjects,
                                                              PVOID *CompletionContext)
{
    return Chosen->ReleaseForModWrite != NULL ? Chosen->ReleaseForModWrite(Data, FltObjects)
                                              : FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI PostCreate(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                    PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    static const WCHAR suffix[] = LOG_NAME;
    WCHAR buffer[128];
    UNICODE_STRING name = {0, sizeof(buffer), buffer};
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK iosb;
    HANDLE handle;
    PFILE_OBJECT file;
    ULONG length;

    if (FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING) || !NT_SUCCESS(Data->IoStatus.Status)
        || InterlockedCompareExchange(&LogOpening, 1, 0) != 0) {
        return FLT_POSTOP_FINISHED_PROCESSING;
    }
    if (!NT_SUCCESS(FltGetVolumeName(FltObjects->Volume, &name, &length))
        || !NT_SUCCESS(RtlAppendUnicodeToString(&name, suffix))) {
        return FLT_POSTOP_FINISHED_PROCESSING;
    }
    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    /* From the top: the log's own paging writes come here, too. */
    if (NT_SUCCESS(ZwCreateFile(&handle, FILE_GENERIC_WRITE, &attributes, &iosb, NULL, FILE_ATTRIBUTE_NORMAL,
                                FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, FILE_OVERWRITE_IF,
                                FILE_SYNCHRONOUS_IO_NONALERT | FILE_NON_DIRECTORY_FILE, NULL, 0))) {
        if (NT_SUCCESS(ObReferenceObjectByHandle(handle, 0, *IoFileObjectType, KernelMode, (PVOID *)&file, NULL))) {
            LogHandle = handle;
            LogInstance = FltObjects->Instance;
            InterlockedExchangePointer((PVOID volatile *)&LogFile, file);
        } else {
            ZwClose(handle);
        }
    }
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static VOID FLTAPI InstanceTeardownStart(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_TEARDOWN_FLAGS Reason)
{
    PFILE_OBJECT file;

    if (FltObjects->Instance != LogInstance) {
        return;
    }
    StopWork();
    file = InterlockedExchangePointer((PVOID volatile *)&LogFile, NULL);
    if (file != NULL) {
        ObDereferenceObject(file);
        ZwClose(LogHandle);
    }
}

static NTSTATUS FLTAPI Unload(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    StopWork();
    FltUnregisterFilter(Filter);
    EndMistakes();
    return STATUS_SUCCESS;
}

static const FLT_OPERATION_REGISTRATION Operations[] = {
    {.MajorFunction = IRP_MJ_CREATE, .PostOperation = PostCreate},
    {.MajorFunction = IRP_MJ_WRITE, .PreOperation = PreWrite},
    {.MajorFunction = IRP_MJ_RELEASE_FOR_MOD_WRITE, .PreOperation = PreReleaseForModWrite},
    {.MajorFunction = IRP_MJ_OPERATION_END},
};

static const FLT_REGISTRATION Registration = {
    .Size = sizeof(FLT_REGISTRATION),
    .Version = FLT_REGISTRATION_VERSION,
    .OperationRegistration = Operations,
    .FilterUnloadCallback = Unload,
    .InstanceTeardownStartCallback = InstanceTeardownStart,
};

static VOID Choose(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PARAMETER_KEYS keys;
    UNICODE_STRING name, known;
    ULONG number = 0;
    ULONG i;

    if (!NT_SUCCESS(OpenParameters(DriverObject, RegistryPath, KEY_READ, &keys))) {
        return;
    }
    if (NT_SUCCESS(ReadUlongParameter(&keys, L"Mistake", &number))) {
        Chosen = number >= 1 && number <= MISTAKES ? &Mistakes[number - 1] : &Mistakes[0];
    } else if (NT_SUCCESS(ReadStringParameter(&keys, L"Mistake", &name))) {
        for (i = 0; i < MISTAKES; i++) {
            RtlInitUnicodeString(&known, Mistakes[i].Name);
            if (RtlEqualUnicodeString(&known, &name, TRUE)) {
                Chosen = &Mistakes[i];
            }
        }
        ExFreePool(name.Buffer);
    }
    CloseParameters(&keys);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status;

    Choose(DriverObject, RegistryPath);
    InitializeMistakes();
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
