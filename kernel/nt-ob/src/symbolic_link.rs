//! Symbolic links: names that stand for other names.

use boundary::Raise;
use nt_abi::{NtStatus, OBJ_CASE_INSENSITIVE, OBJ_DONT_REPARSE, OBJ_OPENLINK, OBJ_PERMANENT};

use crate::ObjectAttributes;
use crate::lookup::ob_lookup;
use crate::namespace::{ob_insert_named, ob_make_temporary};
use crate::object::{ObjectRef, ob_create_object};
use crate::subsystem::ob;
use crate::types::{Mapping, ObjectType, ParseRequest, Parsed, TypeDescription};

pub(crate) const SYMBOLIC_LINK: TypeDescription = TypeDescription {
    mapping: Mapping { read: 0x2_0001, write: 0x2_0000, execute: 0x2_0001, all: 0xF_0001 },
    valid_access: 0xF_0001,
    parse: Some(parse),
    delete: Some(delete),
    ..TypeDescription::new("SymbolicLink", *b"Symb")
};

/// STATUS_REPARSE_POINT_ENCOUNTERED.
const REPARSE_POINT_ENCOUNTERED: NtStatus = NtStatus::from_bits(0xC000_050B);

fn parse(request: &mut ParseRequest<'_>) -> Result<Parsed, Raise> {
    let wants_link = request.attributes & OBJ_OPENLINK != 0
        || request.kind.is_some_and(|kind| std::ptr::eq(kind, ob_symbolic_link_type()));
    if request.remaining.is_empty() && wants_link {
        return Ok(Parsed::Object(ObjectRef::take(request.object).into_raw()));
    }
    if request.attributes & OBJ_DONT_REPARSE != 0 {
        return Ok(Parsed::Status(REPARSE_POINT_ENCOUNTERED));
    }
    let mut name = ob().namespace.lock().link_targets.get(&request.object).cloned().unwrap_or_default();
    name.extend_from_slice(request.remaining);
    Ok(Parsed::Reparse(name))
}

fn delete(object: usize) -> Result<(), Raise> {
    ob().namespace.lock().link_targets.remove(&object);
    Ok(())
}

/// The type of symbolic links.
pub fn ob_symbolic_link_type() -> &'static ObjectType {
    ob().own().symbolic_link
}

/// Makes the permanent link `name` to `target`.
///
/// Source:  IoCreateSymbolicLink
/// IRQL:    PASSIVE_LEVEL
/// Errors:  ObjectNameCollision, and as [`ob_insert_named`]
pub fn ob_create_symbolic_link(name: &[u16], target: &[u16]) -> Result<Result<(), NtStatus>, Raise> {
    let link = match ob_create_object(ob_symbolic_link_type(), 16) {
        Ok(link) => ObjectRef::from_raw(link),
        Err(status) => return Ok(Err(status)),
    };
    ob().namespace.lock().link_targets.insert(link.address(), target.to_vec());
    let attributes = ObjectAttributes::named(name, OBJ_CASE_INSENSITIVE | OBJ_PERMANENT);
    Ok(ob_insert_named(link.address(), &attributes, 0)?.map(|_| ()))
}

fn find(name: &[u16]) -> Result<Result<ObjectRef, NtStatus>, Raise> {
    let attributes = ObjectAttributes::named(name, OBJ_CASE_INSENSITIVE);
    ob_lookup(&attributes, Some(ob_symbolic_link_type()), 0, 0, &mut ())
}

/// Takes a link away. Source: IoDeleteSymbolicLink. Errors: ObjectNameNotFound, and as a lookup
pub fn ob_delete_symbolic_link(name: &[u16]) -> Result<Result<(), NtStatus>, Raise> {
    match find(name)? {
        Ok(link) => {
            ob_make_temporary(link.address())?;
            link.release()?;
            Ok(Ok(()))
        }
        Err(status) => Ok(Err(status)),
    }
}

/// What the link `name` stands for. Errors: as a lookup
pub fn ob_query_symbolic_link(name: &[u16]) -> Result<Result<Vec<u16>, NtStatus>, Raise> {
    Ok(find(name)?.map(|link| {
        let namespace = ob().namespace.lock();
        let target = namespace.link_targets.get(&link.address()).cloned().unwrap_or_default();
        // The lock goes before the reference does.
        drop(namespace);
        target
    }))
}

/// What the link at `link` stands for; `None` when the object is no link.
///
/// Source: ZwQuerySymbolicLinkObject
pub fn ob_symbolic_link_target(link: &ObjectRef) -> Option<Vec<u16>> {
    ob().namespace.lock().link_targets.get(&link.address()).cloned()
}
