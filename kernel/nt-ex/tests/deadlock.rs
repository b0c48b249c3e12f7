//! Deadlocks and the order of locks in seeded machines: what is reported, and what is not.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use nt_abi::{ERESOURCE, EX_RUNDOWN_REF, FAST_MUTEX, KEVENT, KMUTEX, NtStatus};
use nt_ex::{Ex, fast_mutex, pool, push_lock, resource, rundown};
use nt_ke::bugcheck::{DEADLOCK, HANG};
use nt_ke::dispatcher::{self, object_type};
use nt_ke::scheduler::{Schedule, point};
use nt_ke::{BugCheck, Config, Core, Finding, Raise, locks, spinlock};
use nt_mm::Mm;

/// What a seed came to.
struct Ended {
    check: Option<BugCheck>,
    findings: Vec<Finding>,
}

/// Runs `f` with 0 and 1 on two threads of a machine with this seed.
fn run<L: Sync>(seed: u64, make: impl Fn() -> L, f: impl Fn(&L, u32) -> Result<(), Raise> + Sync) -> Ended {
    let config = Config { schedule: Schedule::Seeded(seed), detect_hangs: true, ..Config::default() };
    let core: Arc<Core> = Core::new(config).expect("a machine");
    core.install(Box::new(Mm::new(&core).expect("memory")));
    core.install(Box::new(Ex::new(&core)));
    let threads = || {
        let made = make();
        let body = |number| {
            let _ = f(&made, number);
        };
        core.run_threads(0, "player", 2, &body).expect("two threads");
    };
    core.attach(0, threads).expect("a thread");
    assert!(core.stop(), "every thread left the machine");
    Ended { check: core.bug_checked().cloned(), findings: core.findings() }
}

/// The first of 200 seeds that ends with a bug check.
fn first_failure<L: Sync>(
    make: impl Fn() -> L,
    f: impl Fn(&L, u32) -> Result<(), Raise> + Sync,
) -> (BugCheck, Vec<Finding>) {
    let failures = (0..200).filter_map(|seed| {
        let ended = run(seed, &make, &f);
        Some((ended.check?, ended.findings))
    });
    failures.into_iter().next().expect("a schedule that deadlocks")
}

/// Neither a bug check nor a finding in 200 seeds.
fn is_clean<L: Sync>(make: impl Fn() -> L, f: impl Fn(&L, u32) -> Result<(), Raise> + Sync) {
    for seed in 0..200 {
        let ended = run(seed, &make, &f);
        assert!(ended.check.is_none() && ended.findings.is_empty(), "{:?} {:?}", ended.check, ended.findings);
    }
}

fn resources() -> [&'static ERESOURCE; 3] {
    [(); 3].map(|()| {
        let resource = pool::allocate_new::<ERESOURCE>(1).expect("pool");
        resource::initialize(resource);
        resource
    })
}

fn push_locks() -> [AtomicUsize; 3] {
    [const { AtomicUsize::new(0) }; 3]
}

fn mutexes() -> [&'static FAST_MUTEX; 2] {
    [(); 2].map(|()| {
        let mutex: &'static FAST_MUTEX = Box::leak(Box::new(FAST_MUTEX::default()));
        fast_mutex::initialize(mutex);
        mutex
    })
}

fn kernel_mutexes() -> [&'static KMUTEX; 2] {
    [(); 2].map(|()| {
        let mutex: &'static KMUTEX = Box::leak(Box::new(KMUTEX::default()));
        dispatcher::initialize_header(&mutex.Header, object_type::MUTANT, 1);
        mutex
    })
}

fn event() -> &'static KEVENT {
    let event: &'static KEVENT = Box::leak(Box::new(KEVENT::default()));
    dispatcher::initialize_header(&event.Header, object_type::SYNCHRONIZATION_EVENT, 0);
    event
}

/// Takes both in the order that the thread's number gives, and releases them.
fn both<T>(
    pair: &[T],
    number: u32,
    take: impl Fn(&T) -> Result<(), Raise>,
    give: impl Fn(&T) -> Result<(), Raise>,
) -> Result<(), Raise> {
    let (first, second) = if number == 0 { (&pair[0], &pair[1]) } else { (&pair[1], &pair[0]) };
    take(first)?;
    point();
    take(second)?;
    give(second)?;
    give(first)
}

#[track_caller]
fn names_both_sides(failure: &(BugCheck, Vec<Finding>), kind: &str) {
    let (check, _) = failure;
    assert_eq!((check.code, check.name()), (DEADLOCK, "DEADLOCK"), "{}", check.message);
    assert_eq!(check.threads.len(), 2, "{check:?}");
    for thread in &check.threads {
        assert!(thread.waits_for.contains(kind), "{thread:?}");
        assert!(thread.holds.iter().any(|held| held.lock.contains(kind)), "{thread:?}");
    }
    assert!(check.message.contains("in one order everywhere"), "{}", check.message);
}

#[test]
fn two_threads_that_take_two_locks_in_both_orders_are_named() {
    let exclusive = |r: &&ERESOURCE| resource::acquire_exclusive(r, true).map(drop);
    let give = |r: &&ERESOURCE| resource::release(r);
    names_both_sides(&first_failure(resources, |made, n| both(made, n, exclusive, give)), "resource");
    let take = |lock: &AtomicUsize| push_lock::acquire(lock, true);
    let give = |lock: &AtomicUsize| push_lock::release(lock, true);
    names_both_sides(&first_failure(push_locks, |made, n| both(made, n, take, give)), "push lock");
    let (take, give) = (|m: &&FAST_MUTEX| fast_mutex::acquire(m), |m: &&FAST_MUTEX| fast_mutex::release(m));
    names_both_sides(&first_failure(mutexes, |made, n| both(made, n, take, give)), "fast mutex");
    let take = |m: &&KMUTEX| dispatcher::wait(&m.Header, false, None).map(drop);
    let give = |m: &&KMUTEX| dispatcher::release_mutex(m).map(drop);
    names_both_sides(&first_failure(kernel_mutexes, |made, n| both(made, n, take, give)), "mutex");
    let (take, give) = (|l: &AtomicUsize| spinlock::acquire(l), |l: &AtomicUsize| spinlock::release(l));
    names_both_sides(&first_failure(push_locks, |made, n| both(made, n, take, give)), "spin lock");
}

#[test]
fn inversion_is_a_finding_also_when_it_did_not_deadlock() {
    let inverted = (0..50).map(|seed| {
        run(seed, push_locks, |made, number| {
            both(made, number, |lock| push_lock::acquire(lock, true), |lock| push_lock::release(lock, true))
        })
    });
    let quiet: Vec<_> = inverted.filter(|ended| ended.check.is_none()).collect();
    assert!(!quiet.is_empty(), "some seed runs one thread after the other");
    for ended in quiet {
        let [finding] = ended.findings.as_slice() else { panic!("{:?}", ended.findings) };
        assert_eq!(finding.rule, "lock-order");
    }
}

#[test]
fn common_outer_lock_trying_and_sharing_are_no_inversions() {
    let exclusive = |r: &&ERESOURCE| resource::acquire_exclusive(r, true).map(drop);
    let give = |r: &&ERESOURCE| resource::release(r);
    is_clean(resources, |made, number| {
        exclusive(&made[2])?;
        both(&made[..2], number, exclusive, give)?;
        give(&made[2])
    });
    is_clean(push_locks, |made, number| {
        let (first, second) = if number == 0 { (&made[0], &made[1]) } else { (&made[1], &made[0]) };
        push_lock::acquire(first, true)?;
        point();
        if push_lock::try_acquire(second, true) {
            push_lock::release(second, true)?;
        }
        push_lock::release(first, true)
    });
    is_clean(push_locks, |made, number| {
        both(made, number, |lock| push_lock::acquire(lock, false), |lock| push_lock::release(lock, false))
    });
}

#[test]
fn outer_lock_that_both_share_keeps_nobody_apart() {
    let exclusive = |r: &&ERESOURCE| resource::acquire_exclusive(r, true).map(drop);
    let failure = first_failure(resources, |made, number| {
        resource::acquire_shared(made[2], true)?;
        both(&made[..2], number, exclusive, |r| resource::release(r))?;
        resource::release(made[2])
    });
    assert_eq!(failure.0.code, DEADLOCK);
    let inverted = (0..50).any(|seed| {
        let ended = run(seed, resources, |made, number| {
            resource::acquire_shared(made[2], true)?;
            both(&made[..2], number, exclusive, |r| resource::release(r))?;
            resource::release(made[2])
        });
        ended.check.is_none() && ended.findings.iter().any(|finding| finding.rule == "lock-order")
    });
    assert!(inverted, "the inversion is found where it did not deadlock");
}

#[test]
fn thread_that_waits_for_itself_is_told_so() {
    let (check, _) = first_failure(push_locks, |made, number| {
        if number == 0 {
            push_lock::acquire(&made[0], true)?;
            push_lock::acquire(&made[0], true)?;
        }
        Ok(())
    });
    assert_eq!(check.code, DEADLOCK);
    assert!(
        check.message.contains("cannot be acquired again by the thread that holds it"),
        "{}",
        check.message
    );
    let (check, findings) = first_failure(resources, |made, number| {
        if number == 0 {
            resource::acquire_shared(made[0], true)?;
            resource::acquire_exclusive(made[0], true)?;
        }
        Ok(())
    });
    assert_eq!((check.code, findings[0].rule), (DEADLOCK, "RES-09"));
    assert!(check.message.contains("its own share has to go"), "{}", check.message);
}

#[test]
fn shared_recursion_deadlocks_behind_a_writer() {
    let (check, _) = first_failure(push_locks, |made, number| {
        if number == 0 {
            push_lock::acquire(&made[0], false)?;
            point();
            push_lock::acquire(&made[0], false)?;
            push_lock::release(&made[0], false)?;
            push_lock::release(&made[0], false)
        } else {
            push_lock::acquire(&made[0], true)?;
            push_lock::release(&made[0], true)
        }
    });
    assert_eq!(check.code, DEADLOCK);
    assert!(check.message.contains("by a thread that shares it"), "{}", check.message);
}

#[test]
fn waiting_for_a_signal_with_the_lock_that_the_signaller_needs_is_explained() {
    let make = || (push_locks(), event());
    let (check, _) = first_failure(make, |(made, signal), number| {
        push_lock::acquire(&made[0], true)?;
        if number == 0 {
            dispatcher::wait(&signal.Header, false, None)?;
        } else {
            dispatcher::set_event(&signal.Header);
        }
        push_lock::release(&made[0], true)
    });
    assert_eq!(check.code, HANG);
    assert!(check.message.contains("holding it, waits for the event"), "{}", check.message);
    assert!(check.message.contains("Release the push lock before waiting"), "{}", check.message);
}

#[test]
fn lock_that_an_ended_thread_holds_is_waited_for_in_vain() {
    let (check, findings) = first_failure(push_locks, |made, number| {
        if number == 1 {
            assert_eq!(dispatcher::delay(-10_000_000), Ok(NtStatus::SUCCESS));
        }
        push_lock::acquire(&made[0], true)
    });
    assert_eq!((check.code, findings[0].rule), (DEADLOCK, "lock-held"));
    assert!(check.message.contains("did not release before it ended"), "{}", check.message);
}

#[test]
fn release_by_a_thread_that_does_not_hold_names_the_one_that_does() {
    let ended = run(1, push_locks, |made, number| {
        if number == 0 {
            push_lock::acquire(&made[0], true)?;
            dispatcher::delay(-10_000_000)?;
            Ok(())
        } else {
            dispatcher::delay(-1_000_000)?;
            push_lock::release(&made[0], true)
        }
    });
    let [finding] = ended.findings.as_slice() else { panic!("{:?}", ended.findings) };
    assert_eq!(finding.rule, "lock-owner");
    assert!(finding.message.contains("thread 2 (player) took it"), "{}", finding.message);
}

#[test]
fn locks_in_memory_that_is_used_anew_have_no_past() {
    is_clean(push_locks, |made, number| {
        // The second thread's locks are others, at the addresses of the first one's.
        if number == 1 {
            dispatcher::delay(-10_000_000)?;
            made[..2].iter().for_each(push_lock::initialize);
        }
        both(made, number, |lock| push_lock::acquire(lock, true), |lock| push_lock::release(lock, true))
    });
}

#[test]
fn loop_that_nobody_can_end_any_more_is_a_hang() {
    let (check, _) = first_failure(push_locks, |_, number| {
        let _waiting = locks::waiting_for("what never comes");
        while number == 0 && !nt_ke::current_core().stopping() {
            nt_ke::current_core().scheduler().pause();
        }
        Ok(())
    });
    assert_eq!(check.code, HANG);
    assert!(check.threads.iter().any(|thread| thread.waits_for == "what never comes"), "{check:?}");
}

#[test]
fn wait_for_rundown_protection_that_the_thread_holds_itself_is_a_hang() {
    let (check, _) = first_failure(EX_RUNDOWN_REF::default, |protection, number| {
        if number == 0 {
            assert!(rundown::acquire(protection, 1));
            rundown::wait(protection)?;
        }
        Ok(())
    });
    assert_eq!(check.code, HANG);
    assert!(check.message.contains("waits for the release of rundown protection"), "{}", check.message);
}

#[test]
fn free_machines_keep_no_book() {
    let core = Core::new(Config::default()).expect("a machine");
    core.install(Box::new(Mm::new(&core).expect("memory")));
    core.install(Box::new(Ex::new(&core)));
    let body = || {
        let made = push_locks();
        for number in [0, 1] {
            let take = |lock: &AtomicUsize| push_lock::acquire(lock, true);
            both(&made, number, take, |lock| push_lock::release(lock, true)).expect("no stop");
        }
        assert_eq!(locks::holders_in_words(made[0].as_ptr() as usize), "");
    };
    core.attach(0, body).expect("a thread");
    assert!(core.stop() && core.findings().is_empty());
}

/// Starts a system thread.
fn start(body: impl FnOnce() + Send + 'static) {
    nt_ex::ex().core().expect("the machine").spawn("poller", 0, |_| {}, body).expect("a thread");
}

#[test]
fn thread_that_only_polls_does_not_hide_a_hang() {
    let (check, _) = first_failure(event, |signal, number| {
        if number == 0 {
            start(|| while dispatcher::delay(-100_000).is_ok() {});
            dispatcher::wait(&signal.Header, false, None)?;
        }
        Ok(())
    });
    assert_eq!(check.code, HANG);
    assert!(check.message.contains("without waking one"), "{}", check.message);
    assert!(check.threads.iter().any(|thread| thread.waits_for.contains("event")), "{check:?}");
}

#[test]
fn poller_that_ends_the_wait_at_last_is_no_hang() {
    let ended = run(1, event, |signal, number| {
        if number == 0 {
            let signal: &'static KEVENT = signal;
            start(move || {
                while nt_ke::current_core().scheduler().now() < 500_000_000 {
                    let _ = dispatcher::delay(-10_000);
                }
                dispatcher::set_event(&signal.Header);
            });
            dispatcher::wait(&signal.Header, false, None)?;
        }
        Ok(())
    });
    assert!(ended.check.is_none(), "{:?}", ended.check);
}
