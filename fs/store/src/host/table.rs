//! Which host object has which [`FileId`], and where it is.
//!
//! An object is known by device, inode number and birth time, so a reused inode number is another file. A second hard
//! link that the host had before is a file of its own here: one id per name.

use super::fdcache::Fd;
use super::index::Index;
use super::metadata::{Dos, HostStat};
use crate::contract::FileId;
use crate::error::{Result, StoreError};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What tells one host object from another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Key {
    pub(super) device: (u32, u32),
    pub(super) inode: u64,
    pub(super) birth: Option<(i64, u32)>,
}

/// What a host object is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HostKind {
    File,
    Directory,
    /// A symbolic link, device, pipe or socket: shown, never opened.
    Other,
}

#[derive(Clone)]
pub(super) struct Place {
    pub(super) parent: Arc<HostNode>,
    pub(super) name: Vec<u8>,
}

/// What keeps a removed file readable.
pub(super) struct Pinned {
    pub(super) fd: Fd,
    /// Streams that were in the sidecar, by stored name.
    pub(super) streams: BTreeMap<Vec<u16>, Fd>,
    /// Its kept attributes at removal, and since.
    pub(super) dos: Dos,
}

pub(super) struct HostNode {
    pub(super) id: FileId,
    pub(super) key: Key,
    pub(super) kind: HostKind,
    pub(super) opens: AtomicU64,
    /// `None` for the root and after removal.
    pub(super) place: RwLock<Option<Place>>,
    /// Set by removal while open.
    pub(super) pinned: Mutex<Option<Pinned>>,
    /// The names in this directory, where they were read.
    pub(super) index: Mutex<Option<Index>>,
    /// Held while streams or kept attributes move between extended attribute and sidecar.
    pub(super) streams: RwLock<()>,
}

impl HostNode {
    pub(super) fn new(id: FileId, stat: &HostStat, place: Option<Place>) -> Self {
        Self {
            id,
            key: stat.key,
            kind: stat.kind,
            opens: AtomicU64::new(0),
            place: RwLock::new(place),
            pinned: Mutex::new(None),
            index: Mutex::new(None),
            streams: RwLock::new(()),
        }
    }

    pub(super) fn is_at(&self, parent: FileId, name: &[u8]) -> bool {
        self.place.read().as_ref().is_some_and(|place| place.parent.id == parent && place.name == name)
    }
}

#[derive(Default)]
struct Maps {
    by_id: BTreeMap<FileId, Arc<HostNode>>,
    by_key: BTreeMap<Key, Vec<FileId>>,
    next: u64,
}

#[derive(Default)]
pub(super) struct Table {
    maps: RwLock<Maps>,
}

impl Table {
    pub(super) fn get(&self, id: FileId) -> Result<Arc<HostNode>> {
        let found = self.maps.read().by_id.get(&id).cloned();
        found.ok_or_else(|| StoreError::NotFound(format!("file {}", id.0)))
    }

    pub(super) fn known(&self, key: Key) -> Vec<Arc<HostNode>> {
        let maps = self.maps.read();
        maps.by_key.get(&key).into_iter().flatten().filter_map(|id| maps.by_id.get(id).cloned()).collect()
    }

    /// Gives the object an id, unless another thread has just done so.
    pub(super) fn add(&self, stat: &HostStat, place: Option<Place>) -> Arc<HostNode> {
        let mut maps = self.maps.write();
        if let Some(place) = &place {
            for id in maps.by_key.get(&stat.key).into_iter().flatten() {
                match maps.by_id.get(id) {
                    Some(node) if node.is_at(place.parent.id, &place.name) => return node.clone(),
                    _ => {}
                }
            }
        }
        maps.next += 1;
        let id = FileId(maps.next);
        let node = Arc::new(HostNode::new(id, stat, place));
        maps.by_id.insert(id, node.clone());
        maps.by_key.entry(stat.key).or_default().push(id);
        node
    }

    /// The object has lost this name: a later object with the same key is another file.
    pub(super) fn unname(&self, node: &HostNode) {
        let mut maps = self.maps.write();
        if let Some(ids) = maps.by_key.get_mut(&node.key) {
            ids.retain(|&id| id != node.id);
            if ids.is_empty() {
                maps.by_key.remove(&node.key);
            }
        }
    }

    pub(super) fn forget(&self, id: FileId) {
        let gone = self.maps.write().by_id.remove(&id);
        drop(gone);
    }
}
