//! Dropping cached pages: purges, truncation, coherency with noncached I/O.
//!
//! Statements: CC-15, CC-16, CC-18, PAGE-19, PAGE-20.

use std::sync::atomic::Ordering;

use boundary::Raise;
use boundary::slot::PAGE_SIZE;
use nt_abi::{FILE_OBJECT, NtStatus, SECTION_OBJECT_POINTERS};
use nt_io::IoStatus;

use crate::copy::count_clean;
use crate::map::{CcFileSizes, MapReference, SharedMap, map_of_file, section_pointers};
use crate::pages::{VIEW_SIZE, first_run, span, touched, whole};
use crate::{flush, section, view};

/// Flag of [`cc_coherency_flush_and_purge_cache`]: write only.
pub const CC_FLUSH_AND_PURGE_NO_PURGE: u32 = 1;
/// Success code: written, but some pages could not be dropped.
const CACHE_PAGE_LOCKED: NtStatus = NtStatus(0x115);

/// The bytes of view `index` between two offsets, inside the view.
fn inside(index: u64, start: u64, end: u64) -> (usize, usize) {
    let base = index * VIEW_SIZE as u64;
    let clamp = |at: u64| at.saturating_sub(base).min(VIEW_SIZE as u64) as usize;
    (clamp(start), clamp(end))
}

/// Which pages are dropped, and what becomes of those that an MDL or a mapped view names: they stay.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Going {
    /// What needs no writing.
    Clean,
    /// All of them.
    All,
    /// All; what stays is not written either.
    Forgotten,
    /// All, since the file ends before them: what stays reads as zeros.
    Cut,
}

/// Drops every page that lies wholly between two offsets, dirty or not.
pub fn drop_range(map: &SharedMap, start: u64, end: u64, going: Going) -> Result<(), Raise> {
    for index in map.views_between(start, end) {
        let (from, to) = inside(index, start, end);
        drop_pages(map, index, whole(from, to), going)?;
    }
    Ok(())
}

/// Drops pages of one view. Returns whether all of them went.
fn drop_pages(map: &SharedMap, index: u64, pages: u64, which: Going) -> Result<bool, Raise> {
    loop {
        let Some(mut locked) = view::find(map, index) else { return Ok(true) };
        if (locked.pages.reading | locked.pages.writing) & pages != 0 {
            locked.wait()?;
            continue;
        }
        let held = locked.pages.is_held() && locked.pages.valid & pages != 0;
        if held && which == Going::Cut {
            let mut left = locked.pages.valid & pages;
            while let Some((first, count)) = first_run(left) {
                boundary::copy::fill(locked.address + first * PAGE_SIZE, 0, count * PAGE_SIZE)?;
                left &= !span(first, first + count);
            }
        }
        if held && !matches!(which, Going::Cut | Going::Forgotten) {
            return Ok(false);
        }
        let unwritten = locked.pages.dirty | locked.pages.modified;
        let going = if which == Going::Clean { pages & !unwritten } else { pages };
        count_clean(map, going & locked.pages.dirty);
        section::count_written(map, going & locked.pages.modified);
        locked.pages.dirty &= !going;
        locked.pages.modified &= !going;
        if held {
            return Ok(false);
        }
        locked.pages.valid &= !going;
        let all = locked.pages.valid & pages == 0;
        locked.release_if_empty(map);
        return Ok(all);
    }
}

/// Drops every page that the range touches. Pages of which only a part lies in the range are written first if need be.
fn purge(map: &SharedMap, start: u64, end: u64) -> Result<bool, Raise> {
    let mut all = true;
    for index in map.views_between(start, end) {
        let (from, to) = inside(index, start, end);
        let covered = whole(from, to);
        let partly = touched(from, to) & !covered;
        if partly != 0 {
            let base = index * VIEW_SIZE as u64;
            for bit in (0..64).filter(|bit| partly & 1 << bit != 0) {
                let page = base + bit * PAGE_SIZE as u64;
                flush::range(map, Some((page, page + PAGE_SIZE as u64)))?;
            }
        }
        all &= drop_pages(map, index, covered, Going::All)?;
        all &= drop_pages(map, index, partly, Going::Clean)?;
    }
    Ok(all)
}

fn bytes_of(range: Option<(i64, u32)>) -> (u64, u64) {
    match range {
        None => (0, u64::MAX),
        // A length of 0 means up to the end of the file.
        Some((offset, 0)) => (offset as u64, u64::MAX),
        Some((offset, length)) => (offset as u64, offset as u64 + u64::from(length)),
    }
}

/// Drops cached data without writing it.
///
/// Source:  CcPurgeCacheSection; CC-15. Ending the cache maps of other file objects (`uninitialize`) is not there.
/// IRQL:    <= APC_LEVEL
/// Locks:   the stream's main resource, exclusive
/// Units:   bytes; `None` or a length of 0 reaches to the end of the file
/// Returns: whether all of it is gone: pages that an MDL or a mapped view names stay
pub fn cc_purge_cache_section(
    section: &SECTION_OBJECT_POINTERS,
    range: Option<(i64, u32)>,
    uninitialize: bool,
) -> Result<bool, Raise> {
    if uninitialize {
        return Err(Raise::Status(NtStatus::NOT_SUPPORTED));
    }
    let Some(map) = MapReference::of(section) else { return Ok(true) };
    let (start, end) = bytes_of(range);
    purge(&map.0, start, end)
}

/// Tells the cache the sizes of a stream. What lies behind a smaller end of file is dropped, and the rest of its last
/// page reads as zeros.
///
/// Source:  CcSetFileSizes; CC-16
/// IRQL:    <= APC_LEVEL
/// Locks:   the stream's main resource, exclusive
/// Errors:  raises `Stop` only
pub fn cc_set_file_sizes(file: &FILE_OBJECT, sizes: CcFileSizes) -> Result<(), Raise> {
    match map_of_file(file) {
        Some(map) => set_sizes(map, sizes),
        None => section_pointers(file).map_or(Ok(()), |section| cc_set_section_sizes(section, sizes)),
    }
}

/// The same for a file system that has no file object at hand.
pub fn cc_set_section_sizes(section: &SECTION_OBJECT_POINTERS, sizes: CcFileSizes) -> Result<(), Raise> {
    if section.DataSectionObject.get().is_null() {
        return Ok(());
    }
    MapReference::of(section).map_or(Ok(()), |map| set_sizes(&map.0, sizes))
}

fn set_sizes(map: &SharedMap, sizes: CcFileSizes) -> Result<(), Raise> {
    let before = map.file_size.swap(sizes.file, Ordering::AcqRel);
    if sizes.file < before {
        let size = sizes.file.max(0) as u64;
        drop_range(map, size.next_multiple_of(PAGE_SIZE as u64), u64::MAX, Going::Cut)?;
        clear_tail(map, size)?;
    }
    Ok(())
}

/// Clears the bytes between the end of file and the end of its page.
fn clear_tail(map: &SharedMap, size: u64) -> Result<(), Raise> {
    let index = size / VIEW_SIZE as u64;
    let (from, to) = inside(index, size, size.next_multiple_of(PAGE_SIZE as u64));
    if from == to {
        return Ok(());
    }
    loop {
        let Some(locked) = view::find(map, index) else { return Ok(()) };
        let page = touched(from, to);
        if (locked.pages.reading | locked.pages.writing) & page != 0 {
            locked.wait()?;
            continue;
        }
        if locked.pages.valid & page != 0 {
            boundary::copy::fill(locked.address + from, 0, to - from)?;
        }
        return Ok(());
    }
}

/// Writes what is dirty in a range, and then drops it: what noncached I/O does first.
///
/// Source:  CcCoherencyFlushAndPurgeCache; CC-18, PAGE-19
/// IRQL:    PASSIVE_LEVEL
/// Locks:   the stream's main resource, exclusive
/// Returns: the status of writing; CACHE_PAGE_LOCKED (a success) when pages could not be dropped
pub fn cc_coherency_flush_and_purge_cache(
    section: &SECTION_OBJECT_POINTERS,
    range: Option<(i64, u32)>,
    flags: u32,
) -> Result<IoStatus, Raise> {
    let Some(map) = MapReference::of(section) else { return Ok(IoStatus::of(NtStatus::SUCCESS)) };
    let (start, end) = bytes_of(range);
    let written = flush::range(&map.0, Some((start, end)))?;
    if written.status.is_error() || flags & CC_FLUSH_AND_PURGE_NO_PURGE != 0 {
        return Ok(written);
    }
    if !purge(&map.0, start, end)? {
        return Ok(IoStatus { status: CACHE_PAGE_LOCKED, ..written });
    }
    Ok(written)
}
