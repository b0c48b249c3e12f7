//! IRPs on their way: what callback data say of them, and what the file system gets.

use std::cell::Cell;
use std::ptr::without_provenance_mut;

use nt_abi::*;
use nt_io::{io_current_stack, io_next_stack};

use crate::harness::*;

const DONE: &str = "done STATUS_SUCCESS (0x00000000) 8";
const IRP_OPERATION: u32 = FLTFL_CALLBACK_DATA_IRP_OPERATION;

#[test]
fn callback_data_name_the_kind_the_thread_and_the_mode_of_an_irp() {
    // spec: CBD-02, CBD-04, CBD-06, CBD-12
    with_file(&[IRP_MJ_READ], |core, file| {
        thread_local! {
            static SEEN: Cell<(u32, usize, i8, bool)> = const { Cell::new((0, 0, 0, false)) };
        }
        for filter in [UPPER, MIDDLE, LOWER] {
            on_pre(filter, |call| {
                let thread = call.data.Thread.get().addr();
                let mode = call.data.RequestorMode.get();
                SEEN.set((call.data.Flags.get(), thread, mode, call.operation().synchronous.get()));
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
        }
        let me = std::ptr::from_ref(nt_ke::current_thread()) as usize;
        // Flags, system buffer, mode and thread of the IRP.
        for (flags, system, mode, thread, expected, shown) in [
            (0, 0, 0, me, IRP_OPERATION, me),
            (IRP_BUFFERED_IO, 0x1000, 1, me, IRP_OPERATION | FLTFL_CALLBACK_DATA_SYSTEM_BUFFER, me),
            (IRP_BUFFERED_IO, 0, 0, 0x5550, IRP_OPERATION, 0x5550),
            (0, 0x1000, 1, 0, IRP_OPERATION, me),
        ] {
            send(file, IRP_MJ_READ, |irp, _| {
                irp.Flags.set(flags);
                irp.SystemBuffer().set(without_provenance_mut(system));
                irp.RequestorMode.set(mode);
                irp.Thread().set(without_provenance_mut(thread));
            });
            assert_eq!(SEEN.get(), (expected, shown, mode, false));
        }
        let instance = volume_of(file).instances()[UPPER].clone();
        let transfer = fltmgr::transfer::Transfer {
            offset: Some(0),
            length: 8,
            buffer: 0x1000,
            mdl: 0,
            flags: 0,
            key: 0,
            callback: None,
        };
        on_pre(LOWER, |call| {
            SEEN.set((call.data.Flags.get(), 0, 0, call.operation().synchronous.get()));
            FLT_PREOP_SUCCESS_WITH_CALLBACK
        });
        fltmgr::transfer::flt_read_file(&instance, file, transfer).unwrap();
        let (flags, _, _, synchronous) = SEEN.get();
        assert_eq!((flags, synchronous), (IRP_OPERATION | FLTFL_CALLBACK_DATA_GENERATED_IO, true));
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn operations_of_creates_and_closes_are_waited_for() {
    // spec: POST-04
    for (major, expected) in [
        (IRP_MJ_CREATE, true),
        (IRP_MJ_CLEANUP, true),
        (IRP_MJ_CLOSE, true),
        (IRP_MJ_WRITE, false),
        (IRP_MJ_SET_INFORMATION, false),
    ] {
        with_file(&[major], |_, file| {
            thread_local! {
                static SYNCHRONOUS: Cell<Option<bool>> = const { Cell::new(None) };
            }
            on_pre(LOWER, |call| {
                SYNCHRONOUS.set(Some(call.operation().synchronous.get()));
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            send(file, major, |_, _| {});
            assert_eq!(SYNCHRONOUS.take(), Some(expected), "{major}");
        });
    }
}

#[test]
fn an_operation_that_nobody_is_interested_in_passes_as_if_there_were_no_filters() {
    with_file(&[IRP_MJ_READ], |core, file| {
        thread_local! {
            static LOCATIONS: Cell<i8> = const { Cell::new(0) };
        }
        on_fs(|irp| {
            LOCATIONS.set(irp.CurrentLocation.get());
            Some(NtStatus::SUCCESS)
        });
        // Without callbacks, and when all callbacks let it go without a post callback.
        let irp = write(file, 0);
        assert_eq!(log(), ["fs WRITE 0", DONE]);
        assert_eq!(LOCATIONS.get(), irp.StackCount.get(), "the manager used no location");
        for filter in [UPPER, MIDDLE, LOWER] {
            on_pre(filter, |_| FLT_PREOP_SUCCESS_NO_CALLBACK);
        }
        let irp = send(file, IRP_MJ_READ, |_, _| {});
        assert_eq!(LOCATIONS.get(), irp.StackCount.get());
        on_pre(LOWER, |_| FLT_PREOP_SUCCESS_WITH_CALLBACK);
        let irp = send(file, IRP_MJ_READ, |_, _| {});
        assert_eq!(LOCATIONS.get(), irp.StackCount.get() - 1);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn an_operation_that_was_held_for_a_moment_is_pending_also_when_nobody_waits_for_its_end() {
    // spec: PRE-09
    with_file(&[IRP_MJ_WRITE], |core, file| {
        for filter in [UPPER, LOWER] {
            on_pre(filter, |_| FLT_PREOP_SUCCESS_NO_CALLBACK);
        }
        on_pre(MIDDLE, |call| {
            let answer = FLT_PREOP_SUCCESS_NO_CALLBACK;
            fltmgr::flt_complete_pended_pre_operation(call.operation(), answer, 0).unwrap();
            FLT_PREOP_PENDING
        });
        let irp = write(file, 0);
        assert_eq!(log()[3..], ["fs WRITE 0", DONE, "pending"]);
        assert_eq!(irp.PendingReturned.get(), 1);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn operations_that_nest_too_deeply_are_refused() {
    with_file(&[IRP_MJ_WRITE], |core, file| {
        thread_local! {
            static DEEPEST: Cell<Option<(NtStatus, usize)>> = const { Cell::new(None) };
        }
        on_fs(move |_| {
            if DEEPEST.get().is_none() {
                let irp = write(file, 0);
                if DEEPEST.get().is_none() {
                    DEEPEST.set(Some((irp.IoStatus.Status.get(), irp.IoStatus.Information.get())));
                    // Nor is one of a filter.
                    let instance = volume_of(file).instances()[UPPER].clone();
                    let transfer = fltmgr::transfer::Transfer {
                        offset: Some(0),
                        length: 8,
                        buffer: 0x1000,
                        mdl: 0,
                        flags: 0,
                        key: 0,
                        callback: None,
                    };
                    let own = fltmgr::transfer::flt_write_file(&instance, file, transfer).unwrap();
                    assert_eq!((own.status, own.information), (NtStatus::INSUFFICIENT_RESOURCES, 0));
                }
            }
            Some(NtStatus::SUCCESS)
        });
        let irp = write(file, 0);
        assert_eq!(DEEPEST.get(), Some((NtStatus::INSUFFICIENT_RESOURCES, 0)));
        assert_eq!(irp.IoStatus.Status.get(), NtStatus::SUCCESS);
        let lines = log();
        let count = |of: &str| lines.iter().filter(|line| **line == of).count();
        let depth = count("fs WRITE 0");
        assert!(depth > 8, "{depth}");
        assert_eq!((count("upper pre WRITE 0"), count("upper post WRITE 0")), (depth, depth));
        assert_eq!(count(DONE), depth);
        assert_eq!(count("done STATUS_INSUFFICIENT_RESOURCES (0xC000009A) 0"), 1);
        // Afterwards there is room again.
        write(file, 0);
        assert_eq!(log().len(), 8);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_file_system_that_returns_a_result_without_completing_ends_the_machine() {
    with_file(&[IRP_MJ_WRITE], |core, file| {
        on_fs(|_| None);
        fs_returns(NtStatus::SUCCESS);
        let device = nt_io::io_get_related_device(file);
        let irp = nt_io::io_allocate_irp(device.StackSize.get() as u8).unwrap();
        let stack = io_next_stack(irp);
        stack.MajorFunction.set(IRP_MJ_WRITE);
        stack.FileObject.set(std::ptr::from_ref(file).cast_mut());
        assert!(nt_io::io_call_driver(device, irp).is_err());
        let check = core.bug_checked().expect("the machine ends");
        assert_eq!(check.code, bugcheck::FLTMGR_FILE_SYSTEM);
        let message = &check.message;
        assert!(
            message.contains("returned STATUS_SUCCESS (0x00000000) for IRP_MJ_WRITE without"),
            "{message}"
        );
    });
}

#[test]
fn the_filters_of_a_volume_may_be_more_than_one_block_of_records() {
    in_machine(|core| {
        let file = open('C');
        write(file, 0);
        log();
        let filters: Vec<_> = (0..17)
            .map(|n| {
                register_as(
                    &format!("f{n}"),
                    &format!("{}", 500 - n),
                    n as usize % 3,
                    &[(IRP_MJ_WRITE, true, true)],
                    0,
                )
            })
            .collect();
        for filter in [UPPER, MIDDLE, LOWER] {
            on_pre(filter, |call| {
                call.context.set(call.offset() as usize + 1);
                call.move_to(call.offset() + 1);
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            on_post(filter, |call| {
                assert_eq!(call.context.get(), call.offset() as usize + 1);
                FLT_POSTOP_FINISHED_PROCESSING
            });
        }
        write(file, 0);
        let lines = log();
        let name = |at: usize| ["upper", "middle", "lower"][at % 3];
        let down = (0..17).map(|at| format!("{} pre WRITE {at}", name(at)));
        let up = (0..17).rev().map(|at| format!("{} post WRITE {at}", name(at)));
        let expected: Vec<String> =
            down.chain(["fs WRITE 17".to_owned()]).chain(up).chain([DONE.to_owned()]).collect();
        assert_eq!(lines, expected);
        assert_eq!(rules(core), Vec::<&str>::new());
        drop(filters);
    });
}

#[test]
fn the_location_of_the_file_system_has_its_own_device_and_the_callers_file() {
    with_file(&[IRP_MJ_WRITE], |_, file| {
        let lower = std::ptr::from_ref(volume_of(file).lower().unwrap()) as usize;
        on_fs(move |irp| {
            let stack = io_current_stack(irp);
            assert_eq!(stack.DeviceObject.get().addr(), lower);
            assert!(std::ptr::eq(stack.FileObject.get(), file));
            assert_eq!((stack.MinorFunction.get(), stack.Flags.get()), (2, 4));
            Some(NtStatus::SUCCESS)
        });
        for changes in [false, true] {
            on_pre(MIDDLE, move |call| {
                if changes {
                    call.move_to(3);
                }
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            send(file, IRP_MJ_WRITE, |_, stack| {
                stack.MinorFunction.set(2);
                stack.Flags.set(4);
            });
        }
        assert!(log().contains(&"fs WRITE 3".to_owned()));
    });
}
