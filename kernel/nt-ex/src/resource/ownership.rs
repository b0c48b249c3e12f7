//! Who owns a resource: the entry inside it, and a table from pool when there are several.
//!
//! Entry 0 of the table holds its size; `OwnerCount` stands above two flag bits.
//!
//! UNSAFETY: the table has as many entries as its first one says; this module alone writes either.

use nt_abi::{ERESOURCE, NtStatus, OWNER_ENTRY};

use super::TAG;
use crate::pool::{self, PoolKind};

const FIRST_TABLE: usize = 4;

/// How often the entry's owner holds the resource.
pub(super) fn count(entry: &OWNER_ENTRY) -> u32 {
    entry.TableSize.get() >> 2
}

/// Adds to the count.
pub(super) fn add(entry: &OWNER_ENTRY, by: i32) {
    entry.TableSize.set((count(entry).wrapping_add_signed(by) << 2) | (entry.TableSize.get() & 3));
}

/// Makes the entry nobody's.
pub(super) fn clear(entry: &OWNER_ENTRY) {
    entry.OwnerThread.set(0);
    entry.TableSize.set(0);
}

fn table(resource: &ERESOURCE) -> &[OWNER_ENTRY] {
    let first = resource.OwnerTable.get();
    if first.is_null() {
        return &[];
    }
    // SAFETY: a table in pool that `grow` made; entry 0 is always there.
    let size = unsafe { (*first).TableSize.get() } as usize;
    // SAFETY: `grow` allocated that many entries and wrote the size.
    unsafe { std::slice::from_raw_parts(first, size) }
}

/// The entry of `owner`, if it holds the resource.
pub(super) fn find(resource: &ERESOURCE, owner: usize) -> Option<&OWNER_ENTRY> {
    let mut entries = std::iter::once(&resource.OwnerEntry).chain(table(resource).iter().skip(1));
    entries.find(|entry| entry.OwnerThread.get() == owner && count(entry) != 0)
}

/// A free entry, in a larger table when all are taken.
///
/// Errors: INSUFFICIENT_RESOURCES when the pool is full.
pub(super) fn vacant(resource: &ERESOURCE) -> Result<&OWNER_ENTRY, NtStatus> {
    let free = |entry: &&OWNER_ENTRY| entry.OwnerThread.get() == 0;
    if resource.OwnerEntry.OwnerThread.get() == 0 {
        return Ok(&resource.OwnerEntry);
    }
    if let Some(entry) = table(resource).iter().skip(1).find(free) {
        return Ok(entry);
    }
    grow(resource)?;
    table(resource).iter().skip(1).find(free).ok_or(NtStatus::INSUFFICIENT_RESOURCES)
}

fn grow(resource: &ERESOURCE) -> Result<(), NtStatus> {
    let old = table(resource);
    let size = (old.len() * 2).max(FIRST_TABLE);
    let memory = pool::allocate_engine(PoolKind::NonPaged, size * size_of::<OWNER_ENTRY>(), TAG)
        .ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
    let first = memory.cast::<OWNER_ENTRY>().as_ptr();
    // SAFETY: fresh zeroed memory for `size` entries.
    let new = unsafe { std::slice::from_raw_parts(first.cast_const(), size) };
    for (to, from) in new.iter().zip(old).skip(1) {
        to.OwnerThread.set(from.OwnerThread.get());
        to.TableSize.set(from.TableSize.get());
    }
    new[0].TableSize.set(size as u32);
    let old = resource.OwnerTable.replace(first);
    if !old.is_null() {
        // A block of this module's own: if a driver damaged it, the bug check is recorded.
        let _ = pool::free(old.cast(), None);
    }
    Ok(())
}

/// Writes what `from` holds down under `to` and returns how much that is; `None` when it holds nothing.
pub(super) fn rename(resource: &ERESOURCE, from: usize, to: usize) -> Option<u32> {
    let entry = find(resource, from)?;
    let moved = count(entry);
    match find(resource, to) {
        Some(known) => {
            add(known, moved as i32);
            clear(entry);
            resource.ActiveCount.set(resource.ActiveCount.get() - 1);
            resource.ActiveEntries.set(resource.ActiveEntries.get() - 1);
        }
        None => entry.OwnerThread.set(to),
    }
    Some(moved)
}

/// Who holds the resource, and how often.
pub(super) fn owners(resource: &ERESOURCE) -> Vec<(usize, u32)> {
    std::iter::once(&resource.OwnerEntry)
        .chain(table(resource).iter().skip(1))
        .filter(|entry| count(entry) != 0)
        .map(|entry| (entry.OwnerThread.get(), count(entry)))
        .collect()
}

/// Makes all entries nobody's, keeping the table.
pub(super) fn clear_table(resource: &ERESOURCE) {
    for entry in table(resource).iter().skip(1) {
        clear(entry);
    }
}
