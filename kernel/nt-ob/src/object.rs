//! Making objects, counting references, deleting.
//!
//! UNSAFETY: lends bodies of objects as references to their ABI structure, after checking what they are.

use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::{NtStatus, bugcheck, irql::PASSIVE_LEVEL};
use nt_ex::work::WorkQueue;
use nt_ke::{BugCheck, current_core};

use crate::handle::ob_create_handle;
use crate::header::{DEAD, DELETING, FLAG_ADOPTED, HEADER_BYTES, Header, LIVE};
use crate::namespace;
use crate::types::ObjectType;

/// One reference to an object, given back when dropped.
///
/// A stop that the delete procedure meets stays pending in the thread; nothing is lost by dropping it here.
#[derive(Debug)]
pub struct ObjectRef(usize);

impl ObjectRef {
    /// Takes over a reference that the caller owns.
    pub fn from_raw(object: usize) -> Self {
        Self(object)
    }

    /// References `object`, which the caller knows to be one.
    pub(crate) fn take(object: usize) -> Self {
        Header::of(object).pointers.fetch_add(1, Ordering::Relaxed);
        Self(object)
    }

    /// Address of the body.
    pub fn address(&self) -> usize {
        self.0
    }

    /// The reference is the caller's from here on.
    pub fn into_raw(self) -> usize {
        let object = self.0;
        std::mem::forget(self);
        object
    }

    /// The object's type.
    pub fn kind(&self) -> &'static ObjectType {
        Header::of(self.0).kind()
    }

    /// Gives the reference back and says what came of it.
    pub fn release(self) -> Result<(), Raise> {
        ob_dereference(self.into_raw())
    }
}

impl Drop for ObjectRef {
    #[inline]
    fn drop(&mut self) {
        let _ = ob_dereference(self.0);
    }
}

/// Makes an object of `body_bytes` zeroed bytes with one reference, no handle and no name. Returns its address.
///
/// Source:  ObCreateObject
/// Errors:  InsufficientResources
pub fn ob_create_object(kind: &'static ObjectType, body_bytes: usize) -> Result<usize, NtStatus> {
    let tag = u32::from_le_bytes(kind.description.tag);
    let block = nt_ex::pool::allocate_engine(nt_ex::pool::PoolKind::NonPaged, HEADER_BYTES + body_bytes, tag)
        .ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
    let body = block.as_ptr() as usize + HEADER_BYTES;
    Header::of(body).initialize(kind, 0);
    kind.objects.fetch_add(1, Ordering::Relaxed);
    Ok(body)
}

/// The same, lent as its structure. `T` is an ABI structure or one made of cells, valid when zero; `more_bytes`
/// follow it.
pub fn ob_create<T: nt_abi::Abi>(
    kind: &'static ObjectType,
    more_bytes: usize,
) -> Result<&'static T, NtStatus> {
    let body = ob_create_object(kind, size_of::<T>() + more_bytes)?;
    // SAFETY: a fresh zeroed body of at least this size, 16-byte aligned; `Abi` types take all-zero bytes.
    Ok(unsafe { &*(body as *const T) })
}

/// Makes an object of memory that exists: a thread, say. There is room for a header in front of `body`
/// (`OBJECT_HEADER_ROOM` bytes at most). One reference; the delete procedure gives the memory back.
///
/// May be called by a thread that is in no machine.
pub fn ob_adopt_object(kind: &'static ObjectType, body: usize) {
    Header::of(body).initialize(kind, FLAG_ADOPTED);
    kind.objects.fetch_add(1, Ordering::Relaxed);
}

#[inline]
fn check(object: usize) -> Result<&'static Header, Raise> {
    Header::find(object).map_err(|found| {
        let what = if found == DEAD { "an object that was deleted" } else { "no object" };
        current_core().bug_check(BugCheck::new(
            bugcheck::REFERENCE_BY_POINTER,
            [0, object as u64, u64::from(found), 0],
            format!("{object:#x} was used as an object, but is {what}"),
        ))
    })
}

/// Checks that `object` is an object, and of type `kind` if given.
///
/// Errors: a bug check REFERENCE_BY_POINTER when it is none or of another type
pub fn ob_validate(object: usize, kind: Option<&ObjectType>) -> Result<(), Raise> {
    let header = check(object)?;
    match kind {
        Some(kind) if !std::ptr::eq(kind, header.kind()) => Err(current_core().bug_check(BugCheck::new(
            bugcheck::REFERENCE_BY_POINTER,
            [kind.address() as u64, object as u64, header.kind().address() as u64, 0],
            format!(
                "{object:#x} was used as a {} object, but is a {} object",
                kind.name(),
                header.kind().name()
            ),
        ))),
        _ => Ok(()),
    }
}

/// The object at `object`, which a driver gave, as its structure.
///
/// Errors: as [`ob_validate`]
pub fn object_from<T: nt_abi::Abi>(object: usize, kind: &ObjectType) -> Result<&'static T, Raise> {
    ob_validate(object, Some(kind))?;
    // SAFETY: it is an object of this type; the caller names the structure that belongs to the type.
    Ok(unsafe { &*(object as *const T) })
}

/// The type of the object at `object`. Source: ObGetObjectType. Errors: a bug check when it is none.
pub fn ob_object_type(object: usize) -> Result<&'static ObjectType, Raise> {
    Ok(check(object)?.kind())
}

/// References, for reports.
pub fn ob_pointer_count(object: usize) -> Result<i64, Raise> {
    Ok(check(object)?.pointers.load(Ordering::Relaxed))
}

/// Handles in all processes.
pub fn ob_handle_count(object: usize) -> Result<i64, Raise> {
    Ok(check(object)?.handles.load(Ordering::Relaxed))
}

/// Adds a reference.
///
/// Source:  ObReferenceObject
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  a bug check when there is no object
pub fn ob_reference(object: usize) -> Result<(), Raise> {
    check(object)?.pointers.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Adds a reference if the object is of type `kind`.
///
/// Source:  ObReferenceObjectByPointer. Errors: ObjectTypeMismatch
pub fn ob_reference_by_pointer(
    object: usize,
    kind: Option<&'static ObjectType>,
) -> Result<Result<ObjectRef, NtStatus>, Raise> {
    let header = check(object)?;
    if kind.is_some_and(|kind| !std::ptr::eq(kind, header.kind())) {
        return Ok(Err(NtStatus::OBJECT_TYPE_MISMATCH));
    }
    header.pointers.fetch_add(1, Ordering::Relaxed);
    Ok(Ok(ObjectRef(object)))
}

/// Gives a reference back; the last one deletes the object.
///
/// Source:  ObDereferenceObject
/// IRQL:    <= DISPATCH_LEVEL; above PASSIVE_LEVEL the object is deleted later, by a system worker thread
/// Errors:  `Stop`: no object, one dereferenced too often, or what the delete procedure met
#[inline]
pub fn ob_dereference(object: usize) -> Result<(), Raise> {
    let header = check(object)?;
    let before = header.pointers.fetch_sub(1, Ordering::AcqRel);
    if before > 1 { Ok(()) } else { last_dereferenced(object, header, before) }
}

/// What follows when an object's count, which was `before`, reached 0 or less.
#[cold]
fn last_dereferenced(object: usize, header: &Header, before: i64) -> Result<(), Raise> {
    if before == 1 && header.magic.load(Ordering::Relaxed) == DELETING {
        return Ok(());
    }
    if before < 1 {
        return Err(current_core().bug_check(BugCheck::new(
            bugcheck::REFERENCE_BY_POINTER,
            [header.kind().address() as u64, object as u64, 1, (before - 1) as u64],
            format!("a {} object was dereferenced more often than it was referenced", header.kind().name()),
        )));
    }
    let handles = header.handles.load(Ordering::Relaxed);
    if handles != 0 {
        return Err(current_core().bug_check(BugCheck::new(
            bugcheck::REFERENCE_BY_POINTER,
            [header.kind().address() as u64, object as u64, 2, handles as u64],
            format!(
                "the last reference to a {} object was given back while {handles} handles are open: it was \
                 dereferenced more often than it was referenced",
                header.kind().name()
            ),
        )));
    }
    header.magic.store(DELETING, Ordering::Release);
    if nt_ke::irql::current() > PASSIVE_LEVEL && header.kind().description.delete.is_some() {
        nt_ex::work::queue(WorkQueue::Critical, move || delete(object));
        return Ok(());
    }
    delete(object)
}

/// Adds a reference unless the object is being deleted or is none; says whether it did.
///
/// Source: ObReferenceObjectSafe. The memory at `object` must not be given back meanwhile.
pub fn ob_reference_safe(object: usize) -> bool {
    let Ok(header) = Header::find(object) else { return false };
    let more = |count: i64| (count > 0).then_some(count + 1);
    header.magic.load(Ordering::Acquire) == LIVE
        && header.pointers.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
}

/// Deletes an object without references.
fn delete(object: usize) -> Result<(), Raise> {
    let header = Header::of(object);
    let kind = header.kind();
    namespace::forget(object);
    kind.objects.fetch_sub(1, Ordering::Relaxed);
    if header.has(FLAG_ADOPTED) {
        // The memory may be somebody else's as soon as the procedure has run.
        header.magic.store(DEAD, Ordering::Release);
        return kind.description.delete.map_or(Ok(()), |procedure| procedure(object));
    }
    let result = kind.description.delete.map_or(Ok(()), |procedure| procedure(object));
    let left = header.pointers.load(Ordering::Acquire);
    if left != 0 && result.is_ok() {
        return Err(current_core().bug_check(BugCheck::new(
            bugcheck::REFERENCE_BY_POINTER,
            [kind.address() as u64, object as u64, 3, left as u64],
            format!(
                "a {} object was referenced while it was being deleted, and the reference was kept",
                kind.name()
            ),
        )));
    }
    header.magic.store(DEAD, Ordering::Release);
    nt_ex::pool::free((object - HEADER_BYTES) as *const u8, None)?;
    result
}

/// Opens a handle to an object that the caller has a pointer to.
///
/// Source:  ObOpenObjectByPointer
/// IRQL:    PASSIVE_LEVEL
/// Errors:  ObjectTypeMismatch · InsufficientResources
pub fn ob_open_by_pointer(
    object: usize,
    attributes: u32,
    access: u32,
    kind: Option<&'static ObjectType>,
) -> Result<Result<usize, NtStatus>, Raise> {
    let reference = match ob_reference_by_pointer(object, kind)? {
        Ok(reference) => reference,
        Err(status) => return Ok(Err(status)),
    };
    let granted = reference.kind().grant(access);
    Ok(ob_create_handle(object, granted, attributes))
}
