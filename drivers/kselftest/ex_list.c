/*
 * Interlocked lists and sums, and local time.
 */
#include "kselftest.h"
#define FILE_NAME "ex_list.c"

static KSPIN_LOCK Lock;

CASE_OF(InitializeSListHead)
{
    DECLSPEC_ALIGN(16) static SLIST_HEADER head;

    Fill(&head, sizeof(head), 0xCC);
    InitializeSListHead(&head);
    CHECK(ExQueryDepthSList(&head) == 0);
    CHECK(ExpInterlockedPopEntrySList(&head) == NULL);
}

/* Two routines for each operation: the older takes a spin lock that it does not need. */
static DECLSPEC_ALIGN(16) SLIST_HEADER Stack;
static DECLSPEC_ALIGN(16) SLIST_ENTRY Entries[3];

static VOID EmptyStack(VOID)
{
    InitializeSListHead(&Stack);
}

CASE_OF(ExpInterlockedPushEntrySList)
{
    EmptyStack();
    CHECK(ExpInterlockedPushEntrySList(&Stack, &Entries[0]) == NULL);
    CHECK(ExpInterlockedPushEntrySList(&Stack, &Entries[1]) == &Entries[0]);
    CHECK(Entries[1].Next == &Entries[0] && Entries[0].Next == NULL);
}

CASE_OF(ExpInterlockedPopEntrySList)
{
    EmptyStack();
    CHECK(ExpInterlockedPopEntrySList(&Stack) == NULL);
    ExpInterlockedPushEntrySList(&Stack, &Entries[0]);
    ExpInterlockedPushEntrySList(&Stack, &Entries[1]);
    CHECK(ExpInterlockedPopEntrySList(&Stack) == &Entries[1]);
    CHECK(ExpInterlockedPopEntrySList(&Stack) == &Entries[0]);
    CHECK(ExpInterlockedPopEntrySList(&Stack) == NULL);
}

CASE_OF(ExpInterlockedFlushSList)
{
    EmptyStack();
    ExpInterlockedPushEntrySList(&Stack, &Entries[0]);
    ExpInterlockedPushEntrySList(&Stack, &Entries[1]);
    CHECK(ExpInterlockedFlushSList(&Stack) == &Entries[1]);
    CHECK(Entries[1].Next == &Entries[0]);
    CHECK(ExpInterlockedFlushSList(&Stack) == NULL);
}

CASE_OF(ExInterlockedPushEntrySList)
{
    EmptyStack();
    CHECK(ExInterlockedPushEntrySList(&Stack, &Entries[2], &Lock) == NULL);
    CHECK(ExInterlockedPushEntrySList(&Stack, &Entries[1], &Lock) == &Entries[2]);
}

CASE_OF(ExInterlockedPopEntrySList)
{
    EmptyStack();
    ExpInterlockedPushEntrySList(&Stack, &Entries[2]);
    CHECK(ExInterlockedPopEntrySList(&Stack, &Lock) == &Entries[2]);
    CHECK(ExInterlockedPopEntrySList(&Stack, &Lock) == NULL);
}

CASE_OF(ExInterlockedFlushSList)
{
    EmptyStack();
    ExpInterlockedPushEntrySList(&Stack, &Entries[2]);
    CHECK(ExInterlockedFlushSList(&Stack) == &Entries[2]);
    CHECK(ExInterlockedFlushSList(&Stack) == NULL);
}

CASE_OF(ExQueryDepthSList)
{
    EmptyStack();
    CHECK(ExQueryDepthSList(&Stack) == 0);
    ExpInterlockedPushEntrySList(&Stack, &Entries[0]);
    ExpInterlockedPushEntrySList(&Stack, &Entries[1]);
    CHECK(ExQueryDepthSList(&Stack) == 2);
}

static LIST_ENTRY List, Links[3];

static VOID EmptyList(VOID)
{
    List.Flink = List.Blink = &List;
}

CASE_OF(ExInterlockedInsertHeadList)
{
    EmptyList();
    CHECK(ExInterlockedInsertHeadList(&List, &Links[0], &Lock) == NULL);
    CHECK(ExInterlockedInsertHeadList(&List, &Links[1], &Lock) == &Links[0]);
    CHECK(List.Flink == &Links[1] && List.Blink == &Links[0]);
}

CASE_OF(ExInterlockedInsertTailList)
{
    EmptyList();
    CHECK(ExInterlockedInsertTailList(&List, &Links[0], &Lock) == NULL);
    CHECK(ExInterlockedInsertTailList(&List, &Links[1], &Lock) == &Links[0]);
    CHECK(List.Flink == &Links[0] && List.Blink == &Links[1] && Links[0].Flink == &Links[1]);
}

CASE_OF(ExInterlockedRemoveHeadList)
{
    EmptyList();
    CHECK(ExInterlockedRemoveHeadList(&List, &Lock) == NULL);
    List.Flink = List.Blink = &Links[0];
    Links[0].Flink = Links[0].Blink = &List;
    CHECK(ExInterlockedRemoveHeadList(&List, &Lock) == &Links[0]);
    CHECK(List.Flink == &List && List.Blink == &List);
}

CASE_OF(ExInterlockedAddUlong)
{
    ULONG value = 0xFFFFFFFF;

    CHECK(ExInterlockedAddUlong(&value, 2, &Lock) == 0xFFFFFFFF && value == 1);
}

CASE_OF(ExInterlockedAddLargeInteger)
{
    LARGE_INTEGER value = {.QuadPart = 0xFFFFFFFF}, more = {.QuadPart = 1};

    CHECK(ExInterlockedAddLargeInteger(&value, more, &Lock).QuadPart == 0xFFFFFFFF);
    CHECK(value.QuadPart == 0x100000000ll);
}

CASE_OF(ExSystemTimeToLocalTime)
{
    LARGE_INTEGER time = {.QuadPart = 1000}, local = {.QuadPart = -1}, back;

    ExSystemTimeToLocalTime(&time, &local);
    CHECK(local.QuadPart != -1);
    ExLocalTimeToSystemTime(&local, &back);
    CHECK(back.QuadPart == 1000);
}

CASE_OF(ExLocalTimeToSystemTime)
{
    LARGE_INTEGER local = {.QuadPart = 2000}, time = {.QuadPart = -1}, back;

    ExLocalTimeToSystemTime(&local, &time);
    CHECK(time.QuadPart != -1);
    ExSystemTimeToLocalTime(&time, &back);
    CHECK(back.QuadPart == 2000);
}

CASE_OF(ExGetPreviousMode)
{
    CHECK(ExGetPreviousMode() == KernelMode);
}

const CASE ListChecks[] = {
    ROW(InitializeSListHead),
    ROW(ExpInterlockedPushEntrySList),
    ROW(ExpInterlockedPopEntrySList),
    ROW(ExpInterlockedFlushSList),
    ROW(ExInterlockedPushEntrySList),
    ROW(ExInterlockedPopEntrySList),
    ROW(ExInterlockedFlushSList),
    ROW(ExQueryDepthSList),
    ROW(ExInterlockedInsertHeadList),
    ROW(ExInterlockedInsertTailList),
    ROW(ExInterlockedRemoveHeadList),
    ROW(ExInterlockedAddUlong),
    ROW(ExInterlockedAddLargeInteger),
    ROW(ExSystemTimeToLocalTime),
    ROW(ExLocalTimeToSystemTime),
    ROW(ExGetPreviousMode),
    LAST,
};
