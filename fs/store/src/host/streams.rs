//! Alternate streams and kept attributes of host files: in extended attributes while small, else in the sidecar.
//!
//! A stream of up to 2 KiB is the value of `user.altimeter.stream.NAME`; when it grows, or the host has no room or no
//! such attributes, it moves to the sidecar and stays there. The new place is complete before the old one goes; if a
//! crash leaves both, the sidecar counts. Streams of a removed file live in nameless files until the last close.
//!
//! Locks: the caller holds the tree lock; the node's stream lock is taken here, exclusive for every change.

use super::fdcache::Fd;
use super::metadata::{DOS, Dos, MAX_DOS_BYTES, stat};
use super::names::{stream_from_host, stream_to_host};
use super::sidecar::{self, stream_file, stream_of};
use super::table::{HostKind, HostNode};
use super::{HostStore, objects::read_names};
use crate::contract::StreamInfo;
use crate::error::{Result, StoreError};
use crate::names::{fold, shown, validate_stream};
use rustix::fs::{AtFlags, Mode, OFlags, XattrFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::sync::Arc;

const PREFIX: &[u8] = b"user.altimeter.stream.";
const MAX_INLINE: u64 = 2048;
const MAX_NAME_BYTES: usize = 253;

pub(super) enum Holder {
    Attribute { fd: Fd, key: Vec<u8> },
    File(Fd),
}

/// The host has no extended attributes here, or no room for this one.
pub(super) fn goes_to_sidecar(errno: Errno) -> bool {
    matches!(errno, Errno::OPNOTSUPP | Errno::NOSPC | Errno::TOOBIG | Errno::RANGE | Errno::DQUOT)
}

pub(super) fn value_of(fd: &Fd, key: &[u8]) -> std::result::Result<Vec<u8>, Errno> {
    let mut value = vec![0; 4096];
    loop {
        match rustix::fs::fgetxattr(fd, key, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                return Ok(value);
            }
            Err(Errno::RANGE) if value.len() < 1 << 20 => value.resize(value.len() * 4, 0),
            Err(errno) => return Err(errno),
        }
    }
}

fn keys_of(fd: &Fd) -> std::result::Result<Vec<Vec<u8>>, Errno> {
    let mut list = vec![0; 4096];
    loop {
        match rustix::fs::flistxattr(fd, &mut list[..]) {
            Ok(length) => return Ok(list[..length].split(|&byte| byte == 0).map(<[u8]>::to_vec).collect()),
            Err(Errno::RANGE) if list.len() < 1 << 20 => list.resize(list.len() * 4, 0),
            Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
            Err(errno) => return Err(errno),
        }
    }
}

impl HostStore {
    fn key_of(&self, escaped: &[u8]) -> Option<Vec<u8>> {
        let key = [PREFIX, escaped].concat();
        (self.options.extended_attributes && key.len() <= 255).then_some(key)
    }

    fn all_streams(&self, node: &HostNode) -> Result<BTreeMap<Vec<u16>, Holder>> {
        let fd = self.fd(node)?;
        let mut all = BTreeMap::new();
        for key in keys_of(&fd).map_err(|errno| self.refused(errno, node))? {
            if let Some(name) = key.strip_prefix(PREFIX).and_then(stream_from_host) {
                all.insert(name, Holder::Attribute { fd: fd.clone(), key });
            }
        }
        if let Some(dir) = self.sidecar(node)? {
            for file in read_names(&*dir).map_err(|errno| self.refused(errno, node))? {
                let Some(name) = stream_of(&file).and_then(stream_from_host) else { continue };
                let fd = self.stream_fd(&dir, &file).map_err(|errno| self.refused(errno, node))?;
                all.insert(name, Holder::File(fd));
            }
        }
        if let Some(pinned) = &*node.pinned.lock() {
            all.extend(pinned.streams.iter().map(|(name, fd)| (name.clone(), Holder::File(fd.clone()))));
        }
        Ok(all)
    }

    fn stream_fd(&self, dir: &Fd, file: &[u8]) -> std::result::Result<Fd, Errno> {
        let flags = if self.options.read_only { sidecar::READ } else { sidecar::WRITE };
        rustix::fs::openat(dir, file, flags, Mode::empty()).map(Arc::new)
    }

    /// A stream in any spelling, with its stored name; the exact spelling costs no listing.
    pub(super) fn find_stream(&self, node: &HostNode, name: &[u16]) -> Result<(Vec<u16>, Holder)> {
        let escaped = stream_to_host(name);
        if node.pinned.lock().is_none() {
            if let Some(dir) = self.sidecar(node)?
                && let Ok(fd) = self.stream_fd(&dir, &stream_file(&escaped))
            {
                return Ok((name.to_vec(), Holder::File(fd)));
            }
            if let Some(key) = self.key_of(&escaped) {
                let fd = self.fd(node)?;
                if rustix::fs::fgetxattr(&fd, &key[..], &mut [0u8; 0][..]).is_ok() {
                    return Ok((name.to_vec(), Holder::Attribute { fd, key }));
                }
            }
        }
        let folded = fold(name);
        let found = self.all_streams(node)?.into_iter().find(|(stored, _)| fold(stored) == folded);
        found.ok_or_else(|| {
            StoreError::NotFound(format!("stream {} of {}", shown(name), self.host_path(node)))
        })
    }

    /// The files of all streams that stand in the sidecar.
    pub(super) fn sidecar_streams(&self, node: &HostNode) -> Result<BTreeMap<Vec<u16>, Fd>> {
        let in_file = |(name, holder)| match holder {
            Holder::File(fd) => Some((name, fd)),
            Holder::Attribute { .. } => None,
        };
        Ok(self.all_streams(node)?.into_iter().filter_map(in_file).collect())
    }

    /// Makes the sidecar without letting that spoil the parent's index.
    pub(super) fn make_sidecar(&self, node: &HostNode) -> Result<Option<Fd>> {
        let Some((parent, name, parent_node)) = self.sidecar_place(node)? else { return Ok(None) };
        if let Some(dir) = sidecar::open(&parent, &name).map_err(|errno| self.refused(errno, node))? {
            return Ok(Some(dir));
        }
        let mut index = self.index(&parent_node, &parent)?;
        let made = sidecar::make(&parent, &name).map_err(|errno| self.refused(errno, node))?;
        self.restamp(&mut index, &parent);
        Ok(Some(made))
    }

    /// Puts a stream with this content into the sidecar, or into a nameless file for a removed file.
    fn put_in_file(&self, node: &HostNode, name: &[u16], value: &[u8]) -> Result<Fd> {
        let escaped = stream_to_host(name);
        if escaped.len() > MAX_NAME_BYTES {
            return Err(StoreError::NameTooLong(format!("stream {}", shown(name))));
        }
        let refused = |errno| self.refused(errno, node);
        match self.make_sidecar(node)? {
            Some(dir) => {
                sidecar::put(&dir, &stream_file(&escaped), value).map_err(refused)?;
                self.stream_fd(&dir, &stream_file(&escaped)).map_err(refused)
            }
            None => {
                let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
                let fd = rustix::fs::openat(&self.root_fd, ".", flags, Mode::RUSR | Mode::WUSR)
                    .map_err(refused)?;
                let fd = Arc::new(fd);
                sidecar::write_all(&fd, 0, value).map_err(refused)?;
                if let Some(pinned) = &mut *node.pinned.lock() {
                    pinned.streams.insert(name.to_vec(), fd.clone());
                }
                Ok(fd)
            }
        }
    }

    /// Changes a stream: `inline` on the bytes while the result stays small, else `file` on its file.
    pub(super) fn change_stream(
        &self,
        node: &HostNode,
        name: &[u16],
        new_end: u64,
        inline: impl FnOnce(&mut Vec<u8>),
        file: impl FnOnce(&Fd) -> std::result::Result<(), Errno>,
    ) -> Result<()> {
        let _changing = node.streams.write();
        let refused = |errno| self.refused(errno, node);
        let (stored, holder) = self.find_stream(node, name)?;
        let fd = match holder {
            Holder::File(fd) => fd,
            Holder::Attribute { fd, key } => {
                let old = value_of(&fd, &key).map_err(refused)?;
                if new_end <= MAX_INLINE {
                    let mut new = old.clone();
                    inline(&mut new);
                    match rustix::fs::fsetxattr(&fd, &key[..], &new, XattrFlags::REPLACE) {
                        Ok(()) => return Ok(()),
                        Err(errno) if goes_to_sidecar(errno) => {}
                        Err(errno) => return Err(refused(errno)),
                    }
                }
                let file = self.put_in_file(node, &stored, &old)?;
                rustix::fs::fremovexattr(&fd, &key[..]).map_err(refused)?;
                file
            }
        };
        file(&fd).map_err(refused)
    }

    pub(super) fn read_stream(
        &self,
        node: &HostNode,
        name: &[u16],
        offset: u64,
        into: &mut [u8],
    ) -> Result<usize> {
        let _reading = node.streams.read();
        match self.find_stream(node, name)?.1 {
            Holder::File(fd) => {
                sidecar::read_full(&fd, offset, into).map_err(|errno| self.refused(errno, node))
            }
            Holder::Attribute { fd, key } => {
                let value = value_of(&fd, &key).map_err(|errno| self.refused(errno, node))?;
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(value.len());
                let count = into.len().min(value.len() - from);
                into[..count].copy_from_slice(&value[from..from + count]);
                Ok(count)
            }
        }
    }

    /// End of file and allocation of a stream.
    pub(super) fn measure(&self, node: &HostNode, holder: &Holder) -> Result<(u64, u64)> {
        match holder {
            Holder::File(fd) => stat(&**fd, b"").map(|found| (found.size, found.allocation)),
            Holder::Attribute { fd, key } => {
                value_of(fd, key).map(|value| (value.len() as u64, value.len() as u64))
            }
        }
        .map_err(|errno| self.refused(errno, node))
    }

    pub(super) fn named_streams(&self, node: &HostNode) -> Result<Vec<StreamInfo>> {
        let _reading = node.streams.read();
        let mut all = Vec::new();
        for (name, holder) in self.all_streams(node)? {
            let (size, allocation) = self.measure(node, &holder)?;
            all.push(StreamInfo { name, size, allocation });
        }
        all.sort_by_cached_key(|stream| fold(&stream.name));
        Ok(all)
    }

    pub(super) fn add_stream(&self, node: &HostNode, name: &[u16]) -> Result<()> {
        validate_stream(name)?;
        let _changing = node.streams.write();
        match self.find_stream(node, name) {
            Ok(_) => return Err(StoreError::AlreadyExists(format!("stream {}", shown(name)))),
            Err(StoreError::NotFound(_)) => {}
            Err(other) => return Err(other),
        }
        self.put_stream(node, name, &[])
    }

    /// Stores a stream that is not there yet, wherever it fits.
    fn put_stream(&self, node: &HostNode, name: &[u16], value: &[u8]) -> Result<()> {
        if let Some(key) = self.key_of(&stream_to_host(name)) {
            match rustix::fs::fsetxattr(&self.fd(node)?, &key[..], value, XattrFlags::empty()) {
                Ok(()) => return Ok(()),
                Err(errno) if goes_to_sidecar(errno) => {}
                Err(errno) => return Err(self.refused(errno, node)),
            }
        }
        self.put_in_file(node, name, value).map(|_| ())
    }

    pub(super) fn drop_stream(&self, node: &HostNode, name: &[u16]) -> Result<()> {
        let _changing = node.streams.write();
        self.drop_stored(node, name)
    }

    fn drop_stored(&self, node: &HostNode, name: &[u16]) -> Result<()> {
        let stored = self.find_stream(node, name)?.0;
        let escaped = stream_to_host(&stored);
        if let Some(key) = self.key_of(&escaped) {
            match rustix::fs::fremovexattr(&self.fd(node)?, &key[..]) {
                Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
                Err(errno) => return Err(self.refused(errno, node)),
            }
        }
        if let Some(dir) = self.sidecar(node)? {
            match rustix::fs::unlinkat(&dir, &stream_file(&escaped)[..], AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(self.refused(errno, node)),
            }
        }
        if let Some(pinned) = &mut *node.pinned.lock() {
            pinned.streams.remove(&stored);
        }
        Ok(())
    }

    pub(super) fn move_stream(
        &self,
        node: &HostNode,
        name: &[u16],
        new_name: &[u16],
        replace: bool,
    ) -> Result<()> {
        validate_stream(new_name)?;
        let _changing = node.streams.write();
        let refused = |errno| self.refused(errno, node);
        let (stored, holder) = self.find_stream(node, name)?;
        if stored == new_name {
            return Ok(());
        }
        let (old, new) = (stream_to_host(&stored), stream_to_host(new_name));
        if new.len() > MAX_NAME_BYTES {
            return Err(StoreError::NameTooLong(format!("stream {}", shown(new_name))));
        }
        if fold(&stored) != fold(new_name) {
            match self.find_stream(node, new_name) {
                Ok(_) if !replace => {
                    return Err(StoreError::AlreadyExists(format!("stream {}", shown(new_name))));
                }
                Ok(_) => self.drop_stored(node, new_name)?,
                Err(StoreError::NotFound(_)) => {}
                Err(other) => return Err(other),
            }
        }
        match holder {
            Holder::Attribute { fd, key } => {
                let value = value_of(&fd, &key).map_err(refused)?;
                self.put_stream(node, new_name, &value)?;
                rustix::fs::fremovexattr(&fd, &key[..]).map_err(refused)
            }
            Holder::File(fd) => {
                if let Some(pinned) = &mut *node.pinned.lock() {
                    pinned.streams.remove(&stored);
                    pinned.streams.insert(new_name.to_vec(), fd);
                    return Ok(());
                }
                let Some(dir) = self.sidecar(node)? else { return Err(refused(Errno::NOENT)) };
                rustix::fs::renameat(&dir, &stream_file(&old)[..], &dir, &stream_file(&new)[..])
                    .map_err(refused)
            }
        }
    }

    /// The kept attributes.
    pub(super) fn dos(&self, node: &HostNode) -> Result<Dos> {
        let default = Dos::default_of(node.kind);
        if node.kind == HostKind::Other {
            return Ok(default);
        }
        if let Some(pinned) = &*node.pinned.lock() {
            return Ok(pinned.dos);
        }
        let refused = |errno| self.refused(errno, node);
        let mut text = [0; MAX_DOS_BYTES];
        if self.options.extended_attributes {
            match rustix::fs::fgetxattr(&self.fd(node)?, DOS, &mut text[..]) {
                Ok(length) => return Ok(Dos::parse(&text[..length]).unwrap_or(default)),
                Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
                Err(errno) => return Err(refused(errno)),
            }
        }
        let Some(dir) = self.sidecar(node)? else { return Ok(default) };
        match rustix::fs::openat(&dir, sidecar::DOS_FILE, sidecar::READ, Mode::empty()) {
            Ok(fd) => {
                let length = sidecar::read_full(&Arc::new(fd), 0, &mut text).map_err(refused)?;
                Ok(Dos::parse(&text[..length]).unwrap_or(default))
            }
            Err(Errno::NOENT) => Ok(default),
            Err(errno) => Err(refused(errno)),
        }
    }

    /// Keeps attributes. `make_sidecar` says how to get the sidecar where one is needed.
    pub(super) fn set_dos(
        &self,
        node: &HostNode,
        dos: Dos,
        make_sidecar: impl FnOnce() -> Result<Option<Fd>>,
    ) -> Result<()> {
        if let Some(pinned) = &mut *node.pinned.lock() {
            pinned.dos = dos;
            return Ok(());
        }
        let text = dos.to_text();
        if self.options.extended_attributes {
            match rustix::fs::fsetxattr(&self.fd(node)?, DOS, text.as_bytes(), XattrFlags::empty()) {
                Ok(()) => return Ok(()),
                Err(errno) if goes_to_sidecar(errno) => {}
                Err(errno) => return Err(self.refused(errno, node)),
            }
        }
        let Some(dir) = make_sidecar()? else { return Ok(()) };
        sidecar::put(&dir, sidecar::DOS_FILE, text.as_bytes()).map_err(|errno| self.refused(errno, node))
    }

    /// Keeps attributes of a file whose parent's index is not held by the caller.
    pub(super) fn change_dos(&self, node: &HostNode, change: impl FnOnce(&mut Dos)) -> Result<()> {
        let _changing = node.streams.write();
        let old = self.dos(node)?;
        let mut new = old;
        change(&mut new);
        if new == old { Ok(()) } else { self.set_dos(node, new, || self.make_sidecar(node)) }
    }
}
