//! Processor faults and directed stops.
//!
//! The handlers only classify and redirect: what a fault means is decided on the thread's own stack, 128
//! bytes below the interrupted stack pointer, or on the thread's emergency stack when its own overflowed.
//!
//! ```text
//! SIGSEGV … ─► one of `copy`'s instructions ─► its recovery
//!           ─► driver code: cr8, shared user data ─► emulate, go on
//!           ─► driver code, or engine code below a driver ─► Hooks::fault, unwind to the record
//!           ─► anything else ─► the handler that was there before
//! stop      ─► driver code on a thread that was told to stop ─► unwind to the record
//! ```
//!
//! UNSAFETY: signal handlers on raw contexts. They allocate nothing and take no lock; decoding an
//! instruction happens only for faults in driver code.

use std::io;
use std::mem::MaybeUninit;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, OpKind, Register};
use libc::{c_int, c_void, siginfo_t, ucontext_t};

use crate::enter::unwind_to_record;
use crate::processor::{FaultInfo, OVERFLOWED, ProcessorBlock, fault_kind, try_current};
use crate::raise::hooks;

const FAULTS: [c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP];
/// Number of the processor's page fault.
const PAGE_FAULT: i64 = 14;
const SHARED_USER_DATA: u64 = 0xFFFF_F780_0000_0000;
static PREVIOUS: [AtomicUsize; 5] = [const { AtomicUsize::new(0) }; 5];
static INSTALL: Once = Once::new();

fn stop_signal() -> c_int {
    libc::SIGRTMIN() + 3
}

/// Installs the handlers, once per process.
///
/// Errors: the processor or kernel lacks user-mode `wrgsbase` (Linux 5.9 or later on any x86-64 since 2012 has it).
pub fn install() -> io::Result<()> {
    // SAFETY: a query of the auxiliary vector.
    let has_fsgsbase = unsafe { libc::getauxval(libc::AT_HWCAP2) } & 2 != 0;
    if !has_fsgsbase {
        return Err(io::Error::other(
            "this kernel does not let programs use wrgsbase (FSGSBASE); Linux 5.9 or later is needed",
        ));
    }
    INSTALL.call_once(|| {
        for (signal, previous) in FAULTS.iter().zip(&PREVIOUS) {
            // A copy that the handler makes may fault itself.
            set_handler(*signal, on_fault as *const () as usize, libc::SA_NODEFER, true, Some(previous));
        }
        set_handler(stop_signal(), on_stop as *const () as usize, 0, true, None);
    });
    Ok(())
}

/// Installs one handler, on the signal stack or on whichever stack is interrupted.
pub(crate) fn set_handler(
    signal: c_int,
    handler: usize,
    more_flags: c_int,
    signal_stack: bool,
    previous: Option<&AtomicUsize>,
) {
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a zeroed sigaction is a valid one.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler;
    let stack = if signal_stack { libc::SA_ONSTACK } else { 0 };
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | stack | more_flags;
    // SAFETY: both pointers are live; the handler has the three-argument form that SA_SIGINFO asks for.
    unsafe {
        libc::sigaction(signal, &raw const action, old.as_mut_ptr());
    }
    if let Some(previous) = previous {
        // SAFETY: sigaction filled it.
        previous.store(unsafe { old.assume_init() }.sa_sigaction, Ordering::Relaxed);
    }
}

/// Sends the stop signal to the OS thread of `block`. Harmless when it is not in driver code.
pub fn interrupt(block: &ProcessorBlock) {
    send(block, stop_signal());
}

/// Sends `signal` to the OS thread of `block`, if it has one now.
pub(crate) fn send(block: &ProcessorBlock, signal: c_int) {
    let thread = block.os_thread.load(Ordering::Relaxed);
    if thread != 0 {
        // SAFETY: a plain system call; a thread id that is gone gives ESRCH.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread as c_int, signal) };
    }
}

/// An alternate signal stack for the calling OS thread, put back when dropped.
pub struct SignalStack {
    previous: libc::stack_t,
    _memory: Box<[u64]>,
}

impl SignalStack {
    /// Installs one of the size that this machine's processor state needs.
    pub fn install() -> Self {
        // SAFETY: a query of the auxiliary vector (AT_MINSIGSTKSZ).
        let minimum = unsafe { libc::getauxval(51) } as usize;
        let bytes = minimum.max(libc::SIGSTKSZ) + 64 * 1024;
        let mut memory = vec![0u64; bytes / 8].into_boxed_slice();
        let stack =
            libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() * 8 };
        let mut previous = MaybeUninit::<libc::stack_t>::zeroed();
        // SAFETY: the memory lives as long as this value, which restores the previous stack first.
        unsafe { libc::sigaltstack(&raw const stack, previous.as_mut_ptr()) };
        // SAFETY: sigaltstack filled it.
        Self { previous: unsafe { previous.assume_init() }, _memory: memory }
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        // SAFETY: gives back the stack that was installed before.
        unsafe { libc::sigaltstack(&raw const self.previous, std::ptr::null_mut()) };
    }
}

/// Order of `FaultInfo::registers` in a Linux context.
const GENERAL: [c_int; 18] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
    libc::REG_RIP,
    libc::REG_EFL,
];
const RSP: usize = 4;
const RIP: usize = 16;

unsafe extern "C" fn on_fault(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a live context of this thread.
    let context = unsafe { &mut *context.cast::<ucontext_t>() };
    // SAFETY: as above.
    let si_addr = unsafe { (*info).si_addr() } as usize;
    let registers = &mut context.uc_mcontext.gregs;
    let rip = registers[libc::REG_RIP as usize] as usize;
    let recovery = crate::copy::recovery(rip);
    let Some(block) = try_current() else {
        // Copies survive bad addresses outside machines too.
        match recovery {
            Some(recovery) => registers[libc::REG_RIP as usize] = recovery as i64,
            None => forward(signal, info, context),
        }
        return;
    };

    if signal == libc::SIGSEGV && hooks().made_accessible(block, si_addr, rip) {
        return;
    }
    let mut fault = FaultInfo { signal: signal as u32, address: si_addr, ..FaultInfo::default() };
    for (slot, register) in fault.registers.iter_mut().zip(GENERAL) {
        *slot = registers[register as usize] as u64;
    }
    fault.write = u32::from(signal == libc::SIGSEGV && registers[libc::REG_ERR as usize] & 2 != 0);

    if let Some(recovery) = recovery {
        block.fault.set(fault);
        registers[libc::REG_RIP as usize] = recovery as i64;
        return;
    }
    if block.record_top.get().is_null() {
        return forward(signal, info, context);
    }
    // A page fault says its address; only the shared user data needs a look at the instruction.
    let shared = (SHARED_USER_DATA..SHARED_USER_DATA + 4096).contains(&(si_addr as u64));
    let plain = registers[libc::REG_TRAPNO as usize] == PAGE_FAULT && !shared;
    if !plain && block.in_images(rip) && emulate(block, signal, &mut fault, registers) {
        return;
    }
    if signal == libc::SIGFPE {
        fault.kind = fault_kind::ARITHMETIC;
        fault.code = if divides_by_zero(&fault) { 0 } else { OVERFLOWED };
    } else if signal == libc::SIGILL {
        fault.kind = fault_kind::INSTRUCTION;
    } else if signal == libc::SIGTRAP {
        fault.kind = fault_kind::BREAKPOINT;
    }
    let rsp = fault.registers[RSP] as usize;
    let overflowed = fault.kind == fault_kind::ACCESS
        && fault.address < block.stack_low.get()
        && fault.address >= block.stack_low.get() - (64 << 10);
    if overflowed {
        fault.kind = fault_kind::STACK_OVERFLOW;
    }
    block.fault.set(fault);
    let below = if overflowed || !(block.stack_low.get() + 8192..block.stack_high.get()).contains(&rsp) {
        block.emergency_high.get() - 256
    } else {
        rsp - 128
    };
    if let Some(vectors) = vectors_of(context) {
        // SAFETY: the interrupted code's stack has room below, as was just looked; nothing of this handler is needed any
        // more, and SA_NODEFER and SA_ONSTACK leave no state that only returning from it would restore.
        unsafe { crate::exception::land(below & !63, vectors) };
    }
    let registers = &mut context.uc_mcontext.gregs;
    registers[libc::REG_RSP as usize] = (below & !15) as i64;
    registers[libc::REG_RIP as usize] = crate::exception::fault_landing as *const () as i64;
}

/// The interrupted code's `mxcsr` and `xmm0` to `xmm15` in the form of `fxsave`, when it has no other vector state: then
/// the way back through the kernel can be spared, which restores all there is.
fn vectors_of(context: &ucontext_t) -> Option<usize> {
    const MAGIC: u32 = 0x4650_5853;
    /// Upper halves of `ymm` and `zmm`. Mask registers and `zmm16` up are said to be in use always by some processors;
    /// they are lost, which only code with AVX-512 that a filter lets go on behind a fault could see.
    const WIDE: u64 = 1 << 2 | 1 << 6;
    let state = context.uc_mcontext.fpregs as usize;
    if state == 0 {
        return None;
    }
    // SAFETY: the kernel's frame holds an `fxsave` area, whose reserved end says what follows.
    let magic = unsafe { *((state + 464) as *const u32) };
    // SAFETY: with that mark the header of `xsave` follows.
    let in_use = if magic == MAGIC { unsafe { *((state + 512) as *const u64) } } else { WIDE };
    (in_use & WIDE == 0).then_some(state)
}

unsafe extern "C" fn on_stop(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    let Some(block) = try_current() else { return };
    // SAFETY: the kernel passes a live context of this thread.
    let context = unsafe { &mut *context.cast::<ucontext_t>() };
    let registers = &mut context.uc_mcontext.gregs;
    let rip = registers[libc::REG_RIP as usize] as usize;
    if block.stopping() && block.in_images(rip) && !block.record_top.get().is_null() {
        registers[libc::REG_RIP as usize] = unwind_to_record as *const () as i64;
    }
}

/// Hands a fault that is none of ours to the handler that was there before.
fn forward(signal: c_int, info: *mut siginfo_t, context: &mut ucontext_t) {
    let index = FAULTS.iter().position(|s| *s == signal).unwrap_or(0);
    let previous = PREVIOUS[index].load(Ordering::Relaxed);
    if previous == libc::SIG_DFL || previous == libc::SIG_IGN {
        // SAFETY: back to the default, so that the instruction faults again and ends the process as usual.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        return;
    }
    // SAFETY: it was installed with SA_SIGINFO by the Rust runtime, the only other user in this process.
    let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = unsafe { std::mem::transmute(previous) };
    handler(signal, info, std::ptr::from_mut(context).cast());
}

fn register_slot(register: Register) -> Option<usize> {
    let full = register.full_register();
    let order = [
        Register::RAX,
        Register::RCX,
        Register::RDX,
        Register::RBX,
        Register::RSP,
        Register::RBP,
        Register::RSI,
        Register::RDI,
        Register::R8,
        Register::R9,
        Register::R10,
        Register::R11,
        Register::R12,
        Register::R13,
        Register::R14,
        Register::R15,
    ];
    order.iter().position(|r| *r == full)
}

/// Whether the instruction of an arithmetic fault divides by 0; else its result does not fit.
fn divides_by_zero(fault: &FaultInfo) -> bool {
    let rip = fault.registers[RIP];
    let mut bytes = [0u8; 15];
    let readable = (1..=15).rev().find(|n| crate::copy::read(rip as usize, &mut bytes[..*n]).is_ok());
    let mut decoder = Decoder::with_ip(64, &bytes[..readable.unwrap_or(0)], rip, DecoderOptions::NONE);
    let instruction = decoder.decode();
    let value = |register: Register| register_slot(register).map(|slot| fault.registers[slot]);
    let divisor = match instruction.op0_kind() {
        OpKind::Register => {
            let register = instruction.op0_register();
            let high = matches!(register, Register::AH | Register::BH | Register::CH | Register::DH);
            let bits = register.size() as u32 * 8;
            value(register).map(|value| (if high { value >> 8 } else { value }) & (u64::MAX >> (64 - bits)))
        }
        _ => {
            let address = instruction.virtual_address(0, 0, |register, _, _| match register {
                Register::DS | Register::SS | Register::ES | Register::CS => Some(0),
                register => value(register),
            });
            let size = instruction.memory_size().size().min(8);
            let mut bytes = [0u8; 8];
            address
                .and_then(|at| crate::copy::read(at as usize, &mut bytes[..size]).ok())
                .map(|()| u64::from_le_bytes(bytes))
        }
    };
    divisor.is_none_or(|divisor| divisor == 0)
}

/// Tries to carry out what a user-mode processor refuses: `cr8` and the shared user data page.
/// Classifies `int 29h`, `int 2Ch` and non-canonical addresses on the way.
fn emulate(block: &ProcessorBlock, signal: c_int, fault: &mut FaultInfo, registers: &mut [i64; 23]) -> bool {
    if signal != libc::SIGSEGV {
        return false;
    }
    let rip = fault.registers[RIP];
    let mut bytes = [0u8; 15];
    let readable = (1..=15).rev().find(|n| crate::copy::read(rip as usize, &mut bytes[..*n]).is_ok());
    let Some(readable) = readable else { return false };
    let mut decoder = Decoder::with_ip(64, &bytes[..readable], rip, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    decoder.decode_out(&mut instruction);
    let next = instruction.next_ip() as i64;
    match instruction.code() {
        Code::Mov_r64_cr if instruction.op1_register() == Register::CR8 => {
            let Some(slot) = register_slot(instruction.op0_register()) else { return false };
            registers[GENERAL[slot] as usize] = i64::from(hooks().cr8(block, None));
            registers[libc::REG_RIP as usize] = next;
            return true;
        }
        Code::Mov_cr_r64 if instruction.op0_register() == Register::CR8 => {
            let Some(slot) = register_slot(instruction.op1_register()) else { return false };
            hooks().cr8(block, Some(fault.registers[slot] as u8));
            registers[libc::REG_RIP as usize] = next;
            return true;
        }
        Code::Int_imm8 if instruction.immediate8() == 0x29 => {
            fault.kind = fault_kind::FAST_FAIL;
            fault.code = fault.registers[1] as u32;
            return false;
        }
        Code::Int_imm8 if instruction.immediate8() == 0x2C => {
            fault.kind = fault_kind::ASSERTION;
            return false;
        }
        Code::Hlt | Code::Cli | Code::Sti | Code::Invlpg_m | Code::Wrmsr | Code::Rdmsr => {
            fault.kind = fault_kind::INSTRUCTION;
            return false;
        }
        _ => {}
    }
    let memory = (0..instruction.op_count()).find(|i| instruction.op_kind(*i) == OpKind::Memory);
    let Some(_) = memory else { return false };
    let slot_value = |r: Register| match r {
        Register::None => Some(0),
        Register::RIP => Some(next as u64),
        r => register_slot(r).map(|slot| fault.registers[slot]),
    };
    let (Some(base), Some(index)) =
        (slot_value(instruction.memory_base()), slot_value(instruction.memory_index()))
    else {
        return false;
    };
    let displacement = if instruction.is_ip_rel_memory_operand() {
        return false;
    } else {
        instruction.memory_displacement64()
    };
    let address = base
        .wrapping_add(index.wrapping_mul(u64::from(instruction.memory_index_scale())))
        .wrapping_add(displacement);
    if fault.address == 0 && address != 0 {
        fault.address = address as usize;
    }
    // A pointer into the shared user data page: point the base register at the machine's own page and try again.
    if (SHARED_USER_DATA..SHARED_USER_DATA + 4096).contains(&address)
        && let Some(slot) = register_slot(instruction.memory_base())
    {
        let moved = fault.registers[slot]
            .wrapping_sub(SHARED_USER_DATA)
            .wrapping_add(block.shared_user_data.get() as u64);
        registers[GENERAL[slot] as usize] = moved as i64;
        return true;
    }
    false
}
