//! Mm: sections by object, system views, and what file systems ask about both.

use boundary::{Raise, export};
use nt_abi::irql::{APC_LEVEL, PASSIVE_LEVEL};
use nt_abi::{FILE_OBJECT, NtStatus, SECTION_OBJECT_POINTERS};
use nt_section::{FlushType, SectionParameters};

use crate::argument::{arg, load, load_if, optional, rows, store};
use crate::zw_object::{captured, give};

rows! { "ntoskrnl.exe", "nt-section";
    MmCreateSection done "the object stays unnamed; FSF-14";
    MmMapViewInSystemSpace partial "no views of images";
    MmUnmapViewInSystemSpace done "";
    MmFlushImageSection done "an image that nobody uses is never kept; MM-01";
    MmCanFileBeTruncated done "MM-03";
    MmDoesFileHaveUserWritableReferences done "counts writable views; MM-04";
    MmForceSectionClosed done "";
    FsRtlCreateSectionForDataScan done "";
}

/// MmFlushForDelete.
const FLUSH_FOR_DELETE: u32 = 0;

pub(crate) fn scan_section(
    handle: *mut usize,
    object: *mut usize,
    size: *mut i64,
    file: &'static FILE_OBJECT,
    (access, attributes, protection, allocation): (u32, usize, u32, u32),
    wanted: *mut i64,
) -> Result<NtStatus, Raise> {
    let attributes = captured!(attributes);
    let parameters = SectionParameters {
        maximum_size: load_if(wanted)?.unwrap_or(0).max(0).unsigned_abs(),
        protection,
        attributes: allocation,
        file: Some(file),
    };
    let section = match nt_section::mm_create_section(&parameters)? {
        Ok(section) => section,
        Err(status) => return Ok(status),
    };
    let bytes = nt_section::section_size(section.address()).map_or(0, |size| size.0);
    if !size.is_null() {
        store(size, bytes as i64, "FsRtlCreateSectionForDataScan", "SectionFileSize")?;
    }
    match nt_ob::ob_insert_named(section.address(), &attributes, access)? {
        Ok((made, _)) => {
            store(object, section.into_raw(), "FsRtlCreateSectionForDataScan", "SectionObject")?;
            give(Ok(made), handle, "FsRtlCreateSectionForDataScan")
        }
        Err(status) => {
            section.release()?;
            Ok(status)
        }
    }
}

export! {
    /// Makes a section object without a handle, of a file's handle or object or of memory.
    pub fn MmCreateSection(out: *mut usize, access: u32, attributes: usize, size: *mut i64, protection: u32, allocation: u32, file_handle: usize, file: *mut FILE_OBJECT) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let _ = (access, attributes);
        let file = optional(file, "MmCreateSection", "FileObject")?;
        let maximum_size = load(size, "MmCreateSection", "MaximumSize")?.max(0).unsigned_abs();
        let mut reference = None;
        let file = match (file, file_handle) {
            (Some(file), _) => Some(file),
            (None, 0) => None,
            (None, handle) => match nt_io::reference_file_by_handle(handle, 0, 0) {
                Ok((file, _)) => {
                    reference = Some(nt_ob::ObjectRef::from_raw(std::ptr::from_ref(file) as usize));
                    Some(file)
                }
                Err(status) => return Ok(status),
            },
        };
        let made = nt_section::mm_create_section(&SectionParameters { maximum_size, protection, attributes: allocation, file });
        if let Some(reference) = reference {
            reference.release()?;
        }
        match made? {
            Ok(section) => {
                store(out, section.into_raw(), "MmCreateSection", "SectionObject")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Maps a section for all processes.
    pub fn MmMapViewInSystemSpace(section: usize, base: *mut usize, bytes: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        let wanted = load(bytes, "MmMapViewInSystemSpace", "ViewSize")?;
        match nt_section::mm_map_view_in_system_space(section, wanted as u64)? {
            Ok((address, mapped)) => {
                store(base, address, "MmMapViewInSystemSpace", "MappedBase")?;
                store(bytes, mapped, "MmMapViewInSystemSpace", "ViewSize")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Ends such a view.
    pub fn MmUnmapViewInSystemSpace(base: usize) -> NtStatus [irql <= APC_LEVEL] {
        Ok(nt_section::mm_unmap_view_in_system_space(base).err().unwrap_or(NtStatus::SUCCESS))
    }

    /// Whether no image of a stream is in use.
    pub fn MmFlushImageSection(pointers: *mut SECTION_OBJECT_POINTERS, why: u32) -> bool [irql <= APC_LEVEL] {
        arg!(MmFlushImageSection: pointers);
        let why = if why == FLUSH_FOR_DELETE { FlushType::Delete } else { FlushType::Write };
        Ok(nt_section::mm_flush_image_section(pointers, why))
    }

    /// Whether a stream may be cut.
    pub fn MmCanFileBeTruncated(pointers: *mut SECTION_OBJECT_POINTERS, size: *mut i64) -> bool [irql <= APC_LEVEL] {
        arg!(MmCanFileBeTruncated: pointers);
        Ok(nt_section::mm_can_file_be_truncated(pointers, load_if(size)?))
    }

    /// How many views may still store to a stream.
    pub fn MmDoesFileHaveUserWritableReferences(pointers: *mut SECTION_OBJECT_POINTERS) -> u32 [irql <= APC_LEVEL] {
        arg!(MmDoesFileHaveUserWritableReferences: pointers);
        Ok(nt_section::mm_does_file_have_user_writable_references(pointers) as u32)
    }

    /// Writes and drops what memory has of a stream, unless sections use it.
    pub fn MmForceSectionClosed(pointers: *mut SECTION_OBJECT_POINTERS, _delay: u8) -> bool [irql <= APC_LEVEL] {
        arg!(MmForceSectionClosed: pointers);
        nt_section::mm_force_section_closed(pointers)
    }

    /// Makes a section of an open file for a scanner: its object and a handle.
    pub fn FsRtlCreateSectionForDataScan(handle: *mut usize, object: *mut usize, size: *mut i64, file: *mut FILE_OBJECT, access: u32, attributes: usize, wanted: *mut i64, protection: u32, allocation: u32, flags: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(FsRtlCreateSectionForDataScan: file);
        if flags != 0 {
            return Ok(NtStatus::INVALID_PARAMETER_10);
        }
        scan_section(handle, object, size, file, (access, attributes, protection, allocation), wanted)
    }
}
