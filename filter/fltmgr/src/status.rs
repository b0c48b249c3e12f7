//! Pre callbacks that ask what the device below answers: for most, whether an oplock was granted.
//!
//! ```text
//! pre callback ─FltRequestOperationStatusCallback─► kept with the operation ─sent on─► the device below returns
//!   ─► the callback, in the same thread, with the status (PENDING too), and the block as it was when it asked
//! ```
//!
//! It is called once, also where a lower filter answers the operation. An instance that goes waits for it.

use boundary::{Raise, call};
use nt_abi::{FLT_IO_PARAMETER_BLOCK, FLT_RELATED_OBJECTS, IRP_MJ_CLOSE, NativeFn, NtStatus};

use crate::frame::{Operation, Phase};
use crate::instance::Engaged;
use crate::parameters::Snapshot;

/// One request.
pub(crate) struct Asked {
    engaged: Engaged,
    routine: NativeFn,
    context: usize,
    block: Snapshot,
    file: usize,
}

/// Has `routine` called with what the device below returns for the operation.
///
/// Source:  FltRequestOperationStatusCallback
/// IRQL:    <= APC_LEVEL
/// Errors:  INVALID_PARAMETER (no pre callback, no IRP, a CLOSE) · FLT_DELETING_OBJECT (the instance is going)
pub fn flt_request_operation_status_callback(
    operation: &Operation,
    routine: NativeFn,
    context: usize,
) -> NtStatus {
    let closes = operation.iopb.MajorFunction.get() == IRP_MJ_CLOSE;
    let node = operation.current_node().filter(|_| operation.phase.get() == Phase::Pre);
    let Some(node) = node.filter(|_| operation.irp.get().is_some() && !closes) else {
        return NtStatus::INVALID_PARAMETER;
    };
    let Some(engaged) = Engaged::new(&node.instance) else { return NtStatus::FLT_DELETING_OBJECT };
    let asked = Asked {
        engaged,
        routine,
        context,
        block: Snapshot::of(&operation.iopb),
        file: operation.iopb.TargetFileObject.get() as usize,
    };
    operation.buffers.borrow_mut().asked.push(asked);
    operation.extras.set(true);
    NtStatus::SUCCESS
}

/// The requests of an operation, which has none any more.
#[inline]
pub(crate) fn take(operation: &Operation) -> Vec<Asked> {
    if operation.extras.get() {
        std::mem::take(&mut operation.buffers.borrow_mut().asked)
    } else {
        Vec::new()
    }
}

/// Whether there are any.
#[inline]
pub(crate) fn is_asked(operation: &Operation) -> bool {
    operation.extras.get() && !operation.buffers.borrow().asked.is_empty()
}

/// Tells those who asked, the first one first.
pub(crate) fn tell(asked: Vec<Asked>, status: NtStatus) -> Result<(), Raise> {
    for asked in asked {
        let block = FLT_IO_PARAMETER_BLOCK::default();
        asked.block.restore(&block);
        let objects = FLT_RELATED_OBJECTS::default();
        asked.engaged.instance().related_objects(&objects, asked.file as *mut _);
        call(
            asked.routine,
            [
                std::ptr::from_ref(&objects) as u64,
                std::ptr::from_ref(&block) as u64,
                status.bits().into(),
                asked.context as u64,
            ],
        )?;
    }
    Ok(())
}
