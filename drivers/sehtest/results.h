/*
 * What sehtest tells a test: one structure in the driver's image, whose address it writes into its registry key as the
 * REG_QWORD value `Results`. All members are little endian and naturally aligned.
 */
#ifndef SEHTEST_RESULTS_H
#define SEHTEST_RESULTS_H

#include "../parameters/parameters.h"

#define RESULTS_MAGIC 0x54484553 /* "SEHT" */
#define RESULTS_FAILURES 32

typedef struct _RESULTS {
    ULONG Magic;                    /* 0x00 */
    ULONG Cases;                    /* 0x04, cases that came back */
    ULONG Checks;                   /* 0x08 */
    ULONG Failed;                   /* 0x0c */
    ULONG Lines[RESULTS_FAILURES];  /* 0x10, of failed checks: 1000000 times the file (1 cases.c, 2 unwinding.c), plus line */
    ULONG64 RaiseTicks;             /* 0x90, of 100 ns, for Loop raises that were caught */
    ULONG64 FaultTicks;             /* 0x98, and faults */
} RESULTS;

_Static_assert(FIELD_OFFSET(RESULTS, RaiseTicks) == 0x90, "a test reads this layout");

extern RESULTS Results;

VOID Check(BOOLEAN Holds, ULONG File, ULONG Line);
#define CHECK(Expression) Check((Expression) != 0, THIS_FILE, __LINE__)

/* cases.c */
VOID RunCases(VOID);
VOID RunLoops(ULONG Count);
VOID RunMode(ULONG Mode);
/* unwinding.c */
VOID RunUnwinding(VOID);

/* Exported by the kernel, but not in the public headers for drivers. */
NTSYSAPI VOID NTAPI RtlRaiseException(PEXCEPTION_RECORD Record);

/* Bad addresses, and a number that the compiler does not know. */
extern volatile ULONG *volatile NullPointer;
extern volatile ULONG *volatile NonCanonical;
extern volatile ULONG Zero;

#endif
