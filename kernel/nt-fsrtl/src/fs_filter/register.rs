//! Registration of a native driver's callbacks.
//!
//! Statements: FSF-01, FSF-03.

use std::ptr::from_ref;

use boundary::{Raise, copy};
use nt_abi::{DRIVER_OBJECT, FS_FILTER_CALLBACKS, NativeFn, NtStatus};
use nt_io::fs_filter::{CallbackPair, OPERATIONS};
use nt_io::{NativeCallbacks, set_filter_callbacks};

/// Bytes in front of the first pair.
const HEAD: usize = 8;
/// Bytes of a structure that ends with the pair for query open.
pub const WITH_QUERY_OPEN: usize = size_of::<FS_FILTER_CALLBACKS>() + 16;

/// Keeps a copy of a driver's callbacks, in place of those it had.
///
/// Source:  FsRtlRegisterFileSystemFilterCallbacks; FSF-01
/// IRQL:    PASSIVE_LEVEL
/// Shape:   the structure with or without its last pair, for query open, as its size says
/// Errors:  INVALID_PARAMETER (another size, memory that cannot be read)
pub fn register_callbacks(
    driver: &DRIVER_OBJECT,
    callbacks: &FS_FILTER_CALLBACKS,
) -> Result<NtStatus, Raise> {
    let size = callbacks.SizeOfFsFilterCallbacks.get() as usize;
    if size != size_of::<FS_FILTER_CALLBACKS>() && size != WITH_QUERY_OPEN {
        return Ok(NtStatus::INVALID_PARAMETER);
    }
    let mut words = [0u64; 2 * OPERATIONS.len()];
    let held = (size - HEAD) / 8;
    for (index, word) in words[..held].iter_mut().enumerate() {
        match copy::read_value(from_ref(callbacks) as usize + HEAD + 8 * index) {
            Ok(address) => *word = address,
            Err(_) => return Ok(NtStatus::INVALID_PARAMETER),
        }
    }
    let routine = |index: usize| NativeFn(words[index] as usize);
    let pairs = std::array::from_fn(|i| CallbackPair { pre: routine(2 * i), post: routine(2 * i + 1) });
    set_filter_callbacks(driver, NativeCallbacks::new(pairs));
    Ok(NtStatus::SUCCESS)
}
