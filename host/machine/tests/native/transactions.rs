//! Transactions as minifilters see them: `objtest` enlists in those that its files are opened in.

use altimeter::session::{OpenRequest, Opened, Session, Transaction};
use altimeter::{Machine, NtStatus, Stopped, utf16};

use crate::objects::{assert_all_hold, checked, load, run};
use crate::support::*;

fn open_in(session: &Session, transaction: &Transaction, name: &str) -> Result<Opened, Stopped> {
    let path = utf16(&format!("\\{name}"));
    let request = OpenRequest::on_volume(&path)
        .access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE)
        .disposition(nt_abi::FILE_OPEN_IF);
    Ok(session.open_in(transaction, &request)?.expect("a new file"))
}

/// Opens the file in a transaction, ends that, and returns how.
fn transact(machine: &Machine, name: &str, commits: bool) -> NtStatus {
    machine
        .run(|session| {
            let transaction = session.begin_transaction()?.expect("a transaction");
            let opened = open_in(session, &transaction, name)?;
            session.write(&opened.handle, Some(0), b"data")?;
            session.close(opened.handle)?;
            if commits { session.commit(transaction) } else { session.roll_back(transaction) }
        })
        .unwrap_or_else(|Stopped| panic!("{name}: {:?}", machine.report()))
}

/// Notifications in their order, four bits each; 0 is COMMIT_FINALIZE.
fn notified(machine: &Machine) -> u64 {
    results(machine, "objtest").counted[0]
}

#[test]
fn contexts_and_enlistments_keep_their_rules() {
    // spec: TXN-01, TXN-02, TXN-03, TXN-05, TXN-06, CTX-35
    let machine = checked(&["txn-outside"]);
    assert_eq!(transact(&machine, "txn-rules", true), NtStatus::SUCCESS);
    let [order, count, _] = results(&machine, "objtest").counted;
    assert_eq!((order, count), (0x1240, 4), "with COMMIT_FINALIZE, which was asked for");
    assert_all_hold(&machine, 38);
}

#[test]
fn notifications_come_in_order_and_are_answered_at_once_or_later() {
    // spec: TXN-03, TXN-04
    for name in ["txn-at-once", "txn-later", "txn-early"] {
        for (commits, order) in [(true, 0x124), (false, 0x8)] {
            let machine = checked(&[]);
            assert_eq!(transact(&machine, name, commits), NtStatus::SUCCESS, "{name}");
            assert_eq!(notified(&machine), order, "{name}");
            assert_all_hold(&machine, 4);
        }
    }
}

#[test]
fn a_filter_can_make_a_transaction_fail_until_it_is_committed() {
    // spec: TXN-06
    let machine = checked(&[]);
    assert_eq!(transact(&machine, "txn-refuse", true), NtStatus::TRANSACTION_ABORTED);
    assert_eq!(notified(&machine), 0x128);
    assert_all_hold(&machine, 8);
    let machine = checked(&[]);
    assert_eq!(transact(&machine, "txn-too-late", true), NtStatus::SUCCESS);
    assert_eq!(notified(&machine), 0x124);
    assert_all_hold(&machine, 8);
}

#[test]
fn wrong_answers_are_reported_and_the_transaction_ends() {
    // spec: TXN-07
    for name in ["wrong-txn-twice", "wrong-txn-other"] {
        let machine = checked(&[]);
        assert_eq!(transact(&machine, name, true), NtStatus::SUCCESS);
        assert_eq!(results(&machine, "objtest").failed_lines, Vec::<u32>::new());
        assert_found(&machine, "TXN-07", "objtest");
    }
}

#[test]
fn operations_in_a_transaction_are_irps_that_filters_above_see_too() {
    let machine = machine();
    load(&machine);
    recorder(&machine, "above", "380000", &["Mode=sz:observe"]);
    assert_eq!(transact(&machine, "file", false), NtStatus::SUCCESS);
    run(&machine, "txn-outside").expect("the machine runs");
    let writes = results(&machine, "above").of(nt_abi::IRP_MJ_WRITE, false);
    assert_eq!(writes.len(), 1, "a filter above sees the file's operations, as IRPs");
    assert_all_hold(&machine, 2);
}

#[test]
fn an_instance_that_goes_takes_part_no_longer() {
    // spec: TXN-02
    let machine = checked(&[]);
    let transaction = machine
        .run(|session| {
            let transaction = session.begin_transaction()?.expect("a transaction");
            let opened = open_in(session, &transaction, "txn-stay")?;
            session.close(opened.handle)?;
            Ok(transaction)
        })
        .expect("the machine runs");
    assert_eq!(machine.detach_instance("objtest", 0, None), Ok(NtStatus::SUCCESS));
    assert_eq!(results(&machine, "objtest").failed_lines, Vec::<u32>::new());
    assert_eq!(results(&machine, "objtest").counted[2], 1, "its teardown was refused a second enlistment");
    machine.unload_all();
    let status = machine.run(|session| session.commit(transaction));
    assert_eq!(status, Ok(NtStatus::SUCCESS), "{:?}", machine.report());
    assert_clean(&machine);
}

#[test]
fn a_transaction_that_is_over_takes_no_files_and_no_enlistments() {
    // spec: TXN-01
    let machine = checked(&["file"]);
    recorder(&machine, "r", "365000", &["Mode=sz:observe"]);
    machine
        .run(|_| {
            let transaction = nt_tm::tm_create_transaction().expect("a transaction");
            let volume = fltmgr::flt().volumes().remove(0);
            let instance = |name: &str| {
                let of = |i: &std::sync::Arc<fltmgr::Instance>| i.filter.label == name;
                volume.instances().into_iter().find(of).expect("an instance")
            };
            let enlist = |name: &str| {
                fltmgr::transactions::flt_enlist_in_transaction(&instance(name), transaction.object(), 0, 4)
            };
            assert_eq!(enlist("r")?, NtStatus::INVALID_PARAMETER, "it has no callback");
            assert_eq!(transaction.roll_back()?, NtStatus::SUCCESS);
            assert_eq!(enlist("objtest")?, NtStatus::TRANSACTION_NOT_ACTIVE);
            nt_ob::ob_dereference(transaction.object())?;
            Ok(())
        })
        .expect("the machine runs");
}
