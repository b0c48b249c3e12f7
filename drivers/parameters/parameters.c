/*
 * Registry values: IoOpenDriverRegistryKey where the system has it, ZwOpenKey on the service key elsewhere;
 * a value is asked for its size first, then read.
 */
#include "parameters.h"

#define PARAMETER_TAG 'mraP'

typedef NTSTATUS(NTAPI *OPEN_DRIVER_REGISTRY_KEY)(PDRIVER_OBJECT DriverObject, ULONG RegKeyType,
                                                  ACCESS_MASK DesiredAccess, ULONG Flags, PHANDLE Key);
#define DRIVER_REG_KEY_PARAMETERS 0

static NTSTATUS OpenKey(HANDLE Parent, PUNICODE_STRING Name, ACCESS_MASK Access, PHANDLE Key)
{
    OBJECT_ATTRIBUTES attributes;

    InitializeObjectAttributes(&attributes, Name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, Parent, NULL);
    return ZwOpenKey(Key, Access, &attributes);
}

NTSTATUS OpenParameters(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath, ACCESS_MASK Access,
                        PPARAMETER_KEYS Keys)
{
    UNICODE_STRING name;
    OPEN_DRIVER_REGISTRY_KEY open;
    NTSTATUS status;

    Keys->Parameters = NULL;
    Keys->Service = NULL;
    status = OpenKey(NULL, RegistryPath, Access, &Keys->Service);
    if (!NT_SUCCESS(status)) {
        Keys->Service = NULL;
    }
    RtlInitUnicodeString(&name, L"IoOpenDriverRegistryKey");
    open = (OPEN_DRIVER_REGISTRY_KEY)(ULONG_PTR)MmGetSystemRoutineAddress(&name);
    if (open != NULL) {
        status = open(DriverObject, DRIVER_REG_KEY_PARAMETERS, Access, 0, &Keys->Parameters);
        if (!NT_SUCCESS(status)) {
            Keys->Parameters = NULL;
        }
    }
    if (Keys->Parameters == NULL && Keys->Service != NULL) {
        RtlInitUnicodeString(&name, L"Parameters");
        status = OpenKey(Keys->Service, &name, Access, &Keys->Parameters);
        if (!NT_SUCCESS(status)) {
            Keys->Parameters = NULL;
        }
    }
    return Keys->Parameters != NULL || Keys->Service != NULL ? STATUS_SUCCESS : status;
}

VOID CloseParameters(PPARAMETER_KEYS Keys)
{
    if (Keys->Parameters != NULL) {
        ZwClose(Keys->Parameters);
    }
    if (Keys->Service != NULL) {
        ZwClose(Keys->Service);
    }
    Keys->Parameters = NULL;
    Keys->Service = NULL;
}

/* The value in a new pool block that the caller frees. */
static NTSTATUS QueryValue(HANDLE Key, PCWSTR Name, ULONG Type, PKEY_VALUE_PARTIAL_INFORMATION *Value)
{
    UNICODE_STRING name;
    PKEY_VALUE_PARTIAL_INFORMATION information;
    ULONG length = 0;
    NTSTATUS status;

    RtlInitUnicodeString(&name, Name);
    status = ZwQueryValueKey(Key, &name, KeyValuePartialInformation, NULL, 0, &length);
    if (status != STATUS_BUFFER_TOO_SMALL && status != STATUS_BUFFER_OVERFLOW) {
        return NT_SUCCESS(status) ? STATUS_INVALID_PARAMETER : status;
    }
    information = ExAllocatePoolZero(PagedPool, length, PARAMETER_TAG);
    if (information == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status = ZwQueryValueKey(Key, &name, KeyValuePartialInformation, information, length, &length);
    if (NT_SUCCESS(status) && information->Type != Type) {
        status = STATUS_OBJECT_TYPE_MISMATCH;
    }
    if (!NT_SUCCESS(status)) {
        ExFreePoolWithTag(information, PARAMETER_TAG);
        return status;
    }
    *Value = information;
    return STATUS_SUCCESS;
}

static NTSTATUS QueryEither(PPARAMETER_KEYS Keys, PCWSTR Name, ULONG Type, PKEY_VALUE_PARTIAL_INFORMATION *Value)
{
    NTSTATUS status = STATUS_OBJECT_NAME_NOT_FOUND;

    if (Keys->Parameters != NULL) {
        status = QueryValue(Keys->Parameters, Name, Type, Value);
    }
    if (!NT_SUCCESS(status) && Keys->Service != NULL) {
        status = QueryValue(Keys->Service, Name, Type, Value);
    }
    return status;
}

NTSTATUS ReadUlongParameter(PPARAMETER_KEYS Keys, PCWSTR Name, PULONG Value)
{
    PKEY_VALUE_PARTIAL_INFORMATION information;
    NTSTATUS status = QueryEither(Keys, Name, REG_DWORD, &information);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    if (information->DataLength == sizeof(ULONG)) {
        *Value = *(ULONG UNALIGNED *)information->Data;
    } else {
        status = STATUS_INVALID_PARAMETER;
    }
    ExFreePoolWithTag(information, PARAMETER_TAG);
    return status;
}

NTSTATUS ReadStringParameter(PPARAMETER_KEYS Keys, PCWSTR Name, PUNICODE_STRING Value)
{
    PKEY_VALUE_PARTIAL_INFORMATION information;
    ULONG bytes;
    NTSTATUS status = QueryEither(Keys, Name, REG_SZ, &information);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    bytes = information->DataLength & ~1u;
    while (bytes >= sizeof(WCHAR) && ((PWCHAR)information->Data)[bytes / sizeof(WCHAR) - 1] == L'\0') {
        bytes -= sizeof(WCHAR);
    }
    if (bytes > 0x7FFE) {
        status = STATUS_NAME_TOO_LONG;
    } else {
        Value->Buffer = ExAllocatePoolZero(NonPagedPoolNx, bytes + sizeof(WCHAR), PARAMETER_TAG);
        if (Value->Buffer == NULL) {
            status = STATUS_INSUFFICIENT_RESOURCES;
        } else {
            RtlCopyMemory(Value->Buffer, information->Data, bytes);
            Value->Length = (USHORT)bytes;
            Value->MaximumLength = (USHORT)(bytes + sizeof(WCHAR));
        }
    }
    ExFreePoolWithTag(information, PARAMETER_TAG);
    return status;
}
