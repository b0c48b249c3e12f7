//! `cargo xtask bench`: named benchmarks.

use crate::process::{self, Failure, Outcome, cargo};

/// A benchmark: a program of the workspace that prints its results, as JSON when given `--json`.
struct Bench {
    name: &'static str,
    about: &'static str,
    /// What cargo is given before `--`.
    run: &'static [&'static str],
}

/// Every benchmark. New ones get a line here.
const BENCHES: &[Bench] = &[
    Bench {
        name: "attach",
        about: "an instance attached and detached, on a quiet volume and below writers",
        run: &["run", "--quiet", "--release", "--package", "altimeter", "--example", "bench_attach"],
    },
    Bench {
        name: "contexts",
        about: "a driver that gets a context and releases it",
        run: &["run", "--quiet", "--release", "--package", "altimeter", "--example", "bench_contexts"],
    },
    Bench {
        name: "heartbeat",
        about: "4 KiB cached reads and writes below 0, 1, 2, 4 and 8 filters that pass through",
        run: &["run", "--quiet", "--release", "--package", "altimeter", "--example", "bench_heartbeat"],
    },
    Bench {
        name: "names",
        about: "a file name that is remembered beside one that the file system is asked for",
        run: &["run", "--quiet", "--release", "--package", "altimeter", "--example", "bench_names"],
    },
    Bench {
        name: "page-writer",
        about: "stores into a mapped file until they have arrived, beside plain msync of the same pages",
        run: &["run", "--quiet", "--release", "--package", "altimeter", "--example", "bench_page_writer"],
    },
    Bench {
        name: "pend",
        about: "writes that a filter holds and completes, at once or from a worker, beside those that pass",
        run: &["run", "--quiet", "--release", "--package", "altimeter", "--example", "bench_pend"],
    },
    Bench {
        name: "raise",
        about: "an exception that a driver raises, or a fault of its, and catches",
        run: &["run", "--quiet", "--release", "--package", "altimeter", "--example", "bench_raise"],
    },
    Bench {
        name: "resources",
        about: "executive resources beside a RwLock: alone, shared, contended; and delivery of an APC",
        run: &["run", "--quiet", "--release", "--package", "altimeter", "--example", "bench_resources"],
    },
    Bench {
        name: "schedules",
        about: "switches between fibres beside free threads, and whole schedules, in a second",
        run: &["run", "--quiet", "--release", "--package", "altimeter", "--example", "bench_schedules"],
    },
    Bench {
        name: "throughput",
        about: "64 KiB writes: cached beside memcpy, noncached to the host beside pwrite",
        run: &["run", "--quiet", "--release", "--package", "altimeter", "--example", "bench_throughput"],
    },
];

#[derive(clap::Args)]
pub struct Arguments {
    /// Which benchmark; without one, they are listed
    name: Option<String>,
    /// Results as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let Some(name) = &arguments.name else {
        println!("{}", list());
        return Ok(());
    };
    let bench = BENCHES
        .iter()
        .find(|bench| bench.name == name)
        .ok_or_else(|| Failure::usage(format!("no benchmark is called {name}.\n{}", list())))?;
    let mut command = cargo(bench.run);
    if arguments.json {
        command.args(["--", "--json"]);
    }
    process::run(&mut command)
}

fn list() -> String {
    if BENCHES.is_empty() {
        return "There are no benchmarks yet.".into();
    }
    let rows: Vec<String> =
        BENCHES.iter().map(|bench| format!("  {:<20} {}", bench.name, bench.about)).collect();
    format!("Benchmarks:\n{}", rows.join("\n"))
}
