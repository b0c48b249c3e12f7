//! Objects beside operations: volumes, instances, references, push locks. `objtest` checks them from native code, in the
//! callbacks of creates whose names say what.

use altimeter::{DriverSource, Machine, Stopped};

use crate::support::*;

/// A machine with objtest, whose checks of `words` ran.
fn checked(words: &[&str]) -> Machine {
    let machine = machine();
    load(&machine);
    for word in words {
        run(&machine, word).unwrap_or_else(|Stopped| panic!("{word}: {:?}", machine.report()));
    }
    machine
}

fn load(machine: &Machine) {
    machine
        .load(&DriverSource::from_path(&driver_path("objtest.sys")).expect("the sample"))
        .expect("objtest loads");
}

fn run(machine: &Machine, word: &str) -> Result<(), Stopped> {
    machine.run(|session| {
        let handle = create(session, word)?.expect("a new file");
        session.close(handle)?;
        Ok(())
    })
}

/// None of its checks failed, and nothing was found.
fn assert_all_hold(machine: &Machine, least: u64) {
    let seen = results(machine, "objtest");
    assert_eq!(seen.failed_lines, Vec::<u32>::new(), "file numbers * 10000 + lines of objtest");
    assert!(seen.checks >= least, "{} checks", seen.checks);
    machine.unload_all();
    assert_clean(machine);
}

/// Each word breaks the rule in its own machine.
fn assert_reported(cases: &[(&str, &str)]) {
    for (word, rule) in cases {
        let machine = machine();
        load(&machine);
        let ran = run(&machine, word);
        machine.unload_all();
        let found = rules(&machine);
        assert!(found.iter().any(|f| f == rule), "{word} {ran:?}: {rule} is not among {found:?}");
    }
}

#[test]
fn references_keep_objects_until_they_are_given_back() {
    // spec: OBJ-01, OBJ-02, OBJ-04, OBJ-08
    assert_all_hold(&checked(&["references", "held", "getters"]), 25);
}

#[test]
fn volumes_are_found_named_and_asked() {
    // spec: OBJ-07, OBJ-13, OBJ-19, OBJ-21, OBJ-22, OBJ-23
    assert_all_hold(&checked(&["no-volume", "guid", "devices", "writable", "directories"]), 25);
}

#[test]
fn whoever_asks_is_known_and_routines_are_found_by_name() {
    // spec: OBJ-25, OBJ-26
    assert_all_hold(&checked(&["requestor", "routines"]), 12);
}

#[test]
fn what_is_no_directory_is_asked_of_the_file_system_once() {
    // spec: OBJ-23
    let machine = checked(&[]);
    recorder(&machine, "below", "100000", &["Mode=sz:observe"]);
    run(&machine, "directories").expect("the machine runs");
    let queries = results(&machine, "below").of(nt_abi::IRP_MJ_QUERY_INFORMATION, false);
    assert_eq!(queries.len(), 2, "one for the file, one for the root");
}

#[test]
fn a_medium_that_takes_no_writes_is_not_writable() {
    // spec: OBJ-22
    let machine = checked(&[]);
    machine
        .run(|_| {
            let disk = fltmgr::flt().volumes();
            assert!(disk.is_empty(), "nobody has opened anything");
            Ok(())
        })
        .expect("the machine runs");
    run(&machine, "mounts the volume").expect("the machine runs");
    machine
        .run(|_| {
            let disk = fltmgr::flt().volumes()[0].disk.expect("a disk");
            nt_io::disk::set_read_only(disk);
            Ok(())
        })
        .expect("the machine runs");
    run(&machine, "medium").expect("the machine runs");
    let [status, writable, _] = results(&machine, "objtest").counted;
    assert_eq!((status, writable), (0, 0));
}

#[test]
fn a_device_that_is_gone_is_said_to_be() {
    // spec: OBJ-19
    let machine = checked(&["file"]);
    machine
        .run(|_| {
            let volume = fltmgr::flt().volumes().remove(0);
            assert!(fltmgr::lookup::flt_get_device_object(&volume).is_ok());
            fltmgr::flt_dismount_volume(volume.disk.expect("a disk"))?;
            let gone = fltmgr::lookup::flt_get_device_object(&volume);
            assert_eq!(gone.err(), Some(nt_abi::NtStatus::FLT_NO_DEVICE_OBJECT));
            Ok(())
        })
        .expect("the machine runs");
}

#[test]
fn misused_objects_are_reported() {
    // spec: OBJ-03, OBJ-20, OBJ-24
    assert_reported(&[
        ("wrong-reference", "OBJ-03"),
        ("wrong-teardown", "OBJ-20"),
        ("wrong-unopened", "OBJ-24"),
    ]);
}

#[test]
fn asking_for_the_guid_name_during_a_mount_is_reported() {
    // spec: OBJ-14
    let memory = altimeter::VolumeSource::Memory;
    let options =
        altimeter::Options { volumes: vec![memory.clone(), memory], ..altimeter::Options::default() };
    let machine = Machine::boot(options).expect("it boots");
    load(&machine);
    run(&machine, "wrong-mount").expect("the machine runs");
    assert_clean(&machine);
    machine.run_on(1, |session| create(session, "file").map(drop)).expect("the machine runs");
    assert!(rules(&machine).contains(&"OBJ-14".to_owned()), "{:?}", rules(&machine));
}

#[test]
fn push_locks_keep_apcs_off_and_let_writers_in() {
    // spec: PLOCK-01, PLOCK-02, PLOCK-05, PLOCK-07
    assert_all_hold(&checked(&["storage", "regions", "queue"]), 25);
}

#[test]
fn misused_push_locks_are_reported() {
    // spec: PLOCK-03, PLOCK-04, PLOCK-06, PLOCK-07
    assert_reported(&[
        ("wrong-exclusive", "PLOCK-03"),
        ("wrong-shared", "PLOCK-04"),
        ("wrong-start", "PLOCK-06"),
        ("wrong-end", "PLOCK-06"),
        ("wrong-delete", "PLOCK-06"),
        ("wrong-flags", "PLOCK-07"),
    ]);
    let machine = checked(&[]);
    assert_eq!(run(&machine, "wrong-release"), Err(Stopped), "releasing what is not held is a bug check");
    assert!(machine.report().bug_check.is_some());
}

#[test]
fn the_dirty_mark_is_one_bit_of_the_flags() {
    // spec: IOPB-01, IOPB-14
    assert_all_hold(&checked(&["dirty"]), 4);
}
