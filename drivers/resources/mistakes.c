/*
 * What a driver must not do with resources, regions and IRQL: one thing for each number, and the loops that are timed.
 */
#include "results.h"
#define THIS_FILE 4

static ERESOURCE Resource;
static FAST_MUTEX FastMutex;

static VOID NTAPI HoldAndEnd(PVOID Context)
{
    KeEnterCriticalRegion();
    (VOID)ExAcquireResourceSharedLite(&Resource, TRUE);
    KeLeaveCriticalRegion();
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID NTAPI LeaveTheRegionEntered(PVOID Context)
{
    FltAcquireResourceExclusive(&Resource);
    ExReleaseResourceLite(&Resource);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID NTAPI EndRaised(PVOID Context)
{
    KIRQL old;

    KeRaiseIrql(APC_LEVEL, &old);
}

static VOID NTAPI Release(PVOID Context)
{
    KeEnterCriticalRegion();
    ExReleaseResourceLite(&Resource);
    KeLeaveCriticalRegion();
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID NTAPI ReleaseForOther(PVOID Context)
{
    ExReleaseResourceForThreadLite(&Resource, (ERESOURCE_THREAD)Context);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static KEVENT DpcRan;

static VOID NTAPI AcquireInDpc(PKDPC Dpc, PVOID Context, PVOID First, PVOID Second)
{
    (VOID)ExAcquireResourceSharedLite(&Resource, FALSE);
    KeSetEvent(&DpcRan, 0, FALSE);
}

static VOID QueueDpc(VOID)
{
    static KDPC dpc;

    KeInitializeEvent(&DpcRan, NotificationEvent, FALSE);
    KeInitializeDpc(&dpc, AcquireInDpc, NULL);
    (VOID)KeInsertQueueDpc(&dpc, NULL, NULL);
    (VOID)KeWaitForSingleObject(&DpcRan, Executive, KernelMode, FALSE, NULL);
}

/* Opens a file that does not exist. */
static NTSTATUS OpenSomething(VOID)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\??\\C:\\not there");
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK block;
    HANDLE handle;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    return ZwCreateFile(&handle, FILE_READ_ATTRIBUTES, &attributes, &block, NULL, 0, FILE_SHARE_READ, FILE_OPEN, 0, NULL,
                        0);
}

static VOID AtLevel(KIRQL Level, ULONG What)
{
    KIRQL old;

    KeRaiseIrql(Level, &old);
    switch (What) {
    case 0:
        (VOID)ExAcquireResourceExclusiveLite(&Resource, FALSE);
        break;
    case 1:
        (VOID)ExAcquireResourceSharedLite(&Resource, FALSE);
        break;
    case 2:
        (VOID)ExAcquireSharedStarveExclusive(&Resource, FALSE);
        break;
    case 3:
        (VOID)ExAcquireSharedWaitForExclusive(&Resource, FALSE);
        break;
    case 4:
        FltAcquireResourceShared(&Resource);
        break;
    case 5:
        FltReleaseResource(&Resource);
        break;
    case 6:
        (VOID)KeWaitForSingleObject(&DpcRan, Executive, KernelMode, FALSE, NULL);
        break;
    case 7:
        (VOID)ExDeleteResourceLite(&Resource);
        break;
    }
    KeLowerIrql(old);
}

VOID RunMode(ULONG Mode)
{
    static ERESOURCE other;
    static ULONG64 storage;
    static KMUTEX mutex;
    LARGE_INTEGER none = {.QuadPart = 0};
    KEVENT event;
    PVOID pointer;
    HANDLE thread;

    (VOID)ExInitializeResourceLite(&Resource);
    ExInitializeFastMutex(&FastMutex);
    KeInitializeEvent(&DpcRan, NotificationEvent, TRUE);
    switch (Mode) {
    case 1: /* spec: RES-21, SEED-RES-09 */
        FltAcquireResourceExclusive(&Resource);
        JoinThread(StartThread(Release, NULL));
        break;
    case 2: /* spec: SEED-RES-02 */
        FltReleaseResource(&other);
        break;
    case 3: /* spec: SEED-RES-02 */
        FltAcquireResourceShared(NULL);
        break;
    case 4: /* spec: RES-03, SEED-RES-02 */
        (VOID)ExDeleteResourceLite(&Resource);
        FltAcquireResourceShared(&Resource);
        break;
    case 5: /* spec: RES-01 */
        (VOID)ExInitializeResourceLite((PERESOURCE)((ULONG_PTR)&other + 4));
        break;
    case 6: /* spec: SEED-RES-13 */
        JoinThread(StartThread(LeaveTheRegionEntered, NULL));
        break;
    case 7:
        JoinThread(StartThread(EndRaised, NULL));
        break;
    case 8: /* spec: SEED-RES-05, EXEC-03 */
        FltAcquireResourceShared(&Resource);
        FltReleaseResource(&Resource);
        KeLeaveCriticalRegion();
        break;
    case 9: /* spec: EXEC-03 */
        KeLeaveGuardedRegion();
        break;
    case 10: /* spec: RES-12, RES-32 */
    case 11:
    case 12:
    case 13:
    case 14: /* spec: RES-30 */
        AtLevel(DISPATCH_LEVEL, Mode - 10);
        break;
    case 15: /* spec: SEED-RES-08 */
        FltAcquireResourceShared(&Resource);
        AtLevel(DISPATCH_LEVEL + 1, 5);
        break;
    case 16: /* spec: EXEC-11, EXEC-43 */
        AtLevel(DISPATCH_LEVEL, 6);
        break;
    case 17: /* spec: RES-03 */
        AtLevel(DISPATCH_LEVEL, 7);
        break;
    case 18: /* spec: RES-32 */
        QueueDpc();
        break;
    case 19: /* spec: RES-27 */
        FltAcquireResourceShared(&Resource);
        ExConvertExclusiveToSharedLite(&Resource);
        break;
    case 20: /* spec: RES-25 */
        FltAcquireResourceExclusive(&Resource);
        ExSetResourceOwnerPointer(&Resource, (PVOID)((ULONG_PTR)&storage | 3));
        FltReleaseResource(&Resource);
        break;
    case 21: /* spec: EXEC-43 */
        KeLowerIrql(APC_LEVEL);
        break;
    case 22: /* spec: EXEC-43 */
        KfRaiseIrql(APC_LEVEL);
        KfRaiseIrql(PASSIVE_LEVEL);
        break;
    case 23: /* spec: EXEC-21 */
        ExAcquireFastMutex(&FastMutex);
        ExAcquireFastMutex(&FastMutex);
        break;
    case 24: /* spec: EXEC-44 */
        ExAcquireFastMutex(&FastMutex);
        (VOID)OpenSomething();
        break;

    /* Findings: the machine goes on. */
    case 40: /* spec: RES-33 */
        JoinThread(StartThread(HoldAndEnd, NULL));
        break;
    case 41: /* spec: RES-03, SEED-RES-07 */
        FltAcquireResourceShared(&Resource);
        (VOID)ExDeleteResourceLite(&Resource);
        KeLeaveCriticalRegion();
        return;
    case 42: /* spec: RES-01 */
        pointer = ExAllocatePoolWithTag(PagedPool, sizeof(ERESOURCE), 'sseR');
        if (pointer != NULL) {
            (VOID)ExInitializeResourceLite(pointer);
            (VOID)ExDeleteResourceLite(pointer);
            ExFreePoolWithTag(pointer, 'sseR');
        }
        break;
    case 43: /* spec: RES-02 */
        pointer = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(ERESOURCE), 'sseR');
        if (pointer != NULL) {
            (VOID)ExInitializeResourceLite(pointer);
            ExFreePoolWithTag(pointer, 'sseR');
        }
        break;
    case 44: /* spec: RES-02: in the image, which is unloaded */
        return;
    case 45: /* spec: RES-23 */
        FltAcquireResourceShared(&Resource);
        thread = StartThread(ReleaseForOther, (PVOID)ExGetCurrentResourceThread());
        JoinThread(thread);
        KeLeaveCriticalRegion();
        break;
    case 46: /* spec: EXEC-17 */
        KeInitializeMutex(&mutex, 0);
        (VOID)KeWaitForSingleObject(&mutex, UserRequest, UserMode, FALSE, &none);
        (VOID)KeReleaseMutex(&mutex, FALSE);
        break;
    case 47: /* spec: EXEC-17 */
        KeInitializeEvent(&event, NotificationEvent, TRUE);
        (VOID)KeWaitForSingleObject(&event, UserRequest, UserMode, FALSE, NULL);
        break;
    case 48: /* spec: EXEC-22 */
        ExAcquireFastMutexUnsafe(&FastMutex);
        ExReleaseFastMutexUnsafe(&FastMutex);
        break;
    case 49: /* spec: EXEC-23 */
        KeEnterCriticalRegion();
        KeAcquireGuardedMutexUnsafe((PKGUARDED_MUTEX)&FastMutex);
        KeReleaseGuardedMutexUnsafe((PKGUARDED_MUTEX)&FastMutex);
        KeLeaveCriticalRegion();
        break;
    case 50: /* spec: EXEC-09 */
        KeEnterGuardedRegion();
        (VOID)OpenSomething();
        KeLeaveGuardedRegion();
        break;

    /* In a program's thread. */
    case 100: /* spec: RES-13 */
        (VOID)ExAcquireResourceSharedLite(&Resource, TRUE);
        KeEnterCriticalRegion();
        ExReleaseResourceLite(&Resource);
        KeLeaveCriticalRegion();
        break;
    case 101: /* spec: RES-13 */
        KeEnterCriticalRegion();
        (VOID)ExAcquireResourceExclusiveLite(&Resource, TRUE);
        KeLeaveCriticalRegion();
        ExReleaseResourceLite(&Resource);
        break;
    case 102: /* spec: SEED-RES-13 */
        FltAcquireResourceShared(&Resource);
        ExReleaseResourceLite(&Resource);
        break;
    case 103:
        AtLevel(APC_LEVEL, 0);
        KfRaiseIrql(APC_LEVEL);
        break;
    case 104: /* spec: EXEC-38 */
        CHECK(PsTerminateSystemThread(STATUS_SUCCESS) == STATUS_INVALID_PARAMETER);
        KeEnterCriticalRegion();
        (VOID)ExAcquireResourceSharedLite(&Resource, TRUE);
        ExReleaseResourceLite(&Resource);
        KeLeaveCriticalRegion();
        Results.Cases += 1;
        break;
    }
    (VOID)ExDeleteResourceLite(&Resource);
}

static VOID NTAPI Nothing(PKAPC Apc, PKNORMAL_ROUTINE_ *Normal, PVOID *Context, PVOID *First, PVOID *Second)
{
}

/* In units of 100 ns. */
ULONG64 Now(VOID)
{
    LARGE_INTEGER frequency, now = KeQueryPerformanceCounter(&frequency);

    return (ULONG64)now.QuadPart * 10000000 / (ULONG64)frequency.QuadPart;
}

VOID RunLoops(ULONG Count)
{
    static KAPC apc;
    ULONG64 start;
    ULONG index;

    (VOID)ExInitializeResourceLite(&Resource);
    KeEnterCriticalRegion();
    start = Now();
    for (index = 0; index < Count; index++) {
        (VOID)ExAcquireResourceExclusiveLite(&Resource, TRUE);
        ExReleaseResourceLite(&Resource);
    }
    Results.ExclusiveTicks = Now() - start;
    start = Now();
    for (index = 0; index < Count; index++) {
        (VOID)ExAcquireResourceSharedLite(&Resource, TRUE);
        ExReleaseResourceLite(&Resource);
    }
    Results.SharedTicks = Now() - start;
    KeLeaveCriticalRegion();
    KeInitializeApc(&apc, KeGetCurrentThread(), 0, Nothing, NULL, NULL, KernelMode, NULL);
    start = Now();
    for (index = 0; index < Count; index++) {
        (VOID)KeInsertQueueApc(&apc, NULL, NULL, 0);
    }
    Results.ApcTicks = Now() - start;
    (VOID)ExDeleteResourceLite(&Resource);
}
