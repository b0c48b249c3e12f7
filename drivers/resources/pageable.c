/*
 * Paged pool and pageable sections, below DISPATCH_LEVEL and at it.
 */
#include "results.h"
#define THIS_FILE 6

#define TAG 'sseR'

__attribute__((section("PAGE"), noinline)) static ULONG InPage(volatile ULONG *Number)
{
    return *Number + 1;
}

__attribute__((section("PAGEDATA"))) static volatile ULONG Pageable = 7;

/* Takes the IRQL to DISPATCH_LEVEL and back, after which everything may be touched again. */
static VOID UpAndDown(VOID)
{
    KIRQL old;

    KeRaiseIrql(DISPATCH_LEVEL, &old);
    KeLowerIrql(old);
}

/* Good: everything is touched where it may be. */
static VOID Allowed(VOID)
{
    volatile ULONG *small = ExAllocatePoolWithTag(PagedPool, 64, TAG);
    volatile ULONG *large = ExAllocatePoolWithTag(PagedPool, 100000, TAG);
    ULONG round;
    PMDL mdl;
    PVOID handle;
    KIRQL old;

    CHECK(small != NULL && large != NULL);
    for (round = 0; round < 100; round++) {
        UpAndDown();
        small[0] = round;
        large[20000] = round;
        CHECK(small[0] == round && large[20000] == round);
        UpAndDown();
        CHECK(InPage(&Pageable) == 8);
        KeRaiseIrql(APC_LEVEL, &old);
        CHECK(small[0] == round && InPage(small) == round + 1);
        KeLowerIrql(old);
        UpAndDown();
        CHECK(RtlCompareMemory((PVOID)small, (PVOID)small, 64) == 64);
    }
    /* What is locked in memory may be touched at any level. */
    mdl = IoAllocateMdl((PVOID)large, 100000, FALSE, FALSE, NULL);
    MmProbeAndLockPages(mdl, KernelMode, IoModifyAccess);
    UpAndDown();
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    large[3] = 5;
    CHECK(large[3] == 5);
    KeLowerIrql(old);
    MmUnlockPages(mdl);
    IoFreeMdl(mdl);
    handle = MmLockPagableDataSection((PVOID)(ULONG_PTR)InPage);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    CHECK(InPage(&round) == 101);
    KeLowerIrql(old);
    MmUnlockPagableImageSection(handle);
    UpAndDown();
    ExFreePoolWithTag((PVOID)large, TAG);
    UpAndDown();
    ExFreePoolWithTag((PVOID)small, TAG);
    UpAndDown();
    CHECK(InPage(&round) == 101);
}

VOID RunPageable(ULONG Mode)
{
    volatile ULONG *block;
    ULONG number = 1;
    KIRQL old;

    if (Mode == 70) {
        Allowed();
        Results.Cases += 1;
        return;
    }
    block = ExAllocatePoolWithTag(PagedPool, Mode == 72 ? 100000 : 64, TAG);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    switch (Mode) {
    case 71: /* spec: EXEC-32 */
        block[1] = 1;
        break;
    case 72: /* spec: EXEC-32 */
        number = block[5000];
        break;
    case 73:
        number = InPage(&number);
        break;
    case 74:
        Pageable = 9;
        break;
    }
    KeLowerIrql(old);
    ExFreePoolWithTag((PVOID)block, TAG);
}

/* Takes a spin lock again and again; where it says so, pageable memory is touched while it is not held. */
VOID TimePageable(ULONG Count, BOOLEAN Touch)
{
    volatile ULONG *block = ExAllocatePoolWithTag(PagedPool, 64, TAG);
    KSPIN_LOCK lock;
    ULONG index;
    KIRQL old;

    KeInitializeSpinLock(&lock);
    for (index = 0; index < Count; index++) {
        KeAcquireSpinLock(&lock, &old);
        KeReleaseSpinLock(&lock, old);
        if (Touch) {
            block[0] = index;
        }
    }
    ExFreePoolWithTag((PVOID)block, TAG);
}
