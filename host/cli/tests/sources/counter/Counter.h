/* A minifilter in two sources, spelled with as little care as sources from Windows are. */
#ifndef COUNTER_H
#define COUNTER_H

#include <FltKernel.h>
#include <Dontuse.h>
#include <SUPPRESS.H>
#include <NtStrSafe.h>

/*
 * begin_wpp config
 * FUNC TraceCounter{LEVEL=4}(FLAGS, MSG, ...);
 * end_wpp
 */

extern PFLT_FILTER CounterFilter;
LONG CounterShared; /* declared in both sources, one variable */

FLT_PREOP_CALLBACK_STATUS FLTAPI CounterPre(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                            _Outptr_result_maybenull_ PVOID *CompletionContext);

#endif
