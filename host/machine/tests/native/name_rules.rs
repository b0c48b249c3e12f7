//! Names where a file system below refuses, or a filter above does what it must not: `names` below and above itself.

use altimeter::session::{Handle, OpenRequest, Session, rename_information};
use altimeter::{Machine, NtStatus, Options, Stopped, VolumeSource, utf16};
use nt_abi::{
    FILE_DIRECTORY_FILE, FILE_OPEN_IF, GENERIC_READ, IRP_MJ_CREATE, IRP_MJ_DIRECTORY_CONTROL,
    IRP_MJ_QUERY_INFORMATION, IRP_MJ_SET_INFORMATION, create_options, file_information_class as class,
};

use crate::names::*;
use crate::reparse::{MOUNT_POINT, SET, SYMBOLIC_LINK, link};
use crate::short_names::{make, open, rename, run};
use crate::support::*;

/// `names` above a copy of itself that does something to it.
fn above(below: &str) -> Machine {
    let machine = machine();
    load_as(&machine, "names.sys", "under", "150000", &[below]);
    load_plain(&machine, "names.sys", "names", "365100");
    machine
}

/// Opens a file by its ID.
fn open_by_id(session: &Session, name: &str) -> Result<Handle, Stopped> {
    let file = open(session, name)?;
    let mut id = [0; 8];
    session.query_information(&file, class::FileInternalInformation, &mut id)?;
    session.close(file)?;
    let units: Vec<u16> = id.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let path = utf16("\\");
    let request = OpenRequest::on_volume(&path).access(GENERIC_READ).options(FILE_DIRECTORY_FILE);
    let root = session.open(&request)?.expect("the root").handle;
    let request = OpenRequest::relative(&root, &units)
        .access(GENERIC_READ | nt_abi::DELETE)
        .options(create_options::FILE_OPEN_BY_FILE_ID);
    let handle = session.open(&request)?.expect("the file").handle;
    session.close(root)?;
    Ok(handle)
}

#[test]
fn one_normalized_query_is_tried_and_without_it_each_short_component_is_looked_up() {
    // spec: NAME-28
    let seen = |below: &str| {
        let machine = above(below);
        recorder(&machine, "bottom", "140000", &["Mode=sz:observe"]);
        run(&machine, |session| {
            let parent = directory(session, "A long directory")?;
            make(session, r"A long directory\A long name.txt")?;
            session.close(parent)
        });
        let before = results(&machine, "bottom");
        let count =
            |major| results(&machine, "bottom").of(major, false).len() - before.of(major, false).len();
        run(&machine, |session| {
            let file = open(session, r"ALONGD~1\ALONGN~1.TXT")?;
            session.close(file)
        });
        let results = name_results(&machine);
        assert_kept(&results);
        let long = r"\A long directory\A long name.txt";
        assert_eq!(results.paths(IRP_MJ_CREATE, true, NORMALIZED).last(), Some(&long));
        assert_clean(&machine);
        (count(IRP_MJ_QUERY_INFORMATION), count(IRP_MJ_DIRECTORY_CONTROL))
    };
    // A copy that is silent itself and does nothing.
    let (queries, lookups) = seen("Below=dword:4");
    let (refused_queries, more_lookups) = seen("Below=dword:1");
    assert_eq!(
        more_lookups,
        lookups + 2,
        "two components after the create, where none were looked up before"
    );
    assert_eq!(refused_queries, queries, "one query fails above, one for the opened name comes instead");
}

#[test]
fn a_path_that_may_not_be_traversed_has_no_name_but_its_last_part_in_a_destination() {
    // spec: NAME-20, NAME-43
    let machine = above("Below=dword:2");
    run(&machine, |session| {
        let parent = directory(session, "d")?;
        make(session, r"d\hidden")?;
        session.close(parent)?;
        let file = open_by_id(session, r"d\hidden")?;
        let information = rename_information(&utf16("shown"), false);
        let renamed = session.set_information(&file, class::FileRenameInformation, &information)?;
        assert_eq!(renamed.status, NtStatus::SUCCESS);
        session.close(file)
    });
    let results = name_results(&machine);
    assert_kept(&results);
    let last = |post| {
        let created = results.log.iter().filter(|asked| asked.major == IRP_MJ_CREATE && asked.post == post);
        created.rev().take(2).map(|asked| asked.status).collect::<Vec<_>>()
    };
    for post in [false, true] {
        assert_eq!(last(post), [NtStatus::ACCESS_DENIED; 2], "{post}");
    }
    assert_eq!(results.paths(IRP_MJ_SET_INFORMATION, false, DESTINATION), [r"\shown"]);
    assert_eq!(results.paths(IRP_MJ_SET_INFORMATION, true, NORMALIZED), [r"\d\shown"]);
    assert_clean(&machine);
}

#[test]
fn a_create_that_starts_again_has_a_name_for_who_says_that_it_is_safe() {
    // spec: NAME-15
    let machine = above("Below=dword:3");
    run(&machine, |session| make(session, "again"));
    let results = name_results(&machine);
    assert_kept(&results);
    assert_eq!(results.paths(IRP_MJ_CREATE, true, OPENED), [r"\again", r"\again"]);
    assert_clean(&machine);
}

#[test]
fn a_destination_behind_a_mount_point_of_another_volume_is_refused() {
    // spec: NAME-40
    let volumes = vec![VolumeSource::Memory, VolumeSource::Memory];
    let machine = Machine::boot(Options { volumes, ..Options::default() }).expect("two volumes in memory");
    load_as(&machine, "names.sys", "under", "150000", &["Below=dword:5"]);
    load_plain(&machine, "names.sys", "names", "365100");
    run(&machine, |session| {
        make(session, "crossing")?;
        let file = open(session, "crossing")?;
        assert_eq!(rename(session, &file, "crossed", false)?, NtStatus::SUCCESS);
        session.close(file)
    });
    assert_kept(&name_results(&machine));
    assert_kept_below(&machine);
    assert_clean(&machine);
}

/// Makes a directory that leads to `target`.
fn make_link(session: &Session, name: &str, tag: u32, target: &str) -> Result<(), Stopped> {
    let handle = directory(session, name)?;
    let flags = u32::from(tag == SYMBOLIC_LINK);
    let done = session.fs_control(&handle, SET, &link(tag, flags, target), &mut [])?;
    assert_eq!(done.status, NtStatus::SUCCESS);
    session.close(handle)?;
    Ok(())
}

#[test]
fn a_real_mount_point_of_another_volume_is_not_resolved_for_a_destination() {
    // spec: NAME-16, NAME-40
    let volumes = vec![VolumeSource::Memory, VolumeSource::Memory];
    let machine = Machine::boot(Options { volumes, ..Options::default() }).expect("two volumes in memory");
    load_plain(&machine, "names.sys", "names", "365100");
    run(&machine, |session| {
        make_link(session, "mounted", MOUNT_POINT, r"\??\D:\")?;
        make(session, "crossing")?;
        let file = open(session, "crossing")?;
        assert_eq!(rename(session, &file, "crossed", false)?, NtStatus::SUCCESS);
        session.close(file)
    });
    assert_kept(&name_results(&machine));
    assert_clean(&machine);
    run(&machine, |session| make(session, r"mounted\file"));
    assert_found(&machine, "NAME-16", "names");
}

#[test]
fn links_inside_the_volume_are_resolved_in_normalized_names() {
    // spec: NAME-25
    let machine = with_names();
    run(&machine, |session| {
        let real = directory(session, "A real directory")?;
        session.close(real)?;
        make_link(session, "linked", SYMBOLIC_LINK, "A real directory")?;
        make(session, r"linked\file")?;
        make(session, "other")?;
        let file = open(session, "other")?;
        let to = String::from_utf16_lossy(&session.volume_path(&utf16(r"\linked\other")));
        assert_eq!(rename(session, &file, &to, false)?, NtStatus::SUCCESS);
        session.close(file)
    });
    let results = name_results(&machine);
    assert_kept(&results);
    assert!(results.paths(IRP_MJ_CREATE, true, NORMALIZED).contains(&r"\A real directory\file"));
    let destination = results.paths(IRP_MJ_SET_INFORMATION, false, DESTINATION);
    assert_eq!(destination, [r"\A real directory\other"]);
    let after = results.paths(IRP_MJ_SET_INFORMATION, true, NORMALIZED);
    assert_eq!(after.last(), Some(&r"\A real directory\other"));
    assert_clean(&machine);
}

/// The copy below checks what it does itself.
fn assert_kept_below(machine: &Machine) {
    assert_eq!(name_results_of(machine, "under").failed, Vec::<u32>::new());
}

#[test]
fn saying_so_for_a_mount_point_is_reported() {
    // spec: NAME-16
    let machine = above("Below=dword:3");
    run(&machine, |session| {
        let path = utf16(r"\mounted");
        let request = OpenRequest::on_volume(&path).access(GENERIC_READ).disposition(FILE_OPEN_IF);
        assert!(session.open(&request)?.is_err(), "nothing is mounted there");
        Ok(())
    });
    assert_kept(&name_results(&machine));
    assert_found(&machine, "NAME-16", "names");
}

#[test]
fn only_who_has_no_instance_yet_asks_without_one() {
    // spec: NAME-38
    let machine = machine();
    load_as(&machine, "names.sys", "names", "365100", &["Early=dword:1"]);
    assert_kept(&name_results(&machine));
    assert_clean(&machine);
    with_file(&machine, "misuse", |_, _| Ok(()));
    assert_kept(&name_results(&machine));
    assert_found(&machine, "NAME-38", "names");
}

#[test]
fn a_filter_that_writes_to_a_name_is_reported() {
    // spec: NAME-22
    let machine = with_names();
    with_file(&machine, "written.txt", |_, _| Ok(()));
    assert_clean(&machine);
    with_file(&machine, "meddle.txt", |_, _| Ok(()));
    assert_found(&machine, "NAME-22", "names");
}

#[test]
fn the_parent_of_the_target_is_not_the_file_that_is_renamed() {
    // spec: NAME-41
    let machine = with_names();
    run(&machine, |session| {
        let parent = directory(session, "d")?;
        session.close(parent)?;
        make(session, "misused")?;
        let file = open(session, "misused")?;
        assert_eq!(rename(session, &file, "elsewhere misused", false)?, NtStatus::SUCCESS);
        session.close(file)
    });
    assert!(machine.report().findings.iter().all(|finding| finding.rule != "NAME-41"));
    run(&machine, |session| {
        let file = open(session, "elsewhere misused")?;
        let to = String::from_utf16_lossy(&session.volume_path(&utf16(r"\d\misused")));
        assert_eq!(rename(session, &file, &to, false)?, NtStatus::SUCCESS);
        session.close(file)
    });
    assert_kept(&name_results(&machine));
    assert_found(&machine, "NAME-41", "names");
}
