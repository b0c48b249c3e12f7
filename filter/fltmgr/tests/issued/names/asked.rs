//! Where names are asked for, and how they are put together.

use super::*;

#[test]
fn where_the_file_system_cannot_be_asked_only_some_methods_look() {
    // spec: NAME-05, NAME-06, NAME-09, NAME-10, NAME-11
    let refused = || Err(NtStatus::FLT_INVALID_NAME_REQUEST);
    let missed = || Err(NtStatus::FLT_NAME_CACHE_MISS);
    static METHODS: [u32; 4] =
        [OPENED | DEFAULT, OPENED | CACHE_ONLY, OPENED | FILESYSTEM_ONLY, OPENED | ALWAYS];
    for state in ["as usual", "top-level IRP", "APC_LEVEL", "paging"] {
        on_stage(USUAL, |stage| {
            names_are_known();
            let asked = move || {
                hook(move |who, data, post| {
                    let major = iopb(data).MajorFunction.get();
                    if who == "asker" && !post && matches!(major, IRP_MJ_FLUSH_BUFFERS | IRP_MJ_READ) {
                        let old = if state == "APC_LEVEL" { nt_ke::irql::raise(APC_LEVEL) } else { 0 };
                        if state == "top-level IRP" {
                            nt_io::io_set_top_level_irp(1);
                        }
                        METHODS.iter().for_each(|options| note(ask(data, *options)));
                        if state == "APC_LEVEL" {
                            nt_ke::irql::lower(old);
                        }
                        nt_io::io_set_top_level_irp(0);
                    }
                    None
                });
                if state == "paging" {
                    // As the cache manager sends it, from above all.
                    let irp = nt_io::io_allocate_irp(8).unwrap();
                    let stack = nt_io::io_next_stack(irp);
                    stack.MajorFunction.set(IRP_MJ_READ);
                    stack.FileObject.set(from_ref(stage.file).cast_mut());
                    irp.Flags.set(IRP_PAGING_IO | IRP_NOCACHE | IRP_SYNCHRONOUS_PAGING_IO);
                    nt_io::io_send_and_wait(stage.instance.volume.device().unwrap(), irp).unwrap();
                } else {
                    nt_io::nt_flush_buffers_file(stage.handle, 0).unwrap();
                }
                no_hook();
                ASKED.take()
            };
            let name = below_volume(r"\f");
            if state == "as usual" {
                assert_eq!(asked(), [name.clone(), name.clone(), name.clone(), name.clone()]);
            } else {
                assert_eq!(asked(), [refused(), missed(), refused(), missed()], "{state}");
                assert_eq!(queries(), 0);
                ask_in_flush(stage.handle, "asker", &[OPENED | DEFAULT]);
                assert_eq!(
                    asked(),
                    [refused(), name.clone(), refused(), name.clone()],
                    "{state}, it is known"
                );
            }
            assert_eq!(stage.rules(), Vec::<&str>::new());
        });
    }
}

#[test]
fn nobody_asks_after_the_close() {
    // spec: NAME-07
    on_stage(USUAL, |stage| {
        names_are_known();
        let (_, handle) = stage.open(r"\??\C:\g", FILE_SYNCHRONOUS_IO_NONALERT);
        hook(|who, data, post| {
            if who == "asker" && matches!(iopb(data).MajorFunction.get(), IRP_MJ_CLEANUP | IRP_MJ_CLOSE) {
                note(ask(data, OPENED | DEFAULT));
                if post && iopb(data).MajorFunction.get() == IRP_MJ_CLOSE {
                    let found =
                        flt_get_file_name_information_unsafe(unsafe_file(data), None, OPENED | DEFAULT);
                    note(take(found.unwrap()));
                }
            }
            None
        });
        nt_io::nt_close(handle).unwrap();
        no_hook();
        let (name, refused) = (below_volume(r"\g"), Err(NtStatus::FLT_INVALID_NAME_REQUEST));
        assert_eq!(ASKED.take(), [name.clone(), name.clone(), name, refused.clone(), refused]);
    });
}

#[test]
fn a_name_outside_operations_is_asked_for_at_a_risk() {
    // spec: NAME-35, NAME-36, NAME-37
    on_stage(USUAL, |stage| {
        names_are_known();
        let get = |instance: Option<&fltmgr::Instance>, options| {
            take(flt_get_file_name_information_unsafe(stage.file, instance, options).unwrap())
        };
        let name = below_volume(r"\f");
        // Without an instance everything is asked below the top, and nothing is kept.
        assert_eq!((get(None, OPENED | DEFAULT), get(None, OPENED | DEFAULT)), (name.clone(), name.clone()));
        assert_eq!(queries(), 2);
        assert_eq!(get(Some(&stage.instance), OPENED | DEFAULT), name);
        assert_eq!((get(None, OPENED | DEFAULT), queries()), (name.clone(), 1), "what others know is used");
        assert_eq!(stage.rules(), Vec::<&str>::new());
        nt_io::io_set_top_level_irp(1);
        assert_eq!(get(Some(&stage.instance), OPENED | CACHE_ONLY), name);
        assert_eq!(stage.rules(), Vec::<&str>::new(), "the cache does no harm");
        assert_eq!(get(Some(&stage.instance), OPENED | DEFAULT), name);
        assert_eq!(stage.rules(), ["NAME-37"]);
        nt_io::io_set_top_level_irp(0);
        stage.file.Flags.fetch_or(FO_CLEANUP_COMPLETE, Ordering::Relaxed);
        assert_eq!(get(Some(&stage.instance), OPENED | DEFAULT), name);
        stage.file.Flags.fetch_and(!FO_CLEANUP_COMPLETE, Ordering::Relaxed);
        assert_eq!(stage.rules(), ["NAME-37"; 2]);
        let messages: Vec<String> =
            stage.core.findings().into_iter().map(|finding| finding.message).collect();
        assert!(
            messages[0].contains("top-level IRP") && messages[1].contains("after the cleanup"),
            "{messages:?}"
        );
        let stream = stage.file.FsContext.replace(std::ptr::null_mut());
        assert_eq!(get(Some(&stage.instance), OPENED | DEFAULT), Err(NtStatus::FLT_INVALID_NAME_REQUEST));
        stage.file.FsContext.set(stream);
        assert_eq!(stage.rules().len(), 2);
        let flushes = |file| flt_purge_file_name_information_cache(&stage.instance, file);
        assert_eq!(
            (flushes(None), flushes(Some(stage.file))),
            (Ok(NtStatus::SUCCESS), Ok(NtStatus::SUCCESS))
        );
        stage.file.FsContext.set(std::ptr::null_mut());
        assert_eq!(flushes(Some(stage.file)), Ok(NtStatus::INVALID_PARAMETER));
        stage.file.FsContext.set(stream);
        seen();
        assert_eq!(
            (get(Some(&stage.instance), OPENED | DEFAULT), queries()),
            (name, 0),
            "no provider made it"
        );
    });
}

#[test]
fn names_are_asked_for_in_the_buffer_that_they_need() {
    // spec: NAME-27, NAME-28
    on_stage(USUAL, |stage| {
        names_are_known();
        let get = |options| {
            let options = options | FILESYSTEM_ONLY;
            let name = take(
                flt_get_file_name_information_unsafe(stage.file, Some(&stage.instance), options).unwrap(),
            );
            let all = seen();
            assert!(all.iter().all(|found| found.irp_flags == IRP_SYNCHRONOUS_API | IRP_BUFFERED_IO));
            let asked: Vec<_> =
                all.iter().map(|found| (found.parameters[1] as u32, found.parameters[0] as u32)).collect();
            (name, asked)
        };
        assert_eq!(get(OPENED), (below_volume(r"\f"), vec![(9, 1024)]));
        assert_eq!(get(NORMALIZED), (below_volume(r"\f"), vec![(48, 1024)]));
        assert_eq!(get(SHORT), (Ok("F~1".into()), vec![(21, 1024)]));
        let long = |units: usize| format!("\\{}", "n".repeat(units - 1));
        for (units, asked) in [(510, vec![(9, 1024)]), (511, vec![(9, 1024), (9, 0x10004)])] {
            PATH.set(Some(long(units)));
            assert_eq!(get(OPENED), (below_volume(&long(units)), asked));
        }
        // The whole name has at most 32767 units.
        let most = 32767 - VOLUME.len();
        PATH.set(Some(long(most)));
        assert_eq!(get(OPENED).0, below_volume(&long(most)));
        PATH.set(Some(long(most + 1)));
        assert_eq!(get(OPENED).0, Err(NtStatus::NAME_TOO_LONG));
        PATH.set(Some(long(0x8001)));
        assert_eq!(get(OPENED), (Err(NtStatus::NAME_TOO_LONG), vec![(9, 1024), (9, 0x10004)]));
        // Who may not traverse the path gets its last part, which is no name; a volume has an empty one.
        PATH.set(Some("f".into()));
        assert_eq!(get(OPENED).0, Err(NtStatus::ACCESS_DENIED));
        assert_eq!(get(NORMALIZED).0, Err(NtStatus::ACCESS_DENIED));
        PATH.set(Some(String::new()));
        assert_eq!(get(OPENED).0, below_volume(""));
        PATH.set(Some(r"\f::$DATA".into()));
        assert_eq!((get(OPENED).0, get(NORMALIZED).0), (below_volume(r"\f::$DATA"), below_volume(r"\f")));
        answer(|_, found| (found.parameters[1] as u32 == 9).then_some((NtStatus::DISK_FULL, 0)));
        assert_eq!(get(OPENED), (Err(NtStatus::DISK_FULL), vec![(9, 1024)]));
        // A length that the buffer does not have.
        answer(|_, found| {
            boundary::copy::write_value(found.system, 4096u32).unwrap();
            Some((NtStatus::SUCCESS, 4))
        });
        assert!(get(SHORT).0.is_ok_and(|name| name.len() == 510));
        PATH.set(None);
        names_are_known();
        stage.file.Flags.fetch_or(FO_VOLUME_OPEN, Ordering::Relaxed);
        assert_eq!(get(OPENED), (below_volume(""), vec![]), "the volume itself");
        assert_eq!(get(SHORT), (Err(NtStatus::FLT_INVALID_NAME_REQUEST), vec![]));
        stage.file.Flags.fetch_and(!FO_VOLUME_OPEN, Ordering::Relaxed);
    });
}

#[test]
fn a_relative_create_is_named_below_its_directory() {
    // spec: NAME-18, NAME-20, NAME-26
    on_stage(USUAL, |stage| {
        names_are_known();
        let (_, directory) = stage.open(r"\??\C:\d", FILE_SYNCHRONOUS_IO_NONALERT);
        during("asker", IRP_MJ_CREATE, false, |data| {
            note(ask(data, OPENED | DEFAULT));
        });
        let open = |name: &str, options: u32| {
            let name = units(name);
            let opened = nt_io::io_create_file(&nt_io::CreateParameters {
                root: directory,
                ..parameters(&name, FILE_SYNCHRONOUS_IO_NONALERT | options)
            });
            assert_eq!(opened.unwrap().status, NtStatus::SUCCESS);
            ASKED.take().remove(0)
        };
        seen();
        assert_eq!(open("f", 0), below_volume(r"\d\f"));
        assert_eq!(queries(), 1, "the directory is asked");
        assert_eq!(open(":s", 0), below_volume(r"\d:s"));
        assert_eq!(open("", 0), below_volume(r"\d"));
        PATH.set(Some("d".into()));
        assert_eq!(open("f", 0), Err(NtStatus::ACCESS_DENIED));
        PATH.set(Some(r"\".into()));
        assert_eq!(open("f", 0), below_volume(r"\f"));
        // By its ID: the file is opened below to be asked.
        PATH.set(Some(r"\d\found".into()));
        seen();
        assert_eq!(open("\u{1}\u{2}\u{3}\u{4}", FILE_OPEN_BY_FILE_ID), below_volume(r"\d\found"));
        let all = seen();
        let majors: Vec<u8> = all.iter().map(|found| found.major).collect();
        assert_eq!(
            majors,
            [IRP_MJ_CREATE, IRP_MJ_QUERY_INFORMATION, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE]
        );
        let own = &all[0];
        assert_eq!((own.name.as_str(), own.access), ("\u{1}\u{2}\u{3}\u{4}", FILE_READ_ATTRIBUTES));
        assert_eq!(
            (own.parameters[1] as u32, own.parameters[2] >> 16),
            (FILE_OPEN << 24 | FILE_OPEN_BY_FILE_ID, 7)
        );
        assert_ne!(own.related, 0);
        answer(|_, found| {
            (found.major == IRP_MJ_CREATE && found.access == FILE_READ_ATTRIBUTES)
                .then_some((NtStatus::OBJECT_NAME_NOT_FOUND, 0))
        });
        assert_eq!(open("\u{1}\u{2}\u{3}\u{4}", FILE_OPEN_BY_FILE_ID), Err(NtStatus::OBJECT_NAME_NOT_FOUND));
        names_are_known();
        seen();
        let id = units("\\??\\C:\\\u{1}\u{2}\u{3}\u{4}");
        nt_io::io_create_file(&parameters(&id, FILE_SYNCHRONOUS_IO_NONALERT | FILE_OPEN_BY_FILE_ID)).unwrap();
        assert_eq!(ASKED.take(), [below_volume(r"\d\found")]);
        seen();
        PATH.set(Some("found".into()));
        nt_io::io_create_file(&parameters(&id, FILE_SYNCHRONOUS_IO_NONALERT | FILE_OPEN_BY_FILE_ID)).unwrap();
        assert_eq!(ASKED.take(), [Err(NtStatus::ACCESS_DENIED)]);
        PATH.set(None);
        no_hook();
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
}

#[test]
fn the_directory_of_a_target_is_named_without_the_last_component() {
    // spec: NAME-17
    on_stage(USUAL, |_| {
        names_are_known();
        during("asker", IRP_MJ_CREATE, false, |data| {
            let flags = &iopb(data).OperationFlags;
            let before = flags.replace(flags.get() | SL_OPEN_TARGET_DIRECTORY);
            note(ask(data, OPENED | DEFAULT));
            flags.set(before);
        });
        for (name, directory) in [(r"\??\C:\d\e\f", r"\d\e"), (r"\??\C:\f", r"\")] {
            create(name, FILE_SYNCHRONOUS_IO_NONALERT);
            assert_eq!(ASKED.take(), [below_volume(directory)]);
        }
        no_hook();
    });
}

#[test]
fn short_components_are_looked_up_one_by_one() {
    // spec: NAME-19, NAME-25, NAME-28
    on_stage(USUAL, |stage| {
        names_are_known();
        SHORT_NAMES.set(vec![
            ("ONE~1", Ok("The first".into())),
            ("TWO~1.TXT", Ok("The second.txt".into())),
            ("EMPTY~1", Ok(String::new())),
            ("LONG~1", Ok("n".repeat(256))),
            ("LONGER~1", Ok("n".repeat(257))),
            ("HIDDEN~1", Err(NtStatus::ACCESS_DENIED)),
        ]);
        let normal = |name: &str| {
            let (names, _) = asked_in_create(&format!(r"\??\C:{name}"), false, &[NORMALIZED | DEFAULT]);
            names.into_iter().next().unwrap()
        };
        seen();
        assert_eq!(normal(r"\ONE~1\plain\TWO~1.TXT:s"), below_volume(r"\The first\plain\The second.txt:s"));
        let all = seen();
        let majors: Vec<u8> = all.iter().map(|found| found.major).collect();
        let one = [IRP_MJ_CREATE, IRP_MJ_DIRECTORY_CONTROL, IRP_MJ_CLEANUP, IRP_MJ_CLOSE];
        assert_eq!(majors, [&one[..], &one, &[IRP_MJ_CREATE]].concat());
        let (root, lookup, directory) = (&all[0], &all[1], &all[4]);
        assert_eq!((root.name.as_str(), directory.name.as_str()), (r"\", r"\The first\plain\"));
        for opened in [root, directory] {
            assert_eq!(opened.access, FILE_LIST_DIRECTORY | SYNCHRONIZE);
            let options = FILE_OPEN << 24 | FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT;
            assert_eq!((opened.parameters[1] as u32, opened.parameters[2] >> 16), (options, 7));
        }
        assert_eq!((lookup.minor, lookup.irp_flags), (IRP_MN_QUERY_DIRECTORY, IRP_SYNCHRONOUS_API));
        assert_eq!(lookup.stack_flags, SL_RESTART_SCAN | SL_RETURN_SINGLE_ENTRY);
        assert_eq!((lookup.parameters[0] as u32, lookup.parameters[2] as u32), (12 + 255 * 2 + 2, 12));
        assert_eq!(normal(r"\plain\MISSING~1"), below_volume(r"\plain\MISSING~1"), "not there yet");
        assert_eq!(normal(r"\GONE~1\f"), Err(NtStatus::OBJECT_PATH_NOT_FOUND));
        assert_eq!(normal(r"\HIDDEN~1\f"), Err(NtStatus::ACCESS_DENIED));
        assert_eq!(normal(r"\f\HIDDEN~1"), below_volume(r"\f\HIDDEN~1"));
        assert_eq!(normal(r"\EMPTY~1\f"), Err(NtStatus::OBJECT_NAME_INVALID));
        assert_eq!(normal(r"\LONG~1\f"), below_volume(&format!(r"\{}\f", "n".repeat(256))));
        assert_eq!(normal(r"\LONGER~1\f"), Err(NtStatus::BUFFER_OVERFLOW));
        assert_eq!(normal(r"\LIES~1\f"), Err(NtStatus::OBJECT_NAME_INVALID));
        seen();
        assert_eq!(normal(r"\plain\f:x~1"), below_volume(r"\plain\f:x~1"), "streams have no short names");
        assert_eq!(seen().len(), 1);
        // Of an open file, when the file system knows no normalized names.
        PLAIN.set(true);
        PATH.set(Some(r"\ONE~1\f".into()));
        let got =
            flt_get_file_name_information_unsafe(stage.file, Some(&stage.instance), NORMALIZED | DEFAULT);
        assert_eq!(take(got.unwrap()), below_volume(r"\The first\f"));
        PLAIN.set(false);
        PATH.set(None);
        answer(|_, found| {
            (found.major == IRP_MJ_CREATE && found.name == r"\").then_some((NtStatus::ACCESS_DENIED, 0))
        });
        assert_eq!(normal(r"\ONE~1\f"), Err(NtStatus::ACCESS_DENIED), "the directory cannot be opened");
    });
}
