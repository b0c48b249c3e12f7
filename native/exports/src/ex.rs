//! Ex: pool, lookaside lists, interlocked lists.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use boundary::{Raise, call, export};
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL};
use nt_abi::{GENERAL_LOOKASIDE, LIST_ENTRY, NativeFn, NtStatus, SLIST_HEADER, pool as pool_type};
use nt_ex::{list, lookaside, pool, slist};

use crate::argument::{arg, rows};

rows! { "ntoskrnl.exe", "nt-ex";
    ExAllocatePoolWithTag done "EXEC-30, EXEC-33; bit 0x400 of the type zeroes";
    ExAllocatePool done "as ExAllocatePoolWithTag, tag None";
    ExAllocatePoolWithTagPriority done "the priority changes nothing";
    ExAllocatePoolWithQuotaTag partial "quota is not counted";
    ExAllocatePool2 done "EXEC-28, EXEC-29";
    ExFreePool done "EXEC-31";
    ExFreePoolWithTag done "EXEC-31, EXEC-32";
    ExFreePool2 partial "extended parameters are ignored";
    ExInitializeNPagedLookasideList done "IO-56";
    ExDeleteNPagedLookasideList done "IO-56";
    ExInitializePagedLookasideList done "IO-56";
    ExDeletePagedLookasideList done "IO-56";
    ExInitializeLookasideListEx done "IO-56";
    ExDeleteLookasideListEx done "IO-56";
    ExFlushLookasideListEx done "";
    InitializeSListHead done "";
    ExpInterlockedPushEntrySList done "IO-56";
    ExpInterlockedPopEntrySList done "IO-56";
    ExpInterlockedFlushSList done "";
    ExInterlockedPushEntrySList done "the spin lock is not used";
    ExInterlockedPopEntrySList done "the spin lock is not used";
    ExInterlockedFlushSList done "";
    ExQueryDepthSList done "";
    ExInterlockedInsertHeadList done "";
    ExInterlockedInsertTailList done "";
    ExInterlockedRemoveHeadList done "";
    ExInterlockedAddUlong done "";
    ExInterlockedAddLargeInteger done "";
}

const NONE: u32 = u32::from_le_bytes(*b"None");

/// Address of the shim that a list's `Allocate` names when the driver gives none.
pub(crate) fn default_allocate(given: NativeFn) -> NativeFn {
    if given.is_null() { NativeFn(ExAllocatePoolWithTag as *const () as usize) } else { given }
}

pub(crate) fn default_free(given: NativeFn) -> NativeFn {
    if given.is_null() { NativeFn(ExFreePool as *const () as usize) } else { given }
}

fn delete_extended(list: &GENERAL_LOOKASIDE) -> Result<(), Raise> {
    loop {
        match slist::pop(&list.ListHead)? {
            0 => return Ok(()),
            entry => call(list.FreeEx().get(), [entry as u64, std::ptr::from_ref(list) as u64])?,
        };
    }
}

export! {
    /// Allocates pool of a `POOL_TYPE`.
    pub fn ExAllocatePoolWithTag(pool_type: u32, bytes: usize, tag: u32) -> *mut u8 [irql <= DISPATCH_LEVEL] {
        pool::allocate_pool_with_tag(pool_type, bytes, tag)
    }

    /// Allocates pool without a tag.
    pub fn ExAllocatePool(pool_type: u32, bytes: usize) -> *mut u8 [irql <= DISPATCH_LEVEL] {
        pool::allocate_pool_with_tag(pool_type, bytes, NONE)
    }

    /// Allocates pool; the priority says how hard to try.
    pub fn ExAllocatePoolWithTagPriority(pool_type: u32, bytes: usize, tag: u32, _priority: u32) -> *mut u8
        [irql <= DISPATCH_LEVEL] {
        pool::allocate_pool_with_tag(pool_type, bytes, tag)
    }

    /// Allocates pool that the current process pays for.
    pub fn ExAllocatePoolWithQuotaTag(pool_type: u32, bytes: usize, tag: u32) -> *mut u8 [irql <= DISPATCH_LEVEL] {
        pool::allocate_pool_with_quota_tag(pool_type, bytes, tag)
    }

    /// Allocates pool by `POOL_FLAGS`.
    pub fn ExAllocatePool2(flags: u64, bytes: usize, tag: u32) -> *mut u8 [irql <= DISPATCH_LEVEL] {
        pool::allocate_pool2(flags, bytes, tag)
    }

    /// Frees pool.
    pub fn ExFreePool(address: *mut u8) -> () [irql <= DISPATCH_LEVEL] {
        pool::free_pool(address, None)
    }

    /// Frees pool and checks its tag.
    pub fn ExFreePoolWithTag(address: *mut u8, tag: u32) -> () [irql <= DISPATCH_LEVEL] {
        pool::free_pool(address, Some(tag))
    }

    /// Frees pool and checks its tag.
    pub fn ExFreePool2(address: *mut u8, tag: u32, _parameters: usize, _count: u32) -> () [irql <= DISPATCH_LEVEL] {
        pool::free_pool(address, Some(tag))
    }

    /// Prepares a list of nonpaged blocks.
    pub fn ExInitializeNPagedLookasideList(lookaside: *mut GENERAL_LOOKASIDE, allocate: NativeFn, free: NativeFn,
        flags: u32, size: usize, tag: u32, depth: u16) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExInitializeNPagedLookasideList: lookaside);
        let parameters = lookaside::Parameters {
            allocate: default_allocate(allocate), free: default_free(free),
            pool_type: pool_type::NonPagedPool | flags, size, tag, depth,
        };
        lookaside::initialize(lookaside, &parameters);
        Ok(())
    }

    /// Frees what a list keeps.
    pub fn ExDeleteNPagedLookasideList(lookaside: *mut GENERAL_LOOKASIDE) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExDeleteNPagedLookasideList: lookaside);
        lookaside::delete(lookaside)
    }

    /// Prepares a list of paged blocks.
    pub fn ExInitializePagedLookasideList(lookaside: *mut GENERAL_LOOKASIDE, allocate: NativeFn, free: NativeFn,
        flags: u32, size: usize, tag: u32, depth: u16) -> () [irql <= APC_LEVEL] {
        arg!(ExInitializePagedLookasideList: lookaside);
        let parameters = lookaside::Parameters {
            allocate: default_allocate(allocate), free: default_free(free),
            pool_type: pool_type::PagedPool | flags, size, tag, depth,
        };
        lookaside::initialize(lookaside, &parameters);
        Ok(())
    }

    /// Frees what a list keeps.
    pub fn ExDeletePagedLookasideList(lookaside: *mut GENERAL_LOOKASIDE) -> () [irql <= APC_LEVEL] {
        arg!(ExDeletePagedLookasideList: lookaside);
        lookaside::delete(lookaside)
    }

    /// Prepares a list of blocks of any pool; the routines get the list as last argument.
    pub fn ExInitializeLookasideListEx(lookaside: *mut GENERAL_LOOKASIDE, allocate: NativeFn, free: NativeFn,
        pool_type: u32, flags: u32, size: usize, tag: u32, depth: u16) -> NtStatus [irql <= DISPATCH_LEVEL] {
        arg!(ExInitializeLookasideListEx: lookaside);
        // EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL 1, EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE 2.
        let raise = match flags {
            0 | 2 => 0,
            1 => nt_abi::POOL_RAISE_IF_ALLOCATION_FAILURE,
            3 => return Ok(NtStatus::INVALID_PARAMETER_MIX),
            _ => return Ok(NtStatus::INVALID_PARAMETER_5),
        };
        let parameters = lookaside::Parameters {
            allocate: default_allocate(allocate), free: default_free(free), pool_type: pool_type | raise, size, tag, depth,
        };
        Ok(lookaside::initialize(lookaside, &parameters))
    }

    /// Frees what a list keeps.
    pub fn ExDeleteLookasideListEx(lookaside: *mut GENERAL_LOOKASIDE) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExDeleteLookasideListEx: lookaside);
        delete_extended(lookaside)
    }

    /// Frees what a list keeps.
    pub fn ExFlushLookasideListEx(lookaside: *mut GENERAL_LOOKASIDE) -> () [irql <= DISPATCH_LEVEL] {
        arg!(ExFlushLookasideListEx: lookaside);
        delete_extended(lookaside)
    }

    /// Makes a list empty.
    pub fn InitializeSListHead(head: *mut SLIST_HEADER) -> () [irql <= HIGH_LEVEL] {
        arg!(InitializeSListHead: head);
        slist::initialize(head);
        Ok(())
    }

    /// Pushes an entry and returns the first one before.
    pub fn ExpInterlockedPushEntrySList(head: *mut SLIST_HEADER, entry: usize) -> usize [irql <= HIGH_LEVEL] {
        arg!(ExpInterlockedPushEntrySList: head);
        slist::push(head, entry)
    }

    /// Takes the first entry.
    pub fn ExpInterlockedPopEntrySList(head: *mut SLIST_HEADER) -> usize [irql <= HIGH_LEVEL] {
        arg!(ExpInterlockedPopEntrySList: head);
        slist::pop(head)
    }

    /// Takes all entries.
    pub fn ExpInterlockedFlushSList(head: *mut SLIST_HEADER) -> usize [irql <= HIGH_LEVEL] {
        arg!(ExpInterlockedFlushSList: head);
        Ok(slist::flush(head))
    }

    /// Pushes an entry and returns the first one before.
    pub fn ExInterlockedPushEntrySList(head: *mut SLIST_HEADER, entry: usize, _lock: usize) -> usize
        [irql <= HIGH_LEVEL] {
        arg!(ExInterlockedPushEntrySList: head);
        slist::push(head, entry)
    }

    /// Takes the first entry.
    pub fn ExInterlockedPopEntrySList(head: *mut SLIST_HEADER, _lock: usize) -> usize [irql <= HIGH_LEVEL] {
        arg!(ExInterlockedPopEntrySList: head);
        slist::pop(head)
    }

    /// Takes all entries.
    pub fn ExInterlockedFlushSList(head: *mut SLIST_HEADER) -> usize [irql <= HIGH_LEVEL] {
        arg!(ExInterlockedFlushSList: head);
        Ok(slist::flush(head))
    }

    /// Entries of a list.
    pub fn ExQueryDepthSList(head: *mut SLIST_HEADER) -> u16 [irql <= HIGH_LEVEL] {
        arg!(ExQueryDepthSList: head);
        Ok(slist::depth(head))
    }

    /// Links an entry first, under a spin lock.
    pub fn ExInterlockedInsertHeadList(head: *mut LIST_ENTRY, entry: *mut LIST_ENTRY, lock: *mut AtomicUsize) -> usize
        [irql <= HIGH_LEVEL] {
        arg!(ExInterlockedInsertHeadList: head, entry, lock);
        list::interlocked_insert_head(head, entry, lock)
    }

    /// Links an entry last, under a spin lock.
    pub fn ExInterlockedInsertTailList(head: *mut LIST_ENTRY, entry: *mut LIST_ENTRY, lock: *mut AtomicUsize) -> usize
        [irql <= HIGH_LEVEL] {
        arg!(ExInterlockedInsertTailList: head, entry, lock);
        list::interlocked_insert_tail(head, entry, lock)
    }

    /// Unlinks the first entry, under a spin lock.
    pub fn ExInterlockedRemoveHeadList(head: *mut LIST_ENTRY, lock: *mut AtomicUsize) -> usize [irql <= HIGH_LEVEL] {
        arg!(ExInterlockedRemoveHeadList: head, lock);
        list::interlocked_remove_head(head, lock)
    }

    /// Adds and returns the old value.
    pub fn ExInterlockedAddUlong(addend: *mut AtomicU32, increment: u32, _lock: usize) -> u32 [irql <= HIGH_LEVEL] {
        arg!(ExInterlockedAddUlong: addend);
        Ok(addend.fetch_add(increment, Ordering::SeqCst))
    }

    /// Adds and returns the old value.
    pub fn ExInterlockedAddLargeInteger(addend: *mut AtomicU64, increment: u64, _lock: usize) -> u64
        [irql <= HIGH_LEVEL] {
        arg!(ExInterlockedAddLargeInteger: addend);
        Ok(addend.fetch_add(increment, Ordering::SeqCst))
    }
}
