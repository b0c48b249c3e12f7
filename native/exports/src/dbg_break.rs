//! Dbg: assertions and breakpoints of drivers. No debugger is attached.

use boundary::export;
use nt_abi::bugcheck;
use nt_abi::irql::HIGH_LEVEL;
use nt_ke::{BugCheck, Finding, current_core};
use nt_rtl::string::read_zero_terminated_bytes;

use crate::argument::rows;

rows! { "ntoskrnl.exe", "nt-ke";
    RtlAssert done "a finding; the driver goes on";
    DbgBreakPoint done "no debugger: a bug check, as on Windows";
    DbgBreakPointWithStatus done "as DbgBreakPoint";
}

/// STATUS_BREAKPOINT.
const BREAKPOINT: u64 = 0x8000_0003;

fn text(address: usize) -> String {
    match read_zero_terminated_bytes(address, 1024) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => nt_rtl::string::BAD_ADDRESS.to_owned(),
    }
}

fn stop(status: u32) -> boundary::Raise {
    current_core().bug_check(BugCheck::new(
        bugcheck::KMODE_EXCEPTION_NOT_HANDLED,
        [BREAKPOINT, boundary::caller_address() as u64, u64::from(status), 0],
        "the driver asked for a breakpoint, and there is no debugger to take it",
    ))
}

export! {
    /// An assertion of a driver does not hold.
    pub fn RtlAssert(assertion: usize, file: usize, line: u32, message: usize) -> () [irql <= HIGH_LEVEL] {
        let (assertion, file) = (text(assertion), text(file));
        let said = if message == 0 { String::new() } else { format!(": {}", text(message)) };
        let what = format!("an assertion of the driver does not hold{said}: {assertion} ({file}, line {line})");
        current_core().report(Finding::error("driver-assertion", "", what));
        Ok(())
    }

    /// Breaks into the debugger.
    pub fn DbgBreakPoint() -> () [irql <= HIGH_LEVEL] { Err(stop(0)) }

    /// Breaks into the debugger.
    pub fn DbgBreakPointWithStatus(status: u32) -> () [irql <= HIGH_LEVEL] { Err(stop(status)) }
}
