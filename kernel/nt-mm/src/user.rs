//! The user part: pages for buffers of user-mode callers, and how often MDLs lock each.

use std::sync::atomic::{AtomicU32, Ordering};

use boundary::copy::{self, BadAddress};
use boundary::slot::{PAGE_SIZE, Protection, USER_SIZE};
use nt_ke::current_core;

use crate::area::PageArea;
use crate::mm;

/// Pages of the user part.
pub(crate) struct UserArea {
    base: usize,
    pages: PageArea,
    locked: Box<[AtomicU32]>,
}

impl UserArea {
    pub(crate) fn new(base: usize, low: usize, pages: usize) -> Self {
        // Zeroed by the allocator without touching the pages: one counter for each page of the user part.
        let locked =
            Box::into_raw(vec![0u32; USER_SIZE / PAGE_SIZE].into_boxed_slice()) as *mut [AtomicU32];
        // SAFETY: an atomic has the size, alignment and bit patterns of its integer; the box was just leaked.
        let locked = unsafe { Box::from_raw(locked) };
        Self { base, pages: PageArea::new(low, pages), locked }
    }

    fn counter(&self, address: usize) -> &AtomicU32 {
        &self.locked[(address - self.base) / PAGE_SIZE]
    }

    pub(crate) fn take(&self, pages: usize) -> Option<usize> {
        let address = self.pages.take(pages, 1)?;
        let slot = &current_core().slot;
        let ready = slot
            .discard(address, pages * PAGE_SIZE)
            .and_then(|()| slot.protect(address, pages * PAGE_SIZE, Protection::ReadWrite));
        if ready.is_err() {
            self.pages.give_back(address, pages);
            return None;
        }
        Some(address)
    }

    /// Addresses of `pages` pages at a multiple of 64 KiB, inaccessible.
    pub(crate) fn take_aligned(&self, pages: usize) -> Option<usize> {
        self.pages.take(pages, (64 << 10) / PAGE_SIZE)
    }

    pub(crate) fn give_back(&self, address: usize, pages: usize) {
        // Failing to take access away only costs a later diagnosis.
        let _ = current_core().slot.protect(address, pages * PAGE_SIZE, Protection::None);
        for page in (0..pages).map(|n| address + n * PAGE_SIZE) {
            if self.counter(page).load(Ordering::Acquire) == 0 {
                self.pages.give_back(page, 1);
            }
        }
    }

    /// One more MDL locks the page.
    pub(crate) fn lock_page(&self, address: usize) {
        self.counter(address).fetch_add(1, Ordering::AcqRel);
    }

    /// One MDL less locks the page.
    pub(crate) fn unlock_page(&self, address: usize) {
        self.counter(address).fetch_sub(1, Ordering::AcqRel);
    }

    /// How many MDLs lock the page of `address`.
    pub(crate) fn locks(&self, address: usize) -> u32 {
        self.counter(address).load(Ordering::Acquire)
    }
}

/// How many MDLs lock the user page of `address`.
pub fn page_locks(address: usize) -> u32 {
    if current_core().slot.is_user(address) { mm().user_area().locks(address) } else { 0 }
}

/// A buffer in the user part of the machine, given back when dropped. Only threads of the machine use it.
#[derive(Debug)]
pub struct UserBuffer {
    address: usize,
    pages: usize,
    len: usize,
}

impl UserBuffer {
    /// A zeroed buffer; its last byte is the last of a page, so that reading past it faults, when `len` is a
    /// multiple of 16 (callers may rely on that alignment). `None`: no room.
    pub fn new(len: usize) -> Option<Self> {
        let pages = len.max(1).div_ceil(PAGE_SIZE) + 1;
        let address = mm().user_pages(pages)?;
        let guard = address + (pages - 1) * PAGE_SIZE;
        // Without the guard page only a diagnosis is lost.
        let _ = current_core().slot.protect(guard, PAGE_SIZE, Protection::None);
        let address = guard - len.max(1).next_multiple_of(16);
        Some(Self { address, pages, len })
    }

    /// A buffer with these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let buffer = Self::new(bytes.len())?;
        buffer.write(0, bytes).ok()?;
        Some(buffer)
    }

    /// Its address, a multiple of 16.
    pub fn address(&self) -> usize {
        self.address
    }

    /// Its bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies `bytes` into it at `offset`.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), BadAddress> {
        assert!(offset + bytes.len() <= self.len, "inside the buffer");
        copy::write(self.address + offset, bytes)
    }

    /// Copies from it at `offset`.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> Result<(), BadAddress> {
        assert!(offset + bytes.len() <= self.len, "inside the buffer");
        copy::read(self.address + offset, bytes)
    }

    /// The first `len` bytes of it.
    pub fn to_vec(&self, len: usize) -> Result<Vec<u8>, BadAddress> {
        let mut bytes = vec![0; len.min(self.len)];
        self.read(0, &mut bytes)?;
        Ok(bytes)
    }
}

impl Drop for UserBuffer {
    fn drop(&mut self) {
        // Outside every machine there is nothing left to give back to.
        if boundary::try_current().is_some() && current_core().slot.is_user(self.address) {
            mm().free_user_pages(self.address / PAGE_SIZE * PAGE_SIZE, self.pages);
        }
    }
}
