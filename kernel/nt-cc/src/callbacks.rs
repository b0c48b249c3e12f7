//! How a file system lets the lazy writer and read-ahead take its locks.
//!
//! Statements: FSF-30, FSF-31, CC-01.

use boundary::Raise;
use nt_abi::{CACHE_MANAGER_CALLBACKS, NativeFn};

/// The callbacks of a file system in Rust. `context` is what it gave with the map.
pub trait CacheCallbacks: Send + Sync {
    /// Takes what a lazy write needs; `false`: not now.
    fn acquire_for_lazy_write(&self, context: usize, wait: bool) -> Result<bool, Raise>;
    /// Gives it back.
    fn release_from_lazy_write(&self, context: usize) -> Result<(), Raise>;
    /// Takes what a read ahead needs; `false`: not now.
    fn acquire_for_read_ahead(&self, context: usize, wait: bool) -> Result<bool, Raise>;
    /// Gives it back.
    fn release_from_read_ahead(&self, context: usize) -> Result<(), Raise>;
}

/// Whose callbacks a map has.
#[derive(Clone, Copy)]
pub enum Callbacks {
    /// A file system of the engine.
    Rust(&'static dyn CacheCallbacks),
    /// A driver; the structure stays as long as the map.
    Native(&'static CACHE_MANAGER_CALLBACKS),
}

fn acquire(routine: NativeFn, context: usize, wait: bool) -> Result<bool, Raise> {
    if routine.is_null() {
        return Ok(true);
    }
    Ok(boundary::call(routine, [context as u64, u64::from(wait)])? & 0xFF != 0)
}

fn release(routine: NativeFn, context: usize) -> Result<(), Raise> {
    if routine.is_null() { Ok(()) } else { boundary::call(routine, [context as u64]).map(|_| ()) }
}

impl Callbacks {
    pub(crate) fn acquire_for_lazy_write(self, context: usize) -> Result<bool, Raise> {
        match self {
            Self::Rust(callbacks) => callbacks.acquire_for_lazy_write(context, true),
            Self::Native(table) => acquire(table.AcquireForLazyWrite.get(), context, true),
        }
    }

    pub(crate) fn release_from_lazy_write(self, context: usize) -> Result<(), Raise> {
        match self {
            Self::Rust(callbacks) => callbacks.release_from_lazy_write(context),
            Self::Native(table) => release(table.ReleaseFromLazyWrite.get(), context),
        }
    }

    pub(crate) fn acquire_for_read_ahead(self, context: usize) -> Result<bool, Raise> {
        match self {
            Self::Rust(callbacks) => callbacks.acquire_for_read_ahead(context, true),
            Self::Native(table) => acquire(table.AcquireForReadAhead.get(), context, true),
        }
    }

    pub(crate) fn release_from_read_ahead(self, context: usize) -> Result<(), Raise> {
        match self {
            Self::Rust(callbacks) => callbacks.release_from_read_ahead(context),
            Self::Native(table) => release(table.ReleaseFromReadAhead.get(), context),
        }
    }
}
