/*
 * Asking in a pre callback what the device below answers.
 */
#include "objtest.h"
#define FILE_NUMBER 9

static ULONG Told;
static ULONG Marker;

/* Runs after the device below has returned, before the post callback. */
static VOID FLTAPI Tell(PCFLT_RELATED_OBJECTS FltObjects, PFLT_IO_PARAMETER_BLOCK Iopb, NTSTATUS Status, PVOID Context)
{
    Told++;
    CHECK(Context == &Marker && Status == STATUS_SUCCESS);
    CHECK(FltObjects->Filter == Filter && FltObjects->Instance != NULL && FltObjects->Volume != NULL);
    CHECK(Iopb->MajorFunction == IRP_MJ_CREATE && FltObjects->FileObject == Iopb->TargetFileObject);
    /* As it was when the callback asked. */
    CHECK((Iopb->Parameters.Create.FileAttributes & FILE_ATTRIBUTE_HIDDEN) == 0);
}

static VOID Ask(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    UNREFERENCED_PARAMETER(FltObjects);
    Told = 0;
    CHECK(FltIsIoCanceled(Data) == FALSE);
    CHECK(FltRequestOperationStatusCallback(Data, Tell, &Marker) == STATUS_SUCCESS);
    CHECK(FltRequestOperationStatusCallback(Data, Tell, &Marker) == STATUS_SUCCESS);
    Data->Iopb->Parameters.Create.FileAttributes |= FILE_ATTRIBUTE_HIDDEN;
    FltSetCallbackDataDirty(Data);
    CHECK(Told == 0);
}

static VOID Asked(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    UNREFERENCED_PARAMETER(FltObjects);
    CHECK(Told == 2);
    CHECK(FltRequestOperationStatusCallback(Data, Tell, &Marker) == STATUS_INVALID_PARAMETER);
    CHECK(FltIsIoCanceled(Data) == FALSE);
}

const GROUP StatusGroups[] = {
    {L"status-asked", Ask, Asked},
    {NULL, NULL, NULL},
};
