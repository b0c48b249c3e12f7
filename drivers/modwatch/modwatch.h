/*
 * What the parts of modwatch share.
 */
#ifndef MODWATCH_H
#define MODWATCH_H

#include "../parameters/parameters.h"
#include "results.h"

extern RESULTS Results;
/* Registry value Spin: the callback of a write waits for the release of an earlier one in a loop without calls. */
extern ULONG Spin;

VOID Fail(ULONG Line);
#define CHECK(Condition)                                                                                             \
    do {                                                                                                             \
        InterlockedIncrement64(&Results.Checks);                                                                     \
        if (!(Condition)) {                                                                                          \
            Fail(__LINE__ + FIRST_LINE);                                                                             \
        }                                                                                                            \
    } while (0)

/* Writes the next entry of the log. */
PLOG_ENTRY Record(PFLT_CALLBACK_DATA Data, UCHAR Phase);

FLT_PREOP_CALLBACK_STATUS FLTAPI PreFsFilter(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                             PVOID *CompletionContext);
FLT_POSTOP_CALLBACK_STATUS FLTAPI PostFsFilter(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                               PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags);
FLT_PREOP_CALLBACK_STATUS FLTAPI PreWrite(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                          PVOID *CompletionContext);
VOID InitializeWatch(VOID);
/* Takes and gives back the file's locks as FsRtlAcquireFileExclusive does. */
VOID LockExclusively(PFILE_OBJECT FileObject);
/* Asks for the file by its name. */
VOID AskByName(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects);

#endif
