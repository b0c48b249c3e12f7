//! Who holds which lock, who waits for what, and in which order locks are taken: in seeded machines only.
//!
//! ```text
//! initialised ─► acquired ─► released          in nt-ex and the dispatcher, one flag load when nobody watches
//!                   │   └─► order: an edge from each lock held      ─► a finding when a cycle closes (module `order`)
//!                waiting ─► dispatcher: about to sleep for good     ─► a bug check when the graph has a cycle (`graph`)
//!                                       nobody is left that can run ─► the same, with all that is known (`words`)
//! ```
//!
//! A deadlock is decided by this graph, never by a clock. Every acquisition and every wait keeps where it happened: the
//! calls into exports that were under way, or the whole stack of drivers' frames when the machine was built so.
//!
//! A free machine keeps nothing of this: an observer that all threads share would cost more than the locks themselves.
//!
//! Lock order: `state` is innermost but for the list of findings; it may be taken under the dispatcher lock.

mod book;
mod graph;
mod order;
mod words;

use std::ops::Range;
use std::ptr::from_ref;
use std::sync::atomic::Ordering;

use book::{Birth, CALLS, Hold, Orphan, Signal, Site, State, Target, ThreadState, Wait};
use boundary::processor::watch;
use boundary::{Event, Raise};
use parking_lot::Mutex;

use crate::bugcheck::{BugCheck, DEADLOCK};
use crate::core::{Core, current_core};
use crate::finding::Finding;
use crate::thread::{KTHREAD, current_thread};

/// What a lock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// ERESOURCE.
    Resource,
    /// FAST_MUTEX, KGUARDED_MUTEX.
    FastMutex,
    /// EX_PUSH_LOCK.
    PushLock,
    /// KMUTEX.
    Mutex,
    /// KSPIN_LOCK, EX_SPIN_LOCK, queued spin locks.
    SpinLock,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::FastMutex => "fast mutex",
            Self::PushLock => "push lock",
            Self::Mutex => "mutex",
            Self::SpinLock => "spin lock",
        }
    }
}

/// How a lock is held or wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Together with others.
    Shared,
    /// Alone.
    Exclusive,
}

/// What a machine knows of locks.
pub(crate) struct Locks {
    state: Mutex<State>,
}

/// A thread of a deadlock: what it holds and what it waits for.
#[derive(Clone, Debug, Default)]
pub struct StuckThread {
    /// Its number.
    pub thread: u32,
    /// What it is called, such as `worker`.
    pub name: String,
    /// What it waits for, in words.
    pub waits_for: String,
    /// Where it waits: addresses in drivers, innermost first.
    pub waits_at: Vec<usize>,
    /// What it holds.
    pub holds: Vec<HeldLock>,
}

/// A lock that a thread of a deadlock holds.
#[derive(Clone, Debug, Default)]
pub struct HeldLock {
    /// The lock, and how it is held, in words.
    pub lock: String,
    /// Where it was taken: addresses in drivers, innermost first.
    pub taken_at: Vec<usize>,
}

impl Locks {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State::default()) }
    }
}

/// Whether the current thread's machine keeps book of locks. The thread is attached to one.
#[inline]
pub fn watched() -> bool {
    boundary::current().observed.load(Ordering::Relaxed) & watch::SCHEDULED != 0
}

fn site(core: &Core) -> Site {
    let mut calls =
        if core.config.lock_stacks { core.walk_stack(None) } else { boundary::current().export_callers() };
    if !core.config.lock_stacks {
        calls.truncate(CALLS);
    }
    calls.iter_mut().for_each(|place| *place = call_before(*place));
    calls
}

/// An address inside the call that returns to `address`: its line is the call's, not the next one's.
fn call_before(address: usize) -> usize {
    address.saturating_sub(1)
}

fn key(thread: &KTHREAD) -> usize {
    from_ref(thread) as usize
}

/// A lock was initialised, by the driver that called the export that is being executed, or by the engine. What was known
/// of another at that address is forgotten.
#[inline]
pub fn initialised(lock: usize) {
    if watched() {
        let place = call_before(boundary::caller_address());
        let mut state = current_core().locks.state.lock();
        state.forget(lock..lock + 1);
        state.births.insert(lock, Birth { place, name: "" });
    }
}

/// An event, a semaphore or a timer was initialised by a driver.
#[inline]
pub fn object_initialised(object: usize) {
    if watched() {
        let place = call_before(boundary::caller_address());
        let mut state = current_core().locks.state.lock();
        state.signals.remove(&object);
        state.births.insert(object, Birth { place, name: "" });
    }
}

/// The engine made this lock: what it is in words, such as `main resource of a stream`.
#[inline]
pub fn named(lock: usize, name: &'static str) {
    if watched() {
        let mut state = current_core().locks.state.lock();
        let birth = state.births.entry(lock).or_default();
        (birth.place, birth.name) = (0, name);
    }
}

/// The memory in `range` is something else from now on.
#[inline]
pub fn forgotten(range: Range<usize>) {
    if watched() {
        current_core().locks.state.lock().forget(range);
    }
}

/// How the current thread holds a lock, if it does and the machine keeps book.
#[inline]
pub fn held(lock: usize) -> Option<Mode> {
    if !watched() {
        return None;
    }
    let mut state = current_core().locks.state.lock();
    let thread = state.thread(current_thread());
    thread.holds.iter().find(|hold| hold.lock == lock).map(|hold| hold.mode)
}

/// Whether somebody has initialised a lock at this address, as far as the machine keeps book: else yes.
#[inline]
pub fn is_initialised(lock: usize) -> bool {
    !watched() || current_core().locks.state.lock().births.contains_key(&lock)
}

/// The current thread has acquired a lock, in a way that would have waited for it.
#[inline]
pub fn acquired(lock: usize, kind: Kind, mode: Mode) {
    if watched() {
        acquired_by(current_core(), current_thread(), lock, kind, mode, true);
    }
}

/// The current thread has acquired a lock, in a way that does not wait.
#[inline]
pub fn acquired_without_waiting(lock: usize, kind: Kind, mode: Mode) {
    if watched() {
        acquired_by(current_core(), current_thread(), lock, kind, mode, false);
    }
}

/// `thread` has acquired a lock; the machine keeps book.
pub(crate) fn acquired_by(core: &Core, thread: &KTHREAD, lock: usize, kind: Kind, mode: Mode, waits: bool) {
    let mine = key(thread) == key(current_thread());
    let here = if mine { site(core) } else { Site::new() };
    let finding = {
        let mut state = core.locks.state.lock();
        let state = &mut *state;
        state.adopt_birth(lock, kind);
        let holder = state.threads.entry(key(thread)).or_default();
        holder.number = thread.number();
        // Somebody else's signal gave it to a thread that waits: it was taken where that one waits.
        let site = match holder.wait() {
            Some(wait) if !mine => wait.site.clone(),
            _ => here,
        };
        if let Some(hold) = holder.holds.iter_mut().find(|hold| hold.lock == lock) {
            hold.count += 1;
            hold.mode = hold.mode.max(mode);
            return;
        }
        let hold = Hold { lock, kind, mode, count: 1, site, apcs: holder.apcs };
        let cycle = if waits { state.order.add(&holder.holds, &hold, &state.births) } else { None };
        holder.holds.push(hold);
        cycle.map(|cycle| words::inversion(state, &cycle))
    };
    if let Some(finding) = finding {
        core.report(finding);
    }
}

/// A lock is released, by the current thread. Says so when another thread holds it and `owned` says that only the holder
/// may release it.
#[inline]
pub fn released(lock: usize, owned: bool) {
    if watched() {
        released_by(current_core(), key(current_thread()), lock, owned);
    }
}

/// The same for the owner that it was written down under: the address of a KTHREAD, or an owner pointer.
#[inline]
pub fn released_for(lock: usize, owner: usize) {
    if watched() {
        let mut state = current_core().locks.state.lock();
        if !state.release(owner, lock) {
            state.release_orphan(lock);
        }
    }
}

fn released_by(core: &Core, owner: usize, lock: usize, owned: bool) {
    let finding = {
        let mut state = core.locks.state.lock();
        if state.release(owner, lock) {
            return;
        }
        let holds = |thread: &ThreadState| thread.holds.iter().any(|hold| hold.lock == lock);
        let holder = state.threads.iter().find(|(_, thread)| holds(thread)).map(|(key, _)| *key);
        if holder.is_none() {
            state.release_orphan(lock);
        }
        let finding = holder.filter(|_| owned).map(|holder| words::foreign_release(&state, holder, lock));
        if let Some(holder) = holder {
            state.release(holder, lock);
        }
        finding
    };
    if let Some(finding) = finding {
        core.report(finding);
    }
}

/// The current thread's hold of a lock is written down under an owner pointer: somebody else will release it.
#[inline]
pub fn handed_on(lock: usize) {
    if watched() {
        let mut state = current_core().locks.state.lock();
        let thread = state.thread(current_thread());
        if let Some(at) = thread.holds.iter().position(|hold| hold.lock == lock) {
            let hold = thread.holds.remove(at);
            let (number, name) = (thread.number, thread.name.clone());
            state.orphans.push(Orphan { hold, number, name, handed_on: true });
        }
    }
}

/// The current thread's exclusive hold has become a shared one.
#[inline]
pub fn converted_to_shared(lock: usize) {
    if watched() {
        let mut state = current_core().locks.state.lock();
        let thread = state.thread(current_thread());
        if let Some(hold) = thread.holds.iter_mut().find(|hold| hold.lock == lock) {
            hold.mode = Mode::Shared;
        }
    }
}

/// The current thread waits from here on, until this is dropped.
pub struct Waiting(bool);

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.0 {
            end_wait(current_core(), current_thread());
        }
    }
}

/// The current thread is about to wait for a lock. The dispatcher decides at the moment of sleeping whether that is for ever.
#[inline]
pub fn waiting(lock: usize, kind: Kind, mode: Mode) -> Waiting {
    wait_for(|| Target::Lock { lock, kind, mode, spins: false })
}

/// The current thread is about to wait for something of the engine's, in words: `the completion of an IRP`.
#[inline]
pub fn waiting_for(what: &'static str) -> Waiting {
    wait_for(|| Target::Engine(what, 0))
}

/// The same for what another thread does now, which it told with [`doing`].
#[inline]
pub fn waiting_for_task(what: &'static str, task: usize) -> Waiting {
    wait_for(|| Target::Engine(what, task))
}

/// The current thread does something that others may wait for, known by an address, until somebody tells [`done`].
#[inline]
pub fn doing(task: usize) {
    if watched() {
        current_core().locks.state.lock().thread(current_thread()).tasks.push(task);
    }
}

/// It is done, if need be by another thread.
#[inline]
pub fn done(task: usize) {
    if watched() {
        current_core().locks.state.lock().task_done(key(current_thread()), task);
    }
}

#[inline]
fn wait_for(target: impl FnOnce() -> Target) -> Waiting {
    let watched = watched();
    if watched {
        begin_wait(current_core(), current_thread(), target());
    }
    Waiting(watched)
}

/// The current thread spins for a lock from here on.
///
/// Errors:  `Stop`: it would spin for ever, which ends the machine
#[inline]
pub fn spinning(lock: usize, mode: Mode) -> Result<Waiting, Raise> {
    let waiting = wait_for(|| Target::Lock { lock, kind: Kind::SpinLock, mode, spins: true });
    if waiting.0 {
        about_to_sleep(current_core(), current_thread())?;
    }
    Ok(waiting)
}

fn begin_wait(core: &Core, thread: &KTHREAD, target: Target) {
    let site = site(core);
    if core.observed() {
        let (what, object) = match &target {
            Target::Lock { lock, kind, .. } => (kind.name(), *lock),
            Target::Objects { objects, .. } => ("object", objects.first().map_or(0, |object| object.0)),
            Target::Engine(what, _) => (*what, 0),
        };
        let holder = core.locks.state.lock().holder(object);
        core.observe(&Event::Waits { what, object, holder });
    }
    let mut state = core.locks.state.lock();
    state.waits += 1;
    let since = state.waits;
    let thread = state.thread(thread);
    let apcs = thread.apcs;
    thread.waits.push(Wait { target, site, apcs, since });
}

fn end_wait(core: &Core, thread: &KTHREAD) {
    core.locks.state.lock().thread(thread).waits.pop();
}

/// The dispatcher: `thread`, the current one, waits for objects. Nothing when it is known already what it waits for.
pub(crate) fn objects_waited(
    core: &Core,
    thread: &KTHREAD,
    objects: impl Iterator<Item = (usize, u8)>,
    all: bool,
    timed: bool,
) -> bool {
    let known = {
        let mut state = core.locks.state.lock();
        let thread = state.thread(thread);
        // What the code waits for that an APC interrupted is not what the APC's code waits for.
        thread.wait().is_some_and(|wait| wait.apcs == thread.apcs)
    };
    if !known {
        begin_wait(core, thread, Target::Objects { objects: objects.collect(), all, timed });
    }
    !known
}

pub(crate) fn objects_no_longer_waited(core: &Core, thread: &KTHREAD) {
    end_wait(core, thread);
}

/// The dispatcher: `thread`, the current one, is about to sleep, and what it waits for is written down.
///
/// Errors:  `Stop`: the graph has a cycle, which ends the machine
pub(crate) fn about_to_sleep(core: &Core, thread: &KTHREAD) -> Result<(), Raise> {
    let check = {
        let mut state = core.locks.state.lock();
        if graph::cycle(&state, key(thread)).is_none() {
            return Ok(());
        }
        let all: Vec<usize> = state.threads.keys().copied().collect();
        all.into_iter().for_each(|thread| state.drop_stale(thread));
        let Some(cycle) = graph::cycle(&state, key(thread)) else { return Ok(()) };
        words::deadlock(&state, &cycle, BugCheck::new(DEADLOCK, [u64::from(thread.number()), 0, 0, 0], ""))
    };
    Err(core.bug_check(check))
}

/// Fills the report of a machine in which nobody can run any more.
pub(crate) fn explain_hang(core: &Core, check: BugCheck) -> BugCheck {
    let state = core.locks.state.lock();
    words::hang(&state, check)
}

/// A driver did something with an event or a semaphore: `set`, `cleared`, `pulsed`, `released`.
#[inline]
pub fn signalled(object: usize, verb: &'static str) {
    if watched() {
        let core = current_core();
        let site = site(core);
        let thread = current_thread().number();
        let signal = Signal { verb, thread, site };
        let mut state = core.locks.state.lock();
        if let Some(place) = state.births.get(&object).map(|birth| birth.place).filter(|place| *place != 0) {
            state.setters.insert(place, signal.clone());
        }
        state.signals.insert(object, signal);
    }
}

/// An APC begins in `thread`, the current one, or has ended.
pub(crate) fn apc(core: &Core, thread: &KTHREAD, begins: bool) {
    if watched() {
        let mut state = core.locks.state.lock();
        let thread = state.thread(thread);
        thread.apcs = if begins { thread.apcs + 1 } else { thread.apcs.saturating_sub(1) };
    }
}

/// What a thread is called in reports.
pub(crate) fn thread_named(core: &Core, thread: &KTHREAD, name: &str) {
    if core.watched() & watch::SCHEDULED != 0 {
        name.clone_into(&mut core.locks.state.lock().thread(thread).name);
    }
}

/// A thread has ended: what it holds is held for ever.
pub(crate) fn thread_ended(core: &Core, thread: &KTHREAD) {
    if core.watched() & watch::SCHEDULED == 0 {
        return;
    }
    let finding = {
        let mut state = core.locks.state.lock();
        state.drop_stale(key(thread));
        let Some(ended) = state.threads.get(&key(thread)) else { return };
        // Of resources the executive tells (RES-33).
        let all_resources = ended.holds.iter().all(|hold| hold.kind == Kind::Resource);
        let told = || words::left_behind(&state, ended, &ended.holds, "the thread has ended");
        let finding = if all_resources { None } else { told() };
        state.orphan(key(thread), 0);
        state.threads.remove(&key(thread));
        finding
    };
    if let Some(finding) = finding
        && !core.stopping()
    {
        core.report(finding);
    }
}

/// `what`, such as `NtClose`, returns on the current thread, which must hold nothing from then on. Says so when it holds a
/// lock.
#[inline]
pub fn leaving(what: &str) {
    if watched() {
        left(0, || format!("{what} has returned"));
    }
}

/// What a thread holds when a callback begins.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

/// What the current thread holds now; to be compared by [`check_callback`]. Only where [`watched`].
pub fn mark() -> Mark {
    let mut state = current_core().locks.state.lock();
    Mark(state.thread(current_thread()).holds.len())
}

/// The callback `what` has returned, and nothing of its driver's follows on this operation: says so when it took locks that
/// the thread holds now and did not before.
pub fn check_callback(before: Mark, what: impl FnOnce() -> String) {
    left(before.0, || format!("{} has returned and nothing of it follows", what()));
}

/// Whether the current thread holds locks now that it did not hold at `before`.
pub fn took_more(before: &Mark) -> bool {
    let mut state = current_core().locks.state.lock();
    state.thread(current_thread()).holds.len() > before.0
}

/// Says so when the current thread holds more than its first `kept` locks. From then on those count as forgotten: who
/// waits for one of them is told where it was taken.
fn left(kept: usize, what: impl FnOnce() -> String) {
    let core = current_core();
    let finding = {
        let mut state = core.locks.state.lock();
        let me = key(current_thread());
        match state.threads.get(&me) {
            Some(thread) if thread.holds.len() > kept => state.drop_stale(me),
            _ => return,
        }
        let finding = match state.threads.get(&me) {
            Some(thread) if thread.holds.len() > kept => {
                words::left_behind(&state, thread, &thread.holds[kept..], &what())
            }
            _ => return,
        };
        state.orphan(me, kept);
        finding
    };
    if let Some(finding) = finding
        && !core.stopping()
    {
        core.report(finding);
    }
}

/// The current thread enters a critical region, of the engine's or of a driver's.
pub(crate) fn region_entered(engine: bool) {
    let core = current_core();
    let site = site(core);
    core.locks.state.lock().thread(current_thread()).regions.push((engine, site));
}

/// It leaves one. Returns whether it may: a driver leaves what a driver has entered.
pub(crate) fn region_left(engine: bool) -> bool {
    let mut state = current_core().locks.state.lock();
    let regions = &mut state.thread(current_thread()).regions;
    match regions.iter().rposition(|(engines, _)| *engines == engine) {
        Some(at) if engine || at + 1 == regions.len() => {
            regions.remove(at);
            true
        }
        // What a mutex entered is not in the list.
        None => regions.is_empty(),
        Some(_) => false,
    }
}

/// Where the current thread entered the critical regions that it is in: `; it entered one at 0x…`.
pub(crate) fn regions_in_words() -> String {
    if !watched() {
        return String::new();
    }
    let mut state = current_core().locks.state.lock();
    let drivers = state.thread(current_thread()).regions.iter().filter(|(engine, _)| !engine);
    drivers.filter_map(|(_, site)| Some(format!("; it entered one at {:#x}", site.first()?))).collect()
}

/// Who holds a lock and where they took it, as the end of a sentence: `; thread 3 took it at 0x…`. Empty when nobody is known.
pub fn holders_in_words(lock: usize) -> String {
    if !watched() {
        return String::new();
    }
    words::holders(&current_core().locks.state.lock(), lock)
}

/// A finding about locks.
fn finding(rule: &'static str, message: String, places: Vec<usize>) -> Finding {
    Finding { rule, severity: crate::Severity::Error, driver: String::new(), message, places }
}
