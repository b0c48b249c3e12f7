//! An operation on its way up: postoperation callbacks from the lowest altitude, each with the parameters that
//! its own preoperation callback saw.
//!
//! A record is claimed by whoever calls its post callback: the completion, or a detaching instance that drains
//! a parked operation. Operations that are not parked are waited for by the detaching side (presence), so only
//! those that pend below are ever drained.
//!
//! Statements: CBD-07, CBD-13 to CBD-16, POST-01 to POST-16, IOPB-09, SEED-IOPB-48, SEED-IOPB-49,
//! SEED-IOPB-58, LIFE-17, LIFE-18.

use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::{
    DEVICE_OBJECT, FLT_CALLBACK_DATA, FLT_IO_PARAMETER_BLOCK, FLT_POSTOP_DISALLOW_FSFILTER_IO,
    FLT_POSTOP_FINISHED_PROCESSING, FLT_POSTOP_MORE_PROCESSING_REQUIRED, FLTFL_CALLBACK_DATA_DRAINING_IO,
    FLTFL_CALLBACK_DATA_POST_OPERATION, FLTFL_POST_OPERATION_DRAINING, FO_FILE_OPEN_CANCELLED, IRP,
    IRP_MJ_CREATE, IRP_MJ_QUERY_OPEN, NtStatus, bugcheck,
};
use nt_io::io_mark_pending;
use nt_ke::{BugCheck, Severity, current_core, dispatcher, epoch};

use crate::callback::{self, report};
use crate::flt;
use crate::frame::{COMPLETED, DETACHED, DISPATCHING, Operation, Owed, Phase, WAITING};
use crate::instance::{GONE, Instance};
use crate::nodes::{self, Node};
use crate::parameters::Snapshot;
use crate::{rows, safe, swap};

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
        _ => {
            // Nobody else looks at it any more; a post callback may be put off.
            operation.state.store(DETACHED, Ordering::Release);
            let _pin = epoch::pin(current_core());
            if !climb(operation, irp, true)? {
                safe::hand_over(operation);
                return Ok(NtStatus::MORE_PROCESSING_REQUIRED);
            }
            end_parked(operation, irp);
            Ok(NtStatus::SUCCESS)
        }
    }
}

/// A parked operation is through: gives its frame back. The IRP goes on.
fn end_parked(operation: &'static Operation, irp: &IRP) {
    unpark(operation);
    operation.tables[..operation.tables_used.get()].iter().for_each(|table| nodes::let_go(table.get()));
    flt().frames.give(operation);
    if irp.PendingReturned.get() != 0 {
        io_mark_pending(irp);
    }
}

/// Goes on after a post callback that was put off: it has run by now, and set its result in the data. `before` is
/// the status that it was given. The caller has pinned an epoch and entered the operation's presence.
///
/// Source: PEND-05, PEND-17
pub fn go_on(operation: &'static Operation, index: usize, before: NtStatus) -> Result<(), Raise> {
    let Some(irp) = operation.irp.get() else { return Ok(()) };
    let owed = operation.owed(index);
    let flags = operation.base_flags.get() | FLTFL_CALLBACK_DATA_POST_OPERATION;
    consider(operation, owed, operation.node(owed), flags, (FLT_POSTOP_FINISHED_PROCESSING, before))?;
    owed.done();
    if !up_from(operation, index, true)? {
        safe::hand_over(operation);
        return Ok(());
    }
    store_result(operation, irp);
    end_parked(operation, irp);
    nt_io::io_complete_request(irp, 0)
}

/// Notes the operation with every instance that it owes a post callback, and gives up this thread's presence.
pub fn park(operation: &Operation) {
    let address = std::ptr::from_ref(operation) as usize;
    for index in 0..operation.used() {
        let owed = operation.owed(index);
        operation.node(owed).instance.parked.lock().push(address);
    }
    operation.leave();
}

/// Ends [`park`]. Afterwards no drain can see the operation.
pub fn unpark(operation: &Operation) {
    let address = std::ptr::from_ref(operation) as usize;
    for index in 0..operation.used() {
        operation.node(operation.owed(index)).instance.parked.lock().retain(|parked| *parked != address);
    }
}

/// From the file system's result in the IRP to the result of all post callbacks there. `false`: one of them was put
/// off, see [`safe`].
pub fn climb(operation: &Operation, irp: &IRP, parked: bool) -> Result<bool, Raise> {
    if operation.modified.get() || swap::came_back_different(operation, irp) {
        swap::come_back(operation, irp);
    }
    operation.data.IoStatus.Status.set(irp.IoStatus.Status.get());
    operation.data.IoStatus.Information.set(irp.IoStatus.Information.get());
    let done = up(operation, parked)?;
    if done {
        store_result(operation, irp);
    }
    Ok(done)
}

/// Leaves the result of the operation in the IRP.
pub fn store_result(operation: &Operation, irp: &IRP) {
    irp.IoStatus.Status.set(operation.data.IoStatus.Status.get());
    irp.IoStatus.Information.set(operation.data.IoStatus.Information.get());
}

/// Calls the post callbacks that are owed. The result stands in the data, before and after. `false`: one of them was
/// put off, and this thread has nothing more to do with the operation than [`safe::hand_over`].
pub fn up(operation: &Operation, parked: bool) -> Result<bool, Raise> {
    let used = operation.used();
    if used == 0 {
        return Ok(true);
    }
    if parked {
        // A drain claims without presence, so enter first: what is claimed here, a later drain waits for.
        operation.arrive();
    }
    up_from(operation, used, parked)
}

fn up_from(operation: &Operation, used: usize, parked: bool) -> Result<bool, Raise> {
    operation.data.Flags.set(operation.base_flags.get() | FLTFL_CALLBACK_DATA_POST_OPERATION);
    operation.phase.set(Phase::Post);
    let moved = operation.tables_used.get() != 1;
    for index in (0..used).rev() {
        let flags = operation.base_flags.get() | FLTFL_CALLBACK_DATA_POST_OPERATION;
        let owed = operation.owed(index);
        let node = operation.node(owed);
        let mine = !parked || owed.claimed.swap(1, Ordering::AcqRel) == 0;
        if mine && node.instance.stage() != GONE && !node.post.is_null() {
            if moved {
                operation.name_volume(&node.instance.volume);
            }
            if !deliver(operation, owed, node, flags).inspect_err(|_| operation.leave())? {
                safe::put_off(operation, index);
                operation.leave();
                return Ok(false);
            }
        }
        owed.done();
    }
    operation.phase.set(Phase::Between);
    operation.current.set(std::ptr::null());
    operation.current_owed.set(std::ptr::null());
    Ok(true)
}

/// Calls one post callback. `false`: it was put off.
#[inline]
fn deliver(operation: &Operation, owed: &Owed, node: &Node, flags: u32) -> Result<bool, Raise> {
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
        && !owed.swapped.get()
        && !operation.extras.get()
        && !tagged
    {
        return Ok(true);
    }
    if operation.extras.get() && safe::is_put_off(operation, node, answer) {
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
    if Snapshot::of(&operation.iopb) != seen {
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
    judge(operation, node, answer, before)?;
    if before == NtStatus::REPARSE
        && operation.iopb.MajorFunction.get() == IRP_MJ_CREATE
        && let Some(irp) = operation.irp.get()
    {
        irp.AuxiliaryBuffer().set(operation.data.TagData.get().cast());
    }
    operation.data.TagData.set(std::ptr::null_mut());
    if owed.swapped.get() {
        swap::after_post(operation, owed)?;
    }
    Ok(())
}

/// Checks the answer of a post callback and takes its result over. Source: POST-06 to POST-10, POST-14 to POST-16.
fn judge(operation: &Operation, node: &Node, answer: i32, before: NtStatus) -> Result<(), Raise> {
    let complain = |rule, severity, message: String| report(node, node.post, rule, severity, message);
    let status = operation.data.IoStatus.Status.get();
    match answer {
        FLT_POSTOP_FINISHED_PROCESSING => {}
        FLT_POSTOP_MORE_PROCESSING_REQUIRED if operation.irp.get().is_none() => {
            complain(
                "POST-08",
                Severity::Error,
                "FLT_POSTOP_MORE_PROCESSING_REQUIRED for an operation without an IRP; treated as finished"
                    .into(),
            );
        }
        FLT_POSTOP_MORE_PROCESSING_REQUIRED => {
            let major = rows::major_of_row(node.row);
            return Err(current_core().bug_check(BugCheck {
                address: node.post.0,
                ..BugCheck::new(
                    bugcheck::FLTMGR_FILE_SYSTEM,
                    [u64::from(major), node.post.0 as u64, 1, 0],
                    format!(
                        "{} returned FLT_POSTOP_MORE_PROCESSING_REQUIRED for {}: this version cannot pend operations",
                        node.instance.filter.label,
                        rows::name(major)
                    ),
                )
            }));
        }
        FLT_POSTOP_DISALLOW_FSFILTER_IO if operation.iopb.MajorFunction.get() == IRP_MJ_QUERY_OPEN => {
            operation.data.IoStatus.Status.set(NtStatus::FLT_DISALLOW_FSFILTER_IO);
            return Ok(());
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
    Ok(())
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
        if owed.swapped.get() || owed.claimed.swap(1, Ordering::AcqRel) != 0 {
            return Claim::Busy;
        }
        operation.seen(owed).restore(block);
        let flags = FLTFL_CALLBACK_DATA_POST_OPERATION | FLTFL_CALLBACK_DATA_DRAINING_IO;
        data.Flags.set(operation.base_flags.get() | flags);
        data.Thread.set(operation.data.Thread.get());
        data.RequestorMode.set(operation.data.RequestorMode.get());
        return Claim::Ours(node, owed.context.get());
    }
    Claim::Over
}
