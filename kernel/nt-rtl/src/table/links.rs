//! The links of tree nodes, read and written where they lie.
//!
//! A node is the address of its `RTL_SPLAY_LINKS` or `RTL_BALANCED_LINKS`, which begin alike. The parent of a splay
//! tree's root is the root; the root of an AVL table is the right child of a node inside the table, which is its own
//! parent. Links that cannot be read or written end the machine: an element was freed or written over.

use boundary::{Raise, copy};
use nt_abi::bugcheck;
use nt_ke::{BugCheck, current_core};

pub(crate) const PARENT: usize = 0;
pub(crate) const LEFT: usize = 8;
pub(crate) const RIGHT: usize = 16;

fn corrupt(node: usize) -> Raise {
    current_core().bug_check(BugCheck::new(
        bugcheck::KERNEL_SECURITY_CHECK_FAILURE,
        [3, node as u64, boundary::caller_address() as u64, 0],
        format!(
            "the links of the tree node at {node:#x} cannot be used: its element was freed while it was in the table, or written over"
        ),
    ))
}

pub(crate) fn get(node: usize, link: usize) -> Result<usize, Raise> {
    copy::read_value::<usize>(node.wrapping_add(link)).map_err(|_| corrupt(node))
}

pub(crate) fn set(node: usize, link: usize, to: usize) -> Result<(), Raise> {
    copy::write_value(node.wrapping_add(link), to).map_err(|_| corrupt(node))
}

/// The other side.
pub(crate) fn other(side: usize) -> usize {
    LEFT + RIGHT - side
}

/// Which child of `parent` it is; `None` for a root that is its own parent.
pub(crate) fn side_of(node: usize, parent: usize) -> Result<Option<usize>, Raise> {
    Ok(if get(parent, LEFT)? == node {
        Some(LEFT)
    } else if get(parent, RIGHT)? == node {
        Some(RIGHT)
    } else {
        None
    })
}

/// Makes `child` (0: none) the child of `parent` on a side.
pub(crate) fn link(parent: usize, side: usize, child: usize) -> Result<(), Raise> {
    set(parent, side, child)?;
    if child == 0 { Ok(()) } else { set(child, PARENT, parent) }
}

/// The last node on one side of a subtree.
pub(crate) fn extreme(mut node: usize, side: usize) -> Result<usize, Raise> {
    loop {
        match get(node, side)? {
            0 => return Ok(node),
            child => node = child,
        }
    }
}

/// The next node on a side in order, within the subtree below `node`; 0 when there is none.
pub(crate) fn subtree_neighbour(node: usize, side: usize) -> Result<usize, Raise> {
    match get(node, side)? {
        0 => Ok(0),
        child => extreme(child, other(side)),
    }
}

/// The next node on a side in order; 0 when there is none.
pub(crate) fn neighbour(node: usize, side: usize) -> Result<usize, Raise> {
    let below = subtree_neighbour(node, side)?;
    if below != 0 {
        return Ok(below);
    }
    let mut node = node;
    loop {
        let parent = get(node, PARENT)?;
        if parent == node {
            return Ok(0);
        }
        if get(parent, side)? != node {
            return Ok(if get(parent, other(side))? == node { parent } else { 0 });
        }
        node = parent;
    }
}

/// Rotates `node` above its parent. The order of the nodes stays.
pub(crate) fn rotate_up(node: usize) -> Result<(), Raise> {
    let parent = get(node, PARENT)?;
    let above = get(parent, PARENT)?;
    let place = if above == parent { None } else { side_of(parent, above)? };
    let side = if get(parent, LEFT)? == node { LEFT } else { RIGHT };
    link(parent, side, get(node, other(side))?)?;
    link(node, other(side), parent)?;
    match place {
        Some(place) => link(above, place, node),
        None => set(node, PARENT, node),
    }
}

/// Puts `new` (0: nothing) where `old` hangs. Returns whether `old` was a root that is its own parent.
pub(crate) fn replace(old: usize, new: usize) -> Result<bool, Raise> {
    let parent = get(old, PARENT)?;
    match side_of(old, parent)? {
        Some(side) if parent != old => link(parent, side, new).map(|()| false),
        _ => {
            if new != 0 {
                set(new, PARENT, new)?;
            }
            Ok(true)
        }
    }
}
