//! Contexts of volumes and instances.
//!
//! A volume has one context for each filter, shared by all of its instances there; an instance has one.
//! Statements: CTX-32 to CTX-34, CTX-51 to CTX-54, CTX-58.

use std::sync::Arc;

use boundary::Raise;
use nt_abi::{FLT_INSTANCE_CONTEXT, FLT_VOLUME_CONTEXT, NtStatus};

use super::block;
use super::links::Exchanged;
use crate::anchor::Anchored;
use crate::filter::Filter;
use crate::instance::Instance;
use crate::volume::Volume;

pub(super) fn key<T: Anchored>(object: &T) -> usize {
    object.anchor().address()
}

/// Links a volume context for the filter that allocated it.
///
/// Source:  FltSetVolumeContext; CTX-26 to CTX-34
/// IRQL:    <= APC_LEVEL
/// Errors:  INVALID_PARAMETER (operation, or no volume context) · FLT_CONTEXT_ALREADY_DEFINED ·
///          FLT_CONTEXT_ALREADY_LINKED · FLT_DELETING_OBJECT
pub fn flt_set_volume_context(volume: &Volume, operation: u32, new: usize, wanted: bool) -> Exchanged {
    let Some(context) = block::expect(new, "FltSetVolumeContext") else {
        return Ok((NtStatus::INVALID_PARAMETER, 0));
    };
    if context.kind() != FLT_VOLUME_CONTEXT {
        return Ok((NtStatus::INVALID_PARAMETER, 0));
    }
    if volume.anchor().is_deleting() {
        return Ok((NtStatus::FLT_DELETING_OBJECT, 0));
    }
    volume.contexts.set(key(context.filter()), operation, context, wanted, || volume.anchor().is_deleting())
}

/// The filter's context of a volume, referenced.
///
/// Source:  FltGetVolumeContext; CTX-34, CTX-58
/// IRQL:    <= APC_LEVEL
/// Errors:  NOT_FOUND
pub fn flt_get_volume_context(filter: &Filter, volume: &Volume) -> Result<usize, NtStatus> {
    volume.contexts.get(key(filter)).ok_or(NtStatus::NOT_FOUND)
}

/// Source: FltDeleteVolumeContext; CTX-45, CTX-47, CTX-48. IRQL: <= APC_LEVEL. Errors: NOT_FOUND.
pub fn flt_delete_volume_context(filter: &Filter, volume: &Volume, wanted: bool) -> Exchanged {
    volume.contexts.delete(key(filter), wanted)
}

/// Links an instance context.
///
/// Source:  FltSetInstanceContext; CTX-26 to CTX-33
/// IRQL:    <= APC_LEVEL
/// Errors:  as [`flt_set_volume_context`]; a context of another filter is INVALID_PARAMETER
pub fn flt_set_instance_context(instance: &Instance, operation: u32, new: usize, wanted: bool) -> Exchanged {
    let Some(context) = block::expect(new, "FltSetInstanceContext") else {
        return Ok((NtStatus::INVALID_PARAMETER, 0));
    };
    if context.kind() != FLT_INSTANCE_CONTEXT
        || !std::ptr::eq(context.filter(), Arc::as_ptr(&instance.filter))
    {
        return Ok((NtStatus::INVALID_PARAMETER, 0));
    }
    if instance.anchor().is_deleting() {
        return Ok((NtStatus::FLT_DELETING_OBJECT, 0));
    }
    instance.contexts.set(key(instance), operation, context, wanted, || instance.anchor().is_deleting())
}

/// Source: FltGetInstanceContext; CTX-58. IRQL: <= APC_LEVEL. Errors: NOT_FOUND.
pub fn flt_get_instance_context(instance: &Instance) -> Result<usize, NtStatus> {
    instance.contexts.get(key(instance)).ok_or(NtStatus::NOT_FOUND)
}

/// Source: FltDeleteInstanceContext; CTX-45, CTX-47, CTX-48. IRQL: <= APC_LEVEL. Errors: NOT_FOUND.
pub fn flt_delete_instance_context(instance: &Instance, wanted: bool) -> Exchanged {
    instance.contexts.delete(key(instance), wanted)
}

/// The instance is torn down: none of its contexts hangs on anything any more. Source: CTX-49.
pub(crate) fn forget_instance(instance: &Instance) -> Result<(), Raise> {
    instance.contexts.close()?;
    super::links::forget_key(&instance.filter, key(instance))
}

/// The filter goes: its contexts hang on no volume any more, and those that are not let go are reported.
///
/// Source: CTX-49, CTX-59
pub(crate) fn forget_filter(filter: &Filter) -> Result<(), Raise> {
    for volume in crate::flt().volumes() {
        volume.contexts.remove(key(filter))?;
    }
    block::report_leaks(filter)
}
