//! Structured exceptions as drivers call them: raising, unwinding, looking at frames.
//!
//! UNSAFETY: records and contexts are memory of the driver, whose fields are cells.

use std::sync::atomic::Ordering;

use boundary::exception::{Pending, Unwind};
use boundary::raise::RAISE_REQUEST;
use boundary::{Raise, export};
use driver::exception as dispatch;
use nt_abi::irql::{DISPATCH_LEVEL, HIGH_LEVEL};
use nt_abi::{CONTEXT, DISPATCHER_CONTEXT, EXCEPTION_RECORD, NtStatus};
use nt_ke::subsystem;

use crate::argument::{arg, fault, rows, store_if};

rows! { "ntoskrnl.exe", "driver";
    __C_specific_handler done "EXEC-20";
    _local_unwind done "";
    ExRaiseStatus done "EXEC-20";
    ExRaiseAccessViolation done "";
    ExRaiseDatatypeMisalignment done "";
    ExSystemExceptionFilter done "";
    RtlRaiseException done "";
    RtlRaiseStatus done "";
    RtlUnwind done "";
    RtlUnwindEx done "the history table is not used";
    RtlVirtualUnwind done "context pointers are not written";
    RtlLookupFunctionEntry done "the history table is not used";
    RtlPcToFileHeader done "";
    RtlCaptureContext done "";
    RtlRestoreContext done "the record is not used: no long jumps";
    RtlCaptureStackBackTrace done "";
    RtlWalkFrameChain done "";
}

pub(crate) use boundary::exception::capture_context as RtlCaptureContext;

/// The shim does the rest, with the driver's registers.
fn request(pending: Pending) {
    let block = boundary::current();
    block.request.set(Some(pending));
    block.raise_pending.fetch_or(RAISE_REQUEST, Ordering::Relaxed);
}

/// A raise that names no address.
fn plain(status: NtStatus) -> Raise {
    boundary::current().raise_parameters.set((0, [0; 2]));
    Raise::Status(status)
}

fn unwind(frame: u64, ip: u64, record: *mut EXCEPTION_RECORD, value: u64) {
    request(Pending::Unwind(Unwind { frame, ip, record: record as usize, value }));
}

export! {
    /// Personality routine of functions with `__try`.
    pub fn __C_specific_handler(record: *mut EXCEPTION_RECORD, frame: u64, context: *mut CONTEXT,
        dispatcher: *mut DISPATCHER_CONTEXT) -> i32 [irql <= HIGH_LEVEL] {
        arg!(__C_specific_handler: record, context, dispatcher);
        dispatch::c_specific_handler(record, frame, context, dispatcher).ok_or(Raise::Stop)
    }

    /// Leaves `__try` blocks of the function with frame `frame`, to go on at `target` in it.
    pub fn _local_unwind(frame: u64, target: u64) -> () [irql <= HIGH_LEVEL] {
        unwind(frame, target, std::ptr::null_mut(), 0);
        Ok(())
    }

    /// Raises a status.
    pub fn ExRaiseStatus(status: NtStatus) -> () [irql <= HIGH_LEVEL] {
        Err(plain(status))
    }

    /// Raises ACCESS_VIOLATION.
    pub fn ExRaiseAccessViolation() -> () [irql <= HIGH_LEVEL] {
        Err(plain(NtStatus::ACCESS_VIOLATION))
    }

    /// Raises DATATYPE_MISALIGNMENT.
    pub fn ExRaiseDatatypeMisalignment() -> () [irql <= HIGH_LEVEL] {
        Err(plain(NtStatus::DATATYPE_MISALIGNMENT))
    }

    /// A filter that takes everything.
    pub fn ExSystemExceptionFilter() -> i32 [irql <= HIGH_LEVEL] {
        Ok(1)
    }

    /// Raises what the record says. Its address becomes that of the call.
    pub fn RtlRaiseException(record: *mut EXCEPTION_RECORD) -> () [irql <= HIGH_LEVEL] {
        arg!(RtlRaiseException: record);
        request(Pending::Raise(std::ptr::from_ref(record) as usize));
        Ok(())
    }

    /// Raises a status.
    pub fn RtlRaiseStatus(status: NtStatus) -> () [irql <= HIGH_LEVEL] {
        Err(plain(status))
    }

    /// Unwinds to a frame, which goes on at `ip` with `value` in `rax`.
    pub fn RtlUnwind(frame: u64, ip: u64, record: *mut EXCEPTION_RECORD, value: u64) -> () [irql <= HIGH_LEVEL] {
        unwind(frame, ip, record, value);
        Ok(())
    }

    /// The same.
    pub fn RtlUnwindEx(frame: u64, ip: u64, record: *mut EXCEPTION_RECORD, value: u64, _context: usize,
        _history: usize) -> () [irql <= HIGH_LEVEL] {
        unwind(frame, ip, record, value);
        Ok(())
    }

    /// Turns a context into its caller's. Returns the frame's handler of the wanted type.
    pub fn RtlVirtualUnwind(kind: u32, _base: u64, pc: u64, _function: usize, context: *mut CONTEXT,
        data: *mut u64, establisher: *mut u64, _pointers: usize) -> u64 [irql <= HIGH_LEVEL] {
        arg!(RtlVirtualUnwind: context);
        let images = subsystem::<driver::Loader>().images();
        let found = images.virtual_unwind(kind, pc, context);
        store_if(establisher, found.establisher)?;
        store_if(data, found.data)?;
        Ok(found.handler)
    }

    /// The function around an address, and its image.
    pub fn RtlLookupFunctionEntry(pc: u64, base: *mut u64, _history: usize) -> usize [irql <= HIGH_LEVEL] {
        let found = subsystem::<driver::Loader>().images().function_entry(pc as usize);
        store_if(base, found.map_or(0, |(base, _)| base as u64))?;
        Ok(found.map_or(0, |(_, entry)| entry))
    }

    /// The image around an address.
    pub fn RtlPcToFileHeader(pc: usize, base: *mut usize) -> usize [irql <= HIGH_LEVEL] {
        let found = subsystem::<driver::Loader>().images().base_of(pc).unwrap_or(0);
        store_if(base, found)?;
        Ok(found)
    }

    /// Goes on with other registers.
    pub fn RtlRestoreContext(context: *mut CONTEXT, _record: usize) -> () [irql <= HIGH_LEVEL] {
        arg!(RtlRestoreContext: context);
        request(Pending::Restore(std::ptr::from_ref(context) as usize));
        Ok(())
    }

    /// Return addresses, without the first `skip`; their number.
    pub fn RtlCaptureStackBackTrace(skip: u32, count: u32, trace: *mut usize, hash: *mut u32) -> u16
        [irql <= HIGH_LEVEL] {
        let frames = walk(skip as usize, count as usize, trace)?;
        let sum = frames.iter().fold(0u32, |sum, frame| sum.wrapping_add(*frame as u32));
        if !frames.is_empty() {
            store_if(hash, sum)?;
        }
        Ok(frames.len() as u16)
    }

    /// Return addresses; their number.
    pub fn RtlWalkFrameChain(callers: *mut usize, count: u32, _flags: u32) -> u32 [irql <= DISPATCH_LEVEL] {
        Ok(walk(0, count as usize, callers)?.len() as u32)
    }
}

/// Writes the driver's return addresses, innermost first.
fn walk(skip: usize, count: usize, to: *mut usize) -> Result<Vec<usize>, Raise> {
    let all = subsystem::<driver::Loader>().images().walk_current();
    let frames: Vec<usize> = all.into_iter().skip(skip).take(count).collect();
    for (index, frame) in frames.iter().enumerate() {
        boundary::copy::write_value(to.wrapping_add(index) as usize, *frame).map_err(fault)?;
    }
    Ok(frames)
}
