/*
 * Front of mingw-w64's wdm.h for clang's MSVC target.
 *
 * Owns the places where those headers give another binary than a current Windows kit does:
 * - On x64 they read and write CR8 inline. Current kits import KeGetCurrentIrql and the routines that
 *   change the level, so these are imports here too. ALTIMETER_INLINE_CR8 keeps the inline form, which
 *   drivers built with older kits contain.
 * - clang's intrin.h declares some intrinsics of the MSVC compiler without defining them.
 * Needs -D__GNUC__=4 and clang's own resource directory ahead of mingw's.
 */
#ifndef ALTIMETER_WDM_H
#define ALTIMETER_WDM_H

#include <intrin.h>

__inline unsigned long __readcr8(void)
{
    unsigned __int64 level;
    __asm__ __volatile__("movq %%cr8, %0" : "=r"(level) : : "memory");
    return (unsigned long)level;
}

__inline void __writecr8(unsigned int level)
{
    __asm__ __volatile__("movq %0, %%cr8" : : "r"((unsigned __int64)level) : "memory");
}

#ifndef ALTIMETER_INLINE_CR8
#define KeGetCurrentIrql AltimeterInlineKeGetCurrentIrql
#define KeLowerIrql AltimeterInlineKeLowerIrql
#define KfRaiseIrql AltimeterInlineKfRaiseIrql
#define KeRaiseIrqlToDpcLevel AltimeterInlineKeRaiseIrqlToDpcLevel
#endif

#include <basetyps.h>
#ifndef EXTERN_C_START
#ifdef __cplusplus
#define EXTERN_C_START extern "C" {
#define EXTERN_C_END }
#else
#define EXTERN_C_START
#define EXTERN_C_END
#endif
#endif

#include <ntdef.h>
typedef ULONG_PTR EX_PUSH_LOCK, *PEX_PUSH_LOCK;

#include_next <wdm.h>

#ifndef ALTIMETER_INLINE_CR8
#undef KeGetCurrentIrql
#undef KeLowerIrql
#undef KfRaiseIrql
#undef KeRaiseIrqlToDpcLevel
NTKERNELAPI KIRQL NTAPI KeGetCurrentIrql(VOID);
NTKERNELAPI VOID NTAPI KeLowerIrql(KIRQL NewIrql);
NTKERNELAPI KIRQL NTAPI KfRaiseIrql(KIRQL NewIrql);
NTKERNELAPI KIRQL NTAPI KeRaiseIrqlToDpcLevel(VOID);
#endif

#ifndef _TCHAR_DEFINED
#define _TCHAR_DEFINED
#ifdef UNICODE
typedef WCHAR TCHAR, *PTCHAR, *LPTSTR, *PTSTR;
typedef const WCHAR *LPCTSTR, *PCTSTR;
#else
typedef char TCHAR, *PTCHAR, *LPTSTR, *PTSTR;
typedef const char *LPCTSTR, *PCTSTR;
#endif
#endif
#ifndef TEXT
#ifdef UNICODE
#define __TEXT(Quote) L##Quote
#else
#define __TEXT(Quote) Quote
#endif
#define TEXT(Quote) __TEXT(Quote)
#endif

/* Operators that make an enumeration of C++ a set of flags. */
#ifndef DEFINE_ENUM_FLAG_OPERATORS
#ifdef __cplusplus
#define DEFINE_ENUM_FLAG_OPERATORS(Enum)                                                                          \
    extern "C++" {                                                                                                \
    inline constexpr Enum operator|(Enum a, Enum b) { return (Enum)((__underlying_type(Enum))a | (__underlying_type(Enum))b); } \
    inline constexpr Enum operator&(Enum a, Enum b) { return (Enum)((__underlying_type(Enum))a & (__underlying_type(Enum))b); } \
    inline constexpr Enum operator^(Enum a, Enum b) { return (Enum)((__underlying_type(Enum))a ^ (__underlying_type(Enum))b); } \
    inline constexpr Enum operator~(Enum a) { return (Enum) ~(__underlying_type(Enum))a; }                        \
    inline Enum &operator|=(Enum &a, Enum b) { return a = a | b; }                                                \
    inline Enum &operator&=(Enum &a, Enum b) { return a = a & b; }                                                \
    inline Enum &operator^=(Enum &a, Enum b) { return a = a ^ b; }                                                \
    }
#else
#define DEFINE_ENUM_FLAG_OPERATORS(Enum)
#endif
#endif

/* mingw-w64's wraps its cast for C alone. */
#undef RTL_CONSTANT_OBJECT_ATTRIBUTES
#define RTL_CONSTANT_OBJECT_ATTRIBUTES(Name, Attributes) \
    {sizeof(OBJECT_ATTRIBUTES), NULL, (PUNICODE_STRING)(Name), (Attributes), NULL, NULL}

#ifndef EX_SPIN_LOCK_DEFAULT
#define EX_SPIN_LOCK_DEFAULT 0
typedef volatile LONG EX_SPIN_LOCK, *PEX_SPIN_LOCK;
#endif

#include "altimeter/pool.h"
#include "altimeter/sal.h"

#endif
