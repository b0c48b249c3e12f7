/*
 * ERESOURCE: who may hold it, from this thread and from another.
 */
#include "kselftest.h"
#define FILE_NAME "ex_resource.c"

static ERESOURCE Resource;

/* What another thread gets that does not wait: bit 0 shared, bit 1 exclusive. */
static ULONG Others;

static VOID NTAPI Try(PVOID Context)
{
    KeEnterCriticalRegion();
    if (ExAcquireResourceSharedLite(&Resource, FALSE)) {
        Others |= 1;
        ExReleaseResourceLite(&Resource);
    }
    if (ExAcquireResourceExclusiveLite(&Resource, FALSE)) {
        Others |= 2;
        ExReleaseResourceLite(&Resource);
    }
    KeLeaveCriticalRegion();
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static ULONG OtherThreadGets(VOID)
{
    Others = 0;
    CHECK(RunInThread(Try, NULL) == STATUS_SUCCESS);
    return Others;
}

static VOID Begin(VOID)
{
    Fill(&Resource, sizeof(Resource), 0);
    ExInitializeResourceLite(&Resource);
    KeEnterCriticalRegion();
}

static VOID End(VOID)
{
    KeLeaveCriticalRegion();
    ExDeleteResourceLite(&Resource);
}

/* Released as often as it is held: what a misbehaving routine left acquired must not hold up the rest. */
static VOID ReleaseAll(VOID)
{
    while (ExIsResourceAcquiredSharedLite(&Resource) > 0) {
        ULONG before = ExIsResourceAcquiredSharedLite(&Resource);

        ExReleaseResourceLite(&Resource);
        if (!CHECK(ExIsResourceAcquiredSharedLite(&Resource) < before)) {
            return;
        }
    }
}

CASE_OF(ExInitializeResourceLite)
{
    static ERESOURCE fresh;

    Fill(&fresh, sizeof(fresh), 0xCC);
    REQUIRE(ExInitializeResourceLite(&fresh) == STATUS_SUCCESS);
    CHECK(ExIsResourceAcquiredSharedLite(&fresh) == 0);
    CHECK(ExDeleteResourceLite(&fresh) == STATUS_SUCCESS);
}

CASE_OF(ExDeleteResourceLite)
{
    static ERESOURCE fresh;

    REQUIRE(ExInitializeResourceLite(&fresh) == STATUS_SUCCESS);
    CHECK(ExDeleteResourceLite(&fresh) == STATUS_SUCCESS);
}

CASE_OF(ExReinitializeResourceLite)
{
    Begin();
    CHECK(ExReinitializeResourceLite(&Resource) == STATUS_SUCCESS);
    CHECK(ExIsResourceAcquiredSharedLite(&Resource) == 0);
    End();
}

CASE_OF(ExAcquireResourceSharedLite)
{
    Begin();
    CHECK(ExAcquireResourceSharedLite(&Resource, TRUE));
    CHECK(ExAcquireResourceSharedLite(&Resource, TRUE));
    CHECK(ExIsResourceAcquiredSharedLite(&Resource) == 2);
    CHECK(OtherThreadGets() == 1);
    ReleaseAll();
    End();
}

CASE_OF(ExAcquireResourceExclusiveLite)
{
    Begin();
    CHECK(ExAcquireResourceExclusiveLite(&Resource, TRUE));
    CHECK(ExAcquireResourceExclusiveLite(&Resource, FALSE)); /* again by the same thread */
    CHECK(ExAcquireResourceSharedLite(&Resource, FALSE));
    CHECK(OtherThreadGets() == 0);
    ReleaseAll();
    CHECK(ExAcquireResourceSharedLite(&Resource, TRUE));
    CHECK(!ExAcquireResourceExclusiveLite(&Resource, FALSE)); /* shared does not grow */
    ReleaseAll();
    End();
}

CASE_OF(ExTryToAcquireResourceExclusiveLite)
{
    Begin();
    CHECK(ExTryToAcquireResourceExclusiveLite(&Resource));
    CHECK(ExIsResourceAcquiredExclusiveLite(&Resource));
    ReleaseAll();
    CHECK(ExAcquireResourceSharedLite(&Resource, TRUE));
    CHECK(!ExTryToAcquireResourceExclusiveLite(&Resource));
    ReleaseAll();
    End();
}

CASE_OF(ExAcquireSharedStarveExclusive)
{
    Begin();
    CHECK(ExAcquireSharedStarveExclusive(&Resource, FALSE));
    CHECK(ExIsResourceAcquiredSharedLite(&Resource) == 1);
    CHECK(OtherThreadGets() == 1);
    ReleaseAll();
    End();
}

CASE_OF(ExAcquireSharedWaitForExclusive)
{
    Begin();
    CHECK(ExAcquireSharedWaitForExclusive(&Resource, FALSE));
    CHECK(ExIsResourceAcquiredSharedLite(&Resource) == 1);
    CHECK(OtherThreadGets() == 1);
    ReleaseAll();
    End();
}

CASE_OF(ExReleaseResourceLite)
{
    Begin();
    CHECK(ExAcquireResourceExclusiveLite(&Resource, TRUE));
    ExReleaseResourceLite(&Resource);
    CHECK(!ExIsResourceAcquiredExclusiveLite(&Resource));
    CHECK(OtherThreadGets() == 3);
    End();
}

CASE_OF(ExReleaseResourceForThreadLite)
{
    Begin();
    CHECK(ExAcquireResourceExclusiveLite(&Resource, TRUE));
    ExReleaseResourceForThreadLite(&Resource, (ERESOURCE_THREAD)KeGetCurrentThread());
    CHECK(OtherThreadGets() == 3);
    ReleaseAll();
    End();
}

CASE_OF(ExConvertExclusiveToSharedLite)
{
    Begin();
    CHECK(ExAcquireResourceExclusiveLite(&Resource, TRUE));
    ExConvertExclusiveToSharedLite(&Resource);
    CHECK(!ExIsResourceAcquiredExclusiveLite(&Resource) && ExIsResourceAcquiredSharedLite(&Resource) == 1);
    CHECK(OtherThreadGets() == 1);
    ReleaseAll();
    End();
}

CASE_OF(ExIsResourceAcquiredExclusiveLite)
{
    Begin();
    CHECK(!ExIsResourceAcquiredExclusiveLite(&Resource));
    CHECK(ExAcquireResourceExclusiveLite(&Resource, TRUE));
    CHECK(ExIsResourceAcquiredExclusiveLite(&Resource));
    ReleaseAll();
    CHECK(ExAcquireResourceSharedLite(&Resource, TRUE));
    CHECK(!ExIsResourceAcquiredExclusiveLite(&Resource));
    ReleaseAll();
    End();
}

CASE_OF(ExIsResourceAcquiredSharedLite)
{
    Begin();
    CHECK(ExIsResourceAcquiredSharedLite(&Resource) == 0);
    CHECK(ExAcquireResourceExclusiveLite(&Resource, TRUE));
    CHECK(ExIsResourceAcquiredSharedLite(&Resource) == 1); /* exclusive counts too */
    ExReleaseResourceLite(&Resource);
    CHECK(ExIsResourceAcquiredSharedLite(&Resource) == 0);
    End();
}

CASE_OF(ExGetExclusiveWaiterCount)
{
    Begin();
    CHECK(ExGetExclusiveWaiterCount(&Resource) == 0);
    End();
}

CASE_OF(ExGetSharedWaiterCount)
{
    Begin();
    CHECK(ExGetSharedWaiterCount(&Resource) == 0);
    End();
}

CASE_OF(ExSetResourceOwnerPointer)
{
    static ULONG64 owner[2];
    ERESOURCE_THREAD pointer = (ERESOURCE_THREAD)owner | 3;

    Begin();
    CHECK(ExAcquireResourceExclusiveLite(&Resource, TRUE));
    ExSetResourceOwnerPointer(&Resource, (PVOID)pointer);
    CHECK(!ExIsResourceAcquiredExclusiveLite(&Resource)); /* it is no longer this thread's */
    CHECK(OtherThreadGets() == 0);
    if (ExIsResourceAcquiredExclusiveLite(&Resource)) {
        ExReleaseResourceLite(&Resource);
    } else {
        ExReleaseResourceForThreadLite(&Resource, pointer);
    }
    CHECK(OtherThreadGets() == 3);
    End();
}

CASE_OF(ExSetResourceOwnerPointerEx)
{
    static ULONG64 owner[2];
    ERESOURCE_THREAD pointer = (ERESOURCE_THREAD)owner | 3;

    Begin();
    CHECK(ExAcquireResourceExclusiveLite(&Resource, TRUE));
    ExSetResourceOwnerPointerEx(&Resource, (PVOID)pointer, 0);
    CHECK(!ExIsResourceAcquiredExclusiveLite(&Resource));
    if (ExIsResourceAcquiredExclusiveLite(&Resource)) {
        ExReleaseResourceLite(&Resource);
    } else {
        ExReleaseResourceForThreadLite(&Resource, pointer);
    }
    CHECK(OtherThreadGets() == 3);
    End();
}

/* The three routines that enter a critical region on the way, and the one that leaves it. */
static VOID CheckEntered(ULONG Expected)
{
    CHECK(KeAreApcsDisabled());
    CHECK(ExIsResourceAcquiredSharedLite(&Resource) == 1);
    CHECK(OtherThreadGets() == Expected);
    ReleaseAll();
    if (KeAreApcsDisabled()) {
        KeLeaveCriticalRegion();
    }
    CHECK(ExDeleteResourceLite(&Resource) == STATUS_SUCCESS);
}

CASE_OF(ExEnterCriticalRegionAndAcquireResourceExclusive)
{
    CHECK(ExInitializeResourceLite(&Resource) == STATUS_SUCCESS);
    CHECK(ExEnterCriticalRegionAndAcquireResourceExclusive(&Resource) == NULL); /* a thread without a graphical side */
    CheckEntered(0);
}

CASE_OF(ExEnterCriticalRegionAndAcquireResourceShared)
{
    CHECK(ExInitializeResourceLite(&Resource) == STATUS_SUCCESS);
    CHECK(ExEnterCriticalRegionAndAcquireResourceShared(&Resource) == NULL); /* a thread without a graphical side */
    CheckEntered(1);
}

CASE_OF(ExEnterCriticalRegionAndAcquireSharedWaitForExclusive)
{
    CHECK(ExInitializeResourceLite(&Resource) == STATUS_SUCCESS);
    CHECK(ExEnterCriticalRegionAndAcquireSharedWaitForExclusive(&Resource) == NULL); /* a thread without a graphical side */
    CheckEntered(1);
}

CASE_OF(ExReleaseResourceAndLeaveCriticalRegion)
{
    Begin();
    CHECK(ExAcquireResourceExclusiveLite(&Resource, TRUE));
    ExReleaseResourceAndLeaveCriticalRegion(&Resource);
    CHECK(!KeAreApcsDisabled());
    CHECK(OtherThreadGets() == 3);
    if (KeAreApcsDisabled()) {
        ReleaseAll();
        KeLeaveCriticalRegion();
    }
    ExDeleteResourceLite(&Resource);
}

const CASE ResourceChecks[] = {
    ROW(ExInitializeResourceLite),
    ROW(ExDeleteResourceLite),
    ROW(ExReinitializeResourceLite),
    ROW(ExAcquireResourceSharedLite),
    ROW(ExAcquireResourceExclusiveLite),
    ROW(ExTryToAcquireResourceExclusiveLite),
    ROW(ExAcquireSharedStarveExclusive),
    ROW(ExAcquireSharedWaitForExclusive),
    ROW(ExReleaseResourceLite),
    ROW(ExReleaseResourceForThreadLite),
    ROW(ExConvertExclusiveToSharedLite),
    ROW(ExIsResourceAcquiredExclusiveLite),
    ROW(ExIsResourceAcquiredSharedLite),
    ROW(ExGetExclusiveWaiterCount),
    ROW(ExGetSharedWaiterCount),
    ROW(ExSetResourceOwnerPointer),
    ROW(ExSetResourceOwnerPointerEx),
    ROW(ExEnterCriticalRegionAndAcquireResourceExclusive),
    ROW(ExEnterCriticalRegionAndAcquireResourceShared),
    ROW(ExEnterCriticalRegionAndAcquireSharedWaitForExclusive),
    ROW(ExReleaseResourceAndLeaveCriticalRegion),
    LAST,
};
