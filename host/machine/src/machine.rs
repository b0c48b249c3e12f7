//! A machine: boots, loads drivers, runs programs, reports, stops.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use boundary::Observer;
use nt_ke::bugcheck::HANG;
use nt_ke::{BugCheck, Core};
use parking_lot::Mutex;

use crate::boot::{self, BootError, Booted, Options};
use crate::loading::Loaded;
use crate::recorder::Recorder;
use crate::session::{Session, Stopped};

/// Why a driver was not loaded.
#[derive(Debug)]
pub enum LoadError {
    /// The file cannot be used; the text names it, what is wrong and what to do.
    File(String),
    /// Its initialisation ended the machine: see [`Machine::report`].
    BugCheck,
}

impl LoadError {
    pub(crate) fn file(path: &Path, what: impl fmt::Display) -> Self {
        Self::File(format!("{}: {what}", path.display()))
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(what) => f.write_str(what),
            Self::BugCheck => f.write_str("loading it ended the machine with a bug check"),
        }
    }
}

impl std::error::Error for LoadError {}

/// One simulated Windows. Dropping it stops it.
pub struct Machine {
    pub(crate) core: Arc<Core>,
    pub(crate) booted: Option<Booted>,
    pub(crate) recorder: Option<Arc<Recorder>>,
    pub(crate) loaded: Mutex<Vec<Loaded>>,
    /// Counters of the filters' callbacks, taken before they are unloaded.
    pub(crate) statistics: Mutex<Vec<fltmgr::statistics::InstanceStatistics>>,
}

impl Machine {
    /// Boots a machine with its volumes: `\Device\HarddiskVolume1`, also `C:`, and so on. Nothing is mounted before
    /// the first open.
    ///
    /// Errors: the volume cannot be used, or the host refuses memory, threads or addresses
    pub fn boot(options: Options) -> Result<Self, BootError> {
        let core = boot::core(&options)?;
        let mut machine = Self {
            core,
            booted: None,
            recorder: None,
            loaded: Mutex::default(),
            statistics: Mutex::default(),
        };
        let stores = boot::open_stores(&machine.core, &options)?;
        let core = Arc::clone(&machine.core);
        let booted = core.attach(0, || boot::layers(&core, stores, &options)).map_err(BootError::Host)??;
        machine.booted = Some(booted);
        if options.statistics {
            let recorder = Arc::new(Recorder::default());
            machine.core.set_observer(Some(Arc::<Recorder>::clone(&recorder)));
            machine.recorder = Some(recorder);
        }
        Ok(machine)
    }

    /// Runs `f` as a thread of a user-mode program that works on the first volume.
    ///
    /// Errors: the machine stopped
    pub fn run<R>(&self, f: impl FnOnce(&Session) -> Result<R, Stopped>) -> Result<R, Stopped> {
        self.run_on(0, f)
    }

    /// Runs `f` as a thread of a user-mode program that works on a volume, counted from 0.
    ///
    /// Errors: the machine stopped
    pub fn run_on<R>(
        &self,
        volume: usize,
        f: impl FnOnce(&Session) -> Result<R, Stopped>,
    ) -> Result<R, Stopped> {
        let process = self.booted.as_ref().ok_or(Stopped)?.program;
        self.attached(process, || nt_ps::with_previous_mode(1, || f(&Session::new(volume).ok_or(Stopped)?)))
    }

    /// Runs `f` with 0, 1, … on `count` threads at once, each as in [`Machine::run_on`], and returns when all have ended.
    ///
    /// Errors: the machine stopped, or the host has no threads to give
    pub fn run_threads(
        &self,
        volume: usize,
        count: u32,
        f: impl Fn(&Session, u32) -> Result<(), Stopped> + Sync,
    ) -> Result<(), Stopped> {
        let process = self.booted.as_ref().ok_or(Stopped)?.program;
        let stopped = AtomicBool::new(self.core.stopping());
        if !stopped.load(Ordering::Relaxed) {
            let body = |number| {
                let run = || f(&Session::new(volume).ok_or(Stopped)?, number);
                if nt_ps::with_previous_mode(1, run).is_err() {
                    stopped.store(true, Ordering::Relaxed);
                }
            };
            self.core.run_threads(process, "program", count, &body).map_err(|_| Stopped)?;
        }
        if stopped.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }

    /// Runs `f` as a thread of the System process, in kernel mode.
    pub(crate) fn run_in_system<R>(&self, f: impl FnOnce() -> Result<R, Stopped>) -> Result<R, Stopped> {
        let process = self.booted.as_ref().ok_or(Stopped)?.system_process;
        self.attached(process, f)
    }

    fn attached<R>(&self, process: usize, f: impl FnOnce() -> Result<R, Stopped>) -> Result<R, Stopped> {
        if self.core.stopping() {
            return Err(Stopped);
        }
        self.core.attach(process, f).map_err(|_| Stopped)?
    }

    /// Sets who is told of exports called and callbacks run; `None` removes it.
    pub fn set_observer(&self, observer: Option<Arc<dyn Observer>>) {
        match &self.recorder {
            Some(recorder) => recorder.set_next(observer),
            None => self.core.set_observer(observer),
        }
    }

    /// What the cache holds and did.
    pub fn cache_statistics(&self) -> nt_cc::CacheStatistics {
        self.core.get::<nt_cc::Cc>().statistics()
    }

    /// Ends a machine that makes no progress, from outside: the report shows a hang with `message`.
    pub fn interrupt_hang(&self, message: String) {
        self.core.bug_check(BugCheck::new(HANG, [0; 4], message));
        self.stop();
    }

    /// Stops the machine: threads leave it, drivers' frames are abandoned. No driver runs afterwards.
    pub fn stop(&self) {
        self.core.stop();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.core.stop();
    }
}
