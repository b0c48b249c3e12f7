/*
 * Processors and their numbers, where a thread runs and how urgently.
 */
#include "kselftest.h"
#define FILE_NAME "ke_more.c"

#define SELF ((PKTHREAD)__readgsqword(0x188))

static ULONG Processor(VOID)
{
    return __readgsdword(0x184);
}

/* The last processor, by its mask. */
static KAFFINITY LastProcessor(VOID)
{
    return (KAFFINITY)1 << (KeQueryActiveProcessorCount(NULL) - 1);
}

CASE_OF(KeGetProcessorNumberFromIndex)
{
    PROCESSOR_NUMBER number = {9, 9, 9};
    ULONG last = KeQueryActiveProcessorCount(NULL) - 1;

    CHECK(KeGetProcessorNumberFromIndex(last, &number) == STATUS_SUCCESS);
    CHECK(number.Group == 0 && number.Number == last && number.Reserved == 0);
    CHECK(KeGetProcessorNumberFromIndex(last + 1, &number) == STATUS_INVALID_PARAMETER);
}

CASE_OF(KeGetProcessorIndexFromNumber)
{
    ULONG count = KeQueryActiveProcessorCount(NULL);
    PROCESSOR_NUMBER number = {0, (UCHAR)(count - 1), 0}, none = {0, (UCHAR)count, 0}, nowhere = {7, 0, 0};

    CHECK(KeGetProcessorIndexFromNumber(&number) == count - 1);
    CHECK(KeGetProcessorIndexFromNumber(&none) == INVALID_PROCESSOR_INDEX);
    CHECK(KeGetProcessorIndexFromNumber(&nowhere) == INVALID_PROCESSOR_INDEX);
}

CASE_OF(KeQueryMaximumGroupCount)
{
    CHECK(KeQueryMaximumGroupCount() == 1);
}

CASE_OF(KeQueryGroupAffinity)
{
    CHECK(KeQueryGroupAffinity(0) == KeQueryActiveProcessors());
    CHECK(KeQueryGroupAffinity(7) == 0);
}

CASE_OF(KeQueryHighestNodeNumber)
{
    CHECK(KeQueryHighestNodeNumber() == 0);
}

CASE_OF(KeGetCurrentNodeNumber)
{
    CHECK(KeGetCurrentNodeNumber() == 0);
}

CASE_OF(KeGetRecommendedSharedDataAlignment)
{
    CHECK(KeGetRecommendedSharedDataAlignment() == 64);
}

CASE_OF(KeSetSystemAffinityThread)
{
    KIRQL old;

    KeSetSystemAffinityThread(LastProcessor());
    CHECK((KAFFINITY)1 << Processor() == LastProcessor());
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    CHECK((KAFFINITY)1 << Processor() == LastProcessor());
    KeLowerIrql(old);
    KeSetSystemAffinityThread(1);
    CHECK(Processor() == 0);
    KeRevertToUserAffinityThread();
}

CASE_OF(KeSetSystemAffinityThreadEx)
{
    CHECK(KeSetSystemAffinityThreadEx(LastProcessor()) == 0); /* nothing was asked before */
    CHECK((KAFFINITY)1 << Processor() == LastProcessor());
    CHECK(KeSetSystemAffinityThreadEx(1) == LastProcessor());
    CHECK(Processor() == 0);
    KeRevertToUserAffinityThread();
}

CASE_OF(KeRevertToUserAffinityThread)
{
    KeSetSystemAffinityThread(1);
    KeRevertToUserAffinityThread();
    CHECK(KeSetSystemAffinityThreadEx(1) == 0);
    KeRevertToUserAffinityThreadEx(0);
}

CASE_OF(KeRevertToUserAffinityThreadEx)
{
    KAFFINITY before;

    KeSetSystemAffinityThread(LastProcessor());
    before = KeSetSystemAffinityThreadEx(1);
    KeRevertToUserAffinityThreadEx(before);
    CHECK((KAFFINITY)1 << Processor() == LastProcessor());
    KeRevertToUserAffinityThreadEx(0);
    CHECK(KeSetSystemAffinityThreadEx(1) == 0);
    KeRevertToUserAffinityThread();
}

CASE_OF(KeQueryPriorityThread)
{
    KPRIORITY before = KeQueryPriorityThread(SELF);

    CHECK(before > 0 && before <= HIGH_PRIORITY);
    KeSetPriorityThread(SELF, LOW_REALTIME_PRIORITY);
    CHECK(KeQueryPriorityThread(SELF) == LOW_REALTIME_PRIORITY);
    KeSetPriorityThread(SELF, before);
}

CASE_OF(KeSetPriorityThread)
{
    KPRIORITY before = KeSetPriorityThread(SELF, LOW_REALTIME_PRIORITY + 2);

    CHECK(before > 0 && before < LOW_REALTIME_PRIORITY);
    CHECK(KeSetPriorityThread(SELF, before) == LOW_REALTIME_PRIORITY + 2);
    CHECK(KeQueryPriorityThread(SELF) == before);
}

CASE_OF(KeSetBasePriorityThread)
{
    KPRIORITY before = KeQueryPriorityThread(SELF);

    CHECK(KeSetBasePriorityThread(SELF, 2) == 0);
    CHECK(KeQueryPriorityThread(SELF) == before + 2);
    CHECK(KeSetBasePriorityThread(SELF, 0) == 2);
    CHECK(KeQueryPriorityThread(SELF) == before);
}

static ULONGLONG Ran, Lived;
static ULONG UserTicks;

static VOID NTAPI Live(PVOID Context)
{
    ULONGLONG began = *(PULONGLONG)Context;

    UserTicks = 9;
    Ran = (ULONGLONG)KeQueryRuntimeThread(SELF, &UserTicks) * KeQueryTimeIncrement();
    Lived = KeQueryInterruptTime() - began;
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* A thread has run for no longer than it lives, and this one in the kernel only. */
CASE_OF(KeQueryRuntimeThread)
{
    ULONGLONG now = KeQueryInterruptTime();

    CHECK(RunInThread(Live, &now) == STATUS_SUCCESS);
    CHECK(Ran <= Lived && UserTicks == 0);
}

CASE_OF(KeInvalidateAllCaches)
{
    CHECK(KeInvalidateAllCaches());
}

const CASE KeMoreChecks[] = {
    ROW(KeGetProcessorNumberFromIndex),
    ROW(KeGetProcessorIndexFromNumber),
    ROW(KeQueryMaximumGroupCount),
    ROW(KeQueryGroupAffinity),
    ROW(KeQueryHighestNodeNumber),
    ROW(KeGetCurrentNodeNumber),
    ROW(KeGetRecommendedSharedDataAlignment),
    ROW(KeSetSystemAffinityThread),
    ROW(KeSetSystemAffinityThreadEx),
    ROW(KeRevertToUserAffinityThread),
    ROW(KeRevertToUserAffinityThreadEx),
    ROW(KeQueryPriorityThread),
    ROW(KeSetPriorityThread),
    ROW(KeSetBasePriorityThread),
    ROW(KeQueryRuntimeThread),
    ROW(KeInvalidateAllCaches),
    LAST,
};
