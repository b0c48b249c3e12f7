/*
 * Memory descriptor lists, addresses, routines by name.
 */
#include "kselftest.h"
#define FILE_NAME "mm_mdl.c"

/* Nonpaged memory that begins 16 bytes into a page and ends in the next one. */
#define BYTES PAGE_SIZE

static PUCHAR Begin(PUCHAR *Block)
{
    *Block = ExAllocatePoolWithTag(NonPagedPoolNx, 3 * PAGE_SIZE, TAG);
    return CHECK(*Block != NULL) ? *Block + 16 : NULL;
}

CASE_OF(MmSizeOfMdl)
{
    CHECK(MmSizeOfMdl((PVOID)0x1000, PAGE_SIZE) == sizeof(MDL) + sizeof(PFN_NUMBER));
    CHECK(MmSizeOfMdl((PVOID)0x1010, PAGE_SIZE) == sizeof(MDL) + 2 * sizeof(PFN_NUMBER));
    CHECK(MmSizeOfMdl((PVOID)0x1FFF, 2) == sizeof(MDL) + 2 * sizeof(PFN_NUMBER));
}

CASE_OF(IoAllocateMdl)
{
    PUCHAR block, buffer = Begin(&block);
    PMDL mdl;

    REQUIRE(buffer != NULL);
    mdl = IoAllocateMdl(buffer, BYTES, FALSE, FALSE, NULL);
    if (CHECK(mdl != NULL)) {
        CHECK(MmGetMdlByteCount(mdl) == BYTES && MmGetMdlByteOffset(mdl) == 16);
        CHECK(MmGetMdlVirtualAddress(mdl) == buffer && mdl->Next == NULL);
        CHECK(!(mdl->MdlFlags & (MDL_MAPPED_TO_SYSTEM_VA | MDL_PAGES_LOCKED | MDL_SOURCE_IS_NONPAGED_POOL)));
        IoFreeMdl(mdl);
    }
    ExFreePoolWithTag(block, TAG);
}

CASE_OF(MmCreateMdl)
{
    PUCHAR block, buffer = Begin(&block);
    PMDL mdl;

    REQUIRE(buffer != NULL);
    mdl = MmCreateMdl(NULL, buffer, BYTES);
    if (CHECK(mdl != NULL)) {
        CHECK(MmGetMdlByteCount(mdl) == BYTES && MmGetMdlVirtualAddress(mdl) == buffer);
        ExFreePool(mdl);
    }
    ExFreePoolWithTag(block, TAG);
}

CASE_OF(MmBuildMdlForNonPagedPool)
{
    PUCHAR block, buffer = Begin(&block);
    PMDL mdl;

    REQUIRE(buffer != NULL);
    mdl = IoAllocateMdl(buffer, BYTES, FALSE, FALSE, NULL);
    if (CHECK(mdl != NULL)) {
        MmBuildMdlForNonPagedPool(mdl);
        CHECK(mdl->MdlFlags & MDL_SOURCE_IS_NONPAGED_POOL);
        CHECK(mdl->MappedSystemVa == buffer);
        CHECK(MmGetMdlPfnArray(mdl)[0] != MmGetMdlPfnArray(mdl)[1]);
        IoFreeMdl(mdl);
    }
    ExFreePoolWithTag(block, TAG);
}

/* Locks the pages of paged memory, maps them and writes through the mapping. */
static VOID ThroughMapping(PVOID (*Map)(PMDL Mdl), BOOLEAN Unlock)
{
    PUCHAR block = ExAllocatePoolWithTag(PagedPool, 3 * PAGE_SIZE, TAG), mapped;
    PMDL mdl;

    REQUIRE(block != NULL);
    mdl = IoAllocateMdl(block + 16, BYTES, FALSE, FALSE, NULL);
    REQUIRE(mdl != NULL);
    MmProbeAndLockPages(mdl, KernelMode, IoWriteAccess);
    if (CHECK(mdl->MdlFlags & MDL_PAGES_LOCKED)) {
        mapped = Map(mdl);
        if (CHECK(mapped != NULL)) {
            CHECK((ULONG_PTR)mapped % PAGE_SIZE == 16);
            CHECK(mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA);
            Fill(mapped, BYTES, 0x77);
            CHECK(Holds(block + 16, BYTES, 0x77));
        }
        if (Unlock) {
            MmUnlockPages(mdl);
            CHECK(!(mdl->MdlFlags & (MDL_PAGES_LOCKED | MDL_MAPPED_TO_SYSTEM_VA)));
        }
    }
    IoFreeMdl(mdl);
    ExFreePoolWithTag(block, TAG);
}

static PVOID MapOld(PMDL Mdl)
{
    return MmMapLockedPages(Mdl, KernelMode);
}

static PVOID MapNew(PMDL Mdl)
{
    return MmMapLockedPagesSpecifyCache(Mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority);
}

CASE_OF(MmProbeAndLockPages)
{
    ThroughMapping(MapNew, TRUE);
}

CASE_OF(MmMapLockedPages)
{
    ThroughMapping(MapOld, TRUE);
}

CASE_OF(MmMapLockedPagesSpecifyCache)
{
    ThroughMapping(MapNew, TRUE);
}

CASE_OF(MmUnlockPages)
{
    ThroughMapping(MapNew, TRUE);
}

CASE_OF(MmUnmapLockedPages)
{
    PUCHAR block = ExAllocatePoolWithTag(PagedPool, PAGE_SIZE, TAG);
    PVOID mapped;
    PMDL mdl;

    REQUIRE(block != NULL);
    mdl = IoAllocateMdl(block, PAGE_SIZE, FALSE, FALSE, NULL);
    REQUIRE(mdl != NULL);
    MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
    mapped = MapNew(mdl);
    if (CHECK(mapped != NULL)) {
        MmUnmapLockedPages(mapped, mdl);
        CHECK(!(mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA));
    }
    MmUnlockPages(mdl);
    IoFreeMdl(mdl);
    ExFreePoolWithTag(block, TAG);
}

CASE_OF(MmIsAddressValid)
{
    static UCHAR byte;

    CHECK(MmIsAddressValid(&byte) && MmIsAddressValid((PVOID)CheckMmIsAddressValid));
    CHECK(!MmIsAddressValid(NULL) && !MmIsAddressValid((PVOID)0x8000000000000000ull));
}

CASE_OF(MmGetSystemRoutineAddress)
{
    UNICODE_STRING known = Text(L"MmGetSystemRoutineAddress"), unknown = Text(L"NoSuchRoutine");

    CHECK(MmGetSystemRoutineAddress(&known) == (PVOID)MmGetSystemRoutineAddress);
    CHECK(MmGetSystemRoutineAddress(&unknown) == NULL);
}

CASE_OF(MmIsThisAnNtAsSystem)
{
    CHECK(!MmIsThisAnNtAsSystem());
}

CASE_OF(MmQuerySystemSize)
{
    CHECK(MmQuerySystemSize() == MmLargeSystem);
}

const CASE MdlChecks[] = {
    ROW(MmSizeOfMdl),
    ROW(IoAllocateMdl),
    ROW(MmCreateMdl),
    ROW(MmBuildMdlForNonPagedPool),
    ROW(MmProbeAndLockPages),
    ROW(MmMapLockedPages),
    ROW(MmMapLockedPagesSpecifyCache),
    ROW(MmUnlockPages),
    ROW(MmUnmapLockedPages),
    ROW(MmIsAddressValid),
    ROW(MmGetSystemRoutineAddress),
    ROW(MmIsThisAnNtAsSystem),
    ROW(MmQuerySystemSize),
    LAST,
};
