/*
 * The Filter Manager's kernel interface, for minifilters built on Linux.
 *
 * Own declarations: names, values, layouts and parameter lists are facts of the public interface. Layouts
 * are checked against abi/nt-abi/layout.csv by `cargo xtask drivers`.
 */
#ifndef __FLTKERNEL__
#define __FLTKERNEL__

#define FLT_MGR_BASELINE 1
#define FLT_MGR_AFTER_XPSP2 1
#define FLT_MGR_LONGHORN 1
#define FLT_MGR_WIN7 1
#define FLT_MGR_WIN8 1

#include <ntifs.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "fltUserStructures.h"
#include "flt/types.h"
#include "flt/parameters.h"
#include "flt/callbacks.h"
#include "flt/registration.h"
#include "flt/routines.h"

#ifdef __cplusplus
}
#endif

#ifndef ALTIMETER_NO_GENERATED
#include "generated/fltKernel.h"
#endif

#endif
