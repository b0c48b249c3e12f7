//! The namespace: directories and the names in them.
//!
//! One lock guards all of it. A directory's entry holds one reference to its object. The name of an object that is
//! not permanent goes with its last handle.

use std::collections::BTreeMap;

use boundary::Raise;
use nt_abi::{NtStatus, OBJ_CASE_INSENSITIVE, OBJ_KERNEL_HANDLE, OBJ_OPENIF, OBJ_PERMANENT};

use crate::ObjectAttributes;
use crate::header::{FLAG_NAMED, FLAG_PERMANENT, Header};
use crate::lookup::{Walk, walk};
use crate::name::{BACKSLASH, upcased};
use crate::object::{ObjectRef, ob_create_object, ob_validate};
use crate::subsystem::ob;
use crate::types::{Mapping, ObjectType, TypeDescription};

pub(crate) const DIRECTORY: TypeDescription = TypeDescription {
    mapping: Mapping { read: 0x2_0003, write: 0x2_000C, execute: 0x2_0003, all: 0xF_000F },
    valid_access: 0xF_000F,
    delete: Some(delete_directory),
    ..TypeDescription::new("Directory", *b"Dire")
};

struct Entry {
    name: Vec<u16>,
    object: usize,
}

struct ObjectName {
    directory: usize,
    name: Vec<u16>,
}

/// What the namespace lock guards.
#[derive(Default)]
pub(crate) struct Namespace {
    /// Entries of each directory by upper-case name; names that differ in case only share a row.
    directories: BTreeMap<usize, BTreeMap<Vec<u16>, Vec<Entry>>>,
    names: BTreeMap<usize, ObjectName>,
    pub(crate) link_targets: BTreeMap<usize, Vec<u16>>,
}

impl Namespace {
    /// The entry `name` of `directory`, referenced.
    pub(crate) fn find(&self, directory: usize, name: &[u16], ignore_case: bool) -> Option<ObjectRef> {
        let row = self.directories.get(&directory)?.get(&upcased(name))?;
        let entry = row.iter().find(|entry| ignore_case || entry.name == name)?;
        Some(ObjectRef::take(entry.object))
    }

    /// Enters `object` as `name`, unless the name is taken. The entry takes a reference of its own.
    pub(crate) fn enter(&mut self, directory: usize, name: &[u16], object: usize, ignore_case: bool) -> bool {
        if self.names.contains_key(&object) {
            return false;
        }
        let Some(entries) = self.directories.get_mut(&directory) else { return false };
        let row = entries.entry(upcased(name)).or_default();
        if row.iter().any(|entry| ignore_case || entry.name == name) {
            return false;
        }
        row.push(Entry { name: name.to_vec(), object });
        self.names.insert(object, ObjectName { directory, name: name.to_vec() });
        // Each keeps the other: the directory its entry, the named object its directory.
        let _ = ObjectRef::take(object).into_raw();
        let _ = ObjectRef::take(directory).into_raw();
        Header::of(object).set(FLAG_NAMED);
        true
    }

    /// Takes the name away. The references that the entry and the object held come back.
    fn remove(&mut self, object: usize) -> Option<[ObjectRef; 2]> {
        let ObjectName { directory, name } = self.names.remove(&object)?;
        if let Some(entries) = self.directories.get_mut(&directory) {
            let key = upcased(&name);
            if let Some(row) = entries.get_mut(&key) {
                row.retain(|entry| entry.object != object);
                if row.is_empty() {
                    entries.remove(&key);
                }
            }
        }
        Header::of(object).clear(FLAG_NAMED);
        Some([ObjectRef::from_raw(object), ObjectRef::from_raw(directory)])
    }

    /// The path of `object` from the root; empty if it has no name.
    pub(crate) fn path_of(&self, object: usize) -> Vec<u16> {
        let mut parts: Vec<&[u16]> = Vec::new();
        let mut at = object;
        while let Some(name) = self.names.get(&at) {
            parts.push(&name.name);
            at = name.directory;
        }
        if parts.is_empty() {
            return if self.directories.contains_key(&object) { vec![BACKSLASH] } else { Vec::new() };
        }
        parts.iter().rev().flat_map(|part| std::iter::once(&BACKSLASH).chain(part.iter())).copied().collect()
    }
}

/// A directory without a name.
pub(crate) fn new_directory() -> Result<ObjectRef, NtStatus> {
    let directory = ObjectRef::from_raw(ob_create_object(ob_directory_type(), 16)?);
    ob().namespace.lock().directories.insert(directory.address(), BTreeMap::new());
    Ok(directory)
}

fn delete_directory(directory: usize) -> Result<(), Raise> {
    // Entries keep their directory, so it is empty.
    ob().namespace.lock().directories.remove(&directory);
    Ok(())
}

/// What the namespace knows of an object that is being deleted.
pub(crate) fn forget(object: usize) {
    if Header::of(object).has(FLAG_NAMED) {
        // The entry's reference is among those that are gone: somebody dereferenced once too often, and the
        // check for open handles has not seen it. Only the directory is given back.
        if let Some([entry, directory]) = ob().namespace.lock().remove(object) {
            let _ = entry.into_raw();
            let _ = directory.into_raw();
        }
    }
}

/// Takes a temporary object's name away if no handle is left.
pub(crate) fn remove_unused_name(object: usize) -> Result<(), Raise> {
    let header = Header::of(object);
    if !header.has(FLAG_NAMED) || header.has(FLAG_PERMANENT) {
        return Ok(());
    }
    let removed = {
        let mut namespace = ob().namespace.lock();
        let unused = header.handles.load(std::sync::atomic::Ordering::Acquire) == 0;
        if unused && !header.has(FLAG_PERMANENT) { namespace.remove(object) } else { None }
    };
    for reference in removed.into_iter().flatten() {
        reference.release()?;
    }
    Ok(())
}

/// The type of directories.
pub fn ob_directory_type() -> &'static ObjectType {
    ob().own().directory
}

/// Names `object` and opens a handle to it.
///
/// An object without a name in `attributes` just gets a handle. With OBJ_OPENIF an object of the same type that
/// has the name already is opened instead. With OBJ_PERMANENT the name stays when the last handle goes, and then
/// no handle is made: the answer is 0.
///
/// Source:  ObInsertObject (which also takes over the creator's reference; this does not)
/// IRQL:    PASSIVE_LEVEL
/// Returns: the handle, with SUCCESS or ObjectNameExists
/// Errors:  ObjectNameCollision · ObjectPathNotFound · ObjectPathSyntaxBad · ObjectNameInvalid · ObjectTypeMismatch
pub fn ob_insert_named(
    object: usize,
    attributes: &ObjectAttributes,
    access: u32,
) -> Result<Result<(usize, NtStatus), NtStatus>, Raise> {
    ob_validate(object, None)?;
    let header = Header::of(object);
    let permanent = attributes.attributes & OBJ_PERMANENT != 0;
    let mut target = object;
    let mut status = NtStatus::SUCCESS;
    let mut existing = None;
    if !attributes.name.is_empty() || attributes.root != 0 {
        if permanent {
            header.set(FLAG_PERMANENT);
        }
        let mut nothing = ();
        let walked = walk(Walk {
            attributes,
            kind: Some(header.kind()),
            mode: 0,
            access,
            context: &mut nothing,
            insert: Some(object),
        })?;
        match walked {
            Ok(found) if found.address() == object => {}
            Ok(found) if attributes.attributes & OBJ_OPENIF != 0 => {
                target = found.address();
                status = NtStatus::OBJECT_NAME_EXISTS;
                existing = Some(found);
            }
            Ok(_) => return Ok(Err(NtStatus::OBJECT_NAME_COLLISION)),
            Err(NtStatus::OBJECT_TYPE_MISMATCH) if attributes.attributes & OBJ_OPENIF == 0 => {
                return Ok(Err(NtStatus::OBJECT_NAME_COLLISION));
            }
            Err(status) => return Ok(Err(status)),
        }
    }
    if permanent && existing.is_none() && attributes.attributes & OBJ_KERNEL_HANDLE == 0 {
        return Ok(Ok((0, status)));
    }
    let granted = Header::of(target).kind().grant(access);
    let handle = crate::ob_create_handle(target, granted, attributes.attributes);
    if handle.is_err() && existing.is_none() {
        remove_unused_name(object)?;
    }
    Ok(handle.map(|handle| (handle, status)))
}

/// Makes a named object temporary: its name goes at once if it has no handle, else with the last one.
///
/// Source: ObMakeTemporaryObject. IRQL: PASSIVE_LEVEL
pub fn ob_make_temporary(object: usize) -> Result<(), Raise> {
    ob_validate(object, None)?;
    Header::of(object).clear(FLAG_PERMANENT);
    remove_unused_name(object)
}

/// Makes the permanent directory `name`.
///
/// Errors: as [`ob_insert_named`]
pub fn ob_create_directory(name: &[u16]) -> Result<Result<(), NtStatus>, Raise> {
    let directory = match new_directory() {
        Ok(directory) => directory,
        Err(status) => return Ok(Err(status)),
    };
    let attributes = ObjectAttributes::named(name, OBJ_CASE_INSENSITIVE | OBJ_PERMANENT);
    Ok(ob_insert_named(directory.address(), &attributes, 0)?.map(|_| ()))
}

/// Names and types of what is in a directory, in order of the upper-case names.
pub fn ob_directory_entries(directory: usize) -> Vec<(Vec<u16>, &'static str)> {
    let namespace = ob().namespace.lock();
    let entries = namespace.directories.get(&directory);
    entries
        .into_iter()
        .flat_map(|entries| entries.values().flatten())
        .map(|entry| (entry.name.clone(), Header::of(entry.object).kind().name()))
        .collect()
}
