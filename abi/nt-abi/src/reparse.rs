//! Reparse data as the file system stores it and as a filter sees it.

use crate::GUID;
use core::cell::Cell;

crate::declare::layout! {
    /// Reparse data of an open that met a reparse point.
    struct FLT_TAG_DATA_BUFFER(0x1c) {
        0x0 FileTag: Cell<u32>,
        0x4 TagDataLength: Cell<u16>,
        0x6 UnparsedNameLength: Cell<u16>,
        0x8 raw: [Cell<u32>; 5],
    }

    /// The `FLT_TAG_DATA_BUFFER.GenericGUIDReparseBuffer` arm.
    struct FLT_TAG_DATA_BUFFER_GenericGUIDReparseBuffer(0x14) {
        0x0 TagGuid: GUID,
        0x10 DataBuffer: [Cell<u8>; 1],
        0x11 _pad11: [Cell<u8>; 3],
    }

    /// The `FLT_TAG_DATA_BUFFER.GenericReparseBuffer` arm.
    struct FLT_TAG_DATA_BUFFER_GenericReparseBuffer(0x1) {
        0x0 DataBuffer: [Cell<u8>; 1],
    }

    /// The `FLT_TAG_DATA_BUFFER.MountPointReparseBuffer` arm.
    struct FLT_TAG_DATA_BUFFER_MountPointReparseBuffer(0xa) {
        0x0 SubstituteNameOffset: Cell<u16>,
        0x2 SubstituteNameLength: Cell<u16>,
        0x4 PrintNameOffset: Cell<u16>,
        0x6 PrintNameLength: Cell<u16>,
        0x8 PathBuffer: [Cell<u16>; 1],
    }

    /// The `FLT_TAG_DATA_BUFFER.SymbolicLinkReparseBuffer` arm.
    struct FLT_TAG_DATA_BUFFER_SymbolicLinkReparseBuffer(0x10) {
        0x0 SubstituteNameOffset: Cell<u16>,
        0x2 SubstituteNameLength: Cell<u16>,
        0x4 PrintNameOffset: Cell<u16>,
        0x6 PrintNameLength: Cell<u16>,
        0x8 Flags: Cell<u32>,
        0xc PathBuffer: [Cell<u16>; 1],
        0xe _pade: [Cell<u8>; 2],
    }

    /// Reparse data as the file system stores it.
    struct REPARSE_DATA_BUFFER(0x18) {
        0x0 ReparseTag: Cell<u32>,
        0x4 ReparseDataLength: Cell<u16>,
        0x6 Reserved: Cell<u16>,
        0x8 raw: [Cell<u32>; 4],
    }

    /// The `REPARSE_DATA_BUFFER.GenericReparseBuffer` arm.
    struct REPARSE_DATA_BUFFER_GenericReparseBuffer(0x1) {
        0x0 DataBuffer: [Cell<u8>; 1],
    }

    /// The `REPARSE_DATA_BUFFER.MountPointReparseBuffer` arm.
    struct REPARSE_DATA_BUFFER_MountPointReparseBuffer(0xa) {
        0x0 SubstituteNameOffset: Cell<u16>,
        0x2 SubstituteNameLength: Cell<u16>,
        0x4 PrintNameOffset: Cell<u16>,
        0x6 PrintNameLength: Cell<u16>,
        0x8 PathBuffer: [Cell<u16>; 1],
    }

    /// The `REPARSE_DATA_BUFFER.SymbolicLinkReparseBuffer` arm.
    struct REPARSE_DATA_BUFFER_SymbolicLinkReparseBuffer(0x10) {
        0x0 SubstituteNameOffset: Cell<u16>,
        0x2 SubstituteNameLength: Cell<u16>,
        0x4 PrintNameOffset: Cell<u16>,
        0x6 PrintNameLength: Cell<u16>,
        0x8 Flags: Cell<u32>,
        0xc PathBuffer: [Cell<u16>; 1],
        0xe _pade: [Cell<u8>; 2],
    }
}

crate::declare::views! {
    impl FLT_TAG_DATA_BUFFER {
        /// The bytes at 0x8 as `SymbolicLinkReparseBuffer`.
        0x8 SymbolicLinkReparseBuffer: FLT_TAG_DATA_BUFFER_SymbolicLinkReparseBuffer,
        /// The bytes at 0x8 as `MountPointReparseBuffer`.
        0x8 MountPointReparseBuffer: FLT_TAG_DATA_BUFFER_MountPointReparseBuffer,
        /// The bytes at 0x8 as `GenericReparseBuffer`.
        0x8 GenericReparseBuffer: FLT_TAG_DATA_BUFFER_GenericReparseBuffer,
        /// The bytes at 0x8 as `GenericGUIDReparseBuffer`.
        0x8 GenericGUIDReparseBuffer: FLT_TAG_DATA_BUFFER_GenericGUIDReparseBuffer,
    }

    impl REPARSE_DATA_BUFFER {
        /// The bytes at 0x8 as `SymbolicLinkReparseBuffer`.
        0x8 SymbolicLinkReparseBuffer: REPARSE_DATA_BUFFER_SymbolicLinkReparseBuffer,
        /// The bytes at 0x8 as `MountPointReparseBuffer`.
        0x8 MountPointReparseBuffer: REPARSE_DATA_BUFFER_MountPointReparseBuffer,
        /// The bytes at 0x8 as `GenericReparseBuffer`.
        0x8 GenericReparseBuffer: REPARSE_DATA_BUFFER_GenericReparseBuffer,
    }
}
