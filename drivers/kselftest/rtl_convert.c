/*
 * Counted strings: upper and lower case, other character sets, numbers in text.
 */
#include "kselftest.h"
#define FILE_NAME "rtl_convert.c"

CASE_OF(RtlUpcaseUnicodeChar)
{
    CHECK(RtlUpcaseUnicodeChar(L'a') == L'A');
    CHECK(RtlUpcaseUnicodeChar(L'A') == L'A');
    CHECK(RtlUpcaseUnicodeChar(0x00E9) == 0x00C9);
    CHECK(RtlUpcaseUnicodeChar(0x00FF) == 0x0178);
    CHECK(RtlUpcaseUnicodeChar(0x03C3) == 0x03A3);
    CHECK(RtlUpcaseUnicodeChar(0x00DF) == 0x00DF);
    CHECK(RtlUpcaseUnicodeChar(0xD800) == 0xD800);
}

CASE_OF(RtlDowncaseUnicodeChar)
{
    CHECK(RtlDowncaseUnicodeChar(L'Z') == L'z');
    CHECK(RtlDowncaseUnicodeChar(L'[') == L'[');
    CHECK(RtlDowncaseUnicodeChar(0x00C9) == 0x00E9);
    CHECK(RtlDowncaseUnicodeChar(0xDC00) == 0xDC00);
}

CASE_OF(RtlUpcaseUnicodeString)
{
    WCHAR buffer[3];
    UNICODE_STRING to = {0, sizeof(buffer), buffer}, from = Text(L"a\u00E9z"), more = Text(L"abcd"), made;

    CHECK(RtlUpcaseUnicodeString(&to, &from, FALSE) == STATUS_SUCCESS);
    CHECK(IsText(&to, L"A\u00C9Z"));
    CHECK(RtlUpcaseUnicodeString(&to, &more, FALSE) == STATUS_BUFFER_OVERFLOW);
    REQUIRE(RtlUpcaseUnicodeString(&made, &more, TRUE) == STATUS_SUCCESS);
    CHECK(IsText(&made, L"ABCD"));
    RtlFreeUnicodeString(&made);
}

CASE_OF(RtlAnsiStringToUnicodeString)
{
    WCHAR buffer[4];
    ANSI_STRING from = {3, 4, "abc"}, longer = {4, 5, "abcd"};
    UNICODE_STRING to = {0, sizeof(buffer), buffer}, made = {0, 0, NULL};

    CHECK(RtlAnsiStringToUnicodeString(&to, &from, FALSE) == STATUS_SUCCESS);
    CHECK(IsText(&to, L"abc") && buffer[3] == L'\0');
    CHECK(RtlAnsiStringToUnicodeString(&to, &longer, FALSE) == STATUS_BUFFER_OVERFLOW);
    REQUIRE(RtlAnsiStringToUnicodeString(&made, &longer, TRUE) == STATUS_SUCCESS);
    CHECK(IsText(&made, L"abcd") && made.MaximumLength == 10);
    RtlFreeUnicodeString(&made);
}

CASE_OF(RtlUnicodeStringToAnsiString)
{
    CHAR buffer[4];
    ANSI_STRING to = {0, sizeof(buffer), buffer}, made = {0, 0, NULL};
    UNICODE_STRING from = Text(L"abc"), longer = Text(L"abcd");

    CHECK(RtlUnicodeStringToAnsiString(&to, &from, FALSE) == STATUS_SUCCESS);
    CHECK(to.Length == 3 && SameBytes(buffer, "abc", 4));
    CHECK(RtlUnicodeStringToAnsiString(&to, &longer, FALSE) == STATUS_BUFFER_OVERFLOW);
    REQUIRE(RtlUnicodeStringToAnsiString(&made, &longer, TRUE) == STATUS_SUCCESS);
    CHECK(made.Length == 4 && SameBytes(made.Buffer, "abcd", 5));
    RtlFreeAnsiString(&made);
}

CASE_OF(RtlIntegerToUnicodeString)
{
    WCHAR buffer[33];
    UNICODE_STRING to = {0, sizeof(buffer), buffer};

    CHECK(RtlIntegerToUnicodeString(0, 10, &to) == STATUS_SUCCESS && IsText(&to, L"0"));
    CHECK(RtlIntegerToUnicodeString(0xFFFFFFFF, 0, &to) == STATUS_SUCCESS && IsText(&to, L"4294967295"));
    CHECK(RtlIntegerToUnicodeString(0xBEEF, 16, &to) == STATUS_SUCCESS && IsText(&to, L"BEEF"));
    CHECK(RtlIntegerToUnicodeString(8, 8, &to) == STATUS_SUCCESS && IsText(&to, L"10"));
    CHECK(RtlIntegerToUnicodeString(5, 2, &to) == STATUS_SUCCESS && IsText(&to, L"101"));
    CHECK(RtlIntegerToUnicodeString(5, 7, &to) == STATUS_INVALID_PARAMETER);
    to.MaximumLength = 4;
    CHECK(RtlIntegerToUnicodeString(123, 10, &to) == STATUS_BUFFER_OVERFLOW);
    CHECK(RtlIntegerToUnicodeString(12, 10, &to) == STATUS_SUCCESS && IsText(&to, L"12"));
}

CASE_OF(RtlInt64ToUnicodeString)
{
    WCHAR buffer[65];
    UNICODE_STRING to = {0, sizeof(buffer), buffer};

    CHECK(RtlInt64ToUnicodeString(0xFFFFFFFFFFFFFFFFull, 10, &to) == STATUS_SUCCESS);
    CHECK(IsText(&to, L"18446744073709551615"));
    CHECK(RtlInt64ToUnicodeString(0x123456789ABCDEFull, 16, &to) == STATUS_SUCCESS && IsText(&to, L"123456789ABCDEF"));
    to.MaximumLength = 2;
    CHECK(RtlInt64ToUnicodeString(10, 10, &to) == STATUS_BUFFER_OVERFLOW);
}

CASE_OF(RtlUnicodeStringToInteger)
{
    static const struct {
        PCWSTR Text;
        ULONG Base;
        ULONG Value;
    } good[] = {
        {L"123", 10, 123},         {L"  -5", 10, (ULONG)-5}, {L"+7x", 10, 7},       {L"0x1F", 0, 0x1F},
        {L"0o17", 0, 15},          {L"0b101", 0, 5},         {L"ff", 16, 0xFF},     {L"", 10, 0},
        {L"4294967295", 0, 0xFFFFFFFF}, {L"89", 8, 0},
    };
    UNICODE_STRING text;
    ULONG value, i;

    for (i = 0; i < ARRAYSIZE(good); i++) {
        text = Text(good[i].Text);
        value = 0xAAAA;
        CHECK(RtlUnicodeStringToInteger(&text, good[i].Base, &value) == STATUS_SUCCESS);
        CHECK(value == good[i].Value);
    }
    text = Text(L"1");
    CHECK(RtlUnicodeStringToInteger(&text, 3, &value) == STATUS_INVALID_PARAMETER);
}

const CASE StringConversionChecks[] = {
    ROW(RtlUpcaseUnicodeChar),
    ROW(RtlDowncaseUnicodeChar),
    ROW(RtlUpcaseUnicodeString),
    ROW(RtlAnsiStringToUnicodeString),
    ROW(RtlUnicodeStringToAnsiString),
    LAST,
};

const CASE NumberChecks[] = {
    ROW(RtlIntegerToUnicodeString),
    ROW(RtlInt64ToUnicodeString),
    ROW(RtlUnicodeStringToInteger),
    LAST,
};
