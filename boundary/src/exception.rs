//! Where a raise meets the driver's frames: registers are saved, a dispatcher decides, registers are restored.
//!
//! ```text
//! shim with something raised ─► `dispatch_raise`: nonvolatile registers ─┐
//! signal handler ─► `fault_landing`: all registers ──────────────────────┴─► Dispatcher ─► resume at a context
//!                                                                                      └─► nobody takes it: hook, record
//! ```
//!
//! Both run on the thread's own stack below the driver's frames, with no Rust frame of an export alive. What frames mean
//! is not known here: the loader, which knows the images, installs the [`Dispatcher`].
//!
//! UNSAFETY: naked code that saves and loads all registers.

use std::arch::naked_asm;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use nt_abi::{CONTEXT, EXCEPTION_RECORD, NtStatus, exception};

use crate::enter::unwind_to_record;
use crate::processor::{FaultInfo, ProcessorBlock, current};
use crate::raise::{RAISE_REQUEST, RAISE_STATUS, RAISE_STOP, hooks};

/// What is asked of a dispatcher.
pub enum Request<'a> {
    /// A processor fault: find who handles it. The context is that of the instruction.
    Fault(&'a EXCEPTION_RECORD),
    /// An export raised: find who handles it. The context is behind its call.
    Raise(&'a EXCEPTION_RECORD),
    /// The driver asks to unwind to a frame: `RtlUnwindEx`.
    Unwind(&'a Unwind),
}

/// An unwind that a driver asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwind {
    /// Establisher frame of the function to unwind to; 0 unwinds everything.
    pub frame: u64,
    /// Where it goes on.
    pub ip: u64,
    /// The driver's record, or 0.
    pub record: usize,
    /// What `rax` holds there.
    pub value: u64,
}

/// What a driver asked of the shim of an export that changes its registers.
#[derive(Clone, Copy, Debug)]
pub enum Pending {
    /// Raise the record at this address.
    Raise(usize),
    /// Unwind.
    Unwind(Unwind),
    /// Go on at the context at this address.
    Restore(usize),
}

/// Finds who takes an exception of the current thread. `context` is where it happened; when somebody takes it, it is
/// where to go on. `false`: nobody does.
pub type Dispatcher = fn(block: &ProcessorBlock, request: &Request<'_>, context: &CONTEXT) -> bool;

static DISPATCHER: OnceLock<Dispatcher> = OnceLock::new();

/// Installs the dispatcher, once per process; later calls are ignored.
pub fn set_dispatcher(dispatcher: Dispatcher) {
    let _ = DISPATCHER.set(dispatcher);
}

/// Room for a context, and some above it that restoring may write.
const ROOM: usize = size_of::<CONTEXT>() + 64;
const _: () = assert!(ROOM.is_multiple_of(16));

/// Entered by a shim with the driver's registers, when something waits in `raise_pending`.
///
/// r10 holds the return address in the driver, rsp is what it will be there.
///
/// # Safety
/// Jumped to by the tail of shims only.
#[unsafe(naked)]
pub(crate) unsafe extern "win64" fn dispatch_raise() {
    naked_asm!(
        "test byte ptr gs:[0x210], {stop}",
        "jnz {unwind}",
        "mov r11, rsp",
        "sub rsp, {room}",
        "and rsp, -64",
        "mov [rsp + 0x98], r11",
        "mov [rsp + 0xf8], r10",
        "xor r11d, r11d",
        "mov [rsp + 0x78], r11",
        "mov [rsp + 0x80], r11",
        "mov [rsp + 0x88], r11",
        "mov [rsp + 0x90], rbx",
        "mov [rsp + 0xa0], rbp",
        "mov [rsp + 0xa8], rsi",
        "mov [rsp + 0xb0], rdi",
        "mov [rsp + 0xb8], r11",
        "mov [rsp + 0xc0], r11",
        "mov [rsp + 0xc8], r11",
        "mov [rsp + 0xd0], r11",
        "mov [rsp + 0xd8], r12",
        "mov [rsp + 0xe0], r13",
        "mov [rsp + 0xe8], r14",
        "mov [rsp + 0xf0], r15",
        "movaps [rsp + 0x200], xmm6",
        "movaps [rsp + 0x210], xmm7",
        "movaps [rsp + 0x220], xmm8",
        "movaps [rsp + 0x230], xmm9",
        "movaps [rsp + 0x240], xmm10",
        "movaps [rsp + 0x250], xmm11",
        "movaps [rsp + 0x260], xmm12",
        "movaps [rsp + 0x270], xmm13",
        "movaps [rsp + 0x280], xmm14",
        "movaps [rsp + 0x290], xmm15",
        "stmxcsr [rsp + 0x34]",
        "mov dword ptr [rsp + 0x44], 0x202",
        "mov rdi, rsp",
        "cld",
        "call {rust}",
        "test al, al",
        "jz {unwind}",
        "mov rcx, rsp",
        "jmp {restore}",
        stop = const RAISE_STOP,
        room = const ROOM,
        rust = sym raised,
        unwind = sym unwind_to_record,
        restore = sym restore,
    )
}

/// Entered from the signal handler below the interrupted frame: vector registers are the driver's, general ones are in
/// the block.
///
/// # Safety
/// The signal handler returns to it only.
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn fault_landing() {
    naked_asm!(
        "sub rsp, {room}",
        "and rsp, -64",
        "movaps [rsp + 0x1a0], xmm0",
        "movaps [rsp + 0x1b0], xmm1",
        "movaps [rsp + 0x1c0], xmm2",
        "movaps [rsp + 0x1d0], xmm3",
        "movaps [rsp + 0x1e0], xmm4",
        "movaps [rsp + 0x1f0], xmm5",
        "movaps [rsp + 0x200], xmm6",
        "movaps [rsp + 0x210], xmm7",
        "movaps [rsp + 0x220], xmm8",
        "movaps [rsp + 0x230], xmm9",
        "movaps [rsp + 0x240], xmm10",
        "movaps [rsp + 0x250], xmm11",
        "movaps [rsp + 0x260], xmm12",
        "movaps [rsp + 0x270], xmm13",
        "movaps [rsp + 0x280], xmm14",
        "movaps [rsp + 0x290], xmm15",
        "stmxcsr [rsp + 0x34]",
        "mov rdi, rsp",
        "cld",
        "call {rust}",
        "test al, al",
        "jz {unwind}",
        "mov rcx, rsp",
        "jmp {restore}",
        room = const ROOM,
        rust = sym faulted,
        unwind = sym unwind_to_record,
        restore = sym restore,
    )
}

/// As [`fault_landing`], straight from the signal handler: `rdi` is the stack pointer to use, `rsi` an `fxsave` area with
/// the vector registers.
///
/// # Safety
/// Called by the signal handler, which does not come back; `top` is aligned to 64 bytes and has room below.
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn land(top: usize, vectors: usize) -> ! {
    naked_asm!(
        "lea rsp, [rdi - {room}]",
        "and rsp, -64",
        "mov eax, [rsi + 24]",
        "mov [rsp + 0x34], eax",
        "add rsi, 160",
        "lea rdi, [rsp + 0x1a0]",
        "mov ecx, 32",
        "rep movsq",
        "mov rdi, rsp",
        "call {rust}",
        "test al, al",
        "jz {unwind}",
        "mov rcx, rsp",
        "jmp {restore}",
        room = const ROOM,
        rust = sym faulted,
        unwind = sym unwind_to_record,
        restore = sym restore,
    )
}

/// Loads all registers from the context at rcx, which lies below its own stack pointer.
#[unsafe(naked)]
unsafe extern "win64" fn restore() -> ! {
    naked_asm!(
        "mov rdx, [rcx + 0x98]",
        "mov rax, [rcx + 0xf8]",
        "mov [rdx - 8], rax",
        "movaps xmm0, [rcx + 0x1a0]",
        "movaps xmm1, [rcx + 0x1b0]",
        "movaps xmm2, [rcx + 0x1c0]",
        "movaps xmm3, [rcx + 0x1d0]",
        "movaps xmm4, [rcx + 0x1e0]",
        "movaps xmm5, [rcx + 0x1f0]",
        "movaps xmm6, [rcx + 0x200]",
        "movaps xmm7, [rcx + 0x210]",
        "movaps xmm8, [rcx + 0x220]",
        "movaps xmm9, [rcx + 0x230]",
        "movaps xmm10, [rcx + 0x240]",
        "movaps xmm11, [rcx + 0x250]",
        "movaps xmm12, [rcx + 0x260]",
        "movaps xmm13, [rcx + 0x270]",
        "movaps xmm14, [rcx + 0x280]",
        "movaps xmm15, [rcx + 0x290]",
        "ldmxcsr [rcx + 0x34]",
        "mov eax, [rcx + 0x44]",
        "push rax",
        "popfq",
        "mov rax, [rcx + 0x78]",
        "mov rdx, [rcx + 0x88]",
        "mov rbx, [rcx + 0x90]",
        "mov rbp, [rcx + 0xa0]",
        "mov rsi, [rcx + 0xa8]",
        "mov rdi, [rcx + 0xb0]",
        "mov r8, [rcx + 0xb8]",
        "mov r9, [rcx + 0xc0]",
        "mov r10, [rcx + 0xc8]",
        "mov r11, [rcx + 0xd0]",
        "mov r12, [rcx + 0xd8]",
        "mov r13, [rcx + 0xe0]",
        "mov r14, [rcx + 0xe8]",
        "mov r15, [rcx + 0xf0]",
        "mov rsp, [rcx + 0x98]",
        "lea rsp, [rsp - 8]",
        "mov rcx, [rcx + 0x80]",
        "ret",
    )
}

/// `RtlCaptureContext`: the registers of the caller. rcx points at the context.
///
/// # Safety
/// Called by native code with a context that can be written.
#[unsafe(naked)]
pub unsafe extern "win64" fn capture_context() {
    naked_asm!(
        "pushfq",
        "mov [rcx + 0x78], rax",
        "mov [rcx + 0x80], rcx",
        "mov [rcx + 0x88], rdx",
        "mov [rcx + 0x90], rbx",
        "mov [rcx + 0xa0], rbp",
        "mov [rcx + 0xa8], rsi",
        "mov [rcx + 0xb0], rdi",
        "mov [rcx + 0xb8], r8",
        "mov [rcx + 0xc0], r9",
        "mov [rcx + 0xc8], r10",
        "mov [rcx + 0xd0], r11",
        "mov [rcx + 0xd8], r12",
        "mov [rcx + 0xe0], r13",
        "mov [rcx + 0xe8], r14",
        "mov [rcx + 0xf0], r15",
        "lea rax, [rsp + 16]",
        "mov [rcx + 0x98], rax",
        "mov rax, [rsp + 8]",
        "mov [rcx + 0xf8], rax",
        "movups [rcx + 0x1a0], xmm0",
        "movups [rcx + 0x1b0], xmm1",
        "movups [rcx + 0x1c0], xmm2",
        "movups [rcx + 0x1d0], xmm3",
        "movups [rcx + 0x1e0], xmm4",
        "movups [rcx + 0x1f0], xmm5",
        "movups [rcx + 0x200], xmm6",
        "movups [rcx + 0x210], xmm7",
        "movups [rcx + 0x220], xmm8",
        "movups [rcx + 0x230], xmm9",
        "movups [rcx + 0x240], xmm10",
        "movups [rcx + 0x250], xmm11",
        "movups [rcx + 0x260], xmm12",
        "movups [rcx + 0x270], xmm13",
        "movups [rcx + 0x280], xmm14",
        "movups [rcx + 0x290], xmm15",
        "stmxcsr [rcx + 0x34]",
        "mov dword ptr [rcx + 0x30], {full}",
        // cs ds es fs gs ss as x64 Windows has them in kernel mode.
        "mov dword ptr [rcx + 0x38], 0x002b0010",
        "mov dword ptr [rcx + 0x3c], 0x0053002b",
        "mov dword ptr [rcx + 0x40], 0x0018002b",
        "pop rax",
        "mov [rcx + 0x44], eax",
        "mov rax, [rcx + 0x78]",
        "ret",
        full = const exception::CONTEXT_FULL,
    )
}

/// Copies what restoring needs from a context that may lie anywhere.
fn copy_context(from: usize, to: &CONTEXT) -> bool {
    let mut words = [0u64; size_of::<CONTEXT>() / 8];
    let bytes = bytemuck_words(&mut words);
    if crate::copy::read(from, bytes).is_err() {
        return false;
    }
    crate::copy::write(std::ptr::from_ref(to) as usize, bytes).is_ok()
}

fn bytemuck_words(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: words are bytes without padding.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}

fn dispatch(block: &ProcessorBlock, request: &Request<'_>, context: &CONTEXT) -> bool {
    DISPATCHER.get().is_some_and(|dispatcher| dispatcher(block, request, context))
}

/// A record on the dispatcher's stack.
fn new_record(status: NtStatus, flags: u32, address: usize, parameters: &[u64]) -> EXCEPTION_RECORD {
    let record = EXCEPTION_RECORD::default();
    record.ExceptionCode.set(status.0);
    record.ExceptionFlags.set(flags);
    record.ExceptionAddress.set(address);
    record.NumberParameters.set(parameters.len() as u32);
    for (slot, parameter) in record.ExceptionInformation.iter().zip(parameters) {
        slot.set(*parameter);
    }
    record
}

extern "sysv64" fn raised(context: &CONTEXT) -> bool {
    let block = current();
    let pending = block.raise_pending.fetch_and(!(RAISE_STATUS | RAISE_REQUEST), Ordering::Relaxed);
    context.ContextFlags.set(exception::CONTEXT_FULL);
    let caller = context.Rip.get() as usize;
    if pending & RAISE_REQUEST != 0
        && let Some(request) = block.request.take()
    {
        return requested(block, request, context);
    }
    let status = NtStatus(block.raise_status.get());
    let (count, parameters) = block.raise_parameters.take();
    let record = new_record(status, 0, caller, &parameters[..count]);
    if dispatch(block, &Request::Raise(&record), context) {
        return true;
    }
    if !block.stopping() {
        hooks().unhandled_raise(block, status, &registers_of(context));
    }
    false
}

/// The registers of a raise, for a report: no signal.
fn registers_of(context: &CONTEXT) -> FaultInfo {
    let mut registers = [0; 18];
    for (register, slot) in registers.iter_mut().zip(&context.Integer) {
        *register = slot.get();
    }
    registers[16] = context.Rip.get();
    registers[17] = context.EFlags.get().into();
    FaultInfo { registers, ..FaultInfo::default() }
}

fn requested(block: &ProcessorBlock, request: Pending, context: &CONTEXT) -> bool {
    let caller = context.Rip.get() as usize;
    let (status, handled) = match request {
        Pending::Restore(from) => {
            if copy_context(from, context) {
                return true;
            }
            (NtStatus::ACCESS_VIOLATION, false)
        }
        Pending::Unwind(unwind) => {
            (NtStatus::INVALID_UNWIND_TARGET, dispatch(block, &Request::Unwind(&unwind), context))
        }
        Pending::Raise(address) => {
            // SAFETY: the export has checked that it can be read; the driver promises that it stays while it is raised.
            let record = unsafe { &*(address as *const EXCEPTION_RECORD) };
            record.ExceptionAddress.set(caller);
            (NtStatus(record.ExceptionCode.get()), dispatch(block, &Request::Raise(record), context))
        }
    };
    if !handled && !block.stopping() {
        hooks().unhandled_raise(block, status, &registers_of(context));
    }
    handled
}

extern "sysv64" fn faulted(context: &CONTEXT) -> bool {
    let block = current();
    let fault = block.fault.get();
    if let Some((status, parameters)) = hooks().exception_of(block, &fault) {
        fill(context, &fault);
        let count = if status == NtStatus::ACCESS_VIOLATION { 2 } else { 0 };
        let record = new_record(status, 0, context.Rip.get() as usize, &parameters[..count]);
        if dispatch(block, &Request::Fault(&record), context) {
            return true;
        }
        if block.stopping() {
            return false;
        }
    }
    hooks().fault(block, &fault);
    false
}

/// General registers of the fault. A breakpoint's address is that of its instruction.
fn fill(context: &CONTEXT, fault: &FaultInfo) {
    for (slot, value) in context.Integer.iter().zip(fault.registers) {
        slot.set(value);
    }
    let back = u64::from(fault.kind == crate::processor::fault_kind::BREAKPOINT);
    context.Rip.set(fault.registers[16] - back);
    context.EFlags.set(fault.registers[17] as u32);
    context.ContextFlags.set(exception::CONTEXT_FULL);
}
