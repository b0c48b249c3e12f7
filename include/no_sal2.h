/* Annotations for Microsoft's analysers, all of them in altimeter/sal.h. */
#ifndef ALTIMETER_NO_SAL2_H
#define ALTIMETER_NO_SAL2_H
#include "altimeter/sal.h"
#endif
