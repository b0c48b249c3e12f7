//! Views: 256 KiB of addresses each, with up to 64 pages of one stream.
//!
//! ```text
//! never used ─► in use (owner, index) ─evicted, purged─► free (its memory may stay) ─► in use …
//! ```
//!
//! A view's descriptor stays for good, so whoever found its number locks it and looks whether it still is what he
//! looked for. Memory behind a page counts from the first use until its view's memory is given back.
//!
//! UNSAFETY: an evicted view names its map by address; the map cannot go while a view names it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use boundary::Raise;
use boundary::slot::{CACHE_OFFSET, CACHE_SIZE, PAGE_SIZE};
use nt_abi::{DISPATCHER_HEADER, NtStatus};
use nt_ke::dispatcher::{self, object_type};
use nt_ke::lock::Guard;
use nt_ke::{Core, Lock, Rank, current_core};

use crate::cc;
use crate::map::SharedMap;
use crate::pages::VIEW_SIZE;

const VIEWS: usize = CACHE_SIZE / VIEW_SIZE;
const SEGMENT: usize = 1024;

/// What a view's lock guards.
#[derive(Default)]
pub struct Pages {
    /// Key of its map, 0 for none.
    pub owner: usize,
    /// Which part of the stream.
    pub index: u64,
    /// Pages with the stream's data.
    pub valid: u64,
    /// Pages that wait to be written. Always valid.
    pub dirty: u64,
    /// Pages that a paging write takes its data from.
    pub writing: u64,
    /// Pages that a paging read fills.
    pub reading: u64,
    /// Pages with memory behind them.
    pub backed: u64,
    /// Pages that a mapped view wrote to and that wait to be written. Always valid.
    pub modified: u64,
    /// MDLs that name pages of it.
    pub pins: u32,
    /// Mapped views that name it.
    pub mapped: u32,
}

impl Pages {
    fn is_idle(&self) -> bool {
        self.dirty | self.modified | self.writing | self.reading == 0 && !self.is_held()
    }

    /// Whether somebody has addresses of its pages.
    pub fn is_held(&self) -> bool {
        self.pins != 0 || self.mapped != 0
    }
}

/// A view.
pub struct View {
    pages: Lock<Pages>,
    used: AtomicU32,
    /// Signaled when a paging transfer of it has ended.
    moved: DISPATCHER_HEADER,
}

impl View {
    /// Views that nobody uses. An event's list of waiters names its own place, so events are made last.
    fn segment() -> Box<[View]> {
        let view = |_| View {
            pages: Lock::new(Rank::CcView, Pages::default()),
            used: AtomicU32::new(0),
            moved: DISPATCHER_HEADER::default(),
        };
        let segment: Box<[View]> = (0..SEGMENT).map(view).collect();
        for view in &segment {
            dispatcher::initialize_header(&view.moved, object_type::NOTIFICATION_EVENT, 0);
        }
        segment
    }
}

/// A view that is locked, and its address.
pub struct Locked {
    pub pages: Guard<'static, Pages>,
    pub address: usize,
    view: &'static View,
    number: u32,
}

impl Locked {
    /// Lets go, waits until a transfer of the view has ended. The caller looks again.
    pub fn wait(self) -> Result<(), Raise> {
        dispatcher::reset_event(&self.view.moved);
        let view = self.view;
        drop(self.pages);
        let task = std::ptr::from_ref(view) as usize;
        let _waiting =
            nt_ke::locks::waiting_for_task("a transfer of cached pages that another thread makes", task);
        dispatcher::wait(&view.moved, false, None)?;
        Ok(())
    }

    /// The current thread begins a transfer.
    pub fn begin(&self) {
        nt_ke::locks::doing(std::ptr::from_ref(self.view) as usize);
    }

    /// Lets go after the bits of a transfer were cleared, and tells those who wait for it.
    pub fn finish(self) {
        let view = self.view;
        nt_ke::locks::done(std::ptr::from_ref(view) as usize);
        drop(self.pages);
        dispatcher::set_event(&view.moved);
    }

    /// Gives the view up if nothing is left in it.
    pub fn release_if_empty(mut self, map: &SharedMap) {
        if self.pages.valid == 0 && self.pages.is_idle() {
            map.forget_view(self.pages.index);
            self.pages.owner = 0;
            cc().views.free.lock().put(self.number, &self.pages);
        }
    }
}

#[derive(Default)]
struct Free {
    /// Unused views with memory.
    backed: Vec<u32>,
    /// Unused views without.
    bare: Vec<u32>,
    /// Views up to here have been used.
    next: u32,
    hand: u32,
}

/// All views of a machine.
pub struct Views {
    base: usize,
    segments: Box<[OnceLock<Box<[View]>>]>,
    free: Lock<Free>,
    limit: usize,
    resident: AtomicUsize,
    peak: AtomicUsize,
}

impl Free {
    fn put(&mut self, number: u32, pages: &Pages) {
        if pages.backed == 0 { self.bare.push(number) } else { self.backed.push(number) }
    }

    fn take(&mut self) -> Option<u32> {
        self.backed.pop().or_else(|| self.bare.pop())
    }

    fn fresh(&mut self) -> Option<u32> {
        ((self.next as usize) < VIEWS).then(|| {
            self.next += 1;
            self.next
        })
    }
}

impl Views {
    pub fn new(core: &Core, limit_bytes: usize) -> Self {
        Self {
            base: core.slot.base() + CACHE_OFFSET,
            segments: (0..VIEWS / SEGMENT).map(|_| OnceLock::new()).collect(),
            free: Lock::new(Rank::CcFree, Free::default()),
            limit: limit_bytes / PAGE_SIZE,
            resident: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        }
    }

    /// Pages of memory now, and the most that there were.
    pub fn resident(&self) -> (usize, usize) {
        (self.resident.load(Ordering::Relaxed), self.peak.load(Ordering::Relaxed))
    }

    /// View `number`, counted from 1.
    #[inline]
    fn view(&self, number: u32) -> &View {
        let index = number as usize - 1;
        let segment = self.segments[index / SEGMENT].get_or_init(View::segment);
        &segment[index % SEGMENT]
    }

    #[inline]
    fn address(&self, number: u32) -> usize {
        self.base + (number as usize - 1) * VIEW_SIZE
    }

    /// Whether an address lies in a view, and in which: its number.
    pub fn number_of(&self, address: usize) -> Option<u32> {
        let offset = address.checked_sub(self.base)?;
        (offset < CACHE_SIZE).then(|| (offset / VIEW_SIZE) as u32 + 1)
    }
}

/// View `number`, locked, whosever it is.
pub fn lock_number(number: u32) -> Locked {
    let views = &cc().views;
    let view = views.view(number);
    Locked { pages: view.pages.lock(), address: views.address(number), view, number }
}

/// The view with this index of a map, locked; `None` if there is none.
#[inline(always)]
pub fn find(map: &SharedMap, index: u64) -> Option<Locked> {
    let views = &cc().views;
    loop {
        let number = map.view(index);
        if number == 0 {
            return None;
        }
        let view = views.view(number);
        let pages = view.pages.lock();
        if pages.owner == map.key() && pages.index == index {
            if view.used.load(Ordering::Relaxed) == 0 {
                view.used.store(1, Ordering::Relaxed);
            }
            return Some(Locked { pages, address: views.address(number), view, number });
        }
    }
}

/// The same, made if need be.
///
/// Errors: raises INSUFFICIENT_RESOURCES when every view is in use and dirty
#[inline(always)]
pub fn find_or_make(map: &SharedMap, index: u64) -> Result<Locked, Raise> {
    match find(map, index) {
        Some(locked) => Ok(locked),
        None => make(map, index),
    }
}

#[cold]
fn make(map: &SharedMap, index: u64) -> Result<Locked, Raise> {
    let views = &cc().views;
    loop {
        let number = take_number().ok_or(Raise::Status(NtStatus::INSUFFICIENT_RESOURCES))?;
        let view = views.view(number);
        let mut pages = view.pages.lock();
        if map.enter_view(index, number) {
            *pages = Pages { owner: map.key(), index, backed: pages.backed, ..Pages::default() };
            view.used.store(1, Ordering::Relaxed);
            return Ok(Locked { pages, address: views.address(number), view, number });
        }
        views.free.lock().put(number, &pages);
        drop(pages);
        if let Some(locked) = find(map, index) {
            return Ok(locked);
        }
    }
}

/// A view that nobody uses. Where memory is short, one that is taken from another stream, with its memory.
fn take_number() -> Option<u32> {
    let views = &cc().views;
    let short = views.resident.load(Ordering::Relaxed) + VIEW_SIZE / PAGE_SIZE > views.limit;
    {
        let mut free = views.free.lock();
        if let Some(number) = free.take() {
            return Some(number);
        }
        if !short && let Some(number) = free.fresh() {
            return Some(number);
        }
    }
    let evicted = evict();
    let mut free = views.free.lock();
    if evicted && let Some(number) = free.take() {
        return Some(number);
    }
    free.fresh()
}

/// Frees one view that holds nothing but clean pages; one that was used since the last look gets a second chance.
fn evict() -> bool {
    let views = &cc().views;
    let used = views.free.lock().next;
    for _ in 0..2 * used {
        let number = {
            let mut free = views.free.lock();
            free.hand = free.hand % used + 1;
            free.hand
        };
        let view = views.view(number);
        let Some(mut pages) = view.pages.try_lock() else { continue };
        if pages.owner == 0 || !pages.is_idle() || view.used.swap(0, Ordering::Relaxed) != 0 {
            continue;
        }
        // SAFETY: a map is taken apart only after each view that names it was locked and freed.
        let map = unsafe { &*(pages.owner as *const SharedMap) };
        map.forget_view(pages.index);
        pages.owner = 0;
        pages.valid = 0;
        views.free.lock().put(number, &pages);
        return true;
    }
    false
}

/// Gives the memory of one unused view back to the host. `false`: no unused view has any.
fn trim() -> bool {
    let views = &cc().views;
    let Some(number) = views.free.lock().backed.pop() else { return false };
    let backed = std::mem::take(&mut views.view(number).pages.lock().backed);
    // Memory that the host does not take back only stays in use.
    let _ = current_core().slot.discard(views.address(number), VIEW_SIZE);
    views.resident.fetch_sub(backed.count_ones() as usize, Ordering::Relaxed);
    views.free.lock().bare.push(number);
    true
}

/// Counts memory for `pages` pages that have none yet, evicting others where the bound is reached. Call without locks.
///
/// Returns: whether the bound holds; the pages are counted in any case
pub fn reserve(pages: usize) -> bool {
    let views = &cc().views;
    loop {
        let now = views.resident.load(Ordering::Relaxed);
        if now + pages > views.limit && (trim() || evict()) {
            continue;
        }
        if views
            .resident
            .compare_exchange_weak(now, now + pages, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
        {
            views.peak.fetch_max(now + pages, Ordering::Relaxed);
            return now + pages <= views.limit;
        }
    }
}

/// Whether a whole view more fits into the bound, if need be by evicting another one. Call without locks.
pub fn has_room() -> bool {
    let views = &cc().views;
    views.resident.load(Ordering::Relaxed) + VIEW_SIZE / PAGE_SIZE <= views.limit || trim() || evict()
}

/// Takes back what was reserved and not used.
pub fn unreserve(pages: usize) {
    if pages != 0 {
        cc().views.resident.fetch_sub(pages, Ordering::Relaxed);
    }
}
