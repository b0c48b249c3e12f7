//! Cancel-safe queues, and cancelling operations that a filter holds.

use altimeter::{NtStatus, Stopped};
use nt_abi::{IRP_MJ_QUERY_INFORMATION, IRP_MJ_WRITE, file_information_class as class};

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
