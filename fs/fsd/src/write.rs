//! IRP_MJ_WRITE and IRP_MJ_FLUSH_BUFFERS. Statements: FS-20, FS-22, FS-28, PAGE-01 to PAGE-03, PAGE-05 to PAGE-10,
//! PAGE-13 to PAGE-15, PAGE-17, PAGE-19 to PAGE-21, PAGE-24, PAGE-25.

use std::sync::atomic::Ordering;

use nt_abi::{FILE_OBJECT, IO_STACK_LOCATION, IRP, NtStatus, fo_flags, irp_flags, irp_mj, irp_mn, sl_flags};
use nt_ex::resource::{self, ResourceGuard};

use crate::fcb::{Fcb, Volume, of_file};
use crate::transfer::{self, Way, note_position};
use crate::{Answer, Done, Failure, buffer, times};

/// Offset that means "at the end of file".
const END_OF_FILE: i64 = -1;
/// Pages that the cache could not drop.
const CACHE_PAGE_LOCKED: NtStatus = NtStatus(0x115);

/// A write on its way.
struct Request {
    file: &'static FILE_OBJECT,
    fcb: &'static Fcb,
    from: usize,
    offset: i64,
    length: usize,
    through: bool,
}

/// Writes by the way that the IRP asks for.
pub(crate) fn write(volume: &Volume, irp: &'static IRP, stack: &IO_STACK_LOCATION) -> Answer {
    let (file, fcb, _) = of_file(stack.FileObject.get())?;
    fcb.require_data()?;
    let parameters = stack.Parameters.Write();
    let (length, offset) = (parameters.Length.get() as usize, parameters.ByteOffset.get());
    if stack.MinorFunction.get() != irp_mn::IRP_MN_NORMAL {
        return Err(NtStatus::INVALID_DEVICE_REQUEST.into());
    }
    if volume.shut_down.load(Ordering::Acquire) {
        return Err(NtStatus::TOO_LATE.into());
    }
    let way = transfer::way(irp, file);
    if offset < END_OF_FILE || (offset == END_OF_FILE && way == Way::Paging) {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if length == 0 {
        return Ok(NtStatus::SUCCESS.into());
    }
    let through = stack.Flags.get() & sl_flags::SL_WRITE_THROUGH != 0
        || file.Flags.load(Ordering::Relaxed) & fo_flags::FO_WRITE_THROUGH != 0;
    let from = buffer::data_address(irp)?;
    let request = Request { file, fcb, from, offset, length, through };
    match way {
        Way::Paging => paging(volume, &request),
        Way::Noncached => noncached(volume, &request),
        Way::Cached => cached(volume, &request),
    }
}

/// Whether a page writer wants to go on before its pages have arrived. Statements: FSF-29, SEED-IOPB-10.
pub(crate) fn is_asynchronous_paging(irp: &IRP, stack: &IO_STACK_LOCATION) -> bool {
    let flags = irp.Flags.get() & (irp_flags::IRP_PAGING_IO | irp_flags::IRP_SYNCHRONOUS_PAGING_IO);
    stack.MajorFunction.get() == irp_mj::IRP_MJ_WRITE && flags == irp_flags::IRP_PAGING_IO
}

/// Pages on their way to the store. The file does not grow, and nobody's position, times or flags move; the end of valid
/// data does, when a mapped view made the pages behind it.
fn paging(volume: &Volume, request: &Request) -> Answer {
    let fcb = request.fcb;
    // Past those who wait to have it alone: the page writer, in another thread, may hold it until this is done.
    let _paging = ResourceGuard::shared_starving(&fcb.paging_resource)?;
    let left = fcb.header.FileSize.get() - request.offset;
    if left <= 0 || fcb.deleted.get() != 0 {
        return Ok(NtStatus::SUCCESS.into());
    }
    let length = (request.length as i64).min(left) as usize;
    times::keeping(volume, fcb, || transfer::to_store(volume, fcb, request.from, request.offset, length))?;
    let end = request.offset + length as i64;
    if end > fcb.header.ValidDataLength.get() && may_advance(fcb) {
        fcb.advance_valid_data(end);
    }
    Ok(Done::new(NtStatus::SUCCESS, length))
}

/// Whether a paging write moves the end of valid data: the mapped page writer's does, and a flush's of what mapped views
/// stored; the lazy writer's, which holds no main resource, never. Statement: PAGE-05.
fn may_advance(fcb: &Fcb) -> bool {
    let mapped = || nt_cc::section::use_of(&fcb.section_pointers).is_stored_to();
    nt_io::io_get_top_level_irp() == nt_abi::FSRTL_MOD_WRITE_TOP_LEVEL_IRP
        || (resource::is_acquired_shared(&fcb.resource) != 0 && mapped())
}

/// Where a write begins and ends. Errors: PAGE-24.
fn place(fcb: &Fcb, offset: i64, length: usize) -> Result<(i64, i64), Failure> {
    let start = if offset == END_OF_FILE { fcb.header.FileSize.get() } else { offset };
    match start.checked_add(length as i64) {
        Some(end) => Ok((start, end)),
        None => Err(NtStatus::DISK_FULL.into()),
    }
}

/// Holds the main resource: shared for a write that stays inside valid data and disturbs nobody, else exclusive.
fn acquire(fcb: &Fcb, offset: i64, length: usize, alone: bool) -> Result<ResourceGuard<'_>, Failure> {
    let inside = || {
        offset != END_OF_FILE
            && offset.saturating_add(length as i64) <= fcb.header.ValidDataLength.get()
            && !(alone && fcb.has_data_section())
    };
    if inside() {
        let shared = ResourceGuard::shared(&fcb.resource)?;
        if inside() {
            return Ok(shared);
        }
    }
    Ok(ResourceGuard::exclusive(&fcb.resource)?)
}

/// What a write leaves behind in the file object and the position.
fn note_write(request: &Request, end: i64, grown: bool) {
    let size = if grown { fo_flags::FO_FILE_SIZE_CHANGED } else { 0 };
    request.file.Flags.fetch_or(fo_flags::FO_FILE_MODIFIED | size, Ordering::Relaxed);
    request.fcb.touched.set(1);
    note_position(request.file, end);
}

/// Grows the file to `end` if need be, makes zeros up to `start`, runs `move_data`, and takes valid data to `end`.
/// A failure leaves the sizes as they were.
fn with_room(
    volume: &Volume,
    request: &Request,
    (start, end): (i64, i64),
    move_data: impl FnOnce() -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let fcb = request.fcb;
    let before = fcb.header.FileSize.get();
    let grown = end > before;
    if grown {
        fcb.extend(volume, end)?;
    }
    let moved = fcb.zero_up_to(request.file, start).and_then(|()| move_data());
    if let Err(failure) = moved {
        if grown {
            fcb.cut(volume, before)?;
        }
        return Err(failure);
    }
    fcb.advance_valid_data(end);
    Ok(grown)
}

fn noncached(volume: &Volume, request: &Request) -> Answer {
    let fcb = request.fcb;
    if request.offset != END_OF_FILE {
        transfer::require_sectors(volume, request.offset, request.length)?;
    }
    let _main = acquire(fcb, request.offset, request.length, true)?;
    let (start, end) = place(fcb, request.offset, request.length)?;
    transfer::require_sectors(volume, start, request.length)?;
    if fcb.has_data_section() {
        let range = Some((start, u32::try_from(request.length).unwrap_or(u32::MAX)));
        let result = nt_cc::cc_coherency_flush_and_purge_cache(&fcb.section_pointers, range, 0)?;
        if result.status.is_error() {
            return Err(result.status.into());
        }
        if result.status == CACHE_PAGE_LOCKED {
            return Err(NtStatus::PURGE_FAILED.into());
        }
    }
    let grown = with_room(volume, request, (start, end), || {
        transfer::to_store(volume, fcb, request.from, start, request.length)
    })?;
    if request.through {
        volume.store.flush(fcb.id())?;
    }
    note_write(request, end, grown);
    Ok(Done::new(NtStatus::SUCCESS, request.length))
}

fn cached(volume: &Volume, request: &Request) -> Answer {
    let (file, fcb) = (request.file, request.fcb);
    // Before any lock: waiting for room means waiting for paging writes.
    nt_cc::cc_can_i_write(file, request.length as u32, true, false)?;
    let _main = acquire(fcb, request.offset, request.length, false)?;
    let (start, end) = place(fcb, request.offset, request.length)?;
    fcb.cache(file)?;
    let grown = with_room(volume, request, (start, end), || {
        nt_cc::cc_copy_write(file, start, request.length as u32, true, request.from)?;
        Ok(())
    })?;
    if request.through {
        if file.Flags.load(Ordering::Relaxed) & fo_flags::FO_WRITE_THROUGH == 0 {
            let range = Some((start, request.length as u32));
            let flushed = nt_cc::cc_flush_cache(&fcb.section_pointers, range)?;
            if flushed.status.is_error() {
                return Err(flushed.status.into());
            }
        }
        volume.store.flush(fcb.id())?;
    }
    note_write(request, end, grown);
    Ok(Done::new(NtStatus::SUCCESS, request.length))
}

/// The system goes down: everything reaches the store, and later writes are too late. Statement: PAGE-23.
pub(crate) fn shut_down(volume: &Volume) -> Answer {
    let status = nt_cc::cc_flush_volume(volume.vpb)?;
    volume.store.flush_all()?;
    volume.shut_down.store(true, Ordering::Release);
    Ok(status.into())
}

/// Writes what is cached of a file, or for the volume and its root of everything, and makes it outlive a power loss.
pub(crate) fn flush(volume: &Volume, stack: &IO_STACK_LOCATION) -> Answer {
    let (_, fcb, _) = of_file(stack.FileObject.get())?;
    if fcb.state().volume_open || fcb.id() == volume.store.root() {
        let status = nt_cc::cc_flush_volume(volume.vpb)?;
        if status.is_error() {
            return Err(status.into());
        }
        volume.store.flush_all()?;
        return Ok(NtStatus::SUCCESS.into());
    }
    if fcb.has_data_section() {
        let flushed = nt_cc::cc_flush_cache(&fcb.section_pointers, None)?;
        if flushed.status.is_error() {
            return Err(flushed.status.into());
        }
    }
    {
        let _names = ResourceGuard::shared(volume.resource)?;
        times::settle(volume, fcb)?;
    }
    volume.store.flush(fcb.id())?;
    Ok(NtStatus::SUCCESS.into())
}
