//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use altimeter::Setting;
use clap::builder::ArgPredicate;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::altitude;
use crate::explore::Explored;

/// Runs Windows minifilter drivers on Linux, unmodified, over real file I/O.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  clean
  1  findings or mismatches; `exports --check`: imports that are not there
  2  wrong usage, unusable volume or unusable driver; the message is on stderr
  3  bug check: a driver crashed, hung, or called what does not exist";

const CC_HELP: &str = "\
Headers that are spelled in another case are found, .tmh headers of Microsoft's trace preprocessor are made, and
resources (.rc) are left out. What follows -- goes to clang: -I DIR, -D NAME=VALUE, -include prelude.h, …

  altimeter cc -o mydriver.sys src/*.c -- -I inc -D POOL_NX_OPTIN=1

Exit code 0: built; 2: errors, or a tool or a header set is not installed.";

const EXPLORE_HELP: &str = "\
Each seed decides every switch between threads and what the threads do. The first seed that fails (a bug check, a
finding, a mismatch) is run once more and reported; --replay SEED shows that run step by step.

  altimeter explore mydriver.sys --schedules 10000
  altimeter explore mydriver.sys --replay 417 --steps 500

Exit codes:
  0  no schedule failed
  1  one failed; its seed and report are printed
  2  wrong usage or unusable driver; the message is on stderr";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load drivers, drive a workload through them, report what happened at every altitude
    #[command(after_help = EXIT_CODES)]
    Run(Box<RunArguments>),
    /// Run many schedules of a short workload, each decided by its seed, and stop at the first that fails
    #[command(after_help = EXPLORE_HELP)]
    Explore(Box<ExploreArguments>),
    /// List the kernel functions that drivers may import: image, name, done or partial, home crate, note
    Exports(ExportsArguments),
    /// List the built-in sample drivers
    Drivers,
    /// Build a driver from its C or C++ sources, with clang, lld and mingw-w64's headers
    #[command(after_help = CC_HELP)]
    Cc(CcArguments),
}

#[derive(Clone, Debug, Args)]
pub struct RunArguments {
    /// Driver images or INF files, or names of built-in drivers; none: passthrough, guard and xorcrypt
    ///
    /// Beside an image, the INF of the same stem gives service name, instances, altitudes and registry values;
    /// beside an INF, the image that its ServiceBinary names is loaded.
    #[arg(value_name = "DRIVER.sys|DRIVER.inf")]
    pub drivers: Vec<PathBuf>,

    /// Where the volume's files live: in memory, or in a directory (write ./mem for one of that name)
    #[arg(long = "volume", value_name = "mem|DIR", default_value = "mem")]
    pub volumes: Vec<PathBuf>,

    /// Bytes per sector of the volume
    #[arg(long, value_name = "512|4096", default_value = "512", value_parser = sector_size)]
    pub sector: u32,

    /// Memory of the cache in MiB, of which half may be waiting to be written
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(2..=4096))]
    pub cache_size: u32,

    /// Place each block that a driver allocates against an inaccessible page, so that overruns fault where they happen
    #[arg(long)]
    pub special_pool: bool,

    /// Let kernel APCs interrupt driver code at PASSIVE_LEVEL wherever it is, not only where it calls the kernel
    #[arg(long, conflicts_with = "schedule")]
    pub preempt: bool,

    /// Run post callbacks at DISPATCH_LEVEL in another thread wherever a filter has to cope with that
    #[arg(long)]
    pub post_at_dispatch: bool,

    /// Make an export misbehave, to see that a check of it fails; repeatable
    ///
    /// A function that returns a status does nothing and returns STATUS_UNSUCCESSFUL, one that returns a pointer NULL, one
    /// without result nothing; the lowest bit of a number or BOOLEAN is flipped, and of 64 bits the highest too.
    #[arg(long = "fault", value_name = "EXPORT")]
    pub faults: Vec<String>,

    /// What to do with the volume
    #[arg(long, value_enum, default_value_t = Workload::Tour)]
    pub workload: Workload,

    /// Directory whose contents copy-tree copies into the root of the volume
    #[arg(long, value_name = "SRC", required_if_eq("workload", "copy-tree"))]
    pub source: Option<PathBuf>,

    /// Altitude of a driver whose INF gives none; repeat it, in the order of those drivers
    #[arg(long = "altitude", value_name = "N", value_parser = altitude::parse)]
    pub altitudes: Vec<String>,

    /// Registry value in the service key and the Parameters key of every driver
    ///
    /// Types: sz, expand_sz, multi_sz (separated by ;), dword, qword, binary. Examples: Pattern=sz:*.secret,
    /// DebugFlags=dword:0x1.
    #[arg(long = "set", value_name = "NAME=TYPE:VALUE", value_parser = Setting::parse)]
    pub settings: Vec<Setting>,

    /// Write the results as JSON; with - to stdout, and the report for people then goes to stderr
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<PathBuf>,

    /// Seed of the stress workload: the same seed, the same operations in each thread
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// How threads run: on OS threads in real time, or as fibres in virtual time with a seed that decides every switch
    #[arg(long, value_enum, default_value_t = Scheduler::Free, default_value_if("schedule", ArgPredicate::IsPresent, "fibre"))]
    pub scheduler: Scheduler,

    /// Seed of the schedule; implies --scheduler fibre: the same seed gives the same run
    #[arg(long, value_name = "SEED")]
    pub schedule: Option<u64>,

    /// Operations of each thread of the stress workload
    #[arg(long, value_name = "N", default_value_t = 4000)]
    pub operations: u64,

    /// Run stress for about this many seconds instead of a fixed number of operations
    #[arg(long, value_name = "N")]
    pub seconds: Option<u64>,

    /// Write one line for each call of an export and each callback
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,

    /// Show on stderr what drivers print with DbgPrint
    #[arg(long)]
    pub debug_print: bool,

    /// Give up when nothing makes progress for this many seconds; 0: wait for ever
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout: u64,

    /// How many of the last steps the report shows, 0 for all: of a schedule that explore replays.
    #[arg(skip)]
    pub steps: Option<usize>,

    /// The exploring that this run belongs to.
    #[arg(skip)]
    pub explored: Option<Explored>,
}

/// `--scheduler`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scheduler {
    /// OS threads, real time
    Free,
    /// Fibres, virtual time, every switch decided by --schedule (default 1)
    Fibre,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// Every operation that the file system offers, each checked against what has to come back
    Tour,
    /// Copies --source into the volume, reads all back, compares every byte and name
    CopyTree,
    /// Seeded random operations from several threads, checked against a model
    Stress,
}

impl Workload {
    /// Its name, as on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tour => "tour",
            Self::CopyTree => "copy-tree",
            Self::Stress => "stress",
        }
    }
}

#[derive(Clone, Debug, Args)]
pub struct ExploreArguments {
    /// Driver images or INF files, or names of built-in drivers, as for run
    #[arg(value_name = "DRIVER.sys|DRIVER.inf")]
    pub drivers: Vec<PathBuf>,

    /// How many schedules to run, with seeds from --first on
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub schedules: u64,

    /// The first seed
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub first: u64,

    /// Run the schedule of this seed alone and show it step by step
    #[arg(long, value_name = "SEED", conflicts_with_all = ["schedules", "first"])]
    pub replay: Option<u64>,

    /// How many of the last steps --replay shows; 0: all
    #[arg(long, value_name = "N", default_value_t = 100, requires = "replay")]
    pub steps: usize,

    /// What each schedule does with a fresh volume in memory
    #[arg(long, value_enum, default_value_t = Workload::Stress)]
    pub workload: Workload,

    /// Operations of each thread of the stress workload
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub operations: u64,

    /// Directory whose contents copy-tree copies into the root of the volume
    #[arg(long, value_name = "SRC", required_if_eq("workload", "copy-tree"))]
    pub source: Option<PathBuf>,

    /// Altitude of a driver whose INF gives none; repeat it, in the order of those drivers
    #[arg(long = "altitude", value_name = "N", value_parser = altitude::parse)]
    pub altitudes: Vec<String>,

    /// Registry value in the service key and the Parameters key of every driver, as for run
    #[arg(long = "set", value_name = "NAME=TYPE:VALUE", value_parser = Setting::parse)]
    pub settings: Vec<Setting>,

    /// Place each block that a driver allocates against an inaccessible page, so that overruns fault where they happen
    #[arg(long)]
    pub special_pool: bool,

    /// Run post callbacks at DISPATCH_LEVEL in another thread wherever a filter has to cope with that
    #[arg(long)]
    pub post_at_dispatch: bool,

    /// Write the results as JSON; with - to stdout, and the report for people then goes to stderr
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<PathBuf>,

    /// Write one line for each call of an export and each callback of the schedule that failed
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,

    /// Processes that run schedules at the same time; by default as many as there are processors
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub jobs: Option<u32>,

    /// Seconds after which a schedule that has not ended counts as failed
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,

    /// How many schedules were run before this replay
    #[arg(long, hide = true, requires = "replay")]
    pub explored: Option<u64>,
}

impl ExploreArguments {
    /// The run of one seed: it decides the switches and the operations.
    pub fn run_of(&self, seed: u64) -> RunArguments {
        RunArguments {
            drivers: self.drivers.clone(),
            volumes: vec!["mem".into()],
            sector: 512,
            cache_size: 256,
            special_pool: self.special_pool,
            preempt: false,
            post_at_dispatch: self.post_at_dispatch,
            faults: Vec::new(),
            workload: self.workload,
            source: self.source.clone(),
            altitudes: self.altitudes.clone(),
            settings: self.settings.clone(),
            json: self.json.clone(),
            seed,
            scheduler: Scheduler::Fibre,
            schedule: Some(seed),
            operations: self.operations,
            seconds: None,
            trace: self.trace.clone(),
            debug_print: false,
            timeout: self.timeout,
            steps: self.replay.filter(|_| self.explored.is_none()).map(|_| self.steps),
            explored: Some(Explored { schedules: self.explored.unwrap_or(1), failed: Some(seed) }),
        }
    }
}

#[derive(Debug, Args)]
pub struct ExportsArguments {
    /// Print only the imports of this driver that are not there, and exit with 1 if there are any
    #[arg(long, value_name = "DRIVER.sys")]
    pub check: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct CcArguments {
    /// Sources: .c .cpp .cxx .cc; also .def (names to import from another module), .lib and .obj
    #[arg(value_name = "SOURCE", required_unless_present = "cmake_toolchain")]
    pub sources: Vec<PathBuf>,

    /// The driver image to write
    #[arg(short, long, value_name = "OUT.sys", required_unless_present = "cmake_toolchain")]
    pub output: Option<PathBuf>,

    /// A checked build: DBG=1, assertions, no optimisation
    #[arg(long)]
    pub debug: bool,

    /// Symbols in a PDB beside the image; without this, DWARF in the image
    #[arg(long)]
    pub pdb: bool,

    /// Print the commands on stderr
    #[arg(short, long)]
    pub verbose: bool,

    /// Write a CMake toolchain file with which every executable of a project becomes a driver
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "sources"])]
    pub cmake_toolchain: Option<PathBuf>,

    /// Flags for clang
    #[arg(last = true, value_name = "CLANG FLAGS", allow_hyphen_values = true)]
    pub flags: Vec<OsString>,
}

fn sector_size(text: &str) -> Result<u32, String> {
    match text {
        "512" => Ok(512),
        "4096" => Ok(4096),
        _ => Err("a sector has 512 or 4096 bytes".into()),
    }
}

#[cfg(test)]
mod command_line {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn declaration_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn copy_tree_needs_a_source() {
        let parse = |words: &[&str]| Arguments::try_parse_from(words).is_ok();
        assert!(!parse(&["altimeter", "run", "--workload", "copy-tree"]));
        assert!(parse(&["altimeter", "run", "--workload", "copy-tree", "--source", "x"]));
        assert!(parse(&["altimeter", "run"]));
    }

    #[test]
    fn explore_replays_one_seed_or_runs_many() {
        let parse =
            |words: &[&str]| Arguments::try_parse_from([&["altimeter", "explore"], words].concat()).is_ok();
        assert!(parse(&["--schedules", "10", "--first", "5"]) && parse(&["--replay", "5", "--steps", "9"]));
        assert!(!parse(&["--replay", "5", "--schedules", "10"]) && !parse(&["--steps", "9"]));
        assert!(!parse(&["--schedules", "0"]));
    }

    #[test]
    fn settings_altitudes_and_sectors_are_checked() {
        let parse = |option: &str, value: &str| {
            Arguments::try_parse_from(["altimeter", "run", option, value]).is_ok()
        };
        assert!(parse("--set", "Pattern=sz:*.secret") && !parse("--set", "Pattern"));
        assert!(parse("--altitude", "325000.5") && !parse("--altitude", "high"));
        assert!(parse("--sector", "4096") && !parse("--sector", "1024"));
    }
}
