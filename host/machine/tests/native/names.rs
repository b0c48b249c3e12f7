//! File names as `names` asks for them, in every callback.

use altimeter::session::{OpenRequest, Session, rename_information};
use altimeter::{Machine, NtStatus, Stopped, utf16};
use nt_abi::{
    FILE_DIRECTORY_FILE, FILE_OPEN_IF, GENERIC_READ, GENERIC_WRITE, IRP_MJ_CLEANUP, IRP_MJ_CLOSE,
    IRP_MJ_CREATE, IRP_MJ_QUERY_INFORMATION, IRP_MJ_READ, IRP_MJ_SET_INFORMATION, IRP_MJ_WRITE,
    file_information_class as class,
};

use crate::support::*;

pub const NORMALIZED: u8 = 0;
pub const OPENED: u8 = 1;
pub const DESTINATION: u8 = 2;
pub const TUNNELED: u8 = 3;
pub const SHORT: u8 = 4;

/// Where the words of provider's results stand.
const GENERATED: usize = 0x18;
const WITH_DATA: usize = 0x20;
const COMPONENTS: usize = 0x28;
const TARGETS: usize = 0x30;
const CONTEXTS: usize = 0x38;
const CLEANUPS: usize = 0x40;
const GROWN: usize = 0x48;
const OWN: usize = 0x50;

/// One name that a callback asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    pub major: u8,
    pub post: bool,
    pub kind: u8,
    pub status: NtStatus,
    /// Below the volume; the whole of it when it does not begin with a volume.
    pub path: String,
}

/// What `names` found; results.h has the layout.
pub struct NameResults {
    pub checks: u64,
    pub failed: Vec<u32>,
    pub log: Vec<Asked>,
}

impl NameResults {
    /// Paths that were asked for, of one kind and phase of an operation.
    pub fn paths(&self, major: u8, post: bool, kind: u8) -> Vec<&str> {
        let wanted = |asked: &&Asked| (asked.major, asked.post, asked.kind) == (major, post, kind);
        self.log.iter().filter(wanted).map(|asked| asked.path.as_str()).collect()
    }
}

fn address_of_results(machine: &Machine, service: &str) -> usize {
    let address = machine.service_qword(service, "Results");
    address.expect("the driver wrote where its results are") as usize
}

pub fn name_results(machine: &Machine) -> NameResults {
    name_results_of(machine, "names")
}

pub fn name_results_of(machine: &Machine, service: &str) -> NameResults {
    let address = address_of_results(machine, service);
    let bytes = machine.read_memory(address, 0x138 + 256 * 0x100).expect("the image is there");
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"));
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
    assert_eq!(u32_at(0), 0x454D_414E, "the magic");
    let sequence = u64_at(0x130) as usize;
    assert!(sequence <= 256, "the test did more than the log holds");
    let asked = |index: usize| {
        let at = 0x138 + index * 0x100;
        let units: Vec<u16> = bytes[at + 0x18..at + 0x18 + (u32_at(at + 0x10) as usize).min(232)]
            .chunks(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        let name = String::from_utf16_lossy(&units);
        let path = name.strip_prefix(r"\Device\HarddiskVolume1").unwrap_or(&name).to_owned();
        Asked {
            major: bytes[at + 8],
            post: bytes[at + 9] == 1,
            kind: bytes[at + 10],
            status: NtStatus(u32_at(at + 12) as i32),
            path,
        }
    };
    NameResults {
        checks: u64_at(8),
        failed: (0..32).map(|index| u32_at(0x18 + index * 8)).filter(|line| *line != 0).collect(),
        log: (0..sequence).map(asked).collect(),
    }
}

pub fn with_names() -> Machine {
    let machine = machine();
    load_plain(&machine, "names.sys", "names", "365100");
    machine
}

pub fn assert_kept(results: &NameResults) {
    assert!(results.checks > 0);
    assert_eq!(results.failed, Vec::<u32>::new(), "lines of checks.c count from 10000");
}

pub fn directory(session: &Session, name: &str) -> Result<altimeter::session::Handle, Stopped> {
    let path = utf16(&format!("\\{name}"));
    let request = OpenRequest::on_volume(&path)
        .access(GENERIC_READ | GENERIC_WRITE | nt_abi::DELETE)
        .disposition(FILE_OPEN_IF)
        .options(FILE_DIRECTORY_FILE);
    Ok(session.open(&request)?.expect("a directory").handle)
}

#[test]
fn a_name_is_known_in_every_callback_of_a_file() {
    // spec: NAME-06, NAME-07, NAME-08, NAME-18, NAME-21, NAME-25, NAME-26
    let machine = with_names();
    with_file(&machine, "File.txt", |session, handle| {
        session.write(handle, Some(0), b"0123456789")?;
        session.read(handle, Some(0), &mut [0; 4])
    });
    let results = name_results(&machine);
    assert_kept(&results);
    for (major, post) in [
        (IRP_MJ_CREATE, false),
        (IRP_MJ_CREATE, true),
        (IRP_MJ_WRITE, false),
        (IRP_MJ_READ, true),
        (IRP_MJ_CLEANUP, false),
        (IRP_MJ_CLEANUP, true),
        (IRP_MJ_CLOSE, false),
    ] {
        for kind in [NORMALIZED, OPENED] {
            let paths = results.paths(major, post, kind);
            assert!(paths.contains(&r"\File.txt"), "{major:#x} {post} {kind}: {paths:?}");
        }
    }
    assert_clean(&machine);
}

#[test]
fn the_query_methods_differ_before_a_name_is_known() {
    // spec: NAME-05, NAME-09, NAME-10, NAME-11, NAME-12, NAME-13
    let machine = with_names();
    with_file(&machine, "cold", |_, _| Ok(()));
    assert_kept(&name_results(&machine));
    with_file(&machine, "warm.x", |_, _| Ok(()));
    assert_kept(&name_results(&machine));
    assert_clean(&machine);
}

#[test]
fn a_known_name_asks_nobody_below() {
    // spec: NAME-09, NAME-12
    let machine = with_names();
    recorder(&machine, "below", "300000", &["Mode=sz:observe"]);
    let queries = |machine: &Machine| results(machine, "below").of(IRP_MJ_QUERY_INFORMATION, false).len();
    with_file(&machine, "file", |session, handle| {
        let opened = queries(&machine);
        assert_eq!(opened, 2, "one for each format, after the create");
        for _ in 0..5 {
            session.query_volume(handle, 1, &mut [0; 64])?;
            session.set_information(handle, class::FileEndOfFileInformation, &5u64.to_le_bytes())?;
        }
        assert_eq!(queries(&machine), opened);
        Ok(())
    });
    assert_kept(&name_results(&machine));
    assert_clean(&machine);
}

#[test]
fn a_rename_makes_the_names_of_the_file_and_of_what_lies_below_it_new() {
    // spec: NAME-09, NAME-39, NAME-42, NAME-46
    let machine = with_names();
    machine
        .run(|session| {
            let parent = directory(session, "old")?;
            let file = create(session, r"old\file")?.expect("a new file");
            session.set_information(&file, class::FileEndOfFileInformation, &5u64.to_le_bytes())?;
            session.close(parent)?;
            session.close(file)?;
            let parent = directory(session, "old")?;
            let renamed = session.set_information(
                &parent,
                class::FileRenameInformation,
                &rename_information(&utf16("new"), false),
            )?;
            assert_eq!(renamed.status, NtStatus::SUCCESS);
            session.close(parent)?;
            let file = create(session, r"new\file")?.expect("the file");
            let renamed = session.set_information(
                &file,
                class::FileRenameInformation,
                &rename_information(&utf16("other"), false),
            )?;
            assert_eq!(renamed.status, NtStatus::SUCCESS);
            session.set_information(&file, class::FileEndOfFileInformation, &6u64.to_le_bytes())?;
            session.close(file)
        })
        .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
    let results = name_results(&machine);
    assert_kept(&results);
    assert_eq!(results.paths(IRP_MJ_SET_INFORMATION, false, DESTINATION), [r"\new", r"\new\other"]);
    let before = results.paths(IRP_MJ_SET_INFORMATION, false, NORMALIZED);
    assert_eq!(before, [r"\old\file", r"\old", r"\new\file", r"\new\other"]);
    let after = results.paths(IRP_MJ_SET_INFORMATION, true, NORMALIZED);
    assert_eq!(after, [r"\old\file", r"\new", r"\new\other", r"\new\other"]);
    let tunneled: Vec<_> = results.log.iter().filter(|asked| asked.kind == TUNNELED).collect();
    assert!(!tunneled.is_empty());
    for asked in tunneled {
        assert_eq!((asked.status, asked.path.as_str()), (NtStatus::SUCCESS, ""));
    }
    assert_clean(&machine);
}

#[test]
fn a_short_component_gets_the_name_that_its_directory_has() {
    // spec: NAME-19, NAME-25, NAME-26
    let machine = with_names();
    machine
        .run(|session| {
            let parent = directory(session, "Docume~1")?;
            session.close(parent)?;
            let file = create(session, r"DOCUME~1\NEW~1.TXT")?.expect("a new file");
            session.close(file)
        })
        .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
    let results = name_results(&machine);
    assert_kept(&results);
    let last = |kind| results.paths(IRP_MJ_CREATE, false, kind).last().copied();
    assert_eq!(last(OPENED), Some(r"\DOCUME~1\NEW~1.TXT"));
    assert_eq!(last(NORMALIZED), Some(r"\Docume~1\NEW~1.TXT"), "what is not there yet stays as it is");
    assert_clean(&machine);
}

#[test]
fn names_that_a_filter_kept_are_given_back_when_it_goes() {
    // spec: NAME-44
    let machine = with_names();
    // The handle stays open: the volume still has the names when the driver goes.
    let _file = machine.run(|session| create(session, "warm")).expect("it runs").expect("a new file");
    machine.unload_all();
    assert_clean(&machine);
}

/// `names` above a name provider, and as `under` below it.
fn with_provider(settings: &[&str]) -> Machine {
    let machine = machine();
    load_plain(&machine, "names.sys", "under", "150000");
    load_as(&machine, "provider.sys", "provider", "260100", settings);
    load_plain(&machine, "names.sys", "names", "365100");
    machine
}

fn provider_word(machine: &Machine, at: usize) -> u64 {
    let bytes =
        machine.read_memory(address_of_results(machine, "provider"), 0x58).expect("the image is there");
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"));
    assert_eq!(word(0x10), 0, "a check of provider.c failed, the last one in line {}", word(0) >> 32);
    assert!(word(8) > 0);
    word(at)
}

#[test]
fn a_provider_makes_the_names_of_the_filters_above_it() {
    // spec: NAME-02, NAME-14, NAME-50, NAME-52
    let machine = with_provider(&[]);
    machine
        .run(|session| {
            let parent = directory(session, "real")?;
            session.close(parent)?;
            let file = create(session, r"shown\file")?.expect("a new file");
            session.write(&file, Some(0), b"0123456789")?;
            session.close(file)
        })
        .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
    let (above, below) = (name_results(&machine), name_results_of(&machine, "under"));
    assert_kept(&above);
    assert_kept(&below);
    assert_eq!(above.paths(IRP_MJ_CREATE, false, NORMALIZED), [r"\real", r"\shown\file"].map(shown));
    assert_eq!(above.paths(IRP_MJ_CREATE, true, OPENED), [r"\shown", r"\shown\file"]);
    assert_eq!(below.paths(IRP_MJ_CREATE, true, NORMALIZED), [r"\real", r"\real\file"]);
    assert_eq!(below.paths(IRP_MJ_WRITE, false, NORMALIZED).first(), Some(&r"\real\file"));
    assert!(provider_word(&machine, WITH_DATA) > 0);
    assert_eq!(provider_word(&machine, OWN), 2, "once for each create");
    machine.unload_all();
    assert_clean(&machine);
}

/// What a provider makes of a path below `\real`.
fn shown(path: &'static str) -> &'static str {
    if path == r"\real" { r"\shown" } else { path }
}

#[test]
fn a_provider_s_names_are_kept_until_it_forgets_them() {
    // spec: NAME-45, NAME-50
    let kept = |settings: &[&str]| {
        let machine = with_provider(settings);
        with_file(&machine, "file", |session, handle| {
            session.write(handle, Some(0), b"0123456789")?;
            let opened = provider_word(&machine, GENERATED);
            session.write(handle, Some(0), b"0123456789")?;
            let written = provider_word(&machine, GENERATED);
            session.set_information(handle, class::FileEndOfFileInformation, &5u64.to_le_bytes())?;
            let purged = provider_word(&machine, GENERATED);
            Ok((written - opened, purged - written))
        })
    };
    assert_eq!(kept(&[]), (0, 2), "the pre callback finds both formats, the post callback asks again");
    let (written, _) = kept(&["NoCache=dword:1"]);
    assert!(written >= 2, "{written}");
}

#[test]
fn a_provider_expands_components_when_it_has_no_normalized_name() {
    // spec: NAME-19, NAME-51, NAME-53, NAME-54, NAME-55
    let machine = with_provider(&["Components=dword:1"]);
    machine
        .run(|session| {
            let parent = directory(session, "short~1")?;
            session.close(parent)?;
            let file = create(session, r"short~1\missing")?.expect("a new file");
            let renamed = session.set_information(
                &file,
                class::FileRenameInformation,
                &rename_information(&utf16("SHORT~1"), false),
            )?;
            assert_eq!(renamed.status, NtStatus::SUCCESS);
            session.close(file)
        })
        .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
    let results = name_results(&machine);
    assert_kept(&results);
    let created = results.paths(IRP_MJ_CREATE, false, NORMALIZED);
    assert_eq!(created, [r"\a longer name", r"\a longer name\missing"]);
    assert_eq!(results.paths(IRP_MJ_CREATE, false, OPENED), [r"\short~1", r"\short~1\missing"]);
    let target = results.paths(IRP_MJ_SET_INFORMATION, false, DESTINATION);
    assert_eq!(target, [r"\a longer name\a longer name"]);
    let counts = [COMPONENTS, TARGETS, CONTEXTS, CLEANUPS].map(|at| provider_word(&machine, at));
    assert!(counts[0] > counts[1] && counts[1] >= 2, "{counts:?}");
    assert!(counts[2] > 0 && counts[2] == counts[3], "{counts:?}");
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn a_provider_gets_room_for_long_names() {
    // spec: NAME-56
    let machine = with_provider(&[]);
    let long = "n".repeat(200);
    machine
        .run(|session| {
            let outer = directory(session, &long)?;
            let inner = directory(session, &format!(r"{long}\{long}"))?;
            session.close(inner)?;
            session.close(outer)
        })
        .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
    assert_kept(&name_results(&machine));
    assert!(provider_word(&machine, GROWN) > 0);
    let results = name_results(&machine);
    assert!(results.log.iter().all(|asked| asked.status.is_success()));
    machine.unload_all();
    assert_clean(&machine);
}

#[test]
fn a_provider_that_replaces_the_buffer_is_reported() {
    // spec: NAME-57
    let machine = with_provider(&["Replace=dword:1"]);
    with_file(&machine, "file", |_, _| Ok(()));
    assert_found(&machine, "NAME-57", "provider");
    let results = name_results(&machine);
    let created = results.log.iter().find(|asked| asked.major == IRP_MJ_CREATE).expect("a create");
    assert_eq!(created.status, NtStatus::INVALID_PARAMETER);
}

#[test]
fn a_file_without_a_short_name_has_none_for_filters() {
    // spec: NAME-27
    let machine = with_names();
    with_file(&machine, "plain", |_, _| Ok(()));
    assert_kept(&name_results(&machine));
    assert_clean(&machine);
}

#[test]
fn queries_where_they_do_harm_are_reported() {
    // spec: NAME-37, NAME-47
    let machine = with_names();
    with_file(&machine, "misuse", |session, handle| session.write(handle, Some(0), b"0123456789"));
    assert_kept(&name_results(&machine));
    assert_found(&machine, "NAME-37", "names");
    assert_found(&machine, "NAME-47", "names");
}

#[test]
fn a_create_by_file_id_has_the_name_of_the_file() {
    // spec: NAME-26
    let machine = with_names();
    let mut id = [0; 8];
    with_file(&machine, "file", |session, handle| {
        session.query_information(handle, class::FileInternalInformation, &mut id)
    });
    let units: Vec<u16> = id.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    machine
        .run(|session| {
            let path = utf16("\\");
            let request = OpenRequest::on_volume(&path).access(GENERIC_READ).options(FILE_DIRECTORY_FILE);
            let root = session.open(&request)?.expect("the root").handle;
            let request = OpenRequest::relative(&root, &units)
                .access(GENERIC_READ)
                .options(nt_abi::create_options::FILE_OPEN_BY_FILE_ID);
            let handle = session.open(&request)?.expect("the file").handle;
            session.close(handle)?;
            session.close(root)
        })
        .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
    let results = name_results(&machine);
    assert_kept(&results);
    for kind in [NORMALIZED, OPENED] {
        assert_eq!(results.paths(IRP_MJ_CREATE, false, kind).last(), Some(&r"\file"));
    }
    assert_clean(&machine);
}

#[test]
fn a_rename_to_a_full_path_names_the_target_directory_and_the_destination() {
    // spec: NAME-17, NAME-42
    let machine = with_names();
    machine
        .run(|session| {
            let parent = directory(session, "target")?;
            session.close(parent)?;
            let file = create(session, "file")?.expect("a new file");
            let to = session.volume_path(&utf16(r"\target\other"));
            let renamed = session.set_information(
                &file,
                class::FileRenameInformation,
                &rename_information(&to, false),
            )?;
            assert_eq!(renamed.status, NtStatus::SUCCESS);
            session.close(file)
        })
        .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
    let results = name_results(&machine);
    assert_kept(&results);
    assert_eq!(results.paths(IRP_MJ_CREATE, false, NORMALIZED), [r"\target", r"\file", r"\target"]);
    assert_eq!(results.paths(IRP_MJ_SET_INFORMATION, false, DESTINATION), [r"\target\other"]);
    assert_eq!(results.paths(IRP_MJ_SET_INFORMATION, true, NORMALIZED), [r"\target\other"]);
    assert_clean(&machine);
}
