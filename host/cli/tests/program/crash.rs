//! Drivers that crash, call what is not there, spin or wait for ever: exit code 3 and a report.
//!
//! `badapples` breaks a rule for each word in a created name (the table in `drivers/badapples`); `copy-tree`
//! creates such names.

use serde_json::Value;

use crate::support::{altimeter, driver, file, folder, text};

/// Runs `badapples` on a file of this name, after one of a harmless name. Returns the bug check.
#[track_caller]
fn bug_check(name: &str) -> Value {
    let (source, volume) = (folder(), folder());
    file(&source, "a-harmless-file", b"kept");
    file(&source, name, b"x");
    let driver = driver("badapples.sys");
    let ran = altimeter([
        "run",
        text(&driver),
        "--json",
        "-",
        "--workload",
        "copy-tree",
        "--timeout",
        "10",
        "--volume",
        text(volume.path()),
        "--source",
        text(source.path()),
    ])
    .ends_with(3);
    let results = ran.json();
    // Its size was the store's before the crash; its bytes may still have been in the cache, which is lost.
    let kept = std::fs::metadata(volume.path().join("a-harmless-file")).expect("its create was acknowledged");
    assert_eq!(kept.len(), 4, "{ran}");
    assert!(!ran.stderr.is_empty(), "{ran}");
    results["bugcheck"].clone()
}

#[track_caller]
fn blames_badapples(name: &str) -> Value {
    let bug_check = bug_check(name);
    assert_eq!(bug_check["driver"], "badapples", "{bug_check:#}");
    assert!(!bug_check["message"].as_str().unwrap_or_default().is_empty(), "{bug_check:#}");
    bug_check
}

#[test]
fn call_of_an_import_that_does_not_exist_names_it() {
    let bug_check = blames_badapples("boom");
    assert!(bug_check["message"].to_string().contains("FltDoesNotExistAnywhere"), "{bug_check:#}");
}

#[test]
fn wild_access_has_a_place_and_a_stack() {
    let bug_check = blames_badapples("crash");
    assert_eq!(bug_check["module"], "badapples.sys");
    assert!(bug_check["offset"].as_u64() > Some(0), "{bug_check:#}");
    assert!(bug_check["stack"].to_string().contains("badapples.sys+0x"), "{bug_check:#}");
}

#[test]
fn double_free_null_call_and_fast_fail_are_bug_checks() {
    for name in ["doublefree", "nullcall", "fastfail"] {
        blames_badapples(name);
    }
}

#[test]
fn stack_overflow_and_non_canonical_access_are_bug_checks() {
    for name in ["overflow", "noncanon"] {
        blames_badapples(name);
    }
}

#[test]
fn arithmetic_fault_is_a_bug_check() {
    blames_badapples("divide");
}

#[test]
fn unhandled_raise_and_a_bug_check_by_the_driver_are_bug_checks() {
    blames_badapples("raise");
    assert_eq!(blames_badapples("bugcheck")["code"], 0xDEAD_0001u32);
}

#[test]
fn driver_that_waits_for_ever_is_a_bug_check() {
    bug_check("hang");
}

#[test]
fn driver_that_spins_is_a_bug_check() {
    bug_check("spin");
}

#[test]
fn what_real_binaries_do_directly_is_no_fault() {
    let source = folder();
    for name in ["cr8", "time"] {
        file(&source, name, b"x");
    }
    let driver = driver("badapples.sys");
    altimeter(["run", text(&driver), "--workload", "copy-tree", "--source", text(source.path())])
        .ends_with(0);
}

#[test]
fn leak_is_a_finding() {
    let source = folder();
    file(&source, "leak", b"x");
    let driver = driver("badapples.sys");
    let ran = altimeter([
        "run",
        text(&driver),
        "--json",
        "-",
        "--workload",
        "copy-tree",
        "--source",
        text(source.path()),
    ])
    .ends_with(1);
    let findings = ran.json()["findings"].clone();
    assert_eq!(findings[0]["driver"], "badapples", "{findings:#}");
}
