//! Deferred procedure calls: routines at DISPATCH_LEVEL, in the context of threads that do nothing else.
//!
//! ```text
//! insert ─► queue ─► one of the DPC threads: raise to DISPATCH_LEVEL, which claims a processor; call; lower
//! ```
//!
//! There are as many DPC threads as processors, so two DPCs can run at once, also twice the same one. On Windows a DPC
//! runs in whatever thread it interrupts; a routine that relies on the thread is wrong there as well.
//! Statements: EXEC-34, EXEC-35.
//!
//! UNSAFETY: objects lie in drivers' memory; the driver promises that they stay while they are queued.

use std::collections::VecDeque;
use std::ptr::{from_ref, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};

use boundary::{Event, Raise};
use nt_abi::irql::DISPATCH_LEVEL;
use nt_abi::{KDPC, KSEMAPHORE, NativeFn, bugcheck};

use crate::bugcheck::BugCheck;
use crate::core::{Core, current_core};
use crate::dispatcher::{self, object_type};
use crate::lock::{Lock, Rank};
use crate::thread::current_thread;

/// `KDPC.Type`.
const DPC_OBJECT: u8 = 19;
const THREADED_DPC_OBJECT: u8 = 26;
/// `KDPC.Number`: a target processor is this and its number.
const TARGET: u16 = 0x800;

#[derive(Default)]
struct Queue {
    waiting: VecDeque<usize>,
    /// DPC threads that exist.
    threads: u32,
}

/// The DPCs of a machine.
pub(crate) struct Dpcs {
    queue: Lock<Queue>,
    available: Box<KSEMAPHORE>,
    /// Queued or running.
    unfinished: AtomicU32,
}

impl Dpcs {
    pub(crate) fn new() -> Self {
        let available = Box::new(KSEMAPHORE::default());
        dispatcher::initialize_header(&available.Header, object_type::SEMAPHORE, 0);
        available.Limit.set(i32::MAX);
        Self { queue: Lock::new(Rank::ExWork, Queue::default()), available, unfinished: AtomicU32::new(0) }
    }
}

/// Prepares a DPC. Source: KeInitializeDpc, KeInitializeThreadedDpc.
pub fn initialize(dpc: &KDPC, routine: NativeFn, context: usize, threaded: bool) {
    dpc.Type.set(if threaded { THREADED_DPC_OBJECT } else { DPC_OBJECT });
    // MediumImportance.
    dpc.Importance.set(1);
    dpc.Number.set(0);
    dpc.DeferredRoutine.set(routine);
    dpc.DeferredContext.set(context as *mut _);
    dpc.DpcData.set(null_mut());
}

/// Queues a DPC; `false` when it is queued already, which leaves its arguments alone.
///
/// Source:  KeInsertQueueDpc; EXEC-35
/// IRQL:    any
pub fn insert(dpc: &KDPC, first: usize, second: usize) -> bool {
    let core = current_core();
    let start = {
        let mut queue = core.dpcs.queue.lock();
        if !dpc.DpcData.get().is_null() {
            return false;
        }
        dpc.DpcData.set(from_ref(&core.dpcs).cast_mut().cast());
        dpc.SystemArgument1.set(first as *mut _);
        dpc.SystemArgument2.set(second as *mut _);
        let address = from_ref(dpc) as usize;
        // HighImportance goes to the head.
        if dpc.Importance.get() == 2 {
            queue.waiting.push_front(address)
        } else {
            queue.waiting.push_back(address)
        }
        core.dpcs.unfinished.fetch_add(1, Ordering::Relaxed);
        let start = queue.threads < core.config.processors;
        queue.threads += u32::from(start);
        start
    };
    if start && !core.spawn_here("dpc", run) {
        core.dpcs.queue.lock().threads -= 1;
    }
    // The limit is far away.
    let _ = dispatcher::release_semaphore(&core.dpcs.available, 1);
    true
}

/// Takes a queued DPC out; `false` when it is not queued: it has run, runs, or was never inserted.
///
/// Source:  KeRemoveQueueDpc
pub fn remove(dpc: &KDPC) -> bool {
    let core = current_core();
    let mut queue = core.dpcs.queue.lock();
    if dpc.DpcData.get().is_null() {
        return false;
    }
    dpc.DpcData.set(null_mut());
    let address = from_ref(dpc) as usize;
    queue.waiting.retain(|waiting| *waiting != address);
    core.dpcs.unfinished.fetch_sub(1, Ordering::Release);
    true
}

/// Where in the queue it goes: 2 to the head. Source: KeSetImportanceDpc.
pub fn set_importance(dpc: &KDPC, importance: u8) {
    dpc.Importance.set(importance);
}

/// The processor that it shall run on. Kept, as the threads that run DPCs are all alike. Source: KeSetTargetProcessorDpc.
pub fn set_target(dpc: &KDPC, processor: u8) {
    dpc.Number.set(TARGET + u16::from(processor));
}

/// Waits until all DPCs that are queued or run have run.
///
/// Source:  KeFlushQueuedDpcs
/// IRQL:    PASSIVE_LEVEL
/// Errors:  `Stop`
pub fn flush() -> Result<(), Raise> {
    let core = current_core();
    let _waiting = crate::locks::waiting_for("the end of DPCs that are queued or run");
    while core.dpcs.unfinished.load(Ordering::Acquire) != 0 {
        if core.stopping() {
            return Err(Raise::Stop);
        }
        core.scheduler().pause();
    }
    Ok(())
}

/// Queued DPCs whose routine or whose object lies in `range`: what a driver left when it went.
pub fn queued_in(core: &Core, range: &std::ops::Range<usize>) -> Vec<usize> {
    let queue = core.dpcs.queue.lock();
    let of_range = |address: &usize| {
        // SAFETY: queued DPCs stay.
        let dpc = unsafe { &*(*address as *const KDPC) };
        range.contains(address) || range.contains(&dpc.DeferredRoutine.get().0)
    };
    queue.waiting.iter().copied().filter(of_range).collect()
}

/// A DPC thread.
fn run() {
    let core = current_core();
    let thread = current_thread();
    loop {
        thread.set_background(true);
        let woken = dispatcher::wait(&core.dpcs.available.Header, false, None);
        thread.set_background(false);
        if woken.is_err() || core.stopping() {
            return;
        }
        let next = {
            let mut queue = core.dpcs.queue.lock();
            queue.waiting.pop_front().map(|address| {
                // SAFETY: queued DPCs stay.
                let dpc = unsafe { &*(address as *const KDPC) };
                dpc.DpcData.set(null_mut());
                let arguments = [
                    address as u64,
                    dpc.DeferredContext.get() as u64,
                    dpc.SystemArgument1.get() as u64,
                    dpc.SystemArgument2.get() as u64,
                ];
                (dpc.DeferredRoutine.get(), arguments)
            })
        };
        // One that was taken out again leaves its count.
        let Some((routine, arguments)) = next else { continue };
        if core.observed() {
            core.observe(&Event::DpcEntered { thread: thread.number(), routine: routine.0 });
        }
        let old = crate::irql::raise(DISPATCH_LEVEL);
        let done = boundary::call(routine, arguments);
        if done.is_err() {
            return;
        }
        let level = crate::irql::current();
        if level != DISPATCH_LEVEL {
            core.bug_check(BugCheck::new(
                bugcheck::IRQL_UNEXPECTED_VALUE,
                [u64::from(level), routine.0 as u64, 0, 0],
                format!(
                    "the DPC routine {:#x} was called at DISPATCH_LEVEL and returned at IRQL {level}",
                    routine.0
                ),
            ));
            return;
        }
        crate::irql::lower(old);
        core.dpcs.unfinished.fetch_sub(1, Ordering::Release);
    }
}
