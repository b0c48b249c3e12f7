//! Seeded machines: the same seed gives the same run, every order can happen, and time is virtual.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use nt_abi::{KEVENT, KSEMAPHORE, NtStatus};
use nt_ke::dispatcher::{self, object_type};
use nt_ke::scheduler::{Schedule, point, wait_outside};
use nt_ke::{Config, Core, current_core, spinlock};

fn machine<R>(seed: u64, f: impl FnOnce(&Arc<Core>) -> R) -> R {
    let core =
        Core::new(Config { schedule: Schedule::Seeded(seed), ..Config::default() }).expect("a machine");
    let result = core.attach(0, || f(&core)).expect("a thread");
    assert!(core.stop(), "every thread left");
    result
}

fn event(kind: u8) -> &'static KEVENT {
    let event: &'static KEVENT = Box::leak(Box::new(KEVENT::default()));
    dispatcher::initialize_header(&event.Header, kind, 0);
    event
}

fn semaphore() -> &'static KSEMAPHORE {
    let semaphore: &'static KSEMAPHORE = Box::leak(Box::new(KSEMAPHORE::default()));
    dispatcher::initialize_header(&semaphore.Header, object_type::SEMAPHORE, 0);
    semaphore.Limit.set(i32::MAX);
    semaphore
}

/// The order in which three threads pass ten places each.
fn order(seed: u64) -> Vec<u32> {
    machine(seed, |core| {
        let order = Mutex::new(Vec::new());
        let pass = |thread| {
            for _ in 0..10 {
                point();
                order.lock().expect("no panic").push(thread);
            }
        };
        core.run_threads(0, "passer", 3, &pass).expect("threads");
        order.into_inner().expect("no panic")
    })
}

#[test]
fn the_same_seed_gives_the_same_order_and_seeds_differ() {
    let orders: BTreeSet<Vec<u32>> = (0..40)
        .map(|seed| {
            let first = order(seed);
            assert_eq!(first, order(seed), "seed {seed}");
            first
        })
        .collect();
    assert!(orders.len() > 10, "{} orders of 40 seeds", orders.len());
}

#[test]
fn a_lost_update_between_two_places_is_found() {
    let lost = |seed| {
        machine(seed, |core| {
            let value = AtomicU32::new(0);
            let add = |_| {
                let read = value.load(Ordering::Relaxed);
                point();
                value.store(read + 1, Ordering::Relaxed);
            };
            core.run_threads(0, "adder", 2, &add).expect("threads");
            value.into_inner() == 1
        })
    };
    let found = (0..200).filter(|seed| lost(*seed)).count();
    assert!((1..200).contains(&found), "{found} of 200 seeds lost an update");
}

#[test]
fn time_jumps_when_everybody_waits() {
    let hour = 36_000_000_000i64;
    let (before, after) = machine(1, |core| {
        let before = core.scheduler().now();
        assert_eq!(dispatcher::delay(-hour), Ok(NtStatus::SUCCESS));
        (before, core.scheduler().now())
    });
    assert!((hour as u64..hour as u64 + 10_000_000).contains(&(after - before)), "{before} to {after}");
}

#[test]
fn timeouts_come_in_the_order_of_their_times() {
    for seed in 0..20 {
        let order = machine(seed, |core| {
            let order = Mutex::new(Vec::new());
            let sleep = |thread: u32| {
                dispatcher::delay(-i64::from(1_000_000 * (5 - thread))).expect("no stop");
                order.lock().expect("no panic").push(thread);
            };
            core.run_threads(0, "sleeper", 4, &sleep).expect("threads");
            order.into_inner().expect("no panic")
        });
        assert_eq!(order, [3, 2, 1, 0], "seed {seed}");
    }
}

#[test]
fn a_spin_lock_is_handed_on_under_every_seed() {
    // spec: EXEC-26
    for seed in 0..100 {
        machine(seed, |core| {
            let lock = std::sync::atomic::AtomicUsize::new(0);
            let inside = AtomicU32::new(0);
            let work = |_| {
                for _ in 0..20 {
                    let old = nt_ke::irql::raise(2);
                    spinlock::acquire(&lock).expect("no stop");
                    assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                    point();
                    inside.fetch_sub(1, Ordering::Relaxed);
                    spinlock::release(&lock).expect("held");
                    nt_ke::irql::lower(old);
                }
            };
            core.run_threads(0, "spinner", 3, &work).expect("threads");
        });
    }
}

#[test]
fn a_thread_that_is_never_woken_ends_with_its_machine() {
    let core = Core::new(Config { schedule: Schedule::Seeded(3), ..Config::default() }).expect("a machine");
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    core.attach(0, || {
        let gate = event(object_type::NOTIFICATION_EVENT);
        let wait = move || {
            flag.store(dispatcher::wait(&gate.Header, false, None).is_err(), Ordering::Relaxed);
        };
        core.spawn("waiter", 0, |_| {}, wait).expect("a thread");
    })
    .expect("a thread");
    assert!(!stopped.load(Ordering::Relaxed), "it waits");
    assert!(core.stop(), "every thread left");
    assert!(stopped.load(Ordering::Relaxed));
}

#[test]
fn threads_of_the_host_take_turns_and_wake_each_other() {
    let core = Core::new(Config { schedule: Schedule::Seeded(5), ..Config::default() }).expect("a machine");
    let (ping, pong) = (semaphore(), semaphore());
    std::thread::scope(|scope| {
        for (mine, other) in [(ping, pong), (pong, ping)] {
            let core = &core;
            scope.spawn(move || {
                core.attach(0, || {
                    for _ in 0..50 {
                        dispatcher::release_semaphore(other, 1).expect("below its limit");
                        assert_eq!(dispatcher::wait(&mine.Header, false, None), Ok(NtStatus::SUCCESS));
                    }
                })
                .expect("a thread");
            });
        }
    });
    assert!(core.stop(), "every thread left");
}

#[test]
fn a_wait_for_the_outside_is_refused_here_and_granted_to_free_threads() {
    machine(1, |_| {
        let refused = wait_outside(|| panic!("it is not called"));
        assert!(refused.expect_err("it is refused").to_string().contains("free scheduler"));
    });
    let core = Core::new(Config { detect_hangs: true, ..Config::default() }).expect("a machine");
    let gate = event(object_type::NOTIFICATION_EVENT);
    std::thread::scope(|scope| {
        let wait = || core.attach(0, || dispatcher::wait(&gate.Header, false, None));
        // This one is in the machine before the other waits: alone, that would be a hang.
        let (inside, outside) = core
            .attach(0, || {
                let inside = scope.spawn(wait);
                let outside = wait_outside(|| {
                    // The other thread waits for good meanwhile: no hang, as this one will go on.
                    while std::ptr::eq(gate.Header.WaitListHead.Flink.get(), &gate.Header.WaitListHead) {
                        std::thread::yield_now();
                    }
                    17
                });
                dispatcher::set_event(&gate.Header);
                (inside, outside)
            })
            .expect("a thread");
        assert_eq!(outside, Ok(17));
        assert_eq!(inside.join().expect("no panic").expect("a thread"), Ok(NtStatus::SUCCESS));
    });
    assert!(core.stop() && core.bug_checked().is_none(), "{:?}", core.bug_checked());
}

#[test]
fn a_panicking_thread_is_seen_by_who_waits_for_it_and_the_machine_goes_on() {
    machine(1, |core| {
        let run = || core.run_threads(0, "panicker", 2, &|number| assert_eq!(number, 0, "on purpose"));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        assert!(outcome.is_err(), "the panic is passed on");
        assert_eq!(dispatcher::delay(-10), Ok(NtStatus::SUCCESS));
        assert!(current_core().scheduler().deterministic());
    });
}
