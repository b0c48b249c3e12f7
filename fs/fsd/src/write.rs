//! IRP_MJ_WRITE and IRP_MJ_FLUSH_BUFFERS. Statements: FS-20, FS-22, FS-28.

use std::sync::atomic::Ordering;

use nt_abi::{IO_STACK_LOCATION, IRP, NtStatus, fo_flags, irp_flags};

use crate::fcb::{Fcb, Volume, of_file};
use crate::read::{PIECE, note_position};
use crate::{Answer, Done, Failure, buffer};

/// Offset that means "at the end of file".
const END_OF_FILE: i64 = -1;

/// Writes to the store straight from the caller's buffer, piece by piece.
pub(crate) fn write(volume: &Volume, irp: &'static IRP, stack: &IO_STACK_LOCATION) -> Answer {
    let (file, fcb, _) = of_file(stack.FileObject.get())?;
    fcb.require_data()?;
    if stack.MinorFunction.get() != 0 {
        return Err(NtStatus::INVALID_DEVICE_REQUEST.into());
    }
    let parameters = stack.Parameters.Write();
    let (length, offset) = (parameters.Length.get() as usize, parameters.ByteOffset.get());
    if offset < END_OF_FILE {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if length == 0 {
        return Ok(NtStatus::SUCCESS.into());
    }
    let paging = irp.Flags.get() & irp_flags::IRP_PAGING_IO != 0;
    let from = buffer::data_address(irp)?;
    // Only what stays inside the file may run beside other writes.
    let inside = offset != END_OF_FILE && offset + length as i64 <= fcb.header.FileSize.get();
    let _guard = if inside {
        nt_ex::resource::ResourceGuard::shared(&fcb.resource)?
    } else {
        nt_ex::resource::ResourceGuard::exclusive(&fcb.resource)?
    };
    let size = volume.store.size(fcb.id(), fcb.stream())?;
    let start = if offset == END_OF_FILE { size } else { offset as u64 };
    if start.checked_add(length as u64).is_none_or(|end| end > i64::MAX as u64) {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    // Paging writes never move the end of file.
    let length = if paging { length.min(size.saturating_sub(start) as usize) } else { length };
    let moved = move_bytes(volume, fcb, from, start, length);
    let after = volume.store.size(fcb.id(), fcb.stream())?;
    if after != fcb.header.FileSize.get() as u64 {
        fcb.note_size(after, volume.store.allocation_size(fcb.id(), fcb.stream())?);
        file.Flags.fetch_or(fo_flags::FO_FILE_SIZE_CHANGED, Ordering::Relaxed);
    }
    moved?;
    file.Flags.fetch_or(fo_flags::FO_FILE_MODIFIED, Ordering::Relaxed);
    if file.Flags.load(Ordering::Relaxed) & fo_flags::FO_WRITE_THROUGH != 0 {
        volume.store.flush(fcb.id())?;
    }
    note_position(irp, file, (start + length as u64) as i64);
    Ok(Done::new(NtStatus::SUCCESS, length))
}

fn move_bytes(volume: &Volume, fcb: &Fcb, from: usize, start: u64, length: usize) -> Result<(), Failure> {
    let mut piece = vec![0u8; length.min(PIECE)];
    let mut done = 0;
    while done < length {
        let wanted = (length - done).min(PIECE);
        boundary::copy::read(from + done, &mut piece[..wanted])?;
        volume.store.write(fcb.id(), fcb.stream(), start + done as u64, &piece[..wanted])?;
        done += wanted;
    }
    Ok(())
}

/// Makes a file, or for the volume and its root everything, outlive a power loss.
pub(crate) fn flush(volume: &Volume, stack: &IO_STACK_LOCATION) -> Answer {
    let (_, fcb, _) = of_file(stack.FileObject.get())?;
    if fcb.state().volume_open || fcb.id() == volume.store.root() {
        volume.store.flush_all()?;
    } else {
        volume.store.flush(fcb.id())?;
    }
    Ok(NtStatus::SUCCESS.into())
}
