//! What it costs to attach an instance and to detach it, on a quiet volume and while two threads write 4 KiB to cached
//! files of it; and what that costs the writers. The driver is `tracker`, with all its callbacks and contexts. Run by
//! `cargo xtask bench attach [--json]`.
//!
//! | figure | is |
//! | --- | --- |
//! | `attach_us`, `detach_us` | the setup callback and the callbacks' publication; teardown callbacks, draining, the contexts |
//! | `attach_loaded_us`, `detach_loaded_us` | the same while the writers write |
//! | `write_ns` | a write, two threads at once, below one instance that stays |
//! | `write_changing_ns` | the same while a second instance comes and goes without a pause |

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use altimeter::session::OpenRequest;
use altimeter::{Machine, NtStatus, utf16};

mod sample;
use sample::{Spread, wants_json};

const ROUNDS: usize = 21;
const WRITERS: usize = 2;
const CHANGES: u32 = 50;
const NAMES: [&str; 6] =
    ["attach_us", "detach_us", "attach_loaded_us", "detach_loaded_us", "write_ns", "write_changing_ns"];

/// Microseconds of an attachment and of a detachment.
fn change(machine: &Machine) -> (f64, f64) {
    let (mut attaching, mut detaching) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..CHANGES {
        let start = Instant::now();
        let attached = machine.attach_instance("tracker", 0, Some("365400"), Some("second"));
        let middle = Instant::now();
        let detached = machine.detach_instance("tracker", 0, Some("second"));
        detaching += middle.elapsed();
        attaching += middle - start;
        assert_eq!((attached, detached), (Ok(NtStatus::SUCCESS), Ok(NtStatus::SUCCESS)));
    }
    let micros = |spent: Duration| spent.as_secs_f64() * 1e6 / f64::from(CHANGES);
    (micros(attaching), micros(detaching))
}

/// Runs `beside` while the writers write. Returns nanoseconds of a write, as each writer sees it.
fn while_writing(machine: &Machine, beside: impl FnOnce()) -> f64 {
    let (done, writes) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut spent = Duration::ZERO;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (done, writes) = (&done, &writes);
            scope.spawn(move || {
                let path = utf16(&format!("\\busy{writer}"));
                machine
                    .run(|session| {
                        let request = OpenRequest::on_volume(&path)
                            .access(nt_abi::GENERIC_WRITE)
                            .disposition(nt_abi::FILE_OPEN_IF);
                        let handle = session.open(&request)?.expect("the file").handle;
                        let mut count = 0;
                        while !done.load(Ordering::Relaxed) {
                            let written = session.write(&handle, Some(count % 256 * 4096), &[7; 4096])?;
                            assert_eq!(written.status, NtStatus::SUCCESS);
                            count += 1;
                        }
                        writes.fetch_add(count as u64, Ordering::Relaxed);
                        session.close(handle).map(drop)
                    })
                    .unwrap_or_else(|_| panic!("{:?}", machine.report()));
            });
        }
        let start = Instant::now();
        beside();
        done.store(true, Ordering::Relaxed);
        spent = start.elapsed();
    });
    spent.as_secs_f64() * 1e9 * WRITERS as f64 / writes.into_inner().max(1) as f64
}

fn round(machine: &Machine) -> [f64; 6] {
    let (attach, detach) = change(machine);
    let write = while_writing(machine, || std::thread::sleep(Duration::from_millis(50)));
    let mut loaded = (0.0, 0.0);
    let changing = while_writing(machine, || loaded = change(machine));
    [attach, detach, loaded.0, loaded.1, write, changing]
}

fn main() {
    let machine = sample::free_machine();
    sample::load(&machine, "tracker", &[]);
    while_writing(&machine, || std::thread::sleep(Duration::from_millis(50)));
    let rounds: Vec<[f64; 6]> = (0..ROUNDS).map(|_| round(&machine)).collect();
    let report = machine.report();
    assert!(report.findings.is_empty() && report.bug_check.is_none(), "{report:?}");
    let mut members = Vec::new();
    for (at, name) in NAMES.iter().enumerate() {
        let spread = Spread::of(rounds.iter().map(|round| round[at]));
        members.push(format!("\"{name}\":{:.1}", spread.median));
        if !wants_json() {
            println!("{name:<20}{spread}");
        }
    }
    if wants_json() {
        println!("{{{}}}", members.join(","));
    }
}
