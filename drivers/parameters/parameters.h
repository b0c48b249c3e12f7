/*
 * How our drivers read their registry values: the way most published minifilters do it.
 */
#ifndef PARAMETERS_H
#define PARAMETERS_H

#include <fltKernel.h>

/* A driver's open keys. A key that is not there is NULL. */
typedef struct _PARAMETER_KEYS {
    HANDLE Parameters;
    HANDLE Service;
} PARAMETER_KEYS, *PPARAMETER_KEYS;

/* Opens the service key and its Parameters subkey. Fails when neither opens. PASSIVE_LEVEL. */
NTSTATUS OpenParameters(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath, ACCESS_MASK Access,
                        PPARAMETER_KEYS Keys);
VOID CloseParameters(PPARAMETER_KEYS Keys);

/* Reads a REG_DWORD from Parameters, then from the service key. Leaves *Value alone when there is none. */
NTSTATUS ReadUlongParameter(PPARAMETER_KEYS Keys, PCWSTR Name, PULONG Value);

/* Reads a REG_SZ likewise into a new pool block; the caller frees Value->Buffer with ExFreePool. */
NTSTATUS ReadStringParameter(PPARAMETER_KEYS Keys, PCWSTR Name, PUNICODE_STRING Value);

#endif
