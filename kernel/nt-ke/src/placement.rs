//! Where and how urgently threads ask to run: processors and priorities.
//!
//! A thread that asked for processors runs on the first of them, and claims one of them at DISPATCH_LEVEL. Priorities are
//! kept and told; they order nobody, as the scheduler may let any thread run that can. Boosts are refused: nobody would
//! see them.

use std::sync::atomic::Ordering;

use nt_abi::irql::DISPATCH_LEVEL;

use crate::core::current_core;
use crate::irql;
use crate::thread::KTHREAD;

/// Priority of a thread that nobody has changed, and of its process.
const NORMAL: i32 = 8;
/// The highest priority below real time; from here on a process's threads cannot be told apart by increments.
const HIGHEST: i32 = 15;

/// Has the current thread run on some processors; what it asked for before, 0 when it asked for none.
///
/// Source:  KeSetSystemAffinityThreadEx, KeRevertToUserAffinityThreadEx
/// IRQL:    <= DISPATCH_LEVEL; there it moves when the level drops
/// Returns: as before, and nothing changes, when none of the processors exists; 0 asks for any again
pub fn set_affinity(affinity: u64) -> u64 {
    let block = boundary::current();
    let before = block.affinity.get();
    let wanted = affinity & u64::MAX >> (64 - current_core().config.processors);
    if affinity != 0 && wanted == 0 {
        return before;
    }
    block.affinity.set(wanted);
    if block.irql.get() < DISPATCH_LEVEL {
        irql::settle(block);
    }
    before
}

/// A thread's priority. Source: KeQueryPriorityThread
pub fn priority(thread: &KTHREAD) -> i32 {
    NORMAL + thread.priority().load(Ordering::Relaxed)
}

/// What a thread's priority goes back to. Source: ZwQueryInformationThread
pub fn base_priority(thread: &KTHREAD) -> i32 {
    NORMAL + thread.base_increment().load(Ordering::Relaxed)
}

/// Changes a thread's priority; the one before. Source: KeSetPriorityThread
pub fn set_priority(thread: &KTHREAD, priority: i32) -> i32 {
    NORMAL + thread.priority().swap(priority - NORMAL, Ordering::Relaxed)
}

/// Changes a thread's priority as seen from its process; the increment before. Real time is out of reach: larger
/// increments end at the highest and lowest priority below it.
///
/// Source:  KeSetBasePriorityThread
pub fn set_base_priority(thread: &KTHREAD, increment: i32) -> i32 {
    let increment = increment.clamp(1 - NORMAL, HIGHEST - NORMAL);
    thread.priority().store(increment, Ordering::Relaxed);
    thread.base_increment().swap(increment, Ordering::Relaxed)
}
