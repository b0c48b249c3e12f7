//! Upper and lower case of single UTF-16 units, and comparisons that follow from them.
//!
//! One rule, the same as the stores': Unicode's simple mapping where that is one unit; no unit outside ASCII maps into
//! ASCII, and surrogates stay as they are.

use std::cmp::Ordering;
use std::sync::LazyLock;

fn table(map: impl Fn(char) -> Option<u32>) -> Vec<u16> {
    let one = |unit: u16| {
        let character = char::from_u32(u32::from(unit))?;
        map(character).filter(|to| *to <= 0xFFFF && (*to >= 0x80 || unit < 0x80)).map(|to| to as u16)
    };
    (0..=u16::MAX).map(|unit| one(unit).unwrap_or(unit)).collect()
}

fn single(mut mapped: impl Iterator<Item = char>) -> Option<u32> {
    let first = mapped.next().map(u32::from);
    if mapped.next().is_some() { None } else { first }
}

static UPPER: LazyLock<Vec<u16>> = LazyLock::new(|| table(|c| single(c.to_uppercase())));
static LOWER: LazyLock<Vec<u16>> = LazyLock::new(|| table(|c| single(c.to_lowercase())));

/// Upper case of one unit. Source: RtlUpcaseUnicodeChar.
#[inline]
pub fn upcase(unit: u16) -> u16 {
    match unit {
        0x61..=0x7A => unit - 0x20,
        0..=0x7F => unit,
        _ => UPPER[usize::from(unit)],
    }
}

/// Lower case of one unit. Source: RtlDowncaseUnicodeChar.
#[inline]
pub fn downcase(unit: u16) -> u16 {
    match unit {
        0x41..=0x5A => unit + 0x20,
        0..=0x7F => unit,
        _ => LOWER[usize::from(unit)],
    }
}

/// Orders two strings by units, upper-cased when `insensitive`.
pub fn compare(a: &[u16], b: &[u16], insensitive: bool) -> Ordering {
    if insensitive { a.iter().map(|u| upcase(*u)).cmp(b.iter().map(|u| upcase(*u))) } else { a.cmp(b) }
}

/// What `RtlCompareUnicodeString` answers: the difference of the first units that differ, or of the lengths in bytes.
pub fn difference(a: &[u16], b: &[u16], insensitive: bool) -> i32 {
    let fold = |unit: u16| i32::from(if insensitive { upcase(unit) } else { unit });
    let differing = a.iter().zip(b).map(|(a, b)| fold(*a) - fold(*b)).find(|d| *d != 0);
    differing.unwrap_or((a.len() as i32 - b.len() as i32) * 2)
}

/// Whether two strings are the same, upper-cased when `insensitive`.
pub fn equal(a: &[u16], b: &[u16], insensitive: bool) -> bool {
    a.len() == b.len() && compare(a, b, insensitive) == Ordering::Equal
}

/// Whether `text` begins with `prefix`. Source: RtlPrefixUnicodeString.
pub fn is_prefix(prefix: &[u16], text: &[u16], insensitive: bool) -> bool {
    text.get(..prefix.len()).is_some_and(|head| equal(prefix, head, insensitive))
}

/// The x65599 hash of `RtlHashUnicodeString`.
pub fn hash_x65599(text: &[u16], insensitive: bool) -> u32 {
    text.iter().fold(0u32, |hash, unit| {
        let unit = if insensitive { upcase(*unit) } else { *unit };
        hash.wrapping_mul(65599).wrapping_add(u32::from(unit))
    })
}
