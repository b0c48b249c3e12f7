//! Entering a filter's callbacks: arguments, time, observer, counters.
//!
//! Statements: REL-01, REL-03.

use std::ptr::from_ref;
use std::sync::atomic::Ordering;
use std::time::Instant;

use boundary::processor::watch;
use boundary::{Event, Raise, call};
use nt_abi::{FLT_CALLBACK_DATA, FLT_RELATED_OBJECTS, NtStatus};
use nt_ke::{Core, Severity, current_core, locks};

use crate::Flt;
use crate::findings;
use crate::frame::Operation;
use crate::nodes::Node;
use crate::rows;

/// Calls the pre callback of `node`, which the operation is aimed at, and returns its answer.
#[inline(always)]
pub fn pre(operation: &Operation, node: &Node) -> Result<u32, Raise> {
    if operation.is_watched() { pre_watched(operation, node) } else { call_pre(operation, node) }
}

#[inline(always)]
fn call_pre(operation: &Operation, node: &Node) -> Result<u32, Raise> {
    nt_ke::scheduler::point();
    let arguments = [
        from_ref(&operation.data) as u64,
        from_ref(&operation.objects) as u64,
        from_ref(&operation.context) as u64,
    ];
    Ok(call(node.pre, arguments)? as u32)
}

#[cold]
fn pre_watched(operation: &Operation, node: &Node) -> Result<u32, Raise> {
    watched(node, "pre", &operation.data, || call_pre(operation, node))
}

/// Calls the post callback of `node`, which the operation is aimed at, and returns its answer.
#[inline(always)]
pub fn post(operation: &Operation, node: &Node, context: usize) -> Result<u32, Raise> {
    if operation.is_watched() {
        post_watched(operation, node, context)
    } else {
        call_post(operation, node, context)
    }
}

#[inline(always)]
fn call_post(operation: &Operation, node: &Node, context: usize) -> Result<u32, Raise> {
    nt_ke::scheduler::point();
    let arguments =
        [from_ref(&operation.data) as u64, from_ref(&operation.objects) as u64, context as u64, 0];
    Ok(call(node.post, arguments)? as u32)
}

#[cold]
fn post_watched(operation: &Operation, node: &Node, context: usize) -> Result<u32, Raise> {
    watched(node, "post", &operation.data, || call_post(operation, node, context))
}

/// Calls the post callback of `node` for a copy of an operation's data.
pub fn post_drained(node: &Node, data: &FLT_CALLBACK_DATA, context: usize, flags: u32) -> Result<u32, Raise> {
    let objects = FLT_RELATED_OBJECTS::default();
    node.instance.related_objects(&objects, crate::pointer::iopb(data).TargetFileObject.get());
    let arguments = [from_ref(data) as u64, from_ref(&objects) as u64, context as u64, u64::from(flags)];
    let run = || Ok(call(node.post, arguments)? as u32);
    if is_watched(current_core(), crate::flt()) { watched(node, "post", data, run) } else { run() }
}

/// Whether someone counts or observes callbacks, or they are called differently.
#[inline]
pub fn is_watched(core: &Core, flt: &Flt) -> bool {
    core.watched() & (watch::OBSERVED | watch::SCHEDULED) != 0 || flt.has_switches()
}

fn watched(
    node: &Node,
    phase: &'static str,
    data: &FLT_CALLBACK_DATA,
    run: impl FnOnce() -> Result<u32, Raise>,
) -> Result<u32, Raise> {
    let core = current_core();
    let (observed, counted) = (core.observed(), crate::flt().statistics_on());
    let operation = rows::name(rows::major_of_row(node.row));
    let driver = node.instance.filter.label.as_str();
    if observed {
        let altitude = node.instance.altitude.as_str();
        let iopb = crate::pointer::iopb(data);
        core.observe(&Event::CallbackEntered {
            driver,
            altitude,
            operation,
            phase,
            minor: iopb.MinorFunction.get(),
            flags: iopb.IrpFlags.get(),
            file: iopb.TargetFileObject.get() as usize,
            parameters: &std::array::from_fn(|index| iopb.Parameters.raw[index].get()),
        });
    }
    let before = locks::watched().then(locks::mark);
    let held = references(node, data);
    let started = Instant::now();
    let answer = run()?;
    let nanoseconds = started.elapsed().as_nanos() as u64;
    if references(node, data) != held {
        let place = if phase == "pre" { node.pre } else { node.post };
        let message = "the callback changed the references of a file object that lives for the call only: name queries \
                       may use it, nothing may keep it";
        report(node, place, "PARM-19", Severity::Error, message);
    }
    if let Some(before) = before {
        if is_last(node, phase, answer) {
            locks::check_callback(before, || format!("the {phase} callback of {driver} for {operation}"));
        } else if is_acquire(node) && locks::took_more(&before) {
            report(
                node,
                if phase == "pre" { node.pre } else { node.post },
                "PARM-27",
                Severity::Warning,
                "the callback returns with a lock that it has taken; the release for this acquire may never be seen, so \
                 nobody may give the lock back",
            );
        }
    }
    if counted {
        let counter = &node.instance.counters[node.row];
        let calls = if phase == "pre" { &counter.pre } else { &counter.post };
        calls.fetch_add(1, Ordering::Relaxed);
        counter.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }
    if observed {
        let status: NtStatus = data.IoStatus.Status.get();
        core.observe(&Event::CallbackReturned { driver, operation, phase, answer, status, nanoseconds });
    }
    Ok(answer)
}

/// References of the file object of a query without an open; `None` for other operations.
fn references(node: &Node, data: &FLT_CALLBACK_DATA) -> Option<i64> {
    let asks = rows::major_of_row(node.row) == nt_abi::IRP_MJ_NETWORK_QUERY_OPEN;
    let file = asks.then(|| crate::pointer::iopb(data).TargetFileObject.get() as usize)?;
    nt_ob::ob_pointer_count(file).ok()
}

/// Whether nothing of the driver follows on this operation. Callbacks that acquire for somebody are followed by those that
/// release.
fn is_last(node: &Node, phase: &str, answer: u32) -> bool {
    // No lock may be held until a synchronized operation is back (PRE-24).
    let no_post =
        [nt_abi::FLT_PREOP_SUCCESS_NO_CALLBACK, nt_abi::FLT_PREOP_COMPLETE, nt_abi::FLT_PREOP_SYNCHRONIZE]
            .contains(&(answer as i32));
    phase == "pre" && no_post && !is_acquire(node)
}

/// Whether the operation takes a lock of the file system that another operation gives back.
fn is_acquire(node: &Node) -> bool {
    let acquires = [
        nt_abi::IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION,
        nt_abi::IRP_MJ_ACQUIRE_FOR_MOD_WRITE,
        nt_abi::IRP_MJ_ACQUIRE_FOR_CC_FLUSH,
    ];
    acquires.contains(&rows::major_of_row(node.row))
}

/// A finding about a callback of `node`.
#[cold]
pub fn report(
    node: &Node,
    place: nt_abi::NativeFn,
    rule: &'static str,
    severity: Severity,
    message: impl Into<String>,
) {
    let major = rows::major_of_row(node.row);
    let message = format!("{}: {}", rows::name(major), message.into());
    findings::callback(rule, severity, &node.instance.filter.label, major, place, message);
}
