//! `RTL_AVL_TABLE`: a balanced tree. Its top is the right child of `BalancedRoot`, which is its own parent.

use boundary::{Raise, copy};
use nt_abi::{NativeFn, NtStatus, RTL_AVL_TABLE};

use super::links::{self, LEFT, PARENT, RIGHT, other};
use super::{Search, search, splay};

/// Bytes before an element's data: the balanced links.
pub const HEADER: usize = 0x20;
/// Height of the right side less that of the left.
const BALANCE: usize = 0x18;
/// STATUS_NO_MATCH.
const NO_MATCH: u32 = 0xC000_0272;

/// Prepares a table. Source: RtlInitializeGenericTableAvl
pub fn initialize(
    table: &RTL_AVL_TABLE,
    compare: NativeFn,
    allocate: NativeFn,
    free: NativeFn,
    context: usize,
) {
    let root = &table.BalancedRoot;
    root.Parent.set(std::ptr::from_ref(root).cast_mut());
    root.LeftChild.set(std::ptr::null_mut());
    root.RightChild.set(std::ptr::null_mut());
    root.Balance.set(0);
    table.NumberGenericTableElements.set(0);
    table.DepthOfTree.set(0);
    table.RestartKey.set(std::ptr::null_mut());
    table.DeleteCount.set(0);
    forget_place(table);
    table.CompareRoutine.set(compare);
    table.AllocateRoutine.set(allocate);
    table.FreeRoutine.set(free);
    table.TableContext.set(context as *mut _);
}

fn address(table: &RTL_AVL_TABLE) -> usize {
    std::ptr::from_ref(table) as usize
}

/// The node inside the table that is above the top.
fn above(table: &RTL_AVL_TABLE) -> usize {
    std::ptr::from_ref(&table.BalancedRoot) as usize
}

fn top(table: &RTL_AVL_TABLE) -> usize {
    table.BalancedRoot.RightChild.get() as usize
}

fn forget_place(table: &RTL_AVL_TABLE) {
    table.OrderedPointer.set(std::ptr::null_mut());
    table.WhichOrderedElement.set(0);
}

fn raise(_: copy::BadAddress) -> Raise {
    Raise::Status(NtStatus::ACCESS_VIOLATION)
}

fn balance(node: usize) -> Result<i8, Raise> {
    copy::read_value::<i8>(node + BALANCE).map_err(raise)
}

fn set_balance(node: usize, value: i8) -> Result<(), Raise> {
    copy::write_value(node + BALANCE, value).map_err(raise)
}

/// A side as it counts in a balance.
fn weight(side: usize) -> i8 {
    if side == LEFT { -1 } else { 1 }
}

/// Restores the balance of `node`, which is two too heavy on `side`. Returns the subtree's top and whether it is lower.
fn rebalance(node: usize, side: usize) -> Result<(usize, bool), Raise> {
    let heavy = weight(side);
    let child = links::get(node, side)?;
    let leaning = balance(child)?;
    if leaning == -heavy {
        let middle = links::get(child, other(side))?;
        links::rotate_up(middle)?;
        links::rotate_up(middle)?;
        let inner = balance(middle)?;
        set_balance(node, if inner == heavy { -heavy } else { 0 })?;
        set_balance(child, if inner == -heavy { heavy } else { 0 })?;
        set_balance(middle, 0)?;
        return Ok((middle, true));
    }
    links::rotate_up(child)?;
    if leaning == 0 {
        set_balance(child, -heavy)?;
        set_balance(node, heavy)?;
        return Ok((child, false));
    }
    set_balance(child, 0)?;
    set_balance(node, 0)?;
    Ok((child, true))
}

/// Counts a node in that was hung below `parent` on `side`.
fn grown(table: &RTL_AVL_TABLE, mut parent: usize, mut side: usize) -> Result<(), Raise> {
    while parent != above(table) {
        let heavy = weight(side);
        match balance(parent)? {
            0 => set_balance(parent, heavy)?,
            leaning if leaning == -heavy => return set_balance(parent, 0),
            _ => return rebalance(parent, side).map(|_| ()),
        }
        let node = parent;
        parent = links::get(node, PARENT)?;
        side = if links::get(parent, LEFT)? == node { LEFT } else { RIGHT };
    }
    table.DepthOfTree.set(table.DepthOfTree.get() + 1);
    Ok(())
}

/// Counts a node out that has gone from `parent`'s `side`.
fn shrunk(table: &RTL_AVL_TABLE, mut parent: usize, mut side: usize) -> Result<(), Raise> {
    while parent != above(table) {
        let heavy = weight(side);
        let mut node = parent;
        match balance(parent)? {
            0 => return set_balance(parent, -heavy),
            leaning if leaning == heavy => set_balance(parent, 0)?,
            _ => {
                let (subtree, lower) = rebalance(parent, other(side))?;
                if !lower {
                    return Ok(());
                }
                node = subtree;
            }
        }
        parent = links::get(node, PARENT)?;
        side = if links::get(parent, LEFT)? == node { LEFT } else { RIGHT };
    }
    table.DepthOfTree.set(table.DepthOfTree.get().saturating_sub(1));
    Ok(())
}

/// Takes `node` out of the tree. The other elements stay where they lie.
fn unlink(table: &RTL_AVL_TABLE, node: usize) -> Result<(), Raise> {
    let both = links::get(node, LEFT)? != 0 && links::get(node, RIGHT)? != 0;
    // With two children a neighbour, which has one at most, goes from its place and then takes the node's.
    let from_right = balance(node)? >= 0;
    let leaving =
        if both { links::subtree_neighbour(node, if from_right { RIGHT } else { LEFT })? } else { node };
    let child = links::get(leaving, LEFT)?.max(links::get(leaving, RIGHT)?);
    let parent = links::get(leaving, PARENT)?;
    let side = if links::get(parent, LEFT)? == leaving { LEFT } else { RIGHT };
    links::link(parent, side, child)?;
    shrunk(table, parent, side)?;
    if leaving != node {
        links::link(leaving, LEFT, links::get(node, LEFT)?)?;
        links::link(leaving, RIGHT, links::get(node, RIGHT)?)?;
        set_balance(leaving, balance(node)?)?;
        links::replace(node, leaving)?;
    }
    Ok(())
}

/// Where data like `wanted` is or would go.
pub fn find(table: &RTL_AVL_TABLE, wanted: usize) -> Result<Search, Raise> {
    search(address(table), top(table), table.CompareRoutine.get(), wanted, HEADER)
}

/// Inserts a copy of `bytes` bytes at `data`, unless there is an element like it.
///
/// Source:  RtlInsertElementGenericTableAvl
/// Returns: the element's data, 0 when the driver's allocate routine has none; whether it is new
pub fn insert(table: &RTL_AVL_TABLE, data: usize, bytes: u32) -> Result<(usize, bool), Raise> {
    let place = find(table, data)?;
    insert_at(table, data, bytes, place)
}

/// The same at a place that [`find`] has found. Source: RtlInsertElementGenericTableFullAvl
pub fn insert_at(
    table: &RTL_AVL_TABLE,
    data: usize,
    bytes: u32,
    place: Search,
) -> Result<(usize, bool), Raise> {
    let (parent, side) = match place {
        Search::Found(node) => return Ok((node + HEADER, false)),
        Search::Empty => (above(table), RIGHT),
        Search::Left(parent) => (parent, LEFT),
        Search::Right(parent) => (parent, RIGHT),
    };
    let size = (HEADER as u64 + u64::from(bytes)) as u32;
    let node =
        boundary::call(table.AllocateRoutine.get(), [address(table) as u64, u64::from(size)])? as usize;
    if node == 0 {
        return Ok((0, false));
    }
    copy::fill(node, 0, HEADER).map_err(raise)?;
    copy::copy(node + HEADER, data, bytes as usize).map_err(raise)?;
    links::link(parent, side, node)?;
    table.NumberGenericTableElements.set(table.NumberGenericTableElements.get() + 1);
    forget_place(table);
    grown(table, parent, side)?;
    Ok((node + HEADER, true))
}

/// Takes out the element like `wanted` and has the driver free it. Whether there was one.
///
/// Source: RtlDeleteElementGenericTableAvl
pub fn delete(table: &RTL_AVL_TABLE, wanted: usize) -> Result<bool, Raise> {
    let Search::Found(node) = find(table, wanted)? else { return Ok(false) };
    if table.RestartKey.get() as usize == node {
        // An enumeration under way goes on behind the element before this one.
        table.RestartKey.set(splay::predecessor(node)? as *mut _);
    }
    unlink(table, node)?;
    table.DeleteCount.set(table.DeleteCount.get().wrapping_add(1));
    table.NumberGenericTableElements.set(table.NumberGenericTableElements.get() - 1);
    forget_place(table);
    boundary::call(table.FreeRoutine.get(), [address(table) as u64, node as u64])?;
    Ok(true)
}

/// The data of the element like `wanted`, or 0; and where the search ended.
///
/// Source: RtlLookupElementGenericTableAvl, RtlLookupElementGenericTableFullAvl
pub fn lookup(table: &RTL_AVL_TABLE, wanted: usize) -> Result<(usize, Search), Raise> {
    let place = find(table, wanted)?;
    Ok((if let Search::Found(node) = place { node + HEADER } else { 0 }, place))
}

/// The first in order of several elements that compare equal to `wanted`, as restart key and data.
///
/// Source: RtlLookupFirstMatchingElementGenericTableAvl
pub fn lookup_first(table: &RTL_AVL_TABLE, wanted: usize) -> Result<Option<(usize, usize)>, Raise> {
    let Search::Found(mut node) = find(table, wanted)? else { return Ok(None) };
    loop {
        let before = splay::predecessor(node)?;
        if before == 0 {
            break;
        }
        let arguments = [address(table) as u64, wanted as u64, (before + HEADER) as u64];
        if boundary::call(table.CompareRoutine.get(), arguments)? as u32 <= super::GREATER {
            break;
        }
        node = before;
    }
    Ok(Some((node, node + HEADER)))
}

/// The element in order behind `key` (0: the first), as new key and data; `None` behind the last.
///
/// Source: RtlEnumerateGenericTableWithoutSplayingAvl
pub fn enumerate_without_splaying(
    table: &RTL_AVL_TABLE,
    key: usize,
) -> Result<Option<(usize, usize)>, Raise> {
    let node = match (top(table), key) {
        (0, _) => 0,
        (top, 0) => links::extreme(top, LEFT)?,
        (_, key) => splay::successor(key)?,
    };
    Ok((node != 0).then_some((node, node + HEADER)))
}

/// The next element in order, or 0; the first after `restart`. The key is the table's own.
///
/// Source: RtlEnumerateGenericTableAvl
pub fn enumerate(table: &RTL_AVL_TABLE, restart: bool) -> Result<usize, Raise> {
    let key = if restart { 0 } else { table.RestartKey.get() as usize };
    match enumerate_without_splaying(table, key)? {
        Some((key, data)) => {
            table.RestartKey.set(key as *mut _);
            Ok(data)
        }
        None => Ok(0),
    }
}

/// Where an enumeration like that of a directory stands, kept by the driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectoryPlace {
    /// The element before, or 0.
    pub key: usize,
    /// The table's `DeleteCount` at that time: another one means that the key may be gone.
    pub delete_count: u32,
}

/// The first element from a place on that `matches` (0: all) takes; `advance`: behind that place. When the place is
/// not known, or was lost to a deletion, it is where data like `wanted` is or would be.
///
/// Source: RtlEnumerateGenericTableLikeADirectory
pub fn enumerate_like_a_directory(
    table: &RTL_AVL_TABLE,
    matches: NativeFn,
    match_data: usize,
    advance: bool,
    place: DirectoryPlace,
    wanted: usize,
) -> Result<(usize, DirectoryPlace), Raise> {
    let delete_count = table.DeleteCount.get();
    if top(table) == 0 {
        return Ok((0, DirectoryPlace { key: 0, delete_count }));
    }
    let (mut node, mut advance) = (place.key, advance);
    if node == 0 || place.delete_count != delete_count {
        node = match find(table, wanted)? {
            Search::Found(node) => node,
            elsewhere => {
                advance = false;
                match elsewhere {
                    Search::Left(node) => node,
                    Search::Right(node) => splay::successor(node)?,
                    _ => 0,
                }
            }
        };
    }
    let mut key = node;
    if advance && node != 0 {
        node = splay::successor(node)?;
    }
    while node != 0 {
        key = node;
        let status = match matches.0 {
            0 => 0,
            _ => {
                let arguments = [address(table) as u64, (node + HEADER) as u64, match_data as u64];
                boundary::call(matches, arguments)? as u32
            }
        };
        match status {
            0 => return Ok((node + HEADER, DirectoryPlace { key, delete_count })),
            NO_MATCH => node = splay::successor(node)?,
            _ => break,
        }
    }
    Ok((0, DirectoryPlace { key, delete_count }))
}

/// The data of element number `index` in order; 0 when there is none.
///
/// Source: RtlGetElementGenericTableAvl
pub fn element(table: &RTL_AVL_TABLE, index: u32) -> Result<usize, Raise> {
    let count = table.NumberGenericTableElements.get();
    if index >= count {
        return Ok(0);
    }
    let wanted = index + 1;
    let (mut node, mut place) = (table.OrderedPointer.get() as usize, table.WhichOrderedElement.get());
    if node == 0 || wanted < place / 2 {
        (node, place) = (links::extreme(top(table), LEFT)?, 1);
    }
    if wanted > place && count - wanted < wanted - place {
        (node, place) = (links::extreme(top(table), RIGHT)?, count);
    }
    while place != wanted {
        let forward = place < wanted;
        node = links::neighbour(node, if forward { RIGHT } else { LEFT })?;
        place = if forward { place + 1 } else { place - 1 };
        if node == 0 {
            return Ok(0);
        }
    }
    table.OrderedPointer.set(node as *mut _);
    table.WhichOrderedElement.set(wanted);
    Ok(node + HEADER)
}
