/*
 * Events, symbolic links and other objects by handle.
 */
#include "kselftest.h"
#define FILE_NAME "zw_event.c"

static HANDLE Event;

static NTSTATUS MakeHandle(EVENT_TYPE Type, BOOLEAN State)
{
    OBJECT_ATTRIBUTES attributes;

    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    Event = NULL;
    return ZwCreateEvent(&Event, EVENT_ALL_ACCESS, &attributes, Type, State);
}

static VOID End(VOID)
{
    if (Event != NULL) {
        ZwClose(Event);
    }
}

/* The state, read through the object: 0 or 1, and 9 where there is none. */
static LONG State(VOID)
{
    PKEVENT event;
    LONG state;

    if (!NT_SUCCESS(ObReferenceObjectByHandle(Event, 0, *ExEventObjectType, KernelMode, (PVOID *)&event, NULL))) {
        return 9;
    }
    state = event->Header.SignalState;
    ObDereferenceObject(event);
    return state;
}

CASE_OF(ZwCreateEvent)
{
    REQUIRE(MakeHandle(NotificationEvent, TRUE) == STATUS_SUCCESS);
    CHECK(State() == 1);
    End();
}

CASE_OF(ZwSetEvent)
{
    LONG before = 9;

    REQUIRE(MakeHandle(NotificationEvent, FALSE) == STATUS_SUCCESS);
    CHECK(ZwSetEvent(Event, &before) == STATUS_SUCCESS && before == 0 && State() == 1);
    CHECK(ZwSetEvent(Event, NULL) == STATUS_SUCCESS);
    End();
}

CASE_OF(ZwResetEvent)
{
    LONG before = 9;

    REQUIRE(MakeHandle(NotificationEvent, TRUE) == STATUS_SUCCESS);
    CHECK(ZwResetEvent(Event, &before) == STATUS_SUCCESS && before == 1 && State() == 0);
    End();
}

CASE_OF(ZwClearEvent)
{
    REQUIRE(MakeHandle(NotificationEvent, TRUE) == STATUS_SUCCESS);
    CHECK(ZwClearEvent(Event) == STATUS_SUCCESS && State() == 0);
    End();
}

CASE_OF(ZwPulseEvent)
{
    LONG before = 9;

    REQUIRE(MakeHandle(NotificationEvent, TRUE) == STATUS_SUCCESS);
    CHECK(ZwPulseEvent(Event, &before) == STATUS_SUCCESS && before == 1 && State() == 0);
    End();
}

CASE_OF(ZwWaitForSingleObject)
{
    REQUIRE(MakeHandle(SynchronizationEvent, TRUE) == STATUS_SUCCESS);
    CHECK(ZwWaitForSingleObject(Event, FALSE, &Now) == STATUS_SUCCESS);
    CHECK(ZwWaitForSingleObject(Event, FALSE, &Now) == STATUS_TIMEOUT);
    CHECK(ZwWaitForSingleObject((HANDLE)0x7FFFFFF0, FALSE, &Now) == STATUS_INVALID_HANDLE);
    End();
}

CASE_OF(ZwWaitForMultipleObjects)
{
    HANDLE handles[2];

    REQUIRE(MakeHandle(SynchronizationEvent, FALSE) == STATUS_SUCCESS);
    handles[0] = Event;
    REQUIRE(MakeHandle(SynchronizationEvent, TRUE) == STATUS_SUCCESS);
    handles[1] = Event;
    CHECK(ZwWaitForMultipleObjects(2, handles, WaitAll, FALSE, &Now) == STATUS_TIMEOUT);
    CHECK(ZwWaitForMultipleObjects(2, handles, WaitAny, FALSE, &Now) == STATUS_WAIT_1);
    ZwClose(handles[0]);
    End();
}

CASE_OF(ZwOpenEvent)
{
    UNICODE_STRING name = Text(L"\\BaseNamedObjects\\KSelfTest"), none = Text(L"\\BaseNamedObjects\\KSelfTestNone");
    OBJECT_ATTRIBUTES attributes;
    HANDLE made = NULL;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    REQUIRE(ZwCreateEvent(&made, EVENT_ALL_ACCESS, &attributes, NotificationEvent, FALSE) == STATUS_SUCCESS);
    Event = NULL;
    CHECK(ZwOpenEvent(&Event, EVENT_ALL_ACCESS, &attributes) == STATUS_SUCCESS);
    End();
    ZwClose(made);
    InitializeObjectAttributes(&attributes, &none, OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK(ZwOpenEvent(&Event, EVENT_ALL_ACCESS, &attributes) == STATUS_OBJECT_NAME_NOT_FOUND);
}

CASE_OF(IoCreateNotificationEvent)
{
    UNICODE_STRING name = Text(L"\\BaseNamedObjects\\KSelfTestNotification");
    HANDLE handle = NULL;
    PKEVENT event = IoCreateNotificationEvent(&name, &handle);

    REQUIRE(event != NULL && handle != NULL && (ULONG_PTR)event > (ULONG_PTR)MmSystemRangeStart);
    CHECK(event->Header.Type == NotificationEvent && event->Header.SignalState == 1);
    ZwClose(handle);
}

CASE_OF(IoCreateSynchronizationEvent)
{
    UNICODE_STRING name = Text(L"\\BaseNamedObjects\\KSelfTestSynchronization");
    HANDLE handle = NULL;
    PKEVENT event = IoCreateSynchronizationEvent(&name, &handle);

    REQUIRE(event != NULL && handle != NULL && (ULONG_PTR)event > (ULONG_PTR)MmSystemRangeStart);
    CHECK(event->Header.Type == SynchronizationEvent && event->Header.SignalState == 1);
    ZwClose(handle);
}

static UNICODE_STRING LinkName, Target;

static NTSTATUS MakeLink(PHANDLE Handle)
{
    OBJECT_ATTRIBUTES attributes;

    LinkName = Text(L"\\??\\KSelfTestObject");
    Target = Text(L"\\Device\\KSelfTest");
    InitializeObjectAttributes(&attributes, &LinkName, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    return ZwCreateSymbolicLinkObject(Handle, SYMBOLIC_LINK_ALL_ACCESS, &attributes, &Target);
}

CASE_OF(ZwCreateSymbolicLinkObject)
{
    HANDLE link = NULL, again = NULL;

    REQUIRE(MakeLink(&link) == STATUS_SUCCESS);
    CHECK(MakeLink(&again) == STATUS_OBJECT_NAME_COLLISION);
    ZwClose(link);
    CHECK(MakeLink(&link) == STATUS_SUCCESS); /* it was temporary */
    ZwClose(link);
}

CASE_OF(ZwOpenSymbolicLinkObject)
{
    OBJECT_ATTRIBUTES attributes;
    HANDLE link = NULL, opened = NULL;

    REQUIRE(MakeLink(&link) == STATUS_SUCCESS);
    InitializeObjectAttributes(&attributes, &LinkName, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    if (CHECK(ZwOpenSymbolicLinkObject(&opened, GENERIC_READ, &attributes) == STATUS_SUCCESS)) {
        ZwClose(opened);
    }
    ZwClose(link);
}

CASE_OF(ZwQuerySymbolicLinkObject)
{
    WCHAR buffer[32];
    UNICODE_STRING target = {0, sizeof(buffer), buffer}, small = {0, 4, buffer};
    HANDLE link = NULL;
    ULONG length = 0;

    REQUIRE(MakeLink(&link) == STATUS_SUCCESS);
    CHECK(ZwQuerySymbolicLinkObject(link, &target, &length) == STATUS_SUCCESS && IsText(&target, L"\\Device\\KSelfTest"));
    CHECK(ZwQuerySymbolicLinkObject(link, &small, &length) == STATUS_BUFFER_TOO_SMALL);
    ZwClose(link);
}

CASE_OF(ZwOpenDirectoryObject)
{
    UNICODE_STRING name = Text(L"\\Device");
    OBJECT_ATTRIBUTES attributes;
    HANDLE handle = NULL;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    REQUIRE(ZwOpenDirectoryObject(&handle, DIRECTORY_QUERY, &attributes) == STATUS_SUCCESS);
    CHECK(ZwClose(handle) == STATUS_SUCCESS);
}

CASE_OF(ZwMakeTemporaryObject)
{
    HANDLE link = NULL;

    OBJECT_ATTRIBUTES attributes;
    HANDLE again = NULL;

    LinkName = Text(L"\\??\\KSelfTestPermanent");
    Target = Text(L"\\Device\\KSelfTest");
    InitializeObjectAttributes(&attributes, &LinkName, OBJ_KERNEL_HANDLE | OBJ_PERMANENT, NULL, NULL);
    REQUIRE(ZwCreateSymbolicLinkObject(&link, SYMBOLIC_LINK_ALL_ACCESS, &attributes, &Target) == STATUS_SUCCESS);
    ZwClose(link);
    REQUIRE(ZwOpenSymbolicLinkObject(&link, GENERIC_READ | DELETE, &attributes) == STATUS_SUCCESS);
    CHECK(ZwMakeTemporaryObject(link) == STATUS_SUCCESS);
    ZwClose(link);
    CHECK(ZwOpenSymbolicLinkObject(&again, GENERIC_READ, &attributes) == STATUS_OBJECT_NAME_NOT_FOUND);
}

CASE_OF(ZwDuplicateObject)
{
    HANDLE copy = NULL;

    REQUIRE(MakeHandle(NotificationEvent, FALSE) == STATUS_SUCCESS);
    CHECK(ZwDuplicateObject(ZwCurrentProcess(), Event, ZwCurrentProcess(), &copy, 0, OBJ_KERNEL_HANDLE,
                            DUPLICATE_SAME_ACCESS)
          == STATUS_SUCCESS);
    CHECK(copy != NULL && copy != Event);
    if (copy != NULL) {
        CHECK(ZwSetEvent(copy, NULL) == STATUS_SUCCESS && State() == 1);
        ZwClose(copy);
    }
    End();
}

CASE_OF(NtClose)
{
    REQUIRE(MakeHandle(NotificationEvent, FALSE) == STATUS_SUCCESS);
    CHECK(NtClose(Event) == STATUS_SUCCESS);
    CHECK(State() == 9);
}

CASE_OF(ObCloseHandle)
{
    REQUIRE(MakeHandle(NotificationEvent, FALSE) == STATUS_SUCCESS);
    CHECK(ObCloseHandle(Event, KernelMode) == STATUS_SUCCESS);
    CHECK(State() == 9);
}

CASE_OF(ObIsKernelHandle)
{
    REQUIRE(MakeHandle(NotificationEvent, FALSE) == STATUS_SUCCESS);
    CHECK(ObIsKernelHandle(Event) && !ObIsKernelHandle((HANDLE)0x40));
    End();
}

CASE_OF(ObGetObjectType)
{
    CHECK(ObGetObjectType(PsInitialSystemProcess) == *PsProcessType);
    CHECK(ObGetObjectType(KeGetCurrentThread()) == *PsThreadType);
}

CASE_OF(ObReferenceObjectSafe)
{
    REQUIRE(ObReferenceObjectSafe(Driver));
    CHECK(ObDereferenceObject(Driver) > 0);
}

CASE_OF(ObReferenceObjectByName)
{
    UNICODE_STRING name = Text(L"\\Device\\KSelfTestByName");
    PDEVICE_OBJECT device;
    PVOID found = NULL;

    REQUIRE(IoCreateDevice(Driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device) == STATUS_SUCCESS);
    if (CHECK(ObReferenceObjectByName(&name, OBJ_CASE_INSENSITIVE, NULL, 0, NULL, KernelMode, NULL, &found)
              == STATUS_SUCCESS)) {
        CHECK(found == device);
        ObDereferenceObject(found);
    }
    IoDeleteDevice(device);
}

const CASE EventChecks[] = {
    ROW(ZwCreateEvent),
    ROW(ZwSetEvent),
    ROW(ZwResetEvent),
    ROW(ZwClearEvent),
    ROW(ZwPulseEvent),
    ROW(ZwWaitForSingleObject),
    ROW(ZwWaitForMultipleObjects),
    ROW(ZwOpenEvent),
    ROW(IoCreateNotificationEvent),
    ROW(IoCreateSynchronizationEvent),
    ROW(ZwCreateSymbolicLinkObject),
    ROW(ZwOpenSymbolicLinkObject),
    ROW(ZwQuerySymbolicLinkObject),
    ROW(ZwOpenDirectoryObject),
    ROW(ZwMakeTemporaryObject),
    ROW(ZwDuplicateObject),
    ROW(NtClose),
    ROW(ObCloseHandle),
    ROW(ObIsKernelHandle),
    ROW(ObGetObjectType),
    ROW(ObReferenceObjectSafe),
    ROW(ObReferenceObjectByName),
    LAST,
};
