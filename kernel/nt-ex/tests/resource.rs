//! ERESOURCE.

mod machine;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use boundary::Raise;
use machine::machine;
use nt_abi::{ERESOURCE, KEVENT, NativeFn, NtStatus, bugcheck};
use nt_ex::resource::{self, ResourceGuard};
use nt_ex::{pool, push_lock};
use nt_ke::{Core, current_thread, dispatcher};

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
        assert_eq!(resource::delete(r), Ok(NtStatus::SUCCESS));
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
    // spec: RES-04, SEED-RES-07
    machine(|core| {
        let r = fresh();
        resource::acquire_exclusive(r, true).unwrap();
        resource::release(r).unwrap();
        assert_eq!(resource::reinitialize(r), Ok(NtStatus::SUCCESS));
        assert!(core.findings().is_empty());
        resource::acquire_exclusive(r, true).unwrap();
        resource::reinitialize(r).unwrap();
        assert_eq!(core.findings()[0].rule, "RES-04");
        assert_eq!(elsewhere(core, move || resource::acquire_exclusive(r, false)), Ok(true));
    });
}

#[test]
fn a_hold_can_be_handed_to_a_pointer_and_released_by_another_thread() {
    // spec: RES-23, RES-24, RES-25
    machine(|core| {
        let r = fresh();
        let storage = pool::allocate_new::<KEVENT>(1).unwrap();
        let pointer = std::ptr::from_ref(storage) as usize | 3;
        resource::acquire_exclusive(r, true).unwrap();
        resource::acquire_exclusive(r, true).unwrap();
        resource::set_owner_pointer(r, pointer, 0).unwrap();
        assert!(!resource::is_acquired_exclusive(r));
        assert_eq!(resource::held_by_current_thread(), 0);
        elsewhere(core, move || resource::release_for_thread(r, pointer)).unwrap();
        assert_eq!(elsewhere(core, move || resource::acquire_shared(r, false)), Ok(false), "still exclusive");
        elsewhere(core, move || resource::release_for_thread(r, pointer)).unwrap();
        assert!(core.findings().is_empty(), "{:?}", core.findings());
        assert_eq!(resource::acquire_exclusive(r, false), Ok(true));
        assert_eq!(resource::set_owner_pointer(r, 0x1000, 0), Err(Raise::Stop));
    });
}

#[test]
fn shared_holds_that_go_to_one_pointer_are_counted_together() {
    // spec: RES-24
    machine(|core| {
        let r = fresh();
        let storage = pool::allocate_new::<KEVENT>(1).unwrap();
        let pointer = std::ptr::from_ref(storage) as usize | 3;
        for _ in 0..2 {
            elsewhere(core, move || {
                resource::acquire_shared(r, true).unwrap();
                resource::set_owner_pointer(r, pointer, resource::OWNER_POINTER_IS_THREAD).unwrap();
            });
        }
        assert_eq!((r.ActiveCount.get(), r.ActiveEntries.get()), (1, 1));
        resource::release_for_thread(r, pointer).unwrap();
        assert_eq!(resource::acquire_exclusive(r, false), Ok(false), "one of the two is left");
        resource::release_for_thread(r, pointer).unwrap();
        assert_eq!(resource::acquire_exclusive(r, false), Ok(true));
    });
}

#[test]
fn who_handed_a_hold_on_cannot_release_it_any_more() {
    // spec: RES-25
    machine(|core| {
        let r = fresh();
        resource::acquire_exclusive(r, true).unwrap();
        resource::set_owner_pointer(r, std::ptr::from_ref(r) as usize | 3, 0).unwrap();
        assert_eq!(resource::release(r), Err(Raise::Stop));
        let check = core.bug_checked().unwrap();
        assert_eq!(check.code, bugcheck::RESOURCE_NOT_OWNED);
        assert!(
            check.message.contains("RES-25") && check.message.contains("owner pointer"),
            "{}",
            check.message
        );
    });
}

#[test]
fn an_owner_pointer_has_its_two_bits_and_a_known_flag() {
    // spec: RES-24
    for (pointer, flags) in [(0x1001usize, 0), (0x1003, 2)] {
        machine(|core| {
            let r = fresh();
            resource::acquire_shared(r, true).unwrap();
            assert_eq!(resource::set_owner_pointer(r, pointer, flags), Err(Raise::Stop));
            assert_eq!(core.bug_checked().unwrap().code, bugcheck::RESOURCE_OWNER_POINTER_INVALID);
        });
    }
    machine(|core| {
        let r = fresh();
        assert_eq!(resource::set_owner_pointer(r, 0x1003, 0), Err(Raise::Stop));
        assert_eq!(core.bug_checked().unwrap().code, bugcheck::RESOURCE_NOT_OWNED);
    });
}

#[test]
fn storage_of_an_owner_pointer_that_went_before_the_release_is_a_finding() {
    // spec: RES-26
    machine(|core| {
        let r = fresh();
        resource::acquire_exclusive(r, true).unwrap();
        resource::set_owner_pointer(r, 0x1003, 0).unwrap();
        resource::release_for_thread(r, 0x1003).unwrap();
        assert_eq!(core.findings()[0].rule, "RES-26");
    });
}

#[test]
fn releasing_for_a_thread_that_did_not_hand_its_hold_on_is_a_finding() {
    // spec: RES-23
    machine(|core| {
        let r = fresh();
        resource::acquire_shared(r, true).unwrap();
        let me = std::ptr::from_ref(current_thread()) as usize;
        elsewhere(core, move || resource::release_for_thread(r, me)).unwrap();
        assert_eq!(resource::is_acquired_shared(r), 0);
        let findings = core.findings();
        assert_eq!(findings[0].rule, "RES-23");
        assert!(findings[0].message.contains(&format!("thread {}", current_thread().number())));
    });
}

#[test]
fn paged_storage_is_a_finding() {
    // spec: RES-01
    machine(|core| {
        let memory = pool::allocate(pool::PoolKind::Paged, size_of::<ERESOURCE>(), 1, true).unwrap();
        // SAFETY: fresh zeroed pool of that size.
        let r = unsafe { memory.cast::<ERESOURCE>().as_ref() };
        assert_eq!(resource::initialize(r), NtStatus::SUCCESS);
        assert_eq!(core.findings()[0].rule, "RES-01");
    });
}

#[test]
fn initialising_twice_is_a_finding() {
    // spec: RES-02
    machine(|core| {
        let r = fresh();
        assert_eq!(resource::initialize(r), NtStatus::SUCCESS);
        assert_eq!(core.findings()[0].rule, "RES-02");
    });
}

#[test]
fn who_owns_it_exclusive_shares_it_exclusive() {
    // spec: RES-14, RES-20
    machine(|core| {
        let r = fresh();
        assert_eq!(resource::acquire_shared(r, false), Ok(true));
        assert_eq!(resource::acquire_shared(r, false), Ok(true));
        assert!(!resource::is_acquired_exclusive(r));
        resource::release(r).unwrap();
        resource::release(r).unwrap();
        resource::acquire_exclusive(r, true).unwrap();
        assert_eq!(resource::acquire_shared_wait_for_exclusive(r, true), Ok(true));
        assert_eq!(resource::acquire_shared_starve_exclusive(r, true), Ok(true));
        resource::release(r).unwrap();
        resource::release(r).unwrap();
        assert!(resource::is_acquired_exclusive(r));
        assert_eq!(elsewhere(core, move || resource::acquire_shared_starve_exclusive(r, false)), Ok(false));
    });
}

#[test]
fn two_sharers_that_both_want_it_alone_are_both_named() {
    // spec: RES-09, RES-10
    machine(|core| {
        let r = fresh();
        let (sharing, wanting) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (sharing, wanting) = (Arc::clone(&sharing), Arc::clone(&wanting));
                start(core, move || {
                    resource::acquire_shared(r, true).unwrap();
                    sharing.fetch_add(1, Ordering::SeqCst);
                    wait_until(|| sharing.load(Ordering::SeqCst) == 2);
                    assert_eq!(resource::acquire_exclusive(r, false), Ok(false), "no upgrade");
                    wanting.fetch_add(current_thread().number(), Ordering::SeqCst);
                    assert_eq!(resource::acquire_exclusive(r, true), Err(Raise::Stop));
                    current_thread().number()
                })
            })
            .collect();
        wait_until(|| resource::exclusive_waiters(r) == 2);
        let findings = core.findings();
        core.request_stop();
        for thread in threads {
            let name = format!("thread {} shares", thread.join().unwrap());
            let named =
                |finding: &&nt_ke::Finding| finding.rule == "RES-09" && finding.message.contains(&name);
            assert_eq!(findings.iter().filter(named).count(), 1, "{name}: {findings:?}");
        }
    });
}

#[test]
fn who_waits_behind_a_writer_for_what_it_shares_goes_on_when_its_first_hold_is_released() {
    // spec: RES-19
    machine(|core| {
        let r = fresh();
        let storage = pool::allocate_new::<KEVENT>(1).unwrap();
        let pointer = std::ptr::from_ref(storage) as usize | 3;
        resource::acquire_shared(r, true).unwrap();
        resource::set_owner_pointer(r, pointer, 0).unwrap();
        let sharer = start(core, move || {
            resource::acquire_shared(r, true).unwrap();
            wait_until(|| resource::exclusive_waiters(r) == 1);
            assert_eq!(resource::acquire_shared_wait_for_exclusive(r, true), Ok(true));
            resource::release(r).unwrap();
            std::ptr::from_ref(current_thread()) as usize
        });
        wait_until(|| r.ActiveCount.get() == 2);
        let writer = start(core, move || {
            resource::acquire_exclusive(r, true).unwrap();
            resource::release(r).unwrap();
        });
        wait_until(|| resource::shared_waiters(r) == 1);
        assert_eq!(core.findings()[0].rule, "RES-19");
        let owners = [r.OwnerEntry.OwnerThread.get(), second_owner(r)];
        let waiting = *owners.iter().find(|owner| **owner != pointer && **owner != 0).expect("the sharer");
        resource::release_for_thread(r, pointer).unwrap();
        resource::release_for_thread(r, waiting).unwrap();
        writer.join().unwrap();
        assert_eq!(sharer.join().unwrap(), waiting);
        assert_eq!(r.ActiveCount.get(), 0);
    });
}

/// The owner in the first entry of the table.
fn second_owner(r: &ERESOURCE) -> usize {
    let table = r.OwnerTable.get();
    assert!(!table.is_null(), "two owners need a table");
    // SAFETY: a table has four entries at least; the first one holds its size.
    unsafe { (*table.add(1)).OwnerThread.get() }
}

#[test]
fn writers_get_it_in_the_order_in_which_they_came() {
    // spec: RES-22
    machine(|core| {
        let r = fresh();
        resource::acquire_exclusive(r, true).unwrap();
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let writers: Vec<_> = (0..4)
            .map(|number| {
                let order = Arc::clone(&order);
                let writer = start(core, move || {
                    resource::acquire_exclusive(r, true).unwrap();
                    order.lock().unwrap().push(number);
                    resource::release(r).unwrap();
                });
                wait_until(|| resource::exclusive_waiters(r) == number + 1);
                writer
            })
            .collect();
        resource::release(r).unwrap();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3]);
    });
}

/// What special kernel APCs counted.
static DELIVERED: AtomicU32 = AtomicU32::new(0);

extern "win64" fn count(_: usize, _: usize, _: usize, _: usize, _: usize) {
    DELIVERED.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn alerts_and_apcs_do_not_end_a_wait_for_a_resource() {
    // spec: RES-31
    machine(|core| {
        let r = fresh();
        resource::acquire_exclusive(r, true).unwrap();
        let waiter_thread = Arc::new(AtomicUsize::new(0));
        let waiter = {
            let waiter_thread = Arc::clone(&waiter_thread);
            start(core, move || {
                waiter_thread.store(std::ptr::from_ref(current_thread()) as usize, Ordering::SeqCst);
                let got = resource::acquire_exclusive(r, true);
                resource::release(r).unwrap();
                got
            })
        };
        wait_until(|| resource::exclusive_waiters(r) == 1);
        // SAFETY: it waits until the release below.
        let thread = unsafe { &*(waiter_thread.load(Ordering::SeqCst) as *const nt_ke::KTHREAD) };
        let apcs: [&nt_abi::KAPC; 2] = [pool::allocate_new(1).unwrap(), pool::allocate_new(1).unwrap()];
        let kernel = NativeFn(count as *const () as usize);
        for (apc, user) in apcs.into_iter().zip([false, true]) {
            // With a normal routine, the second is a user APC.
            let normal = NativeFn(if user { 1 } else { 0 });
            let routines = nt_ke::apc::Routines { kernel, rundown: NativeFn(0), normal };
            nt_ke::apc::initialize(apc, thread, 0, &routines, user, 0);
            assert!(nt_ke::apc::insert(apc, 0, 0));
        }
        dispatcher::alert(thread, false);
        dispatcher::alert(thread, true);
        wait_until(|| DELIVERED.load(Ordering::SeqCst) == 1);
        assert_eq!(resource::exclusive_waiters(r), 1, "it still waits");
        resource::release(r).unwrap();
        assert_eq!(waiter.join().unwrap(), Ok(true));
        assert_eq!(DELIVERED.load(Ordering::SeqCst), 1, "the user APC was not delivered");
    });
}

#[test]
fn the_end_of_a_thread_that_holds_resources_lists_them() {
    // spec: RES-33
    machine(|core| {
        let (held, released) = (fresh(), fresh());
        let number = elsewhere(core, move || {
            resource::acquire_shared(held, true).unwrap();
            resource::acquire_shared(held, true).unwrap();
            resource::acquire_exclusive(released, true).unwrap();
            resource::release(released).unwrap();
            resource::thread_ended(current_thread());
            current_thread().number()
        });
        let findings = core.findings();
        assert_eq!(findings.len(), 1, "{findings:?}");
        let expected = format!("thread {number} ended and still holds the resource {held:p}, 2 times");
        assert!(findings[0].rule == "RES-33" && findings[0].message.contains(&expected), "{findings:?}");
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
