/*
 * Push locks and run-down protection.
 */
#include "kselftest.h"
#define FILE_NAME "ex_rundown.c"

static EX_PUSH_LOCK Push;

/* What another thread could get of Push: nothing (0), shared (1), exclusive as well (3). */
static ULONG Got;

static VOID NTAPI TryPush(PVOID Context)
{
    KeEnterCriticalRegion();
    if (ExTryAcquirePushLockSharedEx(&Push, 0)) {
        Got |= 1;
        ExReleasePushLockSharedEx(&Push, 0);
    }
    if (ExTryAcquirePushLockExclusiveEx(&Push, 0)) {
        Got |= 2;
        ExReleasePushLockExclusiveEx(&Push, 0);
    }
    KeLeaveCriticalRegion();
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static ULONG OthersGet(VOID)
{
    Got = 0;
    CHECK(RunInThread(TryPush, NULL) == STATUS_SUCCESS);
    return Got;
}

static VOID Begin(VOID)
{
    Fill(&Push, sizeof(Push), 0);
    KeEnterCriticalRegion();
}

/* The lock is given up by the routine that the case does not check. */
static VOID EndHeld(ULONG Expected, VOID (*Release)(VOID))
{
    ULONG got = OthersGet();

    CHECK(got == Expected);
    if (got != 3) {
        Release();
    }
    CHECK(OthersGet() == 3);
    KeLeaveCriticalRegion();
}

static VOID ReleaseShared(VOID)
{
    ExReleasePushLockSharedEx(&Push, 0);
}

static VOID ReleaseExclusive(VOID)
{
    ExReleasePushLockExclusiveEx(&Push, 0);
}

CASE_OF(ExInitializePushLock)
{
    Fill(&Push, sizeof(Push), 0xCC);
    ExInitializePushLock(&Push);
    CHECK(Holds(&Push, sizeof(Push), 0));
}

CASE_OF(ExAcquirePushLockSharedEx)
{
    Begin();
    ExAcquirePushLockSharedEx(&Push, 0);
    EndHeld(1, ReleaseShared);
}

CASE_OF(ExAcquirePushLockExclusiveEx)
{
    Begin();
    ExAcquirePushLockExclusiveEx(&Push, 0);
    EndHeld(0, ReleaseExclusive);
}

CASE_OF(ExfAcquirePushLockShared)
{
    Begin();
    ExfAcquirePushLockShared(&Push);
    EndHeld(1, ReleaseShared);
}

CASE_OF(ExfAcquirePushLockExclusive)
{
    Begin();
    ExfAcquirePushLockExclusive(&Push);
    EndHeld(0, ReleaseExclusive);
}

CASE_OF(ExTryAcquirePushLockSharedEx)
{
    Begin();
    CHECK(ExTryAcquirePushLockSharedEx(&Push, 0));
    EndHeld(1, ReleaseShared);
}

CASE_OF(ExTryAcquirePushLockExclusiveEx)
{
    Begin();
    CHECK(ExTryAcquirePushLockExclusiveEx(&Push, 0));
    EndHeld(0, ReleaseExclusive);
}

#define RELEASES(Routine, Acquire, Call)                                                                             \
    CASE_OF(Routine)                                                                                                 \
    {                                                                                                                \
        Begin();                                                                                                     \
        Acquire(&Push, 0);                                                                                           \
        Call;                                                                                                        \
        CHECK(OthersGet() == 3);                                                                                     \
        KeLeaveCriticalRegion();                                                                                     \
    }

RELEASES(ExReleasePushLockSharedEx, ExAcquirePushLockSharedEx, ExReleasePushLockSharedEx(&Push, 0))
RELEASES(ExReleasePushLockExclusiveEx, ExAcquirePushLockExclusiveEx, ExReleasePushLockExclusiveEx(&Push, 0))
RELEASES(ExReleasePushLockEx, ExAcquirePushLockExclusiveEx, ExReleasePushLockEx(&Push, 0))
RELEASES(ExfReleasePushLock, ExAcquirePushLockSharedEx, ExfReleasePushLock(&Push))
RELEASES(ExfReleasePushLockShared, ExAcquirePushLockSharedEx, ExfReleasePushLockShared(&Push))
RELEASES(ExfReleasePushLockExclusive, ExAcquirePushLockExclusiveEx, ExfReleasePushLockExclusive(&Push))

static EX_RUNDOWN_REF Run;

CASE_OF(ExInitializeRundownProtection)
{
    Fill(&Run, sizeof(Run), 0xCC);
    ExInitializeRundownProtection(&Run);
    CHECK(Run.Count == 0);
}

CASE_OF(ExAcquireRundownProtection)
{
    Run.Count = 0;
    CHECK(ExAcquireRundownProtection(&Run));
    CHECK(Run.Count != 0);
    ExReleaseRundownProtection(&Run);
    ExWaitForRundownProtectionRelease(&Run);
    CHECK(!ExAcquireRundownProtection(&Run));
}

CASE_OF(ExAcquireRundownProtectionEx)
{
    Run.Count = 0;
    CHECK(ExAcquireRundownProtectionEx(&Run, 3));
    ExReleaseRundownProtectionEx(&Run, 3);
    CHECK(Run.Count == 0);
    ExWaitForRundownProtectionRelease(&Run);
    CHECK(!ExAcquireRundownProtectionEx(&Run, 1));
}

CASE_OF(ExReleaseRundownProtection)
{
    Run.Count = 0;
    CHECK(ExAcquireRundownProtection(&Run));
    ExReleaseRundownProtection(&Run);
    CHECK(Run.Count == 0);
}

CASE_OF(ExReleaseRundownProtectionEx)
{
    Run.Count = 0;
    CHECK(ExAcquireRundownProtectionEx(&Run, 2));
    ExReleaseRundownProtectionEx(&Run, 2);
    CHECK(Run.Count == 0);
}

static LONG Phase;

static VOID NTAPI WaitForRun(PVOID Context)
{
    ExWaitForRundownProtectionRelease(&Run);
    InterlockedExchange(&Phase, 2);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* The wait ends at once when nobody holds it, and not before the last one has let go. */
CASE_OF(ExWaitForRundownProtectionRelease)
{
    Run.Count = 0;
    Phase = 1;
    CHECK(RunInThread(WaitForRun, NULL) == STATUS_SUCCESS);
    CHECK(Phase == 2);
    CHECK(Run.Count == 1); /* run down: nobody gets it again */
}

CASE_OF(ExReInitializeRundownProtection)
{
    Run.Count = 0;
    ExWaitForRundownProtectionRelease(&Run);
    ExReInitializeRundownProtection(&Run);
    CHECK(Run.Count == 0);
    CHECK(ExAcquireRundownProtection(&Run));
}

CASE_OF(ExRundownCompleted)
{
    Run.Count = 0;
    ExRundownCompleted(&Run);
    CHECK(Run.Count == 1);
    CHECK(!ExAcquireRundownProtection(&Run));
}

const CASE RundownChecks[] = {
    ROW(ExInitializePushLock),
    ROW(ExAcquirePushLockSharedEx),
    ROW(ExAcquirePushLockExclusiveEx),
    ROW(ExfAcquirePushLockShared),
    ROW(ExfAcquirePushLockExclusive),
    ROW(ExTryAcquirePushLockSharedEx),
    ROW(ExTryAcquirePushLockExclusiveEx),
    ROW(ExReleasePushLockSharedEx),
    ROW(ExReleasePushLockExclusiveEx),
    ROW(ExReleasePushLockEx),
    ROW(ExfReleasePushLock),
    ROW(ExfReleasePushLockShared),
    ROW(ExfReleasePushLockExclusive),
    ROW(ExInitializeRundownProtection),
    ROW(ExAcquireRundownProtection),
    ROW(ExAcquireRundownProtectionEx),
    ROW(ExReleaseRundownProtection),
    ROW(ExReleaseRundownProtectionEx),
    ROW(ExWaitForRundownProtectionRelease),
    ROW(ExReInitializeRundownProtection),
    ROW(ExRundownCompleted),
    LAST,
};
