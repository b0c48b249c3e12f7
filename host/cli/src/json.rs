//! The results as JSON. The shape is part of the program's interface; altitudes are strings.

use std::fs::File;
use std::path::{Path, PathBuf};

use altimeter::report::{
    BugCheckReport, CallbackReport, DriverReport, FindingReport, HeldLockReport, InstanceReport,
    StuckThreadReport,
};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::outcome::Usage;
use crate::output;
use crate::run::Summary;

/// Where the JSON goes.
pub struct Destination(Target);

enum Target {
    Nowhere,
    Stdout,
    File(PathBuf, File),
}

impl Destination {
    /// `-` is stdout. A file is opened at once, so that one that cannot be written is noticed before the work.
    pub fn open(path: Option<&Path>) -> Result<Self, Usage> {
        Ok(Self(match path {
            None => Target::Nowhere,
            Some(path) if path.as_os_str() == "-" => Target::Stdout,
            Some(path) => Target::File(path.to_path_buf(), output::create(path)?),
        }))
    }

    /// Whether stdout is for the JSON alone.
    pub fn is_stdout(&self) -> bool {
        matches!(self.0, Target::Stdout)
    }

    /// Writes the results.
    pub fn write(&mut self, summary: &Summary) -> Result<(), Usage> {
        match &mut self.0 {
            Target::Nowhere => Ok(()),
            Target::Stdout => output::standard(&text(summary)),
            Target::File(path, file) => output::write(file, path, &text(summary)),
        }
    }
}

fn text(summary: &Summary) -> String {
    let mut text = serde_json::to_string_pretty(&Results::of(summary)).expect("plain data becomes JSON");
    text.push('\n');
    text
}

#[derive(serde::Serialize)]
struct Results<'a> {
    drivers: Vec<Driver<'a>>,
    workload: WorkloadResult,
    findings: Vec<Finding<'a>>,
    bugcheck: Option<BugCheck<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explore: Option<Explore>,
}

#[derive(serde::Serialize)]
struct Explore {
    schedules: u64,
    /// The seed that failed.
    seed: Option<u64>,
}

#[derive(serde::Serialize)]
struct Driver<'a> {
    name: &'a str,
    image: &'a str,
    altitude: &'a str,
    instances: Vec<Instance<'a>>,
    callbacks: Callbacks<'a>,
}

#[derive(serde::Serialize)]
struct Instance<'a> {
    name: &'a str,
    volume: &'a str,
    altitude: &'a str,
}

/// Operations in the order of their codes; only those that happened.
struct Callbacks<'a>(&'a [CallbackReport]);

#[derive(serde::Serialize)]
struct Counts {
    pre: u64,
    post: u64,
}

#[derive(serde::Serialize)]
struct WorkloadResult {
    name: &'static str,
    operations: u64,
    refused: u64,
    mismatches: u64,
}

#[derive(serde::Serialize)]
struct Finding<'a> {
    rule: &'a str,
    severity: &'a str,
    driver: &'a str,
    message: &'a str,
    #[serde(rename = "where")]
    places: &'a [String],
}

#[derive(serde::Serialize)]
struct BugCheck<'a> {
    code: u32,
    name: &'a str,
    driver: &'a str,
    module: &'a str,
    offset: u64,
    symbol: &'a str,
    message: &'a str,
    stack: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    threads: Vec<StuckThread<'a>>,
}

#[derive(serde::Serialize)]
struct StuckThread<'a> {
    thread: u32,
    name: &'a str,
    waits_for: &'a str,
    #[serde(rename = "where")]
    waits_at: &'a [String],
    holds: Vec<HeldLock<'a>>,
}

#[derive(serde::Serialize)]
struct HeldLock<'a> {
    lock: &'a str,
    #[serde(rename = "where")]
    taken_at: &'a [String],
}

impl Serialize for Callbacks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let happened = || self.0.iter().filter(|row| row.pre > 0 || row.post > 0);
        let mut map = serializer.serialize_map(Some(happened().count()))?;
        for row in happened() {
            map.serialize_entry(row.operation, &Counts { pre: row.pre, post: row.post })?;
        }
        map.end()
    }
}

impl<'a> Results<'a> {
    fn of(summary: &'a Summary) -> Self {
        let report = &summary.report;
        let outcome = &summary.outcome;
        Self {
            drivers: report.drivers.iter().map(Driver::of).collect(),
            workload: WorkloadResult {
                name: outcome.name,
                operations: outcome.operations,
                refused: outcome.refused,
                mismatches: outcome.mismatches,
            },
            findings: report.findings.iter().map(Finding::of).collect(),
            bugcheck: report.bug_check.as_ref().map(BugCheck::of),
            explore: summary
                .explored
                .map(|explored| Explore { schedules: explored.schedules, seed: explored.failed }),
        }
    }
}

impl<'a> Driver<'a> {
    fn of(driver: &'a DriverReport) -> Self {
        Self {
            name: &driver.name,
            image: &driver.image,
            altitude: &driver.altitude,
            instances: driver.instances.iter().map(Instance::of).collect(),
            callbacks: Callbacks(&driver.callbacks),
        }
    }
}

impl<'a> Instance<'a> {
    fn of(InstanceReport { name, volume, altitude }: &'a InstanceReport) -> Self {
        Self { name, volume, altitude }
    }
}

impl<'a> Finding<'a> {
    fn of(FindingReport { rule, severity, driver, message, places }: &'a FindingReport) -> Self {
        Self { rule, severity, driver, message, places }
    }
}

impl<'a> BugCheck<'a> {
    fn of(bug: &'a BugCheckReport) -> Self {
        Self {
            code: bug.code,
            name: &bug.name,
            driver: &bug.driver,
            module: &bug.module,
            offset: bug.offset,
            symbol: &bug.symbol,
            message: &bug.message,
            stack: &bug.stack,
            threads: bug.threads.iter().map(StuckThread::of).collect(),
        }
    }
}

impl<'a> StuckThread<'a> {
    fn of(stuck: &'a StuckThreadReport) -> Self {
        let held = |hold: &'a HeldLockReport| HeldLock { lock: &hold.lock, taken_at: &hold.taken_at };
        Self {
            thread: stuck.thread,
            name: &stuck.name,
            waits_for: &stuck.waits_for,
            waits_at: &stuck.waits_at,
            holds: stuck.holds.iter().map(held).collect(),
        }
    }
}

#[cfg(test)]
mod shape {
    use altimeter::Report;
    use altimeter::workload::Outcome;

    use super::*;

    #[test]
    fn keys_stand_in_the_published_order() {
        let callback = |operation, pre| CallbackReport { operation, pre, post: pre, nanoseconds: 7 };
        let instance = InstanceReport { name: "i".into(), volume: "v".into(), altitude: "1".into() };
        let driver = DriverReport {
            name: "d".into(),
            image: "d.sys".into(),
            altitude: "1".into(),
            instances: vec![instance],
            callbacks: vec![callback("IRP_MJ_WRITE", 2), callback("IRP_MJ_READ", 0)],
            self_test: None,
        };
        let finding =
            FindingReport { rule: "R".into(), places: vec!["p".into()], ..FindingReport::default() };
        let summary = Summary {
            volumes: vec!["mem".into()],
            outcome: Outcome { name: "tour", operations: 5, ..Outcome::default() },
            elapsed: None,
            report: Report { drivers: vec![driver], findings: vec![finding], bug_check: None },
            steps: None,
            explored: None,
        };
        let text = serde_json::to_string(&Results::of(&summary)).expect("plain data becomes JSON");
        assert_eq!(
            text,
            r#"{"drivers":[{"name":"d","image":"d.sys","altitude":"1","instances":[{"name":"i","volume":"v","altitude":"1"}],"callbacks":{"IRP_MJ_WRITE":{"pre":2,"post":2}}}],"workload":{"name":"tour","operations":5,"refused":0,"mismatches":0},"findings":[{"rule":"R","severity":"","driver":"","message":"","where":["p"]}],"bugcheck":null}"#
        );
    }
}
