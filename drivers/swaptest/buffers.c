/*
 * Modes that put another buffer in place of the caller's, well or badly, and one that only looks.
 */
#include "swaptest.h"
#define FILE_NUMBER 3

/* What pre hands to post. */
typedef struct _SWAP {
    PVOID Buffer;
    PMDL Mdl;
    PVOID OldBuffer;
    PMDL OldMdl;
} SWAP;

static VOID Note(PFLT_CALLBACK_DATA Data, PLACES *Places)
{
    PULONG64 values = ValuesOf(Data);

    values[VALUE_BUFFER] = (ULONG64)*Places->Buffer;
    values[VALUE_MDL] = Places->Mdl != NULL ? (ULONG64)*Places->Mdl : 0;
    values[VALUE_FLAGS] = Data->Flags;
}

static VOID NotePost(PFLT_CALLBACK_DATA Data, PLACES *Places)
{
    PULONG64 values = ValuesOf(Data);

    values[VALUE_POST_BUFFER] = (ULONG64)*Places->Buffer;
    values[VALUE_POST_MDL] = Places->Mdl != NULL ? (ULONG64)*Places->Mdl : 0;
    values[VALUE_IRQL] = KeGetCurrentIrql();
}

static VOID FreeSwap(SWAP *Swap)
{
    ExFreePoolWithTag(Swap->Buffer, BUFFER_TAG);
    ExFreePoolWithTag(Swap, BUFFER_TAG);
}

/* A new buffer of Room bytes with the caller's data, and an MDL for it when one is wanted; nothing is changed yet. */
static SWAP *Prepare(PFLT_CALLBACK_DATA Data, PLACES *Places, ULONG Room, BOOLEAN WithMdl)
{
    SWAP *swap = ExAllocatePoolZero(NonPagedPoolNx, sizeof(*swap), BUFFER_TAG);
    PVOID from = *Places->Mdl != NULL ? MapMdl(*Places->Mdl) : *Places->Buffer;

    CHECK(swap != NULL);
    if (swap == NULL) {
        return NULL;
    }
    swap->OldBuffer = *Places->Buffer;
    swap->OldMdl = *Places->Mdl;
    swap->Buffer = ExAllocatePoolZero(NonPagedPoolNx, Room, BUFFER_TAG);
    CHECK(swap->Buffer != NULL);
    if (WithMdl) {
        swap->Mdl = IoAllocateMdl(swap->Buffer, Room, FALSE, FALSE, NULL);
        CHECK(swap->Mdl != NULL);
        MmBuildMdlForNonPagedPool(swap->Mdl);
    }
    /* The caller's data of a write may be read only, so it is copied */
    /* spec: SWAP-08 */
    if (Data->Iopb->MajorFunction == IRP_MJ_WRITE) {
        CHECK(Places->Access == IoReadAccess);
        RtlCopyMemory(swap->Buffer, from, min(Room, *Places->Length));
    } else {
        /* spec: SWAP-06 */
        CHECK(Places->Access == IoWriteAccess);
    }
    return swap;
}

static VOID Apply(PFLT_CALLBACK_DATA Data, PLACES *Places, SWAP *Swap)
{
    PULONG64 values = ValuesOf(Data);

    Note(Data, Places);
    /* Writing through what FltDecodeParameters gave edits the operation */
    /* spec: SWAP-05 */
    *Places->Buffer = Swap->Buffer;
    *Places->Mdl = Swap->Mdl;
    FltSetCallbackDataDirty(Data);
    if (Data->Iopb->MajorFunction == IRP_MJ_READ) {
        CHECK(Data->Iopb->Parameters.Read.ReadBuffer == Swap->Buffer);
        CHECK(Data->Iopb->Parameters.Read.MdlAddress == Swap->Mdl);
    }
    values[VALUE_NEW_BUFFER] = (ULONG64)Swap->Buffer;
    values[VALUE_NEW_MDL] = (ULONG64)Swap->Mdl;
}

static FLT_PREOP_CALLBACK_STATUS PreSwapWith(PFLT_CALLBACK_DATA Data, PVOID *CompletionContext, BOOLEAN WithMdl)
{
    PLACES places;
    SWAP *swap;

    if (!Concerns(Data, &places)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    swap = Prepare(Data, &places, *places.Length, WithMdl && FLT_IS_IRP_OPERATION(Data));
    if (swap == NULL) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    Apply(Data, &places, swap);
    *CompletionContext = swap;
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_PREOP_CALLBACK_STATUS PreSwap(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                         PVOID *CompletionContext)
{
    return PreSwapWith(Data, CompletionContext, TRUE);
}

static FLT_PREOP_CALLBACK_STATUS PreSwapNoMdl(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                              PVOID *CompletionContext)
{
    return PreSwapWith(Data, CompletionContext, FALSE);
}

/* Copies what the file system left in the new buffer. */
static VOID GiveBack(PFLT_CALLBACK_DATA Data, SWAP *Swap)
{
    PLACES places;
    PVOID to, from = Swap->Buffer;

    CHECK(Concerns(Data, &places));
    NotePost(Data, &places);
    /* The pair that the pre callback saw */
    /* spec: SWAP-16 */
    CHECK(*places.Buffer == Swap->OldBuffer);
    CHECK(Swap->OldMdl == NULL || *places.Mdl == Swap->OldMdl);
    if (Data->Iopb->MajorFunction == IRP_MJ_WRITE || NT_ERROR(Data->IoStatus.Status)) {
        return;
    }
    if (FlagOn(Data->Flags, FLTFL_CALLBACK_DATA_NEW_SYSTEM_BUFFER)) {
        from = FltGetNewSystemBufferAddress(Data);
        CHECK(from != NULL);
    }
    to = *places.Mdl != NULL ? MapMdl(*places.Mdl) : *places.Buffer;
    RtlCopyMemory(to, from, Data->IoStatus.Information);
}

static FLT_POSTOP_CALLBACK_STATUS PostSwap(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                           PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    SWAP *swap = CompletionContext;

    CHECK(!FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING));
    /* spec: SWAP-17 */
    CHECK(FltGetSwappedBufferMdlAddress(Data) == (FLT_IS_IRP_OPERATION(Data) ? swap->Mdl : NULL));
    GiveBack(Data, swap);
    FreeSwap(swap);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* Expect: 0, nobody below made an MDL; 1, somebody did. */
static FLT_POSTOP_CALLBACK_STATUS PostSwapNoMdl(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    SWAP *swap = CompletionContext;
    PMDL mdl = FltGetSwappedBufferMdlAddress(Data);

    /* spec: SWAP-17, SWAP-18 */
    CHECK((mdl != NULL) == (Expect != 0));
    if (mdl != NULL) {
        CHECK(MmGetMdlVirtualAddress(mdl) == swap->Buffer);
    }
    GiveBack(Data, swap);
    FreeSwap(swap);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* Only the MDL changes, as in paging I/O without a buffer pointer. Somebody above has made one. */
static FLT_PREOP_CALLBACK_STATUS PreSwapMdl(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                            PVOID *CompletionContext)
{
    PLACES places;
    PVOID buffer;
    SWAP *swap;

    if (!Concerns(Data, &places)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    CHECK(*places.Mdl != NULL);
    swap = Prepare(Data, &places, *places.Length, TRUE);
    if (swap == NULL) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    buffer = *places.Buffer;
    Apply(Data, &places, swap);
    *places.Buffer = buffer;
    ValuesOf(Data)[VALUE_NEW_BUFFER] = (ULONG64)buffer;
    *CompletionContext = swap;
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

/* spec: SWAP-20 */
static FLT_POSTOP_CALLBACK_STATUS PostRetain(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                             PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    SWAP *swap = CompletionContext;

    CHECK(FltGetSwappedBufferMdlAddress(Data) == swap->Mdl);
    FltRetainSwappedBufferMdlAddress(Data);
    GiveBack(Data, swap);
    /* Expect: 0, frees it; 1, forgets it */
    if (Expect == 0) {
        IoFreeMdl(swap->Mdl);
    }
    FreeSwap(swap);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* Wrong: the MDL is the manager's until it is retained. */
static FLT_POSTOP_CALLBACK_STATUS PostFreeMdl(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                              PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    SWAP *swap = CompletionContext;

    GiveBack(Data, swap);
    IoFreeMdl(swap->Mdl);
    FreeSwap(swap);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* Wrong: nobody will free the buffer. Kept, so that it is no leak of pool as well. */
static SWAP *Leaked[MOST];
static LONG LeakedCount;

static FLT_PREOP_CALLBACK_STATUS PreLeak(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                         PVOID *CompletionContext)
{
    FLT_PREOP_CALLBACK_STATUS answer = PreSwapWith(Data, CompletionContext, TRUE);

    if (answer == FLT_PREOP_SUCCESS_WITH_CALLBACK) {
        Leaked[InterlockedIncrement(&LeakedCount) - 1] = *CompletionContext;
        *CompletionContext = NULL;
        answer = FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    return answer;
}

static VOID UnloadLeak(VOID)
{
    while (LeakedCount > 0) {
        FreeSwap(Leaked[--LeakedCount]);
    }
}

/* Wrong: a buffer, and an MDL, of a byte less than the length. */
static FLT_PREOP_CALLBACK_STATUS PreShort(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                          PVOID *CompletionContext)
{
    PLACES places;
    SWAP *swap;

    if (!Concerns(Data, &places) || Data->Iopb->MajorFunction != IRP_MJ_WRITE) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    /* Expect: 0 a byte too short, 1 the same with an MDL, 2 so much that special pool notices. */
    swap = Prepare(Data, &places, *places.Length - (Expect == 2 ? 100 : 1), Expect == 1);
    if (swap == NULL) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    Apply(Data, &places, swap);
    *CompletionContext = swap;
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS PostShort(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                            PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    FreeSwap(CompletionContext);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* Wrong: another buffer, but the MDL of the old one. */
static FLT_PREOP_CALLBACK_STATUS PreStale(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                          PVOID *CompletionContext)
{
    PLACES places;
    PMDL mdl;
    FLT_PREOP_CALLBACK_STATUS answer;

    if (!Concerns(Data, &places)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    mdl = *places.Mdl;
    CHECK(mdl != NULL);
    answer = PreSwapWith(Data, CompletionContext, FALSE);
    *places.Mdl = mdl;
    return answer;
}

/* Wrong: questions of a post callback in a pre callback. */
static FLT_POSTOP_CALLBACK_STATUS FLTAPI Never(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                               PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    CHECK(FALSE);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_PREOP_CALLBACK_STATUS PreEarly(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                          PVOID *CompletionContext)
{
    PLACES places;
    FLT_POSTOP_CALLBACK_STATUS answer = FLT_POSTOP_MORE_PROCESSING_REQUIRED;

    if (!Concerns(Data, &places)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    /* spec: SWAP-21 */
    CHECK(FltGetSwappedBufferMdlAddress(Data) == NULL);
    FltRetainSwappedBufferMdlAddress(Data);
    /* spec: PEND-18 */
    CHECK(!FltDoCompletionProcessingWhenSafe(Data, FltObjects, NULL, 0, Never, &answer));
    CHECK(answer == FLT_POSTOP_FINISHED_PROCESSING);
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS PostEarly(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                            PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    /* spec: SWAP-25 */
    CHECK(!FlagOn(Data->Flags, FLTFL_CALLBACK_DATA_NEW_SYSTEM_BUFFER));
    CHECK(FltGetNewSystemBufferAddress(Data) == NULL);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* Changes nothing: what others put in place. */
static FLT_PREOP_CALLBACK_STATUS PreObserve(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                            PVOID *CompletionContext)
{
    PLACES places;

    if (!Concerns(Data, &places)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    Note(Data, &places);
    if (FLT_IS_FASTIO_OPERATION(Data)) {
        /* spec: SWAP-03 */
        CHECK(*places.Mdl == NULL);
        CHECK(!FlagOn(Data->Flags, FLTFL_CALLBACK_DATA_SYSTEM_BUFFER));
    }
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS PostObserve(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                              PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    PLACES places;

    CHECK(Concerns(Data, &places));
    NotePost(Data, &places);
    /* Nothing was swapped */
    /* spec: SWAP-17 */
    CHECK(FltGetSwappedBufferMdlAddress(Data) == NULL);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* Wrong for fast I/O, which has no MDL. */
static FLT_PREOP_CALLBACK_STATUS PreFastMdl(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                            PVOID *CompletionContext)
{
    PLACES places;
    SWAP *swap;

    if (!FLT_IS_FASTIO_OPERATION(Data) || !Concerns(Data, &places)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    swap = Prepare(Data, &places, *places.Length, TRUE);
    if (swap == NULL) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    Apply(Data, &places, swap);
    *CompletionContext = swap;
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS PostFastMdl(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                              PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    SWAP *swap = CompletionContext;

    CHECK(FltGetSwappedBufferMdlAddress(Data) == NULL);
    if (Data->IoStatus.Status != STATUS_FLT_DISALLOW_FAST_IO) {
        GiveBack(Data, swap);
    }
    IoFreeMdl(swap->Mdl);
    FreeSwap(swap);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* Completion through FltDoCompletionProcessingWhenSafe: the answer of the safe callback, what it was given. */
typedef struct _SAFE {
    SWAP *Swap;
    PFLT_CALLBACK_DATA Data;
    FLT_POST_OPERATION_FLAGS Flags;
    PETHREAD Thread;
    BOOLEAN High;
    WORK_QUEUE_ITEM Work;
} SAFE;
static SAFE Safe;

static FLT_POSTOP_CALLBACK_STATUS FLTAPI WhenSafe(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                  PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    SWAP *swap = CompletionContext;
    PLACES places;

    CHECK(swap == Safe.Swap && Data == Safe.Data && Flags == Safe.Flags);
    CHECK(FltObjects->Filter == Filter && FltObjects->FileObject == Data->Iopb->TargetFileObject);
    /* In a worker, where memory may be touched */
    /* spec: PEND-16 */
    CHECK(KeGetCurrentIrql() <= APC_LEVEL);
    CHECK((PsGetCurrentThread() != Safe.Thread) == Safe.High);
    /* The caller's buffer has no MDL, so it gets one before it is touched */
    /* spec: SWAP-12 */
    CHECK(FltLockUserBuffer(Data) == STATUS_SUCCESS);
    CHECK(Concerns(Data, &places));
    CHECK(*places.Mdl != NULL && MmGetMdlVirtualAddress(*places.Mdl) == swap->OldBuffer);
    CHECK(FltGetSwappedBufferMdlAddress(Data) == swap->Mdl);
    GiveBack(Data, swap);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_POSTOP_CALLBACK_STATUS PostWhenSafe(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                               PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    SWAP *swap = CompletionContext;
    FLT_POSTOP_CALLBACK_STATUS answer = FLT_POSTOP_DISALLOW_FSFILTER_IO;

    Safe.Swap = swap;
    Safe.Data = Data;
    Safe.Flags = Flags;
    Safe.Thread = PsGetCurrentThread();
    Safe.High = KeGetCurrentIrql() >= DISPATCH_LEVEL;
    CHECK(Safe.High == (Expect != 0));
    /* spec: PEND-15, PEND-16 */
    CHECK(FltDoCompletionProcessingWhenSafe(Data, FltObjects, swap, Flags, WhenSafe, &answer));
    CHECK(answer == (Safe.High ? FLT_POSTOP_MORE_PROCESSING_REQUIRED : FLT_POSTOP_FINISHED_PROCESSING));
    if (answer == FLT_POSTOP_FINISHED_PROCESSING) {
        FreeSwap(swap);
    }
    return answer;
}

/* Frees what a worker has finished with: WhenSafe leaves it to this when it ran in one. */
static FLT_POSTOP_CALLBACK_STATUS FLTAPI WhenSafeThenFree(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                          PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    FLT_POSTOP_CALLBACK_STATUS answer = WhenSafe(Data, FltObjects, CompletionContext, Flags);

    FreeSwap(CompletionContext);
    return answer;
}

static VOID NTAPI Complete(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    FltCompletePendedPostOperation(Safe.Data);
}

/* The filter itself resumes the completion */
/* spec: PEND-17 */
static FLT_POSTOP_CALLBACK_STATUS FLTAPI WhenSafeThenPend(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                          PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    (VOID)WhenSafe(Data, FltObjects, CompletionContext, Flags);
    FreeSwap(CompletionContext);
    ExInitializeWorkItem(&Safe.Work, Complete, NULL);
    ExQueueWorkItem(&Safe.Work, DelayedWorkQueue);
    return FLT_POSTOP_MORE_PROCESSING_REQUIRED;
}

/* Expect: 1, the safe callback finishes; 2, it pends. */
static FLT_POSTOP_CALLBACK_STATUS PostHigh(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                           PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    FLT_POSTOP_CALLBACK_STATUS answer = FLT_POSTOP_DISALLOW_FSFILTER_IO;

    if (KeGetCurrentIrql() < DISPATCH_LEVEL) {
        /* It was complete before its issuer had left. */
        return PostSwap(Data, FltObjects, CompletionContext, Flags);
    }
    Results.High++;
    Safe.Swap = CompletionContext;
    Safe.Data = Data;
    Safe.Flags = Flags;
    Safe.Thread = PsGetCurrentThread();
    Safe.High = TRUE;
    CHECK(FltDoCompletionProcessingWhenSafe(Data, FltObjects, CompletionContext, Flags,
                                            Expect == 2 ? WhenSafeThenPend : WhenSafeThenFree, &answer));
    CHECK(answer == FLT_POSTOP_MORE_PROCESSING_REQUIRED);
    return answer;
}

/* Wrong: a program's memory at DISPATCH_LEVEL. */
static FLT_POSTOP_CALLBACK_STATUS PostTouchHigh(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    if (KeGetCurrentIrql() >= DISPATCH_LEVEL) {
        Results.High++;
    }
    /* spec: SWAP-10 */
    return PostSwap(Data, FltObjects, CompletionContext, Flags);
}

/* Paging I/O cannot wait for a worker. */
static FLT_POSTOP_CALLBACK_STATUS PostHighPaging(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                 PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    FLT_POSTOP_CALLBACK_STATUS answer = FLT_POSTOP_MORE_PROCESSING_REQUIRED;

    CHECK(FlagOn(Data->Iopb->IrpFlags, IRP_PAGING_IO));
    if (KeGetCurrentIrql() < DISPATCH_LEVEL) {
        FreeSwap(CompletionContext);
        return FLT_POSTOP_FINISHED_PROCESSING;
    }
    Results.High++;
    /* spec: PEND-16, PEND-19 */
    CHECK(!FltDoCompletionProcessingWhenSafe(Data, FltObjects, CompletionContext, Flags, Never, &answer));
    CHECK(answer == FLT_POSTOP_FINISHED_PROCESSING);
    FreeSwap(CompletionContext);
    return answer;
}

const BEHAVIOUR BufferModes[] = {
    {L"swap", PreSwap, PostSwap, NULL, NULL, NULL, NULL},
    {L"swap-no-mdl", PreSwapNoMdl, PostSwapNoMdl, NULL, NULL, NULL, NULL},
    {L"swap-mdl", PreSwapMdl, PostSwap, NULL, NULL, NULL, NULL},
    {L"swap-retain", PreSwap, PostRetain, NULL, NULL, NULL, NULL},
    {L"swap-free-mdl", PreSwap, PostFreeMdl, NULL, NULL, NULL, NULL},
    {L"swap-leak", PreLeak, NULL, NULL, NULL, NULL, UnloadLeak},
    {L"swap-short", PreShort, PostShort, NULL, NULL, NULL, NULL},
    {L"swap-stale", PreStale, PostSwap, NULL, NULL, NULL, NULL},
    {L"swap-early", PreEarly, PostEarly, NULL, NULL, NULL, NULL},
    {L"swap-fast-mdl", PreFastMdl, PostFastMdl, NULL, NULL, NULL, NULL},
    {L"observe", PreObserve, PostObserve, NULL, NULL, NULL, NULL},
    {L"when-safe", PreSwap, PostWhenSafe, NULL, NULL, NULL, NULL},
    {L"when-high", PreSwap, PostHigh, NULL, NULL, NULL, NULL},
    {L"touch-high", PreSwap, PostTouchHigh, NULL, NULL, NULL, NULL},
    {L"when-paging", PreSwap, PostHighPaging, NULL, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL, NULL},
};
