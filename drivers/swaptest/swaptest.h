/*
 * What the parts of swaptest share.
 */
#ifndef SWAPTEST_H
#define SWAPTEST_H

#include "../parameters/parameters.h"
#include "results.h"

#define BUFFER_TAG 'bTwS'
#define MOST 64

typedef FLT_PREOP_CALLBACK_STATUS MODE_PRE(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                           PVOID *CompletionContext);
typedef FLT_POSTOP_CALLBACK_STATUS MODE_POST(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                             PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags);
typedef VOID MODE_OBJECTS(PCFLT_RELATED_OBJECTS FltObjects);

/* A behaviour. What is NULL does nothing. */
typedef struct _BEHAVIOUR {
    PCWSTR Name;
    MODE_PRE *Pre;
    MODE_POST *Post;
    MODE_OBJECTS *Setup;
    MODE_OBJECTS *Teardown; /* start */
    MODE_OBJECTS *Gone;     /* complete */
    VOID (*Unload)(VOID);   /* before FltUnregisterFilter */
} BEHAVIOUR;

extern const BEHAVIOUR ContextModes[], BufferModes[], LockModes[];
extern RESULTS Results;
extern PFLT_FILTER Filter;
/* Registry value Expect: a mode's own meaning. */
extern ULONG Expect;

/* For the registration. */
extern const FLT_CONTEXT_REGISTRATION Contexts[];

VOID Fail(ULONG File, ULONG Line);
#define CHECK(Condition)                                                                                             \
    do {                                                                                                             \
        InterlockedIncrement64(&Results.Checks);                                                                     \
        if (!(Condition)) {                                                                                          \
            Fail(FILE_NUMBER, __LINE__);                                                                             \
        }                                                                                                            \
    } while (0)

/* Where an operation's parameters name its buffer. NULL where it has no such member. */
typedef struct _PLACES {
    PMDL *Mdl;
    PVOID *Buffer;
    PULONG Length;
    LOCK_OPERATION Access;
} PLACES;

/* Whether the operation is a read, write or directory query of a file whose name contains "swap", and has data. */
BOOLEAN Concerns(PFLT_CALLBACK_DATA Data, PLACES *Places);
PULONG64 ValuesOf(PFLT_CALLBACK_DATA Data);
PVOID MapMdl(PMDL Mdl);

#endif
