//! Events as objects.
//!
//! UNSAFETY: none of its own; the event is lent by `ob_create`.

use boundary::Raise;
use nt_abi::{KEVENT, NtStatus, SYNCHRONIZE};
use nt_ke::dispatcher::{initialize_header, pulse_event, reset_event, set_event};

use crate::ObjectAttributes;
use crate::handle::ob_reference_by_handle;
use crate::namespace::ob_insert_named;
use crate::object::{ObjectRef, ob_create};
use crate::subsystem::ob;
use crate::types::{Mapping, ObjectType, TypeDescription};
use crate::wait::ob_waitable;

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

/// What is done to the event behind a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventChange {
    /// ZwSetEvent.
    Set,
    /// ZwResetEvent, ZwClearEvent.
    Reset,
    /// ZwPulseEvent.
    Pulse,
}

/// Changes the event behind a handle and returns its state before.
///
/// Source:  ZwSetEvent, ZwResetEvent, ZwPulseEvent
/// IRQL:    PASSIVE_LEVEL
/// Errors:  InvalidHandle · ObjectTypeMismatch · AccessDenied (no EVENT_MODIFY_STATE)
pub fn ob_change_event(handle: usize, change: EventChange, mode: u8) -> Result<Result<i32, NtStatus>, Raise> {
    let kind = Some(ob_event_type());
    let event = match ob_reference_by_handle(handle, nt_abi::EVENT_MODIFY_STATE, kind, mode) {
        Ok(information) => information.object,
        Err(status) => return Ok(Err(status)),
    };
    let header = ob_waitable(&event).expect("events can be waited for");
    let before = match change {
        EventChange::Set => set_event(header),
        EventChange::Reset => reset_event(header),
        EventChange::Pulse => pulse_event(header),
    };
    event.release()?;
    Ok(Ok(before))
}
