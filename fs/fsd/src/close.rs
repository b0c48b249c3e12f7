//! IRP_MJ_CLOSE: the file object goes.

use nt_abi::{IO_STACK_LOCATION, NtStatus};

use crate::Answer;
use crate::fcb::{Volume, of_file};

/// Frees the per-open block, and the stream's block with the last one.
pub(crate) fn close(volume: &Volume, stack: &IO_STACK_LOCATION) -> Answer {
    let (file, fcb, ccb) = of_file(stack.FileObject.get())?;
    let _guard = nt_ex::resource::ResourceGuard::exclusive(volume.resource)?;
    file.FsContext.set(std::ptr::null_mut());
    file.FsContext2.set(std::ptr::null_mut());
    file.SectionObjectPointer.set(std::ptr::null_mut());
    volume.free_ccb(ccb)?;
    fcb.opens.set(fcb.opens.get() - 1);
    if fcb.opens.get() == 0 {
        volume.free_fcb(fcb)?;
    }
    Ok(NtStatus::SUCCESS.into())
}
