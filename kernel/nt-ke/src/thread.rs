//! Kernel threads: what `gs:[188h]` points at, where they live, how they begin and end.
//!
//! ```text
//! chunk of 2 MiB in the machine's thread area
//!   +0      emergency stack   64 KiB   a stack overflow is reported here
//!   +64K    guard             64 KiB   inaccessible
//!   +128K   stack             ~1.8 MiB
//!   top-64K processor block, then at +32K of that: room for an object header, KTHREAD
//! ```
//!
//! A thread of the host enters a machine with [`Core::attach`]; a system thread is made by [`Core::spawn`].
//! Either way it runs on its chunk's stack, so drivers see kernel addresses for their locals. A chunk is given
//! back when the thread has ended and nobody references its object.
//!
//! UNSAFETY: places structures at fixed addresses and switches stacks.

use std::any::Any;
use std::cell::Cell;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use boundary::slot::{THREADS_OFFSET, THREADS_SIZE};
use boundary::{ProcessorBlock, slot::Protection};
use nt_abi::{DISPATCHER_HEADER, KWAIT_BLOCK};
use parking_lot::Mutex;

use crate::core::{Core, core_of};
use crate::dispatcher::{WAIT_OBJECTS, object_type};
use crate::scheduler::Task;

/// How deeply callbacks of filters nest on one thread.
pub const PRESENCE_DEPTH: usize = 96;

const CHUNK: usize = 2 << 20;
const EMERGENCY: usize = 64 << 10;
const GUARD: usize = 64 << 10;
const STACK_OFFSET: usize = EMERGENCY + GUARD;
const BLOCK_OFFSET: usize = CHUNK - (64 << 10);
/// Room before the KTHREAD for the object manager's header.
pub const OBJECT_HEADER_ROOM: usize = 0x100;
const THREAD_OFFSET: usize = CHUNK - (32 << 10) + OBJECT_HEADER_ROOM;

/// A thread. The head is a dispatcher object; the rest is ours.
#[repr(C)]
#[allow(non_snake_case)]
pub struct KTHREAD {
    /// Signaled when the thread has ended.
    #[allow(non_snake_case)]
    pub Header: DISPATCHER_HEADER,
    block: Cell<usize>,
    process: Cell<usize>,
    number: Cell<u32>,
    previous_mode: Cell<u8>,
    system: Cell<u8>,
    background: Cell<u8>,
    ticking: Cell<u8>,
    host: Cell<u8>,
    kernel_apc_disable: Cell<i32>,
    special_apc_disable: Cell<i32>,
    top_level_irp: Cell<usize>,
    attached_process: Cell<usize>,
    impersonation: Cell<usize>,
    exit_status: Cell<i32>,
    held_ranks: Cell<u64>,
    wake_word: AtomicU32,
    yielder: Cell<usize>,
    apc_pending: AtomicU32,
    alerted: AtomicU32,
    in_normal_apc: Cell<u8>,
    priority: AtomicI32,
    base_increment: AtomicI32,
    pub(crate) wait_state: AtomicU32,
    pub(crate) wait_status: Cell<i32>,
    pub(crate) wait_count: Cell<u32>,
    pub(crate) wait_all: Cell<u8>,
    pub(crate) wait_alertable: Cell<u8>,
    pub(crate) wait_timed: Cell<u8>,
    references: AtomicU32,
    epoch: AtomicU64,
    epoch_depth: Cell<u32>,
    presence_depth: Cell<usize>,
    presence: [AtomicUsize; PRESENCE_DEPTH],
    extension: [Cell<usize>; 8],
    pub(crate) wait_blocks: [KWAIT_BLOCK; WAIT_OBJECTS],
}

// SAFETY: cells are written by the thread itself, or by others under the dispatcher lock.
unsafe impl Sync for KTHREAD {}
// SAFETY: as above; the memory belongs to the machine.
unsafe impl Send for KTHREAD {}

// SAFETY: its fields are all cells or atomics, and each takes any bit pattern.
unsafe impl nt_abi::Abi for KTHREAD {}

/// Words of per-thread state for layers above, by index of [`KTHREAD::extension`].
pub mod extension {
    /// Nesting operations of the filter manager: its innermost frame.
    pub const FLT: usize = 0;
    /// I/O manager.
    pub const IO: usize = 1;
    /// Executive: owned resources.
    pub const EX: usize = 2;
    /// Processes: start routine.
    pub const PS: usize = 3;
    /// Free lists.
    pub const LISTS: usize = 4;
    /// I/O manager: 1 when the thread asked that no hard error is shown.
    pub const HIDDEN_ERRORS: usize = 5;
    /// Processes: how the thread acts for its client.
    pub const CLIENT: usize = 6;
}

impl KTHREAD {
    /// The processor block of this thread.
    pub fn block(&self) -> &ProcessorBlock {
        // SAFETY: set at creation; block and thread share a chunk.
        unsafe { &*(self.block.get() as *const ProcessorBlock) }
    }
    /// Small number, unique in the machine while the thread lives; the process layer makes its ID of it.
    pub fn number(&self) -> u32 {
        self.number.get()
    }
    /// Address of the process object.
    pub fn process(&self) -> usize {
        self.process.get()
    }
    /// Puts a thread that was attached before there was a process into `process`.
    pub fn set_process(&self, process: usize) {
        self.process.set(process);
        self.attached_process.set(process);
    }
    /// The process whose address space the thread is attached to: its own unless it attached to another.
    pub fn attached_process(&self) -> &Cell<usize> {
        &self.attached_process
    }
    /// Token that the thread impersonates, 0 for none.
    pub fn impersonation(&self) -> &Cell<usize> {
        &self.impersonation
    }
    /// KernelMode 0 or UserMode 1: where the current system call came from.
    pub fn previous_mode(&self) -> &Cell<u8> {
        &self.previous_mode
    }
    /// Whether a driver or the engine made it as a system thread.
    pub fn is_system(&self) -> bool {
        self.system.get() != 0
    }
    /// Nesting of critical regions (positive: normal kernel APCs are off).
    pub fn kernel_apc_disable(&self) -> &Cell<i32> {
        &self.kernel_apc_disable
    }
    /// Nesting of guarded regions (positive: all APCs are off).
    pub fn special_apc_disable(&self) -> &Cell<i32> {
        &self.special_apc_disable
    }
    /// The top-level IRP, as drivers set it.
    pub fn top_level_irp(&self) -> &Cell<usize> {
        &self.top_level_irp
    }
    /// Exit status of an ended thread.
    pub fn exit_status(&self) -> &Cell<i32> {
        &self.exit_status
    }
    /// State of a layer above.
    pub fn extension(&self, index: usize) -> &Cell<usize> {
        &self.extension[index]
    }
    /// Marks the thread as one whose waits are idleness, not work: it never counts as hanging.
    pub fn set_background(&self, background: bool) {
        self.background.set(u8::from(background));
    }
    /// Marks the thread as one that looks from time to time whether there is something to do: its timed waits keep the
    /// machine from hanging only for a few ticks after everybody else began to wait.
    pub fn set_ticking(&self, ticking: bool) {
        self.ticking.set(u8::from(ticking));
    }
    pub(crate) fn is_ticking(&self) -> bool {
        self.ticking.get() != 0
    }
    pub(crate) fn is_background(&self) -> bool {
        self.background.get() != 0
    }
    pub(crate) fn is_host(&self) -> bool {
        self.host.get() != 0
    }
    pub(crate) fn held_ranks(&self) -> &Cell<u64> {
        &self.held_ranks
    }
    pub(crate) fn apc_pending(&self) -> &AtomicU32 {
        &self.apc_pending
    }
    /// Bit 0: alerted in kernel mode, bit 1: in user mode.
    pub(crate) fn alerted(&self) -> &AtomicU32 {
        &self.alerted
    }
    pub(crate) fn in_normal_apc(&self) -> &Cell<u8> {
        &self.in_normal_apc
    }
    /// How far its priority is from the usual one.
    pub(crate) fn priority(&self) -> &AtomicI32 {
        &self.priority
    }
    /// How far its base priority is from its process's.
    pub(crate) fn base_increment(&self) -> &AtomicI32 {
        &self.base_increment
    }
    /// What a fibre suspends itself with.
    pub(crate) fn yielder(&self) -> &Cell<usize> {
        &self.yielder
    }
    pub(crate) fn wake_word(&self) -> &AtomicU32 {
        &self.wake_word
    }
    pub(crate) fn epoch(&self) -> &AtomicU64 {
        &self.epoch
    }
    pub(crate) fn epoch_depth(&self) -> &Cell<u32> {
        &self.epoch_depth
    }
    pub(crate) fn presence(&self) -> &[AtomicUsize; PRESENCE_DEPTH] {
        &self.presence
    }
    pub(crate) fn presence_depth(&self) -> &Cell<usize> {
        &self.presence_depth
    }
    /// Keeps the thread's memory alive.
    pub fn reference(&self) {
        self.references.fetch_add(1, Ordering::Relaxed);
    }
    /// Ends a [`KTHREAD::reference`]; the last one gives the chunk back.
    pub fn dereference(&self, core: &Core) {
        if self.references.fetch_sub(1, Ordering::AcqRel) == 1 {
            core.threads.release(core, std::ptr::from_ref(self) as usize - THREAD_OFFSET);
        }
    }
    /// Lowest and highest address of its stack.
    pub fn stack_limits(&self) -> (usize, usize) {
        (self.block().stack_low.get(), self.block().stack_high.get())
    }
}

/// The current thread; it must be attached to a machine. Good while it stays attached.
#[inline]
pub fn current_thread() -> &'static KTHREAD {
    // SAFETY: set when the thread was attached, to its own chunk.
    unsafe { &*(boundary::current().current_thread.get() as *const KTHREAD) }
}

/// The current thread, or `None` outside every machine.
pub fn try_current_thread() -> Option<&'static KTHREAD> {
    // SAFETY: as in `current_thread`.
    boundary::try_current().map(|block| unsafe { &*(block.current_thread.get() as *const KTHREAD) })
}

/// What the process layer does when threads come and go.
pub trait ThreadNotify: Send + Sync {
    /// `thread` exists and has not run yet.
    fn created(&self, thread: &KTHREAD);
    /// `thread` has done its work; it still runs in the machine while this is called.
    fn ended(&self, thread: &KTHREAD);
}

#[derive(Default)]
struct Table {
    live: Vec<usize>,
    free: Vec<u32>,
    used: u32,
    /// Attached or running threads: the machine cannot go while there are any.
    inside: u32,
}

/// The threads of a machine.
#[derive(Default)]
pub struct Threads {
    table: Mutex<Table>,
    notify: std::sync::OnceLock<Box<dyn ThreadNotify>>,
}

/// The stack in a thread's chunk.
pub(crate) struct ChunkStack(usize);

// SAFETY: the range is mapped, aligned and used by this thread alone while it is attached.
unsafe impl corosensei::stack::Stack for ChunkStack {
    fn base(&self) -> corosensei::stack::StackPointer {
        NonZeroUsize::new(self.0 + BLOCK_OFFSET).expect("a chunk is not at address 0")
    }
    fn limit(&self) -> corosensei::stack::StackPointer {
        NonZeroUsize::new(self.0 + STACK_OFFSET).expect("a chunk is not at address 0")
    }
}

impl Threads {
    fn allocate(&self, core: &Core) -> std::io::Result<(usize, u32)> {
        let index = {
            let mut table = self.table.lock();
            match table.free.pop() {
                Some(index) => index,
                None if (table.used as usize + 1) * CHUNK <= THREADS_SIZE => {
                    table.used += 1;
                    table.used - 1
                }
                None => return Err(std::io::Error::other("a machine has at most 2,000 threads")),
            }
        };
        let chunk = core.slot.base() + THREADS_OFFSET + index as usize * CHUNK;
        core.slot.protect(chunk, EMERGENCY, Protection::ReadWrite)?;
        core.slot.protect(chunk + STACK_OFFSET, CHUNK - STACK_OFFSET, Protection::ReadWrite)?;
        Ok((chunk, index))
    }

    fn create(&self, core: &Core, process: usize, system: bool) -> std::io::Result<&'static KTHREAD> {
        let (chunk, index) = self.allocate(core)?;
        // SAFETY: fresh zeroed pages of this chunk; both structures take all-zero bytes.
        let block = unsafe { &*((chunk + BLOCK_OFFSET) as *const ProcessorBlock) };
        // SAFETY: as above.
        let thread = unsafe { &*((chunk + THREAD_OFFSET) as *const KTHREAD) };
        block.initialize();
        block.current_thread.set(chunk + THREAD_OFFSET);
        block.core.set(std::ptr::from_ref(core) as usize);
        block.image_low.set(core.slot.images());
        block.image_high.set(core.slot.images() + boundary::slot::IMAGES_SIZE);
        block.shared_user_data.set(core.slot.shared_user_data());
        block.stack_low.set(chunk + STACK_OFFSET);
        block.stack_high.set(chunk + BLOCK_OFFSET);
        block.emergency_high.set(chunk + EMERGENCY);
        block.number.set(index % core.config.processors);
        block.observed.store(core.watched(), Ordering::Relaxed);
        crate::dispatcher::initialize_header(&thread.Header, object_type::THREAD, 0);
        thread.block.set(chunk + BLOCK_OFFSET);
        thread.process.set(process);
        thread.attached_process.set(process);
        thread.number.set(index + 1);
        thread.system.set(u8::from(system));
        thread.host.set(u8::from(!system));
        thread.references.store(1, Ordering::Relaxed);
        {
            let mut table = self.table.lock();
            table.live.push(chunk + THREAD_OFFSET);
            table.inside += 1;
        }
        {
            let mut dispatcher = core.dispatcher.lock();
            dispatcher.running += 1;
            dispatcher.hosts += i64::from(!system);
        }
        if core.stopping() {
            block.raise_pending.fetch_or(boundary::raise::RAISE_STOP, Ordering::Relaxed);
        }
        if let Some(notify) = self.notify.get() {
            notify.created(thread);
        }
        Ok(thread)
    }

    fn end(&self, core: &Core, thread: &KTHREAD) {
        crate::locks::thread_ended(core, thread);
        core.thread_ended(thread);
        let address = std::ptr::from_ref(thread) as usize;
        {
            let mut table = self.table.lock();
            table.live.retain(|live| *live != address);
            table.inside -= 1;
        }
        thread.dereference(core);
    }

    fn release(&self, core: &Core, chunk: usize) {
        let _ = core.slot.discard(chunk, CHUNK);
        let index = ((chunk - core.slot.base() - THREADS_OFFSET) / CHUNK) as u32;
        let mut table = self.table.lock();
        table.free.push(index);
        table.free.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// Calls `f` for every live thread. `f` must not create or end threads.
    pub fn for_each(&self, mut f: impl FnMut(&KTHREAD)) {
        for address in &self.table.lock().live {
            // SAFETY: live threads keep their chunk.
            f(unsafe { &*(*address as *const KTHREAD) });
        }
    }
}

impl Core {
    /// Who is told of threads: the process layer, once, at boot.
    pub fn set_thread_notify(&self, notify: Box<dyn ThreadNotify>) {
        let _ = self.threads.notify.set(notify);
    }

    /// Calls `f` for every live thread. `f` must not create or end threads.
    pub fn for_each_thread(&self, f: impl FnMut(&KTHREAD)) {
        self.threads.for_each(f);
    }

    /// Runs `f` as a kernel thread of this machine, on a stack of the machine, in process `process`.
    ///
    /// On a thread that is in this machine already, `f` just runs.
    /// Errors: no room for another thread.
    pub fn attach<R>(self: &Arc<Self>, process: usize, f: impl FnOnce() -> R) -> std::io::Result<R> {
        // SAFETY: a query.
        let os_thread = unsafe { libc::gettid() } as usize;
        if let Some(block) = boundary::try_current() {
            if block.os_thread.load(Ordering::Relaxed) != os_thread {
                // A thread that the host makes inherits `gs` from its maker; the block is not its own.
                // SAFETY: 0 stands for no block.
                unsafe { boundary::processor::set_gs_base(0) };
            } else if std::ptr::eq(core_of(block), Arc::as_ptr(self)) {
                return Ok(f());
            }
        }
        // Ends the thread also when `f` panics.
        struct Ended<'a>(&'a Core, &'a KTHREAD);
        impl Drop for Ended<'_> {
            fn drop(&mut self) {
                self.0.threads.end(self.0, self.1);
            }
        }
        let thread = self.threads.create(self, process, false)?;
        let _ended = Ended(self, thread);
        Ok(self.run_on(thread, f))
    }

    /// `thread` has done its work: runs down what waits for it and tells the process layer; on that thread.
    pub(crate) fn notify_ended(&self, thread: &KTHREAD) {
        crate::region::check_ending(self, thread);
        crate::apc::run_down(self, thread);
        if let Some(notify) = self.threads.notify.get() {
            notify.ended(thread);
        }
    }

    /// `thread` has left its stack for good.
    pub(crate) fn end_thread(&self, thread: &KTHREAD) {
        self.threads.end(self, thread);
    }

    /// Runs `f` as `thread` on the calling OS thread, when the scheduler lets it.
    pub(crate) fn run_on<R>(&self, thread: &'static KTHREAD, f: impl FnOnce() -> R) -> R {
        struct Leave(usize);
        impl Drop for Leave {
            fn drop(&mut self) {
                // SAFETY: what `gs` held before this thread entered the machine.
                unsafe { boundary::processor::set_gs_base(self.0) };
            }
        }
        let _signal_stack = boundary::signals::SignalStack::install();
        let block = thread.block();
        // SAFETY: a query.
        block.os_thread.store(unsafe { libc::gettid() } as usize, Ordering::Relaxed);
        let chunk = std::ptr::from_ref(thread) as usize - THREAD_OFFSET;
        // Gives the others back what they need to go on, also when `f` panics.
        struct Left<'a>(&'a Core, &'static KTHREAD);
        impl Drop for Left<'_> {
            fn drop(&mut self) {
                self.0.scheduler.leave(self.1);
            }
        }
        self.scheduler.enter(thread);
        let _left = Left(self, thread);
        // SAFETY: the block is initialised and stays until the thread has left.
        let leave = Leave(unsafe { boundary::processor::set_gs_base(chunk + BLOCK_OFFSET) });
        let result = corosensei::on_stack(ChunkStack(chunk), || {
            let result = f();
            self.notify_ended(thread);
            result
        });
        crate::irql::set(self, block, 0);
        block.os_thread.store(0, Ordering::Relaxed);
        drop(leave);
        result
    }

    /// Makes a system thread that runs `body`. `prepare` sees its thread object before it runs; who uses the object
    /// after the thread has ended takes a [`KTHREAD::reference`].
    ///
    /// Errors: no room for another thread, or the host has none to give.
    pub fn spawn(
        self: &Arc<Self>,
        name: &str,
        process: usize,
        prepare: impl FnOnce(&'static KTHREAD),
        body: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<()> {
        let thread = self.threads.create(self, process, true)?;
        prepare(thread);
        self.start(thread, name, Box::new(body))
    }

    fn start(
        self: &Arc<Self>,
        thread: &'static KTHREAD,
        name: &str,
        body: Box<dyn FnOnce() + Send>,
    ) -> std::io::Result<()> {
        let stack = ChunkStack(std::ptr::from_ref(thread) as usize - THREAD_OFFSET);
        crate::locks::thread_named(self, thread, name);
        let task = Task { name: name.to_owned(), core: Arc::clone(self), thread, stack, body };
        self.scheduler.start(task).inspect_err(|_| self.end_thread(thread))
    }

    /// Runs `f` with 0, 1, … on `count` threads of process `process` at once and returns when all have ended.
    ///
    /// Errors: no room for another thread, or the host has none to give; those that were made have run then.
    pub fn run_threads(
        self: &Arc<Self>,
        process: usize,
        name: &str,
        count: u32,
        f: &(dyn Fn(u32) + Sync),
    ) -> std::io::Result<()> {
        // SAFETY: the threads are waited for below, on every way out, and end before `f` can go: only the lifetime is
        // made longer.
        let f: &'static (dyn Fn(u32) + Sync) = unsafe { std::mem::transmute(f) };
        let failed: Arc<Mutex<Option<Box<dyn Any + Send>>>> = Arc::default();
        let made = self.attach(process, || {
            let mut threads: Vec<&'static KTHREAD> = Vec::new();
            let mut made = Ok(());
            for number in 0..count {
                let failed = Arc::clone(&failed);
                let body = move || {
                    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| f(number))) {
                        failed.lock().get_or_insert(payload);
                    }
                };
                made = self.threads.create(self, process, false).and_then(|thread| {
                    thread.reference();
                    self.start(thread, name, Box::new(body)).inspect_err(|_| thread.dereference(self))?;
                    threads.push(thread);
                    Ok(())
                });
                if made.is_err() {
                    break;
                }
            }
            for thread in threads {
                // A machine that stops ends the wait as well; its threads are waited for all the same.
                while thread.Header.SignalState.load(Ordering::Acquire) == 0 {
                    if crate::dispatcher::wait(&thread.Header, false, None).is_err() {
                        self.scheduler.pause();
                    }
                }
                thread.dereference(self);
            }
            made
        })?;
        if let Some(payload) = failed.lock().take() {
            resume_unwind(payload);
        }
        made
    }

    /// Marks the machine as stopping and wakes every thread; drivers' frames are abandoned.
    pub fn request_stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.open_pageable();
        self.threads.for_each(|thread| {
            thread.block().raise_pending.fetch_or(boundary::raise::RAISE_STOP, Ordering::Release);
            self.scheduler.wake(thread);
            boundary::signals::interrupt(thread.block());
        });
    }

    /// Stops the machine and waits until every thread has left it. Call from outside the machine.
    ///
    /// Returns whether all threads left; one that is stuck in host code keeps the slot.
    pub fn stop(&self) -> bool {
        assert!(boundary::try_current().is_none(), "a machine is stopped from outside");
        self.request_stop();
        let mut left = false;
        for round in 1..200_000 {
            let inside = self.threads.table.lock().inside;
            if inside == 0 {
                left = true;
                break;
            }
            // A thread may have entered a driver after the first signal: say it again now and then.
            if round % 20 == 0 {
                self.request_stop();
            }
            self.scheduler.pause();
        }
        if left {
            self.scheduler.join();
        }
        self.clock.stop();
        left
    }
}
