//! The seeded scheduler: one kernel thread at a time runs, time is virtual, a seed decides every switch.
//!
//! ```text
//! host thread A ─ attach ─► member, has the baton: drives          fibre 1 ─┐ suspended on their own stacks,
//!                              │  blocks: resumes whoever is chosen ◄──────┤ resumed by whoever drives
//! host thread B ─ attach ─► member, waits for the baton            fibre 2 ─┘
//! ```
//!
//! Kernel threads that the machine makes are fibres. A thread of the host keeps its own OS thread; while it cannot run,
//! it drives: it resumes the fibres that are chosen, and hands the baton over when another host thread is. The machine
//! moves only while somebody is inside, or stops it. When nobody can run, time jumps to the next deadline; without one
//! the driver waits for the outside, which makes the run depend on the outside.
//!
//! UNSAFETY: fibres are resumed by whichever OS thread drives; threads are found by their addresses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use boundary::Event;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::choice::{Candidate, Choice};
use super::{Scheduler, Task};
use crate::core::Core;
use crate::thread::{ChunkStack, KTHREAD};

/// Virtual time between two places where a switch may happen, in 100 ns units.
const STEP: u64 = 10;

/// Pauses for each member after which all of them have had a turn.
const ROUND: usize = 4;

/// Pauses without anything between them after which nothing will change: more than any loop gives up after.
const MOST_PAUSES: u32 = 4000;

/// Turns that fibres get when the last host thread leaves; more than any needs that does not wait for the outside.
const LAST_TURNS: u32 = 1000;

type Fibre = Coroutine<(), (), (), ChunkStack>;

enum Kind {
    /// Has an OS thread of its own.
    Host,
    /// `None` while it is resumed.
    Fibre { coroutine: Option<Box<Fibre>>, core: Arc<Core> },
}

struct Member {
    id: u64,
    thread: &'static KTHREAD,
    kind: Kind,
    ready: bool,
    /// Woken before it blocked.
    token: bool,
    deadline: Option<u64>,
    priority: u64,
}

struct State {
    /// In the order of their coming.
    members: Vec<Member>,
    next_id: u64,
    /// The member that runs, or that the driver is to let run; `None`: to be chosen.
    running: Option<u64>,
    /// Whose OS thread drives.
    baton: Option<u64>,
    choice: Choice,
}

// SAFETY: a suspended fibre lies whole on its own stack, in memory of the machine, and holds nothing that belongs
// to an OS thread; one OS thread at a time touches it, the one that holds the baton.
unsafe impl Send for State {}

/// Fibres, virtual time, and a seed.
pub struct FibreScheduler {
    state: Mutex<State>,
    /// The baton has moved, or somebody can run.
    turn: Condvar,
    time: AtomicU64,
    /// Places left until the next look at who shall run.
    left: AtomicU32,
    /// Somebody was woken since the last look.
    woken: AtomicBool,
    switches: AtomicU64,
    /// Pauses since somebody last did anything else.
    pauses: AtomicU32,
}

/// The driver that belongs to no host thread of the machine: who stops it from outside.
const OUTSIDE: u64 = 0;

/// What the driver goes back to between fibres.
#[derive(Clone, Copy)]
struct Home {
    id: u64,
    os_thread: usize,
}

impl Member {
    fn is(&self, thread: &KTHREAD) -> bool {
        std::ptr::eq(self.thread, thread)
    }
    fn is_host(&self) -> bool {
        matches!(self.kind, Kind::Host)
    }
}

impl State {
    fn place(&self, id: u64) -> usize {
        self.members.iter().position(|member| member.id == id).expect("a member that has not left")
    }

    fn member_of(&mut self, thread: &KTHREAD) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.is(thread))
    }

    fn add(&mut self, thread: &'static KTHREAD, kind: Kind) -> u64 {
        let (id, priority) = (self.next_id, self.choice.priority());
        self.next_id += 1;
        self.members.push(Member { id, thread, kind, ready: true, token: false, deadline: None, priority });
        id
    }

    /// Makes ready whose time has come.
    fn expire(&mut self, now: u64) {
        for member in &mut self.members {
            if !member.ready && member.deadline.is_some_and(|deadline| deadline <= now) {
                member.ready = true;
                member.deadline = None;
            }
        }
    }

    fn pick(&mut self, but: Option<u64>) -> Option<u64> {
        let members = &self.members;
        let candidates =
            members.iter().enumerate().filter(|(_, member)| member.ready && Some(member.id) != but);
        let candidates = candidates.map(|(index, member)| Candidate { index, priority: member.priority });
        self.choice.pick(candidates).map(|index| self.members[index].id)
    }
}

/// Suspends the fibre of `thread`, the current one.
fn suspend(thread: &KTHREAD) {
    // SAFETY: the fibre that runs here stored its own yielder when it began, and is inside its body.
    let yielder = unsafe { &*(thread.yielder().get() as *const Yielder<(), ()>) };
    yielder.suspend(());
}

impl FibreScheduler {
    /// Time starts at 0; `seed` decides.
    pub fn new(seed: u64) -> Self {
        let mut choice = Choice::new(seed);
        let left = choice.gap();
        Self {
            state: Mutex::new(State {
                members: Vec::new(),
                next_id: OUTSIDE + 1,
                running: None,
                baton: None,
                choice,
            }),
            turn: Condvar::new(),
            time: AtomicU64::new(0),
            left: AtomicU32::new(left),
            woken: AtomicBool::new(false),
            switches: AtomicU64::new(0),
            pauses: AtomicU32::new(0),
        }
    }

    /// Switches between threads so far.
    pub fn switches(&self) -> u64 {
        self.switches.load(Ordering::Relaxed)
    }

    fn advance(&self, by: u64) -> u64 {
        // Only the thread that runs moves time.
        let now = self.time.load(Ordering::Relaxed) + by;
        self.time.store(now, Ordering::Relaxed);
        now
    }

    /// Moves time on to the next deadline; `false` when there is none.
    fn jump(&self, state: &mut State) -> bool {
        let Some(due) = state.members.iter().filter_map(|member| member.deadline).min() else { return false };
        self.time.fetch_max(due, Ordering::Relaxed);
        state.expire(due);
        true
    }

    /// Chooses who runs, moving time on when nobody can. `None`: nobody will without the outside.
    fn choose(&self, state: &mut State, but: Option<u64>) -> Option<u64> {
        state.expire(self.now());
        if let Some(id) = state.pick(but) {
            return Some(id);
        }
        if self.jump(state) { state.pick(but) } else { None }
    }

    /// The current thread lets the chosen one run and returns when it is chosen itself.
    fn switch(&self, mut state: MutexGuard<'_, State>, me: u64, reason: &'static str) {
        if state.baton == Some(OUTSIDE) {
            return self.give_up_turn(state, me);
        }
        let next = loop {
            match self.choose(&mut state, None) {
                Some(next) => break next,
                None => self.turn.wait(&mut state),
            }
        };
        state.running = Some(next);
        if next == me {
            return;
        }
        self.hand_over(state, me, next, reason);
    }

    /// Back to a driver outside, which chooses; returns when `me` is chosen again.
    fn give_up_turn(&self, mut state: MutexGuard<'_, State>, me: u64) {
        state.running = None;
        let thread = state.members[state.place(me)].thread;
        drop(state);
        suspend(thread);
    }

    /// `next` is chosen: lets it run; returns when `me` is chosen again.
    fn hand_over(&self, state: MutexGuard<'_, State>, me: u64, next: u64, reason: &'static str) {
        self.switches.fetch_add(1, Ordering::Relaxed);
        let (here, there) = (state.place(me), state.place(next));
        let (thread, other) = (state.members[here].thread, state.members[there].thread);
        let host = state.members[here].is_host();
        drop(state);
        let core = crate::core::core_of(thread.block());
        if core.observed() {
            core.observe(&Event::Switch {
                from: thread.number(),
                to: other.number(),
                reason,
                time: self.now(),
            });
        }
        if host {
            let os_thread = thread.block().os_thread.load(Ordering::Relaxed);
            self.drive(Home { id: me, os_thread });
        } else {
            suspend(thread);
        }
        core.clock.refresh_when_due(self.now());
    }

    /// Resumes fibres on this OS thread, which holds the baton, until its own member is to run.
    fn drive(&self, home: Home) {
        let mut state = self.state.lock();
        loop {
            while state.baton != Some(home.id) {
                self.turn.wait(&mut state);
            }
            let Some(next) = state.running.or_else(|| self.choose(&mut state, None)) else {
                self.turn.wait(&mut state);
                continue;
            };
            state.running = Some(next);
            if next == home.id {
                return;
            }
            let place = state.place(next);
            if state.members[place].is_host() {
                state.baton = Some(next);
                self.turn.notify_all();
                continue;
            }
            drop(state);
            self.resume(next, home);
            state = self.state.lock();
        }
    }

    /// Lets a fibre run until it is suspended or ends. Call without the lock, with the baton.
    fn resume(&self, id: u64, home: Home) {
        let (thread, mut coroutine) = {
            let mut state = self.state.lock();
            let place = state.place(id);
            let member = &mut state.members[place];
            let Kind::Fibre { coroutine, .. } = &mut member.kind else {
                unreachable!("a host thread is not resumed")
            };
            (member.thread, coroutine.take().expect("a fibre is resumed by one driver"))
        };
        let block = thread.block();
        block.os_thread.store(home.os_thread, Ordering::Relaxed);
        // SAFETY: the block of a live thread, which stays until its member is removed below.
        let before = unsafe { boundary::processor::set_gs_base(std::ptr::from_ref(block) as usize) };
        let result = coroutine.resume(());
        block.os_thread.store(0, Ordering::Relaxed);
        // SAFETY: what `gs` was before: this OS thread's own block, or none.
        unsafe { boundary::processor::set_gs_base(before) };
        let mut state = self.state.lock();
        let place = state.place(id);
        match result {
            CoroutineResult::Yield(()) => {
                if let Kind::Fibre { coroutine: kept, .. } = &mut state.members[place].kind {
                    *kept = Some(coroutine);
                }
            }
            CoroutineResult::Return(()) => {
                let member = state.members.remove(place);
                state.running = None;
                drop(state);
                drop(coroutine);
                let Kind::Fibre { core, .. } = member.kind else {
                    unreachable!("a host thread is not resumed")
                };
                crate::irql::set(&core, block, 0);
                core.end_thread(thread);
            }
        }
    }

    /// Lets one fibre run on the calling OS thread, which belongs to no member. Returns whether there was one that
    /// could; `jump`: time may move on for it.
    fn drive_from_outside(&self, jump: bool) -> bool {
        let mut state = self.state.lock();
        if state.baton.is_some() {
            return false;
        }
        let next = if jump { self.choose(&mut state, None) } else { state.pick(None) };
        let Some(next) = next else { return false };
        if state.members[state.place(next)].is_host() {
            return false;
        }
        (state.baton, state.running) = (Some(OUTSIDE), Some(next));
        drop(state);
        // SAFETY: a query.
        let os_thread = unsafe { libc::gettid() } as usize;
        self.resume(next, Home { id: OUTSIDE, os_thread });
        let mut state = self.state.lock();
        state.running = None;
        self.pass_baton(&mut state);
        true
    }

    /// The one who held the baton goes: the first host thread drives from now on, or nobody.
    fn pass_baton(&self, state: &mut State) {
        state.baton = state.members.iter().find(|member| member.is_host()).map(|member| member.id);
        self.turn.notify_all();
    }
}

impl Scheduler for FibreScheduler {
    fn block(&self, thread: &KTHREAD, deadline: Option<u64>) {
        let now = self.advance(STEP);
        self.pauses.store(0, Ordering::Relaxed);
        let mut state = self.state.lock();
        let Some(member) = state.member_of(thread) else { return };
        if std::mem::take(&mut member.token) || deadline.is_some_and(|deadline| deadline <= now) {
            return;
        }
        member.ready = false;
        member.deadline = deadline;
        let me = member.id;
        self.switch(state, me, "wait");
    }

    fn wake(&self, thread: &KTHREAD) {
        let mut state = self.state.lock();
        if let Some(member) = state.member_of(thread) {
            if member.ready {
                member.token = true;
            } else {
                member.ready = true;
                member.deadline = None;
            }
        }
        // Who was woken may be the one to run: look at the next place.
        self.woken.store(true, Ordering::Relaxed);
        // A driver that found nobody to run waits.
        self.turn.notify_all();
    }

    fn start(&self, task: Task) -> std::io::Result<()> {
        let Task { core, thread, stack, body, .. } = task;
        let for_body = Arc::clone(&core);
        let coroutine = Coroutine::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
            thread.yielder().set(std::ptr::from_ref(yielder) as usize);
            // The panic hook has said what there is to say; the thread ends, the machine goes on.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
            for_body.notify_ended(thread);
        });
        self.state.lock().add(thread, Kind::Fibre { coroutine: Some(Box::new(coroutine)), core });
        Ok(())
    }

    fn enter(&self, thread: &'static KTHREAD) {
        let mut state = self.state.lock();
        let me = state.add(thread, Kind::Host);
        if state.baton.is_none() {
            (state.baton, state.running) = (Some(me), Some(me));
            return;
        }
        self.turn.notify_all();
        drop(state);
        let os_thread = thread.block().os_thread.load(Ordering::Relaxed);
        self.drive(Home { id: me, os_thread });
    }

    fn leave(&self, thread: &'static KTHREAD) {
        let mut state = self.state.lock();
        let Some(place) = state.members.iter().position(|member| member.is(thread)) else { return };
        state.members.remove(place);
        state.running = None;
        self.pass_baton(&mut state);
        drop(state);
        // What others have begun is finished, as far as it needs no time: the machine stands still from now on.
        for _ in 0..LAST_TURNS {
            if !self.drive_from_outside(false) {
                break;
            }
        }
    }

    fn pause(&self) {
        let Some(thread) = crate::thread::try_current_thread() else {
            let _signal_stack = boundary::signals::SignalStack::install();
            if !self.drive_from_outside(true) {
                std::thread::sleep(Duration::from_micros(50));
            }
            return;
        };
        self.advance(STEP);
        let mut state = self.state.lock();
        let Some(member) = state.member_of(thread) else { return };
        let me = member.id;
        let place = state.place(me);
        let State { members, choice, .. } = &mut *state;
        choice.fall(&mut members[place].priority);
        if state.baton == Some(OUTSIDE) {
            return self.give_up_turn(state, me);
        }
        // All that can run may only look whether something has changed: then time moves on, or nobody ever will.
        let pauses = self.pauses.fetch_add(1, Ordering::Relaxed) + 1;
        let round = (pauses as usize).is_multiple_of(ROUND * state.members.len());
        if round && !self.jump(&mut state) && pauses >= MOST_PAUSES {
            drop(state);
            crate::dispatcher::report_polling(thread);
            return;
        }
        match self.choose(&mut state, Some(me)) {
            Some(next) => {
                state.running = Some(next);
                self.hand_over(state, me, next, "pause");
            }
            None => {
                drop(state);
                // Only the outside can help.
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }

    fn point(&self) {
        let now = self.advance(STEP);
        self.pauses.store(0, Ordering::Relaxed);
        let left = self.left.load(Ordering::Relaxed);
        let woken = self.woken.load(Ordering::Relaxed);
        if left > 0 && !woken {
            self.left.store(left - 1, Ordering::Relaxed);
            return;
        }
        self.woken.store(false, Ordering::Relaxed);
        let thread = crate::thread::current_thread();
        debug_assert_eq!(thread.held_ranks().get(), 0, "a switch while a lock of the engine is held");
        let core = crate::core::core_of(thread.block());
        core.clock.refresh_when_due(now);
        let mut state = self.state.lock();
        let Some(member) = state.member_of(thread) else { return };
        let me = member.id;
        if left == 0 {
            let place = state.place(me);
            let State { members, choice, .. } = &mut *state;
            choice.fall(&mut members[place].priority);
            self.left.store(choice.gap(), Ordering::Relaxed);
        }
        self.switch(state, me, "point");
    }

    fn now(&self) -> u64 {
        self.time.load(Ordering::Relaxed)
    }

    fn stall(&self, duration: u64) {
        self.advance(duration);
        self.point();
    }

    fn deterministic(&self) -> bool {
        true
    }

    fn join(&self) {}
}
