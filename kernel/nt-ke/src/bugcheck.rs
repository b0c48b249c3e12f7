//! Bug checks: raw facts of the one thing that ended a machine.

use boundary::processor::{FaultInfo, OVERFLOWED, ProcessorBlock, fault_kind};
use boundary::{Event, Hooks, Raise, Value};
use nt_abi::{NtStatus, bugcheck as code};

use crate::core::{Core, core_of};
use crate::locks::StuckThread;
use crate::pageable::Holds;

/// Code of a machine in which every thread waits for something that nobody will do. Not one of Windows'.
pub const HANG: u32 = 0x1000_0001;
/// Code of a machine in which threads wait for each other. Not one of Windows'.
pub const DEADLOCK: u32 = 0x1000_0003;
/// Code for a mistake of the engine itself. Not one of Windows'.
pub const ENGINE: u32 = 0x1000_0002;

/// Why a machine ended. Addresses are raw; the host puts symbols to them.
#[derive(Clone, Debug)]
pub struct BugCheck {
    /// Bug check code.
    pub code: u32,
    /// Its four parameters.
    pub parameters: [u64; 4],
    /// What happened and what to do.
    pub message: String,
    /// The fault behind it, if one was.
    pub fault: Option<FaultInfo>,
    /// Address that is to blame: the faulting instruction, or the driver's call.
    pub address: usize,
    /// Return addresses, innermost first.
    pub stack: Vec<usize>,
    /// Number of the thread.
    pub thread: u32,
    /// Threads that wait for ever, with what they hold.
    pub threads: Vec<StuckThread>,
}

impl BugCheck {
    /// A bug check at the driver's call of the export that is being executed.
    pub fn new(code: u32, parameters: [u64; 4], message: impl Into<String>) -> Self {
        Self {
            code,
            parameters,
            message: message.into(),
            fault: None,
            address: boundary::caller_address(),
            stack: Vec::new(),
            thread: 0,
            threads: Vec::new(),
        }
    }

    /// Name of the code.
    pub fn name(&self) -> &'static str {
        match self.code {
            HANG => "HANG",
            DEADLOCK => "DEADLOCK",
            ENGINE => "ENGINE_ERROR",
            other => code::name(other),
        }
    }
}

struct KernelHooks;
static HOOKS: KernelHooks = KernelHooks;

/// Installs signal handlers and hooks, once per process.
pub(crate) fn install() -> std::io::Result<()> {
    boundary::set_hooks(&HOOKS);
    boundary::signals::install()
}

impl Hooks for KernelHooks {
    fn fault(&self, block: &ProcessorBlock, fault: &FaultInfo) {
        let core = core_of(block);
        let rip = fault.registers[16] as usize;
        let (code, parameters, message) = describe(block, fault);
        let in_driver = block.in_images(rip);
        let caller = block.export_callers().first().copied().unwrap_or(0);
        let address = if in_driver || caller == 0 { rip } else { caller };
        let message = if in_driver || rip == 0 {
            message
        } else {
            format!("{message}, inside an export that the driver called with a bad argument")
        };
        let mut check = BugCheck::new(code, parameters, message);
        check.address = address;
        check.fault = Some(*fault);
        core.bug_check(check);
    }

    fn made_accessible(&self, block: &ProcessorBlock, address: usize, rip: usize) -> bool {
        let violated = block.irql.get() >= nt_abi::irql::DISPATCH_LEVEL && block.in_images(rip);
        let core = core_of(block);
        !violated && core.pageable.open_at(core, address)
    }

    fn exception_of(&self, block: &ProcessorBlock, fault: &FaultInfo) -> Option<(NtStatus, [u64; 2])> {
        let rip = fault.registers[16] as usize;
        let called = fault.address == rip;
        if !called && !block.in_images(rip) {
            return None;
        }
        match fault.kind {
            fault_kind::ACCESS => access_violation(block, fault, called),
            fault_kind::ARITHMETIC if fault.code == OVERFLOWED => Some((NtStatus::INTEGER_OVERFLOW, [0; 2])),
            fault_kind::ARITHMETIC => Some((NtStatus::INTEGER_DIVIDE_BY_ZERO, [0; 2])),
            fault_kind::BREAKPOINT => Some((NtStatus::BREAKPOINT, [0; 2])),
            fault_kind::ASSERTION => Some((NtStatus::ASSERTION_FAILURE, [0; 2])),
            fault_kind::INSTRUCTION if fault.signal == SIGILL => {
                Some((NtStatus::ILLEGAL_INSTRUCTION, [0; 2]))
            }
            _ => None,
        }
    }

    fn unhandled_raise(&self, block: &ProcessorBlock, status: NtStatus, at: &FaultInfo) {
        let caller = at.registers[16] as usize;
        let mut check = BugCheck::new(
            code::KMODE_EXCEPTION_NOT_HANDLED,
            [status.0 as u32 as u64, caller as u64, 0, 0],
            format!("{status} was raised and no frame of the driver handles it"),
        );
        check.address = caller;
        check.fault = Some(*at);
        core_of(block).bug_check(check);
    }

    fn irql_too_high(
        &self,
        block: &ProcessorBlock,
        export: &'static str,
        limit: u8,
        caller: usize,
    ) -> Result<(), Raise> {
        let irql = block.irql.get();
        let mut check = BugCheck::new(
            code::IRQL_NOT_LESS_OR_EQUAL,
            [caller as u64, u64::from(irql), 0, 0],
            format!("{export} was called at IRQL {irql}, but is limited to IRQL {limit}"),
        );
        check.address = caller;
        Err(core_of(block).bug_check(check))
    }

    fn export_called(
        &self,
        block: &ProcessorBlock,
        export: &'static str,
        caller: usize,
        arguments: &[Value],
    ) {
        core_of(block).observe(&Event::ExportCalled { export, caller, arguments });
    }

    fn export_returned(
        &self,
        block: &ProcessorBlock,
        export: &'static str,
        result: Value,
        raised: Option<NtStatus>,
    ) {
        core_of(block).observe(&Event::ExportReturned { export, result, raised });
    }

    fn misbehaves(&self, block: &ProcessorBlock, export: &'static str) -> bool {
        core_of(block).misbehaves(export)
    }

    fn schedule_point(&self, block: &ProcessorBlock) {
        core_of(block).scheduler().point();
    }

    fn apcs_wait(&self, _: &ProcessorBlock) -> Result<(), Raise> {
        crate::apc::deliver()
    }

    fn panicked(&self, block: &ProcessorBlock, export: &'static str, message: &str) {
        core_of(block).bug_check(BugCheck::new(
            ENGINE,
            [0; 4],
            format!(
                "the engine failed in {export}: {message}. This is a defect of Altimeter: please report it"
            ),
        ));
    }

    fn cr8(&self, block: &ProcessorBlock, write: Option<u8>) -> u8 {
        let before = block.irql.get();
        if let Some(new) = write {
            crate::irql::set(core_of(block), block, new);
        }
        before
    }
}

const SIGILL: u32 = 4;

/// A bad access as an exception: of addresses that are a user's, or no addresses at all. One of a kernel address, or at
/// DISPATCH_LEVEL, ends the machine, as on Windows.
fn access_violation(block: &ProcessorBlock, fault: &FaultInfo, called: bool) -> Option<(NtStatus, [u64; 2])> {
    const EXECUTE: u64 = 8;
    if block.irql.get() >= nt_abi::irql::DISPATCH_LEVEL {
        return None;
    }
    let address = fault.address as u64;
    let sign = (address as i64) >> 47;
    let canonical = sign == 0 || sign == -1;
    if !canonical {
        return Some((NtStatus::ACCESS_VIOLATION, [0, u64::MAX]));
    }
    let kind = if called { EXECUTE } else { u64::from(fault.write != 0) };
    let users = fault.address < core_of(block).slot.system_range_start();
    users.then_some((NtStatus::ACCESS_VIOLATION, [kind, address]))
}

fn describe(block: &ProcessorBlock, fault: &FaultInfo) -> (u32, [u64; 4], String) {
    let rip = fault.registers[16];
    let address = fault.address as u64;
    match fault.kind {
        fault_kind::FAST_FAIL => {
            let reason = match fault.code {
                0..=2 => "a stack buffer was overrun (security cookie)",
                3 => "a linked list is corrupt",
                5 => "an invalid argument was passed to a security-checked function",
                10 => "Control Flow Guard refused an indirect call",
                _ => "the driver asked to be stopped",
            };
            (
                code::KERNEL_SECURITY_CHECK_FAILURE,
                [u64::from(fault.code), 0, 0, 0],
                format!("fast fail {}: {reason}", fault.code),
            )
        }
        fault_kind::ASSERTION => (
            code::KMODE_EXCEPTION_NOT_HANDLED,
            [NtStatus::ASSERTION_FAILURE.0 as u32 as u64, rip, 0, 0],
            "an assertion of the driver failed (int 2Ch)".into(),
        ),
        fault_kind::BREAKPOINT => (
            code::KMODE_EXCEPTION_NOT_HANDLED,
            [0x8000_0003, rip, 0, 0],
            "the driver hit a breakpoint and no debugger is attached".into(),
        ),
        fault_kind::INSTRUCTION => (
            code::KMODE_EXCEPTION_NOT_HANDLED,
            [0xC000_001D, rip, 0, 0],
            "the driver executed an instruction that is illegal or needs a privilege that cannot be emulated"
                .into(),
        ),
        fault_kind::ARITHMETIC => (
            code::KMODE_EXCEPTION_NOT_HANDLED,
            [0xC000_0094, rip, 0, 0],
            "integer division by zero or overflow".into(),
        ),
        fault_kind::STACK_OVERFLOW => (
            code::UNEXPECTED_KERNEL_MODE_TRAP,
            [8, address, 0, rip],
            "the kernel stack overflowed (endless recursion, or large locals)".into(),
        ),
        _ => {
            let what = if fault.write != 0 { "wrote to" } else { "read" };
            if let Some(holds) = core_of(block).pageable.at(fault.address) {
                return touched_pageable(block, fault, holds);
            }
            if let Some(explained) = core_of(block).explain_fault(fault.address) {
                let message = format!("the driver {what} address {address:#x}, {}", explained.message);
                return (explained.code, [address, u64::from(fault.write), rip, 0], message);
            }
            let message = if fault.write == 0 && (rip == 0 || rip == address) {
                format!("the driver called address {address:#x}, where no code is")
            } else if address < 0x10000 {
                format!("the driver {what} address {address:#x}: a null pointer")
            } else {
                format!("the driver {what} address {address:#x}, which is not accessible")
            };
            let irql = u64::from(block.irql.get());
            let code =
                if irql >= 2 { code::IRQL_NOT_LESS_OR_EQUAL } else { code::PAGE_FAULT_IN_NONPAGED_AREA };
            (code, [address, u64::from(fault.write), rip, irql], message)
        }
    }
}

/// A driver touched what may be paged out, at DISPATCH_LEVEL or above.
fn touched_pageable(block: &ProcessorBlock, fault: &FaultInfo, holds: Holds) -> (u32, [u64; 4], String) {
    let (address, rip) = (fault.address as u64, fault.registers[16]);
    let irql = u64::from(block.irql.get());
    let what = match (holds, fault.write != 0) {
        (Holds::Pool, true) => "wrote to paged pool",
        (Holds::Pool, false) => "read paged pool",
        _ if rip == address => "ran code of a pageable section",
        (_, true) => "wrote to a pageable section",
        (_, false) => "read a pageable section",
    };
    let instead = match holds {
        Holds::Pool => "nonpaged pool",
        _ => "a section that is not named PAGE, or MmLockPagableCodeSection",
    };
    (
        code::DRIVER_IRQL_NOT_LESS_OR_EQUAL,
        [address, irql, u64::from(fault.write), rip],
        format!(
            "the driver {what} at IRQL {irql}, at {address:#x}: it may be paged out; use {instead} (EXEC-32)"
        ),
    )
}

impl Core {
    /// Ends the machine with `check`; the first one wins. Returns the raise to leave with.
    pub fn bug_check(&self, mut check: BugCheck) -> Raise {
        if let Some(block) = boundary::try_current() {
            check.thread = crate::thread::current_thread().number();
            let walked = self.walk_stack(check.fault.as_ref());
            check.stack = if walked.is_empty() { block.export_callers() } else { walked };
        }
        self.record_bug_check(check);
        self.request_stop();
        Raise::Stop
    }
}
