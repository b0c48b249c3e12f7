//! What the file system and its filters hold while a section is made of a file.
//!
//! Statements: FSF-08, FSF-09, FSF-12 to FSF-14.

use boundary::Raise;
use nt_abi::{FILE_OBJECT, NtStatus};
use nt_fsrtl::fs_filter::{self, SyncType};

/// Runs `make` between the acquire and the release of section synchronization.
///
/// Errors: the status of a filter that refuses; then `make` does not run
pub fn for_section<T>(
    file: &'static FILE_OBJECT,
    protection: u32,
    make: impl FnOnce() -> Result<Result<T, NtStatus>, Raise>,
) -> Result<Result<T, NtStatus>, Raise> {
    let status = fs_filter::acquire_for_section(file, SyncType::Create { protection, flags: 0 })?;
    if status.is_error() {
        return Ok(Err(status));
    }
    let made = make();
    fs_filter::release_for_section(file)?;
    made
}
