//! MDLs of IRPs.

use nt_abi::{IRP, MDL, MDL_PAGES_LOCKED};
use nt_ke::Raise;

use crate::pointer::{at, pointer};

/// An MDL for a buffer, and a place for it in `irp`: as its first, or at the end of its chain.
///
/// Source:  IoAllocateMdl; IO-31
/// IRQL:    <= DISPATCH_LEVEL
/// Returns: `None` when there is no memory or the buffer is too long
pub fn io_allocate_mdl(
    address: usize,
    length: u32,
    secondary: bool,
    irp: Option<&IRP>,
) -> Option<&'static MDL> {
    let mdl = nt_ex::mdl::allocate(address, length as usize)?;
    if let Some(irp) = irp {
        if secondary {
            let mut last = &irp.MdlAddress;
            while let Some(next) = at(last.get()) {
                last = &next.Next;
            }
            last.set(pointer(mdl));
        } else {
            irp.MdlAddress.set(pointer(mdl));
        }
    }
    Some(mdl)
}

/// Frees an MDL. Source: IoFreeMdl; IO-36, IO-40.
pub fn io_free_mdl(mdl: &MDL) -> Result<(), Raise> {
    nt_ex::mdl::free(mdl)
}

/// Unlocks and frees the MDLs of an IRP.
pub(crate) fn free_chain(irp: &IRP) -> Result<(), Raise> {
    let mut next = at(irp.MdlAddress.replace(std::ptr::null_mut()));
    while let Some(mdl) = next {
        next = at(mdl.Next.get());
        if mdl.MdlFlags.get() as u32 & MDL_PAGES_LOCKED as u32 != 0 {
            nt_mm::mdl::unlock_pages(mdl)?;
        }
        nt_ex::mdl::free(mdl)?;
    }
    Ok(())
}
