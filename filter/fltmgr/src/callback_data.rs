//! What filters ask of callback data itself.
//!
//! Statements: IOPB-14, CBD-10, SWAP-05 to SWAP-07.

use boundary::Raise;
use nt_abi::{
    FLT_CALLBACK_DATA, FLTFL_CALLBACK_DATA_DIRTY, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION, NtStatus, bugcheck,
};
use nt_ke::{BugCheck, current_core};

use crate::frame::{self, Operation};
use crate::parameters::decode;
use crate::pointer;

/// The operation behind a pointer that a driver passed as callback data.
///
/// Errors: anything else than callback data of an operation on its way is a bug check.
pub fn operation_from(address: usize) -> Result<&'static Operation, Raise> {
    frame::operation_of(address).ok_or_else(|| {
        current_core().bug_check(BugCheck::new(
            bugcheck::FLTMGR_FILE_SYSTEM,
            [address as u64, 0, 0, 0],
            format!(
                "a filter manager routine was given {address:#x} as callback data, which it is not (any more)"
            ),
        ))
    })
}

/// Source: FltSetCallbackDataDirty; IOPB-14. IRQL: any.
pub fn flt_set_callback_data_dirty(data: &FLT_CALLBACK_DATA) {
    data.Flags.set(data.Flags.get() | FLTFL_CALLBACK_DATA_DIRTY);
}

/// Source: FltClearCallbackDataDirty; IOPB-14, IOPB-15.
pub fn flt_clear_callback_data_dirty(data: &FLT_CALLBACK_DATA) {
    data.Flags.set(data.Flags.get() & !FLTFL_CALLBACK_DATA_DIRTY);
}

/// Source: FltIsCallbackDataDirty; IOPB-14.
pub fn flt_is_callback_data_dirty(data: &FLT_CALLBACK_DATA) -> bool {
    data.Flags.get() & FLTFL_CALLBACK_DATA_DIRTY != 0
}

/// Addresses inside the operation's parameters; 0 for what it does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Of the MDL pointer.
    pub mdl: usize,
    /// Of the buffer pointer.
    pub buffer: usize,
    /// Of the length.
    pub length: usize,
    /// `IoReadAccess` 0, `IoWriteAccess` 1, `IoModifyAccess` 2.
    pub access: u32,
}

/// Where the buffer, its MDL and its length stand.
///
/// Source:  FltDecodeParameters; SWAP-05, SWAP-06, SWAP-07
/// IRQL:    any
/// Errors:  INVALID_PARAMETER (the operation has no buffer)
pub fn flt_decode_parameters(data: &FLT_CALLBACK_DATA) -> Result<Decoded, NtStatus> {
    let block = pointer::iopb(data);
    let fast_io = data.Flags.get() & FLTFL_CALLBACK_DATA_FAST_IO_OPERATION != 0;
    let places = decode::places(block, fast_io).ok_or(NtStatus::INVALID_PARAMETER)?;
    let base = std::ptr::from_ref(&block.Parameters) as usize;
    let at = |offset: Option<usize>| offset.map_or(0, |offset| base + offset);
    Ok(Decoded {
        mdl: at(places.mdl),
        buffer: base + places.buffer,
        length: at(places.length),
        access: places.access,
    })
}

/// Name of a major function. Source: FltGetIrpName.
pub fn flt_get_irp_name(major: u8) -> &'static str {
    crate::rows::name(major)
}
