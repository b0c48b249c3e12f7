//! Who asks and with which access: access state, subject context, privileges.

use crate::{LUID, UNICODE_STRING};
use core::cell::Cell;
use core::ffi::c_void;

crate::declare::layout! {
    /// A privilege and its attributes.
    struct LUID_AND_ATTRIBUTES(0xc) {
        0x0 Luid: LUID,
        0x8 Attributes: Cell<u32>,
    }

    /// A counted set of privileges.
    struct PRIVILEGE_SET(0x14) {
        0x0 PrivilegeCount: Cell<u32>,
        0x4 Control: Cell<u32>,
        0x8 Privilege: [LUID_AND_ATTRIBUTES; 1],
    }

    /// The privilege set that an access state carries inline.
    struct INITIAL_PRIVILEGE_SET(0x2c) {
        0x0 PrivilegeCount: Cell<u32>,
        0x4 Control: Cell<u32>,
        0x8 Privilege: [LUID_AND_ATTRIBUTES; 3],
    }

    /// What the four generic rights mean for one object type.
    struct GENERIC_MAPPING(0x10) {
        0x0 GenericRead: Cell<u32>,
        0x4 GenericWrite: Cell<u32>,
        0x8 GenericExecute: Cell<u32>,
        0xc GenericAll: Cell<u32>,
    }

    /// An absolute security descriptor: parts by pointer.
    struct SECURITY_DESCRIPTOR(0x28) {
        0x0 Revision: Cell<u8>,
        0x1 Sbz1: Cell<u8>,
        0x2 Control: Cell<u16>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Owner: Cell<*mut c_void>,
        0x10 Group: Cell<*mut c_void>,
        0x18 Sacl: Cell<*mut ACL>,
        0x20 Dacl: Cell<*mut ACL>,
    }

    /// A self-relative security descriptor: parts by byte offset.
    struct SECURITY_DESCRIPTOR_RELATIVE(0x14) {
        0x0 Revision: Cell<u8>,
        0x1 Sbz1: Cell<u8>,
        0x2 Control: Cell<u16>,
        0x4 Owner: Cell<u32>,
        0x8 Group: Cell<u32>,
        0xc Sacl: Cell<u32>,
        0x10 Dacl: Cell<u32>,
    }

    /// The head of an access control list; its entries follow.
    struct ACL(0x8) {
        0x0 AclRevision: Cell<u8>,
        0x1 Sbz1: Cell<u8>,
        0x2 AclSize: Cell<u16>,
        0x4 AceCount: Cell<u16>,
        0x6 Sbz2: Cell<u16>,
    }

    /// The head of an access control entry.
    struct ACE_HEADER(0x4) {
        0x0 AceType: Cell<u8>,
        0x1 AceFlags: Cell<u8>,
        0x2 AceSize: Cell<u16>,
    }

    /// An entry that grants `Mask`; its SID starts at `SidStart`.
    struct ACCESS_ALLOWED_ACE(0xc) {
        0x0 Header: ACE_HEADER,
        0x4 Mask: Cell<u32>,
        0x8 SidStart: Cell<u32>,
    }

    /// A security identifier; further sub-authorities follow.
    struct SID(0xc) {
        0x0 Revision: Cell<u8>,
        0x1 SubAuthorityCount: Cell<u8>,
        0x2 IdentifierAuthority: [Cell<u8>; 6],
        0x8 SubAuthority: [Cell<u32>; 1],
    }

    /// A SID by pointer, and its attributes.
    struct SID_AND_ATTRIBUTES(0x10) {
        0x0 Sid: Cell<*mut c_void>,
        0x8 Attributes: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
    }

    /// What a token answers when asked for its user.
    struct TOKEN_USER(0x10) {
        0x0 User: SID_AND_ATTRIBUTES,
    }

    /// The access that a create asks for.
    struct IO_SECURITY_CONTEXT(0x18) {
        0x0 SecurityQos: Cell<*mut SECURITY_QUALITY_OF_SERVICE>,
        0x8 AccessState: Cell<*mut ACCESS_STATE>,
        0x10 DesiredAccess: Cell<u32>,
        0x14 FullCreateOptions: Cell<u32>,
    }

    /// How far an access check has come.
    struct ACCESS_STATE(0xa0) {
        0x0 OperationID: LUID,
        0x8 SecurityEvaluated: Cell<u8>,
        0x9 GenerateAudit: Cell<u8>,
        0xa GenerateOnClose: Cell<u8>,
        0xb PrivilegesAllocated: Cell<u8>,
        0xc Flags: Cell<u32>,
        0x10 RemainingDesiredAccess: Cell<u32>,
        0x14 PreviouslyGrantedAccess: Cell<u32>,
        0x18 OriginalDesiredAccess: Cell<u32>,
        0x1c _pad1c: [Cell<u8>; 4],
        0x20 SubjectSecurityContext: SECURITY_SUBJECT_CONTEXT,
        0x40 SecurityDescriptor: Cell<*mut c_void>,
        0x48 AuxData: Cell<*mut c_void>,
        0x50 Privileges: ACCESS_STATE_Privileges,
        0x7c AuditPrivileges: Cell<u8>,
        0x7d _pad7d: [Cell<u8>; 3],
        0x80 ObjectName: UNICODE_STRING,
        0x90 ObjectTypeName: UNICODE_STRING,
    }

    /// `ACCESS_STATE.Privileges`.
    struct ACCESS_STATE_Privileges(0x2c) {
        0x0 raw: [Cell<u32>; 11],
    }

    /// The tokens on whose behalf an access check runs.
    struct SECURITY_SUBJECT_CONTEXT(0x20) {
        0x0 ClientToken: Cell<*mut c_void>,
        0x8 ImpersonationLevel: Cell<i32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 PrimaryToken: Cell<*mut c_void>,
        0x18 ProcessAuditId: Cell<*mut c_void>,
    }

    /// How far a server may act for its client.
    struct SECURITY_QUALITY_OF_SERVICE(0xc) {
        0x0 Length: Cell<u32>,
        0x4 ImpersonationLevel: Cell<i32>,
        0x8 ContextTrackingMode: Cell<u8>,
        0x9 EffectiveOnly: Cell<u8>,
        0xa _pada: [Cell<u8>; 2],
    }
}

crate::declare::views! {
    impl ACCESS_STATE_Privileges {
        /// The bytes at 0x0 as `InitialPrivilegeSet`.
        0x0 InitialPrivilegeSet: INITIAL_PRIVILEGE_SET,
        /// The bytes at 0x0 as `PrivilegeSet`.
        0x0 PrivilegeSet: PRIVILEGE_SET,
    }
}
