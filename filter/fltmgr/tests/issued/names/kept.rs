//! Names of open files: what is kept of them, and for how long.

use super::*;

#[test]
fn a_format_and_a_method_are_needed() {
    // spec: NAME-01, NAME-03
    on_stage(USUAL, |stage| {
        names_are_known();
        during("asker", IRP_MJ_FLUSH_BUFFERS, false, |data| {
            for format in [0, 1, 2, 3, 4, 0x80] {
                for method in [0, 0x100, 0x200, 0x300, 0x400, 0x500, 0x8000] {
                    let right = (1..=3).contains(&format) && (0x100..=0x400).contains(&method);
                    let found = ask(data, format | method);
                    assert_eq!(found == Err(NtStatus::INVALID_PARAMETER), !right, "{format} {method:#x}");
                    assert!(ask(data, 1 | 0x100 | FLT_FILE_NAME_DO_NOT_CACHE).is_ok());
                    let instance =
                        fltmgr::from_address::<fltmgr::Instance>(iopb(data).TargetInstance.get() as usize);
                    // SAFETY: the operation's file object.
                    let file = unsafe { &*iopb(data).TargetFileObject.get() };
                    let found =
                        flt_get_file_name_information_unsafe(file, Some(&instance.unwrap()), format | method);
                    let found = take(found.unwrap());
                    let right = right && method != 0x400;
                    assert_eq!(found == Err(NtStatus::INVALID_PARAMETER), !right, "{format} {method:#x}");
                }
            }
        });
        nt_io::nt_flush_buffers_file(stage.handle, 0).unwrap();
    });
}

#[test]
fn names_of_an_open_file_are_asked_for_once_by_format_and_filter() {
    // spec: NAME-09, NAME-11, NAME-12, NAME-13
    on_stage(USUAL, |stage| {
        names_are_known();
        let flush = |who, options| ask_in_flush(stage.handle, who, options);
        let missed = Err(NtStatus::FLT_NAME_CACHE_MISS);
        assert_eq!(flush("asker", &[OPENED | CACHE_ONLY]), (vec![missed.clone()], 0));
        let name = below_volume(r"\f");
        assert_eq!(
            flush("asker", &[OPENED | FILESYSTEM_ONLY, OPENED | CACHE_ONLY]),
            (vec![name.clone(), missed.clone()], 1)
        );
        static UNCACHED: [u32; 2] = [OPENED | DEFAULT | FLT_FILE_NAME_DO_NOT_CACHE, OPENED | CACHE_ONLY];
        assert_eq!(flush("asker", &UNCACHED), (vec![name.clone(), missed.clone()], 1));
        assert_eq!(
            flush("asker", &[OPENED | DEFAULT, OPENED | CACHE_ONLY]),
            (vec![name.clone(), name.clone()], 1)
        );
        assert_eq!(
            flush("asker", &[OPENED | DEFAULT, OPENED | ALWAYS]),
            (vec![name.clone(), name.clone()], 0)
        );
        assert_eq!(flush("asker", &[OPENED | FILESYSTEM_ONLY]), (vec![name.clone()], 1), "it does not look");
        assert_eq!(
            flush("asker", &[NORMALIZED | CACHE_ONLY, SHORT | CACHE_ONLY]),
            (vec![missed.clone(); 2], 0)
        );
        assert_eq!(flush("asker", &[SHORT | DEFAULT, SHORT | ALWAYS]), (vec![Ok("F~1".into()); 2], 1));
        assert_eq!(
            flush("asker", &[NORMALIZED | ALWAYS, NORMALIZED | CACHE_ONLY]),
            (vec![name.clone(); 2], 1)
        );
        assert_eq!(
            flush("watcher", &[OPENED | CACHE_ONLY, NORMALIZED | DEFAULT]),
            (vec![name.clone(); 2], 0),
            "another filter's"
        );
        // Each filter gets its own block, again and again the same one.
        thread_local!(static BLOCKS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) });
        for who in ["asker", "watcher", "asker", "watcher"] {
            during(who, IRP_MJ_FLUSH_BUFFERS, false, |data| {
                let found = get(data, OPENED | DEFAULT).unwrap();
                // SAFETY: a name block with a reference of ours.
                let name = unsafe { &*(found as *const FLT_FILE_NAME_INFORMATION) };
                assert_eq!(text(&name.Volume), units(VOLUME), "in a copy, too");
                BLOCKS.with_borrow_mut(|blocks| blocks.push(found));
                flt_release_file_name_information(found).unwrap();
            });
            nt_io::nt_flush_buffers_file(stage.handle, 0).unwrap();
        }
        no_hook();
        let blocks = BLOCKS.take();
        assert_eq!((blocks[0], blocks[1]), (blocks[2], blocks[3]));
        assert_ne!(blocks[0], blocks[1]);
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
}

#[test]
fn opened_names_are_each_handles_and_others_are_the_streams() {
    // spec: NAME-09
    on_stage(USUAL, |stage| {
        names_are_known();
        let (_, other) = stage.open(r"\??\C:\f", FILE_SYNCHRONOUS_IO_NONALERT);
        let cached = |handle, options| ask_in_flush(handle, "asker", options).1;
        assert_eq!(cached(stage.handle, &[OPENED | DEFAULT, NORMALIZED | DEFAULT]), 2);
        assert_eq!(cached(other, &[OPENED | DEFAULT, NORMALIZED | DEFAULT]), 1, "the opened one");
        assert_eq!(cached(other, &[OPENED | DEFAULT, NORMALIZED | DEFAULT]), 0);
        let (_, elsewhere) = stage.open(r"\??\C:\g", FILE_SYNCHRONOUS_IO_NONALERT);
        assert_eq!(cached(elsewhere, &[OPENED | DEFAULT, NORMALIZED | DEFAULT]), 2, "another stream");
        nt_io::nt_close(other).unwrap();
        let (_, third) = stage.open(r"\??\C:\f", FILE_SYNCHRONOUS_IO_NONALERT);
        assert_eq!(
            cached(third, &[NORMALIZED | CACHE_ONLY, OPENED | DEFAULT]),
            1,
            "one handle is still open"
        );
        assert_eq!(cached(stage.handle, &[OPENED | DEFAULT]), 0);
        nt_io::nt_close(elsewhere).unwrap();
        let (_, again) = stage.open(r"\??\C:\g", FILE_SYNCHRONOUS_IO_NONALERT);
        assert_eq!(cached(again, &[OPENED | DEFAULT, NORMALIZED | DEFAULT]), 2, "its last handle was closed");
        assert_eq!(cached(third, &[OPENED | DEFAULT, NORMALIZED | DEFAULT]), 0);
        let [one, two] = [(); 2].map(|()| stage.open(r"\??\C:\h", FILE_SYNCHRONOUS_IO_NONALERT).1);
        assert_eq!((cached(one, &[NORMALIZED | DEFAULT]), cached(two, &[NORMALIZED | DEFAULT])), (1, 0));
        nt_io::nt_close(two).unwrap();
        assert_eq!(cached(one, &[NORMALIZED | DEFAULT]), 0, "the other one counts on its own");
        nt_io::nt_close(one).unwrap();
        let (_, last) = stage.open(r"\??\C:\h", FILE_SYNCHRONOUS_IO_NONALERT);
        assert_eq!(cached(last, &[NORMALIZED | CACHE_ONLY, NORMALIZED | DEFAULT]), 1, "all were closed");
    });
}

/// Sets information of a class, and says whether the name has to be asked for again.
fn is_asked_again(stage: &Stage, class: u32, status: NtStatus) -> bool {
    names_are_known();
    ask_in_flush(stage.handle, "asker", &[NORMALIZED | DEFAULT]);
    answer(move |_, _| Some((status, 0)));
    let buffer = memory(64);
    boundary::copy::write_value(buffer + 0x10, 2u32).unwrap();
    fltmgr::generated::flt_set_information_file(&stage.instance, stage.file, buffer, 0x20, class).unwrap();
    names_are_known();
    ask_in_flush(stage.handle, "asker", &[NORMALIZED | DEFAULT]).1 == 1
}

#[test]
fn a_rename_that_succeeds_makes_names_old() {
    // spec: NAME-09
    on_stage(USUAL, |stage| {
        for (class, changes) in [(10, true), (65, true), (40, true), (11, false), (20, false)] {
            assert_eq!(is_asked_again(stage, class, NtStatus::SUCCESS), changes, "{class}");
            assert!(!is_asked_again(stage, class, NtStatus::ACCESS_DENIED), "{class}");
        }
    });
}

#[test]
fn names_that_are_of_no_use_any_more_are_freed() {
    // spec: NAME-44
    on_stage(USUAL, |stage| {
        names_are_known();
        SHORT_NAMES.set(vec![("LONGNA~1", Ok("Long name".into()))]);
        let kept = || blocks(b"FMfn");
        assert_eq!(kept(), 0);
        let (names, opened) =
            asked_in_create(r"\??\C:\LONGNA~1\f", false, &[NORMALIZED | DEFAULT, OPENED | DEFAULT]);
        assert_eq!((names.len(), kept()), (2, 0), "they go with the create");
        during("asker", IRP_MJ_CREATE, false, |data| {
            let name = ask(data, OPENED | DEFAULT).unwrap();
            let tag = u32::from_le_bytes(*b"FMfn");
            let all = nt_ex::pool::outstanding(0..1);
            let kept = all.iter().find(|found| found.tag == tag).unwrap();
            assert_eq!((kept.count, kept.bytes), (1, 0x20 + 0x78 + name.len() * 2), "one block for each");
        });
        nt_io::nt_close(create(r"\??\C:\kept", FILE_SYNCHRONOUS_IO_NONALERT).handle).unwrap();
        no_hook();
        let both = |handle| ask_in_flush(handle, "asker", &[NORMALIZED | DEFAULT, OPENED | DEFAULT]).1;
        assert_eq!((both(opened.handle), kept()), (2, 2));
        assert_eq!((both(opened.handle), kept()), (0, 2));
        ask_in_flush(opened.handle, "watcher", &[NORMALIZED | DEFAULT]);
        assert_eq!(kept(), 3, "each filter's own");
        let buffer = memory(64);
        boundary::copy::write_value(buffer + 0x10, 2u32).unwrap();
        fltmgr::generated::flt_set_information_file(&stage.instance, stage.file, buffer, 0x20, 10).unwrap();
        assert_eq!((both(opened.handle), kept()), (2, 2), "old ones go when a new one comes");
        let second = stage.open(r"\??\C:\LONGNA~1\f", FILE_SYNCHRONOUS_IO_NONALERT).1;
        assert_eq!((both(second), kept()), (1, 3));
        nt_io::nt_close(second).unwrap();
        assert_eq!(kept(), 2, "what is of one handle goes with it");
        ask_in_flush(opened.handle, "watcher", &[NORMALIZED | DEFAULT]);
        fltmgr::flt_unregister_filter(&stage.filter).unwrap();
        assert_eq!(kept(), 1, "what a filter had goes with it");
        assert_eq!(ask_in_flush(opened.handle, "watcher", &[NORMALIZED | DEFAULT]).1, 0);
        nt_io::nt_close(opened.handle).unwrap();
        assert_eq!((kept(), stage.rules()), (0, vec![]));
    });
}

#[test]
fn a_rename_that_no_filter_looks_at_makes_names_old_too() {
    // spec: NAME-09
    register_only(Some(&[IRP_MJ_CREATE, IRP_MJ_FLUSH_BUFFERS]));
    on_stage(USUAL, |stage| {
        names_are_known();
        let (other, handle) = stage.open(r"\??\C:\g", FILE_SYNCHRONOUS_IO_NONALERT);
        let asks = || ask_in_flush(stage.handle, "asker", &[NORMALIZED | DEFAULT]).1;
        assert_eq!((asks(), asks()), (1, 0));
        let buffer = memory(64);
        boundary::copy::write_value(buffer + 0x10, 2u32).unwrap();
        boundary::copy::write_value(buffer + 0x14, b'n').unwrap();
        let set = |class| {
            let result = nt_io::nt_set_information_file(handle, buffer, 0x20, class).unwrap();
            assert_eq!(result.status, NtStatus::SUCCESS, "{class}");
        };
        set(file_information_class::FileEndOfFileInformation);
        assert_eq!(asks(), 0);
        set(file_information_class::FileRenameInformation);
        assert_eq!((asks(), asks()), (1, 0), "from above");
        fltmgr::generated::flt_set_information_file(&stage.instance, other, buffer, 0x18, 20).unwrap();
        assert_eq!(asks(), 0);
        fltmgr::generated::flt_set_information_file(&stage.instance, other, buffer, 0x18, 10).unwrap();
        assert_eq!((asks(), asks()), (1, 0), "from a filter");
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
    register_only(None);
}

#[test]
fn a_volume_that_goes_forgets_its_names() {
    on_stage(USUAL, |stage| {
        names_are_known();
        ask_in_flush(stage.handle, "asker", &[NORMALIZED | DEFAULT, OPENED | DEFAULT]);
        assert_eq!(blocks(b"FMfn"), 2);
        nt_io::nt_close(stage.handle).unwrap();
        fltmgr::flt_dismount_volume(stage.disk).unwrap();
        assert_eq!(blocks(b"FMfn"), 0);
    });
}

#[test]
fn nothing_is_kept_of_a_file_that_is_another_devices() {
    on_stage(USUAL, |stage| {
        names_are_known();
        let device =
            stage.file.DeviceObject.replace(from_ref(stage.instance.volume.device().unwrap()).cast_mut());
        let unsafe_ = || {
            let options = OPENED | DEFAULT;
            take(flt_get_file_name_information_unsafe(stage.file, Some(&stage.instance), options).unwrap())
        };
        assert_eq!((unsafe_(), unsafe_()), (below_volume(r"\f"), below_volume(r"\f")));
        assert_eq!(queries(), 2);
        stage.file.DeviceObject.set(device);
        assert_eq!((unsafe_(), unsafe_()), (below_volume(r"\f"), below_volume(r"\f")));
        assert_eq!(queries(), 1);
    });
}
