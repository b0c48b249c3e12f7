/*
 * IRQL, spin locks, regions without APCs, processors, time.
 */
#include "kselftest.h"
#define FILE_NAME "ke_irql.c"

CASE_OF(KeGetCurrentIrql)
{
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
    __writecr8(DISPATCH_LEVEL);
    CHECK(KeGetCurrentIrql() == DISPATCH_LEVEL);
    __writecr8(PASSIVE_LEVEL);
}

CASE_OF(KfRaiseIrql)
{
    CHECK(KfRaiseIrql(APC_LEVEL) == PASSIVE_LEVEL);
    CHECK(__readcr8() == APC_LEVEL);
    CHECK(KfRaiseIrql(DISPATCH_LEVEL) == APC_LEVEL);
    CHECK(__readcr8() == DISPATCH_LEVEL);
    __writecr8(PASSIVE_LEVEL);
}

CASE_OF(KeRaiseIrqlToDpcLevel)
{
    CHECK(KeRaiseIrqlToDpcLevel() == PASSIVE_LEVEL);
    CHECK(__readcr8() == DISPATCH_LEVEL);
    __writecr8(PASSIVE_LEVEL);
}

CASE_OF(KfLowerIrql)
{
    __writecr8(DISPATCH_LEVEL);
    KfLowerIrql(APC_LEVEL);
    CHECK(__readcr8() == APC_LEVEL);
    __writecr8(PASSIVE_LEVEL);
}

CASE_OF(KeLowerIrql)
{
    __writecr8(DISPATCH_LEVEL);
    KeLowerIrql(PASSIVE_LEVEL);
    CHECK(__readcr8() == PASSIVE_LEVEL);
    __writecr8(PASSIVE_LEVEL);
}

static KSPIN_LOCK Lock;

CASE_OF(KeInitializeSpinLock)
{
    VOID(NTAPI * initialize)(PKSPIN_LOCK) = Export(L"KeInitializeSpinLock");

    REQUIRE(initialize != NULL);
    Lock = 0xCC;
    initialize(&Lock);
    CHECK(Lock == 0);
}

CASE_OF(KeAcquireSpinLockRaiseToDpc)
{
    Lock = 0;
    CHECK(KeAcquireSpinLockRaiseToDpc(&Lock) == PASSIVE_LEVEL);
    CHECK(__readcr8() == DISPATCH_LEVEL && Lock != 0);
    if (Lock != 0) {
        KeReleaseSpinLock(&Lock, PASSIVE_LEVEL);
    }
}

CASE_OF(KeReleaseSpinLock)
{
    Lock = 0;
    KeAcquireSpinLockRaiseToDpc(&Lock);
    KeReleaseSpinLock(&Lock, PASSIVE_LEVEL);
    CHECK(__readcr8() == PASSIVE_LEVEL && Lock == 0);
    __writecr8(PASSIVE_LEVEL);
}

CASE_OF(KeAcquireSpinLockAtDpcLevel)
{
    Lock = 0;
    __writecr8(DISPATCH_LEVEL);
    KeAcquireSpinLockAtDpcLevel(&Lock);
    CHECK(Lock != 0 && __readcr8() == DISPATCH_LEVEL);
    if (Lock != 0) {
        KeReleaseSpinLockFromDpcLevel(&Lock);
    }
    __writecr8(PASSIVE_LEVEL);
}

CASE_OF(KeReleaseSpinLockFromDpcLevel)
{
    Lock = 0;
    __writecr8(DISPATCH_LEVEL);
    KeAcquireSpinLockAtDpcLevel(&Lock);
    KeReleaseSpinLockFromDpcLevel(&Lock);
    CHECK(Lock == 0 && __readcr8() == DISPATCH_LEVEL);
    __writecr8(PASSIVE_LEVEL);
}

CASE_OF(KeTestSpinLock)
{
    Lock = 0;
    CHECK(KeTestSpinLock(&Lock));
    __writecr8(DISPATCH_LEVEL);
    KeAcquireSpinLockAtDpcLevel(&Lock);
    CHECK(!KeTestSpinLock(&Lock));
    KeReleaseSpinLockFromDpcLevel(&Lock);
    __writecr8(PASSIVE_LEVEL);
}

CASE_OF(KeTryToAcquireSpinLockAtDpcLevel)
{
    Lock = 0;
    __writecr8(DISPATCH_LEVEL);
    CHECK(KeTryToAcquireSpinLockAtDpcLevel(&Lock));
    CHECK(!KeTryToAcquireSpinLockAtDpcLevel(&Lock));
    KeReleaseSpinLockFromDpcLevel(&Lock);
    __writecr8(PASSIVE_LEVEL);
}

CASE_OF(KeAcquireInStackQueuedSpinLock)
{
    KLOCK_QUEUE_HANDLE queue;

    Lock = 0;
    KeAcquireInStackQueuedSpinLock(&Lock, &queue);
    CHECK(__readcr8() == DISPATCH_LEVEL && Lock != 0);
    if (Lock != 0) {
        KeReleaseInStackQueuedSpinLock(&queue);
    }
}

CASE_OF(KeReleaseInStackQueuedSpinLock)
{
    KLOCK_QUEUE_HANDLE queue;

    Lock = 0;
    KeAcquireInStackQueuedSpinLock(&Lock, &queue);
    KeReleaseInStackQueuedSpinLock(&queue);
    CHECK(__readcr8() == PASSIVE_LEVEL && Lock == 0);
    __writecr8(PASSIVE_LEVEL);
}

CASE_OF(KeAcquireInStackQueuedSpinLockAtDpcLevel)
{
    KLOCK_QUEUE_HANDLE queue;

    Lock = 0;
    __writecr8(DISPATCH_LEVEL);
    KeAcquireInStackQueuedSpinLockAtDpcLevel(&Lock, &queue);
    CHECK(Lock != 0);
    if (Lock != 0) {
        KeReleaseInStackQueuedSpinLockFromDpcLevel(&queue);
    }
    __writecr8(PASSIVE_LEVEL);
}

CASE_OF(KeReleaseInStackQueuedSpinLockFromDpcLevel)
{
    KLOCK_QUEUE_HANDLE queue;

    Lock = 0;
    __writecr8(DISPATCH_LEVEL);
    KeAcquireInStackQueuedSpinLockAtDpcLevel(&Lock, &queue);
    KeReleaseInStackQueuedSpinLockFromDpcLevel(&queue);
    CHECK(Lock == 0 && __readcr8() == DISPATCH_LEVEL);
    __writecr8(PASSIVE_LEVEL);
}

CASE_OF(KeEnterCriticalRegion)
{
    CHECK(!KeAreApcsDisabled());
    KeEnterCriticalRegion();
    CHECK(KeAreApcsDisabled() && !KeAreAllApcsDisabled());
    if (KeAreApcsDisabled()) {
        KeLeaveCriticalRegion();
    }
}

CASE_OF(KeLeaveCriticalRegion)
{
    KeEnterCriticalRegion();
    KeEnterCriticalRegion();
    KeLeaveCriticalRegion();
    CHECK(KeAreApcsDisabled());
    KeLeaveCriticalRegion();
    CHECK(!KeAreApcsDisabled());
}

CASE_OF(KeEnterGuardedRegion)
{
    KeEnterGuardedRegion();
    CHECK(KeAreApcsDisabled() && KeAreAllApcsDisabled());
    if (KeAreAllApcsDisabled()) {
        KeLeaveGuardedRegion();
    }
}

CASE_OF(KeLeaveGuardedRegion)
{
    KeEnterGuardedRegion();
    KeLeaveGuardedRegion();
    CHECK(!KeAreAllApcsDisabled());
}

CASE_OF(KeAreApcsDisabled)
{
    CHECK(!KeAreApcsDisabled());
    KeEnterCriticalRegion();
    CHECK(KeAreApcsDisabled());
    KeLeaveCriticalRegion();
}

CASE_OF(KeAreAllApcsDisabled)
{
    CHECK(!KeAreAllApcsDisabled());
    __writecr8(APC_LEVEL);
    CHECK(KeAreAllApcsDisabled());
    __writecr8(PASSIVE_LEVEL);
}

const CASE IrqlChecks[] = {
    ROW(KeGetCurrentIrql), ROW(KfRaiseIrql), ROW(KeRaiseIrqlToDpcLevel), ROW(KfLowerIrql), ROW(KeLowerIrql), LAST,
};

const CASE SpinLockChecks[] = {
    ROW(KeInitializeSpinLock),
    ROW(KeAcquireSpinLockRaiseToDpc),
    ROW(KeReleaseSpinLock),
    ROW(KeAcquireSpinLockAtDpcLevel),
    ROW(KeReleaseSpinLockFromDpcLevel),
    ROW(KeTestSpinLock),
    ROW(KeTryToAcquireSpinLockAtDpcLevel),
    ROW(KeAcquireInStackQueuedSpinLock),
    ROW(KeReleaseInStackQueuedSpinLock),
    ROW(KeAcquireInStackQueuedSpinLockAtDpcLevel),
    ROW(KeReleaseInStackQueuedSpinLockFromDpcLevel),
    LAST,
};

const CASE RegionChecks[] = {
    ROW(KeEnterCriticalRegion),
    ROW(KeLeaveCriticalRegion),
    ROW(KeEnterGuardedRegion),
    ROW(KeLeaveGuardedRegion),
    ROW(KeAreApcsDisabled),
    ROW(KeAreAllApcsDisabled),
    LAST,
};
