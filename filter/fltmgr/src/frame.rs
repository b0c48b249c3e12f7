//! The memory of one operation: callback data, parameter block, and what is owed to instances on the way up.
//!
//! ```text
//! frame (pool): [ Operation: data, iopb, … ][ Owed; capacity ]
//! take ─► used by one operation ─► give back to the list of the thread that finishes it
//! ```
//!
//! Lists are per thread number, so a thread that ends leaves its frames to the next one of that number, and
//! a passed-through operation allocates nothing. A frame can outlive the dispatch that took it.
//!
//! UNSAFETY: frames are pool blocks reached through addresses; `Owed` records lie behind the `Operation`.

use std::cell::Cell;
use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, Ordering};

use boundary::copy;
use nt_abi::{DISPATCHER_HEADER, FLT_CALLBACK_DATA, FLT_IO_PARAMETER_BLOCK, IRP};
use nt_ex::pool::{self, PoolKind};
use nt_ke::current_thread;
use nt_ke::presence::Presence;

use crate::nodes::{CallbackTable, Node};
use crate::parameters::{SavedIrp, Snapshot};
use crate::volume::Volume;

const TAG: u32 = u32::from_le_bytes(*b"FMic");
const MAGIC: u32 = 0xCBD0_0F1A;
const THREADS: usize = 2048;
/// How many volumes one operation can be redirected over.
pub const TABLES: usize = 4;

/// The frame is being sent down by its dispatcher.
pub const DISPATCHING: u32 = 0;
/// The file system has completed it.
pub const COMPLETED: u32 = 1;
/// The dispatcher waits for the completion.
pub const WAITING: u32 = 2;
/// The dispatcher has left; whoever completes it goes on.
pub const DETACHED: u32 = 3;

/// What runs for the operation at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// A preoperation callback.
    Pre,
    /// A postoperation callback.
    Post,
    /// Neither.
    Between,
}

/// A post callback that an instance has coming.
pub struct Owed {
    /// Whose.
    pub node: Cell<*const Node>,
    /// Its completion context.
    pub context: Cell<usize>,
    /// The parameters that its pre callback saw.
    pub seen: Cell<Snapshot>,
    /// Nonzero once someone has taken it: the completion, or a drain.
    pub claimed: AtomicU32,
    /// Keeps a detaching side waiting while the operation is below in this thread.
    pub presence: Cell<Option<Presence>>,
    /// MDL that the instance put in place of the one it saw.
    pub swapped_mdl: Cell<usize>,
    /// The filter keeps that MDL.
    pub retained: Cell<bool>,
}

/// One operation on its way.
#[repr(C)]
pub struct Operation {
    /// What callbacks receive. First, so that its address is the frame's.
    pub data: FLT_CALLBACK_DATA,
    /// Its parameter block.
    pub iopb: FLT_IO_PARAMETER_BLOCK,
    magic: Cell<u32>,
    capacity: Cell<u32>,
    used: Cell<u32>,
    /// See the constants of this module.
    pub state: AtomicU32,
    /// The IRP, for operations that have one.
    pub irp: Cell<Option<&'static IRP>>,
    /// The volume that it is on now.
    pub volume: Cell<*const Volume>,
    /// The node whose callback runs.
    pub current: Cell<*const Node>,
    /// The record of that node on the way up.
    pub current_owed: Cell<*const Owed>,
    /// Tables in use.
    pub tables: [Cell<*const CallbackTable>; TABLES],
    /// How many.
    pub tables_used: Cell<usize>,
    /// Signaled by the completion when the dispatcher waits.
    pub event: DISPATCHER_HEADER,
    /// The IRP's fields from before the changes.
    pub saved: Cell<SavedIrp>,
    /// Flags of the data between callbacks.
    pub base_flags: Cell<u32>,
    /// Whether dirty changes were made.
    pub modified: Cell<bool>,
    /// Whether the dispatcher waits for the completion.
    pub synchronous: Cell<bool>,
    /// What runs.
    pub phase: Cell<Phase>,
    next_free: Cell<usize>,
}

impl Operation {
    fn owed_address(&self, index: usize) -> *const Owed {
        let base = std::ptr::from_ref(self) as usize + size_of::<Self>();
        (base + index * size_of::<Owed>()) as *const Owed
    }

    /// Record `index`.
    pub fn owed(&self, index: usize) -> &Owed {
        assert!(index < self.capacity.get() as usize);
        // SAFETY: `capacity` records were written behind the operation when the frame was made.
        unsafe { &*self.owed_address(index) }
    }

    /// How many post callbacks are owed.
    #[inline]
    pub fn used(&self) -> usize {
        self.used.get() as usize
    }

    /// Records that may still be used.
    pub fn room(&self) -> usize {
        (self.capacity.get() - self.used.get()) as usize
    }

    /// Takes the next record.
    pub fn owe(&self, node: &Node, context: usize, seen: Snapshot, presence: Presence) -> &Owed {
        let owed = self.owed(self.used());
        self.used.set(self.used.get() + 1);
        owed.node.set(node);
        owed.context.set(context);
        owed.seen.set(seen);
        owed.claimed.store(0, Ordering::Relaxed);
        owed.presence.set(Some(presence));
        owed.swapped_mdl.set(0);
        owed.retained.set(false);
        owed
    }

    /// The node of a record. Its table is pinned or held while the operation is on its way.
    pub fn node<'a>(&self, owed: &'a Owed) -> &'a Node {
        // SAFETY: as above; records name nodes of tables that the operation uses.
        unsafe { &*owed.node.get() }
    }

    /// The node whose callback runs, if one does.
    pub fn current_node(&self) -> Option<&Node> {
        // SAFETY: as for `node`; null between callbacks.
        unsafe { self.current.get().as_ref() }
    }

    /// The record of the post callback that runs, if one does.
    pub fn current_record(&self) -> Option<&Owed> {
        // SAFETY: a record of this frame, null otherwise.
        unsafe { self.current_owed.get().as_ref() }
    }

    /// The volume that the operation is on.
    pub fn volume(&self) -> &Volume {
        // SAFETY: set when the frame is taken; a volume outlives the operations on it.
        unsafe { &*self.volume.get() }
    }

    /// Gives up every presence, innermost first.
    pub fn leave(&self) {
        for index in (0..self.used()).rev() {
            drop(self.owed(index).presence.take());
        }
    }

    /// Starts to use `table`. `false` when the operation has been on too many volumes.
    pub fn use_table(&self, table: *const CallbackTable) -> bool {
        let used = self.tables_used.get();
        if used == TABLES {
            return false;
        }
        self.tables[used].set(table);
        self.tables_used.set(used + 1);
        true
    }
}

/// The operation that `data` belongs to, if the manager made it.
pub fn operation_of(data: usize) -> Option<&'static Operation> {
    if data == 0 || !data.is_multiple_of(8) {
        return None;
    }
    let magic: u32 = copy::read_value(data + offset_of!(Operation, magic)).ok()?;
    // SAFETY: the magic stands only in frames that are in use, which begin with their callback data.
    (magic == MAGIC).then(|| unsafe { &*(data as *const Operation) })
}

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
    fn slot(&self) -> Option<&Cell<usize>> {
        self.0.get(current_thread().number() as usize).map(|slot| &slot.0)
    }

    /// A frame with room for at least `records`; `None` when pool is exhausted.
    pub fn take(&self, records: usize) -> Option<&'static Operation> {
        if let Some(slot) = self.slot()
            && slot.get() != 0
        {
            // SAFETY: the list holds addresses of free frames.
            let operation = unsafe { &*(slot.get() as *const Operation) };
            slot.set(operation.next_free.get());
            if operation.capacity.get() as usize >= records {
                prepare(operation);
                return Some(operation);
            }
            let _ = pool::free(std::ptr::from_ref(operation).cast(), Some(TAG));
        }
        let operation = allocate(records.next_multiple_of(8))?;
        prepare(operation);
        Some(operation)
    }

    /// Puts a frame that nobody uses any more onto this thread's list.
    pub fn give(&self, operation: &'static Operation) {
        operation.leave();
        operation.magic.set(0);
        operation.used.set(0);
        match self.slot() {
            Some(slot) => {
                operation.next_free.set(slot.get());
                slot.set(std::ptr::from_ref(operation) as usize);
            }
            None => {
                let _ = pool::free(std::ptr::from_ref(operation).cast(), Some(TAG));
            }
        }
    }
}

fn allocate(capacity: usize) -> Option<&'static Operation> {
    let bytes = size_of::<Operation>() + capacity * size_of::<Owed>();
    let address = pool::allocate_engine(PoolKind::NonPaged, bytes, TAG)?.as_ptr();
    let operation = Operation {
        data: FLT_CALLBACK_DATA::zeroed(),
        iopb: FLT_IO_PARAMETER_BLOCK::zeroed(),
        magic: Cell::new(0),
        capacity: Cell::new(capacity as u32),
        used: Cell::new(0),
        state: AtomicU32::new(DISPATCHING),
        irp: Cell::new(None),
        volume: Cell::new(std::ptr::null()),
        current: Cell::new(std::ptr::null()),
        current_owed: Cell::new(std::ptr::null()),
        tables: [const { Cell::new(std::ptr::null()) }; TABLES],
        tables_used: Cell::new(0),
        event: DISPATCHER_HEADER::default(),
        saved: Cell::new(SavedIrp::default()),
        base_flags: Cell::new(0),
        modified: Cell::new(false),
        synchronous: Cell::new(false),
        phase: Cell::new(Phase::Between),
        next_free: Cell::new(0),
    };
    // SAFETY: a fresh block of that size, 16-aligned.
    unsafe { address.cast::<Operation>().write(operation) };
    // SAFETY: written just now; pool stays until the frame is freed.
    let operation = unsafe { &*address.cast::<Operation>() };
    for index in 0..capacity {
        let owed = Owed {
            node: Cell::new(std::ptr::null()),
            context: Cell::new(0),
            seen: Cell::new(Snapshot::default()),
            claimed: AtomicU32::new(0),
            presence: Cell::new(None),
            swapped_mdl: Cell::new(0),
            retained: Cell::new(false),
        };
        // SAFETY: inside the block, which has room for `capacity` records, and not referenced yet.
        unsafe { operation.owed_address(index).cast_mut().write(owed) };
    }
    Some(operation)
}

fn prepare(operation: &Operation) {
    operation.magic.set(MAGIC);
    operation.used.set(0);
    operation.state.store(DISPATCHING, Ordering::Relaxed);
    operation.irp.set(None);
    operation.current.set(std::ptr::null());
    operation.current_owed.set(std::ptr::null());
    operation.tables_used.set(0);
    operation.modified.set(false);
    operation.synchronous.set(false);
    operation.phase.set(Phase::Between);
    let data = &operation.data;
    data.Iopb.set(std::ptr::from_ref(&operation.iopb).cast_mut());
    data.TagData.set(std::ptr::null_mut());
    data.IoStatus.Status.set(nt_abi::NtStatus::SUCCESS);
    data.IoStatus.Information.set(0);
    for word in &data.raw {
        word.set(0);
    }
}
