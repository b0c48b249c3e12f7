//! What a passed-through write costs: 4 KiB through `NtWriteFile` on a volume in memory, below N copies of the
//! `passthrough` sample. Rounds of all machines are interleaved, so that a change of the host's speed meets
//! all alike; the figures are medians and quartiles of the rounds.
//!
//! Run by `cargo xtask bench passed-through [--json]`.

use std::time::Instant;

use altimeter::session::{Handle, OpenRequest, Session};
use altimeter::{DriverSource, Machine, Options, Stopped, utf16};

const FILTERS: [usize; 5] = [0, 1, 2, 4, 8];
const ROUNDS: usize = 21;
const WRITES: usize = 2_000;

struct Subject {
    filters: usize,
    machine: Machine,
    nanoseconds: Vec<f64>,
}

fn open(session: &Session) -> Result<Handle, Stopped> {
    let name = utf16("\\bench");
    let request = OpenRequest::on_volume(&name)
        .access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE)
        .disposition(nt_abi::FILE_OVERWRITE_IF);
    Ok(session.open(&request)?.expect("a new file can be opened").handle)
}

fn boot(filters: usize) -> Subject {
    let machine = Machine::boot(Options::default()).expect("a machine in memory boots");
    for index in 0..filters {
        let mut source = DriverSource::embedded("passthrough").expect("it is built in");
        source.name = format!("pass{index}");
        // Instance names are unique on a volume: each copy gets one made from its own name.
        source.inf = None;
        source.altitude = Some(format!("{}", 370_000 + index));
        machine.load(&source).expect("the sample loads");
    }
    Subject { filters, machine, nanoseconds: Vec::new() }
}

fn round(subject: &mut Subject) {
    let nanoseconds = subject
        .machine
        .run(|session| {
            let handle = open(session)?;
            let data = [7u8; 4096];
            for block in 0..256 {
                session.write(&handle, Some(block * 4096), &data)?;
            }
            let started = Instant::now();
            for index in 0..WRITES {
                session.write(&handle, Some((index % 256) as i64 * 4096), &data)?;
            }
            let spent = started.elapsed().as_nanos() as f64 / WRITES as f64;
            session.close(handle)?;
            Ok(spent)
        })
        .expect("the machine runs");
    subject.nanoseconds.push(nanoseconds);
}

fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    let mut subjects: Vec<Subject> = FILTERS.iter().map(|filters| boot(*filters)).collect();
    for subject in &mut subjects {
        round(subject);
        subject.nanoseconds.clear();
        let report = subject.machine.report();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        let attached = report.drivers.iter().filter(|driver| driver.instances.len() == 1).count();
        assert_eq!(attached, subject.filters, "every filter is attached");
    }
    for _ in 0..ROUNDS {
        for subject in &mut subjects {
            round(subject);
        }
    }
    let mut rows = Vec::new();
    for subject in &mut subjects {
        subject.nanoseconds.sort_by(f64::total_cmp);
        let n = &subject.nanoseconds;
        rows.push((subject.filters, quantile(n, 0.5), quantile(n, 0.25), quantile(n, 0.75)));
    }
    let per_filter = (rows[4].1 - rows[0].1) / 8.0;
    if json {
        let write: Vec<String> = rows.iter().map(|(n, median, ..)| format!("\"{n}\":{median:.0}")).collect();
        println!("{{\"irp_write_ns\":{{{}}},\"per_filter_both_ns\":{per_filter:.1}}}", write.join(","));
    } else {
        println!("4 KiB NtWriteFile as an IRP, {ROUNDS} interleaved rounds of {WRITES} writes");
        for (filters, median, low, high) in rows {
            println!("{filters} filters: median {median:.0} ns, quartiles {low:.0} to {high:.0} ns");
        }
        println!("each filter with both callbacks: {per_filter:.1} ns");
    }
}
