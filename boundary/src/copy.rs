//! Copies that survive a bad address.
//!
//! The bytes that a driver or a caller names may be unmapped, protected or nonsense. These routines are the
//! only places where the engine touches them: the signal handler knows their instructions and makes the routine
//! return the address instead.
//!
//! UNSAFETY: raw copies by design.

use std::arch::naked_asm;
use std::os::fd::{AsRawFd, BorrowedFd};

use nt_abi::NtStatus;

use crate::raise::Raise;

/// An address could not be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAddress(pub usize);

impl From<BadAddress> for Raise {
    fn from(_: BadAddress) -> Self {
        Raise::Status(NtStatus::ACCESS_VIOLATION)
    }
}

/// Returns 0, or 1 after a fault. Any length; the processor's string copy.
#[unsafe(naked)]
unsafe extern "sysv64" fn copy_raw(to: usize, from: usize, bytes: usize) -> u64 {
    naked_asm!("mov rcx, rdx", "cld", "rep movsb", "xor eax, eax", "ret")
}

/// Returns 0, or 1 after a fault. `bytes` is a multiple of 128 and not 0; the processor has AVX.
///
/// For a page or a few this beats the string copy, which takes some 15 ns to start.
#[unsafe(naked)]
unsafe extern "sysv64" fn copy_blocks(to: usize, from: usize, bytes: usize) -> u64 {
    naked_asm!(
        "2:",
        "vmovups ymm0, [rsi]",
        "vmovups ymm1, [rsi + 32]",
        "vmovups ymm2, [rsi + 64]",
        "vmovups ymm3, [rsi + 96]",
        "vmovups [rdi], ymm0",
        "vmovups [rdi + 32], ymm1",
        "vmovups [rdi + 64], ymm2",
        "vmovups [rdi + 96], ymm3",
        "sub rsi, -128",
        "sub rdi, -128",
        "add rdx, -128",
        "jnz 2b",
        "vzeroupper",
        "xor eax, eax",
        "ret",
    )
}

/// Returns 0 and stores the value, or 1 after a fault.
#[unsafe(naked)]
unsafe extern "sysv64" fn load_four(to: *mut u32, from: usize) -> u64 {
    naked_asm!("mov eax, [rsi]", "mov [rdi], eax", "xor eax, eax", "ret")
}

/// The same for eight bytes.
#[unsafe(naked)]
unsafe extern "sysv64" fn load_eight(to: *mut u64, from: usize) -> u64 {
    naked_asm!("mov rax, [rsi]", "mov [rdi], rax", "xor eax, eax", "ret")
}

/// Stores a value and returns 0, or 1 after a fault.
#[unsafe(naked)]
unsafe extern "sysv64" fn store_four(to: usize, value: u32) -> u64 {
    naked_asm!("mov [rdi], esi", "xor eax, eax", "ret")
}

/// The same for eight bytes.
#[unsafe(naked)]
unsafe extern "sysv64" fn store_eight(to: usize, value: u64) -> u64 {
    naked_asm!("mov [rdi], rsi", "xor eax, eax", "ret")
}

/// From this many bytes on the string copy is as fast.
const LONG: usize = 16 << 10;
const BLOCK: usize = 128;

/// The best copy for a length. 0, or 1 after a fault.
///
/// # Safety
/// As for [`copy_raw`]: what lies at `to` may be overwritten.
#[inline]
unsafe fn copy_any(to: usize, from: usize, bytes: usize) -> u64 {
    let blocks = bytes & !(BLOCK - 1);
    if blocks == 0 || bytes >= LONG || to.wrapping_sub(from) < bytes || !std::is_x86_feature_detected!("avx")
    {
        // SAFETY: the caller's promise.
        return unsafe { copy_raw(to, from, bytes) };
    }
    // SAFETY: as above; whole blocks, the processor has AVX.
    let failed = unsafe { copy_blocks(to, from, blocks) };
    if failed != 0 || blocks == bytes {
        return failed;
    }
    // SAFETY: as above.
    unsafe { copy_raw(to + blocks, from + blocks, bytes - blocks) }
}

/// Returns 0, or 1 after a fault.
#[unsafe(naked)]
unsafe extern "sysv64" fn fill_raw(to: usize, byte: u8, bytes: usize) -> u64 {
    naked_asm!("mov rcx, rdx", "mov eax, esi", "cld", "rep stosb", "xor eax, eax", "ret")
}

/// Returns 0, or 1 after a fault. `bytes` is a multiple of 8 and not 0.
#[unsafe(naked)]
unsafe extern "sysv64" fn zero_words(to: usize, bytes: usize) -> u64 {
    naked_asm!(
        "xorps xmm0, xmm0",
        "sub rsi, 32",
        "jb 3f",
        "2:",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm0",
        "add rdi, 32",
        "sub rsi, 32",
        "jae 2b",
        "3:",
        "add rsi, 32",
        "jz 5f",
        "4:",
        "movq [rdi], xmm0",
        "add rdi, 8",
        "sub rsi, 8",
        "jnz 4b",
        "5:",
        "xor eax, eax",
        "ret",
    )
}

/// Returns 0, or 1 after a fault. Atomic, so that no concurrent change of the byte is lost.
#[unsafe(naked)]
unsafe extern "sysv64" fn touch_raw(address: usize) -> u64 {
    naked_asm!("lock or byte ptr [rdi], 0", "xor eax, eax", "ret")
}

#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn copy_fault() -> u64 {
    naked_asm!("mov eax, 1", "ret")
}

/// Where the handler sends a fault at `rip`, if `rip` is the copying instruction of one of the routines.
pub(crate) fn recovery(rip: usize) -> Option<usize> {
    let routines = [
        (copy_raw as *const () as usize, 16),
        (copy_blocks as *const () as usize, 64),
        (load_four as *const () as usize, 8),
        (load_eight as *const () as usize, 8),
        (store_four as *const () as usize, 8),
        (store_eight as *const () as usize, 8),
        (fill_raw as *const () as usize, 16),
        (zero_words as *const () as usize, 64),
        (touch_raw as *const () as usize, 16),
    ];
    let within = |(routine, bytes): (usize, usize)| (routine..routine + bytes).contains(&rip);
    routines.into_iter().any(within).then_some(copy_fault as *const () as usize)
}

fn fault_address(range: usize) -> BadAddress {
    BadAddress(crate::processor::try_current().map_or(range, |b| b.fault.get().address))
}

/// Copies `to.len()` bytes from `from`.
pub fn read(from: usize, to: &mut [u8]) -> Result<(), BadAddress> {
    // SAFETY: the destination is a live slice; a fault on the source makes the routine return 1.
    match unsafe { copy_any(to.as_mut_ptr() as usize, from, to.len()) } {
        0 => Ok(()),
        _ => Err(fault_address(from)),
    }
}

/// Appends the `bytes` bytes at `from` to `to`.
pub fn append(to: &mut Vec<u8>, from: usize, bytes: usize) -> Result<(), BadAddress> {
    to.reserve(bytes);
    let room = to.spare_capacity_mut().as_mut_ptr() as usize;
    // SAFETY: so much was reserved; a fault on the source makes the routine return 1.
    match unsafe { copy_any(room, from, bytes) } {
        0 => {
            // SAFETY: the bytes were written just now.
            unsafe { to.set_len(to.len() + bytes) };
            Ok(())
        }
        _ => Err(fault_address(from)),
    }
}

/// Writes the `bytes` bytes at `from` to a file of the host, at `offset`. Returns how many it took.
///
/// Errors: the host's; EFAULT for a bad address
pub fn write_to_file(file: BorrowedFd<'_>, from: usize, bytes: usize, offset: u64) -> std::io::Result<usize> {
    // SAFETY: the kernel checks the memory that it reads, and what lies there is nobody's Rust reference.
    let done = unsafe { libc::pwrite64(file.as_raw_fd(), from as *const libc::c_void, bytes, offset as i64) };
    usize::try_from(done).map_err(|_| std::io::Error::last_os_error())
}

/// Copies `from` to the address `to`.
pub fn write(to: usize, from: &[u8]) -> Result<(), BadAddress> {
    // SAFETY: the source is a live slice; a fault on the destination makes the routine return 1. What lies
    // at `to` is memory of a machine, which the engine never holds Rust references to except through cells.
    match unsafe { copy_any(to, from.as_ptr() as usize, from.len()) } {
        0 => Ok(()),
        _ => Err(fault_address(to)),
    }
}

/// Copies `bytes` bytes between two addresses of machines; they may overlap only if `to <= from`.
pub fn copy(to: usize, from: usize, bytes: usize) -> Result<(), BadAddress> {
    // SAFETY: as in `read` and `write`.
    match unsafe { copy_any(to, from, bytes) } {
        0 => Ok(()),
        _ => Err(fault_address(to)),
    }
}

/// Sets `bytes` bytes at `to`.
pub fn fill(to: usize, byte: u8, bytes: usize) -> Result<(), BadAddress> {
    let failed = if byte == 0 && bytes.is_multiple_of(8) && (1..=1024).contains(&bytes) {
        // SAFETY: as in `write`; whole words.
        unsafe { zero_words(to, bytes) }
    } else {
        // SAFETY: as in `write`.
        unsafe { fill_raw(to, byte, bytes) }
    };
    match failed {
        0 => Ok(()),
        _ => Err(fault_address(to)),
    }
}

/// Checks that the byte at `address` can be written, without changing it.
pub fn touch_for_write(address: usize) -> Result<(), BadAddress> {
    // SAFETY: an atomic `or` with 0 changes nothing; a fault makes the routine return 1.
    match unsafe { touch_raw(address) } {
        0 => Ok(()),
        _ => Err(fault_address(address)),
    }
}

/// Reads a plain value at `from`, aligned or not.
pub fn read_value<T: Copy + Default>(from: usize) -> Result<T, BadAddress> {
    let mut value = T::default();
    let bytes = size_of::<T>();
    // SAFETY: `value` is a live plain value of `bytes` bytes; integers take every bit pattern.
    let failed = unsafe {
        match bytes {
            4 => load_four((&raw mut value).cast(), from),
            8 => load_eight((&raw mut value).cast(), from),
            _ => copy_raw((&raw mut value) as usize, from, bytes),
        }
    };
    match failed {
        0 => Ok(value),
        _ => Err(fault_address(from)),
    }
}

/// Writes a plain value at `to`, aligned or not.
pub fn write_value<T: Copy>(to: usize, value: T) -> Result<(), BadAddress> {
    let from = &raw const value;
    // SAFETY: `value` is a live plain value of so many bytes, which integers take as they are.
    let failed = unsafe {
        match size_of::<T>() {
            4 => store_four(to, from.cast::<u32>().read_unaligned()),
            8 => store_eight(to, from.cast::<u64>().read_unaligned()),
            bytes => copy_raw(to, from as usize, bytes),
        }
    };
    match failed {
        0 => Ok(()),
        _ => Err(fault_address(to)),
    }
}
