//! What an exception costs a driver: a raise that is caught, a processor fault that is caught, in native code
//! (`drivers/sehtest`, value Loop), beside the call of an export that does nothing of the kind.
//!
//! Medians of 21 rounds. Run by `cargo xtask bench raise [--json]`.

mod sample;
use sample::{Spread, wants_json};

const LOOP: u64 = 20_000;
const ROUNDS: usize = 21;

/// Nanoseconds of a raise and of a fault that are caught.
fn round() -> (f64, f64) {
    let machine = sample::free_machine();
    sample::load(&machine, "sehtest", &[&format!("Loop=dword:{LOOP}")]);
    let nanoseconds = |at: usize| sample::result(&machine, "sehtest", at) as f64 * 100.0 / LOOP as f64;
    (nanoseconds(0x90), nanoseconds(0x98))
}

fn main() {
    let rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| round()).collect();
    let raise = Spread::of(rounds.iter().map(|round| round.0));
    let fault = Spread::of(rounds.iter().map(|round| round.1));
    if wants_json() {
        let (raise, fault) = (raise.median, fault.median);
        println!("{{\"raise_ns\":{raise:.1},\"fault_ns\":{fault:.1},\"rounds\":{ROUNDS}}}");
        return;
    }
    println!("raise and catch, ns: {raise}");
    println!("fault and catch, ns: {fault}");
}
