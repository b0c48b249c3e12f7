/*
 * C strings of bytes, blocks of memory, single characters.
 */
#include "kselftest.h"
#define FILE_NAME "crt_string.c"

static const CHAR Abcab[] = "abcab";

CASE_OF(memchr)
{
    CHECK(memchr("a\0b", 'b', 3) != NULL);
    CHECK(memchr(Abcab, 'b', 5) == Abcab + 1);
    CHECK(memchr(Abcab, 'c', 2) == NULL);
    CHECK(memchr(Abcab, 'a' + 0x100, 5) == Abcab);
}

CASE_OF(memcmp)
{
    CHECK(memcmp("abc", "abd", 2) == 0);
    CHECK(memcmp("abc", "abd", 3) < 0);
    CHECK(memcmp("\xFF", "\x01", 1) > 0);
    CHECK(memcmp("x", "y", 0) == 0);
}

CASE_OF(memcpy)
{
    CHAR to[20] = "????????????????";

    CHECK(memcpy(to + 1, "0123456789", 10) == to + 1);
    CHECK(SameBytes(to, "?0123456789?", 12));
}

CASE_OF(memmove)
{
    CHAR text[] = "0123456789";

    CHECK(memmove(text + 3, text, 7) == text + 3);
    CHECK(SameBytes(text, "0120123456", 11));
    CHECK(memmove(text, text + 3, 7) == text);
    CHECK(SameBytes(text, "0123456456", 11));
}

CASE_OF(memset)
{
    UCHAR bytes[12] = {0};

    CHECK(memset(bytes + 1, 0x1AB, 10) == bytes + 1);
    CHECK(bytes[0] == 0 && Holds(bytes + 1, 10, 0xAB) && bytes[11] == 0);
}

CASE_OF(strcat)
{
    CHAR text[8] = "ab";

    CHECK(strcat(text, "cd") == text && SameBytes(text, "abcd", 5));
    CHECK(strcat(text, "") == text && SameBytes(text, "abcd", 5));
}

CASE_OF(strchr)
{
    CHECK(strchr(Abcab, 'b') == Abcab + 1);
    CHECK(strchr(Abcab, 'x') == NULL);
    CHECK(strchr(Abcab, '\0') == Abcab + 5);
}

CASE_OF(strrchr)
{
    CHECK(strrchr(Abcab, 'b') == Abcab + 4);
    CHECK(strrchr(Abcab, 'x') == NULL);
    CHECK(strrchr(Abcab, '\0') == Abcab + 5);
}

CASE_OF(strcmp)
{
    CHECK(strcmp("abc", "abc") == 0);
    CHECK(strcmp("abc", "abd") < 0 && strcmp("abd", "abc") > 0);
    CHECK(strcmp("abc", "ab") > 0);
    CHECK(strcmp("\x80", "\x7F") > 0);
}

CASE_OF(strncmp)
{
    CHECK(strncmp("abc", "abd", 2) == 0);
    CHECK(strncmp("abc", "abd", 3) < 0);
    CHECK(strncmp("ab", "ab", 100) == 0);
    CHECK(strncmp("x", "y", 0) == 0);
}

CASE_OF(strcpy)
{
    CHAR text[8] = "???????";

    CHECK(strcpy(text, "abc") == text && SameBytes(text, "abc\0???", 7));
}

CASE_OF(strncpy)
{
    CHAR text[8] = "???????";

    CHECK(strncpy(text, "abc", 5) == text && SameBytes(text, "abc\0\0??", 7));
    CHECK(strncpy(text, "xyzw", 2) == text && SameBytes(text, "xyc\0\0??", 7));
}

CASE_OF(strlen)
{
    CHECK(strlen("") == 0 && strlen("abc") == 3 && strlen("a\0b") == 1);
}

CASE_OF(strnlen)
{
    CHECK(strnlen("abc", 10) == 3 && strnlen("abc", 2) == 2 && strnlen("abc", 0) == 0);
}

CASE_OF(strstr)
{
    CHECK(strstr(Abcab, "ab") == Abcab);
    CHECK(strstr(Abcab, "ca") == Abcab + 2);
    CHECK(strstr(Abcab, "abd") == NULL);
    CHECK(strstr(Abcab, "") == Abcab);
}

CASE_OF(_stricmp)
{
    CHECK(_stricmp("aBc", "AbC") == 0);
    CHECK(_stricmp("abc", "ABD") < 0);
    CHECK(_stricmp("_", "A") < 0); /* compares lower case: '_' is below 'a' */
}

CASE_OF(_strnicmp)
{
    CHECK(_strnicmp("aBcX", "AbCy", 3) == 0);
    CHECK(_strnicmp("aBcX", "AbCy", 4) < 0);
    CHECK(_strnicmp("x", "y", 0) == 0);
}

CASE_OF(_strlwr)
{
    CHAR text[] = "AbC-1";

    CHECK(_strlwr(text) == text && SameBytes(text, "abc-1", 6));
}

CASE_OF(_strupr)
{
    CHAR text[] = "aBc-z";

    CHECK(_strupr(text) == text && SameBytes(text, "ABC-Z", 6));
}

CASE_OF(tolower)
{
    CHECK(tolower('A') == 'a' && tolower('a') == 'a' && tolower('@') == '@' && tolower('[') == '[');
}

CASE_OF(toupper)
{
    CHECK(toupper('z') == 'Z' && toupper('Z') == 'Z' && toupper('`') == '`' && toupper('{') == '{');
}

CASE_OF(abs)
{
    CHECK(abs(-5) == 5 && abs(5) == 5 && abs(0) == 0);
}

CASE_OF(atoi)
{
    CHECK(atoi("42") == 42 && atoi(" \t-17x") == -17 && atoi("+8") == 8 && atoi("x") == 0 && atoi("") == 0);
    CHECK(atoi("2147483647") == 2147483647);
}

const CASE CrtStringChecks[] = {
    ROW(memchr),  ROW(memcmp),    ROW(memcpy),  ROW(memmove), ROW(memset),  ROW(strcat),  ROW(strchr), ROW(strrchr),
    ROW(strcmp),  ROW(strncmp),   ROW(strcpy),  ROW(strncpy), ROW(strlen),  ROW(strnlen), ROW(strstr), ROW(_stricmp),
    ROW(_strnicmp), ROW(_strlwr), ROW(_strupr), ROW(tolower), ROW(toupper), ROW(abs),     ROW(atoi),   LAST,
};
