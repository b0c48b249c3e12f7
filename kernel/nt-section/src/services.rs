//! The section services on handles, with NT's arguments and statuses. IRQL of all: PASSIVE_LEVEL.

use boundary::Raise;
use nt_abi::{
    FILE_READ_DATA, FILE_WRITE_DATA, NtStatus, SECTION_MAP_EXECUTE, SECTION_MAP_READ, SECTION_MAP_WRITE,
    SECTION_QUERY,
};
use nt_io::IoStatus;
use nt_mm::ViewPart;
use nt_ob::{ObjectAttributes, ObjectRef, ob_insert_named, ob_open_by_name, ob_reference_by_handle};

use crate::protection::Rights;
use crate::section::{Backing, Section, SectionParameters, grow, mm_create_section, of_object};
use crate::{sections, view};

/// `SECTION_EXTEND_SIZE`.
const SECTION_EXTEND_SIZE: u32 = 0x10;

/// Makes a section of the file behind a handle, or of memory (handle 0).
///
/// Source:  ZwCreateSection
/// Returns: a handle to it
/// Errors:  as [`mm_create_section`] and [`ob_insert_named`] · INVALID_HANDLE · ACCESS_DENIED (the handle does not let its
///          user read, or write, what the protection does)
pub fn nt_create_section(
    attributes: &ObjectAttributes,
    access: u32,
    wanted: SectionParameters,
    file: usize,
    mode: u8,
) -> Result<Result<(usize, NtStatus), NtStatus>, Raise> {
    let mut wanted = wanted;
    let mut reference = None;
    if file != 0 {
        let needed = match Rights::of(wanted.protection) {
            Some(rights) if rights.write => FILE_READ_DATA | FILE_WRITE_DATA,
            _ => FILE_READ_DATA,
        };
        match nt_io::reference_file_by_handle(file, needed, mode) {
            Ok((file, _)) => {
                wanted.file = Some(file);
                reference = Some(ObjectRef::from_raw(std::ptr::from_ref(file) as usize));
            }
            Err(status) => return Ok(Err(status)),
        }
    }
    let made = mm_create_section(&wanted);
    if let Some(reference) = reference {
        reference.release()?;
    }
    let section = match made? {
        Ok(section) => section,
        Err(status) => return Ok(Err(status)),
    };
    let inserted = ob_insert_named(section.address(), attributes, access)?;
    section.release()?;
    Ok(inserted)
}

/// Opens a named section. Source: ZwOpenSection.
pub fn nt_open_section(
    attributes: &ObjectAttributes,
    access: u32,
    mode: u8,
) -> Result<Result<usize, NtStatus>, Raise> {
    ob_open_by_name(attributes, Some(sections().section_type()), mode, access, &mut ())
}

fn by_handle(handle: usize, access: u32, mode: u8) -> Result<(std::sync::Arc<Section>, ObjectRef), NtStatus> {
    let found = ob_reference_by_handle(handle, access, Some(sections().section_type()), mode)?;
    let section = of_object(found.object.address()).ok_or(NtStatus::INVALID_HANDLE)?;
    Ok((section, found.object))
}

/// What a user view is asked to be.
#[derive(Clone, Copy, Debug)]
pub struct ViewRequest {
    /// Handle of the section.
    pub section: usize,
    /// Handle of the process.
    pub process: usize,
    /// Where the caller wants it; 0: anywhere.
    pub base: usize,
    /// Offset in the section.
    pub offset: u64,
    /// Bytes; 0: all that follow.
    pub bytes: u64,
    /// `PAGE_*`.
    pub protection: u32,
}

/// Maps a view into a process.
///
/// Source:  ZwMapViewOfSection
/// Returns: address and bytes
/// Errors:  INVALID_PAGE_PROTECTION · CONFLICTING_ADDRESSES (an address was asked for: views go where there is room) ·
///          INVALID_HANDLE · ACCESS_DENIED · as `view::map`
pub fn nt_map_view_of_section(
    request: &ViewRequest,
    mode: u8,
) -> Result<Result<(usize, usize), NtStatus>, Raise> {
    let Some(rights) = Rights::of(request.protection) else {
        return Ok(Err(NtStatus::INVALID_PAGE_PROTECTION));
    };
    if request.base != 0 {
        return Ok(Err(NtStatus::CONFLICTING_ADDRESSES));
    }
    let mut access = SECTION_MAP_READ;
    if rights.write {
        access |= SECTION_MAP_WRITE;
    }
    if rights.execute {
        access |= SECTION_MAP_EXECUTE;
    }
    let (section, reference) = match by_handle(request.section, access, mode) {
        Ok(found) => found,
        Err(status) => return Ok(Err(status)),
    };
    let process = match ob_reference_by_handle(request.process, 0, Some(process_type()), mode) {
        Ok(found) => found.object,
        Err(status) => {
            reference.release()?;
            return Ok(Err(status));
        }
    };
    let wanted = view::Wanted {
        offset: request.offset,
        bytes: request.bytes,
        rights,
        part: ViewPart::User,
        process: process.address(),
    };
    let mapped = view::map(&section, &wanted);
    process.release()?;
    reference.release()?;
    mapped
}

fn process_type() -> &'static nt_ob::ObjectType {
    nt_ke::subsystem::<nt_ps::Ps>().process_type()
}

/// Ends the view of a process that holds `address`.
///
/// Source:  ZwUnmapViewOfSection. What was stored is written later, by the mapped page writer.
/// Errors:  NOT_MAPPED_VIEW · INVALID_HANDLE
pub fn nt_unmap_view_of_section(process: usize, address: usize, mode: u8) -> Result<NtStatus, Raise> {
    let process = match ob_reference_by_handle(process, 0, Some(process_type()), mode) {
        Ok(found) => found.object,
        Err(status) => return Ok(status),
    };
    let result = view::unmap(address, process.address());
    process.release()?;
    Ok(result.err().unwrap_or(NtStatus::SUCCESS))
}

/// SECTION_BASIC_INFORMATION.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionInformation {
    /// `SEC_*`, with SEC_FILE for a section of a file.
    pub attributes: u32,
    /// Bytes.
    pub bytes: u64,
}

/// Asks for attributes and size. Source: ZwQuerySection, SectionBasicInformation.
pub fn nt_query_section(handle: usize, mode: u8) -> Result<Result<SectionInformation, NtStatus>, Raise> {
    /// `SEC_FILE`.
    const SEC_FILE: u32 = 0x0080_0000;
    let (section, reference) = match by_handle(handle, SECTION_QUERY, mode) {
        Ok(found) => found,
        Err(status) => return Ok(Err(status)),
    };
    let of_file = if matches!(section.backing, Backing::Memory(_)) { 0 } else { SEC_FILE };
    let information = SectionInformation { attributes: section.attributes | of_file, bytes: section.bytes() };
    reference.release()?;
    Ok(Ok(information))
}

/// Makes a section of a file larger, and the file with it. Source: ZwExtendSection.
///
/// Returns: the size in bytes
/// Errors:  SECTION_NOT_EXTENDED (not of a file) · INVALID_HANDLE · ACCESS_DENIED · what growing the file came to
pub fn nt_extend_section(handle: usize, bytes: u64, mode: u8) -> Result<Result<u64, NtStatus>, Raise> {
    let (section, reference) = match by_handle(handle, SECTION_EXTEND_SIZE, mode) {
        Ok(found) => found,
        Err(status) => return Ok(Err(status)),
    };
    let result = extend(&section, bytes);
    reference.release()?;
    result
}

fn extend(section: &Section, bytes: u64) -> Result<Result<u64, NtStatus>, Raise> {
    let Backing::Stream(data) = &section.backing else { return Ok(Err(NtStatus::SECTION_NOT_EXTENDED)) };
    if bytes <= section.bytes() {
        return Ok(Ok(section.bytes()));
    }
    if !section.rights.write || i64::try_from(bytes).is_err() {
        return Ok(Err(NtStatus::SECTION_NOT_EXTENDED));
    }
    if bytes as i64 > data.file_size() {
        let status = grow(data.file(), bytes as i64)?;
        if status.is_error() {
            return Ok(Err(status));
        }
    }
    section.set_bytes(bytes);
    Ok(Ok(bytes))
}

/// Writes what was stored into a view, and waits for it.
///
/// Source:  ZwFlushVirtualMemory. The file system's flush synchronization is held, as for a flush of the cache.
/// Units:   bytes; 0: to the end of the view
/// Errors:  NOT_MAPPED_VIEW · what writing came to
pub fn nt_flush_virtual_memory(address: usize, bytes: usize) -> Result<Result<IoStatus, NtStatus>, Raise> {
    let found = view::with_view(address, |start, view| {
        let inside = address - start;
        let bytes = if bytes == 0 { view.bytes() - inside } else { bytes.min(view.bytes() - inside) };
        (view.is_stream(), std::sync::Arc::clone(view.section()), view.offset() + inside as u64, bytes)
    });
    let Some((is_stream, section, offset, bytes)) = found else {
        return Ok(Err(NtStatus::NOT_MAPPED_VIEW));
    };
    let Backing::Stream(data) = &section.backing else {
        return Ok(Ok(IoStatus::of(NtStatus::SUCCESS)));
    };
    let Some(pointers) = nt_cc::section_pointers(data.file()).filter(|_| is_stream) else {
        return Ok(Ok(IoStatus::of(NtStatus::SUCCESS)));
    };
    let length = u32::try_from(bytes).unwrap_or(u32::MAX);
    nt_cc::cc_flush_cache(pointers, Some((offset as i64, length))).map(Ok)
}
