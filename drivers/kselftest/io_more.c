/*
 * IRPs in parts, share access, devices by name and by stack.
 */
#include "kselftest.h"
#define FILE_NAME "io_more.c"

CASE_OF(IoInitializeIrp)
{
    static DECLSPEC_ALIGN(16) UCHAR memory[sizeof(IRP) + 4 * sizeof(IO_STACK_LOCATION)];
    PIRP irp = (PIRP)memory;

    Fill(memory, sizeof(memory), 0xCC);
    IoInitializeIrp(irp, IoSizeOfIrp(2), 2);
    CHECK(irp->Type == 6 && irp->StackCount == 2 && irp->CurrentLocation == 3 && irp->MdlAddress == NULL);
    CHECK(irp->Size == IoSizeOfIrp(2));
}

CASE_OF(IoReuseIrp)
{
    PIRP irp = IoAllocateIrp(2, FALSE);

    REQUIRE(irp != NULL);
    IoSetNextIrpStackLocation(irp);
    irp->Flags = IRP_NOCACHE;
    IoReuseIrp(irp, STATUS_NOT_SUPPORTED);
    CHECK(irp->IoStatus.Status == STATUS_NOT_SUPPORTED && irp->CurrentLocation == 3 && irp->Flags == 0);
    IoFreeIrp(irp);
}

CASE_OF(IoMakeAssociatedIrp)
{
    PIRP master = IoAllocateIrp(1, FALSE), irp;

    REQUIRE(master != NULL);
    irp = IoMakeAssociatedIrp(master, 2);
    if (CHECK(irp != NULL)) {
        CHECK(irp->AssociatedIrp.MasterIrp == master && (irp->Flags & IRP_ASSOCIATED_IRP) && irp->StackCount == 2);
        IoFreeIrp(irp);
    }
    IoFreeIrp(master);
}

CASE_OF(IoAcquireCancelSpinLock)
{
    KIRQL old = 9;

    IoAcquireCancelSpinLock(&old);
    CHECK(old == PASSIVE_LEVEL && __readcr8() == DISPATCH_LEVEL);
    if (__readcr8() == DISPATCH_LEVEL) {
        IoReleaseCancelSpinLock(PASSIVE_LEVEL);
    }
}

CASE_OF(IoReleaseCancelSpinLock)
{
    KIRQL old = 9;

    IoAcquireCancelSpinLock(&old);
    IoReleaseCancelSpinLock(old);
    CHECK(__readcr8() == PASSIVE_LEVEL);
    __writecr8(PASSIVE_LEVEL);
}

static SHARE_ACCESS Share;
static FILE_OBJECT Object;

static VOID BeginShare(VOID)
{
    Fill(&Share, sizeof(Share), 0);
    Fill(&Object, sizeof(Object), 0);
    Object.Type = 5;
    Object.Size = sizeof(Object);
    IoSetShareAccess(FILE_READ_DATA, FILE_SHARE_READ, &Object, &Share);
}

CASE_OF(IoSetShareAccess)
{
    BeginShare();
    CHECK(Share.OpenCount == 1 && Share.Readers == 1 && Share.SharedRead == 1 && Share.Writers == 0);
    CHECK(Object.ReadAccess && Object.SharedRead && !Object.WriteAccess && !Object.SharedWrite);
}

CASE_OF(IoCheckShareAccess)
{
    FILE_OBJECT other;

    BeginShare();
    other = Object;
    CHECK(IoCheckShareAccess(FILE_WRITE_DATA, FILE_SHARE_READ, &other, &Share, FALSE) == STATUS_SHARING_VIOLATION);
    CHECK(IoCheckShareAccess(FILE_READ_DATA, 0, &other, &Share, FALSE) == STATUS_SHARING_VIOLATION);
    CHECK(IoCheckShareAccess(FILE_READ_DATA, FILE_SHARE_READ, &other, &Share, TRUE) == STATUS_SUCCESS);
    CHECK(Share.OpenCount == 2 && Share.Readers == 2);
}

CASE_OF(IoUpdateShareAccess)
{
    BeginShare();
    IoUpdateShareAccess(&Object, &Share);
    CHECK(Share.OpenCount == 2 && Share.Readers == 2 && Share.SharedRead == 2);
}

CASE_OF(IoRemoveShareAccess)
{
    BeginShare();
    IoRemoveShareAccess(&Object, &Share);
    CHECK(Share.OpenCount == 0 && Share.Readers == 0 && Share.SharedRead == 0);
}

CASE_OF(IoGetDeviceObjectPointer)
{
    UNICODE_STRING none = Text(L"\\Device\\KSelfTestNowhere"), disk = Text(L"\\Device\\HarddiskVolume1");
    PDEVICE_OBJECT device = NULL;
    PFILE_OBJECT file = NULL;

    CHECK(IoGetDeviceObjectPointer(&none, FILE_READ_DATA, &file, &device) == STATUS_OBJECT_NAME_NOT_FOUND);
    REQUIRE(IoGetDeviceObjectPointer(&disk, FILE_READ_ATTRIBUTES, &file, &device) == STATUS_SUCCESS);
    CHECK(file != NULL && device != NULL && file->Type == 5);
    ObDereferenceObject(file);
}

CASE_OF(IoGetAttachedDeviceReference)
{
    PDEVICE_OBJECT device;

    REQUIRE(IoCreateDevice(Driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device) == STATUS_SUCCESS);
    if (CHECK(IoGetAttachedDeviceReference(device) == device)) {
        ObDereferenceObject(device);
    }
    IoDeleteDevice(device);
}

CASE_OF(IoGetLowerDeviceObject)
{
    PDEVICE_OBJECT lower, upper, found;

    REQUIRE(IoCreateDevice(Driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &lower) == STATUS_SUCCESS);
    REQUIRE(IoCreateDevice(Driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &upper) == STATUS_SUCCESS);
    lower->Flags &= ~DO_DEVICE_INITIALIZING;
    CHECK(IoAttachDeviceToDeviceStack(upper, lower) == lower);
    CHECK(IoGetLowerDeviceObject(lower) == NULL);
    found = IoGetLowerDeviceObject(upper);
    if (CHECK(found == lower)) {
        ObDereferenceObject(found);
    }
    IoDetachDevice(lower);
    IoDeleteDevice(upper);
    IoDeleteDevice(lower);
}

CASE_OF(IoGetInitialStack)
{
    ULONG_PTR low, high;

    IoGetStackLimits(&low, &high);
    CHECK((ULONG_PTR)IoGetInitialStack() <= high && (ULONG_PTR)IoGetInitialStack() > (ULONG_PTR)&low);
}

CASE_OF(IoGetRemainingStackSize)
{
    ULONG_PTR(NTAPI * remaining)(VOID) = Export(L"IoGetRemainingStackSize");
    ULONG_PTR low, high;

    REQUIRE(remaining != NULL);
    IoGetStackLimits(&low, &high);
    CHECK(remaining() > 0 && remaining() < high - low);
}

CASE_OF(IoWithinStackLimits)
{
    ULONG_PTR here = 0;
    static ULONG elsewhere;

    CHECK(IoWithinStackLimits((ULONG_PTR)&here, sizeof(here)) && !IoWithinStackLimits((ULONG_PTR)&elsewhere, 4));
}

CASE_OF(IoIsSystemThread)
{
    CHECK(IoIsSystemThread((PETHREAD)__readgsqword(0x188)) == PsIsSystemThread((PETHREAD)__readgsqword(0x188)));
    CHECK(IoIsSystemThread((PETHREAD)__readgsqword(0x188)) <= 1);
}

const CASE MoreIoChecks[] = {
    ROW(IoInitializeIrp),
    ROW(IoReuseIrp),
    ROW(IoMakeAssociatedIrp),
    ROW(IoAcquireCancelSpinLock),
    ROW(IoReleaseCancelSpinLock),
    ROW(IoSetShareAccess),
    ROW(IoCheckShareAccess),
    ROW(IoUpdateShareAccess),
    ROW(IoRemoveShareAccess),
    ROW(IoGetDeviceObjectPointer),
    ROW(IoGetAttachedDeviceReference),
    ROW(IoGetLowerDeviceObject),
    ROW(IoGetInitialStack),
    ROW(IoGetRemainingStackSize),
    ROW(IoWithinStackLimits),
    ROW(IoIsSystemThread),
    LAST,
};
