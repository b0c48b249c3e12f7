//! A file of one stream over a stack of two native drivers, and what their callbacks note.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use nt_abi::*;
use nt_ex::{Ex, resource};
use nt_fsrtl::FsRtl;
use nt_fsrtl::fs_filter::*;
use nt_io::*;
use nt_ke::{Config, Core, current_thread};
use nt_mm::Mm;

thread_local! {
    // A machine's attached thread is the test's own.
    pub static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    pub static FILTER_ANSWER: Cell<NtStatus> = const { Cell::new(NtStatus::SUCCESS) };
    pub static FS_ANSWER: Cell<NtStatus> = const { Cell::new(NtStatus::SUCCESS) };
    pub static FAST_ANSWER: Cell<NtStatus> = const { Cell::new(NtStatus::SUCCESS) };
    pub static STREAM: Cell<Option<&'static Stream>> = const { Cell::new(None) };
    pub static CONTEXT: Cell<usize> = const { Cell::new(0) };
}

pub fn log() -> Vec<String> {
    LOG.take()
}

pub fn note(line: String) {
    LOG.with_borrow_mut(|log| log.push(line));
}

#[repr(C)]
#[derive(Default)]
pub struct Stream {
    pub header: FSRTL_ADVANCED_FCB_HEADER,
    pub resource: ERESOURCE,
    pub paging: ERESOURCE,
}

// SAFETY: cells and atomics, all good when zero.
unsafe impl nt_ex::pool::ZeroedInPool for Stream {}

/// What the page writer's variable holds, and its end.
pub fn page_writer(data: &FS_FILTER_CALLBACK_DATA) -> (i64, *mut ERESOURCE) {
    let arm = data.Parameters.AcquireForModifiedPageWriter();
    assert!(!arm.ResourceToRelease.get().is_null());
    // SAFETY: an acquire for the page writer has both variables.
    unsafe { (*arm.EndingOffset.get(), *arm.ResourceToRelease.get()) }
}

pub fn shown(data: &FS_FILTER_CALLBACK_DATA) -> String {
    assert_eq!(data.SizeOfFsFilterCallbackData.get() as usize, size_of::<FS_FILTER_CALLBACK_DATA>());
    assert!(!data.FileObject.get().is_null() && !data.DeviceObject.get().is_null());
    let name = irp_mj::name(data.Operation.get()).trim_start_matches("IRP_MJ_").to_lowercase();
    let stream = STREAM.get().expect("a stream");
    match data.Operation.get() {
        IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION => {
            let arm = data.Parameters.AcquireForSectionSynchronization();
            let output = arm.OutputInformation.get();
            assert_eq!(output.is_null(), arm.SyncType.get() == SyncTypeOther);
            // SAFETY: null, or the caller's structure.
            assert!(unsafe { output.as_ref() }.is_none_or(|o| o.StructureSize.get() == 16));
            format!(
                "{name} type {} page {:#x} flags {}",
                arm.SyncType.get(),
                arm.PageProtection.get(),
                arm.Flags.get()
            )
        }
        IRP_MJ_ACQUIRE_FOR_MOD_WRITE => {
            let (end, held) = page_writer(data);
            format!("{name} {end} {}", resource_name(stream, held))
        }
        IRP_MJ_RELEASE_FOR_MOD_WRITE => {
            let held = data.Parameters.ReleaseForModifiedPageWriter().ResourceToRelease.get();
            format!("{name} {} irql {}", resource_name(stream, held), nt_ke::irql::current())
        }
        _ => name,
    }
}

pub fn resource_name(stream: &Stream, held: *mut ERESOURCE) -> &'static str {
    match held.cast_const() {
        held if held.is_null() => "nothing",
        held if std::ptr::eq(held, &stream.resource) => "main",
        held if std::ptr::eq(held, &stream.paging) => "paging",
        _ => "other",
    }
}

pub extern "win64" fn filter_pre(data: &FS_FILTER_CALLBACK_DATA, context: &Cell<usize>) -> i32 {
    note(format!("pre {}", shown(data)));
    assert_eq!(context.get(), 0);
    context.set(CONTEXT.get());
    FILTER_ANSWER.get().0
}

pub extern "win64" fn filter_post(data: &FS_FILTER_CALLBACK_DATA, status: i32, context: usize) {
    note(format!("post {} {:#x} context {context:#x}", shown(data), status));
}

pub extern "win64" fn second_pre(data: &FS_FILTER_CALLBACK_DATA, _: &Cell<usize>) -> i32 {
    note(format!("upper pre {}", shown(data)));
    0
}

pub extern "win64" fn second_post(data: &FS_FILTER_CALLBACK_DATA, status: i32, context: usize) {
    note(format!("upper post {} {status:#x} context {context:#x}", shown(data)));
}

pub extern "win64" fn fs_pre(data: &FS_FILTER_CALLBACK_DATA, _: &Cell<usize>) -> i32 {
    note(format!("fs {}", shown(data)));
    FS_ANSWER.get().0
}

pub extern "win64" fn fast_section(file: &FILE_OBJECT) {
    assert!(!file.FsContext.get().is_null());
    note("fast section".into());
}

pub extern "win64" fn fast_release_section(_: &FILE_OBJECT) {
    note("fast release section".into());
}

pub extern "win64" fn fast_mod_write(
    _: &FILE_OBJECT,
    end: &Cell<i64>,
    into: &Cell<usize>,
    device: &DEVICE_OBJECT,
) -> i32 {
    assert_eq!(device.DeviceType.get(), FILE_DEVICE_DISK_FILE_SYSTEM);
    note(format!("fast mod write {}", end.get()));
    if FAST_ANSWER.get() == NtStatus::SUCCESS {
        into.set(&raw const STREAM.get().unwrap().resource as usize);
    }
    FAST_ANSWER.get().0
}

pub extern "win64" fn fast_release_mod_write(_: &FILE_OBJECT, held: usize, _: &DEVICE_OBJECT) -> i32 {
    note(format!("fast release mod write {}", resource_name(STREAM.get().unwrap(), held as *mut _)));
    FAST_ANSWER.get().0
}

pub extern "win64" fn fast_flush(_: &FILE_OBJECT, _: &DEVICE_OBJECT) -> i32 {
    note("fast flush".into());
    FAST_ANSWER.get().0
}

pub extern "win64" fn fast_release_flush(_: &FILE_OBJECT, _: &DEVICE_OBJECT) -> i32 {
    note("fast release flush".into());
    FAST_ANSWER.get().0
}

pub fn native(function: *const ()) -> NativeFn {
    NativeFn(function as usize)
}

pub fn callbacks(pre: *const (), post: *const ()) -> FS_FILTER_CALLBACKS {
    let table = FS_FILTER_CALLBACKS::zeroed();
    table.SizeOfFsFilterCallbacks.set(size_of::<FS_FILTER_CALLBACKS>() as u32);
    for entry in [
        &table.PreAcquireForSectionSynchronization,
        &table.PreReleaseForSectionSynchronization,
        &table.PreAcquireForCcFlush,
        &table.PreReleaseForCcFlush,
        &table.PreAcquireForModifiedPageWriter,
        &table.PreReleaseForModifiedPageWriter,
    ] {
        entry.set(native(pre));
    }
    for entry in [
        &table.PostAcquireForSectionSynchronization,
        &table.PostReleaseForSectionSynchronization,
        &table.PostAcquireForCcFlush,
        &table.PostReleaseForCcFlush,
        &table.PostAcquireForModifiedPageWriter,
        &table.PostReleaseForModifiedPageWriter,
    ] {
        entry.set(native(post));
    }
    table
}

pub struct Subject {
    pub core: Arc<Core>,
    pub stream: &'static Stream,
    pub file: &'static FILE_OBJECT,
    pub fs: &'static DRIVER_OBJECT,
    pub filter: &'static DRIVER_OBJECT,
    pub base: &'static DEVICE_OBJECT,
}

pub fn driver(name: &str) -> &'static DRIVER_OBJECT {
    let units: Vec<u16> = name.encode_utf16().collect();
    io_create_native_driver(&units, 0, 0, &units).unwrap().unwrap()
}

pub fn device(driver: &'static DRIVER_OBJECT) -> &'static DEVICE_OBJECT {
    named_device(driver, None)
}

pub fn named_device(driver: &'static DRIVER_OBJECT, name: Option<&str>) -> &'static DEVICE_OBJECT {
    let name: Option<Vec<u16>> = name.map(|name| name.encode_utf16().collect());
    let device = io_create_device(driver, 0, name.as_deref(), FILE_DEVICE_DISK_FILE_SYSTEM, 0, false)
        .unwrap()
        .unwrap();
    device.Flags.set(0);
    device
}

/// A file of one stream, 8192 bytes long of which 4096 are valid, and a filter above its file system.
pub fn in_machine(f: impl FnOnce(&Subject)) {
    let core = in_machine_of(Config::default(), |subject| {
        f(subject);
        assert_eq!(resource::held_by_current_thread(), 0, "everything is given back");
        assert_eq!(current_thread().kernel_apc_disable().get(), 0, "no critical region is left");
    });
    assert!(core.bug_checked().is_none(), "{:?}", core.bug_checked());
}

pub fn in_machine_of(config: Config, f: impl FnOnce(&Subject)) -> Arc<Core> {
    let core = Core::new(config).expect("a slot is free");
    core.attach(0, || {
        core.install(Box::new(Mm::new(&core).expect("pages")));
        core.install(Box::new(Ex::new(&core)));
        nt_ob::Ob::boot(&core).expect("no raise").expect("objects");
        nt_se::Se::boot(&core).expect("no raise").expect("security");
        assert_eq!(core.install(Io::new()).initialize(), Ok(NtStatus::SUCCESS));
        core.install(FsRtl::new());
        let (fs, filter) = (driver(r"\FileSystem\Base"), driver(r"\FileSystem\Filter"));
        let base = named_device(fs, Some(r"\Device\Base"));
        io_attach_device(device(filter), base).expect("attached");
        let stream = nt_ex::pool::allocate_new::<Stream>(u32::from_le_bytes(*b"Test")).unwrap();
        resource::initialize(&stream.resource);
        resource::initialize(&stream.paging);
        stream.header.Resource.set(std::ptr::from_ref(&stream.resource).cast_mut());
        stream.header.PagingIoResource.set(std::ptr::from_ref(&stream.paging).cast_mut());
        stream.header.FileSize.set(8192);
        stream.header.ValidDataLength.set(4096);
        let file = io_create_stream_file_object(None, base, true).unwrap();
        file.FsContext.set(std::ptr::from_ref(stream).cast_mut().cast());
        STREAM.set(Some(stream));
        for answer in [&FILTER_ANSWER, &FS_ANSWER, &FAST_ANSWER] {
            answer.set(NtStatus::SUCCESS);
        }
        CONTEXT.set(0);
        f(&Subject { core: Arc::clone(&core), stream, file, fs, filter, base });
    })
    .expect("a thread");
    core.stop();
    core
}

impl Subject {
    pub fn register_filter(&self) {
        let table = callbacks(filter_pre as *const (), filter_post as *const ());
        assert_eq!(register_callbacks(self.filter, &table), Ok(NtStatus::SUCCESS));
    }

    pub fn register_fs(&self) {
        let table = callbacks(fs_pre as *const (), std::ptr::null());
        assert_eq!(register_callbacks(self.fs, &table), Ok(NtStatus::SUCCESS));
    }

    /// How the thread holds the stream's resources now: exclusively, shared, not.
    pub fn held(&self) -> [&'static str; 2] {
        [&self.stream.resource, &self.stream.paging].map(|resource| {
            if resource::is_acquired_exclusive(resource) {
                "exclusive"
            } else if resource::is_acquired_shared(resource) != 0 {
                "shared"
            } else {
                "-"
            }
        })
    }

    pub fn rules(&self) -> Vec<&'static str> {
        self.core.findings().iter().map(|finding| finding.rule).collect()
    }
}

/// Acquires for the page writer, says what is held, and releases.
pub fn page_write(subject: &Subject, end: i64) -> Result<[&'static str; 2], NtStatus> {
    let resource = acquire_for_mod_write(subject.file, end).unwrap()?;
    let held = subject.held();
    release_for_mod_write(subject.file, resource).unwrap();
    Ok(held)
}
