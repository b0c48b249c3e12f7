/*
 * Sections for data scans: a file whose name contains "scan" is scanned when it is opened. The section of "scankeep" stays
 * open until something conflicts with it.
 */
#include "tracker.h"
#define FIRST_LINE 20000

static HANDLE KeptHandle;
static PVOID KeptObject;

static NTSTATUS Make(PCFLT_RELATED_OBJECTS FltObjects, PTRACK Track, ULONG Protection, ULONG Allocation, PHANDLE Handle,
                     PVOID *Object, PLARGE_INTEGER Size)
{
    OBJECT_ATTRIBUTES attributes;

    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    return FltCreateSectionForDataScan(FltObjects->Instance, FltObjects->FileObject, Track,
                                       SECTION_MAP_READ | SECTION_QUERY, &attributes, NULL, Protection, Allocation, 0,
                                       Handle, Object, Size);
}

static VOID CheckRefusals(PCFLT_RELATED_OBJECTS FltObjects, PTRACK Track)
{
    HANDLE handle;
    PVOID object;
    LARGE_INTEGER size;
    PTRACK stream = NewTrack(FLT_STREAM_CONTEXT, NULL, FltObjects->Instance);

    /* spec: SEC-02, SEC-04 */
    CHECK(Make(FltObjects, Track, PAGE_EXECUTE_READ, SEC_COMMIT, &handle, &object, &size) == STATUS_INVALID_PARAMETER_8);
    CHECK(Make(FltObjects, Track, PAGE_READONLY, SEC_RESERVE, &handle, &object, &size) == STATUS_INVALID_PARAMETER_9);
    if (stream != NULL) {
        /* spec: CTX-32 */
        CHECK(Make(FltObjects, stream, PAGE_READONLY, SEC_COMMIT, &handle, &object, &size) == STATUS_INVALID_PARAMETER);
        FltReleaseContext(stream);
    }
    /* spec: SEC-06 */
    CHECK(FltCloseSectionForDataScan(Track) == STATUS_INVALID_PARAMETER);
}

VOID Scan(PCFLT_RELATED_OBJECTS FltObjects)
{
    PFLT_INSTANCE instance = FltObjects->Instance;
    PFILE_OBJECT file = FltObjects->FileObject;
    PTRACK track = NewTrack(FLT_SECTION_CONTEXT, file->FsContext, instance),
           second = NewTrack(FLT_SECTION_CONTEXT, file->FsContext, instance);
    FLT_RELATED_CONTEXTS_EX all;
    HANDLE handle = NULL, other;
    PVOID object = NULL, base = NULL, another;
    LARGE_INTEGER size;
    SIZE_T bytes = 0;
    PFLT_CONTEXT found = track;
    NTSTATUS status;

    if (track == NULL || second == NULL) {
        return;
    }
    /* spec: SEC-01 */
    CHECK(FltRegisterForDataScan(instance) == STATUS_SUCCESS);
    /* spec: CTX-58 */
    CHECK(FltGetSectionContext(instance, file, &found) == STATUS_NOT_FOUND && found == NULL);
    CheckRefusals(FltObjects, track);
    status = Make(FltObjects, track, PAGE_READONLY, SEC_COMMIT, &handle, &object, &size);
    if (NameContains(file, L"empty") || NameContains(file, L"folder")) {
        /* spec: SEC-02 */
        CHECK(status == (NameContains(file, L"empty") ? STATUS_END_OF_FILE : STATUS_FILE_IS_A_DIRECTORY));
        FltReleaseContext(track);
        FltReleaseContext(second);
        return;
    }
    /* spec: SEC-03, SEC-04 */
    CHECK(status == STATUS_SUCCESS && handle != NULL && object != NULL && size.QuadPart == 10);
    CHECK(Make(FltObjects, second, PAGE_READONLY, SEC_COMMIT, &other, &another, &size)
          == STATUS_FLT_CONTEXT_ALREADY_DEFINED);
    FltReleaseContext(second);
    CHECK(FltGetSectionContext(instance, file, &found) == STATUS_SUCCESS && found == track);
    FltReleaseContext(found);
    /* spec: CTX-52 */
    CHECK(NT_SUCCESS(FltGetContextsEx(FltObjects, FLT_SECTION_CONTEXT, sizeof(all), &all)));
    CHECK(all.SectionContext == track && all.StreamContext == NULL);
    FltReleaseContextsEx(sizeof(all), &all);
    if (NT_SUCCESS(status) && NT_SUCCESS(MmMapViewInSystemSpace(object, &base, &bytes))) {
        CHECK(((PUCHAR)base)[0] == '0' && ((PUCHAR)base)[9] == '9');
        MmUnmapViewInSystemSpace(base);
    }
    FltReleaseContext(track);
    if (NameContains(file, L"scankeep")) {
        KeptHandle = handle;
        KeptObject = object;
        return;
    }
    ZwClose(handle);
    ObDereferenceObject(object);
    CHECK(FltGetSectionContext(instance, file, &found) == STATUS_SUCCESS);
    /* spec: SEC-04, SEC-06 */
    CHECK(FltCloseSectionForDataScan(track) == STATUS_SUCCESS);
    CHECK(FltCloseSectionForDataScan(track) == STATUS_NOT_FOUND);
    FltReleaseContext(found);
    CHECK(FltGetSectionContext(instance, file, &found) == STATUS_NOT_FOUND);
}

/* spec: SEC-05 */
NTSTATUS FLTAPI Conflict(PFLT_INSTANCE Instance, PFLT_CONTEXT SectionContext, PFLT_CALLBACK_DATA Data)
{
    PTRACK track = SectionContext;

    CHECK(track->Magic == ALIVE && track->Kind == FLT_SECTION_CONTEXT && track->Instance == Instance);
    CHECK(Data->Iopb->MajorFunction == IRP_MJ_SET_INFORMATION);
    CHECK(Data->Iopb->TargetFileObject->FsContext == track->Object);
    InterlockedIncrement64(&Results.Conflicts);
    if (KeptHandle != NULL) {
        ZwClose(KeptHandle);
        ObDereferenceObject(KeptObject);
        KeptHandle = NULL;
    }
    CHECK(FltCloseSectionForDataScan(SectionContext) == STATUS_SUCCESS);
    return STATUS_SUCCESS;
}
