//! Dispatcher objects and waits: events, semaphores, mutexes, threads.
//!
//! The objects live in drivers' memory, with the wait blocks of waiting threads linked into them as on
//! Windows. One lock per machine guards all of them; it is never held while a thread sleeps.
//!
//! Statements: EXEC-11 to EXEC-19.
//!
//! UNSAFETY: follows the links of lists that live in memory drivers can reach.

use std::collections::BTreeMap;
use std::ptr::from_ref;
use std::sync::atomic::{AtomicI32, Ordering};

use boundary::Raise;
use boundary::processor::watch;
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL};
use nt_abi::{DISPATCHER_HEADER, KMUTEX, KSEMAPHORE, KWAIT_BLOCK, LIST_ENTRY, NtStatus, bugcheck};

use crate::bugcheck::{BugCheck, HANG};
use crate::core::{Core, current_core};
use crate::locks::{Kind, Mode};
use crate::thread::{KTHREAD, current_thread};

/// MAXIMUM_WAIT_OBJECTS.
pub const WAIT_OBJECTS: usize = 64;

/// Values of `DISPATCHER_HEADER.Type`.
pub mod object_type {
    /// Notification event.
    pub const NOTIFICATION_EVENT: u8 = 0;
    /// Synchronization event.
    pub const SYNCHRONIZATION_EVENT: u8 = 1;
    /// Mutex.
    pub const MUTANT: u8 = 2;
    /// Process.
    pub const PROCESS: u8 = 3;
    /// Queue.
    pub const QUEUE: u8 = 4;
    /// Semaphore.
    pub const SEMAPHORE: u8 = 5;
    /// Thread.
    pub const THREAD: u8 = 6;
    /// Notification timer.
    pub const NOTIFICATION_TIMER: u8 = 8;
    /// Synchronization timer.
    pub const SYNCHRONIZATION_TIMER: u8 = 9;
}

const IDLE: u32 = 0;
pub(crate) const WAITING: u32 = 1;
const SATISFIED: u32 = 2;

/// What the dispatcher lock guards besides the objects themselves.
#[derive(Default)]
pub struct Dispatcher {
    /// Threads that can run.
    pub(crate) running: i64,
    /// Waits that end by themselves.
    timed: i64,
    /// Ticks in a row at which nobody else ran.
    idle_ticks: u32,
    /// Threads of programs.
    pub(crate) hosts: i64,
    /// Timed waits of other threads since one of those last ran, and the time of the first.
    turns: u32,
    turning_since: u64,
    /// Waits without end of threads that came from the host.
    foreground: i64,
    /// Set timers.
    pub(crate) timers: crate::timer::Queue,
    pub(crate) timer_order: u64,
    /// Queued APCs, by thread.
    pub(crate) apcs: BTreeMap<usize, crate::apc::Queues>,
}

/// Makes `list` an empty list.
pub fn initialize_list(list: &LIST_ENTRY) {
    let address = from_ref(list).cast_mut();
    list.Flink.set(address);
    list.Blink.set(address);
}

/// Writes a header. Size and the rest of the object are the caller's.
pub fn initialize_header(header: &DISPATCHER_HEADER, kind: u8, state: i32) {
    header.Type.set(kind);
    header.SignalState.store(state, Ordering::Relaxed);
    initialize_list(&header.WaitListHead);
}

fn append(head: &LIST_ENTRY, entry: &LIST_ENTRY) {
    let last = head.Blink.get();
    entry.Flink.set(from_ref(head).cast_mut());
    entry.Blink.set(last);
    // SAFETY: the list is well formed: it is changed under the dispatcher lock only.
    unsafe { (*last).Flink.set(from_ref(entry).cast_mut()) };
    head.Blink.set(from_ref(entry).cast_mut());
}

fn unlink(entry: &LIST_ENTRY) {
    let (next, previous) = (entry.Flink.get(), entry.Blink.get());
    // SAFETY: as in `append`.
    unsafe { (*previous).Flink.set(next) };
    // SAFETY: as in `append`.
    unsafe { (*next).Blink.set(previous) };
    initialize_list(entry);
}

/// The mutex that `header` heads.
fn mutex(header: &DISPATCHER_HEADER) -> &KMUTEX {
    // SAFETY: its type says that it is one, and the header is the first field.
    unsafe { &*from_ref(header).cast::<KMUTEX>() }
}

/// Whether a wait of `thread` on `header` would be satisfied now.
fn signaled(header: &DISPATCHER_HEADER, thread: &KTHREAD) -> bool {
    let state = header.SignalState.load(Ordering::Relaxed);
    if header.Type.get() == object_type::MUTANT {
        state > 0 || std::ptr::eq(mutex(header).OwnerThread.get().cast(), from_ref(thread))
    } else {
        state > 0
    }
}

/// Takes what a satisfied wait takes.
fn satisfy(header: &DISPATCHER_HEADER, thread: &KTHREAD) -> NtStatus {
    let state: &AtomicI32 = &header.SignalState;
    match header.Type.get() {
        object_type::SYNCHRONIZATION_EVENT | object_type::SYNCHRONIZATION_TIMER => {
            state.store(0, Ordering::Relaxed)
        }
        object_type::SEMAPHORE => {
            state.fetch_sub(1, Ordering::Relaxed);
        }
        object_type::MUTANT => {
            let mutex = mutex(header);
            if state.fetch_sub(1, Ordering::Relaxed) == 1 {
                mutex.OwnerThread.set(from_ref(thread).cast_mut().cast());
                if mutex.ApcDisable.get() != 0 {
                    thread.kernel_apc_disable().set(thread.kernel_apc_disable().get() + 1);
                }
                if mutex.Abandoned.get() != 0 {
                    mutex.Abandoned.set(0);
                    return NtStatus::ABANDONED_WAIT_0;
                }
            }
        }
        _ => {}
    }
    NtStatus::SUCCESS
}

/// `thread` owns the mutex `header` once more, if it is one.
fn note_mutex(core: &Core, thread: &KTHREAD, header: &DISPATCHER_HEADER, waits: bool) {
    if header.Type.get() == object_type::MUTANT && core.watched() & watch::SCHEDULED != 0 {
        let lock = from_ref(header) as usize;
        crate::locks::acquired_by(core, thread, lock, Kind::Mutex, Mode::Exclusive, waits);
    }
}

/// Whether `header` is an object that was initialised: its list closes. Call with the dispatcher lock held.
fn is_object(header: &DISPATCHER_HEADER) -> bool {
    let head = from_ref(&header.WaitListHead) as usize;
    let (next, last) = (header.WaitListHead.Flink.get() as usize, header.WaitListHead.Blink.get() as usize);
    let word = |address: usize| boundary::copy::read_value::<usize>(address).ok();
    matches!(header.Type.get() & 0x7F, 0..=6 | 8 | 9)
        && next.is_multiple_of(8)
        && last.is_multiple_of(8)
        && (next == head || word(next.wrapping_add(8)) == Some(head))
        && (last == head || word(last) == Some(head))
}

/// The bug check for memory that is no object.
fn no_object(core: &Core, header: &DISPATCHER_HEADER, what: &str) -> Raise {
    let kind = header.Type.get() & 0x7F;
    core.bug_check(BugCheck::new(
        bugcheck::KMODE_EXCEPTION_NOT_HANDLED,
        [from_ref(header) as u64, u64::from(kind), 0, 0],
        format!("{what} memory that is no initialised dispatcher object (type {kind}); initialise it, and keep it while it is used"),
    ))
}

/// Waits for one object. See [`wait_multiple`].
pub fn wait(object: &DISPATCHER_HEADER, alertable: bool, timeout: Option<i64>) -> Result<NtStatus, Raise> {
    wait_multiple(&[object], false, alertable, timeout)
}

/// Waits until one of `objects` (or all of them) is signaled.
///
/// Source:  KeWaitForMultipleObjects; EXEC-11, EXEC-12, EXEC-14
/// IRQL:    <= APC_LEVEL, or <= DISPATCH_LEVEL with `timeout` 0
/// Units:   100 ns; negative relative, positive absolute system time, `None` forever
/// Returns: SUCCESS plus the index of the object, ABANDONED_WAIT_0 plus index, TIMEOUT
/// Errors:  `Stop` when the machine stops; a wait at too high an IRQL is a bug check
pub fn wait_multiple(
    objects: &[&DISPATCHER_HEADER],
    all: bool,
    alertable: bool,
    timeout: Option<i64>,
) -> Result<NtStatus, Raise> {
    wait_as(objects, all, WaitMode { user: false, alertable }, timeout)
}

/// What may end a wait early.
#[derive(Clone, Copy, Debug, Default)]
pub struct WaitMode {
    /// WaitMode is UserMode.
    pub user: bool,
    /// Alerts and user APCs end it.
    pub alertable: bool,
}

/// The same, with the mode of the wait.
///
/// Source:  KeWaitForMultipleObjects; EXEC-11 to EXEC-16
/// Returns: also ALERTED and USER_APC, for alertable waits
pub fn wait_as(
    objects: &[&DISPATCHER_HEADER],
    all: bool,
    mode: WaitMode,
    timeout: Option<i64>,
) -> Result<NtStatus, Raise> {
    crate::scheduler::point();
    let core = current_core();
    let thread = current_thread();
    let irql = crate::irql::current();
    let limit = if timeout == Some(0) { DISPATCH_LEVEL } else { APC_LEVEL };
    if irql > limit {
        return Err(core.bug_check(BugCheck::new(
            bugcheck::IRQL_NOT_LESS_OR_EQUAL,
            [0, u64::from(irql), 0, 0],
            format!("a wait at IRQL {irql}: waits need APC_LEVEL or below, or a timeout of 0 at DISPATCH_LEVEL (EXEC-11)"),
        )));
    }
    let deadline = match timeout {
        Some(t) if t < 0 => Some(core.scheduler().now() + t.unsigned_abs()),
        Some(t) => Some((t as u64).saturating_sub(core.clock.system_time(0))),
        None => None,
    };
    loop {
        crate::apc::deliver()?;
        // A kernel APC interrupts the wait, which begins again then (EXEC-15).
        if let Some(status) = wait_once(core, thread, objects, all, mode, timeout, deadline)? {
            return Ok(status);
        }
    }
}

/// Waits until it is satisfied, times out, or is interrupted; `None`: by a kernel APC, which has not run yet.
fn wait_once(
    core: &Core,
    thread: &KTHREAD,
    objects: &[&DISPATCHER_HEADER],
    all: bool,
    mode: WaitMode,
    timeout: Option<i64>,
    deadline: Option<u64>,
) -> Result<Option<NtStatus>, Raise> {
    let mut dispatcher = core.dispatcher.lock();
    if let Some(object) = objects.iter().find(|object| !is_object(object)) {
        drop(dispatcher);
        return Err(no_object(core, object, "a wait on"));
    }
    if all {
        if objects.iter().all(|object| signaled(object, thread)) {
            let mut status = NtStatus::SUCCESS;
            for object in objects {
                let got = satisfy(object, thread);
                if got != NtStatus::SUCCESS {
                    status = got;
                }
                note_mutex(core, thread, object, timeout != Some(0));
            }
            return Ok(Some(status));
        }
    } else if let Some(index) = objects.iter().position(|object| signaled(object, thread)) {
        let status = satisfy(objects[index], thread);
        note_mutex(core, thread, objects[index], timeout != Some(0));
        return Ok(Some(NtStatus(status.0 + index as i32)));
    }
    if timeout == Some(0) {
        return Ok(Some(NtStatus::TIMEOUT));
    }
    if let Some(status) = interruption(thread, mode) {
        drop(dispatcher);
        return interrupted(core, thread, mode, status).map(Some);
    }
    for (index, object) in objects.iter().enumerate() {
        let block = &thread.wait_blocks[index];
        block.WaitKey.set(index as u16);
        block.Thread.set(from_ref(thread).cast_mut().cast());
        block.Object.set(from_ref(*object).cast_mut().cast());
        append(&object.WaitListHead, &block.WaitListEntry);
    }
    thread.wait_count.set(objects.len() as u32);
    thread.wait_all.set(u8::from(all));
    thread.wait_alertable.set(u8::from(mode.alertable));
    thread.wait_state.store(WAITING, Ordering::Release);
    let timed = deadline.is_some() || thread.is_background();
    thread.wait_timed.set(u8::from(timed));
    dispatcher.running -= 1;
    let hopeful = deadline.is_some() && dispatcher.may_wake_somebody(thread);
    dispatcher.timed += i64::from(hopeful);
    dispatcher.foreground += i64::from(!timed && thread.is_host());
    let hung = core.config.detect_hangs && dispatcher.hung();
    let in_vain = core.config.detect_hangs && dispatcher.ticks_in_vain(core, thread, deadline);
    drop(dispatcher);
    let _waited = Waited::begin(core, thread, objects, all, deadline);
    if hung {
        report_hang(core, NOBODY_LEFT);
    } else if in_vain {
        report_hang(core, ONLY_TICKING);
    }
    let outcome = sleep(core, thread, mode, deadline);
    let mut dispatcher = core.dispatcher.lock();
    dispatcher.timed -= i64::from(hopeful);
    dispatcher.foreground -= i64::from(!timed && thread.is_host());
    if thread.wait_state.load(Ordering::Relaxed) == SATISFIED {
        thread.wait_state.store(IDLE, Ordering::Relaxed);
        return Ok(Some(NtStatus(thread.wait_status.get())));
    }
    // Nobody satisfied it: `running` is ours to restore, and the blocks to take out.
    dispatcher.running += 1;
    release_blocks(thread);
    thread.wait_state.store(IDLE, Ordering::Relaxed);
    drop(dispatcher);
    match outcome {
        Outcome::Stopped => Err(Raise::Stop),
        Outcome::TimedOut | Outcome::Woken => Ok(Some(NtStatus::TIMEOUT)),
        Outcome::KernelApc => Ok(None),
        Outcome::Interrupted(status) => interrupted(core, thread, mode, status).map(Some),
    }
}

/// What a thread sleeps for is written down until it goes on, in machines that keep book of locks.
struct Waited<'a>(Option<(&'a Core, &'a KTHREAD)>);

impl<'a> Waited<'a> {
    fn begin(
        core: &'a Core,
        thread: &'a KTHREAD,
        objects: &[&DISPATCHER_HEADER],
        all: bool,
        deadline: Option<u64>,
    ) -> Self {
        if !crate::locks::watched() || thread.is_background() {
            return Self(None);
        }
        let kinds = objects.iter().map(|object| (from_ref(*object) as usize, object.Type.get() & 0x7F));
        let begun = crate::locks::objects_waited(core, thread, kinds, all, deadline.is_some());
        // A cycle stops the machine, which ends the sleep.
        let _ = crate::locks::about_to_sleep(core, thread);
        Self(begun.then_some((core, thread)))
    }
}

impl Drop for Waited<'_> {
    fn drop(&mut self) {
        if let Some((core, thread)) = self.0 {
            crate::locks::objects_no_longer_waited(core, thread);
        }
    }
}

enum Outcome {
    Woken,
    TimedOut,
    Stopped,
    KernelApc,
    Interrupted(NtStatus),
}

/// What ends an alertable wait of `thread`, if anything does.
///
/// Source: EXEC-13
fn interruption(thread: &KTHREAD, mode: WaitMode) -> Option<NtStatus> {
    if !mode.alertable {
        return None;
    }
    let alerts = thread.alerted().load(Ordering::Acquire)
        & (if mode.user { ALERTED_USER } else { 0 } | ALERTED_KERNEL);
    if alerts != 0 {
        return Some(NtStatus::ALERTED);
    }
    let user_apc = thread.apc_pending().load(Ordering::Acquire) & crate::apc::USER_PENDING != 0;
    // Held off together with kernel APCs (EXEC-16).
    let allowed = thread.kernel_apc_disable().get() == 0 && thread.special_apc_disable().get() == 0;
    (user_apc && allowed).then_some(NtStatus::USER_APC)
}

/// Takes what interrupted the wait: the alert, or the user APC of a wait in user mode.
fn interrupted(core: &Core, thread: &KTHREAD, mode: WaitMode, status: NtStatus) -> Result<NtStatus, Raise> {
    if status == NtStatus::ALERTED {
        let user = mode.user && thread.alerted().load(Ordering::Acquire) & ALERTED_USER != 0;
        thread.alerted().fetch_and(if user { !ALERTED_USER } else { !ALERTED_KERNEL }, Ordering::AcqRel);
    } else if mode.user {
        crate::apc::deliver_user(core, thread)?;
    }
    Ok(status)
}

const ALERTED_KERNEL: u32 = 1;
const ALERTED_USER: u32 = 2;

/// Alerts a thread: ends its alertable wait, now or its next. Returns whether it was alerted before.
///
/// Source: KeAlertThread (exported, not documented); EXEC-13
pub fn alert(thread: &KTHREAD, user: bool) -> bool {
    let bit = if user { ALERTED_USER } else { ALERTED_KERNEL };
    let before = thread.alerted().fetch_or(bit, Ordering::AcqRel);
    current_core().scheduler().wake(thread);
    before & bit != 0
}

/// Takes an alert of the current thread back and says whether there was one. Source: KeTestAlertThread.
pub fn test_alert(user: bool) -> bool {
    let bit = if user { ALERTED_USER } else { ALERTED_KERNEL };
    current_thread().alerted().fetch_and(!bit, Ordering::AcqRel) & bit != 0
}

fn sleep(core: &Core, thread: &KTHREAD, mode: WaitMode, deadline: Option<u64>) -> Outcome {
    loop {
        if thread.wait_state.load(Ordering::Acquire) != WAITING {
            return Outcome::Woken;
        }
        if thread.block().stopping() {
            return Outcome::Stopped;
        }
        if crate::apc::deliverable(thread) {
            return Outcome::KernelApc;
        }
        if let Some(status) = interruption(thread, mode) {
            return Outcome::Interrupted(status);
        }
        if deadline.is_some_and(|deadline| core.scheduler().now() >= deadline) {
            return Outcome::TimedOut;
        }
        core.scheduler().block(thread, deadline);
    }
}

fn release_blocks(thread: &KTHREAD) {
    for block in &thread.wait_blocks[..thread.wait_count.get() as usize] {
        unlink(&block.WaitListEntry);
    }
    thread.wait_count.set(0);
}

impl Dispatcher {
    /// A thread waits for the outside, which ends by itself.
    pub(crate) fn enter_outside(&mut self) {
        self.running -= 1;
        self.timed += 1;
    }

    /// It goes on.
    pub(crate) fn leave_outside(&mut self) {
        self.running += 1;
        self.timed -= 1;
    }

    /// Whether the end of a timed wait of `thread` may change anything: of one that ticks while nobody else runs, only
    /// the first few times.
    fn may_wake_somebody(&mut self, thread: &KTHREAD) -> bool {
        const TICKS: u32 = 4;
        if !thread.is_ticking() {
            return true;
        }
        self.idle_ticks = if self.running == 0 { self.idle_ticks + 1 } else { 0 };
        self.idle_ticks <= TICKS
    }

    /// Whether all threads of programs wait without end, and those that time wakes, of which `thread` is about to wait once
    /// more, have come round so often that they will not end it. Counts turns, in machines with virtual time.
    fn ticks_in_vain(&mut self, core: &Core, thread: &KTHREAD, deadline: Option<u64>) -> bool {
        const TURNS: u32 = 20_000;
        const MINUTE: u64 = 600_000_000;
        if deadline.is_none() && !thread.is_host() {
            return false;
        }
        if thread.is_host() || self.foreground == 0 || self.foreground < self.hosts {
            self.turns = 0;
            return false;
        }
        let now = core.scheduler().now();
        if self.turns == 0 {
            self.turning_since = now;
        }
        self.turns += 1;
        self.turns > TURNS && now - self.turning_since > MINUTE && core.scheduler().deterministic()
    }

    fn hung(&self) -> bool {
        // A thread that an APC was queued to is about to go on, though it still counts as waiting.
        self.running == 0 && self.timed == 0 && self.foreground > 0 && !crate::apc::any_on_its_way(&self.apcs)
    }
}

/// All threads that can run, `thread` among them, look again and again for what nobody is left to change: ends the
/// machine if it was built to notice that. Returns whether the machine stops.
pub(crate) fn report_polling(thread: &KTHREAD) -> bool {
    let core = crate::core::core_of(thread.block());
    if core.config.detect_hangs && !core.stopping() {
        report_hang(core, NOBODY_LEFT);
    }
    core.stopping()
}

const NOBODY_LEFT: &str = "every thread of the machine waits and nothing is left that could wake one";
const ONLY_TICKING: &str = "every thread of a program waits without end, and the threads that time wakes have come round \
                            thousands of times without waking one";

fn report_hang(core: &Core, message: &str) {
    let thread = current_thread();
    let check = BugCheck::new(HANG, [u64::from(thread.number()), 0, 0, 0], message);
    core.bug_check(crate::locks::explain_hang(core, check));
}

/// Wakes the waiters that `header`'s new state satisfies. Call with the dispatcher lock held.
pub(crate) fn wake_waiters(core: &Core, dispatcher: &mut Dispatcher, header: &DISPATCHER_HEADER) {
    let head = from_ref(&header.WaitListHead).cast_mut();
    let mut entry = header.WaitListHead.Flink.get();
    while entry != head && header.SignalState.load(Ordering::Relaxed) > 0 {
        // SAFETY: entries of the list are wait blocks of waiting threads, stable under the lock.
        let block = unsafe { &*entry.cast::<KWAIT_BLOCK>() };
        entry = block.WaitListEntry.Flink.get();
        // SAFETY: a waiting thread keeps its memory.
        let thread = unsafe { &*block.Thread.get().cast::<KTHREAD>() };
        let key = i32::from(block.WaitKey.get());
        let count = thread.wait_count.get() as usize;
        let status = if thread.wait_all.get() != 0 {
            let blocks = &thread.wait_blocks[..count];
            // SAFETY: objects that are waited for stay while a thread waits for them.
            let object = |b: &KWAIT_BLOCK| unsafe { &*b.Object.get().cast::<DISPATCHER_HEADER>() };
            if !blocks.iter().all(|b| signaled(object(b), thread)) {
                continue;
            }
            blocks.iter().fold(NtStatus::SUCCESS, |status, b| {
                let got = satisfy(object(b), thread);
                note_mutex(core, thread, object(b), true);
                if got == NtStatus::SUCCESS { status } else { got }
            })
        } else {
            let got = satisfy(header, thread);
            note_mutex(core, thread, header, true);
            NtStatus(got.0 + key)
        };
        release_blocks(thread);
        thread.wait_status.set(status.0);
        thread.wait_state.store(SATISFIED, Ordering::Release);
        dispatcher.running += 1;
        core.scheduler().wake(thread);
        // The next entry may have been one of this thread's: start again.
        entry = header.WaitListHead.Flink.get();
    }
}

/// Sets an event. Returns its previous state. Source: EXEC-19. IRQL: <= DISPATCH_LEVEL.
pub fn set_event(header: &DISPATCHER_HEADER) -> i32 {
    let core = current_core();
    let mut dispatcher = core.dispatcher.lock();
    if header.WaitListHead.Flink.get().is_null() {
        // Zeros: nobody can wait for it.
        return header.SignalState.swap(1, Ordering::Relaxed);
    }
    if !is_object(header) {
        drop(dispatcher);
        no_object(core, header, "KeSetEvent on");
        return 0;
    }
    let before = header.SignalState.swap(1, Ordering::Relaxed);
    wake_waiters(core, &mut dispatcher, header);
    before
}

/// Sets an event from outside every machine thread: what host code uses.
pub fn set_event_from_host(core: &Core, header: &DISPATCHER_HEADER) -> i32 {
    let mut dispatcher = core.dispatcher.lock();
    let before = header.SignalState.swap(1, Ordering::Relaxed);
    wake_waiters(core, &mut dispatcher, header);
    before
}

/// Resets an event and returns its previous state.
pub fn reset_event(header: &DISPATCHER_HEADER) -> i32 {
    let _dispatcher = current_core().dispatcher.lock();
    header.SignalState.swap(0, Ordering::Relaxed)
}

/// Sets the event for those who wait now, then resets it. Returns its previous state.
pub fn pulse_event(header: &DISPATCHER_HEADER) -> i32 {
    let core = current_core();
    let mut dispatcher = core.dispatcher.lock();
    let before = header.SignalState.swap(1, Ordering::Relaxed);
    wake_waiters(core, &mut dispatcher, header);
    header.SignalState.store(0, Ordering::Relaxed);
    before
}

/// Adds to a semaphore and returns its previous count.
///
/// Errors: SEMAPHORE_LIMIT_EXCEEDED is raised when the limit would be passed.
pub fn release_semaphore(semaphore: &KSEMAPHORE, adjustment: i32) -> Result<i32, Raise> {
    let core = current_core();
    let mut dispatcher = core.dispatcher.lock();
    let before = semaphore.Header.SignalState.load(Ordering::Relaxed);
    match before.checked_add(adjustment) {
        Some(after) if adjustment > 0 && after <= semaphore.Limit.get() => {
            semaphore.Header.SignalState.store(after, Ordering::Relaxed);
            wake_waiters(core, &mut dispatcher, &semaphore.Header);
            Ok(before)
        }
        _ => Err(Raise::Status(NtStatus::SEMAPHORE_LIMIT_EXCEEDED)),
    }
}

/// Releases a mutex once and returns its previous state (0 means it was owned once).
///
/// Errors: MUTANT_NOT_OWNED is raised when another thread owns it.
pub fn release_mutex(mutex: &KMUTEX) -> Result<i32, Raise> {
    let core = current_core();
    let thread = current_thread();
    let mut dispatcher = core.dispatcher.lock();
    if !std::ptr::eq(mutex.OwnerThread.get().cast(), from_ref(thread)) {
        return Err(Raise::Status(NtStatus::MUTANT_NOT_OWNED));
    }
    let before = mutex.Header.SignalState.fetch_add(1, Ordering::Relaxed);
    crate::locks::released(from_ref(mutex) as usize, true);
    if before == 0 {
        mutex.OwnerThread.set(std::ptr::null_mut());
        if mutex.ApcDisable.get() != 0 {
            thread.kernel_apc_disable().set(thread.kernel_apc_disable().get() - 1);
        }
        wake_waiters(core, &mut dispatcher, &mutex.Header);
        drop(dispatcher);
        // Holding it was a critical region (EXEC-10).
        crate::apc::deliver()?;
    }
    Ok(before)
}

/// Suspends the thread for a time. Units: 100 ns, as in [`wait_multiple`].
pub fn delay(interval: i64) -> Result<NtStatus, Raise> {
    delay_as(interval, WaitMode::default())
}

/// The same, with the mode of the wait. Returns also ALERTED and USER_APC.
///
/// Source: KeDelayExecutionThread; EXEC-16
pub fn delay_as(interval: i64, mode: WaitMode) -> Result<NtStatus, Raise> {
    let header = DISPATCHER_HEADER::default();
    initialize_header(&header, object_type::NOTIFICATION_EVENT, 0);
    match wait_as(&[&header], false, mode, Some(if interval == 0 { -1 } else { interval }))? {
        NtStatus::TIMEOUT => Ok(NtStatus::SUCCESS),
        early => Ok(early),
    }
}

impl Core {
    /// Signals the thread object and lets it count no longer.
    pub(crate) fn thread_ended(&self, thread: &KTHREAD) {
        let hung = {
            let mut dispatcher = self.dispatcher.lock();
            dispatcher.running -= 1;
            dispatcher.hosts -= i64::from(thread.is_host());
            thread.Header.SignalState.store(1, Ordering::Relaxed);
            wake_waiters(self, &mut dispatcher, &thread.Header);
            self.config.detect_hangs && dispatcher.hung()
        };
        if hung && !self.stopping() {
            let check = BugCheck::new(
                HANG,
                [u64::from(thread.number()), 0, 0, 0],
                "the last thread that could wake another one has ended; the others wait forever",
            );
            self.record_bug_check(crate::locks::explain_hang(self, check));
            self.request_stop();
        }
    }
}
