/*
 * Files and their devices, streams of a file system's own, file systems that come and go, work items.
 */
#include "kselftest.h"
#define FILE_NAME "io_file.c"

static HANDLE Handle;
static PFILE_OBJECT File;
static IO_STATUS_BLOCK Io;

/* Opens the root of the first volume. */
static BOOLEAN Begin(VOID)
{
    UNICODE_STRING name = Text(L"\\??\\C:\\");
    OBJECT_ATTRIBUTES attributes;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    Handle = NULL;
    File = NULL;
    return CHECK(ZwOpenFile(&Handle, FILE_LIST_DIRECTORY | SYNCHRONIZE, &attributes, &Io, 7,
                            FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT)
                 == STATUS_SUCCESS)
           && CHECK(ObReferenceObjectByHandle(Handle, 0, *IoFileObjectType, KernelMode, (PVOID *)&File, NULL)
                    == STATUS_SUCCESS);
}

static VOID End(VOID)
{
    if (File != NULL) {
        ObDereferenceObject(File);
    }
    if (Handle != NULL) {
        ZwClose(Handle);
    }
}

CASE_OF(IoGetBaseFileSystemDeviceObject)
{
    if (Begin()) {
        PDEVICE_OBJECT device = IoGetBaseFileSystemDeviceObject(File);

        CHECK(device == File->Vpb->DeviceObject);
        CHECK(IoGetRelatedDeviceObject(File) == IoGetAttachedDevice(device));
    }
    End();
}

CASE_OF(IoGetDiskDeviceObject)
{
    PDEVICE_OBJECT disk = NULL, mine;

    if (Begin()) {
        if (CHECK(IoGetDiskDeviceObject(File->Vpb->DeviceObject, &disk) == STATUS_SUCCESS)) {
            CHECK(disk == File->Vpb->RealDevice);
            ObDereferenceObject(disk);
        }
    }
    End();
    REQUIRE(IoCreateDevice(Driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &mine) == STATUS_SUCCESS);
    CHECK(!NT_SUCCESS(IoGetDiskDeviceObject(mine, &disk))); /* no volume of a file system */
    IoDeleteDevice(mine);
}

CASE_OF(IoGetDeviceAttachmentBaseRef)
{
    PDEVICE_OBJECT lower, upper, found;

    REQUIRE(IoCreateDevice(Driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &lower) == STATUS_SUCCESS);
    REQUIRE(IoCreateDevice(Driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &upper) == STATUS_SUCCESS);
    lower->Flags &= ~DO_DEVICE_INITIALIZING;
    CHECK(IoAttachDeviceToDeviceStack(upper, lower) == lower);
    found = IoGetDeviceAttachmentBaseRef(upper);
    if (CHECK(found == lower)) {
        ObDereferenceObject(found);
    }
    found = IoGetDeviceAttachmentBaseRef(lower);
    if (CHECK(found == lower)) {
        ObDereferenceObject(found);
    }
    IoDetachDevice(lower);
    IoDeleteDevice(upper);
    IoDeleteDevice(lower);
}

CASE_OF(IoCreateFileSpecifyDeviceObjectHint)
{
    UNICODE_STRING name = Text(L"\\??\\C:\\"), none = Text(L"\\??\\C:\\kselftest.none");
    OBJECT_ATTRIBUTES attributes;
    PDEVICE_OBJECT mine;
    HANDLE handle = NULL;

    if (Begin()) {
        InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
        if (CHECK(IoCreateFileSpecifyDeviceObjectHint(&handle, FILE_LIST_DIRECTORY | SYNCHRONIZE, &attributes, &Io, NULL,
                                                      0, 7, FILE_OPEN, FILE_DIRECTORY_FILE, NULL, 0, CreateFileTypeNone,
                                                      NULL, 0, File->Vpb->DeviceObject)
                  == STATUS_SUCCESS)) {
            CHECK(Io.Information == FILE_OPENED);
            ZwClose(handle);
        }
        InitializeObjectAttributes(&attributes, &none, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
        CHECK(IoCreateFileSpecifyDeviceObjectHint(&handle, FILE_LIST_DIRECTORY, &attributes, &Io, NULL, 0, 7, FILE_OPEN,
                                                  0, NULL, 0, CreateFileTypeNone, NULL, 0, NULL)
              == STATUS_OBJECT_NAME_NOT_FOUND);
        if (CHECK(IoCreateDevice(Driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &mine) == STATUS_SUCCESS)) {
            CHECK(IoCreateFileSpecifyDeviceObjectHint(&handle, FILE_LIST_DIRECTORY, &attributes, &Io, NULL, 0, 7,
                                                      FILE_OPEN, 0, NULL, 0, CreateFileTypeNone, NULL, 0, mine)
                  == STATUS_INVALID_DEVICE_OBJECT_PARAMETER); /* a device of another stack */
            IoDeleteDevice(mine);
        }
    }
    End();
}

CASE_OF(IoGetTransactionParameterBlock)
{
    if (Begin()) {
        CHECK(IoGetTransactionParameterBlock(File) == NULL);
    }
    End();
}

CASE_OF(IoGetFileObjectGenericMapping)
{
    PGENERIC_MAPPING files = IoGetFileObjectGenericMapping();

    REQUIRE(files != NULL);
    CHECK(files->GenericRead == FILE_GENERIC_READ && files->GenericWrite == FILE_GENERIC_WRITE);
    CHECK(files->GenericExecute == FILE_GENERIC_EXECUTE && files->GenericAll == FILE_ALL_ACCESS);
}

static ULONG Cleanups, Closes;

static NTSTATUS NTAPI Last(PDEVICE_OBJECT Device, PIRP Irp)
{
    if (IoGetCurrentIrpStackLocation(Irp)->MajorFunction == IRP_MJ_CLEANUP) {
        Cleanups++;
    } else {
        Closes++;
    }
    Irp->IoStatus.Status = STATUS_SUCCESS;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static PDEVICE_OBJECT BeginStream(VOID)
{
    PDEVICE_OBJECT device = NULL;

    Cleanups = Closes = 0;
    Driver->MajorFunction[IRP_MJ_CLEANUP] = Driver->MajorFunction[IRP_MJ_CLOSE] = Last;
    CHECK(IoCreateDevice(Driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device) == STATUS_SUCCESS);
    return device;
}

CASE_OF(IoCreateStreamFileObject)
{
    PDEVICE_OBJECT device = BeginStream();
    PFILE_OBJECT stream;

    REQUIRE(device != NULL);
    stream = IoCreateStreamFileObject(NULL, device);
    if (CHECK(stream != NULL)) {
        CHECK(stream->Type == 5 && stream->DeviceObject == device && (stream->Flags & FO_STREAM_FILE));
        CHECK(Cleanups == 1 && Closes == 0); /* it is open by reference only */
        ObDereferenceObject(stream);
        CHECK(Cleanups == 1 && Closes == 1);
    }
    IoDeleteDevice(device);
}

CASE_OF(IoCreateStreamFileObjectLite)
{
    PDEVICE_OBJECT device = BeginStream();
    PFILE_OBJECT stream;

    REQUIRE(device != NULL);
    stream = IoCreateStreamFileObjectLite(NULL, device);
    if (CHECK(stream != NULL)) {
        CHECK(stream->Type == 5 && stream->DeviceObject == device && (stream->Flags & FO_STREAM_FILE));
        CHECK(Cleanups == 0);
        ObDereferenceObject(stream);
        CHECK(Cleanups == 0 && Closes == 1);
    }
    IoDeleteDevice(device);
}

static PDEVICE_OBJECT System;
static ULONG Came, Went, Others;

static VOID NTAPI Changed(PDEVICE_OBJECT Device, BOOLEAN Active)
{
    if (Device != System) {
        Others++;
    } else if (Active) {
        Came++;
    } else {
        Went++;
    }
}

/* Registers for changes, then has a file system come and go. */
static VOID ComeAndGo(VOID)
{
    System = NULL;
    Came = Went = Others = 0;
    if (!CHECK(IoCreateDevice(Driver, 0, NULL, FILE_DEVICE_NETWORK_FILE_SYSTEM, 0, FALSE, &System) == STATUS_SUCCESS)) {
        return;
    }
    CHECK(IoRegisterFsRegistrationChange(Driver, Changed) == STATUS_SUCCESS);
    CHECK(Others > 0 && Came == 0); /* those that are there are told of at once */
    IoRegisterFileSystem(System);
    CHECK(Came == 1 && Went == 0);
    IoUnregisterFileSystem(System);
    CHECK(Came == 1 && Went == 1);
    IoUnregisterFsRegistrationChange(Driver, Changed);
    IoRegisterFileSystem(System);
    IoUnregisterFileSystem(System);
    CHECK(Came == 1 && Went == 1);
    IoDeleteDevice(System);
}

CASE_OF(IoRegisterFileSystem)
{
    ComeAndGo();
}

CASE_OF(IoUnregisterFileSystem)
{
    ComeAndGo();
}

CASE_OF(IoRegisterFsRegistrationChange)
{
    ComeAndGo();
}

CASE_OF(IoUnregisterFsRegistrationChange)
{
    ComeAndGo();
}

static KEVENT Done;
static PVOID Given[3];

static VOID NTAPI Work(PVOID Object, PVOID Context, PIO_WORKITEM Item)
{
    Given[0] = Object;
    Given[1] = Context;
    Given[2] = Item;
    KeSetEvent(&Done, 0, FALSE);
}

CASE_OF(IoQueueWorkItemEx)
{
    PDEVICE_OBJECT device;
    PIO_WORKITEM item;

    REQUIRE(IoCreateDevice(Driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device) == STATUS_SUCCESS);
    item = IoAllocateWorkItem(device);
    REQUIRE(item != NULL);
    Given[0] = Given[1] = Given[2] = NULL;
    MakeEvent(&Done, NotificationEvent, 0);
    IoQueueWorkItemEx(item, Work, DelayedWorkQueue, Given);
    CHECK(KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, &Soon) == STATUS_SUCCESS);
    CHECK(Given[0] == device && Given[1] == Given && Given[2] == item);
    IoFreeWorkItem(item);
    IoDeleteDevice(device);
}

CASE_OF(IoSetThreadHardErrorMode)
{
    CHECK(IoSetThreadHardErrorMode(FALSE)); /* they show unless one asks otherwise */
    CHECK(!IoSetThreadHardErrorMode(TRUE));
    CHECK(IoSetThreadHardErrorMode(TRUE));
}

const CASE IoFileChecks[] = {
    ROW(IoGetBaseFileSystemDeviceObject),
    ROW(IoGetDiskDeviceObject),
    ROW(IoGetDeviceAttachmentBaseRef),
    ROW(IoCreateFileSpecifyDeviceObjectHint),
    ROW(IoGetTransactionParameterBlock),
    ROW(IoGetFileObjectGenericMapping),
    ROW(IoCreateStreamFileObject),
    ROW(IoCreateStreamFileObjectLite),
    ROW(IoRegisterFileSystem),
    ROW(IoUnregisterFileSystem),
    ROW(IoRegisterFsRegistrationChange),
    ROW(IoUnregisterFsRegistrationChange),
    ROW(IoQueueWorkItemEx),
    ROW(IoSetThreadHardErrorMode),
    LAST,
};
