//! Requests that the I/O manager issues: buffers by method, sending, waiting, finishing.
//!
//! ```text
//! Request::new ─► buffers ─► stack location ─► send_synchronous: wait, finish, free
//!                                           └► send: on an asynchronous file object PENDING may stay
//! issuer and completer meet in the tail's state; the second one finishes
//! ```
//!
//! Finishing copies buffered output back, frees buffers and MDLs, stores the status block, sets events and
//! lets go of the file object.

use std::sync::atomic::Ordering;

use nt_abi::{
    DEVICE_OBJECT, DO_BUFFERED_IO, DO_DIRECT_IO, FILE_OBJECT, FO_SYNCHRONOUS_IO, IO_STACK_LOCATION,
    IO_STATUS_BLOCK, IRP, IRP_BUFFERED_IO, IRP_DEALLOCATE_BUFFER, IRP_INPUT_OPERATION, KEVENT, NativeFn,
    NtStatus,
};
use nt_ke::thread::current_thread;
use nt_ke::{Finding, Raise, current_core, dispatcher};

use crate::completion::io_call_driver;
use crate::irp::{Tail, allocate_issued, io_free_irp, kind, meet, state, tail};
use crate::memory;
use crate::objects;
use crate::pointer::{address, at, at_address, pointer};
use crate::stack::io_next_stack;

const BUFFER_TAG: u32 = u32::from_le_bytes(*b"IoBu");
/// `IoReadAccess` and `IoWriteAccess`: what the device does to the buffer's memory.
const DEVICE_READS: u32 = 0;
const DEVICE_WRITES: u32 = 1;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoStatus {
    /// Status.
    pub status: NtStatus,
    /// What depends on the request: usually bytes.
    pub information: usize,
}

impl IoStatus {
    /// A status with no information.
    pub const fn of(status: NtStatus) -> Self {
        Self { status, information: 0 }
    }
}

/// Result of a service.
pub type IoResult = Result<IoStatus, Raise>;

/// How the caller wants to hear of a request that stays pending.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asynchronous {
    /// Handle of an event, or 0.
    pub event: usize,
    /// User APC routine. APCs are not delivered in this version: a request with one is refused.
    pub apc: NativeFn,
    /// Its argument.
    pub apc_context: usize,
    /// Address of an IO_STATUS_BLOCK, or 0.
    pub iosb: usize,
}

impl Asynchronous {
    /// Leaves the result of a request that was carried out at once.
    #[inline]
    pub(crate) fn finish(&self, result: IoStatus) {
        if self.iosb != 0 {
            let _ = boundary::copy::write_value(self.iosb, result.status.0);
            let _ = boundary::copy::write_value(self.iosb + 8, result.information);
        }
    }
}

/// Where data go, seen from the caller.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To the device.
    Out,
    /// To the caller.
    In,
}

/// A request that is being built.
pub(crate) struct Request {
    pub irp: &'static IRP,
    pub stack: &'static IO_STACK_LOCATION,
    pub device: &'static DEVICE_OBJECT,
    file: Option<&'static FILE_OBJECT>,
}

pub(crate) fn previous_mode() -> u8 {
    current_thread().previous_mode().get()
}

impl Request {
    /// A request of `major` to the device of `file`, which is referenced until the request is finished.
    pub fn new(file: &'static FILE_OBJECT, major: u8) -> Result<Self, NtStatus> {
        let device = crate::device::io_get_related_device(file);
        let request = Self::with_stack(Some(file), device, device.StackSize.get() as u8)?;
        request.stack.MajorFunction.set(major);
        Ok(request)
    }

    /// A request to `device` with `stack_size` locations.
    pub fn with_stack(
        file: Option<&'static FILE_OBJECT>,
        device: &'static DEVICE_OBJECT,
        stack_size: u8,
    ) -> Result<Self, NtStatus> {
        let irp = allocate_issued(stack_size).ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
        let stack = io_next_stack(irp);
        irp.RequestorMode.set(previous_mode() as i8);
        if let Some(file) = file {
            irp.OriginalFileObject().set(pointer(file));
            stack.FileObject.set(pointer(file));
        }
        Ok(Self { irp, stack, device, file })
    }

    fn flag(&self, flags: u32) {
        self.irp.Flags.set(self.irp.Flags.get() | flags);
    }

    /// Gives the request up before it was sent.
    pub fn abandon(self) -> Result<(), Raise> {
        free_buffers(self.irp)?;
        io_free_irp(self.irp)
    }

    /// A system buffer of `length` bytes, filled from or copied back to `user`.
    ///
    /// Errors: INSUFFICIENT_RESOURCES, ACCESS_VIOLATION
    pub fn system_buffer(&self, user: usize, length: usize, direction: Direction) -> Result<(), NtStatus> {
        self.irp.UserBuffer.set(user as *mut _);
        if direction == Direction::In {
            self.note_output(length);
        }
        if length == 0 {
            return Ok(());
        }
        let buffer = memory::allocate(length, BUFFER_TAG).ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
        self.irp.SystemBuffer().set(buffer as *mut _);
        self.flag(IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER);
        match direction {
            Direction::In => self.flag(IRP_INPUT_OPERATION),
            Direction::Out => {
                boundary::copy::copy(buffer, user, length).map_err(|_| NtStatus::ACCESS_VIOLATION)?;
                self.irp.UserBuffer.set(std::ptr::null_mut());
            }
        }
        Ok(())
    }

    fn note_output(&self, length: usize) {
        if let Some(tail) = tail(self.irp) {
            tail.output.set(length);
        }
    }

    /// A locked MDL over the caller's buffer.
    fn locked(&self, user: usize, length: usize, operation: u32) -> Result<Result<(), NtStatus>, Raise> {
        if length == 0 {
            return Ok(Ok(()));
        }
        let Some(mdl) = nt_ex::mdl::allocate_engine(user, length) else {
            return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
        };
        match nt_mm::mdl::probe_and_lock_pages(mdl, previous_mode() != 0, operation) {
            Ok(()) => {
                self.irp.MdlAddress.set(pointer(mdl));
                Ok(Ok(()))
            }
            Err(Raise::Status(status)) => {
                nt_ex::mdl::free(mdl)?;
                Ok(Err(status))
            }
            Err(stop) => Err(stop),
        }
    }

    /// The buffer of a read or write (or directory query), by what the device asked for (IO-28).
    pub fn data_buffer(
        &self,
        user: usize,
        length: usize,
        direction: Direction,
    ) -> Result<Result<(), NtStatus>, Raise> {
        let flags = self.device.Flags.get();
        if flags & DO_BUFFERED_IO != 0 {
            return Ok(self.system_buffer(user, length, direction));
        }
        self.irp.UserBuffer.set(user as *mut _);
        if direction == Direction::In {
            // A file system may make a system buffer of its own, which is copied back as well.
            self.note_output(length);
        }
        if flags & DO_DIRECT_IO != 0 {
            let operation = if direction == Direction::In { DEVICE_WRITES } else { DEVICE_READS };
            return self.locked(user, length, operation);
        }
        Ok(Ok(()))
    }

    /// Buffers of a control request, by the method in its code.
    pub fn control_buffers(
        &self,
        method: u32,
        (input, input_length): (usize, usize),
        (output, output_length): (usize, usize),
    ) -> Result<Result<(), NtStatus>, Raise> {
        self.irp.UserBuffer.set(output as *mut _);
        if method == nt_abi::METHOD_NEITHER {
            return Ok(Ok(()));
        }
        let direct = method != nt_abi::METHOD_BUFFERED;
        let room = if direct { input_length } else { input_length.max(output_length) };
        if room != 0 {
            let Some(buffer) = memory::allocate(room, BUFFER_TAG) else {
                return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
            };
            self.irp.SystemBuffer().set(buffer as *mut _);
            self.flag(IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER);
            if input_length != 0 && boundary::copy::copy(buffer, input, input_length).is_err() {
                return Ok(Err(NtStatus::ACCESS_VIOLATION));
            }
        }
        if direct {
            let operation = if method == nt_abi::METHOD_IN_DIRECT { DEVICE_READS } else { DEVICE_WRITES };
            return self.locked(output, output_length, operation);
        }
        if output_length != 0 {
            self.note_output(output_length);
            self.flag(IRP_INPUT_OPERATION);
        }
        Ok(Ok(()))
    }

    /// Sends it and waits for its end.
    pub fn send_synchronous(self) -> IoResult {
        let (irp, file) = (self.irp, self.file);
        let tail = tail(irp).expect("requests are issued IRPs");
        if let Some(file) = file {
            objects::reference(address(file))?;
            tail.file.set(address(file));
        }
        tail.kind.set(kind::SYNCHRONOUS);
        io_call_driver(self.device, irp)?;
        wait_listed(irp, tail)?;
        finish(irp, tail)
    }

    /// Sends it as the file object says: waits on a synchronous one, else lets it stay pending.
    pub fn send(self, asynchronous: &Asynchronous) -> IoResult {
        let (irp, device, file) = (self.irp, self.device, self.file);
        let tail = tail(irp).expect("requests are issued IRPs");
        let synchronous = file.is_none_or(|file| file.Flags.load(Ordering::Relaxed) & FO_SYNCHRONOUS_IO != 0);
        if !asynchronous.apc.is_null() {
            self.abandon()?;
            return Ok(IoStatus::of(NtStatus::NOT_SUPPORTED));
        }
        if asynchronous.event != 0 {
            let event = nt_ob::ob_reference_by_handle(
                asynchronous.event,
                nt_abi::EVENT_MODIFY_STATE,
                Some(nt_ob::ob_event_type()),
                previous_mode(),
            );
            match event {
                Ok(event) => {
                    let event = event.object.into_raw();
                    if let Some(event) = at_address::<KEVENT>(event) {
                        dispatcher::reset_event(&event.Header);
                        irp.UserEvent.set(pointer(event));
                    }
                    tail.caller_event.set(event);
                }
                Err(status) => {
                    self.abandon()?;
                    return Ok(IoStatus::of(status));
                }
            }
        }
        tail.iosb.set(asynchronous.iosb);
        irp.UserIosb.set(asynchronous.iosb as *mut IO_STATUS_BLOCK);
        if let Some(file) = file {
            objects::reference(address(file))?;
            tail.file.set(address(file));
        }
        if synchronous {
            tail.kind.set(kind::SYNCHRONOUS);
            io_call_driver(device, irp)?;
            wait_listed(irp, tail)?;
            return finish(irp, tail);
        }
        tail.kind.set(kind::ASYNCHRONOUS);
        if let Some(file) = file {
            dispatcher::reset_event(&file.Event.Header);
        }
        crate::subsystem().pending.lock().push(address(irp));
        let status = io_call_driver(device, irp)?;
        if meet(tail, state::LEFT) {
            // Completed in the meantime: this side is the second.
            let result = finish(irp, tail)?;
            return Ok(if status == NtStatus::PENDING { IoStatus::of(status) } else { result });
        }
        Ok(IoStatus::of(NtStatus::PENDING))
    }
}

/// Waits so that the request can be cancelled.
fn wait_listed(irp: &'static IRP, tail: &Tail) -> Result<(), Raise> {
    if tail.state.load(Ordering::Acquire) == state::COMPLETED {
        return Ok(());
    }
    let _listed = crate::cancel::io_waiting(irp);
    wait_for(tail)
}

pub(crate) fn wait_for(tail: &Tail) -> Result<(), Raise> {
    if !meet(tail, state::LEFT) {
        let _waiting = nt_ke::locks::waiting_for("the completion of an IRP");
        dispatcher::wait(&tail.event.Header, false, None)?;
    }
    Ok(())
}

/// The completion walk of an issued IRP has passed the top.
pub(crate) fn completed(irp: &'static IRP, tail: &'static Tail) -> Result<(), Raise> {
    match tail.kind.get() {
        kind::SYNCHRONOUS => {
            if meet(tail, state::COMPLETED) {
                dispatcher::set_event(&tail.event.Header);
            }
            Ok(())
        }
        kind::ASYNCHRONOUS => {
            if meet(tail, state::COMPLETED) {
                finish(irp, tail)?;
            }
            Ok(())
        }
        kind::PAGING => crate::paging::written(irp),
        _ => finish(irp, tail).map(|_| ()),
    }
}

fn free_buffers(irp: &IRP) -> Result<(), Raise> {
    let flags = irp.Flags.get();
    if flags & (IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER) == IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER {
        memory::free_any(irp.SystemBuffer().replace(std::ptr::null_mut()) as usize)?;
    }
    irp.Flags.set(flags & !(IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER));
    crate::mdl::free_chain(irp)?;
    if let Some(tail) = tail(irp) {
        memory::free(tail.auxiliary.replace(0), BUFFER_TAG)?;
        let event = tail.caller_event.replace(0);
        if event != 0 {
            objects::dereference(event)?;
        }
    }
    Ok(())
}

/// Copies buffered output to the caller (IO-29). Only what the caller has room for.
fn copy_back(irp: &IRP, tail: &Tail) -> NtStatus {
    let status = irp.IoStatus.Status.get();
    let flags = irp.Flags.get();
    if flags & IRP_BUFFERED_IO == 0
        || flags & IRP_INPUT_OPERATION == 0
        || status.is_error()
        || status == NtStatus::VERIFY_REQUIRED
    {
        return status;
    }
    let room = tail.output.get();
    let mut bytes = irp.IoStatus.Information.get();
    if bytes > room {
        current_core().report(Finding::error(
            "IO-29",
            "",
            format!("a request was completed with Information {bytes}, but its buffer has {room} bytes"),
        ));
        bytes = room;
    }
    if bytes == 0 {
        return status;
    }
    match boundary::copy::copy(irp.UserBuffer.get() as usize, irp.SystemBuffer().get() as usize, bytes) {
        Ok(()) => status,
        Err(_) => NtStatus::ACCESS_VIOLATION,
    }
}

/// Ends an issued request and frees it.
fn finish(irp: &'static IRP, tail: &'static Tail) -> IoResult {
    let status = copy_back(irp, tail);
    let result = IoStatus { status, information: irp.IoStatus.Information.get() };
    let asynchronous = tail.kind.get() == kind::ASYNCHRONOUS;
    if asynchronous {
        crate::subsystem().pending.lock().retain(|pending| *pending != address(irp));
        // Who cancels by handle finds requests in the list under this lock: let them be done with this one.
        let old = crate::cancel::io_acquire_cancel_spin_lock()?;
        crate::cancel::io_release_cancel_spin_lock(old)?;
    }
    if tail.kind.get() == kind::BUILT {
        if let Some(block) = at(irp.UserIosb.get()) {
            crate::irp::set_io_status(block, status, result.information);
        }
    } else if tail.iosb.get() != 0 && (!status.is_error() || asynchronous) {
        // The block is the caller's: when it is gone, there is nobody to tell.
        let _ = boundary::copy::write_value(tail.iosb.get(), status.0);
        let _ = boundary::copy::write_value(tail.iosb.get() + 8, result.information);
    }
    let file = at_address::<FILE_OBJECT>(tail.file.replace(0));
    if let Some(event) = at(irp.UserEvent.get()) {
        dispatcher::set_event(&event.Header);
    }
    let reparse_data = irp.AuxiliaryBuffer().replace(std::ptr::null_mut()) as usize;
    if reparse_data != 0 {
        match file {
            Some(file) => crate::file::keep_reparse_data(file, reparse_data)?,
            None => memory::free_any(reparse_data)?,
        }
    }
    if let Some(file) = file {
        if tail.kind.get() != kind::BUILT {
            file.FinalStatus.set(status);
        }
        if file.Event.Header.SignalState.load(Ordering::Relaxed) == 0 {
            dispatcher::set_event(&file.Event.Header);
        }
    }
    free_buffers(irp)?;
    io_free_irp(irp)?;
    if let Some(file) = file {
        objects::dereference(address(file))?;
    }
    Ok(result)
}
