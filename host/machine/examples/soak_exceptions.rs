//! Exceptions that a driver catches, and machines that are stopped inside a callback, many times in a row, with free
//! threads and with fibres. The argument is the seed. Run by `cargo xtask soak exceptions`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use altimeter::session::OpenRequest;
use altimeter::{DriverSource, Event, Machine, Observer, Options, Schedule, utf16};

mod sample;

/// Raises, and faults, of one run in each scheduler.
const CATCHES: u32 = 100_000;
/// Machines of each kind.
const STOPS: u32 = 250;

/// Notes that the driver went as far as it goes: into its callback, or on into the wait that never ends.
struct Arrival {
    waits: bool,
    arrived: AtomicBool,
}

impl Observer for Arrival {
    fn event(&self, event: &Event<'_>) {
        let here = match event {
            Event::CallbackEntered { .. } => !self.waits,
            Event::ExportCalled { export, .. } => self.waits && *export == "KeWaitForSingleObject",
            _ => false,
        };
        self.arrived.fetch_or(here, Ordering::AcqRel);
    }
}

fn boot(schedule: Schedule) -> Machine {
    Machine::boot(Options { schedule, ..Options::default() }).expect("a machine in memory boots")
}

/// `drivers/sehtest` counts what it caught itself.
fn catch(schedule: Schedule) {
    let machine = boot(schedule);
    sample::load(&machine, "sehtest", &[&format!("Loop=dword:{CATCHES}")]);
    assert_eq!(sample::result(&machine, "sehtest", 8), 1, "one check, none failed");
    machine.unload_all();
    assert!(machine.report().findings.is_empty(), "{:?}", machine.report().findings);
}

/// Stops a machine while the driver waits or loops in a callback.
fn stop_inside(schedule: Schedule, driver: &DriverSource, word: &str) {
    let machine = boot(schedule);
    machine.load(driver).expect("it loads");
    let path = utf16(&format!("\\{word}"));
    let arrival = Arc::new(Arrival { waits: word == "hang", arrived: AtomicBool::new(false) });
    machine.set_observer(Some(Arc::<Arrival>::clone(&arrival)));
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            machine.run(|session| {
                let request = OpenRequest::on_volume(&path).disposition(nt_abi::FILE_OPEN_IF);
                session.open(&request).map(drop)
            })
        });
        while !arrival.arrived.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        machine.stop();
        assert!(inside.join().expect("no panic").is_err(), "the callback never came back");
    });
}

fn main() {
    let seed = std::env::args().nth(1).map_or(1, |seed| seed.parse().expect("the argument is a seed"));
    let bad = sample::source("badapples", &[]);
    for schedule in [Schedule::Free, Schedule::Seeded(seed)] {
        catch(schedule);
        for _ in 0..STOPS {
            stop_inside(schedule, &bad, "hang");
            stop_inside(schedule, &bad, "spin");
        }
    }
    println!(
        "seed {seed}: {CATCHES} raises and {CATCHES} faults caught, {} machines stopped inside a callback, in each scheduler",
        2 * STOPS
    );
}
