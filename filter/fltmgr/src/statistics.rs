//! What a run did: callbacks per instance and operation, and how the instances stand above each other.

use std::sync::atomic::Ordering;

use crate::Flt;
use crate::instance::Instance;
use crate::rows::{self, ROWS};
use crate::text::lossy;

/// Callbacks are counted and timed.
pub(crate) const COUNTING: u32 = 1;
/// Post callbacks run at DISPATCH_LEVEL.
const HIGH: u32 = 2;

/// Callbacks of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationStatistics {
    /// `IRP_MJ_CREATE` and so on.
    pub operation: &'static str,
    /// Pre callbacks.
    pub pre: u64,
    /// Post callbacks.
    pub post: u64,
    /// Time in both.
    pub nanoseconds: u64,
}

/// Counters of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceStatistics {
    /// Filter.
    pub filter: String,
    /// Instance.
    pub instance: String,
    /// As it was spelt.
    pub altitude: String,
    /// Volume.
    pub volume: String,
    /// Operations with at least one callback.
    pub operations: Vec<OperationStatistics>,
}

impl Flt {
    /// Switches the counters on or off. Off, a callback touches no shared counter.
    pub fn set_statistics(&self, on: bool) {
        self.switch(COUNTING, on);
    }

    /// Whether counters are on.
    #[inline]
    pub fn statistics_on(&self) -> bool {
        self.switches.load(Ordering::Relaxed) & COUNTING != 0
    }

    /// Runs post callbacks at DISPATCH_LEVEL in another thread wherever they have to cope with that: those of IRPs, but
    /// for CREATE, CLEANUP and CLOSE, operations that filters issue and wait for, and FLT_PREOP_SYNCHRONIZE; and the
    /// callbacks of `FltPerformAsynchronousIo`. Source: POST-03, GIO-11
    pub fn set_post_at_dispatch(&self, on: bool) {
        self.switch(HIGH, on);
    }

    /// Whether that is on.
    #[inline]
    pub(crate) fn posts_at_dispatch(&self) -> bool {
        self.switches.load(Ordering::Relaxed) & HIGH != 0
    }

    /// Whether anything is. One load for all.
    #[inline]
    pub(crate) fn has_switches(&self) -> bool {
        self.switches.load(Ordering::Relaxed) != 0
    }

    fn switch(&self, which: u32, on: bool) {
        if on {
            self.switches.fetch_or(which, Ordering::Relaxed);
        } else {
            self.switches.fetch_and(!which, Ordering::Relaxed);
        }
    }

    /// Counters of all instances: those that were torn down first, then those that are attached now.
    pub fn statistics(&self) -> Vec<InstanceStatistics> {
        let mut all = self.finished.lock().clone();
        all.extend(self.volumes().iter().flat_map(|volume| volume.instances()).map(|i| of_instance(&i)));
        all
    }

    /// Keeps the counters of an instance that goes.
    pub(crate) fn keep_statistics(&self, instance: &Instance) {
        if self.statistics_on() {
            self.finished.lock().push(of_instance(instance));
        }
    }
}

fn of_instance(instance: &Instance) -> InstanceStatistics {
    let operation = |row: usize| {
        let counter = &instance.counters[row];
        let statistics = OperationStatistics {
            operation: rows::name(rows::major_of_row(row)),
            pre: counter.pre.load(Ordering::Relaxed),
            post: counter.post.load(Ordering::Relaxed),
            nanoseconds: counter.nanoseconds.load(Ordering::Relaxed),
        };
        (statistics.pre + statistics.post > 0).then_some(statistics)
    };
    InstanceStatistics {
        filter: instance.filter.label.clone(),
        instance: lossy(&instance.name),
        altitude: instance.altitude.to_string(),
        volume: lossy(&instance.volume.name),
        operations: (0..ROWS).filter_map(operation).collect(),
    }
}
