//! Makes, removes and moves host names, with their sidecars and indexes.
//!
//! Locks: making holds the tree lock shared and the directory's index; removing and moving hold the tree lock alone.

use super::HostStore;
use super::fdcache::Fd;
use super::index::Named;
use super::metadata::{Dos, stat};
use super::names::{from_host, is_hidden, sidecar as sidecar_name, to_host};
use super::objects::read_names;
use super::sidecar;
use super::table::{HostKind, HostNode, Pinned, Place};
use crate::contract::{CaseMatch, FileId, NodeKind, kept_attributes};
use crate::error::{Result, StoreError};
use crate::names::{fold, shown};
use crate::short::ShortName;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl HostStore {
    pub(super) fn find(&self, dir: FileId, name: &[u16], case: CaseMatch) -> Result<Named> {
        let dir = self.table.get(dir)?;
        let _tree = self.tree.read();
        let fd = self.directory(&dir)?;
        let missing = || StoreError::NotFound(shown(name));
        let host = to_host(name).map_err(|_| missing())?;
        match stat(&*fd, &host) {
            Ok(found) => {
                let node = self.resolve(&dir, &host, &found);
                return Ok(Named { host, shown: name.to_vec(), node });
            }
            Err(Errno::NOENT) if case == CaseMatch::Insensitive => {}
            Err(Errno::NOENT) => return Err(missing()),
            Err(errno) => return Err(self.refused(errno, &dir)),
        }
        let index = self.index(&dir, &fd)?;
        index.names.get(&fold(name)).and_then(|spellings| spellings.first()).cloned().ok_or_else(missing)
    }

    pub(super) fn make(&self, dir: FileId, name: &[u16], kind: NodeKind, attributes: u32) -> Result<FileId> {
        let dir = self.table.get(dir)?;
        let host = to_host(name)?;
        let _tree = self.tree.read();
        let parent = self.directory(&dir)?;
        let mut index = self.index(&dir, &parent)?;
        let folded = fold(name);
        if index.names.contains_key(&folded) {
            return Err(StoreError::AlreadyExists(shown(name)));
        }
        let refused =
            |errno| super::metadata::refused(errno, &format!("{} in {}", shown(name), self.host_path(&dir)));
        sidecar::remove(&parent, &sidecar_name(&host)).map_err(refused)?;
        let fd = match kind {
            NodeKind::File => {
                let flags = sidecar::WRITE | OFlags::CREATE | OFlags::EXCL;
                rustix::fs::openat(&parent, &host[..], flags, Mode::from_raw_mode(0o666))
            }
            NodeKind::Directory => rustix::fs::mkdirat(&parent, &host[..], Mode::from_raw_mode(0o777))
                .and_then(|()| {
                    let flags = sidecar::READ | OFlags::DIRECTORY;
                    rustix::fs::openat(&parent, &host[..], flags, Mode::empty())
                }),
        };
        let fd = Arc::new(fd.map_err(refused)?);
        let found = stat(&*fd, b"").map_err(refused)?;
        let place = Place { parent: dir.clone(), name: host.clone() };
        let node = self.table.add(&found, Some(place));
        self.fds.put(node.id, &fd);
        let dos = Dos {
            attributes: kept_attributes(attributes, kind),
            creation: found.key.birth.is_none().then(|| (self.options.clock)()),
            short: ShortName::NONE,
        };
        if dos != Dos::default_of(node.kind) {
            let sidecar = || sidecar::make(&parent, &sidecar_name(&host)).map(Some).map_err(refused);
            if let Err(error) = self.set_dos(&node, dos, sidecar) {
                let flags = if kind == NodeKind::Directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
                _ = sidecar::remove(&parent, &sidecar_name(&host));
                _ = rustix::fs::unlinkat(&parent, &host[..], flags);
                self.forget(&node);
                self.restamp(&mut index, &parent);
                return Err(error);
            }
        }
        let id = node.id;
        index.insert(folded, Named { host, shown: name.to_vec(), node });
        self.restamp(&mut index, &parent);
        Ok(id)
    }

    /// Checks that a name still leads to the object that it led to.
    fn check_same(&self, node: &HostNode, parent: &Fd, host: &[u8]) -> Result<()> {
        match stat(&**parent, host) {
            Ok(found) if found.key == node.key => Ok(()),
            Ok(_) => Err(StoreError::NotFound(format!("{} (replaced on the host)", self.host_path(node)))),
            Err(errno) => Err(self.refused(errno, node)),
        }
    }

    /// Before a name goes: keeps what open users need.
    fn pin(&self, node: &HostNode) -> Result<()> {
        if node.opens.load(Ordering::Acquire) == 0 || node.kind == HostKind::Other {
            return Ok(());
        }
        let pinned =
            Pinned { fd: self.fd(node)?, streams: self.sidecar_streams(node)?, dos: self.dos(node)? };
        *node.pinned.lock() = Some(pinned);
        Ok(())
    }

    /// After a name went.
    fn forget(&self, node: &HostNode) {
        self.table.unname(node);
        self.fds.forget(node.id);
        *node.index.lock() = None;
        *node.place.write() = None;
        self.sweep(node);
    }

    /// Lets go of a file that has neither name nor opens.
    pub(super) fn sweep(&self, node: &HostNode) {
        if node.opens.load(Ordering::Acquire) == 0 && node.place.read().is_none() {
            *node.pinned.lock() = None;
            self.table.forget(node.id);
        }
    }

    pub(super) fn unmake(&self, id: FileId) -> Result<()> {
        let node = self.table.get(id)?;
        let _tree = self.tree.write();
        if id == self.root.id {
            return Err(StoreError::AccessDenied("the root directory, which cannot be removed".into()));
        }
        let place = self.place(&node)?;
        let parent = self.fd(&place.parent)?;
        self.check_same(&node, &parent, &place.name)?;
        let refused = |errno| self.refused(errno, &node);
        let mut index = self.index(&place.parent, &parent)?;
        if node.kind == HostKind::Directory {
            let fd = self.fd(&node)?;
            let names = read_names(&*fd).map_err(refused)?;
            if names.iter().any(|name| !is_hidden(name)) {
                return Err(StoreError::NotEmpty(self.host_path(&node)));
            }
            for left_behind in names {
                sidecar::remove(&fd, &left_behind).map_err(refused)?;
            }
        }
        self.pin(&node)?;
        let flags = if node.kind == HostKind::Directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        if let Err(errno) = rustix::fs::unlinkat(&parent, &place.name[..], flags) {
            *node.pinned.lock() = None;
            return Err(refused(errno));
        }
        index.remove(&fold(&from_host(&place.name)), &place.name);
        let cleaned = sidecar::remove(&parent, &sidecar_name(&place.name));
        self.restamp(&mut index, &parent);
        drop(index);
        self.forget(&node);
        cleaned.map_err(|errno| self.refused(errno, &place.parent))
    }

    pub(super) fn relocate(
        &self,
        id: FileId,
        new_dir: FileId,
        new_name: &[u16],
        replace: bool,
    ) -> Result<Option<FileId>> {
        let (node, dir) = (self.table.get(id)?, self.table.get(new_dir)?);
        let host = to_host(new_name)?;
        let _tree = self.tree.write();
        let old = self.place(&node)?;
        let (from, into) = (self.fd(&old.parent)?, self.directory(&dir)?);
        self.check_same(&node, &from, &old.name)?;
        let mut above = Some(dir.clone());
        while let Some(at) = above {
            if at.id == id {
                return Err(StoreError::InvalidParameter("a directory cannot be moved into itself"));
            }
            above = at.place.read().as_ref().map(|place| place.parent.clone());
        }
        if old.parent.id == dir.id && old.name == host {
            return Ok(None);
        }
        drop(self.index(&old.parent, &from)?);
        let victim = {
            let index = self.index(&dir, &into)?;
            let others: Vec<_> = index.names.get(&fold(new_name)).into_iter().flatten().collect();
            let others = || others.iter().filter(|named| named.node.id != id);
            others().find(|named| named.host == host).or_else(|| others().next()).map(|&named| named.clone())
        };
        if let Some(victim) = &victim {
            if !replace {
                return Err(StoreError::AlreadyExists(shown(new_name)));
            }
            if victim.node.kind == HostKind::Directory {
                return Err(StoreError::IsADirectory(self.host_path(&victim.node)));
            }
            if node.kind == HostKind::Directory {
                return Err(StoreError::NotADirectory(self.host_path(&victim.node)));
            }
            self.pin(&victim.node)?;
        }
        let refused = |errno| self.refused(errno, &node);
        // A victim in another spelling is replaced under its own, so that no moment is without either file.
        let first = victim.as_ref().map_or(&host, |victim| &victim.host);
        let moved = if victim.is_some() {
            rustix::fs::renameat(&from, &old.name[..], &into, &first[..])
        } else {
            let flags = RenameFlags::NOREPLACE;
            match rustix::fs::renameat_with(&from, &old.name[..], &into, &first[..], flags) {
                Err(Errno::INVAL | Errno::NOSYS) => {
                    rustix::fs::renameat(&from, &old.name[..], &into, &first[..])
                }
                other => other,
            }
        };
        if let Err(errno) = moved {
            if let Some(victim) = &victim {
                *victim.node.pinned.lock() = None;
            }
            return Err(refused(errno));
        }
        *node.place.write() = Some(Place { parent: dir.clone(), name: first.clone() });
        let finished = self.finish_move(&old, &from, &into, first, &host);
        let settled = if finished.is_ok() { host.clone() } else { first.clone() };
        *node.place.write() = Some(Place { parent: dir.clone(), name: settled });
        if finished.is_ok() {
            self.patch_indexes(&node, &old, (&dir, &into, &host, new_name), victim.as_ref(), &from);
        } else {
            *old.parent.index.lock() = None;
            *dir.index.lock() = None;
        }
        let replaced = victim.map(|victim| {
            self.forget(&victim.node);
            victim.node.id
        });
        finished.map_err(refused)?;
        if node.kind != HostKind::Other {
            self.change_dos(&node, |dos| dos.short = ShortName::NONE)?;
        }
        Ok(replaced)
    }

    /// After a complete move: both directories' indexes know it, without reading either again.
    fn patch_indexes(
        &self,
        node: &Arc<HostNode>,
        old: &Place,
        (dir, into, host, name): (&Arc<HostNode>, &Fd, &[u8], &[u16]),
        victim: Option<&Named>,
        from: &Fd,
    ) {
        if let Some(index) = &mut *old.parent.index.lock() {
            index.remove(&fold(&from_host(&old.name)), &old.name);
            self.restamp(index, from);
        }
        if let Some(index) = &mut *dir.index.lock() {
            let folded = fold(name);
            if let Some(victim) = victim {
                index.remove(&folded, &victim.host);
            }
            index.insert(folded, Named { host: host.to_vec(), shown: name.to_vec(), node: node.clone() });
            self.restamp(index, into);
        }
    }

    /// After the file itself moved: its sidecar follows, the victim's goes, and the last spelling is set.
    fn finish_move(
        &self,
        old: &Place,
        from: &Fd,
        into: &Fd,
        first: &[u8],
        host: &[u8],
    ) -> std::result::Result<(), Errno> {
        if first != host {
            sidecar::remove(into, &sidecar_name(first))?;
            rustix::fs::renameat(into, first, into, host)?;
        }
        sidecar::remove(into, &sidecar_name(host))?;
        match rustix::fs::renameat(from, &sidecar_name(&old.name)[..], into, &sidecar_name(host)[..]) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}
