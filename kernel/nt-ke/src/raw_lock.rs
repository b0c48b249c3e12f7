//! The mutex under [`crate::Lock`]: taken by one locked instruction, given back by a store.
//!
//! A locked instruction costs some 20 cycles, and an engine lock is held for as long as that. Whoever finds a lock
//! taken spins for a moment, then says in `waiters` that he sleeps and makes every thread fence (`membarrier`)
//! before he looks again: then either he sees the store of the one that gives back, or that one sees the waiter.

use std::sync::atomic::{AtomicU32, Ordering, compiler_fence};

use rustix::thread::futex;

/// How often a taken lock is looked at before its waiter sleeps.
const SPINS: u32 = 200;

/// A mutex without data.
pub(crate) struct RawLock {
    held: AtomicU32,
    waiters: AtomicU32,
}

impl RawLock {
    pub(crate) const fn new() -> Self {
        Self { held: AtomicU32::new(0), waiters: AtomicU32::new(0) }
    }

    #[inline]
    pub(crate) fn lock(&self) {
        if self.held.swap(1, Ordering::Acquire) != 0 {
            self.lock_taken();
        }
    }

    #[inline]
    pub(crate) fn try_lock(&self) -> bool {
        self.held.load(Ordering::Relaxed) == 0 && self.held.swap(1, Ordering::Acquire) == 0
    }

    #[cold]
    fn lock_taken(&self) {
        for _ in 0..SPINS {
            std::hint::spin_loop();
            if self.try_lock() {
                return;
            }
        }
        self.waiters.fetch_add(1, Ordering::SeqCst);
        crate::epoch::membarrier();
        while self.held.swap(1, Ordering::SeqCst) != 0 {
            let _ = futex::wait(&self.held, futex::Flags::PRIVATE, 1, None);
        }
        self.waiters.fetch_sub(1, Ordering::SeqCst);
    }

    /// Only its holder calls this.
    #[inline]
    pub(crate) fn unlock(&self) {
        self.held.store(0, Ordering::Release);
        compiler_fence(Ordering::SeqCst);
        if self.waiters.load(Ordering::Relaxed) != 0 {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        let _ = futex::wake(&self.held, futex::Flags::PRIVATE, 1);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::UnsafeCell;
    use std::sync::Arc;

    use super::*;

    struct Counter {
        lock: RawLock,
        value: UnsafeCell<u64>,
    }

    // SAFETY: `value` is used under `lock`.
    unsafe impl Sync for Counter {}

    #[test]
    fn one_thread_at_a_time_is_inside_and_nobody_sleeps_for_good() {
        const THREADS: u64 = 4;
        const TIMES: u64 = 20_000;
        let counter = Arc::new(Counter { lock: RawLock::new(), value: UnsafeCell::new(0) });
        let threads = (0..THREADS).map(|number| {
            let counter = Arc::clone(&counter);
            std::thread::spawn(move || {
                for time in 0..TIMES {
                    counter.lock.lock();
                    // SAFETY: the lock is held.
                    let value = unsafe { *counter.value.get() };
                    if (time + number).is_multiple_of(1000) {
                        // Long enough that others go to sleep.
                        std::thread::yield_now();
                    }
                    // SAFETY: as above.
                    unsafe { *counter.value.get() = value + 1 };
                    counter.lock.unlock();
                }
            })
        });
        threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().expect("no panic"));
        // SAFETY: no thread is left.
        assert_eq!(unsafe { *counter.value.get() }, THREADS * TIMES);
        assert!(counter.lock.try_lock());
        assert!(!counter.lock.try_lock());
    }
}
