//! FsRtl: file system filter callbacks, and the locks that they take.

use boundary::export;
use nt_abi::irql::{APC_LEVEL, PASSIVE_LEVEL};
use nt_abi::{DRIVER_OBJECT, FILE_OBJECT, FS_FILTER_CALLBACKS, NtStatus};
use nt_fsrtl::fs_filter::{self, SyncType};

use crate::argument::{arg, rows};

rows! { "ntoskrnl.exe", "nt-fsrtl";
    FsRtlRegisterFileSystemFilterCallbacks done "FSF-01, FSF-03";
    FsRtlAcquireFileExclusive done "FSF-14, FSF-20";
    FsRtlReleaseFile done "FSF-13, FSF-20";
}

export! {
    /// Keeps a driver's callbacks for the operations by which the system takes a file's locks.
    pub fn FsRtlRegisterFileSystemFilterCallbacks(driver: *mut DRIVER_OBJECT, callbacks: *mut FS_FILTER_CALLBACKS) -> NtStatus [irql <= PASSIVE_LEVEL] {
        if callbacks.is_null() || driver.is_null() {
            return Ok(NtStatus::INVALID_PARAMETER);
        }
        arg!(FsRtlRegisterFileSystemFilterCallbacks: driver, callbacks);
        fs_filter::register_callbacks(driver, callbacks)
    }

    /// Takes a file's locks so that no section of it comes to be.
    pub fn FsRtlAcquireFileExclusive(file: *mut FILE_OBJECT) -> () [irql <= APC_LEVEL] {
        arg!(FsRtlAcquireFileExclusive: file);
        fs_filter::acquire_for_section(file, SyncType::Other).map(|_| ())
    }

    /// Gives them back.
    pub fn FsRtlReleaseFile(file: *mut FILE_OBJECT) -> () [irql <= APC_LEVEL] {
        arg!(FsRtlReleaseFile: file);
        fs_filter::release_for_section(file)
    }
}
