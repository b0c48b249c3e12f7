//! `cargo xtask mutants`: whether the tests notice when the code does something else.
//!
//! Takes a seeded sample of the mutants that cargo-mutants knows of one crate, and runs for each the tests of that
//! crate and those of the machine, which reach it from native drivers. A mutant that does not compile is not viable;
//! one that no test notices is alive; tests that do not end notice it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::process::{self, Failure, Outcome, answers, cargo, root, target};

#[derive(clap::Args)]
pub struct Arguments {
    /// Which crate
    #[arg(long, default_value = "fltmgr")]
    package: String,
    /// How many mutants
    #[arg(long, default_value_t = 300)]
    sample: usize,
    /// Which sample
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many at once
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Only those that the last run did not see noticed
    #[arg(long)]
    again: bool,
}

/// Of the viable mutants this share may be alive, in percent.
const ALIVE: usize = 10;

pub fn run(arguments: &Arguments) -> Outcome {
    if !answers("cargo", &["mutants", "--version"]) || !answers("cargo", &["nextest", "--version"]) {
        return Err(Failure::new(
            "mutants need two cargo commands: `cargo install cargo-mutants cargo-nextest --locked`",
        ));
    }
    let sample = sample(list(&arguments.package)?, arguments.sample, arguments.seed);
    let folder = target().join("mutants");
    std::fs::create_dir_all(&folder)?;
    let config = folder.join("sample.toml");
    let patterns: Vec<Value> = sample.iter().map(|name| Value::from(format!("^{}$", escape(name)))).collect();
    let known = process::read(&root().join(".cargo/mutants.toml"))?;
    std::fs::write(&config, format!("examine_re = {}\n{known}", Value::from(patterns)))?;
    println!("{} mutants of {}, seed {}", sample.len(), arguments.package, arguments.seed);

    let mut mutants = cargo(&["mutants", "--no-shuffle", "--timeout", "240"]);
    mutants.args(["--jobs", &arguments.jobs.to_string(), "--package", &arguments.package]);
    mutants.arg("--config").arg(&config).arg("--output").arg(&folder);
    if arguments.again {
        mutants.arg("--iterate");
    }
    // Its exit code tells of mutants that live; how many is judged here.
    eprintln!("xtask: cargo mutants on {}", config.display());
    mutants.status()?;
    judge(&process::read(&folder.join("mutants.out/outcomes.json"))?, &sample)
}

/// The names of all mutants of a crate.
fn list(package: &str) -> Outcome<Vec<String>> {
    let output = cargo(&["mutants", "--list", "--json", "--package", package]).output()?;
    let listed: Vec<Value> = serde_json::from_slice(&output.stdout)
        .map_err(|error| Failure::new(format!("cargo mutants --list --package {package}: {error}")))?;
    Ok(listed.iter().filter_map(|mutant| Some(mutant.get("name")?.as_str()?.to_owned())).collect())
}

/// `count` of `names`, the same ones for the same seed.
fn sample(mut names: Vec<String>, count: usize, seed: u64) -> BTreeSet<String> {
    names.sort();
    names.dedup();
    let mut state = seed;
    for at in (1..names.len()).rev() {
        // splitmix64
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        names.swap(at, ((mixed ^ (mixed >> 31)) % (at as u64 + 1)) as usize);
    }
    names.into_iter().take(count).collect()
}

fn escape(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Counts what became of the `sample`; some kinds of mutants are run whether they were asked for or not.
fn judge(outcomes: &str, sample: &BTreeSet<String>) -> Outcome {
    let outcomes: Value = serde_json::from_str(outcomes).map_err(|error| Failure::new(error.to_string()))?;
    let mut alive = Vec::new();
    let (mut noticed, mut unviable) = (0, 0);
    for outcome in outcomes["outcomes"].as_array().into_iter().flatten() {
        let Some(mutant) = outcome["scenario"]["Mutant"]["name"].as_str() else { continue };
        if !sample.contains(mutant) {
            continue;
        }
        match outcome["summary"].as_str() {
            Some("CaughtMutant" | "Timeout") => noticed += 1,
            Some("Unviable") => unviable += 1,
            _ => alive.push(mutant),
        }
    }
    for mutant in &alive {
        println!("alive: {mutant}");
    }
    let viable = noticed + alive.len();
    println!("{viable} viable mutants, {} alive, {noticed} noticed; {unviable} do not compile", alive.len());
    if alive.len() * 100 > viable * ALIVE {
        return Err(Failure::new(format!(
            "more than {ALIVE}% of the viable mutants are alive: tests are missing"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_takes_the_same_sample_and_another_seed_another() {
        let names = || (0..100).map(|n| format!("mutant {n}")).collect::<Vec<_>>();
        assert_eq!(sample(names(), 10, 1), sample(names().into_iter().rev().collect(), 10, 1));
        assert_ne!(sample(names(), 10, 1), sample(names(), 10, 2));
        assert_eq!(sample(names(), 10, 1).len(), 10);
    }

    #[test]
    fn more_than_a_tenth_alive_is_a_failure() {
        let outcomes = |alive: usize| {
            let one = |summary: &str| serde_json::json!({"scenario": {"Mutant": {"name": "m"}}, "summary": summary});
            let mut all: Vec<_> = (0..alive).map(|_| one("MissedMutant")).collect();
            all.extend((alive..20).map(|_| one("CaughtMutant")));
            all.push(one("Unviable"));
            all.push(
                serde_json::json!({"scenario": {"Mutant": {"name": "other"}}, "summary": "MissedMutant"}),
            );
            serde_json::json!({ "outcomes": all }).to_string()
        };
        let sample = BTreeSet::from(["m".to_owned()]);
        assert!(judge(&outcomes(2), &sample).is_ok());
        assert!(judge(&outcomes(3), &sample).is_err());
    }
}
