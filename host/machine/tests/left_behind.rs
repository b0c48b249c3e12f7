//! What stopped machines leave behind in the process.
//!
//! The counts are those of the whole process, so this is a test program of its own with one test: beside
//! others it would count their machines.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use altimeter::session::OpenRequest;
use altimeter::{DriverSource, Event, Machine, Observer, Options, utf16};

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

/// Threads, descriptors and mappings of this process.
fn held() -> (usize, usize, usize) {
    let entries = |path: &str| std::fs::read_dir(path).expect("procfs").count();
    let maps = std::fs::read_to_string("/proc/self/maps").expect("procfs").lines().count();
    (entries("/proc/self/task"), entries("/proc/self/fd"), maps)
}

/// Stops a machine while the driver does what the name `word` makes it do.
fn stop_inside(driver: &DriverSource, word: &str) {
    let machine = Machine::boot(Options::default()).expect("a machine in memory boots");
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

#[test]
fn a_thousand_machines_stopped_inside_a_callback_leave_nothing() {
    let folder = std::env::var_os("ALTIMETER_DRIVERS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../drivers/bin"), PathBuf::from);
    let driver = DriverSource::from_path(&folder.join("badapples.sys")).expect("the sample is there");
    // The first of each kind makes what the process keeps.
    stop_inside(&driver, "hang");
    stop_inside(&driver, "spin");
    let before = held();
    for _ in 0..1000 {
        stop_inside(&driver, "hang");
    }
    assert_eq!(held(), before, "waiting: threads, descriptors, mappings");
    for _ in 0..100 {
        stop_inside(&driver, "spin");
    }
    assert_eq!(held(), before, "spinning: threads, descriptors, mappings");
}
