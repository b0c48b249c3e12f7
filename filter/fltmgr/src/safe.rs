//! Completion work that needs a lower IRQL than a post callback may have.
//!
//! ```text
//! WhenSafe below DISPATCH_LEVEL ─► the safe callback at once
//! WhenSafe at DISPATCH_LEVEL    ─► noted; the post callback returns MORE_PROCESSING_REQUIRED
//!   completion stops there (put off) ─► worker: safe callback ─► the posts above, then the IRP goes on
//!                                                 └─ MORE_PROCESSING_REQUIRED ─► FltCompletePendedPostOperation
//! ```
//!
//! Only an operation whose completion runs in another thread than its dispatch can be put off: the others complete in
//! their dispatcher, below DISPATCH_LEVEL. Statements: PEND-15 to PEND-19.

use boundary::{Raise, call};
use nt_abi::irql::DISPATCH_LEVEL;
use nt_abi::{
    FLT_CALLBACK_DATA, FLT_POSTOP_FINISHED_PROCESSING, FLT_POSTOP_MORE_PROCESSING_REQUIRED,
    FLTFL_CALLBACK_DATA_DRAINING_IO, FLTFL_CALLBACK_DATA_IRP_OPERATION, FLTFL_CALLBACK_DATA_POST_OPERATION,
    NativeFn, NtStatus,
};
use nt_ex::work::{self, WorkQueue};
use nt_ke::{Severity, current_core, epoch, irql};
use std::sync::atomic::Ordering;

use crate::callback::report;
use crate::completion;
use crate::findings;
use crate::frame::{DETACHED, Operation, Phase, operation_of};
use crate::nodes::Node;
use crate::requestor::is_paging;

/// A post callback that was put off.
#[derive(Clone, Copy)]
pub struct Deferred {
    callback: NativeFn,
    context: usize,
    flags: u32,
    /// Its record.
    index: usize,
    /// The status that it was given.
    before: NtStatus,
    /// The safe callback answered MORE_PROCESSING_REQUIRED, or FltCompletePendedPostOperation was called: whoever
    /// comes second goes on.
    met: bool,
}

/// What FltDoCompletionProcessingWhenSafe returns: whether the callback runs or has run, and the answer to give.
pub type WhenSafe = (bool, u32);

const NO: WhenSafe = (false, FLT_POSTOP_FINISHED_PROCESSING as u32);

/// Runs `callback` where it may touch pageable memory: now, or on a worker.
///
/// Source:  FltDoCompletionProcessingWhenSafe; PEND-15, PEND-16, PEND-18, PEND-19
/// IRQL:    any
/// Returns: `false` and FINISHED_PROCESSING when the callback cannot run: at DISPATCH_LEVEL for paging I/O, and for
///          operations without an IRP
pub fn flt_do_completion_processing_when_safe(
    data: &'static FLT_CALLBACK_DATA,
    objects: usize,
    context: usize,
    flags: u32,
    callback: NativeFn,
) -> Result<WhenSafe, Raise> {
    let wrong = |what: &str| {
        let label = operation_of(std::ptr::from_ref(data) as usize)
            .and_then(|operation| operation.current_node().map(|node| node.instance.filter.label.clone()));
        let message = format!("FltDoCompletionProcessingWhenSafe was called {what}");
        findings::error("PEND-18", label.as_deref().unwrap_or(""), message);
    };
    if data.Flags.get() & FLTFL_CALLBACK_DATA_DRAINING_IO != 0 {
        wrong("while the operation is drained: clean up only");
        return Ok(NO);
    }
    if data.Flags.get() & FLTFL_CALLBACK_DATA_POST_OPERATION == 0 {
        wrong("outside a post callback");
        return Ok(NO);
    }
    if data.Flags.get() & FLTFL_CALLBACK_DATA_IRP_OPERATION == 0 {
        wrong("for an operation without an IRP");
        return Ok(NO);
    }
    if irql::current() < DISPATCH_LEVEL {
        let arguments = [std::ptr::from_ref(data) as u64, objects as u64, context as u64, u64::from(flags)];
        return Ok((true, call(callback, arguments)? as u32));
    }
    let operation = crate::operation_from(std::ptr::from_ref(data) as usize)?;
    if is_paging(data) {
        let driver = operation.current_node().map_or("", |node| node.instance.filter.label.as_str());
        let message = "FltDoCompletionProcessingWhenSafe was called at DISPATCH_LEVEL for paging I/O, which no worker \
                       can complete: lock its buffer in the pre callback";
        findings::error("PEND-19", driver, message);
        return Ok(NO);
    }
    if operation.state.load(Ordering::Acquire) != DETACHED {
        return Ok(NO);
    }
    let before = data.IoStatus.Status.get();
    let deferred = Deferred { callback, context, flags, index: 0, before, met: false };
    operation.buffers.borrow_mut().deferred = Some(deferred);
    operation.extras.set(true);
    Ok((true, FLT_POSTOP_MORE_PROCESSING_REQUIRED as u32))
}

/// Whether the post callback of `node`, which answered `answer`, has put its work off.
pub(crate) fn is_put_off(operation: &Operation, node: &Node, answer: i32) -> bool {
    if operation.buffers.borrow().deferred.is_none() {
        return false;
    }
    if answer != FLT_POSTOP_MORE_PROCESSING_REQUIRED {
        let message = format!(
            "FltDoCompletionProcessingWhenSafe has put the work off, so the post callback has to return what it stored, \
             FLT_POSTOP_MORE_PROCESSING_REQUIRED, but it returned {answer}"
        );
        report(node, node.post, "PEND-16", Severity::Error, message);
    }
    true
}

/// Notes where the completion stops. This thread leaves the operation next.
pub(crate) fn put_off(operation: &Operation, index: usize) {
    operation.phase.set(Phase::Between);
    operation.current.set(std::ptr::null());
    operation.current_owed.set(std::ptr::null());
    if let Some(deferred) = &mut operation.buffers.borrow_mut().deferred {
        deferred.index = index;
    }
}

/// Gives the operation to a worker.
pub(crate) fn hand_over(operation: &'static Operation) {
    let address = std::ptr::from_ref(operation) as usize;
    work::queue(WorkQueue::Delayed, move || operation_of(address).map_or(Ok(()), run));
}

fn run(operation: &'static Operation) -> Result<(), Raise> {
    let Some(deferred) = operation.buffers.borrow().deferred else { return Ok(()) };
    let _pin = epoch::pin(current_core());
    operation.arrive();
    let owed = operation.owed(deferred.index);
    operation.show(owed);
    operation.aim(operation.node(owed));
    operation.current_owed.set(owed);
    operation.phase.set(Phase::Post);
    let arguments = [
        std::ptr::from_ref(&operation.data) as u64,
        std::ptr::from_ref(&operation.objects) as u64,
        deferred.context as u64,
        u64::from(deferred.flags),
    ];
    let answer = call(deferred.callback, arguments).inspect_err(|_| operation.leave())?;
    if answer as i32 == FLT_POSTOP_MORE_PROCESSING_REQUIRED {
        operation.leave();
        return if meet(operation) { go_on(operation) } else { Ok(()) };
    }
    operation.buffers.borrow_mut().deferred = None;
    completion::go_on(operation, deferred.index, deferred.before)
}

/// Whether the other side of a pended post callback has been here before.
fn meet(operation: &Operation) -> bool {
    let _meeting = crate::flt().linking.lock();
    match &mut operation.buffers.borrow_mut().deferred {
        Some(deferred) => std::mem::replace(&mut deferred.met, true),
        None => false,
    }
}

fn go_on(operation: &'static Operation) -> Result<(), Raise> {
    let Some(deferred) = operation.buffers.borrow_mut().deferred.take() else { return Ok(()) };
    let _pin = epoch::pin(current_core());
    operation.arrive();
    completion::go_on(operation, deferred.index, deferred.before)
}

/// Completes an operation whose safe callback returned MORE_PROCESSING_REQUIRED on a worker.
///
/// Source:  FltCompletePendedPostOperation; PEND-05, PEND-06, PEND-17
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  an operation that is not pended is a finding
pub fn flt_complete_pended_post_operation(operation: &'static Operation) -> Result<(), Raise> {
    let pended = operation.buffers.borrow().deferred.is_some();
    if !pended {
        let message = "FltCompletePendedPostOperation was called for an operation that is not pended";
        findings::error("PEND-06", "", message);
        return Ok(());
    }
    if meet(operation) { go_on(operation) } else { Ok(()) }
}
