//! FsRtl: names, critical regions, fast I/O copies.

use boundary::export;
use nt_abi::irql::{APC_LEVEL, PASSIVE_LEVEL};
use nt_abi::{DEVICE_OBJECT, FILE_OBJECT, IO_STATUS_BLOCK, NtStatus, UNICODE_STRING};
use nt_io::IoStatus;
use nt_ke::region;

use crate::argument::{arg, load, rows};
use crate::flt_string::units;

rows! { "ntoskrnl.exe", "nt-fsrtl";
    FsRtlIsNameInExpression partial "an upcase table of the caller's is not used; the system's is";
    FsRtlDoesNameContainWildCards done "";
    FsRtlIsNtstatusExpected done "";
    FsRtlNormalizeNtstatus done "";
    FsRtlEnterFileSystem done "EXEC-07";
    FsRtlExitFileSystem done "EXEC-07";
    FsRtlCopyRead done "CC-20, CC-21";
    FsRtlCopyWrite done "CC-20, PAGE-06";
}

/// `false` when the operation needs an IRP.
fn answered(block: &IO_STATUS_BLOCK, result: Option<IoStatus>) -> bool {
    if let Some(result) = result {
        block.Status.set(result.status);
        block.Information.set(result.information);
    }
    result.is_some()
}

export! {
    /// Whether a name matches an expression, which is in upper case when case is ignored.
    pub fn FsRtlIsNameInExpression(expression: *mut UNICODE_STRING, name: *mut UNICODE_STRING, ignore_case: u8, _table: usize) -> bool [irql <= PASSIVE_LEVEL] {
        arg!(FsRtlIsNameInExpression: expression, name);
        let (expression, name) = (units(expression)?, units(name)?);
        let upcase: Option<&dyn Fn(u16) -> u16> = if ignore_case != 0 { Some(&nt_rtl::upcase) } else { None };
        Ok(nt_fsrtl::name_in_expression(&expression, &name, upcase))
    }

    /// Whether a name is an expression.
    pub fn FsRtlDoesNameContainWildCards(name: *mut UNICODE_STRING) -> bool [irql <= PASSIVE_LEVEL] {
        arg!(FsRtlDoesNameContainWildCards: name);
        Ok(nt_fsrtl::does_name_contain_wild_cards(&units(name)?))
    }

    /// Whether a status is one that file systems raise.
    pub fn FsRtlIsNtstatusExpected(status: NtStatus) -> bool [irql <= APC_LEVEL] {
        Ok(nt_fsrtl::is_ntstatus_expected(status))
    }

    /// The status, or a generic one in the place of one that file systems do not raise.
    pub fn FsRtlNormalizeNtstatus(status: NtStatus, generic: NtStatus) -> NtStatus [irql <= APC_LEVEL] {
        Ok(nt_fsrtl::normalize_ntstatus(status, generic))
    }

    /// Holds normal kernel APCs off.
    pub fn FsRtlEnterFileSystem() -> () [irql <= APC_LEVEL] {
        region::enter_critical();
        Ok(())
    }

    /// Reads cached data without an IRP.
    pub fn FsRtlCopyRead(file: *mut FILE_OBJECT, offset: *mut i64, length: u32, wait: u8, key: u32, buffer: usize, status: *mut IO_STATUS_BLOCK, device: *mut DEVICE_OBJECT) -> bool [irql <= PASSIVE_LEVEL] {
        arg!(FsRtlCopyRead: file, status, device);
        let offset = load(offset, "FsRtlCopyRead", "FileOffset")?;
        let result = nt_cc::fsrtl_copy_read(file, offset, length, wait != 0, key, buffer, device)?;
        Ok(answered(status, result))
    }

    /// Writes into the cache without an IRP.
    pub fn FsRtlCopyWrite(file: *mut FILE_OBJECT, offset: *mut i64, length: u32, wait: u8, key: u32, buffer: usize, status: *mut IO_STATUS_BLOCK, device: *mut DEVICE_OBJECT) -> bool [irql <= PASSIVE_LEVEL] {
        arg!(FsRtlCopyWrite: file, status, device);
        let offset = load(offset, "FsRtlCopyWrite", "FileOffset")?;
        let result = nt_cc::fsrtl_copy_write(file, offset, length, wait != 0, key, buffer, device)?;
        Ok(answered(status, result))
    }

    /// Lets them through again.
    pub fn FsRtlExitFileSystem() -> () [irql <= APC_LEVEL] {
        region::leave_critical("FsRtlExitFileSystem")
    }
}
