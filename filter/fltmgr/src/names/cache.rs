//! The names of open files that a volume remembers.
//!
//! ```text
//! query ─► stream (by FsContext) ─► entry (filter, format, provider, handle for opened names) ─► a reference more
//! rename anywhere on the volume ─► all entries are old          CLOSE of the last file that asked ─► stream forgotten
//! ```
//!
//! A stream's entries are kept while a file object that used them is open: so long its control block cannot be
//! another's. Each filter gets blocks of its own, so that one that it never releases is found as its leak.
//!
//! Refuses: names of files that are not open (those an operation remembers itself), and files of other volumes.
//! Statements: NAME-09 to NAME-13, NAME-44, NAME-45.
//!
//! UNSAFETY: a rename that no filter looks at carries a count of its volume as the context of its completion.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use boundary::Raise;
use nt_abi::{
    DEVICE_OBJECT, FILE_OBJECT, FLT_IO_PARAMETER_BLOCK, IO_STACK_LOCATION, IRP, IRP_MJ_SET_INFORMATION,
    NtStatus, file_information_class as class,
};
use nt_io::{Completion, file_slot, io_copy_current_to_next, io_mark_pending, io_set_completion};
use nt_ke::{Lock, Rank};

use super::block;
use crate::volume::Volume;

/// Word of a file object: the stream whose names it uses, or [`CLOSED`].
const SLOT: usize = 0;
/// The file's CLOSE has gone down.
const CLOSED: usize = 1;

/// Which name of a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// The filter that asks; 0 is none.
    pub(super) filter: usize,
    /// `FLT_FILE_NAME_`, normalized and so on.
    pub(super) format: u32,
    /// The name provider that made it, by its anchor; 0 is the file system.
    pub(super) provider: usize,
}

struct Entry {
    key: Key,
    /// The file object, for names that differ between those of one stream.
    file: usize,
    generation: u64,
    address: usize,
}

#[derive(Default)]
struct Stream {
    /// Open file objects that used these names.
    users: usize,
    entries: Vec<Entry>,
}

/// Whether the file's CLOSE has gone down.
pub(super) fn is_closed(file: &FILE_OBJECT) -> bool {
    file_slot(file, SLOT).get() == CLOSED
}

/// The names that a volume remembers.
pub struct Names {
    generation: AtomicU64,
    streams: Lock<BTreeMap<usize, Stream>>,
}

impl Default for Names {
    fn default() -> Self {
        Self { generation: AtomicU64::new(1), streams: Lock::new(Rank::FltObject, BTreeMap::new()) }
    }
}

/// Only an opened name differs between the handles of a stream.
fn file_of(key: Key, file: &FILE_OBJECT) -> usize {
    if key.format == nt_abi::FLT_FILE_NAME_OPENED { std::ptr::from_ref(file) as usize } else { 0 }
}

/// Gives up the references of the cache.
fn release_all(old: Vec<Entry>) -> Result<(), Raise> {
    old.into_iter().try_for_each(|entry| block::flt_release_file_name_information(entry.address))
}

impl Names {
    /// The number of renames so far. Read before the file system is asked, given to [`Names::keep`].
    #[inline]
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// A file or directory has another name: every name may be old.
    pub(crate) fn renamed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// The name of an open file of this volume, referenced: `Ok` is a block of the filter that asks, `Err` one that
    /// another filter got, whose text is the same.
    pub(super) fn find(&self, file: &FILE_OBJECT, key: Key) -> Option<Result<usize, usize>> {
        let generation = self.generation();
        let slot = file_slot(file, SLOT);
        let id = file.FsContext.get() as usize;
        if slot.get() == CLOSED || id == 0 {
            return None;
        }
        let mut streams = self.streams.lock();
        let stream = streams.get_mut(&id)?;
        let handle = file_of(key, file);
        let fits = |entry: &&Entry| {
            entry.generation == generation
                && entry.file == handle
                && (entry.key.format, entry.key.provider) == (key.format, key.provider)
        };
        let own = stream.entries.iter().filter(fits).find(|entry| entry.key.filter == key.filter);
        let found = match own {
            Some(entry) => Ok(entry.address),
            None => Err(stream.entries.iter().find(fits)?.address),
        };
        block::reference_kept(found.unwrap_or_else(|other| other));
        if slot.get() == 0 {
            slot.set(id);
            stream.users += 1;
        }
        Some(found)
    }

    /// Remembers a name block of an open file of this volume. `generation` is the one from before it was asked for.
    pub(super) fn keep(
        &self,
        file: &FILE_OBJECT,
        key: Key,
        generation: u64,
        address: usize,
    ) -> Result<(), Raise> {
        let slot = file_slot(file, SLOT);
        let id = file.FsContext.get() as usize;
        if id == 0 || (slot.get() != 0 && slot.get() != id) {
            return Ok(());
        }
        let handle = file_of(key, file);
        let old = {
            let mut streams = self.streams.lock();
            if generation != self.generation() {
                return Ok(());
            }
            let stream = streams.entry(id).or_default();
            if slot.get() == 0 {
                slot.set(id);
                stream.users += 1;
            }
            let goes = |entry: &mut Entry| {
                entry.generation != generation || (entry.key, entry.file) == (key, handle)
            };
            let old = stream.entries.extract_if(.., goes).collect();
            block::reference_kept(address);
            stream.entries.push(Entry { key, file: handle, generation, address });
            old
        };
        release_all(old)
    }

    /// The file's CLOSE goes down: its names are not asked for any more.
    #[cold]
    fn close(&self, file: &FILE_OBJECT, slot: usize) -> Result<(), Raise> {
        let handle = std::ptr::from_ref(file) as usize;
        let old = {
            let mut streams = self.streams.lock();
            let Some(stream) = streams.get_mut(&slot) else { return Ok(()) };
            stream.users -= 1;
            if stream.users == 0 {
                streams.remove(&slot).map(|stream| stream.entries).unwrap_or_default()
            } else {
                stream.entries.extract_if(.., |entry| entry.file == handle).collect()
            }
        };
        release_all(old)
    }

    /// Forgets the entries that `goes` names, of one stream (by FsContext) or of all.
    fn forget(&self, stream: Option<usize>, goes: impl Fn(&Key) -> bool) -> Result<(), Raise> {
        let old = {
            let mut streams = self.streams.lock();
            let chosen = streams.iter_mut().filter(|(id, _)| stream.is_none_or(|wanted| wanted == **id));
            let taken = chosen.flat_map(|(_, found)| found.entries.extract_if(.., |entry| goes(&entry.key)));
            taken.collect()
        };
        release_all(old)
    }

    /// Forgets what a provider made. Source: NAME-45.
    pub(super) fn forget_provider(&self, provider: usize, stream: Option<usize>) -> Result<(), Raise> {
        self.forget(stream, |key| key.provider == provider)
    }

    /// Forgets the blocks of a filter that goes.
    pub(crate) fn forget_filter(&self, filter: usize) -> Result<(), Raise> {
        self.forget(None, |key| key.filter == filter)
    }

    /// Forgets everything: the volume goes.
    pub(crate) fn clear(&self) -> Result<(), Raise> {
        self.forget(None, |_| true)
    }
}

/// Whether a class of IRP_MJ_SET_INFORMATION changes names.
fn changes_names(class: u32) -> bool {
    const FILE_SHORT_NAME_INFORMATION: u32 = 40;
    matches!(
        class,
        class::FileRenameInformation | class::FileRenameInformationEx | FILE_SHORT_NAME_INFORMATION
    )
}

/// Whether the operation of an IRP changes names.
#[inline]
pub(crate) fn is_rename(stack: &IO_STACK_LOCATION) -> bool {
    stack.MajorFunction.get() == IRP_MJ_SET_INFORMATION
        && changes_names(stack.Parameters.SetFile().FileInformationClass.get())
}

/// A CLOSE leaves the filters of `volume`: nobody asks for names of its file any more.
#[inline]
pub(crate) fn leaving(volume: &Volume, stack: &IO_STACK_LOCATION) -> Result<(), Raise> {
    let Some(file) = crate::pointer::file(stack.FileObject.get()) else { return Ok(()) };
    match file_slot(file, SLOT).replace(CLOSED) {
        0 | CLOSED => Ok(()),
        slot => volume.names.close(file, slot),
    }
}

/// A set-information operation has come back from the file system, before the post callbacks.
pub(crate) fn came_back(volume: &Volume, block: &FLT_IO_PARAMETER_BLOCK, status: NtStatus) {
    let class = block.Parameters.SetFileInformation().FileInformationClass.get();
    if status.is_success() && changes_names(class) {
        volume.names.renamed();
    }
}

/// Has `irp`, a rename that no filter looks at, noticed when it comes back.
pub(crate) fn watch_rename(volume: &Arc<Volume>, irp: &'static IRP) {
    let context = Arc::into_raw(Arc::clone(volume)) as usize;
    io_copy_current_to_next(irp);
    io_set_completion(irp, Completion::Rust { routine: rename_done, context }, true, true, true);
}

fn rename_done(
    _device: Option<&'static DEVICE_OBJECT>,
    irp: &'static IRP,
    context: usize,
) -> Result<NtStatus, Raise> {
    // SAFETY: the count that `watch_rename` gave away; an IRP comes back once.
    let volume = unsafe { Arc::from_raw(context as *const Volume) };
    volume.names.renamed();
    if irp.PendingReturned.get() != 0 {
        io_mark_pending(irp);
    }
    Ok(NtStatus::SUCCESS)
}
