//! Filters' contexts of a file, whatever stream of it is open.
//!
//! ```text
//! file system's pointer (one for each file, named by the headers of its streams) ──► List { head } ──► contexts
//!   null until the first insert, null again after the teardown
//! ```
//!
//! Owns: the list, under the lock of [`crate::context`], whose entries have the same layout. Refuses: the pointer, which
//! the file system keeps with the file, and the contexts' memory.
//!
//! UNSAFETY: follows the file system's pointer to a list that was made here.

use std::ptr::from_ref;
use std::sync::atomic::{AtomicUsize, Ordering};

use nt_abi::{FSRTL_ADVANCED_FCB_HEADER, FSRTL_PER_STREAM_CONTEXT, LIST_ENTRY, NtStatus};
use nt_ex::pool::{self, PoolKind};
use nt_ke::Raise;

use crate::context::{self, FsRtl};
use crate::header::{HEADER_VERSION, supports_filter_contexts};

const TAG: u32 = u32::from_le_bytes(*b"FSfc");

// An entry is used as a context of a stream below.
const _: () = assert!(size_of::<nt_abi::FSRTL_PER_FILE_CONTEXT>() == size_of::<FSRTL_PER_STREAM_CONTEXT>());

/// Where a file system keeps the contexts of one file.
pub type FilePointer = AtomicUsize;

/// The pointer that the file system of a stream keeps with its file, if it has one.
///
/// Source: FsRtlSupportsPerFileContexts, FsRtlGetPerFileContextPointer
pub fn file_pointer(header: &FSRTL_ADVANCED_FCB_HEADER) -> Option<&'static FilePointer> {
    if !supports_filter_contexts(header) || header.Version.get() >> 4 < HEADER_VERSION {
        return None;
    }
    // SAFETY: a file system that sets it keeps the pointer for as long as the header.
    unsafe { header.FileContextSupportPointer.get().cast::<FilePointer>().as_ref() }
}

fn list(pointer: &FilePointer) -> Option<&'static LIST_ENTRY> {
    // SAFETY: made by `make`, freed by `teardown_per_file_contexts`, which takes it from the pointer first.
    unsafe { (pointer.load(Ordering::Acquire) as *const LIST_ENTRY).as_ref() }
}

/// The list behind a pointer, made if need be.
fn make(pointer: &FilePointer) -> Result<&'static LIST_ENTRY, NtStatus> {
    if let Some(list) = list(pointer) {
        return Ok(list);
    }
    let block = pool::allocate_engine(PoolKind::NonPaged, size_of::<LIST_ENTRY>(), TAG)
        .ok_or(NtStatus::INSUFFICIENT_RESOURCES)?
        .as_ptr();
    // SAFETY: a fresh block of that size, 16-aligned, whose fields are cells.
    let head: &'static LIST_ENTRY = unsafe { &*block.cast::<LIST_ENTRY>() };
    nt_ke::dispatcher::initialize_list(head);
    match pointer.compare_exchange(0, block as usize, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Ok(head),
        Err(_) => {
            let _ = pool::free(block, Some(TAG));
            list(pointer).ok_or(NtStatus::INSUFFICIENT_RESOURCES)
        }
    }
}

/// Attaches a context to a file.
///
/// Source:  FsRtlInsertPerFileContext
/// IRQL:    <= APC_LEVEL
/// Errors:  INSUFFICIENT_RESOURCES
pub fn insert_per_file_context(pointer: &FilePointer, context: &FSRTL_PER_STREAM_CONTEXT) -> NtStatus {
    match make(pointer) {
        Ok(head) => {
            let _lock = nt_ke::subsystem::<FsRtl>().contexts.lock();
            context::push(head, context);
            NtStatus::SUCCESS
        }
        Err(status) => status,
    }
}

/// The context of the new one's owner, when there is one; else attaches the new one. For one context per owner.
///
/// Errors: INSUFFICIENT_RESOURCES
pub fn find_or_insert_per_file_context(
    pointer: &FilePointer,
    new: &'static FSRTL_PER_STREAM_CONTEXT,
) -> Result<&'static FSRTL_PER_STREAM_CONTEXT, NtStatus> {
    let head = make(pointer)?;
    let _lock = nt_ke::subsystem::<FsRtl>().contexts.lock();
    let owner = new.OwnerId.get();
    let found = context::find(head, |context| (context.OwnerId.get() == owner).then_some(context));
    if found.is_none() {
        context::push(head, new);
    }
    Ok(found.unwrap_or(new))
}

/// The context of `owner` and `instance`, as far as given. Source: FsRtlLookupPerFileContext. IRQL: <= APC_LEVEL
pub fn lookup_per_file_context(
    pointer: &FilePointer,
    owner: Option<usize>,
    instance: Option<usize>,
) -> Option<&'static FSRTL_PER_STREAM_CONTEXT> {
    let head = list(pointer)?;
    let _lock = nt_ke::subsystem::<FsRtl>().contexts.lock();
    context::find(head, |context| context::matches(context, owner, instance).then_some(context))
}

/// Takes it off the file and returns it. Source: FsRtlRemovePerFileContext. IRQL: <= APC_LEVEL
pub fn remove_per_file_context(
    pointer: &FilePointer,
    owner: Option<usize>,
    instance: Option<usize>,
) -> Option<&'static FSRTL_PER_STREAM_CONTEXT> {
    let head = list(pointer)?;
    let _lock = nt_ke::subsystem::<FsRtl>().contexts.lock();
    let found = context::find(head, |context| context::matches(context, owner, instance).then_some(context));
    if let Some(context) = found {
        context::unlink(context);
    }
    found
}

/// The file goes: takes every context off and has its owner free it, with no lock held.
///
/// Source:  FsRtlTeardownPerFileContexts. IRQL: <= APC_LEVEL
pub fn teardown_per_file_contexts(pointer: &FilePointer) -> Result<(), Raise> {
    let Some(head) = list(pointer) else { return Ok(()) };
    pointer.store(0, Ordering::Release);
    loop {
        let next = {
            let _lock = nt_ke::subsystem::<FsRtl>().contexts.lock();
            context::find(head, Some).inspect(|context| context::unlink(context))
        };
        match next {
            Some(context) => context::free(context)?,
            None => break,
        }
    }
    pool::free(from_ref(head).cast(), Some(TAG))?;
    Ok(())
}
