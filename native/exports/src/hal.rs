//! hal.dll: what it exports itself. Its other names live in ntoskrnl nowadays and resolve in either image.

use boundary::export;
use nt_abi::irql::HIGH_LEVEL;
use nt_ex::time;

use crate::argument::{rows, store_if};

rows! { "hal.dll", "nt-ke";
    KeQueryPerformanceCounter done "10 MHz";
    KeStallExecutionProcessor done "";
}

export! {
    /// The performance counter, and its frequency in hertz.
    pub fn KeQueryPerformanceCounter(frequency: *mut i64) -> i64 [irql <= HIGH_LEVEL] {
        let (counter, hertz) = time::performance_counter();
        store_if(frequency, hertz as i64)?;
        Ok(counter as i64)
    }

    /// Keeps the processor busy for some microseconds.
    pub fn KeStallExecutionProcessor(microseconds: u32) -> () [irql <= HIGH_LEVEL] {
        nt_ke::current_core().scheduler().stall(u64::from(microseconds) * 10);
        Ok(())
    }
}
