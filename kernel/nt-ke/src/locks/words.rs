//! What is known of locks, in words that say what to change. Addresses in drivers stand as numbers, to which the host puts
//! names.

use super::book::{Hold, Orphan, State, Target, ThreadState, Wait};
use super::graph::{Blocker, Cycle, blockers, cycle_of_hung};
use super::order::Edge;
use super::{HeldLock, Kind, Mode, StuckThread, finding};
use crate::bugcheck::{BugCheck, DEADLOCK};
use crate::dispatcher::object_type;
use crate::finding::Finding;

fn at(site: &[usize]) -> String {
    site.first().map_or_else(String::new, |place| format!(" at {place:#x}"))
}

fn lock(state: &State, lock: usize, kind: Kind) -> String {
    match state.births.get(&lock) {
        Some(birth) if !birth.name.is_empty() => format!("the {} {lock:#x}", birth.name),
        Some(birth) if birth.place != 0 => {
            format!("the {} {lock:#x} (initialised at {:#x})", kind.name(), birth.place)
        }
        _ => format!("the {} {lock:#x}", kind.name()),
    }
}

fn is_engines(state: &State, lock: usize) -> bool {
    state.births.get(&lock).is_some_and(|birth| !birth.name.is_empty())
}

fn mode(kind: Kind, mode: Mode) -> &'static str {
    match (kind, mode) {
        (Kind::FastMutex | Kind::Mutex, _) => "",
        (_, Mode::Shared) => " shared",
        (_, Mode::Exclusive) => " exclusively",
    }
}

fn called(number: u32, name: &str) -> String {
    if name.is_empty() { format!("thread {number}") } else { format!("thread {number} ({name})") }
}

fn thread(state: &State, key: usize) -> String {
    state.threads.get(&key).map_or_else(|| "a thread".into(), |thread| called(thread.number, &thread.name))
}

fn object(state: &State, object: usize, kind: u8) -> String {
    let what = match kind {
        object_type::NOTIFICATION_EVENT | object_type::SYNCHRONIZATION_EVENT => "event",
        object_type::MUTANT => "mutex",
        object_type::SEMAPHORE => "semaphore",
        object_type::NOTIFICATION_TIMER | object_type::SYNCHRONIZATION_TIMER => "timer",
        object_type::THREAD => {
            return match state.threads.get(&object) {
                Some(thread) => format!("the end of {}", called(thread.number, &thread.name)),
                None => "the end of a thread".into(),
            };
        }
        _ => "object",
    };
    match state.births.get(&object) {
        Some(birth) if birth.place != 0 => {
            format!("the {what} {object:#x} (initialised at {:#x})", birth.place)
        }
        _ => format!("the {what} {object:#x}"),
    }
}

fn target(state: &State, target: &Target) -> String {
    match target {
        Target::Lock { lock: wanted, kind, mode: how, .. } => {
            format!("{}{}", lock(state, *wanted, *kind), mode(*kind, *how))
        }
        Target::Objects { objects, all, .. } => {
            let names: Vec<String> = objects.iter().map(|(at, kind)| object(state, *at, *kind)).collect();
            names.join(if *all { " and " } else { " or " })
        }
        Target::Engine(what, _) => (*what).to_owned(),
    }
}

fn stuck(state: &State, key: usize) -> StuckThread {
    let Some(thread) = state.threads.get(&key) else { return StuckThread::default() };
    let held = |hold: &Hold| HeldLock {
        lock: format!("{}{}", lock(state, hold.lock, hold.kind), mode(hold.kind, hold.mode))
            + if hold.apcs < thread.apcs { ", held when an APC interrupted the thread" } else { "" },
        taken_at: hold.site.clone(),
    };
    StuckThread {
        thread: thread.number,
        name: thread.name.clone(),
        waits_for: thread.wait().map_or_else(String::new, |wait| target(state, &wait.target)),
        waits_at: thread.wait().map_or_else(Vec::new, |wait| wait.site.clone()),
        holds: thread.holds.iter().map(held).collect(),
    }
}

/// What one thread of a cycle holds and wants: `thread 5 (program) took A at X and waits for B at Y`.
fn side(state: &State, cycle: &Cycle, index: usize) -> String {
    let key = cycle.threads[index];
    let before = cycle.threads[(index + cycle.threads.len() - 1) % cycle.threads.len()];
    let wanted = state.threads.get(&before).and_then(|thread| thread.wait());
    let wanted = wanted.and_then(|wait| wait.target.object());
    let Some(thread) = state.threads.get(&key) else { return String::new() };
    let hold = thread.holds.iter().find(|hold| Some(hold.lock) == wanted);
    let mut text = called(thread.number, &thread.name);
    let task = state.threads.get(&before).and_then(ThreadState::wait).map_or(0, |wait| match wait.target {
        Target::Engine(_, task) => task,
        _ => 0,
    });
    if task != 0 && thread.tasks.contains(&task) {
        text += " does that and";
    }
    if let Some(hold) = hold.filter(|_| cycle.orphan.is_none() || index > 0) {
        let how = mode(hold.kind, hold.mode);
        text += &format!(" took {}{how}{} and", lock(state, hold.lock, hold.kind), at(&hold.site));
        if hold.apcs < thread.apcs {
            text += ", in an APC that interrupted it there,";
        }
    }
    if let Some(wait) = thread.wait() {
        text += &format!(" waits for {}{}", target(state, &wait.target), at(&wait.site));
    }
    text
}

/// The report of a deadlock.
pub(super) fn deadlock(state: &State, cycle: &Cycle, check: BugCheck) -> BugCheck {
    let sides: Vec<String> = (0..cycle.threads.len()).map(|index| side(state, cycle, index)).collect();
    let mut message = format!("deadlock: {}", sides.join("; "));
    match (cycle.orphan, cycle.threads.as_slice()) {
        (Some(orphan), _) => message += &never_released(&state.orphans[orphan]),
        (None, [alone]) => message += &by_itself(state, *alone),
        (None, threads) => message += &each_other(state, threads),
    }
    let threads = cycle.threads.iter().map(|key| stuck(state, *key)).collect();
    BugCheck { message, threads, ..check }
}

fn never_released(orphan: &Orphan) -> String {
    format!(
        ", which {} took{} and did not release before it ended or returned to its program. Release it on every path, \
         also on those of errors",
        called(orphan.number, &orphan.name),
        at(&orphan.hold.site)
    )
}

fn by_itself(state: &State, key: usize) -> String {
    let Some(thread) = state.threads.get(&key) else { return String::new() };
    let wanted = thread.wait().and_then(|wait| wait.target.object());
    let Some(hold) = thread.holds.iter().find(|hold| Some(hold.lock) == wanted) else {
        return ". It waits for itself".into();
    };
    let kind = hold.kind.name();
    if hold.apcs < thread.apcs {
        return format!(
            ". A special kernel APC interrupted the holder, and its code waits for what only the holder can release. Hold \
             off APCs while the {kind} is held: KeEnterGuardedRegion, or a fast mutex, which raises to APC_LEVEL \
             (KeEnterCriticalRegion holds off normal kernel APCs only); or do not wait in the callback that runs in the APC"
        );
    }
    match hold.kind {
        Kind::Resource if hold.mode == Mode::Shared => {
            ". It shares the resource and wants to own it alone, for which its own share has to go: release it first, or \
             acquire it exclusively at once"
                .into()
        }
        _ => format!(
            ". A {kind} cannot be acquired again by the thread that holds it: release it before calling what acquires it, \
             or tell the inner function that it is held"
        ),
    }
}

fn each_other(state: &State, threads: &[usize]) -> String {
    let kept_by = |key: &usize| blockers(state, *key);
    if threads.iter().flat_map(kept_by).any(|blocker| matches!(blocker, Blocker::Ends(_))) {
        return ". A thread that waits for another to end holds what that one needs: release it before waiting".into();
    }
    let again = threads.iter().find_map(|key| {
        let thread = state.threads.get(key)?;
        let wanted = thread.wait()?.target.object()?;
        thread.holds.iter().find(|hold| hold.lock == wanted)
    });
    if let Some(hold) = again {
        return format!(
            ". A {} cannot be acquired again by a thread that shares it: one that wants it alone and asked in between \
             keeps both waiting. Release it before calling what acquires it, or tell the inner function that it is held",
            hold.kind.name()
        );
    }
    let locks: Vec<(usize, Kind)> = threads
        .iter()
        .filter_map(|key| match &state.threads.get(key)?.wait()?.target {
            Target::Lock { lock, kind, .. } => Some((*lock, *kind)),
            Target::Objects { objects, .. } => Some((objects.first()?.0, Kind::Mutex)),
            Target::Engine(..) => None,
        })
        .collect();
    advice(state, &locks)
}

/// What to change when `locks` are taken in a circle.
fn advice(state: &State, locks: &[(usize, Kind)]) -> String {
    let drivers: Vec<_> = locks.iter().filter(|(lock, _)| !is_engines(state, *lock)).collect();
    match drivers.as_slice() {
        [] => ". All of these locks are the engine's own: please report this".into(),
        own if own.len() == locks.len() => {
            ". Take these locks in one order everywhere, or release the first before taking the second".into()
        }
        [first, ..] => format!(
            ". Do not hold {} while doing what needs the file system's locks, such as reading, writing or opening files \
             below this filter: release it before; and where the file system calls a filter with its locks held (paging \
             I/O, acquire and release callbacks), take it without waiting or not at all",
            lock(state, first.0, first.1)
        ),
    }
}

/// The report of a machine in which nobody can run any more.
pub(super) fn hang(state: &State, check: BugCheck) -> BugCheck {
    let waiting: Vec<usize> =
        state.threads.iter().filter(|(_, thread)| thread.wait().is_some()).map(|(key, _)| *key).collect();
    if let Some(cycle) = waiting.iter().find_map(|key| cycle_of_hung(state, *key)) {
        let report = deadlock(state, &cycle, check);
        return BugCheck { code: DEADLOCK, ..report };
    }
    let explained = waiting
        .iter()
        .find_map(|key| holds_and_waits(state, *key, &waiting))
        .or_else(|| waiting.iter().find_map(|key| nobody_signals(state, *key)))
        .or_else(|| waiting.iter().find_map(|key| nobody_does(state, *key, true)))
        .or_else(|| waiting.iter().find_map(|key| nobody_does(state, *key, false)));
    let message = match explained {
        Some(text) => format!("{}: {text}", check.message),
        None => check.message.clone(),
    };
    let threads = waiting.iter().map(|key| stuck(state, *key)).collect();
    BugCheck { message, threads, ..check }
}

/// A thread that waits for somebody's signal with a lock in hand that others wait for.
fn holds_and_waits(state: &State, key: usize, waiting: &[usize]) -> Option<String> {
    let holder = state.threads.get(&key)?;
    let wait = holder.wait().filter(|wait| !matches!(wait.target, Target::Lock { .. }))?;
    let mut kept = waiting.iter().filter(|other| blockers(state, **other).contains(&Blocker::Holder(key)));
    // One that has done the signal before explains more, and next to that one that takes the lock elsewhere.
    let signaller = wait.target.object().and_then(|object| signaller(state, object));
    let by_number =
        |number: u32| move |key: &&usize| state.threads.get(*key).is_some_and(|t| t.number == number);
    let elsewhere = |key: &&usize| {
        let site = |wait: &Wait| wait.site.first().copied();
        let wanted = state.threads.get(*key).and_then(|thread| thread.wait()).and_then(site);
        !holder.holds.iter().any(|hold| hold.site.first().copied() == wanted)
    };
    let other = signaller
        .and_then(|number| kept.clone().find(by_number(number)))
        .or_else(|| kept.clone().find(elsewhere))
        .or_else(|| kept.next())?;
    let wanted = state.threads.get(other)?.wait()?;
    let hold = holder.holds.iter().find(|hold| Some(hold.lock) == wanted.target.object())?;
    let what = lock(state, hold.lock, hold.kind);
    Some(format!(
        "{} took {what}{}{} and, holding it, waits for {}{}; {} waits for that {}{}, and cannot do what the first waits for \
         before it has it. Release the {} before waiting, or let what is waited for be done without it",
        thread(state, key),
        mode(hold.kind, hold.mode),
        at(&hold.site),
        target(state, &wait.target),
        at(&wait.site),
        thread(state, *other),
        hold.kind.name(),
        at(&wanted.site),
        hold.kind.name(),
    ))
}

/// The thread that signalled the object last.
fn signaller(state: &State, object: usize) -> Option<u32> {
    let place = state.births.get(&object).map_or(0, |birth| birth.place);
    let signal = state.signals.get(&object).or_else(|| state.setters.get(&place));
    signal.map(|signal| signal.thread)
}

fn nobody_signals(state: &State, key: usize) -> Option<String> {
    let waiter = state.threads.get(&key)?;
    let wait = waiter.wait()?;
    let Target::Objects { objects, timed: false, .. } = &wait.target else { return None };
    let &(first, kind) = objects.first()?;
    if kind == object_type::THREAD || wait.site.is_empty() {
        return None;
    }
    let mut text = format!(
        "{} waits for {}{}, and nobody is left to signal it",
        called(waiter.number, &waiter.name),
        object(state, first, kind),
        at(&wait.site)
    );
    let place = state.births.get(&first).map_or(0, |birth| birth.place);
    match state.signals.get(&first) {
        Some(signal) if kind == object_type::SEMAPHORE => {
            text += &format!(
                "; thread {} released it last{}. See that every path behind a wait for it releases it again",
                signal.thread,
                at(&signal.site)
            );
        }
        Some(signal) => {
            text += &format!(
                "; thread {} {} it last{}. If it was set before that, or before the waiter cleared it, the signal is lost: \
                 do not clear the object between the signal and the wait, do not pulse it, and wait for each signal once",
                signal.thread,
                signal.verb,
                at(&signal.site)
            );
        }
        None => match state.setters.get(&place).filter(|_| place != 0) {
            Some(signal) => {
                text += &format!(
                    ". Others that were initialised there were {}{} before: see that this is reached on every path",
                    signal.verb,
                    at(&signal.site)
                );
            }
            None => {
                text += ". Nobody has signalled it in this run: see that what does is reached on every path"
            }
        },
    }
    Some(text)
}

/// A thread that waits for something of the engine's, in a driver's call or not.
fn nobody_does(state: &State, key: usize, called_by_driver: bool) -> Option<String> {
    let waiter = state.threads.get(&key)?;
    let wait = waiter.wait().filter(|wait| wait.site.is_empty() != called_by_driver)?;
    let Target::Engine(what, _) = wait.target else { return None };
    let who = called(waiter.number, &waiter.name);
    Some(format!("{who} waits for {what}{}, which nobody is left to bring about", at(&wait.site)))
}

/// A lock was released by a thread that does not hold it.
pub(super) fn foreign_release(state: &State, holder: usize, wanted: usize) -> Finding {
    let places = boundary::current().export_callers();
    let hold =
        state.threads.get(&holder).and_then(|thread| thread.holds.iter().find(|hold| hold.lock == wanted));
    let kind = hold.map_or(Kind::Resource, |hold| hold.kind);
    let taken = hold.map_or_else(String::new, |hold| at(&hold.site));
    finding(
        "lock-owner",
        format!(
            "{} was released{} by a thread that does not hold it: {} took it{taken}. Release it in the thread that \
             acquired it",
            lock(state, wanted, kind),
            at(&places),
            thread(state, holder)
        ),
        places,
    )
}

/// A thread leaves with locks that it holds.
pub(super) fn left_behind(state: &State, thread: &ThreadState, left: &[Hold], what: &str) -> Option<Finding> {
    let first = left.first()?;
    let held: Vec<String> = left
        .iter()
        .map(|hold| format!("{}, taken{}", lock(state, hold.lock, hold.kind), at(&hold.site)))
        .collect();
    let message = format!(
        "{what}, and {} still holds {}. Release it on every path, also on those of errors",
        called(thread.number, &thread.name),
        held.join("; ")
    );
    Some(finding("lock-held", message, first.site.clone()))
}

/// Locks were taken in both orders.
pub(super) fn inversion(state: &State, cycle: &[Edge]) -> Finding {
    let one = |edge: &Edge| {
        format!(
            "{} is taken{}{} while {} is held, taken{}{}",
            lock(state, edge.taken, edge.taken_kind),
            mode(edge.taken_kind, edge.taken_mode),
            at(&edge.taken_at),
            lock(state, edge.held, edge.held_kind),
            mode(edge.held_kind, edge.held_mode),
            at(&edge.held_at),
        )
    };
    let sides: Vec<String> = cycle.iter().map(one).collect();
    let locks: Vec<(usize, Kind)> = cycle.iter().map(|edge| (edge.held, edge.held_kind)).collect();
    let message = format!(
        "locks are taken in a circle: {}. Threads that do so at once wait for each other for ever{}",
        sides.join("; and "),
        advice(state, &locks)
    );
    let sites = cycle.iter().flat_map(|edge| [edge.taken_at.first(), edge.held_at.first()]);
    let mut places: Vec<usize> = Vec::new();
    for place in sites.flatten() {
        if !places.contains(place) {
            places.push(*place);
        }
    }
    finding("lock-order", message, places)
}

/// `; thread 3 took it at 0x…`, for those who hold `wanted`.
pub(super) fn holders(state: &State, wanted: usize) -> String {
    let threads = state.threads.values().flat_map(|thread| {
        let holds = thread.holds.iter().filter(|hold| hold.lock == wanted);
        holds.map(|hold| format!("; {} took it{}", called(thread.number, &thread.name), at(&hold.site)))
    });
    let orphans = state.orphans.iter().filter(|orphan| orphan.hold.lock == wanted);
    let orphans = orphans
        .map(|orphan| format!("; {} took it{}", called(orphan.number, &orphan.name), at(&orphan.hold.site)));
    threads.chain(orphans).collect()
}
