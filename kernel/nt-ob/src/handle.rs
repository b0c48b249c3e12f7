//! Handles: small numbers that stand for an object and the access to it.
//!
//! Each process has a table; the kernel has one more, whose handles are negative and good in every process, but not
//! for callers in user mode. Freed numbers are reused oldest first, so that a stale handle stays invalid long.
//!
//! ```text
//! slot: [ references taken in advance, 16 bits | address of the object ] access, attributes, creator
//! look up: one compare-and-swap takes one of those references over; when none is left, the lock and 32 more
//! close:   the lock, the slot is emptied, the references that are left go back to the object
//! ```
//!
//! So a lookup takes no lock. An object's count includes what its handles hold in advance; a driver that gives back
//! more than it took is found out at the latest when the handle is closed.
//!
//! UNSAFETY: a process' header has the address of its table, which the object manager owns.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use boundary::Raise;
use nt_abi::{NtStatus, OBJ_KERNEL_HANDLE};
use nt_ke::{Finding, Lock, Rank, current_core, current_thread};

use crate::header::Header;
use crate::namespace;
use crate::object::{ObjectRef, ob_validate};
use crate::subsystem::ob;
use crate::types::ObjectType;

const KERNEL_BITS: usize = 0xFFFF_FFFF_8000_0000;
/// `NtCurrentProcess()`.
const CURRENT_PROCESS: usize = usize::MAX;
/// `NtCurrentThread()`.
const CURRENT_THREAD: usize = usize::MAX - 1;
const USER_MODE: u8 = 1;

#[derive(Clone, Copy)]
struct Entry {
    object: usize,
    access: u32,
    attributes: u32,
    creator: usize,
}

/// Slots of one chunk, and how many chunks there can be.
const CHUNK: usize = 256;
const CHUNKS: usize = 1024;
/// References that a slot takes at once.
const ADVANCE: u64 = 32;
/// One reference in a slot's word.
const ONE: u64 = 1 << 48;
const ADDRESS: u64 = ONE - 1;

#[derive(Default)]
struct Slot {
    word: AtomicU64,
    access: AtomicU32,
    attributes: AtomicU32,
    creator: AtomicUsize,
}

impl Slot {
    /// The handle in it, without a reference. Under the table's lock.
    fn entry(&self) -> Option<Entry> {
        let object = (self.word.load(Ordering::Acquire) & ADDRESS) as usize;
        (object != 0).then(|| self.entry_of(object))
    }

    fn entry_of(&self, object: usize) -> Entry {
        Entry {
            object,
            access: self.access.load(Ordering::Relaxed),
            attributes: self.attributes.load(Ordering::Relaxed),
            creator: self.creator.load(Ordering::Relaxed),
        }
    }
}

/// Which numbers are in use.
#[derive(Default)]
struct Numbers {
    used: usize,
    free: VecDeque<usize>,
}

/// The handles of one process, or of the kernel.
pub(crate) struct HandleTable {
    kernel: bool,
    chunks: Box<[OnceLock<Box<[Slot]>>]>,
    numbers: Lock<Numbers>,
}

/// What a handle stands for.
#[derive(Debug)]
pub struct HandleInformation {
    /// The object, referenced.
    pub object: ObjectRef,
    /// Access that the handle grants.
    pub granted_access: u32,
    /// `OBJ_*` that it was made with.
    pub attributes: u32,
}

/// An open handle, for reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenHandle {
    /// Its value.
    pub handle: usize,
    /// The object.
    pub object: usize,
    /// Name of the object's type.
    pub kind: &'static str,
    /// Where a driver called the export that made it, 0 if none did.
    pub creator: usize,
}

impl HandleTable {
    pub(crate) fn new(kernel: bool) -> Self {
        Self {
            kernel,
            chunks: (0..CHUNKS).map(|_| OnceLock::new()).collect(),
            numbers: Lock::new(Rank::ObHandles, Numbers::default()),
        }
    }

    fn value(&self, index: usize) -> usize {
        let number = (index + 1) * 4;
        if self.kernel { KERNEL_BITS | number } else { number }
    }

    /// The slot of a handle whose kernel bits, if any, belong to this table. The low two bits are ignored, as on NT.
    #[inline]
    fn slot(&self, handle: usize) -> Option<&Slot> {
        let number = if self.kernel { handle & !KERNEL_BITS } else { handle };
        self.slot_at((number / 4).checked_sub(1)?)
    }

    #[inline]
    fn slot_at(&self, index: usize) -> Option<&Slot> {
        self.chunks.get(index / CHUNK)?.get()?.get(index % CHUNK)
    }

    /// Errors: INSUFFICIENT_RESOURCES when all numbers are in use
    fn insert(&self, entry: Entry) -> Result<usize, NtStatus> {
        let mut numbers = self.numbers.lock();
        let index = match numbers.free.pop_front() {
            Some(index) => index,
            None if numbers.used == CHUNK * CHUNKS => return Err(NtStatus::INSUFFICIENT_RESOURCES),
            None => {
                numbers.used += 1;
                numbers.used - 1
            }
        };
        let chunk = self.chunks[index / CHUNK].get_or_init(|| (0..CHUNK).map(|_| Slot::default()).collect());
        let slot = &chunk[index % CHUNK];
        slot.access.store(entry.access, Ordering::Relaxed);
        slot.attributes.store(entry.attributes, Ordering::Relaxed);
        slot.creator.store(entry.creator, Ordering::Relaxed);
        slot.word.store(entry.object as u64, Ordering::Release);
        drop(numbers);
        Ok(self.value(index))
    }

    #[inline]
    fn get(&self, handle: usize) -> Option<(ObjectRef, Entry)> {
        let slot = self.slot(handle)?;
        let mut word = slot.word.load(Ordering::Acquire);
        loop {
            if word < ONE {
                return self.get_and_refill(slot);
            }
            let object = (word & ADDRESS) as usize;
            let entry = slot.entry_of(object);
            match slot.word.compare_exchange_weak(word, word - ONE, Ordering::AcqRel, Ordering::Acquire) {
                // The reference was counted when it was taken in advance.
                Ok(_) => return Some((ObjectRef::from_raw(object), entry)),
                Err(now) => word = now,
            }
        }
    }

    /// The same when no reference is left, or there is no handle.
    #[cold]
    fn get_and_refill(&self, slot: &Slot) -> Option<(ObjectRef, Entry)> {
        // Under the lock the handle keeps the object, and nobody else refills.
        let _numbers = self.numbers.lock();
        let entry = slot.entry()?;
        Header::of(entry.object).pointers.fetch_add(ADVANCE as i64 + 1, Ordering::Relaxed);
        slot.word.fetch_add(ADVANCE * ONE, Ordering::AcqRel);
        Some((ObjectRef::from_raw(entry.object), entry))
    }

    fn remove(&self, handle: usize) -> Option<Entry> {
        let slot = self.slot(handle)?;
        let mut numbers = self.numbers.lock();
        let entry = slot.entry()?;
        let left = slot.word.swap(0, Ordering::AcqRel) / ONE;
        Header::of(entry.object).pointers.fetch_sub(left as i64, Ordering::AcqRel);
        let number = if self.kernel { handle & !KERNEL_BITS } else { handle };
        numbers.free.push_back(number / 4 - 1);
        Some(entry)
    }

    fn list(&self) -> Vec<(usize, Entry)> {
        let numbers = self.numbers.lock();
        let entry = |index| Some((self.value(index), self.slot_at(index)?.entry()?));
        (0..numbers.used).filter_map(entry).collect()
    }
}

/// Whether `handle` belongs to the kernel's table.
pub fn ob_is_kernel_handle(handle: usize) -> bool {
    handle & KERNEL_BITS == KERNEL_BITS && handle < CURRENT_THREAD - 3
}

fn table_of(process: usize) -> &'static HandleTable {
    let table = match process {
        0 => 0,
        process => Header::of(process).table.load(Ordering::Acquire),
    };
    if table == 0 {
        return &ob().kernel_handles;
    }
    // SAFETY: set by `ob_create_handle_table`; the box stays until the process object is deleted.
    unsafe { &*(table as *const HandleTable) }
}

/// The table that `handle` is looked up in, and the process that it belongs to.
fn table_for(handle: usize) -> (&'static HandleTable, usize) {
    let process = current_thread().attached_process().get();
    if ob_is_kernel_handle(handle) { (&ob().kernel_handles, 0) } else { (table_of(process), process) }
}

/// Gives `process`, a process object, a handle table of its own. One without uses the kernel's.
pub fn ob_create_handle_table(process: usize) {
    let table = Box::new(HandleTable::new(false));
    Header::of(process).table.store(std::ptr::from_ref(&*table) as usize, Ordering::Release);
    ob().tables.lock().insert(process, table);
}

/// Frees the table of `process`, whose handles are closed, when the process object is deleted.
pub fn ob_delete_handle_table(process: usize) {
    Header::of(process).table.store(0, Ordering::Release);
    let table = ob().tables.lock().remove(&process);
    drop(table);
}

/// Makes a handle that grants `access` (specific rights) to `object`, in the current process' table or, with
/// OBJ_KERNEL_HANDLE, in the kernel's. The handle references the object.
///
/// IRQL:    PASSIVE_LEVEL
/// Errors:  INSUFFICIENT_RESOURCES: the table has 262,144 handles
pub fn ob_create_handle(object: usize, access: u32, attributes: u32) -> Result<usize, NtStatus> {
    let table = if attributes & OBJ_KERNEL_HANDLE != 0 {
        &ob().kernel_handles
    } else {
        table_of(current_thread().attached_process().get())
    };
    let header = Header::of(object);
    header.handles.fetch_add(1, Ordering::AcqRel);
    let reference = ObjectRef::take(object);
    let entry = Entry { object, access, attributes, creator: boundary::caller_address() };
    let made = table.insert(entry);
    match made {
        // The reference is the handle's.
        Ok(_) => _ = reference.into_raw(),
        Err(_) => _ = header.handles.fetch_sub(1, Ordering::AcqRel),
    }
    made
}

/// The object behind a handle.
///
/// Source:  ObReferenceObjectByHandle
/// IRQL:    PASSIVE_LEVEL
/// Errors:  InvalidHandle · ObjectTypeMismatch · AccessDenied (from user mode, for access that was not granted)
pub fn ob_reference_by_handle(
    handle: usize,
    access: u32,
    kind: Option<&'static ObjectType>,
    mode: u8,
) -> Result<HandleInformation, NtStatus> {
    let thread = current_thread();
    let itself = match handle {
        CURRENT_PROCESS => Some(thread.attached_process().get()),
        CURRENT_THREAD => Some(std::ptr::from_ref(thread) as usize),
        _ => None,
    };
    let information = match itself {
        Some(object) if Header::find(object).is_ok() => HandleInformation {
            object: ObjectRef::take(object),
            granted_access: Header::of(object).kind().valid_access(),
            attributes: 0,
        },
        Some(_) => return Err(NtStatus::INVALID_HANDLE),
        None => {
            if mode == USER_MODE && ob_is_kernel_handle(handle) {
                return Err(NtStatus::INVALID_HANDLE);
            }
            let (object, entry) = table_for(handle).0.get(handle).ok_or(NtStatus::INVALID_HANDLE)?;
            HandleInformation { object, granted_access: entry.access, attributes: entry.attributes }
        }
    };
    if kind.is_some_and(|kind| !std::ptr::eq(kind, information.object.kind())) {
        return Err(NtStatus::OBJECT_TYPE_MISMATCH);
    }
    if mode == USER_MODE && access & !information.granted_access != 0 {
        return Err(NtStatus::ACCESS_DENIED);
    }
    Ok(information)
}

/// Closes a handle.
///
/// Source:  ZwClose, ObCloseHandle
/// IRQL:    PASSIVE_LEVEL
/// Locks:   none held: the close procedure of the type calls drivers
/// Errors:  InvalidHandle; from kernel mode also a finding, where Windows may bug check
pub fn ob_close_handle(handle: usize, mode: u8) -> Result<NtStatus, Raise> {
    if handle == CURRENT_PROCESS || handle == CURRENT_THREAD {
        return Ok(NtStatus::SUCCESS);
    }
    let refused = mode == USER_MODE && ob_is_kernel_handle(handle);
    let (table, process) = table_for(handle);
    let removed = if refused { None } else { table.remove(handle) };
    let Some(entry) = removed else {
        if mode != USER_MODE {
            let message =
                format!("{handle:#x} was closed, which is no open handle: closed twice, or never opened");
            current_core().report(Finding::error("invalid-handle", "", message));
        }
        return Ok(NtStatus::INVALID_HANDLE);
    };
    closed(entry.object, process)?;
    Ok(NtStatus::SUCCESS)
}

/// What follows when a handle has left its table.
fn closed(object: usize, process: usize) -> Result<(), Raise> {
    let reference = ObjectRef::from_raw(object);
    let header = Header::of(object);
    let left = header.handles.fetch_sub(1, Ordering::AcqRel) - 1;
    if let Some(procedure) = header.kind().description.close {
        procedure(object, process, left.max(0) as u64)?;
    }
    if left == 0 {
        namespace::remove_unused_name(object)?;
    }
    reference.release()
}

/// Closes all handles of `process`: it exits.
pub fn ob_close_all_handles(process: usize) -> Result<(), Raise> {
    ob_validate(process, None)?;
    let table = table_of(process);
    if table.kernel {
        return Ok(());
    }
    for (handle, _) in table.list() {
        if let Some(entry) = table.remove(handle) {
            closed(entry.object, process)?;
        }
    }
    Ok(())
}

/// Makes another handle to the same object in the current process (or the kernel's table).
///
/// Source:  ZwDuplicateObject within one process; `access` `None` is DUPLICATE_SAME_ACCESS
/// Errors:  InvalidHandle
pub fn ob_duplicate_handle(
    handle: usize,
    access: Option<u32>,
    attributes: u32,
    mode: u8,
) -> Result<Result<usize, NtStatus>, Raise> {
    let information = match ob_reference_by_handle(handle, 0, None, mode) {
        Ok(information) => information,
        Err(status) => return Ok(Err(status)),
    };
    let granted = match access {
        Some(access) => information.object.kind().grant(access),
        None => information.granted_access,
    };
    let new = ob_create_handle(information.object.address(), granted, attributes);
    information.object.release()?;
    Ok(new)
}

fn report(table: &HandleTable) -> Vec<OpenHandle> {
    let rows = table.list().into_iter();
    rows.map(|(handle, entry)| OpenHandle {
        handle,
        object: entry.object,
        kind: Header::of(entry.object).kind().name(),
        creator: entry.creator,
    })
    .collect()
}

/// The open handles of the kernel.
pub fn ob_open_kernel_handles() -> Vec<OpenHandle> {
    report(&ob().kernel_handles)
}

/// The open handles of a process; those of the kernel if it has no table of its own.
pub fn ob_open_handles(process: usize) -> Vec<OpenHandle> {
    report(table_of(process))
}
