//! Reads and writes that a minifilter asks for below itself, waiting for them or not.
//!
//! Statements: GIO-16 to GIO-23, X-10.

use std::ptr::from_ref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::{
    DO_BUFFERED_IO, DO_DIRECT_IO, FILE_OBJECT, FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET,
    FLTFL_IO_OPERATION_NON_CACHED, FLTFL_IO_OPERATION_PAGING, FLTFL_IO_OPERATION_SYNCHRONOUS_PAGING,
    FO_NO_INTERMEDIATE_BUFFERING, FO_SYNCHRONOUS_IO, IRP_BUFFERED_IO, IRP_MJ_READ, IRP_MJ_WRITE, IRP_NOCACHE,
    IRP_PAGING_IO, IRP_READ_OPERATION, IRP_SYNCHRONOUS_PAGING_IO, IRP_WRITE_OPERATION, MDL, NativeFn,
    NtStatus,
};
use nt_io::IoStatus;

use crate::findings;
use crate::generated::issue;
use crate::instance::Instance;
use crate::request::{Position, Request};

/// A transfer that a minifilter asks for.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    /// Where in the file; `None` is the current position.
    pub offset: Option<i64>,
    /// Bytes.
    pub length: u32,
    /// Kernel address of the data, 0 with an MDL.
    pub buffer: usize,
    /// Address of an MDL of the data, or 0.
    pub mdl: usize,
    /// `FLTFL_IO_OPERATION_` flags.
    pub flags: u32,
    /// Byte-range lock key.
    pub key: u32,
    /// What is called when it is done, with its context; without it the call waits.
    pub callback: Option<(NativeFn, usize)>,
}

/// Reads below `instance`, and waits whatever the file was opened for, unless there is a callback.
///
/// Source:  FltReadFile, FltReadFileEx; GIO-16 to GIO-23. IRQL: PASSIVE_LEVEL
/// Returns: status and bytes read; with a callback PENDING, or the status when it has run already
/// Errors:  INVALID_PARAMETER (unaligned noncached, no offset on an asynchronous file, buffer and MDL or neither) · the
///          file system's
pub fn flt_read_file(
    instance: &Arc<Instance>,
    file: &'static FILE_OBJECT,
    transfer: Transfer,
) -> Result<IoStatus, Raise> {
    move_data(instance, file, IRP_MJ_READ, transfer)
}

/// Writes below `instance`. As [`flt_read_file`]. Source: FltWriteFile, FltWriteFileEx; GIO-16 to GIO-23.
pub fn flt_write_file(
    instance: &Arc<Instance>,
    file: &'static FILE_OBJECT,
    transfer: Transfer,
) -> Result<IoStatus, Raise> {
    move_data(instance, file, IRP_MJ_WRITE, transfer)
}

/// IRP flags for a transfer.
fn transfer_flags(file: &FILE_OBJECT, major: u8, flags: u32) -> u32 {
    let noncached = flags & FLTFL_IO_OPERATION_NON_CACHED != 0
        || file.Flags.load(Ordering::Relaxed) & FO_NO_INTERMEDIATE_BUFFERING != 0;
    let mut irp = if major == IRP_MJ_READ { IRP_READ_OPERATION } else { IRP_WRITE_OPERATION };
    if noncached || flags & FLTFL_IO_OPERATION_PAGING != 0 {
        irp |= IRP_NOCACHE;
    }
    if flags & FLTFL_IO_OPERATION_PAGING != 0 {
        irp |= IRP_PAGING_IO;
        if flags & FLTFL_IO_OPERATION_SYNCHRONOUS_PAGING != 0 {
            irp |= IRP_SYNCHRONOUS_PAGING_IO;
        }
    }
    irp
}

/// Offsets that are none: at the end of the file, and where the file object stands.
const FILE_WRITE_TO_END_OF_FILE: i64 = -1;
const FILE_USE_FILE_POINTER_POSITION: i64 = -2;

/// A transfer whose arguments are right.
struct Checked {
    offset: i64,
    /// IRP flags.
    flags: u32,
    /// For synchronous file objects.
    position: Option<Position>,
}

/// Source: GIO-18 to GIO-20, GIO-23. Errors: what is wrong is a finding, and the status to return.
fn check(
    instance: &Instance,
    file: &FILE_OBJECT,
    major: u8,
    transfer: &Transfer,
) -> Result<Checked, NtStatus> {
    let refuse = |rule, message: String| {
        findings::error(rule, &instance.filter.label, message);
        Err(NtStatus::INVALID_PARAMETER)
    };
    if (transfer.buffer == 0) == (transfer.mdl == 0) && transfer.length != 0 {
        let what = if transfer.mdl == 0 { "neither a buffer nor an MDL" } else { "both a buffer and an MDL" };
        return refuse("GIO-23", format!("a read or write was given {what}"));
    }
    let synchronous = file.Flags.load(Ordering::Relaxed) & FO_SYNCHRONOUS_IO != 0;
    let before = file.CurrentByteOffset.get();
    let offset = match transfer.offset {
        Some(FILE_USE_FILE_POINTER_POSITION) | None if synchronous => before,
        Some(offset) => offset,
        None => {
            let message = "a read or write without an offset on a file that was opened for asynchronous I/O";
            return refuse("GIO-19", message.into());
        }
    };
    let paging = transfer.flags & FLTFL_IO_OPERATION_PAGING != 0;
    if !paging && transfer.flags & FLTFL_IO_OPERATION_SYNCHRONOUS_PAGING != 0 {
        let message = "FLTFL_IO_OPERATION_SYNCHRONOUS_PAGING was given without FLTFL_IO_OPERATION_PAGING; it is ignored";
        findings::error("GIO-20", &instance.filter.label, message);
    }
    let flags = transfer_flags(file, major, transfer.flags);
    if flags & IRP_NOCACHE != 0 {
        let sector = i64::from(instance.volume.disk.map_or(512, |disk| disk.SectorSize.get()).max(1));
        if (offset >= 0 && offset % sector != 0) || i64::from(transfer.length) % sector != 0 {
            let message = format!(
                "a noncached transfer of {} bytes at {offset}: sectors are {sector} bytes",
                transfer.length
            );
            return refuse("GIO-20", message);
        }
        let mask = instance.volume.disk.map_or(0, |disk| disk.AlignmentRequirement.get()) as usize;
        if transfer.buffer & mask != 0 {
            let message = format!(
                "the buffer {:#x} of a noncached transfer is not aligned to {} bytes, as the device needs it: use \
                 FltAllocatePoolAlignedWithTag",
                transfer.buffer,
                mask + 1
            );
            return refuse("GIO-20", message);
        }
    }
    let keep =
        transfer.flags & FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET != 0 || flags & IRP_PAGING_IO != 0;
    // Where a write to the end began only the file system knows, which moves the position itself.
    let moves = synchronous && (keep || offset != FILE_WRITE_TO_END_OF_FILE);
    let position = moves.then_some(Position { before, start: offset, keep });
    Ok(Checked { offset, flags, position })
}

fn move_data(
    instance: &Arc<Instance>,
    file: &'static FILE_OBJECT,
    major: u8,
    transfer: Transfer,
) -> Result<IoStatus, Raise> {
    match check(instance, file, major, &transfer) {
        Err(status) => Ok(IoStatus::of(status)),
        Ok(checked) if transfer.callback.is_some() => start(instance, file, major, &transfer, &checked),
        Ok(checked) => wait(instance, file, major, &transfer, &checked),
    }
}

/// Sends it; the callback comes when it is done. Source: GIO-21.
fn start(
    instance: &Arc<Instance>,
    file: &'static FILE_OBJECT,
    major: u8,
    transfer: &Transfer,
    checked: &Checked,
) -> Result<IoStatus, Raise> {
    let Some(request) = Request::for_transfer(instance, file, checked.position, transfer.mdl) else {
        return Ok(IoStatus::of(NtStatus::INSUFFICIENT_RESOURCES));
    };
    request.iopb.MajorFunction.set(major);
    request.iopb.IrpFlags.set(checked.flags);
    // Read and write have one layout.
    let read = request.iopb.Parameters.Read();
    read.Length.set(transfer.length);
    read.Key.set(transfer.key);
    read.ByteOffset.set(checked.offset);
    read.ReadBuffer.set(buffer_of(transfer) as *mut _);
    read.MdlAddress.set(transfer.mdl as *mut _);
    let (callback, context) = transfer.callback.unwrap_or((NativeFn(0), 0));
    request.perform_asynchronously(callback, context).map(IoStatus::of)
}

/// The address that goes with an MDL is the one that it describes.
fn buffer_of(transfer: &Transfer) -> usize {
    // SAFETY: the filter gave it as its MDL.
    let mdl = unsafe { (transfer.mdl as *const MDL).as_ref() };
    mdl.map_or(transfer.buffer, nt_mm::mdl::virtual_address)
}

fn wait(
    instance: &Arc<Instance>,
    file: &'static FILE_OBJECT,
    major: u8,
    transfer: &Transfer,
    checked: &Checked,
) -> Result<IoStatus, Raise> {
    let device_flags = instance.volume.device().map_or(0, |device| device.Flags.get());
    let direct = device_flags & DO_BUFFERED_IO == 0
        && device_flags & DO_DIRECT_IO != 0
        && transfer.length != 0
        && transfer.mdl == 0;
    let made =
        if direct { nt_ex::mdl::allocate_engine(transfer.buffer, transfer.length as usize) } else { None };
    if let Some(mdl) = made {
        // The device writes the memory for a read (1), and reads it for a write (0).
        if let Err(raise) = nt_mm::mdl::probe_and_lock_pages(mdl, false, u32::from(major == IRP_MJ_READ)) {
            nt_ex::mdl::free(mdl)?;
            return crate::request::status_of(raise).map(IoStatus::of);
        }
    }
    let buffer = buffer_of(transfer);
    let result = issue(&instance.volume, Some(&instance.altitude), file, major, |irp, stack| {
        irp.UserBuffer.set(buffer as *mut _);
        let mut flags = checked.flags;
        if device_flags & DO_BUFFERED_IO != 0 {
            irp.SystemBuffer().set(buffer as *mut _);
            flags |= IRP_BUFFERED_IO;
        }
        irp.Flags.set(flags);
        irp.MdlAddress.set(made.map_or(transfer.mdl as *mut _, |mdl| from_ref(mdl).cast_mut()));
        let read = stack.Parameters.Read();
        read.Length.set(transfer.length);
        read.Key.set(transfer.key);
        read.ByteOffset.set(checked.offset);
    })?;
    if let Some(mdl) = made {
        nt_mm::mdl::unlock_pages(mdl)?;
        nt_ex::mdl::free(mdl)?;
    }
    if let Some(position) = checked.position {
        position.settle(file, result.status, result.information);
    }
    Ok(result)
}
