//! `MDL.MdlFlags`, and lock operations and page priorities for mapping.

/// `MDL_MAPPED_TO_SYSTEM_VA`.
pub const MDL_MAPPED_TO_SYSTEM_VA: u16 = 1;
/// `MDL_PAGES_LOCKED`.
pub const MDL_PAGES_LOCKED: u16 = 2;
/// `MDL_SOURCE_IS_NONPAGED_POOL`.
pub const MDL_SOURCE_IS_NONPAGED_POOL: u16 = 4;
/// `MDL_ALLOCATED_FIXED_SIZE`.
pub const MDL_ALLOCATED_FIXED_SIZE: u16 = 8;
/// `MDL_PARTIAL`.
pub const MDL_PARTIAL: u16 = 0x10;
/// `MDL_PARTIAL_HAS_BEEN_MAPPED`.
pub const MDL_PARTIAL_HAS_BEEN_MAPPED: u16 = 0x20;
/// `MDL_IO_PAGE_READ`.
pub const MDL_IO_PAGE_READ: u16 = 0x40;
/// `MDL_WRITE_OPERATION`.
pub const MDL_WRITE_OPERATION: u16 = 0x80;
/// `MDL_LOCKED_PAGE_TABLES`.
pub const MDL_LOCKED_PAGE_TABLES: u16 = 0x100;
/// `MDL_FREE_EXTRA_PTES`.
pub const MDL_FREE_EXTRA_PTES: u16 = 0x200;
/// `MDL_DESCRIBES_AWE`.
pub const MDL_DESCRIBES_AWE: u16 = 0x400;
/// `MDL_IO_SPACE`.
pub const MDL_IO_SPACE: u16 = 0x800;
/// `MDL_NETWORK_HEADER`.
pub const MDL_NETWORK_HEADER: u16 = 0x1000;
/// `MDL_MAPPING_CAN_FAIL`.
pub const MDL_MAPPING_CAN_FAIL: u16 = 0x2000;
/// `MDL_PAGE_CONTENTS_INVARIANT`.
pub const MDL_PAGE_CONTENTS_INVARIANT: u16 = 0x4000;
/// `MDL_INTERNAL`.
pub const MDL_INTERNAL: u16 = 0x8000;

// LOCK_OPERATION
/// `IoReadAccess`.
pub const IoReadAccess: u32 = 0;
/// `IoWriteAccess`.
pub const IoWriteAccess: u32 = 1;
/// `IoModifyAccess`.
pub const IoModifyAccess: u32 = 2;

// MM_PAGE_PRIORITY
/// `LowPagePriority`.
pub const LowPagePriority: u32 = 0;
/// `NormalPagePriority`.
pub const NormalPagePriority: u32 = 0x10;
/// `HighPagePriority`.
pub const HighPagePriority: u32 = 0x20;
/// `MdlMappingNoWrite`.
pub const MdlMappingNoWrite: u32 = 0x80000000;
/// `MdlMappingNoExecute`.
pub const MdlMappingNoExecute: u32 = 0x40000000;

/// `PAGE_SIZE`.
pub const PAGE_SIZE: usize = 0x1000;
