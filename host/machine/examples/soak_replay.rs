//! Runs stress with the default drivers twice under the same seed, in two processes that run beside each other, and
//! compares their traces byte by byte. The argument is the seed. Run by `cargo xtask soak replay`.

use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use altimeter::trace::Tracer;
use altimeter::workload::{NoProgress, StressOptions, stress};
use altimeter::{DriverSource, Machine, Options, Schedule};

/// Writes the trace of one run to stdout.
fn run(seed: u64) {
    let options = Options { schedule: Schedule::Seeded(seed), ..Options::default() };
    let machine = Machine::boot(options).expect("a machine in memory boots");
    let tracer = Tracer::new(&machine, Box::new(BufWriter::with_capacity(1 << 20, std::io::stdout())));
    machine.set_observer(Some(Arc::<Tracer>::clone(&tracer)));
    for name in DriverSource::embedded_names() {
        machine.load(&DriverSource::embedded(name).expect("it is built in")).expect("it loads");
    }
    let outcome =
        stress(&machine, StressOptions { operations: 1000, ..StressOptions::default() }, &NoProgress);
    assert_eq!((outcome.mismatches, outcome.interrupted), (0, false), "{outcome:?}");
    machine.unload_all();
    assert!(machine.report().findings.is_empty(), "{:?}", machine.report().findings);
    machine.set_observer(None);
    tracer.finish().expect("the other process reads it");
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let seed = arguments.get(1).map_or(1, |seed| seed.parse().expect("the argument is a seed"));
    if arguments.get(2).is_some_and(|word| word == "--run") {
        return run(seed);
    }
    let folders = [Path::new("."), Path::new("/")];
    let mut children = folders.map(|folder| {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.arg(seed.to_string()).arg("--run").current_dir(folder).stdout(Stdio::piped());
        command.spawn().expect("it runs once, so it runs again")
    });
    let mut pipes = children.each_mut().map(|child| child.stdout.take().expect("stdout is a pipe"));
    let [mut first, mut second] = [vec![0u8; 1 << 20], vec![0u8; 1 << 20]];
    let mut bytes = 0usize;
    loop {
        let got = fill(&mut pipes[0], &mut first);
        assert_eq!(got, fill(&mut pipes[1], &mut second), "seed {seed}: one trace ends near byte {bytes}");
        assert!(first[..got] == second[..got], "seed {seed}: the traces differ behind byte {bytes}");
        bytes += got;
        if got == 0 {
            break;
        }
    }
    for child in &mut children {
        assert!(child.wait().expect("it was started").success(), "seed {seed}: a run failed");
    }
    let _ = writeln!(std::io::stdout(), "seed {seed}: twice the same {bytes} bytes");
}

/// Reads until `into` is full or the stream ends.
fn fill(from: &mut impl Read, into: &mut [u8]) -> usize {
    let mut filled = 0;
    while filled < into.len() {
        match from.read(&mut into[filled..]).expect("a pipe can be read") {
            0 => break,
            got => filled += got,
        }
    }
    filled
}
