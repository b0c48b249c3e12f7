//! hal.dll: what it exports itself. Its other names live in ntoskrnl nowadays and resolve in either image.

use std::time::{Duration, Instant};

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
        let end = Instant::now() + Duration::from_micros(microseconds.into());
        while Instant::now() < end && !boundary::current().stopping() {
            std::hint::spin_loop();
        }
        Ok(())
    }
}
