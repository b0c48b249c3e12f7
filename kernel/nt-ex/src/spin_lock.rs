//! Reader-writer spin locks: `EX_SPIN_LOCK` is 32 bits in the driver's memory.
//!
//! ```text
//! highest bit: a writer has it, or waits for the readers to leave        other bits: how many readers
//! ```
//!
//! A writer that waits keeps new readers out. Callers are at DISPATCH_LEVEL; the exporter raises and lowers.

use std::sync::atomic::{AtomicU32, Ordering};

use boundary::Raise;
use nt_abi::bugcheck;
use nt_ke::locks::{self, Kind, Mode};
use nt_ke::{BugCheck, current_core};

const WRITER: u32 = 1 << 31;

fn key(lock: &AtomicU32) -> usize {
    std::ptr::from_ref(lock) as usize
}

/// Spins until `f` has what it wants. Errors: `Stop` when the machine stops meanwhile.
fn spin(lock: &AtomicU32, mode: Mode, mut f: impl FnMut() -> bool) -> Result<(), Raise> {
    nt_ke::scheduler::point();
    let mut spins = 0u32;
    let mut waiting = None;
    while !f() {
        if waiting.is_none() {
            waiting = Some(locks::spinning(key(lock), mode)?);
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
    Ok(())
}

fn not_owned(lock: &AtomicU32, how: &str) -> Raise {
    current_core().bug_check(BugCheck::new(
        bugcheck::SPIN_LOCK_NOT_OWNED,
        [std::ptr::from_ref(lock) as u64, u64::from(lock.load(Ordering::Relaxed)), 0, 0],
        format!("a reader-writer spin lock was released {how}"),
    ))
}

/// Acquires for writing if nobody has it. Source: ExTryAcquireSpinLockExclusiveAtDpcLevel
pub fn try_acquire_exclusive(lock: &AtomicU32) -> bool {
    let got = lock.compare_exchange(0, WRITER, Ordering::Acquire, Ordering::Relaxed).is_ok();
    if got {
        locks::acquired_without_waiting(key(lock), Kind::SpinLock, Mode::Exclusive);
    }
    got
}

/// Acquires for reading if no writer has it or waits. Source: ExTryAcquireSpinLockSharedAtDpcLevel
pub fn try_acquire_shared(lock: &AtomicU32) -> bool {
    let got = take_shared(lock);
    if got {
        locks::acquired_without_waiting(key(lock), Kind::SpinLock, Mode::Shared);
    }
    got
}

fn take_shared(lock: &AtomicU32) -> bool {
    let more = |word: u32| (word & WRITER == 0).then(|| word + 1);
    lock.fetch_update(Ordering::Acquire, Ordering::Relaxed, more).is_ok()
}

/// Acquires for writing. Source: ExAcquireSpinLockExclusive
pub fn acquire_exclusive(lock: &AtomicU32) -> Result<(), Raise> {
    spin(lock, Mode::Exclusive, || lock.fetch_or(WRITER, Ordering::Acquire) & WRITER == 0)?;
    spin(lock, Mode::Exclusive, || lock.load(Ordering::Acquire) == WRITER)?;
    locks::acquired(key(lock), Kind::SpinLock, Mode::Exclusive);
    Ok(())
}

/// Acquires for reading. Source: ExAcquireSpinLockShared
pub fn acquire_shared(lock: &AtomicU32) -> Result<(), Raise> {
    spin(lock, Mode::Shared, || take_shared(lock))?;
    locks::acquired(key(lock), Kind::SpinLock, Mode::Shared);
    Ok(())
}

/// Makes the only reader the writer. Whether it was the only one. Source: ExTryConvertSharedSpinLockExclusive
pub fn try_convert(lock: &AtomicU32) -> bool {
    lock.compare_exchange(1, WRITER, Ordering::Acquire, Ordering::Relaxed).is_ok()
}

/// Releases after writing. Source: ExReleaseSpinLockExclusive. Errors: a bug check when no writer has it
pub fn release_exclusive(lock: &AtomicU32) -> Result<(), Raise> {
    match lock.compare_exchange(WRITER, 0, Ordering::Release, Ordering::Relaxed) {
        Ok(_) => {
            locks::released(key(lock), true);
            Ok(())
        }
        Err(_) => Err(not_owned(lock, "for writing, but no writer has it")),
    }
}

/// Releases after reading. Source: ExReleaseSpinLockShared. Errors: a bug check when no reader has it
pub fn release_shared(lock: &AtomicU32) -> Result<(), Raise> {
    let less = |word: u32| (word & !WRITER != 0).then(|| word - 1);
    match lock.fetch_update(Ordering::Release, Ordering::Relaxed, less) {
        Ok(_) => {
            locks::released(key(lock), true);
            Ok(())
        }
        Err(_) => Err(not_owned(lock, "for reading, but no reader has it")),
    }
}
