//! Rtl: generic tables, and splay trees of a driver's own.
//!
//! A compare, allocate or free routine runs at the level of the caller; the table's memory decides how high that
//! may be.

use boundary::{Raise, export};
use nt_abi::irql::DISPATCH_LEVEL;
use nt_abi::{NativeFn, RTL_AVL_TABLE, RTL_GENERIC_TABLE};
use nt_rtl::table::avl::{self, DirectoryPlace};
use nt_rtl::table::{Search, generic, red_black, splay};

use crate::argument::{arg, load, rows, store, store_if, wrong};

rows! { "ntoskrnl.exe", "nt-rtl";
    RtlInitializeGenericTable done "";
    RtlInsertElementGenericTable done "";
    RtlInsertElementGenericTableFull done "";
    RtlDeleteElementGenericTable done "";
    RtlLookupElementGenericTable done "";
    RtlLookupElementGenericTableFull done "";
    RtlEnumerateGenericTable done "";
    RtlEnumerateGenericTableWithoutSplaying done "";
    RtlGetElementGenericTable done "";
    RtlNumberGenericTableElements done "";
    RtlIsGenericTableEmpty done "";
    RtlInitializeGenericTableAvl done "";
    RtlInsertElementGenericTableAvl done "";
    RtlInsertElementGenericTableFullAvl done "";
    RtlDeleteElementGenericTableAvl done "";
    RtlLookupElementGenericTableAvl done "";
    RtlLookupElementGenericTableFullAvl done "";
    RtlLookupFirstMatchingElementGenericTableAvl done "";
    RtlEnumerateGenericTableAvl done "";
    RtlEnumerateGenericTableWithoutSplayingAvl done "";
    RtlEnumerateGenericTableLikeADirectory done "";
    RtlGetElementGenericTableAvl done "";
    RtlNumberGenericTableElementsAvl done "";
    RtlIsGenericTableEmptyAvl done "";
    RtlSplay done "";
    RtlDelete done "";
    RtlDeleteNoSplay done "";
    RtlSubtreeSuccessor done "";
    RtlSubtreePredecessor done "";
    RtlRealSuccessor done "";
    RtlRealPredecessor done "";
    RtlRbInsertNodeEx partial "no trees with encoded pointers";
    RtlRbRemoveNode partial "no trees with encoded pointers";
}

fn place(export: &str, node: usize, result: u32) -> Result<Search, Raise> {
    Search::from_native(node, result).ok_or_else(|| {
        wrong(
            export,
            "SearchResult",
            result.into(),
            "which is no TABLE_SEARCH_RESULT (0 to 3): pass what the lookup gave",
        )
    })
}

fn told(place: Search, node: *mut usize, result: *mut u32, export: &str) -> Result<(), Raise> {
    let (found, number) = place.to_native();
    store(node, found, export, "NodeOrParent")?;
    store(result, number, export, "SearchResult")
}

/// Moves a restart key on; the data, or null at the end.
fn next(found: Option<(usize, usize)>, key: *mut usize, export: &str) -> Result<usize, Raise> {
    match found {
        Some((node, data)) => store(key, node, export, "RestartKey").map(|()| data),
        None => Ok(0),
    }
}

export! {
    /// Prepares a table.
    pub fn RtlInitializeGenericTable(table: *mut RTL_GENERIC_TABLE, compare: NativeFn, allocate: NativeFn, free: NativeFn, context: usize) -> () [irql <= DISPATCH_LEVEL] {
        arg!(RtlInitializeGenericTable: table);
        generic::initialize(table, compare, allocate, free, context);
        Ok(())
    }

    /// Inserts a copy of the data, unless there is an element like it.
    pub fn RtlInsertElementGenericTable(table: *mut RTL_GENERIC_TABLE, data: usize, bytes: u32, new: *mut u8) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(RtlInsertElementGenericTable: table);
        let (element, is_new) = generic::insert(table, data, bytes)?;
        store_if(new, u8::from(is_new))?;
        Ok(element)
    }

    /// Inserts where a lookup has ended.
    pub fn RtlInsertElementGenericTableFull(table: *mut RTL_GENERIC_TABLE, data: usize, bytes: u32, new: *mut u8, node: usize, result: u32) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(RtlInsertElementGenericTableFull: table);
        let place = place("RtlInsertElementGenericTableFull", node, result)?;
        let (element, is_new) = generic::insert_at(table, data, bytes, place)?;
        store_if(new, u8::from(is_new))?;
        Ok(element)
    }

    /// Takes an element out and frees it.
    pub fn RtlDeleteElementGenericTable(table: *mut RTL_GENERIC_TABLE, data: usize) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(RtlDeleteElementGenericTable: table);
        generic::delete(table, data)
    }

    /// The element like the data, or null.
    pub fn RtlLookupElementGenericTable(table: *mut RTL_GENERIC_TABLE, data: usize) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(RtlLookupElementGenericTable: table);
        Ok(generic::lookup(table, data)?.0)
    }

    /// The element like the data, or null, and where it would go.
    pub fn RtlLookupElementGenericTableFull(table: *mut RTL_GENERIC_TABLE, data: usize, node: *mut usize, result: *mut u32) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(RtlLookupElementGenericTableFull: table);
        let (element, place) = generic::lookup(table, data)?;
        told(place, node, result, "RtlLookupElementGenericTableFull")?;
        Ok(element)
    }

    /// The next element in order.
    pub fn RtlEnumerateGenericTable(table: *mut RTL_GENERIC_TABLE, restart: u8) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(RtlEnumerateGenericTable: table);
        generic::enumerate(table, restart != 0)
    }

    /// The next element in order; the tree keeps its shape.
    pub fn RtlEnumerateGenericTableWithoutSplaying(table: *mut RTL_GENERIC_TABLE, key: *mut usize) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(RtlEnumerateGenericTableWithoutSplaying: table);
        let before = load(key, "RtlEnumerateGenericTableWithoutSplaying", "RestartKey")?;
        next(generic::enumerate_without_splaying(table, before)?, key, "RtlEnumerateGenericTableWithoutSplaying")
    }

    /// An element by the order of insertion.
    pub fn RtlGetElementGenericTable(table: *mut RTL_GENERIC_TABLE, index: u32) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(RtlGetElementGenericTable: table);
        generic::element(table, index)
    }

    /// How many elements there are.
    pub fn RtlNumberGenericTableElements(table: *mut RTL_GENERIC_TABLE) -> u32 [irql <= DISPATCH_LEVEL] {
        arg!(RtlNumberGenericTableElements: table);
        Ok(table.NumberGenericTableElements.get())
    }

    /// Whether there is none.
    pub fn RtlIsGenericTableEmpty(table: *mut RTL_GENERIC_TABLE) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(RtlIsGenericTableEmpty: table);
        Ok(table.TableRoot.get().is_null())
    }

    /// Prepares a table.
    pub fn RtlInitializeGenericTableAvl(table: *mut RTL_AVL_TABLE, compare: NativeFn, allocate: NativeFn, free: NativeFn, context: usize) -> () [irql <= DISPATCH_LEVEL] {
        arg!(RtlInitializeGenericTableAvl: table);
        avl::initialize(table, compare, allocate, free, context);
        Ok(())
    }

    /// Inserts a copy of the data, unless there is an element like it.
    pub fn RtlInsertElementGenericTableAvl(table: *mut RTL_AVL_TABLE, data: usize, bytes: u32, new: *mut u8) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(RtlInsertElementGenericTableAvl: table);
        let (element, is_new) = avl::insert(table, data, bytes)?;
        store_if(new, u8::from(is_new))?;
        Ok(element)
    }

    /// Inserts where a lookup has ended.
    pub fn RtlInsertElementGenericTableFullAvl(table: *mut RTL_AVL_TABLE, data: usize, bytes: u32, new: *mut u8, node: usize, result: u32) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(RtlInsertElementGenericTableFullAvl: table);
        let place = place("RtlInsertElementGenericTableFullAvl", node, result)?;
        let (element, is_new) = avl::insert_at(table, data, bytes, place)?;
        store_if(new, u8::from(is_new))?;
        Ok(element)
    }

    /// Takes an element out and frees it.
    pub fn RtlDeleteElementGenericTableAvl(table: *mut RTL_AVL_TABLE, data: usize) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(RtlDeleteElementGenericTableAvl: table);
        avl::delete(table, data)
    }

    /// The element like the data, or null.
    pub fn RtlLookupElementGenericTableAvl(table: *mut RTL_AVL_TABLE, data: usize) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(RtlLookupElementGenericTableAvl: table);
        Ok(avl::lookup(table, data)?.0)
    }

    /// The element like the data, or null, and where it would go.
    pub fn RtlLookupElementGenericTableFullAvl(table: *mut RTL_AVL_TABLE, data: usize, node: *mut usize, result: *mut u32) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(RtlLookupElementGenericTableFullAvl: table);
        let (element, place) = avl::lookup(table, data)?;
        told(place, node, result, "RtlLookupElementGenericTableFullAvl")?;
        Ok(element)
    }

    /// The first of the elements like the data, or null.
    pub fn RtlLookupFirstMatchingElementGenericTableAvl(table: *mut RTL_AVL_TABLE, data: usize, key: *mut usize) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(RtlLookupFirstMatchingElementGenericTableAvl: table);
        next(avl::lookup_first(table, data)?, key, "RtlLookupFirstMatchingElementGenericTableAvl")
    }

    /// The next element in order.
    pub fn RtlEnumerateGenericTableAvl(table: *mut RTL_AVL_TABLE, restart: u8) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(RtlEnumerateGenericTableAvl: table);
        avl::enumerate(table, restart != 0)
    }

    /// The next element in order, by the caller's own key.
    pub fn RtlEnumerateGenericTableWithoutSplayingAvl(table: *mut RTL_AVL_TABLE, key: *mut usize) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(RtlEnumerateGenericTableWithoutSplayingAvl: table);
        let before = load(key, "RtlEnumerateGenericTableWithoutSplayingAvl", "RestartKey")?;
        next(avl::enumerate_without_splaying(table, before)?, key, "RtlEnumerateGenericTableWithoutSplayingAvl")
    }

    /// The next element that matches, from a place on that survives deletions.
    pub fn RtlEnumerateGenericTableLikeADirectory(table: *mut RTL_AVL_TABLE, matches: NativeFn, match_data: usize, advance: u32, key: *mut usize, delete_count: *mut u32, data: usize) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(RtlEnumerateGenericTableLikeADirectory: table);
        let place = DirectoryPlace {
            key: load(key, "RtlEnumerateGenericTableLikeADirectory", "RestartKey")?,
            delete_count: load(delete_count, "RtlEnumerateGenericTableLikeADirectory", "DeleteCount")?,
        };
        let (element, place) = avl::enumerate_like_a_directory(table, matches, match_data, advance != 0, place, data)?;
        store(key, place.key, "RtlEnumerateGenericTableLikeADirectory", "RestartKey")?;
        store(delete_count, place.delete_count, "RtlEnumerateGenericTableLikeADirectory", "DeleteCount")?;
        Ok(element)
    }

    /// An element by order.
    pub fn RtlGetElementGenericTableAvl(table: *mut RTL_AVL_TABLE, index: u32) -> usize [irql <= DISPATCH_LEVEL] {
        arg!(RtlGetElementGenericTableAvl: table);
        avl::element(table, index)
    }

    /// How many elements there are.
    pub fn RtlNumberGenericTableElementsAvl(table: *mut RTL_AVL_TABLE) -> u32 [irql <= DISPATCH_LEVEL] {
        arg!(RtlNumberGenericTableElementsAvl: table);
        Ok(table.NumberGenericTableElements.get())
    }

    /// Whether there is none.
    pub fn RtlIsGenericTableEmptyAvl(table: *mut RTL_AVL_TABLE) -> bool [irql <= DISPATCH_LEVEL] {
        arg!(RtlIsGenericTableEmptyAvl: table);
        Ok(table.NumberGenericTableElements.get() == 0)
    }

    /// Rotates a node to the top.
    pub fn RtlSplay(node: usize) -> usize [irql <= DISPATCH_LEVEL] { splay::splay(node) }

    /// Takes a node out and splays; the root.
    pub fn RtlDelete(node: usize) -> usize [irql <= DISPATCH_LEVEL] { splay::delete(node) }

    /// Takes a node out; the root may change.
    pub fn RtlDeleteNoSplay(node: usize, root: *mut usize) -> () [irql <= DISPATCH_LEVEL] {
        let before = load(root, "RtlDeleteNoSplay", "Root")?;
        store(root, splay::delete_no_splay(node, before)?, "RtlDeleteNoSplay", "Root")
    }

    /// The next node below.
    pub fn RtlSubtreeSuccessor(node: usize) -> usize [irql <= DISPATCH_LEVEL] { splay::subtree_successor(node) }

    /// The node before, below.
    pub fn RtlSubtreePredecessor(node: usize) -> usize [irql <= DISPATCH_LEVEL] { splay::subtree_predecessor(node) }

    /// The next node.
    pub fn RtlRealSuccessor(node: usize) -> usize [irql <= DISPATCH_LEVEL] { splay::successor(node) }

    /// The node before.
    pub fn RtlRealPredecessor(node: usize) -> usize [irql <= DISPATCH_LEVEL] { splay::predecessor(node) }

    /// Hangs a node into a red-black tree.
    pub fn RtlRbInsertNodeEx(tree: usize, above: usize, right: u8, node: usize) -> () [irql <= DISPATCH_LEVEL] { red_black::insert(tree, above, right != 0, node) }

    /// Takes a node out of a red-black tree.
    pub fn RtlRbRemoveNode(tree: usize, node: usize) -> () [irql <= DISPATCH_LEVEL] { red_black::remove(tree, node) }
}
