/*
 * The checks of modwatch: what each callback may rely on.
 *
 * Between an acquire for the page writer and its release the table Outstanding remembers who acquired what.
 */
#include "modwatch.h"
#define FIRST_LINE 10000

#define MOST_OUTSTANDING 64

/* What the mapped page writer has acquired and not released yet. */
typedef struct _OUTSTANDING {
    PFILE_OBJECT FileObject; /* NULL: unused */
    PERESOURCE Resource;
    PKTHREAD Thread;
    LONG64 End;
} OUTSTANDING;

static OUTSTANDING Outstanding[MOST_OUTSTANDING];
static KSPIN_LOCK OutstandingLock;
/* How many releases the mapped page writer's thread has come to. */
static LONG64 volatile Releases;

VOID InitializeWatch(VOID)
{
    KeInitializeSpinLock(&OutstandingLock);
}

static VOID Remember(PFILE_OBJECT FileObject, PERESOURCE Resource, LONG64 End)
{
    KIRQL irql;
    ULONG i;

    KeAcquireSpinLock(&OutstandingLock, &irql);
    for (i = 0; i < MOST_OUTSTANDING; i++) {
        if (Outstanding[i].FileObject == NULL) {
            Outstanding[i].FileObject = FileObject;
            Outstanding[i].Resource = Resource;
            Outstanding[i].Thread = KeGetCurrentThread();
            Outstanding[i].End = End;
            break;
        }
    }
    KeReleaseSpinLock(&OutstandingLock, irql);
    CHECK(i < MOST_OUTSTANDING);
}

/*
 * Whether this thread acquired the file for the page writer; without a resource any will do. Forget removes the one that
 * ends first: a release does not say which write it follows, and several may be under way.
 */
static BOOLEAN IsOutstanding(PFILE_OBJECT FileObject, PERESOURCE Resource, LONG64 Offset, BOOLEAN Forget)
{
    OUTSTANDING *found = NULL;
    KIRQL irql;
    ULONG i;

    KeAcquireSpinLock(&OutstandingLock, &irql);
    for (i = 0; i < MOST_OUTSTANDING; i++) {
        if (Outstanding[i].FileObject == FileObject && Outstanding[i].Thread == KeGetCurrentThread()
            && (Resource == NULL || Outstanding[i].Resource == Resource) && Outstanding[i].End > Offset
            && (found == NULL || Outstanding[i].End < found->End)) {
            found = &Outstanding[i];
        }
    }
    if (found != NULL && Forget) {
        found->FileObject = NULL;
    }
    KeReleaseSpinLock(&OutstandingLock, irql);
    return found != NULL;
}

static PFSRTL_ADVANCED_FCB_HEADER HeaderOf(PFILE_OBJECT FileObject)
{
    return FileObject->FsContext;
}

static ULONG HeldOf(PERESOURCE Resource)
{
    return Resource != NULL ? ExIsResourceAcquiredSharedLite(Resource) : 0;
}

/* The resource that a release gives back. */
static PERESOURCE ReleasedBy(PFLT_CALLBACK_DATA Data)
{
    PFSRTL_ADVANCED_FCB_HEADER header = HeaderOf(Data->Iopb->TargetFileObject);

    switch (Data->Iopb->MajorFunction) {
    case IRP_MJ_RELEASE_FOR_MOD_WRITE:
        return Data->Iopb->Parameters.ReleaseForModifiedPageWriter.ResourceToRelease;
    case IRP_MJ_RELEASE_FOR_CC_FLUSH:
        return header->PagingIoResource;
    default:
        return header->Resource;
    }
}

/* What holds for every file system filter operation. */
static VOID CheckKind(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    // spec: SEED-MODW-01, SEED-MODW-05, SEED-MODW-06, FSF-23, FSF-26, PRE-03
    UCHAR major = Data->Iopb->MajorFunction;

    CHECK(FLT_IS_FS_FILTER_OPERATION(Data));
    CHECK(!FLT_IS_IRP_OPERATION(Data));
    CHECK(!FLT_IS_FASTIO_OPERATION(Data));
    CHECK(!FlagOn(Data->Flags, FLTFL_CALLBACK_DATA_SYSTEM_BUFFER));
    CHECK(Data->Iopb->IrpFlags == 0);
    CHECK(Data->Iopb->OperationFlags == 0);
    CHECK(Data->Iopb->MinorFunction == 0);
    CHECK(Data->Iopb->TargetFileObject != NULL);
    CHECK(FltObjects->FileObject == Data->Iopb->TargetFileObject);
    CHECK(Data->Thread == PsGetCurrentThread());
    CHECK(KeGetCurrentIrql() <= APC_LEVEL);
    if (major == IRP_MJ_RELEASE_FOR_MOD_WRITE) {
        // spec: SEED-MODW-08
        CHECK(KeGetCurrentIrql() == APC_LEVEL);
        CHECK(KeAreAllApcsDisabled());
    } else if (major != IRP_MJ_QUERY_OPEN) {
        CHECK(KeAreApcsDisabled() || PsIsSystemThread(PsGetCurrentThread()));
    }
}

static VOID CheckAcquireForModWrite(PFLT_CALLBACK_DATA Data)
{
    // spec: FSF-16, PARM-25
    PLARGE_INTEGER end = Data->Iopb->Parameters.AcquireForModifiedPageWriter.EndingOffset;

    CHECK(end != NULL && end->QuadPart > 0);
    CHECK(Data->Iopb->Parameters.AcquireForModifiedPageWriter.ResourceToRelease != NULL);
}

static VOID CheckAcquireForSection(PFLT_CALLBACK_DATA Data)
{
    // spec: FSF-10, FSF-11
    ULONG type = Data->Iopb->Parameters.AcquireForSectionSynchronization.SyncType;
    ULONG protection = Data->Iopb->Parameters.AcquireForSectionSynchronization.PageProtection;

    CHECK(type == SyncTypeOther || type == SyncTypeCreateSection);
    CHECK((type == SyncTypeOther) == (protection == 0));
}

static VOID CheckQueryOpen(PFLT_CALLBACK_DATA Data)
{
    // spec: FSF-28
    ULONG class = Data->Iopb->Parameters.QueryOpen.FileInformationClass;

    CHECK(Data->Iopb->Parameters.QueryOpen.Irp != NULL);
    CHECK(Data->Iopb->Parameters.QueryOpen.FileInformation != NULL);
    CHECK(Data->Iopb->Parameters.QueryOpen.Length != NULL);
    CHECK(class == 68 || class == 70 || class == 71 || class == 77);
}

FLT_PREOP_CALLBACK_STATUS FLTAPI PreFsFilter(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                             PVOID *CompletionContext)
{
    UCHAR major = Data->Iopb->MajorFunction;
    PLOG_ENTRY entry = Record(Data, PHASE_PRE);

    InterlockedIncrement64(&Results.Operations[0xff - major].Pre);
    CheckKind(Data, FltObjects);
    CHECK(!FlagOn(Data->Flags, FLTFL_CALLBACK_DATA_POST_OPERATION));
    switch (major) {
    case IRP_MJ_ACQUIRE_FOR_MOD_WRITE:
        CheckAcquireForModWrite(Data);
        entry->Offset = (ULONG64)Data->Iopb->Parameters.AcquireForModifiedPageWriter.EndingOffset->QuadPart;
        break;
    case IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION:
        CheckAcquireForSection(Data);
        break;
    case IRP_MJ_ACQUIRE_FOR_CC_FLUSH:
        break;
    case IRP_MJ_QUERY_OPEN:
        CheckQueryOpen(Data);
        break;
    default:
        // spec: SEED-MODW-15
        if (major == IRP_MJ_RELEASE_FOR_MOD_WRITE) {
            PERESOURCE resource = ReleasedBy(Data);

            InterlockedIncrement64(&Releases);
            entry->Resource = (ULONG64)resource;
            CHECK(resource != NULL);
            // spec: SEED-MODW-03, SEED-MODW-07, FSF-17, FSF-29
            CHECK(IsOutstanding(Data->Iopb->TargetFileObject, resource, 0, TRUE));
        }
        CHECK(HeldOf(ReleasedBy(Data)) != 0);
        *CompletionContext = (PVOID)(ULONG_PTR)HeldOf(ReleasedBy(Data));
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
    }
    *CompletionContext = (PVOID)(ULONG_PTR)major;
    return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static VOID CheckAcquired(PFLT_CALLBACK_DATA Data, PLOG_ENTRY Entry)
{
    PFILE_OBJECT file = Data->Iopb->TargetFileObject;
    PFSRTL_ADVANCED_FCB_HEADER header = HeaderOf(file);
    NTSTATUS status = Data->IoStatus.Status;

    switch (Data->Iopb->MajorFunction) {
    case IRP_MJ_ACQUIRE_FOR_MOD_WRITE: {
        // spec: FSF-17, PARM-25
        PERESOURCE resource = *Data->Iopb->Parameters.AcquireForModifiedPageWriter.ResourceToRelease;
        LONG64 end = Data->Iopb->Parameters.AcquireForModifiedPageWriter.EndingOffset->QuadPart;

        Entry->Resource = (ULONG64)resource;
        Entry->Offset = (ULONG64)end;
        if (resource != NULL) {
            CHECK(HeldOf(resource) != 0);
            Remember(file, resource, end);
        }
        break;
    }
    case IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION:
        // spec: FSF-12, FSF-14
        CHECK(header->Resource == NULL || ExIsResourceAcquiredExclusiveLite(header->Resource));
        if (Data->Iopb->Parameters.AcquireForSectionSynchronization.SyncType == SyncTypeOther) {
            CHECK(status == STATUS_SUCCESS);
        } else if (status == STATUS_FILE_LOCKED_WITH_ONLY_READERS) {
            InterlockedAdd((LONG volatile *)&Results.Sections, 1);
        } else if (status == STATUS_FILE_LOCKED_WITH_WRITERS) {
            InterlockedAdd((LONG volatile *)&Results.Sections, 0x10000);
        } else {
            CHECK(status == STATUS_SUCCESS);
        }
        break;
    case IRP_MJ_ACQUIRE_FOR_CC_FLUSH:
        // spec: FSF-20, FSF-25
        CHECK(header->Resource == NULL || HeldOf(header->Resource) != 0);
        CHECK(header->PagingIoResource == NULL || HeldOf(header->PagingIoResource) != 0);
        CHECK(IoGetTopLevelIrp() != NULL);
        break;
    default:
        break;
    }
}

FLT_POSTOP_CALLBACK_STATUS FLTAPI PostFsFilter(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                               PVOID CompletionContext, FLT_POST_OPERATION_FLAGS Flags)
{
    UCHAR major = Data->Iopb->MajorFunction;
    PLOG_ENTRY entry;

    if (FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING)) {
        return FLT_POSTOP_FINISHED_PROCESSING;
    }
    entry = Record(Data, PHASE_POST);
    InterlockedIncrement64(&Results.Operations[0xff - major].Post);
    CheckKind(Data, FltObjects);
    CHECK(FlagOn(Data->Flags, FLTFL_CALLBACK_DATA_POST_OPERATION));
    if (!NT_SUCCESS(Data->IoStatus.Status)) {
        InterlockedIncrement64(&Results.Operations[0xff - major].Failed);
    }
    switch (major) {
    case IRP_MJ_ACQUIRE_FOR_MOD_WRITE:
    case IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION:
    case IRP_MJ_ACQUIRE_FOR_CC_FLUSH:
    case IRP_MJ_QUERY_OPEN:
        // spec: FSF-05
        CHECK(CompletionContext == (PVOID)(ULONG_PTR)major);
        if (NT_SUCCESS(Data->IoStatus.Status)) {
            CheckAcquired(Data, entry);
        }
        break;
    default:
        // spec: FSF-07, FSF-13, SEED-MODW-03
        CHECK(NT_SUCCESS(Data->IoStatus.Status));
        CHECK(HeldOf(ReleasedBy(Data)) + 1 == (ULONG)(ULONG_PTR)CompletionContext);
        entry->Resource = (ULONG64)ReleasedBy(Data);
        break;
    }
    return FLT_POSTOP_FINISHED_PROCESSING;
}

/* Whether this thread has acquired for another write than the one that it is about to send. */
static BOOLEAN HasEarlierWrite(VOID)
{
    KIRQL irql;
    ULONG i;
    ULONG count = 0;

    KeAcquireSpinLock(&OutstandingLock, &irql);
    for (i = 0; i < MOST_OUTSTANDING; i++) {
        count += Outstanding[i].FileObject != NULL && Outstanding[i].Thread == KeGetCurrentThread() ? 1 : 0;
    }
    KeReleaseSpinLock(&OutstandingLock, irql);
    return count > 1;
}

/* Where APCs interrupt code as it runs, the release of an earlier write comes in the middle of this; some seconds at most. */
static VOID SpinUntilRelease(VOID)
{
    // spec: SEED-MODW-09
    LONG64 before = Releases;
    ULONG64 i;

    if (!HasEarlierWrite()) {
        return;
    }
    /* One that came since the first line leaves nothing to wait for. */
    for (i = 0; i < 200000000 && Releases == before; i++) {
        YieldProcessor();
    }
    if (i > 0 && Releases != before) {
        InterlockedIncrement64(&Results.InterruptedLoops);
    }
}

/*
 * The page writer's thread may come to the release of an earlier write here, through a special kernel APC: at any call,
 * also inside a critical region, but not inside a guarded one nor at APC_LEVEL.
 */
static VOID LetInterrupt(VOID)
{
    // spec: SEED-MODW-07, SEED-MODW-09, SEED-MODW-11
    LONG64 before = Releases;
    LONG64 held;
    KIRQL irql;
    ULONG i;

    KeEnterGuardedRegion();
    held = Releases;
    for (i = 0; i < 4; i++) {
        KeEnterCriticalRegion();
        KeLeaveCriticalRegion();
    }
    CHECK(Releases == held);
    KeLeaveGuardedRegion();
    KeRaiseIrql(APC_LEVEL, &irql);
    held = Releases;
    for (i = 0; i < 4; i++) {
        KeEnterCriticalRegion();
        KeLeaveCriticalRegion();
    }
    CHECK(Releases == held);
    KeLowerIrql(irql);
    KeEnterCriticalRegion();
    held = Releases;
    for (i = 0; i < 64 && Releases == held; i++) {
        KeEnterCriticalRegion();
        KeLeaveCriticalRegion();
    }
    if (Releases != held) {
        InterlockedIncrement64(&Results.InterruptedRegions);
    }
    KeLeaveCriticalRegion();
    if (Releases != before) {
        InterlockedIncrement64(&Results.Interrupted);
    }
}

FLT_PREOP_CALLBACK_STATUS FLTAPI PreWrite(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects,
                                          PVOID *CompletionContext)
{
    ULONG flags = Data->Iopb->IrpFlags;
    LONG64 offset = Data->Iopb->Parameters.Write.ByteOffset.QuadPart;
    ULONG_PTR marker = (ULONG_PTR)IoGetTopLevelIrp();

    if (!FLT_IS_IRP_OPERATION(Data) || !FlagOn(flags, IRP_PAGING_IO)) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    Record(Data, PHASE_PRE)->Offset = (ULONG64)offset;
    if (!FlagOn(flags, IRP_SYNCHRONOUS_PAGING_IO)) {
        // spec: FSF-15, FSF-29
        InterlockedIncrement64(&Results.MappedWrites);
        CHECK(FlagOn(flags, IRP_NOCACHE));
        CHECK(KeGetCurrentIrql() <= APC_LEVEL);
        CHECK(PsIsSystemThread(PsGetCurrentThread()));
        CHECK(marker == FSRTL_MOD_WRITE_TOP_LEVEL_IRP);
        CHECK(IsOutstanding(Data->Iopb->TargetFileObject, NULL, offset, FALSE));
        if (KeGetCurrentIrql() == PASSIVE_LEVEL) {
            if (Spin != 0) {
                SpinUntilRelease();
            }
            LetInterrupt();
        }
    } else if (marker == FSRTL_CACHE_TOP_LEVEL_IRP) {
        InterlockedIncrement64(&Results.FlushWrites);
    }
    return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

VOID LockExclusively(PFILE_OBJECT FileObject)
{
    // spec: FSF-13, FSF-14, FSF-20
    PFSRTL_ADVANCED_FCB_HEADER header = HeaderOf(FileObject);

    FsRtlAcquireFileExclusive(FileObject);
    CHECK(ExIsResourceAcquiredExclusiveLite(header->Resource));
    CHECK(KeAreApcsDisabled());
    FsRtlReleaseFile(FileObject);
    CHECK(HeldOf(header->Resource) == 0);
    CHECK(!KeAreApcsDisabled());
}

VOID AskByName(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    // spec: FSF-28
    PFSRTL_ADVANCED_FCB_HEADER header = HeaderOf(Data->Iopb->TargetFileObject);
    PFLT_FILE_NAME_INFORMATION name;
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK block = {{0}, 0};
    FILE_STAT_INFORMATION stat;
    LONG64 seen;
    NTSTATUS status = FltGetFileNameInformation(Data, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &name);

    CHECK(status == STATUS_SUCCESS);
    if (!NT_SUCCESS(status)) {
        return;
    }
    InitializeObjectAttributes(&attributes, &name->Name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    status = ZwQueryInformationByName(&attributes, &block, &stat, sizeof(stat), (FILE_INFORMATION_CLASS)68);
    CHECK(status == STATUS_SUCCESS);
    CHECK(block.Information == sizeof(stat));
    CHECK(stat.EndOfFile.QuadPart == header->FileSize.QuadPart);
    status = ZwQueryInformationByName(&attributes, &block, &stat, sizeof(stat) - 1, (FILE_INFORMATION_CLASS)68);
    CHECK(status == STATUS_INFO_LENGTH_MISMATCH);
    status = ZwQueryInformationByName(&attributes, &block, &stat, sizeof(stat), FileBasicInformation);
    CHECK(status == STATUS_INVALID_INFO_CLASS);
    RtlZeroMemory(&stat, sizeof(stat));
    seen = Results.Operations[0xff - IRP_MJ_QUERY_OPEN].Pre;
    status = FltQueryInformationByName(FltObjects->Filter, FltObjects->Instance, &attributes, &block, &stat,
                                       sizeof(stat), (FILE_INFORMATION_CLASS)68, NULL);
    CHECK(status == STATUS_SUCCESS);
    CHECK(block.Status == STATUS_SUCCESS && block.Information == sizeof(stat));
    CHECK(stat.EndOfFile.QuadPart == header->FileSize.QuadPart);
    CHECK(Results.Operations[0xff - IRP_MJ_QUERY_OPEN].Pre == seen);
    FltReleaseFileNameInformation(name);
}
