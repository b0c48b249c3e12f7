/*
 * Counted strings: preparing, comparing, appending, copying.
 */
#include "kselftest.h"
#define FILE_NAME "rtl_string.c"

CASE_OF(RtlInitUnicodeString)
{
    UNICODE_STRING string;

    Fill(&string, sizeof(string), 0xCC);
    RtlInitUnicodeString(&string, L"abc");
    CHECK(string.Length == 6 && string.MaximumLength == 8);
    CHECK(string.Buffer != NULL && string.Buffer[2] == L'c');
    RtlInitUnicodeString(&string, L"");
    CHECK(string.Length == 0 && string.MaximumLength == 2 && string.Buffer != NULL);
    RtlInitUnicodeString(&string, NULL);
    CHECK(string.Length == 0 && string.MaximumLength == 0 && string.Buffer == NULL);
}

CASE_OF(RtlInitUnicodeStringEx)
{
    UNICODE_STRING string;
    PWSTR big;
    ULONG i;

    CHECK(RtlInitUnicodeStringEx(&string, L"abc") == STATUS_SUCCESS);
    CHECK(string.Length == 6 && string.MaximumLength == 8);
    CHECK(RtlInitUnicodeStringEx(&string, NULL) == STATUS_SUCCESS);
    CHECK(string.Length == 0 && string.Buffer == NULL);
    big = ExAllocatePoolWithTag(PagedPool, 0x10002, TAG);
    REQUIRE(big != NULL);
    for (i = 0; i < 0x8000; i++) {
        big[i] = L'x';
    }
    big[0x8000] = L'\0';
    CHECK(RtlInitUnicodeStringEx(&string, big) == STATUS_NAME_TOO_LONG);
    big[0x7FFE] = L'\0';
    CHECK(RtlInitUnicodeStringEx(&string, big) == STATUS_SUCCESS && string.Length == 0xFFFC);
    ExFreePoolWithTag(big, TAG);
}

CASE_OF(RtlInitAnsiString)
{
    ANSI_STRING string;

    RtlInitAnsiString(&string, "abc");
    CHECK(string.Length == 3 && string.MaximumLength == 4 && string.Buffer[0] == 'a');
    RtlInitAnsiString(&string, NULL);
    CHECK(string.Length == 0 && string.MaximumLength == 0 && string.Buffer == NULL);
}

CASE_OF(RtlInitString)
{
    STRING string;

    RtlInitString(&string, "");
    CHECK(string.Length == 0 && string.MaximumLength == 1 && string.Buffer != NULL);
    RtlInitString(&string, "four");
    CHECK(string.Length == 4 && string.MaximumLength == 5);
}

CASE_OF(RtlCompareUnicodeString)
{
    UNICODE_STRING a = Text(L"Abc"), b = Text(L"aBD"), prefix = Text(L"ab"), empty = Text(L"");

    CHECK(RtlCompareUnicodeString(&a, &a, FALSE) == 0);
    CHECK(RtlCompareUnicodeString(&a, &b, FALSE) < 0);
    CHECK(RtlCompareUnicodeString(&b, &a, FALSE) > 0);
    CHECK(RtlCompareUnicodeString(&a, &b, TRUE) < 0);
    CHECK(RtlCompareUnicodeString(&a, &prefix, TRUE) > 0);
    CHECK(RtlCompareUnicodeString(&empty, &prefix, TRUE) < 0);
    CHECK(RtlCompareUnicodeString(&empty, &empty, FALSE) == 0);
}

CASE_OF(RtlEqualUnicodeString)
{
    UNICODE_STRING a = Text(L"\u00C9t\u00E9"), b = Text(L"\u00E9T\u00C9"), c = Text(L"\u00C9t");

    CHECK(RtlEqualUnicodeString(&a, &a, FALSE));
    CHECK(!RtlEqualUnicodeString(&a, &b, FALSE));
    CHECK(RtlEqualUnicodeString(&a, &b, TRUE));
    CHECK(!RtlEqualUnicodeString(&a, &c, TRUE));
}

CASE_OF(RtlPrefixUnicodeString)
{
    UNICODE_STRING whole = Text(L"\\Device\\Disk"), prefix = Text(L"\\DEVICE"), empty = Text(L"");

    CHECK(RtlPrefixUnicodeString(&prefix, &whole, TRUE));
    CHECK(!RtlPrefixUnicodeString(&prefix, &whole, FALSE));
    CHECK(!RtlPrefixUnicodeString(&whole, &prefix, TRUE));
    CHECK(RtlPrefixUnicodeString(&empty, &whole, FALSE));
    CHECK(RtlPrefixUnicodeString(&whole, &whole, FALSE));
}

CASE_OF(RtlAppendUnicodeStringToString)
{
    WCHAR buffer[6] = L"ab";
    UNICODE_STRING to = {4, sizeof(buffer), buffer}, from = Text(L"cd"), long_one = Text(L"efg"), none = {0, 0, NULL};

    CHECK(RtlAppendUnicodeStringToString(&to, &from) == STATUS_SUCCESS);
    CHECK(IsText(&to, L"abcd") && buffer[4] == L'\0');
    CHECK(RtlAppendUnicodeStringToString(&to, &long_one) == STATUS_BUFFER_TOO_SMALL);
    CHECK(IsText(&to, L"abcd"));
    CHECK(RtlAppendUnicodeStringToString(&to, &none) == STATUS_SUCCESS);
    CHECK(to.Length == 8);
    CHECK(RtlAppendUnicodeStringToString(&to, &from) == STATUS_SUCCESS);
    CHECK(to.Length == sizeof(buffer) && buffer[5] == L'd');
}

CASE_OF(RtlAppendUnicodeToString)
{
    WCHAR buffer[4] = L"";
    UNICODE_STRING to = {0, sizeof(buffer), buffer};

    CHECK(RtlAppendUnicodeToString(&to, L"xy") == STATUS_SUCCESS);
    CHECK(IsText(&to, L"xy"));
    CHECK(RtlAppendUnicodeToString(&to, L"xyz") == STATUS_BUFFER_TOO_SMALL);
    CHECK(IsText(&to, L"xy"));
    CHECK(RtlAppendUnicodeToString(&to, NULL) == STATUS_SUCCESS && to.Length == 4);
}

CASE_OF(RtlCopyUnicodeString)
{
    WCHAR buffer[3] = L"??";
    UNICODE_STRING to = {0, sizeof(buffer), buffer}, from = Text(L"abcd"), one = Text(L"z");

    RtlCopyUnicodeString(&to, &from);
    CHECK(to.Length == 6 && IsText(&to, L"abc"));
    RtlCopyUnicodeString(&to, &one);
    CHECK(IsText(&to, L"z") && buffer[1] == L'\0');
    RtlCopyUnicodeString(&to, NULL);
    CHECK(to.Length == 0 && to.MaximumLength == sizeof(buffer));
}

CASE_OF(RtlHashUnicodeString)
{
    UNICODE_STRING lower = Text(L"ab"), upper = Text(L"AB"), empty = Text(L"");
    ULONG a = 0, b = 0;

    CHECK(RtlHashUnicodeString(&lower, FALSE, HASH_STRING_ALGORITHM_X65599, &a) == STATUS_SUCCESS);
    CHECK(a == 'a' * 65599u + 'b');
    CHECK(RtlHashUnicodeString(&lower, TRUE, HASH_STRING_ALGORITHM_DEFAULT, &a) == STATUS_SUCCESS);
    CHECK(RtlHashUnicodeString(&upper, FALSE, HASH_STRING_ALGORITHM_DEFAULT, &b) == STATUS_SUCCESS);
    CHECK(a == b && a == 'A' * 65599u + 'B');
    CHECK(RtlHashUnicodeString(&empty, TRUE, HASH_STRING_ALGORITHM_DEFAULT, &a) == STATUS_SUCCESS && a == 0);
    CHECK(RtlHashUnicodeString(&lower, FALSE, 77, &a) == STATUS_INVALID_PARAMETER);
}

CASE_OF(RtlFreeUnicodeString)
{
    UNICODE_STRING string = {0, 0, NULL}, from = Text(L"abc");

    RtlFreeUnicodeString(&string);
    REQUIRE(RtlUpcaseUnicodeString(&string, &from, TRUE) == STATUS_SUCCESS);
    RtlFreeUnicodeString(&string);
    CHECK(string.Buffer == NULL && string.Length == 0 && string.MaximumLength == 0);
}

CASE_OF(RtlFreeAnsiString)
{
    UNICODE_STRING from = Text(L"abc");
    ANSI_STRING string = {0, 0, NULL};

    RtlFreeAnsiString(&string);
    REQUIRE(RtlUnicodeStringToAnsiString(&string, &from, TRUE) == STATUS_SUCCESS);
    RtlFreeAnsiString(&string);
    CHECK(string.Buffer == NULL && string.Length == 0 && string.MaximumLength == 0);
}

const CASE StringChecks[] = {
    ROW(RtlInitUnicodeString),
    ROW(RtlInitUnicodeStringEx),
    ROW(RtlInitAnsiString),
    ROW(RtlInitString),
    ROW(RtlCompareUnicodeString),
    ROW(RtlEqualUnicodeString),
    ROW(RtlPrefixUnicodeString),
    ROW(RtlAppendUnicodeStringToString),
    ROW(RtlAppendUnicodeToString),
    ROW(RtlCopyUnicodeString),
    ROW(RtlHashUnicodeString),
    ROW(RtlFreeUnicodeString),
    ROW(RtlFreeAnsiString),
    LAST,
};
