//! Structured exceptions: who among a driver's frames takes an exception, and what runs on the way there.
//!
//! ```text
//! search   from the frame of the exception up: ask each frame's handler (its filters); nobody is unwound yet
//! unwind   the same frames again, up to the one that takes it: run what they end with (`__finally`)
//! resume   there, or, when a filter says so, where the exception happened
//! ```
//!
//! An exception stays between two boundary records: it is not seen by the driver whose call led here. One that a filter or
//! a `__finally` raises itself goes on to the frames of the exception that it was called for: those that a search
//! began with (a nested exception), or those that an unwind has not done yet (a collided one). `Active` keeps where.
//!
//! Unwind information and scope tables are read from the file. Statements: EXEC-20.
//!
//! UNSAFETY: dispatches in progress lie on the thread's stack, linked from its block, and are abandoned without being
//! dropped when an outer frame takes a nested exception: nothing here has a destructor while a handler is called.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use boundary::ProcessorBlock;
use boundary::enter::Record;
use boundary::exception::{Request, Unwind};
use nt_abi::{
    CONTEXT, DISPATCHER_CONTEXT, EXCEPTION_POINTERS, EXCEPTION_RECORD, NativeFn, NtStatus, exception,
};

use crate::Loader;
use crate::images::{Images, LoadedImage};
use crate::scopes::{self, Scopes};
use crate::unwind::{self, Entry, Frame, Handler, RSP};

/// What `__C_specific_handler` answers when a frame takes the exception: `TargetIp` says where. Not one of Windows':
/// there it does not come back.
pub const TAKES_IT: i32 = 0x4001;
/// Distance between a boundary record and the entry into the driver that made it, at most.
const ENTRY: u64 = 1024;
/// Most frames that are looked at.
const DEPTH: usize = 4096;

/// Address of the export `__C_specific_handler`.
static C_HANDLER: AtomicUsize = AtomicUsize::new(0);

/// Installs the dispatcher for all machines; `c_handler` is the address that drivers import as `__C_specific_handler`.
pub fn install(c_handler: usize) {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        C_HANDLER.store(c_handler, Ordering::Relaxed);
        boundary::exception::set_dispatcher(dispatch);
    });
}

pub(crate) fn read(address: u64) -> Option<u64> {
    boundary::copy::read_value::<u64>(address as usize).ok()
}

/// What of the thread's block holds while frames of one entry into the driver run.
#[derive(Clone, Copy)]
struct Level {
    record: usize,
    shadow: *mut u64,
    dispatch: usize,
}

impl Level {
    fn of(block: &ProcessorBlock) -> Self {
        Self {
            record: block.record_top.get() as usize,
            shadow: block.shadow_top.get(),
            dispatch: block.dispatch_top.get(),
        }
    }

    fn enter(&self, block: &ProcessorBlock) {
        block.record_top.set(self.record as *mut Record);
        block.shadow_top.set(self.shadow);
        block.dispatch_top.set(self.dispatch);
    }
}

/// A dispatch that is calling a handler.
pub(crate) struct Active {
    previous: Cell<usize>,
    /// The record below the one of the handler that is called.
    record: Cell<usize>,
    level: Cell<Level>,
    /// Where an exception of the handler goes on, and how many scopes of that frame are done. It lies on the stack of
    /// this dispatch.
    frame: Cell<*const Frame>,
    scope: Cell<u32>,
}

impl Active {
    fn at(address: usize) -> Option<&'static Self> {
        // SAFETY: addresses in `dispatch_top` and `previous` are those of dispatches whose stack frames stay until they are
        // taken out of the chain.
        unsafe { (address as *const Self).as_ref() }
    }
}

/// Frames of a driver from the inside out, across handlers of outer dispatches.
struct Walk<'a> {
    images: &'a Images,
    image: Option<&'a LoadedImage>,
    /// The frame's function, when it was looked at.
    entry: Option<Entry<'a>>,
    frame: Frame,
    level: Level,
    /// Scopes of this frame that are done already.
    scope: u32,
    /// Whether it went on with an outer dispatch's frames.
    crossed: bool,
    left: usize,
}

impl<'a> Walk<'a> {
    fn new(images: &'a Images, image: Option<&'a LoadedImage>, frame: Frame, level: Level) -> Self {
        let mut walk =
            Self { images, image, entry: None, frame, level, scope: 0, crossed: false, left: DEPTH };
        if walk.find().is_none() && walk.frame.exact {
            // A call to where no code is: its caller is on top of the stack.
            if let Some(rip) = walk.frame.pop(&read) {
                walk.frame.rip = rip;
                walk.frame.exact = false;
            }
        }
        walk
    }

    /// The image of the frame.
    fn find(&mut self) -> Option<&'a LoadedImage> {
        let rip = self.frame.rip as usize;
        if !self.image.is_some_and(|image| image.range.contains(&rip)) {
            self.image = self.images.find(rip);
        }
        self.image
    }

    /// The frame's function and handler.
    fn look(&mut self) -> Option<(&'a LoadedImage, Option<Handler>)> {
        let image = self.find()?;
        self.entry = unwind::entry(image, &self.frame);
        let handler = self.entry.as_ref().and_then(|entry| unwind::handler(image, entry, &self.frame, &read));
        Some((image, handler))
    }

    /// Goes to the caller's frame from one that was looked at. `false`: there is none that belongs to this exception.
    fn next(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        let Some(image) = self.find() else { return false };
        if unwind::step_from(image, self.entry.as_ref(), &mut self.frame, &read).is_none() {
            return false;
        }
        self.scope = 0;
        self.left > 0 && (self.find().is_some() || self.cross())
    }

    /// Behind the entry of a handler: goes on with the frames of the dispatch that called it.
    fn cross(&mut self) -> bool {
        let top = self.frame.registers[RSP];
        // SAFETY: a record lies on the thread's stack until its entry is left.
        let record = unsafe { (self.level.record as *const Record).as_ref() };
        let (Some(record), Some(active)) = (record, Active::at(self.level.dispatch)) else { return false };
        let close = top <= self.level.record as u64 && self.level.record as u64 - top < ENTRY;
        if !close || record.previous() != active.record.get() {
            return false;
        }
        // SAFETY: the stack of a dispatch that calls a handler is as it was while the handler runs, and until another
        // dispatch, which runs deeper, has read this.
        let Some(frame) = (unsafe { active.frame.get().as_ref() }) else { return false };
        (self.frame, self.scope, self.level) = (*frame, active.scope.get(), active.level.get());
        self.crossed = true;
        true
    }
}

fn dispatch(block: &ProcessorBlock, request: &Request<'_>, context: &CONTEXT) -> bool {
    let Some(loader) = nt_ke::current_core().try_get::<Loader>() else { return false };
    let images: &Images = loader.images();
    let start = Frame::of_context(context, matches!(request, Request::Fault(_)));
    let level = Level::of(block);
    let active = Active {
        previous: Cell::new(level.dispatch),
        record: Cell::new(0),
        level: Cell::new(level),
        frame: Cell::new(&raw const start),
        scope: Cell::new(0),
    };
    match request {
        Request::Fault(record) | Request::Raise(record) => {
            let mut dispatch = Dispatch { block, active: &active, record, context };
            let image = images.find(start.rip as usize);
            match dispatch.search(Walk::new(images, image, start, level)) {
                Verdict::Resume => true,
                Verdict::Takes { frame, ip } => {
                    let value = record.ExceptionCode.get() as u32;
                    dispatch.unwind(Walk::new(images, image, start, level), frame, ip, value.into())
                }
                Verdict::Nobody => false,
            }
        }
        Request::Unwind(asked) => {
            let own = EXCEPTION_RECORD::default();
            own.ExceptionCode.set(NtStatus::UNWIND.0);
            own.ExceptionAddress.set(context.Rip.get() as usize);
            // SAFETY: the driver's record, which it keeps while frames are unwound; null is none.
            let given = unsafe { (asked.record as *const EXCEPTION_RECORD).as_ref() };
            let mut dispatch = Dispatch { block, active: &active, record: given.unwrap_or(&own), context };
            let Unwind { frame, ip, value, .. } = **asked;
            dispatch.unwind(Walk::new(images, None, start, level), frame, ip, value)
        }
    }
}

enum Verdict {
    Nobody,
    /// Go on where the exception happened.
    Resume,
    /// The function with this establisher frame takes it, at `ip`.
    Takes {
        frame: u64,
        ip: u64,
    },
}

struct Dispatch<'a> {
    block: &'a ProcessorBlock,
    active: &'a Active,
    record: &'a EXCEPTION_RECORD,
    context: &'a CONTEXT,
}

impl Dispatch<'_> {
    fn search(&mut self, mut walk: Walk<'_>) -> Verdict {
        loop {
            let Some((image, handler)) = walk.look() else { return Verdict::Nobody };
            if let Some(handler) = handler.filter(|handler| handler.flags & unwind::EHANDLER != 0) {
                match self.ask(image, &handler, &walk) {
                    Some(Verdict::Nobody) => {}
                    Some(verdict) => return verdict,
                    None => return Verdict::Nobody,
                }
            }
            if !walk.next() {
                return Verdict::Nobody;
            }
        }
    }

    /// Asks one frame. `None`: the machine stops, or the handler is broken.
    fn ask(&mut self, image: &LoadedImage, handler: &Handler, walk: &Walk<'_>) -> Option<Verdict> {
        if is_c_handler(image, handler) {
            let scopes = Scopes::of_image(image, handler);
            let pointers = EXCEPTION_POINTERS::default();
            pointers.ExceptionRecord.set(std::ptr::from_ref(self.record).cast_mut());
            pointers.ContextRecord.set(std::ptr::from_ref(self.context).cast_mut());
            let found = self.calling(|| {
                scopes::search(&scopes, handler.pc, walk.scope, &pointers, handler.establisher)
            })?;
            return Some(match found {
                scopes::Found::Nothing => Verdict::Nobody,
                scopes::Found::Resume => self.resume()?,
                scopes::Found::Takes(target) => Verdict::Takes { frame: handler.establisher, ip: target },
            });
        }
        let (disposition, ip) = self.call_handler(image, handler, walk, 0)?;
        match disposition {
            exception::CONTINUE_SEARCH => Some(Verdict::Nobody),
            exception::CONTINUE_EXECUTION => self.resume(),
            TAKES_IT => Some(Verdict::Takes { frame: handler.establisher, ip }),
            // A nested or collided exception is found by the walk; anything else is no disposition.
            _ => None,
        }
    }

    /// What cannot be continued is nobody's.
    fn resume(&self) -> Option<Verdict> {
        let continuable = self.record.ExceptionFlags.get() & exception::NONCONTINUABLE == 0;
        continuable.then_some(Verdict::Resume)
    }

    /// Unwinds to the frame `target`, 0 for all of them, and makes the context that goes on at `ip` there.
    fn unwind(&mut self, mut walk: Walk<'_>, target: u64, ip: u64, value: u64) -> bool {
        let flags = self.record.ExceptionFlags.get() | exception::UNWINDING;
        self.record.ExceptionFlags.set(if target == 0 { flags | exception::EXIT_UNWIND } else { flags });
        loop {
            // Frames of an outer dispatch's level: what called the handlers in between is abandoned.
            walk.level.enter(self.block);
            self.active.previous.set(walk.level.dispatch);
            self.active.level.set(walk.level);
            let Some((image, handler)) = walk.look() else { return false };
            let reached = match &handler {
                Some(handler) => handler.establisher == target,
                None => {
                    walk.entry.as_ref().and_then(|entry| unwind::establisher(image, entry, &walk.frame))
                        == Some(target)
                }
            };
            if let Some(handler) = handler.filter(|handler| handler.flags & unwind::UHANDLER != 0)
                && self.finish(image, &handler, &walk, reached, ip).is_none()
            {
                return false;
            }
            if reached {
                // A walk that went on with an outer dispatch's frames began elsewhere.
                walk.frame.restore_to(self.context, walk.crossed);
                self.context.Integer[0].set(value);
                self.context.Rip.set(ip);
                return true;
            }
            if !walk.next() {
                return false;
            }
        }
    }

    /// Lets one frame end. `None`: the machine stops, or the handler is broken.
    fn finish(
        &mut self,
        image: &LoadedImage,
        handler: &Handler,
        walk: &Walk<'_>,
        reached: bool,
        ip: u64,
    ) -> Option<()> {
        self.active.frame.set(&raw const walk.frame);
        self.active.scope.set(walk.scope);
        if is_c_handler(image, handler) {
            let target = reached.then_some(ip);
            let scopes = Scopes::of_image(image, handler);
            return self.calling(|| {
                scopes::finish(&scopes, handler.pc, &self.active.scope, target, handler.establisher)
            });
        }
        let flags = self.record.ExceptionFlags.get();
        if reached {
            self.record.ExceptionFlags.set(flags | exception::TARGET_UNWIND);
        }
        let answer = self.call_handler(image, handler, walk, ip);
        self.record.ExceptionFlags.set(flags);
        (answer?.0 == exception::CONTINUE_SEARCH).then_some(())
    }

    /// Runs `f`, which calls the driver, with this dispatch in the chain.
    fn calling<R>(&self, f: impl FnOnce() -> Option<R>) -> Option<R> {
        self.active.record.set(self.block.record_top.get() as usize);
        let before = self.block.dispatch_top.replace(std::ptr::from_ref(self.active) as usize);
        let result = f();
        self.block.dispatch_top.set(before);
        result
    }

    /// Calls a language handler of the driver's own. Returns its answer and where it takes the exception.
    fn call_handler(
        &self,
        image: &LoadedImage,
        handler: &Handler,
        walk: &Walk<'_>,
        target: u64,
    ) -> Option<(i32, u64)> {
        let base = image.range.start as u64;
        let context = CONTEXT::default();
        walk.frame.restore_to(&context, true);
        let told = DISPATCHER_CONTEXT::default();
        told.ControlPc.set(walk.frame.rip);
        told.ImageBase.set(base);
        told.FunctionEntry.set(function_entry(image, walk.frame.rip).unwrap_or(0));
        told.EstablisherFrame.set(handler.establisher);
        told.TargetIp.set(target);
        told.ContextRecord.set((&raw const context).cast_mut());
        told.LanguageHandler.set(NativeFn((base + u64::from(handler.routine)) as usize));
        told.HandlerData.set(base + u64::from(handler.data));
        told.ScopeIndex.set(walk.scope);
        let arguments = [
            std::ptr::from_ref(self.record) as u64,
            handler.establisher,
            std::ptr::from_ref(self.context) as u64,
            (&raw const told) as u64,
        ];
        let answer = self.calling(|| boundary::call(told.LanguageHandler.get(), arguments).ok())?;
        Some((answer as i32, told.TargetIp.get()))
    }
}

/// Whether a handler is an import thunk of `__C_specific_handler`: then its work is done here.
fn is_c_handler(image: &LoadedImage, handler: &Handler) -> bool {
    let Some([0xFF, 0x25, distance @ ..]) = image.bytes(handler.routine, 6) else { return false };
    let Ok(distance) = <[u8; 4]>::try_from(distance) else { return false };
    let after = image.range.start as u64 + u64::from(handler.routine) + 6;
    let slot = after.wrapping_add_signed(i32::from_le_bytes(distance).into());
    read(slot) == Some(C_HANDLER.load(Ordering::Relaxed) as u64)
}

/// Address of the `RUNTIME_FUNCTION` of an address, in the image's memory.
pub(crate) fn function_entry(image: &LoadedImage, address: u64) -> Option<usize> {
    let offset = u32::try_from(address.checked_sub(image.range.start as u64)?).ok()?;
    let function = image.image.runtime_function_at(offset)?;
    let table = image.image.exception_table;
    // Entries of zeros are none, so the place in the sorted list may be less than the one in the table.
    let least = image.image.runtime_functions.partition_point(|other| other.begin < function.begin);
    let at = (least as u32..).map(|index| table + index * 12).take_while(|at| image.u32(*at).is_some());
    let entry = at.into_iter().find(|at| image.u32(*at) == Some(function.begin))?;
    Some(image.range.start + entry as usize)
}

/// `__C_specific_handler` as a driver calls it itself, from a handler of its own such as one that checks cookies.
///
/// Returns: CONTINUE_SEARCH, CONTINUE_EXECUTION, [`TAKES_IT`]; `None` when the machine stops
pub fn c_specific_handler(
    record: &EXCEPTION_RECORD,
    establisher: u64,
    context: &CONTEXT,
    told: &DISPATCHER_CONTEXT,
) -> Option<i32> {
    let scopes = Scopes::in_memory(told.ImageBase.get(), told.HandlerData.get());
    let pc = told.ControlPc.get().wrapping_sub(told.ImageBase.get()) as u32;
    let block = boundary::current();
    let active = Active::at(block.dispatch_top.get());
    // What a filter raises goes on with the dispatch that called the driver's handler.
    let record_before = active.map(|active| active.record.replace(block.record_top.get() as usize));
    let flags = record.ExceptionFlags.get();
    let answer = if flags & exception::UNWIND == 0 {
        let pointers = EXCEPTION_POINTERS::default();
        pointers.ExceptionRecord.set(std::ptr::from_ref(record).cast_mut());
        pointers.ContextRecord.set(std::ptr::from_ref(context).cast_mut());
        scopes::search(&scopes, pc, told.ScopeIndex.get(), &pointers, establisher).map(|found| match found {
            scopes::Found::Nothing => exception::CONTINUE_SEARCH,
            scopes::Found::Resume => exception::CONTINUE_EXECUTION,
            scopes::Found::Takes(ip) => {
                told.TargetIp.set(ip);
                TAKES_IT
            }
        })
    } else {
        let target = (flags & exception::TARGET_UNWIND != 0).then(|| told.TargetIp.get());
        let own = Cell::new(told.ScopeIndex.get());
        let scope = active.map_or(&own, |active| &active.scope);
        scopes::finish(&scopes, pc, scope, target, establisher).map(|()| exception::CONTINUE_SEARCH)
    };
    if let (Some(active), Some(before)) = (active, record_before) {
        active.record.set(before);
    }
    answer
}
