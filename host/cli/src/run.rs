//! `altimeter run` in the process that hosts the machine: check, boot, load, work, unload, report.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use altimeter::workload::{self, Outcome, StressOptions, TourOptions};
use altimeter::{DriverSource, LoadError, Machine, Report};

use crate::arguments::{RunArguments, Workload};
use crate::monitor::Monitor;
use crate::outcome::{Exit, Usage};
use crate::phase::Phases;
use crate::trace::Trace;
use crate::{conclude, human, json, output, plan};

/// What a run found out.
pub struct Summary {
    /// `mem`, or the directory, of each volume.
    pub volumes: Vec<String>,
    /// What the workload did.
    pub outcome: Outcome,
    /// How long the workload took; `None` when it did not come to its end.
    pub elapsed: Option<Duration>,
    /// What the machine says.
    pub report: Report,
}

impl Summary {
    /// The exit code that the results call for.
    pub fn exit(&self) -> Exit {
        if self.report.bug_check.is_some() {
            Exit::BugCheck
        } else if !self.report.findings.is_empty() || self.outcome.mismatches > 0 || self.outcome.interrupted
        {
            Exit::Findings
        } else {
            Exit::Clean
        }
    }

    /// Prints the report for people and the JSON, each to its place.
    pub fn print(&self, destination: &mut json::Destination) -> Result<(), Usage> {
        if destination.is_stdout() {
            output::error(&human::render(self, &console::Term::stderr()));
        } else {
            output::standard(&human::render(self, &console::Term::stdout()))?;
        }
        destination.write(self)
    }
}

/// Hosts the machine for `arguments` and prints everything.
pub fn host(arguments: &RunArguments) -> Exit {
    let phases = Phases::open();
    let exit = conclude(attempt(arguments, &phases));
    phases.end();
    exit
}

fn attempt(arguments: &RunArguments, phases: &Phases) -> Result<Exit, Usage> {
    let options = plan::options(arguments)?;
    plan::check_source(arguments)?;
    let drivers = plan::drivers(arguments)?;
    let trace = arguments.trace.as_deref().map(output::create).transpose()?;
    let destination = json::Destination::open(arguments.json.as_deref())?;

    phases.doing("booting the machine");
    let volumes: Vec<String> = arguments.volumes.iter().map(|volume| volume.display().to_string()).collect();
    let machine = Machine::boot(options)
        .map_err(|error| plan::named(&format!("--volume {}", volumes.join(", ")), &error))?;
    // It lives as long as the process: a driver that hangs may never let go of it.
    let machine: &'static Machine = Box::leak(Box::new(machine));
    let job = Arc::new(Job {
        machine,
        monitor: Monitor::default(),
        printing: Mutex::new(Some(destination)),
        volumes,
        workload: arguments.workload,
        trace: Trace::begin(machine, trace, arguments.debug_print),
    });
    job.watch(arguments.timeout);
    let done = job.perform(arguments, &drivers, phases);
    job.monitor.clear();
    if let Err(error) = job.trace.end(machine) {
        let path = arguments.trace.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
        eprintln!("warning: {path}: the trace is incomplete: {error}");
    }
    let (outcome, elapsed) = done?;
    job.print(outcome, elapsed).unwrap_or_else(|| wait_for_ever())
}

/// Another thread prints and ends the process.
fn wait_for_ever() -> ! {
    loop {
        std::thread::park();
    }
}

struct Job {
    machine: &'static Machine,
    monitor: Monitor,
    /// Taken by the thread that prints: the run, or the watch when the run does not come back.
    printing: Mutex<Option<json::Destination>>,
    volumes: Vec<String>,
    workload: Workload,
    trace: Trace,
}

impl Job {
    fn watch(self: &Arc<Self>, timeout: u64) {
        let job = self.clone();
        std::thread::spawn(move || {
            let give_up = |message| job.machine.interrupt_hang(message);
            let abandon = || {
                let outcome = Outcome { name: job.workload.name(), interrupted: true, ..Outcome::default() };
                // The report matters more than what a full disk takes of the trace.
                let _ = job.trace.end(job.machine);
                if let Some(result) = job.print(outcome, None) {
                    let exit = conclude(result);
                    Phases::open().end();
                    std::process::exit(exit.code());
                }
            };
            job.monitor.watch(timeout, &give_up, &abandon);
        });
    }

    /// Loads, works, unloads. A bug check ends it early, and is in the machine's report.
    fn perform(
        &self,
        arguments: &RunArguments,
        drivers: &[DriverSource],
        phases: &Phases,
    ) -> Result<(Outcome, Option<Duration>), Usage> {
        let doing = |what: &str| {
            phases.doing(what);
            self.monitor.doing(what);
        };
        let nothing = Outcome { name: self.workload.name(), interrupted: true, ..Outcome::default() };
        for driver in drivers {
            doing(&format!("loading {}", driver.image_path));
            phases.driver(&driver.name, &driver.image_path);
            match self.machine.load(driver) {
                Ok(()) => {}
                Err(LoadError::BugCheck) => return Ok((nothing, None)),
                Err(error) => return Err(plan::named(&driver.image_path, &error)),
            }
        }
        doing(&format!("running {}", self.workload.name()));
        let started = Instant::now();
        let mut outcome = self.work(0, arguments, drivers)?;
        for volume in 1..self.volumes.len() {
            outcome.add(self.work(volume, arguments, drivers)?);
        }
        doing("writing the cache");
        self.machine.write_cache();
        let elapsed = started.elapsed();
        doing("unloading the drivers");
        self.machine.unload_all();
        let finished = !outcome.interrupted;
        Ok((outcome, finished.then_some(elapsed)))
    }

    /// The workload on one volume, counted from 0.
    fn work(
        &self,
        volume: usize,
        arguments: &RunArguments,
        drivers: &[DriverSource],
    ) -> Result<Outcome, Usage> {
        match (self.workload, &arguments.source) {
            (Workload::Stress, _) => {
                let options = StressOptions {
                    seed: arguments.seed,
                    seconds: arguments.seconds,
                    volume,
                    ..StressOptions::default()
                };
                Ok(workload::stress(self.machine, options, &self.monitor))
            }
            (Workload::CopyTree, Some(source)) => {
                workload::copy_tree(self.machine, volume, source, &self.monitor)
                    .map_err(|error| Usage(format!("{error}; check --source {}", source.display())))
            }
            (Workload::CopyTree, None) => Err(Usage("copy-tree needs --source SRC".into())),
            (Workload::Tour, _) => {
                let options = TourOptions { denied_suffix: plan::denied_suffix(drivers), volume };
                Ok(workload::tour(self.machine, &options, &self.monitor))
            }
        }
    }

    /// Prints, unless another thread does. Returns how the process ends.
    fn print(&self, outcome: Outcome, elapsed: Option<Duration>) -> Option<Result<Exit, Usage>> {
        let mut destination =
            self.printing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()?;
        self.monitor.clear();
        let summary =
            Summary { volumes: self.volumes.clone(), outcome, elapsed, report: self.machine.report() };
        Some(summary.print(&mut destination).map(|()| summary.exit()))
    }
}
