/*
 * What iopbtest tells a test: one structure in the driver's image, whose address it writes into its registry
 * key as the REG_QWORD value `Results` (Parameters key where there is one, else the service key).
 *
 * All members are little endian and naturally aligned; sizes are asserted below. A test reads the structure
 * from memory while nothing is under way.
 */
#ifndef IOPBTEST_RESULTS_H
#define IOPBTEST_RESULTS_H

#define RESULTS_MAGIC 0x52544C41 /* "ALTR" */
#define RESULTS_VERSION 1
#define RESULTS_LOG_ENTRIES 256
#define RESULTS_FAILURES 32

#define PHASE_PRE 0
#define PHASE_POST 1

/* Bits of LOG_ENTRY.Equal: what is documented to be the same. */
#define EQUAL_FILE_OBJECT 0x1 /* FltObjects->FileObject == Data->Iopb->TargetFileObject */
#define EQUAL_INSTANCE 0x2    /* FltObjects->Instance == Data->Iopb->TargetInstance */
#define EQUAL_FILTER 0x4      /* FltObjects->Filter is ours */
#define EQUAL_THREAD 0x8      /* Data->Thread == PsGetCurrentThread() */
#define EQUAL_SIZE 0x10       /* FltObjects->Size is the structure's */

/* 0x90 bytes. */
typedef struct _LOG_ENTRY {
    ULONG64 Sequence;       /* 0x00, from 1; 0 is an unused entry */
    UCHAR Major;            /* 0x08 */
    UCHAR Minor;            /* 0x09 */
    UCHAR Phase;            /* 0x0a, PHASE_ */
    UCHAR OperationFlags;   /* 0x0b */
    ULONG IrpFlags;         /* 0x0c */
    ULONG DataFlags;        /* 0x10, FLTFL_CALLBACK_DATA_ */
    ULONG PostFlags;        /* 0x14, FLTFL_POST_OPERATION_ */
    UCHAR Irql;             /* 0x18 */
    UCHAR RequestorMode;    /* 0x19 */
    UCHAR Reserved;         /* 0x1a, Iopb->Reserved */
    UCHAR Equal;            /* 0x1b, EQUAL_ */
    ULONG Status;           /* 0x1c, IoStatus.Status */
    ULONG64 Information;    /* 0x20 */
    ULONG64 Parameters[6];  /* 0x28, the bytes of Iopb->Parameters */
    ULONG64 FileObject;     /* 0x58, Iopb->TargetFileObject */
    ULONG64 Instance;       /* 0x60, Iopb->TargetInstance */
    ULONG64 Volume;         /* 0x68 */
    ULONG64 Thread;         /* 0x70, current */
    ULONG64 Context;        /* 0x78, completion context given to post */
    ULONG64 Data;           /* 0x80, address of the callback data */
    ULONG Answer;           /* 0x88, what the callback returned */
    ULONG Named;            /* 0x8c, 1: the file's name contains "change" */
} LOG_ENTRY, *PLOG_ENTRY;

/* 8 bytes. */
typedef struct _FAILED_ASSERTION {
    ULONG Line;  /* in iopbtest.c, modes.c or pending.c */
    ULONG Count;
} FAILED_ASSERTION;

typedef struct _RESULTS {
    ULONG Magic;                                  /* 0x000 */
    ULONG Version;                                /* 0x004 */
    ULONG EntrySize;                              /* 0x008, sizeof(LOG_ENTRY) */
    ULONG EntryCount;                             /* 0x00c, RESULTS_LOG_ENTRIES */
    LONG64 Sequence;                              /* 0x010, of the newest entry; entry n lies at (n-1) % count */
    LONG64 PreCalls;                              /* 0x018 */
    LONG64 PostCalls;                             /* 0x020 */
    LONG64 Drained;                               /* 0x028 */
    LONG64 SetupCalls;                            /* 0x030 */
    LONG64 TeardownCalls;                         /* 0x038 */
    LONG64 FailedCount;                           /* 0x040, assertions of the driver itself */
    LONG64 Checks;                                /* 0x048, assertions evaluated */
    FAILED_ASSERTION Failed[RESULTS_FAILURES];    /* 0x050 */
    ULONG64 Filter;                               /* 0x150 */
    ULONG64 Reserved[5];                          /* 0x158, queueing.c: inserted, removed, cancelled */
    LOG_ENTRY Log[RESULTS_LOG_ENTRIES];           /* 0x180 */
} RESULTS;

_Static_assert(sizeof(LOG_ENTRY) == 0x90, "a test reads this layout");
_Static_assert(FIELD_OFFSET(LOG_ENTRY, Parameters) == 0x28, "a test reads this layout");
_Static_assert(FIELD_OFFSET(LOG_ENTRY, Answer) == 0x88, "a test reads this layout");
_Static_assert(FIELD_OFFSET(RESULTS, Failed) == 0x50, "a test reads this layout");
_Static_assert(FIELD_OFFSET(RESULTS, Filter) == 0x150, "a test reads this layout");
_Static_assert(FIELD_OFFSET(RESULTS, Log) == 0x180, "a test reads this layout");

#endif
