//! Names of files: when they are asked for, what is kept, how they are put together.

use std::cell::{Cell, RefCell};
use std::ptr::from_ref;
use std::sync::atomic::Ordering;

use fltmgr::names::*;
use nt_abi::irql::APC_LEVEL;
use nt_abi::*;

use crate::stage::*;

const NORMALIZED: u32 = FLT_FILE_NAME_NORMALIZED;
const OPENED: u32 = FLT_FILE_NAME_OPENED;
const SHORT: u32 = FLT_FILE_NAME_SHORT;
const DEFAULT: u32 = FLT_FILE_NAME_QUERY_DEFAULT;
const CACHE_ONLY: u32 = FLT_FILE_NAME_QUERY_CACHE_ONLY;
const FILESYSTEM_ONLY: u32 = FLT_FILE_NAME_QUERY_FILESYSTEM_ONLY;
const ALWAYS: u32 = FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP;
const VOLUME: &str = r"\Device\HarddiskVolume1";

pub type Name = Result<String, NtStatus>;

thread_local! {
    /// What a callback got.
    static ASKED: RefCell<Vec<Name>> = const { RefCell::new(Vec::new()) };
    /// The path that the file system says, in the place of the one of the open.
    static PATH: RefCell<Option<String>> = const { RefCell::new(None) };
    /// It knows no normalized names.
    static PLAIN: Cell<bool> = const { Cell::new(false) };
    /// Short names of its directories, and the long ones.
    static SHORT_NAMES: RefCell<Vec<(&'static str, Result<String, NtStatus>)>> = const { RefCell::new(Vec::new()) };
}

fn put_name(system: usize, room: usize, name: &str) -> (NtStatus, usize) {
    let bytes: Vec<u8> = units(name).iter().flat_map(|unit| unit.to_le_bytes()).collect();
    boundary::copy::write_value(system, bytes.len() as u32).unwrap();
    if bytes.len() + 4 > room {
        return (NtStatus::BUFFER_OVERFLOW, 4);
    }
    boundary::copy::write(system + 4, &bytes).unwrap();
    (NtStatus::SUCCESS, bytes.len() + 4)
}

fn find_entry(found: &Seen) -> (NtStatus, usize) {
    // SAFETY: the pattern of a directory query.
    let pattern = unsafe { &*(found.parameters[1] as *const UNICODE_STRING) };
    let pattern = String::from_utf16_lossy(&text(pattern));
    if pattern == "LIES~1" {
        // More bytes than there is room for.
        boundary::copy::write_value(found.user + 8, 514u32).unwrap();
        return (NtStatus::SUCCESS, 12);
    }
    let long = SHORT_NAMES
        .with_borrow(|all| all.iter().find(|(short, _)| *short == pattern).map(|(_, long)| long.clone()));
    match long.unwrap_or(Err(NtStatus::NO_SUCH_FILE)) {
        Ok(long) => {
            // NextEntryOffset and FileIndex stand in front.
            let room = found.parameters[0] as u32 as usize - 8;
            put_name(found.user + 8, room, &long)
        }
        Err(status) => (status, 0),
    }
}

/// The long names of short ones.
pub fn short_names(names: Vec<(&'static str, Result<String, NtStatus>)>) {
    SHORT_NAMES.set(names);
}

/// The file system says names.
pub fn names_are_known() {
    answer(|_, found| match (found.major, found.parameters[1] as u32) {
        (IRP_MJ_QUERY_INFORMATION, 48) if PLAIN.get() => Some((NtStatus::INVALID_PARAMETER, 0)),
        (IRP_MJ_QUERY_INFORMATION, 9 | 48) => {
            let path = PATH.with_borrow(Clone::clone).unwrap_or_else(|| found.name.clone());
            Some(put_name(found.system, found.parameters[0] as u32 as usize, &path))
        }
        (IRP_MJ_QUERY_INFORMATION, 21) => Some(put_name(found.system, 64, "F~1")),
        (IRP_MJ_DIRECTORY_CONTROL, _) => Some(find_entry(found)),
        _ => None,
    });
}

pub fn name_at(address: usize) -> String {
    // SAFETY: a name block of the manager's with a reference of ours.
    let information = unsafe { &*(address as *const FLT_FILE_NAME_INFORMATION) };
    String::from_utf16_lossy(&text(&information.Name))
}

pub fn take(found: Result<usize, NtStatus>) -> Name {
    let name = name_at(found?);
    flt_release_file_name_information(found.unwrap()).unwrap();
    Ok(name)
}

fn get(data: &FLT_CALLBACK_DATA, options: u32) -> Result<usize, NtStatus> {
    let operation = fltmgr::operation_from(from_ref(data) as usize).unwrap();
    flt_get_file_name_information(operation, options).unwrap()
}

pub fn ask(data: &FLT_CALLBACK_DATA, options: u32) -> Name {
    take(get(data, options))
}

fn note(name: Name) {
    ASKED.with_borrow_mut(|asked| asked.push(name));
}

pub fn below_volume(path: &str) -> Name {
    Ok(format!("{VOLUME}{path}"))
}

/// Runs `f` in a callback of `who` for operations of `major`.
pub fn during(who: &'static str, major: u8, post: bool, f: impl Fn(&'static FLT_CALLBACK_DATA) + 'static) {
    hook(move |caller, data, is_post| {
        if caller == who && is_post == post && iopb(data).MajorFunction.get() == major {
            f(data);
        }
        None
    });
}

/// Asks in a callback of a flush of the file: the names, and how many queries the file system got.
fn ask_in_flush(handle: usize, who: &'static str, options: &'static [u32]) -> (Vec<Name>, usize) {
    during(who, IRP_MJ_FLUSH_BUFFERS, false, move |data| {
        options.iter().for_each(|options| note(ask(data, *options)));
    });
    seen();
    nt_io::nt_flush_buffers_file(handle, 0).unwrap();
    no_hook();
    (ASKED.take(), queries())
}

/// How many queries of a name the file system got.
pub fn queries() -> usize {
    seen().iter().filter(|found| found.major == IRP_MJ_QUERY_INFORMATION).count()
}

fn create(name: &str, options: u32) -> nt_io::Opened {
    nt_io::io_create_file(&parameters(&units(name), options)).unwrap()
}

fn asked_in_create(name: &str, post: bool, options: &'static [u32]) -> (Vec<Name>, nt_io::Opened) {
    during("asker", IRP_MJ_CREATE, post, move |data| {
        options.iter().for_each(|options| note(ask(data, *options)));
    });
    let opened = create(name, FILE_SYNCHRONOUS_IO_NONALERT);
    no_hook();
    (ASKED.take(), opened)
}

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

fn unsafe_file(data: &FLT_CALLBACK_DATA) -> &'static FILE_OBJECT {
    // SAFETY: the operation's file object.
    unsafe { &*iopb(data).TargetFileObject.get() }
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
