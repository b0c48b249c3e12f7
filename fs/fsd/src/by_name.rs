//! Information about a file by its name: it is opened, queried and closed in one go, and nobody above sees an open.
//!
//! UNSAFETY: follows the file object of a create.

use nt_abi::{IRP, NtStatus};
use nt_io::io_current_stack;

use crate::fcb::Volume;
use crate::{Done, Failure, cleanup, close, create, query};

/// Answers the information class `class` at `place`, address and bytes, about the file that the create `irp` would open.
///
/// Source:  FSF-28, PARM-18
/// Returns: REPARSE when the open has to begin again; the IRP is left without the data, since it may still be sent
/// Errors:  as the open and the query
pub fn query(volume: &Volume, irp: &'static IRP, class: u32, place: (usize, usize)) -> Result<Done, Failure> {
    let stack = io_current_stack(irp);
    let opened = create::create(volume, irp, stack)?;
    if opened.status == NtStatus::REPARSE {
        let data = irp.AuxiliaryBuffer().replace(std::ptr::null_mut());
        nt_ex::pool::free(data.cast(), None)?;
        return Ok(opened);
    }
    // SAFETY: the file object of the create, which is open now.
    let file = unsafe { &*stack.FileObject.get() };
    let answer = query::fixed(volume, file, class, place.0, place.1);
    cleanup::cleanup(volume, stack)?;
    close::close(volume, stack)?;
    answer
}
