//! Time as the executive tells it. Units: 100 ns unless the name says otherwise.

use nt_ke::clock::TICK;
use nt_ke::current_core;

/// `KeQueryTimeIncrement`: 100 ns units per tick.
pub const TIME_INCREMENT: u32 = TICK as u32;

/// Since 1601, UTC. Source: KeQuerySystemTimePrecise; also refreshes what drivers read directly.
pub fn system_time() -> i64 {
    let core = current_core();
    core.clock.system_time(core.scheduler().now()) as i64
}

/// Since the machine started. Source: KeQueryInterruptTime.
pub fn interrupt_time() -> u64 {
    current_core().scheduler().now()
}

/// Ticks since the machine started. Source: KeQueryTickCount.
pub fn tick_count() -> u64 {
    interrupt_time() / TICK
}

/// A counter of 10 MHz and that frequency. Source: KeQueryPerformanceCounter.
pub fn performance_counter() -> (u64, u64) {
    (interrupt_time(), 10_000_000)
}

/// Local time of a system time: machines live in UTC. Source: ExSystemTimeToLocalTime.
pub fn system_to_local(time: i64) -> i64 {
    time
}

/// System time of a local time. Source: ExLocalTimeToSystemTime.
pub fn local_to_system(time: i64) -> i64 {
    time
}
