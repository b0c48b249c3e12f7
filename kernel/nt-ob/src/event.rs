//! Events as objects.
//!
//! UNSAFETY: none of its own; the event is lent by `ob_create`.

use boundary::Raise;
use nt_abi::{KEVENT, NtStatus, SYNCHRONIZE};
use nt_ke::dispatcher::initialize_header;

use crate::ObjectAttributes;
use crate::namespace::ob_insert_named;
use crate::object::{ObjectRef, ob_create};
use crate::subsystem::ob;
use crate::types::{Mapping, ObjectType, TypeDescription};

pub(crate) const EVENT: TypeDescription = TypeDescription {
    mapping: Mapping { read: 0x2_0001, write: 0x2_0002, execute: 0x2_0000 | SYNCHRONIZE, all: 0x1F_0003 },
    valid_access: 0x1F_0003,
    wait_offset: Some(0),
    ..TypeDescription::new("Event", *b"Even")
};

/// The type of events.
pub fn ob_event_type() -> &'static ObjectType {
    ob().own().event
}

/// Makes an event and a handle to it. `synchronization` events wake one thread and reset themselves.
///
/// Source:  ZwCreateEvent, IoCreateNotificationEvent
/// IRQL:    PASSIVE_LEVEL
/// Returns: the handle, with SUCCESS or (OBJ_OPENIF) ObjectNameExists
/// Errors:  InsufficientResources, and as [`ob_insert_named`]
pub fn ob_create_event(
    attributes: &ObjectAttributes,
    access: u32,
    synchronization: bool,
    signaled: bool,
) -> Result<Result<(usize, NtStatus), NtStatus>, Raise> {
    let event = match ob_create::<KEVENT>(ob_event_type(), 0) {
        Ok(event) => event,
        Err(status) => return Ok(Err(status)),
    };
    initialize_header(&event.Header, u8::from(synchronization), i32::from(signaled));
    let reference = ObjectRef::from_raw(std::ptr::from_ref(event) as usize);
    let inserted = ob_insert_named(reference.address(), attributes, access)?;
    reference.release()?;
    Ok(inserted)
}
