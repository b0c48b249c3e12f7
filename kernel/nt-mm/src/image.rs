//! Addresses of driver images.
//!
//! They are never given out twice: an address in a finding names one driver, also after that has gone.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use boundary::slot::{PAGE_SIZE, Protection};
use nt_ke::current_core;

/// The area of driver images.
pub struct ImageArea {
    next: AtomicUsize,
    end: usize,
}

impl ImageArea {
    pub(crate) fn new(base: usize, bytes: usize) -> Self {
        Self { next: AtomicUsize::new(base), end: base + bytes }
    }

    /// Reserves zeroed, inaccessible addresses; write them through the slot's alias or after [`ImageArea::protect`].
    /// A page behind each image stays inaccessible. `alignment` is in bytes, a power of two.
    pub fn reserve(&self, bytes: usize, alignment: usize) -> Option<usize> {
        let alignment = alignment.max(PAGE_SIZE);
        let bytes = bytes.checked_next_multiple_of(PAGE_SIZE)?;
        let mut taken = None;
        let _ = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            let at = next.checked_next_multiple_of(alignment)?;
            let end = at.checked_add(bytes)?.checked_add(PAGE_SIZE)?;
            taken = (end <= self.end).then_some(at);
            taken.map(|_| end)
        });
        taken
    }

    /// Changes what may be done with pages of an image.
    pub fn protect(&self, address: usize, bytes: usize, protection: Protection) -> io::Result<()> {
        current_core().slot.protect(address, bytes, protection)
    }
}
