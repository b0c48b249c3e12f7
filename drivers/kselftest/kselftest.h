/*
 * What the parts of kselftest share: how a check is written and where its assertions go.
 */
#ifndef KSELFTEST_H
#define KSELFTEST_H

#include <fltKernel.h>
#include "imports.h"
#include "results.h"

#define TAG 'fTsK'

/* A check of one export, named as the export. */
typedef struct _CASE {
    PCSTR Name;
    VOID (*Run)(VOID);
} CASE;

#define CASE_OF(Export) static VOID Check##Export(VOID)
#define ROW(Export) {#Export, Check##Export}
#define LAST {NULL, NULL}

/* Notes an assertion of the running check. Any thread, any IRQL. */
BOOLEAN Note(BOOLEAN Good, PCSTR Text, PCSTR File, ULONG Line);

#define CHECK(Condition) Note((Condition) ? TRUE : FALSE, #Condition, FILE_NAME, __LINE__)
/* Ends the check when the rest of it would make no sense. */
#define REQUIRE(Condition)                                                                                           \
    do {                                                                                                             \
        if (!CHECK(Condition)) {                                                                                     \
            return;                                                                                                  \
        }                                                                                                            \
    } while (0)

extern const CASE StringChecks[], StringConversionChecks[], NumberChecks[], MemoryChecks[], TimeChecks[];
extern const CASE CrtStringChecks[], CrtWideChecks[], CrtFormatChecks[], CrtSafeChecks[];
extern const CASE PoolChecks[], LookasideChecks[], ListChecks[], ResourceChecks[], ExLockChecks[], RundownChecks[];
extern const CASE DispatcherChecks[], IrqlChecks[], SpinLockChecks[], KeTimeChecks[], RegionChecks[];
extern const CASE MdlChecks[], DeviceChecks[], IrpChecks[], WorkItemChecks[], ObjectChecks[], ThreadChecks[];
extern const CASE BitmapChecks[], TableChecks[], SplayChecks[], TimerChecks[];
extern const CASE MoreStringChecks[], CodePageChecks[], NetChecks[];
extern const CASE CrtMoreChecks[], SecurityChecks[], EventChecks[];
extern const CASE ProcessChecks[], FileChecks[], MiscChecks[], MoreIoChecks[];
extern const CASE RegistryChecks[], NameChecks[], PrintChecks[];
extern const CASE ExMoreChecks[], ExSpinLockChecks[], McbChecks[], FsRtlMoreChecks[];
extern const CASE IoBuildChecks[], IoFileChecks[], ApcChecks[], KeMoreChecks[];
extern const CASE SectionChecks[];
extern const CASE MmMoreChecks[], ObMoreChecks[], RtlMoreChecks[], AccessChecks[];
extern const CASE ZwDeviceChecks[], ZwProcessChecks[], EcpChecks[], TransactionChecks[];

extern PDRIVER_OBJECT Driver;
extern UNICODE_STRING ServiceKey;

/* Waits, in a time that ends: 2 seconds. */
extern LARGE_INTEGER Soon;
/* A time that has passed: waits do not wait. */
extern LARGE_INTEGER Now;

/* Independent of the exports under test. */
BOOLEAN SameBytes(const VOID *One, const VOID *Other, SIZE_T Bytes);
BOOLEAN IsText(PCUNICODE_STRING String, PCWSTR Text);
VOID Fill(PVOID Memory, SIZE_T Bytes, UCHAR Value);
BOOLEAN Holds(const VOID *Memory, SIZE_T Bytes, UCHAR Value);
UNICODE_STRING Text(PCWSTR Characters);
/* The address of an export whose name a header gives to an inline function. NULL is a failed assertion. */
PVOID Export(PCWSTR Name);
/* An event, without KeInitializeEvent. Type: NotificationEvent or SynchronizationEvent. */
VOID MakeEvent(PKEVENT Event, UCHAR Type, LONG State);
/* Runs Routine in a system thread and waits for its end. */
NTSTATUS RunInThread(PKSTART_ROUTINE Routine, PVOID Context);

#endif
