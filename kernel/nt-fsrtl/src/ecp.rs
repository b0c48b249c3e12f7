//! Extra create parameters: what a create carries beyond its IRP, by GUID.
//!
//! ```text
//! allocate ─► context (its header lies in front) ─insert─► list ─attach─► create ─► read by filters and file systems
//!    free ◄─ remove ◄──────────────────────────────────────┘          └► over: freed, if a filter attached it
//! ```
//!
//! A list that came with a create (a driver's, a program's) is freed by whoever made it; one that a filter attached to a
//! create on its way belongs to the create, and goes when that is over. A context's cleanup routine is called before its
//! memory goes. What was allocated and neither freed nor attached can be asked for ([`outstanding`]).
//!
//! Statements: ECP-01 to ECP-11.
//!
//! UNSAFETY: lists and contexts are addresses that drivers hold; a signature is read through a fault-safe copy before one
//! becomes a reference to cells.

use std::cell::Cell;
use std::ptr::from_ref;

use boundary::{call, copy};
use nt_abi::{FILE_OBJECT, GENERAL_LOOKASIDE, IRP, IRP_MJ_CREATE, LIST_ENTRY, NativeFn, NtStatus};
use nt_ex::pool::{self, PoolKind};
use nt_ke::Raise;

use crate::context::FsRtl;

const LIST_SIGNATURE: u32 = u32::from_le_bytes(*b"EcpL");
const SIGNATURE: u32 = u32::from_le_bytes(*b"EcpH");
const LIST_TAG: u32 = u32::from_le_bytes(*b"EcpL");
/// No create carries more: what asks for it has miscounted.
const LARGEST: u32 = 16 << 20;
const NONPAGED: u32 = 2;
const ACKNOWLEDGED: u32 = 0x8000_0000;
const FROM_USER: u32 = 0x4000_0000;

/// A GUID as its bytes in memory.
pub type Guid = [u8; 16];

/// `ECP_LIST`, which drivers see as opaque.
#[repr(C)]
struct List {
    signature: Cell<u32>,
    flags: Cell<u32>,
    head: LIST_ENTRY,
}

/// In front of each context; `ECP_HEADER`, which drivers see as opaque.
#[repr(C, align(16))]
struct Header {
    signature: Cell<u32>,
    flags: Cell<u32>,
    entry: LIST_ENTRY,
    kind: Cell<Guid>,
    cleanup: Cell<usize>,
    size: Cell<u32>,
    reserved: Cell<u32>,
    /// The lookaside list that it came from, or 0.
    lookaside: Cell<usize>,
    /// The list that it is in, or 0.
    list: Cell<usize>,
}

const HEADER: usize = size_of::<Header>();
const ENTRY: usize = std::mem::offset_of!(Header, entry);

fn list_at(address: usize) -> Option<&'static List> {
    let aligned = address != 0 && address.is_multiple_of(8);
    let signature = if aligned { copy::read_value::<u32>(address).ok()? } else { return None };
    // SAFETY: a block with this signature is a list that was made here and is not freed; all cells.
    (signature == LIST_SIGNATURE).then(|| unsafe { &*(address as *const List) })
}

fn header_at(address: usize) -> Option<&'static Header> {
    let aligned = address != 0 && address.is_multiple_of(16);
    let signature = if aligned { copy::read_value::<u32>(address).ok()? } else { return None };
    // SAFETY: as for lists.
    (signature == SIGNATURE).then(|| unsafe { &*(address as *const Header) })
}

/// The header of a context.
fn header_of(context: usize) -> Option<&'static Header> {
    header_at(context.wrapping_sub(HEADER))
}

fn links(address: *mut LIST_ENTRY) -> &'static LIST_ENTRY {
    // SAFETY: entries of a list are heads and headers that are not freed while they are in it.
    unsafe { &*address }
}

impl Header {
    fn context(&self) -> usize {
        from_ref(self) as usize + HEADER
    }

    fn unlink(&self) {
        let (next, previous) = (self.entry.Flink.get(), self.entry.Blink.get());
        links(previous).Flink.set(next);
        links(next).Blink.set(previous);
        self.list.set(0);
    }

    fn found(&self) -> Found {
        Found { kind: self.kind.get(), context: self.context(), size: self.size.get() }
    }
}

impl List {
    fn entries(&self) -> Vec<&'static Header> {
        let head = from_ref(&self.head).cast_mut();
        let (mut found, mut next) = (Vec::new(), self.head.Flink.get());
        while next != head && !next.is_null() {
            found.extend(header_at(next as usize - ENTRY));
            next = links(next).Flink.get();
        }
        found
    }

    fn find(&self, kind: &Guid) -> Option<&'static Header> {
        self.entries().into_iter().find(|header| header.kind.get() == *kind)
    }
}

/// A context of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its GUID.
    pub kind: Guid,
    /// Its address.
    pub context: usize,
    /// Bytes.
    pub size: u32,
}

fn outstanding_of(address: usize, owner: usize) {
    nt_ke::subsystem::<FsRtl>().ecps.lock().insert(address, owner);
}

fn settled(address: usize) {
    nt_ke::subsystem::<FsRtl>().ecps.lock().remove(&address);
}

/// An empty list. `owner` is who is told of it when it is dropped: a filter, or 0.
///
/// Source:  FltAllocateExtraCreateParameterList, FsRtlAllocateExtraCreateParameterList
/// IRQL:    <= APC_LEVEL
/// Errors:  INSUFFICIENT_RESOURCES
pub fn allocate_list(flags: u32, owner: usize) -> Result<usize, NtStatus> {
    let block = pool::allocate(PoolKind::Paged, size_of::<List>(), LIST_TAG, true)
        .ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
    // SAFETY: a fresh block of that size, 16-aligned; all cells.
    let list: &'static List = unsafe { &*block.as_ptr().cast::<List>() };
    list.flags.set(flags);
    nt_ke::dispatcher::initialize_list(&list.head);
    list.signature.set(LIST_SIGNATURE);
    let address = from_ref(list) as usize;
    outstanding_of(address, owner);
    Ok(address)
}

/// Frees a list with all contexts that are in it.
///
/// Source:  FltFreeExtraCreateParameterList, FsRtlFreeExtraCreateParameterList; ECP-08
/// Errors:  INVALID_PARAMETER (no list)
pub fn free_list(address: usize) -> Result<Result<(), NtStatus>, Raise> {
    let Some(list) = list_at(address) else { return Ok(Err(NtStatus::INVALID_PARAMETER)) };
    for header in list.entries() {
        header.unlink();
        if let Err(status) = free(header.context())? {
            return Ok(Err(status));
        }
    }
    list.signature.set(0);
    settled(address);
    pool::free(address as *const u8, Some(LIST_TAG)).map(Ok)
}

/// What a context is to be.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Its GUID.
    pub kind: Guid,
    /// Bytes of the context.
    pub size: u32,
    /// `FSRTL_ALLOCATE_ECP_FLAG_*`.
    pub flags: u32,
    /// Called before it goes, or null.
    pub cleanup: NativeFn,
    /// Pool tag.
    pub tag: u32,
    /// Who is told of it when it is dropped: a filter, or 0.
    pub owner: usize,
}

/// A zeroed context that is in no list.
///
/// Source:  FltAllocateExtraCreateParameter, FsRtlAllocateExtraCreateParameter; ECP-03
/// IRQL:    <= APC_LEVEL
/// Errors:  INSUFFICIENT_RESOURCES (also for more than 16 MiB)
pub fn allocate(wanted: &Wanted) -> Result<usize, NtStatus> {
    if wanted.size > LARGEST {
        return Err(NtStatus::INSUFFICIENT_RESOURCES);
    }
    let kind = if wanted.flags & NONPAGED != 0 { PoolKind::NonPaged } else { PoolKind::Paged };
    let block = pool::allocate(kind, HEADER + wanted.size as usize, wanted.tag, true)
        .ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
    Ok(initialize(block.as_ptr() as usize, wanted, 0))
}

/// The same from a lookaside list that was prepared for contexts of at most its size.
///
/// Source:  FltAllocateExtraCreateParameterFromLookasideList and its FsRtl twin
/// Errors:  INSUFFICIENT_RESOURCES; a context that is too large for the list comes from pool
pub fn allocate_from(
    lookaside: &GENERAL_LOOKASIDE,
    wanted: &Wanted,
) -> Result<Result<usize, NtStatus>, Raise> {
    if HEADER + wanted.size as usize > lookaside.Size.get() as usize {
        return Ok(allocate(wanted));
    }
    let block = nt_ex::lookaside::allocate(lookaside)?;
    if block == 0 {
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    }
    let zeros = vec![0; HEADER + wanted.size as usize];
    if copy::write(block, &zeros).is_err() {
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    }
    Ok(Ok(initialize(block, wanted, from_ref(lookaside) as usize)))
}

/// Bytes of a lookaside list's entries for contexts of `size` bytes.
pub fn lookaside_size(size: usize) -> usize {
    HEADER + size
}

fn initialize(block: usize, wanted: &Wanted, lookaside: usize) -> usize {
    // SAFETY: a fresh block of at least that size, 16-aligned; all cells.
    let header: &'static Header = unsafe { &*(block as *const Header) };
    header.flags.set(wanted.flags & NONPAGED);
    header.kind.set(wanted.kind);
    header.cleanup.set(wanted.cleanup.0);
    header.size.set(wanted.size);
    header.lookaside.set(lookaside);
    header.list.set(0);
    nt_ke::dispatcher::initialize_list(&header.entry);
    header.signature.set(SIGNATURE);
    outstanding_of(header.context(), wanted.owner);
    header.context()
}

/// Calls the cleanup routine of a context that is in no list, and frees it.
///
/// Source:  FltFreeExtraCreateParameter, FsRtlFreeExtraCreateParameter
/// Errors:  INVALID_PARAMETER (no context, or one that is in a list)
pub fn free(context: usize) -> Result<Result<(), NtStatus>, Raise> {
    let Some(header) = header_of(context).filter(|header| header.list.get() == 0) else {
        return Ok(Err(NtStatus::INVALID_PARAMETER));
    };
    let cleanup = NativeFn(header.cleanup.get());
    if !cleanup.is_null() {
        call(cleanup, [context as u64, header.kind.as_ptr() as u64])?;
    }
    header.signature.set(0);
    settled(context);
    let block = from_ref(header) as usize;
    match header.lookaside.get() {
        0 => pool::free(block as *const u8, None).map(Ok),
        lookaside => {
            // SAFETY: a driver keeps the lookaside list until all that came from it is free.
            let list = unsafe { &*(lookaside as *const GENERAL_LOOKASIDE) };
            nt_ex::lookaside::free(list, block).map(Ok)
        }
    }
}

/// Puts a context into a list.
///
/// Source:  FltInsertExtraCreateParameter, FsRtlInsertExtraCreateParameter; ECP-04
/// Errors:  INVALID_PARAMETER (the GUID is there already; no list; no context, or one that is in a list)
pub fn insert(list: usize, context: usize) -> NtStatus {
    let (Some(list), Some(header)) = (list_at(list), header_of(context)) else {
        return NtStatus::INVALID_PARAMETER;
    };
    if header.list.get() != 0 || list.find(&header.kind.get()).is_some() {
        return NtStatus::INVALID_PARAMETER;
    }
    let (head, own) = (from_ref(&list.head).cast_mut(), from_ref(&header.entry).cast_mut());
    let last = list.head.Blink.get();
    header.entry.Flink.set(head);
    header.entry.Blink.set(last);
    links(last).Flink.set(own);
    list.head.Blink.set(own);
    header.list.set(from_ref(list) as usize);
    settled(context);
    NtStatus::SUCCESS
}

/// The context of a GUID.
///
/// Source:  FltFindExtraCreateParameter, FsRtlFindExtraCreateParameter; ECP-05
/// Errors:  NOT_FOUND · INVALID_PARAMETER (no list)
pub fn find(list: usize, kind: &Guid) -> Result<Found, NtStatus> {
    let list = list_at(list).ok_or(NtStatus::INVALID_PARAMETER)?;
    list.find(kind).map(Header::found).ok_or(NtStatus::NOT_FOUND)
}

/// The context behind `current`, or the first for 0.
///
/// Source:  FltGetNextExtraCreateParameter, FsRtlGetNextExtraCreateParameter; ECP-06
/// Errors:  NOT_FOUND (it was the last, or there is none) · INVALID_PARAMETER (no list; `current` is not in it)
pub fn next(list: usize, current: usize) -> Result<Found, NtStatus> {
    let entries = list_at(list).ok_or(NtStatus::INVALID_PARAMETER)?.entries();
    let place = match current {
        0 => 0,
        _ => {
            let known = entries.iter().position(|header| header.context() == current);
            known.ok_or(NtStatus::INVALID_PARAMETER)? + 1
        }
    };
    entries.get(place).map(|header| header.found()).ok_or(NtStatus::NOT_FOUND)
}

/// Takes the context of a GUID out; it is the caller's from then on. `owner` as for an allocation.
///
/// Source:  FltRemoveExtraCreateParameter, FsRtlRemoveExtraCreateParameter; ECP-07
/// Errors:  NOT_FOUND · INVALID_PARAMETER (no list)
pub fn remove(list: usize, kind: &Guid, owner: usize) -> Result<Found, NtStatus> {
    let list = list_at(list).ok_or(NtStatus::INVALID_PARAMETER)?;
    let header = list.find(kind).ok_or(NtStatus::NOT_FOUND)?;
    header.unlink();
    outstanding_of(header.context(), owner);
    Ok(header.found())
}

/// Notes that somebody has understood the context. Source: FltAcknowledgeEcp, FsRtlAcknowledgeEcp; ECP-10.
pub fn acknowledge(context: usize) {
    if let Some(header) = header_of(context) {
        header.flags.set(header.flags.get() | ACKNOWLEDGED);
    }
}

/// Takes the note back. Source: FltPrepareToReuseEcp, FsRtlPrepareToReuseEcp.
pub fn prepare_to_reuse(context: usize) {
    if let Some(header) = header_of(context) {
        header.flags.set(header.flags.get() & !ACKNOWLEDGED);
    }
}

/// Source: FltIsEcpAcknowledged, FsRtlIsEcpAcknowledged; ECP-10.
pub fn is_acknowledged(context: usize) -> bool {
    header_of(context).is_some_and(|header| header.flags.get() & ACKNOWLEDGED != 0)
}

/// Whether a program gave it: its contents are not to be trusted. Source: FltIsEcpFromUserMode, FsRtlIsEcpFromUserMode; ECP-11.
pub fn is_from_user_mode(context: usize) -> bool {
    header_of(context).is_some_and(|header| header.flags.get() & FROM_USER != 0)
}

/// A list of what a program gives to a create.
///
/// Errors: INSUFFICIENT_RESOURCES · INVALID_PARAMETER (a GUID twice)
pub fn from_user(parameters: &[(Guid, &[u8])]) -> Result<Result<usize, NtStatus>, Raise> {
    let list = match allocate_list(0, 0) {
        Ok(list) => list,
        Err(status) => return Ok(Err(status)),
    };
    for (kind, bytes) in parameters {
        let size = bytes.len() as u32;
        let wanted = Wanted { kind: *kind, size, flags: 0, cleanup: NativeFn(0), tag: LIST_TAG, owner: 0 };
        let added = allocate(&wanted).and_then(|context| {
            let _ = copy::write(context, bytes);
            if let Some(header) = header_of(context) {
                header.flags.set(header.flags.get() | FROM_USER);
            }
            match insert(list, context) {
                NtStatus::SUCCESS => Ok(()),
                status => Err(status),
            }
        });
        if let Err(status) = added {
            free_list(list)?.ok();
            return Ok(Err(status));
        }
    }
    Ok(Ok(list))
}

/// The file object of a create.
fn created(irp: &IRP) -> Option<&'static FILE_OBJECT> {
    let stack = nt_io::io_current_stack(irp);
    // SAFETY: a create names its file object, which stays while it is under way.
    let file = unsafe { stack.FileObject.get().cast_const().as_ref::<'static>() };
    file.filter(|_| stack.MajorFunction.get() == IRP_MJ_CREATE)
}

/// The list of the create that `file` is opened by: 0 for none.
pub fn list_of(file: &FILE_OBJECT) -> &'static Cell<usize> {
    nt_io::file_ecp_list(file)
}

/// The list of a create, 0 for none.
///
/// Source:  FsRtlGetEcpListFromIrp, FltGetEcpListFromCallbackData; ECP-01
/// Errors:  INVALID_PARAMETER (no create)
pub fn list_from_irp(irp: &IRP) -> Result<usize, NtStatus> {
    created(irp).map(|file| list_of(file).get()).ok_or(NtStatus::INVALID_PARAMETER)
}

/// Attaches a list to a create, which it belongs to from then on.
///
/// Source:  FsRtlSetEcpListIntoIrp, FltSetEcpListIntoCallbackData; ECP-02
/// Errors:  INVALID_PARAMETER_2 (no create) · INVALID_PARAMETER_3 (it has a list)
pub fn set_list_into_irp(irp: &IRP, list: usize) -> NtStatus {
    match created(irp) {
        Some(file) => attach(file, list),
        None => NtStatus::INVALID_PARAMETER_2,
    }
}

/// Attaches a list to the create of a file object.
///
/// Source:  ECP-02
/// Errors:  INVALID_PARAMETER (no list) · INVALID_PARAMETER_3 (it has a list)
pub fn attach(file: &FILE_OBJECT, list: usize) -> NtStatus {
    if list_at(list).is_none() {
        return NtStatus::INVALID_PARAMETER;
    }
    if list_of(file).get() != 0 {
        return NtStatus::INVALID_PARAMETER_3;
    }
    settled(list);
    list_of(file).set(list);
    NtStatus::SUCCESS
}

/// Takes the list off a create; it is the caller's from then on. Source: IoClearIrpExtraCreateParameter.
pub fn detach(irp: &IRP) {
    if let Some(file) = created(irp) {
        list_of(file).set(0);
    }
}

/// Lists and contexts that `owner` has allocated, or taken out of a list, and neither freed nor attached.
pub fn outstanding(owner: usize) -> usize {
    let ecps = nt_ke::subsystem::<FsRtl>().ecps.lock();
    ecps.values().filter(|known| **known == owner).count()
}

/// To be called when the I/O manager starts: it gives lists back that filters attached.
pub(crate) fn start() {
    nt_io::set_ecp_list_free(|list| free_list(list).map(|_| ()));
}
