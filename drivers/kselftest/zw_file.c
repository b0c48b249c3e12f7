/*
 * A file of the first volume, by handle.
 */
#include "kselftest.h"
#define FILE_NAME "zw_file.c"

static HANDLE File;
static IO_STATUS_BLOCK Io;

static NTSTATUS OpenAs(PCWSTR Name, ULONG Disposition, ULONG Options)
{
    UNICODE_STRING name = Text(Name);
    OBJECT_ATTRIBUTES attributes;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    File = NULL;
    return ZwCreateFile(&File, GENERIC_READ | GENERIC_WRITE | DELETE | SYNCHRONIZE, &attributes, &Io, NULL,
                        FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, Disposition,
                        Options | FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
}

#define NAME L"\\??\\C:\\kselftest.tmp"

/* A file of ten bytes that goes with its handle. */
static BOOLEAN Begin(VOID)
{
    LARGE_INTEGER start = {.QuadPart = 0};

    return CHECK(OpenAs(NAME, FILE_OVERWRITE_IF, FILE_NON_DIRECTORY_FILE | FILE_DELETE_ON_CLOSE) == STATUS_SUCCESS)
           && CHECK(ZwWriteFile(File, NULL, NULL, NULL, &Io, (PVOID) "0123456789", 10, &start, NULL) == STATUS_SUCCESS);
}

static VOID End(VOID)
{
    if (File != NULL) {
        ZwClose(File);
    }
}

CASE_OF(ZwCreateFile)
{
    CHECK(OpenAs(NAME, FILE_OPEN, 0) == STATUS_OBJECT_NAME_NOT_FOUND);
    if (Begin()) {
        CHECK(Io.Information == 10);
        HANDLE first = File;

        CHECK(OpenAs(NAME, FILE_CREATE, FILE_NON_DIRECTORY_FILE) == STATUS_OBJECT_NAME_COLLISION);
        CHECK(OpenAs(NAME, FILE_OPEN, FILE_DIRECTORY_FILE) == STATUS_NOT_A_DIRECTORY);
        File = first;
    }
    End();
    CHECK(OpenAs(NAME, FILE_OPEN, 0) == STATUS_OBJECT_NAME_NOT_FOUND); /* deleted when it was closed */
}

CASE_OF(ZwOpenFile)
{
    UNICODE_STRING name = Text(L"\\??\\C:\\");
    OBJECT_ATTRIBUTES attributes;
    HANDLE root = NULL;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    REQUIRE(ZwOpenFile(&root, FILE_LIST_DIRECTORY | SYNCHRONIZE, &attributes, &Io, FILE_SHARE_READ | FILE_SHARE_WRITE,
                       FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT)
            == STATUS_SUCCESS);
    CHECK(Io.Information == FILE_OPENED);
    ZwClose(root);
}

CASE_OF(ZwWriteFile)
{
    LARGE_INTEGER at = {.QuadPart = 8};
    FILE_STANDARD_INFORMATION facts = {0};

    if (Begin()) {
        CHECK(ZwWriteFile(File, NULL, NULL, NULL, &Io, (PVOID) "abcd", 4, &at, NULL) == STATUS_SUCCESS);
        CHECK(Io.Information == 4);
        CHECK(ZwQueryInformationFile(File, &Io, &facts, sizeof(facts), FileStandardInformation) == STATUS_SUCCESS);
        CHECK(facts.EndOfFile.QuadPart == 12);
    }
    End();
}

CASE_OF(ZwReadFile)
{
    LARGE_INTEGER at = {.QuadPart = 3};
    CHAR buffer[16] = "????????????";

    if (Begin()) {
        CHECK(ZwReadFile(File, NULL, NULL, NULL, &Io, buffer, 4, &at, NULL) == STATUS_SUCCESS);
        CHECK(Io.Information == 4 && SameBytes(buffer, "3456?", 5));
        CHECK(ZwReadFile(File, NULL, NULL, NULL, &Io, buffer, 16, NULL, NULL) == STATUS_SUCCESS); /* goes on */
        CHECK(Io.Information == 3 && SameBytes(buffer, "7896?", 5));
        CHECK(ZwReadFile(File, NULL, NULL, NULL, &Io, buffer, 16, NULL, NULL) == STATUS_END_OF_FILE);
    }
    End();
}

CASE_OF(ZwQueryInformationFile)
{
    FILE_POSITION_INFORMATION position = {0};
    FILE_BASIC_INFORMATION basic = {0};

    if (Begin()) {
        CHECK(ZwQueryInformationFile(File, &Io, &position, sizeof(position), FilePositionInformation) == STATUS_SUCCESS);
        CHECK(position.CurrentByteOffset.QuadPart == 10);
        CHECK(ZwQueryInformationFile(File, &Io, &basic, sizeof(basic), FileBasicInformation) == STATUS_SUCCESS);
        CHECK(basic.CreationTime.QuadPart > 0 && !(basic.FileAttributes & FILE_ATTRIBUTE_DIRECTORY));
        CHECK(ZwQueryInformationFile(File, &Io, &basic, 4, FileBasicInformation) == STATUS_INFO_LENGTH_MISMATCH);
    }
    End();
}

CASE_OF(ZwSetInformationFile)
{
    FILE_END_OF_FILE_INFORMATION end = {{.QuadPart = 3}};
    FILE_STANDARD_INFORMATION facts = {0};

    if (Begin()) {
        CHECK(ZwSetInformationFile(File, &Io, &end, sizeof(end), FileEndOfFileInformation) == STATUS_SUCCESS);
        CHECK(ZwQueryInformationFile(File, &Io, &facts, sizeof(facts), FileStandardInformation) == STATUS_SUCCESS);
        CHECK(facts.EndOfFile.QuadPart == 3);
    }
    End();
}

CASE_OF(ZwFlushBuffersFile)
{
    if (Begin()) {
        CHECK(ZwFlushBuffersFile(File, &Io) == STATUS_SUCCESS);
    }
    End();
}

CASE_OF(ZwQueryVolumeInformationFile)
{
    FILE_FS_SIZE_INFORMATION size = {0};

    if (Begin()) {
        CHECK(ZwQueryVolumeInformationFile(File, &Io, &size, sizeof(size), FileFsSizeInformation) == STATUS_SUCCESS);
        CHECK(size.BytesPerSector == 512 || size.BytesPerSector == 4096);
        CHECK(size.TotalAllocationUnits.QuadPart >= size.AvailableAllocationUnits.QuadPart);
    }
    End();
}

CASE_OF(ZwQueryDirectoryFile)
{
    UNICODE_STRING pattern = Text(L"KSELF*.TMP");
    UCHAR buffer[256];
    PFILE_NAMES_INFORMATION found = (PFILE_NAMES_INFORMATION)buffer;
    HANDLE file;

    if (Begin()) {
        file = File;
        if (CHECK(OpenAs(L"\\??\\C:\\", FILE_OPEN, FILE_DIRECTORY_FILE) == STATUS_SUCCESS)) {
            CHECK(ZwQueryDirectoryFile(File, NULL, NULL, NULL, &Io, buffer, sizeof(buffer), FileNamesInformation, TRUE,
                                       &pattern, TRUE)
                  == STATUS_SUCCESS);
            CHECK(found->FileNameLength == 26 && SameBytes(found->FileName, L"kselftest.tmp", 26));
            CHECK(ZwQueryDirectoryFile(File, NULL, NULL, NULL, &Io, buffer, sizeof(buffer), FileNamesInformation, TRUE,
                                       NULL, FALSE)
                  == STATUS_NO_MORE_FILES);
            ZwClose(File);
        }
        File = file;
    }
    End();
}

CASE_OF(ZwQueryFullAttributesFile)
{
    UNICODE_STRING name = Text(NAME);
    FILE_NETWORK_OPEN_INFORMATION facts;
    OBJECT_ATTRIBUTES attributes;

    if (Begin()) {
        InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
        CHECK(ZwQueryFullAttributesFile(&attributes, &facts) == STATUS_SUCCESS && facts.EndOfFile.QuadPart == 10);
    }
    End();
}

CASE_OF(ZwDeleteFile)
{
    UNICODE_STRING name = Text(L"\\??\\C:\\kselftest.gone");
    OBJECT_ATTRIBUTES attributes;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    CHECK(ZwDeleteFile(&attributes) == STATUS_OBJECT_NAME_NOT_FOUND);
    REQUIRE(OpenAs(L"\\??\\C:\\kselftest.gone", FILE_CREATE, 0) == STATUS_SUCCESS);
    ZwClose(File);
    CHECK(ZwDeleteFile(&attributes) == STATUS_SUCCESS);
    CHECK(OpenAs(L"\\??\\C:\\kselftest.gone", FILE_OPEN, 0) == STATUS_OBJECT_NAME_NOT_FOUND);
}

CASE_OF(IoCreateFile)
{
    UNICODE_STRING name = Text(NAME);
    OBJECT_ATTRIBUTES attributes;
    HANDLE handle = NULL;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    if (Begin()) {
        CHECK(IoCreateFile(&handle, GENERIC_READ | SYNCHRONIZE, &attributes, &Io, NULL, 0, 7, FILE_OPEN,
                           FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0, CreateFileTypeNone, NULL, 0)
              == STATUS_SUCCESS);
        CHECK(handle != NULL);
        if (handle != NULL) {
            ZwClose(handle);
        }
    }
    End();
}

const CASE FileChecks[] = {
    ROW(ZwCreateFile),
    ROW(ZwOpenFile),
    ROW(ZwWriteFile),
    ROW(ZwReadFile),
    ROW(ZwQueryInformationFile),
    ROW(ZwSetInformationFile),
    ROW(ZwFlushBuffersFile),
    ROW(ZwQueryVolumeInformationFile),
    ROW(ZwQueryDirectoryFile),
    ROW(ZwQueryFullAttributesFile),
    ROW(ZwDeleteFile),
    ROW(IoCreateFile),
    LAST,
};
