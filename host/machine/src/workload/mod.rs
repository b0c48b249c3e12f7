//! Workloads: what drives a volume through the filters, and knows what has to come back.
//!
//! Each runs on kernel threads of a machine, speaks to the volume as a user-mode program does
//! ([`Session`](crate::Session)), and checks every answer against what it knows independently. A
//! difference is a mismatch and goes on; only a stopping machine ends a workload early.

mod copy_tree;
mod stress;
mod tour;

use parking_lot::Mutex;

pub use copy_tree::copy_tree;
pub use stress::{Beside, StressOptions, stress, stress_beside};
pub use tour::{TourOptions, tour};

/// How many mismatches and refusals are described in words.
const DESCRIBED: usize = 20;

/// What a workload did.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// `tour`, `copy-tree` or `stress`.
    pub name: &'static str,
    /// NT operations that were issued.
    pub operations: u64,
    /// Names that the store cannot hold or a filter denied.
    pub refused: u64,
    /// Answers that differ from what was expected.
    pub mismatches: u64,
    /// Bytes read and written.
    pub bytes: u64,
    /// The first mismatches, in words.
    pub mismatch_details: Vec<String>,
    /// The first refusals, in words.
    pub refusal_details: Vec<String>,
    /// Whether the machine stopped before the end.
    pub interrupted: bool,
}

impl Outcome {
    /// Adds what the same workload did on another volume.
    pub fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.refused += other.refused;
        self.mismatches += other.mismatches;
        self.bytes += other.bytes;
        self.mismatch_details.extend(other.mismatch_details);
        self.refusal_details.extend(other.refusal_details);
        self.interrupted |= other.interrupted;
    }
}

/// Is told how far a workload is. Called from several threads.
pub trait Progress: Sync {
    /// There are `steps` steps in all.
    fn total(&self, steps: u64);
    /// `steps` more are done.
    fn advance(&self, steps: u64);
}

/// Tells nobody.
pub struct NoProgress;
impl Progress for NoProgress {
    fn total(&self, _: u64) {}
    fn advance(&self, _: u64) {}
}

/// Collects an [`Outcome`] from several threads.
pub(crate) struct Tally {
    outcome: Mutex<Outcome>,
}

impl Tally {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { outcome: Mutex::new(Outcome { name, ..Outcome::default() }) }
    }

    pub(crate) fn operations(&self, operations: u64, bytes: u64) {
        let mut outcome = self.outcome.lock();
        outcome.operations += operations;
        outcome.bytes += bytes;
    }

    pub(crate) fn mismatch(&self, what: impl Into<String>) {
        let mut outcome = self.outcome.lock();
        outcome.mismatches += 1;
        if outcome.mismatch_details.len() < DESCRIBED {
            outcome.mismatch_details.push(what.into());
        }
    }

    pub(crate) fn refused(&self, what: impl Into<String>) {
        let mut outcome = self.outcome.lock();
        outcome.refused += 1;
        if outcome.refusal_details.len() < DESCRIBED {
            outcome.refusal_details.push(what.into());
        }
    }

    pub(crate) fn interrupted(&self) {
        self.outcome.lock().interrupted = true;
    }

    pub(crate) fn finish(self) -> Outcome {
        self.outcome.into_inner()
    }
}
