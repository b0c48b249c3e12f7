//! `cargo xtask mutants`: whether the tests notice when the code does something else.
//!
//! Takes a seeded sample of the mutants that cargo-mutants knows of one crate, and runs for each the tests of that
//! crate and those of the machine, which reach it from native drivers. A mutant that does not compile is not viable;
//! one that no test notices is alive; tests that do not end notice it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

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
    /// Only those of the sample that the runs so far did not see noticed: for tests that are new
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
    let known = folder.join("known.json");
    let mut outcomes: Outcomes = match std::fs::read(&known) {
        Ok(bytes) if arguments.again => serde_json::from_slice(&bytes)
            .map_err(|error| Failure::new(format!("{}: {error}; run without --again", known.display())))?,
        _ => Outcomes::new(),
    };
    let left: BTreeSet<&String> = sample
        .iter()
        .filter(|name| outcomes.get(*name).is_none_or(|known| *known == Became::Alive))
        .collect();
    println!(
        "{} mutants of {}, seed {}, {} to run",
        sample.len(),
        arguments.package,
        arguments.seed,
        left.len()
    );
    if !left.is_empty() {
        outcomes.extend(try_out(arguments, &folder, &left)?);
        std::fs::write(&known, serde_json::to_vec(&outcomes).expect("a map of names"))?;
    }
    judge(&outcomes, &sample)
}

/// What became of each mutant, by its name.
type Outcomes = BTreeMap<String, Became>;

#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Became {
    Noticed,
    Alive,
    /// It does not compile.
    Unviable,
}

/// Runs the tests with each of the mutants.
fn try_out(arguments: &Arguments, folder: &Path, mutants: &BTreeSet<&String>) -> Outcome<Outcomes> {
    let config = folder.join("sample.toml");
    let patterns: Vec<Value> =
        mutants.iter().map(|name| Value::from(format!("^{}$", escape(name)))).collect();
    let settings = process::read(&root().join(".cargo/mutants.toml"))?;
    std::fs::write(&config, format!("examine_re = {}\n{settings}", Value::from(patterns)))?;
    let found = folder.join("mutants.out/outcomes.json");
    // What an earlier run left must not pass for what this one finds.
    let _ = std::fs::remove_file(&found);
    let mut command = cargo(&["mutants", "--no-shuffle", "--timeout", "240"]);
    command.args(["--jobs", &arguments.jobs.to_string(), "--package", &arguments.package]);
    command.arg("--config").arg(&config).arg("--output").arg(folder);
    eprintln!("xtask: cargo mutants on {}", config.display());
    // Its exit code tells of mutants that live; how many is judged here.
    command.status()?;
    outcomes(&process::read(&found)?)
}

/// The names of all mutants of a crate.
fn list(package: &str) -> Outcome<Vec<String>> {
    let output = cargo(&["mutants", "--list", "--json", "--package", package]).output()?;
    let listed: Vec<Value> = serde_json::from_slice(&output.stdout)
        .map_err(|error| Failure::new(format!("cargo mutants --list --package {package}: {error}")))?;
    Ok(listed.iter().filter_map(|mutant| Some(mutant.get("name")?.as_str()?.to_owned())).collect())
}

/// `count` of `names`, the same ones for the same seed; a change of the code changes few of them.
fn sample(names: Vec<String>, count: usize, seed: u64) -> BTreeSet<String> {
    let mut alike = BTreeMap::new();
    let mut keyed: Vec<(u64, String)> = names
        .into_iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(|name| {
            let what = without_place(&name);
            let which: &mut u64 = alike.entry(what.clone()).or_default();
            *which += 1;
            (hash(what.as_bytes(), seed.wrapping_add(which.rotate_left(32))), name)
        })
        .collect();
    keyed.sort();
    keyed.into_iter().take(count).map(|(_, name)| name).collect()
}

/// A mutant's name without its line and column, which change with any line above.
fn without_place(name: &str) -> String {
    let parts: Vec<&str> = name.splitn(4, ':').collect();
    match parts[..] {
        [file, _, _, what] => format!("{file}:{what}"),
        _ => name.to_owned(),
    }
}

/// FNV-1a, and the end of splitmix64.
fn hash(bytes: &[u8], seed: u64) -> u64 {
    let fnv = bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3)
    });
    let mut mixed = fnv.wrapping_add(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
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

/// What a run found. Errors: the tests fail without any mutant, too
fn outcomes(found: &str) -> Outcome<Outcomes> {
    let found: Value = serde_json::from_str(found).map_err(|error| Failure::new(error.to_string()))?;
    let mut all = Outcomes::new();
    for outcome in found["outcomes"].as_array().into_iter().flatten() {
        let became = match outcome["summary"].as_str() {
            Some("CaughtMutant" | "Timeout") => Became::Noticed,
            Some("Unviable") => Became::Unviable,
            _ => Became::Alive,
        };
        match outcome["scenario"]["Mutant"]["name"].as_str() {
            Some(mutant) => {
                all.insert(mutant.to_owned(), became);
            }
            None if outcome["summary"] == "Success" => {}
            None => {
                return Err(Failure::new(
                    "the tests fail without any mutant: mend them first (`cargo xtask test`)",
                ));
            }
        }
    }
    Ok(all)
}

/// Counts what became of the `sample`; some kinds of mutants are run whether they were asked for or not.
fn judge(outcomes: &Outcomes, sample: &BTreeSet<String>) -> Outcome {
    let those = |became| {
        let outcomes = outcomes.iter();
        outcomes
            .filter(move |(name, outcome)| **outcome == became && sample.contains(*name))
            .map(|(name, _)| name)
    };
    for mutant in those(Became::Alive) {
        println!("alive: {mutant}");
    }
    let (alive, noticed, unviable) =
        (those(Became::Alive).count(), those(Became::Noticed).count(), those(Became::Unviable).count());
    let viable = noticed + alive;
    println!("{viable} viable mutants, {alive} alive, {noticed} noticed; {unviable} do not compile");
    let missing = sample.len() - viable - unviable;
    if missing != 0 || viable == 0 {
        return Err(Failure::new(format!("{missing} mutants were not run, or none can be: see above")));
    }
    if alive * 100 > viable * ALIVE {
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
    fn lines_that_move_leave_the_sample_as_it_is() {
        let names = |line: usize| {
            (0..100)
                .map(|n| format!("src/a.rs:{}:5: replace {} with 0 in f", line + n, n / 2))
                .collect::<Vec<_>>()
        };
        let taken =
            |line| sample(names(line), 10, 1).iter().map(|name| without_place(name)).collect::<Vec<_>>();
        assert_eq!(taken(100), taken(200));
        assert_eq!(without_place("src/a.rs:3:5: replace a::b with c"), "src/a.rs: replace a::b with c");
    }

    fn found(baseline: &str, alive: usize) -> String {
        let one = |name: &str, summary: &str| serde_json::json!({"scenario": {"Mutant": {"name": name}}, "summary": summary});
        let mut all = vec![serde_json::json!({"scenario": "Baseline", "summary": baseline})];
        all.extend(
            (0..20).map(|n| one(&n.to_string(), if n < alive { "MissedMutant" } else { "CaughtMutant" })),
        );
        all.push(one("20", "Unviable"));
        all.push(one("other", "MissedMutant"));
        serde_json::json!({ "outcomes": all }).to_string()
    }

    #[test]
    fn more_than_a_tenth_alive_is_a_failure() {
        let sample = (0..=20).map(|n| n.to_string()).collect();
        let judged = |alive| judge(&outcomes(&found("Success", alive)).expect("outcomes"), &sample);
        assert!(judged(2).is_ok());
        assert!(judged(3).is_err());
    }

    #[test]
    fn mutants_that_were_not_run_and_tests_that_fail_without_any_are_no_success() {
        assert!(outcomes(&found("Failure", 0)).is_err());
        let found = outcomes(&found("Success", 0)).expect("outcomes");
        assert!(judge(&found, &BTreeSet::from(["1".to_owned(), "21".to_owned()])).is_err());
        assert!(judge(&found, &BTreeSet::from(["20".to_owned()])).is_err(), "none is viable");
    }
}
