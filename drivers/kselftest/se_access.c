/*
 * System lists and whole descriptors, subjects, access checks, privileges, tokens.
 */
#include "kselftest.h"
#define FILE_NAME "se_access.c"

/* S-1-1-0 and S-1-5-18. */
static UCHAR Everyone[12] = {1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};
static UCHAR System[12] = {1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0};
static DECLSPEC_ALIGN(8) UCHAR AclBytes[64];
static PACL Acl = (PACL)AclBytes;
static SECURITY_DESCRIPTOR Descriptor;
static DECLSPEC_ALIGN(8) UCHAR Relative[256];
static GENERIC_MAPPING Mapping = {1, 2, 4, 7};

/* A descriptor of System that denies everyone 2 and allows everyone 3. */
static VOID Begin(VOID)
{
    Fill(AclBytes, sizeof(AclBytes), 0);
    CHECK(RtlCreateAcl(Acl, sizeof(AclBytes), ACL_REVISION) == STATUS_SUCCESS);
    CHECK(RtlAddAccessDeniedAce(Acl, ACL_REVISION, 2, Everyone) == STATUS_SUCCESS);
    CHECK(RtlAddAccessAllowedAce(Acl, ACL_REVISION, 3, Everyone) == STATUS_SUCCESS);
    CHECK(RtlCreateSecurityDescriptor(&Descriptor, SECURITY_DESCRIPTOR_REVISION) == STATUS_SUCCESS);
    CHECK(RtlSetOwnerSecurityDescriptor(&Descriptor, System, FALSE) == STATUS_SUCCESS);
    CHECK(RtlSetGroupSecurityDescriptor(&Descriptor, System, FALSE) == STATUS_SUCCESS);
    CHECK(RtlSetDaclSecurityDescriptor(&Descriptor, TRUE, Acl, FALSE) == STATUS_SUCCESS);
}

/* The same in one piece; its bytes, 0 when that fails. */
static ULONG BeginRelative(VOID)
{
    ULONG length = sizeof(Relative);

    Begin();
    Fill(Relative, sizeof(Relative), 0);
    return CHECK(RtlAbsoluteToSelfRelativeSD(&Descriptor, (PSECURITY_DESCRIPTOR)Relative, &length) == STATUS_SUCCESS) ? length
                                                                                                                 : 0;
}

CASE_OF(RtlSetSaclSecurityDescriptor)
{
    Begin();
    CHECK(RtlSetSaclSecurityDescriptor(&Descriptor, TRUE, Acl, TRUE) == STATUS_SUCCESS);
    CHECK(Descriptor.Sacl == Acl && (Descriptor.Control & (SE_SACL_PRESENT | SE_SACL_DEFAULTED))
                                        == (SE_SACL_PRESENT | SE_SACL_DEFAULTED));
    CHECK(RtlSetSaclSecurityDescriptor(&Descriptor, FALSE, NULL, FALSE) == STATUS_SUCCESS);
    CHECK(!(Descriptor.Control & SE_SACL_PRESENT));
    Descriptor.Revision = 9;
    CHECK(RtlSetSaclSecurityDescriptor(&Descriptor, TRUE, Acl, FALSE) == STATUS_UNKNOWN_REVISION);
}

CASE_OF(RtlGetSaclSecurityDescriptor)
{
    BOOLEAN present = 9, defaulted = 9;
    PACL found = NULL;

    Begin();
    CHECK(RtlGetSaclSecurityDescriptor(&Descriptor, &present, &found, &defaulted) == STATUS_SUCCESS && !present);
    Descriptor.Control |= SE_SACL_PRESENT;
    Descriptor.Sacl = Acl;
    CHECK(RtlGetSaclSecurityDescriptor(&Descriptor, &present, &found, &defaulted) == STATUS_SUCCESS);
    CHECK(present == TRUE && found == Acl && defaulted == FALSE);
}

CASE_OF(RtlAbsoluteToSelfRelativeSD)
{
    SECURITY_DESCRIPTOR_RELATIVE *made = (SECURITY_DESCRIPTOR_RELATIVE *)Relative;
    ULONG length = 4;

    Begin();
    CHECK(RtlAbsoluteToSelfRelativeSD(&Descriptor, NULL, &length) == STATUS_BUFFER_TOO_SMALL);
    CHECK(length == sizeof(*made) + 2 * 12 + sizeof(AclBytes));
    CHECK(RtlAbsoluteToSelfRelativeSD(&Descriptor, (PSECURITY_DESCRIPTOR)Relative, &length) == STATUS_SUCCESS);
    CHECK(made->Control == (SE_SELF_RELATIVE | SE_DACL_PRESENT) && made->Sacl == 0);
    CHECK(SameBytes(Relative + made->Owner, System, 12) && SameBytes(Relative + made->Dacl, AclBytes, sizeof(AclBytes)));
    length = sizeof(Relative);
    CHECK(RtlAbsoluteToSelfRelativeSD((PSECURITY_DESCRIPTOR)Relative, (PSECURITY_DESCRIPTOR)AclBytes, &length)
          == STATUS_BAD_DESCRIPTOR_FORMAT); /* it is in one piece already */
}

CASE_OF(RtlValidRelativeSecurityDescriptor)
{
    ULONG length = BeginRelative();

    REQUIRE(length != 0);
    CHECK(RtlValidRelativeSecurityDescriptor((PSECURITY_DESCRIPTOR)Relative, length, OWNER_SECURITY_INFORMATION));
    CHECK(!RtlValidRelativeSecurityDescriptor((PSECURITY_DESCRIPTOR)Relative, length, SACL_SECURITY_INFORMATION)); /* has none */
    CHECK(!RtlValidRelativeSecurityDescriptor((PSECURITY_DESCRIPTOR)Relative, length - 4, 0));
    Relative[0] = 9;
    CHECK(!RtlValidRelativeSecurityDescriptor((PSECURITY_DESCRIPTOR)Relative, length, 0));
}

CASE_OF(SeValidSecurityDescriptor)
{
    ULONG length = BeginRelative();

    REQUIRE(length != 0);
    CHECK(SeValidSecurityDescriptor(length, (PSECURITY_DESCRIPTOR)Relative));
    CHECK(!SeValidSecurityDescriptor(length - 4, (PSECURITY_DESCRIPTOR)Relative));
    Relative[0] = 9;
    CHECK(!SeValidSecurityDescriptor(length, (PSECURITY_DESCRIPTOR)Relative));
}

/* References that somebody has on an object. */
static LONG_PTR Count(PVOID Object)
{
    LONG_PTR count = ObfReferenceObject(Object);

    ObfDereferenceObject(Object);
    return count - 1;
}

static SECURITY_SUBJECT_CONTEXT Subject;

static BOOLEAN Capture(VOID)
{
    Fill(&Subject, sizeof(Subject), 0);
    SeCaptureSubjectContext(&Subject);
    return CHECK(Subject.PrimaryToken != NULL);
}

CASE_OF(SeCaptureSubjectContext)
{
    PACCESS_TOKEN token = PsReferencePrimaryToken(PsInitialSystemProcess);

    REQUIRE(Capture());
    CHECK(Subject.PrimaryToken == token && Subject.ClientToken == NULL);
    SeReleaseSubjectContext(&Subject);
    PsDereferencePrimaryToken(token);
}

CASE_OF(SeReleaseSubjectContext)
{
    PACCESS_TOKEN token;
    LONG_PTR count;

    REQUIRE(Capture());
    token = Subject.PrimaryToken;
    count = Count(token);
    SeReleaseSubjectContext(&Subject);
    CHECK(Count(token) == count - 1);
}

static ACCESS_MASK Granted;
static NTSTATUS Why;

static BOOLEAN Access(ACCESS_MASK Desired, KPROCESSOR_MODE Mode)
{
    Granted = 0x99;
    Why = STATUS_PENDING;
    return SeAccessCheck(&Descriptor, &Subject, FALSE, Desired, 0, NULL, &Mapping, Mode, &Granted, &Why);
}

CASE_OF(SeAccessCheck)
{
    Begin();
    REQUIRE(Capture());
    CHECK(Access(1, UserMode) && Granted == 1 && Why == STATUS_SUCCESS);
    CHECK(Access(GENERIC_READ, UserMode) && Granted == 1); /* what the mapping says */
    CHECK(!Access(2, UserMode) && Granted == 0 && Why == STATUS_ACCESS_DENIED);
    CHECK(Access(2, KernelMode) && Granted == 2); /* the kernel may do everything */
    SeReleaseSubjectContext(&Subject);
}

CASE_OF(SePrivilegeCheck)
{
    PRIVILEGE_SET set;

    REQUIRE(Capture());
    Fill(&set, sizeof(set), 0);
    set.PrivilegeCount = 1;
    set.Control = PRIVILEGE_SET_ALL_NECESSARY;
    set.Privilege[0].Luid.LowPart = SE_BACKUP_PRIVILEGE;
    CHECK(SePrivilegeCheck(&set, &Subject, UserMode));
    CHECK(set.Privilege[0].Attributes & SE_PRIVILEGE_USED_FOR_ACCESS);
    set.Privilege[0].Luid.LowPart = 77; /* there is none */
    set.Privilege[0].Attributes = 0;
    CHECK(!SePrivilegeCheck(&set, &Subject, UserMode) && set.Privilege[0].Attributes == 0);
    CHECK(SePrivilegeCheck(&set, &Subject, KernelMode));
    SeReleaseSubjectContext(&Subject);
}

CASE_OF(SeTokenImpersonationLevel)
{
    PACCESS_TOKEN token = PsReferencePrimaryToken(PsInitialSystemProcess);

    REQUIRE(token != NULL);
    CHECK(SeTokenImpersonationLevel(token) == SecurityAnonymous); /* a primary token impersonates nobody */
    PsDereferencePrimaryToken(token);
}

CASE_OF(SeLocateProcessImageName)
{
    PUNICODE_STRING name = NULL;

    REQUIRE(SeLocateProcessImageName(PsInitialSystemProcess, &name) == STATUS_SUCCESS);
    REQUIRE(name != NULL);
    CHECK(name->Length % sizeof(WCHAR) == 0 && name->MaximumLength >= name->Length);
    ExFreePool(name); /* the characters are in the same block */
}

const CASE AccessChecks[] = {
    ROW(RtlSetSaclSecurityDescriptor),
    ROW(RtlGetSaclSecurityDescriptor),
    ROW(RtlAbsoluteToSelfRelativeSD),
    ROW(RtlValidRelativeSecurityDescriptor),
    ROW(SeValidSecurityDescriptor),
    ROW(SeCaptureSubjectContext),
    ROW(SeReleaseSubjectContext),
    ROW(SeAccessCheck),
    ROW(SePrivilegeCheck),
    ROW(SeTokenImpersonationLevel),
    ROW(SeLocateProcessImageName),
    LAST,
};
