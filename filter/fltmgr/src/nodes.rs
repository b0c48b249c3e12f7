//! The callback table of a volume: a flat array of nodes per operation, highest altitude first.
//!
//! ```text
//! Volume.table ──► CallbackTable { rows: [ [Node, Node, …]; ROWS ] }      read under an epoch pin
//! instance comes or goes: build a new one, publish it, retire the old one
//! ```
//!
//! A table keeps its instances alive. An operation that outlives its epoch pin (it pends below) takes a strong
//! count of each table that it uses.
//!
//! UNSAFETY: tables are published as raw `Arc` pointers; `Published` owns one count of the current one.

use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use nt_abi::NativeFn;
use nt_ke::Core;

use crate::anchor::Anchored;
use crate::instance::{ACTIVE, Instance};
use crate::rows::ROWS;

/// Callbacks of one instance for one operation, with all that a call of them needs side by side.
#[repr(C, align(64))]
pub struct Node {
    /// Preoperation callback, or null.
    pub pre: NativeFn,
    /// Postoperation callback, or null.
    pub post: NativeFn,
    /// Whose they are.
    pub instance: Arc<Instance>,
    /// What drivers know of the instance.
    pub target: usize,
    /// What drivers know of its filter.
    pub filter: usize,
    /// Row in the table.
    pub row: usize,
    /// Kinds of operations that skip both.
    pub skip: u32,
}

/// All callbacks of a volume.
pub struct CallbackTable {
    rows: Box<[Box<[Node]>]>,
}

impl CallbackTable {
    /// No callbacks.
    pub fn empty() -> Self {
        Self { rows: (0..ROWS).map(|_| Box::default()).collect() }
    }

    /// The callbacks of the active ones among `instances`, which are sorted from the highest altitude down.
    pub fn build(instances: &[Arc<Instance>]) -> Self {
        let row = |row: usize| {
            instances
                .iter()
                .filter(|instance| instance.stage() == ACTIVE)
                .filter_map(|instance| {
                    let callbacks = instance.filter.operation(row)?;
                    (!callbacks.pre.is_null() || !callbacks.post.is_null()).then(|| Node {
                        pre: callbacks.pre,
                        post: callbacks.post,
                        instance: Arc::clone(instance),
                        target: instance.anchor().address(),
                        filter: instance.filter.anchor().address(),
                        row,
                        skip: callbacks.flags,
                    })
                })
                .collect()
        };
        Self { rows: (0..ROWS).map(row).collect() }
    }

    /// Nodes of a row.
    #[inline]
    pub fn row(&self, row: usize) -> &[Node] {
        &self.rows[row]
    }
}

/// The current table of a volume.
pub struct Published(AtomicPtr<CallbackTable>);

impl Published {
    /// Publishes an empty table.
    pub fn new() -> Self {
        Self(AtomicPtr::new(Arc::into_raw(Arc::new(CallbackTable::empty())).cast_mut()))
    }

    /// The current table. Valid while the caller's epoch pin, taken before, lasts.
    #[inline]
    pub fn load(&self) -> *const CallbackTable {
        self.0.load(Ordering::Acquire)
    }

    /// Publishes `table`; the one before goes when no operation can see it any more.
    pub fn replace(&self, core: &Core, table: CallbackTable) {
        let old = self.0.swap(Arc::into_raw(Arc::new(table)).cast_mut(), Ordering::AcqRel);
        // SAFETY: the count that `Published` owned. The closure keeps it until no pinned thread can hold the
        // address, or until the machine is dropped.
        let old = unsafe { Arc::from_raw(old.cast_const()) };
        core.epochs.retire(core, move || drop(old));
    }

    /// Gives the table up at once, when the machine goes and no thread is left in it.
    pub fn clear(&self) {
        let old = self.0.swap(Arc::into_raw(Arc::new(CallbackTable::empty())).cast_mut(), Ordering::AcqRel);
        // SAFETY: the count that `Published` owned.
        drop(unsafe { Arc::from_raw(old.cast_const()) });
    }
}

impl Default for Published {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        // SAFETY: the count that `Published` owns; nobody can load from it any more.
        drop(unsafe { Arc::from_raw(self.0.load(Ordering::Acquire).cast_const()) });
    }
}

/// Takes a strong count of a table that is loaded under a pin.
pub fn hold(table: *const CallbackTable) {
    // SAFETY: the caller is pinned, so the table has at least the count of its volume or of the retired list.
    unsafe { Arc::increment_strong_count(table) };
}

/// Gives a count of [`hold`] up.
pub fn let_go(table: *const CallbackTable) {
    // SAFETY: pairs with `hold`.
    unsafe { Arc::decrement_strong_count(table) };
}
