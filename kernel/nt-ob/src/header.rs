//! The header in front of each object's body.
//!
//! Owns: its layout, and finding it from an address that may be anything.
//!
//! UNSAFETY: turns the address of a body into a reference to the header in front of it, after the magic was
//! read by a copy that survives a bad address.

use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering};

use nt_ke::thread::OBJECT_HEADER_ROOM;

use crate::types::ObjectType;

/// `magic` of an object that may be used.
pub(crate) const LIVE: u32 = 0x6a62_4f21;
/// `magic` of an object whose delete procedure runs.
pub(crate) const DELETING: u32 = 0x6a62_4f3f;
/// `magic` of what was an object.
pub(crate) const DEAD: u32 = 0x6a62_4f78;

/// The memory is not ours: the delete procedure gives it back.
pub(crate) const FLAG_ADOPTED: u32 = 1;
/// The name stays when the last handle is closed.
pub(crate) const FLAG_PERMANENT: u32 = 2;
/// The object has a name in the namespace.
pub(crate) const FLAG_NAMED: u32 = 4;

#[repr(C, align(16))]
pub(crate) struct Header {
    pub(crate) pointers: AtomicI64,
    pub(crate) handles: AtomicI64,
    pub(crate) kind: Cell<usize>,
    /// Handle table, if the object is a process.
    pub(crate) table: AtomicUsize,
    pub(crate) flags: AtomicU32,
    pub(crate) magic: AtomicU32,
    _pad: Cell<u64>,
}

/// Bytes in front of the body.
pub(crate) const HEADER_BYTES: usize = size_of::<Header>();
const _: () = assert!(HEADER_BYTES <= OBJECT_HEADER_ROOM && HEADER_BYTES.is_multiple_of(16));
const MAGIC_BEFORE_BODY: usize = HEADER_BYTES - std::mem::offset_of!(Header, magic);

impl Header {
    /// The header of the object at `body`, which the caller knows to be one.
    pub(crate) fn of(body: usize) -> &'static Self {
        // SAFETY: the caller's address is that of an object, in front of which there is a header; objects
        // outlive their references, which is what each caller holds.
        unsafe { &*((body - HEADER_BYTES) as *const Self) }
    }

    /// The header of the object at `body`, if there is one. `Err` has what stands where its magic should.
    pub(crate) fn find(body: usize) -> Result<&'static Self, u32> {
        if body < 0x10000 || !body.is_multiple_of(8) {
            return Err(0);
        }
        match boundary::copy::read_value::<u32>(body - MAGIC_BEFORE_BODY) {
            Ok(LIVE | DELETING) => Ok(Self::of(body)),
            Ok(other) => Err(other),
            Err(_) => Err(0),
        }
    }

    /// Writes the header of a new object: one reference, no handle.
    pub(crate) fn initialize(&self, kind: &ObjectType, flags: u32) {
        self.pointers.store(1, Ordering::Relaxed);
        self.handles.store(0, Ordering::Relaxed);
        self.kind.set(std::ptr::from_ref(kind) as usize);
        self.table.store(0, Ordering::Relaxed);
        self.flags.store(flags, Ordering::Relaxed);
        self.magic.store(LIVE, Ordering::Release);
    }

    /// The object's type.
    pub(crate) fn kind(&self) -> &'static ObjectType {
        // SAFETY: set by `initialize`; types live as long as the machine.
        unsafe { &*(self.kind.get() as *const ObjectType) }
    }

    pub(crate) fn has(&self, flag: u32) -> bool {
        self.flags.load(Ordering::Acquire) & flag != 0
    }

    pub(crate) fn set(&self, flag: u32) {
        self.flags.fetch_or(flag, Ordering::AcqRel);
    }

    pub(crate) fn clear(&self, flag: u32) -> bool {
        self.flags.fetch_and(!flag, Ordering::AcqRel) & flag != 0
    }
}
