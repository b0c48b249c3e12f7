//! Flt: controls and volume queries below an instance, what a volume is, descriptors of ports, waits.

use boundary::{Raise, copy, export};
use fltmgr::control;
use fltmgr::ea::EaQuery;
use fltmgr::tag::ReparseTag;
use nt_abi::irql::{APC_LEVEL, PASSIVE_LEVEL};
use nt_abi::{DISPATCHER_HEADER, FILE_OBJECT, IRP, NtStatus};
use nt_io::ControlBuffers;

use crate::argument::{arg, fault, load_if, rows, store, store_if};
use crate::flt_filter::instance;
use crate::ke::{WAIT_ALL, waited_for};

rows! { "fltmgr.sys", "fltmgr";
    FltFsControlFile done "";
    FltDeviceIoControlFile done "";
    FltQueryEaFile done "";
    FltSetEaFile done "";
    FltTagFile done "RTAG-01 to RTAG-04";
    FltTagFileEx partial "the tag that has to be there is not looked at; RTAG-01 to RTAG-04";
    FltUntagFile done "RTAG-02 to RTAG-04";
    FltQueryVolumeInformationFile done "";
    FltGetFileSystemType done "";
    FltCreateSystemVolumeInformationFolder partial "the folder has no descriptor of its own";
    FltQuerySecurityObject done "PARM-30";
    FltSetSecurityObject done "PARM-30";
    FltBuildDefaultSecurityDescriptor done "";
    FltFreeSecurityDescriptor done "";
    FltCancellableWaitForSingleObject done "";
    FltCancellableWaitForMultipleObjects partial "cancelling does not end a wait for all of several";
}

/// The IRP of callback data, if they have one.
fn irp_of(data: usize) -> Result<Option<&'static IRP>, Raise> {
    if data == 0 { Ok(None) } else { Ok(fltmgr::operation_from(data)?.irp.get()) }
}

fn tagged(
    address: usize,
    file: &'static FILE_OBJECT,
    tag: ReparseTag,
    (data, length): (usize, u16),
) -> Result<NtStatus, Raise> {
    let mut bytes = vec![0; usize::from(length)];
    copy::read(data, &mut bytes).map_err(fault)?;
    fltmgr::tag::flt_tag_file(&*instance(address)?, file, tag, &bytes)
}

export! {
    /// Sends a file-system control below an instance.
    pub fn FltFsControlFile(address: usize, file: *mut FILE_OBJECT, code: u32, input: usize, input_length: u32, output: usize, output_length: u32, count: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltFsControlFile: file);
        let buffers = ControlBuffers { input, input_length, output, output_length };
        let result = control::flt_fs_control_file(&*instance(address)?, file, code, buffers)?;
        store_if(count, result.information as u32)?;
        Ok(result.status)
    }

    /// Sends a device control below an instance.
    pub fn FltDeviceIoControlFile(address: usize, file: *mut FILE_OBJECT, code: u32, input: usize, input_length: u32, output: usize, output_length: u32, count: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltDeviceIoControlFile: file);
        let buffers = ControlBuffers { input, input_length, output, output_length };
        let result = control::flt_device_io_control_file(&*instance(address)?, file, code, buffers)?;
        store_if(count, result.information as u32)?;
        Ok(result.status)
    }

    /// Asks for extended attributes below an instance.
    pub fn FltQueryEaFile(address: usize, file: *mut FILE_OBJECT, buffer: usize, length: u32, single: bool, list: usize, list_length: u32, index: *mut u32, restart: bool, count: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltQueryEaFile: file);
        let query = EaQuery { single, list, list_length, index: load_if(index)?, restart };
        let result = fltmgr::ea::flt_query_ea_file(&*instance(address)?, file, (buffer, length), query)?;
        store_if(count, result.information as u32)?;
        Ok(result.status)
    }

    /// Sets extended attributes below an instance.
    pub fn FltSetEaFile(address: usize, file: *mut FILE_OBJECT, buffer: usize, length: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltSetEaFile: file);
        fltmgr::ea::flt_set_ea_file(&*instance(address)?, file, buffer, length)
    }

    /// Makes a file a reparse point.
    pub fn FltTagFile(address: usize, file: *mut FILE_OBJECT, tag: u32, guid: *mut [u8; 16], data: usize, length: u16) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltTagFile: file);
        tagged(address, file, ReparseTag { tag, guid: load_if(guid)? }, (data, length))
    }

    /// The same, where a tag is there already.
    pub fn FltTagFileEx(address: usize, file: *mut FILE_OBJECT, tag: u32, guid: *mut [u8; 16], data: usize, length: u16, _existing: u32, _existing_guid: usize, _flags: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltTagFileEx: file);
        tagged(address, file, ReparseTag { tag, guid: load_if(guid)? }, (data, length))
    }

    /// Makes a file no reparse point.
    pub fn FltUntagFile(address: usize, file: *mut FILE_OBJECT, tag: u32, guid: *mut [u8; 16]) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltUntagFile: file);
        fltmgr::tag::flt_untag_file(&*instance(address)?, file, ReparseTag { tag, guid: load_if(guid)? })
    }

    /// Queries a file's volume below an instance.
    pub fn FltQueryVolumeInformationFile(address: usize, file: *mut FILE_OBJECT, buffer: usize, length: u32, class: u32, count: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltQueryVolumeInformationFile: file);
        let result = control::flt_query_volume_information_file(&*instance(address)?, file, (buffer, length), class)?;
        store_if(count, result.information as u32)?;
        Ok(result.status)
    }

    /// Which file system a volume, or an instance's volume, has.
    pub fn FltGetFileSystemType(address: usize, kind: *mut u32) -> NtStatus [irql <= APC_LEVEL] {
        store(kind, fltmgr::anchor::volume_at(address)?.file_system(), "FltGetFileSystemType", "FileSystemType")?;
        Ok(NtStatus::SUCCESS)
    }

    /// Makes the folder for the system's files.
    pub fn FltCreateSystemVolumeInformationFolder(address: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        control::flt_create_system_volume_information_folder(&*instance(address)?)
    }

    /// Reads parts of a file's security descriptor below an instance.
    pub fn FltQuerySecurityObject(address: usize, file: *mut FILE_OBJECT, information: u32, buffer: usize, length: u32, needed: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltQuerySecurityObject: file);
        let result = fltmgr::security::flt_query_security_object(&*instance(address)?, file, information, (buffer, length))?;
        store_if(needed, result.information as u32)?;
        Ok(result.status)
    }

    /// Sets parts of it.
    pub fn FltSetSecurityObject(address: usize, file: *mut FILE_OBJECT, information: u32, descriptor: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltSetSecurityObject: file);
        fltmgr::security::flt_set_security_object(&*instance(address)?, file, information, descriptor)
    }

    /// A descriptor that grants access to the system and to administrators.
    pub fn FltBuildDefaultSecurityDescriptor(out: *mut usize, access: u32) -> NtStatus [irql <= APC_LEVEL] {
        match fltmgr::security::flt_build_default_security_descriptor(access)? {
            Ok(descriptor) => {
                store(out, descriptor, "FltBuildDefaultSecurityDescriptor", "SecurityDescriptor")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Frees it.
    pub fn FltFreeSecurityDescriptor(descriptor: usize) -> () [irql <= APC_LEVEL] {
        fltmgr::security::flt_free_security_descriptor(descriptor)
    }

    /// Waits for an object as long as an operation is not cancelled.
    pub fn FltCancellableWaitForSingleObject(object: *mut DISPATCHER_HEADER, timeout: *mut i64, data: usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltCancellableWaitForSingleObject: object);
        nt_io::io_wait_cancellable(&[object], false, load_if(timeout)?, irp_of(data)?)
    }

    /// The same for several.
    pub fn FltCancellableWaitForMultipleObjects(count: u32, objects: *mut usize, wait_type: u32, timeout: *mut i64, wait_blocks: usize, data: usize) -> NtStatus [irql <= APC_LEVEL] {
        let headers = waited_for(count, objects, wait_blocks, "FltCancellableWaitForMultipleObjects")?;
        nt_io::io_wait_cancellable(&headers, wait_type == WAIT_ALL, load_if(timeout)?, irp_of(data)?)
    }
}
