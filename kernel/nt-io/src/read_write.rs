//! Reading, writing, flushing by handle.

use std::sync::atomic::Ordering;

use nt_abi::{
    FILE_APPEND_DATA, FILE_OBJECT, FILE_READ_DATA, FILE_WRITE_DATA, FO_NO_INTERMEDIATE_BUFFERING,
    FO_SYNCHRONOUS_IO, FO_WRITE_THROUGH, IRP_DEFER_IO_COMPLETION, IRP_MJ_FLUSH_BUFFERS, IRP_MJ_READ,
    IRP_MJ_WRITE, IRP_NOCACHE, IRP_READ_OPERATION, IRP_SYNCHRONOUS_API, IRP_WRITE_OPERATION, NtStatus,
    SL_KEY_SPECIFIED, SL_WRITE_THROUGH,
};
use nt_ke::Raise;

use crate::device::io_get_related_device;
use crate::fast::{FastTransfer, io_fast_transfer};
use crate::file::{FileLock, OpenFile, open_file};
use crate::issue::{Asynchronous, Direction, IoResult, IoStatus, Request, previous_mode};

/// `ByteOffset` of -1: the end of the file (writes).
pub const WRITE_TO_END_OF_FILE: i64 = -1;
/// `ByteOffset` of -2: the file object's position.
pub const USE_FILE_POINTER_POSITION: i64 = -2;

/// The offset that a request carries. `Err` is the status that refuses it (IO-54, IO-55).
fn offset_of(open: &OpenFile, offset: Option<i64>, writing: bool) -> Result<i64, NtStatus> {
    let file = open.file;
    let synchronous = file.Flags.load(Ordering::Relaxed) & FO_SYNCHRONOUS_IO != 0;
    if writing && open.granted & (FILE_APPEND_DATA | FILE_WRITE_DATA) == FILE_APPEND_DATA {
        return Ok(WRITE_TO_END_OF_FILE);
    }
    match offset {
        None | Some(USE_FILE_POINTER_POSITION) if synchronous => Ok(file.CurrentByteOffset.get()),
        Some(WRITE_TO_END_OF_FILE) if writing => Ok(WRITE_TO_END_OF_FILE),
        Some(offset) if offset >= 0 => Ok(offset),
        _ => Err(NtStatus::INVALID_PARAMETER),
    }
}

/// Noncached handles transfer whole sectors, from aligned memory.
fn is_aligned(file: &FILE_OBJECT, buffer: usize, length: u32, offset: i64) -> bool {
    if file.Flags.load(Ordering::Relaxed) & FO_NO_INTERMEDIATE_BUFFERING == 0 {
        return true;
    }
    let device = io_get_related_device(file);
    let sector = u32::from(device.SectorSize.get());
    let sectors = sector == 0
        || (length.is_multiple_of(sector)
            && (offset < 0 || (offset as u64).is_multiple_of(u64::from(sector))));
    sectors && buffer & device.AlignmentRequirement.get() as usize == 0
}

/// Stores position and bytes of a transfer that went without an IRP. After one to the end of the file the position
/// is what the file system left there.
fn finish_fast(file: &FILE_OBJECT, offset: i64, result: IoStatus, asynchronous: &Asynchronous) -> IoStatus {
    if result.status.is_success() && offset >= 0 {
        file.CurrentByteOffset.set(offset + result.information as i64);
    }
    asynchronous.finish(result);
    result
}

fn transfer(
    open: &OpenFile,
    asynchronous: &Asynchronous,
    buffer: usize,
    length: u32,
    offset: Option<i64>,
    key: Option<u32>,
    direction: Direction,
) -> IoResult {
    let file = open.file;
    let reading = direction == Direction::In;
    if previous_mode() != 0 && length != 0 {
        if reading {
            nt_mm::probe::probe_for_write(buffer, length as usize, 1)?;
        } else {
            nt_mm::probe::probe_for_read(buffer, length as usize, 1)?;
        }
    }
    let _lock = FileLock::acquire(file)?;
    let offset = match offset_of(open, offset, !reading) {
        Ok(offset) => offset,
        Err(status) => return Ok(IoStatus::of(status)),
    };
    if !is_aligned(file, buffer, length, offset) {
        return Ok(IoStatus::of(NtStatus::INVALID_PARAMETER));
    }
    let flags = file.Flags.load(Ordering::Relaxed);
    let device = io_get_related_device(file);
    // Fast I/O is for cached files on synchronous handles. A driver or filter that declines gets an IRP.
    if flags & FO_SYNCHRONOUS_IO != 0
        && !file.PrivateCacheMap.get().is_null()
        && asynchronous.event == 0
        && crate::subsystem().tries_fast_io()
    {
        let fast = FastTransfer { writing: !reading, offset, length, key: key.unwrap_or(0), buffer };
        match &io_fast_transfer(device, file, &fast, true) {
            Ok(Some(result)) => return Ok(finish_fast(file, offset, *result, asynchronous)),
            Ok(None) => {}
            Err(raise) => return Err(*raise),
        }
    }
    let request = match Request::new(file, if reading { IRP_MJ_READ } else { IRP_MJ_WRITE }) {
        Ok(request) => request,
        Err(status) => return Ok(IoStatus::of(status)),
    };
    if let Err(status) = request.data_buffer(buffer, length as usize, direction)? {
        request.abandon()?;
        return Ok(IoStatus::of(status));
    }
    let mut irp_flags =
        IRP_DEFER_IO_COMPLETION | if reading { IRP_READ_OPERATION } else { IRP_WRITE_OPERATION };
    if flags & FO_NO_INTERMEDIATE_BUFFERING != 0 {
        irp_flags |= IRP_NOCACHE;
    }
    request.irp.Flags.set(request.irp.Flags.get() | irp_flags);
    let stack = request.stack;
    let mut stack_flags = if key.is_some() { SL_KEY_SPECIFIED } else { 0 };
    if !reading && flags & FO_WRITE_THROUGH != 0 {
        stack_flags |= SL_WRITE_THROUGH;
    }
    stack.Flags.set(stack_flags);
    if reading {
        let read = stack.Parameters.Read();
        read.Length.set(length);
        read.Key.set(key.unwrap_or(0));
        read.ByteOffset.set(offset);
    } else {
        let write = stack.Parameters.Write();
        write.Length.set(length);
        write.Key.set(key.unwrap_or(0));
        write.ByteOffset.set(offset);
    }
    request.send(asynchronous)
}

/// Reads `length` bytes to `buffer`.
///
/// Source:  NtReadFile; IO-45, IO-54, SEED-IOPB-06, SEED-IOPB-07, SEED-IOPB-13, SEED-IOPB-15
/// IRQL:    PASSIVE_LEVEL
/// Units:   bytes; `offset` `None` or -2 is the position of a synchronous file object
/// Errors:  INVALID_PARAMETER (no offset on an asynchronous object, unaligned on a noncached one) · END_OF_FILE · …
pub fn nt_read_file(
    handle: usize,
    asynchronous: &Asynchronous,
    buffer: usize,
    length: u32,
    offset: Option<i64>,
    key: Option<u32>,
) -> IoResult {
    match open_file(handle, FILE_READ_DATA) {
        Ok(open) => transfer(&open, asynchronous, buffer, length, offset, key, Direction::In),
        Err(status) => Ok(IoStatus::of(status)),
    }
}

/// Writes `length` bytes from `buffer`.
///
/// Source:  NtWriteFile; IO-45, IO-54, IO-55, SEED-IOPB-14
/// IRQL:    PASSIVE_LEVEL
/// Units:   bytes; `offset` -1 is the end of the file, else as for [`nt_read_file`]
pub fn nt_write_file(
    handle: usize,
    asynchronous: &Asynchronous,
    buffer: usize,
    length: u32,
    offset: Option<i64>,
    key: Option<u32>,
) -> IoResult {
    match open_file(handle, 0) {
        Ok(open) if previous_mode() != 0 && open.granted & (FILE_WRITE_DATA | FILE_APPEND_DATA) == 0 => {
            Ok(IoStatus::of(NtStatus::ACCESS_DENIED))
        }
        Ok(open) => transfer(&open, asynchronous, buffer, length, offset, key, Direction::Out),
        Err(status) => Ok(IoStatus::of(status)),
    }
}

/// Writes what is cached to the store. `minor` is 0 or one of IRP_MN_FLUSH_*.
///
/// Source: NtFlushBuffersFile, NtFlushBuffersFileEx; FS-28
pub fn nt_flush_buffers_file(handle: usize, minor: u8) -> Result<IoStatus, Raise> {
    let open = match open_file(handle, 0) {
        Ok(open) if previous_mode() != 0 && open.granted & (FILE_WRITE_DATA | FILE_APPEND_DATA) == 0 => {
            return Ok(IoStatus::of(NtStatus::ACCESS_DENIED));
        }
        Ok(open) => open,
        Err(status) => return Ok(IoStatus::of(status)),
    };
    let _lock = FileLock::acquire(open.file)?;
    let request = match Request::new(open.file, IRP_MJ_FLUSH_BUFFERS) {
        Ok(request) => request,
        Err(status) => return Ok(IoStatus::of(status)),
    };
    request.irp.Flags.set(IRP_SYNCHRONOUS_API);
    request.stack.MinorFunction.set(minor);
    request.send_synchronous()
}
