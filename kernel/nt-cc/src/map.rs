//! What the cache knows of one stream, and of one file object.
//!
//! ```text
//! SECTION_OBJECT_POINTERS.DataSectionObject ─► SharedMap ─► number of each view
//!                        .SharedCacheMap    ─► the same, once a file object does cached I/O
//! FILE_OBJECT.PrivateCacheMap               ─► PrivateMap: where its last read ended
//! ```
//!
//! A shared map lives while file objects or sections use it, or pages of it wait to be written. The section pointers hold
//! its address, the table of maps holds its count; both go together under the table's lock.
//!
//! UNSAFETY: turns addresses in section pointers and file objects, which only this crate sets, into references.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use nt_abi::{FILE_OBJECT, FSRTL_COMMON_FCB_HEADER, SECTION_OBJECT_POINTERS};
use nt_ke::{Lock, Rank};

use crate::callbacks::Callbacks;
use crate::pages::VIEW_SIZE;
use crate::section::Mappings;

/// Views whose numbers are found without a lock: the first 16 MiB.
const DIRECT: usize = 64;

/// The three sizes of a stream in bytes. `valid` is the valid data length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CcFileSizes {
    /// Allocated.
    pub allocation: i64,
    /// End of file.
    pub file: i64,
    /// Valid data.
    pub valid: i64,
}

/// A stream with pages in memory.
pub struct SharedMap {
    /// Maps in the order of their making have rising numbers.
    order: u64,
    /// The file object that made the map; paging I/O names it.
    file: AtomicPtr<FILE_OBJECT>,
    section: AtomicPtr<SECTION_OBJECT_POINTERS>,
    /// The file system's callbacks with their context, once it is cached.
    cached: Lock<Option<(Callbacks, usize)>>,
    /// Numbers of views, 0 for none.
    direct: [AtomicU32; DIRECT],
    far: Lock<BTreeMap<u64, u32>>,
    /// File objects with a private map. Under the lock of the table of maps.
    pub opens: AtomicUsize,
    /// Sections over it. Under the same lock.
    pub sections: AtomicUsize,
    /// Somebody works on the map without a file object of his own. Under the same lock.
    pub busy: AtomicUsize,
    /// Where it is mapped.
    pub mappings: Mappings,
    /// Pages that mapped views wrote to and that wait for the mapped page writer.
    pub modified_pages: AtomicUsize,
    pub file_size: AtomicI64,
    pub dirty_pages: AtomicUsize,
    /// Writes of the mapped page writer that failed one after the other.
    pub mapped_failures: AtomicU32,
    /// Set by the lazy writer when it has seen the map dirty once.
    pub aged: AtomicU32,
    /// Lazy writes that failed one after the other.
    pub failures: AtomicU32,
    /// Nonzero: a worker reads ahead. One does at a time, so that late ones do not crowd the cache.
    pub reading_ahead: AtomicU32,
}

/// One file object's cached I/O.
#[derive(Default)]
pub struct PrivateMap {
    /// Where the last read ended.
    pub last_end: AtomicI64,
    /// How often in a row a read began where the one before ended.
    pub sequential: AtomicU32,
    /// Up to where data was read ahead.
    pub ahead: AtomicI64,
    /// Bytes of a read ahead; 0: the default.
    pub granularity: AtomicU32,
    /// No read ahead for this file object.
    pub no_read_ahead: AtomicU32,
}

// SAFETY: file object and section pointers are machine memory that the map keeps; everything else is atomic or locked.
unsafe impl Send for SharedMap {}
// SAFETY: as above.
unsafe impl Sync for SharedMap {}

impl SharedMap {
    pub fn new(order: u64, file: &FILE_OBJECT, section: &SECTION_OBJECT_POINTERS, file_size: i64) -> Self {
        Self {
            order,
            file: AtomicPtr::new(std::ptr::from_ref(file).cast_mut()),
            section: AtomicPtr::new(std::ptr::from_ref(section).cast_mut()),
            cached: Lock::new(Rank::Leaf, None),
            direct: [const { AtomicU32::new(0) }; DIRECT],
            far: Lock::new(Rank::CcMap, BTreeMap::new()),
            opens: AtomicUsize::new(0),
            sections: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            mappings: Mappings::default(),
            modified_pages: AtomicUsize::new(0),
            file_size: AtomicI64::new(file_size),
            dirty_pages: AtomicUsize::new(0),
            mapped_failures: AtomicU32::new(0),
            aged: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            reading_ahead: AtomicU32::new(0),
        }
    }

    /// What views say whose they are.
    #[inline]
    pub fn key(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    /// The file system's callbacks and their context; none while only sections use the map.
    pub fn callbacks(&self) -> Option<(Callbacks, usize)> {
        *self.cached.lock()
    }

    /// The stream is cached from now on.
    pub fn set_callbacks(&self, callbacks: Callbacks, context: usize) {
        *self.cached.lock() = Some((callbacks, context));
    }

    /// Whether nobody needs it any more. Call with the table's lock held.
    pub fn may_go(&self) -> bool {
        let zero = |count: &AtomicUsize| count.load(Ordering::Relaxed) == 0;
        zero(&self.opens)
            && zero(&self.sections)
            && zero(&self.busy)
            && zero(&self.dirty_pages)
            && zero(&self.modified_pages)
    }

    /// Those of `maps` that `wanted` is true of, referenced, in the order of their making: addresses differ from run to
    /// run. Call with the table's lock held.
    pub fn listed(
        maps: &BTreeMap<usize, Arc<SharedMap>>,
        wanted: impl Fn(&SharedMap) -> bool,
    ) -> Vec<MapReference> {
        let mut listed: Vec<_> =
            maps.values().filter(|map| wanted(map)).map(MapReference::of_listed).collect();
        listed.sort_unstable_by_key(|reference| reference.0.order);
        listed
    }

    /// The file object of its paging I/O.
    pub fn file(&self) -> &'static FILE_OBJECT {
        // SAFETY: the map holds a reference to it until it is taken apart.
        unsafe { &*self.file.load(Ordering::Relaxed) }
    }

    /// The section pointers that name it.
    pub fn section(&self) -> &'static SECTION_OBJECT_POINTERS {
        // SAFETY: they lie in the stream's control block, which the file object above keeps.
        unsafe { &*self.section.load(Ordering::Relaxed) }
    }

    /// Number of the view with this index, 0 for none.
    #[inline]
    pub fn view(&self, index: u64) -> u32 {
        match self.direct.get(index as usize) {
            Some(number) => number.load(Ordering::Acquire),
            None => self.far.lock().get(&index).copied().unwrap_or(0),
        }
    }

    /// Enters a view. `false`: another thread was faster.
    pub fn enter_view(&self, index: u64, number: u32) -> bool {
        match self.direct.get(index as usize) {
            Some(place) => place.compare_exchange(0, number, Ordering::AcqRel, Ordering::Acquire).is_ok(),
            None => {
                let mut far = self.far.lock();
                let free = !far.contains_key(&index);
                if free {
                    far.insert(index, number);
                }
                free
            }
        }
    }

    /// Forgets a view.
    pub fn forget_view(&self, index: u64) {
        match self.direct.get(index as usize) {
            Some(place) => place.store(0, Ordering::Release),
            None => drop(self.far.lock().remove(&index)),
        }
    }

    /// Indices of all views that lie between two offsets, in order.
    pub fn views_between(&self, start: u64, end: u64) -> Vec<u64> {
        let (first, last) = (start / VIEW_SIZE as u64, end.div_ceil(VIEW_SIZE as u64));
        let direct = (first..last.min(DIRECT as u64))
            .filter(|index| self.direct[*index as usize].load(Ordering::Acquire) != 0);
        let mut all: Vec<u64> = direct.collect();
        if last > DIRECT as u64 {
            let far = self.far.lock();
            all.extend(far.range(first.max(DIRECT as u64)..last).map(|(index, _)| *index));
        }
        all
    }

    /// Up to where the stream holds data: what lies behind is zeros that nobody has to read.
    pub fn valid_data(&self) -> i64 {
        let file_size = self.file_size.load(Ordering::Acquire);
        header(self.file()).map_or(file_size, |header| header.ValidDataLength.get().min(file_size))
    }
}

/// The stream header of a file object.
pub fn header(file: &FILE_OBJECT) -> Option<&'static FSRTL_COMMON_FCB_HEADER> {
    // SAFETY: null, or the control block of whoever opened the file, which begins with the header (CC-22).
    unsafe { file.FsContext.get().cast::<FSRTL_COMMON_FCB_HEADER>().as_ref() }
}

/// The section pointers of a file object.
#[inline]
pub fn section_pointers(file: &FILE_OBJECT) -> Option<&'static SECTION_OBJECT_POINTERS> {
    // SAFETY: null, or inside the stream's control block, which the open file keeps.
    unsafe { file.SectionObjectPointer.get().as_ref() }
}

/// The map that section pointers name. Only for a thread that keeps it: by a file object with a private map.
#[inline]
pub fn map_of(section: &SECTION_OBJECT_POINTERS) -> Option<&'static SharedMap> {
    // SAFETY: set and cleared by `initialize` under the table's lock, while the table holds a count; the caller's
    // private map, which it counts in `opens`, keeps the map.
    unsafe { section.DataSectionObject.get().cast::<SharedMap>().as_ref() }
}

/// The map of a file object that does cached I/O.
#[inline]
pub fn map_of_file(file: &FILE_OBJECT) -> Option<&'static SharedMap> {
    if file.PrivateCacheMap.get().is_null() {
        return None;
    }
    map_of(section_pointers(file)?)
}

/// The private map of a file object.
#[inline]
pub fn private_of(file: &FILE_OBJECT) -> Option<&'static PrivateMap> {
    // SAFETY: set by `initialize`, which takes it back before it is freed.
    unsafe { file.PrivateCacheMap.get().cast::<PrivateMap>().as_ref() }
}

/// Keeps a map that the caller has no file object for.
pub struct MapReference(pub Arc<SharedMap>, bool);

impl MapReference {
    /// The map that `section` names, if there is one.
    pub fn of(section: &SECTION_OBJECT_POINTERS) -> Option<Self> {
        let maps = crate::cc().maps.lock();
        let address = section.DataSectionObject.get() as usize;
        let map = maps.get(&address)?;
        map.busy.fetch_add(1, Ordering::Relaxed);
        Some(Self(Arc::clone(map), false))
    }

    /// Ends the reference; the caller looks himself whether the map is needed any more.
    pub fn give_up(mut self) {
        self.1 = true;
    }

    /// A map of the table. Call with the table's lock held.
    pub fn of_listed(map: &Arc<SharedMap>) -> Self {
        map.busy.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(map), false)
    }
}

impl Drop for MapReference {
    fn drop(&mut self) {
        if boundary::try_current().is_none() {
            // Work that was never begun goes with its machine, as the maps do.
            return;
        }
        let last = {
            let _maps = crate::cc().maps.lock();
            self.0.busy.fetch_sub(1, Ordering::Relaxed);
            self.0.may_go()
        };
        if last && !self.1 {
            // Who held the map last lets the lazy writer take it apart: file objects are not let go of here.
            crate::cc().lazy.wake();
        }
    }
}

/// Whether the stream of a file object is cached, by whichever file object.
///
/// Source: CcIsFileCached; CC-04. IRQL: any.
pub fn cc_is_file_cached(file: &FILE_OBJECT) -> bool {
    section_pointers(file).is_some_and(|section| !section.SharedCacheMap.get().is_null())
}

/// The file object by which a stream's paging I/O goes. No reference is taken.
///
/// Source: CcGetFileObjectFromSectionPtrs
pub fn cc_file_object_of(section: &SECTION_OBJECT_POINTERS) -> Option<&'static FILE_OBJECT> {
    MapReference::of(section).map(|map| map.0.file())
}
