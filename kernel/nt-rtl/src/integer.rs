//! Integers as text and back.

use nt_abi::NtStatus;

/// Digits of `value` in a base of 2, 8, 10 (also meant by 0) or 16, upper case.
///
/// Source:  RtlIntegerToUnicodeString, RtlInt64ToUnicodeString
/// Errors:  INVALID_PARAMETER
pub fn to_text(value: u64, base: u32) -> Result<String, NtStatus> {
    match base {
        0 | 10 => Ok(value.to_string()),
        2 => Ok(format!("{value:b}")),
        8 => Ok(format!("{value:o}")),
        16 => Ok(format!("{value:X}")),
        _ => Err(NtStatus::INVALID_PARAMETER),
    }
}

/// Value of a text: blanks, a sign, and with base 0 a prefix `0x`, `0o` or `0b`; it ends at the first character that is
/// no digit, and wraps at 32 bits.
///
/// Source:  RtlUnicodeStringToInteger, RtlCharToInteger
/// Errors:  INVALID_PARAMETER for another base than 0, 2, 8, 10, 16
pub fn from_text(text: &[u16], base: u32) -> Result<u32, NtStatus> {
    wide_from_text(text, base).map(|(value, _)| value as u32)
}

/// The same with 64 bits, and how many units were read.
///
/// Source:  RtlUnicodeStringToInt64
/// Errors:  INVALID_PARAMETER for another base than 0, 2, 8, 10, 16
pub fn wide_from_text(text: &[u16], base: u32) -> Result<(u64, usize), NtStatus> {
    if !matches!(base, 0 | 2 | 8 | 10 | 16) {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    let mut rest: &[u16] = text;
    while let [first, tail @ ..] = rest
        && *first <= u16::from(b' ')
    {
        rest = tail;
    }
    let mut negative = false;
    if let [first, tail @ ..] = rest
        && (*first == u16::from(b'-') || *first == u16::from(b'+'))
    {
        negative = *first == u16::from(b'-');
        rest = tail;
    }
    let mut radix = base;
    if base == 0 {
        radix = 10;
        if let [zero, letter, tail @ ..] = rest
            && *zero == u16::from(b'0')
            && let Some(found) =
                [(b'x', 16), (b'o', 8), (b'b', 2)].iter().find(|(l, _)| *letter == u16::from(*l))
        {
            radix = found.1;
            rest = tail;
        }
    }
    let mut value = 0u64;
    while let [unit, tail @ ..] = rest {
        let Some(digit) = char::from_u32(u32::from(*unit)).and_then(|c| c.to_digit(radix)) else { break };
        value = value.wrapping_mul(u64::from(radix)).wrapping_add(u64::from(digit));
        rest = tail;
    }
    Ok((if negative { value.wrapping_neg() } else { value }, text.len() - rest.len()))
}

/// The number behind `seed` in a sequence of 2^31 - 1 numbers (Lehmer). Source: RtlUniform
pub fn uniform(seed: u32) -> u32 {
    ((u64::from(seed) * 0x7FFF_FFED + 0x7FFF_FFC3) % 0x7FFF_FFFF) as u32
}
