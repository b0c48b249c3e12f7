//! Fast I/O: asking the driver of a device to carry a request out by a plain call, without an IRP.
//!
//! A routine that is missing, or that answers FALSE, declines: the caller sends an IRP. Buffers are the caller's
//! addresses, in the caller's thread.
//!
//! Statements: CC-20, PARM-06, PARM-16, PARM-18.

use std::cell::Cell;

use nt_abi::{DEVICE_OBJECT, FILE_OBJECT, IO_STATUS_BLOCK, IRP, NativeFn, NtStatus};
use nt_ke::Raise;

use crate::control::ControlBuffers;
use crate::driver::{FastRoutines, fast_routines};
use crate::issue::IoStatus;
use crate::pointer::address;

/// A read or write.
#[derive(Clone, Copy, Debug)]
pub struct FastTransfer {
    /// Whether it writes.
    pub writing: bool,
    /// Byte offset in the file; -1 for a write to its end.
    pub offset: i64,
    /// Bytes.
    pub length: u32,
    /// Byte-range lock key.
    pub key: u32,
    /// The caller's buffer.
    pub buffer: usize,
}

/// A query that has a fast I/O routine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastQuery {
    /// `FileBasicInformation`.
    Basic,
    /// `FileStandardInformation`.
    Standard,
    /// `FileNetworkOpenInformation`.
    NetworkOpen,
}

impl FastQuery {
    /// The query for an information class, if it has one.
    pub fn of_class(class: u32) -> Option<Self> {
        [Self::Basic, Self::Standard, Self::NetworkOpen].into_iter().find(|query| query.class() == class)
    }

    /// Its information class.
    pub fn class(self) -> u32 {
        match self {
            Self::Basic => nt_abi::file_information_class::FileBasicInformation,
            Self::Standard => nt_abi::file_information_class::FileStandardInformation,
            Self::NetworkOpen => nt_abi::file_information_class::FileNetworkOpenInformation,
        }
    }
}

/// Calls a native routine whose last arguments but the device are the status block; FALSE declines.
fn native<const N: usize>(
    routine: NativeFn,
    arguments: impl FnOnce(u64) -> [u64; N],
) -> Result<Option<IoStatus>, Raise> {
    if routine.is_null() {
        return Ok(None);
    }
    let block = IO_STATUS_BLOCK::default();
    let handled = boundary::call(routine, arguments(address(&block) as u64))? as u8 != 0;
    Ok(handled.then(|| IoStatus { status: block.Status.get(), information: block.Information.get() }))
}

/// Asks the driver of `device` to read or write.
///
/// Source:  FAST_IO_DISPATCH.FastIoRead, FastIoWrite; CC-20
/// IRQL:    PASSIVE_LEVEL
/// Returns: `None` when the driver declines; else the transfer's end, which may be an error
#[inline]
pub fn io_fast_transfer(
    device: &'static DEVICE_OBJECT,
    file: &'static FILE_OBJECT,
    transfer: &FastTransfer,
    wait: bool,
) -> Result<Option<IoStatus>, Raise> {
    let FastTransfer { writing, offset, length, key, buffer } = *transfer;
    match fast_routines(device) {
        None => Ok(None),
        Some(FastRoutines::Rust(routines)) if writing => {
            routines.write(file, offset, length, wait, key, buffer, device)
        }
        Some(FastRoutines::Rust(routines)) => routines.read(file, offset, length, wait, key, buffer, device),
        Some(FastRoutines::Native(table)) => {
            let routine = if writing { table.FastIoWrite.get() } else { table.FastIoRead.get() };
            let offset = Cell::new(offset);
            native(routine, |block| {
                [
                    address(file) as u64,
                    address(&offset) as u64,
                    u64::from(length),
                    u64::from(wait),
                    u64::from(key),
                    buffer as u64,
                    block,
                    address(device) as u64,
                ]
            })
        }
    }
}

/// Asks the driver of `device` to fill the structure of `query` at `buffer`.
///
/// Source:  FAST_IO_DISPATCH.FastIoQueryBasicInfo, FastIoQueryStandardInfo, FastIoQueryNetworkOpenInfo; PARM-06
/// IRQL:    PASSIVE_LEVEL
/// Returns: `None` when the driver declines
pub fn io_fast_query(
    device: &'static DEVICE_OBJECT,
    file: &'static FILE_OBJECT,
    query: FastQuery,
    wait: bool,
    buffer: usize,
) -> Result<Option<IoStatus>, Raise> {
    match fast_routines(device) {
        None => Ok(None),
        Some(FastRoutines::Rust(routines)) => match query {
            FastQuery::Basic => routines.query_basic(file, wait, buffer, device),
            FastQuery::Standard => routines.query_standard(file, wait, buffer, device),
            FastQuery::NetworkOpen => routines.query_network_open(file, wait, buffer, device),
        },
        Some(FastRoutines::Native(table)) => {
            let routine = match query {
                FastQuery::Basic => table.FastIoQueryBasicInfo.get(),
                FastQuery::Standard => table.FastIoQueryStandardInfo.get(),
                FastQuery::NetworkOpen => table.FastIoQueryNetworkOpenInfo.get(),
            };
            native(routine, |block| {
                [address(file) as u64, u64::from(wait), buffer as u64, block, address(device) as u64]
            })
        }
    }
}

/// Asks the driver of `device` to carry out the device control `code`.
///
/// Source:  FAST_IO_DISPATCH.FastIoDeviceControl; PARM-16
/// IRQL:    PASSIVE_LEVEL
/// Returns: `None` when the driver declines
pub fn io_fast_device_control(
    device: &'static DEVICE_OBJECT,
    file: &'static FILE_OBJECT,
    wait: bool,
    code: u32,
    buffers: ControlBuffers,
) -> Result<Option<IoStatus>, Raise> {
    match fast_routines(device) {
        None => Ok(None),
        Some(FastRoutines::Rust(routines)) => routines.device_control(file, wait, code, buffers, device),
        Some(FastRoutines::Native(table)) => native(table.FastIoDeviceControl.get(), |block| {
            [
                address(file) as u64,
                u64::from(wait),
                buffers.input as u64,
                u64::from(buffers.input_length),
                buffers.output as u64,
                u64::from(buffers.output_length),
                u64::from(code),
                block,
                address(device) as u64,
            ]
        }),
    }
}

/// Asks the driver of `device` about the file that the create `irp` would open: a FILE_NETWORK_OPEN_INFORMATION at
/// `buffer`. The IRP's current stack location is that of the create; it is not completed.
///
/// Source:  FAST_IO_DISPATCH.FastIoQueryOpen; PARM-18
/// IRQL:    PASSIVE_LEVEL
/// Returns: `None` when the driver declines: the file has to be opened
pub fn io_fast_query_open(
    device: &'static DEVICE_OBJECT,
    irp: &'static IRP,
    buffer: usize,
) -> Result<Option<NtStatus>, Raise> {
    match fast_routines(device) {
        None => Ok(None),
        Some(FastRoutines::Rust(routines)) => routines.query_open(irp, buffer, device),
        Some(FastRoutines::Native(table)) if table.FastIoQueryOpen.get().is_null() => Ok(None),
        Some(FastRoutines::Native(table)) => {
            let arguments = [address(irp) as u64, buffer as u64, address(device) as u64];
            let handled = boundary::call(table.FastIoQueryOpen.get(), arguments)? as u8 != 0;
            Ok(handled.then(|| irp.IoStatus.Status.get()))
        }
    }
}

/// Asks the driver of `device` whether a transfer may be carried out by fast I/O.
///
/// Source:  FAST_IO_DISPATCH.FastIoCheckIfPossible; CC-20, PARM-18
/// IRQL:    PASSIVE_LEVEL
/// Returns: `false` also where the driver has no such routine
pub fn io_fast_check(
    device: &'static DEVICE_OBJECT,
    file: &'static FILE_OBJECT,
    transfer: &FastTransfer,
    wait: bool,
) -> Result<bool, Raise> {
    match fast_routines(device) {
        None => Ok(false),
        Some(FastRoutines::Rust(routines)) => routines.check(file, transfer, wait, device),
        Some(FastRoutines::Native(table)) => {
            let offset = Cell::new(transfer.offset);
            let answer = native(table.FastIoCheckIfPossible.get(), |block| {
                [
                    address(file) as u64,
                    address(&offset) as u64,
                    u64::from(transfer.length),
                    u64::from(wait),
                    u64::from(transfer.key),
                    u64::from(!transfer.writing),
                    block,
                    address(device) as u64,
                ]
            })?;
            Ok(answer.is_some())
        }
    }
}
