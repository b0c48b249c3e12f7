//! Exit codes, and the error that stands for "cannot be used as asked".

use std::fmt;

/// How the program ends. The numbers are part of its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Nothing to complain of.
    Clean,
    /// Findings or mismatches; imports that are not there.
    Findings,
    /// Wrong usage, unusable volume, unusable driver.
    Unusable,
    /// A bug check, or a host process that died.
    BugCheck,
    /// Ended from outside by this signal.
    Interrupted(i32),
}

impl Exit {
    /// The exit code.
    pub fn code(self) -> i32 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::Unusable => 2,
            Self::BugCheck => 3,
            Self::Interrupted(signal) => 128 + signal,
        }
    }
}

/// Something that the user gave cannot be used. The text names it and says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
