//! A machine with a volume whose store calls back before reads, writes and size changes, and fails on demand.
#![allow(dead_code, unused_imports, reason = "each test file uses a part")]

use std::sync::{Arc, Mutex};

use nt_abi::*;
use nt_cc::{CacheLimits, Cc};
use nt_ex::Ex;
use nt_io::*;
use nt_ke::{Config, Core};
use nt_mm::{Mm, UserBuffer};
pub use store::StoreError;
use store::*;

pub const PAGE: usize = 4096;
pub const SECTOR: usize = 512;

type Hook = Box<dyn Fn(&str) -> Result<()> + Send + Sync>;

/// A store in memory that asks `hook` first and notes what came.
pub struct HookStore {
    inner: MemoryStore,
    pub hook: Mutex<Option<Arc<Hook>>>,
    pub log: Mutex<Vec<String>>,
}

impl HookStore {
    fn ask(&self, what: String) -> Result<()> {
        let hook = self.hook.lock().unwrap().clone();
        let answer = hook.map_or(Ok(()), |hook| hook(&what));
        self.log.lock().unwrap().push(what);
        answer
    }

    /// What came since the last look.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    /// Calls `hook` before each transfer from now on.
    pub fn set_hook(&self, hook: impl Fn(&str) -> Result<()> + Send + Sync + 'static) {
        *self.hook.lock().unwrap() = Some(Arc::new(Box::new(hook)));
    }

    pub fn clear_hook(&self) {
        *self.hook.lock().unwrap() = None;
    }

    /// The bytes of a file in the root directory.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let name: Vec<u16> = name.encode_utf16().collect();
        let entry = self.inner.lookup(self.inner.root(), &name, CaseMatch::Insensitive).expect("the file");
        let mut bytes = vec![0; self.inner.size(entry.id, None).unwrap() as usize];
        self.inner.read(entry.id, None, 0, &mut bytes).unwrap();
        bytes
    }

    pub fn last_write(&self, name: &str) -> i64 {
        let name: Vec<u16> = name.encode_utf16().collect();
        let entry = self.inner.lookup(self.inner.root(), &name, CaseMatch::Insensitive).expect("the file");
        self.inner.metadata(entry.id).unwrap().times.last_write
    }
}

impl Store for HookStore {
    fn blob(&self, id: FileId, blob: store::Blob) -> store::Result<Option<Vec<u8>>> {
        self.inner.blob(id, blob)
    }
    fn set_blob(&self, id: FileId, blob: store::Blob, bytes: Option<&[u8]>) -> store::Result<()> {
        self.inner.set_blob(id, blob, bytes)
    }
    fn may_have_reparse_points(&self) -> bool {
        self.inner.may_have_reparse_points()
    }
    fn read(&self, id: FileId, stream: StreamName<'_>, offset: u64, into: &mut [u8]) -> Result<usize> {
        self.ask(format!("read {} at {offset}", into.len()))?;
        self.inner.read(id, stream, offset, into)
    }
    fn write(&self, id: FileId, stream: StreamName<'_>, offset: u64, data: &[u8]) -> Result<usize> {
        self.ask(format!("write {} at {offset}", data.len()))?;
        self.inner.write(id, stream, offset, data)
    }
    fn set_size(&self, id: FileId, stream: StreamName<'_>, size: u64) -> Result<()> {
        self.ask(format!("size {size}"))?;
        self.inner.set_size(id, stream, size)
    }
    fn flush(&self, id: FileId) -> Result<()> {
        self.ask("flush".into())?;
        self.inner.flush(id)
    }
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    fn root(&self) -> FileId {
        self.inner.root()
    }
    fn lookup(&self, dir: FileId, name: &[u16], case: CaseMatch) -> Result<Entry> {
        self.inner.lookup(dir, name, case)
    }
    fn lookup_short(&self, dir: FileId, name: &[u16]) -> Result<Entry> {
        self.inner.lookup_short(dir, name)
    }
    fn set_short_name(&self, id: FileId, short: ShortName) -> Result<()> {
        self.inner.set_short_name(id, short)
    }
    fn create(&self, dir: FileId, name: &[u16], kind: NodeKind, attributes: u32) -> Result<FileId> {
        self.inner.create(dir, name, kind, attributes)
    }
    fn remove(&self, id: FileId) -> Result<()> {
        self.inner.remove(id)
    }
    fn rename(&self, id: FileId, dir: FileId, name: &[u16], replace: bool) -> Result<Option<FileId>> {
        self.inner.rename(id, dir, name, replace)
    }
    fn open(&self, id: FileId) -> Result<()> {
        self.inner.open(id)
    }
    fn close(&self, id: FileId) {
        self.inner.close(id);
    }
    fn set_allocation(&self, id: FileId, stream: StreamName<'_>, bytes: u64) -> Result<()> {
        self.inner.set_allocation(id, stream, bytes)
    }
    fn size(&self, id: FileId, stream: StreamName<'_>) -> Result<u64> {
        self.inner.size(id, stream)
    }
    fn allocation_size(&self, id: FileId, stream: StreamName<'_>) -> Result<u64> {
        self.inner.allocation_size(id, stream)
    }
    fn list(&self, dir: FileId) -> Result<Vec<Entry>> {
        self.inner.list(dir)
    }
    fn parent(&self, id: FileId) -> Result<FileId> {
        self.inner.parent(id)
    }
    fn path(&self, id: FileId) -> Result<Vec<Vec<u16>>> {
        self.inner.path(id)
    }
    fn metadata(&self, id: FileId) -> Result<Metadata> {
        self.inner.metadata(id)
    }
    fn set_metadata(&self, id: FileId, change: MetadataChange) -> Result<()> {
        self.inner.set_metadata(id, change)
    }
    fn streams(&self, id: FileId) -> Result<Vec<StreamInfo>> {
        self.inner.streams(id)
    }
    fn create_stream(&self, id: FileId, name: &[u16]) -> Result<()> {
        self.inner.create_stream(id, name)
    }
    fn lookup_stream(&self, id: FileId, name: &[u16]) -> Result<Vec<u16>> {
        self.inner.lookup_stream(id, name)
    }
    fn remove_stream(&self, id: FileId, name: &[u16]) -> Result<()> {
        self.inner.remove_stream(id, name)
    }
    fn rename_stream(&self, id: FileId, name: &[u16], new_name: &[u16], replace: bool) -> Result<()> {
        self.inner.rename_stream(id, name, new_name, replace)
    }
    fn flush_all(&self) -> Result<()> {
        self.inner.flush_all()
    }
    fn volume_info(&self) -> Result<VolumeInfo> {
        self.inner.volume_info()
    }
    fn set_label(&self, label: &[u16]) -> Result<()> {
        self.inner.set_label(label)
    }
}

pub fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// Runs `f` as a thread of a machine with `C:` on a store that can be watched.
pub fn on_volume(f: impl FnOnce(&Arc<HookStore>, &Arc<Core>)) {
    let core = Core::new(Config::default()).expect("a slot is free");
    core.attach(0, || {
        core.install(Box::new(Mm::new(&core).expect("pages")));
        core.install(Box::new(Ex::new(&core)));
        nt_ob::Ob::boot(&core).expect("no raise").expect("objects");
        nt_se::Se::boot(&core).expect("no raise").expect("security");
        let process = nt_ps::Ps::boot(&core).expect("no raise").expect("processes");
        let io = core.install(Io::new());
        assert_eq!(io.initialize(), Ok(NtStatus::SUCCESS));
        core.install(nt_fsrtl::FsRtl::new());
        // Nothing is written behind the tests' back: they flush.
        let limits = CacheLimits { lazy_delay: 36_000_000_000, ..CacheLimits::of(8 << 20) };
        core.install(Box::new(Cc::new(&core, limits, 0)));
        nt_section::Sections::boot(&core, process).expect("no raise").expect("sections");
        fsd::register().expect("no raise").expect("a file system");
        let clock: Clock = {
            let ticks = std::sync::atomic::AtomicI64::new(1_000);
            Arc::new(move || ticks.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        };
        let store = Arc::new(HookStore {
            inner: MemoryStore::new(MemoryOptions { capacity: 16 << 20, ..MemoryOptions::new(clock) })
                .unwrap(),
            hook: Mutex::new(None),
            log: Mutex::new(Vec::new()),
        });
        let bytes: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
        disk::create(1, 512, 16 << 20, Arc::new(fsd::FsdMedium(bytes)), Some('C')).unwrap().unwrap();
        f(&store, &core);
    })
    .expect("a thread");
    core.stop();
}

/// An open file: its handle and its object.
pub struct Open {
    pub handle: usize,
    pub file: &'static FILE_OBJECT,
}

/// Opens or makes a file; `options` as FILE_NO_INTERMEDIATE_BUFFERING.
pub fn open(name: &str, options: u32) -> Open {
    let name = units(&format!(r"\??\C:\{name}"));
    let opened = io_create_file(&CreateParameters {
        name: &name,
        object_attributes: OBJ_CASE_INSENSITIVE,
        access: FILE_GENERIC_READ | FILE_GENERIC_WRITE | DELETE,
        share: 7,
        disposition: FILE_OPEN_IF,
        options: options | FILE_SYNCHRONOUS_IO_NONALERT,
        ..CreateParameters::default()
    })
    .unwrap();
    assert_eq!(opened.status, NtStatus::SUCCESS);
    let (file, _) = reference_file_by_handle(opened.handle, 0, 0).unwrap();
    nt_ob::ob_dereference(std::ptr::from_ref(file) as usize).unwrap();
    Open { handle: opened.handle, file }
}

impl Open {
    pub fn header(&self) -> &'static FSRTL_ADVANCED_FCB_HEADER {
        // SAFETY: the file system's control block begins with the header (CC-22).
        unsafe { &*self.file.FsContext.get().cast() }
    }

    /// File size and valid data length.
    pub fn sizes(&self) -> (i64, i64) {
        (self.header().FileSize.get(), self.header().ValidDataLength.get())
    }

    pub fn write(&self, offset: i64, bytes: &[u8]) -> IoStatus {
        let buffer = UserBuffer::from_bytes(bytes).unwrap();
        nt_write_file(
            self.handle,
            &Asynchronous::default(),
            buffer.address(),
            bytes.len() as u32,
            Some(offset),
            None,
        )
        .unwrap()
    }

    pub fn read(&self, offset: i64, length: usize) -> (IoStatus, Vec<u8>) {
        let buffer = UserBuffer::from_bytes(&vec![0xCC; length]).unwrap();
        let result = nt_read_file(
            self.handle,
            &Asynchronous::default(),
            buffer.address(),
            length as u32,
            Some(offset),
            None,
        )
        .unwrap();
        (result, buffer.to_vec(length).unwrap())
    }

    pub fn flush(&self) {
        assert_eq!(nt_flush_buffers_file(self.handle, 0).unwrap().status, NtStatus::SUCCESS);
    }

    pub fn set_end(&self, size: i64) -> NtStatus {
        let buffer = UserBuffer::from_bytes(&size.to_le_bytes()).unwrap();
        nt_set_information_file(
            self.handle,
            buffer.address(),
            8,
            file_information_class::FileEndOfFileInformation,
        )
        .unwrap()
        .status
    }

    pub fn close(self) {
        nt_close(self.handle).unwrap();
    }

    /// Paging I/O with a buffer of its own.
    pub fn page(&self, offset: i64, bytes: &mut [u8], write: bool) -> IoStatus {
        paging(self.file, offset, bytes, write)
    }

    /// A read or write IRP with these flags, from the top of the stack.
    pub fn irp(&self, major: u8, flags: u32, offset: i64, bytes: &mut [u8]) -> IoStatus {
        let device = io_get_related_device(self.file);
        let irp = io_allocate_irp(device.StackSize.get() as u8 + 1).unwrap();
        let buffer = UserBuffer::from_bytes(bytes).unwrap();
        io_set_next_location(irp);
        irp.Flags.set(flags);
        irp.UserBuffer.set(buffer.address() as *mut _);
        let stack = io_next_stack(irp);
        stack.MajorFunction.set(major);
        stack.FileObject.set(std::ptr::from_ref(self.file).cast_mut());
        stack.Parameters.Read().Length.set(bytes.len() as u32);
        stack.Parameters.Read().ByteOffset.set(offset);
        let status = io_send_and_wait(device, irp).unwrap();
        let result = IoStatus { status, information: irp.IoStatus.Information.get() };
        io_free_irp(irp).unwrap();
        buffer.read(0, bytes).unwrap();
        result
    }
}

/// Paging I/O on a file object, as the cache manager does it.
pub fn paging(file: &'static FILE_OBJECT, offset: i64, bytes: &mut [u8], write: bool) -> IoStatus {
    let tag = u32::from_le_bytes(*b"Test");
    let block =
        nt_ex::pool::allocate_engine(nt_ex::pool::PoolKind::NonPaged, bytes.len().max(PAGE), tag).unwrap();
    let address = block.as_ptr() as usize;
    boundary::copy::write(address, bytes).unwrap();
    let mdl = nt_ex::mdl::allocate_engine(address, bytes.len()).unwrap();
    nt_mm::mdl::lock_resident(mdl, !write);
    let result =
        if write { io_page_write(file, mdl, offset) } else { io_page_read(file, mdl, offset) }.unwrap();
    nt_mm::mdl::unlock_pages(mdl).unwrap();
    nt_ex::mdl::free(mdl).unwrap();
    boundary::copy::read(address, bytes).unwrap();
    nt_ex::pool::free(address as *const u8, Some(tag)).unwrap();
    result
}

pub fn done(information: usize) -> IoStatus {
    IoStatus { status: NtStatus::SUCCESS, information }
}
