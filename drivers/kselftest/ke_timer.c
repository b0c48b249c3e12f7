/*
 * Timers and DPCs.
 */
#include "kselftest.h"
#define FILE_NAME "ke_timer.c"

static KTIMER Timer;
static KDPC Dpc;
static KEVENT Ran;
static LONG Runs;
static PVOID Given[3];
static KIRQL Level;

/* Four and forty milliseconds from now. */
static const LARGE_INTEGER Shortly = {.QuadPart = -40000}, Later = {.QuadPart = -400000};

static VOID NTAPI Routine(PKDPC This, PVOID Context, PVOID First, PVOID Second)
{
    Given[0] = Context;
    Given[1] = First;
    Given[2] = Second;
    Level = KeGetCurrentIrql();
    InterlockedIncrement(&Runs);
    KeSetEvent(&Ran, 0, FALSE);
}

static NTSTATUS WaitFor(PVOID Object)
{
    return KeWaitForSingleObject(Object, Executive, KernelMode, FALSE, &Soon);
}

static VOID Begin(VOID)
{
    Runs = 0;
    Given[0] = Given[1] = Given[2] = NULL;
    MakeEvent(&Ran, SynchronizationEvent, 0);
    Fill(&Timer, sizeof(Timer), 0);
    Fill(&Dpc, sizeof(Dpc), 0);
    KeInitializeDpc(&Dpc, Routine, &Runs);
    KeInitializeTimerEx(&Timer, NotificationTimer);
}

/* Whether Begin did what it should: a routine that misbehaves must not be waited for. */
static BOOLEAN Ready(VOID)
{
    return CHECK(Timer.Header.WaitListHead.Flink == &Timer.Header.WaitListHead) && CHECK(Dpc.DeferredContext == &Runs);
}

CASE_OF(KeInitializeTimer)
{
    Fill(&Timer, sizeof(Timer), 0xCC);
    KeInitializeTimer(&Timer);
    CHECK(Timer.Header.Type == 8 && Timer.Header.SignalState == 0);
    CHECK(Timer.Header.WaitListHead.Flink == &Timer.Header.WaitListHead && Timer.Period == 0);
}

CASE_OF(KeInitializeTimerEx)
{
    Fill(&Timer, sizeof(Timer), 0xCC);
    KeInitializeTimerEx(&Timer, SynchronizationTimer);
    CHECK(Timer.Header.Type == 9 && Timer.Header.SignalState == 0);
    CHECK(Timer.Header.WaitListHead.Flink == &Timer.Header.WaitListHead && Timer.Period == 0);
}

CASE_OF(KeSetTimer)
{
    Begin();
    REQUIRE(Ready());
    CHECK(!KeSetTimer(&Timer, Later, NULL));
    CHECK(KeSetTimer(&Timer, Shortly, &Dpc)); /* it was set already */
    CHECK(WaitFor(&Timer) == STATUS_SUCCESS && WaitFor(&Ran) == STATUS_SUCCESS);
    CHECK(Given[0] == &Runs && Level == DISPATCH_LEVEL);
    CHECK(Timer.Header.SignalState == 1);
}

CASE_OF(KeSetTimerEx)
{
    Begin();
    REQUIRE(Ready());
    CHECK(!KeSetTimerEx(&Timer, Shortly, 1, &Dpc)); /* every millisecond */
    CHECK(WaitFor(&Ran) == STATUS_SUCCESS && WaitFor(&Ran) == STATUS_SUCCESS);
    CHECK(KeCancelTimer(&Timer));
    KeFlushQueuedDpcs();
    CHECK(Runs >= 2);
}

CASE_OF(KeSetCoalescableTimer)
{
    Begin();
    REQUIRE(Ready());
    CHECK(!KeSetCoalescableTimer(&Timer, Shortly, 0, 1, &Dpc));
    CHECK(WaitFor(&Ran) == STATUS_SUCCESS && Runs == 1);
}

CASE_OF(KeCancelTimer)
{
    Begin();
    REQUIRE(Ready());
    CHECK(!KeCancelTimer(&Timer));
    CHECK(!KeSetTimer(&Timer, Later, &Dpc));
    CHECK(KeCancelTimer(&Timer));
    CHECK(!KeCancelTimer(&Timer) && Timer.Header.SignalState == 0);
    CHECK(KeDelayExecutionThread(KernelMode, FALSE, (PLARGE_INTEGER)&Later) == STATUS_SUCCESS && Runs == 0);
}

CASE_OF(KeReadStateTimer)
{
    Begin();
    REQUIRE(Ready());
    CHECK(!KeReadStateTimer(&Timer));
    KeSetTimer(&Timer, Shortly, NULL);
    CHECK(WaitFor(&Timer) == STATUS_SUCCESS && KeReadStateTimer(&Timer));
}

CASE_OF(KeInitializeDpc)
{
    Fill(&Dpc, sizeof(Dpc), 0);
    KeInitializeDpc(&Dpc, Routine, &Runs);
    CHECK(Dpc.DeferredRoutine == Routine && Dpc.DeferredContext == &Runs && Dpc.Type == 19);
}

CASE_OF(KeInitializeThreadedDpc)
{
    Fill(&Dpc, sizeof(Dpc), 0);
    KeInitializeThreadedDpc(&Dpc, Routine, &Runs);
    CHECK(Dpc.DeferredRoutine == Routine && Dpc.DeferredContext == &Runs);
}

CASE_OF(KeInsertQueueDpc)
{
    Begin();
    REQUIRE(Ready());
    CHECK(KeInsertQueueDpc(&Dpc, &Timer, &Level));
    CHECK(WaitFor(&Ran) == STATUS_SUCCESS);
    CHECK(Runs == 1 && Level == DISPATCH_LEVEL);
    CHECK(Given[0] == &Runs && Given[1] == &Timer && Given[2] == &Level);
}

CASE_OF(KeRemoveQueueDpc)
{
    Begin();
    REQUIRE(Ready());
    CHECK(!KeRemoveQueueDpc(&Dpc)); /* not queued */
}

CASE_OF(KeSetImportanceDpc)
{
    Begin();
    REQUIRE(Ready());
    KeSetImportanceDpc(&Dpc, HighImportance);
    CHECK(Dpc.Importance == HighImportance);
}

CASE_OF(KeSetTargetProcessorDpc)
{
    KDPC before;

    Begin();
    REQUIRE(Ready());
    before = Dpc;
    KeSetTargetProcessorDpc(&Dpc, 1);
    CHECK(!SameBytes(&before, &Dpc, sizeof(Dpc)));
    CHECK(KeInsertQueueDpc(&Dpc, NULL, NULL) && WaitFor(&Ran) == STATUS_SUCCESS);
}

CASE_OF(KeSetTargetProcessorDpcEx)
{
    PROCESSOR_NUMBER number = {0, 1, 0}, none = {9, 0, 0};

    Begin();
    REQUIRE(Ready());
    CHECK(KeSetTargetProcessorDpcEx(&Dpc, &number) == STATUS_SUCCESS);
    CHECK(KeSetTargetProcessorDpcEx(&Dpc, &none) == STATUS_INVALID_PARAMETER);
}

CASE_OF(KeFlushQueuedDpcs)
{
    Begin();
    REQUIRE(Ready());
    KeInsertQueueDpc(&Dpc, NULL, NULL);
    KeFlushQueuedDpcs();
    CHECK(Runs == 1);
}

const CASE TimerChecks[] = {
    ROW(KeInitializeTimer),
    ROW(KeInitializeTimerEx),
    ROW(KeSetTimer),
    ROW(KeSetTimerEx),
    ROW(KeSetCoalescableTimer),
    ROW(KeCancelTimer),
    ROW(KeReadStateTimer),
    ROW(KeInitializeDpc),
    ROW(KeInitializeThreadedDpc),
    ROW(KeInsertQueueDpc),
    ROW(KeRemoveQueueDpc),
    ROW(KeSetImportanceDpc),
    ROW(KeSetTargetProcessorDpc),
    ROW(KeSetTargetProcessorDpcEx),
    ROW(KeFlushQueuedDpcs),
    LAST,
};
