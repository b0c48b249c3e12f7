/*
 * The parameter block and callback data.
 */
#include "objtest.h"
#define FILE_NUMBER 4

/* spec: IOPB-01 */
_Static_assert(FIELD_OFFSET(FLT_IO_PARAMETER_BLOCK, IrpFlags) == 0 && sizeof(((FLT_IO_PARAMETER_BLOCK *)0)->IrpFlags) == 4,
               "first");
_Static_assert(FIELD_OFFSET(FLT_IO_PARAMETER_BLOCK, MajorFunction) == 4, "second");
_Static_assert(FIELD_OFFSET(FLT_IO_PARAMETER_BLOCK, MinorFunction) == 5, "third");
_Static_assert(FIELD_OFFSET(FLT_IO_PARAMETER_BLOCK, OperationFlags) == 6, "fourth");
_Static_assert(FIELD_OFFSET(FLT_IO_PARAMETER_BLOCK, Reserved) == 7, "fifth");
_Static_assert(FIELD_OFFSET(FLT_IO_PARAMETER_BLOCK, TargetFileObject) == 8, "sixth");
_Static_assert(FIELD_OFFSET(FLT_IO_PARAMETER_BLOCK, TargetInstance) == 16, "seventh");
_Static_assert(FIELD_OFFSET(FLT_IO_PARAMETER_BLOCK, Parameters) == 24, "eighth");

/* spec: PARM-08 */
_Static_assert(FIELD_OFFSET(FLT_PARAMETERS, CreatePipe.SecurityContext) == FIELD_OFFSET(FLT_PARAMETERS, Create.SecurityContext), "");
_Static_assert(FIELD_OFFSET(FLT_PARAMETERS, CreatePipe.Options) == FIELD_OFFSET(FLT_PARAMETERS, Create.Options), "");
_Static_assert(FIELD_OFFSET(FLT_PARAMETERS, CreatePipe.ShareAccess) == FIELD_OFFSET(FLT_PARAMETERS, Create.ShareAccess), "");
_Static_assert(FIELD_OFFSET(FLT_PARAMETERS, CreateMailslot.ShareAccess) == FIELD_OFFSET(FLT_PARAMETERS, Create.ShareAccess), "");
_Static_assert(FIELD_OFFSET(FLT_PARAMETERS, CreatePipe.Parameters) == FIELD_OFFSET(FLT_PARAMETERS, CreateMailslot.Parameters), "");

/* spec: IOPB-14 */
static VOID Dirty(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    FLT_CALLBACK_DATA_FLAGS before = Data->Flags;
    KIRQL irql;

    CHECK(!FltIsCallbackDataDirty(Data));
    KeRaiseIrql(HIGH_LEVEL, &irql);
    FltSetCallbackDataDirty(Data);
    KeLowerIrql(irql);
    CHECK(Data->Flags == (before | 0x80000000) && FltIsCallbackDataDirty(Data));
    FltClearCallbackDataDirty(Data);
    CHECK(Data->Flags == before && !FltIsCallbackDataDirty(Data));
    Data->Flags |= FLTFL_CALLBACK_DATA_DIRTY;
    CHECK(FltIsCallbackDataDirty(Data));
    FltClearCallbackDataDirty(Data);
}

static BOOLEAN HoldOverFlush;
static ERESOURCE Held;

static VOID WrongFlush(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    CHECK(ExInitializeResourceLite(&Held) == STATUS_SUCCESS);
    HoldOverFlush = TRUE;
}

VOID BlocksFlush(BOOLEAN Acquire)
{
    if (!HoldOverFlush) {
        return;
    }
    if (Acquire) {
        KeEnterCriticalRegion();
        ExAcquireResourceExclusiveLite(&Held, TRUE);
        return;
    }
    ExReleaseResourceLite(&Held);
    KeLeaveCriticalRegion();
    ExDeleteResourceLite(&Held);
    HoldOverFlush = FALSE;
}

const GROUP BlockGroups[] = {
    {L"dirty", Dirty, NULL},
    {L"wrong-flush", NULL, WrongFlush},
    {NULL, NULL, NULL},
};
