//! The processor block: what `gs` points at while a thread runs in a machine.
//!
//! Drivers read `gs:[188h]` (current thread) and `gs:[184h]` (processor number) directly, so the head has
//! Windows' layout. The rest is ours: boundary records, the shadow stack of return addresses, the raise that
//! waits, and the last fault. In free mode each thread has a block of its own and `gs` is set once.
//!
//! UNSAFETY: reads and writes the `gs` base, and turns it into a reference. The base is either 0 (thread is
//! in no machine) or a block that outlives the attachment.

use std::arch::asm;
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::enter::Record;
use crate::exception::Pending;

/// Depth of nested calls from drivers into exports on one thread.
pub const SHADOW_DEPTH: usize = 1024;

/// Where a processor fault happened and with which registers.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub struct FaultInfo {
    /// Linux signal number.
    pub signal: u32,
    /// What the instruction was: see the constants of [`fault_kind`].
    pub kind: u32,
    /// Address that was touched; for a non-canonical access computed from the instruction.
    pub address: usize,
    /// Whether it was a write, where the processor says so.
    pub write: u32,
    /// Code of `int 29h` (`ecx`); [`OVERFLOWED`] when a division by a number that is not 0 failed; else 0.
    pub code: u32,
    /// General registers: rax rcx rdx rbx rsp rbp rsi rdi r8..r15 rip rflags.
    pub registers: [u64; 18],
}

/// [`FaultInfo::code`] of a division whose result does not fit.
pub const OVERFLOWED: u32 = 1;

/// Values of [`FaultInfo::kind`].
pub mod fault_kind {
    /// Access to memory.
    pub const ACCESS: u32 = 0;
    /// `int 29h`.
    pub const FAST_FAIL: u32 = 1;
    /// `int 2Ch`.
    pub const ASSERTION: u32 = 2;
    /// `int 3`.
    pub const BREAKPOINT: u32 = 3;
    /// Undefined or privileged instruction.
    pub const INSTRUCTION: u32 = 4;
    /// Integer division or floating point.
    pub const ARITHMETIC: u32 = 5;
    /// The guard below the kernel stack.
    pub const STACK_OVERFLOW: u32 = 6;
}

/// Bits of [`ProcessorBlock::observed`].
pub mod watch {
    /// An observer listens.
    pub const OBSERVED: u32 = 1;
    /// Some exports misbehave on purpose: see [`crate::Misbehaviour`].
    pub const FAULTS: u32 = 2;
    /// A seeded schedule may switch to another thread at each export.
    pub const SCHEDULED: u32 = 4;
    /// A kernel APC waits for the thread.
    pub const APCS: u32 = 8;
}

/// The block behind `gs`.
#[repr(C, align(4096))]
pub struct ProcessorBlock {
    head: [Cell<u64>; 3],
    /// 0x18: address of this block.
    pub self_address: Cell<usize>,
    /// 0x20: address of the processor control block inside it.
    pub current_prcb: Cell<usize>,
    pad0: [Cell<u64>; 5],
    /// 0x50: current IRQL of the thread.
    pub irql: Cell<u8>,
    pad1: [Cell<u8>; 0x180 - 0x51],
    mxcsr: Cell<u32>,
    /// 0x184: number of the virtual processor.
    pub number: Cell<u32>,
    /// 0x188: the current thread.
    pub current_thread: Cell<usize>,
    pad2: [Cell<u64>; 14],
    /// 0x200: innermost boundary record.
    pub record_top: Cell<*mut Record>,
    /// 0x208: next free entry of the shadow stack.
    pub shadow_top: Cell<*mut u64>,
    /// 0x210: what the shim has to do before it returns; see [`crate::raise`].
    pub raise_pending: AtomicU32,
    /// 0x214: what a call of an export has to tell somebody; see [`watch`].
    pub observed: AtomicU32,
    /// Status that is being raised.
    pub raise_status: Cell<i32>,
    /// Parameters of the exception that is being raised; taken when it is dispatched.
    pub raise_parameters: Cell<(usize, [u64; 2])>,
    /// What an export asks of its shim.
    pub request: Cell<Option<Pending>>,
    /// The innermost dispatch of an exception that is calling a handler.
    pub dispatch_top: Cell<usize>,
    /// Nonzero while the processor number is claimed (IRQL at or above DISPATCH_LEVEL).
    pub claimed: Cell<u32>,
    /// Virtual processors that the thread asked for, 0 for any.
    pub affinity: Cell<u64>,
    /// The machine core that `nt-ke` keeps here.
    pub core: Cell<usize>,
    /// First address of driver images of this machine.
    pub image_low: Cell<usize>,
    /// End of the image area.
    pub image_high: Cell<usize>,
    /// Where the shared user data page of this machine lies.
    pub shared_user_data: Cell<usize>,
    /// Lowest usable address of the thread's stack.
    pub stack_low: Cell<usize>,
    /// End of the thread's stack.
    pub stack_high: Cell<usize>,
    /// End of the stack on which a stack overflow is reported.
    pub emergency_high: Cell<usize>,
    /// Kernel id of the OS thread, for directed signals.
    pub os_thread: AtomicUsize,
    /// The last fault, valid while it is being dispatched.
    pub fault: Cell<FaultInfo>,
    shadow: [Cell<u64>; SHADOW_DEPTH],
}

const _: () = {
    assert!(std::mem::offset_of!(ProcessorBlock, self_address) == 0x18);
    assert!(std::mem::offset_of!(ProcessorBlock, current_prcb) == 0x20);
    assert!(std::mem::offset_of!(ProcessorBlock, irql) == 0x50);
    assert!(std::mem::offset_of!(ProcessorBlock, number) == 0x184);
    assert!(std::mem::offset_of!(ProcessorBlock, current_thread) == 0x188);
    assert!(std::mem::offset_of!(ProcessorBlock, record_top) == 0x200);
    assert!(std::mem::offset_of!(ProcessorBlock, shadow_top) == 0x208);
    assert!(std::mem::offset_of!(ProcessorBlock, raise_pending) == 0x210);
};

impl ProcessorBlock {
    /// Fills a block in fresh zeroed memory of the machine's kernel part.
    pub fn initialize(&self) {
        let address = std::ptr::from_ref(self) as usize;
        self.self_address.set(address);
        self.current_prcb.set(address + 0x180);
        self.request.set(None);
        self.record_top.set(std::ptr::null_mut());
        self.shadow_top.set(self.shadow.as_ptr() as *mut u64);
    }

    /// Whether `address` lies in the machine's driver images.
    pub fn in_images(&self, address: usize) -> bool {
        (self.image_low.get()..self.image_high.get()).contains(&address)
    }

    /// Return addresses of the exports that are being executed, innermost first.
    pub fn export_callers(&self) -> Vec<usize> {
        let base = self.shadow.as_ptr() as usize;
        let depth = (self.shadow_top.get() as usize - base) / 8;
        (0..depth.min(SHADOW_DEPTH)).rev().map(|i| self.shadow[i].get() as usize).collect()
    }

    /// Where the driver called the export that is being executed, or 0 outside any.
    #[inline]
    pub fn export_caller(&self) -> usize {
        let base = self.shadow.as_ptr() as usize;
        let depth = (self.shadow_top.get() as usize - base) / 8;
        if depth == 0 { 0 } else { self.shadow[depth.min(SHADOW_DEPTH) - 1].get() as usize }
    }

    /// Puts an address onto the shadow stack as if an export had been called from there. There is room.
    pub(crate) fn push_shadow(&self, address: usize) {
        let top = self.shadow_top.get();
        // SAFETY: the next free entry of the array in this block, whose owner has looked that there is one.
        unsafe { top.write(address as u64) };
        self.shadow_top.set(top.wrapping_add(1));
    }

    /// Takes it off again.
    pub(crate) fn pop_shadow(&self) {
        self.shadow_top.set(self.shadow_top.get().wrapping_sub(1));
    }

    /// Entries left before a driver that re-enters exports too deeply overruns the shadow stack.
    pub fn shadow_left(&self) -> usize {
        SHADOW_DEPTH - (self.shadow_top.get() as usize - self.shadow.as_ptr() as usize) / 8
    }

    /// Whether the machine asked this thread to stop.
    pub fn stopping(&self) -> bool {
        self.raise_pending.load(Ordering::Relaxed) & crate::raise::RAISE_STOP != 0
    }
}

fn gs_base() -> usize {
    let base: usize;
    // SAFETY: reads a register; FSGSBASE is checked by `signals::install` before any block exists.
    unsafe { asm!("rdgsbase {}", out(reg) base, options(nomem, nostack, preserves_flags)) };
    base
}

/// Points `gs` at `block` and returns what it pointed at before.
///
/// # Safety
/// `block` is 0, or the address of an initialised block that stays mapped until `gs` is set again.
pub unsafe fn set_gs_base(block: usize) -> usize {
    let before = gs_base();
    // SAFETY: the caller promises the block; nothing else in this process uses `gs`.
    unsafe { asm!("wrgsbase {}", in(reg) block, options(nostack, preserves_flags)) };
    before
}

/// The block of the current thread; the thread must be attached to a machine.
#[inline]
pub fn current() -> &'static ProcessorBlock {
    if cfg!(debug_assertions) {
        return try_current().expect("the calling thread is attached to a machine");
    }
    let address: *const ProcessorBlock;
    // SAFETY: reads `self_address` of the block that `gs` points at; a load, where `rdgsbase` is microcode.
    unsafe { asm!("mov {}, gs:[0x18]", out(reg) address, options(pure, readonly, nostack, preserves_flags)) };
    // SAFETY: the block says its own address; it outlives the attachment.
    unsafe { &*address }
}

/// The block of the current thread, or `None` outside every machine.
///
/// The reference is good while the thread stays attached; don't store it.
#[inline]
pub fn try_current() -> Option<&'static ProcessorBlock> {
    let base = gs_base();
    if base == 0 {
        return None;
    }
    // SAFETY: a nonzero base was set by `set_gs_base`, whose caller keeps the block alive.
    Some(unsafe { &*(base as *const ProcessorBlock) })
}
