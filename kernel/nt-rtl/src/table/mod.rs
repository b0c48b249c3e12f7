//! Generic tables: what drivers keep in `RTL_GENERIC_TABLE`, `RTL_AVL_TABLE` and splay trees of their own.
//!
//! ```text
//! element: links (splay: 18h, insertion-order list entry: 10h · AVL: 20h) | the driver's data
//! links    Parent, LeftChild, RightChild where they lie         splay  RtlSplay, RtlDelete
//! generic  RTL_GENERIC_TABLE                                    avl    RTL_AVL_TABLE
//! red_black  RTL_RB_TREE
//! ```
//!
//! Comparing, allocating and freeing is the driver's: its routines are called through the boundary, and what they
//! do to the table meanwhile shows in the links, which are read anew after each call. No lock is taken: that is the
//! driver's too.

pub mod avl;
pub mod generic;
pub(crate) mod links;
pub mod red_black;
pub mod splay;

use boundary::Raise;
use nt_abi::NativeFn;

/// Where a search ended: `TABLE_SEARCH_RESULT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// TableEmptyTree 0.
    Empty,
    /// TableFoundNode 1, with the node's links.
    Found(usize),
    /// TableInsertAsLeft 2, below this node.
    Left(usize),
    /// TableInsertAsRight 3, below this node.
    Right(usize),
}

impl Search {
    /// The node and the number that drivers see.
    pub fn to_native(self) -> (usize, u32) {
        match self {
            Self::Empty => (0, 0),
            Self::Found(node) => (node, 1),
            Self::Left(node) => (node, 2),
            Self::Right(node) => (node, 3),
        }
    }

    /// What a driver hands back. `None` for a number that there is not.
    pub fn from_native(node: usize, result: u32) -> Option<Self> {
        Some(match result {
            0 => Self::Empty,
            1 => Self::Found(node),
            2 => Self::Left(node),
            3 => Self::Right(node),
            _ => return None,
        })
    }
}

/// GenericLessThan.
const LESS: u32 = 0;
/// GenericGreaterThan.
const GREATER: u32 = 1;

/// Searches below `root` (0: empty) with the driver's compare routine; data lie `header` bytes behind the links.
fn search(
    table: usize,
    root: usize,
    compare: NativeFn,
    wanted: usize,
    header: usize,
) -> Result<Search, Raise> {
    let mut node = root;
    if node == 0 {
        return Ok(Search::Empty);
    }
    loop {
        let order = boundary::call(compare, [table as u64, wanted as u64, (node + header) as u64])? as u32;
        let (side, ends) = match order {
            LESS => (links::LEFT, Search::Left(node)),
            GREATER => (links::RIGHT, Search::Right(node)),
            _ => return Ok(Search::Found(node)),
        };
        match links::get(node, side)? {
            0 => return Ok(ends),
            child => node = child,
        }
    }
}
