//! The machine, its filters, and the file system.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ptr::from_ref;
use std::rc::Rc;
use std::sync::Arc;

use fltmgr::{Filter, Instance};
use nt_abi::*;
use nt_io::*;
use nt_ke::{Config, Core, Raise};

pub use crate::support::units;
use crate::support::{self, boot, filter_driver, start_manager};

/// A request as it came to the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub major: u8,
    pub minor: u8,
    pub irp_flags: u32,
    pub stack_flags: u8,
    pub parameters: [u64; 4],
    pub user: usize,
    pub system: usize,
    /// Address, start and bytes of the MDL, and its flags.
    pub mdl: Option<(usize, usize, usize, u16)>,
    pub file: usize,
    pub mode: i8,
    pub name: String,
    pub related: usize,
    /// What a create asks to be allowed.
    pub access: u32,
    /// Address of the IRP.
    pub irp: usize,
}

/// A callback of `watcher`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    pub major: u8,
    pub post: bool,
    pub data_flags: u32,
    pub irp_flags: u32,
    pub operation_flags: u8,
    pub status: NtStatus,
}

/// What the file system does: `None` is success with what was asked for.
pub type Answer = Rc<dyn Fn(&'static IRP, &Seen) -> Option<(NtStatus, usize)>>;
/// What a callback does: who, the data, whether it is a post callback. `None`: goes on.
pub type Hook = Rc<dyn Fn(&str, &'static FLT_CALLBACK_DATA, bool) -> Option<i32>>;

/// Registers more callbacks.
type More = Box<dyn Fn(&FLT_REGISTRATION)>;

thread_local! {
    // A machine's attached thread is the test's own.
    static SEEN: RefCell<Vec<Seen>> = const { RefCell::new(Vec::new()) };
    static WATCHED: RefCell<Vec<Watched>> = const { RefCell::new(Vec::new()) };
    static ANSWER: RefCell<Option<Answer>> = const { RefCell::new(None) };
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
    /// Flags of the file system's volume device.
    static VOLUME_FLAGS: Cell<u32> = const { Cell::new(0) };
    /// Streams by name.
    static STREAMS: RefCell<BTreeMap<String, &'static FSRTL_ADVANCED_FCB_HEADER>> = const { RefCell::new(BTreeMap::new()) };
    /// What the filters register, when it is not all.
    static ONLY: Cell<Option<&'static [u8]>> = const { Cell::new(None) };
    static MORE: RefCell<Option<More>> = const { RefCell::new(None) };
    static CONTEXTS: RefCell<Vec<FLT_CONTEXT_REGISTRATION>> = const { RefCell::new(Vec::new()) };
}

/// What the file system got since the last call.
pub fn seen() -> Vec<Seen> {
    SEEN.take()
}

/// The one request that the file system got.
pub fn only() -> Seen {
    let mut all = seen();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

pub fn watched() -> Vec<Watched> {
    WATCHED.take()
}

/// How the file system answers from now on.
pub fn answer(f: impl Fn(&'static IRP, &Seen) -> Option<(NtStatus, usize)> + 'static) {
    ANSWER.replace(Some(Rc::new(f)));
}

pub fn answer_as_usual() {
    ANSWER.replace(None);
}

/// What the callbacks of `asker` and `watcher` do from now on.
pub fn hook(f: impl Fn(&str, &'static FLT_CALLBACK_DATA, bool) -> Option<i32> + 'static) {
    HOOK.replace(Some(Rc::new(f)));
}

pub fn no_hook() {
    HOOK.replace(None);
}

fn describe(irp: &IRP) -> Seen {
    let stack = io_current_stack(irp);
    // SAFETY: whoever sent the request gave it as its MDL.
    let mdl = unsafe { irp.MdlAddress.get().as_ref() };
    let file = stack_file(stack);
    Seen {
        major: stack.MajorFunction.get(),
        minor: stack.MinorFunction.get(),
        irp_flags: irp.Flags.get(),
        stack_flags: stack.Flags.get(),
        parameters: std::array::from_fn(|word| stack.Parameters.raw[word].get()),
        user: irp.UserBuffer.get() as usize,
        system: irp.SystemBuffer().get() as usize,
        mdl: mdl.map(|mdl| {
            let flags = mdl.MdlFlags.get();
            (from_ref(mdl) as usize, nt_mm::mdl::virtual_address(mdl), nt_mm::mdl::byte_count(mdl), flags)
        }),
        file: stack.FileObject.get() as usize,
        mode: irp.RequestorMode.get(),
        name: file.map_or(String::new(), |file| String::from_utf16_lossy(&text(&file.FileName))),
        related: file.map_or(0, |file| file.RelatedFileObject.get() as usize),
        access: match stack.MajorFunction.get() {
            IRP_MJ_CREATE => create_security(stack).map_or(0, |(security, _)| security.DesiredAccess.get()),
            _ => 0,
        },
        irp: from_ref(irp) as usize,
    }
}

/// The text of a counted string.
pub fn text(string: &UNICODE_STRING) -> Vec<u16> {
    let mut bytes = vec![0; usize::from(string.Length.get())];
    boundary::copy::read(string.Buffer.get() as usize, &mut bytes).unwrap();
    bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}

struct Fs;

/// A stream header that filters can hang contexts on.
pub fn stream() -> &'static FSRTL_ADVANCED_FCB_HEADER {
    let header: &'static FSRTL_ADVANCED_FCB_HEADER = Box::leak(Box::default());
    nt_fsrtl::setup_advanced_header(header, None, 0);
    header
}

impl Dispatch for Fs {
    fn dispatch(&self, device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
        let stack = io_current_stack(irp);
        if stack.MajorFunction.get() == IRP_MJ_FILE_SYSTEM_CONTROL
            && stack.MinorFunction.get() == IRP_MN_MOUNT_VOLUME
        {
            // SAFETY: a device names its driver.
            let driver = unsafe { &*device.DriverObject.get() };
            let volume = io_create_device(driver, 0, None, FILE_DEVICE_DISK_FILE_SYSTEM, 0, false)?.unwrap();
            volume.Flags.set(VOLUME_FLAGS.get());
            // SAFETY: a mount request names its VPB.
            let vpb = unsafe { &*stack.Parameters.MountVolume().Vpb.get() };
            vpb.DeviceObject.set(from_ref(volume).cast_mut());
            return io_complete_with(irp, NtStatus::SUCCESS, 0);
        }
        let found = describe(irp);
        SEEN.with_borrow_mut(|seen| seen.push(found.clone()));
        let answer = ANSWER.with_borrow(Clone::clone);
        let answer = answer.and_then(|answer| answer(irp, &found));
        if found.major == IRP_MJ_CREATE && answer.is_none_or(|(status, _)| status == NtStatus::SUCCESS) {
            let stream = STREAMS.with_borrow_mut(|all| *all.entry(found.name.clone()).or_insert_with(stream));
            stack_file(stack).unwrap().FsContext.set(from_ref(stream).cast_mut().cast());
        }
        match answer {
            Some((NtStatus::PENDING, _)) => {
                io_mark_pending(irp);
                Ok(NtStatus::PENDING)
            }
            Some((status, information)) => io_complete_with(irp, status, information),
            None => {
                let moves = matches!(found.major, IRP_MJ_READ | IRP_MJ_WRITE);
                let information = if moves { found.parameters[0] as u32 as usize } else { 0 };
                io_complete_with(irp, NtStatus::SUCCESS, information)
            }
        }
    }
}

pub fn callback(who: &str, data: &'static FLT_CALLBACK_DATA, post: bool) -> Option<i32> {
    let hook = HOOK.with_borrow(Clone::clone);
    hook.and_then(|hook| hook(who, data, post))
}

extern "win64" fn asker_pre(data: &'static FLT_CALLBACK_DATA, _: usize, _: usize) -> i32 {
    callback("asker", data, false).unwrap_or(FLT_PREOP_SUCCESS_WITH_CALLBACK)
}

extern "win64" fn asker_post(data: &'static FLT_CALLBACK_DATA, _: usize, _: usize, _: u32) -> i32 {
    callback("asker", data, true).unwrap_or(FLT_POSTOP_FINISHED_PROCESSING)
}

fn watch(data: &FLT_CALLBACK_DATA, post: bool) {
    let block = iopb(data);
    let found = Watched {
        major: block.MajorFunction.get(),
        post,
        data_flags: data.Flags.get(),
        irp_flags: block.IrpFlags.get(),
        operation_flags: block.OperationFlags.get(),
        status: data.IoStatus.Status.get(),
    };
    WATCHED.with_borrow_mut(|watched| watched.push(found));
}

extern "win64" fn watcher_pre(data: &'static FLT_CALLBACK_DATA, _: usize, _: usize) -> i32 {
    watch(data, false);
    callback("watcher", data, false).unwrap_or(FLT_PREOP_SUCCESS_WITH_CALLBACK)
}

extern "win64" fn watcher_post(data: &'static FLT_CALLBACK_DATA, _: usize, _: usize, _: u32) -> i32 {
    watch(data, true);
    callback("watcher", data, true).unwrap_or(FLT_POSTOP_FINISHED_PROCESSING)
}

/// The parameters of callback data.
pub fn iopb(data: &FLT_CALLBACK_DATA) -> &'static FLT_IO_PARAMETER_BLOCK {
    // SAFETY: the manager's callback data name their block.
    unsafe { &*data.Iopb.get() }
}

const MAJORS: [u8; 23] = [
    IRP_MJ_CREATE,
    IRP_MJ_CLOSE,
    IRP_MJ_READ,
    IRP_MJ_WRITE,
    IRP_MJ_QUERY_INFORMATION,
    IRP_MJ_SET_INFORMATION,
    IRP_MJ_QUERY_EA,
    IRP_MJ_SET_EA,
    IRP_MJ_FLUSH_BUFFERS,
    IRP_MJ_QUERY_VOLUME_INFORMATION,
    IRP_MJ_SET_VOLUME_INFORMATION,
    IRP_MJ_DIRECTORY_CONTROL,
    IRP_MJ_FILE_SYSTEM_CONTROL,
    IRP_MJ_DEVICE_CONTROL,
    IRP_MJ_LOCK_CONTROL,
    IRP_MJ_CLEANUP,
    IRP_MJ_QUERY_SECURITY,
    IRP_MJ_SET_SECURITY,
    IRP_MJ_QUERY_QUOTA,
    IRP_MJ_SET_QUOTA,
    IRP_MJ_PNP,
    IRP_MJ_INTERNAL_DEVICE_CONTROL,
    IRP_MJ_OPERATION_END,
];

/// Registers and starts a filter for all of these, with the contexts that the test registers.
pub fn filter(name: &str, altitude: &str, pre: usize, post: usize) -> Arc<Filter> {
    let driver = filter_driver(name, altitude);
    let operations: [FLT_OPERATION_REGISTRATION; 23] = std::array::from_fn(|_| Default::default());
    let only = ONLY.get().map_or(MAJORS.to_vec(), |majors| [majors, &[IRP_MJ_OPERATION_END]].concat());
    for (operation, major) in operations.iter().zip(only) {
        operation.MajorFunction.set(major);
        operation.PreOperation.set(NativeFn(pre));
        operation.PostOperation.set(NativeFn(post));
    }
    let registration = FLT_REGISTRATION::default();
    registration.Flags.set(FLTFL_REGISTRATION_SUPPORT_DAX_VOLUME);
    CONTEXTS.with_borrow(|contexts| {
        if !contexts.is_empty() {
            registration.ContextRegistration.set(contexts.as_ptr().cast_mut());
        }
    });
    // Some callbacks have to be in an image: the test is one meanwhile.
    let processor = boundary::current();
    let image = (processor.image_low.get(), processor.image_high.get());
    if let Some(more) = MORE.take() {
        more(&registration);
        processor.image_low.set(1);
        processor.image_high.set(usize::MAX);
    }
    let filter = support::register(driver, &registration, &operations);
    processor.image_low.set(image.0);
    processor.image_high.set(image.1);
    assert_eq!(fltmgr::flt_start_filtering(&filter), Ok(NtStatus::SUCCESS));
    filter
}

/// What a test has.
pub struct Stage {
    pub core: Arc<Core>,
    pub disk: &'static DEVICE_OBJECT,
    pub filter: Arc<Filter>,
    /// The asker's.
    pub instance: Arc<Instance>,
    /// An open file, and its handle.
    pub file: &'static FILE_OBJECT,
    pub handle: usize,
}

impl Stage {
    /// The rules of the findings so far.
    pub fn rules(&self) -> Vec<&'static str> {
        self.core.findings().iter().map(|finding| finding.rule).collect()
    }

    /// Opens another file.
    pub fn open(&self, name: &str, options: u32) -> (&'static FILE_OBJECT, usize) {
        let name = units(name);
        let opened = io_create_file(&parameters(&name, options)).unwrap();
        assert_eq!(opened.status, NtStatus::SUCCESS);
        let (file, _) = reference_file_by_handle(opened.handle, 0, 0).unwrap();
        nt_ob::ob_dereference(from_ref(file) as usize).unwrap();
        (file, opened.handle)
    }
}

pub fn parameters(name: &[u16], options: u32) -> CreateParameters<'_> {
    CreateParameters {
        name,
        object_attributes: OBJ_CASE_INSENSITIVE,
        access: FILE_GENERIC_READ | FILE_GENERIC_WRITE,
        share: 7,
        disposition: FILE_OPEN_IF,
        options,
        ..CreateParameters::default()
    }
}

/// How a volume is mounted and a file opened.
#[derive(Clone, Copy)]
pub struct Setting {
    /// Of the file system's volume device.
    pub device_flags: u32,
    /// Create options of the file.
    pub options: u32,
    pub sector: u32,
    /// Mask of the disk.
    pub alignment: u32,
}

pub const USUAL: Setting =
    Setting { device_flags: 0, options: FILE_SYNCHRONOUS_IO_NONALERT, sector: 512, alignment: 0 };

/// The filters register no other operations.
pub fn register_only(majors: Option<&'static [u8]>) {
    ONLY.set(majors);
}

/// More callbacks of the next filter.
pub fn register_more(f: impl Fn(&FLT_REGISTRATION) + 'static) {
    MORE.replace(Some(Box::new(f)));
}

/// Contexts of the next filters.
pub fn register_contexts(contexts: Vec<FLT_CONTEXT_REGISTRATION>) {
    CONTEXTS.replace(contexts);
}

/// Runs `f` on a fresh machine with both filters and an open file.
pub fn on_stage(setting: Setting, f: impl FnOnce(&Stage)) {
    let core = Core::new(Config::default()).expect("a slot is free");
    core.attach(0, || {
        boot(&core);
        nt_tm::Tm::boot(&core).expect("no raise").expect("transactions");
        start_manager(&core);
        let driver = io_create_driver(&units(r"\FileSystem\Fs"), Arc::new(Fs)).unwrap().unwrap();
        let control =
            io_create_device(driver, 0, Some(&units(r"\Fs")), FILE_DEVICE_DISK_FILE_SYSTEM, 0, false);
        io_register_file_system(control.unwrap().unwrap()).unwrap();
        STREAMS.take();
        let disk = disk::create(1, setting.sector, 1 << 20, Arc::new(()), Some('C')).unwrap().unwrap();
        disk.AlignmentRequirement.set(setting.alignment);
        VOLUME_FLAGS.set(setting.device_flags);
        filter("watcher", "100", watcher_pre as *const () as usize, watcher_post as *const () as usize);
        let asker = filter("asker", "200", asker_pre as *const () as usize, asker_post as *const () as usize);
        let name = units(r"\??\C:\f");
        let opened = io_create_file(&parameters(&name, setting.options)).unwrap();
        assert_eq!(opened.status, NtStatus::SUCCESS);
        let (file, _) = reference_file_by_handle(opened.handle, 0, 0).unwrap();
        let instance = fltmgr::flt().instances_of(&asker).remove(0);
        seen();
        watched();
        f(&Stage { core: Arc::clone(&core), disk, filter: asker, instance, file, handle: opened.handle });
        no_hook();
        answer_as_usual();
        nt_ob::ob_dereference(from_ref(file) as usize).unwrap();
    })
    .expect("a thread");
    assert!(core.stop());
}

/// Memory that drivers have.
pub fn memory(bytes: usize) -> usize {
    nt_ex::pool::allocate(nt_ex::pool::PoolKind::NonPaged, bytes, u32::from_le_bytes(*b"Test"), true)
        .unwrap()
        .as_ptr() as usize
}

/// Blocks of pool with a tag that are not freed.
pub fn blocks(tag: &[u8; 4]) -> usize {
    let tag = u32::from_le_bytes(*tag);
    nt_ex::pool::outstanding(0..1).iter().filter(|found| found.tag == tag).map(|found| found.count).sum()
}
