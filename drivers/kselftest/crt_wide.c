/*
 * C strings of UTF-16 units.
 */
#include "kselftest.h"
#define FILE_NAME "crt_wide.c"

static const WCHAR Abcab[] = L"abcab";

static BOOLEAN Is(PCWSTR One, PCWSTR Other)
{
    UNICODE_STRING string = Text(One);

    return IsText(&string, Other);
}

CASE_OF(wcscat)
{
    WCHAR text[8] = L"ab";

    CHECK(wcscat(text, L"cd") == text && Is(text, L"abcd"));
}

CASE_OF(wcschr)
{
    CHECK(wcschr(Abcab, L'b') == Abcab + 1);
    CHECK(wcschr(Abcab, L'x') == NULL);
    CHECK(wcschr(Abcab, L'\0') == Abcab + 5);
}

CASE_OF(wcsrchr)
{
    CHECK(wcsrchr(Abcab, L'b') == Abcab + 4);
    CHECK(wcsrchr(Abcab, L'x') == NULL);
}

CASE_OF(wcscmp)
{
    CHECK(wcscmp(L"abc", L"abc") == 0);
    CHECK(wcscmp(L"abc", L"abd") < 0 && wcscmp(L"abc", L"ab") > 0);
    CHECK(wcscmp(L"\xFFFE", L"\x0001") > 0);
}

CASE_OF(wcsncmp)
{
    CHECK(wcsncmp(L"abc", L"abd", 2) == 0);
    CHECK(wcsncmp(L"abc", L"abd", 3) < 0);
    CHECK(wcsncmp(L"ab", L"ab", 9) == 0);
}

CASE_OF(wcscpy)
{
    WCHAR text[8] = L"???????";

    CHECK(wcscpy(text, L"abc") == text && Is(text, L"abc") && text[4] == L'?');
}

CASE_OF(wcsncpy)
{
    WCHAR text[8] = L"???????";

    CHECK(wcsncpy(text, L"ab", 4) == text && Is(text, L"ab") && text[3] == L'\0' && text[4] == L'?');
    CHECK(wcsncpy(text, L"xyz", 1) == text && Is(text, L"xb"));
}

CASE_OF(wcsncat)
{
    WCHAR text[8] = L"ab";

    CHECK(wcsncat(text, L"cdef", 2) == text && Is(text, L"abcd"));
    CHECK(wcsncat(text, L"g", 5) == text && Is(text, L"abcdg"));
}

CASE_OF(wcslen)
{
    CHECK(wcslen(L"") == 0 && wcslen(L"abc") == 3 && wcslen(L"\xD83D\xDE00") == 2);
}

CASE_OF(wcsnlen)
{
    CHECK(wcsnlen(L"abc", 9) == 3 && wcsnlen(L"abc", 2) == 2 && wcsnlen(L"abc", 0) == 0);
}

CASE_OF(wcsstr)
{
    CHECK(wcsstr(Abcab, L"ca") == Abcab + 2);
    CHECK(wcsstr(Abcab, L"abd") == NULL);
    CHECK(wcsstr(Abcab, L"") == Abcab);
}

CASE_OF(_wcsicmp)
{
    CHECK(_wcsicmp(L"aBc", L"AbC") == 0);
    CHECK(_wcsicmp(L"abc", L"ABD") < 0);
    CHECK(_wcsicmp(L"b", L"A") > 0);
}

CASE_OF(_wcsnicmp)
{
    CHECK(_wcsnicmp(L"aBcX", L"AbCy", 3) == 0);
    CHECK(_wcsnicmp(L"aBcX", L"AbCy", 4) < 0);
    CHECK(_wcsnicmp(L"x", L"y", 0) == 0);
}

CASE_OF(_wcslwr)
{
    WCHAR text[] = L"AbC-1";

    CHECK(_wcslwr(text) == text && Is(text, L"abc-1"));
}

CASE_OF(_wcsupr)
{
    WCHAR text[] = L"aBc-z";

    CHECK(_wcsupr(text) == text && Is(text, L"ABC-Z"));
}

CASE_OF(towlower)
{
    CHECK(towlower(L'A') == L'a' && towlower(L'a') == L'a' && towlower(L'[') == L'[');
}

CASE_OF(towupper)
{
    CHECK(towupper(L'z') == L'Z' && towupper(L'Z') == L'Z' && towupper(L'{') == L'{');
}

const CASE CrtWideChecks[] = {
    ROW(wcscat),  ROW(wcschr), ROW(wcsrchr), ROW(wcscmp),   ROW(wcsncmp),   ROW(wcscpy),  ROW(wcsncpy), ROW(wcsncat),
    ROW(wcslen),  ROW(wcsnlen), ROW(wcsstr), ROW(_wcsicmp), ROW(_wcsnicmp), ROW(_wcslwr), ROW(_wcsupr),
    ROW(towlower), ROW(towupper), LAST,
};
