/*
 * Names in units and in bytes, pool that raises, what a file is, contexts of streams, pages of the cache.
 */
#include "kselftest.h"
#define FILE_NAME "fsrtl_more.c"

static ANSI_STRING Bytes(PCSTR Characters)
{
    ANSI_STRING string;

    for (string.Length = 0; Characters[string.Length] != '\0'; string.Length++) {
    }
    string.MaximumLength = string.Length + 1;
    string.Buffer = (PCHAR)Characters;
    return string;
}

CASE_OF(FsRtlAreNamesEqual)
{
    UNICODE_STRING one = Text(L"Name.txt"), other = Text(L"NAME.TXT"), longer = Text(L"Name.txt2");

    CHECK(FsRtlAreNamesEqual(&one, &one, FALSE, NULL) && !FsRtlAreNamesEqual(&one, &other, FALSE, NULL));
    CHECK(FsRtlAreNamesEqual(&one, &other, TRUE, NULL) && !FsRtlAreNamesEqual(&one, &longer, TRUE, NULL));
}

CASE_OF(FsRtlDissectName)
{
    UNICODE_STRING first, rest;

    Fill(&first, sizeof(first), 0);
    Fill(&rest, sizeof(rest), 0);
    FsRtlDissectName(Text(L"\\one\\two\\three"), &first, &rest);
    CHECK(IsText(&first, L"one") && IsText(&rest, L"two\\three"));
    FsRtlDissectName(Text(L"one"), &first, &rest);
    CHECK(IsText(&first, L"one") && rest.Length == 0);
    FsRtlDissectName(Text(L"\\"), &first, &rest);
    CHECK(first.Length == 0 && rest.Length == 0);
}

CASE_OF(FsRtlDoesDbcsContainWildCards)
{
    ANSI_STRING none = Bytes("plain.txt"), star = Bytes("a*"), dos = Bytes("a<b");

    CHECK(!FsRtlDoesDbcsContainWildCards(&none));
    CHECK(FsRtlDoesDbcsContainWildCards(&star) && FsRtlDoesDbcsContainWildCards(&dos));
}

CASE_OF(FsRtlIsDbcsInExpression)
{
    ANSI_STRING all = Bytes("*"), one = Bytes("A?C"), tail = Bytes("*.TXT"), name = Bytes("ABC"), file = Bytes("A.B.TXT");

    CHECK(FsRtlIsDbcsInExpression(&all, &name) && FsRtlIsDbcsInExpression(&one, &name));
    CHECK(FsRtlIsDbcsInExpression(&tail, &file) && !FsRtlIsDbcsInExpression(&tail, &name));
    CHECK(!FsRtlIsDbcsInExpression(&one, &file));
}

CASE_OF(FsRtlIsFatDbcsLegal)
{
    CHECK(FsRtlIsFatDbcsLegal(Bytes("NAME.EXT"), FALSE, FALSE, FALSE));
    CHECK(!FsRtlIsFatDbcsLegal(Bytes("LONGERNAME"), FALSE, FALSE, FALSE) && !FsRtlIsFatDbcsLegal(Bytes("A.LONG"), FALSE, FALSE, FALSE));
    CHECK(!FsRtlIsFatDbcsLegal(Bytes("A*"), FALSE, FALSE, FALSE) && FsRtlIsFatDbcsLegal(Bytes("A*"), TRUE, FALSE, FALSE));
    CHECK(!FsRtlIsFatDbcsLegal(Bytes("A\\B"), FALSE, FALSE, FALSE) && FsRtlIsFatDbcsLegal(Bytes("A\\B"), FALSE, TRUE, FALSE));
    CHECK(!FsRtlIsFatDbcsLegal(Bytes("\\A"), FALSE, TRUE, FALSE) && FsRtlIsFatDbcsLegal(Bytes("\\A"), FALSE, TRUE, TRUE));
}

CASE_OF(FsRtlIsHpfsDbcsLegal)
{
    CHECK(FsRtlIsHpfsDbcsLegal(Bytes("A longer name.with.dots"), FALSE, FALSE, FALSE));
    CHECK(!FsRtlIsHpfsDbcsLegal(Bytes("A:B"), FALSE, FALSE, FALSE));
    CHECK(!FsRtlIsHpfsDbcsLegal(Bytes("A?"), FALSE, FALSE, FALSE) && FsRtlIsHpfsDbcsLegal(Bytes("A?"), TRUE, FALSE, FALSE));
    CHECK(!FsRtlIsHpfsDbcsLegal(Bytes("A\\B"), FALSE, FALSE, FALSE) && FsRtlIsHpfsDbcsLegal(Bytes("A\\B"), FALSE, TRUE, FALSE));
}

CASE_OF(FsRtlAllocatePool)
{
    PUCHAR block = FsRtlAllocatePool(PagedPool, 24);

    REQUIRE(block != NULL);
    Fill(block, 24, 1);
    CHECK((ULONG_PTR)block % 16 == 0);
    ExFreePool(block);
}

CASE_OF(FsRtlAllocatePoolWithTag)
{
    PUCHAR block = FsRtlAllocatePoolWithTag(NonPagedPoolNx, 24, TAG);

    REQUIRE(block != NULL);
    Fill(block, 24, 1);
    CHECK((ULONG_PTR)block % 16 == 0);
    ExFreePoolWithTag(block, TAG);
}

CASE_OF(FsRtlAllocatePoolWithQuotaTag)
{
    PUCHAR block = FsRtlAllocatePoolWithQuotaTag(PagedPool, 24, TAG);

    REQUIRE(block != NULL);
    Fill(block, 24, 1);
    CHECK((ULONG_PTR)block % 16 == 0);
    ExFreePoolWithTag(block, TAG);
}

CASE_OF(FsRtlIsTotalDeviceFailure)
{
    CHECK(!FsRtlIsTotalDeviceFailure(STATUS_SUCCESS));
    CHECK(!FsRtlIsTotalDeviceFailure(STATUS_CRC_ERROR) && !FsRtlIsTotalDeviceFailure(STATUS_DEVICE_DATA_ERROR)); /* a sector */
    CHECK(FsRtlIsTotalDeviceFailure(STATUS_DEVICE_NOT_READY) && FsRtlIsTotalDeviceFailure(STATUS_NO_SUCH_DEVICE));
}

CASE_OF(FsRtlIsPagingFile)
{
    static FSRTL_ADVANCED_FCB_HEADER header;
    static FILE_OBJECT file;

    Fill(&header, sizeof(header), 0);
    Fill(&file, sizeof(file), 0);
    file.Type = 5;
    file.Size = sizeof(file);
    file.FsContext = &header;
    CHECK(!FsRtlIsPagingFile(&file));
    header.Flags2 = FSRTL_FLAG2_IS_PAGING_FILE;
    CHECK(FsRtlIsPagingFile(&file));
}

/* A cached file of ten bytes that goes with its handle; NULL when there is none. */
static PFILE_OBJECT OpenCached(PHANDLE Handle)
{
    UNICODE_STRING name = Text(L"\\??\\C:\\kselftest.fsrtl");
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK io;
    LARGE_INTEGER start = {.QuadPart = 0};
    PFILE_OBJECT file = NULL;
    CHAR byte;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    *Handle = NULL;
    if (CHECK(ZwCreateFile(Handle, GENERIC_READ | GENERIC_WRITE | DELETE | SYNCHRONIZE, &attributes, &io, NULL, 0, 0,
                           FILE_OVERWRITE_IF,
                           FILE_NON_DIRECTORY_FILE | FILE_DELETE_ON_CLOSE | FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0)
              == STATUS_SUCCESS)
        && CHECK(ZwWriteFile(*Handle, NULL, NULL, NULL, &io, (PVOID) "0123456789", 10, &start, NULL) == STATUS_SUCCESS)
        && CHECK(ZwReadFile(*Handle, NULL, NULL, NULL, &io, &byte, 1, &start, NULL) == STATUS_SUCCESS)) {
        CHECK(ObReferenceObjectByHandle(*Handle, 0, *IoFileObjectType, KernelMode, (PVOID *)&file, NULL) == STATUS_SUCCESS);
    }
    return file;
}

static VOID CloseCached(HANDLE Handle, PFILE_OBJECT File)
{
    if (File != NULL) {
        ObDereferenceObject(File);
    }
    if (Handle != NULL) {
        ZwClose(Handle);
    }
}

CASE_OF(FsRtlGetFileSize)
{
    LARGE_INTEGER size = {.QuadPart = 0};
    HANDLE handle, root;
    PFILE_OBJECT file = OpenCached(&handle), directory;
    UNICODE_STRING name = Text(L"\\??\\C:\\");
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK io;

    if (file != NULL) {
        CHECK(FsRtlGetFileSize(file, &size) == STATUS_SUCCESS && size.QuadPart == 10);
    }
    CloseCached(handle, file);
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    REQUIRE(ZwOpenFile(&root, FILE_READ_ATTRIBUTES, &attributes, &io, 7, FILE_DIRECTORY_FILE) == STATUS_SUCCESS);
    if (CHECK(ObReferenceObjectByHandle(root, 0, *IoFileObjectType, KernelMode, (PVOID *)&directory, NULL)
              == STATUS_SUCCESS)) {
        CHECK(FsRtlGetFileSize(directory, &size) == STATUS_FILE_IS_A_DIRECTORY);
        ObDereferenceObject(directory);
    }
    ZwClose(root);
}

CASE_OF(FsRtlMdlReadCompleteDev)
{
    LARGE_INTEGER start = {.QuadPart = 2};
    IO_STATUS_BLOCK io = {{0}, 0};
    HANDLE handle;
    PFILE_OBJECT file = OpenCached(&handle);
    PMDL mdl = NULL;
    PUCHAR bytes;

    if (file != NULL) {
        CcMdlRead(file, &start, 4, &mdl, &io);
        if (CHECK(mdl != NULL && io.Status == STATUS_SUCCESS && io.Information == 4)) {
            bytes = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
            CHECK(bytes != NULL && SameBytes(bytes, "2345", 4));
            CHECK(FsRtlMdlReadCompleteDev(file, mdl, NULL));
        }
    }
    CloseCached(handle, file);
}

CASE_OF(FsRtlMdlWriteCompleteDev)
{
    LARGE_INTEGER start = {.QuadPart = 2};
    IO_STATUS_BLOCK io = {{0}, 0};
    HANDLE handle;
    PFILE_OBJECT file = OpenCached(&handle);
    PMDL mdl = NULL;
    PUCHAR bytes;
    CHAR read[10];

    if (file != NULL) {
        CcPrepareMdlWrite(file, &start, 2, &mdl, &io);
        if (CHECK(mdl != NULL && io.Status == STATUS_SUCCESS)) {
            bytes = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
            if (CHECK(bytes != NULL)) {
                bytes[0] = 'x';
                bytes[1] = 'y';
            }
            CHECK(FsRtlMdlWriteCompleteDev(file, &start, mdl, NULL));
            start.QuadPart = 0;
            CHECK(ZwReadFile(handle, NULL, NULL, NULL, &io, read, 10, &start, NULL) == STATUS_SUCCESS);
            CHECK(SameBytes(read, "01xy456789", 10));
        }
    }
    CloseCached(handle, file);
}

static ULONG FreedContexts;

static VOID NTAPI FreeContext(PVOID Context)
{
    FreedContexts++;
}

static FSRTL_ADVANCED_FCB_HEADER Header;
static FSRTL_PER_STREAM_CONTEXT First, Second;

/* A stream with two contexts, of different owners. */
static VOID BeginContexts(VOID)
{
    static FAST_MUTEX mutex;

    FreedContexts = 0;
    Fill(&Header, sizeof(Header), 0);
    Fill(&First, sizeof(First), 0);
    Fill(&Second, sizeof(Second), 0);
    ExInitializeFastMutex(&mutex);
    FsRtlSetupAdvancedHeader(&Header, &mutex);
    FsRtlInitPerStreamContext(&First, &First, NULL, FreeContext);
    FsRtlInitPerStreamContext(&Second, &Second, &mutex, FreeContext);
    CHECK(FsRtlInsertPerStreamContext(&Header, &First) == STATUS_SUCCESS);
    CHECK(FsRtlInsertPerStreamContext(&Header, &Second) == STATUS_SUCCESS);
}

CASE_OF(FsRtlTeardownPerStreamContexts)
{
    BeginContexts();
    FsRtlTeardownPerStreamContexts(&Header);
    CHECK(FreedContexts == 2);
    CHECK(FsRtlLookupPerStreamContextInternal(&Header, NULL, NULL) == NULL);
}

CASE_OF(FsRtlInsertPerStreamContext)
{
    BeginContexts();
    CHECK(FsRtlLookupPerStreamContextInternal(&Header, &First, NULL) == &First);
    Header.Flags2 = 0; /* a stream that supports none */
    CHECK(FsRtlInsertPerStreamContext(&Header, &First) == STATUS_INVALID_DEVICE_REQUEST);
}

CASE_OF(FsRtlLookupPerStreamContextInternal)
{
    BeginContexts();
    CHECK(FsRtlLookupPerStreamContextInternal(&Header, &First, NULL) == &First);
    CHECK(FsRtlLookupPerStreamContextInternal(&Header, &Second, Second.InstanceId) == &Second);
    CHECK(FsRtlLookupPerStreamContextInternal(&Header, &First, Second.InstanceId) == NULL);
    CHECK(FsRtlLookupPerStreamContextInternal(&Header, &Header, NULL) == NULL);
}

CASE_OF(FsRtlRemovePerStreamContext)
{
    BeginContexts();
    CHECK(FsRtlRemovePerStreamContext(&Header, &First, NULL) == &First);
    CHECK(FsRtlRemovePerStreamContext(&Header, &First, NULL) == NULL && FreedContexts == 0);
    CHECK(FsRtlLookupPerStreamContextInternal(&Header, &Second, NULL) == &Second);
}

static PVOID FilePointer;
static FSRTL_PER_FILE_CONTEXT FirstOfFile, SecondOfFile;

static VOID BeginFileContexts(VOID)
{
    FilePointer = NULL;
    FreedContexts = 0;
    Fill(&FirstOfFile, sizeof(FirstOfFile), 0);
    Fill(&SecondOfFile, sizeof(SecondOfFile), 0);
    FsRtlInitPerFileContext(&FirstOfFile, &FirstOfFile, NULL, FreeContext);
    FsRtlInitPerFileContext(&SecondOfFile, &SecondOfFile, &FilePointer, FreeContext);
    CHECK(FsRtlInsertPerFileContext(&FilePointer, &FirstOfFile) == STATUS_SUCCESS);
    CHECK(FsRtlInsertPerFileContext(&FilePointer, &SecondOfFile) == STATUS_SUCCESS);
}

CASE_OF(FsRtlInsertPerFileContext)
{
    CHECK(FsRtlInsertPerFileContext(NULL, &FirstOfFile) == STATUS_INVALID_DEVICE_REQUEST);
    BeginFileContexts();
    CHECK(FilePointer != NULL);
    CHECK(FsRtlLookupPerFileContext(&FilePointer, &FirstOfFile, NULL) == &FirstOfFile);
    FsRtlTeardownPerFileContexts(&FilePointer);
}

CASE_OF(FsRtlLookupPerFileContext)
{
    CHECK(FsRtlLookupPerFileContext(NULL, NULL, NULL) == NULL);
    BeginFileContexts();
    CHECK(FsRtlLookupPerFileContext(&FilePointer, &FirstOfFile, NULL) == &FirstOfFile);
    CHECK(FsRtlLookupPerFileContext(&FilePointer, &SecondOfFile, SecondOfFile.InstanceId) == &SecondOfFile);
    CHECK(FsRtlLookupPerFileContext(&FilePointer, &FirstOfFile, SecondOfFile.InstanceId) == NULL);
    CHECK(FsRtlLookupPerFileContext(&FilePointer, &FilePointer, NULL) == NULL);
    FsRtlTeardownPerFileContexts(&FilePointer);
}

CASE_OF(FsRtlRemovePerFileContext)
{
    BeginFileContexts();
    CHECK(FsRtlRemovePerFileContext(&FilePointer, &FirstOfFile, NULL) == &FirstOfFile);
    CHECK(FsRtlRemovePerFileContext(&FilePointer, &FirstOfFile, NULL) == NULL && FreedContexts == 0);
    CHECK(FsRtlLookupPerFileContext(&FilePointer, &SecondOfFile, NULL) == &SecondOfFile);
    FsRtlTeardownPerFileContexts(&FilePointer);
}

CASE_OF(FsRtlTeardownPerFileContexts)
{
    BeginFileContexts();
    FsRtlTeardownPerFileContexts(&FilePointer);
    CHECK(FreedContexts == 2 && FilePointer == NULL);
    CHECK(FsRtlLookupPerFileContext(&FilePointer, NULL, NULL) == NULL);
}

CASE_OF(FsRtlAreVolumeStartupApplicationsComplete)
{
    CHECK(FsRtlAreVolumeStartupApplicationsComplete()); /* there are none */
}

/* FT_BALANCED_READ_MODE. */
#define BALANCED_READ_MODE CTL_CODE('f', 6, METHOD_NEITHER, FILE_ANY_ACCESS)

static ULONG Asked;

static NTSTATUS NTAPI Control(PDEVICE_OBJECT Device, PIRP Irp)
{
    Asked = IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode;
    Irp->IoStatus.Status = STATUS_DEVICE_BUSY;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_DEVICE_BUSY;
}

CASE_OF(FsRtlBalanceReads)
{
    PDEVICE_OBJECT device;

    Asked = 0;
    Driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = Control;
    REQUIRE(IoCreateDevice(Driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device) == STATUS_SUCCESS);
    CHECK(FsRtlBalanceReads(device) == STATUS_DEVICE_BUSY);
    CHECK(Asked == BALANCED_READ_MODE);
    IoDeleteDevice(device);
}

static PFILE_OBJECT Guarded;
static ULONG Acquires, Releases;

static NTSTATUS NTAPI OnAcquire(PFS_FILTER_CALLBACK_DATA Data, PVOID *Context)
{
    if (Data->FileObject == Guarded && Data->Operation == FS_FILTER_ACQUIRE_FOR_SECTION_SYNCHRONIZATION) {
        Acquires++;
        CHECK(Data->Parameters.AcquireForSectionSynchronization.SyncType == SyncTypeOther);
    }
    return STATUS_FSFILTER_OP_COMPLETED_SUCCESSFULLY;
}

static NTSTATUS NTAPI OnRelease(PFS_FILTER_CALLBACK_DATA Data, PVOID *Context)
{
    if (Data->FileObject == Guarded && Data->Operation == FS_FILTER_RELEASE_FOR_SECTION_SYNCHRONIZATION) {
        Releases++;
    }
    return STATUS_FSFILTER_OP_COMPLETED_SUCCESSFULLY;
}

static NTSTATUS NTAPI Closed(PDEVICE_OBJECT Device, PIRP Irp)
{
    Irp->IoStatus.Status = STATUS_SUCCESS;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

/* Takes and gives back the locks of a stream on a device of this driver, which has callbacks for that. */
static VOID Guard(VOID)
{
    FS_FILTER_CALLBACKS callbacks;
    PDEVICE_OBJECT device;

    Acquires = Releases = 0;
    Fill(&callbacks, sizeof(callbacks), 0);
    CHECK(FsRtlRegisterFileSystemFilterCallbacks(Driver, &callbacks) == STATUS_INVALID_PARAMETER); /* of no size */
    callbacks.SizeOfFsFilterCallbacks = sizeof(callbacks);
    callbacks.PreAcquireForSectionSynchronization = OnAcquire;
    callbacks.PreReleaseForSectionSynchronization = OnRelease;
    CHECK(FsRtlRegisterFileSystemFilterCallbacks(Driver, &callbacks) == STATUS_SUCCESS);
    Driver->MajorFunction[IRP_MJ_CLOSE] = Closed;
    if (!CHECK(IoCreateDevice(Driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device) == STATUS_SUCCESS)) {
        return;
    }
    Guarded = IoCreateStreamFileObjectLite(NULL, device);
    if (CHECK(Guarded != NULL)) {
        FsRtlAcquireFileExclusive(Guarded);
        CHECK(Acquires == 1 && Releases == 0);
        FsRtlReleaseFile(Guarded);
        CHECK(Acquires == 1 && Releases == 1);
        ObDereferenceObject(Guarded);
    }
    IoDeleteDevice(device);
}

CASE_OF(FsRtlRegisterFileSystemFilterCallbacks)
{
    Guard();
}

CASE_OF(FsRtlAcquireFileExclusive)
{
    Guard();
}

CASE_OF(FsRtlReleaseFile)
{
    Guard();
}

/* An IRP that is cancelled ends a wait. */
static VOID CancellableWait(BOOLEAN Several)
{
    LARGE_INTEGER soon = {.QuadPart = -10000};
    PIRP irp = IoAllocateIrp(1, FALSE);
    KEVENT first, second;
    PVOID objects[2] = {&first, &second};
    NTSTATUS status;

    CHECK(irp != NULL);
    IoSetNextIrpStackLocation(irp);
    KeInitializeEvent(&first, NotificationEvent, FALSE);
    KeInitializeEvent(&second, NotificationEvent, TRUE);
    if (Several) {
        CHECK(FsRtlCancellableWaitForMultipleObjects(2, objects, WaitAny, NULL, NULL, irp) == STATUS_WAIT_0 + 1);
        KeClearEvent(&second);
        CHECK(FsRtlCancellableWaitForMultipleObjects(2, objects, WaitAny, &soon, NULL, irp) == STATUS_TIMEOUT);
    } else {
        CHECK(FsRtlCancellableWaitForSingleObject(&second, NULL, irp) == STATUS_SUCCESS);
        CHECK(FsRtlCancellableWaitForSingleObject(&second, NULL, NULL) == STATUS_SUCCESS);
        CHECK(FsRtlCancellableWaitForSingleObject(&first, &soon, irp) == STATUS_TIMEOUT);
    }
    CHECK(irp->CancelRoutine == NULL);
    CHECK(!IoCancelIrp(irp));
    status = Several ? FsRtlCancellableWaitForMultipleObjects(2, objects, WaitAny, &soon, NULL, irp)
                     : FsRtlCancellableWaitForSingleObject(&first, &soon, irp);
    CHECK(status == STATUS_CANCELLED);
    IoFreeIrp(irp);
}

CASE_OF(FsRtlCancellableWaitForSingleObject)
{
    CancellableWait(FALSE);
}

CASE_OF(FsRtlCancellableWaitForMultipleObjects)
{
    CancellableWait(TRUE);
}

const CASE FsRtlMoreChecks[] = {
    ROW(FsRtlCancellableWaitForSingleObject),
    ROW(FsRtlCancellableWaitForMultipleObjects),
    ROW(FsRtlAreNamesEqual),
    ROW(FsRtlDissectName),
    ROW(FsRtlDoesDbcsContainWildCards),
    ROW(FsRtlIsDbcsInExpression),
    ROW(FsRtlIsFatDbcsLegal),
    ROW(FsRtlIsHpfsDbcsLegal),
    ROW(FsRtlAllocatePool),
    ROW(FsRtlAllocatePoolWithTag),
    ROW(FsRtlAllocatePoolWithQuotaTag),
    ROW(FsRtlIsTotalDeviceFailure),
    ROW(FsRtlIsPagingFile),
    ROW(FsRtlGetFileSize),
    ROW(FsRtlMdlReadCompleteDev),
    ROW(FsRtlMdlWriteCompleteDev),
    ROW(FsRtlTeardownPerStreamContexts),
    ROW(FsRtlInsertPerStreamContext),
    ROW(FsRtlLookupPerStreamContextInternal),
    ROW(FsRtlRemovePerStreamContext),
    ROW(FsRtlInsertPerFileContext),
    ROW(FsRtlLookupPerFileContext),
    ROW(FsRtlRemovePerFileContext),
    ROW(FsRtlTeardownPerFileContexts),
    ROW(FsRtlAreVolumeStartupApplicationsComplete),
    ROW(FsRtlBalanceReads),
    ROW(FsRtlRegisterFileSystemFilterCallbacks),
    ROW(FsRtlAcquireFileExclusive),
    ROW(FsRtlReleaseFile),
    LAST,
};
