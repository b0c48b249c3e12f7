//! The one door for everything that blocks.
//!
//! A kernel thread that cannot go on calls `block`; whoever makes it possible calls `wake`. A wake that
//! comes first is not lost. No lock of the engine is held across `block`, `pause` or `point`.
//!
//! | scheduler | kernel threads are | time | who runs when |
//! | --- | --- | --- | --- |
//! | [`free`] | OS threads | real | the host decides |
//! | [`fibre`] | fibres on one OS thread at a time | virtual | a seed decides, at every [`point`] |

mod choice;
pub mod fibre;
pub mod free;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use boundary::processor::watch;

use crate::core::{Core, current_core};
use crate::thread::{ChunkStack, KTHREAD};

/// Which scheduler a machine has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schedule {
    /// One OS thread per kernel thread, real time.
    #[default]
    Free,
    /// Fibres and virtual time; the seed decides every switch.
    Seeded(u64),
}

/// How kernel threads get to run.
pub trait Scheduler: Send + Sync {
    /// Suspends the current thread until someone wakes it or `deadline` (100 ns units of [`Scheduler::now`])
    /// has passed. May return early; the caller looks at its condition again.
    fn block(&self, thread: &KTHREAD, deadline: Option<u64>);
    /// Lets `thread` go on, now or at its next `block`.
    fn wake(&self, thread: &KTHREAD);
    /// Gives a new kernel thread something to run on.
    ///
    /// Errors: the host has no thread to give.
    fn start(&self, task: Task) -> std::io::Result<()>;
    /// A thread of the host comes into the machine as `thread`; returns when it may run.
    fn enter(&self, thread: &'static KTHREAD);
    /// It has left the machine.
    fn leave(&self, thread: &'static KTHREAD);
    /// Lets others run for a moment: for loops that wait for another thread's progress.
    fn pause(&self);
    /// A place where another thread may be let run first. No lock of the engine is held.
    fn point(&self);
    /// Time since the machine started, in 100 ns units.
    fn now(&self) -> u64;
    /// Keeps the processor busy for a time in 100 ns units.
    fn stall(&self, duration: u64);
    /// Whether the same seed gives the same run.
    fn deterministic(&self) -> bool;
    /// Every kernel thread has ended: gives back what they ran on.
    fn join(&self);
}

/// A wait for the outside was refused, since nothing outside follows the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutsideRefused;

impl std::fmt::Display for OutsideRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "a machine with a seeded schedule waits for nothing outside of it, or the same seed would not give the same \
             run; use the free scheduler",
        )
    }
}

impl std::error::Error for OutsideRefused {}

/// Lets the current thread wait for something outside of the machine, such as a socket: `wait` does its own I/O and
/// returns when that is done or when the machine stops. Meanwhile the thread counts as one that will go on by itself.
///
/// IRQL:    PASSIVE_LEVEL, no lock held
/// Errors:  a machine with a seeded schedule refuses, without calling `wait`
pub fn wait_outside<R>(wait: impl FnOnce() -> R) -> Result<R, OutsideRefused> {
    let core = current_core();
    if core.scheduler().deterministic() {
        return Err(OutsideRefused);
    }
    // Ends the count also when `wait` panics.
    struct Waiting<'a>(&'a Core);
    impl Drop for Waiting<'_> {
        fn drop(&mut self) {
            self.0.dispatcher.lock().leave_outside();
        }
    }
    core.dispatcher.lock().enter_outside();
    let _waiting = Waiting(core);
    Ok(wait())
}

/// A new kernel thread and what it shall do.
pub struct Task {
    pub(crate) name: String,
    pub(crate) core: Arc<Core>,
    pub(crate) thread: &'static KTHREAD,
    pub(crate) stack: ChunkStack,
    pub(crate) body: Box<dyn FnOnce() + Send>,
}

/// A place where a seeded schedule may switch to another thread: whatever can be seen by two threads happens
/// between two such places. One load in a free machine. No lock of the engine is held.
#[inline]
pub fn point() {
    if boundary::current().observed.load(Ordering::Relaxed) & watch::SCHEDULED != 0 {
        current_core().scheduler().point();
    }
}
