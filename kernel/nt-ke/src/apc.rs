//! Asynchronous procedure calls: routines that run in a given thread as soon as it may be interrupted.
//!
//! ```text
//! insert ─► the thread's queue ─► at its next kernel call, IRQL change, region exit or wait:
//!           special   at APC_LEVEL, outside guarded regions           KernelRoutine
//!           normal    … and outside critical regions, one at a time   KernelRoutine, NormalRoutine at PASSIVE_LEVEL
//!           user      ends an alertable wait                          KernelRoutine
//! ```
//!
//! With [`crate::Config::preempt`] they also interrupt a loop of a driver that calls nothing, at PASSIVE_LEVEL.
//!
//! A program's own routine of a user APC is code in user mode, of which a machine has none: it is not called.
//! Queues are guarded by the dispatcher lock. Statements: EXEC-01, EXEC-02, EXEC-04, EXEC-13, EXEC-15, EXEC-42.
//!
//! UNSAFETY: objects lie in drivers' memory; the driver promises that they stay while they are queued.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::ptr::{from_ref, null_mut};
use std::sync::atomic::Ordering;

use boundary::processor::watch;
use boundary::{Event, Raise};
use nt_abi::irql::APC_LEVEL;
use nt_abi::{KAPC, NativeFn, bugcheck};

use crate::bugcheck::BugCheck;
use crate::core::{Core, current_core};
use crate::dispatcher::Dispatcher;
use crate::thread::{KTHREAD, current_thread};

/// `KAPC.Type`.
const APC_OBJECT: u8 = 18;
/// `KTHREAD::apc_pending`: a kernel APC waits.
pub(crate) const KERNEL_PENDING: u32 = 1;
/// `KTHREAD::apc_pending`: a user APC waits.
pub(crate) const USER_PENDING: u32 = 2;

/// The engine's own special APC.
type Routine = Box<dyn FnOnce() -> Result<(), Raise> + Send>;

/// What a queued kernel APC calls.
enum Call {
    /// The routines of a KAPC at this address.
    Object(usize),
    /// A routine of the engine, at APC_LEVEL.
    Routine(Routine),
}

impl Call {
    fn is(&self, apc: &KAPC) -> bool {
        matches!(self, Self::Object(address) if *address == from_ref(apc) as usize)
    }

    /// The object of a driver's APC.
    fn object(&self) -> Option<&'static KAPC> {
        match self {
            // SAFETY: queued APCs stay.
            Self::Object(address) => Some(unsafe { &*(*address as *const KAPC) }),
            Self::Routine(_) => None,
        }
    }
}

/// What waits for one thread, in the order of insertion.
#[derive(Default)]
pub(crate) struct Queues {
    special: VecDeque<Call>,
    normal: VecDeque<Call>,
    user: VecDeque<Call>,
}

impl Queues {
    fn of(&mut self, apc: &KAPC) -> &mut VecDeque<Call> {
        match (routines(apc).2.0, apc.ApcMode.get()) {
            (0, _) => &mut self.special,
            (_, 0) => &mut self.normal,
            _ => &mut self.user,
        }
    }

    fn pending(&self) -> u32 {
        let kernel = !self.special.is_empty() || !self.normal.is_empty();
        (if kernel { KERNEL_PENDING } else { 0 }) | (if self.user.is_empty() { 0 } else { USER_PENDING })
    }
}

/// Kernel, rundown and normal routine.
fn routines(apc: &KAPC) -> (NativeFn, NativeFn, NativeFn) {
    (apc.Reserved[0].get(), apc.Reserved[1].get(), apc.Reserved[2].get())
}

/// Routines of an APC; `normal` 0 makes it a special one.
pub struct Routines {
    /// Called first, at APC_LEVEL.
    pub kernel: NativeFn,
    /// Called instead when the thread ends before.
    pub rundown: NativeFn,
    /// What the APC is about.
    pub normal: NativeFn,
}

/// Prepares an APC for `thread`. Source: KeInitializeApc (exported, not documented).
pub fn initialize(
    apc: &KAPC,
    thread: &KTHREAD,
    environment: i8,
    routines: &Routines,
    user: bool,
    context: usize,
) {
    apc.Type.set(APC_OBJECT);
    apc.Size.set(size_of::<KAPC>() as u8);
    apc.Thread.set(from_ref(thread).cast_mut().cast());
    apc.ApcStateIndex.set(environment);
    apc.Reserved[0].set(routines.kernel);
    apc.Reserved[1].set(routines.rundown);
    apc.Reserved[2].set(routines.normal);
    let special = routines.normal.0 == 0;
    apc.ApcMode.set(i8::from(user && !special));
    apc.NormalContext.set(if special { null_mut() } else { context as *mut _ });
    apc.Inserted.set(0);
}

fn note(thread: &KTHREAD, queues: &Queues) {
    let pending = queues.pending();
    thread.apc_pending().store(pending, Ordering::Release);
    // Its next call of an export looks.
    let observed = &thread.block().observed;
    if pending & KERNEL_PENDING != 0 {
        observed.fetch_or(watch::APCS, Ordering::Release);
    } else {
        observed.fetch_and(!watch::APCS, Ordering::Release);
    }
}

/// Queues an APC; `false` when it is queued already or its thread has ended.
///
/// Source:  KeInsertQueueApc (exported, not documented)
/// IRQL:    <= DISPATCH_LEVEL
pub fn insert(apc: &KAPC, first: usize, second: usize) -> bool {
    let core = current_core();
    let mut dispatcher = core.dispatcher.lock();
    // SAFETY: who queues an APC keeps its thread referenced.
    let thread = unsafe { &*apc.Thread.get().cast::<KTHREAD>() };
    if apc.Inserted.get() != 0 || thread.Header.SignalState.load(Ordering::Relaxed) != 0 {
        return false;
    }
    apc.Inserted.set(1);
    apc.SystemArgument1.set(first as *mut _);
    apc.SystemArgument2.set(second as *mut _);
    let queues = dispatcher.apcs.entry(from_ref(thread) as usize).or_default();
    queues.of(apc).push_back(Call::Object(from_ref(apc) as usize));
    note(thread, queues);
    // A thread that waits looks at its queue; one that runs does at its next call.
    core.scheduler().wake(thread);
    interrupt(core, thread);
    true
}

/// Queues a special kernel APC of the engine: `routine` runs in `thread` at APC_LEVEL. `false`: the thread has ended, and
/// the routine is dropped.
///
/// Source:  EXEC-01, SEED-MODW-07
/// IRQL:    <= DISPATCH_LEVEL
pub fn insert_special(
    thread: &KTHREAD,
    routine: impl FnOnce() -> Result<(), Raise> + Send + 'static,
) -> bool {
    let core = current_core();
    let mut dispatcher = core.dispatcher.lock();
    if thread.Header.SignalState.load(Ordering::Relaxed) != 0 {
        return false;
    }
    let queues = dispatcher.apcs.entry(from_ref(thread) as usize).or_default();
    queues.special.push_back(Call::Routine(Box::new(routine)));
    note(thread, queues);
    core.scheduler().wake(thread);
    interrupt(core, thread);
    true
}

/// Interrupts `thread` for the kernel APCs that wait for it, where the machine does so.
fn interrupt(core: &Core, thread: &KTHREAD) {
    if core.config.preempt
        && thread.apc_pending().load(Ordering::Acquire) & KERNEL_PENDING != 0
        && !std::ptr::eq(thread, current_thread())
    {
        boundary::preempt::request(thread.block());
    }
}

/// Interrupts every thread for which a kernel APC waits: one that was in the engine when it was queued may be in a loop
/// of a driver by now.
pub(crate) fn interrupt_all(core: &Core) {
    if core.config.preempt {
        core.for_each_thread(|thread| {
            if thread.apc_pending().load(Ordering::Acquire) & KERNEL_PENDING != 0 {
                boundary::preempt::request(thread.block());
            }
        });
    }
}

/// Takes a queued APC out; `false` when it is not queued. Source: KeRemoveQueueApc (exported, not documented).
pub fn remove(apc: &KAPC) -> bool {
    let mut dispatcher = current_core().dispatcher.lock();
    if apc.Inserted.get() == 0 {
        return false;
    }
    apc.Inserted.set(0);
    // SAFETY: as in `insert`.
    let thread = unsafe { &*apc.Thread.get().cast::<KTHREAD>() };
    if let Some(queues) = dispatcher.apcs.get_mut(&(from_ref(thread) as usize)) {
        queues.of(apc).retain(|call| !call.is(apc));
        note(thread, queues);
    }
    true
}

/// Whether a kernel APC could be delivered to the current thread, `thread`, now.
#[inline]
pub(crate) fn deliverable(thread: &KTHREAD) -> bool {
    thread.apc_pending().load(Ordering::Acquire) & KERNEL_PENDING != 0
        && thread.block().irql.get() < APC_LEVEL
        && thread.special_apc_disable().get() == 0
}

/// Whether an APC waits for a thread that will take it.
pub(crate) fn any_on_its_way(apcs: &BTreeMap<usize, Queues>) -> bool {
    apcs.iter().any(|(thread, queues)| {
        // SAFETY: queues go with their thread.
        let thread = unsafe { &*(*thread as *const KTHREAD) };
        let kernel = !queues.special.is_empty()
            || (!queues.normal.is_empty()
                && thread.kernel_apc_disable().get() == 0
                && thread.in_normal_apc().get() == 0);
        kernel && deliverable(thread)
    })
}

/// Delivers the kernel APCs of the current thread that may be delivered now. One load when there are none.
///
/// Source:  EXEC-02, EXEC-04, EXEC-42
/// Errors:  `Stop`
#[inline]
pub fn deliver() -> Result<(), Raise> {
    let thread = current_thread();
    if deliverable(thread) { deliver_pending(thread) } else { Ok(()) }
}

#[cold]
fn deliver_pending(thread: &KTHREAD) -> Result<(), Raise> {
    let core = current_core();
    while deliverable(thread) {
        let next = take(&mut core.dispatcher.lock(), thread);
        let Some((call, special)) = next else { return Ok(()) };
        crate::locks::apc(core, thread, true);
        let done = run(core, thread, call, special);
        crate::locks::apc(core, thread, false);
        done?;
    }
    Ok(())
}

/// The next APC that may run now, and whether it is a special one.
fn take(dispatcher: &mut Dispatcher, thread: &KTHREAD) -> Option<(Call, bool)> {
    let queues = dispatcher.apcs.get_mut(&(from_ref(thread) as usize))?;
    let normal_allowed = thread.kernel_apc_disable().get() == 0 && thread.in_normal_apc().get() == 0;
    let next = match queues.special.pop_front() {
        Some(call) => Some((call, true)),
        None if normal_allowed => queues.normal.pop_front().map(|call| (call, false)),
        None => None,
    };
    if let Some((call, _)) = &next {
        if let Some(apc) = call.object() {
            apc.Inserted.set(0);
        }
        note(thread, queues);
    }
    next
}

fn run(core: &Core, thread: &KTHREAD, call: Call, special: bool) -> Result<(), Raise> {
    if core.observed() {
        core.observe(&Event::ApcDelivered { thread: thread.number(), special });
    }
    let address = match call {
        Call::Object(address) => address,
        Call::Routine(routine) => return call_engine_routine(core, routine),
    };
    let (normal, context, first, second) = call_kernel_routine(core, address)?;
    if special || normal == 0 {
        return Ok(());
    }
    thread.in_normal_apc().set(1);
    let done = boundary::call(NativeFn(normal as usize), [context, first, second]);
    thread.in_normal_apc().set(0);
    done.map(|_| ())
}

fn call_engine_routine(core: &Core, routine: Routine) -> Result<(), Raise> {
    let block = boundary::current();
    let old = block.irql.get();
    crate::irql::set(core, block, APC_LEVEL);
    let result = routine();
    crate::irql::set(core, block, old);
    result
}

/// Calls the kernel routine at APC_LEVEL and returns what it left of normal routine, context and arguments. The routine
/// may free the object.
fn call_kernel_routine(core: &Core, address: usize) -> Result<(u64, u64, u64, u64), Raise> {
    // SAFETY: it was queued until now.
    let apc = unsafe { &*(address as *const KAPC) };
    let (kernel, _, normal) = routines(apc);
    let normal = Cell::new(normal.0 as u64);
    let context = Cell::new(apc.NormalContext.get() as u64);
    let (first, second) =
        (Cell::new(apc.SystemArgument1.get() as u64), Cell::new(apc.SystemArgument2.get() as u64));
    let pointer = |cell: &Cell<u64>| cell.as_ptr() as u64;
    let block = boundary::current();
    let old = block.irql.get();
    crate::irql::set(core, block, APC_LEVEL);
    boundary::call(
        kernel,
        [address as u64, pointer(&normal), pointer(&context), pointer(&first), pointer(&second)],
    )?;
    let level = block.irql.get();
    if level != APC_LEVEL {
        return Err(core.bug_check(BugCheck::new(
            bugcheck::IRQL_UNEXPECTED_VALUE,
            [u64::from(level), kernel.0 as u64, 0, 0],
            format!("the APC routine {:#x} was called at APC_LEVEL and returned at IRQL {level}", kernel.0),
        )));
    }
    crate::irql::set(core, block, old);
    Ok((normal.get(), context.get(), first.get(), second.get()))
}

/// A user APC ends an alertable wait of the current thread in user mode: its kernel routine runs.
pub(crate) fn deliver_user(core: &Core, thread: &KTHREAD) -> Result<(), Raise> {
    let next = {
        let mut dispatcher = core.dispatcher.lock();
        let queues = dispatcher.apcs.get_mut(&(from_ref(thread) as usize));
        queues.and_then(|queues| {
            let next = queues.user.pop_front();
            if let Some(apc) = next.as_ref().and_then(Call::object) {
                apc.Inserted.set(0);
            }
            note(thread, queues);
            next
        })
    };
    if let Some(Call::Object(address)) = next {
        call_kernel_routine(core, address)?;
        // What came for the thread while the routine held it off.
        return deliver();
    }
    Ok(())
}

/// The current thread ends: what still waits for it is run down.
pub(crate) fn run_down(core: &Core, thread: &KTHREAD) {
    let queues = core.dispatcher.lock().apcs.remove(&(from_ref(thread) as usize));
    let Some(queues) = queues else { return };
    for call in queues.special.into_iter().chain(queues.normal).chain(queues.user) {
        let Some(apc) = call.object() else { continue };
        apc.Inserted.set(0);
        let rundown = routines(apc).1;
        if rundown.0 != 0 && boundary::call(rundown, [from_ref(apc) as u64]).is_err() {
            return;
        }
    }
}
