/*
 * attachtest: checks registration, attachment and lookup from native code.
 *
 * DriverEntry runs every check in order and counts in the RESULTS structure of iopbtest which ones failed, by
 * line. The volume \Device\HarddiskVolume1 must be mounted before the driver is loaded. Registry values (REG_DWORD):
 * LeakFile 1 leaves a file open when its instance goes, NoUnload 1 registers no unload callback, RegistrationFlags are
 * those of FLT_REGISTRATION.
 */
#include "../parameters/parameters.h"
#include "../iopbtest/results.h"

static RESULTS Results;
static PFLT_FILTER Filter;
static FLT_INSTANCE_SETUP_FLAGS LastSetup;
static NTSTATUS SetupAnswer;
static NTSTATUS QueryAnswer;
static ULONG Setups, Queries, TeardownStarts, TeardownCompletes;
static FLT_INSTANCE_TEARDOWN_FLAGS LastReason;
static ULONG LeakFile, NoUnload, RegistrationFlags;
static HANDLE LeftOpen;
static PARAMETER_KEYS Keys;

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

static UNICODE_STRING Text(PCWSTR Literal)
{
    UNICODE_STRING string;

    RtlInitUnicodeString(&string, Literal);
    return string;
}

static NTSTATUS FLTAPI Setup(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_SETUP_FLAGS Flags,
                             DEVICE_TYPE VolumeDeviceType, FLT_FILESYSTEM_TYPE VolumeFilesystemType)
{
    Setups++;
    LastSetup = Flags;
    CHECK(FltObjects->Filter == Filter && FltObjects->Instance != NULL && FltObjects->Volume != NULL);
    CHECK(VolumeDeviceType == FILE_DEVICE_DISK_FILE_SYSTEM);
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
    return SetupAnswer;
}

static NTSTATUS FLTAPI QueryTeardown(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_QUERY_TEARDOWN_FLAGS Flags)
{
    Queries++;
    return QueryAnswer;
}

static VOID FLTAPI TeardownStart(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_TEARDOWN_FLAGS Reason)
{
    UNICODE_STRING self = Text(L"attachtest");
    PFLT_VOLUME volume = NULL;

    CHECK(TeardownStarts == TeardownCompletes);
    CHECK(FltObjects->Filter == Filter);
    TeardownStarts++;
    LastReason = Reason;
    /* spec: LIFE-05 */
    if (Reason == FLTFL_INSTANCE_TEARDOWN_FILTER_UNLOAD || Reason == FLTFL_INSTANCE_TEARDOWN_MANDATORY_FILTER_UNLOAD) {
        CHECK(FltUnloadFilter(&self) == STATUS_FLT_DELETING_OBJECT);
        /* spec: ENUM-10 */
        CHECK(FltObjectReference(FltObjects->Filter) == STATUS_FLT_DELETING_OBJECT);
    }
    /* spec: ENUM-10 */
    CHECK(FltObjectReference(FltObjects->Instance) == STATUS_FLT_DELETING_OBJECT);
    if (FlagOn(Reason, FLTFL_INSTANCE_TEARDOWN_VOLUME_DISMOUNT)) {
        /* spec: ENUM-08, ENUM-10 */
        CHECK(FltGetVolumeFromInstance(FltObjects->Instance, &volume) == STATUS_FLT_DELETING_OBJECT);
        CHECK(FltObjectReference(FltObjects->Volume) == STATUS_FLT_DELETING_OBJECT);
    } else {
        CHECK(FltGetVolumeFromInstance(FltObjects->Instance, &volume) == STATUS_SUCCESS);
        CHECK(volume == FltObjects->Volume);
        FltObjectDereference(volume);
    }
}

static VOID FLTAPI TeardownComplete(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_TEARDOWN_FLAGS Reason)
{
    TeardownCompletes++;
    CHECK(Reason == LastReason);
}

static NTSTATUS Publish(PCWSTR Name, ULONG64 Value)
{
    UNICODE_STRING name = Text(Name);

    return ZwSetValueKey(Keys.Parameters != NULL ? Keys.Parameters : Keys.Service, &name, 0, REG_QWORD, &Value,
                         sizeof(Value));
}

static NTSTATUS FLTAPI Unload(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    FltUnregisterFilter(Filter);
    (VOID)Publish(L"Failed", (ULONG64)Results.FailedCount);
    CloseParameters(&Keys);
    return STATUS_SUCCESS;
}

/*
 * A filter registers itself only, and does not unload itself. The manager's own driver has no service key.
 * spec: REG-12, REG-15, LIFE-05
 */
static VOID Others(PFLT_VOLUME Volume)
{
    UNICODE_STRING self = Text(L"attachtest");
    UNICODE_STRING unknown = Text(L"nobody");
    PDEVICE_OBJECT device = NULL;
    PFLT_FILTER other = NULL;
    FLT_REGISTRATION bare = {.Size = sizeof(FLT_REGISTRATION), .Version = FLT_REGISTRATION_VERSION};

    CHECK(FltUnloadFilter(&unknown) == STATUS_FLT_FILTER_NOT_FOUND);
    CHECK(FltUnloadFilter(&self) == STATUS_INVALID_DEVICE_REQUEST);
    CHECK(FltGetDeviceObject(Volume, &device) == STATUS_SUCCESS && device != NULL);
    if (device != NULL) {
        CHECK(FltRegisterFilter(device->DriverObject, &bare, &other) == STATUS_OBJECT_NAME_NOT_FOUND);
        ObDereferenceObject(device);
    }
}

static FLT_REGISTRATION Registration = {
    .Size = sizeof(FLT_REGISTRATION),
    .Version = FLT_REGISTRATION_VERSION,
    .FilterUnloadCallback = Unload,
    .InstanceSetupCallback = Setup,
    .InstanceQueryTeardownCallback = QueryTeardown,
    .InstanceTeardownStartCallback = TeardownStart,
    .InstanceTeardownCompleteCallback = TeardownComplete,
};

/* Arrays that are absent are legal; a version that never was is not. */
static NTSTATUS Register(PDRIVER_OBJECT DriverObject)
{
    FLT_REGISTRATION wrong = Registration;

    wrong.Version = 0x0500;
    /* spec: REG-01 */
    CHECK(FltRegisterFilter(DriverObject, &wrong, &Filter) == STATUS_INVALID_PARAMETER);
    Registration.FilterUnloadCallback = NoUnload ? NULL : Unload;
    Registration.Flags = (FLT_REGISTRATION_FLAGS)RegistrationFlags;
    /* spec: REG-02 */
    return FltRegisterFilter(DriverObject, &Registration, &Filter);
}

/* spec: ATT-01 */
static VOID BeforeStart(PFLT_VOLUME Volume)
{
    UNICODE_STRING altitude = Text(L"365001");

    CHECK(FltAttachVolume(Filter, Volume, NULL, NULL) == STATUS_FLT_FILTER_NOT_READY);
    CHECK(FltAttachVolumeAtAltitude(Filter, Volume, &altitude, NULL, NULL) == STATUS_FLT_FILTER_NOT_READY);
}

/* spec: REG-13, REG-14, LIFE-08 */
static VOID Start(VOID)
{
    CHECK(Setups == 0);
    CHECK(FltStartFiltering(Filter) == STATUS_SUCCESS);
    CHECK(Setups == 1 && FlagOn(LastSetup, FLTFL_INSTANCE_SETUP_AUTOMATIC_ATTACHMENT));
    CHECK(FltStartFiltering(Filter) == STATUS_INVALID_PARAMETER);
}

/* spec: ATT-02, ATT-03, ATT-04, ATT-05, ATT-06, ATT-07, ALT-01, ALT-06 */
static VOID Attach(PFLT_VOLUME Volume)
{
    static const PCWSTR malformed[] = {L"", L"abc", L"12a", L"1.2.3", L"-5", L" 7"};
    UNICODE_STRING name = Text(L"second");
    UNICODE_STRING altitude = Text(L"365001");
    UNICODE_STRING spelled = Text(L"0365001.00");
    UNICODE_STRING free = Text(L"365002");
    UNICODE_STRING third = Text(L"third");
    PFLT_INSTANCE instance = NULL;
    ULONG i;

    CHECK(FltAttachVolume(Filter, Volume, NULL, NULL) == STATUS_FLT_INSTANCE_NAME_COLLISION);
    CHECK(FltAttachVolumeAtAltitude(Filter, Volume, &altitude, &name, &instance) == STATUS_SUCCESS);
    CHECK(instance != NULL && FlagOn(LastSetup, FLTFL_INSTANCE_SETUP_MANUAL_ATTACHMENT));
    if (instance != NULL) {
        FltObjectDereference(instance);
    }
    CHECK(FltAttachVolumeAtAltitude(Filter, Volume, &free, &name, NULL) == STATUS_FLT_INSTANCE_NAME_COLLISION);
    CHECK(FltAttachVolumeAtAltitude(Filter, Volume, &spelled, &third, NULL) ==
          STATUS_FLT_INSTANCE_ALTITUDE_COLLISION);
    for (i = 0; i < ARRAYSIZE(malformed); i++) {
        UNICODE_STRING wrong = Text(malformed[i]);

        CHECK(FltAttachVolumeAtAltitude(Filter, Volume, &wrong, &third, NULL) == STATUS_INVALID_PARAMETER);
    }
    /* A refusal of the setup callback makes the attachment fail. */
    SetupAnswer = STATUS_FLT_DO_NOT_ATTACH;
    CHECK(!NT_SUCCESS(FltAttachVolumeAtAltitude(Filter, Volume, &free, &third, NULL)));
    SetupAnswer = STATUS_SUCCESS;
    /* Without a name the manager makes one. */
    CHECK(FltAttachVolumeAtAltitude(Filter, Volume, &free, NULL, NULL) == STATUS_SUCCESS);
    CHECK(FltDetachVolume(Filter, Volume, NULL) == STATUS_SUCCESS);
}

/* spec: ENUM-07, ENUM-09, ALT-04, ALT-05, OBJ-09 */
static VOID Neighbours(PFLT_VOLUME Volume)
{
    UNICODE_STRING name = Text(L"second");
    PFLT_INSTANCE upper = NULL, lower = NULL, found = NULL;

    CHECK(FltGetVolumeInstanceFromName(Filter, Volume, &name, &upper) == STATUS_SUCCESS);
    if (upper == NULL) {
        return;
    }
    CHECK(FltGetLowerInstance(upper, &lower) == STATUS_SUCCESS);
    CHECK(FltGetUpperInstance(upper, &found) == STATUS_NO_MORE_ENTRIES);
    if (lower != NULL) {
        CHECK(FltCompareInstanceAltitudes(upper, lower) > 0);
        CHECK(FltCompareInstanceAltitudes(lower, upper) < 0);
        CHECK(FltCompareInstanceAltitudes(lower, lower) == 0);
        CHECK(FltGetUpperInstance(lower, &found) == STATUS_SUCCESS && found == upper);
        FltObjectDereference(found);
        FltObjectDereference(lower);
    }
    FltObjectDereference(upper);
}

/* Opens a file below the instance Name, which has to be closed before the instance is gone. */
static VOID OpenBelow(PFLT_VOLUME Volume, PUNICODE_STRING Name)
{
    UNICODE_STRING path = Text(L"\\Device\\HarddiskVolume1\\attachtest.tmp");
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK result;
    PFLT_INSTANCE instance = NULL;

    CHECK(FltGetVolumeInstanceFromName(Filter, Volume, Name, &instance) == STATUS_SUCCESS);
    InitializeObjectAttributes(&attributes, &path, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    CHECK(FltCreateFile(Filter, instance, &LeftOpen, FILE_READ_DATA | SYNCHRONIZE, &attributes, &result, NULL,
                        FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ, FILE_OPEN_IF, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0,
                        0) == STATUS_SUCCESS);
    if (instance != NULL) {
        FltObjectDereference(instance);
    }
}

/* spec: ATT-08, LIFE-12, LIFE-13, LIFE-14, LIFE-21 */
static VOID Detach(PFLT_VOLUME Volume)
{
    UNICODE_STRING name = Text(L"second");
    UNICODE_STRING unknown = Text(L"unknown");
    ULONG queries = Queries, torn = TeardownCompletes;

    CHECK(FltDetachVolume(Filter, Volume, &unknown) == STATUS_FLT_INSTANCE_NOT_FOUND);
    QueryAnswer = STATUS_FLT_DO_NOT_DETACH;
    CHECK(!NT_SUCCESS(FltDetachVolume(Filter, Volume, &name)));
    CHECK(Queries == queries + 1 && TeardownCompletes == torn);
    QueryAnswer = STATUS_SUCCESS;
    OpenBelow(Volume, &name);
    if (!LeakFile) {
        CHECK(FltClose(LeftOpen) == STATUS_SUCCESS);
    }
    CHECK(FltDetachVolume(Filter, Volume, &name) == STATUS_SUCCESS);
    if (LeakFile) {
        CHECK(FltClose(LeftOpen) == STATUS_SUCCESS);
    }
    CHECK(TeardownStarts == torn + 1 && TeardownCompletes == torn + 1);
    CHECK(LastReason == FLTFL_INSTANCE_TEARDOWN_MANUAL);
    CHECK(FltDetachVolume(Filter, Volume, &name) == STATUS_FLT_INSTANCE_NOT_FOUND);
}

/* spec: ENUM-05, ENUM-06, OBJ-05, OBJ-06, OBJ-11, OBJ-12 */
static VOID Names(PFLT_VOLUME Volume)
{
    static const PCWSTR names[] = {L"\\Device\\HarddiskVolume1", L"\\??\\C:", L"\\DosDevices\\C:", L"C:"};
    WCHAR buffer[64];
    UNICODE_STRING name;
    PFLT_VOLUME found;
    PFLT_FILTER filter;
    ULONG needed = 0;
    ULONG i;

    for (i = 0; i < ARRAYSIZE(names); i++) {
        name = Text(names[i]);
        found = NULL;
        CHECK(FltGetVolumeFromName(Filter, &name, &found) == STATUS_SUCCESS && found == Volume);
        if (found != NULL) {
            FltObjectDereference(found);
        }
    }
    name = Text(L"\\Device\\HarddiskVolume9");
    CHECK(FltGetVolumeFromName(Filter, &name, &found) == STATUS_FLT_VOLUME_NOT_FOUND);
    name = Text(L"ATTACHTEST");
    filter = NULL;
    CHECK(FltGetFilterFromName(&name, &filter) == STATUS_SUCCESS && filter == Filter);
    if (filter != NULL) {
        FltObjectDereference(filter);
    }
    name = Text(L"nobody");
    CHECK(FltGetFilterFromName(&name, &filter) == STATUS_FLT_FILTER_NOT_FOUND);

    CHECK(FltGetVolumeName(Volume, NULL, NULL) == STATUS_INVALID_PARAMETER);
    CHECK(FltGetVolumeName(Volume, NULL, &needed) == STATUS_SUCCESS && needed == 23 * sizeof(WCHAR));
    name.Buffer = buffer;
    name.Length = 0;
    name.MaximumLength = 10;
    CHECK(FltGetVolumeName(Volume, &name, &needed) == STATUS_BUFFER_TOO_SMALL && name.Length == 0);
    name.MaximumLength = sizeof(buffer);
    CHECK(FltGetVolumeName(Volume, &name, NULL) == STATUS_SUCCESS && name.Length == needed);
}

/* spec: ENUM-10 */
static VOID References(PFLT_VOLUME Volume)
{
    PFLT_INSTANCE instance = NULL;
    KIRQL irql;

    CHECK(FltGetVolumeInstanceFromName(Filter, Volume, NULL, &instance) == STATUS_SUCCESS);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    CHECK(FltObjectReference(Filter) == STATUS_SUCCESS);
    CHECK(FltObjectReference(Volume) == STATUS_SUCCESS);
    CHECK(FltObjectReference(instance) == STATUS_SUCCESS);
    KeLowerIrql(irql);
    FltObjectDereference(Filter);
    FltObjectDereference(Volume);
    FltObjectDereference(instance);
    FltObjectDereference(instance);
}

/* The volume of a file object opened by name. */
static NTSTATUS VolumeOf(PCWSTR Name, ULONG Options, PFLT_VOLUME *Volume)
{
    UNICODE_STRING name = Text(Name);
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK io;
    PFILE_OBJECT file;
    HANDLE handle;
    NTSTATUS status;

    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    status = ZwCreateFile(&handle, FILE_READ_ATTRIBUTES | SYNCHRONIZE, &attributes, &io, NULL, 0,
                          FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, FILE_OPEN,
                          Options | FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
    CHECK(NT_SUCCESS(status));
    if (!NT_SUCCESS(status)) {
        return status;
    }
    status = ObReferenceObjectByHandle(handle, 0, *IoFileObjectType, KernelMode, (PVOID *)&file, NULL);
    if (NT_SUCCESS(status)) {
        status = FltGetVolumeFromFileObject(Filter, file, Volume);
        ObDereferenceObject(file);
    }
    ZwClose(handle);
    return status;
}

/* spec: ENUM-08 */
static VOID VolumesOfFiles(PFLT_VOLUME Volume)
{
    PFLT_VOLUME found = NULL;

    CHECK(VolumeOf(L"\\??\\C:\\", FILE_DIRECTORY_FILE, &found) == STATUS_SUCCESS && found == Volume);
    if (found != NULL) {
        FltObjectDereference(found);
    }
    /* The file system's own device is on no volume. */
    found = NULL;
    CHECK(VolumeOf(L"\\Ntfs", 0, &found) == STATUS_INVALID_PARAMETER && found == NULL);
}

/* spec: ENUM-01, ENUM-02, ENUM-04 */
static VOID Enumerate(PFLT_VOLUME Volume)
{
    PFLT_INSTANCE instances[4];
    PFLT_FILTER filters[4];
    ULONG count = 0;
    ULONG i;

    (VOID)FltEnumerateFilters(NULL, 0, &count);
    CHECK(count == 1);
    CHECK(FltEnumerateFilters(filters, ARRAYSIZE(filters), &count) == STATUS_SUCCESS && count == 1);
    for (i = 0; i < count; i++) {
        CHECK(filters[i] == Filter);
        FltObjectDereference(filters[i]);
    }
    CHECK(FltEnumerateInstances(NULL, NULL, instances, ARRAYSIZE(instances), &count) == STATUS_INVALID_PARAMETER);
    CHECK(FltEnumerateInstances(Volume, NULL, instances, 1, &count) == STATUS_BUFFER_TOO_SMALL && count == 2);
    CHECK(FltEnumerateInstances(Volume, Filter, instances, ARRAYSIZE(instances), &count) == STATUS_SUCCESS);
    for (i = 0; i < count; i++) {
        FltObjectDereference(instances[i]);
    }
}

static NTSTATUS Configure(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status = OpenParameters(DriverObject, RegistryPath, KEY_READ | KEY_WRITE, &Keys);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    (VOID)ReadUlongParameter(&Keys, L"LeakFile", &LeakFile);
    (VOID)ReadUlongParameter(&Keys, L"NoUnload", &NoUnload);
    (VOID)ReadUlongParameter(&Keys, L"RegistrationFlags", &RegistrationFlags);
    Results.Magic = RESULTS_MAGIC;
    Results.Version = RESULTS_VERSION;
    Results.EntrySize = sizeof(LOG_ENTRY);
    Results.EntryCount = RESULTS_LOG_ENTRIES;
    return Publish(L"Results", (ULONG64)&Results);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING name = Text(L"\\Device\\HarddiskVolume1");
    PFLT_VOLUME volume = NULL;
    NTSTATUS status = Configure(DriverObject, RegistryPath);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    status = Register(DriverObject);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    status = FltGetVolumeFromName(Filter, &name, &volume);
    if (!NT_SUCCESS(status)) {
        FltUnregisterFilter(Filter);
        return status;
    }
    BeforeStart(volume);
    Start();
    Attach(volume);
    Neighbours(volume);
    Enumerate(volume);
    Detach(volume);
    Names(volume);
    Others(volume);
    References(volume);
    VolumesOfFiles(volume);
    FltObjectDereference(volume);
    return STATUS_SUCCESS;
}
