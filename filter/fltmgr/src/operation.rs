//! An IRP on its way through a volume's instances, and back.
//!
//! ```text
//! IRP at the volume's device
//!   no callback registered ───────────────────────────► skip location, call the device below
//!   pre, pre, … ─ all passed, nobody wants post ──────► the same
//!              ├─ someone wants post, or changed it ──► copy location, completion routine, call below
//!              │      completed inline, or waited for ► `completion::up` in this thread, complete the IRP
//!              │      pending and asynchronous ───────► parked: `completion::up` in the completing thread
//!              ├─ answered by a filter ───────────────► `completion::up`, complete the IRP
//!              └─ held by a filter ───────────────────► `pend`
//! ```
//!
//! [`crate::fast`] is the same for operations without an IRP; both walk down by [`crate::descend`] and up by
//! [`crate::completion`].
//!
//! An operation that completes without pending is one dispatcher's from start to end, under one epoch pin and
//! one presence, its frame. A detaching instance waits for those; parked ones it drains.
//!
//! Statements: CBD-02, CBD-04, CBD-06, CBD-12, REG-05 to REG-08.
//!
//! UNSAFETY: reads the published callback table through its address, under the epoch pin.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::{
    DEVICE_OBJECT, FILE_OBJECT, FLTFL_CALLBACK_DATA_IRP_OPERATION, FLTFL_CALLBACK_DATA_SYSTEM_BUFFER,
    FLTFL_OPERATION_REGISTRATION_SKIP_CACHED_IO, FLTFL_OPERATION_REGISTRATION_SKIP_NON_CACHED_NON_PAGING_IO,
    FLTFL_OPERATION_REGISTRATION_SKIP_NON_DASD_IO, FLTFL_OPERATION_REGISTRATION_SKIP_PAGING_IO,
    FO_VOLUME_OPEN, IO_STACK_LOCATION, IRP, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_READ,
    IRP_MJ_SET_INFORMATION, IRP_MJ_WRITE, IRP_NOCACHE, IRP_PAGING_IO, NtStatus, SL_PENDING_RETURNED,
    bugcheck,
};
use nt_io::{
    Completion, io_call_driver, io_call_driver_and_wait, io_complete_request, io_complete_with,
    io_copy_current_to_next, io_current_stack, io_next_stack, io_set_completion, io_skip_current,
};
use nt_ke::{BugCheck, Core, current_core, current_thread, dispatcher, epoch};

use crate::altitude::Altitude;
use crate::callback;
use crate::completion::{self, Climb};
use crate::contexts;
use crate::descend::{Outcome, descend};
use crate::flt;
use crate::frame::{COMPLETED, DETACHED, DISPATCHING, Operation, WAITING};
use crate::names::cache;
use crate::nodes::{CallbackTable, Node};
use crate::parameters::{self, SavedIrp};
use crate::pend::Leg;
use crate::rows;
use crate::status;
use crate::volume::Volume;

/// Who issued the operation.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// Only instances below this altitude see it.
    pub below: Option<&'a Altitude>,
    /// More flags of the callback data: a minifilter issued it, or issued it again.
    pub flags: u32,
    /// The issuer keeps the IRP: it is not completed, and the call returns when it is done.
    pub kept: bool,
    /// The transaction that the file was opened in, or 0.
    pub transaction: usize,
}

impl Origin<'_> {
    /// An IRP from above.
    pub const ABOVE: Self = Self { below: None, flags: 0, kept: false, transaction: 0 };
}

/// Which kinds that a filter may skip an operation on `file` is of, before its transfer is looked at. Source: REG-07.
#[inline]
pub fn kinds_of_file(file: *mut FILE_OBJECT) -> u32 {
    let volume_handle = crate::pointer::file(file)
        .is_some_and(|file| file.Flags.load(Ordering::Relaxed) & FO_VOLUME_OPEN != 0);
    if volume_handle { 0 } else { FLTFL_OPERATION_REGISTRATION_SKIP_NON_DASD_IO }
}

/// Which kinds that a filter may skip the operation is of. Source: REG-05 to REG-08.
#[inline]
fn kinds(stack: &IO_STACK_LOCATION, irp: &IRP) -> u32 {
    let mut kinds = kinds_of_file(stack.FileObject.get());
    if matches!(stack.MajorFunction.get(), IRP_MJ_READ | IRP_MJ_WRITE) {
        let flags = irp.Flags.get();
        kinds |= if flags & IRP_PAGING_IO != 0 {
            FLTFL_OPERATION_REGISTRATION_SKIP_PAGING_IO
        } else if flags & IRP_NOCACHE != 0 {
            FLTFL_OPERATION_REGISTRATION_SKIP_NON_CACHED_NON_PAGING_IO
        } else {
            FLTFL_OPERATION_REGISTRATION_SKIP_CACHED_IO
        };
    }
    kinds
}

/// Whether one of `nodes` wants to see an operation of these kinds.
#[inline]
pub fn interested(nodes: &[Node], kinds: u32) -> bool {
    nodes.iter().any(|node| node.skip & kinds == 0)
}

/// Takes an IRP whose current stack location is the volume device's through the volume's instances.
///
/// Returns: as a dispatch routine; with `kept` the status in the IRP
pub fn run(volume: &Arc<Volume>, irp: &'static IRP, origin: Origin<'_>) -> Result<NtStatus, Raise> {
    let core = current_core();
    let stack = io_current_stack(irp);
    let major = stack.MajorFunction.get();
    let Some(lower) = volume.lower() else {
        return refuse(irp, origin, NtStatus::INVALID_DEVICE_REQUEST);
    };
    if major == IRP_MJ_CREATE {
        volume.settle()?;
    }
    let _pin = epoch::pin(core);
    let table = volume.table.load();
    let Some(row) = rows::row(major) else {
        return forward(volume, lower, irp, origin);
    };
    // SAFETY: loaded under the pin taken above, which lasts until this function returns.
    let list = unsafe { &*table }.row(row);
    let kinds = kinds(stack, irp);
    let start = match origin.below {
        None => 0,
        Some(altitude) => list.iter().position(|n| n.instance.altitude < *altitude).unwrap_or(list.len()),
    };
    if !interested(&list[start..], kinds) {
        end_handle(volume, stack)?;
        if major == IRP_MJ_SET_INFORMATION {
            let set = stack.Parameters.SetFile();
            let (class, length) = (set.FileInformationClass.get(), set.Length.get());
            contexts::sections::conflict(class, length, stack.FileObject.get())?;
        }
        return forward(volume, lower, irp, origin);
    }
    let Some(operation) = flt().frames.take(2 * list.len()) else {
        return refuse(irp, origin, NtStatus::INSUFFICIENT_RESOURCES);
    };
    fill(operation, volume, irp, stack, table, origin);
    if origin.transaction != 0 {
        operation.join(origin.transaction);
    }
    let leg = Leg::DISPATCHER;
    let outcome = descend(core, operation, list, start, kinds, leg).inspect_err(|_| operation.leave())?;
    if matches!(outcome, Outcome::Send | Outcome::Answered) {
        end_handle(volume, stack)?;
    }
    if outcome == Outcome::Send {
        announce(operation)?;
    }
    let climb = match outcome {
        Outcome::Send if goes_untouched(operation) => {
            flt().frames.give(operation);
            return forward(volume, lower, irp, origin);
        }
        Outcome::Send => send_on(core, operation, leg)?,
        Outcome::Answered => {
            status::tell(status::take(operation), operation.data.IoStatus.Status.get())?;
            completion::up(operation, leg)?
        }
        Outcome::Back => completion::back(operation, leg)?,
        Outcome::Left => Climb::Left,
    };
    if climb == Climb::Left {
        return Ok(NtStatus::PENDING);
    }
    completion::store_result(operation, irp);
    finish(operation, irp, origin)
}

/// Whether nobody looks at an operation again that goes down.
#[inline]
fn goes_untouched(operation: &Operation) -> bool {
    operation.used() == 0
        && !operation.modified.get()
        && !operation.shared.get()
        && !status::is_asked(operation)
}

/// Scanners hear of what goes to the file system and conflicts with their sections. Source: SEC-05.
#[inline]
pub fn announce(operation: &Operation) -> Result<(), Raise> {
    let block = &operation.iopb;
    if block.MajorFunction.get() != IRP_MJ_SET_INFORMATION {
        return Ok(());
    }
    let set = block.Parameters.SetFileInformation();
    let (class, length) = (set.FileInformationClass.get(), set.Length.get());
    contexts::sections::conflict(class, length, block.TargetFileObject.get())
}

/// What is due when the pre callbacks have run: contexts of a handle and names go with its CLOSE. Source: CTX-56.
#[inline]
pub fn end_handle(volume: &Volume, stack: &IO_STACK_LOCATION) -> Result<(), Raise> {
    if stack.MajorFunction.get() != IRP_MJ_CLOSE {
        return Ok(());
    }
    cache::leaving(volume, stack)?;
    contexts::hosts::close_file(stack.FileObject.get())
}

fn refuse(irp: &'static IRP, origin: Origin<'_>, status: NtStatus) -> Result<NtStatus, Raise> {
    if origin.kept {
        irp.IoStatus.Status.set(status);
        irp.IoStatus.Information.set(0);
        return Ok(status);
    }
    io_complete_with(irp, status, 0)
}

/// Sends the IRP on as if the manager were not there.
fn forward(
    volume: &Arc<Volume>,
    lower: &'static DEVICE_OBJECT,
    irp: &'static IRP,
    origin: Origin<'_>,
) -> Result<NtStatus, Raise> {
    let rename = cache::is_rename(io_current_stack(irp));
    if origin.kept {
        let status = io_call_driver_and_wait(lower, irp)?;
        if rename {
            volume.names.renamed();
        }
        return Ok(status);
    }
    if rename {
        cache::watch_rename(volume, irp);
        return io_call_driver(lower, irp);
    }
    io_skip_current(irp);
    io_call_driver(lower, irp)
}

#[inline]
fn fill(
    operation: &Operation,
    volume: &Arc<Volume>,
    irp: &'static IRP,
    stack: &IO_STACK_LOCATION,
    table: *const CallbackTable,
    origin: Origin<'_>,
) {
    parameters::load(irp, stack, &operation.iopb);
    let mut flags = FLTFL_CALLBACK_DATA_IRP_OPERATION | origin.flags;
    if parameters::has_system_buffer(irp, stack) {
        flags |= FLTFL_CALLBACK_DATA_SYSTEM_BUFFER;
    }
    operation.irp.set(Some(irp));
    let data = &operation.data;
    data.Flags.set(flags);
    data.RequestorMode.set(irp.RequestorMode.get());
    let thread = irp.Thread().get();
    let current = std::ptr::from_ref(current_thread()).cast_mut().cast();
    data.Thread.set(if thread.is_null() { current } else { thread });
    operation.synchronous.set(
        origin.kept || matches!(stack.MajorFunction.get(), IRP_MJ_CREATE | IRP_MJ_CLEANUP | IRP_MJ_CLOSE),
    );
    operation.set_watched(callback::is_watched(current_core(), flt()), || {
        flt().posts_at_dispatch() && !operation.synchronous.get()
    });
    operation.begin(volume, table);
}

/// To the file system and, when it is done there, up again.
pub fn send_on(core: &Core, operation: &'static Operation, mut leg: Leg) -> Result<Climb, Raise> {
    let Some(irp) = operation.irp.get() else { return Ok(Climb::Done) };
    let Some(lower) = operation.volume().lower() else {
        operation.data.IoStatus.Status.set(NtStatus::VOLUME_DISMOUNTED);
        operation.data.IoStatus.Information.set(0);
        status::tell(status::take(operation), NtStatus::VOLUME_DISMOUNTED)?;
        return completion::up(operation, leg);
    };
    io_copy_current_to_next(irp);
    if operation.modified.get() {
        operation.saved.set(SavedIrp::of(irp));
        parameters::store(&operation.iopb, irp, io_next_stack(irp));
    }
    let asked = status::take(operation);
    let context = std::ptr::from_ref(operation) as usize;
    io_set_completion(irp, Completion::Rust { routine: completion::arrived, context }, true, true, true);
    let status = match io_call_driver(lower, irp) {
        Ok(status) => status,
        Err(raise) => {
            // Whether the IRP still comes back is unknown: the frame stays, but nobody may wait for it.
            operation.leave();
            return Err(raise);
        }
    };
    // Before anybody else can take the operation over.
    status::tell(asked, status)?;
    let completed = operation.state.load(Ordering::Acquire) == COMPLETED;
    if completed && operation.is_high() && !leg.waits {
        completion::park(operation);
        completion::elsewhere(operation);
        return Ok(Climb::Left);
    }
    if !completed {
        if status != NtStatus::PENDING {
            return Err(core.bug_check(BugCheck::new(
                bugcheck::FLTMGR_FILE_SYSTEM,
                [u64::from(operation.iopb.MajorFunction.get()), status.bits().into(), 0, 0],
                format!(
                    "the device below the filter manager returned {status} for {} without completing it",
                    rows::name(operation.iopb.MajorFunction.get())
                ),
            )));
        }
        if !settle(operation, &mut leg)? {
            return Ok(Climb::Left);
        }
    } else if operation.shared.get() {
        leg.waits = leg.stays(operation);
    }
    completion::come_back(operation, irp);
    completion::up(operation, leg)
}

/// The operation pends below. Waits for it, or leaves it to the completing thread: then `false`.
#[cold]
fn settle(operation: &'static Operation, leg: &mut Leg) -> Result<bool, Raise> {
    leg.waits = leg.stays(operation);
    dispatcher::initialize_header(&operation.event, dispatcher::object_type::NOTIFICATION_EVENT, 0);
    completion::park(operation);
    if leg.waits {
        if operation.state.swap(WAITING, Ordering::AcqRel) == DISPATCHING {
            let _waiting = nt_ke::locks::waiting_for("the completion of an operation that pends below");
            let _listed = operation.irp.get().map(nt_io::io_waiting);
            dispatcher::wait(&operation.event, false, None)?;
        }
        return Ok(true);
    }
    let come = operation.state.swap(DETACHED, Ordering::AcqRel) != DISPATCHING;
    if come && operation.is_high() {
        completion::elsewhere(operation);
        return Ok(false);
    }
    Ok(come)
}

fn finish(operation: &'static Operation, irp: &'static IRP, origin: Origin<'_>) -> Result<NtStatus, Raise> {
    // A callback may have held it for a moment: then it is marked, and the answer has to be the same.
    let marked = operation.shared.get() && io_current_stack(irp).Control.get() & SL_PENDING_RETURNED != 0;
    flt().frames.give(operation);
    let status = irp.IoStatus.Status.get();
    if !origin.kept {
        io_complete_request(irp, 0)?;
    }
    Ok(if marked { NtStatus::PENDING } else { status })
}
