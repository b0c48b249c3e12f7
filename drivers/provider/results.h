/*
 * What provider tells a test: one structure in the driver's image, whose address it writes into its registry key as the
 * REG_QWORD value `Results` (Parameters key where there is one, else the service key).
 */
#ifndef PROVIDER_RESULTS_H
#define PROVIDER_RESULTS_H

#define RESULTS_MAGIC 0x564F5250 /* "PROV" */

typedef struct _RESULTS {
    ULONG Magic;        /* 0x00 */
    ULONG LastFailed;   /* 0x04, line of the last check that failed */
    LONG64 Checks;      /* 0x08, assertions evaluated */
    LONG64 FailedCount; /* 0x10, and of those that failed */
    LONG64 Generated;   /* 0x18, calls of GenerateFileName */
    LONG64 WithData;    /* 0x20, of those with callback data */
    LONG64 Components;  /* 0x28, calls of NormalizeNameComponentEx */
    LONG64 Targets;     /* 0x30, of those for the target of a rename */
    LONG64 Contexts;    /* 0x38, normalization contexts made */
    LONG64 Cleanups;    /* 0x40, and taken back */
    LONG64 Grown;       /* 0x48, names that did not fit at first */
    LONG64 Own;         /* 0x50, queries that came to the provider that made them */
} RESULTS;

_Static_assert(sizeof(RESULTS) == 0x58, "a test reads this layout");

#endif
