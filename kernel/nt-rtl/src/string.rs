//! Counted strings: `UNICODE_STRING` and `STRING`, viewed and changed where they lie.

use boundary::copy::{self, BadAddress};
use nt_abi::{NtStatus, STRING, UNICODE_STRING};
use nt_ex::pool::{self, PoolKind};

use crate::case;

/// Tag of buffers that the run-time library allocates.
pub const TAG: u32 = u32::from_le_bytes(*b"RtlS");
/// Most bytes of a `UNICODE_STRING`.
pub const MAXIMUM_BYTES: usize = 0xFFFE;

/// A `UNICODE_STRING` in the machine's memory.
#[derive(Clone, Copy)]
pub struct UnicodeStr<'a>(pub &'a UNICODE_STRING);

fn bytes_of(units: &[u16]) -> Vec<u8> {
    units.iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

/// Reads `count` units at `address`.
pub fn read_units(address: usize, count: usize) -> Result<Vec<u16>, BadAddress> {
    let mut bytes = vec![0; count * 2];
    copy::read(address, &mut bytes)?;
    Ok(bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect())
}

/// Writes units at `address`.
pub fn write_units(address: usize, units: &[u16]) -> Result<(), BadAddress> {
    copy::write(address, &bytes_of(units))
}

/// Reads units at `address` up to a zero, at most `limit` of them.
pub fn read_zero_terminated(address: usize, limit: usize) -> Result<Vec<u16>, BadAddress> {
    let mut units = Vec::new();
    while units.len() < limit {
        match copy::read_value::<u16>(address + units.len() * 2)? {
            0 => break,
            unit => units.push(unit),
        }
    }
    Ok(units)
}

/// Reads bytes at `address` up to a zero, at most `limit` of them.
pub fn read_zero_terminated_bytes(address: usize, limit: usize) -> Result<Vec<u8>, BadAddress> {
    let mut bytes = Vec::new();
    while bytes.len() < limit {
        match copy::read_value::<u8>(address + bytes.len())? {
            0 => break,
            byte => bytes.push(byte),
        }
    }
    Ok(bytes)
}

fn bad(_: BadAddress) -> NtStatus {
    NtStatus::ACCESS_VIOLATION
}

impl UnicodeStr<'_> {
    /// Address of its units.
    pub fn address(self) -> usize {
        self.0.Buffer.get() as usize
    }

    /// How many units it has.
    pub fn len(self) -> usize {
        usize::from(self.0.Length.get()) / 2
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// How many units its buffer has room for.
    pub fn capacity(self) -> usize {
        usize::from(self.0.MaximumLength.get()) / 2
    }

    /// A copy of its units.
    ///
    /// Errors: ACCESS_VIOLATION.
    pub fn units(self) -> Result<Vec<u16>, NtStatus> {
        if self.is_empty() { Ok(Vec::new()) } else { read_units(self.address(), self.len()).map_err(bad) }
    }

    /// Its text for messages; a bad address shows as such.
    pub fn to_text(self) -> String {
        self.units().map_or_else(|_| BAD_ADDRESS.to_owned(), |units| String::from_utf16_lossy(&units))
    }

    /// Sets its units, leaving its buffer. A zero follows where there is room.
    ///
    /// Errors: BUFFER_TOO_SMALL · ACCESS_VIOLATION
    pub fn set(self, units: &[u16]) -> Result<(), NtStatus> {
        if units.len() > self.capacity() {
            return Err(NtStatus::BUFFER_TOO_SMALL);
        }
        self.put(0, units)
    }

    fn put(self, at: usize, units: &[u16]) -> Result<(), NtStatus> {
        let end = at + units.len();
        write_units(self.address() + at * 2, units).map_err(bad)?;
        if end < self.capacity() {
            write_units(self.address() + end * 2, &[0]).map_err(bad)?;
        }
        self.0.Length.set((end * 2) as u16);
        Ok(())
    }

    /// Copies as many units of `source` as fit; `None` empties it.
    ///
    /// Source:  RtlCopyUnicodeString
    /// Errors:  ACCESS_VIOLATION
    pub fn copy_from(self, source: Option<UnicodeStr<'_>>) -> Result<(), NtStatus> {
        let Some(source) = source else {
            self.0.Length.set(0);
            return Ok(());
        };
        let units = source.units()?;
        self.put(0, &units[..units.len().min(self.capacity())])
    }

    /// Appends all of `units`, or nothing.
    ///
    /// Source:  RtlAppendUnicodeStringToString, RtlAppendUnicodeToString
    /// Errors:  BUFFER_TOO_SMALL · ACCESS_VIOLATION
    pub fn append(self, units: &[u16]) -> Result<(), NtStatus> {
        if self.len() + units.len() > self.capacity() {
            return Err(NtStatus::BUFFER_TOO_SMALL);
        }
        if units.is_empty() { Ok(()) } else { self.put(self.len(), units) }
    }

    /// Orders it against another. Source: RtlCompareUnicodeString.
    pub fn compare(self, other: UnicodeStr<'_>, insensitive: bool) -> Result<i32, NtStatus> {
        Ok(case::difference(&self.units()?, &other.units()?, insensitive))
    }

    /// Whether both are the same. Source: RtlEqualUnicodeString.
    pub fn equals(self, other: UnicodeStr<'_>, insensitive: bool) -> Result<bool, NtStatus> {
        Ok(self.len() == other.len() && case::equal(&self.units()?, &other.units()?, insensitive))
    }

    /// Whether `other` begins with it. Source: RtlPrefixUnicodeString.
    pub fn is_prefix_of(self, other: UnicodeStr<'_>, insensitive: bool) -> Result<bool, NtStatus> {
        Ok(case::is_prefix(&self.units()?, &other.units()?, insensitive))
    }

    /// Its hash. `algorithm` is 0 (default) or 1 (x65599), which are the same.
    ///
    /// Source:  RtlHashUnicodeString
    /// Errors:  INVALID_PARAMETER · ACCESS_VIOLATION
    pub fn hash(self, insensitive: bool, algorithm: u32) -> Result<u32, NtStatus> {
        if algorithm > 1 {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        Ok(case::hash_x65599(&self.units()?, insensitive))
    }

    /// Gives it a new buffer from pool with `units` and a zero behind them; free it with [`UnicodeStr::free`].
    ///
    /// Errors: INVALID_PARAMETER (too long) · NO_MEMORY · ACCESS_VIOLATION
    pub fn allocate(self, units: &[u16]) -> Result<(), NtStatus> {
        let bytes = units.len() * 2 + 2;
        if bytes > MAXIMUM_BYTES {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let buffer = pool::allocate(PoolKind::Paged, bytes, TAG, true).ok_or(NtStatus::NO_MEMORY)?;
        write_units(buffer.as_ptr() as usize, units).map_err(bad)?;
        self.0.Buffer.set(buffer.as_ptr().cast());
        self.0.MaximumLength.set(bytes as u16);
        self.0.Length.set((bytes - 2) as u16);
        Ok(())
    }

    /// Gives its buffer back to pool and empties it. Source: RtlFreeUnicodeString.
    pub fn free(self) -> Result<(), boundary::Raise> {
        let buffer = self.0.Buffer.replace(std::ptr::null_mut());
        self.0.Length.set(0);
        self.0.MaximumLength.set(0);
        if buffer.is_null() { Ok(()) } else { pool::free(buffer.cast(), None) }
    }

    /// Makes it name the zero-terminated string at `address` (0: none).
    ///
    /// Source:  RtlInitUnicodeString (cut at its limit), RtlInitUnicodeStringEx (`strict`)
    /// Errors:  NAME_TOO_LONG when `strict` · ACCESS_VIOLATION
    pub fn init(self, address: usize, strict: bool) -> Result<(), NtStatus> {
        let length =
            if address == 0 { 0 } else { read_zero_terminated(address, 0x8000).map_err(bad)?.len() * 2 };
        if length > MAXIMUM_BYTES - 2 && strict {
            return Err(NtStatus::NAME_TOO_LONG);
        }
        let length = length.min(MAXIMUM_BYTES - 2);
        self.0.Length.set(length as u16);
        self.0.MaximumLength.set(if address == 0 { 0 } else { (length + 2) as u16 });
        self.0.Buffer.set(address as *mut u16);
        Ok(())
    }

    /// Upper case of `source`, in a new buffer when `allocate`.
    ///
    /// Source:  RtlUpcaseUnicodeString
    /// Errors:  BUFFER_OVERFLOW · NO_MEMORY · ACCESS_VIOLATION
    pub fn upcase_from(self, source: UnicodeStr<'_>, allocate: bool) -> Result<(), NtStatus> {
        let upper: Vec<u16> = source.units()?.into_iter().map(case::upcase).collect();
        self.fill(&upper, allocate)
    }

    /// Sets its units, in a new buffer when `allocate`, else in its own.
    ///
    /// Errors: BUFFER_OVERFLOW · NO_MEMORY · ACCESS_VIOLATION
    pub fn fill(self, units: &[u16], allocate: bool) -> Result<(), NtStatus> {
        if allocate {
            return self.allocate(units);
        }
        self.set(units).map_err(|status| {
            if status == NtStatus::BUFFER_TOO_SMALL { NtStatus::BUFFER_OVERFLOW } else { status }
        })
    }

    /// As [`UnicodeStr::fill`], but a buffer of the caller has to have room for the terminating zero too.
    ///
    /// Source:  RtlAnsiStringToUnicodeString, RtlOemStringToUnicodeString
    pub fn fill_terminated(self, units: &[u16], allocate: bool) -> Result<(), NtStatus> {
        if !allocate && (units.len() + 1) * 2 > usize::from(self.0.MaximumLength.get()) {
            return Err(NtStatus::BUFFER_OVERFLOW);
        }
        self.fill(units, allocate)
    }
}

/// What is shown in the place of a string that cannot be read.
pub const BAD_ADDRESS: &str = "(bad address)";

/// A `STRING` (`ANSI_STRING`) in the machine's memory.
#[derive(Clone, Copy)]
pub struct AnsiStr<'a>(pub &'a STRING);

impl AnsiStr<'_> {
    /// A copy of its bytes.
    ///
    /// Errors: ACCESS_VIOLATION.
    pub fn bytes(self) -> Result<Vec<u8>, NtStatus> {
        let mut bytes = vec![0; usize::from(self.0.Length.get())];
        if !bytes.is_empty() {
            copy::read(self.0.Buffer.get() as usize, &mut bytes).map_err(bad)?;
        }
        Ok(bytes)
    }

    /// Sets its bytes with a zero behind them, in a new buffer when `allocate`.
    ///
    /// Errors: BUFFER_OVERFLOW · NO_MEMORY · INVALID_PARAMETER (too long) · ACCESS_VIOLATION
    pub fn fill(self, bytes: &[u8], allocate: bool) -> Result<(), NtStatus> {
        let needed = bytes.len() + 1;
        if allocate {
            let maximum = u16::try_from(needed).map_err(|_| NtStatus::INVALID_PARAMETER)?;
            let buffer = pool::allocate(PoolKind::Paged, needed, TAG, true).ok_or(NtStatus::NO_MEMORY)?;
            self.0.Buffer.set(buffer.as_ptr());
            self.0.MaximumLength.set(maximum);
        } else if needed > usize::from(self.0.MaximumLength.get()) {
            return Err(NtStatus::BUFFER_OVERFLOW);
        }
        let address = self.0.Buffer.get() as usize;
        copy::write(address, bytes).map_err(bad)?;
        copy::write_value(address + bytes.len(), 0u8).map_err(bad)?;
        self.0.Length.set(bytes.len() as u16);
        Ok(())
    }

    /// Makes it name the zero-terminated string at `address` (0: none). Source: RtlInitAnsiString.
    pub fn init(self, address: usize) -> Result<(), NtStatus> {
        let length =
            if address == 0 { 0 } else { read_zero_terminated_bytes(address, 0xFFFE).map_err(bad)?.len() };
        self.0.Length.set(length as u16);
        self.0.MaximumLength.set(if address == 0 { 0 } else { (length + 1) as u16 });
        self.0.Buffer.set(address as *mut u8);
        Ok(())
    }

    /// Gives its buffer back to pool and empties it. Source: RtlFreeAnsiString.
    pub fn free(self) -> Result<(), boundary::Raise> {
        let buffer = self.0.Buffer.replace(std::ptr::null_mut());
        self.0.Length.set(0);
        self.0.MaximumLength.set(0);
        if buffer.is_null() { Ok(()) } else { pool::free(buffer, None) }
    }
}
