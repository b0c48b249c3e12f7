//! Bringing pages in: from the store through all filters, or as zeros where the stream has no data.
//!
//! Statements: PAGE-04, PAGE-08, CC-05.

use std::sync::atomic::Ordering;

use boundary::Raise;
use boundary::slot::PAGE_SIZE;
use nt_abi::NtStatus;

use crate::cc;
use crate::map::SharedMap;
use crate::pages::{VIEW_SIZE, first_run, span};
use crate::view::{self, Locked};

/// Takes one step towards all pages of `wanted` being valid: reads one run of those that are missing, or waits for
/// somebody who does. The caller locks the view again and looks.
///
/// Errors: raises the status of the paging read
pub fn step(map: &SharedMap, mut locked: Locked, wanted: u64) -> Result<(), Raise> {
    let missing = wanted & !locked.pages.valid;
    if missing & locked.pages.reading != 0 {
        return locked.wait();
    }
    let Some((first, count)) = first_run(missing) else { return Ok(()) };
    let run = span(first, first + count);
    locked.pages.reading |= run;
    locked.begin();
    let fresh = (run & !locked.pages.backed).count_ones() as usize;
    let (address, index) = (locked.address, locked.pages.index);
    drop(locked);
    if fresh != 0 {
        view::reserve(fresh);
    }
    let result = read(map, address + first * PAGE_SIZE, index, first, count);
    let mut locked = view::find(map, index).expect("a view that is being read stays");
    locked.pages.reading &= !run;
    // The view may have been given memory by others in the meantime, never by less than this.
    let twice = fresh - (run & !locked.pages.backed).count_ones() as usize;
    locked.pages.backed |= run;
    if result.is_ok() {
        locked.pages.valid |= run;
    }
    locked.finish();
    view::unreserve(twice);
    result
}

/// Fills `count` pages at `address`, which are page `first` and so on of the view with this index.
fn read(map: &SharedMap, address: usize, index: u64, first: usize, count: usize) -> Result<(), Raise> {
    let offset = (index * VIEW_SIZE as u64) as i64 + (first * PAGE_SIZE) as i64;
    let bytes = count * PAGE_SIZE;
    let left = map.valid_data() - offset;
    // Whole pages that begin before the end of valid data.
    let wanted = left.clamp(0, bytes as i64).unsigned_abs() as usize;
    let wanted = wanted.next_multiple_of(PAGE_SIZE);
    let got = if wanted == 0 { 0 } else { page_in(map, address, offset, wanted)? };
    if got < bytes {
        boundary::copy::fill(address + got, 0, bytes - got)?;
    }
    Ok(())
}

/// Reads whole pages with paging I/O. Returns how many bytes the file had there.
pub fn page_in(map: &SharedMap, address: usize, offset: i64, bytes: usize) -> Result<usize, Raise> {
    let mdl =
        nt_ex::mdl::allocate_engine(address, bytes).ok_or(Raise::Status(NtStatus::INSUFFICIENT_RESOURCES))?;
    nt_mm::mdl::lock_resident(mdl, true);
    let result = nt_io::io_page_read(map.file(), mdl, offset);
    crate::flush::let_go(mdl)?;
    cc().reads.fetch_add(1, Ordering::Relaxed);
    let result = result?;
    match result.status {
        NtStatus::END_OF_FILE => Ok(0),
        status if status.is_error() => Err(Raise::Status(status)),
        _ => Ok(result.information.min(bytes)),
    }
}
