/*
 * Conversions, sorting and searching that the kernel exports. There is no heap and no environment.
 */
#ifndef ALTIMETER_STDLIB_H
#define ALTIMETER_STDLIB_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef __cplusplus
#ifndef max
#define max(a, b) (((a) > (b)) ? (a) : (b))
#endif
#ifndef min
#define min(a, b) (((a) < (b)) ? (a) : (b))
#endif
#endif
#ifndef _countof
#define _countof(Array) (sizeof(Array) / sizeof((Array)[0]))
#endif
#define _MAX_PATH 260
#define _MAX_DRIVE 3
#define _MAX_DIR 256
#define _MAX_FNAME 256
#define _MAX_EXT 256

int __cdecl abs(int Value);
int __cdecl atoi(const char *Text);
long __cdecl atol(const char *Text);
int __cdecl _wtoi(const wchar_t *Text);
long __cdecl _wtol(const wchar_t *Text);
char *__cdecl _itoa(int Value, char *Text, int Base);
wchar_t *__cdecl _itow(int Value, wchar_t *Text, int Base);
char *__cdecl _ultoa(unsigned long Value, char *Text, int Base);
wchar_t *__cdecl _ultow(unsigned long Value, wchar_t *Text, int Base);
unsigned long __cdecl strtoul(const char *Text, char **End, int Base);
unsigned long __cdecl wcstoul(const wchar_t *Text, wchar_t **End, int Base);
size_t __cdecl mbstowcs(wchar_t *Wide, const char *Text, size_t Count);
size_t __cdecl wcstombs(char *Text, const wchar_t *Wide, size_t Count);
int __cdecl rand(void);
void __cdecl srand(unsigned int Seed);
void __cdecl qsort(void *Base, size_t Count, size_t Size, int(__cdecl *Compare)(const void *, const void *));
void *__cdecl bsearch(const void *Key, const void *Base, size_t Count, size_t Size,
                      int(__cdecl *Compare)(const void *, const void *));

#ifdef __cplusplus
}
#endif

#endif
