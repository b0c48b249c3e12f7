//! Paging I/O: what the memory and cache managers ask of a file system, through every filter above it.
//!
//! Statements: PAGE-16, PAGE-17, SEED-IOPB-08, SEED-IOPB-10, FSF-29.

use nt_abi::{
    FILE_OBJECT, IRP, IRP_MJ_READ, IRP_MJ_WRITE, IRP_NOCACHE, IRP_PAGING_IO, IRP_SYNCHRONOUS_PAGING_IO, MDL,
    NtStatus,
};
use nt_ke::Raise;

use crate::completion::io_call_driver;
use crate::irp::{io_free_irp, kind, tail};
use crate::issue::{IoResult, IoStatus, Request, wait_for};
use crate::pointer::{address, pointer};

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

/// What is told of an asynchronous paging write, in whatever thread completes it.
pub type PageWritten = Box<dyn FnOnce(IoStatus) -> Result<(), Raise> + Send>;

/// Writes pages and does not wait: `written` is called when they arrived or failed, perhaps before this returns.
///
/// Source:  IoAsynchronousPageWrite (not documented); FSF-29, SEED-IOPB-10
/// IRQL:    <= APC_LEVEL
/// Locks:   as [`io_page_read`]
/// Errors:  `Stop`; a refusal is told to `written`
pub fn io_page_write_asynchronously(
    file: &'static FILE_OBJECT,
    mdl: &MDL,
    offset: i64,
    written: PageWritten,
) -> Result<(), Raise> {
    let request = match request(file, mdl, offset, IRP_MJ_WRITE, 0) {
        Ok(request) => request,
        Err(status) => return written(IoStatus::of(status)),
    };
    let tail = tail(request.irp).expect("requests are issued IRPs");
    tail.kind.set(kind::PAGING);
    crate::subsystem().page_writes.lock().insert(address(request.irp), written);
    io_call_driver(request.device, request.irp).map(|_| ())
}

/// The completion walk of an asynchronous paging write has passed the top.
pub(crate) fn written(irp: &'static IRP) -> Result<(), Raise> {
    let written = crate::subsystem().page_writes.lock().remove(&address(irp));
    let result = IoStatus { status: irp.IoStatus.Status.get(), information: irp.IoStatus.Information.get() };
    io_free_irp(irp)?;
    written.map_or(Ok(()), |written| written(result))
}

fn request(
    file: &'static FILE_OBJECT,
    mdl: &MDL,
    offset: i64,
    major: u8,
    synchronous: u32,
) -> Result<Request, NtStatus> {
    let device = crate::device::io_get_related_device(file);
    let request = Request::with_stack(None, device, device.StackSize.get() as u8)?;
    let (irp, stack) = (request.irp, request.stack);
    irp.RequestorMode.set(0);
    irp.Flags.set(IRP_PAGING_IO | IRP_NOCACHE | synchronous);
    irp.OriginalFileObject().set(pointer(file));
    irp.MdlAddress.set(pointer(mdl));
    irp.UserBuffer.set(nt_mm::mdl::virtual_address(mdl) as *mut _);
    stack.MajorFunction.set(major);
    stack.FileObject.set(pointer(file));
    // Read and write share their layout.
    let parameters = stack.Parameters.Read();
    parameters.Length.set(mdl.ByteCount.get());
    parameters.ByteOffset.set(offset);
    Ok(request)
}

fn transfer(file: &'static FILE_OBJECT, mdl: &MDL, offset: i64, major: u8) -> IoResult {
    let request = match request(file, mdl, offset, major, IRP_SYNCHRONOUS_PAGING_IO) {
        Ok(request) => request,
        Err(status) => return Ok(IoStatus::of(status)),
    };
    let irp = request.irp;
    let tail = tail(irp).expect("requests are issued IRPs");
    tail.kind.set(kind::SYNCHRONOUS);
    io_call_driver(request.device, irp)?;
    wait_for(tail)?;
    let result = IoStatus { status: irp.IoStatus.Status.get(), information: irp.IoStatus.Information.get() };
    io_free_irp(irp)?;
    Ok(result)
}
