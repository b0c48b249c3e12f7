//! The layout of frames, and the lists that they wait in.

use std::sync::Arc;

use nt_ex::pool;
use nt_ke::{Config, Core};

use super::*;

fn in_machine(f: impl FnOnce(&Arc<Core>)) {
    let core = Core::new(Config::default()).expect("a slot is free");
    core.attach(0, || {
        core.install(Box::new(nt_mm::Mm::new(&core).expect("pages")));
        core.install(Box::new(nt_ex::Ex::new(&core)));
        f(&core);
    })
    .expect("a thread");
    assert!(core.stop());
}

fn address<T>(of: &T) -> usize {
    std::ptr::from_ref(of) as usize
}

#[test]
fn a_frame_is_the_operation_its_records_and_two_versions_more() {
    in_machine(|_| {
        let frames = Frames::default();
        for (asked, capacity) in [(1, 16), (16, 16), (17, 32), (100, 112)] {
            let operation = frames.take(asked).expect("memory");
            assert_eq!((operation.room(), operation.used()), (capacity, 0));
            let records = address(operation) + size_of::<Operation>();
            assert_eq!(address(operation.owed(0)), records);
            assert_eq!(address(operation.owed(capacity - 1)), records + 64 * (capacity - 1));
            let versions = records + 64 * capacity;
            assert_eq!(address(operation.version_at(0)), versions);
            let last = address(operation.version_at(capacity as u32 + 1));
            assert_eq!(last, versions + 72 * (capacity + 1));
            assert_eq!(frame_bytes(capacity), last + 72 - address(operation));
            let (start, bytes, _) = pool::block_around(address(operation)).expect("a pool block");
            assert_eq!(start, address(operation));
            assert!(bytes >= frame_bytes(capacity));
            operation.used.store(3, Ordering::Relaxed);
            assert_eq!((operation.room(), operation.used()), (capacity - 3, 3));
            frames.give(operation);
            assert!(frames.take_back().is_some());
        }
    });
}

#[test]
fn frames_are_used_again_and_replaced_by_larger_ones() {
    in_machine(|core| {
        let frames = Frames::default();
        let first = frames.take(3).expect("memory");
        frames.give(first);
        let before = pool::allocations();
        for records in [1, 16] {
            let again = frames.take(records).expect("memory");
            assert!(std::ptr::eq(first, again));
            frames.give(again);
        }
        assert_eq!(pool::allocations(), before, "nothing is allocated on the way");
        // Two at once, then the one that was given back last comes first.
        let (one, two) = (frames.take(1).expect("memory"), frames.take(1).expect("memory"));
        assert!(std::ptr::eq(first, one) && !std::ptr::eq(one, two));
        assert_eq!(pool::allocations(), before + 1);
        frames.give(two);
        frames.give(one);
        assert!(std::ptr::eq(one, frames.take(1).expect("memory")));
        assert!(std::ptr::eq(two, frames.take(1).expect("memory")));
        frames.give(one);
        // One that is too small is freed, once nobody can look at it.
        let large = frames.take(17).expect("memory");
        assert_eq!(large.room(), 32);
        assert!(pool::block_around(address(two)).is_some());
        core.epochs.collect(core);
        assert!(pool::block_around(address(one)).is_none(), "freed");
        frames.give(large);
        assert!(std::ptr::eq(large, frames.take(1).expect("memory")));
        frames.give(large);
        frames.give(two);
    });
}

#[test]
fn a_frame_that_is_kept_for_later_is_large_enough_and_lent_to_the_next_operation() {
    in_machine(|core| {
        let frames = Frames::default();
        assert!(frames.take_back().is_none());
        let small = frames.spare(4).expect("memory");
        assert_eq!(small.room(), 16);
        frames.lend(small);
        let before = pool::allocations();
        let spare = frames.spare(16).expect("memory");
        assert!(std::ptr::eq(small, spare), "the one of the list");
        assert!(frames.take_back().is_none(), "which is taken out of it");
        frames.lend(spare);
        let used = frames.take(5).expect("memory");
        assert!(std::ptr::eq(small, used));
        frames.give(used);
        assert_eq!(pool::allocations(), before);
        let large = frames.spare(17).expect("memory");
        assert_eq!(large.room(), 32);
        core.epochs.collect(core);
        assert!(pool::block_around(address(small)).is_none(), "the small one is freed");
        frames.lend(large);
        assert!(std::ptr::eq(large, frames.take_back().expect("it was lent")));
        assert!(frames.take_back().is_none());
    });
}

#[test]
fn callback_data_are_known_while_their_operation_is_on_its_way() {
    in_machine(|_| {
        let frames = Frames::default();
        let operation = frames.take(1).expect("memory");
        assert!(operation.is_present());
        assert!(std::ptr::eq(operation_of(address(&operation.data)).expect("it is one"), operation));
        assert!(operation_of(0).is_none());
        // Where the word at the magic's place cannot be the magic, and where nothing is.
        for wrong in [address(operation) + 8, address(operation) + 4, address(operation) + 1, 8] {
            assert!(operation_of(wrong).is_none(), "{wrong:#x}");
        }
        let copy =
            pool::allocate_engine(pool::PoolKind::NonPaged, 0x200, 1).expect("memory").as_ptr() as usize;
        let magic = copy + 8 + MAGIC_OFFSET;
        copy::write_value(magic - 4, MAGIC).expect("pool");
        assert!(operation_of(copy + 4).is_none(), "the magic is there, but no frame is");
        frames.give(operation);
        assert!(!operation.is_present());
        assert!(operation_of(address(&operation.data)).is_none(), "given back");
    });
}

#[test]
fn every_operation_starts_with_clean_callback_data() {
    // spec: CBD-07, CBD-12
    in_machine(|_| {
        let frames = Frames::default();
        let operation = frames.take(1).expect("memory");
        let data = &operation.data;
        data.Iopb.set(std::ptr::null_mut());
        data.TagData.set(8 as *mut _);
        data.IoStatus.Status.set(NtStatus::ACCESS_DENIED);
        data.IoStatus.Information.set(3);
        data.raw.iter().for_each(|word| word.set(5));
        operation.modified.set(true);
        operation.synchronous.set(true);
        operation.tables_used.set(2);
        operation.state.store(WAITING, Ordering::Relaxed);
        operation.used.store(2, Ordering::Relaxed);
        operation.running.store(8, Ordering::Relaxed);
        frames.give(operation);
        let again = frames.take(1).expect("memory");
        assert!(std::ptr::eq(again, operation));
        assert!(std::ptr::eq(data.Iopb.get(), &raw const operation.iopb));
        assert!(data.TagData.get().is_null());
        assert_eq!((data.IoStatus.Status.get(), data.IoStatus.Information.get()), (NtStatus::SUCCESS, 0));
        assert!(data.raw.iter().all(|word| word.get() == 0));
        assert!(!operation.modified.get() && !operation.synchronous.get());
        assert_eq!((operation.tables_used.get(), operation.used()), (0, 0));
        assert_eq!(operation.state.load(Ordering::Relaxed), DISPATCHING);
        assert_eq!(operation.running.load(Ordering::Relaxed), 0);
        frames.give(operation);
    });
}

#[test]
fn an_mdl_goes_to_every_version_that_names_its_buffer_without_one() {
    // spec: SWAP-12, SWAP-18
    in_machine(|_| {
        let frames = Frames::default();
        let operation = frames.take(1).expect("memory");
        let last = 16 + 1;
        let version = |at: u32, buffer, mdl| {
            let snapshot = Snapshot { parameters: [0, 0, 0, buffer, mdl, 7], ..Snapshot::default() };
            operation.version_at(at).set(snapshot);
        };
        version(0, 0x1000, 0);
        version(1, 0x2000, 0);
        version(2, 0x1000, 0x3000);
        version(last, 0x1000, 0);
        operation.add_mdl(0x1000, 0x5000, (0x18, 0x20));
        let words = |at: u32| operation.version_at(at).get().parameters;
        assert_eq!(words(0), [0, 0, 0, 0x1000, 0x5000, 7]);
        assert_eq!(words(1), [0, 0, 0, 0x2000, 0, 7], "another buffer");
        assert_eq!(words(2), [0, 0, 0, 0x1000, 0x3000, 7], "it has one");
        assert_eq!(words(last), [0, 0, 0, 0x1000, 0x5000, 7]);
        frames.give(operation);
    });
}

#[test]
fn post_callbacks_run_at_dispatch_level_only_where_somebody_asked_for_it() {
    in_machine(|_| {
        let frames = Frames::default();
        let operation = frames.take(1).expect("memory");
        for (watched, high, synchronous, expected) in [
            (false, true, false, (false, false)),
            (true, false, false, (true, false)),
            (true, true, false, (true, true)),
            (true, true, true, (true, false)),
            (true, false, true, (true, false)),
            (false, false, false, (false, false)),
        ] {
            operation.synchronous.set(synchronous);
            operation.set_watched(watched, || high);
            assert_eq!((operation.is_watched(), operation.is_high()), expected);
        }
        frames.give(operation);
    });
}

#[test]
fn marks_of_a_record_are_added_and_gone_with_its_next_use() {
    in_machine(|_| {
        let frames = Frames::default();
        let operation = frames.take(1).expect("memory");
        let owed = operation.owed(0);
        owed.swapped_mdl.set(0x9000);
        assert!(![SWAPPED, RETAINED, SYNCHRONIZED].into_iter().any(|mark| owed.is(mark)));
        assert_eq!(owed.swapped(), 0, "not swapped in");
        owed.mark(RETAINED);
        assert_eq!(owed.swapped(), 0);
        for _ in 0..2 {
            owed.mark(SWAPPED);
            assert_eq!([SWAPPED, RETAINED, SYNCHRONIZED].map(|mark| owed.is(mark)), [true, true, false]);
        }
        assert_eq!(owed.swapped(), 0x9000);
        assert!(owed.is_done());
        owed.instance.store(8, Ordering::Relaxed);
        assert!(!owed.is_done());
        owed.done();
        assert!(owed.is_done());
        frames.give(operation);
    });
}

#[test]
fn an_operation_uses_four_tables_at_most() {
    in_machine(|_| {
        let frames = Frames::default();
        let operation = frames.take(1).expect("memory");
        for used in 1..=TABLES {
            assert!(operation.use_table(std::ptr::null()));
            assert_eq!(operation.tables_used.get(), used);
        }
        assert!(!operation.use_table(std::ptr::null()));
        assert_eq!(operation.tables_used.get(), TABLES);
        frames.give(operation);
    });
}
