/*
 * Mappings of ranges. Most checks use one of two runs with a hole between: VBN 0 to 9 at LBN 100, 20 to 24 at 200.
 */
#include "kselftest.h"
#define FILE_NAME "fsrtl_mcb.c"

static LARGE_MCB Map;
static LONGLONG Vbn, Lbn, Count, RunLbn, RunCount;
static ULONG Index;

static VOID Begin(VOID)
{
    Fill(&Map, sizeof(Map), 0);
    FsRtlInitializeLargeMcb(&Map, PagedPool);
    CHECK(FsRtlAddLargeMcbEntry(&Map, 0, 100, 10));
    CHECK(FsRtlAddLargeMcbEntry(&Map, 20, 200, 5));
}

static VOID End(VOID)
{
    FsRtlUninitializeLargeMcb(&Map);
}

/* Where a VBN is mapped; -1 in a hole, -2 behind the last run. */
static LONGLONG At(LONGLONG Wanted)
{
    Lbn = Count = RunLbn = RunCount = -9;
    Index = 9;
    return FsRtlLookupLargeMcbEntry(&Map, Wanted, &Lbn, &Count, &RunLbn, &RunCount, &Index) ? Lbn : -2;
}

CASE_OF(FsRtlInitializeLargeMcb)
{
    Fill(&Map, sizeof(Map), 0xCC);
    FsRtlInitializeLargeMcb(&Map, NonPagedPoolNx);
    REQUIRE(!Holds(&Map, sizeof(Map), 0xCC));
    CHECK(FsRtlNumberOfRunsInLargeMcb(&Map) == 0);
    CHECK(At(0) == -2);
    End();
}

CASE_OF(FsRtlAddLargeMcbEntry)
{
    Begin();
    CHECK(FsRtlAddLargeMcbEntry(&Map, 10, 110, 2)); /* goes on where the first run ends: still one run */
    CHECK(FsRtlNumberOfRunsInLargeMcb(&Map) == 3);
    CHECK(FsRtlAddLargeMcbEntry(&Map, 5, 105, 2));  /* says nothing new */
    CHECK(!FsRtlAddLargeMcbEntry(&Map, 5, 300, 2)); /* is mapped elsewhere */
    CHECK(At(5) == 105 && At(11) == 111 && At(12) == -1);
    End();
}

CASE_OF(FsRtlRemoveLargeMcbEntry)
{
    Begin();
    FsRtlRemoveLargeMcbEntry(&Map, 3, 2);
    CHECK(At(2) == 102 && At(3) == -1 && At(4) == -1 && At(5) == 105);
    CHECK(FsRtlNumberOfRunsInLargeMcb(&Map) == 5);
    End();
}

CASE_OF(FsRtlTruncateLargeMcb)
{
    Begin();
    FsRtlTruncateLargeMcb(&Map, 5);
    CHECK(At(4) == 104 && At(5) == -2);
    CHECK(FsRtlNumberOfRunsInLargeMcb(&Map) == 1);
    End();
}

CASE_OF(FsRtlSplitLargeMcb)
{
    Begin();
    CHECK(FsRtlSplitLargeMcb(&Map, 5, 10)); /* 0 to 4, a hole of ten, 15 to 19, the old hole, 30 to 34 */
    CHECK(At(4) == 104 && At(5) == -1 && At(14) == -1 && At(15) == 105 && At(30) == 200);
    CHECK(FsRtlNumberOfRunsInLargeMcb(&Map) == 5);
    End();
}

CASE_OF(FsRtlResetLargeMcb)
{
    Begin();
    FsRtlResetLargeMcb(&Map, FALSE);
    CHECK(FsRtlNumberOfRunsInLargeMcb(&Map) == 0 && At(0) == -2);
    CHECK(FsRtlAddLargeMcbEntry(&Map, 0, 7, 1) && At(0) == 7); /* it can be used again */
    End();
}

CASE_OF(FsRtlLookupLargeMcbEntry)
{
    Begin();
    CHECK(At(4) == 104 && Count == 6 && RunLbn == 100 && RunCount == 10 && Index == 0);
    CHECK(At(12) == -1 && Count == 8 && RunLbn == -1 && RunCount == 10 && Index == 1);
    CHECK(At(25) == -2);
    CHECK(FsRtlLookupLargeMcbEntry(&Map, 20, &Lbn, NULL, NULL, NULL, NULL) && Lbn == 200);
    End();
}

CASE_OF(FsRtlLookupLastLargeMcbEntry)
{
    Begin();
    Vbn = Lbn = 0;
    CHECK(FsRtlLookupLastLargeMcbEntry(&Map, &Vbn, &Lbn));
    CHECK(Vbn == 24 && Lbn == 204);
    FsRtlTruncateLargeMcb(&Map, 0);
    CHECK(!FsRtlLookupLastLargeMcbEntry(&Map, &Vbn, &Lbn));
    End();
}

CASE_OF(FsRtlLookupLastLargeMcbEntryAndIndex)
{
    Begin();
    Vbn = Lbn = Index = 0;
    CHECK(FsRtlLookupLastLargeMcbEntryAndIndex(&Map, &Vbn, &Lbn, &Index));
    CHECK(Vbn == 24 && Lbn == 204 && Index == 2);
    FsRtlTruncateLargeMcb(&Map, 0);
    CHECK(!FsRtlLookupLastLargeMcbEntryAndIndex(&Map, &Vbn, &Lbn, &Index));
    End();
}

CASE_OF(FsRtlNumberOfRunsInLargeMcb)
{
    Begin();
    CHECK(FsRtlNumberOfRunsInLargeMcb(&Map) == 3); /* the hole is one */
    End();
}

CASE_OF(FsRtlGetNextLargeMcbEntry)
{
    Begin();
    CHECK(FsRtlGetNextLargeMcbEntry(&Map, 0, &Vbn, &Lbn, &Count) && Vbn == 0 && Lbn == 100 && Count == 10);
    CHECK(FsRtlGetNextLargeMcbEntry(&Map, 1, &Vbn, &Lbn, &Count) && Vbn == 10 && Lbn == -1 && Count == 10);
    CHECK(FsRtlGetNextLargeMcbEntry(&Map, 2, &Vbn, &Lbn, &Count) && Vbn == 20 && Lbn == 200 && Count == 5);
    CHECK(!FsRtlGetNextLargeMcbEntry(&Map, 3, &Vbn, &Lbn, &Count));
    End();
}

const CASE McbChecks[] = {
    ROW(FsRtlInitializeLargeMcb),
    ROW(FsRtlAddLargeMcbEntry),
    ROW(FsRtlRemoveLargeMcbEntry),
    ROW(FsRtlTruncateLargeMcb),
    ROW(FsRtlSplitLargeMcb),
    ROW(FsRtlResetLargeMcb),
    ROW(FsRtlLookupLargeMcbEntry),
    ROW(FsRtlLookupLastLargeMcbEntry),
    ROW(FsRtlLookupLastLargeMcbEntryAndIndex),
    ROW(FsRtlNumberOfRunsInLargeMcb),
    ROW(FsRtlGetNextLargeMcbEntry),
    LAST,
};
