//! The fast I/O routines that file systems put into their tables: copies without an IRP.
//!
//! Each declines (`None`) whatever needs more than a copy: no map, write-through, dirty pages above the bound, an
//! extension beyond what is allocated, byte-range locks. The I/O manager then sends an IRP.
//!
//! Statements: CC-20, CC-21, PAGE-06, PAGE-07.
//!
//! UNSAFETY: follows the resource pointer of a stream header.

use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::{
    DEVICE_OBJECT, ERESOURCE, FILE_OBJECT, FSRTL_COMMON_FCB_HEADER, FSRTL_FAST_IO_TOP_LEVEL_IRP,
    FastIoIsNotPossible, FastIoIsPossible, NtStatus, fo_flags,
};
use nt_ex::resource;
use nt_io::{FastTransfer, IoStatus, WRITE_TO_END_OF_FILE};

use crate::copy::{cc_copy_read, cc_copy_write};
use crate::lazy::cc_can_i_write;
use crate::map::{CcFileSizes, header};
use crate::purge::cc_set_file_sizes;

/// Holds a stream's main resource and normal kernel APCs off, until dropped.
struct Entered(Option<&'static ERESOURCE>);

impl Entered {
    /// `None`: it is held by others and `wait` is off.
    #[inline]
    fn new(header: &FSRTL_COMMON_FCB_HEADER, exclusive: bool, wait: bool) -> Result<Option<Self>, Raise> {
        // SAFETY: the header names a resource that lives as long as it does, or none (CC-22).
        let main: Option<&'static ERESOURCE> = unsafe { header.Resource.get().as_ref() };
        nt_fsrtl::enter_file_system();
        let entered = Self(main);
        let Some(main) = main else { return Ok(Some(entered)) };
        let got = if exclusive {
            resource::acquire_exclusive(main, wait)
        } else {
            resource::acquire_shared(main, wait)
        };
        match got {
            Ok(true) => Ok(Some(entered)),
            Ok(false) => {
                std::mem::forget(entered);
                nt_fsrtl::exit_file_system();
                Ok(None)
            }
            Err(raise) => {
                std::mem::forget(entered);
                nt_fsrtl::exit_file_system();
                Err(raise)
            }
        }
    }
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        if let Some(main) = self.0 {
            // Only a resource that was deleted under its owner fails, and that has bug checked.
            let _ = resource::release(main);
        }
        nt_fsrtl::exit_file_system();
    }
}

/// Says to the file system that what follows comes from fast I/O, unless something else is at the top.
struct TopLevel(bool);

impl TopLevel {
    #[inline]
    fn enter() -> Self {
        let free = nt_io::io_get_top_level_irp() == 0;
        if free {
            nt_io::io_set_top_level_irp(FSRTL_FAST_IO_TOP_LEVEL_IRP);
        }
        Self(free)
    }
}

impl Drop for TopLevel {
    #[inline]
    fn drop(&mut self) {
        if self.0 {
            nt_io::io_set_top_level_irp(0);
        }
    }
}

/// A status that the caller's IRP will meet again declines; the others leave. Source: CC-20.
fn decline<T>(result: Result<T, Raise>) -> Result<Option<T>, Raise> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Raise::Status(_)) => Ok(None),
        Err(stop) => Err(stop),
    }
}

/// Whether the file is cached and its file system does not rule fast I/O out.
#[inline]
fn usable(file: &FILE_OBJECT, header: &FSRTL_COMMON_FCB_HEADER) -> bool {
    !file.PrivateCacheMap.get().is_null() && header.IsFastIoPossible.get() != FastIoIsNotPossible
}

/// Whether the transfer may be fast: who is unsure asks the drivers from the top of the stack. Source: CC-20, PARM-18.
#[inline]
fn allowed(
    file: &'static FILE_OBJECT,
    header: &FSRTL_COMMON_FCB_HEADER,
    wait: bool,
    transfer: impl FnOnce() -> FastTransfer,
) -> Result<bool, Raise> {
    let possible = header.IsFastIoPossible.get();
    if possible == FastIoIsPossible {
        return Ok(true);
    }
    Ok(possible != FastIoIsNotPossible && ask(file, &transfer(), wait)?)
}

#[cold]
fn ask(file: &'static FILE_OBJECT, transfer: &FastTransfer, wait: bool) -> Result<bool, Raise> {
    nt_io::io_fast_check(nt_io::io_get_related_device(file), file, transfer, wait)
}

/// Reads cached data without an IRP.
///
/// Source:  FsRtlCopyRead; CC-20, CC-21
/// IRQL:    PASSIVE_LEVEL
/// Locks:   takes the stream's main resource, shared
/// Returns: `None`: send an IRP. Otherwise the result, END_OF_FILE included; the position has moved
#[allow(clippy::too_many_arguments, reason = "NT's argument list")]
pub fn fsrtl_copy_read(
    file: &'static FILE_OBJECT,
    offset: i64,
    length: u32,
    wait: bool,
    key: u32,
    buffer: usize,
    _device: &'static DEVICE_OBJECT,
) -> Result<Option<IoStatus>, Raise> {
    if length == 0 {
        return Ok(Some(IoStatus::of(NtStatus::SUCCESS)));
    }
    let Some(header) = header(file) else { return Ok(None) };
    if offset < 0 || !usable(file, header) {
        return Ok(None);
    }
    let Some(_entered) = Entered::new(header, false, wait)? else { return Ok(None) };
    let transfer = || FastTransfer { writing: false, offset, length, key, buffer };
    if !usable(file, header) || !allowed(file, header, wait, transfer)? {
        return Ok(None);
    }
    let left = header.FileSize.get() - offset;
    if left <= 0 {
        return Ok(Some(IoStatus::of(NtStatus::END_OF_FILE)));
    }
    let length = i64::from(length).min(left) as u32;
    let _top = TopLevel::enter();
    let Some(Some(result)) = decline(cc_copy_read(file, offset, length, wait, buffer))? else {
        return Ok(None);
    };
    if file.Flags.load(Ordering::Relaxed) & fo_flags::FO_FILE_FAST_IO_READ == 0 {
        file.Flags.fetch_or(fo_flags::FO_FILE_FAST_IO_READ, Ordering::Relaxed);
    }
    file.CurrentByteOffset.set(offset + result.information as i64);
    Ok(Some(result))
}

/// Writes into the cache without an IRP; inside what is allocated it may move the end of file.
///
/// Source:  FsRtlCopyWrite; CC-20, PAGE-06
/// IRQL:    PASSIVE_LEVEL
/// Locks:   takes the stream's main resource, shared inside valid data, else exclusive
/// Returns: `None`: send an IRP. Otherwise the result; the position has moved
#[allow(clippy::too_many_arguments, reason = "NT's argument list")]
pub fn fsrtl_copy_write(
    file: &'static FILE_OBJECT,
    offset: i64,
    length: u32,
    wait: bool,
    key: u32,
    buffer: usize,
    _device: &'static DEVICE_OBJECT,
) -> Result<Option<IoStatus>, Raise> {
    if length == 0 {
        return Ok(Some(IoStatus::of(NtStatus::SUCCESS)));
    }
    let Some(header) = header(file) else { return Ok(None) };
    let flags = file.Flags.load(Ordering::Relaxed);
    if !usable(file, header)
        || flags & fo_flags::FO_WRITE_THROUGH != 0
        || !cc_can_i_write(file, length, false, false)?
    {
        return Ok(None);
    }
    let append = offset == WRITE_TO_END_OF_FILE;
    let end = offset.saturating_add(i64::from(length));
    let inside = !append && end <= header.ValidDataLength.get();
    let Some(_entered) = Entered::new(header, !inside, wait)? else { return Ok(None) };
    let start = if append { header.FileSize.get() } else { offset };
    let end = start.saturating_add(i64::from(length));
    let (valid, size) = (header.ValidDataLength.get(), header.FileSize.get());
    if !usable(file, header)
        || start < 0
        || start > valid
        || end > header.AllocationSize.get()
        || (inside && end > valid)
    {
        return Ok(None);
    }
    let transfer = || FastTransfer { writing: true, offset: start, length, key, buffer };
    if !allowed(file, header, wait, transfer)? {
        return Ok(None);
    }
    let sizes =
        |file_size, valid| CcFileSizes { allocation: header.AllocationSize.get(), file: file_size, valid };
    if end > size {
        header.FileSize.set(end);
        cc_set_file_sizes(file, sizes(end, valid))?;
    }
    let top = TopLevel::enter();
    let copied = decline(cc_copy_write(file, start, length, wait, buffer));
    drop(top);
    if !matches!(copied, Ok(Some(true))) {
        if end > size {
            header.FileSize.set(size);
            cc_set_file_sizes(file, sizes(size, valid))?;
        }
        return copied.map(|_| None);
    }
    let mut set = 0;
    if flags & fo_flags::FO_FILE_MODIFIED == 0 {
        set |= fo_flags::FO_FILE_MODIFIED;
    }
    if end > valid {
        header.ValidDataLength.set(end);
    }
    if end > size {
        set |= fo_flags::FO_FILE_SIZE_CHANGED;
    }
    if set != 0 {
        file.Flags.fetch_or(set, Ordering::Relaxed);
    }
    file.CurrentByteOffset.set(end);
    Ok(Some(IoStatus { status: NtStatus::SUCCESS, information: length as usize }))
}
