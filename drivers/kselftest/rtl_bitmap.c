/*
 * Bitmaps, and bits of numbers.
 */
#include "kselftest.h"
#define FILE_NAME "rtl_bitmap.c"

/* 70 bits: 0xF0 at the bottom, 8 set from 40, and one at 69. */
static ULONG Words[3];
static RTL_BITMAP Map = {70, Words};
#define NONE 0xFFFFFFFF

static VOID Begin(VOID)
{
    Words[0] = 0x000000F0;
    Words[1] = 0x0000FF00;
    Words[2] = 0x00000020;
    Map.SizeOfBitMap = 70;
    Map.Buffer = Words;
}

CASE_OF(RtlInitializeBitMap)
{
    RTL_BITMAP map = {1, NULL};

    RtlInitializeBitMap(&map, Words, 70);
    CHECK(map.SizeOfBitMap == 70 && map.Buffer == Words);
}

CASE_OF(RtlSetBit)
{
    Begin();
    RtlSetBit(&Map, 32);
    CHECK(Words[1] == 0x0000FF01 && Words[0] == 0xF0);
}

CASE_OF(RtlClearBit)
{
    Begin();
    RtlClearBit(&Map, 69);
    CHECK(Words[2] == 0);
}

CASE_OF(RtlTestBit)
{
    Begin();
    CHECK(RtlTestBit(&Map, 4) && !RtlTestBit(&Map, 3) && RtlTestBit(&Map, 69) && !RtlTestBit(&Map, 68));
}

CASE_OF(RtlSetBits)
{
    Begin();
    RtlSetBits(&Map, 30, 5);
    CHECK(Words[0] == 0xC00000F0 && Words[1] == 0x0000FF07);
    RtlSetBits(&Map, 10, 0);
    CHECK(Words[0] == 0xC00000F0);
}

CASE_OF(RtlClearBits)
{
    Begin();
    RtlClearBits(&Map, 6, 36);
    CHECK(Words[0] == 0x30 && Words[1] == 0x0000FC00);
}

CASE_OF(RtlSetAllBits)
{
    Begin();
    RtlSetAllBits(&Map);
    CHECK(Words[0] == 0xFFFFFFFF && Words[1] == 0xFFFFFFFF && (Words[2] & 0x3F) == 0x3F);
}

CASE_OF(RtlClearAllBits)
{
    Begin();
    RtlClearAllBits(&Map);
    CHECK(Words[0] == 0 && Words[1] == 0 && (Words[2] & 0x3F) == 0);
}

CASE_OF(RtlFindClearBits)
{
    Begin();
    CHECK(RtlFindClearBits(&Map, 4, 0) == 0);
    CHECK(RtlFindClearBits(&Map, 5, 0) == 8);
    CHECK(RtlFindClearBits(&Map, 20, 41) == 48);
    CHECK(RtlFindClearBits(&Map, 30, 45) == 8); /* from the start again */
    CHECK(RtlFindClearBits(&Map, 40, 0) == NONE);
}

CASE_OF(RtlFindSetBits)
{
    Begin();
    CHECK(RtlFindSetBits(&Map, 4, 0) == 4);
    CHECK(RtlFindSetBits(&Map, 5, 0) == 40);
    CHECK(RtlFindSetBits(&Map, 1, 60) == 69);
    CHECK(RtlFindSetBits(&Map, 9, 0) == NONE);
}

CASE_OF(RtlFindClearBitsAndSet)
{
    Begin();
    CHECK(RtlFindClearBitsAndSet(&Map, 4, 0) == 0 && Words[0] == 0xFF);
    CHECK(RtlFindClearBitsAndSet(&Map, 50, 0) == NONE && Words[0] == 0xFF);
}

CASE_OF(RtlFindSetBitsAndClear)
{
    Begin();
    CHECK(RtlFindSetBitsAndClear(&Map, 8, 0) == 40 && Words[1] == 0);
    CHECK(RtlFindSetBitsAndClear(&Map, 8, 0) == NONE);
}

CASE_OF(RtlFindClearRuns)
{
    RTL_BITMAP_RUN runs[2];

    Begin();
    CHECK(RtlFindClearRuns(&Map, runs, 2, FALSE) == 2);
    CHECK(runs[0].StartingIndex == 0 && runs[0].NumberOfBits == 4);
    CHECK(runs[1].StartingIndex == 8 && runs[1].NumberOfBits == 32);
    CHECK(RtlFindClearRuns(&Map, runs, 2, TRUE) == 2);
    CHECK(runs[0].StartingIndex == 8 && runs[0].NumberOfBits == 32); /* the longest first */
    CHECK(runs[1].StartingIndex == 48 && runs[1].NumberOfBits == 21);
}

CASE_OF(RtlFindFirstRunClear)
{
    ULONG start = 77;

    Begin();
    CHECK(RtlFindFirstRunClear(&Map, &start) == 4 && start == 0);
}

CASE_OF(RtlFindLongestRunClear)
{
    ULONG start = 77;

    Begin();
    CHECK(RtlFindLongestRunClear(&Map, &start) == 32 && start == 8);
}

CASE_OF(RtlFindNextForwardRunClear)
{
    ULONG start = 77;

    Begin();
    CHECK(RtlFindNextForwardRunClear(&Map, 41, &start) == 21 && start == 48);
    CHECK(RtlFindNextForwardRunClear(&Map, 10, &start) == 30 && start == 10);
    CHECK(RtlFindNextForwardRunClear(&Map, 69, &start) == 0);
}

CASE_OF(RtlFindNextForwardRunSet)
{
    ULONG start = 77;

    Begin();
    CHECK(RtlFindNextForwardRunSet(&Map, 0, &start) == 4 && start == 4);
    CHECK(RtlFindNextForwardRunSet(&Map, 48, &start) == 1 && start == 69);
}

CASE_OF(RtlFindLastBackwardRunClear)
{
    ULONG start = 77;

    Begin();
    CHECK(RtlFindLastBackwardRunClear(&Map, 68, &start) == 21 && start == 48);
    CHECK(RtlFindLastBackwardRunClear(&Map, 45, &start) == 32 && start == 8);
}

CASE_OF(RtlNumberOfClearBits)
{
    Begin();
    CHECK(RtlNumberOfClearBits(&Map) == 57);
}

CASE_OF(RtlNumberOfSetBits)
{
    Begin();
    CHECK(RtlNumberOfSetBits(&Map) == 13);
    Words[2] |= 0xFFFFFF00; /* beyond the map */
    CHECK(RtlNumberOfSetBits(&Map) == 13);
}

CASE_OF(RtlNumberOfClearBitsInRange)
{
    Begin();
    CHECK(RtlNumberOfClearBitsInRange(&Map, 2, 40) == 34);
}

CASE_OF(RtlNumberOfSetBitsInRange)
{
    Begin();
    CHECK(RtlNumberOfSetBitsInRange(&Map, 6, 36) == 4);
}

CASE_OF(RtlAreBitsClear)
{
    Begin();
    CHECK(RtlAreBitsClear(&Map, 8, 32) && !RtlAreBitsClear(&Map, 8, 33));
    CHECK(!RtlAreBitsClear(&Map, 60, 20) && !RtlAreBitsClear(&Map, 8, 0)); /* beyond the end; nothing */
}

CASE_OF(RtlAreBitsSet)
{
    Begin();
    CHECK(RtlAreBitsSet(&Map, 40, 8) && !RtlAreBitsSet(&Map, 39, 8) && !RtlAreBitsSet(&Map, 69, 2));
    CHECK(!RtlAreBitsSet(&Map, 40, 0));
}

CASE_OF(RtlFindLeastSignificantBit)
{
    CHECK(RtlFindLeastSignificantBit(0) == -1 && RtlFindLeastSignificantBit(8) == 3);
    CHECK(RtlFindLeastSignificantBit(1ull << 63) == 63);
}

CASE_OF(RtlFindMostSignificantBit)
{
    CHECK(RtlFindMostSignificantBit(0) == -1 && RtlFindMostSignificantBit(9) == 3);
    CHECK(RtlFindMostSignificantBit(~0ull) == 63);
}

CASE_OF(RtlNumberOfSetBitsUlongPtr)
{
    CHECK(RtlNumberOfSetBitsUlongPtr(0) == 0 && RtlNumberOfSetBitsUlongPtr(~0ull) == 64);
}

CASE_OF(RtlCopyBitMap)
{
    ULONG small = 0x9, large[2] = {0, 0};
    RTL_BITMAP from = {4, &small}, to = {64, large};

    RtlCopyBitMap(&from, &to, 30);
    CHECK(large[0] == 0x40000000 && large[1] == 0x2);
}

CASE_OF(RtlExtractBitMap)
{
    ULONG large[2] = {0x40000000, 0x2}, small = 0;
    RTL_BITMAP from = {64, large}, to = {32, &small};

    RtlExtractBitMap(&from, &to, 30, 4);
    CHECK((small & 0xF) == 0x9);
}

const CASE BitmapChecks[] = {
    ROW(RtlInitializeBitMap),
    ROW(RtlSetBit),
    ROW(RtlClearBit),
    ROW(RtlTestBit),
    ROW(RtlSetBits),
    ROW(RtlClearBits),
    ROW(RtlSetAllBits),
    ROW(RtlClearAllBits),
    ROW(RtlFindClearBits),
    ROW(RtlFindSetBits),
    ROW(RtlFindClearBitsAndSet),
    ROW(RtlFindSetBitsAndClear),
    ROW(RtlFindClearRuns),
    ROW(RtlFindFirstRunClear),
    ROW(RtlFindLongestRunClear),
    ROW(RtlFindNextForwardRunClear),
    ROW(RtlFindNextForwardRunSet),
    ROW(RtlFindLastBackwardRunClear),
    ROW(RtlNumberOfClearBits),
    ROW(RtlNumberOfSetBits),
    ROW(RtlNumberOfClearBitsInRange),
    ROW(RtlNumberOfSetBitsInRange),
    ROW(RtlAreBitsClear),
    ROW(RtlAreBitsSet),
    ROW(RtlFindLeastSignificantBit),
    ROW(RtlFindMostSignificantBit),
    ROW(RtlNumberOfSetBitsUlongPtr),
    ROW(RtlCopyBitMap),
    ROW(RtlExtractBitMap),
    LAST,
};
