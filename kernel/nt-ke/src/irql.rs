//! IRQL of the current thread, and the virtual processor that DISPATCH_LEVEL claims.

use std::sync::atomic::Ordering;

use boundary::ProcessorBlock;
use nt_abi::irql::DISPATCH_LEVEL;

use crate::core::{Core, core_of};

/// The current thread's IRQL.
#[inline]
pub fn current() -> u8 {
    boundary::current().irql.get()
}

/// Raises to `new` and returns the old IRQL. Source: EXEC-43 (`new` below the current one is a bug).
pub fn raise(new: u8) -> u8 {
    let block = boundary::current();
    let old = block.irql.get();
    set(core_of(block), block, new.max(old));
    old
}

/// Lowers to `new` and delivers the APCs that waited for it.
pub fn lower(new: u8) {
    let block = boundary::current();
    set(core_of(block), block, new);
    // A `Stop` is seen at the next kernel call as well.
    let _ = crate::apc::deliver();
}

/// Sets the IRQL, claiming a processor on the way to DISPATCH_LEVEL and giving it back on the way down.
pub(crate) fn set(core: &Core, block: &ProcessorBlock, new: u8) {
    let claimed = block.claimed.get() != 0;
    if new >= DISPATCH_LEVEL && !claimed {
        let number = claim(core, block);
        block.number.set(number);
        block.claimed.set(1);
        core.pageable.close(core);
    } else if new < DISPATCH_LEVEL && claimed {
        block.claimed.set(0);
        core.free_processors.fetch_or(1 << block.number.get(), Ordering::Release);
        settle(block);
    }
    block.irql.set(new);
}

/// Puts a thread below DISPATCH_LEVEL onto the first processor that it asked for.
pub(crate) fn settle(block: &ProcessorBlock) {
    let wanted = block.affinity.get();
    if wanted != 0 {
        block.number.set(wanted.trailing_zeros());
    }
}

/// Claims a free processor, one of those that the thread asked for.
fn claim(core: &Core, block: &ProcessorBlock) -> u32 {
    let wanted = match block.affinity.get() {
        0 => u64::MAX,
        wanted => wanted,
    };
    loop {
        let free = core.free_processors.load(Ordering::Relaxed);
        if free & wanted != 0 {
            let number = (free & wanted).trailing_zeros();
            if core
                .free_processors
                .compare_exchange_weak(free, free & !(1 << number), Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
            {
                return number;
            }
        } else if core.stopping() {
            return 0;
        } else {
            core.scheduler().pause();
        }
    }
}
