//! Waiting for what a handle stands for.
//!
//! UNSAFETY: lends the dispatcher header that a type says its objects have.

use boundary::Raise;
use nt_abi::{DISPATCHER_HEADER, NtStatus, SYNCHRONIZE};

use crate::handle::ob_reference_by_handle;
use crate::object::ObjectRef;

/// What a wait on `object` waits for; `None` if nobody can.
pub fn ob_waitable(object: &ObjectRef) -> Option<&DISPATCHER_HEADER> {
    let offset = object.kind().description.wait_offset?;
    // SAFETY: the type says that its bodies have a dispatcher header there; the reference keeps the body.
    Some(unsafe { &*((object.address() + offset) as *const DISPATCHER_HEADER) })
}

/// Waits for the object behind a handle.
///
/// Source:  ZwWaitForSingleObject
/// IRQL:    PASSIVE_LEVEL
/// Units:   as `nt_ke::dispatcher::wait`
/// Errors:  InvalidHandle · AccessDenied (no SYNCHRONIZE) · ObjectTypeMismatch (it cannot be waited for)
pub fn ob_wait_for_object(
    handle: usize,
    mode: u8,
    alertable: bool,
    timeout: Option<i64>,
) -> Result<NtStatus, Raise> {
    let object = match ob_reference_by_handle(handle, SYNCHRONIZE, None, mode) {
        Ok(information) => information.object,
        Err(status) => return Ok(status),
    };
    let Some(header) = ob_waitable(&object) else { return Ok(NtStatus::OBJECT_TYPE_MISMATCH) };
    nt_ke::dispatcher::wait(header, alertable, timeout)
}
