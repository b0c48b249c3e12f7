//! What reads and writes have in common: which way they go, what they hold, and the way to the store.
//!
//! ```text
//! IRP_PAGING_IO ──────────────────────────► paging resource shared ─► store
//! IRP_NOCACHE, unbuffered handle, volume ─► main resource, cache made coherent ─► store
//! everything else ────────────────────────► main resource ─► cache ─(paging I/O, later)─► store
//! ```
//!
//! The store's size is the header's `FileSize` at all times; what lies behind `ValidDataLength` was never written and
//! reads as zeros that this driver makes. Statements: PAGE-01 to PAGE-17, PAGE-21, PAGE-22, CC-22.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

use nt_abi::{FILE_OBJECT, IRP, NtStatus, fo_flags, irp_flags};
use nt_cc::CcFileSizes;
use nt_ex::resource::ResourceGuard;

use crate::Failure;
use crate::fcb::{Fcb, Volume};

/// Largest piece that is moved at once.
const PIECE: usize = 256 << 10;

/// Which way a transfer goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From or to pages of the cache.
    Paging,
    /// Straight to the store.
    Noncached,
    /// Through the cache.
    Cached,
}

/// The way of `irp`.
pub(crate) fn way(irp: &IRP, file: &FILE_OBJECT) -> Way {
    let flags = irp.Flags.get();
    if flags & irp_flags::IRP_PAGING_IO != 0 {
        Way::Paging
    } else if flags & irp_flags::IRP_NOCACHE != 0
        || file.Flags.load(Ordering::Relaxed) & fo_flags::FO_NO_INTERMEDIATE_BUFFERING != 0
    {
        Way::Noncached
    } else {
        Way::Cached
    }
}

/// Moves the position of a synchronous file object; paging I/O leaves it alone. Statement: FS-22, PAGE-14.
pub(crate) fn note_position(file: &FILE_OBJECT, position: i64) {
    if file.Flags.load(Ordering::Relaxed) & fo_flags::FO_SYNCHRONOUS_IO != 0 {
        file.CurrentByteOffset.set(position);
    }
}

impl Fcb {
    /// Whether pages of the stream may be in memory.
    pub(crate) fn has_data_section(&self) -> bool {
        let section = &self.section_pointers;
        !section.SharedCacheMap.get().is_null() || !section.DataSectionObject.get().is_null()
    }

    /// The sizes as the cache manager wants them.
    pub(crate) fn sizes(&self) -> CcFileSizes {
        CcFileSizes {
            allocation: self.header.AllocationSize.get(),
            file: self.header.FileSize.get(),
            valid: self.header.ValidDataLength.get(),
        }
    }

    /// Begins cached I/O on a file object, once.
    pub(crate) fn cache(&'static self, file: &'static FILE_OBJECT) -> Result<(), Failure> {
        if file.PrivateCacheMap.get().is_null() {
            let context = std::ptr::from_ref(self) as usize;
            nt_cc::cc_initialize_cache_map(file, self.sizes(), false, crate::fast::CALLBACKS, context)?;
        }
        Ok(())
    }

    /// Makes zeros of what lies between the end of valid data and `start`, so that `start` can be written.
    ///
    /// Source: PAGE-09. Locks: the main resource, exclusive.
    pub(crate) fn zero_up_to(&self, file: &'static FILE_OBJECT, start: i64) -> Result<(), Failure> {
        let valid = self.header.ValidDataLength.get();
        if start > valid {
            // Pages in memory keep what mapped views stored behind the end of valid data.
            if !nt_cc::cc_extend_valid_data(&self.section_pointers, valid, start)? {
                nt_cc::cc_zero_data(file, valid, start, true)?;
            }
            self.advance_valid_data(start);
        }
        Ok(())
    }

    /// Moves the end of file up to `size`, with space for it. What was is restored when that fails.
    ///
    /// Source: PAGE-06, PAGE-07, PAGE-10. Locks: the main resource, exclusive.
    pub(crate) fn extend(&self, volume: &Volume, size: i64) -> Result<(), Failure> {
        let (id, stream) = (self.id(), self.stream());
        if size > self.reserved.get() {
            // In steps, so that a file that grows write by write does not ask each time; a volume that has no
            // room for a step may have some for what is needed.
            let first = self.header.FileSize.get() == 0;
            let step = if first { 4095 } else { (size / 8).clamp(64 << 10, 4 << 20) };
            let wanted = (size + step) / 4096 * 4096;
            if volume.store.set_allocation(id, stream, wanted as u64).is_ok() {
                self.reserved.set(wanted);
            } else {
                volume.store.set_allocation(id, stream, size as u64)?;
                self.reserved.set(size);
            }
        }
        volume.store.set_size(id, stream, size as u64)?;
        self.header.FileSize.set(size);
        let allocation = (size + 4095) / 4096 * 4096;
        self.header.AllocationSize.set(self.header.AllocationSize.get().max(allocation));
        nt_cc::cc_set_section_sizes(&self.section_pointers, self.sizes())?;
        Ok(())
    }

    /// Moves the end of file down to `size`: valid data, cache and store follow.
    ///
    /// Source: PAGE-06, CC-16, FS-24. Locks: the main resource, exclusive; takes the paging resource.
    pub(crate) fn cut(&self, volume: &Volume, size: i64) -> Result<(), Failure> {
        let before = self.sizes();
        {
            // Paging writes under way end first; later ones are trimmed to the new size.
            let _paging = ResourceGuard::exclusive(&self.paging_resource)?;
            self.header.FileSize.set(size);
            self.header.ValidDataLength.set(before.valid.min(size));
        }
        // Without the paging resource: it waits for pages that are being written.
        nt_cc::cc_set_section_sizes(&self.section_pointers, self.sizes())?;
        if let Err(error) = volume.store.set_size(self.id(), self.stream(), size as u64) {
            self.header.FileSize.set(before.file);
            nt_cc::cc_set_section_sizes(&self.section_pointers, self.sizes())?;
            return Err(error.into());
        }
        self.reserved.set(0);
        let held = volume.store.allocation_size(self.id(), self.stream())? as i64;
        self.header.AllocationSize.set(held.max((size + 4095) / 4096 * 4096));
        Ok(())
    }

    /// Gives space back that was asked for ahead of the data.
    pub(crate) fn trim_reservation(&self, volume: &Volume) {
        if self.reserved.replace(0) - self.header.FileSize.get() >= 4096 {
            // A store that keeps the space only keeps it longer.
            let size = self.header.FileSize.get() as u64;
            let _ = volume.store.set_allocation(self.id(), self.stream(), size);
        }
    }
}

/// Reads `wanted` bytes to `to`, of which those up to `valid` are in the store, and clears the buffer from there up to
/// `end` (which is the next sector, where the buffer has to reach).
pub(crate) fn from_store(
    volume: &Volume,
    fcb: &Fcb,
    to: usize,
    offset: i64,
    (wanted, end): (usize, usize),
) -> Result<(), Failure> {
    let stored = (fcb.header.ValidDataLength.get() - offset).clamp(0, wanted as i64) as usize;
    let mut piece = vec![0u8; stored.min(PIECE)];
    let mut done = 0;
    while done < stored {
        let bytes = (stored - done).min(PIECE);
        let at = offset as u64 + done as u64;
        let got = volume.store.read(fcb.id(), fcb.stream(), at, &mut piece[..bytes])?;
        boundary::copy::write(to + done, &piece[..got])?;
        done += got;
        if got < bytes {
            break;
        }
    }
    boundary::copy::fill(to + done, 0, end - done)?;
    Ok(())
}

/// Writes `length` bytes of `from` at `offset`.
pub(crate) fn to_store(
    volume: &Volume,
    fcb: &Fcb,
    from: usize,
    offset: i64,
    length: usize,
) -> Result<(), Failure> {
    let mut done = straight(volume, fcb, from, offset, length)?;
    let mut piece = Vec::new();
    while done < length {
        let bytes = (length - done).min(PIECE);
        piece.clear();
        boundary::copy::append(&mut piece, from + done, bytes)?;
        volume.store.write(fcb.id(), fcb.stream(), offset as u64 + done as u64, &piece)?;
        done += bytes;
    }
    Ok(())
}

/// The same without a copy, where a file of the host holds the stream. Returns how much it took: an error is found
/// again, and reported, by the other way.
fn straight(volume: &Volume, fcb: &Fcb, from: usize, offset: i64, length: usize) -> Result<usize, Failure> {
    let Some(file) = volume.store.host_file(fcb.id(), fcb.stream())? else { return Ok(0) };
    let mut done = 0;
    while done < length {
        let at = offset as u64 + done as u64;
        match boundary::copy::write_to_file(file.as_fd(), from + done, length - done, at) {
            Ok(taken) if taken != 0 => done += taken,
            _ => break,
        }
    }
    Ok(done)
}

/// Bytes of a sector.
pub(crate) fn sector(volume: &Volume) -> i64 {
    i64::from(volume.sector)
}

/// Statement: PAGE-21.
pub(crate) fn require_sectors(volume: &Volume, offset: i64, length: usize) -> Result<(), Failure> {
    let sector = sector(volume);
    if offset % sector != 0 || length as i64 % sector != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    Ok(())
}
