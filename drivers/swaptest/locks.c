/*
 * Modes about FltLockUserBuffer.
 */
#include "swaptest.h"
#define FILE_NUMBER 4

/* Operations without a buffer that can be locked. */
static VOID CheckOthers(PFLT_CALLBACK_DATA Data)
{
    PMDL *mdl = (PMDL *)1;
    PVOID *buffer = NULL;
    PULONG length = NULL;
    LOCK_OPERATION access;
    NTSTATUS status = FltDecodeParameters(Data, &mdl, &buffer, &length, &access);

    switch (Data->Iopb->MajorFunction) {
    case IRP_MJ_CLEANUP:
    case IRP_MJ_CLOSE:
    case IRP_MJ_FLUSH_BUFFERS:
        /* spec: SWAP-07 */
        CHECK(status == STATUS_INVALID_PARAMETER);
        break;
    case IRP_MJ_QUERY_INFORMATION:
    case IRP_MJ_QUERY_VOLUME_INFORMATION:
        /* spec: SWAP-06, SWAP-02 */
        CHECK(NT_SUCCESS(status) && mdl == NULL && buffer != NULL && length != NULL);
        CHECK(access == IoWriteAccess);
        CHECK(!FLT_IS_IRP_OPERATION(Data) || FlagOn(Data->Flags, FLTFL_CALLBACK_DATA_SYSTEM_BUFFER));
        break;
    case IRP_MJ_SET_INFORMATION:
        CHECK(NT_SUCCESS(status) && mdl == NULL && access == IoReadAccess);
        CHECK(FlagOn(Data->Flags, FLTFL_CALLBACK_DATA_SYSTEM_BUFFER));
        break;
    default:
        return;
    }
    /* spec: SWAP-11 */
    CHECK(FltLockUserBuffer(Data) == STATUS_INVALID_PARAMETER);
}

static VOID Lock(PFLT_CALLBACK_DATA Data, PLACES *Places)
{
    PMDL mdl;

    /* spec: SWAP-12, SWAP-13 */
    CHECK(FltLockUserBuffer(Data) == STATUS_SUCCESS);
    mdl = *Places->Mdl;
    CHECK(mdl != NULL);
    if (mdl == NULL) {
        return;
    }
    CHECK(FltLockUserBuffer(Data) == STATUS_SUCCESS);
    CHECK(*Places->Mdl == mdl);
    CHECK(MmGetMdlVirtualAddress(mdl) == *Places->Buffer);
    CHECK(MmGetMdlByteCount(mdl) == *Places->Length);
}

static FLT_PREOP_CALLBACK_STATUS PreLock(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                         PVOID *CompletionContext)
{
    PLACES places;
    PULONG64 values = ValuesOf(Data);
    PVOID mapped;

    if (!Concerns(Data, &places)) {
        CheckOthers(Data);
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    values[VALUE_BUFFER] = (ULONG64)*places.Buffer;
    values[VALUE_MDL] = (ULONG64)*places.Mdl;
    values[VALUE_FLAGS] = Data->Flags;
    if (*places.Mdl == NULL) {
        /* spec: IOPB-16 */
        CHECK(!FltIsCallbackDataDirty(Data));
        Lock(Data, &places);
        CHECK(FltIsCallbackDataDirty(Data) == FLT_IS_IRP_OPERATION(Data));
        /* spec: SWAP-14 */
        CHECK(!FlagOn((*places.Mdl)->MdlFlags, MDL_MAPPED_TO_SYSTEM_VA));
    }
    values[VALUE_NEW_MDL] = (ULONG64)*places.Mdl;
    mapped = MapMdl(*places.Mdl);
    if (Data->Iopb->MajorFunction == IRP_MJ_WRITE && mapped != NULL) {
        CHECK(RtlCompareMemory(mapped, *places.Buffer, *places.Length) == *places.Length);
    }
    *CompletionContext = *places.Mdl;
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS PostLock(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                           PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    PLACES places;
    PULONG64 values = ValuesOf(Data);

    CHECK(Concerns(Data, &places));
    values[VALUE_POST_BUFFER] = (ULONG64)*places.Buffer;
    values[VALUE_POST_MDL] = (ULONG64)*places.Mdl;
    /* It stays until the operation is over */
    /* spec: SWAP-15 */
    CHECK(*places.Mdl != NULL && *places.Mdl == CompletionContext);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_PREOP_CALLBACK_STATUS PreWait(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                         PVOID *CompletionContext)
{
    PLACES places;

    return Concerns(Data, &places) ? FLT_PREOP_SUCCESS_WITH_CALLBACK : FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* Locks on the way up, where the data of a read are. */
static FLT_POSTOP_CALLBACK_STATUS PostLockLate(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                               PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    PLACES places;
    PVOID mapped;
    SIZE_T bytes;

    CHECK(Concerns(Data, &places));
    Lock(Data, &places);
    mapped = MapMdl(*places.Mdl);
    bytes = NT_ERROR(Data->IoStatus.Status) ? 0 : Data->IoStatus.Information;
    CHECK(RtlCompareMemory(mapped, *places.Buffer, bytes) == bytes);
    ValuesOf(Data)[VALUE_POST_MDL] = (ULONG64)*places.Mdl;
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* Wrong: the MDL is not the filter's. */
static FLT_PREOP_CALLBACK_STATUS PreLockFree(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                             PVOID *CompletionContext)
{
    PLACES places;

    if (Concerns(Data, &places)) {
        Lock(Data, &places);
        IoFreeMdl(*places.Mdl);
    }
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* METHOD_NEITHER: nobody looks at the addresses of such a request. */
#define FSCTL_LOCK_BAD CTL_CODE(FILE_DEVICE_FILE_SYSTEM, 0xF00, METHOD_NEITHER, FILE_ANY_ACCESS)

/* A program's bad address arrives as it is, and locking it fails. Expect: 1, touches it as well. */
static FLT_PREOP_CALLBACK_STATUS PreLockBad(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                            PVOID *CompletionContext)
{
    PLACES places;
    PULONG64 values = ValuesOf(Data);

    if (Data->Iopb->MajorFunction == IRP_MJ_FILE_SYSTEM_CONTROL
        && Data->Iopb->Parameters.FileSystemControl.Common.FsControlCode == FSCTL_LOCK_BAD) {
        /* spec: SWAP-04, SWAP-06, SWAP-11 */
        CHECK(FltDecodeParameters(Data, &places.Mdl, &places.Buffer, &places.Length, &places.Access) == STATUS_SUCCESS);
        CHECK(places.Buffer == &Data->Iopb->Parameters.FileSystemControl.Neither.OutputBuffer);
        CHECK(places.Mdl == &Data->Iopb->Parameters.FileSystemControl.Neither.OutputMdlAddress);
        values[VALUE_BUFFER] = (ULONG64)*places.Buffer;
        values[VALUE_NEW_BUFFER] = (ULONG)FltLockUserBuffer(Data);
        values[VALUE_NEW_MDL] = (ULONG64)*places.Mdl;
        if (Expect != 0) {
            values[VALUE_POST_BUFFER] = *(volatile UCHAR *)*places.Buffer;
        }
    }
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const BEHAVIOUR LockModes[] = {
    {L"lock", PreLock, PostLock, NULL, NULL, NULL, NULL},
    {L"lock-late", PreWait, PostLockLate, NULL, NULL, NULL, NULL},
    {L"lock-free", PreLockFree, NULL, NULL, NULL, NULL, NULL},
    {L"lock-bad", PreLockBad, NULL, NULL, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL, NULL},
};
