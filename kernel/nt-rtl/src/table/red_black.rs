//! Red-black trees of drivers: `RTL_RB_TREE` and `RTL_BALANCED_NODE`.
//!
//! ```text
//! tree  Root | Min (the first node; its lowest bit would say that pointers are encoded)
//! node  Left | Right | Parent with the colour in the lowest bit: 1 is red
//! ```
//!
//! The driver walks to the place itself; these routines hang a node there or take one out, and restore the colours:
//! no red node has a red parent, and every way down passes equally many black ones.

use boundary::Raise;
use nt_abi::NtStatus;

use super::links::{get, set};

const LEFT: usize = 0;
const RIGHT: usize = 8;
const PARENT: usize = 0x10;
const RED: usize = 1;
const BITS: usize = 3;
const ROOT: usize = 0;
const MIN: usize = 8;

fn parent(node: usize) -> Result<usize, Raise> {
    Ok(get(node, PARENT)? & !BITS)
}

fn set_parent(node: usize, parent: usize) -> Result<(), Raise> {
    set(node, PARENT, parent | get(node, PARENT)? & BITS)
}

/// Whether it is a red node; where there is none counts as black.
fn is_red(node: usize) -> Result<bool, Raise> {
    Ok(node != 0 && get(node, PARENT)? & RED != 0)
}

fn paint(node: usize, red: bool) -> Result<(), Raise> {
    if node == 0 {
        return Ok(());
    }
    set(node, PARENT, get(node, PARENT)? & !BITS | usize::from(red))
}

fn other(side: usize) -> usize {
    RIGHT - side
}

/// Which child of its parent it is.
fn side_of(node: usize, parent: usize) -> Result<usize, Raise> {
    Ok(if get(parent, LEFT)? == node { LEFT } else { RIGHT })
}

/// Puts `new` (0: nothing) in the place of `old`, whose parent is `above` (0: the tree).
fn replace(tree: usize, above: usize, old: usize, new: usize) -> Result<(), Raise> {
    match above {
        0 => set(tree, ROOT, new)?,
        above => set(above, side_of(old, above)?, new)?,
    }
    if new == 0 { Ok(()) } else { set_parent(new, above) }
}

fn link(above: usize, side: usize, node: usize) -> Result<(), Raise> {
    set(above, side, node)?;
    if node == 0 { Ok(()) } else { set_parent(node, above) }
}

/// Rotates `node` above its parent.
fn rotate_up(tree: usize, node: usize) -> Result<(), Raise> {
    let below = parent(node)?;
    let side = side_of(node, below)?;
    replace(tree, parent(below)?, below, node)?;
    link(below, side, get(node, other(side))?)?;
    link(node, other(side), below)
}

fn refuse_encoded(tree: usize) -> Result<(), Raise> {
    if get(tree, MIN)? & 1 == 0 { Ok(()) } else { Err(Raise::Status(NtStatus::NOT_SUPPORTED)) }
}

/// Hangs `node` below `above` (0: the tree is empty) on its right side or its left.
///
/// Source:  RtlRbInsertNodeEx
/// Errors:  raises NotSupported for a tree with encoded pointers
pub fn insert(tree: usize, above: usize, right: bool, node: usize) -> Result<(), Raise> {
    refuse_encoded(tree)?;
    set(node, LEFT, 0)?;
    set(node, RIGHT, 0)?;
    set(node, PARENT, above | RED)?;
    if above == 0 {
        set(tree, ROOT, node)?;
        set(tree, MIN, node)?;
    } else {
        set(above, if right { RIGHT } else { LEFT }, node)?;
        if !right && get(tree, MIN)? == above {
            set(tree, MIN, node)?;
        }
    }
    let mut node = node;
    loop {
        let mut above = parent(node)?;
        if above == 0 {
            return paint(node, false);
        }
        if !is_red(above)? {
            return Ok(());
        }
        // A red node is not the root, so it has a parent.
        let top = parent(above)?;
        let side = side_of(above, top)?;
        let uncle = get(top, other(side))?;
        if is_red(uncle)? {
            paint(above, false)?;
            paint(uncle, false)?;
            paint(top, true)?;
            node = top;
            continue;
        }
        if side_of(node, above)? != side {
            rotate_up(tree, node)?;
            above = node;
        }
        paint(above, false)?;
        paint(top, true)?;
        return rotate_up(tree, above);
    }
}

/// Takes `node` out. The other nodes stay where they lie.
///
/// Source:  RtlRbRemoveNode
/// Errors:  raises NotSupported for a tree with encoded pointers
pub fn remove(tree: usize, node: usize) -> Result<(), Raise> {
    refuse_encoded(tree)?;
    let (left, right, above) = (get(node, LEFT)?, get(node, RIGHT)?, parent(node)?);
    if get(tree, MIN)? == node {
        let next = if right == 0 { above } else { leftmost(right)? };
        set(tree, MIN, next)?;
    }
    // Below `place` on `side` one black node less is passed, if a black one has gone.
    let (mut place, mut side, went_red);
    if left != 0 && right != 0 {
        let heir = leftmost(right)?;
        went_red = is_red(heir)?;
        (place, side) = if heir == right { (heir, RIGHT) } else { (parent(heir)?, LEFT) };
        if heir != right {
            link(place, LEFT, get(heir, RIGHT)?)?;
            link(heir, RIGHT, right)?;
        }
        replace(tree, above, node, heir)?;
        link(heir, LEFT, left)?;
        paint(heir, is_red(node)?)?;
    } else {
        went_red = is_red(node)?;
        side = if above == 0 { LEFT } else { side_of(node, above)? };
        place = above;
        replace(tree, above, node, left.max(right))?;
    }
    if went_red {
        return Ok(());
    }
    loop {
        let child = if place == 0 { get(tree, ROOT)? } else { get(place, side)? };
        if place == 0 || is_red(child)? {
            return paint(child, false);
        }
        let mut sibling = get(place, other(side))?;
        if is_red(sibling)? {
            paint(sibling, false)?;
            paint(place, true)?;
            rotate_up(tree, sibling)?;
            sibling = get(place, other(side))?;
        }
        let (near, far) = (get(sibling, side)?, get(sibling, other(side))?);
        if !is_red(near)? && !is_red(far)? {
            paint(sibling, true)?;
            let child = place;
            place = parent(child)?;
            side = if place == 0 { LEFT } else { side_of(child, place)? };
            continue;
        }
        if !is_red(far)? {
            paint(near, false)?;
            paint(sibling, true)?;
            rotate_up(tree, near)?;
            sibling = near;
        }
        paint(sibling, is_red(place)?)?;
        paint(place, false)?;
        paint(get(sibling, other(side))?, false)?;
        return rotate_up(tree, sibling);
    }
}

fn leftmost(mut node: usize) -> Result<usize, Raise> {
    loop {
        match get(node, LEFT)? {
            0 => return Ok(node),
            child => node = child,
        }
    }
}
