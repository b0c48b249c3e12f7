/*
 * The _s functions: what is too long leaves an empty string and an error, or is cut where that is asked for.
 */
#include "kselftest.h"
#define FILE_NAME "crt_safe.c"

#define IS(Buffer, Expected) SameBytes(Buffer, Expected, sizeof(Expected))
#define EINVAL_ 22
#define ERANGE_ 34
#define STRUNCATE_ 80
#define TRUNCATE_ ((SIZE_T)-1)

static int BytesSafe(CHAR *Buffer, SIZE_T Size, SIZE_T Count, PCSTR Format, ...)
{
    va_list arguments;
    int result;

    va_start(arguments, Format);
    result = _vsnprintf_s(Buffer, Size, Count, Format, arguments);
    va_end(arguments);
    return result;
}

static int UnitsSafe(WCHAR *Buffer, SIZE_T Size, SIZE_T Count, PCWSTR Format, ...)
{
    va_list arguments;
    int result;

    va_start(arguments, Format);
    result = _vsnwprintf_s(Buffer, Size, Count, Format, arguments);
    va_end(arguments);
    return result;
}

static int AllBytesSafe(CHAR *Buffer, SIZE_T Size, PCSTR Format, ...)
{
    va_list arguments;
    int result;

    va_start(arguments, Format);
    result = vsprintf_s(Buffer, Size, Format, arguments);
    va_end(arguments);
    return result;
}

static int AllUnitsSafe(WCHAR *Buffer, SIZE_T Size, PCWSTR Format, ...)
{
    va_list arguments;
    int result;

    va_start(arguments, Format);
    result = vswprintf_s(Buffer, Size, Format, arguments);
    va_end(arguments);
    return result;
}

CASE_OF(strcpy_s)
{
    CHAR text[4] = "??";

    CHECK(strcpy_s(text, sizeof(text), "abc") == 0 && IS(text, "abc"));
    CHECK(strcpy_s(text, sizeof(text), "abcd") == ERANGE_ && text[0] == '\0');
    CHECK(strcpy_s(text, 0, "a") != 0);
}

CASE_OF(strcat_s)
{
    CHAR text[5] = "ab";

    CHECK(strcat_s(text, sizeof(text), "cd") == 0 && IS(text, "abcd"));
    CHECK(strcat_s(text, sizeof(text), "e") == ERANGE_ && text[0] == '\0');
}

CASE_OF(strncpy_s)
{
    CHAR text[4] = "??";

    CHECK(strncpy_s(text, sizeof(text), "abcdef", 3) == 0 && IS(text, "abc"));
    CHECK(strncpy_s(text, sizeof(text), "abcdef", TRUNCATE_) == STRUNCATE_ && IS(text, "abc"));
    CHECK(strncpy_s(text, sizeof(text), "abcdef", 4) == ERANGE_ && text[0] == '\0');
}

CASE_OF(wcscpy_s)
{
    WCHAR text[4] = L"??";

    CHECK(wcscpy_s(text, 4, L"abc") == 0 && IS(text, L"abc"));
    CHECK(wcscpy_s(text, 4, L"abcd") == ERANGE_ && text[0] == L'\0');
}

CASE_OF(wcscat_s)
{
    WCHAR text[5] = L"ab";

    CHECK(wcscat_s(text, 5, L"cd") == 0 && IS(text, L"abcd"));
    CHECK(wcscat_s(text, 5, L"e") == ERANGE_ && text[0] == L'\0');
}

CASE_OF(wcsncpy_s)
{
    WCHAR text[4] = L"??";

    CHECK(wcsncpy_s(text, 4, L"abcdef", 2) == 0 && IS(text, L"ab"));
    CHECK(wcsncpy_s(text, 4, L"abcdef", TRUNCATE_) == STRUNCATE_ && IS(text, L"abc"));
    CHECK(wcsncpy_s(text, 4, L"abcdef", 5) == ERANGE_ && text[0] == L'\0');
}

CASE_OF(wcsncat_s)
{
    WCHAR text[5] = L"ab";

    CHECK(wcsncat_s(text, 5, L"cdef", 1) == 0 && IS(text, L"abc"));
    CHECK(wcsncat_s(text, 5, L"defg", TRUNCATE_) == STRUNCATE_ && IS(text, L"abcd"));
}

CASE_OF(sprintf_s)
{
    CHAR text[4] = "??";

    CHECK(sprintf_s(text, sizeof(text), "%d", 123) == 3 && IS(text, "123"));
    CHECK(sprintf_s(text, sizeof(text), "%d", 1234) == -1 && text[0] == '\0');
}

CASE_OF(vsprintf_s)
{
    CHAR text[8];

    CHECK(AllBytesSafe(text, sizeof(text), "%s-%d", "ab", 5) == 4 && IS(text, "ab-5"));
    CHECK(AllBytesSafe(text, 3, "%s", "abc") == -1 && text[0] == '\0');
}

CASE_OF(_snprintf_s)
{
    CHAR text[4] = "??";

    CHECK(_snprintf_s(text, sizeof(text), 3, "%d", 123) == 3 && IS(text, "123"));
    CHECK(_snprintf_s(text, sizeof(text), TRUNCATE_, "%d", 12345) == -1 && IS(text, "123"));
    CHECK(_snprintf_s(text, sizeof(text), 2, "%d", 789) == -1 && IS(text, "78"));
}

CASE_OF(_vsnprintf_s)
{
    CHAR text[4];

    CHECK(BytesSafe(text, sizeof(text), 3, "%c%d", 'x', 12) == 3 && IS(text, "x12"));
    CHECK(BytesSafe(text, sizeof(text), TRUNCATE_, "%s", "abcdef") == -1 && IS(text, "abc"));
}

CASE_OF(swprintf_s)
{
    WCHAR text[4] = L"??";

    CHECK(swprintf_s(text, 4, L"%d", 123) == 3 && IS(text, L"123"));
    CHECK(swprintf_s(text, 4, L"%d", 1234) == -1 && text[0] == L'\0');
}

CASE_OF(vswprintf_s)
{
    WCHAR text[8];

    CHECK(AllUnitsSafe(text, 8, L"%s-%d", L"ab", 5) == 4 && IS(text, L"ab-5"));
    CHECK(AllUnitsSafe(text, 3, L"%s", L"abc") == -1 && text[0] == L'\0');
}

CASE_OF(_snwprintf_s)
{
    WCHAR text[4] = L"??";

    CHECK(_snwprintf_s(text, 4, 3, L"%d", 123) == 3 && IS(text, L"123"));
    CHECK(_snwprintf_s(text, 4, TRUNCATE_, L"%d", 12345) == -1 && IS(text, L"123"));
}

CASE_OF(_vsnwprintf_s)
{
    WCHAR text[4];

    CHECK(UnitsSafe(text, 4, 3, L"%c%d", L'x', 12) == 3 && IS(text, L"x12"));
    CHECK(UnitsSafe(text, 4, TRUNCATE_, L"%s", L"abcdef") == -1 && IS(text, L"abc"));
}

const CASE CrtSafeChecks[] = {
    ROW(strcpy_s),   ROW(strcat_s),    ROW(strncpy_s),   ROW(wcscpy_s),     ROW(wcscat_s),    ROW(wcsncpy_s),
    ROW(wcsncat_s),  ROW(sprintf_s),   ROW(vsprintf_s),  ROW(_snprintf_s),  ROW(_vsnprintf_s), ROW(swprintf_s),
    ROW(vswprintf_s), ROW(_snwprintf_s), ROW(_vsnwprintf_s), LAST,
};
