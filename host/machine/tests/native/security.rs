//! Security descriptors of files: set by filters and programs, inherited, kept, and checked at each open.

use altimeter::session::{Handle, OpenRequest, Session};
use altimeter::{Machine, NtStatus, Options, Stopped, VolumeSource, utf16};
use nt_abi::{
    FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_READ_DATA, FILE_WRITE_DATA, GENERIC_READ, GENERIC_WRITE,
    MAXIMUM_ALLOWED, READ_CONTROL, WRITE_DAC,
};
use nt_se::Sid;
use nt_se::descriptor::{DACL, OWNER, Parts, allow_list};

use crate::objects::{assert_all_hold, checked};
use crate::support::*;

/// SE_DACL_PRESENT.
const DACL_PRESENT: u16 = 4;
const OBJECT_AND_CONTAINER_INHERIT: u8 = 3;

fn open(
    session: &Session,
    path: &str,
    access: u32,
    options: u32,
) -> Result<Result<Handle, NtStatus>, Stopped> {
    let path = utf16(path);
    let request =
        OpenRequest::on_volume(&path).access(access).disposition(nt_abi::FILE_OPEN_IF).options(options);
    Ok(session.open(&request)?.map(|opened| opened.handle))
}

/// The status of an open for `access`.
fn tried(session: &Session, path: &str, access: u32) -> Result<NtStatus, Stopped> {
    match open(session, path, access, 0)? {
        Ok(handle) => session.close(handle).map(|_| NtStatus::SUCCESS),
        Err(status) => Ok(status),
    }
}

/// A descriptor with one list: everybody has `access`; `flags` are the entry's.
fn everybody(access: u32, flags: u8) -> Vec<u8> {
    let mut list = allow_list(&[(access, Sid::everyone())]);
    list[9] = flags;
    Parts { control: DACL_PRESENT, dacl: Some(list), ..Parts::default() }.write()
}

fn set(handle: &Handle, information: u32, descriptor: &[u8]) -> Result<NtStatus, Stopped> {
    let buffer = nt_mm::UserBuffer::from_bytes(descriptor).expect("user memory");
    Ok(nt_io::nt_set_security_file(handle.value(), information, buffer.address())?.status)
}

fn query(handle: &Handle, information: u32) -> Result<Parts, Stopped> {
    let buffer = nt_mm::UserBuffer::new(512).expect("user memory");
    let small = nt_io::nt_query_security_file(handle.value(), information, buffer.address(), 8)?;
    assert_eq!(small.status, NtStatus::BUFFER_OVERFLOW);
    let found = nt_io::nt_query_security_file(handle.value(), information, buffer.address(), 512)?;
    assert_eq!((found.status, found.information), (NtStatus::SUCCESS, small.information));
    let bytes = buffer.to_vec(found.information).expect("the answer");
    Ok(Parts::read(&bytes).expect("a descriptor"))
}

/// What a handle may do.
fn granted(handle: &Handle) -> Result<u32, Stopped> {
    let buffer = nt_mm::UserBuffer::new(4).expect("user memory");
    let class = nt_abi::FileAccessInformation;
    let asked = nt_io::nt_query_information_file(handle.value(), buffer.address(), 4, class)?;
    assert_eq!(asked.status, NtStatus::SUCCESS);
    Ok(u32::from_le_bytes(buffer.to_vec(4).expect("the answer").try_into().expect("four bytes")))
}

#[test]
fn a_filter_reads_and_sets_the_descriptor_of_a_file_below_itself() {
    // spec: PARM-30
    let machine = checked(&["guarded"]);
    machine
        .run(|session| {
            assert_eq!(tried(session, r"\guarded", GENERIC_READ)?, NtStatus::SUCCESS);
            assert_eq!(tried(session, r"\guarded", GENERIC_WRITE)?, NtStatus::ACCESS_DENIED);
            Ok(())
        })
        .expect("the machine runs");
    assert_all_hold(&machine, 16);
}

/// Makes `\closed`, which new children inherit read access from, and looks at a file and a directory in it.
fn inherit(session: &Session) -> Result<(), Stopped> {
    let closed =
        open(session, r"\closed", READ_CONTROL | WRITE_DAC, nt_abi::FILE_DIRECTORY_FILE)?.expect("it is new");
    let before = query(&closed, OWNER | DACL)?;
    assert!(before.owner.is_some());
    assert_eq!(before.entries().map(|entries| entries.len()), Some(3), "system, administrators, everybody");
    let read = FILE_GENERIC_READ | FILE_GENERIC_WRITE;
    assert_eq!(set(&closed, DACL, &everybody(read, 0))?, NtStatus::SUCCESS);
    let plain = open(session, r"\closed\plain", READ_CONTROL, 0)?.expect("it is new");
    assert_eq!(query(&plain, DACL)?.entries().map(|entries| entries.len()), Some(3), "nothing to inherit");
    session.close(plain)?;
    let descriptor = everybody(FILE_GENERIC_READ, OBJECT_AND_CONTAINER_INHERIT);
    assert_eq!(set(&closed, DACL, &descriptor)?, NtStatus::SUCCESS);
    session.close(closed)?;
    for (path, options, flags) in
        [(r"\closed\file", 0, 0x10), (r"\closed\inner", nt_abi::FILE_DIRECTORY_FILE, 0x13)]
    {
        let child = open(session, path, READ_CONTROL, options)?.expect("it is new");
        let entries = query(&child, DACL)?.entries().expect("a list");
        assert_eq!(entries.len(), 1, "{path}");
        assert_eq!((entries[0].1, entries[0].2), (flags, FILE_GENERIC_READ), "{path}");
        session.close(child)?;
    }
    Ok(())
}

/// What may be done with the children afterwards.
fn look(session: &Session) -> Result<(), Stopped> {
    assert_eq!(tried(session, r"\closed\plain", GENERIC_WRITE)?, NtStatus::SUCCESS);
    assert_eq!(tried(session, r"\closed\file", GENERIC_READ)?, NtStatus::SUCCESS);
    assert_eq!(tried(session, r"\closed\file", GENERIC_WRITE)?, NtStatus::ACCESS_DENIED);
    let path = utf16(r"\closed\file");
    let over = OpenRequest::on_volume(&path).access(GENERIC_READ).disposition(nt_abi::FILE_OVERWRITE);
    assert_eq!(session.open(&over)?.err(), Some(NtStatus::ACCESS_DENIED), "an overwrite writes");
    let stream = tried(session, r"\closed\file:new", GENERIC_READ)?;
    assert_eq!(stream, NtStatus::ACCESS_DENIED, "a new stream is written to its file");
    let most = open(session, r"\closed\file", MAXIMUM_ALLOWED, 0)?.expect("something is allowed");
    let granted = granted(&most)?;
    assert_eq!(granted & (FILE_READ_DATA | FILE_WRITE_DATA), FILE_READ_DATA, "{granted:#X}");
    assert_eq!(session.write(&most, Some(0), b"x")?.status, NtStatus::ACCESS_DENIED);
    session.close(most)?;
    let most = open(session, r"\closed\plain", MAXIMUM_ALLOWED, 0)?.expect("everything is allowed");
    assert_eq!(self::granted(&most)?, nt_abi::FILE_ALL_ACCESS);
    session.close(most).map(|_| ())
}

#[test]
fn descriptors_are_inherited_checked_and_kept_in_a_directory_of_the_host() {
    let folder = std::env::temp_dir().join(format!("altimeter-security-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let boot =
        |volume| Machine::boot(Options { volumes: vec![volume], ..Options::default() }).expect("a volume");
    let memory = boot(VolumeSource::Memory);
    memory.run(|session| inherit(session).and_then(|()| look(session))).expect("the machine runs");
    assert_clean(&memory);
    let first = boot(VolumeSource::Directory(folder.clone()));
    first.run(inherit).expect("the machine runs");
    first.write_cache();
    drop(first);
    let second = boot(VolumeSource::Directory(folder.clone()));
    second.run(look).expect("the machine runs");
    assert_clean(&second);
    drop(second);
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}
