//! Sections for data scans.

use boundary::export;
use fltmgr::contexts::sections;
use fltmgr::directory::standard_information;
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
        sections::flt_create_section_for_data_scan(&instance, file, context, (protection, allocation), || standard_information(file, &instance), make)
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
