/*
 * Volumes, instances, references and who asked.
 */
#include "objtest.h"
#define FILE_NUMBER 2

/* What the teardown of an instance or the next mount has to do. */
static BOOLEAN TeardownReferences, TeardownDisk, MountGuid;
static volatile LONG Released;
static PVOID Releaser;

/* spec: OBJ-01 */
static VOID References(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    PVOID objects[] = {FltObjects->Filter, FltObjects->Instance, FltObjects->Volume};
    ULONG i;
    KIRQL irql;

    for (i = 0; i < ARRAYSIZE(objects); i++) {
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        CHECK(FltObjectReference(objects[i]) == STATUS_SUCCESS);
        KeLowerIrql(irql);
        FltObjectDereference(objects[i]);
    }
    TeardownReferences = TRUE;
}

static VOID ReleaseLater(PVOID Instance)
{
    ULONG i;

    for (i = 0; i < 5; i++) {
        Pause();
    }
    InterlockedExchange(&Released, 1);
    FltObjectDereference(Instance);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* A reference that a worker still has: teardown waits for it. Detaching is asked for in a thread of its own. */
/* spec: OBJ-02 */
static VOID HeldReference(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    UNICODE_STRING name = Text(L"held"), altitude = Text(L"365301");
    PFLT_INSTANCE instance = NULL;

    Released = 0;
    REQUIRE(FltAttachVolumeAtAltitude(Filter, FltObjects->Volume, &altitude, &name, &instance) == STATUS_SUCCESS);
    Releaser = StartThread(ReleaseLater, instance);
    CHECK(FltDetachVolume(Filter, FltObjects->Volume, &name) == STATUS_SUCCESS);
    CHECK(Released == 1);
    JoinThread(Releaser);
}

VOID VolumesTeardown(PCFLT_RELATED_OBJECTS FltObjects)
{
    PDEVICE_OBJECT device;

    if (TeardownReferences) {
        /* An object that goes is referenced no more; what is still there is. */
        CHECK(FltObjectReference(FltObjects->Instance) == STATUS_FLT_DELETING_OBJECT);
        CHECK(FltObjectReference(FltObjects->Volume) == STATUS_SUCCESS);
        FltObjectDereference(FltObjects->Volume);
    }
    if (TeardownDisk && NT_SUCCESS(FltGetDiskDeviceObject(FltObjects->Volume, &device))) {
        ObDereferenceObject(device);
    }
}

VOID VolumesMount(PCFLT_RELATED_OBJECTS FltObjects)
{
    ULONG needed;

    if (MountGuid) {
        (VOID)FltGetVolumeGuidName(FltObjects->Volume, NULL, &needed);
    }
}

/* A volume or instance from each routine that gives one: every pointer is referenced. */
/* spec: OBJ-04, OBJ-08, ENUM-08 */
static VOID Getters(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    UNICODE_STRING name = Text(L"\\Device\\HarddiskVolume1"), unknown = Text(L"unknown"), second = Text(L"second");
    UNICODE_STRING altitude = Text(L"365302");
    PFLT_VOLUME volume = NULL;
    PFLT_INSTANCE instance = NULL, upper = NULL;
    PDEVICE_OBJECT device = NULL;

    CHECK(FltGetVolumeFromName(Filter, &name, &volume) == STATUS_SUCCESS && volume == FltObjects->Volume);
    FltObjectDereference(volume);
    CHECK(FltGetVolumeFromFileObject(Filter, FltObjects->FileObject, &volume) == STATUS_SUCCESS);
    CHECK(volume == FltObjects->Volume);
    FltObjectDereference(volume);
    CHECK(FltGetVolumeFromInstance(FltObjects->Instance, &volume) == STATUS_SUCCESS && volume == FltObjects->Volume);
    FltObjectDereference(volume);
    CHECK(FltGetDeviceObject(FltObjects->Volume, &device) == STATUS_SUCCESS);
    CHECK(FltGetVolumeFromDeviceObject(Filter, device, &volume) == STATUS_SUCCESS && volume == FltObjects->Volume);
    FltObjectDereference(volume);
    ObDereferenceObject(device);

    REQUIRE(FltAttachVolumeAtAltitude(Filter, FltObjects->Volume, &altitude, &second, &upper) == STATUS_SUCCESS);
    /* Both left out: the highest of the volume. */
    CHECK(FltGetVolumeInstanceFromName(NULL, FltObjects->Volume, NULL, &instance) == STATUS_SUCCESS);
    CHECK(instance == upper);
    FltObjectDereference(instance);
    CHECK(FltGetVolumeInstanceFromName(Filter, FltObjects->Volume, NULL, &instance) == STATUS_SUCCESS);
    CHECK(instance == upper);
    FltObjectDereference(instance);
    CHECK(FltGetVolumeInstanceFromName(NULL, FltObjects->Volume, &second, &instance) == STATUS_SUCCESS);
    CHECK(instance == upper);
    FltObjectDereference(instance);
    CHECK(FltGetVolumeInstanceFromName(Filter, FltObjects->Volume, &unknown, &instance) ==
          STATUS_FLT_INSTANCE_NOT_FOUND);
    CHECK(FltGetLowerInstance(upper, &instance) == STATUS_SUCCESS && instance == FltObjects->Instance);
    FltObjectDereference(instance);
    FltObjectDereference(upper);
    CHECK(FltDetachVolume(Filter, FltObjects->Volume, &second) == STATUS_SUCCESS);
}

/* A file of no volume: the control device of the file system. */
/* spec: OBJ-07 */
static VOID NoVolume(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    UNICODE_STRING name = Text(L"\\Ntfs");
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK io;
    HANDLE handle;
    PFILE_OBJECT file;
    PFLT_VOLUME volume = NULL;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    REQUIRE(ZwOpenFile(&handle, FILE_READ_ATTRIBUTES | SYNCHRONIZE, &attributes, &io, FILE_SHARE_READ,
                       FILE_SYNCHRONOUS_IO_NONALERT) == STATUS_SUCCESS);
    CHECK(ObReferenceObjectByHandle(handle, 0, *IoFileObjectType, KernelMode, (PVOID *)&file, NULL) == STATUS_SUCCESS);
    CHECK(FltGetVolumeFromFileObject(Filter, file, &volume) == STATUS_INVALID_PARAMETER && volume == NULL);
    ObDereferenceObject(file);
    ZwClose(handle);
}

/* spec: OBJ-13 */
static VOID GuidName(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    WCHAR buffer[64];
    UNICODE_STRING name = {0, 20, buffer};
    UNICODE_STRING prefix = Text(L"\\??\\Volume{");
    UNICODE_STRING digits, path;
    PFLT_VOLUME volume = NULL;
    PDEVICE_OBJECT disk;
    ULONG needed = 0;
    GUID guid;

    CHECK(FltGetVolumeGuidName(FltObjects->Volume, NULL, NULL) == STATUS_INVALID_PARAMETER);
    CHECK(FltGetVolumeGuidName(FltObjects->Volume, NULL, &needed) == STATUS_SUCCESS);
    CHECK(needed == (11 + 36 + 1) * sizeof(WCHAR));
    CHECK(FltGetVolumeGuidName(FltObjects->Volume, &name, NULL) == STATUS_BUFFER_TOO_SMALL && name.Length == 0);
    name.MaximumLength = sizeof(buffer);
    REQUIRE(FltGetVolumeGuidName(FltObjects->Volume, &name, NULL) == STATUS_SUCCESS && name.Length == needed);
    CHECK(RtlPrefixUnicodeString(&prefix, &name, FALSE));
    CHECK(name.Buffer[name.Length / sizeof(WCHAR) - 1] == L'}');
    CHECK(FltGetDiskDeviceObject(FltObjects->Volume, &disk) == STATUS_SUCCESS);
    CHECK(IoVolumeDeviceToGuid(disk, &guid) == STATUS_SUCCESS);
    CHECK(RtlStringFromGUID(&guid, &digits) == STATUS_SUCCESS);
    CHECK(RtlCompareMemory(digits.Buffer, name.Buffer + 10, digits.Length) == 38 * sizeof(WCHAR));
    RtlFreeUnicodeString(&digits);
    CHECK(IoVolumeDeviceToGuidPath(disk, &path) == STATUS_SUCCESS && RtlEqualUnicodeString(&path, &name, FALSE));
    ExFreePool(path.Buffer);
    ObDereferenceObject(disk);
    /* It is a name of the volume. */
    CHECK(FltGetVolumeFromName(Filter, &name, &volume) == STATUS_SUCCESS && volume == FltObjects->Volume);
    FltObjectDereference(volume);
}

static BOOLEAN IsDriver(PDEVICE_OBJECT Device, PCWSTR Name)
{
    return IsText(&Device->DriverObject->DriverName, Name);
}

/* spec: OBJ-19, OBJ-21 */
static VOID Devices(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    PDEVICE_OBJECT own = NULL, disk = NULL, base;
    KIRQL irql;

    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    CHECK(FltGetDeviceObject(FltObjects->Volume, &own) == STATUS_SUCCESS);
    CHECK(FltGetDiskDeviceObject(FltObjects->Volume, &disk) == STATUS_SUCCESS);
    KeLowerIrql(irql);
    REQUIRE(own != NULL && disk != NULL);
    base = IoGetDeviceAttachmentBaseRef(own);
    CHECK(IsDriver(own, L"\\FileSystem\\FltMgr") && IsDriver(base, L"\\FileSystem\\Ntfs"));
    CHECK(IsDriver(disk, L"\\Driver\\Disk") && disk->Vpb->DeviceObject == base);
    CHECK(FltIsFltMgrVolumeDeviceObject(own) && !FltIsFltMgrVolumeDeviceObject(base));
    /* Object references, one for each. */
    ObDereferenceObject(base);
    ObDereferenceObject(own);
    ObDereferenceObject(disk);
}

/* spec: OBJ-22 */
static VOID Writable(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    BOOLEAN writable = FALSE;

    CHECK(FltIsVolumeWritable(FltObjects->Volume, &writable) == STATUS_SUCCESS && writable);
    writable = FALSE;
    CHECK(FltIsVolumeWritable(FltObjects->Instance, &writable) == STATUS_SUCCESS && writable);
}

/* Says of a medium that cannot say, or takes no writes: Results.Reserved[0], [1]. */
static VOID WritableOrNot(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    BOOLEAN writable = TRUE;

    Results.Reserved[0] = (ULONG)FltIsVolumeWritable(FltObjects->Instance, &writable);
    Results.Reserved[1] = writable;
}

/* spec: OBJ-23 */
static VOID Directories(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    BOOLEAN directory = TRUE;
    HANDLE handle;
    PFILE_OBJECT root;
    ULONG i;

    for (i = 0; i < 2; i++) {
        CHECK(FltIsDirectory(FltObjects->FileObject, FltObjects->Instance, &directory) == STATUS_SUCCESS);
        CHECK(!directory);
    }
    REQUIRE(OpenFile(FltObjects->Instance, L"\\??\\C:\\", FILE_READ_ATTRIBUTES, FILE_OPEN, FILE_DIRECTORY_FILE, &handle,
                     &root) == STATUS_SUCCESS);
    for (i = 0; i < 2; i++) {
        directory = FALSE;
        CHECK(FltIsDirectory(root, FltObjects->Instance, &directory) == STATUS_SUCCESS && directory);
    }
    ObDereferenceObject(root);
    FltClose(handle);
}

static VOID UnopenedDirectory(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    BOOLEAN directory;

    CHECK(FltIsDirectory(FltObjects->FileObject, FltObjects->Instance, &directory) == STATUS_INVALID_PARAMETER);
}

/* spec: OBJ-25, GIO-40 */
static VOID Requestor(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    FLT_CALLBACK_DATA nobody;
    KAPC_STATE state;
    PEPROCESS own = PsGetCurrentProcess();
    KIRQL irql;
    ULONG session = 77;

    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    CHECK(FltGetRequestorProcess(Data) == own);
    CHECK(FltGetRequestorProcessId(Data) == HandleToULong(PsGetCurrentProcessId()));
    CHECK(FltGetRequestorProcessIdEx(Data) == PsGetCurrentProcessId());
    KeLowerIrql(irql);
    CHECK(FltGetRequestorSessionId(Data, &session) == STATUS_SUCCESS && session != 77);
    CHECK(own != PsInitialSystemProcess);
    /* The process that the thread is attached to now, which did not create it. */
    KeStackAttachProcess((PRKPROCESS)PsInitialSystemProcess, &state);
    CHECK(FltGetRequestorProcess(Data) == PsInitialSystemProcess);
    CHECK(FltGetRequestorProcessId(Data) == HandleToULong(PsGetProcessId(PsInitialSystemProcess)));
    KeUnstackDetachProcess(&state);
    /* Nobody asked. */
    RtlZeroMemory(&nobody, sizeof(nobody));
    nobody.Flags = Data->Flags;
    RtlCopyMemory((PVOID)&nobody.Iopb, &Data->Iopb, sizeof(Data->Iopb));
    CHECK(FltGetRequestorProcess(&nobody) == NULL);
    CHECK(FltGetRequestorProcessId(&nobody) == 0 && FltGetRequestorProcessIdEx(&nobody) == NULL);
}

/* spec: OBJ-26 */
static VOID Routines(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    PEPROCESS(FLTAPI * requestor)(PFLT_CALLBACK_DATA);
    KIRQL irql;

    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    *(PVOID *)&requestor = FltGetRoutineAddress("FltGetRequestorProcess");
    CHECK(FltGetRoutineAddress("FltNoSuchRoutine") == NULL);
    CHECK(FltGetRoutineAddress("fltgetrequestorprocess") == NULL);
    CHECK(FltGetRoutineAddress("ExAllocatePoolWithTag") == NULL);
    KeLowerIrql(irql);
    REQUIRE(requestor != NULL);
    CHECK(requestor(Data) == PsGetCurrentProcess());
}

static VOID WrongTeardown(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    TeardownDisk = TRUE;
}

static VOID WrongMount(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    MountGuid = TRUE;
}

/* One reference too few, and one too many. */
static VOID WrongReference(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    CHECK(FltObjectReference(FltObjects->Instance) == STATUS_SUCCESS);
}

const GROUP VolumeGroups[] = {
    {L"references", NULL, References},
    {L"held", NULL, HeldReference},
    {L"getters", NULL, Getters},
    {L"no-volume", NULL, NoVolume},
    {L"guid", NULL, GuidName},
    {L"devices", NULL, Devices},
    {L"writable", NULL, Writable},
    {L"medium", WritableOrNot, NULL},
    {L"directories", NULL, Directories},
    {L"requestor", Requestor, NULL},
    {L"routines", NULL, Routines},
    {L"wrong-unopened", UnopenedDirectory, NULL},
    {L"wrong-teardown", NULL, WrongTeardown},
    {L"wrong-mount", NULL, WrongMount},
    {L"wrong-reference", NULL, WrongReference},
    {NULL, NULL, NULL},
};
