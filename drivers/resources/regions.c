/*
 * Regions, IRQL and what they hold off.
 */
#include "results.h"
#define THIS_FILE 3

static ERESOURCE Resource;
static KAPC SpecialApc, NormalApc;
static ULONG Specials, Normals;
static KIRQL SpecialLevel, NormalLevel;

static VOID NTAPI OnSpecial(PKAPC Apc, PKNORMAL_ROUTINE_ *Normal, PVOID *Context, PVOID *First, PVOID *Second)
{
    Specials += 1;
    SpecialLevel = KeGetCurrentIrql();
}

static VOID NTAPI BeforeNormal(PKAPC Apc, PKNORMAL_ROUTINE_ *Normal, PVOID *Context, PVOID *First, PVOID *Second)
{
}

static VOID NTAPI OnNormal(PVOID Context, PVOID First, PVOID Second)
{
    Normals += 1;
    NormalLevel = KeGetCurrentIrql();
}

/* Queues one of each to this thread. */
static VOID QueueBoth(VOID)
{
    Specials = Normals = 0;
    SpecialLevel = NormalLevel = 0xFF;
    KeInitializeApc(&NormalApc, KeGetCurrentThread(), 0, BeforeNormal, NULL, OnNormal, KernelMode, NULL);
    KeInitializeApc(&SpecialApc, KeGetCurrentThread(), 0, OnSpecial, NULL, NULL, KernelMode, NULL);
    CHECK(KeInsertQueueApc(&NormalApc, NULL, NULL, 0));
    CHECK(KeInsertQueueApc(&SpecialApc, NULL, NULL, 0));
}

/* spec: EXEC-01, EXEC-02, EXEC-03, EXEC-04, EXEC-05, EXEC-06 */
static VOID Regions(VOID)
{
    CHECK(!KeAreApcsDisabled() && !KeAreAllApcsDisabled());
    KeEnterCriticalRegion();
    KeEnterCriticalRegion();
    CHECK(KeAreApcsDisabled() && !KeAreAllApcsDisabled());
    QueueBoth();
    CHECK(Specials == 1 && Normals == 0 && SpecialLevel == APC_LEVEL);
    KeLeaveCriticalRegion();
    CHECK(Normals == 0 && KeAreApcsDisabled());
    KeLeaveCriticalRegion();
    CHECK(Normals == 1 && NormalLevel == PASSIVE_LEVEL && !KeAreApcsDisabled());

    KeEnterGuardedRegion();
    KeEnterGuardedRegion();
    CHECK(KeAreApcsDisabled() && KeAreAllApcsDisabled());
    QueueBoth();
    CHECK(Specials == 0 && Normals == 0);
    KeLeaveGuardedRegion();
    CHECK(Specials == 0 && KeAreAllApcsDisabled());
    KeLeaveGuardedRegion();
    CHECK(Specials == 1 && Normals == 1 && !KeAreAllApcsDisabled());
}

/* spec: EXEC-02, EXEC-04, EXEC-05, EXEC-06 */
static VOID Levels(VOID)
{
    KIRQL old;

    KeRaiseIrql(APC_LEVEL, &old);
    CHECK(KeAreAllApcsDisabled() && !KeAreApcsDisabled());
    QueueBoth();
    CHECK(Specials == 0 && Normals == 0);
    KeLowerIrql(old);
    CHECK(Specials == 1 && Normals == 1);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    CHECK(KeAreAllApcsDisabled() && !KeAreApcsDisabled());
    QueueBoth();
    KeLowerIrql(APC_LEVEL);
    CHECK(Specials == 0 && Normals == 0);
    KeLowerIrql(old);
    CHECK(Specials == 1 && Normals == 1);
}

/* spec: SEED-RES-04, SEED-RES-11 */
static VOID WhatAResourceHoldsOff(VOID)
{
    KIRQL old;

    FltAcquireResourceExclusive(&Resource);
    QueueBoth();
    CHECK(Specials == 1 && Normals == 0);
    FltReleaseResource(&Resource);
    CHECK(Normals == 1);

    FltAcquireResourceShared(&Resource);
    QueueBoth();
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    FltReleaseResource(&Resource);
    CHECK(Normals == 0);
    KeLowerIrql(old);
    CHECK(Normals == 1);

    /* Only the current thread's critical region counts: ExReleaseResourceLite leaves it alone. */
    FltAcquireResourceShared(&Resource);
    QueueBoth();
    ExReleaseResourceLite(&Resource);
    CHECK(Normals == 0 && KeAreApcsDisabled());
    KeLeaveCriticalRegion();
    CHECK(Normals == 1);
}

/* spec: EXEC-07 */
static VOID OfFileSystems(VOID)
{
    FsRtlEnterFileSystem();
    CHECK(KeAreApcsDisabled() && !KeAreAllApcsDisabled());
    QueueBoth();
    CHECK(Specials == 1 && Normals == 0);
    FsRtlExitFileSystem();
    CHECK(Normals == 1 && !KeAreApcsDisabled());
}

/* spec: EXEC-10, EXEC-18, EXEC-21, EXEC-22, EXEC-23 */
static VOID WhatLocksImply(VOID)
{
    static KMUTEX mutex;
    static FAST_MUTEX fast;
    static KGUARDED_MUTEX guarded;

    KeInitializeMutex(&mutex, 0);
    CHECK(KeWaitForSingleObject(&mutex, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    CHECK(KeAreApcsDisabled() && !KeAreAllApcsDisabled());
    QueueBoth();
    CHECK(Specials == 1 && Normals == 0);
    CHECK(KeWaitForSingleObject(&mutex, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    (VOID)KeReleaseMutex(&mutex, FALSE);
    CHECK(Normals == 0 && KeAreApcsDisabled());
    (VOID)KeReleaseMutex(&mutex, FALSE);
    CHECK(Normals == 1 && !KeAreApcsDisabled());

    ExInitializeFastMutex(&fast);
    ExAcquireFastMutex(&fast);
    CHECK(KeGetCurrentIrql() == APC_LEVEL && KeAreAllApcsDisabled());
    ExReleaseFastMutex(&fast);
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
    CHECK(ExTryToAcquireFastMutex(&fast) && KeGetCurrentIrql() == APC_LEVEL);
    ExReleaseFastMutex(&fast);
    KeEnterCriticalRegion();
    ExAcquireFastMutexUnsafe(&fast);
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL && !ExTryToAcquireFastMutex(&fast));
    ExReleaseFastMutexUnsafe(&fast);
    KeLeaveCriticalRegion();

    KeInitializeGuardedMutex(&guarded);
    KeAcquireGuardedMutex(&guarded);
    CHECK(KeAreAllApcsDisabled() && !KeTryToAcquireGuardedMutex(&guarded));
    KeReleaseGuardedMutex(&guarded);
    CHECK(!KeAreAllApcsDisabled() && KeTryToAcquireGuardedMutex(&guarded));
    KeReleaseGuardedMutex(&guarded);
    KeEnterGuardedRegion();
    KeAcquireGuardedMutexUnsafe(&guarded);
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
    KeReleaseGuardedMutexUnsafe(&guarded);
    KeLeaveGuardedRegion();
}

static EX_PUSH_LOCK Lock;
static LONG Inside, Writers;

static VOID NTAPI WriteUnderLock(PVOID Context)
{
    FltAcquirePushLockExclusive(&Lock);
    CHECK(Inside == 0);
    InterlockedIncrement(&Writers);
    FltReleasePushLock(&Lock);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* spec: EXEC-24, EXEC-25 */
static VOID PushLocks(VOID)
{
    HANDLE writer;
    ULONG round;

    FltInitializePushLock(&Lock);
    FltAcquirePushLockExclusive(&Lock);
    CHECK(KeAreApcsDisabled() && !KeAreAllApcsDisabled() && KeGetCurrentIrql() == PASSIVE_LEVEL);
    QueueBoth();
    CHECK(Specials == 1 && Normals == 0);
    FltReleasePushLock(&Lock);
    CHECK(Normals == 1 && !KeAreApcsDisabled());
    FltAcquirePushLockShared(&Lock);
    CHECK(KeAreApcsDisabled());
    Inside = 1;
    writer = StartThread(WriteUnderLock, NULL);
    for (round = 0; round < 20; round++) {
        Pause();
    }
    CHECK(Writers == 0);
    Inside = 0;
    FltReleasePushLock(&Lock);
    JoinThread(writer);
    CHECK(Writers == 1 && !KeAreApcsDisabled());
    FltDeletePushLock(&Lock);
}

/* spec: EXEC-33 */
static VOID Numbers(VOID)
{
    C_ASSERT(NonPagedPool == 0 && PagedPool == 1 && NonPagedPoolNx == 0x200);
    C_ASSERT(NonPagedPoolCacheAligned == 4 && PagedPoolCacheAligned == 5);
    C_ASSERT(CriticalWorkQueue == 0 && DelayedWorkQueue == 1 && HyperCriticalWorkQueue == 2);
    C_ASSERT(Executive == 0 && UserRequest == 6 && KernelMode == 0 && UserMode == 1);
    C_ASSERT(IoReadAccess == 0 && IoWriteAccess == 1 && IoModifyAccess == 2);
    C_ASSERT(LowPagePriority == 0 && NormalPagePriority == 16 && HighPagePriority == 32);
    C_ASSERT(MdlMappingNoWrite == 0x80000000 && MdlMappingNoExecute == 0x40000000);
    PVOID block = ExAllocatePoolWithTag(NonPagedPoolNx, 16, 'sseR');

    CHECK(block != NULL);
    ExFreePoolWithTag(block, 'sseR');
    block = ExAllocatePoolWithTag(PagedPool, 16, 'sseR');
    CHECK(block != NULL);
    ExFreePoolWithTag(block, 'sseR');
}

VOID RunRegions(VOID)
{
    (VOID)ExInitializeResourceLite(&Resource);
    Regions();
    Levels();
    WhatAResourceHoldsOff();
    OfFileSystems();
    WhatLocksImply();
    PushLocks();
    Numbers();
    Results.Cases += 7;
    (VOID)ExDeleteResourceLite(&Resource);
}
