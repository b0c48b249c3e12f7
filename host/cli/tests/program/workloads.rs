//! Workloads through real drivers.

use std::fs;

use serde_json::json;

use crate::cipher::deciphered;
use crate::support::{altimeter, driver, folder, run_json, text};

#[test]
fn default_run_is_clean_and_every_driver_saw_its_operations() {
    let ran = altimeter(["run", "--json", "-"]).ends_with(0);
    let results = ran.json();
    let drivers = results["drivers"].as_array().expect("a list");
    let named: Vec<_> = drivers.iter().map(|driver| (&driver["name"], &driver["altitude"])).collect();
    assert_eq!(
        named,
        [
            (&json!("passthrough"), &json!("370030")),
            (&json!("guard"), &json!("320030")),
            (&json!("xorcrypt"), &json!("141000"))
        ]
    );
    for (driver, operation) in drivers.iter().zip(["IRP_MJ_CREATE", "IRP_MJ_CREATE", "IRP_MJ_WRITE"]) {
        assert!(driver["callbacks"][operation]["pre"].as_u64() > Some(0), "{driver}");
        assert_eq!(driver["instances"].as_array().map(Vec::len), Some(1), "{driver}");
    }
    assert_eq!(results["workload"]["name"], "tour");
    assert_eq!(results["workload"]["mismatches"], 0);
    assert!(results["workload"]["operations"].as_u64() > Some(100), "{results}");
    assert_eq!((&results["findings"], &results["bugcheck"]), (&json!([]), &json!(null)));
    assert!(ran.stderr.contains("clean"), "the report for people goes to stderr: {ran}");
}

#[test]
fn report_for_people_has_no_colours_in_a_pipe() {
    let ran = altimeter(["run"]).ends_with(0);
    assert!(ran.stdout.contains("passthrough") && ran.stdout.contains("IRP_MJ_WRITE"), "{ran}");
    assert!(!ran.stdout.contains('\u{1b}'), "{ran}");
}

#[test]
fn tour_is_clean_with_large_sectors_in_a_directory_and_with_another_pattern() {
    let folder = folder();
    let volume = text(folder.path());
    altimeter(["run", "--sector", "4096"]).ends_with(0);
    altimeter(["run", "--volume", volume]).ends_with(0);
    altimeter(["run", "--set", "Pattern=sz:*.secret"]).ends_with(0);
}

#[test]
fn every_workload_is_clean_when_all_buffers_are_swapped() {
    let source = folder();
    for (name, bytes) in [("empty", 0), ("one", 1), ("sector", 512), ("more", 513), ("large", 300_000)] {
        let data: Vec<u8> = (0..bytes).map(|byte: u32| byte as u8 ^ 0x5A).collect();
        fs::write(source.path().join(name), data).expect("a file");
    }
    let drivers = ["run", "passthrough", "guard", "xorcrypt", "swapall"];
    for workload in [
        &["--workload", "tour"][..],
        &["--workload", "tour", "--special-pool", "--sector", "4096"],
        &["--workload", "stress"],
        &["--workload", "copy-tree", "--source", text(source.path())],
    ] {
        let arguments = [&drivers[..], workload, &["--json", "-"]].concat();
        let ran = altimeter(arguments).ends_with(0);
        let results = ran.json();
        let mut drivers = results["drivers"].as_array().expect("a list").iter();
        let swapall = drivers.find(|driver| driver["name"] == "swapall").expect("it was loaded");
        assert!(swapall["callbacks"]["IRP_MJ_READ"]["post"].as_u64() > Some(0), "{workload:?} {swapall}");
    }
}

#[test]
fn stress_is_clean_and_its_operations_depend_on_the_seed_only() {
    let operations = |seed: &str| {
        let ran = altimeter(["run", "--workload", "stress", "--json", "-", "--seed", seed]).ends_with(0);
        ran.json()["workload"]["operations"].clone()
    };
    assert_eq!(operations("7"), operations("7"));
}

#[test]
fn copy_tree_copies_every_byte_and_counts_what_it_refuses() {
    let (source, volume) = (folder(), folder());
    let bytes: Vec<u8> = (0..300_001u32).map(|value| (value % 251) as u8).collect();
    fs::create_dir(source.path().join("inner")).expect("a directory");
    for (name, content) in [
        ("plain.txt", &b"text"[..]),
        ("inner/large", &bytes),
        ("empty", b""),
        ("denied.blocked", b"x"),
        ("Case", b"1"),
        ("case", b"2"),
        ("colon:name", b"x"),
        ("con.txt", b"reserved"),
    ] {
        fs::write(source.path().join(name), content).expect("a file");
    }
    let ran = altimeter([
        "run",
        "--json",
        "-",
        "--workload",
        "copy-tree",
        "--volume",
        text(volume.path()),
        "--source",
        text(source.path()),
    ])
    .ends_with(0);
    assert_eq!(ran.json()["workload"]["refused"], 3, "{ran}");
    assert_eq!(deciphered(&fs::read(volume.path().join("inner/large")).expect("it was copied")), bytes);
    assert_eq!(deciphered(&fs::read(volume.path().join("Case")).expect("the first was copied")), b"1");
    assert!(!volume.path().join("denied.blocked").exists());
}

#[test]
fn altitude_of_a_driver_without_an_inf_comes_from_the_command_line() {
    let folder = folder();
    let lonely = crate::support::file(&folder, "lonely.sys", &crate::support::image("passthrough.sys"));
    run_json(std::slice::from_ref(&lonely), &[]).ends_with(2).complains_of(&["lonely.sys", "--altitude"]);
    let results = run_json(&[lonely], &["--altitude", "365000.5"]).ends_with(0).json();
    assert_eq!(results["drivers"][0]["altitude"], "365000.5");
}

#[test]
fn altitude_collision_is_a_finding() {
    let folder = folder();
    let bytes = crate::support::image("passthrough.sys");
    let [one, two] = ["one.sys", "two.sys"].map(|name| crate::support::file(&folder, name, &bytes));
    let ran = run_json(&[one, two], &["--altitude", "365000", "--altitude", "365000.0"]).ends_with(1);
    let findings = ran.json()["findings"].to_string();
    assert!(findings.contains("365000"), "{findings}");
}

#[test]
fn advice_is_shown_and_leaves_a_run_clean() {
    // FLT_PREOP_SYNCHRONIZE for every create: discouraged, but it works.
    let settings = ["--set", "Mode=sz:bad-return", "--set", "Major=dword:0", "--set", "Return=dword:5"];
    let ran = run_json(&[driver("iopbtest.sys")], &settings).ends_with(0);
    assert_eq!(ran.json()["findings"][0]["severity"], "advice");
    assert!(ran.stderr.contains("advice"), "{ran}");
}

#[test]
fn drivers_are_drawn_by_altitude_whatever_the_order_of_loading() {
    let results = run_json(&[driver("guard.inf"), driver("passthrough.inf")], &[]).ends_with(0).json();
    assert_eq!(
        (&results["drivers"][0]["name"], &results["drivers"][1]["name"]),
        (&json!("passthrough"), &json!("guard"))
    );
}

#[test]
fn several_volumes_each_get_the_workload_and_every_filter() {
    let folder = folder();
    let run = run_json(&[], &["--volume", "mem", "--volume", text(folder.path())]);
    let report = run.ends_with(0).json();
    let instances = report["drivers"][0]["instances"].as_array().expect("a list");
    let volumes: Vec<_> =
        instances.iter().map(|instance| instance["volume"].as_str().expect("a name")).collect();
    assert_eq!(volumes, [r"\Device\HarddiskVolume1", r"\Device\HarddiskVolume2"]);
}
