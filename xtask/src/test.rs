//! `cargo xtask test`: everything that is tested, on freshly built drivers.

use crate::process::{self, Outcome, cargo, target};
use crate::{drivers, setup};

/// Installs what is missing, builds the drivers into `target/drivers`, runs the tests and the doctests.
/// Tests find the fresh drivers through the environment variable `ALTIMETER_DRIVERS`.
pub fn run() -> Outcome {
    if !setup::missing_packages().is_empty() {
        setup::run()?;
    }
    let built = target().join("drivers");
    drivers::build(&built)?;
    let nextest = cargo(&["nextest", "--version"]).output().is_ok_and(|output| output.status.success());
    let tests: &[&str] =
        if nextest { &["nextest", "run", "--workspace"] } else { &["test", "--workspace", "--all-targets"] };
    process::run(cargo(tests).env("ALTIMETER_DRIVERS", &built))?;
    process::run(cargo(&["test", "--workspace", "--doc"]).env("ALTIMETER_DRIVERS", &built))
}
