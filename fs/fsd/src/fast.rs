//! Fast I/O, and the locks that the cache manager takes through us. Statements: CC-20, CC-21, FSF-30, FSF-31, PARM-18.

use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::{
    DEVICE_OBJECT, FILE_OBJECT, FSRTL_CACHE_TOP_LEVEL_IRP, IRP, NtStatus, file_information_class as class,
};
use nt_cc::{CacheCallbacks, Callbacks};
use nt_ex::resource;
use nt_io::{FastIo, IoStatus};

use crate::fcb::{Fcb, Volume, of_file};
use crate::{Failure, by_name, query};

/// What cache maps of this driver's streams are made with; the context is the stream's control block.
pub(crate) const CALLBACKS: Callbacks = Callbacks::Rust(&Streams);

struct Streams;

/// UNSAFETY: the context is the address of the control block, which the map's file object keeps.
fn stream(context: usize) -> &'static Fcb {
    // SAFETY: as above.
    unsafe { &*(context as *const Fcb) }
}

impl CacheCallbacks for Streams {
    fn acquire_for_lazy_write(&self, context: usize, wait: bool) -> Result<bool, Raise> {
        let got = resource::acquire_shared(&stream(context).paging_resource, wait)?;
        if got {
            nt_io::io_set_top_level_irp(FSRTL_CACHE_TOP_LEVEL_IRP);
        }
        Ok(got)
    }

    fn release_from_lazy_write(&self, context: usize) -> Result<(), Raise> {
        nt_io::io_set_top_level_irp(0);
        resource::release(&stream(context).paging_resource)
    }

    fn acquire_for_read_ahead(&self, context: usize, wait: bool) -> Result<bool, Raise> {
        let got = resource::acquire_shared(&stream(context).resource, wait)?;
        if got {
            nt_io::io_set_top_level_irp(FSRTL_CACHE_TOP_LEVEL_IRP);
        }
        Ok(got)
    }

    fn release_from_read_ahead(&self, context: usize) -> Result<(), Raise> {
        nt_io::io_set_top_level_irp(0);
        resource::release(&stream(context).resource)
    }
}

/// An answer without an IRP, or the IRP's turn.
fn answer(result: Result<crate::Done, Failure>) -> Result<Option<IoStatus>, Raise> {
    match result {
        Ok(done) => Ok(Some(IoStatus { status: done.status, information: done.information })),
        Err(Failure::Status(_)) | Err(Failure::Raise(Raise::Status(_))) => Ok(None),
        Err(Failure::Raise(stop)) => Err(stop),
    }
}

fn volume_of(device: &DEVICE_OBJECT) -> Option<&'static Volume> {
    nt_io::device_state::<Volume>(device)
}

impl FastIo for crate::Fsd {
    fn read(
        &self,
        file: &'static FILE_OBJECT,
        offset: i64,
        length: u32,
        wait: bool,
        key: u32,
        buffer: usize,
        device: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        nt_cc::fsrtl_copy_read(file, offset, length, wait, key, buffer, device)
    }

    fn write(
        &self,
        file: &'static FILE_OBJECT,
        offset: i64,
        length: u32,
        wait: bool,
        key: u32,
        buffer: usize,
        device: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        if volume_of(device).is_none_or(|volume| volume.shut_down.load(Ordering::Relaxed)) {
            return Ok(None);
        }
        let Ok((_, fcb, _)) = of_file(std::ptr::from_ref(file).cast_mut()) else { return Ok(None) };
        // The store has to hear of a file that grows, and valid data that grows may need zeros.
        if offset < 0 || offset.saturating_add(i64::from(length)) > fcb.header.ValidDataLength.get() {
            return Ok(None);
        }
        let result = nt_cc::fsrtl_copy_write(file, offset, length, wait, key, buffer, device);
        if fcb.touched.get() == 0 && matches!(result, Ok(Some(_))) {
            fcb.touched.set(1);
        }
        result
    }

    fn query_basic(
        &self,
        file: &'static FILE_OBJECT,
        _wait: bool,
        buffer: usize,
        device: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        let Some(volume) = volume_of(device) else { return Ok(None) };
        answer(query::fixed(volume, file, class::FileBasicInformation, buffer, 40))
    }

    fn query_standard(
        &self,
        file: &'static FILE_OBJECT,
        _wait: bool,
        buffer: usize,
        device: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        let Some(volume) = volume_of(device) else { return Ok(None) };
        answer(query::fixed(volume, file, class::FileStandardInformation, buffer, 24))
    }

    fn query_network_open(
        &self,
        file: &'static FILE_OBJECT,
        _wait: bool,
        buffer: usize,
        device: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        let Some(volume) = volume_of(device) else { return Ok(None) };
        answer(query::fixed(volume, file, class::FileNetworkOpenInformation, buffer, 56))
    }

    fn query_open(
        &self,
        irp: &'static IRP,
        buffer: usize,
        device: &'static DEVICE_OBJECT,
    ) -> Result<Option<NtStatus>, Raise> {
        let Some(volume) = volume_of(device) else { return Ok(None) };
        // What the open refuses, the IRP is to be told.
        let found = by_name::query(volume, irp, class::FileNetworkOpenInformation, (buffer, 56));
        Ok(answer(found)?.map(|done| done.status).filter(|status| *status != NtStatus::REPARSE))
    }
}
