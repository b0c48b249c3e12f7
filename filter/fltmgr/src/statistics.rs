//! What a run did: callbacks per instance and operation, and how the instances stand above each other.

use std::sync::atomic::Ordering;

use crate::Flt;
use crate::instance::Instance;
use crate::rows::{self, ROWS};
use crate::text::lossy;

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

/// One volume's instances, highest altitude first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeStack {
    /// Volume.
    pub volume: String,
    /// Filter, instance, altitude, load order group.
    pub instances: Vec<(String, String, String, Option<&'static str>)>,
}

impl Flt {
    /// Switches the counters on or off. Off, a callback touches no shared counter.
    pub fn set_statistics(&self, on: bool) {
        self.counting.store(on, Ordering::Relaxed);
    }

    /// Whether counters are on.
    #[inline]
    pub fn statistics_on(&self) -> bool {
        self.counting.load(Ordering::Relaxed)
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

    /// The instances of every volume, as they stand.
    pub fn stack_description(&self) -> Vec<VolumeStack> {
        self.volumes()
            .into_iter()
            .map(|volume| VolumeStack {
                volume: lossy(&volume.name),
                instances: volume
                    .instances()
                    .into_iter()
                    .map(|i| {
                        (i.filter.label.clone(), lossy(&i.name), i.altitude.to_string(), i.altitude.group())
                    })
                    .collect(),
            })
            .collect()
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
