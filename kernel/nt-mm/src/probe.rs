//! Probes of addresses that a caller passed.

use boundary::slot::PAGE_SIZE;
use boundary::{Raise, copy};
use nt_abi::NtStatus;
use nt_ke::current_core;

fn check_range(address: usize, bytes: usize, alignment: usize) -> Result<(), Raise> {
    if alignment > 1 && !address.is_multiple_of(alignment) {
        return Err(Raise::Status(NtStatus::DATATYPE_MISALIGNMENT));
    }
    let slot = &current_core().slot;
    match address.checked_add(bytes) {
        Some(end) if address >= slot.base() && end <= slot.user_probe_address() => Ok(()),
        _ => Err(Raise::Status(NtStatus::ACCESS_VIOLATION)),
    }
}

/// Checks that a range lies in the user part and is aligned. It does not touch the memory.
///
/// Source:  ProbeForRead
/// IRQL:    <= APC_LEVEL
/// Errors:  raises DATATYPE_MISALIGNMENT · ACCESS_VIOLATION
pub fn probe_for_read(address: usize, bytes: usize, alignment: usize) -> Result<(), Raise> {
    if bytes == 0 { Ok(()) } else { check_range(address, bytes, alignment) }
}

/// Checks that a range lies in the user part, is aligned, and that each page of it can be written.
///
/// Source:  ProbeForWrite
/// IRQL:    <= APC_LEVEL
/// Errors:  raises DATATYPE_MISALIGNMENT · ACCESS_VIOLATION
pub fn probe_for_write(address: usize, bytes: usize, alignment: usize) -> Result<(), Raise> {
    if bytes == 0 {
        return Ok(());
    }
    check_range(address, bytes, alignment)?;
    touch(address, bytes, true)
}

/// Touches one byte of each page of a range, without changing any.
///
/// Errors: raises ACCESS_VIOLATION
pub(crate) fn touch(address: usize, bytes: usize, write: bool) -> Result<(), Raise> {
    let end = address + bytes;
    let mut at = address;
    while at < end {
        if write {
            copy::touch_for_write(at)?;
        } else {
            copy::read_value::<u8>(at)?;
        }
        at = (at / PAGE_SIZE + 1) * PAGE_SIZE;
    }
    Ok(())
}

/// Whether reading the byte at `address` would not fault. Source: MmIsAddressValid.
pub fn is_address_valid(address: usize) -> bool {
    copy::read_value::<u8>(address).is_ok()
}
