//! Operations that callbacks hold, completed by the thread that sent them.

use std::cell::Cell;

use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL};
use nt_abi::*;
use nt_io::io_set_rust_cancel;
use nt_ke::{Severity, irql};

use crate::harness::*;

thread_local! {
    /// The operation that a callback holds.
    static HELD: Cell<Option<&'static fltmgr::Operation>> = const { Cell::new(None) };
}

fn held() -> &'static fltmgr::Operation {
    HELD.take().expect("a callback holds it")
}

/// The pre callback of a filter holds what comes, with a context that nobody looks at.
fn holds(filter: usize) {
    on_pre(filter, |call| {
        HELD.set(Some(call.operation()));
        FLT_PREOP_PENDING
    });
}

fn complete(answer: i32, context: usize) {
    fltmgr::flt_complete_pended_pre_operation(held(), answer, context).unwrap();
}

fn messages(core: &nt_ke::Core) -> Vec<String> {
    core.findings()
        .iter()
        .map(|finding| format!("{} {}: {}", finding.rule, finding.driver, finding.message))
        .collect()
}

const DONE: &str = "done STATUS_SUCCESS (0x00000000) 8";
const DOWN: [&str; 3] = ["upper pre WRITE 0", "middle pre WRITE 0", "pending"];

#[test]
fn a_held_operation_goes_on_with_the_answer_of_whoever_completes_it() {
    // spec: PRE-09, PEND-02, PEND-04
    for (answer, context) in [
        (FLT_PREOP_SUCCESS_WITH_CALLBACK, 0x77),
        (FLT_PREOP_SUCCESS_WITH_CALLBACK, 0),
        (FLT_PREOP_SUCCESS_NO_CALLBACK, 0),
        (FLT_PREOP_COMPLETE, 0),
    ] {
        with_file(&[IRP_MJ_WRITE], |core, file| {
            let instance =
                fltmgr::flt().volumes().iter().find_map(|v| v.instances().get(MIDDLE).cloned()).unwrap();
            holds(MIDDLE);
            on_post(MIDDLE, |call| {
                note(format!("{:#x}", call.context.get()));
                FLT_POSTOP_FINISHED_PROCESSING
            });
            let irp = write(file, 0);
            assert_eq!(log(), DOWN);
            assert!(instance.holds_operations());
            if answer == FLT_PREOP_COMPLETE {
                HELD.get().unwrap().data.IoStatus.Status.set(NtStatus::ACCESS_DENIED);
            }
            complete(answer, context);
            assert!(!instance.holds_operations());
            let own = ["middle post WRITE 0".to_owned(), format!("{context:#x}")];
            let below = ["lower pre WRITE 0", "fs WRITE 0", "lower post WRITE 0"].map(str::to_owned);
            let above = "upper post WRITE 0".to_owned();
            let expected = match answer {
                FLT_PREOP_SUCCESS_WITH_CALLBACK => [&below[..], &own, &[above, DONE.into()]].concat(),
                FLT_PREOP_SUCCESS_NO_CALLBACK => [&below[..], &[above, DONE.into()]].concat(),
                _ => vec![above, "done STATUS_ACCESS_DENIED (0xC0000022) 0".into()],
            };
            assert_eq!(log(), expected, "{answer}");
            assert_eq!(irp.PendingReturned.get(), 1);
            assert_eq!(rules(core), Vec::<&str>::new());
        });
    }
}

#[test]
fn an_operation_that_is_completed_before_its_callback_returns_goes_on_in_that_thread() {
    // spec: PRE-09
    for (answer, lines) in
        [(FLT_PREOP_SUCCESS_WITH_CALLBACK, 5), (FLT_PREOP_SUCCESS_NO_CALLBACK, 4), (FLT_PREOP_COMPLETE, 1)]
    {
        with_file(&[IRP_MJ_WRITE], |core, file| {
            on_pre(MIDDLE, move |call| {
                let context = if answer == FLT_PREOP_SUCCESS_WITH_CALLBACK { 0x33 } else { 0 };
                fltmgr::flt_complete_pended_pre_operation(call.operation(), answer, context).unwrap();
                note("completed");
                FLT_PREOP_PENDING
            });
            on_post(MIDDLE, |call| {
                assert_eq!(call.context.get(), 0x33);
                FLT_POSTOP_FINISHED_PROCESSING
            });
            let irp = write(file, 0);
            let seen = log();
            assert_eq!(seen[2], "completed");
            // The IRP was marked when it was held, so its sender is told so, after it is done.
            assert_eq!(seen.last().map(String::as_str), Some("pending"));
            assert!(seen[seen.len() - 2].starts_with("done STATUS_SUCCESS"));
            assert_eq!(seen.len(), 5 + lines, "{seen:?}");
            assert_eq!(irp.PendingReturned.get(), 1);
            assert_eq!(rules(core), Vec::<&str>::new());
        });
    }
}

#[test]
fn what_is_wrong_about_completing_a_pre_callback_is_reported() {
    // spec: PEND-01, PEND-02, PEND-03
    const WITH: i32 = FLT_PREOP_SUCCESS_WITH_CALLBACK;
    const WITHOUT: i32 = FLT_PREOP_SUCCESS_NO_CALLBACK;
    // Answer, context, IRQL, what is found, whether the post callback runs.
    for (answer, context, level, expected, post) in [
        (WITH, 8, APC_LEVEL, &[][..], true),
        (WITHOUT, 0, APC_LEVEL, &[], false),
        (WITH, 8, DISPATCH_LEVEL, &["PEND-03"], true),
        (WITHOUT, 0, DISPATCH_LEVEL, &["PEND-03"], false),
        (FLT_PREOP_COMPLETE, 0, DISPATCH_LEVEL, &[], false),
        (FLT_PREOP_COMPLETE, 8, 0, &["PEND-02"], false),
        (WITHOUT, 8, 0, &["PEND-02"], false),
        (FLT_PREOP_SYNCHRONIZE, 8, 0, &["PEND-01"], true),
        (FLT_PREOP_SYNCHRONIZE, 0, 0, &["PEND-01"], true),
        (FLT_PREOP_PENDING, 0, 0, &["PEND-01"], false),
        (FLT_PREOP_DISALLOW_FASTIO, 8, 0, &["PEND-01", "PEND-02"], false),
        (77, 0, 0, &["PEND-01"], false),
    ] {
        with_file(&[IRP_MJ_WRITE], |core, file| {
            holds(MIDDLE);
            on_post(MIDDLE, move |call| {
                assert_eq!(call.context.get(), context);
                FLT_POSTOP_FINISHED_PROCESSING
            });
            write(file, 0);
            log();
            let old = irql::raise(level);
            complete(answer, context);
            irql::lower(old);
            let lines = log();
            assert_eq!(lines.contains(&"middle post WRITE 0".to_owned()), post, "{answer}");
            assert_eq!(lines.contains(&"fs WRITE 0".to_owned()), answer != FLT_PREOP_COMPLETE);
            assert!(lines.last().unwrap().starts_with("done STATUS_SUCCESS"));
            assert_eq!(rules(core), expected, "{answer} {context} {level}");
            assert!(core.findings().iter().all(|finding| finding.driver == "middle"));
        });
    }
}

#[test]
fn completing_what_nobody_holds_is_reported_and_does_nothing() {
    // spec: PEND-06
    with_file(&[IRP_MJ_WRITE], |core, file| {
        on_post(MIDDLE, |call| {
            fltmgr::flt_complete_pended_pre_operation(call.operation(), FLT_PREOP_COMPLETE, 0).unwrap();
            FLT_POSTOP_FINISHED_PROCESSING
        });
        on_pre(LOWER, |call| {
            fltmgr::flt_complete_pended_post_operation(call.operation()).unwrap();
            FLT_PREOP_SUCCESS_WITH_CALLBACK
        });
        write(file, 0);
        let lines = log();
        assert_eq!((lines.len(), lines[7].as_str()), (8, DONE));
        assert_eq!(
            messages(core),
            [
                "PEND-06 lower: FltCompletePendedPostOperation was called for an operation that is not pended",
                "PEND-06 middle: FltCompletePendedPreOperation was called for an operation that is not pended",
            ]
        );
    });
    // Twice before the callback returns.
    with_file(&[IRP_MJ_WRITE], |core, file| {
        on_pre(MIDDLE, |call| {
            for answer in [FLT_PREOP_SUCCESS_NO_CALLBACK, FLT_PREOP_COMPLETE] {
                fltmgr::flt_complete_pended_pre_operation(call.operation(), answer, 0).unwrap();
            }
            FLT_PREOP_PENDING
        });
        write(file, 0);
        assert_eq!(
            log().iter().filter(|line| *line == "fs WRITE 0").count(),
            1,
            "it goes on once, as the first one says"
        );
        assert_eq!(
            messages(core),
            [
                "PEND-06 middle: FltCompletePendedPreOperation was called for an operation that is completed already"
            ]
        );
    });
    // Before a callback that then does not hold it: it is told so when another one does, or at the end.
    for (held_below, in_post) in [(true, false), (false, false), (false, true)] {
        with_file(&[IRP_MJ_WRITE], |core, file| {
            on_pre(UPPER, move |call| {
                if !in_post {
                    fltmgr::flt_complete_pended_pre_operation(call.operation(), FLT_PREOP_COMPLETE, 0)
                        .unwrap();
                }
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            on_post(LOWER, move |call| {
                if in_post {
                    fltmgr::flt_complete_pended_post_operation(call.operation()).unwrap();
                }
                FLT_POSTOP_FINISHED_PROCESSING
            });
            if held_below {
                holds(MIDDLE);
            }
            write(file, 0);
            if held_below {
                assert_eq!(log(), DOWN, "it is held all the same");
                complete(FLT_PREOP_SUCCESS_WITH_CALLBACK, 0);
            }
            assert_eq!(log().last().map(String::as_str), Some(DONE));
            assert_eq!(rules(core), ["PEND-06"], "{held_below} {in_post}");
            assert!(core.findings()[0].message.contains("then did not hold"));
            // The next one starts anew.
            on_pre(UPPER, |_| FLT_PREOP_SUCCESS_WITH_CALLBACK);
            on_pre(MIDDLE, |_| FLT_PREOP_SUCCESS_WITH_CALLBACK);
            on_post(LOWER, |_| FLT_POSTOP_FINISHED_PROCESSING);
            write(file, 0);
            assert_eq!(rules(core).len(), 1);
        });
    }
}

#[test]
fn a_post_callback_holds_the_result_back_until_it_is_completed() {
    // spec: POST-07, POST-18, PEND-05
    for early in [false, true] {
        with_file(&[IRP_MJ_WRITE], |core, file| {
            on_post(MIDDLE, move |call| {
                assert_eq!(call.data.IoStatus.Information.get(), 8);
                HELD.set(Some(call.operation()));
                if early {
                    call.set_status(NtStatus::ACCESS_DENIED, 3);
                    fltmgr::flt_complete_pended_post_operation(call.operation()).unwrap();
                }
                FLT_POSTOP_MORE_PROCESSING_REQUIRED
            });
            on_post(UPPER, |call| {
                assert_ne!(call.data.Flags.get() & FLTFL_CALLBACK_DATA_POST_OPERATION, 0);
                note(format!("{:?}", call.data.IoStatus.Status.get()));
                FLT_POSTOP_FINISHED_PROCESSING
            });
            let irp = write(file, 0);
            let lines = log();
            let above = ["upper post WRITE 0", "STATUS_ACCESS_DENIED (0xC0000022)"];
            let done = "done STATUS_ACCESS_DENIED (0xC0000022) 3";
            if early {
                assert_eq!(lines[5..], ["middle post WRITE 0", above[0], above[1], done, "pending"]);
            } else {
                assert_eq!(lines[5..], ["middle post WRITE 0", "pending"]);
                let operation = held();
                operation.data.IoStatus.Status.set(NtStatus::ACCESS_DENIED);
                operation.data.IoStatus.Information.set(3);
                fltmgr::flt_complete_pended_post_operation(operation).unwrap();
                assert_eq!(log(), [above[0], above[1], done]);
            }
            assert_eq!(irp.PendingReturned.get(), 1);
            assert_eq!(rules(core), Vec::<&str>::new());
        });
    }
}

#[test]
fn the_result_of_a_held_post_callback_is_judged_as_any_other() {
    // spec: POST-15, CBD-10, PEND-05
    with_file(&[IRP_MJ_WRITE], |core, file| {
        on_post(MIDDLE, |call| {
            HELD.set(Some(call.operation()));
            FLT_POSTOP_MORE_PROCESSING_REQUIRED
        });
        let irp = write(file, 0);
        let operation = held();
        let flags = &operation.data.Flags;
        assert_ne!(flags.get() & FLTFL_CALLBACK_DATA_POST_OPERATION, 0);
        operation.data.IoStatus.Status.set(NtStatus::PENDING);
        flags.set(flags.get() | FLTFL_CALLBACK_DATA_REISSUED_IO);
        fltmgr::flt_complete_pended_post_operation(operation).unwrap();
        assert_eq!(irp.IoStatus.Status.get(), NtStatus::FLT_INTERNAL_ERROR);
        assert_eq!(rules(core), ["CBD-10", "POST-15"]);
    });
}

#[test]
fn filters_hold_an_operation_one_after_the_other_in_both_directions() {
    // spec: PRE-09, POST-07
    with_file(&[IRP_MJ_WRITE], |core, file| {
        for filter in [UPPER, MIDDLE, LOWER] {
            holds(filter);
            on_post(filter, |call| {
                HELD.set(Some(call.operation()));
                FLT_POSTOP_MORE_PROCESSING_REQUIRED
            });
        }
        write(file, 0);
        assert_eq!(log(), ["upper pre WRITE 0", "pending"]);
        for next in
            [&["middle pre WRITE 0"][..], &["lower pre WRITE 0"], &["fs WRITE 0", "lower post WRITE 0"]]
        {
            complete(FLT_PREOP_SUCCESS_WITH_CALLBACK, 0);
            assert_eq!(log(), next);
        }
        for next in [&["middle post WRITE 0"][..], &["upper post WRITE 0"], &[DONE]] {
            fltmgr::flt_complete_pended_post_operation(held()).unwrap();
            assert_eq!(log(), next);
        }
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_filter_that_completes_what_it_holds_may_change_the_parameters_first() {
    // spec: PRE-09, SEED-IOPB-43, SEED-IOPB-48
    with_file(&[IRP_MJ_WRITE], |core, file| {
        holds(MIDDLE);
        write(file, 0);
        log();
        let operation = HELD.get().unwrap();
        operation.iopb.Parameters.Write().ByteOffset.set(100);
        fltmgr::flt_set_callback_data_dirty(&operation.data);
        complete(FLT_PREOP_SUCCESS_WITH_CALLBACK, 0);
        assert_eq!(
            log(),
            [
                "lower pre WRITE 100",
                "fs WRITE 100",
                "lower post WRITE 100",
                "middle post WRITE 0",
                "upper post WRITE 0",
                DONE
            ]
        );
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn an_instance_that_goes_says_how_many_operations_its_filter_still_holds() {
    // spec: LIFE-16, LIFE-19
    in_machine(|core| {
        let filters = three(&[IRP_MJ_WRITE]);
        let file = open('C');
        holds(MIDDLE);
        write(file, 0);
        let first = held();
        write(file, 8);
        let second = held();
        log();
        std::thread::scope(|scope| {
            let gone = scope.spawn(|| {
                core.attach(0, || {
                    fltmgr::flt_unregister_filter(&filters[MIDDLE]).unwrap();
                    log()
                })
                .expect("a thread")
            });
            while rules(core).is_empty() {
                std::thread::yield_now();
            }
            assert!(!gone.is_finished(), "it waits for them");
            for operation in [first, second] {
                fltmgr::flt_complete_pended_pre_operation(operation, FLT_PREOP_SUCCESS_NO_CALLBACK, 0)
                    .unwrap();
            }
            assert_eq!(gone.join().expect("no panic"), Vec::<String>::new(), "there is nothing to drain");
        });
        assert_eq!(log().iter().filter(|line| **line == DONE).count(), 2);
        assert_eq!(found(core, &mut 0), [("LIFE-16", Severity::Warning)]);
        assert!(core.findings()[0].message.starts_with("2 operation(s)"), "{}", core.findings()[0].message);
    });
}

#[test]
fn a_held_operation_is_cancelled_by_the_callback_that_its_filter_set() {
    // spec: CAN-04, CAN-05, CAN-06, CBDQ-14
    extern "win64" fn cancelled(data: &FLT_CALLBACK_DATA) {
        note("cancelled");
        let operation = fltmgr::operation_from(std::ptr::from_ref(data) as usize).unwrap();
        assert!(std::ptr::eq(operation, HELD.get().unwrap()));
        data.IoStatus.Status.set(NtStatus::CANCELLED);
        complete(FLT_PREOP_COMPLETE, 0);
    }
    let callback = NativeFn(cancelled as *const () as usize);
    with_file(&[IRP_MJ_WRITE], |core, file| {
        use fltmgr::cancel::{flt_clear_cancel_completion as clear, flt_set_cancel_completion as set};
        on_pre(MIDDLE, move |call| {
            let operation = call.operation();
            assert_eq!(clear(operation), NtStatus::CANCELLED, "nothing is set");
            assert_eq!(set(operation, callback), NtStatus::SUCCESS);
            HELD.set(Some(operation));
            FLT_PREOP_PENDING
        });
        let irp = write(file, 0);
        assert_eq!(log(), DOWN);
        assert_eq!(nt_io::io_cancel_irp(irp), Ok(true));
        assert_eq!(log(), ["cancelled", "upper post WRITE 0", "done STATUS_CANCELLED (0xC0000120) 0"]);
        // Who clears it first completes the operation.
        let irp = write(file, 0);
        log();
        assert_eq!(clear(HELD.get().unwrap()), NtStatus::SUCCESS);
        assert_eq!(clear(HELD.get().unwrap()), NtStatus::CANCELLED);
        assert_eq!(nt_io::io_cancel_irp(irp), Ok(false));
        complete(FLT_PREOP_SUCCESS_NO_CALLBACK, 0);
        assert_eq!(log().last().map(String::as_str), Some(DONE));
        assert_eq!(rules(core), Vec::<&str>::new());
        // It was cancelled before: the callback is not called.
        on_pre(MIDDLE, move |call| {
            let irp = call.operation().irp.get().unwrap();
            irp.Cancel.store(1, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(set(call.operation(), callback), NtStatus::CANCELLED);
            assert_eq!(irp.CancelRoutine.load(std::sync::atomic::Ordering::Relaxed), 0);
            FLT_PREOP_SUCCESS_NO_CALLBACK
        });
        write(file, 0);
        assert_eq!(log().last().map(String::as_str), Some(DONE));
        // One routine at a time, and none for paging I/O.
        on_pre(MIDDLE, move |call| {
            let operation = call.operation();
            assert_eq!(set(operation, callback), NtStatus::SUCCESS);
            assert_eq!(set(operation, callback), NtStatus::INVALID_PARAMETER);
            assert_eq!(clear(operation), NtStatus::SUCCESS);
            operation.iopb.IrpFlags.set(IRP_PAGING_IO);
            assert_eq!(set(operation, callback), NtStatus::INVALID_PARAMETER);
            assert!(!io_set_rust_cancel(operation.irp.get().unwrap(), None), "none was set");
            operation.iopb.IrpFlags.set(0);
            FLT_PREOP_SUCCESS_NO_CALLBACK
        });
        write(file, 0);
        assert_eq!(rules(core), ["CBDQ-14", "CAN-04"]);
        assert!(core.findings().iter().all(|finding| finding.driver == "middle"));
    });
    // An acquire has no IRP.
    with_file(&[IRP_MJ_ACQUIRE_FOR_CC_FLUSH], |core, file| {
        on_pre(MIDDLE, move |call| {
            use fltmgr::cancel::*;
            assert_eq!(flt_set_cancel_completion(call.operation(), callback), NtStatus::INVALID_PARAMETER);
            assert_eq!(flt_clear_cancel_completion(call.operation()), NtStatus::CANCELLED);
            assert_eq!(flt_cancel_io(std::ptr::from_ref(call.data) as usize), Ok(false));
            FLT_PREOP_SUCCESS_NO_CALLBACK
        });
        assert_eq!(nt_fsrtl::fs_filter::acquire_for_cc_flush(file), Ok(NtStatus::SUCCESS));
        assert!(log().contains(&"middle pre ACQUIRE_FOR_CC_FLUSH".to_owned()));
        assert_eq!(rules(core), ["CAN-04"]);
    });
}

#[test]
fn only_what_a_filter_issued_itself_is_its_to_cancel() {
    // spec: CAN-01, CAN-02, CAN-03
    use std::sync::atomic::Ordering;
    with_file(&[IRP_MJ_WRITE], |core, file| {
        on_pre(LOWER, |call| {
            let irp = call.operation().irp.get().unwrap();
            let cancel = || fltmgr::cancel::flt_cancel_io(std::ptr::from_ref(call.data) as usize).unwrap();
            assert_eq!(irp.Cancel.load(Ordering::Relaxed), 0);
            assert!(!cancel(), "there is no cancel routine");
            assert_eq!(irp.Cancel.load(Ordering::Relaxed), 1, "but it is marked");
            fn routine(_: &'static IRP) -> Result<(), nt_ke::Raise> {
                panic!("it was cancelled before");
            }
            io_set_rust_cancel(irp, Some(routine));
            assert!(!cancel(), "once");
            assert!(io_set_rust_cancel(irp, None));
            FLT_PREOP_SUCCESS_NO_CALLBACK
        });
        let instance = fltmgr::flt()
            .volumes()
            .iter()
            .find_map(|v| v.instances().get(UPPER).cloned())
            .expect("an instance");
        let transfer = fltmgr::transfer::Transfer {
            offset: Some(0),
            length: 8,
            buffer: 0x1000,
            mdl: 0,
            flags: 0,
            key: 0,
            callback: None,
        };
        fltmgr::transfer::flt_write_file(&instance, file, transfer).unwrap();
        assert_eq!(log()[..2], ["middle pre WRITE 0", "lower pre WRITE 0"]);
        assert_eq!(rules(core), Vec::<&str>::new());
        write(file, 0);
        assert_eq!(rules(core), ["CAN-02"; 2]);
        assert_eq!(core.findings()[0].driver, "lower");
    });
}

#[test]
fn completion_work_runs_at_once_where_it_may() {
    // spec: PEND-15, PEND-18, PEND-19
    extern "win64" fn safe(data: &FLT_CALLBACK_DATA, objects: usize, context: usize, flags: u32) -> i32 {
        note(format!("safe {:?} {objects:#x} {context:#x} {flags}", data.IoStatus.Status.get()));
        7
    }
    let callback = NativeFn(safe as *const () as usize);
    let do_safe = move |call: &Call| {
        let data = &call.operation().data;
        fltmgr::flt_do_completion_processing_when_safe(data, 0x11, 0x22, 0x33, callback).unwrap()
    };
    const NO: (bool, u32) = (false, FLT_POSTOP_FINISHED_PROCESSING as u32);
    with_file(&[IRP_MJ_WRITE], |core, file| {
        on_pre(MIDDLE, move |call| {
            assert_eq!(do_safe(call), NO);
            FLT_PREOP_SUCCESS_WITH_CALLBACK
        });
        on_post(MIDDLE, move |call| {
            assert_eq!(do_safe(call), (true, 7));
            let old = irql::raise(APC_LEVEL);
            assert_eq!(do_safe(call), (true, 7));
            irql::lower(old);
            let flags = &call.data.Flags;
            let was = flags.get();
            flags.set(was | FLTFL_CALLBACK_DATA_DRAINING_IO);
            assert_eq!(do_safe(call), NO);
            flags.set(was & !FLTFL_CALLBACK_DATA_IRP_OPERATION);
            assert_eq!(do_safe(call), NO);
            flags.set(was);
            call.block().IrpFlags.set(IRP_PAGING_IO);
            let old = irql::raise(DISPATCH_LEVEL);
            assert_eq!(do_safe(call), NO);
            irql::lower(old);
            call.block().IrpFlags.set(0);
            FLT_POSTOP_FINISHED_PROCESSING
        });
        write(file, 0);
        let line = "safe STATUS_SUCCESS (0x00000000) 0x11 0x22 51";
        assert_eq!(log()[5..], ["middle post WRITE 0", line, line, "upper post WRITE 0", DONE]);
        assert_eq!(rules(core), ["PEND-18", "PEND-18", "PEND-18", "PEND-19"]);
        let ends = ["outside a post callback", "drained: clean up only", "without an IRP"];
        for (finding, end) in core.findings().iter().zip(ends) {
            assert!(finding.message.ends_with(end), "{}", finding.message);
            assert_eq!(finding.driver, "middle");
        }
    });
}

#[test]
fn completion_work_that_is_put_off_runs_on_a_worker_and_holds_the_operation() {
    // spec: PEND-15, PEND-16, PEND-17
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    static HOLDS: AtomicUsize = AtomicUsize::new(0);
    static RAN: AtomicUsize = AtomicUsize::new(0);
    extern "win64" fn safe(data: &FLT_CALLBACK_DATA, objects: usize, context: usize, flags: u32) -> i32 {
        assert_eq!((context, flags, irql::current()), (0x22, 0, 0));
        let operation = fltmgr::operation_from(std::ptr::from_ref(data) as usize).unwrap();
        assert_eq!(std::ptr::from_ref(&operation.objects) as usize, objects);
        data.IoStatus.Information.set(5);
        // It counts from here on; who holds it may be told at once.
        let holds = HOLDS.load(SeqCst) != 0;
        RAN.store(std::ptr::from_ref(data) as usize, SeqCst);
        if holds { FLT_POSTOP_MORE_PROCESSING_REQUIRED } else { FLT_POSTOP_FINISHED_PROCESSING }
    }
    let callback = NativeFn(safe as *const () as usize);
    for (holds, answer, expected) in [
        (0, FLT_POSTOP_MORE_PROCESSING_REQUIRED, &[][..]),
        (1, FLT_POSTOP_MORE_PROCESSING_REQUIRED, &[]),
        (0, FLT_POSTOP_FINISHED_PROCESSING, &["PEND-16"]),
    ] {
        RAN.store(0, SeqCst);
        HOLDS.store(holds, SeqCst);
        with_file(&[IRP_MJ_WRITE], |core, file| {
            on_post(MIDDLE, move |call| {
                let data = &call.operation().data;
                let old = irql::raise(DISPATCH_LEVEL);
                let put_off = fltmgr::flt_do_completion_processing_when_safe(data, 0, 0x22, 0, callback);
                irql::lower(old);
                assert_eq!(put_off, Ok((true, FLT_POSTOP_MORE_PROCESSING_REQUIRED as u32)));
                // The objects are those of the operation, whatever was passed.
                answer
            });
            let irp = write(file, 0);
            while RAN.load(SeqCst) == 0 {
                std::thread::yield_now();
            }
            if holds != 0 {
                let operation = fltmgr::operation_from(RAN.load(SeqCst)).unwrap();
                // The callback may not have returned: then its thread goes on.
                fltmgr::flt_complete_pended_post_operation(operation).unwrap();
            }
            while irp.IoStatus.Information.get() != 5 {
                std::thread::yield_now();
            }
            assert_eq!(rules(core), expected);
        });
    }
}
