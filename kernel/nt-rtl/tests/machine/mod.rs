//! A bare machine with memory and an executive.

use std::sync::Arc;

use nt_ex::Ex;
use nt_ke::{Config, Core};
use nt_mm::Mm;

/// Boots a machine, runs `f` as one of its threads, and stops it.
pub fn machine<R>(f: impl FnOnce(&Arc<Core>) -> R) -> R {
    let core = Core::new(Config::default()).expect("a machine");
    core.install(Box::new(Mm::new(&core).expect("memory")));
    core.install(Box::new(Ex::new(&core)));
    let result = core.attach(0, || f(&core)).expect("a thread");
    assert!(core.stop(), "every thread left the machine");
    result
}
