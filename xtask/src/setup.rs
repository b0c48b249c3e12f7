//! `cargo xtask setup`: installs what building and testing need and the machine lacks.

use crate::process::{self, Outcome, answers, cargo, command};
use std::path::Path;

/// Debian packages and what shows that one is installed.
const PACKAGES: &[(&str, &str)] = &[
    ("clang-19", "/usr/bin/clang-19"),
    ("lld-19", "/usr/bin/lld-link-19"),
    ("llvm-19", "/usr/bin/llvm-dlltool-19"),
    ("cmake", "/usr/bin/cmake"),
    ("mingw-w64-x86-64-dev", "/usr/x86_64-w64-mingw32/include/ddk/ntifs.h"),
];

/// The packages that are not installed.
pub fn missing_packages() -> Vec<&'static str> {
    PACKAGES.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(package, _)| *package).collect()
}

/// Installs packages and cargo components that are missing; says what it does.
pub fn run() -> Outcome {
    let packages = missing_packages();
    if packages.is_empty() {
        eprintln!("xtask: the C tools are installed");
    } else {
        eprintln!("xtask: installs {} with apt-get", packages.join(", "));
        process::run(apt_get().args(["update", "-qq"]))?;
        process::run(apt_get().args(["install", "-y", "-qq", "--no-install-recommends"]).args(&packages))?;
    }
    for (component, probe) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if !cargo(&[probe, "--version"]).output().is_ok_and(|output| output.status.success()) {
            eprintln!("xtask: installs the cargo component {component} with rustup");
            process::run(command("rustup").args(["component", "add", component]))?;
        }
    }
    Ok(())
}

/// apt-get, through sudo where there is one and we are not root.
fn apt_get() -> std::process::Command {
    let root = std::process::Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == "0");
    if root || !answers("sudo", &["--version"]) {
        let mut apt = command("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    } else {
        let mut sudo = command("sudo");
        sudo.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        sudo
    }
}
