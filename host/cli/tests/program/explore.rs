//! `altimeter explore`: seeds that are run, the first that fails, its replay.

use serde_json::json;
use tempfile::TempDir;

use crate::support::{Ran, altimeter, driver, file, folder, text};

/// Explores `badapples`, which breaks a rule for the name of the one file that is copied.
fn badapples(name: &str, more: &[&str]) -> (Ran, TempDir) {
    let source = folder();
    file(&source, name, b"x");
    let driver = driver("badapples.sys");
    let words = ["explore", text(&driver), "--workload", "copy-tree", "--source", text(source.path())];
    (altimeter([&words[..], more].concat()), source)
}

#[test]
fn correct_drivers_fail_in_no_schedule() {
    let ran = altimeter(["explore", "--schedules", "40", "--json", "-"]).ends_with(0);
    let results = ran.json();
    assert_eq!(results["explore"], json!({ "schedules": 40, "seed": null }));
    assert!(results["workload"]["operations"].as_u64() > Some(40 * 4 * 50), "{ran}");
    assert_eq!((&results["findings"], &results["bugcheck"]), (&json!([]), &json!(null)));
    assert!(ran.stderr.contains("40 schedules, none failed"), "{ran}");
}

#[test]
fn the_lowest_seed_that_fails_is_reported_however_many_hosts_there_are() {
    for jobs in ["1", "2", "5"] {
        let more = ["--first", "30", "--schedules", "50", "--jobs", jobs, "--json", "-"];
        let (ran, _) = badapples("crash", &more);
        let ran = ran.ends_with(1);
        let results = ran.json();
        assert_eq!(results["explore"]["seed"], 30, "{ran}");
        assert_eq!(results["bugcheck"]["driver"], "badapples", "{ran}");
        assert!(ran.stderr.contains("--replay 30"), "{ran}");
    }
}

#[test]
fn finding_is_a_failure_as_well() {
    let (ran, _) = badapples("leak", &["--schedules", "5", "--json", "-"]);
    let ran = ran.ends_with(1);
    assert_eq!(ran.json()["findings"][0]["driver"], "badapples", "{ran}");
}

#[test]
fn schedule_that_does_not_end_has_failed() {
    let (ran, _) = badapples("spin", &["--schedules", "5", "--timeout", "2", "--json", "-"]);
    let ran = ran.ends_with(1);
    assert_eq!(ran.json()["bugcheck"]["name"], "HANG", "{ran}");
}

#[test]
fn replay_shows_the_last_steps_and_is_the_same_each_time() {
    let replay = |steps: &str| {
        altimeter(["explore", "passthrough", "--replay", "17", "--steps", steps]).ends_with(0).stdout
    };
    let (some, all) = (replay("25"), replay("0"));
    let steps = |text: &str| -> Vec<String> {
        let lines = text.lines().skip(2).take_while(|line| !line.is_empty());
        lines.map(str::to_owned).collect()
    };
    let (some, all) = (steps(&some), steps(&all));
    assert_eq!(some.len(), 25);
    assert!(all.len() > 1000 && all.ends_with(&some), "{some:#?}");
    for part in ["switch ", "enter passthrough pre IRP_MJ_CREATE", "call Flt"] {
        assert!(all.iter().any(|line| line.contains(part)), "no step says {part:?}");
    }
    assert_eq!(all, steps(&replay("0")));
}

#[test]
fn replay_of_a_failure_ends_with_its_report() {
    let (ran, _) = badapples("crash", &["--replay", "30", "--steps", "3"]);
    let ran = ran.ends_with(1);
    assert!(ran.stdout.starts_with("Steps: the last 3 of "), "{ran}");
    assert!(ran.stdout.contains("Bug check 0x00000050"), "{ran}");
}
