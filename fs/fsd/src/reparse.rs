//! Reparse points: data by a tag with a file or directory, which an open that meets them answers with.
//!
//! ```text
//! FSCTL_SET_REPARSE_POINT ─► data with the file, FILE_ATTRIBUTE_REPARSE_POINT ─FSCTL_DELETE_REPARSE_POINT─► gone
//! create meets one ─► STATUS_REPARSE, the tag in Information, the data in AuxiliaryBuffer, and how many bytes of the name
//!                     lie behind it in their third word
//! ```
//!
//! Who opens the link itself says FILE_OPEN_REPARSE_POINT. Nobody looks for reparse points where the store says that it has
//! none. Statements: TAG-01, RTAG-01, RTAG-03.

use nt_abi::{
    FSCTL_GET_REPARSE_POINT, FSCTL_SET_REPARSE_POINT, IO_REPARSE_TAG_MOUNT_POINT, IO_REPARSE_TAG_SYMLINK,
    IO_STACK_LOCATION, IRP, NtStatus, file_access as access, file_attributes as attribute,
};
use nt_ex::pool::{self, PoolKind};
use nt_ex::resource::ResourceGuard;
use store::{Blob, FileId, MetadataChange};

use crate::fcb::{Fcb, Volume, of_file};
use crate::{Answer, Done, Failure, buffer};

const TAG: u32 = u32::from_le_bytes(*b"FsRp");
/// `REPARSE_DATA_BUFFER` up to its data, and `REPARSE_GUID_DATA_BUFFER`.
const HEADER: usize = 8;
const GUID_HEADER: usize = 24;
/// `MAXIMUM_REPARSE_DATA_BUFFER_SIZE`.
const LARGEST: usize = 16 << 10;
const MICROSOFT: u32 = 0x8000_0000;
/// The tag stands for another named thing: what has it is never full of names of its own.
const SURROGATE: u32 = 0x2000_0000;

fn u16_at(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn tag_of(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn guid_of(bytes: &[u8]) -> Option<&[u8]> {
    if tag_of(bytes) & MICROSOFT == 0 { bytes.get(HEADER..GUID_HEADER) } else { None }
}

/// Whether attributes say that there is reparse data.
pub(crate) fn is_point(attributes: u32) -> bool {
    attributes & attribute::FILE_ATTRIBUTE_REPARSE_POINT != 0
}

/// The tag of a file, 0 without one.
pub(crate) fn tag(volume: &Volume, id: FileId, attributes: u32) -> u32 {
    if !is_point(attributes) {
        return 0;
    }
    let data = volume.store.blob(id, Blob::Reparse).ok().flatten();
    data.filter(|data| data.len() >= HEADER).map_or(0, |data| tag_of(&data))
}

/// Whether an open that meets this file has to begin again.
pub(crate) fn is_met(volume: &Volume, id: FileId) -> Result<bool, Failure> {
    Ok(volume.store.may_have_reparse_points() && is_point(volume.store.metadata(id)?.attributes))
}

/// Answers an open that met a reparse point, behind which `unparsed` bytes of the name are left.
pub(crate) fn met(volume: &Volume, irp: &IRP, id: FileId, unparsed: usize) -> Answer {
    let data = volume.store.blob(id, Blob::Reparse)?.filter(|data| data.len() >= HEADER);
    let mut data = data.ok_or(NtStatus::IO_REPARSE_DATA_INVALID)?;
    data[6..8].copy_from_slice(&(unparsed as u16).to_le_bytes());
    let block =
        pool::allocate_engine(PoolKind::NonPaged, data.len(), TAG).ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
    boundary::copy::write(block.as_ptr() as usize, &data)?;
    irp.AuxiliaryBuffer().set(block.as_ptr().cast());
    Ok(Done::new(NtStatus::REPARSE, tag_of(&data) as usize))
}

/// FSCTL_SET_, _GET_ and _DELETE_REPARSE_POINT.
pub(crate) fn control(volume: &Volume, irp: &IRP, stack: &IO_STACK_LOCATION, code: u32) -> Answer {
    let (_, fcb, ccb) = of_file(stack.FileObject.get())?;
    if fcb.state().volume_open || fcb.stream().is_some() {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let lengths = stack.Parameters.FileSystemControl();
    let system = buffer::system_address(irp);
    if code == FSCTL_GET_REPARSE_POINT {
        return get(volume, fcb, system, lengths.OutputBufferLength.get() as usize);
    }
    if ccb.granted.get() & (access::FILE_WRITE_DATA | access::FILE_WRITE_ATTRIBUTES) == 0 {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    let length = lengths.InputBufferLength.get() as usize;
    if !(HEADER..=LARGEST).contains(&length) {
        return Err(NtStatus::IO_REPARSE_DATA_INVALID.into());
    }
    let mut given = vec![0; length];
    boundary::copy::read(system, &mut given)?;
    let _guard = ResourceGuard::exclusive(volume.resource)?;
    if fcb.deleted.get() != 0 {
        return Err(NtStatus::FILE_DELETED.into());
    }
    if code == FSCTL_SET_REPARSE_POINT { set(volume, fcb, &given) } else { delete(volume, fcb, &given) }
}

fn get(volume: &Volume, fcb: &Fcb, to: usize, room: usize) -> Answer {
    let _guard = ResourceGuard::shared(volume.resource)?;
    let data = volume.store.blob(fcb.id(), Blob::Reparse)?.ok_or(NtStatus::NOT_A_REPARSE_POINT)?;
    if room < HEADER {
        return Err(NtStatus::BUFFER_TOO_SMALL.into());
    }
    let given = data.len().min(room);
    boundary::copy::write(to, &data[..given])?;
    let status = if given < data.len() { NtStatus::BUFFER_OVERFLOW } else { NtStatus::SUCCESS };
    Ok(Done::new(status, given))
}

/// Checks what is to become reparse data.
fn check(given: &[u8]) -> Result<(), NtStatus> {
    let (tag, length) = (tag_of(given), u16_at(given, 4));
    if tag & 0x0FFF_FFFF <= 2 || tag & 0x0FFF_0000 != 0 {
        return Err(NtStatus::IO_REPARSE_TAG_INVALID);
    }
    let header = if tag & MICROSOFT == 0 { GUID_HEADER } else { HEADER };
    if given.len() != header + length {
        return Err(NtStatus::IO_REPARSE_DATA_INVALID);
    }
    // Another maker's GUID has to say something.
    if guid_of(given).is_some_and(|guid| guid.iter().all(|byte| *byte == 0)) {
        return Err(NtStatus::IO_REPARSE_DATA_INVALID);
    }
    let names = match tag {
        IO_REPARSE_TAG_MOUNT_POINT => HEADER + 8,
        IO_REPARSE_TAG_SYMLINK => HEADER + 12,
        _ => return Ok(()),
    };
    let inside = |at: usize| {
        let (offset, bytes) = (u16_at(given, at), u16_at(given, at + 2));
        offset % 2 == 0 && bytes % 2 == 0 && names + offset + bytes <= given.len()
    };
    if given.len() < names || !inside(HEADER) || !inside(HEADER + 4) || u16_at(given, HEADER + 2) == 0 {
        return Err(NtStatus::IO_REPARSE_DATA_INVALID);
    }
    Ok(())
}

/// Whether `given` may replace or remove `there`. Source: RTAG-03.
fn check_same(there: &[u8], given: &[u8]) -> Result<(), NtStatus> {
    if there.len() < HEADER || tag_of(there) != tag_of(given) {
        return Err(NtStatus::IO_REPARSE_TAG_MISMATCH);
    }
    if guid_of(there) != guid_of(given) {
        return Err(NtStatus::REPARSE_ATTRIBUTE_CONFLICT);
    }
    Ok(())
}

fn set(volume: &Volume, fcb: &Fcb, given: &[u8]) -> Answer {
    check(given)?;
    let there = volume.store.blob(fcb.id(), Blob::Reparse)?;
    if let Some(there) = &there {
        check_same(there, given)?;
    }
    let tag = tag_of(given);
    if fcb.is_directory() {
        if tag & SURROGATE != 0 && !volume.store.list(fcb.id())?.is_empty() {
            return Err(NtStatus::DIRECTORY_NOT_EMPTY.into());
        }
    } else if tag == IO_REPARSE_TAG_MOUNT_POINT {
        return Err(NtStatus::NOT_A_DIRECTORY.into());
    }
    volume.store.set_blob(fcb.id(), Blob::Reparse, Some(given))?;
    mark(volume, fcb.id(), true)
}

fn delete(volume: &Volume, fcb: &Fcb, given: &[u8]) -> Answer {
    if u16_at(given, 4) != 0 || (tag_of(given) & MICROSOFT == 0 && given.len() < GUID_HEADER) {
        return Err(NtStatus::IO_REPARSE_DATA_INVALID.into());
    }
    let there = volume.store.blob(fcb.id(), Blob::Reparse)?.ok_or(NtStatus::NOT_A_REPARSE_POINT)?;
    check_same(&there, given)?;
    volume.store.set_blob(fcb.id(), Blob::Reparse, None)?;
    mark(volume, fcb.id(), false)
}

fn mark(volume: &Volume, id: FileId, point: bool) -> Answer {
    let before = volume.store.metadata(id)?.attributes & !attribute::FILE_ATTRIBUTE_REPARSE_POINT;
    let attributes = before | if point { attribute::FILE_ATTRIBUTE_REPARSE_POINT } else { 0 };
    volume
        .store
        .set_metadata(id, MetadataChange { attributes: Some(attributes), ..MetadataChange::default() })?;
    Ok(NtStatus::SUCCESS.into())
}

/// Bytes of `name` that lie behind its first `components` components.
pub(crate) fn behind(name: &[u16], components: usize) -> usize {
    let (slash, colon) = (u16::from(b'\\'), u16::from(b':'));
    let mut at = 0;
    for _ in 0..components {
        at += name[at..].iter().take_while(|unit| **unit == slash).count();
        at += name[at..].iter().take_while(|unit| **unit != slash && **unit != colon).count();
    }
    (name.len() - at) * 2
}
