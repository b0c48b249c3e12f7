//! Reparse points: links that opens follow, and tags of filters.

use altimeter::session::{Handle, OpenRequest, Session};
use altimeter::{Machine, NtStatus, Options, Stopped, VolumeSource, utf16};
use nt_abi::file_information_class as class;

use crate::objects::{assert_all_hold, checked, run};
use crate::support::*;

pub const SET: u32 = 0x0009_00A4;
const GET: u32 = 0x0009_00A8;
const DELETE: u32 = 0x0009_00AC;
pub const SYMBOLIC_LINK: u32 = 0xA000_000C;
pub const MOUNT_POINT: u32 = 0xA000_0003;
const NOT_FOLLOWED: u32 = nt_abi::FILE_OPEN_REPARSE_POINT;

/// `REPARSE_DATA_BUFFER` of a link to `target`, which is its print name, too.
pub fn link(tag: u32, flags: u32, target: &str) -> Vec<u8> {
    let name: Vec<u8> = utf16(target).iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let length = name.len() as u16;
    let mut body = Vec::new();
    for field in [0, length, length, length] {
        body.extend(field.to_le_bytes());
    }
    if tag == SYMBOLIC_LINK {
        body.extend(flags.to_le_bytes());
    }
    body.extend([&name[..], &name[..]].concat());
    let mut whole = tag.to_le_bytes().to_vec();
    whole.extend((body.len() as u16).to_le_bytes());
    whole.extend([0, 0]);
    whole.extend(body);
    whole
}

fn open(session: &Session, path: &str, options: u32) -> Result<Result<Handle, NtStatus>, Stopped> {
    let path = utf16(path);
    let request =
        OpenRequest::on_volume(&path).access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE).options(options);
    Ok(session.open(&request)?.map(|opened| opened.handle))
}

fn directory(session: &Session, path: &str) -> Result<Handle, Stopped> {
    let path = utf16(path);
    let request = OpenRequest::on_volume(&path)
        .access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE)
        .disposition(nt_abi::FILE_OPEN_IF)
        .options(nt_abi::FILE_DIRECTORY_FILE);
    Ok(session.open(&request)?.expect("a directory").handle)
}

/// Makes the directory `\real` with the file `tail`, and a link to it at `path`.
fn prepare(session: &Session, path: &str, data: &[u8]) -> Result<NtStatus, Stopped> {
    let real = directory(session, r"\real")?;
    session.close(real)?;
    let tail = create(session, r"real\tail")?.expect("a file");
    session.write(&tail, Some(0), b"the tail")?;
    session.close(tail)?;
    let handle = directory(session, path)?;
    let done = session.fs_control(&handle, SET, data, &mut [])?;
    session.close(handle)?;
    Ok(done.status)
}

fn read(session: &Session, path: &str) -> Result<Result<Vec<u8>, NtStatus>, Stopped> {
    let handle = match open(session, path, 0)? {
        Ok(handle) => handle,
        Err(status) => return Ok(Err(status)),
    };
    let mut data = [0; 16];
    let done = session.read(&handle, Some(0), &mut data)?;
    session.close(handle)?;
    Ok(Ok(data[..done.information].to_vec()))
}

fn links(machine: &Machine) {
    machine
        .run(|session| {
            for (path, data) in [
                (r"\one", link(SYMBOLIC_LINK, 1, "real")),
                (r"\two", link(SYMBOLIC_LINK, 0, r"\??\C:\real")),
                (r"\three", link(MOUNT_POINT, 0, r"\??\C:\real")),
                (r"\real\four", link(SYMBOLIC_LINK, 1, r"..\one\.")),
            ] {
                assert_eq!(prepare(session, path, &data)?, NtStatus::SUCCESS, "{path}");
                assert_eq!(read(session, &format!(r"{path}\tail"))?, Ok(b"the tail".to_vec()), "{path}");
                let itself = open(session, path, NOT_FOLLOWED)?.expect("the link");
                let mut tag = [0; 8];
                session.query_information(&itself, class::FileAttributeTagInformation, &mut tag)?;
                assert_eq!((tag[1] & 4, &tag[4..]), (4, &data[..4]), "{path}");
                let mut got = [0; 256];
                let done = session.fs_control(&itself, GET, &[], &mut got)?;
                assert_eq!((done.status, &got[..done.information]), (NtStatus::SUCCESS, &data[..]));
                session.close(itself)?;
            }
            // Followed to the directory itself, and relative to an open directory.
            let one = open(session, r"\one", nt_abi::FILE_DIRECTORY_FILE)?.expect("what it names");
            session.close(one)?;
            let real = directory(session, r"\real")?;
            let name = utf16(r"four\tail");
            let opened = session.open(&OpenRequest::relative(&real, &name))?.expect("the tail");
            session.close(opened.handle)?;
            session.close(real)?;
            let listed = session.list(&utf16(r"\"))?.expect("the root");
            let is_link = |name: &str| {
                listed.iter().any(|entry| entry.name == utf16(name) && entry.attributes & 0x400 != 0)
            };
            assert!(is_link("one") && is_link("three") && !is_link("real"), "{listed:?}");
            Ok(())
        })
        .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
}

#[test]
fn links_lead_where_they_say() {
    // spec: TAG-02, TAG-03
    let machine = machine();
    links(&machine);
    assert_clean(&machine);
}

#[test]
fn links_are_kept_by_a_host_directory() {
    let folder = std::env::temp_dir().join(format!("altimeter-links-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let options = || Options { volumes: vec![VolumeSource::Directory(folder.clone())], ..Options::default() };
    links(&Machine::boot(options()).expect("it boots"));
    let again = Machine::boot(options()).expect("it boots");
    let data = again.run(|session| read(session, r"\two\tail")).expect("the machine runs");
    assert_eq!(data, Ok(b"the tail".to_vec()));
    drop(again);
    std::fs::remove_dir_all(&folder).expect("it goes");
}

#[test]
fn reparse_data_is_checked_and_taken_away_by_its_tag() {
    // spec: RTAG-03
    let machine = machine();
    machine
        .run(|session| {
            let handle = directory(session, r"\link")?;
            let set = |data: &[u8]| Ok::<_, Stopped>(session.fs_control(&handle, SET, data, &mut [])?.status);
            let good = link(SYMBOLIC_LINK, 1, "real");
            assert_eq!(set(&good[..good.len() - 1])?, NtStatus::IO_REPARSE_DATA_INVALID);
            assert_eq!(set(&good[..4])?, NtStatus::IO_REPARSE_DATA_INVALID);
            assert_eq!(set(&link(1, 0, "x"))?, NtStatus::IO_REPARSE_TAG_INVALID);
            let mut outside = good.clone();
            outside[10] = 200;
            assert_eq!(set(&outside)?, NtStatus::IO_REPARSE_DATA_INVALID);
            session.close(create(session, r"link\inside")?.expect("a file"))?;
            assert_eq!(set(&good)?, NtStatus::DIRECTORY_NOT_EMPTY);
            session.remove_tree(&utf16(r"\link\inside"))?;
            assert_eq!(set(&good)?, NtStatus::SUCCESS);
            let mut small = [0; 10];
            let cut = session.fs_control(&handle, GET, &[], &mut small)?;
            assert_eq!((cut.status, cut.information), (NtStatus::BUFFER_OVERFLOW, 10));
            let delete = |tag: u32| {
                let header = [tag.to_le_bytes(), [0; 4]].concat();
                Ok::<_, Stopped>(session.fs_control(&handle, DELETE, &header, &mut [])?.status)
            };
            assert_eq!(delete(MOUNT_POINT)?, NtStatus::IO_REPARSE_TAG_MISMATCH);
            assert_eq!(delete(SYMBOLIC_LINK)?, NtStatus::SUCCESS);
            assert_eq!(delete(SYMBOLIC_LINK)?, NtStatus::NOT_A_REPARSE_POINT);
            session.close(handle)?;
            let plain = open(session, r"\link", nt_abi::FILE_DIRECTORY_FILE)?.expect("a directory");
            session.close(plain)
        })
        .expect("the machine runs");
    assert_clean(&machine);
}

#[test]
fn an_open_ends_where_nobody_knows_the_tag_or_a_link_leads_to_itself() {
    let machine = machine();
    machine
        .run(|session| {
            let file = create(session, "tagged")?.expect("a file");
            let mut data = 0x42u32.to_le_bytes().to_vec();
            data.extend([1, 0, 0, 0]);
            data.extend([7; 17]);
            assert_eq!(session.fs_control(&file, SET, &data, &mut [])?.status, NtStatus::SUCCESS);
            session.close(file)?;
            assert_eq!(open(session, r"\tagged", 0)?.err(), Some(NtStatus::IO_REPARSE_TAG_NOT_HANDLED));
            let handle = directory(session, r"\loop")?;
            let data = link(SYMBOLIC_LINK, 1, "loop");
            assert_eq!(session.fs_control(&handle, SET, &data, &mut [])?.status, NtStatus::SUCCESS);
            session.close(handle)?;
            assert!(open(session, r"\loop\x", 0)?.is_err());
            Ok(())
        })
        .expect("the machine runs");
    assert_clean(&machine);
}

#[test]
fn filters_tag_files_below_themselves() {
    // spec: RTAG-01, RTAG-02, RTAG-03, RTAG-04, TAG-04
    let machine = checked(&[]);
    recorder(&machine, "above", "380000", &["Mode=sz:observe"]);
    recorder(&machine, "below", "100000", &["Mode=sz:observe"]);
    run(&machine, "tag-file").expect("the machine runs");
    let controls = |name: &str| results(&machine, name).of(nt_abi::IRP_MJ_FILE_SYSTEM_CONTROL, false).len();
    assert_eq!(controls("above"), 0);
    assert!(controls("below") >= 10);
    assert_all_hold(&machine, 18);
}

#[test]
fn a_post_create_callback_is_shown_what_an_open_met() {
    // spec: TAG-01, TAG-02, TAG-03, TAG-05, CBD-15
    let machine = checked(&[]);
    machine
        .run(|session| {
            prepare(session, r"\linked", &link(SYMBOLIC_LINK, 1, "real"))?;
            assert_eq!(read(session, r"\linked\tail")?, Ok(b"the tail".to_vec()));
            prepare(session, r"\linked-too", &link(MOUNT_POINT, 0, r"\??\C:\real"))?;
            assert_eq!(read(session, r"\linked-too\tail")?, Ok(b"the tail".to_vec()));
            prepare(session, r"\reissued", &link(SYMBOLIC_LINK, 1, "real"))?;
            let itself = open(session, r"\reissued", 0)?.expect("the link itself");
            let mut tag = [0; 8];
            session.query_information(&itself, class::FileAttributeTagInformation, &mut tag)?;
            assert_eq!(tag[4..], SYMBOLIC_LINK.to_le_bytes());
            session.close(itself)
        })
        .unwrap_or_else(|Stopped| panic!("{:?}", machine.report()));
    let [met, reissued, _] = results(&machine, "objtest").counted;
    assert_eq!((met, reissued), (2, 1));
    assert_all_hold(&machine, 14);
}

#[test]
fn extended_attributes_are_set_scanned_and_asked_for_by_name() {
    // spec: PARM-29
    assert_all_hold(&checked(&["attributes"]), 18);
}
