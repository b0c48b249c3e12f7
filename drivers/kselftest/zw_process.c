/*
 * Processes, threads and tokens by handle; what the system says about itself.
 */
#include "kselftest.h"
#define FILE_NAME "zw_process.c"

static const UCHAR System[12] = {1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0};
static OBJECT_ATTRIBUTES Unnamed;

static VOID Begin(VOID)
{
    InitializeObjectAttributes(&Unnamed, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
}

/* Whether a handle is one of Object; closes it. */
static BOOLEAN IsOf(HANDLE Handle, PVOID Object)
{
    PVOID object = NULL;
    NTSTATUS status = ObReferenceObjectByHandle(Handle, 0, NULL, KernelMode, &object, NULL);

    if (NT_SUCCESS(status)) {
        ObDereferenceObject(object);
    }
    return ZwClose(Handle) == STATUS_SUCCESS && status == STATUS_SUCCESS && object == Object;
}

CASE_OF(ZwOpenProcess)
{
    CLIENT_ID id = {(HANDLE)4, NULL}, none = {(HANDLE)0x7FFFFFF0, NULL};
    HANDLE handle = NULL;

    Begin();
    REQUIRE(ZwOpenProcess(&handle, PROCESS_ALL_ACCESS, &Unnamed, &id) == STATUS_SUCCESS);
    CHECK(IsOf(handle, PsInitialSystemProcess));
    CHECK(ZwOpenProcess(&handle, PROCESS_ALL_ACCESS, &Unnamed, &none) == STATUS_INVALID_CID);
    CHECK(ZwOpenProcess(&handle, PROCESS_ALL_ACCESS, &Unnamed, NULL) == STATUS_INVALID_PARAMETER_MIX);
}

CASE_OF(ZwOpenThread)
{
    CLIENT_ID id = {NULL, PsGetCurrentThreadId()}, none = {NULL, (HANDLE)0x7FFFFFF0};
    HANDLE handle = NULL;

    Begin();
    REQUIRE(ZwOpenThread(&handle, THREAD_ALL_ACCESS, &Unnamed, &id) == STATUS_SUCCESS);
    CHECK(IsOf(handle, PsGetCurrentThread()));
    CHECK(ZwOpenThread(&handle, THREAD_ALL_ACCESS, &Unnamed, &none) == STATUS_INVALID_CID);
}

static HANDLE Token(VOID)
{
    HANDLE handle = NULL;

    CHECK(ZwOpenProcessTokenEx(ZwCurrentProcess(), TOKEN_QUERY, OBJ_KERNEL_HANDLE, &handle) == STATUS_SUCCESS);
    return handle;
}

static BOOLEAN IsToken(HANDLE Handle)
{
    PACCESS_TOKEN token = PsReferencePrimaryToken(PsInitialSystemProcess);
    BOOLEAN is = IsOf(Handle, token);

    PsDereferencePrimaryToken(token);
    return is;
}

CASE_OF(ZwOpenProcessToken)
{
    HANDLE handle = NULL;

    REQUIRE(ZwOpenProcessToken(ZwCurrentProcess(), TOKEN_QUERY, &handle) == STATUS_SUCCESS);
    CHECK(IsToken(handle));
    CHECK(ZwOpenProcessToken((HANDLE)0x7FFFFFF0, TOKEN_QUERY, &handle) == STATUS_INVALID_HANDLE);
}

CASE_OF(ZwOpenProcessTokenEx)
{
    HANDLE handle = NULL;

    REQUIRE(ZwOpenProcessTokenEx(ZwCurrentProcess(), TOKEN_QUERY, OBJ_KERNEL_HANDLE, &handle) == STATUS_SUCCESS);
    CHECK((LONG_PTR)handle < 0); /* a kernel handle */
    CHECK(IsToken(handle));
    CHECK(ZwOpenProcessTokenEx((HANDLE)0x7FFFFFF0, TOKEN_QUERY, OBJ_KERNEL_HANDLE, &handle) == STATUS_INVALID_HANDLE);
}

static BOOLEAN Impersonate(VOID)
{
    PACCESS_TOKEN token = PsReferencePrimaryToken(PsInitialSystemProcess);
    NTSTATUS status = PsImpersonateClient(PsGetCurrentThread(), token, FALSE, FALSE, SecurityImpersonation);

    PsDereferencePrimaryToken(token);
    return status == STATUS_SUCCESS;
}

CASE_OF(ZwOpenThreadToken)
{
    HANDLE handle = NULL;

    CHECK(ZwOpenThreadToken(ZwCurrentThread(), TOKEN_QUERY, TRUE, &handle) == STATUS_NO_TOKEN);
    REQUIRE(Impersonate());
    CHECK(ZwOpenThreadToken(ZwCurrentThread(), TOKEN_QUERY, TRUE, &handle) == STATUS_SUCCESS && IsToken(handle));
    PsRevertToSelf();
}

CASE_OF(ZwOpenThreadTokenEx)
{
    HANDLE handle = NULL;

    CHECK(ZwOpenThreadTokenEx(ZwCurrentThread(), TOKEN_QUERY, TRUE, OBJ_KERNEL_HANDLE, &handle) == STATUS_NO_TOKEN);
    REQUIRE(Impersonate());
    CHECK(ZwOpenThreadTokenEx(ZwCurrentThread(), TOKEN_QUERY, TRUE, OBJ_KERNEL_HANDLE, &handle) == STATUS_SUCCESS);
    CHECK((LONG_PTR)handle < 0 && IsToken(handle));
    PsRevertToSelf();
}

CASE_OF(ZwQueryInformationToken)
{
    DECLSPEC_ALIGN(8) UCHAR buffer[64];
    HANDLE token = Token();
    ULONG needed = 0;

    REQUIRE(token != NULL);
    CHECK(ZwQueryInformationToken(token, TokenUser, buffer, 4, &needed) == STATUS_BUFFER_TOO_SMALL);
    CHECK(needed == sizeof(TOKEN_USER) + 12);
    CHECK(ZwQueryInformationToken(token, TokenUser, buffer, sizeof(buffer), &needed) == STATUS_SUCCESS);
    CHECK(SameBytes(((PTOKEN_USER)buffer)->User.Sid, System, 12));
    ZwClose(token);
}

CASE_OF(ZwQueryInformationProcess)
{
    PROCESS_BASIC_INFORMATION basic;
    ULONG needed = 0;

    Fill(&basic, sizeof(basic), 0xCC);
    CHECK(ZwQueryInformationProcess(ZwCurrentProcess(), ProcessBasicInformation, &basic, 4, NULL) == STATUS_INFO_LENGTH_MISMATCH);
    CHECK(ZwQueryInformationProcess(ZwCurrentProcess(), ProcessBasicInformation, &basic, sizeof(basic), &needed)
          == STATUS_SUCCESS);
    CHECK(needed == sizeof(basic) && basic.UniqueProcessId == 4 && basic.PebBaseAddress == NULL);
    CHECK(basic.ExitStatus == STATUS_PENDING);
}

/* THREAD_BASIC_INFORMATION. */
typedef struct _THREAD_BASICS {
    NTSTATUS ExitStatus;
    PVOID TebBaseAddress;
    CLIENT_ID ClientId;
    KAFFINITY AffinityMask;
    KPRIORITY Priority, BasePriority;
} THREAD_BASICS;

CASE_OF(ZwQueryInformationThread)
{
    THREAD_BASICS basic;
    ULONG needed = 0;
    PKTHREAD self = (PKTHREAD)PsGetCurrentThread();
    KPRIORITY before = KeSetPriorityThread(self, LOW_REALTIME_PRIORITY);

    Fill(&basic, sizeof(basic), 0xCC);
    CHECK(ZwQueryInformationThread(ZwCurrentThread(), ThreadBasicInformation, &basic, 4, NULL) == STATUS_INFO_LENGTH_MISMATCH);
    CHECK(ZwQueryInformationThread(ZwCurrentThread(), ThreadBasicInformation, &basic, sizeof(basic), &needed) == STATUS_SUCCESS);
    CHECK(needed == sizeof(basic) && basic.ExitStatus == STATUS_PENDING && basic.TebBaseAddress == NULL);
    CHECK(basic.ClientId.UniqueProcess == (HANDLE)4 && basic.ClientId.UniqueThread == PsGetCurrentThreadId());
    CHECK(basic.AffinityMask == KeQueryActiveProcessors());
    CHECK(basic.Priority == LOW_REALTIME_PRIORITY && basic.BasePriority == before);
    KeSetPriorityThread(self, before);
}

/* SYSTEM_BASIC_INFORMATION. */
typedef struct _SYSTEM_BASICS {
    ULONG Reserved, TimerResolution, PageSize;
    ULONG Pages[3], AllocationGranularity;
    ULONG_PTR Lowest, Highest;
    KAFFINITY Processors;
    CCHAR Count;
} SYSTEM_BASICS;

CASE_OF(ZwQuerySystemInformation)
{
    SYSTEM_BASICS basic;
    ULONG needed = 0;

    Fill(&basic, sizeof(basic), 0xCC);
    CHECK(ZwQuerySystemInformation(0, &basic, 4, NULL) == STATUS_INFO_LENGTH_MISMATCH);
    CHECK(ZwQuerySystemInformation(0, &basic, sizeof(basic), &needed) == STATUS_SUCCESS && needed == sizeof(basic));
    CHECK(basic.PageSize == PAGE_SIZE && basic.AllocationGranularity == 0x10000);
    CHECK(basic.TimerResolution == KeQueryTimeIncrement());
    CHECK(basic.Processors == KeQueryActiveProcessors() && (ULONG)basic.Count == KeQueryActiveProcessorCount(NULL));
    CHECK(ZwQuerySystemInformation(1000, &basic, sizeof(basic), &needed) == STATUS_INVALID_INFO_CLASS);
}

const CASE ZwProcessChecks[] = {
    ROW(ZwOpenProcess),
    ROW(ZwOpenThread),
    ROW(ZwOpenProcessToken),
    ROW(ZwOpenProcessTokenEx),
    ROW(ZwOpenThreadToken),
    ROW(ZwOpenThreadTokenEx),
    ROW(ZwQueryInformationToken),
    ROW(ZwQueryInformationProcess),
    ROW(ZwQueryInformationThread),
    ROW(ZwQuerySystemInformation),
    LAST,
};
