/*
 * Threads that wait for a resource: who is let in, and when.
 */
#include "results.h"
#define THIS_FILE 2

#define READERS 3

static ERESOURCE Resource;
static LONG Inside, Together, Order;
static LONG WriterOrder[2];

static VOID WaitFor(volatile LONG *Value, LONG Wanted)
{
    while (*Value < Wanted) {
        Pause();
    }
}

static VOID NTAPI Write(PVOID Context)
{
    FltAcquireResourceExclusive(&Resource);
    CHECK(ExIsResourceAcquiredExclusiveLite(&Resource));
    WriterOrder[(ULONG_PTR)Context] = InterlockedIncrement(&Order);
    FltReleaseResource(&Resource);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* Stays until all readers are in: they have to be let in together. */
static VOID NTAPI Read(PVOID Context)
{
    FltAcquireResourceShared(&Resource);
    InterlockedIncrement(&Inside);
    WaitFor(&Inside, READERS);
    InterlockedIncrement(&Together);
    FltReleaseResource(&Resource);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* What a thread gets that does not wait: bit 0 shared, bit 1 behind writers, bit 2 past writers. */
static VOID NTAPI Try(PVOID Context)
{
    PULONG got = Context;

    KeEnterCriticalRegion();
    if (ExAcquireResourceSharedLite(&Resource, FALSE)) {
        *got |= 1;
        ExReleaseResourceLite(&Resource);
    }
    if (ExAcquireSharedWaitForExclusive(&Resource, FALSE)) {
        *got |= 2;
        ExReleaseResourceLite(&Resource);
    }
    if (ExAcquireSharedStarveExclusive(&Resource, FALSE)) {
        *got |= 4;
        ExReleaseResourceLite(&Resource);
    }
    KeLeaveCriticalRegion();
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* spec: RES-06, RES-16, RES-17, RES-18, RES-19, RES-29 */
static VOID AWaitingWriter(VOID)
{
    HANDLE writer;
    ULONG got = 0;

    KeEnterCriticalRegion();
    (VOID)ExAcquireResourceSharedLite(&Resource, TRUE);
    writer = StartThread(Write, (PVOID)0);
    while (ExGetExclusiveWaiterCount(&Resource) != 1) {
        Pause();
    }
    CHECK(ExGetSharedWaiterCount(&Resource) == 0 && Resource.ContentionCount != 0);
    JoinThread(StartThread(Try, &got));
    CHECK(got == 4);
    CHECK(ExAcquireResourceSharedLite(&Resource, FALSE));
    CHECK(!ExAcquireSharedWaitForExclusive(&Resource, FALSE));
    CHECK(ExAcquireSharedStarveExclusive(&Resource, FALSE));
    ExReleaseResourceLite(&Resource);
    ExReleaseResourceLite(&Resource);
    CHECK(ExGetExclusiveWaiterCount(&Resource) == 1);
    ExReleaseResourceLite(&Resource);
    KeLeaveCriticalRegion();
    JoinThread(writer);
    CHECK(ExGetExclusiveWaiterCount(&Resource) == 0 && Resource.ActiveCount == 0);
}

/* spec: RES-22, RES-27, RES-29 */
static VOID WaitingReaders(BOOLEAN Convert)
{
    HANDLE readers[READERS];
    ULONG index;

    Inside = Together = 0;
    KeEnterCriticalRegion();
    (VOID)ExAcquireResourceExclusiveLite(&Resource, TRUE);
    for (index = 0; index < READERS; index++) {
        readers[index] = StartThread(Read, NULL);
    }
    while (ExGetSharedWaiterCount(&Resource) != READERS) {
        Pause();
    }
    CHECK(Inside == 0);
    if (Convert) {
        ExConvertExclusiveToSharedLite(&Resource);
    } else {
        ExReleaseResourceLite(&Resource);
    }
    for (index = 0; index < READERS; index++) {
        JoinThread(readers[index]);
    }
    CHECK(Together == READERS && ExGetSharedWaiterCount(&Resource) == 0);
    if (Convert) {
        CHECK(ExIsResourceAcquiredSharedLite(&Resource) == 1);
        ExReleaseResourceLite(&Resource);
    }
    KeLeaveCriticalRegion();
    CHECK(Resource.ActiveCount == 0);
}

/* spec: RES-22 */
static VOID WritersInOrder(VOID)
{
    HANDLE writers[2];
    ULONG_PTR index;

    Order = 0;
    FltAcquireResourceShared(&Resource);
    for (index = 0; index < 2; index++) {
        writers[index] = StartThread(Write, (PVOID)index);
        while (ExGetExclusiveWaiterCount(&Resource) != index + 1) {
            Pause();
        }
    }
    FltReleaseResource(&Resource);
    JoinThread(writers[0]);
    JoinThread(writers[1]);
    CHECK(WriterOrder[0] == 1 && WriterOrder[1] == 2);
}

static LONG Delivered;

static VOID NTAPI Count(PKAPC Apc, PKNORMAL_ROUTINE_ *Normal, PVOID *Context, PVOID *First, PVOID *Second)
{
    InterlockedIncrement(&Delivered);
}

static VOID NTAPI Nothing(PVOID Context, PVOID First, PVOID Second)
{
}

/* spec: RES-31 */
static VOID NothingEndsTheWait(VOID)
{
    static KAPC special, user;
    HANDLE writer;
    PKTHREAD thread = NULL;

    Delivered = 0;
    FltAcquireResourceExclusive(&Resource);
    writer = StartThread(Write, (PVOID)0);
    while (ExGetExclusiveWaiterCount(&Resource) != 1) {
        Pause();
    }
    CHECK(NT_SUCCESS(ObReferenceObjectByHandle(writer, 0, *PsThreadType, KernelMode, (PVOID *)&thread, NULL)));
    KeInitializeApc(&special, thread, 0, Count, NULL, NULL, KernelMode, NULL);
    KeInitializeApc(&user, thread, 0, Count, NULL, Nothing, UserMode, NULL);
    CHECK(KeInsertQueueApc(&user, NULL, NULL, 0));
    CHECK(KeInsertQueueApc(&special, NULL, NULL, 0));
    (VOID)KeAlertThread(thread, KernelMode);
    (VOID)KeAlertThread(thread, UserMode);
    WaitFor(&Delivered, 1);
    CHECK(ExGetExclusiveWaiterCount(&Resource) == 1);
    FltReleaseResource(&Resource);
    JoinThread(writer);
    ObDereferenceObject(thread);
    CHECK(Delivered == 1);
}

VOID RunWaiting(VOID)
{
    (VOID)ExInitializeResourceLite(&Resource);
    AWaitingWriter();
    WaitingReaders(FALSE);
    WaitingReaders(TRUE);
    WritersInOrder();
    NothingEndsTheWait();
    Results.Cases += 5;
    (VOID)ExDeleteResourceLite(&Resource);
}
