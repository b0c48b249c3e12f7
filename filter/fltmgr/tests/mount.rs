//! How volumes appear and go: mount requests, their callbacks, and the manager's own devices.

mod support;

use std::cell::{Cell, RefCell};
use std::ptr::from_ref;
use std::sync::Arc;

use fltmgr::anchor::Anchored;
use nt_abi::*;
use nt_io::*;
use nt_ke::{Config, Core, Raise};

use support::{add_file_system, boot, filter_driver, start_manager, units};

thread_local! {
    // A machine's attached thread is the test's own.
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// What the upper filter's pre-mount callback answers.
    static ANSWER: Cell<i32> = const { Cell::new(FLT_PREOP_SUCCESS_WITH_CALLBACK) };
    /// The next setup callback opens a file.
    static OPENS: Cell<bool> = const { Cell::new(false) };
    static SETUP_ANSWER: Cell<NtStatus> = const { Cell::new(NtStatus::SUCCESS) };
    static FS_ANSWER: Cell<NtStatus> = const { Cell::new(NtStatus::SUCCESS) };
}

fn note(line: String) {
    LOG.with_borrow_mut(|log| log.push(line));
}

fn log() -> Vec<String> {
    LOG.take()
}

/// What a mount callback is given.
fn shown(data: &FLT_CALLBACK_DATA, objects: &FLT_RELATED_OBJECTS) -> String {
    // SAFETY: the manager's callback data names its block.
    let block = unsafe { &*data.Iopb.get() };
    assert_eq!(block.MajorFunction.get(), IRP_MJ_VOLUME_MOUNT);
    assert_eq!(data.Thread.get().cast_const().cast(), from_ref(nt_ke::current_thread()));
    assert_eq!(usize::from(objects.Size.get()), size_of::<FLT_RELATED_OBJECTS>());
    assert!(objects.Instance.get().is_null(), "there is none yet");
    let filter = fltmgr::from_address::<fltmgr::Filter>(objects.Filter.get() as usize).unwrap();
    let volume = fltmgr::from_address::<fltmgr::Volume>(objects.Volume.get() as usize).unwrap();
    let device_type = block.Parameters.MountVolume().DeviceType.get();
    format!(
        "{} {} {:#x} {device_type}",
        filter.label,
        String::from_utf16_lossy(&volume.name),
        data.Flags.get()
    )
}

extern "win64" fn upper_pre(
    data: &FLT_CALLBACK_DATA,
    objects: &FLT_RELATED_OBJECTS,
    context: &Cell<usize>,
) -> i32 {
    note(format!("pre {}", shown(data, objects)));
    context.set(7);
    if ANSWER.get() == FLT_PREOP_COMPLETE {
        data.IoStatus.Status.set(NtStatus::WRONG_VOLUME);
    }
    ANSWER.get()
}

extern "win64" fn lower_pre(data: &FLT_CALLBACK_DATA, objects: &FLT_RELATED_OBJECTS, _: &Cell<usize>) -> i32 {
    note(format!("pre {}", shown(data, objects)));
    FLT_PREOP_SYNCHRONIZE
}

extern "win64" fn post(
    data: &FLT_CALLBACK_DATA,
    objects: &FLT_RELATED_OBJECTS,
    context: usize,
    flags: u32,
) -> i32 {
    note(format!("post {} {context} {flags} {:#x}", shown(data, objects), data.IoStatus.Status.get().0));
    FLT_POSTOP_FINISHED_PROCESSING
}

extern "win64" fn setup(_: usize, flags: u32, device_type: u32, file_system: u32) -> i32 {
    note(format!("setup {flags:#x} {device_type} {file_system}"));
    if OPENS.replace(false) {
        assert_eq!(open('C').status, NtStatus::SUCCESS);
        note("opened".to_owned());
    }
    SETUP_ANSWER.get().0
}

extern "win64" fn torn_down(_: usize, reason: u32) {
    note(format!("teardown {reason}"));
}

/// Mounts everything, and answers SUCCESS to all else.
struct FileSystem;

impl Dispatch for FileSystem {
    fn dispatch(&self, device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
        let stack = io_current_stack(irp);
        if stack.MajorFunction.get() != IRP_MJ_FILE_SYSTEM_CONTROL {
            return io_complete_with(irp, NtStatus::SUCCESS, 0);
        }
        note(format!("fs {}", stack.MinorFunction.get()));
        if stack.MinorFunction.get() == IRP_MN_MOUNT_VOLUME && FS_ANSWER.get().is_success() {
            let volume =
                io_create_device(device_driver(device), 0, None, FILE_DEVICE_DISK_FILE_SYSTEM, 0, false)?
                    .unwrap();
            volume.Flags.set((volume.Flags.get() | DO_DIRECT_IO) & !DO_DEVICE_INITIALIZING);
            volume.SectorSize.set(4096);
            volume.AlignmentRequirement.set(3);
            volume.StackSize.set(9);
            // SAFETY: a mount request names its VPB.
            let vpb = unsafe { &*stack.Parameters.MountVolume().Vpb.get() };
            vpb.DeviceObject.set(from_ref(volume).cast_mut());
        }
        io_complete_with(irp, FS_ANSWER.get(), 0)
    }
}

struct Machine {
    core: Arc<Core>,
    control: &'static DEVICE_OBJECT,
    disks: [&'static DEVICE_OBJECT; 2],
}

/// A machine with two disks, whose file system's driver is called `name`.
fn in_machine_of(name: &str, f: impl FnOnce(&Machine)) {
    let core = Core::new(Config::default()).expect("a slot is free");
    core.attach(0, || {
        boot(&core);
        let control = add_file_system(name, Arc::new(FileSystem));
        let disk =
            |number, letter| disk::create(number, 512, 1 << 20, Arc::new(()), Some(letter)).unwrap().unwrap();
        f(&Machine { core: Arc::clone(&core), control, disks: [disk(1, 'C'), disk(2, 'D')] });
    })
    .expect("a thread");
    assert!(core.stop());
}

fn in_machine(f: impl FnOnce(&Machine)) {
    in_machine_of("Plain", |machine| {
        start_manager(&machine.core);
        f(machine);
    });
}

/// Registers a filter for mounts.
fn registered(name: &str, altitude: &str, pre: usize) -> Arc<fltmgr::Filter> {
    let driver = filter_driver(name, altitude);
    let operations: [FLT_OPERATION_REGISTRATION; 2] = Default::default();
    operations[0].MajorFunction.set(IRP_MJ_VOLUME_MOUNT);
    operations[0].PreOperation.set(NativeFn(pre));
    operations[0].PostOperation.set(NativeFn(post as *const () as usize));
    operations[1].MajorFunction.set(IRP_MJ_OPERATION_END);
    let registration = FLT_REGISTRATION::default();
    registration.InstanceSetupCallback.set(NativeFn(setup as *const () as usize));
    registration.InstanceTeardownCompleteCallback.set(NativeFn(torn_down as *const () as usize));
    support::register(driver, &registration, &operations)
}

fn filter(name: &str, altitude: &str, pre: usize) -> Arc<fltmgr::Filter> {
    let filter = registered(name, altitude, pre);
    assert_eq!(fltmgr::flt_start_filtering(&filter), Ok(NtStatus::SUCCESS));
    filter
}

fn upper() -> Arc<fltmgr::Filter> {
    filter("upper", "300", upper_pre as *const () as usize)
}

fn lower() -> Arc<fltmgr::Filter> {
    filter("lower", "200", lower_pre as *const () as usize)
}

fn open(letter: char) -> Opened {
    let name = units(&format!(r"\??\{letter}:\f"));
    io_create_file(&CreateParameters {
        name: &name,
        object_attributes: OBJ_CASE_INSENSITIVE,
        access: FILE_GENERIC_READ,
        share: 7,
        disposition: FILE_OPEN_IF,
        options: FILE_SYNCHRONOUS_IO_NONALERT,
        ..CreateParameters::default()
    })
    .unwrap()
}

fn rules(machine: &Machine) -> Vec<&'static str> {
    machine.core.findings().iter().map(|finding| finding.rule).collect()
}

const VOLUME: &str = r"\Device\HarddiskVolume1";

#[test]
fn mount_callbacks_know_the_volume_and_the_result_but_no_instance() {
    // spec: LIFE-07, PARM-03, PARM-31
    in_machine(|machine| {
        let _filters = (lower(), upper(), filter("post-only", "100", 0), registered("idle", "400", 0));
        assert_eq!(open('C').status, NtStatus::SUCCESS);
        let fast = FLTFL_CALLBACK_DATA_FAST_IO_OPERATION;
        let done = fast | FLTFL_CALLBACK_DATA_POST_OPERATION;
        let disk = FILE_DEVICE_DISK_FILE_SYSTEM;
        assert_eq!(
            log(),
            [
                format!("pre upper {VOLUME} {fast:#x} {disk}"),
                format!("pre lower {VOLUME} {fast:#x} {disk}"),
                "fs 1".to_owned(),
                format!("post post-only {VOLUME} {done:#x} {disk} 0 0 0x0"),
                format!("post lower {VOLUME} {done:#x} {disk} 0 0 0x0"),
                format!("post upper {VOLUME} {done:#x} {disk} 7 0 0x0"),
                format!("setup 0x5 {disk} 0"),
                format!("setup 0x5 {disk} 0"),
                format!("setup 0x5 {disk} 0"),
            ]
        );
        assert_eq!(rules(machine), Vec::<&str>::new());
    });
}

#[test]
fn a_filter_that_answers_a_mount_keeps_the_file_system_from_it() {
    in_machine(|machine| {
        let _filters = (lower(), upper());
        ANSWER.set(FLT_PREOP_COMPLETE);
        assert!(!open('C').status.is_success());
        let lines = log();
        assert!(lines.iter().all(|line| !line.starts_with("fs") && !line.contains("lower")), "{lines:?}");
        assert!(fltmgr::flt().volumes().is_empty());
        assert_eq!(rules(machine), Vec::<&str>::new());
    });
}

#[test]
fn answers_that_a_mount_cannot_have_are_reported_and_get_no_post_callback() {
    // spec: PRE-10, PRE-12
    for (answer, rule) in [(FLT_PREOP_PENDING, "PRE-10"), (77, "PRE-12")] {
        in_machine(|machine| {
            let _filter = upper();
            ANSWER.set(answer);
            assert_eq!(open('C').status, NtStatus::SUCCESS);
            assert!(!log().iter().any(|line| line.starts_with("post")));
            assert_eq!(rules(machine), [rule]);
        });
    }
    in_machine(|machine| {
        let _filter = upper();
        ANSWER.set(FLT_PREOP_SUCCESS_NO_CALLBACK);
        assert_eq!(open('C').status, NtStatus::SUCCESS);
        assert!(!log().iter().any(|line| line.starts_with("post")));
        assert_eq!(rules(machine), Vec::<&str>::new());
    });
}

#[test]
fn a_mount_that_the_file_system_refuses_makes_no_volume() {
    in_machine(|_| {
        let _filter = upper();
        FS_ANSWER.set(NtStatus::UNRECOGNIZED_VOLUME);
        assert!(!open('C').status.is_success());
        let refused = NtStatus::UNRECOGNIZED_VOLUME.0;
        assert!(log().last().is_some_and(|line| line.ends_with(&format!(" 7 0 {refused:#x}"))));
        assert!(fltmgr::flt().volumes().is_empty());
    });
}

#[test]
fn the_managers_device_is_like_the_one_below_and_has_room_for_the_storage_stack() {
    in_machine(|machine| {
        let _filter = upper();
        machine.disks[1].StackSize.set(20);
        for (letter, stack) in [('C', 10), ('D', 22)] {
            assert_eq!(open(letter).status, NtStatus::SUCCESS);
            let volume = fltmgr::flt().volumes().pop().unwrap();
            let (device, lower) = (volume.device().unwrap(), volume.lower().unwrap());
            assert!(std::ptr::eq(io_get_lower_device(device).unwrap(), lower));
            assert_eq!(device.StackSize.get(), stack);
            assert_eq!((device.SectorSize.get(), device.AlignmentRequirement.get()), (4096, 3));
            let kept = DO_DIRECT_IO | DO_BUFFERED_IO | DO_DEVICE_INITIALIZING;
            assert_eq!(device.Flags.get() & kept, DO_DIRECT_IO);
            assert_eq!(device.DeviceType.get(), FILE_DEVICE_DISK_FILE_SYSTEM);
        }
    });
}

#[test]
fn a_dismount_takes_one_volume_and_its_instances() {
    // spec: LIFE-12, LIFE-13, LIFE-14
    in_machine(|machine| {
        let filter = upper();
        for letter in ['C', 'D'] {
            assert_eq!(open(letter).status, NtStatus::SUCCESS);
        }
        let [first, second]: [_; 2] = fltmgr::flt().volumes().try_into().unwrap_or_else(|_| panic!("two"));
        assert!(first.is_mounted() && second.is_mounted());
        log();
        let below = first.lower().unwrap();
        fltmgr::flt_dismount_volume(machine.disks[0]).unwrap();
        assert_eq!(log(), [format!("teardown {FLTFL_INSTANCE_TEARDOWN_VOLUME_DISMOUNT}")]);
        assert!(std::ptr::eq(io_get_attached_device(below), below), "nothing of the manager's is above it");
        assert!(!first.is_mounted() && first.device().is_none() && first.lower().is_none());
        assert!(fltmgr::flt().volume_of_disk(machine.disks[0]).is_none());
        assert!(second.is_mounted());
        let left = fltmgr::flt().volumes();
        assert!(left.len() == 1 && Arc::ptr_eq(&left[0], &second));
        assert_eq!(fltmgr::flt().instances_of(&filter).len(), 1);
        let manual = fltmgr::flt_attach_volume(&filter, &first, None).unwrap();
        assert_eq!(manual.err(), Some(NtStatus::FLT_DELETING_OBJECT));
        fltmgr::flt_dismount_volume(machine.disks[0]).unwrap();
        assert_eq!(log(), Vec::<String>::new(), "it is gone already");
    });
}

#[test]
fn a_file_system_that_goes_loses_the_managers_device() {
    in_machine(|machine| {
        let above = io_get_attached_device(machine.control);
        assert!(!std::ptr::eq(above, machine.control));
        assert_eq!(above.Flags.get() & DO_DEVICE_INITIALIZING, 0);
        io_unregister_file_system(machine.control).unwrap();
        assert!(std::ptr::eq(io_get_attached_device(machine.control), machine.control));
        io_register_file_system(machine.control).unwrap();
        assert!(!std::ptr::eq(io_get_attached_device(machine.control), machine.control));
        let _filter = upper();
        assert_eq!(open('C').status, NtStatus::SUCCESS);
        assert_eq!(
            log().iter().filter(|line| line.starts_with("pre")).count(),
            1,
            "one device, one callback"
        );
    });
}

#[test]
fn volumes_that_were_mounted_before_are_found() {
    // spec: LIFE-07
    in_machine_of("Plain", |machine| {
        assert_eq!(open('C').status, NtStatus::SUCCESS);
        start_manager(&machine.core);
        let volumes = fltmgr::flt().volumes();
        assert_eq!(volumes.len(), 1);
        assert!(std::ptr::eq(volumes[0].disk.unwrap(), machine.disks[0]));
        log();
        let _filter = upper();
        let disk = FILE_DEVICE_DISK_FILE_SYSTEM;
        assert_eq!(log(), [format!("setup 0x1 {disk} 0")], "automatic, and not newly mounted");
        assert_eq!(open('C').status, NtStatus::SUCCESS);
        assert_eq!(log(), Vec::<String>::new());
    });
}

#[test]
fn setup_is_told_the_file_system_by_its_drivers_name() {
    // spec: LIFE-08
    for (name, kind) in [("Ntfs", FLT_FSTYPE_NTFS), ("FastFat", FLT_FSTYPE_FAT), ("Fat", FLT_FSTYPE_UNKNOWN)]
    {
        in_machine_of(name, |machine| {
            start_manager(&machine.core);
            let _filter = upper();
            assert_eq!(open('C').status, NtStatus::SUCCESS);
            let lines = log();
            assert!(lines.last().is_some_and(|line| line.ends_with(&format!(" {kind}"))), "{lines:?}");
            assert_eq!(fltmgr::flt().volumes()[0].file_system(), kind);
        });
    }
}

#[test]
fn a_setup_callback_opens_files_while_the_creates_of_others_wait() {
    // spec: LIFE-07
    in_machine(|_| {
        let _filters = (lower(), upper());
        OPENS.set(true);
        assert_eq!(open('C').status, NtStatus::SUCCESS);
        let lines: Vec<String> = log().into_iter().filter(|line| !line.contains("Harddisk")).collect();
        let setup = format!("setup 0x5 {FILE_DEVICE_DISK_FILE_SYSTEM} 0");
        assert_eq!(lines, ["fs 1", &setup, "opened", &setup], "each is set up once");
    });
}

#[test]
fn an_instance_that_its_filter_does_not_want_is_not_there() {
    // spec: LIFE-08
    in_machine(|_| {
        let filter = upper();
        SETUP_ANSWER.set(NtStatus::FLT_DO_NOT_ATTACH);
        assert_eq!(open('C').status, NtStatus::SUCCESS);
        let volume = fltmgr::flt().volumes().remove(0);
        assert!(volume.instances().is_empty());
        let attach = |altitude: &str| {
            fltmgr::flt_attach_volume_at_altitude(&filter, &volume, &units(altitude), None).unwrap()
        };
        assert_eq!(attach("5").err(), Some(NtStatus::FLT_DO_NOT_ATTACH));
        SETUP_ANSWER.set(NtStatus::SUCCESS);
        let instance = attach("5").unwrap();
        assert_eq!(String::from_utf16_lossy(&instance.name), "upper - 5");
        assert_eq!(instance.label(), format!("upper - 5 on {VOLUME}"));
        assert!(log().iter().any(|line| line.starts_with("setup 0x2 ")), "manual");
        assert_eq!(fltmgr::flt_compare_instance_altitudes(&instance, &instance), 0);
        let higher = attach("6").unwrap();
        assert!(fltmgr::flt_compare_instance_altitudes(&instance, &higher) < 0);
        assert!(fltmgr::flt_compare_instance_altitudes(&higher, &instance) > 0);
        assert_eq!(open('D').status, NtStatus::SUCCESS);
        let other = fltmgr::flt().instances_of(&filter).pop().unwrap();
        assert_eq!(fltmgr::flt_compare_instance_altitudes(&other, &instance), 0, "another volume");
    });
}

#[test]
fn what_drivers_know_of_an_instance_is_freed_with_it() {
    in_machine(|machine| {
        let filter = upper();
        assert_eq!(open('C').status, NtStatus::SUCCESS);
        let address = fltmgr::flt().instances_of(&filter)[0].anchor().address();
        assert!(nt_ex::pool::block_around(address).is_some());
        fltmgr::flt_unregister_filter(&filter).unwrap();
        drop(filter);
        machine.core.epochs.collect(&machine.core);
        assert!(nt_ex::pool::block_around(address).is_none());
    });
}
