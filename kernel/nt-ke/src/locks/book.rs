//! The book: what is written down of each thread, lock and object.

use std::collections::BTreeMap;
use std::ops::Range;
use std::ptr::from_ref;

use super::{Kind, Mode, order};
use crate::thread::KTHREAD;

/// Return addresses in drivers, innermost first; empty when no driver was involved.
pub(super) type Site = Vec<usize>;

pub(super) const EVENT_OF_FAST_MUTEX: usize = std::mem::offset_of!(nt_abi::FAST_MUTEX, Event);

/// Most calls that a site has in a machine that keeps no whole stacks.
pub(super) const CALLS: usize = 8;

pub(super) struct Hold {
    pub(super) lock: usize,
    pub(super) kind: Kind,
    pub(super) mode: Mode,
    pub(super) count: u32,
    pub(super) site: Site,
    /// How many APCs the thread was inside.
    pub(super) apcs: u32,
}

impl Hold {
    /// Whether the lock is free by its own word: drivers initialise such locks anew by writing 0 to them.
    fn is_stale(&self) -> bool {
        matches!(self.kind, Kind::SpinLock | Kind::PushLock)
            && !matches!(boundary::copy::read_value::<u32>(self.lock), Ok(1..))
    }
}

pub(super) enum Target {
    Lock {
        lock: usize,
        kind: Kind,
        mode: Mode,
        spins: bool,
    },
    /// Dispatcher objects, with their types.
    Objects {
        objects: Vec<(usize, u8)>,
        all: bool,
        timed: bool,
    },
    /// Something of the engine's, in words, and what it is the doing of; 0: unknown.
    Engine(&'static str, usize),
}

pub(super) struct Wait {
    pub(super) target: Target,
    pub(super) site: Site,
    /// How many APCs the thread was inside.
    pub(super) apcs: u32,
    /// Order of beginning.
    pub(super) since: u64,
}

#[derive(Default)]
pub(super) struct ThreadState {
    pub(super) number: u32,
    pub(super) name: String,
    pub(super) holds: Vec<Hold>,
    /// The innermost is last: code in an APC waits while the code that it interrupted does.
    pub(super) waits: Vec<Wait>,
    pub(super) apcs: u32,
    /// Critical regions that it is in: whether the engine entered it, and where.
    pub(super) regions: Vec<(bool, Site)>,
    /// What of the engine's others may wait for until this thread has done it.
    pub(super) tasks: Vec<usize>,
}

impl ThreadState {
    /// What it waits for now.
    pub(super) fn wait(&self) -> Option<&Wait> {
        self.waits.last()
    }
}

/// A hold whose thread has ended, or that was written down under an owner pointer.
pub(super) struct Orphan {
    pub(super) hold: Hold,
    pub(super) number: u32,
    pub(super) name: String,
    /// The thread gave it to an owner pointer: somebody else releases it.
    pub(super) handed_on: bool,
}

#[derive(Default)]
pub(super) struct Birth {
    /// Where a driver initialised it; 0: the engine did, or nobody.
    pub(super) place: usize,
    /// What the engine calls it.
    pub(super) name: &'static str,
}

/// What was done last with an event or a semaphore.
#[derive(Clone)]
pub(super) struct Signal {
    pub(super) verb: &'static str,
    pub(super) thread: u32,
    pub(super) site: Site,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) threads: BTreeMap<usize, ThreadState>,
    pub(super) births: BTreeMap<usize, Birth>,
    pub(super) orphans: Vec<Orphan>,
    pub(super) signals: BTreeMap<usize, Signal>,
    /// The same by the place where the object was initialised.
    pub(super) setters: BTreeMap<usize, Signal>,
    pub(super) order: order::Order,
    pub(super) waits: u64,
}

impl State {
    pub(super) fn thread(&mut self, thread: &KTHREAD) -> &mut ThreadState {
        let state = self.threads.entry(from_ref(thread) as usize).or_default();
        state.number = thread.number();
        state
    }
}

impl State {
    /// Number of a thread that holds a lock; 0: none.
    pub(super) fn holder(&self, lock: usize) -> u32 {
        let holds = |thread: &&ThreadState| thread.holds.iter().any(|hold| hold.lock == lock);
        self.threads.values().find(holds).map_or(0, |thread| thread.number)
    }

    pub(super) fn release(&mut self, owner: usize, lock: usize) -> bool {
        let Some(thread) = self.threads.get_mut(&owner) else { return false };
        let Some(at) = thread.holds.iter().position(|hold| hold.lock == lock) else { return false };
        thread.holds[at].count -= 1;
        if thread.holds[at].count == 0 {
            thread.holds.remove(at);
        }
        true
    }

    /// All but the first `kept` holds of a thread are nobody's from now on.
    pub(super) fn orphan(&mut self, thread: usize, kept: usize) {
        let Some(thread) = self.threads.get_mut(&thread) else { return };
        let (number, name) = (thread.number, &thread.name);
        let holds = thread.holds.drain(kept..);
        self.orphans.extend(holds.map(|hold| Orphan { hold, number, name: name.clone(), handed_on: false }));
    }

    /// Drops holds of a thread whose locks were made free by other means than a release.
    pub(super) fn drop_stale(&mut self, thread: usize) {
        if let Some(thread) = self.threads.get_mut(&thread) {
            thread.holds.retain(|hold| !hold.is_stale());
        }
        self.orphans.retain(|orphan| !orphan.hold.is_stale());
    }

    /// Takes a task from `first` if it has one, else from any thread.
    pub(super) fn task_done(&mut self, first: usize, task: usize) {
        let has = |thread: &ThreadState| thread.tasks.contains(&task);
        let doer = match self.threads.get(&first) {
            Some(thread) if has(thread) => Some(first),
            _ => self.threads.iter().find(|(_, thread)| has(thread)).map(|(key, _)| *key),
        };
        if let Some(thread) = doer.and_then(|doer| self.threads.get_mut(&doer))
            && let Some(at) = thread.tasks.iter().position(|known| *known == task)
        {
            thread.tasks.remove(at);
        }
    }

    pub(super) fn release_orphan(&mut self, lock: usize) {
        if let Some(at) = self.orphans.iter().position(|orphan| orphan.hold.lock == lock) {
            self.orphans.remove(at);
        }
    }

    /// A fast mutex is initialised in the driver's own code but for the event inside it.
    pub(super) fn adopt_birth(&mut self, lock: usize, kind: Kind) {
        if kind == Kind::FastMutex
            && !self.births.contains_key(&lock)
            && let Some(birth) = self.births.get(&(lock + EVENT_OF_FAST_MUTEX))
        {
            let place = birth.place;
            self.births.insert(lock, Birth { place, name: "" });
        }
    }

    pub(super) fn forget(&mut self, range: Range<usize>) {
        let gone: Vec<usize> = self.births.range(range.clone()).map(|(lock, _)| *lock).collect();
        for lock in gone {
            self.births.remove(&lock);
        }
        let gone: Vec<usize> = self.signals.range(range.clone()).map(|(object, _)| *object).collect();
        for object in gone {
            self.signals.remove(&object);
        }
        self.order.forget(&range);
        self.orphans.retain(|orphan| !range.contains(&orphan.hold.lock));
        for thread in self.threads.values_mut() {
            thread.holds.retain(|hold| !range.contains(&hold.lock));
        }
    }
}
