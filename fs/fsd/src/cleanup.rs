//! IRP_MJ_CLEANUP: the last handle of a file object is gone. Statements: FS-14 to FS-17.

use std::sync::atomic::Ordering;

use nt_abi::{IO_STACK_LOCATION, NtStatus, fo_flags};

use crate::Answer;
use crate::fcb::{Fcb, Volume, of_file};

/// Takes back share access and deletes what waits for it.
pub(crate) fn cleanup(volume: &Volume, stack: &IO_STACK_LOCATION) -> Answer {
    let (file, fcb, ccb) = of_file(stack.FileObject.get())?;
    let _guard = nt_ex::resource::ResourceGuard::exclusive(volume.resource)?;
    if file.Flags.fetch_or(fo_flags::FO_CLEANUP_COMPLETE, Ordering::Relaxed) & fo_flags::FO_CLEANUP_COMPLETE
        != 0
    {
        return Ok(NtStatus::SUCCESS.into());
    }
    if ccb.delete_on_close.get() != 0 {
        fcb.delete_pending.set(1);
    }
    nt_io::io_remove_share_access(file, &fcb.share);
    fcb.unclean.set(fcb.unclean.get() - 1);
    if fcb.delete_pending.get() != 0 && fcb.unclean.get() == 0 && fcb.deleted.get() == 0 {
        delete(volume, fcb);
    } else if volume.unclean_of_file(fcb.id()) == 0
        && let Some(main) = volume.find(fcb.id(), None)
        && main.delete_pending.get() != 0
        && main.deleted.get() == 0
    {
        // The last handle of another stream let go of a file whose deletion waited for it.
        delete(volume, main);
    }
    Ok(NtStatus::SUCCESS.into())
}

/// Deletes a stream, or the file when it is the default one and no other stream has a handle.
fn delete(volume: &Volume, fcb: &Fcb) {
    let gone = match fcb.stream() {
        Some(stream) => volume.store.remove_stream(fcb.id(), stream),
        None if volume.unclean_of_file(fcb.id()) > 0 => return,
        None => volume.store.remove(fcb.id()),
    };
    match gone {
        Ok(()) => fcb.deleted.set(1),
        // FS-17: a directory that is no longer empty stays, silently; so does what the host refuses to delete.
        Err(_) => fcb.delete_pending.set(0),
    }
}
