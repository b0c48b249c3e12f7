/*
 * The strings that are used less: of bytes, suffixes, copies, checks.
 */
#include "kselftest.h"
#define FILE_NAME "rtl_string2.c"

static BOOLEAN IsBytes(const STRING *String, PCSTR Expected, USHORT Length)
{
    return String->Length == Length && SameBytes(String->Buffer, Expected, Length);
}

CASE_OF(RtlCopyString)
{
    CHAR buffer[3] = "??";
    STRING to = {0, 3, buffer}, from = {4, 4, "abcd"};

    RtlCopyString(&to, &from);
    CHECK(IsBytes(&to, "abc", 3));
    RtlCopyString(&to, NULL);
    CHECK(to.Length == 0);
}

CASE_OF(RtlAppendStringToString)
{
    CHAR buffer[5] = "ab";
    STRING to = {2, 5, buffer}, from = {2, 2, "cd"};

    CHECK(RtlAppendStringToString(&to, &from) == STATUS_SUCCESS && IsBytes(&to, "abcd", 4));
    CHECK(RtlAppendStringToString(&to, &from) == STATUS_BUFFER_TOO_SMALL && to.Length == 4);
}

CASE_OF(RtlAppendAsciizToString)
{
    CHAR buffer[4] = "a";
    STRING to = {1, 4, buffer};

    CHECK(RtlAppendAsciizToString(&to, "bc") == STATUS_SUCCESS && IsBytes(&to, "abc", 3));
    CHECK(RtlAppendAsciizToString(&to, "de") == STATUS_BUFFER_TOO_SMALL && to.Length == 3);
    CHECK(RtlAppendAsciizToString(&to, NULL) == STATUS_SUCCESS);
}

CASE_OF(RtlCompareString)
{
    STRING a = {3, 3, "abc"}, b = {3, 3, "ABD"}, prefix = {2, 2, "ab"};

    CHECK(RtlCompareString(&a, &b, TRUE) < 0 && RtlCompareString(&a, &b, FALSE) > 0);
    CHECK(RtlCompareString(&a, &prefix, FALSE) > 0 && RtlCompareString(&a, &a, FALSE) == 0);
}

CASE_OF(RtlEqualString)
{
    STRING a = {3, 3, "abc"}, b = {3, 3, "ABC"};

    CHECK(RtlEqualString(&a, &b, TRUE) && !RtlEqualString(&a, &b, FALSE));
}

CASE_OF(RtlPrefixString)
{
    STRING whole = {3, 3, "abc"}, prefix = {2, 2, "AB"};

    CHECK(RtlPrefixString(&prefix, &whole, TRUE) && !RtlPrefixString(&prefix, &whole, FALSE));
    CHECK(!RtlPrefixString(&whole, &prefix, TRUE));
}

CASE_OF(RtlUpperString)
{
    CHAR buffer[3] = "??";
    STRING to = {0, 3, buffer}, from = {4, 4, "a1bc"};

    RtlUpperString(&to, &from);
    CHECK(IsBytes(&to, "A1B", 3));
}

CASE_OF(RtlUpperChar)
{
    CHECK(RtlUpperChar('a') == 'A' && RtlUpperChar('Z') == 'Z' && RtlUpperChar('1') == '1');
}

CASE_OF(RtlCompareUnicodeStrings)
{
    CHECK(RtlCompareUnicodeStrings(L"abc", 3, L"ABC", 3, TRUE) == 0);
    CHECK(RtlCompareUnicodeStrings(L"abc", 3, L"ABC", 3, FALSE) > 0);
    CHECK(RtlCompareUnicodeStrings(L"abc", 2, L"abc", 3, FALSE) < 0);
}

CASE_OF(RtlSuffixUnicodeString)
{
    UNICODE_STRING whole = Text(L"name.TXT"), suffix = Text(L".txt"), empty = Text(L"");

    CHECK(RtlSuffixUnicodeString(&suffix, &whole, TRUE) && !RtlSuffixUnicodeString(&suffix, &whole, FALSE));
    CHECK(!RtlSuffixUnicodeString(&whole, &suffix, TRUE) && RtlSuffixUnicodeString(&empty, &whole, FALSE));
}

CASE_OF(RtlDowncaseUnicodeString)
{
    WCHAR buffer[3];
    UNICODE_STRING to = {0, sizeof(buffer), buffer}, from = Text(L"A\u00C9z"), more = Text(L"ABCD"), made;

    CHECK(RtlDowncaseUnicodeString(&to, &from, FALSE) == STATUS_SUCCESS && IsText(&to, L"a\u00E9z"));
    CHECK(RtlDowncaseUnicodeString(&to, &more, FALSE) == STATUS_BUFFER_OVERFLOW);
    REQUIRE(RtlDowncaseUnicodeString(&made, &more, TRUE) == STATUS_SUCCESS);
    CHECK(IsText(&made, L"abcd"));
    RtlFreeUnicodeString(&made);
}

CASE_OF(RtlDuplicateUnicodeString)
{
    UNICODE_STRING from = Text(L"abc"), made, empty = {0, 0, NULL};

    REQUIRE(RtlDuplicateUnicodeString(1, &from, &made) == STATUS_SUCCESS);
    CHECK(IsText(&made, L"abc") && made.Buffer != from.Buffer && made.Buffer[3] == L'\0');
    RtlFreeUnicodeString(&made);
    CHECK(RtlDuplicateUnicodeString(0, &empty, &made) == STATUS_SUCCESS && made.Buffer == NULL);
    CHECK(RtlDuplicateUnicodeString(2, &from, &made) == STATUS_INVALID_PARAMETER);
}

CASE_OF(RtlValidateUnicodeString)
{
    UNICODE_STRING good = Text(L"abc"), odd = {3, 4, L"ab"}, beyond = {6, 4, L"abc"};

    CHECK(RtlValidateUnicodeString(0, &good) == STATUS_SUCCESS);
    CHECK(RtlValidateUnicodeString(0, &odd) == STATUS_INVALID_PARAMETER);
    CHECK(RtlValidateUnicodeString(0, &beyond) == STATUS_INVALID_PARAMETER);
    CHECK(RtlValidateUnicodeString(1, &good) == STATUS_INVALID_PARAMETER);
}

CASE_OF(RtlCreateUnicodeString)
{
    UNICODE_STRING made = {0, 0, NULL};

    REQUIRE(RtlCreateUnicodeString(&made, L"abc"));
    REQUIRE(made.Buffer != NULL);
    CHECK(IsText(&made, L"abc") && made.MaximumLength == 8);
    RtlFreeUnicodeString(&made);
}

CASE_OF(RtlEraseUnicodeString)
{
    WCHAR buffer[4] = L"abc";
    UNICODE_STRING string = {6, 8, buffer};

    RtlEraseUnicodeString(&string);
    CHECK(string.Length == 0 && string.MaximumLength == 8 && Holds(buffer, 8, 0));
}

const CASE MoreStringChecks[] = {
    ROW(RtlCopyString),
    ROW(RtlAppendStringToString),
    ROW(RtlAppendAsciizToString),
    ROW(RtlCompareString),
    ROW(RtlEqualString),
    ROW(RtlPrefixString),
    ROW(RtlUpperString),
    ROW(RtlUpperChar),
    ROW(RtlCompareUnicodeStrings),
    ROW(RtlSuffixUnicodeString),
    ROW(RtlDowncaseUnicodeString),
    ROW(RtlDuplicateUnicodeString),
    ROW(RtlValidateUnicodeString),
    ROW(RtlCreateUnicodeString),
    ROW(RtlEraseUnicodeString),
    LAST,
};
