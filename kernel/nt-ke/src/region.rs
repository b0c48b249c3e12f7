//! Critical and guarded regions: where the current thread takes no APCs.
//!
//! ```text
//! critical   user and normal kernel APCs wait     nests, counted in KTHREAD
//! guarded    every APC waits                      nests, counted apart
//! ```
//!
//! Leaving the outermost region delivers what waited. What was entered is left again by the same thread: leaving once
//! too often ends the machine here, leaving too seldom where the thread goes back to its program or ends.
//!
//! Statements: EXEC-02 to EXEC-06, SEED-RES-04, SEED-RES-05, SEED-RES-13.

use std::cell::Cell;

use boundary::Raise;
use nt_abi::bugcheck;
use nt_abi::irql::APC_LEVEL;

use crate::bugcheck::BugCheck;
use crate::core::{Core, current_core};
use crate::locks;
use crate::thread::{KTHREAD, current_thread};

/// Holds normal kernel APCs off the current thread. Nests.
///
/// Source:  KeEnterCriticalRegion, FsRtlEnterFileSystem; EXEC-02, EXEC-03
/// IRQL:    <= APC_LEVEL
#[inline]
pub fn enter_critical() {
    enter(false);
}

#[inline]
fn enter(engine: bool) {
    let count = current_thread().kernel_apc_disable();
    count.set(count.get() + 1);
    if locks::watched() {
        locks::region_entered(engine);
    }
}

/// Ends one [`enter_critical`]; the last one delivers what waited.
///
/// Source:  KeLeaveCriticalRegion, FsRtlExitFileSystem; EXEC-03, EXEC-04, SEED-RES-05
/// IRQL:    <= APC_LEVEL; above, what waits is delivered when the IRQL falls (SEED-RES-11)
/// Errors:  a region that was not entered is a bug check that names `export`; `Stop`
#[inline]
pub fn leave_critical(export: &str) -> Result<(), Raise> {
    let count = current_thread().kernel_apc_disable();
    if count.get() > 0 && locks::watched() && !locks::region_left(false) {
        return Err(not_entered(export, "critical"));
    }
    leave(export, "critical", count)
}

/// Holds every APC off the current thread. Nests. Source: KeEnterGuardedRegion; EXEC-02, EXEC-03.
pub fn enter_guarded() {
    let count = current_thread().special_apc_disable();
    count.set(count.get() + 1);
}

/// Ends one [`enter_guarded`]; the last one delivers what waited.
///
/// Source:  KeLeaveGuardedRegion; EXEC-03, EXEC-04
/// Errors:  as for [`leave_critical`]
pub fn leave_guarded(export: &str) -> Result<(), Raise> {
    leave(export, "guarded", current_thread().special_apc_disable())
}

#[inline]
fn leave(export: &str, kind: &str, count: &Cell<i32>) -> Result<(), Raise> {
    if count.get() <= 0 {
        return Err(not_entered(export, kind));
    }
    count.set(count.get() - 1);
    crate::apc::deliver()
}

#[cold]
fn not_entered(export: &str, kind: &str) -> Raise {
    current_core().bug_check(BugCheck::new(
        bugcheck::APC_INDEX_MISMATCH,
        [boundary::caller_address() as u64, 0, 0, 0],
        format!(
            "{export} left a {kind} region that no driver on this thread has entered: take the call away, or enter the \
             region before (EXEC-03, SEED-RES-05)"
        ),
    ))
}

/// Whether normal kernel APCs are held off by a region. IRQL does not count.
///
/// Source: KeAreApcsDisabled; EXEC-05
#[inline]
pub fn apcs_disabled() -> bool {
    let thread = current_thread();
    thread.kernel_apc_disable().get() != 0 || thread.special_apc_disable().get() != 0
}

/// Whether no APC at all can be delivered now: a guarded region, or APC_LEVEL and above.
///
/// Source: KeAreAllApcsDisabled; EXEC-06
#[inline]
pub fn all_apcs_disabled() -> bool {
    current_thread().special_apc_disable().get() != 0 || crate::irql::current() >= APC_LEVEL
}

/// A critical region of the engine, left when dropped.
pub struct CriticalRegion(());

impl CriticalRegion {
    /// Enters it.
    #[inline]
    pub fn enter() -> Self {
        enter(true);
        Self(())
    }
}

impl Drop for CriticalRegion {
    #[inline]
    fn drop(&mut self) {
        leave_for_engine();
    }
}

/// Enters a critical region of the engine that no value stands for, since another function leaves it.
pub fn enter_for_engine() {
    enter(true);
}

/// Ends one [`enter_for_engine`] of the same thread.
#[inline]
pub fn leave_for_engine() {
    let count = current_thread().kernel_apc_disable();
    count.set(count.get() - 1);
    if locks::watched() {
        locks::region_left(true);
    }
    // A `Stop` is seen at the next kernel call as well.
    let _ = crate::apc::deliver();
}

/// How `thread` stands where it should have left everything, in words; `None`: it has.
fn still_in(thread: &KTHREAD) -> Option<String> {
    let (critical, guarded) = (thread.kernel_apc_disable().get(), thread.special_apc_disable().get());
    let level = thread.block().irql.get();
    let mut still = Vec::new();
    for (count, kind) in [(critical, "critical"), (guarded, "guarded")] {
        match count {
            0 => {}
            1 => still.push(format!("in a {kind} region")),
            2.. => still.push(format!("{count} deep in {kind} regions")),
            _ => still.push(format!("having left more {kind} regions than it had entered")),
        }
    }
    if level != 0 {
        still.push(format!("at IRQL {level}"));
    }
    (!still.is_empty()).then(|| still.join(" and "))
}

/// Looks whether the current thread may go back to its program: outside every region, at PASSIVE_LEVEL.
///
/// Source:  bug check APC_INDEX_MISMATCH; SEED-RES-13
/// Errors:  a bug check that says what was not left; `Stop`
#[inline]
pub fn check_left(service: &str) -> Result<(), Raise> {
    let thread = current_thread();
    let raised = thread.kernel_apc_disable().get() | thread.special_apc_disable().get();
    if raised == 0 && thread.block().irql.get() == 0 { Ok(()) } else { Err(not_left(thread, service)) }
}

#[cold]
fn not_left(thread: &KTHREAD, service: &str) -> Raise {
    let core = current_core();
    if core.stopping() {
        return Raise::Stop;
    }
    let Some(still) = still_in(thread) else { return Raise::Stop };
    let counts = [thread.special_apc_disable().get(), thread.kernel_apc_disable().get()];
    let level = thread.block().irql.get();
    let code =
        if level == 0 { bugcheck::APC_INDEX_MISMATCH } else { bugcheck::IRQL_GT_ZERO_AT_SYSTEM_SERVICE };
    core.bug_check(BugCheck::new(
        code,
        [0, u64::from(level), counts[0] as u64, counts[1] as u64],
        format!(
            "{service} returned to its program {still}: a driver on its way entered a region, took a lock with \
             FltAcquire… or raised the IRQL and did not undo it{} (SEED-RES-13, EXEC-03)",
            locks::regions_in_words()
        ),
    ))
}

/// `thread`, the current one, ends: what it has not left ends the machine.
///
/// Source: bug check KERNEL_APC_PENDING_DURING_EXIT; SEED-RES-13
pub(crate) fn check_ending(core: &Core, thread: &KTHREAD) {
    if core.stopping() {
        return;
    }
    if let Some(still) = still_in(thread) {
        let critical = thread.kernel_apc_disable().get();
        core.bug_check(BugCheck::new(
            bugcheck::KERNEL_APC_PENDING_DURING_EXIT,
            [0, critical as u64, u64::from(thread.block().irql.get()), 0],
            format!(
                "the thread ended {still}: leave every region that was entered (FltReleaseResource, not \
                 ExReleaseResourceLite, for what FltAcquireResource… took), and lower the IRQL (SEED-RES-13)"
            ),
        ));
    }
}
