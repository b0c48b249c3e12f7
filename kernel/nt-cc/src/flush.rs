//! Writing dirty pages: paging writes through all filters, while the pages stay in use.
//!
//! A page that is written to while its paging write is under way becomes dirty again, so that nothing is lost.
//! Statements: CC-14, FSF-15, FSF-20, PAGE-01 to PAGE-03.

use std::sync::atomic::Ordering;

use boundary::Raise;
use boundary::slot::PAGE_SIZE;
use nt_abi::{FILE_OBJECT, MDL, NtStatus, SECTION_OBJECT_POINTERS, VPB};
use nt_fsrtl::fs_filter;
use nt_io::IoStatus;

use crate::copy::count_clean;
use crate::map::{MapReference, SharedMap};
use crate::pages::{VIEW_SIZE, first_run, span, touched};
use crate::{cc, section, view};

/// Writes what copies made dirty, and leaves the rest to the mapped page writer.
pub fn cached(map: &SharedMap) -> Result<IoStatus, Raise> {
    written(map, None, false)
}

/// The same between two offsets.
pub fn cached_range(map: &SharedMap, start: u64, end: u64) -> Result<IoStatus, Raise> {
    written(map, Some((start, end)), false)
}

/// Writes what waits to be written between two offsets (`None`: everything), also what mapped views wrote, and waits for
/// it, also for what others write.
///
/// Returns: the first failure, with the bytes that were written
pub fn range(map: &SharedMap, range: Option<(u64, u64)>) -> Result<IoStatus, Raise> {
    section::collect(map)?;
    section::fill_gap(map)?;
    written(map, range, true)
}

fn written(map: &SharedMap, range: Option<(u64, u64)>, mapped_too: bool) -> Result<IoStatus, Raise> {
    let (start, end) = range.unwrap_or((0, u64::MAX));
    let mut written = 0;
    for index in map.views_between(start, end) {
        let base = index * VIEW_SIZE as u64;
        let pages = touched(
            start.saturating_sub(base).min(VIEW_SIZE as u64) as usize,
            (end - base).min(VIEW_SIZE as u64) as usize,
        );
        let result = one_view(map, index, pages, mapped_too, &mut written)?;
        if result.is_error() {
            return Ok(IoStatus { status: result, information: written });
        }
    }
    Ok(IoStatus { status: NtStatus::SUCCESS, information: written })
}

fn one_view(
    map: &SharedMap,
    index: u64,
    pages: u64,
    mapped_too: bool,
    written: &mut usize,
) -> Result<NtStatus, Raise> {
    loop {
        let Some(mut locked) = view::find(map, index) else { return Ok(NtStatus::SUCCESS) };
        if locked.pages.writing & pages != 0 {
            locked.wait()?;
            continue;
        }
        let waiting = locked.pages.dirty | if mapped_too { locked.pages.modified } else { 0 };
        let Some((first, count)) = first_run(waiting & pages) else {
            return Ok(NtStatus::SUCCESS);
        };
        let run = span(first, first + count);
        let begun = Begun::new(&mut locked, run, mapped_too);
        let address = locked.address + first * PAGE_SIZE;
        drop(locked);
        let offset = (index * VIEW_SIZE as u64) as i64 + (first * PAGE_SIZE) as i64;
        let result = page_out(map, address, offset, count * PAGE_SIZE);
        let failed = !matches!(&result, Ok(status) if !status.is_error());
        begun.end(map, index, failed);
        match result? {
            status if status.is_error() => return Ok(status),
            _ => *written += count * PAGE_SIZE,
        }
    }
}

/// Pages of one view on their way to the store.
pub struct Begun {
    run: u64,
    dirty: u64,
    modified: u64,
}

impl Begun {
    /// The pages of `run` wait no more; what changes from now on waits again. Without `mapped_too` what stores made of
    /// them still waits: only who holds the stream's main resource may move the end of valid data.
    pub fn new(locked: &mut view::Locked, run: u64, mapped_too: bool) -> Self {
        let modified = if mapped_too { locked.pages.modified & run } else { 0 };
        let begun = Self { run, dirty: locked.pages.dirty & run, modified };
        locked.pages.dirty &= !run;
        locked.pages.modified &= !modified;
        locked.pages.writing |= run;
        locked.begin();
        begun
    }

    /// They arrived, or wait as before.
    pub fn end(self, map: &SharedMap, index: u64, failed: bool) {
        let mut locked = view::find(map, index).expect("a view that is being written stays");
        locked.pages.writing &= !self.run;
        let (mut dirty, mut modified) = (self.dirty, self.modified);
        if failed {
            // Pages that changed again in the meantime count once.
            dirty &= locked.pages.dirty;
            modified &= locked.pages.modified;
            locked.pages.dirty |= self.dirty;
            locked.pages.modified |= self.modified;
        }
        count_clean(map, dirty);
        section::count_written(map, modified);
        locked.finish();
    }
}

/// Writes whole pages with paging I/O. What lies behind the end of file by now needs no writing.
pub fn page_out(map: &SharedMap, address: usize, offset: i64, bytes: usize) -> Result<NtStatus, Raise> {
    let left = map.file_size.load(Ordering::Acquire) - offset;
    if left <= 0 {
        return Ok(NtStatus::SUCCESS);
    }
    let bytes = bytes.min((left as usize).next_multiple_of(PAGE_SIZE));
    let Some(mdl) = nt_ex::mdl::allocate_engine(address, bytes) else {
        return Ok(NtStatus::INSUFFICIENT_RESOURCES);
    };
    nt_mm::mdl::lock_resident(mdl, false);
    let result = nt_io::io_page_write(map.file(), mdl, offset);
    let_go(mdl)?;
    cc().writes.fetch_add(1, Ordering::Relaxed);
    Ok(result?.status)
}

/// Frees an MDL over pages of the cache.
pub fn let_go(mdl: &MDL) -> Result<(), Raise> {
    nt_mm::mdl::unlock_pages(mdl)?;
    nt_ex::mdl::free(mdl)
}

/// Holds a stream's locks as a flush does, until dropped.
struct Acquired<'a>(&'a FILE_OBJECT);

impl Drop for Acquired<'_> {
    fn drop(&mut self) {
        // Fails only in a machine that stops.
        let _ = fs_filter::release_for_cc_flush(self.0);
    }
}

/// Takes a stream's locks through the file system filter callbacks. Source: FSF-15, FSF-20.
///
/// Errors: what a filter or the file system answered; nothing is held then
fn acquire(map: &SharedMap) -> Result<Result<Acquired<'_>, NtStatus>, Raise> {
    let status = fs_filter::acquire_for_cc_flush(map.file())?;
    Ok(if status.is_error() { Err(status) } else { Ok(Acquired(map.file())) })
}

/// Writes a stream's dirty data and waits for it.
///
/// Source:  CcFlushCache; CC-14
/// IRQL:    <= APC_LEVEL
/// Locks:   takes the stream's main resource, then its paging resource, through the filters
/// Units:   bytes; `None` is the whole stream
/// Returns: `Information` is the length on success, else what was written
pub fn cc_flush_cache(
    section: &SECTION_OBJECT_POINTERS,
    range_of: Option<(i64, u32)>,
) -> Result<IoStatus, Raise> {
    let Some(map) = MapReference::of(section) else { return Ok(IoStatus::of(NtStatus::SUCCESS)) };
    let _acquired = match acquire(&map.0)? {
        Ok(acquired) => acquired,
        Err(status) => return Ok(IoStatus::of(status)),
    };
    let bytes = range_of.map(|(offset, length)| (offset as u64, offset as u64 + u64::from(length)));
    let mut result = range(&map.0, bytes)?;
    if let (Some((_, length)), NtStatus::SUCCESS) = (range_of, result.status) {
        result.information = length as usize;
    }
    Ok(result)
}

/// Writes the dirty data of all streams of a volume. Returns the first failure.
///
/// IRQL:  PASSIVE_LEVEL
/// Locks: none of the volume's streams
pub fn cc_flush_volume(vpb: &VPB) -> Result<NtStatus, Raise> {
    let listed = SharedMap::listed(&cc().maps.lock(), |map| {
        map.dirty_pages.load(Ordering::Relaxed) != 0 && std::ptr::eq(map.file().Vpb.get().cast_const(), vpb)
    });
    let mut first = NtStatus::SUCCESS;
    for map in listed {
        let status = match acquire(&map.0)? {
            Ok(_acquired) => range(&map.0, None)?.status,
            Err(status) => status,
        };
        if status.is_error() && !first.is_error() {
            first = status;
        }
    }
    Ok(first)
}

/// Writes everything that is dirty, through the filters, and takes maps apart that nobody uses any more: how a
/// machine ends its work. Streams whose writing fails stay as they are.
///
/// IRQL:   PASSIVE_LEVEL
/// Locks:  none held
/// Returns: pages that could not be written; what others dirty meanwhile does not count
pub fn flush_all() -> Result<usize, Raise> {
    if nt_ke::current_core().try_get::<crate::Cc>().is_none() {
        return Ok(0);
    }
    // Twice at least: writing a stream may dirty another one.
    for _ in 0..4 {
        crate::lazy::sweep(true)?;
        if cc().dirty_pages.load(Ordering::Relaxed) == 0 {
            break;
        }
    }
    crate::lazy::sweep(true)?;
    let maps = cc().maps.lock();
    let failed = maps.values().filter(|map| map.failures.load(Ordering::Relaxed) != 0);
    Ok(failed.map(|map| map.dirty_pages.load(Ordering::Relaxed)).sum())
}
