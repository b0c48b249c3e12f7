//! File system filter operations: how the memory and cache managers take a file system's locks.
//!
//! ```text
//! acquire ─► top device of the file's stack: pre callback ─► … ─► file system: registered callback
//!                                                                              else its fast I/O routine
//!                                                                              else the default locks
//!         ◄─ post callback ◄─ …                                  ◄─ status
//! … the manager's work …
//! release ─► the same way; nobody can fail it
//! ```
//!
//! `register` keeps a driver's callbacks, `perform` walks a device stack, `locks` are the defaults, `refusals`
//! notices who keeps the system from writing. A file system that answers SUCCESS to an operation leaves it to its
//! fast I/O routine or the default; FSFILTER_OP_COMPLETED_SUCCESSFULLY or another success says that it took the locks.
//!
//! [`query_open`] is the operation that is no lock: information about a file by its name, without an open.
//!
//! Statements: FSF-01 to FSF-28, SEED-MODW-14, SEED-MODW-15.
//!
//! UNSAFETY: `locks` follows the resource pointers of stream headers; the variable that takes a page writer's
//! resource holds what a file system put there.

pub mod locks;
mod perform;
pub mod query_open;
pub mod refusals;
mod register;

use std::cell::Cell;
use std::ptr::{from_ref, null_mut};

use boundary::Raise;
use nt_abi::irql::APC_LEVEL;
use nt_abi::{
    ERESOURCE, FILE_OBJECT, FS_FILTER_SECTION_SYNC_OUTPUT, IRP_MJ_ACQUIRE_FOR_CC_FLUSH,
    IRP_MJ_ACQUIRE_FOR_MOD_WRITE, IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION, IRP_MJ_RELEASE_FOR_CC_FLUSH,
    IRP_MJ_RELEASE_FOR_MOD_WRITE, IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION, NtStatus,
    SyncTypeCreateSection, SyncTypeOther,
};
use nt_ke::{irql, region};

use perform::{Call, perform};

pub use query_open::nt_query_information_by_name;
pub use register::register_callbacks;

/// What a section is synchronised for. Source: FSF-10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncType {
    /// Something else than the creation of a section, which must not happen meanwhile.
    Other,
    /// A section is about to be created.
    Create {
        /// `PAGE_*`.
        protection: u32,
        /// 1: the time of the last access stays; 2: that of the last write does.
        flags: u32,
    },
}

fn is_acquired(status: NtStatus) -> bool {
    status.is_success()
}

/// FSFILTER_OP_COMPLETED_SUCCESSFULLY is for the layers between; callers get SUCCESS.
fn plain(status: NtStatus) -> NtStatus {
    if status == NtStatus::FSFILTER_OP_COMPLETED_SUCCESSFULLY { NtStatus::SUCCESS } else { status }
}

/// Takes a file's locks for the mapped page writer, which is about to write up to `ending_offset`. Never waits.
///
/// Source:  FsRtlAcquireFileForModWrite; FSF-15 to FSF-19, PARM-25
/// IRQL:    <= APC_LEVEL, in the thread that releases it
/// Units:   bytes; one more than the offset of the last byte
/// Returns: the resource to release; `None` for a file without locks, which is not released
/// Errors:  CANT_WAIT (try again later) · what a filter or the file system answered; nothing is acquired then
pub fn acquire_for_mod_write(
    file: &FILE_OBJECT,
    ending_offset: i64,
) -> Result<Result<Option<&'static ERESOURCE>, NtStatus>, Raise> {
    let (end, resource) = (Cell::new(ending_offset), Cell::new(null_mut::<ERESOURCE>()));
    let call = Call::new(IRP_MJ_ACQUIRE_FOR_MOD_WRITE, file, true);
    let arm = call.data.Parameters.AcquireForModifiedPageWriter();
    arm.EndingOffset.set(end.as_ptr());
    arm.ResourceToRelease.set(resource.as_ptr());
    let status = perform(&call, &|device| locks::mod_write(device, file, &end, &resource))?;
    if !is_acquired(status) {
        return Ok(Err(status));
    }
    // SAFETY: what the file system, or the default, acquired; it stays at least until it is released.
    Ok(Ok(unsafe { resource.get().as_ref() }))
}

/// Gives back what [`acquire_for_mod_write`] took, at APC_LEVEL. `None`: there is nothing to give back, and no callback.
///
/// Source:  FsRtlReleaseFileForModWrite; FSF-07, FSF-13, FSF-17, FSF-26, SEED-MODW-03, SEED-MODW-08, SEED-MODW-15
/// IRQL:    <= APC_LEVEL, in the thread that acquired it
/// Errors:  `Stop`; a resource that the thread does not own is a bug check
pub fn release_for_mod_write(file: &FILE_OBJECT, resource: Option<&ERESOURCE>) -> Result<(), Raise> {
    let Some(resource) = resource else { return Ok(()) };
    let call = Call::new(IRP_MJ_RELEASE_FOR_MOD_WRITE, file, false);
    let arm = call.data.Parameters.ReleaseForModifiedPageWriter();
    arm.ResourceToRelease.set(from_ref(resource).cast_mut());
    let before = irql::raise(APC_LEVEL);
    let result = perform(&call, &|device| locks::release_mod_write(device, file, resource));
    irql::lower(before);
    result.map(|_| ())
}

/// Takes a file's locks so that sections of it can be created, or cannot be meanwhile. Normal kernel APCs are held
/// off until the release.
///
/// Source:  FsRtlAcquireToCreateMappedSection, FsRtlAcquireFileExclusive; FSF-08 to FSF-14, FSF-20, FSF-23
/// IRQL:    <= APC_LEVEL
/// Returns: SUCCESS, FILE_LOCKED_WITH_ONLY_READERS or FILE_LOCKED_WITH_WRITERS, which are successes
/// Errors:  INSUFFICIENT_RESOURCES and other failures of a filter or the file system; nothing is acquired then
pub fn acquire_for_section(file: &FILE_OBJECT, sync: SyncType) -> Result<NtStatus, Raise> {
    let output = FS_FILTER_SECTION_SYNC_OUTPUT::zeroed();
    output.StructureSize.set(size_of::<FS_FILTER_SECTION_SYNC_OUTPUT>() as u32);
    let may_fail = sync != SyncType::Other;
    let call = Call::new(IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION, file, may_fail);
    let arm = call.data.Parameters.AcquireForSectionSynchronization();
    if let SyncType::Create { protection, flags } = sync {
        arm.SyncType.set(SyncTypeCreateSection);
        arm.PageProtection.set(protection);
        arm.Flags.set(flags);
        arm.OutputInformation.set(from_ref(&output).cast_mut());
    } else {
        arm.SyncType.set(SyncTypeOther);
    }
    region::enter_for_engine();
    let result = perform(&call, &|device| locks::section(device, file));
    if !matches!(result, Ok(status) if is_acquired(status)) {
        region::leave_for_engine();
    }
    result.map(plain)
}

/// Ends [`acquire_for_section`].
///
/// Source:  FsRtlReleaseFile; FSF-07, FSF-13, FSF-20
/// IRQL:    <= APC_LEVEL, in the thread that acquired it
/// Errors:  `Stop`; a resource that the thread does not own is a bug check
pub fn release_for_section(file: &FILE_OBJECT) -> Result<(), Raise> {
    let call = Call::new(IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION, file, false);
    let result = perform(&call, &|device| locks::release_section(device, file));
    region::leave_for_engine();
    result.map(|_| ())
}

/// Takes a file's locks for a flush of the cache. Normal kernel APCs are held off until the release.
///
/// Source:  FsRtlAcquireFileForCcFlushEx; FSF-15, FSF-20, FSF-23, FSF-25
/// IRQL:    <= APC_LEVEL
/// Returns: SUCCESS
/// Errors:  what a filter or the file system answered; nothing is acquired then
pub fn acquire_for_cc_flush(file: &FILE_OBJECT) -> Result<NtStatus, Raise> {
    let call = Call::new(IRP_MJ_ACQUIRE_FOR_CC_FLUSH, file, true);
    region::enter_for_engine();
    let result = perform(&call, &|device| locks::cc_flush(device, file));
    if !matches!(result, Ok(status) if is_acquired(status)) {
        region::leave_for_engine();
    }
    result.map(plain)
}

/// Ends [`acquire_for_cc_flush`].
///
/// Source:  FsRtlReleaseFileForCcFlush; FSF-07, FSF-20, FSF-25
/// IRQL:    <= APC_LEVEL, in the thread that acquired it
/// Errors:  `Stop`; a resource that the thread does not own is a bug check
pub fn release_for_cc_flush(file: &FILE_OBJECT) -> Result<(), Raise> {
    let call = Call::new(IRP_MJ_RELEASE_FOR_CC_FLUSH, file, false);
    let result = perform(&call, &|device| locks::release_cc_flush(device, file));
    region::leave_for_engine();
    result.map(|_| ())
}
