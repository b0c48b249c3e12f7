//! Machines whose drivers do not come back. `tests/left_behind.rs` counts what stopped ones leave in the process.

use altimeter::{DriverSource, Machine, Options};

use crate::support::*;

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
