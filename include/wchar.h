/*
 * Front of mingw-w64's wchar.h, whose swprintf is that of ISO C; the kernel's has no size.
 */
#ifndef ALTIMETER_WCHAR_H
#define ALTIMETER_WCHAR_H

#include <stdio.h>
#define _INC_SWPRINTF_INL
#include_next <wchar.h>

#endif
