/*
 * Character sets: the code pages of a western system, and UTF-8 with surrogates and what is no UTF-8.
 */
#include "kselftest.h"
#define FILE_NAME "rtl_codepage.c"

/* e with an acute accent: E9 in code page 1252, 82 in 437. */
static WCHAR Wide[] = L"a\u00E9";
static UNICODE_STRING Source = {4, 6, Wide};

static BOOLEAN IsBytes(const STRING *String, PCSTR Expected, USHORT Length)
{
    return String->Length == Length && SameBytes(String->Buffer, Expected, Length);
}

CASE_OF(RtlOemStringToUnicodeString)
{
    WCHAR buffer[3];
    STRING from = {2, 2, "a\x82"};
    UNICODE_STRING to = {0, sizeof(buffer), buffer}, small = {0, 4, buffer}, made;

    CHECK(RtlOemStringToUnicodeString(&to, &from, FALSE) == STATUS_SUCCESS && IsText(&to, L"a\u00E9"));
    CHECK(RtlOemStringToUnicodeString(&small, &from, FALSE) == STATUS_BUFFER_OVERFLOW);
    REQUIRE(RtlOemStringToUnicodeString(&made, &from, TRUE) == STATUS_SUCCESS);
    CHECK(IsText(&made, L"a\u00E9"));
    RtlFreeUnicodeString(&made);
}

CASE_OF(RtlOemStringToCountedUnicodeString)
{
    WCHAR buffer[2];
    STRING from = {2, 2, "a\x82"};
    UNICODE_STRING to = {0, sizeof(buffer), buffer};

    CHECK(RtlOemStringToCountedUnicodeString(&to, &from, FALSE) == STATUS_SUCCESS);
    CHECK(to.Length == 4 && buffer[1] == 0xE9); /* no room for a zero is needed */
}

CASE_OF(RtlUnicodeStringToOemString)
{
    CHAR buffer[3];
    STRING to = {0, 3, buffer}, small = {0, 2, buffer};

    CHECK(RtlUnicodeStringToOemString(&to, &Source, FALSE) == STATUS_SUCCESS && IsBytes(&to, "a\x82", 2));
    CHECK(buffer[2] == '\0');
    CHECK(RtlUnicodeStringToOemString(&small, &Source, FALSE) == STATUS_BUFFER_OVERFLOW);
}

CASE_OF(RtlUnicodeStringToCountedOemString)
{
    CHAR buffer[2];
    STRING to = {0, 2, buffer};

    CHECK(RtlUnicodeStringToCountedOemString(&to, &Source, FALSE) == STATUS_SUCCESS && IsBytes(&to, "a\x82", 2));
}

CASE_OF(RtlUpcaseUnicodeStringToOemString)
{
    CHAR buffer[3];
    STRING to = {0, 3, buffer};

    CHECK(RtlUpcaseUnicodeStringToOemString(&to, &Source, FALSE) == STATUS_SUCCESS && IsBytes(&to, "A\x90", 2));
}

CASE_OF(RtlUpcaseUnicodeStringToCountedOemString)
{
    CHAR buffer[2];
    STRING to = {0, 2, buffer};

    CHECK(RtlUpcaseUnicodeStringToCountedOemString(&to, &Source, FALSE) == STATUS_SUCCESS);
    CHECK(IsBytes(&to, "A\x90", 2));
}

CASE_OF(RtlUpcaseUnicodeStringToAnsiString)
{
    CHAR buffer[3];
    STRING to = {0, 3, buffer};

    CHECK(RtlUpcaseUnicodeStringToAnsiString(&to, &Source, FALSE) == STATUS_SUCCESS && IsBytes(&to, "A\xC9", 2));
}

CASE_OF(RtlFreeOemString)
{
    STRING made = {0, 0, NULL};

    REQUIRE(RtlUnicodeStringToOemString(&made, &Source, TRUE) == STATUS_SUCCESS);
    CHECK(IsBytes(&made, "a\x82", 2));
    RtlFreeOemString(&made);
    CHECK(made.Buffer == NULL);
}

/* Sizes with the terminating zero. */
#define SIZE_CASE(Export, Argument, Size)                                                                            \
    CASE_OF(Export)                                                                                                  \
    {                                                                                                                \
        STRING bytes = {3, 3, "abc"};                                                                                \
                                                                                                                     \
        CHECK(bytes.Length == 3);                                                                                    \
        CHECK(Export(Argument) == Size);                                                                             \
    }

SIZE_CASE(RtlxOemStringToUnicodeSize, &bytes, 8)
SIZE_CASE(RtlxAnsiStringToUnicodeSize, &bytes, 8)
SIZE_CASE(RtlxUnicodeStringToOemSize, &Source, 3)
SIZE_CASE(RtlxUnicodeStringToAnsiSize, &Source, 3)

CASE_OF(RtlAnsiStringToUnicodeSize)
{
    ULONG(NTAPI * size)(const STRING *) = Export(L"RtlAnsiStringToUnicodeSize");
    STRING bytes = {3, 3, "abc"};

    REQUIRE(size != NULL);
    CHECK(size(&bytes) == 8);
}

CASE_OF(RtlUnicodeStringToAnsiSize)
{
    ULONG(NTAPI * size)(const UNICODE_STRING *) = Export(L"RtlUnicodeStringToAnsiSize");

    REQUIRE(size != NULL);
    CHECK(size(&Source) == 3);
}

CASE_OF(RtlAnsiCharToUnicodeChar)
{
    UCHAR text[] = "a\xE9";
    PUCHAR at = text;

    CHECK(RtlAnsiCharToUnicodeChar(&at) == L'a' && at == text + 1);
    CHECK(RtlAnsiCharToUnicodeChar(&at) == 0xE9 && at == text + 2);
}

CASE_OF(RtlMultiByteToUnicodeN)
{
    WCHAR to[3] = L"??";
    ULONG bytes = 0;

    CHECK(RtlMultiByteToUnicodeN(to, sizeof(to), &bytes, "a\xE9", 2) == STATUS_SUCCESS && bytes == 4 && to[1] == 0xE9);
    CHECK(RtlMultiByteToUnicodeN(to, 2, &bytes, "xyz", 3) == STATUS_SUCCESS && bytes == 2); /* cut, and no error */
}

CASE_OF(RtlMultiByteToUnicodeSize)
{
    ULONG bytes = 0;

    CHECK(RtlMultiByteToUnicodeSize(&bytes, "abc", 3) == STATUS_SUCCESS && bytes == 6);
}

CASE_OF(RtlUnicodeToMultiByteN)
{
    CHAR to[4] = "???";
    ULONG bytes = 0;

    CHECK(RtlUnicodeToMultiByteN(to, 4, &bytes, Wide, 4) == STATUS_SUCCESS && bytes == 2);
    CHECK(SameBytes(to, "a\xE9?", 3));
    CHECK(RtlUnicodeToMultiByteN(to, 1, &bytes, Wide, 4) == STATUS_SUCCESS && bytes == 1);
}

CASE_OF(RtlUnicodeToMultiByteSize)
{
    ULONG bytes = 0;

    CHECK(RtlUnicodeToMultiByteSize(&bytes, Wide, 4) == STATUS_SUCCESS && bytes == 2);
}

CASE_OF(RtlUpcaseUnicodeToMultiByteN)
{
    CHAR to[2];
    ULONG bytes = 0;

    CHECK(RtlUpcaseUnicodeToMultiByteN(to, 2, &bytes, Wide, 4) == STATUS_SUCCESS && SameBytes(to, "A\xC9", 2));
}

CASE_OF(RtlOemToUnicodeN)
{
    WCHAR to[2];
    ULONG bytes = 0;

    CHECK(RtlOemToUnicodeN(to, 4, &bytes, "a\x82", 2) == STATUS_SUCCESS && bytes == 4 && to[1] == 0xE9);
}

CASE_OF(RtlUnicodeToOemN)
{
    CHAR to[2];
    ULONG bytes = 0;

    CHECK(RtlUnicodeToOemN(to, 2, &bytes, Wide, 4) == STATUS_SUCCESS && SameBytes(to, "a\x82", 2));
}

CASE_OF(RtlUpcaseUnicodeToOemN)
{
    CHAR to[2];
    ULONG bytes = 0;

    CHECK(RtlUpcaseUnicodeToOemN(to, 2, &bytes, Wide, 4) == STATUS_SUCCESS && SameBytes(to, "A\x90", 2));
}

CASE_OF(RtlIsValidOemCharacter)
{
    WCHAR good = L'a', bad = 0x4E00;

    CHECK(RtlIsValidOemCharacter(&good) && !RtlIsValidOemCharacter(&bad));
}

CASE_OF(RtlGetDefaultCodePage)
{
    USHORT ansi = 0, oem = 0;

    RtlGetDefaultCodePage(&ansi, &oem);
    CHECK(ansi == 1252 && oem == 437);
}

CASE_OF(RtlInitUTF8String)
{
    STRING string;

    RtlInitUTF8String(&string, "abc");
    CHECK(string.Length == 3 && string.MaximumLength == 4);
    RtlInitUTF8String(&string, NULL);
    CHECK(string.Length == 0 && string.Buffer == NULL);
}

CASE_OF(RtlInitUTF8StringEx)
{
    STRING string;

    CHECK(RtlInitUTF8StringEx(&string, "ab") == STATUS_SUCCESS && string.Length == 2);
}

/* One, two, three and four bytes. */
static WCHAR Units[] = L"a\u00E9\u20AC\xD83D\xDE00";
static CHAR Bytes[] = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80";

CASE_OF(RtlUnicodeStringToUTF8String)
{
    UNICODE_STRING from = {10, 12, Units};
    STRING made = {0, 0, NULL};

    REQUIRE(RtlUnicodeStringToUTF8String(&made, &from, TRUE) == STATUS_SUCCESS);
    CHECK(IsBytes(&made, Bytes, 10));
    RtlFreeUTF8String(&made);
}

CASE_OF(RtlFreeUTF8String)
{
    UNICODE_STRING from = {10, 12, Units};
    STRING made = {0, 0, NULL};

    REQUIRE(RtlUnicodeStringToUTF8String(&made, &from, TRUE) == STATUS_SUCCESS);
    RtlFreeUTF8String(&made);
    CHECK(made.Buffer == NULL);
}

CASE_OF(RtlUTF8StringToUnicodeString)
{
    STRING from = {10, 11, Bytes};
    UNICODE_STRING made = {0, 0, NULL};

    REQUIRE(RtlUTF8StringToUnicodeString(&made, &from, TRUE) == STATUS_SUCCESS);
    CHECK(made.Length == 10 && SameBytes(made.Buffer, Units, 10));
    RtlFreeUnicodeString(&made);
}

CASE_OF(RtlUnicodeToUTF8N)
{
    static const WCHAR lone[] = {L'x', 0xD800, L'y'};
    CHAR to[16];
    ULONG bytes = 0;

    CHECK(RtlUnicodeToUTF8N(to, sizeof(to), &bytes, Units, 10) == STATUS_SUCCESS && bytes == 10);
    CHECK(SameBytes(to, Bytes, 10));
    CHECK(RtlUnicodeToUTF8N(NULL, 0, &bytes, Units, 10) == STATUS_SUCCESS && bytes == 10); /* the size only */
    CHECK(RtlUnicodeToUTF8N(to, sizeof(to), &bytes, lone, 6) == STATUS_SOME_NOT_MAPPED && bytes == 5);
    CHECK(SameBytes(to, "x\xEF\xBF\xBDy", 5));
    CHECK(RtlUnicodeToUTF8N(to, 2, &bytes, Units, 10) == STATUS_BUFFER_TOO_SMALL);
}

CASE_OF(RtlUTF8ToUnicodeN)
{
    WCHAR to[8];
    ULONG bytes = 0;

    CHECK(RtlUTF8ToUnicodeN(to, sizeof(to), &bytes, Bytes, 10) == STATUS_SUCCESS && bytes == 10);
    CHECK(SameBytes(to, Units, 10));
    CHECK(RtlUTF8ToUnicodeN(to, sizeof(to), &bytes, "x\x80y", 3) == STATUS_SOME_NOT_MAPPED && bytes == 6);
    CHECK(to[1] == 0xFFFD);
    CHECK(RtlUTF8ToUnicodeN(to, 2, &bytes, "xyz", 3) == STATUS_BUFFER_TOO_SMALL);
}

const CASE CodePageChecks[] = {
    ROW(RtlOemStringToUnicodeString),
    ROW(RtlOemStringToCountedUnicodeString),
    ROW(RtlUnicodeStringToOemString),
    ROW(RtlUnicodeStringToCountedOemString),
    ROW(RtlUpcaseUnicodeStringToOemString),
    ROW(RtlUpcaseUnicodeStringToCountedOemString),
    ROW(RtlUpcaseUnicodeStringToAnsiString),
    ROW(RtlFreeOemString),
    ROW(RtlxOemStringToUnicodeSize),
    ROW(RtlxAnsiStringToUnicodeSize),
    ROW(RtlxUnicodeStringToOemSize),
    ROW(RtlxUnicodeStringToAnsiSize),
    ROW(RtlAnsiStringToUnicodeSize),
    ROW(RtlUnicodeStringToAnsiSize),
    ROW(RtlAnsiCharToUnicodeChar),
    ROW(RtlMultiByteToUnicodeN),
    ROW(RtlMultiByteToUnicodeSize),
    ROW(RtlUnicodeToMultiByteN),
    ROW(RtlUnicodeToMultiByteSize),
    ROW(RtlUpcaseUnicodeToMultiByteN),
    ROW(RtlOemToUnicodeN),
    ROW(RtlUnicodeToOemN),
    ROW(RtlUpcaseUnicodeToOemN),
    ROW(RtlIsValidOemCharacter),
    ROW(RtlGetDefaultCodePage),
    ROW(RtlInitUTF8String),
    ROW(RtlInitUTF8StringEx),
    ROW(RtlUnicodeStringToUTF8String),
    ROW(RtlFreeUTF8String),
    ROW(RtlUTF8StringToUnicodeString),
    ROW(RtlUnicodeToUTF8N),
    ROW(RtlUTF8ToUnicodeN),
    LAST,
};
