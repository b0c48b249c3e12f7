//! I/O that a minifilter issues: it enters just below the instance, and nobody at or above it sees it.
//!
//! ```text
//! FltReadFile(instance, …) ─► IRP with the volume device's location ─► operation::run below the altitude
//! FltCreateFile(instance, …) ─► I/O manager, create marked with an Opener ─► every IRP of that file is below, too
//! ```
//!
//! Reads and writes are in [`crate::transfer`], callback data that filters make in [`crate::request`].
//!
//! Statements: CBD-04, CBD-18, CBD-19, GIO-24, GIO-25, GIO-30 to GIO-32, GIO-41.
//!
//! UNSAFETY: a file object's word names the `Opener` that its create context keeps.

use std::ptr::from_ref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use boundary::Raise;
use nt_abi::{
    FILE_OBJECT, FLTFL_CALLBACK_DATA_GENERATED_IO, IO_STACK_LOCATION, IRP, IRP_BUFFERED_IO, IRP_MJ_CREATE,
    IRP_MJ_FLUSH_BUFFERS, IRP_MJ_QUERY_INFORMATION, IRP_MJ_SET_INFORMATION, IRP_SYNCHRONOUS_API, NtStatus,
    file_information_class as class,
};
use nt_io::{
    CreateParameters, IoStatus, Opened, file_create_context, file_slot, io_allocate_irp, io_create_file,
    io_current_stack, io_free_irp, io_next_stack, io_set_next_location,
};

use crate::altitude::Altitude;
use crate::instance::Instance;
use crate::operation::{self, Origin};
use crate::volume::Volume;

/// Word of a file object that holds the address of its [`Opener`].
pub(crate) const SLOT: usize = 1;

/// Below whom a file was opened.
pub struct Opener {
    /// Its requests are seen below this.
    pub altitude: Altitude,
    /// Whether callback data say that a minifilter issued them.
    pub generated: bool,
    /// The instance's files that are not closed: this is one of them.
    pub files: Option<Arc<AtomicU32>>,
    /// The transaction that it was opened in, or 0.
    pub transaction: usize,
}

impl Opener {
    /// The last handle of its file was closed.
    #[cold]
    pub(crate) fn cleaned_up(&self) {
        if let Some(files) = &self.files {
            files.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Who opened the file of `irp` below an instance, if someone did. One load for other files.
#[inline]
pub(crate) fn opener(irp: &IRP) -> Option<&'static Opener> {
    let stack = io_current_stack(irp);
    let file = crate::pointer::file(stack.FileObject.get())?;
    let slot = file_slot(file, SLOT);
    if stack.MajorFunction.get() == IRP_MJ_CREATE && slot.get() == 0 {
        if let Some(context) = file_create_context(file)
            && let Some(opener) = context.downcast_ref::<Opener>()
        {
            slot.set(from_ref(opener) as usize);
        } else if let Some(opener) = crate::transactions::opener(file) {
            slot.set(Arc::as_ptr(&opener) as usize);
        }
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
    let status = operation::run(
        volume,
        irp,
        Origin {
            below: altitude,
            flags: FLTFL_CALLBACK_DATA_GENERATED_IO,
            kept: true,
            transaction: nt_io::file_transaction(file),
        },
    )?;
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
/// Errors:  of a rename or link also as [`nt_io::io_open_target_directory`] · what the file system answered
pub fn flt_set_information_file(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    buffer: usize,
    length: u32,
    class: u32,
) -> Result<IoStatus, Raise> {
    let open = |parameters: CreateParameters<'_>| flt_create_file(Some(instance), parameters);
    let target = if nt_io::names_target(class) {
        match nt_io::io_open_target_directory(file, buffer, length, 0, open)? {
            Ok(target) => target,
            Err(failed) => return Ok(failed),
        }
    } else {
        None
    };
    let result =
        issue(&instance.volume, Some(&instance.altitude), file, IRP_MJ_SET_INFORMATION, |irp, stack| {
            irp.Flags.set(IRP_SYNCHRONOUS_API | IRP_BUFFERED_IO);
            irp.SystemBuffer().set(buffer as *mut _);
            let set = stack.Parameters.SetFile();
            set.Length.set(length);
            set.FileInformationClass.set(class);
            if matches!(class, class::FileRenameInformation | class::FileLinkInformation) {
                set.ReplaceIfExists.set(boundary::copy::read_value::<u8>(buffer).unwrap_or(0));
            }
            if let Some(target) = &target {
                set.FileObject.set(std::ptr::from_ref(target.file()).cast_mut());
            }
        });
    if let Some(target) = target {
        target.close()?;
    }
    result
}

/// Flushes a file below `instance`. Source: FltFlushBuffers; GIO-32. IRQL: PASSIVE_LEVEL.
pub fn flt_flush_buffers(instance: &Instance, file: &'static FILE_OBJECT) -> Result<NtStatus, Raise> {
    let result = issue(&instance.volume, Some(&instance.altitude), file, IRP_MJ_FLUSH_BUFFERS, |irp, _| {
        irp.Flags.set(IRP_SYNCHRONOUS_API);
    })?;
    Ok(result.status)
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
    let files = instance.map(|instance| Arc::clone(&instance.files));
    enter_below(instance, files.clone(), &mut parameters);
    if let Some(files) = &files {
        // Before the create: a file may be closed before this thread goes on.
        files.fetch_add(1, Ordering::Relaxed);
    }
    let mut opened = io_create_file(&parameters)?;
    if let Some(files) = files
        && opened.handle == 0
    {
        files.fetch_sub(1, Ordering::Relaxed);
    }
    if opened.status == NtStatus::REPARSE {
        opened.status = NtStatus::REPARSE_POINT_NOT_RESOLVED;
    }
    Ok(opened)
}

fn enter_below(
    instance: Option<&Instance>,
    files: Option<Arc<AtomicU32>>,
    parameters: &mut CreateParameters<'_>,
) {
    if let Some(instance) = instance {
        parameters.start_device = instance.volume.device();
        let transaction = parameters.transaction;
        let opener = Opener { altitude: instance.altitude.clone(), generated: true, files, transaction };
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
    enter_below(instance, None, &mut parameters);
    nt_fsrtl::fs_filter::nt_query_information_by_name(&parameters, buffer, length, class)
}

/// Closes a handle. Source: FltClose; GIO-27. IRQL: PASSIVE_LEVEL. Errors: INVALID_HANDLE.
pub fn flt_close(handle: usize) -> Result<NtStatus, Raise> {
    nt_ob::ob_close_handle(handle, 0)
}
