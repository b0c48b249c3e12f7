//! Fast mutexes and guarded mutexes, which share one structure and one behaviour since Windows 8.
//!
//! `Count` is 1 when free; each acquisition takes one, and whoever finds it taken waits for the event, which
//! a release sets as long as somebody waits. Statements: EXEC-21 to EXEC-23.

use std::ptr::{from_ref, null_mut};
use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::irql::APC_LEVEL;
use nt_abi::{FAST_MUTEX, bugcheck};
use nt_ke::bugcheck::HANG;
use nt_ke::dispatcher::{self, object_type};
use nt_ke::locks::{self, Kind, Mode};
use nt_ke::{BugCheck, current_core, current_thread, irql};

/// Makes the mutex free. Source: ExInitializeFastMutex, KeInitializeGuardedMutex.
pub fn initialize(mutex: &FAST_MUTEX) {
    mutex.Count.store(1, Ordering::Relaxed);
    mutex.Owner.set(null_mut());
    mutex.Contention.store(0, Ordering::Relaxed);
    dispatcher::initialize_header(&mutex.Event.Header, object_type::SYNCHRONIZATION_EVENT, 0);
    mutex.OldIrql.set(0);
    locks::initialised(key(mutex));
}

fn key(mutex: &FAST_MUTEX) -> usize {
    from_ref(mutex) as usize
}

fn me() -> *mut std::ffi::c_void {
    from_ref(current_thread()).cast_mut().cast()
}

fn bug(mutex: &FAST_MUTEX, code: u32, message: &str) -> Raise {
    let parameters = [from_ref(mutex) as u64, me() as u64, mutex.Owner.get() as u64, 0];
    current_core().bug_check(BugCheck::new(code, parameters, message))
}

/// Acquires it and raises to APC_LEVEL.
///
/// Source:  ExAcquireFastMutex, KeAcquireGuardedMutex; EXEC-21
/// IRQL:    <= APC_LEVEL
/// Errors:  acquiring it twice would wait forever and ends the machine; `Stop`
pub fn acquire(mutex: &FAST_MUTEX) -> Result<(), Raise> {
    let old = irql::raise(APC_LEVEL);
    let acquired = acquire_unsafe(mutex);
    match acquired {
        Ok(()) => mutex.OldIrql.set(u32::from(old)),
        Err(_) => irql::lower(old),
    }
    acquired
}

/// Acquires it and leaves the IRQL alone. Source: ExAcquireFastMutexUnsafe; EXEC-22.
pub fn acquire_unsafe(mutex: &FAST_MUTEX) -> Result<(), Raise> {
    nt_ke::scheduler::point();
    if mutex.Owner.get() == me() {
        let message = format!(
            "a fast mutex was acquired by the thread that holds it already: it would wait forever (EXEC-21){}",
            locks::holders_in_words(key(mutex))
        );
        return Err(bug(mutex, HANG, &message));
    }
    if mutex.Count.fetch_sub(1, Ordering::Acquire) != 1 {
        mutex.Contention.fetch_add(1, Ordering::Relaxed);
        let _waiting = locks::waiting(key(mutex), Kind::FastMutex, Mode::Exclusive);
        dispatcher::wait(&mutex.Event.Header, false, None)?;
    }
    mutex.Owner.set(me());
    locks::acquired(key(mutex), Kind::FastMutex, Mode::Exclusive);
    Ok(())
}

/// Acquires it, raising to APC_LEVEL, if it is free. Returns whether it did. Source: ExTryToAcquireFastMutex.
pub fn try_acquire(mutex: &FAST_MUTEX) -> bool {
    nt_ke::scheduler::point();
    let old = irql::raise(APC_LEVEL);
    let got = mutex.Count.compare_exchange(1, 0, Ordering::Acquire, Ordering::Relaxed).is_ok();
    if got {
        mutex.Owner.set(me());
        mutex.OldIrql.set(u32::from(old));
        locks::acquired_without_waiting(key(mutex), Kind::FastMutex, Mode::Exclusive);
    } else {
        irql::lower(old);
    }
    got
}

/// Releases it and restores the IRQL.
///
/// Source:  ExReleaseFastMutex, KeReleaseGuardedMutex
/// IRQL:    APC_LEVEL
/// Errors:  releasing what another thread holds, or nobody, is a bug check
pub fn release(mutex: &FAST_MUTEX) -> Result<(), Raise> {
    let old = mutex.OldIrql.get() as u8;
    release_unsafe(mutex)?;
    irql::lower(old);
    Ok(())
}

/// Releases it and leaves the IRQL alone. Source: ExReleaseFastMutexUnsafe; EXEC-22.
pub fn release_unsafe(mutex: &FAST_MUTEX) -> Result<(), Raise> {
    nt_ke::scheduler::point();
    if mutex.Owner.get() != me() {
        let message = format!(
            "a fast mutex was released by a thread that does not hold it{}",
            locks::holders_in_words(key(mutex))
        );
        return Err(bug(mutex, bugcheck::KERNEL_AUTO_BOOST_INVALID_LOCK_RELEASE, &message));
    }
    locks::released(key(mutex), true);
    mutex.Owner.set(null_mut());
    if mutex.Count.fetch_add(1, Ordering::Release) < 0 {
        dispatcher::set_event(&mutex.Event.Header);
    }
    Ok(())
}

/// Whether the current thread holds it.
pub fn is_owner(mutex: &FAST_MUTEX) -> bool {
    mutex.Owner.get() == me()
}
