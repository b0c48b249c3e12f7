//! The pool's tables: slabs of equal slots, and blocks with pages of their own.

use std::collections::VecDeque;

use boundary::slot::{PAGE_SIZE, Protection};
use nt_ke::current_core;
use nt_ke::pageable::Holds;
use nt_mm::mm;

use super::block::{BlockInfo, CLASSES, HEADER};
use super::{MAXIMUM, PoolKind};

/// Bytes of a slab; it is aligned to them.
pub(super) const SLAB_BYTES: usize = 64 << 10;
const SLAB_PAGES: usize = SLAB_BYTES / PAGE_SIZE;

/// State of a slot.
#[derive(Clone, Copy)]
pub(super) enum Slot {
    /// Never used.
    Fresh,
    /// A block.
    Live(BlockInfo),
    /// A freed block, and who freed it.
    Freed(BlockInfo, usize),
}

struct Slab {
    base: usize,
    slots: Box<[Slot]>,
}

/// All slabs of one kind and slot size.
pub(super) struct Class {
    kind: PoolKind,
    slot_bytes: usize,
    slabs: Vec<Slab>,
    free: VecDeque<(u32, u16)>,
}

impl Class {
    pub(super) fn new(kind: PoolKind, class: usize) -> Self {
        Self { kind, slot_bytes: CLASSES[class], slabs: Vec::new(), free: VecDeque::new() }
    }

    fn per_page(&self) -> usize {
        PAGE_SIZE / self.slot_bytes
    }

    pub(super) fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// Adds a slab: its number and address. `None`: the pool's pages are used up.
    pub(super) fn grow(&mut self) -> Option<(usize, usize)> {
        let base = mm().pool_pages(SLAB_PAGES, SLAB_PAGES)?;
        if self.kind == PoolKind::NonPagedExecute {
            current_core().slot.protect(base, SLAB_BYTES, Protection::ReadWriteExecute).ok()?;
        }
        if self.kind == PoolKind::Paged {
            current_core().add_pageable(base, SLAB_BYTES, Holds::Pool);
        }
        let number = self.slabs.len();
        let slots = SLAB_PAGES * self.per_page();
        self.slabs.push(Slab { base, slots: vec![Slot::Fresh; slots].into_boxed_slice() });
        self.free.extend((0..slots).map(|slot| (number as u32, slot as u16)));
        Some((number, base))
    }

    fn data(&self, slab: usize, slot: usize) -> usize {
        let (page, place) = (slot / self.per_page(), slot % self.per_page());
        self.slabs[slab].base + page * PAGE_SIZE + place * self.slot_bytes + HEADER
    }

    /// Takes a free slot and returns the address of its data. There must be one.
    pub(super) fn take(&mut self, info: BlockInfo) -> usize {
        let (slab, slot) = self.free.pop_front().expect("a class grows before a slot is taken");
        self.slabs[slab as usize].slots[slot as usize] = Slot::Live(info);
        self.data(slab as usize, slot as usize)
    }

    /// The slot of slab `slab` that contains `address`, and the address of its data.
    pub(super) fn locate(&self, slab: usize, address: usize) -> Option<(usize, usize)> {
        let offset = address - self.slabs[slab].base;
        let place = offset % PAGE_SIZE / self.slot_bytes;
        let slot = offset / PAGE_SIZE * self.per_page() + place;
        (place < self.per_page()).then(|| (slot, self.data(slab, slot)))
    }

    pub(super) fn slot(&self, slab: usize, slot: usize) -> Slot {
        self.slabs[slab].slots[slot]
    }

    /// Frees a live slot: it is reused first, or last when `late`.
    pub(super) fn give_back(&mut self, slab: usize, slot: usize, info: BlockInfo, caller: usize, late: bool) {
        self.slabs[slab].slots[slot] = Slot::Freed(info, caller);
        let entry = (slab as u32, slot as u16);
        if late { self.free.push_back(entry) } else { self.free.push_front(entry) }
    }

    /// Calls `f` with every block.
    pub(super) fn for_each(&self, mut f: impl FnMut(&BlockInfo)) {
        for slot in self.slabs.iter().flat_map(|slab| slab.slots.iter()) {
            if let Slot::Live(info) = slot {
                f(info);
            }
        }
    }
}

/// A block with pages of its own.
#[derive(Clone, Copy)]
pub(super) struct Big {
    pub info: BlockInfo,
    first: usize,
    pages: usize,
    guard: bool,
}

impl Big {
    pub(super) fn new(info: BlockInfo, strict: bool) -> Option<Self> {
        if info.bytes > MAXIMUM {
            return None;
        }
        let pages = 1 + info.bytes.max(1).div_ceil(PAGE_SIZE) + usize::from(strict);
        let first = mm().pool_pages(pages, 1)?;
        let big = Self { info, first, pages, guard: strict };
        let slot = &current_core().slot;
        if info.kind == PoolKind::NonPagedExecute {
            let bytes = (pages - usize::from(strict)) * PAGE_SIZE;
            slot.protect(first, bytes, Protection::ReadWriteExecute).ok()?;
        }
        if strict {
            // Without the guard page only a diagnosis is lost.
            let _ = slot.protect(first + (pages - 1) * PAGE_SIZE, PAGE_SIZE, Protection::None);
        }
        if info.kind == PoolKind::Paged {
            current_core().add_pageable(first, (pages - usize::from(strict)) * PAGE_SIZE, Holds::Pool);
        }
        Some(big)
    }

    pub(super) fn data(&self) -> usize {
        self.first + PAGE_SIZE
    }

    /// Gives the pages back.
    pub(super) fn release(&self) {
        if self.info.kind == PoolKind::Paged {
            current_core().remove_pageable(self.first, self.pages * PAGE_SIZE);
        }
        if self.guard || self.info.kind == PoolKind::NonPagedExecute {
            let _ = current_core().slot.protect(self.first, self.pages * PAGE_SIZE, Protection::ReadWrite);
        }
        mm().free_pool_pages(self.first, self.pages);
    }
}

/// A block with pages of its own that is gone.
pub(super) struct Freed {
    pub data: usize,
    pub info: BlockInfo,
    pub caller: usize,
}
