//! The OEM code page of machines: 437.

use crate::ansi;
use crate::case::upcase;

/// Units of the bytes 0x80 to 0xFF. Source: the mapping table of code page 437 that Unicode publishes
const HIGH: [u16; 128] = [
    0x00C7, 0x00FC, 0x00E9, 0x00E2, 0x00E4, 0x00E0, 0x00E5, 0x00E7, 0x00EA, 0x00EB, 0x00E8, 0x00EF, 0x00EE,
    0x00EC, 0x00C4, 0x00C5, 0x00C9, 0x00E6, 0x00C6, 0x00F4, 0x00F6, 0x00F2, 0x00FB, 0x00F9, 0x00FF, 0x00D6,
    0x00DC, 0x00A2, 0x00A3, 0x00A5, 0x20A7, 0x0192, 0x00E1, 0x00ED, 0x00F3, 0x00FA, 0x00F1, 0x00D1, 0x00AA,
    0x00BA, 0x00BF, 0x2310, 0x00AC, 0x00BD, 0x00BC, 0x00A1, 0x00AB, 0x00BB, 0x2591, 0x2592, 0x2593, 0x2502,
    0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255D, 0x255C, 0x255B, 0x2510, 0x2514,
    0x2534, 0x252C, 0x251C, 0x2500, 0x253C, 0x255E, 0x255F, 0x255A, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550,
    0x256C, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256B, 0x256A, 0x2518, 0x250C,
    0x2588, 0x2584, 0x258C, 0x2590, 0x2580, 0x03B1, 0x00DF, 0x0393, 0x03C0, 0x03A3, 0x03C3, 0x00B5, 0x03C4,
    0x03A6, 0x0398, 0x03A9, 0x03B4, 0x221E, 0x03C6, 0x03B5, 0x2229, 0x2261, 0x00B1, 0x2265, 0x2264, 0x2320,
    0x2321, 0x00F7, 0x2248, 0x00B0, 0x2219, 0x00B7, 0x221A, 0x207F, 0x00B2, 0x25A0, 0x00A0,
];

/// What stands for a unit that a code page does not have.
const DEFAULT: u8 = b'?';

/// The unit of a byte.
pub fn to_unit(byte: u8) -> u16 {
    if byte < 0x80 { u16::from(byte) } else { HIGH[usize::from(byte - 0x80)] }
}

/// The byte of a unit, if the code page has one.
pub fn byte_of(unit: u16) -> Option<u8> {
    if unit < 0x80 {
        return Some(unit as u8);
    }
    HIGH.iter().position(|high| *high == unit).map(|index| 0x80 + index as u8)
}

/// A code page that is set for a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodePage {
    /// 1252.
    Ansi,
    /// 437.
    Oem,
}

impl CodePage {
    /// The units of bytes.
    pub fn to_units(self, bytes: &[u8]) -> Vec<u16> {
        let unit = match self {
            Self::Ansi => ansi::to_unit,
            Self::Oem => to_unit,
        };
        bytes.iter().map(|byte| unit(*byte)).collect()
    }

    /// The bytes of units, each in upper case first when `upper`. A unit that the code page does not have becomes
    /// `?`, a surrogate pair one of them; the second value says whether none did.
    pub fn to_bytes(self, units: &[u16], upper: bool) -> (Vec<u8>, bool) {
        let mut all = true;
        let mut byte = |unit: u16| {
            let unit = if upper { upcase(unit) } else { unit };
            let found = match self {
                Self::Ansi => {
                    Some(ansi::to_byte(unit)).filter(|b| *b != DEFAULT || unit == u16::from(DEFAULT))
                }
                Self::Oem => byte_of(unit),
            };
            all &= found.is_some();
            found.unwrap_or(DEFAULT)
        };
        let bytes =
            units.iter().filter(|unit| !(0xDC00..0xE000).contains(*unit)).map(|unit| byte(*unit)).collect();
        (bytes, all)
    }
}
