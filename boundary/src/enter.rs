//! Calls from Rust into a driver.
//!
//! Each call pushes a [`Record`]: where to come back to when the driver's frames have to be abandoned.
//! Unwinding restores the stack pointer and the callee-saved registers from it and returns [`Raise::Stop`]
//! from `call`, as if the driver had returned.
//!
//! UNSAFETY: switches calling conventions in assembly and gives control to code we did not compile.

use std::arch::naked_asm;

use nt_abi::NativeFn;

use crate::processor::current;
use crate::raise::{RAISE_STOP, Raise};

/// Where an entry into a driver returns to when its frames are abandoned.
#[repr(C)]
#[derive(Debug)]
pub struct Record {
    rsp: u64,
    previous: *mut Record,
    shadow_top: *mut u64,
}

impl Record {
    /// The record of the entry around this one, 0 for none.
    pub fn previous(&self) -> usize {
        self.previous as usize
    }
    /// The shadow stack as it was when the driver was entered.
    pub fn shadow_top(&self) -> *mut u64 {
        self.shadow_top
    }
}

#[repr(C)]
struct Outcome {
    value: u64,
    unwound: u64,
}

/// rdi = function; rsi, rdx, rcx, r8 = its arguments. The record lies above the callee's home space.
#[unsafe(naked)]
unsafe extern "sysv64" fn enter_with_registers(
    function: usize,
    first: u64,
    second: u64,
    third: u64,
    fourth: u64,
) -> Outcome {
    naked_asm!(
        "test byte ptr gs:[0x210], {stop}",
        "jnz 2f",
        "push rbp",
        "mov rbp, rsp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 56",
        // The record: a frame as `leave_native` wants it, the record below, the shadow stack as it is now.
        "lea rax, [rsp + 48]",
        "mov [rsp + 32], rax",
        "mov r10, gs:[0x200]",
        "mov [rsp + 40], r10",
        "mov r11, gs:[0x208]",
        "mov [rsp + 48], r11",
        "lea rax, [rsp + 32]",
        "mov gs:[0x200], rax",
        "mov r9, r8",
        "mov r8, rcx",
        "mov rcx, rsi",
        "call rdi",
        "mov r10, [rsp + 40]",
        "mov gs:[0x200], r10",
        "xor edx, edx",
        "add rsp, 56",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
        "2:",
        "mov edx, 1",
        "ret",
        stop = const RAISE_STOP,
    )
}

/// rdi = function, rsi = arguments, at least five, rdx = how many, rcx = record.
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
        "mov r11, rdx",
        "test r11, 1",
        "jz 2f",
        "sub rsp, 8",
        "2:",
        "push qword ptr [r10 + r11 * 8 - 8]",
        "dec r11",
        "cmp r11, 4",
        "ja 2b",
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
    let argument = |index: usize| arguments.get(index).copied().unwrap_or(0);
    let outcome = if N <= 4 {
        // SAFETY: what the function does is the driver's, and the process is built to outlive its faults. The
        // thread is attached, as every caller of a driver is, so `gs` is its block.
        unsafe { enter_with_registers(function.0, argument(0), argument(1), argument(2), argument(3)) }
    } else {
        if current().stopping() {
            return Err(Raise::Stop);
        }
        let mut record = Record { rsp: 0, previous: std::ptr::null_mut(), shadow_top: std::ptr::null_mut() };
        // SAFETY: as above; there are `N` arguments, more than four; the record outlives the call.
        unsafe { enter_native(function.0, arguments.as_ptr(), N, &raw mut record) }
    };
    if outcome.unwound != 0 { Err(Raise::Stop) } else { Ok(outcome.value) }
}
