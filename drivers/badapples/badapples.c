/*
 * badapples: a driver whose faults a file name chooses. Each create of a name that contains one of the words
 * below breaks one rule in the preoperation callback, so that reports of faults can be tested.
 *
 * Built with FAIL_ENTRY, its DriverEntry fails (failentry.sys).
 */
#include "../parameters/parameters.h"

#define BAD_TAG 'daeB'

PFLT_FILTER BadFilter;
/* Never signalled. */
KEVENT BadEvent;
/* Keeps the compiler from seeing where the bad addresses come from. */
PVOID volatile BadAddress;
ULONG64 volatile BadSink;

DRIVER_INITIALIZE DriverEntry;

/* Exported by nobody: see missing.def. */
NTSYSAPI NTSTATUS FLTAPI FltDoesNotExistAnywhere(PFLT_CALLBACK_DATA Data);

static void Boom(PFLT_CALLBACK_DATA Data)
{
    Data->IoStatus.Status = FltDoesNotExistAnywhere(Data);
}

__declspec(noinline) static void Crash(PFLT_CALLBACK_DATA Data)
{
    BadAddress = NULL;
    *(volatile ULONG *)BadAddress = 0xBAD;
}

static void DoubleFree(PFLT_CALLBACK_DATA Data)
{
    PVOID block = ExAllocatePoolZero(NonPagedPoolNx, 64, BAD_TAG);

    BadAddress = block;
    ExFreePoolWithTag(block, BAD_TAG);
    ExFreePoolWithTag(BadAddress, BAD_TAG);
}

/* Goes unnoticed without special pool: until the block is freed, or for good. */
static void PastTheEnd(PFLT_CALLBACK_DATA Data)
{
    volatile UCHAR *block = ExAllocatePoolZero(NonPagedPoolNx, 96, BAD_TAG);

    BadAddress = (PVOID)block;
    block[96] = block[95];
    ExFreePoolWithTag(BadAddress, BAD_TAG);
}

static void AfterFree(PFLT_CALLBACK_DATA Data)
{
    volatile UCHAR *block = ExAllocatePoolZero(NonPagedPoolNx, 96, BAD_TAG);

    BadAddress = (PVOID)block;
    ExFreePoolWithTag(BadAddress, BAD_TAG);
    block[0] = block[1];
}

/* Inside the last 16 bytes: no page ends there, so only freeing finds it. */
static void JustPastTheEnd(PFLT_CALLBACK_DATA Data)
{
    volatile UCHAR *block = ExAllocatePoolZero(NonPagedPoolNx, 90, BAD_TAG);

    BadAddress = (PVOID)block;
    block[90] = 1;
    ExFreePoolWithTag(BadAddress, BAD_TAG);
}

static void FastFail(PFLT_CALLBACK_DATA Data)
{
    __fastfail(3 /* FAST_FAIL_CORRUPT_LIST_ENTRY */);
}

static void Assertion(PFLT_CALLBACK_DATA Data)
{
    __asm__ __volatile__("int $0x2c");
}

static void Spin(PFLT_CALLBACK_DATA Data)
{
    for (;;) {
        BadSink++;
    }
}

static void Hang(PFLT_CALLBACK_DATA Data)
{
    KeWaitForSingleObject(&BadEvent, Executive, KernelMode, FALSE, NULL);
}

static void Leak(PFLT_CALLBACK_DATA Data)
{
    BadAddress = ExAllocatePoolZero(NonPagedPoolNx, 128, BAD_TAG);
}

/* Not a fault: what builds with older kits do inline. Raises to DISPATCH_LEVEL and comes back. */
static void Cr8(PFLT_CALLBACK_DATA Data)
{
    unsigned long old = __readcr8();

    __writecr8(DISPATCH_LEVEL);
    BadSink = __readcr8();
    __writecr8((unsigned int)old);
    if (BadSink != DISPATCH_LEVEL || __readcr8() != old) {
        __fastfail(7);
    }
}

/* Not a fault either: time and tick count are read from KUSER_SHARED_DATA. */
static void Time(PFLT_CALLBACK_DATA Data)
{
    LARGE_INTEGER time;
    LARGE_INTEGER ticks;

    KeQuerySystemTime(&time);
    KeQueryTickCount(&ticks);
    BadSink = (ULONG64)time.QuadPart + (ULONG64)ticks.QuadPart + KeQueryInterruptTime();
    if (time.QuadPart == 0) {
        __fastfail(7);
    }
}

static void NullCall(PFLT_CALLBACK_DATA Data)
{
    void (*function)(void);

    BadAddress = NULL;
    *(PVOID *)&function = BadAddress;
    function();
}

__declspec(noinline) static ULONG64 Overflow(ULONG64 Depth)
{
    volatile UCHAR frame[1024];

    /* Never true; without it the compiler sees that nothing ends this. */
    if (BadAddress == &BadSink) {
        return Depth;
    }
    frame[Depth & 1023] = (UCHAR)Depth;
    BadSink = Overflow(Depth + 1) + frame[(Depth * 7) & 1023];
    return BadSink + Depth;
}

static void StackOverflow(PFLT_CALLBACK_DATA Data)
{
    BadSink = Overflow(0);
}

static void NonCanonical(PFLT_CALLBACK_DATA Data)
{
    BadAddress = (PVOID)0xDEAD00000000BEEFULL;
    BadSink = *(volatile ULONG64 *)BadAddress;
}

static void StackSmash(PFLT_CALLBACK_DATA Data)
{
    WCHAR name[16];
    PWCHAR volatile cursor = name;
    ULONG i;

    for (i = 0; i < 16 + 16; i++) {
        cursor[i] = L'A';
    }
    BadSink = name[3];
}

static void Raise(PFLT_CALLBACK_DATA Data)
{
    ExRaiseStatus(STATUS_INSUFFICIENT_RESOURCES);
}

/* Not a fault: the exception is handled. */
static void Caught(PFLT_CALLBACK_DATA Data)
{
    BadAddress = (PVOID)0x10;
    __try {
        BadSink = *(volatile ULONG64 *)BadAddress;
        __fastfail(7);
    } __except (GetExceptionCode() == STATUS_ACCESS_VIOLATION ? EXCEPTION_EXECUTE_HANDLER
                                                              : EXCEPTION_CONTINUE_SEARCH) {
        BadSink = 1;
    }
}

static void DivideByZero(PFLT_CALLBACK_DATA Data)
{
    BadSink = 0;
    /* Not 1: the compiler turns that division into a comparison. */
    BadSink = 1000 / BadSink;
}

static void BugCheck(PFLT_CALLBACK_DATA Data)
{
    KeBugCheckEx(0xDEAD0001, 1, 2, 3, 4);
}

typedef struct _FAULT {
    PCWSTR Word;
    void (*Commit)(PFLT_CALLBACK_DATA Data);
} FAULT;

static const FAULT Faults[] = {
    {L"boom", Boom},
    {L"crash", Crash},
    {L"doublefree", DoubleFree},
    {L"justpast", JustPastTheEnd},
    {L"pastend", PastTheEnd},
    {L"afterfree", AfterFree},
    {L"fastfail", FastFail},
    {L"assert", Assertion},
    {L"spin", Spin},
    {L"hang", Hang},
    {L"leak", Leak},
    {L"cr8", Cr8},
    {L"time", Time},
    {L"nullcall", NullCall},
    {L"overflow", StackOverflow},
    {L"noncanon", NonCanonical},
    {L"smash", StackSmash},
    {L"raise", Raise},
    {L"caught", Caught},
    {L"divide", DivideByZero},
    {L"bugcheck", BugCheck},
};

static BOOLEAN Contains(PUNICODE_STRING Name, PCWSTR Word)
{
    ULONG characters = Name->Length / sizeof(WCHAR);
    ULONG i, k;

    for (i = 0; i < characters; i++) {
        for (k = 0; Word[k] != L'\0' && i + k < characters && Name->Buffer[i + k] == Word[k]; k++) {
        }
        if (Word[k] == L'\0') {
            return TRUE;
        }
    }
    return FALSE;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreCreate(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                  PVOID *CompletionContext)
{
    ULONG i;

    for (i = 0; i < ARRAYSIZE(Faults); i++) {
        if (Contains(&FltObjects->FileObject->FileName, Faults[i].Word)) {
            Faults[i].Commit(Data);
        }
    }
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static NTSTATUS FLTAPI Unload(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    FltUnregisterFilter(BadFilter);
    return STATUS_SUCCESS;
}

static const FLT_OPERATION_REGISTRATION Operations[] = {
    {IRP_MJ_CREATE, 0, PreCreate, NULL, NULL},
    {IRP_MJ_OPERATION_END, 0, NULL, NULL, NULL},
};

static const FLT_REGISTRATION Registration = {
    .Size = sizeof(FLT_REGISTRATION),
    .Version = FLT_REGISTRATION_VERSION,
    .OperationRegistration = Operations,
    .FilterUnloadCallback = Unload,
};

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status;

#ifdef FAIL_ENTRY
    DbgPrint("failentry: DriverEntry fails on purpose\n");
    return STATUS_UNSUCCESSFUL;
#endif
    KeInitializeEvent(&BadEvent, NotificationEvent, FALSE);
    status = FltRegisterFilter(DriverObject, &Registration, &BadFilter);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    status = FltStartFiltering(BadFilter);
    if (!NT_SUCCESS(status)) {
        FltUnregisterFilter(BadFilter);
    }
    return status;
}
