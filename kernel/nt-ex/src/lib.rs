//! The executive: pool, locks that drivers see, work queues, time.
//!
//! ```text
//! pool      blocks with tags, guarded at both ends, accounted per caller; its tables are out of drivers' reach
//! mdl       MDLs from pool
//! resource  ERESOURCE          fast_mutex  FAST_MUTEX, KGUARDED_MUTEX
//! push_lock EX_PUSH_LOCK       rundown     EX_RUNDOWN_REF
//! slist     SLIST_HEADER       lookaside   GENERAL_LOOKASIDE        list  interlocked LIST_ENTRY
//! work      WORK_QUEUE_ITEM and closures on system threads          time  system time, ticks
//! ```
//!
//! Refuses: names and handles (nt-ob), devices (nt-io).
//!
//! UNSAFETY: the structures lie in drivers' memory and are linked through it; modules that follow such links
//! say why they may.

pub mod fast_mutex;
pub mod list;
pub mod lookaside;
pub mod mdl;
pub mod pool;
pub mod push_lock;
pub mod resource;
pub mod rundown;
pub mod slist;
pub mod spin_lock;
pub mod time;
pub mod uuid;
pub mod work;

use std::sync::{Arc, Weak};

use nt_ke::core::index;
use nt_ke::{Core, Subsystem, subsystem};

/// The executive of one machine.
pub struct Ex {
    core: Weak<Core>,
    pub(crate) pool: pool::Pool,
    pub(crate) resources: resource::Resources,
    pub(crate) push_locks: push_lock::Waiters,
    pub(crate) work: work::Queues,
    pub(crate) last_uuid: std::sync::atomic::AtomicU64,
}

impl Subsystem for Ex {
    const INDEX: usize = index::EX;
}

impl Ex {
    /// An executive with an empty pool and no workers. `Mm` is installed before the first allocation.
    pub fn new(core: &Arc<Core>) -> Self {
        core.set_fault_explainer(Box::new(pool::explain));
        Self {
            core: Arc::downgrade(core),
            pool: pool::Pool::new(core),
            resources: resource::Resources::new(),
            push_locks: push_lock::Waiters::new(),
            work: work::Queues::new(),
            last_uuid: std::sync::atomic::AtomicU64::new(0),
        }
    }

    /// Makes the pool spend memory and time to catch more; see [`pool::Pool::set_strict`].
    pub fn set_strict_pool(&self, strict: bool) {
        self.pool.set_strict(strict);
    }

    /// Places what drivers allocate against inaccessible pages; see [`pool::Pool::set_special`].
    pub fn set_special_pool(&self, special: bool) {
        self.pool.set_special(special);
    }

    /// The machine, if it is not being taken down.
    pub fn core(&self) -> Option<Arc<Core>> {
        self.core.upgrade()
    }
}

/// The executive of the current thread's machine.
#[inline]
pub fn ex() -> &'static Ex {
    subsystem::<Ex>()
}
