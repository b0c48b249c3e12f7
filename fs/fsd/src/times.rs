//! When a file was written: by a program's write, not by the paging write that comes later.
//!
//! ```text
//! write ─► touched ─► query, flush, cleanup: last write is now ─► settled
//!                └──► the program sets the time itself ─────────► settled
//! ```
//!
//! A store moves the time with every write, so a paging write puts it back: to what the stream's block remembers, which
//! each of the ways above changes first. Who puts it back looks again afterwards, so of two that do it at once,
//! none leaves an old time. A program of the host that sets the time of an open file may lose it.
//!
//! Statements: PAGE-14.

use std::sync::atomic::Ordering;

use store::MetadataChange;

use crate::Failure;
use crate::fcb::{Fcb, Volume};

fn last_write(time: i64) -> MetadataChange {
    MetadataChange { last_write: Some(time), ..MetadataChange::default() }
}

/// The time of the last write is `time` from now on, for all streams of the file. The caller tells the store
/// afterwards. Locks: the volume's resource.
pub(crate) fn note(volume: &Volume, fcb: &Fcb, time: i64) {
    volume.for_each(|stream| {
        if stream.id() == fcb.id() {
            stream.last_write.store(time, Ordering::SeqCst);
        }
    });
}

/// Gives a file that was written the time of now, once. Locks: the volume's resource.
pub(crate) fn settle(volume: &Volume, fcb: &Fcb) -> Result<(), Failure> {
    if fcb.touched.replace(0) == 0 || fcb.deleted.get() != 0 {
        return Ok(());
    }
    let core = nt_ke::current_core();
    let now = core.clock.system_time(core.scheduler().now()) as i64;
    note(volume, fcb, now);
    volume.store.set_metadata(fcb.id(), last_write(now))?;
    Ok(())
}

/// Runs a write to the store that leaves the time of the last write as it is.
pub(crate) fn keeping(
    volume: &Volume,
    fcb: &Fcb,
    write: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    if fcb.last_write.load(Ordering::SeqCst) == 0 {
        // Before the write of whoever comes first, so the same for all.
        let time = volume.store.metadata(fcb.id())?.times.last_write;
        let _ = fcb.last_write.compare_exchange(0, time, Ordering::SeqCst, Ordering::SeqCst);
    }
    let written = write();
    loop {
        let time = fcb.last_write.load(Ordering::SeqCst);
        // The data is what counts: a time that cannot be put back is no failure of the write.
        let _ = volume.store.set_metadata(fcb.id(), last_write(time));
        if fcb.last_write.load(Ordering::SeqCst) == time {
            return written;
        }
    }
}
