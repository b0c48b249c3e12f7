//! The manager's devices and where their IRPs go; their fast I/O is in [`crate::fast`], their file system filter
//! operations in [`crate::fs_filter`].
//!
//! UNSAFETY: a device names its volume without owning it; the manager's tables do, until the device is gone.

use std::mem::ManuallyDrop;
use std::sync::Arc;

use boundary::Raise;
use nt_abi::{
    DEVICE_OBJECT, FLTFL_CALLBACK_DATA_GENERATED_IO, IRP, IRP_MJ_CLEANUP, IRP_MJ_FILE_SYSTEM_CONTROL,
    IRP_MN_MOUNT_VOLUME, NtStatus,
};
use nt_io::{
    Dispatch, FastIo, FsFilter, device_state, io_call_driver, io_complete_with, io_current_stack,
    io_get_lower_device, io_skip_current,
};

use crate::generated;
use crate::mount;
use crate::operation::{self, Origin};
use crate::volume::Volume;

/// What a device of the manager is attached to.
pub enum Attachment {
    /// A file system's control device.
    Control,
    /// A mounted volume.
    Volume(VolumePointer),
}

/// A volume that the manager's tables own for longer than the device exists.
pub struct VolumePointer(*const Volume);

// SAFETY: it stands for a shared reference to a `Volume`, which is `Sync`.
unsafe impl Send for VolumePointer {}
// SAFETY: as above.
unsafe impl Sync for VolumePointer {}

impl VolumePointer {
    /// Points at `volume` without a count of its own.
    pub fn new(volume: &Arc<Volume>) -> Self {
        Self(Arc::as_ptr(volume))
    }

    /// The volume; its count is not touched.
    #[inline]
    pub fn borrow(&self) -> ManuallyDrop<Arc<Volume>> {
        // SAFETY: the address came from an `Arc` that lives while the device can receive IRPs; the copy made
        // here is never dropped, so the count stays right.
        ManuallyDrop::new(unsafe { Arc::from_raw(self.0) })
    }
}

/// The driver.
pub struct FilterManager;

impl Dispatch for FilterManager {
    fn dispatch(&self, device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
        match device_state::<Attachment>(device) {
            Some(Attachment::Volume(volume)) => arrive(&volume.borrow(), irp),
            Some(Attachment::Control) => control(device, irp),
            None => io_complete_with(irp, NtStatus::INVALID_DEVICE_REQUEST, 0),
        }
    }

    fn fast_io(&self) -> Option<&dyn FastIo> {
        Some(self)
    }

    fn fs_filter(&self) -> Option<&dyn FsFilter> {
        Some(self)
    }
}

fn arrive(volume: &Arc<Volume>, irp: &'static IRP) -> Result<NtStatus, Raise> {
    match generated::opener(irp) {
        None => operation::run(volume, irp, Origin::ABOVE),
        Some(opener) => {
            if io_current_stack(irp).MajorFunction.get() == IRP_MJ_CLEANUP {
                opener.cleaned_up();
            }
            let flags = if opener.generated { FLTFL_CALLBACK_DATA_GENERATED_IO } else { 0 };
            operation::run(
                volume,
                irp,
                Origin { below: Some(&opener.altitude), flags, kept: false, transaction: opener.transaction },
            )
        }
    }
}

fn control(device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
    let Some(lower) = io_get_lower_device(device) else {
        return io_complete_with(irp, NtStatus::INVALID_DEVICE_REQUEST, 0);
    };
    let stack = io_current_stack(irp);
    if stack.MajorFunction.get() == IRP_MJ_FILE_SYSTEM_CONTROL
        && stack.MinorFunction.get() == IRP_MN_MOUNT_VOLUME
    {
        return mount::mount(lower, irp);
    }
    io_skip_current(irp);
    io_call_driver(lower, irp)
}
