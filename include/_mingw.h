/*
 * Front of mingw-w64's _mingw.h. With GCC its inline functions have no body of their own; clang inlines nothing inside a
 * __try block, so they need one: the compiler's own __forceinline gives each object a copy that the linker merges.
 */
#ifndef ALTIMETER_MINGW_H
#define ALTIMETER_MINGW_H

#include_next <_mingw.h>

#undef __forceinline
#undef __CRT_INLINE
#undef __MINGW_INTRIN_INLINE
#undef __MINGW_NOTHROW
#define __CRT_INLINE __inline
#define __MINGW_INTRIN_INLINE __forceinline
#define __MINGW_NOTHROW

#endif
