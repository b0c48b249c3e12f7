//! Push locks: reader/writer locks of one word, not recursive.
//!
//! ```text
//! word:  bit 0 held exclusive   bit 1 somebody waits   bits 4.. how many share
//! ```
//!
//! Who waits stands in a table of the engine, in order; while anybody waits, newcomers queue behind.
//! Statements: EXEC-24, EXEC-25, PLOCK-01 to PLOCK-06.
//!
//! UNSAFETY: a waiter lies on its thread's stack and is in the table until it is granted or takes itself out.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::ptr::from_ref;
use std::sync::atomic::{AtomicUsize, Ordering};

use boundary::Raise;
use nt_abi::{KEVENT, bugcheck};
use nt_ke::dispatcher::{self, object_type};
use nt_ke::locks::{self, Kind, Mode};
use nt_ke::{BugCheck, Finding, Lock, Rank, current_core};

use crate::ex;

const EXCLUSIVE: usize = 1;
const WAITING: usize = 2;
const SHARE: usize = 16;

struct Waiter {
    exclusive: bool,
    granted: Cell<bool>,
    event: KEVENT,
}

struct Queued(*const Waiter);

// SAFETY: the pointer is followed under the table's lock only, while its waiter stays.
unsafe impl Send for Queued {}

/// Who waits for which push lock.
pub(crate) struct Waiters {
    table: Lock<HashMap<usize, VecDeque<Queued>>>,
}

impl Waiters {
    pub(crate) fn new() -> Self {
        Self { table: Lock::new(Rank::ExResource, HashMap::new()) }
    }
}

/// What the word becomes when a request is granted, if it can be.
fn granted(word: usize, exclusive: bool) -> Option<usize> {
    if exclusive {
        (word & !WAITING == 0).then_some(word | EXCLUSIVE)
    } else {
        (word & EXCLUSIVE == 0).then_some(word + SHARE)
    }
}

/// Makes the lock free.
pub fn initialize(lock: &AtomicUsize) {
    lock.store(0, Ordering::Release);
    locks::initialised(from_ref(lock) as usize);
}

fn mode(exclusive: bool) -> Mode {
    if exclusive { Mode::Exclusive } else { Mode::Shared }
}

/// Ends its use.
///
/// Source:  FltDeletePushLock; PLOCK-06
/// Errors:  deleting one that is held is a finding
pub fn delete(lock: &AtomicUsize) {
    let address = from_ref(lock) as usize;
    if lock.swap(0, Ordering::AcqRel) != 0 {
        current_core().report(Finding::error(
            "PLOCK-06",
            "",
            format!(
                "the push lock {lock:p} was deleted while a thread holds it or waits for it: release it first{}",
                locks::holders_in_words(address)
            ),
        ));
    }
    locks::forgotten(address..address + 1);
}

/// Reports a push lock that nobody initialised, or that was deleted. Only a machine that keeps book of locks knows.
///
/// Source: PLOCK-06
pub fn check_initialised(lock: &AtomicUsize, export: &str) {
    if !locks::is_initialised(from_ref(lock) as usize) {
        current_core().report(Finding::error(
            "PLOCK-06",
            "",
            format!(
                "{export} was called for {lock:p}, which is no push lock (any more): call FltInitializePushLock before \
                 the first use, and none of these after FltDeletePushLock"
            ),
        ));
    }
}

/// Reports a request of a thread that holds the lock already.
fn check_recursion(lock: usize, exclusive: bool) {
    let (rule, what) = match locks::held(lock) {
        None => return,
        Some(Mode::Shared) if !exclusive => (
            "PLOCK-04",
            "shared while it holds it shared: that hangs as soon as another thread waits to have it exclusive",
        ),
        Some(_) => ("PLOCK-03", "while it holds it: it waits for itself"),
    };
    current_core().report(Finding::error(
        rule,
        "",
        format!(
            "a thread acquires the push lock {lock:#x} {what}. Push locks are not recursive: release it first, or take an \
             ERESOURCE",
        ),
    ));
}

/// Acquires it, waiting in turn. The caller keeps normal kernel APCs off.
///
/// Source:  FltAcquirePushLockExclusive, FltAcquirePushLockShared, ExfAcquirePushLock*
/// IRQL:    <= APC_LEVEL
/// Errors:  `Stop` when the machine stops; it is not held then. Recursion is a finding where the machine keeps book of
///          locks (PLOCK-03, PLOCK-04)
pub fn acquire(lock: &AtomicUsize, exclusive: bool) -> Result<(), Raise> {
    nt_ke::scheduler::point();
    let fast = |word: usize| if word & WAITING == 0 { granted(word, exclusive) } else { None };
    let key = from_ref(lock) as usize;
    check_recursion(key, exclusive);
    if lock.fetch_update(Ordering::Acquire, Ordering::Relaxed, fast).is_ok() {
        locks::acquired(key, Kind::PushLock, mode(exclusive));
        return Ok(());
    }
    let waiter = Waiter { exclusive, granted: Cell::new(false), event: KEVENT::default() };
    dispatcher::initialize_header(&waiter.event.Header, object_type::SYNCHRONIZATION_EVENT, 0);
    {
        let mut table = ex().push_locks.table.lock();
        // Under the table's lock nobody clears WAITING: either it is granted now, or a release will see the bit.
        loop {
            let word = lock.load(Ordering::Relaxed);
            let next = if word & WAITING == 0 { granted(word, exclusive) } else { None };
            let new = next.unwrap_or(word | WAITING);
            if lock.compare_exchange(word, new, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                if next.is_some() {
                    drop(table);
                    locks::acquired(key, Kind::PushLock, mode(exclusive));
                    return Ok(());
                }
                break;
            }
        }
        table.entry(key).or_default().push_back(Queued(&raw const waiter));
    }
    let waiting = locks::waiting(key, Kind::PushLock, mode(exclusive));
    let outcome = dispatcher::wait(&waiter.event.Header, false, None);
    drop(waiting);
    if waiter.granted.get() {
        locks::acquired(key, Kind::PushLock, mode(exclusive));
    }
    let mut table = ex().push_locks.table.lock();
    match outcome {
        Ok(_) => Ok(()),
        Err(raise) if waiter.granted.get() => {
            drop(table);
            release(lock, exclusive)?;
            Err(raise)
        }
        Err(raise) => {
            if let Some(queue) = table.get_mut(&key) {
                queue.retain(|queued| !std::ptr::eq(queued.0, &raw const waiter));
            }
            Err(raise)
        }
    }
}

/// Acquires it if that needs no waiting. Returns whether it did.
pub fn try_acquire(lock: &AtomicUsize, exclusive: bool) -> bool {
    let fast = |word: usize| if word & WAITING == 0 { granted(word, exclusive) } else { None };
    let got = lock.fetch_update(Ordering::Acquire, Ordering::Relaxed, fast).is_ok();
    if got {
        locks::acquired_without_waiting(from_ref(lock) as usize, Kind::PushLock, mode(exclusive));
    }
    got
}

/// Whether it is held exclusive.
pub fn is_exclusive(lock: &AtomicUsize) -> bool {
    lock.load(Ordering::Relaxed) & EXCLUSIVE != 0
}

/// Releases it, whichever way it is held. Source: FltReleasePushLock, ExfReleasePushLock.
pub fn release_any(lock: &AtomicUsize) -> Result<(), Raise> {
    release(lock, is_exclusive(lock))
}

/// Releases it and lets the next in: one writer, or all readers up to the next writer.
///
/// Errors:  a lock that is not held that way is a bug check
pub fn release(lock: &AtomicUsize, exclusive: bool) -> Result<(), Raise> {
    nt_ke::scheduler::point();
    let step = if exclusive { EXCLUSIVE } else { SHARE };
    let give = |word: usize| {
        let held = if exclusive { word & EXCLUSIVE != 0 } else { word >= SHARE };
        held.then(|| word - step)
    };
    match lock.fetch_update(Ordering::Release, Ordering::Relaxed, give) {
        Ok(before) if before & WAITING == 0 => {
            locks::released(from_ref(lock) as usize, true);
            Ok(())
        }
        Ok(_) => {
            locks::released(from_ref(lock) as usize, true);
            admit(lock);
            Ok(())
        }
        Err(word) => Err(current_core().bug_check(BugCheck::new(
            bugcheck::KERNEL_AUTO_BOOST_INVALID_LOCK_RELEASE,
            [from_ref(lock) as u64, word as u64, 0, 0],
            "a push lock was released that is not held",
        ))),
    }
}

fn admit(lock: &AtomicUsize) {
    let key = from_ref(lock) as usize;
    let mut table = ex().push_locks.table.lock();
    while let Some(first) = table.get(&key).and_then(VecDeque::front).map(|queued| queued.0) {
        // SAFETY: queued waiters stay, see the module's header.
        let waiter = unsafe { &*first };
        let grant = |word: usize| granted(word, waiter.exclusive);
        if lock.fetch_update(Ordering::Acquire, Ordering::Relaxed, grant).is_err() {
            return;
        }
        if let Some(queue) = table.get_mut(&key) {
            queue.pop_front();
        }
        waiter.granted.set(true);
        dispatcher::set_event(&waiter.event.Header);
    }
    table.remove(&key);
    lock.fetch_and(!WAITING, Ordering::Relaxed);
}
