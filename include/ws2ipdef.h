/* Internet addresses for kernel mode; mingw-w64's header of this name is for user mode. */
#ifndef ALTIMETER_WS2IPDEF_H
#define ALTIMETER_WS2IPDEF_H
#include <ws2def.h>
#endif
