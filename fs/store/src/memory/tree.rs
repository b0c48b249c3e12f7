//! The names of a memory volume: which directory holds which name, and which files live without one.
//!
//! Life: a slot is made with its link, loses the link by removal, and goes when no link and no open is left.

use super::node::Node;
use crate::contract::{CaseMatch, Entry, FileId, NodeKind};
use crate::error::{Result, StoreError};
use crate::names::{fold, shown};
use crate::short::ShortName;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) struct Link {
    pub(super) parent: FileId,
    pub(super) name: Vec<u16>,
    pub(super) short: ShortName,
}

pub(super) struct Slot {
    pub(super) node: Arc<Node>,
    /// `None` after removal. The root is its own parent, with no name.
    pub(super) link: Option<Link>,
    /// Names in this directory, by upcased name.
    pub(super) children: BTreeMap<Vec<u16>, FileId>,
    /// Short names in this directory, by upcased name.
    shorts: BTreeMap<Vec<u16>, FileId>,
}

pub(super) struct Tree {
    slots: BTreeMap<FileId, Slot>,
    next: u64,
}

impl Tree {
    pub(super) fn new(root: Node) -> Self {
        let id = root.id;
        let slot = Slot {
            node: Arc::new(root),
            link: Some(Link { parent: id, name: Vec::new(), short: ShortName::NONE }),
            children: BTreeMap::new(),
            shorts: BTreeMap::new(),
        };
        Self { slots: BTreeMap::from([(id, slot)]), next: id.0 + 1 }
    }

    pub(super) fn slot(&self, id: FileId) -> Result<&Slot> {
        self.slots.get(&id).ok_or_else(|| StoreError::NotFound(format!("file {}", id.0)))
    }

    fn slot_mut(&mut self, id: FileId) -> Result<&mut Slot> {
        self.slots.get_mut(&id).ok_or_else(|| StoreError::NotFound(format!("file {}", id.0)))
    }

    /// A directory that still has its name: nothing can be made in a removed one.
    pub(super) fn directory(&self, id: FileId) -> Result<&Slot> {
        let slot = self.slot(id)?;
        if slot.node.kind != NodeKind::Directory {
            return Err(StoreError::NotADirectory(format!("file {}", id.0)));
        }
        Ok(slot)
    }

    pub(super) fn link(&self, id: FileId) -> Result<&Link> {
        let slot = self.slot(id)?;
        slot.link.as_ref().ok_or_else(|| StoreError::NotFound(format!("file {} (removed)", id.0)))
    }

    fn entry(&self, id: FileId) -> Result<Entry> {
        Ok(Entry { id, name: self.link(id)?.name.clone(), kind: self.slot(id)?.node.kind })
    }

    pub(super) fn lookup(&self, dir: FileId, name: &[u16], case: CaseMatch) -> Result<Entry> {
        let found = self.directory(dir)?.children.get(&fold(name)).map(|&id| self.entry(id)).transpose()?;
        found
            .filter(|entry| case == CaseMatch::Insensitive || entry.name == name)
            .ok_or_else(|| StoreError::NotFound(shown(name)))
    }

    pub(super) fn lookup_short(&self, dir: FileId, name: &[u16]) -> Result<Entry> {
        match self.directory(dir)?.shorts.get(&fold(name)) {
            Some(&id) => self.entry(id),
            None => Err(StoreError::NotFound(shown(name))),
        }
    }

    pub(super) fn set_short_name(&mut self, id: FileId, short: ShortName) -> Result<()> {
        let link = self.link(id)?;
        let (parent, old, new) = (link.parent, fold(link.short.units()), fold(short.units()));
        if parent == id {
            return Err(StoreError::InvalidParameter("the root directory has no short name"));
        }
        let directory = self.slot_mut(parent)?;
        let other = |names: &BTreeMap<Vec<u16>, FileId>| names.get(&new).is_some_and(|&found| found != id);
        if other(&directory.children) || other(&directory.shorts) {
            return Err(short.taken());
        }
        directory.shorts.remove(&old);
        if !short.is_none() {
            directory.shorts.insert(new, id);
        }
        if let Some(link) = &mut self.slot_mut(id)?.link {
            link.short = short;
        }
        Ok(())
    }

    pub(super) fn list(&self, dir: FileId) -> Result<Vec<Entry>> {
        self.directory(dir)?.children.values().map(|&id| self.entry(id)).collect()
    }

    pub(super) fn insert(
        &mut self,
        dir: FileId,
        name: &[u16],
        make: impl FnOnce(FileId) -> Node,
    ) -> Result<FileId> {
        let folded = fold(name);
        let parent = self.directory(dir)?;
        if parent.link.is_none() {
            return Err(StoreError::NotFound(format!("directory {} (removed)", dir.0)));
        }
        if parent.children.contains_key(&folded) {
            return Err(StoreError::AlreadyExists(shown(name)));
        }
        let id = FileId(self.next);
        self.next += 1;
        let link = Some(Link { parent: dir, name: name.to_vec(), short: ShortName::NONE });
        let slot =
            Slot { node: Arc::new(make(id)), link, children: BTreeMap::new(), shorts: BTreeMap::new() };
        self.slots.insert(id, slot);
        self.slot_mut(dir)?.children.insert(folded, id);
        Ok(id)
    }

    /// Takes the name away. Returns the parent.
    pub(super) fn unlink(&mut self, id: FileId) -> Result<FileId> {
        let link = self.link(id)?;
        let (parent, folded, short) = (link.parent, fold(&link.name), fold(link.short.units()));
        if parent == id {
            return Err(StoreError::AccessDenied("the root directory, which cannot be removed".into()));
        }
        let slot = self.slot(id)?;
        if !slot.children.is_empty() {
            return Err(StoreError::NotEmpty(shown(&link.name)));
        }
        let directory = self.slot_mut(parent)?;
        directory.children.remove(&folded);
        directory.shorts.remove(&short);
        self.slot_mut(id)?.link = None;
        self.sweep(id);
        Ok(parent)
    }

    /// Forgets a file that has neither name nor opens.
    pub(super) fn sweep(&mut self, id: FileId) {
        let gone = |slot: &Slot| slot.link.is_none() && slot.node.opens.load(Ordering::Acquire) == 0;
        if self.slots.get(&id).is_some_and(gone) {
            self.slots.remove(&id);
        }
    }

    /// Moves a name. Returns the old parent and the replaced file.
    pub(super) fn rename(
        &mut self,
        id: FileId,
        new_dir: FileId,
        new_name: &[u16],
        replace: bool,
    ) -> Result<(FileId, Option<FileId>)> {
        let link = self.link(id)?;
        let (old_dir, old_key, new_key) = (link.parent, fold(&link.name), fold(new_name));
        let short = fold(link.short.units());
        if old_dir == id {
            return Err(StoreError::InvalidParameter("the root directory cannot be renamed"));
        }
        let target = self.directory(new_dir)?;
        if target.link.is_none() {
            return Err(StoreError::NotFound(format!("directory {} (removed)", new_dir.0)));
        }
        let victim = target.children.get(&new_key).copied().filter(|&victim| victim != id);
        let mut above = new_dir;
        loop {
            if above == id {
                return Err(StoreError::InvalidParameter("a directory cannot be moved into itself"));
            }
            let parent = self.link(above)?.parent;
            if parent == above {
                break;
            }
            above = parent;
        }
        if let Some(victim) = victim {
            if !replace {
                return Err(StoreError::AlreadyExists(shown(new_name)));
            }
            if self.slot(victim)?.node.kind == NodeKind::Directory {
                return Err(StoreError::IsADirectory(shown(new_name)));
            }
            if self.slot(id)?.node.kind == NodeKind::Directory {
                return Err(StoreError::NotADirectory(shown(new_name)));
            }
            self.unlink(victim)?;
        }
        let directory = self.slot_mut(old_dir)?;
        directory.children.remove(&old_key);
        directory.shorts.remove(&short);
        self.slot_mut(new_dir)?.children.insert(new_key, id);
        let link = Link { parent: new_dir, name: new_name.to_vec(), short: ShortName::NONE };
        self.slot_mut(id)?.link = Some(link);
        Ok((old_dir, victim))
    }

    pub(super) fn path(&self, id: FileId) -> Result<Vec<Vec<u16>>> {
        let mut names = Vec::new();
        let mut at = id;
        loop {
            let link = self.link(at)?;
            if link.parent == at {
                names.reverse();
                return Ok(names);
            }
            names.push(link.name.clone());
            at = link.parent;
        }
    }
}
