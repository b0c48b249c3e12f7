//! Objects beside operations: volumes, instances, references, push locks. `objtest` checks them from native code, in the
//! callbacks of creates whose names say what.

use altimeter::session::OpenRequest;
use altimeter::{DriverSource, Machine, NtStatus, Stopped, utf16};
use nt_abi::{IRP_MJ_SET_INFORMATION, file_information_class as class};

use crate::support::*;

/// A machine with objtest, whose checks of `words` ran.
pub fn checked(words: &[&str]) -> Machine {
    let machine = machine();
    load(&machine);
    for word in words {
        run(&machine, word).unwrap_or_else(|Stopped| panic!("{word}: {:?}", machine.report()));
    }
    machine
}

pub fn load(machine: &Machine) {
    machine
        .load(&DriverSource::from_path(&driver_path("objtest.sys")).expect("the sample"))
        .expect("objtest loads");
}

pub fn run(machine: &Machine, word: &str) -> Result<(), Stopped> {
    machine.run(|session| {
        let handle = create(session, word)?.expect("a new file");
        session.close(handle)?;
        Ok(())
    })
}

/// None of its checks failed, and nothing was found.
pub fn assert_all_hold(machine: &Machine, least: u64) {
    let seen = results(machine, "objtest");
    assert_eq!(seen.failed_lines, Vec::<u32>::new(), "file numbers * 10000 + lines of objtest");
    assert!(seen.checks >= least, "{} checks", seen.checks);
    machine.unload_all();
    assert_clean(machine);
}

/// Each word breaks the rule in its own machine.
pub fn assert_reported(cases: &[(&str, &str)]) {
    for (word, rule) in cases {
        let machine = machine();
        load(&machine);
        let ran = run(&machine, word);
        // A machine that stopped has no registry to look into.
        if ran.is_ok() {
            assert_eq!(results(&machine, "objtest").failed_lines, Vec::<u32>::new(), "{word}");
        }
        machine.unload_all();
        let found = machine.report().findings;
        let told = found.iter().any(|finding| finding.rule == *rule && finding.driver == "objtest");
        assert!(told, "{word} {ran:?}: {rule} of objtest is not among {found:?}");
    }
}

#[test]
fn references_keep_objects_until_they_are_given_back() {
    // spec: OBJ-01, OBJ-02, OBJ-04, OBJ-08
    assert_all_hold(&checked(&["references", "held", "getters"]), 25);
}

#[test]
fn volumes_are_found_named_and_asked() {
    // spec: OBJ-07, OBJ-13, OBJ-19, OBJ-21, OBJ-23
    assert_all_hold(&checked(&["no-volume", "guid", "devices", "writable", "directories"]), 25);
}

#[test]
fn whoever_asks_is_known_and_routines_are_found_by_name() {
    // spec: OBJ-25, OBJ-26
    assert_all_hold(&checked(&["requestor", "routines"]), 12);
}

#[test]
fn what_is_no_directory_is_asked_of_the_file_system_once() {
    // spec: OBJ-23
    let machine = checked(&[]);
    recorder(&machine, "below", "100000", &["Mode=sz:observe"]);
    run(&machine, "directories").expect("the machine runs");
    let queries = results(&machine, "below").of(nt_abi::IRP_MJ_QUERY_INFORMATION, false);
    assert_eq!(queries.len(), 2, "one for the file, one for the root");
}

#[test]
fn a_medium_that_takes_no_writes_is_not_writable() {
    // spec: OBJ-22
    let machine = checked(&[]);
    machine
        .run(|_| {
            let disk = fltmgr::flt().volumes();
            assert!(disk.is_empty(), "nobody has opened anything");
            Ok(())
        })
        .expect("the machine runs");
    run(&machine, "mounts the volume").expect("the machine runs");
    machine
        .run(|_| {
            let disk = fltmgr::flt().volumes()[0].disk.expect("a disk");
            nt_io::disk::set_read_only(disk);
            Ok(())
        })
        .expect("the machine runs");
    run(&machine, "medium").expect("the machine runs");
    let [status, writable, _] = results(&machine, "objtest").counted;
    assert_eq!((status, writable), (0, 0));
}

#[test]
fn a_device_that_is_gone_is_said_to_be() {
    // spec: OBJ-19
    let machine = checked(&["file"]);
    machine
        .run(|_| {
            let volume = fltmgr::flt().volumes().remove(0);
            assert!(fltmgr::lookup::flt_get_device_object(&volume).is_ok());
            fltmgr::flt_dismount_volume(volume.disk.expect("a disk"))?;
            let gone = fltmgr::lookup::flt_get_device_object(&volume);
            assert_eq!(gone.err(), Some(NtStatus::FLT_NO_DEVICE_OBJECT));
            Ok(())
        })
        .expect("the machine runs");
}

#[test]
fn a_filter_moves_files_to_other_directories_below_itself() {
    // spec: GIO-31
    let machine = machine();
    load(&machine);
    recorder(&machine, "below", "100000", &["Mode=sz:observe"]);
    let moved = machine.run(|session| {
        let folder = utf16(r"\elsewhere");
        let request = OpenRequest::on_volume(&folder).disposition(nt_abi::FILE_CREATE);
        let made = session.open(&request.options(nt_abi::FILE_DIRECTORY_FILE))?.expect("a directory");
        session.close(made.handle)?;
        let file = create(session, "to-move")?.expect("a file");
        session.close(file)?;
        assert_eq!(session.list(&folder)?.expect("a directory").len(), 1);
        Ok(session.list(&utf16(r"\"))?.expect("the root").len())
    });
    assert_eq!(moved.unwrap_or_else(|Stopped| panic!("{:?}", machine.report())), 1, "the directory");
    // The directory is opened as a target, and named to the file system.
    let below = results(&machine, "below");
    let targets = below.of(nt_abi::IRP_MJ_CREATE, false);
    let targets =
        targets.iter().filter(|entry| entry.operation_flags & nt_abi::SL_OPEN_TARGET_DIRECTORY != 0);
    assert_eq!(targets.count(), 3, "one of them is not there");
    let renames = below.of(IRP_MJ_SET_INFORMATION, false);
    let directories: Vec<bool> = renames.iter().map(|entry| entry.parameters[2] != 0).collect();
    assert_eq!(directories, [false, true, true]);
    assert_all_hold(&machine, 6);
}

#[test]
fn whoever_asks_is_told_what_the_device_below_answers() {
    assert_all_hold(&checked(&["status-asked"]), 12);
}

#[test]
fn misused_objects_are_reported() {
    // spec: OBJ-03, OBJ-20, OBJ-24
    assert_reported(&[
        ("wrong-reference", "OBJ-03"),
        ("wrong-teardown", "OBJ-20"),
        ("wrong-unopened", "OBJ-24"),
    ]);
}

#[test]
fn asking_for_the_guid_name_during_a_mount_is_reported() {
    // spec: OBJ-14
    let memory = altimeter::VolumeSource::Memory;
    let options =
        altimeter::Options { volumes: vec![memory.clone(), memory], ..altimeter::Options::default() };
    let machine = Machine::boot(options).expect("it boots");
    load(&machine);
    run(&machine, "wrong-mount").expect("the machine runs");
    assert_clean(&machine);
    machine.run_on(1, |session| create(session, "file").map(drop)).expect("the machine runs");
    assert!(rules(&machine).contains(&"OBJ-14".to_owned()), "{:?}", rules(&machine));
}

#[test]
fn push_locks_keep_apcs_off_and_let_writers_in() {
    // spec: PLOCK-01, PLOCK-02, PLOCK-05, PLOCK-07
    assert_all_hold(&checked(&["storage", "regions", "queue"]), 25);
}

#[test]
fn misused_push_locks_are_reported() {
    // spec: PLOCK-03, PLOCK-04, PLOCK-06, PLOCK-07
    assert_reported(&[
        ("wrong-exclusive", "PLOCK-03"),
        ("wrong-shared", "PLOCK-04"),
        ("wrong-start", "PLOCK-06"),
        ("wrong-end", "PLOCK-06"),
        ("wrong-delete", "PLOCK-06"),
        ("wrong-flags", "PLOCK-07"),
    ]);
    let machine = checked(&[]);
    assert_eq!(run(&machine, "wrong-release"), Err(Stopped), "releasing what is not held is a bug check");
    assert!(machine.report().bug_check.is_some());
}

/// `Parameters.SetFileInformation.ParentOfTarget`.
fn parent_of_target(entry: &Entry) -> u64 {
    entry.parameters[2]
}

#[test]
fn the_parent_of_a_target_is_given_when_its_name_is_whole() {
    // spec: PARM-10
    let machine = with_recorder(&["Mode=sz:observe"]);
    with_file(&machine, "file", |session, handle| {
        let bare = altimeter::session::rename_information(&altimeter::utf16("second"), false);
        session.set_information(handle, class::FileRenameInformation, &bare)?;
        let whole = session.volume_path(&altimeter::utf16("\\third"));
        let whole = altimeter::session::rename_information(&whole, false);
        session.set_information(handle, class::FileRenameInformation, &whole)?;
        session.set_information(handle, class::FileEndOfFileInformation, &0u64.to_le_bytes())
    });
    let seen = results(&machine, "r");
    let sets = seen.of(IRP_MJ_SET_INFORMATION, false);
    let parents: Vec<u64> = sets.iter().map(parent_of_target).collect();
    assert_eq!((parents[0], parents[2], parents.len()), (0, 0, 3), "{parents:x?}");
    let opened = seen.of(nt_abi::IRP_MJ_CREATE, false).pop().expect("the parent was opened");
    assert_eq!(parents[1], opened.file_object, "the file object of the target's directory");
}

#[test]
fn advancing_valid_data_never_cuts_a_file() {
    // spec: PARM-11
    let machine = machine();
    with_file(&machine, "file", |session, handle| {
        session.write(handle, Some(0), &[7; 8192])?;
        session.flush(handle)?;
        let (file, _) = nt_io::reference_file_by_handle(handle.value(), 0, 0).expect("a file");
        for (advance, end, expected) in [(1u8, 100, 8192), (0, 100, 100), (0, 5000, 5000)] {
            assert_eq!(set_end_of_file(file, advance, end)?, NtStatus::SUCCESS);
            let mut standard = [0; 24];
            session.query_information(handle, class::FileStandardInformation, &mut standard)?;
            let size = u64::from_le_bytes(standard[8..16].try_into().expect("eight"));
            assert_eq!(size, expected, "AdvanceOnly {advance}, EndOfFile {end}");
        }
        nt_ob::ob_dereference(std::ptr::from_ref(file) as usize)?;
        Ok(())
    });
}

/// What the cache manager sends (AdvanceOnly), and what programs do.
fn set_end_of_file(file: &'static nt_abi::FILE_OBJECT, advance: u8, end: i64) -> Result<NtStatus, Stopped> {
    let device = nt_io::io_get_related_device(file);
    let irp = nt_io::io_allocate_irp(device.StackSize.get() as u8).expect("an IRP");
    let buffer = nt_ex::pool::allocate_engine(nt_ex::pool::PoolKind::NonPaged, 8, 0x1234).expect("pool");
    boundary::copy::write_value(buffer.as_ptr() as usize, end).expect("pool");
    irp.SystemBuffer().set(buffer.as_ptr().cast());
    irp.Flags.set(nt_abi::IRP_BUFFERED_IO | nt_abi::IRP_SYNCHRONOUS_API);
    let stack = nt_io::io_next_stack(irp);
    stack.MajorFunction.set(IRP_MJ_SET_INFORMATION);
    stack.FileObject.set(std::ptr::from_ref(file).cast_mut());
    let set = stack.Parameters.SetFile();
    set.Length.set(8);
    set.FileInformationClass.set(class::FileEndOfFileInformation);
    set.AdvanceOnly.set(advance);
    let kept = |_: Option<&'static nt_abi::DEVICE_OBJECT>, _: &'static nt_abi::IRP, _: usize| {
        Ok(NtStatus::MORE_PROCESSING_REQUIRED)
    };
    nt_io::io_set_completion(irp, nt_io::Completion::Rust { routine: kept, context: 0 }, true, true, true);
    let status = nt_io::io_call_driver(device, irp)?;
    nt_io::io_free_irp(irp)?;
    nt_ex::pool::free(buffer.as_ptr(), None)?;
    Ok(status)
}

#[test]
fn operations_arrive_as_the_kinds_that_their_majors_allow() {
    // spec: PARM-01, PARM-02, PARM-04
    let machine = with_recorder(&["Mode=sz:observe"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), &[1; 64]));
    with_existing(&machine, "file", |session, handle| {
        for _ in 0..3 {
            session.read(handle, Some(0), &mut [0; 8])?;
            session.write(handle, Some(0), &[2; 8])?;
            session.query_information(handle, class::FileBasicInformation, &mut [0; 40])?;
            session.query_information(handle, class::FileInternalInformation, &mut [0; 8])?;
            session.set_information(handle, class::FileEndOfFileInformation, &64u64.to_le_bytes())?;
            session.query_volume(handle, 3, &mut [0; 24])?;
            session.flush(handle)?;
        }
        Ok(())
    });
    machine.run(|session| session.list(&altimeter::utf16("\\")).map(drop)).expect("the machine runs");
    let seen = results(&machine, "r");
    let kinds = |major: u8| {
        let mut kinds: Vec<u32> =
            seen.entries.iter().filter(|e| e.major == major).map(|e| e.data_flags & 7).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    };
    for major in [
        nt_abi::IRP_MJ_CREATE,
        IRP_MJ_SET_INFORMATION,
        nt_abi::IRP_MJ_QUERY_VOLUME_INFORMATION,
        nt_abi::IRP_MJ_DIRECTORY_CONTROL,
    ] {
        assert_eq!(kinds(major), [1], "{major:#x} is IRPs only");
    }
    for major in [nt_abi::IRP_MJ_READ, nt_abi::IRP_MJ_WRITE, nt_abi::IRP_MJ_QUERY_INFORMATION] {
        assert_eq!(kinds(major), [1, 2], "{major:#x} is both");
    }
    for major in [nt_abi::IRP_MJ_ACQUIRE_FOR_CC_FLUSH, nt_abi::IRP_MJ_RELEASE_FOR_CC_FLUSH] {
        assert_eq!(kinds(major), [4], "{major:#x} is a file system filter operation");
    }
    let alone: Vec<u8> = seen.entries.iter().filter(|e| e.data_flags & 7 == 4).map(|e| e.major).collect();
    assert!(alone.iter().all(|major| *major >= nt_abi::IRP_MJ_QUERY_OPEN), "{alone:x?}");
}

#[test]
fn mounts_name_the_kind_of_file_system() {
    // spec: PARM-31
    assert_all_hold(&checked(&["file"]), 2);
}

#[test]
fn holding_a_resource_from_an_acquire_to_its_release_is_reported() {
    // spec: PARM-27
    let machine = checked(&[]);
    with_file(&machine, "wrong-flush", |session, handle| {
        session.write(handle, Some(0), b"dirty")?;
        session.flush(handle)
    });
    assert!(rules(&machine).contains(&"PARM-27".to_owned()), "{:?}", rules(&machine));
}

#[test]
fn the_dirty_mark_is_one_bit_of_the_flags() {
    // spec: IOPB-01, IOPB-14
    assert_all_hold(&checked(&["dirty"]), 4);
}

#[test]
fn extra_create_parameters_are_found_by_their_guid() {
    // spec: ECP-03, ECP-04, ECP-05, ECP-06, ECP-07, ECP-08, ECP-10
    assert_all_hold(&checked(&["ecp-rules", "ecp-lookaside", "ecp-given"]), 50);
}

#[test]
fn a_list_that_a_filter_attaches_is_read_below_and_goes_with_the_create() {
    // spec: ECP-01, ECP-02, ECP-10
    let machine = machine();
    load_plain(&machine, "objtest.sys", "upper", "365300");
    load_plain(&machine, "objtest.sys", "lower", "365200");
    run(&machine, "ecp-attach").expect("the machine runs");
    let [_, attached, cleaned] = results(&machine, "upper").counted;
    let [read, ..] = results(&machine, "lower").counted;
    assert_eq!((attached, cleaned, read), (1, 1, 1));
    for name in ["upper", "lower"] {
        assert_eq!(results(&machine, name).failed_lines, Vec::<u32>::new(), "{name}");
    }
    machine.unload_all();
    assert_clean(&machine);
}

/// The GUID `First` of creates.c.
const FIRST: [u8; 16] = [0x11, 0x11, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33, 1, 2, 3, 4, 5, 6, 7, 8];

#[test]
fn what_a_program_gives_is_told_apart() {
    // spec: ECP-11
    let machine = checked(&[]);
    machine
        .run(|session| {
            let path = altimeter::utf16("\\ecp-program");
            let request = altimeter::session::OpenRequest::on_volume(&path)
                .access(nt_abi::GENERIC_WRITE)
                .disposition(nt_abi::FILE_OPEN_IF);
            let value = [0x67, 0x12, 0, 0, 12, 0, 0, 0];
            let opened = session.open_with_extra(&request, &[(FIRST, &value)])?.expect("a new file");
            session.close(opened.handle)
        })
        .expect("the machine runs");
    assert_all_hold(&machine, 5);
}

#[test]
fn extra_create_parameters_that_are_dropped_are_reported() {
    // spec: ECP-08, ECP-09
    assert_reported(&[("wrong-ecp-drop", "ECP-09"), ("wrong-ecp-free", "ECP-08")]);
}
