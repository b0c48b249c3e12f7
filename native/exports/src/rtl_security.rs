//! Rtl: security identifiers, access control lists and security descriptors in a driver's memory.

use boundary::{Raise, copy, export};
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL};
use nt_abi::{GENERIC_MAPPING, NtStatus, SECURITY_DESCRIPTOR, UNICODE_STRING};
use nt_rtl::UnicodeStr;
use nt_se::{Sid, acl, capture};

use crate::argument::{arg, fault, load, rows, status, store};

rows! { "ntoskrnl.exe", "nt-se";
    RtlLengthSid done "";
    RtlLengthRequiredSid done "";
    RtlValidSid done "";
    RtlCopySid done "";
    RtlEqualSid done "";
    RtlInitializeSid done "";
    RtlSubAuthoritySid done "";
    RtlSubAuthorityCountSid done "";
    RtlConvertSidToUnicodeString done "";
    RtlCreateAcl done "";
    RtlValidAcl done "";
    RtlAddAce done "";
    RtlAddAccessAllowedAce done "";
    RtlAddAccessAllowedAceEx done "";
    RtlAddAccessDeniedAce done "";
    RtlDeleteAce done "";
    RtlGetAce done "";
    RtlFirstFreeAce done "";
    RtlCreateSecurityDescriptor done "";
    RtlValidSecurityDescriptor done "";
    RtlValidRelativeSecurityDescriptor done "";
    RtlLengthSecurityDescriptor done "";
    RtlSetDaclSecurityDescriptor done "";
    RtlSetSaclSecurityDescriptor done "";
    RtlSetOwnerSecurityDescriptor done "";
    RtlSetGroupSecurityDescriptor done "";
    RtlGetDaclSecurityDescriptor done "";
    RtlGetSaclSecurityDescriptor done "";
    RtlGetOwnerSecurityDescriptor done "";
    RtlGetGroupSecurityDescriptor done "";
    RtlAbsoluteToSelfRelativeSD done "";
    RtlMapGenericMask done "";
    RtlAreAllAccessesGranted done "";
    RtlAreAnyAccessesGranted done "";
}

/// SE_OWNER_DEFAULTED, SE_GROUP_DEFAULTED, SE_DACL_PRESENT and …DEFAULTED, SE_SACL_PRESENT and …DEFAULTED.
const OWNER_DEFAULTED: u16 = 1;
const GROUP_DEFAULTED: u16 = 2;
const DACL: (u16, u16) = (4, 8);
const SACL: (u16, u16) = (0x10, 0x20);
const SELF_RELATIVE: u16 = 0x8000;

fn sid(address: usize, export: &str) -> Result<Sid, Raise> {
    match capture::sid(address).map_err(fault)? {
        Some(sid) => Ok(sid),
        None => Err(crate::argument::wrong(export, "Sid", address as u64, "which is no valid SID")),
    }
}

fn list(address: usize) -> Result<Vec<u8>, Raise> {
    Ok(capture::acl(address).map_err(fault)?.unwrap_or_default())
}

/// Changes the list at an address: what `f` leaves of it is written back.
fn change(address: usize, f: impl FnOnce(&mut Vec<u8>) -> Result<(), NtStatus>) -> Result<NtStatus, Raise> {
    let mut bytes = list(address)?;
    let done = f(&mut bytes);
    if done.is_ok() {
        copy::write(address, &bytes).map_err(fault)?;
    }
    Ok(status(done))
}

fn grant(address: usize, revision: u32, how: (u8, u8), mask: u32, who: usize) -> Result<NtStatus, Raise> {
    match capture::sid(who).map_err(fault)? {
        Some(who) => change(address, |acl| acl::add(acl, revision, how, mask, &who)),
        None => Ok(NtStatus::INVALID_SID),
    }
}

/// Sets or clears bits of an absolute descriptor's control word.
fn mark(descriptor: &SECURITY_DESCRIPTOR, bits: u16, on: bool) {
    let control = descriptor.Control.get();
    descriptor.Control.set(if on { control | bits } else { control & !bits });
}

/// Why a descriptor's parts cannot be set: another revision, or a self-relative one.
fn refusal(descriptor: &SECURITY_DESCRIPTOR) -> Option<NtStatus> {
    if descriptor.Revision.get() != 1 {
        Some(NtStatus::UNKNOWN_REVISION)
    } else if descriptor.Control.get() & SELF_RELATIVE != 0 {
        Some(NtStatus::INVALID_SECURITY_DESCR)
    } else {
        None
    }
}

fn get_list(
    address: usize,
    (index, bits): (usize, (u16, u16)),
    present: *mut u8,
    out: *mut usize,
    defaulted: *mut u8,
) -> Result<NtStatus, Raise> {
    if copy::read_value::<u8>(address).map_err(fault)? != 1 {
        return Ok(NtStatus::UNKNOWN_REVISION);
    }
    let (control, places) = capture::places(address).map_err(fault)?;
    store(present, u8::from(control & bits.0 != 0), "RtlGetDaclSecurityDescriptor", "DaclPresent")?;
    if control & bits.0 != 0 {
        store(out, places[index], "RtlGetDaclSecurityDescriptor", "Dacl")?;
        store(defaulted, u8::from(control & bits.1 != 0), "RtlGetDaclSecurityDescriptor", "DaclDefaulted")?;
    }
    Ok(NtStatus::SUCCESS)
}

fn get_sid(
    address: usize,
    (index, bit): (usize, u16),
    out: *mut usize,
    defaulted: *mut u8,
) -> Result<NtStatus, Raise> {
    if copy::read_value::<u8>(address).map_err(fault)? != 1 {
        return Ok(NtStatus::UNKNOWN_REVISION);
    }
    let (control, places) = capture::places(address).map_err(fault)?;
    store(out, places[index], "RtlGetOwnerSecurityDescriptor", "Owner")?;
    store(defaulted, u8::from(control & bit != 0), "RtlGetOwnerSecurityDescriptor", "OwnerDefaulted")?;
    Ok(NtStatus::SUCCESS)
}

export! {
    /// Bytes of an identifier.
    pub fn RtlLengthSid(address: usize) -> u32 [irql <= PASSIVE_LEVEL] {
        Ok(8 + 4 * u32::from(copy::read_value::<u8>(address + 1).map_err(fault)?))
    }

    /// Bytes of an identifier with so many sub-authorities.
    pub fn RtlLengthRequiredSid(count: u32) -> u32 [irql <= PASSIVE_LEVEL] { Ok(8 + 4 * count) }

    /// Whether an identifier is well-formed.
    pub fn RtlValidSid(address: usize) -> bool [irql <= PASSIVE_LEVEL] { Ok(capture::sid(address).map_err(fault)?.is_some()) }

    /// Copies an identifier.
    pub fn RtlCopySid(room: u32, to: usize, from: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let from = sid(from, "RtlCopySid")?;
        if (room as usize) < from.bytes().len() {
            return Ok(NtStatus::BUFFER_TOO_SMALL);
        }
        copy::write(to, from.bytes()).map_err(fault)?;
        Ok(NtStatus::SUCCESS)
    }

    /// Whether two identifiers are the same.
    pub fn RtlEqualSid(first: usize, second: usize) -> bool [irql <= PASSIVE_LEVEL] {
        Ok(sid(first, "RtlEqualSid")? == sid(second, "RtlEqualSid")?)
    }

    /// Prepares an identifier; its sub-authorities are set afterwards.
    pub fn RtlInitializeSid(address: usize, authority: *mut [u8; 6], count: u8) -> NtStatus [irql <= DISPATCH_LEVEL] {
        if count > 15 {
            return Ok(NtStatus::INVALID_PARAMETER);
        }
        let mut head = vec![1, count];
        head.extend(load(authority, "RtlInitializeSid", "IdentifierAuthority")?);
        copy::write(address, &head).map_err(fault)?;
        Ok(NtStatus::SUCCESS)
    }

    /// Where a sub-authority lies.
    pub fn RtlSubAuthoritySid(address: usize, index: u32) -> usize [irql <= DISPATCH_LEVEL] { Ok(address + 8 + 4 * index as usize) }

    /// Where the number of sub-authorities lies.
    pub fn RtlSubAuthorityCountSid(address: usize) -> usize [irql <= DISPATCH_LEVEL] { Ok(address + 1) }

    /// Text of an identifier.
    pub fn RtlConvertSidToUnicodeString(text: *mut UNICODE_STRING, address: usize, allocate: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlConvertSidToUnicodeString: text);
        let Some(found) = capture::sid(address).map_err(fault)? else { return Ok(NtStatus::INVALID_SID) };
        let spelled: Vec<u16> = found.to_string().encode_utf16().collect();
        Ok(status(UnicodeStr(text).fill(&spelled, allocate != 0)))
    }

    /// Prepares an empty list.
    pub fn RtlCreateAcl(address: usize, length: u32, revision: u32) -> NtStatus [irql <= APC_LEVEL] {
        match acl::create(length, revision) {
            Ok(head) => {
                copy::write(address, &head).map_err(fault)?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Whether a list is well-formed.
    pub fn RtlValidAcl(address: usize) -> bool [irql <= APC_LEVEL] { Ok(acl::is_valid(&list(address)?)) }

    /// Adds entries.
    pub fn RtlAddAce(address: usize, revision: u32, index: u32, entries: usize, length: u32) -> NtStatus [irql <= APC_LEVEL] {
        let mut new = vec![0; length as usize];
        copy::read(entries, &mut new).map_err(fault)?;
        change(address, |acl| acl::insert(acl, revision as u8, index, &new))
    }

    /// Adds an entry that allows.
    pub fn RtlAddAccessAllowedAce(address: usize, revision: u32, mask: u32, who: usize) -> NtStatus [irql <= APC_LEVEL] { grant(address, revision, (0, 0), mask, who) }

    /// Adds an entry that allows, with flags.
    pub fn RtlAddAccessAllowedAceEx(address: usize, revision: u32, flags: u32, mask: u32, who: usize) -> NtStatus [irql <= APC_LEVEL] { grant(address, revision, (0, flags as u8), mask, who) }

    /// Adds an entry that denies.
    pub fn RtlAddAccessDeniedAce(address: usize, revision: u32, mask: u32, who: usize) -> NtStatus [irql <= APC_LEVEL] { grant(address, revision, (1, 0), mask, who) }

    /// Takes an entry out.
    pub fn RtlDeleteAce(address: usize, index: u32) -> NtStatus [irql <= APC_LEVEL] { change(address, |acl| acl::delete(acl, index)) }

    /// Where an entry lies.
    pub fn RtlGetAce(address: usize, index: u32, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        match acl::entries(&list(address)?).and_then(|all| all.get(index as usize).cloned()) {
            Some(entry) => {
                store(out, address + entry.start, "RtlGetAce", "Ace")?;
                Ok(NtStatus::SUCCESS)
            }
            None => Ok(NtStatus::INVALID_PARAMETER),
        }
    }

    /// Where the free room of a list begins.
    pub fn RtlFirstFreeAce(address: usize, out: *mut usize) -> bool [irql <= APC_LEVEL] {
        let bytes = list(address)?;
        let free = acl::first_free(&bytes);
        store(out, free.filter(|at| *at < bytes.len()).map_or(0, |at| address + at), "RtlFirstFreeAce", "FirstFree")?;
        Ok(free.is_some())
    }

    /// Prepares an absolute descriptor.
    pub fn RtlCreateSecurityDescriptor(address: usize, revision: u32) -> NtStatus [irql <= APC_LEVEL] {
        if revision != 1 {
            return Ok(NtStatus::UNKNOWN_REVISION);
        }
        let mut head = [0u8; 0x28];
        head[0] = 1;
        copy::write(address, &head).map_err(fault)?;
        Ok(NtStatus::SUCCESS)
    }

    /// Whether a descriptor is well-formed.
    pub fn RtlValidSecurityDescriptor(address: usize) -> bool [irql <= APC_LEVEL] { Ok(capture::descriptor(address).map_err(fault)?.is_some()) }

    /// Whether a self-relative descriptor is well-formed, lies within its length, and has the parts that must be there.
    pub fn RtlValidRelativeSecurityDescriptor(address: usize, length: u32, required: u32) -> bool [irql <= APC_LEVEL] {
        let mut bytes = vec![0; length as usize];
        copy::read(address, &mut bytes).map_err(fault)?;
        let Some(parts) = nt_se::descriptor::Parts::read(&bytes) else { return Ok(false) };
        Ok((required & 1 == 0 || parts.owner.is_some())
            && (required & 2 == 0 || parts.group.is_some())
            && (required & 4 == 0 || parts.dacl.is_some())
            && (required & 8 == 0 || parts.sacl.is_some()))
    }

    /// Bytes of a descriptor and its parts.
    pub fn RtlLengthSecurityDescriptor(address: usize) -> u32 [irql <= APC_LEVEL] {
        let (control, [owner, group, sacl, dacl]) = capture::places(address).map_err(fault)?;
        let mut length = if control & SELF_RELATIVE != 0 { 0x14 } else { 0x28 };
        for place in [owner, group] {
            if place != 0 {
                length += 8 + 4 * u32::from(copy::read_value::<u8>(place + 1).map_err(fault)?);
            }
        }
        for place in [sacl, dacl] {
            if place != 0 {
                length += u32::from(copy::read_value::<u16>(place + 2).map_err(fault)?).next_multiple_of(4);
            }
        }
        Ok(length)
    }

    /// Sets the discretionary list.
    pub fn RtlSetDaclSecurityDescriptor(descriptor: *mut SECURITY_DESCRIPTOR, present: u8, list: usize, defaulted: u8) -> NtStatus [irql <= APC_LEVEL] {
        arg!(RtlSetDaclSecurityDescriptor: descriptor);
        if let Some(status) = refusal(descriptor) {
            return Ok(status);
        }
        mark(descriptor, DACL.0, present != 0);
        if present != 0 {
            descriptor.Dacl.set(list as *mut _);
            mark(descriptor, DACL.1, defaulted != 0);
        }
        Ok(NtStatus::SUCCESS)
    }

    /// Sets the system list.
    pub fn RtlSetSaclSecurityDescriptor(descriptor: *mut SECURITY_DESCRIPTOR, present: u8, list: usize, defaulted: u8) -> NtStatus [irql <= APC_LEVEL] {
        arg!(RtlSetSaclSecurityDescriptor: descriptor);
        if let Some(status) = refusal(descriptor) {
            return Ok(status);
        }
        mark(descriptor, SACL.0, present != 0);
        if present != 0 {
            descriptor.Sacl.set(list as *mut _);
            mark(descriptor, SACL.1, defaulted != 0);
        }
        Ok(NtStatus::SUCCESS)
    }

    /// Sets the owner.
    pub fn RtlSetOwnerSecurityDescriptor(descriptor: *mut SECURITY_DESCRIPTOR, owner: usize, defaulted: u8) -> NtStatus [irql <= APC_LEVEL] {
        arg!(RtlSetOwnerSecurityDescriptor: descriptor);
        if let Some(status) = refusal(descriptor) {
            return Ok(status);
        }
        descriptor.Owner.set(owner as *mut _);
        mark(descriptor, OWNER_DEFAULTED, defaulted != 0);
        Ok(NtStatus::SUCCESS)
    }

    /// Sets the group.
    pub fn RtlSetGroupSecurityDescriptor(descriptor: *mut SECURITY_DESCRIPTOR, group: usize, defaulted: u8) -> NtStatus [irql <= APC_LEVEL] {
        arg!(RtlSetGroupSecurityDescriptor: descriptor);
        if let Some(status) = refusal(descriptor) {
            return Ok(status);
        }
        descriptor.Group.set(group as *mut _);
        mark(descriptor, GROUP_DEFAULTED, defaulted != 0);
        Ok(NtStatus::SUCCESS)
    }

    /// The discretionary list.
    pub fn RtlGetDaclSecurityDescriptor(address: usize, present: *mut u8, out: *mut usize, defaulted: *mut u8) -> NtStatus [irql <= APC_LEVEL] { get_list(address, (3, DACL), present, out, defaulted) }

    /// The system list.
    pub fn RtlGetSaclSecurityDescriptor(address: usize, present: *mut u8, out: *mut usize, defaulted: *mut u8) -> NtStatus [irql <= APC_LEVEL] { get_list(address, (2, SACL), present, out, defaulted) }

    /// The owner.
    pub fn RtlGetOwnerSecurityDescriptor(address: usize, out: *mut usize, defaulted: *mut u8) -> NtStatus [irql <= APC_LEVEL] { get_sid(address, (0, OWNER_DEFAULTED), out, defaulted) }

    /// The group.
    pub fn RtlGetGroupSecurityDescriptor(address: usize, out: *mut usize, defaulted: *mut u8) -> NtStatus [irql <= APC_LEVEL] { get_sid(address, (1, GROUP_DEFAULTED), out, defaulted) }

    /// A self-relative copy.
    pub fn RtlAbsoluteToSelfRelativeSD(from: usize, to: usize, length: *mut u32) -> NtStatus [irql <= APC_LEVEL] {
        if copy::read_value::<u16>(from + 2).map_err(fault)? & SELF_RELATIVE != 0 {
            return Ok(NtStatus::BAD_DESCRIPTOR_FORMAT);
        }
        let Some(parts) = capture::descriptor(from).map_err(fault)? else { return Ok(NtStatus::INVALID_SECURITY_DESCR) };
        let bytes = parts.write();
        let room = load(length, "RtlAbsoluteToSelfRelativeSD", "BufferLength")?;
        store(length, bytes.len() as u32, "RtlAbsoluteToSelfRelativeSD", "BufferLength")?;
        if (room as usize) < bytes.len() {
            return Ok(NtStatus::BUFFER_TOO_SMALL);
        }
        copy::write(to, &bytes).map_err(fault)?;
        Ok(NtStatus::SUCCESS)
    }

    /// Replaces generic rights.
    pub fn RtlMapGenericMask(mask: *mut u32, generic: *mut GENERIC_MAPPING) -> () [irql <= DISPATCH_LEVEL] {
        arg!(RtlMapGenericMask: generic);
        let mapped = crate::se::mapping(generic).map(load(mask, "RtlMapGenericMask", "AccessMask")?);
        store(mask, mapped, "RtlMapGenericMask", "AccessMask")
    }

    /// Whether all that is desired is granted.
    pub fn RtlAreAllAccessesGranted(granted: u32, desired: u32) -> bool [irql <= DISPATCH_LEVEL] { Ok(desired & !granted == 0) }

    /// Whether something that is desired is granted.
    pub fn RtlAreAnyAccessesGranted(granted: u32, desired: u32) -> bool [irql <= DISPATCH_LEVEL] { Ok(desired & granted != 0) }
}
