//! Cancel-safe queues of operations that a filter holds.
//!
//! ```text
//! insert: lock, the filter's insert callback, our cancel routine, unlock
//! remove: lock, take the cancel routine back ─taken─► the filter's remove callback ─► the caller's
//!                                             └─gone─► it is being cancelled: not the caller's any more
//! cancelled: lock, remove callback, unlock, CompleteCanceledIo
//! ```
//!
//! Who takes the cancel routine owns the operation. List, lock and order are the filter's. The IRP's
//! `DriverContext[3]` is the queue, `[2]` the context for removing it. Statements: CBDQ-01 to CBDQ-14.
//!
//! UNSAFETY: queue and context lie in the driver's memory; it keeps them while operations are queued.

use std::cell::Cell;
use std::ptr::{from_ref, null_mut};
use std::sync::atomic::Ordering;

use boundary::{Raise, call};
use nt_abi::{FLT_CALLBACK_DATA_QUEUE, IO_CSQ_IRP_CONTEXT, IRP, NativeFn, NtStatus};
use nt_io::{io_release_cancel_spin_lock, io_set_rust_cancel};

use crate::anchor::Anchored;
use crate::cancel::complain;
use crate::frame::{Operation, operation_of};
use crate::instance::Instance;

/// In `Flags`: nothing may be inserted.
const DISABLED: u32 = 1;
const TYPE_CONTEXT: u32 = 1;
const TYPE_QUEUE: u32 = 2;

/// The callbacks of a queue.
#[derive(Clone, Copy)]
pub struct QueueCallbacks {
    /// Puts an operation into the filter's list.
    pub insert: NativeFn,
    /// Takes it out.
    pub remove: NativeFn,
    /// The next one that matches.
    pub peek: NativeFn,
    /// Takes the list's lock.
    pub acquire: NativeFn,
    /// Gives it back.
    pub release: NativeFn,
    /// Completes an operation that was cancelled.
    pub complete_canceled: NativeFn,
}

/// Prepares a queue, which is enabled.
///
/// Source:  FltCbdqInitialize; CBDQ-01
/// IRQL:    any
pub fn flt_cbdq_initialize(instance: &Instance, queue: &FLT_CALLBACK_DATA_QUEUE, callbacks: QueueCallbacks) {
    queue.Csq.Type.set(TYPE_QUEUE);
    queue.Flags.set(0);
    queue.Instance.set(instance.anchor().address() as *mut _);
    queue.InsertIo.set(callbacks.insert);
    queue.RemoveIo.set(callbacks.remove);
    queue.PeekNextIo.set(callbacks.peek);
    queue.Acquire.set(callbacks.acquire);
    queue.Release.set(callbacks.release);
    queue.CompleteCanceledIo.set(callbacks.complete_canceled);
}

/// Nothing may be inserted any more. Source: FltCbdqDisable; CBDQ-04. IRQL: any.
pub fn flt_cbdq_disable(queue: &FLT_CALLBACK_DATA_QUEUE) {
    queue.Flags.set(queue.Flags.get() | DISABLED);
}

/// Ends that. Source: FltCbdqEnable; CBDQ-04. IRQL: any.
pub fn flt_cbdq_enable(queue: &FLT_CALLBACK_DATA_QUEUE) {
    queue.Flags.set(queue.Flags.get() & !DISABLED);
}

fn address(queue: &FLT_CALLBACK_DATA_QUEUE) -> u64 {
    from_ref(queue) as u64
}

fn data_of(operation: &Operation) -> u64 {
    from_ref(&operation.data) as u64
}

/// Holds the queue's lock. One variable for acquire and release. Source: CBDQ-05.
struct Held<'a> {
    queue: &'a FLT_CALLBACK_DATA_QUEUE,
    irql: &'a Cell<u8>,
}

fn acquire<'a>(queue: &'a FLT_CALLBACK_DATA_QUEUE, irql: &'a Cell<u8>) -> Result<Held<'a>, Raise> {
    call(queue.Acquire.get(), [address(queue), from_ref(irql) as u64])?;
    Ok(Held { queue, irql })
}

impl Held<'_> {
    fn release(self) -> Result<(), Raise> {
        call(self.queue.Release.get(), [address(self.queue), u64::from(self.irql.get())])?;
        Ok(())
    }

    /// Takes an operation that is ours out of the list.
    fn remove(&self, operation: &Operation, irp: &IRP) -> Result<(), Raise> {
        if let Some(context) = context_at(irp.DriverContext()[2].replace(null_mut()) as usize) {
            context.Irp.set(null_mut());
        }
        irp.DriverContext()[3].set(null_mut());
        call(self.queue.RemoveIo.get(), [address(self.queue), data_of(operation)])?;
        Ok(())
    }
}

fn context_at(address: usize) -> Option<&'static IO_CSQ_IRP_CONTEXT> {
    // SAFETY: the driver keeps the context of a queued operation; null means none.
    unsafe { (address as *const IO_CSQ_IRP_CONTEXT).as_ref() }
}

/// Puts an operation into the queue; its callback then holds it.
///
/// Source:  FltCbdqInsertIo; CBDQ-02 to CBDQ-05, CBDQ-13, CBDQ-14
/// IRQL:    as the queue's lock
/// Errors:  FLT_CBDQ_DISABLED · INVALID_PARAMETER (an operation without an IRP) · what the insert callback answered
pub fn flt_cbdq_insert_io(
    queue: &'static FLT_CALLBACK_DATA_QUEUE,
    operation: &'static Operation,
    context: Option<&'static IO_CSQ_IRP_CONTEXT>,
    insert_context: usize,
) -> Result<NtStatus, Raise> {
    let Some(irp) = operation.irp.get() else {
        complain(operation, "CBDQ-02", "FltCbdqInsertIo was called for an operation without an IRP");
        return Ok(NtStatus::INVALID_PARAMETER);
    };
    let irql = Cell::new(0);
    let held = acquire(queue, &irql)?;
    if queue.Flags.get() & DISABLED != 0 {
        held.release()?;
        return Ok(NtStatus::FLT_CBDQ_DISABLED);
    }
    if irp.CancelRoutine.load(Ordering::Acquire) != 0 {
        complain(
            operation,
            "CBDQ-14",
            "FltCbdqInsertIo was called for an operation that has a cancel routine: FltSetCancelCompletion is not for \
             operations that go into a queue",
        );
        io_set_rust_cancel(irp, None);
    }
    let answer = call(queue.InsertIo.get(), [address(queue), data_of(operation), insert_context as u64])?;
    let answer = NtStatus(answer as u32 as i32);
    if !answer.is_success() {
        held.release()?;
        return Ok(answer);
    }
    if let Some(context) = context {
        context.Type.set(TYPE_CONTEXT);
        context.Irp.set(from_ref(irp).cast_mut());
        context.Csq.set(from_ref(&queue.Csq).cast_mut());
    }
    let words = irp.DriverContext();
    words[0].set(from_ref(operation).cast_mut().cast());
    words[2].set(context.map_or(null_mut(), |context| from_ref(context).cast_mut().cast()));
    words[3].set(from_ref(queue).cast_mut().cast());
    io_set_rust_cancel(irp, Some(cancelled));
    if irp.Cancel.load(Ordering::SeqCst) != 0 && io_set_rust_cancel(irp, None) {
        held.remove(operation, irp)?;
        held.release()?;
        call(queue.CompleteCanceledIo.get(), [address(queue), data_of(operation)])?;
        return Ok(NtStatus::SUCCESS);
    }
    held.release()?;
    Ok(NtStatus::SUCCESS)
}

/// The IRP's cancel routine. Source: CBDQ-11.
fn cancelled(irp: &'static IRP) -> Result<(), Raise> {
    let words = irp.DriverContext();
    let (operation, queue) = (words[0].get() as usize, words[3].get() as *const FLT_CALLBACK_DATA_QUEUE);
    io_release_cancel_spin_lock(irp.CancelIrql.get())?;
    // SAFETY: the driver keeps a queue that has operations; who took the cancel routine owns this one.
    let (Some(queue), Some(operation)) = (unsafe { queue.as_ref() }, operation_of(operation)) else {
        return Ok(());
    };
    let irql = Cell::new(0);
    let held = acquire(queue, &irql)?;
    held.remove(operation, irp)?;
    held.release()?;
    call(queue.CompleteCanceledIo.get(), [address(queue), data_of(operation)])?;
    Ok(())
}

/// Takes one operation out of the queue: its callback data, or 0 when it is not there any more.
///
/// Source:  FltCbdqRemoveIo; CBDQ-09, CBDQ-10
/// IRQL:    as the queue's lock
pub fn flt_cbdq_remove_io(
    queue: &'static FLT_CALLBACK_DATA_QUEUE,
    context: &IO_CSQ_IRP_CONTEXT,
) -> Result<usize, Raise> {
    let irql = Cell::new(0);
    let held = acquire(queue, &irql)?;
    // SAFETY: while the context names an IRP, that is queued; the lock is held.
    let irp = unsafe { (context.Irp.get() as *const IRP).as_ref() };
    let mut removed = 0;
    if let Some(irp) = irp
        && let Some(operation) = operation_of(irp.DriverContext()[0].get() as usize)
        && io_set_rust_cancel(irp, None)
    {
        held.remove(operation, irp)?;
        removed = data_of(operation) as usize;
    }
    held.release()?;
    Ok(removed)
}

/// Takes the first operation that matches, and that is not being cancelled, out of the queue, or 0.
///
/// Source:  FltCbdqRemoveNextIo; CBDQ-07, CBDQ-08
/// IRQL:    as the queue's lock
pub fn flt_cbdq_remove_next_io(
    queue: &'static FLT_CALLBACK_DATA_QUEUE,
    peek_context: usize,
) -> Result<usize, Raise> {
    let irql = Cell::new(0);
    let held = acquire(queue, &irql)?;
    let mut found = 0;
    loop {
        found = call(queue.PeekNextIo.get(), [address(queue), found as u64, peek_context as u64])? as usize;
        if found == 0 {
            break;
        }
        let operation = crate::operation_from(found)?;
        if let Some(irp) = operation.irp.get()
            && io_set_rust_cancel(irp, None)
        {
            held.remove(operation, irp)?;
            break;
        }
    }
    held.release()?;
    Ok(found)
}
