/*
 * What the parts of iopbtest share.
 */
#ifndef IOPBTEST_H
#define IOPBTEST_H

#include "../parameters/parameters.h"
#include "results.h"

/* Registry values, read once in DriverEntry. */
typedef struct _SETTINGS {
    ULONG Status; /* complete-pre: the status to complete with */
    ULONG Major;  /* the major function that a mode acts on; 0x100 means any */
    ULONG Return; /* bad-return: what preoperation returns; post-return: what postoperation returns; pend: the answer */
    ULONG Offset; /* change-*: added to ByteOffset */
    ULONG Length; /* change-*: when not 0, the new Length */
    ULONG OperationFlags; /* FLTFL_OPERATION_REGISTRATION_ flags of every registered operation */
} SETTINGS;

typedef FLT_PREOP_CALLBACK_STATUS MODE_PRE(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                           PVOID *CompletionContext);
typedef FLT_POSTOP_CALLBACK_STATUS MODE_POST(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                             PVOID CompletionContext);

/* A behaviour. No Pre or no Post: none is registered. */
typedef struct _BEHAVIOUR {
    PCWSTR Name;
    MODE_PRE *Pre;
    MODE_POST *Post;
} BEHAVIOUR;

extern const BEHAVIOUR Modes[];
extern const ULONG ModeCount;
/* pending.c */
extern const BEHAVIOUR PendingModes[];
extern const ULONG PendingModeCount;
/* queueing.c */
extern const BEHAVIOUR QueueModes[];
extern const ULONG QueueModeCount;
VOID InitializeQueue(PFLT_INSTANCE Instance);
/* generated.c */
extern const BEHAVIOUR GeneratedModes[];
extern const ULONG GeneratedModeCount;
/* levels.c */
extern const BEHAVIOUR LevelModes[];
extern const ULONG LevelModeCount;
/* Misuses the callback data that mode keep has kept. */
VOID UseStale(VOID);
/* Completes the operation that a hold mode holds. */
VOID CompleteHeld(VOID);
/* Completes it when the instance goes, or has a thread do so later, which JoinLate waits for. */
VOID LeaveHeld(VOID);
VOID JoinLate(VOID);
extern SETTINGS Settings;
extern RESULTS Results;
/* The first instances, in the order of their setup. */
extern PFLT_INSTANCE Instances[2];

/* Counts a failed assertion of this driver with its line. */
VOID Fail(ULONG Line);
#define CHECK(Condition)                                                                                     \
    do {                                                                                                     \
        InterlockedIncrement64(&Results.Checks);                                                             \
        if (!(Condition)) {                                                                                  \
            Fail(__LINE__);                                                                                  \
        }                                                                                                    \
    } while (0)

/* Whether the file's name, as opened, contains the word. */
BOOLEAN NameContains(PFILE_OBJECT FileObject, PCWSTR Word);

#endif
