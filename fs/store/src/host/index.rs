//! The names of one host directory, by upcased NT name, so that a lookup in another spelling need not read it all.
//!
//! Valid while the directory's own times stay the same; the store's own changes update it and take the new times.
//! A change made from outside within one tick of the host's file clock after another can go unseen by listings and
//! other spellings until the next change; the exact spelling always asks the host.

use super::metadata::HostStat;
use super::table::HostNode;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) type Stamp = ((i64, u32), (i64, u32));

pub(super) struct Index {
    pub(super) stamp: Stamp,
    /// Host names with their files, in byte order, by upcased NT name.
    pub(super) names: BTreeMap<Vec<u16>, Vec<Named>>,
    /// Short names by upcased name, once somebody looked for one. Files that were copied on the host may have the same:
    /// the first counts.
    pub(super) shorts: Option<BTreeMap<Vec<u16>, Named>>,
}

#[derive(Clone)]
pub(super) struct Named {
    pub(super) host: Vec<u8>,
    pub(super) shown: Vec<u16>,
    pub(super) node: Arc<HostNode>,
}

impl Index {
    pub(super) fn insert(&mut self, folded: Vec<u16>, named: Named) {
        let spellings = self.names.entry(folded).or_default();
        match spellings.binary_search_by(|other| other.host.cmp(&named.host)) {
            Ok(at) => spellings[at] = named,
            Err(at) => spellings.insert(at, named),
        }
    }

    pub(super) fn remove(&mut self, folded: &[u16], host: &[u8]) {
        if let Some(spellings) = self.names.get_mut(folded) {
            spellings.retain(|named| named.host != host);
            if spellings.is_empty() {
                self.names.remove(folded);
            }
        }
        if let Some(shorts) = &mut self.shorts {
            shorts.retain(|_, named| named.host != host);
        }
    }
}

pub(super) fn stamp(stat: &HostStat) -> Stamp {
    (stat.modified, stat.changed)
}
