//! Registration, start, unload.

use altimeter::{DriverSource, LoadError, Setting};
use nt_abi::IRP_MJ_WRITE;

use crate::support::*;

#[test]
fn a_filter_without_an_instance_definition_cannot_register() {
    let machine = machine();
    let mut source = DriverSource::from_path(&driver_path("iopbtest.sys")).expect("the sample is there");
    source.inf = None;
    source.altitude = None;
    let refused = machine.load(&source).expect_err("it has no altitude");
    assert!(matches!(&refused, LoadError::File(text) if text.contains("--altitude")), "{refused}");
}

#[test]
fn callbacks_come_between_start_and_unload_only() {
    // spec: REG-13, LIFE-04
    let machine = with_recorder(&["Mode=sz:observe"]);
    assert_eq!(results(&machine, "r").pre_calls, 0, "nothing is mounted, nothing was done");
    with_file(&machine, "file", |_, _| Ok(()));
    let during = results(&machine, "r").pre_calls;
    assert!(during > 0);
    machine.unload_all();
    assert_eq!(machine.report().drivers[0].callbacks.iter().map(|c| c.pre).sum::<u64>(), during);
    with_file(&machine, "other", |session, handle| session.write(handle, Some(0), b"x"));
    assert_eq!(machine.report().drivers[0].callbacks.iter().map(|c| c.pre).sum::<u64>(), during);
    assert_clean(&machine);
}

#[test]
fn an_unknown_setting_fails_driver_entry_with_its_status() {
    let machine = machine();
    let mut source = DriverSource::from_path(&driver_path("iopbtest.sys")).expect("the sample is there");
    source.settings = vec![Setting::parse("Mode=sz:no-such-mode").expect("a setting")];
    let refused = machine.load(&source).expect_err("the driver refuses it");
    assert!(refused.to_string().contains("STATUS_INVALID_PARAMETER"), "{refused}");
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"x"));
    assert_clean(&machine);
}

#[test]
fn a_filter_can_be_loaded_again_after_it_was_unloaded() {
    let machine = machine();
    for round in 1..=3 {
        recorder(&machine, "r", "365000", &["Mode=sz:observe"]);
        with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"x"));
        assert_eq!(results(&machine, "r").of(IRP_MJ_WRITE, false).len(), 1, "round {round}");
        machine.unload_all();
    }
    assert_clean(&machine);
}

/// How many writes a filter sees that skips by `flags`: one through a cached handle, its paging write, one through an
/// unbuffered handle.
fn writes_seen(flags: u32) -> (usize, usize, usize) {
    let machine = with_recorder(&["Mode=sz:observe", &format!("OperationFlags=dword:{flags}")]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), &[1; 512]));
    machine
        .run(|session| {
            let name = altimeter::utf16("\\file");
            let request = altimeter::session::OpenRequest::on_volume(&name)
                .access(nt_abi::GENERIC_WRITE)
                .options(nt_abi::FILE_NO_INTERMEDIATE_BUFFERING);
            let handle = session.open(&request)?.expect("the file").handle;
            session.write(&handle, Some(0), &[2; 512])?;
            session.close(handle)
        })
        .expect("the machine runs");
    let seen = results(&machine, "r");
    let (all, paging) = (seen.of(IRP_MJ_WRITE, false), seen.paging(IRP_MJ_WRITE, false).len());
    assert_eq!(seen.of(IRP_MJ_WRITE, true).len(), all.len(), "both callbacks or none");
    let noncached = all.iter().filter(|write| write.irp_flags & nt_abi::IRP_NOCACHE != 0).count();
    (all.len() - noncached, paging, noncached)
}

#[test]
fn operations_are_skipped_by_the_flags_of_the_registration() {
    // spec: REG-05, REG-06, REG-08
    assert_eq!(writes_seen(0), (1, 1, 1));
    // SKIP_PAGING_IO
    assert_eq!(writes_seen(0x1), (1, 0, 1));
    // SKIP_CACHED_IO
    assert_eq!(writes_seen(0x2), (0, 1, 1));
    // SKIP_NON_CACHED_NON_PAGING_IO
    assert_eq!(writes_seen(0x8), (1, 1, 0));
}

#[test]
fn everything_but_volume_handles_can_be_skipped() {
    // spec: REG-07
    let machine = with_recorder(&["Mode=sz:observe", "OperationFlags=dword:4"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"x"));
    assert!(results(&machine, "r").of(IRP_MJ_WRITE, false).is_empty());
    machine
        .run(|session| {
            let volume = altimeter::utf16(r"\??\C:");
            let request = altimeter::session::OpenRequest::absolute(&volume).access(nt_abi::GENERIC_READ);
            let handle = session.open(&request)?.expect("the volume").handle;
            session.query_volume(&handle, nt_abi::FileFsSizeInformation, &mut [0; 24])?;
            session.close(handle)
        })
        .expect("the machine runs");
    let seen = results(&machine, "r").of(nt_abi::IRP_MJ_QUERY_VOLUME_INFORMATION, false);
    assert_eq!(seen.len(), 1);
}
