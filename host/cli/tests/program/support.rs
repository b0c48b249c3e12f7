//! Runs the program and keeps what it said.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// What a run of the program left.
pub struct Ran {
    /// Exit code; -1 for a signal.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Stdout as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in:\n{self}"))
    }

    /// Fails unless the program ended with `code`.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{self}");
        self
    }

    /// Fails unless stderr holds every one of `texts`.
    #[track_caller]
    pub fn complains_of(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stderr.contains(text), "no {text:?} in:\n{self}");
        }
        self
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

/// Runs `altimeter` with these arguments.
pub fn altimeter<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_altimeter"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
    Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// `altimeter run DRIVER --json - …`
pub fn run_json(drivers: &[PathBuf], more: &[&str]) -> Ran {
    let mut arguments: Vec<&OsStr> = vec!["run".as_ref(), "--json".as_ref(), "-".as_ref()];
    arguments.extend(drivers.iter().map(|path| path.as_os_str()));
    arguments.extend(more.iter().map(OsStr::new));
    altimeter(arguments)
}

/// A built driver, an INF beside it.
pub fn driver(name: &str) -> PathBuf {
    let folder = std::env::var_os("ALTIMETER_DRIVERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../drivers/bin"), PathBuf::from);
    folder.join(name)
}

/// The image of a built driver.
pub fn image(name: &str) -> Vec<u8> {
    let path = driver(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A fresh directory.
pub fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Writes a file and returns its path.
pub fn file(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("a temporary file can be written");
    path
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are Unicode")
}
