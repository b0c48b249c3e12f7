//! Work items: for anything, and for an operation that a callback holds.

use std::cell::{Cell, RefCell};
use std::ptr::from_ref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fltmgr::work::*;
use nt_abi::*;
use nt_ke::current_thread;

use crate::stage::*;

const CRITICAL: u32 = 0;
const DELAYED: u32 = 1;
const HYPER_CRITICAL: u32 = 2;

/// What a routine was called with: item, object or data, context, IRQL, thread.
type Ran = (usize, usize, usize, u8, usize);

// Routines run in other threads; each test process has one machine at a time for these.
static RAN: Mutex<Vec<Ran>> = Mutex::new(Vec::new());
/// Routines wait while this is set.
static HELD: AtomicBool = AtomicBool::new(false);
static STARTED: AtomicUsize = AtomicUsize::new(0);
/// One test at a time.
static ALONE: Mutex<()> = Mutex::new(());

extern "win64" fn routine(item: usize, second: usize, context: usize) {
    STARTED.fetch_add(1, Ordering::SeqCst);
    while HELD.load(Ordering::SeqCst) {
        nt_ke::current_core().scheduler().pause();
    }
    let ran = (item, second, context, nt_ke::irql::current(), from_ref(current_thread()) as usize);
    RAN.lock().unwrap().push(ran);
}

/// Completes the operation, which its callback holds.
extern "win64" fn deferred(item: usize, data: usize, context: usize) {
    routine(item, data, context);
    flt_free_work_item(item, Kind::Deferred).unwrap();
    let operation = fltmgr::operation_from(data).unwrap();
    let status = FLT_PREOP_SUCCESS_NO_CALLBACK;
    fltmgr::flt_complete_pended_pre_operation(operation, status, 0).unwrap();
}

fn code(function: extern "win64" fn(usize, usize, usize)) -> NativeFn {
    NativeFn(function as *const () as usize)
}

/// Waits for `count` routines.
fn ran(count: usize) -> Vec<Ran> {
    while RAN.lock().unwrap().len() < count {
        nt_ke::current_core().scheduler().pause();
    }
    std::mem::take(&mut RAN.lock().unwrap())
}

fn with_work(f: impl FnOnce(&Stage)) {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    HELD.store(false, Ordering::SeqCst);
    RAN.lock().unwrap().clear();
    STARTED.store(0, Ordering::SeqCst);
    on_stage(Setting { options: 0, ..USUAL }, f);
}

/// What drivers know an object by. Who asks keeps it.
fn address<T: fltmgr::anchor::Anchored>(object: &Arc<T>) -> usize {
    let address = fltmgr::anchor::reference_for_driver(object).unwrap();
    fltmgr::flt_object_dereference(address).unwrap();
    address
}

#[test]
fn generic_work_runs_once_in_a_system_thread() {
    // spec: WORK-01, WORK-04
    with_work(|stage| {
        let item = flt_allocate_work_item(Kind::Generic);
        assert!(nt_ex::pool::kind_around(item) == Some(nt_ex::pool::PoolKind::NonPaged));
        for object in [address(&stage.filter), address(&stage.instance)] {
            for queue in [CRITICAL, DELAYED] {
                let queued = flt_queue_generic_work_item(item, object, code(routine), queue, 0x66);
                assert_eq!(queued, Ok(NtStatus::SUCCESS));
                let all = ran(1);
                let (of, second, context, level, thread) = all[0];
                assert_eq!((all.len(), of, second, context, level), (1, item, object, 0x66, 0));
                assert_ne!(thread, from_ref(current_thread()) as usize);
            }
        }
        flt_free_work_item(item, Kind::Generic).unwrap();
        assert_eq!(nt_ex::pool::size_of_block(item as *const u8), None);
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
}

#[test]
fn an_item_that_is_queued_is_neither_freed_nor_queued_again() {
    // spec: WORK-03, WORK-05
    with_work(|stage| {
        let object = address(&stage.filter);
        HELD.store(true, Ordering::SeqCst);
        let queue = |item, queue| flt_queue_generic_work_item(item, object, code(routine), queue, 1).unwrap();
        // All workers of the queue are busy, so one more item waits.
        let busy: Vec<usize> = (0..32).map(|_| flt_allocate_work_item(Kind::Generic)).collect();
        busy.iter().for_each(|item| assert_eq!(queue(*item, DELAYED), NtStatus::SUCCESS));
        while STARTED.load(Ordering::SeqCst) < 32 {
            stage.core.scheduler().pause();
        }
        let waiting = flt_allocate_work_item(Kind::Generic);
        assert_eq!(queue(waiting, DELAYED), NtStatus::SUCCESS);
        assert_eq!(queue(waiting, DELAYED), NtStatus::INVALID_PARAMETER);
        flt_free_work_item(waiting, Kind::Generic).unwrap();
        assert!(nt_ex::pool::size_of_block(waiting as *const u8).is_some(), "it is not freed");
        assert_eq!(stage.rules(), ["WORK-05", "WORK-05"]);
        let findings = stage.core.findings();
        assert!(findings[0].message.contains("runs once") && findings[0].driver == "asker", "{findings:?}");
        assert!(findings[1].message.contains("was freed"), "{findings:?}");
        // One that runs may be queued again.
        assert_eq!(queue(busy[0], CRITICAL), NtStatus::SUCCESS);
        HELD.store(false, Ordering::SeqCst);
        assert_eq!(ran(34).len(), 34);
        assert_eq!(stage.rules().len(), 2);
        assert_eq!(queue(waiting, HYPER_CRITICAL), NtStatus::SUCCESS);
        assert_eq!(stage.rules()[2..], ["WORK-03"]);
        ran(1);
        // The routines have returned when the filter is free to go.
        fltmgr::flt_unregister_filter(&stage.filter).unwrap();
        busy.into_iter().chain([waiting]).for_each(|item| flt_free_work_item(item, Kind::Generic).unwrap());
        assert_eq!(stage.rules().len(), 3);
    });
}

#[test]
fn what_is_no_work_item_ends_the_machine() {
    // spec: WORK-05
    for wrong in 0..6 {
        with_work(|stage| {
            let generic = flt_allocate_work_item(Kind::Generic);
            let (address, kind) = match wrong {
                0 => (0, Kind::Generic),
                1 => (generic, Kind::Deferred),
                2 => (generic + 16, Kind::Generic),
                3 => (generic + 4, Kind::Generic),
                4 => (8, Kind::Generic),
                _ => {
                    flt_free_work_item(generic, Kind::Generic).unwrap();
                    (generic, Kind::Generic)
                }
            };
            assert!(flt_free_work_item(address, kind).is_err(), "{wrong}");
            let check = stage.core.bug_checked().expect("it is none");
            assert!(check.message.contains("as a work item"), "{}", check.message);
        });
    }
}

thread_local! {
    /// An item, and what came of queueing it when the instance began to go.
    static GOING: Cell<(usize, NtStatus)> = const { Cell::new((0, NtStatus::SUCCESS)) };
}

extern "win64" fn begins_to_go(objects: &FLT_RELATED_OBJECTS, _: u32) {
    let (item, instance) = (GOING.get().0, objects.Instance.get() as usize);
    let queued = flt_queue_generic_work_item(item, instance, code(routine), DELAYED, 0);
    GOING.set((item, queued.unwrap()));
}

extern "win64" fn may_go(_: usize, _: u32) -> i32 {
    0
}

extern "win64" fn passes(_: usize, _: usize, _: usize) -> i32 {
    FLT_PREOP_SUCCESS_NO_CALLBACK
}

#[test]
fn a_filter_or_instance_that_goes_gets_no_work() {
    // spec: WORK-02
    with_work(|stage| {
        register_more(|registration| {
            registration.InstanceQueryTeardownCallback.set(NativeFn(may_go as *const () as usize));
            registration.InstanceTeardownStartCallback.set(NativeFn(begins_to_go as *const () as usize));
        });
        let filter = filter("third", "300", passes as *const () as usize, 0);
        let instance = fltmgr::flt().instances_of(&filter).remove(0);
        let (of_filter, of_instance) = (address(&filter), address(&instance));
        let item = flt_allocate_work_item(Kind::Generic);
        let queue = |object| flt_queue_generic_work_item(item, object, code(routine), DELAYED, 0).unwrap();
        assert_eq!((queue(of_instance), ran(1).len()), (NtStatus::SUCCESS, 1));
        GOING.set((item, NtStatus::SUCCESS));
        let volume = &stage.instance.volume;
        assert_eq!(fltmgr::flt_detach_volume(&filter, volume, None), Ok(NtStatus::SUCCESS));
        assert_eq!(GOING.get().1, NtStatus::FLT_DELETING_OBJECT, "already when it begins to go");
        assert_eq!(queue(of_instance), NtStatus::FLT_DELETING_OBJECT);
        assert_eq!((queue(of_filter), ran(1).len()), (NtStatus::SUCCESS, 1), "the filter stays");
        fltmgr::flt_unregister_filter(&filter).unwrap();
        assert_eq!(queue(of_filter), NtStatus::FLT_DELETING_OBJECT);
        assert!(RAN.lock().unwrap().is_empty());
        flt_free_work_item(item, Kind::Generic).unwrap();
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
}

thread_local! {
    static QUEUED: RefCell<Vec<NtStatus>> = const { RefCell::new(Vec::new()) };
    static QUEUE: Cell<u32> = const { Cell::new(DELAYED) };
}

fn queue_for(data: &FLT_CALLBACK_DATA) -> (usize, NtStatus) {
    let item = flt_allocate_work_item(Kind::Deferred);
    let data = from_ref(data) as usize;
    let queued = flt_queue_deferred_io_work_item(item, data, code(deferred), QUEUE.get(), 0x77).unwrap();
    QUEUED.with_borrow_mut(|all| all.push(queued));
    (item, queued)
}

/// `asker` holds the operations of `major` in its pre callback, when they are queued.
fn holds(major: u8) {
    hook(move |who, data, post| {
        if who != "asker" || post || iopb(data).MajorFunction.get() != major {
            return None;
        }
        let (item, queued) = queue_for(data);
        if queued == NtStatus::SUCCESS {
            return Some(FLT_PREOP_PENDING);
        }
        flt_free_work_item(item, Kind::Deferred).unwrap();
        None
    });
}

#[test]
fn an_operation_is_held_while_its_work_is_queued() {
    // spec: PEND-08, PEND-11, PEND-12
    with_work(|stage| {
        holds(IRP_MJ_FLUSH_BUFFERS);
        for (queue, rules) in [(CRITICAL, 0), (DELAYED, 0), (HYPER_CRITICAL, 1)] {
            QUEUE.set(queue);
            assert_eq!(nt_io::nt_flush_buffers_file(stage.handle, 0).unwrap().status, NtStatus::SUCCESS);
            let all = ran(1);
            assert_eq!((all.len(), all[0].2, all[0].3), (1, 0x77, 0));
            assert_ne!(all[0].4, from_ref(current_thread()) as usize);
            assert_eq!(stage.rules(), ["PEND-12"; 1][..rules]);
        }
        assert_eq!(QUEUED.take(), [NtStatus::SUCCESS; 3]);
        QUEUE.set(DELAYED);
        nt_io::io_set_top_level_irp(1);
        nt_io::nt_flush_buffers_file(stage.handle, 0).unwrap();
        nt_io::io_set_top_level_irp(0);
        assert_eq!(QUEUED.take(), [NtStatus::FLT_NOT_SAFE_TO_POST_OPERATION]);
        holds(IRP_MJ_READ);
        let irp = nt_io::io_allocate_irp(8).unwrap();
        let stack = nt_io::io_next_stack(irp);
        stack.MajorFunction.set(IRP_MJ_READ);
        stack.FileObject.set(from_ref(stage.file).cast_mut());
        irp.Flags.set(IRP_PAGING_IO | IRP_NOCACHE | IRP_SYNCHRONOUS_PAGING_IO);
        nt_io::io_send_and_wait(stage.instance.volume.device().unwrap(), irp).unwrap();
        assert_eq!(QUEUED.take(), [NtStatus::FLT_NOT_SAFE_TO_POST_OPERATION], "paging I/O");
        no_hook();
        assert!(RAN.lock().unwrap().is_empty());
        assert_eq!(stage.rules().len(), 1);
    });
}

#[test]
fn work_for_reads_writes_and_flushes_is_not_queued_from_their_post_callbacks() {
    // spec: PEND-13
    extern "win64" fn completes(item: usize, data: usize, context: usize) {
        routine(item, data, context);
        flt_free_work_item(item, Kind::Deferred).unwrap();
        fltmgr::flt_complete_pended_post_operation(fltmgr::operation_from(data).unwrap()).unwrap();
    }
    with_work(|stage| {
        hook(|who, data, post| {
            if who != "asker" || !post {
                return None;
            }
            let item = flt_allocate_work_item(Kind::Deferred);
            let data = from_ref(data) as usize;
            let queued = flt_queue_deferred_io_work_item(item, data, code(completes), DELAYED, 0);
            assert_eq!(queued, Ok(NtStatus::SUCCESS));
            Some(FLT_POSTOP_MORE_PROCESSING_REQUIRED)
        });
        let buffer = memory(64);
        let class = file_information_class::FileEndOfFileInformation;
        assert!(nt_io::nt_set_information_file(stage.handle, buffer, 8, class).is_ok());
        ran(1);
        assert_eq!(stage.rules(), Vec::<&str>::new(), "other operations may be");
        nt_io::nt_flush_buffers_file(stage.handle, 0).unwrap();
        ran(1);
        no_hook();
        assert_eq!(stage.rules(), ["PEND-13"]);
    });
}

#[test]
fn the_data_of_a_filters_own_operation_hold_no_callback() {
    with_work(|stage| {
        let file = from_ref(stage.file) as usize;
        let data = fltmgr::request::flt_allocate_callback_data(&stage.instance, file, 0).unwrap().unwrap();
        let item = flt_allocate_work_item(Kind::Deferred);
        let queued = flt_queue_deferred_io_work_item(item, data, code(deferred), DELAYED, 0);
        assert!(queued.is_err() || queued == Ok(NtStatus::INVALID_PARAMETER));
        assert!(RAN.lock().unwrap().is_empty());
    });
}

#[test]
fn the_data_of_a_drained_post_callback_hold_nothing() {
    // spec: PEND-09
    for draining in [true, false] {
        with_work(|stage| {
            // A copy, as such callbacks get: nothing of the manager's stands behind it.
            let data = memory(0x200);
            let flags = FLTFL_CALLBACK_DATA_POST_OPERATION
                | if draining { FLTFL_CALLBACK_DATA_DRAINING_IO } else { 0 };
            boundary::copy::write_value(data, flags).unwrap();
            let item = flt_allocate_work_item(Kind::Deferred);
            let queued = flt_queue_deferred_io_work_item(item, data, code(deferred), DELAYED, 0);
            if draining {
                assert_eq!(
                    (queued, stage.core.bug_checked().is_none()),
                    (Ok(NtStatus::FLT_DELETING_OBJECT), true)
                );
            } else {
                assert!(queued.is_err() && stage.core.bug_checked().is_some(), "they are no callback data");
            }
        });
    }
}
