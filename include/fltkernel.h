/* Linux file names are case sensitive and driver sources spell this header both ways. */
#include "fltKernel.h"
