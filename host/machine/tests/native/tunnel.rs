//! Names that come back soon after they went: the long and short name and the time of creation come with them.

use altimeter::session::{OpenRequest, Session};
use altimeter::{Stopped, utf16};
use nt_abi::{
    FILE_DELETE_ON_CLOSE, IRP_MJ_CREATE, IRP_MJ_SET_INFORMATION, KEVENT, file_information_class as class,
};

use crate::names::*;
use crate::short_names::{make, name_of, open, rename, run, short_name};
use crate::support::*;

const MADE_LONG_AGO: i64 = 130_000_000_000_000_000;

fn creation_time(session: &Session, name: &str) -> Result<i64, Stopped> {
    let file = open(session, name)?;
    let mut basic = [0; 40];
    session.query_information(&file, class::FileBasicInformation, &mut basic)?;
    session.close(file)?;
    Ok(i64::from_le_bytes(basic[..8].try_into().expect("eight")))
}

/// A file with a time of creation that no other has.
fn old_file(session: &Session, name: &str) -> Result<(), Stopped> {
    let file = create(session, name)?.expect("a file");
    let mut basic = [0; 40];
    basic[..8].copy_from_slice(&MADE_LONG_AGO.to_le_bytes());
    session.set_information(&file, class::FileBasicInformation, &basic)?;
    session.close(file)?;
    Ok(())
}

fn delete(session: &Session, name: &str) -> Result<(), Stopped> {
    let path = utf16(&format!("\\{name}"));
    let request = OpenRequest::on_volume(&path).access(nt_abi::DELETE).options(FILE_DELETE_ON_CLOSE);
    let file = session.open(&request)?.expect("the file").handle;
    session.close(file)?;
    Ok(())
}

fn move_away(session: &Session, name: &str, to: &str) -> Result<(), Stopped> {
    let file = open(session, name)?;
    assert!(rename(session, &file, to, false)?.is_success());
    session.close(file)?;
    Ok(())
}

fn names_in_root(session: &Session) -> Result<Vec<String>, Stopped> {
    let listed = session.list(&utf16("\\"))?.expect("the root");
    Ok(listed.iter().map(|listed| String::from_utf16_lossy(&listed.name)).collect())
}

/// Waits in the machine's time: it is seeded.
fn sleep(seconds: i64) -> Result<(), Stopped> {
    let never = KEVENT::default();
    let kind = nt_ke::dispatcher::object_type::NOTIFICATION_EVENT;
    nt_ke::dispatcher::initialize_header(&never.Header, kind, 0);
    nt_ke::dispatcher::wait(&never.Header, false, Some(-seconds * 10_000_000))?;
    Ok(())
}

type Step = fn(&Session, &str) -> Result<(), Stopped>;

const GOES: [(&str, Step); 2] = [
    ("deleted", |session, name| delete(session, name)),
    ("renamed", |session, name| move_away(session, name, "m")),
];
const COMES: [(&str, Step); 2] = [
    ("created", |session, name| make(session, name)),
    ("renamed", |session, name| {
        make(session, "s")?;
        move_away(session, "s", name)
    }),
];

#[test]
fn a_name_that_comes_back_brings_the_pair_and_the_time_of_the_one_before() {
    // spec: NAME-46, NAME-49
    for (going, goes) in GOES {
        for (coming, comes) in COMES {
            for (name, used) in [("A long name.txt", "A LONG name.txt"), ("A long name.txt", "ALONGN~2.TXT")]
            {
                let machine = machine();
                run(&machine, |session| {
                    // Another one has the first number.
                    make(session, "A long name before.txt")?;
                    old_file(session, name)?;
                    goes(session, used)?;
                    delete(session, "A long name before.txt")?;
                    comes(session, used)?;
                    let case = format!("{going}, {coming}, by {used}");
                    let names = names_in_root(session)?;
                    let expected = if used.contains('~') { name } else { used };
                    assert!(names.iter().any(|name| name == expected), "{case}: {names:?}");
                    assert_eq!(short_name(session, expected)?.as_deref(), Ok("ALONGN~2.TXT"), "{case}");
                    assert_eq!(creation_time(session, expected)?, MADE_LONG_AGO, "{case}");
                    Ok(())
                });
                assert_clean(&machine);
            }
        }
    }
}

#[test]
fn the_other_name_of_the_pair_does_not_bring_it_back() {
    // spec: NAME-49
    let machine = machine();
    run(&machine, |session| {
        old_file(session, "A long name.txt")?;
        delete(session, "A long name.txt")?;
        make(session, "ALONGN~1.TXT")?;
        assert_eq!(names_in_root(session)?, ["ALONGN~1.TXT"]);
        assert_ne!(creation_time(session, "ALONGN~1.TXT")?, MADE_LONG_AGO);
        Ok(())
    });
}

#[test]
fn after_fifteen_seconds_a_name_is_new() {
    // spec: NAME-49
    for (seconds, is_the_same) in [(14, true), (15, false)] {
        let machine = machine();
        run(&machine, |session| {
            old_file(session, "A long name.txt")?;
            delete(session, "ALONGN~1.TXT")?;
            sleep(seconds)?;
            make(session, "ALONGN~1.TXT")?;
            let name = if is_the_same { "A long name.txt" } else { "ALONGN~1.TXT" };
            assert_eq!(names_in_root(session)?, [name], "{seconds} s");
            assert_eq!(creation_time(session, name)? == MADE_LONG_AGO, is_the_same, "{seconds} s");
            Ok(())
        });
    }
}

#[test]
fn a_deleted_directory_takes_its_names_with_it_and_another_one_has_its_own() {
    // spec: NAME-49
    let machine = machine();
    run(&machine, |session| {
        for name in ["one", "two"] {
            let handle = directory(session, name)?;
            session.close(handle)?;
        }
        old_file(session, r"one\file")?;
        delete(session, r"one\file")?;
        make(session, r"two\file")?;
        assert_ne!(creation_time(session, r"two\file")?, MADE_LONG_AGO);
        delete(session, "one")?;
        let again = directory(session, "one")?;
        session.close(again)?;
        make(session, r"one\file")?;
        assert_ne!(creation_time(session, r"one\file")?, MADE_LONG_AGO);
        Ok(())
    });
}

#[test]
fn filters_learn_the_long_name_that_a_tunnel_gave() {
    // spec: NAME-46, NAME-48
    let machine = with_names();
    run(&machine, |session| {
        make(session, "A long name.txt")?;
        delete(session, "ALONGN~1.TXT")?;
        make(session, "ALONGN~1.TXT")?;
        move_away(session, "ALONGN~1.TXT", "other")?;
        move_away(session, "other", "ALONGN~1.TXT")?;
        let file = open(session, "A long name.txt")?;
        let name = name_of(session, &file, class::FileNameInformation)?;
        assert_eq!(name.as_deref(), Ok(r"\A long name.txt"));
        session.close(file)
    });
    let results = name_results(&machine);
    assert_kept(&results);
    let before = results.paths(IRP_MJ_CREATE, false, NORMALIZED);
    let after = results.paths(IRP_MJ_CREATE, true, NORMALIZED);
    let long = r"\A long name.txt";
    assert_eq!(before, [long, long, r"\ALONGN~1.TXT", long, r"\other", long]);
    assert_eq!(after, [long, long, long, long, r"\other", long]);
    let tunneled = results.paths(IRP_MJ_CREATE, true, TUNNELED);
    assert_eq!(
        tunneled,
        ["", long, ""],
        "the creates by the short name: it was there, came back, and was there"
    );
    let of_renames = results.paths(IRP_MJ_SET_INFORMATION, true, TUNNELED);
    assert_eq!(of_renames, ["", long]);
    let destinations = results.paths(IRP_MJ_SET_INFORMATION, false, DESTINATION);
    assert_eq!(destinations, [r"\other", r"\ALONGN~1.TXT"]);
    assert_clean(&machine);
}
