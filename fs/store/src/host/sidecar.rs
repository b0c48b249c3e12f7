//! The directory beside a file that holds what its extended attributes cannot: `dos` and one `s~NAME` per stream.
//!
//! It moves and goes with its file. A crash of the machine between the two steps leaves it behind under the old name,
//! where nothing sees it and the next file of that name removes it.

use super::fdcache::Fd;
use super::objects::read_names;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::sync::Arc;

pub(super) const DOS_FILE: &[u8] = b"dos";
const STREAM: &[u8] = b"s~";

pub(super) const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
pub(super) const WRITE: OFlags = OFlags::RDWR.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The file of a stream, by the stream's escaped name.
pub(super) fn stream_file(escaped: &[u8]) -> Vec<u8> {
    [STREAM, escaped].concat()
}

/// The escaped stream name of a file in a sidecar.
pub(super) fn stream_of(file: &[u8]) -> Option<&[u8]> {
    file.strip_prefix(STREAM)
}

pub(super) fn open(parent: &Fd, name: &[u8]) -> Result<Option<Fd>, Errno> {
    match rustix::fs::openat(parent, name, READ | OFlags::DIRECTORY, Mode::empty()) {
        Ok(fd) => Ok(Some(Arc::new(fd))),
        Err(Errno::NOENT | Errno::NAMETOOLONG) => Ok(None),
        Err(errno) => Err(errno),
    }
}

pub(super) fn make(parent: &Fd, name: &[u8]) -> Result<Fd, Errno> {
    match rustix::fs::mkdirat(parent, name, Mode::RWXU | Mode::RWXG | Mode::RWXO) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    open(parent, name)?.ok_or(Errno::NOENT)
}

pub(super) fn remove(parent: &Fd, name: &[u8]) -> Result<(), Errno> {
    let Some(fd) = open(parent, name)? else { return Ok(()) };
    for file in read_names(&*fd)? {
        rustix::fs::unlinkat(&fd, &file[..], AtFlags::empty())?;
    }
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}

/// Replaces a small file whole, so that a crash leaves the old or the new content.
pub(super) fn put(sidecar: &Fd, name: &[u8], content: &[u8]) -> Result<(), Errno> {
    let temporary = &b"t~new"[..];
    let flags = WRITE | OFlags::CREATE | OFlags::TRUNC;
    let fd = rustix::fs::openat(sidecar, temporary, flags, Mode::from_raw_mode(0o666))?;
    write_all(&Arc::new(fd), 0, content)
        .and_then(|()| rustix::fs::renameat(sidecar, temporary, sidecar, name))
        .inspect_err(|_| _ = rustix::fs::unlinkat(sidecar, temporary, AtFlags::empty()))
}

pub(super) fn write_all(fd: &Fd, mut offset: u64, mut data: &[u8]) -> Result<(), Errno> {
    while !data.is_empty() {
        match rustix::io::pwrite(fd, data, offset) {
            Ok(0) => return Err(Errno::IO),
            Ok(count) => {
                offset += count as u64;
                data = &data[count..];
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

pub(super) fn read_full(fd: &Fd, offset: u64, into: &mut [u8]) -> Result<usize, Errno> {
    let mut done = 0;
    while done < into.len() {
        match rustix::io::pread(fd, &mut into[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}
