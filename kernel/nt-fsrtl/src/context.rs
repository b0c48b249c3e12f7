//! Filters' contexts of a stream: the list in its advanced header.
//!
//! Owns: the list, guarded by the header's fast mutex on Windows and by one lock per machine here, so that a
//! header without a mutex works, too. Refuses: the contexts' memory, which is their owners'.
//!
//! UNSAFETY: follows the links of a list in memory that drivers reach.

use std::ptr::from_ref;

use nt_abi::{FSRTL_ADVANCED_FCB_HEADER, FSRTL_PER_STREAM_CONTEXT, LIST_ENTRY, NtStatus};
use nt_ke::core::index;
use nt_ke::{Lock, Raise, Rank, Subsystem};

use crate::fs_filter::refusals::Refusals;
use crate::header::supports_filter_contexts;

/// The run-time library of one machine.
pub struct FsRtl {
    contexts: Lock<()>,
    pub(crate) refusals: Refusals,
}

impl Subsystem for FsRtl {
    const INDEX: usize = index::FSRTL;
}

impl FsRtl {
    /// To be installed after the I/O manager.
    pub fn new() -> Box<Self> {
        Box::new(Self { contexts: Lock::new(Rank::Leaf, ()), refusals: Refusals::new() })
    }
}

fn entry(links: *mut LIST_ENTRY) -> &'static FSRTL_PER_STREAM_CONTEXT {
    // SAFETY: entries of the list are such contexts, whose links come first; their owners keep them while
    // they are in the list.
    unsafe { &*links.cast::<FSRTL_PER_STREAM_CONTEXT>() }
}

fn link(links: *mut LIST_ENTRY) -> &'static LIST_ENTRY {
    // SAFETY: links of the list or its head, both alive while the lock is held.
    unsafe { &*links }
}

/// Calls `f` for each context until it answers.
fn find<T>(
    header: &FSRTL_ADVANCED_FCB_HEADER,
    mut f: impl FnMut(&'static FSRTL_PER_STREAM_CONTEXT) -> Option<T>,
) -> Option<T> {
    let head = from_ref(&header.FilterContexts).cast_mut();
    let mut next = header.FilterContexts.Flink.get();
    while next != head && !next.is_null() {
        let context = entry(next);
        next = context.Links.Flink.get();
        if let Some(found) = f(context) {
            return Some(found);
        }
    }
    None
}

fn unlink(context: &FSRTL_PER_STREAM_CONTEXT) {
    let (next, previous) = (context.Links.Flink.get(), context.Links.Blink.get());
    link(previous).Flink.set(next);
    link(next).Blink.set(previous);
    nt_ke::dispatcher::initialize_list(&context.Links);
}

/// An instance is looked for together with its owner; without either, any context is the one.
fn matches(context: &FSRTL_PER_STREAM_CONTEXT, owner: Option<usize>, instance: Option<usize>) -> bool {
    let is_owner = |owner| context.OwnerId.get() as usize == owner;
    match (owner, instance) {
        (_, Some(instance)) => is_owner(owner.unwrap_or(0)) && context.InstanceId.get() as usize == instance,
        (owner, None) => owner.is_none_or(is_owner),
    }
}

/// Attaches a context to a stream.
///
/// Source:  FsRtlInsertPerStreamContext
/// IRQL:    <= APC_LEVEL
/// Errors:  INVALID_DEVICE_REQUEST when the stream supports none
pub fn insert_per_stream_context(
    header: &FSRTL_ADVANCED_FCB_HEADER,
    context: &FSRTL_PER_STREAM_CONTEXT,
) -> NtStatus {
    if !supports_filter_contexts(header) {
        return NtStatus::INVALID_DEVICE_REQUEST;
    }
    let _lock = nt_ke::subsystem::<FsRtl>().contexts.lock();
    let head = &header.FilterContexts;
    let first = head.Flink.get();
    context.Links.Flink.set(first);
    context.Links.Blink.set(from_ref(head).cast_mut());
    link(first).Blink.set(from_ref(&context.Links).cast_mut());
    head.Flink.set(from_ref(&context.Links).cast_mut());
    NtStatus::SUCCESS
}

/// The context of `owner` and `instance`, as far as given: the first one without either.
///
/// Source:  FsRtlLookupPerStreamContext. IRQL: <= APC_LEVEL
pub fn lookup_per_stream_context(
    header: &FSRTL_ADVANCED_FCB_HEADER,
    owner: Option<usize>,
    instance: Option<usize>,
) -> Option<&'static FSRTL_PER_STREAM_CONTEXT> {
    if !supports_filter_contexts(header) {
        return None;
    }
    let _lock = nt_ke::subsystem::<FsRtl>().contexts.lock();
    find(header, |context| matches(context, owner, instance).then_some(context))
}

/// Takes it off the stream and returns it. Source: FsRtlRemovePerStreamContext. IRQL: <= APC_LEVEL
pub fn remove_per_stream_context(
    header: &FSRTL_ADVANCED_FCB_HEADER,
    owner: Option<usize>,
    instance: Option<usize>,
) -> Option<&'static FSRTL_PER_STREAM_CONTEXT> {
    if !supports_filter_contexts(header) {
        return None;
    }
    let _lock = nt_ke::subsystem::<FsRtl>().contexts.lock();
    let found = find(header, |context| matches(context, owner, instance).then_some(context));
    if let Some(context) = found {
        unlink(context);
    }
    found
}

/// The stream goes: takes every context off and has its owner free it, with no lock held.
///
/// Source:  FsRtlTeardownPerStreamContexts. IRQL: <= APC_LEVEL. A null free callback is skipped.
pub fn teardown_per_stream_contexts(header: &FSRTL_ADVANCED_FCB_HEADER) -> Result<(), Raise> {
    if !supports_filter_contexts(header) {
        return Ok(());
    }
    loop {
        let next = {
            let _lock = nt_ke::subsystem::<FsRtl>().contexts.lock();
            let first = find(header, Some);
            if let Some(context) = first {
                unlink(context);
            }
            first
        };
        let Some(context) = next else { return Ok(()) };
        let free = context.FreeCallback.get();
        if !free.is_null() {
            boundary::call(free, [from_ref(context) as u64])?;
        }
    }
}
