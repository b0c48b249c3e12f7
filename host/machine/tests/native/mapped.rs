//! Mapped files above and below native filters: what programs store, and how it reaches the volume.

use altimeter::workload::{NoProgress, StressOptions, stress};
use altimeter::{DriverSource, Machine, NtStatus, Options, Schedule, VolumeSource};
use nt_abi::{
    FSRTL_FLAG_USER_MAPPED_FILE, FSRTL_FLAG2_WRITABLE_USER_MAPPED_FILE, IRP_MJ_ACQUIRE_FOR_MOD_WRITE,
    IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION, IRP_MJ_RELEASE_FOR_MOD_WRITE,
    IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION, IRP_MJ_WRITE,
};

use crate::support::*;

const PAGE: usize = 4096;

/// A machine on `volume` with modwatch above xorcrypt.
fn with_cipher(volume: VolumeSource, schedule: Schedule) -> Machine {
    let options = Options { volumes: vec![volume], schedule, ..Options::default() };
    let machine = Machine::boot(options).expect("it boots");
    for name in ["modwatch", "xorcrypt"] {
        let source = DriverSource::from_path(&driver_path(&format!("{name}.sys"))).expect("the sample");
        machine.load(&source).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    machine
}

fn stored_through(volume: VolumeSource, schedule: Schedule, check: impl FnOnce()) {
    let machine = with_cipher(volume, schedule);
    with_file(&machine, "file", |session, handle| {
        session.write(handle, Some(0), &[b'a'; 3 * PAGE])?;
        session.flush(handle)?;
        let mapped = session.map(handle, 0, true)?.expect("a view");
        session.store(&mapped, PAGE + 5, b"stored")?;
        let mut back = [0; 8];
        session.read(handle, Some(PAGE as i64 + 4), &mut back)?;
        assert_eq!(&back, b"astoreda", "the cache has the same pages");
        assert_eq!(session.unmap(mapped)?, NtStatus::SUCCESS);
        Ok(NtStatus::SUCCESS)
    });
    machine.write_cache();
    let watch = watch_results(&machine, "modwatch");
    assert!(watch.checks > 0);
    assert_eq!(watch.failed_lines, Vec::<u32>::new(), "lines of watch.c count from 10000");
    let first = |major| watch.log.iter().position(|entry| entry.major == major).expect("it is in the log");
    let mapped = &watch.log[first(IRP_MJ_ACQUIRE_FOR_MOD_WRITE)..][..5];
    let lines: Vec<_> =
        mapped.iter().map(|entry| (entry.major, entry.post, entry.irql, entry.top_level)).collect();
    assert_eq!(
        lines,
        [
            (IRP_MJ_ACQUIRE_FOR_MOD_WRITE, false, 0, 3),
            (IRP_MJ_ACQUIRE_FOR_MOD_WRITE, true, 0, 3),
            (IRP_MJ_WRITE, false, 0, 3),
            (IRP_MJ_RELEASE_FOR_MOD_WRITE, false, 1, 0),
            (IRP_MJ_RELEASE_FOR_MOD_WRITE, true, 1, 0),
        ]
    );
    let (acquired, written, released) = (&mapped[1], &mapped[2], &mapped[3]);
    assert_eq!((mapped[0].offset, written.offset), (2 * PAGE as u64, PAGE as u64));
    assert!(acquired.resource != 0 && acquired.resource == released.resource);
    assert!(mapped.iter().all(|entry| (entry.thread, entry.file) == (acquired.thread, acquired.file)));
    assert_eq!(watch.mapped_writes, 1);
    let sections = watch.of(IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION);
    assert_eq!((sections.pre, sections.failed), (1, 0));
    assert_eq!(watch.of(IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION).post, 1);
    with_existing(&machine, "file", |session, handle| {
        let mut back = vec![0; 3 * PAGE];
        session.read(handle, Some(0), &mut back)?;
        assert_eq!(&back[PAGE + 4..PAGE + 12], b"astoreda");
        Ok(NtStatus::SUCCESS)
    });
    machine.unload_all();
    assert_clean(&machine);
    check();
}

#[test]
fn what_a_program_stores_is_written_between_acquire_and_release() {
    // spec: SEED-MODW-01, SEED-MODW-03, SEED-MODW-07, SEED-MODW-08, FSF-15, FSF-16, FSF-29
    for schedule in [Schedule::Free, Schedule::Seeded(1), Schedule::Seeded(2), Schedule::Seeded(3)] {
        stored_through(VolumeSource::Memory, schedule, || {});
    }
}

#[test]
fn what_a_program_stores_is_cipher_in_a_directory_of_the_host() {
    // spec: SEED-MODW-03, FSF-15, MM-05
    let folder = std::env::temp_dir().join(format!("altimeter-mapped-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    stored_through(VolumeSource::Directory(folder.clone()), Schedule::Seeded(7), || {
        let bytes = std::fs::read(folder.join("file")).expect("the file");
        assert_eq!(bytes.len(), 3 * PAGE);
        assert!(!bytes.windows(3).any(|three| three == b"aaa"), "no plain text on the host");
        assert!(!bytes.windows(6).any(|six| six == b"stored"));
    });
    std::fs::remove_dir_all(folder).expect("it was ours");
}

#[test]
fn a_view_says_so_in_the_stream_header() {
    // spec: CC-23
    let machine = machine();
    with_file(&machine, "file", |session, handle| {
        session.write(handle, Some(0), &[1; PAGE])?;
        let (file, _) = nt_io::reference_file_by_handle(handle.value(), 0, 0).expect("the handle");
        let flags = || {
            let header = nt_cc::stream_header(file).expect("the file system's header");
            (
                header.Flags.get() & FSRTL_FLAG_USER_MAPPED_FILE,
                header.Flags2.get() & FSRTL_FLAG2_WRITABLE_USER_MAPPED_FILE,
            )
        };
        assert_eq!(flags(), (0, 0));
        let readable = session.map(handle, 0, false)?.expect("a view");
        assert_eq!(flags(), (FSRTL_FLAG_USER_MAPPED_FILE, 0));
        let writable = session.map(handle, 0, true)?.expect("a view");
        assert_eq!(flags(), (FSRTL_FLAG_USER_MAPPED_FILE, FSRTL_FLAG2_WRITABLE_USER_MAPPED_FILE));
        session.unmap(readable)?;
        session.unmap(writable)?;
        nt_ob::ob_dereference(std::ptr::from_ref(file) as usize)?;
        Ok(NtStatus::SUCCESS)
    });
    assert_clean(&machine);
}

#[test]
fn views_of_a_program_end_with_it() {
    let machine = machine();
    with_file(&machine, "file", |session, handle| {
        session.write(handle, Some(0), &[1; PAGE])?;
        let mapped = session.map(handle, 0, true)?.expect("a view");
        session.store(&mapped, 0, b"x")?;
        Ok(NtStatus::SUCCESS)
    });
    machine.unload_all();
    assert_clean(&machine);
    drop(machine);
}

#[test]
fn stores_from_four_threads_keep_every_promise_to_a_filter() {
    // spec: SEED-MODW-03, SEED-MODW-05, SEED-MODW-08, SEED-MODW-11, FSF-15, FSF-17
    for schedule in [Schedule::Free, Schedule::Seeded(11), Schedule::Seeded(12)] {
        let machine = with_cipher(VolumeSource::Memory, schedule);
        let options = StressOptions { seed: 9, operations: 1_500, ..StressOptions::default() };
        let outcome = stress(&machine, options, &NoProgress);
        assert_eq!(outcome.mismatches, 0, "{:?}", outcome.mismatch_details);
        machine.write_cache();
        let watch = watch_results(&machine, "modwatch");
        assert_eq!(watch.failed_lines, Vec::<u32>::new(), "lines of watch.c count from 10000");
        assert!(watch.mapped_writes > 0);
        let (acquired, released) =
            (watch.of(IRP_MJ_ACQUIRE_FOR_MOD_WRITE), watch.of(IRP_MJ_RELEASE_FOR_MOD_WRITE));
        assert_eq!(acquired.post - acquired.failed, released.post);
        machine.unload_all();
        assert_clean(&machine);
    }
}
