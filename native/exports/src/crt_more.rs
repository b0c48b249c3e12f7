//! The C run-time library: numbers in text, sets of characters, tokens, classes, sorting, secure copies of memory.

use std::cmp::Ordering;

use boundary::{Raise, copy, export};
use nt_abi::NativeFn;
use nt_abi::irql::{HIGH_LEVEL, PASSIVE_LEVEL};
use nt_rtl::number::{self, Limits};

use crate::argument::{fault, load, rows, store, store_if};
use crate::crt_runtime::move_memory;
use crate::crt_string::{Character, EINVAL, ERANGE, length, map_in_place, put, text_at};

rows! { "ntoskrnl.exe", "nt-rtl";
    memcpy_s done "an error zeroes the target; no invalid-parameter handler";
    memmove_s done "no invalid-parameter handler";
    _memicmp done "ASCII";
    _memccpy done "";
    strncat done "";
    strspn done "";
    strcspn done "";
    strpbrk done "";
    strtok_s done "";
    _strset done "";
    _strnset done "";
    _strrev done "";
    _strlwr_s done "ASCII; an error empties the target";
    _strupr_s done "ASCII; an error empties the target";
    wcsspn done "";
    wcscspn done "";
    wcspbrk done "";
    wcstok_s done "";
    _wcsset done "";
    _wcsnset done "";
    _wcsrev done "";
    _wcslwr_s done "an error empties the target";
    _wcsupr_s done "an error empties the target";
    strtol done "";
    strtoul done "";
    wcstol done "";
    wcstoul done "";
    atol done "";
    _atoi64 done "";
    _wtoi done "";
    _wtol done "";
    _wtoi64 done "";
    _itoa done "";
    _itow done "";
    _ultoa done "";
    _ultow done "";
    _i64toa done "";
    _i64tow done "";
    _ui64toa done "";
    _ui64tow done "";
    _itoa_s done "an error empties the target";
    _itow_s done "an error empties the target";
    _ultoa_s done "an error empties the target";
    _ultow_s done "an error empties the target";
    _i64toa_s done "an error empties the target";
    _i64tow_s done "an error empties the target";
    _ui64toa_s done "an error empties the target";
    _ui64tow_s done "an error empties the target";
    isdigit done "ASCII";
    islower done "ASCII";
    isprint done "ASCII";
    isspace done "ASCII";
    isupper done "ASCII";
    isxdigit done "ASCII";
    iswalnum done "ASCII";
    iswalpha done "ASCII";
    iswascii done "";
    iswdigit done "ASCII";
    iswlower done "ASCII";
    iswspace done "ASCII";
    iswxdigit done "ASCII";
    qsort done "";
    bsearch done "";
    labs done "";
    rand done "one sequence for the machine's drivers";
    srand done "one sequence for the machine's drivers";
}

/// Largest text of a number: 64 binary digits and a sign.
const NUMBER: usize = 66;

/// How many characters at the start are (or are not) in a set.
fn span<C: Character>(text: usize, set: usize, inside: bool) -> Result<usize, Raise> {
    let set = text_at::<C>(set, usize::MAX)?;
    let text = text_at::<C>(text, usize::MAX)?;
    Ok(text.iter().take_while(|c| set.contains(c) == inside).count())
}

fn first_of<C: Character>(text: usize, set: usize) -> Result<usize, Raise> {
    let before = span::<C>(text, set, false)?;
    Ok(if before == length::<C>(text, usize::MAX)? { 0 } else { text + before * size_of::<C>() })
}

/// The next token; where the search goes on is kept at `context`.
fn token<C: Character>(text: usize, set: usize, context: *mut usize) -> Result<usize, Raise> {
    if context.is_null() || set == 0 {
        return Ok(0);
    }
    let start = if text == 0 { load(context, "strtok_s", "Context")? } else { text };
    if start == 0 {
        return Ok(0);
    }
    let begin = start + span::<C>(start, set, true)? * size_of::<C>();
    let units = span::<C>(begin, set, false)?;
    let end = begin + units * size_of::<C>();
    if copy::read_value::<C>(end).map_err(fault)? != C::default() {
        C::write(end, &[C::default()]).map_err(fault)?;
        store(context, end + size_of::<C>(), "strtok_s", "Context")?;
    } else {
        store(context, end, "strtok_s", "Context")?;
    }
    Ok(if units == 0 { 0 } else { begin })
}

fn fill<C: Character>(text: usize, c: C, limit: usize) -> Result<usize, Raise> {
    let units = length::<C>(text, limit)?;
    C::write(text, &vec![c; units]).map_err(fault)?;
    Ok(text)
}

fn reverse<C: Character>(text: usize) -> Result<usize, Raise> {
    let mut units = text_at::<C>(text, usize::MAX)?;
    units.reverse();
    C::write(text, &units).map_err(fault)?;
    Ok(text)
}

/// Changes case in a buffer of known size, in which the text must end.
fn recase<C: Character>(text: usize, capacity: usize, map: impl Fn(C) -> C) -> Result<i32, Raise> {
    if text == 0 || capacity == 0 {
        return Ok(EINVAL);
    }
    if length::<C>(text, capacity)? == capacity {
        put::<C>(text, 0, Vec::new())?;
        return Ok(EINVAL);
    }
    map_in_place(text, map).map(|_| 0)
}

fn units<C: Character>(text: usize) -> Result<Vec<u16>, Raise> {
    Ok(text_at::<C>(text, usize::MAX)?.into_iter().map(|c| c.into() as u16).collect())
}

/// The number that a text spells, within `limits`; where it ends is stored.
fn parse<C: Character>(text: usize, end: *mut usize, base: i32, limits: Limits) -> Result<i64, Raise> {
    let Some(found) = number::parse(&units::<C>(text)?, base, limits) else {
        store_if(end, text)?;
        return Ok(0);
    };
    store_if(end, text + found.end * size_of::<C>())?;
    Ok(found.value)
}

fn spell<C: Character>(value: u64, negative: bool, to: usize, base: i32) -> Result<usize, Raise> {
    let digits = number::spell(value, negative, base).unwrap_or_default();
    put(to, 0, C::of(&digits))?;
    Ok(to)
}

fn spell_secure<C: Character>(
    value: u64,
    negative: bool,
    (to, capacity): (usize, usize),
    base: i32,
) -> Result<i32, Raise> {
    if to == 0 || capacity == 0 {
        return Ok(EINVAL);
    }
    let Some(digits) = number::spell(value, negative, base) else {
        return put::<C>(to, 0, Vec::new()).map(|()| EINVAL);
    };
    if digits.len() >= capacity.min(NUMBER) {
        return put::<C>(to, 0, Vec::new()).map(|()| ERANGE);
    }
    put(to, 0, C::of(&digits)).map(|()| 0)
}

/// A signed number as magnitude and sign; only base 10 writes a sign.
fn signed(value: i64, bits: u32, base: i32) -> (u64, bool) {
    if base == 10 {
        (value.unsigned_abs(), value < 0)
    } else {
        (value as u64 & (u64::MAX >> (64 - bits)), false)
    }
}

fn class(c: i32, is: impl Fn(&u8) -> bool) -> Result<i32, Raise> {
    Ok(i32::from(u8::try_from(c).is_ok_and(|c| c.is_ascii() && is(&c))))
}

fn space(c: &u8) -> bool {
    matches!(c, 9..=13 | 32)
}

/// Sorts elements in place: the driver's routine compares copies of two of them. Never recurses.
fn sort(base: usize, count: usize, bytes: usize, compare: NativeFn) -> Result<(), Raise> {
    if count < 2 || bytes == 0 {
        return Ok(());
    }
    let mut all = vec![0u8; count * bytes];
    copy::read(base, &mut all).map_err(fault)?;
    // A merge sort: the number of calls is bounded whatever the routine answers.
    let mut order: Vec<usize> = (0..count).collect();
    let mut width = 1;
    while width < count {
        let mut merged = Vec::with_capacity(count);
        for run in order.chunks(width * 2) {
            let (mut left, mut right) = run.split_at(width.min(run.len()));
            while let ([a, behind_a @ ..], [b, behind_b @ ..]) = (left, right) {
                let arguments = [(base + a * bytes) as u64, (base + b * bytes) as u64];
                if boundary::call(compare, arguments)? as i32 > 0 {
                    merged.push(*b);
                    right = behind_b;
                } else {
                    merged.push(*a);
                    left = behind_a;
                }
            }
            merged.extend(left.iter().chain(right));
        }
        order = merged;
        width *= 2;
    }
    let sorted: Vec<u8> = order.iter().flat_map(|index| &all[index * bytes..][..bytes]).copied().collect();
    copy::write(base, &sorted).map_err(fault)
}

fn search(key: usize, base: usize, count: usize, bytes: usize, compare: NativeFn) -> Result<usize, Raise> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        let at = base + middle * bytes;
        match (boundary::call(compare, [key as u64, at as u64])? as i32).cmp(&0) {
            Ordering::Equal => return Ok(at),
            Ordering::Less => high = middle,
            Ordering::Greater => low = middle + 1,
        }
    }
    Ok(0)
}

export! {
    /// Copies into a buffer of known size.
    pub fn memcpy_s(to: usize, capacity: usize, from: usize, bytes: usize) -> i32 [irql <= HIGH_LEVEL] {
        if bytes == 0 {
            return Ok(0);
        }
        if to == 0 {
            return Ok(EINVAL);
        }
        if from == 0 || capacity < bytes {
            copy::fill(to, 0, capacity).map_err(fault)?;
            return Ok(if from == 0 { EINVAL } else { ERANGE });
        }
        move_memory(to, from, bytes).map(|()| 0)
    }

    /// Copies into a buffer of known size.
    pub fn memmove_s(to: usize, capacity: usize, from: usize, bytes: usize) -> i32 [irql <= HIGH_LEVEL] {
        match bytes {
            0 => Ok(0),
            _ if to == 0 || from == 0 => Ok(EINVAL),
            _ if capacity < bytes => Ok(ERANGE),
            _ => move_memory(to, from, bytes).map(|()| 0),
        }
    }

    /// Orders two ranges without regard to case.
    pub fn _memicmp(a: usize, b: usize, bytes: usize) -> i32 [irql <= HIGH_LEVEL] {
        let (mut left, mut right) = (vec![0; bytes], vec![0; bytes]);
        copy::read(a, &mut left).map_err(fault)?;
        copy::read(b, &mut right).map_err(fault)?;
        let fold = |c: &u8| i32::from(c.to_ascii_lowercase());
        Ok(left.iter().zip(&right).map(|(a, b)| fold(a) - fold(b)).find(|d| *d != 0).unwrap_or(0))
    }

    /// Copies up to and with a byte; the address behind it, or null when it did not come.
    pub fn _memccpy(to: usize, from: usize, byte: i32, bytes: usize) -> usize [irql <= HIGH_LEVEL] {
        for at in 0..bytes {
            let value = copy::read_value::<u8>(from + at).map_err(fault)?;
            copy::write_value(to + at, value).map_err(fault)?;
            if value == byte as u8 {
                return Ok(to + at + 1);
            }
        }
        Ok(0)
    }

    /// Appends at most `count` characters.
    pub fn strncat(to: usize, from: usize, count: usize) -> usize [irql <= HIGH_LEVEL] {
        put(to, length::<u8>(to, usize::MAX)?, text_at::<u8>(from, count)?)?;
        Ok(to)
    }

    /// How many characters are in a set.
    pub fn strspn(text: usize, set: usize) -> usize [irql <= HIGH_LEVEL] { span::<u8>(text, set, true) }
    /// How many characters are not in a set.
    pub fn strcspn(text: usize, set: usize) -> usize [irql <= HIGH_LEVEL] { span::<u8>(text, set, false) }
    /// The first character of a set.
    pub fn strpbrk(text: usize, set: usize) -> usize [irql <= HIGH_LEVEL] { first_of::<u8>(text, set) }
    /// The next token.
    pub fn strtok_s(text: usize, set: usize, context: *mut usize) -> usize [irql <= HIGH_LEVEL] { token::<u8>(text, set, context) }
    /// Replaces every character.
    pub fn _strset(text: usize, c: i32) -> usize [irql <= HIGH_LEVEL] { fill(text, c as u8, usize::MAX) }
    /// Replaces the first characters.
    pub fn _strnset(text: usize, c: i32, count: usize) -> usize [irql <= HIGH_LEVEL] { fill(text, c as u8, count) }
    /// Turns a text around.
    pub fn _strrev(text: usize) -> usize [irql <= HIGH_LEVEL] { reverse::<u8>(text) }
    /// Lower case, in place.
    pub fn _strlwr_s(text: usize, capacity: usize) -> i32 [irql <= HIGH_LEVEL] { recase(text, capacity, u8::lower) }
    /// Upper case, in place.
    pub fn _strupr_s(text: usize, capacity: usize) -> i32 [irql <= HIGH_LEVEL] { recase(text, capacity, u8::upper) }
    /// How many characters are in a set.
    pub fn wcsspn(text: usize, set: usize) -> usize [irql <= HIGH_LEVEL] { span::<u16>(text, set, true) }
    /// How many characters are not in a set.
    pub fn wcscspn(text: usize, set: usize) -> usize [irql <= HIGH_LEVEL] { span::<u16>(text, set, false) }
    /// The first character of a set.
    pub fn wcspbrk(text: usize, set: usize) -> usize [irql <= HIGH_LEVEL] { first_of::<u16>(text, set) }
    /// The next token.
    pub fn wcstok_s(text: usize, set: usize, context: *mut usize) -> usize [irql <= HIGH_LEVEL] { token::<u16>(text, set, context) }
    /// Replaces every character.
    pub fn _wcsset(text: usize, c: u16) -> usize [irql <= HIGH_LEVEL] { fill(text, c, usize::MAX) }
    /// Replaces the first characters.
    pub fn _wcsnset(text: usize, c: u16, count: usize) -> usize [irql <= HIGH_LEVEL] { fill(text, c, count) }
    /// Turns a text around.
    pub fn _wcsrev(text: usize) -> usize [irql <= HIGH_LEVEL] { reverse::<u16>(text) }
    /// Lower case, in place.
    pub fn _wcslwr_s(text: usize, capacity: usize) -> i32 [irql <= PASSIVE_LEVEL] { recase(text, capacity, u16::lower) }
    /// Upper case, in place.
    pub fn _wcsupr_s(text: usize, capacity: usize) -> i32 [irql <= PASSIVE_LEVEL] { recase(text, capacity, u16::upper) }

    /// The number that a text begins with.
    pub fn strtol(text: usize, end: *mut usize, base: i32) -> i32 [irql <= HIGH_LEVEL] { Ok(parse::<u8>(text, end, base, Limits::Signed32)? as i32) }
    /// The number that a text begins with.
    pub fn strtoul(text: usize, end: *mut usize, base: i32) -> u32 [irql <= HIGH_LEVEL] { Ok(parse::<u8>(text, end, base, Limits::Unsigned32)? as u32) }
    /// The number that a text begins with.
    pub fn wcstol(text: usize, end: *mut usize, base: i32) -> i32 [irql <= HIGH_LEVEL] { Ok(parse::<u16>(text, end, base, Limits::Signed32)? as i32) }
    /// The number that a text begins with.
    pub fn wcstoul(text: usize, end: *mut usize, base: i32) -> u32 [irql <= HIGH_LEVEL] { Ok(parse::<u16>(text, end, base, Limits::Unsigned32)? as u32) }
    /// The number that a text begins with.
    pub fn atol(text: usize) -> i32 [irql <= HIGH_LEVEL] { Ok(parse::<u8>(text, std::ptr::null_mut(), 10, Limits::Signed32)? as i32) }
    /// The number that a text begins with.
    pub fn _atoi64(text: usize) -> i64 [irql <= HIGH_LEVEL] { parse::<u8>(text, std::ptr::null_mut(), 10, Limits::Signed64) }
    /// The number that a text begins with.
    pub fn _wtoi(text: usize) -> i32 [irql <= HIGH_LEVEL] { Ok(parse::<u16>(text, std::ptr::null_mut(), 10, Limits::Signed32)? as i32) }
    /// The number that a text begins with.
    pub fn _wtol(text: usize) -> i32 [irql <= HIGH_LEVEL] { Ok(parse::<u16>(text, std::ptr::null_mut(), 10, Limits::Signed32)? as i32) }
    /// The number that a text begins with.
    pub fn _wtoi64(text: usize) -> i64 [irql <= HIGH_LEVEL] { parse::<u16>(text, std::ptr::null_mut(), 10, Limits::Signed64) }

    /// Spells a number.
    pub fn _itoa(value: i32, to: usize, base: i32) -> usize [irql <= HIGH_LEVEL] { let (value, negative) = signed(value.into(), 32, base); spell::<u8>(value, negative, to, base) }
    /// Spells a number.
    pub fn _itow(value: i32, to: usize, base: i32) -> usize [irql <= HIGH_LEVEL] { let (value, negative) = signed(value.into(), 32, base); spell::<u16>(value, negative, to, base) }
    /// Spells a number.
    pub fn _ultoa(value: u32, to: usize, base: i32) -> usize [irql <= HIGH_LEVEL] { spell::<u8>(value.into(), false, to, base) }
    /// Spells a number.
    pub fn _ultow(value: u32, to: usize, base: i32) -> usize [irql <= HIGH_LEVEL] { spell::<u16>(value.into(), false, to, base) }
    /// Spells a number.
    pub fn _i64toa(value: i64, to: usize, base: i32) -> usize [irql <= HIGH_LEVEL] { let (value, negative) = signed(value, 64, base); spell::<u8>(value, negative, to, base) }
    /// Spells a number.
    pub fn _i64tow(value: i64, to: usize, base: i32) -> usize [irql <= HIGH_LEVEL] { let (value, negative) = signed(value, 64, base); spell::<u16>(value, negative, to, base) }
    /// Spells a number.
    pub fn _ui64toa(value: u64, to: usize, base: i32) -> usize [irql <= HIGH_LEVEL] { spell::<u8>(value, false, to, base) }
    /// Spells a number.
    pub fn _ui64tow(value: u64, to: usize, base: i32) -> usize [irql <= HIGH_LEVEL] { spell::<u16>(value, false, to, base) }
    /// Spells a number into a buffer of known size.
    pub fn _itoa_s(value: i32, to: usize, capacity: usize, base: i32) -> i32 [irql <= HIGH_LEVEL] { let (value, negative) = signed(value.into(), 32, base); spell_secure::<u8>(value, negative, (to, capacity), base) }
    /// Spells a number into a buffer of known size.
    pub fn _itow_s(value: i32, to: usize, capacity: usize, base: i32) -> i32 [irql <= HIGH_LEVEL] { let (value, negative) = signed(value.into(), 32, base); spell_secure::<u16>(value, negative, (to, capacity), base) }
    /// Spells a number into a buffer of known size.
    pub fn _ultoa_s(value: u32, to: usize, capacity: usize, base: i32) -> i32 [irql <= HIGH_LEVEL] { spell_secure::<u8>(value.into(), false, (to, capacity), base) }
    /// Spells a number into a buffer of known size.
    pub fn _ultow_s(value: u32, to: usize, capacity: usize, base: i32) -> i32 [irql <= HIGH_LEVEL] { spell_secure::<u16>(value.into(), false, (to, capacity), base) }
    /// Spells a number into a buffer of known size.
    pub fn _i64toa_s(value: i64, to: usize, capacity: usize, base: i32) -> i32 [irql <= HIGH_LEVEL] { let (value, negative) = signed(value, 64, base); spell_secure::<u8>(value, negative, (to, capacity), base) }
    /// Spells a number into a buffer of known size.
    pub fn _i64tow_s(value: i64, to: usize, capacity: usize, base: i32) -> i32 [irql <= HIGH_LEVEL] { let (value, negative) = signed(value, 64, base); spell_secure::<u16>(value, negative, (to, capacity), base) }
    /// Spells a number into a buffer of known size.
    pub fn _ui64toa_s(value: u64, to: usize, capacity: usize, base: i32) -> i32 [irql <= HIGH_LEVEL] { spell_secure::<u8>(value, false, (to, capacity), base) }
    /// Spells a number into a buffer of known size.
    pub fn _ui64tow_s(value: u64, to: usize, capacity: usize, base: i32) -> i32 [irql <= HIGH_LEVEL] { spell_secure::<u16>(value, false, (to, capacity), base) }

    /// Whether it is a digit.
    pub fn isdigit(c: i32) -> i32 [irql <= HIGH_LEVEL] { class(c, u8::is_ascii_digit) }
    /// Whether it is lower case.
    pub fn islower(c: i32) -> i32 [irql <= HIGH_LEVEL] { class(c, u8::is_ascii_lowercase) }
    /// Whether it prints.
    pub fn isprint(c: i32) -> i32 [irql <= HIGH_LEVEL] { class(c, |c| (0x20..0x7F).contains(c)) }
    /// Whether it is white space.
    pub fn isspace(c: i32) -> i32 [irql <= HIGH_LEVEL] { class(c, space) }
    /// Whether it is upper case.
    pub fn isupper(c: i32) -> i32 [irql <= HIGH_LEVEL] { class(c, u8::is_ascii_uppercase) }
    /// Whether it is a hexadecimal digit.
    pub fn isxdigit(c: i32) -> i32 [irql <= HIGH_LEVEL] { class(c, u8::is_ascii_hexdigit) }
    /// Whether it is a letter or digit.
    pub fn iswalnum(c: u16) -> i32 [irql <= HIGH_LEVEL] { class(c.into(), u8::is_ascii_alphanumeric) }
    /// Whether it is a letter.
    pub fn iswalpha(c: u16) -> i32 [irql <= HIGH_LEVEL] { class(c.into(), u8::is_ascii_alphabetic) }
    /// Whether it is ASCII.
    pub fn iswascii(c: u16) -> i32 [irql <= HIGH_LEVEL] { Ok(i32::from(c < 0x80)) }
    /// Whether it is a digit.
    pub fn iswdigit(c: u16) -> i32 [irql <= HIGH_LEVEL] { class(c.into(), u8::is_ascii_digit) }
    /// Whether it is lower case.
    pub fn iswlower(c: u16) -> i32 [irql <= HIGH_LEVEL] { class(c.into(), u8::is_ascii_lowercase) }
    /// Whether it is white space.
    pub fn iswspace(c: u16) -> i32 [irql <= HIGH_LEVEL] { class(c.into(), space) }
    /// Whether it is a hexadecimal digit.
    pub fn iswxdigit(c: u16) -> i32 [irql <= HIGH_LEVEL] { class(c.into(), u8::is_ascii_hexdigit) }

    /// Sorts.
    pub fn qsort(base: usize, count: usize, bytes: usize, compare: NativeFn) -> () [irql <= HIGH_LEVEL] { sort(base, count, bytes, compare) }
    /// Finds in what is sorted.
    pub fn bsearch(key: usize, base: usize, count: usize, bytes: usize, compare: NativeFn) -> usize [irql <= HIGH_LEVEL] { search(key, base, count, bytes, compare) }
    /// Absolute value.
    pub fn labs(value: i32) -> i32 [irql <= HIGH_LEVEL] { Ok(value.wrapping_abs()) }
    /// The next number of 0 to 32767.
    pub fn rand() -> i32 [irql <= HIGH_LEVEL] { Ok(crate::data::random(None)) }
    /// Begins the sequence anew.
    pub fn srand(seed: u32) -> () [irql <= HIGH_LEVEL] { Ok(_ = crate::data::random(Some(seed))) }
}
