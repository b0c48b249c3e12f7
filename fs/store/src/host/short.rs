//! Short names of host files, kept with the DOS attributes: see [`super::metadata`].
//!
//! Found through the index of the directory, which learns them from the files when somebody first looks for one.
//! Files that were made on the host have none until they get one.

use super::HostStore;
use super::index::{Index, Named};
use super::table::HostKind;
use crate::contract::FileId;
use crate::error::{Result, StoreError};
use crate::names::{fold, shown};
use crate::short::ShortName;
use std::collections::BTreeMap;

impl HostStore {
    fn shorts<'i>(&self, index: &'i mut Index) -> &'i mut BTreeMap<Vec<u16>, Named> {
        let Index { names, shorts, .. } = index;
        shorts.get_or_insert_with(|| {
            let mut all = BTreeMap::new();
            for named in names.values().flatten() {
                // What the host does not let us read has no short name.
                let short = self.dos(&named.node).map_or(ShortName::NONE, |dos| dos.short);
                if !short.is_none() {
                    all.entry(fold(short.units())).or_insert_with(|| named.clone());
                }
            }
            all
        })
    }

    pub(super) fn find_short(&self, dir: FileId, name: &[u16]) -> Result<Named> {
        let dir = self.table.get(dir)?;
        let _tree = self.tree.read();
        let fd = self.directory(&dir)?;
        let mut index = self.index(&dir, &fd)?;
        let found = self.shorts(&mut index).get(&fold(name)).cloned();
        found.ok_or_else(|| StoreError::NotFound(shown(name)))
    }

    pub(super) fn keep_short(&self, id: FileId, short: ShortName) -> Result<()> {
        let node = self.table.get(id)?;
        let _tree = self.tree.write();
        let place = self.place(&node)?;
        if node.kind == HostKind::Other {
            return Err(StoreError::AccessDenied(self.host_path(&node)));
        }
        let parent = self.directory(&place.parent)?;
        let folded = fold(short.units());
        {
            let mut index = self.index(&place.parent, &parent)?;
            let other = |named: &Named| named.node.id != id;
            if index.names.get(&folded).is_some_and(|spellings| spellings.iter().any(other))
                || self.shorts(&mut index).get(&folded).is_some_and(other)
            {
                return Err(short.taken());
            }
        }
        self.change_dos(&node, |dos| dos.short = short)?;
        let mut index = self.index(&place.parent, &parent)?;
        let named = index.names.values().flatten().find(|named| named.node.id == id).cloned();
        let shorts = self.shorts(&mut index);
        shorts.retain(|_, named| named.node.id != id);
        if let Some(named) = named.filter(|_| !short.is_none()) {
            shorts.insert(folded, named);
        }
        Ok(())
    }
}
