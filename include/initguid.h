/*
 * From here on DEFINE_GUID defines, also where guiddef.h was included before: mingw-w64's looks at INITGUID only once.
 */
#include <guiddef.h>

#ifndef INITGUID
#define INITGUID
#endif
#undef DEFINE_GUID
#ifdef __cplusplus
#define DEFINE_GUID(Name, a, b, c, d, e, f, g, h, i, j, k) \
    EXTERN_C const GUID DECLSPEC_SELECTANY Name = {a, b, c, {d, e, f, g, h, i, j, k}}
#else
#define DEFINE_GUID(Name, a, b, c, d, e, f, g, h, i, j, k) \
    const GUID DECLSPEC_SELECTANY Name = {a, b, c, {d, e, f, g, h, i, j, k}}
#endif
