//! IRP_MJ_SET_INFORMATION but for renames. Statements: FS-18, FS-23 to FS-25, FS-27.

use std::cmp::Ordering;
use std::sync::atomic::Ordering::Relaxed;

use nt_abi::{
    FILE_OBJECT, IO_STACK_LOCATION, IRP, NtStatus, file_access as access, file_attributes as attribute,
    file_information_class as class, fo_flags,
};
use nt_ex::resource::ResourceGuard;
use nt_section::FlushType;
use store::MetadataChange;

use crate::fcb::{Ccb, Fcb, Volume, of_file};
use crate::{Answer, Failure, buffer, rename, short, times};

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
            let size = buffer::get::<i64>(from, 0)?;
            if parameters.AdvanceOnly.get() != 0 {
                return advance(fcb, size);
            }
            end_of_file(volume, file, fcb, size)
        }
        class::FileAllocationInformation => {
            need(8)?;
            fcb.require_data()?;
            allocation(volume, fcb, buffer::get::<i64>(from, 0)?)
        }
        class::FileRenameInformation | class::FileRenameInformationEx => {
            need(20)?;
            let extended = parameters.FileInformationClass.get() == class::FileRenameInformationEx;
            rename::rename(volume, (fcb, ccb), parameters, from, length, extended)
        }
        class::FileShortNameInformation => {
            need(4)?;
            short::set(volume, fcb, ccb, from, length)
        }
        class::FileLinkInformation | class::FileLinkInformationEx => Err(NtStatus::NOT_SUPPORTED.into()),
        _ => Err(NtStatus::INVALID_INFO_CLASS.into()),
    }
}

/// Times: 0 leaves one alone; -1 and -2 (stop and resume updating) are accepted and change nothing.
fn basic(volume: &Volume, fcb: &Fcb, from: usize) -> Answer {
    let _guard = ResourceGuard::exclusive(volume.resource)?;
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
    let point = volume.store.metadata(fcb.id())?.attributes & attribute::FILE_ATTRIBUTE_REPARSE_POINT;
    let change = MetadataChange {
        creation: time(0)?,
        last_access: time(8)?,
        last_write: time(16)?,
        change: time(24)?,
        attributes: (attributes != 0)
            .then_some(attributes & attribute::FILE_ATTRIBUTE_VALID_SET_FLAGS & !point | point),
    };
    if let Some(time) = change.last_write {
        fcb.touched.set(0);
        times::note(volume, fcb, time);
    }
    volume.store.set_metadata(fcb.id(), change)?;
    Ok(NtStatus::SUCCESS.into())
}

/// FS-18.
fn disposition(volume: &Volume, fcb: &Fcb, ccb: &Ccb, delete: bool) -> Answer {
    if ccb.granted.get() & access::DELETE == 0 {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    let _guard = ResourceGuard::exclusive(volume.resource)?;
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
    if !nt_section::mm_flush_image_section(&fcb.section_pointers, FlushType::Delete) {
        return Err(NtStatus::CANNOT_DELETE.into());
    }
    fcb.delete_pending.set(1);
    Ok(NtStatus::SUCCESS.into())
}

/// The cache manager says how far valid data goes: forward only, never past the end of file. Statements: CC-19, FS-25.
fn advance(fcb: &Fcb, valid: i64) -> Answer {
    let _main = ResourceGuard::exclusive(&fcb.resource)?;
    fcb.advance_valid_data(valid.min(fcb.header.FileSize.get()));
    Ok(NtStatus::SUCCESS.into())
}

/// Before a stream is cut: no section needs what goes. Statement: MM-03.
fn require_unmapped(fcb: &Fcb, size: i64) -> Result<(), Failure> {
    match nt_section::mm_can_file_be_truncated(&fcb.section_pointers, Some(size)) {
        true => Ok(()),
        false => Err(NtStatus::USER_MAPPED_FILE.into()),
    }
}

/// FS-24.
fn end_of_file(volume: &Volume, file: &FILE_OBJECT, fcb: &Fcb, size: i64) -> Answer {
    if !(0..=MAX_SIZE).contains(&size) {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let _main = ResourceGuard::exclusive(&fcb.resource)?;
    match size.cmp(&fcb.header.FileSize.get()) {
        Ordering::Less => {
            require_unmapped(fcb, size)?;
            fcb.cut(volume, size)?;
        }
        Ordering::Equal => return Ok(NtStatus::SUCCESS.into()),
        Ordering::Greater => fcb.extend(volume, size)?,
    }
    file.Flags.fetch_or(fo_flags::FO_FILE_SIZE_CHANGED, Relaxed);
    fcb.touched.set(1);
    Ok(NtStatus::SUCCESS.into())
}

/// Less than the file holds cuts it; more only reserves.
fn allocation(volume: &Volume, fcb: &Fcb, bytes: i64) -> Answer {
    if bytes < 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let _main = ResourceGuard::exclusive(&fcb.resource)?;
    if bytes < fcb.header.FileSize.get() {
        require_unmapped(fcb, bytes)?;
        fcb.cut(volume, bytes)?;
    }
    volume.store.set_allocation(fcb.id(), fcb.stream(), bytes as u64)?;
    let held = volume.store.allocation_size(fcb.id(), fcb.stream())? as i64;
    let size = fcb.header.FileSize.get();
    fcb.header.AllocationSize.set(held.max((size + 4095) / 4096 * 4096));
    Ok(NtStatus::SUCCESS.into())
}
