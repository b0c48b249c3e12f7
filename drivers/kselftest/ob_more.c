/*
 * References with tags, objects by name, objects that stay; notify routines of the newer kinds; impersonation.
 */
#include "kselftest.h"
#define FILE_NAME "ob_more.c"

#define PROCESS PsInitialSystemProcess

/* References that somebody has on an object. */
static LONG_PTR Count(PVOID Object)
{
    LONG_PTR count = ObfReferenceObject(Object);

    ObfDereferenceObject(Object);
    return count - 1;
}

CASE_OF(ObfReferenceObjectWithTag)
{
    LONG_PTR before = Count(PROCESS);

    CHECK(ObfReferenceObjectWithTag(PROCESS, TAG) == before + 1);
    CHECK(Count(PROCESS) == before + 1);
    ObfDereferenceObject(PROCESS);
}

CASE_OF(ObfDereferenceObjectWithTag)
{
    LONG_PTR before = Count(PROCESS);

    ObfReferenceObject(PROCESS);
    CHECK(ObfDereferenceObjectWithTag(PROCESS, TAG) == before);
    CHECK(Count(PROCESS) == before);
}

CASE_OF(ObDereferenceObjectDeferDelete)
{
    LONG_PTR before = Count(PROCESS);

    ObfReferenceObject(PROCESS);
    ObDereferenceObjectDeferDelete(PROCESS);
    CHECK(Count(PROCESS) == before);
}

CASE_OF(ObDereferenceObjectDeferDeleteWithTag)
{
    LONG_PTR before = Count(PROCESS);

    ObfReferenceObject(PROCESS);
    ObDereferenceObjectDeferDeleteWithTag(PROCESS, TAG);
    CHECK(Count(PROCESS) == before);
}

CASE_OF(ObReferenceObjectByPointerWithTag)
{
    LONG_PTR before = Count(PROCESS);

    CHECK(ObReferenceObjectByPointerWithTag(PROCESS, 0, *PsThreadType, KernelMode, TAG) == STATUS_OBJECT_TYPE_MISMATCH);
    REQUIRE(ObReferenceObjectByPointerWithTag(PROCESS, 0, *PsProcessType, KernelMode, TAG) == STATUS_SUCCESS);
    CHECK(Count(PROCESS) == before + 1);
    ObfDereferenceObject(PROCESS);
}

CASE_OF(ObReferenceObjectByHandleWithTag)
{
    OBJECT_HANDLE_INFORMATION information = {9, 9};
    HANDLE handle;
    PVOID object = NULL;

    REQUIRE(ObOpenObjectByPointer(PROCESS, OBJ_KERNEL_HANDLE, NULL, PROCESS_ALL_ACCESS, *PsProcessType, KernelMode, &handle)
            == STATUS_SUCCESS);
    CHECK(ObReferenceObjectByHandleWithTag(handle, 0, *PsThreadType, KernelMode, TAG, &object, NULL)
          == STATUS_OBJECT_TYPE_MISMATCH);
    if (CHECK(ObReferenceObjectByHandleWithTag(handle, 0, *PsProcessType, KernelMode, TAG, &object, &information)
              == STATUS_SUCCESS)) {
        CHECK(object == PROCESS && information.GrantedAccess == PROCESS_ALL_ACCESS);
        ObfDereferenceObject(object);
    }
    ZwClose(handle);
}

static UNICODE_STRING EventName;
static OBJECT_ATTRIBUTES EventAttributes;

/* A named event; PERMANENT ones outlive their handles. */
static HANDLE MakeNamed(ULONG Attributes)
{
    HANDLE handle = NULL;

    EventName = Text(L"\\BaseNamedObjects\\KSelfTestMore");
    InitializeObjectAttributes(&EventAttributes, &EventName, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE | Attributes, NULL, NULL);
    CHECK(ZwCreateEvent(&handle, EVENT_ALL_ACCESS, &EventAttributes, NotificationEvent, TRUE) == STATUS_SUCCESS);
    EventAttributes.Attributes &= ~OBJ_PERMANENT;
    return handle;
}

CASE_OF(ObOpenObjectByName)
{
    HANDLE made = MakeNamed(0), handle = NULL;

    REQUIRE(made != NULL);
    CHECK(ObOpenObjectByName(&EventAttributes, *PsThreadType, KernelMode, NULL, SYNCHRONIZE, NULL, &handle)
          == STATUS_OBJECT_TYPE_MISMATCH);
    if (CHECK(ObOpenObjectByName(&EventAttributes, *ExEventObjectType, KernelMode, NULL, SYNCHRONIZE, NULL, &handle)
              == STATUS_SUCCESS)) {
        CHECK(ZwWaitForSingleObject(handle, FALSE, &Now) == STATUS_SUCCESS);
        ZwClose(handle);
    }
    ZwClose(made);
    CHECK(ObOpenObjectByName(&EventAttributes, *ExEventObjectType, KernelMode, NULL, SYNCHRONIZE, NULL, &handle)
          == STATUS_OBJECT_NAME_NOT_FOUND);
}

CASE_OF(ObMakeTemporaryObject)
{
    HANDLE handle = MakeNamed(OBJ_PERMANENT);
    PVOID object = NULL;

    REQUIRE(handle != NULL);
    ZwClose(handle);
    REQUIRE(ZwOpenEvent(&handle, EVENT_ALL_ACCESS, &EventAttributes) == STATUS_SUCCESS); /* it has stayed */
    if (CHECK(ObReferenceObjectByHandle(handle, 0, *ExEventObjectType, KernelMode, &object, NULL) == STATUS_SUCCESS)) {
        ObMakeTemporaryObject(object);
        ObfDereferenceObject(object);
    }
    ZwClose(handle);
    CHECK(ZwOpenEvent(&handle, EVENT_ALL_ACCESS, &EventAttributes) == STATUS_OBJECT_NAME_NOT_FOUND);
}

CASE_OF(NtWaitForSingleObject)
{
    HANDLE handle = MakeNamed(0);

    REQUIRE(handle != NULL);
    CHECK(NtWaitForSingleObject(handle, FALSE, &Now) == STATUS_SUCCESS);
    CHECK(ZwClearEvent(handle) == STATUS_SUCCESS);
    CHECK(NtWaitForSingleObject(handle, FALSE, &Now) == STATUS_TIMEOUT);
    ZwClose(handle);
    CHECK(NtWaitForSingleObject((HANDLE)0x7FFFFFF0, FALSE, &Now) == STATUS_INVALID_HANDLE);
}

static VOID NTAPI OnProcess(PEPROCESS Process, HANDLE Id, PPS_CREATE_NOTIFY_INFO Info) {}
static VOID NTAPI OnThread(HANDLE Process, HANDLE Thread, BOOLEAN Create) {}
static VOID NTAPI OnImage(PUNICODE_STRING Name, HANDLE Process, PIMAGE_INFO Info) {}

CASE_OF(PsSetCreateProcessNotifyRoutineEx)
{
    CHECK(PsSetCreateProcessNotifyRoutineEx(OnProcess, TRUE) == STATUS_PROCEDURE_NOT_FOUND);
    REQUIRE(PsSetCreateProcessNotifyRoutineEx(OnProcess, FALSE) == STATUS_SUCCESS);
    CHECK(PsSetCreateProcessNotifyRoutineEx(OnProcess, TRUE) == STATUS_SUCCESS);
}

CASE_OF(PsSetCreateProcessNotifyRoutineEx2)
{
    CHECK(PsSetCreateProcessNotifyRoutineEx2(PsCreateProcessNotifySubsystems, (PVOID)OnProcess, TRUE)
          == STATUS_PROCEDURE_NOT_FOUND);
    REQUIRE(PsSetCreateProcessNotifyRoutineEx2(PsCreateProcessNotifySubsystems, (PVOID)OnProcess, FALSE) == STATUS_SUCCESS);
    CHECK(PsSetCreateProcessNotifyRoutineEx2(PsCreateProcessNotifySubsystems, (PVOID)OnProcess, TRUE) == STATUS_SUCCESS);
}

CASE_OF(PsSetCreateThreadNotifyRoutineEx)
{
    REQUIRE(PsSetCreateThreadNotifyRoutineEx(PsCreateThreadNotifySubsystems, (PVOID)OnThread) == STATUS_SUCCESS);
    CHECK(PsRemoveCreateThreadNotifyRoutine(OnThread) == STATUS_SUCCESS);
    CHECK(PsRemoveCreateThreadNotifyRoutine(OnThread) == STATUS_PROCEDURE_NOT_FOUND);
}

CASE_OF(PsSetLoadImageNotifyRoutineEx)
{
    CHECK(PsSetLoadImageNotifyRoutineEx(OnImage, 0x80) == STATUS_INVALID_PARAMETER); /* no such flag */
    REQUIRE(PsSetLoadImageNotifyRoutineEx(OnImage, 0) == STATUS_SUCCESS);
    CHECK(PsRemoveLoadImageNotifyRoutine(OnImage) == STATUS_SUCCESS);
}

CASE_OF(PsIsDiskCountersEnabled)
{
    CHECK(!PsIsDiskCountersEnabled());
}

CASE_OF(PsDereferencePrimaryToken)
{
    PACCESS_TOKEN token = PsReferencePrimaryToken(PROCESS);
    LONG_PTR count;

    REQUIRE(token != NULL);
    count = Count(token);
    PsDereferencePrimaryToken(token);
    CHECK(Count(token) == count - 1);
}

/* What PsReferenceImpersonationToken tells. */
static PACCESS_TOKEN Client;
static BOOLEAN Copy, Effective;
static SECURITY_IMPERSONATION_LEVEL Level;

static VOID ReadClient(VOID)
{
    Copy = Effective = 9;
    Level = 9;
    Client = PsReferenceImpersonationToken(PsGetCurrentThread(), &Copy, &Effective, &Level);
}

/* Acts for the System process, which changes nothing. */
static PACCESS_TOKEN Impersonate(VOID)
{
    PACCESS_TOKEN token = PsReferencePrimaryToken(PROCESS);

    if (token != NULL) {
        CHECK(PsImpersonateClient(PsGetCurrentThread(), token, FALSE, TRUE, SecurityImpersonation) == STATUS_SUCCESS);
        PsDereferencePrimaryToken(token);
    }
    return token;
}

CASE_OF(PsImpersonateClient)
{
    PACCESS_TOKEN token = Impersonate();

    REQUIRE(token != NULL);
    ReadClient();
    CHECK(Client == token && !Copy && Effective && Level == SecurityImpersonation);
    PsDereferenceImpersonationToken(Client);
    CHECK(PsImpersonateClient(PsGetCurrentThread(), NULL, FALSE, FALSE, SecurityAnonymous) == STATUS_SUCCESS);
    ReadClient();
    CHECK(Client == NULL);
}

CASE_OF(PsReferenceImpersonationToken)
{
    PACCESS_TOKEN token;

    ReadClient();
    CHECK(Client == NULL); /* this thread acts for itself */
    token = Impersonate();
    REQUIRE(token != NULL);
    ReadClient();
    CHECK(Client == token && !Copy && Effective && Level == SecurityImpersonation);
    PsDereferenceImpersonationToken(token);
    PsRevertToSelf();
}

CASE_OF(PsDereferenceImpersonationToken)
{
    PACCESS_TOKEN token = Impersonate();
    LONG_PTR count;

    REQUIRE(token != NULL);
    count = Count(token);
    ReadClient();
    CHECK(Count(token) == count + 1);
    PsDereferenceImpersonationToken(Client);
    CHECK(Count(token) == count);
    PsRevertToSelf();
}

CASE_OF(PsRevertToSelf)
{
    PACCESS_TOKEN token = Impersonate();
    LONG_PTR count;

    REQUIRE(token != NULL);
    count = Count(token);
    PsRevertToSelf();
    ReadClient();
    CHECK(Client == NULL && Count(token) == count - 1);
    if (Client != NULL) {
        PsImpersonateClient(PsGetCurrentThread(), NULL, FALSE, FALSE, SecurityAnonymous);
    }
}

const CASE ObMoreChecks[] = {
    ROW(ObfReferenceObjectWithTag),
    ROW(ObfDereferenceObjectWithTag),
    ROW(ObDereferenceObjectDeferDelete),
    ROW(ObDereferenceObjectDeferDeleteWithTag),
    ROW(ObReferenceObjectByPointerWithTag),
    ROW(ObReferenceObjectByHandleWithTag),
    ROW(ObOpenObjectByName),
    ROW(ObMakeTemporaryObject),
    ROW(NtWaitForSingleObject),
    ROW(PsSetCreateProcessNotifyRoutineEx),
    ROW(PsSetCreateProcessNotifyRoutineEx2),
    ROW(PsSetCreateThreadNotifyRoutineEx),
    ROW(PsSetLoadImageNotifyRoutineEx),
    ROW(PsIsDiskCountersEnabled),
    ROW(PsDereferencePrimaryToken),
    ROW(PsImpersonateClient),
    ROW(PsReferenceImpersonationToken),
    ROW(PsDereferenceImpersonationToken),
    ROW(PsRevertToSelf),
    LAST,
};
