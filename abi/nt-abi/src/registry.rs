//! Records that the registry's queries return.

use crate::NativeFn;
use core::cell::Cell;
use core::ffi::c_void;

crate::declare::layout! {
    /// `KeyBasicInformation`.
    struct KEY_BASIC_INFORMATION(0x18) {
        0x0 LastWriteTime: Cell<i64>,
        0x8 TitleIndex: Cell<u32>,
        0xc NameLength: Cell<u32>,
        0x10 Name: [Cell<u16>; 1],
        0x12 _pad12: [Cell<u8>; 6],
    }

    /// `KeyValueBasicInformation`.
    struct KEY_VALUE_BASIC_INFORMATION(0x10) {
        0x0 TitleIndex: Cell<u32>,
        0x4 Type: Cell<u32>,
        0x8 NameLength: Cell<u32>,
        0xc Name: [Cell<u16>; 1],
        0xe _pade: [Cell<u8>; 2],
    }

    /// `KeyFullInformation`.
    struct KEY_FULL_INFORMATION(0x30) {
        0x0 LastWriteTime: Cell<i64>,
        0x8 TitleIndex: Cell<u32>,
        0xc ClassOffset: Cell<u32>,
        0x10 ClassLength: Cell<u32>,
        0x14 SubKeys: Cell<u32>,
        0x18 MaxNameLen: Cell<u32>,
        0x1c MaxClassLen: Cell<u32>,
        0x20 Values: Cell<u32>,
        0x24 MaxValueNameLen: Cell<u32>,
        0x28 MaxValueDataLen: Cell<u32>,
        0x2c Class: [Cell<u16>; 1],
        0x2e _pad2e: [Cell<u8>; 2],
    }

    /// One row of what `RtlQueryRegistryValues` is to read.
    struct RTL_QUERY_REGISTRY_TABLE(0x38) {
        0x0 QueryRoutine: Cell<NativeFn>,
        0x8 Flags: Cell<u32>,
        0xc _padc: [Cell<u8>; 4],
        0x10 Name: Cell<*mut u16>,
        0x18 EntryContext: Cell<*mut c_void>,
        0x20 DefaultType: Cell<u32>,
        0x24 _pad24: [Cell<u8>; 4],
        0x28 DefaultData: Cell<*mut c_void>,
        0x30 DefaultLength: Cell<u32>,
        0x34 _pad34: [Cell<u8>; 4],
    }

    /// `KeyValuePartialInformation`.
    struct KEY_VALUE_PARTIAL_INFORMATION(0x10) {
        0x0 TitleIndex: Cell<u32>,
        0x4 Type: Cell<u32>,
        0x8 DataLength: Cell<u32>,
        0xc Data: [Cell<u8>; 1],
        0xd _padd: [Cell<u8>; 3],
    }

    /// `KeyValueFullInformation`.
    struct KEY_VALUE_FULL_INFORMATION(0x18) {
        0x0 TitleIndex: Cell<u32>,
        0x4 Type: Cell<u32>,
        0x8 DataOffset: Cell<u32>,
        0xc DataLength: Cell<u32>,
        0x10 NameLength: Cell<u32>,
        0x14 Name: [Cell<u16>; 1],
        0x16 _pad16: [Cell<u8>; 2],
    }
}
