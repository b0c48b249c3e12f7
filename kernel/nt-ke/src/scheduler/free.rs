//! The free scheduler: each kernel thread has an OS thread, time is real, the host decides who runs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::thread::futex;

use super::{Scheduler, Task};
use crate::thread::KTHREAD;

/// One OS thread per kernel thread, real time.
pub struct FreeScheduler {
    started: Instant,
    handles: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

impl FreeScheduler {
    /// Time starts now.
    pub fn new() -> Self {
        Self { started: Instant::now(), handles: Mutex::default() }
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

    fn start(&self, task: Task) -> std::io::Result<()> {
        let builder = std::thread::Builder::new().name(task.name.clone()).stack_size(256 << 10);
        let handle = builder.spawn(move || {
            // A new OS thread inherits `gs` from the one that makes it.
            // SAFETY: 0 stands for no block; the thread is in no machine yet.
            unsafe { boundary::processor::set_gs_base(0) };
            let Task { core, thread, body, .. } = task;
            // The panic hook has said what there is to say; the thread ends, the machine goes on.
            let _ = catch_unwind(AssertUnwindSafe(|| core.run_on(thread, body)));
            core.end_thread(thread);
        })?;
        self.handles.lock().push(handle);
        Ok(())
    }

    fn enter(&self, _: &'static KTHREAD) {}

    fn leave(&self, _: &'static KTHREAD) {}

    fn pause(&self) {
        std::thread::sleep(Duration::from_micros(50));
    }

    fn point(&self) {}

    fn now(&self) -> u64 {
        (self.started.elapsed().as_nanos() / 100) as u64
    }

    fn stall(&self, duration: u64) {
        let end = self.now() + duration;
        while self.now() < end && !boundary::current().stopping() {
            std::hint::spin_loop();
        }
    }

    fn deterministic(&self) -> bool {
        false
    }

    fn join(&self) {
        for handle in std::mem::take(&mut *self.handles.lock()) {
            let _ = handle.join();
        }
    }
}
