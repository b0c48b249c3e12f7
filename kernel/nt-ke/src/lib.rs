//! The kernel proper: threads, virtual processors, IRQL, dispatcher objects and waits, time, bug checks.
//!
//! ```text
//! Core ──owns──► Slot (addresses)      Scheduler (the one door for everything that blocks)
//!      ──knows──► threads, findings, bug check, one slot per subsystem
//! KTHREAD ──lives in──► its chunk of the slot: emergency stack, guard, stack, processor block, KTHREAD
//! ```
//!
//! Everything that can block goes through [`scheduler::Scheduler`]: waits, worker threads, pauses. The free
//! scheduler gives each kernel thread an OS thread; a deterministic one fits behind the same trait.
//! Nothing here is process-wide but the boundary's hooks.
//!
//! UNSAFETY: threads, wait blocks and dispatcher objects are memory that drivers reach; references to them
//! are made from addresses. Modules that do so say why.

pub mod apc;
pub mod bugcheck;
pub mod clock;
pub mod core;
pub mod dispatcher;
pub mod dpc;
pub mod epoch;
pub mod finding;
pub mod irql;
pub mod lock;
pub mod locks;
pub mod owned;
pub mod pageable;
pub mod placement;
pub mod presence;
mod raw_lock;
pub mod region;
pub mod scheduler;
pub mod spinlock;
pub mod thread;
pub mod timer;

pub use crate::core::{Config, Core, Subsystem, current_core, subsystem};
pub use boundary::Raise;
pub use bugcheck::BugCheck;
pub use finding::{Finding, Severity};
pub use lock::{Lock, Rank};
pub use thread::{KTHREAD, current_thread};
