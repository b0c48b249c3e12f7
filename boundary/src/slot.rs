//! The address-space slot of a machine.
//!
//! ```text
//! slot (64 GiB at a fixed address)
//!   +0      user part: user buffers, mapped views of processes        8 GiB
//!   +8 GiB  system page, threads (blocks and stacks), pool, cache, images   24 GiB
//!   +32 GiB alias of everything below, always writable by the engine 32 GiB
//! ```
//!
//! One sparse memfd backs the lower half, so every page that an MDL or a section may name has a page frame
//! number (its index in the memfd) and an alias that no driver sees. Slots are taken in order of index,
//! so the same run places everything at the same addresses; a slot is free again when it is dropped.
//!
//! UNSAFETY: maps and unmaps fixed ranges. They lie in an area that no allocator uses; `MAP_FIXED_NOREPLACE`
//! proves it when the slot is reserved, and nothing else maps there afterwards.

use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;

use rustix::fs::{FallocateFlags, MemfdFlags};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

/// Bytes of a page.
pub const PAGE_SIZE: usize = 4096;
const GIB: usize = 1 << 30;
/// Bytes of a slot.
pub const SLOT_SIZE: usize = 64 * GIB;
const SLOTS_BASE: usize = 1 << 40;
const SLOTS: usize = 1264;

/// Bytes of the user part.
pub const USER_SIZE: usize = 8 * GIB;
/// Offset of the page that stands for the shared user data.
pub const SYSTEM_OFFSET: usize = USER_SIZE;
/// Offset of the area of thread blocks and stacks.
pub const THREADS_OFFSET: usize = USER_SIZE + (1 << 20);
/// Bytes of that area.
pub const THREADS_SIZE: usize = 4 * GIB - (1 << 20);
/// Offset of the pool.
pub const POOL_OFFSET: usize = 12 * GIB;
/// Bytes of the pool.
pub const POOL_SIZE: usize = 8 * GIB;
/// Offset of the cache's pages.
pub const CACHE_OFFSET: usize = 20 * GIB;
/// Bytes of the cache's pages: addresses, not memory.
pub const CACHE_SIZE: usize = 8 * GIB;
/// Offset of driver images.
pub const IMAGES_OFFSET: usize = 28 * GIB;
/// Bytes of the image area.
pub const IMAGES_SIZE: usize = 2 * GIB;
/// Offset of system views.
pub const VIEWS_OFFSET: usize = 30 * GIB;
/// Bytes of the area of system views.
pub const VIEWS_SIZE: usize = 2 * GIB;
/// Distance from an address to its alias.
pub const ALIAS_OFFSET: usize = 32 * GIB;

/// What may be done with a range of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Any access faults.
    None,
    /// Reading only.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Reading and executing.
    ReadExecute,
    /// Everything: pool of the old executable kind.
    ReadWriteExecute,
}

impl Protection {
    fn protection_flags(self) -> ProtFlags {
        ProtFlags::from_bits_retain(self.flags().bits())
    }

    fn flags(self) -> MprotectFlags {
        match self {
            Self::None => MprotectFlags::empty(),
            Self::Read => MprotectFlags::READ,
            Self::ReadWrite => MprotectFlags::READ | MprotectFlags::WRITE,
            Self::ReadExecute => MprotectFlags::READ | MprotectFlags::EXEC,
            Self::ReadWriteExecute => MprotectFlags::READ | MprotectFlags::WRITE | MprotectFlags::EXEC,
        }
    }
}

static TAKEN: Mutex<[u64; SLOTS.div_ceil(64)]> = Mutex::new([0; SLOTS.div_ceil(64)]);

/// A reserved slot. Dropping it unmaps everything and gives the addresses back.
pub struct Slot {
    index: usize,
    base: usize,
    memory: OwnedFd,
}

impl Slot {
    /// Reserves the lowest free slot and maps it: user part and pool writable, the rest inaccessible.
    ///
    /// Errors: all slots in use; the kernel refuses a mapping (address space or memory limits).
    pub fn reserve() -> io::Result<Self> {
        let index = take_index()?;
        match Self::map(index) {
            Ok(slot) => Ok(slot),
            Err(error) => {
                give_back(index);
                Err(error)
            }
        }
    }

    fn map(index: usize) -> io::Result<Self> {
        let base = SLOTS_BASE + index * SLOT_SIZE;
        let memory = rustix::fs::memfd_create("altimeter-machine", MemfdFlags::CLOEXEC)?;
        rustix::fs::ftruncate(&memory, ALIAS_OFFSET as u64)?;
        let map =
            |offset: usize, file_offset: usize, bytes: usize, protection: ProtFlags| -> io::Result<()> {
                let flags = MapFlags::SHARED | MapFlags::NORESERVE | MapFlags::FIXED_NOREPLACE;
                let wanted = base + offset;
                // SAFETY: FIXED_NOREPLACE maps nothing over an existing mapping.
                let got = unsafe {
                    rustix::mm::mmap(
                        wanted as *mut c_void,
                        bytes,
                        protection,
                        flags,
                        &memory,
                        file_offset as u64,
                    )?
                };
                if got as usize == wanted {
                    Ok(())
                } else {
                    Err(io::Error::other("the slot's addresses are in use"))
                }
            };
        let read_write = ProtFlags::READ | ProtFlags::WRITE;
        let result = map(0, 0, USER_SIZE, read_write)
            .and_then(|()| map(USER_SIZE, USER_SIZE, POOL_OFFSET - USER_SIZE, ProtFlags::empty()))
            .and_then(|()| map(POOL_OFFSET, POOL_OFFSET, POOL_SIZE + CACHE_SIZE, read_write))
            .and_then(|()| {
                map(IMAGES_OFFSET, IMAGES_OFFSET, ALIAS_OFFSET - IMAGES_OFFSET, ProtFlags::empty())
            })
            .and_then(|()| map(ALIAS_OFFSET, 0, ALIAS_OFFSET, read_write));
        let slot = Self { index, base, memory };
        match result {
            Ok(()) => {
                slot.protect(slot.base + SYSTEM_OFFSET, PAGE_SIZE, Protection::Read)?;
                Ok(slot)
            }
            Err(error) => {
                slot.unmap();
                std::mem::forget(slot);
                Err(error)
            }
        }
    }

    fn unmap(&self) {
        // SAFETY: the whole slot belongs to this value; whoever drops it promises that no thread is in it.
        let _ = unsafe { rustix::mm::munmap(self.base as *mut c_void, SLOT_SIZE) };
    }

    /// Which slot this is.
    pub fn index(&self) -> usize {
        self.index
    }

    /// First address of the slot and of its user part.
    pub fn base(&self) -> usize {
        self.base
    }

    /// `MmUserProbeAddress`: user addresses lie below.
    pub fn user_probe_address(&self) -> usize {
        self.base + USER_SIZE - 0x10000
    }

    /// `MmSystemRangeStart`.
    pub fn system_range_start(&self) -> usize {
        self.base + USER_SIZE
    }

    /// Where the shared user data of this machine lies, as drivers see it (read only).
    pub fn shared_user_data(&self) -> usize {
        self.base + SYSTEM_OFFSET
    }

    /// First address of driver images.
    pub fn images(&self) -> usize {
        self.base + IMAGES_OFFSET
    }

    /// Whether `address` lies in the user part.
    pub fn is_user(&self, address: usize) -> bool {
        (self.base..self.user_probe_address()).contains(&address)
    }

    /// The engine's always writable alias of an address of the lower half.
    pub fn alias(&self, address: usize) -> usize {
        debug_assert!((self.base..self.base + ALIAS_OFFSET).contains(&address));
        address + ALIAS_OFFSET
    }

    /// Page frame number of an address of the lower half, if it is one.
    pub fn frame_of(&self, address: usize) -> Option<u64> {
        (self.base..self.base + ALIAS_OFFSET)
            .contains(&address)
            .then(|| ((address - self.base) / PAGE_SIZE) as u64)
    }

    /// Alias address of a page frame.
    pub fn frame_alias(&self, frame: u64) -> usize {
        self.base + ALIAS_OFFSET + frame as usize * PAGE_SIZE
    }

    /// Changes what may be done with whole pages of the lower half.
    pub fn protect(&self, address: usize, bytes: usize, protection: Protection) -> io::Result<()> {
        assert!(address >= self.base && address + bytes <= self.base + ALIAS_OFFSET, "outside the slot");
        // SAFETY: the range is in this slot's own mapping; taking access away can only fault who uses it.
        unsafe { rustix::mm::mprotect(address as *mut c_void, bytes, protection.flags())? };
        Ok(())
    }

    /// Gives the memory of whole pages back; they read as zero afterwards.
    pub fn discard(&self, address: usize, bytes: usize) -> io::Result<()> {
        let offset = (address - self.base) as u64;
        rustix::fs::fallocate(
            &self.memory,
            FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
            offset,
            bytes as u64,
        )?;
        Ok(())
    }

    /// Maps the pages of `source` a second time, at `address`: both are whole pages of the lower half.
    pub fn map_again(
        &self,
        address: usize,
        bytes: usize,
        source: usize,
        protection: Protection,
    ) -> io::Result<()> {
        let inside = |at: usize| at >= self.base && at + bytes <= self.base + ALIAS_OFFSET;
        assert!(inside(address) && inside(source), "outside the slot");
        let flags = MapFlags::SHARED | MapFlags::NORESERVE | MapFlags::FIXED | MapFlags::POPULATE;
        // SAFETY: replaces a range of this slot's own mapping, which its owner gave for this.
        let got = unsafe {
            let offset = (source - self.base) as u64;
            rustix::mm::mmap(
                address as *mut c_void,
                bytes,
                protection.protection_flags(),
                flags,
                &self.memory,
                offset,
            )?
        };
        debug_assert_eq!(got as usize, address, "a fixed mapping is where it was asked for");
        Ok(())
    }

    /// Ends what [`Slot::map_again`] began: the pages are their own again, and inaccessible.
    pub fn unmap_again(&self, address: usize, bytes: usize) -> io::Result<()> {
        assert!(address >= self.base && address + bytes <= self.base + ALIAS_OFFSET, "outside the slot");
        let flags = MapFlags::SHARED | MapFlags::NORESERVE | MapFlags::FIXED;
        // SAFETY: as above.
        unsafe {
            let offset = (address - self.base) as u64;
            rustix::mm::mmap(address as *mut c_void, bytes, ProtFlags::empty(), flags, &self.memory, offset)?;
        }
        Ok(())
    }

    /// The memfd behind the lower half, for second views of its pages.
    pub fn memory(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.unmap();
        give_back(self.index);
    }
}

fn take_index() -> io::Result<usize> {
    let mut taken = TAKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for index in 0..SLOTS {
        if taken[index / 64] & (1 << (index % 64)) == 0 {
            taken[index / 64] |= 1 << (index % 64);
            return Ok(index);
        }
    }
    Err(io::Error::other("every address-space slot is in use by another machine of this process"))
}

fn give_back(index: usize) {
    let mut taken = TAKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    taken[index / 64] &= !(1 << (index % 64));
}
