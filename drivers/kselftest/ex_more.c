/*
 * Cache-aware run-down protection, the younger pool routines, processor features, the clock's resolution, identifiers.
 */
#include "kselftest.h"
#define FILE_NAME "ex_more.c"

static DECLSPEC_ALIGN(64) UCHAR RunMemory[4096];
static PEX_RUNDOWN_REF_CACHE_AWARE Run = (PEX_RUNDOWN_REF_CACHE_AWARE)RunMemory;
static LONG Phase;

static VOID NTAPI WaitForRun(PVOID Context)
{
    ExWaitForRundownProtectionReleaseCacheAware(Run);
    InterlockedExchange(&Phase, 2);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID BeginRun(VOID)
{
    Phase = 1;
    Fill(RunMemory, sizeof(RunMemory), 0);
    ExInitializeRundownProtectionCacheAware(Run, sizeof(RunMemory));
}

/* Whether the wait for all holds ends: nobody has one. Afterwards nobody gets one either. */
static BOOLEAN RunsDown(VOID)
{
    return RunInThread(WaitForRun, NULL) == STATUS_SUCCESS && Phase == 2;
}

CASE_OF(ExSizeOfRundownProtectionCacheAware)
{
    SIZE_T size = ExSizeOfRundownProtectionCacheAware();

    CHECK(size >= sizeof(EX_RUNDOWN_REF) && size <= sizeof(RunMemory) && size % sizeof(PVOID) == 0);
}

CASE_OF(ExInitializeRundownProtectionCacheAware)
{
    Fill(RunMemory, sizeof(RunMemory), 0xCC);
    ExInitializeRundownProtectionCacheAware(Run, ExSizeOfRundownProtectionCacheAware());
    CHECK(!Holds(RunMemory, sizeof(EX_RUNDOWN_REF), 0xCC));
    CHECK(ExAcquireRundownProtectionCacheAware(Run));
    ExReleaseRundownProtectionCacheAware(Run);
}

CASE_OF(ExAllocateCacheAwareRundownProtection)
{
    PEX_RUNDOWN_REF_CACHE_AWARE made = ExAllocateCacheAwareRundownProtection(NonPagedPoolNx, TAG);

    REQUIRE(made != NULL);
    CHECK(ExAcquireRundownProtectionCacheAware(made));
    ExReleaseRundownProtectionCacheAware(made);
    ExFreeCacheAwareRundownProtection(made);
}

CASE_OF(ExAcquireRundownProtectionCacheAware)
{
    BeginRun();
    CHECK(ExAcquireRundownProtectionCacheAware(Run));
    CHECK(ExAcquireRundownProtectionCacheAware(Run)); /* as many as one likes */
    ExReleaseRundownProtectionCacheAware(Run);
    ExReleaseRundownProtectionCacheAware(Run);
    REQUIRE(RunsDown());
    CHECK(!ExAcquireRundownProtectionCacheAware(Run));
}

CASE_OF(ExAcquireRundownProtectionCacheAwareEx)
{
    BeginRun();
    CHECK(ExAcquireRundownProtectionCacheAwareEx(Run, 3));
    ExReleaseRundownProtectionCacheAwareEx(Run, 3);
    REQUIRE(RunsDown());
    CHECK(!ExAcquireRundownProtectionCacheAwareEx(Run, 2));
}

CASE_OF(ExReleaseRundownProtectionCacheAware)
{
    BeginRun();
    CHECK(ExAcquireRundownProtectionCacheAware(Run));
    ExReleaseRundownProtectionCacheAware(Run);
    CHECK(RunsDown());
}

CASE_OF(ExReleaseRundownProtectionCacheAwareEx)
{
    BeginRun();
    CHECK(ExAcquireRundownProtectionCacheAwareEx(Run, 2));
    ExReleaseRundownProtectionCacheAwareEx(Run, 2);
    CHECK(RunsDown());
}

CASE_OF(ExWaitForRundownProtectionReleaseCacheAware)
{
    BeginRun();
    CHECK(RunsDown());
    CHECK(!ExAcquireRundownProtectionCacheAware(Run));
}

CASE_OF(ExReInitializeRundownProtectionCacheAware)
{
    BeginRun();
    REQUIRE(RunsDown());
    ExRundownCompletedCacheAware(Run);
    ExReInitializeRundownProtectionCacheAware(Run);
    CHECK(ExAcquireRundownProtectionCacheAware(Run));
}

CASE_OF(ExRundownCompletedCacheAware)
{
    BeginRun();
    ExRundownCompletedCacheAware(Run);
    CHECK(!ExAcquireRundownProtectionCacheAware(Run));
}

CASE_OF(ExAllocatePoolWithQuota)
{
    PUCHAR block = ExAllocatePoolWithQuota(PagedPool, 24), page;

    REQUIRE(block != NULL);
    Fill(block, 24, 1);
    CHECK((ULONG_PTR)block % 16 == 0);
    ExFreePool(block);
    page = ExAllocatePoolWithQuota(NonPagedPoolNx | POOL_QUOTA_FAIL_INSTEAD_OF_RAISE, PAGE_SIZE);
    REQUIRE(page != NULL);
    CHECK((ULONG_PTR)page % PAGE_SIZE == 0); /* a page or more begins with one */
    ExFreePool(page);
}

CASE_OF(ExAllocatePool3)
{
    POOL_EXTENDED_PARAMETER wish;
    PUCHAR block;

    Fill(&wish, sizeof(wish), 0);
    wish.Type = PoolExtendedParameterPriority;
    wish.Priority = HighPoolPriority;
    block = ExAllocatePool3(POOL_FLAG_NON_PAGED, 40, TAG, &wish, 1);
    REQUIRE(block != NULL);
    CHECK(Holds(block, 40, 0)); /* zeroed unless POOL_FLAG_UNINITIALIZED is given */
    ExFreePoolWithTag(block, TAG);
    wish.Type = PoolExtendedParameterMax + 9;
    CHECK(ExAllocatePool3(POOL_FLAG_NON_PAGED, 40, TAG, &wish, 1) == NULL);
    wish.Optional = 1; /* one that nobody knows is passed over */
    block = ExAllocatePool3(POOL_FLAG_PAGED, 40, TAG, &wish, 1);
    REQUIRE(block != NULL);
    ExFreePoolWithTag(block, TAG);
}

CASE_OF(ExIsProcessorFeaturePresent)
{
    CHECK(ExIsProcessorFeaturePresent(PF_XMMI64_INSTRUCTIONS_AVAILABLE)); /* every x64 processor has SSE2, */
    CHECK(ExIsProcessorFeaturePresent(PF_COMPARE_EXCHANGE_DOUBLE) && ExIsProcessorFeaturePresent(PF_RDTSC_INSTRUCTION_AVAILABLE));
    CHECK(!ExIsProcessorFeaturePresent(PF_FLOATING_POINT_EMULATED)); /* and floating-point numbers */
    CHECK(!ExIsProcessorFeaturePresent(1000));
}

CASE_OF(ExQueryTimerResolution)
{
    ULONG coarsest = 0, finest = 0, current = 0;

    ExQueryTimerResolution(&coarsest, &finest, &current);
    CHECK(coarsest >= current && current >= finest && finest > 0);
    CHECK(coarsest == KeQueryTimeIncrement());
}

CASE_OF(ExSetTimerResolution)
{
    ULONG coarsest = 0, finest = 0, current = 0, set = ExSetTimerResolution(100000, TRUE);

    ExQueryTimerResolution(&coarsest, &finest, &current);
    CHECK(set == current);
    set = ExSetTimerResolution(0, FALSE);
    ExQueryTimerResolution(&coarsest, &finest, &current);
    CHECK(set == current);
}

CASE_OF(ExUuidCreate)
{
    UUID one, other;
    NTSTATUS status;

    Fill(&one, sizeof(one), 0);
    Fill(&other, sizeof(other), 0);
    status = ExUuidCreate(&one);
    CHECK(status == STATUS_SUCCESS || status == RPC_NT_UUID_LOCAL_ONLY);
    CHECK(NT_SUCCESS(ExUuidCreate(&other)));
    CHECK(!SameBytes(&one, &other, sizeof(one)));
    CHECK((one.Data4[0] & 0xC0) == 0x80 && one.Data3 >> 12 == 1); /* the usual kind, made of the time */
}

const CASE ExMoreChecks[] = {
    ROW(ExSizeOfRundownProtectionCacheAware),
    ROW(ExInitializeRundownProtectionCacheAware),
    ROW(ExAllocateCacheAwareRundownProtection),
    ROW(ExAcquireRundownProtectionCacheAware),
    ROW(ExAcquireRundownProtectionCacheAwareEx),
    ROW(ExReleaseRundownProtectionCacheAware),
    ROW(ExReleaseRundownProtectionCacheAwareEx),
    ROW(ExWaitForRundownProtectionReleaseCacheAware),
    ROW(ExReInitializeRundownProtectionCacheAware),
    ROW(ExRundownCompletedCacheAware),
    ROW(ExAllocatePoolWithQuota),
    ROW(ExAllocatePool3),
    ROW(ExIsProcessorFeaturePresent),
    ROW(ExQueryTimerResolution),
    ROW(ExSetTimerResolution),
    ROW(ExUuidCreate),
    LAST,
};
