//! Operations that callbacks hold: completed by workers, before the callback returned, on the way up, at teardown.

use altimeter::session::{Handle, OpenRequest, Session};
use altimeter::workload::{NoProgress, StressOptions, stress};
use altimeter::{DriverSource, Machine, NtStatus, Options, Schedule, Stopped, utf16};
use nt_abi::{
    IRP_MJ_CLEANUP, IRP_MJ_CREATE, IRP_MJ_DIRECTORY_CONTROL, IRP_MJ_QUERY_INFORMATION, IRP_MJ_READ,
    IRP_MJ_SET_INFORMATION, IRP_MJ_WRITE, file_information_class as class,
};
use nt_io::{Asynchronous, IoStatus};
use nt_mm::UserBuffer;

use crate::support::*;

/// A machine with a recorder above and one below the filter `r` that holds operations of `major`.
pub fn between_recorders(mode: &str, major: u8, more: &[&str]) -> Machine {
    let machine = machine();
    recorder(&machine, "up", "370000", &["Mode=sz:observe"]);
    let (mode, major) = (format!("Mode=sz:{mode}"), format!("Major=dword:{major}"));
    let mut settings = vec![mode.as_str(), major.as_str()];
    settings.extend_from_slice(more);
    recorder(&machine, "r", "365000", &settings);
    recorder(&machine, "low", "360000", &["Mode=sz:observe"]);
    machine
}

/// One operation of each kind that the tests hold.
fn work(session: &Session) -> Result<(), Stopped> {
    let handle = create(session, "file")?.expect("a file");
    let done = session.write(&handle, Some(0), b"abc")?;
    assert_eq!((done.status, done.information), (NtStatus::SUCCESS, 3));
    let mut bytes = [0; 3];
    assert_eq!(session.read(&handle, Some(0), &mut bytes)?.status, NtStatus::SUCCESS);
    assert_eq!(&bytes, b"abc");
    let mut standard = [0; 24];
    let queried = session.query_information(&handle, class::FileStandardInformation, &mut standard)?;
    assert_eq!((queried.status, standard[8]), (NtStatus::SUCCESS, 3));
    let end = 5i64.to_le_bytes();
    let set = session.set_information(&handle, class::FileEndOfFileInformation, &end)?;
    assert_eq!(set.status, NtStatus::SUCCESS);
    session.close(handle)?;
    assert_eq!(session.list(&utf16("\\"))?.expect("the root").len(), 1);
    Ok(())
}

const HELD: [u8; 7] = [
    IRP_MJ_CREATE,
    IRP_MJ_READ,
    IRP_MJ_WRITE,
    IRP_MJ_QUERY_INFORMATION,
    IRP_MJ_SET_INFORMATION,
    IRP_MJ_DIRECTORY_CONTROL,
    IRP_MJ_CLEANUP,
];

pub fn all_good(machine: &Machine) {
    for name in ["up", "r", "low"] {
        let seen = results(machine, name);
        assert_eq!((seen.failed_lines.as_slice(), seen.failed), (&[][..], 0), "checks of {name}");
    }
    machine.unload_all();
    assert_clean(machine);
}

#[test]
fn the_callbacks_below_run_in_the_thread_that_completes_a_held_operation() {
    // spec: PRE-04, PRE-09, PRE-17, PEND-02, PEND-07, PEND-11, POST-03, CBD-12, CBD-15, CBD-17
    for major in HELD {
        let machine = between_recorders("pend", major, &[]);
        machine.run(work).unwrap_or_else(|Stopped| panic!("{major}: {:?}", machine.report()));
        let (up, low) = (results(&machine, "up"), results(&machine, "low"));
        let (above, below) = (up.of(major, false), low.of(major, false));
        assert!(!above.is_empty() && above.len() == below.len(), "{major}");
        assert!(above.iter().zip(&below).all(|(above, below)| above.thread != below.thread), "{major}");
        // Data->Thread is the one that asked all the way; the driver compares the two.
        const THREAD: u8 = 8;
        assert!(above.iter().all(|entry| entry.equal & THREAD != 0), "{major}");
        assert!(below.iter().all(|entry| entry.equal & THREAD == 0), "{major}");
        assert!(above.iter().zip(&below).all(|(above, below)| above.requestor_mode == below.requestor_mode));
        assert_eq!(up.of(major, true).len(), above.len(), "{major}: each gets its post callback");
        // The dispatcher waits for a synchronous request, and calls the post callbacks itself.
        assert!(up.of(major, true).iter().all(|post| post.thread == above[0].thread && post.irql == 0));
        all_good(&machine);
    }
}

#[test]
fn an_operation_completed_before_its_callback_returned_goes_on_once_in_the_same_thread() {
    // spec: PRE-09
    for major in HELD {
        let machine = between_recorders("pend-early", major, &[]);
        machine.run(work).unwrap_or_else(|Stopped| panic!("{major}: {:?}", machine.report()));
        let (up, low) = (results(&machine, "up"), results(&machine, "low"));
        let (above, below) = (up.of(major, false), low.of(major, false));
        assert_eq!(above.len(), below.len(), "{major}: resumed exactly once");
        assert!(above.iter().zip(&below).all(|(above, below)| above.thread == below.thread), "{major}");
        all_good(&machine);
    }
}

#[test]
fn a_held_operation_can_go_on_without_a_post_callback() {
    // spec: PEND-02
    for mode in ["pend", "pend-early"] {
        let machine = between_recorders(mode, IRP_MJ_WRITE, &["Return=dword:1"]);
        machine.run(work).expect("the machine runs");
        assert_eq!(results(&machine, "r").post_calls, 0);
        all_good(&machine);
    }
}

#[test]
fn a_held_operation_can_be_answered() {
    // spec: PEND-04, PRE-14, POST-18
    for mode in ["pend", "pend-early"] {
        let machine = between_recorders(mode, IRP_MJ_WRITE, &["Return=dword:4", "Status=dword:0xC0000022"]);
        let done = with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"abc"));
        assert_eq!(done.status, NtStatus::ACCESS_DENIED);
        let (up, low) = (results(&machine, "up"), results(&machine, "low"));
        assert_eq!(up.of(IRP_MJ_WRITE, true)[0].status, NtStatus::ACCESS_DENIED.0 as u32);
        assert_eq!(low.of(IRP_MJ_WRITE, false).len(), 0, "nothing below sees it");
        all_good(&machine);
    }
}

#[test]
fn a_synchronized_callback_below_gets_its_post_callback_in_the_completing_thread() {
    // spec: PRE-18, POST-04
    let machine = machine();
    recorder(&machine, "r", "365000", &["Mode=sz:pend", "Major=dword:3"]);
    recorder(&machine, "low", "360000", &["Mode=sz:synchronize"]);
    machine.run(work).expect("the machine runs");
    let (r, low) = (results(&machine, "r"), results(&machine, "low"));
    let (pre, post) = (&low.of(IRP_MJ_READ, false)[0], &low.of(IRP_MJ_READ, true)[0]);
    assert_eq!(pre.thread, post.thread);
    assert_ne!(pre.thread, r.of(IRP_MJ_READ, false)[0].thread, "not the thread that asked");
    assert_eq!((low.failed, r.failed), (0, 0), "{:?} {:?}", low.failed_lines, r.failed_lines);
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn several_filters_hold_one_operation_one_after_the_other() {
    // spec: PRE-09, PRE-18
    let machine = machine();
    for (name, altitude, mode) in [
        ("a", "389000", "pend"),
        ("b", "388000", "synchronize"),
        ("c", "387000", "post-pend"),
        ("d", "386000", "pend"),
        ("e", "385000", "synchronize"),
        ("f", "384000", "pend-early"),
        ("g", "383000", "post-pend-early"),
    ] {
        recorder(
            &machine,
            name,
            altitude,
            &[&format!("Mode=sz:{mode}"), "Major=dword:5", "Status=dword:0x103"],
        );
    }
    machine.run(work).expect("the machine runs");
    for name in ["a", "b", "c", "d", "e", "f", "g"] {
        let seen = results(&machine, name);
        assert_eq!((seen.failed_lines.as_slice(), seen.failed), (&[][..], 0), "checks of {name}");
        assert_eq!(seen.of(IRP_MJ_QUERY_INFORMATION, false).len(), 1, "{name}");
        assert_eq!(seen.of(IRP_MJ_QUERY_INFORMATION, true).len(), 1, "{name}");
    }
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn a_post_callback_holds_an_operation_until_it_is_completed() {
    // spec: POST-07, POST-18, PEND-05
    for mode in ["post-pend", "post-pend-early"] {
        for major in HELD.into_iter().filter(|major| *major != IRP_MJ_CLEANUP) {
            let machine = between_recorders(mode, major, &["Status=dword:0x103"]);
            machine.run(work).unwrap_or_else(|Stopped| panic!("{major}: {:?}", machine.report()));
            let up = results(&machine, "up");
            let (pre, post) = (up.of(major, false), up.of(major, true));
            assert_eq!((pre.len(), results(&machine, "r").failed), (post.len(), 0), "{mode} {major}");
            assert!(post.iter().all(|entry| entry.thread == pre[0].thread), "the request is synchronous");
            machine.unload_all();
            let queued = mode == "post-pend" && matches!(major, IRP_MJ_READ | IRP_MJ_WRITE);
            let expected: Vec<String> = rules(&machine);
            assert!(expected.iter().all(|rule| queued && rule == "PEND-13"), "{mode} {major}: {expected:?}");
        }
    }
}

#[test]
fn the_result_that_a_held_post_callback_leaves_counts() {
    // spec: POST-07, PEND-05
    let machine = between_recorders("post-pend", IRP_MJ_QUERY_INFORMATION, &["Status=dword:0xC0000022"]);
    let done = with_file(&machine, "file", |session, handle| {
        session.query_information(handle, class::FileStandardInformation, &mut [0; 24])
    });
    assert_eq!(done.status, NtStatus::ACCESS_DENIED);
    let up = results(&machine, "up");
    assert_eq!(up.of(IRP_MJ_QUERY_INFORMATION, true)[0].status, NtStatus::ACCESS_DENIED.0 as u32);
    all_good(&machine);
}

#[test]
fn reads_and_writes_queued_from_a_post_callback_are_reported() {
    // spec: PEND-13
    let machine = between_recorders("post-pend", IRP_MJ_WRITE, &["Status=dword:0x103"]);
    machine.run(work).expect("the machine runs");
    assert_found(&machine, "PEND-13", "r");
}

/// An asynchronous write that was sent and is not done.
pub struct Sent {
    pub handle: Handle,
    buffer: UserBuffer,
}

const BLOCK: usize = 16;

pub fn send(session: &Session) -> Result<(Sent, IoStatus), Stopped> {
    session.close(create(session, "file")?.expect("a file"))?;
    let name = utf16("\\file");
    let request = OpenRequest::on_volume(&name).access(nt_abi::GENERIC_WRITE).asynchronous();
    let handle = session.open(&request)?.expect("the file").handle;
    let buffer = UserBuffer::new(64).expect("user memory");
    let block = buffer.address() + BLOCK;
    boundary::copy::write_value(block, NtStatus::PENDING.0).expect("user memory");
    let asynchronous = Asynchronous { iosb: block, ..Asynchronous::default() };
    let status = nt_io::nt_write_file(handle.value(), &asynchronous, buffer.address(), 3, Some(0), None)?;
    Ok((Sent { handle, buffer }, status))
}

/// What became of it so far.
pub fn status_of(sent: &Sent) -> NtStatus {
    NtStatus(boundary::copy::read_value(sent.buffer.address() + BLOCK).expect("user memory"))
}

pub fn await_end(sent: &Sent) -> Result<NtStatus, Stopped> {
    while status_of(sent) == NtStatus::PENDING {
        if nt_ke::current_core().stopping() {
            return Err(Stopped);
        }
        nt_ke::current_core().scheduler().pause();
    }
    Ok(status_of(sent))
}

#[test]
fn who_asks_asynchronously_does_not_wait_for_a_held_operation() {
    // spec: PRE-09, POST-03, PEND-05
    for mode in ["pend", "post-pend"] {
        let machine = between_recorders(mode, IRP_MJ_WRITE, &["Status=dword:0x103"]);
        machine
            .run(|session| {
                let (sent, status) = send(session)?;
                assert_eq!(status.status, NtStatus::PENDING, "{mode}");
                assert_eq!(await_end(&sent)?, NtStatus::SUCCESS);
                session.close(sent.handle)
            })
            .expect("the machine runs");
        let up = results(&machine, "up");
        let (pre, post) = (up.of(IRP_MJ_WRITE, false), up.of(IRP_MJ_WRITE, true));
        assert_eq!((pre.len(), post.len()), (1, 1));
        assert_ne!(pre[0].thread, post[0].thread, "an arbitrary thread completes it");
        assert_eq!(results(&machine, "r").failed_lines, []);
    }
}

#[test]
fn completing_early_keeps_an_asynchronous_request_right() {
    // spec: PRE-09
    for mode in ["pend-early", "post-pend-early"] {
        let machine = between_recorders(mode, IRP_MJ_WRITE, &["Status=dword:0x103"]);
        machine
            .run(|session| {
                let (sent, _) = send(session)?;
                assert_eq!(await_end(&sent)?, NtStatus::SUCCESS);
                session.close(sent.handle)
            })
            .expect("the machine runs");
        all_good(&machine);
    }
}

pub fn detach(name: &str) -> Result<NtStatus, Stopped> {
    let filter = fltmgr::flt().filter_named(&utf16(name)).expect("it is loaded");
    let volume = fltmgr::flt().volumes().into_iter().find(|volume| volume.is_mounted()).expect("a volume");
    Ok(fltmgr::flt_detach_volume(&filter, &volume, None)?)
}

#[test]
fn an_operation_that_one_filter_holds_does_not_delay_the_detach_of_another() {
    // spec: LIFE-17, LIFE-18, POST-11
    for mode in ["hold", "post-hold"] {
        let machine = between_recorders(mode, IRP_MJ_WRITE, &["Status=dword:0xC0000022"]);
        let sent = machine
            .run(|session| {
                let (sent, status) = send(session)?;
                assert_eq!(status.status, NtStatus::PENDING);
                assert_eq!(detach("up")?, NtStatus::SUCCESS);
                assert_eq!(detach("low")?, NtStatus::SUCCESS);
                assert_eq!(status_of(&sent), NtStatus::PENDING, "it is still held");
                Ok(sent)
            })
            .expect("the machine runs");
        let up = results(&machine, "up").of(IRP_MJ_WRITE, true);
        assert_eq!(up.len(), 1, "{mode}");
        assert_ne!(up[0].data_flags & nt_abi::FLTFL_CALLBACK_DATA_DRAINING_IO, 0, "{mode}: drained");
        let expected = if mode == "hold" { NtStatus::ACCESS_DENIED } else { NtStatus::SUCCESS };
        machine
            .run(|session| {
                assert_eq!(detach("r")?, NtStatus::SUCCESS);
                assert_eq!(await_end(&sent)?, expected);
                session.close(sent.handle)
            })
            .expect("the machine runs");
        assert_eq!(results(&machine, "up").of(IRP_MJ_WRITE, true).len(), 1, "no second post callback");
        all_good(&machine);
    }
}

#[test]
fn teardown_waits_for_the_operations_that_the_filter_holds() {
    // spec: LIFE-16, LIFE-19
    let machine = between_recorders("hold", IRP_MJ_WRITE, &["Status=dword:0xC0000022"]);
    let sent = machine.run(|session| send(session).map(|(sent, _)| sent)).expect("the machine runs");
    machine.unload_all();
    machine
        .run(|session| {
            assert_eq!(await_end(&sent)?, NtStatus::ACCESS_DENIED);
            session.close(sent.handle)
        })
        .expect("the machine runs");
    assert_clean(&machine);
}

#[test]
fn operations_that_are_still_held_when_teardown_has_started_are_reported() {
    // spec: LIFE-16
    let machine = between_recorders("hold", IRP_MJ_WRITE, &["Status=dword:0xC0000022", "Return=dword:1"]);
    let sent = machine.run(|session| send(session).map(|(sent, _)| sent)).expect("the machine runs");
    machine.unload_all();
    let ended = machine.run(|session| {
        let ended = await_end(&sent)?;
        session.close(sent.handle)?;
        Ok(ended)
    });
    assert_eq!(ended, Ok(NtStatus::ACCESS_DENIED));
    assert_eq!(rules(&machine), ["LIFE-16"]);
    assert_found(&machine, "LIFE-16", "r");
}

#[test]
fn wrong_ways_to_complete_a_held_operation_are_reported() {
    // spec: PEND-01, PEND-02, PEND-06
    for (mode, answer, rule) in [
        ("pend-early", 2, "PEND-01"),
        ("pend-early", 3, "PEND-01"),
        ("pend", 5, "PEND-01"),
        ("pend-context", 1, "PEND-02"),
        ("pend-twice", 1, "PEND-06"),
        ("complete-only", 1, "PEND-06"),
    ] {
        let machine = between_recorders(mode, IRP_MJ_WRITE, &[&format!("Return=dword:{answer}")]);
        machine.run(work).unwrap_or_else(|Stopped| panic!("{mode}: {:?}", machine.report()));
        let found: Vec<String> = rules(&machine);
        assert_eq!(found, [rule], "{mode} {answer}");
    }
}

#[test]
fn fast_io_cannot_be_held() {
    // spec: PRE-10
    let machine = with_recorder(&["Mode=sz:pend-fast", "Major=dword:5"]);
    let done = with_file(&machine, "file", |session, handle| {
        session.query_information(handle, class::FileStandardInformation, &mut [0; 24])
    });
    assert_eq!(done.status, NtStatus::SUCCESS);
    assert_found(&machine, "PRE-10", "r");
}

#[test]
fn paging_and_nested_operations_are_not_queued() {
    // spec: PEND-08
    let machine = between_recorders("queue-rules", IRP_MJ_WRITE, &[]);
    machine.run(work).expect("the machine runs");
    machine.write_cache();
    assert!(results(&machine, "r").counted[0] >= 1, "a paging write was refused");
    all_good(&machine);
}

#[test]
fn holding_what_was_not_queued_is_reported() {
    // spec: PEND-14
    let machine = between_recorders("queue-rules", IRP_MJ_WRITE, &["Return=dword:2"]);
    machine.run(work).expect("the machine runs");
    assert_found(&machine, "PEND-14", "r");
}

#[test]
fn operations_without_an_irp_and_the_reserved_queue_are_reported() {
    // spec: PEND-10, PEND-12
    let machine = with_recorder(&["Mode=sz:queue-wrongly", "Major=dword:4"]);
    with_file(&machine, "file", |session, handle| {
        session.write(handle, Some(0), b"abc")?;
        session.write(handle, Some(0), b"abc")
    });
    assert_found(&machine, "PEND-12", "r");
    assert_found(&machine, "PEND-10", "r");
    assert_eq!(results(&machine, "r").failed_lines, []);
}

#[test]
fn generic_work_items_run_on_system_threads() {
    // spec: WORK-01, WORK-02, WORK-04
    let machine = with_recorder(&["Mode=sz:work"]);
    machine.run(work).expect("the machine runs");
    let seen = results(&machine, "r");
    assert_eq!(seen.failed_lines, []);
    assert!(seen.checks > 20);
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn misused_work_items_are_reported() {
    // spec: WORK-03, WORK-05
    for (mode, value, rule) in
        [("work", 1, "WORK-03"), ("work-wrongly", 0, "WORK-05"), ("work-wrongly", 1, "WORK-05")]
    {
        let machine = with_recorder(&[&format!("Mode=sz:{mode}"), &format!("Return=dword:{value}")]);
        machine.run(|session| create(session, "file").map(drop)).expect("the machine runs");
        assert!(rules(&machine).iter().any(|found| found == rule), "{mode} {value}: {:?}", rules(&machine));
        assert_eq!(results(&machine, "r").failed_lines, [], "{mode} {value}");
    }
}

/// A machine with the sample that holds operations, above one that swaps every buffer.
fn with_deferrer(schedule: Schedule) -> Machine {
    let machine = Machine::boot(Options { schedule, ..Options::default() }).expect("a machine boots");
    for name in ["deferrer.sys", "swapall.sys"] {
        let source = DriverSource::from_path(&driver_path(name)).expect("the sample is there");
        machine.load(&source).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    machine
}

#[test]
fn a_filter_that_holds_everything_stays_clean_under_stress() {
    // spec: PRE-09, POST-07, PEND-11, CBDQ-08, WORK-02
    for schedule in [Schedule::Free, Schedule::Seeded(21), Schedule::Seeded(22)] {
        let machine = with_deferrer(schedule);
        let options = StressOptions { seed: 5, operations: 600, ..StressOptions::default() };
        let outcome = stress(&machine, options, &NoProgress);
        assert_eq!(outcome.mismatches, 0, "{:?}", outcome.mismatch_details);
        machine.unload_all();
        assert_clean(&machine);
    }
}

fn attach(name: &str) -> Result<NtStatus, Stopped> {
    let filter = fltmgr::flt().filter_named(&utf16(name)).expect("it is loaded");
    let volume = fltmgr::flt().volumes().into_iter().find(|volume| volume.is_mounted()).expect("a volume");
    Ok(fltmgr::flt_attach_volume(&filter, &volume, None)?.err().unwrap_or(NtStatus::SUCCESS))
}

#[test]
fn a_filter_that_holds_operations_comes_and_goes_under_stress() {
    // spec: LIFE-13, LIFE-16, LIFE-18, LIFE-19, CBDQ-15, PEND-09
    let machine = with_deferrer(Schedule::Free);
    machine.run(|session| create(session, "file").map(drop)).expect("the machine runs");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) && machine.report().bug_check.is_none() {
                for filter in ["deferrer", "swapall"] {
                    let both = machine.run(|_| {
                        assert_eq!(detach(filter)?, NtStatus::SUCCESS, "{filter}");
                        nt_ke::current_core().scheduler().pause();
                        assert_eq!(attach(filter)?, NtStatus::SUCCESS, "{filter}");
                        Ok(())
                    });
                    if both.is_err() {
                        return;
                    }
                }
            }
        });
        let options = StressOptions { seed: 6, operations: 1_000, ..StressOptions::default() };
        let outcome = stress(&machine, options, &NoProgress);
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(outcome.mismatches, 0, "{:?}", outcome.mismatch_details);
    });
    machine.unload_all();
    assert_clean(&machine);
}
