/*
 * Devices, their names, IRPs that go through them, work items.
 */
#include "kselftest.h"
#define FILE_NAME "io_device.c"

static PDEVICE_OBJECT MakeDevice(PCWSTR Name)
{
    UNICODE_STRING name = Text(Name);
    PDEVICE_OBJECT device = NULL;

    CHECK(IoCreateDevice(Driver, 24, *Name == L'\0' ? NULL : &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device)
          == STATUS_SUCCESS);
    return device;
}

CASE_OF(IoCreateDevice)
{
    UNICODE_STRING name = Text(L"\\Device\\KSelfTest");
    PDEVICE_OBJECT device = NULL, other = NULL;

    REQUIRE(IoCreateDevice(Driver, 24, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device) == STATUS_SUCCESS);
    CHECK(device->DriverObject == Driver && device->DeviceType == FILE_DEVICE_UNKNOWN && device->StackSize == 1);
    CHECK(device->Flags & DO_DEVICE_INITIALIZING);
    CHECK(device->DeviceExtension != NULL && Holds(device->DeviceExtension, 24, 0));
    CHECK(Driver->DeviceObject == device && device->AttachedDevice == NULL);
    CHECK(IoCreateDevice(Driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &other) == STATUS_OBJECT_NAME_COLLISION);
    IoDeleteDevice(device);
}

CASE_OF(IoDeleteDevice)
{
    PDEVICE_OBJECT device = MakeDevice(L"\\Device\\KSelfTestGone");

    REQUIRE(device != NULL);
    IoDeleteDevice(device);
    CHECK(Driver->DeviceObject != device);
    device = MakeDevice(L"\\Device\\KSelfTestGone"); /* the name is free again */
    if (device != NULL) {
        IoDeleteDevice(device);
    }
}

CASE_OF(IoCreateSymbolicLink)
{
    UNICODE_STRING link = Text(L"\\DosDevices\\KSelfTest"), target = Text(L"\\Device\\KSelfTest");

    REQUIRE(IoCreateSymbolicLink(&link, &target) == STATUS_SUCCESS);
    CHECK(IoCreateSymbolicLink(&link, &target) == STATUS_OBJECT_NAME_COLLISION);
    CHECK(IoDeleteSymbolicLink(&link) == STATUS_SUCCESS);
}

CASE_OF(IoDeleteSymbolicLink)
{
    UNICODE_STRING link = Text(L"\\DosDevices\\KSelfTestLink"), target = Text(L"\\Device\\KSelfTest");

    CHECK(IoDeleteSymbolicLink(&link) == STATUS_OBJECT_NAME_NOT_FOUND);
    REQUIRE(IoCreateSymbolicLink(&link, &target) == STATUS_SUCCESS);
    CHECK(IoDeleteSymbolicLink(&link) == STATUS_SUCCESS);
}

/* Two devices, one attached to the other. */
static PDEVICE_OBJECT Lower, Upper;

static BOOLEAN BeginStack(VOID)
{
    Lower = MakeDevice(L"");
    Upper = MakeDevice(L"");
    return Lower != NULL && Upper != NULL;
}

static VOID EndStack(VOID)
{
    if (Lower->AttachedDevice != NULL) {
        IoDetachDevice(Lower);
    }
    IoDeleteDevice(Upper);
    IoDeleteDevice(Lower);
}

CASE_OF(IoAttachDeviceToDeviceStackSafe)
{
    PDEVICE_OBJECT below;

    REQUIRE(BeginStack());
    below = Upper;
    CHECK(IoAttachDeviceToDeviceStackSafe(Upper, Lower, &below) == STATUS_NO_SUCH_DEVICE); /* being initialized */
    CHECK(below == NULL);
    Lower->Flags &= ~DO_DEVICE_INITIALIZING;
    CHECK(IoAttachDeviceToDeviceStackSafe(Upper, Lower, &below) == STATUS_SUCCESS && below == Lower);
    CHECK(Lower->AttachedDevice == Upper && Upper->StackSize == Lower->StackSize + 1);
    EndStack();
}

CASE_OF(IoAttachDeviceToDeviceStack)
{
    REQUIRE(BeginStack());
    CHECK(IoAttachDeviceToDeviceStack(Upper, Lower) == NULL); /* it is still being initialized */
    Lower->Flags &= ~DO_DEVICE_INITIALIZING;
    CHECK(IoAttachDeviceToDeviceStack(Upper, Lower) == Lower);
    CHECK(Lower->AttachedDevice == Upper && Upper->StackSize == Lower->StackSize + 1);
    EndStack();
}

CASE_OF(IoDetachDevice)
{
    REQUIRE(BeginStack());
    Lower->Flags &= ~DO_DEVICE_INITIALIZING;
    IoAttachDeviceToDeviceStack(Upper, Lower);
    IoDetachDevice(Lower);
    CHECK(Lower->AttachedDevice == NULL);
    Lower->AttachedDevice = NULL;
    EndStack();
}

CASE_OF(IoGetAttachedDevice)
{
    REQUIRE(BeginStack());
    Lower->Flags &= ~DO_DEVICE_INITIALIZING;
    CHECK(IoGetAttachedDevice(Lower) == Lower);
    IoAttachDeviceToDeviceStack(Upper, Lower);
    CHECK(IoGetAttachedDevice(Lower) == Upper && IoGetAttachedDevice(Upper) == Upper);
    EndStack();
}

CASE_OF(IoGetCurrentProcess)
{
    CHECK(IoGetCurrentProcess() == PsInitialSystemProcess);
}

CASE_OF(IoGetTopLevelIrp)
{
    CHECK(IoGetTopLevelIrp() == NULL);
    IoSetTopLevelIrp((PIRP)FSRTL_FSP_TOP_LEVEL_IRP);
    CHECK(IoGetTopLevelIrp() == (PIRP)FSRTL_FSP_TOP_LEVEL_IRP);
    IoSetTopLevelIrp(NULL);
}

CASE_OF(IoSetTopLevelIrp)
{
    IoSetTopLevelIrp((PIRP)FSRTL_FAST_IO_TOP_LEVEL_IRP);
    CHECK(IoGetTopLevelIrp() == (PIRP)FSRTL_FAST_IO_TOP_LEVEL_IRP);
    IoSetTopLevelIrp(NULL);
    CHECK(IoGetTopLevelIrp() == NULL);
}

static KEVENT Done;
static PVOID Seen[2];

static VOID NTAPI WorkRoutine(PDEVICE_OBJECT Device, PVOID Context)
{
    Seen[0] = Device;
    Seen[1] = Context;
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL && IoGetCurrentProcess() == PsInitialSystemProcess);
    KeSetEvent(&Done, 0, FALSE);
}

CASE_OF(IoAllocateWorkItem)
{
    PDEVICE_OBJECT device = MakeDevice(L"");
    PIO_WORKITEM item;

    REQUIRE(device != NULL);
    item = IoAllocateWorkItem(device);
    if (CHECK(item != NULL)) {
        IoFreeWorkItem(item);
    }
    IoDeleteDevice(device);
}

CASE_OF(IoQueueWorkItem)
{
    PDEVICE_OBJECT device = MakeDevice(L"");
    PIO_WORKITEM item;

    REQUIRE(device != NULL);
    item = IoAllocateWorkItem(device);
    REQUIRE(item != NULL);
    Seen[0] = Seen[1] = NULL;
    MakeEvent(&Done, NotificationEvent, 0);
    IoQueueWorkItem(item, WorkRoutine, DelayedWorkQueue, Seen);
    CHECK(KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, &Soon) == STATUS_SUCCESS);
    CHECK(Seen[0] == device && Seen[1] == Seen);
    IoFreeWorkItem(item);
    IoDeleteDevice(device);
}

static VOID NTAPI ExWorkRoutine(PVOID Context)
{
    Seen[1] = Context;
    KeSetEvent(&Done, 0, FALSE);
}

CASE_OF(ExQueueWorkItem)
{
    static WORK_QUEUE_ITEM item;

    ExInitializeWorkItem(&item, ExWorkRoutine, &item);
    Seen[1] = NULL;
    MakeEvent(&Done, NotificationEvent, 0);
    ExQueueWorkItem(&item, DelayedWorkQueue);
    CHECK(KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, &Soon) == STATUS_SUCCESS);
    CHECK(Seen[1] == &item);
}

const CASE DeviceChecks[] = {
    ROW(IoCreateDevice),
    ROW(IoDeleteDevice),
    ROW(IoCreateSymbolicLink),
    ROW(IoDeleteSymbolicLink),
    ROW(IoAttachDeviceToDeviceStack),
    ROW(IoAttachDeviceToDeviceStackSafe),
    ROW(IoDetachDevice),
    ROW(IoGetAttachedDevice),
    ROW(IoGetCurrentProcess),
    ROW(IoGetTopLevelIrp),
    ROW(IoSetTopLevelIrp),
    LAST,
};

const CASE WorkItemChecks[] = {
    ROW(IoAllocateWorkItem),
    ROW(IoQueueWorkItem),
    ROW(ExQueueWorkItem),
    LAST,
};
