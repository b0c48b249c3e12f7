//! Doubly linked lists in drivers' memory, plain and under a spin lock.
//!
//! A corrupt list ends the machine, as the inline list macros of newer headers do (`int 29h`, code 3).
//!
//! UNSAFETY: follows links that drivers may have damaged; both neighbours are read through fault-safe copies
//! and compared before anything is written.

use std::ptr::from_ref;
use std::sync::atomic::AtomicUsize;

use boundary::{Raise, copy};
use nt_abi::irql::DISPATCH_LEVEL;
use nt_abi::{LIST_ENTRY, bugcheck};
use nt_ke::{BugCheck, current_core, irql, spinlock};

const FLINK: usize = 0;
const BLINK: usize = 8;

fn corrupt(entry: usize) -> Raise {
    current_core().bug_check(BugCheck::new(
        bugcheck::KERNEL_SECURITY_CHECK_FAILURE,
        [3, entry as u64, 0, 0],
        format!("the links of the list at {entry:#x} do not fit together: an entry was freed, linked twice or written over"),
    ))
}

fn read(at: usize, link: usize) -> Result<usize, Raise> {
    copy::read_value::<usize>(at + link).map_err(|_| corrupt(at))
}

fn write(at: usize, link: usize, to: usize) -> Result<(), Raise> {
    copy::write_value(at + link, to).map_err(|_| corrupt(at))
}

fn insert_between(entry: usize, before: usize, after: usize) -> Result<(), Raise> {
    if read(before, FLINK)? != after || read(after, BLINK)? != before {
        return Err(corrupt(before));
    }
    write(entry, FLINK, after)?;
    write(entry, BLINK, before)?;
    write(after, BLINK, entry)?;
    write(before, FLINK, entry)
}

/// Makes `head` an empty list.
pub fn initialize(head: &LIST_ENTRY) {
    nt_ke::dispatcher::initialize_list(head);
}

/// Whether nothing is linked to `head`.
pub fn is_empty(head: &LIST_ENTRY) -> bool {
    std::ptr::eq(head.Flink.get(), head)
}

/// Links `entry` first. Returns whether the list was empty.
pub fn insert_head(head: &LIST_ENTRY, entry: &LIST_ENTRY) -> Result<bool, Raise> {
    let (head, entry) = (from_ref(head) as usize, from_ref(entry) as usize);
    let first = read(head, FLINK)?;
    insert_between(entry, head, first)?;
    Ok(first == head)
}

/// Links `entry` last. Returns whether the list was empty.
pub fn insert_tail(head: &LIST_ENTRY, entry: &LIST_ENTRY) -> Result<bool, Raise> {
    let (head, entry) = (from_ref(head) as usize, from_ref(entry) as usize);
    let last = read(head, BLINK)?;
    insert_between(entry, last, head)?;
    Ok(last == head)
}

/// Unlinks `entry`.
pub fn remove(entry: &LIST_ENTRY) -> Result<(), Raise> {
    let entry = from_ref(entry) as usize;
    let (after, before) = (read(entry, FLINK)?, read(entry, BLINK)?);
    if read(before, FLINK)? != entry || read(after, BLINK)? != entry {
        return Err(corrupt(entry));
    }
    write(before, FLINK, after)?;
    write(after, BLINK, before)
}

/// Unlinks the first entry; 0 when there is none.
pub fn remove_head(head: &LIST_ENTRY) -> Result<usize, Raise> {
    let first = head.Flink.get();
    if std::ptr::eq(first, head) {
        return Ok(0);
    }
    let address = first as usize;
    copy::read_value::<usize>(address).map_err(|_| corrupt(address))?;
    // SAFETY: the address was readable just now, and `remove` checks that it is linked.
    remove(unsafe { &*first })?;
    Ok(address)
}

fn locked<R>(lock: &AtomicUsize, f: impl FnOnce() -> Result<R, Raise>) -> Result<R, Raise> {
    let old = irql::raise(DISPATCH_LEVEL);
    let result = spinlock::acquire(lock).and_then(|()| {
        let result = f();
        spinlock::release(lock)?;
        result
    });
    irql::lower(old);
    result
}

/// Links `entry` first under `lock`; the first entry before, 0 when there was none.
///
/// Source:  ExInterlockedInsertHeadList
/// IRQL:    any
pub fn interlocked_insert_head(
    head: &LIST_ENTRY,
    entry: &LIST_ENTRY,
    lock: &AtomicUsize,
) -> Result<usize, Raise> {
    locked(lock, || {
        let first = head.Flink.get() as usize;
        Ok(if insert_head(head, entry)? { 0 } else { first })
    })
}

/// Links `entry` last under `lock`; the last entry before, 0 when there was none.
/// Source: ExInterlockedInsertTailList.
pub fn interlocked_insert_tail(
    head: &LIST_ENTRY,
    entry: &LIST_ENTRY,
    lock: &AtomicUsize,
) -> Result<usize, Raise> {
    locked(lock, || {
        let last = head.Blink.get() as usize;
        Ok(if insert_tail(head, entry)? { 0 } else { last })
    })
}

/// Unlinks the first entry under `lock`; 0 when there is none. Source: ExInterlockedRemoveHeadList.
pub fn interlocked_remove_head(head: &LIST_ENTRY, lock: &AtomicUsize) -> Result<usize, Raise> {
    locked(lock, || remove_head(head))
}
