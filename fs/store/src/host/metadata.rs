//! Facts of a host file: the host's own, and the DOS attributes, creation time and short name that it does not know.
//!
//! Those stand as text in the extended attribute `user.altimeter.dos`, or in the file `dos` of the sidecar where the
//! host takes no extended attribute. READONLY is kept there too and never becomes a host permission.

use super::table::{HostKind, Key};
use crate::contract::{ATTRIBUTE_ARCHIVE, ATTRIBUTE_DIRECTORY};
use crate::error::StoreError;
use crate::short::ShortName;
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, FileType, StatxFlags};
use rustix::io::Errno;

pub(super) const DOS: &str = "user.altimeter.dos";

#[derive(Clone, Copy)]
pub(super) struct HostStat {
    pub(super) key: Key,
    pub(super) kind: HostKind,
    pub(super) links: u32,
    pub(super) size: u64,
    pub(super) allocation: u64,
    pub(super) accessed: (i64, u32),
    pub(super) modified: (i64, u32),
    pub(super) changed: (i64, u32),
}

/// Looks at a name in a directory, or at the descriptor itself when the name is empty. Follows nothing.
pub(super) fn stat(fd: impl AsFd, name: &[u8]) -> Result<HostStat, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    let found = rustix::fs::statx(fd, name, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME)?;
    let time = |at: rustix::fs::StatxTimestamp| (at.tv_sec, at.tv_nsec);
    let has_birth = found.stx_mask & StatxFlags::BTIME.bits() != 0;
    Ok(HostStat {
        key: Key {
            device: (found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
            birth: has_birth.then(|| time(found.stx_btime)),
        },
        kind: match FileType::from_raw_mode(found.stx_mode.into()) {
            FileType::RegularFile => HostKind::File,
            FileType::Directory => HostKind::Directory,
            _ => HostKind::Other,
        },
        links: found.stx_nlink,
        size: found.stx_size,
        allocation: found.stx_blocks * 512,
        accessed: time(found.stx_atime),
        modified: time(found.stx_mtime),
        changed: time(found.stx_ctime),
    })
}

/// What the host does not know of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Dos {
    pub(super) attributes: u32,
    /// `None`: the host's birth time.
    pub(super) creation: Option<i64>,
    pub(super) short: ShortName,
}

impl Dos {
    /// What a file without a record shows.
    pub(super) fn default_of(kind: HostKind) -> Self {
        let attributes = match kind {
            HostKind::Directory => ATTRIBUTE_DIRECTORY,
            HostKind::File => ATTRIBUTE_ARCHIVE,
            HostKind::Other => 0,
        };
        Self { attributes, creation: None, short: ShortName::NONE }
    }

    pub(super) fn to_text(self) -> String {
        let mut text = match self.creation {
            Some(creation) => format!("v1 {:08x} {creation}", self.attributes),
            None => format!("v1 {:08x} -", self.attributes),
        };
        if !self.short.is_none() {
            text.push(' ');
            text.extend(self.short.units().iter().map(|unit| format!("{unit:04x}")));
        }
        text
    }

    /// Reads a record; a damaged one is as none.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(text).ok()?.split_ascii_whitespace();
        if words.next()? != "v1" {
            return None;
        }
        let attributes = u32::from_str_radix(words.next()?, 16).ok()?;
        let creation = match words.next()? {
            "-" => None,
            ticks => Some(ticks.parse().ok()?),
        };
        let short = words.next().and_then(parse_short).unwrap_or_default();
        Some(Self { attributes, creation, short })
    }
}

/// A short name as four hexadecimal digits for each unit.
fn parse_short(word: &str) -> Option<ShortName> {
    let digits = word.as_bytes().chunks(4);
    let unit = |digits| u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    ShortName::new(&digits.map(unit).collect::<Option<Vec<u16>>>()?)
}

/// Longest record of a file in bytes.
pub(super) const MAX_DOS_BYTES: usize = 128;

/// Puts a host error into the store's terms.
pub(super) fn refused(errno: Errno, what: &str) -> StoreError {
    let what_owned = what.to_owned();
    match errno {
        Errno::NOENT | Errno::STALE => StoreError::NotFound(what_owned),
        Errno::EXIST => StoreError::AlreadyExists(what_owned),
        Errno::NOTDIR => StoreError::NotADirectory(what_owned),
        Errno::ISDIR => StoreError::IsADirectory(what_owned),
        Errno::NOTEMPTY => StoreError::NotEmpty(what_owned),
        Errno::NOSPC | Errno::DQUOT => StoreError::NoSpace(what_owned),
        Errno::NAMETOOLONG => StoreError::NameTooLong(what_owned),
        Errno::ROFS => StoreError::ReadOnly(what_owned),
        Errno::FBIG => StoreError::TooLarge(what_owned),
        Errno::XDEV => {
            StoreError::Unsupported("move a file to another host file system mounted inside the volume")
        }
        Errno::ACCESS | Errno::PERM | Errno::LOOP | Errno::BADF => StoreError::AccessDenied(format!(
            "{what}: the host answers \"{errno}\"; check its owner and permissions"
        )),
        _ => StoreError::Io { at: what_owned, source: errno.into() },
    }
}
