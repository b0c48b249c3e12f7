//! I/O that a filter sends below itself.

use boundary::{Raise, export};
use fltmgr::generated::{self, Transfer};
use nt_abi::irql::PASSIVE_LEVEL;
use nt_abi::{FILE_OBJECT, IO_STATUS_BLOCK, NtStatus};
use nt_io::{CreateParameters, IoStatus};
use nt_ob::ObjectAttributes;

use crate::argument::{arg, load_if, optional, rows, store, store_if};
use crate::flt_filter::instance;

rows! { "fltmgr.sys", "fltmgr";
    FltCreateFile partial "no extended attributes; GIO-24 to GIO-27";
    FltCreateFileEx partial "no extended attributes; GIO-24 to GIO-27";
    FltClose done "GIO-27";
    FltCancelFileOpen done "GIO-36, GIO-37";
    FltReadFile partial "synchronous; GIO-16 to GIO-21";
    FltWriteFile partial "synchronous; GIO-16 to GIO-21";
    FltQueryInformationFile done "GIO-30";
    FltQueryInformationByName partial "the create context is not used; FSF-28";
    FltSetInformationFile partial "no rename to another directory";
    FltFlushBuffers done "GIO-32";
}

/// What a create is asked for, besides names.
struct Create {
    access: u32,
    attributes: usize,
    allocation: *mut i64,
    file_attributes: u32,
    share: u32,
    disposition: u32,
    options: u32,
    flags: u32,
}

fn create(
    address: usize,
    handle: *mut usize,
    file: *mut usize,
    iosb: *mut IO_STATUS_BLOCK,
    create: &Create,
) -> Result<NtStatus, Raise> {
    let attributes = match ObjectAttributes::capture(create.attributes)? {
        Ok(attributes) => attributes,
        Err(status) => return Ok(status),
    };
    let below = if address == 0 { None } else { Some(instance(address)?) };
    let parameters = CreateParameters {
        name: &attributes.name,
        root: attributes.root,
        object_attributes: attributes.attributes,
        access: create.access,
        file_attributes: create.file_attributes,
        share: create.share,
        disposition: create.disposition,
        options: create.options,
        allocation: load_if(create.allocation)?,
        create_flags: create.flags,
        ..CreateParameters::default()
    };
    let opened = generated::flt_create_file(below.as_deref(), parameters)?;
    if let Some(iosb) = optional(iosb, "FltCreateFile", "IoStatusBlock")? {
        iosb.Status.set(opened.status);
        iosb.Information.set(opened.information);
    }
    if opened.status.is_success() {
        store(handle, opened.handle, "FltCreateFile", "FileHandle")?;
        if !file.is_null() {
            match nt_io::reference_file_by_handle(opened.handle, 0, 0) {
                Ok((object, _)) => store_if(file, std::ptr::from_ref(object) as usize)?,
                Err(status) => return Ok(status),
            }
        }
    }
    Ok(opened.status)
}

fn transferred(done: IoStatus, count: *mut u32) -> Result<NtStatus, Raise> {
    store_if(count, done.information as u32)?;
    Ok(done.status)
}

/// The arguments of a read or write. Errors: NOT_IMPLEMENTED when a completion callback is given.
fn transfer(
    offset: *mut i64,
    length: u32,
    buffer: usize,
    flags: u32,
    callback: usize,
) -> Result<Result<Transfer, NtStatus>, Raise> {
    if callback != 0 {
        return Ok(Err(NtStatus::NOT_IMPLEMENTED));
    }
    Ok(Ok(Transfer { offset: load_if(offset)?, length, buffer, flags, key: 0 }))
}

export! {
    /// Opens a file below an instance.
    pub fn FltCreateFile(_filter: usize, address: usize, handle: *mut usize, access: u32, attributes: usize, iosb: *mut IO_STATUS_BLOCK, allocation: *mut i64, file_attributes: u32, share: u32, disposition: u32, options: u32, _ea: usize, _ea_length: u32, flags: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let wanted = Create { access, attributes, allocation, file_attributes, share, disposition, options, flags };
        create(address, handle, std::ptr::null_mut(), iosb, &wanted)
    }

    /// Information about a file by its name, asked below an instance.
    pub fn FltQueryInformationByName(_filter: usize, address: usize, attributes: usize, iosb: *mut IO_STATUS_BLOCK, buffer: usize, length: u32, class: u32, _context: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let attributes = match ObjectAttributes::capture(attributes)? {
            Ok(attributes) => attributes,
            Err(status) => return Ok(status),
        };
        let below = if address == 0 { None } else { Some(instance(address)?) };
        let parameters = CreateParameters {
            name: &attributes.name,
            root: attributes.root,
            object_attributes: attributes.attributes,
            ..CreateParameters::default()
        };
        let result = generated::flt_query_information_by_name(below.as_deref(), parameters, buffer, length, class)?;
        if let Some(iosb) = optional(iosb, "FltQueryInformationByName", "IoStatusBlock")? {
            iosb.Status.set(result.status);
            iosb.Information.set(result.information);
        }
        Ok(result.status)
    }

    /// Opens a file below an instance and gives its file object too, referenced.
    pub fn FltCreateFileEx(_filter: usize, address: usize, handle: *mut usize, file: *mut usize, access: u32, attributes: usize, iosb: *mut IO_STATUS_BLOCK, allocation: *mut i64, file_attributes: u32, share: u32, disposition: u32, options: u32, _ea: usize, _ea_length: u32, flags: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let wanted = Create { access, attributes, allocation, file_attributes, share, disposition, options, flags };
        create(address, handle, file, iosb, &wanted)
    }

    /// Closes a handle of those.
    pub fn FltClose(handle: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        generated::flt_close(handle)
    }

    /// Undoes a successful create.
    pub fn FltCancelFileOpen(address: usize, file: *mut FILE_OBJECT) -> () [irql <= PASSIVE_LEVEL] {
        arg!(FltCancelFileOpen: file);
        generated::flt_cancel_file_open(&*instance(address)?, file)
    }

    /// Reads below an instance.
    pub fn FltReadFile(address: usize, file: *mut FILE_OBJECT, offset: *mut i64, length: u32, buffer: usize, flags: u32, count: *mut u32, callback: usize, _context: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltReadFile: file);
        match transfer(offset, length, buffer, flags, callback)? {
            Ok(wanted) => transferred(generated::flt_read_file(&*instance(address)?, file, wanted)?, count),
            Err(status) => Ok(status),
        }
    }

    /// Writes below an instance.
    pub fn FltWriteFile(address: usize, file: *mut FILE_OBJECT, offset: *mut i64, length: u32, buffer: usize, flags: u32, count: *mut u32, callback: usize, _context: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltWriteFile: file);
        match transfer(offset, length, buffer, flags, callback)? {
            Ok(wanted) => transferred(generated::flt_write_file(&*instance(address)?, file, wanted)?, count),
            Err(status) => Ok(status),
        }
    }

    /// Queries below an instance.
    pub fn FltQueryInformationFile(address: usize, file: *mut FILE_OBJECT, buffer: usize, length: u32, class: u32, count: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltQueryInformationFile: file);
        transferred(generated::flt_query_information_file(&*instance(address)?, file, buffer, length, class)?, count)
    }

    /// Sets below an instance.
    pub fn FltSetInformationFile(address: usize, file: *mut FILE_OBJECT, buffer: usize, length: u32, class: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltSetInformationFile: file);
        Ok(generated::flt_set_information_file(&*instance(address)?, file, buffer, length, class)?.status)
    }

    /// Flushes below an instance.
    pub fn FltFlushBuffers(address: usize, file: *mut FILE_OBJECT) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltFlushBuffers: file);
        generated::flt_flush_buffers(&*instance(address)?, file)
    }
}
