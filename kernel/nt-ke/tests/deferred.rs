//! What runs later or elsewhere: DPCs, timers, APCs, alerts. Under many seeds, since each is about order.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL};
use nt_abi::{KAPC, KDPC, KEVENT, KTIMER, NativeFn, NtStatus};
use nt_ke::apc::{self, Routines};
use nt_ke::dispatcher::{self, WaitMode, object_type};
use nt_ke::scheduler::{Schedule, point};
use nt_ke::{Config, Core, current_core, current_thread, dpc, irql, timer};

fn machine(schedule: Schedule, f: impl FnOnce(&Arc<Core>)) {
    let core = Core::new(Config { schedule, ..Config::default() }).expect("a machine");
    core.attach(0, || f(&core)).expect("a thread");
    assert!(core.stop(), "every thread left");
    assert!(core.bug_checked().is_none(), "{:?}", core.bug_checked());
}

/// With free threads once, and with some seeds.
fn machines(f: impl Fn(&Arc<Core>)) {
    machine(Schedule::Free, &f);
    for seed in 0..30 {
        machine(Schedule::Seeded(seed), &f);
    }
}

fn lasting<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn event() -> &'static KEVENT {
    let event = lasting(KEVENT::default());
    dispatcher::initialize_header(&event.Header, object_type::SYNCHRONIZATION_EVENT, 0);
    event
}

fn native<F>(function: F) -> NativeFn
where
    F: Into<usize>,
{
    NativeFn(function.into())
}

/// What routines wrote down, reached through their context.
#[derive(Default)]
struct Log {
    calls: AtomicU32,
    level: AtomicU32,
    first: AtomicUsize,
    second: AtomicUsize,
    time: AtomicU64,
    order: [AtomicU32; 8],
    thread: AtomicUsize,
}

impl Log {
    fn note(&self, what: u32) {
        let call = self.calls.fetch_add(1, Ordering::AcqRel);
        if let Some(entry) = self.order.get(call as usize) {
            entry.store(what, Ordering::Relaxed);
        }
        self.level.store(irql::current().into(), Ordering::Relaxed);
        self.thread.store(std::ptr::from_ref(current_thread()) as usize, Ordering::Relaxed);
    }

    fn orders(&self) -> Vec<u32> {
        let calls = self.calls.load(Ordering::Acquire) as usize;
        self.order[..calls.min(8)].iter().map(|entry| entry.load(Ordering::Relaxed)).collect()
    }
}

extern "win64" fn deferred(_: &KDPC, log: &Log, first: usize, second: usize) {
    log.first.store(first, Ordering::Relaxed);
    log.second.store(second, Ordering::Relaxed);
    log.time.store(current_core().scheduler().now(), Ordering::Relaxed);
    log.note(1);
}

fn new_dpc(log: &'static Log) -> &'static KDPC {
    let object = lasting(KDPC::default());
    dpc::initialize(object, native(deferred as *const () as usize), std::ptr::from_ref(log) as usize, false);
    object
}

#[test]
fn a_dpc_runs_at_dispatch_level_with_the_arguments_of_its_insertion() {
    // spec: EXEC-35
    machines(|_| {
        let log = lasting(Log::default());
        let object = new_dpc(log);
        let old = irql::raise(DISPATCH_LEVEL);
        assert!(dpc::insert(object, 5, 6));
        irql::lower(old);
        dpc::flush().expect("no stop");
        let seen = (log.calls.load(Ordering::Acquire), log.level.load(Ordering::Relaxed));
        assert_eq!(seen, (1, u32::from(DISPATCH_LEVEL)));
        assert_eq!((log.first.load(Ordering::Relaxed), log.second.load(Ordering::Relaxed)), (5, 6));
    });
}

#[test]
fn a_dpc_is_queued_once_at_a_time_and_can_be_taken_out() {
    // spec: EXEC-35
    machine(Schedule::Seeded(1), |_| {
        let log = lasting(Log::default());
        let object = new_dpc(log);
        assert!(dpc::insert(object, 1, 1));
        assert!(!dpc::insert(object, 2, 2), "it is queued");
        assert!(dpc::remove(object));
        assert!(!dpc::remove(object), "it is not queued any more");
        dpc::flush().expect("no stop");
        assert_eq!(log.calls.load(Ordering::Acquire), 0);
        assert!(dpc::insert(object, 3, 3));
        dpc::flush().expect("no stop");
        assert_eq!((log.calls.load(Ordering::Acquire), log.first.load(Ordering::Relaxed)), (1, 3));
    });
}

fn new_timer(synchronization: bool) -> &'static KTIMER {
    let object = lasting(KTIMER::default());
    timer::initialize(object, synchronization);
    object
}

#[test]
fn a_timer_is_signaled_when_it_is_due_and_queues_its_dpc() {
    // spec: EXEC-34
    machines(|core| {
        let log = lasting(Log::default());
        let (object, call) = (new_timer(false), new_dpc(log));
        let before = core.scheduler().now();
        assert!(!timer::set(object, -50_000, 0, Some(call)), "it was not set");
        assert_eq!(object.Header.SignalState.load(Ordering::Relaxed), 0);
        assert_eq!(dispatcher::wait(&object.Header, false, None), Ok(NtStatus::SUCCESS));
        assert!(core.scheduler().now() - before >= 50_000, "not before its time");
        while log.calls.load(Ordering::Acquire) == 0 {
            core.scheduler().pause();
        }
        assert!(log.time.load(Ordering::Relaxed) - before >= 50_000);
        let state = object.Header.SignalState.load(Ordering::Relaxed);
        assert_eq!(state, 1, "a notification timer stays signaled");
    });
}

#[test]
fn setting_a_set_timer_ends_it_and_cancelling_says_whether_it_was_set() {
    // spec: EXEC-34, EXEC-35
    machine(Schedule::Seeded(2), |_| {
        let object = new_timer(true);
        assert!(!timer::set(object, -1_000_000, 0, None));
        assert!(timer::set(object, -2_000_000, 0, None), "it was set");
        assert_eq!(dispatcher::wait(&object.Header, false, Some(-1_500_000)), Ok(NtStatus::TIMEOUT));
        assert!(timer::cancel(object));
        assert!(!timer::cancel(object), "it is not set any more");
        assert_eq!(dispatcher::wait(&object.Header, false, Some(-9_000_000)), Ok(NtStatus::TIMEOUT));
    });
}

#[test]
fn a_periodic_timer_fires_until_it_is_cancelled_and_an_absolute_one_at_its_time() {
    // spec: EXEC-34
    machine(Schedule::Seeded(3), |core| {
        let object = new_timer(true);
        timer::set(object, -10_000, 2, None);
        let start = core.scheduler().now();
        for _ in 0..5 {
            assert_eq!(dispatcher::wait(&object.Header, false, None), Ok(NtStatus::SUCCESS));
        }
        let passed = core.scheduler().now() - start;
        assert!((90_000..110_000).contains(&passed), "1 ms, then four times 2 ms: {passed}");
        assert!(timer::cancel(object));
        let goal = core.clock.system_time(core.scheduler().now()) + 77_000;
        timer::set(object, goal as i64, 0, None);
        assert_eq!(dispatcher::wait(&object.Header, false, None), Ok(NtStatus::SUCCESS));
        assert!(core.clock.system_time(core.scheduler().now()) >= goal);
    });
}

#[test]
fn timers_and_dpcs_of_an_image_that_goes_are_found() {
    // spec: EXEC-35
    machine(Schedule::Seeded(4), |core| {
        let (inside, outside) = (new_timer(false), new_timer(false));
        timer::set(inside, -1_000_000, 0, None);
        timer::set(outside, -1_000_000, 0, None);
        let address = std::ptr::from_ref(inside) as usize;
        assert_eq!(timer::end_all_in(core, &(address..address + 1)), [address]);
        assert!(!timer::cancel(inside), "it was ended");
        assert!(timer::cancel(outside));
    });
}

extern "win64" fn special_routine(_: &KAPC, _: &Cell<u64>, _: &Cell<u64>, log: &Cell<u64>, what: &Cell<u64>) {
    // SAFETY: the test passes a log that lasts.
    unsafe { &*(log.get() as *const Log) }.note(what.get() as u32);
}

extern "win64" fn normal_routine(log: &Log, what: usize, _: usize) {
    log.note(what as u32);
    point();
}

/// Its kernel routine writes nothing down.
extern "win64" fn quiet_routine(_: &KAPC, _: usize, _: usize, _: usize, _: usize) {}

extern "win64" fn rundown_routine(apc: &KAPC) {
    // SAFETY: the test's APCs have a log as their first argument.
    unsafe { &*apc.SystemArgument1.get().cast::<Log>() }.note(99);
}

/// A special APC that notes `what`.
fn special(log: &'static Log, thread: &nt_ke::KTHREAD, what: usize) -> bool {
    let object = lasting(KAPC::default());
    let routines = Routines {
        kernel: native(special_routine as *const () as usize),
        rundown: native(rundown_routine as *const () as usize),
        normal: NativeFn(0),
    };
    apc::initialize(object, thread, 0, &routines, false, 0);
    apc::insert(object, std::ptr::from_ref(log) as usize, what)
}

/// A normal APC that notes `what`; with `user` a user APC.
fn normal(log: &'static Log, thread: &nt_ke::KTHREAD, what: usize, user: bool) -> bool {
    let object = lasting(KAPC::default());
    let routines = Routines {
        kernel: native(quiet_routine as *const () as usize),
        rundown: NativeFn(0),
        normal: native(normal_routine as *const () as usize),
    };
    apc::initialize(object, thread, 0, &routines, user, std::ptr::from_ref(log) as usize);
    apc::insert(object, what, 0)
}

#[test]
fn a_special_apc_runs_at_apc_level_in_its_thread_when_the_irql_falls() {
    // spec: EXEC-01, EXEC-02
    machines(|_| {
        let log = lasting(Log::default());
        let old = irql::raise(APC_LEVEL);
        assert!(special(log, current_thread(), 7));
        assert_eq!(log.calls.load(Ordering::Acquire), 0, "held off at APC_LEVEL");
        irql::lower(old);
        assert_eq!(log.orders(), [7]);
        assert_eq!(log.level.load(Ordering::Relaxed), u32::from(APC_LEVEL));
        assert_eq!(log.thread.load(Ordering::Relaxed), std::ptr::from_ref(current_thread()) as usize);
        assert_eq!(irql::current(), 0);
    });
}

#[test]
fn the_engine_s_own_special_apc_is_held_off_and_delivered_as_a_driver_s_is() {
    // spec: EXEC-01, EXEC-02
    machines(|_| {
        let log = lasting(Log::default());
        let thread = current_thread();
        thread.special_apc_disable().set(1);
        assert!(apc::insert_special(thread, || {
            log.note(1);
            Ok(())
        }));
        assert!(special(log, thread, 2));
        apc::deliver().expect("no stop");
        assert_eq!(log.calls.load(Ordering::Acquire), 0, "a guarded region holds it off");
        thread.special_apc_disable().set(0);
        thread.kernel_apc_disable().set(1);
        apc::deliver().expect("no stop");
        thread.kernel_apc_disable().set(0);
        assert_eq!(log.orders(), [1, 2]);
        assert_eq!(log.level.load(Ordering::Relaxed), u32::from(APC_LEVEL));
        assert_eq!(irql::current(), 0);
    });
}

#[test]
fn regions_hold_off_what_they_say_and_leaving_delivers_special_ones_first() {
    // spec: EXEC-02, EXEC-04, EXEC-42
    machine(Schedule::Seeded(6), |_| {
        let log = lasting(Log::default());
        let thread = current_thread();
        let critical = thread.kernel_apc_disable();
        critical.set(1);
        assert!(normal(log, thread, 1, false) && special(log, thread, 2));
        apc::deliver().expect("no stop");
        assert_eq!(log.orders(), [2], "a critical region holds off the normal one only");
        critical.set(0);
        apc::deliver().expect("no stop");
        assert_eq!(log.orders(), [2, 1]);
        assert_eq!(log.level.load(Ordering::Relaxed), 0, "a normal routine runs at PASSIVE_LEVEL");
        let guarded = thread.special_apc_disable();
        guarded.set(1);
        assert!(normal(log, thread, 3, false) && special(log, thread, 4) && special(log, thread, 5));
        apc::deliver().expect("no stop");
        assert_eq!(log.orders(), [2, 1], "a guarded region holds off all");
        guarded.set(0);
        apc::deliver().expect("no stop");
        assert_eq!(log.orders(), [2, 1, 4, 5, 3], "special ones first, each kind in order");
    });
}

#[test]
fn a_kernel_apc_runs_during_a_wait_that_goes_on_afterwards() {
    // spec: EXEC-15
    machines(|core| {
        let log = lasting(Log::default());
        let gate = event();
        let waiter = Arc::new(AtomicUsize::new(0));
        let told = Arc::clone(&waiter);
        let woken = lasting(AtomicU32::new(0));
        let body = move || {
            let status = dispatcher::wait(&gate.Header, false, None);
            assert_eq!(status, Ok(NtStatus::SUCCESS));
            woken.store(1, Ordering::Release);
        };
        core.spawn(
            "waiter",
            0,
            |thread| told.store(std::ptr::from_ref(thread) as usize, Ordering::Release),
            body,
        )
        .expect("a thread");
        // SAFETY: the thread waits for the gate below.
        let thread = unsafe { &*(waiter.load(Ordering::Acquire) as *const nt_ke::KTHREAD) };
        assert!(special(log, thread, 8));
        assert!(normal(log, thread, 9, false));
        while log.calls.load(Ordering::Acquire) < 2 {
            core.scheduler().pause();
        }
        assert_eq!((log.orders(), woken.load(Ordering::Acquire)), (vec![8, 9], 0), "it still waits");
        assert_eq!(log.thread.load(Ordering::Relaxed), waiter.load(Ordering::Relaxed));
        dispatcher::set_event(&gate.Header);
        while woken.load(Ordering::Acquire) == 0 {
            core.scheduler().pause();
        }
    });
}

#[test]
fn alerts_and_user_apcs_end_alertable_waits_only() {
    // spec: EXEC-13, EXEC-14, EXEC-16
    machine(Schedule::Seeded(9), |_| {
        let log = lasting(Log::default());
        let gate = event();
        let wait = |user, alertable| {
            dispatcher::wait_as(&[&gate.Header], false, WaitMode { user, alertable }, Some(-1000))
        };
        let thread = current_thread();
        assert!(!dispatcher::alert(thread, false));
        assert_eq!(wait(false, false), Ok(NtStatus::TIMEOUT), "not alertable");
        assert_eq!(wait(false, true), Ok(NtStatus::ALERTED));
        assert_eq!(wait(false, true), Ok(NtStatus::TIMEOUT), "the alert is taken");
        assert!(normal(log, thread, 1, true));
        assert_eq!(wait(true, false), Ok(NtStatus::TIMEOUT), "not alertable");
        assert_eq!(wait(false, true), Ok(NtStatus::USER_APC), "interrupted, not delivered");
        thread.kernel_apc_disable().set(1);
        assert_eq!(wait(true, true), Ok(NtStatus::TIMEOUT), "held off with kernel APCs");
        thread.kernel_apc_disable().set(0);
        assert_eq!(wait(true, true), Ok(NtStatus::USER_APC));
        assert_eq!(wait(true, true), Ok(NtStatus::TIMEOUT), "delivered");
        assert!(!dispatcher::alert(thread, true) && dispatcher::alert(thread, true));
        assert!(dispatcher::test_alert(true) && !dispatcher::test_alert(true));
    });
}

/// The routine of a normal APC at PASSIVE_LEVEL, within which a special one is queued to its own thread.
extern "win64" fn interrupted_routine(log: &'static Log, _: usize, _: usize) {
    log.note(1);
    assert!(special(log, current_thread(), 2));
    // As KeInsertQueueApc does.
    apc::deliver().expect("no stop");
    log.note(3);
}

/// The kernel routine of a user APC, at APC_LEVEL.
extern "win64" fn user_apc_routine(_: &KAPC, _: usize, _: usize, log: &Cell<u64>, _: usize) {
    // SAFETY: the test passes a log that lasts.
    let log = unsafe { &*(log.get() as *const Log) };
    log.note(4);
    assert!(special(log, current_thread(), 6));
    apc::deliver().expect("no stop");
    log.note(5);
}

#[test]
fn a_special_apc_interrupts_the_routines_of_other_apcs() {
    // spec: SEED-MODW-10
    machines(|_| {
        let log = lasting(Log::default());
        let apc = |kernel: usize, normal: usize, user: bool| {
            let object = lasting(KAPC::default());
            let routines = Routines { kernel: native(kernel), rundown: NativeFn(0), normal: native(normal) };
            apc::initialize(object, current_thread(), 0, &routines, user, std::ptr::from_ref(log) as usize);
            assert!(apc::insert(object, std::ptr::from_ref(log) as usize, 0));
        };
        apc(quiet_routine as *const () as usize, interrupted_routine as *const () as usize, false);
        apc::deliver().expect("no stop");
        assert_eq!(log.orders(), [1, 2, 3], "inside the routine at PASSIVE_LEVEL");
        apc(user_apc_routine as *const () as usize, normal_routine as *const () as usize, true);
        let gate = event();
        let alertable = WaitMode { user: true, alertable: true };
        let waited = dispatcher::wait_as(&[&gate.Header], false, alertable, Some(-1000));
        assert_eq!(waited, Ok(NtStatus::USER_APC));
        assert_eq!(log.orders(), [1, 2, 3, 4, 5, 6], "after the routine at APC_LEVEL, before the wait ends");
    });
}

#[test]
fn what_waits_for_a_thread_that_ends_is_run_down() {
    // spec: EXEC-01
    machines(|core| {
        let log = lasting(Log::default());
        let ended = lasting(AtomicU32::new(0));
        let body = move || {
            // A user APC waits for an alertable wait, of which there is none.
            let object = lasting(KAPC::default());
            let routines = Routines {
                kernel: native(quiet_routine as *const () as usize),
                rundown: native(rundown_routine as *const () as usize),
                normal: native(normal_routine as *const () as usize),
            };
            apc::initialize(object, current_thread(), 0, &routines, true, 0);
            assert!(apc::insert(object, std::ptr::from_ref(log) as usize, 0));
            ended.store(1, Ordering::Release);
        };
        core.spawn("short", 0, |_| {}, body).expect("a thread");
        while ended.load(Ordering::Acquire) == 0 || log.calls.load(Ordering::Acquire) == 0 {
            core.scheduler().pause();
        }
        assert_eq!(log.orders(), [99]);
    });
}
