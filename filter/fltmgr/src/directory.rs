//! Whether a file is a directory. Statements: OBJ-23, OBJ-24.

use boundary::Raise;
use nt_abi::{FILE_OBJECT, NtStatus, file_information_class as class};
use nt_ex::pool::{self, PoolKind};

use crate::contexts::hosts;
use crate::findings;
use crate::generated::flt_query_information_file;
use crate::instance::Instance;

const TAG: u32 = u32::from_le_bytes(*b"FMdi");
/// `FILE_STANDARD_INFORMATION`, and where `Directory` stands in it.
const SIZE: usize = 24;
const DIRECTORY: usize = 21;

/// Whether the open file is a directory. The file system is asked below `instance`, once for each stream.
///
/// Source:  FltIsDirectory; OBJ-23, OBJ-24
/// IRQL:    <= APC_LEVEL
/// Errors:  INVALID_PARAMETER (the file is not open: also a finding) · INSUFFICIENT_RESOURCES · what the file system
///          answered
pub fn flt_is_directory(
    file: &'static FILE_OBJECT,
    instance: &Instance,
) -> Result<Result<bool, NtStatus>, Raise> {
    if file.FsContext.get().is_null() {
        let message = "FltIsDirectory was called for a file object that is not open: ask after the create, or look at \
                       the create options";
        findings::error("OBJ-24", &instance.filter.label, message);
        return Ok(Err(NtStatus::INVALID_PARAMETER));
    }
    if let Some(known) = hosts::known_directory(file) {
        return Ok(Ok(known));
    }
    let Some(block) = pool::allocate_engine(PoolKind::NonPaged, SIZE, TAG) else {
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    };
    let buffer = block.as_ptr() as usize;
    let class = class::FileStandardInformation;
    let result = flt_query_information_file(instance, file, buffer, SIZE as u32, class);
    let answer = boundary::copy::read_value::<u8>(buffer + DIRECTORY).unwrap_or(0) != 0;
    pool::free(block.as_ptr(), Some(TAG))?;
    let status = result?.status;
    if !status.is_success() {
        return Ok(Err(status));
    }
    hosts::remember_directory(file, answer);
    Ok(Ok(answer))
}
