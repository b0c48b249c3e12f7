//! Access checks and privileges.

use boundary::Raise;
use nt_abi::{MAXIMUM_ALLOWED, NtStatus};
use nt_ob::Mapping;

use crate::descriptor::Parts;
use crate::sid::Sid;
use crate::token::{TokenDescription, se_current_token, se_token_description};

/// READ_CONTROL and WRITE_DAC, which owners always have.
const OWNER_RIGHTS: u32 = 0x6_0000;
/// ACCESS_SYSTEM_SECURITY, which takes SeSecurityPrivilege.
const SYSTEM_SECURITY: u32 = 0x100_0000;
/// WRITE_OWNER, which SeTakeOwnershipPrivilege gives.
const WRITE_OWNER: u32 = 0x8_0000;
const SECURITY_PRIVILEGE: u32 = 8;
const TAKE_OWNERSHIP_PRIVILEGE: u32 = 9;
const ALLOWED: u8 = 0;
const DENIED: u8 = 1;
const INHERIT_ONLY: u8 = 8;

fn applies(token: &TokenDescription, sid: &Sid) -> bool {
    token.user == *sid || token.groups.contains(sid)
}

fn has(token: &TokenDescription, privilege: u32) -> bool {
    privilege < 64 && token.enabled >> privilege & 1 != 0
}

/// What `token` is granted of `desired` by `descriptor`, besides `previously_granted`.
///
/// Source:  SeAccessCheck
/// Returns: all granted access, generic rights mapped
/// Errors:  AccessDenied · PrivilegeNotHeld (ACCESS_SYSTEM_SECURITY without the privilege) ·
///          InvalidSecurityDescr
pub fn se_access_check(
    descriptor: Option<&[u8]>,
    token: &TokenDescription,
    desired: u32,
    previously_granted: u32,
    mapping: &Mapping,
    mode: u8,
) -> Result<u32, NtStatus> {
    let mut desired = mapping.map(desired);
    let maximum = desired & MAXIMUM_ALLOWED != 0;
    desired &= !MAXIMUM_ALLOWED;
    if mode == 0 {
        return Ok(previously_granted | desired | if maximum { mapping.all } else { 0 });
    }
    let mut granted = previously_granted;
    if desired & SYSTEM_SECURITY & !granted != 0 {
        if !has(token, SECURITY_PRIVILEGE) {
            return Err(NtStatus::PRIVILEGE_NOT_HELD);
        }
        granted |= SYSTEM_SECURITY;
    }
    if desired & WRITE_OWNER != 0 && has(token, TAKE_OWNERSHIP_PRIVILEGE) {
        granted |= WRITE_OWNER;
    }
    let parts = match descriptor {
        Some(bytes) => Some(Parts::read(bytes).ok_or(NtStatus::INVALID_SECURITY_DESCR)?),
        None => None,
    };
    let Some(entries) = parts.as_ref().and_then(Parts::entries) else {
        return Ok(granted | desired | if maximum { mapping.all } else { 0 });
    };
    if parts.as_ref().and_then(|parts| parts.owner.as_ref()).is_some_and(|owner| applies(token, owner)) {
        granted |= OWNER_RIGHTS & if maximum { u32::MAX } else { desired };
    }
    let mut denied = 0;
    for (kind, flags, mask, sid) in entries {
        if flags & INHERIT_ONLY != 0 || !applies(token, &sid) {
            continue;
        }
        let mask = mapping.map(mask);
        match kind {
            ALLOWED => granted |= mask & !denied & if maximum { u32::MAX } else { desired },
            DENIED => denied |= mask & !granted,
            _ => {}
        }
    }
    if desired & !granted != 0 || (maximum && granted == 0) {
        Err(NtStatus::ACCESS_DENIED)
    } else {
        Ok(granted)
    }
}

/// Whether the current thread may use privilege `luid` (low part). Kernel mode always may.
///
/// Source: SeSinglePrivilegeCheck
pub fn se_single_privilege_check(luid: u32, mode: u8) -> Result<bool, Raise> {
    se_privilege_check(&[luid], true, mode)
}

/// Whether the current thread holds all (or any) of `privileges`, enabled. Source: SePrivilegeCheck
pub fn se_privilege_check(privileges: &[u32], all: bool, mode: u8) -> Result<bool, Raise> {
    if mode == 0 {
        return Ok(true);
    }
    let token = se_token_description(se_current_token()?.address())?;
    let mut held = privileges.iter().map(|privilege| has(&token, *privilege));
    Ok(if all { held.all(|held| held) } else { held.any(|held| held) })
}
