//! The registry services on handles, with NT's arguments and statuses.
//!
//! Buffers are addresses; a bad one raises AccessViolation. IRQL of all: PASSIVE_LEVEL.

use boundary::{Raise, copy};
use nt_abi::{KEY_ENUMERATE_SUB_KEYS, KEY_QUERY_VALUE, KEY_SET_VALUE, NtStatus};
use nt_ob::{ObjectAttributes, ObjectType, ob_open_by_name};

use crate::information::{Record, key_record, value_record};
use crate::key::{CreateKey, Disposition, KeyHandle};
use crate::subsystem::{Registry, cm};
use crate::tree::{KeyId, Value};

/// DELETE.
const DELETE: u32 = 0x1_0000;

/// The type of keys.
pub fn cm_key_type() -> &'static ObjectType {
    cm().key_type()
}

/// Opens a key.
///
/// Source:  ZwOpenKey
/// Errors:  ObjectNameNotFound · ObjectPathSyntaxBad · ObjectNameInvalid · ObjectTypeMismatch · InvalidHandle ·
///          KeyDeleted (root)
pub fn cm_open_key(
    attributes: &ObjectAttributes,
    access: u32,
    mode: u8,
) -> Result<Result<usize, NtStatus>, Raise> {
    ob_open_by_name(&ignoring_case(attributes), Some(cm().key_type()), mode, access, &mut ())
}

/// Opens a key, or makes it if only its last component is missing.
///
/// Source:  ZwCreateKey
/// Errors:  as [`cm_open_key`] · ChildMustBeVolatile
pub fn cm_create_key(
    attributes: &ObjectAttributes,
    access: u32,
    class: &[u16],
    options: u32,
    mode: u8,
) -> Result<Result<(usize, Disposition), NtStatus>, Raise> {
    let mut create = CreateKey { class: class.to_vec(), options, disposition: None };
    let kind = Some(cm().key_type());
    let opened = ob_open_by_name(&ignoring_case(attributes), kind, mode, access, &mut create)?;
    Ok(opened.map(|handle| (handle, create.disposition.unwrap_or(Disposition::Opened))))
}

/// Names of keys never distinguish case, and `\Registry` must be found whatever the caller says.
fn ignoring_case(attributes: &ObjectAttributes) -> ObjectAttributes {
    let mut attributes = attributes.clone();
    attributes.attributes |= nt_abi::OBJ_CASE_INSENSITIVE;
    attributes
}

fn with_key<R>(
    handle: usize,
    access: u32,
    mode: u8,
    f: impl FnOnce(&mut Registry, KeyId) -> Result<R, NtStatus>,
) -> Result<R, NtStatus> {
    let key = KeyHandle::reference(handle, access, mode)?;
    let mut registry = cm().registry.lock();
    f(&mut registry, key.id)
}

fn deliver(record: Result<Record, NtStatus>, buffer: usize, length: u32) -> Result<(NtStatus, u32), Raise> {
    match record {
        Ok(record) => record.deliver(buffer, length),
        Err(status) => Ok((status, 0)),
    }
}

fn outcome(result: Result<(), NtStatus>) -> NtStatus {
    result.err().unwrap_or(NtStatus::SUCCESS)
}

/// Reads a value. Returns the status and the length of the whole record.
///
/// Source:  ZwQueryValueKey
/// Errors:  ObjectNameNotFound · BufferTooSmall · BufferOverflow · InvalidParameter (class) · KeyDeleted
pub fn cm_query_value_key(
    handle: usize,
    name: &[u16],
    class: u32,
    buffer: usize,
    length: u32,
    mode: u8,
) -> Result<(NtStatus, u32), Raise> {
    let record = with_key(handle, KEY_QUERY_VALUE, mode, |registry, id| {
        value_record(registry.tree.value(id, name)?, class)
    });
    deliver(record, buffer, length)
}

/// Reads the value at an index. Source: ZwEnumerateValueKey. Errors: NoMoreEntries, and as [`cm_query_value_key`]
pub fn cm_enumerate_value_key(
    handle: usize,
    index: u32,
    class: u32,
    buffer: usize,
    length: u32,
    mode: u8,
) -> Result<(NtStatus, u32), Raise> {
    let record = with_key(handle, KEY_QUERY_VALUE, mode, |registry, id| {
        let value = registry.tree.node(id)?.values.get(index as usize);
        value_record(value.ok_or(NtStatus::NO_MORE_ENTRIES)?, class)
    });
    deliver(record, buffer, length)
}

/// Describes a key. Source: ZwQueryKey. Errors: as [`cm_query_value_key`]
pub fn cm_query_key(
    handle: usize,
    class: u32,
    buffer: usize,
    length: u32,
    mode: u8,
) -> Result<(NtStatus, u32), Raise> {
    let access = if class == nt_abi::KeyNameInformation { 0 } else { KEY_QUERY_VALUE };
    let record = with_key(handle, access, mode, |registry, id| key_record(&registry.tree, id, class));
    deliver(record, buffer, length)
}

/// Describes the subkey at an index, in order of names. Source: ZwEnumerateKey
///
/// Errors: NoMoreEntries, and as [`cm_query_value_key`]
pub fn cm_enumerate_key(
    handle: usize,
    index: u32,
    class: u32,
    buffer: usize,
    length: u32,
    mode: u8,
) -> Result<(NtStatus, u32), Raise> {
    let record = with_key(handle, KEY_ENUMERATE_SUB_KEYS, mode, |registry, id| {
        let subkey = registry.tree.node(id)?.subkeys.values().nth(index as usize).copied();
        key_record(&registry.tree, subkey.ok_or(NtStatus::NO_MORE_ENTRIES)?, class)
    });
    deliver(record, buffer, length)
}

/// Sets a value from `length` bytes at `data`. Source: ZwSetValueKey. Errors: KeyDeleted · InvalidHandle
pub fn cm_set_value_key(
    handle: usize,
    name: &[u16],
    kind: u32,
    data: usize,
    length: u32,
    mode: u8,
) -> Result<NtStatus, Raise> {
    let mut bytes = vec![0; length as usize];
    copy::read(data, &mut bytes)?;
    let now = nt_ex::time::system_time();
    let value = Value { kind, data: bytes };
    let set =
        with_key(handle, KEY_SET_VALUE, mode, |registry, id| registry.tree.set_value(id, name, value, now));
    Ok(outcome(set))
}

/// Takes a value away. Source: ZwDeleteValueKey. Errors: ObjectNameNotFound · KeyDeleted · InvalidHandle
pub fn cm_delete_value_key(handle: usize, name: &[u16], mode: u8) -> NtStatus {
    let now = nt_ex::time::system_time();
    outcome(with_key(handle, KEY_SET_VALUE, mode, |registry, id| registry.tree.delete_value(id, name, now)))
}

/// Deletes a key at once; its open handles answer KeyDeleted from then on.
///
/// Source: ZwDeleteKey. Errors: CannotDelete (it has subkeys) · KeyDeleted · InvalidHandle
pub fn cm_delete_key(handle: usize, mode: u8) -> NtStatus {
    let now = nt_ex::time::system_time();
    outcome(with_key(handle, DELETE, mode, |registry, id| registry.tree.delete(id, now)))
}

/// Writes a key to its hive: there is none, so a valid handle is all it takes. Source: ZwFlushKey
pub fn cm_flush_key(handle: usize, mode: u8) -> NtStatus {
    outcome(with_key(handle, 0, mode, |registry, id| registry.tree.node(id).map(|_| ())))
}
