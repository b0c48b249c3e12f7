//! What a machine has to say about a driver short of a bug check: a typed finding with raw addresses.

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// A documented rule was broken.
    Error,
    /// Likely a mistake.
    Warning,
    /// Discouraged, but works as meant: a run stays clean.
    Advice,
}

impl Severity {
    /// Name as printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Advice => "advice",
        }
    }
}

/// A rule that a driver broke.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Statement ID (`PRE-10`) or a short name of the rule (`leak`).
    pub rule: &'static str,
    /// Weight.
    pub severity: Severity,
    /// Name of the driver at fault, empty when `places` has to tell.
    pub driver: String,
    /// What happened, where, and what to do.
    pub message: String,
    /// Addresses in driver images, innermost first; the host puts symbols to them.
    pub places: Vec<usize>,
}

impl Finding {
    /// An error with the place where the driver called the export that is being executed.
    pub fn error(rule: &'static str, driver: impl Into<String>, message: impl Into<String>) -> Self {
        let places =
            boundary::try_current().map(boundary::ProcessorBlock::export_callers).unwrap_or_default();
        Self { rule, severity: Severity::Error, driver: driver.into(), message: message.into(), places }
    }

    /// The same as a warning.
    pub fn warning(rule: &'static str, driver: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(rule, driver, message) }
    }
}
