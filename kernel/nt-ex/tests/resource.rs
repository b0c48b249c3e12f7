//! ERESOURCE.

mod machine;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use boundary::Raise;
use machine::machine;
use nt_abi::{ERESOURCE, bugcheck};
use nt_ex::resource::{self, ResourceGuard};
use nt_ex::{pool, push_lock};
use nt_ke::Core;

fn fresh() -> &'static ERESOURCE {
    let resource = pool::allocate_new::<ERESOURCE>(1).unwrap();
    resource::initialize(resource);
    resource
}

/// Runs `f` on another thread of the machine and waits for it.
fn elsewhere<R: Send + 'static>(core: &Arc<Core>, f: impl FnOnce() -> R + Send + 'static) -> R {
    start(core, f).join().unwrap()
}

fn start<R: Send + 'static>(
    core: &Arc<Core>,
    f: impl FnOnce() -> R + Send + 'static,
) -> std::thread::JoinHandle<R> {
    let core = Arc::clone(core);
    std::thread::spawn(move || core.attach(0, f).unwrap())
}

fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        std::thread::yield_now();
    }
}

#[test]
fn the_owner_may_acquire_again_and_releases_as_often() {
    // spec: RES-07, RES-08, SEED-RES-10, RES-28
    machine(|core| {
        let r = fresh();
        for _ in 0..3 {
            assert_eq!(resource::acquire_exclusive(r, true), Ok(true));
        }
        assert_eq!(resource::acquire_shared(r, true), Ok(true));
        assert!(resource::is_acquired_exclusive(r));
        assert_eq!(resource::is_acquired_shared(r), 4);
        for _ in 0..3 {
            resource::release(r).unwrap();
        }
        assert_eq!(elsewhere(core, move || resource::acquire_shared(r, false)), Ok(false));
        resource::release(r).unwrap();
        assert_eq!(resource::is_acquired_shared(r), 0);
        assert_eq!(elsewhere(core, move || resource::acquire_exclusive(r, false)), Ok(true));
    });
}

#[test]
fn readers_share_and_keep_writers_out() {
    // spec: RES-05, RES-06, RES-11, RES-15
    machine(|core| {
        let r = fresh();
        assert_eq!(resource::acquire_shared(r, true), Ok(true));
        // Owners are threads, and the address of one that has ended is used again: these stay.
        let (inside, leave) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let readers: Vec<_> = (0..20)
            .map(|_| {
                let (inside, leave) = (Arc::clone(&inside), Arc::clone(&leave));
                start(core, move || {
                    let got = resource::acquire_shared(r, false)?;
                    inside.fetch_add(1, Ordering::Relaxed);
                    while !leave.load(Ordering::Relaxed) {
                        nt_ke::dispatcher::delay(-1_000)?;
                    }
                    resource::release(r)?;
                    Ok::<bool, Raise>(got)
                })
            })
            .collect();
        wait_until(|| inside.load(Ordering::Relaxed) == 20);
        assert_eq!(r.ActiveCount.get(), 21);
        assert_eq!(elsewhere(core, move || resource::acquire_exclusive(r, false)), Ok(false));
        leave.store(true, Ordering::Relaxed);
        for reader in readers {
            assert_eq!(reader.join().unwrap(), Ok(true));
        }
    });
}

#[test]
fn a_waiting_writer_keeps_new_readers_out_but_not_those_who_share_already() {
    // spec: RES-16, RES-17, RES-18, RES-19, RES-29
    machine(|core| {
        let r = fresh();
        resource::acquire_shared(r, true).unwrap();
        let writer = start(core, move || {
            resource::acquire_exclusive(r, true)?;
            let alone = resource::is_acquired_exclusive(r);
            resource::release(r)?;
            Ok::<bool, Raise>(alone)
        });
        wait_until(|| resource::exclusive_waiters(r) == 1);
        assert_eq!(elsewhere(core, move || resource::acquire_shared(r, false)), Ok(false));
        assert_eq!(resource::acquire_shared(r, false), Ok(true));
        assert_eq!(resource::acquire_shared_wait_for_exclusive(r, false), Ok(false));
        let starved = elsewhere(core, move || {
            let got = resource::acquire_shared_starve_exclusive(r, false);
            resource::release(r).unwrap();
            got
        });
        assert_eq!(starved, Ok(true));
        resource::release(r).unwrap();
        resource::release(r).unwrap();
        assert_eq!(writer.join().unwrap(), Ok(true));
        assert_eq!(r.ContentionCount.get(), 1);
    });
}

#[test]
fn a_release_lets_all_waiting_readers_in_together() {
    // spec: RES-22, RES-27
    for convert in [false, true] {
        machine(|core| {
            let r = fresh();
            resource::acquire_exclusive(r, true).unwrap();
            let inside = Arc::new(AtomicU32::new(0));
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    let inside = Arc::clone(&inside);
                    start(core, move || {
                        resource::acquire_shared(r, true).unwrap();
                        inside.fetch_add(1, Ordering::SeqCst);
                        wait_until(|| inside.load(Ordering::SeqCst) == 3);
                        resource::release(r).unwrap();
                    })
                })
                .collect();
            wait_until(|| resource::shared_waiters(r) == 3);
            if convert {
                resource::convert_exclusive_to_shared(r).unwrap();
                assert!(!resource::is_acquired_exclusive(r));
                assert_eq!(resource::is_acquired_shared(r), 1);
            } else {
                resource::release(r).unwrap();
            }
            readers.into_iter().for_each(|reader| reader.join().unwrap());
        });
    }
}

#[test]
fn writers_exclude_each_other() {
    // spec: RES-05
    machine(|core| {
        let r = fresh();
        let counter = Arc::new(std::sync::Mutex::new(0u32));
        let threads: Vec<_> = (0..4)
            .map(|n| {
                let counter = Arc::clone(&counter);
                start(core, move || {
                    for round in 0..300 {
                        let _guard = if (round + n) % 3 == 0 {
                            ResourceGuard::shared(r).unwrap()
                        } else {
                            let guard = ResourceGuard::exclusive(r).unwrap();
                            *counter.try_lock().expect("alone") += 1;
                            guard
                        };
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(*counter.lock().unwrap(), 800);
        assert_eq!((r.ActiveCount.get(), r.Flag.get()), (0, 0));
    });
}

#[test]
fn releasing_what_is_not_owned_is_a_bug_check() {
    // spec: RES-21, SEED-RES-09
    machine(|core| {
        let r = fresh();
        resource::acquire_exclusive(r, true).unwrap();
        assert_eq!(elsewhere(core, move || resource::release(r)), Err(Raise::Stop));
        assert_eq!(core.bug_checked().unwrap().code, bugcheck::RESOURCE_NOT_OWNED);
    });
}

#[test]
fn a_deleted_resource_cannot_be_used() {
    // spec: RES-03, SEED-RES-02
    machine(|core| {
        let r = fresh();
        resource::delete(r).unwrap();
        assert!(core.findings().is_empty());
        assert_eq!(resource::acquire_shared(r, true), Err(Raise::Stop));
        assert!(core.bug_checked().unwrap().message.contains("no initialised resource"));
    });
}

#[test]
fn deleting_an_owned_resource_is_a_finding() {
    // spec: RES-03, SEED-RES-07
    machine(|core| {
        let r = fresh();
        resource::acquire_shared(r, true).unwrap();
        resource::delete(r).unwrap();
        assert_eq!(core.findings()[0].rule, "RES-03");
    });
}

#[test]
fn freeing_memory_with_a_listed_resource_is_a_finding() {
    // spec: RES-02
    machine(|core| {
        let r = fresh();
        pool::free_new(r).unwrap();
        assert_eq!(core.findings()[0].rule, "RES-02");
    });
}

#[test]
fn reinitializing_makes_it_free() {
    // spec: RES-04
    machine(|core| {
        let r = fresh();
        resource::acquire_exclusive(r, true).unwrap();
        resource::reinitialize(r).unwrap();
        assert_eq!(elsewhere(core, move || resource::acquire_exclusive(r, false)), Ok(true));
    });
}

#[test]
fn a_hold_can_be_handed_to_a_pointer_and_released_by_another_thread() {
    // spec: RES-23, RES-24, RES-25
    machine(|core| {
        let r = fresh();
        resource::acquire_exclusive(r, true).unwrap();
        resource::set_owner_pointer(r, 0x1003).unwrap();
        assert!(!resource::is_acquired_exclusive(r));
        assert_eq!(resource::held_by_current_thread(), 0);
        elsewhere(core, move || resource::release_for_thread(r, 0x1003)).unwrap();
        assert_eq!(resource::acquire_exclusive(r, false), Ok(true));
        assert_eq!(resource::set_owner_pointer(r, 0x1000), Err(Raise::Stop));
    });
}

#[test]
fn a_stop_ends_the_wait_and_leaves_no_waiter() {
    machine(|core| {
        let r = fresh();
        resource::acquire_exclusive(r, true).unwrap();
        let waiter = start(core, move || resource::acquire_shared(r, true));
        wait_until(|| resource::shared_waiters(r) == 1);
        core.request_stop();
        assert_eq!(waiter.join().unwrap(), Err(Raise::Stop));
        assert_eq!(resource::shared_waiters(r), 0);
        assert!(r.SharedWaiters.get().is_null());
    });
}

#[test]
fn push_locks_exclude_and_share() {
    // spec: EXEC-25
    machine(|core| {
        let lock = pool::allocate_new::<std::sync::atomic::AtomicUsize>(1).unwrap();
        push_lock::initialize(lock);
        let counter = Arc::new(std::sync::Mutex::new(0u32));
        push_lock::acquire(lock, false).unwrap();
        assert!(push_lock::try_acquire(lock, false));
        assert!(!push_lock::try_acquire(lock, true));
        push_lock::release_any(lock).unwrap();
        let threads: Vec<_> = (0..4)
            .map(|n| {
                let counter = Arc::clone(&counter);
                start(core, move || {
                    for round in 0..300 {
                        let exclusive = (round + n) % 3 != 0;
                        push_lock::acquire(lock, exclusive).unwrap();
                        if exclusive {
                            *counter.try_lock().expect("alone") += 1;
                        }
                        push_lock::release_any(lock).unwrap();
                    }
                })
            })
            .collect();
        push_lock::release(lock, false).unwrap();
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(*counter.lock().unwrap(), 800);
        assert_eq!(lock.load(Ordering::SeqCst), 0);
        assert_eq!(push_lock::release_any(lock), Err(Raise::Stop));
    });
}
