/*
 * kselftest: checks the exports of the kernel from native code, each by a check of its name.
 *
 * DriverEntry runs all checks, in the order of the tables, on its own thread; the results are in SelfTestResults, which
 * results.h describes. The registry value Only (REG_SZ) names the one check to run. A check says what is documented of
 * its export, edge cases first. It never waits without an end and never relies on another check. After each check the
 * IRQL and the critical region have to be as before.
 */
#include "kselftest.h"
#define FILE_NAME "kselftest.c"

__declspec(dllexport) SELF_TEST_RESULTS SelfTestResults;

PDRIVER_OBJECT Driver;
UNICODE_STRING ServiceKey;
LARGE_INTEGER Soon = {.QuadPart = -20000000};
LARGE_INTEGER Now = {.QuadPart = 0};

static SELF_TEST_CHECK *Current;

BOOLEAN Note(BOOLEAN Good, PCSTR Text, PCSTR File, ULONG Line)
{
    InterlockedIncrement(&Current->Assertions);
    if (!Good && InterlockedIncrement(&Current->Failed) == 1) {
        Current->Text = Text;
        Current->File = File;
        Current->Line = Line;
        DbgPrint("kselftest: %s failed at %s:%u: %s\n", Current->Name, File, Line, Text);
    }
    return Good;
}

BOOLEAN SameBytes(const VOID *One, const VOID *Other, SIZE_T Bytes)
{
    SIZE_T i;

    for (i = 0; i < Bytes && ((const UCHAR *)One)[i] == ((const UCHAR *)Other)[i]; i++) {
    }
    return i == Bytes;
}

VOID Fill(PVOID Memory, SIZE_T Bytes, UCHAR Value)
{
    volatile UCHAR *bytes = Memory;
    SIZE_T i;

    for (i = 0; i < Bytes; i++) {
        bytes[i] = Value;
    }
}

BOOLEAN Holds(const VOID *Memory, SIZE_T Bytes, UCHAR Value)
{
    SIZE_T i;

    for (i = 0; i < Bytes && ((const UCHAR *)Memory)[i] == Value; i++) {
    }
    return i == Bytes;
}

UNICODE_STRING Text(PCWSTR Characters)
{
    UNICODE_STRING string;

    for (string.Length = 0; Characters[string.Length / sizeof(WCHAR)] != L'\0'; string.Length += sizeof(WCHAR)) {
    }
    string.MaximumLength = string.Length + sizeof(WCHAR);
    string.Buffer = (PWSTR)Characters;
    return string;
}

BOOLEAN IsText(PCUNICODE_STRING String, PCWSTR Expected)
{
    UNICODE_STRING expected = Text(Expected);

    return String->Length == expected.Length && SameBytes(String->Buffer, expected.Buffer, expected.Length);
}

PVOID Export(PCWSTR Name)
{
    UNICODE_STRING name = Text(Name);
    PVOID address = MmGetSystemRoutineAddress(&name);

    CHECK(address != NULL);
    return address;
}

VOID MakeEvent(PKEVENT Event, UCHAR Type, LONG State)
{
    Fill(Event, sizeof(*Event), 0);
    Event->Header.Type = Type;
    Event->Header.Size = sizeof(*Event) / sizeof(ULONG);
    Event->Header.SignalState = State;
    Event->Header.WaitListHead.Flink = Event->Header.WaitListHead.Blink = &Event->Header.WaitListHead;
}

NTSTATUS RunInThread(PKSTART_ROUTINE Routine, PVOID Context)
{
    OBJECT_ATTRIBUTES attributes;
    HANDLE handle;
    PVOID thread;
    NTSTATUS status;

    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, &attributes, NULL, NULL, Routine, Context);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    status = ObReferenceObjectByHandle(handle, SYNCHRONIZE, *PsThreadType, KernelMode, &thread, NULL);
    if (NT_SUCCESS(status)) {
        status = KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, &Soon);
        ObDereferenceObject(thread);
    }
    ZwClose(handle);
    return status;
}

/* What a check left behind is its failure, and must not become that of the next one. */
static VOID Restore(VOID)
{
    ULONG i;

    if (!CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL)) {
        __writecr8(PASSIVE_LEVEL);
    }
    for (i = 0; i < 4 && KeAreAllApcsDisabled(); i++) {
        CHECK(!"the check left a guarded region");
        KeLeaveGuardedRegion();
    }
    for (i = 0; i < 4 && KeAreApcsDisabled(); i++) {
        CHECK(!"the check left a critical region");
        KeLeaveCriticalRegion();
    }
}

static VOID RunCase(const CASE *Case)
{
    Current = &SelfTestResults.Checks[SelfTestResults.Count++];
    Current->Name = Case->Name;
    Case->Run();
    Restore();
    Current->Ended = 1;
}

/* The value Only of the service key. When it cannot be read, all checks run. */
static WCHAR Only[64];

static VOID ReadOnly(VOID)
{
    UNICODE_STRING name = Text(L"Only");
    UCHAR buffer[sizeof(KEY_VALUE_PARTIAL_INFORMATION) + sizeof(Only)];
    PKEY_VALUE_PARTIAL_INFORMATION value = (PKEY_VALUE_PARTIAL_INFORMATION)buffer;
    OBJECT_ATTRIBUTES attributes;
    HANDLE key;
    ULONG bytes, i;

    InitializeObjectAttributes(&attributes, &ServiceKey, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    if (!NT_SUCCESS(ZwOpenKey(&key, KEY_READ, &attributes))) {
        return;
    }
    if (NT_SUCCESS(ZwQueryValueKey(key, &name, KeyValuePartialInformation, value, sizeof(buffer), &bytes))
        && value->Type == REG_SZ && value->DataLength < sizeof(Only)) {
        for (i = 0; i < value->DataLength / sizeof(WCHAR); i++) {
            Only[i] = ((PWSTR)value->Data)[i];
        }
    }
    ZwClose(key);
}

static BOOLEAN Wanted(PCSTR Name)
{
    ULONG i;

    for (i = 0; Name[i] != '\0' && Name[i] == Only[i]; i++) {
    }
    return Only[0] == L'\0' || (Name[i] == '\0' && Only[i] == L'\0');
}

static VOID DriverUnload(PDRIVER_OBJECT DriverObject) {}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    static const CASE *const tables[] = {
        StringChecks,   StringConversionChecks, NumberChecks,  MemoryChecks,   TimeChecks,    CrtStringChecks,
        CrtWideChecks,  CrtFormatChecks,        CrtSafeChecks, PoolChecks,     LookasideChecks, ListChecks,
        ResourceChecks, ExLockChecks,           RundownChecks, IrqlChecks,     SpinLockChecks, KeTimeChecks,
        RegionChecks,   DispatcherChecks,       MdlChecks,     DeviceChecks,   IrpChecks,     WorkItemChecks,
        ObjectChecks,   ThreadChecks,           RegistryChecks, NameChecks,    PrintChecks,
        BitmapChecks,  TableChecks,             SplayChecks,   TimerChecks,
        MoreStringChecks, CodePageChecks,       NetChecks,     CrtMoreChecks,  SecurityChecks, EventChecks,
        TransactionChecks, EcpChecks, ProcessChecks, FileChecks,              MiscChecks,    MoreIoChecks,
        ExMoreChecks,  ExSpinLockChecks,        McbChecks,     FsRtlMoreChecks,
        IoBuildChecks, IoFileChecks,            ApcChecks,     KeMoreChecks,
        MmMoreChecks,  ObMoreChecks,            RtlMoreChecks, AccessChecks,
        ZwDeviceChecks, ZwProcessChecks,        SectionChecks,
    };
    const CASE *one;
    ULONG i, failed = 0;

    Driver = DriverObject;
    ServiceKey = *RegistryPath;
    DriverObject->DriverUnload = DriverUnload;
    ReadOnly();
    SelfTestResults.Magic = SELF_TEST_MAGIC;
    for (i = 0; i < ARRAYSIZE(tables); i++) {
        for (one = tables[i]; one->Name != NULL && SelfTestResults.Count < SELF_TEST_MOST; one++) {
            if (Wanted(one->Name)) {
                RunCase(one);
            }
        }
    }
    for (i = 0; i < SelfTestResults.Count; i++) {
        failed += SelfTestResults.Checks[i].Failed != 0;
    }
    DbgPrint("kselftest: %u checks, %u failed\n", SelfTestResults.Count, failed);
    return STATUS_SUCCESS;
}
