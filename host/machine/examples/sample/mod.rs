//! What benches and soaks of sample drivers share: the built driver with its settings, what it measured, and medians.

#![allow(dead_code, reason = "each program uses its part")]

use std::path::Path;

use altimeter::{DriverSource, Machine, Options, Schedule, Setting};

/// A machine in memory with free threads.
pub fn free_machine() -> Machine {
    Machine::boot(Options { schedule: Schedule::Free, ..Options::default() })
        .expect("a machine in memory boots")
}

/// The sample driver `name`, freshly built where the environment says so, with `settings`.
pub fn source(name: &str, settings: &[&str]) -> DriverSource {
    let committed = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../drivers/bin");
    let folder = std::env::var_os("ALTIMETER_DRIVERS").map_or_else(committed, Into::into);
    let mut source =
        DriverSource::from_path(&folder.join(format!("{name}.sys"))).expect("the driver is built");
    source.settings = settings.iter().map(|text| Setting::parse(text).expect("a setting")).collect();
    source
}

/// Loads it.
pub fn load(machine: &Machine, name: &str, settings: &[&str]) {
    machine
        .load(&source(name, settings))
        .unwrap_or_else(|error| panic!("{name}: {error}: {:?}", machine.report()));
}

/// The 64-bit word at byte `at` of the driver's results.
pub fn result(machine: &Machine, name: &str, at: usize) -> u64 {
    let address = machine.service_qword(name, "Results").expect("the driver wrote where its results are");
    let bytes = machine.read_memory(address as usize + at, 8).expect("the image is there");
    u64::from_le_bytes(bytes.try_into().expect("eight"))
}

/// Median, least and most of some samples.
#[derive(Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Self { median: sorted[sorted.len() / 2], least: sorted[0], most: sorted[sorted.len() - 1] }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} ({:.1} to {:.1})", self.median, self.least, self.most)
    }
}

/// Whether the program is to print JSON.
pub fn wants_json() -> bool {
    std::env::args().any(|argument| argument == "--json")
}
