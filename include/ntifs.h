/*
 * Front of mingw-w64's ntifs.h: adds what file system filters use and those headers lack.
 */
#ifndef ALTIMETER_NTIFS_H
#define ALTIMETER_NTIFS_H

/* mingw-w64 declares routines on splay links also where it hides the type. */
#ifdef RTL_USE_AVL_TABLES
typedef struct _RTL_SPLAY_LINKS {
    struct _RTL_SPLAY_LINKS *Parent;
    struct _RTL_SPLAY_LINKS *LeftChild;
    struct _RTL_SPLAY_LINKS *RightChild;
} RTL_SPLAY_LINKS, *PRTL_SPLAY_LINKS;
#endif

#include_next <ntifs.h>

#ifndef FILE_DISPOSITION_DELETE
#define FILE_DISPOSITION_DO_NOT_DELETE 0x00000000
#define FILE_DISPOSITION_DELETE 0x00000001
#define FILE_DISPOSITION_POSIX_SEMANTICS 0x00000002
#define FILE_DISPOSITION_FORCE_IMAGE_SECTION_CHECK 0x00000004
#define FILE_DISPOSITION_ON_CLOSE 0x00000008
#define FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE 0x00000010
#define FileDispositionInformationEx ((FILE_INFORMATION_CLASS)64)
typedef struct _FILE_DISPOSITION_INFORMATION_EX {
    ULONG Flags;
} FILE_DISPOSITION_INFORMATION_EX, *PFILE_DISPOSITION_INFORMATION_EX;
#endif

#ifndef FILE_RENAME_POSIX_SEMANTICS
#define FILE_RENAME_REPLACE_IF_EXISTS 0x00000001
#define FILE_RENAME_POSIX_SEMANTICS 0x00000002
#define FILE_RENAME_SUPPRESS_PIN_STATE_INHERITANCE 0x00000004
#define FILE_RENAME_IGNORE_READONLY_ATTRIBUTE 0x00000040
#define FileRenameInformationEx ((FILE_INFORMATION_CLASS)65)
#define FileLinkInformationEx ((FILE_INFORMATION_CLASS)72)
#endif

#ifndef FILE_OPEN_FOR_BACKUP_INTENT
#define FILE_OPEN_FOR_BACKUP_INTENT 0x00004000
#endif

/* A byte, as the operations beside it: the metadata widen it. */
#ifndef FS_FILTER_QUERY_OPEN
#define FS_FILTER_QUERY_OPEN ((UCHAR)-7)
#endif

#include "altimeter/kit.h"

#ifndef ALTIMETER_NO_GENERATED
#include "generated/ntifs.h"
#include "altimeter/directory.h"
#endif

NTKERNELAPI NTSTATUS NTAPI FsRtlCancellableWaitForSingleObject(PVOID Object, PLARGE_INTEGER Timeout, PIRP Irp);
NTKERNELAPI NTSTATUS NTAPI FsRtlCancellableWaitForMultipleObjects(
    ULONG Count, PVOID *ObjectArray, WAIT_TYPE WaitType, PLARGE_INTEGER Timeout, PKWAIT_BLOCK WaitBlockArray, PIRP Irp);

#endif
