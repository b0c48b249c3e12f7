//! IRPs down and up a stack of devices.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use nt_abi::*;
use nt_io::*;
use nt_ke::{Raise, dispatcher};
use support::*;

type Log = Arc<Mutex<Vec<String>>>;

fn note(context: usize, line: String) {
    // SAFETY: each test keeps its log alive while IRPs are on their way.
    let log = unsafe { &*(context as *const Mutex<Vec<String>>) };
    log.lock().unwrap().push(line);
}

fn passing(
    device: Option<&'static DEVICE_OBJECT>,
    irp: &'static IRP,
    context: usize,
) -> Result<NtStatus, Raise> {
    note(context, format!("up {} pending {}", device.is_some(), irp.PendingReturned.get()));
    if irp.PendingReturned.get() != 0 {
        io_mark_pending(irp);
    }
    Ok(NtStatus::SUCCESS)
}

fn keeping(
    device: Option<&'static DEVICE_OBJECT>,
    _: &'static IRP,
    context: usize,
) -> Result<NtStatus, Raise> {
    note(context, format!("top {}", device.is_some()));
    Ok(NtStatus::MORE_PROCESSING_REQUIRED)
}

/// Three devices: two that pass on with a completion routine, over `bottom`.
fn stack(
    log: &Log,
    bottom: impl Fn(&'static IRP) -> Result<NtStatus, Raise> + Send + Sync + 'static,
) -> &'static DEVICE_OBJECT {
    let lowest = device("Bottom", move |_, irp| bottom(irp));
    let mut top = lowest;
    for name in ["Middle", "Top"] {
        let log = Arc::clone(log);
        let filter = device(name, move |device, irp| {
            io_copy_current_to_next(irp);
            let context = Arc::as_ptr(&log) as usize;
            io_set_completion(irp, Completion::Rust { routine: passing, context }, true, true, true);
            io_call_driver(io_get_lower_device(device).unwrap(), irp)
        });
        io_attach_device(filter, lowest).unwrap();
        top = filter;
    }
    assert_eq!(top.StackSize.get(), 3);
    assert!(std::ptr::eq(io_get_attached_device(lowest), top));
    top
}

fn send(top: &'static DEVICE_OBJECT, log: &Log) -> (&'static IRP, NtStatus) {
    let irp = io_allocate_irp(top.StackSize.get() as u8).unwrap();
    io_next_stack(irp).MajorFunction.set(IRP_MJ_FLUSH_BUFFERS);
    let context = Arc::as_ptr(log) as usize;
    io_set_completion(irp, Completion::Rust { routine: keeping, context }, true, true, true);
    let status = io_call_driver(top, irp).unwrap();
    (irp, status)
}

#[test]
fn completion_routines_run_from_the_bottom_up_and_the_creator_keeps_the_irp() {
    // spec: IO-05, IO-08, IO-11, IO-15
    in_machine(|_| {
        let log = Log::default();
        let top = stack(&log, |irp| io_complete_with(irp, NtStatus::SUCCESS, 9));
        let (irp, status) = send(top, &log);
        assert_eq!(status, NtStatus::SUCCESS);
        assert_eq!(*log.lock().unwrap(), ["up true pending 0", "up true pending 0", "top false"]);
        assert_eq!(irp.IoStatus.Information.get(), 9);
        io_free_irp(irp).unwrap();
    });
}

#[test]
fn a_pended_irp_carries_its_pending_bit_up_when_another_thread_completes_it() {
    // spec: IO-01, IO-02, IO-05, IO-16
    in_machine(|core| {
        let log = Log::default();
        let kept = Arc::new(AtomicUsize::new(0));
        let slot = Arc::clone(&kept);
        let top = stack(&log, move |irp| {
            io_mark_pending(irp);
            slot.store(std::ptr::from_ref(irp) as usize, Ordering::SeqCst);
            Ok(NtStatus::PENDING)
        });
        let (irp, status) = send(top, &log);
        assert_eq!(status, NtStatus::PENDING);
        assert!(log.lock().unwrap().is_empty());
        let done = KEVENT::default();
        dispatcher::initialize_header(&done.Header, dispatcher::object_type::NOTIFICATION_EVENT, 0);
        let (irp_address, event) = (kept.load(Ordering::SeqCst), std::ptr::from_ref(&done) as usize);
        core.spawn(
            "completer",
            0,
            |_| (),
            move || {
                // SAFETY: the test waits for the event before it frees the IRP.
                let irp: &'static IRP = unsafe { &*(irp_address as *const IRP) };
                io_complete_with(irp, NtStatus::SUCCESS, 0).unwrap();
                // SAFETY: the waiting thread keeps its stack.
                dispatcher::set_event(unsafe { &(*(event as *const KEVENT)).Header });
            },
        )
        .unwrap();
        dispatcher::wait(&done.Header, false, None).unwrap();
        assert_eq!(*log.lock().unwrap(), ["up true pending 1", "up true pending 1", "top false"]);
        io_free_irp(irp).unwrap();
    });
}

#[test]
fn a_driver_that_forwards_and_waits_owns_the_irp_again() {
    // spec: IO-05, IO-11
    in_machine(|_| {
        let log = Log::default();
        let lowest = device("Lowest", |_, irp| io_complete_with(irp, NtStatus::SUCCESS, 3));
        let seen = Arc::clone(&log);
        let filter = device("Waits", move |device, irp| {
            let status = io_call_driver_and_wait(io_get_lower_device(device).unwrap(), irp)?;
            seen.lock().unwrap().push(format!("got {}", irp.IoStatus.Information.get()));
            io_complete_with(irp, status, 4)
        });
        io_attach_device(filter, lowest).unwrap();
        let (irp, _) = send(filter, &log);
        assert_eq!(*log.lock().unwrap(), ["got 3", "top false"]);
        assert_eq!(irp.IoStatus.Information.get(), 4);
        io_free_irp(irp).unwrap();
    });
}

#[test]
fn routines_that_are_not_wanted_for_the_outcome_are_passed_over() {
    // spec: IO-08
    in_machine(|_| {
        let log = Log::default();
        let lowest = device("Fails", |_, irp| io_complete_with(irp, NtStatus::DISK_FULL, 0));
        let context = Arc::as_ptr(&log) as usize;
        let filter = device("OnSuccess", move |device, irp| {
            io_copy_current_to_next(irp);
            io_set_completion(irp, Completion::Rust { routine: passing, context }, true, false, true);
            io_call_driver(io_get_lower_device(device).unwrap(), irp)
        });
        io_attach_device(filter, lowest).unwrap();
        let (irp, status) = send(filter, &log);
        assert_eq!(status, NtStatus::DISK_FULL);
        assert_eq!(*log.lock().unwrap(), ["top false"]);
        io_free_irp(irp).unwrap();
    });
}

#[test]
fn skipping_shares_the_stack_location() {
    // spec: IO-07
    in_machine(|_| {
        let log = Log::default();
        let lowest = device("Reads", |_, irp| {
            let length = io_current_stack(irp).Parameters.Read().Length.get();
            io_complete_with(irp, NtStatus::SUCCESS, length as usize)
        });
        let filter = device("Skips", |device, irp| {
            io_skip_current(irp);
            io_call_driver(io_get_lower_device(device).unwrap(), irp)
        });
        io_attach_device(filter, lowest).unwrap();
        let irp = io_allocate_irp(2).unwrap();
        io_next_stack(irp).Parameters.Read().Length.set(77);
        let context = Arc::as_ptr(&log) as usize;
        io_set_completion(irp, Completion::Rust { routine: keeping, context }, true, true, true);
        io_call_driver(filter, irp).unwrap();
        assert_eq!(irp.IoStatus.Information.get(), 77);
        io_free_irp(irp).unwrap();
    });
}

fn cancelled(irp: &'static IRP) -> Result<(), Raise> {
    io_release_cancel_spin_lock(irp.CancelIrql.get())?;
    io_complete_with(irp, NtStatus::CANCELLED, 0).map(|_| ())
}

#[test]
fn cancelling_calls_the_routine_once_and_completes() {
    // spec: IO-20, IO-21, IO-22, IO-24
    in_machine(|_| {
        let log = Log::default();
        let top = stack(&log, |irp| {
            io_mark_pending(irp);
            assert!(!io_set_rust_cancel(irp, Some(cancelled)));
            Ok(NtStatus::PENDING)
        });
        let (irp, status) = send(top, &log);
        assert_eq!(status, NtStatus::PENDING);
        assert_eq!(io_cancel_irp(irp), Ok(true));
        assert_eq!(irp.IoStatus.Status.get(), NtStatus::CANCELLED);
        assert_eq!(log.lock().unwrap().len(), 3);
        assert_eq!(io_cancel_irp(irp), Ok(false));
        assert_eq!(nt_ke::irql::current(), 0);
        io_free_irp(irp).unwrap();
    });
}

#[test]
fn associated_irps_complete_their_master() {
    // spec: IO-30, SEED-IOPB-16
    in_machine(|_| {
        let log = Log::default();
        let worker = device("Worker", |_, irp| io_complete_with(irp, NtStatus::SUCCESS, 0));
        let splitter = device("Splitter", move |_, master| {
            io_mark_pending(master);
            master.AssociatedIrp.IrpCount().set(2);
            for _ in 0..2 {
                let part = io_make_associated_irp(master, 1).unwrap();
                io_call_driver(worker, part)?;
            }
            Ok(NtStatus::PENDING)
        });
        let (irp, status) = send(splitter, &log);
        assert_eq!(status, NtStatus::PENDING);
        assert_eq!(*log.lock().unwrap(), ["top false"]);
        io_free_irp(irp).unwrap();
    });
}

#[test]
fn completing_twice_is_bug_check_44() {
    // spec: IO-13
    in_machine(|core| {
        let log = Log::default();
        let top = device("Once", |_, irp| io_complete_with(irp, NtStatus::SUCCESS, 0));
        let (irp, _) = send(top, &log);
        // The creator's routine kept it once; it may be completed on, but not a third time.
        io_complete_request(irp, 0).unwrap();
        assert!(io_complete_request(irp, 0).is_err());
        assert_eq!(core.bug_checked().unwrap().code, bugcheck::MULTIPLE_IRP_COMPLETE_REQUESTS);
    });
}

#[test]
fn a_missing_stack_location_is_bug_check_35() {
    // spec: IO-17
    in_machine(|core| {
        let lowest = device("Lowest", |_, irp| io_complete_with(irp, NtStatus::SUCCESS, 0));
        let top = device("Upper", |device, irp| io_call_driver(io_get_lower_device(device).unwrap(), irp));
        io_attach_device(top, lowest).unwrap();
        let irp = io_allocate_irp(1).unwrap();
        assert!(io_call_driver(top, irp).is_err());
        assert_eq!(core.bug_checked().unwrap().code, bugcheck::NO_MORE_IRP_STACK_LOCATIONS);
    });
}

#[test]
fn synchronicity_follows_the_documented_order() {
    // spec: IO-46
    in_machine(|_| {
        let irp = io_allocate_irp(1).unwrap();
        io_set_next_location(irp);
        for (flags, expected) in [
            (IRP_PAGING_IO, false),
            (IRP_PAGING_IO | IRP_SYNCHRONOUS_API, false),
            (IRP_PAGING_IO | IRP_SYNCHRONOUS_PAGING_IO, true),
            (IRP_SYNCHRONOUS_API, true),
            (0, false),
        ] {
            irp.Flags.set(flags);
            assert_eq!(io_is_operation_synchronous(irp), expected, "{flags:#x}");
        }
        io_free_irp(irp).unwrap();
    });
}
