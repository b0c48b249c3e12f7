//! Rtl: counted strings of bytes, and what counted UTF-16 strings have beside the basics of `rtl`.

use boundary::{Raise, copy, export};
use nt_abi::irql::{DISPATCH_LEVEL, HIGH_LEVEL, PASSIVE_LEVEL};
use nt_abi::{NtStatus, STRING, UNICODE_STRING};
use nt_rtl::string::{read_units, read_zero_terminated_bytes};
use nt_rtl::{AnsiStr, UnicodeStr, ansi, case};

use crate::argument::{arg, fault, optional, rows, status};
use crate::flt_string::units;

rows! { "ntoskrnl.exe", "nt-rtl";
    RtlInitAnsiStringEx done "";
    RtlInitStringEx done "";
    RtlCopyString done "";
    RtlAppendStringToString done "";
    RtlAppendAsciizToString done "";
    RtlCompareString done "code page 1252";
    RtlEqualString done "code page 1252";
    RtlPrefixString done "code page 1252";
    RtlUpperString done "code page 1252";
    RtlUpperChar done "code page 1252";
    RtlCompareUnicodeStrings done "";
    RtlSuffixUnicodeString done "";
    RtlDowncaseUnicodeString done "";
    RtlDuplicateUnicodeString done "";
    RtlValidateUnicodeString done "";
    RtlCreateUnicodeString done "";
    RtlEraseUnicodeString done "";
}

/// The bytes of a driver's string.
pub(crate) fn bytes(string: &STRING) -> Result<Vec<u8>, Raise> {
    let mut bytes = vec![0u8; usize::from(string.Length.get())];
    if !bytes.is_empty() {
        copy::read(string.Buffer.get() as usize, &mut bytes).map_err(fault)?;
    }
    Ok(bytes)
}

/// Upper case of a byte of the ANSI code page; a byte whose upper case is not in it stays.
fn upper(byte: u8) -> u8 {
    let unit = nt_rtl::upcase(ansi::to_unit(byte));
    match ansi::to_byte(unit) {
        b'?' if byte != b'?' => byte,
        upper => upper,
    }
}

fn folded(bytes: Vec<u8>, insensitive: u8) -> Vec<u8> {
    if insensitive == 0 { bytes } else { bytes.into_iter().map(upper).collect() }
}

/// Writes bytes behind the first `at` of a string that has room, and sets its length.
fn put(string: &STRING, at: usize, bytes: &[u8]) -> Result<(), Raise> {
    copy::write(string.Buffer.get() as usize + at, bytes).map_err(fault)?;
    string.Length.set((at + bytes.len()) as u16);
    Ok(())
}

fn append(string: &STRING, bytes: &[u8]) -> Result<NtStatus, Raise> {
    let at = usize::from(string.Length.get());
    if at + bytes.len() > usize::from(string.MaximumLength.get()) {
        return Ok(NtStatus::BUFFER_TOO_SMALL);
    }
    put(string, at, bytes)?;
    Ok(NtStatus::SUCCESS)
}

/// RTL_DUPLICATE_UNICODE_STRING_NULL_TERMINATE and …_ALLOCATE_NULL_STRING.
const NULL_TERMINATE: u32 = 1;
const ALLOCATE_NULL_STRING: u32 = 2;

fn is_valid(string: &UNICODE_STRING) -> bool {
    let (length, maximum) = (string.Length.get(), string.MaximumLength.get());
    length % 2 == 0
        && maximum % 2 == 0
        && length <= maximum
        && (!string.Buffer.get().is_null() || maximum == 0)
}

/// Names a zero-terminated string unless it is too long.
fn init(target: &STRING, source: usize) -> Result<NtStatus, Raise> {
    if source != 0 && read_zero_terminated_bytes(source, 0xFFFF).map_err(fault)?.len() > 0xFFFE {
        return Ok(NtStatus::NAME_TOO_LONG);
    }
    Ok(status(AnsiStr(target).init(source)))
}

export! {
    /// Names a zero-terminated string, or fails when it is too long.
    pub fn RtlInitAnsiStringEx(target: *mut STRING, source: usize) -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(RtlInitAnsiStringEx: target);
        init(target, source)
    }

    /// Names a zero-terminated string, or fails when it is too long.
    pub fn RtlInitStringEx(target: *mut STRING, source: usize) -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(RtlInitStringEx: target);
        init(target, source)
    }

    /// Copies as much as fits.
    pub fn RtlCopyString(target: *mut STRING, source: *mut STRING) -> () [irql <= DISPATCH_LEVEL] {
        arg!(RtlCopyString: target);
        let mut from = match optional(source, "RtlCopyString", "SourceString")? {
            Some(source) => bytes(source)?,
            None => Vec::new(),
        };
        from.truncate(target.MaximumLength.get().into());
        put(target, 0, &from)
    }

    /// Appends a counted string.
    pub fn RtlAppendStringToString(target: *mut STRING, source: *mut STRING) -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(RtlAppendStringToString: target, source);
        append(target, &bytes(source)?)
    }

    /// Appends a zero-terminated string.
    pub fn RtlAppendAsciizToString(target: *mut STRING, source: usize) -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(RtlAppendAsciizToString: target);
        if source == 0 {
            return Ok(NtStatus::SUCCESS);
        }
        append(target, &read_zero_terminated_bytes(source, 0x10000).map_err(fault)?)
    }

    /// Orders two strings.
    pub fn RtlCompareString(first: *mut STRING, second: *mut STRING, insensitive: u8) -> i32 [irql <= PASSIVE_LEVEL] {
        arg!(RtlCompareString: first, second);
        let (first, second) = (folded(bytes(first)?, insensitive), folded(bytes(second)?, insensitive));
        let differing = first.iter().zip(&second).map(|(a, b)| i32::from(*a) - i32::from(*b)).find(|d| *d != 0);
        Ok(differing.unwrap_or(first.len() as i32 - second.len() as i32))
    }

    /// Whether two strings are equal.
    pub fn RtlEqualString(first: *mut STRING, second: *mut STRING, insensitive: u8) -> bool [irql <= PASSIVE_LEVEL] {
        arg!(RtlEqualString: first, second);
        Ok(folded(bytes(first)?, insensitive) == folded(bytes(second)?, insensitive))
    }

    /// Whether one string begins with another.
    pub fn RtlPrefixString(prefix: *mut STRING, whole: *mut STRING, insensitive: u8) -> bool [irql <= PASSIVE_LEVEL] {
        arg!(RtlPrefixString: prefix, whole);
        Ok(folded(bytes(whole)?, insensitive).starts_with(&folded(bytes(prefix)?, insensitive)))
    }

    /// Upper case of as much as fits.
    pub fn RtlUpperString(target: *mut STRING, source: *mut STRING) -> () [irql <= PASSIVE_LEVEL] {
        arg!(RtlUpperString: target, source);
        let mut from = folded(bytes(source)?, 1);
        from.truncate(target.MaximumLength.get().into());
        put(target, 0, &from)
    }

    /// Upper case of a byte.
    pub fn RtlUpperChar(byte: u8) -> u8 [irql <= PASSIVE_LEVEL] { Ok(upper(byte)) }

    /// Orders two runs of units.
    pub fn RtlCompareUnicodeStrings(first: usize, first_units: usize, second: usize, second_units: usize, insensitive: u8) -> i32 [irql <= PASSIVE_LEVEL] {
        let first = read_units(first, first_units).map_err(fault)?;
        let second = read_units(second, second_units).map_err(fault)?;
        let fold = |unit: &u16| if insensitive != 0 { nt_rtl::upcase(*unit) } else { *unit };
        let differing = first.iter().zip(&second).map(|(a, b)| i32::from(fold(a)) - i32::from(fold(b))).find(|d| *d != 0);
        Ok(differing.unwrap_or((first.len() as i64 - second.len() as i64).clamp(-0x7FFF_FFFF, 0x7FFF_FFFF) as i32))
    }

    /// Whether one string ends with another.
    pub fn RtlSuffixUnicodeString(suffix: *mut UNICODE_STRING, whole: *mut UNICODE_STRING, insensitive: u8) -> bool [irql <= PASSIVE_LEVEL] {
        arg!(RtlSuffixUnicodeString: suffix, whole);
        let (suffix, whole) = (units(suffix)?, units(whole)?);
        let tail = whole.len().checked_sub(suffix.len()).map(|start| &whole[start..]);
        Ok(tail.is_some_and(|tail| case::equal(&suffix, tail, insensitive != 0)))
    }

    /// Lower case of a string.
    pub fn RtlDowncaseUnicodeString(target: *mut UNICODE_STRING, source: *mut UNICODE_STRING, allocate: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlDowncaseUnicodeString: target, source);
        let lower: Vec<u16> = units(source)?.into_iter().map(nt_rtl::downcase).collect();
        Ok(status(UnicodeStr(target).fill(&lower, allocate != 0)))
    }

    /// A copy in new memory.
    pub fn RtlDuplicateUnicodeString(flags: u32, source: *mut UNICODE_STRING, target: *mut UNICODE_STRING) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlDuplicateUnicodeString: source, target);
        let bad = flags & !(NULL_TERMINATE | ALLOCATE_NULL_STRING) != 0
            || flags == ALLOCATE_NULL_STRING
            || !is_valid(source);
        if bad {
            return Ok(NtStatus::INVALID_PARAMETER);
        }
        let text = units(source)?;
        if text.is_empty() && flags & ALLOCATE_NULL_STRING == 0 {
            target.Length.set(0);
            target.MaximumLength.set(0);
            target.Buffer.set(std::ptr::null_mut());
            return Ok(NtStatus::SUCCESS);
        }
        if text.len() * 2 + 2 > nt_rtl::string::MAXIMUM_BYTES && flags & NULL_TERMINATE != 0 {
            return Ok(NtStatus::NAME_TOO_LONG);
        }
        let done = UnicodeStr(target).allocate(&text);
        if done.is_ok() && flags & NULL_TERMINATE == 0 {
            target.MaximumLength.set(target.Length.get());
        }
        Ok(status(done))
    }

    /// Whether a string's lengths are possible.
    pub fn RtlValidateUnicodeString(flags: u32, string: *mut UNICODE_STRING) -> NtStatus [irql <= HIGH_LEVEL] {
        let valid = match optional(string, "RtlValidateUnicodeString", "String")? {
            Some(string) => is_valid(string),
            None => true,
        };
        Ok(if flags == 0 && valid { NtStatus::SUCCESS } else { NtStatus::INVALID_PARAMETER })
    }

    /// A copy of a zero-terminated string in new memory.
    pub fn RtlCreateUnicodeString(target: *mut UNICODE_STRING, source: usize) -> bool [irql <= PASSIVE_LEVEL] {
        arg!(RtlCreateUnicodeString: target);
        let text = nt_rtl::string::read_zero_terminated(source, 0x8000).map_err(fault)?;
        Ok(UnicodeStr(target).allocate(&text).is_ok())
    }

    /// Zeroes a string's buffer.
    pub fn RtlEraseUnicodeString(string: *mut UNICODE_STRING) -> () [irql <= PASSIVE_LEVEL] {
        arg!(RtlEraseUnicodeString: string);
        if !string.Buffer.get().is_null() {
            copy::fill(string.Buffer.get() as usize, 0, string.MaximumLength.get().into()).map_err(fault)?;
        }
        string.Length.set(0);
        Ok(())
    }
}
