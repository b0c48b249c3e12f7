//! Memory descriptor lists: which page frames a buffer has, and an address for them that is good in every process.
//!
//! ```text
//! initialize ─► probe_and_lock ─► map_locked_pages ─► unlock
//!            └► build_for_nonpaged_pool     (mapped from the start, never unlocked)
//!            └► build_partial ─► prepare_for_reuse
//! ```
//!
//! Memory of the host outside the slot has no frames: its entries are [`NO_FRAME`] and it is its own mapping.
//!
//! UNSAFETY: the page frame array lies directly behind the 0x30 bytes of the structure; whoever initialised the
//! MDL promised room for it, as on Windows.

use std::cell::Cell;

use boundary::Raise;
use boundary::slot::{ALIAS_OFFSET, PAGE_SIZE};
use nt_abi::{IoReadAccess, MDL, NtStatus, bugcheck, mdl_flags};
use nt_ke::{BugCheck, current_core};

use crate::{mm, probe, spanned_pages};

/// Entry of the page frame array for memory that the machine does not own.
pub const NO_FRAME: u64 = u64::MAX;

fn misuse(mdl: &MDL, what: &str) -> Raise {
    current_core().bug_check(BugCheck::new(
        bugcheck::MEMORY_MANAGEMENT,
        [std::ptr::from_ref(mdl) as u64, flags(mdl).into(), 0, 0],
        format!("{what} (MDL {:p}, flags {:#x})", mdl, flags(mdl)),
    ))
}

/// Its flags.
pub fn flags(mdl: &MDL) -> u16 {
    mdl.MdlFlags.get()
}

fn set_flags(mdl: &MDL, set: u16, clear: u16) {
    mdl.MdlFlags.set((flags(mdl) & !clear) | set);
}

/// Bytes of an MDL for a buffer, with its page frame array. Source: MmSizeOfMdl.
pub fn size_of_mdl(address: usize, bytes: usize) -> usize {
    size_of::<MDL>() + spanned_pages(address, bytes) * 8
}

/// Start of the buffer, in the address space that it was described in.
pub fn virtual_address(mdl: &MDL) -> usize {
    mdl.StartVa.get() as usize + mdl.ByteOffset.get() as usize
}

/// Bytes of the buffer.
pub fn byte_count(mdl: &MDL) -> usize {
    mdl.ByteCount.get() as usize
}

/// How many frames it has.
pub fn page_count(mdl: &MDL) -> usize {
    spanned_pages(virtual_address(mdl), byte_count(mdl))
}

/// The page frames. The MDL must have been initialised with room for them.
pub fn frames(mdl: &MDL) -> &[Cell<u64>] {
    let first = (std::ptr::from_ref(mdl) as usize + size_of::<MDL>()) as *const Cell<u64>;
    // SAFETY: `initialize` was called on memory of `size_of_mdl` bytes; cells may be shared with the driver.
    unsafe { std::slice::from_raw_parts(first, page_count(mdl)) }
}

/// The frame that backs `address`, through the machine's addresses or the engine's alias.
pub fn frame_of(address: usize) -> Option<u64> {
    let slot = &current_core().slot;
    if let Some(source) = mm().mapped.source_of(address) {
        return slot.frame_of(source);
    }
    slot.frame_of(address).or_else(|| slot.frame_of(address.wrapping_sub(ALIAS_OFFSET)))
}

/// Describes a buffer. The MDL lies in memory of [`size_of_mdl`] bytes. Source: MmInitializeMdl.
pub fn initialize(mdl: &MDL, address: usize, bytes: usize) {
    mdl.Next.set(std::ptr::null_mut());
    mdl.Size.set(size_of_mdl(address, bytes) as _);
    mdl.MdlFlags.set(0);
    mdl.Process.set(std::ptr::null_mut());
    mdl.MappedSystemVa.set(std::ptr::null_mut());
    mdl.StartVa.set((address / PAGE_SIZE * PAGE_SIZE) as *mut _);
    mdl.ByteCount.set(bytes as u32);
    mdl.ByteOffset.set((address % PAGE_SIZE) as u32);
}

/// The lower-half address of a user page's frame, for its lock counter.
fn user_address(frame: u64) -> Option<usize> {
    let slot = &current_core().slot;
    let address = slot.base().checked_add(usize::try_from(frame).ok()?.checked_mul(PAGE_SIZE)?)?;
    slot.is_user(address).then_some(address)
}

fn fill_frames(mdl: &MDL) -> bool {
    let start = mdl.StartVa.get() as usize;
    let mut all = true;
    for (index, frame) in frames(mdl).iter().enumerate() {
        let found = frame_of(start + index * PAGE_SIZE);
        all &= found.is_some();
        frame.set(found.unwrap_or(NO_FRAME));
    }
    all
}

/// Checks that the buffer can be used for `operation` and locks its pages.
///
/// Source:  MmProbeAndLockPages; IO-33, IO-34
/// IRQL:    <= APC_LEVEL for user addresses, else <= DISPATCH_LEVEL
/// Errors:  raises ACCESS_VIOLATION; locking twice, or a pool MDL, is a bug check
pub fn probe_and_lock_pages(mdl: &MDL, user_mode: bool, operation: u32) -> Result<(), Raise> {
    if flags(mdl)
        & (mdl_flags::MDL_PAGES_LOCKED | mdl_flags::MDL_SOURCE_IS_NONPAGED_POOL | mdl_flags::MDL_PARTIAL)
        != 0
    {
        return Err(misuse(
            mdl,
            "pages were locked through an MDL that is locked, partial, or of nonpaged pool",
        ));
    }
    let (address, bytes) = (virtual_address(mdl), byte_count(mdl));
    if address.checked_add(bytes).is_none() {
        return Err(Raise::Status(NtStatus::ACCESS_VIOLATION));
    }
    if user_mode {
        probe::probe_for_read(address, bytes, 1)?;
    }
    probe::touch(address, bytes, operation != IoReadAccess)?;
    // Good at DISPATCH_LEVEL from now on, wherever it lies. It is not watched again when it is unlocked.
    current_core().lock_pageable(address, bytes);
    let all_known = fill_frames(mdl);
    let mut set = mdl_flags::MDL_PAGES_LOCKED;
    if operation != IoReadAccess {
        set |= mdl_flags::MDL_WRITE_OPERATION;
    }
    if all_known {
        for frame in frames(mdl) {
            if let Some(page) = user_address(frame.get()) {
                mm().user_area().lock_page(page);
            }
        }
    } else {
        mdl.MappedSystemVa.set(address as *mut _);
        set |= mdl_flags::MDL_MAPPED_TO_SYSTEM_VA;
    }
    set_flags(mdl, set, 0);
    Ok(())
}

/// Unlocks what [`probe_and_lock_pages`] locked, and ends its mapping.
///
/// Source:  MmUnlockPages; IO-36
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  an MDL that is not locked, or of nonpaged pool, is a bug check
pub fn unlock_pages(mdl: &MDL) -> Result<(), Raise> {
    if flags(mdl) & mdl_flags::MDL_PAGES_LOCKED == 0
        || flags(mdl) & mdl_flags::MDL_SOURCE_IS_NONPAGED_POOL != 0
    {
        return Err(misuse(mdl, "pages were unlocked through an MDL that does not lock any"));
    }
    for frame in frames(mdl) {
        if let Some(page) = user_address(frame.get()) {
            mm().user_area().unlock_page(page);
        }
    }
    mdl.MappedSystemVa.set(std::ptr::null_mut());
    set_flags(
        mdl,
        0,
        mdl_flags::MDL_PAGES_LOCKED | mdl_flags::MDL_MAPPED_TO_SYSTEM_VA | mdl_flags::MDL_WRITE_OPERATION,
    );
    Ok(())
}

/// A kernel address of the buffer: kernel addresses map to themselves, user pages to the engine's alias.
///
/// Source:  MmGetSystemAddressForMdlSafe, MmMapLockedPagesSpecifyCache with KernelMode; IO-35
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  an MDL without locked pages is a bug check
pub fn map_locked_pages(mdl: &MDL) -> Result<usize, Raise> {
    if flags(mdl) & (mdl_flags::MDL_MAPPED_TO_SYSTEM_VA | mdl_flags::MDL_SOURCE_IS_NONPAGED_POOL) != 0 {
        return Ok(mdl.MappedSystemVa.get() as usize);
    }
    if flags(mdl) & (mdl_flags::MDL_PAGES_LOCKED | mdl_flags::MDL_PARTIAL) == 0 {
        return Err(misuse(mdl, "a system address was asked of an MDL whose pages are not locked"));
    }
    let address = match frames(mdl).first().map(Cell::get) {
        Some(frame) if user_address(frame).is_some() => {
            current_core().slot.frame_alias(frame) + mdl.ByteOffset.get() as usize
        }
        _ => virtual_address(mdl),
    };
    mdl.MappedSystemVa.set(address as *mut _);
    let partial =
        if flags(mdl) & mdl_flags::MDL_PARTIAL != 0 { mdl_flags::MDL_PARTIAL_HAS_BEEN_MAPPED } else { 0 };
    set_flags(mdl, mdl_flags::MDL_MAPPED_TO_SYSTEM_VA | partial, 0);
    Ok(address)
}

/// A user-mode address of the buffer: good for pages that have one already.
///
/// Source:  MmMapLockedPagesSpecifyCache with UserMode
/// Errors:  NOT_SUPPORTED for kernel pages: a second view of them in the user part is not there
pub fn map_locked_pages_user(mdl: &MDL) -> Result<usize, NtStatus> {
    let address = virtual_address(mdl);
    if current_core().slot.is_user(address) { Ok(address) } else { Err(NtStatus::NOT_SUPPORTED) }
}

/// Ends a mapping. Mappings cost nothing here, so the pages stay reachable until they are unlocked.
///
/// Source:  MmUnmapLockedPages
/// Errors:  an address that is not the mapping's is a bug check
pub fn unmap_locked_pages(mdl: &MDL, address: usize) -> Result<(), Raise> {
    if flags(mdl) & mdl_flags::MDL_SOURCE_IS_NONPAGED_POOL != 0
        || mdl.MappedSystemVa.get() as usize != address
    {
        return Err(misuse(mdl, "an address was unmapped that is no mapping of this MDL"));
    }
    mdl.MappedSystemVa.set(std::ptr::null_mut());
    set_flags(mdl, 0, mdl_flags::MDL_MAPPED_TO_SYSTEM_VA | mdl_flags::MDL_PARTIAL_HAS_BEEN_MAPPED);
    Ok(())
}

/// Fills the frames of memory that never moves. It is mapped from now on and is never locked.
///
/// Source:  MmBuildMdlForNonPagedPool; IO-33
/// IRQL:    <= DISPATCH_LEVEL
pub fn build_for_nonpaged_pool(mdl: &MDL) {
    fill_frames(mdl);
    mdl.MappedSystemVa.set(virtual_address(mdl) as *mut _);
    set_flags(mdl, mdl_flags::MDL_SOURCE_IS_NONPAGED_POOL, 0);
}

/// Fills the frames of kernel pages that their owner keeps where they are, and says that they are locked.
///
/// Source:  the MDLs of paging I/O and of the cache manager; IO-33
/// IRQL:    <= DISPATCH_LEVEL
pub fn lock_resident(mdl: &MDL, written: bool) {
    fill_frames(mdl);
    let write = if written { mdl_flags::MDL_WRITE_OPERATION } else { 0 };
    set_flags(mdl, mdl_flags::MDL_PAGES_LOCKED | write, 0);
}

/// Describes `bytes` bytes (0: all that follow) from `address` on, which lie inside the buffer of `source`.
///
/// Source:  IoBuildPartialMdl
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  a range outside the source, or a target without room, is a bug check
pub fn build_partial(source: &MDL, target: &MDL, address: usize, bytes: usize) -> Result<(), Raise> {
    let start = virtual_address(source);
    let end = start + byte_count(source);
    let bytes = if bytes == 0 { end.saturating_sub(address) } else { bytes };
    if address < start || address.checked_add(bytes).is_none_or(|last| last > end) {
        return Err(misuse(source, "a partial MDL was built outside the buffer of its source"));
    }
    let room = target.Size.get() as usize;
    if room < size_of_mdl(address, bytes) {
        return Err(misuse(target, "a partial MDL has no room for the frames of its part"));
    }
    let next = target.Next.get();
    let fixed = flags(target) & mdl_flags::MDL_ALLOCATED_FIXED_SIZE;
    initialize(target, address, bytes);
    target.Size.set(room as _);
    target.Next.set(next);
    target.Process.set(source.Process.get());
    let skipped = (address / PAGE_SIZE) - (start / PAGE_SIZE);
    for (to, from) in frames(target).iter().zip(&frames(source)[skipped..]) {
        to.set(from.get());
    }
    let mapped =
        flags(source) & (mdl_flags::MDL_MAPPED_TO_SYSTEM_VA | mdl_flags::MDL_SOURCE_IS_NONPAGED_POOL);
    if mapped != 0 {
        target.MappedSystemVa.set((source.MappedSystemVa.get() as usize + (address - start)) as *mut _);
    }
    set_flags(target, mapped | mdl_flags::MDL_PARTIAL | fixed, 0);
    Ok(())
}

/// Makes an MDL ready to describe something else. Source: MmPrepareMdlForReuse.
pub fn prepare_for_reuse(mdl: &MDL) {
    if flags(mdl) & mdl_flags::MDL_PARTIAL_HAS_BEEN_MAPPED != 0 {
        mdl.MappedSystemVa.set(std::ptr::null_mut());
        set_flags(mdl, 0, mdl_flags::MDL_MAPPED_TO_SYSTEM_VA | mdl_flags::MDL_PARTIAL_HAS_BEEN_MAPPED);
    }
}
