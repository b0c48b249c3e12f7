//! Key objects: their type, and how a name below a key is parsed.

use boundary::Raise;
use nt_abi::{KEY_ALL_ACCESS, NtStatus, OBJ_OPENLINK, REG_OPTION_VOLATILE};
use nt_ob::{Mapping, ObjectRef, ParseRequest, Parsed, TypeDescription, ob_reference_by_handle};

use crate::subsystem::{cm, new_key};
use crate::tree::KeyId;

pub(crate) const KEY: TypeDescription = TypeDescription {
    mapping: Mapping { read: 0x2_0019, write: 0x2_0006, execute: 0x2_0019, all: KEY_ALL_ACCESS },
    valid_access: KEY_ALL_ACCESS,
    parse: Some(parse),
    delete: Some(delete),
    query_name: Some(query_name),
    ..TypeDescription::new("Key", *b"Key ")
};

/// Whether a create made the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// REG_CREATED_NEW_KEY.
    Created,
    /// REG_OPENED_EXISTING_KEY.
    Opened,
}

/// Parse context of a create.
#[derive(Clone, Debug, Default)]
pub struct CreateKey {
    /// Class of a new key.
    pub class: Vec<u16>,
    /// `REG_OPTION_*`.
    pub options: u32,
    /// What became of it.
    pub disposition: Option<Disposition>,
}

fn delete(object: usize) -> Result<(), Raise> {
    cm().registry.lock().opens.remove(&object);
    Ok(())
}

fn query_name(object: usize) -> Result<Result<Vec<u16>, NtStatus>, Raise> {
    let registry = cm().registry.lock();
    let id = registry.opens.get(&object).copied().ok_or(NtStatus::KEY_DELETED);
    Ok(id.and_then(|id| registry.tree.path(id)))
}

enum Walked {
    Key(KeyId),
    Link(Vec<u16>),
}

fn walk(request: &mut ParseRequest<'_>) -> Result<Walked, NtStatus> {
    let separator = u16::from(b'\\');
    let mut rest = request.remaining.strip_prefix(&[separator]).unwrap_or(request.remaining);
    if request.relative && request.remaining.first() == Some(&separator) {
        return Err(NtStatus::OBJECT_PATH_SYNTAX_BAD);
    }
    // One backslash at the end is ignored, as Windows does for keys.
    rest = rest.strip_suffix(&[separator]).unwrap_or(rest);
    let mut create = request.context.downcast_mut::<CreateKey>();
    let now = nt_ex::time::system_time();
    let mut registry = cm().registry.lock();
    let mut at = *registry.opens.get(&request.object).ok_or(NtStatus::KEY_DELETED)?;
    registry.tree.node(at)?;
    if let Some(create) = create.as_deref_mut() {
        create.disposition = Some(Disposition::Opened);
    }
    while !rest.is_empty() {
        let end = rest.iter().position(|unit| *unit == separator).unwrap_or(rest.len());
        let (name, remaining) = rest.split_at(end);
        if name.is_empty() {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
        let next = registry.tree.subkey(at, name)?;
        at = match (next, create.as_deref_mut()) {
            (Some(id), _) => id,
            (None, Some(create)) if remaining.is_empty() => {
                let volatile = create.options & REG_OPTION_VOLATILE != 0;
                let id = registry.tree.create(at, name, &create.class, volatile, now)?;
                create.disposition = Some(Disposition::Created);
                id
            }
            (None, _) => return Err(NtStatus::OBJECT_NAME_NOT_FOUND),
        };
        if let Some(link) = &registry.tree.node(at)?.link
            && !(remaining.is_empty() && request.attributes & OBJ_OPENLINK != 0)
        {
            return Ok(Walked::Link([link, remaining].concat()));
        }
        rest = remaining.strip_prefix(&[separator]).unwrap_or(remaining);
    }
    Ok(Walked::Key(at))
}

fn parse(request: &mut ParseRequest<'_>) -> Result<Parsed, Raise> {
    Ok(match walk(request) {
        Ok(Walked::Key(id)) => match new_key(id) {
            Ok(object) => Parsed::Object(object.into_raw()),
            Err(status) => Parsed::Status(status),
        },
        Ok(Walked::Link(name)) => Parsed::Reparse(name),
        Err(status) => Parsed::Status(status),
    })
}

/// An open key: its object, referenced.
pub struct KeyHandle {
    _object: ObjectRef,
    pub(crate) id: KeyId,
}

impl KeyHandle {
    /// The key behind a handle.
    ///
    /// Errors: InvalidHandle · ObjectTypeMismatch · AccessDenied (user mode) · KeyDeleted
    pub fn reference(handle: usize, access: u32, mode: u8) -> Result<Self, NtStatus> {
        let information = ob_reference_by_handle(handle, access, Some(cm().key_type()), mode)?;
        let registry = cm().registry.lock();
        let id = registry.opens.get(&information.object.address()).copied();
        drop(registry);
        Ok(Self { id: id.ok_or(NtStatus::KEY_DELETED)?, _object: information.object })
    }
}
