/*
 * objtest: the security descriptor of a file, read and set below the instance.
 */
#include "objtest.h"

#define FILE_NUMBER 8

/* What a program may do with the file afterwards: read it, delete it, and change what it may do. */
#define LEFT (FILE_GENERIC_READ | DELETE | WRITE_DAC)

static VOID ReadAll(PFLT_INSTANCE Instance, PFILE_OBJECT File)
{
    ULONG needed = 0, again = 0;
    PSECURITY_DESCRIPTOR descriptor;
    BOOLEAN present = FALSE, defaulted;
    PACL list = NULL;
    PSID owner = NULL;

    CHECK(FltQuerySecurityObject(Instance, File, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, NULL, 0,
                                 &needed) == STATUS_BUFFER_OVERFLOW);
    REQUIRE(needed > sizeof(SECURITY_DESCRIPTOR_RELATIVE));
    descriptor = ExAllocatePoolZero(PagedPool, needed, TAG);
    REQUIRE(descriptor != NULL);
    CHECK(FltQuerySecurityObject(Instance, File, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, descriptor,
                                 needed - 1, &again) == STATUS_BUFFER_OVERFLOW);
    CHECK(again == needed && *(PUCHAR)descriptor == 0);
    CHECK(FltQuerySecurityObject(Instance, File, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, descriptor,
                                 needed, &again) == STATUS_SUCCESS);
    CHECK(again == needed && RtlValidSecurityDescriptor(descriptor));
    CHECK(NT_SUCCESS(RtlGetDaclSecurityDescriptor(descriptor, &present, &list, &defaulted)) && present && list != NULL);
    CHECK(NT_SUCCESS(RtlGetOwnerSecurityDescriptor(descriptor, &owner, &defaulted)) && owner != NULL);
    ExFreePoolWithTag(descriptor, TAG);
}

static VOID LeaveReading(PFLT_INSTANCE Instance, PFILE_OBJECT File)
{
    static DECLSPEC_ALIGN(8) UCHAR memory[128], got[256];
    SECURITY_DESCRIPTOR descriptor;
    PACL list = (PACL)memory;
    BOOLEAN present = FALSE, defaulted;
    PSID owner = memory;
    ULONG needed = 0;

    CHECK(NT_SUCCESS(RtlCreateSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION)));
    CHECK(NT_SUCCESS(RtlCreateAcl(list, sizeof(memory), ACL_REVISION)));
    CHECK(NT_SUCCESS(RtlAddAccessAllowedAce(list, ACL_REVISION, LEFT, SeExports->SeWorldSid)));
    CHECK(NT_SUCCESS(RtlSetDaclSecurityDescriptor(&descriptor, TRUE, list, FALSE)));
    CHECK(FltSetSecurityObject(Instance, File, DACL_SECURITY_INFORMATION, &descriptor) == STATUS_SUCCESS);
    /* Only the part that is asked for comes back. */
    CHECK(FltQuerySecurityObject(Instance, File, DACL_SECURITY_INFORMATION, got, sizeof(got), &needed) ==
          STATUS_SUCCESS);
    CHECK(NT_SUCCESS(RtlGetDaclSecurityDescriptor(got, &present, &list, &defaulted)) && present);
    CHECK(list != NULL && list->AceCount == 1);
    CHECK(NT_SUCCESS(RtlGetOwnerSecurityDescriptor(got, &owner, &defaulted)) && owner == NULL);
    /* An owner cannot be taken away, and a descriptor has to be one. */
    CHECK(FltSetSecurityObject(Instance, File, OWNER_SECURITY_INFORMATION, &descriptor) ==
          STATUS_INVALID_SECURITY_DESCR);
    descriptor.Revision = 9;
    CHECK(FltSetSecurityObject(Instance, File, DACL_SECURITY_INFORMATION, &descriptor) ==
          STATUS_INVALID_SECURITY_DESCR);
}

/* spec: PARM-30 */
static VOID Guard(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    if (Data->IoStatus.Status == STATUS_SUCCESS && Data->IoStatus.Information == FILE_CREATED) {
        ReadAll(FltObjects->Instance, FltObjects->FileObject);
        LeaveReading(FltObjects->Instance, FltObjects->FileObject);
    }
}

const GROUP SecurityGroups[] = {
    {L"guarded", NULL, Guard},
    {NULL, NULL, NULL},
};
