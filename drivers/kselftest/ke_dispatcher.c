/*
 * Dispatcher objects and waits for them.
 */
#include "kselftest.h"
#define FILE_NAME "ke_dispatcher.c"

static KEVENT Event;

static NTSTATUS WaitFor(PVOID Object, PLARGE_INTEGER Timeout)
{
    return KeWaitForSingleObject(Object, Executive, KernelMode, FALSE, Timeout);
}

CASE_OF(KeInitializeEvent)
{
    Fill(&Event, sizeof(Event), 0xCC);
    KeInitializeEvent(&Event, NotificationEvent, TRUE);
    CHECK(Event.Header.SignalState == 1 && Event.Header.Type == 0);
    KeInitializeEvent(&Event, SynchronizationEvent, FALSE);
    CHECK(Event.Header.SignalState == 0 && Event.Header.Type == 1);
    CHECK(Event.Header.WaitListHead.Flink == &Event.Header.WaitListHead);
}

CASE_OF(KeSetEvent)
{
    MakeEvent(&Event, NotificationEvent, 0);
    CHECK(KeSetEvent(&Event, 0, FALSE) == 0);
    CHECK(KeSetEvent(&Event, 0, FALSE) == 1);
    CHECK(Event.Header.SignalState == 1);
}

CASE_OF(KeResetEvent)
{
    MakeEvent(&Event, NotificationEvent, 1);
    CHECK(KeResetEvent(&Event) == 1);
    CHECK(KeResetEvent(&Event) == 0);
    CHECK(Event.Header.SignalState == 0);
}

CASE_OF(KeClearEvent)
{
    MakeEvent(&Event, NotificationEvent, 1);
    KeClearEvent(&Event);
    CHECK(Event.Header.SignalState == 0);
}

CASE_OF(KePulseEvent)
{
    MakeEvent(&Event, NotificationEvent, 1);
    CHECK(KePulseEvent(&Event, 0, FALSE) == 1);
    CHECK(Event.Header.SignalState == 0);
    CHECK(KePulseEvent(&Event, 0, FALSE) == 0);
}

CASE_OF(KeReadStateEvent)
{
    MakeEvent(&Event, NotificationEvent, 1);
    CHECK(KeReadStateEvent(&Event) == 1);
    Event.Header.SignalState = 0;
    CHECK(KeReadStateEvent(&Event) == 0);
}

static KMUTEX Mutex;

CASE_OF(KeInitializeMutex)
{
    Fill(&Mutex, sizeof(Mutex), 0xCC);
    KeInitializeMutex(&Mutex, 0);
    CHECK(Mutex.Header.SignalState == 1 && Mutex.OwnerThread == NULL);
}

CASE_OF(KeReleaseMutex)
{
    KeInitializeMutex(&Mutex, 0);
    REQUIRE(Mutex.Header.SignalState == 1 && Mutex.Header.Type == 2);
    CHECK(WaitFor(&Mutex, &Soon) == STATUS_SUCCESS);
    CHECK(WaitFor(&Mutex, &Soon) == STATUS_SUCCESS);
    CHECK(Mutex.Header.SignalState == -1);
    REQUIRE(Mutex.Header.SignalState == -1);
    CHECK(KeReleaseMutex(&Mutex, FALSE) == -1);
    CHECK(KeReleaseMutex(&Mutex, FALSE) == 0);
    CHECK(Mutex.Header.SignalState == 1 && Mutex.OwnerThread == NULL);
}

CASE_OF(KeReadStateMutex)
{
    KeInitializeMutex(&Mutex, 0);
    CHECK(KeReadStateMutex(&Mutex) == 1);
}

CASE_OF(KeWaitForMutexObject)
{
    KeInitializeMutex(&Mutex, 0);
    REQUIRE(Mutex.Header.SignalState == 1 && Mutex.Header.Type == 2);
    CHECK(KeWaitForMutexObject(&Mutex, Executive, KernelMode, FALSE, &Soon) == STATUS_SUCCESS);
    CHECK(Mutex.Header.SignalState == 0 && (PVOID)Mutex.OwnerThread == (PVOID)KeGetCurrentThread());
    if (Mutex.Header.SignalState == 0) {
        KeReleaseMutex(&Mutex, FALSE);
    }
}

static KSEMAPHORE Semaphore;

CASE_OF(KeInitializeSemaphore)
{
    Fill(&Semaphore, sizeof(Semaphore), 0xCC);
    KeInitializeSemaphore(&Semaphore, 2, 5);
    CHECK(Semaphore.Header.SignalState == 2 && Semaphore.Limit == 5);
}

CASE_OF(KeReleaseSemaphore)
{
    KeInitializeSemaphore(&Semaphore, 0, 5);
    REQUIRE(Semaphore.Header.Type == 5);
    CHECK(KeReleaseSemaphore(&Semaphore, 0, 2, FALSE) == 0);
    CHECK(KeReleaseSemaphore(&Semaphore, 0, 3, FALSE) == 2);
    CHECK(WaitFor(&Semaphore, &Now) == STATUS_SUCCESS && Semaphore.Header.SignalState == 4);
}

CASE_OF(KeReadStateSemaphore)
{
    KeInitializeSemaphore(&Semaphore, 2, 5);
    CHECK(KeReadStateSemaphore(&Semaphore) == 2);
}

static VOID NTAPI SetLater(PVOID Context)
{
    LARGE_INTEGER while_ = {.QuadPart = -100000};

    KeDelayExecutionThread(KernelMode, FALSE, &while_);
    KeSetEvent(&Event, 0, FALSE);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

CASE_OF(KeWaitForSingleObject)
{
    LARGE_INTEGER short_while = {.QuadPart = -10000};

    MakeEvent(&Event, NotificationEvent, 0);
    CHECK(WaitFor(&Event, &Now) == STATUS_TIMEOUT);
    CHECK(WaitFor(&Event, &short_while) == STATUS_TIMEOUT);
    KeSetEvent(&Event, 0, FALSE);
    CHECK(WaitFor(&Event, &Now) == STATUS_SUCCESS);
    CHECK(WaitFor(&Event, &Now) == STATUS_SUCCESS); /* a notification event stays */
    MakeEvent(&Event, SynchronizationEvent, 1);
    CHECK(WaitFor(&Event, &Now) == STATUS_SUCCESS);
    CHECK(WaitFor(&Event, &Now) == STATUS_TIMEOUT); /* a synchronization event lets one pass */
    CHECK(RunInThread(SetLater, NULL) == STATUS_SUCCESS);
    CHECK(WaitFor(&Event, &Soon) == STATUS_SUCCESS);
}

CASE_OF(KeWaitForMultipleObjects)
{
    static KEVENT events[5];
    static KWAIT_BLOCK blocks[5];
    PVOID objects[5];
    ULONG i;

    for (i = 0; i < 5; i++) {
        MakeEvent(&events[i], SynchronizationEvent, i == 1 || i == 3);
        objects[i] = &events[i];
    }
    CHECK(KeWaitForMultipleObjects(3, objects, WaitAll, Executive, KernelMode, FALSE, &Now, NULL) == STATUS_TIMEOUT);
    CHECK(events[1].Header.SignalState == 1); /* all or none */
    CHECK(KeWaitForMultipleObjects(5, objects, WaitAny, Executive, KernelMode, FALSE, &Now, blocks) == STATUS_WAIT_1);
    CHECK(events[1].Header.SignalState == 0 && events[3].Header.SignalState == 1);
    CHECK(KeWaitForMultipleObjects(5, objects, WaitAny, Executive, KernelMode, FALSE, &Now, blocks) == STATUS_WAIT_3);
    CHECK(KeWaitForMultipleObjects(5, objects, WaitAny, Executive, KernelMode, FALSE, &Now, blocks) == STATUS_TIMEOUT);
    for (i = 0; i < 5; i++) {
        events[i].Header.SignalState = 1;
    }
    CHECK(KeWaitForMultipleObjects(5, objects, WaitAll, Executive, KernelMode, FALSE, &Now, blocks) == STATUS_SUCCESS);
    CHECK(events[0].Header.SignalState == 0 && events[4].Header.SignalState == 0);
}

CASE_OF(KeDelayExecutionThread)
{
    LARGE_INTEGER while_ = {.QuadPart = -20000};
    ULONG64 before = KeQueryInterruptTime();

    CHECK(KeDelayExecutionThread(KernelMode, FALSE, &while_) == STATUS_SUCCESS);
    CHECK(KeQueryInterruptTime() >= before + 20000);
}

const CASE DispatcherChecks[] = {
    ROW(KeInitializeEvent),
    ROW(KeSetEvent),
    ROW(KeResetEvent),
    ROW(KeClearEvent),
    ROW(KePulseEvent),
    ROW(KeReadStateEvent),
    ROW(KeInitializeMutex),
    ROW(KeReleaseMutex),
    ROW(KeReadStateMutex),
    ROW(KeWaitForMutexObject),
    ROW(KeInitializeSemaphore),
    ROW(KeReleaseSemaphore),
    ROW(KeReadStateSemaphore),
    ROW(KeWaitForSingleObject),
    ROW(KeWaitForMultipleObjects),
    ROW(KeDelayExecutionThread),
    LAST,
};
