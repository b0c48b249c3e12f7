//! Each check can fail.

use altimeter::{Options, Setting};

use crate::{names, run, source};

/// A free that does nothing is seen when the driver goes: what it leaves behind is a finding.
const SEEN_AS_A_LEAK: &[&str] =
    &["ExFreeCacheAwareRundownProtection", "ExFreePool", "ExFreePoolWithTag", "FsRtlUninitializeLargeMcb"];

/// Under each fault the check of that name, run alone, fails or stops the machine.
#[test]
fn each_check_fails_when_its_export_misbehaves() {
    let mut source = source();
    let mut unnoticed = Vec::new();
    for name in names(&source) {
        source.settings = vec![Setting::parse(&format!("Only=sz:{name}")).expect("a setting")];
        let (machine, test) = run(&source, Options { faults: vec![name.clone()], ..Options::default() });
        let failed = test
            .is_some_and(|test| test.checks.iter().any(|check| check.name == name && check.failed.is_some()));
        if !failed && machine.report().bug_check.is_none() {
            unnoticed.push(name);
        }
    }
    assert!(unnoticed.is_empty(), "nobody notices when these misbehave: {unnoticed:#?}");
}

#[test]
fn frees_that_do_nothing_are_leaks() {
    for name in SEEN_AS_A_LEAK {
        let (machine, _) = run(&source(), Options { faults: vec![(*name).to_owned()], ..Options::default() });
        machine.unload_all();
        let findings = machine.report().findings;
        assert!(findings.iter().any(|finding| finding.rule.contains("leak")), "{name}: {findings:#?}");
    }
}
