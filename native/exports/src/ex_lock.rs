//! Ex: fast mutexes, push locks, rundown protection.

use std::sync::atomic::AtomicUsize;

use boundary::export;
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL};
use nt_abi::{EX_RUNDOWN_REF, FAST_MUTEX};
use nt_ex::{fast_mutex, push_lock, rundown};
use nt_ke::{Finding, current_core, irql, region};

use crate::argument::{arg, rows};

rows! { "ntoskrnl.exe", "nt-ex";
    ExAcquireFastMutex done "EXEC-21";
    ExAcquireFastMutexUnsafe done "EXEC-22";
    ExReleaseFastMutex done "EXEC-21";
    ExReleaseFastMutexUnsafe done "EXEC-22";
    ExTryToAcquireFastMutex done "EXEC-23";
    ExEnterCriticalRegionAndAcquireFastMutexUnsafe done "EXEC-22";
    ExReleaseFastMutexUnsafeAndLeaveCriticalRegion done "EXEC-22";
    ExInitializePushLock done "";
    ExAcquirePushLockExclusiveEx done "";
    ExAcquirePushLockSharedEx done "";
    ExTryAcquirePushLockExclusiveEx done "";
    ExTryAcquirePushLockSharedEx done "";
    ExReleasePushLockExclusiveEx done "";
    ExReleasePushLockSharedEx done "";
    ExReleasePushLockEx done "";
    ExfAcquirePushLockExclusive done "";
    ExfAcquirePushLockShared done "";
    ExfReleasePushLock done "";
    ExfReleasePushLockExclusive done "";
    ExfReleasePushLockShared done "";
    ExInitializeRundownProtection done "";
    ExReInitializeRundownProtection done "";
    ExAcquireRundownProtection done "";
    ExAcquireRundownProtectionEx done "";
    ExReleaseRundownProtection done "";
    ExReleaseRundownProtectionEx done "";
    ExWaitForRundownProtectionRelease done "";
    ExRundownCompleted done "";
}

/// A routine that leaves the IRQL alone was called where an APC may preempt the holder of a mutex.
#[cold]
pub(crate) fn report_apcs_enabled(rule: &'static str, export: &str, where_to: &str) {
    current_core().report(Finding::error(
        rule,
        "",
        format!("{export} was called with APCs enabled: call it {where_to}, or the routine without Unsafe"),
    ));
}

export! {
    /// Acquires and raises to APC_LEVEL.
    pub fn ExAcquireFastMutex(mutex: *mut FAST_MUTEX) -> () [irql <= APC_LEVEL] {
        arg!(ExAcquireFastMutex: mutex);
        fast_mutex::acquire(mutex)
    }

    /// Acquires and leaves the IRQL alone.
    pub fn ExAcquireFastMutexUnsafe(mutex: *mut FAST_MUTEX) -> () [irql <= APC_LEVEL] {
        arg!(ExAcquireFastMutexUnsafe: mutex);
        if !region::apcs_disabled() && irql::current() < APC_LEVEL {
            report_apcs_enabled("EXEC-22", "ExAcquireFastMutexUnsafe", "at APC_LEVEL, or in a critical or guarded region");
        }
        fast_mutex::acquire_unsafe(mutex)
    }

    /// Releases and restores the IRQL.
    pub fn ExReleaseFastMutex(mutex: *mut FAST_MUTEX) -> () [irql <= APC_LEVEL] {
        arg!(ExReleaseFastMutex: mutex);
        fast_mutex::release(mutex)
    }

    /// Releases and leaves the IRQL alone.
    pub fn ExReleaseFastMutexUnsafe(mutex: *mut FAST_MUTEX) -> () [irql <= APC_LEVEL] {
        arg!(ExReleaseFastMutexUnsafe: mutex);
        fast_mutex::release_unsafe(mutex)
    }

    /// Acquires if it is free.
    pub fn ExTryToAcquireFastMutex(mutex: *mut FAST_MUTEX) -> bool [irql <= APC_LEVEL] {
        arg!(ExTryToAcquireFastMutex: mutex);
        Ok(fast_mutex::try_acquire(mutex))
    }

    /// Enters a critical region and acquires.
    pub fn ExEnterCriticalRegionAndAcquireFastMutexUnsafe(mutex: *mut FAST_MUTEX) -> () [irql <= APC_LEVEL] {
        arg!(ExEnterCriticalRegionAndAcquireFastMutexUnsafe: mutex);
        region::enter_critical();
        fast_mutex::acquire_unsafe(mutex)
    }

    /// Releases and leaves the critical region.
    pub fn ExReleaseFastMutexUnsafeAndLeaveCriticalRegion(mutex: *mut FAST_MUTEX) -> () [irql <= APC_LEVEL] {
        arg!(ExReleaseFastMutexUnsafeAndLeaveCriticalRegion: mutex);
        fast_mutex::release_unsafe(mutex)?;
        region::leave_critical("ExReleaseFastMutexUnsafeAndLeaveCriticalRegion")
    }

    /// Prepares a push lock.
    pub fn ExInitializePushLock(lock: *mut AtomicUsize) -> () [irql <= APC_LEVEL] {
        arg!(ExInitializePushLock: lock);
        push_lock::initialize(lock);
        Ok(())
    }

    /// Acquires for writing.
    pub fn ExAcquirePushLockExclusiveEx(lock: *mut AtomicUsize, _flags: u32) -> () [irql <= APC_LEVEL] {
        arg!(ExAcquirePushLockExclusiveEx: lock);
        push_lock::acquire(lock, true)
    }

    /// Acquires for reading.
    pub fn ExAcquirePushLockSharedEx(lock: *mut AtomicUsize, _flags: u32) -> () [irql <= APC_LEVEL] {
        arg!(ExAcquirePushLockSharedEx: lock);
        push_lock::acquire(lock, false)
    }

    /// Acquires for writing if it can.
    pub fn ExTryAcquirePushLockExclusiveEx(lock: *mut AtomicUsize, _flags: u32) -> bool [irql <= APC_LEVEL] {
        arg!(ExTryAcquirePushLockExclusiveEx: lock);
        Ok(push_lock::try_acquire(lock, true))
    }

    /// Acquires for reading if it can.
    pub fn ExTryAcquirePushLockSharedEx(lock: *mut AtomicUsize, _flags: u32) -> bool [irql <= APC_LEVEL] {
        arg!(ExTryAcquirePushLockSharedEx: lock);
        Ok(push_lock::try_acquire(lock, false))
    }

    /// Releases after writing.
    pub fn ExReleasePushLockExclusiveEx(lock: *mut AtomicUsize, _flags: u32) -> () [irql <= APC_LEVEL] {
        arg!(ExReleasePushLockExclusiveEx: lock);
        push_lock::release(lock, true)
    }

    /// Releases after reading.
    pub fn ExReleasePushLockSharedEx(lock: *mut AtomicUsize, _flags: u32) -> () [irql <= APC_LEVEL] {
        arg!(ExReleasePushLockSharedEx: lock);
        push_lock::release(lock, false)
    }

    /// Releases.
    pub fn ExReleasePushLockEx(lock: *mut AtomicUsize, _flags: u32) -> () [irql <= APC_LEVEL] {
        arg!(ExReleasePushLockEx: lock);
        push_lock::release_any(lock)
    }

    /// Acquires for writing.
    pub fn ExfAcquirePushLockExclusive(lock: *mut AtomicUsize) -> () [irql <= APC_LEVEL] {
        arg!(ExfAcquirePushLockExclusive: lock);
        push_lock::acquire(lock, true)
    }

    /// Acquires for reading.
    pub fn ExfAcquirePushLockShared(lock: *mut AtomicUsize) -> () [irql <= APC_LEVEL] {
        arg!(ExfAcquirePushLockShared: lock);
        push_lock::acquire(lock, false)
    }

    /// Releases.
    pub fn ExfReleasePushLock(lock: *mut AtomicUsize) -> () [irql <= APC_LEVEL] {
        arg!(ExfReleasePushLock: lock);
        push_lock::release_any(lock)
    }

    /// Releases after writing.
    pub fn ExfReleasePushLockExclusive(lock: *mut AtomicUsize) -> () [irql <= APC_LEVEL] {
        arg!(ExfReleasePushLockExclusive: lock);
        push_lock::release(lock, true)
    }

    /// Releases after reading.
    pub fn ExfReleasePushLockShared(lock: *mut AtomicUsize) -> () [irql <= APC_LEVEL] {
        arg!(ExfReleasePushLockShared: lock);
        push_lock::release(lock, false)
    }

    /// Prepares rundown protection.
    pub fn ExInitializeRundownProtection(rundown: *mut EX_RUNDOWN_REF) -> () [irql <= HIGH_LEVEL] {
        arg!(ExInitializeRundownProtection: rundown);
        rundown::initialize(rundown);
        Ok(())
    }

    /// Prepares it again after it was run down.
    pub fn ExReInitializeRundownProtection(rundown: *mut EX_RUNDOWN_REF) -> () [irql <= HIGH_LEVEL] {
        arg!(ExReInitializeRundownProtection: rundown);
        rundown::initialize(rundown);
        Ok(())
    }

    /// Takes protection unless it is run down.
    pub fn ExAcquireRundownProtection(rundown: *mut EX_RUNDOWN_REF) -> bool [irql <= HIGH_LEVEL] {
        arg!(ExAcquireRundownProtection: rundown);
        Ok(rundown::acquire(rundown, 1))
    }

    /// Takes protection several times.
    pub fn ExAcquireRundownProtectionEx(rundown: *mut EX_RUNDOWN_REF, count: u32) -> bool [irql <= HIGH_LEVEL] {
        arg!(ExAcquireRundownProtectionEx: rundown);
        Ok(rundown::acquire(rundown, count))
    }

    /// Gives protection back.
    pub fn ExReleaseRundownProtection(rundown: *mut EX_RUNDOWN_REF) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExReleaseRundownProtection: rundown);
        rundown::release(rundown, 1)
    }

    /// Gives protection back several times.
    pub fn ExReleaseRundownProtectionEx(rundown: *mut EX_RUNDOWN_REF, count: u32) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExReleaseRundownProtectionEx: rundown);
        rundown::release(rundown, count)
    }

    /// Runs it down: waits until nobody has protection.
    pub fn ExWaitForRundownProtectionRelease(rundown: *mut EX_RUNDOWN_REF) -> () [irql <= APC_LEVEL] {
        arg!(ExWaitForRundownProtectionRelease: rundown);
        rundown::wait(rundown)
    }

    /// Marks it as run down.
    pub fn ExRundownCompleted(rundown: *mut EX_RUNDOWN_REF) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExRundownCompleted: rundown);
        rundown::completed(rundown);
        Ok(())
    }
}
