//! A host that runs one schedule after the other, each in a machine of its own, up to the first that fails.
//!
//! It tells its crew line by line: `at SEED`, then `clean SEED OPERATIONS` or `failed SEED WHY`; at the end `end`, or
//! `cannot WHY` when the drivers cannot be used.

use altimeter::workload::NoProgress;
use altimeter::{DriverSource, Machine, Options, Schedule};

use crate::arguments::{ExploreArguments, RunArguments};
use crate::monitor::Monitor;
use crate::outcome::{Exit, Usage};
use crate::phase::Phases;
use crate::plan;
use crate::run::Summary;
use crate::work::{self, Steps};

/// Says which part of the seeds a host has: `INDEX/COUNT`.
pub const SHARE: &str = "ALTIMETER_SHARE";
pub const AT: &str = "at ";
pub const CLEAN: &str = "clean ";
pub const FAILED: &str = "failed ";
pub const CANNOT: &str = "cannot ";

/// Nobody is told of single steps.
struct Silent;

impl Steps for Silent {
    fn doing(&self, _: &str) {}
    fn driver(&self, _: &DriverSource) {}
}

fn share() -> Option<(u64, u64)> {
    let share = std::env::var(SHARE).ok()?;
    let (index, count) = share.split_once('/')?;
    Some((index.parse().ok()?, count.parse().ok()?))
}

/// Runs this host's part of the seeds.
pub fn host(arguments: &ExploreArguments) -> Exit {
    // A crew that is gone takes its hosts along.
    std::thread::spawn(|| Monitor::default().watch(0, &|_| {}, &|| {}));
    let phases = Phases::open();
    match attempt(arguments, &phases) {
        Ok(()) => {}
        Err(usage) => phases.line(CANNOT, &usage.to_string()),
    }
    phases.end();
    Exit::Clean
}

fn attempt(arguments: &ExploreArguments, phases: &Phases) -> Result<(), Usage> {
    let (index, count) = share().ok_or_else(|| Usage("this host has no part of the seeds".into()))?;
    let plan = arguments.run_of(arguments.first);
    let options = Options { statistics: false, lock_stacks: false, ..plan::options(&plan)? };
    let drivers = plan::drivers(&plan)?;
    let seeds = arguments.first..arguments.first.saturating_add(arguments.schedules);
    for seed in seeds.skip(index as usize).step_by(count as usize) {
        phases.line(AT, &seed.to_string());
        let summary = schedule(&arguments.run_of(seed), &options, &drivers)?;
        if summary.exit() != Exit::Clean {
            phases.line(FAILED, &format!("{seed} {}", why(&summary)));
            return Ok(());
        }
        phases.line(CLEAN, &format!("{seed} {}", summary.outcome.operations));
    }
    Ok(())
}

/// One schedule.
fn schedule(run: &RunArguments, options: &Options, drivers: &[DriverSource]) -> Result<Summary, Usage> {
    let options = Options { schedule: Schedule::Seeded(run.seed), ..options.clone() };
    let machine = Machine::boot(options).map_err(|error| Usage(error.to_string()))?;
    let (outcome, elapsed) = work::perform(&machine, run, drivers, &Silent, &NoProgress)?;
    let report = machine.report();
    Ok(Summary { volumes: Vec::new(), outcome, elapsed, report, steps: None, explored: None })
}

/// What failed, in a few words.
fn why(summary: &Summary) -> String {
    if let Some(bug_check) = &summary.report.bug_check {
        return bug_check.name.clone();
    }
    match summary.findings().next() {
        Some(finding) => finding.rule.clone(),
        None => format!("{} mismatches", summary.outcome.mismatches),
    }
}
