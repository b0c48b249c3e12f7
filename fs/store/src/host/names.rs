//! Names of a Linux directory as NT names, reversibly, and the names that the store keeps to itself.
//!
//! A host name is bytes, an NT name is UTF-16. Each host name is shown as exactly one NT name and back:
//! - UTF-8 is shown as its characters; what NT forbids (`\ : * ? " < > |`, control characters) as U+F000 plus the byte;
//! - a byte that is no UTF-8, and each byte of a character that would read as such an escape, as U+F000 plus the byte;
//! - an unpaired surrogate, which only NT names have, is stored as its three bytes in the manner of UTF-8.
//!
//! Shown as they are, since NT itself allows them and only Win32 does not: device names (`CON`, `NUL.txt`) and trailing
//! dots and spaces. Refused: an NT name that would not come back the same (only some with U+F0xx in them), one over
//! 255 bytes on the host, and one that begins with `.altimeter~`, as the store's own names do; those are never shown.

use crate::error::{Result, StoreError};
use crate::names::{is_forbidden, shown, validate_component};

/// What every name of the store's own begins with.
pub(super) const HIDDEN: &[u8] = b".altimeter~";
const MAX_BYTES: usize = 255;
const ESCAPE: u16 = 0xF000;

pub(super) fn is_hidden(host: &[u8]) -> bool {
    host.starts_with(HIDDEN)
}

fn is_escapable(byte: u8) -> bool {
    byte != 0 && byte != b'/' && (byte >= 0x80 || is_forbidden(u16::from(byte)))
}

fn escaped_byte(unit: u32) -> Option<u8> {
    u8::try_from(unit.checked_sub(u32::from(ESCAPE))?).ok().filter(|&byte| is_escapable(byte))
}

/// The host name of an NT component.
///
/// Errors: NameInvalid · NameTooLong
pub(super) fn to_host(name: &[u16]) -> Result<Vec<u8>> {
    validate_component(name)?;
    let bytes = encode(name);
    let invalid = |reason| Err(StoreError::NameInvalid { name: shown(name), reason });
    if bytes.len() > MAX_BYTES {
        return Err(StoreError::NameTooLong(shown(name)));
    }
    if is_hidden(&bytes) {
        return invalid("names that begin with \".altimeter~\" belong to the store");
    }
    if !name.iter().all(|&unit| unit < 0x80) && from_host(&bytes) != name {
        return invalid("it uses U+F0xx in a way that would not come back the same from the host");
    }
    Ok(bytes)
}

fn encode(name: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len());
    for item in char::decode_utf16(name.iter().copied()) {
        match item {
            Ok(character) => match escaped_byte(u32::from(character)) {
                Some(byte) => bytes.push(byte),
                None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            },
            Err(lone) => {
                let unit = lone.unpaired_surrogate();
                bytes.extend([0xED, 0x80 | (unit >> 6 & 0x3F) as u8, 0x80 | (unit & 0x3F) as u8]);
            }
        }
    }
    bytes
}

/// The NT name under which a host name is shown.
pub(super) fn from_host(host: &[u8]) -> Vec<u16> {
    let name = decode(host);
    if encode(&name) == host {
        return name;
    }
    let raw = |&byte: &u8| if is_escapable(byte) { ESCAPE + u16::from(byte) } else { u16::from(byte) };
    host.iter().map(raw).collect()
}

fn decode(mut rest: &[u8]) -> Vec<u16> {
    let mut name = Vec::with_capacity(rest.len());
    loop {
        let valid = match std::str::from_utf8(rest) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default(),
        };
        for character in valid.chars() {
            let mut buffer = [0; 4];
            match u8::try_from(u32::from(character)) {
                Ok(byte) if byte < 0x80 && is_escapable(byte) => name.push(ESCAPE + u16::from(byte)),
                _ if escaped_byte(u32::from(character)).is_some() => {
                    name.extend(
                        character.encode_utf8(&mut buffer).bytes().map(|byte| ESCAPE + u16::from(byte)),
                    );
                }
                _ => name.extend_from_slice(character.encode_utf16(&mut [0; 2])),
            }
        }
        rest = match rest[valid.len()..] {
            [] => return name,
            [0xED, second @ 0xA0..=0xBF, third @ 0x80..=0xBF, ref after @ ..] => {
                name.push(0xD000 | u16::from(second & 0x3F) << 6 | u16::from(third & 0x3F));
                after
            }
            [byte, ref after @ ..] => {
                name.push(ESCAPE + u16::from(byte));
                after
            }
        };
    }
}

/// The directory beside a file that holds what extended attributes cannot.
pub(super) fn sidecar(host: &[u8]) -> Vec<u8> {
    const WHOLE: usize = 240;
    if host.len() <= WHOLE {
        return [HIDDEN, b"n~", host].concat();
    }
    let mut hash: u128 = 0x6C62_272E_07BB_0142_62B8_2175_6295_C58D;
    for &byte in host {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013B);
    }
    [HIDDEN, b"h~", &host[..200], b"~", format!("{hash:032x}").as_bytes()].concat()
}

/// The root's sidecar, which stands in the root.
pub(super) const ROOT_SIDECAR: &[u8] = b".altimeter~r";

/// A stream name as bytes that suit an extended attribute and a file name.
pub(super) fn stream_to_host(name: &[u16]) -> Vec<u8> {
    let mut text = String::with_capacity(name.len());
    for item in char::decode_utf16(name.iter().copied()) {
        match item {
            Ok(character) if character == '%' || character < ' ' => {
                text.push_str(&format!("%{:02x}", u32::from(character)));
            }
            Ok(character) => text.push(character),
            Err(lone) => text.push_str(&format!("%u{:04x}", lone.unpaired_surrogate())),
        }
    }
    text.into_bytes()
}

/// The stream name of such bytes; `None` where they are not of the store's making.
pub(super) fn stream_from_host(bytes: &[u8]) -> Option<Vec<u16>> {
    let mut name = Vec::new();
    let mut rest = std::str::from_utf8(bytes).ok()?;
    while let Some((plain, escape)) = rest.split_once('%') {
        name.extend(plain.encode_utf16());
        let digits = if escape.starts_with('u') { 1..5 } else { 0..2 };
        name.push(u16::from_str_radix(escape.get(digits.clone())?, 16).ok()?);
        rest = &escape[digits.end..];
    }
    name.extend(rest.encode_utf16());
    (stream_to_host(&name) == bytes).then_some(name)
}

#[cfg(test)]
mod host_names {
    use super::*;

    fn round_trip(host: &[u8]) -> Vec<u16> {
        let name = from_host(host);
        assert_eq!(to_host(&name).unwrap(), host, "{name:x?}");
        name
    }

    #[test]
    fn every_host_name_comes_back_the_same() {
        for host in [
            &b"plain.txt"[..],
            b"a:b*c?",
            b"\x01\x1f",
            b"caf\xc3\xa9",
            b"caf\xe9",
            b"CON",
            b"trailing. ",
            b"back\\slash",
            b"\xef\x80\xba",
            b"\xed\xa0\x80",
            b"\xed\xa0\xbd\xed\xb8\x80",
            b"\xf0\x9f\x98\x80",
            b"\xff\xfe",
            b"\xef\x81\x81",
            b"\xc3",
            b"\xa9",
        ] {
            round_trip(host);
        }
        for first in 1..=255u8 {
            for second in 1..=255u8 {
                let host = [b'x', first, second];
                if !host.contains(&b'/') {
                    round_trip(&host);
                }
            }
        }
    }

    #[test]
    fn a_colon_is_shown_in_the_private_use_area() {
        assert_eq!(round_trip(b"a:b"), [0x61, 0xF03A, 0x62]);
    }

    #[test]
    fn an_nt_name_that_would_come_back_different_is_refused() {
        let split = [0xF0C3, 0xF0A9];
        assert!(matches!(to_host(&split), Err(StoreError::NameInvalid { .. })));
        assert!(to_host(&[0xD800]).is_ok());
    }

    #[test]
    fn a_long_name_is_refused_not_cut() {
        assert!(matches!(to_host(&[0x4E00; 86]), Err(StoreError::NameTooLong(_))));
        assert!(to_host(&[0x4E00; 85]).is_ok());
    }

    #[test]
    fn stream_names_come_back_the_same() {
        for name in [&[0x41, 0x25, 0x1][..], &[0xD800, 0x3A], &[0xD83D, 0xDE00], &[0x25, 0x75]] {
            assert_eq!(stream_from_host(&stream_to_host(name)).as_deref(), Some(name));
        }
        assert_eq!(stream_from_host(b"100%"), None);
    }
}
