//! Mm: MDLs, probes, routine addresses.

use boundary::export;
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL, PASSIVE_LEVEL};
use nt_abi::{MDL, NtStatus, UNICODE_STRING};
use nt_mm::{mdl, probe};
use nt_rtl::UnicodeStr;

use crate::argument::{arg, rows};

rows! { "ntoskrnl.exe", "nt-mm";
    MmProbeAndLockPages done "IO-33, IO-34; raises ACCESS_VIOLATION";
    MmUnlockPages done "IO-36";
    MmMapLockedPagesSpecifyCache partial "IO-35; user-mode mappings only of user pages, at their own address";
    MmMapLockedPages partial "as MmMapLockedPagesSpecifyCache";
    MmUnmapLockedPages done "";
    MmBuildMdlForNonPagedPool done "IO-33";
    MmSizeOfMdl done "";
    MmCreateMdl done "";
    MmIsAddressValid done "";
    MmGetSystemRoutineAddress done "answers NULL for what the table does not have";
    MmQuerySystemSize done "a large system";
    MmIsThisAnNtAsSystem done "a workstation";
    ProbeForRead done "raises DATATYPE_MISALIGNMENT, ACCESS_VIOLATION";
    ProbeForWrite done "raises DATATYPE_MISALIGNMENT, ACCESS_VIOLATION";
}

const USER_MODE: u8 = 1;

fn map(mdl: &MDL, mode: u8, requested: usize) -> Result<usize, boundary::Raise> {
    if mode != USER_MODE {
        return mdl::map_locked_pages(mdl);
    }
    match mdl::map_locked_pages_user(mdl) {
        Ok(address) if requested == 0 || requested == address => Ok(address),
        Ok(_) => Err(boundary::Raise::Status(NtStatus::CONFLICTING_ADDRESSES)),
        Err(status) => Err(boundary::Raise::Status(status)),
    }
}

export! {
    /// Checks a buffer and locks its pages. Operation: 0 read, 1 write, 2 both.
    pub fn MmProbeAndLockPages(mdl: *mut MDL, mode: u8, operation: u32) -> () [irql <= DISPATCH_LEVEL] {
        arg!(MmProbeAndLockPages: mdl);
        mdl::probe_and_lock_pages(mdl, mode == USER_MODE, operation)
    }

    /// Unlocks pages.
    pub fn MmUnlockPages(mdl: *mut MDL) -> () [irql <= DISPATCH_LEVEL] {
        arg!(MmUnlockPages: mdl);
        mdl::unlock_pages(mdl)
    }

    /// An address for locked pages.
    pub fn MmMapLockedPagesSpecifyCache(mdl: *mut MDL, mode: u8, _cache: u32, requested: usize, _bug_check: u32,
        _priority: u32) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(MmMapLockedPagesSpecifyCache: mdl);
        map(mdl, mode, requested)
    }

    /// An address for locked pages.
    pub fn MmMapLockedPages(mdl: *mut MDL, mode: u8) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(MmMapLockedPages: mdl);
        map(mdl, mode, 0)
    }

    /// Ends a mapping.
    pub fn MmUnmapLockedPages(address: usize, mdl: *mut MDL) -> () [irql <= DISPATCH_LEVEL] {
        arg!(MmUnmapLockedPages: mdl);
        mdl::unmap_locked_pages(mdl, address)
    }

    /// Describes memory that never moves.
    pub fn MmBuildMdlForNonPagedPool(mdl: *mut MDL) -> () [irql <= DISPATCH_LEVEL] {
        arg!(MmBuildMdlForNonPagedPool: mdl);
        mdl::build_for_nonpaged_pool(mdl);
        Ok(())
    }

    /// Bytes of an MDL.
    pub fn MmSizeOfMdl(address: usize, bytes: usize) -> usize [irql <= HIGH_LEVEL] {
        Ok(mdl::size_of_mdl(address, bytes))
    }

    /// Describes a buffer in given memory, or in new one.
    pub fn MmCreateMdl(memory: *mut MDL, address: usize, bytes: usize) -> usize [irql <= DISPATCH_LEVEL] {
        match crate::argument::optional(memory, "MmCreateMdl", "memory")? {
            Some(mdl) => {
                mdl::initialize(mdl, address, bytes);
                Ok(memory as usize)
            }
            None => Ok(nt_ex::mdl::allocate(address, bytes).map_or(0, |mdl| std::ptr::from_ref(mdl) as usize)),
        }
    }

    /// Whether a read would not fault.
    pub fn MmIsAddressValid(address: usize) -> bool [irql <= DISPATCH_LEVEL] {
        Ok(probe::is_address_valid(address))
    }

    /// Address of an export of the kernel.
    pub fn MmGetSystemRoutineAddress(name: *mut UNICODE_STRING) -> usize [irql <= PASSIVE_LEVEL] {
        arg!(MmGetSystemRoutineAddress: name);
        let units = crate::argument::raised(UnicodeStr(name).units())?;
        Ok(String::from_utf16(&units).ok().and_then(|name| crate::resolve("ntoskrnl.exe", &name)).unwrap_or(0))
    }

    /// How large the system is: 0 small, 1 medium, 2 large.
    pub fn MmQuerySystemSize() -> u32 [irql <= HIGH_LEVEL] {
        Ok(2)
    }

    /// Whether this is a server.
    pub fn MmIsThisAnNtAsSystem() -> bool [irql <= HIGH_LEVEL] {
        Ok(false)
    }

    /// Checks a buffer of a caller.
    pub fn ProbeForRead(address: usize, bytes: usize, alignment: u32) -> () [irql <= APC_LEVEL] {
        probe::probe_for_read(address, bytes, alignment as usize)
    }

    /// Checks a buffer of a caller for writing.
    pub fn ProbeForWrite(address: usize, bytes: usize, alignment: u32) -> () [irql <= APC_LEVEL] {
        probe::probe_for_write(address, bytes, alignment as usize)
    }
}
