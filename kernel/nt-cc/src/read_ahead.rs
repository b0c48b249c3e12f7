//! Read-ahead: who reads a file from front to back finds the next part there already.
//!
//! It begins when two reads in a row started where the one before had ended and pages had to be read in; it runs on
//! a worker thread under the file system's read-ahead lock.
//!
//! Statements: FSF-31.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::FILE_OBJECT;
use nt_ex::work::{self, WorkQueue};

use crate::map::{MapReference, PrivateMap, SharedMap, private_of};
use crate::pages::{VIEW_SIZE, touched};
use crate::{cc, fill, view};

/// Bytes that are read ahead unless a file system says otherwise.
const GRANULARITY: i64 = VIEW_SIZE as i64;

/// Notes a read, and reads ahead when there is a pattern.
#[inline]
pub fn note(
    _file: &'static FILE_OBJECT,
    map: &SharedMap,
    private: &PrivateMap,
    offset: i64,
    length: i64,
    missed: bool,
) {
    let end = offset + length;
    let before = private.last_end.load(Ordering::Relaxed);
    private.last_end.store(end, Ordering::Relaxed);
    if before != offset {
        private.sequential.store(0, Ordering::Relaxed);
    } else if missed || end > private.ahead.load(Ordering::Relaxed) - GRANULARITY {
        schedule(map, private, end, missed);
    }
}

#[cold]
fn schedule(map: &SharedMap, private: &PrivateMap, end: i64, missed: bool) {
    let run = if missed { private.sequential.fetch_add(1, Ordering::Relaxed) + 1 } else { 0 };
    let going = private.ahead.load(Ordering::Relaxed);
    if private.no_read_ahead.load(Ordering::Relaxed) != 0 || (run < 2 && going < end) {
        return;
    }
    let bytes = match private.granularity.load(Ordering::Relaxed) {
        0 => GRANULARITY,
        bytes => i64::from(bytes),
    };
    let from = going.max(end);
    let to = (from + bytes).min(map.valid_data());
    if from >= to {
        return;
    }
    if map.reading_ahead.swap(1, Ordering::Acquire) != 0 {
        return;
    }
    private.ahead.store(to, Ordering::Relaxed);
    let map = {
        let maps = cc().maps.lock();
        maps.get(&map.key()).map(MapReference::of_listed)
    };
    if let Some(map) = map {
        work::queue(WorkQueue::Critical, move || {
            let result = read(&map, from as u64, to as u64);
            map.0.reading_ahead.store(0, Ordering::Release);
            result
        });
    }
}

fn read(reference: &MapReference, from: u64, to: u64) -> Result<(), Raise> {
    let map = Arc::clone(&reference.0);
    let Some((callbacks, context)) = map.callbacks() else { return Ok(()) };
    if !callbacks.acquire_for_read_ahead(context)? {
        return Ok(());
    }
    let result = bring_in(&map, from, to);
    callbacks.release_from_read_ahead(context)?;
    match result {
        // Who reads the pages for himself meets the failure.
        Err(Raise::Status(_)) | Ok(()) => Ok(()),
        Err(stop) => Err(stop),
    }
}

fn bring_in(map: &SharedMap, from: u64, to: u64) -> Result<(), Raise> {
    // The file may have become shorter since.
    let to = to.min(map.valid_data().max(0) as u64);
    let mut at = from;
    while at < to {
        let (index, start) = (at / VIEW_SIZE as u64, (at % VIEW_SIZE as u64) as usize);
        let stop = VIEW_SIZE.min(start + (to - at) as usize);
        let wanted = touched(start, stop);
        if !view::has_room() {
            return Ok(());
        }
        loop {
            let locked = view::find_or_make(map, index)?;
            if wanted & !locked.pages.valid == 0 {
                break;
            }
            fill::step(map, locked, wanted)?;
        }
        at += (stop - start) as u64;
    }
    Ok(())
}

/// Sets how much is read ahead for a file object, a power of two of at least a page.
///
/// Source: CcSetReadAheadGranularity
pub fn cc_set_read_ahead_granularity(file: &FILE_OBJECT, bytes: u32) {
    if let Some(private) = private_of(file) {
        private.granularity.store(bytes, Ordering::Relaxed);
    }
}

/// Switches read-ahead for a file object. Write-behind cannot be switched off here.
///
/// Source: CcSetAdditionalCacheAttributes
pub fn cc_set_additional_attributes(file: &FILE_OBJECT, disable_read_ahead: bool) {
    if let Some(private) = private_of(file) {
        private.no_read_ahead.store(u32::from(disable_read_ahead), Ordering::Relaxed);
    }
}
