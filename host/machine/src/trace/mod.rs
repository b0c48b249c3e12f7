//! The trace: one line for each call of an export, each result, each callback, each switch.
//!
//! ```text
//! 4 0 | | call ExAllocatePoolWithTag(pool_type 512, …) from xorcrypt.sys+0x1379
//! │ │ └─┴ nesting: exports and callbacks of this thread that are under way
//! │ └ IRQL
//! └ number of the thread; `-` outside of every thread
//! ```
//!
//! What a line says does not depend on where things lie in the host's memory (module `normal`), and of a machine with virtual
//! time on no clock either: the same seed gives the same bytes. Lines are written on the thread that they are about.

mod normal;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;

use boundary::{Event, Observer, Value};
use nt_abi::NtStatus;
use parking_lot::Mutex;

use crate::Machine;
use normal::Places;

/// Writes a trace. Give it to [`Machine::set_observer`], and call [`Tracer::finish`] at the end.
pub struct Tracer {
    /// Whether times are virtual, so that they can be told.
    seeded: bool,
    state: Mutex<State>,
}

struct State {
    sink: Box<dyn Write + Send>,
    places: Places,
    /// How deeply each thread nests.
    depth: BTreeMap<u32, usize>,
    line: String,
    failed: Option<io::Error>,
}

impl Tracer {
    /// A tracer of `machine` that writes to `sink`, which should buffer.
    pub fn new(machine: &Machine, sink: Box<dyn Write + Send>) -> Arc<Self> {
        let state = State {
            sink,
            places: Places::new(machine),
            depth: BTreeMap::new(),
            line: String::new(),
            failed: None,
        };
        Arc::new(Self { seeded: machine.core.scheduler().deterministic(), state: Mutex::new(state) })
    }

    /// Writes what is buffered.
    ///
    /// Errors: the first that writing met
    pub fn finish(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        match state.failed.take() {
            Some(error) => Err(error),
            None => state.sink.flush(),
        }
    }
}

impl State {
    /// Begins a line of the current thread. `closes`: what ends here began at the depth that the line gets.
    fn begin(&mut self, opens: bool, closes: bool) {
        self.line.clear();
        let (thread, irql) = match nt_ke::thread::try_current_thread() {
            Some(thread) => (thread.number(), thread.block().irql.get()),
            None => (0, 0),
        };
        let depth = self.depth.entry(thread).or_default();
        if closes {
            *depth = depth.saturating_sub(1);
        }
        let now = *depth;
        *depth += usize::from(opens);
        if thread == 0 {
            self.line.push_str("- 0 ");
        } else {
            let _ = write!(self.line, "{thread} {irql} ");
        }
        for _ in 0..now {
            self.line.push_str("| ");
        }
    }

    fn end(&mut self) {
        self.line.push('\n');
        if self.failed.is_none()
            && let Err(error) = self.sink.write_all(self.line.as_bytes())
        {
            self.failed = Some(error);
        }
    }

    fn value(&mut self, value: Value) {
        let line = &mut self.line;
        let _ = match value {
            Value::Nothing => Ok(()),
            Value::Number(number) => self.places.number(number, line),
            Value::Signed(number) => write!(line, "{number}"),
            Value::Bool(value) => write!(line, "{}", if value { "TRUE" } else { "FALSE" }),
            Value::Status(status) => status_to(status, line),
            Value::Pointer(address) => self.places.pointer(address, line),
            Value::Text(address) => {
                let _ = self.places.pointer(address, line);
                normal::text(address, line)
            }
        };
    }
}

fn status_to(status: NtStatus, line: &mut String) -> std::fmt::Result {
    write!(line, "{status}")
}

impl Observer for Tracer {
    fn event(&self, event: &Event<'_>) {
        let mut state = self.state.lock();
        let state = &mut *state;
        match *event {
            Event::ExportCalled { export, caller, arguments } => {
                state.begin(true, false);
                let _ = write!(state.line, "call {export}(");
                for (index, argument) in arguments.iter().enumerate() {
                    if index > 0 {
                        state.line.push_str(", ");
                    }
                    state.value(*argument);
                }
                state.line.push_str(") from ");
                let _ = state.places.pointer(caller, &mut state.line);
            }
            Event::ExportReturned { export, result, raised } => {
                state.begin(false, true);
                let _ = write!(state.line, "return {export}");
                match raised {
                    Some(status) => {
                        state.line.push_str(" raises ");
                        let _ = status_to(status, &mut state.line);
                    }
                    None if result != Value::Nothing => {
                        state.line.push_str(" = ");
                        state.value(result);
                    }
                    None => {}
                }
            }
            Event::CallbackEntered { driver, operation, phase, minor, flags, file, parameters, .. } => {
                state.begin(true, false);
                let _ = write!(
                    state.line,
                    "enter {driver} {phase} {operation} minor {minor} flags {flags:#x} file "
                );
                let _ = state.places.pointer(file, &mut state.line);
                state.line.push_str(" parameters");
                for parameter in parameters {
                    state.line.push(' ');
                    let _ = state.places.number(*parameter, &mut state.line);
                }
            }
            Event::CallbackReturned { driver, operation, phase, answer, status, nanoseconds } => {
                state.begin(false, true);
                let _ = write!(state.line, "leave {driver} {phase} {operation} answer {answer:#x} status ");
                let _ = status_to(status, &mut state.line);
                if !self.seeded {
                    let _ = write!(state.line, " after {nanoseconds} ns");
                }
            }
            Event::Switch { from, to, reason, time } => {
                state.begin(false, false);
                let _ = write!(state.line, "switch {from} -> {to} {reason} at {time}");
            }
            Event::Waits { what, object, holder } => {
                state.begin(false, false);
                let _ = write!(state.line, "waits for {what} ");
                if object != 0 {
                    let _ = state.places.pointer(object, &mut state.line);
                }
                if holder != 0 {
                    let _ = write!(state.line, ", which thread {holder} holds");
                }
            }
            Event::DpcEntered { routine, .. } => {
                state.begin(false, false);
                state.line.push_str("dpc ");
                let _ = state.places.pointer(routine, &mut state.line);
            }
            Event::ApcDelivered { special, .. } => {
                state.begin(false, false);
                state.line.push_str(if special { "special apc" } else { "normal apc" });
            }
            Event::TimerFired { timer, time } => {
                state.begin(false, false);
                state.line.push_str("timer ");
                let _ = state.places.pointer(timer, &mut state.line);
                if self.seeded {
                    let _ = write!(state.line, " at {time}");
                }
            }
            Event::DebugPrint { text } => {
                state.begin(false, false);
                let _ = write!(state.line, "print {}", text.trim_end().escape_debug());
            }
        }
        state.end();
    }
}
