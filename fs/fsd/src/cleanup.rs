//! IRP_MJ_CLEANUP: the last handle of a file object is gone. Statements: FS-14 to FS-17, NAME-49.

use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::{FILE_OBJECT, IO_STACK_LOCATION, NtStatus, fo_flags};
use nt_ex::resource::ResourceGuard;

use crate::fcb::{Ccb, Fcb, Volume, of_file};
use crate::tunnel::Removed;
use crate::{Answer, Failure, times};

/// Takes back share access and deletes what waits for it.
pub(crate) fn cleanup(volume: &Volume, stack: &IO_STACK_LOCATION) -> Answer {
    let (file, fcb, ccb) = of_file(stack.FileObject.get())?;
    let _guard = ResourceGuard::exclusive(volume.resource)?;
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
        delete(volume, fcb, ccb);
    } else if volume.unclean_of_file(fcb.id()) == 0
        && let Some(main) = volume.find(fcb.id(), None)
        && main.delete_pending.get() != 0
        && main.deleted.get() == 0
    {
        // The last handle of another stream let go of a file whose deletion waited for it.
        delete(volume, main, ccb);
    }
    if !fcb.is_directory() && !fcb.state().volume_open {
        let _main = ResourceGuard::exclusive(&fcb.resource)?;
        leave_data(volume, file, fcb)?;
    }
    Ok(NtStatus::SUCCESS.into())
}

/// A handle's part in the data of its stream: the last one makes zeros of what was never written, and gives space
/// back. Nothing is flushed; what is dirty stays with the cache, and holds the file object.
///
/// Source: FS-15, CC-03. Locks: the stream's main resource, exclusive.
fn leave_data(volume: &Volume, file: &'static FILE_OBJECT, fcb: &'static Fcb) -> Result<(), Failure> {
    let gone = fcb.deleted.get() != 0;
    if fcb.unclean.get() == 0 && !gone {
        match fcb.zero_up_to(file, fcb.header.FileSize.get()) {
            // Closing cannot fail: a full volume leaves the end of the file as the store has it.
            Ok(()) | Err(Failure::Status(_) | Failure::Raise(Raise::Status(_))) => {}
            Err(stop) => return Err(stop),
        }
        times::keeping(volume, fcb, || {
            fcb.trim_reservation(volume);
            Ok(())
        })?;
    }
    times::settle(volume, fcb)?;
    nt_cc::cc_uninitialize_cache_map(file, gone.then_some(0), None)?;
    Ok(())
}

/// Deletes a stream, or the file when it is the default one and no other stream has a handle.
fn delete(volume: &Volume, fcb: &Fcb, ccb: &Ccb) {
    let removed = if fcb.stream().is_none() { Removed::of(volume, fcb, ccb).ok() } else { None };
    let gone = match fcb.stream() {
        Some(stream) => volume.store.remove_stream(fcb.id(), stream),
        None if volume.unclean_of_file(fcb.id()) > 0 => return,
        None => volume.store.remove(fcb.id()),
    };
    match gone {
        Ok(()) => {
            fcb.deleted.set(1);
            match removed {
                Some(_) if fcb.is_directory() => volume.tunnel.forget(fcb.id()),
                Some(removed) => volume.tunnel.remember(removed),
                None => {}
            }
        }
        // FS-17: a directory that is no longer empty stays, silently; so does what the host refuses to delete.
        Err(_) => fcb.delete_pending.set(0),
    }
}
