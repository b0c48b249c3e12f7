//! Stopping machines whose drivers do not come back. What is left behind is counted in `tests/left_behind.rs`.

use std::sync::atomic::{AtomicBool, Ordering};

use altimeter::{DriverSource, Machine, Options};

use crate::support::*;

fn stop_inside(word: &str) {
    let machine = Machine::boot(Options::default()).expect("a machine in memory boots");
    machine
        .load(&DriverSource::from_path(&driver_path("badapples.sys")).expect("the sample"))
        .expect("it loads");
    let asked = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            machine.run(|session| {
                asked.store(true, Ordering::Release);
                create(session, word).map(drop)
            })
        });
        while !asked.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        machine.stop();
        assert!(inside.join().expect("no panic").is_err(), "the callback never came back");
    });
}

#[test]
fn machines_are_stopped_while_a_callback_spins() {
    for _ in 0..50 {
        stop_inside("spin");
    }
}

#[test]
fn a_wait_that_nobody_can_end_is_reported_where_that_is_asked_for() {
    let machine =
        Machine::boot(Options { detect_hangs: true, ..Options::default() }).expect("a machine boots");
    machine
        .load(&DriverSource::from_path(&driver_path("badapples.sys")).expect("the sample"))
        .expect("it loads");
    assert!(machine.run(|session| create(session, "hang").map(drop)).is_err());
    let check = machine.report().bug_check.expect("a hang is a bug check");
    assert_eq!((check.name.as_str(), check.driver.as_str()), ("HANG", "badapples"));
}
