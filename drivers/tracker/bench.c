/*
 * How long it takes to get a context and release it: measured when a file whose name contains "bench" is opened.
 */
#include "tracker.h"
#define FIRST_LINE 30000

#define ROUNDS 200000

typedef NTSTATUS FLTAPI GETTER(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, PFLT_CONTEXT *Context);

static VOID Time(FLT_CONTEXT_TYPE Kind, GETTER *Get, PCFLT_RELATED_OBJECTS FltObjects)
{
    LARGE_INTEGER frequency, start, end;
    PFLT_CONTEXT context = NULL;
    ULONG i;

    start = KeQueryPerformanceCounter(&frequency);
    for (i = 0; i < ROUNDS; i++) {
        NTSTATUS status = Get != NULL ? Get(FltObjects->Instance, FltObjects->FileObject, &context)
                                      : FltGetInstanceContext(FltObjects->Instance, &context);
        if (!NT_SUCCESS(status)) {
            return;
        }
        FltReleaseContext(context);
    }
    end = KeQueryPerformanceCounter(NULL);
    Results.Picoseconds[IndexOf(Kind)]
        = (ULONG64)(end.QuadPart - start.QuadPart) * 1000000000 / (ULONG64)frequency.QuadPart * 1000 / ROUNDS;
}

VOID Measure(PCFLT_RELATED_OBJECTS FltObjects)
{
    Time(FLT_INSTANCE_CONTEXT, NULL, FltObjects);
    Time(FLT_FILE_CONTEXT, FltGetFileContext, FltObjects);
    Time(FLT_STREAM_CONTEXT, FltGetStreamContext, FltObjects);
    Time(FLT_STREAMHANDLE_CONTEXT, FltGetStreamHandleContext, FltObjects);
}
