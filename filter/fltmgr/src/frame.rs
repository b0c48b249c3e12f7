//! The memory of one operation: callback data, parameter block, and what is owed to instances on the way up.
//!
//! ```text
//! frame (pool): [ Operation: data, iopb, objects, … ][ Owed; capacity ][ Snapshot; capacity + 2 ]
//! take ─► used by one operation ─► give back to the list of the thread that finishes it
//! ```
//!
//! The snapshots are the *versions* of the parameter block: a new one for each change that counts. A record names
//! the version that its pre callback saw, so an operation that nobody changes keeps one copy only.
//!
//! A frame stands in the presence list of the thread that it runs on: whom it is inside (`running`, and the
//! instances of its records) is read there by a side that detaches. So frames are freed by epoch.
//!
//! A frame can outlive the dispatch that took it: then it is *shared*, its records are noted with their instances,
//! and one thread after the other works on it ([`crate::pend`]).
//!
//! UNSAFETY: frames are pool blocks reached through addresses; `Owed` records and versions lie behind the
//! `Operation`.

mod list;
mod record;

use std::cell::{Cell, RefCell};
use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering, compiler_fence};

use boundary::copy;
use nt_abi::{
    DISPATCHER_HEADER, FILE_OBJECT, FLT_CALLBACK_DATA, FLT_IO_PARAMETER_BLOCK, FLT_RELATED_OBJECTS, IRP,
    NtStatus,
};
use nt_ke::current_core;
use nt_ke::presence;

pub use list::Frames;
pub use record::{Owed, RETAINED, SWAPPED, SYNCHRONIZED};

use crate::anchor::Anchored;
use crate::instance::Instance;
use crate::nodes::{self, CallbackTable, Node};
use crate::parameters::{SavedIrp, Snapshot};
use crate::swap::Buffers;
use crate::volume::Volume;

const MAGIC: u32 = 0xCBD0_0F1A;
/// Where it stands, and that of [`crate::request`].
pub(crate) const MAGIC_OFFSET: usize = offset_of!(Operation, magic);
/// How many volumes one operation can be redirected over.
pub const TABLES: usize = 4;
/// First word of the related objects: their size, no transaction.
const OBJECTS_SIZE: u64 = size_of::<FLT_RELATED_OBJECTS>() as u64;

/// The frame is being sent down by its dispatcher.
pub const DISPATCHING: u32 = 0;
/// The file system has completed it.
pub const COMPLETED: u32 = 1;
/// The dispatcher waits for the completion.
pub const WAITING: u32 = 2;
/// The dispatcher has left; whoever completes it goes on.
pub const DETACHED: u32 = 3;

/// Someone counts or observes callbacks.
const WATCHED: u8 = 1;
/// Post callbacks run at DISPATCH_LEVEL in another thread.
const HIGH: u8 = 2;

/// What runs for the operation at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Preoperation callbacks.
    Pre,
    /// Postoperation callbacks.
    Post,
    /// Neither.
    Between,
}

/// How a held operation goes on, written by who completes it.
#[derive(Default)]
pub struct Verdict {
    /// The answer of the callback.
    pub answer: AtomicU32,
    /// Its completion context.
    pub context: AtomicUsize,
    /// Address of the node whose callback it stands for.
    pub node: AtomicUsize,
}

/// One operation on its way.
#[repr(C)]
pub struct Operation {
    /// What callbacks receive. First, so that its address is the frame's.
    pub data: FLT_CALLBACK_DATA,
    /// Its parameter block.
    pub iopb: FLT_IO_PARAMETER_BLOCK,
    /// The objects that callbacks receive.
    pub objects: FLT_RELATED_OBJECTS,
    /// Where a pre callback leaves its completion context.
    pub context: Cell<usize>,
    magic: Cell<u32>,
    capacity: Cell<u32>,
    /// Instance whose pre callback runs, for a detaching side.
    running: AtomicUsize,
    used: AtomicU32,
    version: Cell<u32>,
    /// That version.
    now: Cell<*const Snapshot>,
    /// Flags of the data between callbacks.
    pub base_flags: Cell<u32>,
    mode: Cell<i8>,
    /// Whether dirty changes were made.
    pub modified: Cell<bool>,
    /// Whether the dispatcher waits for the completion.
    pub synchronous: Cell<bool>,
    /// `WATCHED` and `HIGH`.
    watched: Cell<u8>,
    /// Whether `buffers` holds anything.
    pub extras: Cell<bool>,
    /// The transaction that it is part of, or 0; only with `extras`.
    pub transaction: Cell<usize>,
    /// What runs.
    pub phase: Cell<Phase>,
    thread: Cell<usize>,
    volume_block: Cell<usize>,
    /// The node whose callback runs.
    pub current: Cell<*const Node>,
    /// The record of that node on the way up.
    pub current_owed: Cell<*const Owed>,
    /// The name provider that asks in the place of that instance, while its callback runs.
    pub asking: Cell<*const Instance>,
    /// Entry in the presence list of the thread that it runs on, counted from 1; 0: none.
    presence: Cell<usize>,
    /// The IRP, for operations that have one.
    pub irp: Cell<Option<&'static IRP>>,
    volume: Cell<*const Volume>,
    /// Tables in use.
    pub tables: [Cell<*const CallbackTable>; TABLES],
    /// How many.
    pub tables_used: Cell<usize>,
    /// See the constants of this module.
    pub state: AtomicU32,
    /// See [`crate::pend`]: where a callback that holds the operation and whoever completes it meet.
    pub pend: AtomicU32,
    /// What the completer answered, before `pend` says so.
    pub verdict: Verdict,
    /// The status that a post callback was given which holds it.
    pub before: Cell<NtStatus>,
    /// What is called when it is cancelled while a filter holds it.
    pub on_cancel: AtomicUsize,
    /// Whether it was left by a thread that worked on it, so that records have to be claimed.
    pub shared: Cell<bool>,
    /// How many records are noted with their instances.
    pub parked: Cell<usize>,
    /// How many of its tables are held.
    pub held: Cell<usize>,
    /// Signaled by the completion when the dispatcher waits.
    pub event: DISPATCHER_HEADER,
    /// The IRP's fields from before the changes.
    pub saved: Cell<SavedIrp>,
    /// What few operations have: locked and swapped buffers, a callback that holds it, threads that wait for it.
    pub buffers: RefCell<Buffers>,
    next_free: Cell<usize>,
}

/// Bytes of a frame.
const fn frame_bytes(capacity: usize) -> usize {
    size_of::<Operation>() + capacity * size_of::<Owed>() + (capacity + 2) * size_of::<Snapshot>()
}

impl Operation {
    fn owed_address(&self, index: usize) -> *const Owed {
        let base = std::ptr::from_ref(self) as usize + size_of::<Self>();
        (base + index * size_of::<Owed>()) as *const Owed
    }

    /// Record `index`.
    #[inline]
    pub fn owed(&self, index: usize) -> &Owed {
        assert!(index < self.capacity.get() as usize);
        // SAFETY: `capacity` records were written behind the operation when the frame was made.
        unsafe { &*self.owed_address(index) }
    }

    /// Version `index` of the parameters.
    #[inline]
    fn version_at(&self, index: u32) -> &Cell<Snapshot> {
        assert!(index < self.capacity.get() + 2);
        let base = self.owed_address(self.capacity.get() as usize) as usize;
        // SAFETY: so many versions were zeroed behind the records when the frame was made; any bytes are one.
        unsafe { &*((base + index as usize * size_of::<Snapshot>()) as *const Cell<Snapshot>) }
    }

    /// Makes version `index` the one that callbacks see.
    #[inline]
    fn now_at(&self, index: u32) -> &Cell<Snapshot> {
        let version = self.version_at(index);
        self.version.set(index);
        self.now.set(version.as_ptr());
        version
    }

    /// Notes whether someone counts or observes callbacks, and then whether post callbacks run at DISPATCH_LEVEL.
    #[inline]
    pub fn set_watched(&self, watched: bool, high: impl FnOnce() -> bool) {
        self.watched.set(if !watched {
            0
        } else if high() {
            WATCHED | HIGH
        } else {
            WATCHED
        });
    }

    /// Whether someone counts or observes callbacks.
    #[inline(always)]
    pub fn is_watched(&self) -> bool {
        self.watched.get() != 0
    }

    /// Whether the post callbacks run at DISPATCH_LEVEL in another thread.
    #[inline]
    pub fn is_high(&self) -> bool {
        self.watched.get() & HIGH != 0 && !self.synchronous.get()
    }

    /// How many post callbacks are owed.
    #[inline]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed) as usize
    }

    /// Records that may still be used.
    pub fn room(&self) -> usize {
        self.capacity.get() as usize - self.used()
    }

    /// Starts the operation: the block is filled, callback data hold flags and the requestor.
    #[inline]
    pub fn begin(&self, volume: &Volume, table: *const CallbackTable) {
        self.now_at(0).set(Snapshot::of(&self.iopb));
        self.start(volume, table, self.iopb.TargetFileObject.get() as usize);
    }

    /// The same with the nine words of the block, which is filled here. Reading it back would wait for the stores.
    #[inline]
    pub fn begin_with(&self, volume: &Volume, table: *const CallbackTable, words: [u64; 9]) {
        Snapshot::write(words, &self.iopb, self.now_at(0));
        self.start(volume, table, words[1] as usize);
    }

    #[inline]
    fn start(&self, volume: &Volume, table: *const CallbackTable, file: usize) {
        let data = &self.data;
        self.base_flags.set(data.Flags.get());
        self.thread.set(data.Thread.get() as usize);
        self.mode.set(data.RequestorMode.get());
        self.objects.FileObject.set(file as *mut _);
        self.move_to(volume);
        self.use_table(table);
    }

    /// The operation is on `volume` from here on.
    #[inline]
    pub fn move_to(&self, volume: &Volume) {
        self.volume.set(volume);
        self.name_volume(volume);
    }

    /// Callbacks are told `volume` as theirs.
    #[inline]
    pub fn name_volume(&self, volume: &Volume) {
        let address = volume.anchor().address();
        self.volume_block.set(address);
        self.objects.Volume.set(address as *mut _);
    }

    /// Notes that this thread enters the pre callback of `instance`. Check *afterwards* that it may.
    #[inline]
    pub fn enter(&self, instance: &Instance) {
        self.running.store(std::ptr::from_ref(instance) as usize, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
    }

    /// No pre callback runs any more.
    #[inline]
    pub fn end_descent(&self) {
        self.running.store(0, Ordering::Release);
        self.current.set(std::ptr::null());
        self.phase.set(Phase::Between);
    }

    /// Whether the operation runs a pre callback of `instance`, or owes it a post callback. For any thread.
    pub fn is_inside(&self, instance: &Instance) -> bool {
        let identity = std::ptr::from_ref(instance) as usize;
        // In this order: a record is there before `running` goes on, and until its post callback has run.
        if self.running.load(Ordering::Acquire) == identity {
            return true;
        }
        let used = self.used.load(Ordering::Acquire);
        (0..used.min(self.capacity.get()) as usize)
            .any(|index| self.owed(index).instance.load(Ordering::Acquire) == identity)
    }

    /// Names the instance that is called next.
    #[inline]
    pub fn aim(&self, node: &Node) {
        self.iopb.TargetInstance.set(node.target as *mut _);
        self.objects.Filter.set(node.filter as *mut _);
        self.objects.Instance.set(node.target as *mut _);
        self.current.set(node);
    }

    /// Whether a callback of `node` left everything as it was but, perhaps, `IoStatus`.
    #[inline]
    pub fn is_untouched(&self, node: &Node, flags: u32) -> bool {
        let (data, objects) = (&self.data, &self.objects);
        let ours = u64::from(data.Flags.get() ^ flags)
            | (data.Thread.get() as u64 ^ self.thread.get() as u64)
            | (data.Iopb.get() as u64 ^ std::ptr::from_ref(&self.iopb) as u64)
            | u64::from((data.RequestorMode.get() ^ self.mode.get()) as u8);
        // SAFETY: set by `now_at`; versions are written by this thread alone, between callbacks.
        let version = unsafe { &*self.now.get() };
        // Not `&&`: one branch for all.
        (ours | self.objects_touched(objects, node, version) == 0) & !version.differs(&self.iopb, node.target)
    }

    /// The operation is one of a transaction, which its callbacks are told.
    #[cold]
    pub fn join(&self, transaction: usize) {
        self.transaction.set(transaction);
        self.objects.Transaction.set(transaction as *mut _);
        self.extras.set(true);
    }

    #[inline]
    fn objects_touched(&self, objects: &FLT_RELATED_OBJECTS, node: &Node, version: &Snapshot) -> u64 {
        let head = u64::from(objects.Size.get()) | u64::from(objects.TransactionContext.get()) << 16;
        (head ^ OBJECTS_SIZE)
            | (objects.Filter.get() as u64 ^ node.filter as u64)
            | (objects.Volume.get() as u64 ^ self.volume_block.get() as u64)
            | (objects.Instance.get() as u64 ^ node.target as u64)
            | (objects.FileObject.get() as u64 ^ version.file as u64)
            | objects.Transaction.get() as u64
    }

    /// Puts back what no callback may change: the block's address, thread, mode, major function, Reserved, the
    /// objects. `report` is told of each. Returns whether the data are dirty; they are clean afterwards.
    ///
    /// Source: CBD-10, CBD-11, IOPB-06, REL-04, SEED-IOPB-37, SEED-IOPB-54
    pub fn repair(&self, node: &Node, flags: u32, report: impl Fn(&'static str, String)) -> bool {
        let (data, objects, before) = (&self.data, &self.objects, self.seen_by(node));
        let found = data.Flags.replace(flags);
        if data.Iopb.replace(std::ptr::from_ref(&self.iopb).cast_mut()).cast_const()
            != std::ptr::from_ref(&self.iopb)
        {
            report("CBD-11", "a callback replaced Data->Iopb; it is put back".into());
        }
        if (found ^ flags) & !nt_abi::FLTFL_CALLBACK_DATA_DIRTY != 0 {
            report("CBD-10", format!("a callback changed Data->Flags from {flags:#x} to {found:#x}"));
        }
        let thread = data.Thread.replace(self.thread.get() as *mut _) as usize;
        if data.RequestorMode.replace(self.mode.get()) != self.mode.get() || thread != self.thread.get() {
            report("CBD-11", "a callback changed Data->Thread or Data->RequestorMode".into());
        }
        let transaction = self.transaction.get();
        let joined = objects.Transaction.get() as usize == transaction;
        if joined {
            // What is right counts as nothing.
            objects.Transaction.set(std::ptr::null_mut());
        }
        let touched = self.objects_touched(objects, node, &before) != 0;
        objects.Transaction.set(transaction as *mut _);
        if touched {
            report("REL-04", "a callback wrote to its FLT_RELATED_OBJECTS".into());
            objects.Size.set(OBJECTS_SIZE as u16);
            objects.TransactionContext.set(0);
            objects.Filter.set(node.filter as *mut _);
            objects.Volume.set(self.volume_block.get() as *mut _);
            objects.Instance.set(node.target as *mut _);
            objects.FileObject.set(before.file as *mut _);
        }
        let (major, reserved) =
            (self.iopb.MajorFunction.replace(before.major), self.iopb.Reserved.replace(before.reserved));
        if major != before.major || reserved != before.reserved {
            report(
                "IOPB-06",
                format!(
                    "a callback changed MajorFunction ({:#04x} to {major:#04x}) or Reserved, which are not its to \
                     change; both are put back. Another operation has to be issued as a new one",
                    before.major
                ),
            );
        }
        found & nt_abi::FLTFL_CALLBACK_DATA_DIRTY != 0
    }

    /// The parameters as the callback of `node` that runs now got them.
    pub fn seen_by(&self, node: &Node) -> Snapshot {
        Snapshot { instance: node.target, ..self.version_at(self.version.get()).get() }
    }

    /// The parameters that the pre callback of a record saw.
    pub fn seen(&self, owed: &Owed) -> Snapshot {
        Snapshot { instance: self.node(owed).target, ..self.version_at(owed.version.get()).get() }
    }

    /// The number of the version that callbacks see now.
    pub fn version(&self) -> u32 {
        self.version.get()
    }

    /// Makes the block as it is now the version that the next callbacks see. `kept`: the one before stays,
    /// because a record is about to name it.
    pub fn new_version(&self, kept: bool) {
        let now = self.version.get();
        let named = self.used() != 0 && self.owed(self.used() - 1).version.get() == now;
        let next = if kept || named { now + 1 } else { now };
        self.now_at(next).set(Snapshot::of(&self.iopb));
        self.objects.FileObject.set(self.iopb.TargetFileObject.get());
    }

    /// Gives the versions that name `buffer` without an MDL this one, and the block: `offsets` are its place and the MDL's.
    #[cold]
    pub fn add_mdl(&self, buffer: u64, mdl: usize, offsets: (usize, usize)) {
        let words = &self.iopb.Parameters.raw;
        if words[offsets.0 / 8].get() == buffer && words[offsets.1 / 8].get() == 0 {
            words[offsets.1 / 8].set(mdl as u64);
        }
        for index in 0..self.capacity.get() + 2 {
            let version = self.version_at(index);
            let mut copy = version.get();
            if copy.parameters[offsets.0 / 8] == buffer && copy.parameters[offsets.1 / 8] == 0 {
                copy.parameters[offsets.1 / 8] = mdl as u64;
                version.set(copy);
            }
        }
    }

    /// Shows the parameters that the pre callback of `owed` saw.
    #[inline]
    pub fn show(&self, owed: &Owed) {
        let version = owed.version.get();
        if version != self.version.get() {
            self.now_at(version).get().restore(&self.iopb);
            self.objects.FileObject.set(self.iopb.TargetFileObject.get());
        }
    }

    /// Takes the next record, for a pre callback that saw `version`.
    #[inline]
    pub fn owe(&self, node: &Node, context: usize, version: u32) -> &Owed {
        let used = self.used();
        let owed = self.owed(used);
        owed.node.set(node);
        owed.context.set(context);
        owed.version.set(version);
        owed.marks.set(0);
        owed.instance.store(std::ptr::from_ref::<Instance>(&node.instance) as usize, Ordering::Release);
        self.used.store(used as u32 + 1, Ordering::Release);
        owed
    }

    /// The node of a record. Its table is pinned or held while the operation is on its way.
    #[inline]
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
    #[inline]
    pub fn volume(&self) -> &Volume {
        // SAFETY: set when the operation begins; a volume outlives the operations on it.
        unsafe { &*self.volume.get() }
    }

    /// Enters the current thread's presence list. `false`: operations nest too deeply.
    #[inline]
    pub fn arrive(&self) -> bool {
        debug_assert_eq!(self.presence.get(), 0, "an operation is present once");
        let slot = presence::enter_slot(std::ptr::from_ref(self) as usize);
        self.presence.set(slot.map_or(0, |slot| slot + 1));
        slot.is_some()
    }

    /// Whether it is in the presence list of the thread that works on it.
    pub fn is_present(&self) -> bool {
        self.presence.get() != 0
    }

    /// Leaves the thread's presence list.
    #[inline]
    pub fn leave(&self) {
        if let Some(slot) = self.presence.replace(0).checked_sub(1) {
            presence::leave_slot(slot);
        }
    }

    /// Keeps the tables that it uses alive beyond the epoch pins of the threads that work on it.
    #[cold]
    pub fn hold_tables(&self) {
        let used = self.tables_used.get();
        self.tables[self.held.get()..used].iter().for_each(|table| nodes::hold(table.get()));
        self.held.set(used);
    }

    /// Ends [`Operation::hold_tables`].
    #[cold]
    fn let_tables_go(&self) {
        let held = self.held.replace(0);
        self.tables[..held].iter().for_each(|table| nodes::let_go(table.get()));
    }

    /// The callbacks of the volume that it is on, for the operation's row.
    pub fn list(&self, row: usize) -> &[Node] {
        // SAFETY: tables in use are pinned or held while the operation is on its way.
        unsafe { &*self.tables[self.tables_used.get() - 1].get() }.row(row)
    }

    /// Starts to use `table`. `false` when the operation has been on too many volumes.
    #[inline]
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
    let magic: u32 = copy::read_value(data + MAGIC_OFFSET).ok()?;
    // SAFETY: the magic stands only in frames that are in use, which begin with their callback data.
    (magic == MAGIC).then(|| unsafe { &*(data as *const Operation) })
}

/// The operation on `file` in whose callback of `instance` the current thread is, the innermost.
pub fn inside(instance: &Instance, file: &FILE_OBJECT) -> Option<&'static Operation> {
    presence::own().filter_map(operation_of).find(|operation| {
        std::ptr::eq(operation.iopb.TargetFileObject.get(), file)
            && operation.current_node().is_some_and(|node| std::ptr::eq(&*node.instance, instance))
    })
}

/// Waits until no other thread is inside a callback of `instance`, or owes it one.
pub fn drain(instance: &Instance) -> Result<(), boundary::Raise> {
    presence::drain_where(current_core(), |entered| {
        // SAFETY: only frames enter presence lists; they are freed by epoch, and one is pinned.
        let operation = unsafe { &*(entered as *const Operation) };
        operation.is_inside(instance)
    })
}

#[cfg(test)]
mod tests;
