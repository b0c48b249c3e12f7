/* Annotations for Microsoft's analysers, all of them in altimeter/sal.h. */
#ifndef ALTIMETER_KERNELSPECS_H
#define ALTIMETER_KERNELSPECS_H
#include "altimeter/sal.h"
#endif
