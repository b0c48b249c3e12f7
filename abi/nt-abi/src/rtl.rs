//! Strings, lists, trees and bitmaps of the run-time library, and the small values that other structures embed.

use crate::NativeFn;
use core::cell::Cell;
use core::ffi::c_void;

crate::declare::layout! {
    /// A counted byte string; `ANSI_STRING` and `OEM_STRING` are other names for it.
    struct STRING(0x10) {
        0x0 Length: Cell<u16>,
        0x2 MaximumLength: Cell<u16>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Buffer: Cell<*mut u8>,
    }

    /// A globally unique identifier.
    struct GUID(0x10) {
        0x0 Data1: Cell<u32>,
        0x4 Data2: Cell<u16>,
        0x6 Data3: Cell<u16>,
        0x8 Data4: [Cell<u8>; 8],
    }

    /// A locally unique identifier.
    struct LUID(0x8) {
        0x0 LowPart: Cell<u32>,
        0x4 HighPart: Cell<i32>,
    }

    /// A link of a singly linked list.
    struct SINGLE_LIST_ENTRY(0x8) {
        0x0 Next: Cell<*mut SINGLE_LIST_ENTRY>,
    }

    /// A node of an AVL table; the caller's data follow it.
    struct RTL_BALANCED_LINKS(0x20) {
        0x0 Parent: Cell<*mut RTL_BALANCED_LINKS>,
        0x8 LeftChild: Cell<*mut RTL_BALANCED_LINKS>,
        0x10 RightChild: Cell<*mut RTL_BALANCED_LINKS>,
        0x18 Balance: Cell<i8>,
        0x19 Reserved: [Cell<u8>; 3],
        0x1c _pad1c: [Cell<u8>; 4],
    }

    /// What `RtlGetVersion` fills in; `RTL_OSVERSIONINFOW` ends before `wServicePackMajor`.
    struct RTL_OSVERSIONINFOEXW(0x11c) {
        0x0 dwOSVersionInfoSize: Cell<u32>,
        0x4 dwMajorVersion: Cell<u32>,
        0x8 dwMinorVersion: Cell<u32>,
        0xc dwBuildNumber: Cell<u32>,
        0x10 dwPlatformId: Cell<u32>,
        0x14 szCSDVersion: [Cell<u16>; 128],
        0x114 wServicePackMajor: Cell<u16>,
        0x116 wServicePackMinor: Cell<u16>,
        0x118 wSuiteMask: Cell<u16>,
        0x11a wProductType: Cell<u8>,
        0x11b wReserved: Cell<u8>,
    }

    /// A time in calendar fields.
    struct TIME_FIELDS(0x10) {
        0x0 Year: Cell<i16>,
        0x2 Month: Cell<i16>,
        0x4 Day: Cell<i16>,
        0x6 Hour: Cell<i16>,
        0x8 Minute: Cell<i16>,
        0xa Second: Cell<i16>,
        0xc Milliseconds: Cell<i16>,
        0xe Weekday: Cell<i16>,
    }

    /// A counted UTF-16 string; lengths in bytes.
    struct UNICODE_STRING(0x10) {
        0x0 Length: Cell<u16>,
        0x2 MaximumLength: Cell<u16>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Buffer: Cell<*mut u16>,
    }

    /// A link of a doubly linked list, or its head.
    struct LIST_ENTRY(0x10) {
        0x0 Flink: Cell<*mut LIST_ENTRY>,
        0x8 Blink: Cell<*mut LIST_ENTRY>,
    }

    /// A generic table kept as an AVL tree.
    struct RTL_AVL_TABLE(0x68) {
        0x0 BalancedRoot: RTL_BALANCED_LINKS,
        0x20 OrderedPointer: Cell<*mut c_void>,
        0x28 WhichOrderedElement: Cell<u32>,
        0x2c NumberGenericTableElements: Cell<u32>,
        0x30 DepthOfTree: Cell<u32>,
        0x34 _pad34: [Cell<u8>; 4],
        0x38 RestartKey: Cell<*mut RTL_BALANCED_LINKS>,
        0x40 DeleteCount: Cell<u32>,
        0x44 _pad44: [Cell<u8>; 4],
        0x48 CompareRoutine: Cell<NativeFn>,
        0x50 AllocateRoutine: Cell<NativeFn>,
        0x58 FreeRoutine: Cell<NativeFn>,
        0x60 TableContext: Cell<*mut c_void>,
    }

    /// A generic table kept as a splay tree.
    struct RTL_GENERIC_TABLE(0x48) {
        0x0 TableRoot: Cell<*mut RTL_SPLAY_LINKS>,
        0x8 InsertOrderList: LIST_ENTRY,
        0x18 OrderedPointer: Cell<*mut LIST_ENTRY>,
        0x20 WhichOrderedElement: Cell<u32>,
        0x24 NumberGenericTableElements: Cell<u32>,
        0x28 CompareRoutine: Cell<NativeFn>,
        0x30 AllocateRoutine: Cell<NativeFn>,
        0x38 FreeRoutine: Cell<NativeFn>,
        0x40 TableContext: Cell<*mut c_void>,
    }

    /// A node of a splay tree.
    struct RTL_SPLAY_LINKS(0x18) {
        0x0 Parent: Cell<*mut RTL_SPLAY_LINKS>,
        0x8 LeftChild: Cell<*mut RTL_SPLAY_LINKS>,
        0x10 RightChild: Cell<*mut RTL_SPLAY_LINKS>,
    }

    /// A bitmap; its size in bits.
    struct RTL_BITMAP(0x10) {
        0x0 SizeOfBitMap: Cell<u32>,
        0x4 _pad4: [Cell<u8>; 4],
        0x8 Buffer: Cell<*mut u32>,
    }
}
