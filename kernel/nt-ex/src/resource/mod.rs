//! ERESOURCE: a reader/writer lock that knows its owners, in the 0x68 bytes that drivers allocate.
//!
//! ```text
//! free ─► exclusive (one owner, counted) ─► convert ─► shared (several owners, each counted) ─► free
//! contended: a waiter lies on its thread's stack, linked from SharedWaiters or ExclusiveWaiters, first in first out;
//!            whoever releases writes the next owner down before waking it, so nobody overtakes
//! ```
//!
//! After an exclusive release all shared waiters go first, after the last shared release one exclusive waiter:
//! neither kind starves. `SpinLock` guards the fields, for short sections that never wait.
//!
//! Statements: RES-01 to RES-33.
//!
//! UNSAFETY: follows waiter links and the owner table, which only this module writes, under `SpinLock`.

mod misuse;
mod ownership;
mod waiter;

use std::collections::BTreeSet;
use std::ptr::{from_ref, null_mut};
use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::{ERESOURCE, NtStatus};
use nt_ke::locks::{self, Kind, Mode};
use nt_ke::region::CriticalRegion;
use nt_ke::{Finding, Lock, Rank, current_core, current_thread};

use crate::ex;
use crate::pool;
pub use misuse::{memory_freed, report_no_region, thread_ended};
use waiter::{Held, Waiter, lock};

/// `ERESOURCE.Flag`: owned exclusive.
pub const OWNED_EXCLUSIVE: u16 = 0x80;
/// FLAG_OWNER_POINTER_IS_THREAD: the owner pointer is the address of a thread.
pub const OWNER_POINTER_IS_THREAD: u32 = 1;
/// What both low bits of an owner say: it is a pointer that a driver chose, no thread.
const OWNER_POINTER: usize = 3;
/// Tag of owner tables.
const TAG: u32 = u32::from_le_bytes(*b"ReTa");
/// Mixed with the address: tells initialised storage from any other.
const INITIALISED: usize = 0x5245_534F_5552_4345;

/// The initialised resources of a machine.
pub struct Resources {
    listed: Lock<BTreeSet<usize>>,
}

impl Resources {
    pub(crate) fn new() -> Self {
        Self { listed: Lock::new(Rank::ExResource, BTreeSet::new()) }
    }
}

/// How a resource is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Exclusive,
    Shared,
    StarveExclusive,
    WaitForExclusive,
}

fn key(resource: &ERESOURCE) -> usize {
    from_ref(resource) as usize
}

/// Whether it is a resource that was initialised, and not deleted since.
///
/// Source:  RES-03, SEED-RES-02
/// Errors:  any other memory is a bug check
#[inline]
pub fn check(resource: &ERESOURCE) -> Result<(), Raise> {
    if resource.Reserved2.get() as usize == key(resource) ^ INITIALISED {
        return Ok(());
    }
    Err(misuse::not_initialised(resource))
}

/// Prepares storage: free, no waiters.
///
/// Source:  ExInitializeResourceLite; RES-01, RES-02
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  storage in paged pool is a finding, as is a resource that is initialised twice
pub fn initialize(resource: &ERESOURCE) -> NtStatus {
    misuse::check_storage(resource);
    if !ex().resources.listed.lock().insert(key(resource)) {
        current_core().report(Finding::error(
            "RES-02",
            "",
            format!("the resource {resource:p} was initialised again: call ExDeleteResourceLite or ExReinitializeResourceLite"),
        ));
    }
    nt_ke::dispatcher::initialize_list(&resource.SystemResourcesList);
    resource.OwnerTable.set(null_mut());
    resource.SpinLock.store(0, Ordering::Relaxed);
    resource.Address.set(null_mut());
    resource.ContentionCount.set(0);
    reset(resource);
    resource.Reserved2.set((key(resource) ^ INITIALISED) as *mut _);
    locks::initialised(key(resource));
    NtStatus::SUCCESS
}

fn reset(resource: &ERESOURCE) {
    resource.ActiveCount.set(0);
    resource.Flag.set(0);
    resource.SharedWaiters.set(null_mut());
    resource.ExclusiveWaiters.set(null_mut());
    resource.OwnerEntry.OwnerThread.set(0);
    resource.OwnerEntry.TableSize.set(0);
    resource.ActiveEntries.set(0);
    resource.NumberOfSharedWaiters.set(0);
    resource.NumberOfExclusiveWaiters.set(0);
}

/// Makes a resource free again, keeping its tables.
///
/// Source:  ExReinitializeResourceLite; RES-04
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  storage that was never initialised is a bug check; what is owned or waited for is a finding
pub fn reinitialize(resource: &ERESOURCE) -> Result<NtStatus, Raise> {
    check(resource)?;
    let busy = {
        let _held = lock(resource);
        let busy = is_busy(resource);
        resource.ContentionCount.set(0);
        ownership::clear_table(resource);
        reset(resource);
        busy
    };
    if busy {
        misuse::report("RES-04", resource, "was reinitialised while a thread owns it or waits for it");
    }
    Ok(NtStatus::SUCCESS)
}

fn is_busy(resource: &ERESOURCE) -> bool {
    let waiters = resource.NumberOfSharedWaiters.get() + resource.NumberOfExclusiveWaiters.get();
    resource.ActiveCount.get() != 0 || waiters != 0
}

/// Ends a resource: using it afterwards is a bug check.
///
/// Source:  ExDeleteResourceLite; RES-03
/// IRQL:    <= APC_LEVEL
/// Errors:  deleting what is owned or waited for is a finding
pub fn delete(resource: &ERESOURCE) -> Result<NtStatus, Raise> {
    check(resource)?;
    let (busy, table) = {
        let _held = lock(resource);
        resource.Reserved2.set(null_mut());
        (is_busy(resource), resource.OwnerTable.replace(null_mut()))
    };
    ex().resources.listed.lock().remove(&key(resource));
    if busy {
        misuse::report("RES-03", resource, "was deleted while a thread owns it or waits for it");
    }
    if !table.is_null() {
        pool::free(table.cast(), None)?;
    }
    Ok(NtStatus::SUCCESS)
}

/// Acquires for one thread alone; the owner may do so again. Returns whether it got it; with `wait` always.
///
/// Source:  ExAcquireResourceExclusiveLite; RES-05 to RES-11
/// IRQL:    <= APC_LEVEL
/// Errors:  a resource that is not initialised is a bug check; `Stop`
pub fn acquire_exclusive(resource: &ERESOURCE, wait: bool) -> Result<bool, Raise> {
    acquire(resource, Access::Exclusive, wait)
}

/// Acquires for reading, together with others; waits behind those who wait to own it alone.
///
/// Source:  ExAcquireResourceSharedLite; RES-14 to RES-17
/// IRQL:    <= APC_LEVEL
/// Errors:  as for [`acquire_exclusive`]
pub fn acquire_shared(resource: &ERESOURCE, wait: bool) -> Result<bool, Raise> {
    acquire(resource, Access::Shared, wait)
}

/// The same, but overtakes those who wait to own it alone. Source: ExAcquireSharedStarveExclusive; RES-18.
pub fn acquire_shared_starve_exclusive(resource: &ERESOURCE, wait: bool) -> Result<bool, Raise> {
    acquire(resource, Access::StarveExclusive, wait)
}

/// The same, but waits behind them also when the thread shares it already.
/// Source: ExAcquireSharedWaitForExclusive; RES-19, RES-20.
pub fn acquire_shared_wait_for_exclusive(resource: &ERESOURCE, wait: bool) -> Result<bool, Raise> {
    acquire(resource, Access::WaitForExclusive, wait)
}

/// Whether `access` is granted now; when it is, the owner is written down.
fn try_grant(held: &Held<'_>, access: Access, me: usize) -> Result<bool, Raise> {
    let resource = held.resource;
    if resource.Flag.get() & OWNED_EXCLUSIVE != 0 {
        let mine = resource.OwnerEntry.OwnerThread.get() == me;
        if mine {
            ownership::add(&resource.OwnerEntry, 1);
        }
        return Ok(mine);
    }
    if resource.ActiveCount.get() == 0 {
        held.grant_free(access == Access::Exclusive, me);
        return Ok(true);
    }
    let own = ownership::find(resource, me);
    let writers_wait = resource.NumberOfExclusiveWaiters.get() != 0;
    let granted = match access {
        Access::Exclusive => false,
        Access::Shared => own.is_some() || !writers_wait,
        Access::StarveExclusive => true,
        Access::WaitForExclusive => !writers_wait,
    };
    if granted {
        held.grant(false, me)?;
    }
    Ok(granted)
}

fn acquire(resource: &ERESOURCE, access: Access, wait: bool) -> Result<bool, Raise> {
    nt_ke::scheduler::point();
    check(resource)?;
    let me = key_of_current();
    let own;
    let waiter = {
        let held = lock(resource);
        if try_grant(&held, access, me)? {
            drop(held);
            note_held(1);
            if wait {
                locks::acquired(key(resource), Kind::Resource, mode(access));
            } else {
                locks::acquired_without_waiting(key(resource), Kind::Resource, mode(access));
            }
            return Ok(true);
        }
        if !wait {
            return Ok(false);
        }
        resource.ContentionCount.set(resource.ContentionCount.get().wrapping_add(1));
        own = ownership::find(resource, me).is_some();
        Waiter::new(access == Access::Exclusive, me)
    };
    if own {
        misuse::report_wait_for_itself(resource, access == Access::Exclusive);
    }
    let waiting = locks::waiting(key(resource), Kind::Resource, mode(access));
    waiter.wait(resource, |held| try_grant(held, access, me))?;
    drop(waiting);
    note_held(1);
    locks::acquired(key(resource), Kind::Resource, mode(access));
    Ok(true)
}

fn mode(access: Access) -> Mode {
    if access == Access::Exclusive { Mode::Exclusive } else { Mode::Shared }
}

fn key_of_current() -> usize {
    from_ref(current_thread()) as usize
}

fn note_held(change: isize) {
    let held = current_thread().extension(nt_ke::thread::extension::EX);
    held.set(held.get().saturating_add_signed(change));
}

/// How many acquisitions the current thread has not released yet, over all resources (RES-33).
pub fn held_by_current_thread() -> usize {
    current_thread().extension(nt_ke::thread::extension::EX).get()
}

/// Releases one acquisition of the current thread.
///
/// Source:  ExReleaseResourceLite; RES-21, RES-22
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  releasing what the thread does not own is a bug check (RESOURCE_NOT_OWNED)
pub fn release(resource: &ERESOURCE) -> Result<(), Raise> {
    nt_ke::scheduler::point();
    check(resource)?;
    let me = key_of_current();
    if !lock(resource).release(me) {
        return Err(misuse::not_owner(resource, me));
    }
    locks::released_for(key(resource), me);
    note_held(-1);
    Ok(())
}

/// Releases one acquisition that is written down under `owner`: a thread, or a pointer set by
/// [`set_owner_pointer`].
///
/// Source:  ExReleaseResourceForThreadLite; RES-23, RES-25
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  no such owner is a bug check (RESOURCE_NOT_OWNED); another thread that has not handed its hold on, and a
///          pointer whose storage is gone, are findings
pub fn release_for_thread(resource: &ERESOURCE, owner: usize) -> Result<(), Raise> {
    nt_ke::scheduler::point();
    check(resource)?;
    let released = lock(resource).release(owner);
    if !released {
        return Err(misuse::not_owner(resource, owner));
    }
    locks::released_for(key(resource), owner);
    if owner == key_of_current() {
        note_held(-1);
    } else {
        misuse::check_released_for(resource, owner);
    }
    Ok(())
}

/// Makes the exclusive owner a shared one, with its count, and lets all waiting readers in.
///
/// Source:  ExConvertExclusiveToSharedLite; RES-27
/// IRQL:    <= APC_LEVEL
/// Errors:  a caller that does not own it alone is a bug check
pub fn convert_exclusive_to_shared(resource: &ERESOURCE) -> Result<(), Raise> {
    check(resource)?;
    if !is_acquired_exclusive(resource) {
        return Err(misuse::not_exclusive(resource));
    }
    let held = lock(resource);
    resource.Flag.set(resource.Flag.get() & !OWNED_EXCLUSIVE);
    locks::converted_to_shared(key(resource));
    held.admit_shared();
    Ok(())
}

/// Writes the current thread's hold down under `pointer` instead, whose two low bits are set. From then on only
/// [`release_for_thread`] with that pointer ends it.
///
/// Source:  ExSetResourceOwnerPointer, ExSetResourceOwnerPointerEx; RES-24
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  a caller that owns nothing, a pointer without the bits, or an unknown flag is a bug check
pub fn set_owner_pointer(resource: &ERESOURCE, pointer: usize, flags: u32) -> Result<(), Raise> {
    check(resource)?;
    if pointer & OWNER_POINTER != OWNER_POINTER || flags & !OWNER_POINTER_IS_THREAD != 0 {
        return Err(misuse::bad_owner_pointer(resource, pointer, flags));
    }
    let moved = {
        let _held = lock(resource);
        ownership::rename(resource, key_of_current(), pointer)
    };
    match moved {
        Some(count) => {
            note_held(-(count as isize));
            locks::handed_on(key(resource));
            Ok(())
        }
        None => Err(misuse::not_owner(resource, key_of_current())),
    }
}

/// Whether the current thread owns it alone. Source: ExIsResourceAcquiredExclusiveLite; RES-28.
pub fn is_acquired_exclusive(resource: &ERESOURCE) -> bool {
    let _held = lock(resource);
    resource.Flag.get() & OWNED_EXCLUSIVE != 0 && resource.OwnerEntry.OwnerThread.get() == key_of_current()
}

/// How often the current thread has acquired it, either way. Source: ExIsResourceAcquiredSharedLite; RES-28.
pub fn is_acquired_shared(resource: &ERESOURCE) -> u32 {
    let _held = lock(resource);
    ownership::find(resource, key_of_current()).map_or(0, ownership::count)
}

/// Threads that wait to own it alone: a hint. Source: ExGetExclusiveWaiterCount; RES-29.
pub fn exclusive_waiters(resource: &ERESOURCE) -> u32 {
    resource.NumberOfExclusiveWaiters.get()
}

/// Threads that wait to share it: a hint. Source: ExGetSharedWaiterCount; RES-29.
pub fn shared_waiters(resource: &ERESOURCE) -> u32 {
    resource.NumberOfSharedWaiters.get()
}

/// Holds a resource, and normal kernel APCs off, for the engine until dropped.
pub struct ResourceGuard<'a> {
    resource: &'a ERESOURCE,
    // Left after the release below: fields are dropped after `drop`.
    _region: CriticalRegion,
}

impl<'a> ResourceGuard<'a> {
    /// Waits to own it alone.
    pub fn exclusive(resource: &'a ERESOURCE) -> Result<Self, Raise> {
        let region = CriticalRegion::enter();
        acquire_exclusive(resource, true)?;
        Ok(Self { resource, _region: region })
    }

    /// Waits to share it.
    pub fn shared(resource: &'a ERESOURCE) -> Result<Self, Raise> {
        let region = CriticalRegion::enter();
        acquire_shared(resource, true)?;
        Ok(Self { resource, _region: region })
    }

    /// Waits to share it, past those who wait to own it alone.
    pub fn shared_starving(resource: &'a ERESOURCE) -> Result<Self, Raise> {
        let region = CriticalRegion::enter();
        acquire_shared_starve_exclusive(resource, true)?;
        Ok(Self { resource, _region: region })
    }
}

impl Drop for ResourceGuard<'_> {
    fn drop(&mut self) {
        // Only a resource that was deleted under its owner fails, and that has bug checked.
        let _ = release(self.resource);
    }
}
