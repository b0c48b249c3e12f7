//! Zw: events, symbolic links, directories and waits by handle; Io's events by name.

use boundary::{Raise, copy, export};
use nt_abi::irql::PASSIVE_LEVEL;
use nt_abi::{DISPATCHER_HEADER, NtStatus, OBJ_KERNEL_HANDLE, OBJ_OPENIF, OBJ_PERMANENT, UNICODE_STRING};
use nt_ob::{self as ob, EventChange, ObjectAttributes};

use crate::argument::{arg, fault, load, load_if, optional, required, rows, store, store_if};
use crate::flt_string::units;
use crate::zw_file::kernel;

rows! { "ntoskrnl.exe", "nt-ob";
    ZwCreateEvent done "";
    ZwOpenEvent done "";
    ZwSetEvent done "";
    ZwResetEvent done "";
    ZwClearEvent done "";
    ZwPulseEvent done "";
    ZwWaitForSingleObject done "";
    ZwWaitForMultipleObjects done "";
    NtWaitForSingleObject done "";
    IoCreateNotificationEvent done "";
    IoCreateSynchronizationEvent done "";
    ZwOpenSymbolicLinkObject done "";
    ZwCreateSymbolicLinkObject partial "names below a root directory are refused; the handle is opened after the link is made";
    ZwQuerySymbolicLinkObject done "";
    ZwOpenDirectoryObject done "";
    ZwMakeTemporaryObject done "";
    ZwDuplicateObject partial "within the current process";
}

/// Zw calls come from kernel mode.
const KERNEL: u8 = 0;
/// EVENT_ALL_ACCESS.
const ALL: u32 = 0x1F_0003;
/// Objects that one wait takes.
const WAIT_OBJECTS: u32 = 64;

/// The attributes at an address, or leaves the service with the status.
macro_rules! captured {
    ($address:expr) => {
        match ::nt_ob::ObjectAttributes::capture($address)? {
            Ok(attributes) => attributes,
            Err(status) => return Ok(status),
        }
    };
}
pub(crate) use captured;

/// Stores a handle, or gives back why there is none.
pub(crate) fn give(
    handle: Result<usize, NtStatus>,
    out: *mut usize,
    export: &str,
) -> Result<NtStatus, Raise> {
    match handle {
        Ok(handle) => {
            store(out, handle, export, "Handle")?;
            Ok(NtStatus::SUCCESS)
        }
        Err(status) => Ok(status),
    }
}

fn change(handle: usize, change: EventChange, before: *mut i32) -> Result<NtStatus, Raise> {
    match ob::ob_change_event(handle, change, KERNEL)? {
        Ok(state) => {
            store_if(before, state)?;
            Ok(NtStatus::SUCCESS)
        }
        Err(status) => Ok(status),
    }
}

/// An event by name, made signaled unless it is there; its address stays as long as the handle does.
fn named_event(name: *mut UNICODE_STRING, out: *mut usize, synchronization: bool) -> Result<usize, Raise> {
    let name =
        optional(name, "IoCreateNotificationEvent", "EventName")?.map(units).transpose()?.unwrap_or_default();
    let attributes = ObjectAttributes::named(&name, OBJ_OPENIF | OBJ_KERNEL_HANDLE);
    let Ok((handle, _)) = ob::ob_create_event(&attributes, ALL, synchronization, true)? else { return Ok(0) };
    let Ok(found) = ob::ob_reference_by_handle(handle, 0, Some(ob::ob_event_type()), KERNEL) else {
        return Ok(0);
    };
    let address = found.object.address();
    found.object.release()?;
    store(out, handle, "IoCreateNotificationEvent", "EventHandle")?;
    Ok(address)
}

fn wait(handle: usize, alertable: u8, timeout: *mut i64, mode: u8) -> Result<NtStatus, Raise> {
    ob::ob_wait_for_object(handle, mode, alertable != 0, load_if(timeout)?)
}

export! {
    /// Makes an event.
    pub fn ZwCreateEvent(out: *mut usize, access: u32, attributes: usize, kind: u32, signaled: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let attributes = captured!(attributes);
        if kind > 1 {
            return Ok(NtStatus::INVALID_PARAMETER);
        }
        match ob::ob_create_event(&attributes, access, kind == 1, signaled != 0)? {
            Ok((handle, status)) => {
                store(out, handle, "ZwCreateEvent", "EventHandle")?;
                Ok(status)
            }
            Err(status) => Ok(status),
        }
    }

    /// Opens an event by name.
    pub fn ZwOpenEvent(out: *mut usize, access: u32, attributes: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let attributes = captured!(attributes);
        give(ob::ob_open_by_name(&attributes, Some(ob::ob_event_type()), KERNEL, access, &mut ())?, out, "ZwOpenEvent")
    }

    /// Sets an event.
    pub fn ZwSetEvent(handle: usize, before: *mut i32) -> NtStatus [irql <= PASSIVE_LEVEL] { change(handle, EventChange::Set, before) }

    /// Resets an event.
    pub fn ZwResetEvent(handle: usize, before: *mut i32) -> NtStatus [irql <= PASSIVE_LEVEL] { change(handle, EventChange::Reset, before) }

    /// Resets an event.
    pub fn ZwClearEvent(handle: usize) -> NtStatus [irql <= PASSIVE_LEVEL] { change(handle, EventChange::Reset, std::ptr::null_mut()) }

    /// Sets an event for those who wait now.
    pub fn ZwPulseEvent(handle: usize, before: *mut i32) -> NtStatus [irql <= PASSIVE_LEVEL] { change(handle, EventChange::Pulse, before) }

    /// Waits for an object.
    pub fn ZwWaitForSingleObject(handle: usize, alertable: u8, timeout: *mut i64) -> NtStatus [irql <= PASSIVE_LEVEL] { wait(handle, alertable, timeout, KERNEL) }

    /// Waits for an object with a handle of the previous mode.
    pub fn NtWaitForSingleObject(handle: usize, alertable: u8, timeout: *mut i64) -> NtStatus [irql <= PASSIVE_LEVEL] {
        wait(handle, alertable, timeout, nt_ps::ps_previous_mode())
    }

    /// Waits for all (type 0) or any (type 1) of some objects.
    pub fn ZwWaitForMultipleObjects(count: u32, handles: *mut usize, kind: u32, alertable: u8, timeout: *mut i64) -> NtStatus [irql <= PASSIVE_LEVEL] {
        if count == 0 || count > WAIT_OBJECTS {
            return Ok(NtStatus::INVALID_PARAMETER_1);
        }
        if kind > 1 {
            return Ok(NtStatus::INVALID_PARAMETER_3);
        }
        let mut objects = Vec::new();
        for index in 0..count as usize {
            let handle = load(handles.wrapping_add(index), "ZwWaitForMultipleObjects", "Handles")?;
            match ob::ob_reference_by_handle(handle, nt_abi::SYNCHRONIZE, None, KERNEL) {
                Ok(information) => objects.push(information.object),
                Err(status) => return Ok(status),
            }
        }
        let mut headers = Vec::new();
        for object in &objects {
            let Some(header) = ob::ob_waitable(object) else { return Ok(NtStatus::OBJECT_TYPE_MISMATCH) };
            let address = std::ptr::from_ref(header).cast_mut();
            headers.push(required::<DISPATCHER_HEADER>(address, "ZwWaitForMultipleObjects", "Handles")?);
        }
        nt_ke::dispatcher::wait_multiple(&headers, kind == 0, alertable != 0, load_if(timeout)?)
    }

    /// A notification event by name; null when there is none.
    pub fn IoCreateNotificationEvent(name: *mut UNICODE_STRING, out: *mut usize) -> usize [irql <= PASSIVE_LEVEL] { named_event(name, out, false) }

    /// A synchronization event by name; null when there is none.
    pub fn IoCreateSynchronizationEvent(name: *mut UNICODE_STRING, out: *mut usize) -> usize [irql <= PASSIVE_LEVEL] { named_event(name, out, true) }

    /// Opens a symbolic link.
    pub fn ZwOpenSymbolicLinkObject(out: *mut usize, access: u32, attributes: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let attributes = captured!(attributes);
        give(ob::ob_open_by_name(&attributes, Some(ob::ob_symbolic_link_type()), KERNEL, access, &mut ())?, out, "ZwOpenSymbolicLinkObject")
    }

    /// Makes a symbolic link.
    pub fn ZwCreateSymbolicLinkObject(out: *mut usize, access: u32, attributes: usize, target: *mut UNICODE_STRING) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(ZwCreateSymbolicLinkObject: target);
        let attributes = captured!(attributes);
        if attributes.root != 0 {
            return Ok(NtStatus::NOT_SUPPORTED);
        }
        if let Err(status) = ob::ob_create_symbolic_link(&attributes.name, &units(target)?)? {
            return Ok(status);
        }
        let opened = ob::ob_open_by_name(&attributes, Some(ob::ob_symbolic_link_type()), KERNEL, access, &mut ())?;
        if let Ok(handle) = opened
            && attributes.attributes & OBJ_PERMANENT == 0
            && let Ok(link) = ob::ob_reference_by_handle(handle, 0, None, KERNEL)
        {
            // It goes with its last handle.
            ob::ob_make_temporary(link.object.address())?;
            link.object.release()?;
        }
        give(opened, out, "ZwCreateSymbolicLinkObject")
    }

    /// What a symbolic link stands for.
    pub fn ZwQuerySymbolicLinkObject(handle: usize, target: *mut UNICODE_STRING, length: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(ZwQuerySymbolicLinkObject: target);
        let link = match ob::ob_reference_by_handle(handle, 1, Some(ob::ob_symbolic_link_type()), KERNEL) {
            Ok(information) => information.object,
            Err(status) => return Ok(status),
        };
        let text = ob::ob_symbolic_link_target(&link).unwrap_or_default();
        link.release()?;
        let bytes: Vec<u8> = text.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        store_if(length, bytes.len() as u32)?;
        let room = usize::from(target.MaximumLength.get());
        if bytes.len() > room {
            return Ok(NtStatus::BUFFER_TOO_SMALL);
        }
        let buffer = target.Buffer.get() as usize;
        copy::write(buffer, &bytes).map_err(fault)?;
        if bytes.len() + 2 <= room {
            copy::write_value(buffer + bytes.len(), 0u16).map_err(fault)?;
        }
        target.Length.set(bytes.len() as u16);
        Ok(NtStatus::SUCCESS)
    }

    /// Opens a directory of the namespace.
    pub fn ZwOpenDirectoryObject(out: *mut usize, access: u32, attributes: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let attributes = captured!(attributes);
        give(ob::ob_open_by_name(&attributes, Some(ob::ob_directory_type()), KERNEL, access, &mut ())?, out, "ZwOpenDirectoryObject")
    }

    /// Lets a name go with the last handle.
    pub fn ZwMakeTemporaryObject(handle: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        match ob::ob_reference_by_handle(handle, 0, None, KERNEL) {
            Ok(information) => {
                ob::ob_make_temporary(information.object.address())?;
                information.object.release()?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Another handle to an object.
    pub fn ZwDuplicateObject(source: usize, handle: usize, target: usize, out: *mut usize, access: u32, attributes: u32, options: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        const CURRENT: usize = usize::MAX;
        if source != CURRENT || (target != CURRENT && target != 0) {
            return Ok(NtStatus::NOT_SUPPORTED);
        }
        // DUPLICATE_CLOSE_SOURCE 1, DUPLICATE_SAME_ACCESS 2, DUPLICATE_SAME_ATTRIBUTES 4.
        let mut status = NtStatus::SUCCESS;
        if target != 0 {
            let attributes = if options & 4 == 0 {
                attributes
            } else {
                match ob::ob_reference_by_handle(handle, 0, None, KERNEL) {
                    Ok(information) => information.attributes,
                    Err(status) => return Ok(status),
                }
            };
            let access = (options & 2 == 0).then_some(access);
            status = give(ob::ob_duplicate_handle(handle, access, attributes, KERNEL)?, out, "ZwDuplicateObject")?;
        }
        if options & 1 != 0 {
            kernel(|| ob::ob_close_handle(handle, KERNEL))?;
        }
        Ok(status)
    }
}
