//! Contexts and volume properties: the checks run in the driver `swaptest`, the findings are looked at here.

use crate::support::*;

/// Loads swaptest as `r` in `mode`, opens a file so that its instance is set up, and unloads it. Returns how many of
/// its own checks failed.
fn run(machine: &altimeter::Machine, mode: &str) -> u64 {
    swapper(machine, "r", "141000", &[&format!("Mode=sz:{mode}")]);
    with_file(machine, "file", |session, handle| session.write(handle, Some(0), b"0123456789"));
    let seen = swap_results(machine, "r");
    assert_eq!(seen.failed_lines, vec![], "{mode}");
    machine.unload_all();
    failed_at_unload(machine, "r")
}

#[test]
fn contexts_live_as_long_as_references_and_links_say() {
    // spec: CTX-01, CTX-02, CTX-08, CTX-11, CTX-12, CTX-13, CTX-14, CTX-15, CTX-16, CTX-17, CTX-18, CTX-19, CTX-20
    // spec: CTX-23, CTX-24, CTX-25, CTX-26, CTX-27, CTX-28, CTX-29, CTX-30, CTX-31, CTX-32, CTX-33, CTX-34, CTX-38
    // spec: CTX-39, CTX-40, CTX-41, CTX-44, CTX-45, CTX-47, CTX-48, CTX-49, CTX-50, CTX-51, CTX-52, CTX-53, CTX-54
    // spec: CTX-58
    let machine = machine();
    swapper(&machine, "r", "141000", &["Mode=sz:contexts"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"0123456789"));
    let seen = swap_results(&machine, "r");
    assert_eq!(seen.failed_lines, vec![]);
    assert!(seen.checks > 100, "the setup callback ran: {}", seen.checks);
    machine.unload_all();
    assert_eq!(failed_at_unload(&machine, "r"), 0);
    assert_clean(&machine);
}

#[test]
fn two_filters_have_contexts_of_their_own_on_one_volume() {
    // spec: CTX-34
    let machine = machine();
    swapper(&machine, "upper", "142000", &["Mode=sz:contexts"]);
    swapper(&machine, "lower", "141000", &["Mode=sz:contexts"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"0123456789"));
    for name in ["upper", "lower"] {
        assert_eq!(swap_results(&machine, name).failed_lines, vec![], "{name}");
    }
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn a_filter_that_goes_gets_no_more_contexts() {
    // spec: CTX-21
    let machine = machine();
    assert_eq!(run(&machine, "going"), 0);
    assert_clean(&machine);
}

#[test]
fn a_context_that_is_never_released_is_named_at_unload() {
    // spec: CTX-59, CTX-40
    let machine = machine();
    run(&machine, "context-leak");
    assert_found(&machine, "CTX-59", "r");
    let findings = machine.report().findings;
    assert!(findings[0].message.contains("volume context of 64 bytes"), "{findings:?}");
}

#[test]
fn misused_contexts_are_reported() {
    // spec: CTX-22, CTX-42, CTX-43, CTX-46
    for (mode, rule) in [
        ("context-twice", "CTX-43"),
        ("context-paged", "CTX-42"),
        ("context-pool", "CTX-22"),
        ("context-section", "CTX-46"),
    ] {
        let machine = machine();
        run(&machine, mode);
        assert_eq!(rules(&machine), [rule], "{mode}");
    }
}

#[test]
fn volume_properties_follow_the_room_that_they_are_given() {
    // spec: OBJ-15, OBJ-16, OBJ-17, OBJ-18, SEED-FWF-21
    let machine = machine();
    run(&machine, "properties");
    assert_clean(&machine);
}
