//! Cancel-safe queues whose list is the test's.

use std::cell::{Cell, RefCell};
use std::ptr::{from_ref, without_provenance_mut};
use std::sync::atomic::Ordering;

use fltmgr::queue::*;
use nt_abi::*;
use nt_io::{io_cancel_irp, io_set_rust_cancel};

use crate::harness::*;

thread_local! {
    static LIST: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    static REFUSES: Cell<NtStatus> = const { Cell::new(NtStatus::SUCCESS) };
    static QUEUE: Cell<Option<&'static FLT_CALLBACK_DATA_QUEUE>> = const { Cell::new(None) };
    static CONTEXT: Cell<Option<&'static IO_CSQ_IRP_CONTEXT>> = const { Cell::new(None) };
}

fn queue() -> &'static FLT_CALLBACK_DATA_QUEUE {
    QUEUE.get().expect("a queue")
}

fn is_ours(queue_given: &FLT_CALLBACK_DATA_QUEUE) {
    assert!(std::ptr::eq(queue_given, queue()));
}

extern "win64" fn insert(queue: &FLT_CALLBACK_DATA_QUEUE, data: usize, context: usize) -> NtStatus {
    is_ours(queue);
    note(format!("insert {context:#x}"));
    let answer = REFUSES.get();
    if answer.is_success() {
        LIST.with_borrow_mut(|list| list.push(data));
    }
    answer
}

extern "win64" fn remove(queue: &FLT_CALLBACK_DATA_QUEUE, data: usize) {
    is_ours(queue);
    note("remove");
    LIST.with_borrow_mut(|list| {
        let place = list.iter().position(|other| *other == data).expect("it is in the list");
        list.remove(place);
    });
}

extern "win64" fn peek(queue: &FLT_CALLBACK_DATA_QUEUE, after: usize, context: usize) -> usize {
    is_ours(queue);
    note(format!("peek {context:#x}"));
    LIST.with_borrow(|list| {
        let from = if after == 0 { 0 } else { 1 + list.iter().position(|other| *other == after).unwrap() };
        list.get(from).copied().unwrap_or(0)
    })
}

extern "win64" fn acquire(queue: &FLT_CALLBACK_DATA_QUEUE, irql: &Cell<u8>) {
    is_ours(queue);
    note("acquire");
    irql.set(5);
}

extern "win64" fn release(queue: &FLT_CALLBACK_DATA_QUEUE, irql: u8) {
    is_ours(queue);
    assert_eq!(irql, 5, "what the acquire left");
    note("release");
}

extern "win64" fn complete_canceled(queue: &FLT_CALLBACK_DATA_QUEUE, data: usize) {
    is_ours(queue);
    note("canceled");
    finish(data, NtStatus::CANCELLED);
}

/// Answers a held operation.
fn finish(data: usize, status: NtStatus) {
    let operation = fltmgr::operation_from(data).unwrap();
    operation.data.IoStatus.Status.set(status);
    fltmgr::flt_complete_pended_pre_operation(operation, FLT_PREOP_COMPLETE, 0).unwrap();
}

/// A machine whose middle filter puts each write into a queue, and holds what is in it.
fn with_queue(f: impl FnOnce(&nt_ke::Core, &'static FILE_OBJECT)) {
    with_file(&[IRP_MJ_WRITE], |core, file| {
        let instance = fltmgr::flt()
            .volumes()
            .iter()
            .find_map(|v| v.instances().get(MIDDLE).cloned())
            .expect("an instance");
        let made: &'static FLT_CALLBACK_DATA_QUEUE = Box::leak(Box::default());
        QUEUE.set(Some(made));
        CONTEXT.set(None);
        let native = |function: *const ()| NativeFn(function as usize);
        // What was there before does not count.
        made.Flags.set(u32::MAX);
        flt_cbdq_initialize(
            &instance,
            made,
            QueueCallbacks {
                insert: native(insert as *const ()),
                remove: native(remove as *const ()),
                peek: native(peek as *const ()),
                acquire: native(acquire as *const ()),
                release: native(release as *const ()),
                complete_canceled: native(complete_canceled as *const ()),
            },
        );
        assert_eq!((made.Flags.get(), made.Csq.Type.get()), (0, 2));
        assert_eq!(made.Instance.get() as usize, fltmgr::instance_for_driver(&instance).unwrap());
        on_pre(MIDDLE, |call| {
            let status = flt_cbdq_insert_io(queue(), call.operation(), CONTEXT.get(), 0x99).unwrap();
            note(format!("{status:?}"));
            if status == NtStatus::SUCCESS { FLT_PREOP_PENDING } else { FLT_PREOP_SUCCESS_NO_CALLBACK }
        });
        f(core, file);
        assert_eq!(LIST.take(), Vec::<usize>::new(), "the list is empty");
    });
}

const SUCCESS: &str = "STATUS_SUCCESS (0x00000000)";

/// Sends a write that ends in the queue.
fn queued(file: &'static FILE_OBJECT) -> &'static IRP {
    let irp = write(file, 0);
    assert_eq!(log()[1..], ["middle pre WRITE 0", "acquire", "insert 0x99", "release", SUCCESS, "pending"]);
    assert_ne!(irp.CancelRoutine.load(Ordering::Relaxed), 0);
    irp
}

#[test]
fn an_operation_is_taken_out_by_its_context_once() {
    // spec: CBDQ-01, CBDQ-02, CBDQ-05, CBDQ-09, CBDQ-10
    with_queue(|core, file| {
        let context: &'static IO_CSQ_IRP_CONTEXT = Box::leak(Box::default());
        CONTEXT.set(Some(context));
        let irp = queued(file);
        assert_eq!(context.Type.get(), 1);
        assert_eq!(
            (context.Irp.get().cast_const(), context.Csq.get().cast_const()),
            (from_ref(irp), &raw const queue().Csq)
        );
        let data = LIST.with_borrow(|list| list[0]);
        assert_eq!(flt_cbdq_remove_io(queue(), context), Ok(data));
        assert_eq!(log(), ["acquire", "remove", "release"]);
        assert!(context.Irp.get().is_null());
        assert_eq!(irp.CancelRoutine.load(Ordering::Relaxed), 0);
        assert_eq!(flt_cbdq_remove_io(queue(), context), Ok(0));
        assert_eq!(log(), ["acquire", "release"]);
        finish(data, NtStatus::ACCESS_DENIED);
        assert_eq!(log(), ["upper post WRITE 0", "done STATUS_ACCESS_DENIED (0xC0000022) 0"]);
        // Whoever cancels it has its cancel routine.
        queued(file);
        let data = LIST.with_borrow(|list| list[0]);
        // SAFETY: it stands in the context while it is queued.
        let irp = unsafe { &*context.Irp.get().cast_const() };
        assert!(io_set_rust_cancel(irp, None));
        assert_eq!(flt_cbdq_remove_io(queue(), context), Ok(0));
        assert_eq!(log(), ["acquire", "release"]);
        LIST.take();
        finish(data, NtStatus::CANCELLED);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn the_next_operation_that_is_not_being_cancelled_is_taken_out() {
    // spec: CBDQ-07, CBDQ-08
    with_queue(|core, file| {
        assert_eq!(flt_cbdq_remove_next_io(queue(), 0x55), Ok(0));
        assert_eq!(log(), ["acquire", "peek 0x55", "release"]);
        let irps = [queued(file), queued(file), queued(file)];
        let [first, second, third] = LIST.with_borrow(|list| [list[0], list[1], list[2]]);
        assert!(io_set_rust_cancel(irps[0], None), "as if it were being cancelled");
        assert_eq!(flt_cbdq_remove_next_io(queue(), 0x55), Ok(second));
        assert_eq!(log(), ["acquire", "peek 0x55", "peek 0x55", "remove", "release"]);
        assert_eq!(flt_cbdq_remove_next_io(queue(), 0x55), Ok(third));
        assert_eq!(flt_cbdq_remove_next_io(queue(), 0x55), Ok(0));
        assert_eq!(LIST.take(), [first]);
        for data in [first, second, third] {
            finish(data, NtStatus::SUCCESS);
        }
        assert_eq!(log().iter().filter(|line| line.starts_with("done")).count(), 3);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_cancelled_operation_leaves_the_queue_and_is_completed() {
    // spec: CBDQ-11, CBDQ-12, CBDQ-13
    with_queue(|core, file| {
        let context: &'static IO_CSQ_IRP_CONTEXT = Box::leak(Box::default());
        CONTEXT.set(Some(context));
        let irp = queued(file);
        assert_eq!(io_cancel_irp(irp), Ok(true));
        let end = ["canceled", "upper post WRITE 0", "done STATUS_CANCELLED (0xC0000120) 0"];
        assert_eq!(log(), [&["acquire", "remove", "release"][..], &end].concat());
        assert!(context.Irp.get().is_null());
        assert_eq!(flt_cbdq_remove_io(queue(), context), Ok(0));
        // It is cancelled before it is inserted.
        log();
        on_pre(UPPER, |call| {
            call.operation().irp.get().unwrap().Cancel.store(1, Ordering::Relaxed);
            FLT_PREOP_SUCCESS_WITH_CALLBACK
        });
        let irp = write(file, 0);
        let lines = log();
        assert_eq!(
            lines[2..],
            [
                "acquire",
                "insert 0x99",
                "remove",
                "release",
                "canceled",
                SUCCESS,
                "upper post WRITE 0",
                "done STATUS_CANCELLED (0xC0000120) 0",
                "pending"
            ]
        );
        assert_eq!(irp.CancelRoutine.load(Ordering::Relaxed), 0);
        assert!(context.Irp.get().is_null());
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn nothing_goes_into_a_disabled_queue_or_one_whose_filter_refuses() {
    // spec: CBDQ-03, CBDQ-04
    with_queue(|core, file| {
        let flags = &queue().Flags;
        // The other bits are the manager's own.
        flags.set(0x30);
        flt_cbdq_enable(queue());
        assert_eq!(flags.get(), 0x30);
        for _ in 0..2 {
            flt_cbdq_disable(queue());
            assert_eq!(flags.get(), 0x31);
        }
        let irp = write(file, 0);
        assert_eq!(log()[2..5], ["acquire", "release", "STATUS_FLT_CBDQ_DISABLED (0xC01C000E)"]);
        assert_eq!(irp.CancelRoutine.load(Ordering::Relaxed), 0);
        for _ in 0..2 {
            flt_cbdq_enable(queue());
            assert_eq!(flags.get(), 0x30);
        }
        let context: &'static IO_CSQ_IRP_CONTEXT = Box::leak(Box::default());
        CONTEXT.set(Some(context));
        REFUSES.set(NtStatus::INSUFFICIENT_RESOURCES);
        let irp = write(file, 0);
        REFUSES.set(NtStatus::SUCCESS);
        let lines = log();
        assert_eq!(
            lines[2..6],
            ["acquire", "insert 0x99", "release", "STATUS_INSUFFICIENT_RESOURCES (0xC000009A)"]
        );
        assert_eq!(irp.CancelRoutine.load(Ordering::Relaxed), 0);
        assert!(context.Irp.get().is_null());
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn an_operation_has_one_cancel_routine_and_an_irp() {
    // spec: CBDQ-02, CBDQ-14
    extern "win64" fn never(_: usize) {
        note("never");
    }
    with_queue(|core, file| {
        on_pre(UPPER, |call| {
            let callback = NativeFn(never as *const () as usize);
            assert_eq!(
                fltmgr::cancel::flt_set_cancel_completion(call.operation(), callback),
                NtStatus::SUCCESS
            );
            FLT_PREOP_SUCCESS_WITH_CALLBACK
        });
        let irp = queued(file);
        assert_eq!(rules(core), ["CBDQ-14"]);
        assert_eq!(core.findings()[0].driver, "middle");
        assert_eq!(io_cancel_irp(irp), Ok(true));
        assert!(!log().contains(&"never".to_owned()), "the queue's routine took its place");
    });
    with_file(&[IRP_MJ_ACQUIRE_FOR_CC_FLUSH], |core, file| {
        let made: &'static FLT_CALLBACK_DATA_QUEUE = Box::leak(Box::default());
        made.Acquire.set(NativeFn(without_provenance_mut::<u8>(0x10).addr()));
        on_pre(MIDDLE, move |call| {
            assert_eq!(flt_cbdq_insert_io(made, call.operation(), None, 0), Ok(NtStatus::INVALID_PARAMETER));
            FLT_PREOP_SUCCESS_NO_CALLBACK
        });
        assert_eq!(nt_fsrtl::fs_filter::acquire_for_cc_flush(file), Ok(NtStatus::SUCCESS));
        assert_eq!(rules(core), ["CBDQ-02"]);
    });
}
