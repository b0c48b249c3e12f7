/*
 * Sections: of memory and of a file, by handle and by object, and what file systems ask about them.
 */
#include "kselftest.h"
#define FILE_NAME "mm_section.c"

#define SIZE (2 * PAGE_SIZE + 100)

static HANDLE File;
static PFILE_OBJECT FileObject;
static HANDLE Section;
static PVOID View;
static SIZE_T ViewSize;

/* A file of SIZE bytes of 'a' that goes with its handle. */
static BOOLEAN OpenFile(VOID)
{
    UNICODE_STRING name = Text(L"\\??\\C:\\section.tmp");
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK io;
    LARGE_INTEGER start = {.QuadPart = 0};
    PVOID bytes = ExAllocatePoolWithTag(NonPagedPoolNx, SIZE, TAG);
    BOOLEAN good;

    File = NULL;
    FileObject = NULL;
    if (!CHECK(bytes != NULL)) {
        return FALSE;
    }
    Fill(bytes, SIZE, 'a');
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    good = CHECK(ZwCreateFile(&File, GENERIC_READ | GENERIC_WRITE | DELETE | SYNCHRONIZE, &attributes, &io, NULL, 0, 7,
                              FILE_OVERWRITE_IF,
                              FILE_NON_DIRECTORY_FILE | FILE_DELETE_ON_CLOSE | FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0)
                 == STATUS_SUCCESS)
           && CHECK(ZwWriteFile(File, NULL, NULL, NULL, &io, bytes, SIZE, &start, NULL) == STATUS_SUCCESS)
           && CHECK(ObReferenceObjectByHandle(File, 0, *IoFileObjectType, KernelMode, (PVOID *)&FileObject, NULL)
                    == STATUS_SUCCESS);
    ExFreePoolWithTag(bytes, TAG);
    return good;
}

static VOID CloseFile(VOID)
{
    if (FileObject != NULL) {
        ObDereferenceObject(FileObject);
    }
    if (File != NULL) {
        ZwClose(File);
    }
}

static NTSTATUS Make(HANDLE Of, LONGLONG Bytes, ULONG Protection)
{
    LARGE_INTEGER size = {.QuadPart = Bytes};

    Section = NULL;
    return ZwCreateSection(&Section, SECTION_ALL_ACCESS, NULL, &size, Protection, SEC_COMMIT, Of);
}

static NTSTATUS Map(LONGLONG Offset, SIZE_T Bytes, ULONG Protection)
{
    LARGE_INTEGER offset = {.QuadPart = Offset};

    View = NULL;
    ViewSize = Bytes;
    return ZwMapViewOfSection(Section, ZwCurrentProcess(), &View, 0, 0, &offset, &ViewSize, ViewUnmap, 0, Protection);
}

/* Whether the file holds Value at Offset. */
static BOOLEAN FileHolds(LONGLONG Offset, UCHAR Value)
{
    LARGE_INTEGER at = {.QuadPart = Offset};
    IO_STATUS_BLOCK io;
    UCHAR byte = 0;

    return ZwReadFile(File, NULL, NULL, NULL, &io, &byte, 1, &at, NULL) == STATUS_SUCCESS && byte == Value;
}

CASE_OF(ZwCreateSection)
{
    CHECK(Make(NULL, 0, PAGE_READWRITE) == STATUS_INVALID_PARAMETER_4);
    CHECK(Make(NULL, PAGE_SIZE, 0x06) == STATUS_INVALID_PAGE_PROTECTION);
    if (CHECK(Make(NULL, PAGE_SIZE, PAGE_READWRITE) == STATUS_SUCCESS)) {
        ZwClose(Section);
    }
    if (OpenFile()) {
        CHECK(Make(File, 3 * SIZE, PAGE_READONLY) == STATUS_SECTION_TOO_BIG);
        if (CHECK(Make(File, 0, PAGE_READWRITE) == STATUS_SUCCESS)) {
            CHECK(FileObject->SectionObjectPointer->DataSectionObject != NULL);
            ZwClose(Section);
        }
    }
    CloseFile();
}

CASE_OF(NtCreateSection)
{
    LARGE_INTEGER size = {.QuadPart = PAGE_SIZE};
    HANDLE section = NULL;

    if (CHECK(NtCreateSection(&section, SECTION_ALL_ACCESS, NULL, &size, PAGE_READWRITE, SEC_COMMIT, NULL)
              == STATUS_SUCCESS)) {
        ZwClose(section);
    }
    CHECK(NtCreateSection(&section, SECTION_ALL_ACCESS, NULL, &size, PAGE_READWRITE, 0, NULL)
          == STATUS_INVALID_PARAMETER_6);
}

CASE_OF(ZwOpenSection)
{
    UNICODE_STRING name = Text(L"\\BaseNamedObjects\\kselftest section");
    OBJECT_ATTRIBUTES attributes;
    LARGE_INTEGER size = {.QuadPart = PAGE_SIZE};
    HANDLE made = NULL, opened = NULL;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    CHECK(ZwOpenSection(&opened, SECTION_MAP_READ, &attributes) == STATUS_OBJECT_NAME_NOT_FOUND);
    if (CHECK(ZwCreateSection(&made, SECTION_ALL_ACCESS, &attributes, &size, PAGE_READWRITE, SEC_COMMIT, NULL)
              == STATUS_SUCCESS)) {
        if (CHECK(ZwOpenSection(&opened, SECTION_MAP_READ, &attributes) == STATUS_SUCCESS)) {
            CHECK(opened != made);
            ZwClose(opened);
        }
        ZwClose(made);
    }
}

/* What is stored into one view is in the other, and in the file. */
CASE_OF(ZwMapViewOfSection)
{
    PUCHAR first;
    LARGE_INTEGER odd = {.QuadPart = PAGE_SIZE};

    if (OpenFile() && CHECK(Make(File, 0, PAGE_READWRITE) == STATUS_SUCCESS)) {
        View = NULL;
        ViewSize = 0;
        CHECK(ZwMapViewOfSection(Section, ZwCurrentProcess(), &View, 0, 0, &odd, &ViewSize, ViewUnmap, 0, PAGE_READONLY)
              == STATUS_MAPPED_ALIGNMENT);
        CHECK(Map(0, 16 * PAGE_SIZE, PAGE_READONLY) == STATUS_INVALID_VIEW_SIZE);
        if (CHECK(Map(0, 0, PAGE_READWRITE) == STATUS_SUCCESS)) {
            first = View;
            CHECK(ViewSize == 3 * PAGE_SIZE && first[0] == 'a' && first[SIZE - 1] == 'a' && first[SIZE] == 0);
            first[PAGE_SIZE + 1] = 'b';
            if (CHECK(Map(0, 0, PAGE_READONLY) == STATUS_SUCCESS)) {
                CHECK(View != first && ((PUCHAR)View)[PAGE_SIZE + 1] == 'b');
                ZwUnmapViewOfSection(ZwCurrentProcess(), View);
            }
            CHECK(FileHolds(PAGE_SIZE + 1, 'b'));
            /* A copy keeps what is stored to itself. */
            if (CHECK(Map(0, 0, PAGE_WRITECOPY) == STATUS_SUCCESS)) {
                ((PUCHAR)View)[2] = 'c';
                CHECK(first[2] == 'a' && FileHolds(2, 'a'));
                ZwUnmapViewOfSection(ZwCurrentProcess(), View);
            }
            ZwUnmapViewOfSection(ZwCurrentProcess(), first);
        }
        ZwClose(Section);
        if (CHECK(Make(File, 0, PAGE_READONLY) == STATUS_SUCCESS)) {
            CHECK(Map(0, 0, PAGE_READWRITE) == STATUS_SECTION_PROTECTION);
            ZwClose(Section);
        }
    }
    CloseFile();
}

CASE_OF(ZwUnmapViewOfSection)
{
    CHECK(ZwUnmapViewOfSection(ZwCurrentProcess(), &File) == STATUS_NOT_MAPPED_VIEW);
    if (CHECK(Make(NULL, PAGE_SIZE, PAGE_READWRITE) == STATUS_SUCCESS)) {
        if (CHECK(Map(0, 0, PAGE_READWRITE) == STATUS_SUCCESS)) {
            CHECK(((PUCHAR)View)[17] == 0);
            CHECK(ZwUnmapViewOfSection(ZwCurrentProcess(), (PUCHAR)View + 17) == STATUS_SUCCESS);
            CHECK(!MmIsAddressValid(View));
            CHECK(ZwUnmapViewOfSection(ZwCurrentProcess(), View) == STATUS_NOT_MAPPED_VIEW);
        }
        ZwClose(Section);
    }
}

CASE_OF(ZwQuerySection)
{
    struct {
        PVOID BaseAddress;
        ULONG AllocationAttributes;
        LARGE_INTEGER MaximumSize;
    } facts = {0};
    SIZE_T returned = 0;

    if (CHECK(Make(NULL, 5, PAGE_READWRITE) == STATUS_SUCCESS)) {
        CHECK(ZwQuerySection(Section, 0, &facts, sizeof(facts) - 1, &returned) == STATUS_INFO_LENGTH_MISMATCH);
        CHECK(ZwQuerySection(Section, 0, &facts, sizeof(facts), &returned) == STATUS_SUCCESS);
        CHECK(returned == sizeof(facts) && facts.MaximumSize.QuadPart == PAGE_SIZE);
        CHECK(facts.AllocationAttributes == SEC_COMMIT);
        ZwClose(Section);
    }
}

CASE_OF(ZwExtendSection)
{
    LARGE_INTEGER size = {.QuadPart = 4 * PAGE_SIZE};
    FILE_STANDARD_INFORMATION facts = {0};
    IO_STATUS_BLOCK io;

    if (OpenFile() && CHECK(Make(File, 0, PAGE_READWRITE) == STATUS_SUCCESS)) {
        CHECK(ZwExtendSection(Section, &size) == STATUS_SUCCESS);
        CHECK(ZwQueryInformationFile(File, &io, &facts, sizeof(facts), FileStandardInformation) == STATUS_SUCCESS);
        CHECK(facts.EndOfFile.QuadPart == 4 * PAGE_SIZE);
        CHECK(Map(0, 4 * PAGE_SIZE, PAGE_READWRITE) == STATUS_SUCCESS);
        ZwUnmapViewOfSection(ZwCurrentProcess(), View);
        ZwClose(Section);
    }
    CloseFile();
}

CASE_OF(ZwFlushVirtualMemory)
{
    IO_STATUS_BLOCK io = {0};
    PVOID base;
    SIZE_T bytes = 0;

    base = &File;
    CHECK(ZwFlushVirtualMemory(ZwCurrentProcess(), &base, &bytes, &io) == STATUS_NOT_MAPPED_VIEW);
    if (OpenFile() && CHECK(Make(File, 0, PAGE_READWRITE) == STATUS_SUCCESS)) {
        if (CHECK(Map(0, 0, PAGE_READWRITE) == STATUS_SUCCESS)) {
            ((PUCHAR)View)[7] = 'f';
            base = View;
            CHECK(ZwFlushVirtualMemory(ZwCurrentProcess(), &base, &bytes, &io) == STATUS_SUCCESS);
            CHECK(io.Status == STATUS_SUCCESS);
            ZwUnmapViewOfSection(ZwCurrentProcess(), View);
        }
        ZwClose(Section);
        CHECK(FileHolds(7, 'f'));
    }
    CloseFile();
}

CASE_OF(MmCreateSection)
{
    LARGE_INTEGER size = {.QuadPart = 0};
    PVOID section = NULL, view = NULL;
    SIZE_T bytes = 0;

    if (OpenFile()) {
        if (CHECK(MmCreateSection(&section, SECTION_ALL_ACCESS, NULL, &size, PAGE_READONLY, SEC_COMMIT, NULL, FileObject)
                  == STATUS_SUCCESS)) {
            CHECK(ObReferenceObjectByPointer(section, 0, *MmSectionObjectType, KernelMode) == STATUS_SUCCESS);
            ObDereferenceObject(section);
            CHECK(MmMapViewInSystemSpace(section, &view, &bytes) == STATUS_SUCCESS);
            CHECK(((PUCHAR)view)[SIZE - 1] == 'a');
            MmUnmapViewInSystemSpace(view);
            ObDereferenceObject(section);
        }
    }
    CloseFile();
}

/* Views of the kernel are no views of the process. */
CASE_OF(MmMapViewInSystemSpace)
{
    LARGE_INTEGER size = {.QuadPart = PAGE_SIZE};
    PVOID section = NULL, view = NULL;
    SIZE_T bytes = 0;

    REQUIRE(MmCreateSection(&section, SECTION_ALL_ACCESS, NULL, &size, PAGE_READWRITE, SEC_COMMIT, NULL, NULL)
            == STATUS_SUCCESS);
    if (CHECK(MmMapViewInSystemSpace(section, &view, &bytes) == STATUS_SUCCESS)) {
        CHECK(bytes == PAGE_SIZE && view >= MmSystemRangeStart);
        ((PUCHAR)view)[3] = 3;
        CHECK(ZwUnmapViewOfSection(ZwCurrentProcess(), view) == STATUS_NOT_MAPPED_VIEW);
        MmUnmapViewInSystemSpace(view);
    }
    ObDereferenceObject(section);
}

CASE_OF(MmUnmapViewInSystemSpace)
{
    LARGE_INTEGER size = {.QuadPart = PAGE_SIZE};
    PVOID section = NULL, view = NULL;
    SIZE_T bytes = 0;

    REQUIRE(MmCreateSection(&section, SECTION_ALL_ACCESS, NULL, &size, PAGE_READWRITE, SEC_COMMIT, NULL, NULL)
            == STATUS_SUCCESS);
    if (CHECK(MmMapViewInSystemSpace(section, &view, &bytes) == STATUS_SUCCESS)) {
        CHECK(MmUnmapViewInSystemSpace(view) == STATUS_SUCCESS);
        CHECK(!MmIsAddressValid(view) && MmUnmapViewInSystemSpace(view) == STATUS_NOT_MAPPED_VIEW);
    }
    ObDereferenceObject(section);
}

CASE_OF(MmFlushImageSection)
{
    if (OpenFile()) {
        CHECK(MmFlushImageSection(FileObject->SectionObjectPointer, MmFlushForWrite));
        CHECK(MmFlushImageSection(FileObject->SectionObjectPointer, MmFlushForDelete));
        if (CHECK(Make(File, 0, PAGE_READWRITE) == STATUS_SUCCESS)) {
            CHECK(MmFlushImageSection(FileObject->SectionObjectPointer, MmFlushForWrite));
            CHECK(!MmFlushImageSection(FileObject->SectionObjectPointer, MmFlushForDelete));
            ZwClose(Section);
        }
    }
    CloseFile();
}

CASE_OF(MmCanFileBeTruncated)
{
    LARGE_INTEGER less = {.QuadPart = PAGE_SIZE}, more = {.QuadPart = 16 * PAGE_SIZE};

    if (OpenFile()) {
        CHECK(MmCanFileBeTruncated(FileObject->SectionObjectPointer, &less));
        if (CHECK(Make(File, 0, PAGE_READONLY) == STATUS_SUCCESS)) {
            CHECK(!MmCanFileBeTruncated(FileObject->SectionObjectPointer, &less));
            CHECK(MmCanFileBeTruncated(FileObject->SectionObjectPointer, &more));
            ZwClose(Section);
        }
        CHECK(MmCanFileBeTruncated(FileObject->SectionObjectPointer, &less));
    }
    CloseFile();
}

CASE_OF(MmDoesFileHaveUserWritableReferences)
{
    if (OpenFile() && CHECK(Make(File, 0, PAGE_READWRITE) == STATUS_SUCCESS)) {
        if (CHECK(Map(0, 0, PAGE_READWRITE) == STATUS_SUCCESS)) {
            CHECK(MmDoesFileHaveUserWritableReferences(FileObject->SectionObjectPointer) == 1);
            ZwUnmapViewOfSection(ZwCurrentProcess(), View);
        }
        CHECK(MmDoesFileHaveUserWritableReferences(FileObject->SectionObjectPointer) == 0);
        ZwClose(Section);
    }
    CloseFile();
}

CASE_OF(MmForceSectionClosed)
{
    if (OpenFile() && CHECK(Make(File, 0, PAGE_READONLY) == STATUS_SUCCESS)) {
        CHECK(!MmForceSectionClosed(FileObject->SectionObjectPointer, FALSE));
        ZwClose(Section);
        CHECK(MmForceSectionClosed(FileObject->SectionObjectPointer, FALSE));
        CHECK(FileHolds(0, 'a'));
    }
    CloseFile();
}

CASE_OF(FsRtlCreateSectionForDataScan)
{
    OBJECT_ATTRIBUTES attributes;
    LARGE_INTEGER size = {.QuadPart = 0};
    PVOID object = NULL, view = NULL;
    SIZE_T bytes = 0;

    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    if (OpenFile()) {
        Section = NULL;
        if (CHECK(FsRtlCreateSectionForDataScan(&Section, &object, &size, FileObject, SECTION_MAP_READ | SECTION_QUERY,
                                                &attributes, NULL, PAGE_READONLY, SEC_COMMIT, 0)
                  == STATUS_SUCCESS)) {
            CHECK(size.QuadPart == SIZE);
            CHECK(MmMapViewInSystemSpace(object, &view, &bytes) == STATUS_SUCCESS && ((PUCHAR)view)[9] == 'a');
            MmUnmapViewInSystemSpace(view);
            ObDereferenceObject(object);
            ZwClose(Section);
        }
    }
    CloseFile();
}

const CASE SectionChecks[] = {
    ROW(ZwCreateSection),
    ROW(NtCreateSection),
    ROW(ZwOpenSection),
    ROW(ZwMapViewOfSection),
    ROW(ZwUnmapViewOfSection),
    ROW(ZwQuerySection),
    ROW(ZwExtendSection),
    ROW(ZwFlushVirtualMemory),
    ROW(MmCreateSection),
    ROW(MmMapViewInSystemSpace),
    ROW(MmUnmapViewInSystemSpace),
    ROW(MmFlushImageSection),
    ROW(MmCanFileBeTruncated),
    ROW(MmDoesFileHaveUserWritableReferences),
    ROW(MmForceSectionClosed),
    ROW(FsRtlCreateSectionForDataScan),
    LAST,
};
