//! Rtl: counted strings and integers.

use std::mem::offset_of;

use boundary::export;
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL, PASSIVE_LEVEL};
use nt_abi::{NtStatus, RTL_OSVERSIONINFOEXW, STRING, UNICODE_STRING};
use nt_rtl::{AnsiStr, UnicodeStr, ansi, integer, string, time};

use crate::argument::{arg, fault, load, optional, raised, rows, status, store};

rows! { "ntoskrnl.exe", "nt-rtl";
    RtlInitUnicodeString done "";
    RtlInitUnicodeStringEx done "";
    RtlInitAnsiString done "";
    RtlInitString done "";
    RtlCopyUnicodeString done "";
    RtlAppendUnicodeStringToString done "";
    RtlAppendUnicodeToString done "";
    RtlCompareUnicodeString done "";
    RtlEqualUnicodeString done "";
    RtlPrefixUnicodeString done "";
    RtlHashUnicodeString done "";
    RtlUpcaseUnicodeString done "";
    RtlDowncaseUnicodeChar done "";
    RtlUpcaseUnicodeChar done "";
    RtlFreeUnicodeString done "";
    RtlFreeAnsiString done "";
    RtlUnicodeStringToAnsiString done "code page 1252";
    RtlAnsiStringToUnicodeString done "code page 1252";
    RtlUnicodeStringToInteger done "";
    RtlIntegerToUnicodeString done "";
    RtlInt64ToUnicodeString done "";
    RtlTimeToTimeFields done "";
    RtlTimeFieldsToTime done "";
    RtlGetVersion done "10.0.26100, a workstation";
}

const ANY: u8 = HIGH_LEVEL;

export! {
    /// Names a zero-terminated string.
    pub fn RtlInitUnicodeString(target: *mut UNICODE_STRING, source: usize) -> () [irql <= DISPATCH_LEVEL] {
        arg!(RtlInitUnicodeString: target);
        raised(UnicodeStr(target).init(source, false))
    }

    /// Names a zero-terminated string, or fails when it is too long.
    pub fn RtlInitUnicodeStringEx(target: *mut UNICODE_STRING, source: usize) -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(RtlInitUnicodeStringEx: target);
        Ok(status(UnicodeStr(target).init(source, true)))
    }

    /// Names a zero-terminated string of bytes.
    pub fn RtlInitAnsiString(target: *mut STRING, source: usize) -> () [irql <= DISPATCH_LEVEL] {
        arg!(RtlInitAnsiString: target);
        raised(AnsiStr(target).init(source))
    }

    /// Names a zero-terminated string of bytes.
    pub fn RtlInitString(target: *mut STRING, source: usize) -> () [irql <= DISPATCH_LEVEL] {
        arg!(RtlInitString: target);
        raised(AnsiStr(target).init(source))
    }

    /// Copies as much as fits.
    pub fn RtlCopyUnicodeString(target: *mut UNICODE_STRING, source: *mut UNICODE_STRING) -> () [irql <= DISPATCH_LEVEL] {
        arg!(RtlCopyUnicodeString: target);
        let source = optional(source, "RtlCopyUnicodeString", "SourceString")?.map(UnicodeStr);
        raised(UnicodeStr(target).copy_from(source))
    }

    /// Appends a counted string.
    pub fn RtlAppendUnicodeStringToString(target: *mut UNICODE_STRING, source: *mut UNICODE_STRING) -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(RtlAppendUnicodeStringToString: target, source);
        Ok(status(UnicodeStr(source).units().and_then(|units| UnicodeStr(target).append(&units))))
    }

    /// Appends a zero-terminated string.
    pub fn RtlAppendUnicodeToString(target: *mut UNICODE_STRING, source: usize) -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(RtlAppendUnicodeToString: target);
        if source == 0 {
            return Ok(NtStatus::SUCCESS);
        }
        let units = string::read_zero_terminated(source, 0x8000).map_err(fault)?;
        Ok(status(UnicodeStr(target).append(&units)))
    }

    /// Orders two strings.
    pub fn RtlCompareUnicodeString(first: *mut UNICODE_STRING, second: *mut UNICODE_STRING, insensitive: u8) -> i32 [irql <= PASSIVE_LEVEL] {
        arg!(RtlCompareUnicodeString: first, second);
        raised(UnicodeStr(first).compare(UnicodeStr(second), insensitive != 0))
    }

    /// Whether two strings are equal.
    pub fn RtlEqualUnicodeString(first: *mut UNICODE_STRING, second: *mut UNICODE_STRING, insensitive: u8) -> bool [irql <= PASSIVE_LEVEL] {
        arg!(RtlEqualUnicodeString: first, second);
        raised(UnicodeStr(first).equals(UnicodeStr(second), insensitive != 0))
    }

    /// Whether one string begins with another.
    pub fn RtlPrefixUnicodeString(prefix: *mut UNICODE_STRING, whole: *mut UNICODE_STRING, insensitive: u8) -> bool [irql <= PASSIVE_LEVEL] {
        arg!(RtlPrefixUnicodeString: prefix, whole);
        raised(UnicodeStr(prefix).is_prefix_of(UnicodeStr(whole), insensitive != 0))
    }

    /// Hashes a string.
    pub fn RtlHashUnicodeString(text: *mut UNICODE_STRING, insensitive: u8, algorithm: u32, hash: *mut u32) -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(RtlHashUnicodeString: text);
        match UnicodeStr(text).hash(insensitive != 0, algorithm) {
            Ok(value) => {
                store(hash, value, "RtlHashUnicodeString", "HashValue")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Upper case of a string.
    pub fn RtlUpcaseUnicodeString(target: *mut UNICODE_STRING, source: *mut UNICODE_STRING, allocate: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlUpcaseUnicodeString: target, source);
        Ok(status(UnicodeStr(target).upcase_from(UnicodeStr(source), allocate != 0)))
    }

    /// Lower case of a unit.
    pub fn RtlDowncaseUnicodeChar(unit: u16) -> u16 [irql <= ANY] {
        Ok(nt_rtl::downcase(unit))
    }

    /// Upper case of a unit.
    pub fn RtlUpcaseUnicodeChar(unit: u16) -> u16 [irql <= ANY] {
        Ok(nt_rtl::upcase(unit))
    }

    /// Gives a string's buffer back.
    pub fn RtlFreeUnicodeString(text: *mut UNICODE_STRING) -> () [irql <= PASSIVE_LEVEL] {
        arg!(RtlFreeUnicodeString: text);
        UnicodeStr(text).free()
    }

    /// Gives a string's buffer back.
    pub fn RtlFreeAnsiString(text: *mut STRING) -> () [irql <= PASSIVE_LEVEL] {
        arg!(RtlFreeAnsiString: text);
        AnsiStr(text).free()
    }

    /// To bytes of the ANSI code page.
    pub fn RtlUnicodeStringToAnsiString(target: *mut STRING, source: *mut UNICODE_STRING, allocate: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlUnicodeStringToAnsiString: target, source);
        Ok(status(ansi::unicode_to_ansi(AnsiStr(target), UnicodeStr(source), allocate != 0)))
    }

    /// From bytes of the ANSI code page.
    pub fn RtlAnsiStringToUnicodeString(target: *mut UNICODE_STRING, source: *mut STRING, allocate: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlAnsiStringToUnicodeString: target, source);
        Ok(status(ansi::ansi_to_unicode(UnicodeStr(target), AnsiStr(source), allocate != 0)))
    }

    /// The number that a string spells.
    pub fn RtlUnicodeStringToInteger(text: *mut UNICODE_STRING, base: u32, value: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlUnicodeStringToInteger: text);
        match UnicodeStr(text).units().and_then(|units| integer::from_text(&units, base)) {
            Ok(number) => {
                store(value, number, "RtlUnicodeStringToInteger", "Value")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Spells a number.
    pub fn RtlIntegerToUnicodeString(value: u32, base: u32, text: *mut UNICODE_STRING) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlIntegerToUnicodeString: text);
        Ok(spell(u64::from(value), base, text))
    }

    /// Spells a number.
    pub fn RtlInt64ToUnicodeString(value: u64, base: u32, text: *mut UNICODE_STRING) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlInt64ToUnicodeString: text);
        Ok(spell(value, base, text))
    }

    /// Calendar fields of a time.
    pub fn RtlTimeToTimeFields(value: *mut i64, fields: *mut nt_abi::TIME_FIELDS) -> () [irql <= ANY] {
        let value = load(value, "RtlTimeToTimeFields", "Time")?;
        arg!(RtlTimeToTimeFields: fields);
        time::to_fields(value, fields);
        Ok(())
    }

    /// Time of calendar fields.
    pub fn RtlTimeFieldsToTime(fields: *mut nt_abi::TIME_FIELDS, value: *mut i64) -> bool [irql <= ANY] {
        arg!(RtlTimeFieldsToTime: fields);
        match time::from_fields(fields) {
            Some(found) => {
                store(value, found, "RtlTimeFieldsToTime", "Time")?;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// The version of the system: Windows 11.
    pub fn RtlGetVersion(information: *mut u32) -> NtStatus [irql <= APC_LEVEL] {
        // Major, minor, build, platform NT: behind the size that the caller has set.
        for (index, value) in [10u32, 0, 26100, 2].into_iter().enumerate() {
            store(information.wrapping_add(1 + index), value, "RtlGetVersion", "VersionInformation")?;
        }
        // No service pack: an empty name, and in the larger structure no numbers; a workstation.
        store(information.wrapping_add(5).cast::<u16>(), 0, "RtlGetVersion", "VersionInformation")?;
        let size = load(information, "RtlGetVersion", "VersionInformation")?;
        if size as usize >= size_of::<RTL_OSVERSIONINFOEXW>() {
            let packs = information.wrapping_byte_add(offset_of!(RTL_OSVERSIONINFOEXW, wServicePackMajor));
            store(packs, 0, "RtlGetVersion", "VersionInformation")?;
            let rest = [0x100u16, 1];
            for (index, value) in rest.into_iter().enumerate() {
                let place = packs.wrapping_add(1).cast::<u16>().wrapping_add(index);
                store(place, value, "RtlGetVersion", "VersionInformation")?;
            }
        }
        Ok(NtStatus::SUCCESS)
    }
}

fn spell(value: u64, base: u32, text: &UNICODE_STRING) -> NtStatus {
    let spelled = integer::to_text(value, base).map(|text| text.encode_utf16().collect::<Vec<u16>>());
    status(spelled.and_then(|units| UnicodeStr(text).fill(&units, false)))
}
