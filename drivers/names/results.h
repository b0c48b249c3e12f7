/*
 * What names tells a test: one structure in the driver's image, whose address it writes into its registry key as the
 * REG_QWORD value `Results` (Parameters key where there is one, else the service key).
 *
 * All members are little endian and naturally aligned. A test reads it while nothing is under way.
 */
#ifndef NAMES_RESULTS_H
#define NAMES_RESULTS_H

#define RESULTS_MAGIC 0x454D414E /* "NAME" */
#define RESULTS_FAILURES 32
#define RESULTS_LOG_ENTRIES 256
#define RESULTS_NAME_UNITS 116

/* 8 bytes. */
typedef struct _FAILED_ASSERTION {
    ULONG Line; /* in names.c or checks.c, whose lines count from 10000 */
    ULONG Count;
} FAILED_ASSERTION;

#define PHASE_PRE 0
#define PHASE_POST 1

#define KIND_NORMALIZED 0
#define KIND_OPENED 1
#define KIND_DESTINATION 2
#define KIND_TUNNELED 3
#define KIND_SHORT 4

/* 0x100 bytes: one name that a callback asked for. */
typedef struct _LOG_ENTRY {
    ULONG64 Sequence;               /* 0x00, from 1; 0 is an unused entry */
    UCHAR Major;                    /* 0x08 */
    UCHAR Phase;                    /* 0x09, PHASE_ */
    UCHAR Kind;                     /* 0x0a, KIND_ */
    UCHAR Reserved;                 /* 0x0b */
    ULONG Status;                   /* 0x0c, of the query */
    ULONG Length;                   /* 0x10, bytes of the name; it may be longer than what is kept here */
    ULONG Reserved2;                /* 0x14 */
    WCHAR Name[RESULTS_NAME_UNITS]; /* 0x18 */
} LOG_ENTRY, *PLOG_ENTRY;

typedef struct _RESULTS {
    ULONG Magic;                               /* 0x000 */
    ULONG Loop;                                /* 0x004, queries that were timed */
    LONG64 Checks;                             /* 0x008, assertions evaluated */
    LONG64 FailedCount;                        /* 0x010, and of those that failed */
    FAILED_ASSERTION Failed[RESULTS_FAILURES]; /* 0x018 */
    LONG64 CachedTicks;                        /* 0x118, of the performance counter, for Loop cached queries */
    LONG64 UncachedTicks;                      /* 0x120, for Loop queries of the file system */
    LONG64 Frequency;                          /* 0x128 */
    LONG64 Sequence;                           /* 0x130 */
    LOG_ENTRY Log[RESULTS_LOG_ENTRIES];        /* 0x138 */
} RESULTS;

_Static_assert(sizeof(LOG_ENTRY) == 0x100, "a test reads this layout");
_Static_assert(FIELD_OFFSET(RESULTS, Log) == 0x138, "a test reads this layout");

#endif
