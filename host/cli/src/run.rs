//! `altimeter run` in the process that hosts the machine: check, boot, load, work, unload, report.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use altimeter::report::FindingReport;
use altimeter::workload::Outcome;
use altimeter::{DriverSource, Machine, Report};

use crate::arguments::{RunArguments, Workload};
use crate::explore::Explored;
use crate::monitor::Monitor;
use crate::outcome::{Exit, Usage};
use crate::phase::Phases;
use crate::trace::{LastSteps, Trace};
use crate::work::{self, Steps};
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
    /// The last steps, if they were asked for.
    pub steps: Option<LastSteps>,
    /// The exploring that this run belongs to.
    pub explored: Option<Explored>,
}

impl Summary {
    /// The findings, without advice: a run that has none is clean.
    pub fn findings(&self) -> impl Iterator<Item = &FindingReport> {
        self.report.findings.iter().filter(|finding| !finding.is_advice())
    }

    /// The exit code that the results call for.
    pub fn exit(&self) -> Exit {
        if self.report.bug_check.is_some() {
            Exit::BugCheck
        } else if self.findings().next().is_some() || self.outcome.mismatches > 0 || self.outcome.interrupted
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
        trace: Trace::begin(machine, trace, arguments.steps, arguments.debug_print),
        explored: arguments.explored,
    });
    job.watch(arguments.timeout);
    let steps = Told { monitor: &job.monitor, phases };
    let done = work::perform(machine, arguments, &drivers, &steps, &job.monitor);
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
    explored: Option<Explored>,
}

/// The monitor and the supervisor are told.
struct Told<'a> {
    monitor: &'a Monitor,
    phases: &'a Phases,
}

impl Steps for Told<'_> {
    fn doing(&self, what: &str) {
        self.phases.doing(what);
        self.monitor.doing(what);
    }

    fn driver(&self, driver: &DriverSource) {
        self.phases.driver(&driver.name, &driver.image_path);
    }
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

    /// Prints, unless another thread does. Returns how the process ends.
    fn print(&self, outcome: Outcome, elapsed: Option<Duration>) -> Option<Result<Exit, Usage>> {
        let mut destination =
            self.printing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()?;
        self.monitor.clear();
        let summary = Summary {
            volumes: self.volumes.clone(),
            outcome,
            elapsed,
            report: self.machine.report(),
            steps: self.trace.last_steps(),
            explored: self.explored,
        };
        Some(summary.print(&mut destination).map(|()| summary.exit()))
    }
}
