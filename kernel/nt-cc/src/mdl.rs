//! The cache's own pages by MDL: readers and writers that need no copy.
//!
//! ```text
//! cc_mdl_read ─► chain of MDLs over valid pages ─► cc_mdl_read_complete
//! cc_prepare_mdl_write ─► the same ─► cc_mdl_write_complete (dirty) │ cc_mdl_write_abort (as they were)
//! ```
//!
//! Pages that an MDL names are neither evicted nor purged. Statements: CC-10 to CC-13.
//!
//! UNSAFETY: walks the chain that this module made and a caller gives back.

use std::sync::atomic::Ordering;

use boundary::Raise;
use boundary::slot::PAGE_SIZE;
use nt_abi::{FILE_OBJECT, MDL, NtStatus, bugcheck, fo_flags};
use nt_io::IoStatus;
use nt_ke::{BugCheck, current_core};

use crate::copy::mark_dirty;
use crate::map::{SharedMap, map_of_file};
use crate::pages::{VIEW_SIZE, touched, whole};
use crate::{cc, fill, flush, view};

/// The pages with the bytes of a range: MDLs with locked pages, first to last.
///
/// Source:  CcMdlRead; CC-13
/// IRQL:    < DISPATCH_LEVEL
/// Locks:   the caller holds the stream's resource, shared at least
/// Returns: the first MDL and the bytes that the chain names
/// Errors:  raises what reading came to; pages locked before stay in the chain
pub fn cc_mdl_read(
    file: &FILE_OBJECT,
    offset: i64,
    length: u32,
    chain: &mut Option<&'static MDL>,
) -> Result<IoStatus, Raise> {
    lock(file, offset as u64, length as usize, false, chain)
}

/// The same for a write: pages that are overwritten as a whole are not read first.
///
/// Source: CcPrepareMdlWrite; CC-10
pub fn cc_prepare_mdl_write(
    file: &FILE_OBJECT,
    offset: i64,
    length: u32,
    chain: &mut Option<&'static MDL>,
) -> Result<IoStatus, Raise> {
    lock(file, offset as u64, length as usize, true, chain)
}

fn lock(
    file: &FILE_OBJECT,
    offset: u64,
    length: usize,
    writing: bool,
    chain: &mut Option<&'static MDL>,
) -> Result<IoStatus, Raise> {
    let map = map_of_file(file).ok_or(Raise::Status(NtStatus::INVALID_PARAMETER))?;
    let mut last: Option<&'static MDL> = None;
    let mut done = 0;
    while done < length {
        let at = offset + done as u64;
        let (index, start) = (at / VIEW_SIZE as u64, (at % VIEW_SIZE as u64) as usize);
        let stop = VIEW_SIZE.min(start + length - done);
        let address = pin(map, index, start, stop, writing)?;
        let Some(mdl) = nt_ex::mdl::allocate_engine(address, stop - start) else {
            unpin(address, None, 0)?;
            return Err(Raise::Status(NtStatus::INSUFFICIENT_RESOURCES));
        };
        nt_mm::mdl::lock_resident(mdl, writing);
        match last {
            None => *chain = Some(mdl),
            Some(last) => last.Next.set(std::ptr::from_ref(mdl).cast_mut()),
        }
        last = Some(mdl);
        done += stop - start;
    }
    Ok(IoStatus { status: NtStatus::SUCCESS, information: done })
}

/// Brings the pages in and holds them. Returns the address of the first byte.
fn pin(map: &SharedMap, index: u64, start: usize, stop: usize, writing: bool) -> Result<usize, Raise> {
    let all = touched(start, stop);
    let needed = if writing { all & !whole(start, stop) } else { all };
    let mut reserved = 0;
    loop {
        let mut locked = view::find_or_make(map, index)?;
        let missing = all & !locked.pages.valid;
        let unread = missing & (needed | locked.pages.reading);
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
        for page in (0..64).filter(|page| missing & 1 << page != 0) {
            // What the writer leaves out must not be another stream's data.
            boundary::copy::fill(locked.address + page * PAGE_SIZE, 0, PAGE_SIZE)?;
        }
        locked.pages.backed |= missing;
        locked.pages.valid |= missing;
        locked.pages.pins += 1;
        let address = locked.address + start;
        drop(locked);
        view::unreserve(reserved - fresh);
        return Ok(address);
    }
}

/// Lets go of a view; with a map, marks the pages dirty.
fn unpin(address: usize, dirty: Option<&SharedMap>, bytes: usize) -> Result<(), Raise> {
    let number = cc().views.number_of(address);
    let locked = number.map(view::lock_number).filter(|locked| locked.pages.pins != 0);
    let Some(mut locked) = locked else {
        return Err(current_core().bug_check(BugCheck::new(
            bugcheck::CACHE_MANAGER,
            [address as u64, 0, 0, 0],
            "an MDL was given back to the cache manager that is none of its own, or that it had back already (CC-11)",
        )));
    };
    locked.pages.pins -= 1;
    if let Some(map) = dirty {
        let start = address - locked.address;
        let pages = touched(start, start + bytes) & locked.pages.valid;
        mark_dirty(map, &mut locked, pages);
    }
    drop(locked);
    Ok(())
}

fn give_back(chain: &'static MDL, dirty: Option<&SharedMap>) -> Result<(), Raise> {
    let mut next = Some(chain);
    while let Some(mdl) = next {
        // SAFETY: the chain that `lock` built; its MDLs are freed one by one behind this.
        next = unsafe { mdl.Next.get().as_ref() };
        unpin(nt_mm::mdl::virtual_address(mdl), dirty, nt_mm::mdl::byte_count(mdl))?;
        flush::let_go(mdl)?;
    }
    Ok(())
}

/// Ends [`cc_mdl_read`]. Source: CcMdlReadComplete; CC-13. IRQL: PASSIVE_LEVEL.
pub fn cc_mdl_read_complete(chain: &'static MDL) -> Result<(), Raise> {
    give_back(chain, None)
}

/// Ends [`cc_prepare_mdl_write`]: the pages are dirty, and written at once for a write-through file object.
///
/// Source: CcMdlWriteComplete; CC-11, CC-12. IRQL: PASSIVE_LEVEL.
/// Errors: raises what writing through came to; unlike NT, the MDLs are free by then
pub fn cc_mdl_write_complete(file: &FILE_OBJECT, offset: i64, chain: &'static MDL) -> Result<(), Raise> {
    let map = map_of_file(file).ok_or(Raise::Status(NtStatus::INVALID_PARAMETER))?;
    let bytes = length_of(chain);
    give_back(chain, Some(map))?;
    if file.Flags.load(Ordering::Relaxed) & fo_flags::FO_WRITE_THROUGH != 0 {
        let status = flush::range(map, Some((offset as u64, offset as u64 + bytes)))?.status;
        if status.is_error() {
            return Err(Raise::Status(status));
        }
    }
    Ok(())
}

/// Ends [`cc_prepare_mdl_write`] without a write. Source: CcMdlWriteAbort; CC-11. IRQL: PASSIVE_LEVEL.
pub fn cc_mdl_write_abort(chain: &'static MDL) -> Result<(), Raise> {
    give_back(chain, None)
}

fn length_of(chain: &MDL) -> u64 {
    let (mut bytes, mut next) = (0, Some(chain));
    while let Some(mdl) = next {
        bytes += u64::from(mdl.ByteCount.get());
        // SAFETY: as in `give_back`.
        next = unsafe { mdl.Next.get().as_ref() };
    }
    bytes
}
