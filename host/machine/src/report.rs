//! What a machine has to say at the end, with symbols put to addresses.

use crate::self_test::SelfTest;

/// Everything that a run found out.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Loaded drivers, highest altitude first.
    pub drivers: Vec<DriverReport>,
    /// Rules that were broken, in order.
    pub findings: Vec<FindingReport>,
    /// What ended the machine, if something did.
    pub bug_check: Option<BugCheckReport>,
}

/// One driver.
#[derive(Clone, Debug, Default)]
pub struct DriverReport {
    /// Service name.
    pub name: String,
    /// Path of its image, as given.
    pub image: String,
    /// Altitude of its default instance.
    pub altitude: String,
    /// Where it is attached.
    pub instances: Vec<InstanceReport>,
    /// How often its callbacks ran.
    pub callbacks: Vec<CallbackReport>,
    /// What it found when it tested itself, if it does.
    pub self_test: Option<SelfTest>,
}

/// One instance.
#[derive(Clone, Debug, Default)]
pub struct InstanceReport {
    /// Its name.
    pub name: String,
    /// Device name of its volume.
    pub volume: String,
    /// Its altitude.
    pub altitude: String,
}

/// One operation of one driver.
#[derive(Clone, Debug, Default)]
pub struct CallbackReport {
    /// `IRP_MJ_WRITE` …
    pub operation: &'static str,
    /// Preoperation callbacks.
    pub pre: u64,
    /// Postoperation callbacks.
    pub post: u64,
    /// Time spent in both.
    pub nanoseconds: u64,
}

/// One finding.
#[derive(Clone, Debug, Default)]
pub struct FindingReport {
    /// Statement or short name of the rule.
    pub rule: String,
    /// `error`, `warning` or `advice`.
    pub severity: String,
    /// The driver at fault.
    pub driver: String,
    /// What happened, and what to do.
    pub message: String,
    /// Where, innermost first.
    pub places: Vec<String>,
}

impl FindingReport {
    /// Whether it is advice only: a run with nothing else is clean.
    pub fn is_advice(&self) -> bool {
        self.severity == "advice"
    }
}

/// What ended the machine.
#[derive(Clone, Debug, Default)]
pub struct BugCheckReport {
    /// Bug check code.
    pub code: u32,
    /// Its name.
    pub name: String,
    /// Service name of the driver to blame, if one is.
    pub driver: String,
    /// Image of the address to blame.
    pub module: String,
    /// Offset in that image.
    pub offset: u64,
    /// Function and line, where symbols are there.
    pub symbol: String,
    /// What happened, and what to do.
    pub message: String,
    /// Frames, innermost first.
    pub stack: Vec<String>,
    /// Registers at the fault.
    pub registers: Vec<(&'static str, u64)>,
    /// The last operations and who saw them.
    pub last_operations: Vec<String>,
    /// Threads that wait for ever.
    pub threads: Vec<StuckThreadReport>,
}

/// A thread of a deadlock.
#[derive(Clone, Debug, Default)]
pub struct StuckThreadReport {
    /// Its number.
    pub thread: u32,
    /// What it is called, such as `worker`.
    pub name: String,
    /// What it waits for.
    pub waits_for: String,
    /// Where, innermost first.
    pub waits_at: Vec<String>,
    /// What it holds.
    pub holds: Vec<HeldLockReport>,
}

/// A lock that a thread of a deadlock holds.
#[derive(Clone, Debug, Default)]
pub struct HeldLockReport {
    /// Which, and how.
    pub lock: String,
    /// Where it was taken, innermost first.
    pub taken_at: Vec<String>,
}

/// Order of `FaultInfo::registers`.
pub(crate) const REGISTERS: [&str; 18] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15", "rip", "rflags",
];
