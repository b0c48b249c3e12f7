//! Buffers that a filter put in place of the caller's.
//!
//! Statements: SWAP-16 to SWAP-21.
//!
//! UNSAFETY: turns the address of an MDL that a filter or a lower layer made back into a reference.

use boundary::Raise;
use nt_abi::MDL;

use crate::frame::{Operation, Phase};

/// Frees an MDL that a filter swapped in. Source: SWAP-19.
pub(crate) fn free_mdl(address: usize) -> Result<(), Raise> {
    // SAFETY: the filter gave it as its MDL, or a lower layer made it; it is owned by the operation by now.
    match unsafe { (address as *const MDL).as_ref() } {
        Some(mdl) => nt_io::io_free_mdl(mdl),
        None => Ok(()),
    }
}

fn owed_mdl(operation: &Operation) -> Option<&crate::frame::Owed> {
    (operation.phase.get() == Phase::Post).then(|| operation.current_record()).flatten()
}

/// The MDL of the buffer that the calling filter swapped in, or 0.
///
/// Source:  FltGetSwappedBufferMdlAddress; SWAP-17, SWAP-18, SWAP-21 (outside a post callback: 0)
/// IRQL:    any
pub fn flt_get_swapped_buffer_mdl_address(operation: &Operation) -> usize {
    owed_mdl(operation).map_or(0, |owed| owed.swapped_mdl.get())
}

/// Leaves the MDL of the swapped buffer to the filter.
///
/// Source:  FltRetainSwappedBufferMdlAddress; SWAP-20
pub fn flt_retain_swapped_buffer_mdl_address(operation: &Operation) {
    if let Some(owed) = owed_mdl(operation) {
        owed.retained.set(true);
    }
}
