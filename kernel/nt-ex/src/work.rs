//! Work queues: routines that run later, on system threads at PASSIVE_LEVEL.
//!
//! ```text
//! queue ─► Critical │ Delayed │ HyperCritical ─► workers, started when all of them are busy, up to a bound
//! ```
//!
//! A worker that has nothing to do waits in the background: it never counts as hanging.
//! Statements: EXEC-36, EXEC-37.
//!
//! UNSAFETY: items lie in drivers' memory; the driver promises that they stay until their routine runs.

use std::collections::VecDeque;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};

use boundary::Raise;
use nt_abi::{KSEMAPHORE, WORK_QUEUE_ITEM, bugcheck};
use nt_ke::dispatcher::{self, object_type};
use nt_ke::{BugCheck, Lock, Rank, current_core, current_thread, irql};

use crate::{Ex, ex};

/// Most workers of one queue.
const WORKERS: usize = 32;

/// Which queue: `WORK_QUEUE_TYPE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkQueue {
    /// CriticalWorkQueue.
    Critical,
    /// DelayedWorkQueue: what drivers use.
    Delayed,
    /// HyperCriticalWorkQueue.
    HyperCritical,
}

impl WorkQueue {
    /// The queue of a `WORK_QUEUE_TYPE`; custom priorities (32 and up) go to the delayed one.
    pub fn from_type(queue_type: u32) -> Self {
        match queue_type {
            0 => Self::Critical,
            2 => Self::HyperCritical,
            _ => Self::Delayed,
        }
    }
}

type Routine = Box<dyn FnOnce() -> Result<(), Raise> + Send>;

enum Job {
    Item(usize),
    Engine(Routine),
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    workers: usize,
    busy: usize,
}

struct Queue {
    state: Lock<State>,
    available: KSEMAPHORE,
}

/// The queues of a machine.
pub(crate) struct Queues {
    queues: Box<[Queue; 3]>,
    process: AtomicUsize,
}

impl Queues {
    pub(crate) fn new() -> Self {
        let queue =
            || Queue { state: Lock::new(Rank::ExWork, State::default()), available: KSEMAPHORE::default() };
        let queues = Box::new([queue(), queue(), queue()]);
        for queue in queues.iter() {
            dispatcher::initialize_header(&queue.available.Header, object_type::SEMAPHORE, 0);
            queue.available.Limit.set(i32::MAX);
        }
        Self { queues, process: AtomicUsize::new(0) }
    }
}

impl Ex {
    /// The process that workers belong to, once there is one.
    pub fn set_worker_process(&self, process: usize) {
        self.work.process.store(process, Ordering::Relaxed);
    }

    /// Jobs that nobody has begun yet.
    pub fn queued_work(&self) -> usize {
        self.work.queues.iter().map(|queue| queue.state.lock().jobs.len()).sum()
    }
}

/// Prepares an item. Source: ExInitializeWorkItem.
pub fn initialize(item: &WORK_QUEUE_ITEM, routine: nt_abi::NativeFn, parameter: usize) {
    item.List.Flink.set(null_mut());
    item.List.Blink.set(null_mut());
    item.WorkerRoutine.set(routine);
    item.Parameter.set(parameter as *mut _);
}

/// Queues a driver's item; its routine is called with its parameter.
///
/// Source:  ExQueueWorkItem; EXEC-37
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  an item that is queued already is a bug check
pub fn queue_item(queue: WorkQueue, item: &WORK_QUEUE_ITEM) -> Result<(), Raise> {
    if !item.List.Flink.get().is_null() {
        return Err(current_core().bug_check(BugCheck::new(
            bugcheck::WORKER_INVALID,
            [1, std::ptr::from_ref(item) as u64, 0, 0],
            format!(
                "the work item {item:p} was queued while it is queued already, or never initialised (EXEC-37)"
            ),
        )));
    }
    item.List.Flink.set((&raw const item.List).cast_mut());
    enqueue(queue, Job::Item(std::ptr::from_ref(item) as usize));
    Ok(())
}

/// Queues work of the engine, which may call drivers. A status that it raises ends the machine.
///
/// IRQL:    <= DISPATCH_LEVEL
pub fn queue(queue: WorkQueue, routine: impl FnOnce() -> Result<(), Raise> + Send + 'static) {
    enqueue(queue, Job::Engine(Box::new(routine)));
}

fn enqueue(which: WorkQueue, job: Job) {
    let ex = ex();
    let queue = &ex.work.queues[which as usize];
    let start = {
        let mut state = queue.state.lock();
        state.jobs.push_back(job);
        let idle = state.workers - state.busy;
        let start = idle < state.jobs.len() && state.workers < WORKERS;
        state.workers += usize::from(start);
        start
    };
    // The limit is far away.
    let _ = dispatcher::release_semaphore(&queue.available, 1);
    if start && !start_worker(ex, which) {
        queue.state.lock().workers -= 1;
    }
}

fn start_worker(ex: &Ex, which: WorkQueue) -> bool {
    let process = ex.work.process.load(Ordering::Relaxed);
    ex.core().is_some_and(|core| core.spawn("worker", process, |_| {}, move || work(which)).is_ok())
}

fn work(which: WorkQueue) {
    let queue = &ex().work.queues[which as usize];
    let thread = current_thread();
    loop {
        thread.set_background(true);
        let woken = dispatcher::wait(&queue.available.Header, false, None);
        thread.set_background(false);
        if woken.is_err() || current_core().stopping() {
            return;
        }
        let job = {
            let mut state = queue.state.lock();
            let job = state.jobs.pop_front();
            state.busy += usize::from(job.is_some());
            job
        };
        let Some(job) = job else { continue };
        let result = run(job);
        queue.state.lock().busy -= 1;
        match result {
            Ok(()) => {}
            Err(Raise::Stop) => return,
            Err(Raise::Status(status)) => {
                current_core().bug_check(BugCheck::new(
                    bugcheck::KMODE_EXCEPTION_NOT_HANDLED,
                    [u64::from(status.0 as u32), 0, 0, 0],
                    format!("{status} was raised on a worker thread and nobody handles it"),
                ));
                return;
            }
        }
    }
}

fn run(job: Job) -> Result<(), Raise> {
    match job {
        Job::Engine(routine) => routine(),
        Job::Item(address) => {
            // SAFETY: the driver keeps a queued item until its routine runs, which is now.
            let item = unsafe { &*(address as *const WORK_QUEUE_ITEM) };
            let (routine, parameter) = (item.WorkerRoutine.get(), item.Parameter.get() as u64);
            item.List.Flink.set(null_mut());
            boundary::call(routine, [parameter])?;
            left_clean(routine.0)
        }
    }
}

/// Ends the machine when a worker routine returned with something still raised.
///
/// Source:  bug check 0xE1
pub fn left_clean(routine: usize) -> Result<(), Raise> {
    const WORKER_THREAD_RETURNED_AT_BAD_IRQL: u32 = 0xE1;
    nt_ke::locks::leaving("a worker routine");
    let level = irql::current();
    let regions = current_thread().kernel_apc_disable().get() + current_thread().special_apc_disable().get();
    if level == 0 && regions == 0 {
        return Ok(());
    }
    Err(current_core().bug_check(BugCheck::new(
        WORKER_THREAD_RETURNED_AT_BAD_IRQL,
        [routine as u64, u64::from(level), regions as u64, 0],
        format!("the worker routine {routine:#x} returned at IRQL {level} with {regions} critical or guarded regions entered"),
    )))
}
