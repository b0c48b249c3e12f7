//! Fast I/O on its way through a volume's instances, and back: callback data without an IRP.
//!
//! ```text
//! FastIoRead, … at the volume's device
//!   no callback registered ────────────────────► the fast I/O routine of the device below
//!   pre, pre, … ─ all passed ──────────────────► the same, with what they changed; then the posts
//!              ├─ answered by a filter ────────► the posts above it; done
//!              └─ FLT_PREOP_DISALLOW_FASTIO ───► the posts above it; declined: the caller sends an IRP
//! the device below declines ───────────────────► the posts with STATUS_FLT_DISALLOW_FAST_IO; declined
//! ```
//!
//! Always in the caller's thread, with neither buffering: the buffer is the caller's address, and there is no MDL.
//! Minifilters generate IRPs only, so a file that one opened below itself declines.
//!
//! Statements: CBD-02, CBD-18, IOPB-02, PARM-02, PARM-06, PARM-16, PARM-18, PARM-19, PRE-11, PRE-13, POST-04, REG-06, SWAP-03, SWAP-23.
//!
//! UNSAFETY: reads the published callback table through its address, under the epoch pin.

use std::sync::Arc;

use boundary::Raise;
use nt_abi::{
    DEVICE_OBJECT, FILE_BASIC_INFORMATION, FILE_NETWORK_OPEN_INFORMATION, FILE_OBJECT,
    FILE_STANDARD_INFORMATION, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION,
    FLTFL_OPERATION_REGISTRATION_SKIP_CACHED_IO, IRP, IRP_MJ_DEVICE_CONTROL,
    IRP_MJ_FAST_IO_CHECK_IF_POSSIBLE, IRP_MJ_NETWORK_QUERY_OPEN, IRP_MJ_QUERY_INFORMATION, IRP_MJ_READ,
    IRP_MJ_WRITE, NtStatus,
};
use nt_io::{
    ControlBuffers, FastIo, FastQuery, FastTransfer, IoStatus, device_state, io_current_stack, io_fast_check,
    io_fast_device_control, io_fast_query, io_fast_query_open, io_fast_transfer,
};
use nt_ke::{current_core, current_thread, epoch};

use crate::completion;
use crate::descend::{Outcome, descend};
use crate::device::{Attachment, FilterManager};
use crate::frame::Operation;
use crate::nodes::CallbackTable;
use crate::operation::{interested, kinds_of_file};
use crate::parameters::Snapshot;
use crate::pend::Leg;
use crate::volume::Volume;
use crate::{callback, flt, generated, rows};

/// One fast I/O call.
#[derive(Clone, Copy)]
enum Call {
    Transfer(FastTransfer, bool),
    Query(FastQuery, bool, usize),
    Control(u32, ControlBuffers, bool),
    Open(&'static IRP, usize),
    Check(FastTransfer, bool),
}

impl Call {
    fn major(&self) -> u8 {
        match self {
            Self::Transfer(transfer, _) if transfer.writing => IRP_MJ_WRITE,
            Self::Transfer(..) => IRP_MJ_READ,
            Self::Query(..) => IRP_MJ_QUERY_INFORMATION,
            Self::Control(..) => IRP_MJ_DEVICE_CONTROL,
            Self::Open(..) => IRP_MJ_NETWORK_QUERY_OPEN,
            Self::Check(..) => IRP_MJ_FAST_IO_CHECK_IF_POSSIBLE,
        }
    }

    fn kinds(&self, file: &'static FILE_OBJECT) -> u32 {
        let transfer = match self {
            Self::Transfer(..) => FLTFL_OPERATION_REGISTRATION_SKIP_CACHED_IO,
            Self::Query(..) | Self::Control(..) | Self::Open(..) | Self::Check(..) => 0,
        };
        kinds_of_file(std::ptr::from_ref(file).cast_mut()) | transfer
    }

    /// The parameter block of the call, as words: operation, file object, instance, parameters.
    #[inline]
    fn block(&self, file: &'static FILE_OBJECT) -> [u64; 9] {
        let (first, file) = (Snapshot::first_word(self.major()), std::ptr::from_ref(file) as u64);
        match *self {
            // Length, key, offset, buffer, no MDL.
            Self::Transfer(FastTransfer { offset, length, key, buffer, .. }, _) => {
                [first, file, 0, u64::from(length), u64::from(key), offset as u64, buffer as u64, 0, 0]
            }
            // Length, class, buffer.
            Self::Query(query, _, buffer) => {
                let length = match query {
                    FastQuery::Basic => size_of::<FILE_BASIC_INFORMATION>(),
                    FastQuery::Standard => size_of::<FILE_STANDARD_INFORMATION>(),
                    FastQuery::NetworkOpen => size_of::<FILE_NETWORK_OPEN_INFORMATION>(),
                };
                [first, file, 0, length as u64, u64::from(query.class()), buffer as u64, 0, 0, 0]
            }
            // Offset, length, key, whether it is a read.
            Self::Check(FastTransfer { writing, offset, length, key, .. }, _) => {
                let (length, key) = (u64::from(length), u64::from(key));
                [first, file, 0, offset as u64, length, key, u64::from(!writing), 0, 0]
            }
            // The create that would open the file, and where the answer goes.
            Self::Open(irp, buffer) => {
                [first, file, 0, std::ptr::from_ref(irp) as u64, buffer as u64, 0, 0, 0, 0]
            }
            // Output length, input length, code, input, output: the FastIo form, whatever the code's method (PARM-16).
            Self::Control(code, buffers, _) => {
                let lengths = [buffers.output_length, buffers.input_length, code].map(u64::from);
                let [output, input, code] = lengths;
                [first, file, 0, output, input, code, buffers.input as u64, buffers.output as u64, 0]
            }
        }
    }

    /// The call with the parameters that filters changed.
    #[cold]
    fn changed(&self, operation: &Operation) -> Self {
        let parameters = &operation.iopb.Parameters;
        match *self {
            Self::Transfer(transfer, wait) => {
                let from = parameters.Read();
                let changed = FastTransfer {
                    offset: from.ByteOffset.get(),
                    length: from.Length.get(),
                    key: from.Key.get(),
                    buffer: from.ReadBuffer.get() as usize,
                    ..transfer
                };
                Self::Transfer(changed, wait)
            }
            Self::Query(query, wait, _) => {
                Self::Query(query, wait, parameters.QueryFileInformation().InfoBuffer.get() as usize)
            }
            // The transfer that is asked about is not the filter's to change.
            Self::Check(..) => *self,
            Self::Open(irp, _) => {
                Self::Open(irp, parameters.NetworkQueryOpen().NetworkInformation.get() as usize)
            }
            Self::Control(_, _, wait) => {
                let from = parameters.DeviceIoControl().FastIo();
                let buffers = ControlBuffers {
                    input: from.InputBuffer.get() as usize,
                    input_length: from.InputBufferLength.get(),
                    output: from.OutputBuffer.get() as usize,
                    output_length: from.OutputBufferLength.get(),
                };
                Self::Control(from.IoControlCode.get(), buffers, wait)
            }
        }
    }

    /// To the device below.
    #[inline]
    fn send(
        &self,
        file: &'static FILE_OBJECT,
        lower: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        match self {
            Self::Transfer(transfer, wait) => io_fast_transfer(lower, file, transfer, *wait),
            Self::Query(query, wait, buffer) => io_fast_query(lower, file, *query, *wait, *buffer),
            Self::Check(transfer, wait) => {
                let possible = io_fast_check(lower, file, transfer, *wait)?;
                Ok(possible.then_some(IoStatus::of(NtStatus::SUCCESS)))
            }
            Self::Open(irp, buffer) => {
                let answer = io_fast_query_open(lower, irp, *buffer)?;
                Ok(answer.map(|status| IoStatus { status, information: 0 }))
            }
            Self::Control(code, buffers, wait) => io_fast_device_control(lower, file, *wait, *code, *buffers),
        }
    }
}

#[inline(always)]
fn fill(
    operation: &Operation,
    volume: &Volume,
    file: &'static FILE_OBJECT,
    call: &Call,
    table: *const CallbackTable,
) {
    let thread = current_thread();
    let data = &operation.data;
    data.Flags.set(FLTFL_CALLBACK_DATA_FAST_IO_OPERATION);
    data.RequestorMode.set(thread.previous_mode().get() as i8);
    data.Thread.set(std::ptr::from_ref(thread).cast_mut().cast());
    operation.begin_with(volume, table, call.block(file));
}

/// Takes a fast I/O call at the volume's device through the volume's instances.
///
/// Returns: `None` when a filter disallows it, or the device below declines
fn run(volume: &Arc<Volume>, file: &'static FILE_OBJECT, call: &Call) -> Result<Option<IoStatus>, Raise> {
    let core = current_core();
    let Some(lower) = volume.lower() else { return Ok(None) };
    if generated::is_opened_below(file) {
        return Ok(None);
    }
    let _pin = epoch::pin(core);
    let table = volume.table.load();
    let row = rows::row(call.major()).expect("every fast I/O call has a row");
    // SAFETY: loaded under the pin taken above, which lasts until this function returns.
    let list = unsafe { &*table }.row(row);
    let kinds = call.kinds(file);
    if !interested(list, kinds) {
        return call.send(file, lower);
    }
    let flt = flt();
    let Some(operation) = flt.frames.take(2 * list.len()) else { return Ok(None) };
    // What callbacks do with a file object that nobody may keep is looked at.
    let asks = matches!(call, Call::Open(..));
    operation.set_watched(asks || callback::is_watched(core, flt), || false);
    fill(operation, volume, file, call, table);
    let outcome =
        descend(core, operation, list, 0, kinds, Leg::DISPATCHER).inspect_err(|_| operation.leave())?;
    if outcome == Outcome::Send {
        let answer = if operation.modified.get() {
            let file = crate::pointer::file(operation.iopb.TargetFileObject.get());
            match (file, operation.volume().lower()) {
                (Some(file), Some(lower)) => call.changed(operation).send(file, lower),
                _ => Ok(None),
            }
        } else {
            call.send(file, lower)
        };
        // By reference: moving the answer waits for the stores of those who made it.
        let status = &operation.data.IoStatus;
        match &answer {
            Ok(Some(result)) => {
                status.Status.set(result.status);
                status.Information.set(result.information);
            }
            Ok(None) => {
                status.Status.set(NtStatus::FLT_DISALLOW_FAST_IO);
                status.Information.set(0);
            }
            Err(raise) => {
                operation.leave();
                return Err(*raise);
            }
        }
    }
    // Without an IRP nobody can hold it.
    completion::up(operation, Leg::DISPATCHER)?;
    let status = &operation.data.IoStatus;
    let result = IoStatus { status: status.Status.get(), information: status.Information.get() };
    flt.frames.give(operation);
    Ok((result.status != NtStatus::FLT_DISALLOW_FAST_IO).then_some(result))
}

fn arrive(
    device: &'static DEVICE_OBJECT,
    file: &'static FILE_OBJECT,
    call: &Call,
) -> Result<Option<IoStatus>, Raise> {
    match device_state::<Attachment>(device) {
        Some(Attachment::Volume(volume)) => run(&volume.borrow(), file, call),
        _ => Ok(None),
    }
}

impl FastIo for FilterManager {
    fn read(
        &self,
        file: &'static FILE_OBJECT,
        offset: i64,
        length: u32,
        wait: bool,
        key: u32,
        buffer: usize,
        device: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        let transfer = FastTransfer { writing: false, offset, length, key, buffer };
        arrive(device, file, &Call::Transfer(transfer, wait))
    }

    fn write(
        &self,
        file: &'static FILE_OBJECT,
        offset: i64,
        length: u32,
        wait: bool,
        key: u32,
        buffer: usize,
        device: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        let transfer = FastTransfer { writing: true, offset, length, key, buffer };
        arrive(device, file, &Call::Transfer(transfer, wait))
    }

    fn query_basic(
        &self,
        file: &'static FILE_OBJECT,
        wait: bool,
        buffer: usize,
        device: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        arrive(device, file, &Call::Query(FastQuery::Basic, wait, buffer))
    }

    fn query_standard(
        &self,
        file: &'static FILE_OBJECT,
        wait: bool,
        buffer: usize,
        device: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        arrive(device, file, &Call::Query(FastQuery::Standard, wait, buffer))
    }

    fn query_network_open(
        &self,
        file: &'static FILE_OBJECT,
        wait: bool,
        buffer: usize,
        device: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        arrive(device, file, &Call::Query(FastQuery::NetworkOpen, wait, buffer))
    }

    fn device_control(
        &self,
        file: &'static FILE_OBJECT,
        wait: bool,
        code: u32,
        buffers: ControlBuffers,
        device: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        arrive(device, file, &Call::Control(code, buffers, wait))
    }

    fn query_open(
        &self,
        irp: &'static IRP,
        buffer: usize,
        device: &'static DEVICE_OBJECT,
    ) -> Result<Option<NtStatus>, Raise> {
        let Some(Attachment::Volume(volume)) = device_state::<Attachment>(device) else { return Ok(None) };
        let Some(file) = crate::pointer::file(io_current_stack(irp).FileObject.get()) else {
            return Ok(None);
        };
        let volume = volume.borrow();
        // It may be the first that the volume sees.
        volume.settle()?;
        let answer = run(&volume, file, &Call::Open(irp, buffer))?;
        Ok(answer.map(|result| {
            irp.IoStatus.Status.set(result.status);
            result.status
        }))
    }

    fn check(
        &self,
        file: &'static FILE_OBJECT,
        transfer: &FastTransfer,
        wait: bool,
        device: &'static DEVICE_OBJECT,
    ) -> Result<bool, Raise> {
        let answer = arrive(device, file, &Call::Check(*transfer, wait))?;
        Ok(answer.is_some_and(|result| result.status.is_success()))
    }
}
