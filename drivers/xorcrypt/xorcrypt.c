/*
 * xorcrypt: keeps file data encrypted on the volume and plain above itself.
 *
 *   program ── plain ──► cache ── plain ──► xorcrypt ── cipher ──► file system ──► volume
 *
 * Only what goes to or comes from the volume is touched: noncached and paging reads and writes. Cached I/O and fast
 * I/O move plain bytes between programs and the cache, and pass. The data to write is never changed in place, since
 * the buffer is the program's or a page of the cache: a buffer of our own is swapped in, rounded up to the sector of
 * the volume.
 *
 * What lies behind the valid data length of a file was never written. The file system makes zeros of it by itself,
 * without reading the volume, so those bytes must not be deciphered. The limit may move while a noncached read is
 * under way; such a read is repeated (see ReadAgain).
 *
 * The cipher is a key stream that depends on the key and the offset in the file. It shows where ciphers belong; it is
 * none to trust.
 */
#include "../parameters/parameters.h"

#define CONTEXT_TAG 'xCrX'
#define BUFFER_TAG 'fBrX'
#define TRANSFER_TAG 'rTrX'
#define SMALLEST_SECTOR 0x200
#define READ_ATTEMPTS 1000

typedef struct _VOLUME {
    ULONG SectorSize;
} VOLUME, *PVOLUME;

/* What a pre callback hands to its post callback. */
typedef struct _TRANSFER {
    PVOID Buffer;
    ULONG BufferLength;
    LONGLONG Valid; /* the valid data length before the file system was asked */
} TRANSFER, *PTRANSFER;

static PFLT_FILTER Filter;
static NPAGED_LOOKASIDE_LIST Transfers;
static ULONG Key = 0x5EED;

/* For a debugger or a test. */
LONG64 XorCryptBytesWritten;
LONG64 XorCryptBytesRead;
LONG64 XorCryptReadAgain;

DRIVER_INITIALIZE DriverEntry;

#define INIT_CODE __declspec(code_seg("INIT"))
#define PAGED __declspec(code_seg("PAGE"))

/* Eight bytes of the key stream: the finalizer of splitmix64 over key and position. */
static ULONG64 KeyWord(ULONG64 Index)
{
    ULONG64 word = (Index + 1) * 0x9E3779B97F4A7C15ULL + ((ULONG64)Key << 32 | Key);

    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9ULL;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBULL;
    return word ^ (word >> 31);
}

/* Enciphers or deciphers, which is the same. Offset is a multiple of 8, as every sector begins. */
static VOID Cipher(PUCHAR To, const UCHAR *From, ULONG Bytes, LONGLONG Offset)
{
    ULONG64 index = (ULONG64)Offset / 8;
    ULONG64 word;
    ULONG done;

    for (done = 0; done + 8 <= Bytes; done += 8) {
        *(ULONG64 UNALIGNED *)(To + done) = *(const ULONG64 UNALIGNED *)(From + done) ^ KeyWord(index++);
    }
    for (word = KeyWord(index); done < Bytes; done++, word >>= 8) {
        To[done] = From[done] ^ (UCHAR)word;
    }
}

/* The same for a buffer that may be a program's memory. */
static NTSTATUS CipherGuarded(PVOID To, PVOID From, ULONG Bytes, LONGLONG Offset)
{
    __try {
        Cipher(To, From, Bytes, Offset);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        return GetExceptionCode();
    }
    return STATUS_SUCCESS;
}

static PVOID Map(PMDL Mdl)
{
    return MmGetSystemAddressForMdlSafe(Mdl, NormalPagePriority | MdlMappingNoExecute);
}

/* Whether the operation moves bytes between memory and the volume. */
static BOOLEAN ReachesVolume(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    return FLT_IS_IRP_OPERATION(Data) && FlagOn(Data->Iopb->IrpFlags, IRP_NOCACHE | IRP_PAGING_IO)
           && !FlagOn(FltObjects->FileObject->Flags, FO_VOLUME_OPEN) && Data->Iopb->Parameters.Write.Length != 0;
}

/* A file system that keeps no stream header keeps no valid data length: all of its data is valid. */
static LONGLONG ValidDataLength(PFILE_OBJECT FileObject)
{
    PFSRTL_COMMON_FCB_HEADER header = FileObject->FsContext;

    return header != NULL ? header->ValidDataLength.QuadPart : MAXLONGLONG;
}

static VOID FreeTransfer(PCFLT_RELATED_OBJECTS FltObjects, PTRANSFER Transfer)
{
    FltFreePoolAlignedWithTag(FltObjects->Instance, Transfer->Buffer, BUFFER_TAG);
    ExFreeToNPagedLookasideList(&Transfers, Transfer);
}

static PTRANSFER MakeTransfer(PCFLT_RELATED_OBJECTS FltObjects, ULONG Length)
{
    PTRANSFER transfer;
    PVOLUME volume;

    if (!NT_SUCCESS(FltGetVolumeContext(FltObjects->Filter, FltObjects->Volume, (PFLT_CONTEXT *)&volume))) {
        return NULL;
    }
    transfer = ExAllocateFromNPagedLookasideList(&Transfers);
    if (transfer != NULL) {
        transfer->BufferLength = (Length + volume->SectorSize - 1) / volume->SectorSize * volume->SectorSize;
        transfer->Buffer = FltAllocatePoolAlignedWithTag(FltObjects->Instance, NonPagedPoolNx, transfer->BufferLength,
                                                         BUFFER_TAG);
        if (transfer->Buffer == NULL) {
            ExFreeToNPagedLookasideList(&Transfers, transfer);
            transfer = NULL;
        }
    }
    FltReleaseContext(volume);
    return transfer;
}

static FLT_PREOP_CALLBACK_STATUS Fail(PFLT_CALLBACK_DATA Data, NTSTATUS Status)
{
    Data->IoStatus.Status = Status;
    Data->IoStatus.Information = 0;
    return FLT_PREOP_COMPLETE;
}

/* Puts the new buffer, and an MDL for it, in the place of the old pair. */
static BOOLEAN SwapIn(PFLT_CALLBACK_DATA Data, PVOID *Buffer, PMDL *MdlAddress, PTRANSFER Transfer)
{
    PMDL mdl = IoAllocateMdl(Transfer->Buffer, Transfer->BufferLength, FALSE, FALSE, NULL);

    if (mdl == NULL) {
        return FALSE;
    }
    MmBuildMdlForNonPagedPool(mdl);
    *Buffer = Transfer->Buffer;
    *MdlAddress = mdl;
    FltSetCallbackDataDirty(Data);
    return TRUE;
}

/* Plain data must not pass for want of memory: such a write fails. */
static FLT_PREOP_CALLBACK_STATUS FLTAPI PreWrite(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                 PVOID *CompletionContext)
{
    PFLT_IO_PARAMETER_BLOCK iopb = Data->Iopb;
    ULONG length = iopb->Parameters.Write.Length;
    PVOID from = iopb->Parameters.Write.WriteBuffer;
    PTRANSFER transfer;
    NTSTATUS status;

    if (!ReachesVolume(Data, FltObjects)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    if (iopb->Parameters.Write.MdlAddress != NULL) {
        from = Map(iopb->Parameters.Write.MdlAddress);
    }
    transfer = from != NULL ? MakeTransfer(FltObjects, length) : NULL;
    if (transfer == NULL) {
        return Fail(Data, STATUS_INSUFFICIENT_RESOURCES);
    }
    RtlZeroMemory((PUCHAR)transfer->Buffer + length, transfer->BufferLength - length);
    status = CipherGuarded(transfer->Buffer, from, length, iopb->Parameters.Write.ByteOffset.QuadPart);
    if (NT_SUCCESS(status)
        && !SwapIn(Data, &iopb->Parameters.Write.WriteBuffer, &iopb->Parameters.Write.MdlAddress, transfer)) {
        status = STATUS_INSUFFICIENT_RESOURCES;
    }
    if (!NT_SUCCESS(status)) {
        FreeTransfer(FltObjects, transfer);
        return Fail(Data, status);
    }
    InterlockedAdd64(&XorCryptBytesWritten, length);
    *CompletionContext = transfer;
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI PostWrite(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                   PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    FreeTransfer(FltObjects, CompletionContext);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreRead(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                PVOID *CompletionContext)
{
    PFLT_IO_PARAMETER_BLOCK iopb = Data->Iopb;
    PTRANSFER transfer;

    if (!ReachesVolume(Data, FltObjects)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    transfer = MakeTransfer(FltObjects, iopb->Parameters.Read.Length);
    if (transfer == NULL) {
        return Fail(Data, STATUS_INSUFFICIENT_RESOURCES);
    }
    if (!SwapIn(Data, &iopb->Parameters.Read.ReadBuffer, &iopb->Parameters.Read.MdlAddress, transfer)) {
        FreeTransfer(FltObjects, transfer);
        return Fail(Data, STATUS_INSUFFICIENT_RESOURCES);
    }
    transfer->Valid = ValidDataLength(FltObjects->FileObject);
    *CompletionContext = transfer;
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static VOID FailRead(PFLT_CALLBACK_DATA Data, NTSTATUS Status)
{
    Data->IoStatus.Status = Status;
    Data->IoStatus.Information = 0;
}

/*
 * Whether the limit moved while the file system read, inside what it read: then nobody knows which bytes are
 * cipher. Whoever holds the file's resource keeps the limit where it is, and that is every reader for the cache.
 */
static BOOLEAN IsUncertain(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects, PTRANSFER Transfer)
{
    LONGLONG end = Data->Iopb->Parameters.Read.ByteOffset.QuadPart + (LONGLONG)Data->IoStatus.Information;
    LONGLONG now = ValidDataLength(FltObjects->FileObject);

    return now != Transfer->Valid && end > min(now, Transfer->Valid)
           && !FlagOn(Data->Iopb->IrpFlags, IRP_PAGING_IO);
}

/* Reads the same bytes from below until the limit stands still. At PASSIVE_LEVEL, without locks. */
static VOID ReadAgain(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects, PTRANSFER Transfer)
{
    ULONG attempt;

    for (attempt = 0; attempt < READ_ATTEMPTS && IsUncertain(Data, FltObjects, Transfer); attempt++) {
        LARGE_INTEGER offset = Data->Iopb->Parameters.Read.ByteOffset;
        ULONG bytes = 0;

        Transfer->Valid = ValidDataLength(FltObjects->FileObject);
        Data->IoStatus.Status = FltReadFile(
            FltObjects->Instance, FltObjects->FileObject, &offset, Transfer->BufferLength, Transfer->Buffer,
            FLTFL_IO_OPERATION_NON_CACHED | FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET, &bytes, NULL, NULL);
        Data->IoStatus.Information = min(bytes, Data->Iopb->Parameters.Read.Length);
        InterlockedIncrement64(&XorCryptReadAgain);
        if (!NT_SUCCESS(Data->IoStatus.Status)) {
            Data->IoStatus.Information = 0;
            return;
        }
    }
    if (attempt == READ_ATTEMPTS) {
        FailRead(Data, STATUS_FILE_LOCK_CONFLICT);
    }
}

/* Deciphers what was read into the caller's buffer: the valid part. Zeros of the file system follow as they are. */
static VOID Deliver(PFLT_CALLBACK_DATA Data, PVOID To, PTRANSFER Transfer)
{
    LONGLONG offset = Data->Iopb->Parameters.Read.ByteOffset.QuadPart;
    ULONG bytes = (ULONG)Data->IoStatus.Information;
    LONGLONG left = Transfer->Valid > offset ? Transfer->Valid - offset : 0;
    ULONG valid = left < bytes ? (ULONG)left : bytes;
    NTSTATUS status = CipherGuarded(To, Transfer->Buffer, valid, offset);

    if (NT_SUCCESS(status)) {
        __try {
            RtlCopyMemory((PUCHAR)To + valid, (PUCHAR)Transfer->Buffer + valid, bytes - valid);
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            status = GetExceptionCode();
        }
    }
    if (!NT_SUCCESS(status)) {
        FailRead(Data, status);
        return;
    }
    InterlockedAdd64(&XorCryptBytesRead, valid);
}

/* At PASSIVE_LEVEL or APC_LEVEL: the caller's buffer may be a program's memory, and the read may need another one. */
static FLT_POSTOP_CALLBACK_STATUS FLTAPI PostReadWhenSafe(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                          PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    PTRANSFER transfer = CompletionContext;
    NTSTATUS status = FltLockUserBuffer(Data);
    PVOID to = NULL;

    if (NT_SUCCESS(status)) {
        ReadAgain(Data, FltObjects, transfer);
        to = Map(Data->Iopb->Parameters.Read.MdlAddress);
        status = to == NULL ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
    }
    if (to == NULL) {
        FailRead(Data, status);
    } else if (NT_SUCCESS(Data->IoStatus.Status)) {
        Deliver(Data, to, transfer);
    }
    FreeTransfer(FltObjects, transfer);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI PostRead(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                  PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    PTRANSFER transfer = CompletionContext;
    FLT_POSTOP_CALLBACK_STATUS answer = FLT_POSTOP_FINISHED_PROCESSING;
    PMDL mdl = Data->Iopb->Parameters.Read.MdlAddress;

    if (FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING) || !NT_SUCCESS(Data->IoStatus.Status)
        || Data->IoStatus.Information == 0) {
        FreeTransfer(FltObjects, transfer);
        return answer;
    }
    if (FlagOn(Data->Iopb->IrpFlags, IRP_PAGING_IO)) {
        /* A page of the cache: always with an MDL. */
        PVOID to = mdl != NULL ? Map(mdl) : NULL;

        if (to != NULL) {
            Deliver(Data, to, transfer);
        } else {
            FailRead(Data, STATUS_INSUFFICIENT_RESOURCES);
        }
        FreeTransfer(FltObjects, transfer);
        return answer;
    }
    if (!FltDoCompletionProcessingWhenSafe(Data, FltObjects, CompletionContext, Flags, PostReadWhenSafe, &answer)) {
        FailRead(Data, STATUS_UNSUCCESSFUL);
        FreeTransfer(FltObjects, transfer);
    }
    return answer;
}

PAGED static NTSTATUS FLTAPI InstanceSetup(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_SETUP_FLAGS Flags,
                                           DEVICE_TYPE VolumeDeviceType, FLT_FILESYSTEM_TYPE VolumeFilesystemType)
{
    FLT_VOLUME_PROPERTIES properties;
    ULONG length;
    PVOLUME volume;
    NTSTATUS status;

    PAGED_CODE();
    if (VolumeDeviceType != FILE_DEVICE_DISK_FILE_SYSTEM) {
        return STATUS_FLT_DO_NOT_ATTACH;
    }
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

/* Files that are half written would be half cipher. */
PAGED static NTSTATUS FLTAPI InstanceQueryTeardown(PCFLT_RELATED_OBJECTS FltObjects,
                                                   FLT_INSTANCE_QUERY_TEARDOWN_FLAGS Flags)
{
    PAGED_CODE();
    return STATUS_FLT_DO_NOT_DETACH;
}

PAGED static NTSTATUS FLTAPI Unload(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    PAGED_CODE();
    FltUnregisterFilter(Filter);
    ExDeleteNPagedLookasideList(&Transfers);
    return STATUS_SUCCESS;
}

/* Cached I/O and fast I/O are not even offered. */
static const FLT_OPERATION_REGISTRATION Operations[] = {
    {IRP_MJ_READ, FLTFL_OPERATION_REGISTRATION_SKIP_CACHED_IO, PreRead, PostRead, NULL},
    {IRP_MJ_WRITE, FLTFL_OPERATION_REGISTRATION_SKIP_CACHED_IO, PreWrite, PostWrite, NULL},
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

INIT_CODE static NTSTATUS ReadKey(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PARAMETER_KEYS keys;
    NTSTATUS status = OpenParameters(DriverObject, RegistryPath, KEY_READ, &keys);

    if (NT_SUCCESS(status)) {
        /* Without a value the built-in key stays. */
        ReadUlongParameter(&keys, L"Key", &Key);
        CloseParameters(&keys);
    }
    return status;
}

INIT_CODE NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status = ReadKey(DriverObject, RegistryPath);

    if (!NT_SUCCESS(status)) {
        return status;
    }
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
