//! Ex: fast mutexes, resources, push locks, rundown protection.

use std::sync::atomic::AtomicUsize;

use boundary::{Raise, export};
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL};
use nt_abi::{ERESOURCE, EX_RUNDOWN_REF, FAST_MUTEX, NtStatus, bugcheck};
use nt_ex::{fast_mutex, push_lock, resource, rundown};
use nt_ke::{BugCheck, current_core, current_thread};

use crate::argument::{arg, rows};

rows! { "ntoskrnl.exe", "nt-ex";
    ExAcquireFastMutex done "EXEC-21";
    ExAcquireFastMutexUnsafe done "EXEC-22";
    ExReleaseFastMutex done "EXEC-21";
    ExReleaseFastMutexUnsafe done "EXEC-22";
    ExTryToAcquireFastMutex done "EXEC-23";
    ExEnterCriticalRegionAndAcquireFastMutexUnsafe done "EXEC-22";
    ExReleaseFastMutexUnsafeAndLeaveCriticalRegion done "EXEC-22";
    ExInitializeResourceLite done "RES-01, RES-02";
    ExReinitializeResourceLite done "RES-04";
    ExDeleteResourceLite done "RES-03";
    ExAcquireResourceExclusiveLite done "RES-05 to RES-11";
    ExAcquireResourceSharedLite done "RES-14 to RES-17";
    ExAcquireSharedStarveExclusive done "RES-18";
    ExAcquireSharedWaitForExclusive done "RES-19, RES-20";
    ExTryToAcquireResourceExclusiveLite done "as ExAcquireResourceExclusiveLite without waiting";
    ExEnterCriticalRegionAndAcquireResourceExclusive done "answers the thread's Win32 data: NULL";
    ExEnterCriticalRegionAndAcquireResourceShared done "answers the thread's Win32 data: NULL";
    ExEnterCriticalRegionAndAcquireSharedWaitForExclusive done "answers the thread's Win32 data: NULL";
    ExReleaseResourceLite done "RES-21, RES-22";
    ExReleaseResourceForThreadLite done "RES-23";
    ExReleaseResourceAndLeaveCriticalRegion done "RES-21";
    ExConvertExclusiveToSharedLite done "";
    ExSetResourceOwnerPointer done "";
    ExSetResourceOwnerPointerEx partial "the flag for system threads is ignored";
    ExIsResourceAcquiredExclusiveLite done "";
    ExIsResourceAcquiredSharedLite done "";
    ExGetExclusiveWaiterCount done "";
    ExGetSharedWaiterCount done "";
    ExInitializePushLock done "";
    ExAcquirePushLockExclusiveEx done "";
    ExAcquirePushLockSharedEx done "";
    ExTryAcquirePushLockExclusiveEx done "";
    ExTryAcquirePushLockSharedEx done "";
    ExReleasePushLockExclusiveEx done "";
    ExReleasePushLockSharedEx done "";
    ExReleasePushLockEx done "";
    ExfAcquirePushLockExclusive done "";
    ExfAcquirePushLockShared done "";
    ExfReleasePushLock done "";
    ExfReleasePushLockExclusive done "";
    ExfReleasePushLockShared done "";
    ExInitializeRundownProtection done "";
    ExReInitializeRundownProtection done "";
    ExAcquireRundownProtection done "";
    ExAcquireRundownProtectionEx done "";
    ExReleaseRundownProtection done "";
    ExReleaseRundownProtectionEx done "";
    ExWaitForRundownProtectionRelease done "";
    ExRundownCompleted done "";
}

fn enter_region() {
    let counter = current_thread().kernel_apc_disable();
    counter.set(counter.get() + 1);
}

fn leave_region(export: &str) -> Result<(), Raise> {
    let counter = current_thread().kernel_apc_disable();
    if counter.get() <= 0 {
        return Err(current_core().bug_check(BugCheck::new(
            bugcheck::APC_INDEX_MISMATCH,
            [boundary::caller_address() as u64, 0, 0, 0],
            format!("{export} left a critical region that was not entered"),
        )));
    }
    counter.set(counter.get() - 1);
    nt_ke::apc::deliver()
}

export! {
    /// Acquires and raises to APC_LEVEL.
    pub fn ExAcquireFastMutex(mutex: *mut FAST_MUTEX) -> () [irql <= APC_LEVEL] {
        arg!(ExAcquireFastMutex: mutex);
        fast_mutex::acquire(mutex)
    }

    /// Acquires and leaves the IRQL alone.
    pub fn ExAcquireFastMutexUnsafe(mutex: *mut FAST_MUTEX) -> () [irql <= APC_LEVEL] {
        arg!(ExAcquireFastMutexUnsafe: mutex);
        fast_mutex::acquire_unsafe(mutex)
    }

    /// Releases and restores the IRQL.
    pub fn ExReleaseFastMutex(mutex: *mut FAST_MUTEX) -> () [irql <= APC_LEVEL] {
        arg!(ExReleaseFastMutex: mutex);
        fast_mutex::release(mutex)
    }

    /// Releases and leaves the IRQL alone.
    pub fn ExReleaseFastMutexUnsafe(mutex: *mut FAST_MUTEX) -> () [irql <= APC_LEVEL] {
        arg!(ExReleaseFastMutexUnsafe: mutex);
        fast_mutex::release_unsafe(mutex)
    }

    /// Acquires if it is free.
    pub fn ExTryToAcquireFastMutex(mutex: *mut FAST_MUTEX) -> bool [irql <= APC_LEVEL] {
        arg!(ExTryToAcquireFastMutex: mutex);
        Ok(fast_mutex::try_acquire(mutex))
    }

    /// Enters a critical region and acquires.
    pub fn ExEnterCriticalRegionAndAcquireFastMutexUnsafe(mutex: *mut FAST_MUTEX) -> () [irql <= APC_LEVEL] {
        arg!(ExEnterCriticalRegionAndAcquireFastMutexUnsafe: mutex);
        enter_region();
        fast_mutex::acquire_unsafe(mutex)
    }

    /// Releases and leaves the critical region.
    pub fn ExReleaseFastMutexUnsafeAndLeaveCriticalRegion(mutex: *mut FAST_MUTEX) -> () [irql <= APC_LEVEL] {
        arg!(ExReleaseFastMutexUnsafeAndLeaveCriticalRegion: mutex);
        fast_mutex::release_unsafe(mutex)?;
        leave_region("ExReleaseFastMutexUnsafeAndLeaveCriticalRegion")
    }

    /// Prepares a resource.
    pub fn ExInitializeResourceLite(resource: *mut ERESOURCE) -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(ExInitializeResourceLite: resource);
        Ok(resource::initialize(resource))
    }

    /// Prepares it again.
    pub fn ExReinitializeResourceLite(resource: *mut ERESOURCE) -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(ExReinitializeResourceLite: resource);
        resource::reinitialize(resource)
    }

    /// Ends its use.
    pub fn ExDeleteResourceLite(resource: *mut ERESOURCE) -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(ExDeleteResourceLite: resource);
        resource::delete(resource)
    }

    /// Acquires for writing.
    pub fn ExAcquireResourceExclusiveLite(resource: *mut ERESOURCE, wait: u8) -> bool [irql <= APC_LEVEL] {
        arg!(ExAcquireResourceExclusiveLite: resource);
        resource::acquire_exclusive(resource, wait != 0)
    }

    /// Acquires for reading.
    pub fn ExAcquireResourceSharedLite(resource: *mut ERESOURCE, wait: u8) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(ExAcquireResourceSharedLite: resource);
        resource::acquire_shared(resource, wait != 0)
    }

    /// Acquires for reading, before waiting writers.
    pub fn ExAcquireSharedStarveExclusive(resource: *mut ERESOURCE, wait: u8) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(ExAcquireSharedStarveExclusive: resource);
        resource::acquire_shared_starve_exclusive(resource, wait != 0)
    }

    /// Acquires for reading, after waiting writers.
    pub fn ExAcquireSharedWaitForExclusive(resource: *mut ERESOURCE, wait: u8) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(ExAcquireSharedWaitForExclusive: resource);
        resource::acquire_shared_wait_for_exclusive(resource, wait != 0)
    }

    /// Acquires for writing if nobody has it.
    pub fn ExTryToAcquireResourceExclusiveLite(resource: *mut ERESOURCE) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(ExTryToAcquireResourceExclusiveLite: resource);
        resource::acquire_exclusive(resource, false)
    }

    /// Enters a critical region and acquires for writing.
    pub fn ExEnterCriticalRegionAndAcquireResourceExclusive(resource: *mut ERESOURCE) -> usize [irql <= APC_LEVEL] {
        arg!(ExEnterCriticalRegionAndAcquireResourceExclusive: resource);
        enter_region();
        resource::acquire_exclusive(resource, true)?;
        Ok(0)
    }

    /// Enters a critical region and acquires for reading.
    pub fn ExEnterCriticalRegionAndAcquireResourceShared(resource: *mut ERESOURCE) -> usize [irql <= APC_LEVEL] {
        arg!(ExEnterCriticalRegionAndAcquireResourceShared: resource);
        enter_region();
        resource::acquire_shared(resource, true)?;
        Ok(0)
    }

    /// Enters a critical region and acquires for reading, after waiting writers.
    pub fn ExEnterCriticalRegionAndAcquireSharedWaitForExclusive(resource: *mut ERESOURCE) -> usize [irql <= APC_LEVEL] {
        arg!(ExEnterCriticalRegionAndAcquireSharedWaitForExclusive: resource);
        enter_region();
        resource::acquire_shared_wait_for_exclusive(resource, true)?;
        Ok(0)
    }

    /// Releases.
    pub fn ExReleaseResourceLite(resource: *mut ERESOURCE) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExReleaseResourceLite: resource);
        resource::release(resource)
    }

    /// Releases for a thread or an owner pointer.
    pub fn ExReleaseResourceForThreadLite(resource: *mut ERESOURCE, owner: usize) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExReleaseResourceForThreadLite: resource);
        resource::release_for_thread(resource, owner)
    }

    /// Releases and leaves the critical region.
    pub fn ExReleaseResourceAndLeaveCriticalRegion(resource: *mut ERESOURCE) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExReleaseResourceAndLeaveCriticalRegion: resource);
        resource::release(resource)?;
        leave_region("ExReleaseResourceAndLeaveCriticalRegion")
    }

    /// From writing to reading.
    pub fn ExConvertExclusiveToSharedLite(resource: *mut ERESOURCE) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExConvertExclusiveToSharedLite: resource);
        resource::convert_exclusive_to_shared(resource)
    }

    /// Gives the ownership to a pointer.
    pub fn ExSetResourceOwnerPointer(resource: *mut ERESOURCE, pointer: usize) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExSetResourceOwnerPointer: resource);
        resource::set_owner_pointer(resource, pointer)
    }

    /// Gives the ownership to a pointer.
    pub fn ExSetResourceOwnerPointerEx(resource: *mut ERESOURCE, pointer: usize, _flags: u32) -> ()
        [irql <= DISPATCH_LEVEL] {
        arg!(ExSetResourceOwnerPointerEx: resource);
        resource::set_owner_pointer(resource, pointer)
    }

    /// Whether the current thread owns it for writing.
    pub fn ExIsResourceAcquiredExclusiveLite(resource: *mut ERESOURCE) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(ExIsResourceAcquiredExclusiveLite: resource);
        Ok(resource::is_acquired_exclusive(resource))
    }

    /// How often the current thread owns it.
    pub fn ExIsResourceAcquiredSharedLite(resource: *mut ERESOURCE) -> u32 [irql <= DISPATCH_LEVEL] {
        arg!(ExIsResourceAcquiredSharedLite: resource);
        Ok(resource::is_acquired_shared(resource))
    }

    /// Waiting writers.
    pub fn ExGetExclusiveWaiterCount(resource: *mut ERESOURCE) -> u32 [irql <= DISPATCH_LEVEL] {
        arg!(ExGetExclusiveWaiterCount: resource);
        Ok(resource::exclusive_waiters(resource))
    }

    /// Waiting readers.
    pub fn ExGetSharedWaiterCount(resource: *mut ERESOURCE) -> u32 [irql <= DISPATCH_LEVEL] {
        arg!(ExGetSharedWaiterCount: resource);
        Ok(resource::shared_waiters(resource))
    }

    /// Prepares a push lock.
    pub fn ExInitializePushLock(lock: *mut AtomicUsize) -> () [irql <= APC_LEVEL] {
        arg!(ExInitializePushLock: lock);
        push_lock::initialize(lock);
        Ok(())
    }

    /// Acquires for writing.
    pub fn ExAcquirePushLockExclusiveEx(lock: *mut AtomicUsize, _flags: u32) -> () [irql <= APC_LEVEL] {
        arg!(ExAcquirePushLockExclusiveEx: lock);
        push_lock::acquire(lock, true)
    }

    /// Acquires for reading.
    pub fn ExAcquirePushLockSharedEx(lock: *mut AtomicUsize, _flags: u32) -> () [irql <= APC_LEVEL] {
        arg!(ExAcquirePushLockSharedEx: lock);
        push_lock::acquire(lock, false)
    }

    /// Acquires for writing if it can.
    pub fn ExTryAcquirePushLockExclusiveEx(lock: *mut AtomicUsize, _flags: u32) -> bool [irql <= APC_LEVEL] {
        arg!(ExTryAcquirePushLockExclusiveEx: lock);
        Ok(push_lock::try_acquire(lock, true))
    }

    /// Acquires for reading if it can.
    pub fn ExTryAcquirePushLockSharedEx(lock: *mut AtomicUsize, _flags: u32) -> bool [irql <= APC_LEVEL] {
        arg!(ExTryAcquirePushLockSharedEx: lock);
        Ok(push_lock::try_acquire(lock, false))
    }

    /// Releases after writing.
    pub fn ExReleasePushLockExclusiveEx(lock: *mut AtomicUsize, _flags: u32) -> () [irql <= APC_LEVEL] {
        arg!(ExReleasePushLockExclusiveEx: lock);
        push_lock::release(lock, true)
    }

    /// Releases after reading.
    pub fn ExReleasePushLockSharedEx(lock: *mut AtomicUsize, _flags: u32) -> () [irql <= APC_LEVEL] {
        arg!(ExReleasePushLockSharedEx: lock);
        push_lock::release(lock, false)
    }

    /// Releases.
    pub fn ExReleasePushLockEx(lock: *mut AtomicUsize, _flags: u32) -> () [irql <= APC_LEVEL] {
        arg!(ExReleasePushLockEx: lock);
        push_lock::release_any(lock)
    }

    /// Acquires for writing.
    pub fn ExfAcquirePushLockExclusive(lock: *mut AtomicUsize) -> () [irql <= APC_LEVEL] {
        arg!(ExfAcquirePushLockExclusive: lock);
        push_lock::acquire(lock, true)
    }

    /// Acquires for reading.
    pub fn ExfAcquirePushLockShared(lock: *mut AtomicUsize) -> () [irql <= APC_LEVEL] {
        arg!(ExfAcquirePushLockShared: lock);
        push_lock::acquire(lock, false)
    }

    /// Releases.
    pub fn ExfReleasePushLock(lock: *mut AtomicUsize) -> () [irql <= APC_LEVEL] {
        arg!(ExfReleasePushLock: lock);
        push_lock::release_any(lock)
    }

    /// Releases after writing.
    pub fn ExfReleasePushLockExclusive(lock: *mut AtomicUsize) -> () [irql <= APC_LEVEL] {
        arg!(ExfReleasePushLockExclusive: lock);
        push_lock::release(lock, true)
    }

    /// Releases after reading.
    pub fn ExfReleasePushLockShared(lock: *mut AtomicUsize) -> () [irql <= APC_LEVEL] {
        arg!(ExfReleasePushLockShared: lock);
        push_lock::release(lock, false)
    }

    /// Prepares rundown protection.
    pub fn ExInitializeRundownProtection(rundown: *mut EX_RUNDOWN_REF) -> () [irql <= HIGH_LEVEL] {
        arg!(ExInitializeRundownProtection: rundown);
        rundown::initialize(rundown);
        Ok(())
    }

    /// Prepares it again after it was run down.
    pub fn ExReInitializeRundownProtection(rundown: *mut EX_RUNDOWN_REF) -> () [irql <= HIGH_LEVEL] {
        arg!(ExReInitializeRundownProtection: rundown);
        rundown::initialize(rundown);
        Ok(())
    }

    /// Takes protection unless it is run down.
    pub fn ExAcquireRundownProtection(rundown: *mut EX_RUNDOWN_REF) -> bool [irql <= HIGH_LEVEL] {
        arg!(ExAcquireRundownProtection: rundown);
        Ok(rundown::acquire(rundown, 1))
    }

    /// Takes protection several times.
    pub fn ExAcquireRundownProtectionEx(rundown: *mut EX_RUNDOWN_REF, count: u32) -> bool [irql <= HIGH_LEVEL] {
        arg!(ExAcquireRundownProtectionEx: rundown);
        Ok(rundown::acquire(rundown, count))
    }

    /// Gives protection back.
    pub fn ExReleaseRundownProtection(rundown: *mut EX_RUNDOWN_REF) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExReleaseRundownProtection: rundown);
        rundown::release(rundown, 1)
    }

    /// Gives protection back several times.
    pub fn ExReleaseRundownProtectionEx(rundown: *mut EX_RUNDOWN_REF, count: u32) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExReleaseRundownProtectionEx: rundown);
        rundown::release(rundown, count)
    }

    /// Runs it down: waits until nobody has protection.
    pub fn ExWaitForRundownProtectionRelease(rundown: *mut EX_RUNDOWN_REF) -> () [irql <= APC_LEVEL] {
        arg!(ExWaitForRundownProtectionRelease: rundown);
        rundown::wait(rundown)
    }

    /// Marks it as run down.
    pub fn ExRundownCompleted(rundown: *mut EX_RUNDOWN_REF) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExRundownCompleted: rundown);
        rundown::completed(rundown);
        Ok(())
    }
}
