//! Paging I/O: what the memory and cache managers ask of a file system, through every filter above it.
//!
//! Statements: PAGE-16, PAGE-17, SEED-IOPB-08.

use nt_abi::{
    FILE_OBJECT, IRP_MJ_READ, IRP_MJ_WRITE, IRP_NOCACHE, IRP_PAGING_IO, IRP_SYNCHRONOUS_PAGING_IO, MDL,
};

use crate::completion::io_call_driver;
use crate::irp::{io_free_irp, kind, tail};
use crate::issue::{IoResult, IoStatus, Request, wait_for};
use crate::pointer::pointer;

/// Reads pages: all bytes of `mdl` from `offset` on.
///
/// Source:  IoPageRead. The pages are locked and stay the caller's, as does the MDL.
/// IRQL:    <= APC_LEVEL
/// Locks:   none of the stream's that the file system takes for paging I/O
/// Units:   bytes; `offset` is a multiple of the page size
/// Returns: bytes that the file has there; the rest of the pages is the caller's to clear
pub fn io_page_read(file: &'static FILE_OBJECT, mdl: &MDL, offset: i64) -> IoResult {
    transfer(file, mdl, offset, IRP_MJ_READ)
}

/// Writes pages. As [`io_page_read`]. Source: IoSynchronousPageWrite.
pub fn io_page_write(file: &'static FILE_OBJECT, mdl: &MDL, offset: i64) -> IoResult {
    transfer(file, mdl, offset, IRP_MJ_WRITE)
}

fn transfer(file: &'static FILE_OBJECT, mdl: &MDL, offset: i64, major: u8) -> IoResult {
    let device = crate::device::io_get_related_device(file);
    let request = match Request::with_stack(None, device, device.StackSize.get() as u8) {
        Ok(request) => request,
        Err(status) => return Ok(IoStatus::of(status)),
    };
    let (irp, stack) = (request.irp, request.stack);
    irp.RequestorMode.set(0);
    irp.Flags.set(IRP_PAGING_IO | IRP_NOCACHE | IRP_SYNCHRONOUS_PAGING_IO);
    irp.OriginalFileObject().set(pointer(file));
    irp.MdlAddress.set(pointer(mdl));
    irp.UserBuffer.set(nt_mm::mdl::virtual_address(mdl) as *mut _);
    stack.MajorFunction.set(major);
    stack.FileObject.set(pointer(file));
    // Read and write share their layout.
    let parameters = stack.Parameters.Read();
    parameters.Length.set(mdl.ByteCount.get());
    parameters.ByteOffset.set(offset);
    let tail = tail(irp).expect("requests are issued IRPs");
    tail.kind.set(kind::SYNCHRONOUS);
    io_call_driver(device, irp)?;
    wait_for(tail)?;
    let result = IoStatus { status: irp.IoStatus.Status.get(), information: irp.IoStatus.Information.get() };
    io_free_irp(irp)?;
    Ok(result)
}
