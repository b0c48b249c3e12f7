//! The way down: preoperation callbacks from the highest altitude, whatever kind the operation is of.
//!
//! A callback that answers with or without a post callback and touched nothing is a step of a few compares
//! ([`step`]); everything else that a callback can do goes to [`consider`].
//!
//! Statements: CBD-02 to CBD-07, CBD-10 to CBD-14, PRE-01 to PRE-26, IOPB-06 to IOPB-15, REL-04, SEED-IOPB-42 to
//! SEED-IOPB-60, SWAP-23.
//!
//! UNSAFETY: reads the callback table that an operation was redirected to, which is pinned.

use std::mem::offset_of;
use std::sync::Arc;

use boundary::Raise;
use nt_abi::file_information_class::{
    FileDispositionInformation, FileDispositionInformationEx, FileMoveClusterInformation,
};
use nt_abi::{
    FLT_PARAMETERS_SetFileInformation, FLT_PREOP_COMPLETE, FLT_PREOP_DISALLOW_FASTIO,
    FLT_PREOP_DISALLOW_FSFILTER_IO, FLT_PREOP_PENDING, FLT_PREOP_SUCCESS_NO_CALLBACK,
    FLT_PREOP_SUCCESS_WITH_CALLBACK, FLT_PREOP_SYNCHRONIZE, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION,
    IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_DIRECTORY_CONTROL, IRP_MJ_FILE_SYSTEM_CONTROL,
    IRP_MJ_LOCK_CONTROL, IRP_MJ_QUERY_OPEN, IRP_MJ_READ, IRP_MJ_SET_INFORMATION, IRP_MJ_VOLUME_MOUNT,
    IRP_MJ_WRITE, IRP_MN_LOCK, IRP_MN_NOTIFY_CHANGE_DIRECTORY, NtStatus, bugcheck,
};
use nt_io::io_is_operation_synchronous;
use nt_ke::{BugCheck, Core, Severity};

use crate::callback::{self, report};
use crate::frame::{Operation, Phase, SYNCHRONIZED};
use crate::fs_filter;
use crate::instance::{ACTIVE, Instance};
use crate::nodes::Node;
use crate::parameters::{self, Snapshot};
use crate::pend::{self, Held, Leg, Next};
use crate::redirect;
use crate::rows;
use crate::swap;

/// How the way down ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All pre callbacks let it pass.
    Send,
    /// A filter answered it: the result stands in the data.
    Answered,
    /// A filter holds it, and this thread has nothing more to do with it.
    Left,
    /// A filter held it, this thread waited, and has to go on with the post callbacks.
    Back,
}

/// Calls the pre callbacks of `list` from `start` on.
#[inline]
pub fn descend(
    core: &Core,
    operation: &Operation,
    list: &[Node],
    start: usize,
    kinds: u32,
    leg: Leg,
) -> Result<Outcome, Raise> {
    operation.phase.set(Phase::Pre);
    walk(core, operation, (list, start), kinds, leg)
}

#[inline]
fn walk(
    core: &Core,
    operation: &Operation,
    (mut list, mut index): (&[Node], usize),
    kinds: u32,
    leg: Leg,
) -> Result<Outcome, Raise> {
    let outcome = loop {
        let Some(node) = list.get(index) else { break Outcome::Send };
        index += 1;
        if node.skip & kinds != 0 {
            continue;
        }
        let mut step = step(operation, node)?;
        if matches!(step, Step::Held) {
            step = match pend::hold_pre(operation, node, Next { index, kinds }, leg)? {
                Held::GoOn(answer) => consider(operation, node, answer)?,
                Held::Left => return Ok(Outcome::Left),
                Held::Back => return Ok(Outcome::Back),
            };
        }
        match step {
            Step::Next | Step::Held => {}
            Step::Answered => break Outcome::Answered,
            Step::Redirected(target) => {
                (list, index) = follow(core, operation, node.row, &target)?;
            }
        }
    };
    operation.end_descent();
    Ok(outcome)
}

/// Goes on after a pre callback of `node` that held the operation, as if it had returned `answer`.
#[cold]
pub fn resume(
    core: &Core,
    operation: &Operation,
    node: &Node,
    answer: i32,
    next: Next,
    leg: Leg,
) -> Result<Outcome, Raise> {
    operation.phase.set(Phase::Pre);
    let place = match consider(operation, node, answer)? {
        Step::Next | Step::Held => (operation.list(node.row), next.index),
        Step::Redirected(target) => follow(core, operation, node.row, &target)?,
        Step::Answered => {
            operation.end_descent();
            return Ok(Outcome::Answered);
        }
    };
    walk(core, operation, place, next.kinds, leg)
}

/// The nodes of the volume that an operation was redirected to, and where to go on.
#[cold]
fn follow<'a>(
    core: &Core,
    operation: &Operation,
    row: usize,
    target: &Instance,
) -> Result<(&'a [Node], usize), Raise> {
    // SAFETY: `redirect` loaded the table under this dispatch's pin and recorded it in the frame.
    let list = unsafe { &*operation.tables[operation.tables_used.get() - 1].get() }.row(row);
    let index = list.iter().position(|n| n.instance.altitude < target.altitude).unwrap_or(list.len());
    if operation.room() < list.len() - index {
        return Err(core.bug_check(BugCheck::new(
            bugcheck::FLTMGR_FILE_SYSTEM,
            [list.len() as u64, 0, 0, 0],
            "an operation was redirected to a volume with more than twice as many filters as its own, \
             which this version cannot follow",
        )));
    }
    Ok((list, index))
}

enum Step {
    Next,
    Answered,
    Redirected(Arc<Instance>),
    Held,
}

/// One instance on the way down.
#[inline]
fn step(operation: &Operation, node: &Node) -> Result<Step, Raise> {
    operation.enter(&node.instance);
    if node.instance.stage() != ACTIVE {
        return Ok(Step::Next);
    }
    operation.aim(node);
    if node.pre.is_null() {
        operation.owe(node, 0, operation.version());
        return Ok(Step::Next);
    }
    operation.context.set(0);
    let answer = callback::pre(operation, node)? as i32;
    let status = &operation.data.IoStatus;
    let touched = !operation.is_untouched(node, operation.base_flags.get())
        | (status.Status.get() != NtStatus::SUCCESS)
        | (status.Information.get() != 0);
    if !touched {
        let context = operation.context.get();
        if answer == FLT_PREOP_SUCCESS_WITH_CALLBACK && !node.post.is_null() {
            operation.owe(node, context, operation.version());
            return Ok(Step::Next);
        }
        if answer == FLT_PREOP_SUCCESS_NO_CALLBACK && context == 0 {
            return Ok(Step::Next);
        }
    }
    if answer == FLT_PREOP_PENDING && may_hold(operation) {
        return Ok(Step::Held);
    }
    consider(operation, node, answer)
}

/// Only IRPs can be held. Source: PRE-10.
fn may_hold(operation: &Operation) -> bool {
    operation.irp.get().is_some()
}

/// A pre callback that changed something, or gave a rarer answer.
#[cold]
fn consider(operation: &Operation, node: &Node, answer: i32) -> Result<Step, Raise> {
    let (version, before) = (operation.version(), operation.seen_by(node));
    let dirty = operation.repair(node, operation.base_flags.get(), |rule, message| {
        report(node, node.pre, rule, Severity::Error, message);
    });
    let after = Snapshot::of(&operation.iopb);
    let redirected =
        if after == before { None } else { changed(operation, node, &before, &after, dirty, answer) };
    let given = answer;
    let answer = judge(operation, node, answer, operation.context.get());
    let owes = answer == FLT_PREOP_SUCCESS_WITH_CALLBACK;
    let now = Snapshot::of(&operation.iopb);
    if now != before {
        operation.new_version(owes);
    }
    if answer == FLT_PREOP_COMPLETE {
        return Ok(Step::Answered);
    }
    set_status(operation, NtStatus::SUCCESS, 0);
    if owes {
        let owed = operation.owe(node, operation.context.get(), version);
        if given == FLT_PREOP_SYNCHRONIZE {
            owed.mark(SYNCHRONIZED);
        }
        if now != before {
            swap::noted(operation, node, &before, &now, Some(owed));
        }
    } else if now != before {
        swap::noted(operation, node, &before, &now, None);
    }
    Ok(redirected.map_or(Step::Next, Step::Redirected))
}

fn is_fast(operation: &Operation) -> bool {
    operation.base_flags.get() & FLTFL_CALLBACK_DATA_FAST_IO_OPERATION != 0
}

fn set_status(operation: &Operation, status: NtStatus, information: usize) {
    operation.data.IoStatus.Status.set(status);
    operation.data.IoStatus.Information.set(information);
}

/// A fast I/O transfer has no MDL: a filter that swaps changes the buffer pointer alone. Source: SWAP-23.
fn take_mdl_away(operation: &Operation, node: &Node, before: &Snapshot) {
    let place = parameters::decode::places(&operation.iopb, true).and_then(|places| places.mdl);
    if let Some(offset) = place
        && let old = before.parameters[offset / 8]
        && !matches!(operation.iopb.Parameters.raw[offset / 8].replace(old), mdl if mdl == old || mdl == 0)
    {
        let message = "a filter set an MDL in a fast I/O operation, which has none; it is taken away";
        report(node, node.pre, "SWAP-23", Severity::Error, message);
    }
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
    if fs_filter::is_fs_filter(operation) {
        stay(operation, node, before, after);
        return None;
    }
    keep_reserved(operation, node, before);
    let mut redirected = None;
    if after.instance != before.instance {
        redirected = redirect::accept(operation, node, after.instance);
        if redirected.is_none() {
            // The file, if it was changed as well, is one of the volume that was refused.
            operation.iopb.TargetInstance.set(before.instance as *mut _);
            operation.iopb.TargetFileObject.set(before.file as *mut _);
        }
    }
    if after.file != before.file && operation.iopb.TargetFileObject.get() as usize != before.file {
        redirect::check_file(operation, node, after.file);
    }
    if is_fast(operation) {
        take_mdl_away(operation, node, before);
    }
    redirected
}

/// ClusterCount and DeleteHandle of a SET_INFORMATION are the system's, where ReplaceIfExists or AdvanceOnly stands for
/// other classes. Source: PARM-12.
fn keep_reserved(operation: &Operation, node: &Node, before: &Snapshot) {
    if operation.iopb.MajorFunction.get() != IRP_MJ_SET_INFORMATION {
        return;
    }
    let class = operation.iopb.Parameters.SetFileInformation().FileInformationClass.get();
    let own = [FileMoveClusterInformation, FileDispositionInformation, FileDispositionInformationEx];
    let word = offset_of!(FLT_PARAMETERS_SetFileInformation, ReplaceIfExists) / 8;
    if own.contains(&class) && operation.iopb.Parameters.raw[word].get() != before.parameters[word] {
        let message =
            "the pre callback changed ClusterCount or DeleteHandle, which are reserved; it is put back";
        report(node, node.pre, "PARM-12", Severity::Error, message);
        operation.iopb.Parameters.raw[word].set(before.parameters[word]);
    }
}

/// A file system filter operation is neither sent elsewhere nor made for another file: the layers above and below
/// have it, too.
fn stay(operation: &Operation, node: &Node, before: &Snapshot, after: &Snapshot) {
    if (after.instance, after.file) != (before.instance, before.file) {
        let message = "TargetInstance or TargetFileObject was changed, which has no effect on a file system \
                       filter operation; it is put back";
        report(node, node.pre, "IOPB-10", Severity::Warning, message);
        operation.iopb.TargetInstance.set(before.instance as *mut _);
        operation.iopb.TargetFileObject.set(before.file as *mut _);
    }
}

/// Checks the answer of a pre callback and returns what is done: with callback, without, or complete.
#[allow(clippy::too_many_lines, reason = "one arm for each answer")]
fn judge(operation: &Operation, node: &Node, answer: i32, context: usize) -> i32 {
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
    match answer {
        FLT_PREOP_SUCCESS_NO_CALLBACK => answer,
        FLT_PREOP_SUCCESS_WITH_CALLBACK | FLT_PREOP_SYNCHRONIZE => {
            // PRE-19: nothing more than "with callback" for anything but an IRP.
            if answer == FLT_PREOP_SYNCHRONIZE && operation.irp.get().is_some() {
                synchronize(operation, node, major);
            }
            if node.post.is_null() {
                complain(
                    "PRE-06",
                    Severity::Error,
                    format!("the pre callback returned {answer}, but no post callback is registered"),
                );
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
            }
            FLT_PREOP_SUCCESS_WITH_CALLBACK
        }
        FLT_PREOP_COMPLETE
            if fs_filter::is_fs_filter(operation) && !fs_filter::answered(operation, node, status) =>
        {
            without_post(operation)
        }
        FLT_PREOP_COMPLETE => {
            answered(operation, node, major, status);
            FLT_PREOP_COMPLETE
        }
        FLT_PREOP_PENDING if fs_filter::is_fs_filter(operation) => {
            complain(
                "PRE-10",
                Severity::Error,
                "FLT_PREOP_PENDING for a file system filter operation; treated as no callback".into(),
            );
            without_post(operation)
        }
        FLT_PREOP_PENDING => {
            complain(
                "PRE-10",
                Severity::Error,
                "FLT_PREOP_PENDING for an operation without an IRP; treated as FLT_PREOP_DISALLOW_FASTIO"
                    .into(),
            );
            disallowed(operation)
        }
        FLT_PREOP_DISALLOW_FASTIO if is_fast(operation) && major != IRP_MJ_VOLUME_MOUNT => {
            if status != NtStatus::SUCCESS || operation.data.IoStatus.Information.get() != 0 {
                let message =
                    format!("FLT_PREOP_DISALLOW_FASTIO with IoStatus set ({status}); it is overwritten");
                complain("PRE-12", Severity::Warning, message);
            }
            disallowed(operation)
        }
        FLT_PREOP_DISALLOW_FASTIO => {
            complain(
                "PRE-12",
                Severity::Error,
                "FLT_PREOP_DISALLOW_FASTIO for an operation that it is not for; treated as no callback"
                    .into(),
            );
            without_post(operation)
        }
        FLT_PREOP_DISALLOW_FSFILTER_IO if major == IRP_MJ_QUERY_OPEN => disallowed(operation),
        FLT_PREOP_DISALLOW_FSFILTER_IO => {
            complain(
                "PRE-10",
                Severity::Error,
                "FLT_PREOP_DISALLOW_FSFILTER_IO for an operation that it is not for; treated as no callback"
                    .into(),
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
    }
}

/// `FLT_PREOP_DISALLOW_FASTIO`, and `FLT_PREOP_DISALLOW_FSFILTER_IO`, which has the same status: whoever issued the
/// operation sends IRPs instead. Source: PRE-11, PRE-13, PRE-25.
fn disallowed(operation: &Operation) -> i32 {
    set_status(operation, NtStatus::FLT_DISALLOW_FAST_IO, 0);
    FLT_PREOP_COMPLETE
}

/// `FLT_PREOP_SYNCHRONIZE`. Source: PRE-18 to PRE-22.
fn synchronize(operation: &Operation, node: &Node, major: u8) {
    let complain = |rule, severity, message: &str| report(node, node.pre, rule, severity, message);
    let minor = operation.iopb.MinorFunction.get();
    let synchronous = operation.irp.get().is_none_or(io_is_operation_synchronous);
    let oplock = |code| matches!(code, 0x9_0000 | 0x9_0004 | 0x9_0008 | 0x9_005C);
    let code = operation.iopb.Parameters.FileSystemControl().Common().FsControlCode.get();
    if major == IRP_MJ_CREATE {
        complain("PRE-20", Severity::Advice, "FLT_PREOP_SYNCHRONIZE is not needed for a create");
        // Whoever issued it waits and calls the post callback.
        return;
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
}
