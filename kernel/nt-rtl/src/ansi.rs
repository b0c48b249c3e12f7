//! The ANSI code page of machines: 1252.

use nt_abi::NtStatus;

use crate::string::{AnsiStr, UnicodeStr};

/// Units of the bytes 0x80 to 0x9F; the five that stand for nothing map to the control characters.
const HIGH: [u16; 32] = [
    0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152,
    0x8D, 0x017D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161,
    0x203A, 0x0153, 0x9D, 0x017E, 0x0178,
];

/// The unit of a byte.
pub fn to_unit(byte: u8) -> u16 {
    match byte {
        0x80..=0x9F => HIGH[usize::from(byte - 0x80)],
        _ => u16::from(byte),
    }
}

/// The byte of a unit; `?` when the code page has none.
pub fn to_byte(unit: u16) -> u8 {
    match unit {
        0..=0x7F | 0xA0..=0xFF => unit as u8,
        _ => HIGH.iter().position(|high| *high == unit).map_or(b'?', |index| 0x80 + index as u8),
    }
}

/// The units of bytes.
pub fn to_units(bytes: &[u8]) -> Vec<u16> {
    bytes.iter().map(|byte| to_unit(*byte)).collect()
}

/// The bytes of units; a surrogate pair becomes one `?`.
pub fn to_bytes(units: &[u16]) -> Vec<u8> {
    units.iter().filter(|unit| !(0xDC00..0xE000).contains(*unit)).map(|unit| to_byte(*unit)).collect()
}

/// Converts a counted string. Source: RtlUnicodeStringToAnsiString.
///
/// Errors: BUFFER_OVERFLOW · NO_MEMORY · INVALID_PARAMETER · ACCESS_VIOLATION
pub fn unicode_to_ansi(to: AnsiStr<'_>, from: UnicodeStr<'_>, allocate: bool) -> Result<(), NtStatus> {
    to.fill(&to_bytes(&from.units()?), allocate)
}

/// Converts a counted string. Source: RtlAnsiStringToUnicodeString.
///
/// Errors: BUFFER_OVERFLOW · NO_MEMORY · INVALID_PARAMETER · ACCESS_VIOLATION
pub fn ansi_to_unicode(to: UnicodeStr<'_>, from: AnsiStr<'_>, allocate: bool) -> Result<(), NtStatus> {
    to.fill_terminated(&to_units(&from.bytes()?), allocate)
}
