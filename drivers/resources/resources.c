/*
 * resources: checks of executive resources, regions and APCs from native code.
 *
 * Registry values: Mode (REG_DWORD) other than 0 does one thing that is wrong instead, see RunMode: below 100 in
 * DriverEntry, else once in the first create of a program; 60 checks what interrupts a loop (preempt.c), 70 and up touch pageable memory (pageable.c); Loop (REG_DWORD) acquires and releases that often and times
 * it.
 */
#include "results.h"

RESULTS Results;
static PFLT_FILTER Filter;
static ULONG Mode;

DRIVER_INITIALIZE DriverEntry;

VOID Check(BOOLEAN Holds, ULONG File, ULONG Line)
{
    Results.Checks += 1;
    if (!Holds) {
        if (Results.Failed < RESULTS_FAILURES) {
            Results.Lines[Results.Failed] = File * 1000000 + Line;
        }
        Results.Failed += 1;
        DbgPrint("resources: check in line %lu of file %lu failed\n", Line, File);
    }
}

HANDLE StartThread(PKSTART_ROUTINE Routine, PVOID Context)
{
    OBJECT_ATTRIBUTES attributes;
    HANDLE handle = NULL;

    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    (VOID)PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, &attributes, NULL, NULL, Routine, Context);
    return handle;
}

VOID JoinThread(HANDLE Thread)
{
    PVOID object;

    if (NT_SUCCESS(ObReferenceObjectByHandle(Thread, SYNCHRONIZE, *PsThreadType, KernelMode, &object, NULL))) {
        (VOID)KeWaitForSingleObject(object, Executive, KernelMode, FALSE, NULL);
        ObDereferenceObject(object);
    }
    ZwClose(Thread);
}

/* Lets other threads run. */
VOID Pause(VOID)
{
    LARGE_INTEGER moment = {.QuadPart = -1000};

    (VOID)KeDelayExecutionThread(KernelMode, FALSE, &moment);
}

static NTSTATUS FLTAPI Unload(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    FltUnregisterFilter(Filter);
    return STATUS_SUCCESS;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreCreate(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                  PVOID *CompletionContext)
{
    if (Mode >= 100 && Data->RequestorMode == UserMode) {
        ULONG mode = Mode;

        Mode = 0;
        RunMode(mode);
    }
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static const FLT_OPERATION_REGISTRATION Operations[] = {
    {IRP_MJ_CREATE, 0, PreCreate, NULL, NULL},
    {IRP_MJ_OPERATION_END, 0, NULL, NULL, NULL},
};

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    static const FLT_REGISTRATION registration = {
        .Size = sizeof(FLT_REGISTRATION),
        .Version = FLT_REGISTRATION_VERSION,
        .OperationRegistration = Operations,
        .FilterUnloadCallback = Unload,
    };
    PARAMETER_KEYS keys;
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"Results");
    ULONG64 address = (ULONG64)&Results;
    ULONG loop = 0;
    NTSTATUS status = OpenParameters(DriverObject, RegistryPath, KEY_READ | KEY_SET_VALUE, &keys);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    (VOID)ReadUlongParameter(&keys, L"Mode", &Mode);
    (VOID)ReadUlongParameter(&keys, L"Loop", &loop);
    Results.Magic = RESULTS_MAGIC;
    (VOID)ZwSetValueKey(keys.Parameters != NULL ? keys.Parameters : keys.Service, &name, 0, REG_QWORD, &address,
                        sizeof(address));
    CloseParameters(&keys);
    if (loop != 0 && (Mode == 78 || Mode == 79)) {
        TimePageable(loop, Mode == 79);
    } else if (loop != 0) {
        RunLoops(loop);
    } else if (Mode == 0) {
        RunCases();
        RunWaiting();
        RunRegions();
    } else if (Mode == 60) {
        RunPreemption();
    } else if (Mode == 61) {
        TimePreemption();
    } else if (Mode >= 70 && Mode < 80) {
        RunPageable(Mode);
    } else if (Mode < 100) {
        RunMode(Mode);
    }
    status = FltRegisterFilter(DriverObject, &registration, &Filter);
    if (NT_SUCCESS(status)) {
        status = FltStartFiltering(Filter);
        if (!NT_SUCCESS(status)) {
            FltUnregisterFilter(Filter);
        }
    }
    return status;
}
