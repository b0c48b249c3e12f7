//! Operations that a callback holds, and the threads that wait for them.
//!
//! ```text
//! pre answers PENDING ──────────────────► held ─FltCompletePendedPreOperation──► the pre callbacks below, in that thread
//! post answers MORE_PROCESSING_REQUIRED ► held ─FltCompletePendedPostOperation─► the post callbacks above, in that thread
//! completed before the callback returned ─► the thread of the callback goes on itself
//! ```
//!
//! One thread at a time works on an operation; the part of the way that it goes is a [`Leg`]. A thread that may not
//! return before the operation is done (of a create, of a synchronous request, or after FLT_PREOP_SYNCHRONIZE) takes a
//! `Seat`: on the way up the operation is handed over to the seats, the last one first, and each calls the post
//! callbacks from its own leg. A held operation is in nobody's presence: it delays no other instance's detach.
//!
//! Statements: PRE-09, PRE-18, PRE-28, POST-07, POST-18, PEND-01 to PEND-06, LIFE-16, LIFE-19.
//!
//! UNSAFETY: follows the addresses of nodes whose tables are held.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::irql::APC_LEVEL;
use nt_abi::{
    DISPATCHER_HEADER, FLT_POSTOP_MORE_PROCESSING_REQUIRED, FLT_PREOP_COMPLETE,
    FLT_PREOP_SUCCESS_NO_CALLBACK, FLT_PREOP_SUCCESS_WITH_CALLBACK, FLT_PREOP_SYNCHRONIZE, NativeFn,
    NtStatus,
};
use nt_io::{io_is_operation_synchronous, io_mark_pending};
use nt_ke::{Severity, current_core, dispatcher, epoch, irql};

use crate::callback::report;
use crate::completion::{self, Climb};
use crate::descend::{self, Outcome};
use crate::findings;
use crate::frame::{Operation, Phase, operation_of};
use crate::instance::Instance;
use crate::nodes::Node;
use crate::operation;

/// No callback holds the operation.
pub const FREE: u32 = 0;
/// One does, and its thread has left.
const HELD: u32 = 1;
/// It was completed before its callback returned.
const COMPLETED: u32 = 2;

/// The part of an operation's way that one thread goes.
#[derive(Clone, Copy)]
pub struct Leg {
    /// It got the IRP from above, and returns a status for it.
    pub dispatcher: bool,
    /// The records from here on are made on this leg.
    pub from: usize,
    /// It calls their post callbacks itself.
    pub waits: bool,
}

impl Leg {
    /// Of the thread that got the operation from above.
    pub const DISPATCHER: Self = Self { dispatcher: true, from: 0, waits: false };
    /// Of a thread that has to do with it only on the way up.
    pub const COMPLETER: Self = Self { dispatcher: false, from: usize::MAX, waits: false };

    /// Of the thread that completes a pre callback.
    fn resumer(operation: &Operation) -> Self {
        Self { dispatcher: false, from: operation.used(), waits: false }
    }

    /// Whether the thread stays until the operation is through with its leg.
    pub fn stays(&self, operation: &Operation) -> bool {
        self.waits
            || (self.from != usize::MAX && operation.synchronous.get())
            || (self.dispatcher
                && operation
                    .irp
                    .get()
                    .is_none_or(|irp| !operation.is_high() && io_is_operation_synchronous(irp)))
    }
}

/// A thread that waits for an operation.
pub(crate) struct Seat {
    event: Arc<Event>,
}

#[derive(Default)]
struct Event(DISPATCHER_HEADER);

impl Event {
    fn new() -> Arc<Self> {
        // Its list of waiters names its own address.
        let event = Arc::new(Self::default());
        dispatcher::initialize_header(&event.0, dispatcher::object_type::SYNCHRONIZATION_EVENT, 0);
        event
    }
}

/// Where the way down goes on.
#[derive(Clone, Copy)]
pub struct Next {
    /// The next node of the row.
    pub index: usize,
    /// Kinds that nodes may skip.
    pub kinds: u32,
}

/// The callback that holds an operation.
#[derive(Clone, Copy)]
pub(crate) enum Stop {
    /// A pre callback.
    Pre(Next),
    /// The post callback of this record, and the status that it was given.
    Post(usize, NtStatus),
}

/// What became of an operation that a callback holds.
pub enum Held {
    /// It is completed already: go on as if the callback had answered this.
    GoOn(i32),
    /// This thread has nothing more to do with it.
    Left,
    /// This thread has waited, and calls the post callbacks that are left.
    Back,
}

/// Whether the operation has to be handed over to a waiting thread when `rest` records are left.
pub(crate) fn is_due(operation: &Operation, rest: usize, leg: Leg) -> bool {
    let own = leg.waits && rest > leg.from;
    !own && !operation.buffers.borrow().seats.is_empty()
}

/// Gives the operation to the thread in the last seat. This thread has nothing more to do with it.
pub(crate) fn hand_over(operation: &Operation, rest: usize) {
    let seat = {
        let mut buffers = operation.buffers.borrow_mut();
        buffers.rest = rest;
        buffers.seats.pop()
    };
    operation.phase.set(Phase::Between);
    operation.current.set(std::ptr::null());
    operation.current_owed.set(std::ptr::null());
    // Until the other thread is present, a detaching side finds the records that are left with their instances.
    completion::park(operation);
    if let Some(seat) = seat {
        dispatcher::set_event(&seat.event.0);
    }
}

/// Prepares for another thread to go on with the operation. The seat, if this thread stays.
fn step_aside(operation: &Operation, leg: Leg, stop: Stop) -> Option<Arc<Event>> {
    operation.extras.set(true);
    let seat = leg.stays(operation).then(Event::new);
    {
        let mut buffers = operation.buffers.borrow_mut();
        buffers.stop = Some(stop);
        if let Some(event) = &seat {
            buffers.seats.push(Seat { event: Arc::clone(event) });
        }
    }
    if let Some(irp) = operation.irp.get()
        && leg.dispatcher
        && seat.is_none()
    {
        io_mark_pending(irp);
    }
    completion::park(operation);
    seat
}

/// Ends [`step_aside`], when nobody else goes on.
fn step_back(operation: &Operation, seat: Option<&Arc<Event>>) {
    operation.arrive();
    let mut buffers = operation.buffers.borrow_mut();
    buffers.stop = None;
    if seat.is_some() {
        buffers.seats.pop();
    }
}

/// Says that `node` holds the operation. `false`: it was completed already, and this thread goes on. After `true`
/// others work on it.
fn publish(operation: &Operation, node: &Node) -> bool {
    loop {
        if operation.pend.compare_exchange(FREE, HELD, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            return true;
        }
        operation.pend.store(FREE, Ordering::Relaxed);
        if operation.verdict.node.load(Ordering::Relaxed) == std::ptr::from_ref(node) as usize {
            return false;
        }
        // Of a callback above, which then answered something else.
        stale();
    }
}

fn stay(operation: &Operation, seat: &Event) -> Result<(), Raise> {
    let _waiting = nt_ke::locks::waiting_for("an operation that a filter holds");
    // It comes back through this thread, so its IRP stays.
    let _listed = operation.irp.get().map(nt_io::io_waiting);
    dispatcher::wait(&seat.0, false, None)?;
    operation.arrive();
    Ok(())
}

/// The pre callback of `node` answered FLT_PREOP_PENDING.
///
/// Source: PRE-09
#[cold]
pub fn hold_pre(operation: &Operation, node: &Node, next: Next, leg: Leg) -> Result<Held, Raise> {
    let address = std::ptr::from_ref(operation) as usize;
    complain_unless_queued(operation, node, node.pre);
    node.instance.pended.lock().push(address);
    let seat = step_aside(operation, leg, Stop::Pre(next));
    if !publish(operation, node) {
        step_back(operation, seat.as_ref());
        no_longer_held(operation, node);
        operation.context.set(operation.verdict.context.load(Ordering::Relaxed));
        return Ok(Held::GoOn(operation.verdict.answer.load(Ordering::Relaxed) as i32));
    }
    match seat {
        None => Ok(Held::Left),
        Some(seat) => stay(operation, &seat).map(|()| Held::Back),
    }
}

/// A callback holds an operation although its work could not be queued. Source: PEND-14.
fn complain_unless_queued(operation: &Operation, node: &Node, place: NativeFn) {
    let failed = if operation.extras.get() { operation.buffers.borrow().not_queued } else { 0 };
    if failed == std::ptr::from_ref(node) as usize {
        operation.buffers.borrow_mut().not_queued = 0;
        let message = "the callback holds the operation although FltQueueDeferredIoWorkItem failed";
        report(node, place, "PEND-14", Severity::Error, message);
    }
}

/// How many operations the instance holds. One that is completed while its callback runs is none. Source: LIFE-16.
pub(crate) fn held_by(instance: &Instance) -> usize {
    // Who goes on with an operation takes it out of the list first.
    let pended = instance.pended.lock();
    let held = |address: &&usize| {
        operation_of(**address).is_some_and(|operation| operation.pend.load(Ordering::Acquire) == HELD)
    };
    pended.iter().filter(held).count()
}

fn no_longer_held(operation: &Operation, node: &Node) {
    let address = std::ptr::from_ref(operation) as usize;
    node.instance.pended.lock().retain(|other| *other != address);
}

/// The post callback of record `index` answered FLT_POSTOP_MORE_PROCESSING_REQUIRED; it was given the status `before`.
///
/// Source: POST-07, PEND-16
#[cold]
pub(crate) fn hold_post(
    operation: &'static Operation,
    (index, before): (usize, NtStatus),
    leg: Leg,
) -> Result<Held, Raise> {
    let owed = operation.owed(index);
    let node = operation.node(owed);
    complain_unless_queued(operation, node, node.post);
    // No drain may take it.
    owed.claimed.store(1, Ordering::Relaxed);
    let put_off = operation.extras.replace(true);
    let seat = step_aside(operation, leg, Stop::Post(index, before));
    // Its work was put off: who does it goes on.
    if put_off && operation.buffers.borrow().deferred.is_some() {
        crate::safe::hand_over(operation);
    } else if !publish(operation, node) {
        step_back(operation, seat.as_ref());
        return Ok(Held::GoOn(0));
    }
    match seat {
        None => Ok(Held::Left),
        Some(seat) => stay(operation, &seat).map(|()| Held::Back),
    }
}

/// A safe callback answered FLT_POSTOP_MORE_PROCESSING_REQUIRED. `true`: it was completed already.
pub(crate) fn hold_again(operation: &Operation, node: &Node) -> bool {
    operation.leave();
    !publish(operation, node)
}

/// Something was completed that nobody held.
#[cold]
pub fn not_consumed(operation: &Operation) {
    operation.pend.store(FREE, Ordering::Relaxed);
    stale();
}

fn stale() {
    let message = "FltCompletePendedPreOperation or FltCompletePendedPostOperation was called for an operation that its \
                   callback then did not hold: it has to return FLT_PREOP_PENDING or FLT_POSTOP_MORE_PROCESSING_REQUIRED";
    findings::error("PEND-06", "", message);
}

fn complain(operation: &Operation, rule: &'static str, message: String) {
    let label = operation.current_node().map(|node| node.instance.filter.label.clone());
    findings::error(rule, label.as_deref().unwrap_or(""), message);
}

/// Tells the thread of the callback that holds the operation, or is about to. `true`: it has left, and this thread
/// goes on.
fn complete(operation: &Operation, phase: Phase, answer: i32, context: usize) -> bool {
    let routine =
        if phase == Phase::Pre { "FltCompletePendedPreOperation" } else { "FltCompletePendedPostOperation" };
    let not_held = |why: &str| {
        complain(operation, "PEND-06", format!("{routine} was called for an operation that {why}"));
        false
    };
    if operation.phase.get() != phase {
        return not_held("is not pended");
    }
    if !matches!(operation.pend.load(Ordering::Acquire), HELD | FREE) {
        // The first one's answer stays.
        return not_held("is completed already");
    }
    let verdict = &operation.verdict;
    verdict.answer.store(answer as u32, Ordering::Relaxed);
    verdict.context.store(context, Ordering::Relaxed);
    verdict.node.store(operation.current.get() as usize, Ordering::Relaxed);
    loop {
        let (from, to) = match operation.pend.load(Ordering::Acquire) {
            HELD => (HELD, FREE),
            FREE => (FREE, COMPLETED),
            _ => return not_held("is completed already"),
        };
        if operation.pend.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            return from == HELD;
        }
    }
}

/// Goes on with an operation that a pre callback holds, or is about to hold: with the pre callbacks below, in this
/// thread, or with the post callbacks above when `answer` is FLT_PREOP_COMPLETE.
///
/// Source:  FltCompletePendedPreOperation; PRE-09, PEND-01 to PEND-04, PEND-06
/// IRQL:    <= APC_LEVEL; <= DISPATCH_LEVEL with FLT_PREOP_COMPLETE
/// Errors:  what is wrong is a finding: other answers (taken for no callback), a context that nobody receives, an
///          operation that is not pended (nothing is done)
pub fn flt_complete_pended_pre_operation(
    operation: &'static Operation,
    answer: i32,
    context: usize,
) -> Result<(), Raise> {
    let mut taken = answer;
    if !matches!(answer, FLT_PREOP_COMPLETE | FLT_PREOP_SUCCESS_NO_CALLBACK | FLT_PREOP_SUCCESS_WITH_CALLBACK)
    {
        let message = format!(
            "FltCompletePendedPreOperation was called with the answer {answer}, which is not allowed"
        );
        complain(operation, "PEND-01", message);
        taken = if answer == FLT_PREOP_SYNCHRONIZE {
            FLT_PREOP_SUCCESS_WITH_CALLBACK
        } else {
            FLT_PREOP_SUCCESS_NO_CALLBACK
        };
    }
    let mut context = context;
    if context != 0 && taken != FLT_PREOP_SUCCESS_WITH_CALLBACK {
        let message = format!(
            "FltCompletePendedPreOperation was called with a context and {answer}: nobody receives it"
        );
        complain(operation, "PEND-02", message);
        context = 0;
    }
    if answer != FLT_PREOP_COMPLETE && irql::current() > APC_LEVEL {
        let message = "FltCompletePendedPreOperation was called at DISPATCH_LEVEL, and the answer is not FLT_PREOP_COMPLETE";
        complain(operation, "PEND-03", message.into());
    }
    if !complete(operation, Phase::Pre, taken, context) {
        return Ok(());
    }
    let core = current_core();
    let _pin = epoch::pin(core);
    operation.arrive();
    let stop = operation.buffers.borrow_mut().stop.take();
    let (Some(Stop::Pre(next)), Some(node)) = (stop, operation.current_node()) else { return Ok(()) };
    no_longer_held(operation, node);
    operation.context.set(context);
    // Whoever has to stay above has a seat. From here on it says whether this thread has to.
    operation.synchronous.set(false);
    let mut leg = Leg::resumer(operation);
    let outcome =
        descend::resume(core, operation, node, taken, next, leg).inspect_err(|_| operation.leave())?;
    if let Some(irp) = operation.irp.get()
        && matches!(outcome, Outcome::Send | Outcome::Answered)
    {
        operation::end_handle(operation.volume(), nt_io::io_current_stack(irp))?;
    }
    if outcome == Outcome::Send {
        operation::announce(operation)?;
    }
    let climb = match outcome {
        Outcome::Left => return Ok(()),
        Outcome::Send => operation::send_on(core, operation, leg)?,
        Outcome::Answered => {
            crate::status::tell(crate::status::take(operation), operation.data.IoStatus.Status.get())?;
            leg.waits = leg.stays(operation);
            completion::up(operation, leg)?
        }
        Outcome::Back => completion::back(operation, leg)?,
    };
    finish(operation, climb)
}

/// Completes the IRP, when the last post callback has run in a thread that did not get it from above.
fn finish(operation: &'static Operation, climb: Climb) -> Result<(), Raise> {
    if climb == Climb::Left {
        return Ok(());
    }
    let Some(irp) = operation.irp.get() else { return Ok(()) };
    completion::store_result(operation, irp);
    completion::end_detached(operation, irp);
    nt_io::io_complete_request(irp, 0)
}

/// Goes on after a post callback that holds the operation, or is about to: with the post callbacks above, in this
/// thread unless another one waits for them.
///
/// Source:  FltCompletePendedPostOperation; POST-07, PEND-05, PEND-06, PEND-17
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  an operation that is not pended is a finding, and nothing is done
pub fn flt_complete_pended_post_operation(operation: &'static Operation) -> Result<(), Raise> {
    if complete(operation, Phase::Post, FLT_POSTOP_MORE_PROCESSING_REQUIRED, 0) {
        resume_post(operation)
    } else {
        Ok(())
    }
}

/// Goes on after the post callback that held the operation, in this thread. It is nobody else's.
pub(crate) fn resume_post(operation: &'static Operation) -> Result<(), Raise> {
    let _pin = epoch::pin(current_core());
    if !operation.is_present() {
        operation.arrive();
    }
    let stop = operation.buffers.borrow_mut().stop.take();
    let Some(Stop::Post(index, before)) = stop else { return Ok(()) };
    completion::after_held(operation, index, before).inspect_err(|_| operation.leave())?;
    let climb = completion::up_from(operation, index, Leg::COMPLETER)?;
    finish(operation, climb)
}
