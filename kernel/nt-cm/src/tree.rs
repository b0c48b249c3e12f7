//! The tree of keys and values. No handles, no machine memory: plain data under one lock.

use std::collections::BTreeMap;

use nt_abi::{NtStatus, REG_BINARY, REG_DWORD, REG_EXPAND_SZ, REG_MULTI_SZ, REG_QWORD, REG_SZ};
use nt_ob::upcase;

/// A value's type and bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// `REG_*`.
    pub kind: u32,
    /// The bytes as stored.
    pub data: Vec<u8>,
}

fn terminated(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

impl Value {
    /// REG_SZ.
    pub fn string(text: &str) -> Self {
        Self { kind: REG_SZ, data: terminated(text) }
    }
    /// REG_EXPAND_SZ.
    pub fn expand(text: &str) -> Self {
        Self { kind: REG_EXPAND_SZ, data: terminated(text) }
    }
    /// REG_MULTI_SZ.
    pub fn strings(texts: &[&str]) -> Self {
        let data = texts.iter().flat_map(|text| terminated(text)).chain([0, 0]).collect();
        Self { kind: REG_MULTI_SZ, data }
    }
    /// REG_DWORD.
    pub fn dword(number: u32) -> Self {
        Self { kind: REG_DWORD, data: number.to_le_bytes().to_vec() }
    }
    /// REG_QWORD.
    pub fn qword(number: u64) -> Self {
        Self { kind: REG_QWORD, data: number.to_le_bytes().to_vec() }
    }
    /// REG_BINARY.
    pub fn binary(bytes: &[u8]) -> Self {
        Self { kind: REG_BINARY, data: bytes.to_vec() }
    }
    /// The number, of REG_DWORD and REG_QWORD.
    pub fn as_number(&self) -> Option<u64> {
        match self.kind {
            REG_DWORD => Some(u64::from(u32::from_le_bytes(self.data.get(..4)?.try_into().ok()?))),
            REG_QWORD => Some(u64::from_le_bytes(self.data.get(..8)?.try_into().ok()?)),
            _ => None,
        }
    }
    /// The text up to its first null, of REG_SZ and REG_EXPAND_SZ.
    pub fn as_string(&self) -> Option<String> {
        matches!(self.kind, REG_SZ | REG_EXPAND_SZ).then(|| {
            let units = self.data.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            char::decode_utf16(units.take_while(|unit| *unit != 0))
                .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        })
    }
}

/// Number of a key; never used again.
pub(crate) type KeyId = u64;
/// `\Registry`.
pub(crate) const ROOT: KeyId = 0;

pub(crate) struct NamedValue {
    pub(crate) name: Vec<u16>,
    pub(crate) value: Value,
}

pub(crate) struct Node {
    pub(crate) name: Vec<u16>,
    pub(crate) parent: KeyId,
    pub(crate) class: Vec<u16>,
    pub(crate) volatile: bool,
    pub(crate) last_write: i64,
    /// Full name that this key stands for.
    pub(crate) link: Option<Vec<u16>>,
    pub(crate) subkeys: BTreeMap<Vec<u16>, KeyId>,
    pub(crate) values: Vec<NamedValue>,
}

/// All keys by number. A deleted key is gone; who still has its number learns that it was deleted.
pub(crate) struct Tree {
    nodes: BTreeMap<KeyId, Node>,
    next: KeyId,
}

pub(crate) fn folded(name: &[u16]) -> Vec<u16> {
    name.iter().map(|unit| upcase(*unit)).collect()
}

impl Tree {
    pub(crate) fn new() -> Self {
        let mut tree = Self { nodes: BTreeMap::new(), next: ROOT };
        tree.add(ROOT, &nt_ob::units("REGISTRY"), &[], false, 0);
        tree
    }

    fn add(&mut self, parent: KeyId, name: &[u16], class: &[u16], volatile: bool, now: i64) -> KeyId {
        let id = self.next;
        self.next += 1;
        let node = Node {
            name: name.to_vec(),
            parent,
            class: class.to_vec(),
            volatile,
            last_write: now,
            link: None,
            subkeys: BTreeMap::new(),
            values: Vec::new(),
        };
        self.nodes.insert(id, node);
        id
    }

    /// Errors: KeyDeleted
    pub(crate) fn node(&self, id: KeyId) -> Result<&Node, NtStatus> {
        self.nodes.get(&id).ok_or(NtStatus::KEY_DELETED)
    }

    /// Errors: KeyDeleted
    pub(crate) fn node_mut(&mut self, id: KeyId) -> Result<&mut Node, NtStatus> {
        self.nodes.get_mut(&id).ok_or(NtStatus::KEY_DELETED)
    }

    pub(crate) fn subkey(&self, id: KeyId, name: &[u16]) -> Result<Option<KeyId>, NtStatus> {
        Ok(self.node(id)?.subkeys.get(&folded(name)).copied())
    }

    /// Errors: KeyDeleted · ChildMustBeVolatile · ObjectNameInvalid (longer than 255 units)
    pub(crate) fn create(
        &mut self,
        parent: KeyId,
        name: &[u16],
        class: &[u16],
        volatile: bool,
        now: i64,
    ) -> Result<KeyId, NtStatus> {
        if name.is_empty() || name.len() > 255 {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
        if self.node(parent)?.volatile && !volatile {
            return Err(NtStatus::CHILD_MUST_BE_VOLATILE);
        }
        let id = self.add(parent, name, class, volatile, now);
        let node = self.node_mut(parent)?;
        node.subkeys.insert(folded(name), id);
        node.last_write = now;
        Ok(id)
    }

    /// Errors: KeyDeleted · CannotDelete (subkeys, or the top of the registry)
    pub(crate) fn delete(&mut self, id: KeyId, now: i64) -> Result<(), NtStatus> {
        let node = self.node(id)?;
        if !node.subkeys.is_empty() || id == ROOT || node.parent == ROOT {
            return Err(NtStatus::CANNOT_DELETE);
        }
        let (parent, key) = (node.parent, folded(&node.name));
        self.nodes.remove(&id);
        let parent = self.node_mut(parent)?;
        parent.subkeys.remove(&key);
        parent.last_write = now;
        Ok(())
    }

    /// The full name of a key.
    pub(crate) fn path(&self, id: KeyId) -> Result<Vec<u16>, NtStatus> {
        let mut parts = Vec::new();
        let mut at = id;
        loop {
            let node = self.node(at)?;
            parts.push(node.name.as_slice());
            if at == ROOT {
                break;
            }
            at = node.parent;
        }
        let separator = u16::from(b'\\');
        Ok(parts
            .iter()
            .rev()
            .flat_map(|part| std::iter::once(separator).chain(part.iter().copied()))
            .collect())
    }

    pub(crate) fn value(&self, id: KeyId, name: &[u16]) -> Result<&NamedValue, NtStatus> {
        let name = folded(name);
        let found = self.node(id)?.values.iter().find(|value| folded(&value.name) == name);
        found.ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)
    }

    pub(crate) fn set_value(
        &mut self,
        id: KeyId,
        name: &[u16],
        value: Value,
        now: i64,
    ) -> Result<(), NtStatus> {
        let key = folded(name);
        let node = self.node_mut(id)?;
        node.last_write = now;
        match node.values.iter_mut().find(|known| folded(&known.name) == key) {
            Some(known) => known.value = value,
            None => node.values.push(NamedValue { name: name.to_vec(), value }),
        }
        Ok(())
    }

    /// Errors: KeyDeleted · ObjectNameNotFound
    pub(crate) fn delete_value(&mut self, id: KeyId, name: &[u16], now: i64) -> Result<(), NtStatus> {
        let key = folded(name);
        let node = self.node_mut(id)?;
        let place = node.values.iter().position(|known| folded(&known.name) == key);
        node.values.remove(place.ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?);
        node.last_write = now;
        Ok(())
    }
}
