/*
 * ownfcb: owns a file that no file system knows, as isolation filters own the files that they show.
 *
 * Creates of names that end in `own.file` are completed here: the file object gets a stream header, section pointers
 * and resources of the driver's. Its data is one block of pool; programs reach it through the cache
 * manager, and paging I/O, which comes back from there, moves pages between the cache and the block.
 *
 *   program ── cached read, write ──► CcCopyRead, CcCopyWrite ──► cache ── paging read, write ──► block
 */
#include "../parameters/parameters.h"

#define OWN_TAG 'nwOx'
#define OWN_BYTES 0x100000

/* What a test reads: the address stands in the registry value Counters. */
typedef struct _COUNTERS {
    LONG64 PagingReads;
    LONG64 PagingWrites;
    LONG64 LazyWrites;  /* paging writes under the lazy writer's lock */
    LONG64 Cleanups;
    LONG64 Closes;
    LONG64 FastReads;
    LONG64 FastWrites;
    LONG64 Failed;
} COUNTERS;

typedef struct _OWNED {
    FSRTL_ADVANCED_FCB_HEADER Header;
    SECTION_OBJECT_POINTERS Section;
    ERESOURCE Main;
    ERESOURCE Paging;
    FAST_MUTEX Mutex;
    PUCHAR Data;
} OWNED, *POWNED;

static PFLT_FILTER Filter;
static POWNED Owned;
static COUNTERS Counters;
static UNICODE_STRING Name = RTL_CONSTANT_STRING(L"own.file");

DRIVER_INITIALIZE DriverEntry;

#define INIT_CODE __declspec(code_seg("INIT"))
#define PAGED __declspec(code_seg("PAGE"))
#define CHECK(Condition) ((Condition) ? (void)0 : (void)InterlockedIncrement64(&Counters.Failed))

static BOOLEAN NTAPI AcquireForLazyWrite(PVOID Context, BOOLEAN Wait)
{
    POWNED owned = Context;

    if (!ExAcquireResourceSharedLite(&owned->Paging, Wait)) {
        return FALSE;
    }
    CHECK(IoGetTopLevelIrp() == NULL);
    IoSetTopLevelIrp((PIRP)FSRTL_CACHE_TOP_LEVEL_IRP);
    return TRUE;
}

static VOID NTAPI ReleaseFromLazyWrite(PVOID Context)
{
    POWNED owned = Context;

    IoSetTopLevelIrp(NULL);
    ExReleaseResourceLite(&owned->Paging);
}

static BOOLEAN NTAPI AcquireForReadAhead(PVOID Context, BOOLEAN Wait)
{
    POWNED owned = Context;

    return ExAcquireResourceSharedLite(&owned->Main, Wait);
}

static VOID NTAPI ReleaseFromReadAhead(PVOID Context)
{
    POWNED owned = Context;

    ExReleaseResourceLite(&owned->Main);
}

static CACHE_MANAGER_CALLBACKS Callbacks = {AcquireForLazyWrite, ReleaseFromLazyWrite, AcquireForReadAhead,
                                            ReleaseFromReadAhead};

static BOOLEAN IsOwned(PCFLT_RELATED_OBJECTS FltObjects)
{
    return FltObjects->FileObject != NULL && FltObjects->FileObject->FsContext == Owned;
}

static FLT_PREOP_CALLBACK_STATUS Complete(PFLT_CALLBACK_DATA Data, NTSTATUS Status, ULONG_PTR Information)
{
    Data->IoStatus.Status = Status;
    Data->IoStatus.Information = Information;
    return FLT_PREOP_COMPLETE;
}

static CC_FILE_SIZES Sizes(VOID)
{
    CC_FILE_SIZES sizes;

    sizes.AllocationSize = Owned->Header.AllocationSize;
    sizes.FileSize = Owned->Header.FileSize;
    sizes.ValidDataLength = Owned->Header.ValidDataLength;
    return sizes;
}

static BOOLEAN EndsInName(PFILE_OBJECT FileObject)
{
    UNICODE_STRING end = FileObject->FileName;

    if (end.Length < Name.Length) {
        return FALSE;
    }
    end.Buffer += (end.Length - Name.Length) / sizeof(WCHAR);
    end.Length = Name.Length;
    return RtlEqualUnicodeString(&end, &Name, TRUE);
}

PAGED static FLT_PREOP_CALLBACK_STATUS FLTAPI PreCreate(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                        PVOID *CompletionContext)
{
    PFILE_OBJECT file = FltObjects->FileObject;

    PAGED_CODE();
    if (!EndsInName(file)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    file->FsContext = Owned;
    file->FsContext2 = Owned;
    file->SectionObjectPointer = &Owned->Section;
    return Complete(Data, STATUS_SUCCESS, FILE_OPENED);
}

static PVOID Buffer(PMDL Mdl, PVOID Address)
{
    return Mdl != NULL ? MmGetSystemAddressForMdlSafe(Mdl, NormalPagePriority | MdlMappingNoExecute) : Address;
}

/* Pages between the cache and the block. */
static FLT_PREOP_CALLBACK_STATUS MovePages(PFLT_CALLBACK_DATA Data, BOOLEAN Read)
{
    LONGLONG offset = Data->Iopb->Parameters.Read.ByteOffset.QuadPart;
    ULONG length = Data->Iopb->Parameters.Read.Length;
    PUCHAR pages = Buffer(Data->Iopb->Parameters.Read.MdlAddress, Data->Iopb->Parameters.Read.ReadBuffer);

    CHECK(Data->RequestorMode == KernelMode);
    CHECK(FlagOn(Data->Iopb->IrpFlags, IRP_NOCACHE) && FlagOn(Data->Iopb->IrpFlags, IRP_SYNCHRONOUS_PAGING_IO));
    CHECK(Data->Iopb->Parameters.Read.MdlAddress != NULL && offset % PAGE_SIZE == 0 && length % PAGE_SIZE == 0);
    if (pages == NULL) {
        return Complete(Data, STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    if (offset >= Owned->Header.FileSize.QuadPart) {
        return Complete(Data, Read ? STATUS_END_OF_FILE : STATUS_SUCCESS, 0);
    }
    length = (ULONG)min((LONGLONG)length, Owned->Header.FileSize.QuadPart - offset);
    if (Read) {
        InterlockedIncrement64(&Counters.PagingReads);
        RtlCopyMemory(pages, Owned->Data + offset, length);
    } else {
        InterlockedIncrement64(&Counters.PagingWrites);
        if (IoGetTopLevelIrp() == (PIRP)FSRTL_CACHE_TOP_LEVEL_IRP) {
            InterlockedIncrement64(&Counters.LazyWrites);
        }
        RtlCopyMemory(Owned->Data + offset, pages, length);
    }
    return Complete(Data, STATUS_SUCCESS, length);
}

static VOID StartCaching(PFILE_OBJECT File)
{
    CC_FILE_SIZES sizes = Sizes();

    if (File->PrivateCacheMap == NULL) {
        CcInitializeCacheMap(File, &sizes, FALSE, &Callbacks, Owned);
        CHECK(File->PrivateCacheMap != NULL && CcIsFileCached(File));
    }
}

/* Without an IRP: the routines that file systems put into their tables do it all. */
static FLT_PREOP_CALLBACK_STATUS Fast(PFLT_CALLBACK_DATA Data, PFILE_OBJECT File, BOOLEAN Read)
{
    PFLT_IO_PARAMETER_BLOCK iopb = Data->Iopb;
    IO_STATUS_BLOCK status;
    BOOLEAN done;

    CHECK(iopb->Parameters.Read.MdlAddress == NULL);
    if (Read) {
        done = FsRtlCopyRead(File, &iopb->Parameters.Read.ByteOffset, iopb->Parameters.Read.Length, TRUE, 0,
                             iopb->Parameters.Read.ReadBuffer, &status, IoGetRelatedDeviceObject(File));
    } else {
        done = FsRtlCopyWrite(File, &iopb->Parameters.Write.ByteOffset, iopb->Parameters.Write.Length, TRUE, 0,
                              iopb->Parameters.Write.WriteBuffer, &status, IoGetRelatedDeviceObject(File));
    }
    if (!done) {
        return FLT_PREOP_DISALLOW_FASTIO;
    }
    InterlockedIncrement64(Read ? &Counters.FastReads : &Counters.FastWrites);
    return Complete(Data, status.Status, status.Information);
}

PAGED static FLT_PREOP_CALLBACK_STATUS FLTAPI PreRead(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                      PVOID *CompletionContext)
{
    PFLT_IO_PARAMETER_BLOCK iopb = Data->Iopb;
    LARGE_INTEGER offset = iopb->Parameters.Read.ByteOffset;
    PFILE_OBJECT file = FltObjects->FileObject;
    IO_STATUS_BLOCK status = {0};
    LONGLONG left;
    PVOID buffer;

    PAGED_CODE();
    if (!IsOwned(FltObjects)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    if (FLT_IS_FASTIO_OPERATION(Data)) {
        return Fast(Data, file, TRUE);
    }
    if (FlagOn(iopb->IrpFlags, IRP_PAGING_IO)) {
        return MovePages(Data, TRUE);
    }
    buffer = Buffer(iopb->Parameters.Read.MdlAddress, iopb->Parameters.Read.ReadBuffer);
    KeEnterCriticalRegion();
    ExAcquireResourceSharedLite(&Owned->Main, TRUE);
    left = Owned->Header.FileSize.QuadPart - offset.QuadPart;
    if (left <= 0) {
        status.Status = STATUS_END_OF_FILE;
    } else {
        StartCaching(file);
        CHECK(CcCopyRead(file, &offset, (ULONG)min(left, (LONGLONG)iopb->Parameters.Read.Length), TRUE, buffer, &status));
        file->CurrentByteOffset.QuadPart = offset.QuadPart + (LONGLONG)status.Information;
    }
    ExReleaseResourceLite(&Owned->Main);
    KeLeaveCriticalRegion();
    return Complete(Data, status.Status, status.Information);
}

PAGED static FLT_PREOP_CALLBACK_STATUS FLTAPI PreWrite(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                       PVOID *CompletionContext)
{
    PFLT_IO_PARAMETER_BLOCK iopb = Data->Iopb;
    LARGE_INTEGER offset = iopb->Parameters.Write.ByteOffset;
    PFILE_OBJECT file = FltObjects->FileObject;
    ULONG length = iopb->Parameters.Write.Length;
    NTSTATUS status = STATUS_SUCCESS;
    LARGE_INTEGER end;
    PVOID buffer;

    PAGED_CODE();
    if (!IsOwned(FltObjects)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    if (FLT_IS_FASTIO_OPERATION(Data)) {
        return Fast(Data, file, FALSE);
    }
    if (FlagOn(iopb->IrpFlags, IRP_PAGING_IO)) {
        return MovePages(Data, FALSE);
    }
    buffer = Buffer(iopb->Parameters.Write.MdlAddress, iopb->Parameters.Write.WriteBuffer);
    if (!CcCanIWrite(file, length, TRUE, FALSE)) {
        return Complete(Data, STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    KeEnterCriticalRegion();
    ExAcquireResourceExclusiveLite(&Owned->Main, TRUE);
    end.QuadPart = offset.QuadPart + length;
    if (offset.QuadPart < 0 || end.QuadPart > OWN_BYTES) {
        status = STATUS_DISK_FULL;
    } else {
        StartCaching(file);
        if (end.QuadPart > Owned->Header.FileSize.QuadPart) {
            CC_FILE_SIZES sizes;

            Owned->Header.FileSize = end;
            sizes = Sizes();
            CcSetFileSizes(file, &sizes);
        }
        if (offset.QuadPart > Owned->Header.ValidDataLength.QuadPart) {
            CHECK(CcZeroData(file, &Owned->Header.ValidDataLength, &offset, TRUE));
        }
        CHECK(CcCopyWrite(file, &offset, length, TRUE, buffer));
        if (end.QuadPart > Owned->Header.ValidDataLength.QuadPart) {
            Owned->Header.ValidDataLength = end;
        }
        file->CurrentByteOffset = end;
    }
    ExReleaseResourceLite(&Owned->Main);
    KeLeaveCriticalRegion();
    return Complete(Data, status, NT_SUCCESS(status) ? length : 0);
}

PAGED static FLT_PREOP_CALLBACK_STATUS FLTAPI PreFlush(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                       PVOID *CompletionContext)
{
    IO_STATUS_BLOCK status;

    PAGED_CODE();
    if (!IsOwned(FltObjects)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    CcFlushCache(&Owned->Section, NULL, 0, &status);
    return Complete(Data, status.Status, 0);
}

PAGED static FLT_PREOP_CALLBACK_STATUS FLTAPI PreCleanup(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                         PVOID *CompletionContext)
{
    PAGED_CODE();
    if (!IsOwned(FltObjects)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    InterlockedIncrement64(&Counters.Cleanups);
    CcUninitializeCacheMap(FltObjects->FileObject, NULL, NULL);
    SetFlag(FltObjects->FileObject->Flags, FO_CLEANUP_COMPLETE);
    return Complete(Data, STATUS_SUCCESS, 0);
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreClose(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                 PVOID *CompletionContext)
{
    if (!IsOwned(FltObjects)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    CHECK(FltObjects->FileObject->PrivateCacheMap == NULL);
    InterlockedIncrement64(&Counters.Closes);
    FltObjects->FileObject->FsContext = NULL;
    FltObjects->FileObject->SectionObjectPointer = NULL;
    return Complete(Data, STATUS_SUCCESS, 0);
}

/* Nothing else is offered. */
static FLT_PREOP_CALLBACK_STATUS FLTAPI PreOther(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                 PVOID *CompletionContext)
{
    if (!IsOwned(FltObjects)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    if (FLT_IS_FASTIO_OPERATION(Data)) {
        return FLT_PREOP_DISALLOW_FASTIO;
    }
    return Complete(Data, STATUS_NOT_SUPPORTED, 0);
}

static VOID FreeOwned(VOID)
{
    ExDeleteResourceLite(&Owned->Main);
    ExDeleteResourceLite(&Owned->Paging);
    ExFreePoolWithTag(Owned->Data, OWN_TAG);
    ExFreePoolWithTag(Owned, OWN_TAG);
    Owned = NULL;
}

PAGED static NTSTATUS FLTAPI Unload(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    PAGED_CODE();
    FltUnregisterFilter(Filter);
    FreeOwned();
    return STATUS_SUCCESS;
}

static const FLT_OPERATION_REGISTRATION Operations[] = {
    {IRP_MJ_CREATE, 0, PreCreate, NULL, NULL},
    {IRP_MJ_READ, 0, PreRead, NULL, NULL},
    {IRP_MJ_WRITE, 0, PreWrite, NULL, NULL},
    {IRP_MJ_FLUSH_BUFFERS, 0, PreFlush, NULL, NULL},
    {IRP_MJ_CLEANUP, 0, PreCleanup, NULL, NULL},
    {IRP_MJ_CLOSE, 0, PreClose, NULL, NULL},
    {IRP_MJ_QUERY_INFORMATION, 0, PreOther, NULL, NULL},
    {IRP_MJ_SET_INFORMATION, 0, PreOther, NULL, NULL},
    {IRP_MJ_QUERY_VOLUME_INFORMATION, 0, PreOther, NULL, NULL},
    {IRP_MJ_DIRECTORY_CONTROL, 0, PreOther, NULL, NULL},
    {IRP_MJ_FILE_SYSTEM_CONTROL, 0, PreOther, NULL, NULL},
    {IRP_MJ_LOCK_CONTROL, 0, PreOther, NULL, NULL},
    {IRP_MJ_OPERATION_END, 0, NULL, NULL, NULL},
};

static const FLT_REGISTRATION Registration = {
    .Size = sizeof(FLT_REGISTRATION),
    .Version = FLT_REGISTRATION_VERSION,
    .OperationRegistration = Operations,
    .FilterUnloadCallback = Unload,
};

INIT_CODE static BOOLEAN MakeOwned(VOID)
{
    Owned = ExAllocatePoolZero(NonPagedPoolNx, sizeof(OWNED), OWN_TAG);
    if (Owned == NULL) {
        return FALSE;
    }
    Owned->Data = ExAllocatePoolZero(NonPagedPoolNx, OWN_BYTES, OWN_TAG);
    if (Owned->Data == NULL) {
        ExFreePoolWithTag(Owned, OWN_TAG);
        return FALSE;
    }
    ExInitializeFastMutex(&Owned->Mutex);
    ExInitializeResourceLite(&Owned->Main);
    ExInitializeResourceLite(&Owned->Paging);
    FsRtlSetupAdvancedHeader(&Owned->Header, &Owned->Mutex);
    Owned->Header.NodeTypeCode = 0x0F0F;
    Owned->Header.NodeByteSize = sizeof(OWNED);
    Owned->Header.IsFastIoPossible = FastIoIsPossible;
    Owned->Header.Resource = &Owned->Main;
    Owned->Header.PagingIoResource = &Owned->Paging;
    Owned->Header.AllocationSize.QuadPart = OWN_BYTES;
    return TRUE;
}

INIT_CODE NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING value = RTL_CONSTANT_STRING(L"Counters");
    ULONG64 address = (ULONG64)&Counters;
    PARAMETER_KEYS keys;
    NTSTATUS status = OpenParameters(DriverObject, RegistryPath, KEY_READ | KEY_WRITE, &keys);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    (VOID)ZwSetValueKey(keys.Parameters != NULL ? keys.Parameters : keys.Service, &value, 0, REG_QWORD, &address,
                        sizeof(address));
    CloseParameters(&keys);
    if (!MakeOwned()) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status = FltRegisterFilter(DriverObject, &Registration, &Filter);
    if (NT_SUCCESS(status)) {
        status = FltStartFiltering(Filter);
        if (!NT_SUCCESS(status)) {
            FltUnregisterFilter(Filter);
        }
    }
    if (!NT_SUCCESS(status)) {
        FreeOwned();
    }
    return status;
}
