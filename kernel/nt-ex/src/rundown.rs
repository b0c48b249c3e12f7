//! Rundown protection: holders keep something alive until one side waits for all of them to leave.
//!
//! ```text
//! word = 2 × holders ─► wait: address of the waiter | 1 ─► last holder wakes it ─► 1: run down
//! ```
//!
//! Statements: EXEC-39 to EXEC-41.
//!
//! UNSAFETY: the word names a waiter on its thread's stack while the lowest bit is set; the waiter stays until the last holder
//! has set its event.

use std::sync::atomic::{AtomicUsize, Ordering};

use boundary::Raise;
use nt_abi::{EX_RUNDOWN_REF, KEVENT, bugcheck};
use nt_ke::dispatcher::{self, object_type};
use nt_ke::{BugCheck, current_core};

const ACTIVE: usize = 1;

#[repr(C, align(16))]
struct Waiter {
    holders: AtomicUsize,
    event: KEVENT,
}

/// Nobody holds it, and it can be held. Source: ExInitializeRundownProtection, ExReInitializeRundownProtection.
pub fn initialize(rundown: &EX_RUNDOWN_REF) {
    rundown.Count.store(0, Ordering::Release);
}

/// Takes `count` holds. Returns whether it may: not once somebody waits for the holders to leave.
///
/// Source:  ExAcquireRundownProtection(Ex); EXEC-39
/// IRQL:    <= DISPATCH_LEVEL
pub fn acquire(rundown: &EX_RUNDOWN_REF, count: u32) -> bool {
    nt_ke::scheduler::point();
    let take = |word: usize| (word & ACTIVE == 0).then(|| word + 2 * count as usize);
    rundown.Count.fetch_update(Ordering::Acquire, Ordering::Relaxed, take).is_ok()
}

fn over_released(rundown: &EX_RUNDOWN_REF, word: usize) -> Raise {
    if current_core().stopping() {
        // The waiter left without its holders.
        return Raise::Stop;
    }
    current_core().bug_check(BugCheck::new(
        bugcheck::INVALID_RUNDOWN_PROTECTION_FLAGS,
        [std::ptr::from_ref(rundown) as u64, word as u64, 0, 0],
        "rundown protection was released more often than it was acquired (EXEC-40)",
    ))
}

/// Gives `count` holds back; the last one wakes whoever waits.
///
/// Source:  ExReleaseRundownProtection(Ex); EXEC-39, EXEC-40
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  more than were taken is a bug check
pub fn release(rundown: &EX_RUNDOWN_REF, count: u32) -> Result<(), Raise> {
    nt_ke::scheduler::point();
    let count = count as usize;
    let give = |word: usize| (word & ACTIVE == 0 && word >= 2 * count).then(|| word - 2 * count);
    let Err(word) = rundown.Count.fetch_update(Ordering::Release, Ordering::Relaxed, give) else {
        return Ok(());
    };
    if word <= ACTIVE || word & ACTIVE == 0 {
        return Err(over_released(rundown, word));
    }
    // SAFETY: the word names a waiter, which stays until its event is set.
    let waiter = unsafe { &*((word & !ACTIVE) as *const Waiter) };
    match waiter.holders.fetch_sub(count, Ordering::AcqRel) {
        before if before == count => {
            dispatcher::set_event(&waiter.event.Header);
            Ok(())
        }
        before if before < count => Err(over_released(rundown, word)),
        _ => Ok(()),
    }
}

/// Lets nobody in any more and waits until every holder has left. At once when it is run down already.
///
/// Source:  ExWaitForRundownProtectionRelease; EXEC-39
/// IRQL:    <= APC_LEVEL
/// Errors:  `Stop` when the machine stops
pub fn wait(rundown: &EX_RUNDOWN_REF) -> Result<(), Raise> {
    let waiter = Waiter { holders: AtomicUsize::new(0), event: KEVENT::default() };
    dispatcher::initialize_header(&waiter.event.Header, object_type::NOTIFICATION_EVENT, 0);
    let marked = std::ptr::from_ref(&waiter) as usize | ACTIVE;
    let mut word = rundown.Count.load(Ordering::Acquire);
    loop {
        if word == ACTIVE {
            return Ok(());
        }
        if word & ACTIVE != 0 {
            // Somebody else waits: this side is done when that one is.
            if current_core().stopping() {
                return Err(Raise::Stop);
            }
            current_core().scheduler().pause();
            word = rundown.Count.load(Ordering::Acquire);
            continue;
        }
        waiter.holders.store(word / 2, Ordering::Relaxed);
        let new = if word == 0 { ACTIVE } else { marked };
        match rundown.Count.compare_exchange(word, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(0) => return Ok(()),
            Ok(_) => break,
            Err(now) => word = now,
        }
    }
    let _waiting = nt_ke::locks::waiting_for("the release of rundown protection by all who hold it");
    let outcome = dispatcher::wait(&waiter.event.Header, false, None);
    rundown.Count.store(ACTIVE, Ordering::Release);
    if let Err(raise) = outcome {
        // A holder that read the word before may still be counting down on this stack: the machine stops, and
        // all that is left to do for it is to let it pass.
        let core = current_core();
        for _ in 0..100 {
            if waiter.holders.load(Ordering::Acquire) == 0 {
                break;
            }
            core.scheduler().pause();
        }
        return Err(raise);
    }
    Ok(())
}

/// Marks it as run down without waiting. Source: ExRundownCompleted.
pub fn completed(rundown: &EX_RUNDOWN_REF) {
    rundown.Count.store(ACTIVE, Ordering::Release);
}

/// Holders now, for reports; 0 while someone waits for them.
pub fn holders(rundown: &EX_RUNDOWN_REF) -> usize {
    let word = rundown.Count.load(Ordering::Relaxed);
    if word & ACTIVE != 0 { 0 } else { word / 2 }
}
