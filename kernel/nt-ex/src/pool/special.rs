//! Special pool: each block ends at a page that nobody can touch.
//!
//! ```text
//! data pages │ guard page        block = the last bytes of the data pages, from a multiple of 16 on;
//! ──── block ┤ inaccessible      up to 15 bytes between its end and the guard hold a pattern
//! freed: all pages inaccessible, until the quarantine is full
//! ```
//!
//! Writing or reading past the end, and using a freed block, fault at the instruction that does it. Costs two pages and
//! two system calls a block. Blocks of a page and more lose their page alignment unless they are whole pages.
//!
//! UNSAFETY: none of its own; patterns are written through `block`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};

use boundary::Raise;
use boundary::slot::{PAGE_SIZE, Protection};
use nt_abi::bugcheck;
use nt_ke::core::ExplainedFault;
use nt_ke::{Lock, Rank, current_core};
use nt_mm::mm;

use super::block::{self, BlockInfo};
use super::misuse;

/// Pages of freed blocks that stay inaccessible.
const QUARANTINE: usize = 8192;
const ALIGNMENT: usize = 16;
const PATTERN: u8 = 0xA5;

#[derive(Clone, Copy)]
struct Block {
    info: BlockInfo,
    first: usize,
    /// Data pages; the guard page follows them.
    pages: usize,
}

impl Block {
    fn end(&self) -> usize {
        self.first + self.pages * PAGE_SIZE
    }

    fn data(&self) -> usize {
        self.end() - self.info.bytes.max(1).next_multiple_of(ALIGNMENT)
    }
}

#[derive(Default)]
struct Freed {
    blocks: VecDeque<(Block, usize)>,
    pages: usize,
}

/// The special pool of one machine.
pub(super) struct Special {
    on: AtomicBool,
    /// By the address of their data.
    live: Lock<BTreeMap<usize, Block>>,
    freed: Lock<Freed>,
}

impl Special {
    pub(super) fn new() -> Self {
        Self {
            on: AtomicBool::new(false),
            live: Lock::new(Rank::ExPool, BTreeMap::new()),
            freed: Lock::new(Rank::ExPool, Freed::default()),
        }
    }

    pub(super) fn set(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }

    pub(super) fn on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Allocates; the address of the data. `None`: the pool's pages are used up.
    pub(super) fn allocate(&self, info: BlockInfo) -> Option<usize> {
        let pages = info.bytes.max(1).next_multiple_of(ALIGNMENT).div_ceil(PAGE_SIZE);
        let first = mm().pool_pages(pages + 1, 1)?;
        let block = Block { info, first, pages };
        // Without the guard page only a diagnosis is lost.
        let _ = current_core().slot.protect(block.end(), PAGE_SIZE, Protection::None);
        let data = block.data();
        block::fill(data + info.bytes, PATTERN, block.end() - data - info.bytes);
        self.live.lock().insert(data, block);
        Some(data)
    }

    /// Frees a block of this pool. `None`: it is none.
    pub(super) fn free(&self, address: usize, caller: usize) -> Option<Result<BlockInfo, Raise>> {
        let removed = self.live.lock().remove(&address);
        let Some(block) = removed else {
            let freed = self.freed.lock();
            let (block, first) = freed.blocks.iter().rev().find(|(block, _)| block.data() == address)?;
            let (info, first) = (block.info, *first);
            drop(freed);
            return Some(Err(misuse::freed_twice(address, &info, first)));
        };
        let slack = address + block.info.bytes..block.end();
        let mut bytes = [0u8; ALIGNMENT];
        let bytes = &mut bytes[..slack.len()];
        let intact = boundary::copy::read(slack.start, bytes).is_ok() && bytes.iter().all(|b| *b == PATTERN);
        if !intact {
            return Some(Err(misuse::damaged(address, &block.info, "past its end")));
        }
        let _ = current_core().slot.protect(block.first, block.pages * PAGE_SIZE, Protection::None);
        self.quarantine(block, caller);
        Some(Ok(block.info))
    }

    fn quarantine(&self, block: Block, caller: usize) {
        let mut leaving = Vec::new();
        {
            let mut freed = self.freed.lock();
            freed.pages += block.pages + 1;
            freed.blocks.push_back((block, caller));
            while freed.pages > QUARANTINE
                && let Some((oldest, _)) = freed.blocks.pop_front()
            {
                freed.pages -= oldest.pages + 1;
                leaving.push(oldest);
            }
        }
        for block in leaving {
            let bytes = (block.pages + 1) * PAGE_SIZE;
            let _ = current_core().slot.protect(block.first, bytes, Protection::ReadWrite);
            mm().free_pool_pages(block.first, block.pages + 1);
        }
    }

    /// The live block that contains `address`.
    pub(super) fn around(&self, address: usize) -> Option<(usize, BlockInfo)> {
        let live = self.live.lock();
        let (data, block) = live.range(..=address).next_back()?;
        (address < data + block.info.bytes.max(1)).then_some((*data, block.info))
    }

    pub(super) fn for_each(&self, mut f: impl FnMut(&BlockInfo)) {
        self.live.lock().values().for_each(|block| f(&block.info));
    }

    /// What a fault at `address` means, if the address lies behind a block or in a freed one.
    pub(super) fn explain(&self, address: usize) -> Option<ExplainedFault> {
        if let Some((data, block)) = self.live.lock().range(..=address).next_back()
            && (block.end()..block.end() + PAGE_SIZE).contains(&address)
        {
            let past = address - (data + block.info.bytes);
            return Some(ExplainedFault {
                code: bugcheck::PAGE_FAULT_BEYOND_END_OF_ALLOCATION,
                message: format!("{past} bytes past the end of a {}", misuse::described(&block.info)),
                place: block.info.caller,
            });
        }
        let freed = self.freed.lock();
        let inside = |(block, _): &&(Block, usize)| (block.first..block.end() + PAGE_SIZE).contains(&address);
        let (block, by) = freed.blocks.iter().rev().find(inside)?;
        Some(ExplainedFault {
            code: bugcheck::PAGE_FAULT_IN_FREED_SPECIAL_POOL,
            message: format!("in a {}, freed at {by:#x}", misuse::described(&block.info)),
            place: block.info.caller,
        })
    }
}
