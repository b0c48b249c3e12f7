//! The C run-time library: memory and bytes, with the win64 convention.
//!
//! Memory is touched through fault-safe copies only, so a bad pointer is an access violation in the driver's name.

use boundary::{Raise, copy, export};
use nt_abi::irql::{DISPATCH_LEVEL, HIGH_LEVEL, PASSIVE_LEVEL};
use nt_ke::{current_core, irql};

use crate::argument::{fault, rows};

rows! { "ntoskrnl.exe", "nt-rtl";
    memcpy done "copes with overlap, as memmove";
    memmove done "";
    memset done "";
    memcmp done "";
    memchr done "";
    RtlCopyMemory done "";
    RtlMoveMemory done "";
    RtlFillMemory done "";
    RtlZeroMemory done "";
    RtlCompareMemory done "";
    RtlCompareMemoryUlong done "";
    toupper done "ASCII";
    tolower done "ASCII";
    towupper done "";
    towlower done "";
    abs done "";
    atoi done "";
    __chkstk done "stacks are committed: nothing to touch";
}

/// Bytes that are copied at once when a copy has to run backwards.
const STEP: usize = 1024;

/// Reports programs' memory that a driver touches at DISPATCH_LEVEL. Source: SWAP-10.
#[inline]
fn mind_level(addresses: &[usize]) {
    if irql::current() >= DISPATCH_LEVEL {
        let slot = &current_core().slot;
        if let Some(address) = addresses.iter().find(|address| slot.is_user(**address)) {
            fltmgr::swap::touched_at_dispatch_level(*address);
        }
    }
}

/// Copies between addresses of a driver, which may overlap.
pub(crate) fn move_memory(to: usize, from: usize, bytes: usize) -> Result<(), Raise> {
    if bytes == 0 {
        return Ok(());
    }
    mind_level(&[to, from]);
    if to <= from || to - from >= bytes {
        return copy::copy(to, from, bytes).map_err(fault);
    }
    let mut buffer = [0u8; STEP];
    let mut left = bytes;
    while left > 0 {
        let step = left.min(STEP);
        left -= step;
        copy::read(from.wrapping_add(left), &mut buffer[..step]).map_err(fault)?;
        copy::write(to.wrapping_add(left), &buffer[..step]).map_err(fault)?;
    }
    Ok(())
}

fn fill(to: usize, byte: u8, bytes: usize) -> Result<(), Raise> {
    if bytes == 0 {
        return Ok(());
    }
    mind_level(&[to]);
    copy::fill(to, byte, bytes).map_err(fault)
}

export! {
    /// Copies and returns `to`.
    pub fn memcpy(to: usize, from: usize, bytes: usize) -> usize [irql <= HIGH_LEVEL] {
        move_memory(to, from, bytes)?;
        Ok(to)
    }

    /// Copies and returns `to`.
    pub fn memmove(to: usize, from: usize, bytes: usize) -> usize [irql <= HIGH_LEVEL] {
        move_memory(to, from, bytes)?;
        Ok(to)
    }

    /// Fills and returns `to`.
    pub fn memset(to: usize, byte: i32, bytes: usize) -> usize [irql <= HIGH_LEVEL] {
        fill(to, byte as u8, bytes)?;
        Ok(to)
    }

    /// Orders two ranges.
    pub fn memcmp(a: usize, b: usize, bytes: usize) -> i32 [irql <= HIGH_LEVEL] {
        nt_rtl::memory::order(a, b, bytes).map_err(fault)
    }

    /// Address of the first `byte`, or null.
    pub fn memchr(start: usize, byte: i32, bytes: usize) -> usize [irql <= HIGH_LEVEL] {
        for at in start..start.saturating_add(bytes) {
            if copy::read_value::<u8>(at).map_err(fault)? == byte as u8 {
                return Ok(at);
            }
        }
        Ok(0)
    }

    /// Copies.
    pub fn RtlCopyMemory(to: usize, from: usize, bytes: usize) -> () [irql <= HIGH_LEVEL] {
        move_memory(to, from, bytes)
    }

    /// Copies.
    pub fn RtlMoveMemory(to: usize, from: usize, bytes: usize) -> () [irql <= HIGH_LEVEL] {
        move_memory(to, from, bytes)
    }

    /// Fills.
    pub fn RtlFillMemory(to: usize, bytes: usize, byte: u8) -> () [irql <= HIGH_LEVEL] {
        fill(to, byte, bytes)
    }

    /// Zeroes.
    pub fn RtlZeroMemory(to: usize, bytes: usize) -> () [irql <= HIGH_LEVEL] {
        fill(to, 0, bytes)
    }

    /// How many bytes agree.
    pub fn RtlCompareMemory(a: usize, b: usize, bytes: usize) -> usize [irql <= HIGH_LEVEL] {
        nt_rtl::memory::compare(a, b, bytes).map_err(fault)
    }

    /// How many bytes agree with a repeated 32-bit pattern.
    pub fn RtlCompareMemoryUlong(start: usize, bytes: usize, pattern: u32) -> usize [irql <= HIGH_LEVEL] {
        let whole = bytes / 4 * 4;
        for at in (0..whole).step_by(4) {
            if copy::read_value::<u32>(start + at).map_err(fault)? != pattern {
                return Ok(at);
            }
        }
        Ok(whole)
    }

    /// Upper case.
    pub fn toupper(c: i32) -> i32 [irql <= HIGH_LEVEL] {
        Ok(u8::try_from(c).map_or(c, |c| c.to_ascii_uppercase().into()))
    }

    /// Lower case.
    pub fn tolower(c: i32) -> i32 [irql <= HIGH_LEVEL] {
        Ok(u8::try_from(c).map_or(c, |c| c.to_ascii_lowercase().into()))
    }

    /// Upper case.
    pub fn towupper(c: u16) -> u16 [irql <= PASSIVE_LEVEL] {
        Ok(nt_rtl::upcase(c))
    }

    /// Lower case.
    pub fn towlower(c: u16) -> u16 [irql <= PASSIVE_LEVEL] {
        Ok(nt_rtl::downcase(c))
    }

    /// Absolute value.
    pub fn abs(value: i32) -> i32 [irql <= HIGH_LEVEL] {
        Ok(value.wrapping_abs())
    }

    /// Number of a text: blanks, a sign, digits.
    pub fn atoi(text: usize) -> i32 [irql <= HIGH_LEVEL] {
        let bytes = crate::crt_string::bytes_at(text)?;
        let units: Vec<u16> = bytes.into_iter().map(u16::from).collect();
        Ok(nt_rtl::integer::from_text(&units, 10).unwrap_or(0) as i32)
    }
}

/// Compilers call it with the size of a large frame in `rax`; all registers must survive.
///
/// # Safety
/// Called by native code only.
#[unsafe(naked)]
#[allow(non_snake_case)]
pub unsafe extern "win64" fn __chkstk() {
    std::arch::naked_asm!("ret")
}
