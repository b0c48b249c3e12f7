/*
 * Renames that a filter sends below itself.
 */
#include "objtest.h"
#define FILE_NUMBER 8

static NTSTATUS Rename(PCFLT_RELATED_OBJECTS FltObjects, HANDLE Directory, PCWSTR To, ULONG Missing)
{
    static DECLSPEC_ALIGN(8) UCHAR buffer[256];
    FILE_RENAME_INFORMATION *rename = (FILE_RENAME_INFORMATION *)buffer;
    UNICODE_STRING name = Text(To);

    RtlZeroMemory(buffer, sizeof(buffer));
    rename->RootDirectory = Directory;
    rename->FileNameLength = name.Length;
    RtlCopyMemory(rename->FileName, name.Buffer, name.Length);
    return FltSetInformationFile(FltObjects->Instance, FltObjects->FileObject, rename,
                                 FIELD_OFFSET(FILE_RENAME_INFORMATION, FileName) + name.Length - Missing,
                                 FileRenameInformation);
}

/* spec: GIO-31 */
static VOID Move(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    PFLT_FILE_NAME_INFORMATION found;
    HANDLE directory;
    PFILE_OBJECT file;

    CHECK(Rename(FltObjects, NULL, L"\\??\\C:\\missing\\to-move", 0) == STATUS_OBJECT_PATH_NOT_FOUND);
    CHECK(Rename(FltObjects, NULL, L"\\??\\C:\\elsewhere\\renamed", 2) == STATUS_INVALID_PARAMETER);
    CHECK(Rename(FltObjects, NULL, L"here", 0) == STATUS_SUCCESS);
    CHECK(Rename(FltObjects, NULL, L"\\??\\C:\\elsewhere\\renamed", 0) == STATUS_SUCCESS);
    REQUIRE(OpenFile(FltObjects->Instance, L"\\??\\C:\\elsewhere", FILE_READ_ATTRIBUTES, FILE_OPEN,
                     FILE_DIRECTORY_FILE, &directory, &file) == STATUS_SUCCESS);
    CHECK(Rename(FltObjects, directory, L"again", 0) == STATUS_SUCCESS);
    ObDereferenceObject(file);
    (VOID)FltClose(directory);
    REQUIRE(FltGetFileNameInformation(Data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, &found) ==
            STATUS_SUCCESS);
    CHECK(IsText(&found->Name, L"\\Device\\HarddiskVolume1\\elsewhere\\again"));
    FltReleaseFileNameInformation(found);
}

const GROUP RenameGroups[] = {
    {L"to-move", NULL, Move},
    {NULL, NULL, NULL},
};
