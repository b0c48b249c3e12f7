//! The memory descriptor list; its page numbers follow the structure in memory.

use core::cell::Cell;
use core::ffi::c_void;

crate::declare::layout! {
    /// The head of a memory descriptor list.
    struct MDL(0x30) {
        0x0 Next: Cell<*mut MDL>,
        0x8 Size: Cell<u16>,
        0xa MdlFlags: Cell<u16>,
        0xc _padc: [Cell<u8>; 4],
        0x10 Process: Cell<*mut c_void>,
        0x18 MappedSystemVa: Cell<*mut c_void>,
        0x20 StartVa: Cell<*mut c_void>,
        0x28 ByteCount: Cell<u32>,
        0x2c ByteOffset: Cell<u32>,
    }
}
