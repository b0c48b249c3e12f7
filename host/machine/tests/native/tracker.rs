//! Contexts of files, streams and handles, and instances that come and go: what tracker finds.

use altimeter::session::OpenRequest;
use altimeter::workload::{NoProgress, StressOptions, stress_beside};
use altimeter::{DriverSource, Machine, NtStatus, Options, Schedule, Setting, utf16};

use crate::support::*;

const VOLUME: usize = 0;
const INSTANCE: usize = 1;
const FILE: usize = 2;
const STREAM: usize = 3;
const HANDLE: usize = 4;

/// What tracker found; results.h has the layout.
struct Tracked {
    checks: u64,
    failed_lines: Vec<u32>,
    allocated: [u64; 7],
    cleaned: [u64; 7],
    found: [u64; 7],
    setups: u64,
    queries: u64,
    teardowns: (u64, u64),
    /// With sections.
    conflicts: u64,
    setup_flags: u64,
    reason: u64,
}

fn tracked(machine: &Machine) -> Tracked {
    let address =
        service_qword(machine, "tracker", "Results").expect("the driver wrote where its results are");
    let bytes = machine.read_memory(address as usize, 0x200).expect("the image is there");
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"));
    assert_eq!(u64_at(0) as u32, 0x4B41_5254, "the magic");
    let seven = |at: usize| std::array::from_fn(|kind| u64_at(at + 8 * kind));
    Tracked {
        checks: u64_at(8),
        failed_lines: (0..32).map(|i| u64_at(0x18 + 8 * i) as u32).filter(|line| *line != 0).collect(),
        allocated: seven(0x118),
        cleaned: seven(0x150),
        found: seven(0x188),
        setups: u64_at(0x1C0),
        queries: u64_at(0x1C8),
        teardowns: (u64_at(0x1D0), u64_at(0x1D8)),
        conflicts: u64_at(0x1E8),
        setup_flags: u64_at(0x1F0),
        reason: u64_at(0x1F8),
    }
}

fn with_tracker() -> Machine {
    let machine = Machine::boot(Options::default()).expect("a machine in memory boots");
    load(&machine);
    machine
}

fn load(machine: &Machine) {
    load_with(machine, &[]);
}

fn load_with(machine: &Machine, settings: &[&str]) {
    let mut source = DriverSource::from_path(&driver_path("tracker.sys")).expect("the sample is there");
    source.settings = settings.iter().map(|text| Setting::parse(text).expect("a setting")).collect();
    machine.load(&source).unwrap_or_else(|error| panic!("tracker: {error}"));
}

/// Unloads it, after which nothing may be left and no check have failed.
fn unload(machine: &Machine) {
    let seen = tracked(machine);
    assert_eq!(seen.failed_lines, Vec::<u32>::new(), "lines of rules.c count from 10000");
    assert!(seen.checks > 0);
    machine.unload_all();
    assert_eq!(service_qword(machine, "tracker", "Failed"), Some(0));
    assert_eq!(service_qword(machine, "tracker", "Leaked"), Some(0));
}

#[test]
fn contexts_of_open_files_keep_every_rule() {
    // spec: CTX-25, CTX-26, CTX-27, CTX-28, CTX-29, CTX-30, CTX-31, CTX-32, CTX-36, CTX-38, CTX-39, CTX-44, CTX-45
    // spec: CTX-47, CTX-48, CTX-55, CTX-56, CTX-57, CTX-58, POST-17
    let machine = with_tracker();
    with_file(&machine, "rules", |session, handle| session.write(handle, Some(0), b"0123456789"));
    let seen = tracked(&machine);
    assert_eq!(seen.failed_lines, Vec::<u32>::new());
    assert!(seen.checks > 150, "the checks ran: {}", seen.checks);
    unload(&machine);
    assert_clean(&machine);
}

#[test]
fn a_handle_has_its_own_context_a_stream_and_a_file_share_theirs() {
    // spec: CTX-24, CTX-49, CTX-51, CTX-57
    let machine = with_tracker();
    let paths = [utf16("\\shared"), utf16("\\shared"), utf16("\\shared:other")];
    with_file(&machine, "shared", |session, handle| session.write(handle, Some(0), b"0123456789"));
    let before = tracked(&machine);
    machine
        .run(|session| {
            let mut handles = Vec::new();
            for path in &paths {
                let request = OpenRequest::on_volume(path)
                    .access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE)
                    .disposition(nt_abi::FILE_OPEN_IF)
                    .share(7);
                handles.push(session.open(&request)?.expect("the file").handle);
            }
            for handle in &handles {
                session.write(handle, Some(0), b"more")?;
            }
            let open = tracked(&machine);
            let live = |kind: usize| open.allocated[kind] - open.cleaned[kind];
            // The first open's objects may still be kept by the cache.
            let kept = before.allocated[HANDLE] - before.cleaned[HANDLE];
            assert_eq!(live(HANDLE), 3 + kept);
            assert_eq!((live(STREAM), live(FILE)), (2, 1));
            assert_eq!((live(VOLUME), live(INSTANCE)), (1, 1));
            for handle in handles {
                session.close(handle)?;
            }
            Ok(())
        })
        .expect("the machine runs");
    let seen = tracked(&machine);
    for kind in [VOLUME, INSTANCE, FILE, STREAM, HANDLE] {
        assert!(seen.found[kind] > 3, "kind {kind}: {:?}", seen.found);
    }
    unload(&machine);
    assert_clean(&machine);
}

#[test]
fn a_context_that_is_held_outlives_its_file_and_its_instance() {
    // spec: CTX-41, CTX-49, CTX-50
    let machine = with_tracker();
    with_file(&machine, "held", |session, handle| session.write(handle, Some(0), b"0123456789"));
    unload(&machine);
    assert_clean(&machine);
}

#[test]
fn contexts_are_gone_when_the_instance_is_while_files_are_open() {
    // spec: CTX-49
    let machine = with_tracker();
    with_file(&machine, "open", |session, handle| {
        session.write(handle, Some(0), b"0123456789")?;
        machine.unload_all();
        session.write(handle, Some(0), b"9876543210")
    });
    assert_eq!(service_qword(&machine, "tracker", "Failed"), Some(0));
    assert_eq!(service_qword(&machine, "tracker", "Leaked"), Some(0));
    assert_clean(&machine);
}

#[test]
fn a_context_set_before_the_file_is_open_is_reported() {
    // spec: CTX-37, PRE-27
    let machine = with_tracker();
    with_file(&machine, "early", |session, handle| session.write(handle, Some(0), b"0123456789"));
    assert_eq!(rules(&machine), ["CTX-37"]);
    assert_eq!(tracked(&machine).failed_lines, Vec::<u32>::new());
    unload(&machine);
}

#[test]
fn a_file_is_scanned_through_a_section() {
    // spec: SEC-01, SEC-02, SEC-03, SEC-04, SEC-06, CTX-46, CTX-52, CTX-58
    let machine = Machine::boot(Options::default()).expect("a machine in memory boots");
    with_file(&machine, "scan", |session, handle| session.write(handle, Some(0), b"0123456789"));
    load(&machine);
    with_existing(&machine, "scan", |_, _| Ok(()));
    let before = tracked(&machine).checks;
    with_file(&machine, "scanempty", |_, _| Ok(()));
    machine
        .run(|session| {
            let path = utf16("\\scanfolder");
            let request = OpenRequest::on_volume(&path)
                .access(nt_abi::GENERIC_READ)
                .disposition(nt_abi::FILE_CREATE)
                .options(nt_abi::FILE_DIRECTORY_FILE);
            session.open(&request)?.map(drop).expect("a folder");
            Ok(())
        })
        .expect("the machine runs");
    assert!(tracked(&machine).checks > before);
    unload(&machine);
    assert_clean(&machine);
}

#[test]
fn a_scanner_hears_of_a_file_that_is_cut_and_closes_its_section() {
    // spec: SEC-05, CTX-49
    let machine = Machine::boot(Options::default()).expect("a machine in memory boots");
    with_file(&machine, "scankeep", |session, handle| session.write(handle, Some(0), b"0123456789"));
    load(&machine);
    with_existing(&machine, "scankeep", |session, handle| {
        assert_eq!(tracked(&machine).conflicts, 0);
        let class = nt_abi::file_information_class::FileEndOfFileInformation;
        assert_eq!(session.set_information(handle, class, &4u64.to_le_bytes())?.status, NtStatus::SUCCESS);
        assert_eq!(tracked(&machine).conflicts, 1);
        Ok(())
    });
    unload(&machine);
    assert_clean(&machine);
}

#[test]
fn several_instances_of_one_filter_have_contexts_of_their_own() {
    // spec: ATT-05, ATT-06, CTX-34, CTX-49, LIFE-08, LIFE-12, LIFE-13, LIFE-14
    let machine = with_tracker();
    with_file(&machine, "mounts the volume", |_, _| Ok(()));
    assert_eq!(tracked(&machine).setup_flags, 5, "automatic, on a volume that was mounted for this");
    for (altitude, name) in [("365400", Some("second")), ("365300.5", None)] {
        let status = machine.attach_instance("tracker", 0, Some(altitude), name);
        assert_eq!(status, Ok(NtStatus::SUCCESS));
    }
    let attached = tracked(&machine);
    assert_eq!((attached.setups, attached.setup_flags), (3, 2));
    let live = |seen: &Tracked, kind: usize| seen.allocated[kind] - seen.cleaned[kind];
    with_file(&machine, "file", |session, handle| {
        session.write(handle, Some(0), b"0123456789")?;
        let seen = tracked(&machine);
        assert_eq!((live(&seen, VOLUME), live(&seen, INSTANCE), live(&seen, STREAM)), (1, 3, 3));
        let kept = live(&seen, HANDLE);
        assert_eq!(machine.detach_instance("tracker", 0, Some("second")), Ok(NtStatus::SUCCESS));
        let seen = tracked(&machine);
        assert_eq!((live(&seen, VOLUME), live(&seen, INSTANCE), live(&seen, STREAM)), (1, 2, 2));
        assert_eq!(live(&seen, HANDLE), kept / 3 * 2);
        assert_eq!((seen.queries, seen.teardowns, seen.reason), (1, (1, 1), 1));
        let again = machine.detach_instance("tracker", 0, Some("second"));
        assert_eq!(again, Ok(NtStatus::FLT_INSTANCE_NOT_FOUND));
        session.write(handle, Some(0), b"0123456789")
    });
    unload(&machine);
    assert_clean(&machine);
}

#[test]
fn a_filter_that_refuses_is_unloaded_only_when_it_has_to_be() {
    // spec: LIFE-02, LIFE-04, LIFE-14
    let machine = Machine::boot(Options::default()).expect("a machine in memory boots");
    load_with(&machine, &["Refuse=dword:1"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"0123456789"));
    assert_eq!(machine.unload("tracker"), Ok(NtStatus::FLT_DO_NOT_DETACH));
    let found = tracked(&machine).found[HANDLE];
    with_existing(&machine, "file", |session, handle| session.write(handle, Some(0), b"0123456789"));
    assert!(tracked(&machine).found[HANDLE] > found, "it goes on");
    assert_eq!(tracked(&machine).teardowns, (0, 0));
    unload(&machine);
    assert_eq!(service_qword(&machine, "tracker", "Reason"), Some(4), "mandatory");
    assert_clean(&machine);
}

#[test]
fn an_unload_that_leaves_the_filter_registered_is_reported_and_made_up_for() {
    // spec: LIFE-03
    let machine = Machine::boot(Options::default()).expect("a machine in memory boots");
    load_with(&machine, &["Refuse=dword:2"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"0123456789"));
    assert_eq!(machine.unload("tracker"), Ok(NtStatus::SUCCESS));
    assert_found(&machine, "LIFE-03", "tracker");
    let left = machine.run(|_| Ok(fltmgr::flt().filters().len()));
    assert_eq!(left, Ok(0), "it is unregistered all the same");
}

#[test]
fn a_filter_that_agrees_is_unloaded_and_loaded_again() {
    // spec: LIFE-02, LIFE-14
    let machine = with_tracker();
    for _ in 0..3 {
        with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"0123456789"));
        assert_eq!(machine.unload("tracker"), Ok(NtStatus::SUCCESS));
        assert_eq!(service_qword(&machine, "tracker", "Reason"), Some(2));
        assert_eq!(service_qword(&machine, "tracker", "Leaked"), Some(0));
        assert_eq!(machine.unload("tracker"), Ok(NtStatus::FLT_FILTER_NOT_FOUND));
        load(&machine);
    }
    unload(&machine);
    assert_clean(&machine);
}

#[test]
fn references_that_are_not_given_back_are_named_at_unload() {
    // spec: CTX-40, CTX-59, LIFE-20
    for (leak, rule, leaked) in [("Leak=dword:1", "OBJ-03", 0), ("Leak=dword:2", "CTX-59", 1)] {
        let machine = Machine::boot(Options::default()).expect("a machine in memory boots");
        load_with(&machine, &[leak]);
        with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"0123456789"));
        machine.unload_all();
        assert_eq!(rules(&machine), [rule], "{leak}");
        assert_eq!(service_qword(&machine, "tracker", "Leaked"), Some(leaked));
    }
}

#[test]
fn instances_come_and_go_while_programs_work() {
    // spec: CTX-24, CTX-49, CTX-50, LIFE-13, LIFE-15, LIFE-17, LIFE-18
    for seed in 1..6 {
        let options = Options { schedule: Schedule::Seeded(seed), ..Options::default() };
        let machine = Machine::boot(options).expect("a machine in memory boots");
        load(&machine);
        let change = |round: u64| {
            let scheduler = nt_ke::current_core().scheduler();
            (0..20 * (1 + round % 3)).for_each(|_| scheduler.pause());
            let status = match round % 4 {
                0 => machine.attach_instance("tracker", 0, Some("365400"), Some("second"))?,
                1 => machine.detach_instance("tracker", 0, None)?,
                2 => machine.attach_instance("tracker", 0, None, None)?,
                _ => machine.detach_instance("tracker", 0, Some("second"))?,
            };
            assert_eq!(status, NtStatus::SUCCESS, "seed {seed}, round {round}");
            Ok(())
        };
        let short = StressOptions { seed, operations: 60, ..StressOptions::default() };
        let outcome = stress_beside(&machine, short, &NoProgress, &change);
        assert_eq!((outcome.mismatches, outcome.interrupted), (0, false), "seed {seed}: {outcome:?}");
        assert!(tracked(&machine).teardowns.1 > 0, "seed {seed}");
        unload(&machine);
        assert_clean(&machine);
    }
}
