//! Callbacks that stand for no operation on a file, and which threads are inside one.
//!
//! Some routines are not to be called there: what they ask for is not there yet, or not any more. Statements: OBJ-14,
//! OBJ-20.

use std::sync::atomic::{AtomicU32, Ordering};

use nt_ke::{Lock, Rank, current_thread};

use crate::flt;

/// What a callback is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Situation {
    /// Before or after a mount.
    Mount,
    /// InstanceTeardownStart or InstanceTeardownComplete.
    Teardown,
}

/// Which threads are inside which.
pub struct Situations {
    count: AtomicU32,
    entered: Lock<Vec<(usize, Situation)>>,
}

impl Situations {
    pub fn new() -> Self {
        Self { count: AtomicU32::new(0), entered: Lock::new(Rank::Leaf, Vec::new()) }
    }
}

fn current() -> usize {
    std::ptr::from_ref(current_thread()) as usize
}

/// Ends it when it is dropped.
pub struct Inside(Situation);

/// The current thread calls such a callback, until the answer is dropped.
pub fn enter(situation: Situation) -> Inside {
    let situations = &flt().situations;
    situations.entered.lock().push((current(), situation));
    situations.count.fetch_add(1, Ordering::Relaxed);
    Inside(situation)
}

impl Drop for Inside {
    fn drop(&mut self) {
        let situations = &flt().situations;
        situations.count.fetch_sub(1, Ordering::Relaxed);
        let mut entered = situations.entered.lock();
        if let Some(place) = entered.iter().rposition(|entry| *entry == (current(), self.0)) {
            entered.remove(place);
        }
    }
}

/// Whether the current thread is inside a callback of this kind.
pub fn is(situation: Situation) -> bool {
    let situations = &flt().situations;
    situations.count.load(Ordering::Relaxed) != 0
        && situations.entered.lock().contains(&(current(), situation))
}
