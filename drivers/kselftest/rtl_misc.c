/*
 * Times in seconds, bytes in another order, sums, random numbers, short names, the registry by path.
 */
#include "kselftest.h"
#define FILE_NAME "rtl_misc.c"

/* 2000-01-01 00:00:00. */
#define YEAR_2000 125911584000000000ll

CASE_OF(RtlSecondsSince1970ToTime)
{
    LARGE_INTEGER time = {.QuadPart = 0};

    RtlSecondsSince1970ToTime(946684800, &time);
    CHECK(time.QuadPart == YEAR_2000);
}

CASE_OF(RtlSecondsSince1980ToTime)
{
    LARGE_INTEGER time = {.QuadPart = 0};

    RtlSecondsSince1980ToTime(631152000, &time);
    CHECK(time.QuadPart == YEAR_2000);
}

CASE_OF(RtlTimeToSecondsSince1970)
{
    LARGE_INTEGER time = {.QuadPart = YEAR_2000}, early = {.QuadPart = 5};
    ULONG seconds = 0;

    CHECK(RtlTimeToSecondsSince1970(&time, &seconds) && seconds == 946684800);
    CHECK(!RtlTimeToSecondsSince1970(&early, &seconds));
}

CASE_OF(RtlTimeToSecondsSince1980)
{
    LARGE_INTEGER time = {.QuadPart = YEAR_2000}, early = {.QuadPart = 5};
    ULONG seconds = 0;

    CHECK(RtlTimeToSecondsSince1980(&time, &seconds) && seconds == 631152000);
    CHECK(!RtlTimeToSecondsSince1980(&early, &seconds));
}

CASE_OF(RtlUshortByteSwap)
{
    USHORT(__fastcall * swap)(USHORT) = Export(L"RtlUshortByteSwap");

    REQUIRE(swap != NULL);
    CHECK(swap(0x1234) == 0x3412);
}

CASE_OF(RtlUlongByteSwap)
{
    ULONG(__fastcall * swap)(ULONG) = Export(L"RtlUlongByteSwap");

    REQUIRE(swap != NULL);
    CHECK(swap(0x12345678) == 0x78563412);
}

CASE_OF(RtlUlonglongByteSwap)
{
    ULONGLONG(__fastcall * swap)(ULONGLONG) = Export(L"RtlUlonglongByteSwap");

    REQUIRE(swap != NULL);
    CHECK(swap(0x0123456789ABCDEFull) == 0xEFCDAB8967452301ull);
}

CASE_OF(RtlComputeCrc32)
{
    ULONG(NTAPI * crc)(ULONG, PVOID, ULONG) = Export(L"RtlComputeCrc32");

    REQUIRE(crc != NULL);
    CHECK(crc(0, (PVOID) "123456789", 9) == 0xCBF43926);
    CHECK(crc(crc(0, (PVOID) "1234", 4), (PVOID) "56789", 5) == 0xCBF43926);
}

CASE_OF(RtlFillMemoryUlong)
{
    VOID(NTAPI * fill)(PVOID, SIZE_T, ULONG) = Export(L"RtlFillMemoryUlong");
    ULONG words[4] = {1, 1, 1, 1};

    REQUIRE(fill != NULL);
    fill(words + 1, 8, 0xABCD1234);
    CHECK(words[0] == 1 && words[1] == 0xABCD1234 && words[2] == 0xABCD1234 && words[3] == 1);
}

CASE_OF(RtlFillMemoryUlonglong)
{
    VOID(NTAPI * fill)(PVOID, SIZE_T, ULONGLONG) = Export(L"RtlFillMemoryUlonglong");
    ULONGLONG words[3] = {1, 1, 1};

    REQUIRE(fill != NULL);
    fill(words + 1, 8, 0x123456789ull);
    CHECK(words[0] == 1 && words[1] == 0x123456789ull && words[2] == 1);
}

CASE_OF(RtlIsZeroMemory)
{
    BOOLEAN(NTAPI * zero)(PVOID, SIZE_T) = Export(L"RtlIsZeroMemory");
    UCHAR bytes[40] = {0};

    REQUIRE(zero != NULL);
    CHECK(zero(bytes, 40));
    bytes[39] = 1;
    CHECK(zero(bytes + 1, 38) && !zero(bytes + 1, 39));
}

CASE_OF(RtlUniform)
{
    ULONG(NTAPI * uniform)(PULONG) = Export(L"RtlUniform");
    ULONG one = 5, other = 5, first;

    REQUIRE(uniform != NULL);
    first = uniform(&one);
    CHECK(first == one); /* the result is the next seed */
    CHECK(uniform(&other) == first && uniform(&one) != first);
}

CASE_OF(RtlCharToInteger)
{
    NTSTATUS(NTAPI * convert)(PCSTR, ULONG, PULONG) = Export(L"RtlCharToInteger");
    ULONG value = 0;

    REQUIRE(convert != NULL);
    CHECK(convert(" -0x1f", 0, &value) == STATUS_SUCCESS && value == (ULONG)-31);
    CHECK(convert("777", 8, &value) == STATUS_SUCCESS && value == 511);
    CHECK(convert("1", 7, &value) == STATUS_INVALID_PARAMETER);
}

CASE_OF(RtlIsNameLegalDOS8Dot3)
{
    UNICODE_STRING good = Text(L"README.TXT"), bad = Text(L"long name.text");
    BOOLEAN spaces = 9;

    CHECK(RtlIsNameLegalDOS8Dot3(&good, NULL, &spaces) && spaces == FALSE);
    CHECK(!RtlIsNameLegalDOS8Dot3(&bad, NULL, &spaces));
}

CASE_OF(RtlGetNtProductType)
{
    BOOLEAN(NTAPI * product)(PULONG) = Export(L"RtlGetNtProductType");
    ULONG type = 0;

    REQUIRE(product != NULL);
    CHECK(product(&type) && type == 1);
}

CASE_OF(RtlCheckRegistryKey)
{
    CHECK(RtlCheckRegistryKey(RTL_REGISTRY_SERVICES, L"kselftest") == STATUS_SUCCESS);
    CHECK(RtlCheckRegistryKey(RTL_REGISTRY_SERVICES, L"no such service") == STATUS_OBJECT_NAME_NOT_FOUND);
}

static ULONG ReadBack(PCWSTR Name)
{
    RTL_QUERY_REGISTRY_TABLE table[2];
    ULONG value = 0;

    Fill(table, sizeof(table), 0);
    table[0].Flags = RTL_QUERY_REGISTRY_DIRECT | RTL_QUERY_REGISTRY_REQUIRED;
    table[0].Name = (PWSTR)Name;
    table[0].EntryContext = &value;
    return NT_SUCCESS(RtlQueryRegistryValues(RTL_REGISTRY_SERVICES, L"kselftest", table, NULL, NULL)) ? value : 0;
}

CASE_OF(RtlWriteRegistryValue)
{
    ULONG value = 77;

    CHECK(RtlWriteRegistryValue(RTL_REGISTRY_SERVICES, L"kselftest", L"Written", REG_DWORD, &value, 4) == STATUS_SUCCESS);
    CHECK(ReadBack(L"Written") == 77);
    RtlDeleteRegistryValue(RTL_REGISTRY_SERVICES, L"kselftest", L"Written");
}

CASE_OF(RtlQueryRegistryValues)
{
    ULONG value = 78;

    RtlWriteRegistryValue(RTL_REGISTRY_SERVICES, L"kselftest", L"Queried", REG_DWORD, &value, 4);
    CHECK(ReadBack(L"Queried") == 78);
    CHECK(ReadBack(L"NotThere") == 0);
    RtlDeleteRegistryValue(RTL_REGISTRY_SERVICES, L"kselftest", L"Queried");
}

CASE_OF(RtlDeleteRegistryValue)
{
    ULONG value = 79;

    RtlWriteRegistryValue(RTL_REGISTRY_SERVICES, L"kselftest", L"Gone", REG_DWORD, &value, 4);
    CHECK(RtlDeleteRegistryValue(RTL_REGISTRY_SERVICES, L"kselftest", L"Gone") == STATUS_SUCCESS);
    CHECK(RtlDeleteRegistryValue(RTL_REGISTRY_SERVICES, L"kselftest", L"Gone") == STATUS_OBJECT_NAME_NOT_FOUND);
}

CASE_OF(RtlCreateRegistryKey)
{
    CHECK(RtlCreateRegistryKey(RTL_REGISTRY_SERVICES, L"kselftest\\Made") == STATUS_SUCCESS);
    CHECK(RtlCheckRegistryKey(RTL_REGISTRY_SERVICES, L"kselftest\\Made") == STATUS_SUCCESS);
}

const CASE MiscChecks[] = {
    ROW(RtlSecondsSince1970ToTime),
    ROW(RtlSecondsSince1980ToTime),
    ROW(RtlTimeToSecondsSince1970),
    ROW(RtlTimeToSecondsSince1980),
    ROW(RtlUshortByteSwap),
    ROW(RtlUlongByteSwap),
    ROW(RtlUlonglongByteSwap),
    ROW(RtlComputeCrc32),
    ROW(RtlFillMemoryUlong),
    ROW(RtlFillMemoryUlonglong),
    ROW(RtlIsZeroMemory),
    ROW(RtlUniform),
    ROW(RtlCharToInteger),
    ROW(RtlIsNameLegalDOS8Dot3),
    ROW(RtlGetNtProductType),
    ROW(RtlCheckRegistryKey),
    ROW(RtlWriteRegistryValue),
    ROW(RtlQueryRegistryValues),
    ROW(RtlDeleteRegistryValue),
    ROW(RtlCreateRegistryKey),
    LAST,
};
