//! Drivers that crash, leak or misuse: each is a report with its place.

use altimeter::report::BugCheckReport;
use altimeter::{DriverSource, Machine};

use crate::support::*;

fn bad_apple() -> Machine {
    let machine = machine();
    machine
        .load(&DriverSource::from_path(&driver_path("badapples.sys")).expect("the sample"))
        .expect("it loads");
    machine
}

/// Creates a file called `word`, which makes the driver do something bad. Returns how the machine ended.
fn ends(word: &str) -> BugCheckReport {
    let machine = bad_apple();
    assert!(machine.run(|session| create(session, word).map(drop)).is_err(), "{word} goes unnoticed");
    let check = machine.report().bug_check.expect("it is a bug check");
    assert_eq!(
        (check.driver.as_str(), check.module.as_str()),
        ("badapples", "badapples.sys"),
        "{word}: {check:?}"
    );
    check
}

#[test]
fn wild_accesses_name_the_function_and_line() {
    for (word, function) in [("crash", "Crash"), ("noncanon", "NonCanonical")] {
        let check = ends(word);
        assert_eq!(check.name, "PAGE_FAULT_IN_NONPAGED_AREA", "{word}");
        assert!(check.symbol.starts_with(&format!("{function} at badapples.c:")), "{word}: {}", check.symbol);
        assert!(check.stack.len() >= 2, "{word}: {:?}", check.stack);
        assert!(check.registers.iter().any(|(name, value)| *name == "rip" && *value != 0));
        assert!(check.last_operations.iter().any(|line| line.contains("IRP_MJ_CREATE pre")), "{check:?}");
    }
}

#[test]
fn what_was_flushed_before_a_crash_stays_in_the_store() {
    let folder = std::env::temp_dir().join(format!("altimeter-crash-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let machine = Machine::boot(altimeter::Options {
        volumes: vec![altimeter::VolumeSource::Directory(folder.clone())],
        ..altimeter::Options::default()
    })
    .expect("it boots");
    machine
        .load(&DriverSource::from_path(&driver_path("badapples.sys")).expect("the sample"))
        .expect("it loads");
    with_file(&machine, "harmless", |session, handle| {
        session.write(handle, Some(0), b"kept")?;
        session.flush(handle)
    });
    assert!(machine.run(|session| create(session, "crash").map(drop)).is_err());
    drop(machine);
    let kept = std::fs::read(folder.join("harmless"));
    std::fs::remove_dir_all(&folder).expect("it was made above");
    assert_eq!(kept.expect("the file"), b"kept");
}

#[test]
fn a_call_of_a_null_pointer_names_the_caller() {
    let check = ends("nullcall");
    assert!(check.message.contains("called address 0x0"), "{}", check.message);
}

#[test]
fn a_stack_overflow_is_reported_on_another_stack() {
    let check = ends("overflow");
    assert_eq!(check.name, "UNEXPECTED_KERNEL_MODE_TRAP");
    assert!(check.symbol.starts_with("Overflow"), "{}", check.symbol);
}

#[test]
fn fast_fails_and_assertions_are_told_apart() {
    let fast_fail = ends("fastfail");
    assert_eq!((fast_fail.code, fast_fail.message.contains("linked list")), (0x139, true));
    assert!(ends("assert").message.contains("assertion"));
    assert_eq!(ends("smash").code, 0x139);
}

#[test]
fn freeing_twice_is_reported_with_both_places() {
    let check = ends("doublefree");
    assert_eq!(check.name, "BAD_POOL_CALLER");
    assert!(check.message.contains("freed twice"), "{}", check.message);
    assert_eq!(check.message.matches("badapples.sys+0x").count(), 2, "{}", check.message);
}

#[test]
fn an_import_that_does_not_exist_is_named_when_it_is_called() {
    let check = ends("boom");
    assert!(check.message.contains("FltDoesNotExistAnywhere of fltmgr.sys"), "{}", check.message);
}

#[test]
fn the_driver_s_own_bug_check_is_kept() {
    let check = ends("bugcheck");
    assert_eq!(check.code, 0xDEAD_0001);
}

#[test]
fn what_is_legal_passes() {
    for word in ["cr8", "time", "plain"] {
        let machine = bad_apple();
        machine.run(|session| create(session, word)).expect("the machine runs").expect("the file is created");
        machine.unload_all();
        assert_clean(&machine);
    }
}

#[test]
fn pool_that_is_not_freed_is_a_finding_with_tag_and_place() {
    let machine = bad_apple();
    machine.run(|session| create(session, "leak").map(drop)).expect("the machine runs");
    machine.unload_all();
    let report = machine.report();
    let leak = report.findings.iter().find(|finding| finding.rule == "pool-leak").expect("a finding");
    assert!(leak.message.contains("128 bytes") && leak.message.contains("Bead"), "{}", leak.message);
    assert!(leak.places[0].contains("Leak at badapples.c"), "{:?}", leak.places);
}

#[test]
fn a_division_by_zero_names_the_line() {
    let check = ends("divide");
    assert!(check.message.contains("division"), "{}", check.message);
    assert!(check.symbol.starts_with("DivideByZero at badapples.c:"), "{}", check.symbol);
}

/// The same with special pool.
fn ends_in_special_pool(word: &str) -> BugCheckReport {
    let options = altimeter::Options { special_pool: true, ..altimeter::Options::default() };
    let machine = Machine::boot(options).expect("it boots");
    machine
        .load(&DriverSource::from_path(&driver_path("badapples.sys")).expect("the sample"))
        .expect("it loads");
    assert!(machine.run(|session| create(session, word).map(drop)).is_err(), "{word} goes unnoticed");
    machine.report().bug_check.expect("it is a bug check")
}

#[test]
fn special_pool_ends_an_overrun_where_it_happens_and_tells_where_the_block_is_from() {
    let check = ends_in_special_pool("pastend");
    assert_eq!(check.name, "PAGE_FAULT_BEYOND_END_OF_ALLOCATION");
    assert!(check.symbol.starts_with("PastTheEnd at badapples.c:"), "{}", check.symbol);
    assert!(check.message.contains("0 bytes past the end of a block of 96 bytes"), "{}", check.message);
    assert!(check.message.contains("badapples.sys+0x"), "the allocation: {}", check.message);
}

#[test]
fn special_pool_ends_a_use_after_free_with_all_places() {
    let check = ends_in_special_pool("afterfree");
    assert_eq!(check.name, "PAGE_FAULT_IN_FREED_SPECIAL_POOL");
    assert!(check.symbol.starts_with("AfterFree at badapples.c:"), "{}", check.symbol);
    assert_eq!(check.message.matches("badapples.sys+0x").count(), 2, "{}", check.message);
}

#[test]
fn special_pool_finds_a_small_overrun_when_the_block_is_freed() {
    let check = ends_in_special_pool("justpast");
    assert_eq!(check.name, "BAD_POOL_HEADER");
    assert!(check.message.contains("past its end"), "{}", check.message);
    assert_eq!(ends_in_special_pool("doublefree").name, "BAD_POOL_CALLER");
}
