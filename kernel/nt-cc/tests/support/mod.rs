//! A machine up to the cache manager, and a device that holds one stream and logs its paging I/O.
#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use nt_abi::*;
use nt_cc::*;
use nt_ex::Ex;
use nt_io::*;
use nt_ke::{Config, Core, Raise};
use nt_mm::{Mm, UserBuffer};

pub const PAGE: usize = 4096;

/// Runs `f` as a thread of a fresh machine with a cache of `bytes`.
pub fn in_machine(bytes: usize, f: impl FnOnce(&Arc<Core>)) {
    let core = Core::new(Config::default()).expect("a slot is free");
    core.attach(0, || {
        core.install(Box::new(Mm::new(&core).expect("pages")));
        core.install(Box::new(Ex::new(&core)));
        nt_ob::Ob::boot(&core).expect("no raise").expect("objects");
        nt_se::Se::boot(&core).expect("no raise").expect("security");
        let io = core.install(Io::new());
        assert_eq!(io.initialize(), Ok(NtStatus::SUCCESS));
        let limits = CacheLimits { lazy_delay: 200_000, ..CacheLimits::of(bytes) };
        core.install(Box::new(Cc::new(&core, limits, 0)));
        f(&core);
    })
    .expect("a thread");
    core.stop();
}

/// One stream: its bytes, and what was asked of it.
#[derive(Default)]
pub struct Disk {
    pub bytes: Mutex<Vec<u8>>,
    pub log: Mutex<Vec<String>>,
    pub fails: Mutex<Option<NtStatus>>,
    /// Called once in the middle of the next write.
    pub during_write: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    pub lazy_refused: AtomicBool,
    pub acquired: AtomicUsize,
}

impl Disk {
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    pub fn note(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }

    fn transfer(&self, irp: &'static IRP, reading: bool) -> Result<NtStatus, Raise> {
        let parameters = io_current_stack(irp).Parameters.Read();
        let (length, offset) = (parameters.Length.get() as usize, parameters.ByteOffset.get() as usize);
        let word = if reading { "read" } else { "write" };
        self.note(format!("{word} {length} at {offset} irp {:#x}", irp.Flags.get()));
        if let Some(status) = *self.fails.lock().unwrap() {
            return io_complete_with(irp, status, 0);
        }
        // SAFETY: paging I/O carries a locked MDL.
        let mdl = unsafe { irp.MdlAddress.get().as_ref() }.expect("paging I/O has an MDL");
        assert_eq!(mdl.ByteCount.get() as usize, length);
        assert!(nt_mm::mdl::frames(mdl).iter().all(|frame| frame.get() != nt_mm::mdl::NO_FRAME));
        let address = nt_mm::mdl::map_locked_pages(mdl)?;
        let mut bytes = self.bytes.lock().unwrap();
        if offset >= bytes.len() {
            drop(bytes);
            let status = if reading { NtStatus::END_OF_FILE } else { NtStatus::SUCCESS };
            return io_complete_with(irp, status, 0);
        }
        let end = (offset + length).min(bytes.len());
        if reading {
            boundary::copy::write(address, &bytes[offset..end])?;
        } else {
            boundary::copy::read(address, &mut bytes[offset..end])?;
        }
        drop(bytes);
        let during = if reading { None } else { self.during_write.lock().unwrap().take() };
        if let Some(during) = during {
            during();
        }
        io_complete_with(irp, NtStatus::SUCCESS, end - offset)
    }
}

impl CacheCallbacks for Disk {
    fn acquire_for_lazy_write(&self, _: usize, _: bool) -> Result<bool, Raise> {
        self.acquired.fetch_add(1, Ordering::SeqCst);
        Ok(!self.lazy_refused.load(Ordering::SeqCst))
    }
    fn release_from_lazy_write(&self, _: usize) -> Result<(), Raise> {
        self.acquired.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
    fn acquire_for_read_ahead(&self, context: usize, wait: bool) -> Result<bool, Raise> {
        self.acquire_for_lazy_write(context, wait)
    }
    fn release_from_read_ahead(&self, context: usize) -> Result<(), Raise> {
        self.release_from_lazy_write(context)
    }
}

struct Driver(&'static Disk);

impl Dispatch for Driver {
    fn dispatch(&self, _: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
        match io_current_stack(irp).MajorFunction.get() {
            IRP_MJ_READ => self.0.transfer(irp, true),
            IRP_MJ_WRITE => self.0.transfer(irp, false),
            IRP_MJ_CLOSE => {
                self.0.note("close".into());
                io_complete_with(irp, NtStatus::SUCCESS, 0)
            }
            _ => io_complete_with(irp, NtStatus::SUCCESS, 0),
        }
    }
}

/// What drivers see as the stream's context.
#[repr(C)]
#[derive(Default)]
pub struct Stream {
    pub header: FSRTL_ADVANCED_FCB_HEADER,
    pub resource: ERESOURCE,
    pub paging: ERESOURCE,
    pub section: SECTION_OBJECT_POINTERS,
}

// SAFETY: cells and atomics, all good when zero.
unsafe impl nt_ex::pool::ZeroedInPool for Stream {}

/// A stream of a device of its own, with `bytes` as its contents.
pub struct Subject {
    pub disk: &'static Disk,
    pub stream: &'static Stream,
    pub device: &'static DEVICE_OBJECT,
}

impl Subject {
    pub fn new(bytes: Vec<u8>) -> Self {
        let disk: &'static Disk = Box::leak(Box::default());
        let size = bytes.len() as i64;
        *disk.bytes.lock().unwrap() = bytes;
        let name: Vec<u16> = "\\FileSystem\\OneStream".encode_utf16().collect();
        let driver = io_create_driver(&name, Arc::new(Driver(disk))).unwrap().unwrap();
        let device =
            io_create_device(driver, 0, None, FILE_DEVICE_DISK_FILE_SYSTEM, 0, false).unwrap().unwrap();
        device.Flags.set(0);
        let stream = nt_ex::pool::allocate_new::<Stream>(u32::from_le_bytes(*b"Test")).unwrap();
        nt_ex::resource::initialize(&stream.resource);
        nt_ex::resource::initialize(&stream.paging);
        stream.header.Resource.set(std::ptr::from_ref(&stream.resource).cast_mut());
        stream.header.PagingIoResource.set(std::ptr::from_ref(&stream.paging).cast_mut());
        stream.header.IsFastIoPossible.set(FastIoIsPossible);
        let subject = Self { disk, stream, device };
        subject.set_header(size, size);
        subject
    }

    pub fn set_header(&self, size: i64, valid: i64) {
        self.stream.header.FileSize.set(size);
        self.stream.header.ValidDataLength.set(valid);
        self.stream.header.AllocationSize.set((size + 4095) / 4096 * 4096);
    }

    pub fn sizes(&self) -> CcFileSizes {
        let header = &self.stream.header;
        CcFileSizes {
            allocation: header.AllocationSize.get(),
            file: header.FileSize.get(),
            valid: header.ValidDataLength.get(),
        }
    }

    /// A file object of the stream, one reference.
    pub fn open(&self) -> &'static FILE_OBJECT {
        let file = io_create_stream_file_object(None, self.device, true).unwrap();
        file.FsContext.set(std::ptr::from_ref(self.stream).cast_mut().cast());
        file.SectionObjectPointer.set(std::ptr::from_ref(&self.stream.section).cast_mut());
        file
    }

    /// The same with a cache map.
    pub fn open_cached(&self) -> &'static FILE_OBJECT {
        let file = self.open();
        cc_initialize_cache_map(file, self.sizes(), false, Callbacks::Rust(self.disk), 0).unwrap();
        file
    }

    /// Ends a file object as CLEANUP and the last handle do. Returns whether the map went.
    pub fn close(&self, file: &'static FILE_OBJECT) -> bool {
        let gone = cc_uninitialize_cache_map(file, None, None).unwrap();
        nt_ob::ob_dereference(std::ptr::from_ref(file) as usize).unwrap();
        gone
    }

    /// Grows the stream on disk, in the header and for the cache.
    pub fn grow(&self, file: &FILE_OBJECT, size: i64) {
        self.disk.bytes.lock().unwrap().resize(size as usize, 0);
        self.set_header(size, self.stream.header.ValidDataLength.get());
        cc_set_file_sizes(file, self.sizes()).unwrap();
    }
}

pub fn write(file: &'static FILE_OBJECT, offset: usize, bytes: &[u8]) {
    let buffer = UserBuffer::from_bytes(bytes).expect("user memory");
    assert_eq!(cc_copy_write(file, offset as i64, bytes.len() as u32, true, buffer.address()), Ok(true));
}

pub fn read(file: &'static FILE_OBJECT, offset: usize, length: usize) -> Vec<u8> {
    let buffer = UserBuffer::new(length).expect("user memory");
    let result = cc_copy_read(file, offset as i64, length as u32, true, buffer.address()).unwrap().unwrap();
    assert_eq!((result.status, result.information), (NtStatus::SUCCESS, length));
    buffer.to_vec(length).unwrap()
}

/// Waits until `done`; the lazy writer is a thread of its own.
pub fn until(done: impl Fn() -> bool) {
    while !done() {
        nt_ke::dispatcher::delay(-10_000).unwrap();
    }
}

pub fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| (index / 7 + index / 4096 * 31) as u8).collect()
}

pub fn statistics() -> CacheStatistics {
    nt_ke::subsystem::<Cc>().statistics()
}
