//! Why a driver could not be built.

use std::fmt;
use std::path::Path;

/// What went wrong, in words for the person who started the build.
#[derive(Debug)]
pub enum Failure {
    /// A compiler, linker or header set is not installed, or too old. The text says what to install.
    Missing(String),
    /// A source or an option cannot be used.
    Unusable(String),
    /// A tool found errors; what it printed, unchanged.
    Tool(String),
}

impl Failure {
    /// A file that could not be read or written.
    pub(crate) fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::Unusable(format!("{}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(text) | Self::Unusable(text) | Self::Tool(text) => f.write_str(text.trim_end()),
        }
    }
}

impl std::error::Error for Failure {}
