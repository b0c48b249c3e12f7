/*
 * swapall: puts a buffer of its own in place of the caller's for every read, write and directory query, and copies
 * between the two. Nobody above or below can tell, so any difference that a test finds is a mistake.
 *
 *   write  pre: own buffer filled from the caller's, passed down       post: own buffer freed
 *   read   pre: own buffer passed down      post: caller's buffer filled from it, at once or when it is safe
 *
 * An IRP gets an MDL for the new buffer as well, which the filter manager frees; fast I/O has no MDLs. A noncached
 * transfer is rounded up to the sector of the volume, which the volume context holds.
 */
#include "../parameters/parameters.h"

#define CONTEXT_TAG 'xCwS'
#define BUFFER_TAG 'fBwS'
#define TRANSFER_TAG 'rTwS'
#define SMALLEST_SECTOR 0x200

typedef struct _VOLUME {
    ULONG SectorSize;
} VOLUME, *PVOLUME;

/* What a pre callback hands to its post callback. */
typedef struct _TRANSFER {
    PVOID Buffer;
} TRANSFER, *PTRANSFER;

static PFLT_FILTER Filter;
static NPAGED_LOOKASIDE_LIST Transfers;

/* Buffers swapped, and how their data came back: for a debugger or a test. */
LONG64 SwapAllSwapped;
LONG64 SwapAllPosted;
LONG64 SwapAllLocked;

DRIVER_INITIALIZE DriverEntry;

#define INIT_CODE __declspec(code_seg("INIT"))
#define PAGED __declspec(code_seg("PAGE"))

/* The members of an operation's parameters that describe its buffer, whichever operation it is. */
typedef struct _PLACES {
    PMDL *Mdl;
    PVOID *Buffer;
    PULONG Length;
} PLACES;

static BOOLEAN FindPlaces(PFLT_CALLBACK_DATA Data, PLACES *Places)
{
    LOCK_OPERATION access;
    NTSTATUS status = FltDecodeParameters(Data, &Places->Mdl, &Places->Buffer, &Places->Length, &access);

    return NT_SUCCESS(status) && Places->Mdl != NULL && Places->Length != NULL && *Places->Length != 0;
}

/* Directory notifications pend for ever, and MDL requests have no buffer. */
static BOOLEAN HasData(PFLT_CALLBACK_DATA Data)
{
    if (Data->Iopb->MajorFunction == IRP_MJ_DIRECTORY_CONTROL) {
        return Data->Iopb->MinorFunction == IRP_MN_QUERY_DIRECTORY;
    }
    return !FlagOn(Data->Iopb->MinorFunction, IRP_MN_MDL);
}

static VOID FreeBuffer(PCFLT_RELATED_OBJECTS FltObjects, PVOID Buffer)
{
    FltFreePoolAlignedWithTag(FltObjects->Instance, Buffer, BUFFER_TAG);
}

static VOID FreeTransfer(PCFLT_RELATED_OBJECTS FltObjects, PTRANSFER Transfer)
{
    FreeBuffer(FltObjects, Transfer->Buffer);
    ExFreeToNPagedLookasideList(&Transfers, Transfer);
}

/* Copies to or from a buffer that may be a program's. */
static NTSTATUS CopyGuarded(PVOID To, PVOID From, SIZE_T Bytes)
{
    __try {
        RtlCopyMemory(To, From, Bytes);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        return GetExceptionCode();
    }
    return STATUS_SUCCESS;
}

static PVOID Map(PMDL Mdl)
{
    return MmGetSystemAddressForMdlSafe(Mdl, NormalPagePriority | MdlMappingNoExecute);
}

/* Bytes that the file system may touch. */
static NTSTATUS RoundedLength(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects, ULONG Length, PULONG Rounded)
{
    PVOLUME volume;
    NTSTATUS status;

    *Rounded = Length;
    if (!FLT_IS_IRP_OPERATION(Data) || !FlagOn(Data->Iopb->IrpFlags, IRP_NOCACHE)) {
        return STATUS_SUCCESS;
    }
    status = FltGetVolumeContext(FltObjects->Filter, FltObjects->Volume, (PFLT_CONTEXT *)&volume);
    if (NT_SUCCESS(status)) {
        *Rounded = (Length + volume->SectorSize - 1) / volume->SectorSize * volume->SectorSize;
        FltReleaseContext(volume);
    }
    return status;
}

/* Fills the new buffer of a write. */
static NTSTATUS TakeData(PFLT_CALLBACK_DATA Data, PLACES *Places, PVOID Buffer)
{
    PVOID from = *Places->Buffer;

    UNREFERENCED_PARAMETER(Data);
    if (*Places->Mdl != NULL) {
        from = Map(*Places->Mdl);
        if (from == NULL) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
    }
    return CopyGuarded(Buffer, from, *Places->Length);
}

/* Passes the operation on as it is when something is short: nobody depends on the swap. */
static FLT_PREOP_CALLBACK_STATUS Swap(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                      PVOID *CompletionContext)
{
    PLACES places;
    ULONG bytes;
    PVOID buffer;
    PMDL mdl = NULL;
    PTRANSFER transfer;

    if (!HasData(Data) || !FindPlaces(Data, &places)
        || !NT_SUCCESS(RoundedLength(Data, FltObjects, *places.Length, &bytes))) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    buffer = FltAllocatePoolAlignedWithTag(FltObjects->Instance, NonPagedPoolNx, bytes, BUFFER_TAG);
    if (buffer == NULL) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    if (FLT_IS_IRP_OPERATION(Data)) {
        mdl = IoAllocateMdl(buffer, bytes, FALSE, FALSE, NULL);
        if (mdl == NULL) {
            FreeBuffer(FltObjects, buffer);
            return FLT_PREOP_SUCCESS_NO_CALLBACK;
        }
        MmBuildMdlForNonPagedPool(mdl);
    }
    transfer = ExAllocateFromNPagedLookasideList(&Transfers);
    if (transfer == NULL) {
        goto Fail;
    }
    if (Data->Iopb->MajorFunction == IRP_MJ_WRITE) {
        NTSTATUS status = TakeData(Data, &places, buffer);
        if (!NT_SUCCESS(status)) {
            ExFreeToNPagedLookasideList(&Transfers, transfer);
            if (mdl != NULL) {
                IoFreeMdl(mdl);
            }
            FreeBuffer(FltObjects, buffer);
            Data->IoStatus.Status = status;
            Data->IoStatus.Information = 0;
            return FLT_PREOP_COMPLETE;
        }
    }
    transfer->Buffer = buffer;
    *places.Buffer = buffer;
    *places.Mdl = mdl;
    FltSetCallbackDataDirty(Data);
    InterlockedIncrement64(&SwapAllSwapped);
    *CompletionContext = transfer;
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;

Fail:
    if (mdl != NULL) {
        IoFreeMdl(mdl);
    }
    FreeBuffer(FltObjects, buffer);
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreSwap(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                PVOID *CompletionContext)
{
    return Swap(Data, FltObjects, CompletionContext);
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI PostWrite(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                   PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    FLT_ASSERT(!FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING));
    FreeTransfer(FltObjects, CompletionContext);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static VOID FailRead(PFLT_CALLBACK_DATA Data, NTSTATUS Status)
{
    Data->IoStatus.Status = Status;
    Data->IoStatus.Information = 0;
}

/* Where the file system left the data: in our buffer, unless it made a system buffer of its own. */
static PVOID Source(PFLT_CALLBACK_DATA Data, PTRANSFER Transfer)
{
    if (FlagOn(Data->Flags, FLTFL_CALLBACK_DATA_NEW_SYSTEM_BUFFER)) {
        return FltGetNewSystemBufferAddress(Data);
    }
    return Transfer->Buffer;
}

/* At <= APC_LEVEL: the caller's buffer may be a program's memory. */
static FLT_POSTOP_CALLBACK_STATUS FLTAPI PostReadWhenSafe(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                          PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    PLACES places;
    PVOID to = NULL;
    NTSTATUS status = FltLockUserBuffer(Data);

    InterlockedIncrement64(&SwapAllLocked);
    if (NT_SUCCESS(status) && FindPlaces(Data, &places) && *places.Mdl != NULL) {
        to = Map(*places.Mdl);
        status = to == NULL ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
    }
    if (to != NULL) {
        RtlCopyMemory(to, Source(Data, CompletionContext), Data->IoStatus.Information);
    } else {
        FailRead(Data, status);
    }
    FreeTransfer(FltObjects, CompletionContext);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI PostRead(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                  PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    PTRANSFER transfer = CompletionContext;
    FLT_POSTOP_CALLBACK_STATUS answer = FLT_POSTOP_FINISHED_PROCESSING;
    PLACES places;
    PVOID to = NULL;

    FLT_ASSERT(!FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING));
    /* A full directory buffer is a warning, and has data. */
    if (NT_ERROR(Data->IoStatus.Status) || Data->IoStatus.Information == 0 || !FindPlaces(Data, &places)) {
        FreeTransfer(FltObjects, transfer);
        return answer;
    }
    if (*places.Mdl != NULL) {
        to = Map(*places.Mdl);
        if (to == NULL) {
            FailRead(Data, STATUS_INSUFFICIENT_RESOURCES);
        }
    } else if (FlagOn(Data->Flags, FLTFL_CALLBACK_DATA_SYSTEM_BUFFER | FLTFL_CALLBACK_DATA_FAST_IO_OPERATION)) {
        to = *places.Buffer;
    } else {
        if (FltDoCompletionProcessingWhenSafe(Data, FltObjects, CompletionContext, Flags, PostReadWhenSafe, &answer)) {
            InterlockedIncrement64(&SwapAllPosted);
            return answer;
        }
        FailRead(Data, STATUS_UNSUCCESSFUL);
    }
    if (to != NULL) {
        NTSTATUS status = CopyGuarded(to, Source(Data, transfer), Data->IoStatus.Information);
        if (!NT_SUCCESS(status)) {
            FailRead(Data, status);
        }
    }
    FreeTransfer(FltObjects, transfer);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

PAGED static NTSTATUS FLTAPI InstanceSetup(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_SETUP_FLAGS Flags,
                                           DEVICE_TYPE VolumeDeviceType, FLT_FILESYSTEM_TYPE VolumeFilesystemType)
{
    FLT_VOLUME_PROPERTIES properties;
    ULONG length;
    PVOLUME volume;
    NTSTATUS status;

    PAGED_CODE();
    /* The names behind the structure do not interest here. */
    status = FltGetVolumeProperties(FltObjects->Volume, &properties, sizeof(properties), &length);
    if (!NT_SUCCESS(status) && status != STATUS_BUFFER_OVERFLOW) {
        return STATUS_FLT_DO_NOT_ATTACH;
    }
    status = FltAllocateContext(FltObjects->Filter, FLT_VOLUME_CONTEXT, sizeof(*volume), NonPagedPoolNx,
                                (PFLT_CONTEXT *)&volume);
    if (!NT_SUCCESS(status)) {
        return STATUS_FLT_DO_NOT_ATTACH;
    }
    volume->SectorSize = max(properties.SectorSize, SMALLEST_SECTOR);
    status = FltSetVolumeContext(FltObjects->Volume, FLT_SET_CONTEXT_KEEP_IF_EXISTS, volume, NULL);
    FltReleaseContext(volume);
    if (!NT_SUCCESS(status) && status != STATUS_FLT_CONTEXT_ALREADY_DEFINED) {
        return STATUS_FLT_DO_NOT_ATTACH;
    }
    return STATUS_SUCCESS;
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
    FltUnregisterFilter(Filter);
    ExDeleteNPagedLookasideList(&Transfers);
    return STATUS_SUCCESS;
}

static const FLT_OPERATION_REGISTRATION Operations[] = {
    {IRP_MJ_READ, 0, PreSwap, PostRead, NULL},
    {IRP_MJ_WRITE, 0, PreSwap, PostWrite, NULL},
    {IRP_MJ_DIRECTORY_CONTROL, 0, PreSwap, PostRead, NULL},
    {IRP_MJ_OPERATION_END, 0, NULL, NULL, NULL},
};

static const FLT_CONTEXT_REGISTRATION Contexts[] = {
    {FLT_VOLUME_CONTEXT, 0, NULL, sizeof(VOLUME), CONTEXT_TAG, NULL, NULL, NULL},
    {.ContextType = FLT_CONTEXT_END},
};

static const FLT_REGISTRATION Registration = {
    .Size = sizeof(FLT_REGISTRATION),
    .Version = FLT_REGISTRATION_VERSION,
    .ContextRegistration = Contexts,
    .OperationRegistration = Operations,
    .FilterUnloadCallback = Unload,
    .InstanceSetupCallback = InstanceSetup,
    .InstanceQueryTeardownCallback = InstanceQueryTeardown,
};

INIT_CODE NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status;

    UNREFERENCED_PARAMETER(RegistryPath);
    ExInitializeNPagedLookasideList(&Transfers, NULL, NULL, POOL_NX_ALLOCATION, sizeof(TRANSFER), TRANSFER_TAG, 0);
    status = FltRegisterFilter(DriverObject, &Registration, &Filter);
    if (NT_SUCCESS(status)) {
        status = FltStartFiltering(Filter);
        if (!NT_SUCCESS(status)) {
            FltUnregisterFilter(Filter);
        }
    }
    if (!NT_SUCCESS(status)) {
        ExDeleteNPagedLookasideList(&Transfers);
    }
    return status;
}
