//! The program `altimeter`: runs minifilter drivers over a volume and says what happened.
//!
//! ```text
//! altimeter run ─► supervisor (this process) ─► the same program once more, which hosts the machine
//!                  waits, reports its death        boots, loads, drives the workload, prints the report
//! altimeter explore ─► the same with a crew of hosts, each of which runs schedule after schedule (`explore`)
//! ```
//!
//! A driver runs as native code and can destroy the process that hosts it. The supervisor stays out of its
//! reach, so that even then the user gets a report and an exit code, never a bare signal.
//!
//! Refuses: to know how a machine works (that is the library `altimeter`).
#![forbid(unsafe_code)]

mod altitude;
mod arguments;
mod cc_command;
mod drivers_command;
mod explore;
mod exports_command;
mod human;
mod json;
mod monitor;
mod outcome;
mod output;
mod page;
mod phase;
mod plan;
mod run;
mod stack;
mod supervisor;
mod trace;
mod work;

use clap::Parser;

use arguments::{Arguments, Command};
use outcome::{Exit, Usage};

fn main() {
    let arguments = Arguments::parse();
    let exit = match &arguments.command {
        Command::Run(run) if supervisor::is_host() => run::host(run),
        Command::Run(run) => supervisor::supervise(run, std::env::args_os().skip(1)),
        Command::Explore(explore) if supervisor::is_host() => explore::host(explore),
        Command::Explore(explore) => explore::run(explore),
        Command::Exports(exports) => conclude(exports_command::run(exports)),
        Command::Cc(cc) => conclude(cc_command::run(cc)),
        Command::Drivers => conclude(drivers_command::run()),
    };
    std::process::exit(exit.code());
}

/// Says on stderr why something cannot be used.
fn conclude(result: Result<Exit, Usage>) -> Exit {
    result.unwrap_or_else(|usage| {
        eprintln!("error: {usage}");
        Exit::Unusable
    })
}
