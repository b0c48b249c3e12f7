//! The line between Rust and native driver code.
//!
//! Owns everything that happens when control crosses it, in either direction:
//!
//! ```text
//! Rust ──enter──► driver        `enter::call`: pushes a boundary record, switches to the win64 convention
//! driver ──shim──► Rust         `export!`: naked shim → guarded body → back, or to a raise
//! processor fault in a driver   `signals`: classify only, then redirect to the thread's own stack
//! raise                         `Raise`: a value in Rust; dispatched at the driver's frame, never across a live Rust frame
//! ```
//!
//! It also owns what both directions need: the processor block behind `gs` ([`ProcessorBlock`]), the
//! address-space slot of a machine ([`Slot`]), and copies that turn a bad address into an error ([`copy`]).
//!
//! It refuses to know threads, waits or drivers: `nt-ke` gives those meaning through [`Hooks`].
//!
//! UNSAFETY: this crate is where addresses from native code become accesses, and where stacks are switched;
//! every module says why in its own header.

pub mod copy;
pub mod enter;
pub mod exception;
pub mod observer;
pub mod preempt;
pub mod processor;
pub mod raise;
pub mod shim;
pub mod signals;
pub mod slot;
pub mod traced;

pub use enter::call;
pub use observer::{Event, Observer};
pub use processor::{FaultInfo, ProcessorBlock, current, try_current};
pub use raise::{Hooks, Raise, set_hooks};
pub use shim::{Export, Misbehaviour, NativeReturn, caller_address};
pub use slot::Slot;
pub use traced::{Traced, Value};
