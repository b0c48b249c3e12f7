//! What a frame notes of each instance that has a post callback coming.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::nodes::Node;

/// A post callback that an instance has coming.
#[repr(C)]
pub struct Owed {
    /// Whose.
    pub node: Cell<*const Node>,
    /// Its instance as a number, for a detaching side; 0 when the callback has run.
    pub(super) instance: AtomicUsize,
    /// Its completion context.
    pub context: Cell<usize>,
    /// MDL of the buffer that the instance put in place of the one it saw, if it is marked `SWAPPED`.
    pub swapped_mdl: Cell<usize>,
    /// Version of the parameters that its pre callback saw.
    pub(super) version: Cell<u32>,
    /// What few records have: `SWAPPED` and the like. Beside the version: one store writes both.
    pub(super) marks: Cell<u32>,
    /// Nonzero once someone has taken it: the completion, or a drain. Used while the operation is parked; zero in
    /// records that are free.
    pub claimed: AtomicU32,
    /// To a power of two, so that a record is found by a shift.
    pub(super) _pad: [Cell<u64>; 2],
}

const _: () = assert!(size_of::<Owed>() == 64);

/// The instance put another buffer or MDL in place.
pub const SWAPPED: u32 = 1;
/// The filter keeps the MDL of that.
pub const RETAINED: u32 = 2;
/// The pre callback answered FLT_PREOP_SYNCHRONIZE.
pub const SYNCHRONIZED: u32 = 4;

impl Owed {
    /// Whether the record is marked.
    #[inline]
    pub fn is(&self, mark: u32) -> bool {
        self.marks.get() & mark != 0
    }

    /// The MDL of the buffer that the instance swapped in, or 0.
    pub fn swapped(&self) -> usize {
        if self.is(SWAPPED) { self.swapped_mdl.get() } else { 0 }
    }

    /// Marks it.
    pub fn mark(&self, mark: u32) {
        self.marks.set(self.marks.get() | mark);
    }

    /// The post callback has run.
    #[inline]
    pub fn done(&self) {
        self.instance.store(0, Ordering::Release);
    }

    /// Whether it has.
    pub fn is_done(&self) -> bool {
        self.instance.load(Ordering::Acquire) == 0
    }
}
