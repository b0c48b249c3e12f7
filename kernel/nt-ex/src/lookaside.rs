//! Lookaside lists: freed blocks of one size, kept for the next allocation.
//!
//! Inline code in drivers pops and pushes the list itself, updates the counters and calls `Allocate` and `Free`,
//! so these hold addresses that a driver can call: the exporter passes those of the pool routines.
//! Statements: IO-56.

use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::{GENERAL_LOOKASIDE, NativeFn, NtStatus};
use nt_ke::dispatcher::initialize_list;
use nt_ke::{Finding, current_core};

use crate::slist;

/// Blocks kept at most, as on a system that has been busy for a while.
const KEPT: u16 = 256;
const FIRST_DEPTH: u16 = 4;

/// What a list is made with.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// `PVOID Allocate(POOL_TYPE, SIZE_T, ULONG Tag)`; the pool's own if the driver gives none.
    pub allocate: NativeFn,
    /// `VOID Free(PVOID)`.
    pub free: NativeFn,
    /// Kind of pool, as the driver's inline code passes it on.
    pub pool_type: u32,
    /// Bytes of an entry; at least the 16 of a link.
    pub size: usize,
    /// Pool tag.
    pub tag: u32,
    /// Must be 0.
    pub depth: u16,
}

/// Prepares a list.
///
/// Source:  ExInitializeNPagedLookasideList, ExInitializePagedLookasideList, ExInitializeLookasideListEx; IO-56
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  INVALID_PARAMETER for an entry of 4 GiB; a depth or a misaligned list is a finding
pub fn initialize(list: &GENERAL_LOOKASIDE, parameters: &Parameters) -> NtStatus {
    let Ok(size) = u32::try_from(parameters.size.max(16)) else { return NtStatus::INVALID_PARAMETER };
    if parameters.depth != 0 {
        current_core().report(Finding::warning(
            "IO-56",
            "",
            format!(
                "a lookaside list was initialised with depth {}: the parameter must be 0",
                parameters.depth
            ),
        ));
    }
    slist::initialize(&list.ListHead);
    list.Depth.set(FIRST_DEPTH);
    list.MaximumDepth.set(KEPT);
    for counter in [&list.TotalAllocates, &list.AllocateMisses, &list.TotalFrees, &list.FreeMisses] {
        counter.store(0, Ordering::Relaxed);
    }
    list.Type.set(parameters.pool_type);
    list.Tag.set(parameters.tag);
    list.Size.set(size);
    list.Allocate.set(parameters.allocate);
    list.Free.set(parameters.free);
    initialize_list(&list.ListEntry);
    list.LastTotalAllocates.set(0);
    list.LastAllocateMisses.set(0);
    NtStatus::SUCCESS
}

/// Takes an entry from the list, or else from `Allocate`; 0 when there is none.
///
/// Source:  ExAllocateFromNPagedLookasideList, ExAllocateFromPagedLookasideList; IO-56
/// IRQL:    <= DISPATCH_LEVEL, paged lists <= APC_LEVEL
pub fn allocate(list: &GENERAL_LOOKASIDE) -> Result<usize, Raise> {
    list.TotalAllocates.fetch_add(1, Ordering::Relaxed);
    match slist::pop(&list.ListHead)? {
        0 => {
            list.AllocateMisses.fetch_add(1, Ordering::Relaxed);
            let arguments =
                [u64::from(list.Type.get()), u64::from(list.Size.get()), u64::from(list.Tag.get())];
            Ok(boundary::call(list.Allocate.get(), arguments)? as usize)
        }
        entry => Ok(entry),
    }
}

/// Gives an entry to the list, or when that is full to `Free`.
///
/// Source:  ExFreeToNPagedLookasideList, ExFreeToPagedLookasideList; IO-56
pub fn free(list: &GENERAL_LOOKASIDE, entry: usize) -> Result<(), Raise> {
    list.TotalFrees.fetch_add(1, Ordering::Relaxed);
    if slist::depth(&list.ListHead) < list.Depth.get() {
        slist::push(&list.ListHead, entry)?;
    } else {
        list.FreeMisses.fetch_add(1, Ordering::Relaxed);
        boundary::call(list.Free.get(), [entry as u64])?;
    }
    Ok(())
}

/// Frees all entries that the list keeps.
///
/// Source:  ExDeleteNPagedLookasideList, ExDeletePagedLookasideList; IO-56
/// IRQL:    <= DISPATCH_LEVEL, paged lists <= APC_LEVEL
pub fn delete(list: &GENERAL_LOOKASIDE) -> Result<(), Raise> {
    loop {
        match slist::pop(&list.ListHead)? {
            0 => return Ok(()),
            entry => boundary::call(list.Free.get(), [entry as u64])?,
        };
    }
}
