/*
 * Security identifiers, access control lists, security descriptors.
 */
#include "kselftest.h"
#define FILE_NAME "rtl_security.c"

/* S-1-5-32-544 and S-1-5-18. */
static UCHAR Admins[16] = {1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0};
static UCHAR System[12] = {1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0};
static DECLSPEC_ALIGN(8) UCHAR AclBytes[128];
static PACL Acl = (PACL)AclBytes;
static SECURITY_DESCRIPTOR Descriptor;

CASE_OF(RtlLengthSid)
{
    CHECK(RtlLengthSid(Admins) == 16 && RtlLengthSid(System) == 12);
}

CASE_OF(RtlLengthRequiredSid)
{
    CHECK(RtlLengthRequiredSid(0) == 8 && RtlLengthRequiredSid(15) == 68);
}

CASE_OF(RtlValidSid)
{
    UCHAR bad[12] = {2, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0}, many[12] = {1, 16};

    CHECK(RtlValidSid(Admins) && !RtlValidSid(bad) && !RtlValidSid(many));
}

CASE_OF(RtlCopySid)
{
    UCHAR copy[16] = {0};

    CHECK(RtlCopySid(15, copy, Admins) == STATUS_BUFFER_TOO_SMALL);
    CHECK(RtlCopySid(16, copy, Admins) == STATUS_SUCCESS && SameBytes(copy, Admins, 16));
}

CASE_OF(RtlEqualSid)
{
    CHECK(RtlEqualSid(Admins, Admins) && !RtlEqualSid(Admins, System));
}

CASE_OF(RtlInitializeSid)
{
    SID_IDENTIFIER_AUTHORITY authority = {{0, 0, 0, 0, 0, 5}};
    UCHAR sid[16] = {0};

    CHECK(RtlInitializeSid(sid, &authority, 2) == STATUS_SUCCESS);
    CHECK(sid[0] == 1 && sid[1] == 2 && SameBytes(sid + 2, "\0\0\0\0\0\5", 6));
    CHECK(RtlInitializeSid(sid, &authority, 16) == STATUS_INVALID_PARAMETER);
}

CASE_OF(RtlSubAuthoritySid)
{
    CHECK(RtlSubAuthoritySid(Admins, 0) == (PULONG)(Admins + 8) && *RtlSubAuthoritySid(Admins, 1) == 544);
}

CASE_OF(RtlSubAuthorityCountSid)
{
    CHECK(RtlSubAuthorityCountSid(Admins) == Admins + 1);
    CHECK(*RtlSubAuthorityCountSid(System) == 1);
}

CASE_OF(RtlConvertSidToUnicodeString)
{
    WCHAR buffer[20];
    UNICODE_STRING text = {0, sizeof(buffer), buffer}, small = {0, 10, buffer}, made;

    CHECK(RtlConvertSidToUnicodeString(&text, Admins, FALSE) == STATUS_SUCCESS && IsText(&text, L"S-1-5-32-544"));
    CHECK(RtlConvertSidToUnicodeString(&small, Admins, FALSE) == STATUS_BUFFER_OVERFLOW);
    REQUIRE(RtlConvertSidToUnicodeString(&made, System, TRUE) == STATUS_SUCCESS);
    CHECK(IsText(&made, L"S-1-5-18"));
    RtlFreeUnicodeString(&made);
}

static VOID BeginAcl(VOID)
{
    Fill(AclBytes, sizeof(AclBytes), 0);
    CHECK(RtlCreateAcl(Acl, sizeof(AclBytes), ACL_REVISION) == STATUS_SUCCESS);
}

CASE_OF(RtlCreateAcl)
{
    CHECK(RtlCreateAcl(Acl, sizeof(ACL) - 1, ACL_REVISION) == STATUS_BUFFER_TOO_SMALL);
    CHECK(RtlCreateAcl(Acl, sizeof(AclBytes), 9) == STATUS_INVALID_PARAMETER);
    CHECK(RtlCreateAcl(Acl, sizeof(AclBytes), ACL_REVISION) == STATUS_SUCCESS);
    CHECK(Acl->AclRevision == 2 && Acl->AclSize == sizeof(AclBytes) && Acl->AceCount == 0);
}

CASE_OF(RtlAddAccessAllowedAce)
{
    PACCESS_ALLOWED_ACE ace = (PACCESS_ALLOWED_ACE)(Acl + 1);

    BeginAcl();
    CHECK(RtlAddAccessAllowedAce(Acl, ACL_REVISION, 0x1234, Admins) == STATUS_SUCCESS);
    CHECK(Acl->AceCount == 1 && ace->Header.AceType == 0 && ace->Header.AceSize == 24 && ace->Mask == 0x1234);
    CHECK(SameBytes(&ace->SidStart, Admins, 16));
    CHECK(RtlAddAccessAllowedAce(Acl, ACL_REVISION, 1, AclBytes) == STATUS_INVALID_SID);
}

CASE_OF(RtlAddAccessAllowedAceEx)
{
    PACCESS_ALLOWED_ACE ace = (PACCESS_ALLOWED_ACE)(Acl + 1);

    BeginAcl();
    CHECK(RtlAddAccessAllowedAceEx(Acl, ACL_REVISION, OBJECT_INHERIT_ACE, 0x1234, Admins) == STATUS_SUCCESS);
    CHECK(ace->Header.AceType == 0 && ace->Header.AceFlags == OBJECT_INHERIT_ACE);
}

CASE_OF(RtlAddAccessDeniedAce)
{
    PACCESS_ALLOWED_ACE ace = (PACCESS_ALLOWED_ACE)(Acl + 1);

    BeginAcl();
    CHECK(RtlAddAccessDeniedAce(Acl, ACL_REVISION, 0x1234, System) == STATUS_SUCCESS);
    CHECK(ace->Header.AceType == 1 && ace->Header.AceSize == 20);
}

CASE_OF(RtlGetAce)
{
    PVOID ace = NULL;

    BeginAcl();
    RtlAddAccessAllowedAce(Acl, ACL_REVISION, 1, Admins);
    CHECK(RtlGetAce(Acl, 0, &ace) == STATUS_SUCCESS && ace == Acl + 1);
    CHECK(RtlGetAce(Acl, 1, &ace) == STATUS_INVALID_PARAMETER);
}

CASE_OF(RtlDeleteAce)
{
    PVOID ace = NULL;

    BeginAcl();
    RtlAddAccessAllowedAce(Acl, ACL_REVISION, 1, Admins);
    RtlAddAccessAllowedAce(Acl, ACL_REVISION, 2, System);
    CHECK(RtlDeleteAce(Acl, 0) == STATUS_SUCCESS && Acl->AceCount == 1);
    CHECK(RtlGetAce(Acl, 0, &ace) == STATUS_SUCCESS && ((PACCESS_ALLOWED_ACE)ace)->Mask == 2);
    CHECK(RtlDeleteAce(Acl, 1) == STATUS_INVALID_PARAMETER);
}

CASE_OF(RtlAddAce)
{
    UCHAR copy[24];
    PACCESS_ALLOWED_ACE ace = (PACCESS_ALLOWED_ACE)(Acl + 1);

    BeginAcl();
    RtlAddAccessAllowedAce(Acl, ACL_REVISION, 1, Admins);
    __movsb(copy, (PUCHAR)ace, sizeof(copy));
    ((PACCESS_ALLOWED_ACE)copy)->Mask = 7;
    CHECK(RtlAddAce(Acl, ACL_REVISION, 0, copy, sizeof(copy)) == STATUS_SUCCESS);
    CHECK(Acl->AceCount == 2 && ace->Mask == 7); /* put first */
}

CASE_OF(RtlFirstFreeAce)
{
    PVOID ace = NULL;

    BeginAcl();
    RtlAddAccessAllowedAce(Acl, ACL_REVISION, 1, Admins);
    CHECK(RtlFirstFreeAce(Acl, &ace) && ace == AclBytes + sizeof(ACL) + 24);
}

CASE_OF(RtlValidAcl)
{
    BeginAcl();
    RtlAddAccessAllowedAce(Acl, ACL_REVISION, 1, Admins);
    CHECK(RtlValidAcl(Acl));
    Acl->AclRevision = 9;
    CHECK(!RtlValidAcl(Acl));
}

static VOID BeginDescriptor(VOID)
{
    Fill(&Descriptor, sizeof(Descriptor), 0);
    Descriptor.Revision = SECURITY_DESCRIPTOR_REVISION;
}

CASE_OF(RtlCreateSecurityDescriptor)
{
    Fill(&Descriptor, sizeof(Descriptor), 0xCC);
    CHECK(RtlCreateSecurityDescriptor(&Descriptor, 9) == STATUS_UNKNOWN_REVISION);
    CHECK(RtlCreateSecurityDescriptor(&Descriptor, SECURITY_DESCRIPTOR_REVISION) == STATUS_SUCCESS);
    CHECK(Descriptor.Revision == 1 && Descriptor.Control == 0 && Descriptor.Owner == NULL && Descriptor.Dacl == NULL);
}

CASE_OF(RtlSetDaclSecurityDescriptor)
{
    BeginDescriptor();
    BeginAcl();
    CHECK(RtlSetDaclSecurityDescriptor(&Descriptor, TRUE, Acl, FALSE) == STATUS_SUCCESS);
    CHECK(Descriptor.Control == SE_DACL_PRESENT && Descriptor.Dacl == Acl);
    CHECK(RtlSetDaclSecurityDescriptor(&Descriptor, FALSE, NULL, FALSE) == STATUS_SUCCESS && Descriptor.Control == 0);
}

CASE_OF(RtlGetDaclSecurityDescriptor)
{
    BOOLEAN present = 9, defaulted = 9;
    PACL found = NULL;

    BeginDescriptor();
    CHECK(RtlGetDaclSecurityDescriptor(&Descriptor, &present, &found, &defaulted) == STATUS_SUCCESS && present == FALSE);
    Descriptor.Control = SE_DACL_PRESENT;
    Descriptor.Dacl = Acl;
    CHECK(RtlGetDaclSecurityDescriptor(&Descriptor, &present, &found, &defaulted) == STATUS_SUCCESS);
    CHECK(present == TRUE && found == Acl && defaulted == FALSE);
}

CASE_OF(RtlSetOwnerSecurityDescriptor)
{
    BeginDescriptor();
    CHECK(RtlSetOwnerSecurityDescriptor(&Descriptor, Admins, TRUE) == STATUS_SUCCESS);
    CHECK(Descriptor.Owner == Admins && Descriptor.Control == SE_OWNER_DEFAULTED);
}

CASE_OF(RtlGetOwnerSecurityDescriptor)
{
    BOOLEAN defaulted = 9;
    PSID found = NULL;

    BeginDescriptor();
    Descriptor.Owner = System;
    CHECK(RtlGetOwnerSecurityDescriptor(&Descriptor, &found, &defaulted) == STATUS_SUCCESS);
    CHECK(found == System && defaulted == FALSE);
}

CASE_OF(RtlSetGroupSecurityDescriptor)
{
    BeginDescriptor();
    CHECK(RtlSetGroupSecurityDescriptor(&Descriptor, Admins, FALSE) == STATUS_SUCCESS && Descriptor.Group == Admins);
}

CASE_OF(RtlGetGroupSecurityDescriptor)
{
    BOOLEAN defaulted = 9;
    PSID found = NULL;

    BeginDescriptor();
    Descriptor.Group = Admins;
    CHECK(RtlGetGroupSecurityDescriptor(&Descriptor, &found, &defaulted) == STATUS_SUCCESS && found == Admins);
}

CASE_OF(RtlValidSecurityDescriptor)
{
    BeginDescriptor();
    CHECK(RtlValidSecurityDescriptor(&Descriptor));
    Descriptor.Revision = 2;
    CHECK(!RtlValidSecurityDescriptor(&Descriptor));
}

CASE_OF(RtlLengthSecurityDescriptor)
{
    BeginDescriptor();
    CHECK(RtlLengthSecurityDescriptor(&Descriptor) == 20 || RtlLengthSecurityDescriptor(&Descriptor) == 40);
    ULONG before = RtlLengthSecurityDescriptor(&Descriptor);

    Descriptor.Owner = Admins;
    CHECK(RtlLengthSecurityDescriptor(&Descriptor) == before + 16);
    CHECK(before % 4 == 0);
}

static GENERIC_MAPPING Mapping = {0x10, 0x20, 0x40, 0x70};

CASE_OF(RtlMapGenericMask)
{
    ACCESS_MASK mask = GENERIC_READ | GENERIC_WRITE | 1;

    RtlMapGenericMask(&mask, &Mapping);
    CHECK(mask == 0x31);
}

CASE_OF(RtlAreAllAccessesGranted)
{
    CHECK(RtlAreAllAccessesGranted(7, 5) && !RtlAreAllAccessesGranted(5, 7) && RtlAreAllAccessesGranted(0, 0));
}

CASE_OF(RtlAreAnyAccessesGranted)
{
    CHECK(RtlAreAnyAccessesGranted(5, 6) && !RtlAreAnyAccessesGranted(5, 2));
}

const CASE SecurityChecks[] = {
    ROW(RtlLengthSid),
    ROW(RtlLengthRequiredSid),
    ROW(RtlValidSid),
    ROW(RtlCopySid),
    ROW(RtlEqualSid),
    ROW(RtlInitializeSid),
    ROW(RtlSubAuthoritySid),
    ROW(RtlSubAuthorityCountSid),
    ROW(RtlConvertSidToUnicodeString),
    ROW(RtlCreateAcl),
    ROW(RtlAddAccessAllowedAce),
    ROW(RtlAddAccessAllowedAceEx),
    ROW(RtlAddAccessDeniedAce),
    ROW(RtlGetAce),
    ROW(RtlDeleteAce),
    ROW(RtlAddAce),
    ROW(RtlFirstFreeAce),
    ROW(RtlValidAcl),
    ROW(RtlCreateSecurityDescriptor),
    ROW(RtlSetDaclSecurityDescriptor),
    ROW(RtlGetDaclSecurityDescriptor),
    ROW(RtlSetOwnerSecurityDescriptor),
    ROW(RtlGetOwnerSecurityDescriptor),
    ROW(RtlSetGroupSecurityDescriptor),
    ROW(RtlGetGroupSecurityDescriptor),
    ROW(RtlValidSecurityDescriptor),
    ROW(RtlLengthSecurityDescriptor),
    ROW(RtlMapGenericMask),
    ROW(RtlAreAllAccessesGranted),
    ROW(RtlAreAnyAccessesGranted),
    LAST,
};
