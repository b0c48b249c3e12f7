//! IRPs: memory, initialisation, and the tail behind the stack locations that the I/O manager keeps for
//! requests it issued itself.
//!
//! ```text
//! pool block:  IRP | IO_STACK_LOCATION × StackCount | Tail (issued IRPs only)
//! ```
//!
//! An IRP of `io_allocate_irp` belongs to the driver that made it: completing it past its last stack location
//! is a mistake of that driver. An issued IRP (a system service, `io_build_…`) belongs to the I/O manager, which keeps
//! a few free ones for each thread; where pool looks for misuse, none.
//!
//! UNSAFETY: places the parts of a packet in a pool block; a thread's list is used by that thread alone.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

use nt_abi::{IO_STACK_LOCATION, IO_STATUS_BLOCK, IO_TYPE_IRP, IRP, KEVENT, NtStatus, bugcheck};
use nt_ke::thread::current_thread;
use nt_ke::{BugCheck, Raise, current_core, dispatcher};

use crate::codes::ALLOCATION_ISSUED;
use crate::memory;
use crate::pointer::{address, at_address, pointer};

const TAG: u32 = u32::from_le_bytes(*b"Irp ");

/// Bytes of an IRP with its stack locations. Source: IoSizeOfIrp.
pub const fn io_size_of_irp(stack_size: u8) -> u16 {
    (size_of::<IRP>() + stack_size as usize * size_of::<IO_STACK_LOCATION>()) as u16
}

/// What the I/O manager remembers of a request that it issued.
#[repr(C)]
pub(crate) struct Tail {
    /// See [`state`].
    pub state: AtomicU32,
    /// See [`kind`].
    pub kind: Cell<u32>,
    /// Signaled for a waiting issuer.
    pub event: KEVENT,
    /// Referenced file object to let go of at the end, or 0.
    pub file: Cell<usize>,
    /// Bytes of the caller's output buffer.
    pub output: Cell<usize>,
    /// Caller's status block, or 0.
    pub iosb: Cell<usize>,
    /// Referenced event object of the caller, or 0.
    pub caller_event: Cell<usize>,
    /// Second pool block to free at the end (a copy of a name), or 0.
    pub auxiliary: Cell<usize>,
    /// Address of the next pended request in the I/O manager's list is kept there, not here.
    pub listed: Cell<u32>,
}

/// Values of [`Tail::state`]: issuer and completer meet here, whoever comes second finishes.
pub(crate) mod state {
    /// On its way.
    pub const SENT: u32 = 0;
    /// The issuer has left it to the completer, or sleeps until it comes.
    pub const LEFT: u32 = 1;
    /// Completed to the top.
    pub const COMPLETED: u32 = 2;
}

/// Values of [`Tail::kind`].
pub(crate) mod kind {
    /// The issuer waits and finishes.
    pub const SYNCHRONOUS: u32 = 0;
    /// Whoever comes second finishes.
    pub const ASYNCHRONOUS: u32 = 1;
    /// Built for a driver: the completer finishes.
    pub const BUILT: u32 = 2;
    /// A page writer's: the completer tells it.
    pub const PAGING: u32 = 3;
}

/// Prepares memory as an IRP. Source: IoInitializeIrp. IRQL: <= DISPATCH_LEVEL.
pub fn io_initialize_irp(irp: &IRP, packet_size: u16, stack_size: u8) {
    // Only what lies in the packet: the caller says how big its memory is.
    let _ = boundary::copy::fill(address(irp), 0, packet_size as usize);
    irp.Type.set(IO_TYPE_IRP);
    irp.Size.set(packet_size);
    irp.StackCount.set(stack_size as i8);
    irp.CurrentLocation.set(stack_size as i8 + 1);
    dispatcher::initialize_list(&irp.ThreadListEntry);
    let locations = (address(irp) + size_of::<IRP>()) as *mut IO_STACK_LOCATION;
    irp.CurrentStackLocation().set(locations.wrapping_add(stack_size as usize));
}

/// Free issued IRPs, by thread number.
pub(crate) struct FreeIrps(Box<[List]>);

#[repr(align(64))]
struct List {
    /// The IRPs' addresses; the first `held` count.
    irps: [Cell<usize>; KEPT],
    held: Cell<usize>,
}

/// How many free IRPs a thread keeps.
const KEPT: usize = 6;
const THREADS: usize = 2048;

// SAFETY: a list is used by the one live thread that has its number.
unsafe impl Sync for FreeIrps {}

impl Default for FreeIrps {
    fn default() -> Self {
        let list = |_| List { irps: Default::default(), held: Cell::new(0) };
        Self((0..THREADS).map(list).collect())
    }
}

impl FreeIrps {
    #[inline]
    fn list(&self) -> Option<&List> {
        self.0.get(current_thread().number() as usize)
    }

    /// A free IRP with as many stack locations, its memory as it was left.
    #[inline]
    fn take(&self, packet: u16) -> Option<&'static IRP> {
        let list = self.list()?;
        let held = list.held.get();
        (0..held).rev().find_map(|place| {
            let irp: &IRP = at_address(list.irps[place].get())?;
            (irp.Size.get() == packet).then(|| {
                list.irps[place].set(list.irps[held - 1].get());
                list.held.set(held - 1);
                irp
            })
        })
    }

    /// Keeps an IRP whose `Type` is cleared. `false`: there are enough.
    #[inline]
    fn keep(&self, irp: &IRP) -> bool {
        let Some(list) = self.list() else { return false };
        let held = list.held.get();
        if held == KEPT || !nt_ex::pool::may_keep_free_blocks() {
            return false;
        }
        list.irps[held].set(address(irp));
        list.held.set(held + 1);
        true
    }
}

/// A new IRP with `stack_size` stack locations, or `None` when there is no memory.
///
/// Source:  IoAllocateIrp
/// IRQL:    <= DISPATCH_LEVEL
pub fn io_allocate_irp(stack_size: u8) -> Option<&'static IRP> {
    let packet = io_size_of_irp(stack_size);
    let irp: &'static IRP = at_address(memory::allocate(packet as usize, TAG)?)?;
    io_initialize_irp(irp, packet, stack_size);
    Some(irp)
}

/// An IRP that the I/O manager issues. Its tail is zeroed, of kind synchronous.
pub(crate) fn allocate_issued(stack_size: u8) -> Option<&'static IRP> {
    let packet = io_size_of_irp(stack_size);
    let irp = match crate::subsystem().free_irps.take(packet) {
        Some(irp) => irp,
        None => at_address(memory::allocate(packet as usize + size_of::<Tail>(), TAG)?)?,
    };
    io_initialize_irp(irp, packet, stack_size);
    irp.AllocationFlags.set(ALLOCATION_ISSUED);
    let tail: &Tail = at_address(address(irp) + packet as usize)?;
    let _ = boundary::copy::fill(address(tail), 0, size_of::<Tail>());
    dispatcher::initialize_header(&tail.event.Header, dispatcher::object_type::NOTIFICATION_EVENT, 0);
    irp.Thread().set(pointer(current_thread()).cast());
    Some(irp)
}

/// The tail of an issued IRP.
pub(crate) fn tail(irp: &IRP) -> Option<&'static Tail> {
    if irp.AllocationFlags.get() & ALLOCATION_ISSUED == 0 {
        return None;
    }
    at_address(address(irp) + irp.Size.get() as usize)
}

/// Frees an IRP. Source: IoFreeIrp; IO-11, IO-14. IRQL: <= DISPATCH_LEVEL.
///
/// Errors: something that is no IRP, or one that was freed already, is a bug check.
pub fn io_free_irp(irp: &IRP) -> Result<(), Raise> {
    if irp.Type.get() != IO_TYPE_IRP {
        return Err(current_core().bug_check(BugCheck::new(
            bugcheck::MULTIPLE_IRP_COMPLETE_REQUESTS,
            [address(irp) as u64, 0, 0, 0],
            "IoFreeIrp was called for memory that is no IRP, or for an IRP that was freed already",
        )));
    }
    irp.Type.set(0);
    if irp.AllocationFlags.get() & ALLOCATION_ISSUED != 0 && crate::subsystem().free_irps.keep(irp) {
        return Ok(());
    }
    memory::free(address(irp), TAG)
}

/// Makes an IRP of `io_allocate_irp` ready for another use. Source: IoReuseIrp; IO-47.
pub fn io_reuse_irp(irp: &IRP, status: NtStatus) {
    let flags = irp.AllocationFlags.get();
    io_initialize_irp(irp, irp.Size.get(), irp.StackCount.get() as u8);
    irp.AllocationFlags.set(flags);
    irp.IoStatus.Status.set(status);
}

/// Stores a result.
pub fn set_io_status(block: &IO_STATUS_BLOCK, status: NtStatus, information: usize) {
    block.Status.set(status);
    block.Information.set(information);
}

/// Whether both sides have been there: returns `true` to the second.
pub(crate) fn meet(tail: &Tail, mine: u32) -> bool {
    tail.state.swap(mine, Ordering::AcqRel) != state::SENT
}
