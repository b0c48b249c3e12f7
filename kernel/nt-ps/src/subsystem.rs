//! The process layer of a machine, and how it takes over the threads that were there before it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};

use boundary::Raise;
use nt_abi::NtStatus;
use nt_ke::core::index;
use nt_ke::{Core, Lock, Rank, Subsystem};
use nt_ob::{ObjectType, ob_create_type};
use nt_se::TokenDescription;

use crate::notify::Routines;
use crate::process::{self, PROCESS};
use crate::thread::{self, Notify, THREAD};

/// Processes of a machine.
pub struct Ps {
    pub(crate) core: Weak<Core>,
    process_type: OnceLock<&'static ObjectType>,
    /// Gives up what a later layer keeps for a process that ends.
    at_exit: OnceLock<fn(usize)>,
    thread_type: OnceLock<&'static ObjectType>,
    system: OnceLock<usize>,
    pub(crate) processes: Lock<Processes>,
    pub(crate) routines: Lock<Routines>,
}

/// The processes that have not exited, each referenced.
#[derive(Default)]
pub(crate) struct Processes {
    pub(crate) by_id: BTreeMap<usize, usize>,
    pub(crate) created: usize,
    /// Full image names, also of processes that have exited but are referenced.
    pub(crate) image_paths: BTreeMap<usize, Vec<u16>>,
}

impl Subsystem for Ps {
    const INDEX: usize = index::PS;
}

/// The process layer of the current machine.
pub(crate) fn ps() -> &'static Ps {
    nt_ke::subsystem::<Ps>()
}

impl Ps {
    /// Installs the process layer, makes the System process and puts all threads into it. Returns its address:
    /// the process that host threads attach with from now on. In an attached thread, after `Se::boot`.
    ///
    /// Errors: InsufficientResources
    pub fn boot(core: &Arc<Core>) -> Result<Result<usize, NtStatus>, Raise> {
        let ps = core.install(Box::new(Self {
            core: Arc::downgrade(core),
            process_type: OnceLock::new(),
            at_exit: OnceLock::new(),
            thread_type: OnceLock::new(),
            system: OnceLock::new(),
            processes: Lock::new(Rank::PsTables, Processes::default()),
            routines: Lock::new(Rank::PsTables, Routines::default()),
        }));
        let made = ob_create_type(PROCESS).and_then(|kind| {
            let _ = ps.process_type.set(kind);
            let _ = ps.thread_type.set(ob_create_type(THREAD)?);
            process::new_process(4, 0, "System", false, TokenDescription::system())
        });
        let system = match made {
            Ok(system) => system.into_raw(),
            Err(status) => return Ok(Err(status)),
        };
        let _ = ps.system.set(system);
        core.get::<nt_se::Se>().set_primary_token_source(process::primary_token);
        nt_ex::ex().set_worker_process(system);
        core.set_thread_notify(Box::new(Notify::new(core)));
        let mut threads = Vec::new();
        core.for_each_thread(|thread| threads.push(std::ptr::from_ref(thread) as usize));
        for thread in threads {
            thread::adopt_early(thread, system)?;
        }
        Ok(Ok(system))
    }

    /// The type of processes: `*PsProcessType`.
    pub fn process_type(&self) -> &'static ObjectType {
        self.process_type.get().expect("the process layer has booted")
    }

    /// Has `gone` called with each process that ends, after its handles are closed. Once.
    pub fn set_at_exit(&self, gone: fn(usize)) {
        let _ = self.at_exit.set(gone);
    }

    pub(crate) fn at_exit(&self, process: usize) {
        if let Some(gone) = self.at_exit.get() {
            gone(process);
        }
    }

    /// The type of threads: `*PsThreadType`.
    pub fn thread_type(&self) -> &'static ObjectType {
        self.thread_type.get().expect("the process layer has booted")
    }

    /// The System process.
    pub fn system_process(&self) -> usize {
        *self.system.get().expect("the process layer has booted")
    }
}
