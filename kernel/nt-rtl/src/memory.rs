//! Comparing memory of drivers.

use boundary::copy::{self, BadAddress};

const STEP: usize = 256;

fn blocks(
    a: usize,
    b: usize,
    bytes: usize,
    mut f: impl FnMut(&[u8], &[u8]) -> bool,
) -> Result<(), BadAddress> {
    let (mut left, mut right) = ([0u8; STEP], [0u8; STEP]);
    let mut at = 0;
    while at < bytes {
        let step = STEP.min(bytes - at);
        copy::read(a + at, &mut left[..step])?;
        copy::read(b + at, &mut right[..step])?;
        if !f(&left[..step], &right[..step]) {
            break;
        }
        at += step;
    }
    Ok(())
}

/// How many bytes agree before the first that differs. Source: RtlCompareMemory.
pub fn compare(a: usize, b: usize, bytes: usize) -> Result<usize, BadAddress> {
    let mut same = 0;
    blocks(a, b, bytes, |left, right| {
        let here = left.iter().zip(right).take_while(|(l, r)| l == r).count();
        same += here;
        here == left.len()
    })?;
    Ok(same)
}

/// The sign of the first difference. Source: memcmp.
pub fn order(a: usize, b: usize, bytes: usize) -> Result<i32, BadAddress> {
    let mut result = 0;
    blocks(a, b, bytes, |left, right| {
        result = left.cmp(right) as i32;
        result == 0
    })?;
    Ok(result)
}
