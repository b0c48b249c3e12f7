//! What one block looks like in memory.
//!
//! UNSAFETY: raw accesses to pool pages, which are mapped readable and writable for the machine's life; each
//! range lies in a slot or page range that the caller has just taken or still owns.

use boundary::slot::PAGE_SIZE;

use super::PoolKind;

/// Bytes in front of a block.
pub(super) const HEADER: usize = 32;
/// Least bytes of the guard behind a block.
pub(super) const GUARD: usize = 8;
/// What fresh memory holds in strict mode.
pub(super) const FRESH: u8 = 0xCD;
/// What freed memory holds.
pub(super) const FREED: u8 = 0xDD;
const GUARD_VALUE: u64 = 0xA17E_ED6E_FAB0_1C0D;
const MAGIC: u32 = u32::from_le_bytes(*b"POOL");

/// Slot sizes. Each page of a slab has as many slots as fit; none crosses a page.
pub(super) const CLASSES: [usize; 17] =
    [64, 80, 96, 128, 160, 192, 256, 320, 384, 448, 576, 672, 816, 1024, 1360, 2048, 4096];

/// What the tables know of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockInfo {
    pub kind: PoolKind,
    pub tag: u32,
    pub bytes: usize,
    pub caller: usize,
}

/// The class for a block of `bytes` bytes; `None` for those with pages of their own.
pub(super) fn class_of(bytes: usize) -> Option<usize> {
    let needed = bytes.checked_add(HEADER + GUARD)?;
    if bytes >= PAGE_SIZE {
        return None;
    }
    CLASSES.iter().position(|slot| *slot >= needed)
}

#[repr(C)]
#[derive(Clone, Copy, PartialEq)]
struct Header {
    magic: u32,
    tag: u32,
    bytes: u64,
    caller: u64,
    kind: u64,
}

impl Header {
    fn of(info: &BlockInfo) -> Self {
        Self {
            magic: MAGIC,
            tag: info.tag,
            bytes: info.bytes as u64,
            caller: info.caller as u64,
            kind: info.kind.index() as u64,
        }
    }
}

/// Writes header and guard around the data of a fresh block.
pub(super) fn write_guards(data: usize, info: &BlockInfo) {
    // SAFETY: the 32 bytes before the data belong to the block and are 16-byte aligned.
    unsafe { ((data - HEADER) as *mut Header).write(Header::of(info)) };
    if has_guard(info.bytes) {
        // SAFETY: at least eight bytes behind the data belong to the block.
        unsafe { ((data + info.bytes) as *mut u64).write_unaligned(GUARD_VALUE) };
    }
}

/// Whether bytes are left for a guard: not behind a block that fills its last page.
fn has_guard(bytes: usize) -> bool {
    class_of(bytes).is_some() || (1..=PAGE_SIZE - GUARD).contains(&(bytes % PAGE_SIZE))
}

/// Which end of a block was written over, if one was.
pub(super) fn damage(data: usize, info: &BlockInfo) -> Option<&'static str> {
    // SAFETY: as in `write_guards`.
    let header = unsafe { ((data - HEADER) as *const Header).read() };
    if header != Header::of(info) {
        return Some("before its start");
    }
    if has_guard(info.bytes) {
        // SAFETY: as in `write_guards`.
        let guard = unsafe { ((data + info.bytes) as *const u64).read_unaligned() };
        if guard != GUARD_VALUE {
            return Some("past its end");
        }
    }
    None
}

/// Sets the bytes of a block.
pub(super) fn fill(data: usize, byte: u8, bytes: usize) {
    // SAFETY: the block's own bytes.
    unsafe { (data as *mut u8).write_bytes(byte, bytes) };
}

/// Makes the header of a freed block tell what it was.
pub(super) fn clear_guards(data: usize) {
    // SAFETY: as in `write_guards`.
    unsafe { ((data - HEADER) as *mut u32).write(u32::from_le_bytes(*b"FREE")) };
}
