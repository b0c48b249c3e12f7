//! What it costs that a filter holds an operation: a one-byte write as an IRP that passes, one that is held and completed
//! before its callback returns, and one that a worker completes (`drivers/iopbtest`).
//!
//! Medians of 11 rounds. Run by `cargo xtask bench pend [--json]`.

use std::time::Instant;

use altimeter::session::OpenRequest;
use altimeter::utf16;

mod sample;
use sample::{Spread, wants_json};

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
    let machine = sample::free_machine();
    sample::load(&machine, "iopbtest", settings);
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
    let mut fields = Vec::new();
    for (name, settings) in CASES {
        let spread = Spread::of((0..ROUNDS).map(|_| round(settings)));
        fields.push(format!("\"{name}_ns\":{:.0}", spread.median));
        if !wants_json() {
            println!("{name}, ns: {spread}");
        }
    }
    if wants_json() {
        println!("{{{},\"rounds\":{ROUNDS}}}", fields.join(","));
    }
}
