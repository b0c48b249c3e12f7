//! File system filter operations as modwatch sees them.

use altimeter::session::OpenRequest;
use altimeter::{DriverSource, Machine, NtStatus, Options, Schedule, Setting, utf16};
use nt_abi::{
    IRP_MJ_ACQUIRE_FOR_CC_FLUSH, IRP_MJ_ACQUIRE_FOR_MOD_WRITE, IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION,
    IRP_MJ_RELEASE_FOR_CC_FLUSH, IRP_MJ_RELEASE_FOR_MOD_WRITE, IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION,
    IRP_MJ_WRITE,
};

use crate::support::*;

/// A machine with modwatch.
fn with_watch() -> Machine {
    let machine = Machine::boot(Options::default()).expect("a machine in memory boots");
    load_watch(&machine);
    machine
}

fn load_watch(machine: &Machine) {
    let source = DriverSource::from_path(&driver_path("modwatch.sys")).expect("the sample is there");
    machine.load(&source).unwrap_or_else(|error| panic!("modwatch: {error}"));
}

fn assert_kept(watch: &WatchResults) {
    assert!(watch.checks > 0);
    assert_eq!(watch.failed_lines, Vec::<u32>::new(), "lines of watch.c count from 10000");
}

#[test]
fn a_flush_is_seen_as_acquire_write_and_release() {
    // spec: FSF-05, FSF-15, FSF-20, FSF-23, FSF-25, FSF-26
    let machine = with_watch();
    with_file(&machine, "file", |session, handle| {
        session.write(handle, Some(0), b"0123456789")?;
        session.flush(handle)
    });
    let watch = watch_results(&machine, "modwatch");
    assert_kept(&watch);
    let lines: Vec<_> = watch.log.iter().map(|entry| (entry.major, entry.post, entry.top_level)).collect();
    assert_eq!(
        lines[..5],
        [
            (IRP_MJ_ACQUIRE_FOR_CC_FLUSH, false, 0),
            (IRP_MJ_ACQUIRE_FOR_CC_FLUSH, true, 2),
            (IRP_MJ_WRITE, false, 2),
            (IRP_MJ_RELEASE_FOR_CC_FLUSH, false, 2),
            (IRP_MJ_RELEASE_FOR_CC_FLUSH, true, 0),
        ]
    );
    assert_eq!((watch.flush_writes, watch.mapped_writes, watch.sections), (1, 0, (0, 0)));
    for entry in &watch.log {
        assert_eq!((entry.irql, entry.status, entry.file), (0, 0, watch.log[0].file), "{entry:?}");
        assert_eq!(
            (entry.resource != 0, entry.offset),
            (entry.major == IRP_MJ_RELEASE_FOR_CC_FLUSH && entry.post, 0)
        );
    }
    assert!(
        watch.log.windows(2).all(|pair| pair[0].thread == pair[1].thread || pair[1].major == IRP_MJ_WRITE)
    );
    assert_clean(&machine);
}

#[test]
fn a_driver_locks_a_file_against_sections() {
    // spec: FSF-01, FSF-10, FSF-13, FSF-14
    let machine = with_watch();
    with_file(&machine, "exclusive", |session, handle| session.write(handle, Some(0), b"0123456789"));
    let watch = watch_results(&machine, "modwatch");
    assert_kept(&watch);
    let section = watch.of(IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION);
    assert!(
        section.pre >= 1 && section == watch.of(IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION),
        "{section:?}"
    );
    assert_clean(&machine);
}

#[test]
fn the_lazy_writer_asks_no_filter() {
    // spec: FSF-30
    let machine = with_watch();
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"0123456789"));
    machine.run(|_| Ok(nt_cc::flush_all())).expect("the machine runs").expect("written lazily");
    let watch = watch_results(&machine, "modwatch");
    assert_kept(&watch);
    assert_eq!(watch.log.iter().map(|entry| entry.major).collect::<Vec<_>>(), [IRP_MJ_WRITE]);
    assert_eq!(watch.log[0].top_level, 2);
    assert_clean(&machine);
}

#[test]
fn many_handles_flush_the_same_files_at_once() {
    // spec: FSF-05, FSF-07
    let machine = with_watch();
    let name = utf16("\\shared");
    with_file(&machine, "shared", |session, handle| session.write(handle, Some(0), &[1; 8192]));
    machine
        .run_threads(0, 4, |session, number| {
            let request =
                OpenRequest::on_volume(&name).access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE).share(7);
            let handle = session.open(&request)?.expect("the file").handle;
            for round in 0..20 {
                session.write(&handle, Some(round * 16), &[number as u8; 16])?;
                session.flush(&handle)?;
            }
            session.close(handle)?;
            Ok(())
        })
        .expect("the machine runs");
    let watch = watch_results(&machine, "modwatch");
    assert_kept(&watch);
    assert_eq!(watch.of(IRP_MJ_ACQUIRE_FOR_CC_FLUSH).post, 80);
    assert_eq!(watch.of(IRP_MJ_ACQUIRE_FOR_CC_FLUSH), watch.of(IRP_MJ_RELEASE_FOR_CC_FLUSH));
    assert_clean(&machine);
}

#[test]
fn a_file_is_asked_for_by_name_without_a_create() {
    // spec: FSF-28, PARM-20
    let machine = with_watch();
    recorder(&machine, "r", "365000", &["Mode=sz:observe"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"0123456789"));
    let before = results(&machine, "r").of(nt_abi::IRP_MJ_CREATE, false).len();
    let name = utf16("\\file");
    let stat = machine
        .run(|session| {
            let (mut stat, mut lx, mut case, mut basic) = ([0; 0x48], [0; 0x60], [0; 4], [0; 0x68]);
            for (class, into) in
                [(68, &mut stat[..]), (70, &mut lx[..]), (71, &mut case[..]), (77, &mut basic[..])]
            {
                let bytes = into.len();
                let result = session.query_by_name(&name, class, into)?;
                assert_eq!((result.status, result.information), (NtStatus::SUCCESS, bytes), "{class}");
            }
            assert_eq!((&stat[..0x48], &stat[..0x44]), (&lx[..0x48], &basic[..0x44]));
            // Other classes never reach a callback.
            for class in [4, 5, 9, 34, 78] {
                let refused = session.query_by_name(&name, class, &mut [0; 0x68])?;
                assert_eq!(refused.status, NtStatus::INVALID_INFO_CLASS, "{class}");
            }
            let missing = session.query_by_name(&utf16("\\none"), 68, &mut [0; 0x48])?;
            assert_eq!(missing.status, NtStatus::OBJECT_NAME_NOT_FOUND);
            Ok(stat)
        })
        .expect("the machine runs");
    assert_eq!(stat[0x30..0x38], 10u64.to_le_bytes(), "EndOfFile");
    let watch = watch_results(&machine, "modwatch");
    assert_kept(&watch);
    assert_eq!(watch.of(nt_abi::IRP_MJ_QUERY_OPEN), WatchCounts { pre: 5, post: 5, failed: 1 });
    assert_eq!(results(&machine, "r").of(nt_abi::IRP_MJ_CREATE, false).len(), before, "nothing was opened");
    assert_clean(&machine);
}

/// Stores into all pages of a mapped file of `pages` pages, and unmaps it.
fn store_mapped(machine: &Machine, name: &str, pages: usize) {
    with_file(machine, name, |session, handle| {
        session.write(handle, Some(0), &vec![1; pages * 4096])?;
        session.flush(handle)?;
        let mapped = session.map(handle, 0, true)?.expect("a view");
        for page in 0..pages {
            session.store(&mapped, page * 4096 + 7, &[page as u8 + 2])?;
        }
        session.unmap(mapped)
    });
}

fn loaded(machine: &Machine, name: &str, pages: usize) -> Vec<u8> {
    with_existing(machine, name, |session, handle| {
        let mut bytes = vec![0; pages * 4096];
        session.read(handle, Some(0), &mut bytes)?;
        Ok((0..pages).map(|page| bytes[page * 4096 + 7]).collect())
    })
}

#[test]
fn a_mapped_store_is_written_between_acquire_and_release() {
    // spec: SEED-MODW-01, SEED-MODW-03, SEED-MODW-04, SEED-MODW-05, SEED-MODW-06, SEED-MODW-07, SEED-MODW-08
    // spec: SEED-MODW-15, SEED-MODW-18, FSF-05, FSF-12, FSF-15, FSF-16, FSF-17, FSF-26, FSF-29, PARM-25, PRE-03
    let machine = with_watch();
    store_mapped(&machine, "file", 2);
    machine.write_cache();
    let watch = watch_results(&machine, "modwatch");
    assert_kept(&watch);
    assert_eq!((watch.mapped_writes, watch.sections), (1, (0, 1)), "one run; the file is open for writing");
    let start = watch.log.iter().position(|entry| entry.major == IRP_MJ_ACQUIRE_FOR_MOD_WRITE);
    let log = &watch.log[start.expect("an acquire")..];
    let shown: Vec<_> = log.iter().map(|e| (e.major, e.post, e.irql, e.top_level, e.status)).collect();
    assert_eq!(
        shown,
        [
            (IRP_MJ_ACQUIRE_FOR_MOD_WRITE, false, 0, 3, 0),
            (IRP_MJ_ACQUIRE_FOR_MOD_WRITE, true, 0, 3, 0),
            (IRP_MJ_WRITE, false, 0, 3, 0),
            (IRP_MJ_RELEASE_FOR_MOD_WRITE, false, 1, shown[3].3, 0),
            (IRP_MJ_RELEASE_FOR_MOD_WRITE, true, 1, shown[4].3, 0),
        ]
    );
    assert!(log.iter().all(|entry| (entry.thread, entry.file) == (log[0].thread, log[0].file)));
    assert_eq!((log[0].offset, log[0].resource, log[2].offset), (8192, 0, 0));
    assert!(log[1].resource != 0 && [&log[3], &log[4]].iter().all(|e| e.resource == log[1].resource));
    assert_eq!(loaded(&machine, "file", 2), [2, 3]);
    assert_clean(&machine);
}

#[test]
fn releases_interrupt_the_page_writers_callbacks() {
    // spec: SEED-MODW-07, SEED-MODW-09, SEED-MODW-11, FSF-29
    let (mut interrupted, mut in_regions) = (0, 0);
    for seed in 1..=24 {
        let options = Options { schedule: Schedule::Seeded(seed), ..Options::default() };
        let machine = Machine::boot(options).expect("a machine in memory boots");
        load_watch(&machine);
        store_mapped(&machine, "file", 100);
        machine.write_cache();
        let watch = watch_results(&machine, "modwatch");
        assert_kept(&watch);
        assert_eq!(watch.mapped_writes, 7, "64 KiB each");
        assert_eq!(watch.of(IRP_MJ_RELEASE_FOR_MOD_WRITE).post, 7);
        interrupted += watch.interrupted.0;
        in_regions += watch.interrupted.1;
        assert_eq!(loaded(&machine, "file", 100), (2..102).collect::<Vec<u8>>());
        assert_clean(&machine);
    }
    assert!(interrupted > 0, "no schedule had a release inside a callback");
    assert!(in_regions > 0, "no schedule had one inside a critical region");
}

#[test]
fn a_release_interrupts_a_loop_that_calls_nothing_where_that_is_switched_on() {
    // spec: SEED-MODW-07, SEED-MODW-08, SEED-MODW-09
    let options = Options { schedule: Schedule::Free, preempt: true, ..Options::default() };
    let machine = Machine::boot(options).expect("a machine in memory boots");
    let mut source = DriverSource::from_path(&driver_path("modwatch.sys")).expect("the sample is there");
    source.settings = vec![Setting::parse("Spin=dword:1").expect("a setting")];
    machine.load(&source).expect("modwatch");
    store_mapped(&machine, "file", 100);
    machine.write_cache();
    let watch = watch_results(&machine, "modwatch");
    assert_kept(&watch);
    // The first write has no earlier one, and an earlier one may be through before the loop begins.
    assert!(watch.interrupted_loops > 0, "{} writes", watch.mapped_writes);
    assert_eq!(loaded(&machine, "file", 100), (2..102).collect::<Vec<u8>>());
    assert_clean(&machine);
}
