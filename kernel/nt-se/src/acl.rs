//! Access control lists as bytes: `ACL` and the entries behind it.
//!
//! A list is as long as its `AclSize`; what is behind its last entry is free room.

use std::ops::Range;

use nt_abi::NtStatus;

use crate::sid::Sid;

/// Bytes of the head of a list.
pub const HEAD: usize = 8;
/// ACL_REVISION and ACL_REVISION_DS.
const REVISIONS: Range<u8> = 2..5;

fn word(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..at + 2).map_or(0, |pair| usize::from(u16::from_le_bytes([pair[0], pair[1]])))
}

/// How many entries a list has.
pub fn count(acl: &[u8]) -> usize {
    word(acl, 4)
}

/// An empty list of `length` bytes.
///
/// Source:  RtlCreateAcl
/// Errors:  BufferTooSmall · InvalidParameter (revision, more than 64 KiB)
pub fn create(length: u32, revision: u32) -> Result<Vec<u8>, NtStatus> {
    if (length as usize) < HEAD {
        return Err(NtStatus::BUFFER_TOO_SMALL);
    }
    let known = u8::try_from(revision).is_ok_and(|revision| REVISIONS.contains(&revision));
    if !known || length > 0xFFFF {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    let size = (length as u16 & !3).to_le_bytes();
    Ok(vec![revision as u8, 0, size[0], size[1], 0, 0, 0, 0])
}

/// Where each entry lies. `None` when one leaves the list.
pub fn entries(acl: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut at = HEAD;
    let mut entries = Vec::new();
    for _ in 0..count(acl) {
        let size = word(acl.get(at..at + 4)?, 2);
        if size < 4 || at + size > word(acl, 2) || at + size > acl.len() {
            return None;
        }
        entries.push(at..at + size);
        at += size;
    }
    Some(entries)
}

/// Whether a list is well-formed. Source: RtlValidAcl
pub fn is_valid(acl: &[u8]) -> bool {
    acl.len() >= HEAD
        && REVISIONS.contains(&acl[0])
        && word(acl, 2) >= HEAD
        && word(acl, 2).is_multiple_of(4)
        && entries(acl).is_some()
}

/// Where the free room begins; `None` when there is none, or the list is malformed. Source: RtlFirstFreeAce
pub fn first_free(acl: &[u8]) -> Option<usize> {
    let end = entries(acl)?.last().map_or(HEAD, |last| last.end);
    (end <= word(acl, 2)).then_some(end)
}

/// Puts entries, whole ones one behind the other, before entry `index` (or last).
///
/// Source:  RtlAddAce
/// Errors:  InvalidParameter · InvalidAcl · BufferTooSmall: no room left
pub fn insert(acl: &mut Vec<u8>, revision: u8, index: u32, new: &[u8]) -> Result<(), NtStatus> {
    if !is_valid(acl) {
        return Err(NtStatus::INVALID_ACL);
    }
    let (mut added, mut at) = (0usize, 0);
    while at < new.len() {
        let size = word(new, at + 2);
        if size < 4 || at + size > new.len() {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        added += 1;
        at += size;
    }
    let end = first_free(acl).ok_or(NtStatus::INVALID_ACL)?;
    if end + new.len() > word(acl, 2) {
        return Err(NtStatus::BUFFER_TOO_SMALL);
    }
    let place = entries(acl).and_then(|all| all.get(index as usize).map(|entry| entry.start)).unwrap_or(end);
    acl.truncate(end);
    acl.splice(place..place, new.iter().copied());
    let total = (count(acl) + added) as u16;
    acl[4..6].copy_from_slice(&total.to_le_bytes());
    acl[0] = acl[0].max(revision);
    Ok(())
}

/// Adds an entry that allows (kind 0) or denies (1) `mask` to `sid`.
///
/// Source:  RtlAddAccessAllowedAce, RtlAddAccessAllowedAceEx, RtlAddAccessDeniedAce
/// Errors:  AllottedSpaceExceeded · InvalidAcl · RevisionMismatch
pub fn add(
    acl: &mut Vec<u8>,
    revision: u32,
    (kind, flags): (u8, u8),
    mask: u32,
    sid: &Sid,
) -> Result<(), NtStatus> {
    let Some(revision) = u8::try_from(revision).ok().filter(|revision| REVISIONS.contains(revision)) else {
        return Err(NtStatus::REVISION_MISMATCH);
    };
    let size = (8 + sid.bytes().len()) as u16;
    let mut entry = vec![kind, flags];
    entry.extend(size.to_le_bytes());
    entry.extend(mask.to_le_bytes());
    entry.extend(sid.bytes());
    insert(acl, revision, u32::MAX, &entry).map_err(|status| {
        if status == NtStatus::BUFFER_TOO_SMALL { NtStatus::ALLOTTED_SPACE_EXCEEDED } else { status }
    })
}

/// Takes entry `index` out. What was behind it moves up. Source: RtlDeleteAce. Errors: InvalidParameter
pub fn delete(acl: &mut Vec<u8>, index: u32) -> Result<(), NtStatus> {
    let entry =
        entries(acl).and_then(|all| all.get(index as usize).cloned()).ok_or(NtStatus::INVALID_PARAMETER)?;
    acl.drain(entry);
    let total = (count(acl) - 1) as u16;
    acl[4..6].copy_from_slice(&total.to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod a_list {
    use super::*;

    #[test]
    fn grows_by_entries_until_it_is_full() {
        let mut acl = create(8 + 20 + 24 + 3, 2).unwrap();
        add(&mut acl, 2, (0, 0), 1, &Sid::everyone()).unwrap();
        add(&mut acl, 2, (1, 3), 2, &Sid::administrators()).unwrap();
        let third = add(&mut acl, 2, (0, 0), 4, &Sid::everyone());
        assert_eq!(third, Err(NtStatus::ALLOTTED_SPACE_EXCEEDED));
        assert!(is_valid(&acl) && count(&acl) == 2);
        let places = entries(&acl).unwrap();
        assert_eq!(places, [8..28, 28..52]);
        assert_eq!((acl[28], acl[29], acl[32]), (1, 3, 2));
        assert_eq!(first_free(&acl), Some(52));
        delete(&mut acl, 0).unwrap();
        assert_eq!((count(&acl), acl[8]), (1, 1), "the second moved up");
        assert_eq!(delete(&mut acl, 1), Err(NtStatus::INVALID_PARAMETER));
    }

    #[test]
    fn takes_an_entry_before_another() {
        let mut acl = create(200, 2).unwrap();
        for mask in [1, 2] {
            add(&mut acl, 2, (0, 0), mask, &Sid::everyone()).unwrap();
        }
        let first = acl[8..28].to_vec();
        insert(&mut acl, 2, 1, &first).unwrap();
        let masks: Vec<u8> = entries(&acl).unwrap().into_iter().map(|entry| acl[entry.start + 4]).collect();
        assert_eq!(masks, [1, 1, 2]);
        assert_eq!(insert(&mut acl, 2, 0, &[0, 0, 99, 0]), Err(NtStatus::INVALID_PARAMETER));
    }

    #[test]
    fn that_is_malformed_is_refused() {
        assert_eq!(create(7, 2), Err(NtStatus::BUFFER_TOO_SMALL));
        assert_eq!(create(8, 9), Err(NtStatus::INVALID_PARAMETER));
        assert!(!is_valid(&[2, 0, 8, 0, 1, 0, 0, 0]), "it counts an entry that it has no room for");
        assert!(!is_valid(&[1, 0, 8, 0, 0, 0, 0, 0]));
        assert!(is_valid(&[2, 0, 8, 0, 0, 0, 0, 0]));
    }
}
