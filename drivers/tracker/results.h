/*
 * What tracker tells a test: one structure in the driver's image, whose address it writes into its registry key as the
 * REG_QWORD value `Results` (Parameters key where there is one, else the service key).
 *
 * All members are little endian and naturally aligned. A test reads it while nothing is under way. When the driver is
 * unloaded it writes the REG_QWORD values `Failed`, `Leaked` (contexts that were not cleaned up) and `Reason` likewise.
 */
#ifndef TRACKER_RESULTS_H
#define TRACKER_RESULTS_H

#define RESULTS_MAGIC 0x4B415254 /* "TRAK" */
#define RESULTS_FAILURES 32
#define RESULTS_KINDS 7

/* 8 bytes. Lines of tracker.c as they are, of rules.c plus 10000, of scan.c plus 20000. */
typedef struct _FAILED_CHECK {
    ULONG Line;
    ULONG Count;
} FAILED_CHECK;

/* Kinds are counted from 0 in the order of their codes: volume, instance, file, stream, handle, transaction, section. */
typedef struct _RESULTS {
    ULONG Magic;                           /* 0x000 */
    ULONG Reserved;                        /* 0x004 */
    LONG64 Checks;                         /* 0x008 */
    LONG64 FailedCount;                    /* 0x010 */
    FAILED_CHECK Failed[RESULTS_FAILURES]; /* 0x018 */
    LONG64 Allocated[RESULTS_KINDS];       /* 0x118 */
    LONG64 Cleaned[RESULTS_KINDS];         /* 0x150 */
    LONG64 Found[RESULTS_KINDS];           /* 0x188, in the callbacks of operations */
    LONG64 Setups;                         /* 0x1C0 */
    LONG64 Queries;                        /* 0x1C8 */
    LONG64 Starts;                         /* 0x1D0, of teardowns */
    LONG64 Completes;                      /* 0x1D8 */
    LONG64 Drained;                        /* 0x1E0, post callbacks */
    LONG64 Conflicts;                      /* 0x1E8, with sections */
    ULONG64 SetupFlags;                    /* 0x1F0, of the last setup */
    ULONG64 Reason;                        /* 0x1F8, of the last teardown */
    ULONG64 Picoseconds[RESULTS_KINDS];    /* 0x200, of a get and a release, see bench.c */
} RESULTS;

_Static_assert(FIELD_OFFSET(RESULTS, Failed) == 0x18, "a test reads this layout");
_Static_assert(FIELD_OFFSET(RESULTS, Allocated) == 0x118, "a test reads this layout");
_Static_assert(FIELD_OFFSET(RESULTS, Reason) == 0x1F8, "a test reads this layout");

#endif
