//! Pool: blocks of memory with a tag, a guard at either end, and an owner.
//!
//! ```text
//! slot of a slab      │ header 32 │ bytes asked for │ guard 8.. │     sizes below a page: never cross one
//! pages of their own  │ … header 32 ║ bytes asked for │ guard │       page aligned, header before the page
//! ```
//!
//! What is free, how large a block is and whose it is stands in tables of the engine. The header is a copy: a driver that
//! writes over it or into a freed block is found out and cannot make the pool hand out memory twice.
//!
//! Blocks belong to whoever calls: [`allocate`] records the driver's call of the export that is being
//! executed, [`allocate_engine`] nobody, so that the engine's own structures never count as a driver's leak.
//!
//! Statements: EXEC-28 to EXEC-33.
//!
//! UNSAFETY: writes headers, guards and fill patterns into pages of the pool.

mod block;
mod misuse;
mod nt;
mod report;
mod special;
mod table;

pub use nt::{allocate_pool_with_quota_tag, allocate_pool_with_tag, allocate_pool2, free_pool};
pub use report::Leak;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use boundary::slot::PAGE_SIZE;
use boundary::{Raise, caller_address};
use nt_ke::{Core, Lock, Rank};

use crate::ex;
use block::{BlockInfo, CLASSES, class_of};
use table::{Big, Class, Freed, SLAB_BYTES};

/// Tag of the engine's own blocks.
pub const ENGINE_TAG: u32 = u32::from_le_bytes(*b"Altm");

/// What the memory may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// Good at any IRQL.
    NonPaged,
    /// The same, and code may run in it.
    NonPagedExecute,
    /// Below DISPATCH_LEVEL only.
    Paged,
}

impl PoolKind {
    const ALL: [Self; 3] = [Self::NonPaged, Self::NonPagedExecute, Self::Paged];

    fn index(self) -> usize {
        self as usize
    }

    /// Name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::NonPaged => "nonpaged",
            Self::NonPagedExecute => "nonpaged executable",
            Self::Paged => "paged",
        }
    }
}

/// The pool of one machine.
pub struct Pool {
    base: usize,
    /// For each 64 KiB of the area: 0, or 1 + class index + (slab number << 8).
    directory: Box<[AtomicU32]>,
    classes: Vec<Lock<Class>>,
    big: Lock<BTreeMap<usize, Big>>,
    /// The last blocks with pages of their own that were freed.
    freed: Lock<VecDeque<Freed>>,
    strict: AtomicBool,
    special: special::Special,
    allocations: AtomicU64,
}

impl Pool {
    pub(crate) fn new(core: &Core) -> Self {
        use boundary::slot::{POOL_OFFSET, POOL_SIZE};
        let entries = POOL_SIZE / SLAB_BYTES;
        // Zeroed by the allocator without touching the pages.
        let directory = Box::into_raw(vec![0u32; entries].into_boxed_slice()) as *mut [AtomicU32];
        let classes =
            PoolKind::ALL.iter().flat_map(|kind| (0..CLASSES.len()).map(move |class| (*kind, class)));
        Self {
            base: core.slot.base() + POOL_OFFSET,
            // SAFETY: an atomic has the layout of its integer; the box was just leaked.
            directory: unsafe { Box::from_raw(directory) },
            classes: classes.map(|(kind, class)| Lock::new(Rank::ExPool, Class::new(kind, class))).collect(),
            big: Lock::new(Rank::ExPool, BTreeMap::new()),
            freed: Lock::new(Rank::ExPool, VecDeque::new()),
            strict: AtomicBool::new(false),
            special: special::Special::new(),
            allocations: AtomicU64::new(0),
        }
    }

    /// Spends memory and time to catch more: freed blocks are reused last, fresh ones hold a pattern, and
    /// a page behind each block with pages of its own is inaccessible.
    pub fn set_strict(&self, strict: bool) {
        self.strict.store(strict, Ordering::Relaxed);
    }

    /// Places each block that a driver allocates from now on against an inaccessible page. Executable pool stays as it is.
    pub fn set_special(&self, special: bool) {
        self.special.set(special);
    }

    fn strict(&self) -> bool {
        self.strict.load(Ordering::Relaxed)
    }

    fn class_index(kind: PoolKind, class: usize) -> usize {
        kind.index() * CLASSES.len() + class
    }

    /// The class and slab whose pages `address` lies in.
    fn slab_at(&self, address: usize) -> Option<(usize, usize)> {
        let entry = self.directory.get(address.checked_sub(self.base)? / SLAB_BYTES)?.load(Ordering::Acquire);
        (entry != 0).then(|| (((entry - 1) & 0xFF) as usize, ((entry - 1) >> 8) as usize))
    }

    fn allocate(&self, info: BlockInfo, zero: bool) -> Option<NonNull<u8>> {
        let strict = self.strict();
        self.allocations.fetch_add(1, Ordering::Relaxed);
        if self.special.on() && info.caller != 0 && info.kind != PoolKind::NonPagedExecute {
            let data = self.special.allocate(info)?;
            block::fill(data, if zero { 0 } else { block::FRESH }, info.bytes);
            return NonNull::new(data as *mut u8);
        }
        let data = match class_of(info.bytes) {
            Some(class) => {
                let index = Self::class_index(info.kind, class);
                let mut class = self.classes[index].lock();
                if class.is_full() {
                    let (number, base) = class.grow()?;
                    let entry = 1 + index as u32 + ((number as u32) << 8);
                    self.directory[(base - self.base) / SLAB_BYTES].store(entry, Ordering::Release);
                }
                class.take(info)
            }
            None => {
                let big = Big::new(info, strict)?;
                let data = big.data();
                self.big.lock().insert(data, big);
                data
            }
        };
        block::write_guards(data, &info);
        if zero {
            block::fill(data, 0, info.bytes);
        } else if strict {
            block::fill(data, block::FRESH, info.bytes);
        }
        NonNull::new(data as *mut u8)
    }
}

/// Allocates for whoever called the export that is being executed: its leak report will name that place.
///
/// Source:  EXEC-30
/// IRQL:    <= DISPATCH_LEVEL
/// Returns: 16-byte aligned memory, page aligned from a page on; `None` when the pool is full or `bytes` absurd
pub fn allocate(kind: PoolKind, bytes: usize, tag: u32, zero: bool) -> Option<NonNull<u8>> {
    ex().pool.allocate(BlockInfo { kind, tag, bytes, caller: caller_address() }, zero)
}

/// Allocates zeroed memory that belongs to the engine: never a driver's leak.
pub fn allocate_engine(kind: PoolKind, bytes: usize, tag: u32) -> Option<NonNull<u8>> {
    ex().pool.allocate(BlockInfo { kind, tag, bytes, caller: 0 }, true)
}

/// A zeroed `T` of the engine's in nonpaged pool; it lives until [`free`] is called with its address.
///
/// Errors: INSUFFICIENT_RESOURCES when the pool is full.
pub fn allocate_new<T: ZeroedInPool>(tag: u32) -> Result<&'static T, nt_abi::NtStatus> {
    allocate_with_tail::<T>(tag, 0)
}

/// A zeroed `T` of the engine's followed by `tail` zeroed bytes (an extension, an array).
///
/// Errors: INSUFFICIENT_RESOURCES when the pool is full.
pub fn allocate_with_tail<T: ZeroedInPool>(tag: u32, tail: usize) -> Result<&'static T, nt_abi::NtStatus> {
    let bytes = size_of::<T>().max(1) + tail;
    assert!(align_of::<T>() <= 16, "pool blocks are 16-byte aligned");
    let memory =
        allocate_engine(PoolKind::NonPaged, bytes, tag).ok_or(nt_abi::NtStatus::INSUFFICIENT_RESOURCES)?;
    // SAFETY: fresh, zeroed, aligned memory of at least its size; the trait promises that zero bytes are a value.
    Ok(unsafe { memory.cast::<T>().as_ref() })
}

/// Types whose zero bytes are a value and that need no drop: what may be made by [`allocate_new`].
///
/// # Safety
/// Zero bytes are a valid value, and forgetting one loses nothing.
pub unsafe trait ZeroedInPool {}

// SAFETY: the promise of `Abi`: each bit pattern is a value, and there is no drop glue.
unsafe impl<T: nt_abi::Abi> ZeroedInPool for T {}

/// Frees a block. `tag` is checked when given (the protected-pool bit is ignored).
///
/// Source:  ExFreePoolWithTag; EXEC-31
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  freeing twice, what is no block, or a damaged block is a bug check; another tag is a finding
pub fn free(address: *const u8, tag: Option<u32>) -> Result<(), Raise> {
    if nt_ke::locks::watched()
        && let Some(bytes) = size_of_block(address)
    {
        nt_ke::locks::forgotten(address as usize..address as usize + bytes);
    }
    ex().pool.free(address as usize, tag)
}

/// Frees an engine structure made by [`allocate_new`].
pub fn free_new<T>(value: &'static T) -> Result<(), Raise> {
    free(std::ptr::from_ref(value).cast(), None)
}

/// Whether who frees blocks often may keep some instead. Not where pool is to find out who uses them afterwards.
#[inline]
pub fn may_keep_free_blocks() -> bool {
    !ex().pool.strict() && !ex().pool.special.on()
}

/// How many blocks were allocated so far. What has a free list takes from pool when that is empty, so this also counts
/// the misses of all free lists.
pub fn allocations() -> u64 {
    ex().pool.allocations.load(Ordering::Relaxed)
}

/// What a fault at `address` has to do with special pool: past the end of a block, or inside a freed one.
///
/// IRQL: any
pub fn explain(address: usize) -> Option<nt_ke::core::ExplainedFault> {
    ex().pool.special.explain(address)
}

/// Bytes asked for at the allocation of the block that starts at `address`, if one does.
pub fn size_of_block(address: *const u8) -> Option<usize> {
    ex().pool.info(address as usize).map(|info| info.bytes)
}

/// The live block that contains `address`: its start, bytes and tag.
pub fn block_around(address: usize) -> Option<(usize, usize, u32)> {
    ex().pool.around(address).map(|(start, info)| (start, info.bytes, info.tag))
}

/// What kind of pool the live block that contains `address` is of.
pub fn kind_around(address: usize) -> Option<PoolKind> {
    ex().pool.around(address).map(|(_, info)| info.kind)
}

/// Where a driver called the export that allocated the live block that contains `address`; 0 for the engine's.
pub fn allocated_at(address: usize) -> Option<usize> {
    ex().pool.around(address).map(|(_, info)| info.caller)
}

/// Blocks that are not freed and were allocated by calls from `callers` (a driver's image), by place and tag.
pub fn outstanding(callers: Range<usize>) -> Vec<Leak> {
    ex().pool.outstanding(callers)
}

/// Tries an operation that may need pages: the largest block that one allocation can have.
const MAXIMUM: usize = boundary::slot::POOL_SIZE - 16 * PAGE_SIZE;
