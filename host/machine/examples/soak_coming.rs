//! A driver under stress while its instances and the filter itself come and go. The arguments are the driver and the seed:
//! one run of 8 seconds on free threads, with a change every 100 to 300 ms and an unload every two seconds, then 20 short
//! runs on fibres, each with a schedule of its own. Every other seed has post callbacks run at DISPATCH_LEVEL. Run by
//! `cargo xtask soak tracker` and `deferrer`.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use altimeter::workload::{Progress, StressOptions, stress_beside};
use altimeter::{DriverSource, Machine, NtStatus, Options, Schedule, Stopped};

/// The driver, and the altitude of its second instance.
struct Subject {
    name: String,
    second: &'static str,
}

impl Subject {
    fn named(name: &str) -> Self {
        let second = match name {
            "tracker" => "365400",
            "deferrer" => "142900",
            _ => panic!("{name} is no driver of this soak"),
        };
        Self { name: name.to_owned(), second }
    }
}

struct Silent;

impl Progress for Silent {
    fn total(&self, _: u64) {}
    fn advance(&self, _: u64) {}
}

fn load(machine: &Machine, subject: &Subject) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../drivers/bin");
    let image = folder.join(format!("{}.sys", subject.name));
    machine.load(&DriverSource::from_path(&image).expect("the driver is built")).expect("it loads");
}

/// What tracker says of itself when it is unloaded. Others say nothing.
fn expect_values(machine: &Machine, subject: &Subject) {
    if subject.name != "tracker" {
        return;
    }
    let key = r"\Registry\Machine\System\CurrentControlSet\Services\tracker";
    for value in ["Failed", "Leaked"] {
        let found = machine
            .registry_qword(&format!(r"{key}\Parameters"), value)
            .or_else(|| machine.registry_qword(key, value));
        assert_eq!(found, Some(0), "{value}, as the driver said when it was unloaded");
    }
}

/// Attaches and detaches: a second instance below, and the first.
fn change(machine: &Machine, subject: &Subject, round: u64, changes: &AtomicU64) -> Result<(), Stopped> {
    let (name, scheduler) = (subject.name.as_str(), nt_ke::current_core().scheduler());
    if scheduler.deterministic() {
        // Time passes only when all wait: count turns instead.
        (0..40 + 40 * (round % 3)).for_each(|_| scheduler.pause());
    } else {
        let milliseconds = 100 + 100 * (round % 3) as i64;
        nt_ke::dispatcher::delay(-milliseconds * 10_000)?;
    }
    let status = match round % 4 {
        0 => machine.attach_instance(name, 0, Some(subject.second), Some("second"))?,
        1 => machine.detach_instance(name, 0, Some(&format!("{name} Instance")))?,
        2 => machine.attach_instance(name, 0, None, None)?,
        _ => machine.detach_instance(name, 0, Some("second"))?,
    };
    // The filter may be away, or have come back without the second one, or with the first one.
    let away = [
        NtStatus::FLT_FILTER_NOT_FOUND,
        NtStatus::FLT_FILTER_NOT_READY,
        NtStatus::FLT_DELETING_OBJECT,
        NtStatus::FLT_INSTANCE_NOT_FOUND,
        NtStatus::FLT_INSTANCE_NAME_COLLISION,
    ];
    assert!(status.is_success() || away.contains(&status), "round {round}: {status}");
    changes.fetch_add(u64::from(status.is_success()), Ordering::Relaxed);
    Ok(())
}

fn run(subject: &Subject, schedule: Schedule, options: StressOptions, reload: bool) -> (u64, u64, u64) {
    let post_at_dispatch = options.seed.is_multiple_of(2);
    let machine = Machine::boot(Options { schedule, post_at_dispatch, ..Options::default() })
        .expect("a machine in memory boots");
    load(&machine, subject);
    let (changes, unloads, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let outcome = std::thread::scope(|scope| {
        if reload {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_secs(2));
                    assert_eq!(machine.unload(&subject.name), Ok(NtStatus::SUCCESS));
                    expect_values(&machine, subject);
                    load(&machine, subject);
                    unloads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let outcome =
            stress_beside(&machine, options, &Silent, &|round| change(&machine, subject, round, &changes));
        done.store(true, Ordering::Relaxed);
        outcome
    });
    let report = machine.report();
    assert!(report.bug_check.is_none() && report.findings.is_empty(), "{schedule:?}: {report:?}");
    assert_eq!((outcome.mismatches, outcome.interrupted), (0, false), "{schedule:?}: {outcome:?}");
    machine.unload_all();
    expect_values(&machine, subject);
    let report = machine.report();
    assert!(report.bug_check.is_none() && report.findings.is_empty(), "{schedule:?}: {report:?}");
    (outcome.operations, changes.into_inner(), unloads.into_inner())
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let subject = Subject::named(&arguments.next().expect("the first argument is the driver"));
    let seed = arguments.next().map_or(1, |seed| seed.parse().expect("the second argument is a seed"));
    let seconds = StressOptions { seed, seconds: Some(8), ..StressOptions::default() };
    let (operations, changes, unloads) = run(&subject, Schedule::Free, seconds, true);
    println!("seed {seed}: {operations} operations, {changes} instances came or went, {unloads} unloads");
    let (mut operations, mut changes) = (0, 0);
    for schedule in 20 * seed..20 * seed + 20 {
        let short = StressOptions { seed: schedule, operations: 150, ..StressOptions::default() };
        let done = run(&subject, Schedule::Seeded(schedule), short, false);
        (operations, changes) = (operations + done.0, changes + done.1);
    }
    println!("seed {seed}: 20 schedules, {operations} operations, {changes} instances came or went");
}
