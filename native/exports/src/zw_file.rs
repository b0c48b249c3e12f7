//! Zw: files by handle. Calls come from kernel mode: handles and buffers are the caller's own, nothing is probed.

use boundary::{Raise, copy, export};
use nt_abi::irql::PASSIVE_LEVEL;
use nt_abi::{DEVICE_OBJECT, NativeFn, NtStatus, UNICODE_STRING};
use nt_io::{self as io, Asynchronous, ControlBuffers, CreateParameters, IoStatus, LockRange};
use nt_ke::{Finding, current_core, current_thread};
use nt_ob::ObjectAttributes;

use crate::argument::{fault, load_if, optional, rows, store};
use crate::flt_string::units;

rows! { "ntoskrnl.exe", "nt-io";
    ZwCreateFile done "";
    ZwOpenFile done "";
    IoCreateFile done "CreateFileTypeNone only";
    IoCreateFileEx partial "no pipes or mailslots";
    IoCreateFileSpecifyDeviceObjectHint done "CreateFileTypeNone only";
    ZwReadFile partial "no APC routine";
    ZwWriteFile partial "no APC routine";
    ZwFlushBuffersFile done "";
    ZwQueryInformationFile done "";
    ZwSetInformationFile done "";
    ZwQueryVolumeInformationFile done "";
    ZwSetVolumeInformationFile done "";
    ZwQueryFullAttributesFile done "";
    ZwQueryInformationByName done "FSF-28";
    ZwDeleteFile done "";
    ZwQueryDirectoryFile partial "no APC routine";
    ZwQueryDirectoryFileEx partial "no APC routine";
    ZwNotifyChangeDirectoryFile partial "no APC routine; what the file system answers";
    ZwFsControlFile partial "no APC routine";
    ZwDeviceIoControlFile partial "no APC routine";
    ZwLockFile partial "no APC routine; what the file system answers";
    ZwUnlockFile done "what the file system answers";
    ZwQueryEaFile done "what the file system answers";
    ZwSetEaFile done "what the file system answers";
    ZwQuerySecurityObject partial "files only";
    ZwSetSecurityObject partial "files only";
    ZwCancelIoFile done "";
}

/// Runs a service as called from kernel mode.
pub(crate) fn kernel<R>(service: impl FnOnce() -> R) -> R {
    nt_ps::with_previous_mode(0, service)
}

/// Runs a service on a file, whose end is told by a special kernel APC on Windows.
///
/// Statements: EXEC-09
fn file_service<R>(service: impl FnOnce() -> R) -> R {
    if current_thread().special_apc_disable().get() != 0 {
        current_core().report(Finding::error(
            "EXEC-09",
            "",
            "a Zw routine for files was called in a guarded region: its end is told by a special kernel APC, which the \
             region holds off, so on Windows it waits forever. Leave the region before",
        ));
    }
    kernel(service)
}

/// Stores the status block, as the I/O manager does for requests that were not refused with an error.
fn told(result: IoStatus, block: *mut u64) -> Result<NtStatus, Raise> {
    if !result.status.is_error() && !block.is_null() {
        store(block.cast::<i32>(), result.status.0, "ZwXxxFile", "IoStatusBlock")?;
        store(block.wrapping_add(1), result.information as u64, "ZwXxxFile", "IoStatusBlock")?;
    }
    Ok(result.status)
}

fn asynchronous(event: usize, apc: NativeFn, apc_context: usize, block: *mut u64) -> Asynchronous {
    Asynchronous { event, apc, apc_context, iosb: block as usize }
}

/// A caller's list of extended attributes.
pub(crate) fn list(address: usize, length: u32) -> Result<Vec<u8>, Raise> {
    let mut bytes = Vec::new();
    if address != 0 {
        copy::append(&mut bytes, address, length as usize).map_err(fault)?;
    }
    Ok(bytes)
}

/// Everything that a create may say, as NtCreateFile takes it.
struct Create {
    handle: *mut usize,
    access: u32,
    attributes: usize,
    block: *mut u64,
    allocation: *mut i64,
    file_attributes: u32,
    share: u32,
    disposition: u32,
    options: u32,
    ea: usize,
    ea_length: u32,
    create_flags: u32,
    device: Option<&'static DEVICE_OBJECT>,
    context: DriverContext,
}

/// What of `IO_DRIVER_CREATE_CONTEXT` counts here.
#[derive(Clone, Copy, Default)]
pub(crate) struct DriverContext {
    /// List of extra create parameters.
    pub(crate) ecp_list: usize,
    /// Device of the volume's stack where the create starts.
    pub(crate) device: usize,
    /// `TXN_PARAMETER_BLOCK`.
    pub(crate) transaction: usize,
}

impl DriverContext {
    /// The object of the transaction that it names, 0 for none.
    ///
    /// Errors: INVALID_PARAMETER (no transaction) · TRANSACTION_NOT_ACTIVE
    pub(crate) fn transaction(&self) -> Result<Result<usize, NtStatus>, Raise> {
        if self.transaction == 0 {
            return Ok(Ok(0));
        }
        let object: usize = copy::read_value(self.transaction + 8).map_err(fault)?;
        Ok(nt_tm::transaction_at(object).and_then(|transaction| {
            if transaction.is_active() { Ok(object) } else { Err(NtStatus::TRANSACTION_NOT_ACTIVE) }
        }))
    }

    /// Reads one; none of it for a null pointer.
    pub(crate) fn read(address: usize) -> Result<Self, Raise> {
        if address == 0 {
            return Ok(Self::default());
        }
        let word = |offset: usize| copy::read_value::<usize>(address + offset).map_err(fault);
        let size = word(0)? as u16;
        let transaction = if size >= 0x20 { word(0x18)? } else { 0 };
        Ok(Self { ecp_list: word(8)?, device: word(0x10)?, transaction })
    }
}

impl Create {
    fn run(self) -> Result<NtStatus, Raise> {
        let attributes = match ObjectAttributes::capture(self.attributes)? {
            Ok(attributes) => attributes,
            Err(status) => return Ok(status),
        };
        let ea = list(self.ea, self.ea_length)?;
        let transaction = match self.context.transaction()? {
            Ok(transaction) => transaction,
            Err(status) => return Ok(status),
        };
        let opened = file_service(|| {
            let allocation = load_if(self.allocation)?;
            io::nt_create_file(&CreateParameters {
                name: &attributes.name,
                root: attributes.root,
                object_attributes: attributes.attributes,
                access: self.access,
                file_attributes: self.file_attributes,
                share: self.share,
                disposition: self.disposition,
                options: self.options,
                allocation,
                ea: &ea,
                create_flags: self.create_flags,
                start_device: self.device,
                ecp_list: self.context.ecp_list,
                transaction,
                ..CreateParameters::default()
            })
        })?;
        if opened.handle != 0 {
            store(self.handle, opened.handle, "ZwCreateFile", "FileHandle")?;
        }
        let result = IoStatus { status: opened.status, information: opened.information };
        // A failed create says in the block what stood in its way.
        if !self.block.is_null() {
            store(self.block.cast::<i32>(), result.status.0, "ZwCreateFile", "IoStatusBlock")?;
            store(self.block.wrapping_add(1), result.information as u64, "ZwCreateFile", "IoStatusBlock")?;
        }
        Ok(opened.status)
    }
}

/// Opens by attributes only, for services that take a name.
fn named<R>(
    address: usize,
    service: impl FnOnce(&CreateParameters<'_>) -> Result<R, Raise>,
) -> Result<Result<R, NtStatus>, Raise> {
    let attributes = match ObjectAttributes::capture(address)? {
        Ok(attributes) => attributes,
        Err(status) => return Ok(Err(status)),
    };
    let parameters = CreateParameters {
        name: &attributes.name,
        root: attributes.root,
        object_attributes: attributes.attributes,
        ..CreateParameters::default()
    };
    file_service(|| service(&parameters)).map(Ok)
}

/// FILE_OPEN.
const OPEN: u32 = 1;
/// SL_RESTART_SCAN and SL_RETURN_SINGLE_ENTRY.
const RESTART: u8 = 1;
const SINGLE: u8 = 2;

fn pattern(name: *mut UNICODE_STRING) -> Result<Option<Vec<u16>>, Raise> {
    optional(name, "ZwQueryDirectoryFile", "FileName")?.map(units).transpose()
}

export! {
    /// Opens or creates a file.
    pub fn ZwCreateFile(handle: *mut usize, access: u32, attributes: usize, block: *mut u64, allocation: *mut i64, file_attributes: u32, share: u32, disposition: u32, options: u32, ea: usize, ea_length: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        Create { handle, access, attributes, block, allocation, file_attributes, share, disposition, options, ea, ea_length, create_flags: 0, device: None, context: DriverContext::default() }.run()
    }

    /// Opens a file.
    pub fn ZwOpenFile(handle: *mut usize, access: u32, attributes: usize, block: *mut u64, share: u32, options: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let allocation = std::ptr::null_mut();
        Create { handle, access, attributes, block, allocation, file_attributes: 0, share, disposition: OPEN, options, ea: 0, ea_length: 0, create_flags: 0, device: None, context: DriverContext::default() }.run()
    }

    /// Opens or creates a file.
    pub fn IoCreateFile(handle: *mut usize, access: u32, attributes: usize, block: *mut u64, allocation: *mut i64, file_attributes: u32, share: u32, disposition: u32, options: u32, ea: usize, ea_length: u32, kind: u32, _extra: usize, create_flags: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        if kind != 0 {
            return Ok(NtStatus::NOT_SUPPORTED);
        }
        Create { handle, access, attributes, block, allocation, file_attributes, share, disposition, options, ea, ea_length, create_flags, device: None, context: DriverContext::default() }.run()
    }

    /// Opens or creates a file with what a driver says beyond the parameters.
    pub fn IoCreateFileEx(handle: *mut usize, access: u32, attributes: usize, block: *mut u64, allocation: *mut i64, file_attributes: u32, share: u32, disposition: u32, options: u32, ea: usize, ea_length: u32, kind: u32, _extra: usize, create_flags: u32, context: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        if kind != 0 {
            return Ok(NtStatus::NOT_SUPPORTED);
        }
        let context = DriverContext::read(context)?;
        let device = optional(context.device as *mut DEVICE_OBJECT, "IoCreateFileEx", "DeviceObjectHint")?;
        Create { handle, access, attributes, block, allocation, file_attributes, share, disposition, options, ea, ea_length, create_flags, device, context }.run()
    }

    /// Opens or creates a file; the request begins at a device of the volume's stack.
    pub fn IoCreateFileSpecifyDeviceObjectHint(handle: *mut usize, access: u32, attributes: usize, block: *mut u64, allocation: *mut i64, file_attributes: u32, share: u32, disposition: u32, options: u32, ea: usize, ea_length: u32, kind: u32, _extra: usize, create_flags: u32, device: *mut DEVICE_OBJECT) -> NtStatus [irql <= PASSIVE_LEVEL] {
        if kind != 0 {
            return Ok(NtStatus::NOT_SUPPORTED);
        }
        let device = optional(device, "IoCreateFileSpecifyDeviceObjectHint", "DeviceObject")?;
        Create { handle, access, attributes, block, allocation, file_attributes, share, disposition, options, ea, ea_length, create_flags, device, context: DriverContext::default() }.run()
    }

    /// Reads.
    pub fn ZwReadFile(handle: usize, event: usize, apc: NativeFn, context: usize, block: *mut u64, buffer: usize, length: u32, offset: *mut i64, key: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let (offset, key) = (load_if(offset)?, load_if(key)?);
        Ok(file_service(|| io::nt_read_file(handle, &asynchronous(event, apc, context, block), buffer, length, offset, key))?.status)
    }

    /// Writes.
    pub fn ZwWriteFile(handle: usize, event: usize, apc: NativeFn, context: usize, block: *mut u64, buffer: usize, length: u32, offset: *mut i64, key: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let (offset, key) = (load_if(offset)?, load_if(key)?);
        Ok(file_service(|| io::nt_write_file(handle, &asynchronous(event, apc, context, block), buffer, length, offset, key))?.status)
    }

    /// Writes what is cached.
    pub fn ZwFlushBuffersFile(handle: usize, block: *mut u64) -> NtStatus [irql <= PASSIVE_LEVEL] {
        told(file_service(|| io::nt_flush_buffers_file(handle, 0))?, block)
    }

    /// What is known of a file.
    pub fn ZwQueryInformationFile(handle: usize, block: *mut u64, buffer: usize, length: u32, class: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        told(file_service(|| io::nt_query_information_file(handle, buffer, length, class))?, block)
    }

    /// Changes what is known of a file.
    pub fn ZwSetInformationFile(handle: usize, block: *mut u64, buffer: usize, length: u32, class: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        told(file_service(|| io::nt_set_information_file(handle, buffer, length, class))?, block)
    }

    /// What is known of a file's volume.
    pub fn ZwQueryVolumeInformationFile(handle: usize, block: *mut u64, buffer: usize, length: u32, class: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        told(file_service(|| io::nt_query_volume_information_file(handle, buffer, length, class))?, block)
    }

    /// Changes what is known of a file's volume.
    pub fn ZwSetVolumeInformationFile(handle: usize, block: *mut u64, buffer: usize, length: u32, class: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        told(file_service(|| io::nt_set_volume_information_file(handle, buffer, length, class))?, block)
    }

    /// FILE_NETWORK_OPEN_INFORMATION of a file by name.
    pub fn ZwQueryFullAttributesFile(attributes: usize, buffer: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        Ok(named(attributes, |p| io::nt_query_full_attributes_file(p, buffer))?.unwrap_or_else(|status| status))
    }

    /// Information about a file by name.
    pub fn ZwQueryInformationByName(attributes: usize, block: *mut u64, buffer: usize, length: u32, class: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let query = |p: &CreateParameters<'_>| nt_fsrtl::fs_filter::nt_query_information_by_name(p, buffer, length, class);
        match named(attributes, query)? {
            Ok(result) => told(result, block),
            Err(status) => Ok(status),
        }
    }

    /// Deletes a file by name.
    pub fn ZwDeleteFile(attributes: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        Ok(named(attributes, io::nt_delete_file)?.unwrap_or_else(|status| status))
    }

    /// Lists a directory.
    pub fn ZwQueryDirectoryFile(handle: usize, event: usize, apc: NativeFn, context: usize, block: *mut u64, buffer: usize, length: u32, class: u32, single: u8, name: *mut UNICODE_STRING, restart: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let name = pattern(name)?;
        let flags = if restart != 0 { RESTART } else { 0 } | if single != 0 { SINGLE } else { 0 };
        let how = asynchronous(event, apc, context, block);
        Ok(file_service(|| io::nt_query_directory_file(handle, &how, (buffer, length), class, flags, name.as_deref()))?.status)
    }

    /// Lists a directory; the flags are those of the request.
    pub fn ZwQueryDirectoryFileEx(handle: usize, event: usize, apc: NativeFn, context: usize, block: *mut u64, buffer: usize, length: u32, class: u32, flags: u32, name: *mut UNICODE_STRING) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let name = pattern(name)?;
        let how = asynchronous(event, apc, context, block);
        Ok(file_service(|| io::nt_query_directory_file(handle, &how, (buffer, length), class, flags as u8, name.as_deref()))?.status)
    }

    /// Asks to be told of changes.
    pub fn ZwNotifyChangeDirectoryFile(handle: usize, event: usize, apc: NativeFn, context: usize, block: *mut u64, buffer: usize, length: u32, filter: u32, tree: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let how = asynchronous(event, apc, context, block);
        Ok(file_service(|| io::nt_notify_change_directory_file(handle, &how, (buffer, length), filter, tree != 0))?.status)
    }

    /// A file-system control.
    pub fn ZwFsControlFile(handle: usize, event: usize, apc: NativeFn, context: usize, block: *mut u64, code: u32, input: usize, input_length: u32, output: usize, output_length: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let buffers = ControlBuffers { input, input_length, output, output_length };
        Ok(file_service(|| io::nt_fs_control_file(handle, &asynchronous(event, apc, context, block), code, buffers))?.status)
    }

    /// A device control.
    pub fn ZwDeviceIoControlFile(handle: usize, event: usize, apc: NativeFn, context: usize, block: *mut u64, code: u32, input: usize, input_length: u32, output: usize, output_length: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let buffers = ControlBuffers { input, input_length, output, output_length };
        Ok(file_service(|| io::nt_device_io_control_file(handle, &asynchronous(event, apc, context, block), code, buffers))?.status)
    }

    /// Locks a range of bytes.
    pub fn ZwLockFile(handle: usize, event: usize, apc: NativeFn, context: usize, block: *mut u64, offset: *mut i64, length: *mut i64, key: u32, now: u8, exclusive: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let range = range(offset, length, key)?;
        let how = asynchronous(event, apc, context, block);
        Ok(file_service(|| io::nt_lock_file(handle, &how, range, now != 0, exclusive != 0))?.status)
    }

    /// Unlocks a range of bytes.
    pub fn ZwUnlockFile(handle: usize, block: *mut u64, offset: *mut i64, length: *mut i64, key: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let range = range(offset, length, key)?;
        told(file_service(|| io::nt_unlock_file(handle, range))?, block)
    }

    /// Extended attributes.
    pub fn ZwQueryEaFile(handle: usize, block: *mut u64, buffer: usize, length: u32, single: u8, names: usize, names_length: u32, index: *mut u32, restart: u8) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let (names, index) = (list(names, names_length)?, load_if(index)?);
        let flags = if restart != 0 { RESTART } else { 0 } | if single != 0 { SINGLE } else { 0 };
        let names = (!names.is_empty()).then_some(names.as_slice());
        told(file_service(|| io::nt_query_ea_file(handle, (buffer, length), flags, names, index))?, block)
    }

    /// Changes extended attributes.
    pub fn ZwSetEaFile(handle: usize, block: *mut u64, buffer: usize, length: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        told(file_service(|| io::nt_set_ea_file(handle, buffer, length))?, block)
    }

    /// A file's security descriptor.
    pub fn ZwQuerySecurityObject(handle: usize, information: u32, buffer: usize, length: u32, needed: *mut u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let result = file_service(|| io::nt_query_security_file(handle, information, buffer, length))?;
        store(needed, result.information as u32, "ZwQuerySecurityObject", "LengthNeeded")?;
        Ok(if result.status == NtStatus::BUFFER_OVERFLOW { NtStatus::BUFFER_TOO_SMALL } else { result.status })
    }

    /// Changes a file's security descriptor.
    pub fn ZwSetSecurityObject(handle: usize, information: u32, descriptor: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        Ok(file_service(|| io::nt_set_security_file(handle, information, descriptor))?.status)
    }

    /// Cancels the thread's requests.
    pub fn ZwCancelIoFile(handle: usize, block: *mut u64) -> NtStatus [irql <= PASSIVE_LEVEL] {
        told(file_service(|| io::nt_cancel_io_file(handle, false))?, block)
    }
}

fn range(offset: *mut i64, length: *mut i64, key: u32) -> Result<LockRange, Raise> {
    Ok(LockRange {
        offset: crate::argument::load(offset, "ZwLockFile", "ByteOffset")?,
        length: crate::argument::load(length, "ZwLockFile", "Length")?,
        key,
    })
}
