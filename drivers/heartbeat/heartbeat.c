/*
 * heartbeat: callbacks for reads and writes that do nothing, to measure what a passed-through operation costs.
 *
 * The registry value PreOnly (REG_DWORD) other than 0 registers preoperation callbacks only, which answer that
 * they want no postoperation callback.
 */
#include "../parameters/parameters.h"

static PFLT_FILTER Filter;

DRIVER_INITIALIZE DriverEntry;

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreWithPost(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                    PVOID *CompletionContext)
{
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI PreAlone(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                 PVOID *CompletionContext)
{
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI Post(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                              PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static NTSTATUS FLTAPI Unload(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    FltUnregisterFilter(Filter);
    return STATUS_SUCCESS;
}

static const FLT_OPERATION_REGISTRATION Both[] = {
    {IRP_MJ_READ, 0, PreWithPost, Post, NULL},
    {IRP_MJ_WRITE, 0, PreWithPost, Post, NULL},
    {IRP_MJ_OPERATION_END, 0, NULL, NULL, NULL},
};

static const FLT_OPERATION_REGISTRATION Alone[] = {
    {IRP_MJ_READ, 0, PreAlone, NULL, NULL},
    {IRP_MJ_WRITE, 0, PreAlone, NULL, NULL},
    {IRP_MJ_OPERATION_END, 0, NULL, NULL, NULL},
};

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    FLT_REGISTRATION registration = {
        .Size = sizeof(FLT_REGISTRATION),
        .Version = FLT_REGISTRATION_VERSION,
        .OperationRegistration = Both,
        .FilterUnloadCallback = Unload,
    };
    PARAMETER_KEYS keys;
    ULONG preOnly = 0;
    NTSTATUS status = OpenParameters(DriverObject, RegistryPath, KEY_READ, &keys);

    if (NT_SUCCESS(status)) {
        (VOID)ReadUlongParameter(&keys, L"PreOnly", &preOnly);
        CloseParameters(&keys);
    }
    if (preOnly != 0) {
        registration.OperationRegistration = Alone;
    }
    status = FltRegisterFilter(DriverObject, &registration, &Filter);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    status = FltStartFiltering(Filter);
    if (!NT_SUCCESS(status)) {
        FltUnregisterFilter(Filter);
    }
    return status;
}
