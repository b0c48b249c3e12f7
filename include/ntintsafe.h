/*
 * Front of mingw-w64's ntintsafe.h: its functions with a body of their own, and the kit's error values.
 */
#ifndef ALTIMETER_NTINTSAFE_H
#define ALTIMETER_NTINTSAFE_H

#include <ntdef.h>
#include <ntstatus.h>
#include <basetsd.h>

#define __MINGW_INTSAFE_API static __inline
#define __MINGW_INTSAFE_CHAR_API static __inline

#include_next <ntintsafe.h>

#endif
