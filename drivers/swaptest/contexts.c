/*
 * Modes about contexts and volume properties. Most checks run in the instance setup callback.
 */
#include "swaptest.h"
#define FILE_NUMBER 2

#define CONTEXT_TAG 'cTwS'
#define SMALL 64
#define LARGE 256
#define PATTERN 0x5A

static volatile LONG Cleanups;
static PVOID volatile LastCleaned;
static KEVENT Cleaned;
static SIZE_T AllocatedBytes;
static LONG Allocations, Frees;

static VOID FLTAPI Cleanup(PFLT_CONTEXT Context, FLT_CONTEXT_TYPE Type)
{
    UNREFERENCED_PARAMETER(Type);
    CHECK(KeGetCurrentIrql() <= APC_LEVEL);
    LastCleaned = Context;
    InterlockedIncrement(&Cleanups);
    KeSetEvent(&Cleaned, 0, FALSE);
}

static PVOID FLTAPI Allocate(POOL_TYPE PoolType, SIZE_T Size, FLT_CONTEXT_TYPE Type)
{
    CHECK(KeGetCurrentIrql() <= APC_LEVEL);
    CHECK(Type == FLT_STREAM_CONTEXT);
    AllocatedBytes = Size;
    Allocations++;
    return ExAllocatePoolWithTag(PoolType, Size, CONTEXT_TAG);
}

static VOID FLTAPI Free(PVOID Pool, FLT_CONTEXT_TYPE Type)
{
    CHECK(Type == FLT_STREAM_CONTEXT);
    Frees++;
    ExFreePoolWithTag(Pool, CONTEXT_TAG);
}

/* A fixed size comes before the variable one of the same type on purpose, and after another: order means nothing. */
const FLT_CONTEXT_REGISTRATION Contexts[] = {
    {FLT_INSTANCE_CONTEXT, FLTFL_CONTEXT_REGISTRATION_NO_EXACT_SIZE_MATCH, Cleanup, LARGE, CONTEXT_TAG, NULL, NULL, NULL},
    {FLT_VOLUME_CONTEXT, 0, Cleanup, FLT_VARIABLE_SIZED_CONTEXTS, CONTEXT_TAG, NULL, NULL, NULL},
    {FLT_INSTANCE_CONTEXT, 0, Cleanup, SMALL, CONTEXT_TAG, NULL, NULL, NULL},
    {FLT_STREAM_CONTEXT, 0, Cleanup, 0, 0, Allocate, Free, NULL},
    {FLT_STREAMHANDLE_CONTEXT, 0, Cleanup, SMALL, CONTEXT_TAG, NULL, NULL, NULL},
    {FLT_TRANSACTION_CONTEXT, 0, Cleanup, 0, CONTEXT_TAG, NULL, NULL, NULL},
    {FLT_SECTION_CONTEXT, 0, Cleanup, SMALL, CONTEXT_TAG, NULL, NULL, NULL},
    {.ContextType = FLT_CONTEXT_END},
};

static PFLT_CONTEXT New(FLT_CONTEXT_TYPE Type, SIZE_T Bytes)
{
    PFLT_CONTEXT context = NULL;

    CHECK(FltAllocateContext(Filter, Type, Bytes, NonPagedPoolNx, &context) == STATUS_SUCCESS);
    CHECK(context != NULL);
    if (context != NULL) {
        RtlFillMemory(context, Bytes, PATTERN);
    }
    return context;
}

/* Gives the last reference up: the cleanup callback runs before this returns. */
static VOID ReleaseLast(PFLT_CONTEXT Context)
{
    LONG before = Cleanups;

    FltReleaseContext(Context);
    CHECK(Cleanups == before + 1);
    CHECK(LastCleaned == Context);
}

static VOID ReleaseOther(PFLT_CONTEXT Context)
{
    LONG before = Cleanups;

    FltReleaseContext(Context);
    CHECK(Cleanups == before);
}

static NTSTATUS TryAllocate(FLT_CONTEXT_TYPE Type, SIZE_T Bytes, POOL_TYPE Pool)
{
    PFLT_CONTEXT context = NULL;
    NTSTATUS status = FltAllocateContext(Filter, Type, Bytes, Pool, &context);

    if (NT_SUCCESS(status)) {
        FltReleaseContext(context);
    }
    return status;
}

static VOID CheckAllocation(VOID)
{
    PFLT_CONTEXT context;
    PUCHAR bytes;
    ULONG i, zeros = 0;

    /* spec: CTX-15, CTX-16, CTX-17 */
    CHECK(TryAllocate(FLT_VOLUME_CONTEXT, 0, NonPagedPoolNx) == STATUS_INVALID_PARAMETER);
    CHECK(TryAllocate(FLT_VOLUME_CONTEXT, 0x10000, NonPagedPoolNx) == STATUS_INVALID_PARAMETER);
    CHECK(TryAllocate(FLT_VOLUME_CONTEXT, 0xFFFF, NonPagedPoolNx) == STATUS_SUCCESS);
    CHECK(TryAllocate(0x0003, SMALL, NonPagedPoolNx) == STATUS_INVALID_PARAMETER);
    CHECK(TryAllocate(0x0080, SMALL, NonPagedPoolNx) == STATUS_INVALID_PARAMETER);
    CHECK(TryAllocate(FLT_CONTEXT_END, SMALL, NonPagedPoolNx) == STATUS_INVALID_PARAMETER);
    /* spec: CTX-11, CTX-12, CTX-13, CTX-14 */
    CHECK(TryAllocate(FLT_FILE_CONTEXT, SMALL, NonPagedPoolNx) == STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND);
    CHECK(TryAllocate(FLT_STREAMHANDLE_CONTEXT, SMALL, PagedPool) == STATUS_SUCCESS);
    CHECK(TryAllocate(FLT_STREAMHANDLE_CONTEXT, SMALL - 1, PagedPool) == STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND);
    CHECK(TryAllocate(FLT_INSTANCE_CONTEXT, SMALL + 1, PagedPool) == STATUS_SUCCESS);
    CHECK(TryAllocate(FLT_INSTANCE_CONTEXT, LARGE, PagedPool) == STATUS_SUCCESS);
    CHECK(TryAllocate(FLT_INSTANCE_CONTEXT, LARGE + 1, PagedPool) == STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND);
    /* spec: CTX-20 */
    CHECK(TryAllocate(FLT_VOLUME_CONTEXT, SMALL, PagedPool) == STATUS_FLT_MUST_BE_NONPAGED_POOL);
    CHECK(TryAllocate(FLT_VOLUME_CONTEXT, SMALL, NonPagedPool) == STATUS_SUCCESS);
    /* spec: CTX-18, CTX-25 */
    ReleaseLast(New(FLT_VOLUME_CONTEXT, 100));
    /* spec: CTX-19 */
    CHECK(FltAllocateContext(Filter, FLT_VOLUME_CONTEXT, LARGE, NonPagedPoolNx, &context) == STATUS_SUCCESS);
    for (bytes = context, i = 0; i < LARGE; i++) {
        zeros += bytes[i] == 0 ? 1 : 0;
    }
    CHECK(zeros != LARGE);
    FltReleaseContext(context);
    /* spec: CTX-08, CTX-23 */
    context = New(FLT_STREAM_CONTEXT, 4711);
    CHECK(AllocatedBytes > 4711);
    CHECK(Allocations == Frees + 1);
    ReleaseLast(context);
    CHECK(Allocations == Frees);
    /* spec: CTX-40 */
    context = New(FLT_VOLUME_CONTEXT, SMALL);
    FltReferenceContext(context);
    ReleaseOther(context);
    ReleaseLast(context);
}

static VOID CheckVolume(PFLT_VOLUME Volume)
{
    PFLT_CONTEXT a = New(FLT_VOLUME_CONTEXT, SMALL), b = New(FLT_VOLUME_CONTEXT, SMALL),
                 wrong = New(FLT_INSTANCE_CONTEXT, SMALL), found = a, old = a;

    /* spec: CTX-58 */
    CHECK(FltGetVolumeContext(Filter, Volume, &found) == STATUS_NOT_FOUND);
    CHECK(found == NULL);
    /* spec: CTX-27 */
    CHECK(FltSetVolumeContext(Volume, FLT_SET_CONTEXT_KEEP_IF_EXISTS, a, &old) == STATUS_SUCCESS);
    CHECK(old == NULL);
    CHECK(FltGetVolumeContext(Filter, Volume, &found) == STATUS_SUCCESS);
    CHECK(found == a);
    ReleaseOther(found);
    /* spec: CTX-31 */
    CHECK(FltSetVolumeContext(Volume, FLT_SET_CONTEXT_REPLACE_IF_EXISTS, a, NULL) == STATUS_FLT_CONTEXT_ALREADY_LINKED);
    /* spec: CTX-28, CTX-29 */
    CHECK(FltSetVolumeContext(Volume, FLT_SET_CONTEXT_KEEP_IF_EXISTS, b, &old) == STATUS_FLT_CONTEXT_ALREADY_DEFINED);
    CHECK(old == a);
    ReleaseOther(old);
    CHECK(FltSetVolumeContext(Volume, FLT_SET_CONTEXT_KEEP_IF_EXISTS, b, NULL) == STATUS_FLT_CONTEXT_ALREADY_DEFINED);
    /* spec: CTX-26 */
    CHECK(FltSetVolumeContext(Volume, (FLT_SET_CONTEXT_OPERATION)2, b, NULL) == STATUS_INVALID_PARAMETER);
    /* spec: CTX-32, CTX-39 */
    CHECK(FltSetVolumeContext(Volume, FLT_SET_CONTEXT_REPLACE_IF_EXISTS, wrong, NULL) == STATUS_INVALID_PARAMETER);
    ReleaseLast(wrong);
    /* spec: CTX-30, CTX-38, CTX-24 */
    CHECK(FltSetVolumeContext(Volume, FLT_SET_CONTEXT_REPLACE_IF_EXISTS, b, &old) == STATUS_SUCCESS);
    CHECK(old == a);
    ReleaseOther(a);
    ReleaseLast(old);
    a = New(FLT_VOLUME_CONTEXT, LARGE);
    ReleaseOther(b);
    CHECK(FltSetVolumeContext(Volume, FLT_SET_CONTEXT_REPLACE_IF_EXISTS, a, NULL) == STATUS_SUCCESS);
    CHECK(LastCleaned == b);
    /* spec: CTX-47, CTX-48 */
    CHECK(FltDeleteVolumeContext(Filter, Volume, &old) == STATUS_SUCCESS);
    CHECK(old == a);
    ReleaseOther(old);
    CHECK(FltDeleteVolumeContext(Filter, Volume, NULL) == STATUS_NOT_FOUND);
    /* spec: CTX-44, CTX-45 */
    CHECK(FltSetVolumeContext(Volume, FLT_SET_CONTEXT_KEEP_IF_EXISTS, a, NULL) == STATUS_SUCCESS);
    FltDeleteContext(a);
    CHECK(FltGetVolumeContext(Filter, Volume, &found) == STATUS_NOT_FOUND);
    CHECK(*(PUCHAR)a == PATTERN);
    ReleaseLast(a);
}

static VOID CheckSeveral(PCFLT_RELATED_OBJECTS FltObjects)
{
    FLT_RELATED_CONTEXTS contexts;
    FLT_RELATED_CONTEXTS_EX extended;
    PFLT_CONTEXT volume = New(FLT_VOLUME_CONTEXT, SMALL), instance = New(FLT_INSTANCE_CONTEXT, SMALL);

    CHECK(FltSetVolumeContext(FltObjects->Volume, FLT_SET_CONTEXT_KEEP_IF_EXISTS, volume, NULL) == STATUS_SUCCESS);
    CHECK(FltSetInstanceContext(FltObjects->Instance, FLT_SET_CONTEXT_KEEP_IF_EXISTS, instance, NULL)
          == STATUS_SUCCESS);
    /* spec: CTX-01, CTX-51, CTX-53, CTX-54 */
    RtlFillMemory(&contexts, sizeof(contexts), 0xFF);
    FltGetContexts(FltObjects, FLT_VOLUME_CONTEXT | FLT_INSTANCE_CONTEXT, &contexts);
    CHECK(contexts.VolumeContext == volume && contexts.InstanceContext == instance);
    CHECK(contexts.FileContext == NULL && contexts.StreamContext == NULL && contexts.StreamHandleContext == NULL
          && contexts.TransactionContext == NULL);
    FltReleaseContexts(&contexts);
    CHECK(contexts.VolumeContext == NULL && contexts.InstanceContext == NULL);
    FltGetContexts(FltObjects, FLT_INSTANCE_CONTEXT, &contexts);
    CHECK(contexts.VolumeContext == NULL);
    FltReleaseContexts(&contexts);
    /* spec: CTX-52 */
    CHECK(NT_SUCCESS(FltGetContextsEx(FltObjects, FLT_ALL_CONTEXTS, sizeof(extended), &extended)));
    CHECK(extended.VolumeContext == volume && extended.SectionContext == NULL);
    FltReleaseContextsEx(sizeof(extended), &extended);
    ReleaseOther(volume);
    ReleaseOther(instance);
    /* Both stay linked: for the teardown callbacks. */
}

static PFLT_CONTEXT HeldInstance;

/* spec: CTX-41 */
static VOID CheckHighRelease(VOID)
{
    PFLT_CONTEXT context = New(FLT_VOLUME_CONTEXT, SMALL);
    KIRQL old;

    KeClearEvent(&Cleaned);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    FltReleaseContext(context);
    KeLowerIrql(old);
    CHECK(KeWaitForSingleObject(&Cleaned, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    CHECK(LastCleaned == context);
}

static VOID SetupContexts(PCFLT_RELATED_OBJECTS FltObjects)
{
    KeInitializeEvent(&Cleaned, SynchronizationEvent, FALSE);
    CheckAllocation();
    CheckVolume(FltObjects->Volume);
    CheckHighRelease();
    CheckSeveral(FltObjects);
}

static FLT_PREOP_CALLBACK_STATUS PreContexts(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                             PVOID *CompletionContext)
{
    PFLT_CONTEXT found = NULL;

    CHECK(FltGetInstanceContext(FltObjects->Instance, &found) == STATUS_SUCCESS);
    CHECK(*(PUCHAR)found == PATTERN);
    *CompletionContext = found;
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS PostContexts(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                               PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    ReleaseOther(CompletionContext);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static VOID TeardownContexts(PCFLT_RELATED_OBJECTS FltObjects)
{
    PFLT_CONTEXT late = NULL;

    CHECK(FltGetInstanceContext(FltObjects->Instance, &HeldInstance) == STATUS_SUCCESS);
    /* spec: CTX-33 */
    CHECK(FltAllocateContext(Filter, FLT_INSTANCE_CONTEXT, SMALL, NonPagedPoolNx, &late) == STATUS_SUCCESS);
    CHECK(FltSetInstanceContext(FltObjects->Instance, FLT_SET_CONTEXT_REPLACE_IF_EXISTS, late, NULL)
          == STATUS_FLT_DELETING_OBJECT);
    ReleaseLast(late);
}

static LONG CleanupsBefore;

/* Called before and after FltUnregisterFilter. */
static VOID UnloadContexts(VOID)
{
    static BOOLEAN unregistered;
    PFLT_VOLUME volume = NULL;
    ULONG count;
    PFLT_CONTEXT found;

    if (unregistered) {
        /* The volume context went with the filter */
        /* spec: CTX-49 */
        CHECK(Cleanups == CleanupsBefore + 1);
        return;
    }
    unregistered = TRUE;
    CHECK(FltEnumerateVolumes(Filter, &volume, 1, &count) == STATUS_SUCCESS);
    CHECK(FltDetachVolume(Filter, volume, NULL) == STATUS_SUCCESS);
    /* It belongs to the filter and the volume, not to the instance */
    /* spec: CTX-34 */
    CHECK(FltGetVolumeContext(Filter, volume, &found) == STATUS_SUCCESS);
    ReleaseOther(found);
    FltObjectDereference(volume);
    /* spec: CTX-49, CTX-50 */
    CHECK(HeldInstance != NULL && *(PUCHAR)HeldInstance == PATTERN);
    ReleaseLast(HeldInstance);
    CleanupsBefore = Cleanups;
}

/* spec: CTX-21 */
static VOID TeardownGoing(PCFLT_RELATED_OBJECTS FltObjects)
{
    CHECK(TryAllocate(FLT_VOLUME_CONTEXT, SMALL, NonPagedPoolNx) == STATUS_FLT_DELETING_OBJECT);
}

static VOID SetupLeak(PCFLT_RELATED_OBJECTS FltObjects)
{
    (VOID)New(FLT_VOLUME_CONTEXT, SMALL);
}

static VOID SetupReleaseTwice(PCFLT_RELATED_OBJECTS FltObjects)
{
    PFLT_CONTEXT context = New(FLT_VOLUME_CONTEXT, SMALL);

    FltReleaseContext(context);
    FltReleaseContext(context);
}

static VOID SetupPagedHigh(PCFLT_RELATED_OBJECTS FltObjects)
{
    PFLT_CONTEXT context = NULL;
    KIRQL old;

    CHECK(FltAllocateContext(Filter, FLT_INSTANCE_CONTEXT, SMALL, PagedPool, &context) == STATUS_SUCCESS);
    KeInitializeEvent(&Cleaned, SynchronizationEvent, FALSE);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    FltReleaseContext(context);
    KeLowerIrql(old);
    (VOID)KeWaitForSingleObject(&Cleaned, Executive, KernelMode, FALSE, NULL);
}

static VOID SetupWrongPool(PCFLT_RELATED_OBJECTS FltObjects)
{
    (VOID)TryAllocate(FLT_VOLUME_CONTEXT, SMALL, NonPagedPoolCacheAligned);
}

static VOID SetupDeleteSection(PCFLT_RELATED_OBJECTS FltObjects)
{
    PFLT_CONTEXT context = New(FLT_SECTION_CONTEXT, SMALL);

    FltDeleteContext(context);
    FltReleaseContext(context);
}

static BOOLEAN Follows(PFLT_VOLUME_PROPERTIES Properties, PUNICODE_STRING Name, ULONG Bytes)
{
    ULONG_PTR start = (ULONG_PTR)Properties + sizeof(*Properties), place = (ULONG_PTR)Name->Buffer;

    return Name->Length == 0 || (place >= start && place + Name->Length <= (ULONG_PTR)Properties + Bytes);
}

static VOID SetupProperties(PCFLT_RELATED_OBJECTS FltObjects)
{
    UCHAR room[sizeof(FLT_VOLUME_PROPERTIES) + 512];
    PFLT_VOLUME_PROPERTIES properties = (PFLT_VOLUME_PROPERTIES)room;
    PFLT_VOLUME volume = NULL;
    PVOID memory;
    ULONG needed = 0, length = 0;

    /* spec: OBJ-15, OBJ-18 */
    (VOID)FltGetVolumeProperties(FltObjects->Volume, NULL, 0, &needed);
    CHECK(needed > sizeof(*properties) && needed <= sizeof(room));
    RtlFillMemory(room, sizeof(room), 0xEE);
    CHECK(FltGetVolumeProperties(FltObjects->Volume, properties, sizeof(*properties) - 1, &length)
          == STATUS_BUFFER_TOO_SMALL);
    CHECK(room[0] == 0xEE);
    /* spec: OBJ-16 */
    CHECK(FltGetVolumeProperties(FltObjects->Volume, properties, needed - 1, &length) == STATUS_BUFFER_OVERFLOW);
    CHECK(length == sizeof(*properties) && room[sizeof(*properties)] == 0xEE);
    CHECK(properties->SectorSize == 512);
    /* spec: OBJ-17 */
    CHECK(FltGetVolumeProperties(FltObjects->Volume, properties, needed, &length) == STATUS_SUCCESS);
    CHECK(length == needed);
    CHECK(properties->DeviceType == FILE_DEVICE_DISK_FILE_SYSTEM && properties->SectorSize == 512);
    CHECK(properties->Flags == 0);
    CHECK(properties->RealDeviceName.Length != 0 && properties->FileSystemDriverName.Length != 0);
    CHECK(Follows(properties, &properties->FileSystemDriverName, length));
    CHECK(Follows(properties, &properties->FileSystemDeviceName, length));
    CHECK(Follows(properties, &properties->RealDeviceName, length));
    memory = FltAllocatePoolAlignedWithTag(FltObjects->Instance, NonPagedPoolNx, 1000, BUFFER_TAG);
    CHECK(memory != NULL && ((ULONG_PTR)memory & properties->AlignmentRequirement) == 0);
    FltFreePoolAlignedWithTag(FltObjects->Instance, memory, BUFFER_TAG);
    CHECK(FltGetVolumeFromInstance(FltObjects->Instance, &volume) == STATUS_SUCCESS);
    CHECK(volume == FltObjects->Volume);
    FltObjectDereference(volume);
}

const BEHAVIOUR ContextModes[] = {
    {L"contexts", PreContexts, PostContexts, SetupContexts, TeardownContexts, NULL, UnloadContexts},
    {L"going", NULL, NULL, NULL, TeardownGoing, NULL, NULL},
    {L"context-leak", NULL, NULL, SetupLeak, NULL, NULL, NULL},
    {L"context-twice", NULL, NULL, SetupReleaseTwice, NULL, NULL, NULL},
    {L"context-paged", NULL, NULL, SetupPagedHigh, NULL, NULL, NULL},
    {L"context-pool", NULL, NULL, SetupWrongPool, NULL, NULL, NULL},
    {L"context-section", NULL, NULL, SetupDeleteSection, NULL, NULL, NULL},
    {L"properties", NULL, NULL, SetupProperties, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL, NULL},
};
