//! What callbacks answer, and with which status.

use std::ptr::without_provenance_mut;
use std::sync::atomic::Ordering;

use nt_abi::*;
use nt_ke::Severity::{Advice, Error, Warning};

use crate::harness::*;

const DONE: &str = "done STATUS_SUCCESS (0x00000000) 8";
const DENIED: &str = "done STATUS_ACCESS_DENIED (0xC0000022) 0";

#[test]
fn a_status_without_an_answer_that_completes_is_reported_and_ignored() {
    // spec: CBD-13, PRE-12
    let ignored = [("CBD-13", Warning)];
    for (status, information, answer, post, expected) in [
        (NtStatus::ACCESS_DENIED, 0, FLT_PREOP_SUCCESS_WITH_CALLBACK, true, &ignored[..]),
        (NtStatus::ACCESS_DENIED, 0, FLT_PREOP_SUCCESS_NO_CALLBACK, false, &ignored),
        (NtStatus::SUCCESS, 3, FLT_PREOP_SUCCESS_WITH_CALLBACK, true, &ignored),
        (NtStatus::SUCCESS, 3, FLT_PREOP_SUCCESS_NO_CALLBACK, false, &ignored),
        // Not for an IRP.
        (NtStatus::ACCESS_DENIED, 3, FLT_PREOP_DISALLOW_FASTIO, false, &[("PRE-12", Error)]),
        (NtStatus::SUCCESS, 0, FLT_PREOP_DISALLOW_FASTIO, false, &[("PRE-12", Error)]),
        (NtStatus::SUCCESS, 0, FLT_PREOP_DISALLOW_FSFILTER_IO, false, &[("PRE-10", Error)]),
        (NtStatus::SUCCESS, 0, 7, false, &[("PRE-26", Error)]),
        (NtStatus::SUCCESS, 0, -1, false, &[("PRE-26", Error)]),
    ] {
        with_file(&[IRP_MJ_WRITE], |core, file| {
            on_pre(MIDDLE, move |call| {
                call.set_status(status, information);
                answer
            });
            on_pre(LOWER, |call| {
                let io = &call.data.IoStatus;
                assert_eq!((io.Status.get(), io.Information.get()), (NtStatus::SUCCESS, 0));
                FLT_PREOP_SUCCESS_NO_CALLBACK
            });
            write(file, 0);
            let lines = log();
            assert_eq!(lines[2..4], ["lower pre WRITE 0", "fs WRITE 0"], "{answer}");
            let middle: &[&str] = if post { &["middle post WRITE 0"] } else { &[] };
            assert_eq!(lines[4..], [middle, &["upper post WRITE 0", DONE]].concat(), "{answer}");
            assert_eq!(found(core, &mut 0), expected, "{status} {information} {answer}");
        });
    }
}

#[test]
fn a_completion_context_is_for_the_own_post_callback() {
    // spec: PRE-08, CBD-16
    let lost = [("PRE-08", Error)];
    for (answer, expected) in [
        (FLT_PREOP_SUCCESS_WITH_CALLBACK, &[][..]),
        (FLT_PREOP_SYNCHRONIZE, &[("PRE-21", Error)]),
        (FLT_PREOP_SUCCESS_NO_CALLBACK, &lost),
        (FLT_PREOP_COMPLETE, &lost),
    ] {
        with_file(&[IRP_MJ_WRITE], |core, file| {
            for filter in [UPPER, LOWER] {
                on_pre(filter, move |call| {
                    assert_eq!(call.context.replace(0x100 + filter), 0);
                    FLT_PREOP_SUCCESS_WITH_CALLBACK
                });
            }
            on_pre(MIDDLE, move |call| {
                assert_eq!(call.context.replace(0x55), 0);
                answer
            });
            for filter in [UPPER, MIDDLE, LOWER] {
                on_post(filter, move |call| {
                    assert_eq!(call.context.get(), if filter == MIDDLE { 0x55 } else { 0x100 + filter });
                    assert_eq!(call.flags, 0);
                    FLT_POSTOP_FINISHED_PROCESSING
                });
            }
            write(file, 0);
            let posts = log().iter().filter(|line| line.contains("post")).count();
            let with = [FLT_PREOP_SUCCESS_WITH_CALLBACK, FLT_PREOP_SYNCHRONIZE].contains(&answer);
            let below = answer != FLT_PREOP_COMPLETE;
            assert_eq!(posts, 1 + usize::from(with) + usize::from(below), "{answer}");
            assert_eq!(found(core, &mut 0), expected, "{answer}");
        });
    }
}

#[test]
fn a_filter_without_one_of_the_callbacks() {
    // spec: PRE-06, REG-13
    for answer in [FLT_PREOP_SUCCESS_WITH_CALLBACK, FLT_PREOP_SYNCHRONIZE, FLT_PREOP_SUCCESS_NO_CALLBACK] {
        in_machine(|core| {
            let _upper = register(UPPER, &[(IRP_MJ_FLUSH_BUFFERS, false, true)], 0);
            let _lower = register(LOWER, &[(IRP_MJ_FLUSH_BUFFERS, true, false)], 0);
            let file = open('C');
            log();
            on_pre(LOWER, move |_| answer);
            on_post(UPPER, |call| {
                assert_eq!(call.context.get(), 0);
                FLT_POSTOP_FINISHED_PROCESSING
            });
            send(file, IRP_MJ_FLUSH_BUFFERS, |irp, _| irp.Flags.set(IRP_SYNCHRONOUS_API));
            let done = "done STATUS_SUCCESS (0x00000000) 0";
            assert_eq!(
                log(),
                ["lower pre FLUSH_BUFFERS", "fs FLUSH_BUFFERS", "upper post FLUSH_BUFFERS", done]
            );
            let asks = answer != FLT_PREOP_SUCCESS_NO_CALLBACK;
            assert_eq!(found(core, &mut 0), if asks { vec![("PRE-06", Error)] } else { vec![] });
        });
    }
}

#[test]
fn a_filter_completes_an_operation_with_a_status_that_it_may_have() {
    // spec: PRE-14, PRE-15, PRE-16
    let internal = NtStatus::FLT_INTERNAL_ERROR;
    for (major, status, result, expected) in [
        (IRP_MJ_WRITE, NtStatus::ACCESS_DENIED, NtStatus::ACCESS_DENIED, &[][..]),
        (IRP_MJ_WRITE, NtStatus::SUCCESS, NtStatus::SUCCESS, &[]),
        (IRP_MJ_WRITE, NtStatus::PENDING, internal, &[("PRE-15", Error)]),
        (IRP_MJ_WRITE, NtStatus::FLT_DISALLOW_FAST_IO, internal, &[("PRE-15", Error)]),
        (IRP_MJ_CLEANUP, NtStatus::SUCCESS, NtStatus::SUCCESS, &[]),
        (IRP_MJ_CLEANUP, NtStatus::ACCESS_DENIED, NtStatus::SUCCESS, &[("PRE-16", Error)]),
        (IRP_MJ_CLOSE, NtStatus::REPARSE, NtStatus::SUCCESS, &[("PRE-16", Warning)]),
    ] {
        with_file(&[major], |core, file| {
            on_pre(MIDDLE, move |call| {
                call.set_status(status, 3);
                FLT_PREOP_COMPLETE
            });
            on_post(UPPER, move |call| {
                let io = &call.data.IoStatus;
                assert_eq!((io.Status.get(), io.Information.get()), (result, 3));
                FLT_POSTOP_FINISHED_PROCESSING
            });
            let irp = send(file, major, |_, _| {});
            assert_eq!(log().len(), 4);
            assert_eq!((irp.IoStatus.Status.get(), irp.IoStatus.Information.get()), (result, 3));
            assert_eq!(found(core, &mut 0), expected, "{major} {status}");
            forget_hooks();
        });
    }
}

#[test]
fn synchronizing_is_not_for_what_may_pend_for_long() {
    // spec: PRE-20, PRE-21, PRE-22
    let long = [("PRE-22", Error)];
    let fsctl = |code: u32| (IRP_MJ_FILE_SYSTEM_CONTROL, 0, code);
    for ((major, minor, code), flags, expected) in [
        (fsctl(0x9_0000), 0, &long[..]),
        (fsctl(0x9_0004), 0, &long),
        (fsctl(0x9_0008), 0, &long),
        (fsctl(0x9_005C), 0, &long),
        (fsctl(0x9_000C), 0, &[]),
        (fsctl(0x9_003C), 0, &[]),
        // The number alone does not make an oplock.
        ((IRP_MJ_DEVICE_CONTROL, 0, 0x9_0000), 0, &[]),
        ((IRP_MJ_DIRECTORY_CONTROL, IRP_MN_NOTIFY_CHANGE_DIRECTORY, 0), 0, &long),
        ((IRP_MJ_DIRECTORY_CONTROL, IRP_MN_QUERY_DIRECTORY, 0), 0, &[]),
        ((IRP_MJ_LOCK_CONTROL, IRP_MN_LOCK, 0), 0, &long),
        ((IRP_MJ_LOCK_CONTROL, IRP_MN_LOCK + 1, 0), 0, &[]),
        ((IRP_MJ_QUERY_EA, IRP_MN_LOCK, 0), 0, &[]),
        ((IRP_MJ_QUERY_EA, IRP_MN_NOTIFY_CHANGE_DIRECTORY, 0), 0, &[]),
        ((IRP_MJ_WRITE, 0, 0), 0, &[("PRE-21", Error)]),
        ((IRP_MJ_READ, 0, 0), 0, &[("PRE-21", Error)]),
        ((IRP_MJ_READ, 0, 0), IRP_SYNCHRONOUS_API, &[]),
    ] {
        with_file(&[major], |core, file| {
            on_pre(MIDDLE, |_| FLT_PREOP_SYNCHRONIZE);
            send(file, major, |irp, stack| {
                irp.Flags.set(flags);
                stack.MinorFunction.set(minor);
                if code != 0 {
                    stack.Parameters.DeviceIoControl().IoControlCode.set(code);
                }
            });
            let lines = log();
            assert!(lines[5].starts_with("middle post"), "{lines:?}");
            assert_eq!(found(core, &mut 0), expected, "{major} {minor} {code:#x}");
        });
    }
    in_machine(|core| {
        let _filters = three(&[IRP_MJ_CREATE]);
        on_pre(MIDDLE, |_| FLT_PREOP_SYNCHRONIZE);
        open('C');
        assert_eq!(found(core, &mut 0), [("PRE-20", Advice)]);
    });
}

#[test]
fn a_mount_is_not_disallowed() {
    // spec: PRE-12
    in_machine(|core| {
        let _filters = three(&[IRP_MJ_VOLUME_MOUNT]);
        on_pre(MIDDLE, |_| FLT_PREOP_DISALLOW_FASTIO);
        open('C');
        assert_eq!(
            log()[..5],
            [
                "upper pre VOLUME_MOUNT",
                "middle pre VOLUME_MOUNT",
                "lower pre VOLUME_MOUNT",
                "lower post VOLUME_MOUNT",
                "upper post VOLUME_MOUNT",
            ]
        );
        assert_eq!(found(core, &mut 0), [("PRE-12", Error)]);
    });
}

#[test]
fn what_a_post_callback_answers() {
    // spec: POST-09, POST-10, POST-15, POST-18
    let (denied, internal) = (NtStatus::ACCESS_DENIED, NtStatus::FLT_INTERNAL_ERROR);
    let finished = FLT_POSTOP_FINISHED_PROCESSING;
    for (answer, from, to, result, expected) in [
        (finished, NtStatus::SUCCESS, denied, denied, &[][..]),
        (finished, denied, NtStatus::SUCCESS, NtStatus::SUCCESS, &[]),
        (finished, NtStatus::SUCCESS, NtStatus::PENDING, internal, &[("POST-15", Error)]),
        (finished, denied, NtStatus::FLT_DISALLOW_FAST_IO, internal, &[("POST-15", Error)]),
        // What the file system said stays.
        (
            finished,
            NtStatus::FLT_DISALLOW_FAST_IO,
            NtStatus::FLT_DISALLOW_FAST_IO,
            NtStatus::FLT_DISALLOW_FAST_IO,
            &[],
        ),
        (FLT_POSTOP_DISALLOW_FSFILTER_IO, denied, denied, denied, &[("POST-09", Error)]),
        (9, denied, denied, denied, &[("POST-10", Error)]),
        (-1, NtStatus::SUCCESS, denied, denied, &[("POST-10", Error)]),
    ] {
        with_file(&[IRP_MJ_WRITE], |core, file| {
            on_fs(move |_| Some(from));
            on_post(MIDDLE, move |call| {
                assert_eq!(call.data.IoStatus.Status.get(), from);
                call.data.IoStatus.Status.set(to);
                answer
            });
            on_post(UPPER, move |call| {
                assert_eq!(call.data.IoStatus.Status.get(), result);
                FLT_POSTOP_FINISHED_PROCESSING
            });
            let irp = write(file, 0);
            assert_eq!(irp.IoStatus.Status.get(), result);
            assert_eq!(log().len(), 8);
            assert_eq!(found(core, &mut 0), expected, "{answer} {from} {to}");
        });
    }
}

#[test]
fn failing_a_create_that_was_successful_needs_a_cancelled_open() {
    // spec: POST-14, POST-16
    let (denied, infected) = (NtStatus::ACCESS_DENIED, NtStatus::VIRUS_INFECTED);
    let stays = [("POST-16", Error)];
    for (from, to, cancelled, expected) in [
        (NtStatus::SUCCESS, infected, false, &stays[..]),
        (NtStatus::SUCCESS, infected, true, &[]),
        (NtStatus::SUCCESS, NtStatus::OBJECT_NAME_EXISTS, false, &[]),
        (denied, infected, false, &[]),
        (NtStatus::REPARSE, infected, false, &[]),
    ] {
        in_machine(|core| {
            let _filters = three(&[IRP_MJ_CREATE]);
            on_fs(move |irp| {
                let create = nt_io::io_current_stack(irp).MajorFunction.get() == IRP_MJ_CREATE;
                Some(if create { from } else { NtStatus::SUCCESS })
            });
            on_post(MIDDLE, move |call| {
                if cancelled {
                    // SAFETY: the operation's file object.
                    let file = unsafe { &*call.block().TargetFileObject.get() };
                    file.Flags.fetch_or(FO_FILE_OPEN_CANCELLED, Ordering::Relaxed);
                }
                call.set_status(to, 0);
                FLT_POSTOP_FINISHED_PROCESSING
            });
            create('C', 0);
            assert_eq!(found(core, &mut 0), expected, "{from} {to} {cancelled}");
        });
    }
    // Only a create opens a file.
    with_file(&[IRP_MJ_WRITE], |core, file| {
        on_post(MIDDLE, move |call| {
            call.set_status(infected, 0);
            FLT_POSTOP_FINISHED_PROCESSING
        });
        write(file, 0);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn reparse_data_are_shown_after_a_create_only() {
    // spec: CBD-15
    const DATA: usize = 0x1230;
    for (major, status, shown) in [
        (IRP_MJ_CREATE, NtStatus::REPARSE, true),
        (IRP_MJ_CREATE, NtStatus::SUCCESS, false),
        (IRP_MJ_QUERY_EA, NtStatus::REPARSE, false),
    ] {
        with_file(&[major], |core, file| {
            on_fs(move |irp| {
                irp.AuxiliaryBuffer().set(without_provenance_mut(DATA));
                Some(status)
            });
            for filter in [UPPER, MIDDLE, LOWER] {
                on_pre(filter, |call| {
                    assert!(call.data.TagData.get().is_null());
                    FLT_PREOP_SUCCESS_WITH_CALLBACK
                });
                on_post(filter, move |call| {
                    note(format!("{:#x}", call.data.TagData.get().addr()));
                    if filter == MIDDLE && shown {
                        call.data.TagData.set(without_provenance_mut(DATA * 2));
                    }
                    FLT_POSTOP_FINISHED_PROCESSING
                });
            }
            let irp = send(file, major, |_, _| {});
            let seen: Vec<String> = log().into_iter().filter(|line| line.starts_with("0x")).collect();
            assert_eq!(seen, if shown { ["0x1230", "0x1230", "0x2460"] } else { ["0x0"; 3] }, "{status}");
            assert_eq!(irp.AuxiliaryBuffer().get().addr(), if shown { DATA * 2 } else { DATA });
            assert_eq!(rules(core), Vec::<&str>::new());
        });
    }
}

#[test]
fn a_filter_skips_the_kinds_of_transfers_that_it_registered_for() {
    // spec: REG-05, REG-06, REG-07, REG-08
    const CACHED: u32 = FLTFL_OPERATION_REGISTRATION_SKIP_CACHED_IO;
    const NONCACHED: u32 = FLTFL_OPERATION_REGISTRATION_SKIP_NON_CACHED_NON_PAGING_IO;
    const PAGING: u32 = FLTFL_OPERATION_REGISTRATION_SKIP_PAGING_IO;
    const NON_DASD: u32 = FLTFL_OPERATION_REGISTRATION_SKIP_NON_DASD_IO;
    // What each kind is skipped by.
    let kinds = [
        (IRP_MJ_WRITE, 0, false, CACHED | NON_DASD),
        (IRP_MJ_READ, IRP_NOCACHE, false, NONCACHED | NON_DASD),
        (IRP_MJ_READ, IRP_NOCACHE | IRP_PAGING_IO, false, PAGING | NON_DASD),
        (IRP_MJ_WRITE, IRP_PAGING_IO, false, PAGING | NON_DASD),
        (IRP_MJ_WRITE, 0, true, CACHED),
        (IRP_MJ_READ, IRP_NOCACHE, true, NONCACHED),
        (IRP_MJ_QUERY_EA, IRP_NOCACHE, false, NON_DASD),
        (IRP_MJ_QUERY_EA, 0, true, 0),
    ];
    for skip in [0, CACHED, NONCACHED, PAGING, NON_DASD] {
        in_machine(|core| {
            let operations = [IRP_MJ_READ, IRP_MJ_WRITE, IRP_MJ_QUERY_EA].map(|major| (major, true, true));
            let _upper = register(UPPER, &operations, skip);
            // The operation is on its way through the manager whether or not the upper one sees it.
            let _lower = register(LOWER, &operations, 0);
            let file = open('C');
            log();
            for (major, flags, on_volume, by) in kinds {
                let volume = if on_volume { FO_VOLUME_OPEN } else { 0 };
                file.Flags.fetch_or(volume, Ordering::Relaxed);
                send(file, major, |irp, _| irp.Flags.set(flags));
                file.Flags.fetch_and(!volume, Ordering::Relaxed);
                let lines = log();
                let sees = lines[0].starts_with("upper pre");
                assert_eq!(sees, skip & by == 0, "{major} {flags:#x} {on_volume}, skip {skip:#x}");
                assert_eq!(
                    lines.iter().filter(|line| line.starts_with("upper")).count(),
                    2 * usize::from(sees)
                );
                assert!(lines.iter().any(|line| line.starts_with("lower post")));
            }
            assert_eq!(rules(core), Vec::<&str>::new());
        });
    }
}

#[test]
fn a_filter_that_denies_hides_the_operation_and_ends_in_the_posts_above() {
    // spec: PRE-14
    with_file(&[IRP_MJ_WRITE], |core, file| {
        on_pre(MIDDLE, |call| {
            call.set_status(NtStatus::ACCESS_DENIED, 0);
            FLT_PREOP_COMPLETE
        });
        write(file, 0);
        assert_eq!(log(), ["upper pre WRITE 0", "middle pre WRITE 0", "upper post WRITE 0", DENIED]);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}
