//! Threads, waits, processors and rundown on a bare core: the decisions that everything stands on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use boundary::copy::{self, BadAddress};
use boundary::slot::{ALIAS_OFFSET, Protection};
use boundary::{Raise, caller_address};
use nt_abi::{KEVENT, KMUTEX, KSEMAPHORE, NativeFn, NtStatus, bugcheck};
use nt_ke::dispatcher::{self, object_type};
use nt_ke::{Config, Core, current_core, current_thread, epoch, irql, presence};

fn machine<R>(f: impl FnOnce(&Arc<Core>) -> R) -> R {
    let core = Core::new(Config::default()).expect("a machine");
    let result = core.attach(0, || f(&core)).expect("a thread");
    assert!(core.stop(), "every thread left");
    result
}

/// An event; it must not move once it is initialised, as its list points at itself.
fn event(kind: u8, state: i32) -> &'static KEVENT {
    let event = lasting(KEVENT::default());
    dispatcher::initialize_header(&event.Header, kind, state);
    event
}

/// Runs `f` as another thread of the machine.
fn start<R: Send + 'static>(
    core: &Arc<Core>,
    f: impl FnOnce() -> R + Send + 'static,
) -> std::thread::JoinHandle<R> {
    let core = Arc::clone(core);
    std::thread::spawn(move || core.attach(0, f).expect("a thread"))
}

/// A structure in machine memory, which outlives the threads of the test.
fn lasting<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

#[test]
fn a_notification_event_lets_everyone_pass_and_a_synchronization_event_one() {
    // spec: EXEC-12, EXEC-19
    machine(|_| {
        let notification = event(object_type::NOTIFICATION_EVENT, 1);
        for _ in 0..2 {
            assert_eq!(dispatcher::wait(&notification.Header, false, Some(0)), Ok(NtStatus::SUCCESS));
        }
        let synchronization = event(object_type::SYNCHRONIZATION_EVENT, 1);
        assert_eq!(dispatcher::wait(&synchronization.Header, false, Some(0)), Ok(NtStatus::SUCCESS));
        assert_eq!(dispatcher::wait(&synchronization.Header, false, Some(0)), Ok(NtStatus::TIMEOUT));
        assert_eq!(dispatcher::set_event(&synchronization.Header), 0, "the previous state");
        assert_eq!(dispatcher::set_event(&synchronization.Header), 1);
        assert_eq!(dispatcher::reset_event(&synchronization.Header), 1);
    });
}

#[test]
fn memory_that_is_no_object_is_a_bug_check_and_not_followed() {
    // spec: EXEC-12
    for wild in [0usize, 0x1001, 0x10, 0x10_0000_0000] {
        let core = Core::new(Config::default()).expect("a machine");
        let waited = core.attach(0, || {
            let object = event(object_type::NOTIFICATION_EVENT, 0);
            object.Header.WaitListHead.Flink.set(wild as *mut _);
            object.Header.WaitListHead.Blink.set(wild as *mut _);
            dispatcher::wait(&object.Header, false, Some(0))
        });
        assert_eq!(waited.expect("a thread"), Err(Raise::Stop), "list at {wild:#x}");
        assert!(core.stop(), "every thread left");
        let check = core.bug_checked().expect("it ended the machine");
        assert_eq!(check.code, bugcheck::KMODE_EXCEPTION_NOT_HANDLED);
        assert!(check.message.contains("no initialised dispatcher object"), "{}", check.message);
    }
}

#[test]
fn a_waiting_thread_is_woken_by_another() {
    machine(|core| {
        let gate = event(object_type::SYNCHRONIZATION_EVENT, 0);
        let waiter = start(core, move || dispatcher::wait(&gate.Header, false, None));
        while std::ptr::eq(gate.Header.WaitListHead.Flink.get(), &gate.Header.WaitListHead) {
            std::thread::yield_now();
        }
        dispatcher::set_event(&gate.Header);
        assert_eq!(waiter.join().expect("no panic"), Ok(NtStatus::SUCCESS));
        assert_eq!(gate.Header.SignalState.load(Ordering::Relaxed), 0, "taken by the waiter");
    });
}

#[test]
fn waiting_for_any_tells_which_and_waiting_for_all_takes_all_at_once() {
    machine(|_| {
        let (first, second) =
            (event(object_type::SYNCHRONIZATION_EVENT, 0), event(object_type::SYNCHRONIZATION_EVENT, 1));
        let both = [&first.Header, &second.Header];
        assert_eq!(dispatcher::wait_multiple(&both, true, false, Some(0)), Ok(NtStatus::TIMEOUT));
        assert_eq!(second.Header.SignalState.load(Ordering::Relaxed), 1, "nothing was taken");
        assert_eq!(dispatcher::wait_multiple(&both, false, false, Some(0)), Ok(NtStatus(1)));
    });
}

#[test]
fn mutexes_are_recursive_and_semaphores_count() {
    // spec: EXEC-18
    machine(|core| {
        let mutex = lasting(KMUTEX::default());
        dispatcher::initialize_header(&mutex.Header, object_type::MUTANT, 1);
        for _ in 0..3 {
            assert_eq!(dispatcher::wait(&mutex.Header, false, Some(0)), Ok(NtStatus::SUCCESS));
        }
        let other = start(core, move || {
            (dispatcher::wait(&mutex.Header, false, Some(0)), dispatcher::release_mutex(mutex))
        });
        let refused = Err(Raise::Status(NtStatus::MUTANT_NOT_OWNED));
        assert_eq!(other.join().expect("no panic"), (Ok(NtStatus::TIMEOUT), refused));
        for _ in 0..3 {
            dispatcher::release_mutex(mutex).expect("owned");
        }
        let semaphore = KSEMAPHORE::default();
        dispatcher::initialize_header(&semaphore.Header, object_type::SEMAPHORE, 0);
        semaphore.Limit.set(2);
        assert_eq!(dispatcher::release_semaphore(&semaphore, 2), Ok(0));
        let over = Err(Raise::Status(NtStatus::SEMAPHORE_LIMIT_EXCEEDED));
        assert_eq!(dispatcher::release_semaphore(&semaphore, 1), over);
    });
}

#[test]
fn a_wait_ends_with_the_machine() {
    let core = Core::new(Config::default()).expect("a machine");
    let gate = event(object_type::NOTIFICATION_EVENT, 0);
    let waiter = start(&core, move || dispatcher::wait(&gate.Header, false, None));
    while gate.Header.WaitListHead.Flink.get().is_null()
        || std::ptr::eq(gate.Header.WaitListHead.Flink.get(), &gate.Header.WaitListHead)
    {
        std::thread::yield_now();
    }
    assert!(core.stop());
    assert_eq!(waiter.join().expect("no panic"), Err(Raise::Stop));
}

#[test]
fn a_wait_at_dispatch_level_is_a_bug_check() {
    // spec: EXEC-11
    let core = Core::new(Config::default()).expect("a machine");
    let outcome = core.attach(0, || {
        let gate = event(object_type::NOTIFICATION_EVENT, 0);
        irql::raise(2);
        assert_eq!(
            dispatcher::wait(&gate.Header, false, Some(0)),
            Ok(NtStatus::TIMEOUT),
            "polling is allowed"
        );
        dispatcher::wait(&gate.Header, false, None)
    });
    assert_eq!(outcome.expect("a thread"), Err(Raise::Stop));
    assert_eq!(core.bug_checked().map(|check| check.code), Some(bugcheck::IRQL_NOT_LESS_OR_EQUAL));
    assert!(core.stop());
}

#[test]
fn raising_to_dispatch_level_claims_a_processor_that_nobody_else_gets() {
    machine(|core| {
        let most = lasting(AtomicU32::new(0));
        let held = lasting([const { AtomicBool::new(false) }; 64]);
        let threads: Vec<_> = (0..6)
            .map(|_| {
                start(core, move || {
                    for _ in 0..200 {
                        let old = irql::raise(2);
                        let number = boundary::current().number.get();
                        assert!(
                            !held[number as usize].swap(true, Ordering::SeqCst),
                            "processor {number} is taken"
                        );
                        most.fetch_max(number, Ordering::Relaxed);
                        held[number as usize].store(false, Ordering::SeqCst);
                        irql::lower(old);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no processor was shared");
        }
        assert!(most.load(Ordering::Relaxed) < core.config.processors);
    });
}

#[test]
fn threads_know_their_block_their_stack_and_their_mode() {
    machine(|core| {
        let thread = current_thread();
        let local = 0u8;
        let (low, high) = thread.stack_limits();
        let address = std::ptr::from_ref(&local) as usize;
        assert!((low..high).contains(&address), "locals lie on the machine's own stack");
        assert!(low > core.slot.system_range_start(), "which is kernel memory");
        assert!(std::ptr::eq(current_core(), Arc::as_ptr(core)));
        assert_eq!((thread.previous_mode().get(), caller_address()), (0, 0));
        let inner = start(core, || current_thread().number());
        assert_ne!(inner.join().expect("no panic"), thread.number());
    });
}

#[test]
fn user_and_kernel_memory_are_apart_and_every_page_has_an_alias() {
    let core = Core::new(Config::default()).expect("a machine");
    let slot = &core.slot;
    let user = slot.base() + 0x10000;
    assert!(slot.is_user(user) && !slot.is_user(slot.system_range_start()));
    copy::write(user, b"seen").expect("user memory is there");
    let mut bytes = [0; 4];
    copy::read(slot.alias(user), &mut bytes).expect("so is its alias");
    assert_eq!((&bytes, slot.alias(user) - user), (b"seen", ALIAS_OFFSET));
    let frame = slot.frame_of(user).expect("every page has a frame number");
    assert_eq!(slot.frame_alias(frame), slot.alias(user) & !0xFFF);
    // Protected from drivers, still writable for the engine.
    slot.protect(user & !0xFFF, 4096, Protection::Read).expect("a page of the slot");
    assert_eq!(core.attach(0, || copy::write(user, b"no")).expect("a thread"), Err(BadAddress(user)));
    copy::write(slot.alias(user), b"yes!").expect("the alias is always writable");
    copy::read(user, &mut bytes).expect("readable");
    assert_eq!(&bytes, b"yes!");
    let other = Core::new(Config::default()).expect("another machine");
    assert_ne!(other.slot.base(), slot.base());
    assert!(core.stop() && other.stop());
}

#[test]
fn bad_addresses_are_errors_and_not_crashes() {
    machine(|core| {
        let hole = core.slot.images() + 0x1000;
        for address in [0, 8, hole, 0xFFFF_8000_0000_0000] {
            assert!(copy::read_value::<u64>(address).is_err(), "{address:#x}");
            assert!(copy::write_value(address, 1u64).is_err(), "{address:#x}");
            assert!(copy::read_value::<u32>(address).is_err(), "{address:#x}");
            for length in [1, 127, 128, 4096, 4100, 1 << 16] {
                let mut bytes = vec![0u8; length];
                assert!(copy::read(address, &mut bytes).is_err(), "{length} bytes from {address:#x}");
                assert!(copy::write(address, &bytes).is_err(), "{length} bytes to {address:#x}");
                assert!(copy::fill(address, 0, length.next_multiple_of(8)).is_err(), "{length} zeros");
            }
        }
    });
}

#[test]
fn copies_of_every_length_and_alignment_are_whole() {
    let from: Vec<u8> = (0..40_000u32).map(|at| (at * 7 % 251) as u8).collect();
    for length in [0, 1, 63, 127, 128, 129, 255, 256, 4095, 4096, 4097, 16_383, 16_384, 33_000] {
        for start in [0, 1, 31] {
            let mut to = vec![0xEE; length + 64];
            copy::read(from[start..].as_ptr() as usize, &mut to[32..32 + length]).expect("good memory");
            assert_eq!(to[32..32 + length], from[start..start + length]);
            assert!(to[..32].iter().chain(&to[32 + length..]).all(|byte| *byte == 0xEE));
        }
    }
    for length in [8, 24, 32, 40, 72, 424, 1024, 1032, 5000] {
        let mut to = vec![0xEEu8; length + 16];
        copy::fill(to[8..].as_mut_ptr() as usize, 0, length).expect("good memory");
        assert!(to[8..8 + length].iter().all(|byte| *byte == 0));
        assert!(to[..8].iter().chain(&to[8 + length..]).all(|byte| *byte == 0xEE));
    }
    // Downwards, onto itself.
    let mut both = from.clone();
    let address = both.as_mut_ptr() as usize;
    copy::copy(address, address + 100, 8_000).expect("good memory");
    assert_eq!(both[..8_000], from[100..8_100]);
}

/// Puts machine code into the image area.
fn code(core: &Core, bytes: &[u8]) -> NativeFn {
    let at = core.slot.images() + 0x10000;
    copy::write(core.slot.alias(at), bytes).expect("the alias is writable");
    core.slot.protect(at, 4096, Protection::ReadExecute).expect("a page of the slot");
    NativeFn(at)
}

#[test]
fn native_code_gets_its_arguments_and_gives_its_result() {
    machine(|core| {
        // rax = rcx + rdx + r8 + r9 + the fifth and sixth argument above the home space
        let sum = code(
            core,
            &[
                0x48, 0x89, 0xC8, 0x48, 0x01, 0xD0, 0x4C, 0x01, 0xC0, 0x4C, 0x01, 0xC8, 0x48, 0x03, 0x44,
                0x24, 0x28, 0x48, 0x03, 0x44, 0x24, 0x30, 0xC3,
            ],
        );
        assert_eq!(boundary::call(sum, [1, 20, 300, 4000, 50_000, 600_000]), Ok(654_321));
    });
}

#[test]
fn what_native_code_writes_behind_a_reference_is_seen() {
    machine(|core| {
        // mov qword ptr [rcx], 0x539; ret
        let write = code(core, &[0x48, 0xC7, 0x01, 0x39, 0x05, 0x00, 0x00, 0xC3]);
        let entry = lasting(nt_abi::LIST_ENTRY::default());
        let field = &entry.Flink;
        assert!(field.get().is_null());
        boundary::call(write, [std::ptr::from_ref(entry) as u64]).expect("legal code");
        // A plain reference would let the compiler keep the null that it has just read.
        assert_eq!(field.get() as usize, 0x539);
    });
}

#[test]
fn a_fault_in_native_code_unwinds_to_the_call_with_registers_whole() {
    let core = Core::new(Config::default()).expect("a machine");
    let outcome = core.attach(0, || {
        // Destroys every nonvolatile register and the stack pointer, then reads address 0x10.
        let wild = code(
            &core,
            &[
                0x31, 0xDB, 0x31, 0xED, 0x31, 0xF6, 0x31, 0xFF, 0x45, 0x31, 0xE4, 0x45, 0x31, 0xED, 0x45,
                0x31, 0xF6, 0x45, 0x31, 0xFF, 0x48, 0x81, 0xEC, 0x00, 0x10, 0x00, 0x00, 0x48, 0x8B, 0x04,
                0x25, 0x10, 0x00, 0x00, 0x00, 0xC3,
            ],
        );
        let kept: Vec<u64> = (0..8).collect();
        let outcome = boundary::call(wild, []);
        assert_eq!(kept, (0..8).collect::<Vec<u64>>(), "what lay in registers and on the stack is intact");
        // The machine has ended: no driver runs any more.
        assert_eq!(boundary::call(wild, []), Err(Raise::Stop));
        outcome
    });
    assert_eq!(outcome.expect("a thread"), Err(Raise::Stop));
    let check = core.bug_checked().expect("a bug check");
    assert_eq!((check.code, check.parameters[0]), (bugcheck::PAGE_FAULT_IN_NONPAGED_AREA, 0x10));
    assert!(core.stop());
}

#[test]
fn retired_tables_are_freed_when_nobody_is_pinned_any_more() {
    machine(|core| {
        let freed = Arc::new(AtomicBool::new(false));
        let pin = epoch::pin(core);
        let mark = Arc::clone(&freed);
        core.epochs.retire(core, move || mark.store(true, Ordering::SeqCst));
        core.epochs.collect(core);
        assert!(!freed.load(Ordering::SeqCst), "this thread may still look at it");
        drop(pin);
        core.epochs.collect(core);
        assert!(freed.load(Ordering::SeqCst));
    });
}

#[test]
fn draining_waits_for_those_who_are_inside_and_for_nobody_else() {
    machine(|core| {
        let (mine, theirs) = (0x1000, 0x2000);
        let _elsewhere = presence::enter(theirs).expect("room");
        let inside = lasting(AtomicBool::new(false));
        let leave = lasting(AtomicBool::new(false));
        let visitor = start(core, move || {
            let _presence = presence::enter(mine).expect("room");
            inside.store(true, Ordering::SeqCst);
            while !leave.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
        });
        while !inside.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        // Nobody else is inside `theirs`: at once.
        presence::drain(core, theirs).expect("the machine runs");
        let drained = lasting(AtomicBool::new(false));
        let core2 = Arc::clone(core);
        let drainer = start(core, move || {
            presence::drain(&core2, mine).expect("the machine runs");
            drained.store(true, Ordering::SeqCst);
        });
        for _ in 0..1000 {
            std::thread::yield_now();
        }
        assert!(!drained.load(Ordering::SeqCst), "the visitor is still inside");
        leave.store(true, Ordering::SeqCst);
        visitor.join().expect("no panic");
        drainer.join().expect("no panic");
        assert!(drained.load(Ordering::SeqCst));
    });
}

#[test]
fn a_hang_is_decided_by_who_waits_and_not_by_a_clock() {
    let core = Core::new(Config { detect_hangs: true, ..Config::default() }).expect("a machine");
    let outcome = core.attach(0, || {
        let gate = event(object_type::NOTIFICATION_EVENT, 0);
        assert_eq!(
            dispatcher::wait(&gate.Header, false, Some(-10)),
            Ok(NtStatus::TIMEOUT),
            "a timeout ends by itself"
        );
        dispatcher::wait(&gate.Header, false, None)
    });
    assert_eq!(outcome.expect("a thread"), Err(Raise::Stop));
    assert_eq!(core.bug_checked().map(|check| check.code), Some(nt_ke::bugcheck::HANG));
    assert!(core.stop());
}

#[test]
fn locks_are_taken_in_the_order_of_their_ranks() {
    if !cfg!(debug_assertions) {
        return;
    }
    machine(|_| {
        let (outer, inner) =
            (nt_ke::Lock::new(nt_ke::Rank::FltTables, ()), nt_ke::Lock::new(nt_ke::Rank::ExPool, ()));
        {
            let _outer = outer.lock();
            let _inner = inner.lock();
        }
        let wrong = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _inner = inner.lock();
            let _outer = outer.lock();
        }));
        assert!(wrong.is_err(), "the other order is refused");
    });
}
