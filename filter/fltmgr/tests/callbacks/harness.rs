//! A machine whose filters and file system do what a test says, in the test's own thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use nt_abi::*;
use nt_cm::{Value, cm_set};
use nt_io::*;
use nt_ke::{Config, Core, Raise};

pub use crate::support::rules;
use crate::support::{self, add_file_system, boot, filter_driver, start_manager, units};

/// The filters, by altitude from above.
pub const UPPER: usize = 0;
pub const MIDDLE: usize = 1;
pub const LOWER: usize = 2;
const NAMES: [&str; 3] = ["upper", "middle", "lower"];
const ALTITUDES: [&str; 3] = ["300", "200", "100"];

/// A callback that runs.
pub struct Call<'a> {
    pub data: &'a FLT_CALLBACK_DATA,
    pub objects: &'a FLT_RELATED_OBJECTS,
    /// The completion context.
    pub context: &'a Cell<usize>,
    /// Flags of a post callback.
    pub flags: u32,
}

impl Call<'_> {
    pub fn block(&self) -> &FLT_IO_PARAMETER_BLOCK {
        // SAFETY: the manager's callback data names its block.
        unsafe { &*self.data.Iopb.get() }
    }

    pub fn operation(&self) -> &'static fltmgr::Operation {
        fltmgr::operation_from(std::ptr::from_ref(self.data) as usize).expect("callback data")
    }

    /// The offset of a transfer.
    pub fn offset(&self) -> i64 {
        self.block().Parameters.Write().ByteOffset.get()
    }

    /// Moves a transfer, and says so.
    pub fn move_to(&self, offset: i64) {
        self.block().Parameters.Write().ByteOffset.set(offset);
        fltmgr::flt_set_callback_data_dirty(self.data);
    }

    pub fn set_status(&self, status: NtStatus, information: usize) {
        self.data.IoStatus.Status.set(status);
        self.data.IoStatus.Information.set(information);
    }
}

type Hook = Rc<dyn Fn(&Call) -> i32>;
type FsHook = Rc<dyn Fn(&'static IRP) -> Option<NtStatus>>;

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static PRE: RefCell<[Option<Hook>; 3]> = const { RefCell::new([None, None, None]) };
    static POST: RefCell<[Option<Hook>; 3]> = const { RefCell::new([None, None, None]) };
    static FS: RefCell<Option<FsHook>> = const { RefCell::new(None) };
    /// What the file system returns when it does not answer.
    static FS_RETURNS: Cell<NtStatus> = const { Cell::new(NtStatus::PENDING) };
    /// Flags of the next filter's instance definition.
    static INSTANCE_FLAGS: Cell<u32> = const { Cell::new(0) };
}

/// What the file system returns from now on when it does not answer.
pub fn fs_returns(status: NtStatus) {
    FS_RETURNS.set(status);
}

/// Filters that are registered from now on attach to no volume by themselves.
pub fn attach_by_hand() {
    INSTANCE_FLAGS.set(1);
}

pub fn note(line: impl Into<String>) {
    LOG.with_borrow_mut(|log| log.push(line.into()));
}

pub fn log() -> Vec<String> {
    LOG.take()
}

/// What the pre callback of a filter does from now on. Without it: it asks for its post callback.
pub fn on_pre(filter: usize, f: impl Fn(&Call) -> i32 + 'static) {
    PRE.with_borrow_mut(|hooks| hooks[filter] = Some(Rc::new(f)));
}

/// What the post callback of a filter does from now on. Without it: it is finished.
pub fn on_post(filter: usize, f: impl Fn(&Call) -> i32 + 'static) {
    POST.with_borrow_mut(|hooks| hooks[filter] = Some(Rc::new(f)));
}

/// What the file system answers from now on; `None`: it does not answer yet.
pub fn on_fs(f: impl Fn(&'static IRP) -> Option<NtStatus> + 'static) {
    FS.set(Some(Rc::new(f)));
}

pub fn forget_hooks() {
    FS_RETURNS.set(NtStatus::PENDING);
    INSTANCE_FLAGS.set(0);
    PRE.set([None, None, None]);
    POST.set([None, None, None]);
    FS.set(None);
}

fn shown(block: &FLT_IO_PARAMETER_BLOCK) -> String {
    let major = block.MajorFunction.get();
    let name = fltmgr::flt_get_irp_name(major).trim_start_matches("IRP_MJ_");
    match major {
        IRP_MJ_READ | IRP_MJ_WRITE => format!("{name} {}", block.Parameters.Write().ByteOffset.get()),
        _ => name.to_owned(),
    }
}

extern "win64" fn pre<const FILTER: usize>(
    data: &FLT_CALLBACK_DATA,
    objects: &FLT_RELATED_OBJECTS,
    context: &Cell<usize>,
) -> i32 {
    let call = Call { data, objects, context, flags: 0 };
    note(format!("{} pre {}", NAMES[FILTER], shown(call.block())));
    let hook = PRE.with_borrow(|hooks| hooks[FILTER].clone());
    hook.map_or(FLT_PREOP_SUCCESS_WITH_CALLBACK, |hook| hook(&call))
}

extern "win64" fn post<const FILTER: usize>(
    data: &FLT_CALLBACK_DATA,
    objects: &FLT_RELATED_OBJECTS,
    context: usize,
    flags: u32,
) -> i32 {
    let context = Cell::new(context);
    let call = Call { data, objects, context: &context, flags };
    note(format!("{} post {}", NAMES[FILTER], shown(call.block())));
    let hook = POST.with_borrow(|hooks| hooks[FILTER].clone());
    hook.map_or(FLT_POSTOP_FINISHED_PROCESSING, |hook| hook(&call))
}

/// Addresses of a filter's callbacks.
pub fn addresses(filter: usize) -> (usize, usize) {
    match filter {
        UPPER => (pre::<UPPER> as *const () as usize, post::<UPPER> as *const () as usize),
        MIDDLE => (pre::<MIDDLE> as *const () as usize, post::<MIDDLE> as *const () as usize),
        _ => (pre::<LOWER> as *const () as usize, post::<LOWER> as *const () as usize),
    }
}

struct HookedFs;

impl Dispatch for HookedFs {
    fn dispatch(&self, device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
        let stack = io_current_stack(irp);
        let major = stack.MajorFunction.get();
        if major == IRP_MJ_FILE_SYSTEM_CONTROL && stack.MinorFunction.get() == IRP_MN_MOUNT_VOLUME {
            // SAFETY: a device names its driver.
            let driver = unsafe { &*device.DriverObject.get() };
            let volume = io_create_device(driver, 0, None, FILE_DEVICE_DISK_FILE_SYSTEM, 0, false)?.unwrap();
            volume.Flags.set(0);
            // SAFETY: a mount request names its VPB.
            let vpb = unsafe { &*stack.Parameters.MountVolume().Vpb.get() };
            vpb.DeviceObject.set(std::ptr::from_ref(volume).cast_mut());
            return io_complete_with(irp, NtStatus::SUCCESS, 0);
        }
        let name = irp_mj::name(major).trim_start_matches("IRP_MJ_");
        let transfer = matches!(major, IRP_MJ_READ | IRP_MJ_WRITE);
        note(if transfer {
            format!("fs {name} {}", stack.Parameters.Write().ByteOffset.get())
        } else {
            format!("fs {name}")
        });
        let hook = FS.with_borrow(Clone::clone);
        let Some(status) = hook.map_or(Some(NtStatus::SUCCESS), |hook| hook(irp)) else {
            if FS_RETURNS.get() == NtStatus::PENDING {
                io_mark_pending(irp);
            }
            return Ok(FS_RETURNS.get());
        };
        let bytes = if transfer { stack.Parameters.Write().Length.get() as usize } else { 0 };
        io_complete_with(irp, status, if status == NtStatus::REPARSE { 2 } else { bytes })
    }
}

/// Registers and starts a filter for `operations`: major functions, with which callbacks they have.
pub fn register(filter: usize, operations: &[(u8, bool, bool)], skip: u32) -> Arc<fltmgr::Filter> {
    register_as(NAMES[filter], ALTITUDES[filter], filter, operations, skip)
}

/// The same under another name at another altitude.
pub fn register_as(
    name: &str,
    altitude: &str,
    filter: usize,
    operations: &[(u8, bool, bool)],
    skip: u32,
) -> Arc<fltmgr::Filter> {
    let driver = filter_driver(name, altitude);
    let instance =
        format!(r"\Registry\Machine\System\CurrentControlSet\Services\{name}\Instances\{name} Main");
    cm_set(&instance, "Flags", Value::dword(INSTANCE_FLAGS.get())).unwrap();
    let (pre, post) = addresses(filter);
    let mut entries: Vec<FLT_OPERATION_REGISTRATION> = Vec::new();
    entries.resize_with(operations.len() + 1, Default::default);
    entries[operations.len()].MajorFunction.set(IRP_MJ_OPERATION_END);
    for (entry, (major, has_pre, has_post)) in entries.iter().zip(operations) {
        entry.MajorFunction.set(*major);
        entry.Flags.set(skip);
        entry.PreOperation.set(NativeFn(if *has_pre { pre } else { 0 }));
        entry.PostOperation.set(NativeFn(if *has_post { post } else { 0 }));
    }
    let registration = FLT_REGISTRATION::default();
    let filter = support::register(driver, &registration, &entries);
    assert_eq!(fltmgr::flt_start_filtering(&filter), Ok(NtStatus::SUCCESS));
    filter
}

/// The three filters, with both callbacks for each of `majors`.
pub fn three(majors: &[u8]) -> [Arc<fltmgr::Filter>; 3] {
    let operations: Vec<(u8, bool, bool)> = majors.iter().map(|major| (*major, true, true)).collect();
    [UPPER, MIDDLE, LOWER].map(|filter| register(filter, &operations, 0))
}

/// A machine without filters, with two disks.
pub fn in_machine(f: impl FnOnce(&Arc<Core>)) {
    in_machine_of(Config::default(), f);
}

/// The same with other settings.
pub fn in_machine_of(config: Config, f: impl FnOnce(&Arc<Core>)) {
    forget_hooks();
    let core = Core::new(config).expect("a slot is free");
    core.attach(0, || {
        boot(&core);
        start_manager(&core);
        add_file_system("Hooked", Arc::new(HookedFs));
        disk::create(1, 512, 1 << 20, Arc::new(()), Some('C')).unwrap().unwrap();
        disk::create(2, 512, 1 << 20, Arc::new(()), Some('D')).unwrap().unwrap();
        f(&core);
        forget_hooks();
    })
    .expect("a thread");
    assert!(core.stop());
}

/// A machine with three filters for `majors` and an open file.
pub fn with_file(majors: &[u8], f: impl FnOnce(&Arc<Core>, &'static FILE_OBJECT)) {
    in_machine(|core| {
        let _filters = three(majors);
        let file = open('C');
        log();
        f(core, file);
    });
}

/// Opens a file for asynchronous requests, and keeps it open.
pub fn open(drive: char) -> &'static FILE_OBJECT {
    let opened = create(drive, 0);
    assert_eq!(opened.status, NtStatus::SUCCESS);
    reference_file_by_handle(opened.handle, 0, 0).unwrap().0
}

pub fn create(drive: char, options: u32) -> Opened {
    io_create_file(&CreateParameters {
        name: Vec::leak(units(&format!(r"\??\{drive}:\f"))),
        object_attributes: OBJ_CASE_INSENSITIVE,
        access: FILE_GENERIC_READ | FILE_GENERIC_WRITE,
        share: 7,
        disposition: FILE_CREATE,
        options,
        ..CreateParameters::default()
    })
    .unwrap()
}

/// The volume of an open file.
pub fn volume_of(file: &FILE_OBJECT) -> Arc<fltmgr::Volume> {
    let device = io_get_related_device(file);
    let volumes = fltmgr::flt().volumes();
    volumes
        .into_iter()
        .find(|volume| volume.device().is_some_and(|own| std::ptr::eq(own, device)))
        .expect("a volume")
}

/// The instance of a filter on the volume of an open file.
pub fn instance(file: &FILE_OBJECT, filter: &Arc<fltmgr::Filter>) -> Arc<fltmgr::Instance> {
    let instances = volume_of(file).instances();
    instances.into_iter().find(|instance| Arc::ptr_eq(&instance.filter, filter)).expect("an instance")
}

/// Sends an IRP from above to the volume of `file`. It is not freed, so its result can be looked at.
pub fn send(
    file: &'static FILE_OBJECT,
    major: u8,
    fill: impl FnOnce(&IRP, &IO_STACK_LOCATION),
) -> &'static IRP {
    let device = io_get_related_device(file);
    let irp = io_allocate_irp(device.StackSize.get() as u8).expect("memory");
    let stack = io_next_stack(irp);
    stack.MajorFunction.set(major);
    stack.FileObject.set(std::ptr::from_ref(file).cast_mut());
    irp.OriginalFileObject().set(std::ptr::from_ref(file).cast_mut());
    irp.Thread().set(std::ptr::from_ref(nt_ke::current_thread()).cast_mut().cast());
    fill(irp, stack);
    fn done(_: Option<&'static DEVICE_OBJECT>, irp: &'static IRP, _: usize) -> Result<NtStatus, Raise> {
        note(format!("done {:?} {}", irp.IoStatus.Status.get(), irp.IoStatus.Information.get()));
        Ok(NtStatus::MORE_PROCESSING_REQUIRED)
    }
    io_set_completion(irp, Completion::Rust { routine: done, context: 0 }, true, true, true);
    let status = io_call_driver(device, irp).unwrap();
    if status == NtStatus::PENDING {
        note("pending");
    } else {
        assert_eq!(status, irp.IoStatus.Status.get(), "what is returned is the result");
    }
    irp
}

/// Sends a write of eight bytes at `offset`.
pub fn write(file: &'static FILE_OBJECT, offset: i64) -> &'static IRP {
    send(file, IRP_MJ_WRITE, |irp, stack| {
        irp.UserBuffer.set(0x1_0000 as *mut _);
        stack.Parameters.Write().ByteOffset.set(offset);
        stack.Parameters.Write().Length.set(8);
    })
}

/// The findings that came since `known`, each as its rule and its severity.
pub fn found(core: &Core, known: &mut usize) -> Vec<(&'static str, nt_ke::Severity)> {
    let findings = core.findings();
    let new = findings[*known..].iter().map(|finding| (finding.rule, finding.severity)).collect();
    *known = findings.len();
    new
}
