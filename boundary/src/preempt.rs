//! Interrupting driver code for an APC, wherever it is: a directed signal.
//!
//! ```text
//! request ─► signal to the OS thread ─► driver code at PASSIVE_LEVEL ─► Hooks::apcs_wait on the thread's own stack,
//!                                    │                                  then the interrupted code goes on as it was
//!                                    └► anything else: left alone; whoever asks, asks again
//! ```
//!
//! The handler runs on the interrupted stack, not on the signal stack: an APC may wait, and faults of its own need the
//! signal stack. The kernel's frame keeps every register of the driver, the widest vectors too. A thread that has less
//! stack left than that frame takes is ended with a fault, as by a stack overflow.
//!
//! UNSAFETY: a signal handler on raw contexts, which runs the engine: it does so only where no code of the engine, nor of
//! the host, was interrupted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::Ordering;

use libc::{c_int, c_void, siginfo_t, ucontext_t};

use crate::enter::unwind_to_record;
use crate::processor::{ProcessorBlock, try_current, watch};
use crate::raise::hooks;

static INSTALL: Once = Once::new();

/// Room that a routine shall find on the stack.
const ROOM: usize = 64 << 10;

fn signal() -> c_int {
    libc::SIGRTMIN() + 4
}

/// Installs the handler, once per process.
pub fn install() {
    INSTALL.call_once(|| {
        // SA_NODEFER: a machine that stops meanwhile unwinds out of the handler, which must not leave a mask behind.
        crate::signals::set_handler(
            signal(),
            on_request as *const () as usize,
            libc::SA_NODEFER,
            false,
            None,
        );
    });
}

/// Asks the OS thread of `block` to take its APCs, if it is in driver code at PASSIVE_LEVEL right now.
pub fn request(block: &ProcessorBlock) {
    crate::signals::send(block, signal());
}

unsafe extern "C" fn on_request(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    let Some(block) = try_current() else { return };
    // SAFETY: the kernel passes a live context of this thread.
    let context = unsafe { &mut *context.cast::<ucontext_t>() };
    let registers = &mut context.uc_mcontext.gregs;
    let rip = registers[libc::REG_RIP as usize] as usize;
    let rsp = registers[libc::REG_RSP as usize] as usize;
    let stack = block.stack_low.get() + ROOM..block.stack_high.get();
    let interruptible = block.in_images(rip)
        && block.irql.get() == 0
        && !block.record_top.get().is_null()
        && stack.contains(&rsp)
        && block.shadow_left() > 16
        && block.observed.load(Ordering::Relaxed) & watch::APCS != 0
        && !block.stopping();
    if !interruptible {
        return;
    }
    // What an exception that is being handled right now left in the block is its own.
    let fault = block.fault.get();
    let status = block.raise_status.get();
    let parameters = block.raise_parameters.get();
    let request = block.request.get();
    // Whoever looks at the stack sees the interrupted instruction as the caller of what runs now.
    block.push_shadow(rip);
    let delivered = catch_unwind(AssertUnwindSafe(|| hooks().apcs_wait(block)));
    if delivered.is_err() {
        hooks().panicked(block, "an APC", "panic while it was delivered");
        block.raise_pending.fetch_or(crate::raise::RAISE_STOP, Ordering::Relaxed);
    }
    block.pop_shadow();
    block.fault.set(fault);
    block.raise_status.set(status);
    block.raise_parameters.set(parameters);
    block.request.set(request);
    if block.stopping() {
        registers[libc::REG_RIP as usize] = unwind_to_record as *const () as i64;
    }
}
