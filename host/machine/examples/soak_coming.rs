//! A driver under stress while its instances and the filter itself come and go. The arguments are one of the [`PLANS`] and the
//! seed: one run of 8 seconds on free threads, with a change every 100 to 300 ms and an unload every two seconds, then 20
//! short runs on fibres, each with a schedule of its own. Every other seed of tracker and deferrer has post callbacks run at
//! DISPATCH_LEVEL. Run by `cargo xtask soak`, with the plan's name.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use altimeter::workload::{NoProgress, StressOptions, stress_beside};
use altimeter::{Machine, NtStatus, Options, Schedule, Stopped};

mod sample;

/// A change of instances: `None` detaches.
struct Change {
    driver: &'static str,
    instance: Option<&'static str>,
    attaches_at: Option<&'static str>,
    attaches: bool,
}

const fn attach(driver: &'static str, instance: Option<&'static str>, at: Option<&'static str>) -> Change {
    Change { driver, instance, attaches_at: at, attaches: true }
}

const fn detach(driver: &'static str, instance: &'static str) -> Change {
    Change { driver, instance: Some(instance), attaches_at: None, attaches: false }
}

/// What is loaded, what goes and comes back, and which instances come and go.
struct Plan {
    name: &'static str,
    /// Drivers with their settings.
    drivers: &'static [(&'static str, &'static [&'static str])],
    reloaded: &'static [&'static str],
    changes: &'static [Change],
    /// What each driver says when it is unloaded, and that has to be 0.
    zeros: &'static [&'static str],
    /// Whether it copes with post callbacks at DISPATCH_LEVEL.
    copes: bool,
}

const PLANS: [Plan; 4] = [
    Plan {
        name: "tracker",
        drivers: &[("tracker", &[])],
        reloaded: &["tracker"],
        changes: &[
            attach("tracker", Some("second"), Some("365400")),
            detach("tracker", "tracker Instance"),
            attach("tracker", None, None),
            detach("tracker", "second"),
        ],
        zeros: &["Failed", "Leaked"],
        copes: true,
    },
    Plan {
        name: "deferrer",
        drivers: &[("deferrer", &[])],
        reloaded: &["deferrer"],
        changes: &[
            attach("deferrer", Some("second"), Some("142900")),
            detach("deferrer", "deferrer Instance"),
            attach("deferrer", None, None),
            detach("deferrer", "second"),
        ],
        zeros: &[],
        copes: true,
    },
    Plan {
        name: "names",
        drivers: &[("names", &[])],
        reloaded: &["names"],
        changes: &[
            attach("names", Some("second"), Some("365200")),
            detach("names", "names Instance"),
            attach("names", None, None),
            detach("names", "second"),
        ],
        zeros: &["Failed"],
        copes: false,
    },
    // One instance of the provider at a time: it checks that nobody but it makes a name.
    Plan {
        name: "provider",
        drivers: &[("names", &[]), ("provider", &["Components=dword:1"])],
        reloaded: &["provider", "names"],
        changes: &[
            attach("names", Some("below"), Some("150000")),
            detach("provider", "provider Instance"),
            detach("names", "names Instance"),
            attach("provider", None, None),
            attach("names", None, None),
            detach("names", "below"),
        ],
        zeros: &["Failed"],
        copes: false,
    },
];

/// Ends those who look at it, also when the thread that has it panics.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What the driver said of its checks when it was unloaded.
fn expect_zeros(machine: &Machine, plan: &Plan, driver: &str) {
    for name in plan.zeros {
        let failed = machine.service_qword(driver, "LastFailed");
        assert_eq!(machine.service_qword(driver, name), Some(0), "{driver}: {name}, last in line {failed:?}");
    }
}

fn change(machine: &Machine, plan: &Plan, round: u64, changes: &AtomicU64) -> Result<(), Stopped> {
    let scheduler = nt_ke::current_core().scheduler();
    if scheduler.deterministic() {
        // Time passes only when all wait: count turns instead.
        (0..40 + 40 * (round % 3)).for_each(|_| scheduler.pause());
    } else {
        let milliseconds = 100 + 100 * (round % 3) as i64;
        nt_ke::dispatcher::delay(-milliseconds * 10_000)?;
    }
    let Change { driver, instance, attaches_at, attaches } =
        plan.changes[(round % plan.changes.len() as u64) as usize];
    let status = match (attaches, instance) {
        (false, instance) => machine.detach_instance(driver, 0, instance)?,
        (true, instance) => machine.attach_instance(driver, 0, attaches_at, instance)?,
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

fn run(plan: &Plan, schedule: Schedule, options: StressOptions, reload: bool) -> (u64, u64, u64) {
    let post_at_dispatch = plan.copes && options.seed.is_multiple_of(2);
    let machine = Machine::boot(Options { schedule, post_at_dispatch, ..Options::default() })
        .expect("a machine in memory boots");
    for (driver, settings) in plan.drivers {
        sample::load(&machine, driver, settings);
    }
    let (changes, unloads, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let outcome = std::thread::scope(|scope| {
        if reload {
            scope.spawn(|| {
                let mut turn = plan.reloaded.iter().cycle();
                while !done.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_secs(2));
                    let driver = turn.next().expect("a driver");
                    assert_eq!(machine.unload(driver), Ok(NtStatus::SUCCESS));
                    expect_zeros(&machine, plan, driver);
                    let again = plan.drivers.iter().find(|(name, _)| name == driver).expect("it was loaded");
                    sample::load(&machine, driver, again.1);
                    unloads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _ends = Ends(&done);
        stress_beside(&machine, options, &NoProgress, &|round| change(&machine, plan, round, &changes))
    });
    let report = machine.report();
    assert!(report.bug_check.is_none() && report.findings.is_empty(), "{schedule:?}: {report:?}");
    assert_eq!((outcome.mismatches, outcome.interrupted), (0, false), "{schedule:?}: {outcome:?}");
    machine.unload_all();
    for (driver, _) in plan.drivers {
        expect_zeros(&machine, plan, driver);
    }
    let report = machine.report();
    assert!(report.bug_check.is_none() && report.findings.is_empty(), "{schedule:?}: {report:?}");
    (outcome.operations, changes.into_inner(), unloads.into_inner())
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().expect("the first argument is the name of a plan");
    let plan = PLANS.iter().find(|plan| plan.name == name);
    let plan =
        plan.unwrap_or_else(|| panic!("{name} is none of {:?}", PLANS.each_ref().map(|plan| plan.name)));
    let seed = arguments.next().map_or(1, |seed| seed.parse().expect("the last argument is a seed"));
    let seconds = StressOptions { seed, seconds: Some(8), ..StressOptions::default() };
    let (operations, changes, unloads) = run(plan, Schedule::Free, seconds, true);
    println!("seed {seed}: {operations} operations, {changes} instances came or went, {unloads} unloads");
    assert!(operations > 0 && changes > 0 && unloads > 0, "nothing came or went");
    let (mut operations, mut changes) = (0, 0);
    for schedule in 20 * seed..20 * seed + 20 {
        let short = StressOptions { seed: schedule, operations: 150, ..StressOptions::default() };
        let done = run(plan, Schedule::Seeded(schedule), short, false);
        (operations, changes) = (operations + done.0, changes + done.1);
    }
    println!("seed {seed}: 20 schedules, {operations} operations, {changes} instances came or went");
    assert!(operations > 0 && changes > 0, "nothing came or went");
}
