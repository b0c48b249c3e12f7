//! The IRQL and the thread of callbacks, and what filters may not do there; post callbacks at DISPATCH_LEVEL.

use altimeter::session::{OpenRequest, Session};
use altimeter::workload::{NoProgress, StressOptions, stress};
use altimeter::{DriverSource, Machine, NtStatus, Options, Schedule, Stopped, utf16};
use nt_abi::{
    FLTFL_CALLBACK_DATA_DRAINING_IO, IRP_MJ_DIRECTORY_CONTROL, IRP_MJ_FILE_SYSTEM_CONTROL,
    IRP_MJ_LOCK_CONTROL, IRP_MJ_QUERY_INFORMATION, IRP_MJ_READ, IRP_MJ_WRITE,
    file_information_class as class,
};
use nt_io::{Asynchronous, ControlBuffers, LockRange};

use crate::pended::{await_end, between_recorders, detach, send};
use crate::support::*;

fn high(schedule: Schedule) -> Machine {
    let options = Options { statistics: true, post_at_dispatch: true, schedule, ..Options::default() };
    Machine::boot(options).expect("a machine in memory boots")
}

/// Writes, reads and queries a file whose name filters look for.
fn work(session: &Session) -> Result<(), Stopped> {
    let handle = create(session, "change")?.expect("a file");
    assert_eq!(session.write(&handle, Some(0), b"abc")?.status, NtStatus::SUCCESS);
    let mut bytes = [0; 3];
    assert_eq!(session.read(&handle, Some(0), &mut bytes)?.status, NtStatus::SUCCESS);
    assert_eq!(&bytes, b"abc");
    let mut standard = [0; 24];
    let queried = session.query_information(&handle, class::FileStandardInformation, &mut standard)?;
    assert_eq!((queried.status, standard[8]), (NtStatus::SUCCESS, 3));
    session.close(handle)?;
    assert_eq!(session.list(&utf16("\\"))?.expect("the root").len(), 1);
    Ok(())
}

#[test]
fn post_callbacks_run_at_dispatch_level_in_another_thread_when_they_may() {
    // spec: POST-03, POST-04, POST-05
    for schedule in [Schedule::Seeded(1), Schedule::Seeded(2), Schedule::Free] {
        let machine = high(schedule);
        recorder(&machine, "up", "370000", &["Mode=sz:note"]);
        recorder(&machine, "r", "365000", &["Mode=sz:note"]);
        machine.run(work).unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
        machine.write_cache();
        for name in ["up", "r"] {
            let seen = results(&machine, name);
            assert_eq!(seen.failed_lines, [], "{name}");
            assert!(seen.counted[0] >= 3 && seen.counted[1] == 0, "{name}: {:?}", seen.counted);
            for major in [IRP_MJ_WRITE, IRP_MJ_DIRECTORY_CONTROL] {
                let (pre, post) = (seen.of(major, false), seen.of(major, true));
                assert!(!post.is_empty() && post.iter().all(|entry| entry.irql == 2), "{name} {major}");
                assert!(post.iter().all(|entry| entry.thread != pre[0].thread), "{name} {major}");
            }
            let paging = seen.paging(IRP_MJ_WRITE, true);
            assert!(!paging.is_empty() && paging.iter().all(|entry| entry.irql == 2), "{name}");
        }
        machine.unload_all();
        assert_clean(&machine);
    }
}

#[test]
fn what_a_filter_synchronizes_stays_in_its_thread_whatever_the_switch_says() {
    // spec: PRE-18, POST-04
    let machine = high(Schedule::Seeded(1));
    recorder(&machine, "up", "370000", &["Mode=sz:note"]);
    recorder(&machine, "r", "365000", &["Mode=sz:synchronize"]);
    machine.run(work).unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
    let seen = results(&machine, "r");
    assert_eq!(seen.failed_lines, []);
    let (pre, post) = (seen.of(IRP_MJ_WRITE, false), seen.of(IRP_MJ_WRITE, true));
    assert_eq!((post[0].irql, post[0].thread), (0, pre[0].thread));
}

#[test]
fn filters_that_cope_with_dispatch_level_stay_clean_under_stress() {
    // spec: POST-03, PEND-16, PEND-17
    for drivers in
        [&["passthrough.sys", "swapall.sys"][..], &["deferrer.sys", "swapall.sys"], &["xorcrypt.sys"]]
    {
        for schedule in [Schedule::Free, Schedule::Seeded(31), Schedule::Seeded(32)] {
            let machine = high(schedule);
            for name in drivers {
                let source = DriverSource::from_path(&driver_path(name)).expect("the sample is there");
                machine.load(&source).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
            let options = StressOptions { seed: 8, operations: 400, ..StressOptions::default() };
            let outcome = stress(&machine, options, &NoProgress);
            assert_eq!(outcome.mismatches, 0, "{drivers:?} {:?}", outcome.mismatch_details);
            machine.unload_all();
            assert_clean(&machine);
        }
    }
}

#[test]
fn what_needs_a_lower_level_is_refused_at_dispatch_level() {
    // spec: POST-05
    for (choice, what) in [
        (0, "FltLockUserBuffer"),
        (1, "FltGetStreamContext"),
        (2, "FltGetFileNameInformation"),
        (3, "ExAcquireFastMutex"),
        (4, "ExAcquireResourceExclusiveLite"),
        (5, "paged"),
    ] {
        let machine = high(Schedule::Seeded(1));
        let settings = ["Mode=sz:low".to_owned(), "Major=dword:4".into(), format!("Return=dword:{choice}")];
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        recorder(&machine, "r", "365000", &settings);
        let _ = machine.run(work);
        let report = machine.report();
        let told = format!("{:?} {:?}", report.bug_check, report.findings);
        assert!(told.contains(what), "{what}: {told}");
    }
}

#[test]
fn a_held_operation_may_be_answered_but_not_sent_on_at_dispatch_level() {
    // spec: PEND-03
    for (answer, expected) in [(4, vec![]), (1, vec!["PEND-03"])] {
        let machine = between_recorders("pend-high", IRP_MJ_WRITE, &[&format!("Return=dword:{answer}")]);
        let _ = machine.run(|session| {
            let handle = create(session, "file")?.expect("a file");
            let done = session.write(&handle, Some(0), b"abc")?;
            assert!(answer != 4 || done.status == NtStatus::ACCESS_DENIED, "{done:?}");
            session.close(handle)
        });
        let report = machine.report();
        let found: Vec<&str> = report.findings.iter().map(|finding| finding.rule.as_str()).collect();
        assert!(found.starts_with(&expected), "{answer}: {report:?}");
        assert_eq!(found.is_empty(), expected.is_empty(), "{answer}: {report:?}");
    }
}

#[test]
fn what_is_the_managers_in_callback_data_is_put_back_and_reported() {
    // spec: CBD-10, CBD-11, CBD-13
    for (choice, rule) in [(0, "CBD-10"), (1, "CBD-11"), (2, "CBD-11"), (3, "CBD-11"), (4, "CBD-13")] {
        let machine = between_recorders("change-data", IRP_MJ_WRITE, &[&format!("Return=dword:{choice}")]);
        machine.run(work).unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
        let (up, low) = (results(&machine, "up"), results(&machine, "low"));
        let (above, below) = (&up.of(IRP_MJ_WRITE, false)[0], &low.of(IRP_MJ_WRITE, false)[0]);
        assert_eq!(
            (below.data_flags, below.requestor_mode),
            (above.data_flags, above.requestor_mode),
            "{choice}"
        );
        assert_eq!(
            (below.equal, below.parameters, below.status),
            (ALL_EQUAL, above.parameters, 0),
            "{choice}"
        );
        assert_eq!(up.of(IRP_MJ_WRITE, true)[0].status, 0, "{choice}");
        machine.unload_all();
        assert_eq!(rules(&machine), [rule], "{choice}");
    }
}

#[test]
fn a_lock_held_until_the_post_callback_of_a_synchronized_operation_is_reported() {
    // spec: PRE-24
    let machine = with_recorder(&["Mode=sz:hold-lock", "Major=dword:4"]);
    machine.run(work).unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
    let report = machine.report();
    let held = report.findings.iter().find(|finding| finding.rule == "lock-held");
    assert!(held.is_some_and(|finding| finding.driver == "r"), "{report:?}");
}

#[test]
fn callback_data_of_an_operation_that_is_over_are_found_out() {
    // spec: PRE-28
    let machine = with_recorder(&["Mode=sz:keep", "Major=dword:4"]);
    machine.run(work).unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
    machine.unload_all();
    let report = machine.report();
    let message = report.bug_check.as_ref().map(|check| check.message.as_str()).unwrap_or_default();
    assert!(message.contains("callback data") && message.contains("any more"), "{report:?}");
}

#[test]
fn draining_allows_one_answer() {
    // spec: POST-12
    let machine = machine();
    recorder(&machine, "up", "370000", &["Mode=sz:bad-post-return", "Major=dword:4", "Return=dword:1"]);
    recorder(&machine, "r", "365000", &["Mode=sz:hold", "Major=dword:4", "Status=dword:0xC0000022"]);
    let sent = machine.run(|session| send(session).map(|(sent, _)| sent)).expect("the machine runs");
    machine
        .run(|session| {
            assert_eq!(detach("up")?, NtStatus::SUCCESS);
            assert_eq!(detach("r")?, NtStatus::SUCCESS);
            assert_eq!(await_end(&sent)?, NtStatus::ACCESS_DENIED);
            session.close(sent.handle)
        })
        .expect("the machine runs");
    let drained = results(&machine, "up").of(IRP_MJ_WRITE, true);
    assert_eq!(drained.len(), 1);
    assert_ne!(drained[0].data_flags & FLTFL_CALLBACK_DATA_DRAINING_IO, 0);
    assert_eq!(rules(&machine), ["POST-12"]);
}

#[test]
fn a_drained_post_callback_of_a_synchronized_operation_runs_where_the_instance_goes() {
    // spec: PRE-23
    let machine =
        Machine::boot(Options { schedule: Schedule::Free, ..Options::default() }).expect("it boots");
    let query = format!("Major=dword:{IRP_MJ_QUERY_INFORMATION}");
    recorder(&machine, "up", "370000", &["Mode=sz:bad-return", &query, "Return=dword:5"]);
    recorder(&machine, "r", "365000", &["Mode=sz:hold", &query, "Status=dword:0xC0000022"]);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            with_file(&machine, "file", |session, handle| {
                session.query_information(handle, class::FileStandardInformation, &mut [0; 24])
            })
        });
        while results(&machine, "r").of(IRP_MJ_QUERY_INFORMATION, false).is_empty() {
            std::thread::yield_now();
        }
        machine
            .run(|_| {
                // Its pre callback has returned when the operation is held.
                let held = || {
                    let filter = fltmgr::flt().filter_named(&utf16("r")).expect("it is loaded");
                    fltmgr::flt().volumes().iter().flat_map(|volume| volume.instances()).any(|instance| {
                        std::sync::Arc::ptr_eq(&instance.filter, &filter) && instance.holds_operations()
                    })
                };
                while !held() {
                    nt_ke::current_core().scheduler().pause();
                }
                assert_eq!(detach("up")?, NtStatus::SUCCESS);
                Ok(())
            })
            .expect("the machine runs");
        let seen = results(&machine, "up");
        let (pre, post) = (seen.of(IRP_MJ_QUERY_INFORMATION, false), seen.of(IRP_MJ_QUERY_INFORMATION, true));
        assert_eq!(post.len(), 1, "drained while it is held below");
        assert_ne!(post[0].data_flags & FLTFL_CALLBACK_DATA_DRAINING_IO, 0);
        assert_ne!(post[0].thread, pre[0].thread);
        machine.run(|_| detach("r")).expect("the machine runs");
        assert_eq!(asking.join().expect("the thread").status, NtStatus::ACCESS_DENIED);
        assert_eq!(results(&machine, "up").of(IRP_MJ_QUERY_INFORMATION, true).len(), 1, "no second one");
    });
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn operations_that_may_pend_for_long_are_not_to_be_synchronized() {
    // spec: PRE-22
    let wrong = |major: u8, f: &dyn Fn(&Session, usize) -> Result<(), Stopped>| {
        let machine =
            with_recorder(&["Mode=sz:bad-return", &format!("Major=dword:{major}"), "Return=dword:5"]);
        machine
            .run(|session| {
                session.close(create(session, "file")?.expect("a file"))?;
                let name = utf16(if major == IRP_MJ_DIRECTORY_CONTROL { "\\" } else { "\\file" });
                let request = OpenRequest::on_volume(&name).access(nt_abi::GENERIC_READ);
                let handle = session.open(&request)?.expect("it is there").handle;
                f(session, handle.value())?;
                session.close(handle)
            })
            .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
        rules(&machine)
    };
    let none = Asynchronous::default();
    for code in [0x9_0000, 0x9_0004, 0x9_0008, 0x9_005C] {
        let found = wrong(IRP_MJ_FILE_SYSTEM_CONTROL, &|_, handle| {
            nt_io::nt_fs_control_file(handle, &none, code, ControlBuffers::default())?;
            Ok(())
        });
        assert_eq!(found, ["PRE-22"], "{code:#x}");
    }
    let other = wrong(IRP_MJ_FILE_SYSTEM_CONTROL, &|_, handle| {
        nt_io::nt_fs_control_file(handle, &none, 0x9_0028, ControlBuffers::default())?;
        Ok(())
    });
    assert_eq!(other, Vec::<String>::new());
    let locked = wrong(IRP_MJ_LOCK_CONTROL, &|_, handle| {
        let range = LockRange { offset: 0, length: 1, key: 0 };
        nt_io::nt_lock_file(handle, &none, range, true, true)?;
        Ok(())
    });
    assert_eq!(locked, ["PRE-22"]);
    let notified = wrong(IRP_MJ_DIRECTORY_CONTROL, &|_, handle| {
        let buffer = nt_mm::UserBuffer::new(64).expect("user memory");
        nt_io::nt_notify_change_directory_file(handle, &none, (buffer.address(), 64), 1, false)?;
        Ok(())
    });
    assert_eq!(notified, ["PRE-22"]);
}

#[test]
fn a_cancelled_operation_may_still_succeed() {
    // spec: CAN-01, CAN-03
    let machine = between_recorders(
        "issue-cancel",
        nt_abi::IRP_MJ_FLUSH_BUFFERS,
        &[&format!("Length=dword:{IRP_MJ_READ}"), "Offset=dword:1"],
    );
    recorder(&machine, "holder", "361000", &["Mode=sz:pend", &format!("Major=dword:{IRP_MJ_READ}")]);
    machine
        .run(|session| {
            let handle = create(session, "change")?.expect("a file");
            session.write(&handle, Some(0), &[b'a'; 512])?;
            session.close(handle)?;
            let name = utf16("\\change");
            let request = OpenRequest::on_volume(&name).access(nt_abi::GENERIC_WRITE).asynchronous();
            let handle = session.open(&request)?.expect("the file").handle;
            session.flush(&handle)?;
            session.close(handle)
        })
        .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
    assert_eq!((results(&machine, "r").failed_lines, results(&machine, "r").counted[0]), (vec![], 1));
}
