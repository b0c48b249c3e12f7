//! IRPs that the I/O manager builds for drivers, and associated IRPs.

use nt_abi::{
    DEVICE_OBJECT, DO_BUFFERED_IO, DO_DIRECT_IO, IO_STATUS_BLOCK, IRP, IRP_ASSOCIATED_IRP,
    IRP_MJ_DEVICE_CONTROL, IRP_MJ_FLUSH_BUFFERS, IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_READ,
    IRP_MJ_SHUTDOWN, IRP_MJ_WRITE, KEVENT, NtStatus,
};
use nt_ke::{Raise, dispatcher};

use crate::control::ControlBuffers;
use crate::irp::{io_allocate_irp, kind, tail};
use crate::issue::{Direction, Request};
use crate::pointer::pointer;

/// A read, write, flush or shutdown IRP with its buffer set up as the device wants it. The next stack location
/// is filled in; with `synchronous` the I/O manager completes and frees it, stores to the block and sets the event.
///
/// Source:  IoBuildSynchronousFsdRequest (`synchronous`), IoBuildAsynchronousFsdRequest (not: the caller frees it)
/// IRQL:    PASSIVE_LEVEL (synchronous), <= APC_LEVEL (not)
/// Returns: `None` when there is no memory, the buffer is bad, or `major` is none of the four
pub fn io_build_fsd_request(
    major: u8,
    device: &'static DEVICE_OBJECT,
    (buffer, length): (usize, u32),
    offset: i64,
    synchronous: Option<&KEVENT>,
    block: Option<&IO_STATUS_BLOCK>,
) -> Result<Option<&'static IRP>, Raise> {
    let direction = match major {
        IRP_MJ_READ => Direction::In,
        IRP_MJ_WRITE | IRP_MJ_FLUSH_BUFFERS | IRP_MJ_SHUTDOWN => Direction::Out,
        _ => return Ok(None),
    };
    let transfers = matches!(major, IRP_MJ_READ | IRP_MJ_WRITE);
    let irp = if let Some(event) = synchronous {
        let Ok(request) = Request::with_stack(None, device, device.StackSize.get() as u8) else {
            return Ok(None);
        };
        if transfers && request.data_buffer(buffer, length as usize, direction)?.is_err() {
            request.abandon()?;
            return Ok(None);
        }
        if let Some(tail) = tail(request.irp) {
            tail.kind.set(kind::BUILT);
        }
        request.irp.UserEvent.set(pointer(event));
        request.irp
    } else {
        let Some(irp) = io_allocate_irp(device.StackSize.get() as u8) else { return Ok(None) };
        irp.Thread().set(pointer(nt_ke::current_thread()).cast());
        irp.UserBuffer.set(buffer as *mut _);
        if transfers && device.Flags.get() & DO_BUFFERED_IO != 0 {
            irp.SystemBuffer().set(buffer as *mut _);
        } else if transfers && device.Flags.get() & DO_DIRECT_IO != 0 && length != 0 {
            match crate::mdl::io_allocate_mdl(buffer, length, false, Some(irp)) {
                Some(mdl) => {
                    nt_mm::mdl::probe_and_lock_pages(mdl, false, u32::from(direction == Direction::In))?
                }
                None => {
                    crate::irp::io_free_irp(irp)?;
                    return Ok(None);
                }
            }
        }
        irp
    };
    irp.RequestorMode.set(0);
    irp.UserIosb.set(block.map_or(std::ptr::null_mut(), pointer));
    let stack = crate::stack::io_next_stack(irp);
    stack.MajorFunction.set(major);
    if transfers {
        // Read and write share their layout.
        let parameters = stack.Parameters.Read();
        parameters.Length.set(length);
        parameters.ByteOffset.set(offset);
    }
    Ok(Some(irp))
}

/// A device control IRP that the I/O manager completes and frees.
///
/// Source:  IoBuildDeviceIoControlRequest
/// IRQL:    PASSIVE_LEVEL
pub fn io_build_device_io_control_request(
    code: u32,
    device: &'static DEVICE_OBJECT,
    buffers: ControlBuffers,
    internal: bool,
    event: &KEVENT,
    block: &IO_STATUS_BLOCK,
) -> Result<Option<&'static IRP>, Raise> {
    let Ok(request) = Request::with_stack(None, device, device.StackSize.get() as u8) else {
        return Ok(None);
    };
    let filled: Result<(), NtStatus> = request.control_buffers(
        code & 3,
        (buffers.input, buffers.input_length as usize),
        (buffers.output, buffers.output_length as usize),
    )?;
    if filled.is_err() {
        request.abandon()?;
        return Ok(None);
    }
    let irp = request.irp;
    if let Some(tail) = tail(irp) {
        tail.kind.set(kind::BUILT);
    }
    irp.RequestorMode.set(0);
    irp.UserEvent.set(pointer(event));
    irp.UserIosb.set(pointer(block));
    let stack = request.stack;
    stack.MajorFunction.set(if internal { IRP_MJ_INTERNAL_DEVICE_CONTROL } else { IRP_MJ_DEVICE_CONTROL });
    let parameters = stack.Parameters.DeviceIoControl();
    parameters.OutputBufferLength.set(buffers.output_length);
    parameters.InputBufferLength.set(buffers.input_length);
    parameters.IoControlCode.set(code);
    if code & 3 == nt_abi::METHOD_NEITHER {
        parameters.Type3InputBuffer.set(buffers.input as *mut _);
    }
    Ok(Some(irp))
}

/// Sends a device control without buffers and waits until it is done.
///
/// Source:  FsRtlBalanceReads
/// IRQL:    PASSIVE_LEVEL
/// Returns: what the device answers
/// Errors:  INSUFFICIENT_RESOURCES
pub fn io_send_device_control(device: &'static DEVICE_OBJECT, code: u32) -> Result<NtStatus, Raise> {
    let (event, block) = (KEVENT::default(), IO_STATUS_BLOCK::default());
    dispatcher::initialize_header(&event.Header, dispatcher::object_type::NOTIFICATION_EVENT, 0);
    let irp =
        io_build_device_io_control_request(code, device, ControlBuffers::default(), false, &event, &block)?;
    let Some(irp) = irp else { return Ok(NtStatus::INSUFFICIENT_RESOURCES) };
    match crate::completion::io_call_driver(device, irp)? {
        NtStatus::PENDING => {
            dispatcher::wait(&event.Header, false, None)?;
            Ok(block.Status.get())
        }
        status => Ok(status),
    }
}

/// An IRP that belongs to `master`, which completes when all of its own are complete.
///
/// Source:  IoMakeAssociatedIrp; IO-30, SEED-IOPB-16. The caller sets the master's `IrpCount`.
/// IRQL:    <= DISPATCH_LEVEL
pub fn io_make_associated_irp(master: &IRP, stack_size: u8) -> Option<&'static IRP> {
    let irp = io_allocate_irp(stack_size)?;
    irp.Flags.set(IRP_ASSOCIATED_IRP);
    irp.MasterIrp().set(pointer(master));
    irp.Thread().set(master.Thread().get());
    Some(irp)
}
