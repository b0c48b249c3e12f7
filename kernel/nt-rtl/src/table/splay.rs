//! Splay trees of drivers: `RTL_SPLAY_LINKS`.

use boundary::Raise;

use super::links::{
    LEFT, PARENT, RIGHT, extreme, get, link, neighbour, replace, rotate_up, set, side_of, subtree_neighbour,
};

/// Rotates `node` to the top of its tree. Returns it: the root. Source: RtlSplay
pub fn splay(node: usize) -> Result<usize, Raise> {
    loop {
        let parent = get(node, PARENT)?;
        if parent == node {
            return Ok(node);
        }
        let above = get(parent, PARENT)?;
        if above != parent {
            let straight = side_of(node, parent)? == side_of(parent, above)?;
            rotate_up(if straight { parent } else { node })?;
        }
        rotate_up(node)?;
    }
}

/// Takes `node` out of its tree, of which `root` is the root, without splaying. Returns the root then, or 0.
///
/// Source: RtlDeleteNoSplay
pub fn delete_no_splay(node: usize, root: usize) -> Result<usize, Raise> {
    let (left, right) = (get(node, LEFT)?, get(node, RIGHT)?);
    let heir = if left == 0 || right == 0 {
        left.max(right)
    } else {
        let heir = extreme(left, RIGHT)?;
        if heir != left {
            link(get(heir, PARENT)?, RIGHT, get(heir, LEFT)?)?;
            link(heir, LEFT, left)?;
        }
        link(heir, RIGHT, right)?;
        heir
    };
    Ok(if replace(node, heir)? { heir } else { root })
}

/// Takes `node` out of its tree. Returns the root then, or 0 when the tree is empty. Source: RtlDelete
pub fn delete(node: usize) -> Result<usize, Raise> {
    splay(node)?;
    delete_no_splay(node, node)
}

/// The next node in order, or 0. Source: RtlRealSuccessor
pub fn successor(node: usize) -> Result<usize, Raise> {
    neighbour(node, RIGHT)
}

/// The node before it in order, or 0. Source: RtlRealPredecessor
pub fn predecessor(node: usize) -> Result<usize, Raise> {
    neighbour(node, LEFT)
}

/// The next node in order below it, or 0. Source: RtlSubtreeSuccessor
pub fn subtree_successor(node: usize) -> Result<usize, Raise> {
    subtree_neighbour(node, RIGHT)
}

/// The node before it in order below it, or 0. Source: RtlSubtreePredecessor
pub fn subtree_predecessor(node: usize) -> Result<usize, Raise> {
    subtree_neighbour(node, LEFT)
}

/// Makes `node` a tree of its own, without children.
pub fn initialize(node: usize) -> Result<(), Raise> {
    set(node, PARENT, node)?;
    set(node, LEFT, 0)?;
    set(node, RIGHT, 0)
}
