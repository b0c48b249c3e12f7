//! The object manager as the I/O manager uses it, and counted strings inside objects.

use nt_abi::{NtStatus, OBJ_CASE_INSENSITIVE, OBJ_PERMANENT, UNICODE_STRING};
use nt_ke::Raise;
use nt_ob::{ObjectAttributes, ObjectType};

use crate::memory;

pub(crate) fn create(kind: &'static ObjectType, bytes: usize) -> Result<usize, NtStatus> {
    nt_ob::ob_create_object(kind, bytes)
}

/// Enters a permanent name.
pub(crate) fn insert_named(object: usize, name: &[u16]) -> Result<Result<(), NtStatus>, Raise> {
    let attributes = ObjectAttributes::named(name, OBJ_CASE_INSENSITIVE | OBJ_PERMANENT);
    Ok(nt_ob::ob_insert_named(object, &attributes, 0)?.map(|_| ()))
}

pub(crate) fn make_temporary(object: usize) -> Result<(), Raise> {
    nt_ob::ob_make_temporary(object)
}

pub(crate) fn reference(object: usize) -> Result<(), Raise> {
    nt_ob::ob_reference(object)
}

pub(crate) fn dereference(object: usize) -> Result<(), Raise> {
    nt_ob::ob_dereference(object)
}

pub(crate) fn create_link(name: &[u16], target: &[u16]) -> Result<Result<(), NtStatus>, Raise> {
    nt_ob::ob_create_symbolic_link(name, target)
}

/// Gives `string` a pool buffer with a copy of `text`. An empty text needs none. `false`: no memory.
pub(crate) fn set_string(string: &UNICODE_STRING, text: &[u16], tag: u32) -> bool {
    let bytes = text.len() * 2;
    if bytes == 0 {
        string.Length.set(0);
        string.MaximumLength.set(0);
        string.Buffer.set(std::ptr::null_mut());
        return true;
    }
    let Ok(length) = u16::try_from(bytes) else { return false };
    let capacity = length.saturating_add(2);
    let Some(block) = memory::copy_units(text, capacity as usize, tag) else { return false };
    string.Length.set(length);
    string.MaximumLength.set(capacity);
    string.Buffer.set(block as *mut u16);
    true
}

/// Frees what `set_string` (or a driver in its place) allocated.
pub(crate) fn free_string(string: &UNICODE_STRING, _tag: u32) -> Result<(), Raise> {
    string.Length.set(0);
    string.MaximumLength.set(0);
    memory::free_any(string.Buffer.replace(std::ptr::null_mut()) as usize)
}

/// The text of a counted string; empty when its buffer cannot be read.
pub(crate) fn string(string: &UNICODE_STRING) -> Vec<u16> {
    memory::read_units(string.Buffer.get() as usize, string.Length.get() as usize).unwrap_or_default()
}
