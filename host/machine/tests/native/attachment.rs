//! Altitudes and attachment.

use altimeter::{DriverSource, Machine, Options, RegistryData, Setting, VolumeSource};
use nt_abi::{IRP_MJ_WRITE, NtStatus};

use crate::support::*;

#[test]
fn an_occupied_altitude_is_a_finding_and_the_filter_attaches_elsewhere() {
    // spec: ALT-04, ATT-12
    let machine = machine();
    recorder(&machine, "first", "365000.5", &["Mode=sz:observe"]);
    recorder(&machine, "second", "0365000.50", &["Mode=sz:observe"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"x"));
    assert_found(&machine, "ATT-12", "second");
    assert_eq!(results(&machine, "first").of(IRP_MJ_WRITE, false).len(), 1);
    assert_eq!(results(&machine, "second").pre_calls, 0);
}

#[test]
fn altitudes_are_compared_as_decimals_of_any_length() {
    // spec: ALT-02, ALT-03
    let machine = machine();
    let long = "365000.00000000000000000000000000000000000000000000000001";
    recorder(&machine, "lower", "365000", &["Mode=sz:change-dirty", "Offset=dword:1"]);
    recorder(&machine, "upper", long, &["Mode=sz:change-dirty", "Offset=dword:1"]);
    with_file(&machine, "change", |session, handle| session.write(handle, Some(0), b"x"));
    let offset = |name: &str| results(&machine, name).of(IRP_MJ_WRITE, false)[0].parameters[2];
    assert_eq!((offset("upper"), offset("lower")), (0, 1));
}

#[test]
fn every_volume_gets_an_instance_at_its_first_open() {
    // spec: REG-14, LIFE-07
    let machine = Machine::boot(Options {
        volumes: vec![VolumeSource::Memory, VolumeSource::Memory],
        statistics: true,
        ..Options::default()
    })
    .expect("two volumes in memory");
    recorder(&machine, "r", "365000", &["Mode=sz:observe"]);
    assert_eq!(results(&machine, "r").setup_calls, 0);
    with_file(&machine, "file", |_, _| Ok(()));
    assert_eq!(results(&machine, "r").setup_calls, 1);
    machine.run_on(1, |session| create(session, "file").map(drop)).expect("the machine runs");
    let seen = results(&machine, "r");
    assert_eq!((seen.setup_calls, seen.teardown_calls, seen.failed), (2, 0, 0));
    let report = machine.report();
    let volumes: Vec<_> =
        report.drivers[0].instances.iter().map(|instance| instance.volume.as_str()).collect();
    assert_eq!(volumes, [r"\Device\HarddiskVolume1", r"\Device\HarddiskVolume2"]);
}

#[test]
fn a_volume_that_is_mounted_already_is_attached_at_start() {
    // spec: ATT-09, LIFE-09
    let machine = machine();
    with_file(&machine, "before", |_, _| Ok(()));
    recorder(&machine, "r", "365000", &["Mode=sz:observe"]);
    assert_eq!(results(&machine, "r").setup_calls, 1);
    with_file(&machine, "after", |session, handle| session.write(handle, Some(0), b"x"));
    assert_eq!(results(&machine, "r").of(IRP_MJ_WRITE, false).len(), 1);
}

#[test]
fn attaching_detaching_and_looking_up_work_from_native_code() {
    // spec: REG-01, REG-02, REG-13, REG-14, ATT-01, ATT-02, ATT-03, ATT-04, ATT-05, ATT-06, ATT-07, ATT-08
    // spec: ALT-01, ALT-04, ALT-05, ALT-06, LIFE-07, LIFE-08, LIFE-09, LIFE-10, LIFE-12, LIFE-13, LIFE-14
    // spec: ENUM-01, ENUM-02, ENUM-04, ENUM-05, ENUM-06, ENUM-07, ENUM-08, ENUM-09, ENUM-10, REG-12, REG-15, LIFE-05
    let machine = with_attachtest(&[]);
    let checked = results(&machine, "attachtest");
    assert_eq!(checked.failed_lines, Vec::<u32>::new(), "lines of attachtest.c");
    assert!(checked.checks >= 70, "{} checks", checked.checks);
    assert_eq!(machine.unload("attachtest").expect("the machine runs"), NtStatus::SUCCESS);
    assert_eq!(failed_at_unload(&machine, "attachtest"), 0);
    let report = machine.report();
    assert!(report.bug_check.is_none());
    let mut rules: Vec<_> = report.findings.iter().map(|finding| finding.rule.as_str()).collect();
    rules.sort_unstable();
    assert_eq!(rules, ["LIFE-05", "REG-01", "REG-15"], "{:?}", report.findings);
}

fn with_attachtest(settings: &[&str]) -> Machine {
    let machine = machine();
    with_file(&machine, "mounts the volume", |_, _| Ok(()));
    let mut source = DriverSource::from_path(&driver_path("attachtest.sys")).expect("the sample");
    source.settings = settings.iter().map(|text| Setting::parse(text).expect("a setting")).collect();
    machine.load(&source).expect("it loads");
    machine
}

#[test]
fn a_file_left_open_below_an_instance_that_goes_is_reported() {
    // spec: LIFE-21
    let machine = with_attachtest(&["LeakFile=dword:1"]);
    assert_eq!(results(&machine, "attachtest").failed_lines, Vec::<u32>::new(), "lines of attachtest.c");
    assert_found(&machine, "LIFE-21", "attachtest");
}

#[test]
fn a_filter_without_an_unload_callback_stays() {
    // spec: LIFE-01
    let machine = with_attachtest(&["NoUnload=dword:1"]);
    assert_eq!(machine.unload("attachtest").expect("the machine runs"), NtStatus::FLT_DO_NOT_DETACH);
    let attached = machine.run(|_| {
        let filter = fltmgr::flt().filter_named(&altimeter::utf16("attachtest")).expect("it is there");
        Ok(fltmgr::flt().instances_of(&filter).len())
    });
    assert_eq!(attached.expect("the machine runs"), 1);
}

#[test]
fn a_service_stop_unloads_a_filter_unless_it_does_not_support_that() {
    // spec: REG-09
    let machine = with_attachtest(&["RegistrationFlags=dword:1"]);
    assert_eq!(machine.stop_service("attachtest").expect("the machine runs"), NtStatus::FLT_DO_NOT_DETACH);
    assert_eq!(machine.unload("attachtest").expect("the machine runs"), NtStatus::SUCCESS);
    let machine = with_attachtest(&[]);
    assert_eq!(machine.stop_service("attachtest").expect("the machine runs"), NtStatus::SUCCESS);
}

#[test]
fn what_is_torn_down_takes_no_references() {
    // spec: ENUM-08, ENUM-10
    let machine = with_attachtest(&[]);
    let loaded = results(&machine, "attachtest");
    machine.write_cache();
    machine
        .run(|_| {
            let volume = fltmgr::flt().volumes().pop().expect("the volume");
            fltmgr::flt_dismount_volume(volume.disk.expect("a disk"))?;
            Ok(())
        })
        .unwrap_or_else(|_| panic!("{:?}", machine.report()));
    let checked = results(&machine, "attachtest");
    assert_eq!(checked.failed_lines, Vec::<u32>::new(), "lines of attachtest.c");
    assert!(checked.checks >= loaded.checks + 5, "the volume went, and its instance before");
    assert_eq!(machine.unload("attachtest").expect("the machine runs"), NtStatus::SUCCESS);
    assert_eq!(failed_at_unload(&machine, "attachtest"), 0);
    assert!(machine.report().bug_check.is_none());
}

#[test]
fn a_flag_suppresses_automatic_attachment() {
    // spec: ATT-10
    let machine = machine();
    let mut source = DriverSource::from_path(&driver_path("iopbtest.sys")).expect("the sample");
    for value in &mut source.inf.as_mut().expect("its INF").registry {
        if value.name == "Flags" {
            value.data = RegistryData::Dword(1);
        }
    }
    machine.load(&source).expect("it loads");
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"x"));
    let seen = results(&machine, "iopbtest");
    assert_eq!((seen.setup_calls, seen.pre_calls), (0, 0));
    assert_clean(&machine);
}

/// What a write gives below `legacy`, and how often `legacy` sees it.
fn write_below_legacy(machine: &Machine, name: &str) -> (NtStatus, usize) {
    let before = results(machine, "legacy").of(IRP_MJ_WRITE, false).len();
    let status = machine
        .run(|session| {
            let handle = create(session, name)?.expect("it is created");
            let status = session.write(&handle, Some(0), b"x")?.status;
            session.close(handle)?;
            Ok(status)
        })
        .expect("the machine runs");
    (status, results(machine, "legacy").of(IRP_MJ_WRITE, false).len() - before)
}

#[test]
fn one_frame_holds_all_altitudes_below_a_legacy_filter() {
    // spec: ALT-09, ALT-10
    let machine = machine();
    with_file(&machine, "mounts the volume", |_, _| Ok(()));
    recorder(&machine, "low", "100000", &["Mode=sz:observe"]);
    load_as(&machine, "legacy.sys", "legacy", "1", &[]);
    assert_eq!(results(&machine, "legacy").failed_lines, Vec::<u32>::new(), "lines of legacy.c");
    assert_eq!(write_below_legacy(&machine, "file"), (NtStatus::SUCCESS, 1));
    assert_eq!(results(&machine, "low").of(IRP_MJ_WRITE, false).len(), 1);

    // There is no frame above the legacy filter: a filter that comes later is below it, whatever its altitude.
    let denies = ["Mode=sz:complete-pre", "Major=dword:4", "Status=dword:0xC0000022"];
    for round in 1..=2 {
        recorder(&machine, "high", "420000", &denies);
        assert_eq!(write_below_legacy(&machine, "file"), (NtStatus::ACCESS_DENIED, 1), "round {round}");
        assert_eq!(results(&machine, "low").of(IRP_MJ_WRITE, false).len(), 1, "it is above this one");
        assert_eq!(machine.unload("high").expect("the machine runs"), NtStatus::SUCCESS);
    }
    assert_eq!(write_below_legacy(&machine, "file"), (NtStatus::SUCCESS, 1));
    machine.unload_all();
    assert_clean(&machine);
}
