//! An operation on its way up: postoperation callbacks from the lowest altitude, each with the parameters that
//! its own preoperation callback saw.
//!
//! A record is claimed by whoever calls its post callback: the completion, or a detaching instance that drains
//! a parked operation. Operations that are not parked are waited for by the detaching side (presence), so only
//! those that pend below are ever drained.
//!
//! Statements: CBD-07, CBD-13 to CBD-16, POST-01 to POST-16, IOPB-09, SEED-IOPB-48, SEED-IOPB-49,
//! SEED-IOPB-58, LIFE-17, LIFE-18. Callbacks that hold an operation are in [`crate::pend`].

use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::irql::DISPATCH_LEVEL;
use nt_abi::{
    DEVICE_OBJECT, FLT_CALLBACK_DATA, FLT_IO_PARAMETER_BLOCK, FLT_POSTOP_DISALLOW_FSFILTER_IO,
    FLT_POSTOP_FINISHED_PROCESSING, FLT_POSTOP_MORE_PROCESSING_REQUIRED, FLTFL_CALLBACK_DATA_DRAINING_IO,
    FLTFL_CALLBACK_DATA_POST_OPERATION, FLTFL_POST_OPERATION_DRAINING, FO_FILE_OPEN_CANCELLED, IRP,
    IRP_MJ_CREATE, IRP_MJ_QUERY_OPEN, IRP_MJ_SET_INFORMATION, NtStatus, bugcheck,
};
use nt_ex::work::{self, WorkQueue};
use nt_io::io_mark_pending;
use nt_ke::{BugCheck, Severity, current_core, dispatcher, epoch, irql};

use crate::callback::{self, report};
use crate::flt;
use crate::frame::{COMPLETED, DISPATCHING, Operation, Owed, Phase, SWAPPED, WAITING};
use crate::instance::{GONE, Instance};
use crate::names::cache;
use crate::nodes::Node;
use crate::parameters::Snapshot;
use crate::pend::{self, Held, Leg};
use crate::{safe, swap};

/// Whether this thread is through with the way up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Climb {
    /// All post callbacks have run; the result stands in the data.
    Done,
    /// Another thread goes on with the operation.
    Left,
}

/// Completion routine of every operation that is watched: wakes its dispatcher, or goes on in its place.
pub fn arrived(
    _device: Option<&'static DEVICE_OBJECT>,
    irp: &'static IRP,
    context: usize,
) -> Result<NtStatus, Raise> {
    let Some(operation) = crate::frame::operation_of(context) else {
        return Err(current_core().bug_check(BugCheck::new(
            bugcheck::FLTMGR_FILE_SYSTEM,
            [context as u64, 0, 0, 0],
            "an IRP came back to the filter manager that it does not know: completed twice below",
        )));
    };
    match operation.state.swap(COMPLETED, Ordering::AcqRel) {
        DISPATCHING => Ok(NtStatus::MORE_PROCESSING_REQUIRED),
        WAITING => {
            dispatcher::set_event(&operation.event);
            Ok(NtStatus::MORE_PROCESSING_REQUIRED)
        }
        _ if operation.is_high() => {
            elsewhere(operation);
            Ok(NtStatus::MORE_PROCESSING_REQUIRED)
        }
        _ => {
            // Nobody else looks at it any more.
            let _pin = epoch::pin(current_core());
            come_back(operation, irp);
            if up(operation, Leg::COMPLETER)? == Climb::Left {
                return Ok(NtStatus::MORE_PROCESSING_REQUIRED);
            }
            store_result(operation, irp);
            end_detached(operation, irp);
            Ok(NtStatus::SUCCESS)
        }
    }
}

/// Leaves an operation that is complete below to another thread, which calls the post callbacks at DISPATCH_LEVEL.
///
/// Source: POST-03
#[cold]
pub fn elsewhere(operation: &'static Operation) {
    if let Some(irp) = operation.irp.get() {
        io_mark_pending(irp);
    }
    let address = std::ptr::from_ref(operation) as usize;
    work::queue(WorkQueue::HyperCritical, move || {
        crate::frame::operation_of(address).map_or(Ok(()), up_high)
    });
}

/// Goes on with an operation that nobody else looks at, at DISPATCH_LEVEL.
fn up_high(operation: &'static Operation) -> Result<(), Raise> {
    let Some(irp) = operation.irp.get() else { return Ok(()) };
    let _pin = epoch::pin(current_core());
    come_back(operation, irp);
    let old = irql::raise(DISPATCH_LEVEL);
    let climb = up(operation, Leg::COMPLETER)?;
    irql::lower(old);
    if climb == Climb::Left {
        return Ok(());
    }
    store_result(operation, irp);
    end_detached(operation, irp);
    nt_io::io_complete_request(irp, 0)
}

/// An operation whose dispatcher has left is through: gives its frame back. The IRP goes on.
pub fn end_detached(operation: &'static Operation, irp: &IRP) {
    flt().frames.give(operation);
    if irp.PendingReturned.get() != 0 {
        io_mark_pending(irp);
    }
}

/// Takes over what a post callback left that held the operation. The caller is present.
///
/// Source: PEND-05
pub fn after_held(operation: &Operation, index: usize, before: NtStatus) -> Result<(), Raise> {
    let owed = operation.owed(index);
    let flags = operation.base_flags.get() | FLTFL_CALLBACK_DATA_POST_OPERATION;
    consider(operation, owed, operation.node(owed), flags, (FLT_POSTOP_FINISHED_PROCESSING, before))?;
    owed.done();
    Ok(())
}

/// This thread leaves the operation: notes it with every instance that it owes a post callback, keeps its tables, and
/// gives up this thread's presence.
pub fn park(operation: &Operation) {
    operation.extras.set(true);
    operation.shared.set(true);
    operation.hold_tables();
    let address = std::ptr::from_ref(operation) as usize;
    let used = operation.used();
    for index in operation.parked.replace(used)..used {
        operation.node(operation.owed(index)).instance.parked.lock().push(address);
    }
    operation.leave();
}

/// Ends [`park`]. Afterwards no drain can see the operation.
pub fn unpark(operation: &Operation) {
    let address = std::ptr::from_ref(operation) as usize;
    for index in 0..operation.parked.replace(0) {
        operation.node(operation.owed(index)).instance.parked.lock().retain(|parked| *parked != address);
    }
}

/// Takes the file system's result out of the IRP.
#[inline]
pub fn come_back(operation: &Operation, irp: &IRP) {
    if operation.modified.get() || swap::came_back_different(operation, irp) {
        swap::come_back(operation, irp);
    }
    operation.data.IoStatus.Status.set(irp.IoStatus.Status.get());
    operation.data.IoStatus.Information.set(irp.IoStatus.Information.get());
    if operation.iopb.MajorFunction.get() == IRP_MJ_SET_INFORMATION {
        cache::came_back(operation.volume(), &operation.iopb, irp.IoStatus.Status.get());
    }
}

/// Leaves the result of the operation in the IRP.
pub fn store_result(operation: &Operation, irp: &IRP) {
    irp.IoStatus.Status.set(operation.data.IoStatus.Status.get());
    irp.IoStatus.Information.set(operation.data.IoStatus.Information.get());
}

/// Calls the post callbacks that are owed. The result stands in the data, before and after.
#[inline]
pub fn up(operation: &'static Operation, leg: Leg) -> Result<Climb, Raise> {
    let used = operation.used();
    if operation.shared.get() {
        if !operation.is_present() {
            // A drain claims without presence, so enter first: what is claimed here, a later drain waits for.
            operation.arrive();
        }
    } else if used == 0 {
        return Ok(Climb::Done);
    }
    up_from(operation, used, leg)
}

/// Goes on after this thread was woken in its seat.
#[cold]
pub fn back(operation: &'static Operation, leg: Leg) -> Result<Climb, Raise> {
    let rest = operation.buffers.borrow().rest;
    up_from(operation, rest, Leg { waits: true, ..leg })
}

/// The same for the first `rest` records.
pub fn up_from(operation: &'static Operation, rest: usize, leg: Leg) -> Result<Climb, Raise> {
    operation.data.Flags.set(operation.base_flags.get() | FLTFL_CALLBACK_DATA_POST_OPERATION);
    operation.phase.set(Phase::Post);
    if operation.shared.get() { up_shared(operation, rest, leg) } else { up_alone(operation, rest, leg) }
}

/// For an operation that no other thread knows.
#[inline]
fn up_alone(operation: &'static Operation, rest: usize, leg: Leg) -> Result<Climb, Raise> {
    let moved = operation.tables_used.get() != 1;
    for index in (0..rest).rev() {
        let owed = operation.owed(index);
        let node = operation.node(owed);
        if node.instance.stage() != GONE && !node.post.is_null() {
            if moved {
                operation.name_volume(&node.instance.volume);
            }
            if !deliver(operation, owed, node).inspect_err(|_| operation.leave())? {
                return held(operation, index, leg);
            }
        }
        owed.done();
    }
    Ok(through(operation))
}

/// For one that was left by a thread: hands it over where another one waits, and claims each record.
#[cold]
fn up_shared(operation: &'static Operation, mut rest: usize, leg: Leg) -> Result<Climb, Raise> {
    loop {
        if pend::is_due(operation, rest, leg) {
            pend::hand_over(operation, rest);
            return Ok(Climb::Left);
        }
        let Some(index) = rest.checked_sub(1) else { return Ok(through(operation)) };
        rest = index;
        let owed = operation.owed(index);
        let node = operation.node(owed);
        let mine = owed.claimed.swap(1, Ordering::AcqRel) == 0;
        if mine && node.instance.stage() != GONE && !node.post.is_null() {
            operation.name_volume(&node.instance.volume);
            if !deliver(operation, owed, node).inspect_err(|_| operation.leave())? {
                return held(operation, index, leg);
            }
        }
        owed.done();
    }
}

#[inline]
fn through(operation: &Operation) -> Climb {
    operation.phase.set(Phase::Between);
    operation.current.set(std::ptr::null());
    operation.current_owed.set(std::ptr::null());
    Climb::Done
}

/// The post callback of record `index` holds the operation.
#[cold]
fn held(operation: &'static Operation, index: usize, leg: Leg) -> Result<Climb, Raise> {
    let before = operation.before.get();
    match pend::hold_post(operation, (index, before), leg)? {
        Held::GoOn(_) => {
            after_held(operation, index, before).inspect_err(|_| operation.leave())?;
            up_from(operation, index, leg)
        }
        Held::Left => Ok(Climb::Left),
        Held::Back => back(operation, leg),
    }
}

/// Calls one post callback. `false`: it holds the operation, and `before` is the status that it was given.
#[inline]
fn deliver(operation: &Operation, owed: &Owed, node: &Node) -> Result<bool, Raise> {
    let flags = operation.base_flags.get() | FLTFL_CALLBACK_DATA_POST_OPERATION;
    operation.show(owed);
    operation.aim(node);
    operation.current_owed.set(owed);
    let result = &operation.data.IoStatus;
    let (status, information) = (result.Status.get(), result.Information.get());
    let tagged = status == NtStatus::REPARSE && tag(operation);
    let answer = callback::post(operation, node, owed.context.get())? as i32;
    if operation.is_untouched(node, flags)
        && answer == FLT_POSTOP_FINISHED_PROCESSING
        && result.Status.get() == status
        && result.Information.get() == information
        && !owed.is(SWAPPED)
        && !operation.extras.get()
        && !tagged
    {
        return Ok(true);
    }
    let holds = answer == FLT_POSTOP_MORE_PROCESSING_REQUIRED && operation.irp.get().is_some();
    if (operation.extras.get() && safe::is_put_off(operation, node, answer)) || holds {
        operation.before.set(status);
        return Ok(false);
    }
    consider(operation, owed, node, flags, (answer, status)).map(|()| true)
}

/// Shows a post-create callback the reparse data. Source: CBD-15.
#[cold]
fn tag(operation: &Operation) -> bool {
    let irp = operation.irp.get().filter(|_| operation.iopb.MajorFunction.get() == IRP_MJ_CREATE);
    if let Some(irp) = irp {
        operation.data.TagData.set(irp.AuxiliaryBuffer().get().cast());
    }
    irp.is_some()
}

/// A post callback that changed something, or gave a rarer answer.
#[cold]
fn consider(
    operation: &Operation,
    owed: &Owed,
    node: &Node,
    flags: u32,
    (answer, before): (i32, NtStatus),
) -> Result<(), Raise> {
    let dirty = operation.repair(node, flags, |rule, message| {
        report(node, node.post, rule, Severity::Error, message);
    });
    let seen = operation.seen(owed);
    if operation.extras.get() && std::mem::take(&mut operation.buffers.borrow_mut().reissued) {
        // What it was issued again with is done.
        seen.restore(&operation.iopb);
    } else if Snapshot::of(&operation.iopb) != seen {
        let (rule, message) = if dirty {
            (
                "SEED-IOPB-58",
                "the post callback changed Data->Iopb, which has no effect: the layers above keep theirs",
            )
        } else {
            (
                "SEED-IOPB-44",
                "lost modification: the post callback changed Data->Iopb without FltSetCallbackDataDirty",
            )
        };
        report(node, node.post, rule, Severity::Warning, message);
        seen.restore(&operation.iopb);
    }
    judge(operation, node, answer, before);
    if before == NtStatus::REPARSE
        && operation.iopb.MajorFunction.get() == IRP_MJ_CREATE
        && let Some(irp) = operation.irp.get()
    {
        irp.AuxiliaryBuffer().set(operation.data.TagData.get().cast());
    }
    operation.data.TagData.set(std::ptr::null_mut());
    if owed.is(SWAPPED) {
        swap::after_post(operation, owed)?;
    }
    Ok(())
}

/// Checks the answer of a post callback and takes its result over. Source: POST-06 to POST-10, POST-14 to POST-16.
fn judge(operation: &Operation, node: &Node, answer: i32, before: NtStatus) {
    let complain = |rule, severity, message: String| report(node, node.post, rule, severity, message);
    let status = operation.data.IoStatus.Status.get();
    match answer {
        FLT_POSTOP_FINISHED_PROCESSING => {}
        FLT_POSTOP_MORE_PROCESSING_REQUIRED => {
            complain(
                "POST-08",
                Severity::Error,
                "FLT_POSTOP_MORE_PROCESSING_REQUIRED for an operation without an IRP; treated as finished"
                    .into(),
            );
        }
        FLT_POSTOP_DISALLOW_FSFILTER_IO if operation.iopb.MajorFunction.get() == IRP_MJ_QUERY_OPEN => {
            operation.data.IoStatus.Status.set(NtStatus::FLT_DISALLOW_FSFILTER_IO);
            return;
        }
        FLT_POSTOP_DISALLOW_FSFILTER_IO => {
            complain(
                "POST-09",
                Severity::Error,
                "FLT_POSTOP_DISALLOW_FSFILTER_IO for another operation than QUERY_OPEN; treated as finished"
                    .into(),
            );
        }
        other => {
            complain(
                "POST-10",
                Severity::Error,
                format!("the post callback returned {other}, which is no answer; treated as finished"),
            );
        }
    }
    if status != before && matches!(status, NtStatus::FLT_DISALLOW_FAST_IO | NtStatus::PENDING) {
        complain(
            "POST-15",
            Severity::Error,
            format!("the post callback set {status}; FLT_INTERNAL_ERROR is used"),
        );
        operation.data.IoStatus.Status.set(NtStatus::FLT_INTERNAL_ERROR);
    }
    let failed_now = before.is_success() && !operation.data.IoStatus.Status.get().is_success();
    if failed_now && operation.iopb.MajorFunction.get() == IRP_MJ_CREATE && before != NtStatus::REPARSE {
        let cancelled = crate::pointer::file(operation.iopb.TargetFileObject.get())
            .is_some_and(|file| file.Flags.load(Ordering::Relaxed) & FO_FILE_OPEN_CANCELLED != 0);
        if !cancelled {
            complain(
                "POST-16",
                Severity::Error,
                format!(
                    "the post callback fails a successful create with {status} without FltCancelFileOpen: the file stays open below"
                ),
            );
        }
    }
}

/// Calls the post callbacks that operations pending below owe to `instance`, on copies, with DRAINING.
///
/// An operation whose buffer the instance has swapped is not drained, since the layers below still use that buffer;
/// neither is one whose post callback runs or was put off. `false`: there are such ones, which complete by themselves.
///
/// Source: LIFE-17, POST-11, POST-12, POST-13, CBD-08
pub fn drain_parked(instance: &Instance) -> Result<bool, Raise> {
    let core = current_core();
    let _pin = epoch::pin(core);
    loop {
        let data = FLT_CALLBACK_DATA::default();
        let block = FLT_IO_PARAMETER_BLOCK::default();
        let mut claimed = None;
        {
            let mut parked = instance.parked.lock();
            // The completion unparks under this lock before the frame goes.
            parked.retain(|address| {
                if claimed.is_some() {
                    return true;
                }
                let operation = crate::frame::operation_of(*address);
                match operation.map_or(Claim::Over, |operation| claim(operation, instance, &data, &block)) {
                    Claim::Over => false,
                    Claim::Busy => true,
                    Claim::Ours(node, context) => {
                        claimed = Some((node, context));
                        false
                    }
                }
            });
            if claimed.is_none() {
                return Ok(parked.is_empty());
            }
        }
        let Some((node, context)) = claimed else { continue };
        if node.post.is_null() {
            continue;
        }
        data.Iopb.set(std::ptr::from_ref(&block).cast_mut());
        let answer = callback::post_drained(node, &data, context, FLTFL_POST_OPERATION_DRAINING)? as i32;
        if answer != FLT_POSTOP_FINISHED_PROCESSING {
            let message = format!(
                "the post callback returned {answer} while draining; only FINISHED_PROCESSING is legal"
            );
            report(node, node.post, "POST-12", Severity::Error, message);
        }
    }
}

/// What a draining side may do with an operation.
enum Claim {
    /// The instance has nothing to do with it any more.
    Over,
    /// It has to complete.
    Busy,
    /// Its post callback is ours to call.
    Ours(&'static Node, usize),
}

fn claim(
    operation: &'static Operation,
    instance: &Instance,
    data: &FLT_CALLBACK_DATA,
    block: &FLT_IO_PARAMETER_BLOCK,
) -> Claim {
    for index in 0..operation.used() {
        let owed = operation.owed(index);
        let node = operation.node(owed);
        if !std::ptr::eq::<Instance>(&*node.instance, instance) || owed.is_done() {
            continue;
        }
        if owed.is(SWAPPED) || owed.claimed.swap(1, Ordering::AcqRel) != 0 {
            return Claim::Busy;
        }
        operation.seen(owed).restore(block);
        let flags = FLTFL_CALLBACK_DATA_POST_OPERATION | FLTFL_CALLBACK_DATA_DRAINING_IO;
        data.Flags.set(operation.base_flags.get() | flags);
        data.Thread.set(operation.data.Thread.get());
        data.RequestorMode.set(operation.data.RequestorMode.get());
        // Who works on the operation further down owes it nothing any more.
        owed.done();
        return Claim::Ours(node, owed.context.get());
    }
    Claim::Over
}
