//! A context's memory: the manager's header, then the part that the filter sees.
//!
//! ```text
//! block: [ Header, 64 bytes ][ the filter's part ]        drivers hold the address of the filter's part
//! ```
//!
//! A filter's blocks are listed with it until they are freed, so an unload can name the ones that are left. The
//! header is checked by its type code before it is used; freeing clears that.
//!
//! UNSAFETY: turns addresses that drivers pass into headers after reading the type code through a fault-safe copy.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use boundary::{Raise, call, copy};
use nt_abi::irql::DISPATCH_LEVEL;
use nt_abi::{
    FLT_VARIABLE_SIZED_CONTEXTS, FLT_VOLUME_CONTEXT, FLTFL_CONTEXT_REGISTRATION_NO_EXACT_SIZE_MATCH, NtStatus,
};
use nt_ex::pool::{self, PoolKind};
use nt_ex::work::{self, WorkQueue};
use nt_ke::{Finding, Lock, Rank, current_core, irql};

use super::{is_kind, links::Links, name};
use crate::filter::Filter;
use crate::findings;
use crate::registration::ContextDefinition;

/// Tag of contexts whose definition has none.
const TAG: u32 = u32::from_le_bytes(*b"FMct");
const MAGIC: u32 = 0xF17C_0B1C;
/// What a fresh context holds: it is not zeroed (CTX-19), and reading it early should show.
const FRESH: u8 = 0xC7;
/// Largest context. Source: CTX-15.
const LARGEST: usize = 0xFFFF;
/// `NonPagedPool`, `PagedPool` and `NonPagedPoolNx`.
const NON_PAGED: u32 = 0;
const PAGED: u32 = 1;
const NON_PAGED_NX: u32 = 0x200;

#[repr(C, align(16))]
pub(super) struct Header {
    magic: Cell<u32>,
    kind: Cell<u16>,
    paged: Cell<bool>,
    references: AtomicU32,
    /// Position of its definition in the filter's registration.
    definition: Cell<u32>,
    bytes: Cell<usize>,
    /// One strong count.
    filter: Cell<*const Filter>,
    /// What it is linked to, or 0. Changes under the manager's link lock.
    pub(super) owner: AtomicUsize,
    /// For whom it is linked: a filter or an instance. Changes under the manager's link lock.
    pub(super) key: Cell<usize>,
    /// What a section context has been through, see [`super::sections`].
    pub(super) scan: AtomicUsize,
}

const HEADER: usize = size_of::<Header>();
const _: () = assert!(HEADER == 64);

/// A live context.
#[derive(Clone, Copy)]
pub struct Context(&'static Header);

impl Context {
    /// What drivers hold.
    pub fn address(self) -> usize {
        std::ptr::from_ref(self.0) as usize + HEADER
    }

    /// `FLT_*_CONTEXT`.
    pub fn kind(self) -> u16 {
        self.0.kind.get()
    }

    /// Whose it is.
    pub fn filter(self) -> &'static Filter {
        // SAFETY: the header owns a strong count until it is freed.
        unsafe { &*self.0.filter.get() }
    }

    #[inline]
    pub(super) fn header(self) -> &'static Header {
        self.0
    }

    fn definition(self) -> &'static ContextDefinition {
        &self.filter().registration.contexts[self.0.definition.get() as usize]
    }

    pub(super) fn owner(self) -> Option<&'static Links> {
        // SAFETY: read under the link lock, under which an owner unlinks everything before it goes.
        unsafe { (self.0.owner.load(Ordering::Acquire) as *const Links).as_ref() }
    }

    pub(super) fn reference(self) {
        self.0.references.fetch_add(1, Ordering::AcqRel);
    }
}

// SAFETY: a context is shared by all threads; its cells are set before it is published, or under the link lock.
unsafe impl Send for Context {}

/// The context at an address that a driver passed, if one lives there.
pub fn from_address(address: usize) -> Option<Context> {
    let start = address.checked_sub(HEADER).filter(|start| *start != 0 && start.is_multiple_of(16))?;
    let magic: u32 = copy::read_value(start).ok()?;
    // SAFETY: the type code stands only in headers of contexts that are not freed, 16-aligned, all cells.
    (magic == MAGIC).then(|| Context(unsafe { &*(start as *const Header) }))
}

/// The same; what is not live is a finding.
pub fn expect(address: usize, routine: &str) -> Option<Context> {
    let found = from_address(address);
    if found.is_none() {
        current_core().report(Finding::error(
            "CTX-43",
            "",
            format!(
                "{routine} was given {address:#x} as a context, which it is not (any more): used after its last \
                 reference was released, or released once too often"
            ),
        ));
    }
    found
}

/// The live contexts of a filter.
pub struct Live {
    /// Those that have not lost their last reference.
    addresses: Lock<BTreeSet<usize>>,
    /// Those whose memory is not freed.
    count: AtomicUsize,
    /// The filter's image may be gone: no callbacks any more.
    orphaned: AtomicBool,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            addresses: Lock::new(Rank::Leaf, BTreeSet::new()),
            count: AtomicUsize::new(0),
            orphaned: AtomicBool::new(false),
        }
    }
}

/// Gives up the counts of contexts that are left, when the machine goes and its memory with it.
pub(crate) fn forget(filter: &Arc<Filter>) {
    for _ in std::mem::take(&mut *filter.contexts.addresses.lock()) {
        // SAFETY: each listed context owns one strong count, which nobody else will give up any more.
        unsafe { Arc::decrement_strong_count(Arc::as_ptr(filter)) };
    }
}

/// The definition that serves `bytes` of `kind`: one with callbacks, an exact size, a larger size that allows it, or
/// any size. Source: CTX-02, CTX-04, CTX-08, CTX-11 to CTX-14.
fn matching(definitions: &[ContextDefinition], kind: u16, bytes: usize) -> Option<usize> {
    let of_kind = || definitions.iter().enumerate().filter(|(_, d)| d.context_type == kind);
    let first =
        |wanted: &dyn Fn(&ContextDefinition) -> bool| of_kind().find(|(_, d)| wanted(d)).map(|(i, _)| i);
    let fixed = |d: &ContextDefinition| d.size != FLT_VARIABLE_SIZED_CONTEXTS;
    let roomy = of_kind()
        .filter(|(_, d)| {
            fixed(d) && d.flags & FLTFL_CONTEXT_REGISTRATION_NO_EXACT_SIZE_MATCH != 0 && d.size >= bytes
        })
        .min_by_key(|(_, d)| d.size)
        .map(|(i, _)| i);
    first(&|d| d.makes_its_own())
        .or_else(|| first(&|d| d.size == bytes))
        .or(roomy)
        .or_else(|| first(&|d| !fixed(d)))
}

/// Allocates a context that hangs on nothing, with one reference.
///
/// Source:  FltAllocateContext; CTX-11 to CTX-23
/// IRQL:    <= APC_LEVEL
/// Returns: address of the filter's part, which is not zeroed
/// Errors:  INVALID_PARAMETER (no such kind; 0 or more than 65535 bytes) · FLT_CONTEXT_ALLOCATION_NOT_FOUND ·
///          FLT_MUST_BE_NONPAGED_POOL (a volume context) · FLT_DELETING_OBJECT · INSUFFICIENT_RESOURCES
pub fn flt_allocate_context(
    filter: &Arc<Filter>,
    kind: u16,
    bytes: usize,
    pool_type: u32,
) -> Result<Result<usize, NtStatus>, Raise> {
    if !is_kind(kind) || bytes == 0 || bytes > LARGEST {
        return Ok(Err(NtStatus::INVALID_PARAMETER));
    }
    if !matches!(pool_type, NON_PAGED | PAGED | NON_PAGED_NX) {
        let message =
            format!("FltAllocateContext was given pool type {pool_type:#x}: NonPagedPool or PagedPool only");
        findings::error("CTX-22", &filter.label, message);
        return Ok(Err(NtStatus::INVALID_PARAMETER));
    }
    if kind == FLT_VOLUME_CONTEXT && pool_type == PAGED {
        return Ok(Err(NtStatus::FLT_MUST_BE_NONPAGED_POOL));
    }
    if filter.is_going() {
        return Ok(Err(NtStatus::FLT_DELETING_OBJECT));
    }
    let Some(place) = matching(&filter.registration.contexts, kind, bytes) else {
        return Ok(Err(NtStatus::FLT_CONTEXT_ALLOCATION_NOT_FOUND));
    };
    let definition = &filter.registration.contexts[place];
    let start = if definition.allocate.is_null() {
        let pool = if pool_type == PAGED { PoolKind::Paged } else { PoolKind::NonPaged };
        let room =
            if definition.is_variable() || definition.makes_its_own() { bytes } else { definition.size };
        let tag = if definition.tag == 0 { TAG } else { definition.tag };
        pool::allocate_engine(pool, HEADER + room, tag).map_or(0, |block| block.as_ptr() as usize)
    } else {
        call(definition.allocate, [u64::from(pool_type), (HEADER + bytes) as u64, u64::from(kind)])? as usize
    };
    if start == 0 || !start.is_multiple_of(16) {
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    }
    let header = Header {
        magic: Cell::new(MAGIC),
        kind: Cell::new(kind),
        paged: Cell::new(pool_type == PAGED),
        references: AtomicU32::new(1),
        definition: Cell::new(place as u32),
        bytes: Cell::new(bytes),
        filter: Cell::new(Arc::into_raw(Arc::clone(filter))),
        owner: AtomicUsize::new(0),
        key: Cell::new(0),
        scan: AtomicUsize::new(0),
    };
    let address = start + HEADER;
    // A block of the filter's own routine may be shorter than it says, or none: then this fails.
    if copy::write(start, &vec![FRESH; HEADER + bytes]).is_err() {
        // SAFETY: the count that the header would have kept.
        drop(unsafe { Arc::from_raw(header.filter.get()) });
        findings::error(
            "CTX-23",
            &filter.label,
            "the context allocate callback returned memory that is not there",
        );
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    }
    // SAFETY: a block of at least that size that was just written to, 16-aligned: from pool, or from the filter's own
    // routine.
    unsafe { (start as *mut Header).write(header) };
    filter.contexts.count.fetch_add(1, Ordering::AcqRel);
    filter.contexts.addresses.lock().insert(address);
    Ok(Ok(address))
}

/// Adds a reference. Source: FltReferenceContext; CTX-40. IRQL: <= DISPATCH_LEVEL.
pub fn flt_reference_context(address: usize) {
    if let Some(context) = expect(address, "FltReferenceContext") {
        context.reference();
    }
}

/// Gives a reference up; the last one runs the cleanup callback and frees the memory, at DISPATCH_LEVEL in a worker.
///
/// Source:  FltReleaseContext; CTX-24, CTX-25, CTX-38 to CTX-43
/// IRQL:    <= DISPATCH_LEVEL; <= APC_LEVEL for a context in paged pool (a finding)
/// Errors:  what is no context (any more) is a finding
pub fn flt_release_context(address: usize) -> Result<(), Raise> {
    let Some(context) = expect(address, "FltReleaseContext") else { return Ok(()) };
    if context.0.paged.get() && irql::current() >= DISPATCH_LEVEL {
        let message =
            format!("FltReleaseContext at DISPATCH_LEVEL for a {} in paged pool", name(context.kind()));
        findings::error("CTX-42", &context.filter().label, message);
    }
    release(context)
}

pub(super) fn release(context: Context) -> Result<(), Raise> {
    let left = context.0.references.fetch_sub(1, Ordering::AcqRel);
    if left != 1 {
        return Ok(());
    }
    if irql::current() < DISPATCH_LEVEL {
        return destroy(context);
    }
    let address = context.address();
    work::queue(WorkQueue::Delayed, move || from_address(address).map_or(Ok(()), destroy));
    Ok(())
}

/// No reference is left. Source: CTX-24, CTX-25.
fn destroy(context: Context) -> Result<(), Raise> {
    let (filter, definition) = (context.filter(), context.definition());
    let address = context.address();
    let kind = u64::from(context.kind());
    let orphaned = filter.contexts.orphaned.load(Ordering::Acquire);
    if !definition.cleanup.is_null() && !orphaned {
        call(definition.cleanup, [address as u64, kind])?;
    }
    context.0.magic.set(0);
    // Before the memory goes, which another context may get.
    filter.contexts.addresses.lock().remove(&address);
    let owned = context.0.filter.get();
    let start = address - HEADER;
    if definition.free.is_null() {
        pool::free(start as *const u8, None)?;
    } else if !orphaned {
        call(definition.free, [start as u64, kind])?;
    }
    // From here on the filter may be unloaded.
    filter.contexts.count.fetch_sub(1, Ordering::AcqRel);
    // SAFETY: the count that the header owned, taken from it before its memory went.
    drop(unsafe { Arc::from_raw(owned) });
    Ok(())
}

/// The contexts of `filter` that are linked for `key`, with a reference each for the caller to take over from their
/// links. Under the link lock.
pub(super) fn linked_of(filter: &Filter, key: usize) -> Vec<Context> {
    let addresses = filter.contexts.addresses.lock();
    addresses
        .iter()
        .filter_map(|address| from_address(*address))
        .filter(|context| context.0.owner.load(Ordering::Acquire) != 0 && context.0.key.get() == key)
        .collect()
}

/// The filter goes: waits a while for its contexts to be let go, and reports those that are not.
///
/// Source: CTX-59, CTX-49
pub(crate) fn report_leaks(filter: &Filter) -> Result<(), Raise> {
    let core = current_core();
    for _ in 0..1000 {
        if filter.contexts.count.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        if core.stopping() {
            return Err(Raise::Stop);
        }
        core.scheduler().pause();
    }
    filter.contexts.orphaned.store(true, Ordering::Release);
    let left: Vec<usize> = filter.contexts.addresses.lock().iter().copied().collect();
    for context in left.into_iter().filter_map(from_address) {
        findings::error(
            "CTX-59",
            &filter.label,
            format!(
                "a {} of {} bytes ({:#x}) still has {} reference(s) when the filter goes: each allocate, get and \
                 reference, and each old context that is returned, needs its FltReleaseContext",
                name(context.kind()),
                context.0.bytes.get(),
                context.address(),
                context.0.references.load(Ordering::Acquire)
            ),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nt_abi::{FLT_INSTANCE_CONTEXT, NativeFn};

    fn definition(context_type: u16, size: usize, flags: u16) -> ContextDefinition {
        ContextDefinition {
            context_type,
            flags,
            cleanup: NativeFn::NULL,
            size,
            tag: 1,
            allocate: NativeFn::NULL,
            free: NativeFn::NULL,
        }
    }

    #[test]
    fn sizes_choose_their_definition_whatever_the_order() {
        // spec: CTX-02, CTX-11, CTX-12, CTX-13, CTX-14
        let kind = FLT_INSTANCE_CONTEXT;
        let mut all = vec![
            definition(FLT_VOLUME_CONTEXT, 48, 0),
            definition(kind, 48, 0),
            definition(kind, 256, FLTFL_CONTEXT_REGISTRATION_NO_EXACT_SIZE_MATCH),
            definition(kind, 128, FLTFL_CONTEXT_REGISTRATION_NO_EXACT_SIZE_MATCH),
        ];
        for _ in 0..all.len() {
            let size = |bytes| matching(&all, kind, bytes).map(|place| all[place].size);
            assert_eq!(
                [size(48), size(49), size(128), size(129), size(256)],
                [Some(48), Some(128), Some(128), Some(256), Some(256)]
            );
            assert_eq!(size(257), None);
            assert_eq!(matching(&all, FLT_VOLUME_CONTEXT, 47), None, "exact sizes only");
            all.rotate_left(1);
        }
        all.push(definition(kind, FLT_VARIABLE_SIZED_CONTEXTS, 0));
        assert_eq!(matching(&all, kind, 60000), Some(4));
    }

    #[test]
    fn a_definition_with_callbacks_takes_every_size() {
        // spec: CTX-08
        let own = ContextDefinition { allocate: NativeFn(0x1000), ..definition(1, 16, 0) };
        assert_eq!(matching(&[own], 1, 4711), Some(0));
    }
}
