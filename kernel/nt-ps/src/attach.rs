//! In whose name and context a thread runs: previous mode, attached process, impersonated token.

use boundary::Raise;
use nt_ke::{apc, current_thread, region};
use nt_ob::{ob_dereference, ob_reference};

/// Where the current system call came from: KernelMode 0 or UserMode 1. Source: ExGetPreviousMode
pub fn ps_previous_mode() -> u8 {
    current_thread().previous_mode().get()
}

/// Runs `f` with `mode` as previous mode.
pub fn with_previous_mode<R>(mode: u8, f: impl FnOnce() -> R) -> R {
    struct Restore(u8);
    impl Drop for Restore {
        fn drop(&mut self) {
            current_thread().previous_mode().set(self.0);
        }
    }
    let _restore = Restore(current_thread().previous_mode().replace(mode));
    f()
}

/// Runs a system service of a program's thread and looks, on the way back, whether drivers left what they entered.
///
/// Source:  SEED-RES-13, EXEC-04
/// IRQL:    PASSIVE_LEVEL
/// Errors:  what `f` raised; a region or an IRQL that was not left is a bug check
pub fn system_service<R>(name: &str, f: impl FnOnce() -> Result<R, Raise>) -> Result<R, Raise> {
    let result = f()?;
    region::check_left(name)?;
    apc::deliver()?;
    Ok(result)
}

/// Puts the current thread into the context of `process` and returns what [`ps_detach_process`] takes.
///
/// Source: KeStackAttachProcess
pub fn ps_attach_process(process: usize) -> usize {
    current_thread().attached_process().replace(process)
}

/// Ends a [`ps_attach_process`]. Source: KeUnstackDetachProcess
pub fn ps_detach_process(before: usize) {
    current_thread().attached_process().set(before);
}

/// Lets the current thread act for `token`, which is referenced; `None` reverts to the process' own.
///
/// Source: PsImpersonateClient, PsRevertToSelf
pub fn ps_impersonate(token: Option<usize>) -> Result<(), Raise> {
    if let Some(token) = token {
        ob_reference(token)?;
    }
    match current_thread().impersonation().replace(token.unwrap_or(0)) {
        0 => Ok(()),
        before => ob_dereference(before),
    }
}
