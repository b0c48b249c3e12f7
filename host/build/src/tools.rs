//! Finds clang, lld-link, llvm-dlltool and mingw-w64's headers.
//!
//! Versions before 19 are refused: their scope tables hold only the calls inside a `__try` block, not its memory
//! accesses, so a driver's handlers would not see faults.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;

/// The first version whose structured exceptions are right.
const OLDEST: u32 = 19;
/// The newest suffix that is tried. The unsuffixed program may be newer.
const NEWEST: u32 = 30;

const INSTALL: &str = "On Debian and Ubuntu: apt-get install clang-19 lld-19 llvm-19 mingw-w64-x86-64-dev";

/// Where distributions keep mingw-w64's headers.
const MINGW: &[&str] = &["/usr/x86_64-w64-mingw32/include", "/usr/x86_64-w64-mingw32/sys-root/mingw/include"];

/// Names the folder with mingw-w64's headers where they are none of the usual ones.
const MINGW_VARIABLE: &str = "ALTIMETER_MINGW_INCLUDE";

/// The programs and headers of one installation.
#[derive(Clone, Debug)]
pub struct Tools {
    /// `""` or `-19`: what follows the name of each LLVM program.
    suffix: String,
    /// The version that clang says.
    pub version: String,
    /// clang's own headers, which stand ahead of mingw's.
    pub(crate) resources: PathBuf,
    /// mingw-w64's headers; the kernel's are in `ddk` below.
    pub(crate) mingw: PathBuf,
}

impl Tools {
    /// The first installation that is complete and new enough: `clang-19`, later versions, then `clang`.
    ///
    /// Errors: `Missing`, with what to install
    pub fn find() -> Result<Self, Failure> {
        let suffixes = (OLDEST..=NEWEST).map(|version| format!("-{version}")).chain([String::new()]);
        let mut reasons = Vec::new();
        for suffix in suffixes {
            match Self::with_suffix(&suffix) {
                Ok(tools) => return Ok(tools),
                Err(Some(reason)) => reasons.push(reason),
                Err(None) => {}
            }
        }
        reasons.push(format!("building drivers needs clang, lld and llvm-dlltool, version {OLDEST} or later, and mingw-w64's headers"));
        Err(Failure::Missing(format!("{}\n{INSTALL}", reasons.join("\n"))))
    }

    /// Exactly this version, for builds whose bytes are compared.
    ///
    /// Errors: `Missing`, with what to install
    pub fn exactly(version: u32) -> Result<Self, Failure> {
        Self::with_suffix(&format!("-{version}")).map_err(|reason| {
            let reason = reason.unwrap_or_else(|| format!("clang-{version} is not installed"));
            Failure::Missing(format!("{reason}\n{INSTALL}"))
        })
    }

    /// `None`: there is no clang of this name.
    fn with_suffix(suffix: &str) -> Result<Self, Option<String>> {
        let clang = format!("clang{suffix}");
        let version = answer(&clang, "-dumpversion").ok_or(None)?;
        let major: u32 = version.split('.').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        if major < OLDEST {
            return Err(Some(format!("{clang} is version {version}; {OLDEST} or later is needed")));
        }
        for program in ["lld-link", "llvm-dlltool"] {
            let name = format!("{program}{suffix}");
            if !starts(&name) {
                return Err(Some(format!("{clang} is installed, {name} is not")));
            }
        }
        let resources = answer(&clang, "-print-resource-dir")
            .ok_or_else(|| Some(format!("{clang} does not say where its headers are")))?;
        Ok(Self {
            suffix: suffix.into(),
            version,
            resources: Path::new(&resources).join("include"),
            mingw: mingw().map_err(Some)?,
        })
    }

    pub(crate) fn clang(&self) -> Command {
        Command::new(format!("clang{}", self.suffix))
    }

    pub(crate) fn linker(&self) -> Command {
        Command::new(format!("lld-link{}", self.suffix))
    }

    pub(crate) fn import_librarian(&self) -> Command {
        Command::new(format!("llvm-dlltool{}", self.suffix))
    }
}

fn mingw() -> Result<PathBuf, String> {
    let holds = |folder: &Path| folder.join("ddk/ntifs.h").exists();
    if let Some(folder) = std::env::var_os(MINGW_VARIABLE).map(PathBuf::from) {
        let missing = format!("{MINGW_VARIABLE} is {}, which has no ddk/ntifs.h", folder.display());
        return if holds(&folder) { Ok(folder) } else { Err(missing) };
    }
    MINGW.iter().map(PathBuf::from).find(|folder| holds(folder)).ok_or_else(|| {
        format!(
            "mingw-w64's headers (ddk/ntifs.h) are not in {}; set {MINGW_VARIABLE} if they are elsewhere",
            MINGW.join(" or ")
        )
    })
}

/// What the program prints for one option, if it starts at all.
fn answer(program: &str, option: &str) -> Option<String> {
    let output = Command::new(program).arg(option).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether the program exists; lld-link and llvm-dlltool may complain about having nothing to do.
fn starts(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}
