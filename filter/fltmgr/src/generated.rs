//! I/O that a minifilter issues: it enters just below the instance, and nobody at or above it sees it.
//!
//! ```text
//! FltReadFile(instance, …) ─► IRP with the volume device's location ─► operation::run below the altitude
//! FltCreateFile(instance, …) ─► I/O manager, create marked with an Opener ─► every IRP of that file is below, too
//! ```
//!
//! Statements: CBD-04, CBD-18, CBD-19, GIO-16 to GIO-25, GIO-30 to GIO-32, GIO-41.
//!
//! UNSAFETY: a file object's word names the `Opener` that its create context keeps.

use std::ptr::from_ref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::{
    DO_BUFFERED_IO, DO_DIRECT_IO, FILE_OBJECT, FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET,
    FLTFL_IO_OPERATION_NON_CACHED, FLTFL_IO_OPERATION_PAGING, FLTFL_IO_OPERATION_SYNCHRONOUS_PAGING,
    FO_FILE_OPEN_CANCELLED, FO_HANDLE_CREATED, FO_NO_INTERMEDIATE_BUFFERING, FO_SYNCHRONOUS_IO,
    IO_STACK_LOCATION, IRP, IRP_BUFFERED_IO, IRP_CLOSE_OPERATION, IRP_MJ_CLEANUP, IRP_MJ_CREATE,
    IRP_MJ_FLUSH_BUFFERS, IRP_MJ_QUERY_INFORMATION, IRP_MJ_READ, IRP_MJ_SET_INFORMATION, IRP_MJ_WRITE,
    IRP_NOCACHE, IRP_PAGING_IO, IRP_READ_OPERATION, IRP_SYNCHRONOUS_API, IRP_SYNCHRONOUS_PAGING_IO,
    IRP_WRITE_OPERATION, NtStatus,
};
use nt_io::{
    CreateParameters, IoStatus, Opened, file_create_context, file_slot, io_allocate_irp, io_create_file,
    io_current_stack, io_free_irp, io_next_stack, io_set_next_location,
};

use crate::altitude::Altitude;
use crate::findings;
use crate::instance::Instance;
use crate::operation::{self, Origin};
use crate::volume::Volume;

/// Word of a file object that holds the address of its [`Opener`].
const SLOT: usize = 1;

/// Below whom a file was opened.
pub struct Opener {
    /// Its requests are seen below this.
    pub altitude: Altitude,
    /// Whether callback data say that a minifilter issued them.
    pub generated: bool,
}

/// Who opened the file of `irp` below an instance, if someone did. One load for other files.
#[inline]
pub(crate) fn opener(irp: &IRP) -> Option<&'static Opener> {
    let stack = io_current_stack(irp);
    let file = crate::pointer::file(stack.FileObject.get())?;
    let slot = file_slot(file, SLOT);
    if stack.MajorFunction.get() == IRP_MJ_CREATE
        && slot.get() == 0
        && let Some(context) = file_create_context(file)
        && let Some(opener) = context.downcast_ref::<Opener>()
    {
        slot.set(from_ref(opener) as usize);
    }
    // SAFETY: the file object keeps its create context, which is the opener, until its CLOSE has returned.
    unsafe { (slot.get() as *const Opener).as_ref() }
}

/// Who opened, or queries, `file` below an instance, if someone does: calls `f` with the altitude.
pub(crate) fn with_opener<R>(file: &FILE_OBJECT, f: impl FnOnce(Option<&Opener>) -> R) -> R {
    // SAFETY: as in `opener`.
    if let Some(opener) = unsafe { (file_slot(file, SLOT).get() as *const Opener).as_ref() } {
        return f(Some(opener));
    }
    let context = file_create_context(file);
    f(context.as_ref().and_then(|context| context.downcast_ref::<Opener>()))
}

/// Whether a minifilter opened `file` below itself.
#[inline]
pub(crate) fn is_opened_below(file: &FILE_OBJECT) -> bool {
    file_slot(file, SLOT).get() != 0
}

/// Sends a request of `major` on `file` to the instances below `altitude`, and waits.
pub(crate) fn issue(
    volume: &Arc<Volume>,
    altitude: Option<&Altitude>,
    file: &'static FILE_OBJECT,
    major: u8,
    fill: impl FnOnce(&IRP, &IO_STACK_LOCATION),
) -> Result<IoStatus, Raise> {
    let Some(device) = volume.device() else {
        return Ok(IoStatus { status: NtStatus::VOLUME_DISMOUNTED, information: 0 });
    };
    let Some(irp) = io_allocate_irp(device.StackSize.get() as u8) else {
        return Ok(IoStatus { status: NtStatus::INSUFFICIENT_RESOURCES, information: 0 });
    };
    irp.RequestorMode.set(0);
    irp.Thread().set(from_ref(nt_ke::current_thread()).cast_mut().cast());
    irp.OriginalFileObject().set(from_ref(file).cast_mut());
    let stack = io_next_stack(irp);
    stack.MajorFunction.set(major);
    stack.FileObject.set(from_ref(file).cast_mut());
    stack.DeviceObject.set(from_ref(device).cast_mut());
    fill(irp, stack);
    io_set_next_location(irp);
    let status = operation::run(volume, irp, Origin { below: altitude, generated: true, kept: true })?;
    let result = IoStatus { status, information: irp.IoStatus.Information.get() };
    io_free_irp(irp)?;
    Ok(result)
}

/// Queries information below `instance` into `buffer`.
///
/// Source:  FltQueryInformationFile; GIO-30. IRQL: PASSIVE_LEVEL
/// Errors:  what the file system answered
pub fn flt_query_information_file(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    buffer: usize,
    length: u32,
    class: u32,
) -> Result<IoStatus, Raise> {
    issue(&instance.volume, Some(&instance.altitude), file, IRP_MJ_QUERY_INFORMATION, |irp, stack| {
        irp.Flags.set(IRP_SYNCHRONOUS_API | IRP_BUFFERED_IO);
        irp.SystemBuffer().set(buffer as *mut _);
        let query = stack.Parameters.QueryFile();
        query.Length.set(length);
        query.FileInformationClass.set(class);
    })
}

/// Sets information below `instance` from `buffer`.
///
/// Source:  FltSetInformationFile; GIO-31. IRQL: PASSIVE_LEVEL
/// Errors:  NOT_SUPPORTED (a rename or link with a root directory or a path: this version opens no target
///          directory here) · what the file system answered
pub fn flt_set_information_file(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    buffer: usize,
    length: u32,
    class: u32,
) -> Result<IoStatus, Raise> {
    if crate::names::names_target(class) && crate::names::target_needs_directory(buffer, length) {
        return Ok(IoStatus { status: NtStatus::NOT_SUPPORTED, information: 0 });
    }
    issue(&instance.volume, Some(&instance.altitude), file, IRP_MJ_SET_INFORMATION, |irp, stack| {
        irp.Flags.set(IRP_SYNCHRONOUS_API | IRP_BUFFERED_IO);
        irp.SystemBuffer().set(buffer as *mut _);
        let set = stack.Parameters.SetFile();
        set.Length.set(length);
        set.FileInformationClass.set(class);
        if crate::names::names_target(class) {
            set.ReplaceIfExists.set(boundary::copy::read_value::<u8>(buffer).unwrap_or(0));
        }
    })
}

/// Flushes a file below `instance`. Source: FltFlushBuffers; GIO-32. IRQL: PASSIVE_LEVEL.
pub fn flt_flush_buffers(instance: &Instance, file: &'static FILE_OBJECT) -> Result<NtStatus, Raise> {
    let result = issue(&instance.volume, Some(&instance.altitude), file, IRP_MJ_FLUSH_BUFFERS, |irp, _| {
        irp.Flags.set(IRP_SYNCHRONOUS_API);
    })?;
    Ok(result.status)
}

/// A transfer that a minifilter asks for.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    /// Where in the file; `None` is the current position.
    pub offset: Option<i64>,
    /// Bytes.
    pub length: u32,
    /// Kernel address of the data.
    pub buffer: usize,
    /// `FLTFL_IO_OPERATION_` flags.
    pub flags: u32,
    /// Byte-range lock key.
    pub key: u32,
}

/// Reads below `instance`, and waits whatever the file was opened for.
///
/// Source:  FltReadFile; GIO-16 to GIO-22. IRQL: PASSIVE_LEVEL
/// Returns: status and bytes read
/// Errors:  INVALID_PARAMETER (unaligned noncached, no offset on an asynchronous file) · the file system's
pub fn flt_read_file(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    transfer: Transfer,
) -> Result<IoStatus, Raise> {
    move_data(instance, file, IRP_MJ_READ, transfer)
}

/// Writes below `instance`. As [`flt_read_file`]. Source: FltWriteFile; GIO-16 to GIO-21.
pub fn flt_write_file(
    instance: &Instance,
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

fn move_data(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    major: u8,
    transfer: Transfer,
) -> Result<IoStatus, Raise> {
    let refuse = |status| Ok(IoStatus { status, information: 0 });
    let synchronous = file.Flags.load(Ordering::Relaxed) & FO_SYNCHRONOUS_IO != 0;
    let position = file.CurrentByteOffset.get();
    let offset = match transfer.offset {
        Some(offset) => offset,
        None if synchronous => position,
        None => {
            let message = "a read or write without an offset on a file that was opened for asynchronous I/O";
            findings::error("GIO-19", &instance.filter.label, message);
            return refuse(NtStatus::INVALID_PARAMETER);
        }
    };
    let flags = transfer_flags(file, major, transfer.flags);
    let sector = i64::from(instance.volume.disk.map_or(512, |disk| disk.SectorSize.get()).max(1));
    if flags & IRP_NOCACHE != 0 && (offset % sector != 0 || i64::from(transfer.length) % sector != 0) {
        let message = format!(
            "a noncached transfer of {} bytes at {offset}: sectors are {sector} bytes",
            transfer.length
        );
        findings::error("GIO-20", &instance.filter.label, message);
        return refuse(NtStatus::INVALID_PARAMETER);
    }
    let device_flags = instance.volume.device().map_or(0, |device| device.Flags.get());
    let direct =
        device_flags & DO_BUFFERED_IO == 0 && device_flags & DO_DIRECT_IO != 0 && transfer.length != 0;
    let mdl =
        if direct { nt_ex::mdl::allocate_engine(transfer.buffer, transfer.length as usize) } else { None };
    if let Some(mdl) = mdl {
        // The device writes the memory for a read (1), and reads it for a write (0).
        nt_mm::mdl::probe_and_lock_pages(mdl, false, u32::from(major == IRP_MJ_READ))?;
    }
    let result = issue(&instance.volume, Some(&instance.altitude), file, major, |irp, stack| {
        irp.UserBuffer.set(transfer.buffer as *mut _);
        let mut flags = flags;
        if device_flags & DO_BUFFERED_IO != 0 {
            irp.SystemBuffer().set(transfer.buffer as *mut _);
            flags |= IRP_BUFFERED_IO;
        }
        irp.Flags.set(flags);
        if let Some(mdl) = mdl {
            irp.MdlAddress.set(from_ref(mdl).cast_mut());
        }
        let read = stack.Parameters.Read();
        read.Length.set(transfer.length);
        read.Key.set(transfer.key);
        read.ByteOffset.set(offset);
    })?;
    if let Some(mdl) = mdl {
        nt_mm::mdl::unlock_pages(mdl)?;
        nt_ex::mdl::free(mdl)?;
    }
    if synchronous {
        let keep =
            transfer.flags & FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET != 0 || flags & IRP_PAGING_IO != 0;
        if keep {
            file.CurrentByteOffset.set(position);
        } else if result.status.is_success() {
            file.CurrentByteOffset.set(offset + result.information as i64);
        }
    }
    Ok(result)
}

/// Opens or creates a file, seen only below `instance`; without one the create enters at the top.
///
/// `start_device` and `driver_context` of the parameters are set here.
///
/// Source:  FltCreateFile, FltCreateFileEx, FltCreateFileEx2; GIO-24, GIO-25, GIO-41. IRQL: PASSIVE_LEVEL
/// Errors:  as a create; a reparse is never SUCCESS but REPARSE_POINT_NOT_RESOLVED
pub fn flt_create_file(
    instance: Option<&Instance>,
    mut parameters: CreateParameters<'_>,
) -> Result<Opened, Raise> {
    enter_below(instance, &mut parameters);
    let mut opened = io_create_file(&parameters)?;
    if opened.status == NtStatus::REPARSE {
        opened.status = NtStatus::REPARSE_POINT_NOT_RESOLVED;
    }
    Ok(opened)
}

fn enter_below(instance: Option<&Instance>, parameters: &mut CreateParameters<'_>) {
    if let Some(instance) = instance {
        parameters.start_device = instance.volume.device();
        let opener = Opener { altitude: instance.altitude.clone(), generated: true };
        parameters.driver_context = Some(Arc::new(opener));
    }
}

/// Queries information about a file by its name, seen only below `instance`; without one it enters at the top.
///
/// Source:  FltQueryInformationByName; FSF-28. IRQL: PASSIVE_LEVEL
/// Errors:  as [`nt_fsrtl::fs_filter::nt_query_information_by_name`]
pub fn flt_query_information_by_name(
    instance: Option<&Instance>,
    mut parameters: CreateParameters<'_>,
    buffer: usize,
    length: u32,
    class: u32,
) -> Result<IoStatus, Raise> {
    enter_below(instance, &mut parameters);
    nt_fsrtl::fs_filter::nt_query_information_by_name(&parameters, buffer, length, class)
}

/// Closes a handle. Source: FltClose; GIO-27. IRQL: PASSIVE_LEVEL. Errors: INVALID_HANDLE.
pub fn flt_close(handle: usize) -> Result<NtStatus, Raise> {
    nt_ob::ob_close_handle(handle, 0)
}

/// Undoes a successful create from its post callback: the layers below see the file cleaned up and closed, those
/// above a failed create. The caller then sets a failure status.
///
/// Source:  FltCancelFileOpen; GIO-36, GIO-37, POST-14. IRQL: PASSIVE_LEVEL
/// Errors:  a file that has a handle already is a finding, and nothing is done
pub fn flt_cancel_file_open(instance: &Instance, file: &'static FILE_OBJECT) -> Result<(), Raise> {
    if file.Flags.load(Ordering::Relaxed) & FO_HANDLE_CREATED != 0 {
        let message = "FltCancelFileOpen was called for a file that has a handle: only a post-create callback may call it";
        findings::error("GIO-36", &instance.filter.label, message);
        return Ok(());
    }
    issue(&instance.volume, Some(&instance.altitude), file, IRP_MJ_CLEANUP, |irp, _| {
        irp.Flags.set(IRP_SYNCHRONOUS_API | IRP_CLOSE_OPERATION);
    })?;
    // The I/O manager sends CLOSE when it drops the file object of the failed create.
    file.Flags.fetch_or(FO_FILE_OPEN_CANCELLED, Ordering::Relaxed);
    file_slot(file, SLOT).set(instance.volume.opener_below(&instance.altitude));
    Ok(())
}
