//! Cancelling, the cancel spin lock, top-level IRPs, and whether an operation is synchronous.

use std::sync::atomic::Ordering;

use nt_abi::irql::DISPATCH_LEVEL;
use nt_abi::{
    FO_SYNCHRONOUS_IO, IRP, IRP_MJ_DEVICE_CONTROL, IRP_MJ_FILE_SYSTEM_CONTROL, IRP_PAGING_IO,
    IRP_SYNCHRONOUS_API, IRP_SYNCHRONOUS_PAGING_IO, METHOD_BUFFERED, NativeFn,
};
use nt_ke::{Raise, current_thread, irql, spinlock};

use crate::pointer::{address, at};
use crate::stack::{io_current_stack, stack_file};

/// A cancel routine of a driver in Rust. Called like a native one: it must release the cancel spin lock with
/// `irp.CancelIrql` before it completes the IRP.
pub type RustCancel = fn(&'static IRP) -> Result<(), Raise>;

/// Marks Rust routines in `IRP.CancelRoutine`: they are far below every machine's addresses and aligned.
const RUST: usize = 1 << 63;

/// Takes the cancel spin lock; returns the IRQL to give back. Source: IoAcquireCancelSpinLock.
pub fn io_acquire_cancel_spin_lock() -> Result<u8, Raise> {
    let old = irql::raise(DISPATCH_LEVEL);
    spinlock::acquire(&crate::subsystem().cancel_lock)?;
    Ok(old)
}

/// Releases it. Source: IoReleaseCancelSpinLock.
pub fn io_release_cancel_spin_lock(old: u8) -> Result<(), Raise> {
    spinlock::release(&crate::subsystem().cancel_lock)?;
    irql::lower(old);
    Ok(())
}

/// Swaps the cancel routine and returns the one before. Source: IoSetCancelRoutine; IO-22. IRQL: any.
pub fn io_set_cancel_routine(irp: &IRP, routine: NativeFn) -> NativeFn {
    NativeFn(irp.CancelRoutine.swap(routine.0, Ordering::AcqRel))
}

/// The same for a routine in Rust; `None` clears. Returns whether one was set.
pub fn io_set_rust_cancel(irp: &IRP, routine: Option<RustCancel>) -> bool {
    let value = routine.map_or(0, |routine| routine as usize | RUST);
    irp.CancelRoutine.swap(value, Ordering::AcqRel) != 0
}

/// UNSAFETY: turns the number that `io_set_rust_cancel` stored back into the function.
fn rust_cancel(value: usize) -> RustCancel {
    // SAFETY: only `io_set_rust_cancel` sets the marker, on the address of such a function.
    unsafe { std::mem::transmute::<usize, RustCancel>(value & !RUST) }
}

/// Marks the IRP cancelled and calls its cancel routine, if it has one.
///
/// Source:  IoCancelIrp; IO-20, IO-21
/// IRQL:    <= DISPATCH_LEVEL
/// Returns: whether a cancel routine was called
pub fn io_cancel_irp(irp: &'static IRP) -> Result<bool, Raise> {
    let old = io_acquire_cancel_spin_lock()?;
    cancel_held(irp, old)
}

/// The same with the cancel spin lock held; `old` is the IRQL before. The lock is released.
pub(crate) fn cancel_held(irp: &'static IRP, old: u8) -> Result<bool, Raise> {
    irp.Cancel.store(1, Ordering::Release);
    let routine = irp.CancelRoutine.swap(0, Ordering::AcqRel);
    if routine == 0 {
        io_release_cancel_spin_lock(old)?;
        return Ok(false);
    }
    irp.CancelIrql.set(old);
    if routine & RUST != 0 {
        rust_cancel(routine)(irp)?;
    } else {
        let device = at(irp.CurrentStackLocation().get())
            .map_or(std::ptr::null_mut(), |stack| stack.DeviceObject.get());
        boundary::call(NativeFn(routine), [device as u64, address(irp) as u64])?;
    }
    Ok(true)
}

/// The top-level IRP of the thread, or one of the FSRTL_* markers. Source: IoGetTopLevelIrp; IO-25.
pub fn io_get_top_level_irp() -> usize {
    current_thread().top_level_irp().get()
}

/// Sets it. Source: IoSetTopLevelIrp; IO-26.
pub fn io_set_top_level_irp(irp: usize) {
    current_thread().top_level_irp().set(irp);
}

/// Whether the request is synchronous for who issued it. Source: IoIsOperationSynchronous; IO-46. IRQL: any.
pub fn io_is_operation_synchronous(irp: &IRP) -> bool {
    let flags = irp.Flags.get();
    if flags & IRP_PAGING_IO != 0 && flags & IRP_SYNCHRONOUS_PAGING_IO == 0 {
        return false;
    }
    if flags & IRP_PAGING_IO != 0 || flags & IRP_SYNCHRONOUS_API != 0 {
        return true;
    }
    let stack = io_current_stack(irp);
    if stack_file(stack).is_some_and(|file| file.Flags.load(Ordering::Relaxed) & FO_SYNCHRONOUS_IO != 0) {
        return true;
    }
    matches!(stack.MajorFunction.get(), IRP_MJ_DEVICE_CONTROL | IRP_MJ_FILE_SYSTEM_CONTROL)
        && stack.Parameters.DeviceIoControl().IoControlCode.get() & 3 == METHOD_BUFFERED
}
