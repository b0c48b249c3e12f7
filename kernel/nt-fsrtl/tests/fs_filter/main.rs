//! File system filter operations over a stack of two native drivers: callbacks, fast I/O routines, default locks.

mod query_open;
mod support;

use std::cell::Cell;

use nt_abi::irql::{APC_LEVEL, PASSIVE_LEVEL};
use nt_abi::*;
use nt_ex::resource;
use nt_fsrtl::fs_filter::*;
use nt_io::*;
use nt_ke::{Config, current_thread};

use support::*;

#[test]
fn the_page_writer_takes_the_paging_resource_shared_inside_valid_data() {
    // spec: FSF-19, FSF-22
    in_machine(|subject| {
        assert_eq!(page_write(subject, 4096), Ok(["-", "shared"]));
        assert_eq!(page_write(subject, 4097), Ok(["exclusive", "-"]), "beyond valid data");
        subject.stream.header.ValidDataLength.set(8192);
        assert_eq!(page_write(subject, 12288), Ok(["-", "shared"]), "all of the file is valid");
        let flags = &subject.stream.header.Flags;
        flags.set(FSRTL_FLAG_ACQUIRE_MAIN_RSRC_EX);
        assert_eq!(page_write(subject, 4096), Ok(["exclusive", "-"]));
        flags.set(FSRTL_FLAG_ACQUIRE_MAIN_RSRC_SH);
        assert_eq!(page_write(subject, 4096), Ok(["shared", "-"]));
        flags.set(0);
        subject.stream.header.PagingIoResource.set(std::ptr::null_mut());
        assert_eq!(page_write(subject, 4096), Ok(["shared", "-"]));
        subject.stream.header.Resource.set(std::ptr::null_mut());
        assert_eq!(page_write(subject, 4096), Ok(["-", "-"]));
    });
}

#[test]
fn the_page_writer_does_not_wait_for_a_resource() {
    // spec: FSF-18
    in_machine(|subject| {
        subject.register_filter();
        // Somebody else owns it.
        let owner = 0x1003;
        resource::acquire_exclusive(&subject.stream.paging, true).unwrap();
        resource::set_owner_pointer(&subject.stream.paging, owner, 0).unwrap();
        assert_eq!(page_write(subject, 4096), Err(NtStatus::CANT_WAIT));
        assert_eq!(
            log(),
            [
                "pre acquire_for_mod_write 4096 nothing",
                "post acquire_for_mod_write 4096 nothing 0xc00000d8 context 0x0",
            ],
            "no release follows"
        );
        resource::release_for_thread(&subject.stream.paging, owner).unwrap();
        assert!(page_write(subject, 4096).is_ok());
    });
}

#[test]
fn a_filter_sees_the_acquired_resource_in_post_and_in_the_release_at_apc_level() {
    // spec: FSF-03, FSF-04, FSF-15, FSF-16, FSF-17, FSF-26, SEED-MODW-03, SEED-MODW-08, SEED-MODW-15
    in_machine(|subject| {
        subject.register_filter();
        CONTEXT.set(0x99);
        assert_eq!(page_write(subject, 8192), Ok(["exclusive", "-"]));
        assert_eq!(
            log(),
            [
                "pre acquire_for_mod_write 8192 nothing",
                "post acquire_for_mod_write 8192 main 0x0 context 0x99",
                "pre release_for_mod_write main irql 1",
                "post release_for_mod_write main irql 1 0x0 context 0x99",
            ]
        );
        assert_eq!(nt_ke::irql::current(), PASSIVE_LEVEL);
        release_for_mod_write(subject.file, None).unwrap();
        assert!(log().is_empty(), "without a resource there is no release");
        assert_eq!(APC_LEVEL, 1);
    });
}

#[test]
fn filters_are_called_in_the_order_of_the_stack_and_in_reverse() {
    // spec: FSF-05
    in_machine(|subject| {
        subject.register_filter();
        let upper = driver(r"\FileSystem\Upper");
        io_attach_device(device(upper), subject.base).expect("attached");
        let table = callbacks(second_pre as *const (), second_post as *const ());
        assert_eq!(register_callbacks(upper, &table), Ok(NtStatus::SUCCESS));
        CONTEXT.set(0x31);
        assert_eq!(acquire_for_cc_flush(subject.file), Ok(NtStatus::SUCCESS));
        assert_eq!(
            log(),
            [
                "upper pre acquire_for_cc_flush",
                "pre acquire_for_cc_flush",
                "post acquire_for_cc_flush 0x0 context 0x31",
                "upper post acquire_for_cc_flush 0x0 context 0x0",
            ]
        );
        release_for_cc_flush(subject.file).unwrap();
        // A filter without a pre callback gets no context in post.
        table.PreAcquireForCcFlush.set(NativeFn::NULL);
        register_callbacks(upper, &table).unwrap();
        log();
        FILTER_ANSWER.set(NtStatus::INSUFFICIENT_RESOURCES);
        assert_eq!(acquire_for_cc_flush(subject.file), Ok(NtStatus::INSUFFICIENT_RESOURCES));
        // spec: FSF-06
        assert_eq!(
            log(),
            ["pre acquire_for_cc_flush", "upper post acquire_for_cc_flush 0xc000009a context 0x0"],
            "the filter that fails it gets no post callback"
        );
        assert_eq!(subject.held(), ["-", "-"]);
        FILTER_ANSWER.set(NtStatus::SUCCESS);
    });
}

#[test]
fn a_release_cannot_fail() {
    // spec: FSF-07, SEED-MODW-14
    in_machine(|subject| {
        subject.register_filter();
        acquire_for_section(subject.file, SyncType::Other).unwrap();
        acquire_for_cc_flush(subject.file).unwrap();
        let resource = acquire_for_mod_write(subject.file, 4096).unwrap().unwrap();
        FILTER_ANSWER.set(NtStatus::UNSUCCESSFUL);
        release_for_section(subject.file).unwrap();
        release_for_cc_flush(subject.file).unwrap();
        release_for_mod_write(subject.file, resource).unwrap();
        assert_eq!(subject.held(), ["-", "-"]);
        assert_eq!(subject.rules(), ["FSF-07"; 3]);
    });
}

#[test]
fn a_section_is_synchronised_with_the_main_resource() {
    // spec: FSF-10, FSF-11, FSF-13, FSF-14, FSF-20, FSF-23
    in_machine(|subject| {
        subject.register_filter();
        let create = SyncType::Create { protection: 4, flags: 2 };
        assert_eq!(acquire_for_section(subject.file, create), Ok(NtStatus::SUCCESS));
        assert_eq!(subject.held(), ["exclusive", "-"]);
        assert_eq!(current_thread().kernel_apc_disable().get(), 1, "normal kernel APCs are held off");
        release_for_section(subject.file).unwrap();
        assert_eq!(acquire_for_section(subject.file, SyncType::Other), Ok(NtStatus::SUCCESS));
        release_for_section(subject.file).unwrap();
        let pre: Vec<String> = log().into_iter().filter(|line| line.starts_with("pre")).collect();
        assert_eq!(
            pre,
            [
                "pre acquire_for_section_synchronization type 1 page 0x4 flags 2",
                "pre release_for_section_synchronization",
                "pre acquire_for_section_synchronization type 0 page 0x0 flags 0",
                "pre release_for_section_synchronization",
            ]
        );
    });
}

#[test]
fn only_the_creation_of_a_section_may_be_failed_and_only_for_want_of_memory() {
    // spec: FSF-08, FSF-09
    in_machine(|subject| {
        subject.register_filter();
        let create = SyncType::Create { protection: 2, flags: 0 };
        FILTER_ANSWER.set(NtStatus::INSUFFICIENT_RESOURCES);
        assert_eq!(acquire_for_section(subject.file, create), Ok(NtStatus::INSUFFICIENT_RESOURCES));
        assert!(subject.rules().is_empty());
        FILTER_ANSWER.set(NtStatus::ACCESS_DENIED);
        assert_eq!(acquire_for_section(subject.file, create), Ok(NtStatus::ACCESS_DENIED));
        assert_eq!(subject.rules(), ["FSF-09"]);
        assert_eq!(acquire_for_section(subject.file, SyncType::Other), Ok(NtStatus::SUCCESS));
        assert_eq!(subject.rules(), ["FSF-09", "FSF-08"]);
        assert_eq!(subject.held(), ["exclusive", "-"], "the lock is taken anyway");
        FILTER_ANSWER.set(NtStatus::SUCCESS);
        release_for_section(subject.file).unwrap();
    });
}

#[test]
fn a_flush_takes_both_resources_and_does_not_upgrade_a_shared_one() {
    // spec: FSF-20
    in_machine(|subject| {
        assert_eq!(acquire_for_cc_flush(subject.file), Ok(NtStatus::SUCCESS));
        assert_eq!(subject.held(), ["exclusive", "shared"]);
        release_for_cc_flush(subject.file).unwrap();
        resource::acquire_shared(&subject.stream.resource, true).unwrap();
        assert_eq!(acquire_for_cc_flush(subject.file), Ok(NtStatus::SUCCESS));
        assert_eq!(resource::is_acquired_shared(&subject.stream.resource), 2);
        release_for_cc_flush(subject.file).unwrap();
        resource::release(&subject.stream.resource).unwrap();
        assert!(subject.rules().is_empty());
    });
}

#[test]
fn a_file_system_is_asked_by_callback_then_by_fast_io_and_else_gets_the_default() {
    // spec: FSF-24
    in_machine(|subject| {
        let fast: &'static FAST_IO_DISPATCH = Box::leak(Box::new(FAST_IO_DISPATCH::zeroed()));
        fast.SizeOfFastIoDispatch.set(size_of::<FAST_IO_DISPATCH>() as u32);
        fast.AcquireFileForNtCreateSection.set(native(fast_section as *const ()));
        fast.ReleaseFileForNtCreateSection.set(native(fast_release_section as *const ()));
        fast.AcquireForModWrite.set(native(fast_mod_write as *const ()));
        fast.ReleaseForModWrite.set(native(fast_release_mod_write as *const ()));
        fast.AcquireForCcFlush.set(native(fast_flush as *const ()));
        fast.ReleaseForCcFlush.set(native(fast_release_flush as *const ()));
        let round = || {
            acquire_for_section(subject.file, SyncType::Other).unwrap();
            let mut held = vec![subject.held()];
            release_for_section(subject.file).unwrap();
            acquire_for_cc_flush(subject.file).unwrap();
            held.push(subject.held());
            release_for_cc_flush(subject.file).unwrap();
            held.push(page_write(subject, 4096).unwrap());
            (held, log())
        };
        // Those of a filter are obsolete.
        subject.filter.FastIoDispatch.set(std::ptr::from_ref(fast).cast_mut());
        let defaults = vec![["exclusive", "-"], ["exclusive", "shared"], ["-", "shared"]];
        assert_eq!(round(), (defaults.clone(), vec![]));
        subject.fs.FastIoDispatch.set(std::ptr::from_ref(fast).cast_mut());
        let lines = [
            "fast section",
            "fast release section",
            "fast flush",
            "fast release flush",
            "fast mod write 4096",
            "fast release mod write main",
        ];
        assert_eq!(round(), (vec![["-", "-"]; 3], lines.map(String::from).to_vec()));
        // What they leave to the default is done by it; the section's cannot say so.
        FAST_ANSWER.set(NtStatus::INVALID_DEVICE_REQUEST);
        let (held, _) = round();
        assert_eq!(held[1..], defaults[1..]);
        // A registered callback comes first, and may leave it to the rest, too.
        subject.register_fs();
        FS_ANSWER.set(NtStatus::FSFILTER_OP_COMPLETED_SUCCESSFULLY);
        acquire_for_cc_flush(subject.file).unwrap();
        release_for_cc_flush(subject.file).unwrap();
        assert_eq!(log(), ["fs acquire_for_cc_flush", "fs release_for_cc_flush"]);
        FS_ANSWER.set(NtStatus::SUCCESS);
        acquire_for_cc_flush(subject.file).unwrap();
        assert_eq!(log(), ["fs acquire_for_cc_flush", "fast flush"]);
        release_for_cc_flush(subject.file).unwrap();
    });
}

#[test]
fn a_section_learns_from_the_file_system_whether_there_are_writers() {
    // spec: FSF-02, FSF-12
    in_machine(|subject| {
        subject.register_filter();
        subject.register_fs();
        let create = SyncType::Create { protection: 2, flags: 0 };
        for status in [NtStatus::FILE_LOCKED_WITH_ONLY_READERS, NtStatus::FILE_LOCKED_WITH_WRITERS] {
            FS_ANSWER.set(status);
            log();
            assert_eq!(acquire_for_section(subject.file, create), Ok(status));
            assert!(log()[2].contains(&format!(" {:#x} ", status.0)), "the filter sees it in post");
            FS_ANSWER.set(NtStatus::FSFILTER_OP_COMPLETED_SUCCESSFULLY);
            release_for_section(subject.file).unwrap();
        }
        assert_eq!(acquire_for_section(subject.file, SyncType::Other), Ok(NtStatus::SUCCESS));
        release_for_section(subject.file).unwrap();
    });
}

#[test]
fn a_filter_that_keeps_refusing_is_reported_once() {
    // spec: FSF-27
    in_machine(|subject| {
        subject.register_filter();
        FILTER_ANSWER.set(NtStatus::UNSUCCESSFUL);
        let refuse = |times| (0..times).for_each(|_| assert!(page_write(subject, 4096).is_err()));
        refuse(refusals::REPORTED - 1);
        FILTER_ANSWER.set(NtStatus::SUCCESS);
        page_write(subject, 4096).unwrap();
        FILTER_ANSWER.set(NtStatus::UNSUCCESSFUL);
        refuse(refusals::REPORTED - 1);
        assert!(subject.rules().is_empty(), "in a row only");
        refuse(5);
        assert_eq!(subject.rules(), ["FSF-27"]);
        assert_eq!(subject.core.findings()[0].driver, r"\FileSystem\Filter");
    });
}

#[test]
fn registration_takes_the_structure_with_and_without_query_open() {
    // spec: FSF-01, FSF-03
    in_machine(|subject| {
        let table: [Cell<u64>; 15] = Default::default();
        // SAFETY: as long as the longer structure; all fields are cells.
        let callbacks = unsafe { &*(&raw const table).cast::<FS_FILTER_CALLBACKS>() };
        for (size, status) in [
            (0, NtStatus::INVALID_PARAMETER),
            (0x60, NtStatus::INVALID_PARAMETER),
            (0x68, NtStatus::SUCCESS),
            (0x78, NtStatus::SUCCESS),
            (0x80, NtStatus::INVALID_PARAMETER),
        ] {
            callbacks.SizeOfFsFilterCallbacks.set(size);
            assert_eq!(register_callbacks(subject.filter, callbacks), Ok(status), "{size:#x}");
        }
        // All callbacks may be missing.
        assert_eq!(page_write(subject, 4096), Ok(["-", "shared"]));
        for (index, word) in table.iter().enumerate().skip(1) {
            word.set(0x1000 + index as u64);
        }
        callbacks.SizeOfFsFilterCallbacks.set(0x78);
        register_callbacks(subject.filter, callbacks).unwrap();
        let top = io_get_attached_device(subject.base);
        let Some(FilterRoutines::Native(kept)) = filter_routines(top) else { panic!("native callbacks") };
        assert_eq!(kept.pair(IRP_MJ_QUERY_OPEN).pre, NativeFn(0x100D));
        assert_eq!(kept.pair(IRP_MJ_ACQUIRE_FOR_MOD_WRITE).post, NativeFn(0x100A));
        register_callbacks(subject.filter, &FS_FILTER_CALLBACKS::zeroed()).unwrap();
    });
}

#[test]
fn waiting_for_the_main_resource_while_holding_the_paging_one_is_an_inversion() {
    // spec: FSF-21
    in_machine(|subject| {
        resource::acquire_shared(&subject.stream.resource, true).unwrap();
        resource::acquire_shared(&subject.stream.paging, true).unwrap();
        acquire_for_cc_flush(subject.file).unwrap();
        release_for_cc_flush(subject.file).unwrap();
        assert!(subject.rules().is_empty(), "both in their order");
        resource::release(&subject.stream.resource).unwrap();
        acquire_for_cc_flush(subject.file).unwrap();
        release_for_cc_flush(subject.file).unwrap();
        acquire_for_section(subject.file, SyncType::Other).unwrap();
        release_for_section(subject.file).unwrap();
        assert_eq!(subject.rules(), ["FSF-21"; 2]);
        // The page writer does not wait.
        subject.stream.header.ValidDataLength.set(0);
        page_write(subject, 4096).unwrap();
        assert_eq!(subject.rules().len(), 2);
        resource::release(&subject.stream.paging).unwrap();
    });
}

extern "win64" fn leaves_too_often(_: &FS_FILTER_CALLBACK_DATA, _: &Cell<usize>) -> i32 {
    // The machine stops here; the status is nobody's any more.
    let _ = nt_ke::region::leave_critical("KeLeaveCriticalRegion");
    0
}

#[test]
fn a_callback_cannot_leave_the_region_of_its_operation() {
    // spec: FSF-23
    let config = Config { schedule: nt_ke::scheduler::Schedule::Seeded(1), ..Config::default() };
    let core = in_machine_of(config, |subject| {
        let table = callbacks(leaves_too_often as *const (), std::ptr::null());
        register_callbacks(subject.filter, &table).unwrap();
        let _ = acquire_for_cc_flush(subject.file);
    });
    let check = core.bug_checked().expect("the callback is told so");
    assert!(check.message.contains("critical region"), "{}", check.message);
}
