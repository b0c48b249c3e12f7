/*
 * The registry: keys and values below this driver's service key.
 */
#include "kselftest.h"
#define FILE_NAME "zw_key.c"

static HANDLE Parent, Key;

static NTSTATUS Open(HANDLE Above, PCWSTR Name, PHANDLE Handle, BOOLEAN Create)
{
    UNICODE_STRING name = Text(Name);
    OBJECT_ATTRIBUTES attributes;
    ULONG disposition;

    InitializeObjectAttributes(&attributes, Above != NULL ? &name : &ServiceKey, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE,
                               Above, NULL);
    return Create ? ZwCreateKey(Handle, KEY_ALL_ACCESS, &attributes, 0, NULL, REG_OPTION_NON_VOLATILE, &disposition)
                  : ZwOpenKey(Handle, KEY_ALL_ACCESS, &attributes);
}

static NTSTATUS Set(PCWSTR Name, ULONG Type, const VOID *Data, ULONG Bytes)
{
    UNICODE_STRING name = Text(Name);

    return ZwSetValueKey(Key, &name, 0, Type, (PVOID)Data, Bytes);
}

/* Opens the service key and makes a fresh key in it. */
static BOOLEAN Begin(VOID)
{
    Parent = Key = NULL;
    return CHECK(Open(NULL, L"", &Parent, FALSE) == STATUS_SUCCESS)
           && CHECK(Open(Parent, L"SelfTest", &Key, TRUE) == STATUS_SUCCESS);
}

static VOID End(VOID)
{
    if (Key != NULL) {
        ZwDeleteKey(Key);
        ZwClose(Key);
    }
    if (Parent != NULL) {
        ZwClose(Parent);
    }
}

CASE_OF(ZwOpenKey)
{
    HANDLE handle;

    if (Begin()) {
        CHECK(Open(Parent, L"selfTEST", &handle, FALSE) == STATUS_SUCCESS);
        CHECK(ZwClose(handle) == STATUS_SUCCESS);
        CHECK(Open(Parent, L"NoSuchKey", &handle, FALSE) == STATUS_OBJECT_NAME_NOT_FOUND);
    }
    End();
}

CASE_OF(ZwOpenKeyEx)
{
    OBJECT_ATTRIBUTES attributes;
    HANDLE handle;

    InitializeObjectAttributes(&attributes, &ServiceKey, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    REQUIRE(ZwOpenKeyEx(&handle, KEY_READ, &attributes, 0) == STATUS_SUCCESS);
    CHECK(ZwClose(handle) == STATUS_SUCCESS);
}

CASE_OF(ZwCreateKey)
{
    UNICODE_STRING name = Text(L"Fresh");
    OBJECT_ATTRIBUTES attributes;
    HANDLE handle;
    ULONG disposition = 0;

    if (Begin()) {
        InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, Key, NULL);
        CHECK(ZwCreateKey(&handle, KEY_ALL_ACCESS, &attributes, 0, NULL, 0, &disposition) == STATUS_SUCCESS);
        CHECK(disposition == REG_CREATED_NEW_KEY);
        CHECK(ZwClose(handle) == STATUS_SUCCESS);
        CHECK(ZwCreateKey(&handle, KEY_ALL_ACCESS, &attributes, 0, NULL, 0, &disposition) == STATUS_SUCCESS);
        CHECK(disposition == REG_OPENED_EXISTING_KEY);
        CHECK(ZwDeleteKey(handle) == STATUS_SUCCESS);
        ZwClose(handle);
    }
    End();
}

CASE_OF(ZwSetValueKey)
{
    UCHAR buffer[64];
    PKEY_VALUE_PARTIAL_INFORMATION value = (PKEY_VALUE_PARTIAL_INFORMATION)buffer;
    UNICODE_STRING name = Text(L"Number");
    ULONG number = 0x12345678, bytes;

    if (Begin()) {
        CHECK(Set(L"Number", REG_DWORD, &number, 4) == STATUS_SUCCESS);
        number++;
        CHECK(Set(L"NUMBER", REG_DWORD, &number, 4) == STATUS_SUCCESS); /* the same value */
        CHECK(ZwQueryValueKey(Key, &name, KeyValuePartialInformation, value, sizeof(buffer), &bytes) == STATUS_SUCCESS);
        CHECK(value->Type == REG_DWORD && value->DataLength == 4 && *(PULONG)value->Data == 0x12345679);
    }
    End();
}

CASE_OF(ZwQueryValueKey)
{
    UCHAR buffer[128];
    PKEY_VALUE_PARTIAL_INFORMATION partial = (PKEY_VALUE_PARTIAL_INFORMATION)buffer;
    PKEY_VALUE_FULL_INFORMATION full = (PKEY_VALUE_FULL_INFORMATION)buffer;
    UNICODE_STRING name = Text(L"Text"), unknown = Text(L"None");
    ULONG bytes = 0, fixed = FIELD_OFFSET(KEY_VALUE_PARTIAL_INFORMATION, Data);

    if (Begin()) {
        CHECK(Set(L"Text", REG_SZ, L"value", 12) == STATUS_SUCCESS);
        CHECK(ZwQueryValueKey(Key, &unknown, KeyValuePartialInformation, partial, sizeof(buffer), &bytes)
              == STATUS_OBJECT_NAME_NOT_FOUND);
        CHECK(ZwQueryValueKey(Key, &name, KeyValuePartialInformation, NULL, 0, &bytes) == STATUS_BUFFER_TOO_SMALL);
        CHECK(bytes == fixed + 12);
        CHECK(ZwQueryValueKey(Key, &name, KeyValuePartialInformation, partial, fixed + 4, &bytes)
              == STATUS_BUFFER_OVERFLOW);
        CHECK(bytes == fixed + 12 && partial->DataLength == 12);
        CHECK(ZwQueryValueKey(Key, &name, KeyValuePartialInformation, partial, sizeof(buffer), &bytes) == STATUS_SUCCESS);
        CHECK(partial->Type == REG_SZ && SameBytes(partial->Data, L"value", 12));
        CHECK(ZwQueryValueKey(Key, &name, KeyValueFullInformation, full, sizeof(buffer), &bytes) == STATUS_SUCCESS);
        CHECK(full->NameLength == 8 && SameBytes(full->Name, L"Text", 8) && full->DataLength == 12);
        CHECK(SameBytes((PUCHAR)full + full->DataOffset, L"value", 12));
    }
    End();
}

CASE_OF(ZwDeleteValueKey)
{
    UNICODE_STRING name = Text(L"Gone");

    if (Begin()) {
        CHECK(Set(L"Gone", REG_SZ, L"", 2) == STATUS_SUCCESS);
        CHECK(ZwDeleteValueKey(Key, &name) == STATUS_SUCCESS);
        CHECK(ZwDeleteValueKey(Key, &name) == STATUS_OBJECT_NAME_NOT_FOUND);
    }
    End();
}

CASE_OF(ZwEnumerateValueKey)
{
    UCHAR buffer[128];
    PKEY_VALUE_BASIC_INFORMATION value = (PKEY_VALUE_BASIC_INFORMATION)buffer;
    ULONG bytes, index, seen = 0;

    if (Begin()) {
        CHECK(Set(L"A", REG_DWORD, L"xx", 4) == STATUS_SUCCESS && Set(L"B", REG_DWORD, L"xx", 4) == STATUS_SUCCESS);
        for (index = 0; index < 2; index++) {
            if (CHECK(ZwEnumerateValueKey(Key, index, KeyValueBasicInformation, value, sizeof(buffer), &bytes)
                      == STATUS_SUCCESS)) {
                seen |= value->NameLength == 2 ? 1u << (value->Name[0] - L'A') : 0;
            }
        }
        CHECK(seen == 3);
        CHECK(ZwEnumerateValueKey(Key, 2, KeyValueBasicInformation, value, sizeof(buffer), &bytes)
              == STATUS_NO_MORE_ENTRIES);
    }
    End();
}

CASE_OF(ZwEnumerateKey)
{
    UCHAR buffer[128];
    PKEY_BASIC_INFORMATION key = (PKEY_BASIC_INFORMATION)buffer;
    HANDLE child;
    ULONG bytes;

    if (Begin()) {
        if (CHECK(Open(Key, L"Child", &child, TRUE) == STATUS_SUCCESS)) {
            CHECK(ZwEnumerateKey(Key, 0, KeyBasicInformation, key, sizeof(buffer), &bytes) == STATUS_SUCCESS);
            CHECK(key->NameLength == 10 && SameBytes(key->Name, L"Child", 10));
            CHECK(ZwEnumerateKey(Key, 1, KeyBasicInformation, key, sizeof(buffer), &bytes) == STATUS_NO_MORE_ENTRIES);
            CHECK(ZwDeleteKey(child) == STATUS_SUCCESS);
            ZwClose(child);
        }
    }
    End();
}

CASE_OF(ZwQueryKey)
{
    UCHAR buffer[256];
    PKEY_FULL_INFORMATION full = (PKEY_FULL_INFORMATION)buffer;
    ULONG bytes;

    if (Begin()) {
        CHECK(Set(L"Longer", REG_BINARY, L"abc", 6) == STATUS_SUCCESS);
        CHECK(ZwQueryKey(Key, KeyFullInformation, full, sizeof(buffer), &bytes) == STATUS_SUCCESS);
        CHECK(full->SubKeys == 0 && full->Values == 1 && full->MaxValueNameLen == 12 && full->MaxValueDataLen == 6);
        CHECK(ZwQueryKey(Key, KeyFullInformation, full, 0, &bytes) == STATUS_BUFFER_TOO_SMALL);
    }
    End();
}

CASE_OF(ZwDeleteKey)
{
    HANDLE child, again;

    if (Begin()) {
        REQUIRE(Open(Key, L"Child", &child, TRUE) == STATUS_SUCCESS);
        CHECK(ZwDeleteKey(Key) == STATUS_CANNOT_DELETE); /* it has a subkey */
        CHECK(ZwDeleteKey(child) == STATUS_SUCCESS);
        CHECK(Open(Key, L"Child", &again, FALSE) == STATUS_OBJECT_NAME_NOT_FOUND);
        ZwClose(child);
    }
    End();
}

CASE_OF(ZwFlushKey)
{
    if (Begin()) {
        CHECK(ZwFlushKey(Key) == STATUS_SUCCESS);
    }
    End();
}

CASE_OF(IoOpenDriverRegistryKey)
{
    HANDLE handle;

    REQUIRE(IoOpenDriverRegistryKey(Driver, DriverRegKeyParameters, KEY_READ, 0, &handle) == STATUS_SUCCESS);
    CHECK(ZwClose(handle) == STATUS_SUCCESS);
}

const CASE RegistryChecks[] = {
    ROW(ZwOpenKey),
    ROW(ZwOpenKeyEx),
    ROW(ZwCreateKey),
    ROW(ZwSetValueKey),
    ROW(ZwQueryValueKey),
    ROW(ZwDeleteValueKey),
    ROW(ZwEnumerateValueKey),
    ROW(ZwEnumerateKey),
    ROW(ZwQueryKey),
    ROW(ZwDeleteKey),
    ROW(ZwFlushKey),
    ROW(IoOpenDriverRegistryKey),
    LAST,
};
