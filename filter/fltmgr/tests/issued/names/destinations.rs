//! Names of destinations, and tunnelled ones.

use super::*;

fn target(stage: &Stage, root: usize, name: &str, options: u32) -> Name {
    let found =
        flt_get_destination_file_name_information(&stage.instance, stage.file, root, &units(name), options);
    take(found.unwrap())
}

#[test]
fn a_destination_is_named_from_where_it_is_given() {
    // spec: NAME-39, NAME-42
    on_stage(USUAL, |stage| {
        names_are_known();
        PATH.set(Some(r"\d\f:old".into()));
        let (_, directory) = stage.open(r"\??\C:\e", FILE_SYNCHRONOUS_IO_NONALERT);
        let invalid = Err(NtStatus::INVALID_PARAMETER);
        for format in [0, 4, 0x80] {
            assert_eq!(target(stage, 0, "n", format), invalid, "{format}");
        }
        assert_eq!(target(stage, 0, "n", SHORT), Err(NtStatus::FLT_INVALID_NAME_REQUEST));
        nt_io::io_set_top_level_irp(1);
        assert_eq!(target(stage, 0, "n", OPENED), Err(NtStatus::FLT_INVALID_NAME_REQUEST));
        nt_io::io_set_top_level_irp(0);
        for format in [OPENED, NORMALIZED] {
            let to = |root, name| target(stage, root, name, format);
            assert_eq!(to(0, "n"), below_volume(r"\d\n"));
            assert_eq!(to(0, ":new"), below_volume(r"\d\f:new"), "a stream of the file");
            PATH.set(None);
            assert_eq!(to(0, r"\x\n"), below_volume(r"\x\n"));
            assert_eq!(to(0, r"\??\C:\x\n"), below_volume(r"\x\n"));
            assert_eq!(to(0, r"\Device\HarddiskVolume1\x\n"), below_volume(r"\x\n"));
            assert_eq!(to(0, r"\device\harddiskvolume1\x\n"), below_volume(r"\x\n"));
            assert_eq!(to(0, r"\Device\HarddiskVolume2\x\n"), Err(NtStatus::NOT_SAME_DEVICE));
            assert_eq!(to(0, r"\??\Z:\x\n"), below_volume(r"\??\Z:\x\n"), "no link");
            assert_eq!(to(directory, "n"), below_volume(r"\e\n"), "below what the handle is of");
            PATH.set(Some(r"\d\f:old".into()));
        }
        PATH.set(None);
        assert_eq!(target(stage, 0, r"\x\n::$DATA", NORMALIZED), below_volume(r"\x\n"));
        assert_eq!(target(stage, 0, r"\x\n::$DATA", OPENED), below_volume(r"\x\n::$DATA"));
        assert_eq!(stage.rules(), Vec::<&str>::new());
        assert_eq!(target(stage, 0x7FF0, "n", OPENED), Err(NtStatus::INVALID_HANDLE));
    });
}

#[test]
fn the_directory_of_a_normalized_destination_is_opened_when_it_is_elsewhere() {
    // spec: NAME-25, NAME-40, NAME-43
    on_stage(USUAL, |stage| {
        names_are_known();
        SHORT_NAMES.set(vec![("NEW~1", Ok("New name".into()))]);
        seen();
        assert_eq!(target(stage, 0, "n", NORMALIZED), below_volume(r"\n"));
        assert!(seen().iter().all(|found| found.major != IRP_MJ_CREATE), "the file's own is known");
        assert_eq!(target(stage, 0, r"\x\n", NORMALIZED), below_volume(r"\x\n"));
        let opened = seen().into_iter().find(|found| found.major == IRP_MJ_CREATE).unwrap();
        assert_eq!(opened.name, r"\x\");
        assert_eq!(target(stage, 0, r"\x\n", OPENED), below_volume(r"\x\n"));
        assert_eq!(seen().len(), 0, "an opened name is what was given");
        PATH.set(Some(r"\real".into()));
        assert_eq!(target(stage, 0, r"\link\NEW~1", NORMALIZED), below_volume(r"\real\New name"));
        let no = |status| answer(move |_, found| (found.major == IRP_MJ_CREATE).then_some((status, 0)));
        no(NtStatus::MOUNT_POINT_NOT_RESOLVED);
        assert_eq!(target(stage, 0, r"\link\n", NORMALIZED), Err(NtStatus::MOUNT_POINT_NOT_RESOLVED));
        no(NtStatus::ACCESS_DENIED);
        assert_eq!(
            target(stage, 0, r"\link\n", NORMALIZED),
            below_volume(r"\link\n"),
            "the operation will say"
        );
        PATH.set(Some("hidden".into()));
        names_are_known();
        assert_eq!(target(stage, 0, "n", OPENED), below_volume(r"\n"), "as much as is known");
        PATH.set(None);
        answer(|_, _| Some((NtStatus::DISK_FULL, 0)));
        assert_eq!(target(stage, 0, "n", OPENED), Err(NtStatus::DISK_FULL));
    });
}

#[test]
fn a_tunneled_name_is_looked_up_where_it_may_have_changed() {
    // spec: NAME-46, NAME-47, NAME-48
    on_stage(USUAL, |stage| {
        names_are_known();
        let tunneled = |post: bool, name: &'static str, options: u32, status: NtStatus| {
            SHORT_NAMES.set(Vec::new());
            hook(move |who, data, is_post| {
                if who != "asker" || iopb(data).MajorFunction.get() != IRP_MJ_CREATE {
                    return None;
                }
                thread_local!(static BEFORE: Cell<usize> = const { Cell::new(0) });
                if !is_post {
                    BEFORE.set(get(data, options).unwrap());
                }
                SHORT_NAMES.set(vec![
                    ("OLD~1.TXT", Ok("Old long name.txt".into())),
                    ("SAME~1", Ok("SAME~1".into())),
                ]);
                if is_post == post {
                    let before = data.IoStatus.Status.replace(status);
                    let operation = fltmgr::operation_from(from_ref(data) as usize).unwrap();
                    let found = flt_get_tunneled_name(operation, BEFORE.get()).unwrap();
                    data.IoStatus.Status.set(before);
                    note(if found == Ok(0) { Ok(String::new()) } else { take(found) });
                }
                if is_post {
                    flt_release_file_name_information(BEFORE.get()).unwrap();
                }
                None
            });
            create(name, FILE_SYNCHRONOUS_IO_NONALERT);
            no_hook();
            ASKED.take().remove(0)
        };
        let (ok, normalized) = (NtStatus::SUCCESS, NORMALIZED | DEFAULT);
        let nothing = Ok(String::new());
        let short = r"\??\C:\d\OLD~1.TXT:s";
        assert_eq!(tunneled(true, short, normalized, ok), below_volume(r"\d\Old long name.txt:s"));
        assert_eq!(tunneled(true, r"\??\C:\d\SAME~1", normalized, ok), nothing);
        seen();
        assert_eq!(tunneled(true, short, OPENED | DEFAULT, ok), nothing, "no normalized name");
        assert_eq!(tunneled(true, r"\??\C:\d\long.txt", normalized, ok), nothing);
        assert_eq!(seen().iter().filter(|found| found.major == IRP_MJ_DIRECTORY_CONTROL).count(), 0);
        assert_eq!(tunneled(true, short, normalized, NtStatus::ACCESS_DENIED), nothing, "it failed");
        assert_eq!(stage.rules(), Vec::<&str>::new());
        assert_eq!(tunneled(false, short, normalized, ok), nothing);
        assert_eq!(stage.rules(), ["NAME-47"], "before the operation");
        during("asker", IRP_MJ_FLUSH_BUFFERS, true, |data| {
            let operation = fltmgr::operation_from(from_ref(data) as usize).unwrap();
            assert_eq!(flt_get_tunneled_name(operation, 0x1000).unwrap(), Ok(0));
        });
        nt_io::nt_flush_buffers_file(stage.handle, 0).unwrap();
        assert_eq!(stage.rules(), ["NAME-47"; 2], "another operation");
        during("asker", IRP_MJ_SET_INFORMATION, true, |data| {
            let operation = fltmgr::operation_from(from_ref(data) as usize).unwrap();
            assert_eq!(flt_get_tunneled_name(operation, 0x1000).unwrap(), Err(NtStatus::INVALID_PARAMETER));
        });
        let buffer = memory(16);
        let (length, class) = (8, file_information_class::FileEndOfFileInformation);
        nt_io::nt_set_information_file(stage.handle, buffer, length, class).unwrap();
        no_hook();
        assert_eq!(stage.rules().len(), 2);
    });
}
