//! The developer's own commands: `cargo xtask <command>`.
//!
//! Owns what a developer or CI runs around cargo: installing tools, building the C drivers, the checks, the
//! coverage of the ledgers, benches and soaks. Holds nothing that the product needs at run time.

#![forbid(unsafe_code)]

mod bench;
mod check;
mod drivers;
mod fuzz;
mod headers;
mod layout;
mod miri;
mod mutants;
mod process;
mod setup;
mod soak;
mod spec;
mod test;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "xtask", about = "Altimeter's developer commands")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what building and testing need (Debian packages, cargo components)
    Setup,
    /// Build the C drivers and run every test on them
    Test,
    /// Formatting, lints, documentation, drivers and ledger citations
    Check,
    /// Which statements of the ledgers a test checks
    Spec(spec::Arguments),
    /// Run a named benchmark
    Bench(bench::Arguments),
    /// Run a named long, seeded run
    Soak(soak::Arguments),
    /// Run a fuzz target against its oracle (needs nightly and cargo-fuzz)
    Fuzz(fuzz::Arguments),
    /// Write the headers that come from Microsoft's published metadata
    Headers(headers::Arguments),
    /// Run under miri what miri can run (needs nightly)
    Miri,
    /// Change the code of a crate in many small ways and see whether the tests notice (needs cargo-mutants)
    Mutants(mutants::Arguments),
    /// Build the C drivers reproducibly into drivers/bin
    Drivers(drivers::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Setup => setup::run(),
        Command::Test => test::run(),
        Command::Check => check::run(),
        Command::Spec(arguments) => spec::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Soak(arguments) => soak::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Headers(arguments) => headers::run(&arguments),
        Command::Miri => miri::run(),
        Command::Mutants(arguments) => mutants::run(&arguments),
        Command::Drivers(arguments) => drivers::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}
