/* The least minifilter: registers for creates, which it passes on, and starts. */
#ifndef FILTER_H
#define FILTER_H

#include <fltKernel.h>

#ifdef __cplusplus
extern "C" {
#endif

static PFLT_FILTER TheFilter;

static FLT_PREOP_CALLBACK_STATUS FLTAPI PassOn(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS Objects, PVOID *Context)
{
    UNREFERENCED_PARAMETER(Data);
    UNREFERENCED_PARAMETER(Objects);
    *Context = NULL;
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static NTSTATUS FLTAPI UnloadFilter(FLT_FILTER_UNLOAD_FLAGS Flags)
{
    UNREFERENCED_PARAMETER(Flags);
    FltUnregisterFilter(TheFilter);
    return STATUS_SUCCESS;
}

static const FLT_OPERATION_REGISTRATION TheOperations[] = {
    {IRP_MJ_CREATE, 0, PassOn, NULL, NULL},
    {IRP_MJ_OPERATION_END, 0, NULL, NULL, NULL},
};

static const FLT_REGISTRATION TheRegistration = {
    sizeof(FLT_REGISTRATION), FLT_REGISTRATION_VERSION, 0, NULL, TheOperations, UnloadFilter,
};

static NTSTATUS StartFilter(PDRIVER_OBJECT Driver)
{
    NTSTATUS status = FltRegisterFilter(Driver, &TheRegistration, &TheFilter);

    if (NT_SUCCESS(status)) {
        status = FltStartFiltering(TheFilter);
        if (!NT_SUCCESS(status)) {
            FltUnregisterFilter(TheFilter);
        }
    }
    return status;
}

#ifdef __cplusplus
}
#endif

#endif
