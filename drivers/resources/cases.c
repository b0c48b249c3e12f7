/*
 * Every routine for resources, where nobody waits.
 */
#include "results.h"
#define THIS_FILE 1

static ERESOURCE Resource;

/* What a thread gets that does not wait: bit 0 shared, bit 1 exclusive, bit 2 shared past writers. */
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
    if (ExAcquireSharedStarveExclusive(&Resource, FALSE)) {
        Others |= 4;
        ExReleaseResourceLite(&Resource);
    }
    KeLeaveCriticalRegion();
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static ULONG OtherThreadGets(VOID)
{
    Others = 0;
    JoinThread(StartThread(Try, NULL));
    return Others;
}

/* spec: RES-01, RES-03, RES-04 */
static VOID BeginsAndEnds(VOID)
{
    static ERESOURCE fresh;

    CHECK(ExInitializeResourceLite(&fresh) == STATUS_SUCCESS);
    CHECK(fresh.ActiveCount == 0 && fresh.ContentionCount == 0);
    CHECK(ExReinitializeResourceLite(&fresh) == STATUS_SUCCESS);
    KeEnterCriticalRegion();
    CHECK(ExAcquireResourceExclusiveLite(&fresh, FALSE));
    ExReleaseResourceLite(&fresh);
    KeLeaveCriticalRegion();
    CHECK(ExDeleteResourceLite(&fresh) == STATUS_SUCCESS);
}

/* spec: RES-05, RES-07, RES-08, RES-11, RES-14, RES-20, RES-28 */
static VOID AloneAgainAndAgain(VOID)
{
    ULONG index;

    KeEnterCriticalRegion();
    CHECK(!ExIsResourceAcquiredExclusiveLite(&Resource) && ExIsResourceAcquiredSharedLite(&Resource) == 0);
    CHECK(ExAcquireResourceExclusiveLite(&Resource, FALSE));
    CHECK(ExAcquireResourceExclusiveLite(&Resource, TRUE));
    CHECK(ExAcquireResourceSharedLite(&Resource, TRUE));
    CHECK(ExAcquireSharedStarveExclusive(&Resource, TRUE));
    CHECK(ExAcquireSharedWaitForExclusive(&Resource, TRUE));
    CHECK(ExTryToAcquireResourceExclusiveLite(&Resource));
    CHECK(ExIsResourceAcquiredExclusiveLite(&Resource));
    CHECK(ExIsResourceAcquiredSharedLite(&Resource) == 6 && ExIsResourceAcquiredLite(&Resource) == 6);
    CHECK(OtherThreadGets() == 0);
    for (index = 0; index < 5; index++) {
        ExReleaseResourceLite(&Resource);
    }
    CHECK(ExIsResourceAcquiredExclusiveLite(&Resource) && OtherThreadGets() == 0);
    ExReleaseResourceLite(&Resource);
    CHECK(!ExIsResourceAcquiredExclusiveLite(&Resource) && OtherThreadGets() == 7);
    KeLeaveCriticalRegion();
}

/* spec: RES-05, RES-09, RES-15 */
static VOID SharedAndNoMore(VOID)
{
    KeEnterCriticalRegion();
    CHECK(ExAcquireResourceSharedLite(&Resource, FALSE));
    CHECK(ExAcquireResourceSharedLite(&Resource, FALSE));
    CHECK(!ExIsResourceAcquiredExclusiveLite(&Resource) && ExIsResourceAcquiredSharedLite(&Resource) == 2);
    CHECK(!ExAcquireResourceExclusiveLite(&Resource, FALSE));
    CHECK(!ExTryToAcquireResourceExclusiveLite(&Resource));
    CHECK(OtherThreadGets() == 5);
    ExReleaseResourceLite(&Resource);
    CHECK(ExIsResourceAcquiredSharedLite(&Resource) == 1 && OtherThreadGets() == 5);
    ExReleaseResourceLite(&Resource);
    CHECK(OtherThreadGets() == 7);
    KeLeaveCriticalRegion();
}

/* What a driver sees that looks into the structure. */
static VOID Fields(VOID)
{
    KeEnterCriticalRegion();
    (VOID)ExAcquireResourceExclusiveLite(&Resource, TRUE);
    (VOID)ExAcquireResourceExclusiveLite(&Resource, TRUE);
    CHECK(Resource.ActiveCount == 1 && Resource.ActiveEntries == 1);
    CHECK(FlagOn(Resource.Flag, ResourceOwnedExclusive));
    CHECK(Resource.OwnerEntry.OwnerThread == ExGetCurrentResourceThread());
    CHECK(Resource.OwnerEntry.OwnerCount == 2);
    ExReleaseResourceLite(&Resource);
    ExConvertExclusiveToSharedLite(&Resource);
    CHECK(!FlagOn(Resource.Flag, ResourceOwnedExclusive) && Resource.ActiveCount == 1);
    ExReleaseResourceLite(&Resource);
    CHECK(Resource.ActiveCount == 0 && Resource.ActiveEntries == 0 && Resource.OwnerEntry.OwnerThread == 0);
    CHECK(Resource.NumberOfSharedWaiters == 0 && Resource.NumberOfExclusiveWaiters == 0);
    KeLeaveCriticalRegion();
}

/* spec: RES-27 */
static VOID Converted(VOID)
{
    KeEnterCriticalRegion();
    (VOID)ExAcquireResourceExclusiveLite(&Resource, TRUE);
    (VOID)ExAcquireResourceExclusiveLite(&Resource, TRUE);
    ExConvertExclusiveToSharedLite(&Resource);
    CHECK(!ExIsResourceAcquiredExclusiveLite(&Resource) && ExIsResourceAcquiredSharedLite(&Resource) == 2);
    CHECK(OtherThreadGets() == 5);
    ExReleaseResourceLite(&Resource);
    ExReleaseResourceLite(&Resource);
    CHECK(OtherThreadGets() == 7);
    KeLeaveCriticalRegion();
}

static VOID NTAPI ReleaseFor(PVOID Context)
{
    ExReleaseResourceForThreadLite(&Resource, (ERESOURCE_THREAD)Context);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* spec: RES-23, RES-24, RES-25 */
static VOID HandedOn(VOID)
{
    static ULONG64 storage[2];
    PVOID pointer = (PVOID)((ULONG_PTR)&storage[0] | 3);
    PVOID other = (PVOID)((ULONG_PTR)&storage[1] | 3);

    KeEnterCriticalRegion();
    (VOID)ExAcquireResourceExclusiveLite(&Resource, TRUE);
    ExSetResourceOwnerPointer(&Resource, pointer);
    CHECK(ExIsResourceAcquiredSharedLite(&Resource) == 0);
    CHECK(!ExAcquireResourceExclusiveLite(&Resource, FALSE) && OtherThreadGets() == 0);
    JoinThread(StartThread(ReleaseFor, pointer));
    CHECK(OtherThreadGets() == 7);

    (VOID)ExAcquireResourceSharedLite(&Resource, TRUE);
    ExSetResourceOwnerPointerEx(&Resource, pointer, 0);
    (VOID)ExAcquireResourceSharedLite(&Resource, TRUE);
    ExSetResourceOwnerPointerEx(&Resource, other, FLAG_OWNER_POINTER_IS_THREAD);
    CHECK(OtherThreadGets() == 5);
    ExReleaseResourceForThreadLite(&Resource, (ERESOURCE_THREAD)pointer);
    CHECK(OtherThreadGets() == 5);
    JoinThread(StartThread(ReleaseFor, other));
    CHECK(OtherThreadGets() == 7);

    (VOID)ExAcquireResourceExclusiveLite(&Resource, TRUE);
    ExReleaseResourceForThreadLite(&Resource, ExGetCurrentResourceThread());
    CHECK(OtherThreadGets() == 7);
    KeLeaveCriticalRegion();
}

/* The forms that enter a critical region themselves. */
static VOID WithTheirRegion(VOID)
{
    (VOID)ExEnterCriticalRegionAndAcquireResourceExclusive(&Resource);
    CHECK(KeAreApcsDisabled() && ExIsResourceAcquiredExclusiveLite(&Resource));
    (VOID)ExEnterCriticalRegionAndAcquireResourceShared(&Resource);
    (VOID)ExEnterCriticalRegionAndAcquireSharedWaitForExclusive(&Resource);
    CHECK(ExIsResourceAcquiredSharedLite(&Resource) == 3);
    ExReleaseResourceAndLeaveCriticalRegion(&Resource);
    ExReleaseResourceAndLeaveCriticalRegion(&Resource);
    CHECK(KeAreApcsDisabled());
    ExReleaseResourceAndLeaveCriticalRegion(&Resource);
    CHECK(!KeAreApcsDisabled() && OtherThreadGets() == 7);
}

/* spec: SEED-RES-01, SEED-RES-03, SEED-RES-04, SEED-RES-05, SEED-RES-06, SEED-RES-10, RES-30 */
static VOID OfTheFilterManager(VOID)
{
    CHECK(!KeAreApcsDisabled());
    FltAcquireResourceExclusive(&Resource);
    CHECK(KeAreApcsDisabled() && KeGetCurrentIrql() == PASSIVE_LEVEL);
    CHECK(ExIsResourceAcquiredExclusiveLite(&Resource));
    FltAcquireResourceExclusive(&Resource);
    FltAcquireResourceShared(&Resource);
    CHECK(ExIsResourceAcquiredSharedLite(&Resource) == 3);
    FltReleaseResource(&Resource);
    FltReleaseResource(&Resource);
    CHECK(KeAreApcsDisabled() && ExIsResourceAcquiredExclusiveLite(&Resource) && OtherThreadGets() == 0);
    FltReleaseResource(&Resource);
    CHECK(!KeAreApcsDisabled() && !ExIsResourceAcquiredExclusiveLite(&Resource) && OtherThreadGets() == 7);
    FltAcquireResourceShared(&Resource);
    CHECK(KeAreApcsDisabled() && OtherThreadGets() == 5);
    FltReleaseResource(&Resource);
    CHECK(!KeAreApcsDisabled() && ExIsResourceAcquiredSharedLite(&Resource) == 0);
}

/* spec: SEED-RES-08, RES-21, RES-28 */
static VOID ReleasedAtAnyLevelUpToDispatch(VOID)
{
    KIRQL level, old;

    for (level = PASSIVE_LEVEL; level <= DISPATCH_LEVEL; level++) {
        FltAcquireResourceExclusive(&Resource);
        KeRaiseIrql(level, &old);
        CHECK(ExIsResourceAcquiredExclusiveLite(&Resource) && ExIsResourceAcquiredSharedLite(&Resource) == 1);
        CHECK(ExGetExclusiveWaiterCount(&Resource) == 0 && ExGetSharedWaiterCount(&Resource) == 0);
        FltReleaseResource(&Resource);
        CHECK(KeGetCurrentIrql() == level);
        KeLowerIrql(old);
        CHECK(!KeAreApcsDisabled() && OtherThreadGets() == 7);
    }
}

VOID RunCases(VOID)
{
    static VOID (*const cases[])(VOID) = {
        BeginsAndEnds, AloneAgainAndAgain, SharedAndNoMore,    Fields,
        Converted,     HandedOn,           WithTheirRegion,    OfTheFilterManager,
        ReleasedAtAnyLevelUpToDispatch,
    };
    ULONG index;

    (VOID)ExInitializeResourceLite(&Resource);
    for (index = 0; index < ARRAYSIZE(cases); index++) {
        cases[index]();
        Results.Cases += 1;
    }
    (VOID)ExDeleteResourceLite(&Resource);
}
