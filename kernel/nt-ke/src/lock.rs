//! The engine's own locks. Each has a rank; ranks only rise while locks are held (`LOCKS.md`).
//!
//! They guard short, non-blocking sections: nothing waits, calls a driver or crosses the scheduler's door
//! while it holds one. Debug builds check the order on every acquisition.
//!
//! UNSAFETY: lends the value while the raw lock is held.

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::Location;

use crate::raw_lock::RawLock;
use crate::thread::try_current_thread;

/// Rank of a lock: outermost first. The list is the order of the whole engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Rank {
    /// Filter manager: filters, volumes, instances.
    FltTables = 4,
    /// Filter manager: one volume's instances.
    FltVolume = 6,
    /// Filter manager: per-stream and per-handle state.
    FltObject = 8,
    /// File system driver: table of control blocks.
    FsdTable = 12,
    /// File system driver: one control block's bookkeeping.
    FsdFcb = 14,
    /// Cache manager: the table of cached streams.
    CcMaps = 15,
    /// Cache manager: writable mapped views of one stream.
    CcMapped = 16,
    /// Cache manager: one view's pages.
    CcView = 17,
    /// Cache manager: one stream's views.
    CcMap = 18,
    /// Cache manager: views that nobody uses.
    CcFree = 19,
    /// I/O manager: mounts and device stacks.
    IoDatabase = 20,
    /// I/O manager: cancellation and per-IRP state.
    IoCancel = 22,
    /// Registry.
    CmRegistry = 26,
    /// Object namespace.
    ObNamespace = 30,
    /// Handle tables.
    ObHandles = 32,
    /// Processes.
    PsTables = 34,
    /// Loaded images.
    DriverImages = 36,
    /// Work queues.
    ExWork = 40,
    /// Executive resources.
    ExResource = 42,
    /// Pool.
    ExPool = 50,
    /// Page areas.
    MmAreas = 54,
    /// Anything that calls nothing.
    Leaf = 62,
}

/// A ranked mutex.
pub struct Lock<T> {
    raw: RawLock,
    rank: Rank,
    value: UnsafeCell<T>,
}

// SAFETY: a mutex hands its value to one thread at a time.
unsafe impl<T: Send> Sync for Lock<T> {}
// SAFETY: as for the value alone.
unsafe impl<T: Send> Send for Lock<T> {}

/// Holds a [`Lock`].
pub struct Guard<'a, T> {
    lock: &'a Lock<T>,
    /// Given back by the thread that took it: debug builds keep the ranks by thread.
    _thread: PhantomData<*const ()>,
}

// SAFETY: sharing a guard shares the value.
unsafe impl<T: Sync> Sync for Guard<'_, T> {}

impl<T> Lock<T> {
    /// A lock of rank `rank` around `value`.
    pub const fn new(rank: Rank, value: T) -> Self {
        Self { raw: RawLock::new(), rank, value: UnsafeCell::new(value) }
    }

    /// Takes the lock.
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> Guard<'_, T> {
        entered(self.rank);
        self.raw.lock();
        Guard { lock: self, _thread: PhantomData }
    }

    /// Takes the lock if it is free.
    #[inline]
    #[track_caller]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        if !self.raw.try_lock() {
            return None;
        }
        entered(self.rank);
        Some(Guard { lock: self, _thread: PhantomData })
    }

    /// The value, when nobody else can have it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

#[inline]
#[track_caller]
fn entered(rank: Rank) {
    if cfg!(debug_assertions)
        && let Some(thread) = try_current_thread()
    {
        let held = thread.held_ranks();
        let bit = 1u64 << rank as u8;
        if held.get() >= bit {
            let highest = 63 - held.get().leading_zeros();
            panic!("lock of rank {rank:?} taken at {} while rank {highest} is held", Location::caller());
        }
        held.set(held.get() | bit);
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if cfg!(debug_assertions)
            && let Some(thread) = try_current_thread()
        {
            let held = thread.held_ranks();
            held.set(held.get() & !(1u64 << self.lock.rank as u8));
        }
        self.lock.raw.unlock();
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock, and borrows end before it does.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed for writing.
        unsafe { &mut *self.lock.value.get() }
    }
}
