//! The C run-time library: zero-terminated strings, narrow and wide.

use boundary::{Raise, copy, export};
use nt_abi::irql::{HIGH_LEVEL, PASSIVE_LEVEL};
use nt_rtl::string::write_units;
use nt_rtl::{downcase, upcase};

use crate::argument::{fault, rows};

rows! { "ntoskrnl.exe", "nt-rtl";
    strlen done "";
    strnlen done "";
    strcmp done "";
    strncmp done "";
    _stricmp done "ASCII";
    _strnicmp done "ASCII";
    strchr done "";
    strrchr done "";
    strstr done "";
    strcpy done "";
    strncpy done "";
    strcat done "";
    strcpy_s done "an error empties the target; no invalid-parameter handler";
    strncpy_s done "as strcpy_s";
    strcat_s done "as strcpy_s";
    _strupr done "ASCII";
    _strlwr done "ASCII";
    wcslen done "";
    wcsnlen done "";
    wcscmp done "";
    wcsncmp done "";
    _wcsicmp done "";
    _wcsnicmp done "";
    wcschr done "";
    wcsrchr done "";
    wcsstr done "";
    wcscpy done "";
    wcsncpy done "";
    wcscat done "";
    wcsncat done "";
    wcscpy_s done "an error empties the target; no invalid-parameter handler";
    wcsncpy_s done "as wcscpy_s";
    wcscat_s done "as wcscpy_s";
    wcsncat_s done "as wcscpy_s";
    _wcsupr done "";
    _wcslwr done "";
}

pub(crate) const EINVAL: i32 = 22;
pub(crate) const ERANGE: i32 = 34;
const STRUNCATE: i32 = 80;
/// `_TRUNCATE`.
const TRUNCATE: usize = usize::MAX;

/// A character of a string.
pub(crate) trait Character: Copy + Default + PartialEq + Ord + Into<i32> {
    fn upper(self) -> Self;
    fn lower(self) -> Self;
    fn write(to: usize, text: &[Self]) -> Result<(), copy::BadAddress>;
    fn of(ascii: &str) -> Vec<Self>;
}

impl Character for u8 {
    fn upper(self) -> Self {
        self.to_ascii_uppercase()
    }
    fn lower(self) -> Self {
        self.to_ascii_lowercase()
    }
    fn write(to: usize, text: &[Self]) -> Result<(), copy::BadAddress> {
        copy::write(to, text)
    }
    fn of(ascii: &str) -> Vec<Self> {
        ascii.bytes().collect()
    }
}

impl Character for u16 {
    fn upper(self) -> Self {
        upcase(self)
    }
    fn lower(self) -> Self {
        downcase(self)
    }
    fn write(to: usize, text: &[Self]) -> Result<(), copy::BadAddress> {
        write_units(to, text)
    }
    fn of(ascii: &str) -> Vec<Self> {
        ascii.encode_utf16().collect()
    }
}

/// The characters at `address` up to a zero, at most `limit`.
pub(crate) fn text_at<C: Character>(address: usize, limit: usize) -> Result<Vec<C>, Raise> {
    let mut text = Vec::new();
    while text.len() < limit {
        let c = copy::read_value::<C>(address.wrapping_add(text.len() * size_of::<C>())).map_err(fault)?;
        if c == C::default() {
            break;
        }
        text.push(c);
    }
    Ok(text)
}

/// The bytes of a zero-terminated string.
pub(crate) fn bytes_at(address: usize) -> Result<Vec<u8>, Raise> {
    text_at(address, usize::MAX)
}

pub(crate) fn length<C: Character>(address: usize, limit: usize) -> Result<usize, Raise> {
    text_at::<C>(address, limit).map(|text| text.len())
}

/// Reads both strings in step, so that nothing behind the first difference is touched.
fn compare<C: Character>(a: usize, b: usize, limit: usize, fold: impl Fn(C) -> C) -> Result<i32, Raise> {
    for index in 0..limit {
        let at = index.wrapping_mul(size_of::<C>());
        let left = fold(copy::read_value::<C>(a.wrapping_add(at)).map_err(fault)?);
        let right = fold(copy::read_value::<C>(b.wrapping_add(at)).map_err(fault)?);
        if left != right || left == C::default() {
            let (left, right): (i32, i32) = (left.into(), right.into());
            return Ok(left - right);
        }
    }
    Ok(0)
}

fn first<C: Character>(address: usize, wanted: C) -> Result<usize, Raise> {
    let mut at = address;
    loop {
        let c = copy::read_value::<C>(at).map_err(fault)?;
        if c == wanted {
            return Ok(at);
        }
        if c == C::default() {
            return Ok(0);
        }
        at = at.wrapping_add(size_of::<C>());
    }
}

fn last<C: Character>(address: usize, wanted: C) -> Result<usize, Raise> {
    let mut text = text_at::<C>(address, usize::MAX)?;
    text.push(C::default());
    Ok(text.iter().rposition(|c| *c == wanted).map_or(0, |index| address + index * size_of::<C>()))
}

fn find<C: Character>(text: usize, pattern: usize) -> Result<usize, Raise> {
    let wanted = text_at::<C>(pattern, usize::MAX)?;
    if wanted.is_empty() {
        return Ok(text);
    }
    let whole = text_at::<C>(text, usize::MAX)?;
    let place = whole.windows(wanted.len()).position(|window| window == wanted);
    Ok(place.map_or(0, |index| text + index * size_of::<C>()))
}

/// Writes `source` and a zero behind what `to` has from unit `from` on.
pub(crate) fn put<C: Character>(to: usize, from: usize, mut source: Vec<C>) -> Result<(), Raise> {
    source.push(C::default());
    C::write(to.wrapping_add(from * size_of::<C>()), &source).map_err(fault)
}

/// `strncpy`: pads with zeroes, adds none when cut.
fn copy_padded<C: Character>(to: usize, from: usize, count: usize) -> Result<usize, Raise> {
    let mut text = text_at::<C>(from, count)?;
    text.resize(count, C::default());
    C::write(to, &text).map_err(fault)?;
    Ok(to)
}

/// The secure copies: `to` has room for `capacity` characters, at most `count` are copied behind the first `keep`.
fn copy_secure<C: Character>(
    to: usize,
    capacity: usize,
    from: usize,
    count: usize,
    append: bool,
) -> Result<i32, Raise> {
    if to == 0 || capacity == 0 {
        return Ok(if to != 0 || capacity != 0 || count != 0 { EINVAL } else { 0 });
    }
    let empty = |code: i32| put::<C>(to, 0, Vec::new()).map(|()| code);
    let kept = if append { length::<C>(to, capacity)? } else { 0 };
    if kept == capacity {
        return empty(EINVAL);
    }
    if from == 0 {
        return if count == 0 && append { Ok(0) } else { empty(if count == 0 { 0 } else { EINVAL }) };
    }
    let room = capacity - kept;
    let limit = if count == TRUNCATE { room } else { count.min(room) };
    let mut text = text_at::<C>(from, limit)?;
    if text.len() < room {
        return put(to, kept, text).map(|()| 0);
    }
    if count == TRUNCATE {
        text.truncate(room - 1);
        return put(to, kept, text).map(|()| STRUNCATE);
    }
    empty(ERANGE)
}

/// The whole string or an error: what the copies without a count do.
const WHOLE: usize = usize::MAX - 1;

pub(crate) fn map_in_place<C: Character>(address: usize, map: impl Fn(C) -> C) -> Result<usize, Raise> {
    let text: Vec<C> = text_at::<C>(address, usize::MAX)?.into_iter().map(map).collect();
    C::write(address, &text).map_err(fault)?;
    Ok(address)
}

fn same<C>(c: C) -> C {
    c
}

export! {
    /// Characters before the zero.
    pub fn strlen(text: usize) -> usize [irql <= HIGH_LEVEL] { length::<u8>(text, usize::MAX) }
    /// The same, at most `limit`.
    pub fn strnlen(text: usize, limit: usize) -> usize [irql <= HIGH_LEVEL] { length::<u8>(text, limit) }
    /// Orders.
    pub fn strcmp(a: usize, b: usize) -> i32 [irql <= HIGH_LEVEL] { compare::<u8>(a, b, usize::MAX, same) }
    /// Orders at most `count` characters.
    pub fn strncmp(a: usize, b: usize, count: usize) -> i32 [irql <= HIGH_LEVEL] { compare::<u8>(a, b, count, same) }
    /// Orders without regard to case.
    pub fn _stricmp(a: usize, b: usize) -> i32 [irql <= HIGH_LEVEL] { compare::<u8>(a, b, usize::MAX, u8::lower) }
    /// Orders at most `count` characters without regard to case.
    pub fn _strnicmp(a: usize, b: usize, count: usize) -> i32 [irql <= HIGH_LEVEL] { compare::<u8>(a, b, count, u8::lower) }
    /// First place of a character.
    pub fn strchr(text: usize, c: i32) -> usize [irql <= HIGH_LEVEL] { first::<u8>(text, c as u8) }
    /// Last place of a character.
    pub fn strrchr(text: usize, c: i32) -> usize [irql <= HIGH_LEVEL] { last::<u8>(text, c as u8) }
    /// First place of a string.
    pub fn strstr(text: usize, pattern: usize) -> usize [irql <= HIGH_LEVEL] { find::<u8>(text, pattern) }
    /// Copies.
    pub fn strcpy(to: usize, from: usize) -> usize [irql <= HIGH_LEVEL] { put(to, 0, bytes_at(from)?)?; Ok(to) }
    /// Copies and pads.
    pub fn strncpy(to: usize, from: usize, count: usize) -> usize [irql <= HIGH_LEVEL] { copy_padded::<u8>(to, from, count) }
    /// Appends.
    pub fn strcat(to: usize, from: usize) -> usize [irql <= HIGH_LEVEL] {
        put(to, length::<u8>(to, usize::MAX)?, bytes_at(from)?)?;
        Ok(to)
    }
    /// Copies into a buffer of known size.
    pub fn strcpy_s(to: usize, capacity: usize, from: usize) -> i32 [irql <= HIGH_LEVEL] {
        copy_secure::<u8>(to, capacity, from, WHOLE, false)
    }
    /// Copies at most `count` characters into a buffer of known size.
    pub fn strncpy_s(to: usize, capacity: usize, from: usize, count: usize) -> i32 [irql <= HIGH_LEVEL] {
        copy_secure::<u8>(to, capacity, from, count, false)
    }
    /// Appends in a buffer of known size.
    pub fn strcat_s(to: usize, capacity: usize, from: usize) -> i32 [irql <= HIGH_LEVEL] {
        copy_secure::<u8>(to, capacity, from, WHOLE, true)
    }
    /// Upper case, in place.
    pub fn _strupr(text: usize) -> usize [irql <= HIGH_LEVEL] { map_in_place(text, u8::upper) }
    /// Lower case, in place.
    pub fn _strlwr(text: usize) -> usize [irql <= HIGH_LEVEL] { map_in_place(text, u8::lower) }

    /// Characters before the zero.
    pub fn wcslen(text: usize) -> usize [irql <= HIGH_LEVEL] { length::<u16>(text, usize::MAX) }
    /// The same, at most `limit`.
    pub fn wcsnlen(text: usize, limit: usize) -> usize [irql <= HIGH_LEVEL] { length::<u16>(text, limit) }
    /// Orders.
    pub fn wcscmp(a: usize, b: usize) -> i32 [irql <= HIGH_LEVEL] { compare::<u16>(a, b, usize::MAX, same) }
    /// Orders at most `count` characters.
    pub fn wcsncmp(a: usize, b: usize, count: usize) -> i32 [irql <= HIGH_LEVEL] { compare::<u16>(a, b, count, same) }
    /// Orders without regard to case.
    pub fn _wcsicmp(a: usize, b: usize) -> i32 [irql <= PASSIVE_LEVEL] { compare::<u16>(a, b, usize::MAX, u16::lower) }
    /// Orders at most `count` characters without regard to case.
    pub fn _wcsnicmp(a: usize, b: usize, count: usize) -> i32 [irql <= PASSIVE_LEVEL] { compare::<u16>(a, b, count, u16::lower) }
    /// First place of a character.
    pub fn wcschr(text: usize, c: u16) -> usize [irql <= HIGH_LEVEL] { first::<u16>(text, c) }
    /// Last place of a character.
    pub fn wcsrchr(text: usize, c: u16) -> usize [irql <= HIGH_LEVEL] { last::<u16>(text, c) }
    /// First place of a string.
    pub fn wcsstr(text: usize, pattern: usize) -> usize [irql <= HIGH_LEVEL] { find::<u16>(text, pattern) }
    /// Copies.
    pub fn wcscpy(to: usize, from: usize) -> usize [irql <= HIGH_LEVEL] {
        put(to, 0, text_at::<u16>(from, usize::MAX)?)?;
        Ok(to)
    }
    /// Copies and pads.
    pub fn wcsncpy(to: usize, from: usize, count: usize) -> usize [irql <= HIGH_LEVEL] { copy_padded::<u16>(to, from, count) }
    /// Appends.
    pub fn wcscat(to: usize, from: usize) -> usize [irql <= HIGH_LEVEL] {
        put(to, length::<u16>(to, usize::MAX)?, text_at::<u16>(from, usize::MAX)?)?;
        Ok(to)
    }
    /// Appends at most `count` characters.
    pub fn wcsncat(to: usize, from: usize, count: usize) -> usize [irql <= HIGH_LEVEL] {
        put(to, length::<u16>(to, usize::MAX)?, text_at::<u16>(from, count)?)?;
        Ok(to)
    }
    /// Copies into a buffer of known size.
    pub fn wcscpy_s(to: usize, capacity: usize, from: usize) -> i32 [irql <= HIGH_LEVEL] {
        copy_secure::<u16>(to, capacity, from, WHOLE, false)
    }
    /// Copies at most `count` characters into a buffer of known size.
    pub fn wcsncpy_s(to: usize, capacity: usize, from: usize, count: usize) -> i32 [irql <= HIGH_LEVEL] {
        copy_secure::<u16>(to, capacity, from, count, false)
    }
    /// Appends in a buffer of known size.
    pub fn wcscat_s(to: usize, capacity: usize, from: usize) -> i32 [irql <= HIGH_LEVEL] {
        copy_secure::<u16>(to, capacity, from, WHOLE, true)
    }
    /// Appends at most `count` characters in a buffer of known size.
    pub fn wcsncat_s(to: usize, capacity: usize, from: usize, count: usize) -> i32 [irql <= HIGH_LEVEL] {
        copy_secure::<u16>(to, capacity, from, count, true)
    }
    /// Upper case, in place.
    pub fn _wcsupr(text: usize) -> usize [irql <= PASSIVE_LEVEL] { map_in_place(text, u16::upper) }
    /// Lower case, in place.
    pub fn _wcslwr(text: usize) -> usize [irql <= PASSIVE_LEVEL] { map_in_place(text, u16::lower) }
}
