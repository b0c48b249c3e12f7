//! Query open: information about a file by its name. The file system may give it without opening the file; when it does
//! not, or a filter disallows it, the file is opened, queried and closed.
//!
//! Statements: FSF-28, X-16.

use std::cell::Cell;
use std::ptr::from_ref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use boundary::{Raise, copy};
use nt_abi::file_information_class as class;
use nt_abi::{
    DEVICE_OBJECT, FILE_OBJECT, IRP, IRP_MJ_QUERY_OPEN, NtStatus, create_disposition,
    create_options as option, file_access as right,
};
use nt_ex::pool::{self, PoolKind};
use nt_io::{CreateParameters, IoResult, IoStatus, io_create_file_object, io_query_file_information};

use super::perform::{Call, perform_at};

const TAG: u32 = u32::from_le_bytes(*b"FSqo");
/// `FileStatBasicInformation`.
pub const FILE_STAT_BASIC_INFORMATION: u32 = 77;
/// `FILE_OPEN_REPARSE_POINT` and the like: the file itself, whatever it is.
const OPTIONS: u32 = option::FILE_OPEN_REPARSE_POINT
    | option::FILE_OPEN_FOR_BACKUP_INTENT
    | option::FILE_SYNCHRONOUS_IO_NONALERT;

/// Bytes of an information class that can be asked for by name; `None` for others.
pub fn length_of(information_class: u32) -> Option<u32> {
    match information_class {
        class::FileStatInformation => Some(0x48),
        class::FileStatLxInformation => Some(0x60),
        class::FileCaseSensitiveInformation => Some(4),
        FILE_STAT_BASIC_INFORMATION => Some(0x68),
        _ => None,
    }
}

/// Where the answer goes: kernel memory that goes with the value.
struct Answer(usize);

impl Answer {
    fn new(length: u32) -> Result<Self, NtStatus> {
        let block = pool::allocate_engine(PoolKind::NonPaged, (length as usize).max(8), TAG);
        block.map(|block| Self(block.as_ptr() as usize)).ok_or(NtStatus::INSUFFICIENT_RESOURCES)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // Damage by a driver is a bug check that is recorded.
        let _ = pool::free(self.0 as *const u8, Some(TAG));
    }
}

/// Queries information about a file by its name.
///
/// Source:  NtQueryInformationByName; FSF-28
/// IRQL:    PASSIVE_LEVEL
/// Shape:   FileStatInformation, FileStatLxInformation, FileCaseSensitiveInformation, FileStatBasicInformation
/// Errors:  INVALID_INFO_CLASS · INFO_LENGTH_MISMATCH · what the open or the file system answers
pub fn nt_query_information_by_name(
    p: &CreateParameters<'_>,
    buffer: usize,
    length: u32,
    information_class: u32,
) -> IoResult {
    let Some(least) = length_of(information_class) else {
        return Ok(IoStatus::of(NtStatus::INVALID_INFO_CLASS));
    };
    if length < least {
        return Ok(IoStatus::of(NtStatus::INFO_LENGTH_MISMATCH));
    }
    if p.mode != 0 {
        nt_mm::probe::probe_for_write(buffer, length as usize, 1)?;
    }
    let answer = match Answer::new(length) {
        Ok(answer) => answer,
        Err(status) => return Ok(IoStatus::of(status)),
    };
    let result = ask(p, answer.0, length, information_class)?;
    if !result.status.is_error() {
        let mut bytes = vec![0; result.information.min(length as usize)];
        copy::read(answer.0, &mut bytes)?;
        if copy::write(buffer, &bytes).is_err() {
            return Ok(IoStatus::of(NtStatus::ACCESS_VIOLATION));
        }
    }
    Ok(result)
}

fn ask(p: &CreateParameters<'_>, answer: usize, length: u32, information_class: u32) -> IoResult {
    let ended = Arc::new([const { AtomicU32::new(0) }; 2]);
    let result = Arc::clone(&ended);
    let parameters = CreateParameters {
        access: right::FILE_READ_ATTRIBUTES | right::SYNCHRONIZE,
        share: right::FILE_SHARE_READ | right::FILE_SHARE_WRITE | right::FILE_SHARE_DELETE,
        disposition: create_disposition::FILE_OPEN,
        options: OPTIONS,
        instead: Some(Arc::new(move |file, device, irp| {
            let given = Cell::new(length);
            let status = query_open(file, device, irp, (answer, &given, information_class))?;
            if matches!(status, NtStatus::FLT_DISALLOW_FSFILTER_IO | NtStatus::REPARSE) {
                return Ok(false);
            }
            result[0].store(status.bits(), Ordering::Relaxed);
            result[1].store(given.get(), Ordering::Relaxed);
            Ok(true)
        })),
        ..p.clone()
    };
    match io_create_file_object(&parameters)? {
        Ok((file, _)) => {
            let result = io_query_file_information(file, answer, length, information_class);
            let_go(file)?;
            result
        }
        Err(IoStatus { status: NtStatus::SUCCESS, .. }) => {
            let [status, given] = [0, 1].map(|index| ended[index].load(Ordering::Relaxed));
            Ok(IoStatus { status: NtStatus::from_bits(status), information: given as usize })
        }
        Err(failed) => Ok(failed),
    }
}

fn let_go(file: &FILE_OBJECT) -> Result<(), Raise> {
    nt_ob::ob_dereference(from_ref(file) as usize)
}

/// Sends the operation down from `device`.
///
/// Returns: FLT_DISALLOW_FSFILTER_IO when the file has to be opened
fn query_open(
    file: &FILE_OBJECT,
    device: &'static DEVICE_OBJECT,
    irp: &IRP,
    (answer, length, information_class): (usize, &Cell<u32>, u32),
) -> Result<NtStatus, Raise> {
    let call = Call::new(IRP_MJ_QUERY_OPEN, file, true);
    // Irp, FileInformation, Length, FileInformationClass, CompletionStatus.
    let words =
        [from_ref(irp) as u64, answer as u64, length.as_ptr() as u64, u64::from(information_class), 0];
    for (cell, word) in call.data.Parameters.raw.iter().zip(words) {
        cell.set(word);
    }
    perform_at(&call, device, &|_| Ok(NtStatus::FLT_DISALLOW_FSFILTER_IO))
}
