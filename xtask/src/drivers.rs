//! `cargo xtask drivers`: builds the drivers in `drivers/` with clang, reproducibly.
//!
//! The recipe is the crate `driver-build`'s. Every path that reaches the compiler is relative to the repository's root, so that the bytes do not
//! depend on where it lies. The committed copies stand in `drivers/bin`, each `.sys` beside its `.inf`.

use crate::layout;
use crate::process::{Failure, Outcome, root, target};
use driver_build::{Kit, Prepared, Recipe, Tools};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Arguments {
    /// Build elsewhere and compare with the committed files
    #[arg(long)]
    check: bool,
    /// Where to put the built drivers
    #[arg(long, default_value = "drivers/bin")]
    out: PathBuf,
}

/// One driver: every C file of its folder, with these macros defined.
struct Driver {
    name: &'static str,
    folder: &'static str,
    defines: &'static [&'static str],
}

const DRIVERS: &[Driver] = &[
    Driver { name: "passthrough", folder: "passthrough", defines: &[] },
    Driver { name: "guard", folder: "guard", defines: &[] },
    Driver { name: "xorcrypt", folder: "xorcrypt", defines: &[] },
    Driver { name: "heartbeat", folder: "heartbeat", defines: &[] },
    Driver { name: "sehtest", folder: "sehtest", defines: &[] },
    Driver { name: "iopbtest", folder: "iopbtest", defines: &[] },
    Driver { name: "deferrer", folder: "deferrer", defines: &[] },
    Driver { name: "modwatch", folder: "modwatch", defines: &[] },
    Driver { name: "names", folder: "names", defines: &[] },
    Driver { name: "provider", folder: "provider", defines: &[] },
    Driver { name: "tracker", folder: "tracker", defines: &[] },
    Driver { name: "deadlock", folder: "deadlock", defines: &[] },
    Driver { name: "attachtest", folder: "attachtest", defines: &[] },
    Driver { name: "legacy", folder: "legacy", defines: &[] },
    Driver { name: "objtest", folder: "objtest", defines: &[] },
    Driver { name: "ownfcb", folder: "ownfcb", defines: &[] },
    Driver { name: "swapall", folder: "swapall", defines: &[] },
    Driver { name: "swaptest", folder: "swaptest", defines: &[] },
    Driver { name: "resources", folder: "resources", defines: &[] },
    Driver { name: "kselftest", folder: "kselftest", defines: &[] },
    Driver { name: "badapples", folder: "badapples", defines: &[] },
    Driver { name: "failentry", folder: "badapples", defines: &["FAIL_ENTRY"] },
];

/// The version of clang and lld whose bytes `drivers/bin` holds.
const LLVM: u32 = 19;

pub fn run(arguments: &Arguments) -> Outcome {
    if arguments.check {
        return check();
    }
    let out = root().join(&arguments.out);
    build(&out)?;
    println!("{} drivers built into {}", DRIVERS.len(), arguments.out.display());
    Ok(())
}

/// Checks the headers, builds every driver and copies its INF beside it.
pub fn build(out: &Path) -> Outcome {
    std::fs::create_dir_all(out)?;
    let work = target().join("xtask-drivers");
    let prepared = Prepared::build(Tools::exactly(LLVM)?, Kit::at("include"), &work.join("kit"), &root())?;
    prepared.check_syntax(&layout::assertions()?)?;
    for driver in DRIVERS {
        build_driver(driver, &prepared, &work.join(driver.name), out)?;
    }
    Ok(())
}

/// Builds into a folder of its own and compares every byte with `drivers/bin`.
pub fn check() -> Outcome {
    let fresh = target().join("drivers-check");
    build(&fresh)?;
    let mut different = Vec::new();
    for driver in DRIVERS {
        for extension in ["sys", "inf"] {
            let name = format!("{}.{extension}", driver.name);
            let built = std::fs::read(fresh.join(&name))?;
            if std::fs::read(root().join("drivers/bin").join(&name)).ok() != Some(built) {
                different.push(name);
            }
        }
    }
    if different.is_empty() {
        println!("drivers/bin holds what its sources build");
        return Ok(());
    }
    Err(Failure::new(format!(
        "drivers/bin differs from what its sources build: {}. Run `cargo xtask drivers` and commit.",
        different.join(", ")
    )))
}

fn build_driver(driver: &Driver, prepared: &Prepared, work: &Path, out: &Path) -> Outcome {
    std::fs::create_dir_all(work)?;
    let folder = Path::new("drivers").join(driver.folder);
    let mut sources = files(&folder, "c")?;
    sources.extend(files(Path::new("drivers/parameters"), "c")?);
    sources.extend(files(&folder, "def")?);
    let mut flags: Vec<OsString> =
        ["-Wall", "-Wextra", "-Werror", "-Wincompatible-pointer-types", "-Wno-unused-parameter"]
            .iter()
            .map(OsString::from)
            .collect();
    flags.extend(driver.defines.iter().map(|define| format!("-D{define}").into()));
    let recipe =
        Recipe { sources, output: out.join(driver.name).with_extension("sys"), flags, ..Recipe::default() };
    let messages = recipe.build_in(prepared, work)?;
    if !messages.is_empty() {
        eprint!("{messages}");
    }
    let inf = format!("{}.inf", driver.name);
    std::fs::copy(root().join(&folder).join(&inf), out.join(&inf))?;
    Ok(())
}

/// Files of a folder with an extension, in order, relative to the repository's root.
fn files(folder: &Path, extension: &str) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder))? {
        let path = folder.join(entry?.file_name());
        if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
