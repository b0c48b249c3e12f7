//! Work items of minifilters: for an operation that a callback is about to hold, and for anything else.
//!
//! ```text
//! allocate ─► idle ─queue─► queued ─a system thread, PASSIVE_LEVEL─► running
//!               └─free                └─free: a finding                 └─free (the usual place)
//! ```
//!
//! An item that is queued for a filter keeps it registered until its routine has returned. Statements: PEND-07 to
//! PEND-14, WORK-01 to WORK-05.
//!
//! UNSAFETY: items are pool blocks that drivers name by address.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use boundary::{Raise, call, copy};
use nt_abi::{
    FLTFL_CALLBACK_DATA_DRAINING_IO, FLTFL_CALLBACK_DATA_POST_OPERATION, IRP_MJ_FLUSH_BUFFERS, IRP_MJ_READ,
    IRP_MJ_WRITE, NativeFn, NtStatus, bugcheck,
};
use nt_ex::pool::{self, PoolKind};
use nt_ex::work::{self, WorkQueue};
use nt_ke::{BugCheck, current_core};

use crate::anchor::{self, Anchored};
use crate::filter::Filter;
use crate::findings;
use crate::frame::Operation;
use crate::instance::{GOING, Instance};
use crate::requestor::is_paging;

const TAG: u32 = u32::from_le_bytes(*b"FMwi");
const MAGIC: u32 = 0x0ACE_0F1A;
const HYPER_CRITICAL: u32 = 2;

const IDLE: u32 = 0;
const QUEUED: u32 = 1;
const RUNNING: u32 = 2;

/// What an item is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Kind {
    /// An operation: `FLT_DEFERRED_IO_WORKITEM`.
    Deferred = 1,
    /// Anything: `FLT_GENERIC_WORKITEM`.
    Generic = 2,
}

#[repr(C)]
struct Item {
    magic: AtomicU32,
    kind: u32,
    state: AtomicU32,
}

/// A work item's address; 0 without pool.
///
/// Source:  FltAllocateDeferredIoWorkItem, FltAllocateGenericWorkItem; PEND-07, WORK-01
/// IRQL:    <= DISPATCH_LEVEL
pub fn flt_allocate_work_item(kind: Kind) -> usize {
    // The driver's: what it does not free is reported as its leak.
    let Some(block) = pool::allocate(PoolKind::NonPaged, size_of::<Item>(), TAG, true) else { return 0 };
    let item = Item { magic: AtomicU32::new(MAGIC), kind: kind as u32, state: AtomicU32::new(IDLE) };
    // SAFETY: a fresh block of that size, 16-aligned.
    unsafe { block.as_ptr().cast::<Item>().write(item) };
    block.as_ptr() as usize
}

fn item(address: usize, kind: Kind) -> Result<&'static Item, Raise> {
    let words: Option<[u32; 2]> =
        if address.is_multiple_of(16) { copy::read_value(address).ok() } else { None };
    if address != 0 && words == Some([MAGIC, kind as u32]) {
        // SAFETY: the magic stands only in items, and is cleared when one is freed.
        return Ok(unsafe { &*(address as *const Item) });
    }
    Err(current_core().bug_check(BugCheck::new(
        bugcheck::FLTMGR_FILE_SYSTEM,
        [address as u64, 0, 0, 0],
        format!("a filter manager routine was given {address:#x} as a work item, which it is not (any more)"),
    )))
}

/// Frees an item.
///
/// Source:  FltFreeDeferredIoWorkItem, FltFreeGenericWorkItem; PEND-07, WORK-04, WORK-05
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  one that is queued is a finding, and is not freed · anything else than an item is a bug check
pub fn flt_free_work_item(address: usize, kind: Kind) -> Result<(), Raise> {
    let item = item(address, kind)?;
    if item.state.load(Ordering::Acquire) == QUEUED {
        let message =
            "a work item was freed that is queued: its routine frees it, or whoever knows that it has run";
        findings::error("WORK-05", "", message);
        return Ok(());
    }
    item.magic.store(0, Ordering::Relaxed);
    pool::free(address as *const u8, Some(TAG))
}

fn queue_of(queue: u32, rule: &'static str, label: &str) -> WorkQueue {
    if queue == HYPER_CRITICAL {
        findings::error(rule, label, "HyperCriticalWorkQueue is reserved for the system");
    }
    WorkQueue::from_type(queue)
}

/// Keeps a filter registered while a routine of it is queued or runs.
pub(crate) struct Busy(Arc<Filter>);

impl Busy {
    /// `None`: the filter is being unregistered.
    pub(crate) fn new(filter: &Arc<Filter>) -> Option<Self> {
        filter.work.fetch_add(1, Ordering::SeqCst);
        let busy = Self(Arc::clone(filter));
        (!filter.is_going()).then_some(busy)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.work.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Queues `routine(item, second, context)`.
fn enqueue(
    (item, address): (&'static Item, usize),
    queue: WorkQueue,
    routine: NativeFn,
    (second, context): (usize, usize),
    keep: impl Send + 'static,
) -> bool {
    if item.state.compare_exchange(IDLE, QUEUED, Ordering::AcqRel, Ordering::Acquire).is_err()
        && item.state.compare_exchange(RUNNING, QUEUED, Ordering::AcqRel, Ordering::Acquire).is_err()
    {
        return false;
    }
    work::queue(queue, move || {
        let keep = keep;
        item.state.store(RUNNING, Ordering::Release);
        call(routine, [address as u64, second as u64, context as u64])?;
        work::left_clean(routine.0)?;
        // The routine may have freed the item, or queued it again.
        drop(keep);
        Ok(())
    });
    true
}

fn queued_twice(label: &str) {
    findings::error("WORK-05", label, "a work item was queued while it is queued already; it runs once");
}

/// Queues work that has to do with no operation.
///
/// Source:  FltQueueGenericWorkItem; WORK-01 to WORK-03, WORK-05
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  FLT_DELETING_OBJECT (the filter is being unregistered, or the instance torn down) · INVALID_PARAMETER (the
///          item is queued already)
pub fn flt_queue_generic_work_item(
    address: usize,
    object: usize,
    routine: NativeFn,
    queue: u32,
    context: usize,
) -> Result<NtStatus, Raise> {
    let item = item(address, Kind::Generic)?;
    let filter = anchor::filter_at(object)?;
    let busy = match (&filter, Busy::new(&filter.0)) {
        ((_, None), Some(busy)) => busy,
        ((_, Some(instance)), Some(busy)) if instance.stage() < GOING => busy,
        _ => return Ok(NtStatus::FLT_DELETING_OBJECT),
    };
    let label = filter.0.label.clone();
    let which = queue_of(queue, "WORK-03", &label);
    if !enqueue((item, address), which, routine, (object, context), (busy, filter.1)) {
        queued_twice(&label);
        return Ok(NtStatus::INVALID_PARAMETER);
    }
    Ok(NtStatus::SUCCESS)
}

/// Queues the work for an operation, which the callback that runs then holds.
///
/// Source:  FltQueueDeferredIoWorkItem; PEND-08 to PEND-14
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  FLT_NOT_SAFE_TO_POST_OPERATION (paging I/O, or the thread has a top-level IRP) · FLT_DELETING_OBJECT ·
///          INVALID_PARAMETER (an operation without an IRP, an item that is queued)
pub fn flt_queue_deferred_io_work_item(
    address: usize,
    data: usize,
    routine: NativeFn,
    queue: u32,
    context: usize,
) -> Result<NtStatus, Raise> {
    let item = item(address, Kind::Deferred)?;
    let Some(operation) = crate::frame::operation_of(data) else {
        // A drained post callback has a copy of the data.
        let flags: u32 = copy::read_value(data).unwrap_or(0);
        if flags & FLTFL_CALLBACK_DATA_DRAINING_IO != 0 {
            return Ok(NtStatus::FLT_DELETING_OBJECT);
        }
        return crate::operation_from(data).map(|_| NtStatus::INVALID_PARAMETER);
    };
    let Some(node) = operation.current_node() else {
        findings::error(
            "PEND-06",
            "",
            "FltQueueDeferredIoWorkItem was called for an operation that is in no callback",
        );
        return Ok(NtStatus::INVALID_PARAMETER);
    };
    let (instance, label) = (Arc::clone(&node.instance), node.instance.filter.label.clone());
    let node = std::ptr::from_ref(node) as usize;
    let not_queued = |status| {
        operation.buffers.borrow_mut().not_queued = node;
        operation.extras.set(true);
        Ok(status)
    };
    let status = refused(operation, &instance, &label);
    if status != NtStatus::SUCCESS {
        return not_queued(status);
    }
    let Some(busy) = Busy::new(&instance.filter) else { return not_queued(NtStatus::FLT_DELETING_OBJECT) };
    if operation.data.Flags.get() & FLTFL_CALLBACK_DATA_POST_OPERATION != 0
        && matches!(operation.iopb.MajorFunction.get(), IRP_MJ_READ | IRP_MJ_WRITE | IRP_MJ_FLUSH_BUFFERS)
    {
        let message = "a read, write or flush was queued from its post callback, which can deadlock";
        findings::error("PEND-13", &label, message);
    }
    let which = queue_of(queue, "PEND-12", &label);
    if operation.extras.get() {
        // Before somebody else works on it.
        operation.buffers.borrow_mut().not_queued = 0;
    }
    if !enqueue((item, address), which, routine, (data, context), (busy, instance)) {
        queued_twice(&label);
        return not_queued(NtStatus::INVALID_PARAMETER);
    }
    Ok(NtStatus::SUCCESS)
}

/// Why an operation cannot be queued.
fn refused(operation: &Operation, instance: &Instance, label: &str) -> NtStatus {
    if operation.irp.get().is_none() {
        let message = "FltQueueDeferredIoWorkItem was called for an operation without an IRP";
        findings::error("PEND-10", label, message);
        return NtStatus::INVALID_PARAMETER;
    }
    if is_paging(&operation.data) || nt_io::io_get_top_level_irp() != 0 {
        return NtStatus::FLT_NOT_SAFE_TO_POST_OPERATION;
    }
    if instance.stage() >= GOING || instance.anchor().is_deleting() {
        return NtStatus::FLT_DELETING_OBJECT;
    }
    NtStatus::SUCCESS
}
