//! Memory that may be paged out: paged pool and `PAGE…` sections of images, inaccessible at DISPATCH_LEVEL.
//!
//! ```text
//! open ─► a thread's IRQL reaches DISPATCH_LEVEL ─► closed (no access)
//!   ▲                                                 │ touched below DISPATCH_LEVEL, or by the engine: a fault opens it
//!   └─────────────────────────────────────────────────┘ touched by a driver at DISPATCH_LEVEL: a bug check
//! ```
//!
//! In seeded machines only: there one thread runs at a time. Opening waits for the first use, so that raising and lowering
//! costs nothing while nobody touches such memory. What an MDL or a driver has locked in memory stays open. Ranges beyond
//! the table's end, and blocks of special pool, are not watched.
//!
//! Statements: EXEC-26, EXEC-32.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};

use boundary::slot::Protection;

use crate::core::Core;

const RANGES: usize = 256;

const FREE: u8 = 0;
const TAKEN: u8 = 1;
const OPEN: u8 = 2;
const CLOSED: u8 = 3;

/// What a range holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Holds {
    /// Paged pool.
    Pool,
    /// A section that runs.
    Code,
    /// A section that is read.
    Constants,
    /// A section that is written.
    Data,
    /// A section that runs and is written.
    Everything,
}

impl Holds {
    const ALL: [Self; 5] = [Self::Pool, Self::Code, Self::Constants, Self::Data, Self::Everything];

    fn protection(self) -> Protection {
        match self {
            Self::Pool | Self::Data => Protection::ReadWrite,
            Self::Code => Protection::ReadExecute,
            Self::Constants => Protection::Read,
            Self::Everything => Protection::ReadWriteExecute,
        }
    }
}

struct Range {
    state: AtomicU8,
    holds: AtomicU8,
    locks: AtomicU32,
    start: AtomicUsize,
    end: AtomicUsize,
}

impl Range {
    fn contains(&self, address: usize) -> bool {
        (self.start.load(Ordering::Relaxed)..self.end.load(Ordering::Relaxed)).contains(&address)
    }

    fn holds(&self) -> Holds {
        Holds::ALL[self.holds.load(Ordering::Relaxed) as usize]
    }

    fn open(&self, core: &Core) {
        let start = self.start.load(Ordering::Relaxed);
        let bytes = self.end.load(Ordering::Relaxed) - start;
        if core.slot.protect(start, bytes, self.holds().protection()).is_ok() {
            self.state.store(OPEN, Ordering::Release);
            core.pageable.open.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The pageable memory of a machine.
pub struct Pageable {
    watched: bool,
    open: AtomicUsize,
    used: AtomicUsize,
    ranges: Box<[Range]>,
}

impl Pageable {
    pub(crate) fn new(watched: bool) -> Self {
        let range = || Range {
            state: AtomicU8::new(FREE),
            holds: AtomicU8::new(0),
            locks: AtomicU32::new(0),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
        };
        let ranges = if watched { (0..RANGES).map(|_| range()).collect() } else { Box::default() };
        Self { watched, open: AtomicUsize::new(0), used: AtomicUsize::new(0), ranges }
    }

    fn used(&self) -> &[Range] {
        &self.ranges[..self.used.load(Ordering::Acquire)]
    }

    fn closed(&self) -> impl Iterator<Item = &Range> {
        self.used().iter().filter(|range| range.state.load(Ordering::Acquire) == CLOSED)
    }

    /// What stands at `address`, if that may be paged out.
    pub(crate) fn at(&self, address: usize) -> Option<Holds> {
        self.closed().find(|range| range.contains(address)).map(Range::holds)
    }

    /// Closes what is open: an IRQL reaches DISPATCH_LEVEL.
    #[inline]
    pub(crate) fn close(&self, core: &Core) {
        if self.open.load(Ordering::Relaxed) != 0 {
            self.close_all(core);
        }
    }

    #[cold]
    fn close_all(&self, core: &Core) {
        for range in self.used() {
            let open = range.state.load(Ordering::Acquire) == OPEN;
            if !open || range.locks.load(Ordering::Relaxed) != 0 {
                continue;
            }
            let start = range.start.load(Ordering::Relaxed);
            let bytes = range.end.load(Ordering::Relaxed) - start;
            if core.slot.protect(start, bytes, Protection::None).is_ok() {
                range.state.store(CLOSED, Ordering::Release);
                self.open.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Opens the range of `address`, if it was closed. In a signal handler, too.
    pub(crate) fn open_at(&self, core: &Core, address: usize) -> bool {
        match self.closed().find(|range| range.contains(address)) {
            Some(range) => {
                range.open(core);
                true
            }
            None => false,
        }
    }
}

impl Core {
    /// Watches a range of whole pages that may be paged out, from now on; in a free machine nothing happens.
    pub fn add_pageable(&self, start: usize, bytes: usize, holds: Holds) {
        let free = |range: &&Range| {
            range.state.compare_exchange(FREE, TAKEN, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        let Some((index, range)) = self.pageable.ranges.iter().enumerate().find(|(_, range)| free(range))
        else {
            return;
        };
        range.start.store(start, Ordering::Relaxed);
        range.end.store(start + bytes, Ordering::Relaxed);
        range.holds.store(holds as u8, Ordering::Relaxed);
        range.locks.store(0, Ordering::Relaxed);
        range.state.store(OPEN, Ordering::Release);
        self.pageable.open.fetch_add(1, Ordering::Relaxed);
        self.pageable.used.fetch_max(index + 1, Ordering::AcqRel);
    }

    /// The ranges inside of these pages are gone; they are open again.
    pub fn remove_pageable(&self, start: usize, bytes: usize) {
        for range in self.pageable.used() {
            if !(start..start + bytes).contains(&range.start.load(Ordering::Relaxed)) {
                continue;
            }
            if range.state.load(Ordering::Acquire) == CLOSED {
                range.open(self);
            }
            if range.state.load(Ordering::Acquire) == OPEN {
                self.pageable.open.fetch_sub(1, Ordering::Relaxed);
                range.state.store(FREE, Ordering::Release);
            }
        }
    }

    /// Keeps what these addresses touch in memory, and so accessible at every IRQL. Source: MmLockPagableDataSection,
    /// MmProbeAndLockPages.
    pub fn lock_pageable(&self, start: usize, bytes: usize) {
        self.each_pageable(start, bytes, |range| {
            range.locks.fetch_add(1, Ordering::Relaxed);
            if range.state.load(Ordering::Acquire) == CLOSED {
                range.open(self);
            }
        });
    }

    /// Ends one [`Core::lock_pageable`]. Source: MmUnlockPagableImageSection.
    pub fn unlock_pageable(&self, start: usize, bytes: usize) {
        self.each_pageable(start, bytes, |range| {
            let less = |locks: u32| locks.checked_sub(1);
            let _ = range.locks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        });
    }

    fn each_pageable(&self, start: usize, bytes: usize, f: impl Fn(&Range)) {
        for range in self.pageable.used() {
            let (low, high) = (range.start.load(Ordering::Relaxed), range.end.load(Ordering::Relaxed));
            if range.state.load(Ordering::Acquire) >= OPEN && start < high && start + bytes.max(1) > low {
                f(range);
            }
        }
    }

    /// Opens everything: for whoever reads memory from outside.
    pub fn open_pageable(&self) {
        if self.pageable.watched {
            self.pageable.closed().for_each(|range| range.open(self));
        }
    }
}
