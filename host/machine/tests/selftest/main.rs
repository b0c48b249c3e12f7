//! Every export seen from native code: the driver `kselftest` has a check for each, of the same name.
//!
//! All checks pass; each fails when its export misbehaves on purpose ([`altimeter::Options::faults`]); and every export
//! without a check stands in a list here, with who checks it instead or why nobody can.

mod elsewhere;
mod faults;

use altimeter::{DriverSource, Machine, Options, Schedule, SelfTest};

fn source() -> DriverSource {
    let folder = std::env::var_os("ALTIMETER_DRIVERS").map_or_else(
        || std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../drivers/bin"),
        std::path::PathBuf::from,
    );
    DriverSource::from_path(&folder.join("kselftest.sys")).expect("the driver is built")
}

/// Loads the driver into a fresh machine in which `fault` misbehaves.
fn run(source: &DriverSource, options: Options) -> (Machine, Option<SelfTest>) {
    let machine = Machine::boot(Options { memory_capacity: 64 << 20, detect_hangs: true, ..options })
        .expect("a machine boots");
    let _ = machine.load(source);
    let test = machine.report().drivers.into_iter().next().and_then(|driver| driver.self_test);
    (machine, test)
}

fn names(source: &DriverSource) -> Vec<String> {
    let (_machine, test) = run(source, Options::default());
    test.expect("the driver has results").checks.into_iter().map(|check| check.name).collect()
}

fn assert_all_pass(options: Options) {
    let (machine, test) = run(&source(), options);
    let report = machine.report();
    assert!(report.bug_check.is_none(), "{:?}", report.bug_check);
    let test = test.expect("the driver has results");
    let failed: Vec<_> = test.checks.iter().filter(|check| check.failed.is_some()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(test.checks.len() > 600 && test.checks.iter().all(|check| check.assertions > 1), "{test:#?}");
    machine.unload_all();
    assert!(machine.report().findings.is_empty(), "{:#?}", machine.report().findings);
}

#[test]
fn all_checks_pass() {
    for seed in 1..6 {
        assert_all_pass(Options { schedule: Schedule::Seeded(seed), ..Options::default() });
    }
}

#[test]
fn all_checks_pass_on_threads_of_the_host() {
    assert_all_pass(Options { schedule: Schedule::Free, ..Options::default() });
}

#[test]
fn all_checks_pass_with_special_pool() {
    assert_all_pass(Options { special_pool: true, ..Options::default() });
}

/// Every export has a check or a reason not to have one, not both; each check and each reason is of an export.
#[test]
fn each_export_has_a_check_or_a_reason() {
    let checked = names(&source());
    let table = altimeter::exports::table();
    let mut wrong = Vec::new();
    let mut neither = Vec::new();
    for row in table {
        let has_check = checked.iter().any(|name| name == row.name);
        match (has_check, elsewhere::reason(row.image, row.name)) {
            (false, None) => neither.push(row.name),
            (true, Some(reason)) => {
                wrong.push(format!("{} has a check, and a reason not to: {reason}", row.name))
            }
            _ => {}
        }
    }
    for name in checked.iter().map(String::as_str).chain(elsewhere::names()) {
        if !table.iter().any(|row| row.name == name) {
            wrong.push(format!("{name} is no export"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        neither.is_empty(),
        "write a check in drivers/kselftest, or say in elsewhere.rs who checks: {neither:#?}"
    );
}

/// A failed check is a finding of its driver, with the assertion and its place.
#[test]
fn failed_checks_are_findings() {
    let (machine, _) =
        run(&source(), Options { faults: vec!["RtlCompareMemory".to_owned()], ..Options::default() });
    let findings = machine.report().findings;
    let message = &findings.iter().find(|finding| finding.rule == "self-test").expect("a finding").message;
    assert!(message.contains("RtlCompareMemory") && message.contains("rtl_memory.c:"), "{message}");
}
