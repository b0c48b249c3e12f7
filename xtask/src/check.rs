//! `cargo xtask check`: what must hold before a commit, beside the tests.

use crate::process::{self, Outcome, cargo};
use crate::{drivers, spec};

/// Formatting, lints, documentation, the committed drivers against their sources, and the citations.
pub fn run() -> Outcome {
    process::run(&mut cargo(&["fmt", "--all", "--check"]))?;
    process::run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    process::run(cargo(&["doc", "--no-deps", "--workspace"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    drivers::check()?;
    spec::check()
}
