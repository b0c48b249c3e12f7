//! `altimeter explore`: many schedules of a short workload, each decided by its seed, up to the first that fails.
//!
//! ```text
//! explore ─► crew: one host per processor, each runs every n-th seed, a fresh machine for each (module `worker`)
//!        └─► the lowest seed that failed ─► a host of its own runs it once more and reports, as `run` does
//! ```
//!
//! A fresh machine in the same process costs a fifth of a schedule; a forked child pays three times a whole schedule
//! for its copy of the address space. A host that dies or does not come back has failed at the seed it was at.

mod crew;
mod worker;

use std::ffi::OsString;
use std::fmt;
use std::time::{Duration, Instant};

use altimeter::report::DriverReport;
use altimeter::workload::Outcome;
use altimeter::{DriverSource, Report};

use crate::arguments::ExploreArguments;
use crate::outcome::{Exit, Usage};
use crate::run::{self, Summary};
use crate::{conclude, json, plan, supervisor};
use crew::Crew;

/// What an exploring came to.
#[derive(Clone, Copy, Debug)]
pub struct Explored {
    /// Schedules that were run.
    pub schedules: u64,
    /// The lowest seed that failed, if one did.
    pub failed: Option<u64>,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.failed {
            Some(seed) => write!(
                f,
                "seed {seed} of {} schedules; the same command with --replay {seed} shows it step by step",
                self.schedules
            ),
            None => write!(f, "{} schedules, none failed", self.schedules),
        }
    }
}

/// Explores, or replays one seed.
pub fn run(arguments: &ExploreArguments) -> Exit {
    match arguments.replay {
        Some(seed) => failed(supervisor::supervise(&arguments.run_of(seed), std::env::args_os().skip(1))),
        None => conclude(explore(arguments)),
    }
}

/// In a host: a replay, or a part of the schedules.
pub fn host(arguments: &ExploreArguments) -> Exit {
    match arguments.replay {
        Some(seed) => run::host(&arguments.run_of(seed)),
        None => worker::host(arguments),
    }
}

/// A bug check is one way to fail; all have the same exit code here.
fn failed(exit: Exit) -> Exit {
    if exit == Exit::BugCheck { Exit::Findings } else { exit }
}

fn explore(arguments: &ExploreArguments) -> Result<Exit, Usage> {
    // What is wrong with the arguments is said once, before the crew starts.
    let plan = arguments.run_of(arguments.first);
    plan::options(&plan)?;
    plan::check_source(&plan)?;
    let drivers = plan::drivers(&plan)?;
    let mut destination = json::Destination::open(arguments.json.as_deref())?;
    let started = Instant::now();
    let met = Crew::start(arguments)?.wait()?;
    let elapsed = started.elapsed();
    let Some(seed) = met.failed else {
        let summary = clean(arguments, &drivers, &met);
        summary.print(&mut destination)?;
        eprintln!("{}", rate(met.schedules, elapsed));
        return Ok(Exit::Clean);
    };
    drop(destination);
    eprintln!("seed {seed} failed: {}", rate(met.schedules, elapsed));
    let mut words: Vec<OsString> = without_range(std::env::args_os().skip(1));
    for word in ["--replay", &seed.to_string(), "--explored", &met.schedules.to_string()] {
        words.push(word.into());
    }
    match failed(supervisor::supervise(&arguments.run_of(seed), words)) {
        Exit::Clean => {
            eprintln!(
                "error: seed {seed} failed while exploring ({}), and not when it was run alone. This is a defect of \
                 Altimeter: the same seed has to give the same run",
                met.why
            );
            Ok(Exit::Findings)
        }
        exit => Ok(exit),
    }
}

/// The words of the command line but for the options that a replay excludes.
fn without_range(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut skip = false;
    for word in words {
        let text = word.to_string_lossy();
        let option = ["--schedules", "--first"].into_iter().find(|option| text.starts_with(option));
        match option {
            _ if skip => skip = false,
            Some(option) => skip = text == option,
            None => kept.push(word),
        }
    }
    kept
}

fn rate(schedules: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(1e-9);
    format!("{schedules} schedules in {seconds:.1} s, {:.0} a second", schedules as f64 / seconds)
}

/// What there is to say when nothing failed.
fn clean(arguments: &ExploreArguments, drivers: &[DriverSource], met: &crew::Met) -> Summary {
    let driver = |source: &DriverSource| DriverReport {
        name: source.name.clone(),
        image: source.image_path.clone(),
        altitude: source.altitude.clone().unwrap_or_default(),
        ..DriverReport::default()
    };
    Summary {
        volumes: vec!["mem".into()],
        outcome: Outcome {
            name: arguments.workload.name(),
            operations: met.operations,
            ..Outcome::default()
        },
        elapsed: None,
        report: Report { drivers: drivers.iter().map(driver).collect(), ..Report::default() },
        steps: None,
        explored: Some(Explored { schedules: met.schedules, failed: None }),
    }
}

#[cfg(test)]
mod words {
    use super::*;

    #[test]
    fn of_a_replay_name_no_range_of_seeds() {
        let words =
            ["explore", "x.sys", "--schedules", "9", "--set", "A=sz:b", "--first=3", "--special-pool"];
        let kept = without_range(words.into_iter().map(OsString::from));
        assert_eq!(kept, ["explore", "x.sys", "--set", "A=sz:b", "--special-pool"]);
    }
}
