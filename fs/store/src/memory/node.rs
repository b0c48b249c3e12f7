//! One file or directory in memory: its streams and facts, without names and place, which the tree owns.
//!
//! Locks: each stream has its own, so that readers and writers of different files and streams never meet.

use super::data::{Data, Space};
use crate::contract::{Blob, FileId, NodeKind, Times};
use crate::error::{Result, StoreError};
use crate::names::{fold, shown};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// A stream's data, shared by whoever is using it.
pub(super) type SharedData = Arc<RwLock<Data>>;

pub(super) struct Facts {
    pub(super) times: Times,
    pub(super) attributes: u32,
    pub(super) blobs: BTreeMap<Blob, Vec<u8>>,
}

pub(super) struct Stream {
    pub(super) name: Vec<u16>,
    pub(super) data: SharedData,
}

pub(super) struct Node {
    pub(super) id: FileId,
    pub(super) kind: NodeKind,
    pub(super) opens: AtomicU64,
    pub(super) facts: Mutex<Facts>,
    /// The default stream; a directory's stays unused.
    pub(super) data: SharedData,
    /// Alternate streams by upcased name.
    pub(super) streams: RwLock<BTreeMap<Vec<u16>, Stream>>,
}

impl Node {
    pub(super) fn new(id: FileId, kind: NodeKind, attributes: u32, now: i64, space: &Arc<Space>) -> Self {
        let times = Times { creation: now, last_access: now, last_write: now, change: now };
        Self {
            id,
            kind,
            opens: AtomicU64::new(0),
            facts: Mutex::new(Facts { times, attributes, blobs: BTreeMap::new() }),
            data: Arc::new(RwLock::new(Data::new(space.clone()))),
            streams: RwLock::new(BTreeMap::new()),
        }
    }

    /// The data of a stream.
    pub(super) fn stream(&self, name: Option<&[u16]>) -> Result<SharedData> {
        match name {
            None if self.kind == NodeKind::Directory => {
                Err(StoreError::IsADirectory(format!("file {}", self.id.0)))
            }
            None => Ok(self.data.clone()),
            Some(name) => match self.streams.read().get(&fold(name)) {
                Some(stream) => Ok(stream.data.clone()),
                None => Err(self.no_stream(name)),
            },
        }
    }

    pub(super) fn no_stream(&self, name: &[u16]) -> StoreError {
        StoreError::NotFound(format!("stream {} of file {}", shown(name), self.id.0))
    }

    pub(super) fn touch_write(&self, now: i64) {
        let mut facts = self.facts.lock();
        facts.times.last_write = now;
        facts.times.change = now;
    }

    pub(super) fn touch_change(&self, now: i64) {
        self.facts.lock().times.change = now;
    }
}
