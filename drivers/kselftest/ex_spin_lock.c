/*
 * Reader-writer spin locks. What another processor would get is seen by trying again: the locks are not recursive.
 */
#include "kselftest.h"
#define FILE_NAME "ex_spin_lock.c"

static EX_SPIN_LOCK Lock;

/* At DISPATCH_LEVEL, without the lock. */
static VOID Begin(VOID)
{
    Lock = 0;
    __writecr8(DISPATCH_LEVEL);
}

static VOID End(VOID)
{
    Lock = 0;
    __writecr8(PASSIVE_LEVEL);
}

/* What one more gets of the lock: nothing (0), shared (1), exclusive as well (3). At DISPATCH_LEVEL. */
static ULONG OthersGet(VOID)
{
    ULONG got = 0;

    if (ExTryAcquireSpinLockSharedAtDpcLevel(&Lock)) {
        got |= 1;
        ExReleaseSpinLockSharedFromDpcLevel(&Lock);
    }
    if (ExTryAcquireSpinLockExclusiveAtDpcLevel(&Lock)) {
        got |= 2;
        ExReleaseSpinLockExclusiveFromDpcLevel(&Lock);
    }
    return got;
}

CASE_OF(ExAcquireSpinLockExclusive)
{
    Lock = 0;
    CHECK(ExAcquireSpinLockExclusive(&Lock) == PASSIVE_LEVEL);
    CHECK(__readcr8() == DISPATCH_LEVEL);
    CHECK(OthersGet() == 0);
    End();
}

CASE_OF(ExAcquireSpinLockShared)
{
    Lock = 0;
    CHECK(ExAcquireSpinLockShared(&Lock) == PASSIVE_LEVEL);
    CHECK(__readcr8() == DISPATCH_LEVEL);
    CHECK(OthersGet() == 1);
    End();
}

CASE_OF(ExAcquireSpinLockExclusiveAtDpcLevel)
{
    Begin();
    ExAcquireSpinLockExclusiveAtDpcLevel(&Lock);
    CHECK(OthersGet() == 0);
    End();
}

CASE_OF(ExAcquireSpinLockSharedAtDpcLevel)
{
    Begin();
    ExAcquireSpinLockSharedAtDpcLevel(&Lock);
    CHECK(OthersGet() == 1);
    End();
}

CASE_OF(ExTryAcquireSpinLockExclusiveAtDpcLevel)
{
    Begin();
    CHECK(ExTryAcquireSpinLockExclusiveAtDpcLevel(&Lock));
    CHECK(!ExTryAcquireSpinLockExclusiveAtDpcLevel(&Lock));
    Lock = 0;
    ExAcquireSpinLockSharedAtDpcLevel(&Lock);
    CHECK(!ExTryAcquireSpinLockExclusiveAtDpcLevel(&Lock));
    End();
}

CASE_OF(ExTryAcquireSpinLockSharedAtDpcLevel)
{
    Begin();
    CHECK(ExTryAcquireSpinLockSharedAtDpcLevel(&Lock));
    CHECK(ExTryAcquireSpinLockSharedAtDpcLevel(&Lock));
    Lock = 0;
    ExAcquireSpinLockExclusiveAtDpcLevel(&Lock);
    CHECK(!ExTryAcquireSpinLockSharedAtDpcLevel(&Lock));
    End();
}

CASE_OF(ExReleaseSpinLockExclusive)
{
    KIRQL old;

    Lock = 0;
    old = ExAcquireSpinLockExclusive(&Lock);
    ExReleaseSpinLockExclusive(&Lock, old);
    CHECK(__readcr8() == PASSIVE_LEVEL);
    __writecr8(DISPATCH_LEVEL);
    CHECK(OthersGet() == 3);
    End();
}

CASE_OF(ExReleaseSpinLockShared)
{
    KIRQL old;

    Lock = 0;
    old = ExAcquireSpinLockShared(&Lock);
    ExReleaseSpinLockShared(&Lock, old);
    CHECK(__readcr8() == PASSIVE_LEVEL);
    __writecr8(DISPATCH_LEVEL);
    CHECK(OthersGet() == 3);
    End();
}

CASE_OF(ExReleaseSpinLockExclusiveFromDpcLevel)
{
    Begin();
    ExAcquireSpinLockExclusiveAtDpcLevel(&Lock);
    ExReleaseSpinLockExclusiveFromDpcLevel(&Lock);
    CHECK(__readcr8() == DISPATCH_LEVEL);
    CHECK(OthersGet() == 3);
    End();
}

CASE_OF(ExReleaseSpinLockSharedFromDpcLevel)
{
    Begin();
    ExAcquireSpinLockSharedAtDpcLevel(&Lock);
    ExAcquireSpinLockSharedAtDpcLevel(&Lock);
    ExReleaseSpinLockSharedFromDpcLevel(&Lock);
    CHECK(OthersGet() == 1); /* one reader is left */
    ExReleaseSpinLockSharedFromDpcLevel(&Lock);
    CHECK(OthersGet() == 3);
    End();
}

CASE_OF(ExTryConvertSharedSpinLockExclusive)
{
    Begin();
    ExAcquireSpinLockSharedAtDpcLevel(&Lock);
    CHECK(ExTryConvertSharedSpinLockExclusive(&Lock));
    CHECK(OthersGet() == 0);
    Lock = 0;
    ExAcquireSpinLockSharedAtDpcLevel(&Lock);
    ExAcquireSpinLockSharedAtDpcLevel(&Lock);
    CHECK(!ExTryConvertSharedSpinLockExclusive(&Lock)); /* it is not the only reader */
    CHECK(OthersGet() == 1);
    End();
}

const CASE ExSpinLockChecks[] = {
    ROW(ExAcquireSpinLockExclusive),
    ROW(ExAcquireSpinLockShared),
    ROW(ExAcquireSpinLockExclusiveAtDpcLevel),
    ROW(ExAcquireSpinLockSharedAtDpcLevel),
    ROW(ExTryAcquireSpinLockExclusiveAtDpcLevel),
    ROW(ExTryAcquireSpinLockSharedAtDpcLevel),
    ROW(ExReleaseSpinLockExclusive),
    ROW(ExReleaseSpinLockShared),
    ROW(ExReleaseSpinLockExclusiveFromDpcLevel),
    ROW(ExReleaseSpinLockSharedFromDpcLevel),
    ROW(ExTryConvertSharedSpinLockExclusive),
    LAST,
};
