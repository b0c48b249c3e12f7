//! Undoing a create, and issuing an operation again below the instance whose post callback runs.
//!
//! An operation is issued again with its own IRP: the layers below have completed it to the manager's stack location, whose
//! parameters become those that the filter wants, and are put back afterwards.
//!
//! Statements: GIO-12 to GIO-15, GIO-36 to GIO-38, POST-14, X-03, X-06.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::irql::PASSIVE_LEVEL;
use nt_abi::{
    FILE_OBJECT, FLTFL_CALLBACK_DATA_DIRTY, FLTFL_CALLBACK_DATA_GENERATED_IO,
    FLTFL_CALLBACK_DATA_REISSUED_IO, FO_FILE_OPEN_CANCELLED, FO_HANDLE_CREATED, IO_STACK_LOCATION, IRP,
    IRP_CLOSE_OPERATION, IRP_MJ_CLEANUP, IRP_MJ_CREATE, IRP_SYNCHRONOUS_API, NtStatus,
};
use nt_ex::pool;
use nt_io::{copy_arguments, file_slot, io_current_stack};
use nt_ke::irql;

use crate::findings;
use crate::frame::{Operation, Phase, SYNCHRONIZED, inside};
use crate::generated::{SLOT, issue};
use crate::instance::Instance;
use crate::operation::{self, Origin};
use crate::parameters::{self, SavedIrp};
use crate::request::{self, Request};

/// Issues an operation again, strictly below `instance`, and waits. The result is in `IoStatus`.
///
/// Source:  FltReissueSynchronousIo; GIO-12 to GIO-15, X-06
/// IRQL:    <= APC_LEVEL
/// Errors:  CANCELLED in `IoStatus` (a create whose open was cancelled) · findings, and nothing is sent: another instance
///          than the one whose post callback runs, an operation that is not synchronized
pub fn flt_reissue_synchronous_io(instance: &Arc<Instance>, data: usize) -> Result<(), Raise> {
    match request::request_of(data) {
        Some(request) => again(instance, request),
        None => from_post(instance, crate::operation_from(data)?),
    }
}

/// An operation that the filter made itself.
fn again(instance: &Instance, request: &Request) -> Result<(), Raise> {
    if request.is_under_way("FltReissueSynchronousIo") {
        return Ok(());
    }
    if !request.is_done() || !std::ptr::eq(instance, &*request.instance) {
        request.complain(
            "GIO-13",
            "FltReissueSynchronousIo was called for an operation that the instance has not performed",
        );
        return Ok(());
    }
    if take_dirty(&request.data.Flags) {
        return request.perform(FLTFL_CALLBACK_DATA_REISSUED_IO);
    }
    request.last_sent().restore(&request.iopb);
    request.perform(FLTFL_CALLBACK_DATA_REISSUED_IO)
}

fn take_dirty(flags: &std::cell::Cell<u32>) -> bool {
    let found = flags.get();
    flags.set(found & !FLTFL_CALLBACK_DATA_DIRTY);
    found & FLTFL_CALLBACK_DATA_DIRTY != 0
}

fn from_post(instance: &Arc<Instance>, operation: &'static Operation) -> Result<(), Raise> {
    let refuse = |rule, why: &str| {
        let message = format!("FltReissueSynchronousIo was called {why}; nothing is sent");
        findings::error(rule, &instance.filter.label, message);
        Ok(())
    };
    let node = operation.current_node().filter(|_| operation.phase.get() == Phase::Post);
    let (Some(node), Some(record), Some(irp)) = (node, operation.current_record(), operation.irp.get())
    else {
        return refuse("GIO-13", "outside a post callback, or for an operation without an IRP");
    };
    if !Arc::ptr_eq(&node.instance, instance) {
        return refuse("GIO-12", "with another instance than the one whose post callback runs");
    }
    let create = operation.iopb.MajorFunction.get() == IRP_MJ_CREATE;
    if !create && !record.is(SYNCHRONIZED) {
        return refuse("GIO-13", "for an operation whose pre callback did not return FLT_PREOP_SYNCHRONIZE");
    }
    let seen = operation.seen(record);
    let dirty = take_dirty(&operation.data.Flags);
    if !dirty {
        // Changes that are not marked do not count.
        seen.restore(&operation.iopb);
    }
    let status = &operation.data.IoStatus;
    if create && crate::pointer::file(operation.iopb.TargetFileObject.get()).is_some_and(is_cancelled) {
        status.Status.set(NtStatus::CANCELLED);
        status.Information.set(0);
        return Ok(());
    }
    free_tag(operation, irp)?;
    let flags =
        operation.base_flags.get() & FLTFL_CALLBACK_DATA_GENERATED_IO | FLTFL_CALLBACK_DATA_REISSUED_IO;
    send(instance, operation, irp, flags)?;
    status.Status.set(irp.IoStatus.Status.get());
    status.Information.set(irp.IoStatus.Information.get());
    if status.Status.get() == NtStatus::REPARSE {
        operation.data.TagData.set(irp.AuxiliaryBuffer().get().cast());
    }
    // The layers above have what they sent.
    seen.restore(&operation.iopb);
    operation.buffers.borrow_mut().reissued = true;
    operation.extras.set(true);
    Ok(())
}

fn is_cancelled(file: &FILE_OBJECT) -> bool {
    file.Flags.load(Ordering::Relaxed) & FO_FILE_OPEN_CANCELLED != 0
}

/// The reparse data of the first answer are nobody's any more.
fn free_tag(operation: &Operation, irp: &IRP) -> Result<(), Raise> {
    let tag = operation.data.TagData.replace(std::ptr::null_mut());
    irp.AuxiliaryBuffer().set(std::ptr::null_mut());
    if tag.is_null() { Ok(()) } else { pool::free(tag.cast(), None) }
}

/// Sends the IRP with the parameters in the block, and puts its own back.
fn send(instance: &Arc<Instance>, operation: &Operation, irp: &'static IRP, flags: u32) -> Result<(), Raise> {
    let (stack, saved, fields) = (io_current_stack(irp), IO_STACK_LOCATION::default(), SavedIrp::of(irp));
    let control = stack.Control.get();
    copy_arguments(stack, &saved);
    parameters::store(&operation.iopb, irp, stack);
    let sent = irp.MdlAddress.get();
    irp.IoStatus.Status.set(NtStatus::SUCCESS);
    irp.IoStatus.Information.set(0);
    irp.PendingReturned.set(0);
    let origin = Origin {
        below: Some(&instance.altitude),
        flags,
        kept: true,
        transaction: operation.transaction.get(),
    };
    operation::run(&instance.volume, irp, origin)?;
    let found = irp.MdlAddress.get();
    copy_arguments(&saved, stack);
    stack.Control.set(control);
    fields.restore(irp);
    if found != sent {
        irp.MdlAddress.set(found);
    }
    Ok(())
}

/// Undoes a successful create from its post callback: the layers below see the file cleaned up and closed, those
/// above a failed create. The caller then sets a failure status.
///
/// Source:  FltCancelFileOpen; GIO-36 to GIO-38, POST-14, X-03. IRQL: PASSIVE_LEVEL
/// Errors:  findings, and nothing is done: a file that has a handle, one that is not open yet (a pre callback), a create that
///          came to REPARSE (a warning)
pub fn flt_cancel_file_open(instance: &Instance, file: &'static FILE_OBJECT) -> Result<(), Raise> {
    let label = &instance.filter.label;
    if irql::current() > PASSIVE_LEVEL {
        findings::error("GIO-36", label, "FltCancelFileOpen was called above PASSIVE_LEVEL");
    }
    let create =
        inside(instance, file).filter(|operation| operation.iopb.MajorFunction.get() == IRP_MJ_CREATE);
    if create.is_some_and(|operation| operation.data.IoStatus.Status.get() == NtStatus::REPARSE) {
        let message = "FltCancelFileOpen was called for a create that came to STATUS_REPARSE: no file is open, so there is \
                       nothing to cancel";
        findings::warning("GIO-38", label, message);
        return Ok(());
    }
    let wrong = if file.Flags.load(Ordering::Relaxed) & FO_HANDLE_CREATED != 0 {
        Some("that has a handle")
    } else if create.is_some_and(|operation| operation.phase.get() == Phase::Pre) {
        Some("that is not open yet")
    } else if is_cancelled(file) {
        Some("whose open was cancelled already")
    } else {
        None
    };
    if let Some(what) = wrong {
        let message = format!(
            "FltCancelFileOpen was called for a file {what}: only a post-create callback may call it"
        );
        findings::error("GIO-36", label, message);
        return Ok(());
    }
    issue(&instance.volume, Some(&instance.altitude), file, IRP_MJ_CLEANUP, |irp, _| {
        irp.Flags.set(IRP_SYNCHRONOUS_API | IRP_CLOSE_OPERATION);
    })?;
    // The I/O manager sends CLOSE when it drops the file object of the failed create.
    file.Flags.fetch_or(FO_FILE_OPEN_CANCELLED, Ordering::Relaxed);
    file_slot(file, SLOT).set(instance.volume.opener_below(&instance.altitude));
    Ok(())
}
