//! Time: system time, interrupt time and ticks, and the page on which drivers read them directly.
//!
//! One tick is 15.625 ms, as on Windows. A thread of its own refreshes the page while the machine lives; where time is
//! virtual, whoever moves it does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use boundary::Slot;
use parking_lot::{Condvar, Mutex};

use crate::core::Core;

/// 100 ns units between ticks.
pub const TICK: u64 = 156_250;
const UNIX_EPOCH_1601: u64 = 116_444_736_000_000_000;
/// When a machine with virtual time boots: the first of January 2026.
const VIRTUAL_BOOT: Duration = Duration::from_secs(1_767_225_600);

struct Ticker {
    stop: bool,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// The clock of one machine.
pub struct Clock {
    page: usize,
    boot_time: u64,
    /// When the page is to be written next, in a seeded machine.
    next_tick: AtomicU64,
    virtual_time: bool,
    ticker: Arc<(Mutex<Ticker>, Condvar)>,
}

impl Clock {
    pub(crate) fn new(slot: &Slot, virtual_time: bool) -> Self {
        let now = if virtual_time {
            VIRTUAL_BOOT
        } else {
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
        };
        Self {
            page: slot.alias(slot.shared_user_data()),
            boot_time: UNIX_EPOCH_1601 + (now.as_nanos() / 100) as u64,
            next_tick: AtomicU64::new(0),
            virtual_time,
            ticker: Arc::new((Mutex::new(Ticker { stop: false, thread: None }), Condvar::new())),
        }
    }

    pub(crate) fn start(&self, core: &Arc<Core>) -> std::io::Result<()> {
        self.write_constants();
        self.refresh(0);
        if self.virtual_time {
            return Ok(());
        }
        let weak: Weak<Core> = Arc::downgrade(core);
        let pair = Arc::clone(&self.ticker);
        let thread =
            std::thread::Builder::new().name("clock".into()).stack_size(128 << 10).spawn(move || {
                let (state, wake) = &*pair;
                let mut ticker = state.lock();
                while !ticker.stop {
                    wake.wait_for(&mut ticker, Duration::from_micros(15_625));
                    if ticker.stop {
                        return;
                    }
                    parking_lot::MutexGuard::unlocked(&mut ticker, || {
                        if let Some(core) = weak.upgrade() {
                            core.clock.refresh(core.scheduler.now());
                            crate::apc::interrupt_all(&core);
                        }
                    });
                }
            })?;
        self.ticker.0.lock().thread = Some(thread);
        Ok(())
    }

    /// Stops the thread that refreshes the page.
    pub(crate) fn stop(&self) {
        let thread = {
            let mut ticker = self.ticker.0.lock();
            ticker.stop = true;
            ticker.thread.take()
        };
        self.ticker.1.notify_all();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }

    /// System time: 100 ns units since 1601, UTC.
    pub fn system_time(&self, since_boot: u64) -> u64 {
        self.boot_time + since_boot
    }

    fn put(&self, offset: usize, value: u32) {
        // A fresh page of this machine's own alias: the write cannot fail.
        let _ = boundary::copy::write_value(self.page + offset, value);
    }

    /// `KSYSTEM_TIME`: high copy first, low, then high, as readers expect.
    fn put_time(&self, offset: usize, value: u64) {
        self.put(offset + 8, (value >> 32) as u32);
        self.put(offset, value as u32);
        self.put(offset + 4, (value >> 32) as u32);
    }

    fn write_constants(&self) {
        self.put(0x4, (15_625u32 << 24) / 1000); // TickCountMultiplier
        self.put(0x260, 26100); // NtBuildNumber
        self.put(0x264, 1); // NtProductType: workstation
        self.put(0x26C, 10); // NtMajorVersion
        self.put(0x270, 0); // NtMinorVersion
    }

    /// Writes the page when a tick has passed since it was written last: in machines whose time is virtual.
    pub(crate) fn refresh_when_due(&self, since_boot: u64) {
        if since_boot >= self.next_tick.load(Ordering::Relaxed) {
            self.next_tick.store((since_boot / TICK + 1) * TICK, Ordering::Relaxed);
            self.refresh(since_boot);
        }
    }

    /// Writes the current times to the page.
    pub fn refresh(&self, since_boot: u64) {
        self.put_time(0x8, since_boot);
        self.put_time(0x14, self.system_time(since_boot));
        self.put_time(0x320, since_boot / TICK);
    }
}
