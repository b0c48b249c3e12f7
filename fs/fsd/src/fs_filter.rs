//! File system filter callbacks: how the memory and cache managers take a stream's locks through us.
//!
//! A section is synchronised by the main resource; who creates one learns whether somebody may write. A flush takes the
//! locks that it takes by default, and marks the thread as the cache manager's. The mapped page writer gets the
//! defaults. Callers hold normal kernel APCs off (FSF-23).
//!
//! Statements: FSF-12, FSF-13, FSF-20, FSF-24, FSF-25, FSF-28.
//!
//! UNSAFETY: follows the pointers that a file system filter operation names.

use std::cell::Cell;

use boundary::Raise;
use nt_abi::{
    FILE_OBJECT, FS_FILTER_CALLBACK_DATA, FSRTL_CACHE_TOP_LEVEL_IRP, IRP, IRP_MJ_ACQUIRE_FOR_CC_FLUSH,
    IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION, IRP_MJ_QUERY_OPEN, IRP_MJ_RELEASE_FOR_CC_FLUSH,
    IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION, NtStatus, SyncTypeCreateSection,
};
use nt_ex::resource;
use nt_fsrtl::fs_filter::locks;
use nt_io::{FsFilter, io_get_top_level_irp, io_set_top_level_irp};

use crate::fcb::{Fcb, Volume, of_file};
use crate::{Failure, Fsd, by_name};

/// Source: FSF-12.
fn acquire_for_section(
    data: &FS_FILTER_CALLBACK_DATA,
    file: &FILE_OBJECT,
    fcb: &Fcb,
) -> Result<NtStatus, Raise> {
    locks::check_order(file);
    resource::acquire_exclusive(&fcb.resource, true)?;
    let parameters = data.Parameters.AcquireForSectionSynchronization();
    Ok(if parameters.SyncType.get() != SyncTypeCreateSection {
        NtStatus::FSFILTER_OP_COMPLETED_SUCCESSFULLY
    } else if fcb.share.Writers.get() == 0 {
        NtStatus::FILE_LOCKED_WITH_ONLY_READERS
    } else {
        NtStatus::FILE_LOCKED_WITH_WRITERS
    })
}

/// Source: FSF-28.
fn query_open(data: &FS_FILTER_CALLBACK_DATA) -> Result<NtStatus, Raise> {
    let [irp, to, length, class, ended] = &data.Parameters.raw;
    // SAFETY: the operation names its device.
    let device = unsafe { &*data.DeviceObject.get() };
    let Some(volume) = nt_io::device_state::<Volume>(device) else { return Ok(NtStatus::SUCCESS) };
    // SAFETY: the operation names the create's IRP and the caller's length.
    let (irp, length) = unsafe { (&*(irp.get() as *const IRP), &*(length.get() as *const Cell<u32>)) };
    let place = (to.get() as usize, length.get() as usize);
    let status = match by_name::query(volume, irp, class.get() as u32, place) {
        Ok(done) => {
            length.set(done.information as u32);
            done.status
        }
        Err(Failure::Status(status) | Failure::Raise(Raise::Status(status))) => status,
        Err(Failure::Raise(stop)) => return Err(stop),
    };
    ended.set(u64::from(status.bits()));
    Ok(NtStatus::FSFILTER_OP_COMPLETED_SUCCESSFULLY)
}

impl FsFilter for Fsd {
    fn filter(
        &self,
        data: &FS_FILTER_CALLBACK_DATA,
        _below: &dyn Fn() -> Result<NtStatus, Raise>,
    ) -> Result<NtStatus, Raise> {
        if data.Operation.get() == IRP_MJ_QUERY_OPEN {
            return query_open(data);
        }
        // A file object that is none of ours has no locks of ours.
        let Ok((file, fcb, _)) = of_file(data.FileObject.get()) else { return Ok(NtStatus::SUCCESS) };
        match data.Operation.get() {
            IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION => return acquire_for_section(data, file, fcb),
            IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION => resource::release(&fcb.resource)?,
            IRP_MJ_ACQUIRE_FOR_CC_FLUSH => {
                locks::acquire_flush_resources(file)?;
                if io_get_top_level_irp() == 0 {
                    io_set_top_level_irp(FSRTL_CACHE_TOP_LEVEL_IRP);
                }
            }
            IRP_MJ_RELEASE_FOR_CC_FLUSH => {
                if io_get_top_level_irp() == FSRTL_CACHE_TOP_LEVEL_IRP {
                    io_set_top_level_irp(0);
                }
                locks::release_flush_resources(file)?;
            }
            _ => return Ok(NtStatus::SUCCESS),
        }
        Ok(NtStatus::FSFILTER_OP_COMPLETED_SUCCESSFULLY)
    }
}
