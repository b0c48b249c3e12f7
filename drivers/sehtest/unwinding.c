/*
 * sehtest: the routines under structured exceptions, called by hand.
 */
#include "results.h"

#define THIS_FILE 2

/* Not in the public headers for drivers, but exported and used. */
typedef struct _FUNCTION_ENTRY {
    ULONG Begin;
    ULONG End;
    ULONG Unwind;
} FUNCTION_ENTRY;

NTSYSAPI VOID NTAPI RtlCaptureContext(PCONTEXT Context);
NTSYSAPI VOID NTAPI RtlUnwindEx(PVOID Frame, PVOID Ip, PEXCEPTION_RECORD Record, PVOID Value, PCONTEXT Context,
                                PVOID History);
__declspec(dllimport) FUNCTION_ENTRY *NTAPI RtlLookupFunctionEntry(ULONG64 Pc, PULONG64 Base, PVOID History);
__declspec(dllimport) PVOID NTAPI RtlVirtualUnwind(ULONG Type, ULONG64 Base, ULONG64 Pc, FUNCTION_ENTRY *Function,
                                                   PCONTEXT Context, PVOID *Data, PULONG64 Frame, PVOID Pointers);
__declspec(dllimport) PVOID NTAPI RtlPcToFileHeader(PVOID Pc, PVOID *Base);
__declspec(dllimport) VOID RtlRestoreContext(PCONTEXT Context, PEXCEPTION_RECORD Record);

static DECLSPEC_NOINLINE VOID CapturedContextsCanBeUnwound(VOID)
{
    CONTEXT context;
    FUNCTION_ENTRY *entry;
    ULONG64 base = 0, frame = 0, rip;
    PVOID data = NULL, header = NULL;
    ULONG64 me = (ULONG64)CapturedContextsCanBeUnwound;

    RtlZeroMemory(&context, sizeof(context));
    RtlCaptureContext(&context);
    rip = context.Rip;
    CHECK(rip > me && rip < me + 0x800);
    CHECK((context.SegCs & 3) == 0);
    entry = RtlLookupFunctionEntry(rip, &base, NULL);
    CHECK(entry != NULL && base != 0);
    CHECK(RtlPcToFileHeader((PVOID)rip, &header) == (PVOID)base && header == (PVOID)base);
    CHECK(*(PUSHORT)header == 0x5A4D);
    if (entry != NULL) {
        CHECK(rip - base >= entry->Begin && rip - base < entry->End);
        CHECK(RtlVirtualUnwind(0, base, rip, entry, &context, &data, &frame, NULL) == NULL);
        CHECK(context.Rip > (ULONG64)RunUnwinding && context.Rip < (ULONG64)RunUnwinding + 0x400);
        CHECK(frame < context.Rsp);
        entry = RtlLookupFunctionEntry(context.Rip, &base, NULL);
        CHECK(entry != NULL && base + entry->Begin == (ULONG64)RunUnwinding);
    }
    CHECK(RtlLookupFunctionEntry((ULONG64)&Results, &base, NULL) == NULL);
    CHECK(RtlPcToFileHeader((PVOID)16, &header) == NULL && header == NULL);
}

static DECLSPEC_NOINLINE VOID RestoringGoesBack(VOID)
{
    CONTEXT context;
    volatile ULONG times = 0;

    RtlZeroMemory(&context, sizeof(context));
    RtlCaptureContext(&context);
    times = times + 1;
    if (times < 4) {
        RtlRestoreContext(&context, NULL);
    }
    CHECK(times == 4);
}

static LONG KeepRecord(PEXCEPTION_POINTERS Pointers, PEXCEPTION_RECORD Record)
{
    *Record = *Pointers->ExceptionRecord;
    return EXCEPTION_EXECUTE_HANDLER;
}

static VOID RecordsAreRaisedAsTheyAre(VOID)
{
    EXCEPTION_RECORD record, seen;

    RtlZeroMemory(&record, sizeof(record));
    RtlZeroMemory(&seen, sizeof(seen));
    record.ExceptionCode = (NTSTATUS)0xE0000077;
    record.NumberParameters = 3;
    record.ExceptionInformation[2] = 42;
    __try {
        RtlRaiseException(&record);
    } __except (KeepRecord(GetExceptionInformation(), &seen)) {
    }
    CHECK(seen.ExceptionCode == (NTSTATUS)0xE0000077);
    CHECK(seen.NumberParameters == 3 && seen.ExceptionInformation[2] == 42);
    CHECK(seen.ExceptionAddress != NULL);
}

static VOID TracesNameTheCallers(VOID)
{
    PVOID frames[16];
    ULONG hash = 0;
    USHORT count = RtlCaptureStackBackTrace(0, ARRAYSIZE(frames), frames, &hash);

    CHECK(count >= 3);
    CHECK((ULONG64)frames[0] > (ULONG64)TracesNameTheCallers && (ULONG64)frames[0] < (ULONG64)TracesNameTheCallers + 0x400);
    CHECK(hash != 0);
    CHECK(RtlCaptureStackBackTrace(1, 1, frames + 8, NULL) == 1 && frames[8] == frames[1]);
    CHECK(RtlWalkFrameChain(frames + 8, 2, 0) == 2 && frames[9] == frames[1]);
}

VOID RunUnwinding(VOID)
{
    static VOID (*const cases[])(VOID) = {CapturedContextsCanBeUnwound, RestoringGoesBack, RecordsAreRaisedAsTheyAre,
                                          TracesNameTheCallers};
    ULONG index;

    for (index = 0; index < ARRAYSIZE(cases); index++) {
        cases[index]();
        Results.Cases += 1;
    }
}
