/*
 * Fast mutexes, guarded mutexes, push locks, run-down protection.
 */
#include "kselftest.h"
#define FILE_NAME "ex_lock.c"

static FAST_MUTEX Mutex;

static VOID BeginMutex(VOID)
{
    ExInitializeFastMutex(&Mutex);
}

CASE_OF(ExAcquireFastMutex)
{
    BeginMutex();
    ExAcquireFastMutex(&Mutex);
    CHECK(KeGetCurrentIrql() == APC_LEVEL && Mutex.Count == 0);
    if (Mutex.Count == 0) {
        ExReleaseFastMutex(&Mutex);
    }
}

CASE_OF(ExReleaseFastMutex)
{
    BeginMutex();
    ExAcquireFastMutex(&Mutex);
    ExReleaseFastMutex(&Mutex);
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL && Mutex.Count == 1);
}

CASE_OF(ExTryToAcquireFastMutex)
{
    BeginMutex();
    CHECK(ExTryToAcquireFastMutex(&Mutex));
    CHECK(KeGetCurrentIrql() == APC_LEVEL && Mutex.Count == 0);
    CHECK(!ExTryToAcquireFastMutex(&Mutex));
    if (Mutex.Count == 0) {
        ExReleaseFastMutex(&Mutex);
    }
}

CASE_OF(ExAcquireFastMutexUnsafe)
{
    BeginMutex();
    KeEnterCriticalRegion();
    ExAcquireFastMutexUnsafe(&Mutex);
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL && Mutex.Count == 0);
    if (Mutex.Count == 0) {
        ExReleaseFastMutexUnsafe(&Mutex);
    }
    KeLeaveCriticalRegion();
}

CASE_OF(ExReleaseFastMutexUnsafe)
{
    BeginMutex();
    KeEnterCriticalRegion();
    ExAcquireFastMutexUnsafe(&Mutex);
    ExReleaseFastMutexUnsafe(&Mutex);
    CHECK(Mutex.Count == 1);
    KeLeaveCriticalRegion();
}

CASE_OF(ExEnterCriticalRegionAndAcquireFastMutexUnsafe)
{
    BeginMutex();
    ExEnterCriticalRegionAndAcquireFastMutexUnsafe(&Mutex);
    CHECK(KeAreApcsDisabled() && Mutex.Count == 0);
    if (Mutex.Count == 0) {
        ExReleaseFastMutexUnsafeAndLeaveCriticalRegion(&Mutex);
    }
}

CASE_OF(ExReleaseFastMutexUnsafeAndLeaveCriticalRegion)
{
    BeginMutex();
    ExEnterCriticalRegionAndAcquireFastMutexUnsafe(&Mutex);
    ExReleaseFastMutexUnsafeAndLeaveCriticalRegion(&Mutex);
    CHECK(!KeAreApcsDisabled() && Mutex.Count == 1);
}

static KGUARDED_MUTEX Guarded;

CASE_OF(KeInitializeGuardedMutex)
{
    Fill(&Guarded, sizeof(Guarded), 0xCC);
    KeInitializeGuardedMutex(&Guarded);
    CHECK(Guarded.Count == 1 && Guarded.Owner == NULL);
}

CASE_OF(KeAcquireGuardedMutex)
{
    KeInitializeGuardedMutex(&Guarded);
    KeAcquireGuardedMutex(&Guarded);
    CHECK(KeAreAllApcsDisabled() && Guarded.Count == 0);
    if (Guarded.Count == 0) {
        KeReleaseGuardedMutex(&Guarded);
    }
}

CASE_OF(KeReleaseGuardedMutex)
{
    KeInitializeGuardedMutex(&Guarded);
    KeAcquireGuardedMutex(&Guarded);
    KeReleaseGuardedMutex(&Guarded);
    CHECK(!KeAreAllApcsDisabled() && Guarded.Count == 1);
}

CASE_OF(KeTryToAcquireGuardedMutex)
{
    KeInitializeGuardedMutex(&Guarded);
    CHECK(KeTryToAcquireGuardedMutex(&Guarded));
    CHECK(KeAreAllApcsDisabled() && Guarded.Count == 0);
    CHECK(!KeTryToAcquireGuardedMutex(&Guarded));
    if (Guarded.Count == 0) {
        KeReleaseGuardedMutex(&Guarded);
    }
}

CASE_OF(KeAcquireGuardedMutexUnsafe)
{
    KeInitializeGuardedMutex(&Guarded);
    KeEnterGuardedRegion();
    KeAcquireGuardedMutexUnsafe(&Guarded);
    CHECK(Guarded.Count == 0);
    if (Guarded.Count == 0) {
        KeReleaseGuardedMutexUnsafe(&Guarded);
    }
    KeLeaveGuardedRegion();
}

CASE_OF(KeReleaseGuardedMutexUnsafe)
{
    KeInitializeGuardedMutex(&Guarded);
    KeEnterGuardedRegion();
    KeAcquireGuardedMutexUnsafe(&Guarded);
    KeReleaseGuardedMutexUnsafe(&Guarded);
    CHECK(Guarded.Count == 1);
    KeLeaveGuardedRegion();
}

const CASE ExLockChecks[] = {
    ROW(ExAcquireFastMutex),
    ROW(ExReleaseFastMutex),
    ROW(ExTryToAcquireFastMutex),
    ROW(ExAcquireFastMutexUnsafe),
    ROW(ExReleaseFastMutexUnsafe),
    ROW(ExEnterCriticalRegionAndAcquireFastMutexUnsafe),
    ROW(ExReleaseFastMutexUnsafeAndLeaveCriticalRegion),
    ROW(KeInitializeGuardedMutex),
    ROW(KeAcquireGuardedMutex),
    ROW(KeReleaseGuardedMutex),
    ROW(KeTryToAcquireGuardedMutex),
    ROW(KeAcquireGuardedMutexUnsafe),
    ROW(KeReleaseGuardedMutexUnsafe),
    LAST,
};
