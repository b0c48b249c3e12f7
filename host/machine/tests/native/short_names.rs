//! 8.3 names: which files have one, and what finds them by it.

use altimeter::session::{Handle, OpenRequest, Session, rename_information};
use altimeter::{Machine, NtStatus, Options, Stopped, VolumeSource, utf16};
use nt_abi::{
    FILE_CREATE, FILE_DIRECTORY_FILE, FILE_NON_DIRECTORY_FILE, FILE_OPEN, GENERIC_READ, GENERIC_WRITE,
    IRP_MJ_CREATE, IRP_MJ_SET_INFORMATION, IRP_MJ_WRITE, file_information_class as class,
};

use crate::names::*;
use crate::support::*;

/// Makes a file and closes it.
pub fn make(session: &Session, name: &str) -> Result<(), Stopped> {
    let file = create(session, name)?.expect("a file");
    session.close(file)?;
    Ok(())
}

/// Opens what is there.
pub fn open(session: &Session, name: &str) -> Result<Handle, Stopped> {
    let path = utf16(&format!("\\{name}"));
    let request = OpenRequest::on_volume(&path)
        .access(GENERIC_READ | GENERIC_WRITE | nt_abi::DELETE)
        .share(7)
        .disposition(FILE_OPEN);
    Ok(session.open(&request)?.unwrap_or_else(|status| panic!("{name}: {status:?}")).handle)
}

pub fn rename(session: &Session, file: &Handle, to: &str, replace: bool) -> Result<NtStatus, Stopped> {
    let information = rename_information(&utf16(to), replace);
    Ok(session.set_information(file, class::FileRenameInformation, &information)?.status)
}

/// A class that is a length and a name.
pub fn name_of(session: &Session, file: &Handle, class: u32) -> Result<Result<String, NtStatus>, Stopped> {
    let mut bytes = [0; 1024];
    let done = session.query_information(file, class, &mut bytes)?;
    if done.status != NtStatus::SUCCESS {
        return Ok(Err(done.status));
    }
    let length = u32::from_le_bytes(bytes[..4].try_into().expect("four")) as usize;
    assert_eq!(done.information, 4 + length);
    let units: Vec<u16> =
        bytes[4..4 + length].chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    Ok(Ok(String::from_utf16_lossy(&units)))
}

/// The short name of a file that is not open.
pub fn short_name(session: &Session, name: &str) -> Result<Result<String, NtStatus>, Stopped> {
    let file = open(session, name)?;
    let short = name_of(session, &file, class::FileAlternateNameInformation)?;
    session.close(file)?;
    Ok(short)
}

/// Names and short names in the root directory that a pattern fits.
fn listed(session: &Session, pattern: &str) -> Result<Vec<(String, String)>, Stopped> {
    let path = utf16("\\");
    let request = OpenRequest::on_volume(&path).access(GENERIC_READ).options(FILE_DIRECTORY_FILE);
    let root = session.open(&request)?.expect("the root").handle;
    let mut page = vec![0u8; 8192];
    let pattern = utf16(pattern);
    let class = class::FileBothDirectoryInformation;
    let done = session.query_directory(&root, class, &mut page, Some(&pattern), true, false)?;
    session.close(root)?;
    let text = |at: usize, bytes: usize| {
        let pairs = page[at..at + bytes].chunks(2);
        String::from_utf16_lossy(
            &pairs.map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect::<Vec<_>>(),
        )
    };
    let word = |at: usize| u32::from_le_bytes(page[at..at + 4].try_into().expect("four")) as usize;
    let (mut all, mut at) = (Vec::new(), 0);
    if done.status != NtStatus::SUCCESS {
        return Ok(all);
    }
    loop {
        all.push((text(at + 94, word(at + 60)), text(at + 70, usize::from(page[at + 68]))));
        match word(at) {
            0 => return Ok(all),
            step => at += step,
        }
    }
}

pub fn run<R>(machine: &Machine, f: impl FnOnce(&Session) -> Result<R, Stopped>) -> R {
    machine.run(f).unwrap_or_else(|Stopped| panic!("{:?}", machine.report()))
}

/// The same on a volume in memory and on a directory of the host.
fn on_each_volume(f: impl Fn(&Machine)) {
    f(&machine());
    let folder = std::env::temp_dir().join(format!("altimeter-short-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a directory");
    let volumes = vec![VolumeSource::Directory(folder.clone())];
    f(&Machine::boot(Options { volumes, ..Options::default() }).expect("a machine boots"));
    std::fs::remove_dir_all(folder).expect("it is ours");
}

#[test]
fn a_name_that_is_no_short_one_gets_one_beside_it() {
    // spec: NAME-27
    on_each_volume(|machine| {
        run(machine, |session| {
            for name in ["A long name.txt", "A long name too.txt", "plain.txt"] {
                make(session, name)?;
            }
            assert_eq!(
                listed(session, "*")?,
                [
                    ("A long name too.txt", "ALONGN~2.TXT"),
                    ("A long name.txt", "ALONGN~1.TXT"),
                    ("plain.txt", "")
                ]
                .map(|(name, short)| (name.to_owned(), short.to_owned()))
            );
            let second = listed(session, "ALONGN~2.*")?;
            assert_eq!(second, [("A long name too.txt".to_owned(), "ALONGN~2.TXT".to_owned())]);
            assert_eq!(short_name(session, "A long name.txt")?.as_deref(), Ok("ALONGN~1.TXT"));
            assert_eq!(short_name(session, "plain.txt")?, Err(NtStatus::OBJECT_NAME_NOT_FOUND));
            let stream = create(session, "A long name.txt:stream")?.expect("a stream");
            let of_stream = name_of(session, &stream, class::FileAlternateNameInformation)?;
            assert_eq!(of_stream, Err(NtStatus::OBJECT_NAME_NOT_FOUND));
            session.close(stream)
        });
        assert_clean(machine);
    });
}

#[test]
fn a_short_name_opens_its_file_and_nothing_else_can_have_it() {
    // spec: NAME-25, NAME-26
    on_each_volume(|machine| {
        run(machine, |session| {
            let parent = directory(session, "A long directory")?;
            make(session, r"A long directory\A long name.txt")?;
            session.close(parent)?;
            let file = open(session, r"alongd~1\ALONGN~1.TXT")?;
            let normalized = name_of(session, &file, class::FileNormalizedNameInformation)?;
            assert_eq!(normalized.as_deref(), Ok(r"\A long directory\A long name.txt"));
            let as_opened = name_of(session, &file, class::FileNameInformation)?;
            assert_eq!(as_opened.as_deref(), Ok(r"\ALONGD~1\ALONGN~1.TXT"));
            session.close(file)?;
            let path = utf16(r"\A long directory\alongn~1.txt");
            let request = OpenRequest::on_volume(&path)
                .access(GENERIC_READ)
                .options(FILE_NON_DIRECTORY_FILE)
                .disposition(FILE_CREATE);
            assert_eq!(session.open(&request)?.err(), Some(NtStatus::OBJECT_NAME_COLLISION));
            make(session, r"A long directory\other")?;
            let other = open(session, r"A long directory\other")?;
            assert_eq!(rename(session, &other, "ALONGN~1.TXT", false)?, NtStatus::OBJECT_NAME_COLLISION);
            assert_eq!(rename(session, &other, "ALONGN~1.TXT", true)?, NtStatus::SUCCESS);
            session.close(other)?;
            let names = session.list(&utf16(r"\A long directory"))?.expect("it is there");
            let names: Vec<_> = names.iter().map(|listed| String::from_utf16_lossy(&listed.name)).collect();
            assert_eq!(names, ["ALONGN~1.TXT"], "the file was replaced, not another one made beside it");
            Ok(())
        });
        assert_clean(machine);
    });
}

#[test]
fn a_rename_brings_a_new_short_name_and_a_program_can_choose_one() {
    // spec: NAME-27
    on_each_volume(|machine| {
        run(machine, |session| {
            make(session, "A long name.txt")?;
            let file = open(session, "ALONGN~1.TXT")?;
            assert_eq!(rename(session, &file, "Another name.txt", false)?, NtStatus::SUCCESS);
            let as_opened = name_of(session, &file, class::FileNameInformation)?;
            assert_eq!(as_opened.as_deref(), Ok(r"\Another name.txt"));
            let choose = |name: &str| {
                let mut bytes = ((name.len() * 2) as u32).to_le_bytes().to_vec();
                bytes.extend(utf16(name).iter().flat_map(|unit| unit.to_le_bytes()));
                let done = session.set_information(&file, class::FileShortNameInformation, &bytes)?;
                let short = name_of(session, &file, class::FileAlternateNameInformation)?;
                Ok::<_, Stopped>((done.status, short.unwrap_or_default()))
            };
            make(session, "TAKEN")?;
            assert_eq!(choose("CHOSEN.1")?, (NtStatus::SUCCESS, "CHOSEN.1".to_owned()));
            assert_eq!(choose("taken")?, (NtStatus::OBJECT_NAME_COLLISION, "CHOSEN.1".to_owned()));
            assert_eq!(choose("much too long")?, (NtStatus::INVALID_PARAMETER, "CHOSEN.1".to_owned()));
            session.close(file)?;
            let file = open(session, "chosen.1")?;
            let none = session.set_information(&file, class::FileShortNameInformation, &[0; 4])?;
            assert_eq!(none.status, NtStatus::SUCCESS);
            let short = name_of(session, &file, class::FileAlternateNameInformation)?;
            assert_eq!(short, Err(NtStatus::OBJECT_NAME_NOT_FOUND));
            session.close(file)
        });
        assert_clean(machine);
    });
}

#[test]
fn filters_see_the_short_name_as_opened_and_the_long_one_normalized() {
    // spec: NAME-19, NAME-25, NAME-26, NAME-27
    let machine = with_names();
    run(&machine, |session| {
        let parent = directory(session, "A long directory")?;
        make(session, r"A long directory\A long name.txt")?;
        session.close(parent)?;
        let file = open(session, r"ALONGD~1\ALONGN~1.TXT")?;
        session.write(&file, Some(0), b"0123456789")?;
        assert_eq!(rename(session, &file, "alongn~1.txt", false)?, NtStatus::SUCCESS);
        session.close(file)
    });
    let results = name_results(&machine);
    assert_kept(&results);
    let (long, short) = (r"\A long directory\A long name.txt", r"\ALONGD~1\ALONGN~1.TXT");
    for post in [false, true] {
        assert_eq!(results.paths(IRP_MJ_CREATE, post, NORMALIZED).last(), Some(&long));
        assert_eq!(results.paths(IRP_MJ_CREATE, post, OPENED).last(), Some(&short));
    }
    assert_eq!(results.paths(IRP_MJ_WRITE, false, NORMALIZED).first(), Some(&long));
    assert_eq!(results.paths(IRP_MJ_WRITE, false, OPENED).first(), Some(&short));
    assert_eq!(
        results.paths(IRP_MJ_CREATE, true, SHORT),
        ["ALONGD~1", "ALONGN~1.TXT", "ALONGN~1.TXT"],
        "the directory, the file by its long name and by its short name"
    );
    let destination = results.paths(IRP_MJ_SET_INFORMATION, false, DESTINATION);
    assert_eq!(destination, [long], "the directory has that name for the target");
    assert_eq!(results.paths(IRP_MJ_SET_INFORMATION, true, NORMALIZED), [r"\A long directory\alongn~1.txt"]);
    assert_clean(&machine);
}
