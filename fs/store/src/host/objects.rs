//! Finds and opens host objects: from an id to a descriptor, from a name to an id, from a directory to its index.
//!
//! Every function here needs the tree lock held by the caller, shared or exclusive. A path is walked one component at a
//! time from the root's own descriptor, never through a symbolic link, so nothing outside the root can be reached.

use super::fdcache::Fd;
use super::index::{Index, Named, stamp};
use super::metadata::{HostStat, refused, stat};
use super::names::{from_host, is_hidden};
use super::table::{HostKind, HostNode, Place};
use super::{HostStore, sidecar};
use crate::error::{Result, StoreError};
use crate::names::fold;
use parking_lot::{MappedMutexGuard, MutexGuard};
use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// All names in a directory, without `.` and `..`.
pub(super) fn read_names(fd: impl AsFd) -> std::result::Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(fd)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}

impl HostStore {
    /// The host path of an object, for messages only.
    pub(super) fn host_path(&self, node: &HostNode) -> String {
        let mut names = Vec::new();
        let mut at = node.place.read().clone();
        while let Some(place) = at {
            names.push(place.name);
            at = place.parent.place.read().clone();
        }
        let mut path = self.path.clone();
        for name in names.iter().rev() {
            path.push(Path::new(std::ffi::OsStr::new(&*String::from_utf8_lossy(name))));
        }
        path.display().to_string()
    }

    pub(super) fn refused(&self, errno: Errno, node: &HostNode) -> StoreError {
        refused(errno, &self.host_path(node))
    }

    pub(super) fn place(&self, node: &HostNode) -> Result<Place> {
        let place = node.place.read().clone();
        place.ok_or_else(|| match node.id == self.root.id {
            true => StoreError::InvalidParameter("the root directory has no name to change or remove"),
            false => StoreError::NotFound(format!("file {} (removed)", node.id.0)),
        })
    }

    /// A descriptor of the object, from the cache or newly opened and checked to be the same object still.
    pub(super) fn fd(&self, node: &HostNode) -> Result<Fd> {
        if node.id == self.root.id {
            return Ok(self.root_fd.clone());
        }
        if let Some(fd) = self.fds.get(node.id) {
            return Ok(fd);
        }
        if let Some(pinned) = &*node.pinned.lock() {
            return Ok(pinned.fd.clone());
        }
        let place = self.place(node)?;
        let parent = self.fd(&place.parent)?;
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let open = |access| rustix::fs::openat(&parent, &place.name[..], flags | access, Mode::empty());
        let opened = match node.kind {
            HostKind::Directory => open(OFlags::RDONLY | OFlags::DIRECTORY),
            HostKind::File if self.options.read_only => open(OFlags::RDONLY),
            HostKind::File => match open(OFlags::RDWR) {
                Err(Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::TXTBSY) => open(OFlags::RDONLY),
                other => other,
            },
            HostKind::Other => {
                let path = self.host_path(node);
                return Err(StoreError::AccessDenied(format!(
                    "{path}: it is a symbolic link, device, pipe or socket of the host; replace it by a file to use it"
                )));
            }
        };
        let fd = Arc::new(opened.map_err(|errno| self.refused(errno, node))?);
        let found = stat(&*fd, b"").map_err(|errno| self.refused(errno, node))?;
        if found.key != node.key {
            return Err(StoreError::NotFound(format!("{} (replaced on the host)", self.host_path(node))));
        }
        self.fds.put(node.id, &fd);
        Ok(fd)
    }

    /// A descriptor of a directory that still has a name.
    pub(super) fn directory(&self, node: &HostNode) -> Result<Fd> {
        if node.kind != HostKind::Directory {
            return Err(StoreError::NotADirectory(self.host_path(node)));
        }
        if node.id != self.root.id {
            self.place(node)?;
        }
        self.fd(node)
    }

    /// The id of what stands under a name.
    pub(super) fn resolve(&self, dir: &Arc<HostNode>, host: &[u8], found: &HostStat) -> Arc<HostNode> {
        let known = self.table.known(found.key);
        if let Some(node) = known.iter().find(|node| node.is_at(dir.id, host)) {
            return node.clone();
        }
        let place = Place { parent: dir.clone(), name: host.to_vec() };
        for node in known {
            let Some(old) = node.place.read().clone() else { continue };
            let single = found.kind == HostKind::Directory || found.links == 1;
            let is_there = || {
                let parent = self.fd(&old.parent).ok()?;
                stat(&*parent, &old.name).ok().filter(|there| there.key == found.key)
            };
            if single || is_there().is_none() {
                *node.place.write() = Some(place);
                return node;
            }
        }
        self.table.add(found, Some(place))
    }

    /// The names in a directory, read again if it changed behind the store's back.
    pub(super) fn index<'n>(&self, dir: &'n Arc<HostNode>, fd: &Fd) -> Result<MappedMutexGuard<'n, Index>> {
        let mut guard = dir.index.lock();
        let now = stat(&**fd, b"").map_err(|errno| self.refused(errno, dir))?;
        if guard.as_ref().is_none_or(|index| index.stamp != stamp(&now)) {
            let mut index = Index { stamp: stamp(&now), names: BTreeMap::new(), shorts: None };
            for host in read_names(&**fd).map_err(|errno| self.refused(errno, dir))? {
                if is_hidden(&host) {
                    continue;
                }
                let found = match stat(&**fd, &host) {
                    Ok(found) => found,
                    Err(Errno::NOENT) => continue,
                    Err(errno) => return Err(self.refused(errno, dir)),
                };
                let node = self.resolve(dir, &host, &found);
                let shown = from_host(&host);
                index.insert(fold(&shown), Named { host, shown, node });
            }
            *guard = Some(index);
        }
        Ok(MutexGuard::map(guard, |index| {
            index.get_or_insert_with(|| Index { stamp: stamp(&now), names: BTreeMap::new(), shorts: None })
        }))
    }

    /// Takes a directory's times as they are after a change of the store's own.
    pub(super) fn restamp(&self, index: &mut Index, fd: &Fd) {
        if let Ok(now) = stat(&**fd, b"") {
            index.stamp = stamp(&now);
        }
    }

    /// Where the object's sidecar is, or would be; `None` for a removed file.
    pub(super) fn sidecar_place(&self, node: &HostNode) -> Result<Option<(Fd, Vec<u8>, Arc<HostNode>)>> {
        if node.id == self.root.id {
            return Ok(Some((self.root_fd.clone(), super::names::ROOT_SIDECAR.to_vec(), self.root.clone())));
        }
        let Some(place) = node.place.read().clone() else { return Ok(None) };
        Ok(Some((self.fd(&place.parent)?, super::names::sidecar(&place.name), place.parent)))
    }

    /// The object's sidecar, if it has one.
    pub(super) fn sidecar(&self, node: &HostNode) -> Result<Option<Fd>> {
        let Some((parent, name, _)) = self.sidecar_place(node)? else { return Ok(None) };
        sidecar::open(&parent, &name).map_err(|errno| self.refused(errno, node))
    }
}
