//! In whose name and context a thread runs: previous mode, attached process, impersonated token.

use boundary::Raise;
use nt_ke::thread::extension::CLIENT;
use nt_ke::{KTHREAD, apc, current_thread, region};
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
    nt_ke::locks::leaving(name);
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

/// How a thread acts for a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Who opens the thread's token gets a copy.
    pub copy_on_open: bool,
    /// What the token holds and is not enabled cannot be enabled.
    pub effective_only: bool,
    /// SECURITY_IMPERSONATION_LEVEL, 0 to 3.
    pub level: u8,
}

/// Lets the current thread act for a token, which is referenced; `None` reverts to the process' own.
///
/// Source: PsImpersonateClient, PsRevertToSelf
pub fn ps_impersonate(client: Option<(usize, Client)>) -> Result<(), Raise> {
    let thread = current_thread();
    let (token, how) = client.unwrap_or_default();
    if token != 0 {
        ob_reference(token)?;
    }
    let packed =
        usize::from(how.level) | usize::from(how.effective_only) << 8 | usize::from(how.copy_on_open) << 16;
    thread.extension(CLIENT).set(packed);
    match thread.impersonation().replace(token) {
        0 => Ok(()),
        before => ob_dereference(before),
    }
}

/// How a thread acts for its client, if it does for one. Source: PsReferenceImpersonationToken
pub fn ps_client(thread: &KTHREAD) -> Client {
    let packed = thread.extension(CLIENT).get();
    Client { copy_on_open: packed >> 16 & 1 != 0, effective_only: packed >> 8 & 1 != 0, level: packed as u8 }
}
