//! What it costs that a filter holds an operation: a one-byte write as an IRP that passes, one that is held and completed
//! before its callback returns, and one that a worker completes (`drivers/iopbtest`).
//!
//! Medians of 11 rounds. Run by `cargo xtask bench pend [--json]`.

use std::path::Path;
use std::time::Instant;

use altimeter::session::OpenRequest;
use altimeter::{DriverSource, Machine, Options, Schedule, Setting, utf16};

const LOOP: u32 = 10_000;
const ROUNDS: usize = 11;

/// Name, and settings of the driver.
const CASES: [(&str, &[&str]); 3] = [
    ("passes", &["Mode=sz:disallow-fastio"]),
    ("completed_early", &["Mode=sz:pend-early", "Major=dword:4"]),
    ("completed_by_worker", &["Mode=sz:pend", "Major=dword:4"]),
];

/// Nanoseconds of a write.
fn round(settings: &[&str]) -> f64 {
    let options = Options { schedule: Schedule::Free, ..Options::default() };
    let machine = Machine::boot(options).expect("a machine in memory boots");
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../drivers/bin/iopbtest.sys");
    let mut source = DriverSource::from_path(&image).expect("the sample is there");
    source.settings = settings.iter().map(|text| Setting::parse(text).expect("a setting")).collect();
    machine.load(&source).unwrap_or_else(|error| panic!("{error}"));
    machine
        .run(|session| {
            let path = utf16("\\timed.txt");
            let request = OpenRequest::on_volume(&path)
                .access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE)
                .disposition(nt_abi::FILE_OPEN_IF);
            let handle = session.open(&request)?.expect("a new file").handle;
            session.write(&handle, Some(0), b"a")?;
            let started = Instant::now();
            for _ in 0..LOOP {
                session.write(&handle, Some(0), b"a")?;
            }
            let nanoseconds = started.elapsed().as_nanos() as f64 / f64::from(LOOP);
            session.close(handle)?;
            Ok(nanoseconds)
        })
        .unwrap_or_else(|_| panic!("{:?}", machine.report()))
}

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    let mut fields = Vec::new();
    for (name, settings) in CASES {
        let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round(settings)).collect();
        rounds.sort_by(f64::total_cmp);
        let (least, median, most) = (rounds[0], rounds[ROUNDS / 2], rounds[ROUNDS - 1]);
        fields.push(format!("\"{name}_ns\":{median:.0}"));
        if !json {
            println!("{name}: {median:.0} ns ({least:.0} to {most:.0})");
        }
    }
    if json {
        println!("{{{},\"rounds\":{ROUNDS}}}", fields.join(","));
    }
}
