//! The PE parser on arbitrary bytes. Oracle: crate `object`, and what `pe_oracle` says must hold.
//!
//! Start it with `cargo xtask fuzz pe`, which makes the seeds. Half of the changes know the structure of an image, half
//! are libFuzzer's own.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use pe_oracle::mutate::{Random, mutate};

fuzz_target!(|data: &[u8]| {
    if let Err(difference) = pe_oracle::judge(data) {
        panic!("{difference}");
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = Random::new(seed.into());
    if random.below(2) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut file = data[..size].to_vec();
    mutate(&mut file, max_size, &mut random);
    let length = file.len().min(max_size);
    data[..length].copy_from_slice(&file[..length]);
    length
});
