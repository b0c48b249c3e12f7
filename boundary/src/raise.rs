//! What leaves a frame other than by returning: a raise.
//!
//! In Rust a raise is `Err(Raise)` and travels with `?`, so every guard on the way is dropped. At the
//! native boundary the shim of the export hands it to the driver's own frame.

use std::sync::OnceLock;

use nt_abi::NtStatus;

use crate::processor::{FaultInfo, ProcessorBlock};
use crate::traced::Value;

/// Why a function does not return a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raise {
    /// A status was raised (`ExRaiseStatus`, a probe that failed, a fault while touching a caller's buffer).
    Status(NtStatus),
    /// The machine is stopping or has bug checked: unwind everything, run no driver code.
    Stop,
}

/// `raise_pending`: nothing to do.
pub const RAISE_NONE: u32 = 0;
/// `raise_pending`: a status waits in the processor block.
pub const RAISE_STATUS: u32 = 1;
/// `raise_pending`: the driver asked for something that changes its registers; see [`crate::exception::Pending`].
pub const RAISE_REQUEST: u32 = 4;
/// `raise_pending`: the machine stops. Set by other threads too.
pub const RAISE_STOP: u32 = 2;

/// What the layers above give the boundary: meaning for faults and broken rules.
///
/// Called on the thread concerned, on its own stack, with no Rust frame of an export alive.
pub trait Hooks: Sync {
    /// A processor fault in a driver, or in the engine on behalf of one. Records the bug check; the caller
    /// then unwinds to the innermost boundary record.
    fn fault(&self, block: &ProcessorBlock, fault: &FaultInfo);
    /// What a processor fault in a driver is as an exception, with the parameters of an access violation. `None`: it
    /// ends the machine whatever handlers there are.
    fn exception_of(&self, block: &ProcessorBlock, fault: &FaultInfo) -> Option<(NtStatus, [u64; 2])>;
    /// A status was raised and no frame takes it. `at` has the registers behind the call that raised.
    fn unhandled_raise(&self, block: &ProcessorBlock, status: NtStatus, at: &FaultInfo);
    /// Whether a fault at `address`, of the instruction at `rip`, was one of memory that only had to be made accessible,
    /// and is now. In the signal handler.
    fn made_accessible(&self, block: &ProcessorBlock, address: usize, rip: usize) -> bool;
    /// `export` was called above its IRQL limit. `Err` refuses the call.
    fn irql_too_high(
        &self,
        block: &ProcessorBlock,
        export: &'static str,
        limit: u8,
        caller: usize,
    ) -> Result<(), Raise>;
    /// A driver called `export`; only while someone observes.
    fn export_called(&self, block: &ProcessorBlock, export: &'static str, caller: usize, arguments: &[Value]);
    /// It returns `result`, or raises; only while someone observes.
    fn export_returned(
        &self,
        block: &ProcessorBlock,
        export: &'static str,
        result: Value,
        raised: Option<NtStatus>,
    );
    /// Whether `export` shall misbehave; only while some export does.
    fn misbehaves(&self, block: &ProcessorBlock, export: &'static str) -> bool;
    /// Another thread may be let run now; only in machines with a seeded schedule.
    fn schedule_point(&self, block: &ProcessorBlock);
    /// A kernel APC waits for the thread, which calls an export now.
    fn apcs_wait(&self, block: &ProcessorBlock) -> Result<(), Raise>;
    /// The body of `export` panicked: our own mistake, reported as a bug check that names the export.
    fn panicked(&self, block: &ProcessorBlock, export: &'static str, message: &str);
    /// A driver read or wrote `cr8` with a privileged instruction. `None` reads.
    fn cr8(&self, block: &ProcessorBlock, write: Option<u8>) -> u8;
}

static HOOKS: OnceLock<&'static dyn Hooks> = OnceLock::new();

/// Installs the hooks, once per process; later calls are ignored.
pub fn set_hooks(hooks: &'static dyn Hooks) {
    let _ = HOOKS.set(hooks);
}

pub(crate) fn hooks() -> &'static dyn Hooks {
    *HOOKS.get().expect("boundary hooks are installed before any thread enters a machine")
}
