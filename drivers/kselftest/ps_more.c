/*
 * What there is to know of processes and threads, and of their tokens.
 */
#include "kselftest.h"
#define FILE_NAME "ps_more.c"

#define THREAD_SELF ((PETHREAD)__readgsqword(0x188))
#define PROCESS_SELF PsInitialSystemProcess

CASE_OF(PsGetThreadProcess)
{
    CHECK(PsGetThreadProcess(THREAD_SELF) == PROCESS_SELF);
}

CASE_OF(IoThreadToProcess)
{
    CHECK(IoThreadToProcess(THREAD_SELF) == PROCESS_SELF);
}

CASE_OF(PsGetCurrentThread)
{
    PETHREAD(NTAPI * current)(VOID) = Export(L"PsGetCurrentThread");

    REQUIRE(current != NULL);
    CHECK(current() == THREAD_SELF);
}

CASE_OF(PsGetCurrentProcess)
{
    PEPROCESS(NTAPI * current)(VOID) = Export(L"PsGetCurrentProcess");

    REQUIRE(current != NULL);
    CHECK(current() == PROCESS_SELF);
}

CASE_OF(PsGetCurrentThreadProcess)
{
    CHECK(PsGetCurrentThreadProcess() == PROCESS_SELF);
}

CASE_OF(PsGetCurrentThreadProcessId)
{
    CHECK(PsGetCurrentThreadProcessId() == (HANDLE)4);
}

CASE_OF(PsGetCurrentThreadPreviousMode)
{
    CHECK(PsGetCurrentThreadPreviousMode() == KernelMode);
}

CASE_OF(PsGetProcessImageFileName)
{
    PCSTR name = PsGetProcessImageFileName(PROCESS_SELF);

    REQUIRE(name != NULL && MmIsAddressValid((PVOID)name));
    CHECK(SameBytes(name, "System", 7));
}

CASE_OF(PsGetProcessInheritedFromUniqueProcessId)
{
    CHECK(PsGetProcessInheritedFromUniqueProcessId(PROCESS_SELF) == NULL);
}

CASE_OF(PsGetProcessCreateTimeQuadPart)
{
    LARGE_INTEGER now;

    KeQuerySystemTimePrecise(&now);
    CHECK(PsGetProcessCreateTimeQuadPart(PROCESS_SELF) > 0);
    CHECK(PsGetProcessCreateTimeQuadPart(PROCESS_SELF) <= now.QuadPart);
}

CASE_OF(PsGetProcessExitStatus)
{
    CHECK(PsGetProcessExitStatus(PROCESS_SELF) == STATUS_PENDING);
}

CASE_OF(PsGetProcessExitProcessCalled)
{
    CHECK(!PsGetProcessExitProcessCalled(PROCESS_SELF));
}

CASE_OF(PsGetProcessSessionId)
{
    CHECK(PsGetProcessSessionId(PROCESS_SELF) == 0);
}

CASE_OF(PsGetProcessSessionIdEx)
{
    ULONG session = PsGetProcessSessionIdEx(PROCESS_SELF);

    CHECK(session == 0 || session == 0xFFFFFFFF);
}

CASE_OF(PsGetCurrentProcessSessionId)
{
    CHECK(PsGetCurrentProcessSessionId() == 0);
}

CASE_OF(PsGetProcessWow64Process)
{
    CHECK(PsGetProcessWow64Process(PROCESS_SELF) == NULL);
}

CASE_OF(PsGetProcessPeb)
{
    CHECK(PsGetProcessPeb(PROCESS_SELF) == NULL);
}

CASE_OF(PsIsSystemProcess)
{
    CHECK(PsIsSystemProcess(PROCESS_SELF));
}

CASE_OF(PsIsProtectedProcess)
{
    CHECK(!PsIsProtectedProcess(PROCESS_SELF));
}

CASE_OF(PsIsProtectedProcessLight)
{
    CHECK(!PsIsProtectedProcessLight(PROCESS_SELF));
}

CASE_OF(PsIsThreadTerminating)
{
    CHECK(!PsIsThreadTerminating(THREAD_SELF));
}

CASE_OF(PsLookupThreadByThreadId)
{
    PETHREAD thread = NULL;

    REQUIRE(PsLookupThreadByThreadId(PsGetCurrentThreadId(), &thread) == STATUS_SUCCESS);
    CHECK(thread == THREAD_SELF);
    ObDereferenceObject(thread);
    CHECK(PsLookupThreadByThreadId((HANDLE)0x7FFFFFFC, &thread) == STATUS_INVALID_CID);
}

CASE_OF(PsLookupProcessThreadByCid)
{
    CLIENT_ID id;
    PETHREAD thread = NULL;
    PEPROCESS process = NULL;

    id.UniqueProcess = (HANDLE)4;
    id.UniqueThread = PsGetCurrentThreadId();
    REQUIRE(PsLookupProcessThreadByCid(&id, &process, &thread) == STATUS_SUCCESS);
    CHECK(thread == THREAD_SELF && process == PROCESS_SELF);
    ObDereferenceObject(thread);
    ObDereferenceObject(process);
    id.UniqueProcess = (HANDLE)0x7FFFFFFC;
    CHECK(PsLookupProcessThreadByCid(&id, &process, &thread) == STATUS_INVALID_CID);
}

CASE_OF(PsGetVersion)
{
    ULONG major = 0, minor = 9, build = 0;

    PsGetVersion(&major, &minor, &build, NULL);
    CHECK(major == 10 && minor == 0 && build >= 10240);
    CHECK((PsGetVersion(NULL, NULL, NULL, NULL) & 0xFE) == 0);
    CHECK(PsGetVersion(NULL, NULL, NULL, NULL) == FALSE); /* no checked build */
}

static VOID NTAPI OnProcess(HANDLE Parent, HANDLE Process, BOOLEAN Create) {}
static VOID NTAPI OnThread(HANDLE Process, HANDLE Thread, BOOLEAN Create) {}
static VOID NTAPI OnImage(PUNICODE_STRING Name, HANDLE Process, PIMAGE_INFO Info) {}

CASE_OF(PsSetCreateProcessNotifyRoutine)
{
    CHECK(PsSetCreateProcessNotifyRoutine(OnProcess, TRUE) == STATUS_PROCEDURE_NOT_FOUND); /* not there */
    REQUIRE(PsSetCreateProcessNotifyRoutine(OnProcess, FALSE) == STATUS_SUCCESS);
    CHECK(PsSetCreateProcessNotifyRoutine(OnProcess, TRUE) == STATUS_SUCCESS);
}

CASE_OF(PsSetCreateThreadNotifyRoutine)
{
    REQUIRE(PsSetCreateThreadNotifyRoutine(OnThread) == STATUS_SUCCESS);
    CHECK(PsRemoveCreateThreadNotifyRoutine(OnThread) == STATUS_SUCCESS);
}

CASE_OF(PsRemoveCreateThreadNotifyRoutine)
{
    CHECK(PsRemoveCreateThreadNotifyRoutine(OnThread) != STATUS_SUCCESS);
    REQUIRE(PsSetCreateThreadNotifyRoutine(OnThread) == STATUS_SUCCESS);
    CHECK(PsRemoveCreateThreadNotifyRoutine(OnThread) == STATUS_SUCCESS);
}

CASE_OF(PsSetLoadImageNotifyRoutine)
{
    REQUIRE(PsSetLoadImageNotifyRoutine(OnImage) == STATUS_SUCCESS);
    CHECK(PsRemoveLoadImageNotifyRoutine(OnImage) == STATUS_SUCCESS);
}

CASE_OF(PsRemoveLoadImageNotifyRoutine)
{
    CHECK(PsRemoveLoadImageNotifyRoutine(OnImage) != STATUS_SUCCESS);
    REQUIRE(PsSetLoadImageNotifyRoutine(OnImage) == STATUS_SUCCESS);
    CHECK(PsRemoveLoadImageNotifyRoutine(OnImage) == STATUS_SUCCESS);
}

/* The token of the System process; 0 when a misbehaving routine gives none. */
static PACCESS_TOKEN Token(VOID)
{
    PACCESS_TOKEN token = PsReferencePrimaryToken(PROCESS_SELF);

    return CHECK(token != NULL && (ULONG_PTR)token > (ULONG_PTR)MmSystemRangeStart && (LONG_PTR)token % 8 == 0) ? token
                                                                                                          : NULL;
}

CASE_OF(PsReferencePrimaryToken)
{
    PACCESS_TOKEN token = Token();

    REQUIRE(token != NULL);
    CHECK(SeTokenType(token) == TokenPrimary);
    PsDereferencePrimaryToken(token);
}

CASE_OF(SeTokenType)
{
    PACCESS_TOKEN token = Token();

    REQUIRE(token != NULL);
    CHECK(SeTokenType(token) == TokenPrimary);
    PsDereferencePrimaryToken(token);
}

CASE_OF(SeTokenIsAdmin)
{
    PACCESS_TOKEN token = Token();

    REQUIRE(token != NULL);
    CHECK(SeTokenIsAdmin(token));
    PsDereferencePrimaryToken(token);
}

CASE_OF(SeTokenIsRestricted)
{
    PACCESS_TOKEN token = Token();

    REQUIRE(token != NULL);
    CHECK(!SeTokenIsRestricted(token));
    PsDereferencePrimaryToken(token);
}

CASE_OF(SeQueryAuthenticationIdToken)
{
    PACCESS_TOKEN token = Token();
    LUID id = {0, 0};

    REQUIRE(token != NULL);
    CHECK(SeQueryAuthenticationIdToken(token, &id) == STATUS_SUCCESS && id.LowPart == 0x3E7 && id.HighPart == 0);
    PsDereferencePrimaryToken(token);
}

CASE_OF(SeQuerySessionIdToken)
{
    PACCESS_TOKEN token = Token();
    ULONG session = 9;

    REQUIRE(token != NULL);
    CHECK(SeQuerySessionIdToken(token, &session) == STATUS_SUCCESS && session == 0);
    PsDereferencePrimaryToken(token);
}

CASE_OF(SeQueryInformationToken)
{
    static UCHAR system[12] = {1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0};
    PACCESS_TOKEN token = Token();
    PTOKEN_USER user = NULL;

    REQUIRE(token != NULL);
    if (CHECK(SeQueryInformationToken(token, TokenUser, (PVOID *)&user) == STATUS_SUCCESS && user != NULL)) {
        CHECK(SameBytes(user->User.Sid, system, 12));
        ExFreePool(user);
    }
    PsDereferencePrimaryToken(token);
}

CASE_OF(SeSinglePrivilegeCheck)
{
    LUID backup = {17, 0}, none = {77, 0};

    CHECK(SeSinglePrivilegeCheck(backup, KernelMode) && SeSinglePrivilegeCheck(backup, UserMode));
    CHECK(!SeSinglePrivilegeCheck(none, UserMode));
}

const CASE ProcessChecks[] = {
    ROW(PsGetThreadProcess),
    ROW(IoThreadToProcess),
    ROW(PsGetCurrentThread),
    ROW(PsGetCurrentProcess),
    ROW(PsGetCurrentThreadProcess),
    ROW(PsGetCurrentThreadProcessId),
    ROW(PsGetCurrentThreadPreviousMode),
    ROW(PsGetProcessImageFileName),
    ROW(PsGetProcessInheritedFromUniqueProcessId),
    ROW(PsGetProcessCreateTimeQuadPart),
    ROW(PsGetProcessExitStatus),
    ROW(PsGetProcessExitProcessCalled),
    ROW(PsGetProcessSessionId),
    ROW(PsGetProcessSessionIdEx),
    ROW(PsGetCurrentProcessSessionId),
    ROW(PsGetProcessWow64Process),
    ROW(PsGetProcessPeb),
    ROW(PsIsSystemProcess),
    ROW(PsIsProtectedProcess),
    ROW(PsIsProtectedProcessLight),
    ROW(PsIsThreadTerminating),
    ROW(PsLookupThreadByThreadId),
    ROW(PsLookupProcessThreadByCid),
    ROW(PsGetVersion),
    ROW(PsSetCreateProcessNotifyRoutine),
    ROW(PsSetCreateThreadNotifyRoutine),
    ROW(PsRemoveCreateThreadNotifyRoutine),
    ROW(PsSetLoadImageNotifyRoutine),
    ROW(PsRemoveLoadImageNotifyRoutine),
    ROW(PsReferencePrimaryToken),
    ROW(SeTokenType),
    ROW(SeTokenIsAdmin),
    ROW(SeTokenIsRestricted),
    ROW(SeQueryAuthenticationIdToken),
    ROW(SeQuerySessionIdToken),
    ROW(SeQueryInformationToken),
    ROW(SeSinglePrivilegeCheck),
    LAST,
};
