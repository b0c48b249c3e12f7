//! Spin locks: `KSPIN_LOCK` is one machine word in the driver's memory.

use std::ptr::from_ref;
use std::sync::atomic::{AtomicUsize, Ordering};

use boundary::Raise;
use nt_abi::bugcheck;

use crate::bugcheck::BugCheck;
use crate::core::current_core;
use crate::locks::{self, Kind, Mode};

/// Acquires at DISPATCH_LEVEL or above; the word holds the owner's thread while it is taken.
///
/// Errors: recursion is a bug check (EXEC-26); `Stop` when the machine stops meanwhile.
pub fn acquire(lock: &AtomicUsize) -> Result<(), Raise> {
    crate::scheduler::point();
    let me = boundary::current().current_thread.get();
    let mut spins = 0u32;
    let mut waiting = None;
    loop {
        match lock.compare_exchange_weak(0, me, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => {
                drop(waiting);
                locks::acquired(from_ref(lock) as usize, Kind::SpinLock, Mode::Exclusive);
                return Ok(());
            }
            Err(owner) if owner == me => {
                return Err(current_core().bug_check(BugCheck::new(
                    bugcheck::SPIN_LOCK_ALREADY_OWNED,
                    [std::ptr::from_ref(lock) as u64, 0, 0, 0],
                    format!(
                        "a spin lock was acquired by the thread that holds it already: it would spin forever{}",
                        locks::holders_in_words(from_ref(lock) as usize)
                    ),
                )));
            }
            Err(_) => {
                if waiting.is_none() {
                    waiting = Some(locks::spinning(from_ref(lock) as usize, Mode::Exclusive)?);
                }
                spins += 1;
                let core = current_core();
                if spins.is_multiple_of(128) || core.scheduler().deterministic() {
                    if core.stopping() {
                        return Err(Raise::Stop);
                    }
                    core.scheduler().pause();
                } else {
                    std::hint::spin_loop();
                }
            }
        }
    }
}

/// Acquires if it is free.
pub fn try_acquire(lock: &AtomicUsize) -> bool {
    let me = boundary::current().current_thread.get();
    let got = lock.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed).is_ok();
    if got {
        locks::acquired_without_waiting(from_ref(lock) as usize, Kind::SpinLock, Mode::Exclusive);
    }
    got
}

/// Releases.
///
/// Errors: releasing a lock that is not held is a bug check.
pub fn release(lock: &AtomicUsize) -> Result<(), Raise> {
    if lock.swap(0, Ordering::Release) == 0 {
        return Err(current_core().bug_check(BugCheck::new(
            bugcheck::SPIN_LOCK_NOT_OWNED,
            [std::ptr::from_ref(lock) as u64, 0, 0, 0],
            "a spin lock was released that nobody holds",
        )));
    }
    locks::released(from_ref(lock) as usize, true);
    Ok(())
}
