//! `cargo xtask miri`: tests under miri, which sees undefined behaviour that a run does not show.
//!
//! Only what stays in Rust and in its own memory can run there: no machine does, since it maps addresses of its own
//! choice, sets `gs` and runs native code. Left are the structures (`nt-abi`), the image parser (`pe`) and the store in memory.

use crate::process::{self, Failure, Outcome, answers, command};

/// What miri can run, and how cargo is asked for it.
const SUITES: &[(&str, &[&str])] = &[
    ("structures of the ABI", &["--package", "nt-abi"]),
    ("the image parser", &["--package", "pe", "--test", "parse"]),
    ("the store in memory", &["--package", "store", "--test", "conformance", "memory_store"]),
];

pub fn run() -> Outcome {
    if !answers("cargo", &["+nightly", "miri", "--version"]) {
        return Err(Failure::new(
            "miri needs a nightly toolchain: `rustup toolchain install nightly --profile minimal --component miri,rust-src`",
        ));
    }
    for (what, arguments) in SUITES {
        // Not $CARGO, which names the stable toolchain's cargo.
        let mut miri = command("cargo");
        for name in ["CARGO", "CARGO_MANIFEST_DIR", "RUSTUP_TOOLCHAIN", "RUSTC", "RUSTDOC"] {
            miri.env_remove(name);
        }
        // The tests read files of the repository, and the clock.
        miri.env("MIRIFLAGS", "-Zmiri-disable-isolation");
        process::run(miri.args(["+nightly", "miri", "test", "--quiet"]).args(*arguments))?;
        println!("miri: {what}: nothing found");
    }
    Ok(())
}
