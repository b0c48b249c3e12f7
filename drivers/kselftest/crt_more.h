/*
 * Prototypes for crt_more.c: no header of the kernel has them all.
 */
#ifndef KSELFTEST_CRT_MORE_H
#define KSELFTEST_CRT_MORE_H

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdll-attribute-on-redeclaration"

#define NUMBER_TO_TEXT(Name, UNIT, TYPE)                                                                             \
    IMPORT UNIT *__cdecl Name(TYPE Value, UNIT *Buffer, int Radix);                                                  \
    IMPORT int __cdecl Name##_s(TYPE Value, UNIT *Buffer, size_t Size, int Radix)
NUMBER_TO_TEXT(_itoa, char, int);
NUMBER_TO_TEXT(_itow, wchar_t, int);
NUMBER_TO_TEXT(_ultoa, char, unsigned long);
NUMBER_TO_TEXT(_ultow, wchar_t, unsigned long);
NUMBER_TO_TEXT(_i64toa, char, long long);
NUMBER_TO_TEXT(_i64tow, wchar_t, long long);
NUMBER_TO_TEXT(_ui64toa, char, unsigned long long);
NUMBER_TO_TEXT(_ui64tow, wchar_t, unsigned long long);

IMPORT long long __cdecl _atoi64(const char *Text);
IMPORT long __cdecl atol(const char *Text);
IMPORT int __cdecl _wtoi(const wchar_t *Text);
IMPORT long __cdecl _wtol(const wchar_t *Text);
IMPORT long long __cdecl _wtoi64(const wchar_t *Text);
IMPORT long __cdecl strtol(const char *Text, char **End, int Radix);
IMPORT unsigned long __cdecl strtoul(const char *Text, char **End, int Radix);
IMPORT long __cdecl wcstol(const wchar_t *Text, wchar_t **End, int Radix);
IMPORT unsigned long __cdecl wcstoul(const wchar_t *Text, wchar_t **End, int Radix);
IMPORT long __cdecl labs(long Value);

IMPORT int __cdecl isdigit(int Character);
IMPORT int __cdecl islower(int Character);
IMPORT int __cdecl isupper(int Character);
IMPORT int __cdecl isprint(int Character);
IMPORT int __cdecl isspace(int Character);
IMPORT int __cdecl isxdigit(int Character);
IMPORT int __cdecl iswdigit(wint_t Character);
IMPORT int __cdecl iswlower(wint_t Character);
IMPORT int __cdecl iswspace(wint_t Character);
IMPORT int __cdecl iswxdigit(wint_t Character);
IMPORT int __cdecl iswalpha(wint_t Character);
IMPORT int __cdecl iswalnum(wint_t Character);
#undef iswascii
IMPORT int __cdecl iswascii(wint_t Character);

IMPORT void *__cdecl bsearch(const void *Key, const void *Base, size_t Count, size_t Width,
                             int(__cdecl *Compare)(const void *, const void *));
IMPORT void __cdecl qsort(void *Base, size_t Count, size_t Width, int(__cdecl *Compare)(const void *, const void *));

#pragma clang diagnostic pop

#endif
