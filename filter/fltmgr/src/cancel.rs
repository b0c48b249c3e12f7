//! Cancelling operations that a filter holds.
//!
//! ```text
//! FltSetCancelCompletion ─► the IRP has our cancel routine ─cancelled─► the filter's callback, without any lock
//!        └─ FltClearCancelCompletion: SUCCESS, the filter completes it; CANCELLED, its callback does
//! ```
//!
//! The IRP's `DriverContext` is the manager's while a filter holds the operation: word 0 is the operation, 2 and 3
//! belong to [`crate::queue`]. Statements: CAN-01 to CAN-06, CBDQ-14.

use std::sync::atomic::Ordering;

use boundary::{Raise, call};
use nt_abi::{FLTFL_CALLBACK_DATA_GENERATED_IO, IRP, NativeFn, NtStatus};
use nt_io::{io_cancel_irp, io_release_cancel_spin_lock, io_set_rust_cancel};

use crate::findings;
use crate::frame::{Operation, operation_of};
use crate::request;
use crate::requestor::is_paging;

pub(crate) fn complain(operation: &Operation, rule: &'static str, message: impl Into<String>) {
    let label = operation.current_node().map(|node| node.instance.filter.label.clone());
    findings::error(rule, label.as_deref().unwrap_or(""), message.into());
}

/// Cancels an operation that the filter issued.
///
/// Source:  FltCancelIo; CAN-01 to CAN-03
/// IRQL:    <= DISPATCH_LEVEL
/// Returns: whether a cancel routine was called: not for operations without an IRP, or cancelled before
/// Errors:  an operation that the filter did not issue is a finding
pub fn flt_cancel_io(data: usize) -> Result<bool, Raise> {
    if let Some(answer) = request::cancel(data)? {
        return Ok(answer);
    }
    let operation = crate::operation_from(data)?;
    let Some(irp) = operation.irp.get() else { return Ok(false) };
    if operation.base_flags.get() & FLTFL_CALLBACK_DATA_GENERATED_IO == 0 {
        complain(
            operation,
            "CAN-02",
            "FltCancelIo was called for an operation that the filter did not issue",
        );
    }
    if irp.Cancel.load(Ordering::Acquire) != 0 {
        return Ok(false);
    }
    io_cancel_irp(irp)
}

/// Whether an operation was cancelled; never one without an IRP.
///
/// Source: FltIsIoCanceled. IRQL: any
pub fn flt_is_io_canceled(operation: &Operation) -> bool {
    operation.irp.get().is_some_and(|irp| irp.Cancel.load(Ordering::Acquire) != 0)
}

/// Whether the operation is of a kind that can be cancelled while a filter holds it.
fn can_be_cancelled(operation: &Operation, routine: &str) -> Option<&'static IRP> {
    let irp = operation.irp.get().filter(|_| !is_paging(&operation.data));
    if irp.is_none() {
        let message = format!("{routine} was called for paging I/O, or for an operation without an IRP");
        complain(operation, "CAN-04", message);
    }
    irp
}

/// Has `callback` called when the operation, which the filter is about to hold, is cancelled.
///
/// Source:  FltSetCancelCompletion; CAN-04, CAN-05, CBDQ-14
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  CANCELLED (it is cancelled already; the callback is not called) · INVALID_PARAMETER (paging I/O, no IRP)
pub fn flt_set_cancel_completion(operation: &Operation, callback: NativeFn) -> NtStatus {
    let Some(irp) = can_be_cancelled(operation, "FltSetCancelCompletion") else {
        return NtStatus::INVALID_PARAMETER;
    };
    if irp.CancelRoutine.load(Ordering::Acquire) != 0 {
        complain(
            operation,
            "CBDQ-14",
            "FltSetCancelCompletion was called for an operation that has a cancel routine",
        );
        return NtStatus::INVALID_PARAMETER;
    }
    operation.on_cancel.store(callback.0, Ordering::Relaxed);
    irp.DriverContext()[0].set(std::ptr::from_ref(operation).cast_mut().cast());
    io_set_rust_cancel(irp, Some(cancelled));
    if irp.Cancel.load(Ordering::SeqCst) != 0 && io_set_rust_cancel(irp, None) {
        return NtStatus::CANCELLED;
    }
    NtStatus::SUCCESS
}

/// The IRP's cancel routine. The cancel spin lock is held, and is released first.
fn cancelled(irp: &'static IRP) -> Result<(), Raise> {
    let operation = operation_of(irp.DriverContext()[0].get() as usize);
    io_release_cancel_spin_lock(irp.CancelIrql.get())?;
    let Some(operation) = operation else { return Ok(()) };
    let callback = NativeFn(operation.on_cancel.load(Ordering::Relaxed));
    call(callback, [std::ptr::from_ref(&operation.data) as u64])?;
    Ok(())
}

/// Ends [`flt_set_cancel_completion`].
///
/// Source:  FltClearCancelCompletion; CAN-06
/// IRQL:    any
/// Errors:  CANCELLED (nothing was set, or it is being cancelled: the callback completes the operation)
pub fn flt_clear_cancel_completion(operation: &Operation) -> NtStatus {
    match operation.irp.get() {
        Some(irp) if io_set_rust_cancel(irp, None) => NtStatus::SUCCESS,
        _ => NtStatus::CANCELLED,
    }
}
