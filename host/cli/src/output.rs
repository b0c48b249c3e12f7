//! Where text goes. A reader that stops early (`| head`) is no error.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::outcome::Usage;

/// Writes to stdout.
pub fn standard(text: &str) -> Result<(), Usage> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Usage(format!("stdout cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes to stderr, where nobody can be told of a failure.
pub fn error(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Opens a file for results, before the work is done.
pub fn create(path: &Path) -> Result<File, Usage> {
    File::create(path).map_err(|error| cannot_write(path, &error))
}

/// Writes results into an opened file.
pub fn write(file: &mut File, path: &Path, text: &str) -> Result<(), Usage> {
    file.write_all(text.as_bytes()).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> Usage {
    Usage(format!("{}: cannot be written: {error}; choose another file", path.display()))
}
