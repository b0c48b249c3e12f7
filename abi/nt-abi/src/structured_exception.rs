//! What describes an exception: registers, record, and what a language handler is told.
//!
//! Layouts are those of the x64 `CONTEXT` and `EXCEPTION_RECORD` that Microsoft documents; not in `layout.csv`.

use crate::NativeFn;
use core::cell::Cell;

crate::declare::layout! {
    /// Registers of a thread. The general ones stand in the order that unwind information numbers them.
    struct CONTEXT(0x4d0) {
        0x0 Home: [Cell<u64>; 6],
        0x30 ContextFlags: Cell<u32>,
        0x34 MxCsr: Cell<u32>,
        0x38 Segments: [Cell<u16>; 6],
        0x44 EFlags: Cell<u32>,
        0x48 Debug: [Cell<u64>; 6],
        0x78 Integer: [Cell<u64>; 16],
        0xf8 Rip: Cell<u64>,
        0x100 FloatHeader: [Cell<u64>; 20],
        0x1a0 Xmm: [Cell<u64>; 32],
        0x2a0 FloatRest: [Cell<u64>; 12],
        0x300 VectorRegister: [Cell<u64>; 52],
        0x4a0 VectorControl: Cell<u64>,
        0x4a8 DebugControl: Cell<u64>,
        0x4b0 LastBranchToRip: Cell<u64>,
        0x4b8 LastBranchFromRip: Cell<u64>,
        0x4c0 LastExceptionToRip: Cell<u64>,
        0x4c8 LastExceptionFromRip: Cell<u64>,
    }

    /// What happened.
    struct EXCEPTION_RECORD(0x98) {
        0x0 ExceptionCode: Cell<i32>,
        0x4 ExceptionFlags: Cell<u32>,
        0x8 ExceptionRecord: Cell<*mut EXCEPTION_RECORD>,
        0x10 ExceptionAddress: Cell<usize>,
        0x18 NumberParameters: Cell<u32>,
        0x1c _pad1c: [Cell<u8>; 4],
        0x20 ExceptionInformation: [Cell<u64>; 15],
    }

    /// What an exception filter is given.
    struct EXCEPTION_POINTERS(0x10) {
        0x0 ExceptionRecord: Cell<*mut EXCEPTION_RECORD>,
        0x8 ContextRecord: Cell<*mut CONTEXT>,
    }

    /// What a language handler is told of the frame that it is called for.
    struct DISPATCHER_CONTEXT(0x50) {
        0x0 ControlPc: Cell<u64>,
        0x8 ImageBase: Cell<u64>,
        0x10 FunctionEntry: Cell<usize>,
        0x18 EstablisherFrame: Cell<u64>,
        0x20 TargetIp: Cell<u64>,
        0x28 ContextRecord: Cell<*mut CONTEXT>,
        0x30 LanguageHandler: Cell<NativeFn>,
        0x38 HandlerData: Cell<u64>,
        0x40 HistoryTable: Cell<usize>,
        0x48 ScopeIndex: Cell<u32>,
        0x4c Fill0: Cell<u32>,
    }
}

/// `EXCEPTION_RECORD.ExceptionFlags`, and what a language handler answers.
pub mod exception {
    /// The exception cannot be continued.
    pub const NONCONTINUABLE: u32 = 0x1;
    /// Frames are being unwound.
    pub const UNWINDING: u32 = 0x2;
    /// … all of them.
    pub const EXIT_UNWIND: u32 = 0x4;
    /// A handler is called for the frame that unwinding ends at.
    pub const TARGET_UNWIND: u32 = 0x20;
    /// Any of the two.
    pub const UNWIND: u32 = UNWINDING | EXIT_UNWIND;

    /// Go on where the exception happened.
    pub const CONTINUE_EXECUTION: i32 = 0;
    /// Ask the next frame.
    pub const CONTINUE_SEARCH: i32 = 1;

    /// Value of a scope's handler that takes everything: `__except(EXCEPTION_EXECUTE_HANDLER)`.
    pub const EXECUTE_HANDLER: u32 = 1;
    /// Control and integer registers, vector registers: `CONTEXT_FULL`.
    pub const CONTEXT_FULL: u32 = 0x0010_000B;
}
