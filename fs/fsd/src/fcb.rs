//! Volumes, stream control blocks and per-open blocks.
//!
//! An [`Fcb`] is one open stream; it lies in machine memory because drivers see it as `FsContext`, and begins
//! with the real `FSRTL_ADVANCED_FCB_HEADER`. A [`Ccb`] is one file object's own state (`FsContext2`).
//!
//! UNSAFETY: turns the context pointers of file objects back into references, after checking the node type.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use nt_abi::{
    ERESOURCE, FAST_MUTEX, FILE_OBJECT, FSRTL_ADVANCED_FCB_HEADER, NtStatus, SECTION_OBJECT_POINTERS,
    SHARE_ACCESS, VPB,
};
use nt_ke::{Lock, Rank};
use store::{FileId, NodeKind, Store};

use crate::Failure;
use crate::short::OpenedByShort;
use crate::tunnel::Tunnel;

/// Node type of a stream control block.
pub(crate) const NODE_FCB: u16 = 0x0A01;
/// Node type of a per-open block.
pub(crate) const NODE_CCB: u16 = 0x0A02;
const TAG_FCB: u32 = u32::from_le_bytes(*b"AFcb");
const TAG_CCB: u32 = u32::from_le_bytes(*b"ACcb");
const TAG_FILE: u32 = u32::from_le_bytes(*b"AFil");
const TAG_RESOURCE: u32 = u32::from_le_bytes(*b"ARes");

type Key = (FileId, Option<Vec<u16>>);

/// A mounted volume.
pub(crate) struct Volume {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vpb: &'static VPB,
    /// Bytes of a sector.
    pub(crate) sector: u32,
    /// The system goes down: nothing is written any more.
    pub(crate) shut_down: AtomicBool,
    /// Exclusive for what changes names or opens.
    pub(crate) resource: &'static ERESOURCE,
    pub(crate) tunnel: Tunnel,
    fcbs: Lock<BTreeMap<Key, FcbPointer>>,
    files: Lock<BTreeMap<FileId, FilePointer>>,
}

/// What the open streams of one file share: where filters' contexts of the file hang.
#[repr(C)]
struct FileNode {
    contexts: nt_fsrtl::FilePointer,
    /// Open streams. Under the volume's resource.
    streams: Cell<u32>,
}

struct FilePointer(*const FileNode);
// SAFETY: machine memory under the volume's locks.
unsafe impl Send for FilePointer {}
// SAFETY: all fields take all-zero bytes.
unsafe impl nt_ex::pool::ZeroedInPool for FileNode {}

struct FcbPointer(*const Fcb);
// SAFETY: control blocks are machine memory under the volume's locks.
unsafe impl Send for FcbPointer {}

/// An open stream, a directory, or the volume itself.
#[repr(C)]
pub(crate) struct Fcb {
    pub(crate) header: FSRTL_ADVANCED_FCB_HEADER,
    pub(crate) resource: ERESOURCE,
    pub(crate) paging_resource: ERESOURCE,
    pub(crate) fast_mutex: FAST_MUTEX,
    pub(crate) section_pointers: SECTION_OBJECT_POINTERS,
    pub(crate) share: SHARE_ACCESS,
    /// File objects whose last handle is not closed yet. Under the volume's resource.
    pub(crate) unclean: Cell<u32>,
    /// File objects. Under the volume's resource.
    pub(crate) opens: Cell<u32>,
    /// Whether the file goes when the last handle does. Under the volume's resource.
    pub(crate) delete_pending: Cell<u32>,
    /// Whether the name is gone already.
    pub(crate) deleted: Cell<u32>,
    /// Up to where the store was asked for space. Under the stream's main resource.
    pub(crate) reserved: Cell<i64>,
    /// When the file was last written, once a paging write had to know: see `times`. 0: not known yet.
    pub(crate) last_write: AtomicI64,
    /// Nonzero: a program wrote, and the time of the last write does not say so yet.
    pub(crate) touched: Cell<u32>,
    state: Cell<*mut FcbState>,
}

/// The Rust side of an [`Fcb`]; never changes while it lives.
pub(crate) struct FcbState {
    pub(crate) id: FileId,
    pub(crate) kind: NodeKind,
    /// `None`: the default stream.
    pub(crate) stream: Option<Vec<u16>>,
    pub(crate) volume_open: bool,
    key: Key,
}

/// One file object's own state.
#[repr(C)]
pub(crate) struct Ccb {
    node_type: Cell<u16>,
    node_bytes: Cell<u16>,
    pub(crate) granted: Cell<u32>,
    pub(crate) delete_on_close: Cell<u32>,
    /// How many extended attributes a scan has answered with.
    pub(crate) ea_next: Cell<u32>,
    state: Cell<*mut CcbState>,
}

/// The Rust side of a [`Ccb`].
pub(crate) struct CcbState {
    /// Name as opened, for when the file has none any more.
    pub(crate) opened_name: Vec<u16>,
    /// Files of its path that were named by their short names.
    pub(crate) shorts: Vec<OpenedByShort>,
    pub(crate) scan: Lock<Option<crate::directory::Scan>>,
}

// SAFETY: all fields take all-zero bytes; the state pointer is set before the block is published.
unsafe impl nt_ex::pool::ZeroedInPool for Fcb {}
// SAFETY: as above.
unsafe impl nt_ex::pool::ZeroedInPool for Ccb {}
// SAFETY: cells change under the volume's resource, or belong to one operation at a time.
unsafe impl Sync for Fcb {}
// SAFETY: as above.
unsafe impl Sync for Ccb {}

impl Fcb {
    pub(crate) fn state(&self) -> &FcbState {
        // SAFETY: set when the block was made, freed with it.
        unsafe { &*self.state.get() }
    }
    pub(crate) fn id(&self) -> FileId {
        self.state().id
    }
    pub(crate) fn is_directory(&self) -> bool {
        self.state().kind == NodeKind::Directory && self.state().stream.is_none()
    }
    /// The stream as the store names it.
    pub(crate) fn stream(&self) -> Option<&[u16]> {
        self.state().stream.as_deref()
    }
    /// Takes valid data to `valid` if it ends before. Flushes that share the main resource may come here at the same time.
    pub(crate) fn advance_valid_data(&self, valid: i64) {
        // SAFETY: an aligned number that lives as long as the header; who only reads it sees one value or the other.
        let end = unsafe { AtomicI64::from_ptr(self.header.ValidDataLength.as_ptr()) };
        end.fetch_max(valid, Ordering::Relaxed);
    }
    /// A directory, or the volume, has no bytes of its own.
    pub(crate) fn require_data(&self) -> Result<(), Failure> {
        if self.is_directory() || self.state().volume_open {
            return Err(NtStatus::INVALID_DEVICE_REQUEST.into());
        }
        Ok(())
    }
    /// Writes the sizes of a stream that is all valid data to the header, where filters and the cache manager look.
    fn first_sizes(&self, size: u64, allocation: u64) {
        self.header.FileSize.set(size as i64);
        self.header.ValidDataLength.set(size as i64);
        self.header.AllocationSize.set(allocation.max(size.next_multiple_of(4096)) as i64);
        self.header.IsFastIoPossible.set(nt_abi::FastIoIsPossible);
    }
}

impl Ccb {
    pub(crate) fn state(&self) -> &CcbState {
        // SAFETY: set when the block was made, freed with it.
        unsafe { &*self.state.get() }
    }
}

/// The blocks of an open file object.
///
/// Errors: FILE_CLOSED or INVALID_PARAMETER when it is none of ours.
pub(crate) fn of_file(
    file: *mut FILE_OBJECT,
) -> Result<(&'static FILE_OBJECT, &'static Fcb, &'static Ccb), Failure> {
    // SAFETY: the I/O manager's file object of the IRP that is being processed.
    let file = unsafe { file.as_ref() }.ok_or(NtStatus::INVALID_PARAMETER)?;
    let fcb = file.FsContext.get().cast::<Fcb>();
    let ccb = file.FsContext2.get().cast::<Ccb>();
    if fcb.is_null() || ccb.is_null() {
        return Err(NtStatus::FILE_CLOSED.into());
    }
    // SAFETY: this driver set both when the file was opened; the node types are checked before further use.
    let (fcb, ccb) = unsafe { (&*fcb, &*ccb) };
    if fcb.header.NodeTypeCode.get() != NODE_FCB || ccb.node_type.get() != NODE_CCB {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    Ok((file, fcb, ccb))
}

impl Volume {
    pub(crate) fn new(store: Arc<dyn Store>, vpb: &'static VPB, sector: u32) -> Result<Self, Failure> {
        let resource = nt_ex::pool::allocate_new::<ERESOURCE>(TAG_RESOURCE)?;
        nt_ex::resource::initialize(resource);
        nt_ke::locks::named(std::ptr::from_ref(resource) as usize, "resource of the volume");
        Ok(Self {
            store,
            vpb,
            sector,
            shut_down: AtomicBool::new(false),
            resource,
            tunnel: Tunnel::new(),
            fcbs: Lock::new(Rank::FsdTable, BTreeMap::new()),
            files: Lock::new(Rank::FsdTable, BTreeMap::new()),
        })
    }

    fn key(id: FileId, stream: Option<&[u16]>) -> Key {
        (id, stream.map(store::fold))
    }

    /// The open stream, if it is open. Call with the volume's resource held.
    pub(crate) fn find(&self, id: FileId, stream: Option<&[u16]>) -> Option<&'static Fcb> {
        let table = self.fcbs.lock();
        // SAFETY: blocks stay in the table as long as they live.
        table.get(&Self::key(id, stream)).map(|pointer| unsafe { &*pointer.0 })
    }

    /// Calls `f` for every open stream. Call with the volume's resource held.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&'static Fcb)) {
        let all: Vec<*const Fcb> = self.fcbs.lock().values().map(|pointer| pointer.0).collect();
        for fcb in all {
            // SAFETY: the volume's resource keeps blocks from going.
            f(unsafe { &*fcb });
        }
    }

    /// The block of a stream, made if need be. Call with the volume's resource held exclusively.
    pub(crate) fn fcb(
        &self,
        id: FileId,
        kind: NodeKind,
        stream: Option<&[u16]>,
        volume_open: bool,
    ) -> Result<&'static Fcb, Failure> {
        if !volume_open && let Some(fcb) = self.find(id, stream) {
            return Ok(fcb);
        }
        if !volume_open {
            self.store.open(id)?;
        }
        let fcb = nt_ex::pool::allocate_new::<Fcb>(TAG_FCB)?;
        let key = Self::key(id, stream);
        fcb.state.set(nt_ke::current_core().own(FcbState {
            id,
            kind,
            stream: stream.map(<[u16]>::to_vec),
            volume_open,
            key: key.clone(),
        }));
        nt_ex::resource::initialize(&fcb.resource);
        nt_ex::resource::initialize(&fcb.paging_resource);
        nt_ex::fast_mutex::initialize(&fcb.fast_mutex);
        let address = |lock: &ERESOURCE| std::ptr::from_ref(lock) as usize;
        nt_ke::locks::named(address(&fcb.resource), "main resource of a stream");
        nt_ke::locks::named(address(&fcb.paging_resource), "paging resource of a stream");
        nt_ke::locks::named(std::ptr::from_ref(&fcb.fast_mutex) as usize, "mutex in a stream's header");
        fcb.header.NodeTypeCode.set(NODE_FCB);
        fcb.header.NodeByteSize.set(size_of::<Fcb>() as u16);
        fcb.header.Resource.set(std::ptr::from_ref(&fcb.resource).cast_mut());
        fcb.header.PagingIoResource.set(std::ptr::from_ref(&fcb.paging_resource).cast_mut());
        let contexts = if volume_open { 0 } else { self.share_file(id)? };
        nt_fsrtl::setup_advanced_header(&fcb.header, Some(&fcb.fast_mutex), contexts);
        if !volume_open {
            if kind == NodeKind::File || stream.is_some() {
                let size = self.store.size(id, stream).unwrap_or(0);
                fcb.first_sizes(size, self.store.allocation_size(id, stream).unwrap_or(size));
            }
            self.fcbs.lock().insert(key, FcbPointer(fcb));
        }
        Ok(fcb)
    }

    /// One more stream of a file is open. Returns the address where contexts of the file hang.
    fn share_file(&self, id: FileId) -> Result<usize, Failure> {
        let known = self.files.lock().get(&id).map(|file| file.0);
        let file = match known {
            // SAFETY: nodes stay in the table as long as they live; the volume's resource is held.
            Some(file) => unsafe { &*file },
            None => {
                let file = nt_ex::pool::allocate_new::<FileNode>(TAG_FILE)?;
                self.files.lock().insert(id, FilePointer(file));
                file
            }
        };
        file.streams.set(file.streams.get() + 1);
        Ok(std::ptr::from_ref(&file.contexts) as usize)
    }

    /// Ends one [`Self::share_file`]: contexts of the file go with the last.
    fn unshare_file(&self, id: FileId) -> Result<(), Failure> {
        let Some(file) = self.files.lock().get(&id).map(|file| file.0) else { return Ok(()) };
        // SAFETY: as in `share_file`.
        let file = unsafe { &*file };
        file.streams.set(file.streams.get() - 1);
        if file.streams.get() != 0 {
            return Ok(());
        }
        self.files.lock().remove(&id);
        nt_fsrtl::teardown_per_file_contexts(&file.contexts)?;
        nt_ex::pool::free(std::ptr::from_ref(file).cast(), Some(TAG_FILE))?;
        Ok(())
    }

    /// A per-open block.
    pub(crate) fn ccb(
        &self,
        opened_name: Vec<u16>,
        shorts: Vec<OpenedByShort>,
        granted: u32,
    ) -> Result<&'static Ccb, Failure> {
        let ccb = nt_ex::pool::allocate_new::<Ccb>(TAG_CCB)?;
        ccb.node_type.set(NODE_CCB);
        ccb.node_bytes.set(size_of::<Ccb>() as u16);
        ccb.granted.set(granted);
        let state = CcbState { opened_name, shorts, scan: Lock::new(Rank::FsdFcb, None) };
        ccb.state.set(nt_ke::current_core().own(state));
        Ok(ccb)
    }

    /// Frees a per-open block.
    pub(crate) fn free_ccb(&self, ccb: &Ccb) -> Result<(), Failure> {
        ccb.node_type.set(0);
        nt_ke::current_core().disown(ccb.state.get());
        nt_ex::pool::free(std::ptr::from_ref(ccb).cast(), Some(TAG_CCB))?;
        Ok(())
    }

    /// Frees a stream's block after its last close. Call with the volume's resource held exclusively.
    pub(crate) fn free_fcb(&self, fcb: &Fcb) -> Result<(), Failure> {
        let state = fcb.state();
        if !state.volume_open {
            self.fcbs.lock().remove(&state.key);
            self.store.close(state.id);
        }
        nt_fsrtl::teardown_per_stream_contexts(&fcb.header)?;
        if !state.volume_open {
            self.unshare_file(state.id)?;
        }
        fcb.header.NodeTypeCode.set(0);
        nt_ex::resource::delete(&fcb.resource)?;
        nt_ex::resource::delete(&fcb.paging_resource)?;
        nt_ke::current_core().disown(fcb.state.get());
        nt_ex::pool::free(std::ptr::from_ref(fcb).cast(), Some(TAG_FCB))?;
        Ok(())
    }

    /// How many handles any stream of the file has. Call with the volume's resource held.
    pub(crate) fn unclean_of_file(&self, id: FileId) -> u32 {
        let mut count = 0;
        self.for_each(|fcb| {
            if fcb.id() == id {
                count += fcb.unclean.get();
            }
        });
        count
    }

    /// Whether the file, or the default stream of it, is waiting to be deleted.
    pub(crate) fn is_delete_pending(&self, id: FileId) -> bool {
        self.find(id, None).is_some_and(|fcb| fcb.delete_pending.get() != 0)
    }
}
