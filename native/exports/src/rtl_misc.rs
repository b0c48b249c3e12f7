//! Rtl: times, random numbers, checksums, byte order, versions, text to numbers.

use boundary::{Raise, copy, export};
use nt_abi::irql::{APC_LEVEL, HIGH_LEVEL, PASSIVE_LEVEL};
use nt_abi::{NtStatus, TIME_FIELDS, UNICODE_STRING};
use nt_rtl::string::read_zero_terminated_bytes;
use nt_rtl::{integer, short_name, time, version};

use crate::argument::{arg, fault, load, optional, rows, store, store_if};
use crate::flt_string::units;

rows! { "ntoskrnl.exe", "nt-rtl";
    RtlTimeToSecondsSince1970 done "";
    RtlSecondsSince1970ToTime done "";
    RtlTimeToSecondsSince1980 done "";
    RtlSecondsSince1980ToTime done "";
    RtlTimeToElapsedTimeFields done "";
    RtlRandom done "a sequence of our own";
    RtlRandomEx done "a sequence of our own";
    RtlUniform done "";
    RtlComputeCrc32 done "";
    RtlUshortByteSwap done "";
    RtlUlongByteSwap done "";
    RtlUlonglongByteSwap done "";
    RtlCharToInteger done "";
    RtlUnicodeStringToInt64 done "";
    RtlVerifyVersionInfo done "";
    VerSetConditionMask done "";
    RtlIsNtDdiVersionAvailable done "";
    RtlIsServicePackVersionInstalled done "";
    RtlGetNtProductType done "";
    RtlPrefetchMemoryNonTemporal done "a hint, which is not taken";
    RtlFillMemoryUlong done "";
    RtlFillMemoryUlonglong done "";
    RtlIsZeroMemory done "";
    RtlIsNameLegalDOS8Dot3 done "code page 437";
}

/// Seconds from 1601 to 1980.
const SECONDS_TO_1980: i64 = 11_960_006_400;
const SECOND: i64 = 10_000_000;

fn crc(before: u32, address: usize, bytes: u32) -> Result<u32, Raise> {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    let mut data = Vec::new();
    copy::append(&mut data, address, bytes as usize).map_err(fault)?;
    hasher.update(&data);
    Ok(hasher.finalize())
}

fn next_random(seed: *mut u32, export: &str) -> Result<u32, Raise> {
    let value = nt_rtl::integer::uniform(load(seed, export, "Seed")?);
    store(seed, value, export, "Seed")?;
    Ok(value)
}

fn repeat(to: usize, bytes: usize, pattern: &[u8]) -> Result<(), Raise> {
    let whole: Vec<u8> =
        pattern.iter().copied().cycle().take(bytes / pattern.len() * pattern.len()).collect();
    copy::write(to, &whole).map_err(fault)
}

export! {
    /// Seconds since 1970, if they fit.
    pub fn RtlTimeToSecondsSince1970(value: *mut i64, seconds: *mut u32) -> bool [irql <= HIGH_LEVEL] {
        let found = time::to_seconds_since_1970(load(value, "RtlTimeToSecondsSince1970", "Time")?);
        found.map_or(Ok(false), |found| store(seconds, found, "RtlTimeToSecondsSince1970", "ElapsedSeconds").map(|()| true))
    }

    /// Time of seconds since 1970.
    pub fn RtlSecondsSince1970ToTime(seconds: u32, value: *mut i64) -> () [irql <= HIGH_LEVEL] {
        store(value, time::from_seconds_since_1970(seconds), "RtlSecondsSince1970ToTime", "Time")
    }

    /// Seconds since 1980, if they fit.
    pub fn RtlTimeToSecondsSince1980(value: *mut i64, seconds: *mut u32) -> bool [irql <= HIGH_LEVEL] {
        let time = load(value, "RtlTimeToSecondsSince1980", "Time")?;
        match u32::try_from(time.div_euclid(SECOND) - SECONDS_TO_1980) {
            Ok(found) => store(seconds, found, "RtlTimeToSecondsSince1980", "ElapsedSeconds").map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// Time of seconds since 1980.
    pub fn RtlSecondsSince1980ToTime(seconds: u32, value: *mut i64) -> () [irql <= HIGH_LEVEL] {
        store(value, (i64::from(seconds) + SECONDS_TO_1980) * SECOND, "RtlSecondsSince1980ToTime", "Time")
    }

    /// Days, hours and smaller fields of a duration.
    pub fn RtlTimeToElapsedTimeFields(value: *mut i64, fields: *mut TIME_FIELDS) -> () [irql <= HIGH_LEVEL] {
        arg!(RtlTimeToElapsedTimeFields: fields);
        time::to_elapsed_fields(load(value, "RtlTimeToElapsedTimeFields", "Time")?, fields);
        Ok(())
    }

    /// A random number below 2^31 - 1.
    pub fn RtlRandom(seed: *mut u32) -> u32 [irql <= APC_LEVEL] { next_random(seed, "RtlRandom") }
    /// A random number below 2^31 - 1.
    pub fn RtlRandomEx(seed: *mut u32) -> u32 [irql <= APC_LEVEL] { next_random(seed, "RtlRandomEx") }
    /// A random number below 2^31 - 1.
    pub fn RtlUniform(seed: *mut u32) -> u32 [irql <= APC_LEVEL] { next_random(seed, "RtlUniform") }

    /// CRC-32 of what is behind that of something before it (0 at first).
    pub fn RtlComputeCrc32(before: u32, address: usize, bytes: u32) -> u32 [irql <= HIGH_LEVEL] { crc(before, address, bytes) }

    /// Turns the bytes around.
    pub fn RtlUshortByteSwap(value: u16) -> u16 [irql <= HIGH_LEVEL] { Ok(value.swap_bytes()) }
    /// Turns the bytes around.
    pub fn RtlUlongByteSwap(value: u32) -> u32 [irql <= HIGH_LEVEL] { Ok(value.swap_bytes()) }
    /// Turns the bytes around.
    pub fn RtlUlonglongByteSwap(value: u64) -> u64 [irql <= HIGH_LEVEL] { Ok(value.swap_bytes()) }

    /// The number that a zero-terminated text spells.
    pub fn RtlCharToInteger(text: usize, base: u32, value: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let text: Vec<u16> = read_zero_terminated_bytes(text, 128).map_err(fault)?.into_iter().map(u16::from).collect();
        match integer::from_text(&text, base) {
            Ok(number) => {
                store(value, number, "RtlCharToInteger", "Value")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// The 64-bit number that a string spells, and where it ends.
    pub fn RtlUnicodeStringToInt64(text: *mut UNICODE_STRING, base: u32, value: *mut i64, end: *mut usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlUnicodeStringToInt64: text);
        match integer::wide_from_text(&units(text)?, base) {
            Ok((number, read)) => {
                store(value, number as i64, "RtlUnicodeStringToInt64", "Number")?;
                store_if(end, text.Buffer.get() as usize + read * 2)?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Whether the system's version stands to another as the masks say.
    pub fn RtlVerifyVersionInfo(information: usize, types: u32, conditions: u64) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let mut wanted = vec![0u8; version::BYTES];
        // The short structure ends before what service packs and suites are in.
        let bytes = copy::read_value::<u32>(information).map_err(fault)? as usize;
        copy::read(information, &mut wanted[..bytes.clamp(version::SHORT, version::BYTES)]).map_err(fault)?;
        Ok(version::verify(&wanted, types, conditions).err().unwrap_or(NtStatus::SUCCESS))
    }

    /// Adds a condition to a mask.
    pub fn VerSetConditionMask(mask: u64, kind: u32, condition: u8) -> u64 [irql <= HIGH_LEVEL] { Ok(version::set_condition(mask, kind, condition)) }

    /// Whether the system has the interfaces of a version.
    pub fn RtlIsNtDdiVersionAvailable(wanted: u32) -> bool [irql <= HIGH_LEVEL] {
        // The service pack part must be 0 here.
        Ok(wanted & 0xFFFF == 0 && wanted <= version::NTDDI)
    }

    /// Whether a service pack of this very version is installed.
    pub fn RtlIsServicePackVersionInstalled(wanted: u32) -> bool [irql <= HIGH_LEVEL] {
        Ok(wanted & 0xFFFF_0000 == version::NTDDI & 0xFFFF_0000 && wanted & 0xFFFF <= version::NTDDI & 0xFFFF)
    }

    /// The kind of system: a workstation.
    pub fn RtlGetNtProductType(kind: *mut u32) -> bool [irql <= HIGH_LEVEL] {
        store(kind, 1, "RtlGetNtProductType", "NtProductType")?;
        Ok(true)
    }

    /// A hint that memory will be read.
    pub fn RtlPrefetchMemoryNonTemporal(_address: usize, _bytes: usize) -> () [irql <= HIGH_LEVEL] { Ok(()) }

    /// Fills with a 32-bit pattern.
    pub fn RtlFillMemoryUlong(to: usize, bytes: usize, pattern: u32) -> () [irql <= HIGH_LEVEL] { repeat(to, bytes, &pattern.to_le_bytes()) }
    /// Fills with a 64-bit pattern.
    pub fn RtlFillMemoryUlonglong(to: usize, bytes: usize, pattern: u64) -> () [irql <= HIGH_LEVEL] { repeat(to, bytes, &pattern.to_le_bytes()) }

    /// Whether all bytes are zero.
    pub fn RtlIsZeroMemory(address: usize, bytes: usize) -> bool [irql <= HIGH_LEVEL] {
        let mut data = Vec::new();
        copy::append(&mut data, address, bytes).map_err(fault)?;
        Ok(data.iter().all(|byte| *byte == 0))
    }

    /// Whether a name is one of FAT's; its OEM form and whether it has spaces.
    pub fn RtlIsNameLegalDOS8Dot3(name: *mut UNICODE_STRING, oem: *mut nt_abi::STRING, spaces: *mut u8) -> bool [irql <= PASSIVE_LEVEL] {
        arg!(RtlIsNameLegalDOS8Dot3: name);
        let Some(found) = short_name::legal(&units(name)?) else { return Ok(false) };
        if let Some(target) = optional(oem, "RtlIsNameLegalDOS8Dot3", "OemName")? {
            if found.oem.len() > usize::from(target.MaximumLength.get()) {
                return Ok(false);
            }
            copy::write(target.Buffer.get() as usize, &found.oem).map_err(fault)?;
            target.Length.set(found.oem.len() as u16);
        }
        store_if(spaces, u8::from(found.has_spaces))?;
        Ok(true)
    }
}
