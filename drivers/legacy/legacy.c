/*
 * legacy: a file system filter of the older kind, which attaches a device of its own to the volume's device stack.
 *
 * It passes every IRP down, records it in the RESULTS structure of iopbtest, and checks that what it sees below itself
 * is one device of the filter manager, whatever minifilters are attached. The volume \Device\HarddiskVolume1 must be
 * mounted before the driver is loaded.
 */
#include "../parameters/parameters.h"
#include "../iopbtest/results.h"

static RESULTS Results;
static PDEVICE_OBJECT Device, Lower;

static VOID Fail(ULONG Line)
{
    LONG64 count = InterlockedIncrement64(&Results.FailedCount);

    if (count <= RESULTS_FAILURES) {
        Results.Failed[count - 1].Line = Line;
        Results.Failed[count - 1].Count = 1;
    }
}

#define CHECK(Condition)                                                                                     \
    do {                                                                                                     \
        InterlockedIncrement64(&Results.Checks);                                                             \
        if (!(Condition)) {                                                                                  \
            Fail(__LINE__);                                                                                  \
        }                                                                                                    \
    } while (0)

static VOID Record(PIRP Irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);
    LONG64 sequence = InterlockedIncrement64(&Results.Sequence);
    PLOG_ENTRY entry = &Results.Log[(sequence - 1) % RESULTS_LOG_ENTRIES];

    entry->Sequence = (ULONG64)sequence;
    entry->Major = stack->MajorFunction;
    entry->Minor = stack->MinorFunction;
    entry->Phase = PHASE_PRE;
    entry->OperationFlags = stack->Flags;
    entry->IrpFlags = Irp->Flags;
    entry->DataFlags = FLTFL_CALLBACK_DATA_IRP_OPERATION;
    entry->Irql = KeGetCurrentIrql();
    entry->FileObject = (ULONG64)stack->FileObject;
}

static NTSTATUS NTAPI PassDown(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    Record(Irp);
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(Lower, Irp);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    IoDetachDevice(Lower);
    IoDeleteDevice(Device);
}

/* spec: ALT-09 */
static VOID LookBelow(VOID)
{
    UNICODE_STRING manager = RTL_CONSTANT_STRING(L"\\FileSystem\\FltMgr");
    PDEVICE_OBJECT below = IoGetLowerDeviceObject(Device);
    PDEVICE_OBJECT lowest;

    CHECK(below == Lower);
    CHECK(RtlEqualUnicodeString(&Lower->DriverObject->DriverName, &manager, TRUE));
    CHECK(Lower->StackSize + 1 == Device->StackSize);
    lowest = IoGetDeviceAttachmentBaseRef(Device);
    CHECK(lowest != Lower && !RtlEqualUnicodeString(&lowest->DriverObject->DriverName, &manager, TRUE));
    /* One frame: nothing lies between the manager's device and the file system's. */
    CHECK(lowest->AttachedDevice == Lower);
    ObDereferenceObject(lowest);
    if (below != NULL) {
        ObDereferenceObject(below);
    }
}

static NTSTATUS Attach(PDRIVER_OBJECT DriverObject)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\??\\C:\\");
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK result;
    PFILE_OBJECT root = NULL;
    HANDLE handle;
    NTSTATUS status;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    status = ZwOpenFile(&handle, FILE_READ_ATTRIBUTES | SYNCHRONIZE, &attributes, &result,
                        FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                        FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    status = ObReferenceObjectByHandle(handle, 0, *IoFileObjectType, KernelMode, (PVOID *)&root, NULL);
    if (NT_SUCCESS(status)) {
        PDEVICE_OBJECT top = IoGetRelatedDeviceObject(root);

        status = IoCreateDevice(DriverObject, 0, NULL, top->DeviceType, top->Characteristics, FALSE, &Device);
        if (NT_SUCCESS(status)) {
            Device->Flags |= top->Flags & (DO_BUFFERED_IO | DO_DIRECT_IO);
            status = IoAttachDeviceToDeviceStackSafe(Device, top, &Lower);
            if (NT_SUCCESS(status)) {
                Device->Flags &= ~DO_DEVICE_INITIALIZING;
            } else {
                IoDeleteDevice(Device);
            }
        }
        ObDereferenceObject(root);
    }
    ZwClose(handle);
    return status;
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING value = RTL_CONSTANT_STRING(L"Results");
    ULONG64 address = (ULONG64)&Results;
    PARAMETER_KEYS keys;
    NTSTATUS status = OpenParameters(DriverObject, RegistryPath, KEY_READ | KEY_WRITE, &keys);
    ULONG i;

    if (!NT_SUCCESS(status)) {
        return status;
    }
    Results.Magic = RESULTS_MAGIC;
    Results.Version = RESULTS_VERSION;
    Results.EntrySize = sizeof(LOG_ENTRY);
    Results.EntryCount = RESULTS_LOG_ENTRIES;
    status = ZwSetValueKey(keys.Parameters != NULL ? keys.Parameters : keys.Service, &value, 0, REG_QWORD, &address,
                           sizeof(address));
    CloseParameters(&keys);
    for (i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++) {
        DriverObject->MajorFunction[i] = PassDown;
    }
    DriverObject->DriverUnload = Unload;
    if (NT_SUCCESS(status)) {
        status = Attach(DriverObject);
    }
    if (NT_SUCCESS(status)) {
        LookBelow();
    }
    return status;
}
