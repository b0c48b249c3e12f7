//! Stack locations of an IRP: each driver's own arguments.
//!
//! `CurrentLocation` counts down from `StackCount + 1`; the pointer `Tail.Overlay.CurrentStackLocation` goes
//! with it, as drivers' inline functions expect.

use nt_abi::{
    ACCESS_STATE, DEVICE_OBJECT, FILE_OBJECT, IO_SECURITY_CONTEXT, IO_STACK_LOCATION, IRP, NativeFn,
    NtStatus, SL_INVOKE_ON_CANCEL, SL_INVOKE_ON_ERROR, SL_INVOKE_ON_SUCCESS, SL_PENDING_RETURNED, VPB,
};
use nt_ke::Raise;

use crate::codes::CONTROL_RUST;
use crate::pointer::at;

/// A completion routine of a driver in Rust. The device is the one that set it, `None` for an IRP's creator.
pub type RustCompletion = fn(Option<&'static DEVICE_OBJECT>, &'static IRP, usize) -> Result<NtStatus, Raise>;

/// What runs when the drivers below have completed an IRP.
#[derive(Clone, Copy)]
pub enum Completion {
    /// A routine of a native driver.
    Native {
        /// Its address.
        routine: NativeFn,
        /// Its third argument.
        context: usize,
    },
    /// A routine of the engine.
    Rust {
        /// The function.
        routine: RustCompletion,
        /// Its third argument.
        context: usize,
    },
}

/// The current stack location. Source: IoGetCurrentIrpStackLocation. IRQL: any.
#[inline]
pub fn io_current_stack(irp: &IRP) -> &'static IO_STACK_LOCATION {
    at(irp.CurrentStackLocation().get()).expect("an IRP that a driver owns has a current stack location")
}

/// The stack location of the next-lower driver. Source: IoGetNextIrpStackLocation. IRQL: any.
#[inline]
pub fn io_next_stack(irp: &IRP) -> &'static IO_STACK_LOCATION {
    let current = irp.CurrentStackLocation().get();
    at(current.wrapping_sub(1)).expect("an IRP has stack locations")
}

/// Lets the next driver use the caller's stack location. Source: IoSkipCurrentIrpStackLocation; IO-07.
#[inline]
pub fn io_skip_current(irp: &IRP) {
    irp.CurrentLocation.set(irp.CurrentLocation.get() + 1);
    irp.CurrentStackLocation().set(irp.CurrentStackLocation().get().wrapping_add(1));
}

/// Makes the next stack location the current one. Source: IoSetNextIrpStackLocation.
#[inline]
pub fn io_set_next_location(irp: &IRP) {
    irp.CurrentLocation.set(irp.CurrentLocation.get() - 1);
    irp.CurrentStackLocation().set(irp.CurrentStackLocation().get().wrapping_sub(1));
}

/// Copies the arguments, not the completion routine. Source: IoCopyCurrentIrpStackLocationToNext.
#[inline]
pub fn io_copy_current_to_next(irp: &IRP) {
    copy_arguments(io_current_stack(irp), io_next_stack(irp));
}

/// Copies everything in front of the completion routine and clears `Control`.
pub fn copy_arguments(from: &IO_STACK_LOCATION, to: &IO_STACK_LOCATION) {
    to.MajorFunction.set(from.MajorFunction.get());
    to.MinorFunction.set(from.MinorFunction.get());
    to.Flags.set(from.Flags.get());
    to.Control.set(0);
    for (to, from) in to.Parameters.raw.iter().zip(&from.Parameters.raw) {
        to.set(from.get());
    }
    to.DeviceObject.set(from.DeviceObject.get());
    to.FileObject.set(from.FileObject.get());
}

/// Sets the routine that runs when the next-lower driver has completed the IRP.
///
/// Source:  IoSetCompletionRoutine; IO-08
/// IRQL:    <= DISPATCH_LEVEL
pub fn io_set_completion(
    irp: &IRP,
    completion: Completion,
    on_success: bool,
    on_error: bool,
    on_cancel: bool,
) {
    let next = io_next_stack(irp);
    let mut control = 0;
    match completion {
        Completion::Native { routine, context } => {
            next.CompletionRoutine.set(routine);
            next.Context.set(context as *mut _);
        }
        Completion::Rust { routine, context } => {
            next.CompletionRoutine.set(NativeFn(routine as usize));
            next.Context.set(context as *mut _);
            control |= CONTROL_RUST;
        }
    }
    for (wanted, bit) in
        [(on_success, SL_INVOKE_ON_SUCCESS), (on_error, SL_INVOKE_ON_ERROR), (on_cancel, SL_INVOKE_ON_CANCEL)]
    {
        if wanted {
            control |= bit;
        }
    }
    next.Control.set(control);
}

/// The Rust completion routine at `address`.
///
/// UNSAFETY: the address came from [`io_set_completion`], which alone sets `CONTROL_RUST`.
pub(crate) fn rust_routine(address: NativeFn) -> RustCompletion {
    // SAFETY: as above.
    unsafe { std::mem::transmute::<usize, RustCompletion>(address.0) }
}

/// Marks the IRP pending. Source: IoMarkIrpPending; IO-01 to IO-06. IRQL: <= DISPATCH_LEVEL.
#[inline]
pub fn io_mark_pending(irp: &IRP) {
    let stack = io_current_stack(irp);
    stack.Control.set(stack.Control.get() | SL_PENDING_RETURNED);
}

/// Forgets what a stack location said, once the driver below is done with it.
pub(crate) fn clear(stack: &IO_STACK_LOCATION) {
    stack.MinorFunction.set(0);
    stack.Flags.set(0);
    stack.Control.set(0);
    for word in &stack.Parameters.raw {
        word.set(0);
    }
    stack.FileObject.set(std::ptr::null_mut());
}

/// The file object of a stack location.
#[inline]
pub fn stack_file(stack: &IO_STACK_LOCATION) -> Option<&'static FILE_OBJECT> {
    at(stack.FileObject.get())
}

/// The directory that a rename or link goes to, if it names one (FS-26).
#[inline]
pub fn target_directory(stack: &IO_STACK_LOCATION) -> Option<&'static FILE_OBJECT> {
    at(stack.Parameters.SetFile().FileObject.get())
}

/// The VPB and the storage device of a mount or verify request.
pub fn mount_arguments(stack: &IO_STACK_LOCATION) -> Option<(&'static VPB, &'static DEVICE_OBJECT)> {
    let mount = stack.Parameters.MountVolume();
    Some((at(mount.Vpb.get())?, at(mount.DeviceObject.get())?))
}

/// The security context of a create, and the access state behind it.
pub fn create_security(
    stack: &IO_STACK_LOCATION,
) -> Option<(&'static IO_SECURITY_CONTEXT, &'static ACCESS_STATE)> {
    let context = at(stack.Parameters.Create().SecurityContext.get())?;
    Some((context, at(context.AccessState.get())?))
}
