//! Operations that filters issue below themselves: with callback data of their own, as transfers, and again.

use altimeter::session::{Handle, OpenRequest, Session};
use altimeter::{Machine, NtStatus, Stopped, utf16};
use nt_abi::{
    FILE_CREATE, FILE_OPEN, FLTFL_CALLBACK_DATA_GENERATED_IO, FLTFL_CALLBACK_DATA_IRP_OPERATION,
    FLTFL_CALLBACK_DATA_REISSUED_IO, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_FLUSH_BUFFERS,
    IRP_MJ_QUERY_INFORMATION, IRP_MJ_READ, IRP_MJ_WRITE, IRP_NOCACHE, file_information_class as class,
};

use crate::pended::between_recorders;
use crate::support::*;

const GENERATED: u32 = FLTFL_CALLBACK_DATA_IRP_OPERATION | FLTFL_CALLBACK_DATA_GENERATED_IO;

/// A file of a sector of `a`s.
fn fill(session: &Session) -> Result<(), Stopped> {
    let handle = create(session, "change")?.expect("a file");
    assert_eq!(session.write(&handle, Some(0), &[b'a'; 512])?.status, NtStatus::SUCCESS);
    session.close(handle).map(drop)
}

fn open(session: &Session, asynchronous: bool) -> Result<Handle, Stopped> {
    let name = utf16("\\change");
    let request = OpenRequest::on_volume(&name).access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE);
    let request = if asynchronous { request.asynchronous() } else { request };
    Ok(session.open(&request)?.expect("the file").handle)
}

/// Fills a file and flushes it, which the filter in the middle acts on.
fn flush(machine: &Machine, asynchronous: bool) {
    machine
        .run(|session| {
            fill(session)?;
            let handle = open(session, asynchronous)?;
            assert_eq!(session.flush(&handle)?.status, NtStatus::SUCCESS);
            session.close(handle)
        })
        .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
}

fn checks_passed(machine: &Machine) {
    for name in ["up", "r", "low"] {
        assert_eq!(results(machine, name).failed_lines, [], "checks of {name}");
    }
}

fn is_generated(entry: &Entry) -> bool {
    entry.data_flags & FLTFL_CALLBACK_DATA_GENERATED_IO != 0
}

#[test]
fn filters_issue_operations_below_themselves_and_wait() {
    // spec: CBD-03, CBD-04, CBD-18, CBD-19, GIO-01, GIO-02, GIO-04, GIO-06, GIO-22
    for preallocated in [0, 1] {
        let machine =
            between_recorders("issue", IRP_MJ_FLUSH_BUFFERS, &[&format!("Return=dword:{preallocated}")]);
        flush(&machine, false);
        checks_passed(&machine);
        assert_eq!(results(&machine, "r").counted[0], 1);
        let (up, low) = (results(&machine, "up"), results(&machine, "low"));
        assert!(up.entries.iter().chain(&results(&machine, "r").entries).all(|entry| !is_generated(entry)));
        let own: Vec<&Entry> = low.entries.iter().filter(|entry| is_generated(entry)).collect();
        let majors: Vec<(u8, bool)> = own.iter().map(|entry| (entry.major, entry.post)).collect();
        let expected = [IRP_MJ_READ, IRP_MJ_READ, IRP_MJ_QUERY_INFORMATION, IRP_MJ_READ]
            .into_iter()
            .flat_map(|major| [(major, false), (major, true)])
            .collect::<Vec<_>>();
        assert_eq!(majors, expected);
        assert!(
            own.iter().all(|entry| entry.data_flags & GENERATED == GENERATED && entry.equal == ALL_EQUAL)
        );
        assert!(own.iter().all(|entry| entry.requestor_mode == 0 && entry.irql < 2));
        assert_ne!(own[0].irp_flags & IRP_NOCACHE, 0);
        assert_eq!((own[1].status, own[1].information), (0, 512));
        assert_eq!(own[7].status, NtStatus::END_OF_FILE.0 as u32);
        machine.unload_all();
        assert_clean(&machine);
    }
}

#[test]
fn an_asynchronous_operation_ends_with_one_callback() {
    // spec: GIO-05, GIO-07, GIO-08, GIO-09, GIO-11
    for (asynchronous, preallocated) in [(false, 0), (true, 0), (true, 1)] {
        let machine = between_recorders(
            "issue-async",
            IRP_MJ_FLUSH_BUFFERS,
            &[&format!("Return=dword:{preallocated}")],
        );
        flush(&machine, asynchronous);
        checks_passed(&machine);
        assert_eq!(results(&machine, "r").counted[0], 1);
        let low = results(&machine, "low");
        let own: Vec<&Entry> = low.entries.iter().filter(|entry| is_generated(entry)).collect();
        assert_eq!(own.len(), 6, "three reads, each with its post callback before the completion callback");
        machine.unload_all();
        assert_clean(&machine);
    }
}

#[test]
fn the_callback_runs_later_when_a_filter_below_holds_the_operation() {
    // spec: GIO-08, GIO-09
    let machine = between_recorders("issue-async", IRP_MJ_FLUSH_BUFFERS, &[]);
    recorder(&machine, "holder", "361000", &["Mode=sz:pend", &format!("Major=dword:{IRP_MJ_READ}")]);
    flush(&machine, true);
    checks_passed(&machine);
    assert_eq!(results(&machine, "r").counted[..2], [1, 1], "the first one came later");
    let low = results(&machine, "low");
    let own: Vec<&Entry> = low.entries.iter().filter(|entry| is_generated(entry)).collect();
    assert!(own.iter().any(|entry| entry.equal != ALL_EQUAL), "in another thread than the issuer's");
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn transfers_wait_or_call_back() {
    // spec: GIO-16, GIO-18, GIO-20, GIO-21, GIO-22, GIO-23
    for asynchronous in [false, true] {
        for holder in [false, true] {
            let machine = between_recorders("transfer", IRP_MJ_FLUSH_BUFFERS, &[]);
            if holder {
                let major = format!("Major=dword:{IRP_MJ_READ}");
                recorder(&machine, "holder", "361000", &["Mode=sz:pend", &major]);
            }
            flush(&machine, asynchronous);
            checks_passed(&machine);
            assert_eq!(results(&machine, "r").counted[0], 1);
            let low = results(&machine, "low");
            let own = |major: u8| {
                let wanted = |entry: &&Entry| is_generated(entry) && entry.major == major && !entry.post;
                low.entries.iter().filter(wanted).cloned().collect::<Vec<_>>()
            };
            assert_eq!((own(IRP_MJ_READ).len(), own(IRP_MJ_WRITE).len()), (6, 2));
            assert!(own(IRP_MJ_READ).iter().all(|entry| entry.irp_flags & IRP_NOCACHE != 0));
            assert_eq!(own(IRP_MJ_READ)[2].parameters[1] as u32, 5, "the lock key");
            machine.unload_all();
            assert_clean(&machine);
        }
    }
}

#[test]
fn wrong_ways_to_issue_operations_are_reported() {
    // spec: CBD-18, GIO-03, GIO-08, GIO-10, GIO-12, GIO-13, GIO-20, GIO-23, CAN-02, SEED-MODW-16
    for (choice, rule) in [
        (0, "GIO-03"),
        (1, "CBD-18"),
        (2, "GIO-08"),
        (3, "GIO-10"),
        (4, "GIO-13"),
        (5, "GIO-23"),
        (6, "GIO-20"),
        (7, "CAN-02"),
    ] {
        let machine =
            between_recorders("issue-wrongly", IRP_MJ_FLUSH_BUFFERS, &[&format!("Return=dword:{choice}")]);
        flush(&machine, false);
        checks_passed(&machine);
        machine.unload_all();
        let found = rules(&machine);
        assert!(!found.is_empty() && found.iter().all(|found| found == rule), "{choice}: {found:?}");
    }
}

#[test]
fn callback_data_that_are_not_freed_are_a_leak() {
    // spec: GIO-03
    let machine = between_recorders("issue-wrongly", IRP_MJ_FLUSH_BUFFERS, &["Return=dword:8"]);
    flush(&machine, false);
    machine.unload_all();
    let report = machine.report();
    let [leak] = report.findings.as_slice() else { panic!("{report:?}") };
    assert_eq!((leak.rule.as_str(), leak.driver.as_str()), ("pool-leak", "r"));
    assert!(leak.message.contains("callback data"), "{}", leak.message);
}

#[test]
fn work_items_that_are_not_freed_are_a_leak() {
    // spec: PEND-07, WORK-04
    let machine = between_recorders("issue-wrongly", IRP_MJ_FLUSH_BUFFERS, &["Return=dword:9"]);
    flush(&machine, false);
    machine.unload_all();
    let report = machine.report();
    assert_eq!(report.findings.len(), 2, "{report:?}");
    for leak in &report.findings {
        assert_eq!((leak.rule.as_str(), leak.driver.as_str()), ("pool-leak", "r"));
        assert!(leak.message.contains("a work item"), "{}", leak.message);
    }
}

#[test]
fn a_transfer_without_an_offset_is_at_the_position_of_a_synchronous_file() {
    // spec: GIO-19
    for asynchronous in [false, true] {
        let machine = between_recorders("issue-wrongly", IRP_MJ_FLUSH_BUFFERS, &["Return=dword:10"]);
        flush(&machine, asynchronous);
        checks_passed(&machine);
        machine.unload_all();
        assert_eq!(rules(&machine), if asynchronous { vec!["GIO-19"] } else { vec![] });
    }
}

#[test]
fn who_issued_an_operation_cancels_it() {
    // spec: CAN-01, CAN-02, GIO-05, GIO-08
    for wrong in [false, true] {
        let machine = between_recorders(
            "issue-cancel",
            IRP_MJ_FLUSH_BUFFERS,
            &[&format!("Length=dword:{IRP_MJ_READ}"), &format!("Return=dword:{}", u32::from(wrong))],
        );
        recorder(&machine, "holder", "361000", &["Mode=sz:queue", &format!("Major=dword:{IRP_MJ_READ}")]);
        flush(&machine, true);
        checks_passed(&machine);
        assert_eq!(results(&machine, "r").counted[0], 1);
        // It publishes its counts when it sees a query.
        with_existing(&machine, "change", |session, handle| {
            session.query_information(handle, class::FileStandardInformation, &mut [0; 24])
        });
        assert_eq!(results(&machine, "holder").counted, [1, 1, 1], "queued, removed, cancelled");
        machine.unload_all();
        let found = rules(&machine);
        assert_eq!(found, if wrong { vec!["GIO-05"; 3] } else { vec![] });
    }
}

#[test]
fn own_operations_are_issued_again() {
    // spec: CBD-05, GIO-13, GIO-14
    let machine = between_recorders("issue-again", IRP_MJ_FLUSH_BUFFERS, &[]);
    flush(&machine, false);
    checks_passed(&machine);
    let low = results(&machine, "low");
    let reads: Vec<&Entry> = low.entries.iter().filter(|entry| is_generated(entry) && !entry.post).collect();
    let again: Vec<bool> =
        reads.iter().map(|entry| entry.data_flags & FLTFL_CALLBACK_DATA_REISSUED_IO != 0).collect();
    assert_eq!(again, [false, true, true]);
    assert!(reads.iter().all(|entry| entry.data_flags & FLTFL_CALLBACK_DATA_IRP_OPERATION != 0));
    machine.unload_all();
    assert_clean(&machine);
}

/// Reads behind the end of the file; the filter may issue it again from its start. The result.
fn read_behind_the_end(machine: &Machine) -> (NtStatus, usize, [u8; 4]) {
    machine
        .run(|session| {
            fill(session)?;
            let handle = open(session, false)?;
            let mut bytes = [0; 4];
            let done = session.read(&handle, Some(600), &mut bytes)?;
            session.close(handle)?;
            Ok((done.status, done.information, bytes))
        })
        .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()))
}

#[test]
fn a_synchronized_operation_is_issued_again_from_its_post_callback() {
    // spec: CBD-05, GIO-12, GIO-13, GIO-14, CBD-14
    for (how, expected) in [(0, NtStatus::SUCCESS), (1, NtStatus::END_OF_FILE), (2, NtStatus::END_OF_FILE)] {
        let machine = between_recorders("reissue", IRP_MJ_READ, &[&format!("Length=dword:{how}")]);
        let (status, information, bytes) = read_behind_the_end(&machine);
        checks_passed(&machine);
        let r = results(&machine, "r");
        assert_eq!((status, r.counted[0] as u32), (expected, NtStatus::END_OF_FILE.0 as u32));
        assert_eq!((information, r.counted[1] as u32), (r.counted[2] as usize, expected.0 as u32));
        if how == 0 {
            assert_eq!(&bytes, b"aaaa");
        }
        let (up, low) = (results(&machine, "up"), results(&machine, "low"));
        let (pre, post) = (low.of(IRP_MJ_READ, false), low.of(IRP_MJ_READ, true));
        assert_eq!((pre.len(), post.len()), (2, 2), "{how}: twice below");
        assert_eq!(pre[0].data_flags & FLTFL_CALLBACK_DATA_REISSUED_IO, 0);
        assert_ne!(pre[1].data_flags & FLTFL_CALLBACK_DATA_REISSUED_IO, 0);
        assert_eq!(
            pre[1].parameters[2],
            if how == 0 { 0 } else { 600 },
            "{how}: changes count when they are marked"
        );
        let above = up.of(IRP_MJ_READ, true);
        assert_eq!((up.of(IRP_MJ_READ, false).len(), above.len()), (1, 1), "{how}: once above");
        assert_eq!((above[0].status, above[0].parameters[2]), (expected.0 as u32, 600));
        machine.unload_all();
        assert_clean(&machine);
    }
}

#[test]
fn issuing_again_needs_a_synchronized_operation_and_its_instance() {
    // spec: GIO-12, GIO-13
    for (mode, how, rule) in [("reissue-wrongly", 2, "GIO-13"), ("reissue", 3, "GIO-12")] {
        let machine = machine();
        recorder(&machine, "up", "370000", &["Mode=sz:observe"]);
        let settings =
            [format!("Mode=sz:{mode}"), format!("Major=dword:{IRP_MJ_READ}"), format!("Length=dword:{how}")];
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        recorder(&machine, "r", "365000", &settings);
        recorder(&machine, "low", "360000", &["Mode=sz:observe"]);
        if how == 3 {
            machine
                .run(|session| session.close(create(session, "other")?.expect("a file")))
                .expect("it mounts");
            second_instance(&machine, "r");
        }
        assert_eq!(read_behind_the_end(&machine).0, NtStatus::END_OF_FILE);
        assert_eq!(results(&machine, "low").of(IRP_MJ_READ, false).len(), 1, "{mode}: nothing is sent");
        assert!(rules(&machine).iter().all(|found| found == rule), "{:?}", rules(&machine));
        assert_found(&machine, rule, "r");
    }
}

/// A second instance of the filter on the same volume.
fn second_instance(machine: &Machine, name: &str) {
    let status = machine.run(|_| {
        let filter = fltmgr::flt().filter_named(&utf16(name)).expect("it is loaded");
        let volume =
            fltmgr::flt().volumes().into_iter().find(|volume| volume.is_mounted()).expect("a volume");
        let (altitude, instance) = (utf16("365001"), utf16("second"));
        let attached = fltmgr::flt_attach_volume_at_altitude(&filter, &volume, &altitude, Some(&instance))?;
        Ok(attached.err().unwrap_or(NtStatus::SUCCESS))
    });
    assert_eq!(status.expect("the machine runs"), NtStatus::SUCCESS);
}

fn request(name: &[u16], disposition: u32) -> OpenRequest<'_> {
    OpenRequest::on_volume(name)
        .access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE)
        .disposition(disposition)
        .options(nt_abi::FILE_NON_DIRECTORY_FILE)
}

#[test]
fn a_create_is_issued_again_with_other_parameters() {
    // spec: CBD-05, GIO-13, GIO-14
    let machine = between_recorders("create-again", IRP_MJ_CREATE, &[]);
    machine
        .run(|session| {
            let name = utf16("\\change");
            let opened = session.open(&request(&name, FILE_OPEN))?.expect("made by the filter");
            assert_eq!(session.write(&opened.handle, Some(0), b"abc")?.status, NtStatus::SUCCESS);
            session.close(opened.handle)?;
            session.close(session.open(&request(&name, FILE_OPEN))?.expect("it is there").handle)
        })
        .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
    checks_passed(&machine);
    assert_eq!(results(&machine, "r").counted[0], 1);
    let (up, low) = (results(&machine, "up"), results(&machine, "low"));
    assert_eq!((up.of(IRP_MJ_CREATE, false).len(), low.of(IRP_MJ_CREATE, false).len()), (2, 3));
    assert_eq!(up.of(IRP_MJ_CREATE, true)[0].status, 0);
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn an_undone_create_is_cleaned_up_and_closed_below_and_fails_above() {
    // spec: GIO-15, GIO-36, GIO-37, POST-14
    for how in [0, 1, 2] {
        let machine = between_recorders("undo", IRP_MJ_CREATE, &[&format!("Return=dword:{how}")]);
        let name = utf16("\\change");
        let refused = machine
            .run(|session| session.open(&request(&name, FILE_CREATE)).map(|opened| opened.map(drop)))
            .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
        let expected = if how == 1 { NtStatus::CANCELLED } else { NtStatus::ACCESS_DENIED };
        assert_eq!(refused, Err(expected));
        checks_passed(&machine);
        let (up, low) = (results(&machine, "up"), results(&machine, "low"));
        let majors = |seen: &Results| {
            let of_file = |entry: &&Entry| {
                !entry.post && [IRP_MJ_CREATE, IRP_MJ_CLEANUP, IRP_MJ_CLOSE].contains(&entry.major)
            };
            seen.entries.iter().filter(of_file).map(|entry| entry.major).collect::<Vec<_>>()
        };
        assert_eq!(majors(&low), [IRP_MJ_CREATE, IRP_MJ_CLEANUP, IRP_MJ_CLOSE], "{how}");
        assert_eq!(majors(&up), [IRP_MJ_CREATE], "{how}");
        assert_eq!(up.of(IRP_MJ_CREATE, true)[0].status, expected.0 as u32);
        machine.unload_all();
        let listed = machine.run(|session| session.list(&utf16("\\"))).expect("the machine runs");
        assert_eq!(listed.expect("the root").len(), 1, "the new file stays");
        assert_eq!(rules(&machine), if how == 2 { vec!["GIO-36"] } else { vec![] });
    }
}

#[test]
fn only_a_post_create_callback_undoes_a_create() {
    // spec: GIO-36
    for major in [IRP_MJ_CREATE, IRP_MJ_FLUSH_BUFFERS] {
        let machine = between_recorders("undo-wrongly", major, &[]);
        flush(&machine, false);
        checks_passed(&machine);
        assert_found(&machine, "GIO-36", "r");
        assert!(results(&machine, "low").of(IRP_MJ_CLEANUP, false).len() == 2, "each handle's own");
    }
}

#[test]
fn a_create_that_is_sent_elsewhere_needs_no_undoing() {
    // spec: GIO-38
    let machine = between_recorders("undo", IRP_MJ_CREATE, &[]);
    recorder(&machine, "sender", "361000", &["Mode=sz:reparse", "Major=dword:0"]);
    machine
        .run(|session| {
            session.close(create(session, "other")?.expect("a file"))?;
            session.close(create(session, "change")?.expect("the other file"))
        })
        .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
    checks_passed(&machine);
    assert_found(&machine, "GIO-38", "r");
    let warnings: Vec<_> =
        machine.report().findings.into_iter().map(|finding| (finding.rule, finding.severity)).collect();
    assert_eq!(warnings, [("GIO-38".to_owned(), "warning".to_owned())]);
}
