//! `RTL_GENERIC_TABLE`: a splay tree whose elements also stand in a list in the order of their insertion.

use boundary::{Raise, copy};
use nt_abi::{LIST_ENTRY, NativeFn, NtStatus, RTL_GENERIC_TABLE};

use super::{Search, links, search, splay};

/// Bytes before an element's data: splay links and an entry of the list.
pub const HEADER: usize = 0x28;
/// Where in an element its entry of the list is.
const ENTRY: usize = 0x18;

/// Prepares a table. Source: RtlInitializeGenericTable
pub fn initialize(
    table: &RTL_GENERIC_TABLE,
    compare: NativeFn,
    allocate: NativeFn,
    free: NativeFn,
    context: usize,
) {
    table.TableRoot.set(std::ptr::null_mut());
    nt_ex::list::initialize(&table.InsertOrderList);
    table.NumberGenericTableElements.set(0);
    forget_place(table);
    table.CompareRoutine.set(compare);
    table.AllocateRoutine.set(allocate);
    table.FreeRoutine.set(free);
    table.TableContext.set(context as *mut _);
}

fn address(table: &RTL_GENERIC_TABLE) -> usize {
    std::ptr::from_ref(table) as usize
}

fn root(table: &RTL_GENERIC_TABLE) -> usize {
    table.TableRoot.get() as usize
}

fn set_root(table: &RTL_GENERIC_TABLE, root: usize) {
    table.TableRoot.set(root as *mut _);
}

fn splayed(table: &RTL_GENERIC_TABLE, node: usize) -> Result<(), Raise> {
    set_root(table, splay::splay(node)?);
    Ok(())
}

/// The ordered pointer stands at the head of the list: before the first element.
fn forget_place(table: &RTL_GENERIC_TABLE) {
    table.WhichOrderedElement.set(0);
    table.OrderedPointer.set(std::ptr::from_ref(&table.InsertOrderList).cast_mut());
}

fn raise(_: copy::BadAddress) -> Raise {
    Raise::Status(NtStatus::ACCESS_VIOLATION)
}

/// Where data like `wanted` is or would go. Splays nothing.
pub fn find(table: &RTL_GENERIC_TABLE, wanted: usize) -> Result<Search, Raise> {
    search(address(table), root(table), table.CompareRoutine.get(), wanted, HEADER)
}

/// Inserts a copy of `bytes` bytes at `data`, unless there is an element like it.
///
/// Source:  RtlInsertElementGenericTable
/// Returns: the element's data, 0 when the driver's allocate routine has none; whether it is new
pub fn insert(table: &RTL_GENERIC_TABLE, data: usize, bytes: u32) -> Result<(usize, bool), Raise> {
    let place = find(table, data)?;
    insert_at(table, data, bytes, place)
}

/// The same at a place that [`find`] has found. Source: RtlInsertElementGenericTableFull
pub fn insert_at(
    table: &RTL_GENERIC_TABLE,
    data: usize,
    bytes: u32,
    place: Search,
) -> Result<(usize, bool), Raise> {
    let (node, new) = match place {
        Search::Found(node) => (node, false),
        _ => match make(table, data, bytes, place)? {
            0 => return Ok((0, false)),
            node => (node, true),
        },
    };
    splayed(table, node)?;
    Ok((node + HEADER, new))
}

fn make(table: &RTL_GENERIC_TABLE, data: usize, bytes: u32, place: Search) -> Result<usize, Raise> {
    let size = (HEADER as u64 + u64::from(bytes)) as u32;
    let node =
        boundary::call(table.AllocateRoutine.get(), [address(table) as u64, u64::from(size)])? as usize;
    if node == 0 {
        return Ok(0);
    }
    splay::initialize(node)?;
    list_insert_tail(&table.InsertOrderList, node + ENTRY)?;
    table.NumberGenericTableElements.set(table.NumberGenericTableElements.get() + 1);
    copy::copy(node + HEADER, data, bytes as usize).map_err(raise)?;
    match place {
        Search::Left(parent) => links::link(parent, links::LEFT, node)?,
        Search::Right(parent) => links::link(parent, links::RIGHT, node)?,
        Search::Empty | Search::Found(_) => set_root(table, node),
    }
    Ok(node)
}

fn list_insert_tail(head: &LIST_ENTRY, entry: usize) -> Result<(), Raise> {
    let start = std::ptr::from_ref(head) as usize;
    let last = links::get(start, 8)?;
    links::set(entry, 0, start)?;
    links::set(entry, 8, last)?;
    links::set(last, 0, entry)?;
    links::set(start, 8, entry)
}

fn list_remove(entry: usize) -> Result<(), Raise> {
    let (next, before) = (links::get(entry, 0)?, links::get(entry, 8)?);
    links::set(before, 0, next)?;
    links::set(next, 8, before)
}

/// Takes out the element like `wanted` and has the driver free it. Whether there was one.
///
/// Source: RtlDeleteElementGenericTable
pub fn delete(table: &RTL_GENERIC_TABLE, wanted: usize) -> Result<bool, Raise> {
    let Search::Found(node) = find(table, wanted)? else { return Ok(false) };
    set_root(table, splay::delete(node)?);
    list_remove(node + ENTRY)?;
    table.NumberGenericTableElements.set(table.NumberGenericTableElements.get() - 1);
    forget_place(table);
    boundary::call(table.FreeRoutine.get(), [address(table) as u64, node as u64])?;
    Ok(true)
}

/// The data of the element like `wanted`, or 0; and where the search ended. Splays what it met last.
///
/// Source: RtlLookupElementGenericTable, RtlLookupElementGenericTableFull
pub fn lookup(table: &RTL_GENERIC_TABLE, wanted: usize) -> Result<(usize, Search), Raise> {
    let place = find(table, wanted)?;
    Ok(match place {
        Search::Empty => (0, place),
        Search::Left(node) | Search::Right(node) => {
            splayed(table, node)?;
            (0, place)
        }
        Search::Found(node) => {
            splayed(table, node)?;
            (node + HEADER, place)
        }
    })
}

/// The next element in order, or 0; the first after `restart`. Splays it.
///
/// Source: RtlEnumerateGenericTable
pub fn enumerate(table: &RTL_GENERIC_TABLE, restart: bool) -> Result<usize, Raise> {
    let top = root(table);
    if top == 0 {
        return Ok(0);
    }
    // The element of the call before is the root, as long as nothing else was asked meanwhile.
    let node = if restart { links::extreme(top, links::LEFT)? } else { splay::successor(top)? };
    if node == 0 {
        return Ok(0);
    }
    splayed(table, node)?;
    Ok(node + HEADER)
}

/// The element in order behind `key` (0: the first), as new key and data; `None` behind the last.
///
/// Source: RtlEnumerateGenericTableWithoutSplaying
pub fn enumerate_without_splaying(
    table: &RTL_GENERIC_TABLE,
    key: usize,
) -> Result<Option<(usize, usize)>, Raise> {
    let node = match (root(table), key) {
        (0, _) => 0,
        (top, 0) => links::extreme(top, links::LEFT)?,
        (_, key) => splay::successor(key)?,
    };
    Ok((node != 0).then_some((node, node + HEADER)))
}

/// The data of the element that was inserted as number `index`, not counting deleted ones; 0 when there is none.
///
/// Source: RtlGetElementGenericTable
pub fn element(table: &RTL_GENERIC_TABLE, index: u32) -> Result<usize, Raise> {
    let count = table.NumberGenericTableElements.get();
    if index >= count {
        return Ok(0);
    }
    let head = std::ptr::from_ref(&table.InsertOrderList) as usize;
    let wanted = index + 1;
    let (mut entry, mut place) = (table.OrderedPointer.get() as usize, table.WhichOrderedElement.get());
    if wanted < place / 2 {
        (entry, place) = (head, 0);
    } else if wanted > place && count - wanted < wanted - place {
        (entry, place) = (head, count + 1);
    }
    while place != wanted {
        let forward = place < wanted;
        entry = links::get(entry, if forward { 0 } else { 8 })?;
        place = if forward { place + 1 } else { place - 1 };
    }
    table.OrderedPointer.set(entry as *mut _);
    table.WhichOrderedElement.set(wanted);
    Ok(entry - ENTRY + HEADER)
}
