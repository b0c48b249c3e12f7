/*
 * What swaptest tells a test: one structure in the driver's image, whose address it writes into its registry key as the
 * REG_QWORD value `Results` (Parameters key where there is one, else the service key).
 *
 * All members are little endian and naturally aligned. A test reads it while nothing is under way.
 */
#ifndef SWAPTEST_RESULTS_H
#define SWAPTEST_RESULTS_H

#define RESULTS_MAGIC 0x54505753 /* "SWPT" */
#define RESULTS_FAILURES 32
#define RESULTS_VALUES 128

/* 8 bytes. */
typedef struct _FAILED_ASSERTION {
    ULONG Line; /* of the file that File counts from 1: swaptest.c, contexts.c, buffers.c, locks.c */
    ULONG File;
} FAILED_ASSERTION;

typedef struct _RESULTS {
    ULONG Magic;                               /* 0x000 */
    ULONG High;                                /* 0x004, completions at DISPATCH_LEVEL in modes about them */
    LONG64 Checks;                             /* 0x008, assertions evaluated */
    LONG64 FailedCount;                        /* 0x010, and of those that failed */
    FAILED_ASSERTION Failed[RESULTS_FAILURES]; /* 0x018 */
    ULONG64 Values[RESULTS_VALUES];            /* 0x118, eight for each major function, see VALUE_ */
} RESULTS;

/* Of the last operation but paging I/O on a file whose name contains "swap": Values[8 * major function + VALUE_]. */
#define VALUE_BUFFER 0      /* as the pre callback saw it */
#define VALUE_MDL 1
#define VALUE_NEW_BUFFER 2  /* what the mode put in place */
#define VALUE_NEW_MDL 3
#define VALUE_POST_BUFFER 4 /* as the post callback saw it */
#define VALUE_POST_MDL 5
#define VALUE_IRQL 6        /* of the post callback, or of the callback that ran when it was safe */
#define VALUE_FLAGS 7       /* Data->Flags in the pre callback */
#define VALUE_TEARDOWN 0    /* of IRP_MJ_CREATE: an instance is being torn down */

_Static_assert(FIELD_OFFSET(RESULTS, Failed) == 0x18, "a test reads this layout");
_Static_assert(FIELD_OFFSET(RESULTS, Values) == 0x118, "a test reads this layout");

#endif
