//! The blocks that names are given in.

use super::*;

/// A name in a block with one reference.
fn block(stage: &Stage, path: &str, options: u32) -> &'static FLT_FILE_NAME_INFORMATION {
    PATH.set(Some(path.into()));
    let options = options | FILESYSTEM_ONLY;
    let found = flt_get_file_name_information_unsafe(stage.file, Some(&stage.instance), options);
    PATH.set(None);
    // SAFETY: a name block with a reference of ours.
    unsafe { &*(found.unwrap().unwrap() as *const FLT_FILE_NAME_INFORMATION) }
}

fn address(block: &FLT_FILE_NAME_INFORMATION) -> usize {
    from_ref(block) as usize
}

#[test]
fn a_name_block_has_its_fields_and_its_parts_when_it_is_parsed() {
    // spec: NAME-21, NAME-24, NAME-29
    on_stage(USUAL, |stage| {
        names_are_known();
        let name = block(stage, r"\d\e\file.txt:stream", OPENED);
        assert_eq!((name.Size.get(), name.Format.get(), name.NamesParsed.get()), (0x78, OPENED, 0));
        assert_eq!(text(&name.Volume), units(VOLUME));
        assert_eq!(name.Name.Buffer.get(), name.Volume.Buffer.get());
        assert_eq!(name.Name.MaximumLength.get(), name.Name.Length.get());
        let (_, size, _) = nt_ex::pool::block_around(address(name)).unwrap();
        assert_eq!(size, 0x20 + 0x78 + usize::from(name.Name.Length.get()), "one block");
        let parts = |name: &FLT_FILE_NAME_INFORMATION| {
            assert_eq!(flt_parse_file_name_information(address(name)), NtStatus::SUCCESS);
            assert_eq!(name.NamesParsed.get(), 0xF);
            [&name.Volume, &name.Share, &name.ParentDir, &name.FinalComponent, &name.Extension, &name.Stream]
                .map(|part| String::from_utf16_lossy(&text(part)))
        };
        assert_eq!(parts(name), [VOLUME, "", r"\d\e\", "file.txt:stream", "txt", ":stream"]);
        flt_release_file_name_information(address(name)).unwrap();
        let short = block(stage, "", SHORT);
        assert_eq!((short.Format.get(), short.Volume.Length.get()), (SHORT, 0));
        assert_eq!(parts(short), ["", "", "", "F~1", "", ""]);
        flt_release_file_name_information(address(short)).unwrap();
        for wrong in [0, 8, address(name), from_ref(stage) as usize & !7, from_ref(stage) as usize | 1] {
            assert_eq!(flt_parse_file_name_information(wrong), NtStatus::INVALID_PARAMETER);
            assert_eq!(flt_reference_file_name_information(wrong), NtStatus::INVALID_PARAMETER);
        }
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
}

#[test]
fn a_name_lives_until_its_last_reference_goes() {
    // spec: NAME-21, NAME-44
    on_stage(USUAL, |stage| {
        names_are_known();
        let name = block(stage, r"\f", OPENED);
        let is_there = || nt_ex::pool::block_around(address(name)).is_some();
        assert_eq!(flt_reference_file_name_information(address(name)), NtStatus::SUCCESS);
        flt_release_file_name_information(address(name)).unwrap();
        assert!(is_there());
        flt_release_file_name_information(address(name)).unwrap();
        assert!(!is_there());
        assert!(flt_release_file_name_information(address(name)).is_err());
        let check = stage.core.bug_checked().expect("it is none any more");
        assert!(check.message.contains("FltReleaseFileNameInformation"), "{}", check.message);
    });
}

#[test]
fn writing_to_a_name_is_reported_whatever_is_written() {
    // spec: NAME-22
    on_stage(USUAL, |stage| {
        names_are_known();
        type Change = fn(&FLT_FILE_NAME_INFORMATION);
        let changes: [Change; 9] = [
            |name| name.Size.set(0x79),
            |name| name.Format.set(NORMALIZED),
            |name| name.Name.Length.set(name.Name.Length.get() - 2),
            |name| name.Name.MaximumLength.set(name.Name.MaximumLength.get() + 2),
            |name| name.Name.Buffer.set(name.Name.Buffer.get().wrapping_add(1)),
            |name| name.Volume.Length.set(0),
            |name| name.Volume.MaximumLength.set(0),
            |name| name.Volume.Buffer.set(std::ptr::null_mut()),
            |name| boundary::copy::write_value(name.Name.Buffer.get() as usize + 4, b'X').unwrap(),
        ];
        for (count, change) in changes.iter().enumerate() {
            let name = block(stage, r"\f", OPENED);
            flt_parse_file_name_information(address(name));
            change(name);
            flt_release_file_name_information(address(name)).unwrap();
            assert_eq!(stage.rules().len(), count + 1, "change {count}");
        }
        assert!(stage.rules().iter().all(|rule| *rule == "NAME-22"));
        let name = block(stage, r"\f", OPENED);
        flt_parse_file_name_information(address(name));
        flt_release_file_name_information(address(name)).unwrap();
        assert_eq!(stage.rules().len(), changes.len(), "parsing is no writing");
    });
}
