//! What the sample `xorcrypt` leaves on a volume: its key stream once more, and files of sizes around sectors and pages.

use std::fs;

use crate::support::{altimeter, folder, text};

const KEY: u64 = 0x5EED;

/// Eight bytes of the key stream, as in `drivers/xorcrypt`.
fn key_word(index: u64) -> u64 {
    let mut word = (index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(KEY << 32 | KEY);
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// The plain bytes of a whole file from the volume, or its cipher from the plain ones.
pub fn deciphered(bytes: &[u8]) -> Vec<u8> {
    let word = |index: usize| key_word(index as u64 / 8).to_le_bytes()[index % 8];
    bytes.iter().enumerate().map(|(index, byte)| byte ^ word(index)).collect()
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index / 3 + index / 4096) as u8).collect()
}

const SIZES: [usize; 16] =
    [0, 1, 7, 511, 512, 513, 4095, 4096, 4097, 8191, 65_535, 65_536, 65_537, 262_145, 1_000_003, 5 << 20];

fn copies(sector: &str, cache: &str) {
    let (source, volume) = (folder(), folder());
    for size in SIZES {
        fs::write(source.path().join(format!("file-{size}")), bytes(size)).expect("a file");
    }
    let ran = altimeter([
        "run",
        "--json",
        "-",
        "--workload",
        "copy-tree",
        "--sector",
        sector,
        "--cache-size",
        cache,
        "--volume",
        text(volume.path()),
        "--source",
        text(source.path()),
    ])
    .ends_with(0);
    assert_eq!(ran.json()["workload"]["mismatches"], 0, "plain above the filter: {ran}");
    for size in SIZES {
        let stored = fs::read(volume.path().join(format!("file-{size}"))).expect("it was copied");
        assert_eq!(stored.len(), size);
        assert!(deciphered(&stored) == bytes(size), "file of {size} bytes");
        let same = stored.iter().zip(bytes(size)).filter(|(stored, plain)| *stored == plain).count();
        assert!(size < 64 || same < size / 50, "cipher below it: {same} of {size} bytes are plain");
    }
}

#[test]
fn files_of_every_size_are_cipher_on_the_volume_and_plain_above() {
    copies("512", "256");
}

#[test]
fn the_same_with_large_sectors_and_a_small_cache() {
    copies("4096", "2");
}
