/*
 * What resources tells a test: one structure in the driver's image, whose address it writes into its registry key as the
 * REG_QWORD value `Results`. All members are little endian and naturally aligned.
 */
#ifndef RESOURCES_RESULTS_H
#define RESOURCES_RESULTS_H

#include "../parameters/parameters.h"

#define RESULTS_MAGIC 0x53534552 /* "RESS" */
#define RESULTS_FAILURES 32

typedef struct _RESULTS {
    ULONG Magic;                   /* 0x00 */
    ULONG Cases;                   /* 0x04, cases that came back */
    ULONG Checks;                  /* 0x08 */
    ULONG Failed;                  /* 0x0c */
    ULONG Lines[RESULTS_FAILURES]; /* 0x10, of failed checks: 1000000 times the file, plus line */
    ULONG64 ExclusiveTicks;        /* 0x90, of 100 ns, for Loop acquisitions alone and releases */
    ULONG64 SharedTicks;           /* 0x98, and shared ones */
    ULONG64 ApcTicks;              /* 0xa0, and special kernel APCs queued to the own thread and delivered */
    ULONG64 InterruptTicks;        /* 0xa8, for a thousand queued to a thread in a loop and delivered there (Mode 61) */
} RESULTS;

_Static_assert(FIELD_OFFSET(RESULTS, ExclusiveTicks) == 0x90, "a test reads this layout");

extern RESULTS Results;

VOID Check(BOOLEAN Holds, ULONG File, ULONG Line);
#define CHECK(Expression) Check((Expression) != 0, THIS_FILE, __LINE__)

/* resources.c */
HANDLE StartThread(PKSTART_ROUTINE Routine, PVOID Context);
VOID JoinThread(HANDLE Thread);
VOID Pause(VOID);

/* cases.c (file 1), waiting.c (2), regions.c (3) */
VOID RunCases(VOID);
VOID RunWaiting(VOID);
VOID RunRegions(VOID);
/* preempt.c (5) */
VOID RunPreemption(VOID);
VOID TimePreemption(VOID);

/* pageable.c (6) */
VOID RunPageable(ULONG Mode);
VOID TimePageable(ULONG Count, BOOLEAN Touch);

/* mistakes.c */
VOID RunMode(ULONG Mode);
VOID RunLoops(ULONG Count);
ULONG64 Now(VOID);

/* Exported by the kernel, but not in the public headers for drivers. */
typedef VOID (NTAPI *PKNORMAL_ROUTINE_)(PVOID Context, PVOID First, PVOID Second);
typedef VOID (NTAPI *PKKERNEL_ROUTINE_)(PKAPC Apc, PKNORMAL_ROUTINE_ *Normal, PVOID *Context, PVOID *First, PVOID *Second);
NTSYSAPI VOID NTAPI KeInitializeApc(PKAPC Apc, PKTHREAD Thread, ULONG Environment, PKKERNEL_ROUTINE_ Kernel, PVOID Rundown,
                                    PKNORMAL_ROUTINE_ Normal, KPROCESSOR_MODE Mode, PVOID Context);
NTSYSAPI BOOLEAN NTAPI KeInsertQueueApc(PKAPC Apc, PVOID First, PVOID Second, KPRIORITY Increment);
NTSYSAPI BOOLEAN NTAPI KeAlertThread(PKTHREAD Thread, KPROCESSOR_MODE Mode);
NTSYSAPI BOOLEAN NTAPI KeTestAlertThread(KPROCESSOR_MODE Mode);
NTSYSAPI BOOLEAN NTAPI ExTryToAcquireResourceExclusiveLite(PERESOURCE Resource);

#endif
