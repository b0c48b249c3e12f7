//! When a file was written: by a program's write, not by the paging write that comes later.
//!
//! ```text
//! write ─► touched ─► query, flush, cleanup: last write is now ─► settled
//!                └──► the program sets the time itself ─────────► settled
//! ```
//!
//! Statements: PAGE-14.

use store::MetadataChange;

use crate::Failure;
use crate::fcb::{Fcb, Volume};

/// Gives a file that was written the time of now, once.
pub(crate) fn settle(volume: &Volume, fcb: &Fcb) -> Result<(), Failure> {
    if fcb.touched.replace(0) == 0 || fcb.deleted.get() != 0 {
        return Ok(());
    }
    let now = nt_ke::current_core();
    let now = now.clock.system_time(now.scheduler().now()) as i64;
    let change = MetadataChange { last_write: Some(now), ..MetadataChange::default() };
    volume.store.set_metadata(fcb.id(), change)?;
    Ok(())
}

/// Runs a write to the store that leaves the time of the last write as it is.
pub(crate) fn keeping(
    volume: &Volume,
    fcb: &Fcb,
    write: impl Fn() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut written = Ok(());
    volume.store.keep_last_write(fcb.id(), &mut || written = write())?;
    written
}
