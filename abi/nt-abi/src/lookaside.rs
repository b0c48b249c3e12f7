//! Lookaside lists and the interlocked list head that they stand on.

use crate::{LIST_ENTRY, NativeFn};
use core::cell::Cell;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, AtomicU64};

crate::declare::layout! {
    /// The head of an interlocked list; depth and sequence in the low word, the first entry in the high one.
    #[repr(align(16))]
    struct SLIST_HEADER(0x10) {
        0x0 Alignment: AtomicU64,
        0x8 Region: AtomicU64,
    }

    /// A lookaside list of nonpaged pool.
    struct NPAGED_LOOKASIDE_LIST(0x80) {
        0x0 L: GENERAL_LOOKASIDE,
    }

    /// A lookaside list of paged pool.
    struct PAGED_LOOKASIDE_LIST(0x80) {
        0x0 L: GENERAL_LOOKASIDE,
    }

    /// What all lookaside lists have in common.
    struct GENERAL_LOOKASIDE(0x80) {
        0x0 ListHead: SLIST_HEADER,
        0x10 Depth: Cell<u16>,
        0x12 MaximumDepth: Cell<u16>,
        0x14 TotalAllocates: AtomicU32,
        0x18 AllocateMisses: AtomicU32,
        0x1c TotalFrees: AtomicU32,
        0x20 FreeMisses: AtomicU32,
        0x24 Type: Cell<u32>,
        0x28 Tag: Cell<u32>,
        0x2c Size: Cell<u32>,
        0x30 Allocate: Cell<NativeFn>,
        0x38 Free: Cell<NativeFn>,
        0x40 ListEntry: LIST_ENTRY,
        0x50 LastTotalAllocates: Cell<u32>,
        0x54 LastAllocateMisses: Cell<u32>,
        0x58 Future: Cell<*mut c_void>,
        0x60 _pad60: [Cell<u8>; 32],
    }
}

crate::declare::views! {
    impl SLIST_HEADER {
        /// The bytes at 0x0 as `Header8`.
        0x0 Header8: [AtomicU64; 2],
        /// The bytes at 0x0 as `Header16`.
        0x0 Header16: [AtomicU64; 2],
        /// The bytes at 0x0 as `HeaderX64`.
        0x0 HeaderX64: [AtomicU64; 2],
    }

    impl GENERAL_LOOKASIDE {
        /// The bytes at 0x0 as `SingleListHead`.
        0x0 SingleListHead: Cell<u64>,
        /// The bytes at 0x18 as `AllocateHits`.
        0x18 AllocateHits: AtomicU32,
        /// The bytes at 0x20 as `FreeHits`.
        0x20 FreeHits: AtomicU32,
        /// The bytes at 0x30 as `AllocateEx`.
        0x30 AllocateEx: Cell<NativeFn>,
        /// The bytes at 0x38 as `FreeEx`.
        0x38 FreeEx: Cell<NativeFn>,
        /// The bytes at 0x54 as `LastAllocateHits`.
        0x54 LastAllocateHits: Cell<u32>,
    }
}
