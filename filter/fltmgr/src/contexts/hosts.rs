//! Where contexts of streams, files and handles hang.
//!
//! ```text
//! stream header ──FilterContexts──► Host { stream, sections, file contexts of a stream without a file pointer }
//! file system's pointer of a file ─► Host { file contexts }
//! FILE_OBJECT ──slot──► Host { handle contexts }                  its stream's host is remembered in another slot
//! ```
//!
//! A host is made by the first set and goes when its stream, file or handle does: then its contexts do. Hosts are used
//! again but never freed while the machine lives, so a pointer to one that is remembered can be checked.
//!
//! Refuses: files that are not open, paging files, headers without support: NOT_SUPPORTED. Statements: CTX-36, CTX-37,
//! CTX-49, CTX-55 to CTX-57.
//!
//! UNSAFETY: hosts are found through list entries that begin them and through words of file objects.

use std::ptr::from_ref;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use boundary::Raise;
use nt_abi::{
    FILE_OBJECT, FSRTL_ADVANCED_FCB_HEADER, FSRTL_FLAG2_IS_PAGING_FILE, FSRTL_PER_STREAM_CONTEXT, NtStatus,
};
use nt_fsrtl::{FilePointer, file_pointer, supports_filter_contexts};
use nt_io::file_slot;
use nt_ke::{Lock, Rank};

use super::links::Links;
use crate::{flt, pointer};

/// Word of a file object with the address of its stream's host.
const STREAM_SLOT: usize = 2;
/// Word with the address of its own host.
const HANDLE_SLOT: usize = 3;

const UNKNOWN: u8 = 0;
const NO_DIRECTORY: u8 = 1;
const A_DIRECTORY: u8 = 2;

/// One object's contexts.
#[repr(C)]
pub struct Host {
    /// Its place in the list of the stream or the file. First, so that its address is the host's.
    entry: FSRTL_PER_STREAM_CONTEXT,
    /// Header, file pointer or file object; 0: nobody uses it.
    object: AtomicUsize,
    /// Contexts of what it stands for.
    pub(super) own: Links,
    /// File contexts, when the file system has no place for them. Source: CTX-55.
    pub(super) files: Links,
    /// Section contexts of a stream.
    pub(super) sections: Links,
    /// Whether the stream is a directory: one of the constants above.
    kind: AtomicU8,
}

// SAFETY: the entry changes under the lock of its list, the rest is synchronised.
unsafe impl Sync for Host {}
// SAFETY: as above.
unsafe impl Send for Host {}

/// All hosts, and those that nobody uses.
#[allow(clippy::vec_box, reason = "hosts keep their addresses")]
pub(crate) struct Hosts(Lock<Vec<Box<Host>>>, Lock<Vec<usize>>);

impl Default for Hosts {
    fn default() -> Self {
        Self(Lock::new(Rank::Leaf, Vec::new()), Lock::new(Rank::Leaf, Vec::new()))
    }
}

fn at(address: usize) -> &'static Host {
    // SAFETY: addresses of hosts stand in entries, slots and the list below only; hosts live as long as the machine.
    unsafe { &*(address as *const Host) }
}

/// Names the manager in lists of contexts.
fn owner() -> usize {
    flt().driver().map_or(0, |driver| from_ref(driver) as usize)
}

impl Host {
    fn address(&self) -> usize {
        from_ref(self) as usize
    }

    /// One for `object`, which has none.
    pub(super) fn take(object: usize) -> &'static Self {
        let hosts = &flt().hosts;
        let free = hosts.1.lock().pop();
        let host = match free {
            Some(address) => at(address),
            None => {
                let host = Box::new(Self {
                    entry: FSRTL_PER_STREAM_CONTEXT::default(),
                    object: AtomicUsize::new(0),
                    own: Links::default(),
                    files: Links::default(),
                    sections: Links::default(),
                    kind: AtomicU8::new(UNKNOWN),
                });
                let address = host.address();
                hosts.0.lock().push(host);
                at(address)
            }
        };
        for links in [&host.own, &host.files, &host.sections] {
            links.reopen();
        }
        host.kind.store(UNKNOWN, Ordering::Relaxed);
        host.entry.OwnerId.set(owner() as *mut _);
        host.object.store(object, Ordering::Release);
        host
    }

    /// What it stands for goes.
    pub(super) fn end(&'static self) -> Result<(), Raise> {
        self.object.store(0, Ordering::Release);
        for links in [&self.own, &self.files, &self.sections] {
            links.close()?;
        }
        flt().hosts.1.lock().push(self.address());
        Ok(())
    }

    /// Nobody got to see it.
    fn give_back(&self) {
        self.object.store(0, Ordering::Release);
        flt().hosts.1.lock().push(self.address());
    }
}

/// To be called when the manager starts: streams and files that go hand their hosts back.
pub(crate) fn start() {
    nt_fsrtl::set_rust_owner(owner(), |entry| at(from_ref(entry) as usize).end());
}

/// The header of an open file whose stream can have contexts. Source: CTX-36, CTX-56, CTX-57.
#[inline]
pub fn header(file: &FILE_OBJECT) -> Option<&'static FSRTL_ADVANCED_FCB_HEADER> {
    let header = pointer::header(file)?;
    let supported = supports_filter_contexts(header) && header.Flags2.get() & FSRTL_FLAG2_IS_PAGING_FILE == 0;
    supported.then_some(header)
}

/// The host of the stream of `file`, if it has one.
///
/// Errors: NOT_SUPPORTED
#[inline]
pub(super) fn stream(file: &FILE_OBJECT) -> Result<Option<&'static Host>, NtStatus> {
    let header = header(file).ok_or(NtStatus::NOT_SUPPORTED)?;
    let slot = file_slot(file, STREAM_SLOT);
    if slot.get() != 0 && at(slot.get()).object.load(Ordering::Acquire) == from_ref(header) as usize {
        return Ok(Some(at(slot.get())));
    }
    let entry = nt_fsrtl::lookup_per_stream_context(header, Some(owner()), None);
    Ok(entry.map(|entry| remember(file, entry)))
}

fn remember(file: &FILE_OBJECT, entry: &FSRTL_PER_STREAM_CONTEXT) -> &'static Host {
    let address = from_ref(entry) as usize;
    file_slot(file, STREAM_SLOT).set(address);
    at(address)
}

/// The host of the stream of `file`, made if need be. Errors: NOT_SUPPORTED.
pub(super) fn stream_or_new(file: &FILE_OBJECT) -> Result<&'static Host, NtStatus> {
    if let Some(host) = stream(file)? {
        return Ok(host);
    }
    let header = header(file).ok_or(NtStatus::NOT_SUPPORTED)?;
    let new = Host::take(from_ref(header) as usize);
    let found = nt_fsrtl::find_or_insert_per_stream_context(header, &new.entry);
    let entry = found.ok_or(NtStatus::NOT_SUPPORTED)?;
    if !std::ptr::eq(entry, &raw const new.entry) {
        new.give_back();
    }
    Ok(remember(file, entry))
}

/// Whether the stream of `file` is a directory, where somebody has asked before. Source: OBJ-23.
pub(crate) fn known_directory(file: &FILE_OBJECT) -> Option<bool> {
    match stream(file).ok()??.kind.load(Ordering::Relaxed) {
        UNKNOWN => None,
        kind => Some(kind == A_DIRECTORY),
    }
}

/// Keeps the answer with the stream.
pub(crate) fn remember_directory(file: &FILE_OBJECT, directory: bool) {
    if let Ok(host) = stream_or_new(file) {
        host.kind.store(if directory { A_DIRECTORY } else { NO_DIRECTORY }, Ordering::Relaxed);
    }
}

/// Where the file system of `file` keeps contexts of the file, if it does.
pub(super) fn native_file(file: &FILE_OBJECT) -> Result<Option<&'static FilePointer>, NtStatus> {
    header(file).map(file_pointer).ok_or(NtStatus::NOT_SUPPORTED)
}

/// The links of the file contexts of `file`, if there are any; made with `make`.
///
/// Errors: NOT_SUPPORTED · INSUFFICIENT_RESOURCES
pub(super) fn file(file: &FILE_OBJECT, make: bool) -> Result<Option<&'static Links>, NtStatus> {
    let Some(pointer) = native_file(file)? else {
        let host = if make { Some(stream_or_new(file)?) } else { stream(file)? };
        return Ok(host.map(|host| &host.files));
    };
    let of = |entry: &'static FSRTL_PER_STREAM_CONTEXT| &at(from_ref(entry) as usize).own;
    if let Some(entry) = nt_fsrtl::lookup_per_file_context(pointer, Some(owner()), None) {
        return Ok(Some(of(entry)));
    }
    if !make {
        return Ok(None);
    }
    let new = Host::take(from_ref(pointer) as usize);
    let entry =
        nt_fsrtl::find_or_insert_per_file_context(pointer, &new.entry).inspect_err(|_| new.give_back())?;
    if !std::ptr::eq(entry, &raw const new.entry) {
        new.give_back();
    }
    Ok(Some(of(entry)))
}

/// The host of a file object itself, if it has one. Errors: NOT_SUPPORTED.
#[inline]
pub(super) fn handle(file: &FILE_OBJECT) -> Result<Option<&'static Host>, NtStatus> {
    header(file).ok_or(NtStatus::NOT_SUPPORTED)?;
    let address = file_slot(file, HANDLE_SLOT).get();
    Ok((address != 0).then(|| at(address)))
}

/// The same, made if need be.
pub(super) fn handle_or_new(file: &FILE_OBJECT) -> Result<&'static Host, NtStatus> {
    if let Some(host) = handle(file)? {
        return Ok(host);
    }
    let new = Host::take(from_ref(file) as usize);
    let _linking = flt().linking.lock();
    let slot = file_slot(file, HANDLE_SLOT);
    if slot.get() != 0 {
        new.give_back();
    } else {
        slot.set(new.address());
    }
    Ok(at(slot.get()))
}

/// The file object goes: so do the contexts of its handle. One load for files without any.
#[inline]
pub(crate) fn close_file(file: *mut FILE_OBJECT) -> Result<(), Raise> {
    let Some(file) = pointer::file(file) else { return Ok(()) };
    let slot = file_slot(file, HANDLE_SLOT);
    if slot.get() == 0 { Ok(()) } else { at(slot.replace(0)).end() }
}
