//! The cache below and above native filters.

use altimeter::{CacheLimits, DriverSource, Machine, NtStatus, Options};
use nt_abi::{IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_READ, IRP_MJ_WRITE};

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

/// The counters of ownfcb, in the order of its structure.
#[derive(Debug, Default, PartialEq)]
struct Own {
    paging_reads: u64,
    paging_writes: u64,
    lazy_writes: u64,
    cleanups: u64,
    closes: u64,
    fast_reads: u64,
    fast_writes: u64,
    failed: u64,
}

fn own(machine: &Machine) -> Own {
    let address =
        machine.service_qword("ownfcb", "Counters").expect("the driver wrote where its counters are");
    let bytes = machine.read_memory(address as usize, 64).expect("the image is there");
    let at = |index: usize| u64::from_le_bytes(bytes[index * 8..index * 8 + 8].try_into().expect("eight"));
    Own {
        paging_reads: at(0),
        paging_writes: at(1),
        lazy_writes: at(2),
        cleanups: at(3),
        closes: at(4),
        fast_reads: at(5),
        fast_writes: at(6),
        failed: at(7),
    }
}

fn with_owner() -> Machine {
    let machine = machine();
    machine
        .load(&DriverSource::from_path(&driver_path("ownfcb.sys")).expect("the sample"))
        .expect("it loads");
    machine
}

#[test]
fn a_filter_that_owns_the_control_block_is_cached_like_a_file_system() {
    // spec: CC-01, CC-05, CC-06, CC-22, FSF-30
    let machine = with_owner();
    let data: Vec<u8> = (0..200_000u32).map(|value| (value / 3) as u8).collect();
    with_existing(&machine, "own.file", |session, handle| {
        assert_eq!(session.write(handle, Some(0), &data)?.status, NtStatus::SUCCESS);
        let mut back = vec![0; data.len()];
        session.read(handle, Some(0), &mut back)?;
        assert!(back == data);
        assert_eq!(session.read(handle, Some(200_000), &mut back)?.status, NtStatus::END_OF_FILE);
        Ok(())
    });
    let before = own(&machine);
    assert_eq!((before.paging_reads, before.cleanups, before.failed), (0, 1, 0), "{before:?}");
    machine.write_cache();
    let after = own(&machine);
    assert!(after.paging_writes > 0 && after.lazy_writes > 0, "{after:?}");
    assert_eq!(
        (after.closes, after.failed),
        (1, 0),
        "the last paging write lets the file object go: {after:?}"
    );
    with_existing(&machine, "own.file", |session, handle| {
        let mut back = vec![0; 5_000];
        session.read(handle, Some(100_000), &mut back)?;
        assert!(back == data[100_000..105_000]);
        Ok(())
    });
    let last = own(&machine);
    assert!(last.paging_reads > 0 && last.failed == 0, "{last:?}");
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn a_filter_serves_fast_io_with_the_file_system_s_own_routines() {
    // spec: CC-20, CC-21
    let machine = with_owner();
    with_existing(&machine, "own.file", |session, handle| {
        session.write(handle, Some(0), &[1; 9000])?;
        session.write(handle, Some(4000), &[2; 1000])?;
        let mut back = [0; 6000];
        session.read(handle, Some(3500), &mut back)?;
        assert_eq!((&back[..500], &back[500..1500]), ([1; 500].as_slice(), [2; 1000].as_slice()));
        // Behind valid data: an IRP, which makes zeros first.
        session.write(handle, Some(20_000), &[3; 10])?;
        session.read(handle, Some(15_000), &mut back)?;
        assert_eq!((back[..5000].iter().max(), back[5000]), (Some(&0), 3));
        Ok(())
    });
    let counters = own(&machine);
    assert_eq!((counters.fast_writes, counters.fast_reads, counters.failed), (1, 2, 0), "{counters:?}");
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn paging_io_of_an_owned_file_passes_the_filters_above_its_owner() {
    // spec: FSF-15, PAGE-16, SEED-IOPB-08
    let machine = with_owner();
    recorder(&machine, "top", "389000", &["Mode=sz:observe"]);
    with_existing(&machine, "own.file", |session, handle| {
        session.write(handle, Some(100), &[5; 100])?;
        session.flush(handle)
    });
    let seen = results(&machine, "top");
    let (reads, writes) = (seen.paging(IRP_MJ_READ, true), seen.paging(IRP_MJ_WRITE, true));
    assert!(reads.is_empty(), "what lies behind valid data needs no read");
    assert_eq!((writes.len(), writes[0].status, writes[0].information), (1, 0, 200));
    assert_ne!(writes[0].irp_flags & nt_abi::IRP_NOCACHE, 0);
    machine.unload_all();
    assert_clean(&machine);
}
