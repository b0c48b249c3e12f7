/*
 * Strings with a bound, as the kit's ntstrsafe.h: our own inline functions. mingw-w64's are `extern inline`, which leaves
 * calls in __try blocks and unoptimised builds without a body.
 *
 * Every function ends its destination with a zero when it has room for one. Results: STATUS_SUCCESS,
 * STATUS_BUFFER_OVERFLOW (what fits was written, unless a flag says otherwise), STATUS_INVALID_PARAMETER.
 */
#ifndef _NTSTRSAFE_H_INCLUDED_
#define _NTSTRSAFE_H_INCLUDED_

#include <stdarg.h>
#include <stdio.h>
#include <ntdef.h>
#include <ntstatus.h>

/* The kit's has it, and sources count on that. */
typedef unsigned long DWORD;

#define NTSTRSAFE_MAX_CCH 2147483647
#define NTSTRSAFE_MAX_LENGTH (NTSTRSAFE_MAX_CCH - 1)
#define NTSTRSAFE_UNICODE_STRING_MAX_CCH (0xFFFF / sizeof(WCHAR))
#ifndef STRSAFE_MAX_CCH
#define STRSAFE_MAX_CCH NTSTRSAFE_MAX_CCH
#endif

#define STRSAFE_FILL_BYTE(Value) ((ULONG)(((Value) & 0xFF) | STRSAFE_FILL_BEHIND_NULL))
#define STRSAFE_FAILURE_BYTE(Value) ((ULONG)(((Value) & 0xFF) | STRSAFE_FILL_ON_FAILURE))
#define STRSAFE_GET_FILL_PATTERN(Flags) ((int)((Flags) & 0xFF))
#define STRSAFE_IGNORE_NULLS 0x00000100
#define STRSAFE_FILL_BEHIND_NULL 0x00000200
#define STRSAFE_FILL_ON_FAILURE 0x00000400
#define STRSAFE_NULL_ON_FAILURE 0x00000800
#define STRSAFE_NO_TRUNCATION 0x00001000
#define STRSAFE_FILL_BEHIND STRSAFE_FILL_BEHIND_NULL
#define STRSAFE_ZERO_LENGTH_ON_FAILURE STRSAFE_NULL_ON_FAILURE
#define STRSAFE_VALID_FLAGS 0x00001FFF

#define NTSTRSAFEDDI static __inline NTSTATUS
#ifndef NTSTRSAFEAPI
#define NTSTRSAFEAPI static __inline NTSTATUS
#endif

typedef char *NTSTRSAFE_PSTR;
typedef const char *NTSTRSAFE_PCSTR;
typedef wchar_t *NTSTRSAFE_PWSTR;
typedef const wchar_t *NTSTRSAFE_PCWSTR;
typedef const wchar_t *NTSTRSAFE_PCUWSTR;
typedef char *STRSAFE_LPSTR;
typedef const char *STRSAFE_LPCSTR, *STRSAFE_PCNZCH;
typedef wchar_t *STRSAFE_LPWSTR;
typedef const wchar_t *STRSAFE_LPCWSTR, *STRSAFE_LPCUWSTR, *STRSAFE_PCNZWCH, *STRSAFE_PCUNZWCH;

#define STRSAFE_CHARACTER char
#define STRSAFE_NAMED(Name) Name##A
#define STRSAFE_FORMAT _vsnprintf
#include "altimeter/strsafe.h"
#undef STRSAFE_CHARACTER
#undef STRSAFE_NAMED
#undef STRSAFE_FORMAT

#define STRSAFE_CHARACTER wchar_t
#define STRSAFE_NAMED(Name) Name##W
#define STRSAFE_FORMAT _vsnwprintf
#include "altimeter/strsafe.h"
#undef STRSAFE_CHARACTER
#undef STRSAFE_NAMED
#undef STRSAFE_FORMAT

#ifdef UNICODE
#define STRSAFE_CHOSEN(Name) Name##W
#else
#define STRSAFE_CHOSEN(Name) Name##A
#endif
#define RtlStringCchCopy STRSAFE_CHOSEN(RtlStringCchCopy)
#define RtlStringCbCopy STRSAFE_CHOSEN(RtlStringCbCopy)
#define RtlStringCchCat STRSAFE_CHOSEN(RtlStringCchCat)
#define RtlStringCbCat STRSAFE_CHOSEN(RtlStringCbCat)
#define RtlStringCchPrintf STRSAFE_CHOSEN(RtlStringCchPrintf)
#define RtlStringCbPrintf STRSAFE_CHOSEN(RtlStringCbPrintf)
#define RtlStringCchLength STRSAFE_CHOSEN(RtlStringCchLength)
#define RtlStringCbLength STRSAFE_CHOSEN(RtlStringCbLength)

#ifndef NTSTRSAFE_NO_UNICODE_STRING_FUNCTIONS
#include "altimeter/strsafe_counted.h"
#endif

#endif
