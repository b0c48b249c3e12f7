//! Per-stream contexts.

use nt_abi::{FSRTL_ADVANCED_FCB_HEADER, FSRTL_PER_STREAM_CONTEXT, NtStatus};
use nt_fsrtl::*;
use nt_ke::{Config, Core, current_thread};

fn in_machine(f: impl FnOnce()) {
    let core = Core::new(Config::default()).expect("a slot is free");
    core.attach(0, || {
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
