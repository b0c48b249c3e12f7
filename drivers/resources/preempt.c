/*
 * Loops that call nothing: kernel APCs interrupt them all the same, where the machine does so.
 */
#include "results.h"
#define THIS_FILE 5

/* The linker asks for it where floating point is used. */
int _fltused = 1;

/* How often the one who queues an APC looks whether it has come, a moment apart. */
#define PATIENCE 20000

static volatile LONG Ready, Stop, Specials, Normals, Finished;
static volatile KIRQL SpecialLevel, NormalLevel;
static PKTHREAD volatile Interrupted;
static ULONG64 Expected, Computed;

static VOID NTAPI OnSpecial(PKAPC Apc, PKNORMAL_ROUTINE_ *Normal, PVOID *Context, PVOID *First, PVOID *Second)
{
    SpecialLevel = KeGetCurrentIrql();
    Interrupted = KeGetCurrentThread();
    Specials += 1;
}

static VOID NTAPI BeforeNormal(PKAPC Apc, PKNORMAL_ROUTINE_ *Normal, PVOID *Context, PVOID *First, PVOID *Second)
{
}

static VOID NTAPI OnNormal(PVOID Context, PVOID First, PVOID Second)
{
    LARGE_INTEGER moment = {.QuadPart = -10};

    NormalLevel = KeGetCurrentIrql();
    (VOID)KeDelayExecutionThread(KernelMode, FALSE, &moment);
    Normals += 1;
}

static VOID NTAPI Spin(PVOID Context)
{
    ULONG_PTR where = (ULONG_PTR)Context;
    KIRQL old = PASSIVE_LEVEL;

    switch (where) {
    case 1:
        KeEnterCriticalRegion();
        break;
    case 2:
        KeEnterGuardedRegion();
        break;
    case 3:
        KeRaiseIrql(APC_LEVEL, &old);
        break;
    }
    Ready = 1;
    while (!Stop) {
    }
    switch (where) {
    case 1:
        KeLeaveCriticalRegion();
        break;
    case 2:
        KeLeaveGuardedRegion();
        break;
    case 3:
        KeLowerIrql(old);
        break;
    }
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static BOOLEAN Comes(volatile LONG *Value, LONG Wanted)
{
    ULONG round;

    for (round = 0; round < PATIENCE && *Value < Wanted; round++) {
        Pause();
    }
    return *Value >= Wanted;
}

/* What of both kinds comes while the thread is in its loop: bit 0 special, bit 1 normal. */
static ULONG InTheLoop(ULONG_PTR Where)
{
    static KAPC special, normal;
    HANDLE handle;
    PKTHREAD thread = NULL;
    ULONG came = 0;
    ULONG round;

    Ready = Stop = Specials = Normals = 0;
    SpecialLevel = NormalLevel = 0xFF;
    handle = StartThread(Spin, (PVOID)Where);
    (VOID)ObReferenceObjectByHandle(handle, 0, *PsThreadType, KernelMode, (PVOID *)&thread, NULL);
    CHECK(Comes(&Ready, 1));
    KeInitializeApc(&normal, thread, 0, BeforeNormal, NULL, OnNormal, KernelMode, NULL);
    KeInitializeApc(&special, thread, 0, OnSpecial, NULL, NULL, KernelMode, NULL);
    (VOID)KeInsertQueueApc(&normal, NULL, NULL, 0);
    (VOID)KeInsertQueueApc(&special, NULL, NULL, 0);
    if (Where < 2) {
        came |= Comes(&Specials, 1) ? 1 : 0;
        if (Where == 0) {
            came |= Comes(&Normals, 1) ? 2 : 0;
        }
    }
    for (round = 0; round < 50; round++) {
        Pause();
    }
    came = (Specials != 0 ? 1 : 0) | (Normals != 0 ? 2 : 0);
    Stop = 1;
    JoinThread(handle);
    CHECK(Specials == 1 && SpecialLevel == APC_LEVEL && Interrupted == thread);
    CHECK(Normals == 1 && NormalLevel == PASSIVE_LEVEL);
    ObDereferenceObject(thread);
    return came;
}

/* Something that needs registers of all kinds, and gives one number. */
static ULONG64 Compute(ULONG Rounds)
{
    ULONG64 number = 0x9E3779B97F4A7C15, other = 1;
    double real = 1.0, sum = 0.0;
    ULONG round;

    for (round = 1; round <= Rounds; round++) {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        other = other * 6364136223846793005 + number;
        real = real * 1.0000001 + (double)(other >> 40);
        if (real > 1e12) {
            real *= 1e-6;
        }
        sum += real;
    }
    return number ^ other ^ (ULONG64)sum;
}

static ULONG Rounds;

static VOID NTAPI ComputeInThread(PVOID Context)
{
    Ready = 1;
    Computed = Compute(Rounds);
    Finished = 1;
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* What is interrupted again and again computes what it does undisturbed. */
static VOID Undisturbed(VOID)
{
    static KAPC apc;
    HANDLE handle;
    PKTHREAD thread = NULL;
    ULONG queued = 0;

    Rounds = 20000000;
    Expected = Compute(Rounds);
    Ready = Finished = Specials = 0;
    handle = StartThread(ComputeInThread, NULL);
    (VOID)ObReferenceObjectByHandle(handle, 0, *PsThreadType, KernelMode, (PVOID *)&thread, NULL);
    CHECK(Comes(&Ready, 1));
    KeInitializeApc(&apc, thread, 0, OnSpecial, NULL, NULL, KernelMode, NULL);
    while (!Finished) {
        LONG before = Specials;

        if (!KeInsertQueueApc(&apc, NULL, NULL, 0)) {
            continue;
        }
        queued += 1;
        while (Specials == before && !Finished) {
            Pause();
        }
    }
    JoinThread(handle);
    ObDereferenceObject(thread);
    CHECK(Computed == Expected);
    CHECK(queued > 10);
}

VOID RunPreemption(VOID)
{
    CHECK(InTheLoop(0) == 3); /* spec: EXEC-01 */
    CHECK(InTheLoop(1) == 1); /* spec: EXEC-02 */
    CHECK(InTheLoop(2) == 0); /* spec: EXEC-02 */
    CHECK(InTheLoop(3) == 0); /* spec: EXEC-02 */
    Undisturbed();
    Results.Cases += 5;
}

VOID TimePreemption(VOID)
{
    static KAPC apc;
    HANDLE handle;
    PKTHREAD thread = NULL;
    ULONG64 start;
    LONG index;

    Ready = Stop = Specials = 0;
    handle = StartThread(Spin, NULL);
    (VOID)ObReferenceObjectByHandle(handle, 0, *PsThreadType, KernelMode, (PVOID *)&thread, NULL);
    (VOID)Comes(&Ready, 1);
    KeInitializeApc(&apc, thread, 0, OnSpecial, NULL, NULL, KernelMode, NULL);
    start = Now();
    for (index = 1; index <= 1000; index++) {
        while (!KeInsertQueueApc(&apc, NULL, NULL, 0)) {
        }
        while (Specials != index) {
        }
    }
    Results.InterruptTicks = Now() - start;
    Stop = 1;
    JoinThread(handle);
    ObDereferenceObject(thread);
}
