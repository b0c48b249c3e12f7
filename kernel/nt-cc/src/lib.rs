//! The cache manager: file data in pages that readers, writers and paging I/O share.
//!
//! ```text
//! FILE_OBJECT.SectionObjectPointer ─► SharedMap (one per stream) ─► views of 256 KiB ─► 64 pages each
//!            .PrivateCacheMap      ─► PrivateMap (one per file object that does cached I/O)
//!
//! page:  absent ─read─► valid ─copy in─► dirty ─paging write─► valid ─evicted, purged─► absent
//! map:   initialize (first file object) ─► … ─► last uninitialize ─► clean: gone at once
//!                                                             └─► dirty: lazy writer writes, then gone
//! ```
//!
//! A stream's map keeps the file object that made it, so CLOSE comes after the last paging write. Copies run
//! under the lock of one view; what has to be read or written goes as a paging IRP to the top of the file
//! object's device stack, with no lock of this crate held. Memory is bounded by [`CacheLimits`]: clean views are
//! evicted second chance, and who dirties more than the bound writes it himself.
//!
//! It serves every file object whose `FsContext` begins with a stream header and that has section pointers,
//! whoever made them. Statements: CC-01 to CC-22, PAGE-01 to PAGE-17 as far as they are the cache manager's, FSF-30, FSF-31.
//!
//! Sections share its pages: [`section`] is what `nt-section` builds mapped views and the mapped page writer on.
//!
//! It refuses: pinned access to single pages, logged streams.
//!
//! UNSAFETY: `map` and `view` reach shared maps through addresses in file objects and views; they say why they may.

pub mod callbacks;
mod copy;
mod fill;
mod flush;
mod fsrtl;
mod initialize;
mod lazy;
mod map;
pub mod mdl;
mod pages;
mod purge;
mod read_ahead;
pub mod section;
mod view;
mod zero;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use nt_ke::core::index;
use nt_ke::{Core, Lock, Rank, Subsystem, subsystem};

pub use callbacks::{CacheCallbacks, Callbacks};
pub use copy::{cc_copy_read, cc_copy_write};
pub use flush::{cc_flush_cache, cc_flush_volume, flush_all};
pub use fsrtl::{fsrtl_copy_read, fsrtl_copy_write};
pub use initialize::{cc_initialize_cache_map, cc_uninitialize_cache_map};
pub use lazy::{
    Deferred, cc_can_i_write, cc_defer_write, cc_is_there_dirty_data,
    cc_wait_for_current_lazy_writer_activity,
};
pub use map::{CcFileSizes, cc_file_object_of, cc_is_file_cached, header as stream_header, section_pointers};
pub use purge::{
    cc_coherency_flush_and_purge_cache, cc_purge_cache_section, cc_set_file_sizes, cc_set_section_sizes,
};
pub use read_ahead::{cc_set_additional_attributes, cc_set_read_ahead_granularity};
pub use zero::{cc_extend_valid_data, cc_zero_data};

use map::SharedMap;

/// How much a machine's cache may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// Bytes of memory behind all views.
    pub resident_bytes: usize,
    /// Bytes that wait to be written; half of the memory at most.
    pub dirty_bytes: usize,
    /// How long the lazy writer lets fresh data lie, in 100 ns units.
    pub lazy_delay: u64,
}

impl CacheLimits {
    /// The least memory that a cache works in.
    pub const LEAST: usize = 2 << 20;

    /// A cache of `bytes` bytes, of which half may be dirty.
    pub fn of(bytes: usize) -> Self {
        let bytes = bytes.max(Self::LEAST);
        Self { resident_bytes: bytes, dirty_bytes: bytes / 2, lazy_delay: 10_000_000 }
    }
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self::of(256 << 20)
    }
}

/// What the cache holds and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Pages of memory behind views.
    pub resident_pages: usize,
    /// Most that there ever were.
    pub peak_pages: usize,
    /// Pages that wait to be written.
    pub dirty_pages: usize,
    /// Streams with a map.
    pub streams: usize,
    /// Paging reads.
    pub reads: usize,
    /// Paging writes.
    pub writes: usize,
}

/// The cache manager of one machine.
pub struct Cc {
    core: Weak<Core>,
    limits: CacheLimits,
    process: usize,
    pub(crate) views: view::Views,
    /// By key.
    pub(crate) maps: Lock<BTreeMap<usize, Arc<SharedMap>>>,
    /// Maps made so far.
    pub(crate) maps_made: AtomicU64,
    pub(crate) lazy: lazy::LazyWriter,
    pub(crate) dirty_pages: AtomicUsize,
    pub(crate) reads: AtomicUsize,
    pub(crate) writes: AtomicUsize,
}

impl Subsystem for Cc {
    const INDEX: usize = index::CC;
}

/// The cache manager of the current thread's machine.
#[inline]
pub(crate) fn cc() -> &'static Cc {
    subsystem::<Cc>()
}

impl Cc {
    /// An empty cache. Its threads belong to `process`, and start with the first cached stream.
    pub fn new(core: &Arc<Core>, limits: CacheLimits, process: usize) -> Self {
        Self {
            core: Arc::downgrade(core),
            limits,
            process,
            views: view::Views::new(core, limits.resident_bytes),
            maps: Lock::new(Rank::CcMaps, BTreeMap::new()),
            maps_made: AtomicU64::new(0),
            lazy: lazy::LazyWriter::new(),
            dirty_pages: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
        }
    }

    /// What it holds now.
    pub fn statistics(&self) -> CacheStatistics {
        let (resident_pages, peak_pages) = self.views.resident();
        CacheStatistics {
            resident_pages,
            peak_pages,
            dirty_pages: self.dirty_pages.load(Ordering::Relaxed),
            streams: self.maps.lock().len(),
            reads: self.reads.load(Ordering::Relaxed),
            writes: self.writes.load(Ordering::Relaxed),
        }
    }

    /// How it was built.
    pub fn limits(&self) -> CacheLimits {
        self.limits
    }

    /// Pages that may be dirty before writers have to write.
    #[inline]
    pub(crate) fn dirty_limit(&self) -> usize {
        self.limits.dirty_bytes / boundary::slot::PAGE_SIZE
    }
}
