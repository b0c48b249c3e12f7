//! The one door for everything that blocks.
//!
//! A kernel thread that cannot go on calls `block`; whoever makes it possible calls `wake`. A wake that
//! comes first is not lost. No lock of the engine is held across `block` or `pause`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::thread::futex;

use crate::thread::KTHREAD;

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
    fn start(
        &self,
        name: &str,
        body: Box<dyn FnOnce() + Send>,
    ) -> std::io::Result<std::thread::JoinHandle<()>>;
    /// Lets others run for a moment: for loops that wait for another thread's progress.
    fn pause(&self);
    /// Time since the machine started, in 100 ns units.
    fn now(&self) -> u64;
}

/// One OS thread per kernel thread, real time.
pub struct FreeScheduler {
    started: Instant,
}

impl FreeScheduler {
    /// Time starts now.
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for FreeScheduler {
    fn default() -> Self {
        Self::new()
    }
}

const EMPTY: u32 = 0;
const TOKEN: u32 = 1;

impl Scheduler for FreeScheduler {
    fn block(&self, thread: &KTHREAD, deadline: Option<u64>) {
        let word: &AtomicU32 = thread.wake_word();
        if word.swap(EMPTY, Ordering::Acquire) == TOKEN {
            return;
        }
        let timeout = match deadline {
            None => None,
            Some(deadline) => {
                let left = deadline.saturating_sub(self.now());
                if left == 0 {
                    return;
                }
                Some(rustix::fs::Timespec {
                    tv_sec: (left / 10_000_000) as i64,
                    tv_nsec: (left % 10_000_000 * 100) as i64,
                })
            }
        };
        let _ = futex::wait(word, futex::Flags::PRIVATE, EMPTY, timeout.as_ref());
        word.swap(EMPTY, Ordering::Acquire);
    }

    fn wake(&self, thread: &KTHREAD) {
        let word = thread.wake_word();
        if word.swap(TOKEN, Ordering::Release) == EMPTY {
            let _ = futex::wake(word, futex::Flags::PRIVATE, 1);
        }
    }

    fn start(
        &self,
        name: &str,
        body: Box<dyn FnOnce() + Send>,
    ) -> std::io::Result<std::thread::JoinHandle<()>> {
        let body = move || {
            // A new OS thread inherits `gs` from the one that makes it.
            // SAFETY: 0 stands for no block; the thread is in no machine yet.
            unsafe { boundary::processor::set_gs_base(0) };
            body();
        };
        std::thread::Builder::new().name(name.to_owned()).stack_size(256 << 10).spawn(body)
    }

    fn pause(&self) {
        std::thread::sleep(Duration::from_micros(50));
    }

    fn now(&self) -> u64 {
        (self.started.elapsed().as_nanos() / 100) as u64
    }
}
