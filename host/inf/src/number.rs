//! Numbers as INF files write them.

/// Decimal, `0x` hexadecimal, or negative decimal (two's complement).
pub(crate) fn parse_u64(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return plain(hex, 16);
    }
    match text.strip_prefix('-') {
        Some(digits) => {
            let value = plain(digits, 10)?;
            (value <= 1 << 63).then(|| value.wrapping_neg())
        }
        None => plain(text, 10),
    }
}

/// As `parse_u64`, in 32 bits.
pub(crate) fn parse_u32(text: &str) -> Option<u32> {
    let value = parse_u64(text)?;
    u32::try_from(value).ok().or_else(|| {
        let negative = text.trim().starts_with('-');
        (negative && value as i64 >= i64::from(i32::MIN)).then_some(value as u32)
    })
}

/// A byte of binary data: always hexadecimal, with or without `0x`.
pub(crate) fn parse_byte(text: &str) -> Option<u8> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    plain(digits, 16).and_then(|value| u8::try_from(value).ok())
}

fn plain(digits: &str, radix: u32) -> Option<u64> {
    if digits.starts_with('+') { None } else { u64::from_str_radix(digits, radix).ok() }
}
