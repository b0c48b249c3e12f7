//! Views: where a section's memory can be reached.
//!
//! A view of a stream or of memory shows the section's own pages; a view for PAGE_WRITECOPY or of an image is a copy.
//! Mapping reads what is missing by paging I/O, in the thread that maps.

use std::sync::Arc;

use boundary::Raise;
use boundary::slot::{PAGE_SIZE, Protection};
use nt_abi::NtStatus;
use nt_cc::section::{DataSection, HELD_BYTES, Mapping};
use nt_ke::current_core;
use nt_mm::{MappedView, ViewPart, Written, mm};

use crate::protection::Rights;
use crate::section::{Backing, Section, of_object};
use crate::sections;

/// How a view gets its bytes.
enum Shown {
    /// A stream's pages: which of its pieces are held, and who looks at stores.
    Stream { view: MappedView, held: Vec<u64>, mapping: Option<Arc<Mapping>> },
    /// The section's own pages.
    Memory { _view: MappedView },
    /// User pages that are the view's alone.
    Copy { address: usize, pages: usize },
}

/// A mapped view.
pub struct View {
    section: Arc<Section>,
    shown: Option<Shown>,
    /// Where it begins in the section.
    offset: u64,
    bytes: usize,
    /// Process object of a user view, 0 for a system view.
    process: usize,
}

/// What is asked of a view.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// Where it begins: a multiple of 64 KiB.
    pub offset: u64,
    /// Bytes; 0: all that follow.
    pub bytes: u64,
    pub rights: Rights,
    pub part: ViewPart,
    pub process: usize,
}

/// Maps a view, and returns its address and its bytes.
///
/// Errors: MAPPED_ALIGNMENT · INVALID_VIEW_SIZE · SECTION_PROTECTION · NO_MEMORY · what reading came to
pub fn map(section: &Arc<Section>, wanted: &Wanted) -> Result<Result<(usize, usize), NtStatus>, Raise> {
    if !wanted.offset.is_multiple_of(64 << 10) {
        return Ok(Err(NtStatus::MAPPED_ALIGNMENT));
    }
    let size = section.bytes();
    let bytes = if wanted.bytes == 0 { size.saturating_sub(wanted.offset) } else { wanted.bytes };
    let rounded = size.next_multiple_of(PAGE_SIZE as u64);
    if bytes == 0 || wanted.offset.checked_add(bytes).is_none_or(|end| end > rounded) {
        return Ok(Err(NtStatus::INVALID_VIEW_SIZE));
    }
    if !wanted.rights.fits(section.rights) && !matches!(section.backing, Backing::Image(_)) {
        return Ok(Err(NtStatus::SECTION_PROTECTION));
    }
    let Ok(bytes) = usize::try_from(bytes.next_multiple_of(PAGE_SIZE as u64)) else {
        return Ok(Err(NtStatus::INVALID_VIEW_SIZE));
    };
    let shown = match &section.backing {
        Backing::Stream(data) if !wanted.rights.copy => show_stream(data, wanted, bytes),
        Backing::Memory(source) if !wanted.rights.copy => show_memory(*source, wanted, bytes),
        _ => copy(section, wanted, bytes),
    };
    let (address, shown) = match shown {
        Ok(Ok(shown)) => shown,
        Ok(Err(status)) | Err(Raise::Status(status)) => return Ok(Err(status)),
        Err(stop) => return Err(stop),
    };
    let view = View {
        section: Arc::clone(section),
        shown: Some(shown),
        offset: wanted.offset,
        bytes,
        process: wanted.process,
    };
    sections().views.lock().insert(address, view);
    Ok(Ok((address, bytes)))
}

type MadeView = Result<Result<(usize, Shown), NtStatus>, Raise>;

fn show_stream(data: &DataSection, wanted: &Wanted, bytes: usize) -> MadeView {
    let Some(view) = MappedView::begin(bytes, wanted.part) else { return Ok(Err(NtStatus::NO_MEMORY)) };
    let mut held = Vec::new();
    let result = hold_all(data, wanted, &view, &mut held);
    if !matches!(result, Ok(Ok(()))) {
        drop(view);
        held.iter().for_each(|index| data.let_go(*index));
        return result.map(|result| result.map(|()| unreachable!("it failed")));
    }
    let mapping = match wanted.rights.write {
        true => {
            sections().writer.start()?;
            Some(data.watch(wanted.offset, Written::new(view.address(), view.bytes())))
        }
        false => None,
    };
    if mapping.is_some() {
        sections().writer.wake();
    }
    if wanted.part == ViewPart::User {
        nt_cc::section::note_user_mapping(data.file(), wanted.rights.write);
    }
    Ok(Ok((view.address(), Shown::Stream { view, held, mapping })))
}

fn hold_all(
    data: &DataSection,
    wanted: &Wanted,
    view: &MappedView,
    held: &mut Vec<u64>,
) -> Result<Result<(), NtStatus>, Raise> {
    let (start, end) = (wanted.offset, wanted.offset + view.bytes() as u64);
    let mut at = start;
    while at < end {
        let index = at / HELD_BYTES as u64;
        let base = index * HELD_BYTES as u64;
        let stop = (base + HELD_BYTES as u64).min(end);
        let source = data.hold(index, (stop - base) as usize)?;
        held.push(index);
        let bytes = (stop - at) as usize;
        let from = source + (at - base) as usize;
        if view.show((at - start) as usize, bytes, from, wanted.rights.host()).is_err() {
            return Ok(Err(NtStatus::NO_MEMORY));
        }
        at = stop;
    }
    Ok(Ok(()))
}

fn show_memory(source: usize, wanted: &Wanted, bytes: usize) -> MadeView {
    let Some(view) = MappedView::begin(bytes, wanted.part) else { return Ok(Err(NtStatus::NO_MEMORY)) };
    if view.show(0, bytes, source + wanted.offset as usize, wanted.rights.host()).is_err() {
        return Ok(Err(NtStatus::NO_MEMORY));
    }
    Ok(Ok((view.address(), Shown::Memory { _view: view })))
}

/// A view of its own pages with the section's bytes of now.
fn copy(section: &Section, wanted: &Wanted, bytes: usize) -> MadeView {
    let pages = bytes / PAGE_SIZE;
    let Some(address) = mm().user_pages(pages) else { return Ok(Err(NtStatus::NO_MEMORY)) };
    let filled = fill_copy(section, wanted.offset, address, bytes);
    if filled.is_err() {
        mm().free_user_pages(address, pages);
        filled?;
    }
    if matches!(section.backing, Backing::Image(_)) {
        // Code is there to be read; the images that a machine executes are drivers', which the loader maps.
        let protection = if wanted.rights.write { Protection::ReadWrite } else { Protection::Read };
        let _ = current_core().slot.protect(address, bytes, protection);
    }
    Ok(Ok((address, Shown::Copy { address, pages })))
}

fn fill_copy(section: &Section, offset: u64, address: usize, bytes: usize) -> Result<(), Raise> {
    match &section.backing {
        Backing::Image(image) => {
            let all = image.bytes();
            let start = (offset as usize).min(all.len());
            let end = (start + bytes).min(all.len());
            boundary::copy::write(address, &all[start..end])?;
        }
        Backing::Memory(source) => boundary::copy::copy(address, source + offset as usize, bytes)?,
        Backing::Stream(data) => {
            let mut done = 0;
            while done < bytes {
                let at = offset + done as u64;
                let (index, inside) = (at / HELD_BYTES as u64, (at % HELD_BYTES as u64) as usize);
                let part = (HELD_BYTES - inside).min(bytes - done);
                let source = data.hold(index, inside + part)?;
                let copied = boundary::copy::copy(address + done, source + inside, part);
                data.let_go(index);
                copied?;
                done += part;
            }
        }
    }
    Ok(())
}

impl View {
    /// Which offset of its section lies at `address`, which is inside it.
    pub fn is_stream(&self) -> bool {
        matches!(self.shown, Some(Shown::Stream { .. }))
    }

    /// Bytes of it.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where it begins in its section.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Its section.
    pub fn section(&self) -> &Arc<Section> {
        &self.section
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if boundary::try_current().is_none() {
            return;
        }
        match self.shown.take() {
            Some(Shown::Stream { view, held, mapping }) => {
                let Backing::Stream(data) = &self.section.backing else { return };
                let stored = mapping.is_some();
                if let Some(mapping) = mapping {
                    data.unwatch(&mapping);
                }
                drop(view);
                held.iter().for_each(|index| data.let_go(*index));
                if stored {
                    sections().writer.wake();
                }
            }
            Some(Shown::Copy { address, pages }) => mm().free_user_pages(address, pages),
            Some(Shown::Memory { .. }) | None => {}
        }
    }
}

/// Takes the view out that begins at, or holds, `address`.
///
/// Errors: NOT_MAPPED_VIEW
pub fn unmap(address: usize, process: usize) -> Result<(), NtStatus> {
    let view = {
        let mut views = sections().views.lock();
        let found = views
            .range(..=address)
            .next_back()
            .filter(|(start, view)| address < *start + view.bytes && view.process == process);
        let start = found.map(|(start, _)| *start).ok_or(NtStatus::NOT_MAPPED_VIEW)?;
        views.remove(&start)
    };
    drop(view);
    Ok(())
}

/// Runs `f` with the view that holds `address`: its first address and the view.
pub fn with_view<T>(address: usize, f: impl FnOnce(usize, &View) -> T) -> Option<T> {
    let views = sections().views.lock();
    let (start, view) = views.range(..=address).next_back()?;
    (address < *start + view.bytes).then(|| f(*start, view))
}

/// Ends all views of a process that ends.
pub fn unmap_all(process: usize) {
    let ended: Vec<View> = {
        let mut views = sections().views.lock();
        let starts: Vec<usize> =
            views.iter().filter(|(_, view)| view.process == process).map(|(start, _)| *start).collect();
        starts.iter().filter_map(|start| views.remove(start)).collect()
    };
    drop(ended);
}

/// Maps a view of a section object for all processes.
///
/// Source:  MmMapViewInSystemSpace
/// IRQL:    <= APC_LEVEL
/// Units:   `bytes` 0: the whole section
/// Returns: address and bytes
/// Errors:  INVALID_HANDLE (no section object) · as for a user view
pub fn mm_map_view_in_system_space(
    object: usize,
    bytes: u64,
) -> Result<Result<(usize, usize), NtStatus>, Raise> {
    let Some(section) = of_object(object) else { return Ok(Err(NtStatus::INVALID_PARAMETER)) };
    let rights = Rights { copy: false, execute: false, ..section.rights };
    if matches!(section.backing, Backing::Image(_)) {
        return Ok(Err(NtStatus::NOT_SUPPORTED));
    }
    map(&section, &Wanted { offset: 0, bytes, rights, part: ViewPart::System, process: 0 })
}

/// Ends a system view. Source: MmUnmapViewInSystemSpace. Errors: NOT_MAPPED_VIEW.
pub fn mm_unmap_view_in_system_space(address: usize) -> Result<(), NtStatus> {
    unmap(address, 0)
}
