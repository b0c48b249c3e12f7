//! Cancel-safe queues, and cancelling operations that a filter holds.

use altimeter::{Machine, NtStatus, Options, Schedule, Stopped};
use nt_abi::{IRP_MJ_CREATE, IRP_MJ_QUERY_INFORMATION, IRP_MJ_WRITE, file_information_class as class};

use crate::pended::{all_good, await_end, between_recorders, send, status_of};
use crate::support::*;

#[test]
fn a_queue_takes_and_gives_operations_as_documented() {
    // spec: CBDQ-01, CBDQ-03, CBDQ-04, CBDQ-05, CBDQ-06, CBDQ-07, CBDQ-08, CBDQ-09, CBDQ-10
    let machine = between_recorders("cbdq-rules", IRP_MJ_WRITE, &[]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"abc"));
    assert!(results(&machine, "r").checks > 30);
    all_good(&machine);
}

#[test]
fn a_queued_operation_goes_on_when_it_is_taken_out() {
    // spec: CBDQ-08
    let machine = between_recorders("queue", IRP_MJ_WRITE, &[]);
    machine
        .run(|session| {
            let (sent, status) = send(session)?;
            assert_eq!(status.status, NtStatus::PENDING);
            let other = create(session, "file")?.expect("the file");
            session.query_information(&other, class::FileStandardInformation, &mut [0; 24])?;
            assert_eq!(await_end(&sent)?, NtStatus::SUCCESS);
            session.close(other)?;
            session.close(sent.handle)
        })
        .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
    assert_eq!(results(&machine, "r").counted, [1, 1, 0]);
    assert_eq!(results(&machine, "low").of(IRP_MJ_WRITE, false).len(), 1);
    all_good(&machine);
}

#[test]
fn a_queued_operation_that_is_cancelled_is_removed_and_completed_once() {
    // spec: CBDQ-11, CBDQ-12
    let machine = between_recorders("queue", IRP_MJ_WRITE, &[]);
    machine
        .run(|session| {
            let (sent, _) = send(session)?;
            assert_eq!(status_of(&sent), NtStatus::PENDING);
            assert_eq!(nt_io::nt_cancel_io_file(sent.handle.value(), false)?.status, NtStatus::SUCCESS);
            assert_eq!(await_end(&sent)?, NtStatus::CANCELLED);
            let other = create(session, "file")?.expect("the file");
            session.query_information(&other, class::FileStandardInformation, &mut [0; 24])?;
            session.close(other)?;
            session.close(sent.handle)
        })
        .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
    assert_eq!(results(&machine, "r").counted, [1, 1, 1]);
    assert_eq!(results(&machine, "low").of(IRP_MJ_WRITE, false).len(), 0);
    let above = results(&machine, "up").of(IRP_MJ_WRITE, true);
    assert_eq!((above.len(), above[0].status), (1, NtStatus::CANCELLED.0 as u32));
    all_good(&machine);
}

#[test]
fn an_operation_that_is_cancelled_already_does_not_stay_in_the_queue() {
    // spec: CBDQ-13, CAN-01, CAN-02
    let machine = between_recorders("queue", IRP_MJ_WRITE, &["Return=dword:1"]);
    let done = with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"abc"));
    assert_eq!(done.status, NtStatus::CANCELLED);
    let seen = results(&machine, "r");
    assert_eq!((seen.failed_lines, seen.counted[0]), (vec![], 1));
    assert_found(&machine, "CAN-02", "r");
}

#[test]
fn a_held_operation_is_cancelled_by_its_callback() {
    // spec: CAN-04, CAN-05, CAN-06
    let machine = between_recorders("cancel", IRP_MJ_WRITE, &[]);
    machine
        .run(|session| {
            let (sent, status) = send(session)?;
            assert_eq!(status.status, NtStatus::PENDING);
            assert_eq!(nt_io::nt_cancel_io_file(sent.handle.value(), true)?.status, NtStatus::SUCCESS);
            assert_eq!(await_end(&sent)?, NtStatus::CANCELLED);
            session.close(sent.handle)
        })
        .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
    assert_eq!(results(&machine, "r").counted[2], 1);
    all_good(&machine);
}

#[test]
fn cancelling_calls_the_routine_that_is_set_and_says_so() {
    // spec: CAN-01, CAN-06
    let machine = between_recorders("cancel", IRP_MJ_WRITE, &["Return=dword:2"]);
    let done = with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"abc"));
    assert_eq!(done.status, NtStatus::CANCELLED);
    assert_eq!(results(&machine, "r").failed_lines, []);
}

#[test]
fn a_cancel_routine_and_a_queue_exclude_each_other() {
    // spec: CBDQ-14
    let machine = between_recorders("cancel", IRP_MJ_WRITE, &["Return=dword:1"]);
    let done = with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"abc"));
    assert_eq!((done.status, results(&machine, "r").failed_lines), (NtStatus::SUCCESS, vec![]));
    assert_eq!(rules(&machine), ["CBDQ-14"]);
}

#[test]
fn operations_without_an_irp_are_neither_queued_nor_cancelled() {
    // spec: CBDQ-02, CAN-01, CAN-04
    let machine =
        with_recorder(&["Mode=sz:cancel-wrongly", &format!("Major=dword:{IRP_MJ_QUERY_INFORMATION}")]);
    with_file(&machine, "file", |session, handle| {
        session.query_information(handle, class::FileStandardInformation, &mut [0; 24])
    });
    let seen = results(&machine, "r");
    assert_eq!(seen.fast(IRP_MJ_QUERY_INFORMATION, false).len(), 1);
    assert_eq!(seen.failed_lines, []);
    assert_found(&machine, "CBDQ-02", "r");
    assert_found(&machine, "CAN-04", "r");
}

/// Runs `work` in one thread, and cancels in another what that one waits for as soon as it waits.
///
/// `waits`: not before this filter has counted.
fn cancelled<R: Send>(
    machine: &Machine,
    waits: Option<&str>,
    work: impl Fn(&altimeter::session::Session) -> Result<R, Stopped> + Sync,
) -> R {
    let waiting = std::sync::Mutex::new(None);
    std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            machine
                .run(|session| {
                    *waiting.lock().expect("the thread") = Some(nt_ke::current_thread());
                    work(session)
                })
                .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()))
        });
        machine
            .run(|_| {
                let status = || -> Result<NtStatus, Stopped> {
                    match *waiting.lock().expect("the thread") {
                        Some(thread) => Ok(nt_io::nt_cancel_synchronous_io_file(thread, 0)?.status),
                        None => Ok(NtStatus::NOT_FOUND),
                    }
                };
                // Waits that end by themselves are left alone.
                while waits.is_some_and(|waits| results(machine, waits).counted[0] == 0) {
                    nt_ke::current_core().scheduler().pause();
                }
                while status()? == NtStatus::NOT_FOUND {
                    nt_ke::current_core().scheduler().pause();
                }
                Ok(())
            })
            .expect("the machine runs");
        working.join().expect("it ends")
    })
}

fn free(mode: &str, major: u8, more: &str) -> Machine {
    let options = Options { schedule: Schedule::Free, ..Options::default() };
    let machine = Machine::boot(options).expect("a machine in memory boots");
    recorder(&machine, "r", "365000", &[&format!("Mode=sz:{mode}"), &format!("Major=dword:{major}"), more]);
    recorder(&machine, "low", "360000", &["Mode=sz:observe"]);
    machine
}

#[test]
fn who_waits_for_a_held_operation_is_cancelled_by_another_thread() {
    // spec: CBDQ-11, CBDQ-12, IO-20
    let machine = free("queue", IRP_MJ_WRITE, "Return=dword:0");
    let status = cancelled(&machine, None, |session| {
        let handle = create(session, "file")?.expect("a file");
        let done = session.write(&handle, Some(0), b"abc")?;
        session.close(handle)?;
        Ok(done.status)
    });
    assert_eq!(status, NtStatus::CANCELLED);
    assert_eq!(results(&machine, "low").of(IRP_MJ_WRITE, false).len(), 0);
    let machine = free("queue", IRP_MJ_CREATE, "Return=dword:0");
    let refused = cancelled(&machine, None, |session| Ok(create(session, "file")?.err()));
    assert_eq!(refused, Some(NtStatus::CANCELLED));
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn nothing_is_cancelled_when_nobody_waits() {
    let machine = machine();
    let status =
        machine.run(|_| Ok(nt_io::nt_cancel_synchronous_io_file(nt_ke::current_thread(), 0)?.status));
    assert_eq!(status.expect("the machine runs"), NtStatus::NOT_FOUND);
}

#[test]
fn a_wait_in_a_callback_ends_when_the_operation_is_cancelled() {
    // spec: IO-20
    for several in [0, 1] {
        let machine = free("wait", IRP_MJ_WRITE, &format!("Return=dword:{several}"));
        let status = cancelled(&machine, Some("r"), |session| {
            let handle = create(session, "file")?.expect("a file");
            let done = session.write(&handle, Some(0), b"abc")?;
            session.close(handle)?;
            Ok(done.status)
        });
        assert_eq!(status, NtStatus::CANCELLED);
        let seen = results(&machine, "r");
        assert_eq!((seen.failed_lines, seen.counted[0]), (vec![], 1));
        machine.unload_all();
        assert_clean(&machine);
    }
}
