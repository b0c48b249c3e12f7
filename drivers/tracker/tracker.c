/*
 * tracker: keeps contexts of everything that passes, and checks in every callback that they are the right ones.
 *
 * Volume and instance get theirs in the setup callback; file, stream and handle when a create succeeds. Every other
 * operation looks all of them up, and carries the one of the handle, referenced, to its post callback. Instances may be
 * detached at any time. A file whose name contains "rules" is used for rules.c's checks when it is opened; "early" is
 * one whose contexts are set before it is open; a reference on the stream context of "held" is kept until the unload.
 * The REG_DWORD Refuse 1 makes it refuse an unload that is not mandatory, 2 agree without unregistering; Leak forgets to give something back:
 * 1 the reference of a setup on its instance, 2 one on the first stream context.
 */
#include "tracker.h"
#define FIRST_LINE 0

#define TRACK_TAG 'kcrT'

RESULTS Results;
PFLT_FILTER Filter;

static PTRACK volatile Held;
static PARAMETER_KEYS Keys;
static ULONG Refuse, Leak;

DRIVER_INITIALIZE DriverEntry;

VOID Fail(ULONG Line)
{
    ULONG i;

    InterlockedIncrement64(&Results.FailedCount);
    for (i = 0; i < RESULTS_FAILURES; i++) {
        LONG found = InterlockedCompareExchange((LONG volatile *)&Results.Failed[i].Line, (LONG)Line, 0);
        if (found == 0 || found == (LONG)Line) {
            InterlockedIncrement((LONG volatile *)&Results.Failed[i].Count);
            break;
        }
    }
    DbgPrint("tracker: the check in line %u failed\n", Line);
}

ULONG IndexOf(FLT_CONTEXT_TYPE Kind)
{
    ULONG index = 0;

    while (index + 1 < RESULTS_KINDS && Kind >> (index + 1) != 0) {
        index++;
    }
    return index;
}

BOOLEAN NameContains(PFILE_OBJECT FileObject, PCWSTR Word)
{
    ULONG characters = FileObject->FileName.Length / sizeof(WCHAR);
    ULONG i, k;

    for (i = 0; i < characters; i++) {
        for (k = 0; Word[k] != L'\0' && i + k < characters && FileObject->FileName.Buffer[i + k] == Word[k];
             k++) {
        }
        if (Word[k] == L'\0') {
            return TRUE;
        }
    }
    return FALSE;
}

PTRACK NewTrack(FLT_CONTEXT_TYPE Kind, PVOID Object, PFLT_INSTANCE Instance)
{
    PTRACK track = NULL;
    NTSTATUS status = FltAllocateContext(Filter, Kind, sizeof(TRACK), NonPagedPoolNx, (PFLT_CONTEXT *)&track);

    CHECK(status == STATUS_SUCCESS || status == STATUS_FLT_DELETING_OBJECT);
    if (!NT_SUCCESS(status)) {
        return NULL;
    }
    track->Magic = ALIVE;
    track->Kind = Kind;
    track->Object = Object;
    track->Instance = Instance;
    track->Uses = 0;
    InterlockedIncrement64(&Results.Allocated[IndexOf(Kind)]);
    return track;
}

/* spec: CTX-24 */
static VOID FLTAPI Cleanup(PFLT_CONTEXT Context, FLT_CONTEXT_TYPE Type)
{
    PTRACK track = Context;

    CHECK(KeGetCurrentIrql() <= APC_LEVEL);
    CHECK(track->Magic == ALIVE && track->Kind == Type);
    track->Magic = DEAD;
    InterlockedIncrement64(&Results.Cleaned[IndexOf(Type)]);
}

/* A context that was found is a live one, of this kind and instance, and hangs on what it was made for. */
static VOID Use(PTRACK Track, FLT_CONTEXT_TYPE Kind, PVOID Object, PFLT_INSTANCE Instance)
{
    if (Track == NULL) {
        return;
    }
    CHECK(Track->Magic == ALIVE && Track->Kind == Kind);
    CHECK(Track->Instance == Instance);
    CHECK(Object == NULL || Track->Object == Object);
    InterlockedIncrement64(&Track->Uses);
    InterlockedIncrement64(&Results.Found[IndexOf(Kind)]);
}

static VOID UseAll(PCFLT_RELATED_OBJECTS FltObjects)
{
    FLT_RELATED_CONTEXTS all;
    PFLT_INSTANCE instance = FltObjects->Instance;
    PFILE_OBJECT file = FltObjects->FileObject;

    FltGetContexts(FltObjects, FLT_ALL_CONTEXTS, &all);
    Use(all.VolumeContext, FLT_VOLUME_CONTEXT, FltObjects->Volume, NULL);
    Use(all.InstanceContext, FLT_INSTANCE_CONTEXT, instance, instance);
    Use(all.FileContext, FLT_FILE_CONTEXT, NULL, instance);
    Use(all.StreamContext, FLT_STREAM_CONTEXT, file == NULL ? NULL : file->FsContext, instance);
    Use(all.StreamHandleContext, FLT_STREAMHANDLE_CONTEXT, file, instance);
    CHECK(all.TransactionContext == NULL);
    FltReleaseContexts(&all);
}

static VOID Set(PFLT_INSTANCE Instance, PFILE_OBJECT File, FLT_CONTEXT_TYPE Kind, PVOID Object)
{
    PTRACK track = NewTrack(Kind, Object, Instance), old = NULL;
    NTSTATUS status;

    if (track == NULL) {
        return;
    }
    if (Kind == FLT_FILE_CONTEXT) {
        status = FltSetFileContext(Instance, File, FLT_SET_CONTEXT_KEEP_IF_EXISTS, track, (PFLT_CONTEXT *)&old);
    } else if (Kind == FLT_STREAM_CONTEXT) {
        status = FltSetStreamContext(Instance, File, FLT_SET_CONTEXT_KEEP_IF_EXISTS, track, (PFLT_CONTEXT *)&old);
    } else {
        status = FltSetStreamHandleContext(Instance, File, FLT_SET_CONTEXT_KEEP_IF_EXISTS, track,
                                           (PFLT_CONTEXT *)&old);
    }
    FltReleaseContext(track);
    CHECK(status == STATUS_SUCCESS || status == STATUS_FLT_CONTEXT_ALREADY_DEFINED
          || status == STATUS_FLT_DELETING_OBJECT);
    CHECK((status == STATUS_FLT_CONTEXT_ALREADY_DEFINED) == (old != NULL));
    if (old != NULL) {
        CHECK(Kind != FLT_STREAMHANDLE_CONTEXT || NameContains(File, L"rules"));
        Use(old, Kind, Kind == FLT_FILE_CONTEXT ? NULL : Object, Instance);
        FltReleaseContext(old);
    }
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreCreate(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                  PVOID *CompletionContext)
{
    if (NameContains(FltObjects->FileObject, L"early")) {
        CheckEarly(FltObjects);
    }
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI PostCreate(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                    PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    PFILE_OBJECT file = FltObjects->FileObject;
    PFLT_INSTANCE instance = FltObjects->Instance;

    if (FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING)) {
        InterlockedIncrement64(&Results.Drained);
        return FLT_POSTOP_FINISHED_PROCESSING;
    }
    if (!NT_SUCCESS(Data->IoStatus.Status) || Data->IoStatus.Status == STATUS_REPARSE) {
        return FLT_POSTOP_FINISHED_PROCESSING;
    }
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
    if (NameContains(file, L"rules")) {
        CheckRules(FltObjects);
    }
    if (FltSupportsFileContextsEx(file, instance)) {
        Set(instance, file, FLT_FILE_CONTEXT, NULL);
    }
    if (FltSupportsStreamContexts(file)) {
        Set(instance, file, FLT_STREAM_CONTEXT, file->FsContext);
    }
    if (FltSupportsStreamHandleContexts(file)) {
        Set(instance, file, FLT_STREAMHANDLE_CONTEXT, file);
    }
    if (NameContains(file, L"bench")) {
        Measure(FltObjects);
    }
    if (FlagOn(Leak, 2)) {
        PFLT_CONTEXT forgotten;

        FltGetStreamContext(instance, file, &forgotten);
        ClearFlag(Leak, 2);
    }
    if (NameContains(file, L"scan")) {
        Scan(FltObjects);
    }
    if (Held == NULL && NameContains(file, L"held")) {
        FltGetStreamContext(instance, file, (PFLT_CONTEXT *)&Held);
    }
    UseAll(FltObjects);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreOther(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                 PVOID *CompletionContext)
{
    PFLT_CONTEXT handle = NULL;

    UseAll(FltObjects);
    FltGetStreamHandleContext(FltObjects->Instance, FltObjects->FileObject, &handle);
    *CompletionContext = handle;
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI PostOther(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                   PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    PTRACK track = CompletionContext;
    PFLT_CONTEXT found;

    if (FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING)) {
        InterlockedIncrement64(&Results.Drained);
    } else if (Data->Iopb->MajorFunction == IRP_MJ_CLOSE) {
        /* spec: CTX-56 */
        CHECK(FltGetStreamHandleContext(FltObjects->Instance, FltObjects->FileObject, &found) == STATUS_NOT_SUPPORTED);
        CHECK(found == NULL);
        /* spec: POST-17 */
        CHECK(FltGetStreamContext(FltObjects->Instance, FltObjects->FileObject, &found) == STATUS_NOT_SUPPORTED);
        CHECK(FltGetFileContext(FltObjects->Instance, FltObjects->FileObject, &found) == STATUS_NOT_SUPPORTED);
        CHECK(!FltSupportsStreamContexts(FltObjects->FileObject));
    }
    if (track != NULL) {
        /* Whatever became of the file and the instance, a reference keeps the context */
        /* spec: CTX-50 */
        CHECK(track->Magic == ALIVE && track->Kind == FLT_STREAMHANDLE_CONTEXT);
        CHECK(track->Object == FltObjects->FileObject || FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING));
        FltReleaseContext(track);
    }
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static NTSTATUS FLTAPI InstanceSetup(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_SETUP_FLAGS Flags,
                                     DEVICE_TYPE VolumeDeviceType, FLT_FILESYSTEM_TYPE VolumeFilesystemType)
{
    PTRACK track;
    NTSTATUS status;

    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
    InterlockedIncrement64(&Results.Setups);
    Results.SetupFlags = Flags;
    if (FlagOn(Leak, 1)) {
        CHECK(FltObjectReference(FltObjects->Instance) == STATUS_SUCCESS);
        ClearFlag(Leak, 1);
    }
    track = NewTrack(FLT_VOLUME_CONTEXT, FltObjects->Volume, NULL);
    if (track != NULL) {
        status = FltSetVolumeContext(FltObjects->Volume, FLT_SET_CONTEXT_KEEP_IF_EXISTS, track, NULL);
        CHECK(status == STATUS_SUCCESS || status == STATUS_FLT_CONTEXT_ALREADY_DEFINED
              || status == STATUS_FLT_DELETING_OBJECT);
        FltReleaseContext(track);
    }
    track = NewTrack(FLT_INSTANCE_CONTEXT, FltObjects->Instance, FltObjects->Instance);
    if (track != NULL) {
        CHECK(FltSetInstanceContext(FltObjects->Instance, FLT_SET_CONTEXT_KEEP_IF_EXISTS, track, NULL)
              == STATUS_SUCCESS);
        FltReleaseContext(track);
    }
    return STATUS_SUCCESS;
}

static NTSTATUS FLTAPI InstanceQueryTeardown(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_QUERY_TEARDOWN_FLAGS Flags)
{
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL && Flags == 0);
    InterlockedIncrement64(&Results.Queries);
    UseAll(FltObjects);
    return STATUS_SUCCESS;
}

static VOID FLTAPI InstanceTeardownStart(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_TEARDOWN_FLAGS Reason)
{
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
    InterlockedIncrement64(&Results.Starts);
    Results.Reason = Reason;
    UseAll(FltObjects);
}

/* spec: CTX-53 */
static VOID FLTAPI InstanceTeardownComplete(PCFLT_RELATED_OBJECTS FltObjects, FLT_INSTANCE_TEARDOWN_FLAGS Reason)
{
    PFLT_CONTEXT instance = NULL;

    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL && Reason == (FLT_INSTANCE_TEARDOWN_FLAGS)Results.Reason);
    InterlockedIncrement64(&Results.Completes);
    CHECK(FltGetInstanceContext(FltObjects->Instance, &instance) == STATUS_SUCCESS);
    Use(instance, FLT_INSTANCE_CONTEXT, FltObjects->Instance, FltObjects->Instance);
    FltReleaseContext(instance);
}

static VOID WriteValue(PCWSTR Name, ULONG64 Value)
{
    UNICODE_STRING name;

    RtlInitUnicodeString(&name, Name);
    ZwSetValueKey(Keys.Parameters != NULL ? Keys.Parameters : Keys.Service, &name, 0, REG_QWORD, &Value,
                  sizeof(Value));
}

static VOID ReleaseHeld(VOID)
{
    PTRACK held = InterlockedExchangePointer((PVOID volatile *)&Held, NULL);
    LONG64 before = Results.Cleaned[IndexOf(FLT_STREAM_CONTEXT)];

    if (held != NULL) {
        /* Its file is closed and its instance gone */
        /* spec: CTX-49, CTX-50, CTX-41 */
        CHECK(held->Magic == ALIVE);
        FltReleaseContext(held);
        CHECK(Results.Cleaned[IndexOf(FLT_STREAM_CONTEXT)] == before + 1);
    }
}

static VOID DetachAll(VOID)
{
    PFLT_VOLUME volumes[16];
    ULONG count = 0, i;

    if (NT_SUCCESS(FltEnumerateVolumes(Filter, volumes, 16, &count))) {
        for (i = 0; i < count; i++) {
            while (NT_SUCCESS(FltDetachVolume(Filter, volumes[i], NULL))) {
            }
            FltObjectDereference(volumes[i]);
        }
    }
}

static NTSTATUS FLTAPI Unload(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    LONG64 leaked = 0;
    ULONG i;

    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
    if (Refuse == 1 && !FlagOn(Flags, FLTFL_FILTER_UNLOAD_MANDATORY)) {
        return STATUS_FLT_DO_NOT_DETACH;
    }
    if (Refuse == 2) {
        /* Wrong: the filter is still registered. */
        ReleaseHeld();
        return STATUS_SUCCESS;
    }
    if (Held != NULL) {
        DetachAll();
    }
    ReleaseHeld();
    FltUnregisterFilter(Filter);
    for (i = 0; i < RESULTS_KINDS; i++) {
        leaked += Results.Allocated[i] - Results.Cleaned[i];
    }
    CHECK(Results.Starts == Results.Completes);
    WriteValue(L"Failed", Results.FailedCount);
    WriteValue(L"Leaked", leaked);
    WriteValue(L"Reason", Results.Reason);
    CloseParameters(&Keys);
    return STATUS_SUCCESS;
}

#define OTHER(Major)                                                                                                 \
    {                                                                                                                \
        .MajorFunction = (Major), .PreOperation = PreOther, .PostOperation = PostOther                               \
    }

static const FLT_OPERATION_REGISTRATION Operations[] = {
    {.MajorFunction = IRP_MJ_CREATE, .PreOperation = PreCreate, .PostOperation = PostCreate},
    OTHER(IRP_MJ_READ),
    OTHER(IRP_MJ_WRITE),
    OTHER(IRP_MJ_QUERY_INFORMATION),
    OTHER(IRP_MJ_SET_INFORMATION),
    OTHER(IRP_MJ_DIRECTORY_CONTROL),
    OTHER(IRP_MJ_FLUSH_BUFFERS),
    OTHER(IRP_MJ_CLEANUP),
    OTHER(IRP_MJ_CLOSE),
    {.MajorFunction = IRP_MJ_OPERATION_END},
};

#define CONTEXT(Kind)                                                                                                \
    {                                                                                                                \
        .ContextType = (Kind), .ContextCleanupCallback = Cleanup, .Size = sizeof(TRACK), .PoolTag = TRACK_TAG        \
    }

static const FLT_CONTEXT_REGISTRATION Contexts[] = {
    CONTEXT(FLT_VOLUME_CONTEXT),       CONTEXT(FLT_INSTANCE_CONTEXT),    CONTEXT(FLT_FILE_CONTEXT),
    CONTEXT(FLT_STREAM_CONTEXT),       CONTEXT(FLT_STREAMHANDLE_CONTEXT), CONTEXT(FLT_TRANSACTION_CONTEXT),
    CONTEXT(FLT_SECTION_CONTEXT),      {.ContextType = FLT_CONTEXT_END},
};

static const FLT_REGISTRATION Registration = {
    .Size = sizeof(FLT_REGISTRATION),
    .Version = FLT_REGISTRATION_VERSION,
    .ContextRegistration = Contexts,
    .OperationRegistration = Operations,
    .FilterUnloadCallback = Unload,
    .InstanceSetupCallback = InstanceSetup,
    .InstanceQueryTeardownCallback = InstanceQueryTeardown,
    .InstanceTeardownStartCallback = InstanceTeardownStart,
    .InstanceTeardownCompleteCallback = InstanceTeardownComplete,
    .SectionNotificationCallback = Conflict,
};

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status = OpenParameters(DriverObject, RegistryPath, KEY_READ | KEY_WRITE, &Keys);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    ReadUlongParameter(&Keys, L"Refuse", &Refuse);
    ReadUlongParameter(&Keys, L"Leak", &Leak);
    Results.Magic = RESULTS_MAGIC;
    WriteValue(L"Results", (ULONG64)&Results);
    status = FltRegisterFilter(DriverObject, &Registration, &Filter);
    if (NT_SUCCESS(status)) {
        status = FltStartFiltering(Filter);
        if (!NT_SUCCESS(status)) {
            FltUnregisterFilter(Filter);
        }
    }
    if (!NT_SUCCESS(status)) {
        CloseParameters(&Keys);
    }
    return status;
}
