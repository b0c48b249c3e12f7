//! Free frames, and how they are made.
//!
//! Lists are per thread number, so a thread that ends leaves its frames to the next one of that number, and
//! a passed-through operation allocates nothing. [`Frames::give`] leaves a frame as [`Frames::take`] needs it.
//!
//! UNSAFETY: places the parts of a frame in a pool block; a list is used by the thread that has its number.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use nt_abi::{DISPATCHER_HEADER, FLT_CALLBACK_DATA, FLT_IO_PARAMETER_BLOCK, FLT_RELATED_OBJECTS, NtStatus};
use nt_ex::pool::{self, PoolKind};
use nt_ke::{current_core, current_thread};

use super::{DISPATCHING, MAGIC, OBJECTS_SIZE, Operation, Owed, Phase, TABLES, Verdict, frame_bytes};
use crate::parameters::SavedIrp;
use crate::swap::Buffers;

const TAG: u32 = u32::from_le_bytes(*b"FMic");
const THREADS: usize = 2048;

/// The free frames, by thread number.
pub struct Frames(Box<[Slot]>);

#[repr(align(64))]
struct Slot(Cell<usize>);

// SAFETY: a slot is used by the one live thread that has its number.
unsafe impl Sync for Slot {}

impl Default for Frames {
    fn default() -> Self {
        Self((0..THREADS).map(|_| Slot(Cell::new(0))).collect())
    }
}

impl Frames {
    #[inline(always)]
    fn slot(&self) -> Option<&Cell<usize>> {
        self.0.get(current_thread().number() as usize).map(|slot| &slot.0)
    }

    /// A frame with room for at least `records`, in the thread's presence list; `None` when pool is exhausted or
    /// operations nest too deeply.
    #[inline(always)]
    pub fn take(&self, records: usize) -> Option<&'static Operation> {
        let free = self.slot().map_or(0, Cell::get);
        // SAFETY: the list holds addresses of free frames; 0 ends it.
        let operation = match unsafe { (free as *const Operation).as_ref() } {
            Some(operation) if operation.capacity.get() as usize >= records => {
                self.unlink(operation);
                operation
            }
            too_small => self.make(too_small, records)?,
        };
        prepare(operation);
        if operation.arrive() {
            return Some(operation);
        }
        self.give(operation);
        None
    }

    #[inline]
    fn unlink(&self, first: &Operation) {
        if let Some(slot) = self.slot() {
            slot.set(first.next_free.get());
        }
    }

    #[cold]
    fn make(&self, too_small: Option<&'static Operation>, records: usize) -> Option<&'static Operation> {
        if let Some(operation) = too_small {
            self.unlink(operation);
            free(operation);
        }
        allocate(records)
    }

    /// A frame of this thread's list, or a new one, with room for at least `records`; `None` when pool is exhausted.
    #[cold]
    pub fn spare(&self, records: usize) -> Option<&'static Operation> {
        match self.take_back() {
            Some(operation) if operation.capacity.get() as usize >= records => Some(operation),
            Some(operation) => {
                free(operation);
                allocate(records)
            }
            None => allocate(records),
        }
    }

    /// Puts a frame of [`Frames::spare`] where the next operation of this thread takes it.
    #[cold]
    pub fn lend(&self, operation: &'static Operation) {
        match self.slot() {
            Some(slot) => {
                operation.next_free.set(slot.get());
                slot.set(std::ptr::from_ref(operation) as usize);
            }
            None => free(operation),
        }
    }

    /// Takes the frame that was given back last, if this thread has one.
    #[cold]
    pub fn take_back(&self) -> Option<&'static Operation> {
        let first = self.slot().map_or(0, Cell::get);
        // SAFETY: as in `take`.
        let operation = unsafe { (first as *const Operation).as_ref() }?;
        self.unlink(operation);
        Some(operation)
    }

    /// Puts a frame that nobody uses any more onto this thread's list.
    #[inline(always)]
    pub fn give(&self, operation: &'static Operation) {
        operation.leave();
        if operation.extras.get() {
            end(operation);
        }
        if operation.pend.load(Ordering::Relaxed) != crate::pend::FREE {
            crate::pend::not_consumed(operation);
        }
        operation.magic.set(0);
        operation.used.store(0, Ordering::Relaxed);
        operation.running.store(0, Ordering::Relaxed);
        operation.current_owed.set(std::ptr::null());
        match self.slot() {
            Some(slot) => {
                operation.next_free.set(slot.get());
                slot.set(std::ptr::from_ref(operation) as usize);
            }
            None => free(operation),
        }
    }
}

/// Ends what few operations have.
#[cold]
fn end(operation: &Operation) {
    operation.transaction.set(0);
    operation.objects.Transaction.set(std::ptr::null_mut());
    if operation.shared.replace(false) {
        crate::completion::unpark(operation);
        operation.let_tables_go();
    }
    for index in 0..operation.used() {
        operation.owed(index).claimed.store(0, Ordering::Relaxed);
    }
    crate::swap::end(operation);
}

/// Frees a frame once no detaching side can look at it any more.
#[cold]
fn free(operation: &'static Operation) {
    let (core, address) = (current_core(), std::ptr::from_ref(operation) as usize);
    core.epochs.retire(core, move || {
        let _ = pool::free(address as *const u8, Some(TAG));
    });
}

#[cold]
fn allocate(records: usize) -> Option<&'static Operation> {
    let capacity = records.next_multiple_of(16);
    let address = pool::allocate_engine(PoolKind::NonPaged, frame_bytes(capacity), TAG)?.as_ptr();
    let operation = Operation {
        data: FLT_CALLBACK_DATA::zeroed(),
        iopb: FLT_IO_PARAMETER_BLOCK::zeroed(),
        objects: FLT_RELATED_OBJECTS::zeroed(),
        context: Cell::new(0),
        magic: Cell::new(0),
        capacity: Cell::new(capacity as u32),
        running: AtomicUsize::new(0),
        used: AtomicU32::new(0),
        version: Cell::new(0),
        now: Cell::new(std::ptr::null()),
        base_flags: Cell::new(0),
        mode: Cell::new(0),
        modified: Cell::new(false),
        synchronous: Cell::new(false),
        watched: Cell::new(0),
        extras: Cell::new(false),
        transaction: Cell::new(0),
        phase: Cell::new(Phase::Between),
        thread: Cell::new(0),
        volume_block: Cell::new(0),
        current: Cell::new(std::ptr::null()),
        asking: Cell::new(std::ptr::null()),
        current_owed: Cell::new(std::ptr::null()),
        presence: Cell::new(0),
        irp: Cell::new(None),
        volume: Cell::new(std::ptr::null()),
        tables: [const { Cell::new(std::ptr::null()) }; TABLES],
        tables_used: Cell::new(0),
        state: AtomicU32::new(DISPATCHING),
        pend: AtomicU32::new(crate::pend::FREE),
        verdict: Verdict::default(),
        before: Cell::new(NtStatus::SUCCESS),
        on_cancel: AtomicUsize::new(0),
        shared: Cell::new(false),
        parked: Cell::new(0),
        held: Cell::new(0),
        event: DISPATCHER_HEADER::default(),
        saved: Cell::new(SavedIrp::default()),
        buffers: RefCell::new(Buffers::default()),
        next_free: Cell::new(0),
    };
    operation.objects.Size.set(OBJECTS_SIZE as u16);
    // SAFETY: a fresh block of that size, 16-aligned.
    unsafe { address.cast::<Operation>().write(operation) };
    // SAFETY: written just now; pool stays until the frame is freed.
    let operation = unsafe { &*address.cast::<Operation>() };
    for index in 0..capacity {
        let owed = Owed {
            node: Cell::new(std::ptr::null()),
            instance: AtomicUsize::new(0),
            context: Cell::new(0),
            swapped_mdl: Cell::new(0),
            version: Cell::new(0),
            marks: Cell::new(0),
            claimed: AtomicU32::new(0),
            _pad: Default::default(),
        };
        // SAFETY: inside the block, which has room for `capacity` records, and not referenced yet.
        unsafe { operation.owed_address(index).cast_mut().write(owed) };
    }
    Some(operation)
}

/// Makes a frame ready that was left by [`Frames::give`], which keeps the rest as it has to be.
#[inline]
fn prepare(operation: &Operation) {
    operation.magic.set(MAGIC);
    operation.state.store(DISPATCHING, Ordering::Relaxed);
    operation.irp.set(None);
    operation.tables_used.set(0);
    operation.modified.set(false);
    operation.synchronous.set(false);
    let data = &operation.data;
    data.Iopb.set(std::ptr::from_ref(&operation.iopb).cast_mut());
    data.TagData.set(std::ptr::null_mut());
    data.IoStatus.Status.set(NtStatus::SUCCESS);
    data.IoStatus.Information.set(0);
    for word in &data.raw {
        word.set(0);
    }
}
