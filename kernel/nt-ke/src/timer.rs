//! Timers: dispatcher objects that a thread of their own signals when they are due.
//!
//! ```text
//! set ─► queue by time ─► the timer thread: signal, wake waiters, queue the DPC; a periodic one goes back
//! ```
//!
//! The queue is guarded by the dispatcher lock, like the objects. Statements: EXEC-34, EXEC-35.
//!
//! UNSAFETY: objects lie in drivers' memory; the driver promises that they stay while they are set.

use std::collections::BTreeMap;
use std::ptr::{from_ref, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};

use boundary::Event;
use nt_abi::{DISPATCHER_HEADER, KDPC, KTIMER};

use crate::core::{Core, current_core};
use crate::dispatcher::{self, object_type};
use crate::thread::current_thread;

/// Timers that are set, by due time and the order of setting.
pub(crate) type Queue = BTreeMap<(u64, u64), usize>;

/// The timers of a machine, but for their queue.
pub(crate) struct Timers {
    started: AtomicBool,
    /// Signaled when the earliest due time may have changed.
    changed: Box<DISPATCHER_HEADER>,
}

impl Timers {
    pub(crate) fn new() -> Self {
        let changed = Box::new(DISPATCHER_HEADER::default());
        dispatcher::initialize_header(&changed, object_type::SYNCHRONIZATION_EVENT, 0);
        Self { started: AtomicBool::new(false), changed }
    }
}

/// Prepares a timer that is not set.
///
/// Source:  KeInitializeTimerEx
pub fn initialize(timer: &KTIMER, synchronization: bool) {
    let kind =
        if synchronization { object_type::SYNCHRONIZATION_TIMER } else { object_type::NOTIFICATION_TIMER };
    dispatcher::initialize_header(&timer.Header, kind, 0);
    timer.Header.Size.set((size_of::<KTIMER>() / 4) as u8);
    timer.TimerListEntry.Flink.set(null_mut());
    timer.TimerListEntry.Blink.set(null_mut());
    timer.DueTime.set(0);
    timer.Dpc.set(null_mut());
    timer.Period.set(0);
}

/// A set timer keeps its place in the queue in its list entry: nonzero while it is queued.
fn place(timer: &KTIMER) -> Option<(u64, u64)> {
    let order = timer.TimerListEntry.Flink.get() as u64;
    (order != 0).then(|| (timer.DueTime.get(), order))
}

fn unqueue(queue: &mut Queue, timer: &KTIMER) -> bool {
    let was = place(timer).is_some_and(|place| queue.remove(&place).is_some());
    timer.TimerListEntry.Flink.set(null_mut());
    was
}

/// Sets a timer; it is not signaled from now on. Returns whether it was set before, which ends that.
///
/// Source:  KeSetTimerEx; EXEC-34
/// IRQL:    <= DISPATCH_LEVEL
/// Units:   `due` 100 ns, negative relative, positive absolute system time; `period` milliseconds, 0 for once
pub fn set(timer: &KTIMER, due: i64, period: i32, dpc: Option<&KDPC>) -> bool {
    let core = current_core();
    let now = core.scheduler().now();
    let due = match due {
        relative if relative <= 0 => now + relative.unsigned_abs(),
        absolute => (absolute as u64).saturating_sub(core.clock.system_time(0)),
    };
    let was_set = {
        let mut dispatcher = core.dispatcher.lock();
        let was_set = unqueue(&mut dispatcher.timers, timer);
        timer.Header.SignalState.store(0, Ordering::Relaxed);
        timer.Dpc.set(dpc.map_or(null_mut(), |dpc| from_ref(dpc).cast_mut()));
        timer.Period.set(period);
        enqueue(&mut dispatcher, timer, due);
        was_set
    };
    start(core);
    dispatcher::set_event(&core.timers.changed);
    was_set
}

fn enqueue(dispatcher: &mut dispatcher::Dispatcher, timer: &KTIMER, due: u64) {
    dispatcher.timer_order += 1;
    timer.DueTime.set(due);
    timer.TimerListEntry.Flink.set(dispatcher.timer_order as *mut _);
    dispatcher.timers.insert((due, dispatcher.timer_order), from_ref(timer) as usize);
}

/// Ends a timer before it is due. Returns whether it was set. A DPC that it has queued stays queued.
///
/// Source:  KeCancelTimer
/// IRQL:    <= DISPATCH_LEVEL
pub fn cancel(timer: &KTIMER) -> bool {
    unqueue(&mut current_core().dispatcher.lock().timers, timer)
}

/// Set timers that lie in `range` or whose DPC routine does: what a driver left when it went. They are ended.
///
/// Statements: EXEC-35
pub fn end_all_in(core: &Core, range: &std::ops::Range<usize>) -> Vec<usize> {
    let mut dispatcher = core.dispatcher.lock();
    let of_range = |address: usize| {
        // SAFETY: set timers and their DPCs stay.
        let timer = unsafe { &*(address as *const KTIMER) };
        // SAFETY: as above; null means none.
        let dpc = unsafe { timer.Dpc.get().as_ref() };
        range.contains(&address) || dpc.is_some_and(|dpc| range.contains(&dpc.DeferredRoutine.get().0))
    };
    let left: Vec<usize> = dispatcher.timers.values().copied().filter(|address| of_range(*address)).collect();
    for address in &left {
        // SAFETY: as above.
        unqueue(&mut dispatcher.timers, unsafe { &*(*address as *const KTIMER) });
    }
    left
}

fn start(core: &Core) {
    if !core.timers.started.load(Ordering::Relaxed)
        && !core.timers.started.swap(true, Ordering::AcqRel)
        && !core.spawn_here("timers", run)
    {
        core.timers.started.store(false, Ordering::Release);
    }
}

/// The timer thread.
fn run() {
    let core = current_core();
    let thread = current_thread();
    loop {
        let timeout = expire(core);
        thread.set_background(true);
        let woken = dispatcher::wait(&core.timers.changed, false, timeout);
        thread.set_background(false);
        if woken.is_err() || core.stopping() {
            return;
        }
    }
}

/// Signals what is due and returns how long to wait for the next, as a wait's timeout.
fn expire(core: &Core) -> Option<i64> {
    loop {
        let (address, dpc) = {
            let mut dispatcher = core.dispatcher.lock();
            let now = core.scheduler().now();
            let (&(due, order), &address) = dispatcher.timers.first_key_value()?;
            if due > now {
                return Some(-((due - now) as i64));
            }
            dispatcher.timers.remove(&(due, order));
            // SAFETY: set timers stay.
            let timer = unsafe { &*(address as *const KTIMER) };
            timer.TimerListEntry.Flink.set(null_mut());
            let period = u64::from(timer.Period.get().unsigned_abs()) * 10_000;
            if period != 0 {
                enqueue(&mut dispatcher, timer, due + period);
            }
            timer.Header.SignalState.store(1, Ordering::Relaxed);
            dispatcher::wake_waiters(core, &mut dispatcher, &timer.Header);
            (address, timer.Dpc.get())
        };
        if core.observed() {
            core.observe(&Event::TimerFired { timer: address, time: core.scheduler().now() });
        }
        // SAFETY: the DPC of a timer stays while the timer does; null means none.
        if let Some(dpc) = unsafe { dpc.as_ref() } {
            let now = core.clock.system_time(core.scheduler().now());
            // The system time of the expiry, low and high part, as Windows passes it.
            crate::dpc::insert(dpc, (now & 0xFFFF_FFFF) as usize, (now >> 32) as usize);
        }
    }
}
