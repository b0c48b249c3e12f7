//! IRP_MJ_SET_INFORMATION but for renames. Statements: FS-18, FS-23 to FS-25, FS-27.

use nt_abi::{
    IO_STACK_LOCATION, IRP, NtStatus, file_access as access, file_attributes as attribute,
    file_information_class as class,
};
use store::MetadataChange;

use crate::fcb::{Ccb, Fcb, Volume, of_file};
use crate::{Answer, Failure, buffer, rename};

/// Largest size that a file may be given.
const MAX_SIZE: i64 = i64::MAX;

/// Changes one information class.
pub(crate) fn set(volume: &Volume, irp: &'static IRP, stack: &IO_STACK_LOCATION) -> Answer {
    let (file, fcb, ccb) = of_file(stack.FileObject.get())?;
    let parameters = stack.Parameters.SetFile();
    let length = parameters.Length.get() as usize;
    let from = buffer::system_address(irp);
    if fcb.state().volume_open {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let need = |bytes: usize| {
        if length < bytes { Err(Failure::Status(NtStatus::INFO_LENGTH_MISMATCH)) } else { Ok(()) }
    };
    match parameters.FileInformationClass.get() {
        class::FileBasicInformation => {
            need(36)?;
            basic(volume, fcb, from)
        }
        class::FileDispositionInformation => {
            need(1)?;
            disposition(volume, fcb, ccb, buffer::get::<u8>(from, 0)? != 0)
        }
        class::FileDispositionInformationEx => {
            need(4)?;
            let flags = buffer::get::<u32>(from, 0)?;
            if flags & !0x3 != 0 {
                // Beyond delete and POSIX semantics nothing is kept that the other flags could act on.
                return Err(NtStatus::NOT_SUPPORTED.into());
            }
            if flags & 0x2 != 0 {
                return Err(NtStatus::NOT_SUPPORTED.into());
            }
            disposition(volume, fcb, ccb, flags & 1 != 0)
        }
        class::FilePositionInformation => {
            need(8)?;
            let position = buffer::get::<i64>(from, 0)?;
            if position < 0 {
                return Err(NtStatus::INVALID_PARAMETER.into());
            }
            file.CurrentByteOffset.set(position);
            Ok(NtStatus::SUCCESS.into())
        }
        class::FileEndOfFileInformation => {
            need(8)?;
            fcb.require_data()?;
            if parameters.AdvanceOnly.get() != 0 {
                // Valid data always reaches the end of file here.
                return Ok(NtStatus::SUCCESS.into());
            }
            end_of_file(volume, fcb, buffer::get::<i64>(from, 0)?)
        }
        class::FileAllocationInformation => {
            need(8)?;
            fcb.require_data()?;
            allocation(volume, fcb, buffer::get::<i64>(from, 0)?)
        }
        class::FileRenameInformation | class::FileRenameInformationEx => {
            need(20)?;
            let extended = parameters.FileInformationClass.get() == class::FileRenameInformationEx;
            rename::rename(volume, fcb, parameters, from, length, extended)
        }
        class::FileLinkInformation | class::FileLinkInformationEx => Err(NtStatus::NOT_SUPPORTED.into()),
        _ => Err(NtStatus::INVALID_INFO_CLASS.into()),
    }
}

/// Times: 0 leaves one alone; -1 and -2 (stop and resume updating) are accepted and change nothing.
fn basic(volume: &Volume, fcb: &Fcb, from: usize) -> Answer {
    let _guard = nt_ex::resource::ResourceGuard::exclusive(volume.resource)?;
    let time = |offset: usize| -> Result<Option<i64>, Failure> {
        match buffer::get::<i64>(from, offset)? {
            -2..=0 => Ok(None),
            time if time < 0 => Err(NtStatus::INVALID_PARAMETER.into()),
            time => Ok(Some(time)),
        }
    };
    let attributes = buffer::get::<u32>(from, 32)?;
    let kind_bit = attributes & attribute::FILE_ATTRIBUTE_DIRECTORY != 0;
    if kind_bit && !fcb.is_directory() {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let change = MetadataChange {
        creation: time(0)?,
        last_access: time(8)?,
        last_write: time(16)?,
        change: time(24)?,
        attributes: (attributes != 0).then_some(attributes & attribute::FILE_ATTRIBUTE_VALID_SET_FLAGS),
    };
    volume.store.set_metadata(fcb.id(), change)?;
    Ok(NtStatus::SUCCESS.into())
}

/// FS-18.
fn disposition(volume: &Volume, fcb: &Fcb, ccb: &Ccb, delete: bool) -> Answer {
    if ccb.granted.get() & access::DELETE == 0 {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    let _guard = nt_ex::resource::ResourceGuard::exclusive(volume.resource)?;
    if !delete {
        fcb.delete_pending.set(0);
        return Ok(NtStatus::SUCCESS.into());
    }
    if fcb.id() == volume.store.root() {
        return Err(NtStatus::CANNOT_DELETE.into());
    }
    if volume.store.metadata(fcb.id())?.attributes & attribute::FILE_ATTRIBUTE_READONLY != 0 {
        return Err(NtStatus::CANNOT_DELETE.into());
    }
    if fcb.is_directory() && !volume.store.list(fcb.id())?.is_empty() {
        return Err(NtStatus::DIRECTORY_NOT_EMPTY.into());
    }
    fcb.delete_pending.set(1);
    Ok(NtStatus::SUCCESS.into())
}

/// FS-24.
fn end_of_file(volume: &Volume, fcb: &Fcb, size: i64) -> Answer {
    if !(0..=MAX_SIZE).contains(&size) {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let _guard = nt_ex::resource::ResourceGuard::exclusive(&fcb.resource)?;
    volume.store.set_size(fcb.id(), fcb.stream(), size as u64)?;
    fcb.note_size(size as u64, volume.store.allocation_size(fcb.id(), fcb.stream())?);
    Ok(NtStatus::SUCCESS.into())
}

/// Less than the file holds cuts it; more only reserves.
fn allocation(volume: &Volume, fcb: &Fcb, bytes: i64) -> Answer {
    if bytes < 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let _guard = nt_ex::resource::ResourceGuard::exclusive(&fcb.resource)?;
    let size = volume.store.size(fcb.id(), fcb.stream())?;
    if (bytes as u64) < size {
        volume.store.set_size(fcb.id(), fcb.stream(), bytes as u64)?;
    }
    volume.store.set_allocation(fcb.id(), fcb.stream(), bytes as u64)?;
    let size = size.min(bytes as u64);
    fcb.note_size(size, volume.store.allocation_size(fcb.id(), fcb.stream())?);
    Ok(NtStatus::SUCCESS.into())
}
