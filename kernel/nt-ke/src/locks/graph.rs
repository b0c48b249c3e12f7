//! The wait-for graph: from a thread that sleeps to those that have to act before it can go on.
//!
//! All of them have to, so one cycle is a deadlock. A thread that can be woken by anybody (a wait for an event, with a
//! timeout, or for one of several objects) has no edges: of those the graph knows nothing.
//!
//! UNSAFETY: threads are found by their addresses; they stay in the table of states only as long as they live.

use std::sync::atomic::Ordering;

use super::book::{Hold, State, Target, ThreadState};
use super::{Kind, Mode};
use crate::dispatcher::{WAITING, object_type};
use crate::thread::KTHREAD;

/// Who keeps a thread from going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocker {
    /// A thread: it holds the lock.
    Holder(usize),
    /// A thread: it asked before, and cannot be overtaken.
    Queued(usize),
    /// A thread that is waited for to end.
    Ends(usize),
    /// A thread that does what is waited for; only where nobody can run any more.
    Does(usize),
    /// A hold that nobody will release, by its place in the list.
    Orphan(usize),
}

/// A chain of threads, each kept by the next; the last one by the first, or by an orphan.
pub(super) struct Cycle {
    pub(super) threads: Vec<usize>,
    pub(super) orphan: Option<usize>,
}

impl Target {
    /// The lock or the one object that is waited for.
    pub(super) fn object(&self) -> Option<usize> {
        match self {
            Self::Lock { lock, .. } => Some(*lock),
            Self::Objects { objects, timed: false, .. } if objects.len() == 1 => Some(objects[0].0),
            _ => None,
        }
    }
}

/// Whether the thread sleeps until somebody wakes it, or spins.
fn sleeps(key: usize, thread: &ThreadState) -> bool {
    match thread.wait() {
        None => false,
        Some(wait) if matches!(wait.target, Target::Lock { spins: true, .. }) => true,
        Some(wait) if matches!(wait.target, Target::Engine(..)) => false,
        // SAFETY: see the module's header.
        Some(_) => unsafe { &*(key as *const KTHREAD) }.wait_state.load(Ordering::Relaxed) == WAITING,
    }
}

fn conflicts(held: Mode, wanted: Mode) -> bool {
    held == Mode::Exclusive || wanted == Mode::Exclusive
}

fn hold_of(thread: &ThreadState, lock: usize) -> Option<&Hold> {
    thread.holds.iter().find(|hold| hold.lock == lock)
}

/// Who has to act before `key` can go on.
pub(super) fn blockers(state: &State, key: usize) -> Vec<Blocker> {
    let Some(thread) = state.threads.get(&key) else { return Vec::new() };
    let Some(wait) = thread.wait().filter(|_| sleeps(key, thread)) else { return Vec::new() };
    match &wait.target {
        Target::Lock { lock, kind, mode, .. } => lock_blockers(state, key, *lock, *kind, *mode, wait.since),
        Target::Objects { objects, all, timed: false } if *all || objects.len() == 1 => {
            objects.iter().flat_map(|(object, kind)| object_blockers(state, *object, *kind)).collect()
        }
        _ => Vec::new(),
    }
}

fn lock_blockers(state: &State, key: usize, lock: usize, kind: Kind, mode: Mode, since: u64) -> Vec<Blocker> {
    let mut blockers = holders(state, lock, mode);
    if !blockers.is_empty() || mode == Mode::Exclusive {
        return blockers;
    }
    // Only readers have it: those who asked to have it alone, before, stand in the way.
    for (other, thread) in state.threads.iter().filter(|(other, _)| **other != key) {
        if let Some(wait) = thread.wait()
            && let Target::Lock { lock: wanted, mode: Mode::Exclusive, .. } = wait.target
            && wanted == lock
            && (wait.since < since || kind == Kind::SpinLock)
        {
            blockers.push(Blocker::Queued(*other));
        }
    }
    blockers
}

fn holders(state: &State, lock: usize, mode: Mode) -> Vec<Blocker> {
    let in_the_way = |hold: &Hold| hold.lock == lock && conflicts(hold.mode, mode);
    let threads = state.threads.iter().filter(|(_, thread)| hold_of(thread, lock).is_some_and(in_the_way));
    let orphans = state.orphans.iter().enumerate();
    let orphans = orphans.filter(|(_, orphan)| !orphan.handed_on && in_the_way(&orphan.hold));
    threads.map(|(key, _)| Blocker::Holder(*key)).chain(orphans.map(|(at, _)| Blocker::Orphan(at))).collect()
}

fn object_blockers(state: &State, object: usize, kind: u8) -> Vec<Blocker> {
    match kind {
        object_type::MUTANT => holders(state, object, Mode::Exclusive),
        // The object of a thread is its KTHREAD.
        object_type::THREAD if state.threads.contains_key(&object) => vec![Blocker::Ends(object)],
        _ => Vec::new(),
    }
}

/// The cycle that `start` closes by sleeping, if it closes one.
pub(super) fn cycle(state: &State, start: usize) -> Option<Cycle> {
    let mut seen = vec![start];
    follow(state, &blockers, &mut vec![start], &mut seen)
}

/// The same in a machine in which nobody can run any more, where one of several that do something is enough.
pub(super) fn cycle_of_hung(state: &State, start: usize) -> Option<Cycle> {
    let all = |state: &State, key: usize| {
        let task = state.threads.get(&key).and_then(ThreadState::wait).and_then(|wait| match wait.target {
            Target::Engine(_, task) if task != 0 => Some(task),
            _ => None,
        });
        let does = |thread: &ThreadState| task.is_some_and(|task| thread.tasks.contains(&task));
        let doers = state.threads.iter().filter(|(other, thread)| **other != key && does(thread));
        let mut all = blockers(state, key);
        all.extend(doers.map(|(other, _)| Blocker::Does(*other)));
        all
    };
    let mut seen = vec![start];
    follow(state, &all, &mut vec![start], &mut seen)
}

fn follow(
    state: &State,
    blockers: &dyn Fn(&State, usize) -> Vec<Blocker>,
    path: &mut Vec<usize>,
    seen: &mut Vec<usize>,
) -> Option<Cycle> {
    let at = *path.last()?;
    for blocker in blockers(state, at) {
        let next = match blocker {
            Blocker::Orphan(orphan) => return Some(Cycle { threads: path.clone(), orphan: Some(orphan) }),
            Blocker::Holder(next) | Blocker::Queued(next) | Blocker::Ends(next) | Blocker::Does(next) => next,
        };
        if let Some(first) = path.iter().position(|thread| *thread == next) {
            return Some(Cycle { threads: path[first..].to_vec(), orphan: None });
        }
        if seen.contains(&next) {
            continue;
        }
        seen.push(next);
        path.push(next);
        if let Some(cycle) = follow(state, blockers, path, seen) {
            return Some(cycle);
        }
        path.pop();
    }
    None
}
