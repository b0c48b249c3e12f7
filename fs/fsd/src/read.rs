//! IRP_MJ_READ. Statements: FS-19, FS-22.

use std::sync::atomic::Ordering;

use nt_abi::{FILE_OBJECT, IO_STACK_LOCATION, IRP, NtStatus, fo_flags, irp_flags};

use crate::fcb::{Volume, of_file};
use crate::{Answer, Done, buffer};

/// Largest piece that is moved at once.
pub(crate) const PIECE: usize = 256 << 10;

/// Reads from the store straight into the caller's buffer, piece by piece.
pub(crate) fn read(volume: &Volume, irp: &'static IRP, stack: &IO_STACK_LOCATION) -> Answer {
    let (file, fcb, _) = of_file(stack.FileObject.get())?;
    fcb.require_data()?;
    if stack.MinorFunction.get() != 0 {
        return Err(NtStatus::INVALID_DEVICE_REQUEST.into());
    }
    let parameters = stack.Parameters.Read();
    let (length, offset) = (parameters.Length.get() as usize, parameters.ByteOffset.get());
    if offset < 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if length == 0 {
        return Ok(NtStatus::SUCCESS.into());
    }
    let to = buffer::data_address(irp)?;
    let _guard = nt_ex::resource::ResourceGuard::shared(&fcb.resource)?;
    let mut piece = vec![0u8; length.min(PIECE)];
    let mut done = 0;
    while done < length {
        let wanted = (length - done).min(PIECE);
        let got =
            volume.store.read(fcb.id(), fcb.stream(), offset as u64 + done as u64, &mut piece[..wanted])?;
        boundary::copy::write(to + done, &piece[..got])?;
        done += got;
        if got < wanted {
            break;
        }
    }
    let status = if done == 0 { NtStatus::END_OF_FILE } else { NtStatus::SUCCESS };
    note_position(irp, file, offset + done as i64);
    Ok(Done::new(status, done))
}

/// Moves the position of a synchronous file object; paging I/O leaves it alone.
pub(crate) fn note_position(irp: &IRP, file: &FILE_OBJECT, position: i64) {
    let synchronous = file.Flags.load(Ordering::Relaxed) & fo_flags::FO_SYNCHRONOUS_IO != 0;
    if synchronous && irp.Flags.get() & irp_flags::IRP_PAGING_IO == 0 {
        file.CurrentByteOffset.set(position);
    }
}
