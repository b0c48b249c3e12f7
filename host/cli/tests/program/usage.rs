//! Wrong usage, and the commands that only print.

use crate::support::{altimeter, driver, run_json, text};

#[test]
fn no_command_and_wrong_values_are_usage_errors() {
    for wrong in [
        &["--no-such-option"][..],
        &[],
        &["run", "--workload", "swim"],
        &["run", "--sector", "1000"],
        &["run", "--altitude", "high"],
        &["run", "--set", "Pattern"],
        &["run", "--workload", "copy-tree"],
        &["run", "--source", "."],
        &["run", "--workload", "copy-tree", "--source", "no-such-directory"],
        &["run", "--json", "no-such-directory/out.json"],
        &["run", "--trace", "no-such-directory/trace"],
        &["explore", "--schedules", "0"],
        &["explore", "--replay", "1", "--first", "3"],
        &["explore", "--steps", "3"],
        &["explore", "no-such.sys"],
    ] {
        let ran = altimeter(wrong).ends_with(2);
        assert!(!ran.stderr.is_empty(), "{wrong:?} without a message");
        assert_eq!(ran.stdout, "", "{wrong:?} wrote results");
    }
}

#[test]
fn drivers_are_listed_with_altitudes() {
    let ran = altimeter(["drivers"]).ends_with(0);
    for (name, altitude) in [("passthrough", "370030"), ("guard", "320030"), ("swapall", "142930")] {
        assert!(ran.stdout.lines().any(|line| line.starts_with(name) && line.contains(altitude)), "{ran}");
    }
}

#[test]
fn exports_are_tab_separated_with_a_known_state() {
    let ran = altimeter(["exports"]).ends_with(0);
    for line in ran.stdout.lines() {
        let columns: Vec<_> = line.split('\t').collect();
        assert_eq!(columns.len(), 5, "{line:?}");
        assert!(matches!(columns[2], "done" | "partial"), "{line:?}");
    }
    assert!(ran.stdout.contains("fltmgr.sys\tFltRegisterFilter\t"), "{ran}");
}

#[test]
fn exports_check_names_the_imports_that_are_not_there() {
    let path = driver("badapples.sys");
    let ran = altimeter(["exports", "--check", text(&path)]).ends_with(1);
    assert!(ran.stdout.contains("FltDoesNotExistAnywhere"), "{ran}");
    let path = driver("passthrough.sys");
    let ran = altimeter(["exports", "--check", text(&path)]).ends_with(0);
    assert_eq!(ran.stdout, "");
    altimeter(["exports", "--check", "no-such.sys"]).ends_with(2).complains_of(&["no-such.sys"]);
}

#[test]
fn trace_has_lines_of_callbacks_and_exports() {
    let folder = crate::support::folder();
    let trace = folder.path().join("trace");
    run_json(&[driver("passthrough.sys")], &["--trace", text(&trace)]).ends_with(0);
    let lines = std::fs::read_to_string(&trace).expect("the trace was written");
    assert!(lines.contains("enter passthrough pre IRP_MJ_CREATE"), "{lines:.2000}");
    assert!(lines.contains(" from passthrough.sys+0x"), "{lines:.2000}");
}

#[test]
fn traces_of_the_same_seed_are_the_same_bytes_wherever_they_are_made() {
    let trace = |seed: &str| {
        let folder = crate::support::folder();
        let path = folder.path().join("trace");
        run_json(&[], &["--schedule", seed, "--trace", text(&path)]).ends_with(0);
        std::fs::read(&path).expect("the trace was written")
    };
    let first = trace("7");
    assert!(first.len() > 100_000, "{} bytes", first.len());
    // Another process, with other addresses, and another folder.
    assert!(trace("7") == first, "the same seed, another trace");
    altimeter(["run", "--schedule", "7", "--scheduler", "free"])
        .ends_with(2)
        .complains_of(&["--schedule 7", "free"]);
}

#[test]
fn faults_make_the_named_export_misbehave() {
    let run = |fault| altimeter(["run", "--fault", fault, text(&driver("passthrough.sys"))]).ends_with(2);
    run("FltRegisterFilter").complains_of(&["DriverEntry returned STATUS_UNSUCCESSFUL"]);
    run("FltRegister").complains_of(&["--fault FltRegister", "no such function"]);
}
