//! Names of objects: comparing them, and asking an object for its own.

use boundary::{Raise, copy};
use nt_abi::NtStatus;

use crate::object::ob_object_type;
use crate::subsystem::ob;

/// `\`.
pub(crate) const BACKSLASH: u16 = b'\\' as u16;

/// The upper case of a unit, by the mapping that names in the namespace and the registry are compared with.
pub fn upcase(unit: u16) -> u16 {
    nt_rtl::upcase(unit)
}

pub(crate) fn upcased(name: &[u16]) -> Vec<u16> {
    name.iter().map(|unit| upcase(*unit)).collect()
}

/// The first component of `path` and what follows it, which is empty or begins with a backslash.
///
/// A backslash in front is taken off first.
pub(crate) fn split(path: &[u16]) -> (&[u16], &[u16]) {
    let path = path.strip_prefix(&[BACKSLASH]).unwrap_or(path);
    let end = path.iter().position(|unit| *unit == BACKSLASH).unwrap_or(path.len());
    path.split_at(end)
}

/// The full name of an object; empty if it has none.
///
/// Source: ObQueryNameString. IRQL: PASSIVE_LEVEL. Errors: what the type's own procedure answers
pub fn ob_query_name(object: usize) -> Result<Result<Vec<u16>, NtStatus>, Raise> {
    let kind = ob_object_type(object)?;
    match kind.description.query_name {
        Some(procedure) => procedure(object),
        None => Ok(Ok(ob().namespace.lock().path_of(object))),
    }
}

/// Writes the full name as `OBJECT_NAME_INFORMATION` with the characters and a null behind it.
///
/// Source:  ObQueryNameString
/// Units:   bytes
/// Returns: the status, and how many bytes the answer takes
/// Errors:  InfoLengthMismatch (nothing is written); a bad buffer raises AccessViolation
pub fn ob_query_name_string(object: usize, buffer: usize, length: u32) -> Result<(NtStatus, u32), Raise> {
    let name = match ob_query_name(object)? {
        Ok(name) => name,
        Err(status) => return Ok((status, 0)),
    };
    let bytes = name.len() * 2;
    let needed = if name.is_empty() { 16 } else { 16 + bytes + 2 };
    if (length as usize) < needed {
        return Ok((NtStatus::INFO_LENGTH_MISMATCH, needed as u32));
    }
    let mut answer = vec![0u8; needed];
    if !name.is_empty() {
        answer[0..2].copy_from_slice(&(bytes as u16).to_le_bytes());
        answer[2..4].copy_from_slice(&(bytes as u16 + 2).to_le_bytes());
        answer[8..16].copy_from_slice(&(buffer as u64 + 16).to_le_bytes());
        for (to, unit) in answer[16..].chunks_exact_mut(2).zip(&name) {
            to.copy_from_slice(&unit.to_le_bytes());
        }
    }
    copy::write(buffer, &answer)?;
    Ok((NtStatus::SUCCESS, needed as u32))
}
