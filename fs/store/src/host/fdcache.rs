//! Open descriptors of the host, a bounded number of them, the least recently used closed first.
//!
//! A descriptor in use outlives its place in the cache. The lock is held for a few comparisons, never over a call.

use crate::contract::FileId;
use parking_lot::Mutex;
use rustix::fd::OwnedFd;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A descriptor, shared by the cache and whoever is using it.
pub(super) type Fd = Arc<OwnedFd>;

pub(super) struct FdCache {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    uses: u64,
    by_id: BTreeMap<FileId, (Fd, u64)>,
    by_use: BTreeMap<u64, FileId>,
}

impl FdCache {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), state: Mutex::default() }
    }

    pub(super) fn get(&self, id: FileId) -> Option<Fd> {
        let mut state = self.state.lock();
        let State { uses, by_id, by_use } = &mut *state;
        let (fd, used) = by_id.get_mut(&id)?;
        by_use.remove(used);
        *uses += 1;
        *used = *uses;
        by_use.insert(*uses, id);
        Some(fd.clone())
    }

    pub(super) fn put(&self, id: FileId, fd: &Fd) {
        let mut closed = Vec::new();
        let mut state = self.state.lock();
        let State { uses, by_id, by_use } = &mut *state;
        *uses += 1;
        if let Some((old, used)) = by_id.insert(id, (fd.clone(), *uses)) {
            by_use.remove(&used);
            closed.push(old);
        }
        by_use.insert(*uses, id);
        while by_id.len() > self.limit {
            let Some((_, oldest)) = by_use.pop_first() else { break };
            closed.extend(by_id.remove(&oldest).map(|(fd, _)| fd));
        }
        drop(state);
    }

    pub(super) fn forget(&self, id: FileId) {
        let mut state = self.state.lock();
        let gone = state.by_id.remove(&id);
        if let Some((_, used)) = &gone {
            state.by_use.remove(used);
        }
        drop(state);
    }
}
