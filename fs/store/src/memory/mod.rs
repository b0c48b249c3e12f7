//! A volume in memory. Deterministic: ids count up, listings are ordered, time comes from the clock that it is given.
//!
//! Locks: the tree of names (short, never held over a copy of data), then a node's streams, then one stream's data,
//! then a node's facts. Names and facts take no space of the capacity; data does, in clusters of 4 KiB.

mod data;
mod node;
mod tree;

use crate::contract::*;
use crate::error::{Result, StoreError};
use crate::names::{self, fold, shown};
use crate::short::ShortName;
use data::{CLUSTER, Data, Full, Space};
use node::{Node, Stream};
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tree::Tree;

const ROOT: FileId = FileId(5);
const MAX_FILE_SIZE: u64 = 1 << 44;

/// How to make a [`MemoryStore`].
#[derive(Clone)]
pub struct MemoryOptions {
    /// 512 or 4096.
    pub sector_size: u32,
    /// Bytes that all data may take together.
    pub capacity: u64,
    /// The label, at most 32 UTF-16 units.
    pub label: String,
    /// The serial number.
    pub serial: u32,
    /// Refuses every change.
    pub read_only: bool,
    /// Where times come from.
    pub clock: Clock,
}

impl MemoryOptions {
    /// 1 GiB with sectors of 512 bytes, labelled "Memory".
    pub fn new(clock: Clock) -> Self {
        let label = String::from("Memory");
        Self { sector_size: 512, capacity: 1 << 30, label, serial: 0x414C_5449, read_only: false, clock }
    }
}

/// A volume in memory.
pub struct MemoryStore {
    options: MemoryOptions,
    space: Arc<Space>,
    creation: i64,
    label: Mutex<Vec<u16>>,
    tree: RwLock<Tree>,
    reparse_points: AtomicBool,
}

impl MemoryStore {
    /// Makes an empty volume.
    ///
    /// Errors: InvalidParameter (sector size) · NameTooLong (label)
    pub fn new(options: MemoryOptions) -> Result<Self> {
        if !matches!(options.sector_size, 512 | 4096) {
            return Err(StoreError::InvalidParameter("the sector size must be 512 or 4096"));
        }
        let label: Vec<u16> = options.label.encode_utf16().collect();
        check_label(&label)?;
        let space = Arc::new(Space::new(options.capacity));
        let creation = (options.clock)();
        let root = Node::new(ROOT, NodeKind::Directory, ATTRIBUTE_DIRECTORY, creation, &space);
        Ok(Self {
            options,
            space,
            creation,
            label: Mutex::new(label),
            tree: RwLock::new(Tree::new(root)),
            reparse_points: AtomicBool::new(false),
        })
    }

    fn node(&self, id: FileId) -> Result<Arc<Node>> {
        Ok(self.tree.read().slot(id)?.node.clone())
    }

    fn now(&self) -> i64 {
        (self.options.clock)()
    }

    fn check_writable(&self, id: FileId) -> Result<()> {
        if self.options.read_only { Err(StoreError::ReadOnly(format!("file {}", id.0))) } else { Ok(()) }
    }

    fn full(&self, id: FileId, bytes: u64) -> StoreError {
        let free = self.space.free();
        StoreError::NoSpace(format!(
            "{bytes} bytes of file {} ({free} of {} free)",
            id.0, self.space.capacity
        ))
    }

    /// Runs `change` on a stream's data and stamps the file as written.
    fn change_data(
        &self,
        id: FileId,
        stream: StreamName<'_>,
        end: Option<u64>,
        change: impl FnOnce(&mut Data) -> std::result::Result<(), Full>,
    ) -> Result<()> {
        self.check_writable(id)?;
        let end = end
            .filter(|&end| end <= MAX_FILE_SIZE)
            .ok_or_else(|| StoreError::TooLarge(format!("file {}", id.0)))?;
        let now = self.now();
        let node = self.node(id)?;
        let data = node.stream(stream)?;
        change(&mut data.write()).map_err(|Full| self.full(id, end))?;
        node.touch_write(now);
        Ok(())
    }
}

/// Errors: TooLarge
pub(crate) fn check_blob(id: FileId, bytes: Option<&[u8]>) -> Result<()> {
    match bytes {
        Some(bytes) if bytes.len() > MAX_BLOB_BYTES => {
            Err(StoreError::TooLarge(format!("{} bytes to keep with file {}", bytes.len(), id.0)))
        }
        _ => Ok(()),
    }
}

/// Errors: NameTooLong
pub(crate) fn check_label(label: &[u16]) -> Result<()> {
    if label.len() > MAX_LABEL_UTF16 {
        return Err(StoreError::NameTooLong(format!("the label {} (32 units at most)", shown(label))));
    }
    Ok(())
}

impl Store for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "memory",
            streams: true,
            extended_attributes: false,
            case_preserving: true,
            case_variants: false,
            hard_links: false,
            sparse: true,
            max_component_utf16: names::MAX_COMPONENT_UTF16,
            persistent_acls: false,
            max_file_size: MAX_FILE_SIZE,
            settable_change_time: true,
            read_only: self.options.read_only,
        }
    }

    fn root(&self) -> FileId {
        ROOT
    }

    fn lookup(&self, dir: FileId, name: &[u16], case: CaseMatch) -> Result<Entry> {
        self.tree.read().lookup(dir, name, case)
    }

    fn lookup_short(&self, dir: FileId, name: &[u16]) -> Result<Entry> {
        self.tree.read().lookup_short(dir, name)
    }

    fn set_short_name(&self, id: FileId, short: ShortName) -> Result<()> {
        self.check_writable(id)?;
        if !short.is_none() {
            names::validate_component(short.units())?;
        }
        self.tree.write().set_short_name(id, short)
    }

    fn create(&self, dir: FileId, name: &[u16], kind: NodeKind, attributes: u32) -> Result<FileId> {
        self.check_writable(dir)?;
        names::validate_component(name)?;
        let now = self.now();
        let attributes = kept_attributes(attributes, kind);
        let mut tree = self.tree.write();
        let id = tree.insert(dir, name, |id| Node::new(id, kind, attributes, now, &self.space))?;
        tree.slot(dir)?.node.touch_write(now);
        Ok(id)
    }

    fn remove(&self, id: FileId) -> Result<()> {
        self.check_writable(id)?;
        let now = self.now();
        let mut tree = self.tree.write();
        let node = tree.slot(id)?.node.clone();
        let parent = tree.unlink(id)?;
        tree.slot(parent)?.node.touch_write(now);
        drop(tree);
        node.touch_change(now);
        Ok(())
    }

    fn rename(&self, id: FileId, new_dir: FileId, new_name: &[u16], replace: bool) -> Result<Option<FileId>> {
        self.check_writable(id)?;
        names::validate_component(new_name)?;
        let now = self.now();
        let mut tree = self.tree.write();
        let (old_dir, replaced) = tree.rename(id, new_dir, new_name, replace)?;
        tree.slot(old_dir)?.node.touch_write(now);
        tree.slot(new_dir)?.node.touch_write(now);
        tree.slot(id)?.node.touch_change(now);
        Ok(replaced)
    }

    fn open(&self, id: FileId) -> Result<()> {
        self.tree.read().slot(id)?.node.opens.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    fn close(&self, id: FileId) {
        let last = {
            let tree = self.tree.read();
            let Ok(slot) = tree.slot(id) else { return };
            let before = slot.node.opens.fetch_sub(1, Ordering::AcqRel);
            assert!(before > 0, "close of file {} without an open", id.0);
            before == 1 && slot.link.is_none()
        };
        if last {
            self.tree.write().sweep(id);
        }
    }

    fn read(&self, id: FileId, stream: StreamName<'_>, offset: u64, into: &mut [u8]) -> Result<usize> {
        Ok(self.node(id)?.stream(stream)?.read().read(offset, into))
    }

    fn write(&self, id: FileId, stream: StreamName<'_>, offset: u64, data: &[u8]) -> Result<usize> {
        let end = offset.checked_add(data.len() as u64);
        self.change_data(id, stream, end, |stream| stream.write(offset, data))?;
        Ok(data.len())
    }

    fn set_size(&self, id: FileId, stream: StreamName<'_>, size: u64) -> Result<()> {
        self.change_data(id, stream, Some(size), |stream| {
            stream.set_size(size);
            Ok(())
        })
    }

    fn set_allocation(&self, id: FileId, stream: StreamName<'_>, bytes: u64) -> Result<()> {
        self.change_data(id, stream, Some(bytes), |stream| stream.reserve(bytes))
    }

    fn size(&self, id: FileId, stream: StreamName<'_>) -> Result<u64> {
        Ok(self.node(id)?.stream(stream)?.read().size())
    }

    fn allocation_size(&self, id: FileId, stream: StreamName<'_>) -> Result<u64> {
        Ok(self.node(id)?.stream(stream)?.read().allocation())
    }

    fn list(&self, dir: FileId) -> Result<Vec<Entry>> {
        self.tree.read().list(dir)
    }

    fn parent(&self, id: FileId) -> Result<FileId> {
        Ok(self.tree.read().link(id)?.parent)
    }

    fn path(&self, id: FileId) -> Result<Vec<Vec<u16>>> {
        self.tree.read().path(id)
    }

    fn metadata(&self, id: FileId) -> Result<Metadata> {
        let (node, links, short) = {
            let tree = self.tree.read();
            let slot = tree.slot(id)?;
            let short = slot.link.as_ref().map_or(ShortName::NONE, |link| link.short);
            (slot.node.clone(), u32::from(slot.link.is_some()), short)
        };
        let (size, allocation) = {
            let data = node.data.read();
            (data.size(), data.allocation())
        };
        let facts = node.facts.lock();
        let (attributes, times) = (facts.attributes, facts.times);
        Ok(Metadata { id, kind: node.kind, attributes, times, size, allocation, short, links })
    }

    fn set_metadata(&self, id: FileId, change: MetadataChange) -> Result<()> {
        self.check_writable(id)?;
        let node = self.node(id)?;
        let mut facts = node.facts.lock();
        let times = facts.times;
        facts.times = Times {
            creation: change.creation.unwrap_or(times.creation),
            last_access: change.last_access.unwrap_or(times.last_access),
            last_write: change.last_write.unwrap_or(times.last_write),
            change: change.change.unwrap_or(times.change),
        };
        if let Some(attributes) = change.attributes {
            facts.attributes = kept_attributes(attributes, node.kind);
        }
        Ok(())
    }

    fn blob(&self, id: FileId, blob: Blob) -> Result<Option<Vec<u8>>> {
        Ok(self.node(id)?.facts.lock().blobs.get(&blob).cloned())
    }

    fn set_blob(&self, id: FileId, blob: Blob, bytes: Option<&[u8]>) -> Result<()> {
        self.check_writable(id)?;
        check_blob(id, bytes)?;
        if blob == Blob::Reparse && bytes.is_some() {
            self.reparse_points.store(true, Ordering::Relaxed);
        }
        let node = self.node(id)?;
        let blobs = &mut node.facts.lock().blobs;
        match bytes {
            Some(bytes) => _ = blobs.insert(blob, bytes.to_vec()),
            None => _ = blobs.remove(&blob),
        }
        Ok(())
    }

    fn may_have_reparse_points(&self) -> bool {
        self.reparse_points.load(Ordering::Relaxed)
    }

    fn streams(&self, id: FileId) -> Result<Vec<StreamInfo>> {
        let node = self.node(id)?;
        let info = |name: &[u16], data: &Data| StreamInfo {
            name: name.to_vec(),
            size: data.size(),
            allocation: data.allocation(),
        };
        let mut all = Vec::new();
        if node.kind == NodeKind::File {
            all.push(info(&[], &node.data.read()));
        }
        all.extend(node.streams.read().values().map(|stream| info(&stream.name, &stream.data.read())));
        Ok(all)
    }

    fn create_stream(&self, id: FileId, name: &[u16]) -> Result<()> {
        self.check_writable(id)?;
        names::validate_stream(name)?;
        let now = self.now();
        let node = self.node(id)?;
        let mut streams = node.streams.write();
        let key = fold(name);
        if streams.contains_key(&key) {
            return Err(StoreError::AlreadyExists(format!("stream {}", shown(name))));
        }
        let data = Arc::new(RwLock::new(Data::new(self.space.clone())));
        streams.insert(key, Stream { name: name.to_vec(), data });
        node.touch_change(now);
        Ok(())
    }

    fn lookup_stream(&self, id: FileId, name: &[u16]) -> Result<Vec<u16>> {
        let node = self.node(id)?;
        let streams = node.streams.read();
        streams.get(&fold(name)).map(|stream| stream.name.clone()).ok_or_else(|| node.no_stream(name))
    }

    fn remove_stream(&self, id: FileId, name: &[u16]) -> Result<()> {
        self.check_writable(id)?;
        let now = self.now();
        let node = self.node(id)?;
        node.streams.write().remove(&fold(name)).ok_or_else(|| node.no_stream(name))?;
        node.touch_change(now);
        Ok(())
    }

    fn rename_stream(&self, id: FileId, name: &[u16], new_name: &[u16], replace: bool) -> Result<()> {
        self.check_writable(id)?;
        names::validate_stream(new_name)?;
        let now = self.now();
        let node = self.node(id)?;
        let (key, new_key) = (fold(name), fold(new_name));
        let mut streams = node.streams.write();
        if !streams.contains_key(&key) {
            return Err(node.no_stream(name));
        }
        if key != new_key && !replace && streams.contains_key(&new_key) {
            return Err(StoreError::AlreadyExists(format!("stream {}", shown(new_name))));
        }
        if let Some(stream) = streams.remove(&key) {
            streams.insert(new_key, Stream { name: new_name.to_vec(), data: stream.data });
        }
        node.touch_change(now);
        Ok(())
    }

    fn flush(&self, id: FileId) -> Result<()> {
        self.node(id).map(|_| ())
    }

    fn flush_all(&self) -> Result<()> {
        Ok(())
    }

    fn volume_info(&self) -> Result<VolumeInfo> {
        Ok(VolumeInfo {
            label: self.label.lock().clone(),
            serial: self.options.serial,
            total_bytes: self.space.capacity,
            free_bytes: self.space.free(),
            sector_size: self.options.sector_size,
            cluster_size: CLUSTER as u32,
            creation: self.creation,
        })
    }

    fn set_label(&self, label: &[u16]) -> Result<()> {
        self.check_writable(ROOT)?;
        check_label(label)?;
        *self.label.lock() = label.to_vec();
        Ok(())
    }
}
