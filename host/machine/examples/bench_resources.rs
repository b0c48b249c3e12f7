//! What an executive resource costs beside a `parking_lot` RwLock: alone, shared by two threads, contended by two; from
//! the engine and from native code (`drivers/resources`, value Loop). And what a special kernel APC costs that a driver
//! queues to its own thread, or to one in a loop that it interrupts there, delivery included.
//!
//! The fastest of 15 rounds, since other load only adds, in nanoseconds for an acquisition and its release. Run by `cargo xtask bench resources [--json]`.

use std::sync::Barrier;
use std::time::Instant;

use altimeter::{Machine, Options, Schedule};
use nt_abi::ERESOURCE;
use nt_ex::{pool, resource};
use parking_lot::RwLock;

mod sample;

const LOOP: u64 = 200_000;
const ROUNDS: usize = 15;

struct Row {
    name: &'static str,
    nanoseconds: f64,
    beside: Option<f64>,
}

fn machine() -> Machine {
    Machine::boot(Options { schedule: Schedule::Free, ..Options::default() })
        .expect("a machine in memory boots")
}

/// Nanoseconds of one pass through `f`, in a loop.
fn timed(f: impl Fn()) -> f64 {
    let start = Instant::now();
    for _ in 0..LOOP {
        f();
    }
    start.elapsed().as_nanos() as f64 / LOOP as f64
}

fn fastest(mut round: impl FnMut() -> f64) -> f64 {
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

fn exclusive(r: &ERESOURCE) {
    resource::acquire_exclusive(r, true).expect("no stop");
    resource::release(r).expect("no stop");
}

fn shared(r: &ERESOURCE) {
    resource::acquire_shared(r, true).expect("no stop");
    resource::release(r).expect("no stop");
}

/// `f` on two threads of a machine at once: nanoseconds of one pass on one of them.
fn by_two(machine: &Machine, f: impl Fn() + Sync) -> f64 {
    fastest(|| {
        let barrier = Barrier::new(2);
        let total = parking_lot::Mutex::new(0.0);
        let ran = machine.run_threads(0, 2, |_, _| {
            barrier.wait();
            let took = timed(&f);
            *total.lock() += took / 2.0;
            Ok(())
        });
        ran.expect("no stop");
        total.into_inner()
    })
}

/// What the driver measured with one registry value: nanoseconds of 100 ns units, at 0x90 and up.
fn measured<const N: usize>(
    options: &Options,
    settings: &[&str],
    passes: u64,
    places: [usize; N],
) -> [f64; N] {
    let round = || {
        let machine = Machine::boot(options.clone()).expect("a machine in memory boots");
        sample::load(&machine, "resources", settings);
        places.map(|at| sample::result(&machine, "resources", at) as f64 * 100.0 / passes as f64)
    };
    let rounds: Vec<[f64; N]> = (0..ROUNDS).map(|_| round()).collect();
    std::array::from_fn(|column| {
        let mut rounds = rounds.iter().map(|round| round[column]);
        fastest(|| rounds.next().expect("as many"))
    })
}

/// Nanoseconds of taking and giving back a spin lock in a seeded machine, where time is virtual: by itself, and with paged
/// pool touched in between, which has to be opened and closed each time. From whole runs of two lengths.
fn pageable_costs() -> [f64; 2] {
    let run = |mode: u32, passes: u64| {
        fastest(|| {
            let machine = Machine::boot(Options::default()).expect("a machine in memory boots");
            let settings = [format!("Mode=dword:{mode}"), format!("Loop=dword:{passes}")];
            let source = sample::source("resources", &settings.each_ref().map(String::as_str));
            let start = Instant::now();
            machine.load(&source).unwrap_or_else(|error| panic!("{error}"));
            start.elapsed().as_nanos() as f64
        })
    };
    [78, 79].map(|mode| (run(mode, 60_000) - run(mode, 10_000)) / 50_000.0)
}

fn main() {
    let machine = machine();
    let lock = RwLock::new(());
    let plain = |f: &(dyn Fn() + Sync)| fastest(|| timed(f));
    let write: &(dyn Fn() + Sync) = &|| drop(std::hint::black_box(lock.write()));
    let read: &(dyn Fn() + Sync) = &|| drop(std::hint::black_box(lock.read()));
    let (alone, sharing) = machine
        .run(|_| {
            let r = pool::allocate_new::<ERESOURCE>(1).expect("pool");
            resource::initialize(r);
            Ok((fastest(|| timed(|| exclusive(r))), fastest(|| timed(|| shared(r)))))
        })
        .expect("no stop");
    let r = machine
        .run(|_| {
            let r = pool::allocate_new::<ERESOURCE>(1).expect("pool");
            resource::initialize(r);
            Ok(r)
        })
        .expect("no stop");
    let free = Options { schedule: Schedule::Free, ..Options::default() };
    let count = format!("Loop=dword:{LOOP}");
    let native = measured(&free, &[&count], LOOP, [0x90, 0x98, 0xA0]);
    let preempting = Options { preempt: true, ..free.clone() };
    let [interrupt] = measured(&preempting, &["Mode=dword:61"], 1000, [0xA8]);
    let (write_alone, read_alone) = (plain(write), plain(read));
    let [spin_lock, touching] = pageable_costs();
    let rows = [
        Row { name: "alone_exclusive", nanoseconds: alone, beside: Some(write_alone) },
        Row { name: "alone_shared", nanoseconds: sharing, beside: Some(read_alone) },
        Row { name: "native_exclusive", nanoseconds: native[0], beside: Some(write_alone) },
        Row { name: "native_shared", nanoseconds: native[1], beside: Some(read_alone) },
        Row {
            name: "two_threads_shared",
            nanoseconds: by_two(&machine, || shared(r)),
            beside: Some(by_two(&machine, read)),
        },
        Row {
            name: "two_threads_exclusive",
            nanoseconds: by_two(&machine, || exclusive(r)),
            beside: Some(by_two(&machine, write)),
        },
        Row { name: "apc_queued_and_delivered", nanoseconds: native[2], beside: None },
        Row { name: "apc_that_interrupts_a_loop", nanoseconds: interrupt, beside: None },
        Row { name: "spin_lock_seeded", nanoseconds: spin_lock, beside: None },
        Row { name: "spin_lock_and_paged_pool_seeded", nanoseconds: touching, beside: None },
    ];
    if std::env::args().any(|argument| argument == "--json") {
        let fields: Vec<String> = rows
            .iter()
            .map(|row| {
                let beside =
                    row.beside.map_or_else(String::new, |b| format!(",\"{}_rwlock_ns\":{b:.1}", row.name));
                format!("\"{}_ns\":{:.1}{beside}", row.name, row.nanoseconds)
            })
            .collect();
        println!("{{{},\"rounds\":{ROUNDS}}}", fields.join(","));
        return;
    }
    for row in &rows {
        let beside = row.beside.map_or_else(String::new, |b| {
            format!("   RwLock {b:>7.1} ns   {:.1} times", row.nanoseconds / b)
        });
        println!("{:<26} {:>7.1} ns{beside}", row.name, row.nanoseconds);
    }
}
