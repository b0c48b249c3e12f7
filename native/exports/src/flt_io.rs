//! I/O that a filter sends below itself.

use boundary::{Raise, export};
use fltmgr::transfer::{self, Transfer};
use fltmgr::{generated, reissue, request};
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL};
use nt_abi::{FILE_OBJECT, IO_STATUS_BLOCK, NativeFn, NtStatus};
use nt_io::{CreateParameters, IoStatus};
use nt_ob::ObjectAttributes;

use crate::argument::{arg, load_if, optional, rows, store, store_if};
use crate::flt_filter::instance;
use crate::zw_file::{DriverContext, list};

rows! { "fltmgr.sys", "fltmgr";
    FltCreateFile done "GIO-24 to GIO-27";
    FltCreateFileEx done "GIO-24 to GIO-27";
    FltCreateFileEx2 done "GIO-24 to GIO-27";
    FltClose done "GIO-27";
    FltCancelFileOpen done "GIO-36 to GIO-38";
    FltReadFile done "GIO-16 to GIO-22";
    FltReadFileEx done "GIO-16 to GIO-23";
    FltWriteFile done "GIO-16 to GIO-21";
    FltWriteFileEx done "GIO-16 to GIO-23";
    FltAllocateCallbackData done "GIO-01";
    FltAllocateCallbackDataEx done "GIO-01, GIO-02";
    FltFreeCallbackData done "GIO-03 to GIO-05";
    FltReuseCallbackData done "GIO-03 to GIO-05";
    FltPerformSynchronousIo done "GIO-06, CBD-18, CBD-19";
    FltPerformAsynchronousIo done "GIO-07 to GIO-11";
    FltReissueSynchronousIo done "GIO-12 to GIO-15";
    FltQueryInformationFile done "GIO-30";
    FltQueryInformationByName partial "the create context is not used; FSF-28";
    FltSetInformationFile done "GIO-31";
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
    /// Address and bytes of a list of extended attributes.
    ea: (usize, u32),
    flags: u32,
    context: DriverContext,
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
    let transaction = match create.context.transaction()? {
        Ok(transaction) => transaction,
        Err(status) => return Ok(status),
    };
    let below = if address == 0 { None } else { Some(instance(address)?) };
    let ea = list(create.ea.0, create.ea.1)?;
    let parameters = CreateParameters {
        name: &attributes.name,
        root: attributes.root,
        object_attributes: attributes.attributes,
        ea: &ea,
        access: create.access,
        file_attributes: create.file_attributes,
        share: create.share,
        disposition: create.disposition,
        options: create.options,
        allocation: load_if(create.allocation)?,
        create_flags: create.flags,
        ecp_list: create.context.ecp_list,
        transaction,
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

/// The callback of a read or write, and its context.
fn callback(routine: usize, context: usize) -> Option<(NativeFn, usize)> {
    (routine != 0).then_some((NativeFn(routine), context))
}

/// With a callback nobody is told the count.
fn moved(done: IoStatus, asynchronous: bool, count: *mut u32) -> Result<NtStatus, Raise> {
    if asynchronous { Ok(done.status) } else { transferred(done, count) }
}

fn allocate(
    address: usize,
    file: usize,
    flags: u32,
    data: *mut usize,
    export: &str,
) -> Result<NtStatus, Raise> {
    match request::flt_allocate_callback_data(&instance(address)?, file, flags)? {
        Ok(made) => {
            store(data, made, export, "RetNewCallbackData")?;
            Ok(NtStatus::SUCCESS)
        }
        Err(status) => {
            store(data, 0, export, "RetNewCallbackData")?;
            Ok(status)
        }
    }
}

export! {
    /// Opens a file below an instance.
    pub fn FltCreateFile(_filter: usize, address: usize, handle: *mut usize, access: u32, attributes: usize, iosb: *mut IO_STATUS_BLOCK, allocation: *mut i64, file_attributes: u32, share: u32, disposition: u32, options: u32, ea: usize, ea_length: u32, flags: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let wanted = Create { access, attributes, allocation, file_attributes, share, disposition, options, ea: (ea, ea_length), flags, context: DriverContext::default() };
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
    pub fn FltCreateFileEx(_filter: usize, address: usize, handle: *mut usize, file: *mut usize, access: u32, attributes: usize, iosb: *mut IO_STATUS_BLOCK, allocation: *mut i64, file_attributes: u32, share: u32, disposition: u32, options: u32, ea: usize, ea_length: u32, flags: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let wanted = Create { access, attributes, allocation, file_attributes, share, disposition, options, ea: (ea, ea_length), flags, context: DriverContext::default() };
        create(address, handle, file, iosb, &wanted)
    }

    /// The same with what a driver says beyond the parameters. The device is the instance's.
    pub fn FltCreateFileEx2(_filter: usize, address: usize, handle: *mut usize, file: *mut usize, access: u32, attributes: usize, iosb: *mut IO_STATUS_BLOCK, allocation: *mut i64, file_attributes: u32, share: u32, disposition: u32, options: u32, ea: usize, ea_length: u32, flags: u32, context: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let context = DriverContext::read(context)?;
        let wanted = Create { access, attributes, allocation, file_attributes, share, disposition, options, ea: (ea, ea_length), flags, context };
        create(address, handle, file, iosb, &wanted)
    }

    /// Closes a handle of those.
    pub fn FltClose(handle: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        generated::flt_close(handle)
    }

    /// Undoes a successful create.
    pub fn FltCancelFileOpen(address: usize, file: *mut FILE_OBJECT) -> () [irql <= PASSIVE_LEVEL] {
        arg!(FltCancelFileOpen: file);
        reissue::flt_cancel_file_open(&*instance(address)?, file)
    }

    /// Reads below an instance.
    pub fn FltReadFile(address: usize, file: *mut FILE_OBJECT, offset: *mut i64, length: u32, buffer: usize, flags: u32, count: *mut u32, routine: usize, context: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltReadFile: file);
        let callback = callback(routine, context);
        let wanted = Transfer { offset: load_if(offset)?, length, buffer, mdl: 0, flags, key: 0, callback };
        moved(transfer::flt_read_file(&instance(address)?, file, wanted)?, callback.is_some(), count)
    }

    /// The same into an MDL, with a lock key.
    pub fn FltReadFileEx(address: usize, file: *mut FILE_OBJECT, offset: *mut i64, length: u32, buffer: usize, flags: u32, count: *mut u32, routine: usize, context: usize, key: *mut u32, mdl: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltReadFileEx: file);
        let (callback, key) = (callback(routine, context), load_if(key)?.unwrap_or(0));
        let wanted = Transfer { offset: load_if(offset)?, length, buffer, mdl, flags, key, callback };
        moved(transfer::flt_read_file(&instance(address)?, file, wanted)?, callback.is_some(), count)
    }

    /// Writes below an instance.
    pub fn FltWriteFile(address: usize, file: *mut FILE_OBJECT, offset: *mut i64, length: u32, buffer: usize, flags: u32, count: *mut u32, routine: usize, context: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltWriteFile: file);
        let callback = callback(routine, context);
        let wanted = Transfer { offset: load_if(offset)?, length, buffer, mdl: 0, flags, key: 0, callback };
        moved(transfer::flt_write_file(&instance(address)?, file, wanted)?, callback.is_some(), count)
    }

    /// The same from an MDL, with a lock key.
    pub fn FltWriteFileEx(address: usize, file: *mut FILE_OBJECT, offset: *mut i64, length: u32, buffer: usize, flags: u32, count: *mut u32, routine: usize, context: usize, key: *mut u32, mdl: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FltWriteFileEx: file);
        let (callback, key) = (callback(routine, context), load_if(key)?.unwrap_or(0));
        let wanted = Transfer { offset: load_if(offset)?, length, buffer, mdl, flags, key, callback };
        moved(transfer::flt_write_file(&instance(address)?, file, wanted)?, callback.is_some(), count)
    }

    /// Callback data for an operation below an instance.
    pub fn FltAllocateCallbackData(address: usize, file: usize, data: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        allocate(address, file, 0, data, "FltAllocateCallbackData")
    }

    /// The same with flags.
    pub fn FltAllocateCallbackDataEx(address: usize, file: usize, flags: u32, data: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        allocate(address, file, flags, data, "FltAllocateCallbackDataEx")
    }

    /// Frees them.
    pub fn FltFreeCallbackData(data: usize) -> () [irql <= DISPATCH_LEVEL] {
        request::flt_free_callback_data(data)
    }

    /// Makes them as new.
    pub fn FltReuseCallbackData(data: usize) -> () [irql <= APC_LEVEL] {
        request::flt_reuse_callback_data(data)
    }

    /// Issues their operation and waits.
    pub fn FltPerformSynchronousIo(data: usize) -> () [irql <= APC_LEVEL] {
        request::flt_perform_synchronous_io(data)
    }

    /// Issues their operation.
    pub fn FltPerformAsynchronousIo(data: usize, routine: usize, context: usize) -> NtStatus [irql <= APC_LEVEL] {
        request::flt_perform_asynchronous_io(data, NativeFn(routine), context)
    }

    /// Issues an operation again.
    pub fn FltReissueSynchronousIo(address: usize, data: usize) -> () [irql <= APC_LEVEL] {
        reissue::flt_reissue_synchronous_io(&instance(address)?, data)
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
