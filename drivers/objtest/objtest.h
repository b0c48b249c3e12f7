/*
 * What the parts of objtest share.
 */
#ifndef OBJTEST_H
#define OBJTEST_H

#include "../parameters/parameters.h"
#include "../iopbtest/results.h"

#define TAG 'tjbO'

/* Checks that run in the callback of a create whose file name contains Word. */
typedef VOID GROUP_ROUTINE(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects);
typedef struct _GROUP {
    PCWSTR Word;
    GROUP_ROUTINE *Pre;
    GROUP_ROUTINE *Post;
} GROUP;

/* Each file's, ended by one without a word. */
extern const GROUP VolumeGroups[], LockGroups[], BlockGroups[], CreateGroups[], ReparseGroups[], SecurityGroups[];
extern const GROUP TransactionGroups[], RenameGroups[], StatusGroups[];

extern RESULTS Results;
extern PFLT_FILTER Filter;

/* Counts a failed assertion: file number * 10000 + line. */
VOID Fail(ULONG Place);
#define CHECK(Condition)                                                                                     \
    do {                                                                                                     \
        InterlockedIncrement64(&Results.Checks);                                                             \
        if (!(Condition)) {                                                                                  \
            Fail(FILE_NUMBER * 10000 + __LINE__);                                                            \
        }                                                                                                    \
    } while (0)
/* Ends the function when the rest of it would make no sense. */
#define REQUIRE(Condition)                                                                                   \
    do {                                                                                                     \
        InterlockedIncrement64(&Results.Checks);                                                             \
        if (!(Condition)) {                                                                                  \
            Fail(FILE_NUMBER * 10000 + __LINE__);                                                            \
            return;                                                                                          \
        }                                                                                                    \
    } while (0)

UNICODE_STRING Text(PCWSTR Literal);
BOOLEAN IsText(PCUNICODE_STRING String, PCWSTR Expected);
BOOLEAN NameContains(PFILE_OBJECT FileObject, PCWSTR Word);
/* Waits a millisecond. */
VOID Pause(VOID);
/* Runs Routine in a system thread; JoinThread waits for its end. */
PVOID StartThread(PKSTART_ROUTINE Routine, PVOID Context);
VOID JoinThread(PVOID Thread);
/* Opens a file below Instance, or at the top without one. */
NTSTATUS OpenFile(PFLT_INSTANCE Instance, PCWSTR Name, ACCESS_MASK Access, ULONG Disposition, ULONG Options,
                  PHANDLE Handle, PFILE_OBJECT *FileObject);

/* What the callbacks of instances and mounts do, by the registry value Wrong. */
VOID VolumesTeardown(PCFLT_RELATED_OBJECTS FltObjects);
/* Before a file is locked for a flush of its cached pages, or let go. */
VOID BlocksFlush(BOOLEAN Acquire);
/* When the last handle of a file is closed. */
VOID CreatesCleanup(PFLT_CALLBACK_DATA Data);
/* Transactions. */
NTSTATUS FLTAPI TransactionNotify(PCFLT_RELATED_OBJECTS FltObjects, PFLT_CONTEXT TransactionContext,
                                  ULONG NotificationMask);
VOID TransactionsTeardown(PCFLT_RELATED_OBJECTS FltObjects);
VOID VolumesMount(PCFLT_RELATED_OBJECTS FltObjects);

#endif
