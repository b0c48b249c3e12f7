/*
 * Formatting: each conversion, and what happens at the end of the buffer.
 */
#include "kselftest.h"
#define FILE_NAME "crt_format.c"

#define IS(Buffer, Expected) SameBytes(Buffer, Expected, sizeof(Expected))

static int FormatBytes(CHAR *Buffer, SIZE_T Count, PCSTR Format, ...)
{
    va_list arguments;
    int result;

    va_start(arguments, Format);
    result = _vsnprintf(Buffer, Count, Format, arguments);
    va_end(arguments);
    return result;
}

static int FormatUnits(WCHAR *Buffer, SIZE_T Count, PCWSTR Format, ...)
{
    va_list arguments;
    int result;

    va_start(arguments, Format);
    result = _vsnwprintf(Buffer, Count, Format, arguments);
    va_end(arguments);
    return result;
}

static int FormatAll(CHAR *Buffer, PCSTR Format, ...)
{
    va_list arguments;
    int result;

    va_start(arguments, Format);
    result = vsprintf(Buffer, Format, arguments);
    va_end(arguments);
    return result;
}

CASE_OF(sprintf)
{
    CHAR text[128];

    CHECK(sprintf(text, "%d %u %x %X %o %c %%", -5, 4000000000u, 0xBEEF, 0xBEEF, 8, 'z') == 30);
    CHECK(IS(text, "-5 4000000000 beef BEEF 10 z %"));
    CHECK(sprintf(text, "[%5d|%-5d|%05d|%+d|% d|%#x]", 42, 42, 42, 42, 42, 42) == 32);
    CHECK(IS(text, "[   42|42   |00042|+42| 42|0x2a]"));
    CHECK(sprintf(text, "%.3s|%5s|%-5s|%s", "abcdef", "ab", "ab", "") == 16);
    CHECK(IS(text, "abc|   ab|ab   |"));
    CHECK(sprintf(text, "%I64d %lld %I64x %hd %hhu", -1ll, 1ll << 40, ~0ull, (short)-2, (UCHAR)255) == 40);
    CHECK(IS(text, "-1 1099511627776 ffffffffffffffff -2 255"));
    CHECK(sprintf(text, "%*d|%-*d|%.*s", 4, 7, 3, 7, 2, "xyz") == 11);
    CHECK(IS(text, "   7|7  |xy"));
    CHECK(sprintf(text, "%ls %S %p", L"wide", L"too", (PVOID)0x1234) == 25);
    CHECK(IS(text, "wide too 0000000000001234"));
}

CASE_OF(_snprintf)
{
    CHAR text[8] = "???????";

    CHECK(_snprintf(text, 4, "%d", 123) == 3 && IS(text, "123"));
    CHECK(_snprintf(text, 3, "%d", 456) == 3 && SameBytes(text, "456", 4)); /* full: nothing terminates it */
    CHECK(_snprintf(text, 2, "%d", 789) == -1 && SameBytes(text, "786", 3));
}

CASE_OF(_vsnprintf)
{
    CHAR text[32];

    CHECK(FormatBytes(text, sizeof(text), "%d %s %I64u", 1, "two", 3ull) == 7 && IS(text, "1 two 3"));
    CHECK(FormatBytes(text, 2, "%s", "two") == -1);
}

CASE_OF(vsprintf)
{
    CHAR text[32];

    CHECK(FormatAll(text, "%c%c%c %d %d %d", 'a', 'b', 'c', 4, 5, 6) == 9 && IS(text, "abc 4 5 6"));
}

CASE_OF(swprintf)
{
    WCHAR text[64];

    CHECK(swprintf(text, L"%s %d %hs %S %c", L"wide", 5, "narrow", "other", L'z') == 21);
    CHECK(IS(text, L"wide 5 narrow other z"));
}

CASE_OF(_snwprintf)
{
    WCHAR text[8] = L"???????";
    UNICODE_STRING string = {4, 6, L"abc"};

    CHECK(_snwprintf(text, 8, L"%d", 123) == 3 && IS(text, L"123"));
    CHECK(_snwprintf(text, 2, L"%d", 456) == -1 && text[0] == L'4' && text[1] == L'5' && text[2] == L'3');
    CHECK(_snwprintf(text, 8, L"%wZ!", &string) == 3 && IS(text, L"ab!"));
}

CASE_OF(_vsnwprintf)
{
    WCHAR text[32];

    CHECK(FormatUnits(text, 32, L"%d %s %x", 1, L"two", 0x3Fu) == 8 && IS(text, L"1 two 3f"));
    CHECK(FormatUnits(text, 3, L"%s", L"three") == -1);
}

const CASE CrtFormatChecks[] = {
    ROW(sprintf),  ROW(_snprintf),  ROW(_vsnprintf),  ROW(vsprintf),
    ROW(swprintf), ROW(_snwprintf), ROW(_vsnwprintf), LAST,
};
