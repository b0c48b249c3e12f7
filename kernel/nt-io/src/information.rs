//! Querying and setting information of files and volumes.
//!
//! Three classes are answered here, without an IRP: access, alignment and mode (IO-52). Position of a
//! synchronous file object goes to the file system as on Windows.

use std::sync::atomic::Ordering;

use nt_abi::{
    FILE_OBJECT, FO_ALERTABLE_IO, FO_DELETE_ON_CLOSE, FO_NO_INTERMEDIATE_BUFFERING, FO_SEQUENTIAL_ONLY,
    FO_SYNCHRONOUS_IO, FO_WRITE_THROUGH, IRP_BUFFERED_IO, IRP_DEALLOCATE_BUFFER, IRP_DEFER_IO_COMPLETION,
    IRP_INPUT_OPERATION, IRP_MJ_QUERY_INFORMATION, IRP_MJ_QUERY_VOLUME_INFORMATION, IRP_MJ_SET_INFORMATION,
    IRP_MJ_SET_VOLUME_INFORMATION, IRP_OB_QUERY_NAME, IRP_SYNCHRONOUS_API, NtStatus, create_disposition,
    create_options as option, file_access as right, file_information_class as class,
};
use nt_ke::Raise;

use crate::create::{CreateParameters, io_create_file, io_create_file_object};
use crate::device::io_get_related_device;
use crate::fast::{FastQuery, io_fast_query};
use crate::file::{FileLock, open_file};
use crate::issue::{Direction, IoResult, IoStatus, Request, previous_mode};
use crate::objects;
use crate::pointer::{address, pointer};
use crate::target::{TargetDirectory, io_open_target_directory, names_target};

/// The options that `FileModeInformation` reports.
fn mode_of(file: &FILE_OBJECT) -> u32 {
    let flags = file.Flags.load(Ordering::Relaxed);
    let mut mode = 0;
    for (flag, bit) in [
        (FO_WRITE_THROUGH, option::FILE_WRITE_THROUGH),
        (FO_SEQUENTIAL_ONLY, option::FILE_SEQUENTIAL_ONLY),
        (FO_NO_INTERMEDIATE_BUFFERING, option::FILE_NO_INTERMEDIATE_BUFFERING),
        (FO_DELETE_ON_CLOSE, option::FILE_DELETE_ON_CLOSE),
    ] {
        if flags & flag != 0 {
            mode |= bit;
        }
    }
    if flags & FO_SYNCHRONOUS_IO != 0 {
        mode |= if flags & FO_ALERTABLE_IO != 0 {
            option::FILE_SYNCHRONOUS_IO_ALERT
        } else {
            option::FILE_SYNCHRONOUS_IO_NONALERT
        };
    }
    mode
}

/// What the caller needs for a class, from user mode.
fn query_access(class: u32) -> u32 {
    match class {
        class::FileBasicInformation
        | class::FileAllInformation
        | class::FileNetworkOpenInformation
        | class::FileAttributeTagInformation => right::FILE_READ_ATTRIBUTES,
        class::FileFullEaInformation => right::FILE_READ_EA,
        class::FilePositionInformation => 0,
        _ => 0,
    }
}

fn set_access(class: u32) -> u32 {
    match class {
        class::FileBasicInformation => right::FILE_WRITE_ATTRIBUTES,
        class::FileRenameInformation | class::FileDispositionInformation => right::DELETE,
        class::FileEndOfFileInformation
        | class::FileAllocationInformation
        | class::FileValidDataLengthInformation => right::FILE_WRITE_DATA,
        _ => 0,
    }
}

/// Fewest bytes of a class that is known to have a fixed head; the file system checks the others.
fn smallest(class: u32) -> u32 {
    match class {
        class::FileBasicInformation => 0x28,
        class::FileStandardInformation => 0x18,
        class::FileInternalInformation
        | class::FilePositionInformation
        | class::FileEndOfFileInformation
        | class::FileAllocationInformation
        | class::FileValidDataLengthInformation => 8,
        class::FileEaInformation
        | class::FileAccessInformation
        | class::FileModeInformation
        | class::FileAlignmentInformation => 4,
        class::FileNameInformation => 8,
        class::FileAllInformation => 0x68,
        class::FileNetworkOpenInformation => 0x38,
        class::FileAttributeTagInformation => 8,
        class::FileDispositionInformation => 1,
        class::FileRenameInformation
        | class::FileLinkInformation
        | class::FileRenameInformationEx
        | class::FileLinkInformationEx => 0x18,
        _ => 0,
    }
}

pub(crate) fn probe(buffer: usize, length: u32, writing: bool) -> Result<(), Raise> {
    if previous_mode() == 0 || length == 0 {
        return Ok(());
    }
    if writing {
        nt_mm::probe::probe_for_write(buffer, length as usize, 1)
    } else {
        nt_mm::probe::probe_for_read(buffer, length as usize, 1)
    }
}

fn answer(buffer: usize, value: u32) -> IoResult {
    boundary::copy::write_value(buffer, value)?;
    Ok(IoStatus { status: NtStatus::SUCCESS, information: 4 })
}

/// Queries information about an open file.
///
/// Source:  NtQueryInformationFile; IO-51, IO-52, SEED-IOPB-03, SEED-IOPB-09
/// IRQL:    PASSIVE_LEVEL
/// Errors:  INFO_LENGTH_MISMATCH · INVALID_INFO_CLASS · what the file system answers
pub fn nt_query_information_file(handle: usize, buffer: usize, length: u32, class: u32) -> IoResult {
    let open = match open_file(handle, query_access(class)) {
        Ok(open) => open,
        Err(status) => return Ok(IoStatus::of(status)),
    };
    if length < smallest(class) {
        return Ok(IoStatus::of(NtStatus::INFO_LENGTH_MISMATCH));
    }
    probe(buffer, length, true)?;
    match class {
        class::FileAccessInformation => return answer(buffer, open.granted),
        class::FileModeInformation => return answer(buffer, mode_of(open.file)),
        class::FileAlignmentInformation => {
            return answer(buffer, io_get_related_device(open.file).AlignmentRequirement.get());
        }
        _ => {}
    }
    let _lock = FileLock::acquire(open.file)?;
    let device = io_get_related_device(open.file);
    if let Some(query) = FastQuery::of_class(class)
        && crate::subsystem().tries_fast_io()
        && let Some(result) = io_fast_query(device, open.file, query, true, buffer)?
    {
        return Ok(result);
    }
    let result = query(open.file, buffer, length, class, IRP_SYNCHRONOUS_API)?;
    if class == class::FileAllInformation && !result.status.is_error() {
        // The parts that only the I/O manager knows: access, mode, alignment.
        for (offset, value) in
            [(0x4C, open.granted), (0x58, mode_of(open.file)), (0x5C, device.AlignmentRequirement.get())]
        {
            boundary::copy::write_value(buffer + offset, value)?;
        }
    }
    Ok(result)
}

/// The path on its volume by which a file was opened.
///
/// Errors: INSUFFICIENT_RESOURCES · what the file system answers
pub(crate) fn opened_path(file: &'static FILE_OBJECT) -> Result<Result<Vec<u16>, NtStatus>, Raise> {
    const ROOM: usize = 0x1_0004;
    const TAG: u32 = u32::from_le_bytes(*b"IoPa");
    let Some(block) = crate::memory::allocate(ROOM, TAG) else {
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    };
    let result = query(file, block, ROOM as u32, class::FileNameInformation, IRP_SYNCHRONOUS_API);
    let bytes = boundary::copy::read_value::<u32>(block).unwrap_or(0) as usize;
    let mut name = vec![0u8; bytes.min(ROOM - 4)];
    let read = boundary::copy::read(block + 4, &mut name);
    crate::memory::free(block, TAG)?;
    let status = result?.status;
    if !status.is_success() || read.is_err() {
        return Ok(Err(status));
    }
    Ok(Ok(name.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()))
}

pub(crate) fn query(
    file: &'static FILE_OBJECT,
    buffer: usize,
    length: u32,
    class: u32,
    flags: u32,
) -> IoResult {
    let request = match Request::new(file, IRP_MJ_QUERY_INFORMATION) {
        Ok(request) => request,
        Err(status) => return Ok(IoStatus::of(status)),
    };
    if let Err(status) = request.system_buffer(buffer, length as usize, Direction::In) {
        request.abandon()?;
        return Ok(IoStatus::of(status));
    }
    let always = IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER | IRP_INPUT_OPERATION | IRP_DEFER_IO_COMPLETION;
    request.irp.Flags.set(request.irp.Flags.get() | always | flags);
    let parameters = request.stack.Parameters.QueryFile();
    parameters.Length.set(length);
    parameters.FileInformationClass.set(class);
    request.send_synchronous()
}

/// Queries information about an open file for a component of the kernel, which has no handle.
///
/// Source:  IoQueryFileInformation, FsRtlGetFileSize
/// IRQL:    PASSIVE_LEVEL
/// Errors:  what the file system answers
pub fn io_query_file_information(
    file: &'static FILE_OBJECT,
    buffer: usize,
    length: u32,
    class: u32,
) -> IoResult {
    let mode = nt_ke::current_thread().previous_mode().replace(0);
    let result = query(file, buffer, length, class, IRP_SYNCHRONOUS_API);
    nt_ke::current_thread().previous_mode().set(mode);
    result
}

/// Sets information of an open file for a component of the kernel, which has no handle.
///
/// Source:  IoSetInformation, FsRtlSetFileSize
/// IRQL:    PASSIVE_LEVEL
/// Errors:  what the file system answers
pub fn io_set_file_information(
    file: &'static FILE_OBJECT,
    buffer: usize,
    length: u32,
    class: u32,
) -> IoResult {
    let mode = nt_ke::current_thread().previous_mode().replace(0);
    let result = set(file, buffer, length, class, None);
    nt_ke::current_thread().previous_mode().set(mode);
    result
}

/// The name of an open file from the volume's root, for the object manager (SEED-IOPB-17).
pub(crate) fn name_of_open_file(file: &'static FILE_OBJECT) -> Result<Result<Vec<u16>, NtStatus>, Raise> {
    const ROOM: usize = 4 + 0x8000;
    const TAG: u32 = u32::from_le_bytes(*b"IoNq");
    let Some(buffer) = crate::memory::allocate(ROOM, TAG) else {
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    };
    let mode = nt_ke::current_thread().previous_mode().replace(0);
    let result =
        query(file, buffer, ROOM as u32, class::FileNameInformation, IRP_SYNCHRONOUS_API | IRP_OB_QUERY_NAME);
    nt_ke::current_thread().previous_mode().set(mode);
    let name = match result? {
        IoStatus { status, .. } if status.is_error() => Err(status),
        _ => {
            let bytes = boundary::copy::read_value::<u32>(buffer)? as usize;
            Ok(crate::memory::read_units(buffer + 4, bytes.min(ROOM - 4))?)
        }
    };
    crate::memory::free(buffer, TAG)?;
    Ok(name)
}

/// Sets information of an open file.
///
/// Source:  NtSetInformationFile; SEED-IOPB-03, FS-25 to FS-27
/// IRQL:    PASSIVE_LEVEL
/// Errors:  INFO_LENGTH_MISMATCH · NOT_SAME_DEVICE (rename to another volume) · what the file system answers
pub fn nt_set_information_file(handle: usize, buffer: usize, length: u32, class: u32) -> IoResult {
    let open = match open_file(handle, set_access(class)) {
        Ok(open) => open,
        Err(status) => return Ok(IoStatus::of(status)),
    };
    if length < smallest(class) {
        return Ok(IoStatus::of(NtStatus::INFO_LENGTH_MISMATCH));
    }
    probe(buffer, length, false)?;
    let _lock = FileLock::acquire(open.file)?;
    if class == class::FileModeInformation {
        return set_mode(open.file, boundary::copy::read_value(buffer)?);
    }
    let target = if names_target(class) {
        match io_open_target_directory(open.file, buffer, length, previous_mode(), |p| io_create_file(&p))? {
            Ok(target) => target,
            Err(failed) => return Ok(failed),
        }
    } else {
        None
    };
    let result = set(open.file, buffer, length, class, target.as_ref());
    if let Some(target) = target {
        target.close()?;
    }
    result
}

fn set(
    file: &'static FILE_OBJECT,
    buffer: usize,
    length: u32,
    class: u32,
    target: Option<&TargetDirectory>,
) -> IoResult {
    let request = match Request::new(file, IRP_MJ_SET_INFORMATION) {
        Ok(request) => request,
        Err(status) => return Ok(IoStatus::of(status)),
    };
    if let Err(status) = request.system_buffer(buffer, length as usize, Direction::Out) {
        request.abandon()?;
        return Ok(IoStatus::of(status));
    }
    let always = IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER | IRP_SYNCHRONOUS_API | IRP_DEFER_IO_COMPLETION;
    request.irp.Flags.set(request.irp.Flags.get() | always);
    let parameters = request.stack.Parameters.SetFile();
    parameters.Length.set(length);
    parameters.FileInformationClass.set(class);
    if matches!(class, class::FileRenameInformation | class::FileLinkInformation) {
        parameters.ReplaceIfExists.set(boundary::copy::read_value::<u8>(buffer)?);
    }
    if let Some(target) = target {
        parameters.FileObject.set(pointer(target.file()));
    }
    request.send_synchronous()
}

fn set_mode(file: &'static FILE_OBJECT, mode: u32) -> IoResult {
    const CHANGEABLE: u32 = option::FILE_WRITE_THROUGH
        | option::FILE_SEQUENTIAL_ONLY
        | option::FILE_SYNCHRONOUS_IO_ALERT
        | option::FILE_SYNCHRONOUS_IO_NONALERT;
    let flags = file.Flags.load(Ordering::Relaxed);
    let both = option::FILE_SYNCHRONOUS_IO_ALERT | option::FILE_SYNCHRONOUS_IO_NONALERT;
    let wants = mode & both;
    let synchronous = flags & FO_SYNCHRONOUS_IO != 0;
    if mode & !CHANGEABLE != 0 || wants == both || (wants != 0) != synchronous {
        return Ok(IoStatus::of(NtStatus::INVALID_PARAMETER));
    }
    for (bit, flag) in [
        (option::FILE_WRITE_THROUGH, FO_WRITE_THROUGH),
        (option::FILE_SEQUENTIAL_ONLY, FO_SEQUENTIAL_ONLY),
        (option::FILE_SYNCHRONOUS_IO_ALERT, FO_ALERTABLE_IO),
    ] {
        if mode & bit != 0 {
            file.Flags.fetch_or(flag, Ordering::Relaxed);
        } else {
            file.Flags.fetch_and(!flag, Ordering::Relaxed);
        }
    }
    Ok(IoStatus::of(NtStatus::SUCCESS))
}

/// Queries information about the volume of an open file.
///
/// Source: NtQueryVolumeInformationFile
pub fn nt_query_volume_information_file(handle: usize, buffer: usize, length: u32, class: u32) -> IoResult {
    let open = match open_file(handle, 0) {
        Ok(open) => open,
        Err(status) => return Ok(IoStatus::of(status)),
    };
    probe(buffer, length, true)?;
    let _lock = FileLock::acquire(open.file)?;
    let request = match Request::new(open.file, IRP_MJ_QUERY_VOLUME_INFORMATION) {
        Ok(request) => request,
        Err(status) => return Ok(IoStatus::of(status)),
    };
    if let Err(status) = request.system_buffer(buffer, length as usize, Direction::In) {
        request.abandon()?;
        return Ok(IoStatus::of(status));
    }
    request.irp.Flags.set(request.irp.Flags.get() | IRP_SYNCHRONOUS_API);
    let parameters = request.stack.Parameters.QueryVolume();
    parameters.Length.set(length);
    parameters.FsInformationClass.set(class);
    request.send_synchronous()
}

/// Sets information of the volume of an open file. Source: NtSetVolumeInformationFile
pub fn nt_set_volume_information_file(handle: usize, buffer: usize, length: u32, class: u32) -> IoResult {
    let open = match open_file(handle, right::FILE_WRITE_DATA) {
        Ok(open) => open,
        Err(status) => return Ok(IoStatus::of(status)),
    };
    probe(buffer, length, false)?;
    let _lock = FileLock::acquire(open.file)?;
    let request = match Request::new(open.file, IRP_MJ_SET_VOLUME_INFORMATION) {
        Ok(request) => request,
        Err(status) => return Ok(IoStatus::of(status)),
    };
    if let Err(status) = request.system_buffer(buffer, length as usize, Direction::Out) {
        request.abandon()?;
        return Ok(IoStatus::of(status));
    }
    request.irp.Flags.set(request.irp.Flags.get() | IRP_SYNCHRONOUS_API);
    let parameters = request.stack.Parameters.SetVolume();
    parameters.Length.set(length);
    parameters.FsInformationClass.set(class);
    request.send_synchronous()
}

/// Deletes a file by name: opens it with delete-on-close and closes it. Source: NtDeleteFile
pub fn nt_delete_file(p: &CreateParameters<'_>) -> Result<NtStatus, Raise> {
    let parameters = CreateParameters {
        access: right::DELETE,
        share: right::FILE_SHARE_READ | right::FILE_SHARE_WRITE | right::FILE_SHARE_DELETE,
        disposition: create_disposition::FILE_OPEN,
        options: option::FILE_DELETE_ON_CLOSE,
        ..p.clone()
    };
    match io_create_file_object(&parameters)? {
        Ok((file, _)) => {
            objects::dereference(address(file))?;
            Ok(NtStatus::SUCCESS)
        }
        Err(failed) => Ok(failed.status),
    }
}
