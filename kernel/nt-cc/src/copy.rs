//! Copies between a caller's buffer and cached pages.
//!
//! A copy runs under the lock of one view, so it sees whole what other copies wrote inside one view. A fault on the
//! caller's buffer ends it: what was copied before stays.
//!
//! Statements: CC-05, CC-06, PAGE-08.

use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::{FILE_OBJECT, NtStatus, fo_flags};
use nt_io::IoStatus;

use crate::map::{SharedMap, map_of_file, private_of};
use crate::pages::{VIEW_SIZE, touched, whole};
use crate::view::{self, Locked};
use crate::{cc, fill, flush, read_ahead};

/// The parts of a range that lie in one view each: index, start and end inside the view.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let (mut at, end) = (offset, offset + length as u64);
    std::iter::from_fn(move || {
        (at < end).then(|| {
            let (index, start) = (at / VIEW_SIZE as u64, (at % VIEW_SIZE as u64) as usize);
            let stop = VIEW_SIZE.min(start + (end - at) as usize);
            at += (stop - start) as u64;
            (index, start, stop)
        })
    })
}

fn map_or_refuse(file: &FILE_OBJECT) -> Result<&'static SharedMap, Raise> {
    map_of_file(file).ok_or(Raise::Status(NtStatus::INVALID_PARAMETER))
}

/// Copies `length` bytes at `offset` to `buffer`. The range ends at or before the end of file.
///
/// Source:  CcCopyRead; CC-05
/// IRQL:    <= APC_LEVEL
/// Locks:   the caller holds the stream's resource, shared at least
/// Returns: status and bytes; `None` without `wait` when a page is not there
/// Errors:  raises what reading the pages came to, and ACCESS_VIOLATION for a bad buffer
pub fn cc_copy_read(
    file: &'static FILE_OBJECT,
    offset: i64,
    length: u32,
    wait: bool,
    buffer: usize,
) -> Result<Option<IoStatus>, Raise> {
    let map = map_or_refuse(file)?;
    let length = length as usize;
    let mut done = 0;
    let mut missed = false;
    for (index, start, stop) in parts(offset as u64, length) {
        let wanted = touched(start, stop);
        loop {
            let locked = view::find_or_make(map, index)?;
            if wanted & !locked.pages.valid == 0 {
                boundary::copy::copy(buffer + done, locked.address + start, stop - start)?;
                break;
            }
            if !wait {
                return Ok(None);
            }
            missed = true;
            fill::step(map, locked, wanted)?;
        }
        done += stop - start;
    }
    if let Some(private) = private_of(file) {
        read_ahead::note(file, map, private, offset, length as i64, missed);
    }
    Ok(Some(IoStatus { status: NtStatus::SUCCESS, information: length }))
}

/// Where bytes for a write come from.
#[derive(Clone, Copy)]
pub enum Source {
    /// An address.
    Buffer(usize),
    /// Nowhere: zeros.
    Zeros,
}

impl Source {
    fn put(self, to: usize, done: usize, bytes: usize) -> Result<(), Raise> {
        match self {
            Self::Buffer(address) => boundary::copy::copy(to, address + done, bytes)?,
            Self::Zeros => boundary::copy::fill(to, 0, bytes)?,
        }
        Ok(())
    }
}

/// Copies `length` bytes from `buffer` to `offset`. The file is that long already.
///
/// Source:  CcCopyWrite; CC-06
/// IRQL:    <= APC_LEVEL
/// Locks:   the caller holds the stream's resource, exclusive if it moves the end of valid data
/// Returns: `false` without `wait` when it would have to wait
/// Errors:  raises what reading pages or, for a write-through file object, writing them came to, and
///          ACCESS_VIOLATION for a bad buffer
pub fn cc_copy_write(
    file: &'static FILE_OBJECT,
    offset: i64,
    length: u32,
    wait: bool,
    buffer: usize,
) -> Result<bool, Raise> {
    let map = map_or_refuse(file)?;
    let through = file.Flags.load(Ordering::Relaxed) & fo_flags::FO_WRITE_THROUGH != 0;
    if through && !wait {
        return Ok(false);
    }
    if !write(map, offset as u64, length as usize, wait, Source::Buffer(buffer))? {
        return Ok(false);
    }
    if through {
        let status = flush::range(map, Some((offset as u64, offset as u64 + u64::from(length))))?.status;
        if status.is_error() {
            return Err(Raise::Status(status));
        }
    }
    Ok(true)
}

/// Copies into the pages of a map and marks them dirty. `false`: it would have to wait.
pub fn write(map: &SharedMap, offset: u64, length: usize, wait: bool, source: Source) -> Result<bool, Raise> {
    let mut done = 0;
    for (index, start, stop) in parts(offset, length) {
        if !write_part(map, index, (start, stop), wait, source, done)? {
            return Ok(false);
        }
        done += stop - start;
        if cc().dirty_pages.load(Ordering::Relaxed) > cc().dirty_limit() {
            // Who fills the cache empties it: no waiting for a thread that may wait for this one's locks.
            let from = index * VIEW_SIZE as u64;
            flush::range(map, Some((from, from + VIEW_SIZE as u64)))?;
        }
    }
    Ok(true)
}

fn write_part(
    map: &SharedMap,
    index: u64,
    (start, stop): (usize, usize),
    wait: bool,
    source: Source,
    done: usize,
) -> Result<bool, Raise> {
    let all = touched(start, stop);
    let partial = all & !whole(start, stop);
    let mut reserved = 0;
    loop {
        let mut locked = view::find_or_make(map, index)?;
        let missing = all & !locked.pages.valid;
        if missing == 0 {
            source.put(locked.address + start, done, stop - start)?;
            mark_dirty(map, &mut locked, all);
            drop(locked);
            view::unreserve(reserved);
            return Ok(true);
        }
        if !wait && (partial & missing != 0 || missing & locked.pages.reading != 0) {
            view::unreserve(reserved);
            return Ok(false);
        }
        if missing & locked.pages.reading != 0 {
            locked.wait()?;
            continue;
        }
        let unread = partial & missing;
        if unread != 0 {
            fill::step(map, locked, unread)?;
            continue;
        }
        let fresh = (missing & !locked.pages.backed).count_ones() as usize;
        if fresh > reserved {
            drop(locked);
            view::reserve(fresh - reserved);
            reserved = fresh;
            continue;
        }
        // Every missing page is overwritten as a whole; it counts only when all of it is there.
        locked.pages.backed |= missing;
        let copied = source.put(locked.address + start, done, stop - start);
        if copied.is_ok() {
            locked.pages.valid |= missing;
            mark_dirty(map, &mut locked, all);
        }
        drop(locked);
        view::unreserve(reserved - fresh);
        return copied.map(|()| true);
    }
}

/// Marks valid pages dirty and sees that they will be written.
#[inline]
pub fn mark_dirty(map: &SharedMap, locked: &mut Locked, pages: u64) {
    let new = (pages & !locked.pages.dirty).count_ones() as usize;
    if new != 0 {
        locked.pages.dirty |= pages;
        count_dirty(map, new);
    }
}

/// Marks the pages of one view between two offsets dirty, as far as they are in memory.
pub fn mark_range(map: &SharedMap, start: u64, end: u64) {
    let index = start / VIEW_SIZE as u64;
    let base = index * VIEW_SIZE as u64;
    if let Some(mut locked) = view::find(map, index) {
        let pages = touched((start - base) as usize, (end - base) as usize) & locked.pages.valid;
        mark_dirty(map, &mut locked, pages);
    }
}

#[cold]
fn count_dirty(map: &SharedMap, new: usize) {
    map.dirty_pages.fetch_add(new, Ordering::Relaxed);
    cc().dirty_pages.fetch_add(new, Ordering::Relaxed);
    cc().lazy.note_dirty();
}

/// Takes pages out of the counts: they were written, or their data is gone.
pub fn count_clean(map: &SharedMap, pages: u64) {
    let count = pages.count_ones() as usize;
    if count != 0 {
        map.dirty_pages.fetch_sub(count, Ordering::Relaxed);
        cc().dirty_pages.fetch_sub(count, Ordering::Relaxed);
    }
}
