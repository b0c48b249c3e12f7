//! Completion work that needs a lower IRQL than a post callback may have.
//!
//! ```text
//! WhenSafe below DISPATCH_LEVEL ─► the safe callback at once
//! WhenSafe at DISPATCH_LEVEL    ─► noted; the post callback returns MORE_PROCESSING_REQUIRED
//!   the operation is held (put off) ─► worker: safe callback ─► the posts above, then the IRP goes on
//!                                                 └─ MORE_PROCESSING_REQUIRED ─► FltCompletePendedPostOperation
//! ```
//!
//! Statements: PEND-15 to PEND-19.

use boundary::{Raise, call};
use nt_abi::irql::DISPATCH_LEVEL;
use nt_abi::{
    FLT_CALLBACK_DATA, FLT_POSTOP_FINISHED_PROCESSING, FLT_POSTOP_MORE_PROCESSING_REQUIRED,
    FLTFL_CALLBACK_DATA_DRAINING_IO, FLTFL_CALLBACK_DATA_IRP_OPERATION, FLTFL_CALLBACK_DATA_POST_OPERATION,
    NativeFn,
};
use nt_ex::work::{self, WorkQueue};
use nt_ke::{Severity, current_core, epoch, irql};

use crate::callback::report;
use crate::findings;
use crate::frame::{Operation, operation_of};
use crate::nodes::Node;
use crate::pend;
use crate::requestor::is_paging;

/// A post callback that was put off.
#[derive(Clone, Copy)]
pub struct Deferred {
    callback: NativeFn,
    context: usize,
    flags: u32,
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
    operation.buffers.borrow_mut().deferred = Some(Deferred { callback, context, flags });
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

/// Gives the operation to a worker.
pub(crate) fn hand_over(operation: &'static Operation) {
    let address = std::ptr::from_ref(operation) as usize;
    work::queue(WorkQueue::Delayed, move || operation_of(address).map_or(Ok(()), run));
}

/// Runs the safe callback on a worker. The record stands as the one that holds the operation.
fn run(operation: &'static Operation) -> Result<(), Raise> {
    let Some(deferred) = operation.buffers.borrow_mut().deferred.take() else { return Ok(()) };
    let _pin = epoch::pin(current_core());
    operation.arrive();
    let arguments = [
        std::ptr::from_ref(&operation.data) as u64,
        std::ptr::from_ref(&operation.objects) as u64,
        deferred.context as u64,
        u64::from(deferred.flags),
    ];
    let answer = call(deferred.callback, arguments).inspect_err(|_| operation.leave())?;
    let Some(node) = operation.current_node() else { return Ok(()) };
    if answer as i32 == FLT_POSTOP_MORE_PROCESSING_REQUIRED && !pend::hold_again(operation, node) {
        return Ok(());
    }
    pend::resume_post(operation)
}
