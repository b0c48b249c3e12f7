/*
 * Behaviours that issue operations of their own, below the instance that a callback runs for.
 *
 * They act in callbacks of IRPs of the registry value Major on files whose name contains "change".
 */
#include "iopbtest.h"

#define POOL_TAG 'nGPI'
#define LENGTH 512

/* What an asynchronous operation is waited for with. */
typedef struct _WAITER {
    KEVENT Done;
    PFLT_CALLBACK_DATA Data;
    NTSTATUS Status;
    ULONG_PTR Information;
    LONG Calls;
    BOOLEAN Free;  /* the callback frees the data */
    BOOLEAN Reuse; /* the callback makes them as new */
} WAITER;

static BOOLEAN Concerns(PFLT_CALLBACK_DATA Data)
{
    return FLT_IS_IRP_OPERATION(Data) && Settings.Major == Data->Iopb->MajorFunction &&
           !FlagOn(Data->Iopb->IrpFlags, IRP_PAGING_IO) && NameContains(Data->Iopb->TargetFileObject, L"change");
}

static FLT_PREOP_CALLBACK_STATUS Pass(PFLT_CALLBACK_DATA Data)
{
    return FLT_IS_FASTIO_OPERATION(Data) ? FLT_PREOP_DISALLOW_FASTIO : FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_PREOP_CALLBACK_STATUS PreForPost(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                            PVOID *CompletionContext)
{
    return Concerns(Data) ? FLT_PREOP_SUCCESS_WITH_CALLBACK : Pass(Data);
}

static FLT_PREOP_CALLBACK_STATUS PreSynchronize(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                PVOID *CompletionContext)
{
    return Concerns(Data) ? FLT_PREOP_SYNCHRONIZE : Pass(Data);
}

static FLT_POSTOP_CALLBACK_STATUS PostAny(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                          PVOID CompletionContext)
{
    return FLT_POSTOP_FINISHED_PROCESSING;
}

static PFLT_CALLBACK_DATA Allocate(PCFLT_RELATED_OBJECTS FltObjects, ULONG Flags)
{
    PFLT_CALLBACK_DATA data = NULL;
    NTSTATUS status;

    status = Flags == 0 ? FltAllocateCallbackData(FltObjects->Instance, FltObjects->FileObject, &data)
                        : FltAllocateCallbackDataEx(FltObjects->Instance, FltObjects->FileObject, Flags, &data);
    CHECK(status == STATUS_SUCCESS);
    return data;
}

static VOID FillRead(PFLT_CALLBACK_DATA Data, UCHAR Major, PVOID Buffer, ULONG IrpFlags)
{
    Data->Iopb->MajorFunction = Major;
    Data->Iopb->IrpFlags = IrpFlags;
    Data->Iopb->Parameters.Read.Length = LENGTH;
    Data->Iopb->Parameters.Read.ByteOffset.QuadPart = 0;
    Data->Iopb->Parameters.Read.ReadBuffer = Buffer;
}

static VOID FLTAPI Done(PFLT_CALLBACK_DATA Data, PFLT_CONTEXT Context)
{
    WAITER *waiter = (WAITER *)Context;

    CHECK(KeGetCurrentIrql() <= DISPATCH_LEVEL);
    CHECK(waiter->Data == NULL || waiter->Data == Data);
    waiter->Status = Data->IoStatus.Status;
    waiter->Information = Data->IoStatus.Information;
    InterlockedIncrement(&waiter->Calls);
    if (waiter->Reuse) {
        FltReuseCallbackData(Data);
    }
    if (waiter->Free) {
        FltFreeCallbackData(Data);
    }
    KeSetEvent(&waiter->Done, IO_NO_INCREMENT, FALSE);
}

static VOID Prepare(WAITER *Waiter, PFLT_CALLBACK_DATA Data)
{
    RtlZeroMemory(Waiter, sizeof(*Waiter));
    KeInitializeEvent(&Waiter->Done, NotificationEvent, FALSE);
    Waiter->Data = Data;
}

static NTSTATUS Await(WAITER *Waiter, NTSTATUS Returned)
{
    if (Returned != STATUS_PENDING) {
        /* It has run already. */
        CHECK(Waiter->Calls == 1);
    }
    CHECK(KeWaitForSingleObject(&Waiter->Done, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    CHECK(Waiter->Calls == 1);
    return Waiter->Status;
}

static VOID CheckFresh(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    CHECK(Data->Flags == (FLTFL_CALLBACK_DATA_IRP_OPERATION | FLTFL_CALLBACK_DATA_GENERATED_IO));
    CHECK(FLT_IS_IRP_OPERATION(Data) && !FLT_IS_FASTIO_OPERATION(Data) && !FLT_IS_FS_FILTER_OPERATION(Data));
    CHECK(!FLT_IS_REISSUED_IO(Data) && !FLT_IS_SYSTEM_BUFFER(Data));
    CHECK(Data->Iopb->TargetInstance == FltObjects->Instance);
    CHECK(Data->Iopb->TargetFileObject == FltObjects->FileObject);
    CHECK(Data->Iopb->MajorFunction == 0 && Data->Iopb->MinorFunction == 0 && Data->Iopb->IrpFlags == 0);
    CHECK(Data->Iopb->Parameters.Read.Length == 0 && Data->Iopb->Parameters.Read.ReadBuffer == NULL);
    CHECK(Data->IoStatus.Status == STATUS_SUCCESS && Data->IoStatus.Information == 0);
    CHECK(Data->RequestorMode == KernelMode);
    CHECK(Data->Thread == PsGetCurrentThread());
    CHECK(Data->TagData == NULL);
}

/* Synchronous: a noncached read, twice with one structure, and a query. Return is the flags of the allocation. */
static FLT_PREOP_CALLBACK_STATUS PreSync(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                         PVOID *CompletionContext)
{
    FILE_STANDARD_INFORMATION standard;
    PFLT_CALLBACK_DATA own;
    PUCHAR buffer;
    PMDL mdl;
    KIRQL irql;

    if (!Concerns(Data)) {
        return Pass(Data);
    }
    own = Allocate(FltObjects, Settings.Return);
    buffer = ExAllocatePoolWithTag(NonPagedPool, LENGTH, POOL_TAG);
    CHECK(own != NULL && buffer != NULL);
    CheckFresh(own, FltObjects);
    FillRead(own, IRP_MJ_READ, buffer, IRP_READ_OPERATION | IRP_NOCACHE);
    FltPerformSynchronousIo(own);
    CHECK(own->IoStatus.Status == STATUS_SUCCESS);
    CHECK(own->IoStatus.Information == LENGTH);
    CHECK(buffer[0] == 'a' && buffer[LENGTH - 1] == 'a');

    FltReuseCallbackData(own);
    CheckFresh(own, FltObjects);
    /* An MDL in the parameters goes with them. */
    mdl = IoAllocateMdl(buffer, LENGTH, FALSE, FALSE, NULL);
    MmBuildMdlForNonPagedPool(mdl);
    RtlZeroMemory(buffer, LENGTH);
    FillRead(own, IRP_MJ_READ, buffer, IRP_READ_OPERATION | IRP_NOCACHE);
    own->Iopb->Parameters.Read.MdlAddress = mdl;
    KeRaiseIrql(APC_LEVEL, &irql);
    FltPerformSynchronousIo(own);
    KeLowerIrql(irql);
    CHECK(own->IoStatus.Status == STATUS_SUCCESS && own->IoStatus.Information == LENGTH);
    CHECK(buffer[0] == 'a' && own->Iopb->Parameters.Read.MdlAddress == mdl);

    FltReuseCallbackData(own);
    CHECK(own->Iopb->Parameters.Read.MdlAddress == NULL);
    own->Iopb->MajorFunction = IRP_MJ_QUERY_INFORMATION;
    own->Iopb->Parameters.QueryFileInformation.Length = sizeof(standard);
    own->Iopb->Parameters.QueryFileInformation.FileInformationClass = FileStandardInformation;
    own->Iopb->Parameters.QueryFileInformation.InfoBuffer = &standard;
    FltPerformSynchronousIo(own);
    CHECK(own->IoStatus.Status == STATUS_SUCCESS && own->IoStatus.Information == sizeof(standard));
    CHECK(standard.EndOfFile.QuadPart == LENGTH);

    /* Behind the end. */
    FltReuseCallbackData(own);
    FillRead(own, IRP_MJ_READ, buffer, IRP_READ_OPERATION | IRP_NOCACHE);
    own->Iopb->Parameters.Read.ByteOffset.QuadPart = 4 * LENGTH;
    FltPerformSynchronousIo(own);
    CHECK(own->IoStatus.Status == STATUS_END_OF_FILE);
    FltFreeCallbackData(own);
    ExFreePool(buffer);
    InterlockedIncrement64((LONG64 volatile *)&Results.Reserved[0]);
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* Asynchronous: freed by the callback, reused by it, and refused. */
static FLT_PREOP_CALLBACK_STATUS PreAsync(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                          PVOID *CompletionContext)
{
    PFLT_CALLBACK_DATA own;
    PUCHAR buffer;
    WAITER waiter;
    NTSTATUS status;

    if (!Concerns(Data)) {
        return Pass(Data);
    }
    buffer = ExAllocatePoolWithTag(NonPagedPool, LENGTH, POOL_TAG);
    own = Allocate(FltObjects, Settings.Return);
    FillRead(own, IRP_MJ_READ, buffer, IRP_READ_OPERATION | IRP_NOCACHE);
    Prepare(&waiter, own);
    waiter.Reuse = TRUE;
    status = FltPerformAsynchronousIo(own, Done, &waiter);
    CHECK(status == STATUS_SUCCESS || status == STATUS_PENDING);
    if (status == STATUS_PENDING) {
        InterlockedIncrement64((LONG64 volatile *)&Results.Reserved[1]);
    }
    CHECK(Await(&waiter, status) == STATUS_SUCCESS && waiter.Information == LENGTH);
    CHECK(buffer[0] == 'a' && buffer[LENGTH - 1] == 'a');
    CHECK(own->Iopb->MajorFunction == 0);

    /* A failure comes through the callback, too. */
    FillRead(own, IRP_MJ_READ, buffer, IRP_READ_OPERATION | IRP_NOCACHE);
    own->Iopb->Parameters.Read.ByteOffset.QuadPart = 4 * LENGTH;
    Prepare(&waiter, own);
    status = FltPerformAsynchronousIo(own, Done, &waiter);
    CHECK(Await(&waiter, status) == STATUS_END_OF_FILE);

    /* A create cannot be asynchronous. */
    FltReuseCallbackData(own);
    own->Iopb->MajorFunction = IRP_MJ_CREATE;
    Prepare(&waiter, own);
    CHECK(FltPerformAsynchronousIo(own, Done, &waiter) == STATUS_FLT_INVALID_ASYNCHRONOUS_REQUEST);
    CHECK(Await(&waiter, STATUS_SUCCESS) == STATUS_FLT_INVALID_ASYNCHRONOUS_REQUEST);

    /* The callback frees the data. */
    FltReuseCallbackData(own);
    FillRead(own, IRP_MJ_READ, buffer, IRP_READ_OPERATION | IRP_NOCACHE);
    Prepare(&waiter, own);
    waiter.Free = TRUE;
    status = FltPerformAsynchronousIo(own, Done, &waiter);
    CHECK(Await(&waiter, status) == STATUS_SUCCESS);
    ExFreePool(buffer);
    InterlockedIncrement64((LONG64 volatile *)&Results.Reserved[0]);
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* FltReadFile and FltWriteFile with and without a callback. */
static FLT_PREOP_CALLBACK_STATUS PreTransfer(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                             PVOID *CompletionContext)
{
    PFILE_OBJECT file = FltObjects->FileObject;
    LARGE_INTEGER offset = {.QuadPart = 0};
    LARGE_INTEGER before;
    ULONG count = 77, key = 5;
    PUCHAR buffer;
    WAITER waiter;
    NTSTATUS status;
    PMDL mdl;

    if (!Concerns(Data)) {
        return Pass(Data);
    }
    buffer = FltAllocatePoolAlignedWithTag(FltObjects->Instance, NonPagedPool, LENGTH, POOL_TAG);
    before = file->CurrentByteOffset;

    /* Without one the call waits, whatever the file was opened for. */
    status = FltReadFile(FltObjects->Instance, file, &offset, LENGTH, buffer, FLTFL_IO_OPERATION_NON_CACHED,
                         &count, NULL, NULL);
    CHECK(status == STATUS_SUCCESS && count == LENGTH && buffer[0] == 'a');

    /* With one nobody writes the count. */
    count = 77;
    Prepare(&waiter, NULL);
    RtlZeroMemory(buffer, LENGTH);
    status = FltReadFile(FltObjects->Instance, file, &offset, LENGTH, buffer,
                         FLTFL_IO_OPERATION_NON_CACHED | FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET, &count, Done,
                         &waiter);
    CHECK(Await(&waiter, status) == STATUS_SUCCESS && waiter.Information == LENGTH);
    CHECK(count == 77 && buffer[0] == 'a');
    if (FlagOn(file->Flags, FO_SYNCHRONOUS_IO)) {
        CHECK(file->CurrentByteOffset.QuadPart == LENGTH);
    }

    RtlFillMemory(buffer, LENGTH, 'b');
    Prepare(&waiter, NULL);
    status = FltWriteFile(FltObjects->Instance, file, &offset, LENGTH, buffer, FLTFL_IO_OPERATION_NON_CACHED, NULL,
                          Done, &waiter);
    CHECK(Await(&waiter, status) == STATUS_SUCCESS && waiter.Information == LENGTH);

    /* By an MDL, which stays ours. */
    mdl = IoAllocateMdl(buffer, LENGTH, FALSE, FALSE, NULL);
    MmBuildMdlForNonPagedPool(mdl);
    RtlZeroMemory(buffer, LENGTH);
    status = FltReadFileEx(FltObjects->Instance, file, &offset, LENGTH, NULL, FLTFL_IO_OPERATION_NON_CACHED, &count,
                           NULL, NULL, &key, mdl);
    CHECK(status == STATUS_SUCCESS && count == LENGTH && buffer[0] == 'b');
    RtlZeroMemory(buffer, LENGTH);
    Prepare(&waiter, NULL);
    status = FltReadFileEx(FltObjects->Instance, file, &offset, LENGTH, NULL, FLTFL_IO_OPERATION_NON_CACHED, NULL,
                           Done, &waiter, NULL, mdl);
    CHECK(Await(&waiter, status) == STATUS_SUCCESS && buffer[0] == 'b');
    RtlFillMemory(buffer, LENGTH, 'a');
    status = FltWriteFileEx(FltObjects->Instance, file, &offset, LENGTH, NULL, FLTFL_IO_OPERATION_NON_CACHED, &count,
                            NULL, NULL, NULL, mdl);
    CHECK(status == STATUS_SUCCESS && count == LENGTH);
    IoFreeMdl(mdl);

    /* Behind the end. */
    offset.QuadPart = 4 * LENGTH;
    status = FltReadFile(FltObjects->Instance, file, &offset, LENGTH, buffer, FLTFL_IO_OPERATION_NON_CACHED, &count,
                         NULL, NULL);
    CHECK(status == STATUS_END_OF_FILE);
    Prepare(&waiter, NULL);
    status = FltReadFile(FltObjects->Instance, file, &offset, LENGTH, buffer, FLTFL_IO_OPERATION_NON_CACHED, &count,
                         Done, &waiter);
    CHECK(Await(&waiter, status) == STATUS_END_OF_FILE);
    file->CurrentByteOffset = before;
    FltFreePoolAlignedWithTag(FltObjects->Instance, buffer, POOL_TAG);
    InterlockedIncrement64((LONG64 volatile *)&Results.Reserved[0]);
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* What goes wrong; Return chooses. */
static FLT_PREOP_CALLBACK_STATUS PreWrong(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                          PVOID *CompletionContext)
{
    static UCHAR buffer[LENGTH];
    LARGE_INTEGER offset = {.QuadPart = 0};
    PFLT_CALLBACK_DATA own;
    PMDL mdl = NULL;
    WAITER waiter;
    NTSTATUS status;
    KIRQL irql;

    if (!Concerns(Data)) {
        return Pass(Data);
    }
    own = Allocate(FltObjects, 0);
    FillRead(own, IRP_MJ_READ, buffer, IRP_READ_OPERATION | IRP_NOCACHE);
    Prepare(&waiter, own);
    switch (Settings.Return) {
    case 0: /* Somebody else's data. */
        FltFreeCallbackData(Data);
        FltReuseCallbackData(Data);
        break;
    case 1: /* No operation of an IRP. */
        own->Iopb->MajorFunction = IRP_MJ_RELEASE_FOR_MOD_WRITE;
        FltPerformSynchronousIo(own);
        CHECK(own->IoStatus.Status == STATUS_INVALID_PARAMETER);
        own->Iopb->MajorFunction = IRP_MJ_FAST_IO_CHECK_IF_POSSIBLE;
        FltPerformSynchronousIo(own);
        CHECK(own->IoStatus.Status == STATUS_INVALID_PARAMETER);
        break;
    case 2: /* No callback. */
        CHECK(FltPerformAsynchronousIo(own, NULL, NULL) == STATUS_INVALID_PARAMETER);
        break;
    case 3: /* At APC_LEVEL, and paging I/O that is none. */
        KeRaiseIrql(APC_LEVEL, &irql);
        status = FltPerformAsynchronousIo(own, Done, &waiter);
        KeLowerIrql(irql);
        CHECK(Await(&waiter, status) == STATUS_SUCCESS);
        FltReuseCallbackData(own);
        own->Iopb->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
        own->Iopb->IrpFlags = IRP_PAGING_IO;
        Prepare(&waiter, own);
        status = FltPerformAsynchronousIo(own, Done, &waiter);
        (VOID)Await(&waiter, status);
        break;
    case 4: /* Never performed, another instance's, and outside a post callback. */
        FltReissueSynchronousIo(FltObjects->Instance, own);
        CHECK(own->IoStatus.Status == STATUS_SUCCESS && own->IoStatus.Information == 0);
        FltReissueSynchronousIo(FltObjects->Instance, Data);
        break;
    case 5: /* Both, and neither. */
        mdl = IoAllocateMdl(buffer, LENGTH, FALSE, FALSE, NULL);
        MmBuildMdlForNonPagedPool(mdl);
        CHECK(FltReadFileEx(FltObjects->Instance, FltObjects->FileObject, &offset, LENGTH, buffer, 0, NULL, NULL, NULL,
                            NULL, mdl) == STATUS_INVALID_PARAMETER);
        CHECK(FltReadFileEx(FltObjects->Instance, FltObjects->FileObject, &offset, LENGTH, NULL, 0, NULL, NULL, NULL,
                            NULL, NULL) == STATUS_INVALID_PARAMETER);
        IoFreeMdl(mdl);
        break;
    case 6: /* Not aligned, and synchronous paging I/O that is no paging I/O. */
        offset.QuadPart = 1;
        CHECK(FltReadFile(FltObjects->Instance, FltObjects->FileObject, &offset, LENGTH, buffer,
                          FLTFL_IO_OPERATION_NON_CACHED, NULL, NULL, NULL) == STATUS_INVALID_PARAMETER);
        offset.QuadPart = 0;
        CHECK(FltReadFile(FltObjects->Instance, FltObjects->FileObject, &offset, 1, buffer,
                          FLTFL_IO_OPERATION_NON_CACHED, NULL, NULL, NULL) == STATUS_INVALID_PARAMETER);
        CHECK(FltReadFile(FltObjects->Instance, FltObjects->FileObject, &offset, LENGTH, buffer,
                          FLTFL_IO_OPERATION_SYNCHRONOUS_PAGING, NULL, NULL, NULL) == STATUS_SUCCESS);
        break;
    case 7: /* Done already. */
        FltPerformSynchronousIo(own);
        CHECK(FltCancelIo(own) == FALSE);
        break;
    case 8: /* Leaked. */
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    case 9: /* Leaked: work items. */
        CHECK(FltAllocateGenericWorkItem() != NULL);
        CHECK(FltAllocateDeferredIoWorkItem() != NULL);
        break;
    case 10: /* No offset: the position, which a file opened for asynchronous I/O has not. */
        FltObjects->FileObject->CurrentByteOffset.QuadPart = 256;
        status = FltReadFile(FltObjects->Instance, FltObjects->FileObject, NULL, 64, buffer, 0, NULL, NULL, NULL);
        if (FlagOn(FltObjects->FileObject->Flags, FO_SYNCHRONOUS_IO)) {
            CHECK(status == STATUS_SUCCESS && buffer[63] == 'a');
            CHECK(FltObjects->FileObject->CurrentByteOffset.QuadPart == 320);
        } else {
            CHECK(status == STATUS_INVALID_PARAMETER);
        }
        break;
    }
    FltFreeCallbackData(own);
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* An operation that a filter below holds is cancelled by who issued it, and its data cannot be freed meanwhile. */
static FLT_PREOP_CALLBACK_STATUS PreCancelOwn(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                              PVOID *CompletionContext)
{
    static UCHAR buffer[LENGTH];
    PFLT_CALLBACK_DATA own;
    WAITER waiter;
    BOOLEAN called;
    KIRQL irql;

    if (!Concerns(Data)) {
        return Pass(Data);
    }
    own = Allocate(FltObjects, 0);
    FillRead(own, (UCHAR)Settings.Length, buffer, IRP_NOCACHE);
    Prepare(&waiter, own);
    CHECK(FltPerformAsynchronousIo(own, Done, &waiter) == STATUS_PENDING);
    CHECK(waiter.Calls == 0);
    if (Settings.Return != 0) {
        /* Wrong: under way. */
        FltReuseCallbackData(own);
        FltFreeCallbackData(own);
        FltPerformSynchronousIo(own);
    }
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    called = FltCancelIo(own);
    KeLowerIrql(irql);
    if (Settings.Offset != 0) {
        /* Who holds it did not say how to cancel it: it may succeed. */
        CHECK(!called);
        CHECK(Await(&waiter, STATUS_PENDING) == STATUS_SUCCESS);
    } else {
        CHECK(called);
        CHECK(Await(&waiter, STATUS_PENDING) == STATUS_CANCELLED);
    }
    FltFreeCallbackData(own);
    InterlockedIncrement64((LONG64 volatile *)&Results.Reserved[0]);
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/*
 * Issued again from the post callback: a read at another place. Length says how: 0 marked as changed, 1 not marked,
 * 2 unchanged, 3 with a wrong instance.
 */
static FLT_POSTOP_CALLBACK_STATUS PostReissue(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                              PVOID CompletionContext)
{
    LONGLONG before = Data->Iopb->Parameters.Read.ByteOffset.QuadPart;
    PFLT_INSTANCE instance = FltObjects->Instance;

    CHECK(KeGetCurrentIrql() <= APC_LEVEL);
    Results.Reserved[0] = (ULONG)Data->IoStatus.Status;
    if (Settings.Length == 3) {
        instance = Instances[Instances[0] == FltObjects->Instance ? 1 : 0];
    } else if (Settings.Length != 2) {
        Data->Iopb->Parameters.Read.ByteOffset.QuadPart = 0;
    }
    if (Settings.Length == 0) {
        FltSetCallbackDataDirty(Data);
    }
    FltReissueSynchronousIo(instance, Data);
    CHECK(!FltIsCallbackDataDirty(Data));
    CHECK(Data->Iopb->Parameters.Read.ByteOffset.QuadPart == before);
    Results.Reserved[1] = (ULONG)Data->IoStatus.Status;
    Results.Reserved[2] = Data->IoStatus.Information;
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* A create that failed because of its disposition is issued again with another one. */
static FLT_POSTOP_CALLBACK_STATUS PostCreateAgain(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                                  PVOID CompletionContext)
{
    ULONG options = Data->Iopb->Parameters.Create.Options;

    if (Data->IoStatus.Status != STATUS_OBJECT_NAME_NOT_FOUND) {
        return FLT_POSTOP_FINISHED_PROCESSING;
    }
    Data->Iopb->Parameters.Create.Options = (options & 0x00ffffff) | (FILE_CREATE << 24);
    FltSetCallbackDataDirty(Data);
    FltReissueSynchronousIo(FltObjects->Instance, Data);
    CHECK(Data->IoStatus.Status == STATUS_SUCCESS);
    CHECK(Data->IoStatus.Information == FILE_CREATED);
    CHECK(Data->Iopb->Parameters.Create.Options == options);
    InterlockedIncrement64((LONG64 volatile *)&Results.Reserved[0]);
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* A create is undone. Return: 1 issued again after it, 2 undone twice, 3 not undone because it came to a reparse. */
static FLT_POSTOP_CALLBACK_STATUS PostUndo(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                           PVOID CompletionContext)
{
    if (Data->IoStatus.Status != STATUS_SUCCESS && Data->IoStatus.Status != STATUS_REPARSE) {
        return FLT_POSTOP_FINISHED_PROCESSING;
    }
    FltCancelFileOpen(FltObjects->Instance, FltObjects->FileObject);
    if (Data->IoStatus.Status == STATUS_REPARSE) {
        CHECK(!FlagOn(FltObjects->FileObject->Flags, FO_FILE_OPEN_CANCELLED));
        return FLT_POSTOP_FINISHED_PROCESSING;
    }
    CHECK(FlagOn(FltObjects->FileObject->Flags, FO_FILE_OPEN_CANCELLED));
    CHECK(!FlagOn(FltObjects->FileObject->Flags, FO_HANDLE_CREATED));
    if (Settings.Return == 2) {
        FltCancelFileOpen(FltObjects->Instance, FltObjects->FileObject);
    }
    Data->IoStatus.Status = STATUS_ACCESS_DENIED;
    Data->IoStatus.Information = 0;
    if (Settings.Return == 1) {
        FltReissueSynchronousIo(FltObjects->Instance, Data);
        CHECK(Data->IoStatus.Status == STATUS_CANCELLED);
    }
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* Wrong: from a pre callback of a create, and of a file that is open. */
static FLT_PREOP_CALLBACK_STATUS PreUndo(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                         PVOID *CompletionContext)
{
    if (!Concerns(Data)) {
        return Pass(Data);
    }
    FltCancelFileOpen(FltObjects->Instance, FltObjects->FileObject);
    CHECK(!FlagOn(FltObjects->FileObject->Flags, FO_FILE_OPEN_CANCELLED));
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* A create that comes to a reparse to another name, for who is above. */
static FLT_PREOP_CALLBACK_STATUS PreReparse(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                            PVOID *CompletionContext)
{
    static WCHAR name[] = L"\\Device\\HarddiskVolume1\\other";

    if (!Concerns(Data)) {
        return Pass(Data);
    }
    CHECK(NT_SUCCESS(IoReplaceFileObjectName(FltObjects->FileObject, name, sizeof(name) - sizeof(WCHAR))));
    Data->IoStatus.Status = STATUS_REPARSE;
    Data->IoStatus.Information = IO_REPARSE;
    return FLT_PREOP_COMPLETE;
}

/* Own data issued again: unchanged, changed without a mark, and marked. */
static FLT_PREOP_CALLBACK_STATUS PreAgain(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                          PVOID *CompletionContext)
{
    static UCHAR buffer[LENGTH];
    PFLT_CALLBACK_DATA own;

    if (!Concerns(Data)) {
        return Pass(Data);
    }
    own = Allocate(FltObjects, 0);
    FillRead(own, IRP_MJ_READ, buffer, IRP_READ_OPERATION | IRP_NOCACHE);
    FltPerformSynchronousIo(own);
    CHECK(own->IoStatus.Status == STATUS_SUCCESS);
    own->Iopb->Parameters.Read.ByteOffset.QuadPart = 4 * LENGTH;
    FltReissueSynchronousIo(FltObjects->Instance, own);
    CHECK(own->IoStatus.Status == STATUS_SUCCESS && own->IoStatus.Information == LENGTH);
    own->Iopb->Parameters.Read.ByteOffset.QuadPart = 4 * LENGTH;
    FltSetCallbackDataDirty(own);
    FltReissueSynchronousIo(FltObjects->Instance, own);
    CHECK(own->IoStatus.Status == STATUS_END_OF_FILE);
    FltFreeCallbackData(own);
    InterlockedIncrement64((LONG64 volatile *)&Results.Reserved[0]);
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

const BEHAVIOUR GeneratedModes[] = {
    {L"issue", PreSync, PostAny},
    {L"issue-async", PreAsync, PostAny},
    {L"transfer", PreTransfer, PostAny},
    {L"issue-wrongly", PreWrong, PostAny},
    {L"issue-cancel", PreCancelOwn, PostAny},
    {L"issue-again", PreAgain, PostAny},
    {L"reissue", PreSynchronize, PostReissue},
    {L"reissue-wrongly", PreForPost, PostReissue},
    {L"create-again", PreForPost, PostCreateAgain},
    {L"undo", PreForPost, PostUndo},
    {L"undo-wrongly", PreUndo, PostAny},
    {L"reparse", PreReparse, PostAny},
};
const ULONG GeneratedModeCount = ARRAYSIZE(GeneratedModes);
