/*
 * deadlock: the mistakes, and what they share.
 */
#ifndef DEADLOCK_H
#define DEADLOCK_H

#include <fltKernel.h>

typedef FLT_PREOP_CALLBACK_STATUS(FLTAPI *PRE_CALLBACK)(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects);

/* What the chosen mistake does in each callback; NULL: nothing. */
typedef struct _MISTAKE {
    PCWSTR Name;
    PRE_CALLBACK Write;
    PRE_CALLBACK ReleaseForModWrite;
} MISTAKE;

#define MISTAKES 6
extern const MISTAKE Mistakes[MISTAKES];

extern PFLT_FILTER Filter;

/* The log that "own-resource" keeps; opened by the first create that succeeds. */
extern PFILE_OBJECT LogFile;
extern PFLT_INSTANCE LogInstance;

VOID InitializeMistakes(VOID);
/* Lets no more work begin and waits for what is under way. */
VOID StopWork(VOID);
/* Deletes the locks: no callback runs any more. */
VOID EndMistakes(VOID);

#endif
