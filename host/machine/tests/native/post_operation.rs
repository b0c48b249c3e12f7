//! Postoperation callbacks.

use altimeter::NtStatus;
use nt_abi::{IRP_MJ_CREATE, IRP_MJ_READ, IRP_MJ_WRITE};

use crate::support::*;

#[test]
fn a_postoperation_callback_sees_the_result_from_below() {
    // spec: POST-06, CBD-14
    let machine = with_recorder(&["Mode=sz:observe"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"abc"));
    with_existing(&machine, "file", |session, handle| session.read(handle, Some(100), &mut [0; 1]));
    let seen = results(&machine, "r");
    let write = &seen.of(IRP_MJ_WRITE, true)[0];
    assert_eq!((write.status, write.information), (0, 3));
    assert_eq!(seen.of(IRP_MJ_READ, true)[0].status, NtStatus::END_OF_FILE.0 as u32);
    let create = &seen.of(IRP_MJ_CREATE, true)[0];
    assert_eq!((create.status, create.information), (0, 2), "FILE_CREATED");
}

#[test]
fn each_preoperation_callback_that_asks_gets_one_postoperation_callback() {
    // spec: POST-01
    let machine = with_recorder(&["Mode=sz:observe"]);
    with_file(&machine, "file", |session, handle| {
        for _ in 0..20 {
            session.write(handle, Some(0), b"abc")?;
        }
        Ok(())
    });
    let seen = results(&machine, "r");
    let writes = |post| {
        let mut all = seen.of(IRP_MJ_WRITE, post);
        assert_eq!(all.len(), 1, "the first one makes the cache map");
        all.extend(seen.fast(IRP_MJ_WRITE, post));
        all
    };
    assert_eq!((writes(false).len(), writes(true).len()), (20, 20));
    let calls = |post| seen.of_programs().filter(|entry| entry.post == post).count();
    assert_eq!(calls(false), calls(true));
    for (pre, post) in writes(false).iter().zip(writes(true)) {
        assert_eq!(pre.data, post.data);
        assert_eq!(pre.parameters, post.parameters);
    }
}

#[test]
fn success_can_become_failure_and_the_file_stays_below() {
    // spec: POST-14
    let machine = with_recorder(&["Mode=sz:fail-post", "Major=dword:0", "Status=dword:0xC0000022"]);
    let refused = machine.run(|session| create(session, "file")).expect("the machine runs");
    assert_eq!(refused.err(), Some(NtStatus::ACCESS_DENIED));
    assert_clean(&machine);
    machine.unload_all();
    let listed = machine.run(|session| session.list(&altimeter::utf16("\\"))).expect("the machine runs");
    let names: Vec<String> =
        listed.expect("the root").iter().map(|entry| String::from_utf16_lossy(&entry.name)).collect();
    assert_eq!(names, ["file"], "its creation is not undone");
}

#[test]
fn a_failure_with_the_manager_s_own_status_is_reported() {
    // spec: POST-15
    let machine = with_recorder(&["Mode=sz:fail-post", "Major=dword:4", "Status=dword:0xC01C0004"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"x"));
    assert_found(&machine, "POST-15", "r");
}

#[test]
fn an_answer_that_is_none_is_reported() {
    // spec: POST-10
    let machine = with_recorder(&["Mode=sz:bad-post-return", "Major=dword:4", "Return=dword:9"]);
    let done = with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"x"));
    assert_eq!(done.status, NtStatus::SUCCESS);
    assert_found(&machine, "POST-10", "r");
}

#[test]
fn disallowing_fsfilter_io_is_for_query_open_only() {
    // spec: POST-09
    let machine = with_recorder(&["Mode=sz:bad-post-return", "Major=dword:4", "Return=dword:2"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"x"));
    assert_found(&machine, "POST-09", "r");
}
