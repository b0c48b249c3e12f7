/*
 * The mistakes. Each comment says what is wrong and what would be right.
 */
#include "deadlock.h"

/* Work that is queued or runs. */
static EX_RUNDOWN_REF Work;

typedef struct _JOB {
    WORK_QUEUE_ITEM Item;
    KEVENT Done;
} JOB;

static VOID Start(JOB *Job, PWORKER_THREAD_ROUTINE Routine, PVOID Context)
{
    ExInitializeWorkItem(&Job->Item, Routine, Context);
    ExQueueWorkItem(&Job->Item, DelayedWorkQueue);
}

/*
 * page-writer: counts what the mapped page writer writes, under a push lock. The release of one write comes in a special
 * kernel APC, which interrupts the callback of the page writer's next write while it holds the push lock: the
 * thread waits for itself. A critical region, which FltAcquirePushLockExclusive enters, holds off normal APCs only. Right:
 * a guarded region around the push lock, or a fast mutex; or interlocked operations.
 */
static EX_PUSH_LOCK CountLock;
static ULONG64 Written, Released;

static FLT_PREOP_CALLBACK_STATUS FLTAPI CountWritten(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    if (FlagOn(Data->Iopb->IrpFlags, IRP_PAGING_IO)) {
        FltAcquirePushLockExclusive(&CountLock);
        Written += Data->Iopb->Parameters.Write.Length;
        FltReleasePushLock(&CountLock);
    }
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI CountReleased(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    FltAcquirePushLockExclusive(&CountLock);
    Released++;
    FltReleasePushLock(&CountLock);
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/*
 * own-resource: writes a line to its log for each paging write, with FltWriteFile, which needs the file system's locks of the
 * log, and holds its own resource meanwhile. Whoever flushes the log holds those locks when its paging writes come
 * here and want the resource. Right: write the log from a work item, without the resource; or leave the log's own
 * paging writes alone.
 */
static ERESOURCE LogResource;
static LARGE_INTEGER LogEnd;
static JOB Flush;
static LONG Lines, Flushing;

static VOID NTAPI FlushLog(PVOID Context)
{
    PFILE_OBJECT file = LogFile;

    if (file != NULL) {
        FltFlushBuffers(LogInstance, file);
    }
    InterlockedExchange(&Flushing, 0);
    ExReleaseRundownProtection(&Work);
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI LogPaging(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    static CHAR line[64] = "pages were written\n";
    PFILE_OBJECT log = LogFile;
    ULONG written;

    if (log == NULL || !FlagOn(Data->Iopb->IrpFlags, IRP_PAGING_IO) || KeGetCurrentIrql() != PASSIVE_LEVEL) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    FltAcquireResourceExclusive(&LogResource);
    if (FltObjects->FileObject->FsContext != log->FsContext
        && NT_SUCCESS(FltWriteFile(FltObjects->Instance, log, &LogEnd, sizeof(line), line,
                                   FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET, &written, NULL, NULL))) {
        LogEnd.QuadPart += written;
        Lines++;
    }
    FltReleaseResource(&LogResource);
    if (Lines % 4 == 3 && InterlockedCompareExchange(&Flushing, 1, 0) == 0 && ExAcquireRundownProtection(&Work)) {
        Start(&Flush, FlushLog, NULL);
    }
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/*
 * inversion: a write takes the table and then the file list, a work item the file list and then the table. Right: the same
 * order in both.
 */
static ERESOURCE Table;
static FAST_MUTEX Files;
static JOB Tidy;
static LONG Tidying, Changes;

static VOID NTAPI TidyUp(PVOID Context)
{
    ExAcquireFastMutex(&Files);
    ExAcquireResourceExclusiveLite(&Table, TRUE);
    Changes = 0;
    ExReleaseResourceLite(&Table);
    ExReleaseFastMutex(&Files);
    InterlockedExchange(&Tidying, 0);
    ExReleaseRundownProtection(&Work);
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI ChangeTable(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    BOOLEAN tidy;

    if (KeGetCurrentIrql() != PASSIVE_LEVEL) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    FltAcquireResourceExclusive(&Table);
    ExAcquireFastMutex(&Files);
    tidy = ++Changes > 8;
    ExReleaseFastMutex(&Files);
    FltReleaseResource(&Table);
    if (tidy && InterlockedCompareExchange(&Tidying, 1, 0) == 0 && ExAcquireRundownProtection(&Work)) {
        Start(&Tidy, TidyUp, NULL);
    }
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/*
 * foreign-release: a write acquires a resource and leaves the release to a work item, which runs in another thread. Right:
 * release where it was acquired; or ExSetResourceOwnerPointer there and ExReleaseResourceForThreadLite with that
 * pointer in the work item.
 */
static ERESOURCE Handed;

static VOID NTAPI ReleaseHanded(PVOID Context)
{
    JOB *job = Context;

    ExReleaseResourceLite(&Handed);
    KeSetEvent(&job->Done, IO_NO_INCREMENT, FALSE);
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI HandOver(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    JOB job;

    if (FlagOn(Data->Iopb->IrpFlags, IRP_PAGING_IO) || KeGetCurrentIrql() != PASSIVE_LEVEL) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    KeInitializeEvent(&job.Done, NotificationEvent, FALSE);
    KeEnterCriticalRegion();
    ExAcquireResourceExclusiveLite(&Handed, TRUE);
    Start(&job, ReleaseHanded, &job);
    KeWaitForSingleObject(&job.Done, Executive, KernelMode, FALSE, NULL);
    KeLeaveCriticalRegion();
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/*
 * missing-release: a write that meets another one inside goes back early, and forgets what it shares. Right: one way out
 * that releases.
 */
static ERESOURCE Forgotten;
static LONG Inside;

static FLT_PREOP_CALLBACK_STATUS FLTAPI ForgetRelease(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    if (KeGetCurrentIrql() != PASSIVE_LEVEL) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    FltAcquireResourceShared(&Forgotten);
    if (InterlockedIncrement(&Inside) > 1) {
        InterlockedDecrement(&Inside);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    ExGetSharedWaiterCount(&Forgotten);
    InterlockedDecrement(&Inside);
    FltReleaseResource(&Forgotten);
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/*
 * extra-leave: a write that meets another one inside leaves its critical region twice. Right: once for each
 * KeEnterCriticalRegion.
 */
static FLT_PREOP_CALLBACK_STATUS FLTAPI LeaveTwice(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    KeEnterCriticalRegion();
    if (InterlockedIncrement(&Inside) > 1) {
        KeLeaveCriticalRegion();
    }
    KeLeaveCriticalRegion();
    InterlockedDecrement(&Inside);
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const MISTAKE Mistakes[MISTAKES] = {
    {L"page-writer", CountWritten, CountReleased},
    {L"own-resource", LogPaging, NULL},
    {L"inversion", ChangeTable, NULL},
    {L"foreign-release", HandOver, NULL},
    {L"missing-release", ForgetRelease, NULL},
    {L"extra-leave", LeaveTwice, NULL},
};

static ERESOURCE *const Resources[] = {&LogResource, &Table, &Handed, &Forgotten};

VOID InitializeMistakes(VOID)
{
    ULONG i;

    ExInitializeRundownProtection(&Work);
    FltInitializePushLock(&CountLock);
    ExInitializeFastMutex(&Files);
    for (i = 0; i < ARRAYSIZE(Resources); i++) {
        ExInitializeResourceLite(Resources[i]);
    }
}

VOID StopWork(VOID)
{
    ExWaitForRundownProtectionRelease(&Work);
}

VOID EndMistakes(VOID)
{
    ULONG i;

    FltDeletePushLock(&CountLock);
    for (i = 0; i < ARRAYSIZE(Resources); i++) {
        ExDeleteResourceLite(Resources[i]);
    }
}
