//! Names of files that are being created.

use super::*;

#[test]
fn before_the_file_is_open_the_name_is_that_of_the_create() {
    // spec: NAME-08, NAME-18
    on_stage(USUAL, |stage| {
        names_are_known();
        seen();
        let refused = Err(NtStatus::FLT_INVALID_NAME_REQUEST);
        let formats = &[OPENED | DEFAULT, NORMALIZED | DEFAULT, SHORT | DEFAULT, OPENED | FILESYSTEM_ONLY];
        let stream = |path: &str, normal: &str| {
            vec![below_volume(path), below_volume(normal), refused.clone(), below_volume(path)]
        };
        let (names, opened) = asked_in_create(r"\??\C:\d\new:s:$DATA", false, formats);
        assert_eq!(names, stream(r"\d\new:s:$DATA", r"\d\new:s"));
        assert_eq!((opened.status, queries()), (NtStatus::SUCCESS, 0), "nobody is asked");
        let (names, _) = asked_in_create(r"\??\C:\d\new", true, formats);
        let open =
            vec![below_volume(r"\d\new"), below_volume(r"\d\new"), Ok("F~1".into()), below_volume(r"\d\new")];
        assert_eq!((names, queries()), (open, 4));
        let before = ANSWERS_NO;
        before();
        let (names, opened) = asked_in_create(r"\??\C:\d\new", true, formats);
        assert_eq!((names, queries()), (stream(r"\d\new", r"\d\new"), 0), "the create failed");
        assert_eq!(opened.status, NtStatus::ACCESS_DENIED);
        names_are_known();
        let (names, _) = asked_in_create(
            r"\??\C:\d\new",
            false,
            &[OPENED | CACHE_ONLY, OPENED | DEFAULT, OPENED | CACHE_ONLY],
        );
        assert_eq!(
            names,
            [Err(NtStatus::FLT_NAME_CACHE_MISS), below_volume(r"\d\new"), below_volume(r"\d\new")]
        );
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
}

/// The file system refuses creates.
const ANSWERS_NO: fn() =
    || answer(|_, found| (found.major == IRP_MJ_CREATE).then_some((NtStatus::ACCESS_DENIED, 0)));

#[test]
fn names_that_were_asked_for_in_a_create_are_kept_with_it() {
    // spec: NAME-09
    on_stage(USUAL, |_| {
        names_are_known();
        SHORT_NAMES.set(vec![("LONGNA~1", Ok("Long name".into())), ("NEW~1", Ok("New file".into()))]);
        let lookups = || seen().iter().filter(|found| found.major == IRP_MJ_DIRECTORY_CONTROL).count();
        let twice =
            &[NORMALIZED | DEFAULT, NORMALIZED | DEFAULT, NORMALIZED | CACHE_ONLY, NORMALIZED | ALWAYS];
        seen();
        let (names, _) = asked_in_create(r"\??\C:\LONGNA~1\f", false, twice);
        assert_eq!((names, lookups()), (vec![below_volume(r"\Long name\f"); 4], 1));
        static UNCACHED: [u32; 3] = [
            NORMALIZED | DEFAULT | FLT_FILE_NAME_DO_NOT_CACHE,
            NORMALIZED | FILESYSTEM_ONLY,
            NORMALIZED | CACHE_ONLY,
        ];
        let (names, _) = asked_in_create(r"\??\C:\LONGNA~1\f", false, &UNCACHED);
        assert_eq!(names[2], Err(NtStatus::FLT_NAME_CACHE_MISS));
        assert_eq!(lookups(), 2);
        // Another filter finds it as well, in its post callback that of the open file.
        hook(|who, data, post| {
            let own = data.Flags.get() & FLTFL_CALLBACK_DATA_GENERATED_IO == 0;
            if iopb(data).MajorFunction.get() == IRP_MJ_CREATE && !post && own {
                let options = if who == "asker" { NORMALIZED | DEFAULT } else { NORMALIZED | CACHE_ONLY };
                note(ask(data, options));
                if who == "watcher" {
                    note(ask(data, OPENED | CACHE_ONLY));
                    let file = unsafe_file(data);
                    nt_io::io_replace_file_object_name(file, &units(r"\NEW~1"));
                    note(ask(data, NORMALIZED | CACHE_ONLY));
                    note(ask(data, NORMALIZED | DEFAULT));
                }
            }
            None
        });
        create(r"\??\C:\LONGNA~1\f", FILE_SYNCHRONOUS_IO_NONALERT);
        no_hook();
        let long = below_volume(r"\Long name\f");
        let missed = Err(NtStatus::FLT_NAME_CACHE_MISS);
        assert_eq!(ASKED.take(), [long.clone(), long, missed.clone(), missed, below_volume(r"\New file")]);
    });
}

#[test]
fn a_file_without_a_stream_has_no_name_after_its_create() {
    on_stage(USUAL, |_| {
        names_are_known();
        hook(|who, data, post| {
            if who == "asker" && iopb(data).MajorFunction.get() == IRP_MJ_CREATE {
                let file = unsafe_file(data);
                let stream =
                    if post { file.FsContext.replace(std::ptr::null_mut()) } else { file.FsContext.get() };
                note(ask(data, OPENED | DEFAULT));
                file.FsContext.set(stream);
            }
            None
        });
        create(r"\??\C:\new", FILE_SYNCHRONOUS_IO_NONALERT);
        no_hook();
        assert_eq!(ASKED.take(), [below_volume(r"\new"), Err(NtStatus::FLT_INVALID_NAME_REQUEST)]);
    });
}

#[test]
fn a_create_that_starts_again_has_a_name_for_who_says_so() {
    // spec: NAME-15, NAME-16
    for (tag, linked) in [
        (0xA000_0003_usize, true),
        (0xA000_000C, true),
        (0x8000_0013, false),
        (0, false),
        (0x1_A000_0003, false),
    ] {
        on_stage(USUAL, |stage| {
            static OPTIONS: [u32; 3] = [
                OPENED | DEFAULT,
                OPENED | DEFAULT | FLT_FILE_NAME_ALLOW_QUERY_ON_REPARSE,
                SHORT | DEFAULT | FLT_FILE_NAME_ALLOW_QUERY_ON_REPARSE,
            ];
            during("asker", IRP_MJ_CREATE, true, move |data| {
                let io = &data.IoStatus;
                let before = (io.Status.replace(NtStatus::REPARSE), io.Information.replace(tag));
                OPTIONS.iter().for_each(|options| note(ask(data, *options)));
                io.Status.set(before.0);
                io.Information.set(before.1);
            });
            create(r"\??\C:\again", FILE_SYNCHRONOUS_IO_NONALERT);
            no_hook();
            let refused = Err(NtStatus::FLT_INVALID_NAME_REQUEST);
            assert_eq!(ASKED.take(), [refused.clone(), below_volume(r"\again"), refused]);
            assert_eq!(stage.rules(), if linked { vec!["NAME-16"] } else { vec![] });
        });
    }
}
