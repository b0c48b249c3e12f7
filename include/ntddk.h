/*
 * Front of mingw-w64's ntddk.h: what the kernel has beyond those headers, from Microsoft's published metadata.
 */
#ifndef ALTIMETER_NTDDK_H
#define ALTIMETER_NTDDK_H

#include_next <ntddk.h>

#ifndef ALTIMETER_NO_GENERATED
#include "generated/ntddk.h"
#endif

#endif
