//! Fast mutexes, rundown protection, lists, lookaside lists, MDLs, work queues.

mod machine;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use boundary::{Raise, copy};
use machine::machine;
use nt_abi::{
    EX_RUNDOWN_REF, FAST_MUTEX, GENERAL_LOOKASIDE, KEVENT, LIST_ENTRY, NativeFn, SLIST_HEADER,
    WORK_QUEUE_ITEM, bugcheck,
};
use nt_ex::pool::{self, PoolKind};
use nt_ex::work::{self, WorkQueue};
use nt_ex::{fast_mutex, list, lookaside, mdl, rundown, slist};
use nt_ke::dispatcher::{self, object_type};
use nt_ke::{Core, irql};

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

/// Machine code in executable pool.
fn code(bytes: &[u8]) -> NativeFn {
    let block = pool::allocate(PoolKind::NonPagedExecute, bytes.len(), 1, true).unwrap().as_ptr() as usize;
    copy::write(block, bytes).unwrap();
    NativeFn(block)
}

fn fresh_mutex() -> &'static FAST_MUTEX {
    let mutex = pool::allocate_new::<FAST_MUTEX>(1).unwrap();
    fast_mutex::initialize(mutex);
    mutex
}

#[test]
fn a_fast_mutex_raises_to_apc_level_and_restores() {
    // spec: EXEC-10, EXEC-21
    machine(|core| {
        let mutex = fresh_mutex();
        fast_mutex::acquire(mutex).unwrap();
        assert_eq!(irql::current(), 1);
        assert!(fast_mutex::is_owner(mutex));
        assert!(!start(core, move || fast_mutex::try_acquire(mutex)).join().unwrap());
        fast_mutex::release(mutex).unwrap();
        assert_eq!(irql::current(), 0);
        assert!(fast_mutex::try_acquire(mutex));
        fast_mutex::release(mutex).unwrap();
    });
}

#[test]
fn a_fast_mutex_excludes() {
    // spec: EXEC-21
    machine(|core| {
        let mutex = fresh_mutex();
        let counter = Arc::new(std::sync::Mutex::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let counter = Arc::clone(&counter);
                start(core, move || {
                    for _ in 0..500 {
                        fast_mutex::acquire(mutex).unwrap();
                        *counter.try_lock().expect("alone") += 1;
                        fast_mutex::release(mutex).unwrap();
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(*counter.lock().unwrap(), 2000);
        assert_eq!(mutex.Count.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn acquiring_a_fast_mutex_twice_ends_the_machine() {
    // spec: EXEC-21
    machine(|core| {
        let mutex = fresh_mutex();
        fast_mutex::acquire(mutex).unwrap();
        assert_eq!(fast_mutex::acquire(mutex), Err(Raise::Stop));
        assert_eq!(core.bug_checked().unwrap().code, nt_ke::bugcheck::HANG);
    });
}

#[test]
fn releasing_anothers_fast_mutex_is_a_bug_check() {
    machine(|core| {
        let mutex = fresh_mutex();
        fast_mutex::acquire(mutex).unwrap();
        assert_eq!(start(core, move || fast_mutex::release(mutex)).join().unwrap(), Err(Raise::Stop));
        assert!(core.bug_checked().is_some());
    });
}

#[test]
fn rundown_waits_for_all_holders_and_then_refuses() {
    // spec: EXEC-39, EXEC-41
    machine(|core| {
        let r = pool::allocate_new::<EX_RUNDOWN_REF>(1).unwrap();
        rundown::initialize(r);
        assert!(rundown::acquire(r, 1));
        assert!(rundown::acquire(r, 2));
        assert_eq!(r.Count.load(Ordering::SeqCst), 6);
        let waiter = start(core, move || rundown::wait(r));
        wait_until(|| !rundown::acquire(r, 1) || rundown::release(r, 1).is_err());
        rundown::release(r, 2).unwrap();
        assert!(!waiter.is_finished());
        rundown::release(r, 1).unwrap();
        waiter.join().unwrap().unwrap();
        assert_eq!(r.Count.load(Ordering::SeqCst), 1);
        assert!(!rundown::acquire(r, 1));
        rundown::wait(r).unwrap();
        rundown::initialize(r);
        assert!(rundown::acquire(r, 1));
    });
}

#[test]
fn releasing_rundown_protection_too_often_is_a_bug_check() {
    // spec: EXEC-40
    machine(|core| {
        let r = pool::allocate_new::<EX_RUNDOWN_REF>(1).unwrap();
        rundown::initialize(r);
        assert_eq!(rundown::release(r, 1), Err(Raise::Stop));
        assert_eq!(core.bug_checked().unwrap().code, bugcheck::INVALID_RUNDOWN_PROTECTION_FLAGS);
    });
}

#[test]
fn interlocked_lists_keep_their_order_and_depth() {
    machine(|_| {
        let head = pool::allocate_new::<SLIST_HEADER>(1).unwrap();
        slist::initialize(head);
        let entries: Vec<usize> = (0..3)
            .map(|_| pool::allocate_engine(PoolKind::NonPaged, 32, 1).unwrap().as_ptr() as usize)
            .collect();
        assert_eq!(slist::pop(head), Ok(0));
        assert_eq!(slist::push(head, entries[0]), Ok(0));
        assert_eq!(slist::push(head, entries[1]), Ok(entries[0]));
        assert_eq!(slist::push(head, entries[2]), Ok(entries[1]));
        assert_eq!(slist::depth(head), 3);
        assert_eq!(slist::pop(head), Ok(entries[2]));
        assert_eq!(slist::flush(head), entries[1]);
        assert_eq!((slist::depth(head), slist::pop(head)), (0, Ok(0)));
        assert_eq!(slist::push(head, entries[0] + 8), Err(Raise::Stop));
    });
}

#[test]
fn interlocked_lists_lose_nothing_between_threads() {
    machine(|core| {
        let head = pool::allocate_new::<SLIST_HEADER>(1).unwrap();
        slist::initialize(head);
        for _ in 0..64 {
            slist::push(head, pool::allocate_engine(PoolKind::NonPaged, 32, 1).unwrap().as_ptr() as usize)
                .unwrap();
        }
        let threads: Vec<_> = (0..4)
            .map(|_| {
                start(core, move || {
                    for _ in 0..3000 {
                        let entry = slist::pop(head).unwrap();
                        if entry != 0 {
                            slist::push(head, entry).unwrap();
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
        let mut seen = std::collections::BTreeSet::new();
        loop {
            match slist::pop(head).unwrap() {
                0 => break,
                entry => assert!(seen.insert(entry)),
            }
        }
        assert_eq!(seen.len(), 64);
    });
}

#[test]
fn a_damaged_list_is_found_before_it_is_followed() {
    machine(|core| {
        let head = pool::allocate_new::<LIST_ENTRY>(1).unwrap();
        let entry = pool::allocate_new::<LIST_ENTRY>(1).unwrap();
        let lock = pool::allocate_new::<AtomicUsize>(1).unwrap();
        list::initialize(head);
        assert_eq!(list::interlocked_insert_tail(head, entry, lock), Ok(0));
        assert!(!list::is_empty(head));
        assert_eq!(list::interlocked_remove_head(head, lock), Ok(std::ptr::from_ref(entry) as usize));
        assert_eq!(list::interlocked_remove_head(head, lock), Ok(0));
        assert_eq!(list::interlocked_insert_head(head, entry, lock), Ok(0));
        entry.Flink.set(0x8000 as *mut _);
        assert_eq!(list::interlocked_remove_head(head, lock), Err(Raise::Stop));
        assert_eq!(core.bug_checked().unwrap().code, bugcheck::KERNEL_SECURITY_CHECK_FAILURE);
        assert_eq!(irql::current(), 0);
    });
}

#[test]
fn a_lookaside_list_keeps_freed_entries_and_frees_them_when_deleted() {
    // spec: IO-56
    machine(|_| {
        let backing: Vec<usize> = (0..8)
            .map(|_| pool::allocate_engine(PoolKind::NonPaged, 64, 1).unwrap().as_ptr() as usize)
            .collect();
        let next = pool::allocate_engine(PoolKind::NonPaged, 16, 1).unwrap().as_ptr() as usize;
        let freed = pool::allocate_engine(PoolKind::NonPaged, 16, 1).unwrap().as_ptr() as usize;
        copy::write_value(next, backing[0]).unwrap();
        // Answers what `next` holds: mov rax, imm64; mov rax, [rax]; ret
        let mut allocate = vec![0x48, 0xB8];
        allocate.extend(next.to_le_bytes());
        allocate.extend([0x48, 0x8B, 0x00, 0xC3]);
        // Counts at `freed`: mov rax, imm64; inc dword [rax]; ret
        let mut free = vec![0x48, 0xB8];
        free.extend(freed.to_le_bytes());
        free.extend([0xFF, 0x00, 0xC3]);
        let l = pool::allocate_new::<GENERAL_LOOKASIDE>(1).unwrap();
        let parameters = lookaside::Parameters {
            allocate: code(&allocate),
            free: code(&free),
            pool_type: 0x200,
            size: 64,
            tag: 1,
            depth: 0,
        };
        lookaside::initialize(l, &parameters);
        assert_eq!(lookaside::allocate(l), Ok(backing[0]));
        lookaside::free(l, backing[0]).unwrap();
        copy::write_value(next, backing[1]).unwrap();
        assert_eq!(lookaside::allocate(l), Ok(backing[0]));
        assert_eq!(
            (l.TotalAllocates.load(Ordering::SeqCst), l.AllocateMisses.load(Ordering::SeqCst)),
            (2, 1)
        );
        for entry in &backing {
            lookaside::free(l, *entry).unwrap();
        }
        assert_eq!(copy::read_value::<u32>(freed), Ok(4));
        lookaside::delete(l).unwrap();
        assert_eq!(copy::read_value::<u32>(freed), Ok(8));
    });
}

#[test]
fn an_mdl_of_user_memory_gives_a_system_address_of_the_same_bytes() {
    // spec: IO-34, IO-35, IO-36
    machine(|_| {
        let buffer = nt_mm::UserBuffer::from_bytes(&[7; 10_000]).unwrap();
        let m = mdl::allocate(buffer.address(), buffer.len()).unwrap();
        nt_mm::mdl::probe_and_lock_pages(m, true, nt_abi::IoWriteAccess).unwrap();
        assert_eq!(nt_mm::user::page_locks(buffer.address()), 1);
        let system = nt_mm::mdl::map_locked_pages(m).unwrap();
        assert_eq!(system % 4096, buffer.address() % 4096);
        assert!(!nt_ke::current_core().slot.is_user(system));
        copy::write(system + 9_999, &[9]).unwrap();
        assert_eq!(buffer.to_vec(10_000).unwrap()[9_999], 9);
        nt_mm::mdl::unlock_pages(m).unwrap();
        assert_eq!(nt_mm::user::page_locks(buffer.address()), 0);
        mdl::free(m).unwrap();
    });
}

#[test]
fn freeing_a_locked_mdl_is_a_finding() {
    // spec: IO-40
    machine(|core| {
        let buffer = nt_mm::UserBuffer::new(100).unwrap();
        let m = mdl::allocate(buffer.address(), buffer.len()).unwrap();
        nt_mm::mdl::probe_and_lock_pages(m, true, nt_abi::IoReadAccess).unwrap();
        mdl::free(m).unwrap();
        assert_eq!(core.findings()[0].rule, "IO-40");
    });
}

#[test]
fn locking_an_mdl_twice_is_a_bug_check() {
    // spec: IO-33
    machine(|core| {
        let buffer = nt_mm::UserBuffer::new(100).unwrap();
        let m = mdl::allocate(buffer.address(), buffer.len()).unwrap();
        nt_mm::mdl::probe_and_lock_pages(m, true, nt_abi::IoReadAccess).unwrap();
        assert_eq!(nt_mm::mdl::probe_and_lock_pages(m, true, nt_abi::IoReadAccess), Err(Raise::Stop));
        assert!(core.bug_checked().is_some());
    });
}

#[test]
fn a_partial_mdl_names_the_part_of_its_source() {
    machine(|_| {
        let block = pool::allocate(PoolKind::NonPaged, 5 * 4096, 1, true).unwrap().as_ptr() as usize;
        let source = mdl::allocate(block, 5 * 4096).unwrap();
        nt_mm::mdl::build_for_nonpaged_pool(source);
        let target = mdl::allocate(block, 3 * 4096).unwrap();
        nt_mm::mdl::build_partial(source, target, block + 4096 + 100, 4096).unwrap();
        let frames = nt_mm::mdl::frames(source);
        let part = nt_mm::mdl::frames(target);
        assert_eq!((part.len(), part[0].get(), part[1].get()), (2, frames[1].get(), frames[2].get()));
        assert_eq!(nt_mm::mdl::map_locked_pages(target), Ok(block + 4096 + 100));
        assert_eq!(nt_mm::mdl::build_partial(source, target, block + 4096, 5 * 4096), Err(Raise::Stop));
    });
}

#[test]
fn work_runs_on_a_system_thread_at_passive_level() {
    // spec: EXEC-36
    machine(|_| {
        let done = pool::allocate_new::<KEVENT>(1).unwrap();
        dispatcher::initialize_header(&done.Header, object_type::NOTIFICATION_EVENT, 0);
        let seen = Arc::new(AtomicU32::new(9));
        let worker = Arc::clone(&seen);
        irql::raise(2);
        work::queue(WorkQueue::Delayed, move || {
            worker.store(
                u32::from(irql::current()) + u32::from(!nt_ke::current_thread().is_system()),
                Ordering::SeqCst,
            );
            dispatcher::set_event(&done.Header);
            Ok(())
        });
        irql::lower(0);
        dispatcher::wait(&done.Header, false, None).unwrap();
        assert_eq!(seen.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn work_that_waits_does_not_hold_up_other_work() {
    machine(|_| {
        let events: Vec<&'static KEVENT> = (0..9).map(|_| pool::allocate_new::<KEVENT>(1).unwrap()).collect();
        for event in &events {
            dispatcher::initialize_header(&event.Header, object_type::NOTIFICATION_EVENT, 0);
        }
        for pair in events.windows(2) {
            let (mine, next) = (pair[0], pair[1]);
            work::queue(WorkQueue::Critical, move || {
                dispatcher::wait(&next.Header, false, None)?;
                dispatcher::set_event(&mine.Header);
                Ok(())
            });
        }
        dispatcher::set_event(&events[8].Header);
        dispatcher::wait(&events[0].Header, false, None).unwrap();
    });
}

#[test]
fn a_native_item_runs_with_its_parameter_and_can_be_queued_again() {
    // spec: EXEC-37
    machine(|_| {
        // lock inc dword [rcx]; ret
        let routine = code(&[0xF0, 0xFF, 0x01, 0xC3]);
        let counter = pool::allocate_new::<AtomicU32>(1).unwrap();
        let item = pool::allocate_new::<WORK_QUEUE_ITEM>(1).unwrap();
        work::initialize(item, routine, std::ptr::from_ref(counter) as usize);
        for round in 1..=3 {
            work::queue_item(WorkQueue::Delayed, item).unwrap();
            wait_until(|| counter.load(Ordering::SeqCst) == round);
        }
    });
}

#[test]
fn queueing_an_item_that_is_queued_is_a_bug_check() {
    // spec: EXEC-37
    machine(|core| {
        let item = pool::allocate_new::<WORK_QUEUE_ITEM>(1).unwrap();
        work::initialize(item, NativeFn(0), 0);
        item.List.Flink.set(0x10 as *mut _);
        assert_eq!(work::queue_item(WorkQueue::Delayed, item), Err(Raise::Stop));
        assert_eq!(core.bug_checked().unwrap().code, bugcheck::WORKER_INVALID);
    });
}

#[test]
fn writers_of_a_spin_lock_keep_readers_and_each_other_out() {
    use nt_ex::spin_lock;
    machine(|core| {
        let (lock, pair) =
            (Arc::new(AtomicU32::new(0)), Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]));
        let threads: Vec<_> = (0..3)
            .map(|number| {
                let (lock, pair) = (Arc::clone(&lock), Arc::clone(&pair));
                start(core, move || {
                    for _ in 0..2000 {
                        if number == 0 {
                            spin_lock::acquire_shared(&lock).unwrap();
                            let both = [&pair[0], &pair[1]].map(|half| half.load(Ordering::Relaxed));
                            assert_eq!(both[0], both[1], "a reader sees whole changes");
                            spin_lock::release_shared(&lock).unwrap();
                        } else {
                            spin_lock::acquire_exclusive(&lock).unwrap();
                            for half in pair.iter() {
                                let value = half.load(Ordering::Relaxed);
                                half.store(value + 1, Ordering::Relaxed);
                            }
                            spin_lock::release_exclusive(&lock).unwrap();
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(pair[0].load(Ordering::Relaxed), 4000, "no change of a writer is lost");
        assert_eq!(lock.load(Ordering::Relaxed), 0);
    });
}
