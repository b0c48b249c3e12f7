//! Subject contexts and access states: who asks, carried by an open to those who check.

use boundary::Raise;
use nt_abi::{ACCESS_STATE, MAXIMUM_ALLOWED, SECURITY_SUBJECT_CONTEXT};
use nt_ke::current_thread;
use nt_ob::{Mapping, ob_dereference};

use crate::token::{TokenKind, se_primary_token, se_token_description};

/// SecurityImpersonation.
const IMPERSONATION: i32 = 2;
/// TOKEN_HAS_TRAVERSE_PRIVILEGE.
const HAS_TRAVERSE_PRIVILEGE: u32 = 1;
const CHANGE_NOTIFY_PRIVILEGE: u32 = 23;

/// Fills `context` with the tokens of the current thread, referenced.
///
/// Source: SeCaptureSubjectContext. IRQL: PASSIVE_LEVEL
pub fn se_capture_subject_context(context: &SECURITY_SUBJECT_CONTEXT) -> Result<(), Raise> {
    let thread = current_thread();
    let client = thread.impersonation().get();
    context.ImpersonationLevel.set(0);
    if client != 0 {
        nt_ob::ob_reference(client)?;
        context.ImpersonationLevel.set(match se_token_description(client)?.kind {
            TokenKind::Impersonation(level) => level,
            TokenKind::Primary => IMPERSONATION,
        });
    }
    context.ClientToken.set(client as *mut _);
    context.PrimaryToken.set(se_primary_token(thread.process())?.into_raw() as *mut _);
    context.ProcessAuditId.set(thread.process() as *mut _);
    Ok(())
}

/// Gives the references back. Source: SeReleaseSubjectContext. IRQL: PASSIVE_LEVEL
pub fn se_release_subject_context(context: &SECURITY_SUBJECT_CONTEXT) -> Result<(), Raise> {
    for token in [
        context.ClientToken.replace(std::ptr::null_mut()),
        context.PrimaryToken.replace(std::ptr::null_mut()),
    ] {
        if !token.is_null() {
            ob_dereference(token as usize)?;
        }
    }
    Ok(())
}

/// Fills `state` for an open that asks for `desired`. `auxiliary` is memory of the caller for `AuxData`, or 0.
///
/// Source: SeCreateAccessState. IRQL: PASSIVE_LEVEL
pub fn se_create_access_state(
    state: &ACCESS_STATE,
    auxiliary: usize,
    desired: u32,
    mapping: Option<&Mapping>,
) -> Result<(), Raise> {
    let desired = mapping.map_or(desired, |mapping| mapping.map(desired));
    se_capture_subject_context(&state.SubjectSecurityContext)?;
    state.SecurityEvaluated.set(0);
    state.RemainingDesiredAccess.set(desired);
    state.OriginalDesiredAccess.set(desired);
    state.PreviouslyGrantedAccess.set(0);
    state.SecurityDescriptor.set(std::ptr::null_mut());
    state.AuxData.set(auxiliary as *mut _);
    let privileges = state.Privileges.InitialPrivilegeSet();
    privileges.PrivilegeCount.set(0);
    privileges.Control.set(0);
    let client = state.SubjectSecurityContext.ClientToken.get();
    let token = if client.is_null() { state.SubjectSecurityContext.PrimaryToken.get() } else { client };
    let enabled = se_token_description(token as usize)?.enabled;
    state.Flags.set(if enabled >> CHANGE_NOTIFY_PRIVILEGE & 1 != 0 { HAS_TRAVERSE_PRIVILEGE } else { 0 });
    Ok(())
}

/// Moves all of the remaining desired access to the granted one: what an open that nobody checks does.
pub fn se_grant_remaining(state: &ACCESS_STATE, mapping: &Mapping) {
    let remaining = mapping.map(state.RemainingDesiredAccess.get());
    let maximum = if remaining & MAXIMUM_ALLOWED != 0 { mapping.all } else { 0 };
    let granted = state.PreviouslyGrantedAccess.get() | (remaining & !MAXIMUM_ALLOWED) | maximum;
    state.PreviouslyGrantedAccess.set(granted);
    state.RemainingDesiredAccess.set(0);
}

/// Releases what [`se_create_access_state`] took. Source: SeDeleteAccessState
pub fn se_delete_access_state(state: &ACCESS_STATE) -> Result<(), Raise> {
    se_release_subject_context(&state.SubjectSecurityContext)
}
