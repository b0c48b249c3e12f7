//! Zw: sections and views by handle.

use boundary::{Raise, export};
use nt_abi::NtStatus;
use nt_abi::irql::PASSIVE_LEVEL;
use nt_section::{SectionParameters, ViewRequest};

use crate::argument::{load, load_if, rows, store, store_if};
use crate::zw_object::{captured, give};

rows! { "ntoskrnl.exe", "nt-section";
    ZwCreateSection done "";
    NtCreateSection done "";
    ZwOpenSection done "";
    ZwMapViewOfSection partial "views go where there is room: an address that is asked for is CONFLICTING_ADDRESSES; no ZeroBits";
    ZwUnmapViewOfSection done "";
    ZwQuerySection partial "SectionBasicInformation only";
    ZwExtendSection done "";
    ZwFlushVirtualMemory partial "views of the current process, which is what every handle stands for";
}

const KERNEL: u8 = 0;
/// SECTION_BASIC_INFORMATION.
const BASIC_BYTES: usize = 0x18;

fn create(
    out: *mut usize,
    (access, attributes): (u32, usize),
    size: *mut i64,
    (protection, allocation): (u32, u32),
    file: usize,
    mode: u8,
) -> Result<NtStatus, Raise> {
    let attributes = captured!(attributes);
    let maximum_size = load_if(size)?.unwrap_or(0).max(0).unsigned_abs();
    let wanted = SectionParameters { maximum_size, protection, attributes: allocation, file: None };
    match nt_section::nt_create_section(&attributes, access, wanted, file, mode)? {
        Ok((handle, status)) => {
            store(out, handle, "ZwCreateSection", "SectionHandle")?;
            Ok(status)
        }
        Err(status) => Ok(status),
    }
}

export! {
    /// Makes a section of a file, or of memory.
    pub fn ZwCreateSection(out: *mut usize, access: u32, attributes: usize, size: *mut i64, protection: u32, allocation: u32, file: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        create(out, (access, attributes), size, (protection, allocation), file, KERNEL)
    }

    /// The same with the caller's mode.
    pub fn NtCreateSection(out: *mut usize, access: u32, attributes: usize, size: *mut i64, protection: u32, allocation: u32, file: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        create(out, (access, attributes), size, (protection, allocation), file, nt_ke::current_thread().previous_mode().get())
    }

    /// Opens a named section.
    pub fn ZwOpenSection(out: *mut usize, access: u32, attributes: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let attributes = captured!(attributes);
        give(nt_section::nt_open_section(&attributes, access, KERNEL)?, out, "ZwOpenSection")
    }

    /// Maps a view into a process.
    pub fn ZwMapViewOfSection(section: usize, process: usize, base: *mut usize, _zero_bits: usize, _commit: usize, offset: *mut i64, bytes: *mut usize, _inherit: u32, _kind: u32, protection: u32) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let at = load_if(offset)?.unwrap_or(0);
        if at < 0 {
            return Ok(NtStatus::INVALID_VIEW_SIZE);
        }
        let request = ViewRequest {
            section,
            process,
            base: load(base, "ZwMapViewOfSection", "BaseAddress")?,
            offset: at.unsigned_abs(),
            bytes: load(bytes, "ZwMapViewOfSection", "ViewSize")? as u64,
            protection,
        };
        match nt_section::nt_map_view_of_section(&request, KERNEL)? {
            Ok((address, mapped)) => {
                store(base, address, "ZwMapViewOfSection", "BaseAddress")?;
                store(bytes, mapped, "ZwMapViewOfSection", "ViewSize")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Ends a view.
    pub fn ZwUnmapViewOfSection(process: usize, address: usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        nt_section::nt_unmap_view_of_section(process, address, KERNEL)
    }

    /// Attributes and size of a section.
    pub fn ZwQuerySection(section: usize, class: u32, buffer: usize, length: usize, returned: *mut usize) -> NtStatus [irql <= PASSIVE_LEVEL] {
        if class != 0 {
            return Ok(NtStatus::INVALID_INFO_CLASS);
        }
        if length < BASIC_BYTES {
            return Ok(NtStatus::INFO_LENGTH_MISMATCH);
        }
        match nt_section::nt_query_section(section, KERNEL)? {
            Ok(information) => {
                let fields = buffer as *mut u64;
                store(fields, 0, "ZwQuerySection", "SectionInformation")?;
                store(fields.wrapping_add(1), u64::from(information.attributes), "ZwQuerySection", "SectionInformation")?;
                store(fields.wrapping_add(2), information.bytes, "ZwQuerySection", "SectionInformation")?;
                store_if(returned, BASIC_BYTES)?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Makes a section, and its file, larger.
    pub fn ZwExtendSection(section: usize, size: *mut i64) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let wanted = load(size, "ZwExtendSection", "NewSectionSize")?.max(0).unsigned_abs();
        match nt_section::nt_extend_section(section, wanted, KERNEL)? {
            Ok(bytes) => {
                store(size, bytes as i64, "ZwExtendSection", "NewSectionSize")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }

    /// Writes what was stored into a view.
    pub fn ZwFlushVirtualMemory(_process: usize, base: *mut usize, bytes: *mut usize, block: *mut u64) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let address = load(base, "ZwFlushVirtualMemory", "BaseAddress")?;
        let length = load(bytes, "ZwFlushVirtualMemory", "RegionSize")?;
        match nt_section::nt_flush_virtual_memory(address, length)? {
            Ok(result) => {
                store(block.cast::<i32>(), result.status.0, "ZwFlushVirtualMemory", "IoStatus")?;
                store(block.wrapping_add(1), result.information as u64, "ZwFlushVirtualMemory", "IoStatus")?;
                Ok(result.status)
            }
            Err(status) => Ok(status),
        }
    }
}
