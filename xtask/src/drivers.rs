//! `cargo xtask drivers`: builds the drivers in `drivers/` with clang, reproducibly.
//!
//! Every path that reaches the compiler is relative to the repository's root, so that the bytes do not
//! depend on where it lies. The committed copies stand in `drivers/bin`, each `.sys` beside its `.inf`.

use crate::layout;
use crate::process::{Failure, Outcome, command, root, run_quietly, target};
use std::path::{Path, PathBuf};
use std::process::Command;

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
    Driver { name: "iopbtest", folder: "iopbtest", defines: &[] },
    Driver { name: "attachtest", folder: "attachtest", defines: &[] },
    Driver { name: "ownfcb", folder: "ownfcb", defines: &[] },
    Driver { name: "swapall", folder: "swapall", defines: &[] },
    Driver { name: "swaptest", folder: "swaptest", defines: &[] },
    Driver { name: "badapples", folder: "badapples", defines: &[] },
    Driver { name: "failentry", folder: "badapples", defines: &["FAIL_ENTRY"] },
];

/// Modules whose export names `include/def` lists.
const IMPORT_LIBRARIES: &[&str] = &["fltmgr", "ntoskrnl", "hal", "cng"];

const MINGW: &str = "/usr/x86_64-w64-mingw32/include";

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
    std::fs::create_dir_all(&work)?;
    let resources = resource_directory()?;
    check_headers(&work, &resources)?;
    let mut libraries = Vec::new();
    for name in IMPORT_LIBRARIES {
        libraries.push(import_library(&Path::new("include/def").join(format!("{name}.def")), &work)?);
    }
    for driver in DRIVERS {
        build_driver(driver, &work, &resources, &libraries, out)?;
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

/// clang's own headers, which must stand ahead of mingw's.
fn resource_directory() -> Outcome<String> {
    let output = Command::new("clang-19").arg("-print-resource-dir").output().map_err(|error| {
        Failure::new(format!("clang-19: {error}. Run `cargo xtask setup` to install the C tools."))
    })?;
    Ok(format!("{}/include", String::from_utf8_lossy(&output.stdout).trim()))
}

/// clang as a cross compiler for x64 Windows drivers.
fn clang(resources: &str) -> Command {
    let mut clang = command("clang-19");
    clang.args(["-target", "x86_64-pc-windows-msvc", "-c", "-O2", "-ffreestanding", "-nostdinc"]);
    clang.args(["-fms-extensions", "-fms-compatibility", "-fasync-exceptions"]);
    // Functions that cannot throw need unwind tables as well: reports walk their stacks.
    clang.arg("-fasynchronous-unwind-tables");
    clang.args(["-fstack-protector-strong", "-Xclang", "-cfguard"]);
    clang.args(["-gdwarf-4", "-fdebug-compilation-dir=.", "-no-canonical-prefixes"]);
    clang.args(["-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-four-char-constants"]);
    // mingw-w64's ntifs.h takes its GCC way under clang's MSVC target only with __GNUC__ set.
    clang.args(["-D__GNUC__=4", "-D_AMD64_", "-D_WIN64", "-D_KERNEL_MODE=1"]);
    clang.args(["-D_WIN32_WINNT=0x0A00", "-DWINVER=0x0A00", "-DNTDDI_VERSION=0x0A000006"]);
    for directory in ["include", resources, &format!("{MINGW}/ddk"), MINGW] {
        clang.args(["-isystem", directory]);
    }
    clang
}

fn check_headers(work: &Path, resources: &str) -> Outcome {
    let source = work.join("layout.c");
    std::fs::write(&source, layout::assertions()?)?;
    run_quietly(clang(resources).args(["-fsyntax-only", "-w"]).arg(source))
}

fn import_library(list: &Path, work: &Path) -> Outcome<PathBuf> {
    let library = work.join(list.with_extension("lib").file_name().expect("a list has a name"));
    run_quietly(
        command("llvm-dlltool-19").args(["-m", "i386:x86-64", "-d"]).arg(list).arg("-l").arg(&library),
    )?;
    Ok(library)
}

fn build_driver(driver: &Driver, work: &Path, resources: &str, libraries: &[PathBuf], out: &Path) -> Outcome {
    let folder = Path::new("drivers").join(driver.folder);
    let objects = work.join(driver.name);
    std::fs::create_dir_all(&objects)?;
    let mut sources = files(&folder, "c")?;
    sources.extend(files(Path::new("drivers/parameters"), "c")?);
    sources.extend(files(Path::new("include/crt"), "c")?);
    sources.extend(files(Path::new("include/crt"), "S")?);
    let mut link = command("lld-link-19");
    link.args(["/driver", "/subsystem:native", "/entry:GsDriverEntry", "/nodefaultlib", "/Brepro"]);
    link.args(["/debug:dwarf", "/guard:cf", "/section:INIT,ERD"]);
    for source in sources {
        let object = objects.join(source.with_extension("obj").file_name().expect("a source has a name"));
        let mut compile = clang(resources);
        compile.args(driver.defines.iter().map(|define| format!("-D{define}")));
        run_quietly(compile.arg(&source).arg("-o").arg(&object))?;
        link.arg(object);
    }
    for list in files(&folder, "def")? {
        link.arg(import_library(&list, &objects)?);
    }
    link.args(libraries);
    run_quietly(link.arg(format!("/out:{}", out.join(driver.name).with_extension("sys").display())))?;
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
