//! Filters' contexts of a stream: the list in its advanced header. Those of files: [`crate::file_context`].
//!
//! Owns: the list, guarded by the header's fast mutex on Windows and by one lock per machine here, so that a
//! header without a mutex works, too. Refuses: the contexts' memory, which is their owners'.
//!
//! Who is part of the engine frees its contexts through a Rust function ([`set_rust_owner`]): its contexts have no free
//! callback for drivers to call.
//!
//! UNSAFETY: follows the links of a list in memory that drivers reach.

use std::collections::BTreeMap;
use std::ptr::from_ref;

use nt_abi::{FSRTL_ADVANCED_FCB_HEADER, FSRTL_PER_STREAM_CONTEXT, LIST_ENTRY, NtStatus};
use nt_ke::core::index;
use nt_ke::{Lock, Raise, Rank, Subsystem};

use crate::fs_filter::refusals::Refusals;
use crate::header::supports_filter_contexts;

/// The run-time library of one machine.
pub struct FsRtl {
    pub(crate) contexts: Lock<()>,
    owners: Lock<Vec<(usize, FreeContext)>>,
    pub(crate) refusals: Refusals,
    /// Extra create parameters that nobody has freed or attached, and who allocated them.
    pub(crate) ecps: Lock<BTreeMap<usize, usize>>,
}

/// Frees a context whose stream or file goes. It is on no list any more.
pub type FreeContext = fn(&'static FSRTL_PER_STREAM_CONTEXT) -> Result<(), Raise>;

impl Subsystem for FsRtl {
    const INDEX: usize = index::FSRTL;
}

impl FsRtl {
    /// To be installed after the I/O manager.
    pub fn new() -> Box<Self> {
        crate::ecp::start();
        Box::new(Self {
            contexts: Lock::new(Rank::Leaf, ()),
            owners: Lock::new(Rank::Leaf, Vec::new()),
            refusals: Refusals::new(),
            ecps: Lock::new(Rank::Leaf, BTreeMap::new()),
        })
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

/// Frees the contexts of `owner`, which is part of the engine, by `free`.
pub fn set_rust_owner(owner: usize, free: FreeContext) {
    nt_ke::subsystem::<FsRtl>().owners.lock().push((owner, free));
}

/// Has the owner of a context that is on no list any more free it. Nothing happens without a free callback.
pub(crate) fn free(context: &'static FSRTL_PER_STREAM_CONTEXT) -> Result<(), Raise> {
    let owner = context.OwnerId.get() as usize;
    let known = {
        let owners = nt_ke::subsystem::<FsRtl>().owners.lock();
        owners.iter().find(|(other, _)| *other == owner).map(|(_, free)| *free)
    };
    if let Some(free) = known {
        return free(context);
    }
    let callback = context.FreeCallback.get();
    if !callback.is_null() {
        boundary::call(callback, [from_ref(context) as u64])?;
    }
    Ok(())
}

/// Calls `f` for each context until it answers.
pub(crate) fn find<T>(
    list: &LIST_ENTRY,
    mut f: impl FnMut(&'static FSRTL_PER_STREAM_CONTEXT) -> Option<T>,
) -> Option<T> {
    let head = from_ref(list).cast_mut();
    let mut next = list.Flink.get();
    while next != head && !next.is_null() {
        let context = entry(next);
        next = context.Links.Flink.get();
        if let Some(found) = f(context) {
            return Some(found);
        }
    }
    None
}

/// Puts a context first.
pub(crate) fn push(head: &LIST_ENTRY, context: &FSRTL_PER_STREAM_CONTEXT) {
    let first = head.Flink.get();
    context.Links.Flink.set(first);
    context.Links.Blink.set(from_ref(head).cast_mut());
    link(first).Blink.set(from_ref(&context.Links).cast_mut());
    head.Flink.set(from_ref(&context.Links).cast_mut());
}

pub(crate) fn unlink(context: &FSRTL_PER_STREAM_CONTEXT) {
    let (next, previous) = (context.Links.Flink.get(), context.Links.Blink.get());
    link(previous).Flink.set(next);
    link(next).Blink.set(previous);
    nt_ke::dispatcher::initialize_list(&context.Links);
}

/// An instance is looked for together with its owner; without either, any context is the one.
pub(crate) fn matches(
    context: &FSRTL_PER_STREAM_CONTEXT,
    owner: Option<usize>,
    instance: Option<usize>,
) -> bool {
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
    push(&header.FilterContexts, context);
    NtStatus::SUCCESS
}

/// The context of the new one's owner, when there is one; else attaches the new one. For one context per owner.
///
/// Returns: what is attached; `None` when the stream supports none
pub fn find_or_insert_per_stream_context(
    header: &FSRTL_ADVANCED_FCB_HEADER,
    new: &'static FSRTL_PER_STREAM_CONTEXT,
) -> Option<&'static FSRTL_PER_STREAM_CONTEXT> {
    if !supports_filter_contexts(header) {
        return None;
    }
    let _lock = nt_ke::subsystem::<FsRtl>().contexts.lock();
    let owner = new.OwnerId.get();
    let found = find(&header.FilterContexts, |context| (context.OwnerId.get() == owner).then_some(context));
    if found.is_none() {
        push(&header.FilterContexts, new);
    }
    found.or(Some(new))
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
    find(&header.FilterContexts, |context| matches(context, owner, instance).then_some(context))
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
    let found = find(&header.FilterContexts, |context| matches(context, owner, instance).then_some(context));
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
            let first = find(&header.FilterContexts, Some);
            if let Some(context) = first {
                unlink(context);
            }
            first
        };
        let Some(context) = next else { return Ok(()) };
        free(context)?;
    }
}
