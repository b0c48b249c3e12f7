#include "counter.h"
#include "Callbacks.tmh"

FLT_PREOP_CALLBACK_STATUS FLTAPI CounterPre(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                            PVOID *CompletionContext)
{
    WCHAR text[32];

    DoTraceMessage(1, "create");
    UNREFERENCED_PARAMETER(FltObjects);
    *CompletionContext = NULL;
    try {
        if (NT_SUCCESS(RtlStringCbCopyW(text, sizeof(text), L"create")) && text[5] == L'e') {
            InterlockedIncrement(&CounterShared);
        }
    } except (EXCEPTION_EXECUTE_HANDLER) {
        Data->IoStatus.Status = GetExceptionCode();
    }
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}
