/* The kit's suppress.h names warnings of Microsoft's analyser for `#pragma warning`. clang has none of them. */
#ifndef ALTIMETER_SUPPRESS_H
#define ALTIMETER_SUPPRESS_H
#endif
