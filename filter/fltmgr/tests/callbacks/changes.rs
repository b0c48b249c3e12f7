//! What callbacks change that is not theirs, and what of their changes counts.

use std::ptr::{from_ref, without_provenance_mut};

use nt_abi::*;
use nt_ke::Severity;

use crate::harness::*;

/// One thing that no callback may change, the rule that it breaks, and the change.
type Change = (&'static str, &'static str, fn(&Call));

const CHANGES: [Change; 13] = [
    ("Flags", "CBD-10", |call| call.data.Flags.set(call.data.Flags.get() | FLTFL_CALLBACK_DATA_GENERATED_IO)),
    ("Iopb", "CBD-11", |call| {
        let copy: &FLT_IO_PARAMETER_BLOCK = Box::leak(Box::default());
        for (to, from) in copy.Parameters.raw.iter().zip(&call.block().Parameters.raw) {
            to.set(from.get());
        }
        call.data.Iopb.set(from_ref(copy).cast_mut());
    }),
    ("Thread", "CBD-11", |call| call.data.Thread.set(without_provenance_mut(0x10))),
    ("RequestorMode", "CBD-11", |call| call.data.RequestorMode.set(1 - call.data.RequestorMode.get())),
    ("MajorFunction", "IOPB-06", |call| call.block().MajorFunction.set(IRP_MJ_READ)),
    ("Reserved", "IOPB-06", |call| call.block().Reserved.set(7)),
    ("Size", "REL-04", |call| call.objects.Size.set(8)),
    ("TransactionContext", "REL-04", |call| call.objects.TransactionContext.set(8)),
    ("Filter", "REL-04", |call| call.objects.Filter.set(without_provenance_mut(0x10))),
    ("Volume", "REL-04", |call| call.objects.Volume.set(without_provenance_mut(0x10))),
    ("Instance", "REL-04", |call| call.objects.Instance.set(without_provenance_mut(0x10))),
    ("FileObject", "REL-04", |call| call.objects.FileObject.set(without_provenance_mut(0x10))),
    ("Transaction", "REL-04", |call| call.objects.Transaction.set(without_provenance_mut(0x10))),
];

/// All that a callback is given but for what its own instance is.
fn given(call: &Call) -> String {
    let (data, block, objects) = (call.data, call.block(), call.objects);
    let own = (
        objects.Filter.get() as usize != 0x10,
        objects.Instance.get().addr() == block.TargetInstance.get().addr(),
        std::ptr::eq(data.Iopb.get(), &call.operation().iopb),
    );
    assert_eq!(own, (true, true, true));
    format!(
        "{:#x} {:p} {} {:#x} {} {} {} {:p} {:p} {:p}",
        data.Flags.get() & !FLTFL_CALLBACK_DATA_POST_OPERATION,
        data.Thread.get(),
        data.RequestorMode.get(),
        block.MajorFunction.get(),
        block.Reserved.get(),
        objects.Size.get(),
        objects.TransactionContext.get(),
        objects.Volume.get(),
        objects.FileObject.get(),
        objects.Transaction.get(),
    )
}

thread_local! {
    static SEEN: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

fn see(call: &Call) {
    SEEN.with_borrow_mut(|seen| seen.push(given(call)));
}

/// Sends a write that the middle filter's callback changes something of; the others look.
fn changed_by(change: Change, in_post: bool) {
    with_file(&[IRP_MJ_WRITE], |core, file| {
        let (name, rule, f) = change;
        for filter in [UPPER, LOWER] {
            on_pre(filter, |call| {
                see(call);
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            on_post(filter, |call| {
                see(call);
                FLT_POSTOP_FINISHED_PROCESSING
            });
        }
        on_pre(MIDDLE, move |call| {
            see(call);
            if !in_post {
                f(call);
            }
            FLT_PREOP_SUCCESS_WITH_CALLBACK
        });
        on_post(MIDDLE, move |call| {
            see(call);
            if in_post {
                f(call);
            }
            FLT_POSTOP_FINISHED_PROCESSING
        });
        write(file, 512);
        let seen = SEEN.take();
        assert_eq!(seen.len(), 6, "{name}");
        assert!(seen.iter().all(|given| *given == seen[0]), "{name}: {seen:#?}");
        assert_eq!(log().last().map(String::as_str), Some("done STATUS_SUCCESS (0x00000000) 8"), "{name}");
        let findings = core.findings();
        assert_eq!(rules(core), [rule], "{name} in post: {in_post}");
        assert_eq!((findings[0].severity, findings[0].driver.as_str()), (Severity::Error, "middle"));
        let (pre, post) = addresses(MIDDLE);
        assert_eq!(findings[0].places, [if in_post { post } else { pre }], "{name}");
    });
}

#[test]
fn what_a_pre_callback_may_not_change_is_put_back_and_reported() {
    // spec: CBD-10, CBD-11, IOPB-06, REL-04, SEED-IOPB-37, SEED-IOPB-54
    CHANGES.into_iter().for_each(|change| changed_by(change, false));
}

#[test]
fn what_a_post_callback_may_not_change_is_put_back_and_reported() {
    // spec: CBD-10, CBD-11, IOPB-06, REL-04
    CHANGES.into_iter().for_each(|change| changed_by(change, true));
}

/// Changes the bits of `mask` in something that is not the callback's.
type Flip = fn(&Call, usize);

const FLIPS: [Flip; 9] = [
    |call, mask| call.data.Flags.set(call.data.Flags.get() ^ mask as u32),
    |call, mask| flip(&call.data.Thread, mask),
    // Its upper half, beside the size.
    |call, mask| call.objects.TransactionContext.set((mask >> 16) as u16),
    |call, mask| flip(&call.objects.Filter, mask),
    |call, mask| flip(&call.objects.Volume, mask),
    |call, mask| flip(&call.objects.Instance, mask),
    |call, mask| flip(&call.objects.FileObject, mask),
    |call, mask| flip(&call.objects.Transaction, mask),
    |call, mask| call.data.RequestorMode.set(call.data.RequestorMode.get() ^ mask as i8),
];

fn flip<T>(pointer: &std::cell::Cell<*mut T>, mask: usize) {
    pointer.set(pointer.get().map_addr(|address| address ^ mask));
}

#[test]
fn two_changes_do_not_hide_each_other() {
    // spec: CBD-10, CBD-11, REL-04
    let mode = FLIPS.len() - 1;
    for (one, other) in (0..FLIPS.len()).flat_map(|one| (0..one).map(move |other| (other, one))) {
        // The mode is a byte; where it takes part, the lowest bit is changed.
        let mask = if other == mode || one == mode { 1 } else { 0x1_0000 };
        let changes = move |call: &Call| {
            for at in [one, other] {
                FLIPS[at](call, mask);
            }
        };
        with_file(&[IRP_MJ_WRITE], |core, file| {
            for filter in [UPPER, MIDDLE, LOWER] {
                on_pre(filter, move |call| {
                    see(call);
                    if filter == MIDDLE {
                        changes(call);
                    }
                    FLT_PREOP_SUCCESS_WITH_CALLBACK
                });
                on_post(filter, move |call| {
                    see(call);
                    FLT_POSTOP_FINISHED_PROCESSING
                });
            }
            write(file, 512);
            let seen = SEEN.take();
            assert_eq!(seen.len(), 6);
            assert!(seen.iter().all(|given| *given == seen[0]), "{one} {other}: {seen:#?}");
            assert!(!rules(core).is_empty(), "{one} {other}");
        });
    }
}

#[test]
fn a_post_callback_has_the_parameters_that_its_own_pre_callback_had() {
    // spec: SEED-IOPB-48, SEED-IOPB-49
    const PASSES: (Option<i64>, i32) = (None, FLT_PREOP_SUCCESS_WITH_CALLBACK);
    const MOVES: (Option<i64>, i32) = (Some(100), FLT_PREOP_SUCCESS_WITH_CALLBACK);
    const LEAVES: (Option<i64>, i32) = (None, FLT_PREOP_SUCCESS_NO_CALLBACK);
    const MOVES_AND_LEAVES: (Option<i64>, i32) = (Some(100), FLT_PREOP_SUCCESS_NO_CALLBACK);
    let kinds = [PASSES, MOVES, LEAVES, MOVES_AND_LEAVES];
    for (upper, middle, lower) in
        (0..64).map(|n| (kinds[n as usize % 4], kinds[n as usize / 4 % 4], kinds[n as usize / 16]))
    {
        with_file(&[IRP_MJ_WRITE], |core, file| {
            let (mut offset, mut down, mut up) = (0, Vec::new(), Vec::new());
            for (filter, (by, answer)) in [upper, middle, lower].into_iter().enumerate() {
                let name = ["upper", "middle", "lower"][filter];
                down.push(format!("{name} pre WRITE {offset}"));
                if answer == FLT_PREOP_SUCCESS_WITH_CALLBACK {
                    up.push(format!("{name} post WRITE {offset}"));
                }
                offset += by.unwrap_or(0);
                on_pre(filter, move |call| {
                    if let Some(by) = by {
                        call.move_to(call.offset() + by);
                    }
                    answer
                });
            }
            down.push(format!("fs WRITE {offset}"));
            up.reverse();
            let irp = write(file, 0);
            let mut lines = log();
            assert_eq!(lines.pop().as_deref(), Some("done STATUS_SUCCESS (0x00000000) 8"));
            assert_eq!(lines, [down, up].concat());
            assert_eq!(irp.IoStatus.Information.get(), 8);
            assert_eq!(rules(core), Vec::<&str>::new());
        });
    }
}

#[test]
fn a_change_without_the_mark_is_reported_unless_the_status_says_that_it_was_no_change() {
    // spec: SEED-IOPB-44, CBD-13
    let lost = ("SEED-IOPB-44", Severity::Warning);
    let ignored = ("CBD-13", Severity::Warning);
    for (status, information, answer, expected) in [
        (NtStatus::SUCCESS, 0, FLT_PREOP_SUCCESS_WITH_CALLBACK, vec![lost]),
        (NtStatus::ACCESS_DENIED, 0, FLT_PREOP_SUCCESS_WITH_CALLBACK, vec![ignored]),
        (NtStatus::SUCCESS, 3, FLT_PREOP_SUCCESS_WITH_CALLBACK, vec![ignored]),
        (NtStatus::SUCCESS, 0, FLT_PREOP_COMPLETE, vec![]),
        (NtStatus::ACCESS_DENIED, 0, FLT_PREOP_COMPLETE, vec![]),
    ] {
        with_file(&[IRP_MJ_WRITE], |core, file| {
            on_pre(MIDDLE, move |call| {
                call.block().Parameters.Write().ByteOffset.set(100);
                call.set_status(status, information);
                answer
            });
            write(file, 0);
            let lines = log();
            if answer == FLT_PREOP_COMPLETE {
                assert_eq!(lines[2], "upper post WRITE 0");
            } else {
                assert_eq!(lines[2..5], ["lower pre WRITE 0", "fs WRITE 0", "lower post WRITE 0"]);
                assert_eq!(lines[7], "done STATUS_SUCCESS (0x00000000) 8");
            }
            assert_eq!(found(core, &mut 0), expected, "{status} {information} {answer}");
        });
    }
}

#[test]
fn a_post_callback_changes_nothing_but_the_result() {
    // spec: SEED-IOPB-58, SEED-IOPB-44, IOPB-09
    for (dirty, rule) in [(true, "SEED-IOPB-58"), (false, "SEED-IOPB-44")] {
        with_file(&[IRP_MJ_WRITE], |core, file| {
            on_post(LOWER, move |call| {
                call.block().Parameters.Write().ByteOffset.set(100);
                if dirty {
                    fltmgr::flt_set_callback_data_dirty(call.data);
                }
                FLT_POSTOP_FINISHED_PROCESSING
            });
            on_post(MIDDLE, |call| {
                assert!(!fltmgr::flt_is_callback_data_dirty(call.data));
                call.data.IoStatus.Information.set(5);
                FLT_POSTOP_FINISHED_PROCESSING
            });
            on_post(UPPER, |call| {
                note(format!("{}", call.data.IoStatus.Information.get()));
                FLT_POSTOP_FINISHED_PROCESSING
            });
            write(file, 0);
            assert_eq!(
                log()[4..],
                [
                    "lower post WRITE 0",
                    "middle post WRITE 0",
                    "upper post WRITE 0",
                    "5",
                    "done STATUS_SUCCESS (0x00000000) 5"
                ]
            );
            assert_eq!(found(core, &mut 0), [(rule, Severity::Warning)]);
        });
    }
}

#[test]
fn the_mark_of_a_change_is_set_and_cleared_alone() {
    // spec: IOPB-14, IOPB-15
    let data = FLT_CALLBACK_DATA::zeroed();
    for flags in [0, FLTFL_CALLBACK_DATA_IRP_OPERATION | FLTFL_CALLBACK_DATA_SYSTEM_BUFFER] {
        data.Flags.set(flags);
        assert!(!fltmgr::flt_is_callback_data_dirty(&data));
        for _ in 0..2 {
            fltmgr::flt_set_callback_data_dirty(&data);
            assert_eq!(data.Flags.get(), flags | FLTFL_CALLBACK_DATA_DIRTY);
            assert!(fltmgr::flt_is_callback_data_dirty(&data));
        }
        for _ in 0..2 {
            fltmgr::flt_clear_callback_data_dirty(&data);
            assert_eq!(data.Flags.get(), flags);
        }
    }
}

#[test]
fn a_cleared_mark_makes_a_change_a_lost_one() {
    // spec: IOPB-14, IOPB-15
    with_file(&[IRP_MJ_WRITE], |core, file| {
        on_pre(MIDDLE, |call| {
            call.move_to(100);
            fltmgr::flt_clear_callback_data_dirty(call.data);
            FLT_PREOP_SUCCESS_WITH_CALLBACK
        });
        write(file, 0);
        assert_eq!(log()[2], "lower pre WRITE 0");
        assert_eq!(rules(core), ["SEED-IOPB-44"]);
    });
}

#[test]
fn reserved_members_of_a_set_information_stay_the_systems() {
    // spec: PARM-12
    use file_information_class::*;
    for (class, reserved) in [
        (FileMoveClusterInformation, true),
        (FileDispositionInformation, true),
        (FileDispositionInformationEx, true),
        (FileRenameInformation, false),
        (FileEndOfFileInformation, false),
    ] {
        with_file(&[IRP_MJ_SET_INFORMATION], |core, file| {
            on_pre(MIDDLE, |call| {
                let set = call.block().Parameters.SetFileInformation();
                set.Length.set(set.Length.get() + 1);
                set.DeleteHandle().set(std::ptr::without_provenance_mut(0x7770));
                fltmgr::flt_set_callback_data_dirty(call.data);
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            on_pre(LOWER, |call| {
                let set = call.block().Parameters.SetFileInformation();
                note(format!("{} {:p}", set.Length.get(), set.DeleteHandle().get()));
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            send(file, IRP_MJ_SET_INFORMATION, |irp, stack| {
                irp.SystemBuffer().set(std::ptr::without_provenance_mut(0x1_0000));
                let set = stack.Parameters.SetFile();
                set.Length.set(8);
                set.FileInformationClass.set(class);
                set.DeleteHandle().set(std::ptr::without_provenance_mut(0x2220));
            });
            assert_eq!(log()[3], if reserved { "9 0x2220" } else { "9 0x7770" }, "{class}");
            let expected: &[&str] = if reserved { &["PARM-12"] } else { &[] };
            assert_eq!(rules(core), expected, "{class}");
        });
    }
}
