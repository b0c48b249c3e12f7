//! Cancelling, the cancel spin lock, top-level IRPs, and whether an operation is synchronous.

use std::sync::atomic::Ordering;

use nt_abi::irql::DISPATCH_LEVEL;
use nt_abi::{
    DISPATCHER_HEADER, FO_SYNCHRONOUS_IO, IRP, IRP_MJ_DEVICE_CONTROL, IRP_MJ_FILE_SYSTEM_CONTROL,
    IRP_PAGING_IO, IRP_SYNCHRONOUS_API, IRP_SYNCHRONOUS_PAGING_IO, KEVENT, METHOD_BUFFERED, NativeFn,
    NtStatus,
};
use nt_ke::{Lock, Raise, current_thread, dispatcher, irql, spinlock};

use crate::issue::{IoResult, IoStatus};
use crate::pointer::{address, at, at_address};
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

/// A request that a thread waits for, until this is dropped.
pub struct Waiting(&'static IRP);

/// The current thread is about to wait for `irp`, which stays until it has: who cancels what the thread waits for finds it.
pub fn io_waiting(irp: &'static IRP) -> Waiting {
    crate::subsystem().waiting.lock().push(address(irp));
    Waiting(irp)
}

impl Drop for Waiting {
    fn drop(&mut self) {
        {
            let mut waiting = crate::subsystem().waiting.lock();
            let place = waiting.iter().position(|irp| *irp == address(self.0));
            place.map(|place| waiting.swap_remove(place));
        }
        // Who cancels finds requests under this lock: let them be done with this one.
        if let Ok(old) = io_acquire_cancel_spin_lock() {
            let _ = io_release_cancel_spin_lock(old);
        }
    }
}

/// Cancels the requests of `list` that are `wanted`, each once. Those that are listed are not freed meanwhile.
///
/// Errors: NOT_FOUND
pub(crate) fn cancel_listed(list: &Lock<Vec<usize>>, wanted: impl Fn(&IRP) -> bool) -> IoResult {
    let mut done = Vec::new();
    loop {
        let old = io_acquire_cancel_spin_lock()?;
        let next = {
            let listed = list.lock();
            let fresh = listed.iter().copied().filter(|irp| !done.contains(irp));
            fresh.filter_map(at_address::<IRP>).find(|irp| wanted(irp))
        };
        let Some(irp) = next else {
            io_release_cancel_spin_lock(old)?;
            break;
        };
        done.push(address(irp));
        cancel_held(irp, old)?;
    }
    Ok(IoStatus::of(if done.is_empty() { NtStatus::NOT_FOUND } else { NtStatus::SUCCESS }))
}

/// Waits for one of `objects` (or all of them), or until `irp`, which is the caller's, is cancelled.
///
/// Source:  FsRtlCancellableWaitForSingleObject, FsRtlCancellableWaitForMultipleObjects
/// IRQL:    <= APC_LEVEL
/// Returns: as [`dispatcher::wait_multiple`]; CANCELLED
/// Errors:  as there. A wait for all of several objects, and one with an IRP that has a cancel routine, goes on when the IRP
///          is cancelled meanwhile
pub fn io_wait_cancellable(
    objects: &[&DISPATCHER_HEADER],
    all: bool,
    timeout: Option<i64>,
    irp: Option<&'static IRP>,
) -> Result<NtStatus, Raise> {
    let Some(irp) = irp else { return dispatcher::wait_multiple(objects, all, false, timeout) };
    if irp.Cancel.load(Ordering::SeqCst) != 0 {
        return Ok(NtStatus::CANCELLED);
    }
    let any = !all || objects.len() == 1;
    if !any || irp.CancelRoutine.load(Ordering::Acquire) != 0 {
        return dispatcher::wait_multiple(objects, all, false, timeout);
    }
    let event = KEVENT::default();
    dispatcher::initialize_header(&event.Header, dispatcher::object_type::NOTIFICATION_EVENT, 0);
    irp.DriverContext()[WAKE].set(address(&event) as *mut _);
    io_set_rust_cancel(irp, Some(wake));
    if irp.Cancel.load(Ordering::SeqCst) != 0 && io_set_rust_cancel(irp, None) {
        return Ok(NtStatus::CANCELLED);
    }
    let _listed = io_waiting(irp);
    let mut waited = objects.to_vec();
    waited.push(&event.Header);
    let ended = dispatcher::wait_multiple(&waited, false, false, timeout);
    // Before anything else: the IRP names an event on this stack.
    if !io_set_rust_cancel(irp, None) {
        // It is being called, and has the event.
        dispatcher::wait(&event.Header, false, None)?;
    }
    let status = ended?;
    Ok(if status.0 == objects.len() as i32 { NtStatus::CANCELLED } else { status })
}

/// Which word of the IRP's `DriverContext` names the event of a wait that can be cancelled.
const WAKE: usize = 1;

/// Ends such a wait.
fn wake(irp: &'static IRP) -> Result<(), Raise> {
    let event = at_address::<KEVENT>(irp.DriverContext()[WAKE].get() as usize);
    io_release_cancel_spin_lock(irp.CancelIrql.get())?;
    if let Some(event) = event {
        dispatcher::set_event(&event.Header);
    }
    Ok(())
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
