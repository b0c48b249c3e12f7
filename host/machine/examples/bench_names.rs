//! What a name query costs a driver (`drivers/names`, value Loop): one that the volume remembers, and one that asks the
//! file system, each with its release.
//!
//! Medians of 21 rounds. Run by `cargo xtask bench names [--json]`.

use std::path::Path;

use altimeter::session::OpenRequest;
use altimeter::{DriverSource, Machine, Options, Schedule, Setting, utf16};

const LOOP: u32 = 20_000;
const ROUNDS: usize = 21;

/// Nanoseconds of a cached and of an uncached query.
fn round() -> (f64, f64) {
    let options = Options { schedule: Schedule::Free, ..Options::default() };
    let machine = Machine::boot(options).expect("a machine in memory boots");
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../drivers/bin/names.sys");
    let mut source = DriverSource::from_path(&image).expect("the sample is there");
    source.settings = vec![Setting::parse(&format!("Loop=dword:{LOOP}")).expect("a setting")];
    machine.load(&source).unwrap_or_else(|error| panic!("{error}"));
    machine
        .run(|session| {
            let path = utf16("\\timed.txt");
            let request = OpenRequest::on_volume(&path)
                .access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE)
                .disposition(nt_abi::FILE_OPEN_IF);
            let handle = session.open(&request)?.expect("a new file").handle;
            session.close(handle)
        })
        .unwrap_or_else(|_| panic!("{:?}", machine.report()));
    let address =
        machine.service_qword("names", "Results").expect("the driver wrote where its results are") as usize;
    let bytes = machine.read_memory(address, 0x138).expect("the image is there");
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight")) as f64;
    let nanoseconds = |at: usize| word(at) * 1e9 / word(0x128) / f64::from(LOOP);
    (nanoseconds(0x118), nanoseconds(0x120))
}

fn median(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    (sorted[sorted.len() / 2], sorted[0], sorted[sorted.len() - 1])
}

fn main() {
    let rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| round()).collect();
    let cached = median(rounds.iter().map(|round| round.0));
    let uncached = median(rounds.iter().map(|round| round.1));
    if std::env::args().any(|argument| argument == "--json") {
        println!("{{\"cached_ns\":{:.1},\"uncached_ns\":{:.1},\"rounds\":{ROUNDS}}}", cached.0, uncached.0);
        return;
    }
    println!("cached name query: {:.1} ns ({:.1} to {:.1})", cached.0, cached.1, cached.2);
    println!("uncached name query: {:.1} ns ({:.1} to {:.1})", uncached.0, uncached.1, uncached.2);
}
