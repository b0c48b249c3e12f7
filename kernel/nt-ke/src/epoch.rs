//! Epochs: readers of published tables never wait and never touch a shared counter; what they may still see
//! is freed later.
//!
//! A reader pins the current epoch in its own thread (one store). A writer publishes a new table, retires
//! the old one, and the old one is freed once no thread is pinned in an epoch before its retirement. The
//! writer pays for the ordering with `membarrier`.

use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};

use crate::core::Core;
use crate::lock::{Lock, Rank};
use crate::thread::{KTHREAD, current_thread};

type Garbage = Box<dyn FnOnce() + Send>;

/// Epochs of one machine.
pub struct Epochs {
    global: AtomicU64,
    retired: Lock<Vec<(u64, Garbage)>>,
}

/// Pins the epoch until dropped. Nests.
pub struct Pin {
    thread: &'static KTHREAD,
}

/// Pins the current epoch: tables loaded from now on stay valid until the pin is dropped.
#[inline]
pub fn pin(core: &Core) -> Pin {
    let thread = current_thread();
    let depth = thread.epoch_depth();
    if depth.get() == 0 {
        thread.epoch().store(core.epochs.global.load(Ordering::Relaxed), Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
    }
    depth.set(depth.get() + 1);
    Pin { thread }
}

impl Drop for Pin {
    #[inline]
    fn drop(&mut self) {
        let depth = self.thread.epoch_depth();
        depth.set(depth.get() - 1);
        if depth.get() == 0 {
            self.thread.epoch().store(0, Ordering::Release);
        }
    }
}

impl Epochs {
    pub(crate) fn new() -> Self {
        Self { global: AtomicU64::new(1), retired: Lock::new(Rank::Leaf, Vec::new()) }
    }

    /// Runs `free` once nobody who is pinned now is pinned any more. Call after the replacement is published.
    pub fn retire(&self, core: &Core, free: impl FnOnce() + Send + 'static) {
        let epoch = self.global.fetch_add(1, Ordering::SeqCst);
        self.retired.lock().push((epoch, Box::new(free)));
        self.collect(core);
    }

    /// Drops what waits without running it: the machine goes as a whole.
    pub(crate) fn forget(&mut self) {
        self.retired.get_mut().clear();
    }

    /// Frees what can be freed.
    pub fn collect(&self, core: &Core) {
        membarrier();
        let mut oldest = u64::MAX;
        core.threads.for_each(|thread| {
            let pinned = thread.epoch().load(Ordering::Acquire);
            if pinned != 0 {
                oldest = oldest.min(pinned);
            }
        });
        let ready: Vec<Garbage> = {
            let mut retired = self.retired.lock();
            let (ready, kept) =
                std::mem::take(&mut *retired).into_iter().partition(|(epoch, _)| *epoch < oldest);
            *retired = kept;
            let ready: Vec<(u64, Garbage)> = ready;
            ready.into_iter().map(|(_, free)| free).collect()
        };
        for free in ready {
            free();
        }
    }
}

/// Makes every other thread's earlier stores visible here, as if each had run a fence.
pub fn membarrier() {
    // SAFETY: a system call without memory arguments. Commands: 16 registers, 8 is the private expedited barrier.
    let barrier = |command: i32| unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
    if barrier(8) != 0 {
        barrier(16);
        if barrier(8) != 0 {
            // 1: the global barrier, slow but always there.
            barrier(1);
        }
    }
}
