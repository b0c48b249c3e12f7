//! Ex: executive resources.

use boundary::{Raise, export};
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL};
use nt_abi::{ERESOURCE, NtStatus};
use nt_ex::resource;
use nt_ke::{current_thread, region};

use crate::argument::{arg, rows};

rows! { "ntoskrnl.exe", "nt-ex";
    ExInitializeResourceLite done "RES-01, RES-02";
    ExReinitializeResourceLite done "RES-04";
    ExDeleteResourceLite done "RES-03";
    ExAcquireResourceExclusiveLite done "RES-05 to RES-13";
    ExAcquireResourceSharedLite done "RES-12 to RES-17";
    ExAcquireSharedStarveExclusive done "RES-12, RES-13, RES-18";
    ExAcquireSharedWaitForExclusive done "RES-12, RES-13, RES-19, RES-20";
    ExTryToAcquireResourceExclusiveLite done "as ExAcquireResourceExclusiveLite without waiting";
    ExEnterCriticalRegionAndAcquireResourceExclusive done "answers the thread's Win32 data: NULL";
    ExEnterCriticalRegionAndAcquireResourceShared done "answers the thread's Win32 data: NULL";
    ExEnterCriticalRegionAndAcquireSharedWaitForExclusive done "answers the thread's Win32 data: NULL";
    ExReleaseResourceLite done "RES-13, RES-21, RES-22";
    ExReleaseResourceForThreadLite done "RES-23, RES-25, RES-26";
    ExReleaseResourceAndLeaveCriticalRegion done "RES-21";
    ExConvertExclusiveToSharedLite done "RES-27";
    ExSetResourceOwnerPointer done "RES-24";
    ExSetResourceOwnerPointerEx done "RES-24, RES-26";
    ExIsResourceAcquiredExclusiveLite done "RES-28";
    ExIsResourceAcquiredSharedLite done "RES-28";
    ExGetExclusiveWaiterCount done "RES-29";
    ExGetSharedWaiterCount done "RES-29";
}

/// Reports a driver that acquires or releases where a normal kernel APC could run (RES-13). System threads get none of
/// a program's and need no region.
#[inline]
fn check_region(resource: &ERESOURCE, export: &str) {
    if !region::apcs_disabled()
        && nt_ke::irql::current() < APC_LEVEL
        && !nt_ps::ps_is_system_thread(current_thread())
    {
        resource::report_no_region(resource, export);
    }
}

export! {
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
    pub fn ExDeleteResourceLite(resource: *mut ERESOURCE) -> NtStatus [irql <= APC_LEVEL] {
        arg!(ExDeleteResourceLite: resource);
        resource::delete(resource)
    }

    /// Acquires for writing.
    pub fn ExAcquireResourceExclusiveLite(resource: *mut ERESOURCE, wait: u8) -> bool [irql <= APC_LEVEL] {
        arg!(ExAcquireResourceExclusiveLite: resource);
        check_region(resource, "ExAcquireResourceExclusiveLite");
        resource::acquire_exclusive(resource, wait != 0)
    }

    /// Acquires for reading.
    pub fn ExAcquireResourceSharedLite(resource: *mut ERESOURCE, wait: u8) -> bool [irql <= APC_LEVEL] {
        arg!(ExAcquireResourceSharedLite: resource);
        check_region(resource, "ExAcquireResourceSharedLite");
        resource::acquire_shared(resource, wait != 0)
    }

    /// Acquires for reading, before waiting writers.
    pub fn ExAcquireSharedStarveExclusive(resource: *mut ERESOURCE, wait: u8) -> bool [irql <= APC_LEVEL] {
        arg!(ExAcquireSharedStarveExclusive: resource);
        check_region(resource, "ExAcquireSharedStarveExclusive");
        resource::acquire_shared_starve_exclusive(resource, wait != 0)
    }

    /// Acquires for reading, after waiting writers.
    pub fn ExAcquireSharedWaitForExclusive(resource: *mut ERESOURCE, wait: u8) -> bool [irql <= APC_LEVEL] {
        arg!(ExAcquireSharedWaitForExclusive: resource);
        check_region(resource, "ExAcquireSharedWaitForExclusive");
        resource::acquire_shared_wait_for_exclusive(resource, wait != 0)
    }

    /// Acquires for writing if nobody has it.
    pub fn ExTryToAcquireResourceExclusiveLite(resource: *mut ERESOURCE) -> bool [irql <= APC_LEVEL] {
        arg!(ExTryToAcquireResourceExclusiveLite: resource);
        check_region(resource, "ExTryToAcquireResourceExclusiveLite");
        resource::acquire_exclusive(resource, false)
    }

    /// Enters a critical region and acquires for writing.
    pub fn ExEnterCriticalRegionAndAcquireResourceExclusive(resource: *mut ERESOURCE) -> usize [irql <= APC_LEVEL] {
        arg!(ExEnterCriticalRegionAndAcquireResourceExclusive: resource);
        region::enter_critical();
        resource::acquire_exclusive(resource, true)?;
        Ok(0)
    }

    /// Enters a critical region and acquires for reading.
    pub fn ExEnterCriticalRegionAndAcquireResourceShared(resource: *mut ERESOURCE) -> usize [irql <= APC_LEVEL] {
        arg!(ExEnterCriticalRegionAndAcquireResourceShared: resource);
        region::enter_critical();
        resource::acquire_shared(resource, true)?;
        Ok(0)
    }

    /// Enters a critical region and acquires for reading, after waiting writers.
    pub fn ExEnterCriticalRegionAndAcquireSharedWaitForExclusive(resource: *mut ERESOURCE) -> usize [irql <= APC_LEVEL] {
        arg!(ExEnterCriticalRegionAndAcquireSharedWaitForExclusive: resource);
        region::enter_critical();
        resource::acquire_shared_wait_for_exclusive(resource, true)?;
        Ok(0)
    }

    /// Releases.
    pub fn ExReleaseResourceLite(resource: *mut ERESOURCE) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExReleaseResourceLite: resource);
        check_region(resource, "ExReleaseResourceLite");
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
        released_and_left(resource, "ExReleaseResourceAndLeaveCriticalRegion")
    }

    /// From writing to reading.
    pub fn ExConvertExclusiveToSharedLite(resource: *mut ERESOURCE) -> () [irql <= APC_LEVEL] {
        arg!(ExConvertExclusiveToSharedLite: resource);
        resource::convert_exclusive_to_shared(resource)
    }

    /// Gives the ownership to a pointer.
    pub fn ExSetResourceOwnerPointer(resource: *mut ERESOURCE, pointer: usize) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExSetResourceOwnerPointer: resource);
        resource::set_owner_pointer(resource, pointer, 0)
    }

    /// Gives the ownership to a pointer, which may name a thread.
    pub fn ExSetResourceOwnerPointerEx(resource: *mut ERESOURCE, pointer: usize, flags: u32) -> ()
        [irql <= DISPATCH_LEVEL] {
        arg!(ExSetResourceOwnerPointerEx: resource);
        resource::set_owner_pointer(resource, pointer, flags)
    }

    /// Whether the current thread owns it for writing.
    pub fn ExIsResourceAcquiredExclusiveLite(resource: *mut ERESOURCE) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(ExIsResourceAcquiredExclusiveLite: resource);
        resource::check(resource)?;
        Ok(resource::is_acquired_exclusive(resource))
    }

    /// How often the current thread owns it.
    pub fn ExIsResourceAcquiredSharedLite(resource: *mut ERESOURCE) -> u32 [irql <= DISPATCH_LEVEL] {
        arg!(ExIsResourceAcquiredSharedLite: resource);
        resource::check(resource)?;
        Ok(resource::is_acquired_shared(resource))
    }

    /// Waiting writers.
    pub fn ExGetExclusiveWaiterCount(resource: *mut ERESOURCE) -> u32 [irql <= DISPATCH_LEVEL] {
        arg!(ExGetExclusiveWaiterCount: resource);
        resource::check(resource)?;
        Ok(resource::exclusive_waiters(resource))
    }

    /// Waiting readers.
    pub fn ExGetSharedWaiterCount(resource: *mut ERESOURCE) -> u32 [irql <= DISPATCH_LEVEL] {
        arg!(ExGetSharedWaiterCount: resource);
        resource::check(resource)?;
        Ok(resource::shared_waiters(resource))
    }
}

/// Releases what was acquired together with a critical region, and leaves that.
pub(crate) fn released_and_left(resource: &ERESOURCE, export: &str) -> Result<(), Raise> {
    resource::release(resource)?;
    region::leave_critical(export)
}
