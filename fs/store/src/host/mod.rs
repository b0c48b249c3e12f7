//! A volume that is a directory of the host. Names, sizes and times are the host's own; see each module for the rest.
//!
//! - [`names`]: how Linux names and NT names map to each other, and what is refused.
//! - Names that differ only in case are both listed. The exact spelling finds its own; another spelling finds the first
//!   in byte order; a further spelling cannot be made.
//! - Symbolic links, devices, pipes and sockets are listed as files that nobody can open (`AccessDenied`); they can be
//!   removed and renamed. Nothing is ever followed out of the root.
//! - Attributes and streams: [`streams`], [`sidecar`], [`metadata`]. The change time is the host's and cannot be set.
//! - Memory is taken for every file that was once seen, since ids stay the same; descriptors are bounded.
//!
//! Locks, outermost first: the tree (shared for all but removing and moving), a node's streams, a directory's index,
//! a node's pinned descriptors or place, the table, the descriptor cache.

mod blobs;
mod fdcache;
mod index;
mod metadata;
mod names;
mod namespace;
mod objects;
mod short;
mod sidecar;
mod streams;
mod table;

use crate::contract::*;
use crate::error::{Result, StoreError};
use crate::memory::check_label;
use crate::short::ShortName;
use fdcache::{Fd, FdCache};
use metadata::{HostStat, refused, stat};
use parking_lot::{Mutex, RwLock};
use rustix::fs::{FallocateFlags, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, XattrFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use table::{HostKind, HostNode, Table};

const LABEL: &str = "user.altimeter.label";
const MAX_FILE_SIZE: u64 = i64::MAX as u64;

/// How to mount a [`HostStore`].
#[derive(Clone)]
pub struct HostOptions {
    /// 512 or 4096; only what the volume says of itself.
    pub sector_size: u32,
    /// Refuses every change.
    pub read_only: bool,
    /// Descriptors kept open at most.
    pub max_descriptors: usize,
    /// Whether to use extended attributes where the host has them; without, all goes to sidecars.
    pub extended_attributes: bool,
    /// Used only where the host knows no birth time.
    pub clock: Clock,
}

impl Default for HostOptions {
    fn default() -> Self {
        let clock = system_clock();
        Self { sector_size: 512, read_only: false, max_descriptors: 512, extended_attributes: true, clock }
    }
}

/// A volume that is a directory of the host.
pub struct HostStore {
    path: PathBuf,
    options: HostOptions,
    root: Arc<HostNode>,
    root_fd: Fd,
    table: Table,
    fds: FdCache,
    /// Held exclusive while names go or move.
    tree: RwLock<()>,
    label: Mutex<Vec<u16>>,
}

impl HostStore {
    /// Mounts the directory at `path`, which may itself be reached through symbolic links.
    ///
    /// Errors: NotFound · NotADirectory · AccessDenied · InvalidParameter (sector size)
    pub fn open(path: impl AsRef<Path>, options: HostOptions) -> Result<Self> {
        if !matches!(options.sector_size, 512 | 4096) {
            return Err(StoreError::InvalidParameter("the sector size must be 512 or 4096"));
        }
        let path = path.as_ref().to_path_buf();
        let failed = |errno| refused(errno, &path.display().to_string());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root_fd = Arc::new(rustix::fs::open(&path, flags, Mode::empty()).map_err(failed)?);
        let found = stat(&*root_fd, b"").map_err(failed)?;
        let table = Table::default();
        let root = table.add(&found, None);
        let fds = FdCache::new(options.max_descriptors);
        let mut value = [0; 256];
        let label = match rustix::fs::fgetxattr(&root_fd, LABEL, &mut value[..]) {
            Ok(length) => {
                String::from_utf8_lossy(&value[..length]).encode_utf16().take(MAX_LABEL_UTF16).collect()
            }
            Err(_) => "Host".encode_utf16().collect(),
        };
        Ok(Self { path, options, root, root_fd, table, fds, tree: RwLock::new(()), label: Mutex::new(label) })
    }

    fn check_writable(&self) -> Result<()> {
        if self.options.read_only {
            Err(StoreError::ReadOnly(self.path.display().to_string()))
        } else {
            Ok(())
        }
    }

    /// The node and descriptor of a default stream.
    fn data(&self, id: FileId) -> Result<(Arc<HostNode>, Fd)> {
        let node = self.table.get(id)?;
        if node.kind == HostKind::Directory {
            return Err(StoreError::IsADirectory(self.host_path(&node)));
        }
        let fd = match self.fds.get(id) {
            Some(fd) => fd,
            None => {
                let _tree = self.tree.read();
                self.fd(&node)?
            }
        };
        Ok((node, fd))
    }

    /// End of file and allocation of any stream.
    fn extent(&self, id: FileId, stream: StreamName<'_>) -> Result<(u64, u64)> {
        match stream {
            None => {
                let (node, fd) = self.data(id)?;
                let found = stat(&*fd, b"").map_err(|errno| self.refused(errno, &node))?;
                Ok((found.size, found.allocation))
            }
            Some(name) => {
                let node = self.table.get(id)?;
                let _tree = self.tree.read();
                let _reading = node.streams.read();
                let holder = self.find_stream(&node, name)?.1;
                self.measure(&node, &holder)
            }
        }
    }
}

fn shown_kind(kind: HostKind) -> NodeKind {
    if kind == HostKind::Directory { NodeKind::Directory } else { NodeKind::File }
}

fn allocate(fd: &Fd, bytes: u64) -> std::result::Result<(), Errno> {
    let found = stat(&**fd, b"")?;
    if bytes <= found.allocation {
        return give_back(fd, &found, bytes);
    }
    match rustix::fs::fallocate(fd, FallocateFlags::KEEP_SIZE, 0, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            let volume = rustix::fs::fstatvfs(fd)?;
            let free = volume.f_bavail * volume.f_frsize;
            if bytes - found.allocation > free { Err(Errno::NOSPC) } else { Ok(()) }
        }
        other => other,
    }
}

/// Gives back what a file takes behind `bytes` and behind its end. Moves its time.
fn give_back(fd: &Fd, found: &HostStat, bytes: u64) -> std::result::Result<(), Errno> {
    let kept = bytes.max(found.size).next_multiple_of(4096);
    if found.allocation <= kept {
        return Ok(());
    }
    // Disk file systems free what lies behind the end when the end is set again, memory ones when it is punched out.
    rustix::fs::ftruncate(fd, found.size)?;
    let punched = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match rustix::fs::fallocate(fd, punched, kept, found.allocation) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) | Ok(()) => Ok(()),
        other => other,
    }
}

fn check_end(offset: u64, length: usize) -> Result<u64> {
    let end = offset.checked_add(length as u64).filter(|&end| end <= MAX_FILE_SIZE);
    end.ok_or_else(|| StoreError::TooLarge("the file".into()))
}

impl Store for HostStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "host",
            streams: true,
            extended_attributes: false,
            case_preserving: true,
            case_variants: true,
            hard_links: false,
            sparse: true,
            max_component_utf16: crate::names::MAX_COMPONENT_UTF16,
            persistent_acls: false,
            max_file_size: MAX_FILE_SIZE,
            settable_change_time: false,
            read_only: self.options.read_only,
        }
    }

    fn root(&self) -> FileId {
        self.root.id
    }

    fn lookup(&self, dir: FileId, name: &[u16], case: CaseMatch) -> Result<Entry> {
        let found = self.find(dir, name, case)?;
        Ok(Entry { id: found.node.id, name: found.shown, kind: shown_kind(found.node.kind) })
    }

    fn lookup_short(&self, dir: FileId, name: &[u16]) -> Result<Entry> {
        let found = self.find_short(dir, name)?;
        Ok(Entry { id: found.node.id, name: found.shown, kind: shown_kind(found.node.kind) })
    }

    fn set_short_name(&self, id: FileId, short: ShortName) -> Result<()> {
        self.check_writable()?;
        if !short.is_none() {
            crate::names::validate_component(short.units())?;
        }
        self.keep_short(id, short)
    }

    fn create(&self, dir: FileId, name: &[u16], kind: NodeKind, attributes: u32) -> Result<FileId> {
        self.check_writable()?;
        self.make(dir, name, kind, attributes)
    }

    fn remove(&self, id: FileId) -> Result<()> {
        self.check_writable()?;
        self.unmake(id)
    }

    fn rename(&self, id: FileId, new_dir: FileId, new_name: &[u16], replace: bool) -> Result<Option<FileId>> {
        self.check_writable()?;
        self.relocate(id, new_dir, new_name, replace)
    }

    fn open(&self, id: FileId) -> Result<()> {
        let _tree = self.tree.read();
        let node = self.table.get(id)?;
        self.fd(&node)?;
        node.opens.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    fn close(&self, id: FileId) {
        let Ok(node) = self.table.get(id) else { return };
        let before = node.opens.fetch_sub(1, Ordering::AcqRel);
        assert!(before > 0, "close of file {} without an open", id.0);
        if before == 1 && id != self.root.id && node.place.read().is_none() {
            let _tree = self.tree.write();
            self.sweep(&node);
        }
    }

    fn read(&self, id: FileId, stream: StreamName<'_>, offset: u64, into: &mut [u8]) -> Result<usize> {
        if offset > MAX_FILE_SIZE {
            return Ok(0);
        }
        match stream {
            None => {
                let (node, fd) = self.data(id)?;
                sidecar::read_full(&fd, offset, into).map_err(|errno| self.refused(errno, &node))
            }
            Some(name) => {
                let node = self.table.get(id)?;
                let _tree = self.tree.read();
                self.read_stream(&node, name, offset, into)
            }
        }
    }

    fn write(&self, id: FileId, stream: StreamName<'_>, offset: u64, data: &[u8]) -> Result<usize> {
        self.check_writable()?;
        let end = check_end(offset, data.len())?;
        match stream {
            None => {
                let (node, fd) = self.data(id)?;
                sidecar::write_all(&fd, offset, data).map_err(|errno| self.refused(errno, &node))?;
            }
            Some(name) if data.is_empty() => self.size(id, Some(name)).map(|_| ())?,
            Some(name) => {
                let node = self.table.get(id)?;
                let _tree = self.tree.read();
                let inline = |value: &mut Vec<u8>| {
                    value.resize(value.len().max(end as usize), 0);
                    value[offset as usize..end as usize].copy_from_slice(data);
                };
                self.change_stream(&node, name, end, inline, |fd| sidecar::write_all(fd, offset, data))?;
            }
        }
        Ok(data.len())
    }

    fn host_file(&self, id: FileId, stream: StreamName<'_>) -> Result<Option<Arc<OwnedFd>>> {
        self.check_writable()?;
        match stream {
            None => Ok(Some(self.data(id)?.1)),
            Some(_) => Ok(None),
        }
    }

    fn set_size(&self, id: FileId, stream: StreamName<'_>, size: u64) -> Result<()> {
        self.check_writable()?;
        check_end(size, 0)?;
        match stream {
            None => {
                let (node, fd) = self.data(id)?;
                // Linux says EINVAL for a descriptor that is open for reading only.
                let denied = |errno| if errno == Errno::INVAL { Errno::ACCESS } else { errno };
                rustix::fs::ftruncate(&fd, size).map_err(|errno| self.refused(denied(errno), &node))
            }
            Some(name) => {
                let node = self.table.get(id)?;
                let _tree = self.tree.read();
                let inline = |value: &mut Vec<u8>| value.resize(size as usize, 0);
                self.change_stream(&node, name, size, inline, |fd| rustix::fs::ftruncate(fd, size))
            }
        }
    }

    fn set_allocation(&self, id: FileId, stream: StreamName<'_>, bytes: u64) -> Result<()> {
        self.check_writable()?;
        check_end(bytes, 0)?;
        match stream {
            None => {
                let (node, fd) = self.data(id)?;
                allocate(&fd, bytes).map_err(|errno| self.refused(errno, &node))
            }
            Some(name) => {
                let node = self.table.get(id)?;
                let _tree = self.tree.read();
                self.change_stream(&node, name, bytes, |_| (), |fd| allocate(fd, bytes))
            }
        }
    }

    fn size(&self, id: FileId, stream: StreamName<'_>) -> Result<u64> {
        Ok(self.extent(id, stream)?.0)
    }

    fn allocation_size(&self, id: FileId, stream: StreamName<'_>) -> Result<u64> {
        Ok(self.extent(id, stream)?.1)
    }

    fn list(&self, dir: FileId) -> Result<Vec<Entry>> {
        let dir = self.table.get(dir)?;
        let _tree = self.tree.read();
        let fd = self.directory(&dir)?;
        let index = self.index(&dir, &fd)?;
        let entry = |named: &index::Named| Entry {
            id: named.node.id,
            name: named.shown.clone(),
            kind: shown_kind(named.node.kind),
        };
        let mut all = Vec::new();
        for spellings in index.names.values() {
            let from = all.len();
            all.extend(spellings.iter().map(entry));
            all[from..].sort_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(all)
    }

    fn parent(&self, id: FileId) -> Result<FileId> {
        let node = self.table.get(id)?;
        if id == self.root.id {
            return Ok(id);
        }
        Ok(self.place(&node)?.parent.id)
    }

    fn path(&self, id: FileId) -> Result<Vec<Vec<u16>>> {
        let _tree = self.tree.read();
        let mut at = self.table.get(id)?;
        let mut components = Vec::new();
        while at.id != self.root.id {
            let place = self.place(&at)?;
            components.push(names::from_host(&place.name));
            at = place.parent;
        }
        components.reverse();
        Ok(components)
    }

    fn metadata(&self, id: FileId) -> Result<Metadata> {
        let node = self.table.get(id)?;
        let _tree = self.tree.read();
        let found = match node.kind {
            HostKind::Other => {
                let place = self.place(&node)?;
                stat(&*self.fd(&place.parent)?, &place.name)
            }
            _ => stat(&*self.fd(&node)?, b""),
        };
        let found = found.map_err(|errno| self.refused(errno, &node))?;
        let dos = self.dos(&node)?;
        let ticks = |(seconds, nanoseconds)| ticks_from_unix(seconds, nanoseconds);
        let is_file = node.kind == HostKind::File;
        let is_named = id == self.root.id || node.place.read().is_some();
        let links = if node.kind == HostKind::Directory { 1 } else { found.links };
        Ok(Metadata {
            id,
            kind: shown_kind(node.kind),
            attributes: dos.attributes,
            times: Times {
                creation: dos.creation.unwrap_or_else(|| ticks(found.key.birth.unwrap_or(found.modified))),
                last_access: ticks(found.accessed),
                last_write: ticks(found.modified),
                change: ticks(found.changed),
            },
            size: if is_file { found.size } else { 0 },
            allocation: if is_file { found.allocation } else { 0 },
            short: dos.short,
            links: if is_named { links } else { 0 },
        })
    }

    fn blob(&self, id: FileId, blob: Blob) -> Result<Option<Vec<u8>>> {
        let node = self.table.get(id)?;
        let _tree = self.tree.read();
        self.node_blob(&node, blob)
    }

    fn set_blob(&self, id: FileId, blob: Blob, bytes: Option<&[u8]>) -> Result<()> {
        self.check_writable()?;
        crate::memory::check_blob(id, bytes)?;
        let node = self.table.get(id)?;
        let _tree = self.tree.read();
        self.set_node_blob(&node, blob, bytes)
    }

    fn may_have_reparse_points(&self) -> bool {
        true
    }

    fn set_metadata(&self, id: FileId, change: MetadataChange) -> Result<()> {
        self.check_writable()?;
        let node = self.table.get(id)?;
        let _tree = self.tree.read();
        let fd = self.fd(&node)?;
        if change.attributes.is_some() || change.creation.is_some() {
            self.change_dos(&node, |dos| {
                if let Some(attributes) = change.attributes {
                    dos.attributes = kept_attributes(attributes, shown_kind(node.kind));
                }
                dos.creation = change.creation.or(dos.creation);
            })?;
        }
        if change.last_access.is_some() || change.last_write.is_some() {
            let time = |ticks: Option<i64>| match ticks.map(unix_from_ticks) {
                Some((tv_sec, nanoseconds)) => Timespec { tv_sec, tv_nsec: nanoseconds.into() },
                None => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            };
            let times = Timestamps {
                last_access: time(change.last_access),
                last_modification: time(change.last_write),
            };
            rustix::fs::futimens(&fd, &times).map_err(|errno| self.refused(errno, &node))?;
        }
        Ok(())
    }

    fn streams(&self, id: FileId) -> Result<Vec<StreamInfo>> {
        let node = self.table.get(id)?;
        let mut all = Vec::new();
        if node.kind == HostKind::File {
            let (size, allocation) = self.extent(id, None)?;
            all.push(StreamInfo { name: Vec::new(), size, allocation });
        }
        let _tree = self.tree.read();
        all.extend(self.named_streams(&node)?);
        Ok(all)
    }

    fn create_stream(&self, id: FileId, name: &[u16]) -> Result<()> {
        self.check_writable()?;
        let node = self.table.get(id)?;
        let _tree = self.tree.read();
        self.add_stream(&node, name)
    }

    fn lookup_stream(&self, id: FileId, name: &[u16]) -> Result<Vec<u16>> {
        let node = self.table.get(id)?;
        let _tree = self.tree.read();
        let _reading = node.streams.read();
        Ok(self.find_stream(&node, name)?.0)
    }

    fn remove_stream(&self, id: FileId, name: &[u16]) -> Result<()> {
        self.check_writable()?;
        let node = self.table.get(id)?;
        let _tree = self.tree.read();
        self.drop_stream(&node, name)
    }

    fn rename_stream(&self, id: FileId, name: &[u16], new_name: &[u16], replace: bool) -> Result<()> {
        self.check_writable()?;
        let node = self.table.get(id)?;
        let _tree = self.tree.read();
        self.move_stream(&node, name, new_name, replace)
    }

    fn flush(&self, id: FileId) -> Result<()> {
        let node = self.table.get(id)?;
        let _tree = self.tree.read();
        let mut all = vec![self.fd(&node)?];
        if let Some(dir) = self.sidecar(&node)? {
            all.extend(self.sidecar_streams(&node)?.into_values());
            all.push(dir);
        }
        if let Some(place) = &*node.place.read() {
            all.push(self.fd(&place.parent)?);
        }
        all.iter().try_for_each(rustix::fs::fsync).map_err(|errno| self.refused(errno, &node))
    }

    fn flush_all(&self) -> Result<()> {
        rustix::fs::syncfs(&self.root_fd).map_err(|errno| self.refused(errno, &self.root))
    }

    fn volume_info(&self) -> Result<VolumeInfo> {
        let failed = |errno| self.refused(errno, &self.root);
        let volume = rustix::fs::fstatvfs(&self.root_fd).map_err(failed)?;
        let creation = self.metadata(self.root.id)?.times.creation;
        let key = self.root.key;
        let mixed =
            key.inode ^ key.inode >> 32 ^ u64::from(key.device.0) << 24 ^ u64::from(key.device.1) << 8;
        Ok(VolumeInfo {
            label: self.label.lock().clone(),
            serial: (mixed as u32).wrapping_mul(0x9E37_79B1),
            total_bytes: volume.f_blocks * volume.f_frsize,
            free_bytes: volume.f_bavail * volume.f_frsize,
            sector_size: self.options.sector_size,
            cluster_size: u32::try_from(volume.f_frsize).unwrap_or(4096).max(self.options.sector_size),
            creation,
        })
    }

    fn set_label(&self, label: &[u16]) -> Result<()> {
        self.check_writable()?;
        check_label(label)?;
        let text = String::from_utf16(label).map_err(|_| StoreError::NameInvalid {
            name: crate::names::shown(label),
            reason: "a label on a host directory must be well-formed UTF-16",
        })?;
        rustix::fs::fsetxattr(&self.root_fd, LABEL, text.as_bytes(), XattrFlags::empty()).map_err(
            |errno| match errno {
                Errno::OPNOTSUPP => {
                    StoreError::Unsupported("keep a label: the host has no extended attributes here")
                }
                other => self.refused(other, &self.root),
            },
        )?;
        *self.label.lock() = label.to_vec();
        Ok(())
    }
}
