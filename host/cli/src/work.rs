//! What is done with a machine: drivers loaded, the workload driven through them, drivers unloaded.

use std::time::{Duration, Instant};

use altimeter::workload::{self, Outcome, Progress, StressOptions, TourOptions};
use altimeter::{DriverSource, LoadError, Machine};

use crate::arguments::{RunArguments, Workload};
use crate::outcome::Usage;
use crate::plan;

/// Is told what begins.
pub trait Steps {
    /// The machine does `what` from now on.
    fn doing(&self, what: &str);
    /// A driver is loaded from now on.
    fn driver(&self, driver: &DriverSource);
}

/// Loads, works, unloads. A bug check ends it early, and is in the machine's report.
///
/// Returns what the workload did, and how long it took if it came to its end.
pub fn perform(
    machine: &Machine,
    arguments: &RunArguments,
    drivers: &[DriverSource],
    steps: &dyn Steps,
    progress: &dyn Progress,
) -> Result<(Outcome, Option<Duration>), Usage> {
    let nothing = Outcome { name: arguments.workload.name(), interrupted: true, ..Outcome::default() };
    for driver in drivers {
        steps.doing(&format!("loading {}", driver.image_path));
        steps.driver(driver);
        match machine.load(driver) {
            Ok(()) => {}
            Err(LoadError::BugCheck) => return Ok((nothing, None)),
            Err(error) => return Err(plan::named(&driver.image_path, &error)),
        }
    }
    steps.doing(&format!("running {}", arguments.workload.name()));
    let started = Instant::now();
    let mut outcome = work(machine, 0, arguments, drivers, progress)?;
    for volume in 1..arguments.volumes.len() {
        outcome.add(work(machine, volume, arguments, drivers, progress)?);
    }
    steps.doing("writing the cache");
    machine.write_cache();
    let elapsed = started.elapsed();
    steps.doing("unloading the drivers");
    machine.unload_all();
    let finished = !outcome.interrupted;
    Ok((outcome, finished.then_some(elapsed)))
}

/// The workload on one volume, counted from 0.
fn work(
    machine: &Machine,
    volume: usize,
    arguments: &RunArguments,
    drivers: &[DriverSource],
    progress: &dyn Progress,
) -> Result<Outcome, Usage> {
    match (arguments.workload, &arguments.source) {
        (Workload::Stress, _) => {
            let options = StressOptions {
                seed: arguments.seed,
                seconds: arguments.seconds,
                operations: arguments.operations,
                volume,
                ..StressOptions::default()
            };
            Ok(workload::stress(machine, options, progress))
        }
        (Workload::CopyTree, Some(source)) => workload::copy_tree(machine, volume, source, progress)
            .map_err(|error| Usage(format!("{error}; check --source {}", source.display()))),
        (Workload::CopyTree, None) => Err(Usage("copy-tree needs --source SRC".into())),
        (Workload::Tour, _) => {
            let options = TourOptions { denied_suffix: plan::denied_suffix(drivers), volume };
            Ok(workload::tour(machine, &options, progress))
        }
    }
}
