//! The seam through which trace and verifier watch: one flag load when nobody does.

use nt_abi::NtStatus;

use crate::traced::Value;

/// Something that crossed the boundary or a layer of the I/O stack.
#[derive(Debug)]
pub enum Event<'a> {
    /// A driver called an export; `caller` is the return address in its image.
    ExportCalled { export: &'static str, caller: usize, arguments: &'a [Value] },
    /// The export returns, or raises.
    ExportReturned { export: &'static str, result: Value, raised: Option<NtStatus> },
    /// A callback of a filter is about to run.
    CallbackEntered {
        driver: &'a str,
        altitude: &'a str,
        operation: &'static str,
        phase: &'static str,
        minor: u8,
        /// `IrpFlags`.
        flags: u32,
        /// Address of the target file object.
        file: usize,
        /// The parameter union, as words.
        parameters: &'a [u64; 6],
    },
    /// The callback returned `answer` after `nanoseconds`.
    CallbackReturned {
        driver: &'a str,
        operation: &'static str,
        phase: &'static str,
        answer: u32,
        status: NtStatus,
        nanoseconds: u64,
    },
    /// Another thread runs from now on; only in machines with a seeded schedule.
    Switch { from: u32, to: u32, reason: &'static str, time: u64 },
    /// The thread begins to wait for something that is not there yet, held by `holder` (0: nobody is known); only in machines
    /// with a seeded schedule. `object` is 0 for something of the engine's.
    Waits { what: &'static str, object: usize, holder: u32 },
    /// A DPC routine is about to run.
    DpcEntered { thread: u32, routine: usize },
    /// A kernel APC is about to be delivered.
    ApcDelivered { thread: u32, special: bool },
    /// A timer became due.
    TimerFired { timer: usize, time: u64 },
    /// A line that a driver printed.
    DebugPrint { text: &'a str },
}

/// Receives events on the thread they happen on. Must not call back into the machine.
pub trait Observer: Send + Sync {
    /// One event. Runs with locks of the engine possibly held: record and return.
    fn event(&self, event: &Event<'_>);
}
