/*
 * The GUIDs that headers name and a kit's uuid.lib holds. Linked only where a driver names one of them.
 */
#include <initguid.h>
#include <fltKernel.h>
#include <wdmguid.h>
#include <ntdddisk.h>
#include <ntddstor.h>
#include <ntddvol.h>
#include <mountdev.h>
#include <mountmgr.h>
