//! Flt: resources and push locks that hold normal kernel APCs off by themselves.

use std::sync::atomic::AtomicUsize;

use boundary::{Raise, export};
use nt_abi::ERESOURCE;
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL};
use nt_ex::{push_lock, resource};
use nt_ke::region;

use crate::argument::{arg, rows};
use crate::ex_resource::released_and_left;

rows! { "fltmgr.sys", "nt-ex";
    FltAcquireResourceExclusive done "RES-30";
    FltAcquireResourceShared done "RES-30";
    FltReleaseResource done "SEED-RES-01 to SEED-RES-11";
    FltInitializePushLock done "EXEC-24, PLOCK-01";
    FltDeletePushLock done "EXEC-24";
    FltAcquirePushLockExclusive done "EXEC-24, EXEC-25";
    FltAcquirePushLockExclusiveEx done "EXEC-24, EXEC-25";
    FltAcquirePushLockShared done "EXEC-24";
    FltAcquirePushLockSharedEx done "EXEC-24";
    FltReleasePushLock done "EXEC-24";
    FltReleasePushLockEx done "EXEC-24";
}

/// Enters a critical region, and leaves it again when `acquire` fails.
fn in_region(acquire: impl FnOnce() -> Result<(), Raise>) -> Result<(), Raise> {
    region::enter_critical();
    acquire().inspect_err(|_| {
        // What failed is a stop, which the region's end would only say again.
        let _ = region::leave_critical("");
    })
}

fn acquire_push_lock(lock: &AtomicUsize, exclusive: bool, export: &str) -> Result<(), Raise> {
    push_lock::check_initialised(lock, export);
    in_region(|| push_lock::acquire(lock, exclusive))
}

/// Source: PLOCK-07
fn check_flags(flags: u32, export: &str) {
    const VALID: u32 = 3;
    if flags & !VALID != 0 {
        nt_ke::current_core().report(nt_ke::Finding::error(
            "PLOCK-07",
            "",
            format!(
                "{export} was called with flags {flags:#x}: only FLT_PUSH_LOCK_ENABLE_AUTO_BOOST (1) and \
                 FLT_PUSH_LOCK_DISABLE_AUTO_BOOST (2) are valid"
            ),
        ));
    }
}

fn release_push_lock(lock: &AtomicUsize, export: &str) -> Result<(), Raise> {
    push_lock::release_any(lock)?;
    region::leave_critical(export)
}

export! {
    /// Holds normal kernel APCs off and acquires for writing.
    pub fn FltAcquireResourceExclusive(resource: *mut ERESOURCE) -> () [irql <= APC_LEVEL] {
        arg!(FltAcquireResourceExclusive: resource);
        in_region(|| resource::acquire_exclusive(resource, true).map(|_| ()))
    }

    /// Holds normal kernel APCs off and acquires for reading.
    pub fn FltAcquireResourceShared(resource: *mut ERESOURCE) -> () [irql <= APC_LEVEL] {
        arg!(FltAcquireResourceShared: resource);
        in_region(|| resource::acquire_shared(resource, true).map(|_| ()))
    }

    /// Releases and lets normal kernel APCs in again.
    pub fn FltReleaseResource(resource: *mut ERESOURCE) -> () [irql <= DISPATCH_LEVEL] {
        arg!(FltReleaseResource: resource);
        released_and_left(resource, "FltReleaseResource")
    }

    /// Prepares a push lock.
    pub fn FltInitializePushLock(lock: *mut AtomicUsize) -> () [irql <= APC_LEVEL] {
        arg!(FltInitializePushLock: lock);
        push_lock::initialize(lock);
        Ok(())
    }

    /// Ends a push lock that nobody holds.
    pub fn FltDeletePushLock(lock: *mut AtomicUsize) -> () [irql <= APC_LEVEL] {
        arg!(FltDeletePushLock: lock);
        push_lock::delete(lock);
        Ok(())
    }

    /// Holds normal kernel APCs off and acquires for writing.
    pub fn FltAcquirePushLockExclusive(lock: *mut AtomicUsize) -> () [irql <= APC_LEVEL] {
        arg!(FltAcquirePushLockExclusive: lock);
        acquire_push_lock(lock, true, "FltAcquirePushLockExclusive")
    }

    /// The same; the flags only tune it.
    pub fn FltAcquirePushLockExclusiveEx(lock: *mut AtomicUsize, flags: u32) -> () [irql <= APC_LEVEL] {
        arg!(FltAcquirePushLockExclusiveEx: lock);
        check_flags(flags, "FltAcquirePushLockExclusiveEx");
        acquire_push_lock(lock, true, "FltAcquirePushLockExclusiveEx")
    }

    /// Holds normal kernel APCs off and acquires for reading.
    pub fn FltAcquirePushLockShared(lock: *mut AtomicUsize) -> () [irql <= APC_LEVEL] {
        arg!(FltAcquirePushLockShared: lock);
        acquire_push_lock(lock, false, "FltAcquirePushLockShared")
    }

    /// The same; the flags only tune it.
    pub fn FltAcquirePushLockSharedEx(lock: *mut AtomicUsize, flags: u32) -> () [irql <= APC_LEVEL] {
        arg!(FltAcquirePushLockSharedEx: lock);
        check_flags(flags, "FltAcquirePushLockSharedEx");
        acquire_push_lock(lock, false, "FltAcquirePushLockSharedEx")
    }

    /// Releases and lets normal kernel APCs in again.
    pub fn FltReleasePushLock(lock: *mut AtomicUsize) -> () [irql <= APC_LEVEL] {
        arg!(FltReleasePushLock: lock);
        release_push_lock(lock, "FltReleasePushLock")
    }

    /// The same; the flags only tune it.
    pub fn FltReleasePushLockEx(lock: *mut AtomicUsize, flags: u32) -> () [irql <= APC_LEVEL] {
        arg!(FltReleasePushLockEx: lock);
        check_flags(flags, "FltReleasePushLockEx");
        release_push_lock(lock, "FltReleasePushLockEx")
    }
}
