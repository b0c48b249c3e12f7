/*
 * What the parts of names share.
 */
#ifndef NAMES_H
#define NAMES_H

#include "../parameters/parameters.h"
#include "results.h"

extern RESULTS Results;
extern ULONG Loop;

VOID Fail(ULONG Line);
#define CHECK(Condition)                                                                                             \
    do {                                                                                                             \
        InterlockedIncrement64(&Results.Checks);                                                                     \
        if (!(Condition)) {                                                                                          \
            Fail(__LINE__ + FIRST_LINE);                                                                             \
        }                                                                                                            \
    } while (0)

/* Writes a name, which may be NULL, and the status that came with it into the log. */
VOID Record(PFLT_CALLBACK_DATA Data, UCHAR Phase, UCHAR Kind, NTSTATUS Status, PCUNICODE_STRING Name);
/* Whether the file object's name contains a word. */
BOOLEAN NameContains(PFILE_OBJECT FileObject, PCWSTR Word);

/* Calls that are wrong before the create. */
VOID CheckBeforeCreate(PFLT_CALLBACK_DATA Data);
/* The query methods, on a stream that nobody has asked the name of. */
VOID CheckColdCache(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects);
/* The query methods, once the name is known. */
VOID CheckWarmCache(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects);
/* What a file without a short name answers. */
VOID CheckShortName(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects);
/* A short name, into the log. */
VOID AskShortName(PFLT_CALLBACK_DATA Data);
/* An opened name never comes from a tunnel. */
VOID CheckOpenedNameIsNotTunneled(PFLT_CALLBACK_DATA Data);
/* A query that is wrong, as it can deadlock. */
VOID AskWhereItCanDeadlock(PCFLT_RELATED_OBJECTS FltObjects);
/* The parts of a name. */
VOID CheckParts(PFLT_FILE_NAME_INFORMATION Name);
/* Times queries, for a benchmark. */
VOID MeasureQueries(PFLT_CALLBACK_DATA Data);

#endif
