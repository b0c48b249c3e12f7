//! Numbers in text as the C library reads and writes them: any base from 2 to 36, clamped to the limits of a type.

/// What a type holds; what does not fit becomes the nearest that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// `long`.
    Signed32,
    /// `unsigned long`: a minus negates within 32 bits.
    Unsigned32,
    /// `__int64`.
    Signed64,
}

/// A number at the start of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Its value.
    pub value: i64,
    /// How many units were read.
    pub end: usize,
}

fn digit(unit: u16, base: u32) -> Option<u32> {
    char::from_u32(u32::from(unit)).and_then(|c| c.to_digit(base))
}

/// Reads white space, a sign, a prefix (`0x` with base 16 or 0, `0` with base 0) and digits. `None` when there is no
/// digit, or no such base.
///
/// Source: strtol, strtoul, _atoi64
pub fn parse(text: &[u16], base: i32, limits: Limits) -> Option<Parsed> {
    let mut at = text.iter().take_while(|unit| matches!(unit, 9..=13 | 32)).count();
    let sign = text.get(at).copied().filter(|unit| *unit == u16::from(b'-') || *unit == u16::from(b'+'));
    at += usize::from(sign.is_some());
    let negative = sign == Some(u16::from(b'-'));
    let zero = text.get(at) == Some(&u16::from(b'0'));
    let letter = text.get(at + 1).is_some_and(|unit| *unit | 0x20 == u16::from(b'x'));
    let hexadecimal = zero && letter && text.get(at + 2).is_some_and(|unit| digit(*unit, 16).is_some());
    let base = match base {
        0 if hexadecimal => 16,
        0 if zero => 8,
        0 => 10,
        2..=36 => base as u32,
        _ => return None,
    };
    if base == 16 && hexadecimal {
        at += 2;
    }
    let start = at;
    let mut value = 0u128;
    while let Some(next) = text.get(at).and_then(|unit| digit(*unit, base)) {
        value = (value * u128::from(base) + u128::from(next)).min(1 << 80);
        at += 1;
    }
    if at == start {
        return None;
    }
    let signed = if negative { -(value as i128) } else { value as i128 };
    let value = match limits {
        Limits::Signed32 => signed.clamp(i32::MIN.into(), i32::MAX.into()) as i64,
        Limits::Unsigned32 if value > u128::from(u32::MAX) => i64::from(u32::MAX),
        Limits::Unsigned32 => i64::from(signed as u32),
        Limits::Signed64 => signed.clamp(i64::MIN.into(), i64::MAX.into()) as i64,
    };
    Some(Parsed { value, end: at })
}

/// Writes a number with lower-case digits. `None` when there is no such base. Source: _itoa, _ultow, _i64tow
pub fn spell(mut value: u64, negative: bool, base: i32) -> Option<String> {
    let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base))?;
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit((value % u64::from(base)) as u32, base)?);
        value /= u64::from(base);
        if value == 0 {
            break;
        }
    }
    if negative {
        digits.push('-');
    }
    Some(digits.into_iter().rev().collect())
}

#[cfg(test)]
mod a_number {
    use super::*;

    fn read(text: &str, base: i32, limits: Limits) -> Option<(i64, usize)> {
        let units: Vec<u16> = text.encode_utf16().collect();
        parse(&units, base, limits).map(|found| (found.value, found.end))
    }

    #[test]
    fn is_read_as_far_as_it_goes() {
        use Limits::{Signed32, Signed64, Unsigned32};
        assert_eq!(read(" \t-42xyz", 10, Signed32), Some((-42, 5)));
        assert_eq!(read("0x1Fg", 0, Signed32), Some((31, 4)));
        assert_eq!(read("0x", 0, Signed32), Some((0, 1)), "the zero alone");
        assert_eq!(read("017", 0, Signed32), Some((15, 3)));
        assert_eq!(read("zz", 36, Signed32), Some((1295, 2)));
        assert_eq!(read("99999999999", 10, Signed32), Some((i64::from(i32::MAX), 11)));
        assert_eq!(read("-99999999999", 10, Signed32), Some((i64::from(i32::MIN), 12)));
        assert_eq!(read("-1", 10, Unsigned32), Some((i64::from(u32::MAX), 2)));
        assert_eq!(read("9223372036854775808", 10, Signed64), Some((i64::MAX, 19)));
        assert_eq!(read("x", 10, Signed32), None);
        assert_eq!(read("1", 37, Signed32), None);
    }

    #[test]
    fn is_spelled_in_any_base() {
        assert_eq!(spell(255, false, 16).as_deref(), Some("ff"));
        assert_eq!(spell(0, false, 2).as_deref(), Some("0"));
        assert_eq!(spell(35, true, 36).as_deref(), Some("-z"));
        assert_eq!(spell(u64::MAX, false, 2).map(|text| text.len()), Some(64));
        assert_eq!(spell(1, false, 1), None);
    }
}
