#include "COUNTER.H"
#include "entry.tmh"

DRIVER_INITIALIZE DriverEntry;

#ifdef ALLOC_PRAGMA
#pragma alloc_text(INIT, DriverEntry)
#endif

PFLT_FILTER CounterFilter;

static NTSTATUS FLTAPI Unload(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    UNREFERENCED_PARAMETER(Flags);
    FltUnregisterFilter(CounterFilter);
    WPP_CLEANUP(NULL);
    DbgPrint("counter: %ld of %s\n", CounterShared, COUNTER_NAME);
    return STATUS_SUCCESS;
}

static const FLT_OPERATION_REGISTRATION Operations[] = {
    {IRP_MJ_CREATE, 0, CounterPre, NULL, NULL},
    {IRP_MJ_OPERATION_END},
};

static const FLT_REGISTRATION Registration = {
    sizeof(FLT_REGISTRATION), FLT_REGISTRATION_VERSION, 0, NULL, Operations, Unload,
};

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status;

    UNREFERENCED_PARAMETER(RegistryPath);
    WPP_INIT_TRACING(DriverObject, RegistryPath);
    TraceCounter(1, "not evaluated: %d", undeclared_here);
#if DBG
    DbgPrint("counter: checked build\n");
#endif
    status = FltRegisterFilter(DriverObject, &Registration, &CounterFilter);
    if (NT_SUCCESS(status)) {
        status = FltStartFiltering(CounterFilter);
        if (!NT_SUCCESS(status)) {
            FltUnregisterFilter(CounterFilter);
        }
    }
    return status;
}
