//! Per-stream contexts.

use nt_abi::{FSRTL_ADVANCED_FCB_HEADER, FSRTL_PER_STREAM_CONTEXT, NtStatus};
use nt_fsrtl::*;
use nt_ke::{Config, Core, current_thread};

fn in_machine(f: impl FnOnce()) {
    let core = Core::new(Config::default()).expect("a slot is free");
    core.attach(0, || {
        core.install(Box::new(nt_mm::Mm::new(&core).expect("pages")));
        core.install(Box::new(nt_ex::Ex::new(&core)));
        core.install(nt_io::Io::new());
        core.install(FsRtl::new());
        f();
    })
    .expect("a thread");
    core.stop();
}

fn context(owner: usize, instance: usize) -> FSRTL_PER_STREAM_CONTEXT {
    let context = FSRTL_PER_STREAM_CONTEXT::default();
    context.OwnerId.set(owner as *mut _);
    context.InstanceId.set(instance as *mut _);
    context
}

#[test]
fn are_found_by_owner_and_instance_until_they_are_removed() {
    in_machine(|| {
        let header = FSRTL_ADVANCED_FCB_HEADER::default();
        let (a, b) = (context(1, 10), context(1, 20));
        assert_eq!(insert_per_stream_context(&header, &a), NtStatus::INVALID_DEVICE_REQUEST);
        setup_advanced_header(&header, None, 0);
        assert_eq!(insert_per_stream_context(&header, &a), NtStatus::SUCCESS);
        insert_per_stream_context(&header, &b);
        let found =
            |owner, instance| lookup_per_stream_context(&header, owner, instance).map(std::ptr::from_ref);
        assert_eq!(found(Some(1), Some(10)), Some(&raw const a));
        assert_eq!(found(Some(1), None), Some(&raw const b));
        assert_eq!(found(Some(2), None), None);
        assert_eq!(found(None, None), Some(&raw const b));
        assert_eq!(found(None, Some(10)), None);
        assert!(remove_per_stream_context(&header, Some(1), Some(20)).is_some());
        assert_eq!(found(Some(1), None), Some(&raw const a));
        teardown_per_stream_contexts(&header).unwrap();
        assert_eq!(found(Some(1), None), None);
    });
}

#[test]
fn of_a_file_are_found_through_the_pointer_that_its_streams_name() {
    // spec: CTX-57
    in_machine(|| {
        let (one, other) = (FSRTL_ADVANCED_FCB_HEADER::default(), FSRTL_ADVANCED_FCB_HEADER::default());
        setup_advanced_header(&one, None, 0);
        assert!(file_pointer(&one).is_none(), "the file system keeps none");
        let pointer = FilePointer::new(0);
        for header in [&one, &other] {
            setup_advanced_header(header, None, &raw const pointer as usize);
        }
        let at = |header| file_pointer(header).expect("a pointer");
        let (a, b) = (context(1, 10), context(2, 20));
        assert!(lookup_per_file_context(at(&one), None, None).is_none());
        assert_eq!(insert_per_file_context(at(&one), &a), NtStatus::SUCCESS);
        assert_eq!(insert_per_file_context(at(&other), &b), NtStatus::SUCCESS);
        let found = |owner| lookup_per_file_context(at(&other), owner, None).map(std::ptr::from_ref);
        assert_eq!(
            (found(Some(1)), found(Some(2)), found(Some(3))),
            (Some(&raw const a), Some(&raw const b), None)
        );
        assert!(remove_per_file_context(at(&one), Some(2), Some(20)).is_some());
        assert_eq!(found(Some(2)), None);
        teardown_per_file_contexts(&pointer).unwrap();
        assert_eq!(found(None), None);
        assert_eq!(pointer.load(std::sync::atomic::Ordering::Relaxed), 0);
    });
}

#[test]
fn of_the_engine_are_freed_by_its_own_function() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static FREED: AtomicUsize = AtomicUsize::new(0);
    in_machine(|| {
        set_rust_owner(7, |context| {
            FREED.fetch_add(context.InstanceId.get() as usize, Ordering::Relaxed);
            Ok(())
        });
        let header = FSRTL_ADVANCED_FCB_HEADER::default();
        setup_advanced_header(&header, None, 0);
        let (first, second): (&'static _, &'static _) =
            (Box::leak(Box::new(context(7, 40))), Box::leak(Box::new(context(7, 2))));
        for new in [first, second] {
            let found = find_or_insert_per_stream_context(&header, new).expect("the stream supports them");
            assert!(std::ptr::eq(found, first), "one for each owner");
        }
        teardown_per_stream_contexts(&header).unwrap();
        assert_eq!(FREED.load(Ordering::Relaxed), 40);
    });
}

#[test]
fn file_system_regions_nest() {
    // spec: SEED-MODW-11
    in_machine(|| {
        enter_file_system();
        enter_file_system();
        assert_eq!(current_thread().kernel_apc_disable().get(), 2);
        exit_file_system();
        exit_file_system();
        assert_eq!(current_thread().kernel_apc_disable().get(), 0);
    });
}
