/*
 * What a driver that tests itself tells: the exported variable SelfTestResults, which the machine reads when DriverEntry
 * has returned. Its counts are in the report, each failed check is a finding.
 *
 * All members are little endian and naturally aligned. Texts are addresses in the driver's image.
 */
#ifndef SELF_TEST_RESULTS_H
#define SELF_TEST_RESULTS_H

#define SELF_TEST_MAGIC 0x46534C4B /* "KLSF" */
#define SELF_TEST_MOST 1024

/* 0x28 bytes. */
typedef struct _SELF_TEST_CHECK {
    PCSTR Name;
    PCSTR Text;       /* 0x08, the first assertion that failed, or NULL */
    PCSTR File;       /* 0x10, where it stands */
    ULONG Line;       /* 0x18 */
    LONG Assertions;  /* 0x1C, evaluated */
    LONG Failed;      /* 0x20, of those */
    ULONG Ended;      /* 0x24, 1 once the check has returned */
} SELF_TEST_CHECK;

typedef struct _SELF_TEST_RESULTS {
    ULONG Magic;
    ULONG Count;      /* 0x04, checks that were begun */
    SELF_TEST_CHECK Checks[SELF_TEST_MOST]; /* 0x08 */
} SELF_TEST_RESULTS;

_Static_assert(sizeof(SELF_TEST_CHECK) == 0x28, "the machine reads this layout");
_Static_assert(FIELD_OFFSET(SELF_TEST_RESULTS, Checks) == 8, "the machine reads this layout");

#endif
