//! Whether a file is a directory. Statements: OBJ-23, OBJ-24.

use boundary::{Raise, copy};
use nt_abi::{FILE_OBJECT, NtStatus, file_information_class as class};
use nt_ex::pool::{self, PoolKind};

use crate::contexts::hosts;
use crate::findings;
use crate::generated::flt_query_information_file;
use crate::instance::Instance;

const TAG: u32 = u32::from_le_bytes(*b"FMdi");
/// `FILE_STANDARD_INFORMATION`, and where `EndOfFile` and `Directory` stand in it.
const SIZE: usize = 24;
const END: usize = 8;
const DIRECTORY: usize = 21;

/// What the file system below `instance` says of a file's end, and of whether it is a directory.
///
/// IRQL:    PASSIVE_LEVEL
/// Errors:  INSUFFICIENT_RESOURCES · what the file system answered
pub fn standard_information(
    file: &'static FILE_OBJECT,
    instance: &Instance,
) -> Result<Result<(i64, bool), NtStatus>, Raise> {
    let Some(block) = pool::allocate_engine(PoolKind::NonPaged, SIZE, TAG) else {
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    };
    let buffer = block.as_ptr() as usize;
    let class = class::FileStandardInformation;
    let result = flt_query_information_file(instance, file, buffer, SIZE as u32, class);
    let end = copy::read_value::<i64>(buffer + END);
    let directory = copy::read_value::<u8>(buffer + DIRECTORY);
    pool::free(block.as_ptr(), Some(TAG))?;
    let status = result?.status;
    Ok(if status.is_success() { Ok((end?, directory? != 0)) } else { Err(status) })
}

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
    let answer = standard_information(file, instance)?.map(|(_, directory)| directory);
    if let Ok(directory) = answer {
        hosts::remember_directory(file, directory);
    }
    Ok(answer)
}
