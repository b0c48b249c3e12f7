//! Times and attributes of a file by its name: the file system may tell them without an open ([`io_fast_query_open`]);
//! when it does not, or a filter disallows it, the file is opened, queried and closed.
//!
//! Statements: PARM-18.

use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use nt_abi::{
    FILE_BASIC_INFORMATION, FILE_NETWORK_OPEN_INFORMATION, IRP_SYNCHRONOUS_API, NtStatus, create_disposition,
    create_options as option, file_access as right, file_information_class as class,
};
use nt_ke::Raise;

use crate::create::{CreateParameters, InsteadOfCreate, io_create_file_object};
use crate::fast::io_fast_query_open;
use crate::information::{probe, query};
use crate::issue::IoStatus;
use crate::pointer::address;
use crate::{memory, objects};

const TAG: u32 = u32::from_le_bytes(*b"IoQn");

/// Queries FILE_NETWORK_OPEN_INFORMATION by name: asks, or opens, asks and closes.
///
/// Source: NtQueryFullAttributesFile; PARM-18
pub fn nt_query_full_attributes_file(p: &CreateParameters<'_>, buffer: usize) -> Result<NtStatus, Raise> {
    query_by_name(p, buffer, size_of::<FILE_NETWORK_OPEN_INFORMATION>(), class::FileNetworkOpenInformation)
}

/// Queries FILE_BASIC_INFORMATION by name. Source: NtQueryAttributesFile; PARM-18
pub fn nt_query_attributes_file(p: &CreateParameters<'_>, buffer: usize) -> Result<NtStatus, Raise> {
    query_by_name(p, buffer, size_of::<FILE_BASIC_INFORMATION>(), class::FileBasicInformation)
}

fn query_by_name(
    p: &CreateParameters<'_>,
    buffer: usize,
    length: usize,
    class: u32,
) -> Result<NtStatus, Raise> {
    probe(buffer, length as u32, true)?;
    let Some(found) = memory::allocate(size_of::<FILE_NETWORK_OPEN_INFORMATION>(), TAG) else {
        return Ok(NtStatus::INSUFFICIENT_RESOURCES);
    };
    let answered = ask_by_name(p, buffer, (length as u32, class), found);
    memory::free_any(found)?;
    answered
}

/// The same with memory for what the file system answers without an open.
fn ask_by_name(
    p: &CreateParameters<'_>,
    buffer: usize,
    (length, class): (u32, u32),
    found: usize,
) -> Result<NtStatus, Raise> {
    let told = Arc::new(AtomicU32::new(0));
    let result = Arc::clone(&told);
    let ask: InsteadOfCreate = Arc::new(move |_, device, irp| {
        let answer = io_fast_query_open(device, irp, found)?.filter(|status| *status != NtStatus::REPARSE);
        Ok(answer.inspect(|status| result.store(status.bits(), Ordering::Relaxed)).is_some())
    });
    let parameters = CreateParameters {
        access: right::FILE_READ_ATTRIBUTES | right::SYNCHRONIZE,
        share: right::FILE_SHARE_READ | right::FILE_SHARE_WRITE | right::FILE_SHARE_DELETE,
        disposition: create_disposition::FILE_OPEN,
        options: option::FILE_OPEN_REPARSE_POINT
            | option::FILE_OPEN_FOR_BACKUP_INTENT
            | option::FILE_SYNCHRONOUS_IO_NONALERT,
        instead: crate::subsystem().tries_fast_io().then_some(ask),
        ..p.clone()
    };
    match io_create_file_object(&parameters)? {
        Ok((file, _)) => {
            let result = query(file, buffer, length, class, IRP_SYNCHRONOUS_API);
            objects::dereference(address(file))?;
            Ok(result?.status)
        }
        Err(IoStatus { status: NtStatus::SUCCESS, .. }) => {
            let status = NtStatus::from_bits(told.load(Ordering::Relaxed));
            if !status.is_error() {
                hand_out(found, buffer, class)?;
            }
            Ok(status)
        }
        Err(failed) => Ok(failed.status),
    }
}

/// Copies what was found by name, in the form of `class`. The times are at the same place in both forms.
fn hand_out(found: usize, buffer: usize, class: u32) -> Result<(), Raise> {
    if class == class::FileNetworkOpenInformation {
        return Ok(boundary::copy::copy(buffer, found, size_of::<FILE_NETWORK_OPEN_INFORMATION>())?);
    }
    let attributes: u32 =
        boundary::copy::read_value(found + offset_of!(FILE_NETWORK_OPEN_INFORMATION, FileAttributes))?;
    boundary::copy::copy(buffer, found, offset_of!(FILE_BASIC_INFORMATION, FileAttributes))?;
    boundary::copy::write_value(buffer + offset_of!(FILE_BASIC_INFORMATION, FileAttributes), attributes)?;
    Ok(())
}
