/*
 * Push locks.
 */
#include "objtest.h"
#define FILE_NUMBER 3

static EX_PUSH_LOCK Lock, Other;
static volatile LONG Order, WriterCame, ReaderCame;

/* spec: PLOCK-01 */
static VOID Storage(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    static const POOL_TYPE pools[] = {PagedPool, NonPagedPoolNx};
    ULONG i;

    CHECK(sizeof(EX_PUSH_LOCK) == sizeof(PVOID));
    for (i = 0; i < ARRAYSIZE(pools); i++) {
        PEX_PUSH_LOCK lock = ExAllocatePoolWithTag(pools[i], 2 * sizeof(*lock), TAG);

        REQUIRE(lock != NULL);
        /* Bytes behind it stay as they are. */
        *((ULONG64 *)lock) = *((ULONG64 *)lock + 1) = 0xA5A5A5A5A5A5A5A5ULL;
        FltInitializePushLock(lock);
        FltAcquirePushLockExclusive(lock);
        CHECK(*(ULONG64 *)lock != 0);
        FltReleasePushLock(lock);
        CHECK(*(ULONG64 *)lock == 0 && *((ULONG64 *)lock + 1) == 0xA5A5A5A5A5A5A5A5ULL);
        FltDeletePushLock(lock);
        ExFreePoolWithTag(lock, TAG);
    }
}

/* spec: PLOCK-02, PLOCK-07 */
static VOID Regions(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    static const ULONG flags[] = {0, FLT_PUSH_LOCK_ENABLE_AUTO_BOOST, FLT_PUSH_LOCK_DISABLE_AUTO_BOOST};
    KIRQL irql;
    ULONG i;

    FltInitializePushLock(&Lock);
    CHECK(!KeAreApcsDisabled());
    FltAcquirePushLockExclusive(&Lock);
    CHECK(KeAreApcsDisabled() && !KeAreAllApcsDisabled() && KeGetCurrentIrql() == PASSIVE_LEVEL);
    FltReleasePushLock(&Lock);
    CHECK(!KeAreApcsDisabled());
    FltAcquirePushLockShared(&Lock);
    CHECK(KeAreApcsDisabled());
    FltReleasePushLock(&Lock);
    CHECK(!KeAreApcsDisabled());
    KeRaiseIrql(APC_LEVEL, &irql);
    FltAcquirePushLockExclusive(&Lock);
    FltReleasePushLock(&Lock);
    KeLowerIrql(irql);
    for (i = 0; i < ARRAYSIZE(flags); i++) {
        FltAcquirePushLockExclusiveEx(&Lock, flags[i]);
        CHECK(KeAreApcsDisabled());
        FltReleasePushLockEx(&Lock, flags[i]);
        FltAcquirePushLockSharedEx(&Lock, flags[i]);
        CHECK(KeAreApcsDisabled());
        FltReleasePushLockEx(&Lock, flags[i]);
        CHECK(!KeAreApcsDisabled());
    }
    CHECK(FLT_PUSH_LOCK_VALID_FLAGS == (FLT_PUSH_LOCK_ENABLE_AUTO_BOOST | FLT_PUSH_LOCK_DISABLE_AUTO_BOOST));
    FltDeletePushLock(&Lock);
}

static VOID Writer(PVOID Context)
{
    FltAcquirePushLockExclusive(&Lock);
    WriterCame = InterlockedIncrement(&Order);
    FltReleasePushLock(&Lock);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID Reader(PVOID Context)
{
    FltAcquirePushLockShared(&Lock);
    ReaderCame = InterlockedIncrement(&Order);
    FltReleasePushLock(&Lock);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* Readers share; with a writer queued, a new reader waits behind it. */
/* spec: PLOCK-05 */
static VOID Queue(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    PVOID writer, reader;
    ULONG i;

    Order = WriterCame = ReaderCame = 0;
    FltInitializePushLock(&Lock);
    FltAcquirePushLockShared(&Lock);
    JoinThread(StartThread(Reader, NULL));
    CHECK(ReaderCame == 1);
    writer = StartThread(Writer, NULL);
    for (i = 0; i < 10; i++) {
        Pause();
    }
    CHECK(WriterCame == 0);
    ReaderCame = 0;
    reader = StartThread(Reader, NULL);
    for (i = 0; i < 10; i++) {
        Pause();
    }
    CHECK(ReaderCame == 0);
    FltReleasePushLock(&Lock);
    JoinThread(writer);
    JoinThread(reader);
    CHECK(WriterCame == 2 && ReaderCame == 3);
    FltDeletePushLock(&Lock);
}

static VOID WrongExclusive(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    FltInitializePushLock(&Lock);
    FltAcquirePushLockShared(&Lock);
    FltAcquirePushLockExclusive(&Lock);
}

static VOID WrongShared(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    FltInitializePushLock(&Lock);
    FltAcquirePushLockShared(&Lock);
    FltAcquirePushLockShared(&Lock);
    FltReleasePushLock(&Lock);
    FltReleasePushLock(&Lock);
    FltDeletePushLock(&Lock);
}

static VOID WrongStart(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    FltAcquirePushLockShared(&Other);
    FltReleasePushLock(&Other);
}

static VOID WrongEnd(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    FltInitializePushLock(&Lock);
    FltDeletePushLock(&Lock);
    FltAcquirePushLockExclusive(&Lock);
    FltReleasePushLock(&Lock);
}

static VOID WrongDelete(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    FltInitializePushLock(&Lock);
    FltAcquirePushLockExclusive(&Lock);
    FltDeletePushLock(&Lock);
    KeLeaveCriticalRegion();
}

static VOID WrongRelease(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    FltInitializePushLock(&Lock);
    KeEnterCriticalRegion();
    FltReleasePushLock(&Lock);
}

static VOID WrongFlags(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    FltInitializePushLock(&Lock);
    FltAcquirePushLockSharedEx(&Lock, 4);
    FltReleasePushLock(&Lock);
    FltDeletePushLock(&Lock);
}

const GROUP LockGroups[] = {
    {L"storage", NULL, Storage},
    {L"regions", NULL, Regions},
    {L"queue", NULL, Queue},
    {L"wrong-exclusive", NULL, WrongExclusive},
    {L"wrong-shared", NULL, WrongShared},
    {L"wrong-start", NULL, WrongStart},
    {L"wrong-end", NULL, WrongEnd},
    {L"wrong-delete", NULL, WrongDelete},
    {L"wrong-release", NULL, WrongRelease},
    {L"wrong-flags", NULL, WrongFlags},
    {NULL, NULL, NULL},
};
