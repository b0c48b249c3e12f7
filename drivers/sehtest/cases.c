/*
 * sehtest: what a driver's __try, __except and __finally do.
 */
#include "results.h"

#define THIS_FILE 1

/* Compilers name it where floating point is used. */
int _fltused = 0;

volatile ULONG *volatile NullPointer = NULL;
volatile ULONG *volatile NonCanonical = (volatile ULONG *)0x8000000000000000ull;
volatile ULONG Zero = 0;

#define RAISED ((NTSTATUS)0xE0000001)
#define OTHER ((NTSTATUS)0xE0000002)

static ULONG Steps;

/* Steps are digits: the order of what ran reads as one number. */
static VOID Step(ULONG Digit)
{
    Steps = Steps * 10 + Digit;
}

static DECLSPEC_NOINLINE VOID RaiseDeep(ULONG Depth, NTSTATUS Status)
{
    volatile UCHAR room[64];

    room[0] = (UCHAR)Depth;
    if (Depth == 0) {
        ExRaiseStatus(Status);
    }
    RaiseDeep(Depth - 1, Status);
    room[1] = room[0];
}

/* spec: EXEC-20 */
static VOID StatusIsCaught(VOID)
{
    NTSTATUS seen = STATUS_SUCCESS;
    volatile ULONG kept = 7;

    __try {
        kept = 8;
        ExRaiseStatus(RAISED);
        kept = 9;
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        seen = GetExceptionCode();
    }
    CHECK(seen == RAISED);
    CHECK(kept == 8);
    seen = STATUS_SUCCESS;
    __try {
        RaiseDeep(20, OTHER);
    } __except (GetExceptionCode() == OTHER ? EXCEPTION_EXECUTE_HANDLER : EXCEPTION_CONTINUE_SEARCH) {
        seen = GetExceptionCode();
    }
    CHECK(seen == OTHER);
}

static LONG FilterOf(NTSTATUS Code, NTSTATUS Wanted, ULONG Digit)
{
    Step(Digit);
    return Code == Wanted ? EXCEPTION_EXECUTE_HANDLER : EXCEPTION_CONTINUE_SEARCH;
}

static VOID InnerFiltersAreAskedFirst(VOID)
{
    Steps = 0;
    __try {
        __try {
            __try {
                ExRaiseStatus(RAISED);
            } __except (FilterOf(GetExceptionCode(), OTHER, 1)) {
                Step(9);
            }
        } __finally {
            Step(3);
        }
    } __except (FilterOf(GetExceptionCode(), RAISED, 2)) {
        Step(4);
    }
    CHECK(Steps == 1234);
}

static DECLSPEC_NOINLINE VOID FinallyBelow(VOID)
{
    __try {
        ExRaiseStatus(RAISED);
    } __finally {
        Step(AbnormalTermination() ? 2 : 8);
    }
}

static VOID FinallyRunsInFunctionsOnTheWay(VOID)
{
    Steps = 0;
    __try {
        __try {
            FinallyBelow();
        } __finally {
            Step(3);
        }
    } __except (Step(1), EXCEPTION_EXECUTE_HANDLER) {
        Step(4);
    }
    CHECK(Steps == 1234);
    Steps = 0;
    __try {
        Step(1);
    } __finally {
        Step(AbnormalTermination() ? 8 : 2);
    }
    CHECK(Steps == 12);
}

static DECLSPEC_NOINLINE ULONG ReturnsFromTry(ULONG Which)
{
    __try {
        if (Which == 1) {
            return 11;
        }
        if (Which == 2) {
            __leave;
        }
        Step(5);
    } __finally {
        Step(6);
    }
    return 22;
}

static VOID LeavingATryRunsItsFinally(VOID)
{
    ULONG round;

    Steps = 0;
    CHECK(ReturnsFromTry(1) == 11);
    CHECK(ReturnsFromTry(2) == 22);
    CHECK(ReturnsFromTry(3) == 22);
    CHECK(Steps == 6656);
    Steps = 0;
    for (round = 0; round < 3; round++) {
        __try {
            if (round == 1) {
                continue;
            }
            Step(1);
        } __finally {
            Step(2);
        }
    }
    CHECK(Steps == 12212);
}

static LONG Remember(PEXCEPTION_POINTERS Pointers, PEXCEPTION_RECORD Record, PULONG64 Rip)
{
    *Record = *Pointers->ExceptionRecord;
    *Rip = Pointers->ContextRecord->Rip;
    return EXCEPTION_EXECUTE_HANDLER;
}

/* spec: EXEC-20 */
static VOID FaultsAreCaught(VOID)
{
    EXCEPTION_RECORD record;
    ULONG64 rip = 0;
    volatile ULONG value = 1;
    volatile LONG least = (LONG)0x80000000, minus = -1;

    RtlZeroMemory(&record, sizeof(record));
    __try {
        value = NullPointer[3];
    } __except (Remember(GetExceptionInformation(), &record, &rip)) {
    }
    CHECK(record.ExceptionCode == STATUS_ACCESS_VIOLATION);
    CHECK(record.NumberParameters == 2);
    CHECK(record.ExceptionInformation[0] == 0 && record.ExceptionInformation[1] == 12);
    CHECK((ULONG64)record.ExceptionAddress == rip);
    __try {
        NullPointer[2] = value;
    } __except (Remember(GetExceptionInformation(), &record, &rip)) {
    }
    CHECK(record.ExceptionInformation[0] == 1 && record.ExceptionInformation[1] == 8);
    __try {
        value = *NonCanonical;
    } __except (Remember(GetExceptionInformation(), &record, &rip)) {
    }
    CHECK(record.ExceptionCode == STATUS_ACCESS_VIOLATION && record.ExceptionInformation[1] == (ULONG64)-1);
    __try {
        value = 5 / Zero;
    } __except (Remember(GetExceptionInformation(), &record, &rip)) {
    }
    CHECK(record.ExceptionCode == STATUS_INTEGER_DIVIDE_BY_ZERO && record.NumberParameters == 0);
    __try {
        value = (ULONG)(least / minus);
    } __except (Remember(GetExceptionInformation(), &record, &rip)) {
    }
    CHECK(record.ExceptionCode == STATUS_INTEGER_OVERFLOW);
    __try {
        __debugbreak();
    } __except (Remember(GetExceptionInformation(), &record, &rip)) {
    }
    CHECK(record.ExceptionCode == STATUS_BREAKPOINT);
    CHECK(*(PUCHAR)record.ExceptionAddress == 0xCC);
    __try {
        __int2c();
    } __except (Remember(GetExceptionInformation(), &record, &rip)) {
    }
    CHECK(record.ExceptionCode == STATUS_ASSERTION_FAILURE);
    __try {
        __asm__ volatile("ud2");
    } __except (Remember(GetExceptionInformation(), &record, &rip)) {
    }
    CHECK(record.ExceptionCode == STATUS_ILLEGAL_INSTRUCTION);
    CHECK(value == 1);
}

static VOID CallsToNowhereAreCaught(VOID)
{
    VOID (*volatile nowhere)(VOID) = (VOID(*)(VOID))0x40;
    EXCEPTION_RECORD record;
    ULONG64 rip = 0;

    RtlZeroMemory(&record, sizeof(record));
    __try {
        nowhere();
    } __except (Remember(GetExceptionInformation(), &record, &rip)) {
    }
    CHECK(record.ExceptionCode == STATUS_ACCESS_VIOLATION);
    CHECK(record.ExceptionInformation[0] == 8 && record.ExceptionInformation[1] == 0x40 && rip == 0x40);
}

static ULONG Target;

static LONG Mend(PEXCEPTION_POINTERS Pointers)
{
    Step(1);
    /* The instruction reads through rdx: see below. */
    Pointers->ContextRecord->Rdx = (ULONG64)&Target;
    return EXCEPTION_CONTINUE_EXECUTION;
}

static VOID AFilterCanMendAndGoOn(VOID)
{
    ULONG value = 0;
    double before = 1.5, after = 0;

    Target = 77;
    Steps = 0;
    __try {
        __asm__ volatile("movsd %2, %%xmm1\n\t"
                         "xorl %%edx, %%edx\n\t"
                         "movl (%%rdx), %%eax\n\t"
                         "movl %%eax, %0\n\t"
                         "movsd %%xmm1, %1"
                         : "=m"(value), "=m"(after)
                         : "m"(before)
                         : "rax", "rdx", "xmm1", "memory");
    } __except (Mend(GetExceptionInformation())) {
        Step(9);
    }
    CHECK(Steps == 1);
    CHECK(value == 77);
    CHECK(after == 1.5);
}

static LONG FilterThatRaises(NTSTATUS Code)
{
    if (Code == RAISED) {
        ExRaiseStatus(OTHER);
    }
    return EXCEPTION_CONTINUE_SEARCH;
}

static LONG FilterThatCatches(VOID)
{
    LONG answer = EXCEPTION_CONTINUE_SEARCH;

    __try {
        (VOID)NullPointer[1];
        ExRaiseStatus(OTHER);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        answer = EXCEPTION_EXECUTE_HANDLER;
    }
    return answer;
}

static VOID FiltersCanRaiseAndCatch(VOID)
{
    NTSTATUS outer = 0;

    Steps = 0;
    __try {
        __try {
            ExRaiseStatus(RAISED);
        } __except (FilterThatRaises(GetExceptionCode())) {
            Step(9);
        }
    } __except (outer = GetExceptionCode(), EXCEPTION_EXECUTE_HANDLER) {
        Step(1);
    }
    CHECK(Steps == 1);
    CHECK(outer == OTHER);
    Steps = 0;
    __try {
        ExRaiseStatus(RAISED);
    } __except (FilterThatCatches()) {
        Step(2);
    }
    CHECK(Steps == 2);
}

static VOID HandlersCanRaise(VOID)
{
    NTSTATUS outer = 0;

    __try {
        __try {
            ExRaiseStatus(RAISED);
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            ExRaiseStatus(OTHER);
        }
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        outer = GetExceptionCode();
    }
    CHECK(outer == OTHER);
}

/* A __finally that raises replaces what was being unwound; those outside of it still run once. */
static VOID AFinallyCanRaise(VOID)
{
    NTSTATUS outer = 0;

    Steps = 0;
    __try {
        __try {
            __try {
                __try {
                    ExRaiseStatus(RAISED);
                } __finally {
                    Step(1);
                }
            } __finally {
                Step(2);
                /* Clang drops what is around a __finally that never ends. */
                if (Zero == 0) {
                    ExRaiseStatus(OTHER);
                }
            }
        } __finally {
            Step(3);
        }
    } __except (outer = GetExceptionCode(), EXCEPTION_EXECUTE_HANDLER) {
        Step(4);
    }
    CHECK(Steps == 1234);
    CHECK(outer == OTHER);
}

static DECLSPEC_NOINLINE VOID RaisesInFinally(VOID)
{
    __try {
        ExRaiseStatus(RAISED);
    } __finally {
        Step(2);
        if (Zero == 0) {
            (VOID)NullPointer[0];
        }
    }
}

/* The same through functions: the frames between the two are not run twice. */
static VOID AFinallyBelowCanFault(VOID)
{
    NTSTATUS outer = 0;

    Steps = 0;
    __try {
        __try {
            RaisesInFinally();
        } __finally {
            Step(3);
        }
    } __except (Step(1), outer = GetExceptionCode(), EXCEPTION_EXECUTE_HANDLER) {
        Step(4);
    }
    /* The filter is asked for the first exception, then, while it is unwound, for the second. */
    CHECK(Steps == 12134);
    CHECK(outer == STATUS_ACCESS_VIOLATION);
}

static DECLSPEC_NOINLINE ULONG LargeFrame(ULONG Index)
{
    volatile UCHAR room[20000];
    ULONG result = 0;

    room[Index] = 5;
    __try {
        RaiseDeep(2, RAISED);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        result = room[Index];
    }
    return result;
}

static DECLSPEC_NOINLINE ULONG VariableFrame(ULONG Bytes)
{
    volatile UCHAR *room = __builtin_alloca(Bytes);
    ULONG result = 0;

    room[Bytes - 1] = 6;
    __try {
        room = __builtin_alloca(Bytes * 2);
        room[Bytes * 2 - 1] = 7;
        RaiseDeep(2, RAISED);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        result = room[Bytes * 2 - 1];
    }
    return result;
}

static VOID FramesOfAllKindsAreUnwound(VOID)
{
    CHECK(LargeFrame(19999) == 5);
    CHECK(LargeFrame(0) == 5);
    CHECK(VariableFrame(100) == 7);
    CHECK(VariableFrame(5000) == 7);
}

static DECLSPEC_NOINLINE VOID ClobberAndRaise(VOID)
{
    __asm__ volatile("xorl %%ebx, %%ebx\n\txorl %%esi, %%esi\n\txorl %%edi, %%edi\n\txorl %%r12d, %%r12d\n\t"
                     "xorl %%r13d, %%r13d\n\txorl %%r14d, %%r14d\n\txorl %%r15d, %%r15d\n\t"
                     "xorps %%xmm6, %%xmm6\n\txorps %%xmm7, %%xmm7\n\txorps %%xmm10, %%xmm10\n\txorps %%xmm15, %%xmm15" ::
                         : "rbx", "rsi", "rdi", "r12", "r13", "r14", "r15", "xmm6", "xmm7", "xmm10", "xmm15", "memory");
    ExRaiseStatus(RAISED);
}

static DECLSPEC_NOINLINE VOID CatchBelow(VOID)
{
    __try {
        ClobberAndRaise();
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        Step(1);
    }
}

/* Who catches gives his caller the registers back that it may rely on. */
static VOID RegistersAreKept(VOID)
{
    ULONG64 integers[7];
    double vectors[4] = {6.5, 7.5, 10.5, 15.5}, after[4];

    Steps = 0;
    __asm__ volatile("movsd 0(%[v]), %%xmm6\n\tmovsd 8(%[v]), %%xmm7\n\tmovsd 16(%[v]), %%xmm10\n\t"
                     "movsd 24(%[v]), %%xmm15\n\t"
                     "movq $1, %%rbx\n\tmovq $2, %%rsi\n\tmovq $3, %%rdi\n\tmovq $4, %%r12\n\tmovq $5, %%r13\n\t"
                     "movq $6, %%r14\n\tmovq $7, %%r15\n\t"
                     "pushq %[i]\n\tpushq %[a]\n\tsubq $48, %%rsp\n\tcallq *%[f]\n\taddq $48, %%rsp\n\tpopq %%rcx\n\tpopq %%rax\n\t"
                     "movq %%rbx, 0(%%rax)\n\tmovq %%rsi, 8(%%rax)\n\tmovq %%rdi, 16(%%rax)\n\tmovq %%r12, 24(%%rax)\n\t"
                     "movq %%r13, 32(%%rax)\n\tmovq %%r14, 40(%%rax)\n\tmovq %%r15, 48(%%rax)\n\t"
                     "movsd %%xmm6, 0(%%rcx)\n\tmovsd %%xmm7, 8(%%rcx)\n\tmovsd %%xmm10, 16(%%rcx)\n\tmovsd %%xmm15, 24(%%rcx)"
                     :
                     : [v] "r"(vectors), [i] "a"(integers), [a] "c"(after), [f] "d"(CatchBelow)
                     : "rbx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2",
                       "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm10", "xmm15", "memory");
    CHECK(Steps == 1);
    CHECK(integers[0] == 1 && integers[1] == 2 && integers[2] == 3 && integers[3] == 4);
    CHECK(integers[4] == 5 && integers[5] == 6 && integers[6] == 7);
    CHECK(after[0] == 6.5 && after[1] == 7.5 && after[2] == 10.5 && after[3] == 15.5);
}

/* spec: IO-32 */
static VOID ExportsRaise(VOID)
{
    NTSTATUS seen = 0;
    EXCEPTION_RECORD record;
    ULONG64 rip = 0;
    PMDL mdl;

    RtlZeroMemory(&record, sizeof(record));
    __try {
        ProbeForRead((PVOID)NonCanonical, 4, 1);
    } __except (Remember(GetExceptionInformation(), &record, &rip)) {
    }
    CHECK(record.ExceptionCode == STATUS_ACCESS_VIOLATION);
    __try {
        ProbeForRead((PVOID)0x1001, 8, 4);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        seen = GetExceptionCode();
    }
    CHECK(seen == STATUS_DATATYPE_MISALIGNMENT);
    seen = 0;
    __try {
        ProbeForWrite((PVOID)(ULONG64)0x10000, 4096, 1);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        seen = GetExceptionCode();
    }
    CHECK(seen == STATUS_ACCESS_VIOLATION);
    seen = 0;
    mdl = IoAllocateMdl((PVOID)(ULONG64)0x10000, 4096, FALSE, FALSE, NULL);
    CHECK(mdl != NULL);
    if (mdl != NULL) {
        __try {
            MmProbeAndLockPages(mdl, UserMode, IoReadAccess);
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            seen = GetExceptionCode();
        }
        CHECK(seen == STATUS_ACCESS_VIOLATION);
        IoFreeMdl(mdl);
    }
    seen = 0;
    __try {
        RtlCopyMemory(&record, (PVOID)(ULONG64)0x20000, 64 + Zero);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        seen = GetExceptionCode();
    }
    CHECK(seen == STATUS_ACCESS_VIOLATION);
    seen = 0;
    __try {
        ExRaiseDatatypeMisalignment();
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        seen = GetExceptionCode();
    }
    CHECK(seen == STATUS_DATATYPE_MISALIGNMENT);
    seen = 0;
    __try {
        ExRaiseAccessViolation();
    } __except (Remember(GetExceptionInformation(), &record, &rip)) {
        seen = GetExceptionCode();
    }
    CHECK(seen == STATUS_ACCESS_VIOLATION && record.NumberParameters == 0);
}

static VOID LocksCanBeReleasedInFinally(VOID)
{
    FAST_MUTEX mutex;
    KIRQL seen = 0xFF;

    ExInitializeFastMutex(&mutex);
    __try {
        ExAcquireFastMutex(&mutex);
        __try {
            (VOID)NullPointer[5];
        } __finally {
            ExReleaseFastMutex(&mutex);
        }
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        seen = KeGetCurrentIrql();
    }
    CHECK(seen == PASSIVE_LEVEL);
    CHECK(ExTryToAcquireFastMutex(&mutex));
    ExReleaseFastMutex(&mutex);
}

static VOID ManyInARow(VOID)
{
    ULONG round, caught = 0;

    for (round = 0; round < 2000; round++) {
        __try {
            if (round % 2 == 0) {
                RaiseDeep(round % 7, RAISED);
            } else {
                NullPointer[round] = round;
            }
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            caught += 1;
        }
    }
    CHECK(caught == 2000);
}

VOID RunCases(VOID)
{
    static VOID (*const cases[])(VOID) = {
        StatusIsCaught,         InnerFiltersAreAskedFirst,  FinallyRunsInFunctionsOnTheWay, LeavingATryRunsItsFinally,
        FaultsAreCaught,        CallsToNowhereAreCaught,    AFilterCanMendAndGoOn,          FiltersCanRaiseAndCatch,
        HandlersCanRaise,       AFinallyCanRaise,           AFinallyBelowCanFault,          FramesOfAllKindsAreUnwound,
        RegistersAreKept,       ExportsRaise,               LocksCanBeReleasedInFinally,    ManyInARow,
    };
    ULONG index;

    for (index = 0; index < ARRAYSIZE(cases); index++) {
        cases[index]();
        Results.Cases += 1;
    }
}

static DECLSPEC_NOINLINE VOID RaiseOnce(VOID)
{
    ExRaiseStatus(RAISED);
}

VOID RunLoops(ULONG Count)
{
    ULONG round, caught = 0;
    LARGE_INTEGER begin, middle, end;

    begin = KeQueryPerformanceCounter(NULL);
    for (round = 0; round < Count; round++) {
        __try {
            RaiseOnce();
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            caught += 1;
        }
    }
    middle = KeQueryPerformanceCounter(NULL);
    for (round = 0; round < Count; round++) {
        __try {
            NullPointer[1] = round;
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            caught += 1;
        }
    }
    end = KeQueryPerformanceCounter(NULL);
    CHECK(caught == 2 * Count);
    Results.RaiseTicks = (ULONG64)(middle.QuadPart - begin.QuadPart);
    Results.FaultTicks = (ULONG64)(end.QuadPart - middle.QuadPart);
}

/* Each of these ends the machine. */
VOID RunMode(ULONG Mode)
{
    KIRQL old;

    switch (Mode) {
    case 1: /* a status that nobody takes */
        __try {
            RaiseDeep(3, RAISED);
        } __except (GetExceptionCode() == OTHER ? EXCEPTION_EXECUTE_HANDLER : EXCEPTION_CONTINUE_SEARCH) {
            Step(9);
        }
        break;
    case 2: /* a kernel address: no handler sees that */
        __try {
            (VOID) * (volatile ULONG *)((ULONG64)&Results + 0x40000000);
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            Step(9);
        }
        break;
    case 3: /* a null pointer at DISPATCH_LEVEL */
        KeRaiseIrql(DISPATCH_LEVEL, &old);
        __try {
            (VOID)NullPointer[1];
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            Step(9);
        }
        KeLowerIrql(old);
        break;
    case 4: /* a null pointer outside of any __try */
        NullPointer[7] = Mode;
        break;
    case 5: /* fast fail */
        __try {
            __fastfail(3);
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            Step(9);
        }
        break;
    case 6: { /* what cannot be continued is continued */
        EXCEPTION_RECORD record;

        RtlZeroMemory(&record, sizeof(record));
        record.ExceptionCode = RAISED;
        record.ExceptionFlags = EXCEPTION_NONCONTINUABLE;
        __try {
            RtlRaiseException(&record);
        } __except (EXCEPTION_CONTINUE_EXECUTION) {
            Step(9);
        }
        break;
    }
    default:
        break;
    }
}
