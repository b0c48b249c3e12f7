//! Operations that pend below while an instance goes.

use std::cell::{Cell, RefCell};
use std::ptr::without_provenance_mut;
use std::sync::Arc;

use nt_abi::*;
use nt_io::io_complete_with;
use nt_ke::Severity;

use crate::harness::*;

thread_local! {
    static BELOW: RefCell<Vec<&'static IRP>> = const { RefCell::new(Vec::new()) };
}

/// The file system answers nothing by itself.
fn pends() {
    on_fs(|irp| {
        BELOW.with_borrow_mut(|below| below.push(irp));
        None
    });
}

/// The file system answers the first of its IRPs.
fn answer() {
    let irp = BELOW.with_borrow_mut(|below| below.remove(0));
    io_complete_with(irp, NtStatus::SUCCESS, 8).unwrap();
}

fn with_filters(f: impl FnOnce(&Arc<nt_ke::Core>, &[Arc<fltmgr::Filter>; 3], &'static FILE_OBJECT)) {
    in_machine(|core| {
        let filters = three(&[IRP_MJ_WRITE]);
        let file = open('C');
        log();
        pends();
        f(core, &filters, file);
    });
}

const DONE: &str = "done STATUS_SUCCESS (0x00000000) 8";

#[test]
fn each_operation_that_pends_below_is_drained_though_another_one_came_back() {
    // spec: LIFE-17, POST-11, POST-13
    with_filters(|core, [_, middle, _], file| {
        for offset in [10, 20, 30] {
            write(file, offset);
        }
        log();
        answer();
        assert_eq!(log(), ["lower post WRITE 10", "middle post WRITE 10", "upper post WRITE 10", DONE]);
        fltmgr::flt_unregister_filter(middle).unwrap();
        let mut drained = log();
        drained.sort();
        assert_eq!(drained, ["middle post WRITE 20", "middle post WRITE 30"]);
        for offset in [20, 30] {
            answer();
            let post = |who: &str| format!("{who} post WRITE {offset}");
            assert_eq!(log(), [post("lower"), post("upper"), DONE.to_owned()], "not drained twice");
        }
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_drained_callback_is_given_what_its_pre_callback_saw() {
    // spec: POST-11, POST-12, CBD-08, CBD-16
    for answer_of_post in [FLT_POSTOP_FINISHED_PROCESSING, FLT_POSTOP_MORE_PROCESSING_REQUIRED] {
        with_filters(|core, [_, middle, _], file| {
            thread_local! {
                static SEEN: Cell<(usize, u32, usize)> = const { Cell::new((0, 0, 0)) };
            }
            on_pre(UPPER, |call| {
                call.move_to(call.offset() + 100);
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            on_pre(MIDDLE, |call| {
                call.context.set(0x44);
                let filter = call.objects.Filter.get().addr();
                SEEN.set((call.data.Thread.get().addr(), call.data.Flags.get(), filter));
                call.data.RequestorMode.get();
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            on_pre(LOWER, |call| {
                call.move_to(call.offset() + 100);
                FLT_PREOP_SUCCESS_WITH_CALLBACK
            });
            on_post(MIDDLE, move |call| {
                let (thread, flags, filter) = SEEN.get();
                let drains = FLTFL_CALLBACK_DATA_POST_OPERATION | FLTFL_CALLBACK_DATA_DRAINING_IO;
                assert_eq!(call.data.Flags.get(), flags | drains);
                assert_eq!((call.data.Thread.get().addr(), call.data.RequestorMode.get()), (thread, 1));
                assert_eq!((call.context.get(), call.flags), (0x44, FLTFL_POST_OPERATION_DRAINING));
                let (objects, block) = (call.objects, call.block());
                assert_eq!(objects.Filter.get().addr(), filter);
                assert_eq!(objects.Instance.get().addr(), block.TargetInstance.get().addr());
                assert_eq!(objects.FileObject.get(), block.TargetFileObject.get());
                let io = &call.data.IoStatus;
                assert_eq!((io.Status.get(), io.Information.get()), (NtStatus::SUCCESS, 0));
                answer_of_post
            });
            send(file, IRP_MJ_WRITE, |irp, stack| {
                irp.RequestorMode.set(1);
                stack.Parameters.Write().Length.set(8);
            });
            assert_eq!(
                log(),
                [
                    "upper pre WRITE 0",
                    "middle pre WRITE 100",
                    "lower pre WRITE 100",
                    "fs WRITE 200",
                    "pending"
                ]
            );
            fltmgr::flt_unregister_filter(middle).unwrap();
            assert_eq!(log(), ["middle post WRITE 100"]);
            answer();
            assert_eq!(log(), ["lower post WRITE 100", "upper post WRITE 0", DONE]);
            let expected = [("POST-12", Severity::Error)];
            let wrong = answer_of_post != FLT_POSTOP_FINISHED_PROCESSING;
            assert_eq!(found(core, &mut 0), if wrong { &expected[..] } else { &[] });
        });
    }
}

/// Unregisters a filter in another thread while `f` runs. Returns what its callbacks logged there.
fn while_going(core: &Arc<nt_ke::Core>, filter: &Arc<fltmgr::Filter>, f: impl FnOnce()) -> Vec<String> {
    std::thread::scope(|scope| {
        let gone = scope.spawn(|| {
            core.attach(0, || {
                fltmgr::flt_unregister_filter(filter).unwrap();
                log()
            })
            .expect("a thread")
        });
        // Long enough for it to come to where it waits.
        std::thread::sleep(std::time::Duration::from_millis(30));
        assert!(!gone.is_finished());
        f();
        gone.join().expect("no panic")
    })
}

#[test]
fn an_operation_that_pended_below_is_pending_for_those_above() {
    with_filters(|core, _, file| {
        let irp = write(file, 0);
        assert_eq!(log().last().map(String::as_str), Some("pending"));
        answer();
        assert_eq!(log().last().map(String::as_str), Some(DONE));
        assert_eq!(irp.PendingReturned.get(), 1, "the manager's location is marked");
        on_fs(|_| Some(NtStatus::SUCCESS));
        assert_eq!(write(file, 0).PendingReturned.get(), 0);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn an_operation_that_came_back_leaves_nothing_to_drain() {
    // spec: LIFE-17, POST-11
    with_filters(|core, [_, middle, _], file| {
        // The next one uses the same memory.
        write(file, 0);
        answer();
        log();
        let (core, middle) = (std::sync::Arc::clone(core), std::sync::Arc::clone(middle));
        thread_local! {
            static DRAINED: RefCell<Option<std::thread::JoinHandle<Vec<String>>>> = const { RefCell::new(None) };
        }
        on_fs(move |_| {
            let (core, middle) = (std::sync::Arc::clone(&core), std::sync::Arc::clone(&middle));
            let gone = std::thread::spawn(move || {
                core.attach(0, || {
                    fltmgr::flt_unregister_filter(&middle).unwrap();
                    log()
                })
                .expect("a thread")
            });
            std::thread::sleep(std::time::Duration::from_millis(30));
            assert!(!gone.is_finished(), "it waits for the thread that is below it");
            DRAINED.set(Some(gone));
            Some(NtStatus::SUCCESS)
        });
        write(file, 8);
        assert_eq!(log()[4..], ["lower post WRITE 8", "middle post WRITE 8", "upper post WRITE 8", DONE]);
        let drained = DRAINED.take().expect("it runs").join().expect("no panic");
        assert_eq!(drained, Vec::<String>::new());
        forget_hooks();
    });
}

#[test]
fn an_operation_whose_buffer_was_swapped_is_waited_for() {
    // spec: LIFE-17, POST-11, SWAP-17
    with_filters(|core, [_, middle, _], file| {
        on_pre(MIDDLE, |call| {
            call.block().Parameters.Write().WriteBuffer.set(without_provenance_mut(0x2_0000));
            fltmgr::flt_set_callback_data_dirty(call.data);
            FLT_PREOP_SUCCESS_WITH_CALLBACK
        });
        on_post(MIDDLE, |call| {
            assert_eq!(call.data.Flags.get() & FLTFL_CALLBACK_DATA_DRAINING_IO, 0);
            FLT_POSTOP_FINISHED_PROCESSING
        });
        write(file, 0);
        log();
        assert_eq!(while_going(core, middle, answer), Vec::<String>::new(), "not drained");
        assert_eq!(log(), ["lower post WRITE 0", "middle post WRITE 0", "upper post WRITE 0", DONE]);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn an_operation_that_a_post_callback_holds_is_not_drained() {
    // spec: POST-11, LIFE-16
    with_filters(|core, [_, middle, _], file| {
        thread_local! {
            static HELD: Cell<Option<&'static fltmgr::Operation>> = const { Cell::new(None) };
        }
        on_post(MIDDLE, |call| {
            HELD.set(Some(call.operation()));
            FLT_POSTOP_MORE_PROCESSING_REQUIRED
        });
        write(file, 0);
        answer();
        assert_eq!(log().last().map(String::as_str), Some("middle post WRITE 0"));
        let drained = while_going(core, middle, || {
            fltmgr::flt_complete_pended_post_operation(HELD.get().unwrap()).unwrap();
        });
        assert_eq!(drained, Vec::<String>::new());
        assert_eq!(log(), ["upper post WRITE 0", DONE]);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn an_instance_that_goes_is_not_called_any_more_on_the_way_up() {
    // spec: LIFE-14, LIFE-18
    with_filters(|core, [upper, middle, lower], file| {
        write(file, 0);
        for filter in [upper, middle, lower] {
            fltmgr::flt_unregister_filter(filter).unwrap();
        }
        assert_eq!(log()[5..], ["upper post WRITE 0", "middle post WRITE 0", "lower post WRITE 0"]);
        answer();
        assert_eq!(log(), [DONE]);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}
