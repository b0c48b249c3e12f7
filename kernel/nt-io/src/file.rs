//! File objects: what lies behind them, how they are locked, how they end.
//!
//! ```text
//! create ok ──handles──► last handle closed: IRP_MJ_CLEANUP ──references──► last one gone: IRP_MJ_CLOSE, memory
//! create failed: neither is sent
//! object body:  FILE_OBJECT | State
//! ```

use std::any::Any;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{Ordering, compiler_fence};

use nt_abi::{
    DEVICE_OBJECT, FILE_OBJECT, FO_FILE_OPEN_CANCELLED, FO_HANDLE_CREATED, FO_STREAM_FILE, FO_SYNCHRONOUS_IO,
    IO_TYPE_FILE, IRP_CLOSE_OPERATION, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_LOCK_CONTROL, IRP_MN_UNLOCK_ALL,
    IRP_SYNCHRONOUS_API, NtStatus, VPB,
};
use nt_ke::Raise;
use nt_ke::dispatcher::{self, object_type};
use nt_ob::ObjectRef;

use crate::issue::Request;
use crate::objects;
use crate::pointer::{address, at, at_address, pointer};
use crate::volume;

pub(crate) const NAME_TAG: u32 = u32::from_le_bytes(*b"IoNm");
/// Words that layers above keep with a file object.
pub const FILE_SLOTS: usize = 4;

/// What we keep behind each FILE_OBJECT.
#[repr(C)]
pub(crate) struct State {
    /// Device where the create started, if not the top of the stack.
    start_device: Cell<*mut DEVICE_OBJECT>,
    /// Volume that this open counts on.
    vpb: Cell<*mut VPB>,
    slots: [Cell<usize>; FILE_SLOTS],
    /// Leaked box of a context that came with the create.
    context: Cell<usize>,
    /// Whether it is the target directory of a rename or link.
    rename_target: Cell<bool>,
    /// `TXN_PARAMETER_BLOCK` of a file that was opened in a transaction: length and view, then the transaction's object.
    transaction: [Cell<usize>; 2],
    /// Reparse data that the create was answered with: a pool block.
    reparse_data: Cell<usize>,
    /// Extra create parameters while the create is under way.
    ecp_list: Cell<usize>,
}

#[repr(C)]
pub(crate) struct FileBody {
    object: FILE_OBJECT,
    state: State,
}

type Context = Arc<dyn Any + Send + Sync>;

fn state(file: &FILE_OBJECT) -> &'static State {
    &at(pointer(file).cast::<FileBody>()).expect("a reference is not null").state
}

/// A new file object for `device`, one reference.
pub(crate) fn create(device: &DEVICE_OBJECT) -> Result<&'static FILE_OBJECT, NtStatus> {
    let block = objects::create(crate::subsystem().types().file, size_of::<FileBody>())?;
    let file: &'static FILE_OBJECT = at_address(block).expect("a new object has a body");
    file.Type.set(IO_TYPE_FILE);
    file.Size.set(size_of::<FILE_OBJECT>() as u16);
    file.DeviceObject.set(pointer(device));
    dispatcher::initialize_header(&file.Event.Header, object_type::NOTIFICATION_EVENT, 0);
    dispatcher::initialize_header(&file.Lock.Header, object_type::SYNCHRONIZATION_EVENT, 0);
    dispatcher::initialize_list(&file.IrpList);
    // The device counts its file objects and stays as long as they do.
    device.ReferenceCount.fetch_add(1, Ordering::Relaxed);
    nt_ob::ob_reference(address(device)).map_err(|_| NtStatus::NO_SUCH_DEVICE)?;
    Ok(file)
}

pub(crate) fn set_start_device(file: &FILE_OBJECT, device: Option<&DEVICE_OBJECT>) {
    state(file).start_device.set(device.map_or(std::ptr::null_mut(), pointer));
}

/// The device at which the requests of a file object start when its create was sent there.
pub(crate) fn start_device(file: &FILE_OBJECT) -> Option<&'static DEVICE_OBJECT> {
    at(state(file).start_device.get())
}

/// Marks an open that share access neither refuses nor counts (IO_IGNORE_SHARE_ACCESS_CHECK).
pub(crate) fn ignore_share_access(file: &FILE_OBJECT) {
    file.FileObjectExtension.set(pointer(state(file)).cast());
}

pub(crate) fn set_volume(file: &FILE_OBJECT, vpb: Option<&VPB>) {
    state(file).vpb.set(vpb.map_or(std::ptr::null_mut(), pointer));
}

/// Words that the filter manager and others above keep with a file object; zero at first. They are gone when
/// the CLOSE IRP has returned.
pub fn file_slot(file: &FILE_OBJECT, index: usize) -> &'static Cell<usize> {
    &state(file).slots[index]
}

pub(crate) fn set_rename_target(file: &FILE_OBJECT) {
    state(file).rename_target.set(true);
}

/// Whether the I/O manager opened the file as the target directory of a rename or link: `ParentOfTarget`.
pub fn is_rename_target(file: &FILE_OBJECT) -> bool {
    state(file).rename_target.get()
}

/// Opens the file in a transaction, whose object it references as long as it lives.
pub(crate) fn set_transaction(file: &FILE_OBJECT, transaction: usize) -> Result<(), Raise> {
    /// `TXF_MINIVERSION_DEFAULT_VIEW` behind the structure's length.
    const HEAD: usize = 0xFFFE << 16 | 16;
    if transaction != 0 {
        objects::reference(transaction)?;
        state(file).transaction[0].set(HEAD);
        state(file).transaction[1].set(transaction);
    }
    Ok(())
}

/// The object of the transaction that a file was opened in, or 0.
pub fn file_transaction(file: &FILE_OBJECT) -> usize {
    state(file).transaction[1].get()
}

/// Address of the `TXN_PARAMETER_BLOCK` of a file that was opened in a transaction, else 0.
///
/// Source: IoGetTransactionParameterBlock
pub fn io_get_transaction_parameter_block(file: &FILE_OBJECT) -> usize {
    let block = &state(file).transaction;
    if block[1].get() == 0 { 0 } else { block.as_ptr() as usize }
}

/// Keeps the reparse data of a create's answer until [`take_reparse_data`].
pub(crate) fn keep_reparse_data(file: &FILE_OBJECT, block: usize) -> Result<(), Raise> {
    crate::memory::free_any(state(file).reparse_data.replace(block))
}

/// The reparse data of the create's answer, 0 without any. The caller frees them.
pub(crate) fn take_reparse_data(file: &FILE_OBJECT) -> usize {
    state(file).reparse_data.replace(0)
}

/// The list of extra create parameters of the create that is under way for a file object; 0 for none.
pub fn file_ecp_list(file: &FILE_OBJECT) -> &'static Cell<usize> {
    &state(file).ecp_list
}

pub(crate) fn set_context(file: &FILE_OBJECT, context: Option<Context>) {
    if let Some(context) = context {
        state(file).context.set(nt_ke::current_core().own(context) as usize);
    }
}

/// The context that came with the create ([`crate::CreateParameters::driver_context`]).
pub fn file_create_context(file: &FILE_OBJECT) -> Option<Context> {
    at_address::<Context>(state(file).context.get()).cloned()
}

fn drop_context(state: &State) {
    let context = state.context.replace(0);
    if context != 0 {
        nt_ke::current_core().disown(context as *const Context);
    }
}

/// The name as it was opened, relative to the volume or to the related file object.
pub fn file_name(file: &FILE_OBJECT) -> Vec<u16> {
    objects::string(&file.FileName)
}

/// Replaces the name, for a reparse.
///
/// Source:  IoReplaceFileObjectName
/// Errors:  INVALID_PARAMETER (too long) · INSUFFICIENT_RESOURCES
pub fn io_replace_file_object_name(file: &FILE_OBJECT, name: &[u16]) -> NtStatus {
    if name.len() * 2 > 0xFFFE {
        return NtStatus::INVALID_PARAMETER;
    }
    let old = file.FileName.Buffer.get() as usize;
    if !objects::set_string(&file.FileName, name, NAME_TAG) {
        return NtStatus::INSUFFICIENT_RESOURCES;
    }
    match crate::memory::free_any(old) {
        Ok(()) => NtStatus::SUCCESS,
        Err(_) => NtStatus::INVALID_PARAMETER,
    }
}

/// A reference to a file object and what its handle grants.
pub(crate) struct OpenFile {
    pub file: &'static FILE_OBJECT,
    pub granted: u32,
    /// Released when this is dropped.
    _reference: ObjectRef,
}

/// The file object behind a handle, from the previous mode. `access` is needed from user mode.
pub(crate) fn open_file(handle: usize, access: u32) -> Result<OpenFile, NtStatus> {
    nt_ke::scheduler::point();
    let found = nt_ob::ob_reference_by_handle(
        handle,
        access,
        Some(crate::subsystem().file_type()),
        crate::issue::previous_mode(),
    )?;
    let file = at_address(found.object.address()).ok_or(NtStatus::INVALID_HANDLE)?;
    Ok(OpenFile { file, granted: found.granted_access, _reference: found.object })
}

/// The file object behind a handle, referenced, and what the handle grants.
///
/// Errors: InvalidHandle · ObjectTypeMismatch · AccessDenied (user mode)
pub fn reference_file_by_handle(
    handle: usize,
    access: u32,
    mode: u8,
) -> Result<(&'static FILE_OBJECT, u32), NtStatus> {
    let found = nt_ob::ob_reference_by_handle(handle, access, Some(crate::subsystem().file_type()), mode)?;
    let granted = found.granted_access;
    let file = at_address(found.object.into_raw()).ok_or(NtStatus::INVALID_HANDLE)?;
    Ok((file, granted))
}

/// Holds a synchronous file object: one request at a time (IO-45). Nothing on an asynchronous one.
///
/// `Busy` is taken by one locked instruction and given back by a store. Whoever has to wait says so in `Waiters` and
/// makes every thread fence (`membarrier`) before it looks at `Busy` again: then either it sees the store, or the one
/// that gives back sees the waiter.
pub(crate) struct FileLock(Option<&'static FILE_OBJECT>);

impl FileLock {
    #[inline]
    pub fn acquire(file: &'static FILE_OBJECT) -> Result<Self, Raise> {
        if file.Flags.load(Ordering::Relaxed) & FO_SYNCHRONOUS_IO == 0 {
            return Ok(Self(None));
        }
        if file.Busy.swap(1, Ordering::Acquire) != 0 {
            Self::wait(file)?;
        }
        Ok(Self(Some(file)))
    }

    #[cold]
    fn wait(file: &'static FILE_OBJECT) -> Result<(), Raise> {
        let _waiting = nt_ke::locks::waiting_for("another request on the same synchronous file object");
        file.Waiters.fetch_add(1, Ordering::SeqCst);
        nt_ke::epoch::membarrier();
        let mut outcome = Ok(());
        while outcome.is_ok() && file.Busy.swap(1, Ordering::SeqCst) != 0 {
            outcome = dispatcher::wait(&file.Lock.Header, false, None).map(|_| ());
        }
        file.Waiters.fetch_sub(1, Ordering::SeqCst);
        outcome
    }
}

impl Drop for FileLock {
    #[inline]
    fn drop(&mut self) {
        if let Some(file) = self.0 {
            file.Busy.store(0, Ordering::Release);
            compiler_fence(Ordering::SeqCst);
            if file.Waiters.load(Ordering::Relaxed) != 0 {
                dispatcher::set_event(&file.Lock.Header);
            }
        }
    }
}

/// Sends CLEANUP or CLOSE, which carry no reference of their own.
fn send_last(file: &'static FILE_OBJECT, major: u8) -> Result<(), Raise> {
    let device = crate::device::io_get_related_device(file);
    let request = match Request::with_stack(None, device, device.StackSize.get() as u8) {
        Ok(request) => request,
        // NT keeps a reserve for this; without memory the file system leaks the open, the machine goes on.
        Err(_) => return Ok(()),
    };
    request.irp.RequestorMode.set(0);
    request.irp.Flags.set(IRP_CLOSE_OPERATION | IRP_SYNCHRONOUS_API);
    request.irp.OriginalFileObject().set(pointer(file));
    request.stack.MajorFunction.set(major);
    request.stack.FileObject.set(pointer(file));
    request.send_synchronous().map(|_| ())
}

/// Releases the byte-range locks of one process (FS-15) while others still have handles.
fn unlock_all(file: &'static FILE_OBJECT) -> Result<(), Raise> {
    let Ok(request) = Request::new(file, IRP_MJ_LOCK_CONTROL) else { return Ok(()) };
    request.irp.Flags.set(IRP_SYNCHRONOUS_API);
    request.irp.RequestorMode.set(0);
    request.stack.MinorFunction.set(IRP_MN_UNLOCK_ALL);
    request.send_synchronous().map(|_| ())
}

/// Close procedure of the type: with the last handle goes the CLEANUP IRP (FS-14).
pub(crate) fn handle_closed(object: usize, _process: usize, left: u64) -> Result<(), Raise> {
    let Some(file) = at_address::<FILE_OBJECT>(object) else { return Ok(()) };
    if file.DeviceObject.get().is_null() {
        return Ok(());
    }
    if left != 0 {
        return Ok(());
    }
    let lock = FileLock::acquire(file)?;
    if file.LockOperation.get() != 0 {
        unlock_all(file)?;
    }
    let sent = if file.Flags.load(Ordering::Relaxed) & FO_FILE_OPEN_CANCELLED == 0 {
        send_last(file, IRP_MJ_CLEANUP)
    } else {
        Ok(())
    };
    drop(lock);
    sent
}

/// Delete procedure of the type: with the last reference goes the CLOSE IRP (FS-14).
pub(crate) fn deleted(object: usize) -> Result<(), Raise> {
    let Some(file) = at_address::<FILE_OBJECT>(object) else { return Ok(()) };
    let device = at(file.DeviceObject.get());
    let mut result = Ok(());
    if device.is_some() {
        let flags = file.Flags.load(Ordering::Relaxed);
        if flags & (FO_HANDLE_CREATED | FO_FILE_OPEN_CANCELLED | FO_STREAM_FILE) == 0 {
            // Opened without a handle ever: the file system still gets its CLEANUP first.
            result = send_last(file, IRP_MJ_CLEANUP);
        }
        result = result.and_then(|()| send_last(file, IRP_MJ_CLOSE));
    }
    release(file).and(result)
}

/// Lets go of everything that a file object holds.
fn release(file: &'static FILE_OBJECT) -> Result<(), Raise> {
    let state = state(file);
    drop_context(state);
    crate::memory::free_any(state.reparse_data.replace(0))?;
    let transaction = state.transaction[1].replace(0);
    if transaction != 0 {
        objects::dereference(transaction)?;
    }
    if let Some(vpb) = at(state.vpb.replace(std::ptr::null_mut())) {
        volume::dereference_vpb(vpb);
    }
    objects::free_string(&file.FileName, NAME_TAG)?;
    let related = file.RelatedFileObject.replace(std::ptr::null_mut());
    if !related.is_null() {
        objects::dereference(related as usize)?;
    }
    if let Some(device) = at(file.DeviceObject.replace(std::ptr::null_mut())) {
        device.ReferenceCount.fetch_sub(1, Ordering::Relaxed);
        objects::dereference(address(device))?;
    }
    Ok(())
}

/// Ends a file object whose create failed: no CLEANUP, no CLOSE.
///
/// One whose open was cancelled (FS-08) had its CLEANUP: its CLOSE follows as for any other.
pub(crate) fn discard(file: &'static FILE_OBJECT) -> Result<(), Raise> {
    if file.Flags.load(Ordering::Relaxed) & FO_FILE_OPEN_CANCELLED == 0 {
        release(file)?;
    }
    objects::dereference(address(file))
}

/// Full name for the object manager: the device's, then the file's.
pub(crate) fn query_name(object: usize) -> Result<Result<Vec<u16>, NtStatus>, Raise> {
    let Some(file) = at_address::<FILE_OBJECT>(object) else { return Ok(Err(NtStatus::INVALID_HANDLE)) };
    let Some(device) = at(file.DeviceObject.get()) else { return Ok(Err(NtStatus::INVALID_HANDLE)) };
    let mut name = crate::device::device_name(device).unwrap_or_default();
    match crate::information::name_of_open_file(file)? {
        Ok(path) => name.extend(path),
        Err(_) => name.extend(file_name(file)),
    }
    Ok(Ok(name))
}

/// A file object without a create, for a file system's own streams.
///
/// Source:  IoCreateStreamFileObject, IoCreateStreamFileObjectLite; FS-09
/// IRQL:    PASSIVE_LEVEL
/// Returns: one reference; a CLEANUP was sent at once unless `lite`
/// Errors:  raises INSUFFICIENT_RESOURCES
pub fn io_create_stream_file_object(
    file: Option<&FILE_OBJECT>,
    device: &'static DEVICE_OBJECT,
    lite: bool,
) -> Result<&'static FILE_OBJECT, Raise> {
    let device = file.and_then(|file| at(file.DeviceObject.get())).unwrap_or(device);
    let stream = create(device).map_err(Raise::Status)?;
    stream.Flags.fetch_or(FO_STREAM_FILE, Ordering::Relaxed);
    // As for an open: the volume is busy as long as the stream is there.
    if let Some(vpb) = volume::reference_vpb(device) {
        stream.Vpb.set(pointer(vpb));
        set_volume(stream, Some(vpb));
    }
    if !lite {
        stream.Flags.fetch_or(FO_HANDLE_CREATED, Ordering::Relaxed);
        send_last(stream, IRP_MJ_CLEANUP)?;
    }
    Ok(stream)
}

/// Undoes a create that succeeded below and is to fail above.
///
/// Source:  IoCancelFileOpen; FS-08. Sends CLEANUP now; CLOSE follows with the last reference.
/// IRQL:    PASSIVE_LEVEL
pub fn io_cancel_file_open(device: &'static DEVICE_OBJECT, file: &'static FILE_OBJECT) -> Result<(), Raise> {
    file.Flags.fetch_or(FO_FILE_OPEN_CANCELLED, Ordering::Relaxed);
    let request = match Request::with_stack(None, device, device.StackSize.get() as u8) {
        Ok(request) => request,
        Err(status) => return Err(Raise::Status(status)),
    };
    request.irp.RequestorMode.set(0);
    request.irp.Flags.set(IRP_CLOSE_OPERATION | IRP_SYNCHRONOUS_API);
    request.stack.MajorFunction.set(IRP_MJ_CLEANUP);
    request.stack.FileObject.set(pointer(file));
    request.send_synchronous().map(|_| ())
}

/// The file object that the name of an open is relative to. Only while the create is on its way (IO-44).
pub fn related_file(file: &FILE_OBJECT) -> Option<&'static FILE_OBJECT> {
    at(file.RelatedFileObject.get())
}

/// The device that a file object was opened on.
pub fn file_device(file: &FILE_OBJECT) -> Option<&'static DEVICE_OBJECT> {
    at(file.DeviceObject.get())
}
