//! Structured exceptions in native code: `drivers/sehtest` checks itself; here is what it found, and how machines end.

use altimeter::{DriverSource, Machine, Options, Schedule, Setting};

use crate::support::driver_path;

const FAILURES: usize = 32;

fn load(machine: &Machine, settings: &[&str]) -> Result<(), altimeter::LoadError> {
    let mut source = DriverSource::from_path(&driver_path("sehtest.sys")).expect("the sample is there");
    source.settings = settings.iter().map(|text| Setting::parse(text).expect("a setting")).collect();
    machine.load(&source).map(|_| ())
}

fn machine(schedule: Schedule) -> Machine {
    Machine::boot(Options { schedule, ..Options::default() }).expect("a machine in memory boots")
}

/// Cases that came back, checks, lines of the failed ones.
fn results(machine: &Machine) -> (u32, u32, Vec<u32>) {
    let address =
        machine.service_qword("sehtest", "Results").expect("the driver wrote where its results are") as usize;
    let bytes = machine.read_memory(address, 0x10 + FAILURES * 4).expect("the image is there");
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
    assert_eq!(word(0), 0x5448_4553, "the magic");
    let failed = (word(12) as usize).min(FAILURES);
    (word(4), word(8), (0..failed).map(|index| word(0x10 + index * 4)).collect())
}

#[test]
fn a_driver_s_handlers_do_what_they_say() {
    // spec: EXEC-20, IO-32
    for schedule in [Schedule::Free, Schedule::Seeded(1)] {
        let machine = machine(schedule);
        load(&machine, &[]).unwrap_or_else(|error| panic!("{error}: {:?}", machine.report()));
        let (cases, checks, failed) = results(&machine);
        assert_eq!(failed, Vec::<u32>::new(), "lines of failed checks, 1000000 times the file added");
        assert_eq!((cases, checks), (20, 77), "all of them ran");
        machine.unload_all();
        assert!(machine.report().findings.is_empty(), "{:?}", machine.report().findings);
    }
}

/// Code, message and depth of the stack of what a mode ends with.
fn end_of(mode: u32) -> (u32, String, usize) {
    let machine = machine(Schedule::Seeded(1));
    let loaded = load(&machine, &[&format!("Mode=dword:{mode}")]);
    assert!(loaded.is_err(), "mode {mode} ends the machine");
    let check = machine.report().bug_check.expect("it did");
    assert_eq!(check.driver, "sehtest");
    (check.code, check.message, check.stack.len())
}

#[test]
fn what_nobody_takes_ends_the_machine_with_its_stack() {
    let (code, message, depth) = end_of(1);
    assert_eq!(code, 0x1E, "{message}");
    assert!(message.contains("0xE0000001"), "{message}");
    assert!(depth >= 6, "four frames of the raise, RunMode and DriverEntry: {depth}");
    let (code, message, _) = end_of(4);
    assert_eq!(code, 0x50, "{message}");
    assert!(message.contains("wrote to address 0x1c: a null pointer"), "{message}");
}

#[test]
fn kernel_addresses_dispatch_level_and_fast_fail_are_taken_by_no_handler() {
    assert_eq!(end_of(2).0, 0x50);
    assert_eq!(end_of(3).0, 0xA);
    assert_eq!(end_of(5).0, 0x139);
}

#[test]
fn a_filter_cannot_continue_what_is_noncontinuable() {
    let (code, message, _) = end_of(6);
    assert_eq!(code, 0x1E, "{message}");
    assert!(message.contains("0xE0000001"), "{message}");
}
