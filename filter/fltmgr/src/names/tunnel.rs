//! Names that a create or rename got from the file system's tunnel cache.
//!
//! A tunnel gives a file that comes under a short name the long name that the one before it had there. So a name can
//! have changed only where its last component may be a short one; that component is looked up again.
//! Statements: NAME-46 to NAME-49.

use boundary::Raise;
use nt_abi::{FLT_FILE_NAME_NORMALIZED, IRP_MJ_CREATE, IRP_MJ_SET_INFORMATION, NtStatus};

use super::{Asker, block, normal, provider};
use crate::findings;
use crate::frame::{Operation, Phase};
use crate::name_parts;

/// The name that the file has after the operation, when it differs from `name`, which was normalized before it.
///
/// Source:  FltGetTunneledName; NAME-46 to NAME-49
/// IRQL:    <= APC_LEVEL
/// Returns: address of a new name with one reference, 0 when the name is right
/// Errors:  INVALID_PARAMETER (not a name of the manager's) · the file system's; anywhere but after a create or a
///          set-information operation it is a finding
pub fn flt_get_tunneled_name(operation: &Operation, name: usize) -> Result<Result<usize, NtStatus>, Raise> {
    let Some(asker) = Asker::of_operation(operation) else { return Ok(Err(NtStatus::INVALID_PARAMETER)) };
    let major = operation.iopb.MajorFunction.get();
    if operation.phase.get() != Phase::Post || !matches!(major, IRP_MJ_CREATE | IRP_MJ_SET_INFORMATION) {
        let message = "FltGetTunneledName was called outside the post callback of a create or set-information operation";
        findings::error("NAME-47", asker.label, message);
        return Ok(Ok(0));
    }
    let (old, volume, format) = match block::contents(name) {
        Ok(contents) => contents,
        Err(status) => return Ok(Err(status)),
    };
    let parts = name_parts::split(&old, volume, 0);
    let last = &old[parts.component.start..parts.stream.start];
    if format != FLT_FILE_NAME_NORMALIZED
        || !normal::may_be_short(last)
        || !operation.data.IoStatus.Status.get().is_success()
    {
        return Ok(Ok(0));
    }
    let by = provider::below(&asker, false);
    let file = crate::pointer::file(operation.iopb.TargetFileObject.get());
    let path = old[volume..].to_vec();
    Ok(match provider::normalized(by.as_deref(), &asker, file, path, 0)? {
        Ok(path) if path == old[volume..] => Ok(0),
        Ok(path) => block::make(&[&old[..volume], &path].concat(), volume, format),
        Err(status) => Err(status),
    })
}
