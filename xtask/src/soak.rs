//! `cargo xtask soak`: long, seeded runs. CI runs short slices of them.

use crate::process::{self, Failure, Outcome, cargo};
use std::process::Command;
use std::time::{Duration, Instant};

/// A program of the workspace, with what it is given before the seed.
enum Program {
    Altimeter(&'static [&'static str]),
    /// Package, example, arguments.
    Example(&'static str, &'static str, &'static [&'static str]),
}

use Program::{Altimeter, Example};

impl Program {
    fn run(&self, seed: u64) -> Command {
        let mut command = cargo(&["run", "--release", "--quiet"]);
        match self {
            Altimeter(arguments) => command.arg("--").args(*arguments),
            Example(package, example, arguments) => {
                command.args(["--package", package, "--example", example, "--"]).args(*arguments)
            }
        };
        command.arg(seed.to_string());
        command
    }
}

/// A soak: a program that takes a seed, run again with the next seed until time is up.
struct Soak {
    name: &'static str,
    about: &'static str,
    program: Program,
}

/// Every soak. New ones get a line here.
const SOAKS: &[Soak] = &[
    Soak {
        name: "stress",
        about: "random operations of four threads on cached, noncached and mixed handles through the default drivers, against an independent model",
        program: Altimeter(&["run", "--workload", "stress", "--seed"]),
    },
    Soak {
        name: "small-cache",
        about: "the same with large sectors and a cache that is a fraction of the data",
        program: Altimeter(&[
            "run",
            "--workload",
            "stress",
            "--sector",
            "4096",
            "--cache-size",
            "2",
            "--seed",
        ]),
    },
    Soak {
        name: "schedules",
        about: "stress on fibres, each seed with a schedule of its own",
        program: Altimeter(&["run", "--workload", "stress", "--schedule"]),
    },
    Soak {
        name: "replay",
        about: "stress on fibres, each seed in two processes at once, whose traces must be the same bytes",
        program: Example("altimeter", "soak_replay", &[]),
    },
    Soak {
        name: "explore",
        about: "300 short schedules of the default drivers from each seed on, none of which may fail",
        program: Altimeter(&["explore", "--schedules", "300", "--first"]),
    },
    Soak {
        name: "tracker",
        about: "stress below the driver tracker, whose instances come and go a few times a second and which is unloaded every two seconds; on free threads and on fibres",
        program: Example("altimeter", "soak_coming", &["tracker"]),
    },
    Soak {
        name: "deferrer",
        about: "the same below deferrer, which holds operations and completes them from workers",
        program: Example("altimeter", "soak_coming", &["deferrer"]),
    },
    Soak {
        name: "names",
        about: "the same below names, which asks for every name in every callback",
        program: Example("altimeter", "soak_coming", &["names"]),
    },
    Soak {
        name: "provider",
        about: "the same with the name provider below names, which comes and goes as well",
        program: Example("altimeter", "soak_coming", &["provider"]),
    },
    Soak {
        name: "exceptions",
        about: "200,000 exceptions that a driver catches and 500 machines stopped inside a callback, in each scheduler",
        program: Example("altimeter", "soak_exceptions", &[]),
    },
    Soak {
        name: "damaged-images",
        about: "the PE parser on damaged images, with the object crate as oracle: the fuzz target's work without its toolchain",
        program: Example("pe-oracle", "damage", &[]),
    },
];

#[derive(clap::Args)]
pub struct Arguments {
    /// Which soak; without one, each in turn
    name: Option<String>,
    /// How long each soak runs; CI runs slices of 20
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// The first seed; the next ones follow
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let chosen: Vec<&Soak> = match &arguments.name {
        Some(name) => SOAKS.iter().filter(|soak| soak.name == name).collect(),
        None => SOAKS.iter().collect(),
    };
    if chosen.is_empty() {
        let name = arguments.name.as_deref().unwrap_or_default();
        return Err(Failure::usage(format!("no soak is called {name}.\n{}", list())));
    }
    for soak in chosen {
        run_for(soak, Duration::from_secs(arguments.seconds), arguments.seed)?;
    }
    Ok(())
}

/// Runs seed after seed until the time is up, at least one. A failure names the seed that shows it again.
fn run_for(soak: &Soak, time: Duration, first_seed: u64) -> Outcome {
    let start = Instant::now();
    let mut seed = first_seed;
    loop {
        process::run(&mut soak.program.run(seed)).map_err(|failure| {
            Failure::new(format!(
                "{}\n{} failed with seed {seed}: cargo xtask soak {} --seconds 0 --seed {seed}",
                failure.message, soak.name, soak.name
            ))
        })?;
        seed += 1;
        if start.elapsed() >= time {
            println!("{}: seeds {first_seed} to {} are clean", soak.name, seed - 1);
            return Ok(());
        }
    }
}

fn list() -> String {
    let rows: Vec<String> = SOAKS.iter().map(|soak| format!("  {:<20} {}", soak.name, soak.about)).collect();
    format!("Soaks:\n{}", rows.join("\n"))
}
