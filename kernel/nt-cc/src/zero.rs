//! Zeros in a stream: through its cache, or by paging writes where it has none.
//!
//! Statements: CC-17, PAGE-09.

use boundary::Raise;
use boundary::slot::PAGE_SIZE;
use nt_abi::{FILE_OBJECT, NtStatus, SECTION_OBJECT_POINTERS};
use nt_ex::pool::{self, PoolKind};

use crate::copy::{self, Source};
use crate::map::{MapReference, header, section_pointers};
use crate::{cc, flush, section};

const TAG: u32 = u32::from_le_bytes(*b"CcZe");
/// Bytes of one paging write of zeros.
const PIECE: usize = 64 << 10;

/// Writes zeros from `start` up to and without `end`.
///
/// Source:  CcZeroData; CC-17. A stream without a cache map gets paging writes from the top of its device stack, so
///          filters see the zeros as data; so does one that is cached by other file objects only, at once.
/// IRQL:    <= APC_LEVEL
/// Locks:   the stream's main resource, exclusive
/// Units:   bytes, aligned in no way
/// Returns: `false` without `wait` when it would have to wait
/// Errors:  raises what writing came to
pub fn cc_zero_data(file: &'static FILE_OBJECT, start: i64, end: i64, wait: bool) -> Result<bool, Raise> {
    if start >= end {
        return Ok(true);
    }
    let (start, end) = (start as u64, end as u64);
    let Some(map) = section_pointers(file).and_then(MapReference::of) else {
        return if wait { uncached(file, start, end).map(|()| true) } else { Ok(false) };
    };
    let mut at = start;
    while at < end {
        let bytes = (end - at).min(1 << 20) as usize;
        if !copy::write(&map.0, at, bytes, wait, Source::Zeros)? {
            return Ok(false);
        }
        at += bytes as u64;
    }
    if file.PrivateCacheMap.get().is_null() {
        let status = flush::range(&map.0, Some((start, end)))?.status;
        if status.is_error() {
            return Err(Raise::Status(status));
        }
    }
    Ok(true)
}

/// Makes what lies between the end of valid data and `end` wait to be written: zeros, or what mapped views stored there.
/// The caller moves the end of valid data when this is done.
///
/// Source:  PAGE-09, MM-05
/// IRQL:    <= APC_LEVEL
/// Locks:   the stream's main resource, exclusive
/// Returns: `false`: the stream has no pages in memory, so [`cc_zero_data`] is what to call
/// Errors:  raises what reading the page at the end of valid data, or writing, came to
pub fn cc_extend_valid_data(pointers: &SECTION_OBJECT_POINTERS, valid: i64, end: i64) -> Result<bool, Raise> {
    let Some(reference) = MapReference::of(pointers) else { return Ok(false) };
    let map = &reference.0;
    section::collect(map)?;
    let page = PAGE_SIZE as u64;
    let start = valid.max(0) as u64 / page * page;
    section::for_parts(map, start, end.max(0) as u64, |first, last| {
        copy::mark_range(map, first, last);
        if cc().dirty_pages.load(std::sync::atomic::Ordering::Relaxed) > cc().dirty_limit() {
            flush::cached_range(map, first, last)?;
        }
        Ok(())
    })?;
    Ok(true)
}

/// Paging writes of zeros from a buffer that is nobody's page.
fn uncached(file: &'static FILE_OBJECT, start: u64, end: u64) -> Result<(), Raise> {
    let block = pool::allocate_engine(PoolKind::NonPaged, PIECE, TAG)
        .ok_or(Raise::Status(NtStatus::INSUFFICIENT_RESOURCES))?
        .as_ptr() as usize;
    let result = write_pages(file, block, start, end);
    pool::free(block as *const u8, Some(TAG))?;
    result
}

fn write_pages(file: &'static FILE_OBJECT, block: usize, start: u64, end: u64) -> Result<(), Raise> {
    let page = PAGE_SIZE as u64;
    let valid = header(file).map_or(0, |header| header.ValidDataLength.get().max(0) as u64);
    let mut at = start / page * page;
    while at < end {
        let begins_inside = at < start;
        let ends_inside = end - at < page && valid > end;
        if begins_inside || ends_inside {
            // A page that keeps some of its data: read, clear a part, write.
            boundary::copy::fill(block, 0, PAGE_SIZE)?;
            transfer(file, block, at, PAGE_SIZE, true)?;
            let from = start.saturating_sub(at) as usize;
            let to = if ends_inside { (end - at) as usize } else { PAGE_SIZE };
            boundary::copy::fill(block + from, 0, to - from)?;
            transfer(file, block, at, PAGE_SIZE, false)?;
            at += page;
            continue;
        }
        let left = if valid > end { end / page * page } else { end.next_multiple_of(page) };
        let bytes = ((left - at) as usize).min(PIECE);
        boundary::copy::fill(block, 0, bytes)?;
        transfer(file, block, at, bytes, false)?;
        at += bytes as u64;
    }
    Ok(())
}

fn transfer(
    file: &'static FILE_OBJECT,
    block: usize,
    offset: u64,
    bytes: usize,
    read: bool,
) -> Result<(), Raise> {
    let mdl =
        nt_ex::mdl::allocate_engine(block, bytes).ok_or(Raise::Status(NtStatus::INSUFFICIENT_RESOURCES))?;
    nt_mm::mdl::lock_resident(mdl, read);
    let result = if read {
        nt_io::io_page_read(file, mdl, offset as i64)
    } else {
        nt_io::io_page_write(file, mdl, offset as i64)
    };
    flush::let_go(mdl)?;
    let counter = if read { &cc().reads } else { &cc().writes };
    counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    match result?.status {
        NtStatus::END_OF_FILE if read => Ok(()),
        status if status.is_error() => Err(Raise::Status(status)),
        _ => Ok(()),
    }
}
