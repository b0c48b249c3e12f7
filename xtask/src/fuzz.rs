//! `cargo xtask fuzz`: fuzz targets, each against its oracle.
//!
//! Needs a nightly toolchain and cargo-fuzz. Where there is none, the soak of the same name judges damaged inputs
//! without them. Inputs that a run finds go, once the fault is mended, into `fuzz/regressions`, which tests replay.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::process::{self, Failure, Outcome, answers, cargo, command};

/// A target: its file in `fuzz/fuzz_targets`, and the example that writes the inputs to start from.
struct Target {
    name: &'static str,
    seeds: &'static [&'static str],
    about: &'static str,
}

const TARGETS: &[Target] = &[Target {
    name: "pe",
    seeds: &["run", "--quiet", "--package", "pe-oracle", "--example", "seeds", "--"],
    about: "the PE parser on arbitrary bytes, with the object crate as oracle",
}];

#[derive(clap::Args)]
pub struct Arguments {
    /// Which target
    target: String,
    /// How long
    #[arg(long, default_value_t = 600)]
    seconds: u64,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let Some(target) = TARGETS.iter().find(|target| target.name == arguments.target) else {
        let list: Vec<String> =
            TARGETS.iter().map(|target| format!("  {:<10} {}", target.name, target.about)).collect();
        let name = &arguments.target;
        return Err(Failure::usage(format!(
            "no fuzz target is called {name}. Targets:\n{}",
            list.join("\n")
        )));
    };
    if !answers("cargo", &["+nightly", "fuzz", "--version"]) {
        return Err(Failure::new(
            "fuzzing needs a nightly toolchain and cargo-fuzz: `rustup toolchain install nightly --profile minimal`, \
             `cargo install cargo-fuzz --locked`. Without them: `cargo xtask soak damaged-images`",
        ));
    }
    let corpus = format!("fuzz/corpus/{}", target.name);
    process::run(cargo(target.seeds).arg(&corpus))?;
    fuzz(target, &corpus, arguments.seconds)
}

/// Runs the fuzzer and reports what it counted. A difference or a crash is a failure that names the input.
fn fuzz(target: &Target, corpus: &str, seconds: u64) -> Outcome {
    // Not $CARGO, which names the stable toolchain's cargo.
    let mut fuzzer = command("cargo");
    for name in ["CARGO", "CARGO_MANIFEST_DIR", "RUSTUP_TOOLCHAIN", "RUSTC", "RUSTDOC"] {
        fuzzer.env_remove(name);
    }
    fuzzer.args(["+nightly", "fuzz", "run", target.name, corpus, "--"]);
    fuzzer.arg(format!("-max_total_time={seconds}"));
    fuzzer.args(["-print_final_stats=1", "-max_len=65536", "-rss_limit_mb=4096", "-timeout=10"]);
    let mut running = fuzzer.stderr(Stdio::piped()).spawn()?;
    let mut executions = None;
    for line in BufReader::new(running.stderr.take().expect("it is piped")).lines() {
        let line = line?;
        if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
            executions = count.trim().parse::<u64>().ok();
        }
        // cargo-fuzz prints the bytes of a failing input; its file is enough.
        if line.len() < 400 {
            eprintln!("{line}");
        }
    }
    if !running.wait()?.success() {
        return Err(Failure::new(format!("fuzzing {} found something: see above", target.name)));
    }
    let Some(executions) = executions else {
        return Err(Failure::new("the fuzzer did not say how often it ran"));
    };
    println!("{}: {executions} executions in {seconds} s, no finding", target.name);
    Ok(())
}
