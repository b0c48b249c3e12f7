//! Executive resources, regions and APCs in native code: `drivers/resources` checks itself; here is what it found, and
//! what is said of each mistake.

use altimeter::session::OpenRequest;
use altimeter::{DriverSource, LoadError, Machine, Options, Schedule, Setting};

use crate::support::driver_path;

const FAILURES: usize = 32;

fn load(machine: &Machine, settings: &[&str]) -> Result<(), LoadError> {
    let mut source = DriverSource::from_path(&driver_path("resources.sys")).expect("the sample is there");
    source.settings = settings.iter().map(|text| Setting::parse(text).expect("a setting")).collect();
    machine.load(&source)
}

fn machine(schedule: Schedule) -> Machine {
    Machine::boot(Options { schedule, ..Options::default() }).expect("a machine in memory boots")
}

/// Cases that came back, checks, lines of the failed ones.
fn results(machine: &Machine) -> (u32, u32, Vec<u32>) {
    let address = machine
        .service_qword("resources", "Results")
        .expect("the driver wrote where its results are") as usize;
    let bytes = machine.read_memory(address, 0x10 + FAILURES * 4).expect("the image is there");
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
    assert_eq!(word(0), 0x5353_4552, "the magic");
    let failed = (word(12) as usize).min(FAILURES);
    (word(4), word(8), (0..failed).map(|index| word(0x10 + index * 4)).collect())
}

#[test]
fn the_manager_exports_its_resource_routines() {
    // spec: SEED-RES-14
    let resolve = |image| {
        crate::support::machine()
            .run(|_| {
                let routines =
                    ["FltAcquireResourceExclusive", "FltAcquireResourceShared", "FltReleaseResource"];
                Ok(routines
                    .map(|routine| exports::resolve(image, routine).is_some_and(|address| address != 0)))
            })
            .expect("the machine runs")
    };
    assert_eq!(resolve("fltmgr.sys"), [true; 3]);
    assert_eq!(resolve("ntoskrnl.exe"), [false; 3], "they are the filter manager's");
}

#[test]
fn every_routine_does_what_is_documented_under_every_schedule() {
    // spec: SEED-RES-01, SEED-RES-03, SEED-RES-04, SEED-RES-05, SEED-RES-06, SEED-RES-08, SEED-RES-10, SEED-RES-11
    // spec: RES-05, RES-16, RES-22, RES-30, RES-31
    let seeds = (0..20).map(Schedule::Seeded);
    for schedule in [Schedule::Free].into_iter().chain(seeds) {
        let machine = machine(schedule);
        load(&machine, &[]).unwrap_or_else(|error| panic!("{error}: {:?}", machine.report()));
        let (cases, checks, failed) = results(&machine);
        assert_eq!(failed, Vec::<u32>::new(), "lines of failed checks, 1000000 times the file added");
        assert_eq!(cases, 21, "all of them ran");
        assert!(checks > 150, "{checks} checks");
        machine.unload_all();
        assert!(machine.report().findings.is_empty(), "{:?}", machine.report().findings);
    }
}

/// A machine after mode `mode`, in DriverEntry or, from 100 on, in a program's create.
fn after(mode: u32) -> Machine {
    let machine = machine(Schedule::Seeded(1));
    let _ = load(&machine, &[&format!("Mode=dword:{mode}")]);
    if mode >= 100 {
        let _ =
            machine.run(|session| session.open(&OpenRequest::on_volume(&altimeter::utf16("\\"))).map(|_| ()));
    }
    machine
}

#[test]
fn each_mistake_that_windows_would_not_survive_ends_the_machine_and_names_its_rule() {
    // spec: RES-01, RES-03, RES-12, RES-21, RES-25, RES-27, RES-30, RES-32
    // spec: SEED-RES-02, SEED-RES-05, SEED-RES-08, SEED-RES-09, SEED-RES-13
    // spec: EXEC-03, EXEC-11, EXEC-21, EXEC-43, EXEC-44
    let cases: [(u32, &str, &str); 26] = [
        (1, "RESOURCE_NOT_OWNED", "RES-21"),
        (2, "RESOURCE_NOT_OWNED", "no initialised resource"),
        (3, "KMODE_EXCEPTION_NOT_HANDLED", "FltAcquireResourceShared was called with argument resource"),
        (4, "RESOURCE_NOT_OWNED", "SEED-RES-02"),
        (5, "KMODE_EXCEPTION_NOT_HANDLED", "not aligned to 8 bytes"),
        (6, "KERNEL_APC_PENDING_DURING_EXIT", "SEED-RES-13"),
        (7, "KERNEL_APC_PENDING_DURING_EXIT", "at IRQL 1"),
        (8, "APC_INDEX_MISMATCH", "SEED-RES-05"),
        (9, "APC_INDEX_MISMATCH", "guarded region"),
        (10, "IRQL_NOT_LESS_OR_EQUAL", "ExAcquireResourceExclusiveLite was called at IRQL 2"),
        (11, "IRQL_NOT_LESS_OR_EQUAL", "ExAcquireResourceSharedLite was called at IRQL 2"),
        (12, "IRQL_NOT_LESS_OR_EQUAL", "ExAcquireSharedStarveExclusive was called at IRQL 2"),
        (13, "IRQL_NOT_LESS_OR_EQUAL", "ExAcquireSharedWaitForExclusive was called at IRQL 2"),
        (14, "IRQL_NOT_LESS_OR_EQUAL", "FltAcquireResourceShared was called at IRQL 2"),
        (15, "IRQL_NOT_LESS_OR_EQUAL", "FltReleaseResource was called at IRQL 3"),
        (16, "IRQL_NOT_LESS_OR_EQUAL", "EXEC-11"),
        (17, "IRQL_NOT_LESS_OR_EQUAL", "ExDeleteResourceLite was called at IRQL 2"),
        (18, "IRQL_NOT_LESS_OR_EQUAL", "ExAcquireResourceSharedLite was called at IRQL 2"),
        (19, "RESOURCE_NOT_OWNED", "RES-27"),
        (20, "RESOURCE_NOT_OWNED", "RES-25"),
        (21, "IRQL_NOT_LESS_OR_EQUAL", "EXEC-43"),
        (22, "IRQL_NOT_GREATER_OR_EQUAL", "EXEC-43"),
        (23, "HANG", "EXEC-21"),
        (24, "IRQL_NOT_LESS_OR_EQUAL", "ZwCreateFile was called at IRQL 1"),
        (102, "APC_INDEX_MISMATCH", "SEED-RES-13"),
        (103, "IRQL_GT_ZERO_AT_SYSTEM_SERVICE", "at IRQL 1"),
    ];
    for (mode, name, words) in cases {
        let check = after(mode).report().bug_check.unwrap_or_else(|| panic!("mode {mode} ends the machine"));
        assert_eq!(check.name, name, "mode {mode}: {}", check.message);
        assert!(check.message.contains(words), "mode {mode}: {}", check.message);
    }
}

#[test]
fn each_mistake_that_windows_might_survive_is_a_finding_of_its_rule() {
    // spec: RES-01, RES-02, RES-03, RES-13, RES-23, RES-33, SEED-RES-07
    // spec: EXEC-09, EXEC-17, EXEC-22, EXEC-23
    let cases: [(u32, &[&str]); 13] = [
        (40, &["RES-33", "RES-03"]),
        (41, &["RES-03"]),
        (42, &["RES-01"]),
        (43, &["RES-02"]),
        (44, &["RES-02"]),
        (45, &["RES-23"]),
        (46, &["EXEC-17"]),
        (47, &["EXEC-17"]),
        (48, &["EXEC-22"]),
        (49, &["EXEC-23"]),
        (50, &["EXEC-09"]),
        (100, &["RES-13"]),
        (101, &["RES-13"]),
    ];
    for (mode, expected) in cases {
        let machine = after(mode);
        machine.unload_all();
        let report = machine.report();
        assert!(report.bug_check.is_none(), "mode {mode}: {:?}", report.bug_check);
        let rules: Vec<&str> = report.findings.iter().map(|finding| finding.rule.as_str()).collect();
        assert_eq!(rules, expected, "mode {mode}: {:?}", report.findings);
        // Who ended or unloaded says nothing of who called.
        let unplaced = matches!(mode, 40 | 44);
        let named = unplaced || report.findings[0].driver == "resources";
        assert!(named, "mode {mode}: {:?}", report.findings);
    }
}

#[test]
fn a_program_s_thread_is_no_system_thread_to_end() {
    // spec: EXEC-38
    let machine = after(104);
    let (cases, _, failed) = results(&machine);
    assert_eq!((cases, failed), (1, Vec::new()), "it came back with an error, and all was well");
    machine.unload_all();
    assert!(machine.report().findings.is_empty(), "{:?}", machine.report().findings);
}

#[test]
fn kernel_apcs_interrupt_loops_that_call_nothing_where_that_is_switched_on() {
    // spec: EXEC-01, EXEC-02
    let options = Options { schedule: Schedule::Free, preempt: true, ..Options::default() };
    let machine = Machine::boot(options).expect("a machine in memory boots");
    load(&machine, &["Mode=dword:60"]).unwrap_or_else(|error| panic!("{error}: {:?}", machine.report()));
    let (cases, checks, failed) = results(&machine);
    assert_eq!(failed, Vec::<u32>::new(), "lines of failed checks, 1000000 times the file added");
    assert!(cases == 5 && checks > 15, "{cases} cases, {checks} checks");
    machine.unload_all();
    assert!(machine.report().findings.is_empty(), "{:?}", machine.report().findings);
}

#[test]
fn pageable_memory_is_good_below_dispatch_level_and_where_it_is_locked() {
    // spec: EXEC-32
    for schedule in [Schedule::Seeded(1), Schedule::Free] {
        let machine = machine(schedule);
        load(&machine, &["Mode=dword:70"]).unwrap_or_else(|error| panic!("{error}: {:?}", machine.report()));
        let (cases, _, failed) = results(&machine);
        assert_eq!((cases, failed), (1, Vec::new()), "lines of failed checks, 1000000 times the file added");
        machine.unload_all();
        assert!(machine.report().findings.is_empty(), "{:?}", machine.report().findings);
    }
}

#[test]
fn pageable_memory_at_dispatch_level_ends_a_seeded_machine() {
    // spec: EXEC-26, EXEC-32
    let cases = [
        (71, "wrote to paged pool at IRQL 2"),
        (72, "read paged pool at IRQL 2"),
        (73, "ran code of a pageable section at IRQL 2"),
        (74, "wrote to a pageable section at IRQL 2"),
    ];
    for (mode, words) in cases {
        let check = after(mode).report().bug_check.unwrap_or_else(|| panic!("mode {mode} ends the machine"));
        assert_eq!(check.name, "DRIVER_IRQL_NOT_LESS_OR_EQUAL", "mode {mode}: {}", check.message);
        assert!(check.message.contains(words), "mode {mode}: {}", check.message);
        assert_eq!(check.driver, "resources", "mode {mode}");
    }
}
