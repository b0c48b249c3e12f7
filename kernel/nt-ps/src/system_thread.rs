//! System threads.

use std::sync::atomic::Ordering;

use boundary::raise::RAISE_STOP;
use boundary::{Raise, call};
use nt_abi::{NativeFn, NtStatus};
use nt_ke::{KTHREAD, current_core, current_thread};
use nt_ob::{ObjectRef, ob_create_handle, ob_dereference, ob_reference};

use crate::notify;
use crate::subsystem::ps;
use crate::thread::ps_thread_type;

/// Runs `body` in a new thread of the System process. Returns the thread object, referenced; it is signaled when
/// the body has returned.
///
/// Errors: InsufficientResources
pub fn ps_spawn_system_thread(
    name: &str,
    body: impl FnOnce() -> Result<(), Raise> + Send + 'static,
) -> Result<Result<ObjectRef, NtStatus>, Raise> {
    let Some(core) = ps().core.upgrade() else { return Err(Raise::Stop) };
    let mut made = None;
    let prepare = |thread: &'static KTHREAD| {
        let address = std::ptr::from_ref(thread) as usize;
        if ob_reference(address).is_ok() {
            made = Some((ObjectRef::from_raw(address), thread));
        }
    };
    let run = move || {
        // Nobody is there to hear of a stop: the machine is going, or the thread ended itself.
        let _ = body();
        left_body();
    };
    let spawned = core.spawn(name, ps().system_process(), prepare, run);
    let Some((object, thread)) = made else { return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES)) };
    if spawned.is_err() {
        // The thread never ran, so the kernel does not tell that it ended.
        ob_dereference(object.address())?;
        object.release()?;
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    }
    notify::thread_created(thread)?;
    Ok(Ok(object))
}

/// A thread that ended itself is no part of a stop: what follows may call drivers again.
fn left_body() {
    let block = boundary::current();
    block.raise_pending.fetch_and(!RAISE_STOP, Ordering::AcqRel);
    if current_core().stopping() {
        block.raise_pending.fetch_or(RAISE_STOP, Ordering::AcqRel);
    }
}

/// Makes a system thread that runs a driver's routine, and a handle to it.
///
/// Source:  PsCreateSystemThread
/// IRQL:    PASSIVE_LEVEL
/// Errors:  InsufficientResources
pub fn ps_create_system_thread(
    routine: NativeFn,
    context: usize,
    access: u32,
    attributes: u32,
) -> Result<Result<usize, NtStatus>, Raise> {
    let body = move || call(routine, [context as u64]).map(|_| ());
    Ok(match ps_spawn_system_thread("system thread", body)? {
        Ok(thread) => {
            let granted = ps_thread_type().grant(access);
            let handle = ob_create_handle(thread.address(), granted, attributes);
            thread.release()?;
            handle
        }
        Err(status) => Err(status),
    })
}

/// Ends the current thread, which must be a system thread: leaves every frame of drivers on it. Never `Ok`.
///
/// Source:  PsTerminateSystemThread
/// IRQL:    PASSIVE_LEVEL
/// Errors:  InvalidParameter, returned (inner), in a thread that is no system thread · `Stop`, which ends it
pub fn ps_terminate_system_thread(status: NtStatus) -> Result<NtStatus, Raise> {
    let thread = current_thread();
    if !thread.is_system() {
        return Ok(NtStatus::INVALID_PARAMETER);
    }
    thread.exit_status().set(status.0);
    thread.block().raise_pending.fetch_or(RAISE_STOP, Ordering::AcqRel);
    Err(Raise::Stop)
}
