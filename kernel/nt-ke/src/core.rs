//! The machine core: what every subsystem reaches through the current thread.
//!
//! UNSAFETY: subsystem slots hold typed pointers without their type, and the core is found through an
//! address in the processor block. Both are set before any thread can read them and outlive the last thread.

use std::any::Any;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use boundary::processor::{FaultInfo, watch};
use boundary::{Event, Observer, ProcessorBlock, Slot};
use parking_lot::Mutex;

use crate::bugcheck::BugCheck;
use crate::clock::Clock;
use crate::dispatcher::Dispatcher;
use crate::dpc::Dpcs;
use crate::epoch::Epochs;
use crate::finding::Finding;
use crate::owned::OwnedState;
use crate::pageable::Pageable;
use crate::scheduler::fibre::FibreScheduler;
use crate::scheduler::free::FreeScheduler;
use crate::scheduler::{Schedule, Scheduler};
use crate::thread::Threads;
use crate::timer::Timers;

/// How a machine is built.
#[derive(Clone, Debug)]
pub struct Config {
    /// Virtual processors, at least two.
    pub processors: u32,
    /// Whether "every thread waits and nothing can wake one" ends the machine. Off where host threads act
    /// on it from outside.
    pub detect_hangs: bool,
    /// How kernel threads get to run.
    pub schedule: Schedule,
    /// Whether kernel APCs interrupt driver code at PASSIVE_LEVEL wherever it is, in a machine with free threads; off,
    /// they wait for its next kernel call.
    pub preempt: bool,
    /// Whether a seeded machine keeps whole stacks of where locks are taken, not only the calls into exports.
    pub lock_stacks: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            processors: 2,
            detect_hangs: false,
            schedule: Schedule::Free,
            preempt: false,
            lock_stacks: true,
        }
    }
}

/// Something that a machine has one of. `INDEX` names its slot; they are listed in [`index`].
pub trait Subsystem: Any + Send + Sync {
    /// Slot number.
    const INDEX: usize;
}

/// Slot numbers of subsystems, in the order of the layers.
pub mod index {
    /// Page areas and frames.
    pub const MM: usize = 0;
    /// Pool, work items.
    pub const EX: usize = 1;
    /// Object namespace, handles.
    pub const OB: usize = 2;
    /// Tokens.
    pub const SE: usize = 3;
    /// Processes.
    pub const PS: usize = 4;
    /// Registry.
    pub const CM: usize = 5;
    /// I/O manager.
    pub const IO: usize = 6;
    /// File-system runtime.
    pub const FSRTL: usize = 7;
    /// File system driver.
    pub const FSD: usize = 8;
    /// Filter manager.
    pub const FLT: usize = 9;
    /// Loaded images.
    pub const DRIVER: usize = 10;
    /// Cache manager.
    pub const CC: usize = 11;
    /// Variables that drivers import.
    pub const EXPORTS: usize = 12;
    /// Sections and views.
    pub const SECTION: usize = 13;
    /// Transactions.
    pub const TM: usize = 14;
    /// How many there are.
    pub const COUNT: usize = 16;
}

/// What is known of an address that faulted.
#[derive(Clone, Debug)]
pub struct ExplainedFault {
    /// Bug check code for it.
    pub code: u32,
    /// What lies at the address, to follow "… the driver wrote".
    pub message: String,
    /// Where a driver called the export that made what lies there; 0: unknown.
    pub place: usize,
}

type FaultExplainer = Box<dyn Fn(usize) -> Option<ExplainedFault> + Send + Sync>;
type StackWalker = Box<dyn Fn(Option<&FaultInfo>) -> Vec<usize> + Send + Sync>;

/// One simulated Windows, as its lowest layer sees it.
pub struct Core {
    subsystems: [AtomicPtr<()>; index::COUNT],
    /// The address space.
    pub slot: Slot,
    /// How it was built.
    pub config: Config,
    /// Time.
    pub clock: Clock,
    /// Deferred frees and drains.
    pub epochs: Epochs,
    pub(crate) scheduler: Box<dyn Scheduler>,
    pub(crate) dispatcher: Mutex<Dispatcher>,
    pub(crate) threads: Threads,
    pub(crate) dpcs: Dpcs,
    pub(crate) timers: Timers,
    pub(crate) locks: crate::locks::Locks,
    this: Weak<Core>,
    pub(crate) free_processors: AtomicU64,
    pub(crate) stopping: AtomicBool,
    observed: AtomicU32,
    observer: Mutex<Option<Arc<dyn Observer>>>,
    faults: OnceLock<Vec<String>>,
    stack_walker: OnceLock<StackWalker>,
    fault_explainer: OnceLock<FaultExplainer>,
    bug_check: OnceLock<BugCheck>,
    findings: Mutex<Vec<Finding>>,
    pub(crate) owned: OwnedState,
    pub(crate) pageable: Pageable,
    owners: Mutex<Vec<Box<dyn Any + Send + Sync>>>,
}

impl Core {
    /// Reserves a slot and builds an empty machine.
    ///
    /// Errors: no slot free, or the kernel refuses what a machine needs; the message says which.
    pub fn new(config: Config) -> io::Result<Arc<Self>> {
        crate::bugcheck::install()?;
        if config.preempt {
            boundary::preempt::install();
        }
        let slot = Slot::reserve()?;
        let processors = config.processors.clamp(2, 64);
        let scheduler: Box<dyn Scheduler> = match config.schedule {
            Schedule::Free => Box::new(FreeScheduler::new()),
            Schedule::Seeded(seed) => Box::new(FibreScheduler::new(seed)),
        };
        let deterministic = scheduler.deterministic();
        let core = Arc::new_cyclic(|this| Self {
            subsystems: [const { AtomicPtr::new(std::ptr::null_mut()) }; index::COUNT],
            clock: Clock::new(&slot, deterministic),
            epochs: Epochs::new(),
            scheduler,
            dispatcher: Mutex::new(Dispatcher::default()),
            threads: Threads::default(),
            dpcs: Dpcs::new(),
            timers: Timers::new(),
            locks: crate::locks::Locks::new(),
            this: Weak::clone(this),
            free_processors: AtomicU64::new(if processors == 64 { u64::MAX } else { (1 << processors) - 1 }),
            stopping: AtomicBool::new(false),
            observed: AtomicU32::new(if deterministic { watch::SCHEDULED } else { 0 }),
            observer: Mutex::new(None),
            faults: OnceLock::new(),
            stack_walker: OnceLock::new(),
            fault_explainer: OnceLock::new(),
            bug_check: OnceLock::new(),
            findings: Mutex::new(Vec::new()),
            owned: OwnedState::default(),
            pageable: Pageable::new(deterministic),
            owners: Mutex::new(Vec::new()),
            config: Config { processors, ..config },
            slot,
        });
        core.clock.start(&core)?;
        Ok(core)
    }

    /// Puts a subsystem into its slot. Once per subsystem, before any thread uses it.
    pub fn install<T: Subsystem>(&self, subsystem: Box<T>) -> &T {
        let pointer = Box::into_raw(subsystem);
        let before = self.subsystems[T::INDEX].swap(pointer.cast(), Ordering::Release);
        assert!(before.is_null(), "a machine has one subsystem of each kind");
        // SAFETY: `pointer` came from a box and is owned by `owners` from here on; the address stays.
        let owned = unsafe { Box::from_raw(pointer) };
        self.owners.lock().push(owned);
        // SAFETY: the box lives until the core is dropped, and boxes don't move their contents.
        unsafe { &*pointer }
    }

    /// The subsystem of type `T`. One load.
    #[inline]
    pub fn get<T: Subsystem>(&self) -> &T {
        let pointer = self.subsystems[T::INDEX].load(Ordering::Acquire).cast::<T>();
        assert!(!pointer.is_null(), "the subsystem is installed at boot");
        // SAFETY: `install::<T>` stored it, and each index belongs to one type.
        unsafe { &*pointer }
    }

    /// The subsystem of type `T`, if it is there yet.
    pub fn try_get<T: Subsystem>(&self) -> Option<&T> {
        let pointer = self.subsystems[T::INDEX].load(Ordering::Acquire).cast::<T>();
        // SAFETY: as in `get`; null means none.
        unsafe { pointer.as_ref() }
    }

    /// Makes a thread of the engine in the current thread's process. Returns whether there was room for one.
    pub(crate) fn spawn_here(&self, name: &str, body: fn()) -> bool {
        let process = crate::thread::current_thread().process();
        self.this.upgrade().is_some_and(|core| core.spawn(name, process, |_| {}, body).is_ok())
    }

    /// The scheduler: the one door for everything that blocks.
    pub fn scheduler(&self) -> &dyn Scheduler {
        &*self.scheduler
    }

    /// Whether the machine is stopping or has bug checked.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// The bug check that ended the machine, if one did.
    pub fn bug_checked(&self) -> Option<&BugCheck> {
        self.bug_check.get()
    }

    pub(crate) fn record_bug_check(&self, check: BugCheck) {
        let _ = self.bug_check.set(check);
    }

    /// Adds a finding.
    pub fn report(&self, finding: Finding) {
        self.findings.lock().push(finding);
    }

    /// All findings so far, in order.
    pub fn findings(&self) -> Vec<Finding> {
        self.findings.lock().clone()
    }

    /// Sets the one observer; `None` removes it.
    pub fn set_observer(&self, observer: Option<Arc<dyn Observer>>) {
        let observed = if observer.is_some() { watch::OBSERVED } else { 0 };
        *self.observer.lock() = observer;
        self.watch(observed | self.watched() & !watch::OBSERVED);
    }

    /// Names the exports that misbehave on purpose; see [`boundary::Misbehaviour`]. Once, before drivers run.
    pub fn set_faults(&self, exports: Vec<String>) {
        if !exports.is_empty() && self.faults.set(exports).is_ok() {
            self.watch(self.watched() | watch::FAULTS);
        }
    }

    pub(crate) fn misbehaves(&self, export: &str) -> bool {
        self.faults.get().is_some_and(|faults| faults.iter().any(|fault| fault == export))
    }

    fn watch(&self, bits: u32) {
        self.observed.store(bits, Ordering::Release);
        self.threads.for_each(|thread| thread.block().observed.store(bits, Ordering::Relaxed));
    }

    /// Bits of [`watch`]: one load.
    #[inline]
    pub fn watched(&self) -> u32 {
        self.observed.load(Ordering::Relaxed)
    }

    /// Whether someone observes: one load.
    #[inline]
    pub fn observed(&self) -> bool {
        self.watched() & watch::OBSERVED != 0
    }

    /// Tells the observer. Call only when [`Core::observed`].
    pub fn observe(&self, event: &Event<'_>) {
        let observer = self.observer.lock().clone();
        if let Some(observer) = observer {
            observer.event(event);
        }
    }

    /// Who knows what lies at an address that faulted: pool.
    pub fn set_fault_explainer(&self, explainer: FaultExplainer) {
        let _ = self.fault_explainer.set(explainer);
    }

    pub(crate) fn explain_fault(&self, address: usize) -> Option<ExplainedFault> {
        self.fault_explainer.get()?(address)
    }

    /// Who can walk a driver's stack: the loader, which knows the images.
    pub fn set_stack_walker(&self, walker: StackWalker) {
        let _ = self.stack_walker.set(walker);
    }

    pub(crate) fn walk_stack(&self, fault: Option<&FaultInfo>) -> Vec<usize> {
        self.stack_walker.get().map_or_else(Vec::new, |walk| walk(fault))
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // What waits to be freed may point into the slot, which goes with the fields.
        self.epochs.forget();
        // Higher layers first: they were installed later.
        let owners = std::mem::take(self.owners.get_mut());
        for owner in owners.into_iter().rev() {
            drop(owner);
        }
    }
}

/// The core that `block` belongs to.
#[inline]
pub(crate) fn core_of(block: &ProcessorBlock) -> &'static Core {
    // SAFETY: set when the thread was attached; the attachment holds the core alive.
    unsafe { &*(block.core.get() as *const Core) }
}

/// The machine of the current thread, which must be attached to one.
///
/// Good while the thread stays attached; don't store it.
#[inline]
pub fn current_core() -> &'static Core {
    core_of(boundary::current())
}

/// The subsystem `T` of the current thread's machine. Good while the thread stays attached.
#[inline]
pub fn subsystem<T: Subsystem>() -> &'static T {
    current_core().get::<T>()
}
