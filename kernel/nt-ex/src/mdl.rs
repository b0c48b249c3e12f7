//! MDLs from pool.

use boundary::Raise;
use nt_abi::{MDL, MDL_PAGES_LOCKED};
use nt_ke::{Finding, current_core};

use crate::pool::{self, PoolKind};

/// Tag of MDLs.
pub const TAG: u32 = u32::from_le_bytes(*b"Mdl ");

/// Allocates an MDL for a buffer and describes it. `None`: no pool, or a buffer of 4 GiB and more.
///
/// Source:  IoAllocateMdl, MmCreateMdl
/// IRQL:    <= DISPATCH_LEVEL
pub fn allocate(address: usize, bytes: usize) -> Option<&'static MDL> {
    u32::try_from(bytes).ok()?;
    let memory = pool::allocate(PoolKind::NonPaged, nt_mm::mdl::size_of_mdl(address, bytes), TAG, true)?;
    Some(describe(memory, address, bytes))
}

/// The same for the engine: it never counts as a driver's leak.
pub fn allocate_engine(address: usize, bytes: usize) -> Option<&'static MDL> {
    u32::try_from(bytes).ok()?;
    let memory = pool::allocate_engine(PoolKind::NonPaged, nt_mm::mdl::size_of_mdl(address, bytes), TAG)?;
    Some(describe(memory, address, bytes))
}

fn describe(memory: std::ptr::NonNull<u8>, address: usize, bytes: usize) -> &'static MDL {
    // SAFETY: fresh, zeroed, aligned memory with room for the structure and its frames.
    let mdl: &'static MDL = unsafe { memory.cast::<MDL>().as_ref() };
    nt_mm::mdl::initialize(mdl, address, bytes);
    mdl
}

/// Frees an MDL, not the ones that it is chained to.
///
/// Source:  IoFreeMdl; IO-36, IO-40
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  as for pool; freeing one that still locks pages is a finding
pub fn free(mdl: &MDL) -> Result<(), Raise> {
    if mdl.MdlFlags.get() as u32 & MDL_PAGES_LOCKED as u32 != 0 {
        current_core().report(Finding::error(
            "IO-40",
            "",
            format!("MDL {mdl:p} was freed while it locks pages: call MmUnlockPages first"),
        ));
    }
    nt_mm::mdl::prepare_for_reuse(mdl);
    pool::free(std::ptr::from_ref(mdl).cast(), None)
}
