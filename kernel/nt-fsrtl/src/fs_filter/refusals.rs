//! Filters that keep refusing: a file whose acquisitions fail again and again is never written.
//!
//! Owns: how often in a row filters have failed acquisitions of a file. A file system that cannot wait is not counted.
//!
//! Statements: FSF-27.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use nt_abi::{NtStatus, irp_mj};
use nt_ke::{Finding, Lock, Rank, current_core};

use crate::FsRtl;

/// How many failures in a row are reported.
pub const REPORTED: u32 = 16;

/// The files that filters refuse to acquire, by file object.
pub struct Refusals {
    files: AtomicUsize,
    counts: Lock<BTreeMap<usize, u32>>,
}

impl Refusals {
    pub(crate) fn new() -> Self {
        Self { files: AtomicUsize::new(0), counts: Lock::new(Rank::Leaf, BTreeMap::new()) }
    }
}

fn refusals() -> Option<&'static Refusals> {
    current_core().try_get::<FsRtl>().map(|fsrtl| &fsrtl.refusals)
}

/// The filter `driver` failed to acquire the file object at `file`.
pub fn refused(file: usize, driver: &str, operation: u8, status: NtStatus) {
    let Some(refusals) = refusals() else { return };
    let count = {
        let mut counts = refusals.counts.lock();
        let count = counts.entry(file).or_insert(0);
        *count += 1;
        let count = *count;
        refusals.files.store(counts.len(), Ordering::Release);
        count
    };
    if count == REPORTED {
        current_core().report(Finding::warning(
            "FSF-27",
            driver,
            format!(
                "{}: acquiring the file object {file:#x} was refused {count} times in a row, the last time with \
                 {status}: what is not acquired is never written, and the system runs out of clean memory",
                irp_mj::name(operation)
            ),
        ));
    }
}

/// The file object at `file` was acquired, or is gone.
pub(crate) fn ended(file: usize) {
    let Some(refusals) = refusals() else { return };
    if refusals.files.load(Ordering::Acquire) == 0 {
        return;
    }
    let mut counts = refusals.counts.lock();
    counts.remove(&file);
    refusals.files.store(counts.len(), Ordering::Release);
}
