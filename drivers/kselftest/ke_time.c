/*
 * Time, processors, stacks, floating-point state.
 */
#include "kselftest.h"
#define FILE_NAME "ke_time.c"

/* A clock goes on, and by about what a delay of 2 ms says: in 100 ns, and never backwards. */
#define MOVES(Expression, UnitsPerMillisecond)                                                                       \
    do {                                                                                                             \
        LARGE_INTEGER while_ = {.QuadPart = -20000};                                                                 \
        ULONG64 before = (Expression), after;                                                                        \
                                                                                                                     \
        KeDelayExecutionThread(KernelMode, FALSE, &while_);                                                          \
        after = (Expression);                                                                                        \
        CHECK(before != 0 && before < 1ull << 62);                                                                   \
        CHECK(after >= before + (UnitsPerMillisecond));                                                              \
    } while (0)

CASE_OF(KeQueryInterruptTime)
{
    MOVES(KeQueryInterruptTime(), 10000);
    /* What the shared page says, read around it. */
    ULONG64 before = *(volatile ULONG64 *)0xFFFFF78000000008ull, between = KeQueryInterruptTime();

    CHECK(between >= before && between < before + 100000000);
}

CASE_OF(KeQueryInterruptTimePrecise)
{
    ULONG64 counter = 0;

    MOVES(KeQueryInterruptTimePrecise(&counter), 10000);
    CHECK(counter != 0);
    ULONG64 coarse = KeQueryInterruptTime(), fine = KeQueryInterruptTimePrecise(&counter);

    CHECK(fine >= coarse);
}

CASE_OF(KeQuerySystemTimePrecise)
{
    LARGE_INTEGER time = {.QuadPart = 0}, later = {.QuadPart = 0};
    LARGE_INTEGER while_ = {.QuadPart = -20000};

    KeQuerySystemTimePrecise(&time);
    CHECK(time.QuadPart > 125911584000000000ll); /* the year 2000 */
    KeDelayExecutionThread(KernelMode, FALSE, &while_);
    KeQuerySystemTimePrecise(&later);
    CHECK(later.QuadPart > time.QuadPart);
}

CASE_OF(KeQueryUnbiasedInterruptTime)
{
    MOVES(KeQueryUnbiasedInterruptTime(), 10000);
}

CASE_OF(KeQueryPerformanceCounter)
{
    LARGE_INTEGER frequency = {.QuadPart = 0}, first, second;

    first = KeQueryPerformanceCounter(&frequency);
    CHECK(frequency.QuadPart == 10000000);
    KeStallExecutionProcessor(50);
    second = KeQueryPerformanceCounter(NULL);
    CHECK(first.QuadPart > 0 && second.QuadPart > first.QuadPart);
}

CASE_OF(KeStallExecutionProcessor)
{
    LARGE_INTEGER first = KeQueryPerformanceCounter(NULL), second;

    KeStallExecutionProcessor(200);
    second = KeQueryPerformanceCounter(NULL);
    CHECK(second.QuadPart - first.QuadPart >= 2000);
}

CASE_OF(KeQueryTimeIncrement)
{
    CHECK(KeQueryTimeIncrement() == 156250);
}

CASE_OF(KeQueryActiveProcessors)
{
    KAFFINITY active = KeQueryActiveProcessors();

    CHECK((active & 3) == 3 && (active & (active + 1)) == 0); /* two or more, without gaps */
}

CASE_OF(KeQueryActiveProcessorCount)
{
    KAFFINITY active = 0;
    ULONG count = KeQueryActiveProcessorCount(&active);

    CHECK(count == (ULONG)KeNumberProcessors);
    CHECK(active == (1ull << KeNumberProcessors) - 1);
}

CASE_OF(KeQueryActiveProcessorCountEx)
{
    CHECK(KeQueryActiveProcessorCountEx(0) == (ULONG)KeNumberProcessors);
    CHECK(KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS) == (ULONG)KeNumberProcessors);
    CHECK(KeQueryActiveProcessorCountEx(7) == 0);
}

CASE_OF(KeQueryMaximumProcessorCount)
{
    CHECK(KeQueryMaximumProcessorCount() == (ULONG)KeNumberProcessors);
}

CASE_OF(KeQueryMaximumProcessorCountEx)
{
    CHECK(KeQueryMaximumProcessorCountEx(0) == (ULONG)KeNumberProcessors);
    CHECK(KeQueryMaximumProcessorCountEx(7) == 0);
}

CASE_OF(KeQueryActiveGroupCount)
{
    CHECK(KeQueryActiveGroupCount() == 1);
}

CASE_OF(KeGetCurrentProcessorNumberEx)
{
    PROCESSOR_NUMBER number = {7, 7, 7};
    ULONG index;

    __writecr8(DISPATCH_LEVEL);
    index = KeGetCurrentProcessorNumberEx(&number);
    CHECK(number.Group == 0 && number.Number == index && number.Reserved == 0);
    __writecr8(PASSIVE_LEVEL);
    CHECK(index < (ULONG)KeNumberProcessors);
}

CASE_OF(KeGetCurrentThread)
{
    PKTHREAD(NTAPI * current)(VOID) = Export(L"KeGetCurrentThread");

    REQUIRE(current != NULL);
    CHECK((ULONG64)current() == __readgsqword(0x188));
}

static PVOID Given;
static ULONG_PTR Low, High, Inside;

static VOID NTAPI Callout(PVOID Parameter)
{
    ULONG_PTR low, high;

    Given = Parameter;
    IoGetStackLimits(&low, &high);
    Inside = (ULONG_PTR)&low;
    Low = low;
    High = high;
}

CASE_OF(KeExpandKernelStackAndCallout)
{
    Given = NULL;
    CHECK(KeExpandKernelStackAndCallout(Callout, &Given, 0x2000) == STATUS_SUCCESS);
    CHECK(Given == &Given);
    CHECK(Inside - Low >= 0x1800);
}

CASE_OF(KeExpandKernelStackAndCalloutEx)
{
    Given = NULL;
    CHECK(KeExpandKernelStackAndCalloutEx(Callout, &Low, 0x3000, TRUE, NULL) == STATUS_SUCCESS);
    CHECK(Given == &Low);
}

CASE_OF(KeSaveExtendedProcessorState)
{
    XSTATE_SAVE state;

    CHECK(KeSaveExtendedProcessorState(1, &state) == STATUS_SUCCESS);
    KeRestoreExtendedProcessorState(&state);
}

CASE_OF(IoGetStackLimits)
{
    ULONG_PTR low = 0, high = 0;

    IoGetStackLimits(&low, &high);
    CHECK(low < (ULONG_PTR)&low && (ULONG_PTR)&low < high);
    CHECK(low % PAGE_SIZE == 0 && high % PAGE_SIZE == 0);
}

const CASE KeTimeChecks[] = {
    ROW(KeQueryInterruptTime),
    ROW(KeQueryInterruptTimePrecise),
    ROW(KeQuerySystemTimePrecise),
    ROW(KeQueryUnbiasedInterruptTime),
    ROW(KeQueryPerformanceCounter),
    ROW(KeStallExecutionProcessor),
    ROW(KeQueryTimeIncrement),
    ROW(KeQueryActiveProcessors),
    ROW(KeQueryActiveProcessorCount),
    ROW(KeQueryActiveProcessorCountEx),
    ROW(KeQueryMaximumProcessorCount),
    ROW(KeQueryMaximumProcessorCountEx),
    ROW(KeQueryActiveGroupCount),
    ROW(KeGetCurrentProcessorNumberEx),
    ROW(KeGetCurrentThread),
    ROW(KeExpandKernelStackAndCallout),
    ROW(KeExpandKernelStackAndCalloutEx),
    ROW(KeSaveExtendedProcessorState),
    ROW(IoGetStackLimits),
    LAST,
};
