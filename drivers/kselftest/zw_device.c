/*
 * Requests by handle that only some file systems serve: a device of this driver's own is opened and answers them.
 */
#include "kselftest.h"
#define FILE_NAME "zw_device.c"

#define NAME L"\\Device\\KSelfTestZw"
#define BUFFERED CTL_CODE(FILE_DEVICE_UNKNOWN, 0x803, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define NEITHER CTL_CODE(FILE_DEVICE_UNKNOWN, 0x804, METHOD_NEITHER, FILE_ANY_ACCESS)
#define PENDED CTL_CODE(FILE_DEVICE_UNKNOWN, 0x805, METHOD_BUFFERED, FILE_ANY_ACCESS)

static PDEVICE_OBJECT Device;
static HANDLE Handle;
static IO_STATUS_BLOCK Io;
static IO_STACK_LOCATION Seen;
static LARGE_INTEGER Range[2];
static UCHAR Input[8];
static PVOID UserBuffer;
static ULONG Requests;

static VOID NTAPI Cancel(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    IoReleaseCancelSpinLock(Irp->CancelIrql);
    Irp->IoStatus.Status = STATUS_CANCELLED;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
}

/* S-1-5-18 owns it. */
static DECLSPEC_ALIGN(4) UCHAR Security[32] = {1, 0, 0, 0x80, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                               1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0};
static PSID SetOwner;

static NTSTATUS QuerySecurity(PIRP Irp)
{
    Irp->IoStatus.Information = sizeof(Security);
    if (Seen.Parameters.QuerySecurity.Length < sizeof(Security)) {
        return STATUS_BUFFER_OVERFLOW;
    }
    __movsb(Irp->UserBuffer, Security, sizeof(Security));
    return STATUS_SUCCESS;
}

/* Notes what it is asked for. What comes in one buffer with the answer is noted first, then filled with 5 bytes. */
static NTSTATUS NTAPI Dispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PVOID buffer = Irp->AssociatedIrp.SystemBuffer;
    NTSTATUS status = STATUS_SUCCESS;

    Seen = *IoGetCurrentIrpStackLocation(Irp);
    UserBuffer = Irp->UserBuffer;
    Requests++;
    if (Seen.MajorFunction == IRP_MJ_DEVICE_CONTROL && Seen.Parameters.DeviceIoControl.IoControlCode == PENDED) {
        IoMarkIrpPending(Irp);
        IoSetCancelRoutine(Irp, Cancel);
        return STATUS_PENDING;
    }
    Irp->IoStatus.Information = 0;
    Irp->IoStatus.Status = STATUS_SUCCESS;
    switch (Seen.MajorFunction) {
    case IRP_MJ_QUERY_SECURITY:
        Irp->IoStatus.Status = status = QuerySecurity(Irp);
        break;
    case IRP_MJ_SET_SECURITY:
        SetOwner = ((SECURITY_DESCRIPTOR *)Seen.Parameters.SetSecurity.SecurityDescriptor)->Owner;
        break;
    case IRP_MJ_LOCK_CONTROL:
        if (Seen.MinorFunction != IRP_MN_UNLOCK_ALL) { /* which closing the handle sends */
            Range[0] = Seen.Parameters.LockControl.ByteOffset;
            Range[1] = *Seen.Parameters.LockControl.Length;
        }
        break;
    case IRP_MJ_DEVICE_CONTROL:
    case IRP_MJ_FILE_SYSTEM_CONTROL:
    case IRP_MJ_SET_EA:
    case IRP_MJ_SET_VOLUME_INFORMATION:
    case IRP_MJ_QUERY_EA:
    case IRP_MJ_DIRECTORY_CONTROL:
        if (buffer != NULL) {
            __movsb(Input, buffer, sizeof(Input));
            if (Seen.MajorFunction != IRP_MJ_SET_EA && Seen.MajorFunction != IRP_MJ_SET_VOLUME_INFORMATION) {
                Fill(buffer, 5, 'o');
                Irp->IoStatus.Information = 5;
            }
        }
        break;
    }
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return status;
}

/* Opens the device, for synchronous requests if Options say so. */
static BOOLEAN Begin(ULONG Options)
{
    static const UCHAR functions[] = {
        IRP_MJ_CREATE,   IRP_MJ_CLEANUP, IRP_MJ_CLOSE,    IRP_MJ_DEVICE_CONTROL,         IRP_MJ_FILE_SYSTEM_CONTROL,
        IRP_MJ_QUERY_EA, IRP_MJ_SET_EA,  IRP_MJ_LOCK_CONTROL, IRP_MJ_SET_VOLUME_INFORMATION, IRP_MJ_DIRECTORY_CONTROL,
        IRP_MJ_QUERY_SECURITY, IRP_MJ_SET_SECURITY,
    };
    UNICODE_STRING name = Text(NAME), file = Text(NAME L"\\file");
    OBJECT_ATTRIBUTES attributes;
    ULONG i;

    for (i = 0; i < ARRAYSIZE(functions); i++) {
        Driver->MajorFunction[functions[i]] = Dispatch;
    }
    Device = NULL;
    Handle = NULL;
    Requests = 0;
    InitializeObjectAttributes(&attributes, &file, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    if (!CHECK(IoCreateDevice(Driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &Device) == STATUS_SUCCESS)) {
        return FALSE;
    }
    Device->Flags |= DO_BUFFERED_IO;
    Device->Flags &= ~DO_DEVICE_INITIALIZING;
    if (!CHECK(ZwOpenFile(&Handle, FILE_ALL_ACCESS, &attributes, &Io, 7, Options) == STATUS_SUCCESS)) {
        return FALSE;
    }
    Fill(&Io, sizeof(Io), 0xCC);
    Fill(&Seen, sizeof(Seen), 0);
    Fill(Input, sizeof(Input), 0);
    UserBuffer = NULL;
    return CHECK(Requests == 1);
}

static VOID End(VOID)
{
    if (Handle != NULL) {
        ZwClose(Handle);
    }
    if (Device != NULL) {
        IoDeleteDevice(Device);
    }
}

static UCHAR Asked[] = "question", Answer[16];

CASE_OF(ZwDeviceIoControlFile)
{
    if (Begin(FILE_SYNCHRONOUS_IO_NONALERT)) {
        Fill(Answer, sizeof(Answer), 0);
        CHECK(ZwDeviceIoControlFile(Handle, NULL, NULL, NULL, &Io, BUFFERED, Asked, 8, Answer, 16) == STATUS_SUCCESS);
        CHECK(Seen.MajorFunction == IRP_MJ_DEVICE_CONTROL && Seen.Parameters.DeviceIoControl.IoControlCode == BUFFERED);
        CHECK(SameBytes(Input, "question", 8) && Io.Status == STATUS_SUCCESS && Io.Information == 5);
        CHECK(Holds(Answer, 5, 'o') && Answer[5] == 0);
        CHECK(ZwDeviceIoControlFile(Handle, NULL, NULL, NULL, &Io, NEITHER, Asked, 8, Answer, 16) == STATUS_SUCCESS);
        CHECK(Seen.Parameters.DeviceIoControl.Type3InputBuffer == Asked && UserBuffer == Answer && Io.Information == 0);
    }
    End();
}

CASE_OF(ZwFsControlFile)
{
    if (Begin(FILE_SYNCHRONOUS_IO_NONALERT)) {
        Fill(Answer, sizeof(Answer), 0);
        CHECK(ZwFsControlFile(Handle, NULL, NULL, NULL, &Io, BUFFERED, Asked, 8, Answer, 16) == STATUS_SUCCESS);
        CHECK(Seen.MajorFunction == IRP_MJ_FILE_SYSTEM_CONTROL && Seen.MinorFunction == IRP_MN_USER_FS_REQUEST);
        CHECK(Seen.Parameters.FileSystemControl.FsControlCode == BUFFERED);
        CHECK(SameBytes(Input, "question", 8) && Io.Information == 5 && Holds(Answer, 5, 'o') && Answer[5] == 0);
    }
    End();
}

CASE_OF(ZwCancelIoFile)
{
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK other;
    HANDLE event = NULL;

    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    REQUIRE(ZwCreateEvent(&event, EVENT_ALL_ACCESS, &attributes, NotificationEvent, FALSE) == STATUS_SUCCESS);
    if (Begin(0)) {
        CHECK(ZwDeviceIoControlFile(Handle, event, NULL, NULL, &Io, PENDED, NULL, 0, NULL, 0) == STATUS_PENDING);
        CHECK(ZwWaitForSingleObject(event, FALSE, &Now) == STATUS_TIMEOUT);
        CHECK(ZwCancelIoFile(Handle, &other) == STATUS_SUCCESS);
        CHECK(ZwWaitForSingleObject(event, FALSE, &Soon) == STATUS_SUCCESS);
        CHECK(Io.Status == STATUS_CANCELLED && other.Status == STATUS_SUCCESS);
    }
    ZwClose(event);
    End();
}

CASE_OF(ZwLockFile)
{
    LARGE_INTEGER offset = {.QuadPart = 0x123456789}, length = {.QuadPart = 77};

    if (Begin(FILE_SYNCHRONOUS_IO_NONALERT)) {
        CHECK(ZwLockFile(Handle, NULL, NULL, NULL, &Io, &offset, &length, 5, TRUE, TRUE) == STATUS_SUCCESS);
        CHECK(Seen.MajorFunction == IRP_MJ_LOCK_CONTROL && Seen.MinorFunction == IRP_MN_LOCK);
        CHECK(Range[0].QuadPart == offset.QuadPart && Range[1].QuadPart == 77 && Seen.Parameters.LockControl.Key == 5);
        CHECK(Seen.Flags == (SL_FAIL_IMMEDIATELY | SL_EXCLUSIVE_LOCK) && Io.Status == STATUS_SUCCESS);
        CHECK(ZwLockFile(Handle, NULL, NULL, NULL, &Io, &offset, &length, 5, FALSE, FALSE) == STATUS_SUCCESS);
        CHECK(!(Seen.Flags & (SL_FAIL_IMMEDIATELY | SL_EXCLUSIVE_LOCK)));
    }
    End();
}

CASE_OF(ZwUnlockFile)
{
    LARGE_INTEGER offset = {.QuadPart = 0x123456789}, length = {.QuadPart = 77};

    if (Begin(FILE_SYNCHRONOUS_IO_NONALERT)) {
        CHECK(ZwUnlockFile(Handle, &Io, &offset, &length, 6) == STATUS_SUCCESS);
        CHECK(Seen.MajorFunction == IRP_MJ_LOCK_CONTROL && Seen.MinorFunction == IRP_MN_UNLOCK_SINGLE);
        CHECK(Range[0].QuadPart == offset.QuadPart && Range[1].QuadPart == 77 && Seen.Parameters.LockControl.Key == 6);
        CHECK(Io.Status == STATUS_SUCCESS);
    }
    End();
}

CASE_OF(ZwNotifyChangeDirectoryFile)
{
    if (Begin(FILE_SYNCHRONOUS_IO_NONALERT)) {
        CHECK(ZwNotifyChangeDirectoryFile(Handle, NULL, NULL, NULL, &Io, Answer, 16, FILE_NOTIFY_CHANGE_SIZE, TRUE)
              == STATUS_SUCCESS);
        CHECK(Seen.MajorFunction == IRP_MJ_DIRECTORY_CONTROL && Seen.MinorFunction == IRP_MN_NOTIFY_CHANGE_DIRECTORY);
        CHECK(Seen.Parameters.NotifyDirectory.Length == 16);
        CHECK(Seen.Parameters.NotifyDirectory.CompletionFilter == FILE_NOTIFY_CHANGE_SIZE && Seen.Flags == SL_WATCH_TREE);
        CHECK(ZwNotifyChangeDirectoryFile(Handle, NULL, NULL, NULL, &Io, Answer, 16, 0, TRUE) == STATUS_INVALID_PARAMETER);
    }
    End();
}

/* Extended attributes: A=b and C=d. */
static DECLSPEC_ALIGN(4) UCHAR Ea[24] = {12, 0, 0, 0, 0, 1, 1, 0, 'A', 0, 'b', 0, 0, 0, 0, 0, 0, 1, 1, 0, 'C', 0, 'd'};

CASE_OF(IoCheckEaBufferValidity)
{
    ULONG offset = 99;

    CHECK(IoCheckEaBufferValidity((PVOID)Ea, 23, &offset) == STATUS_SUCCESS);
    CHECK(IoCheckEaBufferValidity((PVOID)Ea, 22, &offset) == STATUS_EA_LIST_INCONSISTENT && offset == 12);
    Ea[0] = 10; /* not at a multiple of four */
    CHECK(IoCheckEaBufferValidity((PVOID)Ea, 23, &offset) == STATUS_EA_LIST_INCONSISTENT && offset == 0);
    Ea[0] = 12;
}

CASE_OF(ZwSetEaFile)
{
    if (Begin(FILE_SYNCHRONOUS_IO_NONALERT)) {
        CHECK(ZwSetEaFile(Handle, &Io, Ea, 23) == STATUS_SUCCESS);
        CHECK(Seen.MajorFunction == IRP_MJ_SET_EA && Seen.Parameters.SetEa.Length == 23);
        CHECK(SameBytes(Input, Ea, 8) && Io.Status == STATUS_SUCCESS);
        CHECK(ZwSetEaFile(Handle, &Io, Ea, 22) == STATUS_EA_LIST_INCONSISTENT); /* the value is not all there */
    }
    End();
}

CASE_OF(ZwQueryEaFile)
{
    if (Begin(FILE_SYNCHRONOUS_IO_NONALERT)) {
        Fill(Answer, sizeof(Answer), 0);
        CHECK(ZwQueryEaFile(Handle, &Io, Answer, 16, TRUE, NULL, 0, NULL, TRUE) == STATUS_SUCCESS);
        CHECK(Seen.MajorFunction == IRP_MJ_QUERY_EA && Seen.Parameters.QueryEa.Length == 16);
        CHECK(Seen.Flags == (SL_RESTART_SCAN | SL_RETURN_SINGLE_ENTRY) && Seen.Parameters.QueryEa.EaList == NULL);
        CHECK(Io.Information == 5 && Holds(Answer, 5, 'o') && Answer[5] == 0);
    }
    End();
}

CASE_OF(ZwSetVolumeInformationFile)
{
    static struct {
        ULONG Length;
        WCHAR Label[2];
    } label = {4, {L'a', L'b'}};

    if (Begin(FILE_SYNCHRONOUS_IO_NONALERT)) {
        CHECK(ZwSetVolumeInformationFile(Handle, &Io, &label, 8, FileFsLabelInformation) == STATUS_SUCCESS);
        CHECK(Seen.MajorFunction == IRP_MJ_SET_VOLUME_INFORMATION && Seen.Parameters.SetVolume.Length == 8);
        CHECK(Seen.Parameters.SetVolume.FsInformationClass == FileFsLabelInformation && SameBytes(Input, &label, 8));
        CHECK(Io.Status == STATUS_SUCCESS);
    }
    End();
}

CASE_OF(ZwQuerySecurityObject)
{
    UCHAR found[64];
    ULONG needed = 0;

    if (Begin(FILE_SYNCHRONOUS_IO_NONALERT)) {
        CHECK(ZwQuerySecurityObject(Handle, OWNER_SECURITY_INFORMATION, NULL, 0, &needed) == STATUS_BUFFER_TOO_SMALL);
        CHECK(needed == sizeof(Security));
        CHECK(ZwQuerySecurityObject(Handle, OWNER_SECURITY_INFORMATION, found, sizeof(found), &needed) == STATUS_SUCCESS);
        CHECK(needed == sizeof(Security) && SameBytes(found, Security, sizeof(Security)));
        CHECK(Seen.MajorFunction == IRP_MJ_QUERY_SECURITY && Seen.Parameters.QuerySecurity.Length == sizeof(found));
        CHECK(Seen.Parameters.QuerySecurity.SecurityInformation == OWNER_SECURITY_INFORMATION);
    }
    End();
}

CASE_OF(ZwSetSecurityObject)
{
    SECURITY_DESCRIPTOR descriptor;

    if (Begin(FILE_SYNCHRONOUS_IO_NONALERT)) {
        SetOwner = NULL;
        CHECK(RtlCreateSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION) == STATUS_SUCCESS);
        CHECK(RtlSetOwnerSecurityDescriptor(&descriptor, Security + 20, FALSE) == STATUS_SUCCESS);
        CHECK(ZwSetSecurityObject(Handle, OWNER_SECURITY_INFORMATION, &descriptor) == STATUS_SUCCESS);
        CHECK(Seen.MajorFunction == IRP_MJ_SET_SECURITY && SetOwner == Security + 20);
        CHECK(Seen.Parameters.SetSecurity.SecurityInformation == OWNER_SECURITY_INFORMATION);
    }
    End();
}

/* Opens a file of the first volume that goes with its handle. */
static NTSTATUS MakeFile(PCWSTR Name, PHANDLE File)
{
    UNICODE_STRING name = Text(Name);
    OBJECT_ATTRIBUTES attributes;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    return ZwCreateFile(File, GENERIC_READ | DELETE | SYNCHRONIZE, &attributes, &Io, NULL, 0, 7, FILE_OPEN_IF,
                        FILE_NON_DIRECTORY_FILE | FILE_DELETE_ON_CLOSE, NULL, 0);
}

CASE_OF(ZwQueryDirectoryFileEx)
{
    UNICODE_STRING name = Text(L"\\??\\C:\\"), pattern = Text(L"KSELF?.TMP");
    OBJECT_ATTRIBUTES attributes;
    DECLSPEC_ALIGN(8) UCHAR buffer[256];
    PFILE_NAMES_INFORMATION found = (PFILE_NAMES_INFORMATION)buffer;
    HANDLE files[2], root;
    ULONG length = FIELD_OFFSET(FILE_NAMES_INFORMATION, FileName) + 20;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    REQUIRE(MakeFile(L"\\??\\C:\\kself1.tmp", &files[0]) == STATUS_SUCCESS);
    REQUIRE(MakeFile(L"\\??\\C:\\kself2.tmp", &files[1]) == STATUS_SUCCESS);
    if (CHECK(ZwOpenFile(&root, FILE_LIST_DIRECTORY | SYNCHRONIZE, &attributes, &Io, 7,
                         FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT)
              == STATUS_SUCCESS)) {
        CHECK(ZwQueryDirectoryFileEx(root, NULL, NULL, NULL, &Io, buffer, sizeof(buffer), FileNamesInformation,
                                     SL_RESTART_SCAN | SL_RETURN_SINGLE_ENTRY, &pattern)
              == STATUS_SUCCESS);
        CHECK(found->NextEntryOffset == 0 && Io.Information == length); /* one, as asked */
        CHECK(SameBytes(found->FileName, L"kself1.tmp", 20));
        CHECK(ZwQueryDirectoryFileEx(root, NULL, NULL, NULL, &Io, buffer, sizeof(buffer), FileNamesInformation, 0, NULL)
              == STATUS_SUCCESS);
        CHECK(SameBytes(found->FileName, L"kself2.tmp", 20)); /* goes on with the same pattern */
        CHECK(ZwQueryDirectoryFileEx(root, NULL, NULL, NULL, &Io, buffer, sizeof(buffer), FileNamesInformation,
                                     SL_RESTART_SCAN, NULL)
              == STATUS_SUCCESS);
        CHECK(found->NextEntryOffset != 0 && SameBytes(found->FileName, L"kself1.tmp", 20)); /* both */
        ZwClose(root);
    }
    ZwClose(files[0]);
    ZwClose(files[1]);
}

const CASE ZwDeviceChecks[] = {
    ROW(ZwDeviceIoControlFile),
    ROW(ZwFsControlFile),
    ROW(ZwCancelIoFile),
    ROW(ZwLockFile),
    ROW(ZwUnlockFile),
    ROW(ZwNotifyChangeDirectoryFile),
    ROW(IoCheckEaBufferValidity),
    ROW(ZwSetEaFile),
    ROW(ZwQueryEaFile),
    ROW(ZwSetVolumeInformationFile),
    ROW(ZwQuerySecurityObject),
    ROW(ZwSetSecurityObject),
    ROW(ZwQueryDirectoryFileEx),
    LAST,
};
