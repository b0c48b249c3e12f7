//! Booting: a list of small named steps, each crate's own `boot` in the order of the layers.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use boundary::Raise;
use nt_abi::NtStatus;
use nt_ke::scheduler::Schedule;
use nt_ke::{Config, Core};
use store::{HostOptions, HostStore, MemoryOptions, MemoryStore, Store};

/// Where the volume's bytes are.
#[derive(Clone, Debug)]
pub enum VolumeSource {
    /// In memory, gone with the machine.
    Memory,
    /// In a directory of the host.
    Directory(PathBuf),
}

/// How a machine is built.
#[derive(Clone, Debug)]
pub struct Options {
    /// The volumes, in the order of their letters from `C:` on.
    pub volumes: Vec<VolumeSource>,
    /// Bytes of a sector: 512 or 4096.
    pub sector_size: u32,
    /// Virtual processors, two or more.
    pub processors: u32,
    /// Whether a machine in which every thread waits is ended with a report. Leave it off where host threads
    /// act on waiting drivers from outside.
    pub detect_hangs: bool,
    /// Whether callbacks are counted and timed, and the last ones kept for a crash report.
    pub statistics: bool,
    /// Size of a volume in memory.
    pub memory_capacity: u64,
    /// Whether each block that a driver allocates ends at an inaccessible page.
    pub special_pool: bool,
    /// Exports that misbehave on purpose, so that checks of them can be seen to fail; see [`boundary::Misbehaviour`].
    pub faults: Vec<String>,
    /// What the cache may hold.
    pub cache: nt_cc::CacheLimits,
    /// How threads get to run. Seeded by default: the same seed, the same run; the machine then moves only while
    /// somebody is in it, and its threads must not wait for each other outside of it.
    pub schedule: Schedule,
    /// Whether kernel APCs interrupt driver code at PASSIVE_LEVEL wherever it is, and not only where it calls the
    /// kernel. For free threads: a seeded machine decides at calls.
    pub preempt: bool,
    /// Whether post callbacks run at DISPATCH_LEVEL, in another thread, wherever a filter has to cope with that: those of
    /// IRPs that are neither create, cleanup nor close, and that the filter has not synchronized.
    pub post_at_dispatch: bool,
    /// Whether a seeded machine keeps the whole stack of each place where a lock is taken or waited for, not only the
    /// calls into exports.
    pub lock_stacks: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            volumes: vec![VolumeSource::Memory],
            sector_size: 512,
            processors: 2,
            detect_hangs: false,
            statistics: false,
            memory_capacity: 4 << 30,
            special_pool: false,
            faults: Vec::new(),
            cache: nt_cc::CacheLimits::default(),
            schedule: Schedule::Seeded(1),
            preempt: false,
            post_at_dispatch: false,
            lock_stacks: true,
        }
    }
}

/// Why a machine did not boot.
#[derive(Debug)]
pub enum BootError {
    /// The host refuses what a machine needs.
    Host(std::io::Error),
    /// The volume cannot be used.
    Volume(String),
    /// A step of the boot failed.
    Step(&'static str, NtStatus),
    /// The machine stopped while it booted.
    Stopped,
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(error) => write!(f, "the host refuses what a machine needs: {error}"),
            Self::Volume(what) => write!(f, "the volume cannot be used: {what}"),
            Self::Step(step, status) => write!(f, "booting failed at {step}: {status}"),
            Self::Stopped => write!(f, "the machine stopped while it booted"),
        }
    }
}

impl std::error::Error for BootError {}

impl From<Raise> for BootError {
    fn from(_: Raise) -> Self {
        Self::Stopped
    }
}

/// What a booted machine's owner needs to know.
pub(crate) struct Booted {
    pub(crate) system_process: usize,
    /// The program that sessions run in; it goes with the machine.
    pub(crate) program: usize,
}

/// Most volumes of a machine: letters `C:` to `Z:`.
const MOST_VOLUMES: usize = 24;

/// Makes the stores of all volumes.
pub(crate) fn open_stores(core: &Arc<Core>, options: &Options) -> Result<Vec<Arc<dyn Store>>, BootError> {
    if options.volumes.is_empty() || options.volumes.len() > MOST_VOLUMES {
        let count = options.volumes.len();
        return Err(BootError::Volume(format!("a machine has 1 to {MOST_VOLUMES} volumes, not {count}")));
    }
    options.volumes.iter().map(|volume| open_store(core, volume, options)).collect()
}

fn open_store(
    core: &Arc<Core>,
    volume: &VolumeSource,
    options: &Options,
) -> Result<Arc<dyn Store>, BootError> {
    if !matches!(options.sector_size, 512 | 4096) {
        return Err(BootError::Volume(format!("sectors are 512 or 4096 bytes, not {}", options.sector_size)));
    }
    let weak: Weak<Core> = Arc::downgrade(core);
    let clock: store::Clock = Arc::new(move || {
        weak.upgrade().map_or(0, |core| core.clock.system_time(core.scheduler().now()) as i64)
    });
    match volume {
        VolumeSource::Memory => {
            let memory = MemoryOptions {
                sector_size: options.sector_size,
                capacity: options.memory_capacity,
                ..MemoryOptions::new(clock)
            };
            let store = MemoryStore::new(memory).map_err(|error| BootError::Volume(error.to_string()))?;
            Ok(Arc::new(store))
        }
        VolumeSource::Directory(path) => {
            let host = HostOptions { sector_size: options.sector_size, clock, ..HostOptions::default() };
            let store = HostStore::open(path, host)
                .map_err(|error| BootError::Volume(format!("{}: {error}", path.display())))?;
            Ok(Arc::new(store))
        }
    }
}

/// The core with nothing in it.
pub(crate) fn core(options: &Options) -> Result<Arc<Core>, BootError> {
    let config = Config {
        processors: options.processors,
        detect_hangs: options.detect_hangs,
        schedule: options.schedule,
        preempt: options.preempt,
        lock_stacks: options.lock_stacks,
    };
    Core::new(config).map_err(BootError::Host)
}

fn step<T>(name: &'static str, result: Result<Result<T, NtStatus>, Raise>) -> Result<T, BootError> {
    result?.map_err(|status| BootError::Step(name, status))
}

fn ok(status: NtStatus) -> Result<(), NtStatus> {
    if status.is_success() { Ok(()) } else { Err(status) }
}

/// Everything above the core, on a thread that is attached to it.
pub(crate) fn layers(
    core: &Arc<Core>,
    stores: Vec<Arc<dyn Store>>,
    options: &Options,
) -> Result<Booted, BootError> {
    core.set_faults(options.faults.clone());
    core.install(Box::new(nt_mm::Mm::new(core).map_err(BootError::Host)?));
    core.install(Box::new(nt_ex::Ex::new(core))).set_special_pool(options.special_pool);
    step("the object manager", nt_ob::Ob::boot(core))?;
    step("security", nt_se::Se::boot(core))?;
    let system_process = step("processes", nt_ps::Ps::boot(core))?;
    step("the registry", nt_cm::Cm::boot(core))?;
    let io = core.install(nt_io::Io::new());
    step("the I/O manager", io.initialize().map(ok))?;
    core.install(nt_fsrtl::FsRtl::new());
    core.install(Box::new(nt_cc::Cc::new(core, options.cache, system_process)));
    step("sections", nt_section::Sections::boot(core, system_process))?;
    step("transactions", nt_tm::Tm::boot(core))?;
    crate::loading::boot(core, options)?;
    step("the file system", fsd::register())?;
    for ((store, letter), number) in stores.into_iter().zip('C'..='Z').zip(1..) {
        let info = store.volume_info().map_err(|error| BootError::Volume(error.to_string()))?;
        let read_only = store.capabilities().read_only;
        let medium: Arc<dyn std::any::Any + Send + Sync> = Arc::new(fsd::FsdMedium(store));
        let disk = step(
            "a disk",
            nt_io::disk::create(number, info.sector_size, info.total_bytes, medium, Some(letter)),
        )?;
        if read_only {
            nt_io::disk::set_read_only(disk);
        }
    }
    let program =
        step("a program", nt_ps::ps_create_process(&nt_ps::ProcessParameters::new("altimeter.exe")))?;
    Ok(Booted { system_process, program: program.into_raw() })
}
