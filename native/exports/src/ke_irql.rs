//! Ke: IRQL, spin locks, critical and guarded regions, guarded mutexes.

use std::sync::atomic::{AtomicUsize, Ordering};

use boundary::{Raise, export};
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL};
use nt_abi::{FAST_MUTEX, KLOCK_QUEUE_HANDLE, bugcheck};
use nt_ex::fast_mutex;
use nt_ke::{BugCheck, current_core, irql, region, spinlock};

use crate::argument::{arg, rows};
use crate::ex_lock::report_apcs_enabled;

rows! { "ntoskrnl.exe", "nt-ke";
    KeGetCurrentIrql done "EXEC-43";
    KfRaiseIrql done "EXEC-43; raising to a lower level is a bug check";
    KeRaiseIrqlToDpcLevel done "EXEC-43";
    KeLowerIrql done "EXEC-43; lowering to a higher level is a bug check";
    KfLowerIrql done "as KeLowerIrql";
    KeInitializeSpinLock done "EXEC-26";
    KeAcquireSpinLockRaiseToDpc done "EXEC-26";
    KeReleaseSpinLock done "EXEC-26";
    KeAcquireSpinLockAtDpcLevel done "EXEC-26";
    KeReleaseSpinLockFromDpcLevel done "EXEC-26";
    KeTryToAcquireSpinLockAtDpcLevel done "";
    KeTestSpinLock done "";
    KeAcquireInStackQueuedSpinLock partial "waiters are not served in order";
    KeReleaseInStackQueuedSpinLock partial "as KeAcquireInStackQueuedSpinLock";
    KeAcquireInStackQueuedSpinLockAtDpcLevel partial "as KeAcquireInStackQueuedSpinLock";
    KeReleaseInStackQueuedSpinLockFromDpcLevel partial "as KeAcquireInStackQueuedSpinLock";
    KeEnterCriticalRegion done "EXEC-02, EXEC-03, EXEC-04";
    KeLeaveCriticalRegion done "EXEC-02, EXEC-03, EXEC-04";
    KeEnterGuardedRegion done "EXEC-02, EXEC-03, EXEC-04";
    KeLeaveGuardedRegion done "EXEC-02, EXEC-03, EXEC-04";
    KeAreApcsDisabled done "EXEC-05";
    KeAreAllApcsDisabled done "EXEC-06";
    KeInitializeGuardedMutex done "EXEC-21";
    KeAcquireGuardedMutex done "EXEC-21";
    KeAcquireGuardedMutexUnsafe done "EXEC-22";
    KeReleaseGuardedMutex done "EXEC-21";
    KeReleaseGuardedMutexUnsafe done "EXEC-22";
    KeTryToAcquireGuardedMutex done "EXEC-23";
}

fn wrong_way(export: &str, new: u8, code: u32, what: &str) -> Raise {
    let now = irql::current();
    current_core().bug_check(BugCheck::new(
        code,
        [0, u64::from(new), u64::from(now), 0],
        format!("{export} was called at IRQL {now} with IRQL {new}: {what} (EXEC-43)"),
    ))
}

fn lower(export: &str, new: u8) -> Result<(), Raise> {
    if new > irql::current() {
        let what = "an IRQL is lowered with the value that raising it returned";
        return Err(wrong_way(export, new, bugcheck::IRQL_NOT_LESS_OR_EQUAL, what));
    }
    irql::lower(new);
    Ok(())
}

fn acquire_raised(lock: &AtomicUsize) -> Result<u8, Raise> {
    let old = irql::raise(DISPATCH_LEVEL);
    spinlock::acquire(lock)?;
    Ok(old)
}

fn queued_lock(handle: &KLOCK_QUEUE_HANDLE, export: &str) -> Result<&'static AtomicUsize, Raise> {
    crate::argument::required(handle.LockQueue.Lock.get().cast::<AtomicUsize>(), export, "lock_handle")
}

export! {
    /// The current IRQL.
    pub fn KeGetCurrentIrql() -> u8 [irql <= HIGH_LEVEL] {
        Ok(irql::current())
    }

    /// Raises the IRQL and returns the old one.
    pub fn KfRaiseIrql(new: u8) -> u8 [irql <= HIGH_LEVEL] {
        if new < irql::current() {
            return Err(wrong_way("KeRaiseIrql", new, bugcheck::IRQL_NOT_GREATER_OR_EQUAL, "an IRQL is raised, not lowered"));
        }
        Ok(irql::raise(new))
    }

    /// Raises the IRQL to DISPATCH_LEVEL and returns the old one.
    pub fn KeRaiseIrqlToDpcLevel() -> u8 [irql <= DISPATCH_LEVEL] {
        Ok(irql::raise(DISPATCH_LEVEL))
    }

    /// Lowers the IRQL.
    pub fn KeLowerIrql(new: u8) -> () [irql <= HIGH_LEVEL] {
        lower("KeLowerIrql", new)
    }

    /// Lowers the IRQL.
    pub fn KfLowerIrql(new: u8) -> () [irql <= HIGH_LEVEL] {
        lower("KfLowerIrql", new)
    }

    /// Prepares a free spin lock.
    pub fn KeInitializeSpinLock(lock: *mut AtomicUsize) -> () [irql <= HIGH_LEVEL] {
        arg!(KeInitializeSpinLock: lock);
        lock.store(0, Ordering::Release);
        Ok(())
    }

    /// Raises to DISPATCH_LEVEL, acquires, and returns the old IRQL.
    pub fn KeAcquireSpinLockRaiseToDpc(lock: *mut AtomicUsize) -> u8 [irql <= DISPATCH_LEVEL] {
        arg!(KeAcquireSpinLockRaiseToDpc: lock);
        acquire_raised(lock)
    }

    /// Releases and lowers the IRQL.
    pub fn KeReleaseSpinLock(lock: *mut AtomicUsize, new: u8) -> () [irql <= DISPATCH_LEVEL] {
        arg!(KeReleaseSpinLock: lock);
        spinlock::release(lock)?;
        lower("KeReleaseSpinLock", new)
    }

    /// Acquires at DISPATCH_LEVEL or above.
    pub fn KeAcquireSpinLockAtDpcLevel(lock: *mut AtomicUsize) -> () [irql <= HIGH_LEVEL] {
        arg!(KeAcquireSpinLockAtDpcLevel: lock);
        spinlock::acquire(lock)
    }

    /// Releases and leaves the IRQL alone.
    pub fn KeReleaseSpinLockFromDpcLevel(lock: *mut AtomicUsize) -> () [irql <= HIGH_LEVEL] {
        arg!(KeReleaseSpinLockFromDpcLevel: lock);
        spinlock::release(lock)
    }

    /// Acquires if it is free.
    pub fn KeTryToAcquireSpinLockAtDpcLevel(lock: *mut AtomicUsize) -> bool [irql <= HIGH_LEVEL] {
        arg!(KeTryToAcquireSpinLockAtDpcLevel: lock);
        Ok(spinlock::try_acquire(lock))
    }

    /// Whether it is free.
    pub fn KeTestSpinLock(lock: *mut AtomicUsize) -> bool [irql <= HIGH_LEVEL] {
        arg!(KeTestSpinLock: lock);
        Ok(lock.load(Ordering::Acquire) == 0)
    }

    /// Raises to DISPATCH_LEVEL and acquires; the handle remembers lock and IRQL.
    pub fn KeAcquireInStackQueuedSpinLock(lock: *mut AtomicUsize, lock_handle: *mut KLOCK_QUEUE_HANDLE) -> ()
        [irql <= DISPATCH_LEVEL] {
        arg!(KeAcquireInStackQueuedSpinLock: lock, lock_handle);
        lock_handle.OldIrql.set(acquire_raised(lock)?);
        lock_handle.LockQueue.Lock.set(std::ptr::from_ref(lock).cast_mut().cast());
        Ok(())
    }

    /// Releases and lowers the IRQL.
    pub fn KeReleaseInStackQueuedSpinLock(lock_handle: *mut KLOCK_QUEUE_HANDLE) -> () [irql <= DISPATCH_LEVEL] {
        arg!(KeReleaseInStackQueuedSpinLock: lock_handle);
        spinlock::release(queued_lock(lock_handle, "KeReleaseInStackQueuedSpinLock")?)?;
        lower("KeReleaseInStackQueuedSpinLock", lock_handle.OldIrql.get())
    }

    /// Acquires at DISPATCH_LEVEL or above; the handle remembers the lock.
    pub fn KeAcquireInStackQueuedSpinLockAtDpcLevel(lock: *mut AtomicUsize, lock_handle: *mut KLOCK_QUEUE_HANDLE) -> ()
        [irql <= HIGH_LEVEL] {
        arg!(KeAcquireInStackQueuedSpinLockAtDpcLevel: lock, lock_handle);
        spinlock::acquire(lock)?;
        lock_handle.OldIrql.set(irql::current());
        lock_handle.LockQueue.Lock.set(std::ptr::from_ref(lock).cast_mut().cast());
        Ok(())
    }

    /// Releases and leaves the IRQL alone.
    pub fn KeReleaseInStackQueuedSpinLockFromDpcLevel(lock_handle: *mut KLOCK_QUEUE_HANDLE) -> () [irql <= HIGH_LEVEL] {
        arg!(KeReleaseInStackQueuedSpinLockFromDpcLevel: lock_handle);
        spinlock::release(queued_lock(lock_handle, "KeReleaseInStackQueuedSpinLockFromDpcLevel")?)
    }

    /// Switches normal kernel APCs off.
    pub fn KeEnterCriticalRegion() -> () [irql <= APC_LEVEL] {
        region::enter_critical();
        Ok(())
    }

    /// Switches normal kernel APCs on again.
    pub fn KeLeaveCriticalRegion() -> () [irql <= APC_LEVEL] {
        region::leave_critical("KeLeaveCriticalRegion")
    }

    /// Switches all APCs off.
    pub fn KeEnterGuardedRegion() -> () [irql <= APC_LEVEL] {
        region::enter_guarded();
        Ok(())
    }

    /// Switches all APCs on again.
    pub fn KeLeaveGuardedRegion() -> () [irql <= APC_LEVEL] {
        region::leave_guarded("KeLeaveGuardedRegion")
    }

    /// Whether normal kernel APCs are off.
    pub fn KeAreApcsDisabled() -> bool [irql <= DISPATCH_LEVEL] {
        Ok(region::apcs_disabled())
    }

    /// Whether all APCs are off.
    pub fn KeAreAllApcsDisabled() -> bool [irql <= DISPATCH_LEVEL] {
        Ok(region::all_apcs_disabled())
    }

    /// Prepares a free guarded mutex.
    pub fn KeInitializeGuardedMutex(mutex: *mut FAST_MUTEX) -> () [irql <= DISPATCH_LEVEL] {
        arg!(KeInitializeGuardedMutex: mutex);
        fast_mutex::initialize(mutex);
        Ok(())
    }

    /// Acquires.
    pub fn KeAcquireGuardedMutex(mutex: *mut FAST_MUTEX) -> () [irql <= APC_LEVEL] {
        arg!(KeAcquireGuardedMutex: mutex);
        fast_mutex::acquire(mutex)
    }

    /// Acquires; the caller has switched APCs off.
    pub fn KeAcquireGuardedMutexUnsafe(mutex: *mut FAST_MUTEX) -> () [irql <= APC_LEVEL] {
        arg!(KeAcquireGuardedMutexUnsafe: mutex);
        if !region::all_apcs_disabled() {
            report_apcs_enabled("EXEC-23", "KeAcquireGuardedMutexUnsafe", "at APC_LEVEL or in a guarded region");
        }
        fast_mutex::acquire_unsafe(mutex)
    }

    /// Releases.
    pub fn KeReleaseGuardedMutex(mutex: *mut FAST_MUTEX) -> () [irql <= APC_LEVEL] {
        arg!(KeReleaseGuardedMutex: mutex);
        fast_mutex::release(mutex)
    }

    /// Releases and leaves APCs alone.
    pub fn KeReleaseGuardedMutexUnsafe(mutex: *mut FAST_MUTEX) -> () [irql <= APC_LEVEL] {
        arg!(KeReleaseGuardedMutexUnsafe: mutex);
        fast_mutex::release_unsafe(mutex)
    }

    /// Acquires if it is free.
    pub fn KeTryToAcquireGuardedMutex(mutex: *mut FAST_MUTEX) -> bool [irql <= APC_LEVEL] {
        arg!(KeTryToAcquireGuardedMutex: mutex);
        Ok(fast_mutex::try_acquire(mutex))
    }
}
