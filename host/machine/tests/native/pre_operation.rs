//! Preoperation callbacks: order, environment, and what each answer does.

use altimeter::NtStatus;
use nt_abi::{
    IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_READ, IRP_MJ_WRITE, file_information_class as class,
};

use crate::support::*;

#[test]
fn callbacks_run_from_the_highest_altitude_down_whatever_the_load_order() {
    // spec: PRE-01, ALT-08
    let machine = machine();
    for (name, altitude) in [("low", "320000"), ("high", "389999.5"), ("mid", "370000")] {
        recorder(&machine, name, altitude, &["Mode=sz:change-dirty", "Offset=dword:1"]);
    }
    with_file(&machine, "change", |session, handle| session.write(handle, Some(0), b"x"));
    let offset = |name: &str| results(&machine, name).of(IRP_MJ_WRITE, false)[0].parameters[2];
    // Each adds one for those below it.
    assert_eq!([offset("high"), offset("mid"), offset("low")], [0, 1, 2]);
    let report = machine.report();
    let order: Vec<_> = report.drivers.iter().map(|driver| driver.name.as_str()).collect();
    assert_eq!(order, ["high", "mid", "low"]);
}

#[test]
fn only_what_was_registered_is_called() {
    // spec: PRE-02, POST-02
    let machine = machine();
    recorder(&machine, "pre", "370000", &["Mode=sz:pre-only"]);
    recorder(&machine, "post", "360000", &["Mode=sz:post-only"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"x"));
    let (pre, post) = (results(&machine, "pre"), results(&machine, "post"));
    assert_eq!((pre.of(IRP_MJ_WRITE, false).len(), pre.post_calls), (1, 0));
    let called = post.of(IRP_MJ_WRITE, true);
    assert_eq!((post.pre_calls, called.len(), called[0].context), (0, 1, 0));
    assert_clean(&machine);
}

#[test]
fn callbacks_run_at_passive_level_in_the_thread_that_asks() {
    // spec: PRE-03, POST-03
    let machine = with_recorder(&["Mode=sz:observe"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"x"));
    let seen = results(&machine, "r");
    let thread = seen.entries[0].thread;
    for entry in seen.of_programs() {
        assert_eq!((entry.irql, entry.thread), (0, thread), "{entry:?}");
    }
    assert_eq!(seen.of(IRP_MJ_WRITE, false)[0].requestor_mode, 1, "UserMode");
}

#[test]
fn with_callback_calls_the_postoperation_callback_with_the_context() {
    // spec: PRE-05, SEED-IOPB-49
    let machine = with_recorder(&["Mode=sz:context"]);
    with_file(&machine, "file", |session, handle| {
        session.write(handle, Some(0), b"x")?;
        session.read(handle, Some(0), &mut [0; 1])
    });
    let seen = results(&machine, "r");
    let calls = |post| seen.of_programs().filter(|entry| entry.post == post).count();
    assert_eq!((calls(false), seen.failed), (calls(true), 0));
    assert!(seen.of(IRP_MJ_WRITE, true)[0].context != 0);
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn no_callback_means_no_postoperation_callback() {
    // spec: PRE-07
    let machine = with_recorder(&["Mode=sz:no-callback"]);
    let done = with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"abc"));
    assert_eq!((done.status, done.information), (NtStatus::SUCCESS, 3));
    let seen = results(&machine, "r");
    assert!(seen.pre_calls > 0);
    assert_eq!((seen.post_calls, seen.failed), (0, 0));
}

#[test]
fn a_context_without_a_callback_is_reported_and_not_delivered() {
    // spec: PRE-08
    let machine = with_recorder(&["Mode=sz:nonnull-context-on-no-callback"]);
    with_file(&machine, "file", |_, _| Ok(()));
    assert_found(&machine, "PRE-08", "r");
    assert_eq!(results(&machine, "r").post_calls, 0);
}

#[test]
fn asking_for_a_callback_that_is_not_registered_is_reported() {
    // spec: PRE-06
    let machine = with_recorder(&["Mode=sz:pre-only-with-callback"]);
    with_file(&machine, "file", |_, _| Ok(()));
    assert_found(&machine, "PRE-06", "r");
}

#[test]
fn completing_stops_the_way_down_and_shows_the_status_above() {
    // spec: PRE-14
    let machine = machine();
    recorder(&machine, "above", "380000", &["Mode=sz:observe"]);
    recorder(
        &machine,
        "completer",
        "370000",
        &["Mode=sz:complete-pre", "Major=dword:4", "Status=dword:0xC0000022"],
    );
    recorder(&machine, "below", "360000", &["Mode=sz:observe"]);
    let (done, size) = with_file(&machine, "file", |session, handle| {
        let done = session.write(handle, Some(0), b"never")?;
        let mut standard = [0; 24];
        session.query_information(handle, class::FileStandardInformation, &mut standard)?;
        Ok((done, standard[8]))
    });
    assert_eq!((done.status, size), (NtStatus::ACCESS_DENIED, 0), "the file system was not reached");
    let above = results(&machine, "above").of(IRP_MJ_WRITE, true);
    assert_eq!(above.iter().map(|post| post.status).collect::<Vec<_>>(), [0xC000_0022]);
    assert!(results(&machine, "completer").of(IRP_MJ_WRITE, true).is_empty(), "its own is not called");
    assert!(results(&machine, "below").of(IRP_MJ_WRITE, false).is_empty());
    assert_clean(&machine);
}

#[test]
fn completing_with_pending_or_the_manager_s_own_status_is_reported() {
    // spec: PRE-15
    for status in ["0x103", "0xC01C0004"] {
        let machine =
            with_recorder(&["Mode=sz:complete-pre", "Major=dword:4", &format!("Status=dword:{status}")]);
        with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"x"));
        assert_found(&machine, "PRE-15", "r");
    }
}

#[test]
fn cleanup_and_close_cannot_fail_but_may_be_completed_with_success() {
    // spec: PRE-16
    for major in [IRP_MJ_CLEANUP, IRP_MJ_CLOSE] {
        let machine = with_recorder(&[
            "Mode=sz:complete-pre",
            &format!("Major=dword:{major}"),
            "Status=dword:0xC0000022",
        ]);
        with_file(&machine, "file", |_, _| Ok(()));
        assert_found(&machine, "PRE-16", "r");
    }
    for major in [IRP_MJ_CLEANUP, IRP_MJ_CLOSE] {
        let machine =
            with_recorder(&["Mode=sz:complete-pre", &format!("Major=dword:{major}"), "Status=dword:0"]);
        with_file(&machine, "file", |_, _| Ok(()));
        assert!(!rules(&machine).contains(&"PRE-16".to_owned()));
    }
}

#[test]
fn disallowing_fast_io_is_for_fast_io_only() {
    // spec: PRE-12
    let machine = with_recorder(&["Mode=sz:bad-return", "Major=dword:4", "Return=dword:3"]);
    let done = with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"x"));
    assert_eq!(done.status, NtStatus::SUCCESS);
    assert_found(&machine, "PRE-12", "r");
}

#[test]
fn a_native_filter_that_disallows_fast_io_sees_the_irp_that_follows() {
    // spec: PRE-11, PRE-13, PARM-06, CBD-03
    let machine = with_recorder(&["Mode=sz:bad-return", "Major=dword:5", "Return=dword:3"]);
    with_file(&machine, "file", |session, handle| {
        session.query_information(handle, nt_abi::FileStandardInformation, &mut [0; 24])
    });
    let seen = results(&machine, "r");
    let fast = seen.fast(nt_abi::IRP_MJ_QUERY_INFORMATION, false);
    assert_eq!(fast.len(), 1);
    assert_eq!((fast[0].irp_flags, fast[0].operation_flags), (0, 0));
    assert!(seen.fast(nt_abi::IRP_MJ_QUERY_INFORMATION, true).is_empty(), "its own post is not called");
    assert_eq!(seen.of(nt_abi::IRP_MJ_QUERY_INFORMATION, false).len(), 1);
    assert_found(&machine, "PRE-12", "r");
}

#[test]
fn disallowing_fsfilter_io_is_for_query_open_only() {
    // spec: PRE-10
    let machine = with_recorder(&["Mode=sz:bad-return", "Major=dword:4", "Return=dword:6"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"x"));
    assert_found(&machine, "PRE-10", "r");
}

#[test]
fn an_answer_that_is_none_is_reported_with_its_value() {
    // spec: PRE-26
    let machine = with_recorder(&["Mode=sz:bad-return", "Major=dword:3", "Return=dword:77"]);
    with_file(&machine, "file", |session, handle| session.read(handle, Some(0), &mut [0; 1]));
    assert_found(&machine, "PRE-26", "r");
    let report = machine.report();
    let finding = report.findings.iter().find(|finding| finding.rule == "PRE-26").expect("just asserted");
    assert!(finding.message.contains("77"), "{}", finding.message);
}

#[test]
fn synchronize_brings_the_postoperation_callback_to_the_same_thread() {
    // spec: PRE-18, POST-04
    let machine = with_recorder(&["Mode=sz:synchronize"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"x"));
    with_existing(&machine, "file", |session, handle| session.read(handle, Some(0), &mut [0; 1]));
    let seen = results(&machine, "r");
    assert_eq!(seen.of(IRP_MJ_READ, true).len(), 1);
    assert_eq!((seen.failed, seen.checks > 4), (0, true));
    assert_clean(&machine);
}

#[test]
fn synchronizing_an_asynchronous_write_is_reported() {
    // spec: PRE-21
    let machine = with_recorder(&["Mode=sz:bad-return", "Major=dword:4", "Return=dword:5"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"x"));
    assert!(!rules(&machine).contains(&"PRE-21".to_owned()), "the handle is synchronous");
    machine
        .run(|session| {
            let name = altimeter::utf16("\\file");
            let request = altimeter::session::OpenRequest::on_volume(&name)
                .access(nt_abi::GENERIC_WRITE)
                .asynchronous();
            let handle = session.open(&request)?.expect("the file").handle;
            session.write(&handle, Some(0), b"y")?;
            session.close(handle)
        })
        .expect("the machine runs");
    assert_found(&machine, "PRE-21", "r");
}

#[test]
fn synchronizing_a_create_is_discouraged_and_works() {
    // spec: PRE-20
    let machine = with_recorder(&["Mode=sz:bad-return", "Major=dword:0", "Return=dword:5"]);
    with_file(&machine, "file", |_, _| Ok(()));
    assert_found(&machine, "PRE-20", "r");
    assert!(machine.report().findings.iter().all(|finding| finding.is_advice()), "it works as it is meant");
    let posts = results(&machine, "r").of(IRP_MJ_CREATE, true);
    assert_eq!((posts.len(), posts[0].irql), (1, 0));
}

#[test]
fn no_operation_arrives_as_anything_but_an_irp_yet() {
    // spec: CBD-02
    let machine = with_recorder(&["Mode=sz:observe"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"x"));
    for entry in results(&machine, "r").entries {
        assert_eq!(entry.data_flags & 0x7, 0x1, "{entry:?}");
        assert_eq!(entry.data_flags & 0x80000 != 0, entry.post, "POST_OPERATION");
    }
}
