/*
 * The formatting routines that the kernel exports. There are no files.
 */
#ifndef ALTIMETER_STDIO_H
#define ALTIMETER_STDIO_H

#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef EOF
#define EOF (-1)
#endif

int __cdecl sprintf(char *Buffer, const char *Format, ...);
int __cdecl vsprintf(char *Buffer, const char *Format, va_list Values);
int __cdecl _snprintf(char *Buffer, size_t Count, const char *Format, ...);
int __cdecl _vsnprintf(char *Buffer, size_t Count, const char *Format, va_list Values);
int __cdecl swprintf(wchar_t *Buffer, const wchar_t *Format, ...);
int __cdecl _swprintf(wchar_t *Buffer, const wchar_t *Format, ...);
int __cdecl _snwprintf(wchar_t *Buffer, size_t Count, const wchar_t *Format, ...);
int __cdecl _vsnwprintf(wchar_t *Buffer, size_t Count, const wchar_t *Format, va_list Values);
int __cdecl vswprintf(wchar_t *Buffer, const wchar_t *Format, va_list Values);
int __cdecl sprintf_s(char *Buffer, size_t Count, const char *Format, ...);
int __cdecl vsprintf_s(char *Buffer, size_t Count, const char *Format, va_list Values);
int __cdecl swprintf_s(wchar_t *Buffer, size_t Count, const wchar_t *Format, ...);
int __cdecl vswprintf_s(wchar_t *Buffer, size_t Count, const wchar_t *Format, va_list Values);
int __cdecl _snprintf_s(char *Buffer, size_t Size, size_t Count, const char *Format, ...);
int __cdecl _vsnprintf_s(char *Buffer, size_t Size, size_t Count, const char *Format, va_list Values);
int __cdecl _snwprintf_s(wchar_t *Buffer, size_t Size, size_t Count, const wchar_t *Format, ...);
int __cdecl _vsnwprintf_s(wchar_t *Buffer, size_t Size, size_t Count, const wchar_t *Format, va_list Values);
int __cdecl sscanf(const char *Text, const char *Format, ...);
int __cdecl sscanf_s(const char *Text, const char *Format, ...);
int __cdecl swscanf_s(const wchar_t *Text, const wchar_t *Format, ...);

#ifdef __cplusplus
}
#endif

#endif
