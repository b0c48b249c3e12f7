//! Buffers that a filter puts in place of the caller's, and MDLs for buffers that have none.
//!
//! ```text
//! pre changes buffer, MDL, dirty ─► the record owns that MDL ─► layers below see the new pair
//!   post of the same instance: sees the old pair; FltGetSwappedBufferMdlAddress names the new MDL
//!   post returned ─► the manager frees the new MDL, unless FltRetainSwappedBufferMdlAddress was called
//! FltLockUserBuffer ─► an MDL of the manager's, freed with the operation, or with the swapped buffer that it is for
//! ```
//!
//! The memory of a swapped buffer is always the filter's. An MDL that the manager owns carries MDL_INTERNAL, so a
//! filter that frees it is found out. A file system that makes a system buffer of its own, for a request that came
//! without one, leaves the data there: NEW_SYSTEM_BUFFER, which concerns the instances below the lowest swap.
//!
//! Statements: SWAP-10 to SWAP-25.
//!
//! UNSAFETY: turns addresses of MDLs that filters or lower layers made into references.

use boundary::Raise;
use nt_abi::{
    FLTFL_CALLBACK_DATA_DIRTY, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION, FLTFL_CALLBACK_DATA_NEW_SYSTEM_BUFFER,
    FLTFL_CALLBACK_DATA_SYSTEM_BUFFER, IRP, IRP_BUFFERED_IO, IRP_DEALLOCATE_BUFFER, IRP_INPUT_OPERATION,
    IRP_MJ_DEVICE_CONTROL, IRP_MJ_DIRECTORY_CONTROL, IRP_MJ_FILE_SYSTEM_CONTROL,
    IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_QUERY_EA, IRP_MJ_QUERY_QUOTA, IRP_MJ_QUERY_SECURITY, IRP_MJ_READ,
    IRP_MJ_SET_EA, IRP_MJ_SET_QUOTA, IRP_MJ_WRITE, IRP_NOCACHE, MDL, NtStatus, mdl_flags,
};
use nt_ex::pool;
use nt_ke::{Severity, current_core};

use crate::callback::report;
use crate::findings;
use crate::frame::{Operation, Owed, Phase, RETAINED, SWAPPED};
use crate::nodes::Node;
use crate::parameters::Snapshot;
use crate::parameters::decode::{self, READ_ACCESS};
use crate::pend::{Seat, Stop};
use crate::safe::Deferred;

/// What few operations have.
#[derive(Default)]
pub struct Buffers {
    /// MDLs of [`flt_lock_user_buffer`] and of lower layers: their pages are unlocked before they are freed.
    made: Vec<usize>,
    /// MDLs that are freed with the operation.
    loose: Vec<usize>,
    /// System buffer that the file system made, and whether the manager frees it.
    system: usize,
    owns_system: bool,
    /// A post callback that was put off.
    pub(crate) deferred: Option<Deferred>,
    /// It was issued again with other parameters.
    pub(crate) reissued: bool,
    /// Address of the node whose work was not queued.
    pub(crate) not_queued: usize,
    /// The callback that holds the operation.
    pub(crate) stop: Option<Stop>,
    /// Threads that wait for the operation, the last one first.
    pub(crate) seats: Vec<Seat>,
    /// How many records are left for the thread that is woken.
    pub(crate) rest: usize,
    /// Names that were asked for while the file was not open yet.
    pub(crate) names: Vec<crate::names::CreateName>,
    /// Who asked what the device below answers.
    pub(crate) asked: Vec<crate::status::Asked>,
}

fn mdl(address: usize) -> Option<&'static MDL> {
    // SAFETY: the filter gave it as its MDL, or a lower layer made it; it is owned by the operation by now.
    unsafe { (address as *const MDL).as_ref() }
}

fn mark(mdl: &MDL, owned: bool) {
    let flags = mdl.MdlFlags.get() & !mdl_flags::MDL_INTERNAL;
    mdl.MdlFlags.set(if owned { flags | mdl_flags::MDL_INTERNAL } else { flags });
}

fn is_fast(operation: &Operation) -> bool {
    operation.base_flags.get() & FLTFL_CALLBACK_DATA_FAST_IO_OPERATION != 0
}

/// A driver copies to or from a program's memory at DISPATCH_LEVEL, where it may not be there.
///
/// Source: SWAP-10
#[cold]
pub fn touched_at_dispatch_level(address: usize) {
    let message = format!(
        "a program's memory ({address:#x}) is touched at DISPATCH_LEVEL: a post callback reaches a buffer without an MDL \
         through FltDoCompletionProcessingWhenSafe and FltLockUserBuffer"
    );
    findings::error("SWAP-10", "", message);
}

/// A filter wants to free an MDL: whether that has to be refused, since the manager owns it.
///
/// Source: SWAP-15, SWAP-19, SWAP-20
pub fn refuses_to_free(mdl: &MDL) -> bool {
    let flags = mdl.MdlFlags.get();
    if flags & mdl_flags::MDL_INTERNAL == 0 {
        return false;
    }
    let (rule, what) = if flags & mdl_flags::MDL_PAGES_LOCKED != 0 {
        ("SWAP-15", "was made by FltLockUserBuffer, and is freed with the operation")
    } else {
        (
            "SWAP-20",
            "was swapped in, and is freed when the post callback has returned; FltRetainSwappedBufferMdlAddress makes \
             it the filter's again",
        )
    };
    findings::error(
        rule,
        "",
        format!("IoFreeMdl was called for MDL {mdl:p}, which {what}; it is not freed now"),
    );
    true
}

/// Frees an MDL that the operation owns.
fn free(operation: &Operation, address: usize) -> Result<(), Raise> {
    let Some(mdl) = mdl(address) else { return Ok(()) };
    let made = {
        let mut buffers = operation.buffers.borrow_mut();
        let place = buffers.made.iter().position(|other| *other == address);
        place.map(|place| buffers.made.swap_remove(place)).is_some()
    };
    if made && mdl.MdlFlags.get() & mdl_flags::MDL_PAGES_LOCKED != 0 {
        nt_mm::mdl::unlock_pages(mdl)?;
    }
    nt_io::io_free_mdl(mdl)
}

/// Where a driver allocated the pool block of `address`, for messages.
fn origin(address: usize) -> String {
    match pool::allocated_at(address) {
        Some(caller) if caller != 0 => format!(", allocated at {caller:#x},"),
        _ => String::new(),
    }
}

/// Bytes from `address` to the end of its pool block, if it lies in one.
fn room_at(address: usize) -> Option<usize> {
    pool::block_around(address).map(|(start, bytes, _)| (start + bytes).saturating_sub(address))
}

/// A pre callback changed the parameters from `before` to `now`: notes what it swapped, and what it did wrong.
/// `owed` is its record, when it asked for its post callback.
///
/// Source: SWAP-16, SWAP-22, SWAP-24
#[cold]
pub(crate) fn noted(
    operation: &Operation,
    node: &Node,
    before: &Snapshot,
    now: &Snapshot,
    owed: Option<&Owed>,
) {
    let Some(places) = decode::places(&operation.iopb, is_fast(operation)) else { return };
    let words = |offset: usize| (before.parameters[offset / 8] as usize, now.parameters[offset / 8] as usize);
    let buffer = words(places.buffer);
    let mdls = places.mdl.filter(|_| !is_fast(operation)).map_or((0, 0), words);
    if buffer.0 == buffer.1 && mdls.0 == mdls.1 {
        return;
    }
    let complain = |rule, message: String| report(node, node.pre, rule, Severity::Error, message);
    if buffer.0 != buffer.1 && mdls.0 == mdls.1 && mdls.1 != 0 {
        complain(
            "SWAP-16",
            "the pre callback put another buffer in place but left the MDL, which is what the layers below use: set \
             MdlAddress to an MDL of the new buffer, or to NULL"
                .into(),
        );
    }
    let swapped_mdl = if mdls.0 == mdls.1 { 0 } else { mdls.1 };
    if matches!(now.major, IRP_MJ_READ | IRP_MJ_WRITE)
        && !is_fast(operation)
        && now.irp_flags & IRP_NOCACHE != 0
    {
        let sector = operation.volume().disk.map_or(512, |disk| disk.SectorSize.get()).max(1);
        let needed = (now.parameters[0] as u32 as usize).next_multiple_of(usize::from(sector));
        let has = mdl(swapped_mdl).map(nt_mm::mdl::byte_count);
        let has = has.or_else(|| if buffer.0 == buffer.1 { None } else { room_at(buffer.1) });
        if let Some(has) = has
            && has < needed
        {
            complain(
                "SWAP-24",
                format!(
                    "the swapped buffer of {has} bytes{} is too small: the file system may use {needed}, the length rounded \
                     up to sectors of {sector}",
                    origin(buffer.1)
                ),
            );
        }
    }
    if let Some(mdl) = mdl(swapped_mdl) {
        mark(mdl, true);
    }
    match owed {
        Some(owed) => {
            owed.mark(SWAPPED);
            owed.swapped_mdl.set(swapped_mdl);
        }
        None => {
            complain(
                "SWAP-22",
                "the pre callback swapped the buffer but asks for no post callback: only its MDL will be freed, the \
                 buffer leaks"
                    .into(),
            );
            if swapped_mdl != 0 {
                operation.buffers.borrow_mut().loose.push(swapped_mdl);
                operation.extras.set(true);
            }
        }
    }
}

/// The instance closest above record `below` whose swap stands there, if that is what the operation uses now.
fn swapper_above(operation: &Operation, below: usize) -> Option<&Owed> {
    (0..below).rev().map(|index| operation.owed(index)).find(|owed| owed.is(SWAPPED))
}

pub(crate) fn obeys_device_flags(major: u8) -> bool {
    matches!(
        major,
        IRP_MJ_READ
            | IRP_MJ_WRITE
            | IRP_MJ_DIRECTORY_CONTROL
            | IRP_MJ_QUERY_EA
            | IRP_MJ_SET_EA
            | IRP_MJ_QUERY_QUOTA
            | IRP_MJ_SET_QUOTA
    )
}

fn has_new_system_buffer(operation: &Operation, irp: &IRP) -> bool {
    irp.Flags.get() & IRP_BUFFERED_IO != 0
        && operation.base_flags.get() & FLTFL_CALLBACK_DATA_SYSTEM_BUFFER == 0
        && obeys_device_flags(operation.iopb.MajorFunction.get())
        && !irp.SystemBuffer().get().is_null()
}

/// Whether a lower layer made an MDL or a system buffer for an operation that no filter changed.
#[inline]
pub(crate) fn came_back_different(operation: &Operation, irp: &IRP) -> bool {
    !irp.MdlAddress.get().is_null() || has_new_system_buffer(operation, irp)
}

/// The operation comes back from below: puts back the IRP's fields that filters changed, and gives what lower layers
/// made to those whose buffer it is for.
///
/// Source: IOPB-08, SWAP-18, SWAP-25
#[cold]
pub(crate) fn come_back(operation: &Operation, irp: &IRP) {
    let modified = operation.modified.get();
    let Some(places) = decode::places(&operation.iopb, false) else {
        if modified {
            operation.saved.get().restore(irp);
        }
        return;
    };
    let word = |offset: usize| operation.iopb.Parameters.raw[offset / 8].get();
    let (buffer, sent) = (word(places.buffer), places.mdl.map_or(0, word) as usize);
    let found = irp.MdlAddress.get() as usize;
    let made = if found == sent { 0 } else { found };
    let (flags, system) = (irp.Flags.get(), irp.SystemBuffer().get());
    let fresh = has_new_system_buffer(operation, irp);
    let swapper = swapper_above(operation, operation.used());
    if modified {
        operation.saved.get().restore(irp);
    }
    if fresh {
        let flag = FLTFL_CALLBACK_DATA_NEW_SYSTEM_BUFFER;
        operation.base_flags.set(operation.base_flags.get() | flag);
        operation.extras.set(true);
        let mut buffers = operation.buffers.borrow_mut();
        buffers.system = system as usize;
        if swapper.is_some() {
            // The layers above have a buffer of their own, which the swapper fills.
            buffers.owns_system = flags & IRP_DEALLOCATE_BUFFER != 0;
        } else if modified {
            let kept = flags & (IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER | IRP_INPUT_OPERATION);
            irp.Flags.set(irp.Flags.get() | kept);
            irp.SystemBuffer().set(system);
        }
    }
    if made == 0 {
        return;
    }
    match swapper {
        Some(owed) => {
            let mut buffers = operation.buffers.borrow_mut();
            buffers.made.push(made);
            operation.extras.set(true);
            if owed.swapped_mdl.get() == 0 {
                owed.swapped_mdl.set(made);
            } else {
                buffers.loose.push(made);
            }
        }
        // The caller's own buffer: its MDL goes with the IRP.
        None => irp.MdlAddress.set(made as *mut _),
    }
    if let Some(offset) = places.mdl {
        operation.add_mdl(buffer, made, (places.buffer, offset));
    }
}

/// The post callback of a swapper has returned: its MDL goes, unless the filter keeps it.
///
/// Source: SWAP-19, SWAP-20
pub(crate) fn after_post(operation: &Operation, owed: &Owed) -> Result<(), Raise> {
    let flag = FLTFL_CALLBACK_DATA_NEW_SYSTEM_BUFFER;
    operation.base_flags.set(operation.base_flags.get() & !flag);
    operation.data.Flags.set(operation.data.Flags.get() & !flag);
    let address = owed.swapped_mdl.replace(0);
    if address == 0 || owed.is(RETAINED) {
        return Ok(());
    }
    free(operation, address)
}

/// The operation is over: frees what was made for it. Nobody can be told of a failure.
#[cold]
pub(crate) fn end(operation: &Operation) {
    operation.extras.set(false);
    let buffers = std::mem::take(&mut *operation.buffers.borrow_mut());
    for address in &buffers.made {
        let Some(mdl) = mdl(*address) else { continue };
        if mdl.MdlFlags.get() & mdl_flags::MDL_PAGES_LOCKED != 0 {
            let _ = nt_mm::mdl::unlock_pages(mdl);
        }
        let _ = nt_io::io_free_mdl(mdl);
    }
    for mdl in buffers.loose.iter().filter(|a| !buffers.made.contains(a)).filter_map(|a| mdl(*a)) {
        let _ = nt_io::io_free_mdl(mdl);
    }
    if buffers.owns_system {
        let _ = pool::free(buffers.system as *const u8, None);
    }
    for name in buffers.names {
        let _ = name.release();
    }
}

/// The record of the post callback that runs. Anything else is a finding.
fn in_post<'a>(operation: &'a Operation, routine: &str) -> Option<&'a Owed> {
    let owed = (operation.phase.get() == Phase::Post).then(|| operation.current_record()).flatten();
    if owed.is_none() {
        let driver = operation.current_node().map_or("", |node| node.instance.filter.label.as_str());
        findings::error("SWAP-21", driver, format!("{routine} was called outside a post callback"));
    }
    owed
}

/// The MDL of the buffer that the calling filter swapped in, or 0.
///
/// Source:  FltGetSwappedBufferMdlAddress; SWAP-17, SWAP-18, SWAP-21 (outside a post callback: 0, and a finding)
/// IRQL:    any
pub fn flt_get_swapped_buffer_mdl_address(operation: &Operation) -> usize {
    in_post(operation, "FltGetSwappedBufferMdlAddress").map_or(0, Owed::swapped)
}

/// Leaves the MDL of the swapped buffer to the filter.
///
/// Source:  FltRetainSwappedBufferMdlAddress; SWAP-20, SWAP-21
/// IRQL:    any
pub fn flt_retain_swapped_buffer_mdl_address(operation: &Operation) {
    let Some(owed) = in_post(operation, "FltRetainSwappedBufferMdlAddress") else { return };
    owed.mark(RETAINED);
    let address = owed.swapped();
    operation.buffers.borrow_mut().made.retain(|other| *other != address);
    if let Some(mdl) = mdl(address) {
        mark(mdl, false);
    }
}

/// The system buffer that the file system made for the operation, or 0.
///
/// Source:  FltGetNewSystemBufferAddress; SWAP-25
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  without the flag NEW_SYSTEM_BUFFER: 0, and a finding
pub fn flt_get_new_system_buffer_address(operation: &Operation) -> usize {
    if operation.base_flags.get() & FLTFL_CALLBACK_DATA_NEW_SYSTEM_BUFFER != 0 {
        return operation.buffers.borrow().system;
    }
    let driver = operation.current_node().map_or("", |node| node.instance.filter.label.as_str());
    let message =
        "FltGetNewSystemBufferAddress was called without FLTFL_CALLBACK_DATA_NEW_SYSTEM_BUFFER being set";
    findings::error("SWAP-25", driver, message);
    0
}

fn is_lockable(major: u8) -> bool {
    obeys_device_flags(major)
        || matches!(
            major,
            IRP_MJ_DEVICE_CONTROL
                | IRP_MJ_INTERNAL_DEVICE_CONTROL
                | IRP_MJ_FILE_SYSTEM_CONTROL
                | IRP_MJ_QUERY_SECURITY
        )
}

/// Whether the buffer is one that a program passed: it is probed as such.
fn is_callers(operation: &Operation, buffer: usize) -> bool {
    operation.data.RequestorMode.get() != 0
        && operation.irp.get().map_or_else(
            || current_core().slot.is_user(buffer),
            |irp| irp.UserBuffer.get() as usize == buffer && irp.SystemBuffer().get() as usize != buffer,
        )
}

/// Locks the buffer that the operation has where the caller stands, and leaves an MDL for it in its parameters.
///
/// The pages are not mapped. The MDL is the manager's: it goes with the operation, or with the swapped buffer that it
/// describes.
///
/// Source:  FltLockUserBuffer; SWAP-11 to SWAP-15
/// IRQL:    <= APC_LEVEL
/// Errors:  INVALID_PARAMETER (the operation has no such buffer, or a control request whose one buffer is the
///          system's) · INSUFFICIENT_RESOURCES · ACCESS_VIOLATION
pub fn flt_lock_user_buffer(operation: &Operation) -> Result<NtStatus, Raise> {
    let fast = is_fast(operation);
    let block = &operation.iopb;
    let places = decode::places(block, fast).filter(|_| is_lockable(block.MajorFunction.get()));
    let Some((places, offset)) = places.and_then(|places| places.mdl.map(|mdl| (places, mdl))) else {
        return Ok(NtStatus::INVALID_PARAMETER);
    };
    let word = |offset: usize| &block.Parameters.raw[offset / 8];
    let buffer = word(places.buffer).get();
    let at = places.length.unwrap_or(0);
    let length = (word(at).get() >> (at % 8 * 8)) as u32 as usize;
    if word(offset).get() != 0 || length == 0 {
        return Ok(NtStatus::SUCCESS);
    }
    let Some(mdl) = nt_ex::mdl::allocate_engine(buffer as usize, length) else {
        return Ok(NtStatus::INSUFFICIENT_RESOURCES);
    };
    let user = is_callers(operation, buffer as usize);
    match nt_mm::mdl::probe_and_lock_pages(mdl, user, u32::from(places.access != READ_ACCESS)) {
        Ok(()) => {}
        Err(Raise::Status(status)) => {
            nt_ex::mdl::free(mdl)?;
            return Ok(status);
        }
        Err(stop) => return Err(stop),
    }
    mark(mdl, true);
    let address = std::ptr::from_ref(mdl) as usize;
    word(offset).set(address as u64);
    operation.add_mdl(buffer, address, (places.buffer, offset));
    operation.buffers.borrow_mut().made.push(address);
    operation.extras.set(true);
    let below = match operation.phase.get() {
        Phase::Post => {
            let current = operation.current_owed.get();
            (0..operation.used()).find(|index| std::ptr::eq(operation.owed(*index), current)).unwrap_or(0)
        }
        _ => {
            // The layers below find it in the IRP.
            operation.modified.set(!fast || operation.modified.get());
            if !fast {
                // Source: IOPB-16.
                let flags = &operation.data.Flags;
                flags.set(flags.get() | FLTFL_CALLBACK_DATA_DIRTY);
            }
            operation.used()
        }
    };
    // The MDL of a swapped buffer is the swapper's, like one that came with it.
    if let Some(owed) = swapper_above(operation, below)
        && owed.swapped_mdl.get() == 0
        && !owed.is_done()
        && !fast
    {
        owed.swapped_mdl.set(address);
    }
    Ok(NtStatus::SUCCESS)
}
