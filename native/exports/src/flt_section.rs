//! Sections for data scans.

use boundary::{Raise, export};
use fltmgr::contexts::sections;
use nt_abi::irql::{APC_LEVEL, PASSIVE_LEVEL};
use nt_abi::{FILE_OBJECT, NtStatus};

use crate::argument::{arg, rows, store};
use crate::flt_filter::instance;
use crate::mm_section::scan_section;

rows! { "fltmgr.sys", "fltmgr";
    FltRegisterForDataScan done "SEC-01";
    FltCreateSectionForDataScan partial "conflicts are changes of a file's end and allocation; the callback's data have no buffer";
    FltCloseSectionForDataScan done "SEC-04, SEC-06";
    FltGetSectionContext done "CTX-58";
}

const TAG: u32 = u32::from_le_bytes(*b"FMsc");
/// FileStandardInformation and its size.
const STANDARD: (u32, u32) = (5, 0x18);

/// Size of a file and whether it is a directory, from below the instance.
fn describe(address: usize, file: &'static FILE_OBJECT) -> Result<sections::Described, Raise> {
    let Some(block) = nt_ex::pool::allocate_engine(nt_ex::pool::PoolKind::NonPaged, 0x18, TAG) else {
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    };
    let at = block.as_ptr() as usize;
    let instance = instance(address)?;
    let result = fltmgr::generated::flt_query_information_file(&instance, file, at, STANDARD.1, STANDARD.0)?;
    let described = if result.status.is_success() {
        Ok((boundary::copy::read_value::<i64>(at + 8)?, boundary::copy::read_value::<u8>(at + 0x15)? != 0))
    } else {
        Err(result.status)
    };
    nt_ex::pool::free(block.as_ptr(), Some(TAG))?;
    Ok(described)
}

export! {
    /// Announces scans.
    pub fn FltRegisterForDataScan(address: usize) -> NtStatus [irql <= APC_LEVEL] {
        Ok(sections::flt_register_for_data_scan(&*instance(address)?))
    }

    /// Makes a section of an open file, with a context.
    pub fn FltCreateSectionForDataScan(address: usize, file: *mut FILE_OBJECT, context: usize, access: u32, attributes: usize, wanted: *mut i64, protection: u32, allocation: u32, flags: u32, handle: *mut usize, object: *mut usize, size: *mut i64) -> NtStatus [irql <= PASSIVE_LEVEL] {
        let _ = flags;
        arg!(FltCreateSectionForDataScan: file);
        let make = || scan_section(handle, object, size, file, (access, attributes, protection, allocation), wanted);
        let instance = instance(address)?;
        sections::flt_create_section_for_data_scan(&instance, file, context, (protection, allocation), || describe(address, file), make)
    }

    /// Ends a scan.
    pub fn FltCloseSectionForDataScan(context: usize) -> NtStatus [irql <= APC_LEVEL] {
        sections::flt_close_section_for_data_scan(context)
    }

    /// The context of a scan that is open.
    pub fn FltGetSectionContext(address: usize, file: *mut FILE_OBJECT, out: *mut usize) -> NtStatus [irql <= APC_LEVEL] {
        arg!(FltGetSectionContext: file);
        let found = sections::flt_get_section_context(&*instance(address)?, file);
        store(out, *found.as_ref().unwrap_or(&0), "FltGetSectionContext", "Context")?;
        Ok(found.err().unwrap_or(NtStatus::SUCCESS))
    }
}
