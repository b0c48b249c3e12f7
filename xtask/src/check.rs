//! `cargo xtask check`: what must hold before a commit, beside the tests.

use std::path::Path;

use crate::process::{self, Failure, Outcome, cargo, root};
use crate::{drivers, headers, spec};

/// Formatting, lints, documentation, the committed drivers against their sources, and the citations.
pub fn run() -> Outcome {
    process::run(&mut cargo(&["fmt", "--all", "--check"]))?;
    process::run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    process::run(cargo(&["doc", "--no-deps", "--workspace"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    no_thread_locals()?;
    headers::check()?;
    drivers::check()?;
    spec::check()
}

/// Crates whose state must belong to a machine: another scheduler may run many kernel threads on one OS thread.
const MACHINE_CRATES: &[&str] = &["kernel", "fs", "filter", "native"];

/// There is no `thread_local!` above the boundary, save in tests, which keep to the thread that they attached.
fn no_thread_locals() -> Outcome {
    for folder in MACHINE_CRATES {
        search(&root().join(folder))?;
    }
    Ok(())
}

fn search(folder: &Path) -> Outcome {
    let unreadable = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                search(&path)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && std::fs::read_to_string(&path).map_err(unreadable)?.contains("thread_local!")
        {
            return Err(Failure::new(format!(
                "{}: thread_local! above the boundary; keep the state in KTHREAD or in the machine",
                path.display()
            )));
        }
    }
    Ok(())
}
