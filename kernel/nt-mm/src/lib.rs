//! Memory: which pages of a machine's slot are in use, MDLs, and probes of caller's addresses.
//!
//! ```text
//! Mm ── pool    ─┐
//!    ── user    ─┼─► PageArea: first fit, lowest address, so that the same run gets the same addresses
//!    ── views   ─┘
//!    ── images  ───► ImageArea: only grows, so that an address names one driver for the machine's life
//! MDL ─► page frames of the slot (index into its memory) ─► alias that no driver sees
//! ```
//!
//! Refuses: paging. Each page that is handed out stays. What drivers call "paged pool" is a rule about IRQL.
//!
//! UNSAFETY: the page frame array behind an MDL, see [`mdl`]; the host's account of written pages, see [`written`].

pub mod area;
pub mod image;
pub mod mdl;
pub mod probe;
pub mod user;
pub mod view;
pub mod written;

pub use area::PageArea;
pub use image::ImageArea;
pub use user::UserBuffer;
pub use view::{MappedView, ViewPart};
pub use written::Written;

use boundary::slot::{
    IMAGES_SIZE, PAGE_SIZE, POOL_OFFSET, POOL_SIZE, Protection, USER_SIZE, VIEWS_OFFSET, VIEWS_SIZE,
};
use nt_ke::core::index;
use nt_ke::{Core, Subsystem, current_core, subsystem};

/// The memory manager of one machine.
pub struct Mm {
    pool: PageArea,
    views: PageArea,
    user: user::UserArea,
    mapped: view::MappedViews,
    /// Where drivers are mapped.
    pub images: ImageArea,
}

impl Subsystem for Mm {
    const INDEX: usize = index::MM;
}

/// The memory manager of the current thread's machine.
#[inline]
pub fn mm() -> &'static Mm {
    subsystem::<Mm>()
}

/// How many pages the `bytes` bytes from `address` on touch.
pub fn spanned_pages(address: usize, bytes: usize) -> usize {
    (address % PAGE_SIZE + bytes).div_ceil(PAGE_SIZE)
}

impl Mm {
    /// Empty areas over the slot of `core`. User pages are inaccessible until someone takes them.
    ///
    /// Errors: the kernel refuses to protect the user part.
    pub fn new(core: &Core) -> std::io::Result<Self> {
        let base = core.slot.base();
        core.slot.protect(base, USER_SIZE, Protection::None)?;
        let low = base + 0x10000;
        Ok(Self {
            pool: PageArea::new(base + POOL_OFFSET, POOL_SIZE / PAGE_SIZE),
            views: PageArea::new(base + VIEWS_OFFSET, VIEWS_SIZE / PAGE_SIZE),
            user: user::UserArea::new(base, low, (core.slot.user_probe_address() - low) / PAGE_SIZE),
            mapped: view::MappedViews::default(),
            images: ImageArea::new(core.slot.images(), IMAGES_SIZE),
        })
    }

    /// Takes `pages` pages of pool, at a multiple of `alignment` pages. They are writable; their contents are
    /// whatever the last owner left. `None`: the pool is full.
    pub fn pool_pages(&self, pages: usize, alignment: usize) -> Option<usize> {
        self.pool.take(pages, alignment)
    }

    /// Gives pool pages back, readable and writable. Large ranges give their memory to the host at once.
    pub fn free_pool_pages(&self, address: usize, pages: usize) {
        if pages >= 64 {
            // Without it the pages only stay resident.
            let _ = current_core().slot.discard(address, pages * PAGE_SIZE);
        }
        self.pool.give_back(address, pages);
    }

    /// First address and bytes of the pool.
    pub fn pool_range(&self) -> (usize, usize) {
        self.pool.range()
    }

    /// Takes `pages` zeroed, writable pages of the user part. `None`: no room, or the host refuses.
    pub fn user_pages(&self, pages: usize) -> Option<usize> {
        self.user.take(pages)
    }

    /// Gives user pages back; touching them faults from now on. Pages that an MDL still locks stay out of use.
    pub fn free_user_pages(&self, address: usize, pages: usize) {
        self.user.give_back(address, pages);
    }

    /// Takes `pages` pages of addresses for a system view; they are inaccessible and zero until protected.
    pub fn view_pages(&self, pages: usize) -> Option<usize> {
        let address = self.views.take(pages, 16)?;
        current_core().slot.discard(address, pages * PAGE_SIZE).ok()?;
        Some(address)
    }

    /// Gives the pages of a system view back.
    pub fn free_view_pages(&self, address: usize, pages: usize) {
        // Failing to take access away only costs a later diagnosis.
        let _ = current_core().slot.protect(address, pages * PAGE_SIZE, Protection::None);
        self.views.give_back(address, pages);
    }

    pub(crate) fn user_area(&self) -> &user::UserArea {
        &self.user
    }
}
