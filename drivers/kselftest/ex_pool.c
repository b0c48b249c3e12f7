/*
 * Pool, and lookaside lists on it.
 */
#include "kselftest.h"
#define FILE_NAME "ex_pool.c"

/* Whether a fresh block of pool can be written from end to end, and lies as a block of its size has to. */
static BOOLEAN Usable(PVOID Block, SIZE_T Bytes)
{
    if (Block == NULL || (ULONG_PTR)Block % 16 != 0 || (Bytes == PAGE_SIZE && (ULONG_PTR)Block % PAGE_SIZE != 0)) {
        return FALSE;
    }
    Fill(Block, Bytes, 0x5A);
    return Holds(Block, Bytes, 0x5A);
}

CASE_OF(ExAllocatePool)
{
    PVOID block = ExAllocatePool(NonPagedPoolNx, 33);

    REQUIRE(Usable(block, 33));
    ExFreePool(block);
}

CASE_OF(ExAllocatePoolWithTag)
{
    PVOID small = ExAllocatePoolWithTag(PagedPool, 1, TAG);
    PVOID page = ExAllocatePoolWithTag(NonPagedPoolNx, PAGE_SIZE, TAG);
    PVOID more = ExAllocatePoolWithTag(NonPagedPoolNx, 3 * PAGE_SIZE + 1, TAG);

    CHECK(Usable(small, 1));
    CHECK(Usable(page, PAGE_SIZE));
    CHECK(Usable(more, 3 * PAGE_SIZE + 1));
    CHECK(small != page);
    if (small != NULL) {
        ExFreePoolWithTag(small, TAG);
    }
    if (page != NULL) {
        ExFreePoolWithTag(page, TAG);
    }
    if (more != NULL) {
        ExFreePoolWithTag(more, TAG);
    }
}

CASE_OF(ExAllocatePoolWithTagPriority)
{
    PVOID block = ExAllocatePoolWithTagPriority(NonPagedPoolNx, 100, TAG, NormalPoolPriority);

    REQUIRE(Usable(block, 100));
    ExFreePoolWithTag(block, TAG);
}

CASE_OF(ExAllocatePoolWithQuotaTag)
{
    PVOID block = ExAllocatePoolWithQuotaTag(PagedPool | POOL_QUOTA_FAIL_INSTEAD_OF_RAISE, 64, TAG);

    REQUIRE(Usable(block, 64));
    ExFreePoolWithTag(block, TAG);
}

CASE_OF(ExAllocatePool2)
{
    PUCHAR block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 4000, TAG);

    REQUIRE(block != NULL);
    CHECK(Holds(block, 4000, 0));
    CHECK(Usable(block, 4000));
    ExFreePoolWithTag(block, TAG);
    CHECK(ExAllocatePool2(0, 10, TAG) == NULL); /* neither paged nor nonpaged */
}

/* A free that does nothing leaves a block behind: the machine finds it when the driver goes, and says so. */
CASE_OF(ExInitializeNPagedLookasideList)
{
    static NPAGED_LOOKASIDE_LIST list;

    Fill(&list, sizeof(list), 0xCC);
    ExInitializeNPagedLookasideList(&list, NULL, NULL, 0, 48, TAG, 0);
    CHECK(list.L.Size == 48 && list.L.Tag == TAG);
    REQUIRE(list.L.Size == 48);
    ExDeleteNPagedLookasideList(&list);
}

CASE_OF(ExInitializePagedLookasideList)
{
    static PAGED_LOOKASIDE_LIST list;

    Fill(&list, sizeof(list), 0xCC);
    ExInitializePagedLookasideList(&list, NULL, NULL, 0, 80, TAG, 0);
    CHECK(list.L.Size == 80 && list.L.Tag == TAG);
    REQUIRE(list.L.Size == 80);
    ExDeletePagedLookasideList(&list);
}

static LONG Made, Freed;

static PVOID NTAPI MakeBlock(POOL_TYPE Type, SIZE_T Bytes, ULONG Tag)
{
    InterlockedIncrement(&Made);
    return ExAllocatePoolWithTag(Type, Bytes, Tag);
}

static VOID NTAPI FreeBlock(PVOID Block)
{
    InterlockedIncrement(&Freed);
    ExFreePoolWithTag(Block, TAG);
}

CASE_OF(ExDeleteNPagedLookasideList)
{
    static NPAGED_LOOKASIDE_LIST list;
    PVOID block;

    Made = Freed = 0;
    ExInitializeNPagedLookasideList(&list, MakeBlock, FreeBlock, 0, 64, TAG, 0);
    block = ExAllocateFromNPagedLookasideList(&list);
    REQUIRE(block != NULL && Made == 1);
    ExFreeToNPagedLookasideList(&list, block);
    CHECK(ExAllocateFromNPagedLookasideList(&list) == block && Made == 1); /* kept, and given again */
    ExFreeToNPagedLookasideList(&list, block);
    CHECK(Freed == 0);
    ExDeleteNPagedLookasideList(&list);
    CHECK(Freed == 1);
}

CASE_OF(ExDeletePagedLookasideList)
{
    static PAGED_LOOKASIDE_LIST list;
    PVOID block;

    Made = Freed = 0;
    ExInitializePagedLookasideList(&list, MakeBlock, FreeBlock, 0, 64, TAG, 0);
    block = ExAllocateFromPagedLookasideList(&list);
    REQUIRE(block != NULL && Made == 1);
    ExFreeToPagedLookasideList(&list, block);
    CHECK(Freed == 0);
    ExDeletePagedLookasideList(&list);
    CHECK(Freed == 1);
}

CASE_OF(ExInitializeLookasideListEx)
{
    static LOOKASIDE_LIST_EX list;
    PVOID block;

    CHECK(ExInitializeLookasideListEx(&list, NULL, NULL, NonPagedPoolNx, 0x80, 40, TAG, 0) != STATUS_SUCCESS);
    REQUIRE(ExInitializeLookasideListEx(&list, NULL, NULL, NonPagedPoolNx, 0, 40, TAG, 0) == STATUS_SUCCESS);
    block = ExAllocateFromLookasideListEx(&list);
    CHECK(Usable(block, 40));
    ExFreeToLookasideListEx(&list, block);
    ExDeleteLookasideListEx(&list);
}

static LONG MadeEx, FreedEx;

static PVOID NTAPI MakeBlockEx(POOL_TYPE Type, SIZE_T Bytes, ULONG Tag, PLOOKASIDE_LIST_EX List)
{
    InterlockedIncrement(&MadeEx);
    return ExAllocatePoolWithTag(Type, Bytes, Tag);
}

static VOID NTAPI FreeBlockEx(PVOID Block, PLOOKASIDE_LIST_EX List)
{
    InterlockedIncrement(&FreedEx);
    ExFreePoolWithTag(Block, TAG);
}

CASE_OF(ExFlushLookasideListEx)
{
    static LOOKASIDE_LIST_EX list;
    PVOID block;

    FreedEx = 0;
    REQUIRE(ExInitializeLookasideListEx(&list, MakeBlockEx, FreeBlockEx, PagedPool, 0, 40, TAG, 0) == STATUS_SUCCESS);
    block = ExAllocateFromLookasideListEx(&list);
    ExFreeToLookasideListEx(&list, block);
    CHECK(FreedEx == 0);
    ExFlushLookasideListEx(&list);
    CHECK(FreedEx == 1);
    ExDeleteLookasideListEx(&list);
}

CASE_OF(ExDeleteLookasideListEx)
{
    static LOOKASIDE_LIST_EX list;
    PVOID block;

    FreedEx = 0;
    REQUIRE(ExInitializeLookasideListEx(&list, MakeBlockEx, FreeBlockEx, PagedPool, 0, 40, TAG, 0) == STATUS_SUCCESS);
    block = ExAllocateFromLookasideListEx(&list);
    ExFreeToLookasideListEx(&list, block);
    CHECK(FreedEx == 0);
    ExDeleteLookasideListEx(&list);
    CHECK(FreedEx == 1);
}

const CASE PoolChecks[] = {
    ROW(ExAllocatePool),
    ROW(ExAllocatePoolWithTag),
    ROW(ExAllocatePoolWithTagPriority),
    ROW(ExAllocatePoolWithQuotaTag),
    ROW(ExAllocatePool2),
    LAST,
};

const CASE LookasideChecks[] = {
    ROW(ExInitializeNPagedLookasideList),
    ROW(ExInitializePagedLookasideList),
    ROW(ExDeleteNPagedLookasideList),
    ROW(ExDeletePagedLookasideList),
    ROW(ExInitializeLookasideListEx),
    ROW(ExFlushLookasideListEx),
    ROW(ExDeleteLookasideListEx),
    LAST,
};
