//! Mm: MDLs of other processes, parts of MDLs, physical addresses, pageable code.

use boundary::{Raise, export};
use nt_abi::MDL;
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL};
use nt_ke::current_core;
use nt_mm::{mdl, probe};

use crate::argument::{arg, rows, wrong};

rows! { "ntoskrnl.exe", "nt-mm";
    IoBuildPartialMdl done "";
    MmPrepareMdlForReuse done "";
    MmProbeAndLockProcessPages done "processes share one address space; raises ACCESS_VIOLATION";
    MmGetPhysicalAddress partial "0 for memory that no page file would hold: images and stacks of the engine";
    MmIsNonPagedSystemAddressValid partial "whether it can be read";
    MmLockPagableDataSection done "pageable code and data always stay in memory";
    MmLockPagableSectionByHandle done "as MmLockPagableDataSection";
    MmUnlockPagableImageSection done "as MmLockPagableDataSection";
    MmPageEntireDriver done "as MmLockPagableDataSection";
    MmResetDriverPaging done "as MmLockPagableDataSection";
}

const USER_MODE: u8 = 1;

/// Where the driver's image around an address begins.
fn in_image(export: &str, argument: &str, address: usize) -> Result<usize, Raise> {
    let base = nt_ke::subsystem::<driver::Loader>().images().base_of(address);
    base.ok_or_else(|| wrong(export, argument, address as u64, "which lies in no driver"))
}

export! {
    /// Describes a part of what another MDL describes.
    pub fn IoBuildPartialMdl(source: *mut MDL, target: *mut MDL, address: usize, bytes: u32) -> () [irql <= DISPATCH_LEVEL] {
        arg!(IoBuildPartialMdl: source, target);
        mdl::build_partial(source, target, address, bytes as usize)
    }

    /// Makes an MDL ready to describe something else.
    pub fn MmPrepareMdlForReuse(target: *mut MDL) -> () [irql <= DISPATCH_LEVEL] {
        arg!(MmPrepareMdlForReuse: target);
        mdl::prepare_for_reuse(target);
        Ok(())
    }

    /// Checks a buffer of a process and locks its pages.
    pub fn MmProbeAndLockProcessPages(target: *mut MDL, process: usize, mode: u8, operation: u32) -> () [irql <= APC_LEVEL] {
        arg!(MmProbeAndLockProcessPages: target);
        nt_ps::ps_process(process)?;
        let before = nt_ps::ps_attach_process(process);
        let locked = mdl::probe_and_lock_pages(target, mode == USER_MODE, operation);
        nt_ps::ps_detach_process(before);
        locked
    }

    /// Where memory is: the frame of its page and the offset.
    pub fn MmGetPhysicalAddress(address: usize) -> u64 [irql <= HIGH_LEVEL] {
        Ok(mdl::frame_of(address).map_or(0, |frame| frame << 12 | (address & 0xFFF) as u64))
    }

    /// Whether an address of the kernel can be read at any level.
    pub fn MmIsNonPagedSystemAddressValid(address: usize) -> bool [irql <= HIGH_LEVEL] {
        Ok(address >= current_core().slot.system_range_start() && probe::is_address_valid(address))
    }

    /// Keeps the section around an address in memory; a handle for it.
    pub fn MmLockPagableDataSection(address: usize) -> usize [irql <= APC_LEVEL] {
        in_image("MmLockPagableDataSection", "AddressWithinSection", address)?;
        current_core().lock_pageable(address, 1);
        Ok(address)
    }

    /// Keeps a section in memory once more.
    pub fn MmLockPagableSectionByHandle(handle: usize) -> () [irql <= APC_LEVEL] {
        in_image("MmLockPagableSectionByHandle", "ImageSectionHandle", handle)?;
        current_core().lock_pageable(handle, 1);
        Ok(())
    }

    /// Lets it be paged out.
    pub fn MmUnlockPagableImageSection(handle: usize) -> () [irql <= APC_LEVEL] {
        in_image("MmUnlockPagableImageSection", "ImageSectionHandle", handle)?;
        current_core().unlock_pageable(handle, 1);
        Ok(())
    }

    /// Lets a whole driver be paged out; where its image begins.
    pub fn MmPageEntireDriver(address: usize) -> usize [irql <= APC_LEVEL] {
        in_image("MmPageEntireDriver", "AddressWithinSection", address)
    }

    /// Puts a driver's sections back to what its image says.
    pub fn MmResetDriverPaging(address: usize) -> () [irql <= APC_LEVEL] {
        in_image("MmResetDriverPaging", "AddressWithinSection", address).map(|_| ())
    }
}
