/*
 * IRPs that this driver makes, sends to its own device and completes.
 */
#include "kselftest.h"
#define FILE_NAME "io_irp.c"

static PDEVICE_OBJECT Device;
static ULONG Dispatched, Completed;

static NTSTATUS NTAPI Dispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);

    Dispatched++;
    CHECK(DeviceObject == Device && stack->DeviceObject == Device && stack->MajorFunction == IRP_MJ_FLUSH_BUFFERS);
    Irp->IoStatus.Status = STATUS_DEVICE_BUSY;
    Irp->IoStatus.Information = 77;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_DEVICE_BUSY;
}

static NTSTATUS NTAPI Completion(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    Completed++;
    CHECK(Context == &Completed && Irp->IoStatus.Status == STATUS_DEVICE_BUSY && Irp->IoStatus.Information == 77);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static PIRP Begin(VOID)
{
    Device = NULL;
    Dispatched = Completed = 0;
    Driver->MajorFunction[IRP_MJ_FLUSH_BUFFERS] = Dispatch;
    CHECK(IoCreateDevice(Driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Device) == STATUS_SUCCESS);
    return Device != NULL ? IoAllocateIrp(Device->StackSize, FALSE) : NULL;
}

static VOID End(PIRP Irp)
{
    if (Irp != NULL) {
        IoFreeIrp(Irp);
    }
    if (Device != NULL) {
        IoDeleteDevice(Device);
    }
}

CASE_OF(IoAllocateIrp)
{
    PIRP irp = IoAllocateIrp(3, FALSE);

    REQUIRE(irp != NULL);
    CHECK(irp->Type == 6 && irp->Size == IoSizeOfIrp(3) && irp->StackCount == 3 && irp->CurrentLocation == 4);
    CHECK(irp->Flags == 0 && irp->MdlAddress == NULL && irp->IoStatus.Status == 0 && !irp->Cancel);
    IoFreeIrp(irp);
}

static VOID Send(PIRP Irp)
{
    PIO_STACK_LOCATION stack = IoGetNextIrpStackLocation(Irp);
    NTSTATUS status;

    stack->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    IoSetCompletionRoutine(Irp, Completion, &Completed, TRUE, TRUE, TRUE);
    status = IofCallDriver(Device, Irp);
    CHECK(status == STATUS_DEVICE_BUSY);
    CHECK(Dispatched == 1 && Completed == 1);
}

CASE_OF(IofCallDriver)
{
    PIRP irp = Begin();

    if (CHECK(irp != NULL)) {
        Send(irp);
    }
    End(irp);
}

CASE_OF(IofCompleteRequest)
{
    PIRP irp = Begin();

    if (CHECK(irp != NULL)) {
        Send(irp);
    }
    End(irp);
}

CASE_OF(IoCancelIrp)
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    REQUIRE(irp != NULL);
    CHECK(!IoCancelIrp(irp) && irp->Cancel);
    irp->Cancel = FALSE;
    CHECK(!IoCancelIrp(irp));
    IoFreeIrp(irp);
}

CASE_OF(IoIsOperationSynchronous)
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    REQUIRE(irp != NULL);
    IoSetNextIrpStackLocation(irp);
    irp->Flags = IRP_SYNCHRONOUS_API;
    CHECK(IoIsOperationSynchronous(irp));
    irp->Flags = IRP_PAGING_IO | IRP_SYNCHRONOUS_PAGING_IO;
    CHECK(IoIsOperationSynchronous(irp));
    irp->Flags = IRP_PAGING_IO;
    CHECK(!IoIsOperationSynchronous(irp));
    IoFreeIrp(irp);
}

const CASE IrpChecks[] = {
    ROW(IoAllocateIrp), ROW(IofCallDriver), ROW(IofCompleteRequest), ROW(IoCancelIrp), ROW(IoIsOperationSynchronous), LAST,
};
