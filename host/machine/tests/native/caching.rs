//! The cache below and above native filters.

use altimeter::{CacheLimits, DriverSource, Machine, Options};
use nt_abi::{IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_WRITE};

use crate::support::*;

fn with_default_drivers(cache: usize) -> Machine {
    let options = Options { cache: CacheLimits::of(cache), ..Options::default() };
    let machine = Machine::boot(options).expect("it boots");
    for name in DriverSource::embedded_names() {
        machine
            .load(&DriverSource::from_path(&driver_path(&format!("{name}.sys"))).expect("the sample"))
            .expect(name);
    }
    machine
}

#[test]
fn memory_stays_within_its_bound_with_an_encrypted_file_ten_times_as_large() {
    // spec: CC-07
    const BOUND: usize = 2 << 20;
    const PIECE: usize = 100_000;
    let machine = with_default_drivers(BOUND);
    let piece = |index: usize| -> Vec<u8> { (0..PIECE).map(|at| (at / 5 + index) as u8).collect() };
    let pieces = 10 * BOUND / PIECE + 1;
    with_file(&machine, "large", |session, handle| {
        for index in 0..pieces {
            session.write(handle, Some((index * PIECE) as i64), &piece(index))?;
        }
        let mut back = vec![0; PIECE];
        for index in 0..pieces {
            session.read(handle, Some((index * PIECE) as i64), &mut back)?;
            assert!(back == piece(index), "piece {index}");
        }
        Ok(())
    });
    let held = machine.cache_statistics();
    assert!(held.peak_pages <= BOUND / 4096, "{held:?}");
    assert!(held.writes > 0 && held.reads > 0, "{held:?}");
    machine.unload_all();
    assert_eq!(machine.cache_statistics().dirty_pages, 0);
    assert_clean(&machine);
}

#[test]
fn paging_writes_come_between_cleanup_and_close() {
    // spec: FS-14, PAGE-15, SEED-IOPB-08
    let machine = with_recorder(&["Mode=sz:observe"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), &[7; 5000]));
    machine.write_cache();
    let seen = results(&machine, "r");
    let place = |major: u8, paging: bool| {
        seen.entries
            .iter()
            .position(|entry| entry.major == major && !entry.post && entry.is_paging() == paging)
            .unwrap_or_else(|| panic!("operation {major:#x} is not among {:?}", seen.entries))
    };
    let order = [
        place(IRP_MJ_WRITE, false),
        place(IRP_MJ_CLEANUP, false),
        place(IRP_MJ_WRITE, true),
        place(IRP_MJ_CLOSE, false),
    ];
    assert!(order.is_sorted(), "{order:?}");
    let paging = &seen.paging(IRP_MJ_WRITE, false)[0];
    assert_eq!(paging.requestor_mode, 0);
    assert_ne!(paging.parameters[4], 0, "the MDL of the pages");
    assert_clean(&machine);
}
