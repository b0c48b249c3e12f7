/*
 * What modwatch tells a test: one structure in the driver's image, whose address it writes into its registry key as the
 * REG_QWORD value `Results` (Parameters key where there is one, else the service key).
 *
 * All members are little endian and naturally aligned. A test reads it while nothing is under way.
 */
#ifndef MODWATCH_RESULTS_H
#define MODWATCH_RESULTS_H

#define RESULTS_MAGIC 0x57444F4D /* "MODW" */
#define RESULTS_FAILURES 32
#define RESULTS_OPERATIONS 7
#define RESULTS_LOG_ENTRIES 256

/* 8 bytes. */
typedef struct _FAILED_ASSERTION {
    ULONG Line; /* in modwatch.c or watch.c, whose lines count from 10000 */
    ULONG Count;
} FAILED_ASSERTION;

/* 24 bytes: callbacks of one operation. */
typedef struct _OPERATION_COUNTS {
    LONG64 Pre;
    LONG64 Post;
    LONG64 Failed; /* of the latter with a failing status */
} OPERATION_COUNTS;

#define PHASE_PRE 0
#define PHASE_POST 1

/* 48 bytes: a callback of a file system filter operation, or the pre callback of a paging write. */
typedef struct _LOG_ENTRY {
    ULONG64 Sequence; /* 0x00, from 1; 0 is an unused entry */
    UCHAR Major;      /* 0x08 */
    UCHAR Phase;      /* 0x09, PHASE_ */
    UCHAR Irql;       /* 0x0a */
    UCHAR TopLevel;   /* 0x0b, the thread's marker FSRTL_*_TOP_LEVEL_IRP, 0xff for an IRP */
    ULONG Status;     /* 0x0c */
    ULONG64 File;     /* 0x10 */
    ULONG64 Thread;   /* 0x18 */
    ULONG64 Resource; /* 0x20, of the page writer's operations */
    ULONG64 Offset;   /* 0x28, EndingOffset, or where the write starts */
} LOG_ENTRY, *PLOG_ENTRY;

typedef struct _RESULTS {
    ULONG Magic;                                      /* 0x000 */
    ULONG Sections;                                   /* 0x004, files locked with only readers, in the upper half writers */
    LONG64 Checks;                                    /* 0x008, assertions evaluated */
    LONG64 FailedCount;                               /* 0x010, and of those that failed */
    FAILED_ASSERTION Failed[RESULTS_FAILURES];        /* 0x018 */
    OPERATION_COUNTS Operations[RESULTS_OPERATIONS];  /* 0x118, by 0xff - major function */
    LONG64 MappedWrites;                              /* 0x1c0, paging writes of the mapped page writer */
    LONG64 FlushWrites;                               /* 0x1c8, paging writes between acquire and release for a flush */
    LONG64 Interrupted;                               /* 0x1d0, callbacks of its writes that its own releases interrupted */
    LONG64 InterruptedRegions;                        /* 0x1d8, of those inside a critical region */
    LONG64 InterruptedLoops;                          /* 0x1e0, inside a loop that calls nothing */
    LONG64 Sequence;                                  /* 0x1e8 */
    LOG_ENTRY Log[RESULTS_LOG_ENTRIES];               /* 0x1f0 */
} RESULTS;

_Static_assert(FIELD_OFFSET(RESULTS, Operations) == 0x118, "a test reads this layout");
_Static_assert(FIELD_OFFSET(RESULTS, Log) == 0x1f0, "a test reads this layout");
_Static_assert(sizeof(LOG_ENTRY) == 48, "a test reads this layout");

#endif
