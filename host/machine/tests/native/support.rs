//! Machines with recording filters, and their records.

use std::path::PathBuf;

use altimeter::session::{Handle, OpenRequest, Session};
use altimeter::{DriverSource, Machine, NtStatus, Options, Setting, Stopped, utf16};
use nt_abi::{FLTFL_CALLBACK_DATA_FAST_IO_OPERATION, FLTFL_CALLBACK_DATA_IRP_OPERATION};

/// One callback, as the driver recorded it.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub major: u8,
    pub minor: u8,
    pub post: bool,
    pub operation_flags: u8,
    pub irp_flags: u32,
    pub data_flags: u32,
    pub irql: u8,
    pub requestor_mode: u8,
    pub reserved: u8,
    pub equal: u8,
    pub status: u32,
    pub information: u64,
    pub parameters: [u64; 6],
    pub file_object: u64,
    pub instance: u64,
    pub thread: u64,
    pub context: u64,
    pub data: u64,
}

/// `EQUAL_*` of results.h: file object, instance, filter, thread, size.
pub const ALL_EQUAL: u8 = 0x1F;

/// What a filter recorded.
pub struct Results {
    pub pre_calls: u64,
    pub post_calls: u64,
    pub setup_calls: u64,
    pub teardown_calls: u64,
    pub failed: u64,
    /// Lines of the driver's own checks that failed.
    pub failed_lines: Vec<u32>,
    pub checks: u64,
    /// What a mode counts of its own.
    pub counted: [u64; 3],
    pub entries: Vec<Entry>,
}

impl Entry {
    /// Whether it is paging I/O; the bit means other things for other operations.
    pub fn is_paging(&self) -> bool {
        matches!(self.major, nt_abi::IRP_MJ_READ | nt_abi::IRP_MJ_WRITE)
            && self.irp_flags & nt_abi::IRP_PAGING_IO != 0
    }
}

impl Results {
    /// The callbacks of IRPs, without paging I/O.
    pub fn of(&self, major: u8, post: bool) -> Vec<Entry> {
        self.of_kind(major, post, FLTFL_CALLBACK_DATA_IRP_OPERATION)
    }

    /// The callbacks of fast I/O.
    pub fn fast(&self, major: u8, post: bool) -> Vec<Entry> {
        self.of_kind(major, post, FLTFL_CALLBACK_DATA_FAST_IO_OPERATION)
    }

    fn of_kind(&self, major: u8, post: bool, kind: u32) -> Vec<Entry> {
        let wanted = |e: &&Entry| e.major == major && e.post == post && e.data_flags & kind != 0;
        self.entries.iter().filter(wanted).filter(|e| !e.is_paging()).cloned().collect()
    }

    /// The callbacks of what a program asked for: neither paging I/O nor the last CLOSE, which come when the lazy
    /// writer is done, from its thread.
    pub fn of_programs(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|e| !e.is_paging() && e.major != nt_abi::IRP_MJ_CLOSE)
    }

    /// The callbacks of paging reads or writes.
    pub fn paging(&self, major: u8, post: bool) -> Vec<Entry> {
        let wanted = |e: &&Entry| e.major == major && e.post == post && e.is_paging();
        self.entries.iter().filter(wanted).cloned().collect()
    }
}

/// The directory of the sample drivers: fresh ones where the test run built them.
pub fn driver_path(name: &str) -> PathBuf {
    let folder = std::env::var_os("ALTIMETER_DRIVERS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../drivers/bin"), PathBuf::from);
    folder.join(name)
}

pub fn machine() -> Machine {
    Machine::boot(Options { statistics: true, ..Options::default() }).expect("a machine in memory boots")
}

/// Loads iopbtest as service `name` at `altitude`.
pub fn recorder(machine: &Machine, name: &str, altitude: &str, settings: &[&str]) {
    load_as(machine, "iopbtest.sys", name, altitude, settings);
}

/// Loads a sample as service `name`.
pub fn load_as(machine: &Machine, image: &str, name: &str, altitude: &str, settings: &[&str]) {
    let mut source = DriverSource::from_path(&driver_path(image)).expect("the sample is there");
    source.name = name.to_owned();
    // Instance names are unique on a volume: each copy gets one made from its own name.
    source.inf = None;
    source.altitude = Some(altitude.to_owned());
    source.settings = settings.iter().map(|text| Setting::parse(text).expect("a setting")).collect();
    machine.load(&source).unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// Loads a sample as service `name` at `altitude`.
pub fn load_plain(machine: &Machine, image: &str, name: &str, altitude: &str) {
    load_as(machine, image, name, altitude, &[]);
}

/// Loads swaptest as service `name` at `altitude`.
pub fn swapper(machine: &Machine, name: &str, altitude: &str, settings: &[&str]) {
    load_as(machine, "swaptest.sys", name, altitude, settings);
}

/// Loads swapall as service `name`.
pub fn swap_all(machine: &Machine, name: &str) {
    load_as(machine, "swapall.sys", name, "142930", &[]);
}

/// A machine with one recorder called `r`.
pub fn with_recorder(settings: &[&str]) -> Machine {
    let machine = machine();
    recorder(&machine, "r", "365000", settings);
    machine
}

pub fn results(machine: &Machine, name: &str) -> Results {
    let address =
        machine.service_qword(name, "Results").expect("the driver wrote where its results are") as usize;
    const ENTRIES: usize = 256;
    let bytes = machine.read_memory(address, 0x180 + ENTRIES * 0x90).expect("the image is there");
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"));
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
    assert_eq!(u32_at(0), 0x5254_4C41, "the magic");
    let sequence = u64_at(0x10);
    assert!(sequence as usize <= ENTRIES, "the test did more than the ring holds");
    let entry = |index: usize| {
        let at = 0x180 + index * 0x90;
        Entry {
            major: bytes[at + 8],
            minor: bytes[at + 9],
            post: bytes[at + 0xA] == 1,
            operation_flags: bytes[at + 0xB],
            irp_flags: u32_at(at + 0xC),
            data_flags: u32_at(at + 0x10),
            irql: bytes[at + 0x18],
            requestor_mode: bytes[at + 0x19],
            reserved: bytes[at + 0x1A],
            equal: bytes[at + 0x1B],
            status: u32_at(at + 0x1C),
            information: u64_at(at + 0x20),
            parameters: std::array::from_fn(|word| u64_at(at + 0x28 + word * 8)),
            file_object: u64_at(at + 0x58),
            instance: u64_at(at + 0x60),
            thread: u64_at(at + 0x70),
            context: u64_at(at + 0x78),
            data: u64_at(at + 0x80),
        }
    };
    Results {
        pre_calls: u64_at(0x18),
        post_calls: u64_at(0x20),
        setup_calls: u64_at(0x30),
        teardown_calls: u64_at(0x38),
        failed: u64_at(0x40),
        failed_lines: (0..(u64_at(0x40) as usize).min(32)).map(|index| u32_at(0x50 + index * 8)).collect(),
        checks: u64_at(0x48),
        counted: [u64_at(0x158), u64_at(0x160), u64_at(0x168)],
        entries: (0..sequence as usize).map(entry).collect(),
    }
}

/// What swaptest found; results.h has the layout.
pub struct SwapResults {
    /// Completions at DISPATCH_LEVEL.
    pub high: u32,
    pub checks: u64,
    /// File number and line of its checks that failed.
    pub failed_lines: Vec<(u32, u32)>,
    values: Vec<u64>,
}

impl SwapResults {
    /// Values of the last operation of `major`.
    pub fn of(&self, major: u8) -> [u64; 8] {
        let at = 8 * usize::from(major);
        self.values[at..at + 8].try_into().expect("eight")
    }
}

pub fn service_qword(machine: &Machine, name: &str, value: &str) -> Option<u64> {
    machine.service_qword(name, value)
}

pub fn swap_results(machine: &Machine, name: &str) -> SwapResults {
    let address = service_qword(machine, name, "Results").expect("the driver wrote where its results are");
    let bytes = machine.read_memory(address as usize, 0x118 + 128 * 8).expect("the image is there");
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"));
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
    assert_eq!(u32_at(0), 0x5450_5753, "the magic");
    let failed = u64_at(0x10) as usize;
    SwapResults {
        high: u32_at(4),
        checks: u64_at(8),
        failed_lines: (0..failed.min(32)).map(|i| (u32_at(0x18 + i * 8 + 4), u32_at(0x18 + i * 8))).collect(),
        values: (0..128).map(|i| u64_at(0x118 + i * 8)).collect(),
    }
}

/// How many checks of swaptest had failed when it was unloaded.
pub fn failed_at_unload(machine: &Machine, name: &str) -> u64 {
    service_qword(machine, name, "Failed").expect("the driver said so when it was unloaded")
}

/// Rules of the findings so far.
pub fn rules(machine: &Machine) -> Vec<String> {
    machine.report().findings.into_iter().map(|finding| finding.rule).collect()
}

/// Asserts that `rule` was reported for `driver`.
pub fn assert_found(machine: &Machine, rule: &str, driver: &str) {
    let report = machine.report();
    assert!(report.bug_check.is_none(), "{:?}", report.bug_check);
    assert!(
        report.findings.iter().any(|finding| finding.rule == rule && finding.driver == driver),
        "{rule} of {driver} is not among {:?}",
        report.findings
    );
}

pub fn assert_clean(machine: &Machine) {
    let report = machine.report();
    assert!(report.findings.is_empty() && report.bug_check.is_none(), "{report:?}");
}

/// Creates a file for reading and writing.
pub fn create(session: &Session, name: &str) -> Result<Result<Handle, NtStatus>, Stopped> {
    let path = utf16(&format!("\\{name}"));
    let request = OpenRequest::on_volume(&path)
        .access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE | nt_abi::DELETE)
        .disposition(nt_abi::FILE_OPEN_IF)
        .options(nt_abi::FILE_NON_DIRECTORY_FILE);
    Ok(session.open(&request)?.map(|opened| opened.handle))
}

/// Runs `f` with a fresh file of ten bytes, and closes it.
pub fn with_file<R>(
    machine: &Machine,
    name: &str,
    f: impl FnOnce(&Session, &Handle) -> Result<R, Stopped>,
) -> R {
    machine
        .run(|session| {
            let handle = create(session, name)?.expect("a new file");
            let result = f(session, &handle)?;
            session.close(handle)?;
            Ok(result)
        })
        .unwrap_or_else(|Stopped| panic!("the machine stopped: {:?}", machine.report()))
}

/// Opens a file that is there, for reading and writing, runs `f` and closes it. The first transfer of a handle is an
/// IRP: its cache map is made then, and fast I/O needs one.
pub fn with_existing<R>(
    machine: &Machine,
    name: &str,
    f: impl FnOnce(&Session, &Handle) -> Result<R, Stopped>,
) -> R {
    machine
        .run(|session| {
            let path = utf16(&format!("\\{name}"));
            let request = OpenRequest::on_volume(&path).access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE);
            let handle = session.open(&request)?.expect("the file").handle;
            let result = f(session, &handle)?;
            session.close(handle)?;
            Ok(result)
        })
        .unwrap_or_else(|Stopped| panic!("the machine stopped: {:?}", machine.report()))
}

/// Callbacks of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchCounts {
    pub pre: u64,
    pub post: u64,
    pub failed: u64,
}

/// One entry of modwatch's log.
#[derive(Clone, Debug)]
pub struct WatchEntry {
    pub major: u8,
    pub post: bool,
    pub irql: u8,
    pub top_level: u8,
    pub status: u32,
    pub file: u64,
    pub thread: u64,
    pub resource: u64,
    pub offset: u64,
}

/// What modwatch found; results.h has the layout.
pub struct WatchResults {
    pub checks: u64,
    pub failed_lines: Vec<u32>,
    /// Files locked for sections with only readers, and with writers.
    pub sections: (u16, u16),
    pub mapped_writes: u64,
    pub flush_writes: u64,
    /// Callbacks of the page writer's writes that its releases interrupted; of those inside critical regions.
    pub interrupted: (u64, u64),
    /// Of those inside a loop that calls nothing.
    pub interrupted_loops: u64,
    pub log: Vec<WatchEntry>,
    operations: Vec<WatchCounts>,
}

impl WatchResults {
    pub fn of(&self, major: u8) -> WatchCounts {
        self.operations[usize::from(0xFF - major)]
    }
}

pub fn watch_results(machine: &Machine, name: &str) -> WatchResults {
    let address = service_qword(machine, name, "Results").expect("the driver wrote where its results are");
    const ENTRIES: usize = 256;
    let bytes = machine.read_memory(address as usize, 0x1F0 + ENTRIES * 48).expect("the image is there");
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"));
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
    assert_eq!(u32_at(0), 0x5744_4F4D, "the magic");
    let entry = |index: usize| {
        let at = 0x1F0 + index * 48;
        WatchEntry {
            major: bytes[at + 8],
            post: bytes[at + 9] == 1,
            irql: bytes[at + 10],
            top_level: bytes[at + 11],
            status: u32_at(at + 12),
            file: u64_at(at + 0x10),
            thread: u64_at(at + 0x18),
            resource: u64_at(at + 0x20),
            offset: u64_at(at + 0x28),
        }
    };
    let counts = |index: usize| {
        let at = 0x118 + index * 24;
        WatchCounts { pre: u64_at(at), post: u64_at(at + 8), failed: u64_at(at + 16) }
    };
    WatchResults {
        checks: u64_at(8),
        failed_lines: (0..32).map(|index| u32_at(0x18 + index * 8)).filter(|line| *line != 0).collect(),
        sections: (u32_at(4) as u16, (u32_at(4) >> 16) as u16),
        mapped_writes: u64_at(0x1C0),
        flush_writes: u64_at(0x1C8),
        interrupted: (u64_at(0x1D0), u64_at(0x1D8)),
        interrupted_loops: u64_at(0x1E0),
        log: (0..(u64_at(0x1E8) as usize).min(ENTRIES)).map(entry).collect(),
        operations: (0..7).map(counts).collect(),
    }
}
