//! Judges images damaged under one seed: the fuzzer's work where there is no nightly toolchain.

use pe_oracle::mutate::{Random, mutate};
use pe_oracle::{Verdict, judge, seeds};

/// Inputs for a seed: some seconds.
const INPUTS: u32 = 200_000;

fn main() {
    let seed: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).expect("usage: damage SEED");
    let good = seeds::all().expect("drivers/bin can be read");
    let mut random = Random::new(seed);
    let mut accepted = 0;
    for input in 0..INPUTS {
        let (name, bytes) = &good[random.below(good.len())];
        let mut file = bytes.clone();
        mutate(&mut file, bytes.len() + 0x1000, &mut random);
        match judge(&file) {
            Ok(verdict) => accepted += u32::from(verdict != Verdict::Refused),
            Err(difference) => {
                eprintln!("seed {seed}, input {input} (from {name}): {difference}");
                std::process::exit(1);
            }
        }
    }
    println!("pe: {INPUTS} damaged images, {accepted} of them accepted, no difference (seed {seed})");
}
