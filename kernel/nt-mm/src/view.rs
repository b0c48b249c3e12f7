//! Mapped views: pages of the kernel part that have a second address.
//!
//! ```text
//! MappedViews::begin ─► addresses, inaccessible ─► MappedView::show (pieces of it, as their pages come in) ─► drop
//! ```
//!
//! An MDL over a view names the pages themselves, so transfers and stores meet in the same memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use boundary::slot::{PAGE_SIZE, Protection};
use nt_ke::{Lock, Rank, current_core};

use crate::mm;

/// Piece → where its pages are.
#[derive(Clone, Copy)]
struct Piece {
    bytes: usize,
    source: usize,
}

/// All pieces of mapped views of a machine, by address.
pub(crate) struct MappedViews {
    pieces: Lock<BTreeMap<usize, Piece>>,
    count: AtomicUsize,
}

impl Default for MappedViews {
    fn default() -> Self {
        Self { pieces: Lock::new(Rank::MmAreas, BTreeMap::new()), count: AtomicUsize::new(0) }
    }
}

impl MappedViews {
    /// The kernel address of the page that a view shows at `address`; `None`: no view does.
    #[inline]
    pub(crate) fn source_of(&self, address: usize) -> Option<usize> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let pieces = self.pieces.lock();
        let (start, piece) = pieces.range(..=address).next_back()?;
        (address < start + piece.bytes).then(|| piece.source + (address - start))
    }
}

/// Where a view's addresses are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewPart {
    /// The user part: a process's view.
    User,
    /// The kernel part: a system view.
    System,
}

/// Addresses that show pages of others. Dropped: they are inaccessible, and free.
#[derive(Debug)]
pub struct MappedView {
    address: usize,
    bytes: usize,
    part: ViewPart,
}

impl MappedView {
    /// Takes addresses for `bytes` bytes, at a multiple of 64 KiB. `None`: no room.
    pub fn begin(bytes: usize, part: ViewPart) -> Option<Self> {
        let pages = bytes.div_ceil(PAGE_SIZE).max(1);
        let address = match part {
            ViewPart::User => mm().user_area().take_aligned(pages)?,
            ViewPart::System => mm().view_pages(pages)?,
        };
        Some(Self { address, bytes: pages * PAGE_SIZE, part })
    }

    /// First address.
    pub fn address(&self) -> usize {
        self.address
    }

    /// Bytes: whole pages.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Which part it lies in.
    pub fn part(&self) -> ViewPart {
        self.part
    }

    /// Shows `bytes` bytes of pages from `source` on at `offset`. The pages stay until the view is gone.
    ///
    /// Errors: the host refuses another mapping (it allows some 65,000)
    pub fn show(
        &self,
        offset: usize,
        bytes: usize,
        source: usize,
        protection: Protection,
    ) -> std::io::Result<()> {
        assert!(offset + bytes <= self.bytes, "inside the view");
        let at = self.address + offset;
        current_core().slot.map_again(at, bytes, source, protection)?;
        let views = &mm().mapped;
        views.count.fetch_add(1, Ordering::AcqRel);
        views.pieces.lock().insert(at, Piece { bytes, source });
        Ok(())
    }
}

impl Drop for MappedView {
    fn drop(&mut self) {
        if boundary::try_current().is_none() || nt_ke::current_core().try_get::<crate::Mm>().is_none() {
            // The machine is gone, and its addresses with it.
            return;
        }
        let views = &mm().mapped;
        {
            let mut pieces = views.pieces.lock();
            let shown: Vec<usize> =
                pieces.range(self.address..self.address + self.bytes).map(|(at, _)| *at).collect();
            for at in &shown {
                pieces.remove(at);
            }
            views.count.fetch_sub(shown.len(), Ordering::AcqRel);
        }
        if current_core().slot.unmap_again(self.address, self.bytes).is_err() {
            // Addresses that still show the pages are not given to anybody else.
            return;
        }
        let pages = self.bytes / PAGE_SIZE;
        match self.part {
            ViewPart::User => mm().free_user_pages(self.address, pages),
            ViewPart::System => mm().free_view_pages(self.address, pages),
        }
    }
}
