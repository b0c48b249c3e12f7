/*
 * What the parts of names share.
 */
#ifndef NAMES_H
#define NAMES_H

#include "../parameters/parameters.h"
#include "results.h"

extern RESULTS Results;
extern ULONG Loop;
/* What this one does to those above it. */
extern ULONG Below;
#define BELOW_NO_NORMALIZED 1 /* refuses FileNormalizedNameInformation, as old redirectors do */
#define BELOW_PARTIAL 2       /* gives the last part of the name of files called "hidden" only */
#define BELOW_MOUNT 5         /* has what is below \\mounted on the second volume */
#define BELOW_REPARSE 3       /* answers STATUS_REPARSE once to creates of "again" and "mounted" */

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
/* The callbacks of `Below`. */
FLT_PREOP_CALLBACK_STATUS FLTAPI BeforeQuery(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                             PVOID *CompletionContext);
FLT_POSTOP_CALLBACK_STATUS FLTAPI AfterQuery(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                             PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags);
/* The destination of a rename through a mount point. */
VOID CheckMountedDestination(PCFLT_RELATED_OBJECTS FltObjects);
/* Whether a create starts again, instead of going on. */
BOOLEAN StartsAgain(PFLT_CALLBACK_DATA Data);
/* What a file without a short name answers. */
VOID CheckShortName(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects);
/* A short name, into the log. */
VOID AskShortName(PFLT_CALLBACK_DATA Data);
/* An opened name never comes from a tunnel. */
VOID CheckOpenedNameIsNotTunneled(PFLT_CALLBACK_DATA Data);
/* A name whose query is wrong without an instance, but for DriverEntry. */
VOID CheckWithoutInstance(VOID);
/* Queries after a create that is to start again. */
VOID CheckAfterReparse(PFLT_CALLBACK_DATA Data);
/* Writes to a name that is not its own. */
VOID WriteToName(PFLT_CALLBACK_DATA Data);
/* A query that is wrong, as it can deadlock. */
VOID AskWhereItCanDeadlock(PCFLT_RELATED_OBJECTS FltObjects);
/* The parts of a name. */
VOID CheckParts(PFLT_FILE_NAME_INFORMATION Name);
/* Times queries, for a benchmark. */
VOID MeasureQueries(PFLT_CALLBACK_DATA Data);

#endif
