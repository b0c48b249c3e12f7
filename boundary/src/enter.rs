//! Calls from Rust into a driver.
//!
//! Each call pushes a [`Record`]: where to come back to when the driver's frames have to be abandoned.
//! Unwinding restores the stack pointer and the callee-saved registers from it and returns [`Raise::Stop`]
//! from `call`, as if the driver had returned.
//!
//! UNSAFETY: switches calling conventions in assembly and gives control to code we did not compile.

use std::arch::naked_asm;
use std::sync::atomic::Ordering;

use nt_abi::NativeFn;

use crate::processor::current;
use crate::raise::{RAISE_STOP, Raise};

/// Where an entry into a driver returns to when its frames are abandoned.
#[repr(C)]
pub struct Record {
    rsp: u64,
    previous: *mut Record,
    shadow_top: *mut u64,
}

#[repr(C)]
struct Outcome {
    value: u64,
    unwound: u64,
}

/// rdi = function, rsi = arguments, rdx = how many, rcx = record.
#[unsafe(naked)]
unsafe extern "sysv64" fn enter_native(
    function: usize,
    arguments: *const u64,
    count: usize,
    record: *mut Record,
) -> Outcome {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        // The record: this frame, the record below, the shadow stack as it is now.
        "mov [rcx], rsp",
        "mov rax, gs:[0x200]",
        "mov [rcx + 8], rax",
        "mov rax, gs:[0x208]",
        "mov [rcx + 16], rax",
        "mov gs:[0x200], rcx",
        // Arguments five and up go to the stack above the 32 bytes of home space.
        "mov rax, rdi",
        "mov r10, rsi",
        "cmp rdx, 4",
        "jbe 3f",
        "mov r11, rdx",
        "test r11, 1",
        "jz 2f",
        "sub rsp, 8",
        "2:",
        "push qword ptr [r10 + r11 * 8 - 8]",
        "dec r11",
        "cmp r11, 4",
        "ja 2b",
        "3:",
        "sub rsp, 32",
        "mov rcx, [r10]",
        "mov rdx, [r10 + 8]",
        "mov r8, [r10 + 16]",
        "mov r9, [r10 + 24]",
        "cld",
        "call rax",
        "xor edx, edx",
        "jmp {leave}",
        leave = sym leave_native,
    )
}

/// Pops the innermost record and returns from its `enter_native`; rax and rdx are its results.
#[unsafe(naked)]
unsafe extern "sysv64" fn leave_native() {
    naked_asm!(
        "mov r10, gs:[0x200]",
        "mov r11, [r10 + 8]",
        "mov gs:[0x200], r11",
        "mov r11, [r10 + 16]",
        "mov gs:[0x208], r11",
        "mov rsp, [r10]",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Abandons every native frame above the innermost record: its `call` returns `Err(Raise::Stop)`.
///
/// # Safety
/// The thread has a record, and no Rust frame above it owns anything that must be dropped.
#[unsafe(naked)]
pub unsafe extern "sysv64" fn unwind_to_record() -> ! {
    naked_asm!("xor eax, eax", "mov edx, 1", "cld", "jmp {leave}", leave = sym leave_native)
}

/// Calls `function` in a driver with the win64 convention.
///
/// Returns what it left in `rax`; results narrower than 64 bits have undefined upper bits, so mask them.
/// Errors: [`Raise::Stop`] when the machine stops, before or while the driver runs.
#[inline]
pub fn call<const N: usize>(function: NativeFn, arguments: [u64; N]) -> Result<u64, Raise> {
    let block = current();
    if block.raise_pending.load(Ordering::Relaxed) & RAISE_STOP != 0 {
        return Err(Raise::Stop);
    }
    let mut padded = [0u64; 16];
    padded[..N].copy_from_slice(&arguments);
    let mut record = Record { rsp: 0, previous: std::ptr::null_mut(), shadow_top: std::ptr::null_mut() };
    // SAFETY: `padded` has at least four entries and `N`; the record outlives the call; what the function
    // does is the driver's, and the process is built to outlive its faults.
    let outcome = unsafe { enter_native(function.0, padded.as_ptr(), N, &raw mut record) };
    if outcome.unwound != 0 { Err(Raise::Stop) } else { Ok(outcome.value) }
}
