//! What a name query costs a driver (`drivers/names`, value Loop): one that the volume remembers, and one that asks the
//! file system, each with its release.
//!
//! Medians of 21 rounds. Run by `cargo xtask bench names [--json]`.

use altimeter::session::OpenRequest;
use altimeter::utf16;

mod sample;
use sample::{Spread, wants_json};

const LOOP: u32 = 20_000;
const ROUNDS: usize = 21;

/// Nanoseconds of a cached and of an uncached query.
fn round() -> (f64, f64) {
    let machine = sample::free_machine();
    sample::load(&machine, "names", &[&format!("Loop=dword:{LOOP}")]);
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
    let word = |at: usize| sample::result(&machine, "names", at) as f64;
    let nanoseconds = |at: usize| word(at) * 1e9 / word(0x128) / f64::from(LOOP);
    (nanoseconds(0x118), nanoseconds(0x120))
}

fn main() {
    let rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| round()).collect();
    let cached = Spread::of(rounds.iter().map(|round| round.0));
    let uncached = Spread::of(rounds.iter().map(|round| round.1));
    if wants_json() {
        let (cached, uncached) = (cached.median, uncached.median);
        println!("{{\"cached_ns\":{cached:.1},\"uncached_ns\":{uncached:.1},\"rounds\":{ROUNDS}}}");
        return;
    }
    println!("cached name query, ns: {cached}");
    println!("uncached name query, ns: {uncached}");
}
