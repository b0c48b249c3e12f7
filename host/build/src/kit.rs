//! The kit: our headers, export lists and run-time sources, as a folder or carried inside the program.

use std::io;
use std::path::{Path, PathBuf};

use crate::Failure;

/// Every file of `include/`: path below it, contents.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/kit_files.rs"));

/// Modules whose export names `def/` lists.
pub(crate) const MODULES: &[&str] = &["fltmgr", "ntoskrnl", "hal", "cng", "netio", "generated"];

/// Sources that every driver is linked with: entry point, security cookie, load configuration, stack probe.
pub(crate) const RUN_TIME: &[&str] = &["gs_support.c", "chkstk.S", "load_config.S"];

/// Sources of which a driver gets only what it names: GUIDs, the frame handler of C++.
pub(crate) const ON_DEMAND: &[&str] = &["guids.c", "cxx_frame.c"];

/// A folder that is laid out as the repository's `include/`.
#[derive(Clone, Debug)]
pub struct Kit {
    root: PathBuf,
}

impl Kit {
    /// The kit that lies in this folder.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Writes the kit that this program carries into a new folder.
    pub(crate) fn unpack(root: &Path) -> Result<Self, Failure> {
        for (name, contents) in FILES {
            let path = root.join(name);
            write(&path, contents).map_err(|error| Failure::file(&path, &error))?;
        }
        Ok(Self::at(root))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn export_list(&self, module: &str) -> PathBuf {
        self.root.join("def").join(format!("{module}.def"))
    }

    pub(crate) fn run_time(&self, source: &str) -> PathBuf {
        self.root.join("crt").join(source)
    }

    /// A number that changes with any byte of the kit that this program carries, and with what is built from it
    /// (64-bit FNV-1a).
    pub(crate) fn fingerprint() -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let parts = FILES.iter().map(|(name, contents)| (*name, *contents));
        let recipe = MODULES.iter().chain(RUN_TIME).chain(ON_DEMAND).map(|name| (*name, &b""[..]));
        for (name, contents) in parts.chain(recipe) {
            for byte in name.as_bytes().iter().chain([&0]).chain(contents) {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        hash
    }
}

fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    std::fs::create_dir_all(path.parent().expect("a file of the kit lies in a folder"))?;
    std::fs::write(path, contents)
}
