//! Dbg: debug prints go to the observer and nowhere else.

use boundary::{Event, export, export_variadic};
use nt_abi::NtStatus;
use nt_abi::irql::HIGH_LEVEL;
use nt_ke::current_core;
use nt_rtl::format;

use crate::argument::rows;

rows! { "ntoskrnl.exe", "nt-rtl";
    DbgPrint done "to the observer; no filter by component";
    DbgPrintEx done "to the observer; no filter by component or level";
    vDbgPrintEx done "to the observer";
    vDbgPrintExWithPrefix done "to the observer";
    DbgQueryDebugFilterState done "everything is printed";
    DbgSetDebugFilterState partial "refused: nothing is filtered";
}

/// A machine cuts lines at this many bytes, as Windows does.
const LONGEST: usize = 512;

fn print(prefix: &[u8], format: usize, arguments: *const u64) -> NtStatus {
    let core = current_core();
    if core.observed() {
        let mut line = prefix.to_vec();
        line.extend(format::narrow_at(format, arguments as usize));
        line.truncate(LONGEST);
        let units = nt_rtl::ansi::to_units(&line);
        core.observe(&Event::DebugPrint { text: &String::from_utf16_lossy(&units) });
    }
    NtStatus::SUCCESS
}

export_variadic! {
    /// Prints a line.
    pub fn DbgPrint(format: usize; arguments) -> NtStatus [irql <= HIGH_LEVEL, fixed 1] {
        Ok(print(b"", format, arguments))
    }

    /// Prints a line for a component at a level.
    pub fn DbgPrintEx(_component: u32, _level: u32, format: usize; arguments) -> NtStatus [irql <= HIGH_LEVEL, fixed 3] {
        Ok(print(b"", format, arguments))
    }
}

export! {
    /// Prints a line with a `va_list`.
    pub fn vDbgPrintEx(_component: u32, _level: u32, format: usize, arguments: *const u64) -> NtStatus
        [irql <= HIGH_LEVEL] {
        Ok(print(b"", format, arguments))
    }

    /// Prints a line with a prefix and a `va_list`.
    pub fn vDbgPrintExWithPrefix(prefix: usize, _component: u32, _level: u32, format: usize, arguments: *const u64)
        -> NtStatus [irql <= HIGH_LEVEL] {
        let prefix = crate::crt_string::bytes_at(prefix)?;
        Ok(print(&prefix, format, arguments))
    }

    /// Whether a component's prints at a level are shown.
    pub fn DbgQueryDebugFilterState(_component: u32, _level: u32) -> NtStatus [irql <= HIGH_LEVEL] {
        Ok(NtStatus::from_bits(1))
    }

    /// Chooses what is shown.
    pub fn DbgSetDebugFilterState(_component: u32, _level: u32, _state: u8) -> NtStatus [irql <= HIGH_LEVEL] {
        Ok(NtStatus::NOT_SUPPORTED)
    }
}
