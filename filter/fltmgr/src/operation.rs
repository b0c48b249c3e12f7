//! An operation on its way down: preoperation callbacks from the highest altitude, then the file system.
//!
//! ```text
//! IRP at the volume's device
//!   no callback registered ───────────────────────────► skip location, call the device below
//!   pre, pre, … ─ all passed, nobody wants post ──────► the same
//!              ├─ someone wants post, or changed it ──► copy location, completion routine, call below
//!              │      completed inline, or waited for ► `completion::up` in this thread, complete the IRP
//!              │      pending and asynchronous ───────► parked: `completion::up` in the completing thread
//!              └─ answered by a filter ───────────────► `completion::up`, complete the IRP
//! ```
//!
//! An operation that completes without pending is one dispatcher's from start to end, under one epoch pin and
//! one presence per owed post callback. A detaching instance waits for those; parked ones it drains.
//!
//! Statements: CBD-02 to CBD-07, CBD-12 to CBD-14, PRE-01 to PRE-26, REG-05 to REG-08, IOPB-06 to IOPB-15,
//! SEED-IOPB-42 to SEED-IOPB-60.
//!
//! UNSAFETY: reads the published callback table through its address, under the epoch pin.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::{
    DEVICE_OBJECT, FLT_PREOP_COMPLETE, FLT_PREOP_DISALLOW_FASTIO, FLT_PREOP_DISALLOW_FSFILTER_IO,
    FLT_PREOP_PENDING, FLT_PREOP_SUCCESS_NO_CALLBACK, FLT_PREOP_SUCCESS_WITH_CALLBACK, FLT_PREOP_SYNCHRONIZE,
    FLTFL_CALLBACK_DATA_GENERATED_IO, FLTFL_CALLBACK_DATA_IRP_OPERATION, FLTFL_CALLBACK_DATA_SYSTEM_BUFFER,
    FLTFL_OPERATION_REGISTRATION_SKIP_CACHED_IO, FLTFL_OPERATION_REGISTRATION_SKIP_NON_CACHED_NON_PAGING_IO,
    FLTFL_OPERATION_REGISTRATION_SKIP_NON_DASD_IO, FLTFL_OPERATION_REGISTRATION_SKIP_PAGING_IO,
    FO_VOLUME_OPEN, IO_STACK_LOCATION, IRP, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE,
    IRP_MJ_DIRECTORY_CONTROL, IRP_MJ_FILE_SYSTEM_CONTROL, IRP_MJ_LOCK_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE,
    IRP_MN_LOCK, IRP_MN_NOTIFY_CHANGE_DIRECTORY, IRP_NOCACHE, IRP_PAGING_IO, NtStatus, bugcheck,
};
use nt_io::{
    Completion, io_call_driver, io_call_driver_and_wait, io_complete_request, io_complete_with,
    io_copy_current_to_next, io_current_stack, io_is_operation_synchronous, io_next_stack, io_set_completion,
    io_skip_current,
};
use nt_ke::{BugCheck, Core, Severity, current_core, current_thread, dispatcher, epoch, presence};

use crate::altitude::Altitude;
use crate::callback::{self, Untouchable, report};
use crate::completion;
use crate::flt;
use crate::frame::{COMPLETED, DETACHED, DISPATCHING, Operation, Phase, WAITING};
use crate::instance::{ACTIVE, Instance};
use crate::nodes::{self, CallbackTable, Node};
use crate::parameters::{self, SavedIrp, Snapshot};
use crate::redirect;
use crate::rows;
use crate::volume::Volume;

/// Who issued the operation.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// Only instances below this altitude see it.
    pub below: Option<&'a Altitude>,
    /// A minifilter issued it.
    pub generated: bool,
    /// The issuer keeps the IRP: it is not completed, and the call returns when it is done.
    pub kept: bool,
}

impl Origin<'_> {
    /// An IRP from above.
    pub const ABOVE: Self = Self { below: None, generated: false, kept: false };
}

/// Which kinds that a filter may skip the operation is of. Source: REG-05 to REG-08.
fn kinds(stack: &IO_STACK_LOCATION, irp: &IRP) -> u32 {
    let volume_handle = crate::pointer::file(stack.FileObject.get())
        .is_some_and(|file| file.Flags.load(Ordering::Relaxed) & FO_VOLUME_OPEN != 0);
    let mut kinds = if volume_handle { 0 } else { FLTFL_OPERATION_REGISTRATION_SKIP_NON_DASD_IO };
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

/// Takes an IRP whose current stack location is the volume device's through the volume's instances.
///
/// Returns: as a dispatch routine; with `kept` the status in the IRP
/// Errors:  a filter that pends is bug check 0xF5: this version has no pended operations
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
        return forward(lower, irp, origin);
    };
    // SAFETY: loaded under the pin taken above, which lasts until this function returns.
    let list = unsafe { &*table }.row(row);
    let kinds = kinds(stack, irp);
    let start = match origin.below {
        None => 0,
        Some(altitude) => list.iter().position(|n| n.instance.altitude < *altitude).unwrap_or(list.len()),
    };
    if !list[start..].iter().any(|node| node.skip & kinds == 0) {
        return forward(lower, irp, origin);
    }
    let Some(operation) = flt().frames.take(2 * list.len()) else {
        return refuse(irp, origin, NtStatus::INSUFFICIENT_RESOURCES);
    };
    fill(operation, volume, irp, stack, table, origin);
    match descend(core, operation, list, start, row, kinds)? {
        Outcome::Send => send(core, operation, irp, origin),
        Outcome::Answered => {
            completion::up(operation, false)?;
            finish(operation, irp, origin)
        }
    }
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
fn forward(lower: &'static DEVICE_OBJECT, irp: &'static IRP, origin: Origin<'_>) -> Result<NtStatus, Raise> {
    if origin.kept {
        return io_call_driver_and_wait(lower, irp);
    }
    io_skip_current(irp);
    io_call_driver(lower, irp)
}

fn fill(
    operation: &Operation,
    volume: &Arc<Volume>,
    irp: &'static IRP,
    stack: &IO_STACK_LOCATION,
    table: *const CallbackTable,
    origin: Origin<'_>,
) {
    parameters::load(irp, stack, &operation.iopb);
    let mut flags = FLTFL_CALLBACK_DATA_IRP_OPERATION;
    if parameters::has_system_buffer(irp, stack) {
        flags |= FLTFL_CALLBACK_DATA_SYSTEM_BUFFER;
    }
    if origin.generated {
        flags |= FLTFL_CALLBACK_DATA_GENERATED_IO;
    }
    operation.base_flags.set(flags);
    operation.irp.set(Some(irp));
    operation.volume.set(Arc::as_ptr(volume));
    operation.use_table(table);
    let data = &operation.data;
    data.Flags.set(flags);
    data.RequestorMode.set(irp.RequestorMode.get());
    let thread = irp.Thread().get();
    let current = std::ptr::from_ref(current_thread()).cast_mut().cast();
    data.Thread.set(if thread.is_null() { current } else { thread });
    operation.synchronous.set(
        origin.kept || matches!(stack.MajorFunction.get(), IRP_MJ_CREATE | IRP_MJ_CLEANUP | IRP_MJ_CLOSE),
    );
}

enum Outcome {
    /// All pre callbacks let it pass.
    Send,
    /// A filter answered it.
    Answered,
}

fn descend(
    core: &Core,
    operation: &Operation,
    list: &[Node],
    start: usize,
    row: usize,
    kinds: u32,
) -> Result<Outcome, Raise> {
    let (mut list, mut index) = (list, start);
    while let Some(node) = list.get(index) {
        index += 1;
        if node.skip & kinds != 0 {
            continue;
        }
        match step(core, operation, node)? {
            Step::Next => {}
            Step::Answered => return Ok(Outcome::Answered),
            Step::Redirected(target) => {
                // SAFETY: `redirect` loaded the table under this dispatch's pin and recorded it in the frame.
                let table = unsafe { &*operation.tables[operation.tables_used.get() - 1].get() };
                list = table.row(row);
                index = list.iter().position(|n| n.instance.altitude < target.altitude).unwrap_or(list.len());
                if operation.room() < list.len() - index {
                    return Err(core.bug_check(BugCheck::new(
                        bugcheck::FLTMGR_FILE_SYSTEM,
                        [list.len() as u64, 0, 0, 0],
                        "an operation was redirected to a volume with more than twice as many filters as its own, \
                         which this version cannot follow",
                    )));
                }
            }
        }
    }
    Ok(Outcome::Send)
}

enum Step {
    Next,
    Answered,
    Redirected(Arc<Instance>),
}

/// One instance on the way down.
fn step(core: &Core, operation: &Operation, node: &Node) -> Result<Step, Raise> {
    let instance = &*node.instance;
    let Some(presence) = presence::enter(std::ptr::from_ref(instance) as usize) else {
        return Err(core.bug_check(BugCheck::new(
            bugcheck::FLTMGR_FILE_SYSTEM,
            [presence_limit(), 0, 0, 0],
            format!(
                "operations nest too deeply on one thread: callbacks of {} issue I/O that comes back to them",
                instance.filter.label
            ),
        )));
    };
    if instance.stage() != ACTIVE {
        return Ok(Step::Next);
    }
    let data = &operation.data;
    operation.iopb.TargetInstance.set(crate::anchor::Anchored::anchor(instance).address() as *mut _);
    let before = Snapshot::of(&operation.iopb);
    if node.pre.is_null() {
        operation.owe(node, 0, before, presence);
        return Ok(Step::Next);
    }
    data.Flags.set(operation.base_flags.get());
    set_status(operation, NtStatus::SUCCESS, 0);
    let untouchable = Untouchable::of(data);
    let context = Cell::new(0usize);
    operation.current.set(node);
    operation.phase.set(Phase::Pre);
    let answer = callback::pre(node, data, &context)? as i32;
    operation.phase.set(Phase::Between);
    operation.current.set(std::ptr::null());
    let dirty = untouchable.check(node, node.pre, data, &before);
    let after = Snapshot::of(&operation.iopb);
    let redirected =
        if after == before { None } else { changed(operation, node, &before, &after, dirty, answer) };
    let answer = judge(core, operation, node, answer, context.get())?;
    match answer {
        FLT_PREOP_SUCCESS_WITH_CALLBACK => {
            let owed = operation.owe(node, context.get(), before, presence);
            if operation.modified.get() {
                let now = Snapshot::of(&operation.iopb);
                owed.swapped_mdl.set(swapped_mdl(operation, &before, &now));
            }
        }
        FLT_PREOP_COMPLETE => return Ok(Step::Answered),
        _ => {}
    }
    Ok(redirected.map_or(Step::Next, Step::Redirected))
}

fn presence_limit() -> u64 {
    nt_ke::thread::PRESENCE_DEPTH as u64
}

fn set_status(operation: &Operation, status: NtStatus, information: usize) {
    operation.data.IoStatus.Status.set(status);
    operation.data.IoStatus.Information.set(information);
}

/// The MDL that a filter put in place of the one that it saw, or 0.
fn swapped_mdl(operation: &Operation, before: &Snapshot, now: &Snapshot) -> usize {
    let place = parameters::decode::places(&operation.iopb, false).and_then(|places| places.mdl);
    place.map_or(0, |offset| {
        let (old, new) = (before.parameters[offset / 8], now.parameters[offset / 8]);
        if old == new { 0 } else { new as usize }
    })
}

/// A filter changed the parameters: keeps what counts, puts back the rest. Returns the instance of another
/// volume that the operation goes on with.
///
/// Source: IOPB-07, IOPB-10 to IOPB-15, SEED-IOPB-43, SEED-IOPB-44, SEED-IOPB-46, SEED-IOPB-60
#[cold]
fn changed(
    operation: &Operation,
    node: &Node,
    before: &Snapshot,
    after: &Snapshot,
    dirty: bool,
    answer: i32,
) -> Option<Arc<Instance>> {
    if !dirty {
        let status_too = operation.data.IoStatus.Status.get() != NtStatus::SUCCESS
            || operation.data.IoStatus.Information.get() != 0;
        if !status_too && answer != FLT_PREOP_COMPLETE {
            report(
                node,
                node.pre,
                "SEED-IOPB-44",
                Severity::Warning,
                "lost modification: the pre callback changed Data->Iopb without FltSetCallbackDataDirty, so nobody \
                 below sees the change",
            );
        }
        before.restore(&operation.iopb);
        return None;
    }
    operation.modified.set(true);
    let mut redirected = None;
    if after.instance != before.instance {
        redirected = redirect::accept(operation, node, after.instance);
        if redirected.is_none() {
            operation.iopb.TargetInstance.set(before.instance as *mut _);
        }
    }
    if after.file != before.file {
        redirect::check_file(operation, node, after.file);
    }
    redirected
}

/// Checks the answer of a pre callback and returns what is done: with callback, without, or complete.
fn judge(core: &Core, operation: &Operation, node: &Node, answer: i32, context: usize) -> Result<i32, Raise> {
    let complain = |rule, severity, message: String| report(node, node.pre, rule, severity, message);
    let major = rows::major_of_row(node.row);
    let status = operation.data.IoStatus.Status.get();
    if answer != FLT_PREOP_COMPLETE
        && answer != FLT_PREOP_DISALLOW_FASTIO
        && (status != NtStatus::SUCCESS || operation.data.IoStatus.Information.get() != 0)
    {
        complain(
            "CBD-13",
            Severity::Warning,
            format!(
                "the pre callback set IoStatus ({status}) but did not return FLT_PREOP_COMPLETE; it is ignored"
            ),
        );
    }
    if context != 0 && answer != FLT_PREOP_SUCCESS_WITH_CALLBACK && answer != FLT_PREOP_SYNCHRONIZE {
        complain(
            "PRE-08",
            Severity::Error,
            format!(
                "the pre callback returned {answer} with a completion context, which nobody will receive"
            ),
        );
    }
    let without_post = |operation: &Operation| {
        operation.data.IoStatus.Status.set(NtStatus::SUCCESS);
        FLT_PREOP_SUCCESS_NO_CALLBACK
    };
    Ok(match answer {
        FLT_PREOP_SUCCESS_NO_CALLBACK => answer,
        FLT_PREOP_SUCCESS_WITH_CALLBACK | FLT_PREOP_SYNCHRONIZE => {
            if answer == FLT_PREOP_SYNCHRONIZE {
                synchronize(operation, node, major);
            }
            if node.post.is_null() {
                complain(
                    "PRE-06",
                    Severity::Error,
                    format!("the pre callback returned {answer}, but no post callback is registered"),
                );
                return Ok(FLT_PREOP_SUCCESS_NO_CALLBACK);
            }
            FLT_PREOP_SUCCESS_WITH_CALLBACK
        }
        FLT_PREOP_COMPLETE => {
            answered(operation, node, major, status);
            FLT_PREOP_COMPLETE
        }
        FLT_PREOP_PENDING => {
            return Err(core.bug_check(BugCheck {
                address: node.pre.0,
                ..BugCheck::new(
                    bugcheck::FLTMGR_FILE_SYSTEM,
                    [u64::from(major), node.pre.0 as u64, 0, 0],
                    format!(
                        "{} returned FLT_PREOP_PENDING for {}: this version cannot pend operations",
                        node.instance.filter.label,
                        rows::name(major)
                    ),
                )
            }));
        }
        FLT_PREOP_DISALLOW_FASTIO => {
            complain(
                "PRE-12",
                Severity::Error,
                "FLT_PREOP_DISALLOW_FASTIO for an IRP; treated as no callback".into(),
            );
            without_post(operation)
        }
        FLT_PREOP_DISALLOW_FSFILTER_IO => {
            complain(
                "PRE-10",
                Severity::Error,
                "FLT_PREOP_DISALLOW_FSFILTER_IO for an IRP; treated as no callback".into(),
            );
            without_post(operation)
        }
        other => {
            complain(
                "PRE-26",
                Severity::Error,
                format!("the pre callback returned {other}, which is no answer; treated as no callback"),
            );
            without_post(operation)
        }
    })
}

/// `FLT_PREOP_SYNCHRONIZE`. Source: PRE-18 to PRE-22.
fn synchronize(operation: &Operation, node: &Node, major: u8) {
    let complain = |rule, severity, message: &str| report(node, node.pre, rule, severity, message);
    let minor = operation.iopb.MinorFunction.get();
    let synchronous = operation.irp.get().is_none_or(io_is_operation_synchronous);
    let oplock = |code| matches!(code, 0x9_0000 | 0x9_0004 | 0x9_0008 | 0x9_005C);
    let code = operation.iopb.Parameters.FileSystemControl().Common().FsControlCode.get();
    if major == IRP_MJ_CREATE {
        complain("PRE-20", Severity::Warning, "FLT_PREOP_SYNCHRONIZE is not needed for a create");
    } else if matches!(major, IRP_MJ_READ | IRP_MJ_WRITE) && !synchronous {
        complain("PRE-21", Severity::Error, "FLT_PREOP_SYNCHRONIZE for an asynchronous read or write");
    } else if (major == IRP_MJ_FILE_SYSTEM_CONTROL && oplock(code))
        || (major == IRP_MJ_DIRECTORY_CONTROL && minor == IRP_MN_NOTIFY_CHANGE_DIRECTORY)
        || (major == IRP_MJ_LOCK_CONTROL && minor == IRP_MN_LOCK)
    {
        complain("PRE-22", Severity::Error, "FLT_PREOP_SYNCHRONIZE for an operation that may pend for long");
    }
    operation.synchronous.set(true);
}

/// `FLT_PREOP_COMPLETE`. Source: PRE-14 to PRE-16, X-02.
fn answered(operation: &Operation, node: &Node, major: u8, status: NtStatus) {
    if matches!(status, NtStatus::PENDING | NtStatus::FLT_DISALLOW_FAST_IO) {
        let message =
            format!("the pre callback completes the operation with {status}; FLT_INTERNAL_ERROR is used");
        report(node, node.pre, "PRE-15", Severity::Error, message);
        operation.data.IoStatus.Status.set(NtStatus::FLT_INTERNAL_ERROR);
    }
    if matches!(major, IRP_MJ_CLEANUP | IRP_MJ_CLOSE) && status != NtStatus::SUCCESS {
        let severity = if status.is_success() { Severity::Warning } else { Severity::Error };
        let message = format!("the pre callback completes it with {status}, but it cannot fail");
        report(node, node.pre, "PRE-16", severity, message);
        operation.data.IoStatus.Status.set(NtStatus::SUCCESS);
    }
    if let Some(irp) = operation.irp.get() {
        irp.IoStatus.Status.set(operation.data.IoStatus.Status.get());
        irp.IoStatus.Information.set(operation.data.IoStatus.Information.get());
    }
}

/// To the file system and, when it is done there, up again.
fn send(
    core: &Core,
    operation: &'static Operation,
    irp: &'static IRP,
    origin: Origin<'_>,
) -> Result<NtStatus, Raise> {
    let Some(lower) = operation.volume().lower() else {
        flt().frames.give(operation);
        return refuse(irp, origin, NtStatus::VOLUME_DISMOUNTED);
    };
    if operation.used() == 0 && !operation.modified.get() {
        flt().frames.give(operation);
        return forward(lower, irp, origin);
    }
    io_copy_current_to_next(irp);
    if operation.modified.get() {
        operation.saved.set(SavedIrp::of(irp));
        parameters::store(&operation.iopb, irp, io_next_stack(irp));
    }
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
    if operation.state.load(Ordering::Acquire) != COMPLETED {
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
        if !settle(operation, irp)? {
            return Ok(NtStatus::PENDING);
        }
        completion::undo_changes(operation, irp);
        completion::up(operation, true)?;
        completion::unpark(operation);
    } else {
        completion::undo_changes(operation, irp);
        completion::up(operation, false)?;
    }
    finish(operation, irp, origin)
}

/// The operation pends below. Waits for it, or leaves it to the completing thread: then `false`.
#[cold]
fn settle(operation: &'static Operation, irp: &IRP) -> Result<bool, Raise> {
    completion::park(operation);
    if operation.synchronous.get() || io_is_operation_synchronous(irp) {
        dispatcher::initialize_header(&operation.event, dispatcher::object_type::NOTIFICATION_EVENT, 0);
        if operation.state.swap(WAITING, Ordering::AcqRel) == DISPATCHING {
            dispatcher::wait(&operation.event, false, None)?;
        }
        return Ok(true);
    }
    let tables = &operation.tables[..operation.tables_used.get()];
    tables.iter().for_each(|table| nodes::hold(table.get()));
    if operation.state.swap(DETACHED, Ordering::AcqRel) == DISPATCHING {
        return Ok(false);
    }
    tables.iter().for_each(|table| nodes::let_go(table.get()));
    Ok(true)
}

fn finish(operation: &'static Operation, irp: &'static IRP, origin: Origin<'_>) -> Result<NtStatus, Raise> {
    flt().frames.give(operation);
    let status = irp.IoStatus.Status.get();
    if !origin.kept {
        io_complete_request(irp, 0)?;
    }
    Ok(status)
}
