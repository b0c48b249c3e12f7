/* The kit's dontuse.h marks risky C string routines as deprecated. Nothing is marked here. */
#ifndef ALTIMETER_DONTUSE_H
#define ALTIMETER_DONTUSE_H
#endif
