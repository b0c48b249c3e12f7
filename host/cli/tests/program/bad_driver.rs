//! Files that are no drivers, or broken ones: exit code 2, and a message that names the file.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::support::{driver, file, folder, image, run_json};

#[track_caller]
fn refused(name: &str, bytes: &[u8]) {
    let folder = folder();
    let path = file(&folder, name, bytes);
    let ran = run_json(&[path], &["--altitude", "365000"]).ends_with(2).complains_of(&["error:", name]);
    assert_eq!(ran.stdout, "", "{ran}");
}

#[test]
fn empty_file_is_refused() {
    refused("empty.sys", b"");
}

#[test]
fn text_is_refused() {
    refused("text.sys", "This is no program.\n".repeat(500).as_bytes());
}

#[test]
fn truncated_images_are_refused() {
    let bytes = image("passthrough.sys");
    for length in [1, 64, 0x100, bytes.len() / 4, bytes.len() / 2] {
        refused("truncated.sys", &bytes[..length]);
    }
}

#[test]
fn images_for_32_bits_are_refused() {
    let mut bytes = image("passthrough.sys");
    let header = u32::from_le_bytes([bytes[0x3c], bytes[0x3d], bytes[0x3e], bytes[0x3f]]) as usize;
    bytes[header + 4..header + 6].copy_from_slice(&0x014cu16.to_le_bytes());
    refused("narrow.sys", &bytes);
}

#[test]
fn missing_file_is_refused() {
    run_json(&["no-such-driver.sys".into()], &[]).ends_with(2).complains_of(&["no-such-driver.sys"]);
}

#[test]
fn broken_inf_is_refused() {
    let folder = folder();
    let path = file(&folder, "broken.inf", b"[Version\nSignature=");
    run_json(&[path], &[]).ends_with(2).complains_of(&["broken.inf"]);
}

#[test]
fn driver_whose_entry_fails_is_refused_with_its_status() {
    run_json(&[driver("failentry.sys")], &[])
        .ends_with(2)
        .complains_of(&["failentry", "STATUS_UNSUCCESSFUL"]);
}

#[test]
fn flipped_bits_end_in_a_documented_code_with_a_message() {
    let whole = image("passthrough.sys");
    let mut random = Pcg64Mcg::seed_from_u64(20);
    for round in 0..24 {
        let mut bytes = whole.clone();
        // One bit in the headers, or several anywhere.
        let (flips, range) = if round % 2 == 0 { (1, 0x400) } else { (16, bytes.len()) };
        for _ in 0..flips {
            let at = random.random_range(0..range.min(bytes.len()));
            bytes[at] ^= 1 << random.random_range(0..8);
        }
        let folder = folder();
        let path = file(&folder, "flipped.sys", &bytes);
        let ran = run_json(&[path], &["--altitude", "365000", "--timeout", "10"]);
        assert!((0..=3).contains(&ran.code), "round {round}: {ran}");
        assert!(!ran.stderr.is_empty(), "round {round} without a message: {ran}");
    }
}
