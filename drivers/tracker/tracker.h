/*
 * What the parts of tracker share.
 */
#ifndef TRACKER_H
#define TRACKER_H

#include "../parameters/parameters.h"
#include "results.h"

#define ALIVE 0x6B617254 /* "Trak" */
#define DEAD 0x64616544  /* "Dead" */

/* What every context holds. */
typedef struct _TRACK {
    ULONG Magic;
    FLT_CONTEXT_TYPE Kind;
    PVOID Object;           /* what it hangs on */
    PFLT_INSTANCE Instance; /* whose it is; NULL for a volume context */
    LONG64 Uses;
} TRACK, *PTRACK;

extern RESULTS Results;
extern PFLT_FILTER Filter;

VOID Fail(ULONG Line);
/* FIRST_LINE is defined by each file. */
#define CHECK(Condition)                                                                                             \
    do {                                                                                                             \
        InterlockedIncrement64(&Results.Checks);                                                                     \
        if (!(Condition)) {                                                                                          \
            Fail(FIRST_LINE + __LINE__);                                                                             \
        }                                                                                                            \
    } while (0)

/* A context with its first reference, or NULL when the filter goes. */
PTRACK NewTrack(FLT_CONTEXT_TYPE Kind, PVOID Object, PFLT_INSTANCE Instance);
/* Place of a kind in the results. */
ULONG IndexOf(FLT_CONTEXT_TYPE Kind);
BOOLEAN NameContains(PFILE_OBJECT FileObject, PCWSTR Word);

/* rules.c: checks every rule for contexts of an open file that has none of this instance yet. */
VOID CheckRules(PCFLT_RELATED_OBJECTS FltObjects);
/* rules.c: tries to set contexts before the file is open. */
VOID CheckEarly(PCFLT_RELATED_OBJECTS FltObjects);
/* scan.c: makes a section of the file and checks what is promised about it. */
VOID Scan(PCFLT_RELATED_OBJECTS FltObjects);
NTSTATUS FLTAPI Conflict(PFLT_INSTANCE Instance, PFLT_CONTEXT SectionContext, PFLT_CALLBACK_DATA Data);
/* bench.c: fills Results.Picoseconds. */
VOID Measure(PCFLT_RELATED_OBJECTS FltObjects);

#endif
