/*
 * Objects, handles, processes and threads.
 */
#include "kselftest.h"
#define FILE_NAME "ob_object.c"

CASE_OF(ObReferenceObjectByPointer)
{
    PVOID process = PsInitialSystemProcess;

    CHECK(ObReferenceObjectByPointer(process, 0, *PsThreadType, KernelMode) == STATUS_OBJECT_TYPE_MISMATCH);
    REQUIRE(ObReferenceObjectByPointer(process, 0, *PsProcessType, KernelMode) == STATUS_SUCCESS);
    ObDereferenceObject(process);
}

CASE_OF(ObfReferenceObject)
{
    LONG_PTR count = ObfReferenceObject(PsInitialSystemProcess);

    CHECK(count > 1);
    CHECK(ObfDereferenceObject(PsInitialSystemProcess) == count - 1);
}

CASE_OF(ObfDereferenceObject)
{
    LONG_PTR count = ObfReferenceObject(PsInitialSystemProcess);

    CHECK(ObfReferenceObject(PsInitialSystemProcess) == count + 1);
    CHECK(ObfDereferenceObject(PsInitialSystemProcess) == count);
    CHECK(ObfDereferenceObject(PsInitialSystemProcess) == count - 1);
}

CASE_OF(ObOpenObjectByPointer)
{
    HANDLE handle = NULL;

    CHECK(ObOpenObjectByPointer(PsInitialSystemProcess, OBJ_KERNEL_HANDLE, NULL, 0, *PsThreadType, KernelMode, &handle)
          == STATUS_OBJECT_TYPE_MISMATCH);
    REQUIRE(ObOpenObjectByPointer(PsInitialSystemProcess, OBJ_KERNEL_HANDLE, NULL, PROCESS_ALL_ACCESS, *PsProcessType,
                                  KernelMode, &handle)
            == STATUS_SUCCESS);
    CHECK(handle != NULL);
    CHECK(ZwClose(handle) == STATUS_SUCCESS);
}

CASE_OF(ObReferenceObjectByHandle)
{
    HANDLE handle;
    PVOID object = NULL;

    REQUIRE(ObOpenObjectByPointer(PsInitialSystemProcess, OBJ_KERNEL_HANDLE, NULL, PROCESS_ALL_ACCESS, *PsProcessType,
                                  KernelMode, &handle)
            == STATUS_SUCCESS);
    CHECK(ObReferenceObjectByHandle(handle, 0, *PsThreadType, KernelMode, &object, NULL) == STATUS_OBJECT_TYPE_MISMATCH);
    if (CHECK(ObReferenceObjectByHandle(handle, 0, *PsProcessType, KernelMode, &object, NULL) == STATUS_SUCCESS)) {
        CHECK(object == PsInitialSystemProcess);
        ObDereferenceObject(object);
    }
    CHECK(ZwClose(handle) == STATUS_SUCCESS);
    CHECK(ObReferenceObjectByHandle((HANDLE)0x7FFFFFF0, 0, NULL, KernelMode, &object, NULL) == STATUS_INVALID_HANDLE);
}

CASE_OF(ObQueryNameString)
{
    UNICODE_STRING name = Text(L"\\Device\\KSelfTestName");
    UCHAR buffer[256];
    POBJECT_NAME_INFORMATION found = (POBJECT_NAME_INFORMATION)buffer;
    PDEVICE_OBJECT device;
    ULONG needed = 0;

    REQUIRE(IoCreateDevice(Driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device) == STATUS_SUCCESS);
    CHECK(ObQueryNameString(device, found, 4, &needed) == STATUS_INFO_LENGTH_MISMATCH);
    CHECK(needed == sizeof(UNICODE_STRING) + name.MaximumLength);
    CHECK(ObQueryNameString(device, found, sizeof(buffer), &needed) == STATUS_SUCCESS);
    CHECK(IsText(&found->Name, L"\\Device\\KSelfTestName"));
    IoDeleteDevice(device);
}

CASE_OF(ZwClose)
{
    HANDLE handle;
    PVOID object;

    REQUIRE(ObOpenObjectByPointer(PsInitialSystemProcess, OBJ_KERNEL_HANDLE, NULL, PROCESS_ALL_ACCESS, *PsProcessType,
                                  KernelMode, &handle)
            == STATUS_SUCCESS);
    CHECK(ZwClose(handle) == STATUS_SUCCESS);
    CHECK(ObReferenceObjectByHandle(handle, 0, NULL, KernelMode, &object, NULL) == STATUS_INVALID_HANDLE);
}

static PVOID Given;
static HANDLE ThreadId, ProcessId;
static BOOLEAN System;

static VOID NTAPI Routine(PVOID Context)
{
    Given = Context;
    ThreadId = PsGetCurrentThreadId();
    ProcessId = PsGetCurrentProcessId();
    System = PsIsSystemThread((PETHREAD)KeGetCurrentThread());
    PsTerminateSystemThread(STATUS_SUCCESS);
    Given = NULL; /* never comes back */
}

CASE_OF(PsCreateSystemThread)
{
    Given = NULL;
    REQUIRE(RunInThread(Routine, &Given) == STATUS_SUCCESS);
    CHECK(Given == &Given && ProcessId == PsGetProcessId(PsInitialSystemProcess) && System);
    CHECK(ThreadId != PsGetCurrentThreadId());
}

CASE_OF(PsTerminateSystemThread)
{
    Given = NULL;
    REQUIRE(RunInThread(Routine, &ThreadId) == STATUS_SUCCESS);
    CHECK(Given == &ThreadId);
}

CASE_OF(PsGetCurrentThreadId)
{
    CHECK(PsGetCurrentThreadId() == PsGetThreadId((PETHREAD)KeGetCurrentThread()));
    CHECK((ULONG_PTR)PsGetCurrentThreadId() % 4 == 0 && PsGetCurrentThreadId() != NULL);
}

CASE_OF(PsGetThreadId)
{
    CHECK(PsGetThreadId((PETHREAD)KeGetCurrentThread()) == PsGetCurrentThreadId());
}

CASE_OF(PsGetCurrentProcessId)
{
    CHECK(PsGetCurrentProcessId() == (HANDLE)4);
}

CASE_OF(PsGetProcessId)
{
    CHECK(PsGetProcessId(PsInitialSystemProcess) == (HANDLE)4);
}

CASE_OF(PsGetThreadProcessId)
{
    CHECK(PsGetThreadProcessId((PETHREAD)KeGetCurrentThread()) == (HANDLE)4);
}

CASE_OF(PsIsSystemThread)
{
    System = FALSE;
    CHECK(RunInThread(Routine, NULL) == STATUS_SUCCESS);
    CHECK(System);
}

CASE_OF(PsLookupProcessByProcessId)
{
    PEPROCESS process = NULL;

    REQUIRE(PsLookupProcessByProcessId((HANDLE)4, &process) == STATUS_SUCCESS);
    CHECK(process == PsInitialSystemProcess);
    ObDereferenceObject(process);
    CHECK(PsLookupProcessByProcessId((HANDLE)0x7FFFFFFC, &process) == STATUS_INVALID_CID);
}

const CASE ObjectChecks[] = {
    ROW(ObReferenceObjectByPointer),
    ROW(ObfReferenceObject),
    ROW(ObfDereferenceObject),
    ROW(ObOpenObjectByPointer),
    ROW(ObReferenceObjectByHandle),
    ROW(ObQueryNameString),
    ROW(ZwClose),
    LAST,
};

const CASE ThreadChecks[] = {
    ROW(PsCreateSystemThread),
    ROW(PsTerminateSystemThread),
    ROW(PsGetCurrentThreadId),
    ROW(PsGetThreadId),
    ROW(PsGetCurrentProcessId),
    ROW(PsGetProcessId),
    ROW(PsGetThreadProcessId),
    ROW(PsIsSystemThread),
    ROW(PsLookupProcessByProcessId),
    LAST,
};
