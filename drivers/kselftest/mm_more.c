/*
 * Physical addresses, MDLs that are used again, pageable parts of a driver.
 */
#include "kselftest.h"
#define FILE_NAME "mm_more.c"

CASE_OF(MmGetPhysicalAddress)
{
    PUCHAR block = ExAllocatePoolWithTag(NonPagedPoolNx, PAGE_SIZE, TAG);
    PMDL mdl;
    PHYSICAL_ADDRESS at;

    REQUIRE(block != NULL);
    mdl = IoAllocateMdl(block, PAGE_SIZE, FALSE, FALSE, NULL);
    if (CHECK(mdl != NULL)) {
        MmBuildMdlForNonPagedPool(mdl);
        at = MmGetPhysicalAddress(block + 0x123);
        CHECK((at.QuadPart & (PAGE_SIZE - 1)) == 0x123);
        CHECK((PFN_NUMBER)(at.QuadPart >> PAGE_SHIFT) == MmGetMdlPfnArray(mdl)[0]);
        IoFreeMdl(mdl);
    }
    ExFreePoolWithTag(block, TAG);
}

CASE_OF(MmIsNonPagedSystemAddressValid)
{
    PUCHAR block = ExAllocatePoolWithTag(NonPagedPoolNx, 64, TAG);

    REQUIRE(block != NULL);
    CHECK(MmIsNonPagedSystemAddressValid(block));
    CHECK(!MmIsNonPagedSystemAddressValid(NULL) && !MmIsNonPagedSystemAddressValid((PVOID)0x10000));
    ExFreePoolWithTag(block, TAG);
}

/* A page of a driver that may be paged out. */
#pragma section("PAGEDATA", read, write)
__declspec(allocate("PAGEDATA")) static volatile ULONG Pageable = 7;

CASE_OF(MmLockPagableDataSection)
{
    PVOID handle = MmLockPagableDataSection((PVOID)&Pageable);

    REQUIRE(handle != NULL);
    CHECK(Pageable == 7);
    MmLockPagableSectionByHandle(handle);
    MmUnlockPagableImageSection(handle);
    MmUnlockPagableImageSection(handle);
}

CASE_OF(MmPageEntireDriver)
{
    CHECK(MmPageEntireDriver((PVOID)&Pageable) == Driver->DriverStart);
    MmResetDriverPaging((PVOID)&Pageable);
}

/* The second half of two pages of paged pool, locked by another MDL. */
CASE_OF(MmPrepareMdlForReuse)
{
    PUCHAR block = ExAllocatePoolWithTag(PagedPool, 2 * PAGE_SIZE, TAG);
    PMDL whole, part;
    PUCHAR mapped;

    REQUIRE(block != NULL);
    whole = IoAllocateMdl(block, 2 * PAGE_SIZE, FALSE, FALSE, NULL);
    part = IoAllocateMdl(block, 2 * PAGE_SIZE, FALSE, FALSE, NULL);
    if (CHECK(whole != NULL && part != NULL)) {
        MmProbeAndLockPages(whole, KernelMode, IoModifyAccess);
        IoBuildPartialMdl(whole, part, block + PAGE_SIZE, PAGE_SIZE);
        mapped = MmMapLockedPagesSpecifyCache(part, KernelMode, MmCached, NULL, FALSE, NormalPagePriority | MdlMappingNoExecute);
        CHECK(mapped != NULL && (part->MdlFlags & MDL_PARTIAL_HAS_BEEN_MAPPED));
        MmPrepareMdlForReuse(part);
        CHECK(!(part->MdlFlags & (MDL_PARTIAL_HAS_BEEN_MAPPED | MDL_MAPPED_TO_SYSTEM_VA)));
        IoBuildPartialMdl(whole, part, block, PAGE_SIZE);
        CHECK(MmGetMdlVirtualAddress(part) == block);
        IoFreeMdl(part);
        MmUnlockPages(whole);
        IoFreeMdl(whole);
    }
    ExFreePoolWithTag(block, TAG);
}

CASE_OF(MmProbeAndLockProcessPages)
{
    PUCHAR block = ExAllocatePoolWithTag(PagedPool, 2 * PAGE_SIZE, TAG);
    PMDL mdl;

    REQUIRE(block != NULL);
    mdl = IoAllocateMdl(block + 10, PAGE_SIZE, FALSE, FALSE, NULL);
    if (CHECK(mdl != NULL)) {
        MmProbeAndLockProcessPages(mdl, PsInitialSystemProcess, KernelMode, IoWriteAccess);
        CHECK(mdl->MdlFlags & MDL_PAGES_LOCKED);
        CHECK(PsGetCurrentProcess() == PsInitialSystemProcess);
        if (mdl->MdlFlags & MDL_PAGES_LOCKED) {
            MmUnlockPages(mdl);
        }
        IoFreeMdl(mdl);
    }
    ExFreePoolWithTag(block, TAG);
}

const CASE MmMoreChecks[] = {
    ROW(MmGetPhysicalAddress),
    ROW(MmIsNonPagedSystemAddressValid),
    ROW(MmLockPagableDataSection),
    ROW(MmPageEntireDriver),
    ROW(MmPrepareMdlForReuse),
    ROW(MmProbeAndLockProcessPages),
    LAST,
};
