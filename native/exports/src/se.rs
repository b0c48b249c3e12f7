//! Se: subject contexts, access checks, privileges, tokens.

use boundary::export;
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL};
use nt_abi::{GENERIC_MAPPING, LUID_AND_ATTRIBUTES, NtStatus, PRIVILEGE_SET, SECURITY_SUBJECT_CONTEXT};
use nt_ob::Mapping;
use nt_se::information::class;
use nt_se::{TokenDescription, TokenKind};

use crate::argument::{arg, fault, required, rows, store};

rows! { "ntoskrnl.exe", "nt-se";
    SeCaptureSubjectContext done "";
    SeReleaseSubjectContext done "";
    SeLockSubjectContext done "tokens never change: there is nothing to lock";
    SeUnlockSubjectContext done "as SeLockSubjectContext";
    SeAccessCheck partial "no integrity levels, no claims; no privilege set is given back";
    SePrivilegeCheck done "";
    SeSinglePrivilegeCheck done "";
    SeTokenIsAdmin done "";
    SeTokenIsRestricted done "no token is";
    SeTokenType done "";
    SeTokenImpersonationLevel done "";
    SeQueryAuthenticationIdToken done "";
    SeQuerySessionIdToken done "";
    SeQueryInformationToken partial "no claims, capabilities or linked tokens";
    SeValidSecurityDescriptor done "";
}

const TAG: u32 = u32::from_le_bytes(*b"SeTi");
/// PRIVILEGE_SET_ALL_NECESSARY.
const ALL_NECESSARY: u32 = 1;
/// SE_PRIVILEGE_USED_FOR_ACCESS.
const USED: u32 = 0x8000_0000;

/// The token that decides for a subject: the client's, else the process's.
fn subject(context: &SECURITY_SUBJECT_CONTEXT) -> Result<TokenDescription, boundary::Raise> {
    let client = context.ClientToken.get() as usize;
    nt_se::se_token_description(if client != 0 { client } else { context.PrimaryToken.get() as usize })
}

pub(crate) fn mapping(mapping: &GENERIC_MAPPING) -> Mapping {
    Mapping {
        read: mapping.GenericRead.get(),
        write: mapping.GenericWrite.get(),
        execute: mapping.GenericExecute.get(),
        all: mapping.GenericAll.get(),
    }
}

export! {
    /// Notes who the current thread acts for.
    pub fn SeCaptureSubjectContext(context: *mut SECURITY_SUBJECT_CONTEXT) -> () [irql <= PASSIVE_LEVEL] {
        arg!(SeCaptureSubjectContext: context);
        nt_se::se_capture_subject_context(context)
    }

    /// Gives the tokens back.
    pub fn SeReleaseSubjectContext(context: *mut SECURITY_SUBJECT_CONTEXT) -> () [irql <= PASSIVE_LEVEL] {
        arg!(SeReleaseSubjectContext: context);
        nt_se::se_release_subject_context(context)
    }

    /// Keeps the tokens as they are.
    pub fn SeLockSubjectContext(context: *mut SECURITY_SUBJECT_CONTEXT) -> () [irql <= APC_LEVEL] {
        arg!(SeLockSubjectContext: context);
        subject(context).map(|_| ())
    }

    /// Lets them change.
    pub fn SeUnlockSubjectContext(context: *mut SECURITY_SUBJECT_CONTEXT) -> () [irql <= APC_LEVEL] {
        arg!(SeUnlockSubjectContext: context);
        subject(context).map(|_| ())
    }

    /// Whether a descriptor grants what is asked for.
    pub fn SeAccessCheck(descriptor: usize, context: *mut SECURITY_SUBJECT_CONTEXT, _locked: u8, desired: u32, before: u32, privileges: *mut usize, generic: *mut GENERIC_MAPPING, mode: u8, granted: *mut u32, status: *mut NtStatus) -> bool [irql <= PASSIVE_LEVEL] {
        arg!(SeAccessCheck: context, generic);
        if !privileges.is_null() {
            store(privileges, 0, "SeAccessCheck", "Privileges")?;
        }
        let bytes = match descriptor {
            // From user mode an object without a descriptor grants nothing: whoever calls must have one.
            0 if mode != 0 => {
                store(granted, 0, "SeAccessCheck", "GrantedAccess")?;
                store(status, NtStatus::ACCESS_DENIED, "SeAccessCheck", "AccessStatus")?;
                return Ok(false);
            }
            0 => None,
            address => match nt_se::capture::descriptor(address).map_err(fault)? {
                Some(parts) => Some(parts.write()),
                None => {
                    store(status, NtStatus::INVALID_SECURITY_DESCR, "SeAccessCheck", "AccessStatus")?;
                    return Ok(false);
                }
            },
        };
        let checked = nt_se::se_access_check(bytes.as_deref(), &subject(context)?, desired, before, &mapping(generic), mode);
        store(granted, checked.unwrap_or(0), "SeAccessCheck", "GrantedAccess")?;
        store(status, checked.err().unwrap_or(NtStatus::SUCCESS), "SeAccessCheck", "AccessStatus")?;
        Ok(checked.is_ok())
    }

    /// Whether a subject holds privileges; marks those that counted.
    pub fn SePrivilegeCheck(set: *mut PRIVILEGE_SET, context: *mut SECURITY_SUBJECT_CONTEXT, mode: u8) -> bool [irql <= PASSIVE_LEVEL] {
        arg!(SePrivilegeCheck: set, context);
        if mode == 0 {
            return Ok(true);
        }
        let token = subject(context)?;
        let first = set.Privilege.as_ptr().cast_mut();
        let mut held = 0;
        for index in 0..set.PrivilegeCount.get() as usize {
            let privilege: &LUID_AND_ATTRIBUTES = required(first.wrapping_add(index), "SePrivilegeCheck", "Privilege[]")?;
            let luid = privilege.Luid.LowPart.get();
            if luid < 64 && token.enabled >> luid & 1 != 0 {
                privilege.Attributes.set(privilege.Attributes.get() | USED);
                held += 1;
            }
        }
        Ok(if set.Control.get() & ALL_NECESSARY != 0 { held == set.PrivilegeCount.get() } else { held > 0 })
    }

    /// Whether the current thread holds a privilege.
    pub fn SeSinglePrivilegeCheck(luid: u64, mode: u8) -> bool [irql <= PASSIVE_LEVEL] {
        let low = u32::try_from(luid).unwrap_or(u32::MAX);
        nt_se::se_single_privilege_check(low, mode)
    }

    /// Whether a token's user is an administrator.
    pub fn SeTokenIsAdmin(token: usize) -> bool [irql <= PASSIVE_LEVEL] { nt_se::se_token_is_admin(token) }

    /// Whether a token is restricted.
    pub fn SeTokenIsRestricted(token: usize) -> bool [irql <= DISPATCH_LEVEL] { nt_se::se_token_description(token).map(|_| false) }

    /// Primary 1 or impersonation 2.
    pub fn SeTokenType(token: usize) -> u32 [irql <= DISPATCH_LEVEL] { nt_se::se_token_type(token) }

    /// How far an impersonation goes.
    pub fn SeTokenImpersonationLevel(token: usize) -> i32 [irql <= DISPATCH_LEVEL] {
        Ok(match nt_se::se_token_description(token)?.kind {
            TokenKind::Impersonation(level) => level,
            TokenKind::Primary => 0,
        })
    }

    /// A token's logon session.
    pub fn SeQueryAuthenticationIdToken(token: usize, id: *mut u64) -> NtStatus [irql <= PASSIVE_LEVEL] {
        store(id, nt_se::se_token_description(token)?.authentication_id, "SeQueryAuthenticationIdToken", "AuthenticationId")?;
        Ok(NtStatus::SUCCESS)
    }

    /// A token's terminal session.
    pub fn SeQuerySessionIdToken(token: usize, session: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        store(session, nt_se::se_token_description(token)?.session, "SeQuerySessionIdToken", "SessionId")?;
        Ok(NtStatus::SUCCESS)
    }

    /// What a token says, in pool; session and integrity level in the place of the pointer.
    pub fn SeQueryInformationToken(token: usize, kind: u32, out: *mut usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let said = nt_se::se_token_description(token)?;
        let number = match kind {
            class::SESSION_ID => Some(said.session),
            class::INTEGRITY_LEVEL => Some(said.integrity_level()),
            _ => None,
        };
        if let Some(number) = number {
            store(out.cast::<u32>(), number, "SeQueryInformationToken", "TokenInformation")?;
            return Ok(NtStatus::SUCCESS);
        }
        let length = match said.information(token, kind, 0) {
            Ok(bytes) => bytes.len(),
            Err(status) => return Ok(status),
        };
        let Some(block) = nt_ex::pool::allocate(nt_ex::pool::PoolKind::Paged, length, TAG, true) else {
            return Ok(NtStatus::INSUFFICIENT_RESOURCES);
        };
        let base = block.as_ptr() as usize;
        let bytes = said.information(token, kind, base).unwrap_or_default();
        boundary::copy::write(base, &bytes).map_err(fault)?;
        store(out, base, "SeQueryInformationToken", "TokenInformation")?;
        Ok(NtStatus::SUCCESS)
    }

    /// Whether a self-relative descriptor lies within its length.
    pub fn SeValidSecurityDescriptor(length: u32, address: usize) -> bool [irql <= PASSIVE_LEVEL] {
        let mut bytes = vec![0; length as usize];
        boundary::copy::read(address, &mut bytes).map_err(fault)?;
        Ok(nt_se::descriptor_length(&bytes).is_some())
    }
}
