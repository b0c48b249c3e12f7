/*
 * Bounded strings and checked integers of the headers, called from native code. What does not hold is printed, and
 * DriverEntry fails.
 */
#include "../shared/filter.h"
#include <NTSTRSAFE.H>
#include <NtIntSafe.h>

static ULONG Failed;

#define HOLDS(Claim)                                             \
    do {                                                         \
        if (!(Claim)) {                                          \
            DbgPrint("bounds: line %d: %s\n", __LINE__, #Claim); \
            Failed++;                                            \
        }                                                        \
    } while (0)

static BOOLEAN Same(const WCHAR *One, const WCHAR *Other)
{
    while (*One == *Other && *One != 0) {
        One++;
        Other++;
    }
    return *One == *Other;
}

static void Copying(void)
{
    WCHAR text[6];
    CHAR narrow[6];
    WCHAR *end = NULL;
    size_t rest = 0;

    HOLDS(RtlStringCchCopyW(text, 6, L"abcde") == STATUS_SUCCESS && Same(text, L"abcde"));
    HOLDS(RtlStringCchCopyW(text, 6, L"abcdef") == STATUS_BUFFER_OVERFLOW && Same(text, L"abcde"));
    HOLDS(RtlStringCbCopyW(text, 7, L"abcde") == STATUS_BUFFER_OVERFLOW && Same(text, L"ab"));
    HOLDS(RtlStringCchCopyW(text, 0, L"a") == STATUS_INVALID_PARAMETER && Same(text, L"ab"));
    HOLDS(RtlStringCchCopyNW(text, 6, L"abcde", 3) == STATUS_SUCCESS && Same(text, L"abc"));
    HOLDS(RtlStringCchCatW(text, 6, L"XY") == STATUS_SUCCESS && Same(text, L"abcXY"));
    HOLDS(RtlStringCchCatW(text, 6, L"Z") == STATUS_BUFFER_OVERFLOW && Same(text, L"abcXY"));
    HOLDS(RtlStringCchCatW(text, 5, L"Z") == STATUS_INVALID_PARAMETER);
    HOLDS(RtlStringCchCatNA(narrow, 0, "x", 1) == STATUS_INVALID_PARAMETER);
    HOLDS(RtlStringCbCopyA(narrow, sizeof(narrow), "12345678") == STATUS_BUFFER_OVERFLOW && narrow[4] == '5');
    HOLDS(RtlStringCchCopyExW(text, 6, L"ab", &end, &rest, STRSAFE_FILL_BEHIND_NULL | 0x7A) == STATUS_SUCCESS);
    HOLDS(end == text + 2 && rest == 4 && text[2] == 0 && text[3] == 0x7A7A && text[5] == 0x7A7A);
    HOLDS(RtlStringCchCopyExW(text, 3, L"abc", &end, &rest, STRSAFE_NO_TRUNCATION) == STATUS_BUFFER_OVERFLOW);
    HOLDS(text[0] == 0 && end == text && rest == 3);
    HOLDS(RtlStringCbCopyExW(text, 7, L"a", &end, &rest, 0) == STATUS_SUCCESS && rest == 5);
    HOLDS(RtlStringCchCopyExW(NULL, 0, NULL, NULL, NULL, STRSAFE_IGNORE_NULLS) == STATUS_SUCCESS);
}

static void Formatting(void)
{
    WCHAR text[8];
    size_t length = 99;

    HOLDS(RtlStringCchPrintfW(text, 8, L"%d-%s", 42, L"abc") == STATUS_SUCCESS && Same(text, L"42-abc"));
    HOLDS(RtlStringCchPrintfW(text, 8, L"%s", L"1234567") == STATUS_SUCCESS && Same(text, L"1234567"));
    HOLDS(RtlStringCbPrintfW(text, 16, L"%s", L"12345678") == STATUS_BUFFER_OVERFLOW && Same(text, L"1234567"));
    HOLDS(RtlStringCchLengthW(L"four", 8, &length) == STATUS_SUCCESS && length == 4);
    HOLDS(RtlStringCbLengthW(L"four", 16, &length) == STATUS_SUCCESS && length == 8);
    HOLDS(RtlStringCchLengthW(L"four", 4, &length) == STATUS_INVALID_PARAMETER && length == 0);
    HOLDS(RtlStringCchLengthW(NULL, 4, NULL) == STATUS_INVALID_PARAMETER);
}

static void Counted(void)
{
    WCHAR space[4];
    UNICODE_STRING string = {0, sizeof(space), space}, source, remainder;

    RtlInitUnicodeString(&source, L"xyz");
    HOLDS(RtlUnicodeStringCopyString(&string, L"ab") == STATUS_SUCCESS && string.Length == 4);
    HOLDS(RtlUnicodeStringCat(&string, &source) == STATUS_BUFFER_OVERFLOW && string.Length == 8 && space[3] == L'y');
    HOLDS(RtlUnicodeStringCopy(&string, &source) == STATUS_SUCCESS && string.Length == 6);
    HOLDS(RtlUnicodeStringCchCopyStringN(&string, L"pqrs", 2) == STATUS_SUCCESS && string.Length == 4);
    HOLDS(RtlUnicodeStringPrintf(&string, L"%04x", 0xBEEF) == STATUS_SUCCESS && string.Length == 8 && space[3] == L'f');
    HOLDS(RtlUnicodeStringPrintf(&string, L"%05x", 1) == STATUS_BUFFER_OVERFLOW && string.Length == 8);
    HOLDS(RtlUnicodeStringCopyEx(&string, &source, &remainder, 0) == STATUS_SUCCESS);
    HOLDS(remainder.Buffer == space + 3 && remainder.MaximumLength == 2 && remainder.Length == 0);
    string.Length = 3;
    HOLDS(RtlUnicodeStringValidate(&string) == STATUS_INVALID_PARAMETER);
    HOLDS(RtlUnicodeStringInit(&string, L"ab") == STATUS_SUCCESS && string.Length == 4 && string.MaximumLength == 6);
}

static void Integers(void)
{
    ULONG number = 0;
    USHORT small = 0;
    SIZE_T size = 0;
    LONG sign = 0;

    HOLDS(RtlULongAdd(1, 2, &number) == STATUS_SUCCESS && number == 3);
    HOLDS(RtlULongAdd(0xFFFFFFFF, 1, &number) == STATUS_INTEGER_OVERFLOW && number == 0xFFFFFFFF);
    HOLDS(RtlULongSub(1, 2, &number) == STATUS_INTEGER_OVERFLOW);
    HOLDS(RtlULongMult(0x10000, 0x10000, &number) == STATUS_INTEGER_OVERFLOW);
    HOLDS(RtlSizeTMult(0x100000000, 0xFFFFFFFF, &size) == STATUS_SUCCESS && size == 0xFFFFFFFF00000000);
    HOLDS(RtlSizeTMult(0x100000000, 0x100000000, &size) == STATUS_INTEGER_OVERFLOW);
    HOLDS(RtlULongToUShort(0xFFFF, &small) == STATUS_SUCCESS && small == 0xFFFF);
    HOLDS(RtlULongToUShort(0x10000, &small) == STATUS_INTEGER_OVERFLOW);
    HOLDS(RtlSizeTToULong(0x100000000, &number) == STATUS_INTEGER_OVERFLOW);
    HOLDS(RtlULongToLong(0x80000000, &sign) == STATUS_INTEGER_OVERFLOW);
    __try {
        /* Functions that clang would inline elsewhere have a body to call here. */
        HOLDS(RtlUShortAdd(0xFFFF, 1, &small) == STATUS_INTEGER_OVERFLOW);
    } __finally {
        HOLDS(small == 0xFFFF);
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT Driver, PUNICODE_STRING Path)
{
    UNREFERENCED_PARAMETER(Path);
    Copying();
    Formatting();
    Counted();
    Integers();
#ifdef BREAK_A_BOUND
    HOLDS(!"asked for");
#endif
    if (Failed != 0) {
        return STATUS_UNSUCCESSFUL;
    }
    return StartFilter(Driver);
}
