//! Names of components and streams: what is legal, and when two spellings are the same.
//!
//! Owns the one case rule of this crate: a UTF-16 unit is upcased by Unicode's simple mapping where that is one unit;
//! no unit outside ASCII upcases into ASCII, and surrogates stay as they are.
//! Refuses what NT refuses in a component. Device names (`CON`, `NUL`) and trailing dots or spaces are legal in NT
//! itself, only Win32 treats them specially, so they are legal here.

use crate::error::{Result, StoreError};
use std::cmp::Ordering;
use std::sync::LazyLock;

/// Longest component or stream name in UTF-16 units.
pub(crate) const MAX_COMPONENT_UTF16: usize = 255;

static UPCASE: LazyLock<Vec<u16>> = LazyLock::new(|| (0..=u16::MAX).map(simple_upcase).collect());

fn simple_upcase(unit: u16) -> u16 {
    let Some(character) = char::from_u32(u32::from(unit)) else { return unit };
    let mut mapped = character.to_uppercase();
    match (mapped.next().map(u32::from), mapped.next()) {
        (Some(upper), None) if upper <= 0xFFFF && (upper >= 0x80 || unit < 0x80) => upper as u16,
        _ => unit,
    }
}

/// Upcases one UTF-16 unit by the rule of this module.
#[inline]
pub fn upcase(unit: u16) -> u16 {
    match unit {
        0x61..=0x7A => unit - 0x20,
        0..=0x7F => unit,
        _ => UPCASE[usize::from(unit)],
    }
}

/// The upcased spelling: the key under which all spellings of a name are the same.
pub fn fold(name: &[u16]) -> Vec<u16> {
    name.iter().map(|&unit| upcase(unit)).collect()
}

/// Orders two names by their upcased spelling.
pub fn compare_insensitive(a: &[u16], b: &[u16]) -> Ordering {
    a.iter().map(|&unit| upcase(unit)).cmp(b.iter().map(|&unit| upcase(unit)))
}

/// Whether two names are spellings of the same.
pub fn equal_insensitive(a: &[u16], b: &[u16]) -> bool {
    a.len() == b.len() && compare_insensitive(a, b) == Ordering::Equal
}

/// A name as text for messages.
pub(crate) fn shown(name: &[u16]) -> String {
    format!("{:?}", String::from_utf16_lossy(name))
}

/// Whether NT refuses this unit in a component.
pub(crate) fn is_forbidden(unit: u16) -> bool {
    const MARKS: [u8; 9] = *b"\"*/:<>?\\|";
    unit < 0x20 || u8::try_from(unit).is_ok_and(|byte| MARKS.contains(&byte))
}

/// Checks that a component can exist on an NT volume.
///
/// Errors: NameInvalid · NameTooLong
pub fn validate_component(name: &[u16]) -> Result<()> {
    let dot = u16::from(b'.');
    let reason = if name.is_empty() {
        "it is empty"
    } else if name == [dot] || name == [dot, dot] {
        "it stands for a directory itself"
    } else if name.iter().copied().any(is_forbidden) {
        "it has a control character or one of \" * / : < > ? \\ |"
    } else {
        return check_length(name);
    };
    Err(StoreError::NameInvalid { name: shown(name), reason })
}

/// Checks that an alternate stream can have this name. NT is laxer here than for components.
///
/// Errors: NameInvalid · NameTooLong
pub fn validate_stream(name: &[u16]) -> Result<()> {
    const MARKS: [u16; 4] = [0, b'/' as u16, b'\\' as u16, b':' as u16];
    let reason = if name.is_empty() {
        "the empty stream name is the default stream"
    } else if name.iter().any(|unit| MARKS.contains(unit)) {
        "it has one of / \\ : or NUL"
    } else {
        return check_length(name);
    };
    Err(StoreError::NameInvalid { name: shown(name), reason })
}

fn check_length(name: &[u16]) -> Result<()> {
    if name.len() > MAX_COMPONENT_UTF16 { Err(StoreError::NameTooLong(shown(name))) } else { Ok(()) }
}

#[cfg(test)]
mod upcasing {
    use super::*;

    #[test]
    fn a_unit_outside_ascii_never_becomes_ascii() {
        assert!((0x80..=u16::MAX).all(|unit| upcase(unit) >= 0x80));
        assert_eq!(upcase(0x131), 0x131);
    }

    #[test]
    fn letters_with_one_capital_get_it_and_others_stay() {
        assert_eq!(upcase(u16::from(b'q')), u16::from(b'Q'));
        assert_eq!(upcase(0xE9), 0xC9);
        assert_eq!(upcase(0xFF), 0x178);
        assert_eq!(upcase(0xDF), 0xDF);
        assert_eq!(upcase(0xD800), 0xD800);
    }
}
