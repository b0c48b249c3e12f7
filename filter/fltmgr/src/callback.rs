//! Entering a filter's callbacks: arguments, time, observer, counters, and what it must not have touched.
//!
//! Statements: REL-01, REL-03, REL-04, CBD-10, CBD-11, IOPB-06, SEED-IOPB-45.

use std::cell::Cell;
use std::ptr::from_ref;
use std::sync::atomic::Ordering;
use std::time::Instant;

use boundary::{Event, Raise, call};
use nt_abi::{FLT_CALLBACK_DATA, FLT_RELATED_OBJECTS, FLTFL_CALLBACK_DATA_DIRTY, NtStatus};
use nt_ke::{Severity, current_core};

use crate::findings;
use crate::nodes::Node;
use crate::parameters::Snapshot;
use crate::rows;

/// Calls the pre callback of `node` and returns its answer.
pub fn pre(node: &Node, data: &FLT_CALLBACK_DATA, context: &Cell<usize>) -> Result<u32, Raise> {
    let objects = FLT_RELATED_OBJECTS::default();
    node.instance.related_objects(&objects, crate::pointer::iopb(data).TargetFileObject.get());
    let before = words(&objects);
    let arguments = [from_ref(data) as u64, from_ref(&objects) as u64, from_ref(context) as u64];
    let answer = timed(node, "pre", data, || call(node.pre, arguments))?;
    check_objects(node, &objects, before);
    Ok(answer as u32)
}

/// Calls the post callback of `node` and returns its answer.
pub fn post(node: &Node, data: &FLT_CALLBACK_DATA, context: usize, flags: u32) -> Result<u32, Raise> {
    let objects = FLT_RELATED_OBJECTS::default();
    node.instance.related_objects(&objects, crate::pointer::iopb(data).TargetFileObject.get());
    let before = words(&objects);
    let arguments = [from_ref(data) as u64, from_ref(&objects) as u64, context as u64, u64::from(flags)];
    let answer = timed(node, "post", data, || call(node.post, arguments))?;
    check_objects(node, &objects, before);
    Ok(answer as u32)
}

fn timed(
    node: &Node,
    phase: &'static str,
    data: &FLT_CALLBACK_DATA,
    run: impl FnOnce() -> Result<u64, Raise>,
) -> Result<u64, Raise> {
    let core = current_core();
    let (observed, counted) = (core.observed(), crate::flt().statistics_on());
    if !observed && !counted {
        return run();
    }
    let operation = rows::name(rows::major_of_row(node.row));
    let driver = node.instance.filter.label.as_str();
    if observed {
        let altitude = node.instance.altitude.as_str();
        core.observe(&Event::CallbackEntered { driver, altitude, operation, phase });
    }
    let started = Instant::now();
    let answer = run()?;
    let nanoseconds = started.elapsed().as_nanos() as u64;
    if counted {
        let counter = &node.instance.counters[node.row];
        let calls = if phase == "pre" { &counter.pre } else { &counter.post };
        calls.fetch_add(1, Ordering::Relaxed);
        counter.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }
    if observed {
        let status: NtStatus = data.IoStatus.Status.get();
        core.observe(&Event::CallbackReturned {
            driver,
            operation,
            phase,
            answer: answer as u32,
            status,
            nanoseconds,
        });
    }
    Ok(answer)
}

fn words(objects: &FLT_RELATED_OBJECTS) -> [usize; 6] {
    [
        usize::from(objects.Size.get()) | usize::from(objects.TransactionContext.get()) << 16,
        objects.Filter.get() as usize,
        objects.Volume.get() as usize,
        objects.Instance.get() as usize,
        objects.FileObject.get() as usize,
        objects.Transaction.get() as usize,
    ]
}

fn check_objects(node: &Node, objects: &FLT_RELATED_OBJECTS, before: [usize; 6]) {
    if words(objects) != before {
        report(node, node.pre, "REL-04", Severity::Error, "a callback wrote to its FLT_RELATED_OBJECTS");
    }
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

/// What no callback may change: flags but DIRTY, thread, mode, the block's address, major function, Reserved.
pub struct Untouchable {
    flags: u32,
    thread: usize,
    mode: i8,
    block: usize,
}

impl Untouchable {
    /// As it is before the callback.
    #[inline]
    pub fn of(data: &FLT_CALLBACK_DATA) -> Self {
        Self {
            flags: data.Flags.get(),
            thread: data.Thread.get() as usize,
            mode: data.RequestorMode.get(),
            block: data.Iopb.get() as usize,
        }
    }

    /// Reports and undoes changes. Returns whether the callback left DIRTY set; it is clear afterwards.
    ///
    /// Source: CBD-10, CBD-11, IOPB-06, SEED-IOPB-37, SEED-IOPB-54
    #[inline]
    pub fn check(
        &self,
        node: &Node,
        place: nt_abi::NativeFn,
        data: &FLT_CALLBACK_DATA,
        before: &Snapshot,
    ) -> bool {
        let flags = data.Flags.get();
        let dirty = flags & FLTFL_CALLBACK_DATA_DIRTY != 0;
        if data.Iopb.get() as usize != self.block {
            report(node, place, "CBD-11", Severity::Error, "a callback replaced Data->Iopb; it is put back");
            data.Iopb.set(self.block as *mut _);
        }
        if (flags ^ self.flags) & !FLTFL_CALLBACK_DATA_DIRTY != 0 {
            let message = format!("a callback changed Data->Flags from {:#x} to {flags:#x}", self.flags);
            report(node, place, "CBD-10", Severity::Error, message);
        }
        if data.Thread.get() as usize != self.thread || data.RequestorMode.get() != self.mode {
            report(
                node,
                place,
                "CBD-11",
                Severity::Error,
                "a callback changed Data->Thread or Data->RequestorMode",
            );
            data.Thread.set(self.thread as *mut _);
            data.RequestorMode.set(self.mode);
        }
        data.Flags.set(self.flags & !FLTFL_CALLBACK_DATA_DIRTY);
        let block = crate::pointer::iopb(data);
        if block.MajorFunction.get() != before.major || block.Reserved.get() != before.reserved {
            let message = format!(
                "a callback changed MajorFunction ({:#04x} to {:#04x}) or Reserved, which are not its to change; \
                 both are put back. Another operation has to be issued as a new one",
                before.major,
                block.MajorFunction.get()
            );
            report(node, place, "IOPB-06", Severity::Error, message);
            block.MajorFunction.set(before.major);
            block.Reserved.set(before.reserved);
        }
        dirty
    }
}
