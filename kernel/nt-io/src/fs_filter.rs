//! File system filter callbacks of a driver: what they look like, for a driver in Rust and for a native one.
//!
//! The I/O manager only keeps them, in the driver object; who calls them, and in which order, is `nt-fsrtl`'s.
//!
//! Statements: FSF-01, FSF-03.

use nt_abi::{
    FS_FILTER_CALLBACK_DATA, IRP_MJ_ACQUIRE_FOR_CC_FLUSH, IRP_MJ_ACQUIRE_FOR_MOD_WRITE,
    IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION, IRP_MJ_QUERY_OPEN, IRP_MJ_RELEASE_FOR_CC_FLUSH,
    IRP_MJ_RELEASE_FOR_MOD_WRITE, IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION, NativeFn, NtStatus,
};
use nt_ke::Raise;

/// The operations, in the order of the callback pairs in `FS_FILTER_CALLBACKS`. Source: FSF-03.
pub const OPERATIONS: [u8; 7] = [
    IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION,
    IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION,
    IRP_MJ_ACQUIRE_FOR_CC_FLUSH,
    IRP_MJ_RELEASE_FOR_CC_FLUSH,
    IRP_MJ_ACQUIRE_FOR_MOD_WRITE,
    IRP_MJ_RELEASE_FOR_MOD_WRITE,
    IRP_MJ_QUERY_OPEN,
];

/// File system filter callbacks of a driver in Rust.
pub trait FsFilter: Send + Sync {
    /// Carries out the operation at the device that `data` names. A filter calls `below` for what stands below it
    /// and sees the result; a file system does not.
    ///
    /// IRQL:    <= APC_LEVEL
    /// Returns: of a file system SUCCESS for what it leaves to the default,
    ///          FSFILTER_OP_COMPLETED_SUCCESSFULLY or another success for what it did
    fn filter(
        &self,
        data: &FS_FILTER_CALLBACK_DATA,
        below: &dyn Fn() -> Result<NtStatus, Raise>,
    ) -> Result<NtStatus, Raise>;
}

/// Callbacks of one operation; either may be null.
#[derive(Clone, Copy)]
pub struct CallbackPair {
    /// Before lower filters and the file system.
    pub pre: NativeFn,
    /// After them.
    pub post: NativeFn,
}

/// File system filter callbacks of a native driver.
#[derive(Clone, Copy)]
pub struct NativeCallbacks([CallbackPair; OPERATIONS.len()]);

impl NativeCallbacks {
    /// The pairs stand in the order of [`OPERATIONS`].
    pub fn new(pairs: [CallbackPair; OPERATIONS.len()]) -> Self {
        Self(pairs)
    }

    /// The callbacks for `operation`, an `FS_FILTER_*` code.
    pub fn pair(&self, operation: u8) -> CallbackPair {
        let index = OPERATIONS.iter().position(|known| *known == operation);
        index.map_or(CallbackPair { pre: NativeFn::NULL, post: NativeFn::NULL }, |index| self.0[index])
    }
}
