/*
 * sehtest: checks structured exceptions from native code, in DriverEntry.
 *
 * Registry values: Mode (REG_DWORD) other than 0 does one thing that ends the machine instead, see RunMode; Loop
 * (REG_DWORD) raises and catches that often and times it.
 */
#include "results.h"

RESULTS Results;
static PFLT_FILTER Filter;

DRIVER_INITIALIZE DriverEntry;

VOID Check(BOOLEAN Holds, ULONG File, ULONG Line)
{
    Results.Checks += 1;
    if (!Holds) {
        if (Results.Failed < RESULTS_FAILURES) {
            Results.Lines[Results.Failed] = File * 1000000 + Line;
        }
        Results.Failed += 1;
        DbgPrint("sehtest: check in line %lu of file %lu failed\n", Line, File);
    }
}

static NTSTATUS FLTAPI Unload(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    FltUnregisterFilter(Filter);
    return STATUS_SUCCESS;
}

static const FLT_OPERATION_REGISTRATION Operations[] = {
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
    ULONG mode = 0, loop = 0;
    NTSTATUS status = OpenParameters(DriverObject, RegistryPath, KEY_READ | KEY_SET_VALUE, &keys);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    (VOID)ReadUlongParameter(&keys, L"Mode", &mode);
    (VOID)ReadUlongParameter(&keys, L"Loop", &loop);
    Results.Magic = RESULTS_MAGIC;
    (VOID)ZwSetValueKey(keys.Parameters != NULL ? keys.Parameters : keys.Service, &name, 0, REG_QWORD, &address,
                        sizeof(address));
    CloseParameters(&keys);
    if (mode != 0) {
        RunMode(mode);
    } else if (loop != 0) {
        RunLoops(loop);
    } else {
        RunCases();
        RunUnwinding();
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
