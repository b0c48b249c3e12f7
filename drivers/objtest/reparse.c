/*
 * Reparse points and extended attributes: tagging files, and what a post-create callback is shown of one that an open met.
 */
#include "objtest.h"
#define FILE_NUMBER 6

/* A tag of no maker, and two makers. */
#define OUR_TAG 0x00000042
#define OTHER_TAG 0x00000043
static GUID Ours = {0x21111111, 0x2222, 0x3333, {1, 2, 3, 4, 5, 6, 7, 8}};
static GUID Others = {0x21111111, 0x2222, 0x3333, {1, 2, 3, 4, 5, 6, 7, 9}};
static GUID Nobody;

static NTSTATUS Open(PFLT_INSTANCE Instance, ACCESS_MASK Access, PHANDLE Handle, PFILE_OBJECT *File)
{
    return OpenFile(Instance, L"\\??\\C:\\tagged", Access, FILE_OPEN_IF, FILE_OPEN_REPARSE_POINT, Handle, File);
}

/* spec: RTAG-01, RTAG-02, RTAG-03, RTAG-04, TAG-04 */
static VOID TagFile(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    PFLT_INSTANCE instance = FltObjects->Instance;
    UCHAR got[64];
    REPARSE_GUID_DATA_BUFFER *found = (REPARSE_GUID_DATA_BUFFER *)got;
    PFILE_OBJECT file;
    HANDLE handle;
    ULONG count = 0;

    REQUIRE(Open(instance, GENERIC_READ | GENERIC_WRITE, &handle, &file) == STATUS_SUCCESS);
    CHECK(FltUntagFile(instance, file, OUR_TAG, &Ours) == STATUS_NOT_A_REPARSE_POINT);
    CHECK(FltTagFile(instance, file, OUR_TAG, NULL, "data", 4) == STATUS_INVALID_PARAMETER);
    CHECK(FltUntagFile(instance, file, OUR_TAG, NULL) == STATUS_INVALID_PARAMETER);
    CHECK(FltTagFile(instance, file, OUR_TAG, &Nobody, "data", 4) == STATUS_IO_REPARSE_DATA_INVALID);
    CHECK(FltTagFile(instance, file, OUR_TAG, &Ours, "data", 4) == STATUS_SUCCESS);
    CHECK(FltTagFile(instance, file, OTHER_TAG, &Ours, "data", 4) == STATUS_IO_REPARSE_TAG_MISMATCH);
    CHECK(FltTagFile(instance, file, OUR_TAG, &Others, "data", 4) == STATUS_REPARSE_ATTRIBUTE_CONFLICT);
    CHECK(FltTagFile(instance, file, OUR_TAG, &Ours, "other", 5) == STATUS_SUCCESS);
    CHECK(FltFsControlFile(instance, file, FSCTL_GET_REPARSE_POINT, NULL, 0, got, sizeof(got), &count) ==
          STATUS_SUCCESS);
    CHECK(count == 24 + 5 && found->ReparseTag == OUR_TAG && found->ReparseDataLength == 5);
    CHECK(RtlCompareMemory(got + 24, "other", 5) == 5);
    CHECK(RtlCompareMemory(&found->ReparseGuid, &Ours, sizeof(GUID)) == sizeof(GUID));
    CHECK(FltUntagFile(instance, file, OTHER_TAG, &Ours) == STATUS_IO_REPARSE_TAG_MISMATCH);
    CHECK(FltUntagFile(instance, file, OUR_TAG, &Others) == STATUS_REPARSE_ATTRIBUTE_CONFLICT);
    CHECK(FltUntagFile(instance, file, OUR_TAG, &Ours) == STATUS_SUCCESS);
    CHECK(FltFsControlFile(instance, file, FSCTL_GET_REPARSE_POINT, NULL, 0, got, sizeof(got), &count) ==
          STATUS_NOT_A_REPARSE_POINT);
    ObDereferenceObject(file);
    FltClose(handle);

    REQUIRE(Open(instance, FILE_READ_DATA, &handle, &file) == STATUS_SUCCESS);
    CHECK(FltTagFile(instance, file, OUR_TAG, &Ours, "data", 4) == STATUS_ACCESS_DENIED);
    ObDereferenceObject(file);
    FltClose(handle);
}

/* The file "linked", a symbolic link: its tag data in the post callback of an open of "linked\tail". */
/* spec: TAG-01, TAG-02, TAG-03 */
static VOID Met(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    PFLT_TAG_DATA_BUFFER tag = Data->TagData;
    UNICODE_STRING name;

    if (Data->IoStatus.Status != STATUS_REPARSE) {
        CHECK(tag == NULL);
        return;
    }
    REQUIRE(tag != NULL);
    CHECK(FIELD_OFFSET(FLT_TAG_DATA_BUFFER, GenericReparseBuffer) == 8);
    CHECK(Data->IoStatus.Information == tag->FileTag);
    CHECK(tag->UnparsedNameLength == sizeof(L"\\tail") - sizeof(WCHAR));
    Results.Reserved[0]++;
    if (tag->FileTag == IO_REPARSE_TAG_SYMLINK) {
        CHECK(FIELD_OFFSET(FLT_TAG_DATA_BUFFER, SymbolicLinkReparseBuffer.PathBuffer) ==
              FIELD_OFFSET(FLT_TAG_DATA_BUFFER, MountPointReparseBuffer.PathBuffer) + sizeof(ULONG));
        CHECK(tag->SymbolicLinkReparseBuffer.Flags == 1);
        name.Buffer = tag->SymbolicLinkReparseBuffer.PathBuffer
                      + tag->SymbolicLinkReparseBuffer.SubstituteNameOffset / sizeof(WCHAR);
        name.Length = name.MaximumLength = tag->SymbolicLinkReparseBuffer.SubstituteNameLength;
        CHECK(IsText(&name, L"real"));
        CHECK(tag->TagDataLength == 12 + 2 * name.Length);
        return;
    }
    CHECK(tag->FileTag == IO_REPARSE_TAG_MOUNT_POINT);
    name.Buffer = tag->MountPointReparseBuffer.PathBuffer
                  + tag->MountPointReparseBuffer.SubstituteNameOffset / sizeof(WCHAR);
    name.Length = name.MaximumLength = tag->MountPointReparseBuffer.SubstituteNameLength;
    CHECK(IsText(&name, L"\\??\\C:\\real"));
}

/* Opens the link itself after all. */
/* spec: TAG-05 */
static VOID Reissue(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    if (Data->IoStatus.Status != STATUS_REPARSE) {
        return;
    }
    CHECK(Data->TagData != NULL);
    Data->Iopb->Parameters.Create.Options |= FILE_OPEN_REPARSE_POINT;
    FltSetCallbackDataDirty(Data);
    FltReissueSynchronousIo(FltObjects->Instance, Data);
    CHECK(Data->TagData == NULL && Data->IoStatus.Status == STATUS_SUCCESS);
    Results.Reserved[1]++;
}

/* One entry of a list: the name in lower case, the file system keeps upper case. */
static ULONG EaEntry(PUCHAR To, PCSTR Name, PCSTR Value, ULONG Next)
{
    FILE_FULL_EA_INFORMATION *ea = (FILE_FULL_EA_INFORMATION *)To;
    ULONG name = (ULONG)strlen(Name), value = (ULONG)strlen(Value);

    ea->NextEntryOffset = Next;
    ea->Flags = 0;
    ea->EaNameLength = (UCHAR)name;
    ea->EaValueLength = (USHORT)value;
    RtlCopyMemory(ea->EaName, Name, name + 1);
    RtlCopyMemory(ea->EaName + name + 1, Value, value);
    return FIELD_OFFSET(FILE_FULL_EA_INFORMATION, EaName) + name + 1 + value;
}

/* Creates a file below FltObjects' instance with a list of extended attributes, or opens it without one. */
static NTSTATUS CreateWith(PCFLT_RELATED_OBJECTS FltObjects, PCWSTR Name, PVOID List, ULONG Length)
{
    UNICODE_STRING name = Text(Name);
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK io;
    HANDLE handle;
    PFILE_OBJECT file;
    NTSTATUS status;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    status = FltCreateFileEx(Filter, FltObjects->Instance, &handle, &file, GENERIC_READ | SYNCHRONIZE, &attributes, &io,
                             NULL, FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ, List == NULL ? FILE_OPEN : FILE_CREATE,
                             FILE_SYNCHRONOUS_IO_NONALERT, List, Length, 0);
    if (NT_SUCCESS(status)) {
        ObDereferenceObject(file);
        (VOID)FltClose(handle);
    }
    return status;
}

/* spec: PARM-29 */
static VOID Attributes(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    PFLT_INSTANCE instance = FltObjects->Instance;
    PFILE_OBJECT file = FltObjects->FileObject;
    static DECLSPEC_ALIGN(4) UCHAR list[64], got[64], names[16];
    FILE_FULL_EA_INFORMATION *found = (FILE_FULL_EA_INFORMATION *)got;
    FILE_GET_EA_INFORMATION *get = (FILE_GET_EA_INFORMATION *)names;
    ULONG length, count = 0, index = 2;

    CHECK(FltQueryEaFile(instance, file, got, sizeof(got), FALSE, NULL, 0, NULL, TRUE, &count) == STATUS_NO_EAS_ON_FILE);
    (VOID)EaEntry(list, "one", "first", 20);
    length = 20 + EaEntry(list + 20, "two", "second", 0);
    CHECK(FltSetEaFile(instance, file, list, length) == STATUS_SUCCESS);
    CHECK(FltQueryEaFile(instance, file, got, sizeof(got), TRUE, NULL, 0, NULL, TRUE, &count) == STATUS_SUCCESS);
    CHECK(count == 17 && found->NextEntryOffset == 0 && found->EaNameLength == 3 && found->EaValueLength == 5);
    CHECK(RtlCompareMemory(found->EaName, "ONE\0first", 9) == 9);
    /* The scan goes on, and ends. */
    CHECK(FltQueryEaFile(instance, file, got, sizeof(got), TRUE, NULL, 0, NULL, FALSE, &count) == STATUS_SUCCESS);
    CHECK(RtlCompareMemory(found->EaName, "TWO\0second", 10) == 10);
    CHECK(FltQueryEaFile(instance, file, got, sizeof(got), TRUE, NULL, 0, NULL, FALSE, &count) == STATUS_NO_MORE_EAS);
    /* An index counts where there is no list; with one it does not. */
    CHECK(FltQueryEaFile(instance, file, got, sizeof(got), FALSE, NULL, 0, &index, FALSE, &count) == STATUS_SUCCESS);
    CHECK(found->NextEntryOffset == 0 && RtlCompareMemory(found->EaName, "TWO", 3) == 3);
    RtlZeroMemory(names, sizeof(names));
    get->EaNameLength = 3;
    RtlCopyMemory(get->EaName, "one", 4);
    CHECK(FltQueryEaFile(instance, file, got, sizeof(got), FALSE, names, 9, &index, FALSE, &count) == STATUS_SUCCESS);
    CHECK(RtlCompareMemory(found->EaName, "ONE", 3) == 3 && found->EaValueLength == 5);
    index = 9;
    CHECK(FltQueryEaFile(instance, file, got, sizeof(got), FALSE, NULL, 0, &index, FALSE, &count) ==
          STATUS_NONEXISTENT_EA_ENTRY);
    CHECK(FltQueryEaFile(instance, file, got, 8, FALSE, NULL, 0, NULL, TRUE, &count) == STATUS_BUFFER_TOO_SMALL);
    CHECK(FltQueryEaFile(instance, file, got, 20, FALSE, NULL, 0, NULL, TRUE, &count) == STATUS_BUFFER_OVERFLOW);
    /* A value of no bytes takes the attribute away. */
    length = EaEntry(list, "ONE", "", 0);
    CHECK(FltSetEaFile(instance, file, list, length) == STATUS_SUCCESS);
    CHECK(FltQueryEaFile(instance, file, got, sizeof(got), FALSE, NULL, 0, NULL, TRUE, &count) == STATUS_SUCCESS);
    CHECK(count == 18 && RtlCompareMemory(found->EaName, "TWO", 3) == 3);
    length = EaEntry(list, "a:b", "x", 0);
    CHECK(FltSetEaFile(instance, file, list, length) == STATUS_INVALID_EA_NAME);
    /* Nothing is made with attributes that are wrong, nor with more than a file may have. */
    CHECK(CreateWith(FltObjects, L"\\??\\C:\\with-wrong", list, length) == STATUS_INVALID_EA_NAME);
    CHECK(CreateWith(FltObjects, L"\\??\\C:\\with-wrong", NULL, 0) == STATUS_OBJECT_NAME_NOT_FOUND);
    length = EaEntry(list, "kept", "x", 0);
    CHECK(CreateWith(FltObjects, L"\\??\\C:\\with-right", list, length) == STATUS_SUCCESS);
    CHECK(CreateWith(FltObjects, L"\\??\\C:\\with-right", NULL, 0) == STATUS_SUCCESS);
}

const GROUP ReparseGroups[] = {
    {L"attributes", NULL, Attributes},
    {L"tag-file", NULL, TagFile},
    {L"linked", NULL, Met},
    {L"reissued", NULL, Reissue},
    {NULL, NULL, NULL},
};
