//! FLT_IO_PARAMETER_BLOCK: what callbacks are given, and which changes count.

use altimeter::NtStatus;
use altimeter::session::OpenRequest;
use nt_abi::{
    IRP_BUFFERED_IO, IRP_CLOSE_OPERATION, IRP_CREATE_OPERATION, IRP_DEALLOCATE_BUFFER, IRP_INPUT_OPERATION,
    IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_DIRECTORY_CONTROL, IRP_MJ_QUERY_INFORMATION,
    IRP_MJ_READ, IRP_MJ_SET_INFORMATION, IRP_MJ_WRITE, IRP_NOCACHE, IRP_PAGING_IO, IRP_READ_OPERATION,
    IRP_SYNCHRONOUS_API, IRP_WRITE_OPERATION, SL_OPEN_TARGET_DIRECTORY, SL_RESTART_SCAN,
    SL_RETURN_SINGLE_ENTRY, file_information_class as class,
};

use crate::support::*;

/// `Parameters.Read` and `.Write`: length in the low half of word 0, offset in word 2.
fn length(entry: &Entry) -> u32 {
    entry.parameters[0] as u32
}
fn offset(entry: &Entry) -> u64 {
    entry.parameters[2]
}

fn observed() -> (altimeter::Machine, Results) {
    let machine = with_recorder(&["Mode=sz:observe"]);
    with_file(&machine, "file", |session, handle| session.write(handle, Some(0), b"0123456789"));
    with_existing(&machine, "file", |session, handle| {
        session.read(handle, Some(2), &mut [0; 4])?;
        session.query_information(handle, class::FileInternalInformation, &mut [0; 8])?;
        session.set_information(handle, class::FileEndOfFileInformation, &5u64.to_le_bytes())
    });
    let results = results(&machine, "r");
    (machine, results)
}

#[test]
fn irp_flags_say_what_the_operation_is() {
    // spec: SEED-IOPB-03, SEED-IOPB-04, SEED-IOPB-05, SEED-IOPB-06
    // spec: SEED-IOPB-09, SEED-IOPB-12, SEED-IOPB-13, SEED-IOPB-14
    let (machine, seen) = observed();
    let flags = |major: u8| seen.of(major, false)[0].irp_flags;
    assert_eq!(flags(IRP_MJ_CREATE), 0x884);
    assert_eq!(flags(IRP_MJ_CLEANUP), IRP_CLOSE_OPERATION | IRP_SYNCHRONOUS_API);
    assert_ne!(flags(IRP_MJ_CLOSE) & IRP_CLOSE_OPERATION, 0);
    let data = IRP_READ_OPERATION | IRP_WRITE_OPERATION | IRP_CREATE_OPERATION | IRP_CLOSE_OPERATION;
    assert_eq!(flags(IRP_MJ_READ) & data, IRP_READ_OPERATION);
    assert_eq!(flags(IRP_MJ_WRITE) & data, IRP_WRITE_OPERATION);
    assert_eq!(flags(IRP_MJ_WRITE) & (IRP_PAGING_IO | IRP_BUFFERED_IO), 0);
    let buffered = IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER | IRP_SYNCHRONOUS_API;
    assert_eq!(flags(IRP_MJ_QUERY_INFORMATION) & buffered, buffered);
    assert_ne!(flags(IRP_MJ_QUERY_INFORMATION) & IRP_INPUT_OPERATION, 0);
    assert_eq!(flags(IRP_MJ_SET_INFORMATION) & buffered, buffered);
    assert_eq!(flags(IRP_MJ_SET_INFORMATION) & IRP_INPUT_OPERATION, 0);
    assert_clean(&machine);
}

#[test]
fn handles_without_intermediate_buffering_send_noncached_operations() {
    // spec: SEED-IOPB-07, SEED-IOPB-08
    let machine = with_recorder(&["Mode=sz:observe"]);
    machine
        .run(|session| {
            let name = altimeter::utf16("\\file");
            for option in [0, nt_abi::FILE_NO_INTERMEDIATE_BUFFERING] {
                let request = OpenRequest::on_volume(&name)
                    .access(nt_abi::GENERIC_WRITE)
                    .disposition(nt_abi::FILE_OPEN_IF)
                    .options(option);
                let handle = session.open(&request)?.expect("a file").handle;
                session.write(&handle, Some(0), &[1; 512])?;
                session.close(handle)?;
            }
            Ok(())
        })
        .expect("the machine runs");
    let seen = results(&machine, "r");
    let flags = |entries: Vec<Entry>| entries.iter().map(|w| w.irp_flags & IRP_NOCACHE).collect::<Vec<_>>();
    assert_eq!(flags(seen.of(IRP_MJ_WRITE, false)), [0, IRP_NOCACHE]);
    // What was cached reached the store in front of the noncached write, as paging I/O.
    assert_eq!(flags(seen.paging(IRP_MJ_WRITE, false)), [IRP_NOCACHE]);
}

#[test]
fn callbacks_are_given_the_same_objects_in_the_block_and_beside_it() {
    // spec: SEED-IOPB-20, SEED-IOPB-38, SEED-IOPB-39, SEED-IOPB-41, SEED-IOPB-45
    let (_, seen) = observed();
    assert!(seen.entries.len() >= 12);
    for entry in &seen.entries {
        assert_eq!(entry.equal, ALL_EQUAL, "{entry:?}");
        assert_ne!((entry.file_object, entry.instance), (0, 0));
        assert_eq!(entry.reserved, 0);
    }
    let file = seen.of(IRP_MJ_CREATE, false)[0].file_object;
    assert_eq!(seen.of(IRP_MJ_WRITE, false)[0].file_object, file);
    assert_eq!((seen.failed, seen.checks > 0), (0, true));
}

#[test]
fn parameters_are_those_of_the_caller() {
    // spec: SEED-IOPB-40
    let (_, seen) = observed();
    let (write, read) = (&seen.of(IRP_MJ_WRITE, false)[0], &seen.of(IRP_MJ_READ, false)[0]);
    assert_eq!((length(write), offset(write)), (10, 0));
    assert_eq!((length(read), offset(read)), (4, 2));
    let query = &seen.of(IRP_MJ_QUERY_INFORMATION, false)[0];
    assert_eq!((query.parameters[0] as u32, query.parameters[1] as u32), (8, class::FileInternalInformation));
}

#[test]
fn operation_flags_are_those_of_the_stack_location() {
    // spec: SEED-IOPB-22, SEED-IOPB-30, SEED-IOPB-32, SEED-IOPB-33, IOPB-04
    let machine = with_recorder(&["Mode=sz:observe"]);
    with_file(&machine, "a", |session, handle| {
        let target = session.volume_path(&altimeter::utf16("\\b"));
        let rename = altimeter::session::rename_information(&target, false);
        session.set_information(handle, class::FileRenameInformation, &rename)
    });
    let parent =
        results(&machine, "r").of(IRP_MJ_CREATE, false).pop().expect("the target's parent was opened");
    assert_eq!(parent.operation_flags & SL_OPEN_TARGET_DIRECTORY, SL_OPEN_TARGET_DIRECTORY);
    let posts = results(&machine, "r").of(IRP_MJ_CREATE, true);
    assert_eq!(posts.last().map(|post| post.information), Some(5), "FILE_DOES_NOT_EXIST");

    machine
        .run(|session| {
            let root = altimeter::utf16("\\");
            let request = OpenRequest::on_volume(&root)
                .access(nt_abi::FILE_LIST_DIRECTORY)
                .options(nt_abi::FILE_DIRECTORY_FILE);
            let handle = session.open(&request)?.expect("the root").handle;
            let mut page = [0; 1024];
            let names = class::FileNamesInformation;
            let all = session.query_directory(&handle, names, &mut page, None, false, false)?;
            assert_eq!(all.status, NtStatus::SUCCESS);
            let end = session.query_directory(&handle, names, &mut page, None, false, false)?;
            assert_eq!(end.status, NtStatus::NO_MORE_FILES);
            let one = session.query_directory(&handle, names, &mut page, None, true, true)?;
            assert_eq!((one.status, page[..4] == [0; 4]), (NtStatus::SUCCESS, true));
            session.close(handle)
        })
        .expect("the machine runs");
    let queries = results(&machine, "r").of(IRP_MJ_DIRECTORY_CONTROL, false);
    let flags: Vec<u8> = queries.iter().map(|query| query.operation_flags).collect();
    assert_eq!(flags, [0, 0, SL_RESTART_SCAN | SL_RETURN_SINGLE_ENTRY]);
    assert!(queries.iter().all(|query| query.minor == 1), "IRP_MN_QUERY_DIRECTORY");
}

#[test]
fn names_compare_with_case_only_when_asked() {
    // spec: SEED-IOPB-23
    let machine = with_recorder(&["Mode=sz:observe"]);
    with_file(&machine, "Name", |session, _| {
        let other = altimeter::utf16("\\NAME");
        let opened = session.open(&OpenRequest::on_volume(&other))?.expect("any spelling");
        session.close(opened.handle)?;
        let exact = session.open(&OpenRequest::on_volume(&other).case_sensitive())?;
        assert_eq!(exact.err(), Some(NtStatus::OBJECT_NAME_NOT_FOUND));
        Ok(())
    });
    let creates = results(&machine, "r").of(IRP_MJ_CREATE, false);
    let sensitive: Vec<bool> =
        creates.iter().map(|c| c.operation_flags & nt_abi::SL_CASE_SENSITIVE != 0).collect();
    assert_eq!(sensitive, [false, false, true]);
}

/// Three recorders; the middle one adds 4096 to the offset in `mode`. Returns what they saw of one write.
fn write_below_a_changer(mode: &str) -> (altimeter::Machine, [Results; 3]) {
    let machine = machine();
    recorder(&machine, "top", "380000", &["Mode=sz:observe"]);
    recorder(&machine, "middle", "370000", &[&format!("Mode=sz:{mode}"), "Offset=dword:4096"]);
    recorder(&machine, "bottom", "360000", &["Mode=sz:observe"]);
    with_file(&machine, "change", |session, handle| session.write(handle, Some(0), b"0123456789"));
    let seen = ["top", "middle", "bottom"].map(|name| results(&machine, name));
    (machine, seen)
}

fn offsets(results: &Results) -> (u64, u64) {
    let (pre, post) = (results.of(IRP_MJ_WRITE, false), results.of(IRP_MJ_WRITE, true));
    (offset(&pre[0]), offset(&post[0]))
}

#[test]
fn a_change_marked_dirty_reaches_lower_filters_and_the_file_system_only() {
    // spec: SEED-IOPB-43, SEED-IOPB-47, SEED-IOPB-48, SEED-IOPB-49
    let (machine, [top, middle, bottom]) = write_below_a_changer("change-dirty");
    assert_eq!(offsets(&top), (0, 0));
    assert_eq!(
        offsets(&middle),
        (0, 0),
        "its own postoperation callback sees what its preoperation callback saw"
    );
    assert_eq!(offsets(&bottom), (4096, 4096));
    let mut data = [0u8; 10];
    with_file(&machine, "change-not-at-all", |_, _| Ok(()));
    machine
        .run(|session| {
            let name = altimeter::utf16("\\change");
            let request = OpenRequest::on_volume(&name).access(nt_abi::GENERIC_READ);
            let handle = session.open(&request)?.expect("the file").handle;
            let mut size = [0; 24];
            session.query_information(&handle, class::FileStandardInformation, &mut size)?;
            assert_eq!(u64::from_le_bytes(size[8..16].try_into().expect("eight")), 4106);
            // The read is changed as well: 0 becomes 4096.
            session.read(&handle, Some(0), &mut data)?;
            session.close(handle)
        })
        .expect("the machine runs");
    assert_eq!(&data, b"0123456789");
    assert_eq!(middle.failed, 0);
}

#[test]
fn a_change_without_the_mark_is_ignored_and_reported() {
    // spec: SEED-IOPB-44
    let (machine, [top, middle, bottom]) = write_below_a_changer("change-nodirty");
    for seen in [&top, &middle, &bottom] {
        assert_eq!(offsets(seen), (0, 0));
    }
    assert_found(&machine, "SEED-IOPB-44", "middle");
}

#[test]
fn a_mark_that_is_taken_back_counts_as_none() {
    // spec: IOPB-15
    let (_, [_, middle, bottom]) = write_below_a_changer("change-then-clear");
    assert_eq!((offsets(&middle), offsets(&bottom)), ((0, 0), (0, 0)));
    assert_eq!(middle.failed, 0);
}

#[test]
fn the_major_function_and_the_reserved_member_cannot_be_changed() {
    // spec: SEED-IOPB-37, SEED-IOPB-54, IOPB-06
    for (mode, rule) in [("change-major", "SEED-IOPB-54"), ("change-reserved", "SEED-IOPB-37")] {
        let (machine, [_, _, bottom]) = write_below_a_changer(mode);
        let writes = bottom.of(IRP_MJ_WRITE, false);
        assert_eq!((writes.len(), writes[0].reserved), (1, 0), "{mode}");
        let found = rules(&machine);
        assert!(found.iter().any(|f| f == rule || f == "IOPB-06"), "{mode}: {rule} is not among {found:?}");
    }
}

#[test]
fn members_that_only_the_system_uses_cannot_be_changed() {
    // spec: PARM-12
    let machine = machine();
    recorder(&machine, "changer", "370000", &["Mode=sz:change-delete-handle"]);
    recorder(&machine, "low", "360000", &["Mode=sz:observe"]);
    with_file(&machine, "file", |session, handle| {
        session.set_information(handle, class::FileDispositionInformation, &[1])?;
        session.set_information(handle, class::FileEndOfFileInformation, &7i64.to_le_bytes())
    });
    let seen = results(&machine, "low").of(nt_abi::IRP_MJ_SET_INFORMATION, false);
    assert_eq!((seen[0].parameters[3], seen[1].parameters[3]), (0, 0x5A), "there it means AdvanceOnly");
    let found = rules(&machine);
    assert_eq!(found, ["PARM-12"], "once, for the disposition");
}

#[test]
fn a_change_in_a_postoperation_callback_reaches_nobody() {
    // spec: SEED-IOPB-58
    let (_, [top, middle, bottom]) = write_below_a_changer("post-change-dirty");
    assert_eq!((offsets(&top), offsets(&middle), offsets(&bottom)), ((0, 0), (0, 0), (0, 0)));
}

#[test]
fn completing_with_a_status_needs_no_mark() {
    // spec: SEED-IOPB-60
    let machine = with_recorder(&["Mode=sz:complete-pre", "Major=dword:4", "Status=dword:0xC0000022"]);
    let done = with_file(&machine, "change", |session, handle| session.write(handle, Some(0), b"x"));
    assert_eq!(done.status, NtStatus::ACCESS_DENIED);
    assert_clean(&machine);
}

#[test]
fn a_read_that_is_redirected_is_seen_below_on_the_other_file_only() {
    // spec: SEED-IOPB-46, SEED-IOPB-53, SEED-IOPB-55, SEED-IOPB-59, IOPB-13
    let machine = machine();
    recorder(&machine, "top", "380000", &["Mode=sz:observe"]);
    recorder(&machine, "middle", "370000", &["Mode=sz:redirect"]);
    recorder(&machine, "bottom", "360000", &["Mode=sz:observe"]);
    with_file(&machine, "target", |session, handle| session.write(handle, Some(0), b"the target"));
    let mut data = [0u8; 10];
    with_file(&machine, "change", |session, handle| session.write(handle, Some(0), b"the source"));
    let done = with_existing(&machine, "change", |session, handle| session.read(handle, Some(0), &mut data));
    assert_eq!((done.status, &data), (NtStatus::SUCCESS, b"the target"));
    let (top, middle, bottom) =
        (results(&machine, "top"), results(&machine, "middle"), results(&machine, "bottom"));
    assert_eq!(middle.failed_lines, Vec::<u32>::new(), "lines of modes.c");
    let read = |seen: &Results, post| seen.of(IRP_MJ_READ, post)[0].clone();
    let original = read(&middle, false).file_object;
    assert_eq!(
        [read(&top, false), read(&top, true), read(&middle, true)].map(|r| r.file_object),
        [original; 3]
    );
    let target = read(&bottom, false).file_object;
    assert_ne!(target, original);
    assert_eq!(read(&bottom, true).file_object, target);
    assert_eq!(read(&bottom, false).equal & 1, 1, "FltObjects->FileObject follows");
    // The open of the target was generated below `middle`: only `bottom` saw it.
    let creates = |seen: &Results| seen.of(IRP_MJ_CREATE, false);
    assert_eq!((creates(&top).len(), creates(&middle).len(), creates(&bottom).len()), (3, 3, 4));
    let generated = creates(&bottom)[3].data_flags & 0x10000;
    assert_ne!(generated, 0, "FLTFL_CALLBACK_DATA_GENERATED_IO");
    machine.unload_all();
    assert_clean(&machine);
}

/// A machine with two volumes.
fn two_volumes() -> altimeter::Machine {
    let memory = altimeter::VolumeSource::Memory;
    let options =
        altimeter::Options { volumes: vec![memory.clone(), memory], ..altimeter::Options::default() };
    altimeter::Machine::boot(options).expect("it boots")
}

#[test]
fn a_read_that_is_redirected_to_another_volume_goes_on_below_the_same_altitude_there() {
    // spec: SEED-IOPB-50, SEED-IOPB-51, SEED-IOPB-52, SEED-IOPB-59, IOPB-13
    let machine = two_volumes();
    recorder(&machine, "top", "380000", &["Mode=sz:observe"]);
    recorder(&machine, "middle", "370000", &["Mode=sz:redirect-volume"]);
    recorder(&machine, "bottom", "360000", &["Mode=sz:observe"]);
    // The first instance of each is the one on this volume.
    with_file(&machine, "change", |session, handle| session.write(handle, Some(0), b"the source"));
    machine
        .run_on(1, |session| {
            let handle = create(session, "target")?.expect("a file");
            session.write(&handle, Some(0), b"the target")?;
            session.close(handle)
        })
        .expect("the machine runs");
    let mut data = [0u8; 10];
    let done = with_existing(&machine, "change", |session, handle| session.read(handle, Some(0), &mut data));
    assert_eq!((done.status, &data), (NtStatus::SUCCESS, b"the target"));
    let (top, middle, bottom) =
        (results(&machine, "top"), results(&machine, "middle"), results(&machine, "bottom"));
    assert_eq!(middle.failed_lines, Vec::<u32>::new(), "lines of modes.c");
    let read = |seen: &Results, post| seen.of(IRP_MJ_READ, post)[0].clone();
    assert_eq!(read(&top, false).file_object, read(&middle, true).file_object);
    assert_ne!(read(&bottom, false).file_object, read(&top, false).file_object);
    let create = &bottom.of(IRP_MJ_CREATE, false)[1];
    assert_eq!(read(&bottom, false).instance, create.instance, "the one on the second volume");
    assert_eq!(read(&bottom, true).equal & 2, 2, "FltObjects->Instance follows");
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn a_target_that_is_no_instance_of_the_filter_elsewhere_is_reported_and_ignored() {
    // spec: SEED-IOPB-50, IOPB-10
    let machine = two_volumes();
    recorder(&machine, "r", "370000", &["Mode=sz:redirect-badly"]);
    let done = with_file(&machine, "change", |session, handle| session.write(handle, Some(0), b"here"));
    assert_eq!(done.status, NtStatus::SUCCESS);
    assert_found(&machine, "IOPB-10", "r");
}

#[test]
fn a_target_file_of_another_volume_is_reported() {
    // spec: IOPB-12
    let machine = two_volumes();
    recorder(&machine, "r", "370000", &["Mode=sz:redirect-file"]);
    with_file(&machine, "change", |session, handle| session.write(handle, Some(0), b"here"));
    machine
        .run_on(1, |session| {
            let handle = create(session, "target")?.expect("a file");
            session.close(handle)
        })
        .expect("the machine runs");
    with_existing(&machine, "change", |session, handle| session.read(handle, Some(0), &mut [0; 4]));
    assert_found(&machine, "IOPB-12", "r");
}

#[test]
fn a_target_whose_device_has_less_room_for_stack_locations_is_reported() {
    // spec: IOPB-11
    let machine = two_volumes();
    recorder(&machine, "r", "370000", &["Mode=sz:redirect-volume", "Return=dword:1"]);
    with_file(&machine, "change", |session, handle| session.write(handle, Some(0), b"here"));
    machine
        .run_on(1, |session| {
            let handle = create(session, "target")?.expect("a file");
            session.close(handle)?;
            // The one that it goes to has room for more than the one that it comes from.
            let first = fltmgr::flt().volumes().remove(0).device().expect("mounted");
            first.StackSize.set(first.StackSize.get() + 1);
            Ok(())
        })
        .expect("the machine runs");
    let mut data = [0; 4];
    with_existing(&machine, "change", |session, handle| session.read(handle, Some(0), &mut data));
    assert_found(&machine, "IOPB-11", "r");
    assert_eq!(&data, b"here", "the redirection is ignored");
}

#[test]
fn a_write_through_handle_says_so_and_its_data_reaches_the_store_at_once() {
    // spec: SEED-IOPB-35, CC-06, IOPB-04
    let machine = with_recorder(&["Mode=sz:observe"]);
    machine
        .run(|session| {
            let name = altimeter::utf16("\\file");
            for option in [0, nt_abi::FILE_WRITE_THROUGH] {
                let request = OpenRequest::on_volume(&name)
                    .access(nt_abi::GENERIC_WRITE)
                    .disposition(nt_abi::FILE_OVERWRITE_IF)
                    .options(option);
                let handle = session.open(&request)?.expect("a file").handle;
                let before = results(&machine, "r").paging(IRP_MJ_WRITE, true).len();
                session.write(&handle, Some(0), b"data")?;
                let written = results(&machine, "r").paging(IRP_MJ_WRITE, true).len() - before;
                assert_eq!(written, usize::from(option != 0));
                session.close(handle)?;
            }
            Ok(())
        })
        .expect("the machine runs");
    let seen = results(&machine, "r").of(IRP_MJ_WRITE, false);
    let through: Vec<u8> =
        seen.iter().map(|write| write.operation_flags & nt_abi::SL_WRITE_THROUGH).collect();
    assert_eq!(through, [0, nt_abi::SL_WRITE_THROUGH]);
    assert_clean(&machine);
}
