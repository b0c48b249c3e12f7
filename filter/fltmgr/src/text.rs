//! UTF-16 text as names use it.

use nt_abi::UNICODE_STRING;

/// Upper case of a code unit, as names are compared.
pub fn upcase(unit: u16) -> u16 {
    nt_rtl::upcase(unit)
}

/// Whether two names are the same but for case.
pub fn equal_ignoring_case(a: &[u16], b: &[u16]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| upcase(*a) == upcase(*b))
}

/// What follows the last backslash.
pub fn last_component(name: &[u16]) -> &[u16] {
    name.rsplit(|u| *u == BACKSLASH).next().unwrap_or(name)
}

/// `\`.
pub const BACKSLASH: u16 = b'\\' as u16;
/// `:`.
pub const COLON: u16 = b':' as u16;

/// UTF-16 of a Rust string.
pub fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// For people.
pub fn lossy(units: &[u16]) -> String {
    String::from_utf16_lossy(units)
}

/// Copies the units of a counted string. An unreadable buffer gives `None`.
pub fn units(string: &UNICODE_STRING) -> Option<Vec<u16>> {
    units_at(string.Buffer.get() as usize, usize::from(string.Length.get()))
}

/// Copies `bytes` bytes of UTF-16 at `address`.
pub fn units_at(address: usize, bytes: usize) -> Option<Vec<u16>> {
    let mut raw = vec![0u8; bytes & !1];
    boundary::copy::read(address, &mut raw).ok()?;
    Some(raw.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect())
}

/// Little-endian bytes of `units`.
pub fn bytes(units: &[u16]) -> Vec<u8> {
    units.iter().flat_map(|u| u.to_le_bytes()).collect()
}

/// Points `string` at `bytes` bytes at `address`.
pub fn set(string: &UNICODE_STRING, address: usize, bytes: usize) {
    string.Length.set(bytes as u16);
    string.MaximumLength.set(bytes as u16);
    string.Buffer.set(if bytes == 0 { std::ptr::null_mut() } else { address as *mut u16 });
}
