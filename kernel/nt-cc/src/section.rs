//! What sections see of a stream: its pages, held where they are, and which of them mapped views wrote to.
//!
//! ```text
//! DataSection::open ─► hold a view (all its pages in memory) ─► mapped ─► stores ─collect─► modified pages
//! mapped page writer: modified_streams ─► next_run ─► ModifiedRun ─ paging write ─► end
//! ```
//!
//! Pages that copies made dirty are the lazy writer's, pages that stores made dirty the mapped page writer's; a flush
//! writes both. Statements: MM-05, FSF-15, FSF-29.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use boundary::Raise;
use boundary::slot::PAGE_SIZE;
use nt_abi::{FILE_OBJECT, NtStatus, SECTION_OBJECT_POINTERS};
use nt_ke::{Lock, Rank};
use nt_mm::Written;

use crate::flush::Begun;
use crate::map::{MapReference, SharedMap, section_pointers};
use crate::pages::{VIEW_SIZE, first_run, span, touched};
use crate::{cc, fill, initialize, view};

pub use crate::pages::VIEW_SIZE as HELD_BYTES;

/// Writes of the page writer that may fail one after the other before what was stored is given up.
const ATTEMPTS: u32 = 5;

/// A writable mapped view of a stream.
pub struct Mapping {
    offset: u64,
    written: Written,
}

/// All writable mapped views of a stream.
pub struct Mappings {
    count: AtomicUsize,
    list: Lock<Vec<Arc<Mapping>>>,
}

impl Default for Mappings {
    fn default() -> Self {
        Self { count: AtomicUsize::new(0), list: Lock::new(Rank::CcMapped, Vec::new()) }
    }
}

/// Pages were written, or their data is gone.
pub fn count_written(map: &SharedMap, pages: u64) {
    let count = pages.count_ones() as usize;
    if count != 0 {
        map.modified_pages.fetch_sub(count, Ordering::Relaxed);
    }
}

/// Marks the pages that mapped views wrote to since the last time.
pub fn collect(map: &SharedMap) -> Result<(), Raise> {
    if map.mappings.count.load(Ordering::Acquire) == 0 {
        return Ok(());
    }
    // Until all is marked nobody else may look: he would find nothing stored, and drop the pages.
    let list = map.mappings.list.lock();
    for mapping in list.iter() {
        collect_one(map, mapping);
    }
    Ok(())
}

fn collect_one(map: &SharedMap, mapping: &Mapping) {
    mapping.written.collect(|first, count| {
        let start = mapping.offset + (first * PAGE_SIZE) as u64;
        note_modified(map, start, start + (count * PAGE_SIZE) as u64);
    });
}

/// Marks pages in memory as written to by a store. Those that are not in memory have nothing to write.
fn note_modified(map: &SharedMap, start: u64, end: u64) {
    for index in map.views_between(start, end) {
        let base = index * VIEW_SIZE as u64;
        let inside = |at: u64| at.saturating_sub(base).min(VIEW_SIZE as u64) as usize;
        let Some(mut locked) = view::find(map, index) else { continue };
        let pages = touched(inside(start), inside(end)) & locked.pages.valid;
        let new = (pages & !locked.pages.modified).count_ones() as usize;
        locked.pages.modified |= pages;
        map.modified_pages.fetch_add(new, Ordering::Relaxed);
    }
}

/// The end of the last page that waits for the mapped page writer.
fn modified_end(map: &SharedMap, from: u64) -> Option<u64> {
    let last = |index: u64| {
        let modified = view::find(map, index)?.pages.modified;
        (modified != 0)
            .then(|| index * VIEW_SIZE as u64 + ((64 - modified.leading_zeros() as usize) * PAGE_SIZE) as u64)
    };
    map.views_between(from, u64::MAX).into_iter().rev().find_map(last)
}

/// Makes what lies between the end of valid data and the last page that a store made wait as well: as zeros, or as what
/// stores made of it.
///
/// Source: PAGE-09. Locks: the stream's main resource.
pub fn fill_gap(map: &SharedMap) -> Result<(), Raise> {
    if map.modified_pages.load(Ordering::Relaxed) == 0 {
        return Ok(());
    }
    let valid = map.valid_data().max(0) as u64;
    let start = valid / PAGE_SIZE as u64 * PAGE_SIZE as u64;
    match modified_end(map, start) {
        Some(end) if end > valid => for_parts(map, start, end, |first, last| {
            note_modified(map, first, last);
            Ok(())
        }),
        _ => Ok(()),
    }
}

/// Brings whole pages into memory view by view, and calls `each` with the offsets.
pub fn for_parts(
    map: &SharedMap,
    start: u64,
    end: u64,
    mut each: impl FnMut(u64, u64) -> Result<(), Raise>,
) -> Result<(), Raise> {
    let mut at = start;
    while at < end {
        let index = at / VIEW_SIZE as u64;
        let base = index * VIEW_SIZE as u64;
        let next = (base + VIEW_SIZE as u64).min(end);
        let wanted = touched((at - base) as usize, (next - base) as usize);
        loop {
            let locked = view::find_or_make(map, index)?;
            if wanted & !locked.pages.valid == 0 {
                break;
            }
            fill::step(map, locked, wanted)?;
        }
        each(at, next)?;
        at = next;
    }
    Ok(())
}

/// A stream's pages, kept by a section. Dropped: the stream's map may go when nothing of it waits to be written.
pub struct DataSection(Arc<SharedMap>);

impl DataSection {
    /// The pages of the stream of `file`, which is `file_size` bytes long unless it has pages already.
    ///
    /// IRQL:   PASSIVE_LEVEL
    /// Errors: INVALID_FILE_FOR_SECTION (no section pointers or stream header), INSUFFICIENT_RESOURCES
    pub fn open(file: &'static FILE_OBJECT, file_size: i64) -> Result<Self, Raise> {
        let (Some(section), false) = (section_pointers(file), file.FsContext.get().is_null()) else {
            return Err(Raise::Status(NtStatus::INVALID_FILE_FOR_SECTION));
        };
        cc().lazy.start()?;
        let (map, made) = {
            let mut maps = cc().maps.lock();
            let (map, made) = initialize::find_or_list(&mut maps, file, section, file_size);
            map.sections.fetch_add(1, Ordering::Relaxed);
            (map, made)
        };
        let this = Self(map);
        if made {
            nt_ob::ob_reference(std::ptr::from_ref(file) as usize)?;
        }
        Ok(this)
    }

    /// The file object of the stream's paging I/O.
    pub fn file(&self) -> &'static FILE_OBJECT {
        self.0.file()
    }

    /// Bytes of the stream now.
    pub fn file_size(&self) -> i64 {
        self.0.file_size.load(Ordering::Acquire)
    }

    /// Brings the first `bytes` bytes of view `index` into memory and holds them there. Returns their address.
    ///
    /// IRQL:   PASSIVE_LEVEL
    /// Locks:  none of the stream's that paging reads need
    /// Errors: raises what reading came to
    pub fn hold(&self, index: u64, bytes: usize) -> Result<usize, Raise> {
        let wanted = touched(0, bytes);
        loop {
            let mut locked = view::find_or_make(&self.0, index)?;
            if wanted & !locked.pages.valid == 0 {
                locked.pages.mapped += 1;
                return Ok(locked.address);
            }
            fill::step(&self.0, locked, wanted)?;
        }
    }

    /// Ends [`DataSection::hold`].
    pub fn let_go(&self, index: u64) {
        if let Some(mut locked) = view::find(&self.0, index) {
            locked.pages.mapped = locked.pages.mapped.saturating_sub(1);
        }
    }

    /// Looks from now on at the stores into a view that shows the stream from `offset` on.
    pub fn watch(&self, offset: u64, written: Written) -> Arc<Mapping> {
        let mapping = Arc::new(Mapping { offset, written });
        self.0.mappings.list.lock().push(Arc::clone(&mapping));
        self.0.mappings.count.fetch_add(1, Ordering::AcqRel);
        mapping
    }

    /// Collects a last time, and looks no more.
    pub fn unwatch(&self, mapping: &Arc<Mapping>) {
        let mut list = self.0.mappings.list.lock();
        let before = list.len();
        list.retain(|other| !Arc::ptr_eq(other, mapping));
        let gone = before - list.len();
        if gone != 0 {
            collect_one(&self.0, mapping);
            self.0.mappings.count.fetch_sub(gone, Ordering::AcqRel);
        }
    }
}

impl Drop for DataSection {
    fn drop(&mut self) {
        if boundary::try_current().is_none() {
            // The machine is gone, and the stream with it.
            return;
        }
        let may_go = {
            let _maps = cc().maps.lock();
            self.0.sections.fetch_sub(1, Ordering::Relaxed);
            self.0.may_go()
        };
        if may_go {
            // CLOSE may follow, which must not come under the caller's locks.
            cc().lazy.wake();
        }
    }
}

/// A stream with pages that wait for the mapped page writer.
pub struct ModifiedStream(MapReference);

/// The streams whose mapped views were written to, in the order in which they came into memory. Stores are collected
/// first.
///
/// IRQL: PASSIVE_LEVEL
pub fn modified_streams() -> Result<Vec<ModifiedStream>, Raise> {
    let mapped = |map: &SharedMap| {
        map.mappings.count.load(Ordering::Relaxed) != 0 || map.modified_pages.load(Ordering::Relaxed) != 0
    };
    let listed = SharedMap::listed(&cc().maps.lock(), mapped);
    let mut modified = Vec::new();
    for reference in listed {
        collect(&reference.0)?;
        if reference.0.modified_pages.load(Ordering::Relaxed) != 0 && is_written(reference.0.file()) {
            modified.push(ModifiedStream(reference));
        }
    }
    Ok(modified)
}

/// Whether the page writer writes a file's pages: of a stream file object, which nobody opened, only when its owner says
/// so. Source: CC-24.
fn is_written(file: &FILE_OBJECT) -> bool {
    !file.FsContext2.get().is_null()
        || crate::map::header(file)
            .is_some_and(|header| header.Flags2.get() & nt_abi::FSRTL_FLAG2_DO_MODIFIED_WRITE != 0)
}

/// Whether a stream of the machine is mapped writable, or has pages for the mapped page writer.
pub fn anything_mapped() -> bool {
    let maps = cc().maps.lock();
    maps.values().any(|map| {
        map.mappings.count.load(Ordering::Relaxed) != 0 || map.modified_pages.load(Ordering::Relaxed) != 0
    })
}

/// Modified pages that lie side by side in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModifiedRun {
    index: u64,
    first: usize,
    count: usize,
}

impl ModifiedRun {
    /// Offset of the first byte in the stream.
    pub fn offset(&self) -> i64 {
        (self.index * VIEW_SIZE as u64 + (self.first * PAGE_SIZE) as u64) as i64
    }

    /// Bytes of the pages.
    pub fn bytes(&self) -> usize {
        self.count * PAGE_SIZE
    }
}

/// A run on its way to the store.
pub struct RunUnderWay {
    map: Arc<SharedMap>,
    run: ModifiedRun,
    begun: Begun,
    address: usize,
}

impl ModifiedStream {
    /// The file object of the stream's paging I/O.
    pub fn file(&self) -> &'static FILE_OBJECT {
        self.0.0.file()
    }

    /// Bytes of the stream now.
    pub fn file_size(&self) -> i64 {
        self.0.0.file_size.load(Ordering::Acquire)
    }

    /// Bytes of it that hold data.
    pub fn valid_data(&self) -> i64 {
        self.0.0.valid_data()
    }

    /// Pages that wait.
    pub fn modified_pages(&self) -> usize {
        self.0.0.modified_pages.load(Ordering::Relaxed)
    }

    /// See [`fill_gap`]: before a run behind the end of valid data is written.
    pub fn fill_gap(&self) -> Result<(), Raise> {
        fill_gap(&self.0.0)
    }

    /// The first run of at most `most` bytes at or behind `from`; pages that are on their way already are left out.
    pub fn next_run(&self, from: i64, most: usize) -> Option<ModifiedRun> {
        let map = &self.0.0;
        let from = from.max(0) as u64;
        for index in map.views_between(from, u64::MAX) {
            let Some(locked) = view::find(map, index) else { continue };
            let start = from.saturating_sub(index * VIEW_SIZE as u64) as usize / PAGE_SIZE;
            let waiting = locked.pages.modified & !locked.pages.writing & span(start, 64);
            if let Some((first, count)) = first_run(waiting) {
                return Some(ModifiedRun { index, first, count: count.min((most / PAGE_SIZE).max(1)) });
            }
        }
        None
    }

    /// Begins to write a run; `None` when its pages do not wait any more.
    pub fn begin(&self, run: ModifiedRun) -> Option<RunUnderWay> {
        let mut locked = view::find(&self.0.0, run.index)?;
        let pages = span(run.first, run.first + run.count);
        if locked.pages.modified & pages != pages || locked.pages.writing & pages != 0 {
            return None;
        }
        let begun = Begun::new(&mut locked, pages, true);
        let address = locked.address + run.first * PAGE_SIZE;
        drop(locked);
        Some(RunUnderWay { map: Arc::clone(&self.0.0), run, begun, address })
    }
}

impl RunUnderWay {
    /// Address of the pages.
    pub fn address(&self) -> usize {
        self.address
    }

    /// Where they lie in the stream.
    pub fn run(&self) -> ModifiedRun {
        self.run
    }

    /// The pages arrived, or wait again. Returns whether they were given up, after too many failures in a row.
    pub fn end(self, failed: bool) -> bool {
        self.begun.end(&self.map, self.run.index, failed);
        cc().writes.fetch_add(1, Ordering::Relaxed);
        let failures = &self.map.mapped_failures;
        let given_up = failed && failures.fetch_add(1, Ordering::Relaxed) + 1 >= ATTEMPTS;
        if given_up && let Some(mut locked) = view::find(&self.map, self.run.index) {
            let lost = locked.pages.modified & span(self.run.first, self.run.first + self.run.count);
            locked.pages.modified &= !lost;
            count_written(&self.map, lost);
        }
        if !failed {
            failures.store(0, Ordering::Relaxed);
        }
        if self.map.may_go() {
            cc().lazy.wake();
        }
        given_up
    }
}

/// Says in the stream header that programs map the file. Source: CC-23.
pub fn note_user_mapping(file: &FILE_OBJECT, writable: bool) {
    if let Some(header) = crate::map::header(file) {
        header.Flags.set(header.Flags.get() | nt_abi::FSRTL_FLAG_USER_MAPPED_FILE);
        if writable {
            header.Flags2.set(header.Flags2.get() | nt_abi::FSRTL_FLAG2_WRITABLE_USER_MAPPED_FILE);
        }
    }
}

/// What is known of the data section of a stream, whether or not anything is mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataSectionUse {
    /// Sections over it.
    pub sections: usize,
    /// Writable views of it.
    pub writable_views: usize,
    /// Pages that wait for the mapped page writer.
    pub modified_pages: usize,
    /// Bytes of the stream.
    pub file_size: i64,
}

impl DataSectionUse {
    /// Whether stores make, or made, data of it.
    pub fn is_stored_to(&self) -> bool {
        self.writable_views != 0 || self.modified_pages != 0
    }
}

/// Who uses the data section that section pointers name.
pub fn use_of(section: &SECTION_OBJECT_POINTERS) -> DataSectionUse {
    let Some(map) = MapReference::of(section) else { return DataSectionUse::default() };
    DataSectionUse {
        sections: map.0.sections.load(Ordering::Relaxed),
        writable_views: map.0.mappings.count.load(Ordering::Relaxed),
        modified_pages: map.0.modified_pages.load(Ordering::Relaxed),
        file_size: map.0.file_size.load(Ordering::Relaxed),
    }
}
