//! Registration, start, unload.

use altimeter::{DriverSource, LoadError, Setting};
use nt_abi::IRP_MJ_WRITE;

use crate::support::*;

#[test]
fn a_filter_without_an_instance_definition_cannot_register() {
    // spec: REG-12
    let machine = machine();
    let mut source = DriverSource::from_path(&driver_path("iopbtest.sys")).expect("the sample is there");
    source.inf = None;
    source.altitude = None;
    let refused = machine.load(&source).expect_err("it has no altitude");
    assert!(matches!(&refused, LoadError::File(text) if text.contains("--altitude")), "{refused}");
}

#[test]
fn callbacks_come_between_start_and_unload_only() {
    // spec: REG-13, LIFE-04
    let machine = with_recorder(&["Mode=sz:observe"]);
    assert_eq!(results(&machine, "r").pre_calls, 0, "nothing is mounted, nothing was done");
    with_file(&machine, "file", |_, _| Ok(()));
    let during = results(&machine, "r").pre_calls;
    assert!(during > 0);
    machine.unload_all();
    assert_eq!(machine.report().drivers[0].callbacks.iter().map(|c| c.pre).sum::<u64>(), during);
    with_file(&machine, "other", |session, handle| session.write(handle, Some(0), b"x"));
    assert_eq!(machine.report().drivers[0].callbacks.iter().map(|c| c.pre).sum::<u64>(), during);
    assert_clean(&machine);
}

#[test]
fn an_unknown_setting_fails_driver_entry_with_its_status() {
    let machine = machine();
    let mut source = DriverSource::from_path(&driver_path("iopbtest.sys")).expect("the sample is there");
    source.settings = vec![Setting::parse("Mode=sz:no-such-mode").expect("a setting")];
    let refused = machine.load(&source).expect_err("the driver refuses it");
    assert!(refused.to_string().contains("STATUS_INVALID_PARAMETER"), "{refused}");
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"x"));
    assert_clean(&machine);
}

#[test]
fn a_filter_can_be_loaded_again_after_it_was_unloaded() {
    // spec: ALT-10
    let machine = machine();
    for round in 1..=3 {
        recorder(&machine, "r", "365000", &["Mode=sz:observe"]);
        with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"x"));
        assert_eq!(results(&machine, "r").of(IRP_MJ_WRITE, false).len(), 1, "round {round}");
        machine.unload_all();
    }
    assert_clean(&machine);
}
