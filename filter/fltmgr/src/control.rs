//! Controls and volume queries that a minifilter issues below itself, and the folder that it may keep files in.
//!
//! Buffers are a driver's own, so they reach the file system as the control code's method says, unprobed.

use boundary::{Raise, copy};
use nt_abi::{
    FILE_OBJECT, IRP_BUFFERED_IO, IRP_MJ_DEVICE_CONTROL, IRP_MJ_FILE_SYSTEM_CONTROL,
    IRP_MJ_QUERY_VOLUME_INFORMATION, IRP_SYNCHRONOUS_API, METHOD_BUFFERED, METHOD_IN_DIRECT, METHOD_NEITHER,
    NtStatus, create_disposition, create_options as option, file_access as right, file_attributes,
    object_attributes as obj,
};
use nt_ex::pool::{self, PoolKind};
use nt_io::{ControlBuffers, CreateParameters, IoStatus};

use crate::generated::{flt_close, flt_create_file, issue};
use crate::instance::Instance;

const TAG: u32 = u32::from_le_bytes(*b"FMct");
const FOLDER: &str = r"\System Volume Information";

/// Sends a file-system control below `instance`, and waits.
///
/// Source:  FltFsControlFile
/// IRQL:    PASSIVE_LEVEL
/// Errors:  INSUFFICIENT_RESOURCES · what the file system answered
pub fn flt_fs_control_file(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    code: u32,
    buffers: ControlBuffers,
) -> Result<IoStatus, Raise> {
    control(instance, file, IRP_MJ_FILE_SYSTEM_CONTROL, code, buffers)
}

/// Sends a device control below `instance`, and waits.
///
/// Source:  FltDeviceIoControlFile
/// IRQL:    PASSIVE_LEVEL
/// Errors:  INSUFFICIENT_RESOURCES · what the file system answered
pub fn flt_device_io_control_file(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    code: u32,
    buffers: ControlBuffers,
) -> Result<IoStatus, Raise> {
    control(instance, file, IRP_MJ_DEVICE_CONTROL, code, buffers)
}

fn control(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    major: u8,
    code: u32,
    buffers: ControlBuffers,
) -> Result<IoStatus, Raise> {
    let method = code & 3;
    // The length of a buffer that is not there does not count. Source: GIO-34.
    let length = |address: usize, length: u32| if address == 0 { 0 } else { length };
    let buffers = ControlBuffers {
        input_length: length(buffers.input, buffers.input_length),
        output_length: length(buffers.output, buffers.output_length),
        ..buffers
    };
    let room = match method {
        METHOD_NEITHER => 0,
        METHOD_BUFFERED => buffers.input_length.max(buffers.output_length),
        _ => buffers.input_length,
    };
    if room == 0 {
        return exchange(instance, file, (major, code), &buffers, 0);
    }
    let Some(block) = pool::allocate_engine(PoolKind::NonPaged, room as usize, TAG) else {
        return Ok(IoStatus::of(NtStatus::INSUFFICIENT_RESOURCES));
    };
    let result = exchange(instance, file, (major, code), &buffers, block.as_ptr() as usize);
    pool::free(block.as_ptr(), Some(TAG))?;
    result
}

/// Sends it with the system buffer at `system`, 0 for none. Whatever fails, only that buffer is left.
fn exchange(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    (major, code): (u8, u32),
    buffers: &ControlBuffers,
    system: usize,
) -> Result<IoStatus, Raise> {
    let method = code & 3;
    let (input, output) = (buffers.input_length as usize, buffers.output_length as usize);
    if system != 0 {
        copy::copy(system, buffers.input, input)?;
    }
    let mut mdl = None;
    if !matches!(method, METHOD_BUFFERED | METHOD_NEITHER) && output != 0 {
        let Some(made) = nt_io::io_allocate_mdl(buffers.output, buffers.output_length, false, None) else {
            return Ok(IoStatus::of(NtStatus::INSUFFICIENT_RESOURCES));
        };
        if let Err(raise) =
            nt_mm::mdl::probe_and_lock_pages(made, false, u32::from(method != METHOD_IN_DIRECT))
        {
            nt_io::io_free_mdl(made)?;
            return Err(raise);
        }
        mdl = Some(made);
    }
    let result = issue(&instance.volume, Some(&instance.altitude), file, major, |irp, stack| {
        irp.Flags.set(IRP_SYNCHRONOUS_API | if system == 0 { 0 } else { IRP_BUFFERED_IO });
        irp.SystemBuffer().set(system as *mut _);
        if let Some(mdl) = mdl {
            irp.MdlAddress.set(std::ptr::from_ref(mdl).cast_mut());
        }
        let control = stack.Parameters.FileSystemControl();
        control.OutputBufferLength.set(buffers.output_length);
        control.InputBufferLength.set(buffers.input_length);
        control.FsControlCode.set(code);
        if method == METHOD_NEITHER {
            control.Type3InputBuffer.set(buffers.input as *mut _);
            irp.UserBuffer.set(buffers.output as *mut _);
        }
    });
    if let Some(mdl) = mdl {
        nt_mm::mdl::unlock_pages(mdl)?;
        nt_io::io_free_mdl(mdl)?;
    }
    let result = result?;
    if system != 0 && method == METHOD_BUFFERED && !result.status.is_error() {
        copy::copy(buffers.output, system, result.information.min(output))?;
    }
    Ok(result)
}

/// Queries information about the volume of `file` below `instance` into `buffer`.
///
/// Source:  FltQueryVolumeInformationFile
/// IRQL:    PASSIVE_LEVEL
/// Errors:  what the file system answered
pub fn flt_query_volume_information_file(
    instance: &Instance,
    file: &'static FILE_OBJECT,
    (buffer, length): (usize, u32),
    class: u32,
) -> Result<IoStatus, Raise> {
    let major = IRP_MJ_QUERY_VOLUME_INFORMATION;
    issue(&instance.volume, Some(&instance.altitude), file, major, |irp, stack| {
        irp.Flags.set(IRP_SYNCHRONOUS_API | IRP_BUFFERED_IO);
        irp.SystemBuffer().set(buffer as *mut _);
        let query = stack.Parameters.QueryVolume();
        query.Length.set(length);
        query.FsInformationClass.set(class);
    })
}

/// Makes the folder for the system's files in the root of the instance's volume, unless it is there.
///
/// Source:  FltCreateSystemVolumeInformationFolder
/// IRQL:    PASSIVE_LEVEL
/// Errors:  as a create
pub fn flt_create_system_volume_information_folder(instance: &Instance) -> Result<NtStatus, Raise> {
    let mut name = crate::lookup::flt_get_volume_name(&instance.volume).to_vec();
    name.extend(FOLDER.encode_utf16());
    let opened = flt_create_file(
        Some(instance),
        CreateParameters {
            name: &name,
            object_attributes: obj::OBJ_KERNEL_HANDLE | obj::OBJ_CASE_INSENSITIVE,
            access: right::FILE_LIST_DIRECTORY | right::SYNCHRONIZE,
            file_attributes: file_attributes::FILE_ATTRIBUTE_HIDDEN | file_attributes::FILE_ATTRIBUTE_SYSTEM,
            share: right::FILE_SHARE_READ | right::FILE_SHARE_WRITE | right::FILE_SHARE_DELETE,
            disposition: create_disposition::FILE_OPEN_IF,
            options: option::FILE_DIRECTORY_FILE | option::FILE_SYNCHRONOUS_IO_NONALERT,
            ..CreateParameters::default()
        },
    )?;
    if opened.handle != 0 {
        flt_close(opened.handle)?;
    }
    Ok(opened.status)
}
