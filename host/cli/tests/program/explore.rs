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
fn replay_shows_who_waits_for_which_lock_of_whom() {
    let driver = driver("deadlock.sys");
    let words = ["explore", text(&driver), "--set", "Mistake=sz:inversion", "--replay", "1", "--steps", "0"];
    let ran = altimeter(words);
    let waits =
        |line: &&str| line.contains("waits for resource deadlock.sys+0x") && line.contains("which thread ");
    assert!(ran.stdout.lines().any(|line| waits(&line)), "{ran}");
}

#[test]
fn replay_of_a_failure_ends_with_its_report() {
    let (ran, _) = badapples("crash", &["--replay", "30", "--steps", "3"]);
    let ran = ran.ends_with(1);
    assert!(ran.stdout.starts_with("Steps: the last 3 of "), "{ran}");
    assert!(ran.stdout.contains("Bug check 0x00000050"), "{ran}");
}

/// Explores the driver that makes one of the classic mistakes.
fn mistake(name: &str, more: &[&str]) -> serde_json::Value {
    let driver = driver("deadlock.sys");
    let chosen = format!("Mistake=sz:{name}");
    let words = ["explore", text(&driver), "--set", &chosen, "--json", "-"];
    altimeter([&words[..], more].concat()).ends_with(1).json()
}

/// Whether some text of the list has a place in this function.
fn names(places: &serde_json::Value, function: &str) -> bool {
    places.as_array().is_some_and(|places| places.iter().any(|place| place.to_string().contains(function)))
}

/// Fails unless the message says all of `parts`.
#[track_caller]
fn says(check: &serde_json::Value, parts: &[&str]) {
    let message = check["message"].as_str().expect("a message");
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[test]
fn release_in_an_apc_that_wants_what_the_interrupted_callback_holds_is_explained() {
    // spec: SEED-MODW-09, SEED-MODW-11, SEED-MODW-12, PARM-26
    let results = mistake("page-writer", &[]);
    let check = &results["bugcheck"];
    assert_eq!((&check["name"], &check["driver"]), (&json!("DEADLOCK"), &json!("deadlock")));
    says(check, &["CountWritten", "CountReleased", "APC interrupted the holder", "KeEnterGuardedRegion"]);
    let [thread] = check["threads"].as_array().expect("a list").as_slice() else { panic!("{check:#}") };
    assert_eq!(thread["name"], "mapped page writer");
    assert!(
        names(&thread["where"], "CountReleased") && names(&thread["where"], "CountWritten"),
        "{thread:#}"
    );
}

#[test]
fn first_mistake_is_made_by_default_and_numbers_count_from_one() {
    let driver = driver("deadlock.sys");
    for chosen in [&[][..], &["--set", "Mistake=dword:1"]] {
        let words = ["explore", text(&driver), "--json", "-"];
        let results = altimeter([&words[..], chosen].concat()).ends_with(1).json();
        says(&results["bugcheck"], &["CountReleased"]);
    }
}

#[test]
fn resource_held_over_the_file_systems_locks_is_explained() {
    let results = mistake("own-resource", &[]);
    let check = &results["bugcheck"];
    assert_eq!(check["name"], "DEADLOCK", "{check:#}");
    says(check, &["LogPaging", "main resource of a stream", "Do not hold the resource"]);
    for thread in check["threads"].as_array().expect("a list") {
        assert!(!thread["waits_for"].to_string().is_empty(), "{thread:#}");
    }
}

#[test]
fn inversion_between_a_callback_and_a_work_item_names_both() {
    let results = mistake("inversion", &[]);
    let told = match results["findings"].as_array().and_then(|findings| findings.first()) {
        Some(finding) => finding.clone(),
        None => results["bugcheck"].clone(),
    };
    says(&told, &["ChangeTable", "TidyUp", "in one order everywhere"]);
}

#[test]
fn inversion_is_found_in_a_run_without_a_deadlock() {
    let quiet = (1..200).map(|seed: u32| seed.to_string()).find_map(|seed| {
        let results = mistake("inversion", &["--replay", &seed, "--steps", "1"]);
        results["bugcheck"].is_null().then(|| results["findings"].clone())
    });
    let findings = quiet.expect("a seed whose threads did not meet");
    assert_eq!(findings[0]["rule"], "lock-order", "{findings:#}");
    for place in ["ChangeTable", "TidyUp"] {
        assert!(names(&findings[0]["where"], place), "{findings:#}");
    }
}

#[test]
fn release_by_another_thread_names_who_acquired() {
    // spec: RES-21
    let results = mistake("foreign-release", &[]);
    let check = &results["bugcheck"];
    assert_eq!(check["name"], "RESOURCE_NOT_OWNED", "{check:#}");
    says(check, &["HandOver", "Release it in the thread that acquired it"]);
    assert!(check["symbol"].to_string().contains("ReleaseHanded"), "{check:#}");
}

#[test]
fn missing_release_and_extra_leave_are_found_where_they_happen() {
    let results = mistake("missing-release", &[]);
    assert_eq!(results["findings"][0]["rule"], "lock-held", "{results:#}");
    says(&results["findings"][0], &["ForgetRelease", "Release it on every path"]);
    let results = mistake("extra-leave", &[]);
    let check = &results["bugcheck"];
    assert_eq!(check["name"], "APC_INDEX_MISMATCH", "{check:#}");
    assert!(check["symbol"].to_string().contains("LeaveTwice"), "{check:#}");
}

#[test]
fn failing_seeds_give_the_same_trace_from_whatever_folder_they_are_replayed() {
    let (here, elsewhere) = (folder(), folder());
    let mut failed = 0;
    for seed in (1..40).map(|seed: u32| seed.to_string()) {
        let replay = |folder: &TempDir| {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_altimeter"))
                .args(["explore", text(&driver("deadlock.sys")), "--replay", &seed, "--trace", "trace"])
                .current_dir(folder.path())
                .output()
                .expect("the program starts");
            (output.status.code(), std::fs::read(folder.path().join("trace")).expect("a trace"))
        };
        let first = replay(&here);
        if first.0 == Some(1) {
            assert!(first == replay(&elsewhere), "seed {seed}: the traces differ");
            failed += 1;
        }
    }
    assert!(failed > 3, "{failed} of 39 seeds failed");
}
