/*
 * The rest of the C library: numbers as text, character classes, parts of strings, sorting.
 */
#include "kselftest.h"
#include "crt_more.h"
#define FILE_NAME "crt_more.c"

#define IS(Buffer, Expected) SameBytes(Buffer, Expected, sizeof(Expected))
#define ERANGE_ 34
#define LOWEST (-0x7FFFFFFFFFFFFFFFll - 1)

/* Numbers as text, in bytes and in units: smallest, base 16, base 2; the _s forms refuse what does not fit. */
#define TO_TEXT(Export, UNIT, TYPE, Low, LowText, High, HighText, L)                                                 \
    CASE_OF(Export)                                                                                                  \
    {                                                                                                                \
        UNIT text[70];                                                                                               \
                                                                                                                     \
        CHECK(Export((TYPE)(Low), text, 10) == text && IS(text, LowText));                                           \
        CHECK(Export((TYPE)(High), text, 16) == text && IS(text, HighText));                                         \
        CHECK(Export(5, text, 2) == text && IS(text, L##"101"));                                                     \
    }                                                                                                                \
                                                                                                                     \
    CASE_OF(Export##_s)                                                                                              \
    {                                                                                                                \
        UNIT text[70];                                                                                               \
                                                                                                                     \
        CHECK(Export##_s((TYPE)(Low), text, 70, 10) == 0 && IS(text, LowText));                                      \
        CHECK(Export##_s(1234, text, 4, 10) == ERANGE_ && text[0] == 0);                                             \
        CHECK(Export##_s(123, text, 4, 10) == 0 && IS(text, L##"123"));                                              \
    }

TO_TEXT(_itoa, CHAR, int, -2147483647 - 1, "-2147483648", -1, "ffffffff", u8)
TO_TEXT(_itow, WCHAR, int, -2147483647 - 1, L"-2147483648", -1, L"ffffffff", L)
TO_TEXT(_ultoa, CHAR, ULONG, 0xFFFFFFFF, "4294967295", 0xABCD, "abcd", u8)
TO_TEXT(_ultow, WCHAR, ULONG, 0xFFFFFFFF, L"4294967295", 0xABCD, L"abcd", L)
TO_TEXT(_i64toa, CHAR, LONG64, LOWEST, "-9223372036854775808", 0xABCD, "abcd", u8)
TO_TEXT(_i64tow, WCHAR, LONG64, LOWEST, L"-9223372036854775808", 0xABCD, L"abcd", L)
TO_TEXT(_ui64toa, CHAR, ULONG64, ~0ull, "18446744073709551615", ~0ull, "ffffffffffffffff", u8)
TO_TEXT(_ui64tow, WCHAR, ULONG64, ~0ull, L"18446744073709551615", ~0ull, L"ffffffffffffffff", L)

CASE_OF(_atoi64)
{
    CHECK(_atoi64(" -9223372036854775808x") == LOWEST && _atoi64("12") == 12 && _atoi64("") == 0);
}

CASE_OF(atol)
{
    CHECK(atol("\t+2147483647") == 2147483647 && atol("-3x") == -3 && atol("x") == 0);
}

CASE_OF(_wtoi)
{
    CHECK(_wtoi(L" -17x") == -17 && _wtoi(L"") == 0 && _wtoi(L"+8") == 8);
}

CASE_OF(_wtol)
{
    CHECK(_wtol(L"2147483647") == 2147483647 && _wtol(L"-1") == -1);
}

CASE_OF(_wtoi64)
{
    CHECK(_wtoi64(L"9223372036854775807") == 0x7FFFFFFFFFFFFFFFll && _wtoi64(L"-1") == -1);
}

CASE_OF(strtol)
{
    CHAR text[] = " -0x1Fz", *end = NULL;

    CHECK(strtol(text, &end, 0) == -31 && end == text + 6);
    CHECK(strtol("777", NULL, 8) == 511 && strtol("99999999999", NULL, 10) == 2147483647);
    CHECK(strtol(text + 6, &end, 10) == 0 && end == text + 6); /* no number */
}

CASE_OF(strtoul)
{
    CHECK(strtoul("4294967295", NULL, 10) == 0xFFFFFFFF && strtoul("ff", NULL, 16) == 255);
    CHECK(strtoul("010", NULL, 0) == 8 && strtoul("zz", NULL, 36) == 35 * 37);
}

CASE_OF(wcstol)
{
    WCHAR text[] = L"-12;", *end = NULL;

    CHECK(wcstol(text, &end, 10) == -12 && end == text + 3 && wcstol(L"0x10", NULL, 16) == 16);
}

CASE_OF(wcstoul)
{
    CHECK(wcstoul(L"4294967295", NULL, 10) == 0xFFFFFFFF && wcstoul(L"0x10", NULL, 0) == 16);
}

CASE_OF(labs)
{
    CHECK(labs(-7) == 7 && labs(7) == 7);
}

/* What of 0 to 127 belongs to a class: the sum of its members, and how many. */
#define CLASS(Export, Members, First, Last)                                                                          \
    CASE_OF(Export)                                                                                                  \
    {                                                                                                                \
        int c, members = 0;                                                                                          \
                                                                                                                     \
        for (c = 0; c < 128; c++) {                                                                                  \
            members += Export(c) != 0;                                                                               \
        }                                                                                                            \
        CHECK(members == (Members));                                                                                 \
        CHECK(Export(First) != 0 && Export(Last) != 0 && Export((First)-1) == 0 && Export((Last) + 1) == 0);         \
        CHECK((Export(First) != 0) + (Export(Last) != 0) == 2);                                                      \
    }

CLASS(isdigit, 10, '0', '9')
CLASS(islower, 26, 'a', 'z')
CLASS(isupper, 26, 'A', 'Z')
CLASS(isprint, 95, ' ', '~')
CLASS(isspace, 6, '\t', '\r')
CLASS(isxdigit, 22, 'a', 'f')
CLASS(iswdigit, 10, L'0', L'9')
CLASS(iswlower, 26, L'a', L'z')
CLASS(iswspace, 6, L'\t', L'\r')
CLASS(iswxdigit, 22, L'A', L'F')
CLASS(iswalpha, 52, L'A', L'Z')
CLASS(iswalnum, 62, L'0', L'9')

CASE_OF(iswascii)
{
    CHECK(iswascii(0) && iswascii(0x7F) && !iswascii(0x80) && !iswascii(0x4E00));
}

CASE_OF(strspn)
{
    CHECK(strspn("aabc", "ba") == 3 && strspn("x", "ab") == 0 && strspn("ab", "ab") == 2);
}

CASE_OF(strcspn)
{
    CHECK(strcspn("xya", "ab") == 2 && strcspn("xy", "ab") == 2 && strcspn("a", "ab") == 0);
}

CASE_OF(strpbrk)
{
    PCSTR text = "xyab";

    CHECK(strpbrk(text, "ba") == text + 2 && strpbrk(text, "q") == NULL);
}

CASE_OF(wcsspn)
{
    CHECK(wcsspn(L"aabc", L"ba") == 3 && wcsspn(L"x", L"ab") == 0);
}

CASE_OF(wcscspn)
{
    CHECK(wcscspn(L"xya", L"ab") == 2 && wcscspn(L"xy", L"ab") == 2);
}

CASE_OF(wcspbrk)
{
    PCWSTR text = L"xyab";

    CHECK(wcspbrk(text, L"ba") == text + 2 && wcspbrk(text, L"q") == NULL);
}

CASE_OF(strtok_s)
{
    CHAR text[] = ",a,,b", *state = NULL;

    CHECK(strtok_s(text, ",", &state) == text + 1 && text[2] == '\0');
    CHECK(strtok_s(NULL, ",", &state) == text + 4);
    CHECK(strtok_s(NULL, ",", &state) == NULL);
}

CASE_OF(wcstok_s)
{
    WCHAR text[] = L"a b", *state = NULL;

    CHECK(wcstok_s(text, L" ", &state) == text && text[1] == L'\0');
    CHECK(wcstok_s(NULL, L" ", &state) == text + 2 && wcstok_s(NULL, L" ", &state) == NULL);
}

CASE_OF(strncat)
{
    CHAR text[8] = "ab";

    CHECK(strncat(text, "cdef", 2) == text && IS(text, "abcd"));
}

CASE_OF(_memicmp)
{
    CHECK(_memicmp("aBc", "AbC", 3) == 0 && _memicmp("a", "B", 1) < 0 && _memicmp("x", "y", 0) == 0);
}

CASE_OF(_memccpy)
{
    CHAR to[8] = "???????";

    CHECK(_memccpy(to, "ab.cd", '.', 5) == to + 3 && SameBytes(to, "ab.?", 4));
    CHECK(_memccpy(to, "abcd", '.', 2) == NULL && SameBytes(to, "ab.?", 4));
}

CASE_OF(memcpy_s)
{
    CHAR to[4] = "???";

    CHECK(memcpy_s(to, 4, "abc", 4) == 0 && IS(to, "abc"));
    CHECK(memcpy_s(to, 2, "xyz", 3) != 0 && to[0] == '\0'); /* emptied */
}

CASE_OF(memmove_s)
{
    CHAR text[6] = "abcde";

    CHECK(memmove_s(text + 1, 4, text, 4) == 0 && IS(text, "aabcd"));
    CHECK(memmove_s(text, 2, "xyz", 3) == ERANGE_);
}

CASE_OF(_strlwr_s)
{
    CHAR text[] = "AbC";

    CHECK(_strlwr_s(text, 4) == 0 && IS(text, "abc"));
}

CASE_OF(_strupr_s)
{
    CHAR text[] = "aBc";

    CHECK(_strupr_s(text, 4) == 0 && IS(text, "ABC"));
}

CASE_OF(_wcslwr_s)
{
    WCHAR text[] = L"AbC";

    CHECK(_wcslwr_s(text, 4) == 0 && IS(text, L"abc"));
}

CASE_OF(_wcsupr_s)
{
    WCHAR text[] = L"aBc";

    CHECK(_wcsupr_s(text, 4) == 0 && IS(text, L"ABC"));
}

CASE_OF(_strrev)
{
    CHAR text[] = "abc";

    CHECK(_strrev(text) == text && IS(text, "cba"));
}

CASE_OF(_wcsrev)
{
    WCHAR text[] = L"abcd";

    CHECK(_wcsrev(text) == text && IS(text, L"dcba"));
}

CASE_OF(_strset)
{
    CHAR text[] = "abc";

    CHECK(_strset(text, 'x') == text && IS(text, "xxx"));
}

CASE_OF(_strnset)
{
    CHAR text[] = "abc";

    CHECK(_strnset(text, 'x', 2) == text && IS(text, "xxc"));
}

CASE_OF(_wcsset)
{
    WCHAR text[] = L"abc";

    CHECK(_wcsset(text, L'x') == text && IS(text, L"xxx"));
}

CASE_OF(_wcsnset)
{
    WCHAR text[] = L"abc";

    CHECK(_wcsnset(text, L'x', 9) == text && IS(text, L"xxx"));
}

static int __cdecl CompareNumbers(const void *First, const void *Second)
{
    LONG first = *(const LONG *)First, second = *(const LONG *)Second;

    return (first > second) - (first < second);
}

CASE_OF(qsort)
{
    LONG numbers[50];
    ULONG i, sum = 0;

    for (i = 0; i < 50; i++) {
        numbers[i] = (LONG)(i * 37 % 50) - 25;
    }
    qsort(numbers, 50, sizeof(LONG), CompareNumbers);
    for (i = 0; i < 50; i++) {
        sum += numbers[i] == (LONG)i - 25;
    }
    CHECK(sum == 50);
    qsort(numbers, 0, sizeof(LONG), CompareNumbers);
}

CASE_OF(bsearch)
{
    LONG numbers[] = {-3, 0, 4, 9}, key = 4, none = 5;

    CHECK(bsearch(&key, numbers, 4, sizeof(LONG), CompareNumbers) == &numbers[2]);
    CHECK(bsearch(&none, numbers, 4, sizeof(LONG), CompareNumbers) == NULL);
}

const CASE CrtMoreChecks[] = {
    ROW(_itoa), ROW(_itoa_s), ROW(_itow), ROW(_itow_s), ROW(_ultoa), ROW(_ultoa_s), ROW(_ultow), ROW(_ultow_s),
    ROW(_i64toa), ROW(_i64toa_s), ROW(_i64tow), ROW(_i64tow_s), ROW(_ui64toa), ROW(_ui64toa_s), ROW(_ui64tow),
    ROW(_ui64tow_s), ROW(_atoi64), ROW(atol), ROW(_wtoi), ROW(_wtol), ROW(_wtoi64), ROW(strtol), ROW(strtoul),
    ROW(wcstol), ROW(wcstoul), ROW(labs), ROW(isdigit), ROW(islower), ROW(isupper), ROW(isprint), ROW(isspace),
    ROW(isxdigit), ROW(iswdigit), ROW(iswlower), ROW(iswspace), ROW(iswxdigit), ROW(iswalpha), ROW(iswalnum),
    ROW(iswascii), ROW(strspn), ROW(strcspn), ROW(strpbrk), ROW(wcsspn), ROW(wcscspn), ROW(wcspbrk), ROW(strtok_s),
    ROW(wcstok_s), ROW(strncat), ROW(_memicmp), ROW(_memccpy), ROW(memcpy_s), ROW(memmove_s), ROW(_strlwr_s),
    ROW(_strupr_s), ROW(_wcslwr_s), ROW(_wcsupr_s), ROW(_strrev), ROW(_wcsrev), ROW(_strset), ROW(_strnset),
    ROW(_wcsset), ROW(_wcsnset), ROW(qsort), ROW(bsearch), LAST,
};
