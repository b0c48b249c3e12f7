//! What an exception costs a driver: a raise that is caught, a processor fault that is caught, in native code
//! (`drivers/sehtest`, value Loop), beside the call of an export that does nothing of the kind.
//!
//! Medians of 21 rounds. Run by `cargo xtask bench raise [--json]`.

use std::path::Path;

use altimeter::{DriverSource, Machine, Options, Schedule, Setting};

const LOOP: u64 = 20_000;
const ROUNDS: usize = 21;

/// Nanoseconds of a raise and of a fault that are caught.
fn round() -> (f64, f64) {
    let options = Options { schedule: Schedule::Free, ..Options::default() };
    let machine = Machine::boot(options).expect("a machine in memory boots");
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../drivers/bin/sehtest.sys");
    let mut source = DriverSource::from_path(&image).expect("the sample is there");
    source.settings = vec![Setting::parse(&format!("Loop=dword:{LOOP}")).expect("a setting")];
    machine.load(&source).unwrap_or_else(|error| panic!("{error}"));
    let address =
        machine.service_qword("sehtest", "Results").expect("the driver wrote where its results are") as usize;
    let bytes = machine.read_memory(address, 0xA0).expect("the image is there");
    let ticks = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight")) as f64;
    let nanoseconds = |at: usize| ticks(at) * 100.0 / LOOP as f64;
    (nanoseconds(0x90), nanoseconds(0x98))
}

fn median(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    (sorted[sorted.len() / 2], sorted[0], sorted[sorted.len() - 1])
}

fn main() {
    let rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| round()).collect();
    let raise = median(rounds.iter().map(|round| round.0));
    let fault = median(rounds.iter().map(|round| round.1));
    if std::env::args().any(|argument| argument == "--json") {
        println!("{{\"raise_ns\":{:.1},\"fault_ns\":{:.1},\"rounds\":{ROUNDS}}}", raise.0, fault.0);
        return;
    }
    println!("raise and catch: {:.1} ns ({:.1} to {:.1})", raise.0, raise.1, raise.2);
    println!("fault and catch: {:.1} ns ({:.1} to {:.1})", fault.0, fault.1, fault.2);
}
