//! Control requests, directory queries, change notification, locks, EAs, security, cancellation by handle.

use nt_abi::{
    FILE_LIST_DIRECTORY, FILE_READ_DATA, FILE_READ_EA, FILE_WRITE_DATA, FILE_WRITE_EA,
    IRP_DEFER_IO_COMPLETION, IRP_MJ_DEVICE_CONTROL, IRP_MJ_DIRECTORY_CONTROL, IRP_MJ_FILE_SYSTEM_CONTROL,
    IRP_MJ_LOCK_CONTROL, IRP_MJ_QUERY_EA, IRP_MJ_QUERY_SECURITY, IRP_MJ_SET_EA, IRP_MJ_SET_SECURITY,
    IRP_MN_LOCK, IRP_MN_NOTIFY_CHANGE_DIRECTORY, IRP_MN_QUERY_DIRECTORY, IRP_MN_UNLOCK_SINGLE,
    IRP_MN_USER_FS_REQUEST, IRP_SYNCHRONOUS_API, NtStatus, SL_EXCLUSIVE_LOCK, SL_FAIL_IMMEDIATELY,
    SL_INDEX_SPECIFIED, SL_RESTART_SCAN, SL_RETURN_SINGLE_ENTRY, SL_WATCH_TREE, UNICODE_STRING,
};
use nt_ke::Raise;

use crate::device::io_get_related_device;
use crate::fast::io_fast_device_control;
use crate::file::{FileLock, OpenFile, open_file};
use crate::irp::tail;
use crate::issue::{Asynchronous, Direction, IoResult, IoStatus, Request, previous_mode};
use crate::memory;
use crate::pointer::{address, at_address, pointer};

const AUXILIARY_TAG: u32 = u32::from_le_bytes(*b"IoBu");

/// Opens the handle, or leaves the service with the status.
macro_rules! opened {
    ($handle:expr, $access:expr) => {
        match open_file($handle, $access) {
            Ok(open) => open,
            Err(status) => return Ok(IoStatus::of(status)),
        }
    };
}

/// Makes the request, or leaves the service with the status.
macro_rules! request {
    ($open:expr, $major:expr) => {
        match Request::new($open.file, $major) {
            Ok(request) => request,
            Err(status) => return Ok(IoStatus::of(status)),
        }
    };
}

fn probe_for_write(buffer: usize, length: u32) -> Result<(), Raise> {
    if previous_mode() != 0 && length != 0 {
        nt_mm::probe::probe_for_write(buffer, length as usize, 1)
    } else {
        Ok(())
    }
}

fn probe_for_read(buffer: usize, length: u32) -> Result<(), Raise> {
    if previous_mode() != 0 && length != 0 {
        nt_mm::probe::probe_for_read(buffer, length as usize, 1)
    } else {
        Ok(())
    }
}

/// A file-system or device control request's buffers, as the caller gave them.
#[derive(Clone, Copy, Debug, Default)]
pub struct ControlBuffers {
    /// Address of the input.
    pub input: usize,
    /// Its bytes.
    pub input_length: u32,
    /// Address of the output.
    pub output: usize,
    /// Its bytes.
    pub output_length: u32,
}

fn control(
    open: &OpenFile,
    asynchronous: &Asynchronous,
    major: u8,
    code: u32,
    buffers: ControlBuffers,
) -> IoResult {
    let needed = (code >> 14) & 3;
    let allowed = (needed & 1 == 0 || open.granted & FILE_READ_DATA != 0)
        && (needed & 2 == 0 || open.granted & FILE_WRITE_DATA != 0);
    if previous_mode() != 0 && !allowed {
        return Ok(IoStatus::of(NtStatus::ACCESS_DENIED));
    }
    let method = code & 3;
    if method != nt_abi::METHOD_NEITHER {
        probe_for_read(buffers.input, buffers.input_length)?;
        if method == nt_abi::METHOD_BUFFERED {
            probe_for_write(buffers.output, buffers.output_length)?;
        }
    }
    let _lock = FileLock::acquire(open.file)?;
    // Whoever waits by an event or an APC gets an IRP, which knows of both.
    if major == IRP_MJ_DEVICE_CONTROL
        && asynchronous.event == 0
        && asynchronous.apc.is_null()
        && crate::subsystem().tries_fast_io()
    {
        let device = io_get_related_device(open.file);
        if let Some(result) = io_fast_device_control(device, open.file, true, code, buffers)? {
            asynchronous.finish(result);
            return Ok(result);
        }
    }
    let request = request!(open, major);
    let filled = request.control_buffers(
        method,
        (buffers.input, buffers.input_length as usize),
        (buffers.output, buffers.output_length as usize),
    )?;
    if let Err(status) = filled {
        request.abandon()?;
        return Ok(IoStatus::of(status));
    }
    request.irp.Flags.set(request.irp.Flags.get() | IRP_DEFER_IO_COMPLETION);
    request.stack.MinorFunction.set(IRP_MN_USER_FS_REQUEST);
    let parameters = request.stack.Parameters.DeviceIoControl();
    parameters.OutputBufferLength.set(buffers.output_length);
    parameters.InputBufferLength.set(buffers.input_length);
    parameters.IoControlCode.set(code);
    if method == nt_abi::METHOD_NEITHER {
        parameters.Type3InputBuffer.set(buffers.input as *mut _);
    }
    request.send(asynchronous)
}

/// Sends an FSCTL. Source: NtFsControlFile. Buffers by the method in `code`.
pub fn nt_fs_control_file(
    handle: usize,
    asynchronous: &Asynchronous,
    code: u32,
    buffers: ControlBuffers,
) -> IoResult {
    control(&opened!(handle, 0), asynchronous, IRP_MJ_FILE_SYSTEM_CONTROL, code, buffers)
}

/// Sends an IOCTL. Source: NtDeviceIoControlFile. Buffers by the method in `code`.
pub fn nt_device_io_control_file(
    handle: usize,
    asynchronous: &Asynchronous,
    code: u32,
    buffers: ControlBuffers,
) -> IoResult {
    control(&opened!(handle, 0), asynchronous, IRP_MJ_DEVICE_CONTROL, code, buffers)
}

/// Lists a directory. `flags`: SL_RESTART_SCAN, SL_RETURN_SINGLE_ENTRY and the others of directory queries.
///
/// Source:  NtQueryDirectoryFile, NtQueryDirectoryFileEx; FS-29, SEED-IOPB-32, SEED-IOPB-33
/// Errors:  what the file system answers: NO_SUCH_FILE, NO_MORE_FILES, BUFFER_OVERFLOW …
pub fn nt_query_directory_file(
    handle: usize,
    asynchronous: &Asynchronous,
    (buffer, length): (usize, u32),
    class: u32,
    flags: u8,
    pattern: Option<&[u16]>,
) -> IoResult {
    let open = opened!(handle, FILE_LIST_DIRECTORY);
    probe_for_write(buffer, length)?;
    let _lock = FileLock::acquire(open.file)?;
    let request = request!(open, IRP_MJ_DIRECTORY_CONTROL);
    if let Err(status) = request.data_buffer(buffer, length as usize, Direction::In)? {
        request.abandon()?;
        return Ok(IoStatus::of(status));
    }
    request.irp.Flags.set(request.irp.Flags.get() | IRP_DEFER_IO_COMPLETION);
    let stack = request.stack;
    stack.MinorFunction.set(IRP_MN_QUERY_DIRECTORY);
    stack.Flags.set(flags & (SL_RESTART_SCAN | SL_RETURN_SINGLE_ENTRY | SL_INDEX_SPECIFIED | 0x18));
    let parameters = stack.Parameters.QueryDirectory();
    parameters.Length.set(length);
    parameters.FileInformationClass.set(class);
    if let Some(pattern) = pattern {
        // The string and its characters live in one block as long as the request.
        let bytes = pattern.len() * 2;
        let block = memory::allocate(size_of::<UNICODE_STRING>() + bytes, AUXILIARY_TAG);
        let (Some(block), Some(tail)) = (block, tail(request.irp)) else {
            request.abandon()?;
            return Ok(IoStatus::of(NtStatus::INSUFFICIENT_RESOURCES));
        };
        tail.auxiliary.set(block);
        let text: Vec<u8> = pattern.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        boundary::copy::write(block + size_of::<UNICODE_STRING>(), &text)?;
        if let Some(string) = at_address::<UNICODE_STRING>(block) {
            string.Length.set(bytes as u16);
            string.MaximumLength.set(bytes as u16);
            string.Buffer.set((block + size_of::<UNICODE_STRING>()) as *mut u16);
            parameters.FileName.set(pointer(string));
        }
    }
    request.send(asynchronous)
}

/// Asks to be told of changes in a directory. Source: NtNotifyChangeDirectoryFile; FS-30, SEED-IOPB-34
pub fn nt_notify_change_directory_file(
    handle: usize,
    asynchronous: &Asynchronous,
    (buffer, length): (usize, u32),
    filter: u32,
    watch_tree: bool,
) -> IoResult {
    let open = opened!(handle, FILE_LIST_DIRECTORY);
    if filter & nt_abi::FILE_NOTIFY_VALID_MASK == 0 || filter & !nt_abi::FILE_NOTIFY_VALID_MASK != 0 {
        return Ok(IoStatus::of(NtStatus::INVALID_PARAMETER));
    }
    probe_for_write(buffer, length)?;
    let _lock = FileLock::acquire(open.file)?;
    let request = request!(open, IRP_MJ_DIRECTORY_CONTROL);
    if let Err(status) = request.data_buffer(buffer, length as usize, Direction::In)? {
        request.abandon()?;
        return Ok(IoStatus::of(status));
    }
    request.stack.MinorFunction.set(IRP_MN_NOTIFY_CHANGE_DIRECTORY);
    request.stack.Flags.set(if watch_tree { SL_WATCH_TREE } else { 0 });
    let parameters = request.stack.Parameters.NotifyDirectory();
    parameters.Length.set(length);
    parameters.CompletionFilter.set(filter);
    request.send(asynchronous)
}

/// A byte range and its lock's key.
#[derive(Clone, Copy, Debug)]
pub struct LockRange {
    /// First byte.
    pub offset: i64,
    /// Bytes.
    pub length: i64,
    /// Tells locks of one owner apart.
    pub key: u32,
}

fn lock_control(
    open: &OpenFile,
    asynchronous: &Asynchronous,
    minor: u8,
    flags: u8,
    range: LockRange,
) -> IoResult {
    if range.offset < 0 {
        return Ok(IoStatus::of(NtStatus::INVALID_PARAMETER));
    }
    let _lock = FileLock::acquire(open.file)?;
    let request = request!(open, IRP_MJ_LOCK_CONTROL);
    let block = memory::allocate(8, AUXILIARY_TAG);
    let (Some(block), Some(tail)) = (block, tail(request.irp)) else {
        request.abandon()?;
        return Ok(IoStatus::of(NtStatus::INSUFFICIENT_RESOURCES));
    };
    tail.auxiliary.set(block);
    boundary::copy::write_value(block, range.length)?;
    request.stack.MinorFunction.set(minor);
    request.stack.Flags.set(flags);
    let parameters = request.stack.Parameters.LockControl();
    parameters.Length.set(block as *mut i64);
    parameters.Key.set(range.key);
    parameters.ByteOffset.set(range.offset);
    // Whoever holds locks has them released at its last close.
    open.file.LockOperation.set(1);
    request.send(asynchronous)
}

/// Locks a byte range. Source: NtLockFile; LOCK-01, LOCK-04, SEED-IOPB-24, SEED-IOPB-25
pub fn nt_lock_file(
    handle: usize,
    asynchronous: &Asynchronous,
    range: LockRange,
    fail_immediately: bool,
    exclusive: bool,
) -> IoResult {
    let open = opened!(handle, 0);
    if previous_mode() != 0 && open.granted & (FILE_READ_DATA | FILE_WRITE_DATA) == 0 {
        return Ok(IoStatus::of(NtStatus::ACCESS_DENIED));
    }
    let mut flags = 0;
    if fail_immediately {
        flags |= SL_FAIL_IMMEDIATELY;
    }
    if exclusive {
        flags |= SL_EXCLUSIVE_LOCK;
    }
    lock_control(&open, asynchronous, IRP_MN_LOCK, flags, range)
}

/// Unlocks a byte range. Source: NtUnlockFile; LOCK-06
pub fn nt_unlock_file(handle: usize, range: LockRange) -> IoResult {
    lock_control(&opened!(handle, 0), &Asynchronous::default(), IRP_MN_UNLOCK_SINGLE, 0, range)
}

/// Queries extended attributes, all of them or those of `list` (FILE_GET_EA_INFORMATION entries).
///
/// Source: NtQueryEaFile; SEED-IOPB-28, SEED-IOPB-32, SEED-IOPB-33
pub fn nt_query_ea_file(
    handle: usize,
    (buffer, length): (usize, u32),
    flags: u8,
    list: Option<&[u8]>,
    index: Option<u32>,
) -> IoResult {
    let open = opened!(handle, FILE_READ_EA);
    probe_for_write(buffer, length)?;
    let _lock = FileLock::acquire(open.file)?;
    let request = request!(open, IRP_MJ_QUERY_EA);
    if let Err(status) = request.data_buffer(buffer, length as usize, Direction::In)? {
        request.abandon()?;
        return Ok(IoStatus::of(status));
    }
    request.irp.Flags.set(request.irp.Flags.get() | IRP_SYNCHRONOUS_API);
    let parameters = request.stack.Parameters.QueryEa();
    parameters.Length.set(length);
    if let Some(list) = list {
        let (Some(block), Some(tail)) =
            (memory::allocate(list.len().max(1), AUXILIARY_TAG), tail(request.irp))
        else {
            request.abandon()?;
            return Ok(IoStatus::of(NtStatus::INSUFFICIENT_RESOURCES));
        };
        tail.auxiliary.set(block);
        boundary::copy::write(block, list)?;
        parameters.EaList.set(block as *mut _);
        parameters.EaListLength.set(list.len() as u32);
    }
    let mut stack_flags = flags & (SL_RESTART_SCAN | SL_RETURN_SINGLE_ENTRY);
    if let Some(index) = index {
        stack_flags |= SL_INDEX_SPECIFIED;
        parameters.EaIndex.set(index);
    }
    request.stack.Flags.set(stack_flags);
    request.send_synchronous()
}

/// Sets extended attributes from a FILE_FULL_EA_INFORMATION list.
///
/// Source: NtSetEaFile
/// Errors: EaListInconsistent · what the file system answers
pub fn nt_set_ea_file(handle: usize, buffer: usize, length: u32) -> IoResult {
    let open = opened!(handle, FILE_WRITE_EA);
    probe_for_read(buffer, length)?;
    let mut list = Vec::new();
    boundary::copy::append(&mut list, buffer, length as usize)?;
    if let Err(offset) = crate::ea::io_check_ea_list(&list) {
        return Ok(IoStatus { status: NtStatus::EA_LIST_INCONSISTENT, information: offset });
    }
    let _lock = FileLock::acquire(open.file)?;
    let request = request!(open, IRP_MJ_SET_EA);
    if let Err(status) = request.data_buffer(buffer, length as usize, Direction::Out)? {
        request.abandon()?;
        return Ok(IoStatus::of(status));
    }
    request.irp.Flags.set(request.irp.Flags.get() | IRP_SYNCHRONOUS_API);
    request.stack.Parameters.SetEa().Length.set(length);
    request.send_synchronous()
}

/// Queries the self-relative security descriptor. Neither I/O: the file system writes to `buffer`.
///
/// Source: NtQuerySecurityObject on a file
pub fn nt_query_security_file(handle: usize, information: u32, buffer: usize, length: u32) -> IoResult {
    let open = opened!(handle, nt_abi::READ_CONTROL);
    probe_for_write(buffer, length)?;
    let _lock = FileLock::acquire(open.file)?;
    let request = request!(open, IRP_MJ_QUERY_SECURITY);
    request.irp.Flags.set(IRP_SYNCHRONOUS_API);
    request.irp.UserBuffer.set(buffer as *mut _);
    let parameters = request.stack.Parameters.QuerySecurity();
    parameters.SecurityInformation.set(information);
    parameters.Length.set(length);
    request.send_synchronous()
}

/// Sets parts of the security descriptor. `descriptor` is the address of a captured one.
///
/// Source: NtSetSecurityObject on a file
pub fn nt_set_security_file(handle: usize, information: u32, descriptor: usize) -> IoResult {
    let open = opened!(handle, nt_abi::WRITE_DAC);
    let _lock = FileLock::acquire(open.file)?;
    let request = request!(open, IRP_MJ_SET_SECURITY);
    request.irp.Flags.set(IRP_SYNCHRONOUS_API);
    let parameters = request.stack.Parameters.SetSecurity();
    parameters.SecurityInformation.set(information);
    parameters.SecurityDescriptor.set(descriptor as *mut _);
    request.send_synchronous()
}

/// Cancels the pending asynchronous requests of a file object that the current thread issued, or all threads'.
///
/// Source: NtCancelIoFile, NtCancelIoFileEx; IO-20, IO-49. Does not wait for their end.
pub fn nt_cancel_io_file(handle: usize, all_threads: bool) -> IoResult {
    let open = opened!(handle, 0);
    let thread = address(nt_ke::current_thread());
    crate::cancel::cancel_listed(&crate::subsystem().pending, |irp| {
        std::ptr::eq(irp.OriginalFileObject().get(), open.file)
            && (all_threads || irp.Thread().get() as usize == thread)
    })
}

/// Cancels the requests that `thread` waits for now: all of them, or the one with the status block `iosb`.
///
/// A request is found while its issuer waits for it, here or in a filter that holds it; not while a file system waits inside
/// its dispatch routine.
///
/// Source:  NtCancelSynchronousIoFile; IO-20, IO-49. Does not wait for their end.
/// Errors:  NOT_FOUND
pub fn nt_cancel_synchronous_io_file(thread: &nt_ke::KTHREAD, iosb: usize) -> IoResult {
    let thread = address(thread);
    crate::cancel::cancel_listed(&crate::subsystem().waiting, |irp| {
        irp.Thread().get() as usize == thread && (iosb == 0 || irp.UserIosb.get() as usize == iosb)
    })
}
