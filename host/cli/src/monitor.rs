//! Watches a run from a thread of its own: draws progress, gives up when nothing moves, ends the process when
//! its supervisor is gone.
//!
//! Time is counted in ticks of this thread, so a process that was stopped for a while has not hung. Threads of
//! the machine only add to counters: they have small stacks and may run under locks.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use altimeter::workload::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::supervisor;

/// Shorter in tests, which do not measure it.
const TICK: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 100 });
/// Ticks before a bar appears: short runs show none.
const BAR_AFTER: u64 = 15;
/// Ticks that a machine has to end after it was told to.
const GRACE: u64 = 100;

/// Counters that the workload advances.
#[derive(Default)]
pub struct Monitor {
    total: AtomicU64,
    done: AtomicU64,
    /// Grows with everything that counts as life.
    life: AtomicU64,
    doing: Mutex<String>,
    bar: Mutex<Option<ProgressBar>>,
}

impl Progress for Monitor {
    fn total(&self, steps: u64) {
        self.total.store(steps, Ordering::Relaxed);
        self.life.fetch_add(1, Ordering::Relaxed);
    }

    fn advance(&self, steps: u64) {
        self.done.fetch_add(steps, Ordering::Relaxed);
        self.life.fetch_add(1, Ordering::Relaxed);
    }
}

impl Monitor {
    /// A new step of the run begins.
    pub fn doing(&self, what: &str) {
        what.clone_into(&mut self.doing.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        self.life.fetch_add(1, Ordering::Relaxed);
    }

    /// What the run does now.
    fn what(&self) -> String {
        self.doing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Removes the bar, before results are printed.
    pub fn clear(&self) {
        self.total.store(0, Ordering::Relaxed);
        if let Some(bar) = self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }

    /// Watches for ever. After `timeout` seconds without life calls `give_up` with what to say, and, when the
    /// run does not end on that, `abandon`.
    pub fn watch(&self, timeout: u64, give_up: &dyn Fn(String), abandon: &dyn Fn()) {
        let supervisor = supervisor::supervisor_id();
        let limit = timeout.saturating_mul(10);
        let (mut ticks, mut idle, mut last) = (0u64, 0u64, 0u64);
        loop {
            std::thread::sleep(TICK);
            ticks += 1;
            if supervisor.is_some_and(|id| std::os::unix::process::parent_id() != id) {
                std::process::exit(3);
            }
            self.draw(ticks);
            let life = self.life.load(Ordering::Relaxed);
            idle = if life == last { idle + 1 } else { 0 };
            last = life;
            if limit == 0 {
                continue;
            }
            if idle == limit {
                give_up(format!(
                    "Nothing made progress for {timeout} seconds while {}. A driver loops without end or waits for \
                     what never comes; the stack says where. If it is only slow, give --timeout more seconds",
                    self.what()
                ));
            } else if idle == limit.saturating_add(GRACE) {
                abandon();
            }
        }
    }

    fn draw(&self, ticks: u64) {
        let total = self.total.load(Ordering::Relaxed);
        if total == 0 || ticks < BAR_AFTER || !std::io::stderr().is_terminal() {
            return;
        }
        let mut bar = self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let bar = bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{msg} {wide_bar} {percent:>3} % {eta:>4}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        bar.set_message(self.what());
        bar.set_position(self.done.load(Ordering::Relaxed).min(total));
    }
}

#[cfg(test)]
mod watching {
    use std::cell::RefCell;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_run_that_stands_still_is_given_up_and_then_abandoned() {
        let monitor = Monitor::default();
        monitor.doing("loading x.sys");
        let said = RefCell::new(String::new());
        // Nothing ends the watch but the end of the process; here, a panic stands for it.
        let ended = catch_unwind(AssertUnwindSafe(|| {
            monitor.watch(1, &|message| *said.borrow_mut() = message, &|| panic!("abandoned"));
        }));
        assert!(ended.is_err());
        assert!(said.borrow().contains("while loading x.sys"), "{}", said.borrow());
    }
}
