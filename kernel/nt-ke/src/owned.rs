//! Engine state behind machine memory.
//!
//! A structure that drivers reach may hold the address of state on the engine's own heap. The machine owns that
//! state: it is freed when the structure goes, or with the machine when a stop left the structure behind.
//!
//! UNSAFETY: hands out the address of what it keeps, and drops by address what it handed out.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::core::Core;

struct Owned(*mut (dyn Send + 'static));

// SAFETY: it is the only owner of something that may move between threads.
unsafe impl Send for Owned {}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `Box::into_raw` in `own`, and each is wrapped once.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// What a machine owns.
#[derive(Default)]
pub struct OwnedState {
    table: Mutex<BTreeMap<usize, Owned>>,
}

impl Core {
    /// Moves `value` to the heap; the address is good until [`Core::disown`], or as long as the machine.
    pub fn own<T: Send + 'static>(&self, value: T) -> *mut T {
        let pointer = Box::into_raw(Box::new(value));
        self.owned.table.lock().insert(pointer as usize, Owned(pointer));
        pointer
    }

    /// Drops what [`Core::own`] gave this address for. Another address is ignored.
    pub fn disown<T>(&self, pointer: *const T) {
        let owned = self.owned.table.lock().remove(&(pointer as usize));
        drop(owned);
    }
}
