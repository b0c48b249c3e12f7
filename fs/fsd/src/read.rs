//! IRP_MJ_READ. Statements: FS-19, FS-21, FS-22, PAGE-04, PAGE-08, PAGE-12 to PAGE-15, PAGE-19, PAGE-22, PAGE-25.

use std::sync::atomic::Ordering;

use nt_abi::{FILE_OBJECT, IO_STACK_LOCATION, IRP, NtStatus, fo_flags, irp_mn};
use nt_ex::resource::ResourceGuard;

use crate::fcb::{Fcb, Volume, of_file};
use crate::transfer::{self, Way, note_position};
use crate::{Answer, Done, Failure, buffer};

/// Reads by the way that the IRP asks for.
pub(crate) fn read(volume: &Volume, irp: &'static IRP, stack: &IO_STACK_LOCATION) -> Answer {
    let (file, fcb, _) = of_file(stack.FileObject.get())?;
    fcb.require_data()?;
    let parameters = stack.Parameters.Read();
    let (length, offset) = (parameters.Length.get() as usize, parameters.ByteOffset.get());
    match stack.MinorFunction.get() {
        irp_mn::IRP_MN_NORMAL => {}
        irp_mn::IRP_MN_MDL => return by_mdl(irp, file, fcb, offset, length),
        irp_mn::IRP_MN_COMPLETE_MDL => return complete_mdl(irp),
        _ => return Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
    }
    if offset < 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if length == 0 {
        return Ok(NtStatus::SUCCESS.into());
    }
    let to = buffer::data_address(irp)?;
    match transfer::way(irp, file) {
        Way::Paging => {
            let _paging = ResourceGuard::shared(&fcb.paging_resource)?;
            if fcb.deleted.get() != 0 {
                return Err(NtStatus::END_OF_FILE.into());
            }
            direct(volume, fcb, to, offset, length)
        }
        Way::Noncached => noncached(volume, file, fcb, to, offset, length),
        Way::Cached => cached(file, fcb, to, offset, length),
    }
}

/// Bytes of a read that lie in front of the end of file.
fn inside(fcb: &Fcb, offset: i64, length: usize) -> Result<usize, Failure> {
    match fcb.header.FileSize.get() - offset {
        left if left <= 0 => Err(NtStatus::END_OF_FILE.into()),
        left => Ok((length as i64).min(left) as usize),
    }
}

/// From the store. The buffer is filled up to the next sector, as far as whole sectors were asked for.
fn direct(volume: &Volume, fcb: &Fcb, to: usize, offset: i64, length: usize) -> Answer {
    let wanted = inside(fcb, offset, length)?;
    let sector = volume.sector as usize;
    let end = if length.is_multiple_of(sector) { wanted.next_multiple_of(sector) } else { wanted };
    transfer::from_store(volume, fcb, to, offset, (wanted, end))?;
    Ok(Done::new(NtStatus::SUCCESS, wanted))
}

fn noncached(
    volume: &Volume,
    file: &FILE_OBJECT,
    fcb: &Fcb,
    to: usize,
    offset: i64,
    length: usize,
) -> Answer {
    if fcb.has_data_section() {
        // PAGE-19: what programs wrote through the cache reaches the store first.
        let bytes = u32::try_from(length).unwrap_or(u32::MAX);
        let flushed = nt_cc::cc_flush_cache(&fcb.section_pointers, Some((offset, bytes)))?;
        if flushed.status.is_error() {
            return Err(flushed.status.into());
        }
    }
    let _main = ResourceGuard::shared(&fcb.resource)?;
    let done = direct(volume, fcb, to, offset, length)?;
    note_position(file, offset + done.information as i64);
    Ok(done)
}

fn cached(file: &'static FILE_OBJECT, fcb: &'static Fcb, to: usize, offset: i64, length: usize) -> Answer {
    let _main = ResourceGuard::shared(&fcb.resource)?;
    let wanted = inside(fcb, offset, length)?;
    fcb.cache(file)?;
    nt_cc::cc_copy_read(file, offset, wanted as u32, true, to)?;
    file.Flags.fetch_or(fo_flags::FO_FILE_FAST_IO_READ, Ordering::Relaxed);
    note_position(file, offset + wanted as i64);
    Ok(Done::new(NtStatus::SUCCESS, wanted))
}

/// IRP_MN_MDL: the cache's own pages for the caller.
fn by_mdl(irp: &IRP, file: &'static FILE_OBJECT, fcb: &'static Fcb, offset: i64, length: usize) -> Answer {
    if transfer::way(irp, file) != Way::Cached || offset < 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let _main = ResourceGuard::shared(&fcb.resource)?;
    let wanted = inside(fcb, offset, length)?;
    fcb.cache(file)?;
    let mut chain = None;
    let result = nt_cc::mdl::cc_mdl_read(file, offset, wanted as u32, &mut chain);
    irp.MdlAddress.set(chain.map_or(std::ptr::null_mut(), |mdl| std::ptr::from_ref(mdl).cast_mut()));
    let result = result?;
    note_position(file, offset + result.information as i64);
    Ok(Done::new(result.status, result.information))
}

fn complete_mdl(irp: &IRP) -> Answer {
    // SAFETY: the chain of an earlier IRP_MN_MDL, given back by who asked for it; null means there is none.
    let chain = unsafe { irp.MdlAddress.get().as_ref() }.ok_or(NtStatus::INVALID_PARAMETER)?;
    nt_cc::mdl::cc_mdl_read_complete(chain)?;
    irp.MdlAddress.set(std::ptr::null_mut());
    Ok(NtStatus::SUCCESS.into())
}
