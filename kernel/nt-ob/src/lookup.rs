//! From a name to an object.
//!
//! ```text
//! root (or the object behind RootDirectory) ─► component ─► directory? ─► next component
//!                                                     └► type parses? ─► Object | Reparse: again at the root | Status
//! ```
//!
//! The namespace lock is held for one component at a time; parse procedures run without it.

use std::any::Any;

use boundary::Raise;
use nt_abi::{NtStatus, OBJ_CASE_INSENSITIVE};

use crate::ObjectAttributes;
use crate::handle::{ob_create_handle, ob_reference_by_handle};
use crate::name::{BACKSLASH, split};
use crate::object::ObjectRef;
use crate::subsystem::ob;
use crate::types::{ObjectType, ParseRequest, Parsed};

/// How often a name may start again at the root.
const REPARSES: u32 = 32;

pub(crate) struct Walk<'a> {
    pub(crate) attributes: &'a ObjectAttributes,
    pub(crate) kind: Option<&'static ObjectType>,
    pub(crate) mode: u8,
    pub(crate) access: u32,
    pub(crate) context: &'a mut dyn Any,
    /// Object to enter where the last component is missing.
    pub(crate) insert: Option<usize>,
}

enum Step {
    Found(ObjectRef),
    Reparse(Vec<u16>),
    Failed(NtStatus),
}

pub(crate) fn walk(mut request: Walk<'_>) -> Result<Result<ObjectRef, NtStatus>, Raise> {
    let mut name = request.attributes.name.clone();
    let mut root = match request.attributes.root {
        0 => None,
        handle => match ob_reference_by_handle(handle, 0, None, request.mode) {
            Ok(information) => Some(information.object),
            Err(status) => return Ok(Err(status)),
        },
    };
    for _ in 0..=REPARSES {
        let step = match root.take() {
            Some(root) => walk_from_handle(&mut request, root, &name)?,
            None if name.first() != Some(&BACKSLASH) => Step::Failed(NtStatus::OBJECT_PATH_SYNTAX_BAD),
            None if name.len() == 1 => Step::Found(ob().root()),
            None => walk_directories(&mut request, ob().root(), &name, &name)?,
        };
        match step {
            Step::Found(object) => {
                let wrong = request.kind.is_some_and(|kind| !std::ptr::eq(kind, object.kind()));
                return Ok(if wrong { Err(NtStatus::OBJECT_TYPE_MISMATCH) } else { Ok(object) });
            }
            Step::Reparse(new_name) => name = new_name,
            Step::Failed(status) => return Ok(Err(status)),
        }
    }
    Ok(Err(NtStatus::OBJECT_NAME_NOT_FOUND))
}

fn walk_from_handle(request: &mut Walk<'_>, root: ObjectRef, name: &[u16]) -> Result<Step, Raise> {
    if root.kind().description.parse.is_some() {
        return parse(request, &root, name, name, true);
    }
    if !std::ptr::eq(root.kind(), ob().own().directory) {
        return Ok(Step::Failed(NtStatus::OBJECT_TYPE_MISMATCH));
    }
    match name.first() {
        None => Ok(Step::Found(root)),
        Some(&BACKSLASH) => Ok(Step::Failed(NtStatus::OBJECT_PATH_SYNTAX_BAD)),
        Some(_) => walk_directories(request, root, name, name),
    }
}

/// Walks `rest` from `directory`.
fn walk_directories(
    request: &mut Walk<'_>,
    mut directory: ObjectRef,
    mut rest: &[u16],
    complete: &[u16],
) -> Result<Step, Raise> {
    let ignore_case = request.attributes.attributes & OBJ_CASE_INSENSITIVE != 0;
    loop {
        let (component, remaining) = split(rest);
        if component.is_empty() {
            return Ok(Step::Failed(NtStatus::OBJECT_NAME_INVALID));
        }
        let (found, entered) = {
            let mut namespace = ob().namespace.lock();
            match (namespace.find(directory.address(), component, ignore_case), request.insert) {
                (None, Some(object)) if remaining.is_empty() => {
                    let entered = namespace.enter(directory.address(), component, object, ignore_case);
                    (entered.then(|| ObjectRef::take(object)), true)
                }
                (found, _) => (found, false),
            }
        };
        let object = match found {
            Some(object) => object,
            None if entered => return Ok(Step::Failed(NtStatus::OBJECT_NAME_COLLISION)),
            None if remaining.is_empty() => return Ok(Step::Failed(NtStatus::OBJECT_NAME_NOT_FOUND)),
            None => return Ok(Step::Failed(NtStatus::OBJECT_PATH_NOT_FOUND)),
        };
        let last = remaining.is_empty();
        if last && request.insert.is_some() {
            return Ok(Step::Found(object));
        }
        if object.kind().description.parse.is_some() {
            return parse(request, &object, remaining, complete, false);
        }
        if last {
            return Ok(Step::Found(object));
        }
        if !std::ptr::eq(object.kind(), ob().own().directory) {
            return Ok(Step::Failed(NtStatus::OBJECT_TYPE_MISMATCH));
        }
        directory = object;
        rest = remaining;
    }
}

fn parse(
    request: &mut Walk<'_>,
    object: &ObjectRef,
    remaining: &[u16],
    complete_name: &[u16],
    relative: bool,
) -> Result<Step, Raise> {
    let procedure = object.kind().description.parse.expect("the caller has seen it");
    let parsed = procedure(&mut ParseRequest {
        object: object.address(),
        kind: request.kind,
        mode: request.mode,
        attributes: request.attributes.attributes,
        access: request.access,
        complete_name,
        remaining,
        relative,
        context: &mut *request.context,
    })?;
    Ok(match parsed {
        Parsed::Object(object) => Step::Found(ObjectRef::from_raw(object)),
        Parsed::Reparse(name) => Step::Reparse(name),
        Parsed::Status(status) => Step::Failed(status),
    })
}

/// Finds the object that `attributes` names.
///
/// `context` is handed to parse procedures: what a create needs to know, and where it leaves what else it has to say.
///
/// IRQL:    PASSIVE_LEVEL
/// Locks:   none held: parse procedures call drivers
/// Errors:  ObjectNameNotFound · ObjectPathNotFound · ObjectPathSyntaxBad · ObjectNameInvalid · ObjectTypeMismatch ·
///          InvalidHandle (root) · what a parse procedure answers
pub fn ob_lookup(
    attributes: &ObjectAttributes,
    kind: Option<&'static ObjectType>,
    mode: u8,
    access: u32,
    context: &mut dyn Any,
) -> Result<Result<ObjectRef, NtStatus>, Raise> {
    walk(Walk { attributes, kind, mode, access, context, insert: None })
}

/// Finds the object and opens a handle to it.
///
/// Source: ObOpenObjectByName. Otherwise as [`ob_lookup`].
pub fn ob_open_by_name(
    attributes: &ObjectAttributes,
    kind: Option<&'static ObjectType>,
    mode: u8,
    access: u32,
    context: &mut dyn Any,
) -> Result<Result<usize, NtStatus>, Raise> {
    let object = match ob_lookup(attributes, kind, mode, access, context)? {
        Ok(object) => object,
        Err(status) => return Ok(Err(status)),
    };
    let granted = object.kind().grant(access);
    let handle = ob_create_handle(object.address(), granted, attributes.attributes);
    object.release()?;
    Ok(handle)
}

/// Finds an object by its absolute name. Source: ObReferenceObjectByName. Otherwise as [`ob_lookup`].
pub fn ob_reference_by_name(
    name: &[u16],
    attributes: u32,
    kind: Option<&'static ObjectType>,
) -> Result<Result<ObjectRef, NtStatus>, Raise> {
    ob_lookup(&ObjectAttributes::named(name, attributes), kind, 0, 0, &mut ())
}
