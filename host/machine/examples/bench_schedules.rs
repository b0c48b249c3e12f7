//! What seeded machines do in a second: switches between two fibres that hand an event to each other, beside two free
//! threads that do the same, and whole schedules: boot, load the default drivers, a short stress, stop.
//!
//! Medians of 21 rounds. Run by `cargo xtask bench schedules [--json]`.

use std::time::Instant;

use altimeter::workload::{NoProgress, StressOptions, stress};
use altimeter::{DriverSource, Machine, Options, Schedule};
use nt_abi::{KSEMAPHORE, NtStatus};
use nt_ke::dispatcher::{self, object_type};
use nt_ke::{Config, Core};

mod sample;
use sample::{Spread, wants_json};

const ROUNDS: usize = 21;
/// Times that each thread hands over.
const HANDOVERS: u32 = 20_000;

fn semaphore() -> &'static KSEMAPHORE {
    let semaphore: &'static KSEMAPHORE = Box::leak(Box::new(KSEMAPHORE::default()));
    dispatcher::initialize_header(&semaphore.Header, object_type::SEMAPHORE, 0);
    semaphore.Limit.set(i32::MAX);
    semaphore
}

/// Nanoseconds from one thread to the other: a release, a wait, a switch.
fn handover(schedule: Schedule) -> f64 {
    let core = Core::new(Config { schedule, ..Config::default() }).expect("a machine");
    let sides = [semaphore(), semaphore()];
    let started = Instant::now();
    let run = |thread: u32| {
        let (mine, other) = (sides[thread as usize], sides[1 - thread as usize]);
        for _ in 0..HANDOVERS {
            dispatcher::release_semaphore(other, 1).expect("below its limit");
            assert_eq!(dispatcher::wait(&mine.Header, false, None), Ok(NtStatus::SUCCESS));
        }
    };
    core.run_threads(0, "player", 2, &run).expect("two threads");
    let elapsed = started.elapsed();
    assert!(core.stop(), "every thread left");
    elapsed.as_nanos() as f64 / f64::from(2 * HANDOVERS)
}

/// Milliseconds of one schedule.
fn schedule(seed: u64) -> f64 {
    let started = Instant::now();
    // As `altimeter explore` boots them.
    let options = Options {
        schedule: Schedule::Seeded(seed),
        detect_hangs: true,
        lock_stacks: false,
        ..Options::default()
    };
    let machine = Machine::boot(options).expect("a machine in memory boots");
    for name in DriverSource::embedded_names() {
        machine.load(&DriverSource::embedded(name).expect("it is built in")).expect("it loads");
    }
    let outcome = stress(&machine, StressOptions { operations: 50, ..StressOptions::default() }, &NoProgress);
    assert_eq!((outcome.mismatches, outcome.interrupted), (0, false), "{outcome:?}");
    machine.unload_all();
    machine.stop();
    started.elapsed().as_secs_f64() * 1000.0
}

fn main() {
    let (mut fibres, mut free, mut schedules) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        fibres.push(handover(Schedule::Seeded(round as u64)));
        free.push(handover(Schedule::Free));
        schedules.push(schedule(round as u64));
    }
    let (fibres, free, schedules) = (Spread::of(fibres), Spread::of(free), Spread::of(schedules));
    if wants_json() {
        let (fibre, free, schedule) = (fibres.median, free.median, schedules.median);
        println!(
            "{{\"fibre_handover_ns\":{fibre:.1},\"free_handover_ns\":{free:.1},\"switches_per_second\":{:.0},\
             \"schedule_ms\":{schedule:.2},\"schedules_per_second\":{:.1}}}",
            1e9 / fibre,
            1000.0 / schedule
        );
        return;
    }
    println!("from fibre to fibre, ns: {fibres}");
    println!("from free thread to free thread, ns: {free}");
    println!("one schedule of 4 threads and 200 operations, ms: {schedules}");
}
