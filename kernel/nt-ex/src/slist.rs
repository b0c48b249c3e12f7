//! Interlocked singly linked lists: `SLIST_HEADER`, changed by one 16-byte compare and exchange.
//!
//! ```text
//! low word:   bits 0..16 depth, 16..64 sequence        high word: bits 4..64 address of the first entry, 0 flags
//! ```
//!
//! Drivers change the same header through inline code and these exports alike, so the format is Windows'.
//!
//! UNSAFETY: the exchange itself. Entries are read and written through fault-safe copies, since another
//! processor may take and free the first one at any time.

use std::arch::asm;
use std::ptr::from_ref;
use std::sync::atomic::Ordering;

use boundary::{Raise, copy};
use nt_abi::{SLIST_HEADER, bugcheck};
use nt_ke::{BugCheck, current_core};

const FLAGS: u64 = 0xF;
const DEPTH: u64 = 0xFFFF;
/// One step of the sequence, which makes each change a different header.
const STEP: u64 = 1 << 16;

/// Puts `new` if the header is `old`. Returns whether it did.
fn exchange(list: &SLIST_HEADER, old: (u64, u64), new: (u64, u64)) -> bool {
    let high: u64;
    // SAFETY: the header is 16 aligned bytes of atomics; rbx, which the compiler keeps for itself, is put back.
    unsafe {
        asm!(
            "xchg rsi, rbx",
            "lock cmpxchg16b xmmword ptr [rdi]",
            "mov rbx, rsi",
            "sete cl",
            "movzx ecx, cl",
            in("rdi") from_ref(list),
            inout("rsi") new.0 => _,
            inout("rcx") new.1 => high,
            inout("rax") old.0 => _,
            inout("rdx") old.1 => _,
            options(nostack),
        );
    }
    high != 0
}

fn load(list: &SLIST_HEADER) -> (u64, u64) {
    // A torn pair is no harm: the exchange fails then.
    (list.Alignment.load(Ordering::Acquire), list.Region.load(Ordering::Acquire))
}

fn bad(list: &SLIST_HEADER, entry: u64, what: &str) -> Raise {
    current_core().bug_check(BugCheck::new(
        bugcheck::KERNEL_SECURITY_CHECK_FAILURE,
        [3, from_ref(list) as u64, entry, 0],
        format!("{what} (list {list:p}, entry {entry:#x})"),
    ))
}

/// Makes the list empty. Source: InitializeSListHead.
pub fn initialize(list: &SLIST_HEADER) {
    list.Alignment.store(0, Ordering::Relaxed);
    list.Region.store(1, Ordering::Release);
}

/// Pushes the entry at `entry`, a multiple of 16. Returns the first entry before, or 0.
///
/// Source:  ExpInterlockedPushEntrySList
/// IRQL:    any
/// Errors:  an entry that cannot be written or is not aligned is a bug check
pub fn push(list: &SLIST_HEADER, entry: usize) -> Result<usize, Raise> {
    if entry as u64 & FLAGS != 0 {
        return Err(bad(list, entry as u64, "an entry of an interlocked list is not 16-byte aligned"));
    }
    loop {
        let old = load(list);
        let first = old.1 & !FLAGS;
        copy::write_value(entry, first)
            .map_err(|_| bad(list, entry as u64, "an entry of an interlocked list cannot be written"))?;
        let depth = (old.0 + 1) & DEPTH;
        let new = ((old.0 & !DEPTH).wrapping_add(STEP) | depth, entry as u64 | (old.1 & FLAGS));
        if exchange(list, old, new) {
            return Ok(first as usize);
        }
    }
}

/// Takes the first entry; 0 when there is none.
///
/// Source:  ExpInterlockedPopEntrySList
/// IRQL:    any
/// Errors:  a first entry that cannot be read is a bug check
pub fn pop(list: &SLIST_HEADER) -> Result<usize, Raise> {
    loop {
        let old = load(list);
        let first = old.1 & !FLAGS;
        if first == 0 {
            return Ok(0);
        }
        let next = match copy::read_value::<u64>(first as usize) {
            Ok(next) => next & !FLAGS,
            // Somebody took it and freed it meanwhile, or it was never good.
            Err(_) if load(list) != old => continue,
            Err(_) => return Err(bad(list, first, "the first entry of an interlocked list cannot be read")),
        };
        let depth = old.0.wrapping_sub(1) & DEPTH;
        let new = ((old.0 & !DEPTH).wrapping_add(STEP) | depth, next | (old.1 & FLAGS));
        if exchange(list, old, new) {
            return Ok(first as usize);
        }
    }
}

/// Takes all entries: the first one, which leads to the others. Source: ExpInterlockedFlushSList.
pub fn flush(list: &SLIST_HEADER) -> usize {
    loop {
        let old = load(list);
        let new = ((old.0 & !DEPTH).wrapping_add(STEP), old.1 & FLAGS);
        if old.1 & !FLAGS == 0 || exchange(list, old, new) {
            return (old.1 & !FLAGS) as usize;
        }
    }
}

/// How many entries it has, modulo 65,536. Source: ExQueryDepthSList.
pub fn depth(list: &SLIST_HEADER) -> u16 {
    list.Alignment.load(Ordering::Relaxed) as u16
}
