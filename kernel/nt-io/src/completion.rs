//! Down and up the device stack: `io_call_driver` and the completion walk.
//!
//! ```text
//! io_call_driver ─► dispatch ─► … ─► io_complete_request
//!                                      │ each location upwards: completion routine, or pending bit carried up
//!                                      │ MORE_PROCESSING_REQUIRED: stop; the routine's driver owns the IRP
//!                                      ▼ past the top
//!                                    issued IRP: finish (see `issue`) · associated: master · other: its creator's mistake
//! ```

use std::sync::atomic::Ordering;

use nt_abi::{
    DEVICE_OBJECT, IO_TYPE_IRP, IRP, IRP_ASSOCIATED_IRP, IRP_CLOSE_OPERATION, IRP_PAGING_IO,
    IRP_SYNCHRONOUS_PAGING_IO, NativeFn, NtStatus, SL_ERROR_RETURNED, SL_INVOKE_ON_CANCEL,
    SL_INVOKE_ON_ERROR, SL_INVOKE_ON_SUCCESS, SL_PENDING_RETURNED, bugcheck,
};
use nt_ke::{BugCheck, Finding, Raise, current_core, current_thread, dispatcher};

use crate::codes::CONTROL_RUST;
use crate::driver;
use crate::irp::{io_free_irp, set_io_status, tail};
use crate::issue;
use crate::pointer::{address, at, pointer};
use crate::stack::{self, Completion, io_copy_current_to_next, io_mark_pending, io_set_completion};

/// Sends `irp` to `device`, whose arguments stand in the IRP's next stack location.
///
/// Source:  IoCallDriver; IO-17, IO-18
/// IRQL:    <= DISPATCH_LEVEL; what the target needs may be less
/// Returns: what the dispatch routine returned; the IRP is not the caller's any more
/// Errors:  no stack location left is bug check 0x35
#[inline]
pub fn io_call_driver(device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
    let location = irp.CurrentLocation.get() - 1;
    if location <= 0 || irp.Type.get() != IO_TYPE_IRP {
        return Err(current_core().bug_check(BugCheck::new(
            bugcheck::NO_MORE_IRP_STACK_LOCATIONS,
            [address(irp) as u64, 0, 0, 0],
            "an IRP was sent to a driver but has no stack location left for it (or is no IRP): the IRP was allocated \
             with fewer stack locations than the device's StackSize, or sent after it was completed",
        )));
    }
    let stack = irp.CurrentStackLocation().get().wrapping_sub(1);
    irp.CurrentLocation.set(location);
    irp.CurrentStackLocation().set(stack);
    let stack = stack::io_current_stack(irp);
    stack.DeviceObject.set(pointer(device));
    driver::call_dispatch(device, irp, stack.MajorFunction.get())
}

/// Completes `irp` with its `IoStatus`: runs the completion routines of the drivers above.
///
/// Source:  IoCompleteRequest; IO-01, IO-05, IO-08 to IO-14
/// IRQL:    <= DISPATCH_LEVEL, no spin lock held
/// Errors:  a second completion is bug check 0x44
pub fn io_complete_request(irp: &'static IRP, boost: u8) -> Result<(), Raise> {
    let count = irp.StackCount.get();
    if irp.Type.get() != IO_TYPE_IRP || irp.CurrentLocation.get() > count + 1 {
        return Err(current_core().bug_check(BugCheck::new(
            bugcheck::MULTIPLE_IRP_COMPLETE_REQUESTS,
            [address(irp) as u64, 0, 0, 0],
            "an IRP was completed that is complete already, or that is no IRP",
        )));
    }
    let status = irp.IoStatus.Status.get();
    if status == NtStatus::PENDING {
        current_core().report(Finding::error(
            "IO-13",
            driver::name_of_current(irp),
            "an IRP was completed with STATUS_PENDING as its status",
        ));
    }
    if irp.CancelRoutine.load(Ordering::Relaxed) != 0 {
        current_core().report(Finding::error(
            "IO-22",
            driver::name_of_current(irp),
            "an IRP was completed while its cancel routine was still set",
        ));
    }
    loop {
        let below = stack::io_current_stack(irp);
        let location = irp.CurrentLocation.get() + 1;
        irp.CurrentLocation.set(location);
        irp.CurrentStackLocation().set(irp.CurrentStackLocation().get().wrapping_add(1));
        if location > count + 1 {
            break;
        }
        let control = below.Control.get();
        let pending = control & SL_PENDING_RETURNED != 0;
        irp.PendingReturned.set(u8::from(pending));
        let status = irp.IoStatus.Status.get();
        let at_top = location == count + 1;
        let wanted = if status.is_success() { SL_INVOKE_ON_SUCCESS } else { SL_INVOKE_ON_ERROR };
        let cancelled = irp.Cancel.load(Ordering::Relaxed) != 0 && control & SL_INVOKE_ON_CANCEL != 0;
        if control & wanted != 0 || cancelled {
            let (routine, context) = (below.CompletionRoutine.get(), below.Context.get());
            stack::clear(below);
            let device =
                if at_top { std::ptr::null_mut() } else { stack::io_current_stack(irp).DeviceObject.get() };
            let answer = if control & CONTROL_RUST != 0 {
                stack::rust_routine(routine)(at(device), irp, context as usize)?
            } else {
                call_routine(routine, [device as u64, address(irp) as u64, context as u64])?
            };
            if answer == NtStatus::MORE_PROCESSING_REQUIRED {
                return Ok(());
            }
        } else {
            stack::clear(below);
            if pending && !at_top {
                io_mark_pending(irp);
            }
        }
        if irp.IoStatus.Status.get().is_error() && !at_top {
            let above = stack::io_current_stack(irp);
            above.Control.set(above.Control.get() | SL_ERROR_RETURNED);
        }
    }
    completed(irp, boost)
}

/// Calls a driver's completion routine, which leaves only the critical regions that it entered itself.
///
/// Source: EXEC-08
fn call_routine(routine: NativeFn, arguments: [u64; 3]) -> Result<NtStatus, Raise> {
    let before = current_thread().kernel_apc_disable().get();
    let answer = boundary::call(routine, arguments)?;
    let after = current_thread().kernel_apc_disable().get();
    if after != before {
        let what = if after < before {
            "left a critical region that it had not entered"
        } else {
            "did not leave a critical region that it had entered"
        };
        let mut finding = Finding::error(
            "EXEC-08",
            "",
            format!("a completion routine {what}: a dispatch routine enters and leaves around IoCallDriver"),
        );
        finding.places.insert(0, routine.0);
        current_core().report(finding);
    }
    Ok(NtStatus(answer as u32 as i32))
}

/// What is left when the walk has passed the last stack location.
fn completed(irp: &'static IRP, boost: u8) -> Result<(), Raise> {
    let flags = irp.Flags.get();
    if flags & IRP_ASSOCIATED_IRP != 0 {
        return associated_completed(irp, boost);
    }
    if let Some(tail) = tail(irp) {
        return issue::completed(irp, tail);
    }
    if flags & (IRP_PAGING_IO | IRP_CLOSE_OPERATION) != 0
        && flags & (IRP_SYNCHRONOUS_PAGING_IO | IRP_CLOSE_OPERATION) != 0
    {
        if let Some(block) = at(irp.UserIosb.get()) {
            set_io_status(block, irp.IoStatus.Status.get(), irp.IoStatus.Information.get());
        }
        let event = irp.UserEvent.get();
        if flags & IRP_PAGING_IO != 0 {
            io_free_irp(irp)?;
        }
        if let Some(event) = at(event) {
            dispatcher::set_event(&event.Header);
        }
        return Ok(());
    }
    current_core().report(Finding::error(
        "IO-11",
        "",
        "an IRP of IoAllocateIrp was completed past its last stack location: its creator has to stop the completion with \
         STATUS_MORE_PROCESSING_REQUIRED and free it. The IRP is leaked",
    ));
    Ok(())
}

fn associated_completed(irp: &'static IRP, boost: u8) -> Result<(), Raise> {
    let Some(master) = at(irp.MasterIrp().get()) else {
        return io_free_irp(irp);
    };
    let left = {
        let _lock = crate::subsystem().cancel_state.lock();
        let left = master.AssociatedIrp.IrpCount().get().wrapping_sub(1);
        master.AssociatedIrp.IrpCount().set(left);
        left
    };
    crate::mdl::free_chain(irp)?;
    io_free_irp(irp)?;
    if left == 0 { io_complete_request(master, boost) } else { Ok(()) }
}

/// Stores a result, completes the IRP and returns the status: how a dispatch routine ends.
pub fn io_complete_with(irp: &'static IRP, status: NtStatus, information: usize) -> Result<NtStatus, Raise> {
    set_io_status(&irp.IoStatus, status, information);
    io_complete_request(irp, 0)?;
    Ok(status)
}

fn wake_and_keep(
    _: Option<&'static DEVICE_OBJECT>,
    irp: &'static IRP,
    event: usize,
) -> Result<NtStatus, Raise> {
    if irp.PendingReturned.get() != 0
        && let Some(event) = crate::pointer::at_address::<nt_abi::KEVENT>(event)
    {
        dispatcher::set_event(&event.Header);
    }
    Ok(NtStatus::MORE_PROCESSING_REQUIRED)
}

/// Sends a copy of the current arguments to `device` and waits until it is done; then the IRP is the
/// caller's again, not completed yet.
///
/// Source:  IoForwardIrpSynchronously; IO-05
/// IRQL:    PASSIVE_LEVEL
/// Returns: the status in the IRP
pub fn io_call_driver_and_wait(device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
    io_copy_current_to_next(irp);
    io_send_and_wait(device, irp)
}

/// The same for an IRP whose next stack location is filled in already.
pub fn io_send_and_wait(device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
    let event = nt_abi::KEVENT::default();
    dispatcher::initialize_header(&event.Header, dispatcher::object_type::SYNCHRONIZATION_EVENT, 0);
    io_set_completion(
        irp,
        Completion::Rust { routine: wake_and_keep, context: address(&event) },
        true,
        true,
        true,
    );
    if io_call_driver(device, irp)? == NtStatus::PENDING {
        let _waiting = nt_ke::locks::waiting_for("the completion of an IRP");
        dispatcher::wait(&event.Header, false, None)?;
    }
    Ok(irp.IoStatus.Status.get())
}
