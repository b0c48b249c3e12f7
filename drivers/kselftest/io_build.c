/*
 * IRPs that the I/O manager builds, who asked for them, partial MDLs.
 */
#include "kselftest.h"
#define FILE_NAME "io_build.c"

static PDEVICE_OBJECT Device;
static IO_STACK_LOCATION Seen;
static PVOID SystemBuffer, UserBuffer;
static PMDL Mdl;
static KEVENT Done;
static IO_STATUS_BLOCK Io;
static UCHAR Data[64];

/* Turns around what comes in buffered, fills what a read asks for, tells what it got. */
static NTSTATUS NTAPI Dispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    Seen = *IoGetCurrentIrpStackLocation(Irp);
    SystemBuffer = Irp->AssociatedIrp.SystemBuffer;
    UserBuffer = Irp->UserBuffer;
    Mdl = Irp->MdlAddress;
    Irp->IoStatus.Information = 0;
    if (Seen.MajorFunction == IRP_MJ_READ && SystemBuffer != NULL) {
        Fill(SystemBuffer, Seen.Parameters.Read.Length, 'r');
        Irp->IoStatus.Information = Seen.Parameters.Read.Length;
    }
    if (Seen.MajorFunction == IRP_MJ_DEVICE_CONTROL && SystemBuffer != NULL) {
        CHECK(SameBytes(SystemBuffer, "abcd", 4));
        Fill(SystemBuffer, 6, 'o');
        Irp->IoStatus.Information = 6;
    }
    Irp->IoStatus.Status = STATUS_SUCCESS;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static BOOLEAN Begin(ULONG Flags)
{
    Driver->MajorFunction[IRP_MJ_READ] = Driver->MajorFunction[IRP_MJ_WRITE] = Dispatch;
    Driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = Driver->MajorFunction[IRP_MJ_INTERNAL_DEVICE_CONTROL] = Dispatch;
    Fill(&Seen, sizeof(Seen), 0);
    Fill(&Io, sizeof(Io), 0xCC);
    SystemBuffer = UserBuffer = Mdl = NULL;
    MakeEvent(&Done, NotificationEvent, 0);
    if (!CHECK(IoCreateDevice(Driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Device) == STATUS_SUCCESS)) {
        return FALSE;
    }
    Device->Flags |= Flags;
    return TRUE;
}

/* Sends an IRP that the I/O manager completes. */
static VOID Send(PIRP Irp)
{
    NTSTATUS status = IoCallDriver(Device, Irp);

    CHECK(status == STATUS_SUCCESS || status == STATUS_PENDING);
    CHECK(KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, &Soon) == STATUS_SUCCESS);
    CHECK(Io.Status == STATUS_SUCCESS);
}

CASE_OF(IoBuildSynchronousFsdRequest)
{
    LARGE_INTEGER offset = {.QuadPart = 0x123456789};
    PIRP irp;

    REQUIRE(Begin(DO_BUFFERED_IO));
    Fill(Data, sizeof(Data), 0);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_READ, Device, Data, 10, &offset, &Done, &Io);
    if (CHECK(irp != NULL)) {
        Send(irp);
        CHECK(Seen.MajorFunction == IRP_MJ_READ && Seen.Parameters.Read.Length == 10);
        CHECK(Seen.Parameters.Read.ByteOffset.QuadPart == offset.QuadPart);
        CHECK(SystemBuffer != NULL && SystemBuffer != Data && Io.Information == 10);
        CHECK(Holds(Data, 10, 'r') && Data[10] == 0);
    }
    IoDeleteDevice(Device);
}

CASE_OF(IoBuildAsynchronousFsdRequest)
{
    LARGE_INTEGER offset = {.QuadPart = 0x4000};
    PIO_STACK_LOCATION next;
    PIRP irp;

    REQUIRE(Begin(0));
    irp = IoBuildAsynchronousFsdRequest(IRP_MJ_WRITE, Device, Data, 10, &offset, &Io);
    if (CHECK(irp != NULL)) {
        next = IoGetNextIrpStackLocation(irp);
        CHECK(next->MajorFunction == IRP_MJ_WRITE && next->Parameters.Write.Length == 10);
        CHECK(next->Parameters.Write.ByteOffset.QuadPart == offset.QuadPart);
        CHECK(irp->UserBuffer == Data && irp->MdlAddress == NULL && irp->UserIosb == &Io);
        CHECK(irp->Tail.Overlay.Thread == PsGetCurrentThread() && irp->RequestorMode == KernelMode);
        IoFreeIrp(irp);
    }
    Device->Flags |= DO_DIRECT_IO;
    irp = IoBuildAsynchronousFsdRequest(IRP_MJ_READ, Device, Data, 10, &offset, &Io);
    if (CHECK(irp != NULL && irp->MdlAddress != NULL)) {
        CHECK(MmGetMdlVirtualAddress(irp->MdlAddress) == Data && (irp->MdlAddress->MdlFlags & MDL_PAGES_LOCKED));
        MmUnlockPages(irp->MdlAddress);
        IoFreeMdl(irp->MdlAddress);
        IoFreeIrp(irp);
    }
    IoDeleteDevice(Device);
}

#define BUFFERED CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define NEITHER CTL_CODE(FILE_DEVICE_UNKNOWN, 0x802, METHOD_NEITHER, FILE_ANY_ACCESS)

CASE_OF(IoBuildDeviceIoControlRequest)
{
    static UCHAR input[] = "abcd";
    PIRP irp;

    REQUIRE(Begin(0));
    Fill(Data, sizeof(Data), 0);
    irp = IoBuildDeviceIoControlRequest(BUFFERED, Device, input, 4, Data, 8, FALSE, &Done, &Io);
    if (CHECK(irp != NULL)) {
        Send(irp);
        CHECK(Seen.MajorFunction == IRP_MJ_DEVICE_CONTROL && Seen.Parameters.DeviceIoControl.IoControlCode == BUFFERED);
        CHECK(Seen.Parameters.DeviceIoControl.InputBufferLength == 4);
        CHECK(Seen.Parameters.DeviceIoControl.OutputBufferLength == 8);
        CHECK(Io.Information == 6 && Holds(Data, 6, 'o') && Data[6] == 0); /* no more than Information comes back */
    }
    KeClearEvent(&Done);
    irp = IoBuildDeviceIoControlRequest(NEITHER, Device, input, 4, Data, 8, TRUE, &Done, &Io);
    if (CHECK(irp != NULL)) {
        Send(irp);
        CHECK(Seen.MajorFunction == IRP_MJ_INTERNAL_DEVICE_CONTROL && UserBuffer == Data);
        CHECK(Seen.Parameters.DeviceIoControl.Type3InputBuffer == input);
    }
    IoDeleteDevice(Device);
}

CASE_OF(IoGetRequestorProcess)
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    REQUIRE(irp != NULL);
    CHECK(IoGetRequestorProcess(irp) == NULL); /* of no thread */
    irp->Tail.Overlay.Thread = PsGetCurrentThread();
    CHECK(IoGetRequestorProcess(irp) == PsInitialSystemProcess);
    IoFreeIrp(irp);
}

CASE_OF(IoGetRequestorProcessId)
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    REQUIRE(irp != NULL);
    CHECK(IoGetRequestorProcessId(irp) == 0); /* of no thread */
    irp->Tail.Overlay.Thread = PsGetCurrentThread();
    CHECK(IoGetRequestorProcessId(irp) == 4);
    IoFreeIrp(irp);
}

CASE_OF(IoIs32bitProcess)
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    CHECK(!IoIs32bitProcess(NULL));
    REQUIRE(irp != NULL);
    irp->Tail.Overlay.Thread = PsGetCurrentThread();
    CHECK(!IoIs32bitProcess(irp));
    IoFreeIrp(irp);
}

static VOID NTAPI Cancel(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    IoReleaseCancelSpinLock(Irp->CancelIrql);
}

CASE_OF(IoSetCancelRoutine)
{
    PDRIVER_CANCEL(NTAPI * set)(PIRP, PDRIVER_CANCEL) = Export(L"IoSetCancelRoutine");
    PIRP irp = IoAllocateIrp(1, FALSE);

    REQUIRE(irp != NULL && set != NULL);
    CHECK(set(irp, Cancel) == NULL && irp->CancelRoutine == Cancel);
    CHECK(set(irp, NULL) == Cancel && irp->CancelRoutine == NULL);
    IoFreeIrp(irp);
}

/* The second page of a buffer of three and a bit of the third. */
CASE_OF(IoBuildPartialMdl)
{
    PUCHAR block = ExAllocatePoolWithTag(NonPagedPoolNx, 3 * PAGE_SIZE, TAG);
    PMDL whole, part;

    REQUIRE(block != NULL);
    whole = IoAllocateMdl(block, 3 * PAGE_SIZE, FALSE, FALSE, NULL);
    part = IoAllocateMdl(block, 2 * PAGE_SIZE, FALSE, FALSE, NULL);
    if (CHECK(whole != NULL && part != NULL)) {
        MmBuildMdlForNonPagedPool(whole);
        IoBuildPartialMdl(whole, part, block + PAGE_SIZE + 16, PAGE_SIZE);
        CHECK(MmGetMdlVirtualAddress(part) == block + PAGE_SIZE + 16 && MmGetMdlByteCount(part) == PAGE_SIZE);
        CHECK(part->MdlFlags & MDL_PARTIAL);
        CHECK(MmGetMdlPfnArray(part)[0] == MmGetMdlPfnArray(whole)[1]);
        CHECK(MmGetMdlPfnArray(part)[1] == MmGetMdlPfnArray(whole)[2]);
        IoBuildPartialMdl(whole, part, block + 2 * PAGE_SIZE + 100, 0); /* 0: to the end */
        CHECK(MmGetMdlByteCount(part) == PAGE_SIZE - 100);
        IoFreeMdl(part);
        IoFreeMdl(whole);
    }
    ExFreePoolWithTag(block, TAG);
}

const CASE IoBuildChecks[] = {
    ROW(IoBuildSynchronousFsdRequest),
    ROW(IoBuildAsynchronousFsdRequest),
    ROW(IoBuildDeviceIoControlRequest),
    ROW(IoGetRequestorProcess),
    ROW(IoGetRequestorProcessId),
    ROW(IoIs32bitProcess),
    ROW(IoSetCancelRoutine),
    ROW(IoBuildPartialMdl),
    LAST,
};
