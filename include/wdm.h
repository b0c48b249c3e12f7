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
typedef WCHAR TCHAR, *PTCHAR;
#else
typedef char TCHAR, *PTCHAR;
#endif
#endif

#ifndef EX_SPIN_LOCK_DEFAULT
#define EX_SPIN_LOCK_DEFAULT 0
typedef volatile LONG EX_SPIN_LOCK, *PEX_SPIN_LOCK;
#endif

#include "altimeter/pool.h"
#include "altimeter/sal.h"

#endif
